/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A server that says what a test tells it to, at the other end of a pair of
 * sockets, in the same main loop, by a virtual clock.  A run takes no time and
 * is the same each time.
 *
 * Each connection that is dialled plays the next scenario.  A scenario is text,
 * one step a line; blanks before it do not count:
 *
 *     C: text    the client must say this line.  A first word that begins with
 *                "$" takes the tag; "*" at the end stands for any rest
 *     S: text    the server says this line; "$word" stands for the tag taken
 *     S> text    the same with escapes of C, and no line end but those in it
 *     D: ms text as S>, one octet every MS milliseconds
 *     W: ms      the server waits
 *     TLS [who]  TLS from here on; WHO is the certificate shown, see script.c
 *     DEFLATE    RFC 4978 from here on
 *     E          the client must close the connection
 *     X          the server closes it
 *     X!         the same, with a reset
 *     A          from here on script_answer() answers each line
 *     # text     a remark
 *
 * "REFUSE" as a scenario is a server that cannot be reached, "HANG" one that
 * does not even say so.  So is, refusing, every connection beyond the last
 * scenario.  When the last step is done the server is silent and listens.
 */
#ifndef IMAPFS_TESTS_SCRIPT_H
#define IMAPFS_TESTS_SCRIPT_H

#include "base/clock.h"
#include "imap/dial.h"

/* The name in the certificate of "TLS", and what "TLS ip" is for. */
#define SCRIPT_HOST "imap.example.org"
#define SCRIPT_ADDRESS "192.0.2.1"

typedef struct Script Script;

Script *script_new(Clock *clock);
void script_free(Script *script);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Script, script_free)

/* What the next connection is to play. */
void script_add(Script *script, const char *scenario);
void script_add_format(Script *script, const char *format, ...)
    G_GNUC_PRINTF(2, 3);
ImapDialer script_dialer(Script *script);
/* Trusts the authority behind the server's certificates. */
ImapTls *script_tls(void);

/*
 * What step "A" asks for each line of the client, without its tag.  The caller
 * frees what is returned: octets as they are, "$tag" in them is the tag.
 */
typedef char *(*ScriptAnswer)(const char *command, gpointer data);
void script_answer(Script *script, ScriptAnswer answer, gpointer data);
/* The server says TEXT, of its own accord, on the Nth connection. */
void script_say(Script *script, guint n, const char *text);
void script_hang_up(Script *script, guint n);

/* The server breaks connections made from now on after so many octets; -1
 * is never. */
void script_cut_after(Script *script, gint64 octets);
/* The server sends no more than so many octets at once. */
void script_segment(Script *script, guint octets);

/*
 * Runs the main loop, and lets time pass whenever there is nothing to do, until
 * *FLAG, which may be NULL, or until LIMIT has passed.  Returns whether *FLAG.
 * A client that does not follow the scenario fails the test.
 */
gboolean script_run(Script *script, const gboolean *flag, gint64 limit);

/* Connections asked for, and made, so far. */
guint script_dials(const Script *script);
guint script_connections(const Script *script);
/* Whether the Nth connection, from 0 on, has come to the end of its text. */
gboolean script_is_over(const Script *script, guint n);
gboolean script_client_closed(const Script *script, guint n);
/* Octets of the client that no step has taken. */
guint script_unread(const Script *script, guint n);
/* All that the client said on the Nth connection. */
const char *script_heard(const Script *script, guint n);
/* How often WORD is in it, and in what went over the wire before TLS. */
guint script_count(const Script *script, guint n, const char *word);
guint script_count_in_clear(const Script *script, guint n, const char *word);
guint64 script_octets_sent(const Script *script, guint n);

#endif

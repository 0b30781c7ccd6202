/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One session before a scripted server: what the tests of sessions share. */
#ifndef IMAPFS_TESTS_TALK_H
#define IMAPFS_TESTS_TALK_H

#include "base/error.h"
#include "imap/session.h"
#include "script.h"

#define TALK_PATIENCE (30 * CLOCK_SECOND)
#define MINUTE (60 * CLOCK_SECOND)

#define USER "joe"
#define PASSWORD "open sesame"
/* of NUL, user, NUL, password */
#define RESPONSE "AGpvZQBvcGVuIHNlc2FtZQ=="

/* A login in one round trip; what follows is up to a test. */
#define LOGGED_IN(capabilities)                              \
    "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hi\n" \
    "C: $tag AUTHENTICATE PLAIN " RESPONSE "\n"              \
    "S: $tag OK [CAPABILITY IMAP4rev1" capabilities "] in\n"

/* The login of a server that tells nothing before it is asked. */
#define LOGIN_DIALOG                                \
    "C: $tag CAPABILITY\n"                          \
    "S: * CAPABILITY IMAP4rev1\n"                   \
    "S: $tag OK\n"                                  \
    "C: $tag LOGIN \"" USER "\" \"" PASSWORD "\"\n" \
    "S: $tag OK [CAPABILITY IMAP4rev1 IDLE] hello\n"

#define LITERAL_LOGIN                     \
    "S: * OK [CAPABILITY IMAP4rev1] hi\n" \
    "C: $tag LOGIN \"" USER "\" {7}\n"

/* ---- a talk ---- */

typedef struct Talk Talk;

typedef struct {
    Talk *talk;
    const char *name;
    guint answers;
} Order;

struct Talk {
    Clock *clock;
    Script *script;
    ImapTls *tls;
    ImapLogin login;
    ImapSession *session;
    void (*when_ready)(Talk *talk);
    gboolean close_from_event;
    gboolean ready;
    guint n_closed;
    gboolean closed;
    gint64 closed_at;
    GError *error;
    GString *events;  /* what the server said without a tag */
    GString *answers; /* to the commands, as they came */
    guint settled;
    GPtrArray *orders;
    guint unanswered;
    gboolean all_answered;
};

Talk *talk_new(ImapSecurity security);
void talk_free(Talk *talk);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Talk, talk_free)

void talk_dial(Talk *talk);
/* Dials, and logs in. */
void talk_open(Talk *talk, const char *scenario);
/* NAME outlives TALK. */
void talk_send_command(Talk *talk, const char *name, ImapCommand *command);
void talk_send(Talk *talk, const char *text);
void talk_wait(Talk *talk, gint64 duration);

void talk_assert_over(const Talk *talk);
void talk_assert_closed(const Talk *talk, ImapfsError code);
void talk_assert_no_secret_in_clear(const Talk *talk);

#endif

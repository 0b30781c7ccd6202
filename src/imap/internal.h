/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What session.c and login.c share: a session's state.  Not for anyone else.
 *
 *   login.c    from the greeting to where commands may be sent
 *   session.c  everything after, and what both stand on
 */
#ifndef IMAPFS_IMAP_INTERNAL_H
#define IMAPFS_IMAP_INTERNAL_H

#include "imap/frame.h"
#include "imap/session.h"

typedef enum {
    STATE_GREETING,
    STATE_LOGIN,
    STATE_READY,
    STATE_CLOSED,
} ImapSessionState;

typedef enum {
    IDLE_OFF,
    IDLE_ASKED, /* "+" has not come */
    IDLE_ON,
    IDLE_ENDING, /* DONE is sent */
} ImapIdleState;

typedef enum {
    PIPELINED,
    ASIDE,  /* the same, and no reason to take another connection */
    ALONE,  /* nothing may follow it before its answer */
    TO_TLS, /* nor may octets that came with its OK be believed */
} ImapPipelining;

struct ImapSession {
    grefcount references;
    ImapStream *stream;
    const ImapLogin *login;
    Clock *clock;
    const ImapSessionEvents *events;
    gpointer data;

    ImapSessionState state;
    ImapIdleState idle;
    guint capabilities;
    guint enabled;     /* what the server says it has enabled (RFC 5161) */
    gboolean enabling; /* it was asked to */
    enum { PLAIN, TO_COMPRESS, COMPRESSED } compression;

    char tag_prefix[5];
    guint last_tag;
    GQueue waiting; /* of Request, not sent or not sent whole */
    GQueue sent;    /* of Request */

    GByteArray *input; /* from the first octet of an unfinished response */
    ImapFramer framer;
    guint handled; /* octets of it, with the response being handled */
    GSource *more; /* to go on reading after others had their turn */

    gint64 last_used;
    gint64 polled_at;    /* when NOOP was sent last */
    gint64 alive_at;     /* the last sign of life that counts */
    gsize octets_since;  /* octets received since then */
    gint64 heard_at;     /* when the server spoke last */
    gint64 idle_since;   /* when IDLE began */
    gint64 idle_renewal; /* silence after which it is renewed */
    guint stall_timer;
    guint idle_timer;
    guint logout_timer;
};

/* ---- session.c ---- */

/* Takes COMMAND and sends it when its turn comes. */
void imap_session_enqueue(ImapSession *session, ImapCommand *command,
                          ImapPipelining pipelining, ImapDone done,
                          gpointer data);
void imap_session_close_with(ImapSession *session, int code, const char *format,
                             ...) G_GNUC_PRINTF(3, 4);
/* The end of a conversation that the server does not want; WHAT was asked. */
void imap_session_refused(ImapSession *session, const ImapResponse *answer,
                          const char *what);
/* Commands may be sent from now on. */
void imap_session_become_ready(ImapSession *session);

/* ---- login.c ---- */

void imap_login_greeted(ImapSession *session, const ImapResponse *greeting);

#endif

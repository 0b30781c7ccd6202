/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One conversation with a server: greeting, STARTTLS, login, then commands,
 * pipelined, each with its tagged answer; IDLE when there is nothing to do.
 * Knows nothing of other sessions, of mailboxes, of what a command is for.
 *
 * All that the server says without a tag goes to one place, asked for or not,
 * but for what a search finds: that goes to whoever searches.
 * Everything is called from the main loop.  A session that has closed stays
 * closed.
 */
#ifndef IMAPFS_IMAP_SESSION_H
#define IMAPFS_IMAP_SESSION_H

#include "base/clock.h"
#include "imap/capability.h"
#include "imap/command.h"
#include "imap/response.h"
#include "imap/stream.h"

typedef enum {
    IMAP_TLS_IMPLICIT, /* RFC 8314 */
    IMAP_TLS_STARTTLS, /* required, not opportunistic */
    IMAP_TLS_NONE,
} ImapSecurity;

/* What each session of an account needs; outlives them all. */
typedef struct {
    char *host;
    guint16 port;
    ImapSecurity security;
    ImapTls *tls; /* NULL with IMAP_TLS_NONE */
    char *user;
    char *password;
    gint64 patience; /* a server silent for so long is given up, microseconds */
    gboolean trace;  /* log the conversation, without secrets */
} ImapLogin;

typedef struct ImapSession ImapSession;

typedef struct {
    /* Logged in; capabilities are known. */
    void (*ready)(ImapSession *session, gpointer data);
    void (*untagged)(ImapSession *session, const ImapResponse *response,
                     gpointer data);
    /* What was read in one go has been handled. */
    void (*settled)(ImapSession *session, gpointer data);
    /* Once; commands in flight are told next. */
    void (*closed)(ImapSession *session, const GError *error, gpointer data);
} ImapSessionEvents;

/*
 * ANSWER is the tagged response, or NULL with ERROR when the session closed
 * first.
 */
typedef void (*ImapDone)(ImapSession *session, const ImapResponse *answer,
                         const GError *error, gpointer data);

/* What a search finds: RESPONSE is a SEARCH or a THREAD.  It may come in
 * several parts, or not at all. */
typedef void (*ImapFinding)(ImapSession *session, const ImapResponse *response,
                            gpointer data);

typedef enum {
    IMAP_SEARCH_NAMED,  /* RETURN: an answer names its command (RFC 4731) */
    IMAP_SEARCH_BARE,   /* SEARCH */
    IMAP_SEARCH_THREAD, /* THREAD */
} ImapSearchKind;

/* Takes STREAM, which is connected.  DATA goes to EVENTS. */
ImapSession *imap_session_new(ImapStream *stream, const ImapLogin *login,
                              Clock *clock, const ImapSessionEvents *events,
                              gpointer data);
/* Begins the conversation; from now on there are events. */
void imap_session_start(ImapSession *session);
ImapSession *imap_session_ref(ImapSession *session);
void imap_session_unref(ImapSession *session);

/* Takes COMMAND.  It is sent at once, unless what is in flight forbids it. */
void imap_session_send(ImapSession *session, ImapCommand *command,
                       ImapDone done, gpointer data);
/* The same, for what nobody waits for: it is no load. */
void imap_session_send_aside(ImapSession *session, ImapCommand *command,
                             ImapDone done, gpointer data);
/*
 * The same, for a SEARCH or a THREAD; FINDING gets DATA, too.  Answers that do
 * not name their command belong to the first that waits for one, and so that
 * this is never in doubt no two such are in flight at a time.
 */
void imap_session_search(ImapSession *session, ImapCommand *command,
                         ImapSearchKind kind, ImapFinding finding,
                         ImapDone done, gpointer data);
/* Commands not answered yet; IDLE is none. */
guint imap_session_load(const ImapSession *session);
guint imap_session_capabilities(const ImapSession *session);
gboolean imap_session_is_idling(const ImapSession *session);
/* For how long nothing has been heard in IDLE; 0 when not idling. */
gint64 imap_session_silence(const ImapSession *session);
/* When the server spoke last, by the session's clock. */
gint64 imap_session_heard_at(const ImapSession *session);
/* IDLE is renewed after so much silence; the default is 9.5 minutes. */
void imap_session_set_idle_renewal(ImapSession *session, gint64 silence);
const ImapStream *imap_session_stream(const ImapSession *session);
/* When the last command was given, by the session's clock; IDLE is none. */
gint64 imap_session_last_used(const ImapSession *session);

/* Asks for COMPRESS=DEFLATE as soon as nothing is in flight. */
void imap_session_compress(ImapSession *session);
/* Says LOGOUT, without waiting for more than the answer, and closes. */
void imap_session_logout(ImapSession *session);
/* Closes now.  ERROR, if any, is copied. */
void imap_session_close(ImapSession *session, const GError *error);

#endif

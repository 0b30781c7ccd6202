/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The connections of an account: how many there are, which mailbox each has
 * selected, when to try again.  Does not know what a command is for.
 *
 * A link is a connection that is logged in.  One that nobody uses stays in
 * IDLE on the mailbox it has selected, so a mailbox is fresh for as long as a
 * link stays on it.
 */
#ifndef IMAPFS_IMAP_POOL_H
#define IMAPFS_IMAP_POOL_H

#include "imap/dial.h"
#include "imap/session.h"

typedef struct ImapPool ImapPool;
typedef struct ImapLink ImapLink;

typedef struct {
    /* A link may be had that could not be had before. */
    void (*available)(gpointer data);
    /* LINK has its mailbox selected: uidvalidity and exists are known. */
    void (*selected)(ImapLink *link, gpointer data);
    /* LINK has its mailbox no longer; ERROR is NULL unless it was refused. */
    void (*left)(ImapLink *link, const GError *error, gpointer data);
    void (*untagged)(ImapLink *link, const ImapResponse *response,
                     gpointer data);
    /* What LINK received in one go has been handled. */
    void (*settled)(ImapLink *link, gpointer data);
    /* No link is left and the attempt to make one, which began at SINCE,
     * failed. Others follow. */
    void (*unreachable)(const GError *error, gint64 since, gpointer data);
} ImapPoolEvents;

typedef struct {
    guint open; /* logged in */
    guint busy; /* of them, with a command in flight */
    guint64 octets_in, octets_out;
    guint64 commands;
} ImapPoolCounts;

/* LOGIN, DIALER's data and CLOCK outlive the pool. */
ImapPool *imap_pool_new(const ImapLogin *login, ImapDialer dialer, Clock *clock,
                        guint limit, const ImapPoolEvents *events,
                        gpointer data);
/* Closes all at once, without a LOGOUT. */
void imap_pool_free(ImapPool *pool);
/* Says LOGOUT on every link.  TRUE when none is left. */
gboolean imap_pool_logout(ImapPool *pool);

/* What the server says of the mailbox that a link has selected; 0 where it did
 * not say. */
typedef struct {
    guint32 uidvalidity;
    guint32 exists;
    guint64 modseq;      /* HIGHESTMODSEQ when it was selected (RFC 7162) */
    gboolean no_modseqs; /* NOMODSEQ */
    gboolean uids_not_sticky; /* they will be others next time (RFC 4315) */
} ImapSelected;

typedef enum {
    IMAP_LOAN_INTERACTIVE, /* somebody waits */
    IMAP_LOAN_AHEAD,       /* somebody may ask for it soon */
    IMAP_LOAN_BULK,        /* will keep the link busy: a listing */
} ImapLoan;

/*
 * A link with MAILBOX (as the server spells it; NULL: any or none) selected,
 * or about to be: commands may be sent at once.  NULL when there is none now;
 * then one is on its way and events->available will be called.
 */
ImapLink *imap_pool_lend(ImapPool *pool, const char *mailbox, ImapLoan loan);
/* LINK stays busy with something long until the next call with FALSE. */
void imap_link_set_bulk(ImapLink *link, gboolean bulk);

/* Selects its mailbox once more; this tells events->left first. */
void imap_link_select_again(ImapLink *link);
/* FALSE while it is being told that it has closed. */
gboolean imap_link_is_open(const ImapLink *link);

void imap_link_send(ImapLink *link, ImapCommand *command, ImapDone done,
                    gpointer data);
/* The same, for what nobody waits for. */
void imap_link_send_aside(ImapLink *link, ImapCommand *command, ImapDone done,
                          gpointer data);
/* The same, for what finds something: imap_session_search(). */
void imap_link_search(ImapLink *link, ImapCommand *command, ImapSearchKind kind,
                      ImapFinding finding, ImapDone done, gpointer data);
/* The mailbox it has selected or is about to, NULL for none. */
const char *imap_link_mailbox(const ImapLink *link);
gboolean imap_link_is_selected(const ImapLink *link);
/* Good for as long as the link. */
const ImapSelected *imap_link_state(const ImapLink *link);
guint imap_link_capabilities(const ImapLink *link);
/* Of whichever link there is; 0 when there is none. */
guint imap_pool_capabilities(const ImapPool *pool);
/* Departures are told by VANISHED (RFC 7162, RFC 9586), not by EXPUNGE. */
gboolean imap_link_says_vanished(const ImapLink *link);
/* The session behind it, to tell links apart in callbacks of commands. */
ImapLink *imap_pool_find(ImapPool *pool, ImapSession *session);

/* IDLE is renewed after so much silence: what was learned, and what was learned
 * before. */
gint64 imap_pool_idle_renewal(const ImapPool *pool);
void imap_pool_set_idle_renewal(ImapPool *pool, gint64 silence);

/* Of the wire, in octets per second; 0 while so little, or all of it so fast,
 * has come that it could not be measured. */
guint64 imap_pool_speed(const ImapPool *pool);
ImapPoolCounts imap_pool_counts(const ImapPool *pool);
/* One line about each link, for people. */
void imap_pool_describe(const ImapPool *pool, GString *text);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What account.c, listing.c and reading.c share: the account's state.  Not for
 * anyone else.
 *
 *   account.c  wants, and what the pool tells
 *   listing.c  the messages of a mailbox, and keeping them fresh
 *   reading.c  octets of messages, sizes, read-ahead
 */
#ifndef IMAPFS_MAIL_INTERNAL_H
#define IMAPFS_MAIL_INTERNAL_H

#include "mail/account.h"
#include "mail/content.h"
#include "mail/mailboxes.h"

typedef struct MailListings MailListings;
typedef struct MailReadings MailReadings;

struct MailAccount {
    Clock *clock;
    const ImapLogin *login;
    ImapPool *pool;
    MailMailboxes *mailboxes;
    gboolean mailboxes_known;
    gint64 mailboxes_at;      /* when they were listed last */
    MailWant *mailboxes_want; /* NULL when nobody waits for them */
    const MailObserver *observer;
    gpointer observer_data;

    GQueue pending; /* of MailWant: PENDING, each with a reference */
    GSource *plan;  /* runs the planner when the loop comes round */
    guint poll_timer;
    GError *failure; /* why no link is there, while none is */
    gint64 failed_since;
    gint64 failed_wall; /* the same, in seconds since 1970 */

    MailListings *listings;
    MailReadings *readings;
};

/* ---- account.c ---- */

/* A new want that will be planned; the account holds it until it is over. */
MailWant *mail_account_add_want(MailAccount *account, MailWantKind kind,
                                guint16 mailbox);
void mail_account_plan_soon(MailAccount *account);
/* The connection went down under WANT: once more, or fail. */
void mail_account_retry(MailAccount *account, MailWant *want,
                        const GError *error);
/* WANT is over; ERROR NULL means filled. */
void mail_account_finish(MailAccount *account, MailWant *want,
                         const GError *error);
/* The server has been out of reach for longer than is worth to wait. */
gboolean mail_account_is_offline(const MailAccount *account);
/* Nobody looked at it yet, or it changed behind our back: LIST again. */
void mail_account_refresh_mailboxes(MailAccount *account);

/* ---- listing.c ---- */

MailListings *mail_listings_new(void);
void mail_listings_free(MailListings *listings);
/* Sends what a LISTING want needs; FALSE when there is no link for it now. */
gboolean mail_listing_plan(MailAccount *account, MailWant *want);
/* A LISTING want is over. */
void mail_listing_finished(MailAccount *account, MailWant *want);
void mail_listing_selected(MailAccount *account, ImapLink *link);
void mail_listing_left(MailAccount *account, ImapLink *link,
                       const GError *error);
void mail_listing_untagged(MailAccount *account, ImapLink *link,
                           const ImapResponse *response);
void mail_listing_settled(MailAccount *account, ImapLink *link);
void mail_listing_status(MailAccount *account, const ImapMailboxStatus *status);
/* MAILBOX goes, or has become another: drop what is under way for it. */
void mail_listing_forget(MailAccount *account, MailMailbox *mailbox);
/* The mailbox that LINK has selected, if what it says is about the messages
 * that are known; else NULL. */
MailMailbox *mail_listing_mailbox(MailAccount *account, ImapLink *link);
/* What is known may be wrong: list it again when somebody looks. */
void mail_listing_distrust(MailAccount *account, MailMailbox *mailbox);

/* ---- reading.c ---- */

MailReadings *mail_readings_new(gsize cache_limit);
void mail_readings_free(MailReadings *readings);
/* Sends WANT, and those like it among the pending ones. */
gboolean mail_reading_plan(MailAccount *account, MailWant *want);
void mail_reading_fetched(MailAccount *account, MailMailbox *mailbox,
                          const ImapFetch *fetch);
/* What is kept of a message is not to be believed. */
void mail_reading_forget(MailAccount *account, const MailMailbox *mailbox,
                         guint32 uid);
/* A RANGE want is over. */
void mail_reading_finished(MailAccount *account, MailWant *want);
/* RFC822.SIZE was right often enough, and never wrong. */
gboolean mail_account_trusts_sizes(const MailAccount *account);
void mail_reading_describe(MailAccount *account, GString *text);

#endif

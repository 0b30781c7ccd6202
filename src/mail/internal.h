/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of an account share: its state.  Not for anyone else.
 *
 *   account.c   wants, and what the pool tells
 *   survey.c    the list of mailboxes, and changes in any of them
 *   listing.c   questions about the messages of a mailbox, and who watches it
 *   watch.c     what a watcher tells
 *   sync.c      how a listing is brought up to date
 *   saving.c    from the store, and into it
 *   preview.c   what servers say a message is about
 *   download.c  all octets of whole mailboxes
 *   search.c    what the server finds, and which searches are kept
 *   conversations.c  which messages belong together
 *
 * Those that deal with octets of messages, and what is made of them, share
 * octets.h besides.
 */
#ifndef IMAPFS_MAIL_INTERNAL_H
#define IMAPFS_MAIL_INTERNAL_H

#include "mail/account.h"
#include "mail/mailboxes.h"

typedef struct MailListings MailListings;
typedef struct MailRanges MailRanges;
typedef struct MailReaders MailReaders;
typedef struct MailReadings MailReadings;
typedef struct MailWalks MailWalks;
typedef struct MailParts MailParts;
typedef struct MailDecodings MailDecodings;
typedef struct MailViews MailViews;
typedef struct MailAttachments MailAttachments;
typedef struct MailDownload MailDownload;
typedef struct MailPreviews MailPreviews;
typedef struct MailSearches MailSearches;
typedef struct MailConversations MailConversations;
typedef struct MailSurvey MailSurvey;

struct MailAccount {
    Clock *clock;
    const ImapLogin *login;
    ImapPool *pool;
    MailMailboxes *mailboxes;
    gboolean mailboxes_known;
    gboolean list_saved; /* all of them are in the store */
    const MailObserver *observer;
    gpointer observer_data;

    GQueue pending;  /* of MailWant: PENDING, each with a reference */
    GSource *plan;   /* runs the planner when the loop comes round */
    GError *failure; /* why no link is there, while none is */
    gint64 failed_since;
    gint64 failed_wall; /* the same, in seconds since 1970 */

    gboolean never_online; /* -o offline */

    MailStore *store; /* or NULL */
    GQueue unsaved;   /* of MailMailbox, for the store */
    GQueue unput;     /* of octets of messages, likewise; see saving.c */
    gsize unput_size;
    gboolean unsaved_removals; /* some of what is unsaved is gone */
    GSource *saver;            /* runs when there is nothing else to do */
    gint64 idle_renewal;       /* what the store knows of it */
    gint64 unsaved_since;      /* something is; 0 when nothing */
    gint64 noted_at;           /* when something became unsaved last */
    guint saver_timer;         /* for when it is quiet */

    MailSurvey *survey;
    MailListings *listings;
    MailRanges *ranges;
    MailReaders *readers;
    MailReadings *readings;
    MailWalks *walks;
    MailParts *parts;
    MailDecodings *decodings;
    MailViews *views;
    MailAttachments *attachments;
    MailDownload *download;
    MailPreviews *previews;
    MailSearches *searches;
    MailConversations *conversations;
};

/*
 * The link that lists a mailbox stays its watcher for as long as it has it
 * selected.  See listing.c.
 */
typedef enum {
    MAIL_SYNC_ALL,     /* every message, with all that a listing needs */
    MAIL_SYNC_DELTA,   /* what has changed and what has come */
    MAIL_SYNC_SEARCH,  /* then which are left, if their number is wrong */
    MAIL_SYNC_COMPARE, /* flags and sizes of all, and what has come */
} MailSyncStep;

typedef struct {
    ImapLink *link;
    MailAccount *account;
    guint16 mailbox;
    gboolean numbered; /* UIDS is right, or is being filled */
    GArray *uids;      /* by sequence number - 1; 0 where unknown */
    guint prefix;      /* so many of them are known from the first on */
    GArray *removed;   /* UIDs, until the link has settled */
    gboolean grew;     /* the table changed since the link settled last */
    gboolean news;     /* ... and the listing was complete before */
    gboolean lost;     /* something was said that cannot be made sense of */

    MailSyncStep step;
    gboolean fetching; /* the step has not ended */
    guint serial;      /* of the command that ends it */
    guint32 asked;     /* EXISTS when messages were asked for last */
    guint before;      /* messages known when it began; some may be gone */
    guint32 known_to;  /* the last of their UIDs */
    GArray *found;     /* pairs of UIDs, first and last, by SEARCH */
    gboolean misled;   /* it was asked for modseqs, and has none */
    gboolean untold;   /* a comparison did not tell of all */
    gboolean replaced; /* UIDVALIDITY changed under it */
    gboolean anew;     /* ... and all that comes is news */
    gboolean compared; /* all was compared once; the server may count wrong */
} MailWatch;

/* ---- account.c ---- */

/* A new want that will be planned; the account holds it until it is over. */
MailWant *mail_account_add_want(MailAccount *account, MailWantKind kind,
                                guint16 mailbox);
void mail_account_plan_soon(MailAccount *account);
/* What was sent for WANT was not all, or not the right thing: plan it anew. */
void mail_account_again(MailAccount *account, MailWant *want);
/* The connection went down under WANT: once more, or fail. */
void mail_account_retry(MailAccount *account, MailWant *want,
                        const GError *error);
/* WANT is over; ERROR NULL means filled. */
void mail_account_finish(MailAccount *account, MailWant *want,
                         const GError *error);
/* The server has been out of reach for longer than is worth to wait. */
gboolean mail_account_is_offline(const MailAccount *account);
/* Then FAULT says so. */
gboolean mail_account_offline_fault(const MailAccount *account,
                                    MailFault *fault);

/* ---- survey.c ---- */

MailSurvey *mail_survey_new(MailAccount *account);
void mail_survey_free(MailAccount *account);
gboolean mail_survey_plan(MailAccount *account, MailWant *want);
/* The list of mailboxes is asked for, if that is not under way. */
void mail_survey_need(MailAccount *account);
MailWant *mail_survey_want(const MailAccount *account);
/* The want for it is over. */
void mail_survey_finished(MailAccount *account);
/* LIST, NAMESPACE, STATUS, OK. */
void mail_survey_untagged(MailAccount *account, const ImapResponse *response);
/* Links have come or gone. */
void mail_survey_check(MailAccount *account);
/* Somebody has looked into MAILBOX of late. */
gboolean mail_survey_is_in_use(const MailAccount *account,
                               const MailMailbox *mailbox);
void mail_survey_describe(const MailAccount *account, GString *text);

/* ---- listing.c ---- */

MailListings *mail_listings_new(void);
void mail_listings_free(MailAccount *account);
/* Sends what a LISTING want needs; FALSE when there is no link for it now. */
gboolean mail_listing_plan(MailAccount *account, MailWant *want);
/* The LISTING want of MAILBOX, made if there is none. */
MailWant *mail_listing_need(MailAccount *account, MailMailbox *mailbox);
MailWant *mail_listing_want(MailAccount *account, const MailMailbox *mailbox);
/* A LISTING want is over. */
void mail_listing_finished(MailAccount *account, MailWant *want);
void mail_listing_left(MailAccount *account, ImapLink *link,
                       const GError *error);
void mail_listing_status(MailAccount *account, const ImapMailboxStatus *status);
/* MAILBOX goes, or has become another: drop what is under way for it. */
void mail_listing_forget(MailAccount *account, MailMailbox *mailbox);
/* The mailbox that LINK has selected, if what it says is about the messages
 * that are known; else NULL. */
MailMailbox *mail_listing_mailbox(MailAccount *account, ImapLink *link);
/* What is known may be wrong: compare it with what the server has. */
void mail_listing_distrust(MailAccount *account, MailMailbox *mailbox);
/* NULL when nobody watches. */
MailWatch *mail_listing_watch(MailAccount *account, guint16 mailbox);
/* The watch that LINK keeps, or NULL. */
MailWatch *mail_listing_watch_by(MailAccount *account, ImapLink *link);
guint mail_listing_next_serial(MailAccount *account);

/* ---- watch.c ---- */

void mail_watch_untagged(MailAccount *account, ImapLink *link,
                         const ImapResponse *response);
/* Takes what has gone out of the table; many at once cost one pass over it. */
void mail_watch_remove_expunged(MailWatch *watch, MailMailbox *mailbox);
void mail_watch_settled(MailAccount *account, ImapLink *link);
/* Tell the observer. */
void mail_watch_tell_removed(MailAccount *account, MailMailbox *mailbox,
                             const MailMessage *message);
void mail_watch_tell_mailbox(MailAccount *account, MailMailbox *mailbox);

/* ---- sync.c ---- */

/* The watch is new, and its link selects the mailbox: ask for what is not
 * known. */
void mail_sync_begin(MailWatch *watch, MailMailbox *mailbox);
void mail_sync_selected(MailAccount *account, ImapLink *link);
/* Messages have come. */
void mail_sync_fetch_rest(MailWatch *watch, MailMailbox *mailbox);

/* ---- saving.c ---- */

/* All mailboxes of the store, without their messages. */
void mail_saving_restore(MailAccount *account);
/* The next messages of MAILBOX from the store.  When there are no more it is
 * as it was when it was saved. */
void mail_saving_load(MailAccount *account, MailMailbox *mailbox);
/* Message UID of MAILBOX has come, changed or gone. */
void mail_saving_note(MailAccount *account, MailMailbox *mailbox, guint32 uid);
/* Message UID of MAILBOX has gone. */
void mail_saving_note_removed(MailAccount *account, MailMailbox *mailbox,
                              guint32 uid);
/* Messages that have gone are gone from the store, too: what others look for
 * there may have been theirs. */
void mail_saving_settle(MailAccount *account);
/* MAILBOX itself has changed, or all of it is known. */
void mail_saving_note_mailbox(MailAccount *account, MailMailbox *mailbox);
/* The list of mailboxes has been taken: see which have changed. */
void mail_saving_note_mailboxes(MailAccount *account);
/* Nothing that is saved of MAILBOX holds: UIDVALIDITY changed. */
void mail_saving_forget(MailAccount *account, MailMailbox *mailbox);
/* MAILBOX goes. */
void mail_saving_removed(MailAccount *account, MailMailbox *mailbox);
/* Saves what is left, for a second at most, and saves no more. */
void mail_saving_end(MailAccount *account);
/* Octets of SECTION of a message, to be put into the store when there is time.
 */
void mail_saving_put(MailAccount *account, MailMailbox *mailbox, guint32 uid,
                     const char *section, guint64 offset, ImapSlice data);
/* Puts all of them now. */
void mail_saving_put_all(MailAccount *account);
/* What is kept of that message, or is to be, is not to be believed. */
void mail_saving_forget_octets(MailAccount *account, MailMailbox *mailbox,
                               guint32 uid);
/* The pool may have learned how long the server lets IDLE be silent. */
void mail_saving_note_idle(MailAccount *account);
void mail_saving_describe(const MailAccount *account, GString *text);

/* ---- preview.c ---- */

MailPreviews *mail_previews_new(void);
void mail_previews_free(MailPreviews *previews);
/* Sends what was asked for, if there is a link for it now. */
void mail_preview_plan(MailAccount *account);
void mail_preview_fetched(MailAccount *account, MailMailbox *mailbox,
                          const MailMessage *message, ImapSlice text);

/* ---- download.c ---- */

MailDownload *mail_download_new(void);
void mail_download_free(MailDownload *download);
/* Asks for more, if something is left and little is under way. */
void mail_download_go_on(MailAccount *account);
void mail_download_forget(MailAccount *account, const MailMailbox *mailbox);

/* ---- search.c ---- */

MailSearches *mail_searches_new(const MailAccountSetup *setup);
void mail_searches_free(MailSearches *searches);
/* Sends what a SEARCH want needs; FALSE when there is no link for it now. */
gboolean mail_search_plan(MailAccount *account, MailWant *want);
/* A SEARCH want is over. */
void mail_search_finished(MailAccount *account, MailWant *want);
/* MAILBOX goes. */
void mail_search_forget(MailAccount *account, const MailMailbox *mailbox);

/* ---- conversations.c ---- */

MailConversations *mail_conversations_new(void);
void mail_conversations_free(MailConversations *conversations);
/* The same for a THREADS want. */
gboolean mail_conversations_plan(MailAccount *account, MailWant *want);
void mail_conversations_finished(MailAccount *account, MailWant *want);
void mail_conversations_forget(MailAccount *account,
                               const MailMailbox *mailbox);
/* FETCH may be what was asked for. */
void mail_conversations_fetched(MailAccount *account,
                                const MailMailbox *mailbox,
                                const ImapFetch *fetch);

#endif

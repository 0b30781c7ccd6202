/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The messages of a mailbox: who lists it, who watches it, and the questions
 * that are answered from it.
 *
 * The link that listed a mailbox stays its watcher for as long as it has it
 * selected.  Only the watcher's sequence numbers mean anything here: it knows
 * which UID each of them is, so EXPUNGE and FETCH without a UID can be
 * understood (RFC 9051, 7.5.1).  What other links say about arrivals and
 * departures is ignored.
 */
#include <string.h>

#include "base/error.h"
#include "mail/internal.h"

/* A listing that no link watches is taken as fresh for so long. */
#define STALE_AFTER (1 * CLOCK_SECOND)
/* Who looks into a mailbox that was known before waits so long for news. */
#define PATIENCE (1 * CLOCK_SECOND)

/* A LISTING want that is not over. */
typedef struct {
    MailAccount *account;
    MailWant *want;
    gint64 asked_at;
    guint timer; /* wakes who has waited for news for long enough */
} Listing;

struct MailListings {
    GHashTable *watches; /* mailbox id -> MailWatch */
    GHashTable *wanted;  /* mailbox id -> Listing */
    guint last_serial;
};

/* ---- watches ---- */

static void
free_watch(gpointer data)
{
    MailWatch *watch = data;
    g_array_unref(watch->uids);
    g_array_unref(watch->removed);
    g_array_unref(watch->found);
    g_free(watch);
}

MailListings *
mail_listings_new(void)
{
    MailListings *listings = g_new0(MailListings, 1);
    listings->watches = g_hash_table_new_full(NULL, NULL, NULL, free_watch);
    listings->wanted = g_hash_table_new(NULL, NULL);
    return listings;
}

void
mail_listings_free(MailAccount *account)
{
    g_hash_table_unref(account->listings->watches);
    g_hash_table_unref(account->listings->wanted);
    g_free(account->listings);
}

MailWatch *
mail_listing_watch(MailAccount *account, guint16 mailbox)
{
    return g_hash_table_lookup(account->listings->watches,
                               GUINT_TO_POINTER(mailbox));
}

MailWatch *
mail_listing_watch_by(MailAccount *account, ImapLink *link)
{
    const char *name = imap_link_mailbox(link);
    MailMailbox *mailbox =
        name ? mail_mailboxes_named(account->mailboxes, name) : NULL;
    MailWatch *watch =
        mailbox ? mail_listing_watch(account, mailbox->id) : NULL;
    return watch != NULL && watch->link == link ? watch : NULL;
}

static void
drop_watch(MailAccount *account, MailWatch *watch)
{
    imap_link_set_bulk(watch->link, FALSE);
    g_hash_table_remove(account->listings->watches,
                        GUINT_TO_POINTER(watch->mailbox));
}

static MailWatch *
add_watch(MailAccount *account, MailMailbox *mailbox, ImapLink *link)
{
    MailWatch *watch = g_new0(MailWatch, 1);

    watch->link = link;
    watch->account = account;
    watch->mailbox = mailbox->id;
    watch->uids = g_array_new(FALSE, TRUE, sizeof(guint32));
    watch->removed = g_array_new(FALSE, FALSE, sizeof(guint32));
    watch->found = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_hash_table_replace(account->listings->watches,
                         GUINT_TO_POINTER(mailbox->id), watch);
    imap_link_set_bulk(link, TRUE);
    return watch;
}

MailMailbox *
mail_listing_mailbox(MailAccount *account, ImapLink *link)
{
    MailMailbox *mailbox;

    if (!imap_link_is_selected(link))
        return NULL;
    mailbox = mail_mailboxes_named(account->mailboxes, imap_link_mailbox(link));
    if (mailbox == NULL ||
        mailbox->uidvalidity != imap_link_state(link)->uidvalidity)
        return NULL;
    return mailbox;
}

guint
mail_listing_next_serial(MailAccount *account)
{
    return ++account->listings->last_serial;
}

/* ---- wants ---- */

static Listing *
listing_of(MailAccount *account, const MailMailbox *mailbox)
{
    return g_hash_table_lookup(account->listings->wanted,
                               GUINT_TO_POINTER(mailbox->id));
}

MailWant *
mail_listing_want(MailAccount *account, const MailMailbox *mailbox)
{
    Listing *listing = listing_of(account, mailbox);
    return listing ? listing->want : NULL;
}

static void
on_patience_over(gpointer data)
{
    Listing *listing = data;
    listing->timer = 0;
    mail_want_wake(listing->want, NULL);
}

MailWant *
mail_listing_need(MailAccount *account, MailMailbox *mailbox)
{
    Listing *listing = listing_of(account, mailbox);

    if (listing == NULL) {
        listing = g_new0(Listing, 1);
        listing->account = account;
        listing->want =
            mail_account_add_want(account, MAIL_WANT_LISTING, mailbox->id);
        listing->asked_at = clock_now(account->clock);
        listing->timer =
            clock_after(account->clock, PATIENCE, on_patience_over, listing);
        g_hash_table_insert(account->listings->wanted,
                            GUINT_TO_POINTER(mailbox->id), listing);
    }
    return listing->want;
}

void
mail_listing_finished(MailAccount *account, MailWant *want)
{
    gpointer key = GUINT_TO_POINTER(want->mailbox);
    Listing *listing = g_hash_table_lookup(account->listings->wanted, key);

    if (listing == NULL || listing->want != want)
        return;
    g_hash_table_remove(account->listings->wanted, key);
    clock_cancel(account->clock, &listing->timer);
    g_free(listing);
    mail_account_plan_soon(account); /* a download may have waited for it */
}

static void
end_want(MailAccount *account, const MailMailbox *mailbox, const GError *error)
{
    MailWant *want = mail_listing_want(account, mailbox);
    if (want != NULL)
        mail_account_finish(account, want, error);
}

gboolean
mail_listing_plan(MailAccount *account, MailWant *want)
{
    MailMailbox *mailbox = mail_account_mailbox(account, want->mailbox);
    ImapLink *link;

    if (mailbox->unloaded) {
        mail_saving_load(account, mailbox);
        mail_want_wake(want, NULL);
        mail_account_plan_soon(account);
        return FALSE;
    }
    link = imap_pool_lend(account->pool, mailbox->name, IMAP_LOAN_BULK);
    if (link == NULL)
        return FALSE;
    /* A link may go on showing what is gone, and lie about its size, until it
     * selects the mailbox anew. */
    if (imap_link_is_selected(link))
        imap_link_select_again(link);
    want->state = MAIL_WANT_SENT;
    mail_sync_begin(add_watch(account, mailbox, link), mailbox);
    return TRUE;
}

void
mail_listing_left(MailAccount *account, ImapLink *link, const GError *error)
{
    MailMailbox *mailbox =
        mail_mailboxes_named(account->mailboxes, imap_link_mailbox(link));
    MailWatch *watch = mail_listing_watch_by(account, link);
    MailWant *want;

    if (mailbox == NULL)
        return;
    if (error != NULL) { /* it cannot be selected */
        end_want(account, mailbox, error);
        mail_survey_need(account);
    }
    if (watch == NULL)
        return;
    if (mailbox->fresh)
        mailbox->listed_at = clock_now(account->clock);
    mailbox->fresh = FALSE;
    drop_watch(account, watch);
    want = mail_listing_want(account, mailbox);
    if (want != NULL) {
        g_autoptr(GError) lost =
            g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_OFFLINE,
                        "the connection was lost during the listing");
        mail_account_retry(account, want, lost);
    } else if (error == NULL && !imap_link_is_open(link) &&
               mailbox->listing == MAIL_LISTED &&
               mail_survey_is_in_use(account, mailbox)) {
        mail_listing_need(account, mailbox);
    }
}

/* ---- questions ---- */

/* Known, though nobody may be watching it. */
static gboolean
is_acceptable(MailAccount *account, const MailMailbox *mailbox)
{
    gint64 age = clock_now(account->clock) - mailbox->listed_at;
    return mailbox->listing == MAIL_LISTED &&
           (mailbox->fresh || age < STALE_AFTER || account->failure != NULL);
}

gboolean
mail_account_visit(MailAccount *account, MailMailbox *mailbox, MailFault *fault)
{
    gint64 now = clock_now(account->clock);
    MailWant *want;

    mailbox->used_at = now;
    if (!mailbox->selectable || is_acceptable(account, mailbox))
        return TRUE;
    want = mail_listing_need(account, mailbox);
    /* What was known yesterday is not shown if today's is at hand. */
    if (mailbox->unloaded ||
        (mailbox->listing == MAIL_LISTED &&
         now - listing_of(account, mailbox)->asked_at < PATIENCE))
        return mail_fault_want(fault, want);
    return TRUE;
}

gboolean
mail_account_know_beyond(MailAccount *account, MailMailbox *mailbox,
                         guint32 uid, MailFault *fault)
{
    if (!mailbox->selectable || mailbox->listing == MAIL_LISTED ||
        (mail_mailbox_last_uid(mailbox) > uid && mailbox->listed_to > uid))
        return TRUE;
    if (!mailbox->unloaded && mail_account_is_offline(account)) {
        fault->error = g_error_copy(account->failure);
        return FALSE;
    }
    return mail_fault_want(fault, mail_listing_need(account, mailbox));
}

gboolean
mail_account_know_message(MailAccount *account, MailMailbox *mailbox,
                          guint32 uid, MailMessage **ret, MailFault *fault)
{
    *ret = mail_mailbox_find(mailbox, uid);
    if (*ret != NULL)
        return TRUE;
    if (uid == 0 || !mail_account_know_beyond(account, mailbox, uid - 1, fault))
        return uid == 0 ? mail_fault_error(fault, IMAPFS_ERROR_NOT_FOUND,
                                           "no such message")
                        : FALSE;
    return mail_fault_error(fault, IMAPFS_ERROR_NOT_FOUND, "no such message");
}

/* ---- doubts ---- */

void
mail_listing_status(MailAccount *account, const ImapMailboxStatus *status)
{
    g_autofree char *name = imap_slice_dup(status->name);
    MailMailbox *mailbox =
        name ? mail_mailboxes_named(account->mailboxes, name) : NULL;

    if (mailbox == NULL || mailbox->listing != MAIL_LISTED || mailbox->fresh)
        return;
    if ((status->items & IMAP_STATUS_MESSAGES &&
         status->messages != mail_mailbox_count(mailbox)) ||
        (status->items & IMAP_STATUS_UIDVALIDITY &&
         status->uidvalidity != mailbox->uidvalidity) ||
        (status->items & IMAP_STATUS_UIDNEXT &&
         status->uidnext <= mail_mailbox_last_uid(mailbox)) ||
        (status->items & IMAP_STATUS_MODSEQ && mailbox->modseq != 0 &&
         status->modseq > mailbox->modseq))
        mail_listing_need(account, mailbox);
}

void
mail_listing_distrust(MailAccount *account, MailMailbox *mailbox)
{
    MailWatch *watch = mail_listing_watch(account, mailbox->id);

    mailbox->doubted = TRUE;
    if (watch != NULL && watch->fetching)
        return; /* it is being listed anyway */
    if (watch != NULL)
        drop_watch(account, watch);
    mailbox->fresh = FALSE;
    mailbox->listed_at = G_MININT64 / 2;
    if (mailbox->listing == MAIL_LISTED)
        mail_listing_need(account, mailbox);
}

void
mail_listing_forget(MailAccount *account, MailMailbox *mailbox)
{
    MailWatch *watch = mail_listing_watch(account, mailbox->id);
    g_autoptr(GError) gone = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_NOT_FOUND,
                                         "the mailbox is gone");
    if (watch != NULL)
        drop_watch(account, watch);
    end_want(account, mailbox, gone);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * All octets of whole mailboxes, into the store.  Works through one mailbox
 * after the other, with a few messages under way at any time, as read-ahead:
 * whoever waits for something goes first.  What the store has is not fetched,
 * so one that was broken off goes on where it was.
 */
#include "base/error.h"
#include "mail/octets.h"

enum {
    MESSAGES_AT_ONCE = 256,
    OCTETS_AT_ONCE = 4 << 20,
    TRIES_MAX = 3, /* without progress */
};

/* A message that is being fetched. */
typedef struct {
    guint32 uid;
    guint64 size;
    MailWant *want; /* the last one; a reference */
    guint tries;
} Item;

struct MailDownload {
    GArray *mailboxes; /* ids; the first is at work */
    gboolean asked;    /* ... and somebody was asked to list it */
    gboolean counted;  /* ... and it is in the totals */
    guint32 next;      /* UID to begin next */
    GQueue items;
    guint64 in_flight; /* octets of them */
    MailProgress progress;
    GError *error;
};

static void
free_item(gpointer data)
{
    Item *item = data;
    mail_want_unref(item->want);
    g_free(item);
}

static void
drop_items(MailDownload *download)
{
    g_queue_clear_full(&download->items, free_item);
    download->in_flight = 0;
}

MailDownload *
mail_download_new(void)
{
    MailDownload *download = g_new0(MailDownload, 1);
    download->mailboxes = g_array_new(FALSE, FALSE, sizeof(guint16));
    g_queue_init(&download->items);
    return download;
}

void
mail_download_free(MailDownload *download)
{
    drop_items(download);
    g_array_unref(download->mailboxes);
    g_clear_error(&download->error);
    g_free(download);
}

/* Takes ERROR. */
static void
note_error(MailDownload *download, GError *error)
{
    g_clear_error(&download->error);
    download->error = error;
}

static void
end_mailbox(MailDownload *download)
{
    drop_items(download);
    g_array_remove_index(download->mailboxes, 0);
    download->asked = download->counted = FALSE;
    download->next = 0;
}

void
mail_download_forget(MailAccount *account, const MailMailbox *mailbox)
{
    MailDownload *download = account->download;

    for (guint i = download->mailboxes->len; i-- > 0;) {
        if (g_array_index(download->mailboxes, guint16, i) != mailbox->id)
            continue;
        if (i == 0)
            end_mailbox(download);
        else
            g_array_remove_index(download->mailboxes, i);
    }
}

static void
count(MailDownload *download, const MailMailbox *mailbox)
{
    guint n = mail_mailbox_count(mailbox);

    download->counted = TRUE;
    download->progress.messages += n;
    for (guint i = 0; i < n; i++)
        download->progress.octets += mail_mailbox_at(mailbox, i)->size;
}

static void
note_done(MailDownload *download, guint64 size)
{
    download->progress.messages_done++;
    download->progress.octets_done += size;
}

/* Returns FALSE when nothing more is to be done for ITEM. */
static gboolean
go_on_with(MailAccount *account, MailMailbox *mailbox, Item *item)
{
    MailDownload *download = account->download;
    MailWant *want;

    if (item->want->state != MAIL_WANT_OVER)
        return TRUE;
    want = mail_reading_fetch(account, mailbox, item->uid);
    if (want == NULL) {
        note_done(download, item->size);
        return FALSE;
    }
    item->tries = want->offset == item->want->offset ? item->tries + 1 : 0;
    mail_want_unref(item->want);
    item->want = mail_want_ref(want);
    if (item->tries < TRIES_MAX)
        return TRUE;
    note_error(download,
               g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_FAILED,
                           "UID %u of %s could not be fetched, or not kept",
                           item->uid, mailbox->leaf));
    return FALSE;
}

static void
go_on_with_items(MailAccount *account, MailMailbox *mailbox)
{
    MailDownload *download = account->download;

    for (guint n = download->items.length; n > 0; n--) {
        Item *item = g_queue_pop_head(&download->items);
        if (go_on_with(account, mailbox, item)) {
            g_queue_push_tail(&download->items, item);
        } else {
            download->in_flight -= item->size;
            free_item(item);
        }
    }
}

static void
begin_items(MailAccount *account, MailMailbox *mailbox)
{
    MailDownload *download = account->download;
    guint i = mail_mailbox_seek(mailbox, download->next);

    for (; i < mail_mailbox_count(mailbox) &&
           download->items.length < MESSAGES_AT_ONCE &&
           download->in_flight < OCTETS_AT_ONCE;
         i++) {
        const MailMessage *message = mail_mailbox_at(mailbox, i);
        guint64 size = message->size;
        guint32 uid = message->uid;
        MailWant *want = mail_reading_fetch(account, mailbox, uid);
        Item *item;

        download->next = uid == G_MAXUINT32 ? uid : uid + 1;
        if (want == NULL) {
            note_done(download, size);
            continue;
        }
        item = g_new0(Item, 1);
        item->uid = uid;
        item->size = size;
        item->want = mail_want_ref(want);
        g_queue_push_tail(&download->items, item);
        download->in_flight += size;
    }
    if (i == mail_mailbox_count(mailbox) && g_queue_is_empty(&download->items))
        end_mailbox(download);
}

static void
stop(MailDownload *download)
{
    drop_items(download);
    g_array_set_size(download->mailboxes, 0);
    download->asked = download->counted = FALSE;
    download->next = 0;
}

void
mail_download_go_on(MailAccount *account)
{
    MailDownload *download = account->download;
    guint left = download->mailboxes->len;
    guint16 id;
    MailMailbox *mailbox;

    if (left == 0)
        return;
    if (account->failure != NULL) {
        note_error(download, g_error_copy(account->failure));
        stop(download);
        return;
    }
    id = g_array_index(download->mailboxes, guint16, 0);
    mailbox = mail_account_mailbox(account, id);
    if (!mailbox->fresh && !download->asked) {
        mail_listing_need(account, mailbox);
        download->asked = TRUE;
    }
    if (!mailbox->fresh && mail_listing_want(account, mailbox) != NULL)
        return;
    if (!mailbox->fresh) {
        note_error(download,
                   g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_FAILED,
                               "%s could not be listed", mailbox->leaf));
        end_mailbox(download);
        mail_account_plan_soon(account);
        return;
    }
    if (!download->counted)
        count(download, mailbox);
    mail_saving_put_all(account);
    go_on_with_items(account, mailbox);
    begin_items(account, mailbox);
    if (download->mailboxes->len > 0 && download->mailboxes->len < left)
        mail_account_plan_soon(account); /* the next one */
}

void
mail_account_download(MailAccount *account, MailMailbox *mailbox)
{
    MailDownload *download = account->download;

    if (mailbox == NULL && download->mailboxes->len > 0) {
        note_error(download,
                   g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_CANCELLED,
                               "it was ended before all was fetched"));
        stop(download);
    }
    if (mailbox == NULL)
        return;
    if (!mailbox->selectable)
        return;
    if (download->mailboxes->len == 0) {
        g_clear_error(&download->error);
        download->progress = (MailProgress){.active = FALSE};
    }
    if (account->store == NULL) {
        note_error(download, g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_FAILED,
                                         "there is no cache to keep it in"));
        return;
    }
    mail_download_forget(account, mailbox);
    g_array_append_val(download->mailboxes, mailbox->id);
    mail_account_plan_soon(account);
}

MailProgress
mail_account_progress(const MailAccount *account)
{
    const MailDownload *download = account->download;
    MailProgress progress = download->progress;

    progress.active = download->mailboxes->len > 0;
    progress.error = download->error;
    return progress;
}

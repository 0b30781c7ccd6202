/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer.h"

#include "base/error.h"
#include "refresh.h"

#define INTERVAL (250 * CLOCK_MILLISECOND)

struct Transfer {
    MailAccount *account;
    Clock *clock;
    const TransferEvents *events;
    gpointer data;
    guint timer; /* 0 when it is over */
};

static void
add_all(MailMailbox *mailbox, GPtrArray *mailboxes)
{
    const GPtrArray *children = mail_mailbox_children(mailbox);

    if (mailbox->parent != NULL && mailbox->selectable)
        g_ptr_array_add(mailboxes, mailbox);
    for (guint i = 0; i < children->len; i++)
        add_all(g_ptr_array_index(children, i), mailboxes);
}

static gboolean
add_named(MailAccount *account, const char *path, GPtrArray *mailboxes,
          GError **error)
{
    MailMailbox *mailbox = refresh_find(account, path);

    if (mailbox == NULL || !mailbox->selectable) {
        g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_NOT_FOUND,
                    "there is no mailbox %s", path);
        return FALSE;
    }
    g_ptr_array_add(mailboxes, mailbox);
    return TRUE;
}

static void
on_timer(gpointer data)
{
    Transfer *transfer = data;
    MailProgress progress = mail_account_progress(transfer->account);

    transfer->timer = 0;
    transfer->events->progress(&progress, transfer->data);
    if (progress.active)
        transfer->timer =
            clock_after(transfer->clock, INTERVAL, on_timer, transfer);
    else
        transfer->events->done(progress.error, transfer->data);
}

Transfer *
transfer_new(MailAccount *account, Clock *clock, const char *const *paths,
             const TransferEvents *events, gpointer data, GError **error)
{
    g_autoptr(GPtrArray) mailboxes = g_ptr_array_new();
    Transfer *transfer;

    if (*paths == NULL)
        add_all(mail_account_root(account), mailboxes);
    for (const char *const *path = paths; *path != NULL; path++) {
        if (!add_named(account, *path, mailboxes, error))
            return NULL;
    }
    transfer = g_new0(Transfer, 1);
    transfer->account = account;
    transfer->clock = clock;
    transfer->events = events;
    transfer->data = data;
    for (guint i = 0; i < mailboxes->len; i++)
        mail_account_download(account, g_ptr_array_index(mailboxes, i));
    transfer->timer = clock_after(clock, INTERVAL, on_timer, transfer);
    return transfer;
}

void
transfer_free(Transfer *transfer)
{
    if (transfer->timer != 0)
        mail_account_download(transfer->account, NULL);
    clock_cancel(transfer->clock, &transfer->timer);
    g_free(transfer);
}

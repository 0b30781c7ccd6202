/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "refresh.h"

#include "base/error.h"
#include "fs/names.h"

struct Refresh {
    MailAccount *account;
    Clock *clock;
    char *path;
    gint64 patience;
    gint64 deadline;
    RefreshDone done;
    gpointer data;

    MailWaiter waiter;
    guint timer;
    GError *failure; /* that it was woken with */
    gboolean list_asked;
    gboolean mailbox_asked;
};

MailMailbox *
refresh_find(MailAccount *account, const char *path)
{
    g_auto(GStrv) steps = g_strsplit(path, "/", -1);
    MailMailbox *mailbox = mail_account_root(account);

    for (char **step = steps; *step != NULL && mailbox != NULL; step++) {
        if (**step != '\0')
            mailbox = fs_names_find_mailbox(mailbox, *step);
    }
    return mailbox;
}

static void
finish(Refresh *refresh, const GError *error)
{
    clock_cancel(refresh->clock, &refresh->timer);
    mail_waiter_leave(&refresh->waiter);
    refresh->done(error, refresh->data);
}

/* Asks for MAILBOX anew, once.  TRUE when the answer has come; FALSE when it
 * waits for that. */
static gboolean
know(Refresh *refresh, MailMailbox *mailbox, gboolean *asked)
{
    MailFault fault = {NULL, NULL};

    if (!*asked)
        mail_account_refresh(refresh->account, mailbox);
    *asked = TRUE;
    if (mail_account_know_refreshed(refresh->account, mailbox, &fault))
        return TRUE;
    mail_want_wait(fault.want, &refresh->waiter);
    return FALSE;
}

/* TRUE when all is known; FALSE when it waits, or *RET_ERROR is set. */
static gboolean
ask(Refresh *refresh, GError **ret_error)
{
    MailAccount *account = refresh->account;
    MailMailbox *mailbox = refresh_find(account, refresh->path);
    const GError *failure =
        refresh->failure ? refresh->failure : mail_account_failure(account);

    if (failure != NULL) {
        *ret_error = g_error_copy(failure);
        return FALSE;
    }
    if (mailbox != NULL && mailbox->selectable)
        return know(refresh, mailbox, &refresh->mailbox_asked);
    if (!know(refresh, mail_account_root(account), &refresh->list_asked))
        return FALSE;
    if (mailbox == NULL)
        g_set_error(ret_error, IMAPFS_ERROR, IMAPFS_ERROR_NOT_FOUND,
                    "there is no mailbox %s", refresh->path);
    return mailbox != NULL;
}

static void
on_timer(gpointer data)
{
    Refresh *refresh = data;
    g_autoptr(GError) error = NULL;
    gint64 left = refresh->deadline - clock_now(refresh->clock);

    refresh->timer = 0;
    mail_waiter_leave(&refresh->waiter);
    if (!ask(refresh, &error) && error == NULL && left > 0) {
        refresh->timer = clock_after(refresh->clock, left, on_timer, refresh);
        return;
    }
    if (error == NULL && left <= 0)
        error = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_TIMEOUT,
                            "the server did not answer in time");
    finish(refresh, error);
}

/* It got on, or failed: ask again when the loop comes round. */
static void
on_woken(MailWaiter *waiter, const GError *error)
{
    Refresh *refresh = (Refresh *)(gpointer)((char *)waiter -
                                             G_STRUCT_OFFSET(Refresh, waiter));
    refresh->deadline = clock_now(refresh->clock) + refresh->patience;
    if (error != NULL && refresh->failure == NULL)
        refresh->failure = g_error_copy(error);
    clock_cancel(refresh->clock, &refresh->timer);
    refresh->timer = clock_after(refresh->clock, 0, on_timer, refresh);
}

Refresh *
refresh_new(MailAccount *account, Clock *clock, const char *path,
            gint64 patience, RefreshDone done, gpointer data)
{
    Refresh *refresh = g_new0(Refresh, 1);

    refresh->account = account;
    refresh->clock = clock;
    refresh->path = g_strdup(path);
    refresh->patience = patience;
    refresh->deadline = clock_now(clock) + patience;
    refresh->done = done;
    refresh->data = data;
    refresh->waiter.wake = on_woken;
    refresh->timer = clock_after(clock, 0, on_timer, refresh);
    return refresh;
}

void
refresh_free(Refresh *refresh)
{
    clock_cancel(refresh->clock, &refresh->timer);
    mail_waiter_leave(&refresh->waiter);
    g_clear_error(&refresh->failure);
    g_free(refresh->path);
    g_free(refresh);
}

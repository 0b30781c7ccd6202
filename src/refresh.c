/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "refresh.h"

#include "base/error.h"
#include "fs/names.h"

/* How often it is looked whether a list has come. */
#define INTERVAL (50 * CLOCK_MILLISECOND)

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
    guint list;  /* the number of the last LIST when it was asked for anew */
    guint named; /* mailboxes in the new one, when last looked */
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

/* ---- the list of mailboxes ---- */

typedef struct {
    guint last;  /* LIST that named a mailbox */
    guint named; /* mailboxes in it */
} Lists;

static void
count_lists(MailMailbox *mailbox, Lists *lists)
{
    const GPtrArray *children = mail_mailbox_children(mailbox);

    if (mailbox->listed_in > lists->last) {
        lists->last = mailbox->listed_in;
        lists->named = 0;
    }
    lists->named += mailbox->listed_in == lists->last;
    for (guint i = 0; i < children->len; i++)
        count_lists(g_ptr_array_index(children, i), lists);
}

/* A new list has come: a LIST named mailboxes, and names no more of them. */
static gboolean
know_list(Refresh *refresh)
{
    Lists lists = {0, 0};
    gboolean still;

    count_lists(mail_account_root(refresh->account), &lists);
    if (lists.last <= refresh->list)
        return FALSE;
    still = lists.named == refresh->named;
    refresh->named = lists.named;
    return still;
}

static void
ask_list(Refresh *refresh)
{
    Lists lists = {0, 0};

    count_lists(mail_account_root(refresh->account), &lists);
    refresh->list = lists.last;
    refresh->list_asked = TRUE;
    mail_account_refresh(refresh->account, mail_account_root(refresh->account));
}

/* ---- steps ---- */

static void
finish(Refresh *refresh, const GError *error)
{
    clock_cancel(refresh->clock, &refresh->timer);
    mail_waiter_leave(&refresh->waiter);
    refresh->done(error, refresh->data);
}

/* TRUE when all is known; FALSE when it waits, or *RET_ERROR is set. */
static gboolean
ask(Refresh *refresh, GError **ret_error)
{
    MailMailbox *mailbox = refresh_find(refresh->account, refresh->path);
    const GError *failure = refresh->failure
                                ? refresh->failure
                                : mail_account_failure(refresh->account);
    MailFault fault = {NULL, NULL};

    if (failure != NULL) {
        *ret_error = g_error_copy(failure);
        return FALSE;
    }
    if (mailbox == NULL || !mailbox->selectable) {
        if (!refresh->list_asked)
            ask_list(refresh);
        if (!know_list(refresh))
            return FALSE;
        if (mailbox == NULL)
            mail_fault_error(&fault, IMAPFS_ERROR_NOT_FOUND,
                             "there is no mailbox %s", refresh->path);
        *ret_error = fault.error;
        return fault.error == NULL;
    }
    if (!refresh->mailbox_asked)
        mail_account_refresh(refresh->account, mailbox);
    refresh->mailbox_asked = TRUE;
    if (mail_account_visit(refresh->account, mailbox, &fault) &&
        mail_account_know_beyond(refresh->account, mailbox, G_MAXUINT32,
                                 &fault))
        return TRUE;
    if (fault.want != NULL)
        mail_want_wait(fault.want, &refresh->waiter);
    *ret_error = fault.error;
    return FALSE;
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
        /* A list of mailboxes wakes nobody who knows one already. */
        if (refresh->waiter.want == NULL)
            left = MIN(left, INTERVAL);
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

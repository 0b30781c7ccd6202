/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/want.h"

#include "base/error.h"

MailWant *
mail_want_new(MailWantKind kind, guint16 mailbox)
{
    MailWant *want = g_new0(MailWant, 1);
    want->kind = kind;
    want->mailbox = mailbox;
    want->references = 1;
    want->ahead = TRUE;
    g_queue_init(&want->waiters);
    return want;
}

MailWant *
mail_want_ref(MailWant *want)
{
    want->references++;
    return want;
}

void
mail_want_unref(MailWant *want)
{
    if (--want->references == 0) {
        g_assert(g_queue_is_empty(&want->waiters));
        g_free(want->section);
        g_free(want);
    }
}

void
mail_want_wait(MailWant *want, MailWaiter *waiter)
{
    g_assert(waiter->want == NULL);
    waiter->want = mail_want_ref(want);
    waiter->link = (GList){.data = waiter};
    want->ahead = FALSE;
    g_queue_push_tail_link(&want->waiters, &waiter->link);
}

void
mail_waiter_leave(MailWaiter *waiter)
{
    if (waiter->want == NULL)
        return;
    g_queue_unlink(&waiter->want->waiters, &waiter->link);
    mail_want_unref(g_steal_pointer(&waiter->want));
}

void
mail_want_wake(MailWant *want, const GError *error)
{
    GQueue waiters = want->waiters;
    GList *link;

    /* Whoever waits again in the meantime is not woken twice. */
    g_queue_init(&want->waiters);
    mail_want_ref(want);
    while ((link = g_queue_pop_head_link(&waiters)) != NULL) {
        MailWaiter *waiter = link->data;
        mail_want_unref(g_steal_pointer(&waiter->want));
        waiter->wake(waiter, error);
    }
    mail_want_unref(want);
}

gboolean
mail_fault_want(MailFault *fault, MailWant *want)
{
    fault->want = want;
    return FALSE;
}

gboolean
mail_fault_error(MailFault *fault, int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fault->error = g_error_new_valist(IMAPFS_ERROR, code, format, arguments);
    va_end(arguments);
    return FALSE;
}

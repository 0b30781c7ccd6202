/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/park.h"

#include "base/error.h"

struct FsPark {
    MailAccount *account;
    Clock *clock;
    gint64 timeout;
    GHashTable *all; /* of FsParked */
    GQueue ready;    /* of FsParked.ready */
    GSource *source; /* while something is ready */
};

FsPark *
fs_park_new(MailAccount *account, Clock *clock, gint64 timeout)
{
    FsPark *park = g_new0(FsPark, 1);
    park->account = account;
    park->clock = clock;
    park->timeout = timeout;
    park->all = g_hash_table_new(NULL, NULL);
    g_queue_init(&park->ready);
    return park;
}

void
fs_park_free(FsPark *park)
{
    g_assert(g_hash_table_size(park->all) == 0);
    if (park->source != NULL) {
        g_source_destroy(park->source);
        g_source_unref(park->source);
    }
    g_hash_table_unref(park->all);
    g_free(park);
}

static void
resume(FsParked *parked)
{
    g_autoptr(GError) error = g_steal_pointer(&parked->error);
    parked->is_ready = FALSE;
    parked->resume(parked, error);
}

static gboolean
on_ready(gpointer data)
{
    FsPark *park = data;
    guint n = park->ready.length; /* those that come meanwhile have to wait */

    while (n-- > 0 && park->ready.length > 0)
        resume(g_queue_pop_head_link(&park->ready)->data);
    if (park->ready.length > 0)
        return G_SOURCE_CONTINUE;
    g_clear_pointer(&park->source, g_source_unref);
    return G_SOURCE_REMOVE;
}

/* Takes ERROR. */
static void
make_ready(FsParked *parked, GError *error)
{
    FsPark *park = parked->park;

    mail_waiter_leave(&parked->waiter);
    if (error != NULL) {
        g_clear_error(&parked->error);
        parked->error = error;
    }
    if (parked->is_ready)
        return;
    parked->is_ready = TRUE;
    parked->ready = (GList){.data = parked};
    g_queue_push_tail_link(&park->ready, &parked->ready);
    if (park->source == NULL) {
        park->source = g_idle_source_new();
        g_source_set_priority(park->source, G_PRIORITY_DEFAULT);
        g_source_set_callback(park->source, on_ready, park, NULL);
        g_source_attach(park->source, g_main_context_get_thread_default());
    }
}

static void
on_woken(MailWaiter *waiter, const GError *error)
{
    FsParked *parked =
        (FsParked *)(gpointer)((char *)waiter -
                               G_STRUCT_OFFSET(FsParked, waiter));
    make_ready(parked, error ? g_error_copy(error) : NULL);
}

static void
on_deadline(gpointer data)
{
    FsParked *parked = data;
    MailAccount *account = parked->park->account;
    const GError *failure = mail_account_failure(account);
    int code = mail_account_is_online(account) ? IMAPFS_ERROR_TIMEOUT
                                               : IMAPFS_ERROR_OFFLINE;

    parked->timer = 0;
    make_ready(parked, failure ? g_error_copy(failure)
                               : g_error_new(IMAPFS_ERROR, code,
                                             "the server took too long"));
}

void
fs_park_wait(FsPark *park, FsParked *parked, MailWant *want)
{
    if (parked->park == NULL) {
        parked->park = park;
        parked->waiter.wake = on_woken;
        parked->timer =
            clock_after(park->clock, park->timeout, on_deadline, parked);
        g_hash_table_add(park->all, parked);
    }
    mail_want_wait(want, &parked->waiter);
}

void
fs_park_interrupt(FsParked *parked)
{
    if (parked->park != NULL)
        make_ready(parked, g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_CANCELLED,
                                       "interrupted"));
}

void
fs_park_leave(FsParked *parked)
{
    FsPark *park = parked->park;

    if (park == NULL)
        return;
    mail_waiter_leave(&parked->waiter);
    clock_cancel(park->clock, &parked->timer);
    if (parked->is_ready)
        g_queue_unlink(&park->ready, &parked->ready);
    parked->is_ready = FALSE;
    g_clear_error(&parked->error);
    g_hash_table_remove(park->all, parked);
    parked->park = NULL;
}

guint
fs_park_count(const FsPark *park)
{
    return g_hash_table_size(park->all);
}

void
fs_park_evict(FsPark *park, const GError *error)
{
    g_autoptr(GList) all = g_hash_table_get_keys(park->all);
    for (GList *link = all; link != NULL; link = link->next)
        ((FsParked *)link->data)->resume(link->data, error);
}

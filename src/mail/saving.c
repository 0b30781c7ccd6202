/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From the store into the model, and back.
 *
 * What is loaded of a mailbox arrives in slices, as a listing does.  What has
 * changed is noted, by UID, and written in slices when the loop has nothing
 * else to do.  A mailbox's own row, with the modseq up to which all is known,
 * follows when none of its messages is left: whatever moment we die at, the
 * store is at worst older than its messages, and the next sync mends that.
 */
#include <string.h>

#include "mail/octets.h"

enum {
    LOAD_SLICE = 2000,
    SAVE_SLICE = 200,
    UNPUT_MAX = 32 << 20, /* octets that wait to be put */
    SETTLE_SLICES = 20,   /* some ten milliseconds */
};
#define RETRY_AFTER (1 * CLOCK_SECOND)
/* Whoever works now is not to be slowed down; but not for ever. */
#define QUIET (250 * CLOCK_MILLISECOND)
#define PUT_OFF_MAX (5 * CLOCK_SECOND)
#define END_PATIENCE (1 * CLOCK_SECOND)

/* ---- loading ---- */

static void
restore_mailbox(const MailStoredMailbox *stored, gpointer data)
{
    MailAccount *account = data;
    MailMailbox *mailbox;

    mail_mailboxes_restore(account->mailboxes, stored->id, stored->name,
                           stored->delimiter, stored->selectable,
                           stored->special_use);
    mailbox = mail_mailboxes_named(account->mailboxes, stored->name);
    if (mailbox == NULL || mailbox->stored != 0)
        return;
    mailbox->stored = stored->key;
    mailbox->row_unsaved = mailbox->id != stored->id;
    mailbox->uidvalidity = stored->uidvalidity;
    mailbox->changed_at = stored->changed_at;
    mailbox->unloaded = stored->uidvalidity != 0;
    mailbox->modseq = stored->modseq;
    mailbox->complete = stored->complete;
    mail_mailbox_parse_flags(
        mailbox, (ImapSlice){stored->keywords, strlen(stored->keywords)});
}

void
mail_saving_note_idle(MailAccount *account)
{
    gint64 silence = imap_pool_idle_renewal(account->pool);
    g_autofree char *text = NULL;

    if (account->store == NULL || silence == account->idle_renewal)
        return;
    account->idle_renewal = silence;
    text = g_strdup_printf("%" G_GINT64_FORMAT, silence / CLOCK_SECOND);
    mail_store_set_verdict(account->store, "idle", text);
}

static void
restore_idle(MailAccount *account)
{
    g_autofree char *text = mail_store_verdict(account->store, "idle");
    if (text != NULL)
        imap_pool_set_idle_renewal(
            account->pool, g_ascii_strtoll(text, NULL, 10) * CLOCK_SECOND);
    account->idle_renewal = imap_pool_idle_renewal(account->pool);
}

void
mail_saving_restore(MailAccount *account)
{
    g_autofree char *prefix = NULL;
    g_autofree char *verdict = NULL;
    gsize length;

    if (account->store == NULL)
        return;
    prefix = mail_store_verdict(account->store, "prefix");
    length = prefix ? strlen(prefix) : 0;
    if (length > 1)
        mail_mailboxes_set_prefix(account->mailboxes,
                                  (ImapSlice){prefix, length},
                                  prefix[length - 1]);
    mail_store_each_mailbox(account->store, restore_mailbox, account);
    verdict = mail_store_verdict(account->store, "mailboxes");
    account->mailboxes_known = account->list_saved =
        g_strcmp0(verdict, "all") == 0;
    mail_reading_restore(account);
    restore_idle(account);
}

/* ---- octets ---- */

typedef struct {
    guint16 mailbox;
    guint32 uidvalidity;
    guint32 uid;
    char *section;
    guint64 offset;
    GBytes *data;
} Put;

static void
free_put(gpointer data)
{
    Put *put = data;
    g_bytes_unref(put->data);
    g_free(put->section);
    g_free(put);
}

static void
put_first(MailAccount *account)
{
    Put *put = g_queue_pop_head(&account->unput);
    MailMailbox *mailbox = mail_account_mailbox(account, put->mailbox);
    const MailMessage *message =
        mailbox != NULL && mailbox->uidvalidity == put->uidvalidity
            ? mail_mailbox_find(mailbox, put->uid)
            : NULL;
    gsize length;
    gconstpointer data = g_bytes_get_data(put->data, &length);

    account->unput_size -= length;
    if (message != NULL)
        mail_store_put(account->store, mailbox, message, put->section,
                       put->offset, data, length);
    free_put(put);
}

void
mail_saving_put_all(MailAccount *account)
{
    while (!g_queue_is_empty(&account->unput))
        put_first(account);
}

/* Of message UID, or with 0 of all. */
static void
drop_puts(MailAccount *account, const MailMailbox *mailbox, guint32 uid)
{
    for (GList *link = account->unput.head; link != NULL;) {
        GList *next = link->next;
        Put *put = link->data;
        if (put->mailbox == mailbox->id && (uid == 0 || put->uid == uid)) {
            account->unput_size -= g_bytes_get_size(put->data);
            g_queue_delete_link(&account->unput, link);
            free_put(put);
        }
        link = next;
    }
}

void
mail_saving_forget_octets(MailAccount *account, MailMailbox *mailbox,
                          guint32 uid)
{
    drop_puts(account, mailbox, uid);
    if (account->store != NULL)
        mail_store_forget(account->store, mailbox, uid);
}

/* ---- saving ---- */

/* Writes a slice of what is unsaved of MAILBOX. */
static gboolean
save_slice(MailAccount *account, MailMailbox *mailbox)
{
    GArray *unsaved = mailbox->unsaved;
    guint n = MIN(unsaved->len, (guint)SAVE_SLICE);
    const guint32 *uids = (const guint32 *)(gpointer)unsaved->data;

    if (n > 0) {
        if (!mail_store_save_messages(account->store, mailbox,
                                      uids + unsaved->len - n, n))
            return FALSE;
        g_array_set_size(unsaved, unsaved->len - n);
        if (unsaved->len > 0)
            return TRUE;
    }
    if (mailbox->row_unsaved &&
        !mail_store_save_mailbox(account->store, mailbox))
        return FALSE;
    mailbox->row_unsaved = FALSE;
    return TRUE;
}

/* There is a mailbox to save. */
static gboolean
save_slice_of_first(MailAccount *account)
{
    MailMailbox *mailbox = g_queue_peek_head(&account->unsaved);

    if (!save_slice(account, mailbox))
        return FALSE;
    if (mailbox->unsaved->len == 0 && !mailbox->row_unsaved) {
        g_queue_pop_head(&account->unsaved);
        mailbox->save_queued = FALSE;
    }
    return TRUE;
}

/* The store has rows for all mailboxes that there are, or not yet: the next
 * mount must not take some of them for all. */
static void
set_list_saved(MailAccount *account, gboolean saved)
{
    if (account->list_saved == saved)
        return;
    account->list_saved = saved;
    mail_store_set_verdict(account->store, "mailboxes", saved ? "all" : NULL);
}

/* Returns FALSE when there is nothing left to do, or it cannot be done now. */
static gboolean
save_some(MailAccount *account)
{
    if (!g_queue_is_empty(&account->unput)) {
        put_first(account);
        return TRUE;
    }
    if (g_queue_is_empty(&account->unsaved)) {
        set_list_saved(account, account->mailboxes_known);
        return mail_store_tidy(account->store);
    }
    return save_slice_of_first(account);
}

static void plan_saving(MailAccount *account, gint64 delay);

static gboolean
on_idle(gpointer data)
{
    MailAccount *account = data;

    if (save_some(account))
        return G_SOURCE_CONTINUE;
    g_clear_pointer(&account->saver, g_source_unref);
    account->unsaved_since = 0;
    if (!g_queue_is_empty(&account->unsaved))
        plan_saving(account, RETRY_AFTER);
    return G_SOURCE_REMOVE;
}

static void
on_saver_timer(gpointer data)
{
    MailAccount *account = data;
    gint64 now = clock_now(account->clock);
    gint64 start =
        MIN(account->noted_at + QUIET, account->unsaved_since + PUT_OFF_MAX);

    account->saver_timer = 0;
    if (now < start) {
        plan_saving(account, start - now);
        return;
    }
    account->saver = g_idle_source_new();
    g_source_set_priority(account->saver, G_PRIORITY_LOW);
    g_source_set_callback(account->saver, on_idle, account, NULL);
    g_source_attach(account->saver, g_main_context_get_thread_default());
}

static void
plan_saving(MailAccount *account, gint64 delay)
{
    if (account->saver != NULL || account->saver_timer != 0)
        return;
    account->saver_timer =
        clock_after(account->clock, delay, on_saver_timer, account);
}

/* Something became unsaved. */
static void
note_time(MailAccount *account)
{
    account->noted_at = clock_now(account->clock);
    if (account->unsaved_since == 0)
        account->unsaved_since = account->noted_at;
    plan_saving(account, QUIET);
}

static void
enqueue(MailAccount *account, MailMailbox *mailbox)
{
    if (!mailbox->save_queued)
        g_queue_push_tail(&account->unsaved, mailbox);
    mailbox->save_queued = TRUE;
    note_time(account);
}

static gboolean
is_kept(const MailAccount *account, const MailMailbox *mailbox)
{
    return account->store != NULL && mailbox->name != NULL &&
           !mailbox->not_sticky;
}

void
mail_saving_put(MailAccount *account, MailMailbox *mailbox, guint32 uid,
                const char *section, guint64 offset, ImapSlice data)
{
    Put *put;

    if (!is_kept(account, mailbox) || data.length == 0)
        return;
    while (account->unput_size > UNPUT_MAX)
        put_first(account);
    put = g_new(Put, 1);
    *put = (Put){mailbox->id, mailbox->uidvalidity,
                 uid,         g_strdup(section),
                 offset,      g_bytes_new(data.data, data.length)};
    g_queue_push_tail(&account->unput, put);
    account->unput_size += data.length;
    note_time(account);
}

void
mail_saving_note(MailAccount *account, MailMailbox *mailbox, guint32 uid)
{
    if (!is_kept(account, mailbox))
        return;
    enqueue(account, mailbox);
    g_array_append_val(mailbox->unsaved, uid);
}

void
mail_saving_note_mailbox(MailAccount *account, MailMailbox *mailbox)
{
    if (!is_kept(account, mailbox))
        return;
    enqueue(account, mailbox);
    mailbox->row_unsaved = TRUE;
}

void
mail_saving_note_removed(MailAccount *account, MailMailbox *mailbox,
                         guint32 uid)
{
    mail_saving_note(account, mailbox, uid);
    account->unsaved_removals |= is_kept(account, mailbox);
}

void
mail_saving_settle(MailAccount *account)
{
    guint slices = SETTLE_SLICES;

    if (!account->unsaved_removals)
        return;
    while (!g_queue_is_empty(&account->unsaved) && slices-- > 0 &&
           save_slice_of_first(account))
        ;
    if (g_queue_is_empty(&account->unsaved))
        account->unsaved_removals = FALSE;
}

static void
note_all(MailAccount *account, MailMailbox *mailbox)
{
    for (guint i = 0; i < mail_mailbox_count(mailbox); i++)
        mail_saving_note(account, mailbox, mail_mailbox_at(mailbox, i)->uid);
}

void
mail_saving_load(MailAccount *account, MailMailbox *mailbox)
{
    guint32 last = mail_mailbox_last_uid(mailbox);

    mailbox->listing = MAIL_LISTING;
    if (mail_store_load_messages(account->store, mailbox, last, LOAD_SLICE) ==
        LOAD_SLICE) {
        mailbox->listed_to = mail_mailbox_last_uid(mailbox);
        return;
    }
    mailbox->unloaded = FALSE;
    mailbox->listed_to = 0;
    if (mailbox->stored == 0) /* it was torn */
        note_all(account, mailbox);
    else if (mailbox->complete)
        mailbox->listing = MAIL_LISTED;
    if (mailbox->listing == MAIL_LISTING && mail_mailbox_count(mailbox) == 0)
        mailbox->listing = MAIL_UNLISTED;
    mailbox->listed_at = G_MININT64 / 2;
}

void
mail_saving_note_mailboxes(MailAccount *account)
{
    g_autoptr(GList) all = mail_mailboxes_all(account->mailboxes);
    const char *prefix = mail_mailboxes_prefix(account->mailboxes);
    gboolean saved = TRUE;

    if (account->store == NULL)
        return;
    mail_store_set_verdict(account->store, "prefix", prefix ? prefix : "");
    for (GList *link = all; link != NULL; link = link->next) {
        MailMailbox *mailbox = link->data;
        if (mailbox->row_unsaved || mailbox->stored == 0) {
            mail_saving_note_mailbox(account, mailbox);
            saved = saved && !mailbox->save_queued;
        }
    }
    set_list_saved(account, saved);
}

static void
drop(MailAccount *account, MailMailbox *mailbox)
{
    drop_puts(account, mailbox, 0);
    g_queue_remove(&account->unsaved, mailbox);
    g_array_set_size(mailbox->unsaved, 0);
    mailbox->row_unsaved = mailbox->save_queued = FALSE;
}

void
mail_saving_forget(MailAccount *account, MailMailbox *mailbox)
{
    drop(account, mailbox);
    mailbox->stored = 0; /* the store gives it another key */
    mail_saving_note_mailbox(account, mailbox);
}

void
mail_saving_removed(MailAccount *account, MailMailbox *mailbox)
{
    drop(account, mailbox);
    if (account->store != NULL && mailbox->stored != 0)
        mail_store_remove_mailbox(account->store, mailbox);
}

void
mail_saving_end(MailAccount *account)
{
    gint64 end = clock_now(account->clock) + END_PATIENCE;

    while (account->store != NULL &&
           !(g_queue_is_empty(&account->unsaved) &&
             g_queue_is_empty(&account->unput)) &&
           clock_now(account->clock) < end && save_some(account))
        ;
    if (account->store != NULL && g_queue_is_empty(&account->unsaved))
        set_list_saved(account, account->mailboxes_known);
    g_queue_clear_full(&account->unput, free_put);
    if (account->saver != NULL) {
        g_source_destroy(account->saver);
        g_clear_pointer(&account->saver, g_source_unref);
    }
    clock_cancel(account->clock, &account->saver_timer);
    account->store = NULL;
}

void
mail_saving_describe(const MailAccount *account, GString *text)
{
    guint unsaved = 0;

    if (account->store == NULL)
        return;
    for (GList *link = account->unsaved.head; link != NULL; link = link->next)
        unsaved += ((const MailMailbox *)link->data)->unsaved->len + 1;
    unsaved += account->unput.length;
    g_string_append_printf(text, "unsaved: %u\n", unsaved);
}

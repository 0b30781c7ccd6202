/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/account.h"

#include <string.h>

#include "base/error.h"
#include "imap/utf7.h"
#include "mail/octets.h"

enum { TRIES_MAX = 2 };

/* ---- wants ---- */

static void plan(MailAccount *account);

static gboolean
on_plan(gpointer data)
{
    MailAccount *account = data;
    g_clear_pointer(&account->plan, g_source_unref);
    plan(account);
    return G_SOURCE_REMOVE;
}

void
mail_account_plan_soon(MailAccount *account)
{
    if (account->plan != NULL)
        return;
    account->plan = g_idle_source_new();
    g_source_set_priority(account->plan, G_PRIORITY_DEFAULT);
    g_source_set_callback(account->plan, on_plan, account, NULL);
    g_source_attach(account->plan, g_main_context_get_thread_default());
}

static void
make_pending(MailAccount *account, MailWant *want)
{
    want->state = MAIL_WANT_PENDING;
    g_queue_push_tail(&account->pending, mail_want_ref(want));
    mail_account_plan_soon(account);
}

MailWant *
mail_account_add_want(MailAccount *account, MailWantKind kind, guint16 mailbox)
{
    MailWant *want = mail_want_new(kind, mailbox);
    make_pending(account, want);
    return want; /* the creation reference ends in mail_account_finish() */
}

void
mail_account_finish(MailAccount *account, MailWant *want, const GError *error)
{
    if (want->state == MAIL_WANT_OVER)
        return;
    want->state = MAIL_WANT_OVER;
    if (want->kind == MAIL_WANT_MAILBOXES)
        mail_survey_finished(account);
    else if (want->kind == MAIL_WANT_RANGE)
        mail_range_finished(account, want, error);
    else if (want->kind == MAIL_WANT_LISTING)
        mail_listing_finished(account, want);
    else if (want->kind == MAIL_WANT_SEARCH)
        mail_search_finished(account, want);
    else if (want->kind == MAIL_WANT_THREADS)
        mail_conversations_finished(account, want);
    mail_want_wake(want, error);
    mail_want_unref(want);
}

void
mail_account_again(MailAccount *account, MailWant *want)
{
    if (want->state == MAIL_WANT_SENT)
        make_pending(account, want);
}

void
mail_account_retry(MailAccount *account, MailWant *want, const GError *error)
{
    if (want->state != MAIL_WANT_SENT)
        return;
    if (++want->tries >= TRIES_MAX ||
        (want->ahead && want->kind == MAIL_WANT_RANGE))
        mail_account_finish(account, want, error);
    else
        make_pending(account, want);
}

gboolean
mail_account_is_offline(const MailAccount *account)
{
    return account->never_online ||
           (account->failure != NULL &&
            clock_now(account->clock) - account->failed_since >=
                account->login->patience);
}

gboolean
mail_account_offline_fault(const MailAccount *account, MailFault *fault)
{
    if (!mail_account_is_offline(account))
        return FALSE;
    fault->error = g_error_copy(account->failure);
    return TRUE;
}

/* Whoever waited has left.  Lists are worth having all the same. */
static gboolean
is_pointless(const MailWant *want)
{
    return want->kind != MAIL_WANT_MAILBOXES &&
           want->kind != MAIL_WANT_LISTING && !want->ahead &&
           g_queue_is_empty((GQueue *)&want->waiters);
}

static gboolean
plan_want(MailAccount *account, MailWant *want)
{
    switch (want->kind) {
    case MAIL_WANT_MAILBOXES:
        return mail_survey_plan(account, want);
    case MAIL_WANT_LISTING:
        return mail_listing_plan(account, want);
    case MAIL_WANT_RANGE:
        return mail_range_plan(account, want);
    case MAIL_WANT_SEARCH:
        return mail_search_plan(account, want);
    case MAIL_WANT_THREADS:
        return mail_conversations_plan(account, want);
    }
    return FALSE;
}

/* Those somebody waits for first; what finds no link stays. */
static void
plan_some(MailAccount *account, gboolean ahead)
{
    GQueue left = G_QUEUE_INIT;
    MailWant *want;

    while ((want = g_queue_pop_head(&account->pending)) != NULL) {
        gboolean keep = FALSE;
        if (want->state == MAIL_WANT_PENDING && is_pointless(want))
            mail_account_finish(account, want, NULL);
        else if (want->state == MAIL_WANT_PENDING)
            keep = want->ahead != ahead || !plan_want(account, want);
        if (keep)
            g_queue_push_tail(&left, want);
        else
            mail_want_unref(want);
    }
    /* Planning may have added some. */
    while ((want = g_queue_pop_head(&account->pending)) != NULL)
        g_queue_push_tail(&left, want);
    account->pending = left;
}

static void
plan(MailAccount *account)
{
    plan_some(account, FALSE);
    plan_some(account, TRUE);
    mail_preview_plan(account);
    mail_download_go_on(account);
}

/* ---- what the pool tells ---- */

static void
on_available(gpointer data)
{
    MailAccount *account = data;
    if (imap_pool_counts(account->pool).open > 0)
        g_clear_error(&account->failure);
    mail_saving_note_idle(account);
    mail_survey_check(account);
    mail_account_plan_soon(account);
}

static void
on_selected(ImapLink *link, gpointer data)
{
    mail_sync_selected(data, link);
}

static void
on_left(ImapLink *link, const GError *error, gpointer data)
{
    mail_listing_left(data, link, error);
}

static void
on_untagged(ImapLink *link, const ImapResponse *response, gpointer data)
{
    MailAccount *account = data;

    switch (response->kind) {
    case IMAP_LIST:
    case IMAP_NAMESPACE:
    case IMAP_STATUS:
    case IMAP_OK:
        mail_survey_untagged(account, response);
        break;
    default:
        mail_watch_untagged(account, link, response);
    }
}

static void
on_settled(ImapLink *link, gpointer data)
{
    mail_watch_settled(data, link);
}

static void
on_unreachable(const GError *error, gint64 since, gpointer data)
{
    MailAccount *account = data;

    if (account->failure == NULL)
        account->failed_since = since;
    if (account->failure == NULL)
        account->failed_wall = clock_wall(account->clock);
    g_clear_error(&account->failure);
    account->failure = g_error_copy(error);
    g_message("%s", error->message);
    /* Those who wait may be content with what is known, or give up. */
    for (GList *link = account->pending.head; link != NULL; link = link->next)
        mail_want_wake(link->data,
                       mail_account_is_offline(account) ? error : NULL);
}

static const ImapPoolEvents pool_events = {
    .available = on_available,
    .selected = on_selected,
    .left = on_left,
    .untagged = on_untagged,
    .settled = on_settled,
    .unreachable = on_unreachable,
};

/* ---- mailboxes ---- */

static void
on_mailbox_added(MailMailbox *mailbox, gpointer data)
{
    MailAccount *account = data;
    if (account->observer != NULL && account->mailboxes_known)
        account->observer->mailbox_added(mailbox, account->observer_data);
}

static void
on_mailbox_removed(MailMailbox *mailbox, gpointer data)
{
    MailAccount *account = data;
    mail_listing_forget(account, mailbox);
    mail_download_forget(account, mailbox);
    mail_search_forget(account, mailbox);
    mail_conversations_forget(account, mailbox);
    mail_saving_removed(account, mailbox);
    if (account->observer != NULL)
        account->observer->mailbox_removed(mailbox, account->observer_data);
}

static const MailMailboxesEvents mailboxes_events = {
    .added = on_mailbox_added,
    .removed = on_mailbox_removed,
};

/* ---- the door ---- */

MailAccount *
mail_account_new(const MailAccountSetup *setup)
{
    MailAccount *account = g_new0(MailAccount, 1);

    account->clock = setup->clock;
    account->login = setup->login;
    account->pool = imap_pool_new(setup->login, setup->dialer, setup->clock,
                                  setup->offline ? 0 : setup->connections,
                                  &pool_events, account);
    account->mailboxes = mail_mailboxes_new(&mailboxes_events, account);
    g_queue_init(&account->pending);
    account->store = setup->store;
    g_queue_init(&account->unsaved);
    g_queue_init(&account->unput);
    account->listings = mail_listings_new();
    account->ranges = mail_ranges_new(setup->cache_limit);
    account->readers = mail_readers_new();
    account->readings = mail_readings_new();
    account->walks = mail_walks_new();
    account->parts = mail_parts_new();
    account->decodings = mail_decodings_new();
    account->views = mail_views_new();
    account->attachments = mail_attachments_new();
    account->download = mail_download_new();
    account->previews = mail_previews_new();
    account->searches = mail_searches_new(setup);
    account->conversations = mail_conversations_new();
    account->survey = mail_survey_new(account);
    mail_saving_restore(account);
    if (setup->offline) {
        account->never_online = TRUE;
        account->failure = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_OFFLINE,
                                       "offline, as asked for by -o offline");
        account->failed_wall = clock_wall(account->clock);
    }
    return account;
}

void
mail_account_free(MailAccount *account)
{
    MailWant *want;
    g_autoptr(GError) error = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_CANCELLED,
                                          "the account is closed");

    account->observer = NULL;
    mail_saving_end(account);
    imap_pool_free(account->pool);
    while ((want = g_queue_pop_head(&account->pending)) != NULL) {
        mail_account_finish(account, want, error);
        mail_want_unref(want);
    }
    if (account->plan != NULL) {
        g_source_destroy(account->plan);
        g_source_unref(account->plan);
    }
    mail_survey_free(account);
    mail_listings_free(account);
    mail_ranges_free(account->ranges);
    mail_readers_free(account->readers);
    mail_readings_free(account->readings);
    mail_walks_free(account->walks);
    mail_parts_free(account->parts);
    mail_decodings_free(account->decodings);
    mail_views_free(account->views);
    mail_attachments_free(account->attachments);
    mail_download_free(account->download);
    mail_previews_free(account->previews);
    mail_searches_free(account->searches);
    mail_conversations_free(account->conversations);
    mail_mailboxes_free(account->mailboxes);
    g_clear_error(&account->failure);
    g_free(account);
}

void
mail_account_observe(MailAccount *account, const MailObserver *observer,
                     gpointer data)
{
    account->observer = observer;
    account->observer_data = data;
}

const GError *
mail_account_failure(const MailAccount *account)
{
    return account->failure;
}

gboolean
mail_account_is_online(const MailAccount *account)
{
    return imap_pool_counts(account->pool).open > 0;
}

gint64
mail_account_offline_since(const MailAccount *account)
{
    return account->failure ? account->failed_wall : 0;
}

void
mail_account_refresh(MailAccount *account, MailMailbox *mailbox)
{
    if (mailbox->parent == NULL) {
        mail_survey_need(account);
    } else if (mailbox->selectable) {
        mail_listing_distrust(account, mailbox);
        mail_listing_need(account, mailbox);
    }
}

gboolean
mail_account_know_refreshed(MailAccount *account, MailMailbox *mailbox,
                            MailFault *fault)
{
    MailWant *want = mailbox->parent == NULL
                         ? mail_survey_want(account)
                         : mail_listing_want(account, mailbox);
    return want == NULL || mail_fault_want(fault, want);
}

gboolean
mail_account_logout(MailAccount *account)
{
    return imap_pool_logout(account->pool);
}

MailMailbox *
mail_account_root(const MailAccount *account)
{
    return mail_mailboxes_root(account->mailboxes);
}

MailMailbox *
mail_account_mailbox(const MailAccount *account, guint16 id)
{
    return mail_mailboxes_get(account->mailboxes, id);
}

char *
mail_account_url(const MailAccount *account, const MailMailbox *mailbox,
                 guint32 uid)
{
    const ImapLogin *login = account->login;
    g_autofree char *user = g_uri_escape_string(login->user, NULL, FALSE);
    g_autofree char *utf8 = imap_utf7_decode(mailbox->name);
    const char *path = utf8 ? utf8 : mailbox->name;
    g_autofree char *name =
        g_uri_escape_bytes((const guint8 *)path, strlen(path), "/");

    return g_strdup_printf(
        "%s://%s@%s:%u/%s;UIDVALIDITY=%u/;UID=%u",
        login->security == IMAP_TLS_IMPLICIT ? "imaps" : "imap", user,
        login->host, login->port, name, mailbox->uidvalidity, uid);
}

void
mail_account_describe(MailAccount *account, GString *text)
{
    ImapPoolCounts counts = imap_pool_counts(account->pool);

    g_string_append_printf(text, "server: %s, port %u, %s\n",
                           account->login->host, account->login->port,
                           account->login->security == IMAP_TLS_IMPLICIT ? "TLS"
                           : account->login->security == IMAP_TLS_STARTTLS
                               ? "TLS (STARTTLS)"
                               : "no TLS");
    g_string_append_printf(text, "user: %s\n", account->login->user);
    if (account->failure != NULL)
        g_string_append_printf(text, "offline: %s\n",
                               account->failure->message);
    imap_pool_describe(account->pool, text);
    g_string_append_printf(
        text,
        "octets in: %" G_GUINT64_FORMAT "\noctets out: %" G_GUINT64_FORMAT
        "\ncommands: %" G_GUINT64_FORMAT "\nwants pending: %u\n",
        counts.octets_in, counts.octets_out, counts.commands,
        account->pending.length);
    mail_survey_describe(account, text);
    mail_reading_describe(account, text);
    mail_saving_describe(account, text);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/account.h"

#include <string.h>

#include "base/error.h"
#include "imap/utf7.h"
#include "mail/internal.h"

enum { TRIES_MAX = 2 };
#define POLL_INTERVAL (60 * CLOCK_SECOND)
/* A look at the list of mailboxes asks for new ones, but not more often. */
#define MAILBOXES_LIFE (2 * CLOCK_SECOND)
/* Mailboxes nobody looked at for so long are left alone. */
#define IN_USE (600 * CLOCK_SECOND)

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
    if (want == account->mailboxes_want)
        account->mailboxes_want = NULL;
    if (want->kind == MAIL_WANT_RANGE)
        mail_reading_finished(account, want);
    else if (want->kind == MAIL_WANT_LISTING)
        mail_listing_finished(account, want);
    mail_want_wake(want, error);
    mail_want_unref(want);
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
    return account->failure != NULL &&
           clock_now(account->clock) - account->failed_since >
               account->login->patience;
}

static void
on_listed(ImapSession *session, const ImapResponse *answer, const GError *error,
          gpointer data)
{
    MailAccount *account = data;
    g_autoptr(GError) refusal = NULL;
    (void)session;

    if (account->mailboxes_want == NULL)
        return;
    if (answer == NULL) {
        mail_account_retry(account, account->mailboxes_want, error);
        return;
    }
    if (answer->kind != IMAP_OK) {
        refusal = imap_response_error(answer, IMAPFS_ERROR_FAILED);
        mail_account_finish(account, account->mailboxes_want, refusal);
        return;
    }
    /* One answer alone does not do away with everything. */
    if (mail_mailboxes_is_plausible(account->mailboxes))
        mail_mailboxes_end(account->mailboxes);
    else
        g_message("the server listed mailboxes without INBOX; what it left out "
                  "is kept");
    account->mailboxes_known = TRUE;
    account->mailboxes_at = clock_now(account->clock);
    mail_account_finish(account, account->mailboxes_want, NULL);
}

static void
send_list(MailAccount *account, ImapLink *link)
{
    guint capabilities = imap_link_capabilities(link);
    ImapCommand *command = imap_command_new("LIST \"\" \"*\"");

    mail_mailboxes_begin(account->mailboxes);
    if (capabilities & IMAP_CAP_LIST_EXTENDED) {
        imap_command_add(command, " RETURN (CHILDREN%s%s)",
                         capabilities & IMAP_CAP_SPECIAL_USE ? " SPECIAL-USE"
                                                             : "",
                         capabilities & IMAP_CAP_LIST_STATUS
                             ? " STATUS (MESSAGES UIDNEXT UIDVALIDITY)"
                             : "");
    }
    imap_link_send(link, command, on_listed, account);
}

static void
on_namespace(ImapSession *session, const ImapResponse *answer,
             const GError *error, gpointer data)
{
    MailAccount *account = data;
    ImapLink *link = imap_pool_find(account->pool, session);

    if (answer == NULL || link == NULL)
        on_listed(session, NULL, error, account);
    else
        send_list(account, link);
}

/* Where paths begin has to be known before the first of them. */
static gboolean
plan_mailboxes(MailAccount *account, MailWant *want)
{
    ImapLink *link = imap_pool_lend(account->pool, NULL, IMAP_LOAN_INTERACTIVE);

    if (link == NULL)
        return FALSE;
    want->state = MAIL_WANT_SENT;
    if (!account->mailboxes_known &&
        imap_link_capabilities(link) & IMAP_CAP_NAMESPACE)
        imap_link_send(link, imap_command_new("NAMESPACE"), on_namespace,
                       account);
    else
        send_list(account, link);
    return TRUE;
}

static gboolean
is_pointless(const MailWant *want)
{
    return want->kind == MAIL_WANT_RANGE && !want->ahead &&
           g_queue_is_empty((GQueue *)&want->waiters);
}

static gboolean
plan_want(MailAccount *account, MailWant *want)
{
    switch (want->kind) {
    case MAIL_WANT_MAILBOXES:
        return plan_mailboxes(account, want);
    case MAIL_WANT_LISTING:
        return mail_listing_plan(account, want);
    case MAIL_WANT_RANGE:
        return mail_reading_plan(account, want);
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
}

/* ---- what the pool tells ---- */

static void
on_available(gpointer data)
{
    MailAccount *account = data;
    if (imap_pool_counts(account->pool).open > 0)
        g_clear_error(&account->failure);
    mail_account_plan_soon(account);
}

static void
on_selected(ImapLink *link, gpointer data)
{
    mail_listing_selected(data, link);
}

static void
on_left(ImapLink *link, const GError *error, gpointer data)
{
    mail_listing_left(data, link, error);
}

static void
take_namespaces(MailAccount *account, const ImapSlice *namespaces)
{
    ImapSlice personal = namespaces[0];
    ImapSlice prefix;
    char delimiter;
    if (imap_next_namespace(&personal, &prefix, &delimiter))
        mail_mailboxes_set_prefix(account->mailboxes, prefix, delimiter);
}

static void
on_untagged(ImapLink *link, const ImapResponse *response, gpointer data)
{
    MailAccount *account = data;

    switch (response->kind) {
    case IMAP_LIST:
        mail_mailboxes_take(account->mailboxes, &response->list);
        break;
    case IMAP_NAMESPACE:
        take_namespaces(account, response->namespaces);
        break;
    case IMAP_STATUS:
        mail_listing_status(account, &response->mailbox);
        break;
    default:
        mail_listing_untagged(account, link, response);
    }
}

static void
on_settled(ImapLink *link, gpointer data)
{
    mail_listing_settled(data, link);
}

static void
on_unreachable(const GError *error, gpointer data)
{
    MailAccount *account = data;

    if (account->failure == NULL)
        account->failed_since = clock_now(account->clock);
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
    if (account->observer != NULL)
        account->observer->mailbox_removed(mailbox, account->observer_data);
}

static const MailMailboxesEvents mailboxes_events = {
    .added = on_mailbox_added,
    .removed = on_mailbox_removed,
};

void
mail_account_refresh_mailboxes(MailAccount *account)
{
    if (account->mailboxes_want == NULL)
        account->mailboxes_want =
            mail_account_add_want(account, MAIL_WANT_MAILBOXES, 0);
}

static gboolean
is_in_use(MailAccount *account)
{
    g_autoptr(GList) all = mail_mailboxes_all(account->mailboxes);
    gint64 old = clock_now(account->clock) - IN_USE;

    for (GList *link = all; link != NULL; link = link->next) {
        const MailMailbox *mailbox = link->data;
        if (mailbox->listing == MAIL_LISTED && mailbox->used_at > old)
            return TRUE;
    }
    return FALSE;
}

/* LIST tells of new mailboxes, and, with LIST-STATUS, which of those that no
 * link watches have changed. */
static void
on_poll_timer(gpointer data)
{
    MailAccount *account = data;
    account->poll_timer =
        clock_after(account->clock, POLL_INTERVAL, on_poll_timer, account);
    if (account->failure == NULL && is_in_use(account))
        mail_account_refresh_mailboxes(account);
}

/* ---- the door ---- */

MailAccount *
mail_account_new(const MailAccountSetup *setup)
{
    MailAccount *account = g_new0(MailAccount, 1);

    account->clock = setup->clock;
    account->login = setup->login;
    account->pool = imap_pool_new(setup->login, setup->dialer, setup->clock,
                                  setup->connections, &pool_events, account);
    account->mailboxes = mail_mailboxes_new(&mailboxes_events, account);
    g_queue_init(&account->pending);
    account->listings = mail_listings_new();
    account->readings = mail_readings_new(setup->cache_limit);
    account->poll_timer =
        clock_after(account->clock, POLL_INTERVAL, on_poll_timer, account);
    return account;
}

void
mail_account_free(MailAccount *account)
{
    MailWant *want;
    g_autoptr(GError) error = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_CANCELLED,
                                          "the account is closed");

    account->observer = NULL;
    imap_pool_free(account->pool);
    while ((want = g_queue_pop_head(&account->pending)) != NULL) {
        mail_account_finish(account, want, error);
        mail_want_unref(want);
    }
    clock_cancel(account->clock, &account->poll_timer);
    if (account->plan != NULL) {
        g_source_destroy(account->plan);
        g_source_unref(account->plan);
    }
    mail_listings_free(account->listings);
    mail_readings_free(account->readings);
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
    if (mailbox->parent == NULL)
        mail_account_refresh_mailboxes(account);
    else
        mail_listing_distrust(account, mailbox);
}

void
mail_account_download(MailAccount *account, MailMailbox *mailbox)
{
    (void)account;
    (void)mailbox;
}

MailProgress
mail_account_progress(const MailAccount *account)
{
    (void)account;
    return (MailProgress){FALSE, 0, 0, 0, 0, NULL};
}

gboolean
mail_account_logout(MailAccount *account)
{
    return imap_pool_logout(account->pool);
}

gboolean
mail_account_know_mailboxes(MailAccount *account, MailFault *fault)
{
    if (account->mailboxes_known)
        return TRUE;
    mail_account_refresh_mailboxes(account);
    return mail_fault_want(fault, account->mailboxes_want);
}

void
mail_account_visit_root(MailAccount *account)
{
    gint64 age = clock_now(account->clock) - account->mailboxes_at;
    if (age > MAILBOXES_LIFE && account->failure == NULL)
        mail_account_refresh_mailboxes(account);
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
    mail_reading_describe(account, text);
}

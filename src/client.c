/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "client.h"

#include <gmime/gmime.h>
#include <string.h>

#include "base/error.h"

/* Octets of messages kept in memory; the kernel keeps more. */
#define CACHE_LIMIT (64U << 20)
#define LOGOUT_PATIENCE (2 * CLOCK_SECOND)
/* What is known can be served: the server gets so long to answer. */
#define LOGIN_PATIENCE (3 * CLOCK_SECOND)
#define LOGIN_INTERVAL (20 * CLOCK_MILLISECOND)

char *
client_store_directory(const Options *options)
{
    g_autofree char *name = options_account_file(options);
    return g_build_filename(g_get_user_cache_dir(), "imapfs", name, NULL);
}

/* For what must not be lost; the caller owns it. */
static char *
state_directory(const Options *options)
{
    const char *home = g_getenv("XDG_STATE_HOME");
    g_autofree char *name = options_account_file(options);

    if (home != NULL && g_path_is_absolute(home))
        return g_build_filename(home, "imapfs", name, NULL);
    return g_build_filename(g_get_home_dir(), ".local", "state", "imapfs", name,
                            NULL);
}

static gboolean
open_store(Client *client, GError **error)
{
    g_autoptr(GError) failure = NULL;
    const Options *options = client->options;

    if (options->cache_size == 0)
        return TRUE;
    client->store = mail_store_open(client->directory, options->cache_size,
                                    client->clock, &failure);
    if (client->store != NULL)
        return TRUE;
    client->store_trouble = g_strdup(failure->message);
    if (!options->offline)
        return TRUE;
    g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_OFFLINE,
                "what is kept on disk cannot be had: %s; mount without "
                "offline, or unmount what uses it",
                failure->message);
    return FALSE;
}

Client *
client_new(const Options *options, char *password, gboolean store,
           GError **error)
{
    Client *client = g_new0(Client, 1);
    GError *failure = NULL;

    g_mime_init();
    client->options = options;
    client->clock = clock_new();
    client->started = clock_now(client->clock);
    client->loop = g_main_loop_new(NULL, FALSE);
    client->directory = client_store_directory(options);
    client->state = state_directory(options);
    client->address =
        (ImapAddress){options->host, options->port, options->timeout / 2 + 1};
    client->login.host = options->host;
    client->login.port = options->port;
    client->login.security = options->security;
    client->login.user = options->user;
    client->login.password = password;
    client->login.patience = options->timeout * CLOCK_SECOND / 2;
    client->login.trace = options->debug;
    if (options->security != IMAP_TLS_NONE)
        client->login.tls = imap_tls_new(options->tls_ca, &failure);
    if (failure == NULL && store)
        open_store(client, &failure);
    if (failure == NULL) {
        MailAccountSetup setup = {
            .login = &client->login,
            .dialer = {imap_dial_tcp, &client->address},
            .clock = client->clock,
            .connections = options->connections,
            .cache_limit = CACHE_LIMIT,
            .store = client->store,
            .state = client->state,
            .offline = options->offline,
        };
        client->account = mail_account_new(&setup);
        return client;
    }
    g_propagate_error(error, failure);
    client_free(client);
    return NULL;
}

/* ---- the first look, when nothing is known ---- */

static void
end(Client *client, GError *failure)
{
    client->failure = failure;
    g_main_loop_quit(client->loop);
}

static gboolean
on_first_look(gpointer data)
{
    Client *client = data;
    const GError *unreachable = mail_account_failure(client->account);
    MailFault fault = {NULL, NULL};

    if (unreachable != NULL)
        end(client, g_error_copy(unreachable));
    else if (mail_account_know_mailboxes(client->account, &fault))
        end(client, NULL);
    else if (fault.want != NULL)
        mail_want_wait(fault.want, &client->first_look);
    else
        end(client, fault.error);
    return G_SOURCE_REMOVE;
}

static void
on_first_look_woken(MailWaiter *waiter, const GError *error)
{
    Client *client = (Client *)(gpointer)((char *)waiter -
                                          G_STRUCT_OFFSET(Client, first_look));
    if (error == NULL)
        g_idle_add(on_first_look, client);
    else
        end(client, g_error_copy(error));
}

static void
on_too_long(gpointer data)
{
    Client *client = data;
    client->timer = 0;
    end(client, g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_TIMEOUT,
                            "%s did not answer in time", client->login.host));
}

static void
look(Client *client)
{
    client->first_look.wake = on_first_look_woken;
    client->timer =
        clock_after(client->clock, client->options->timeout * CLOCK_SECOND,
                    on_too_long, client);
    g_idle_add(on_first_look, client);
    g_main_loop_run(client->loop);
    clock_cancel(client->clock, &client->timer);
    mail_waiter_leave(&client->first_look);
}

/* ---- the login, when the mailboxes are known ---- */

static void
on_login_timer(gpointer data)
{
    Client *client = data;
    const GError *failure = mail_account_failure(client->account);

    client->timer = 0;
    if (mail_account_is_online(client->account))
        end(client, NULL);
    else if (failure != NULL)
        end(client, g_error_copy(failure));
    else if (clock_now(client->clock) >= client->deadline)
        end(client, g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_TIMEOUT,
                                "no answer so far"));
    else
        client->timer =
            clock_after(client->clock, LOGIN_INTERVAL, on_login_timer, client);
}

static void
await_login(Client *client)
{
    gint64 patience =
        MIN(LOGIN_PATIENCE, client->options->timeout * CLOCK_SECOND);

    client->deadline = clock_now(client->clock) + patience;
    /* All is known, so nothing else would make it connect. */
    mail_account_visit_root(client->account);
    on_login_timer(client);
    if (client->timer != 0)
        g_main_loop_run(client->loop);
    clock_cancel(client->clock, &client->timer);
}

static gboolean
can_do_without(const GError *failure)
{
    return failure->code == IMAPFS_ERROR_OFFLINE ||
           failure->code == IMAPFS_ERROR_NO_HOST ||
           failure->code == IMAPFS_ERROR_TIMEOUT ||
           failure->code == IMAPFS_ERROR_BUSY;
}

static gboolean
connect_to_known(Client *client, char **ret_notice, GError **error)
{
    await_login(client);
    if (client->failure == NULL)
        return TRUE;
    if (!can_do_without(client->failure)) {
        g_propagate_error(error, g_steal_pointer(&client->failure));
        return FALSE;
    }
    *ret_notice = g_strdup_printf("%s cannot be reached (%s); serving what is "
                                  "known",
                                  client->login.host, client->failure->message);
    g_clear_error(&client->failure);
    return TRUE;
}

gboolean
client_connect(Client *client, char **ret_notice, GError **error)
{
    MailFault fault = {NULL, NULL};

    *ret_notice = NULL;
    if (client->store != NULL &&
        mail_account_know_mailboxes(client->account, &fault))
        return client->options->offline ||
               connect_to_known(client, ret_notice, error);
    g_clear_error(&fault.error);
    if (client->options->offline) {
        g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_OFFLINE,
                    "nothing is known of this account; mount it once without "
                    "offline, or run imapfs sync");
        return FALSE;
    }
    look(client);
    if (client->failure == NULL)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&client->failure));
    return FALSE;
}

/* ---- the end ---- */

static void
on_logout_timer(gpointer data)
{
    Client *client = data;
    client->timer = 0;
}

void
client_log_out(Client *client)
{
    client->timer =
        clock_after(client->clock, LOGOUT_PATIENCE, on_logout_timer, client);
    while (!mail_account_logout(client->account) && client->timer != 0)
        g_main_context_iteration(NULL, TRUE);
    clock_cancel(client->clock, &client->timer);
}

void
client_close(Client *client)
{
    g_clear_pointer(&client->account, mail_account_free);
    g_clear_pointer(&client->store, mail_store_close);
}

void
client_free(Client *client)
{
    client_close(client);
    g_clear_pointer(&client->login.tls, imap_tls_free);
    if (client->login.password != NULL)
        explicit_bzero(client->login.password, strlen(client->login.password));
    g_free(client->login.password);
    g_clear_pointer(&client->loop, g_main_loop_unref);
    g_clear_pointer(&client->clock, clock_free);
    g_clear_error(&client->failure);
    g_free(client->store_trouble);
    g_free(client->directory);
    g_free(client->state);
    g_free(client);
}

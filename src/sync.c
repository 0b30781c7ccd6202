/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sync.h"

#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/error.h"
#include "client.h"
#include "complaint.h"
#include "log.h"
#include "mountpoint.h"
#include "password.h"
#include "progress.h"
#include "refresh.h"
#include "remote.h"
#include "transfer.h"

enum { INTERRUPTED = 128 + SIGINT };

typedef struct {
    Progress progress;
    MailProgress last;
    Client *client; /* NULL when a mount does it */
    gboolean interrupted;
    GError *failure;
} Sync;

static int
end(Sync *sync)
{
    if (sync->progress.running)
        progress_end(&sync->progress, &sync->last);
    if (sync->failure != NULL)
        return complaint_print(sync->failure);
    if (!sync->interrupted)
        return EX_OK;
    fprintf(stderr, "imapfs: interrupted; the next run goes on from here\n");
    return INTERRUPTED;
}

/* ---- a mount does it ---- */

static void
take_line(const char *line, gpointer data)
{
    Sync *sync = data;

    if (sscanf(line,
               "progress %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
               " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
               &sync->last.messages_done, &sync->last.messages,
               &sync->last.octets_done, &sync->last.octets) == 4)
        progress_show(&sync->progress, &sync->last);
}

static int
run_remote(Sync *sync, Remote *remote, const char *const *mailboxes)
{
    progress_begin(&sync->progress);
    remote_ask(remote, "sync", mailboxes, take_line, sync, &sync->failure);
    return end(sync);
}

/* ---- we do it ---- */

static void
on_progress(const MailProgress *progress, gpointer data)
{
    Sync *sync = data;
    sync->last = *progress;
    progress_show(&sync->progress, progress);
}

static void
on_done(const GError *error, gpointer data)
{
    Sync *sync = data;
    if (error != NULL && sync->failure == NULL)
        sync->failure = g_error_copy(error);
    g_main_loop_quit(sync->client->loop);
}

static gboolean
on_interrupt(gpointer data)
{
    Sync *sync = data;
    sync->interrupted = TRUE;
    g_main_loop_quit(sync->client->loop);
    return G_SOURCE_CONTINUE;
}

/* The list may be the one of last week. */
static void
refresh_list(Sync *sync)
{
    Client *client = sync->client;
    Refresh *refresh =
        refresh_new(client->account, client->clock, "",
                    client->options->timeout * CLOCK_SECOND, on_done, sync);
    g_main_loop_run(client->loop);
    refresh_free(refresh);
}

static void
transfer(Sync *sync, const char *const *mailboxes)
{
    static const TransferEvents events = {on_progress, on_done};
    Client *client = sync->client;
    Transfer *transfer = transfer_new(client->account, client->clock, mailboxes,
                                      &events, sync, &sync->failure);
    if (transfer == NULL)
        return;
    g_main_loop_run(client->loop);
    transfer_free(transfer);
}

static void
work(Sync *sync, const char *const *mailboxes)
{
    Client *client = sync->client;
    const GError *failure;
    g_autofree char *notice = NULL;

    if (client->store == NULL) {
        sync->failure = g_error_new(
            IMAPFS_ERROR, IMAPFS_ERROR_FAILED,
            "nothing can be kept on disk: %s",
            client->store_trouble ? client->store_trouble : "cache_size=0");
        return;
    }
    if (!client_connect(client, &notice, &sync->failure) || sync->interrupted)
        return;
    failure = mail_account_failure(client->account);
    if (notice != NULL) {
        sync->failure =
            failure
                ? g_error_copy(failure)
                : g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_TIMEOUT,
                              "%s did not answer in time", client->login.host);
        return;
    }
    refresh_list(sync);
    progress_begin(&sync->progress);
    if (sync->failure == NULL && !sync->interrupted)
        transfer(sync, mailboxes);
    client_log_out(client);
}

static int
run_here(Sync *sync, const Options *options, const char *const *mailboxes)
{
    char *password = NULL;
    guint interrupt;
    guint terminate;

    if (options->offline) {
        sync->failure = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_USAGE,
                                    "sync connects, and offline says not to");
        return end(sync);
    }
    password = password_find(options, &sync->failure);
    if (password == NULL)
        return end(sync);
    /* How it went is said at the end, once. */
    log_begin(options->debug ? LOG_TO_STDERR : LOG_TO_MEMORY, options->debug);
    sync->client = client_new(options, password, TRUE, &sync->failure);
    if (sync->client == NULL)
        return end(sync);
    interrupt = g_unix_signal_add(SIGINT, on_interrupt, sync);
    terminate = g_unix_signal_add(SIGTERM, on_interrupt, sync);
    work(sync, mailboxes);
    g_source_remove(interrupt);
    g_source_remove(terminate);
    client_free(sync->client);
    return end(sync);
}

int
sync_run(Options *options)
{
    const char *word = options->words[0];
    const char *const *mailboxes = (const char *const *)options->words + 1;
    g_autofree char *inside = NULL;
    g_autofree char *mountpoint = mountpoint_of(word, &inside);
    g_autofree char *account = NULL;
    g_autoptr(Remote) remote = NULL;
    Sync sync = {.client = NULL};
    int status;

    if (mountpoint != NULL && *inside == '\0') {
        remote = remote_open(mountpoint, &sync.failure);
    } else if (options_take_source(options, word, &sync.failure)) {
        account = options_account(options);
        remote = remote_open_account(account);
    }
    if (sync.failure != NULL)
        status = end(&sync);
    else if (remote != NULL)
        status = run_remote(&sync, remote, mailboxes);
    else
        status = run_here(&sync, options, mailboxes);
    g_clear_error(&sync.failure);
    return status;
}

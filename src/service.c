/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "service.h"

#include "base/error.h"
#include "control.h"
#include "refresh.h"
#include "status.h"
#include "transfer.h"

struct Service {
    const Client *client;
    const FsOps *ops;
    Control *control;
};

static void
say_usage(ControlCall *call, const char *usage)
{
    g_autoptr(GError) error =
        g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_USAGE, "usage: %s", usage);
    control_finish(call, error);
}

static void
on_about(ControlCall *call, const char *const *words, gpointer data)
{
    const Service *service = data;
    const Options *options = service->client->options;
    g_autofree char *account = options_account(options);
    g_autofree char *account_line = g_strescape(account, NULL);
    g_autofree char *mountpoint_line = g_strescape(options->mountpoint, NULL);
    g_autofree char *text = g_strdup_printf("mountpoint: %s\naccount: %s\n",
                                            mountpoint_line, account_line);
    (void)words;

    control_say(call, text);
    control_finish(call, NULL);
}

static void
on_status(ControlCall *call, const char *const *words, gpointer data)
{
    const Service *service = data;
    g_autofree char *text = status_text(service->client, service->ops);
    (void)words;

    control_say(call, text);
    control_finish(call, NULL);
}

/* ---- refresh ---- */

static void
free_refresh(gpointer data)
{
    refresh_free(data);
}

static void
on_refreshed(const GError *error, gpointer data)
{
    control_finish(data, error); /* this frees the refresh */
}

static void
on_refresh(ControlCall *call, const char *const *words, gpointer data)
{
    const Service *service = data;
    const Client *client = service->client;

    if (words[0] == NULL || words[1] != NULL)
        say_usage(call, "refresh PATH");
    else
        control_keep(call,
                     refresh_new(client->account, client->clock, words[0],
                                 client->options->timeout * CLOCK_SECOND,
                                 on_refreshed, call),
                     free_refresh);
}

/* ---- sync ---- */

static void
free_transfer(gpointer data)
{
    transfer_free(data);
}

static void
on_progress(const MailProgress *progress, gpointer data)
{
    ControlCall *call = data;
    g_autofree char *line =
        g_strdup_printf("progress %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
                        " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "\n",
                        progress->messages_done, progress->messages,
                        progress->octets_done, progress->octets);

    /* Who does not keep up gets fewer; the last one counts. */
    if (control_is_drained(call) || !progress->active)
        control_say(call, line);
}

static void
on_transferred(const GError *error, gpointer data)
{
    control_finish(data, error); /* this frees the transfer */
}

static void
on_sync(ControlCall *call, const char *const *words, gpointer data)
{
    static const TransferEvents events = {on_progress, on_transferred};
    const Service *service = data;
    const Client *client = service->client;
    g_autoptr(GError) error = NULL;
    Transfer *transfer = NULL;

    if (client->store == NULL)
        error = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_FAILED,
                            "this mount keeps nothing on disk");
    else
        transfer = transfer_new(client->account, client->clock, words, &events,
                                call, &error);
    if (transfer == NULL)
        control_finish(call, error);
    else
        control_keep(call, transfer, free_transfer);
}

static const ControlRequest requests[] = {
    {"about", on_about}, {"status", on_status}, {"refresh", on_refresh},
    {"sync", on_sync},   {NULL, NULL},
};

Service *
service_new(const Client *client, const FsOps *ops, GError **error)
{
    g_autofree char *path = control_path(client->options->mountpoint);
    Service *service = g_new0(Service, 1);

    service->client = client;
    service->ops = ops;
    service->control =
        control_new(path, client->clock, requests, service, error);
    if (service->control == NULL)
        g_clear_pointer(&service, g_free);
    return service;
}

void
service_free(Service *service)
{
    control_free(service->control);
    g_free(service);
}

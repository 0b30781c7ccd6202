/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/error.h"
#include "client.h"
#include "complaint.h"
#include "fs/ops.h"
#include "log.h"
#include "mountpoint.h"
#include "password.h"
#include "service.h"
#include "status.h"

typedef struct {
    Client *client;
    FsTree *tree;
    FsOps *ops;
} Mount;

/* ---- the background ---- */

/*
 * Forks; the child goes on, the parent waits for the child to say how it went
 * and exits with that.  Returns the descriptor to say it on.  No thread may
 * run yet.
 */
static int
go_to_background(void)
{
    int ends[2];
    guint8 status = EX_SOFTWARE;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    switch (fork()) {
    case -1:
        return -1;
    case 0:
        close(ends[0]);
        setsid();
        return ends[1];
    default:
        close(ends[1]);
        if (read(ends[0], &status, 1) != 1)
            status = EX_SOFTWARE;
        _exit(status);
    }
}

/* The mount can be used: let go of the terminal. */
static void
report_ready(int report)
{
    static const guint8 success = EX_OK;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (report < 0)
        return;
    if (chdir("/") != 0 || null < 0)
        g_warning("cannot let go of the terminal: %s", g_strerror(errno));
    for (int fd = 0; fd < 3 && null >= 0; fd++)
        dup2(null, fd);
    if (write(report, &success, 1) != 1)
        g_warning("nobody waits for the mount any more");
    close(report);
}

static int
report_failure(int report, int status)
{
    guint8 octet = (guint8)status;
    if (report >= 0 && write(report, &octet, 1) != 1)
        return EX_OSERR;
    return status;
}

/* ---- files in .imapfs ---- */

static char *
make_status(gpointer data)
{
    const Mount *mount = data;
    return status_text(mount->client, mount->ops);
}

static char *
make_status_json(gpointer data)
{
    const Mount *mount = data;
    return status_json(mount->client, mount->ops);
}

static char *
make_log(gpointer data)
{
    (void)data;
    return log_text();
}

static const FsMadeFile made_files[] = {
    {"status", make_status},
    {"status.json", make_status_json},
    {"log", make_log},
    {NULL, NULL},
};

/* ---- running ---- */

static gboolean
on_quit(gpointer data)
{
    Mount *mount = data;
    g_main_loop_quit(mount->client->loop);
    return G_SOURCE_CONTINUE;
}

static void
run_loop(Mount *mount)
{
    g_autoptr(GError) error = NULL;
    Service *service = service_new(mount->client, mount->ops, &error);

    if (service == NULL)
        g_warning("commands cannot reach this mount: %s", error->message);
    g_unix_signal_add(SIGTERM, on_quit, mount);
    g_unix_signal_add(SIGINT, on_quit, mount);
    g_unix_signal_add(SIGHUP, on_quit, mount);
    g_main_loop_run(mount->client->loop);
    if (service != NULL)
        service_free(service);
}

static gboolean
serve(Mount *mount, int report)
{
    const Client *client = mount->client;
    const Options *options = client->options;
    gint64 timeout = options->timeout * CLOCK_SECOND;

    mount->tree = fs_tree_new(client->account, client->clock, options->naming,
                              made_files, mount);
    if (options->views)
        fs_tree_list_views(mount->tree);
    mount->ops = fs_ops_new(mount->tree, client->account, client->clock,
                            timeout, options->mount_options, on_quit, mount);
    if (mount->ops == NULL || !fs_ops_mount(mount->ops, options->mountpoint))
        return FALSE;
    report_ready(report);
    run_loop(mount);
    fs_ops_unmount(mount->ops);
    client_log_out(mount->client);
    return TRUE;
}

/* What does not keep it from being used. */
static void
print_notices(const Client *client, const char *notice)
{
    if (client->store_trouble != NULL)
        fprintf(stderr, "imapfs: nothing is kept on disk: %s\n",
                client->store_trouble);
    if (notice != NULL)
        fprintf(stderr, "imapfs: %s\n", notice);
}

/* Everything from here on runs in the process that stays. */
static int
run(const Options *options, char *password, int report)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *notice = NULL;
    gboolean served = FALSE;
    Mount mount = {.client = NULL};

    log_begin(options->foreground ? LOG_TO_STDERR : LOG_TO_SYSLOG,
              options->debug);
    mount.client = client_new(options, password, TRUE, &error);
    if (mount.client == NULL)
        return report_failure(report, complaint_print(error));
    if (client_connect(mount.client, &notice, &error)) {
        print_notices(mount.client, notice);
        served = serve(&mount, report);
    }
    /* The account lets go of those who wait in ops, and these of the clock. */
    client_close(mount.client);
    g_clear_pointer(&mount.ops, fs_ops_free);
    g_clear_pointer(&mount.tree, fs_tree_free);
    client_free(mount.client);
    if (error != NULL)
        return report_failure(report, complaint_print(error));
    return served ? EX_OK : report_failure(report, EX_OSERR);
}

int
mount_run(const Options *options)
{
    g_autoptr(GError) error = NULL;
    char *password = NULL;
    int report = -1;

    if (!mountpoint_prepare(options->mountpoint, &error))
        return complaint_print(error);
    if (!options->offline) {
        password = password_find(options, &error);
        if (password == NULL)
            return complaint_print(error);
    }
    if (options->fake) {
        if (password != NULL)
            explicit_bzero(password, strlen(password));
        g_free(password);
        return EX_OK;
    }
    if (!options->foreground) {
        report = go_to_background();
        if (report < 0) {
            fprintf(stderr, "imapfs: cannot fork: %s\n", g_strerror(errno));
            return EX_OSERR;
        }
    }
    return run(options, password ? password : g_strdup(""), report);
}

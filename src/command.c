/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "command.h"

#include <poll.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/error.h"
#include "complaint.h"
#include "mountpoint.h"
#include "remote.h"

enum { GONE_WITHIN = 20 }; /* seconds, after an unmount */

/* The mount that PATH is in. */
static char *
find_mount(const char *path, char **ret_inside, GError **error)
{
    char *mountpoint = mountpoint_of(path, ret_inside);

    if (mountpoint == NULL)
        g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_USAGE,
                    "%s is in no mount of imapfs", path);
    return mountpoint;
}

/* PATH is the mountpoint itself. */
static char *
find_mountpoint(const char *path, GError **error)
{
    g_autofree char *inside = NULL;
    g_autofree char *mountpoint = find_mount(path, &inside, error);

    if (mountpoint == NULL || *inside == '\0')
        return g_steal_pointer(&mountpoint);
    g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_USAGE,
                "%s is no mountpoint; %s is", path, mountpoint);
    return NULL;
}

/* ---- status ---- */

static void
add_line(const char *line, gpointer data)
{
    g_string_append_printf(data, "%s\n", line);
}

static gboolean
add_status(Remote *remote, GString *text, GError **error)
{
    return remote_ask(remote, "status", NULL, add_line, text, error);
}

static gboolean
add_all(GString *text)
{
    g_autoptr(GPtrArray) remotes = remote_open_all();
    guint count = 0;

    for (guint i = 0; i < remotes->len; i++) {
        gsize before = text->len;
        if (count > 0)
            g_string_append_c(text, '\n');
        /* It may just have gone. */
        if (add_status(g_ptr_array_index(remotes, i), text, NULL))
            count++;
        else
            g_string_truncate(text, before);
    }
    if (count == 0)
        g_string_append(text, "nothing is mounted\n");
    return TRUE;
}

static gboolean
add_one(const char *path, GString *text, GError **error)
{
    g_autofree char *mountpoint = find_mountpoint(path, error);
    g_autoptr(Remote) remote =
        mountpoint ? remote_open(mountpoint, error) : NULL;
    return remote != NULL && add_status(remote, text, error);
}

int
command_status(const Options *options)
{
    const char *path = options->words[0];
    gboolean terminal = isatty(STDOUT_FILENO);

    for (;;) {
        g_autoptr(GString) text = g_string_new(NULL);
        g_autoptr(GError) error = NULL;

        if (!(path ? add_one(path, text, &error) : add_all(text)))
            return complaint_print(error);
        if (options->watch && terminal)
            printf("\033[H\033[J%s", text->str);
        else
            printf("%s%s", text->str, options->watch ? "\n" : "");
        if (fflush(stdout) != 0)
            return EX_IOERR;
        if (!options->watch)
            return EX_OK;
        sleep(1);
    }
}

/* ---- refresh ---- */

int
command_refresh(const Options *options)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *inside = NULL;
    g_autofree char *mountpoint =
        find_mount(options->words[0], &inside, &error);
    g_autoptr(Remote) remote =
        mountpoint ? remote_open(mountpoint, &error) : NULL;
    const char *const words[] = {inside, NULL};

    if (remote == NULL ||
        !remote_ask(remote, "refresh", words, NULL, NULL, &error))
        return complaint_print(error);
    return EX_OK;
}

/* ---- umount ---- */

/* Waits for the end of the process that FD, from pidfd_open(2), stands for. */
static gboolean
await_end(int fd, pid_t pid, GError **error)
{
    struct pollfd end = {.fd = fd, .events = POLLIN};

    if (poll(&end, 1, GONE_WITHIN * 1000) > 0)
        return TRUE;
    g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_TIMEOUT,
                "unmounted, but process %d still runs", (int)pid);
    return FALSE;
}

int
command_umount(const Options *options)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *mountpoint = find_mountpoint(options->words[0], &error);
    g_autoptr(Remote) remote = NULL;
    int process = -1;

    if (mountpoint == NULL)
        return complaint_print(error);
    /* If nobody answers, it can be unmounted all the same. */
    remote = remote_open(mountpoint, NULL);
    if (remote != NULL)
        process = (int)syscall(SYS_pidfd_open, remote_pid(remote), 0);
    if (mountpoint_unmount(mountpoint, &error) && process >= 0)
        await_end(process, remote_pid(remote), &error);
    if (process >= 0)
        close(process);
    return error != NULL ? complaint_print(error) : EX_OK;
}

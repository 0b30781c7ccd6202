/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "remote.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "complaint.h"
#include "control.h"

enum { SILENCE_MAX = 10 }; /* seconds, of a mount that is asked who it is */

struct Remote {
    int fd;
    pid_t pid;
    char *mountpoint;
    char *account;
    GString *input;
};

static gboolean
fail(GError **error, int code, const char *why)
{
    g_set_error_literal(error, IMAPFS_ERROR, code, why);
    return FALSE;
}

/* ---- octets ---- */

static void
set_patience(const Remote *remote, int seconds)
{
    struct timeval patience = {.tv_sec = seconds};
    setsockopt(remote->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(remote->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

static gboolean
send_all(const Remote *remote, const char *text)
{
    size_t length = strlen(text);

    while (length > 0) {
        ssize_t n = send(remote->fd, text, length, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return FALSE;
        if (n > 0) {
            text += n;
            length -= (size_t)n;
        }
    }
    return TRUE;
}

/* The next line; NULL when there is none.  The caller owns it. */
static char *
read_line(Remote *remote)
{
    char buffer[4096];
    const char *end;

    while ((end = memchr(remote->input->str, '\n', remote->input->len)) ==
           NULL) {
        ssize_t n = recv(remote->fd, buffer, sizeof buffer, 0);
        if (n == 0 || (n < 0 && errno != EINTR))
            return NULL;
        if (n > 0)
            g_string_append_len(remote->input, buffer, n);
    }
    {
        gsize length = (gsize)(end - remote->input->str);
        char *line = g_strndup(remote->input->str, length);
        g_string_erase(remote->input, 0, (gssize)length + 1);
        return line;
    }
}

/* ---- requests ---- */

static gboolean
take_end(const char *line, GError **error)
{
    g_auto(GStrv) words = NULL;

    if (strcmp(line, "ok") == 0)
        return TRUE;
    words = g_strsplit(line, " ", 3);
    if (g_strv_length(words) != 3 || strcmp(words[0], "error") != 0)
        return fail(error, IMAPFS_ERROR_FAILED,
                    "the mount speaks another language; is it of another "
                    "version of imapfs?");
    return fail(error, complaint_code(words[1]), words[2]);
}

gboolean
remote_ask(Remote *remote, const char *name, const char *const *words,
           RemoteLine func, gpointer data, GError **error)
{
    g_autoptr(GString) request = g_string_new(name);

    for (; words != NULL && *words != NULL; words++) {
        g_autofree char *quoted = g_shell_quote(*words);
        g_string_append_printf(request, " %s", quoted);
    }
    if (strchr(request->str, '\n') != NULL || request->len >= CONTROL_LINE_MAX)
        return fail(error, IMAPFS_ERROR_USAGE,
                    "there is no mailbox of such a name");
    g_string_append_c(request, '\n');
    if (!send_all(remote, request->str))
        return fail(error, IMAPFS_ERROR_OFFLINE, "the mount has gone");
    for (;;) {
        g_autofree char *line = read_line(remote);
        if (line == NULL)
            break;
        if (*line != ' ')
            return take_end(line, error);
        if (func != NULL)
            func(line + 1, data);
    }
    return fail(error, IMAPFS_ERROR_OFFLINE,
                errno == EAGAIN ? "the mount does not answer"
                                : "the mount has gone");
}

/* ---- who it is ---- */

static void
take_about(const char *line, gpointer data)
{
    Remote *remote = data;

    if (g_str_has_prefix(line, "mountpoint: ") && remote->mountpoint == NULL)
        remote->mountpoint = g_strcompress(line + strlen("mountpoint: "));
    if (g_str_has_prefix(line, "account: ") && remote->account == NULL)
        remote->account = g_strcompress(line + strlen("account: "));
}

static gboolean
connect_to(Remote *remote, const char *path, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred peer;
    socklen_t length = sizeof peer;

    remote->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (remote->fd < 0 || strlen(path) >= sizeof address.sun_path)
        return fail(error, IMAPFS_ERROR_OFFLINE, "it has no control socket");
    memcpy(address.sun_path, path, strlen(path));
    set_patience(remote, SILENCE_MAX);
    if (connect(remote->fd, (const struct sockaddr *)&address,
                sizeof address) != 0 ||
        getsockopt(remote->fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
        return fail(error, IMAPFS_ERROR_OFFLINE,
                    "no imapfs of this user answers for it");
    /* The mount may be root's, if root has lent us its runtime directory. */
    if (peer.uid != getuid())
        return fail(error, IMAPFS_ERROR_DENIED, "it is another user's");
    remote->pid = peer.pid;
    return TRUE;
}

static Remote *
open_path(const char *path, GError **error)
{
    g_autoptr(Remote) remote = g_new0(Remote, 1);

    remote->fd = -1;
    remote->input = g_string_new(NULL);
    if (!connect_to(remote, path, error) ||
        !remote_ask(remote, "about", NULL, take_about, remote, error))
        return NULL;
    if (remote->mountpoint == NULL || remote->account == NULL) {
        fail(error, IMAPFS_ERROR_FAILED, "it does not say who it is");
        return NULL;
    }
    set_patience(remote, 0);
    return g_steal_pointer(&remote);
}

Remote *
remote_open(const char *mountpoint, GError **error)
{
    g_autofree char *path = control_path(mountpoint);
    Remote *remote = open_path(path, error);

    if (remote == NULL)
        g_prefix_error(error, "%s: ", mountpoint);
    return remote;
}

static int
compare(gconstpointer a, gconstpointer b)
{
    const Remote *const *one = a;
    const Remote *const *other = b;
    return strcmp((*one)->mountpoint, (*other)->mountpoint);
}

static void
free_one(gpointer data)
{
    remote_free(data);
}

GPtrArray *
remote_open_all(void)
{
    GPtrArray *remotes = g_ptr_array_new_with_free_func(free_one);
    g_autofree char *directory = control_directory();
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(directory, name, NULL);
        Remote *remote = open_path(path, NULL);
        if (remote != NULL)
            g_ptr_array_add(remotes, remote);
    }
    g_ptr_array_sort(remotes, compare);
    return remotes;
}

Remote *
remote_open_account(const char *account)
{
    g_autoptr(GPtrArray) remotes = remote_open_all();

    for (guint i = 0; i < remotes->len; i++) {
        const Remote *remote = g_ptr_array_index(remotes, i);
        if (strcmp(remote->account, account) == 0)
            return g_ptr_array_steal_index(remotes, i);
    }
    return NULL;
}

void
remote_free(Remote *remote)
{
    if (remote->fd >= 0)
        close(remote->fd);
    g_string_free(remote->input, TRUE);
    g_free(remote->mountpoint);
    g_free(remote->account);
    g_free(remote);
}

const char *
remote_mountpoint(const Remote *remote)
{
    return remote->mountpoint;
}

pid_t
remote_pid(const Remote *remote)
{
    return remote->pid;
}

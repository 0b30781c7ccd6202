/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mountpoint.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/error.h"

enum { USERS_SHOWN = 4 };

/* All that are there, the last mounted last. */
static GPtrArray *
list(void)
{
    GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL))
        return paths;
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        g_auto(GStrv) fields = g_strsplit(*line, " ", -1);
        /* The kernel escapes as C does: \040. */
        if (g_strv_length(fields) > 6 &&
            strstr(*line, " - fuse.imapfs ") != NULL)
            g_ptr_array_add(paths, g_strcompress(fields[4]));
    }
    return paths;
}

gboolean
mountpoint_is_mounted(const char *path)
{
    g_autoptr(GPtrArray) paths = list();
    return g_ptr_array_find_with_equal_func(paths, path, g_str_equal, NULL);
}

/* What of PATH is below DIRECTORY, or NULL. */
static const char *
below(const char *path, const char *directory)
{
    gsize length = strlen(directory);

    if (strncmp(path, directory, length) != 0 ||
        (path[length] != '\0' && path[length] != '/'))
        return NULL;
    return path + length + strspn(path + length, "/");
}

static char *
find(const char *path, char **ret_inside)
{
    g_autoptr(GPtrArray) paths = list();
    const char *best = NULL;

    for (guint i = 0; i < paths->len; i++) {
        const char *directory = g_ptr_array_index(paths, i);
        const char *inside = below(path, directory);
        if (inside != NULL && (!best || strlen(directory) >= strlen(best))) {
            best = directory;
            g_free(*ret_inside);
            *ret_inside = g_strdup(inside);
        }
    }
    return g_strdup(best);
}

char *
mountpoint_of(const char *path, char **ret_inside)
{
    g_autofree char *plain = g_canonicalize_filename(path, NULL);
    char *found;

    *ret_inside = NULL;
    /* By its text first: this works when the daemon hangs. */
    found = find(plain, ret_inside);
    if (found == NULL) {
        char *real = realpath(path, NULL);
        if (real != NULL)
            found = find(real, ret_inside);
        free(real);
    }
    return found;
}

/* ---- before a mount ---- */

/* Its daemon is gone. */
static gboolean
is_left_behind(const char *path)
{
    struct statvfs st;
    /* Not stat(): the kernel may still remember the answer to that. */
    return mountpoint_is_mounted(path) && statvfs(path, &st) != 0 &&
           (errno == ENOTCONN || errno == ECONNABORTED);
}

static void
clear_left_behind(const char *path)
{
    const char *const argv[] = {"fusermount3", "-u", "-z", "--", path, NULL};

    if (!is_left_behind(path) || umount2(path, MNT_DETACH) == 0)
        return;
    g_spawn_sync(NULL, (char **)argv, NULL,
                 G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL |
                     G_SPAWN_STDERR_TO_DEV_NULL,
                 NULL, NULL, NULL, NULL, NULL, NULL);
}

gboolean
mountpoint_prepare(const char *path, GError **error)
{
    struct stat st;

    clear_left_behind(path);
    if (stat(path, &st) != 0) {
        g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_USAGE, "%s: %s", path,
                    g_strerror(errno));
        return FALSE;
    }
    if (!S_ISDIR(st.st_mode)) {
        g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_USAGE,
                    "%s is not a directory", path);
        return FALSE;
    }
    if (mountpoint_is_mounted(path)) {
        g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_USAGE,
                    "%s is mounted already; imapfs umount ends that", path);
        return FALSE;
    }
    return TRUE;
}

/* ---- the end of a mount ---- */

static gboolean
link_is_below(const char *directory, const char *name, const char *path)
{
    g_autofree char *link = g_build_filename(directory, name, NULL);
    g_autofree char *target = g_file_read_link(link, NULL);
    return target != NULL && below(target, path) != NULL;
}

static gboolean
process_uses(const char *process, const char *path)
{
    g_autofree char *files = g_build_filename(process, "fd", NULL);
    g_autoptr(GDir) dir = NULL;
    const char *name;

    if (link_is_below(process, "cwd", path) ||
        link_is_below(process, "root", path) ||
        link_is_below(process, "exe", path))
        return TRUE;
    dir = g_dir_open(files, 0, NULL);
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        if (link_is_below(files, name, path))
            return TRUE;
    }
    return FALSE;
}

/* "bash (123), less (456)"; empty when nobody is found: others' processes do
 * not show what they use. */
static GString *
users_of(const char *path)
{
    GString *users = g_string_new(NULL);
    g_autoptr(GDir) dir = g_dir_open("/proc", 0, NULL);
    const char *name;
    guint count = 0;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *process = g_build_filename("/proc", name, NULL);
        g_autofree char *file = g_build_filename(process, "comm", NULL);
        g_autofree char *comm = NULL;
        g_autofree char *shown = NULL;

        if (!g_ascii_isdigit(*name) || !process_uses(process, path) ||
            !g_file_get_contents(file, &comm, NULL, NULL))
            continue;
        if (++count > USERS_SHOWN) {
            g_string_append(users, " and others");
            break;
        }
        shown = imapfs_printable(g_strchomp(comm), -1);
        g_string_append_printf(users, "%s%s (%s)", count > 1 ? ", " : "", shown,
                               name);
    }
    return users;
}

gboolean
mountpoint_unmount(const char *path, GError **error)
{
    const char *const argv[] = {"fusermount3", "-u", "--", path, NULL};
    g_autofree char *said = NULL;
    g_autofree char *shown = NULL;
    g_autoptr(GString) users = NULL;
    g_autoptr(GError) failure = NULL;
    int status = 0;

    if (is_left_behind(path)) {
        clear_left_behind(path);
        return TRUE;
    }
    if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL,
                      NULL, NULL, &said, &status, &failure)) {
        g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_FAILED, "%s",
                    failure->message);
        return FALSE;
    }
    if (status == 0 || !mountpoint_is_mounted(path))
        return TRUE;
    users = users_of(path);
    if (users->len > 0) {
        g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_BUSY,
                    "%s is in use by %s", path, users->str);
        return FALSE;
    }
    shown = imapfs_printable(said ? g_strstrip(said) : "", -1);
    g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_BUSY,
                "%s cannot be unmounted: %s", path, shown);
    return FALSE;
}

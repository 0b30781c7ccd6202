/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/watches.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fs/node.h"

struct FsWatches {
    GHashTable *directories; /* their numbers */
    gboolean everything;
};

FsWatches *
fs_watches_new(void)
{
    FsWatches *watches = g_new0(FsWatches, 1);
    watches->directories =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    return watches;
}

void
fs_watches_free(FsWatches *watches)
{
    g_hash_table_unref(watches->directories);
    g_free(watches);
}

gboolean
fs_watches_has(const FsWatches *watches, guint64 directory)
{
    return watches->everything ||
           g_hash_table_contains(watches->directories, &directory);
}

guint32
fs_watches_device(guint32 major, guint32 minor)
{
    return major << 20 | minor;
}

/* The hexadecimal number behind KEY in LINE. */
static gboolean
number_of(const char *line, const char *key, guint64 *ret)
{
    const char *at = strstr(line, key);
    char *end;

    if (at == NULL)
        return FALSE;
    at += strlen(key);
    *ret = g_ascii_strtoull(at, &end, 16);
    return end != at;
}

/*
 * inotify wd:1 ino:1000000100000000 sdev:2f mask:fce ignored_mask:0 ...
 * fanotify ino:1000000100000000 sdev:2f mflags:0 mask:3b ignored_mask:0 ...
 * fanotify sdev:2f mflags:0 mask:3b ignored_mask:0
 */
gboolean
fs_watches_parse(const char *line, guint32 *ret_device, guint64 *ret_ino)
{
    gboolean is_inotify = g_str_has_prefix(line, "inotify wd:");
    guint64 device;

    *ret_ino = 0;
    if (!is_inotify && !g_str_has_prefix(line, "fanotify "))
        return FALSE;
    if (!number_of(line, " sdev:", &device) || device > G_MAXUINT32)
        return FALSE;
    *ret_device = (guint32)device;
    return number_of(line, " ino:", ret_ino) || !is_inotify;
}

static void
add(FsWatches *watches, guint64 ino)
{
    FsNode node = fs_node_of(ino);

    if (ino == 0)
        watches->everything = TRUE;
    if (node.kind == FS_MESSAGE)
        ino =
            fs_node_ino((FsNode){.kind = FS_MAILBOX, .mailbox = node.mailbox});
    g_hash_table_add(watches->directories, g_memdup2(&ino, sizeof ino));
}

/* What one descriptor watches. */
static void
read_info(FsWatches *watches, int process, const char *fd, guint32 device)
{
    char path[64];
    g_autofree char *line = NULL;
    size_t size = 0;
    guint32 its;
    guint64 ino;
    FILE *file;
    int info;

    g_snprintf(path, sizeof path, "fdinfo/%s", fd);
    info = openat(process, path, O_RDONLY | O_CLOEXEC);
    file = info >= 0 ? fdopen(info, "r") : NULL;
    if (file == NULL)
        return;
    while (getline(&line, &size, file) > 0) {
        if (fs_watches_parse(line, &its, &ino) && its == device)
            add(watches, ino);
    }
    fclose(file);
}

static DIR *
open_directory(int at, const char *path)
{
    int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fdopendir(fd) : NULL;
}

static void
read_process(FsWatches *watches, int process, guint32 device)
{
    DIR *fds = open_directory(process, "fd");
    const struct dirent *entry;

    if (fds == NULL)
        return;
    while ((entry = readdir(fds)) != NULL) {
        char target[32];
        ssize_t n =
            readlinkat(dirfd(fds), entry->d_name, target, sizeof target - 1);
        target[MAX(n, 0)] = '\0';
        if (strcmp(target, "anon_inode:inotify") == 0 ||
            strcmp(target, "anon_inode:[fanotify]") == 0)
            read_info(watches, process, entry->d_name, device);
    }
    closedir(fds);
}

void
fs_watches_scan(FsWatches *watches, guint32 device)
{
    DIR *processes = open_directory(AT_FDCWD, "/proc");
    const struct dirent *entry;

    g_hash_table_remove_all(watches->directories);
    watches->everything = FALSE;
    if (processes == NULL)
        return;
    while ((entry = readdir(processes)) != NULL) {
        int process;
        if (!g_ascii_isdigit(entry->d_name[0]))
            continue;
        process = openat(dirfd(processes), entry->d_name,
                         O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (process < 0)
            continue;
        read_process(watches, process, device);
        close(process);
    }
    closedir(processes);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "simulation.h"

static char *
make_directory(void)
{
    g_autoptr(GError) error = NULL;
    char *path = g_dir_make_tmp("imapfs-simulation-XXXXXX", &error);

    if (path == NULL)
        g_error("%s", error->message);
    return path;
}

static void
remove_tree(const char *path)
{
    GDir *dir = g_dir_open(path, 0, NULL);

    for (const char *name; dir != NULL && (name = g_dir_read_name(dir));) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        remove_tree(child);
    }
    if (dir != NULL)
        g_dir_close(dir);
    g_remove(path);
}

static void
copy_tree(const char *from, const char *to)
{
    GDir *dir = g_dir_open(from, 0, NULL);
    g_autofree char *data = NULL;
    gsize length;

    if (dir == NULL) {
        int fd;
        if (!g_file_get_contents(from, &data, &length, NULL))
            return;
        fd = g_open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, data, length) != (ssize_t)length)
            g_error("%s cannot be written", to);
        close(fd);
        return;
    }
    g_mkdir(to, 0700);
    for (const char *name; (name = g_dir_read_name(dir));) {
        g_autofree char *source = g_build_filename(from, name, NULL);
        g_autofree char *target = g_build_filename(to, name, NULL);
        copy_tree(source, target);
    }
    g_dir_close(dir);
}

/* Of files that no database looks after. */
static void
collect_files(const char *path, GPtrArray *files)
{
    GDir *dir = g_dir_open(path, 0, NULL);
    struct stat stat;

    for (const char *name; dir != NULL && (name = g_dir_read_name(dir));) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        collect_files(child, files);
    }
    if (dir != NULL)
        g_dir_close(dir);
    else if (lstat(path, &stat) == 0 && S_ISREG(stat.st_mode) &&
             stat.st_size > 0 && strstr(path, "-wal") == NULL &&
             strstr(path, "-shm") == NULL && strstr(path, "-journal") == NULL) {
        char begin[16] = "";
        FILE *file = fopen(path, "re");
        if (file != NULL && fread(begin, 1, sizeof begin, file) > 0 &&
            memcmp(begin, "SQLite format 3", sizeof begin) != 0)
            g_ptr_array_add(files, g_strdup(path));
        if (file != NULL)
            fclose(file);
    }
}

void
run_make_directory(Run *run)
{
    run->directory = make_directory();
}

void
run_remove_directory(Run *run)
{
    remove_tree(run->directory);
    g_clear_pointer(&run->directory, g_free);
}

void
run_open_store(Run *run)
{
    g_autofree char *path = g_build_filename(run->directory, "store", NULL);
    g_autoptr(GError) error = NULL;

    run->setup.store =
        mail_store_open(path, run->store_limit, run->clock, &error);
    if (run->setup.store == NULL)
        g_debug("no store: %s", error->message);
}

char *
run_copy_directory(Run *run)
{
    char *copy = make_directory();
    copy_tree(run->directory, copy);
    return copy;
}

void
run_use_copy(Run *run, char *copy)
{
    run_remove_directory(run);
    run->directory = copy;
}

void
run_tear_directory(Run *run)
{
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
    const char *path;
    struct stat stat;

    collect_files(run->directory, files);
    if (files->len == 0)
        return;
    path = g_ptr_array_index(files, run_any(run, files->len));
    if (lstat(path, &stat) == 0 &&
        truncate(path, (off_t)run_any(run, (guint)stat.st_size)) != 0)
        g_error("%s cannot be cut", path);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/bodies.h"

#include "base/error.h"
#include "base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define FOLDER "bodies"

struct MailBodies {
    int folder;
    GHashTable *claimed; /* file -> its end, both as pointers */
    guint32 last;        /* the number of the newest file */
    int fd;              /* where it is appended to; -1: it is not open */
    guint64 end;         /* the next append goes there */
    int reading;         /* the file that was read last; -1: none */
    guint32 reading_file;
};

typedef char FileName[16];

static void
name_file(FileName name, guint32 file)
{
    g_snprintf(name, sizeof(FileName), "%u", file);
}

/* 0 for what cannot be the name of a file of ours. */
static guint32
parse_name(const char *name)
{
    guint64 number = 0;
    FileName same;

    if (!g_ascii_string_to_unsigned(name, 10, 1, G_MAXINT32 - 1, &number, NULL))
        return 0;
    name_file(same, (guint32)number);
    return strcmp(same, name) == 0 ? (guint32)number : 0;
}

guint64
mail_bodies_blocks(guint64 length)
{
    return (length + MAIL_BODIES_BLOCK - 1) / MAIL_BODIES_BLOCK *
           MAIL_BODIES_BLOCK;
}

gboolean
mail_bodies_is_place(const MailPlace *place)
{
    return place->file > 0 && place->file < G_MAXINT32 && place->length > 0 &&
           place->length <= MAIL_BODIES_PIECE_MAX &&
           place->position % MAIL_BODIES_BLOCK == 0 &&
           place->position < MAIL_BODIES_FILE_MAX;
}

/* ---- the folder ---- */

static int
open_file(int folder, guint32 file, int flags, GError **error)
{
    FileName name;
    name_file(name, file);
    return folder_open_file(folder, name, flags, error);
}

/* Calls FUNC for each file of ours. */
static void
each_file(int folder, void (*func)(guint32 file, gpointer data), gpointer data)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(guint32));

    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        guint32 file = parse_name(entry->d_name);
        if (file > 0)
            g_array_append_val(found, file);
    }
    closedir(dir);
    for (guint i = 0; i < found->len; i++)
        func(g_array_index(found, guint32, i), data);
}

static void
take_number(guint32 file, gpointer data)
{
    MailBodies *bodies = data;
    bodies->last = MAX(bodies->last, file);
}

MailBodies *
mail_bodies_open(int directory, GError **error)
{
    int folder = folder_open_folder(directory, FOLDER, error);
    MailBodies *bodies;

    if (folder < 0)
        return NULL;
    bodies = g_new0(MailBodies, 1);
    bodies->folder = folder;
    bodies->fd = -1;
    bodies->reading = -1;
    bodies->claimed = g_hash_table_new(NULL, NULL);
    each_file(folder, take_number, bodies);
    return bodies;
}

static void
close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void
mail_bodies_close(MailBodies *bodies)
{
    close_fd(&bodies->fd);
    close_fd(&bodies->reading);
    close(bodies->folder);
    g_hash_table_unref(bodies->claimed);
    g_free(bodies);
}

static void
unlink_file(guint32 file, gpointer data)
{
    FileName name;
    name_file(name, file);
    unlinkat(*(const int *)data, name, 0);
}

void
mail_bodies_remove(int directory)
{
    int folder = openat(directory, FOLDER,
                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (folder >= 0) {
        each_file(folder, unlink_file, &folder);
        close(folder);
        unlinkat(directory, FOLDER, AT_REMOVEDIR);
    } else {
        unlinkat(directory, FOLDER, 0); /* whatever else has the name */
    }
}

/* ---- what is there ---- */

void
mail_bodies_claim(MailBodies *bodies, const MailPlace *place)
{
    gpointer file = GUINT_TO_POINTER(place->file);
    guint64 end = place->position + mail_bodies_blocks(place->length);
    guint64 known =
        GPOINTER_TO_SIZE(g_hash_table_lookup(bodies->claimed, file));

    g_hash_table_insert(bodies->claimed, file,
                        GSIZE_TO_POINTER(MAX(known, end)));
    bodies->last = MAX(bodies->last, place->file);
}

static void
sweep_file(guint32 file, gpointer data)
{
    MailBodies *bodies = data;
    if (!g_hash_table_contains(bodies->claimed, GUINT_TO_POINTER(file)))
        unlink_file(file, &bodies->folder);
}

void
mail_bodies_sweep(MailBodies *bodies)
{
    each_file(bodies->folder, sweep_file, bodies);
}

/* ---- appending ---- */

static guint32
checksum(guint32 seed, const void *data, gsize length)
{
    return (guint32)crc32_z(seed, data, length);
}

static gboolean
set_error(GError **error)
{
    g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_FAILED, FOLDER ": %s",
                g_strerror(errno));
    return FALSE;
}

/* Opens the newest file, behind all that is in it. */
static gboolean
open_newest(MailBodies *bodies, GError **error)
{
    struct stat st;
    guint64 claimed;

    if (bodies->last == 0)
        bodies->last = 1;
    bodies->fd =
        open_file(bodies->folder, bodies->last, O_RDWR | O_CREAT, error);
    if (bodies->fd < 0)
        return FALSE;
    if (fstat(bodies->fd, &st) < 0) {
        close_fd(&bodies->fd);
        return set_error(error);
    }
    claimed = GPOINTER_TO_SIZE(
        g_hash_table_lookup(bodies->claimed, GUINT_TO_POINTER(bodies->last)));
    bodies->end = mail_bodies_blocks(MAX((guint64)st.st_size, claimed));
    return TRUE;
}

static gboolean
find_room(MailBodies *bodies, gsize length, GError **error)
{
    if (bodies->fd < 0 && !open_newest(bodies, error))
        return FALSE;
    while (bodies->end > 0 && bodies->end + length > MAIL_BODIES_FILE_MAX) {
        if (bodies->last == G_MAXINT32 - 1) {
            errno = EFBIG;
            return set_error(error);
        }
        close_fd(&bodies->fd);
        bodies->last++;
        if (!open_newest(bodies, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
mail_bodies_append(MailBodies *bodies, guint32 seed, const void *data,
                   gsize length, MailPlace *ret_place, GError **error)
{
    gsize written = 0;

    if (!find_room(bodies, length, error))
        return FALSE;
    while (written < length) {
        gssize n = pwrite(bodies->fd, (const char *)data + written,
                          length - written, (off_t)(bodies->end + written));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (n == 0)
                errno = ENOSPC;
            return set_error(error);
        }
        written += (gsize)n;
    }
    *ret_place = (MailPlace){
        .file = bodies->last,
        .position = (guint32)bodies->end,
        .length = (guint32)length,
        .crc = checksum(seed, data, length),
    };
    bodies->end += mail_bodies_blocks(length);
    return TRUE;
}

/* ---- reading and dropping ---- */

static int
open_to_read(MailBodies *bodies, guint32 file)
{
    if (bodies->reading >= 0 && bodies->reading_file == file)
        return bodies->reading;
    close_fd(&bodies->reading);
    bodies->reading_file = file;
    bodies->reading = open_file(bodies->folder, file, O_RDWR, NULL);
    return bodies->reading;
}

GBytes *
mail_bodies_read(MailBodies *bodies, guint32 seed, const MailPlace *place)
{
    g_autofree char *data = NULL;
    gsize done = 0;
    int fd;

    if (!mail_bodies_is_place(place))
        return NULL;
    fd = open_to_read(bodies, place->file);
    if (fd < 0)
        return NULL;
    data = g_malloc(place->length);
    while (done < place->length) {
        gssize n = pread(fd, data + done, place->length - done,
                         (off_t)(place->position + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return NULL;
        done += (gsize)n;
    }
    if (checksum(seed, data, place->length) != place->crc)
        return NULL;
    return g_bytes_new_take(g_steal_pointer(&data), place->length);
}

void
mail_bodies_drop(MailBodies *bodies, const MailPlace *place)
{
    int fd;

    if (!mail_bodies_is_place(place))
        return;
    fd = open_to_read(bodies, place->file);
    if (fd >= 0)
        (void)!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                         place->position,
                         (off_t)mail_bodies_blocks(place->length));
}

void
mail_bodies_drop_file(MailBodies *bodies, guint32 file)
{
    g_hash_table_remove(bodies->claimed, GUINT_TO_POINTER(file));
    if (bodies->reading_file == file)
        close_fd(&bodies->reading);
    unlink_file(file, &bodies->folder);
    /* What comes next has a name that nothing old refers to. */
    if (bodies->last == file && file < G_MAXINT32 - 1) {
        close_fd(&bodies->fd);
        bodies->last++;
    }
}

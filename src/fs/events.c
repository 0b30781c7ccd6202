/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/events.h"

typedef struct {
    guint64 ino;
    GQueue events;      /* of FsEvent */
    GHashTable *latest; /* inode -> its last one, a link of EVENTS */
    gboolean overflown; /* the one that is there stands for all */
} Directory;

struct FsEvents {
    guint max;
    GHashTable *by_ino;
    GQueue directories; /* that have events */
};

FsEvent *
fs_event_new(FsEventKind kind, guint64 ino)
{
    FsEvent *event = g_new0(FsEvent, 1);
    event->kind = kind;
    event->ino = ino;
    return event;
}

void
fs_event_free(FsEvent *event)
{
    g_free(event->name);
    g_free(event);
}

static void
clear(Directory *directory)
{
    g_hash_table_remove_all(directory->latest);
    g_queue_clear_full(&directory->events, (GDestroyNotify)fs_event_free);
}

static void
free_directory(gpointer data)
{
    Directory *directory = data;
    clear(directory);
    g_hash_table_unref(directory->latest);
    g_free(directory);
}

FsEvents *
fs_events_new(guint max)
{
    FsEvents *events = g_new0(FsEvents, 1);
    events->max = max;
    events->by_ino = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL,
                                           free_directory);
    g_queue_init(&events->directories);
    return events;
}

void
fs_events_free(FsEvents *events)
{
    g_queue_clear(&events->directories);
    g_hash_table_unref(events->by_ino);
    g_free(events);
}

static Directory *
directory_of(FsEvents *events, guint64 ino)
{
    Directory *directory = g_hash_table_lookup(events->by_ino, &ino);

    if (directory == NULL) {
        directory = g_new0(Directory, 1);
        directory->ino = ino;
        g_queue_init(&directory->events);
        directory->latest = g_hash_table_new(g_int64_hash, g_int64_equal);
        g_hash_table_insert(events->by_ino, &directory->ino, directory);
        g_queue_push_tail(&events->directories, directory);
    }
    return directory;
}

static void
append(Directory *directory, FsEvent *event)
{
    g_queue_push_tail(&directory->events, event);
    g_hash_table_replace(directory->latest, &event->ino,
                         directory->events.tail);
}

static void
drop(Directory *directory, GList *link)
{
    FsEvent *event = link->data;
    g_hash_table_remove(directory->latest, &event->ino);
    g_queue_delete_link(&directory->events, link);
    fs_event_free(event);
}

/* Takes EVENT. */
static void
fold(Directory *directory, FsEvent *event)
{
    GList *link = g_hash_table_lookup(directory->latest, &event->ino);
    FsEvent *before = link ? link->data : NULL;

    if (before == NULL || before->kind == FS_EVENT_DELETED) {
        append(directory, event);
    } else if (event->kind != FS_EVENT_DELETED) {
        if (event->kind == FS_EVENT_CREATED)
            before->kind = FS_EVENT_CREATED;
        fs_event_free(event);
    } else {
        gboolean was_told = before->kind != FS_EVENT_CREATED;
        drop(directory, link);
        if (was_told)
            append(directory, event);
        else
            fs_event_free(event);
    }
}

void
fs_events_add(FsEvents *events, guint64 ino, FsEvent *event)
{
    Directory *directory = directory_of(events, ino);

    if (directory->overflown) {
        fs_event_free(event);
        return;
    }
    fold(directory, event);
    if (directory->events.length > events->max) {
        clear(directory);
        append(directory, fs_event_new(FS_EVENT_CHANGED, ino));
        directory->overflown = TRUE;
    }
}

GPtrArray *
fs_events_take(FsEvents *events, guint64 *ret_directory)
{
    Directory *directory;
    GPtrArray *taken = NULL;

    while (taken == NULL &&
           (directory = g_queue_pop_head(&events->directories)) != NULL) {
        FsEvent *event;
        if (directory->events.length > 0)
            taken = g_ptr_array_new_full(directory->events.length,
                                         (GDestroyNotify)fs_event_free);
        while ((event = g_queue_pop_head(&directory->events)) != NULL)
            g_ptr_array_add(taken, event);
        *ret_directory = directory->ino;
        g_hash_table_remove_all(directory->latest);
        g_hash_table_remove(events->by_ino, ret_directory);
    }
    return taken;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What has happened in which directory and is still to be told to programs
 * that watch it.  Pure data: nudger.h does the telling.
 *
 * Events about the same thing are folded: of something new that is gone again
 * nothing is told, and of many changes one.  When a directory has more events
 * than anybody would want to read, one about the directory stands for all.
 */
#ifndef IMAPFS_FS_EVENTS_H
#define IMAPFS_FS_EVENTS_H

#include "fs/tree.h"

typedef struct FsEvents FsEvents;

typedef enum {
    FS_EVENT_CREATED,
    FS_EVENT_DELETED,
    FS_EVENT_CHANGED, /* attributes, or octets */
} FsEventKind;

typedef struct {
    FsEventKind kind;
    guint64 ino; /* the directory's own when it stands for all of them */
    /* Of what is gone: what it was. */
    char *name;
    FsAttributes was;
} FsEvent;

FsEvent *fs_event_new(FsEventKind kind, guint64 ino);
void fs_event_free(FsEvent *event);

/* At most MAX events are kept for a directory. */
FsEvents *fs_events_new(guint max);
void fs_events_free(FsEvents *events);

/* Takes EVENT. */
void fs_events_add(FsEvents *events, guint64 directory, FsEvent *event);
/*
 * All events of one directory in their order, which the caller owns; NULL when
 * there are none.  Directories take turns.
 */
GPtrArray *fs_events_take(FsEvents *events, guint64 *ret_directory);

#endif

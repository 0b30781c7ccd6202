/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Lets programs that watch a directory (inotify: file managers, editors) know
 * of what happens on the server.
 *
 * What a file system tells the kernel raises no such events; calls made
 * through the mount do.  So a process of its own, the nudger (nudging.h),
 * makes the calls that would have had the effect: mknod() of a message that
 * came, unlink() of one that went, utimensat() of one that changed.  Whoever
 * serves the mount answers these calls of this process, and of no other, as if
 * they were new to it, and changes nothing.
 *
 * It is a process because whoever waits in a call to the mount cannot die
 * before the call is answered, and must not be who answers it.  It does not
 * hold /dev/fuse, so with us the mount ends, and its call.  It ends when its
 * socket does, and the kernel kills it when we die.
 *
 * Nothing here blocks, fails or is asserted on: at worst nobody is told.
 */
#ifndef IMAPFS_FS_NUDGER_H
#define IMAPFS_FS_NUDGER_H

#include "fs/events.h"

typedef struct FsNudger FsNudger;

/* Before /dev/fuse is opened.  MOUNTPOINT is absolute.  NULL if there can be
 * none; all functions below do nothing with NULL. */
FsNudger *fs_nudger_new(FsTree *tree, Clock *clock, const char *mountpoint);
/*
 * No more nudges.  TRUE when the process has gone, or is given up; until then
 * requests must still be answered, since it may be waiting for one.  The main
 * context is woken when that changes.
 */
gboolean fs_nudger_stop(FsNudger *nudger);
/* It must have stopped. */
void fs_nudger_free(FsNudger *nudger);

/* INO came to DIRECTORY, changed in it, or is about to go. */
void fs_nudger_note(FsNudger *nudger, FsEventKind kind, guint64 directory,
                    guint64 ino);
/* If somebody watches DIRECTORY fs_tree_watched() will be told of it. */
void fs_nudger_ask(FsNudger *nudger, guint64 directory);
/* Another user opened DIRECTORY: whether he watches it cannot be seen. */
void fs_nudger_opened(FsNudger *nudger, guint64 directory);

/* A call that was made. */
guint64 fs_nudger_count(const FsNudger *nudger);

/* ---- its calls, as they arrive ---- */

gboolean fs_nudger_is(const FsNudger *nudger, pid_t pid);

typedef enum {
    FS_NUDGE_USUAL,  /* nothing special about it */
    FS_NUDGE_ABSENT, /* to be created, so it is not there */
    FS_NUDGE_ENTRY,  /* to be deleted, so it still is; for nobody else */
} FsNudgeLookup;

FsNudgeLookup fs_nudger_lookup(FsNudger *nudger, guint64 parent,
                               const char *name, FsAttributes *ret);
/* FALSE when that was not ordered, or has been done, or is wrong by now. */
gboolean fs_nudger_create(FsNudger *nudger, guint64 parent, const char *name,
                          FsAttributes *ret);
gboolean fs_nudger_delete(FsNudger *nudger, guint64 parent, const char *name);

#endif

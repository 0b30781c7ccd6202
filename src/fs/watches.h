/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which directories of a mount are watched by programs, with inotify or
 * fanotify, as far as /proc shows: it shows the processes of this user, to root
 * all.  Reads hundreds of small files: not for the main loop.
 */
#ifndef IMAPFS_FS_WATCHES_H
#define IMAPFS_FS_WATCHES_H

#include <glib.h>

typedef struct FsWatches FsWatches;

FsWatches *fs_watches_new(void);
void fs_watches_free(FsWatches *watches);
/* DEVICE is in the kernel's own numbering, fs_watches_device(). */
void fs_watches_scan(FsWatches *watches, guint32 device);
/* The directory with that number, or a message in it, is watched. */
gboolean fs_watches_has(const FsWatches *watches, guint64 directory);

guint32 fs_watches_device(guint32 major, guint32 minor);
/* Takes a line of /proc/PID/fdinfo/FD; TRUE if it is a watch: *RET_INO is 0
 * when it is upon a whole file system. */
gboolean fs_watches_parse(const char *line, guint32 *ret_device,
                          guint64 *ret_ino);

#endif

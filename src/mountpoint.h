/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Directories with a file system of ours on them, as the kernel tells.  Paths
 * are absolute, without "..".  Nothing here asks a daemon, which may hang.
 */
#ifndef IMAPFS_MOUNTPOINT_H
#define IMAPFS_MOUNTPOINT_H

#include <glib.h>

gboolean mountpoint_is_mounted(const char *path);
/*
 * The mountpoint that PATH, as a user wrote it, is in, and, in *RET_INSIDE,
 * what of PATH lies below that; NULL when it is in none.  The caller owns both.
 */
char *mountpoint_of(const char *path, char **ret_inside);
/* PATH is a directory to mount on.  A mount whose daemon died is cleared away
 * first.  Fails with USAGE. */
gboolean mountpoint_prepare(const char *path, GError **error);
/* As fusermount3 -u does it.  Fails with BUSY, and says who it is. */
gboolean mountpoint_unmount(const char *path, GError **error);

#endif

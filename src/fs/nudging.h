/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The other half of nudger.h, in a process of its own: makes calls through the
 * mount, as ordered, where somebody watches.
 *
 * It is this program, executed anew: what it inherits is a socket and nothing
 * else, no descriptor, no secret, no environment.  It lives as long as whoever
 * started it.
 */
#ifndef IMAPFS_FS_NUDGING_H
#define IMAPFS_FS_NUDGING_H

#include <glib.h>

/* argv[0] of such a process; argv[1] is the mount point, 0 is the socket. */
#define FS_NUDGING_NAME "imapfs-nudger"
/* A name that only this process ever finds, and only in the mount: so what it
 * is about to change is no other file system's. */
#define FS_NUDGING_PROOF ".imapfs-nudger"

/*
 * An order is one packet: the head, the path of the directory below the mount
 * point, and for each call one of the letters and a name; texts with their NUL.
 */
enum {
    FS_NUDGING_MKNOD = 'n',
    FS_NUDGING_MKDIR = 'd',
    FS_NUDGING_UNLINK = 'u',
    FS_NUDGING_RMDIR = 'r',
    FS_NUDGING_UTIME = 't',
    FS_NUDGING_PACKET_MAX = 64 << 10,
};

typedef struct {
    guint64 directory;
    guint32 calls;
    guint32 unseen; /* there may be watchers that we cannot see */
} FsNudgingHead;

/* The answer to an order. */
typedef struct {
    guint32 watched;
    guint32 calls; /* made */
} FsNudgingAnswer;

gboolean fs_nudging_is_meant(char **argv);
int fs_nudging_run(char **argv);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Identity is a value.  An inode number says all there is to say about what it
 * names, so there is no inode table and nothing to do on FORGET:
 *
 *     kind 4 bits | part 12 bits | mailbox 16 bits | UID 32 bits, shifted
 *
 * The last is shifted by a multiple of the mailbox, so that the low bits of
 * mailboxes differ, too: the kernel's table of inodes looks at these.  Within a
 * mailbox numbers grow with the UID, which tools that sort by number rely on.
 *
 * You CAN keep one for as long as you like; look the object up again after
 * each wait, it may be gone.  You CANNOT tell from a number alone that it is
 * still the same message: that takes UIDVALIDITY too, which the kernel gets as
 * the generation.  A number never changes its type.
 */
#ifndef IMAPFS_FS_NODE_H
#define IMAPFS_FS_NODE_H

#include <glib.h>

typedef enum {
    FS_ROOT = 0,
    FS_MAILBOX,
    FS_MESSAGE,
    FS_CONTROL, /* .imapfs */
    FS_STATUS,  /* .imapfs/status */
} FsKind;

typedef struct {
    FsKind kind;
    guint16 mailbox;
    guint32 uid;
    guint16 part;
} FsNode;

guint64 fs_node_ino(FsNode node);
/* INO may be anything: what is no node has a kind that nobody knows. */
FsNode fs_node_of(guint64 ino);

#endif

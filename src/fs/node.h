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
 * each wait, it may be gone.  A number never changes its type, and never stands
 * for another message: the part of a message counts how often its mailbox was
 * replaced while the account was mounted, and says if its size turned out to be
 * another than was promised.  What users see is fs_node_shown(), without that,
 * so that it is the same in the next mount.
 */
#ifndef IMAPFS_FS_NODE_H
#define IMAPFS_FS_NODE_H

#include <glib.h>

typedef enum {
    FS_ROOT = 0,
    FS_MAILBOX,
    FS_MESSAGE,
    FS_CONTROL, /* .imapfs */
    FS_STATUS,  /* .imapfs/status; the UID is the number of a text, or 0 */
    FS_VIEW,    /* .parts and the like; the part is a FsViewKind */
    FS_PARTS,   /* .parts/MESSAGE; the part is that of a message inside */
    FS_PART,    /* a file of it: the part, decoded */
    FS_HEADERS, /* .parts/MESSAGE/headers, of the message that is the part */
    FS_TEXT,    /* .text/MESSAGE.txt */
    FS_SEARCH,  /* .search/QUERY; the UID is the number of the search */
    FS_THREAD,  /* .threads/CONVERSATION; the UID is its first */
} FsKind;

typedef enum {
    FS_VIEW_PARTS = 0, /* .parts */
    FS_VIEW_TEXT,      /* ... and so on */
    FS_VIEW_ATTACHMENTS,
    FS_VIEW_SEARCH,
    FS_VIEW_UNSEEN,
    FS_VIEW_FLAGGED,
    FS_VIEW_RECENT,
    FS_VIEW_THREADS,
    FS_N_VIEWS,
} FsViewKind;

enum { FS_PART_MAX = 0xfff };

typedef struct {
    FsKind kind;
    guint16 mailbox;
    guint32 uid;
    guint16 part;
} FsNode;

guint64 fs_node_ino(FsNode node);
/* The number that stat() shows. */
guint64 fs_node_shown(guint64 ino);
/* INO may be anything: what is no node has a kind that nobody knows. */
FsNode fs_node_of(guint64 ino);
/* A view, or what there is in views only. */
gboolean fs_node_is_of_view(FsNode node);

#endif

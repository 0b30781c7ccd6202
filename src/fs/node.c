/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/node.h"

enum { ROOT_INO = 1 }; /* the kernel says so */

static guint32
shift_of(guint16 mailbox)
{
    return mailbox * 2654435761U;
}

guint64
fs_node_ino(FsNode node)
{
    if (node.kind == FS_ROOT)
        return ROOT_INO;
    return (guint64)node.kind << 60 | (guint64)(node.part & FS_PART_MAX) << 48 |
           (guint64)node.mailbox << 32 | (node.uid + shift_of(node.mailbox));
}

FsNode
fs_node_of(guint64 ino)
{
    FsNode node = {
        .kind = (FsKind)(ino >> 60),
        .part = (guint16)(ino >> 48 & FS_PART_MAX),
        .mailbox = (guint16)(ino >> 32 & 0xffff),
    };

    if (ino == ROOT_INO)
        return (FsNode){.kind = FS_ROOT};
    node.uid = (guint32)ino - shift_of(node.mailbox);
    return node;
}

guint64
fs_node_shown(guint64 ino)
{
    FsNode node = fs_node_of(ino);

    if (node.kind == FS_MESSAGE)
        node.part = 0;
    else if (node.kind == FS_STATUS)
        node.uid = 0;
    else
        return ino;
    return fs_node_ino(node);
}

gboolean
fs_node_is_of_view(FsNode node)
{
    return node.kind >= FS_VIEW && node.kind <= FS_THREAD;
}

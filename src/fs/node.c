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
    return (guint64)node.kind << 60 | (guint64)(node.part & 0xfff) << 48 |
           (guint64)node.mailbox << 32 | (node.uid + shift_of(node.mailbox));
}

FsNode
fs_node_of(guint64 ino)
{
    FsNode node = {
        .kind = (FsKind)(ino >> 60),
        .part = (guint16)(ino >> 48 & 0xfff),
        .mailbox = (guint16)(ino >> 32 & 0xffff),
    };

    if (ino == ROOT_INO)
        return (FsNode){.kind = FS_ROOT};
    node.uid = (guint32)ino - shift_of(node.mailbox);
    return node;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/node.h"

enum { ROOT_INO = 1 }; /* the kernel says so */

guint64
fs_node_ino(FsNode node)
{
    if (node.kind == FS_ROOT)
        return ROOT_INO;
    return (guint64)node.kind << 60 | (guint64)node.mailbox << 44 |
           (guint64)node.uid << 12 | (node.part & 0xfffU);
}

FsNode
fs_node_of(guint64 ino)
{
    if (ino == ROOT_INO)
        return (FsNode){.kind = FS_ROOT};
    return (FsNode){
        .kind = (FsKind)(ino >> 60),
        .mailbox = (guint16)(ino >> 44 & 0xffff),
        .uid = (guint32)(ino >> 12 & G_MAXUINT32),
        .part = (guint16)(ino & 0xfff),
    };
}

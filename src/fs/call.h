/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One request of the kernel: a question, asked until it has an answer.  Most
 * are answered at once; one that faults is parked, and asked again.  With ops.c
 * and notify.c all that knows libfuse.
 */
#ifndef IMAPFS_FS_CALL_H
#define IMAPFS_FS_CALL_H

#include "fs/ops.h"
#include "fs/park.h"

struct fuse_req;
typedef struct FsCall FsCall;

struct FsCall {
    FsParked parked;
    FsOps *ops;
    struct fuse_req *req;
    /* Replies and returns TRUE, or faults. */
    gboolean (*ask)(FsCall *call, MailFault *fault);
    guint64 ino;
    char *name;
    gint64 offset;
    gsize size;
    gboolean plus;      /* of a directory: attributes, too */
    const FsFile *file; /* that was opened; or NULL */
    FsPark *park;       /* where it waits */
};

/* CALL and its name stay the caller's.  It waits in PARK, if it has to; if that
 * is NULL it fails instead, as interrupted. */
void fs_call_start(FsCall *call, FsPark *park);

#endif

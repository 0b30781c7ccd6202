/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kernel's requests (libfuse, low level), each a question to fs/tree.h.
 */
#ifndef IMAPFS_FS_OPS_H
#define IMAPFS_FS_OPS_H

#include "fs/tree.h"

typedef struct FsOps FsOps;

/*
 * MOUNT_OPTIONS goes to libfuse as one -o argument; with "ro" among them the
 * kernel refuses all that writes, nudges (nudger.h) too, without it we do. DONE
 * is called when the file system was unmounted by somebody else.
 */
FsOps *fs_ops_new(FsTree *tree, MailAccount *account, Clock *clock,
                  gint64 timeout, const char *mount_options, GSourceFunc done,
                  gpointer data);
/* libfuse says on stderr what went wrong. */
gboolean fs_ops_mount(FsOps *ops, const char *mountpoint);
/* Answers whoever waits with an error, and unmounts. */
void fs_ops_unmount(FsOps *ops);
void fs_ops_free(FsOps *ops);

/* Requests that wait for the server. */
guint fs_ops_waiting(const FsOps *ops);
/* Lines of text for people. */
void fs_ops_describe(const FsOps *ops, GString *text);

/* The version of libfuse. */
const char *fs_ops_library(void);

#endif

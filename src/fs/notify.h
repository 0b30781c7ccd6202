/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tells the kernel what has changed, so that it may cache everything else for
 * as long as it likes.
 *
 * A notification about a name can block behind an operation in the same
 * directory, so a thread of its own sends them.  It gets values through a
 * queue and touches nothing else.
 */
#ifndef IMAPFS_FS_NOTIFY_H
#define IMAPFS_FS_NOTIFY_H

#include "fs/nudger.h"
#include "mail/account.h"

struct fuse_session;
typedef struct FsNotifier FsNotifier;

/* Observes ACCOUNT.  SESSION outlives the notifier.  NUDGER hears of each
 * change, too; it may be NULL. */
FsNotifier *fs_notifier_new(struct fuse_session *session, MailAccount *account,
                            FsNudger *nudger);
/*
 * No more notifications.  TRUE when the thread has nothing left to do; until
 * then requests must still be answered, since it may wait behind one of them.
 * The main context is woken when that changes.
 */
gboolean fs_notifier_stop(FsNotifier *notifier);
/* It must have stopped. */
void fs_notifier_free(FsNotifier *notifier);

#endif

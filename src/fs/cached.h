/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the kernel has: which directories it has read to their end, and if they
 * are what they were; which files it has been told a guess of a size of.
 */
#ifndef IMAPFS_FS_CACHED_H
#define IMAPFS_FS_CACHED_H

#include "mail/account.h"

typedef struct FsCached FsCached;

FsCached *fs_cached_new(MailAccount *account);
void fs_cached_free(FsCached *cached);
/* The kernel has read directory INO to its end. */
void fs_cached_note(FsCached *cached, guint64 ino);
/* Nothing came or went since. */
gboolean fs_cached_is_current(const FsCached *cached, guint64 ino);

/* The kernel hears a guess of the size of INO; or has forgotten it. */
void fs_cached_note_guess(FsCached *cached, guint64 ino);
void fs_cached_forget(FsCached *cached, guint64 ino);
/* Whether it has, and has to hear the truth; once. */
gboolean fs_cached_take_guess(FsCached *cached, guint64 ino);

#endif

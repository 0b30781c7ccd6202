/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a program that waits for us is doing, as far as /proc tells. */
#ifndef IMAPFS_FS_CALLER_H
#define IMAPFS_FS_CALLER_H

#include <glib.h>
#include <sys/types.h>

/*
 * The thread THREAD, which waits for our answer, is in mkdir(2).  Where its
 * calls are hidden from us (Yama), the name of its program has to do.
 */
gboolean fs_caller_makes_directory(pid_t thread);

#endif

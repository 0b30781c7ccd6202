/* SPDX-License-Identifier: GPL-3.0-or-later */
/* imapfs SOURCE MOUNTPOINT */
#ifndef IMAPFS_MOUNT_H
#define IMAPFS_MOUNT_H

#include "options.h"

/*
 * Logs in, mounts, goes to the background, and serves until it is unmounted.
 * Returns the exit status, in the process that the shell waits for and in the
 * one that stays.
 */
int mount_run(const Options *options);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* imapfs sync ACCOUNT|MOUNTPOINT [MAILBOX...] */
#ifndef IMAPFS_SYNC_H
#define IMAPFS_SYNC_H

#include "options.h"

/* Returns the exit status. */
int sync_run(Options *options);

#endif

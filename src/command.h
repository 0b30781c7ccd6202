/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The commands for mounts that run already. */
#ifndef IMAPFS_COMMAND_H
#define IMAPFS_COMMAND_H

#include "options.h"

/* Each returns the exit status. */
int command_status(const Options *options);
int command_refresh(const Options *options);
int command_umount(const Options *options);

#endif

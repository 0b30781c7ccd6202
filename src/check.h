/* SPDX-License-Identifier: GPL-3.0-or-later */
/* imapfs check ACCOUNT|URL */
#ifndef IMAPFS_CHECK_H
#define IMAPFS_CHECK_H

#include "options.h"

/* Returns the exit status. */
int check_run(const Options *options);

#endif

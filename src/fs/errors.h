/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the kernel calls our errors. */
#ifndef IMAPFS_FS_ERRORS_H
#define IMAPFS_FS_ERRORS_H

#include <glib.h>

/* The errno value for ERROR; EIO for any that nobody thought of. */
int fs_errno_of(const GError *error);

#endif

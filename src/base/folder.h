/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Folders on disk that belong to one user and one process.  Symbolic links are
 * not followed, what belongs to others is not used, and modes are 0700 and 0600
 * whatever the umask is.
 *
 * All fail with DENIED when what is there is not this user's own, with FAILED
 * when it cannot be had.  The caller closes the descriptors.
 */
#ifndef IMAPFS_BASE_FOLDER_H
#define IMAPFS_BASE_FOLDER_H

#include <glib.h>

/* PATH is absolute, without "." and "..".  Makes it, with its parents. */
int folder_open(const char *path, GError **error);
/* The folder NAME in FOLDER, made if need be. */
int folder_open_folder(int folder, const char *name, GError **error);
/* The file NAME in FOLDER; FLAGS are those of open(). */
int folder_open_file(int folder, const char *name, int flags, GError **error);
/* FOLDER is this process's for as long as the descriptor is open.  Fails with
 * BUSY when it is another's. */
int folder_lock(int folder, GError **error);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the password comes from. */
#ifndef IMAPFS_PASSWORD_H
#define IMAPFS_PASSWORD_H

#include "options.h"

/*
 * In this order: password_command, password_file, ~/.netrc, IMAPFS_PASSWORD,
 * the terminal.  May wait for a person, so it is called before anything else
 * runs.  The caller owns the result.
 */
char *password_find(const Options *options, GError **error);

#endif

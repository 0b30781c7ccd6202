/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Modified UTF-7 of mailbox names (RFC 3501, 5.1.3). */
#ifndef IMAPFS_IMAP_UTF7_H
#define IMAPFS_IMAP_UTF7_H

#include <glib.h>

/*
 * Returns NAME as UTF-8, or NULL when it is no modified UTF-7 in its one
 * canonical form.  The caller owns the result.
 */
char *imap_utf7_decode(const char *name);
/* The reverse.  UTF8 must be valid. */
char *imap_utf7_encode(const char *utf8);

#endif

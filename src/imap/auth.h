/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How to log in: the command for what a server offers (RFC 9051, 6.2). */
#ifndef IMAPFS_IMAP_AUTH_H
#define IMAPFS_IMAP_AUTH_H

#include "imap/capability.h"
#include "imap/command.h"

/* AUTHENTICATE PLAIN (RFC 4616) if CAPABILITIES have it, else LOGIN.  NULL
 * when the server offers neither. */
ImapCommand *imap_auth_command(guint capabilities, const char *user,
                               const char *password);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The one error domain.  A code says what a caller can do about it; the
 * message is one line for a person.  fs/call.c turns codes into errno values,
 * in one table.
 */
#ifndef IMAPFS_BASE_ERROR_H
#define IMAPFS_BASE_ERROR_H

#include <glib.h>

#define IMAPFS_ERROR (imapfs_error_quark())

typedef enum {
    IMAPFS_ERROR_NOT_FOUND, /* it is not there (any more) */
    IMAPFS_ERROR_STALE,     /* it was replaced: UIDVALIDITY changed */
    IMAPFS_ERROR_DENIED,    /* the server refuses this user */
    IMAPFS_ERROR_BUSY,      /* the server asks to come back later */
    IMAPFS_ERROR_OFFLINE,   /* the server cannot be reached */
    IMAPFS_ERROR_NO_HOST,   /* the server's name is unknown */
    IMAPFS_ERROR_TIMEOUT,   /* the server is there but too slow */
    IMAPFS_ERROR_CANCELLED, /* whoever asked has gone */
    IMAPFS_ERROR_PROTOCOL,  /* the server broke the protocol, or TLS failed */
    IMAPFS_ERROR_USAGE,     /* the user's command or configuration is wrong */
    IMAPFS_ERROR_NAME_TOO_LONG,
    IMAPFS_ERROR_NOT_DIRECTORY,
    IMAPFS_ERROR_IS_DIRECTORY,
    IMAPFS_ERROR_NO_ATTRIBUTE, /* no such extended attribute */
    IMAPFS_ERROR_RANGE,        /* the answer does not fit the caller's buffer */
    IMAPFS_ERROR_FAILED,       /* anything else */
} ImapfsError;

GQuark imapfs_error_quark(void);

/*
 * SERVER is text that a server sent.  Returns it on one line with control
 * characters made harmless and at most 200 octets kept, for messages and logs.
 */
char *imapfs_printable(const char *server, gssize length);

#endif

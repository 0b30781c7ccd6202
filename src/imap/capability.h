/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The capabilities we act on (RFC 9051, 7.2.2), as a set of bits. */
#ifndef IMAPFS_IMAP_CAPABILITY_H
#define IMAPFS_IMAP_CAPABILITY_H

#include "imap/syntax.h"

typedef enum {
    IMAP_CAP_STARTTLS = 1 << 0,
    IMAP_CAP_LOGINDISABLED = 1 << 1,
    IMAP_CAP_AUTH_PLAIN = 1 << 2,
    IMAP_CAP_SASL_IR = 1 << 3,
    IMAP_CAP_IDLE = 1 << 4,
    IMAP_CAP_NAMESPACE = 1 << 5,
    IMAP_CAP_LIST_EXTENDED = 1 << 6,
    IMAP_CAP_LIST_STATUS = 1 << 7,
    IMAP_CAP_SPECIAL_USE = 1 << 8,
    IMAP_CAP_CONDSTORE = 1 << 9,
    IMAP_CAP_OBJECTID = 1 << 10,
    IMAP_CAP_UNSELECT = 1 << 11,
    IMAP_CAP_COMPRESS = 1 << 12,
    IMAP_CAP_IMAP4REV1 = 1 << 13, /* or IMAP4rev2 */
    IMAP_CAP_QRESYNC = 1 << 14,
    IMAP_CAP_UIDONLY = 1 << 15,
    IMAP_CAP_ESEARCH = 1 << 16,
    IMAP_CAP_NOTIFY = 1 << 17,
    IMAP_CAP_PREVIEW = 1 << 18,
    IMAP_CAP_BINARY = 1 << 19,
    IMAP_CAP_WITHIN = 1 << 20,
    IMAP_CAP_THREAD = 1 << 21, /* THREAD=REFERENCES */
    IMAP_CAP_GMAIL = 1 << 22,  /* X-GM-EXT-1 */
} ImapCapability;

/* What WORDS, separated by spaces, name. */
guint imap_capabilities_parse(ImapSlice words);
/* Their names, separated by spaces.  The caller owns the result. */
char *imap_capabilities_text(guint capabilities);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What we accept from a server.  Beyond these the connection is dropped. */
#ifndef IMAPFS_IMAP_LIMITS_H
#define IMAPFS_IMAP_LIMITS_H

enum {
    IMAP_LINE_MAX = 16 << 20, /* octets of a line; SEARCH of 10^6 UIDs fits */
    IMAP_LITERAL_MAX = 64 << 20, /* octets of one literal */
    IMAP_RESPONSE_MAX =
        80 << 20,        /* octets of one response, literals included */
    IMAP_DEPTH_MAX = 64, /* parentheses inside each other */
    IMAP_BODIES_MAX = 8, /* body sections we ask for in one FETCH */
    IMAP_MAILBOX_NAME_MAX = 4000, /* octets of a mailbox name */
    IMAP_MAILBOXES_MAX = 50000,   /* mailboxes of an account */
};

#endif

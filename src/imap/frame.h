/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Finds where a response ends (RFC 9051, 2.2 and 4.3): a line; if it ends in
 * {n}, n octets and another line.  Free text never announces a literal: lines
 * that begin with "+", and status responses.
 *
 * Pure: no I/O, no allocation.  The grammar (imap/response.h) sees whole
 * responses only.
 */
#ifndef IMAPFS_IMAP_FRAME_H
#define IMAPFS_IMAP_FRAME_H

#include <glib.h>

typedef enum {
    IMAP_FRAME_MORE,  /* not all of it is here yet */
    IMAP_FRAME_WHOLE, /* *ret_size octets are one response */
    IMAP_FRAME_BAD,   /* a limit is passed, or nonsense: drop the connection */
} ImapFrame;

/* How far an unfinished response was looked at; zeroed before each. */
typedef struct {
    gsize line;    /* where the line being looked at begins */
    gsize scanned; /* no line end before this octet */
} ImapFramer;

/*
 * DATA is all that has arrived since the response began.  Each octet is looked
 * at once, however often this is called.  FRAMER is zeroed again on WHOLE.
 */
ImapFrame imap_frame(ImapFramer *framer, const char *data, gsize length,
                     gsize *ret_size, GError **error);

#endif

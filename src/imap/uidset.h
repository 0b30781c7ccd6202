/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sequence-set and uid-set (RFC 9051, 9): "1:3,7". */
#ifndef IMAPFS_IMAP_UIDSET_H
#define IMAPFS_IMAP_UIDSET_H

#include "imap/syntax.h"

/* Appends UID, which is larger than any before it, to a set being written. */
typedef struct {
    GString *text;
    guint32 first, last; /* of the range that is open; 0 when there is none */
} ImapUidsetWriter;

void imap_uidset_add(ImapUidsetWriter *writer, guint32 uid);
void imap_uidset_end(ImapUidsetWriter *writer);

/*
 * Takes the next range off SET.  Returns FALSE at its end or where it is not
 * well-formed.  Ranges are never expanded here: "1:4294967295" is one range.
 */
gboolean imap_uidset_next(ImapSlice *set, guint32 *ret_first,
                          guint32 *ret_last);

#endif

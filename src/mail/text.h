/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A message as a person reads it: who wrote to whom, when and about what, then
 * its text.  Which parts are read is chosen from the structure; how they become
 * text is decided here, too.
 *
 * Of multipart/alternative one is read: plain text, if it is there and not
 * empty, else HTML.  Of multipart/related the root, of what is signed that,
 * and of what is encrypted nothing.  What is attached is not read, but named.
 */
#ifndef IMAPFS_MAIL_TEXT_H
#define IMAPFS_MAIL_TEXT_H

#include "mail/structure.h"

/* What of a header is read: for BODY[HEADER.FIELDS (...)]. */
#define MAIL_TEXT_FIELDS "From To Cc Date Subject"
enum { MAIL_TEXT_PART_MAX = 4 << 20 }; /* octets of a part that are shown */

typedef struct {
    guint part; /* an index of the structure */
    gboolean
        header; /* the header of this message, else the text of this leaf */
} MailTextPiece;

/* In the order in which they are read; the first is the header of the message.
 * Each part is there once at most.  The caller owns the array. */
GArray *mail_text_pieces(const MailStructure *structure);

/* Appends PIECE to TEXT, which then ends with LF unless it is empty; OCTETS are
 * encoded, as they stand in the message, at most MAIL_TEXT_PART_MAX of them; if
 * it has more, that is said. Of a header any fields may be there. */
void mail_text_append(GString *text, const MailStructure *structure,
                      const MailTextPiece *piece, const char *octets,
                      gsize length);
/* Comes after the last piece: a line for each part that was not read, but
 * might have been expected, with its octets as they are encoded.  TEXT then
 * ends with LF. */
void mail_text_end(GString *text, const MailStructure *structure);

#endif

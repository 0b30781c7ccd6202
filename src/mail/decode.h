/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Octets of parts and headers as they were meant.  Nothing fails: what is
 * damaged is decoded as far as it can be, what has no charset that is known is
 * taken for something.  All of it takes time in proportion to what it is given.
 */
#ifndef IMAPFS_MAIL_DECODE_H
#define IMAPFS_MAIL_DECODE_H

#include "mail/structure.h"

/* A decoder takes the octets of a part one piece after the other. */
typedef struct MailDecoder MailDecoder;

MailDecoder *mail_decoder_new(MailEncoding encoding);
void mail_decoder_free(MailDecoder *decoder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MailDecoder, mail_decoder_free)

/*
 * Appends what OCTETS decode to, which is not longer than they are and what of
 * earlier ones was held back.  LAST: no more follow.
 *
 * Base64 ends where padding is complete; whatever follows is ignored, for it
 * is a mailing list's footer more often than a second part.  Other characters
 * are skipped, missing padding is made up for.  Of quoted-printable, what is no
 * escape stays as it is, and so do blanks at the end of a line.
 */
void mail_decoder_put(MailDecoder *decoder, const char *octets, gsize length,
                      gboolean last, GByteArray *to);
/* The same, all at once.  The caller owns the result. */
GByteArray *mail_decode(MailEncoding encoding, const char *octets,
                        gsize length);

/* TEXT in CHARSET (NULL: unknown) as valid UTF-8 without NUL and with LF at the
 * ends of lines; at most four times as long.  Unknown text is UTF-8 if it can
 * be, else windows-1252.  The caller owns the result. */
char *mail_decode_text(const char *text, gsize length, const char *charset);

/* A header, one line for each field, encoded words decoded (RFC 2047), in UTF-8
 * with LF and without control characters.  The empty line at its end is left
 * out.  The caller owns the result. */
char *mail_decode_header(const char *header, gsize length);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Base64 (RFC 2045, 6.8) by arithmetic: how long a part is when it is decoded,
 * and where which of its octets stand, from its first and last octets alone.
 * Parts that are not regular enough for that are refused, and decoded whole.
 *
 * Regular is: lines of the same length, with CRLF between them, the last one no
 * longer; only characters of the alphabet, as many as four divide, padded; and
 * nothing behind but blanks and line ends.  What lies between the octets that
 * were seen is taken to be like them.  If it is not, then mostly the last line
 * does not come out as it should, and the part is refused; what is damaged
 * such that it does is found out when these lines are decoded.
 */
#ifndef IMAPFS_MAIL_BASE64_H
#define IMAPFS_MAIL_BASE64_H

#include <glib.h>

/* So many octets of each end are looked at; fewer are not enough. */
enum { MAIL_BASE64_PROBE = 1024 };

typedef struct {
    guint64 encoded; /* octets up to the end of the last line */
    guint64 decoded; /* octets */
    guint32 line;    /* characters in a line, without CRLF; 0: all in one */
} MailBase64;

/* What a character stands for, 0 to 63; -1 if it is not in the alphabet. */
extern const gint8 mail_base64_values[256];

/*
 * HEAD are the first, TAIL the last octets of a part of OCTETS octets: at least
 * MAIL_BASE64_PROBE of each, or all of it.  FALSE when it is not sure that it
 * is regular.  A part in one line, or one of lines longer than a probe, is only
 * accepted if head and tail are all of it.
 */
gboolean mail_base64_measure(guint64 octets, const char *head,
                             gsize head_length, const char *tail,
                             gsize tail_length, MailBase64 *ret);
/* More it cannot be, however it is written. */
guint64 mail_base64_bound(guint64 octets);

/* Which encoded octets hold the decoded ones from OFFSET on, SIZE of them; both
 * within what there is.  These are whole lines, but for a part in one line. */
void mail_base64_locate(const MailBase64 *base64, guint64 offset, gsize size,
                        guint64 *ret_from, gsize *ret_length);
/* Decodes OCTETS, which are what mail_base64_locate() named.  FALSE when one of
 * them is not what it should be where it stands; BUFFER is then undefined. */
gboolean mail_base64_decode(const MailBase64 *base64, guint64 offset,
                            gsize size, const char *octets, void *buffer);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tags of HTML and what stands in them, by the rules of browsers, which
 * find sense in anything (HTML, 13.2.5).  Text is UTF-8; it is only pointed at.
 * Reading it from tag to tag takes time in proportion to its length.
 */
#ifndef IMAPFS_MAIL_MARKUP_H
#define IMAPFS_MAIL_MARKUP_H

#include <glib.h>

typedef struct {
    gboolean is_end; /* "</" */
    const char *name;
    gsize name_length;
    const char *attributes;
    const char *end; /* its ">" */
} MailTag;

/* Reads the tag at AT, which is "<" or "</" and a letter.  FALSE when nothing
 * ends it before END.  SLOPPY is FALSE in the beginning; when it becomes TRUE,
 * for there was a quote without an end, quotes mean nothing from there on. */
gboolean mail_markup_tag(const char *at, const char *end, gboolean *sloppy,
                         MailTag *ret);

/* The value of an attribute, NULL when it is not there.  The caller owns the
 * result. */
char *mail_markup_attribute(const MailTag *tag, const char *name);

/* The character that is written as a reference at AT, which is "&".  Returns
 * how many octets that takes, 0 if it is none. */
gsize mail_markup_reference(const char *at, const char *end,
                            gboolean in_attribute, gunichar *ret);

#endif

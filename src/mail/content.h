/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Octets of sections of messages, as the server sent them, in extents. Bounded:
 * what was used longest ago is forgotten first.  Whoever stores has checked
 * that the octets are what they claim to be; here they are immutable.
 */
#ifndef IMAPFS_MAIL_CONTENT_H
#define IMAPFS_MAIL_CONTENT_H

#include <glib.h>

typedef struct MailContent MailContent;

typedef struct {
    guint32 mailbox;
    guint32 uidvalidity;
    guint32 uid;
    const char *section; /* as in BODY[section] */
} MailContentKey;

/* LIMIT is in octets. */
MailContent *mail_content_new(gsize limit);
void mail_content_free(MailContent *content);

/* Keeps a copy of those of the octets that are not there yet. */
void mail_content_store(MailContent *content, const MailContentKey *key,
                        guint64 offset, const void *data, gsize length);
/* How many octets from OFFSET on are there without a gap. */
guint64 mail_content_extent(MailContent *content, const MailContentKey *key,
                            guint64 offset);
/* How many octets from OFFSET on are not there before the next that is; LENGTH
 * at most. */
guint64 mail_content_gap(MailContent *content, const MailContentKey *key,
                         guint64 offset, guint64 length);
/* Copies LENGTH octets that are all there. */
void mail_content_copy(MailContent *content, const MailContentKey *key,
                       guint64 offset, void *buffer, gsize length);
/* Whatever the section: all of that message. */
void mail_content_forget(MailContent *content, const MailContentKey *key);

gsize mail_content_size(const MailContent *content); /* octets held */

#endif

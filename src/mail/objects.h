/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which octets of which message are kept, and where: the index over
 * mail/bodies.h.  An object is what one message holds, an extent some octets of
 * one of its sections; extents never overlap.  When there are too many octets
 * those go that were not read for longest.
 *
 * A message is named by the key of its mailbox in the database and its
 * MailMessage.  An object of a message whose size differs is not its object,
 * and is dropped.
 */
#ifndef IMAPFS_MAIL_OBJECTS_H
#define IMAPFS_MAIL_OBJECTS_H

#include "base/clock.h"
#include "mail/bodies.h"
#include "mail/database.h"
#include "mail/message.h"

typedef struct MailObjects MailObjects;

/* The tables: a step of the database. */
extern const char mail_objects_sql[];

/* Borrows all.  Counts what is there, and removes files without any use. */
MailObjects *mail_objects_new(MailDatabase *database, MailBodies *bodies,
                              Clock *clock, guint64 limit);
void mail_objects_free(MailObjects *objects);

/* As in mail/store.h.  Fails with FAILED when the octets cannot be written;
 * what goes wrong with the database is noted there. */
gboolean mail_objects_put(MailObjects *objects, guint32 mailbox,
                          const MailMessage *message, const char *section,
                          guint64 offset, const void *data, gsize length,
                          GError **error);
guint64 mail_objects_extent(MailObjects *objects, guint32 mailbox,
                            const MailMessage *message, const char *section,
                            guint64 offset);
GBytes *mail_objects_get(MailObjects *objects, guint32 mailbox,
                         const MailMessage *message, const char *section,
                         guint64 offset, guint64 *ret_start);
/* The mailbox of a message that is still there, has octets, and may have been
 * moved to be MESSAGE; 0 when there is none. */
guint32 mail_objects_origin(MailObjects *objects, const MailMessage *message);
/* EMAILID may be "". */
void mail_objects_forget(MailObjects *objects, guint32 mailbox, guint32 uid,
                         const char *emailid);

/* Drops some of what is over the limit.  TRUE when there is more to drop. */
gboolean mail_objects_tidy(MailObjects *objects);
/* Octets on the disk, see mail_bodies_blocks(). */
guint64 mail_objects_size(const MailObjects *objects, guint64 *ret_extents);

#endif

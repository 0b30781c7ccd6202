/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Searches somebody wants to keep: queries by the name of their mailbox, in one
 * file of a directory that is no cache.  What is in it and makes no sense is
 * not there; a message says so.
 */
#ifndef IMAPFS_MAIL_PINS_H
#define IMAPFS_MAIL_PINS_H

#include <glib.h>

typedef struct MailPins MailPins;

/* DIRECTORY, which need not be there yet, may be NULL: then nothing is kept. */
MailPins *mail_pins_new(const char *directory);
void mail_pins_free(MailPins *pins);

/* The queries of the mailbox NAME, which is as the server spells it; NULL when
 * there are none.  The caller owns them. */
char **mail_pins_get(const MailPins *pins, const char *name);
/*
 * Writes down that these N are the queries of NAME from now on; when this
 * returns they are on the disk, for which it waits.  Fails with FAILED or
 * DENIED, and then all is as it was.
 */
gboolean mail_pins_set(MailPins *pins, const char *name,
                       const char *const *queries, guint n, GError **error);

#endif

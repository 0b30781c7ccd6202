/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * File names of messages and mailboxes.  Pure functions of what does not
 * change; both kinds are looked up without a table of names.
 */
#ifndef IMAPFS_FS_NAMES_H
#define IMAPFS_FS_NAMES_H

#include "mail/mailbox.h"

typedef enum { FS_NAMES_FULL, FS_NAMES_UID } FsNaming;

enum { FS_NAME_MAX = 255 };

/* Writes the name of MESSAGE into NAME, with its NUL. */
void fs_names_message(const MailMessage *message, FsNaming naming,
                      char name[FS_NAME_MAX + 1]);
/* The UID that NAME ends in, if it may be the name of a message; else 0. */
guint32 fs_names_uid(const char *name);

/* The name of MAILBOX in the directory of its parent; the caller owns it. */
char *fs_names_mailbox(const MailMailbox *mailbox);
/* The child of PARENT with that name; NULL if there is none. */
MailMailbox *fs_names_find_mailbox(MailMailbox *parent, const char *name);

/* ---- what names of other files are made of ---- */

/* TEXT, which is UTF-8, normalised (NFC) and with "_" for what a file system,
 * a shell's user or a reader would stumble over; its first MAX octets, cut
 * between characters.  The caller owns it. */
char *fs_names_clean(const char *text, gsize max);
/* Writes the day of WHEN, and a blank; returns their length. */
gsize fs_names_write_day(char *to, gsize size, gint64 when);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The rows of mailboxes and messages in the database.  Each has a seal over
 * its values, and one that does not fit tears the database.
 */
#ifndef IMAPFS_MAIL_ROWS_H
#define IMAPFS_MAIL_ROWS_H

#include "mail/database.h"
#include "mail/store.h"

enum { MAIL_ROW_KEY_MAX = G_MAXINT32 - 1 };

/* The tables: a step of the database. */
extern const char mail_rows_sql[];

/* A mailbox. */
typedef struct {
    MailStoredMailbox shown; /* its strings are borrowed from below */
    gint64 messages;         /* how many rows of messages it has */
    char *name;
    char *special_use; /* "" for none */
    char *keywords;
} MailRow;

void mail_row_clear(MailRow *row);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MailRow, mail_row_clear)

/* All of them, in the order of their ids; each to be freed by
 * mail_row_free(). */
GPtrArray *mail_rows_read(MailDatabase *database);
/* FALSE when there is none. */
gboolean mail_row_read(MailDatabase *database, guint32 key, MailRow *ret_row);
/* Describes MAILBOX in ROW, but for what is said of its messages. */
void mail_row_describe(MailRow *row, const MailMailbox *mailbox);
/* Whether flags of messages saved with ROW mean what they mean in MAILBOX. */
gboolean mail_row_fits(const MailRow *row, const MailMailbox *mailbox);

/* The rest is for transactions; FALSE when it failed. */

/* Replaces one with the same key or name. */
gboolean mail_row_write(MailDatabase *database, const MailRow *row);
gboolean mail_row_delete(MailDatabase *database, guint32 key);

/* Messages of ROW, which counts them. */
gboolean mail_row_insert_message(MailDatabase *database, MailRow *row,
                                 const MailMessage *message,
                                 gboolean *ret_inserted);
gboolean mail_row_write_message(MailDatabase *database, MailRow *row,
                                const MailMessage *message);
gboolean mail_row_delete_message(MailDatabase *database, MailRow *row,
                                 guint32 uid);
/* Appends up to MAX of those above AFTER to MAILBOX, whose key is KEY.  Returns
 * how many. */
guint mail_row_load_messages(MailDatabase *database, guint32 key,
                             MailMailbox *mailbox, guint32 after, guint max);

#endif

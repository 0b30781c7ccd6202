/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is known of an account, kept on disk from one mount to the next: its
 * mailboxes, their messages, verdicts about the server in a database
 * (mail/database.h), octets of messages in files (mail/bodies.h) with an index
 * in the database (mail/objects.h).
 *
 * It is a cache.  Whatever is lost of it is fetched again, so nothing here
 * fails but opening it: what cannot be written is not kept, what cannot be
 * read is not there, and what is torn or not ours is begun anew, at any time.
 * A write that fails, for want of room, say, stops all writing for a minute.
 *
 * All functions are quick enough for the main loop when they are given a
 * slice of the work; fsync is done elsewhere.  A process that forks opens the
 * store after that.
 *
 * A row says that its listing is complete only while the database has as many
 * messages as the table, whatever else was lost; so a mailbox of which the
 * store lost something is at worst listed again.
 */
#ifndef IMAPFS_MAIL_STORE_H
#define IMAPFS_MAIL_STORE_H

#include "base/clock.h"
#include "mail/mailbox.h"

typedef struct MailStore MailStore;

/*
 * Opens the store in DIRECTORY, made with its parents if it is not there (0700,
 * files in it 0600), for this process alone.  LIMIT is in octets, of bodies as
 * they lie on the disk, in blocks of MAIL_BODIES_BLOCK; 0 keeps none.
 * Fails with BUSY when another process has it, DENIED when it is not this
 * user's own directory, FAILED when it cannot be had.
 */
MailStore *mail_store_open(const char *directory, guint64 limit, Clock *clock,
                           GError **error);
void mail_store_close(MailStore *store);

/* ---- mailboxes ---- */

/* A row, as it is handed out; the strings are borrowed. */
typedef struct {
    guint32 key; /* for MailMailbox.stored */
    guint16 id;
    const char *name;
    char delimiter;
    gboolean selectable;
    const char *special_use; /* or NULL */
    guint32 uidvalidity;
    guint64 modseq;
    gboolean complete;    /* when it was saved its listing was */
    const char *keywords; /* separated by spaces */
    gint64 changed_at;
} MailStoredMailbox;

typedef void (*MailStoredFunc)(const MailStoredMailbox *stored, gpointer data);

/* In the order of their ids. */
void mail_store_each_mailbox(MailStore *store, MailStoredFunc func,
                             gpointer data);
/*
 * Inserts or updates the row of MAILBOX, without its messages.  Its modseq must
 * hold for the messages that are saved: save these first.  Another UIDVALIDITY,
 * or keywords that do not just go on from those that were saved, make a new
 * row without messages; MAILBOX->stored then changes, as it does when the row
 * was lost: all its messages should be saved again.
 * Of a mailbox without a UIDVALIDITY or a name no messages are kept, and of one
 * without a name nothing is; that is no failure.
 */
gboolean mail_store_save_mailbox(MailStore *store, MailMailbox *mailbox);
/* Its messages go, too, later; bodies stay for whoever can adopt them.
 * MAILBOX->stored is then 0. */
void mail_store_remove_mailbox(MailStore *store, MailMailbox *mailbox);

/* ---- messages ---- */

/* Appends up to MAX of the messages whose UID is above AFTER to the table of
 * MAILBOX, which has none of them.  Returns how many; less than MAX if those
 * were the last.  Sets MAILBOX->stored to 0 when they cannot be read: what was
 * not loaded is lost, and nothing is known of it. */
guint mail_store_load_messages(MailStore *store, MailMailbox *mailbox,
                               guint32 after, guint max);
/* Writes those of UIDS that are in the table of MAILBOX, removes the others;
 * all of them or none.  FALSE when they could not be written: ask again later.
 * Saves the row of MAILBOX, too, as far as is needed. */
gboolean mail_store_save_messages(MailStore *store, MailMailbox *mailbox,
                                  const guint32 *uids, guint n);

/* ---- bodies ---- */

/*
 * SECTION is as in BODY[section]; "" is all of the message.  Octets belong to
 * the message of that mailbox, UIDVALIDITY and UID, or to all with its EMAILID
 * (RFC 8474).  All are of the size the message has announced.  A message
 * without any adopts those of one that has gone and had
 * the same Message-ID, INTERNALDATE and size, if there is just one: it was
 * moved, or UIDVALIDITY changed.
 */
void mail_store_put(MailStore *store, MailMailbox *mailbox,
                    const MailMessage *message, const char *section,
                    guint64 offset, const void *data, gsize length);
/* How many octets from OFFSET on are there without a gap; some may turn out
 * to be spoilt when they are got. */
guint64 mail_store_extent(MailStore *store, MailMailbox *mailbox,
                          const MailMessage *message, const char *section,
                          guint64 offset);
/* The extent with the octet at OFFSET, checked, or NULL; it begins at
 * *RET_START, and has at most MAIL_BODIES_PIECE_MAX octets.  The caller owns
 * it. */
GBytes *mail_store_get(MailStore *store, MailMailbox *mailbox,
                       const MailMessage *message, const char *section,
                       guint64 offset, guint64 *ret_start);
/* The key of a mailbox from which MESSAGE may have been moved, as far as the
 * store knows, so that there is something to adopt once that is certain; or
 * 0. */
guint32 mail_store_origin(MailStore *store, const MailMessage *message);
/* What is kept of it is not to be believed. */
void mail_store_forget(MailStore *store, MailMailbox *mailbox, guint32 uid);

/* ---- verdicts ---- */

/* What was learned of the server, by name; NULL if nothing, which is also how
 * to forget it.  The caller owns it. */
char *mail_store_verdict(MailStore *store, const char *name);
void mail_store_set_verdict(MailStore *store, const char *name,
                            const char *value);

/* ---- the rest ---- */

/* A step of tidying up: what was removed, what is over the limit, and the log
 * of the database, for which a thread is started; its end is noticed in the
 * main context that was the default then, or in the next step.  TRUE when there
 * is more to do at once.  Meant for every minute and after much writing. */
gboolean mail_store_tidy(MailStore *store);
/* Lines of text for people. */
void mail_store_describe(const MailStore *store, GString *text);

#endif

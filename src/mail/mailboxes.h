/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The mailboxes of an account as a tree, built from LIST and NAMESPACE
 * responses (RFC 9051, 7.3.1; RFC 2342).
 */
#ifndef IMAPFS_MAIL_MAILBOXES_H
#define IMAPFS_MAIL_MAILBOXES_H

#include "mail/mailbox.h"

typedef struct MailMailboxes MailMailboxes;

typedef struct {
    void (*added)(MailMailbox *mailbox, gpointer data);
    /* Just before it goes; it still has its parent and messages. */
    void (*removed)(MailMailbox *mailbox, gpointer data);
} MailMailboxesEvents;

MailMailboxes *mail_mailboxes_new(const MailMailboxesEvents *events,
                                  gpointer data);
void mail_mailboxes_free(MailMailboxes *mailboxes);

/* The directory above all others; it has id 0 and is no mailbox. */
MailMailbox *mail_mailboxes_root(const MailMailboxes *mailboxes);
/* NULL when there is none (any more). */
MailMailbox *mail_mailboxes_get(const MailMailboxes *mailboxes, guint16 id);
MailMailbox *mail_mailboxes_named(const MailMailboxes *mailboxes,
                                  const char *name);
/* All but the root, in no order. */
GList *mail_mailboxes_all(const MailMailboxes *mailboxes);

/* PREFIX of the user's own mailboxes is left out of paths: "INBOX.". */
void mail_mailboxes_set_prefix(MailMailboxes *mailboxes, ImapSlice prefix,
                               char delimiter);

/* A mailbox as it was known before; ID is a wish. */
void mail_mailboxes_restore(MailMailboxes *mailboxes, guint16 id,
                            const char *name, char delimiter,
                            gboolean selectable, const char *special_use);
const char *mail_mailboxes_prefix(const MailMailboxes *mailboxes);

/* A LIST begins; take each of its responses; end it.  What it did not name is
 * removed at its end. */
void mail_mailboxes_begin(MailMailboxes *mailboxes);
void mail_mailboxes_take(MailMailboxes *mailboxes, const ImapList *list);
void mail_mailboxes_end(MailMailboxes *mailboxes);
/* The LIST being taken named INBOX, which every user has, or there is none. */
gboolean mail_mailboxes_is_plausible(const MailMailboxes *mailboxes);
void mail_mailboxes_remove(MailMailboxes *mailboxes, MailMailbox *mailbox);

#endif

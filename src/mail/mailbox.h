/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One mailbox: its place among the others, and the table of its messages in
 * UID order.  Pure data; mail/account.c fills it.
 */
#ifndef IMAPFS_MAIL_MAILBOX_H
#define IMAPFS_MAIL_MAILBOX_H

#include "imap/response.h"
#include "mail/message.h"

typedef struct MailMailbox MailMailbox;

typedef enum {
    MAIL_UNLISTED, /* nothing is known of its messages */
    MAIL_LISTING,  /* messages up to the last one in the table are known */
    MAIL_LISTED,   /* all are known */
} MailListing;

struct MailMailbox {
    guint16 id;
    guint16 incarnation; /* so many others have had this id; a change of
                            UIDVALIDITY makes it another, too */
    guint16 origin;      /* its first incarnation */
    char *name;   /* as the server spells it; NULL for a bare step of a path */
    char *leaf;   /* the last step of its path, decoded to UTF-8 if it can be */
    gboolean raw; /* LEAF is what the server sent: it cannot be decoded */
    gboolean twin;       /* another mailbox of the same parent has this LEAF */
    MailMailbox *parent; /* NULL for the root */
    GPtrArray *children; /* see mail_mailbox_children() */
    gboolean children_sorted;
    GHashTable *by_leaf; /* of those of the children that are no twins */
    char delimiter;      /* 0: none */
    gboolean selectable;
    char *special_use; /* "\Sent" and so on, or NULL */
    guint listed_in;   /* the number of the LIST that last named it */
    guint seen_in;     /* ... that last named it or what is below it */

    guint32 uidvalidity; /* 0: unknown */
    guint64 modseq; /* all changes up to this one are known (RFC 7162); 0: it is
                       not known up to which */
    MailListing listing;
    guint32 listed_to; /* while LISTING: none is missing up to this UID */
    GArray
        *messages;  /* of MailMessage, by UID, without gaps for removed ones */
    gboolean fresh; /* a link watches it: what is known is what is */
    gboolean doubted;    /* what is known has to be compared with what is */
    gboolean no_modseqs; /* the server keeps none for it */
    gboolean not_sticky; /* its UIDs mean nothing to the next session */
    gint64 listed_at;    /* when it last was known to be fresh, by the clock */
    gint64 used_at;      /* when somebody last looked into it */
    gint64 changed_at;   /* when messages were last seen to come or go, seconds
                            since 1970; 0: not since the first listing */
    GPtrArray *keywords; /* names of the flags from MAIL_FLAG_KEYWORD on */
    guint64 generation;  /* counts arrivals and departures */
    guint64 changes;     /* counts changes of flags and sizes */

    guint32 stored;       /* its key in the store; 0: it is not there */
    gboolean complete;    /* what the store has of it is all there was */
    gboolean unloaded;    /* the store has messages that the table has not */
    GArray *unsaved;      /* UIDs, in no order, that differ from the store */
    gboolean row_unsaved; /* something else of it differs */
    gboolean save_queued;
};

MailMailbox *mail_mailbox_new(guint16 id, const char *name, const char *leaf);
void mail_mailbox_free(MailMailbox *mailbox);

void mail_mailbox_adopt(MailMailbox *parent, MailMailbox *child);
void mail_mailbox_disown(MailMailbox *child);
/* By id.  Good until the next mailbox is adopted or disowned. */
const GPtrArray *mail_mailbox_children(MailMailbox *parent);
MailMailbox *mail_mailbox_child(const MailMailbox *parent, const char *leaf);

/* Pointers to messages are good until the table changes. */
guint mail_mailbox_count(const MailMailbox *mailbox);
MailMessage *mail_mailbox_at(const MailMailbox *mailbox, guint i);
/* The index of the first message whose UID is UID or larger. */
guint mail_mailbox_seek(const MailMailbox *mailbox, guint32 uid);
MailMessage *mail_mailbox_find(const MailMailbox *mailbox, guint32 uid);
/* 0 when there is none. */
guint32 mail_mailbox_last_uid(const MailMailbox *mailbox);

/* Takes MESSAGE's fields.  A message with that UID is replaced. */
void mail_mailbox_insert(MailMailbox *mailbox, const MailMessage *message);
/* Removes those of FIRST to LAST that are there. */
void mail_mailbox_remove(MailMailbox *mailbox, guint32 first, guint32 last);
/* Removes every message whose index is not marked in KEEP. */
void mail_mailbox_retain(MailMailbox *mailbox, const guint8 *keep);
/* Forgets all messages. */
void mail_mailbox_clear(MailMailbox *mailbox);

/* WORDS are flags separated by spaces.  Keywords beyond what fits are left
 * out. */
guint64 mail_mailbox_parse_flags(MailMailbox *mailbox, ImapSlice words);
/* The caller owns the result. */
char *mail_mailbox_flags_text(const MailMailbox *mailbox, guint64 flags);

#endif

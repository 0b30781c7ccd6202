/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The model of one account: what is known of its mailboxes and messages, and
 * the machinery that finds out more.
 *
 * Questions (mail_account_know_*, _read) answer at once or fault, see want.h.
 * They never block and never touch the network themselves.  Whatever the
 * server volunteers enters the model by the same door as what was asked for.
 */
#ifndef IMAPFS_MAIL_ACCOUNT_H
#define IMAPFS_MAIL_ACCOUNT_H

#include "imap/pool.h"
#include "mail/mailbox.h"
#include "mail/store.h"
#include "mail/structure.h"
#include "mail/want.h"

typedef struct MailAccount MailAccount;

/* What changed; called from inside the model, so only take note. */
typedef struct {
    void (*mailbox_added)(const MailMailbox *mailbox, gpointer data);
    /* Both are still there when they are told. */
    void (*mailbox_removed)(const MailMailbox *mailbox, gpointer data);
    /* To a mailbox that was listed before. */
    void (*message_added)(const MailMailbox *mailbox,
                          const MailMessage *message, gpointer data);
    void (*message_removed)(const MailMailbox *mailbox,
                            const MailMessage *message, gpointer data);
    /* Flags, modseq or size. */
    void (*message_changed)(const MailMailbox *mailbox,
                            const MailMessage *message, gpointer data);
    /* What was told of its parts, N of them, does not hold any more. */
    void (*parts_changed)(const MailMailbox *mailbox,
                          const MailMessage *message, guint n, gpointer data);
    /* Messages have come or gone. */
    void (*mailbox_changed)(const MailMailbox *mailbox, gpointer data);
    /* Nobody looks into it any more, and soon it will be left alone, unless
     * mail_account_keep_fresh() is called; may be NULL. */
    void (*mailbox_unused)(const MailMailbox *mailbox, gpointer data);
} MailObserver;

typedef struct {
    const ImapLogin *login;
    ImapDialer dialer;
    Clock *clock;
    guint connections;
    gsize cache_limit; /* octets of messages kept in memory */
    MailStore *store;  /* outlives the account; or NULL */
    const char *state; /* directory for what must not be lost; or NULL */
    gboolean offline;  /* never connect */
} MailAccountSetup;

MailAccount *mail_account_new(const MailAccountSetup *setup);
void mail_account_free(MailAccount *account);
void mail_account_observe(MailAccount *account, const MailObserver *observer,
                          gpointer data);

/* Why the server cannot be reached; NULL when it can, or nobody tried. */
const GError *mail_account_failure(const MailAccount *account);
/* A connection is up and logged in. */
gboolean mail_account_is_online(const MailAccount *account);
/* Since when, in seconds since 1970; 0 when it can be reached. */
gint64 mail_account_offline_since(const MailAccount *account);
/* Begins to log out; TRUE when that is done. */
gboolean mail_account_logout(MailAccount *account);

/* The tree of mailboxes is known. */
gboolean mail_account_know_mailboxes(MailAccount *account, MailFault *fault);
/* Somebody looks at the list of mailboxes: see, meanwhile, if it is current. */
void mail_account_visit_root(MailAccount *account);
MailMailbox *mail_account_root(const MailAccount *account);
MailMailbox *mail_account_mailbox(const MailAccount *account, guint16 id);

/*
 * Somebody looks into MAILBOX from its beginning: what is known of it is
 * fresh, or as fresh as can be had.  While a first listing arrives this
 * answers TRUE as soon as mail_account_know_beyond() can answer something.
 */
gboolean mail_account_visit(MailAccount *account, MailMailbox *mailbox,
                            MailFault *fault);
/* Somebody wants to know what happens in MAILBOX, without looking into it. */
void mail_account_keep_fresh(MailAccount *account, MailMailbox *mailbox);
/* A message with a UID above UID is known, or it is known that none is. */
gboolean mail_account_know_beyond(MailAccount *account, MailMailbox *mailbox,
                                  guint32 uid, MailFault *fault);
/* Fails with NOT_FOUND when there is no such message. */
gboolean mail_account_know_message(MailAccount *account, MailMailbox *mailbox,
                                   guint32 uid, MailMessage **ret,
                                   MailFault *fault);
/* MailMessage.size may be shown to a reader, see the essay in reading.c. */
gboolean mail_account_know_size(MailAccount *account, MailMailbox *mailbox,
                                guint32 uid, MailFault *fault);
/* RFC822.SIZE was right often enough, and never wrong. */
gboolean mail_account_trusts_sizes(const MailAccount *account);
/* From now on sizes are shown without mail_account_know_size(); where one turns
 * out to be wrong MailMessage.renewed says so. */
void mail_account_promise_sizes(MailAccount *account);
/*
 * Puts up to SIZE octets of BODY[], from OFFSET on, into BUFFER.  *RET_SIZE is
 * less only at the end of the message.
 */
gboolean mail_account_read(MailAccount *account, MailMailbox *mailbox,
                           guint32 uid, guint64 offset, void *buffer,
                           gsize size, gsize *ret_size, MailFault *fault);

/* ---- what is made from messages: parts, headers, text ---- */

/* The parts of a message.  Good until the loop is reached. */
gboolean mail_account_know_structure(MailAccount *account, MailMailbox *mailbox,
                                     guint32 uid, const MailStructure **ret,
                                     MailFault *fault);

typedef enum {
    MAIL_VIEW_PART,    /* a leaf, decoded; or a message that is a part */
    MAIL_VIEW_HEADERS, /* the header of the message that is PART */
    MAIL_VIEW_TEXT,    /* what a person reads of the message */
} MailViewKind;

typedef struct {
    MailViewKind kind;
    guint32 uid;
    guint part; /* an index of the structure */
} MailView;

typedef struct {
    guint64 octets;
    gboolean exact; /* else a guess, rather too large than too small */
} MailViewSize;

/* What is known of its size.  Never faults. */
MailViewSize mail_account_view_size(MailAccount *account, MailMailbox *mailbox,
                                    const MailView *view);
/* Its size, exact if a few octets of it can tell. */
gboolean mail_account_know_view_size(MailAccount *account, MailMailbox *mailbox,
                                     const MailView *view, MailViewSize *ret,
                                     MailFault *fault);
/* It is about to be read: from now on its size is exact, even if all of it has
 * to be fetched for that. */
gboolean mail_account_open_view(MailAccount *account, MailMailbox *mailbox,
                                const MailView *view, MailFault *fault);
/* As mail_account_read(), of what is made. */
gboolean mail_account_read_view(MailAccount *account, MailMailbox *mailbox,
                                const MailView *view, guint64 offset,
                                void *buffer, gsize size, gsize *ret_size,
                                MailFault *fault);

typedef struct {
    guint32 uid;
    guint part;
    char *name; /* of the file, or what the message is about; or NULL */
    char *type;
} MailAttachment;

/* All attachments of MAILBOX, of MailAttachment, by UID and part.  Good until
 * the loop is reached. */
gboolean mail_account_know_attachments(MailAccount *account,
                                       MailMailbox *mailbox,
                                       const GPtrArray **ret, MailFault *fault);

/* ---- searches, by number: mail/search.c ---- */

/* The number of a search for QUERY (mail/criteria.h) in MAILBOX, made if there
 * is none; fails with USAGE.  Not run yet. */
gboolean mail_account_search(MailAccount *account, MailMailbox *mailbox,
                             const char *query, guint32 *ret_search,
                             MailFault *fault);
/* NULL when there is no such search (any more). */
const char *mail_account_search_query(MailAccount *account,
                                      const MailMailbox *mailbox,
                                      guint32 search);
/* Somebody looks at what is found: it is found anew unless it is current. */
gboolean mail_account_visit_search(MailAccount *account, MailMailbox *mailbox,
                                   guint32 search, MailFault *fault);
/* The first message found with a UID of FROM or above; 0 when there is none. */
gboolean mail_account_next_found(MailAccount *account, MailMailbox *mailbox,
                                 guint32 search, guint32 from, guint32 *ret_uid,
                                 MailFault *fault);

/* Searches somebody wants to keep, in the order of their numbers: the first of
 * MAILBOX from number FROM on; 0 when there is none. */
guint32 mail_account_next_pinned(MailAccount *account,
                                 const MailMailbox *mailbox, guint32 from);
/* Fails when that cannot be written down. */
gboolean mail_account_pin_search(MailAccount *account, MailMailbox *mailbox,
                                 guint32 search, gboolean pinned,
                                 GError **error);

/* ---- conversations, by their first UID ---- */

/* The conversation with the lowest first UID of FROM or above; 0: none. */
gboolean mail_account_next_thread(MailAccount *account, MailMailbox *mailbox,
                                  guint32 from, guint32 *ret_first,
                                  MailFault *fault);
/* The first message of it with a UID of FROM or above; 0 when there is none.
 * Fails with NOT_FOUND when there is no such conversation. */
gboolean mail_account_next_in_thread(MailAccount *account, MailMailbox *mailbox,
                                     guint32 first, guint32 from,
                                     guint32 *ret_uid, MailFault *fault);

/* MAILBOX, or the list of mailboxes if it is the root, is asked for anew and
 * compared with all that is known. */
void mail_account_refresh(MailAccount *account, MailMailbox *mailbox);
/* That is over, or was never begun.  Other than for a visit, there is no end to
 * the patience. */
gboolean mail_account_know_refreshed(MailAccount *account, MailMailbox *mailbox,
                                     MailFault *fault);

/* Fetches what is missing of every message of MAILBOX, for offline use; NULL
 * ends all that was begun. */
void mail_account_download(MailAccount *account, MailMailbox *mailbox);
/* What has been asked to be downloaded and how far that is. */
typedef struct {
    gboolean active;
    guint64 messages, messages_done;
    guint64 octets, octets_done; /* of those messages, by RFC822.SIZE */
    const GError *error;         /* why the last one that failed did, or NULL */
} MailProgress;
MailProgress mail_account_progress(const MailAccount *account);

/*
 * What the server says the message is about (RFC 8970); NULL if that is not
 * known, or there is no such message.  It is asked for then, and the observer
 * told when it has come.  Good until the next call.
 */
const char *mail_account_preview(MailAccount *account, MailMailbox *mailbox,
                                 guint32 uid);

/* The URL of a message (RFC 5092); the caller owns it. */
char *mail_account_url(const MailAccount *account, const MailMailbox *mailbox,
                       guint32 uid);
/* Lines of text for people: connections, traffic, wants, sizes. */
void mail_account_describe(MailAccount *account, GString *text);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The messages of a mailbox, and keeping them fresh.
 *
 * The link that listed a mailbox stays its watcher for as long as it has it
 * selected.  Only the watcher's sequence numbers mean anything here: it knows
 * which UID each of them is, so EXPUNGE and FETCH without a UID can be
 * understood (RFC 9051, 7.5.1).  What other links say about arrivals and
 * departures is ignored.
 */
#include <string.h>

#include "base/error.h"
#include "mail/internal.h"

enum {
    MESSAGES_MAX = 16 << 20,
    MESSAGES_SLACK = 1 << 16, /* expunged ones that are still in the table */
    NUMBERS_GAP = 1 << 20, /* sequence numbers that may be missing, for now */
};
/* A listing that no link watches is taken as fresh for so long. */
#define STALE_AFTER (1 * CLOCK_SECOND)
/* A mailbox somebody looked into so recently is listed again when its watcher
 * is lost. */
#define IN_USE (600 * CLOCK_SECOND)

typedef struct {
    ImapLink *link;
    MailAccount *account;
    guint16 mailbox;
    GArray *uids;      /* by sequence number - 1; 0 where unknown */
    GArray *removed;   /* UIDs, until the link has settled */
    gboolean news;     /* ... or went, and the listing was complete before */
    gboolean grew;     /* messages came since the link settled last */
    gboolean fetching; /* new messages, or all of them */
    guint32 asked;     /* EXISTS when messages were asked for last */
    gboolean resync;   /* the listing was known before, and is compared */
    gboolean replaced; /* UIDVALIDITY changed under it */
    guint before;      /* messages known when it began; some may be gone */
    guint prefix; /* so many sequence numbers are known from the first on */
    guint serial; /* of the command that ends the fetching */
} Watch;

/* A command of a listing; the watch may be another when its answer comes. */
typedef struct {
    MailAccount *account;
    guint16 mailbox;
    guint serial;
} Fetch;

struct MailListings {
    GHashTable *watches; /* mailbox id -> Watch */
    GHashTable *wants;   /* mailbox id -> MailWant, until it is over */
    guint last_serial;
};

static void
free_watch(gpointer data)
{
    Watch *watch = data;
    g_array_unref(watch->uids);
    g_array_unref(watch->removed);
    g_free(watch);
}

MailListings *
mail_listings_new(void)
{
    MailListings *listings = g_new0(MailListings, 1);
    listings->watches = g_hash_table_new_full(NULL, NULL, NULL, free_watch);
    listings->wants = g_hash_table_new(NULL, NULL);
    return listings;
}

void
mail_listings_free(MailListings *listings)
{
    g_hash_table_unref(listings->watches);
    g_hash_table_unref(listings->wants);
    g_free(listings);
}

static Watch *
watch_of(MailAccount *account, guint16 mailbox)
{
    return g_hash_table_lookup(account->listings->watches,
                               GUINT_TO_POINTER(mailbox));
}

static MailWant *
want_of(MailAccount *account, guint16 mailbox)
{
    return g_hash_table_lookup(account->listings->wants,
                               GUINT_TO_POINTER(mailbox));
}

static Watch *
watch_by(MailAccount *account, ImapLink *link)
{
    const char *name = imap_link_mailbox(link);
    MailMailbox *mailbox =
        name ? mail_mailboxes_named(account->mailboxes, name) : NULL;
    Watch *watch = mailbox ? watch_of(account, mailbox->id) : NULL;
    return watch != NULL && watch->link == link ? watch : NULL;
}

static MailWant *
need_listing(MailAccount *account, MailMailbox *mailbox)
{
    MailWant *want = want_of(account, mailbox->id);

    if (want == NULL) {
        want = mail_account_add_want(account, MAIL_WANT_LISTING, mailbox->id);
        g_hash_table_insert(account->listings->wants,
                            GUINT_TO_POINTER(mailbox->id), want);
    }
    return want;
}

static void
end_want(MailAccount *account, guint16 mailbox, const GError *error)
{
    MailWant *want = want_of(account, mailbox);
    if (want != NULL)
        mail_account_finish(account, want, error);
}

void
mail_listing_finished(MailAccount *account, MailWant *want)
{
    g_hash_table_remove(account->listings->wants,
                        GUINT_TO_POINTER(want->mailbox));
}

static gboolean
is_in_use(const MailAccount *account, const MailMailbox *mailbox)
{
    return mailbox->used_at != 0 &&
           clock_now(account->clock) - mailbox->used_at < IN_USE;
}

static void
tell_mailbox_changed(MailAccount *account, MailMailbox *mailbox)
{
    mailbox->changed_at = clock_wall(account->clock);
    if (account->observer != NULL)
        account->observer->mailbox_changed(mailbox, account->observer_data);
}

static void
tell_added(MailAccount *account, MailMailbox *mailbox, guint32 uid)
{
    if (account->observer != NULL && account->observer->message_added != NULL)
        account->observer->message_added(
            mailbox, mail_mailbox_find(mailbox, uid), account->observer_data);
}

static void
tell_removed(MailAccount *account, MailMailbox *mailbox, MailMessage *message)
{
    if (account->observer != NULL)
        account->observer->message_removed(mailbox, message,
                                           account->observer_data);
}

static void
tell_changed(MailAccount *account, MailMailbox *mailbox, MailMessage *message)
{
    if (account->observer != NULL)
        account->observer->message_changed(mailbox, message,
                                           account->observer_data);
}

/* ---- asking ---- */

static void on_fetched(ImapSession *session, const ImapResponse *answer,
                       const GError *error, gpointer data);

/* What a listing asks of each message it did not know. */
static ImapCommand *
fetch_command(guint32 first, guint capabilities)
{
    return imap_command_new(
        "UID FETCH %u:* (UID FLAGS INTERNALDATE RFC822.SIZE%s%s "
        "BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT MESSAGE-ID)])",
        first, capabilities & IMAP_CAP_CONDSTORE ? " MODSEQ" : "",
        capabilities & IMAP_CAP_OBJECTID ? " EMAILID THREADID" : "");
}

/* Messages from FIRST on, with all that a listing needs. */
static void
fetch_from(Watch *watch, guint32 first)
{
    Fetch *fetch = g_new(Fetch, 1);

    watch->fetching = TRUE;
    watch->asked = imap_link_exists(watch->link);
    watch->serial = ++watch->account->listings->last_serial;
    *fetch = (Fetch){watch->account, watch->mailbox, watch->serial};
    imap_link_send(watch->link,
                   fetch_command(first, imap_link_capabilities(watch->link)),
                   on_fetched, fetch);
}

static void
fetch_rest(Watch *watch, MailMailbox *mailbox)
{
    fetch_from(watch, MIN(mail_mailbox_last_uid(mailbox), G_MAXUINT32 - 1) + 1);
}

gboolean
mail_listing_plan(MailAccount *account, MailWant *want)
{
    MailMailbox *mailbox = mail_account_mailbox(account, want->mailbox);
    ImapLink *link;
    Watch *watch;

    link = imap_pool_lend(account->pool, mailbox->name, IMAP_LOAN_BULK);
    if (link == NULL)
        return FALSE;
    /* A link may go on showing what is gone, and lie about its size, until it
     * selects the mailbox anew. */
    if (imap_link_is_selected(link))
        imap_link_select_again(link);
    want->state = MAIL_WANT_SENT;
    watch = g_new0(Watch, 1);
    watch->link = link;
    watch->account = account;
    watch->mailbox = mailbox->id;
    watch->uids = g_array_new(FALSE, TRUE, sizeof(guint32));
    watch->removed = g_array_new(FALSE, FALSE, sizeof(guint32));
    watch->before = mail_mailbox_count(mailbox);
    watch->resync = watch->before > 0;
    g_hash_table_replace(account->listings->watches,
                         GUINT_TO_POINTER(mailbox->id), watch);
    imap_link_set_bulk(link, TRUE);
    if (mailbox->listing == MAIL_UNLISTED)
        mailbox->listing = MAIL_LISTING;
    mailbox->listed_to = 0;
    if (watch->resync) {
        /* Which of those we know are left, then those that came since. */
        imap_link_send(
            link,
            imap_command_new("UID FETCH 1:%u (UID FLAGS RFC822.SIZE)",
                             mail_mailbox_last_uid(mailbox)),
            NULL, NULL);
    }
    fetch_rest(watch, mailbox);
    return TRUE;
}

/* ---- what is known is compared with what was told ---- */

/*
 * Removes what the watcher does not have, if it has told us all.  Returns the
 * first UID that it has and we do not, or 0.
 */
static guint32
compare(Watch *watch, MailMailbox *mailbox)
{
    guint count = mail_mailbox_count(mailbox);
    g_autofree guint8 *keep = g_malloc0(count + 1);
    guint32 missing = 0;
    guint told = 0;
    gboolean gone = FALSE;

    for (guint i = 0; i < watch->uids->len; i++) {
        guint32 uid = g_array_index(watch->uids, guint32, i);
        guint at = mail_mailbox_seek(mailbox, uid);
        if (uid == 0)
            continue;
        told++;
        if (at < count && mail_mailbox_at(mailbox, at)->uid == uid)
            keep[at] = TRUE;
        else if (missing == 0)
            missing = uid;
    }
    /* One answer alone never removes what it left out. */
    if (told != imap_link_exists(watch->link)) {
        g_autofree char *name = imapfs_printable(mailbox->name, -1);
        g_message("%s: the server told of %u of %u messages", name, told,
                  imap_link_exists(watch->link));
        return missing;
    }
    for (guint i = 0; i < count; i++) {
        if (!keep[i]) {
            tell_removed(watch->account, mailbox, mail_mailbox_at(mailbox, i));
            gone = TRUE;
        }
    }
    if (gone) {
        mail_mailbox_retain(mailbox, keep);
        tell_mailbox_changed(watch->account, mailbox);
    }
    return missing;
}

/* Another mailbox has the name now: nothing that was known holds. */
static void
replace(Watch *watch, MailMailbox *mailbox)
{
    for (guint i = 0; i < mail_mailbox_count(mailbox); i++)
        tell_removed(watch->account, mailbox, mail_mailbox_at(mailbox, i));
    mail_mailbox_clear(mailbox);
    mailbox->listing = MAIL_LISTING;
    watch->replaced = watch->resync;
    tell_mailbox_changed(watch->account, mailbox);
}

void
mail_listing_selected(MailAccount *account, ImapLink *link)
{
    Watch *watch = watch_by(account, link);
    MailMailbox *mailbox =
        mail_mailboxes_named(account->mailboxes, imap_link_mailbox(link));
    guint32 uidvalidity = imap_link_uidvalidity(link);

    if (mailbox == NULL)
        return;
    if (watch == NULL) {
        if (mailbox->uidvalidity != uidvalidity)
            mail_listing_distrust(account, mailbox);
        return;
    }
    watch->asked = imap_link_exists(link);
    if (mailbox->uidvalidity != uidvalidity) {
        if (mailbox->uidvalidity != 0)
            replace(watch, mailbox);
        mailbox->uidvalidity = uidvalidity;
    }
}

/* The watcher has told all it was asked for. */
static void
complete(Watch *watch, MailMailbox *mailbox)
{
    MailAccount *account = watch->account;
    guint32 missing = 0;

    if (watch->replaced)
        missing = 1;
    else if (watch->resync)
        missing = compare(watch, mailbox);
    watch->replaced = watch->resync = FALSE;
    if (missing != 0) {
        fetch_from(watch, missing);
        return;
    }
    watch->fetching = FALSE;
    imap_link_set_bulk(watch->link, FALSE);
    mailbox->listing = MAIL_LISTED;
    mailbox->fresh = TRUE;
    mailbox->listed_at = clock_now(account->clock);
    end_want(account, mailbox->id, NULL);
}

static void
on_fetched(ImapSession *session, const ImapResponse *answer,
           const GError *error, gpointer data)
{
    g_autofree Fetch *fetch = data;
    MailAccount *account = fetch->account;
    Watch *watch = answer ? watch_of(account, fetch->mailbox) : NULL;
    g_autoptr(GError) refusal = NULL;

    (void)session;
    (void)error;
    if (watch == NULL || watch->serial != fetch->serial)
        return; /* mail_listing_left() has seen to it */
    /* "No matching messages", say some of an empty mailbox. */
    if (answer->kind != IMAP_OK && imap_link_exists(watch->link) > 0)
        refusal = imap_response_error(answer, IMAPFS_ERROR_FAILED);
    else if (!imap_link_is_selected(watch->link))
        refusal = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_PROTOCOL,
                              "the server listed what was not selected");
    if (refusal != NULL) {
        watch->fetching = FALSE;
        imap_link_set_bulk(watch->link, FALSE);
        /* Whoever looks next has it listed again. */
        mail_account_mailbox(account, fetch->mailbox)->fresh = FALSE;
        end_want(account, fetch->mailbox, refusal);
        return;
    }
    complete(watch, mail_account_mailbox(account, fetch->mailbox));
}

void
mail_listing_left(MailAccount *account, ImapLink *link, const GError *error)
{
    MailMailbox *mailbox =
        mail_mailboxes_named(account->mailboxes, imap_link_mailbox(link));
    Watch *watch = watch_by(account, link);
    MailWant *want;

    if (mailbox == NULL)
        return;
    if (error != NULL) { /* it cannot be selected */
        end_want(account, mailbox->id, error);
        mail_account_refresh_mailboxes(account);
    }
    if (watch == NULL)
        return;
    imap_link_set_bulk(link, FALSE);
    if (mailbox->fresh)
        mailbox->listed_at = clock_now(account->clock);
    mailbox->fresh = FALSE;
    g_hash_table_remove(account->listings->watches,
                        GUINT_TO_POINTER(mailbox->id));
    want = want_of(account, mailbox->id);
    if (want != NULL) {
        g_autoptr(GError) lost =
            g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_OFFLINE,
                        "the connection was lost during the listing");
        mail_account_retry(account, want, lost);
    } else if (!imap_link_is_open(link) && mailbox->listing == MAIL_LISTED &&
               is_in_use(account, mailbox)) {
        need_listing(account, mailbox);
    }
}

/* ---- what the watcher tells ---- */

static void
note_number(Watch *watch, guint32 number, guint32 uid)
{
    /* Numbers come without very large gaps, or they are made up. */
    if (number == 0 || number > MESSAGES_MAX ||
        number > imap_link_exists(watch->link) ||
        number > watch->uids->len + NUMBERS_GAP)
        return;
    if (number > watch->uids->len)
        g_array_set_size(watch->uids, number);
    g_array_index(watch->uids, guint32, number - 1) = uid;
}

static gboolean
is_listing_body(const ImapBody *body)
{
    return body->section.length > 13 && body->data.data != NULL &&
           g_ascii_strncasecmp(body->section.data, "HEADER.FIELDS", 13) == 0;
}

static void
insert(Watch *watch, MailMailbox *mailbox, const ImapFetch *fetch,
       const ImapBody *header)
{
    guint limit = MIN(imap_link_exists(watch->link), MESSAGES_MAX);
    guint count = mail_mailbox_count(mailbox);
    MailMessage message = {
        .uid = fetch->uid,
        .flags = mail_mailbox_parse_flags(mailbox, fetch->flags),
        .modseq = fetch->modseq,
        .internaldate = fetch->internaldate,
        .announced = fetch->size,
        .size = fetch->size,
        .changed = (guint32)CLAMP(fetch->internaldate, 0, G_MAXUINT32),
    };
    /* More than there are, by its own word: it would go on for ever. */
    if (count >= limit + watch->before + MESSAGES_SLACK)
        return;
    if (mailbox->listing == MAIL_LISTED)
        message.changed = (guint32)clock_wall(watch->account->clock);
    message.fields = mail_message_pack(
        header->data.data, header->data.length, fetch->emailid.data,
        fetch->emailid.length, fetch->threadid.data, fetch->threadid.length);
    mail_mailbox_insert(mailbox, &message);
    watch->grew = TRUE;
    if (mailbox->listing == MAIL_LISTED) {
        watch->news = TRUE;
        tell_added(watch->account, mailbox, fetch->uid);
    }
}

static void
update(MailAccount *account, MailMailbox *mailbox, MailMessage *message,
       const ImapFetch *fetch)
{
    gboolean changed = FALSE;

    if (fetch->items & IMAP_FETCH_FLAGS) {
        guint64 flags = mail_mailbox_parse_flags(mailbox, fetch->flags);
        changed = flags != message->flags;
        message->flags = flags;
    }
    if (fetch->items & IMAP_FETCH_MODSEQ && fetch->modseq > message->modseq)
        message->modseq = fetch->modseq;
    /* Beside a body it is a guard, see reading.c. */
    if (fetch->items & IMAP_FETCH_SIZE && fetch->n_bodies == 0 &&
        fetch->size != message->announced) {
        message->announced = message->size = fetch->size;
        message->proven = message->capped = FALSE;
        mail_reading_forget(account, mailbox, message->uid);
        changed = TRUE;
    }
    if (changed) {
        message->changed = (guint32)clock_wall(account->clock);
        tell_changed(account, mailbox, message);
    }
}

MailMailbox *
mail_listing_mailbox(MailAccount *account, ImapLink *link)
{
    MailMailbox *mailbox;

    if (!imap_link_is_selected(link))
        return NULL;
    mailbox = mail_mailboxes_named(account->mailboxes, imap_link_mailbox(link));
    if (mailbox == NULL || mailbox->uidvalidity != imap_link_uidvalidity(link))
        return NULL;
    return mailbox;
}

static void
take_fetch(MailAccount *account, ImapLink *link, ImapFetch fetch)
{
    MailMailbox *mailbox = mail_listing_mailbox(account, link);
    Watch *watch = watch_by(account, link);
    MailMessage *message;

    if (mailbox == NULL)
        return;
    if (watch != NULL && fetch.uid == 0 && fetch.number > 0 &&
        fetch.number <= watch->uids->len)
        fetch.uid = g_array_index(watch->uids, guint32, fetch.number - 1);
    if (fetch.uid == 0)
        return;
    if (watch != NULL)
        note_number(watch, fetch.number, fetch.uid);
    message = mail_mailbox_find(mailbox, fetch.uid);
    for (guint i = 0; watch != NULL && message == NULL && i < fetch.n_bodies;
         i++) {
        if (is_listing_body(&fetch.bodies[i]) && !watch->replaced)
            insert(watch, mailbox, &fetch, &fetch.bodies[i]);
    }
    if (message != NULL) {
        update(account, mailbox, message, &fetch);
        mail_reading_fetched(account, mailbox, &fetch);
    }
}

static void
take_expunge(Watch *watch, guint32 number)
{
    guint32 uid;

    /* One may go and another come before anybody looks at the count. */
    watch->asked -= number > 0 && number <= watch->asked;
    if (number == 0 || number > watch->uids->len)
        return;
    uid = g_array_index(watch->uids, guint32, number - 1);
    g_array_remove_index(watch->uids, number - 1);
    watch->prefix -= number <= watch->prefix;
    if (uid != 0)
        g_array_append_val(watch->removed, uid);
}

static int
compare_uids(gconstpointer a, gconstpointer b)
{
    guint32 one = *(const guint32 *)a;
    guint32 other = *(const guint32 *)b;
    return one < other ? -1 : one > other;
}

/* Many at once cost one pass over the table. */
static void
remove_expunged(Watch *watch, MailMailbox *mailbox)
{
    guint count = mail_mailbox_count(mailbox);
    g_autofree guint8 *keep = NULL;
    guint n = 0;

    if (watch->removed->len == 0)
        return;
    keep = g_malloc(count + 1);
    memset(keep, TRUE, count + 1);
    g_array_sort(watch->removed, compare_uids);
    for (guint i = 0; i < watch->removed->len; i++) {
        guint32 uid = g_array_index(watch->removed, guint32, i);
        MailMessage *message = mail_mailbox_find(mailbox, uid);
        if (message != NULL) {
            keep[mail_mailbox_seek(mailbox, uid)] = FALSE;
            tell_removed(watch->account, mailbox, message);
            n++;
        }
    }
    g_array_set_size(watch->removed, 0);
    if (n == 1 && count > 0) {
        guint i = (guint)((guint8 *)memchr(keep, FALSE, count) - keep);
        guint32 uid = mail_mailbox_at(mailbox, i)->uid;
        mail_mailbox_remove(mailbox, uid, uid);
    } else if (n > 0) {
        mail_mailbox_retain(mailbox, keep);
    }
    watch->grew |= n > 0;
    watch->news |= n > 0 && mailbox->listing == MAIL_LISTED;
}

void
mail_listing_untagged(MailAccount *account, ImapLink *link,
                      const ImapResponse *response)
{
    Watch *watch = watch_by(account, link);

    if (response->kind == IMAP_FETCH)
        take_fetch(account, link, response->fetch);
    else if (response->kind == IMAP_EXPUNGE && watch != NULL &&
             imap_link_is_selected(link))
        take_expunge(watch, response->number);
}

/* A directory is read in UID order, whatever order FETCH comes in: what is
 * shown of a listing that arrives ends where the first message is missing. */
static void
advance(Watch *watch, MailMailbox *mailbox)
{
    while (watch->prefix < watch->uids->len &&
           mail_mailbox_find(mailbox, g_array_index(watch->uids, guint32,
                                                    watch->prefix)) != NULL)
        watch->prefix++;
    mailbox->listed_to =
        watch->prefix == 0
            ? 0
            : g_array_index(watch->uids, guint32, watch->prefix - 1);
}

void
mail_listing_settled(MailAccount *account, ImapLink *link)
{
    Watch *watch = watch_by(account, link);
    MailMailbox *mailbox;
    MailWant *want;

    if (watch == NULL || !imap_link_is_selected(link))
        return;
    mailbox = mail_account_mailbox(account, watch->mailbox);
    remove_expunged(watch, mailbox);
    advance(watch, mailbox);
    if (watch->grew) {
        watch->grew = FALSE;
        if (watch->news)
            tell_mailbox_changed(account, mailbox);
        watch->news = FALSE;
        want = want_of(account, mailbox->id);
        if (want != NULL)
            mail_want_wake(want, NULL);
    }
    if (!watch->fetching && imap_link_exists(link) > watch->asked)
        fetch_rest(watch, mailbox);
}

/* ---- questions ---- */

/* Known, though nobody may be watching it. */
static gboolean
is_acceptable(MailAccount *account, const MailMailbox *mailbox)
{
    gint64 age = clock_now(account->clock) - mailbox->listed_at;
    return mailbox->listing == MAIL_LISTED &&
           (mailbox->fresh || age < STALE_AFTER || account->failure != NULL);
}

gboolean
mail_account_visit(MailAccount *account, MailMailbox *mailbox, MailFault *fault)
{
    mailbox->used_at = clock_now(account->clock);
    if (!mailbox->selectable || is_acceptable(account, mailbox))
        return TRUE;
    need_listing(account, mailbox);
    if (mailbox->listing == MAIL_LISTED)
        return mail_fault_want(fault, want_of(account, mailbox->id));
    return TRUE;
}

gboolean
mail_account_know_beyond(MailAccount *account, MailMailbox *mailbox,
                         guint32 uid, MailFault *fault)
{
    if (!mailbox->selectable || mailbox->listing == MAIL_LISTED ||
        (mail_mailbox_last_uid(mailbox) > uid && mailbox->listed_to > uid))
        return TRUE;
    if (mail_account_is_offline(account)) {
        fault->error = g_error_copy(account->failure);
        return FALSE;
    }
    return mail_fault_want(fault, need_listing(account, mailbox));
}

gboolean
mail_account_know_message(MailAccount *account, MailMailbox *mailbox,
                          guint32 uid, MailMessage **ret, MailFault *fault)
{
    *ret = mail_mailbox_find(mailbox, uid);
    if (*ret != NULL)
        return TRUE;
    if (uid == 0 || !mail_account_know_beyond(account, mailbox, uid - 1, fault))
        return uid == 0 ? mail_fault_error(fault, IMAPFS_ERROR_NOT_FOUND,
                                           "no such message")
                        : FALSE;
    return mail_fault_error(fault, IMAPFS_ERROR_NOT_FOUND, "no such message");
}

/* ---- doubts ---- */

void
mail_listing_status(MailAccount *account, const ImapMailboxStatus *status)
{
    g_autofree char *name = imap_slice_dup(status->name);
    MailMailbox *mailbox =
        name ? mail_mailboxes_named(account->mailboxes, name) : NULL;

    if (mailbox == NULL || mailbox->listing != MAIL_LISTED || mailbox->fresh)
        return;
    if ((status->items & IMAP_STATUS_MESSAGES &&
         status->messages != mail_mailbox_count(mailbox)) ||
        (status->items & IMAP_STATUS_UIDVALIDITY &&
         status->uidvalidity != mailbox->uidvalidity) ||
        (status->items & IMAP_STATUS_UIDNEXT &&
         status->uidnext <= mail_mailbox_last_uid(mailbox)))
        need_listing(account, mailbox);
}

void
mail_listing_distrust(MailAccount *account, MailMailbox *mailbox)
{
    Watch *watch = watch_of(account, mailbox->id);

    if (watch != NULL && watch->fetching)
        return; /* it is being listed anyway */
    g_hash_table_remove(account->listings->watches,
                        GUINT_TO_POINTER(mailbox->id));
    mailbox->fresh = FALSE;
    mailbox->listed_at = G_MININT64 / 2;
    if (mailbox->listing == MAIL_LISTED)
        need_listing(account, mailbox);
}

void
mail_listing_forget(MailAccount *account, MailMailbox *mailbox)
{
    Watch *watch = watch_of(account, mailbox->id);
    g_autoptr(GError) gone = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_NOT_FOUND,
                                         "the mailbox is gone");
    if (watch != NULL) {
        imap_link_set_bulk(watch->link, FALSE);
        g_hash_table_remove(account->listings->watches,
                            GUINT_TO_POINTER(mailbox->id));
    }
    end_want(account, mailbox->id, gone);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Conversations of a mailbox: what belongs together by mail/threads.h.
 *
 * A server with THREAD (RFC 5256) is asked, and asked again when mail has come.
 * From others the few header fields that tell are fetched once of each message,
 * many at a time, and then of those that come.  What has gone is left
 * out without asking anybody.
 */
#include <string.h>

#include "base/error.h"
#include "imap/uidset.h"
#include "mail/internal.h"
#include "mail/threads.h"
#include "mail/uids.h"

enum {
    MAILBOXES_MAX = 16, /* whose conversations are kept */
    BATCH = 1000,       /* messages in one FETCH */
};
#define FIELDS "HEADER.FIELDS (MESSAGE-ID IN-REPLY-TO REFERENCES SUBJECT)"
/* What the server has told is not asked for again for so long. */
#define LIFE (1 * CLOCK_SECOND)

/* Of one mailbox. */
typedef struct {
    guint16 mailbox;
    MailWant *want; /* that is not over, or NULL */
    guint64 used;   /* when, by MailConversations.uses */
    guint32 uidvalidity;
    MailThreads *threads;
    gboolean told; /* by THREAD, not by headers */
    gint64 told_at;
    gboolean closed;    /* THREADS can be asked, */
    guint64 generation; /* ... and is what this was */
    guint32 known_to;   /* all messages up to this UID are in it */
    GArray *fetched;    /* UIDs of a batch whose headers have come */
} Conversations;

struct MailConversations {
    GHashTable *by_mailbox;
    guint64 uses;
    gboolean refused; /* the server has THREAD, and will not do it */
};

/* One command. */
typedef struct {
    MailAccount *account;
    MailWant *want;
    guint32 to;   /* the last message it is about */
    GArray *uids; /* of a THREAD: all that it named */
    MailThreads *threads;
} Run;

static void
free_conversations(gpointer data)
{
    Conversations *of = data;
    g_clear_pointer(&of->threads, mail_threads_free);
    g_array_unref(of->fetched);
    g_free(of);
}

MailConversations *
mail_conversations_new(void)
{
    MailConversations *conversations = g_new0(MailConversations, 1);
    conversations->by_mailbox =
        g_hash_table_new_full(NULL, NULL, NULL, free_conversations);
    return conversations;
}

void
mail_conversations_free(MailConversations *conversations)
{
    g_hash_table_unref(conversations->by_mailbox);
    g_free(conversations);
}

static Conversations *
find_of(const MailAccount *account, guint16 mailbox)
{
    return g_hash_table_lookup(account->conversations->by_mailbox,
                               GUINT_TO_POINTER(mailbox));
}

static void
make_room(MailConversations *conversations)
{
    GHashTableIter iter;
    gpointer value;
    Conversations *oldest = NULL;

    if (g_hash_table_size(conversations->by_mailbox) < MAILBOXES_MAX)
        return;
    g_hash_table_iter_init(&iter, conversations->by_mailbox);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Conversations *of = value;
        if (of->want == NULL && (oldest == NULL || of->used < oldest->used))
            oldest = of;
    }
    if (oldest != NULL)
        g_hash_table_remove(conversations->by_mailbox,
                            GUINT_TO_POINTER(oldest->mailbox));
}

/* Nothing is known. */
static void
begin(Conversations *of, const MailMailbox *mailbox)
{
    g_clear_pointer(&of->threads, mail_threads_free);
    of->threads = mail_threads_new();
    of->uidvalidity = mailbox->uidvalidity;
    of->known_to = 0;
    of->closed = of->told = FALSE;
    g_array_set_size(of->fetched, 0);
}

/* Those of MAILBOX as it is now, made if there are none. */
static Conversations *
need_of(MailAccount *account, const MailMailbox *mailbox)
{
    MailConversations *conversations = account->conversations;
    Conversations *of = find_of(account, mailbox->id);

    if (of == NULL) {
        make_room(conversations);
        of = g_new0(Conversations, 1);
        of->mailbox = mailbox->id;
        of->fetched = g_array_new(FALSE, FALSE, sizeof(guint32));
        g_hash_table_insert(conversations->by_mailbox,
                            GUINT_TO_POINTER(mailbox->id), of);
    }
    of->used = ++conversations->uses;
    if (of->threads == NULL || of->uidvalidity != mailbox->uidvalidity)
        begin(of, mailbox);
    return of;
}

void
mail_conversations_finished(MailAccount *account, MailWant *want)
{
    Conversations *of = find_of(account, want->mailbox);
    if (of != NULL && of->want == want)
        of->want = NULL;
}

void
mail_conversations_forget(MailAccount *account, const MailMailbox *mailbox)
{
    Conversations *of = find_of(account, mailbox->id);
    g_autoptr(GError) gone = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_NOT_FOUND,
                                         "the mailbox is gone");
    if (of == NULL)
        return;
    if (of->want != NULL)
        mail_account_finish(account, of->want, gone);
    g_hash_table_remove(account->conversations->by_mailbox,
                        GUINT_TO_POINTER(mailbox->id));
}

/* ---- what the server answers ---- */

static void
free_run(Run *run)
{
    mail_want_unref(run->want);
    g_array_unref(run->uids);
    g_clear_pointer(&run->threads, mail_threads_free);
    g_free(run);
}

static Run *
new_run(MailAccount *account, MailWant *want, guint32 to)
{
    Run *run = g_new0(Run, 1);
    run->account = account;
    run->want = mail_want_ref(want);
    run->to = to;
    run->uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    return run;
}

/* Messages from FIRST to LAST that are not among UIDS stand alone. */
static void
add_untold(MailThreads *threads, const MailMailbox *mailbox, guint32 first,
           guint32 last, GArray *uids)
{
    guint told = 0;

    g_array_sort(uids, mail_uids_compare);
    for (guint i = mail_mailbox_seek(mailbox, first);
         i < mail_mailbox_count(mailbox); i++) {
        guint32 uid = mail_mailbox_at(mailbox, i)->uid;
        if (uid > last)
            return;
        while (told < uids->len && g_array_index(uids, guint32, told) < uid)
            told++;
        if (told == uids->len || g_array_index(uids, guint32, told) != uid)
            mail_threads_add_group(threads, &uid, 1);
    }
}

static void
on_finding(ImapSession *session, const ImapResponse *response, gpointer data)
{
    Run *run = data;
    ImapSlice threads = response->threads;
    guint from = run->uids->len;

    (void)session;
    while (imap_next_thread(&threads, run->uids)) {
        mail_threads_add_group(run->threads,
                               &g_array_index(run->uids, guint32, from),
                               run->uids->len - from);
        from = run->uids->len;
    }
}

/* A header has been told of those that are in OF->fetched. */
static void
take_headers(Conversations *of, const MailMailbox *mailbox, const Run *run)
{
    add_untold(of->threads, mailbox, of->known_to + 1, run->to, of->fetched);
    g_array_set_size(of->fetched, 0);
    of->known_to = run->to;
    of->closed = FALSE;
}

static void
take_threads(Conversations *of, const MailMailbox *mailbox, Run *run)
{
    add_untold(run->threads, mailbox, 1, run->to, run->uids);
    g_clear_pointer(&of->threads, mail_threads_free);
    of->threads = g_steal_pointer(&run->threads);
    of->known_to = run->to;
    of->told = TRUE;
    of->told_at = clock_now(run->account->clock);
    of->closed = FALSE;
}

static void
take_answer(Run *run, ImapLink *link, const ImapResponse *answer)
{
    MailAccount *account = run->account;
    MailMailbox *mailbox = mail_account_mailbox(account, run->want->mailbox);
    Conversations *of = find_of(account, run->want->mailbox);
    gboolean there =
        link != NULL && mail_listing_mailbox(account, link) == mailbox;
    g_autoptr(GError) error = NULL;

    if (answer->kind == IMAP_OK && there &&
        of->uidvalidity == mailbox->uidvalidity) {
        if (run->threads != NULL)
            take_threads(of, mailbox, run);
        else
            take_headers(of, mailbox, run);
        if (of->known_to < mail_mailbox_last_uid(mailbox) && !of->told)
            mail_account_again(account, run->want);
        else
            mail_account_finish(account, run->want, NULL);
    } else if (answer->kind != IMAP_OK && there && run->threads != NULL) {
        account->conversations->refused = TRUE;
        mail_account_again(account, run->want);
    } else {
        error = answer->kind != IMAP_OK
                    ? imap_response_error(answer, IMAPFS_ERROR_FAILED)
                    : g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_STALE,
                                  "the mailbox was replaced by another");
        mail_account_retry(account, run->want, error);
    }
}

static void
on_answered(ImapSession *session, const ImapResponse *answer,
            const GError *error, gpointer data)
{
    Run *run = data;
    MailAccount *account = run->account;

    if (run->want->state == MAIL_WANT_SENT && answer == NULL)
        mail_account_retry(account, run->want, error);
    else if (run->want->state == MAIL_WANT_SENT)
        take_answer(run, imap_pool_find(account->pool, session), answer);
    free_run(run);
    mail_account_plan_soon(account);
}

/* However the server spells what was asked for. */
static gboolean
is_ours(const ImapBody *body)
{
    g_autofree char *section =
        g_ascii_strup(body->section.data, (gssize)body->section.length);
    return body->data.data != NULL &&
           g_str_has_prefix(section, "HEADER.FIELDS ") &&
           strstr(section, "REFERENCES") != NULL;
}

void
mail_conversations_fetched(MailAccount *account, const MailMailbox *mailbox,
                           const ImapFetch *fetch)
{
    Conversations *of = find_of(account, mailbox->id);
    const ImapBody *body = NULL;

    for (guint i = 0; of != NULL && i < fetch->n_bodies; i++) {
        if (is_ours(&fetch->bodies[i]))
            body = &fetch->bodies[i];
    }
    /* Only what was asked for, and that twice if the connection was lost. */
    if (body == NULL || of->want == NULL || fetch->uid <= of->known_to ||
        of->fetched->len >= 2 * BATCH)
        return;
    g_array_append_val(of->fetched, fetch->uid);
    mail_threads_add(of->threads, fetch->uid, body->data.data,
                     body->data.length);
}

/* ---- what the server is asked ---- */

static void
ask_for_headers(MailAccount *account, MailWant *want, ImapLink *link,
                const MailMailbox *mailbox, Conversations *of)
{
    g_autoptr(GString) uids = g_string_new(NULL);
    ImapUidsetWriter writer = {uids, 0, 0};
    guint from;
    guint to;

    if (of->told)
        begin(of, mailbox);
    from = mail_mailbox_seek(mailbox, of->known_to + 1);
    to = MIN(from + BATCH, mail_mailbox_count(mailbox));
    for (guint i = from; i < to; i++)
        imap_uidset_add(&writer, mail_mailbox_at(mailbox, i)->uid);
    imap_uidset_end(&writer);
    imap_link_send(
        link,
        imap_command_new("UID FETCH %s (UID RFC822.SIZE BODY.PEEK[" FIELDS "])",
                         uids->str),
        on_answered,
        new_run(account, want, mail_mailbox_at(mailbox, to - 1)->uid));
}

gboolean
mail_conversations_plan(MailAccount *account, MailWant *want)
{
    MailMailbox *mailbox = mail_account_mailbox(account, want->mailbox);
    Conversations *of = need_of(account, mailbox);
    ImapLink *link;
    Run *run;

    if (of->known_to >= mail_mailbox_last_uid(mailbox)) {
        mail_account_finish(account, want, NULL);
        return TRUE;
    }
    link = imap_pool_lend(account->pool, mailbox->name, IMAP_LOAN_INTERACTIVE);
    if (link == NULL)
        return FALSE;
    want->state = MAIL_WANT_SENT;
    if (!(imap_link_capabilities(link) & IMAP_CAP_THREAD) ||
        account->conversations->refused) {
        ask_for_headers(account, want, link, mailbox, of);
        return TRUE;
    }
    run = new_run(account, want, mail_mailbox_last_uid(mailbox));
    run->threads = mail_threads_new();
    imap_link_search(link, imap_command_new("UID THREAD REFERENCES UTF-8 ALL"),
                     IMAP_SEARCH_THREAD, on_finding, on_answered, run);
    return TRUE;
}

/* ---- questions ---- */

static gboolean
is_there(guint32 uid, gpointer data)
{
    return mail_mailbox_find(data, uid) != NULL;
}

/* The conversations of MAILBOX; good until the loop is reached. */
static gboolean
know(MailAccount *account, MailMailbox *mailbox, const MailThreads **ret,
     MailFault *fault)
{
    Conversations *of;
    gboolean enough;

    if (!mailbox->selectable)
        return mail_fault_error(fault, IMAPFS_ERROR_NOT_FOUND,
                                "no messages can be here");
    /* Until all are known, none is known to be complete. */
    if (!mail_account_know_beyond(account, mailbox, G_MAXUINT32, fault))
        return FALSE;
    of = need_of(account, mailbox);
    enough = of->known_to >= mail_mailbox_last_uid(mailbox) ||
             (of->known_to > 0 &&
              (account->failure != NULL ||
               (of->told && clock_now(account->clock) - of->told_at < LIFE)));
    if (!enough && mail_account_is_offline(account)) {
        fault->error = g_error_copy(account->failure);
        return FALSE;
    }
    if (!enough) {
        if (of->want == NULL)
            of->want =
                mail_account_add_want(account, MAIL_WANT_THREADS, mailbox->id);
        return mail_fault_want(fault, of->want);
    }
    if (!of->closed || of->generation != mailbox->generation) {
        mail_threads_close(of->threads, is_there, mailbox);
        of->closed = TRUE;
        of->generation = mailbox->generation;
    }
    *ret = of->threads;
    return TRUE;
}

gboolean
mail_account_next_thread(MailAccount *account, MailMailbox *mailbox,
                         guint32 from, guint32 *ret_first, MailFault *fault)
{
    const MailThreads *threads;
    const guint32 *uids;
    guint n;

    /* A directory is read from its beginning: see what is new. */
    if (from <= 1 && !mail_account_visit(account, mailbox, fault))
        return FALSE;
    if (!know(account, mailbox, &threads, fault))
        return FALSE;
    uids = mail_threads_next(threads, from, &n);
    *ret_first = uids ? *uids : 0;
    return TRUE;
}

gboolean
mail_account_next_in_thread(MailAccount *account, MailMailbox *mailbox,
                            guint32 first, guint32 from, guint32 *ret_uid,
                            MailFault *fault)
{
    const MailThreads *threads;
    const guint32 *uids;
    guint n;
    guint low = 0;

    if (from <= 1 && !mail_account_visit(account, mailbox, fault))
        return FALSE;
    if (!know(account, mailbox, &threads, fault))
        return FALSE;
    uids = mail_threads_get(threads, first, &n);
    if (uids == NULL)
        return mail_fault_error(fault, IMAPFS_ERROR_NOT_FOUND,
                                "there is no such conversation");
    *ret_uid = 0;
    for (guint high = n; low < high;) {
        guint middle = low + (high - low) / 2;
        if (uids[middle] < from)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < n)
        *ret_uid = uids[low];
    return TRUE;
}

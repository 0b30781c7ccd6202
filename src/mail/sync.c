/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How a listing is brought up to date (RFC 7162; RFC 4549).
 *
 * What is asked travels in one flight with EXAMINE.  A mailbox that is not
 * known is listed from its first message on.  Of one that is known, only what
 * changed and what came is asked for; with QRESYNC the server also says what
 * has gone.  Then the messages are counted.  If there are as many as EXISTS
 * says, all is well: messages only come with UIDs above those that are known,
 * so what is left over can only be what has gone.  Which those are is asked by
 * SEARCH, and believed if it makes the numbers agree.  If nothing makes them
 * agree, all flags and sizes are fetched and compared.
 *
 * HIGHESTMODSEQ is taken from EXAMINE, never from a single FETCH, and only
 * when all that was asked for has come: a change that was not told yet may
 * have a lower one.
 */
#include <string.h>

#include "base/error.h"
#include "imap/uidset.h"
#include "mail/internal.h"

enum { FOUND_MAX = 4 << 20 }; /* ranges of one SEARCH that are kept */

/* A command of a step; the watch may be another when its answer comes. */
typedef struct {
    MailAccount *account;
    guint16 mailbox;
    guint serial;
} Fetch;

static void on_fetched(ImapSession *session, const ImapResponse *answer,
                       const GError *error, gpointer data);

static gboolean
has(const MailWatch *watch, guint capability)
{
    return (imap_link_capabilities(watch->link) & capability) != 0;
}

/* A server may refuse to speak of modseqs where it keeps none (RFC 7162,
 * 3.1.2.2). */
static gboolean
has_modseqs(const MailWatch *watch)
{
    return has(watch, IMAP_CAP_CONDSTORE) &&
           !mail_account_mailbox(watch->account, watch->mailbox)->no_modseqs;
}

/* ---- asking ---- */

/* What does not come cannot be made up for by what follows. */
static void
on_part(ImapSession *session, const ImapResponse *answer, const GError *error,
        gpointer data)
{
    g_autofree Fetch *fetch = data;
    MailWatch *watch =
        answer ? mail_listing_watch(fetch->account, fetch->mailbox) : NULL;

    (void)session;
    (void)error;
    if (watch != NULL && watch->serial == fetch->serial)
        watch->lost |=
            answer->kind != IMAP_OK && imap_link_state(watch->link)->exists > 0;
}

static Fetch *
new_fetch(const MailWatch *watch)
{
    Fetch *fetch = g_new(Fetch, 1);
    *fetch = (Fetch){watch->account, watch->mailbox, watch->serial};
    return fetch;
}

static void
begin_step(MailWatch *watch)
{
    watch->fetching = TRUE;
    watch->serial = mail_listing_next_serial(watch->account);
}

/* Sends the commands of a step; PART may be NULL. */
static void
send_step(MailWatch *watch, ImapCommand *part, ImapCommand *last)
{
    begin_step(watch);
    if (part != NULL)
        imap_link_send(watch->link, part, on_part, new_fetch(watch));
    imap_link_send(watch->link, last, on_fetched, new_fetch(watch));
}

/*
 * Messages from FIRST on, with all that a listing needs; before them PART.
 * "FIRST:*" always finds the last message, be it known or not.  The largest UID
 * there can be does not, but only servers that are up to date are trusted to
 * read such a number.
 */
static void
fetch_from(MailWatch *watch, ImapCommand *part, guint32 first)
{
    gboolean exact = part != NULL && watch->step == MAIL_SYNC_DELTA &&
                     has(watch, IMAP_CAP_QRESYNC);

    watch->asked = imap_link_state(watch->link)->exists;
    send_step(watch, part,
              imap_command_new(
                  "UID FETCH %u:%s (UID FLAGS INTERNALDATE RFC822.SIZE%s%s "
                  "BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT MESSAGE-ID)])",
                  first, exact ? "4294967295" : "*",
                  has_modseqs(watch) ? " MODSEQ" : "",
                  has(watch, IMAP_CAP_OBJECTID) ? " EMAILID THREADID" : ""));
}

static void
fetch_rest(MailWatch *watch, ImapCommand *part, const MailMailbox *mailbox)
{
    fetch_from(watch, part,
               MIN(mail_mailbox_last_uid(mailbox), G_MAXUINT32 - 1) + 1);
}

void
mail_sync_fetch_rest(MailWatch *watch, MailMailbox *mailbox)
{
    fetch_rest(watch, NULL, mailbox);
}

/* Sequence numbers are learned anew. */
static void
start_numbering(MailWatch *watch)
{
    g_array_set_size(watch->uids, 0);
    watch->prefix = 0;
    watch->numbered = TRUE;
}

static void
ask_all(MailWatch *watch, MailMailbox *mailbox)
{
    watch->step = MAIL_SYNC_ALL;
    start_numbering(watch);
    mailbox->listed_to = 0;
    fetch_from(watch, NULL, 1);
}

static void
ask_delta(MailWatch *watch, MailMailbox *mailbox)
{
    ImapCommand *changes = NULL;

    watch->step = MAIL_SYNC_DELTA;
    if (has(watch, IMAP_CAP_CONDSTORE))
        changes =
            imap_command_new("UID FETCH 1:%u (UID FLAGS)", watch->known_to);
    if (has_modseqs(watch) && mailbox->modseq != 0)
        imap_command_add(changes, " (CHANGEDSINCE %" G_GUINT64_FORMAT "%s)",
                         mailbox->modseq,
                         has(watch, IMAP_CAP_QRESYNC) ? " VANISHED" : "");
    fetch_rest(watch, changes, mailbox);
}

static void
on_found(ImapSession *session, const ImapResponse *response, gpointer data)
{
    const Fetch *fetch = data;
    MailWatch *watch = mail_listing_watch(fetch->account, fetch->mailbox);
    ImapSlice uids = response->found.uids;
    guint32 range[2];

    (void)session;
    if (watch == NULL || watch->serial != fetch->serial)
        return;
    while (watch->found->len < FOUND_MAX &&
           imap_uidset_next(&uids, &range[0], &range[1]))
        g_array_append_vals(watch->found, range, 2);
}

static void
ask_search(MailWatch *watch)
{
    gboolean named = has(watch, IMAP_CAP_ESEARCH);
    ImapCommand *command = imap_command_new(
        "UID SEARCH %sUID 1:%u", named ? "RETURN (ALL) " : "", watch->known_to);

    watch->step = MAIL_SYNC_SEARCH;
    g_array_set_size(watch->found, 0);
    begin_step(watch);
    imap_link_search(watch->link, command,
                     named ? IMAP_SEARCH_NAMED : IMAP_SEARCH_BARE, on_found,
                     on_fetched, new_fetch(watch));
}

static void
ask_comparison(MailWatch *watch, MailMailbox *mailbox)
{
    watch->step = MAIL_SYNC_COMPARE;
    watch->compared = TRUE;
    watch->lost = FALSE;
    mailbox->doubted = FALSE;
    watch->untold = FALSE;
    start_numbering(watch);
    fetch_rest(watch,
               imap_command_new("UID FETCH 1:%u (UID FLAGS RFC822.SIZE)",
                                mail_mailbox_last_uid(mailbox)),
               mailbox);
}

void
mail_sync_begin(MailWatch *watch, MailMailbox *mailbox)
{
    gboolean known = mailbox->listing == MAIL_LISTED;

    watch->before = mail_mailbox_count(mailbox);
    watch->known_to = mail_mailbox_last_uid(mailbox);
    if (!known) {
        mailbox->listing = MAIL_LISTING;
        mailbox->listed_to = 0;
    }
    if (watch->before == 0)
        ask_all(watch, mailbox);
    else if (known && !mailbox->doubted)
        ask_delta(watch, mailbox);
    else
        ask_comparison(watch, mailbox);
}

/* ---- selected ---- */

/* Another mailbox has the name now: nothing that was known holds. */
static void
replace(MailWatch *watch, MailMailbox *mailbox)
{
    MailAccount *account = watch->account;

    watch->anew = mailbox->listing == MAIL_LISTED;
    for (guint i = 0; i < mail_mailbox_count(mailbox); i++)
        mail_watch_tell_removed(account, mailbox, mail_mailbox_at(mailbox, i));
    mail_mailbox_clear(mailbox);
    mailbox->listing = MAIL_LISTING;
    watch->replaced = watch->step != MAIL_SYNC_ALL;
    mail_saving_forget(account, mailbox);
    mail_watch_tell_mailbox(account, mailbox);
}

void
mail_sync_selected(MailAccount *account, ImapLink *link)
{
    MailWatch *watch = mail_listing_watch_by(account, link);
    MailMailbox *mailbox =
        mail_mailboxes_named(account->mailboxes, imap_link_mailbox(link));
    const ImapSelected *state = imap_link_state(link);

    if (mailbox == NULL)
        return;
    if (watch == NULL) {
        if (mailbox->uidvalidity != state->uidvalidity)
            mail_listing_distrust(account, mailbox);
        return;
    }
    watch->asked = state->exists;
    mailbox->not_sticky = state->uids_not_sticky;
    watch->misled = state->no_modseqs && !mailbox->no_modseqs;
    mailbox->no_modseqs = state->no_modseqs;
    if (mailbox->uidvalidity != state->uidvalidity) {
        if (mailbox->uidvalidity != 0) {
            replace(watch, mailbox);
            mailbox->incarnation++;
        }
        mailbox->uidvalidity = state->uidvalidity;
    }
    /* It never goes back, unless the server has lost its memory. */
    watch->lost |= state->modseq != 0 && state->modseq < mailbox->modseq;
}

/* ---- what is known and what was told ---- */

/* Some have come since they were asked for. */
static gboolean
is_behind(const MailWatch *watch)
{
    return imap_link_state(watch->link)->exists > watch->asked;
}

static gboolean
count_agrees(const MailWatch *watch, const MailMailbox *mailbox)
{
    return mail_mailbox_count(mailbox) == watch->asked;
}

/* Removes those not marked in KEEP. */
static void
retain(MailWatch *watch, MailMailbox *mailbox, const guint8 *keep)
{
    MailAccount *account = watch->account;
    gboolean gone = FALSE;

    for (guint i = 0; i < mail_mailbox_count(mailbox); i++) {
        const MailMessage *message = mail_mailbox_at(mailbox, i);
        if (keep[i])
            continue;
        mail_watch_tell_removed(account, mailbox, message);
        mail_saving_note_removed(account, mailbox, message->uid);
        gone = TRUE;
    }
    if (gone) {
        mail_mailbox_retain(mailbox, keep);
        mail_watch_tell_mailbox(account, mailbox);
    }
}

/*
 * Removes what the watcher does not have, if it has told us all.  Returns the
 * first UID that it has and we do not, or 0.
 */
static guint32
compare(MailWatch *watch, MailMailbox *mailbox)
{
    guint32 exists = watch->asked;
    guint count = mail_mailbox_count(mailbox);
    g_autofree guint8 *keep = g_malloc0(count + 1);
    guint32 missing = 0;
    guint told = 0;

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
    if (told == exists) {
        retain(watch, mailbox, keep);
    } else {
        g_autofree char *name = imapfs_printable(mailbox->name, -1);
        watch->untold = TRUE;
        g_message("%s: the server told of %u of %u messages", name, told,
                  exists);
    }
    return missing;
}

/* Removes what the SEARCH did not find.  Returns FALSE when that cannot be
 * right. */
static gboolean
apply_search(MailWatch *watch, MailMailbox *mailbox)
{
    guint count = mail_mailbox_count(mailbox);
    guint first_new = watch->known_to == G_MAXUINT32
                          ? count
                          : mail_mailbox_seek(mailbox, watch->known_to + 1);
    g_autofree guint8 *keep = g_malloc0(count + 1);
    guint64 found = 0;
    guint kept = 0;

    memset(keep + first_new, TRUE, count - first_new);
    for (guint i = 0; i + 1 < watch->found->len; i += 2) {
        guint32 first = g_array_index(watch->found, guint32, i);
        guint32 last = g_array_index(watch->found, guint32, i + 1);
        found += (guint64)last - first + 1;
        for (guint at = mail_mailbox_seek(mailbox, first);
             at < first_new && mail_mailbox_at(mailbox, at)->uid <= last; at++)
            keep[at] = TRUE;
    }
    for (guint i = 0; i < first_new; i++)
        kept += keep[i];
    /* An empty answer is how broken servers answer, too. */
    if (kept == 0 || found != kept || kept + count - first_new != watch->asked)
        return FALSE;
    retain(watch, mailbox, keep);
    return TRUE;
}

/* ---- the end of a step ---- */

/* The numbers of the messages follow from their UIDs (RFC 9051, 2.3.1.2). */
static void
number_all(MailWatch *watch, const MailMailbox *mailbox)
{
    start_numbering(watch);
    for (guint i = 0; i < mail_mailbox_count(mailbox); i++)
        g_array_append_val(watch->uids, mail_mailbox_at(mailbox, i)->uid);
    watch->prefix = watch->uids->len;
}

static void
finish(MailWatch *watch, MailMailbox *mailbox)
{
    MailAccount *account = watch->account;
    const ImapSelected *state = imap_link_state(watch->link);
    gboolean agrees = count_agrees(watch, mailbox) && !watch->untold;
    MailWant *want = mail_listing_want(account, mailbox);
    gboolean delta =
        watch->step == MAIL_SYNC_DELTA || watch->step == MAIL_SYNC_SEARCH;

    /* With modseqs this was part of the flight. */
    if (delta && !has(watch, IMAP_CAP_CONDSTORE))
        imap_link_send(
            watch->link,
            imap_command_new("UID FETCH 1:%u (UID FLAGS)", watch->known_to),
            NULL, NULL);
    if (imap_link_says_vanished(watch->link)) { /* no numbers are needed */
        g_array_set_size(watch->uids, 0);
        watch->numbered = FALSE;
    } else if (delta) {
        number_all(watch, mailbox);
    }
    watch->step = MAIL_SYNC_ALL;
    watch->fetching = FALSE;
    imap_link_set_bulk(watch->link, FALSE);
    mailbox->modseq = agrees && has_modseqs(watch) ? state->modseq : 0;
    mailbox->listing = MAIL_LISTED;
    watch->anew = FALSE;
    mailbox->fresh = TRUE;
    mailbox->listed_at = clock_now(account->clock);
    mail_saving_note_mailbox(account, mailbox);
    if (want != NULL)
        mail_account_finish(account, want, NULL);
}

/* The watcher has told all it was asked for. */
static void
end_step(MailWatch *watch, MailMailbox *mailbox)
{
    guint32 missing = 0;

    mail_watch_remove_expunged(watch, mailbox);
    if (watch->replaced) {
        watch->replaced = FALSE;
        ask_all(watch, mailbox);
        return;
    }
    /* Only when none is on its way do numbers mean something. */
    if (watch->step != MAIL_SYNC_ALL && is_behind(watch)) {
        mail_sync_fetch_rest(watch, mailbox);
        return;
    }
    switch (watch->step) {
    case MAIL_SYNC_ALL:
        if (watch->compared || is_behind(watch) ||
            (!mailbox->doubted &&
             (count_agrees(watch, mailbox) || mailbox->listing != MAIL_LISTED)))
            break;
        ask_comparison(watch, mailbox);
        return;
    case MAIL_SYNC_DELTA:
        if (watch->lost || mailbox->doubted) {
            ask_comparison(watch, mailbox);
            return;
        }
        if (count_agrees(watch, mailbox))
            break;
        if (mail_mailbox_count(mailbox) > watch->asked &&
            !has(watch, IMAP_CAP_QRESYNC))
            ask_search(watch);
        else
            ask_comparison(watch, mailbox);
        return;
    case MAIL_SYNC_SEARCH:
        if (!watch->lost && apply_search(watch, mailbox))
            break;
        ask_comparison(watch, mailbox);
        return;
    case MAIL_SYNC_COMPARE:
        watch->lost = FALSE; /* it would end like this each time */
        missing = compare(watch, mailbox);
        if (missing == 0)
            break;
        watch->step = MAIL_SYNC_ALL;
        fetch_from(watch, NULL, missing);
        return;
    }
    finish(watch, mailbox);
}

/* The server will not tell; whoever looks next has it listed again. */
static void
give_up(MailWatch *watch, MailMailbox *mailbox, const GError *refusal)
{
    MailWant *want = mail_listing_want(watch->account, mailbox);

    watch->fetching = FALSE;
    imap_link_set_bulk(watch->link, FALSE);
    mailbox->fresh = FALSE;
    if (want != NULL)
        mail_account_finish(watch->account, want, refusal);
}

static void
on_fetched(ImapSession *session, const ImapResponse *answer,
           const GError *error, gpointer data)
{
    g_autofree Fetch *fetch = data;
    MailAccount *account = fetch->account;
    MailWatch *watch =
        answer ? mail_listing_watch(account, fetch->mailbox) : NULL;
    MailMailbox *mailbox;
    g_autoptr(GError) refusal = NULL;

    (void)session;
    (void)error;
    if (watch == NULL || watch->serial != fetch->serial)
        return; /* mail_listing_left() has seen to it */
    mailbox = mail_account_mailbox(account, fetch->mailbox);
    /* "No matching messages", say some of an empty mailbox. */
    if (answer->kind != IMAP_OK && imap_link_state(watch->link)->exists > 0)
        refusal = imap_response_error(answer, IMAPFS_ERROR_FAILED);
    else if (!imap_link_is_selected(watch->link))
        refusal = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_PROTOCOL,
                              "the server listed what was not selected");
    if (refusal != NULL && watch->misled) {
        watch->misled = FALSE;
        ask_all(watch, mailbox);
    } else if (refusal != NULL && watch->step == MAIL_SYNC_SEARCH)
        ask_comparison(watch, mailbox);
    else if (refusal != NULL)
        give_up(watch, mailbox, refusal);
    else
        end_step(watch, mailbox);
}

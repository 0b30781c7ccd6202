/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a watcher tells of its mailbox, asked for or not: messages, flags,
 * arrivals, departures.
 */
#include <string.h>

#include "imap/uidset.h"
#include "mail/octets.h"
#include "mail/uids.h"

enum {
    MESSAGES_MAX = 16 << 20,
    MESSAGES_SLACK = 1 << 16, /* expunged ones that are still in the table */
    NUMBERS_GAP = 1 << 20, /* sequence numbers that may be missing, for now */
};

/* ---- telling ---- */

void
mail_watch_tell_mailbox(MailAccount *account, MailMailbox *mailbox)
{
    mailbox->changed_at = clock_wall(account->clock);
    if (account->observer != NULL)
        account->observer->mailbox_changed(mailbox, account->observer_data);
}

void
mail_watch_tell_removed(MailAccount *account, MailMailbox *mailbox,
                        const MailMessage *message)
{
    if (account->observer != NULL)
        account->observer->message_removed(mailbox, message,
                                           account->observer_data);
}

static void
tell_added(MailAccount *account, MailMailbox *mailbox, guint32 uid)
{
    if (account->observer != NULL && account->observer->message_added != NULL)
        account->observer->message_added(
            mailbox, mail_mailbox_find(mailbox, uid), account->observer_data);
}

static void
tell_changed(MailAccount *account, MailMailbox *mailbox, MailMessage *message)
{
    if (account->observer != NULL)
        account->observer->message_changed(mailbox, message,
                                           account->observer_data);
}

/* ---- messages ---- */

static void
note_number(MailWatch *watch, guint32 number, guint32 uid)
{
    guint n = watch->uids->len;
    guint32 exists = imap_link_state(watch->link)->exists;

    /* In the order of UIDs, if it gives them no numbers (RFC 9586). */
    if (number == 0 &&
        (n == 0 || g_array_index(watch->uids, guint32, n - 1) < uid))
        number = n + 1;
    /* Numbers come without very large gaps, or they are made up. */
    if (!watch->numbered || number == 0 || number > MESSAGES_MAX ||
        number > exists || number > n + NUMBERS_GAP)
        return;
    if (number > n)
        g_array_set_size(watch->uids, number);
    g_array_index(watch->uids, guint32, number - 1) = uid;
}

/* What a listing asks for; readers ask for fields of headers, too. */
static gboolean
is_listed(const ImapFetch *fetch, const ImapBody *body)
{
    return fetch->items & IMAP_FETCH_INTERNALDATE &&
           body->section.length > 13 && body->data.data != NULL &&
           g_ascii_strncasecmp(body->section.data, "HEADER.FIELDS", 13) == 0;
}

/*
 * What is kept of MESSAGE may still be another's, because nobody has looked
 * where it was moved from: do that now.  Two that are alike and both there may
 * differ all the same, delivered to two addresses in the same second.
 */
static void
look_for_origin(MailAccount *account, const MailMessage *message)
{
    guint32 key =
        account->store != NULL ? mail_store_origin(account->store, message) : 0;
    g_autoptr(GList) all =
        key != 0 ? mail_mailboxes_all(account->mailboxes) : NULL;

    for (GList *link = all; link != NULL; link = link->next) {
        MailMailbox *mailbox = link->data;
        if (mailbox->stored == key && mailbox->selectable && !mailbox->fresh)
            mail_listing_need(account, mailbox);
    }
}

static void
insert(MailWatch *watch, MailMailbox *mailbox, const ImapFetch *fetch,
       const ImapBody *header)
{
    MailAccount *account = watch->account;
    guint limit = MIN(imap_link_state(watch->link)->exists, MESSAGES_MAX);
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
        message.changed = (guint32)clock_wall(account->clock);
    message.fields = mail_message_pack(
        header->data.data, header->data.length, fetch->emailid.data,
        fetch->emailid.length, fetch->threadid.data, fetch->threadid.length);
    mail_mailbox_insert(mailbox, &message);
    mail_saving_note(account, mailbox, fetch->uid);
    watch->grew = TRUE;
    watch->news |= mailbox->listing == MAIL_LISTED;
    if (mailbox->listing == MAIL_LISTED || watch->anew) {
        tell_added(account, mailbox, fetch->uid);
        look_for_origin(account, mail_mailbox_find(mailbox, fetch->uid));
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
    if (fetch->items & IMAP_FETCH_MODSEQ && fetch->modseq > message->modseq) {
        message->modseq = fetch->modseq;
        mail_saving_note(account, mailbox, message->uid);
    }
    /* Beside octets it is a guard, see ranges.c. */
    if (fetch->items & IMAP_FETCH_SIZE && !mail_range_is_answer(fetch) &&
        fetch->size != message->announced) {
        message->announced = fetch->size;
        mail_reading_resize(account, message, fetch->size);
        mail_range_forget(account, mailbox, message->uid);
        mail_parts_forget(account, mailbox, message->uid);
        changed = TRUE;
    }
    if (changed) {
        message->changed = (guint32)clock_wall(account->clock);
        mailbox->changes++;
        mail_saving_note(account, mailbox, message->uid);
        tell_changed(account, mailbox, message);
    }
}

static void
take_fetch(MailAccount *account, ImapLink *link, ImapFetch fetch)
{
    MailMailbox *mailbox = mail_listing_mailbox(account, link);
    MailWatch *watch = mail_listing_watch_by(account, link);
    MailMessage *message;

    if (mailbox == NULL)
        return;
    if (watch != NULL && fetch.uid == 0 && watch->numbered &&
        fetch.number > 0 && fetch.number <= watch->uids->len)
        fetch.uid = g_array_index(watch->uids, guint32, fetch.number - 1);
    if (fetch.uid == 0) { /* whose flags? */
        if (watch != NULL && !watch->numbered)
            watch->lost = TRUE;
        return;
    }
    if (watch != NULL)
        note_number(watch, fetch.number, fetch.uid);
    message = mail_mailbox_find(mailbox, fetch.uid);
    for (guint i = 0; watch != NULL && message == NULL && i < fetch.n_bodies;
         i++) {
        if (is_listed(&fetch, &fetch.bodies[i]) && !watch->replaced)
            insert(watch, mailbox, &fetch, &fetch.bodies[i]);
    }
    if (message != NULL) {
        update(account, mailbox, message, &fetch);
        if (fetch.preview.data != NULL)
            mail_preview_fetched(account, mailbox, message, fetch.preview);
        mail_range_fetched(account, mailbox, &fetch);
        mail_conversations_fetched(account, mailbox, &fetch);
    }
}

/* ---- departures ---- */

static void
take_expunge(MailWatch *watch, guint32 number)
{
    guint32 uid;

    /* One may go and another come before anybody looks at the count. */
    watch->asked -= number > 0 && number <= watch->asked;
    if (!watch->numbered) {
        watch->lost = TRUE;
        return;
    }
    if (number == 0 || number > watch->uids->len)
        return;
    uid = g_array_index(watch->uids, guint32, number - 1);
    g_array_remove_index(watch->uids, number - 1);
    watch->prefix -= number <= watch->prefix;
    if (uid != 0)
        g_array_append_val(watch->removed, uid);
}

/* Those whose UIDs are in REMOVED, which is sorted, have no number any more. */
static void
renumber(MailWatch *watch)
{
    guint to = 0;
    guint before_prefix = 0;

    for (guint i = 0; i < watch->uids->len; i++) {
        guint32 uid = g_array_index(watch->uids, guint32, i);
        if (uid != 0 && g_array_binary_search(watch->removed, &uid,
                                              mail_uids_compare, NULL)) {
            before_prefix += i < watch->prefix;
            continue;
        }
        g_array_index(watch->uids, guint32, to++) = uid;
    }
    g_array_set_size(watch->uids, to);
    watch->prefix -= before_prefix;
}

/* VANISHED (EARLIER) tells what had gone before EXISTS was counted. */
static void
take_vanished(MailWatch *watch, MailMailbox *mailbox, gboolean earlier,
              ImapSlice uids)
{
    guint known = watch->removed->len;
    guint32 first;
    guint32 last;

    while (imap_uidset_next(&uids, &first, &last)) {
        if (!earlier)
            watch->asked -=
                (guint32)MIN((guint64)last - first + 1, watch->asked);
        for (guint i = mail_mailbox_seek(mailbox, first);
             i < mail_mailbox_count(mailbox) &&
             mail_mailbox_at(mailbox, i)->uid <= last;
             i++)
            g_array_append_val(watch->removed,
                               mail_mailbox_at(mailbox, i)->uid);
    }
    if (watch->removed->len == known)
        return;
    g_array_sort(watch->removed, mail_uids_compare);
    if (watch->numbered)
        renumber(watch);
}

void
mail_watch_remove_expunged(MailWatch *watch, MailMailbox *mailbox)
{
    guint count = mail_mailbox_count(mailbox);
    g_autofree guint8 *keep = NULL;
    guint32 last = 0;
    guint n = 0;

    if (watch->removed->len == 0)
        return;
    keep = g_malloc(count + 1);
    memset(keep, TRUE, count + 1);
    g_array_sort(watch->removed, mail_uids_compare);
    for (guint i = 0; i < watch->removed->len; i++) {
        guint32 uid = g_array_index(watch->removed, guint32, i);
        MailMessage *message = mail_mailbox_find(mailbox, uid);
        if (message == NULL || uid == last)
            continue;
        keep[mail_mailbox_seek(mailbox, uid)] = FALSE;
        mail_watch_tell_removed(watch->account, mailbox, message);
        mail_saving_note_removed(watch->account, mailbox, uid);
        last = uid;
        n++;
    }
    g_array_set_size(watch->removed, 0);
    if (n == 1)
        mail_mailbox_remove(mailbox, last, last);
    else if (n > 0)
        mail_mailbox_retain(mailbox, keep);
    watch->grew |= n > 0;
    watch->news |= n > 0 && mailbox->listing == MAIL_LISTED;
}

/* ---- the door ---- */

void
mail_watch_untagged(MailAccount *account, ImapLink *link,
                    const ImapResponse *response)
{
    MailWatch *watch = mail_listing_watch_by(account, link);
    MailMailbox *mailbox = mail_listing_mailbox(account, link);

    if (response->kind == IMAP_FETCH)
        take_fetch(account, link, response->fetch);
    if (watch == NULL || mailbox == NULL)
        return;
    if (response->kind == IMAP_EXPUNGE)
        take_expunge(watch, response->number);
    else if (response->kind == IMAP_VANISHED && imap_link_says_vanished(link))
        take_vanished(watch, mailbox, response->vanished.earlier,
                      response->vanished.uids);
}

/* A directory is read in UID order, whatever order FETCH comes in: what is
 * shown of a listing that arrives ends where the first message is missing. */
static void
advance(MailWatch *watch, MailMailbox *mailbox)
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
mail_watch_settled(MailAccount *account, ImapLink *link)
{
    MailWatch *watch = mail_listing_watch_by(account, link);
    MailMailbox *mailbox;
    MailWant *want;

    if (watch == NULL || !imap_link_is_selected(link))
        return;
    mailbox = mail_account_mailbox(account, watch->mailbox);
    mail_watch_remove_expunged(watch, mailbox);
    if (mailbox->listing != MAIL_LISTED)
        advance(watch, mailbox);
    if (watch->grew) {
        watch->grew = FALSE;
        if (watch->news)
            mail_watch_tell_mailbox(account, mailbox);
        watch->news = FALSE;
        want = mail_listing_want(account, mailbox);
        if (want != NULL)
            mail_want_wake(want, NULL);
    }
    if (watch->fetching)
        return;
    if (watch->lost)
        mail_listing_distrust(account, mailbox);
    else if (imap_link_state(link)->exists > watch->asked)
        mail_sync_fetch_rest(watch, mailbox);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Octets of sections of messages: which of them are here, in memory or in the
 * store, and wants for those that are not.  They are fetched in chunks, and
 * ahead of whoever reads straight on.
 *
 * What is asked for of many messages at once, from the same section, goes into
 * one command.  Every FETCH of octets also asks for RFC822.SIZE, as a guard.  A
 * server that serves a made-up message in place of one that was expunged gives
 * it away by its size; nothing is kept of such an answer.
 *
 * Some sections are fetched whole, since nobody knows how long they are: those
 * of headers, parts that are said to be empty, and what is no section but kept
 * like one, BODYSTRUCTURE and BINARY.SIZE.  A NUL is kept behind such a one:
 * all of it is there.
 */
#include <string.h>

#include "base/error.h"
#include "imap/limits.h"
#include "imap/uidset.h"
#include "mail/content.h"
#include "mail/octets.h"

enum {
    BATCH_MESSAGES = 128, /* in one command */
    BATCH_OCTETS = 512 << 10,
    UNKNOWN_OCTETS = 1 << 10, /* of what is fetched whole, about */
    WHOLE_MAX = 4 << 20,
};

struct MailRanges {
    MailContent *content;
    gsize limit;
    GHashTable *wants; /* message -> GSList of MailWant */
};

/* The wants that one command is to fill. */
typedef struct {
    MailAccount *account;
    GPtrArray *wants;
} Batch;

/* ---- keys ---- */

static guint64
message_id(guint16 mailbox, guint32 uid)
{
    return (guint64)mailbox << 32 | uid;
}

static MailContentKey
key_of(const MailSection *section)
{
    return (MailContentKey){section->mailbox->id, section->mailbox->uidvalidity,
                            section->message->uid, section->name};
}

MailRanges *
mail_ranges_new(gsize limit)
{
    MailRanges *ranges = g_new0(MailRanges, 1);
    ranges->content = mail_content_new(limit);
    ranges->limit = limit;
    ranges->wants =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    return ranges;
}

void
mail_ranges_free(MailRanges *ranges)
{
    mail_content_free(ranges->content);
    g_hash_table_unref(ranges->wants);
    g_free(ranges);
}

gsize
mail_ranges_limit(const MailRanges *ranges)
{
    return ranges->limit;
}

gsize
mail_ranges_size(const MailRanges *ranges)
{
    return mail_content_size(ranges->content);
}

gboolean
mail_range_fits(const MailAccount *account, guint64 size)
{
    return account->store != NULL || size <= account->ranges->limit / 2;
}

/* ---- octets ---- */

guint64
mail_range_have(MailAccount *account, const MailSection *section,
                guint64 offset)
{
    MailContent *content = account->ranges->content;
    MailContentKey key = key_of(section);
    guint64 have = mail_content_extent(content, &key, offset);
    g_autoptr(GBytes) bytes = NULL;
    gconstpointer data;
    guint64 start;
    gsize length;

    if (have > 0 || account->store == NULL)
        return have;
    mail_saving_settle(account);
    bytes = mail_store_get(account->store, section->mailbox, section->message,
                           section->name, offset, &start);
    if (bytes == NULL)
        return 0;
    data = g_bytes_get_data(bytes, &length);
    mail_content_store(content, &key, start, data, length);
    return mail_content_extent(content, &key, offset);
}

/* How many octets are here from OFFSET on; nothing is brought anywhere. */
static guint64
extent_of(MailAccount *account, const MailSection *section, guint64 offset)
{
    MailContentKey key = key_of(section);
    guint64 have = mail_content_extent(account->ranges->content, &key, offset);

    if (have > 0 || account->store == NULL)
        return have;
    mail_saving_settle(account);
    return mail_store_extent(account->store, section->mailbox, section->message,
                             section->name, offset);
}

gboolean
mail_range_is_here(MailAccount *account, const MailSection *section,
                   guint64 offset)
{
    return extent_of(account, section, offset) > 0;
}

guint64
mail_range_missing(MailAccount *account, const MailSection *section,
                   guint64 offset)
{
    guint64 have;

    while (offset < section->size &&
           (have = extent_of(account, section, offset)) > 0)
        offset += have;
    return MIN(offset, section->size);
}

void
mail_range_copy(MailAccount *account, const MailSection *section,
                guint64 offset, void *buffer, gsize length)
{
    MailContentKey key = key_of(section);
    mail_content_copy(account->ranges->content, &key, offset, buffer, length);
}

void
mail_range_forget(MailAccount *account, MailMailbox *mailbox, guint32 uid)
{
    MailContentKey key = {mailbox->id, mailbox->uidvalidity, uid, MAIL_WHOLE};
    mail_content_forget(account->ranges->content, &key);
    mail_saving_forget_octets(account, mailbox, uid);
}

/* ---- wants of a message ---- */

GSList *
mail_range_wants(MailAccount *account, guint16 mailbox, guint32 uid)
{
    guint64 id = message_id(mailbox, uid);
    return g_hash_table_lookup(account->ranges->wants, &id);
}

static void
set_wants(MailAccount *account, guint16 mailbox, guint32 uid, GSList *wants)
{
    guint64 id = message_id(mailbox, uid);
    if (wants == NULL)
        g_hash_table_remove(account->ranges->wants, &id);
    else
        g_hash_table_insert(account->ranges->wants, g_memdup2(&id, sizeof id),
                            wants);
}

void
mail_range_finished(MailAccount *account, MailWant *want, const GError *error)
{
    GSList *wants = mail_range_wants(account, want->mailbox, want->uid);
    set_wants(account, want->mailbox, want->uid, g_slist_remove(wants, want));
    if (error != NULL)
        mail_parts_note_failure(account, want, error);
}

MailWant *
mail_range_need(MailAccount *account, const MailSection *section,
                guint64 offset, guint64 length)
{
    guint32 uid = section->message->uid;
    guint16 mailbox = section->mailbox->id;
    GSList *wants = mail_range_wants(account, mailbox, uid);
    MailWant *want;

    for (GSList *at = wants; at != NULL; at = at->next) {
        want = at->data;
        if (want->offset <= offset && offset - want->offset < want->length &&
            strcmp(want->section, section->name) == 0) {
            /* It may be one nobody waited for until now. */
            mail_account_plan_soon(account);
            return want;
        }
    }
    want = mail_account_add_want(account, MAIL_WANT_RANGE, mailbox);
    want->uid = uid;
    want->section = g_strdup(section->name);
    want->offset = offset;
    want->length = length;
    want->expected =
        length == MAIL_WANT_ALL
            ? UNKNOWN_OCTETS
            : MIN(length, section->size - MIN(offset, section->size));
    set_wants(account, mailbox, uid, g_slist_prepend(wants, want));
    return want;
}

MailWant *
mail_range_need_gap(MailAccount *account, const MailSection *section,
                    guint64 offset, guint64 length)
{
    MailContentKey key = key_of(section);
    GSList *wants =
        mail_range_wants(account, section->mailbox->id, section->message->uid);

    length = mail_content_gap(account->ranges->content, &key, offset, length);
    for (GSList *at = wants; at != NULL; at = at->next) {
        const MailWant *want = at->data;
        if (want->offset > offset && strcmp(want->section, section->name) == 0)
            length = MIN(length, want->offset - offset);
    }
    return mail_range_need(account, section, offset, length);
}

guint64
mail_range_end(const MailSection *section)
{
    gboolean is_proven = *section->name == '\0' && section->message->proven;
    return section->size + !is_proven;
}

/* ---- planning ---- */

static gboolean
is_whole(const MailWant *want)
{
    return *want->section == '\0';
}

/* FALSE once its message is gone from MAILBOX. */
static gboolean
is_filled(MailAccount *account, MailMailbox *mailbox, MailMessage *message,
          const MailWant *want)
{
    MailSection section = {mailbox, message, want->section, message->size};
    guint64 end =
        want->offset + (is_whole(want) ? want->length : MAX(want->expected, 1));

    if (want->length == MAIL_WANT_ALL)
        return mail_range_is_here(account, &section, 0);
    if (is_whole(want) && want->offset >= message->size)
        return TRUE;
    return want->offset + mail_range_have(account, &section, want->offset) >=
           MIN(end, message->size);
}

/* The tagged answer has come and WANT is not filled. */
static void
give_up(MailAccount *account, ImapLink *link, MailWant *want,
        const ImapResponse *answer)
{
    MailMailbox *mailbox = mail_account_mailbox(account, want->mailbox);
    g_autoptr(GError) error = NULL;

    if (mailbox == NULL || mail_mailbox_find(mailbox, want->uid) == NULL) {
        error = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_NOT_FOUND,
                            "the message is gone");
    } else if (link != NULL && imap_link_is_selected(link) &&
               mail_listing_mailbox(account, link) == NULL) {
        error = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_STALE,
                            "the mailbox was replaced by another");
    } else if (mail_parts_not_sent(account, mailbox, want,
                                   answer->kind != IMAP_OK &&
                                       want->tries == 0)) {
        mail_account_finish(account, want, NULL);
        return;
    } else if (want->tries == 0 && !want->ahead) {
        /* It may have been expunged; the second try will find that out. */
        error = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_FAILED,
                            "the server did not send the message");
        mail_account_retry(account, want, error);
        return;
    } else if (answer->kind != IMAP_OK) {
        error = imap_response_error(answer, IMAPFS_ERROR_FAILED);
    } else {
        error = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_FAILED,
                            "the server did not send the message");
    }
    if (mailbox != NULL && !want->ahead)
        mail_listing_distrust(account, mailbox);
    mail_account_finish(account, want, error);
}

/* The connection was lost under WANT. */
static void
try_again(MailAccount *account, MailWant *want, const GError *error)
{
    MailMailbox *mailbox = mail_account_mailbox(account, want->mailbox);

    if (mailbox != NULL && mail_parts_lost(account, mailbox, want))
        mail_account_finish(account, want, NULL);
    else
        mail_account_retry(account, want, error);
}

/* One message may be why a command about many is refused: what is asked of the
 * others is asked again, of each of them.  What is only read ahead is not worth
 * that, but for what messages are made of, which lists of attachments need. */
static gboolean
try_alone(const Batch *batch, MailWant *want, const ImapResponse *answer)
{
    if (answer->kind == IMAP_OK || batch->wants->len == 1 || want->tries > 0 ||
        (want->ahead && strcmp(want->section, MAIL_STRUCTURE) != 0))
        return FALSE;
    want->tries++;
    mail_account_again(batch->account, want);
    return TRUE;
}

static void
on_answered(ImapSession *session, const ImapResponse *answer,
            const GError *error, gpointer data)
{
    Batch *batch = data;
    MailAccount *account = batch->account;

    for (guint i = 0; i < batch->wants->len; i++) {
        MailWant *want = g_ptr_array_index(batch->wants, i);
        if (want->state != MAIL_WANT_SENT)
            continue;
        if (answer == NULL)
            try_again(account, want, error);
        else if (!try_alone(batch, want, answer))
            give_up(account, imap_pool_find(account->pool, session), want,
                    answer);
    }
    g_ptr_array_unref(batch->wants);
    g_free(batch);
    mail_account_plan_soon(account);
}

static int
compare_uids(gconstpointer a, gconstpointer b)
{
    const MailWant *one = *(MailWant *const *)a;
    const MailWant *other = *(MailWant *const *)b;
    return one->uid < other->uid ? -1 : one->uid > other->uid;
}

static gboolean
may_go_along(const MailWant *want, const MailWant *other)
{
    return other->state == MAIL_WANT_PENDING &&
           other->kind == MAIL_WANT_RANGE && other->mailbox == want->mailbox;
}

/* They ask the same of two messages.  What was tried before goes alone: it may
 * be what the server refuses. */
static gboolean
are_alike(const MailWant *want, const MailWant *other)
{
    return may_go_along(want, other) && other->ahead == want->ahead &&
           other->tries == 0 && want->tries == 0 && other->uid != want->uid &&
           other->offset == want->offset && other->length == want->length &&
           strcmp(other->section, want->section) == 0;
}

/* They ask for two things of one message. */
static gboolean
are_siblings(const MailWant *want, const MailWant *other)
{
    return may_go_along(want, other) && other->uid == want->uid &&
           want->tries == 0 && other->tries == 0 &&
           !g_str_has_prefix(other->section, MAIL_BINARY_SIZE);
}

/* Adds pending wants that go along with the first one. */
static void
gather_some(Batch *batch, guint max,
            gboolean (*go_along)(const MailWant *want, const MailWant *other))
{
    MailWant *want = g_ptr_array_index(batch->wants, 0);
    guint64 octets = want->expected;

    for (GList *link = batch->account->pending.head;
         link != NULL && batch->wants->len < max && octets < BATCH_OCTETS;
         link = link->next) {
        MailWant *other = link->data;
        if (!go_along(want, other))
            continue;
        octets += other->expected;
        other->state = MAIL_WANT_SENT;
        g_ptr_array_add(batch->wants, mail_want_ref(other));
    }
}

/* Puts WANT into one command with pending ones that ask the same of other
 * messages; if there are none, with what is asked of the same message. */
static Batch *
gather(MailAccount *account, MailWant *want)
{
    Batch *batch = g_new(Batch, 1);

    batch->account = account;
    batch->wants =
        g_ptr_array_new_with_free_func((GDestroyNotify)mail_want_unref);
    g_ptr_array_add(batch->wants, mail_want_ref(want));
    want->state = MAIL_WANT_SENT;
    gather_some(batch, BATCH_MESSAGES, are_alike);
    g_ptr_array_sort(batch->wants, compare_uids);
    if (batch->wants->len == 1 &&
        !g_str_has_prefix(want->section, MAIL_BINARY_SIZE))
        gather_some(batch, IMAP_BODIES_MAX, are_siblings);
    return batch;
}

/* BODYSTRUCTURE, BINARY.SIZE[1]: kept like a section, and is none. */
static gboolean
is_no_section(const char *name)
{
    return strcmp(name, MAIL_STRUCTURE) == 0 ||
           g_str_has_prefix(name, MAIL_BINARY_SIZE);
}

static void
add_item(ImapCommand *command, const MailWant *want)
{
    if (is_no_section(want->section))
        imap_command_add(command, " %s", want->section);
    else if (want->length == MAIL_WANT_ALL)
        imap_command_add(command, " BODY.PEEK[%s]", want->section);
    else
        imap_command_add(command,
                         " BODY.PEEK[%s]<%" G_GUINT64_FORMAT
                         ".%" G_GUINT64_FORMAT ">",
                         want->section, want->offset, want->length);
}

static ImapCommand *
command_for(const Batch *batch)
{
    const MailWant *first = g_ptr_array_index(batch->wants, 0);
    g_autoptr(GString) uids = g_string_new(NULL);
    ImapUidsetWriter writer = {uids, 0, 0};
    ImapCommand *command;

    for (guint i = 0; i < batch->wants->len; i++) {
        const MailWant *want = g_ptr_array_index(batch->wants, i);
        if (i == 0 || want->uid != first->uid)
            imap_uidset_add(&writer, want->uid);
    }
    imap_uidset_end(&writer);
    command = imap_command_new("UID FETCH %s (UID RFC822.SIZE", uids->str);
    for (guint i = 0; i < batch->wants->len; i++) {
        const MailWant *want = g_ptr_array_index(batch->wants, i);
        if (i == 0 || want->uid == first->uid)
            add_item(command, want);
    }
    imap_command_add(command, ")");
    return command;
}

gboolean
mail_range_plan(MailAccount *account, MailWant *want)
{
    MailMailbox *mailbox = mail_account_mailbox(account, want->mailbox);
    g_autoptr(GError) gone = NULL;
    ImapLink *link;
    Batch *batch;

    if (mailbox == NULL || mail_mailbox_find(mailbox, want->uid) == NULL) {
        gone = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_NOT_FOUND,
                           "the message is gone");
        mail_account_finish(account, want, gone);
        return TRUE;
    }
    link =
        imap_pool_lend(account->pool, mailbox->name,
                       want->ahead ? IMAP_LOAN_AHEAD : IMAP_LOAN_INTERACTIVE);
    if (link == NULL)
        return FALSE;
    batch = gather(account, want);
    imap_link_send(link, command_for(batch), on_answered, batch);
    return TRUE;
}

/* ---- what the server sent ---- */

/* What it calls the section it was asked for by NAME: in another case, perhaps,
 * or with quotes around the names of fields. */
static gboolean
is_named(ImapSlice given, const char *name)
{
    for (gsize i = 0; i < given.length; i++) {
        if (given.data[i] == '"')
            continue;
        if (g_ascii_tolower(given.data[i]) != g_ascii_tolower(*name))
            return FALSE;
        name++;
    }
    return *name == '\0';
}

static void
keep(MailAccount *account, const MailSection *section, guint64 offset,
     ImapSlice data)
{
    MailContentKey key = key_of(section);

    mail_content_store(account->ranges->content, &key, offset, data.data,
                       data.length);
    mail_saving_put(account, section->mailbox, section->message->uid,
                    section->name, offset, data);
}

/* What has to be there, if the message has any octets at all. */
static gboolean
is_header(const char *section)
{
    return strstr(section, "HEADER") != NULL;
}

/* One that is fetched whole is said to be empty. */
static gboolean
is_part(const char *section)
{
    return g_ascii_isdigit(*section) && !is_header(section);
}

/* All of something, kept with a NUL behind it. */
static void
take_all(MailAccount *account, const MailSection *section, MailWant *want,
         ImapSlice data)
{
    gsize length = MIN(data.length, (gsize)WHOLE_MAX);
    g_autofree char *copy = NULL;

    if (length == 0 && is_header(section->name) && section->size > 0)
        return;
    if (!is_part(section->name) ||
        mail_parts_learn(account, section, 0, data.length, G_MAXINT64)) {
        copy = g_malloc(length + 1);
        if (length > 0)
            memcpy(copy, data.data, length);
        copy[length] = '\0';
        keep(account, section, 0, (ImapSlice){copy, length + 1});
    }
    if (strcmp(section->name, MAIL_STRUCTURE) == 0)
        mail_views_structure_came(account, section->mailbox, section->message);
    mail_account_finish(account, want, NULL);
}

/* Nothing else of this section is under way. */
static gboolean
is_alone(MailAccount *account, const MailWant *asked)
{
    for (GSList *at = mail_range_wants(account, asked->mailbox, asked->uid);
         at != NULL; at = at->next) {
        const MailWant *want = at->data;
        if (want != asked && want->state == MAIL_WANT_SENT &&
            strcmp(want->section, asked->section) == 0)
            return FALSE;
    }
    return TRUE;
}

/* How many octets ASKED asked for, if BODY is what it was answered with; else
 * 0. */
static guint64
asked_for(MailAccount *account, const MailSection *section,
          const MailWant *asked, const ImapBody *body)
{
    if (body->origin < 0) {
        /* Some servers send all of it whatever was asked for. */
        if (body->data.length > asked->length ||
            body->data.length == mail_parts_octets(account, section->mailbox,
                                                   section->message,
                                                   section->name))
            return G_MAXINT64;
        if (asked->offset > 0 || !is_alone(account, asked))
            return 0; /* from where? */
    }
    return body->data.length <= asked->length ? asked->length : 0;
}

static void
take_range(MailAccount *account, const MailSection *section, MailWant *asked,
           const ImapBody *body)
{
    g_autoptr(GSList) wants = g_slist_copy(
        mail_range_wants(account, section->mailbox->id, section->message->uid));
    guint64 origin = body->origin < 0 ? 0 : (guint64)body->origin;
    guint64 length = asked_for(account, section, asked, body);
    gboolean believed;

    if (length == 0)
        return;
    if (is_whole(asked)) {
        keep(account, section, origin, body->data);
        mail_reading_learn(account, section->mailbox, section->message, origin,
                           body->data.length, length);
        believed = body->data.length > 0;
    } else {
        /* What does not agree would be taken for the part once its length
         * has been seen. */
        if (mail_parts_learn(account, section, origin, body->data.length,
                             length))
            keep(account, section, origin, body->data);
        believed = TRUE;
    }
    for (GSList *at = wants; at != NULL; at = at->next) {
        MailWant *want = at->data;
        if (want->state != MAIL_WANT_SENT ||
            strcmp(want->section, section->name) != 0)
            continue;
        if ((want == asked && believed) ||
            is_filled(account, section->mailbox, section->message, want))
            mail_account_finish(account, want, NULL);
    }
}

/* DATA came as BODY; BODY->section is what it is called. */
static void
take(MailAccount *account, MailMailbox *mailbox, MailMessage *message,
     const ImapBody *body)
{
    MailSection section = {mailbox, message, NULL, message->size};
    MailWant *asked = NULL;

    if (body->data.data == NULL)
        return;
    for (GSList *at = mail_range_wants(account, mailbox->id, message->uid);
         at != NULL; at = at->next) {
        MailWant *want = at->data;
        if (want->state == MAIL_WANT_SENT &&
            is_named(body->section, want->section) &&
            (body->origin < 0 || want->offset == (guint64)body->origin))
            asked = want;
    }
    if (asked == NULL)
        return; /* nobody asked for this */
    asked = mail_want_ref(asked);
    section.name = asked->section;
    if (asked->length == MAIL_WANT_ALL)
        take_all(account, &section, asked, body->data);
    else
        take_range(account, &section, asked, body);
    mail_want_unref(asked);
}

gboolean
mail_range_is_answer(const ImapFetch *fetch)
{
    return fetch->n_bodies > 0 || fetch->structure.data != NULL ||
           fetch->binary_size >= 0;
}

void
mail_range_fetched(MailAccount *account, MailMailbox *mailbox,
                   const ImapFetch *fetch)
{
    MailMessage *message = mail_mailbox_find(mailbox, fetch->uid);

    if (message == NULL || !mail_range_is_answer(fetch))
        return;
    if (!(fetch->items & IMAP_FETCH_SIZE) ||
        fetch->size != message->announced) {
        if (mail_range_wants(account, mailbox->id, fetch->uid) != NULL)
            mail_listing_distrust(account, mailbox);
        return;
    }
    for (guint i = 0; i < fetch->n_bodies; i++)
        take(account, mailbox, message, &fetch->bodies[i]);
    if (fetch->structure.data != NULL) {
        ImapBody body = {
            .section = {MAIL_STRUCTURE, strlen(MAIL_STRUCTURE)},
            .origin = -1,
            .data = fetch->structure,
        };
        take(account, mailbox, message, &body);
    }
    if (fetch->binary_size >= 0) {
        g_autofree char *name = g_strdup_printf(
            MAIL_BINARY_SIZE "%.*s]", (int)fetch->binary_section.length,
            fetch->binary_section.data);
        g_autofree char *size =
            g_strdup_printf("%" G_GINT64_FORMAT, fetch->binary_size);
        ImapBody body = {
            .section = {name, strlen(name)},
            .origin = -1,
            .data = {size, strlen(size)},
        };
        take(account, mailbox, message, &body);
    }
}

/* ---- what is fetched whole ---- */

gboolean
mail_range_read_all(MailAccount *account, const MailSection *section,
                    GBytes **ret, MailFault *fault)
{
    GByteArray *all = g_byte_array_new();
    guint64 have;

    while (all->len <= WHOLE_MAX &&
           (have = mail_range_have(account, section, all->len)) > 0) {
        guint n = (guint)MIN(have, (guint64)WHOLE_MAX + 1 - all->len);
        guint at = all->len;
        g_byte_array_set_size(all, at + n);
        mail_range_copy(account, section, at, all->data + at, n);
    }
    if (all->len > 0 && all->data[all->len - 1] == '\0') {
        g_byte_array_set_size(all, all->len - 1);
        *ret = g_byte_array_free_to_bytes(all);
        return TRUE;
    }
    g_byte_array_unref(all);
    if (mail_account_offline_fault(account, fault))
        return FALSE;
    return mail_fault_want(fault,
                           mail_range_need(account, section, 0, MAIL_WANT_ALL));
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What messages are made of, and where in them it stands.
 *
 * The server is asked for BODYSTRUCTURE, and believed until something speaks
 * against it: it makes no sense, a section it names is not sent, or has another
 * number of octets.  Then the message itself is fetched, once, and its parts
 * are found there.  A part is taken out of a message that is here only if both
 * agree about its octets; a message is never put together from parts.
 */
#include <string.h>

#include "base/error.h"
#include "mail/octets.h"

enum {
    ENTRIES_MAX = 4096,
    LOCAL_MAX = 8 << 20,   /* of a message that is parsed for one part */
    WHOLE_MAX = 256 << 20, /* of one that is parsed since it must be */
    HEADER_MAX = 4 << 20,
    CHUNK = 1 << 20, /* of a message that is fetched for its parts */
    CHUNKS_AT_ONCE = 8,
    STRIKES_MAX = 3, /* then the server is not asked for BINARY */
    STALLS_MAX = 64, /* then a message does not come to be here as a whole */
};

typedef struct {
    guint64 id; /* mailbox and UID */
    guint32 uidvalidity;
    MailStructure *structure;
    MailStructure *local; /* of the message that is here, beside the server's */
    gboolean distrusted;  /* what the server says of its parts is wrong */
    gboolean promised;    /* somebody was told a size that rests on it */
    gboolean no_binary;   /* BINARY.SIZE does not work for it */
    gboolean refused;     /* the server did not tell, when it was asked last */
    guint64 reached;      /* octets of the message that were here at a time */
    guint stalls;         /* how often there were no more of them */
    GList recent;
} Entry;

struct MailParts {
    GHashTable *entries; /* id -> Entry */
    GQueue recent;       /* used longest ago first */
    guint strikes;       /* messages for which BINARY.SIZE did not work */
};

/* ---- entries ---- */

static void
free_entry(gpointer data)
{
    Entry *entry = data;
    g_clear_pointer(&entry->structure, mail_structure_free);
    g_clear_pointer(&entry->local, mail_structure_free);
    g_free(entry);
}

MailParts *
mail_parts_new(void)
{
    MailParts *parts = g_new0(MailParts, 1);
    parts->entries =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, free_entry);
    g_queue_init(&parts->recent);
    return parts;
}

void
mail_parts_free(MailParts *parts)
{
    g_hash_table_unref(parts->entries);
    g_free(parts);
}

static guint64
id_of(const MailMailbox *mailbox, guint32 uid)
{
    return (guint64)mailbox->id << 32 | uid;
}

static void
drop_entry(MailParts *parts, Entry *entry)
{
    g_queue_unlink(&parts->recent, &entry->recent);
    g_hash_table_remove(parts->entries, &entry->id);
}

/* NULL when nothing is known of it. */
static Entry *
find_entry(MailAccount *account, const MailMailbox *mailbox, guint32 uid)
{
    MailParts *parts = account->parts;
    guint64 id = id_of(mailbox, uid);
    Entry *entry = g_hash_table_lookup(parts->entries, &id);

    if (entry != NULL && entry->uidvalidity != mailbox->uidvalidity) {
        drop_entry(parts, entry);
        return NULL;
    }
    return entry;
}

static Entry *
entry_of(MailAccount *account, const MailMailbox *mailbox, guint32 uid)
{
    MailParts *parts = account->parts;
    Entry *entry = find_entry(account, mailbox, uid);

    if (entry == NULL) {
        if (parts->recent.length >= ENTRIES_MAX)
            drop_entry(parts, parts->recent.head->data);
        entry = g_new0(Entry, 1);
        entry->id = id_of(mailbox, uid);
        entry->uidvalidity = mailbox->uidvalidity;
        entry->recent.data = entry;
        g_hash_table_insert(parts->entries, &entry->id, entry);
    } else {
        g_queue_unlink(&parts->recent, &entry->recent);
    }
    g_queue_push_tail_link(&parts->recent, &entry->recent);
    return entry;
}

void
mail_parts_forget(MailAccount *account, const MailMailbox *mailbox, guint32 uid)
{
    Entry *entry = find_entry(account, mailbox, uid);
    if (entry != NULL)
        drop_entry(account->parts, entry);
    mail_decoding_forget(account, mailbox, uid);
    mail_views_forget(account, mailbox, uid);
}

/* ---- trust ---- */

/*
 * What the server says of the parts of a message is wrong.  Who was promised
 * something that rests on it must not get half of something else.
 */
static void
distrust(MailAccount *account, MailMailbox *mailbox, MailMessage *message)
{
    Entry *entry = entry_of(account, mailbox, message->uid);
    gboolean promised = entry->promised;
    guint n = entry->structure ? entry->structure->n : 0;
    g_autoptr(GError) error = NULL;
    g_autoptr(GSList) wants = NULL;

    if (entry->distrusted)
        return;
    g_message("UID %u of %s: what the server says of its parts is wrong; the "
              "message is looked at instead",
              message->uid, mailbox->leaf);
    mail_parts_forget(account, mailbox, message->uid);
    entry_of(account, mailbox, message->uid)->distrusted = TRUE;
    if (!promised)
        return;
    if (account->observer != NULL)
        account->observer->parts_changed(mailbox, message, n,
                                         account->observer_data);
    error = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_FAILED,
                        "the server was wrong about the parts of the message");
    wants = g_slist_copy(mail_range_wants(account, mailbox->id, message->uid));
    for (GSList *at = wants; at != NULL; at = at->next)
        mail_want_wake(at->data, error);
}

void
mail_parts_promise(MailAccount *account, const MailMailbox *mailbox,
                   guint32 uid)
{
    Entry *entry = find_entry(account, mailbox, uid);
    if (entry != NULL && entry->structure != NULL && !entry->structure->local)
        entry->promised = TRUE;
}

static const MailPart *
part_named(const MailStructure *structure, const char *section)
{
    for (guint i = 1; structure != NULL && i < structure->n; i++) {
        const MailPart *part = &structure->parts[i];
        if (part->section != NULL && strcmp(part->section, section) == 0)
            return part;
    }
    return NULL;
}

guint64
mail_parts_octets(MailAccount *account, MailMailbox *mailbox,
                  MailMessage *message, const char *section)
{
    const MailStructure *structure;
    const MailPart *part;

    if (*section == '\0')
        return message->announced;
    /* What is found in the message is no measure for what is kept: after the
     * next mount the server is believed again until it is caught. */
    structure = mail_parts_peek(account, mailbox, message);
    if (structure == NULL || structure->local)
        return MAIL_WANT_ALL;
    part = part_named(structure, section);
    return part ? part->octets : MAIL_WANT_ALL;
}

gboolean
mail_parts_learn(MailAccount *account, const MailSection *section,
                 guint64 origin, guint64 n, guint64 asked)
{
    guint64 octets = mail_parts_octets(account, section->mailbox,
                                       section->message, section->name);
    guint64 end = origin + n;

    if (octets == MAIL_WANT_ALL)
        return FALSE;
    if (end <= octets && (n == asked || end == octets))
        return TRUE;
    distrust(account, section->mailbox, section->message);
    return FALSE;
}

static gboolean
is_binary_size(const MailWant *want)
{
    return g_str_has_prefix(want->section, MAIL_BINARY_SIZE);
}

gboolean
mail_parts_lost(MailAccount *account, MailMailbox *mailbox,
                const MailWant *want)
{
    if (!is_binary_size(want))
        return FALSE;
    /* Some servers hang up on it. */
    entry_of(account, mailbox, want->uid)->no_binary = TRUE;
    account->parts->strikes++;
    return TRUE;
}

gboolean
mail_parts_not_sent(MailAccount *account, MailMailbox *mailbox,
                    const MailWant *want, gboolean first_refusal)
{
    MailMessage *message = mail_mailbox_find(mailbox, want->uid);

    if (message == NULL || *want->section == '\0')
        return FALSE;
    if (is_binary_size(want))
        return mail_parts_lost(account, mailbox, want);
    if (first_refusal)
        return FALSE;
    distrust(account, mailbox, message);
    return TRUE;
}

void
mail_parts_note_failure(MailAccount *account, const MailWant *want,
                        const GError *error)
{
    MailMailbox *mailbox = mail_account_mailbox(account, want->mailbox);
    gboolean tells =
        *want->section == '\0' || strcmp(want->section, MAIL_STRUCTURE) == 0;

    /* A server that cannot be reached may tell tomorrow. */
    if (mailbox != NULL && tells && (want->tries > 0 || !want->ahead) &&
        error->domain == IMAPFS_ERROR &&
        (error->code == IMAPFS_ERROR_FAILED ||
         error->code == IMAPFS_ERROR_PROTOCOL))
        entry_of(account, mailbox, want->uid)->refused = TRUE;
}

gboolean
mail_parts_are_refused(MailAccount *account, const MailMailbox *mailbox,
                       guint32 uid)
{
    const Entry *entry = find_entry(account, mailbox, uid);
    return entry != NULL && entry->structure == NULL && entry->refused;
}

/* ---- the whole message ---- */

/* Who fetches what cannot be kept, since the disk is full, say, would do so for
 * ever. */
static gboolean
gets_on(MailAccount *account, const MailSection *whole, guint64 missing)
{
    Entry *entry = entry_of(account, whole->mailbox, whole->message->uid);

    if (missing > entry->reached) {
        entry->reached = missing;
        entry->stalls = 0;
        return TRUE;
    }
    if (++entry->stalls <= STALLS_MAX)
        return TRUE;
    entry->reached = entry->stalls = 0;
    return FALSE;
}

/* Asks for what is missing of it, several chunks at once. */
static gboolean
fetch_whole(MailAccount *account, const MailSection *whole, guint64 missing,
            MailFault *fault)
{
    MailWant *first = NULL;

    if (mail_account_offline_fault(account, fault))
        return FALSE;
    if (!gets_on(account, whole, missing))
        return mail_fault_error(fault, IMAPFS_ERROR_FAILED,
                                "the message cannot be kept as a whole");
    if (whole->size < MAIL_SMALL)
        return mail_fault_want(fault,
                               mail_range_need(account, whole, 0, MAIL_SMALL));
    for (guint i = 0; i < CHUNKS_AT_ONCE && missing < whole->size; i++) {
        MailWant *want =
            mail_range_need(account, whole, missing,
                            MIN((guint64)CHUNK, whole->size - missing));
        if (first == NULL)
            first = want;
        missing =
            mail_range_missing(account, whole, want->offset + want->length);
    }
    return mail_fault_want(fault, first);
}

/* All of the message.  The caller owns *RET. */
static gboolean
read_whole(MailAccount *account, MailMailbox *mailbox, guint32 uid,
           GBytes **ret, MailFault *fault)
{
    MailSection whole;
    g_autofree char *octets = NULL;
    guint64 at;

    if (!mail_account_know_size(account, mailbox, uid, fault))
        return FALSE;
    whole = mail_section_whole(mailbox, mail_mailbox_find(mailbox, uid));
    if (whole.size > WHOLE_MAX || !mail_range_fits(account, whole.size))
        return mail_fault_error(fault, IMAPFS_ERROR_FAILED,
                                "the message is too large to look for its "
                                "parts in it");
    at = mail_range_missing(account, &whole, 0);
    if (at < whole.size)
        return fetch_whole(account, &whole, at, fault);
    octets = g_malloc(whole.size + 1);
    for (at = 0; at < whole.size;) {
        guint64 have = mail_range_have(account, &whole, at);
        have = MIN(have, whole.size - at);
        if (have == 0) /* what the store had is spoilt */
            return fetch_whole(account, &whole, at, fault);
        mail_range_copy(account, &whole, at, octets + at, have);
        at += have;
    }
    *ret = g_bytes_new_take(g_steal_pointer(&octets), whole.size);
    return TRUE;
}

/* It can be had without a server, and without much work. */
static gboolean
is_whole_here(MailAccount *account, MailMailbox *mailbox, MailMessage *message)
{
    MailSection whole = mail_section_whole(mailbox, message);
    return (message->proven || mail_account_trusts_sizes(account)) &&
           message->size <= LOCAL_MAX &&
           mail_range_is_here(account, &whole, 0) &&
           mail_range_missing(account, &whole, 0) == whole.size;
}

/* The structure that is found in the message itself. */
static gboolean
find_structure(MailAccount *account, MailMailbox *mailbox, guint32 uid,
               MailStructure **ret, MailFault *fault)
{
    g_autoptr(GBytes) octets = NULL;
    gconstpointer data;
    gsize length;

    if (!read_whole(account, mailbox, uid, &octets, fault))
        return FALSE;
    data = g_bytes_get_data(octets, &length);
    *ret = mail_structure_find(data, length);
    return TRUE;
}

/* ---- structures ---- */

static MailSection
structure_section(MailMailbox *mailbox, MailMessage *message)
{
    return (MailSection){mailbox, message, MAIL_STRUCTURE, message->size};
}

/* Takes what the server told, if it is here. */
static void
take_told(MailAccount *account, MailMailbox *mailbox, MailMessage *message)
{
    MailSection section = structure_section(mailbox, message);
    Entry *entry = entry_of(account, mailbox, message->uid);
    g_autoptr(GBytes) text = NULL;
    MailFault ignored = {NULL, NULL};
    gconstpointer data;
    gsize length;

    if (entry->structure != NULL || entry->distrusted ||
        !mail_range_is_here(account, &section, 0))
        return;
    if (!mail_range_read_all(account, &section, &text, &ignored)) {
        g_clear_error(&ignored.error);
        return;
    }
    data = g_bytes_get_data(text, &length);
    entry->structure = mail_structure_parse(data, length, message->announced);
    if (entry->structure == NULL)
        distrust(account, mailbox, message);
}

const MailStructure *
mail_parts_peek(MailAccount *account, MailMailbox *mailbox,
                MailMessage *message)
{
    MailFault ignored = {NULL, NULL};
    Entry *entry;

    take_told(account, mailbox, message);
    entry = entry_of(account, mailbox, message->uid);
    if (entry->structure == NULL && is_whole_here(account, mailbox, message) &&
        !find_structure(account, mailbox, message->uid, &entry->structure,
                        &ignored))
        g_clear_error(&ignored.error);
    return entry->structure;
}

gboolean
mail_account_know_structure(MailAccount *account, MailMailbox *mailbox,
                            guint32 uid, const MailStructure **ret,
                            MailFault *fault)
{
    MailMessage *message;
    MailSection section;
    Entry *entry;

    if (!mail_account_know_message(account, mailbox, uid, &message, fault))
        return FALSE;
    *ret = mail_parts_peek(account, mailbox, message);
    if (*ret != NULL)
        return TRUE;
    entry = entry_of(account, mailbox, uid);
    if (entry->distrusted) {
        if (!find_structure(account, mailbox, uid, &entry->structure, fault))
            return FALSE;
        *ret = entry->structure;
        return TRUE;
    }
    if (mail_account_offline_fault(account, fault))
        return FALSE;
    section = structure_section(mailbox, message);
    return mail_fault_want(
        fault, mail_range_need(account, &section, 0, MAIL_WANT_ALL));
}

const MailStructure *
mail_parts_ask(MailAccount *account, MailMailbox *mailbox, MailMessage *message,
               MailWant **ret_want)
{
    const MailStructure *structure = mail_parts_peek(account, mailbox, message);
    MailSection section = structure_section(mailbox, message);

    if (structure == NULL &&
        !entry_of(account, mailbox, message->uid)->distrusted)
        *ret_want = mail_range_need(account, &section, 0, MAIL_WANT_ALL);
    return structure;
}

/* ---- where parts stand ---- */

/* The message is here, and what its parts are in it. */
static gboolean
know_local(MailAccount *account, MailMailbox *mailbox, MailMessage *message)
{
    Entry *entry = entry_of(account, mailbox, message->uid);
    MailFault ignored = {NULL, NULL};

    if (!is_whole_here(account, mailbox, message))
        return FALSE;
    if (entry->local == NULL && !find_structure(account, mailbox, message->uid,
                                                &entry->local, &ignored))
        g_clear_error(&ignored.error);
    return entry->local != NULL;
}

/* In the message that is here, if that agrees with what the server says. */
static gboolean
find_in_whole(MailAccount *account, MailMailbox *mailbox, MailMessage *message,
              const MailPart *part, MailSpan *ret)
{
    const MailPart *local;

    if (!know_local(account, mailbox, message))
        return FALSE;
    local = part_named(entry_of(account, mailbox, message->uid)->local,
                       part->section);
    if (local == NULL || local->octets != part->octets)
        return FALSE;
    *ret = (MailSpan){mail_section_whole(mailbox, message), local->offset,
                      local->octets};
    return TRUE;
}

gboolean
mail_part_find(MailAccount *account, MailMailbox *mailbox, guint32 uid, guint i,
               MailSpan *ret, MailFault *fault)
{
    const MailStructure *structure;
    const MailPart *part;
    MailMessage *message;

    if (!mail_account_know_structure(account, mailbox, uid, &structure, fault))
        return FALSE;
    part = i < structure->n ? &structure->parts[i] : NULL;
    if (part == NULL || part->section == NULL)
        return mail_fault_error(fault, IMAPFS_ERROR_NOT_FOUND,
                                "the message has no such part");
    message = mail_mailbox_find(mailbox, uid);
    if (structure->local) {
        *ret = (MailSpan){mail_section_whole(mailbox, message), part->offset,
                          part->octets};
        return TRUE;
    }
    *ret = (MailSpan){
        {mailbox, message, part->section, part->octets}, 0, part->octets};
    if (mail_range_is_here(account, &ret->section, 0) ||
        find_in_whole(account, mailbox, message, part, ret) || ret->octets > 0)
        return TRUE;
    /* That there is nothing is not believed unseen: nobody would ever ask. */
    if (mail_account_offline_fault(account, fault))
        return FALSE;
    return mail_fault_want(
        fault, mail_range_need(account, &ret->section, 0, MAIL_WANT_ALL));
}

gboolean
mail_span_read(MailAccount *account, const MailSpan *span, guint64 offset,
               void *buffer, gsize size, MailFault *fault)
{
    return mail_range_read(account, &span->section, span->offset + offset,
                           buffer, size, fault);
}

void
mail_span_ask(MailAccount *account, const MailSpan *span, guint64 offset,
              guint64 length)
{
    guint64 end = span->offset + offset + length;
    guint64 at = span->offset + offset;

    if (offset >= span->octets)
        return;
    at = mail_range_missing(account, &span->section, at);
    if (at >= MIN(end, span->section.size))
        return;
    if (span->section.size < MAIL_SMALL)
        mail_range_need(account, &span->section, 0, MAIL_SMALL);
    else
        mail_range_need(account, &span->section, at, end - at);
}

/* ---- headers ---- */

static char *
header_section(const MailPart *part, const char *fields)
{
    return g_strdup_printf(
        "%s%sHEADER%s%s%s", part->section, *part->section != '\0' ? "." : "",
        fields ? ".FIELDS (" : "", fields ? fields : "", fields ? ")" : "");
}

/* A header in the octets of a message that is here. */
static gboolean
read_local_header(MailAccount *account, MailMailbox *mailbox, guint32 uid,
                  const MailPart *part, GBytes **ret, MailFault *fault)
{
    MailSection whole =
        mail_section_whole(mailbox, mail_mailbox_find(mailbox, uid));
    gsize length = (gsize)MIN(part->header_octets, (guint64)HEADER_MAX);
    g_autofree char *octets = g_malloc(length + 1);

    if (length > 0 &&
        !mail_range_read(account, &whole, part->offset, octets, length, fault))
        return FALSE;
    *ret = g_bytes_new_take(g_steal_pointer(&octets), length);
    return TRUE;
}

gboolean
mail_part_read_header(MailAccount *account, MailMailbox *mailbox, guint32 uid,
                      guint i, const char *fields, GBytes **ret,
                      MailFault *fault)
{
    const MailStructure *structure;
    g_autofree char *name = NULL;
    const MailPart *part;
    MailMessage *message;
    MailSection section;

    if (!mail_account_know_structure(account, mailbox, uid, &structure, fault))
        return FALSE;
    part = i < structure->n ? &structure->parts[i] : NULL;
    if (part == NULL || part->kind != MAIL_PART_MESSAGE)
        return mail_fault_error(fault, IMAPFS_ERROR_NOT_FOUND,
                                "the message has no such header");
    if (structure->local)
        return read_local_header(account, mailbox, uid, part, ret, fault);
    message = mail_mailbox_find(mailbox, uid);
    if (i == 0 && know_local(account, mailbox, message))
        return read_local_header(account, mailbox, uid,
                                 entry_of(account, mailbox, uid)->local->parts,
                                 ret, fault);
    name = header_section(part, fields);
    section = (MailSection){mailbox, message, name, message->size};
    return mail_range_read_all(account, &section, ret, fault);
}

void
mail_part_ask_header(MailAccount *account, MailMailbox *mailbox,
                     MailMessage *message, const MailPart *part,
                     const char *fields)
{
    static const MailPart itself = {.section = (char *)""};
    g_autofree char *name = header_section(part ? part : &itself, fields);
    MailSection section = {mailbox, message, name, message->size};

    if (!is_whole_here(account, mailbox, message) &&
        !mail_range_is_here(account, &section, 0))
        mail_range_need(account, &section, 0, MAIL_WANT_ALL);
}

/* ---- sizes by the server ---- */

static char *
binary_section(const MailPart *part)
{
    return g_strdup_printf(MAIL_BINARY_SIZE "%s]", part->section);
}

gboolean
mail_part_ask_binary(MailAccount *account, MailMailbox *mailbox, guint32 uid,
                     const MailPart *part, guint64 *ret_size, MailFault *fault)
{
    Entry *entry = entry_of(account, mailbox, uid);
    g_autofree char *name = binary_section(part);
    g_autoptr(GBytes) text = NULL;
    MailMessage *message = mail_mailbox_find(mailbox, uid);
    MailSection section = {mailbox, message, name, message->size};
    gsize length;
    const char *octets;
    g_autofree char *digits = NULL;

    *ret_size = MAIL_WANT_ALL;
    if (entry->structure == NULL || entry->structure->local)
        return TRUE;
    if (!mail_range_is_here(account, &section, 0) &&
        (entry->no_binary || account->parts->strikes >= STRIKES_MAX ||
         !(imap_pool_capabilities(account->pool) & IMAP_CAP_BINARY)))
        return TRUE;
    if (!mail_range_read_all(account, &section, &text, fault))
        return FALSE;
    octets = g_bytes_get_data(text, &length);
    digits = g_strndup(octets, length);
    *ret_size = g_ascii_strtoull(digits, NULL, 10);
    return TRUE;
}

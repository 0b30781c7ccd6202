/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is made from messages: their parts, decoded, which mail/decoding.c
 * knows; their headers, and what a person reads of them, which are made here,
 * whole, when they are opened.
 */
#include <string.h>

#include "mail/decode.h"
#include "mail/octets.h"
#include "mail/text.h"

enum {
    KEPT_MAX = 32 << 20, /* octets of what was made, all together */
    KEPT_NUMBER_MAX = 50000,
    FORGOTTEN_MAX = 200000,
    TEXT_MAX = 16 << 20,      /* of one text */
    HEADERS_MAX = 4 << 20,    /* of one header, as it is sent */
    GROWTH = 4,               /* octets that may become of one */
    FRAME = 4 << 10,          /* what a text has besides */
    ASKED_OCTETS = 4 << 10,   /* of a text nothing is known about, about */
    AHEAD_PART_MAX = 1 << 20, /* of texts that are fetched ahead */
    /* Of all parts of one text; they are in memory at the same time, beside
     * what others read. */
    PIECES_MAX = 8 << 20,
};

/* Something that was made.  How long it is stays known when it is forgotten:
 * who was told must not be told something else. */
typedef struct {
    guint64 id; /* mailbox and UID */
    guint32 uidvalidity;
    MailViewKind kind;
    guint part;
    GBytes *octets; /* NULL: forgotten */
    gsize size;
    GList link;
} Made;

struct MailViews {
    GHashTable *made; /* each its own key */
    GQueue kept;      /* used longest ago first */
    GQueue forgotten; /* longest ago first */
    gsize size;       /* octets of those that are kept */
};

/* ---- what was made ---- */

static guint
hash_made(gconstpointer key)
{
    const Made *made = key;
    return g_int64_hash(&made->id) ^ made->part * 40503U ^ made->kind;
}

static gboolean
equal_made(gconstpointer a, gconstpointer b)
{
    const Made *one = a;
    const Made *other = b;
    return one->id == other->id && one->part == other->part &&
           one->kind == other->kind;
}

MailViews *
mail_views_new(void)
{
    MailViews *views = g_new0(MailViews, 1);
    views->made = g_hash_table_new(hash_made, equal_made);
    g_queue_init(&views->kept);
    g_queue_init(&views->forgotten);
    return views;
}

static void
forget(MailViews *views, Made *made)
{
    g_queue_unlink(&views->kept, &made->link);
    g_queue_push_tail_link(&views->forgotten, &made->link);
    views->size -= made->size;
    g_clear_pointer(&made->octets, g_bytes_unref);
}

static void
drop(MailViews *views, Made *made)
{
    if (made->octets != NULL)
        forget(views, made);
    g_queue_unlink(&views->forgotten, &made->link);
    g_hash_table_remove(views->made, made);
    g_free(made);
}

static void
drop_all(MailViews *views, GQueue *queue, guint64 id)
{
    for (GList *at = queue->head; at != NULL;) {
        Made *made = at->data;
        at = at->next;
        if (id == 0 || made->id == id)
            drop(views, made);
    }
}

void
mail_views_free(MailViews *views)
{
    drop_all(views, &views->kept, 0);
    drop_all(views, &views->forgotten, 0);
    g_hash_table_unref(views->made);
    g_free(views);
}

void
mail_views_forget(MailAccount *account, const MailMailbox *mailbox, guint32 uid)
{
    guint64 id = (guint64)mailbox->id << 32 | uid;

    drop_all(account->views, &account->views->kept, id);
    drop_all(account->views, &account->views->forgotten, id);
}

/* NULL when it was never made. */
static Made *
find(MailAccount *account, const MailMailbox *mailbox, const MailView *view)
{
    MailViews *views = account->views;
    Made key = {.id = (guint64)mailbox->id << 32 | view->uid,
                .kind = view->kind,
                .part = view->part};
    Made *made = g_hash_table_lookup(views->made, &key);

    if (made != NULL && made->uidvalidity != mailbox->uidvalidity) {
        drop(views, made);
        return NULL;
    }
    return made;
}

static Made *
find_or_add(MailAccount *account, const MailMailbox *mailbox,
            const MailView *view)
{
    MailViews *views = account->views;
    Made *made = find(account, mailbox, view);

    if (made != NULL)
        return made;
    if (views->forgotten.length >= FORGOTTEN_MAX)
        drop(views, views->forgotten.head->data);
    made = g_new0(Made, 1);
    made->id = (guint64)mailbox->id << 32 | view->uid;
    made->uidvalidity = mailbox->uidvalidity;
    made->kind = view->kind;
    made->part = view->part;
    made->link.data = made;
    g_hash_table_add(views->made, made);
    g_queue_push_tail_link(&views->forgotten, &made->link);
    return made;
}

/* Takes OCTETS; borrowed from then on. */
static GBytes *
keep(MailAccount *account, const MailMailbox *mailbox, const MailView *view,
     GBytes *octets)
{
    MailViews *views = account->views;
    Made *made = find_or_add(account, mailbox, view);

    g_queue_unlink(&views->forgotten, &made->link);
    g_queue_push_tail_link(&views->kept, &made->link);
    made->octets = octets;
    made->size = g_bytes_get_size(octets);
    views->size += made->size;
    while (views->kept.head->data != made &&
           (views->size > KEPT_MAX || views->kept.length > KEPT_NUMBER_MAX))
        forget(views, views->kept.head->data);
    return octets;
}

/* ---- making ---- */

static GBytes *
make_headers(MailAccount *account, MailMailbox *mailbox, const MailView *view,
             MailFault *fault)
{
    g_autoptr(GBytes) header = NULL;
    gconstpointer data;
    gsize length;
    char *text;

    if (!mail_part_read_header(account, mailbox, view->uid, view->part, NULL,
                               &header, fault))
        return NULL;
    data = g_bytes_get_data(header, &length);
    text = mail_decode_header(data, length);
    return g_bytes_new_take(text, strlen(text));
}

/* The octets of PIECE, as they stand in the message, and no more of a part than
 * *ROOM, which is what is left of it then. */
static gboolean
read_piece(MailAccount *account, MailMailbox *mailbox, guint32 uid,
           const MailTextPiece *piece, guint64 *room, GBytes **ret,
           MailFault *fault)
{
    g_autofree char *octets = NULL;
    MailSpan span;
    gsize length;

    if (piece->header)
        return mail_part_read_header(account, mailbox, uid, piece->part,
                                     MAIL_TEXT_FIELDS, ret, fault);
    if (!mail_part_find(account, mailbox, uid, piece->part, &span, fault))
        return FALSE;
    length = (gsize)MIN(MIN(span.octets, *room), (guint64)MAIL_TEXT_PART_MAX);
    *room -= length;
    octets = g_malloc(length + 1);
    if (length > 0 && !mail_span_read(account, &span, 0, octets, length, fault))
        return FALSE;
    *ret = g_bytes_new_take(g_steal_pointer(&octets), length);
    return TRUE;
}

/* Reads all PIECES; what is missing of them is asked for at once. */
static gboolean
read_pieces(MailAccount *account, MailMailbox *mailbox, guint32 uid,
            const GArray *pieces, GPtrArray *ret, MailFault *fault)
{
    MailFault first = {NULL, NULL};
    guint64 room = PIECES_MAX;

    for (guint i = 0; i < pieces->len && first.error == NULL; i++) {
        MailFault next = {NULL, NULL};
        GBytes *octets = NULL;
        if (read_piece(account, mailbox, uid,
                       &g_array_index(pieces, MailTextPiece, i), &room, &octets,
                       &next))
            g_ptr_array_add(ret, octets);
        else if (first.want == NULL || next.error != NULL)
            first = next;
    }
    *fault = first;
    return first.want == NULL && first.error == NULL;
}

static GBytes *
make_text(MailAccount *account, MailMailbox *mailbox, const MailView *view,
          MailFault *fault)
{
    const MailStructure *structure;
    g_autoptr(GArray) pieces = NULL;
    g_autoptr(GPtrArray) octets =
        g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    GString *text;

    if (!mail_account_know_structure(account, mailbox, view->uid, &structure,
                                     fault)) {
        if (fault->want != NULL) /* it will be needed next */
            mail_part_ask_header(account, mailbox,
                                 mail_mailbox_find(mailbox, view->uid), NULL,
                                 MAIL_TEXT_FIELDS);
        return NULL;
    }
    pieces = mail_text_pieces(structure);
    if (!read_pieces(account, mailbox, view->uid, pieces, octets, fault))
        return NULL;
    /* What the server said of its parts may just have turned out wrong. */
    if (!mail_account_know_structure(account, mailbox, view->uid, &structure,
                                     fault))
        return NULL;
    text = g_string_new(NULL);
    for (guint i = 0; i < pieces->len && text->len < TEXT_MAX; i++) {
        gsize length;
        const char *data =
            g_bytes_get_data(g_ptr_array_index(octets, i), &length);
        mail_text_append(text, structure,
                         &g_array_index(pieces, MailTextPiece, i), data,
                         length);
    }
    mail_text_end(text, structure);
    return g_string_free_to_bytes(text);
}

/* Borrowed; NULL with FAULT set. */
static GBytes *
make(MailAccount *account, MailMailbox *mailbox, const MailView *view,
     MailFault *fault)
{
    Made *made = find(account, mailbox, view);
    GBytes *octets;

    if (made != NULL && made->octets != NULL) {
        g_queue_unlink(&account->views->kept, &made->link);
        g_queue_push_tail_link(&account->views->kept, &made->link);
        return made->octets;
    }
    octets = view->kind == MAIL_VIEW_HEADERS
                 ? make_headers(account, mailbox, view, fault)
                 : make_text(account, mailbox, view, fault);
    return octets ? keep(account, mailbox, view, octets) : NULL;
}

/* ---- ahead of who reads one text after the other ---- */

guint64
mail_views_ask_text(MailAccount *account, MailMailbox *mailbox,
                    MailMessage *message)
{
    MailWant *want = NULL;
    const MailStructure *structure =
        mail_parts_ask(account, mailbox, message, &want);
    g_autoptr(GArray) pieces = NULL;
    guint64 octets = 0;

    if (structure == NULL) {
        mail_part_ask_header(account, mailbox, message, NULL, MAIL_TEXT_FIELDS);
        return ASKED_OCTETS;
    }
    pieces = mail_text_pieces(structure);
    for (guint i = 0; i < pieces->len && octets < PIECES_MAX; i++) {
        const MailTextPiece *piece = &g_array_index(pieces, MailTextPiece, i);
        MailFault ignored = {NULL, NULL};
        MailSpan span;

        if (piece->header) {
            if (!structure->local)
                mail_part_ask_header(account, mailbox, message,
                                     &structure->parts[piece->part],
                                     MAIL_TEXT_FIELDS);
        } else if (mail_part_find(account, mailbox, message->uid, piece->part,
                                  &span, &ignored) &&
                   span.octets <= AHEAD_PART_MAX) {
            mail_span_ask(account, &span, 0, span.octets + 1);
            octets += span.octets;
        }
        g_clear_error(&ignored.error);
    }
    return octets + 1;
}

void
mail_views_structure_came(MailAccount *account, MailMailbox *mailbox,
                          MailMessage *message)
{
    if (mail_walk_awaits(account, MAIL_WALK_TEXTS, mailbox, message->uid))
        mail_views_ask_text(account, mailbox, message);
}

/* ---- the door ---- */

MailViewSize
mail_account_view_size(MailAccount *account, MailMailbox *mailbox,
                       const MailView *view)
{
    MailMessage *message = mail_mailbox_find(mailbox, view->uid);
    const MailStructure *structure;
    const Made *made;
    guint64 most;

    if (message == NULL)
        return (MailViewSize){1, FALSE};
    if (view->kind == MAIL_VIEW_PART) {
        structure = mail_parts_peek(account, mailbox, message);
        return structure != NULL && view->part < structure->n
                   ? mail_decoding_known_size(account, mailbox, view->uid,
                                              view->part,
                                              &structure->parts[view->part])
                   : (MailViewSize){message->size, FALSE};
    }
    made = find(account, mailbox, view);
    if (made != NULL)
        return (MailViewSize){made->size, TRUE};
    most = view->kind == MAIL_VIEW_HEADERS ? (guint64)HEADERS_MAX : TEXT_MAX;
    return (MailViewSize){MIN(GROWTH * MIN(message->size, most) + FRAME, most),
                          FALSE};
}

/* Who asks how long `headers` is and does not read it lists the directory, and
 * will ask the same of all that is in it. */
static void
ask_sizes(MailAccount *account, MailMailbox *mailbox, const MailView *view)
{
    MailMessage *message = mail_mailbox_find(mailbox, view->uid);
    const MailStructure *structure = mail_parts_peek(account, mailbox, message);

    for (guint i = view->part + 1; structure != NULL &&
                                   view->part < structure->n &&
                                   i < structure->parts[view->part].after;) {
        const MailPart *part = &structure->parts[i];
        if (part->kind != MAIL_PART_MULTIPART) {
            mail_decoding_ask(account, mailbox, view->uid, i);
            structure = mail_parts_peek(account, mailbox, message);
        }
        i = part->kind == MAIL_PART_MESSAGE ? part->after : i + 1;
    }
}

gboolean
mail_account_know_view_size(MailAccount *account, MailMailbox *mailbox,
                            const MailView *view, MailViewSize *ret,
                            MailFault *fault)
{
    GBytes *made;

    if (view->kind == MAIL_VIEW_PART)
        return mail_decoding_know_size(account, mailbox, view->uid, view->part,
                                       ret, fault);
    made = make(account, mailbox, view, fault);
    if (made == NULL) {
        if (view->kind == MAIL_VIEW_HEADERS && fault->want != NULL)
            ask_sizes(account, mailbox, view);
        return FALSE;
    }
    *ret = (MailViewSize){g_bytes_get_size(made), TRUE};
    return TRUE;
}

gboolean
mail_account_open_view(MailAccount *account, MailMailbox *mailbox,
                       const MailView *view, MailFault *fault)
{
    if (view->kind == MAIL_VIEW_PART)
        return mail_decoding_open(account, mailbox, view->uid, view->part,
                                  fault);
    if (view->kind == MAIL_VIEW_TEXT)
        mail_walk_note(account, MAIL_WALK_TEXTS, mailbox, view->uid);
    return make(account, mailbox, view, fault) != NULL;
}

gboolean
mail_account_read_view(MailAccount *account, MailMailbox *mailbox,
                       const MailView *view, guint64 offset, void *buffer,
                       gsize size, gsize *ret_size, MailFault *fault)
{
    gconstpointer data;
    gsize length;
    GBytes *made;

    if (view->kind == MAIL_VIEW_PART)
        return mail_decoding_read(account, mailbox, view->uid, view->part,
                                  offset, buffer, size, ret_size, fault);
    made = make(account, mailbox, view, fault);
    if (made == NULL)
        return FALSE;
    data = g_bytes_get_data(made, &length);
    *ret_size = offset >= length ? 0 : MIN(size, length - (gsize)offset);
    if (*ret_size > 0)
        memcpy(buffer, (const char *)data + offset, *ret_size);
    return TRUE;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Parts as files: decoded octets, and how many there are.
 *
 * A small part is fetched whole.  Of a large one in base64 the first and the
 * last octets tell how long it is and where everything stands, if it is
 * written regularly (mail/base64.h), and each octet that is read later is held
 * against that.  What is not regular, and quoted-printable, can only be decoded
 * from its beginning on; how long it is the server may know (BINARY.SIZE, RFC
 * 3516), else it is fetched and decoded when it is opened.  BINARY is not asked
 * about base64: it is the damaged parts that are not regular, and those make
 * some servers hang up.
 */
#include <string.h>

#include "base/error.h"
#include "mail/base64.h"
#include "mail/decode.h"
#include "mail/octets.h"

enum {
    SMALL = 64 << 10,
    SMALL_TEXT = 1 << 20,
    PIECE = 64 << 10,           /* decoded at once */
    BEGINNING = 256 << 10,      /* encoded, of what is opened */
    SEQUENTIAL_MAX = 128 << 20, /* encoded, of what is decoded as a whole */
    KEPT_MAX = 64 << 20,        /* decoded octets, of all together */
    /* More than are looked at at a time: who was told how long a part is must
     * not be told something else. */
    DECODINGS_MAX = 100000,
};

typedef enum {
    SHAPE_UNKNOWN,
    SHAPE_REGULAR,   /* base64 that was measured */
    SHAPE_IRREGULAR, /* only decoding it from the beginning tells */
} Shape;

typedef struct {
    guint64 id; /* mailbox and UID */
    guint32 uidvalidity;
    guint part;
    Shape shape;
    MailBase64 base64;
    gboolean exact; /* SIZE is known */
    guint64 size;
    /* What is decoded of it, from the beginning on. */
    GByteArray *octets; /* or NULL */
    MailDecoder *decoder;
    guint64 taken; /* encoded octets */
    GList recent;
    GList holding; /* linked while there are octets */
} Decoding;

struct MailDecodings {
    GHashTable *all; /* each its own key */
    GQueue recent;   /* used longest ago first */
    GQueue holding;  /* those of them that have octets, likewise */
    gsize kept;
};

/* ---- what is known ---- */

static guint
hash_decoding(gconstpointer key)
{
    const Decoding *decoding = key;
    return g_int64_hash(&decoding->id) ^ decoding->part * 2654435761U;
}

static gboolean
equal_decodings(gconstpointer a, gconstpointer b)
{
    const Decoding *one = a;
    const Decoding *other = b;
    return one->id == other->id && one->part == other->part;
}

static void
forget_octets(MailDecodings *decodings, Decoding *decoding)
{
    if (decoding->octets != NULL) {
        decodings->kept -= decoding->octets->len;
        g_queue_unlink(&decodings->holding, &decoding->holding);
        g_clear_pointer(&decoding->octets, g_byte_array_unref);
    }
    g_clear_pointer(&decoding->decoder, mail_decoder_free);
    decoding->taken = 0;
}

static void
drop(MailDecodings *decodings, Decoding *decoding)
{
    forget_octets(decodings, decoding);
    g_queue_unlink(&decodings->recent, &decoding->recent);
    g_hash_table_remove(decodings->all, decoding);
    g_free(decoding);
}

MailDecodings *
mail_decodings_new(void)
{
    MailDecodings *decodings = g_new0(MailDecodings, 1);
    decodings->all = g_hash_table_new(hash_decoding, equal_decodings);
    g_queue_init(&decodings->recent);
    g_queue_init(&decodings->holding);
    return decodings;
}

void
mail_decodings_free(MailDecodings *decodings)
{
    while (decodings->recent.head != NULL)
        drop(decodings, decodings->recent.head->data);
    g_hash_table_unref(decodings->all);
    g_free(decodings);
}

static Decoding *
find(MailAccount *account, const MailMailbox *mailbox, guint32 uid, guint part)
{
    MailDecodings *decodings = account->decodings;
    Decoding key = {.id = (guint64)mailbox->id << 32 | uid, .part = part};
    Decoding *decoding = g_hash_table_lookup(decodings->all, &key);

    if (decoding != NULL && decoding->uidvalidity != mailbox->uidvalidity) {
        drop(decodings, decoding);
        return NULL;
    }
    return decoding;
}

static Decoding *
decoding_of(MailAccount *account, const MailMailbox *mailbox, guint32 uid,
            guint part)
{
    MailDecodings *decodings = account->decodings;
    Decoding *decoding = find(account, mailbox, uid, part);

    if (decoding == NULL) {
        if (decodings->recent.length >= DECODINGS_MAX)
            drop(decodings, decodings->recent.head->data);
        decoding = g_new0(Decoding, 1);
        decoding->id = (guint64)mailbox->id << 32 | uid;
        decoding->uidvalidity = mailbox->uidvalidity;
        decoding->part = part;
        decoding->recent.data = decoding->holding.data = decoding;
        g_hash_table_add(decodings->all, decoding);
    } else {
        g_queue_unlink(&decodings->recent, &decoding->recent);
    }
    g_queue_push_tail_link(&decodings->recent, &decoding->recent);
    if (decoding->octets != NULL) {
        g_queue_unlink(&decodings->holding, &decoding->holding);
        g_queue_push_tail_link(&decodings->holding, &decoding->holding);
    }
    return decoding;
}

void
mail_decoding_forget(MailAccount *account, const MailMailbox *mailbox,
                     guint32 uid)
{
    guint64 id = (guint64)mailbox->id << 32 | uid;

    for (GList *at = account->decodings->recent.head; at != NULL;) {
        Decoding *decoding = at->data;
        at = at->next;
        if (decoding->id == id)
            drop(account->decodings, decoding);
    }
}

/* Keeps what all of them hold within bounds, whatever becomes of others. */
static void
forget_others(MailDecodings *decodings, const Decoding *decoding)
{
    for (GList *at = decodings->holding.head;
         at != NULL && decodings->kept > KEPT_MAX;) {
        Decoding *other = at->data;
        at = at->next;
        if (other != decoding)
            forget_octets(decodings, other);
    }
}

static gboolean
is_plain(const MailPart *part)
{
    return part->kind == MAIL_PART_MESSAGE ||
           part->encoding == MAIL_ENCODING_NONE ||
           part->encoding == MAIL_ENCODING_UNKNOWN;
}

static gboolean
is_small(const MailPart *part)
{
    return part->octets <= SMALL || (part->octets <= SMALL_TEXT &&
                                     g_str_has_prefix(part->type, "text/"));
}

static void
set_size(Decoding *decoding, guint64 size)
{
    decoding->exact = TRUE;
    decoding->size = size;
}

MailViewSize
mail_decoding_known_size(MailAccount *account, MailMailbox *mailbox,
                         guint32 uid, guint i, const MailPart *part)
{
    const Decoding *decoding = find(account, mailbox, uid, i);

    if (decoding != NULL && decoding->exact)
        return (MailViewSize){decoding->size, TRUE};
    if (part->encoding == MAIL_ENCODING_BASE64 && !is_plain(part))
        return (MailViewSize){mail_base64_bound(part->octets), FALSE};
    return (MailViewSize){part->octets, FALSE};
}

/* ---- decoding from the beginning on ---- */

/* Until SIZE octets are decoded, or all are. */
static gboolean
advance(MailAccount *account, Decoding *decoding, const MailSpan *span,
        MailEncoding encoding, guint64 size, MailFault *fault)
{
    MailDecodings *decodings = account->decodings;
    g_autofree char *piece = NULL;

    if (span->octets > SEQUENTIAL_MAX)
        return mail_fault_error(fault, IMAPFS_ERROR_FAILED,
                                "the part is damaged, and too large to be "
                                "decoded as a whole");
    if (decoding->octets == NULL) {
        decoding->octets = g_byte_array_new();
        g_queue_push_tail_link(&decodings->holding, &decoding->holding);
        decoding->decoder = mail_decoder_new(encoding);
    }
    while (decoding->decoder != NULL && decoding->octets->len < size) {
        guint before = decoding->octets->len;
        gsize n = (gsize)MIN((guint64)PIECE, span->octets - decoding->taken);
        gboolean last = decoding->taken + n == span->octets;

        if (piece == NULL)
            piece = g_malloc(PIECE);
        if (n > 0 &&
            !mail_span_read(account, span, decoding->taken, piece, n, fault))
            return FALSE;
        mail_decoder_put(decoding->decoder, piece, n, last, decoding->octets);
        decoding->taken += n;
        decodings->kept += decoding->octets->len - before;
        if (last) {
            g_clear_pointer(&decoding->decoder, mail_decoder_free);
            set_size(decoding, decoding->octets->len);
        }
    }
    forget_others(decodings, decoding);
    return TRUE;
}

/* All of a small part, with one FETCH. */
static gboolean
advance_small(MailAccount *account, Decoding *decoding, const MailSpan *span,
              MailEncoding encoding, MailFault *fault)
{
    g_autofree char *all = g_malloc(span->octets + 1);

    if (span->octets > 0 &&
        !mail_span_read(account, span, 0, all, (gsize)span->octets, fault))
        return FALSE;
    return advance(account, decoding, span, encoding, MAIL_WANT_ALL, fault);
}

/* ---- measuring ---- */

/* Where the last octets of a part begin that are looked at. */
static guint64
tail_of(const MailSpan *span)
{
    return span->octets - MAIL_BASE64_PROBE;
}

/* Both ends, at once.  One octet more than there should be shows that there is
 * none. */
static void
ask_ends(MailAccount *account, const MailSpan *span)
{
    mail_span_ask(account, span, 0, MAIL_BASE64_PROBE);
    mail_span_ask(account, span, tail_of(span), MAIL_BASE64_PROBE + 1);
}

static gboolean
measure(MailAccount *account, Decoding *decoding, const MailSpan *span,
        MailFault *fault)
{
    char head[MAIL_BASE64_PROBE];
    char tail[MAIL_BASE64_PROBE];

    ask_ends(account, span);
    if (!mail_span_read(account, span, 0, head, sizeof head, fault) ||
        !mail_span_read(account, span, tail_of(span), tail, sizeof tail, fault))
        return FALSE;
    if (mail_base64_measure(span->octets, head, sizeof head, tail, sizeof tail,
                            &decoding->base64)) {
        decoding->shape = SHAPE_REGULAR;
        set_size(decoding, decoding->base64.decoded);
    } else {
        decoding->shape = SHAPE_IRREGULAR;
    }
    return TRUE;
}

/* ---- sizes ---- */

/* All of a part that needs no decoding has come, so that it is as long as the
 * server says; who would mind to fetch it only hears what the server says. */
static gboolean
know_plain(MailAccount *account, Decoding *decoding, const MailPart *part,
           const MailSpan *span, MailFault *fault)
{
    guint64 end = span->offset + span->octets;
    guint64 missing =
        is_small(part)
            ? mail_range_missing(account, &span->section, span->offset)
            : end;
    char octet;

    if (missing < end && !mail_span_read(account, span, missing - span->offset,
                                         &octet, 1, fault))
        return FALSE;
    set_size(decoding, span->octets);
    return TRUE;
}

static gboolean
know_by_server(MailAccount *account, MailMailbox *mailbox, guint32 uid,
               const MailPart *part, MailViewSize *ret, MailFault *fault)
{
    guint64 size;

    if (part->encoding != MAIL_ENCODING_QUOTED_PRINTABLE)
        return TRUE;
    if (!mail_part_ask_binary(account, mailbox, uid, part, &size, fault))
        return FALSE;
    /* None of some is no size to show (see mail/reading.c). */
    if (size <= part->octets && (size > 0 || part->octets == 0))
        *ret = (MailViewSize){size, TRUE};
    return TRUE;
}

/* Takes the decoding, the part and the place of part I of a message. */
static gboolean
begin(MailAccount *account, MailMailbox *mailbox, guint32 uid, guint i,
      Decoding **ret, MailPart *ret_part, MailSpan *ret_span, MailFault *fault)
{
    const MailStructure *structure;

    if (!mail_account_know_structure(account, mailbox, uid, &structure, fault))
        return FALSE;
    if (i >= structure->n || structure->parts[i].kind == MAIL_PART_MULTIPART)
        return mail_fault_error(fault, IMAPFS_ERROR_NOT_FOUND,
                                "the message has no such part");
    if (!mail_part_find(account, mailbox, uid, i, ret_span, fault))
        return FALSE;
    *ret_part = structure->parts[i];
    *ret = decoding_of(account, mailbox, uid, i);
    return TRUE;
}

/* What can be known without decoding all of a large part. */
static gboolean
look(MailAccount *account, Decoding *decoding, const MailPart *part,
     const MailSpan *span, MailFault *fault)
{
    if (decoding->exact || decoding->shape == SHAPE_IRREGULAR)
        return TRUE;
    if (is_plain(part))
        return know_plain(account, decoding, part, span, fault);
    if (is_small(part))
        return advance_small(account, decoding, span, part->encoding, fault);
    if (part->encoding == MAIL_ENCODING_BASE64)
        return measure(account, decoding, span, fault);
    decoding->shape = SHAPE_IRREGULAR;
    return TRUE;
}

gboolean
mail_decoding_know_size(MailAccount *account, MailMailbox *mailbox, guint32 uid,
                        guint i, MailViewSize *ret, MailFault *fault)
{
    Decoding *decoding;
    MailPart part;
    MailSpan span;

    if (!begin(account, mailbox, uid, i, &decoding, &part, &span, fault) ||
        !look(account, decoding, &part, &span, fault))
        return FALSE;
    *ret = mail_decoding_known_size(account, mailbox, uid, i, &part);
    if (ret->exact)
        mail_parts_promise(account, mailbox, uid);
    return ret->exact ||
           know_by_server(account, mailbox, uid, &part, ret, fault);
}

gboolean
mail_decoding_open(MailAccount *account, MailMailbox *mailbox, guint32 uid,
                   guint i, MailFault *fault)
{
    Decoding *decoding;
    MailPart part;
    MailSpan span;

    if (!begin(account, mailbox, uid, i, &decoding, &part, &span, fault))
        return FALSE;
    if (!is_small(&part))
        mail_span_ask(account, &span, 0, BEGINNING);
    if (!look(account, decoding, &part, &span, fault) ||
        (!decoding->exact && !advance(account, decoding, &span, part.encoding,
                                      MAIL_WANT_ALL, fault)))
        return FALSE;
    mail_parts_promise(account, mailbox, uid);
    return TRUE;
}

void
mail_decoding_ask(MailAccount *account, MailMailbox *mailbox, guint32 uid,
                  guint i)
{
    MailFault ignored = {NULL, NULL};
    Decoding *decoding;
    MailPart part;
    MailSpan span;

    if (!begin(account, mailbox, uid, i, &decoding, &part, &span, &ignored)) {
        g_clear_error(&ignored.error);
        return;
    }
    if (decoding->exact || decoding->shape == SHAPE_IRREGULAR)
        return;
    if (is_small(&part))
        mail_span_ask(account, &span, 0, span.octets + 1);
    else if (part.encoding == MAIL_ENCODING_BASE64 && !is_plain(&part))
        ask_ends(account, &span);
}

/* ---- reading ---- */

/*
 * It was measured and turned out to be damaged somewhere inside.  Who was told
 * how long it is learns that it is not so before getting any of it.
 */
static gboolean
find_truth(MailAccount *account, MailMailbox *mailbox, guint32 uid,
           Decoding *decoding, const MailSpan *span, MailFault *fault)
{
    guint64 told = decoding->base64.decoded;

    if (!advance(account, decoding, span, MAIL_ENCODING_BASE64, MAIL_WANT_ALL,
                 fault))
        return FALSE;
    decoding->shape = SHAPE_IRREGULAR;
    if (decoding->size != told && account->observer != NULL)
        account->observer->parts_changed(
            mailbox, mail_mailbox_find(mailbox, uid), decoding->part + 1,
            account->observer_data);
    return decoding->size <= told ||
           mail_fault_error(fault, IMAPFS_ERROR_FAILED,
                            "the part is damaged, and longer than it seemed");
}

static gboolean
read_regular(MailAccount *account, const Decoding *decoding,
             const MailSpan *span, guint64 offset, void *buffer, gsize size,
             gboolean *ret_regular, MailFault *fault)
{
    g_autofree char *encoded = NULL;
    guint64 from;
    gsize length;

    mail_base64_locate(&decoding->base64, offset, size, &from, &length);
    encoded = g_malloc(length);
    if (!mail_span_read(account, span, from, encoded, length, fault))
        return FALSE;
    *ret_regular =
        mail_base64_decode(&decoding->base64, offset, size, encoded, buffer);
    return TRUE;
}

static gboolean
read_decoded(MailAccount *account, Decoding *decoding, const MailPart *part,
             const MailSpan *span, guint64 offset, void *buffer, gsize size,
             gsize *ret_size, MailFault *fault)
{
    guint64 until = offset > G_MAXUINT32 ? G_MAXUINT32 : offset + size;

    if (!advance(account, decoding, span, part->encoding, until, fault))
        return FALSE;
    *ret_size = offset >= decoding->octets->len
                    ? 0
                    : MIN(size, decoding->octets->len - (gsize)offset);
    if (*ret_size > 0)
        memcpy(buffer, decoding->octets->data + offset, *ret_size);
    return TRUE;
}

gboolean
mail_decoding_read(MailAccount *account, MailMailbox *mailbox, guint32 uid,
                   guint i, guint64 offset, void *buffer, gsize size,
                   gsize *ret_size, MailFault *fault)
{
    Decoding *decoding;
    MailPart part;
    MailSpan span;
    gboolean regular = TRUE;

    if (!begin(account, mailbox, uid, i, &decoding, &part, &span, fault) ||
        !look(account, decoding, &part, &span, fault))
        return FALSE;
    if (!is_plain(&part) && decoding->shape != SHAPE_REGULAR)
        return read_decoded(account, decoding, &part, &span, offset, buffer,
                            size, ret_size, fault);
    *ret_size = offset >= decoding->size
                    ? 0
                    : (gsize)MIN(size, decoding->size - offset);
    if (*ret_size == 0)
        return TRUE;
    if (is_plain(&part))
        return mail_span_read(account, &span, offset, buffer, *ret_size, fault);
    if (decoding->octets == NULL &&
        !read_regular(account, decoding, &span, offset, buffer, *ret_size,
                      &regular, fault))
        return FALSE;
    if (decoding->octets == NULL && regular)
        return TRUE;
    if (!find_truth(account, mailbox, uid, decoding, &span, fault))
        return FALSE;
    return read_decoded(account, decoding, &part, &span, offset, buffer, size,
                        ret_size, fault);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Octets of messages: ranges of BODY[], fetched in chunks, kept in extents.
 *
 * On sizes.  A reader in the kernel stops where st_size says, so a size that
 * is too small cuts a message silently.  Most servers' RFC822.SIZE is exact,
 * some servers' is not.  The verdict is learned: each literal that shows where
 * a message ends is a hit or a miss.  Until TRUST_HITS hits, and for good
 * after one miss, a size is not shown to a reader before it is proven: a
 * message that fits in one chunk is fetched, of a longer one the last octet
 * (and what lies behind it).
 *
 * Every FETCH of content also asks for RFC822.SIZE, as a guard.  A server that
 * serves a made-up message in place of one that was expunged gives it away by
 * its size; nothing is kept of such an answer.
 */
#include <string.h>

#include "base/error.h"
#include "imap/limits.h"
#include "imap/uidset.h"
#include "mail/internal.h"

enum {
    SMALL = 128 << 10,      /* messages up to this size come whole */
    CHUNK_FIRST = 64 << 10, /* of larger ones */
    CHUNK_LAST = 1 << 20,
    PROBE = 4 << 10,      /* behind the last octet of an unproven size */
    SEQUENTIAL_AFTER = 2, /* reads in a row that earn read-ahead */
    CHUNKS_AHEAD = 2,
    CACHE_SHARE = 8,   /* all readers' chunks fit in the cache so often */
    STREAMS_MAX = 256, /* readers remembered */
    TRUST_HITS = 20,
    WALK_WINDOW = 32, /* messages fetched ahead of the first repeat */
    WALK_WINDOW_MAX = 1024,
    WALK_OCTETS_MAX = 4 << 20,
    WALK_GAP = 3,         /* messages a walk may skip */
    BATCH_MESSAGES = 128, /* in one command */
    BATCH_OCTETS = 512 << 10,
};

/* How a message is being read. */
typedef struct {
    guint64 next;  /* where a sequential reader goes on */
    guint run;     /* sequential reads so far */
    guint64 chunk; /* octets to ask for next */
    guint64 floor; /* the message is at least so long, if its size is sought */
} Stream;

/* A reader of one message of a mailbox after the other. */
typedef struct {
    guint16 mailbox;
    guint32 uid;
    guint run;
    guint32 ahead; /* fetched, or asked for, up to this UID */
} Walk;

struct MailReadings {
    MailContent *content;
    gsize cache_limit;
    GHashTable *wants;   /* message -> GSList of MailWant */
    GHashTable *streams; /* message -> Stream */
    Walk walk;
    guint hits;
    gboolean liar; /* the server gave a wrong size once */
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
key_of(const MailMailbox *mailbox, guint32 uid)
{
    return (MailContentKey){mailbox->id, mailbox->uidvalidity, uid};
}

MailReadings *
mail_readings_new(gsize cache_limit)
{
    MailReadings *readings = g_new0(MailReadings, 1);
    readings->content = mail_content_new(cache_limit);
    readings->cache_limit = cache_limit;
    readings->wants =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    readings->streams =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    return readings;
}

void
mail_readings_free(MailReadings *readings)
{
    mail_content_free(readings->content);
    g_hash_table_unref(readings->wants);
    g_hash_table_unref(readings->streams);
    g_free(readings);
}

/* ---- octets ---- */

/*
 * How many octets of the message are here from OFFSET on, without a gap.  What
 * only the store has of them is brought into memory, an extent at a time.
 */
static guint64
have_from(MailAccount *account, MailMailbox *mailbox,
          const MailMessage *message, guint64 offset)
{
    MailContent *content = account->readings->content;
    MailContentKey key = key_of(mailbox, message->uid);
    guint64 have = mail_content_extent(content, &key, offset);
    g_autoptr(GBytes) bytes = NULL;
    gconstpointer data;
    guint64 start;
    gsize length;

    if (have > 0 || account->store == NULL)
        return have;
    mail_saving_settle(account);
    bytes = mail_store_get(account->store, mailbox, message, MAIL_WHOLE, offset,
                           &start);
    if (bytes == NULL)
        return 0;
    data = g_bytes_get_data(bytes, &length);
    mail_content_store(content, &key, start, data, length);
    return mail_content_extent(content, &key, offset);
}

/* The same, but nothing is brought anywhere. */
static gboolean
is_here(MailAccount *account, MailMailbox *mailbox, const MailMessage *message,
        guint64 offset)
{
    MailContentKey key = key_of(mailbox, message->uid);

    if (mail_content_extent(account->readings->content, &key, offset) > 0)
        return TRUE;
    mail_saving_settle(account);
    return account->store != NULL &&
           mail_store_extent(account->store, mailbox, message, MAIL_WHOLE,
                             offset) > 0;
}

static void
keep(MailAccount *account, MailMailbox *mailbox, const MailMessage *message,
     guint64 offset, ImapSlice data)
{
    MailContentKey key = key_of(mailbox, message->uid);

    mail_content_store(account->readings->content, &key, offset, data.data,
                       data.length);
    mail_saving_put(account, mailbox, message->uid, offset, data);
}

/* ---- wants of a message ---- */

static GSList *
wants_of(MailAccount *account, guint16 mailbox, guint32 uid)
{
    guint64 id = message_id(mailbox, uid);
    return g_hash_table_lookup(account->readings->wants, &id);
}

static void
set_wants(MailAccount *account, guint16 mailbox, guint32 uid, GSList *wants)
{
    guint64 id = message_id(mailbox, uid);
    if (wants == NULL)
        g_hash_table_remove(account->readings->wants, &id);
    else
        g_hash_table_insert(account->readings->wants, g_memdup2(&id, sizeof id),
                            wants);
}

void
mail_reading_finished(MailAccount *account, MailWant *want)
{
    GSList *wants = wants_of(account, want->mailbox, want->uid);
    set_wants(account, want->mailbox, want->uid, g_slist_remove(wants, want));
}

/* The want that will bring the octet at OFFSET, made if there is none. */
static MailWant *
need_range(MailAccount *account, const MailMailbox *mailbox, guint32 uid,
           guint64 offset, guint64 length)
{
    GSList *wants = wants_of(account, mailbox->id, uid);
    MailWant *want;

    for (GSList *at = wants; at != NULL; at = at->next) {
        want = at->data;
        if (want->offset <= offset && offset < want->offset + want->length) {
            /* It may be one nobody waited for until now. */
            mail_account_plan_soon(account);
            return want;
        }
    }
    want = mail_account_add_want(account, MAIL_WANT_RANGE, mailbox->id);
    want->uid = uid;
    want->offset = offset;
    want->length = length;
    set_wants(account, mailbox->id, uid, g_slist_prepend(wants, want));
    return want;
}

/* ---- planning ---- */

static gboolean
is_filled(MailAccount *account, MailMailbox *mailbox,
          const MailMessage *message, const MailWant *want)
{
    guint64 have = have_from(account, mailbox, message, want->offset);
    guint64 end = MIN(want->offset + want->length, message->size);
    return want->offset + have >= end || want->offset >= message->size;
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
            mail_account_retry(account, want, error);
        else
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

/* Puts WANT, and pending ones that ask the same of other messages, into one
 * command. */
static Batch *
gather(MailAccount *account, const MailMailbox *mailbox, MailWant *want)
{
    Batch *batch = g_new(Batch, 1);
    guint64 octets = 0;

    batch->account = account;
    batch->wants =
        g_ptr_array_new_with_free_func((GDestroyNotify)mail_want_unref);
    g_ptr_array_add(batch->wants, mail_want_ref(want));
    want->state = MAIL_WANT_SENT;
    for (GList *link = account->pending.head;
         link != NULL && batch->wants->len < BATCH_MESSAGES &&
         octets < BATCH_OCTETS;
         link = link->next) {
        MailWant *other = link->data;
        const MailMessage *message;
        if (other->state != MAIL_WANT_PENDING ||
            other->kind != MAIL_WANT_RANGE || other->mailbox != want->mailbox ||
            other->uid == want->uid || other->offset != want->offset ||
            other->length != want->length || other->ahead != want->ahead)
            continue;
        message = mail_mailbox_find(mailbox, other->uid);
        octets += message ? message->size : 0;
        other->state = MAIL_WANT_SENT;
        g_ptr_array_add(batch->wants, mail_want_ref(other));
    }
    g_ptr_array_sort(batch->wants, compare_uids);
    return batch;
}

gboolean
mail_reading_plan(MailAccount *account, MailWant *want)
{
    MailMailbox *mailbox = mail_account_mailbox(account, want->mailbox);
    g_autoptr(GError) gone = NULL;
    g_autoptr(GString) uids = NULL;
    ImapUidsetWriter writer = {NULL, 0, 0};
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
    batch = gather(account, mailbox, want);
    uids = g_string_new(NULL);
    writer.text = uids;
    for (guint i = 0; i < batch->wants->len; i++) {
        const MailWant *one = g_ptr_array_index(batch->wants, i);
        imap_uidset_add(&writer, one->uid);
    }
    imap_uidset_end(&writer);
    imap_link_send(link,
                   imap_command_new("UID FETCH %s (UID RFC822.SIZE "
                                    "BODY.PEEK[]<%" G_GUINT64_FORMAT
                                    ".%" G_GUINT64_FORMAT ">)",
                                    uids->str, want->offset, want->length),
                   on_answered, batch);
    return TRUE;
}

/* ---- readers ---- */

static Stream *
stream_of(MailAccount *account, guint16 mailbox, guint32 uid)
{
    GHashTable *streams = account->readings->streams;
    guint64 id = message_id(mailbox, uid);
    Stream *stream = g_hash_table_lookup(streams, &id);

    if (stream == NULL) {
        if (g_hash_table_size(streams) >= STREAMS_MAX)
            g_hash_table_remove_all(streams);
        stream = g_new0(Stream, 1);
        stream->chunk = CHUNK_FIRST;
        g_hash_table_insert(streams, g_memdup2(&id, sizeof id), stream);
    }
    return stream;
}

/* ---- what the server sent ---- */

static void
save_verdict(MailAccount *account)
{
    if (account->store != NULL)
        mail_store_set_verdict(account->store, "sizes",
                               account->readings->liar ? "wrong" : "right");
}

void
mail_reading_restore(MailAccount *account)
{
    g_autofree char *verdict = mail_store_verdict(account->store, "sizes");

    account->readings->liar = g_strcmp0(verdict, "wrong") == 0;
    if (g_strcmp0(verdict, "right") == 0)
        account->readings->hits = TRUST_HITS;
}

static void
learn_size(MailAccount *account, MailMailbox *mailbox, MailMessage *message,
           guint64 size, gboolean exact)
{
    MailReadings *readings = account->readings;
    gboolean was_trusted = mail_account_trusts_sizes(account);
    gboolean changed = size != message->size;

    if (!changed) {
        if (exact && !message->proven) {
            message->proven = TRUE;
            mail_saving_note(account, mailbox, message->uid);
            if (++readings->hits == TRUST_HITS)
                save_verdict(account);
        }
        return;
    }
    if (!readings->liar)
        g_message("UID %u: %" G_GUINT64_FORMAT
                  " octets were announced, %s%" G_GUINT64_FORMAT
                  " came; sizes of this server are checked from now on",
                  message->uid, message->size, exact ? "" : "at least ", size);
    readings->liar = TRUE;
    save_verdict(account);
    mail_saving_note(account, mailbox, message->uid);
    message->size = size;
    message->proven = exact;
    message->capped = FALSE;
    if (account->observer != NULL)
        account->observer->message_changed(mailbox, message,
                                           account->observer_data);
    if (was_trusted) {
        /* A reader that was promised another size must not get half of it. */
        g_autoptr(GError) error = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_FAILED,
                                              "the server gave a wrong size");
        GSList *wants =
            g_slist_copy(wants_of(account, mailbox->id, message->uid));
        for (GSList *at = wants; at != NULL; at = at->next)
            mail_want_wake(at->data, error);
        g_slist_free(wants);
    }
}

/* N octets came where ASKED were asked for, from ORIGIN on. */
static void
learn_from(MailAccount *account, MailMailbox *mailbox, MailMessage *message,
           guint64 origin, guint64 n, guint64 asked)
{
    guint64 end = origin + n;

    if (n < asked && (n > 0 || (origin == 0 && message->size == 0))) {
        learn_size(account, mailbox, message, end, TRUE);
    } else if (n == 0 && origin > 0 && origin < message->size) {
        /* It ends somewhere before. */
        learn_size(account, mailbox, message, origin, FALSE);
        message->capped = TRUE;
        message->proven =
            stream_of(account, mailbox->id, message->uid)->floor == origin;
    } else if (message->capped && end <= message->size) {
        stream_of(account, mailbox->id, message->uid)->floor = end;
        message->proven = end == message->size;
    } else if (end > message->size) {
        learn_size(account, mailbox, message, end, FALSE);
    }
}

void
mail_reading_fetched(MailAccount *account, MailMailbox *mailbox,
                     const ImapFetch *fetch)
{
    MailMessage *message = mail_mailbox_find(mailbox, fetch->uid);
    g_autoptr(GSList) wants = NULL;
    const ImapBody *body = NULL;
    MailWant *asked = NULL;
    guint64 origin;
    guint64 length;

    for (guint i = 0; i < fetch->n_bodies && body == NULL; i++) {
        if (fetch->bodies[i].section.length == 0)
            body = &fetch->bodies[i];
    }
    if (body == NULL || body->data.data == NULL)
        return;
    if (!(fetch->items & IMAP_FETCH_SIZE) ||
        fetch->size != message->announced) {
        mail_listing_distrust(account, mailbox);
        return;
    }
    wants = g_slist_copy(wants_of(account, mailbox->id, fetch->uid));
    origin = body->origin < 0 ? 0 : (guint64)body->origin;
    for (GSList *at = wants; at != NULL; at = at->next) {
        MailWant *want = at->data;
        if (want->state == MAIL_WANT_SENT &&
            (want->offset == origin || body->origin < 0))
            asked = want;
    }
    if (asked == NULL)
        return; /* nobody asked for this */
    length = asked->length;
    /* Some servers send all of it whatever was asked for. */
    if (body->origin < 0 && (body->data.length > asked->length ||
                             body->data.length == message->announced))
        length = G_MAXINT64;
    else if (body->origin < 0 && asked->offset > 0)
        return; /* from where? */
    if (body->data.length > length)
        return;
    keep(account, mailbox, message, origin, body->data);
    learn_from(account, mailbox, message, origin, body->data.length, length);
    for (GSList *at = wants; at != NULL; at = at->next) {
        MailWant *want = at->data;
        if (want->state == MAIL_WANT_SENT &&
            (want == asked || is_filled(account, mailbox, message, want)) &&
            (body->data.length > 0 ||
             is_filled(account, mailbox, message, want)))
            mail_account_finish(account, want, NULL);
    }
}

/* ---- sizes ---- */

gboolean
mail_account_trusts_sizes(const MailAccount *account)
{
    return !account->readings->liar && account->readings->hits >= TRUST_HITS;
}

static gboolean
offline_fault(const MailAccount *account, MailFault *fault)
{
    if (!mail_account_is_offline(account))
        return FALSE;
    fault->error = g_error_copy(account->failure);
    return TRUE;
}

static void note_walk(MailAccount *account, MailMailbox *mailbox, guint32 uid);

gboolean
mail_account_know_size(MailAccount *account, MailMailbox *mailbox, guint32 uid,
                       MailFault *fault)
{
    MailMessage *message;
    guint64 offset = 0;
    guint64 length = SMALL;
    MailWant *want;

    if (!mail_account_know_message(account, mailbox, uid, &message, fault))
        return FALSE;
    if (message->proven || mail_account_trusts_sizes(account))
        return TRUE;
    if (offline_fault(account, fault))
        return FALSE;
    if (message->size >= SMALL && message->capped) {
        /* Its end is somewhere below: halve what it may be. */
        guint64 floor = stream_of(account, mailbox->id, uid)->floor;
        offset = floor + (message->size - floor) / 2;
        length = MIN(message->size - offset + 1, CHUNK_LAST);
    } else if (message->size >= SMALL) {
        offset = message->size - 1;
        length = account->readings->liar ? CHUNK_LAST : PROBE;
    }
    want = need_range(account, mailbox, uid, offset, length);
    if (message->size < SMALL)
        note_walk(account, mailbox, uid);
    return mail_fault_want(fault, want);
}

/* ---- reading ahead ---- */

static void
forget_stream(MailAccount *account, guint16 mailbox, guint32 uid)
{
    guint64 id = message_id(mailbox, uid);
    g_hash_table_remove(account->readings->streams, &id);
}

/* A chunk must still be there when its reader comes to it. */
static void
grow_chunk(MailAccount *account, Stream *stream)
{
    guint readers = MAX(g_hash_table_size(account->readings->streams), 1);
    guint64 share = account->readings->cache_limit / CACHE_SHARE / readers;

    stream->chunk =
        CLAMP(MIN(2 * stream->chunk, share), CHUNK_FIRST, CHUNK_LAST);
}

/* Keeps chunks coming in front of a reader that goes straight on. */
static void
read_ahead(MailAccount *account, MailMailbox *mailbox,
           const MailMessage *message, Stream *stream)
{
    guint64 at = stream->next;
    guint64 until = MIN(at + CHUNKS_AHEAD * stream->chunk, message->size);

    while (at < until) {
        MailWant *want;
        at += have_from(account, mailbox, message, at);
        if (at >= until)
            return;
        want = need_range(account, mailbox, message->uid, at,
                          MIN(stream->chunk, message->size - at));
        at = want->offset + want->length;
        grow_chunk(account, stream);
    }
}

static void
note_stream(MailAccount *account, MailMailbox *mailbox,
            const MailMessage *message, guint64 offset, gsize size)
{
    Stream *stream = stream_of(account, mailbox->id, message->uid);

    /* The kernel may hand over neighbouring reads out of order. */
    if (offset > stream->next + size || offset + 2 * size < stream->next) {
        stream->run = 0;
        stream->chunk = CHUNK_FIRST;
        stream->next = offset + size;
    } else if (offset + size > stream->next) {
        stream->run++;
        stream->next = offset + size;
    }
    if (stream->next >= message->size)
        forget_stream(account, mailbox->id, message->uid);
    else if (stream->run > SEQUENTIAL_AFTER)
        read_ahead(account, mailbox, message, stream);
}

/* Asks for the small messages that a walk will come to next. */
static void
walk_ahead(MailAccount *account, MailMailbox *mailbox, Walk *walk)
{
    guint growth = MIN(2 * (walk->run - 1), 8);
    guint window = MIN((guint)WALK_WINDOW << growth, (guint)WALK_WINDOW_MAX);
    guint i = mail_mailbox_seek(mailbox, walk->uid + 1);
    guint end = MIN(i + window, mail_mailbox_count(mailbox));
    guint64 octets = 0;

    for (; i < end && octets < WALK_OCTETS_MAX; i++) {
        const MailMessage *message = mail_mailbox_at(mailbox, i);
        if (message->size > SMALL - 1)
            continue;
        octets += message->size;
        if (message->uid <= walk->ahead)
            continue;
        walk->ahead = message->uid;
        if (!is_here(account, mailbox, message, 0))
            need_range(account, mailbox, message->uid, 0, SMALL);
    }
}

/* Somebody looks at the beginning of a message. */
static void
note_walk(MailAccount *account, MailMailbox *mailbox, guint32 uid)
{
    Walk *walk = &account->readings->walk;
    guint here;
    guint last;

    if (walk->mailbox == mailbox->id && walk->uid == uid)
        return;
    here = mail_mailbox_seek(mailbox, uid);
    last = mail_mailbox_seek(mailbox, walk->uid);
    if (walk->mailbox != mailbox->id || here <= last ||
        here > last + WALK_GAP) {
        /* Who begins with the first one is taken to want the next, too. */
        walk->run = here == 0;
        walk->ahead = uid;
    } else {
        walk->run++;
    }
    walk->mailbox = mailbox->id;
    walk->uid = uid;
    if (walk->run > 0)
        walk_ahead(account, mailbox, walk);
}

/* ---- reading ---- */

/* The want for the octet at OFFSET, which is missing, and what follows. */
static MailWant *
need_chunk(MailAccount *account, MailMailbox *mailbox,
           const MailMessage *message, guint64 offset, gsize size)
{
    Stream *stream = stream_of(account, mailbox->id, message->uid);
    guint64 length;

    if (message->size < SMALL)
        return need_range(account, mailbox, message->uid, 0, SMALL);
    if (stream->run > SEQUENTIAL_AFTER)
        grow_chunk(account, stream);
    length = MIN(MAX(stream->chunk, size), message->size - offset);
    return need_range(account, mailbox, message->uid, offset, length);
}

gboolean
mail_account_read(MailAccount *account, MailMailbox *mailbox, guint32 uid,
                  guint64 offset, void *buffer, gsize size, gsize *ret_size,
                  MailFault *fault)
{
    MailContentKey key = key_of(mailbox, uid);
    MailMessage *message;
    guint64 have;
    MailWant *want;

    if (!mail_account_know_size(account, mailbox, uid, fault))
        return FALSE;
    message = mail_mailbox_find(mailbox, uid);
    if (offset >= message->size) {
        *ret_size = 0;
        return TRUE;
    }
    size = (gsize)MIN(size, message->size - offset);
    have = have_from(account, mailbox, message, offset);
    while (have > 0 && have < size) {
        guint64 more = have_from(account, mailbox, message, offset + have);
        if (more == 0)
            break;
        have += more;
    }
    if (have < size && offline_fault(account, fault))
        return FALSE;
    if (have >= size) {
        mail_content_copy(account->readings->content, &key, offset, buffer,
                          size);
        *ret_size = size;
        want = NULL;
    } else {
        want = need_chunk(account, mailbox, message, offset + have,
                          size - (gsize)have);
    }
    if (message->size >= SMALL)
        note_stream(account, mailbox, message, offset, size);
    else if (offset == 0)
        note_walk(account, mailbox, uid);
    return want == NULL || mail_fault_want(fault, want);
}

MailWant *
mail_reading_fetch(MailAccount *account, MailMailbox *mailbox, guint32 uid)
{
    const MailMessage *message = mail_mailbox_find(mailbox, uid);
    guint64 have;

    if (message == NULL)
        return NULL;
    have = mail_store_extent(account->store, mailbox, message, MAIL_WHOLE, 0);
    if (have >= message->size)
        return NULL;
    if (message->size < SMALL)
        return need_range(account, mailbox, uid, 0, SMALL);
    return need_range(account, mailbox, uid, have,
                      MIN(CHUNK_LAST, message->size - have));
}

void
mail_reading_forget(MailAccount *account, MailMailbox *mailbox, guint32 uid)
{
    MailContentKey key = key_of(mailbox, uid);
    mail_content_forget(account->readings->content, &key);
    mail_saving_forget_octets(account, mailbox, uid);
}

void
mail_reading_describe(MailAccount *account, GString *text)
{
    const MailReadings *readings = account->readings;
    g_string_append_printf(text, "sizes: %s\n",
                           readings->liar ? "the server gave a wrong one"
                           : mail_account_trusts_sizes(account)
                               ? "trusted"
                               : "being checked");
    g_string_append_printf(text, "messages in memory: %zu octets\n",
                           mail_content_size(readings->content));
}

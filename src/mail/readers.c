/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How sections are read: in small chunks here and there, in large ones, and
 * ahead of the reader, where somebody goes straight on.
 */
#include <string.h>

#include "mail/octets.h"

enum {
    CHUNK_FIRST = 64 << 10, /* of what is not small */
    CHUNK_LAST = 1 << 20,
    CHUNK_TIME = 100,     /* milliseconds one should take */
    AHEAD_TIME = 500,     /* ... and all that are under way */
    SEQUENTIAL_AFTER = 2, /* reads in a row that earn read-ahead */
    CACHE_SHARE = 8,      /* all readers' chunks fit in the cache so often */
    STREAMS_MAX = 256,    /* readers remembered */
};

/* A section that is being read. */
typedef struct {
    guint64 message;
    char *section;
    guint64 next;  /* where a sequential reader goes on */
    guint run;     /* sequential reads so far */
    guint64 ahead; /* up to here all is here, or asked for */
} Stream;

struct MailReaders {
    GHashTable *streams; /* of Stream, each its own key */
};

static guint
hash_stream(gconstpointer key)
{
    const Stream *stream = key;
    return g_int64_hash(&stream->message) ^ g_str_hash(stream->section);
}

static gboolean
equal_streams(gconstpointer a, gconstpointer b)
{
    const Stream *one = a;
    const Stream *other = b;
    return one->message == other->message &&
           strcmp(one->section, other->section) == 0;
}

static void
free_stream(gpointer data)
{
    g_free(((Stream *)data)->section);
    g_free(data);
}

MailReaders *
mail_readers_new(void)
{
    MailReaders *readers = g_new0(MailReaders, 1);
    readers->streams =
        g_hash_table_new_full(hash_stream, equal_streams, NULL, free_stream);
    return readers;
}

void
mail_readers_free(MailReaders *readers)
{
    g_hash_table_unref(readers->streams);
    g_free(readers);
}

static Stream *
stream_of(MailAccount *account, const MailSection *section)
{
    GHashTable *streams = account->readers->streams;
    Stream key = {.message = (guint64)section->mailbox->id << 32 |
                             section->message->uid,
                  .section = (char *)section->name};
    Stream *stream = g_hash_table_lookup(streams, &key);

    if (stream == NULL) {
        if (g_hash_table_size(streams) >= STREAMS_MAX)
            g_hash_table_remove_all(streams);
        stream = g_new0(Stream, 1);
        stream->message = key.message;
        stream->section = g_strdup(section->name);
        g_hash_table_add(streams, stream);
    }
    return stream;
}

/* So many octets of the cache are for each reader. */
static guint64
share(MailAccount *account)
{
    return mail_ranges_limit(account->ranges) /
           MAX(g_hash_table_size(account->readers->streams), 1);
}

static gboolean
is_sequential(const Stream *stream)
{
    return stream->run > SEQUENTIAL_AFTER;
}

/* As many octets as come in so many milliseconds, if not MOST. */
static guint64
octets_in(MailAccount *account, guint64 milliseconds, guint64 most)
{
    guint64 speed = imap_pool_speed(account->pool);
    return speed == 0 ? most : MIN(speed * milliseconds / 1000, most);
}

/* Octets to ask for next.  They must still be there when the reader comes to
 * them. */
static guint64
chunk_of(MailAccount *account, const Stream *stream)
{
    guint64 most = MIN(share(account) / CACHE_SHARE, (guint64)CHUNK_LAST);
    guint64 least =
        MIN(mail_ranges_limit(account->ranges) / 4, (gsize)CHUNK_FIRST);

    return is_sequential(stream)
               ? MAX(octets_in(account, CHUNK_TIME, most), least)
               : least;
}

/* How much to ask for, if it is to be LENGTH octets from OFFSET on.  Whoever
 * comes to the end asks for what is behind it, too. */
static guint64
reach(const MailSection *section, guint64 offset, guint64 length)
{
    guint64 left = section->size - MIN(offset, section->size);
    return length < left ? length : mail_range_end(section) - offset;
}

/*
 * Keeps chunks coming in front of a reader that goes straight on.  On a link
 * that is long and wide that takes many; on a narrow one others would wait for
 * them.
 */
static void
read_ahead(MailAccount *account, const MailSection *section, Stream *stream)
{
    guint64 chunk = chunk_of(account, stream);
    guint64 at = MAX(stream->next, stream->ahead);
    guint64 room = share(account) / 2;
    guint64 window = octets_in(account, AHEAD_TIME, room);
    guint64 until =
        MIN(stream->next + MAX(window, MIN(2 * chunk, room)), section->size);

    /* What is displaced before it is read would be asked for for ever. */
    if (room < chunk ||
        (until < section->size && until < stream->ahead + chunk))
        return;

    while ((at = mail_range_missing(account, section, at)) < until) {
        MailWant *want = mail_range_need_gap(account, section, at,
                                             reach(section, at, chunk));
        at = want->offset + want->length;
    }
    stream->ahead = at;
}

static void
note_stream(MailAccount *account, const MailSection *section, guint64 offset,
            gsize size)
{
    Stream *stream = stream_of(account, section);

    /* The kernel may hand over neighbouring reads out of order. */
    if (offset > stream->next + size || offset + 2 * size < stream->next) {
        stream->run = 0;
        stream->ahead = 0;
        stream->next = offset + size;
    } else if (offset + size > stream->next) {
        stream->run++;
        stream->next = offset + size;
    }
    if (stream->next >= section->size)
        g_hash_table_remove(account->readers->streams, stream);
    else if (is_sequential(stream))
        read_ahead(account, section, stream);
}

/* The want for the octet at OFFSET, which is missing, and what follows. */
static MailWant *
need_chunk(MailAccount *account, const MailSection *section, guint64 offset,
           gsize size)
{
    Stream *stream = stream_of(account, section);
    guint64 length;

    if (section->size < MAIL_SMALL)
        return mail_range_need(account, section, 0, MAIL_SMALL);
    length = reach(section, offset, MAX(chunk_of(account, stream), size));
    return mail_range_need_gap(account, section, offset, length);
}

/* The want for what is missing first from OFFSET to END.  It may bring only the
 * beginning: what is behind that is asked for at once, too, since otherwise it
 * would come after all that is read ahead. */
static MailWant *
need_all(MailAccount *account, const MailSection *section, guint64 offset,
         guint64 end)
{
    MailWant *first = NULL;

    do {
        MailWant *want =
            need_chunk(account, section, offset, (gsize)(end - offset));
        if (first == NULL)
            first = want;
        offset =
            mail_range_missing(account, section, want->offset + want->length);
    } while (offset < MIN(end, section->size));
    return first;
}

gboolean
mail_range_read(MailAccount *account, const MailSection *section,
                guint64 offset, void *buffer, gsize size, MailFault *fault)
{
    MailWant *want = NULL;
    gsize got = 0;

    /* What the store has comes piece by piece, and may displace the last. */
    while (got < size) {
        guint64 have = mail_range_have(account, section, offset + got);
        gsize n = (gsize)MIN(have, size - got);
        if (n == 0)
            break;
        mail_range_copy(account, section, offset + got, (char *)buffer + got,
                        n);
        got += n;
    }
    if (got < size && mail_account_offline_fault(account, fault))
        return FALSE;
    if (got < size)
        want = need_all(account, section, offset + got, offset + size);
    if (section->size >= MAIL_SMALL)
        note_stream(account, section, offset, size);
    return want == NULL || mail_fault_want(fault, want);
}

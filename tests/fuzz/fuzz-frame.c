/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Framing and parsing of whatever a server may say.  The first octet seeds
 * where the stream is split; the responses must not depend on it.
 */
#include "fuzz.h"

#include "imap/capability.h"
#include "imap/frame.h"
#include "imap/response.h"
#include "imap/uidset.h"

/* Reads all of SLICE, for a sanitizer to see. */
static void
touch(ImapSlice slice)
{
    static volatile guchar sink;
    MUST(slice.data != NULL || slice.length == 0);
    for (gsize i = 0; i < slice.length; i++)
        sink = (guchar)slice.data[i];
    (void)sink;
}

static void
touch_words(ImapSlice words)
{
    ImapSlice word;
    while (imap_next_word(&words, &word)) {
        MUST(word.length > 0);
        touch(word);
    }
}

static void
touch_namespaces(ImapSlice list)
{
    ImapSlice prefix;
    char delimiter;
    while (imap_next_namespace(&list, &prefix, &delimiter)) {
        MUST(prefix.data != NULL);
        touch(prefix);
    }
}

static void
touch_uids(ImapSlice set)
{
    guint32 first, last;
    while (imap_uidset_next(&set, &first, &last))
        MUST(first > 0 && first <= last);
}

static void
touch_threads(ImapSlice threads)
{
    g_autoptr(GArray) uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    gsize left = threads.length;

    while (imap_next_thread(&threads, uids)) {
        MUST(threads.length < left);
        left = threads.length;
    }
    for (guint i = 0; i < uids->len; i++)
        MUST(g_array_index(uids, guint32, i) > 0);
}

static void
touch_fetch(const ImapFetch *fetch)
{
    touch_words(fetch->flags);
    touch(fetch->emailid);
    touch(fetch->threadid);
    MUST(fetch->size <= G_MAXINT64 && fetch->modseq <= G_MAXINT64);
    MUST(fetch->n_bodies <= G_N_ELEMENTS(fetch->bodies));
    for (guint i = 0; i < fetch->n_bodies; i++) {
        touch(fetch->bodies[i].section);
        touch(fetch->bodies[i].data);
        MUST(fetch->bodies[i].origin >= -1);
    }
}

static void
touch_response(const ImapResponse *response)
{
    switch (response->kind) {
    case IMAP_OTHER:
    case IMAP_EXISTS:
    case IMAP_EXPUNGE:
        break;
    case IMAP_CONTINUE:
    case IMAP_OK:
    case IMAP_NO:
    case IMAP_BAD:
    case IMAP_BYE:
    case IMAP_PREAUTH:
        touch(response->tag);
        touch(response->status.text);
        imap_capabilities_parse(response->status.argument);
        break;
    case IMAP_CAPABILITY:
    case IMAP_ENABLED:
        imap_capabilities_parse(response->capabilities);
        break;
    case IMAP_NAMESPACE:
        for (guint i = 0; i < G_N_ELEMENTS(response->namespaces); i++)
            touch_namespaces(response->namespaces[i]);
        break;
    case IMAP_LIST:
        MUST(response->list.name.data != NULL);
        touch(response->list.name);
        touch(response->list.special_use);
        break;
    case IMAP_STATUS:
        touch(response->mailbox.name);
        break;
    case IMAP_VANISHED:
        touch_uids(response->vanished.uids);
        break;
    case IMAP_SEARCH:
        touch(response->found.tag);
        touch_uids(response->found.uids);
        break;
    case IMAP_THREAD:
        touch_threads(response->threads);
        break;
    case IMAP_FETCH:
        touch_fetch(&response->fetch);
        break;
    }
}

static void
parse(const char *frame, gsize length)
{
    g_autofree char *copy = g_memdup2(frame, length);
    ImapResponse response;
    if (length == 0)
        return;
    imap_response_parse(copy, length, &response);
    touch_response(&response);
}

/* The ends of all responses, when octets come in pieces as RANDOM has it. */
static ImapFrame
find_ends(const char *data, gsize length, GRand *random, GArray *ends)
{
    ImapFramer framer = {0, 0};
    ImapFrame frame = IMAP_FRAME_MORE;
    gsize begin = 0;
    gsize arrived = random ? 0 : length;

    for (;;) {
        gsize size = 0;
        /* Of exactly that size, as a buffer that grows would be. */
        g_autofree char *part = g_memdup2(data + begin, arrived - begin);
        frame =
            imap_frame(&framer, part ? part : "", arrived - begin, &size, NULL);
        if (frame == IMAP_FRAME_WHOLE) {
            MUST(size > 0 && size <= arrived - begin);
            begin += size;
            g_array_append_val(ends, begin);
        } else if (frame == IMAP_FRAME_BAD || arrived == length) {
            return frame;
        } else {
            arrived += (gsize)g_rand_int_range(random, 1, 40);
            arrived = MIN(arrived, length);
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GArray) ends = g_array_new(FALSE, FALSE, sizeof(gsize));
    g_autoptr(GArray) others = g_array_new(FALSE, FALSE, sizeof(gsize));
    g_autoptr(GRand) random = NULL;
    const char *stream = (const char *)data + 1;
    gsize begin = 0;

    if (size == 0)
        return 0;
    random = g_rand_new_with_seed(data[0]);
    MUST(find_ends(stream, size - 1, NULL, ends) ==
         find_ends(stream, size - 1, random, others));
    MUST(ends->len == others->len);
    for (guint i = 0; i < ends->len; i++) {
        gsize end = g_array_index(ends, gsize, i);
        MUST(end == g_array_index(others, gsize, i));
        parse(stream + begin, end - begin);
        begin = end;
    }
    /* What no framer has seen is no worse. */
    parse(stream + begin, size - 1 - begin);
    return 0;
}

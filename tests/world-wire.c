/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "imap/uidset.h"
#include "world-peer.h"

/* ---- the wire ---- */

static void
drop_source(GSource **source)
{
    if (*source != NULL) {
        g_source_destroy(*source);
        g_clear_pointer(source, g_source_unref);
    }
}

static void
free_peer(WorldPeer *peer)
{
    drop_source(&peer->source);
    drop_source(&peer->writable);
    clock_cancel(peer->world->clock, &peer->timer);
    close(peer->fd);
    g_string_free(peer->input, TRUE);
    g_string_free(peer->output, TRUE);
    for (GString *reply; (reply = g_queue_pop_head(&peer->replies));)
        g_string_free(reply, TRUE);
    g_array_unref(peer->numbers);
    g_hash_table_unref(peer->flags);
    g_free(peer->idle_tag);
    g_free(peer);
}

void
world_peer_hang_up(WorldPeer *peer)
{
    g_ptr_array_remove_fast(peer->world->peers, peer);
    free_peer(peer);
}

static gboolean on_writable(gint fd, GIOCondition condition, gpointer data);

/* FALSE when the connection is gone. */
static gboolean
flush(WorldPeer *peer)
{
    while (peer->output->len > 0) {
        gsize n = peer->output->len;
        ssize_t sent;
        if (peer->budget >= 0)
            n = MIN(n, (gsize)peer->budget);
        if (n == 0) {
            world_peer_hang_up(peer);
            return FALSE;
        }
        sent = send(peer->fd, peer->output->str, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            if (peer->writable == NULL) {
                peer->writable = g_unix_fd_source_new(peer->fd, G_IO_OUT);
                g_source_set_callback(peer->writable,
                                      G_SOURCE_FUNC(on_writable), peer, NULL);
                g_source_attach(peer->writable, NULL);
            }
            return TRUE;
        }
        if (sent < 0) {
            world_peer_hang_up(peer);
            return FALSE;
        }
        g_string_erase(peer->output, 0, sent);
        peer->world->octets += (guint64)sent;
        if (peer->budget >= 0)
            peer->budget -= sent;
    }
    return TRUE;
}

static gboolean
on_writable(gint fd, GIOCondition condition, gpointer data)
{
    WorldPeer *peer = data;
    (void)fd;
    (void)condition;
    g_clear_pointer(&peer->writable, g_source_unref);
    flush(peer);
    return G_SOURCE_REMOVE;
}

static void
on_timer(gpointer data)
{
    WorldPeer *peer = data;
    GString *reply;

    peer->timer = 0;
    if (peer->world->dead) { /* the wire holds everything back */
        peer->timer =
            clock_after(peer->world->clock, CLOCK_SECOND, on_timer, peer);
        return;
    }
    reply = g_queue_pop_head(&peer->replies);
    if (reply == NULL)
        return;
    g_string_append_len(peer->output, reply->str, (gssize)reply->len);
    g_string_free(reply, TRUE);
    if (!g_queue_is_empty(&peer->replies))
        peer->timer =
            clock_after(peer->world->clock,
                        g_rand_int_range(peer->world->rand, 0,
                                         (gint)peer->world->delay_max + 1),
                        on_timer, peer);
    flush(peer);
}

void
world_peer_reply(WorldPeer *peer, GString *text)
{
    World *world = peer->world;
    g_queue_push_tail(&peer->replies, text);
    if (peer->timer == 0)
        peer->timer = clock_after(
            world->clock,
            g_rand_int_range(world->rand, 0, (gint)world->delay_max + 1),
            on_timer, peer);
}

/* ---- news ---- */

void
world_peer_begin_fetch(const WorldPeer *peer, GString *text, guint number,
                       guint32 uid, gboolean with_uid)
{
    if (peer->enabled & WORLD_UIDONLY)
        g_string_append_printf(text, "* %u UIDFETCH (", uid);
    else
        g_string_append_printf(text, "* %u FETCH (", number);
    if (with_uid &&
        (!(peer->enabled & WORLD_UIDONLY) || peer->world->unasked_uids))
        g_string_append_printf(text, "UID %u ", uid);
}

void
world_peer_end_fetch(GString *text)
{
    if (text->str[text->len - 1] == ' ')
        g_string_truncate(text, text->len - 1);
    g_string_append(text, ")\r\n");
}

void
world_append_set(GString *text, const GArray *uids)
{
    g_autoptr(GString) set = g_string_new(NULL);
    ImapUidsetWriter writer = {.text = set};

    for (guint i = 0; i < uids->len; i++)
        imap_uidset_add(&writer, g_array_index(uids, guint32, i));
    imap_uidset_end(&writer);
    g_string_append(text, set->str);
}

static gboolean
tell_gone(WorldPeer *peer, GString *text)
{
    gboolean by_uid = peer->enabled & (WORLD_QRESYNC | WORLD_UIDONLY);
    g_autoptr(GArray) gone = g_array_new(FALSE, FALSE, sizeof(guint32));

    for (guint i = 0; i < peer->numbers->len;) {
        guint32 uid = g_array_index(peer->numbers, guint32, i);
        if (world_message(peer->selected, uid) != NULL) {
            i++;
            continue;
        }
        g_array_remove_index(peer->numbers, i);
        g_hash_table_remove(peer->flags, GUINT_TO_POINTER(uid));
        g_array_append_val(gone, uid);
        if (!by_uid)
            g_string_append_printf(text, "* %u EXPUNGE\r\n", i + 1);
    }
    if (gone->len == 0 || !by_uid)
        return gone->len > 0;
    g_string_append(text, "* VANISHED ");
    if (world_lies(peer->world, WORLD_VANISHES_TWICE)) {
        for (guint i = 0; i < peer->selected->gone->len; i++)
            g_string_append_printf(
                text, "%u,",
                g_array_index(peer->selected->gone, WorldGone, i).uid);
        world_append_set(text, gone);
        g_string_append_printf(text, "\r\n* %u EXISTS\r\n", peer->numbers->len);
    } else {
        world_append_set(text, gone);
        g_string_append(text, "\r\n");
    }
    return TRUE;
}

static void
tell_flags(WorldPeer *peer, GString *text)
{
    for (guint i = 0; i < peer->numbers->len; i++) {
        guint32 uid = g_array_index(peer->numbers, guint32, i);
        const WorldMessage *message = world_message(peer->selected, uid);
        guint told = GPOINTER_TO_UINT(
            g_hash_table_lookup(peer->flags, GUINT_TO_POINTER(uid)));
        g_autofree char *flags = NULL;
        if (message == NULL || message->flags == told)
            continue;
        g_hash_table_insert(peer->flags, GUINT_TO_POINTER(uid),
                            GUINT_TO_POINTER(message->flags));
        flags = world_flags_text(message->flags);
        world_peer_begin_fetch(peer, text, i + 1, uid,
                               peer->enabled & WORLD_QRESYNC);
        g_string_append_printf(text, "FLAGS (%s)", flags);
        if (peer->enabled & WORLD_CONDSTORE && !peer->selected->nomodseq)
            g_string_append_printf(text, " MODSEQ (%" G_GUINT64_FORMAT ")",
                                   message->modseq);
        world_peer_end_fetch(text);
    }
}

gboolean
world_peer_news(WorldPeer *peer, GString *text)
{
    WorldMailbox *mailbox = peer->selected;
    gboolean expunged;
    guint before;

    if (mailbox == NULL)
        return FALSE;
    expunged = tell_gone(peer, text);
    before = peer->numbers->len;
    for (guint i = 0; i < mailbox->messages->len; i++) {
        guint32 uid = world_message_at(mailbox, i)->uid;
        guint32 last =
            peer->numbers->len == 0
                ? 0
                : g_array_index(peer->numbers, guint32, peer->numbers->len - 1);
        if (uid <= last)
            continue;
        g_array_append_val(peer->numbers, uid);
        g_hash_table_insert(peer->flags, GUINT_TO_POINTER(uid), NULL);
    }
    if (peer->numbers->len != before)
        g_string_append_printf(text, "* %u EXISTS\r\n", peer->numbers->len);
    tell_flags(peer, text);
    return expunged;
}

void
world_peers_news(World *world, const WorldMailbox *mailbox)
{
    for (guint i = 0; i < world->peers->len; i++) {
        WorldPeer *peer = g_ptr_array_index(world->peers, i);
        GString *text;
        if (peer->selected != mailbox || peer->idle_tag == NULL)
            continue;
        text = g_string_new(NULL);
        world_peer_news(peer, text);
        world_peer_reply(peer, text);
    }
}

void
world_peers_hang_up(World *world, const WorldMailbox *mailbox)
{
    for (guint p = world->peers->len; p-- > 0;) {
        WorldPeer *peer = g_ptr_array_index(world->peers, p);
        if (peer->selected == mailbox)
            world_peer_hang_up(peer);
    }
}

/* ---- receiving ---- */

static gboolean
on_readable(gint fd, GIOCondition condition, gpointer data)
{
    WorldPeer *peer = data;
    char buffer[4096];
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    char *end;
    (void)condition;

    if (n <= 0) {
        world_peer_hang_up(peer);
        return G_SOURCE_REMOVE;
    }
    g_string_append_len(peer->input, buffer, n);
    while ((end = strstr(peer->input->str, "\r\n")) != NULL) {
        g_autofree char *line =
            g_strndup(peer->input->str, (gsize)(end - peer->input->str));
        g_string_erase(peer->input, 0, end + 2 - peer->input->str);
        world_peer_answer(peer, line);
    }
    return G_SOURCE_CONTINUE;
}

/* ---- connections ---- */

typedef struct {
    World *world;
    GCancellable *cancellable;
    ImapDialed done;
    gpointer data;
} Dial;

static void
on_dial(gpointer data)
{
    g_autofree Dial *dial = data;
    World *world = dial->world;
    g_autoptr(GCancellable) cancellable = dial->cancellable;
    g_autoptr(GError) error = NULL;
    int ends[2];
    WorldPeer *peer;

    if (g_cancellable_is_cancelled(cancellable))
        return;
    if (world->refusing || world->dead) {
        error = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_OFFLINE, "refused");
        dial->done(NULL, error, dial->data);
        return;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                   ends))
        g_error("socketpair: %s", g_strerror(errno));
    peer = g_new0(WorldPeer, 1);
    peer->world = world;
    peer->fd = ends[0];
    peer->input = g_string_new(NULL);
    peer->output = g_string_new(NULL);
    peer->numbers = g_array_new(FALSE, FALSE, sizeof(guint32));
    peer->flags = g_hash_table_new(NULL, NULL);
    g_queue_init(&peer->replies);
    peer->budget = g_rand_double(world->rand) < world->cut
                       ? g_rand_int_range(world->rand, 0, 30000)
                       : -1;
    peer->source = g_unix_fd_source_new(peer->fd, G_IO_IN);
    g_source_set_callback(peer->source, G_SOURCE_FUNC(on_readable), peer, NULL);
    g_source_attach(peer->source, NULL);
    g_ptr_array_add(world->peers, peer);
    world_peer_reply(
        peer,
        g_string_new("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hi\r\n"));
    dial->done(imap_stream_new(g_socket_new_from_fd(ends[1], NULL)), NULL,
               dial->data);
}

static void
dial_world(gpointer dialer, GCancellable *cancellable, ImapDialed done,
           gpointer data)
{
    World *world = dialer;
    Dial *dial = g_new(Dial, 1);

    world->dials++;
    *dial = (Dial){world, g_object_ref(cancellable), done, data};
    clock_after(world->clock,
                world->dead ? 10 * CLOCK_SECOND : CLOCK_MILLISECOND, on_dial,
                dial);
}

ImapDialer
world_dialer(World *world)
{
    return (ImapDialer){dial_world, world};
}

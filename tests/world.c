/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "imap/syntax.h"
#include "imap/uidset.h"

/* One connection, seen from the server. */
typedef struct {
    World *world;
    int fd;
    GSource *source;
    GSource *writable;
    GString *input;
    GQueue replies;  /* of GString, each sent when its time has come */
    GString *output; /* sent as fast as the socket takes it */
    guint timer;
    gint64 budget; /* octets until the cut; -1: none */
    char *idle_tag;
    WorldMailbox *selected;
    GArray *numbers;  /* what the client was told: UID by sequence number */
    GHashTable *seen; /* UIDs it was told are \Seen */
} Peer;

guint8
world_octet(const char *mailbox, guint32 uidvalidity, guint32 uid,
            guint64 offset)
{
    guint64 x =
        g_str_hash(mailbox) * 31ULL + uidvalidity * 131ULL + uid * 977ULL;
    x = (x + offset / 7) * 0x9e3779b97f4a7c15ULL;
    return (guint8)('!' + ((x >> 32) + offset) % 90);
}

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
free_peer(gpointer data)
{
    Peer *peer = data;
    drop_source(&peer->source);
    drop_source(&peer->writable);
    clock_cancel(peer->world->clock, &peer->timer);
    close(peer->fd);
    g_string_free(peer->input, TRUE);
    g_string_free(peer->output, TRUE);
    for (GString *reply; (reply = g_queue_pop_head(&peer->replies));)
        g_string_free(reply, TRUE);
    g_array_unref(peer->numbers);
    g_hash_table_unref(peer->seen);
    g_free(peer->idle_tag);
    g_free(peer);
}

static void
hang_up(Peer *peer)
{
    g_ptr_array_remove_fast(peer->world->peers, peer);
}

static gboolean on_writable(gint fd, GIOCondition condition, gpointer data);

/* FALSE when the connection is gone. */
static gboolean
flush(Peer *peer)
{
    while (peer->output->len > 0) {
        gsize n = peer->output->len;
        ssize_t sent;
        if (peer->budget >= 0)
            n = MIN(n, (gsize)peer->budget);
        if (n == 0) {
            hang_up(peer);
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
            hang_up(peer);
            return FALSE;
        }
        g_string_erase(peer->output, 0, sent);
        if (peer->budget >= 0)
            peer->budget -= sent;
    }
    return TRUE;
}

static gboolean
on_writable(gint fd, GIOCondition condition, gpointer data)
{
    Peer *peer = data;
    (void)fd;
    (void)condition;
    g_clear_pointer(&peer->writable, g_source_unref);
    flush(peer);
    return G_SOURCE_REMOVE;
}

static void
on_timer(gpointer data)
{
    Peer *peer = data;
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

/* Takes TEXT. */
static void
reply(Peer *peer, GString *text)
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

static WorldMessage *
find_message(const WorldMailbox *mailbox, guint32 uid)
{
    for (guint i = 0; i < mailbox->messages->len; i++) {
        WorldMessage *message =
            &g_array_index(mailbox->messages, WorldMessage, i);
        if (message->uid == uid)
            return message;
    }
    return NULL;
}

/* Tells the client what has changed since it was told last. */
static void
tell_news(Peer *peer, GString *text, gboolean expunges)
{
    WorldMailbox *mailbox = peer->selected;
    guint before = peer->numbers->len;

    if (mailbox == NULL)
        return;
    for (guint i = 0; expunges && i < peer->numbers->len;) {
        guint32 uid = g_array_index(peer->numbers, guint32, i);
        if (find_message(mailbox, uid) != NULL) {
            i++;
            continue;
        }
        g_array_remove_index(peer->numbers, i);
        g_string_append_printf(text, "* %u EXPUNGE\r\n", i + 1);
        before = peer->numbers->len;
    }
    for (guint i = 0; i < mailbox->messages->len; i++) {
        const WorldMessage *message =
            &g_array_index(mailbox->messages, WorldMessage, i);
        guint32 last =
            peer->numbers->len == 0
                ? 0
                : g_array_index(peer->numbers, guint32, peer->numbers->len - 1);
        if (message->uid > last)
            g_array_append_val(peer->numbers, message->uid);
    }
    if (peer->numbers->len != before)
        g_string_append_printf(text, "* %u EXISTS\r\n", peer->numbers->len);
    for (guint i = 0; i < peer->numbers->len; i++) {
        guint32 uid = g_array_index(peer->numbers, guint32, i);
        const WorldMessage *message = find_message(mailbox, uid);
        gboolean told =
            g_hash_table_contains(peer->seen, GUINT_TO_POINTER(uid));
        if (message == NULL || message->seen == told)
            continue;
        if (told)
            g_hash_table_remove(peer->seen, GUINT_TO_POINTER(uid));
        else
            g_hash_table_add(peer->seen, GUINT_TO_POINTER(uid));
        g_string_append_printf(text, "* %u FETCH (FLAGS (%s))\r\n", i + 1,
                               message->seen ? "\\Seen" : "");
    }
}

static void
push_news(World *world, const WorldMailbox *mailbox)
{
    for (guint i = 0; i < world->peers->len; i++) {
        Peer *peer = g_ptr_array_index(world->peers, i);
        GString *text;
        if (peer->selected != mailbox || peer->idle_tag == NULL)
            continue;
        text = g_string_new(NULL);
        tell_news(peer, text, TRUE);
        reply(peer, text);
    }
}

/* ---- commands ---- */

static void
select_mailbox(Peer *peer, const char *tag, const char *argument)
{
    g_autofree char *name = g_strdup(argument);
    GString *text = g_string_new(NULL);

    g_strdelimit(name, "\"", ' ');
    g_strstrip(name);
    peer->selected = NULL;
    g_array_set_size(peer->numbers, 0);
    g_hash_table_remove_all(peer->seen);
    for (guint i = 0; i < peer->world->mailboxes->len; i++) {
        WorldMailbox *mailbox = g_ptr_array_index(peer->world->mailboxes, i);
        if (strcmp(mailbox->name, name) == 0)
            peer->selected = mailbox;
    }
    if (peer->selected == NULL) {
        g_string_printf(text, "%s NO [NONEXISTENT] no such mailbox\r\n", tag);
        reply(peer, text);
        return;
    }
    for (guint i = 0; i < peer->selected->messages->len; i++) {
        const WorldMessage *message =
            &g_array_index(peer->selected->messages, WorldMessage, i);
        g_array_append_val(peer->numbers, message->uid);
        if (message->seen)
            g_hash_table_add(peer->seen, GUINT_TO_POINTER(message->uid));
    }
    g_string_printf(text,
                    "* FLAGS (\\Seen)\r\n* %u EXISTS\r\n"
                    "* OK [UIDVALIDITY %u] .\r\n* OK [UIDNEXT %u] .\r\n"
                    "%s OK [READ-ONLY] selected\r\n",
                    peer->numbers->len, peer->selected->uidvalidity,
                    peer->selected->uidnext, tag);
    reply(peer, text);
}

static gboolean
in_set(const char *set, guint32 uid, guint32 last)
{
    g_auto(GStrv) ranges = g_strsplit(set, ",", -1);
    for (char **range = ranges; *range != NULL; range++) {
        char *colon = strchr(*range, ':');
        guint32 from = (guint32)strtoul(*range, NULL, 10);
        guint32 to = colon == NULL     ? from
                     : colon[1] == '*' ? last
                                       : (guint32)strtoul(colon + 1, NULL, 10);
        if (uid >= MIN(from, to) && uid <= MAX(from, to))
            return TRUE;
    }
    return FALSE;
}

static void
append_body(GString *text, const WorldMailbox *mailbox,
            const WorldMessage *message, const char *partial)
{
    guint64 origin = 0;
    guint64 length = G_MAXUINT64;

    if (sscanf(partial, "<%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT ">",
               &origin, &length) == 2)
        g_string_append_printf(text, " BODY[]<%" G_GUINT64_FORMAT ">", origin);
    else
        g_string_append(text, " BODY[]");
    origin = MIN(origin, message->size);
    length = MIN(length, message->size - origin);
    g_string_append_printf(text, " {%" G_GUINT64_FORMAT "}\r\n", length);
    for (guint64 i = 0; i < length; i++)
        g_string_append_c(text,
                          (char)world_octet(mailbox->name, mailbox->uidvalidity,
                                            message->uid, origin + i));
}

static void
fetch(Peer *peer, const char *tag, const char *arguments)
{
    g_autofree char *set = g_strndup(arguments, strcspn(arguments, " "));
    const char *partial = strstr(arguments, "BODY.PEEK[]");
    gboolean header = strstr(arguments, "HEADER.FIELDS") != NULL;
    GString *text = g_string_new(NULL);
    guint32 last =
        peer->numbers->len == 0
            ? 0
            : g_array_index(peer->numbers, guint32, peer->numbers->len - 1);

    for (guint i = 0; peer->selected != NULL && i < peer->numbers->len; i++) {
        guint32 uid = g_array_index(peer->numbers, guint32, i);
        const WorldMessage *message;
        if (!in_set(set, uid, last))
            continue;
        message = find_message(peer->selected, uid);
        if (message == NULL) { /* expunged, the client does not know yet */
            g_string_append_printf(text,
                                   "* %u FETCH (UID %u RFC822.SIZE 0%s)\r\n",
                                   i + 1, uid, partial ? " BODY[] NIL" : "");
            continue;
        }
        g_string_append_printf(text, "* %u FETCH (UID %u RFC822.SIZE %u", i + 1,
                               uid, message->announced);
        if (strstr(arguments, "FLAGS")) {
            g_string_append_printf(text, " FLAGS (%s)",
                                   message->seen ? "\\Seen" : "");
            if (message->seen)
                g_hash_table_add(peer->seen, GUINT_TO_POINTER(uid));
            else
                g_hash_table_remove(peer->seen, GUINT_TO_POINTER(uid));
        }
        if (header) {
            g_autofree char *subject =
                g_strdup_printf("Subject: no. %u\r\n\r\n", uid);
            g_string_append_printf(
                text,
                " INTERNALDATE \"01-Nov-2026 10:00:00 +0000\" "
                "BODY[HEADER.FIELDS (FROM TO SUBJECT MESSAGE-ID)] {%zu}\r\n%s",
                strlen(subject), subject);
        }
        if (partial != NULL)
            append_body(text, peer->selected, message,
                        partial + strlen("BODY.PEEK[]"));
        g_string_append(text, ")\r\n");
        /* A reply that is long comes in several bursts. */
        if (text->len > 4096) {
            reply(peer, text);
            text = g_string_new(NULL);
        }
    }
    tell_news(peer, text, TRUE);
    g_string_append_printf(text, "%s OK fetched\r\n", tag);
    reply(peer, text);
}

static void
list(Peer *peer, const char *tag)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < peer->world->mailboxes->len; i++) {
        const WorldMailbox *mailbox =
            g_ptr_array_index(peer->world->mailboxes, i);
        g_string_append_printf(text, "* LIST () \"/\" \"%s\"\r\n",
                               mailbox->name);
        if (peer->world->uidplus)
            g_string_append_printf(
                text,
                "* STATUS \"%s\" (MESSAGES %u UIDNEXT %u UIDVALIDITY %u)\r\n",
                mailbox->name, mailbox->messages->len, mailbox->uidnext,
                mailbox->uidvalidity);
    }
    g_string_append_printf(text, "%s OK listed\r\n", tag);
    reply(peer, text);
}

static void
answer(Peer *peer, char *line)
{
    GString *text = g_string_new(NULL);
    char *command = strchr(line, ' ');
    const char *tag = line;

    if (g_ascii_strcasecmp(line, "DONE") == 0) {
        tell_news(peer, text, TRUE);
        g_string_append_printf(text, "%s OK idle\r\n",
                               peer->idle_tag ? peer->idle_tag : "*");
        g_clear_pointer(&peer->idle_tag, g_free);
        reply(peer, text);
        return;
    }
    if (command == NULL) {
        g_string_printf(text, "* BAD what\r\n");
        reply(peer, text);
        return;
    }
    *command++ = '\0';
    if (g_str_has_prefix(command, "AUTHENTICATE") ||
        g_str_has_prefix(command, "LOGIN")) {
        g_string_printf(
            text, "%s OK [CAPABILITY IMAP4rev1 NAMESPACE%s%s] hello\r\n", tag,
            peer->world->idle ? " IDLE" : "",
            peer->world->uidplus ? " LIST-EXTENDED LIST-STATUS" : "");
    } else if (g_str_has_prefix(command, "NAMESPACE")) {
        g_string_printf(
            text, "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n%s OK .\r\n", tag);
    } else if (g_str_has_prefix(command, "LIST")) {
        g_string_free(text, TRUE);
        list(peer, tag);
        return;
    } else if (g_str_has_prefix(command, "EXAMINE ")) {
        g_string_free(text, TRUE);
        select_mailbox(peer, tag, command + 8);
        return;
    } else if (g_str_has_prefix(command, "UID FETCH ")) {
        g_string_free(text, TRUE);
        fetch(peer, tag, command + 10);
        return;
    } else if (strcmp(command, "IDLE") == 0) {
        peer->idle_tag = g_strdup(tag);
        g_string_append(text, "+ idling\r\n");
        tell_news(peer, text, TRUE);
    } else if (strcmp(command, "LOGOUT") == 0) {
        g_string_printf(text, "* BYE .\r\n%s OK .\r\n", tag);
    } else {
        tell_news(peer, text, TRUE);
        g_string_append_printf(text, "%s OK .\r\n", tag);
    }
    reply(peer, text);
}

static gboolean
on_readable(gint fd, GIOCondition condition, gpointer data)
{
    Peer *peer = data;
    char buffer[4096];
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    char *end;
    (void)condition;

    if (n <= 0) {
        hang_up(peer);
        return G_SOURCE_REMOVE;
    }
    g_string_append_len(peer->input, buffer, n);
    while ((end = strstr(peer->input->str, "\r\n")) != NULL) {
        g_autofree char *line =
            g_strndup(peer->input->str, (gsize)(end - peer->input->str));
        g_string_erase(peer->input, 0, end + 2 - peer->input->str);
        answer(peer, line);
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
    Peer *peer;

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
    peer = g_new0(Peer, 1);
    peer->world = world;
    peer->fd = ends[0];
    peer->input = g_string_new(NULL);
    peer->output = g_string_new(NULL);
    peer->numbers = g_array_new(FALSE, FALSE, sizeof(guint32));
    peer->seen = g_hash_table_new(NULL, NULL);
    g_queue_init(&peer->replies);
    peer->budget = g_rand_double(world->rand) < world->cut
                       ? g_rand_int_range(world->rand, 0, 30000)
                       : -1;
    peer->source = g_unix_fd_source_new(peer->fd, G_IO_IN);
    g_source_set_callback(peer->source, G_SOURCE_FUNC(on_readable), peer, NULL);
    g_source_attach(peer->source, NULL);
    g_ptr_array_add(world->peers, peer);
    reply(peer, g_string_new(
                    "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hi\r\n"));
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

/* ---- the world ---- */

static void
free_mailbox(gpointer data)
{
    WorldMailbox *mailbox = data;
    g_free(mailbox->name);
    g_array_unref(mailbox->messages);
    g_free(mailbox);
}

World *
world_new(Clock *clock, guint32 seed)
{
    World *world = g_new0(World, 1);
    world->clock = clock;
    world->rand = g_rand_new_with_seed(seed);
    world->mailboxes = g_ptr_array_new_with_free_func(free_mailbox);
    world->peers = g_ptr_array_new_with_free_func(free_peer);
    world->idle = TRUE;
    return world;
}

void
world_free(World *world)
{
    g_ptr_array_unref(world->peers);
    g_ptr_array_unref(world->mailboxes);
    g_rand_free(world->rand);
    g_free(world);
}

WorldMailbox *
world_add_mailbox(World *world, const char *name)
{
    WorldMailbox *mailbox = g_new0(WorldMailbox, 1);
    mailbox->name = g_strdup(name);
    mailbox->uidvalidity = (guint32)g_rand_int_range(world->rand, 1, 1000000);
    mailbox->uidnext = 1;
    mailbox->messages = g_array_new(FALSE, FALSE, sizeof(WorldMessage));
    g_ptr_array_add(world->mailboxes, mailbox);
    return mailbox;
}

void
world_remove_mailbox(World *world, guint i)
{
    WorldMailbox *mailbox = g_ptr_array_index(world->mailboxes, i);
    /* As Dovecot does: whoever has it selected is thrown out. */
    for (guint p = world->peers->len; p-- > 0;) {
        Peer *peer = g_ptr_array_index(world->peers, p);
        if (peer->selected == mailbox)
            hang_up(peer);
    }
    g_ptr_array_remove_index(world->mailboxes, i);
}

WorldMessage *
world_add_message(World *world, WorldMailbox *mailbox, guint32 size)
{
    WorldMessage message = {.uid = mailbox->uidnext,
                            .size = size,
                            .announced = size,
                            .born = clock_now(world->clock)};

    mailbox->uidnext += (guint32)g_rand_int_range(world->rand, 1, 4);
    if (world->wrong_sizes != 0 &&
        g_rand_int_range(world->rand, 0, (gint)world->wrong_sizes) == 0) {
        static const int off[] = {-1, 1, -20, 20};
        int by = off[g_rand_int_range(world->rand, 0, 4)];
        message.announced = (guint32)MAX((int)size + by, 0);
    }
    g_array_append_val(mailbox->messages, message);
    push_news(world, mailbox);
    return &g_array_index(mailbox->messages, WorldMessage,
                          mailbox->messages->len - 1);
}

void
world_expunge(World *world, WorldMailbox *mailbox, guint i)
{
    g_array_remove_index(mailbox->messages, i);
    push_news(world, mailbox);
}

void
world_set_seen(World *world, WorldMailbox *mailbox, guint i, gboolean seen)
{
    g_array_index(mailbox->messages, WorldMessage, i).seen = seen;
    push_news(world, mailbox);
}

void
world_replace(World *world, WorldMailbox *mailbox)
{
    for (guint p = world->peers->len; p-- > 0;) {
        Peer *peer = g_ptr_array_index(world->peers, p);
        if (peer->selected == mailbox)
            hang_up(peer);
    }
    mailbox->uidvalidity++;
    mailbox->uidnext = 1;
    g_array_set_size(mailbox->messages, 0);
    for (guint n = (guint)g_rand_int_range(world->rand, 0, 8); n > 0; n--)
        world_add_message(world, mailbox,
                          (guint32)g_rand_int_range(world->rand, 1, 3000));
}

void
world_cut(World *world)
{
    while (world->peers->len > 0)
        hang_up(g_ptr_array_index(world->peers, 0));
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "world.h"

#include <string.h>

#include "world-peer.h"

enum { LARGE_MODSEQ = 1000000 };

static int
within(World *world, int from, int below)
{
    return g_rand_int_range(world->rand, from, below);
}

/* ---- contents ---- */

guint8
world_octet(World *world, guint64 content, guint64 offset)
{
    const Letter *letter = world_letter(world, content);
    const GString *whole = letter ? letter_section(letter, "") : NULL;
    guint64 x = (content * 977 + offset / 7) * 0x9e3779b97f4a7c15ULL;
    if (whole != NULL)
        return offset < whole->len ? (guint8)whole->str[offset] : 0;
    return (guint8)('!' + ((x >> 32) + offset) % 90);
}

static char *
content_key(const char *mailbox, guint32 uidvalidity, guint32 uid)
{
    return g_strdup_printf("%s/%u/%u", mailbox, uidvalidity, uid);
}

guint64
world_content(const World *world, const char *mailbox, guint32 uidvalidity,
              guint32 uid)
{
    g_autofree char *key = content_key(mailbox, uidvalidity, uid);
    const guint64 *content = g_hash_table_lookup(world->contents, key);
    return content ? *content : 0;
}

char *
world_flags_text(guint flags)
{
    static const char *const names[] = {"\\Seen", "\\Flagged", "\\Answered",
                                        "$Forwarded", "Wichtig"};
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        if (flags >> i & 1)
            g_string_append_printf(text, "%s%s", text->len ? " " : "",
                                   names[i]);
    }
    return g_string_free(text, FALSE);
}

/* ---- the world ---- */

static void
free_mailbox(gpointer data)
{
    WorldMailbox *mailbox = data;
    g_free(mailbox->name);
    g_array_unref(mailbox->messages);
    g_array_unref(mailbox->gone);
    g_free(mailbox);
}

World *
world_new(Clock *clock, guint32 seed)
{
    World *world = g_new0(World, 1);
    world->clock = clock;
    world->rand = g_rand_new_with_seed(seed);
    world->mailboxes = g_ptr_array_new_with_free_func(free_mailbox);
    world->peers = g_ptr_array_new();
    world->contents =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    world->offers = WORLD_IDLE;
    return world;
}

void
world_free(World *world)
{
    world_cut(world);
    g_ptr_array_unref(world->peers);
    g_ptr_array_unref(world->mailboxes);
    g_hash_table_unref(world->contents);
    g_rand_free(world->rand);
    g_free(world->complaint);
    g_clear_pointer(&world->made_letters, g_hash_table_unref);
    g_free(world);
}

gboolean
world_lies(World *world, WorldLie lie)
{
    return world->lie == lie && within(world, 0, 2) == 0;
}

void
world_cut(World *world)
{
    while (world->peers->len > 0)
        world_peer_hang_up(g_ptr_array_index(world->peers, 0));
}

void
world_heal(World *world)
{
    world->dead = world->refusing = FALSE;
    world->cut = 0;
    for (guint i = 0; i < world->peers->len; i++) {
        WorldPeer *peer = g_ptr_array_index(world->peers, i);
        peer->budget = -1;
    }
}

/* ---- mailboxes ---- */

static guint64
first_modseq(World *world)
{
    static const guint64 firsts[] = {1, LARGE_MODSEQ * 5,
                                     G_GUINT64_CONSTANT(1) << 61};
    return firsts[within(world, 0, G_N_ELEMENTS(firsts))];
}

WorldMailbox *
world_add_mailbox(World *world, const char *name)
{
    WorldMailbox *mailbox = g_new0(WorldMailbox, 1);
    mailbox->name = g_strdup(name);
    mailbox->uidvalidity = (guint32)within(world, 1, 1000000000);
    mailbox->uidnext = 1;
    mailbox->messages = g_array_new(FALSE, FALSE, sizeof(WorldMessage));
    mailbox->gone = g_array_new(FALSE, FALSE, sizeof(WorldGone));
    mailbox->modseq = first_modseq(world);
    g_ptr_array_add(world->mailboxes, mailbox);
    return mailbox;
}

void
world_remove_mailbox(World *world, guint i)
{
    /* As Dovecot does: whoever has it selected is thrown out. */
    world_peers_hang_up(world, g_ptr_array_index(world->mailboxes, i));
    g_ptr_array_remove_index(world->mailboxes, i);
}

WorldMailbox *
world_mailbox(const World *world, const char *name)
{
    for (guint i = 0; i < world->mailboxes->len; i++) {
        WorldMailbox *mailbox = g_ptr_array_index(world->mailboxes, i);
        if (strcmp(mailbox->name, name) == 0)
            return mailbox;
    }
    return NULL;
}

static guint64
next_modseq(World *world, WorldMailbox *mailbox)
{
    mailbox->modseq += (guint64)within(world, 1, 4);
    return mailbox->modseq;
}

void
world_forget(WorldMailbox *mailbox)
{
    g_array_set_size(mailbox->gone, 0);
    mailbox->history = mailbox->modseq;
}

void
world_rewind(World *world, WorldMailbox *mailbox)
{
    if (mailbox->modseq < LARGE_MODSEQ)
        return;
    world_peers_hang_up(world, mailbox);
    mailbox->modseq = 1;
    for (guint i = 0; i < mailbox->messages->len; i++)
        world_message_at(mailbox, i)->modseq = 1;
    world_forget(mailbox);
}

/* ---- messages ---- */

WorldMessage *
world_message_at(const WorldMailbox *mailbox, guint i)
{
    return &g_array_index(mailbox->messages, WorldMessage, i);
}

WorldMessage *
world_message(const WorldMailbox *mailbox, guint32 uid)
{
    guint low = 0;
    guint high = mailbox ? mailbox->messages->len : 0;

    while (low < high) {
        guint middle = low + (high - low) / 2;
        WorldMessage *message = world_message_at(mailbox, middle);
        if (message->uid == uid)
            return message;
        if (message->uid < uid)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* Takes the rest of MESSAGE's fields. */
static WorldMessage *
append(World *world, WorldMailbox *mailbox, WorldMessage message)
{
    message.uid = mailbox->uidnext;
    message.modseq = next_modseq(world, mailbox);
    message.born = clock_now(world->clock);
    mailbox->uidnext += (guint32)within(world, 1, 4);
    g_hash_table_replace(
        world->contents,
        content_key(mailbox->name, mailbox->uidvalidity, message.uid),
        g_memdup2(&message.content, sizeof message.content));
    g_array_append_val(mailbox->messages, message);
    return world_message_at(mailbox, mailbox->messages->len - 1);
}

static WorldMessage *
append_new(World *world, WorldMailbox *mailbox, guint32 size)
{
    WorldMessage message = {.size = size,
                            .announced = size,
                            .content = ++world->last_content,
                            .date = 1793520000 + 60 * within(world, 0, 100000)};
    const Letter *letter = world_letter(world, message.content);

    if (letter != NULL)
        message.size = message.announced = size =
            (guint32)letter_section(letter, "")->len;
    if (world->wrong_sizes != 0 &&
        within(world, 0, (int)world->wrong_sizes) == 0) {
        static const int off[] = {-1, 1, -20, 20};
        message.announced =
            (guint32)MAX((int)size + off[within(world, 0, 4)], 0);
    }
    if (within(world, 0, 3) == 0)
        message.flags = (guint)within(world, 0, WORLD_FLAGS + 1);
    return append(world, mailbox, message);
}

WorldMessage *
world_add_message(World *world, WorldMailbox *mailbox, guint32 size)
{
    append_new(world, mailbox, size);
    world_peers_news(world, mailbox);
    return world_message_at(mailbox, mailbox->messages->len - 1);
}

void
world_expunge(World *world, WorldMailbox *mailbox, guint i, guint n)
{
    guint64 modseq = next_modseq(world, mailbox);

    n = MIN(n, mailbox->messages->len - i);
    for (guint k = i; k < i + n; k++) {
        WorldGone gone = {world_message_at(mailbox, k)->uid, modseq};
        g_array_append_val(mailbox->gone, gone);
    }
    g_array_remove_range(mailbox->messages, i, n);
    world_peers_news(world, mailbox);
}

void
world_set_flags(World *world, WorldMailbox *mailbox, guint i, guint n,
                guint flags)
{
    guint64 modseq = next_modseq(world, mailbox);

    n = MIN(n, mailbox->messages->len - i);
    for (guint k = i; k < i + n; k++) {
        world_message_at(mailbox, k)->flags = flags;
        world_message_at(mailbox, k)->modseq = modseq;
    }
    world_peers_news(world, mailbox);
}

void
world_move(World *world, WorldMailbox *from, guint i, WorldMailbox *to,
           gboolean keep)
{
    append(world, to, *world_message_at(from, i));
    world_peers_news(world, to);
    if (!keep)
        world_expunge(world, from, i, 1);
}

void
world_replace(World *world, WorldMailbox *mailbox, gboolean same)
{
    g_autoptr(GArray) before = mailbox->messages;

    world_peers_hang_up(world, mailbox);
    mailbox->uidvalidity++;
    mailbox->uidnext = 1;
    mailbox->messages = g_array_new(FALSE, FALSE, sizeof(WorldMessage));
    mailbox->modseq = first_modseq(world);
    world_forget(mailbox);
    for (guint i = 0; same && i < before->len; i++)
        append(world, mailbox, g_array_index(before, WorldMessage, i));
    for (int n = same ? 0 : within(world, 0, 8); n > 0; n--)
        append_new(world, mailbox, (guint32)within(world, 1, 3000));
}

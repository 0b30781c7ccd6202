/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/cached.h"

#include "fs/node.h"

struct FsCached {
    MailAccount *account;
    GHashTable *generations; /* directory -> its generation, then */
    GHashTable *guesses;     /* files whose size was a guess */
};

FsCached *
fs_cached_new(MailAccount *account)
{
    FsCached *cached = g_new0(FsCached, 1);
    cached->account = account;
    cached->generations =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    cached->guesses =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    return cached;
}

void
fs_cached_free(FsCached *cached)
{
    g_hash_table_unref(cached->generations);
    g_hash_table_unref(cached->guesses);
    g_free(cached);
}

/* 0 when INO cannot be kept. */
static guint64
generation_of(const FsCached *cached, guint64 ino)
{
    FsNode node = fs_node_of(ino);
    const MailMailbox *mailbox =
        node.kind == FS_MAILBOX
            ? mail_account_mailbox(cached->account, node.mailbox)
            : NULL;
    return mailbox != NULL && mailbox->listing == MAIL_LISTED
               ? mailbox->generation
               : 0;
}

void
fs_cached_note(FsCached *cached, guint64 ino)
{
    guint64 generation = generation_of(cached, ino);
    if (generation != 0)
        g_hash_table_insert(cached->generations, g_memdup2(&ino, sizeof ino),
                            g_memdup2(&generation, sizeof generation));
}

gboolean
fs_cached_is_current(const FsCached *cached, guint64 ino)
{
    const guint64 *generation = g_hash_table_lookup(cached->generations, &ino);
    return generation != NULL && *generation == generation_of(cached, ino);
}

void
fs_cached_note_guess(FsCached *cached, guint64 ino)
{
    if (!g_hash_table_contains(cached->guesses, &ino))
        g_hash_table_add(cached->guesses, g_memdup2(&ino, sizeof ino));
}

void
fs_cached_forget(FsCached *cached, guint64 ino)
{
    g_hash_table_remove(cached->guesses, &ino);
}

gboolean
fs_cached_take_guess(FsCached *cached, guint64 ino)
{
    return g_hash_table_remove(cached->guesses, &ino);
}

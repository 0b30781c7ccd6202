/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/mailbox.h"

#include <string.h>

enum { FLAG_WORDS_MAX = 1000 }; /* of one message; no server has so many */

static void
clear_message(gpointer data)
{
    g_free(((MailMessage *)data)->fields);
}

MailMailbox *
mail_mailbox_new(guint16 id, const char *name, const char *leaf)
{
    MailMailbox *mailbox = g_new0(MailMailbox, 1);
    mailbox->id = id;
    mailbox->name = g_strdup(name);
    mailbox->leaf = g_strdup(leaf);
    mailbox->children = g_ptr_array_new();
    mailbox->by_leaf = g_hash_table_new(g_str_hash, g_str_equal);
    mailbox->messages = g_array_new(FALSE, FALSE, sizeof(MailMessage));
    g_array_set_clear_func(mailbox->messages, clear_message);
    mailbox->keywords = g_ptr_array_new_with_free_func(g_free);
    mailbox->unsaved = g_array_new(FALSE, FALSE, sizeof(guint32));
    return mailbox;
}

void
mail_mailbox_free(MailMailbox *mailbox)
{
    g_free(mailbox->name);
    g_free(mailbox->leaf);
    g_free(mailbox->special_use);
    g_ptr_array_unref(mailbox->children);
    g_hash_table_unref(mailbox->by_leaf);
    g_array_unref(mailbox->messages);
    g_ptr_array_unref(mailbox->keywords);
    g_array_unref(mailbox->unsaved);
    g_free(mailbox);
}

/* ---- the tree ---- */

static int
compare_ids(gconstpointer a, gconstpointer b)
{
    const MailMailbox *one = *(MailMailbox *const *)a;
    const MailMailbox *other = *(MailMailbox *const *)b;
    return (int)one->id - (int)other->id;
}

void
mail_mailbox_adopt(MailMailbox *parent, MailMailbox *child)
{
    child->parent = parent;
    child->twin = g_hash_table_contains(parent->by_leaf, child->leaf);
    if (!child->twin)
        g_hash_table_insert(parent->by_leaf, child->leaf, child);
    g_ptr_array_add(parent->children, child);
    parent->children_sorted = FALSE;
}

const GPtrArray *
mail_mailbox_children(MailMailbox *parent)
{
    if (!parent->children_sorted)
        g_ptr_array_sort(parent->children, compare_ids);
    parent->children_sorted = TRUE;
    return parent->children;
}

void
mail_mailbox_disown(MailMailbox *child)
{
    if (!child->twin)
        g_hash_table_remove(child->parent->by_leaf, child->leaf);
    g_ptr_array_remove(child->parent->children, child);
    child->parent = NULL;
}

MailMailbox *
mail_mailbox_child(const MailMailbox *parent, const char *leaf)
{
    return g_hash_table_lookup(parent->by_leaf, leaf);
}

/* ---- messages ---- */

guint
mail_mailbox_count(const MailMailbox *mailbox)
{
    return mailbox->messages->len;
}

MailMessage *
mail_mailbox_at(const MailMailbox *mailbox, guint i)
{
    return &g_array_index(mailbox->messages, MailMessage, i);
}

guint
mail_mailbox_seek(const MailMailbox *mailbox, guint32 uid)
{
    guint low = 0;
    guint high = mailbox->messages->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;
        if (mail_mailbox_at(mailbox, middle)->uid < uid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

MailMessage *
mail_mailbox_find(const MailMailbox *mailbox, guint32 uid)
{
    guint i = mail_mailbox_seek(mailbox, uid);
    if (i == mailbox->messages->len || mail_mailbox_at(mailbox, i)->uid != uid)
        return NULL;
    return mail_mailbox_at(mailbox, i);
}

guint32
mail_mailbox_last_uid(const MailMailbox *mailbox)
{
    guint n = mailbox->messages->len;
    return n == 0 ? 0 : mail_mailbox_at(mailbox, n - 1)->uid;
}

void
mail_mailbox_insert(MailMailbox *mailbox, const MailMessage *message)
{
    guint i = mailbox->messages->len;

    if (message->uid > mail_mailbox_last_uid(mailbox)) {
        g_array_append_vals(mailbox->messages, message, 1);
    } else {
        i = mail_mailbox_seek(mailbox, message->uid);
        if (mail_mailbox_at(mailbox, i)->uid == message->uid) {
            clear_message(mail_mailbox_at(mailbox, i));
            *mail_mailbox_at(mailbox, i) = *message;
            return;
        }
        g_array_insert_vals(mailbox->messages, i, message, 1);
    }
    mailbox->generation++;
}

void
mail_mailbox_remove(MailMailbox *mailbox, guint32 first, guint32 last)
{
    guint from = mail_mailbox_seek(mailbox, first);
    guint to = last == G_MAXUINT32 ? mailbox->messages->len
                                   : mail_mailbox_seek(mailbox, last + 1);
    if (from < to) {
        g_array_remove_range(mailbox->messages, from, to - from);
        mailbox->generation++;
    }
}

void
mail_mailbox_retain(MailMailbox *mailbox, const guint8 *keep)
{
    GArray *kept = g_array_sized_new(FALSE, FALSE, sizeof(MailMessage),
                                     mailbox->messages->len);

    for (guint i = 0; i < mailbox->messages->len; i++) {
        if (keep[i])
            g_array_append_vals(kept, mail_mailbox_at(mailbox, i), 1);
        else
            clear_message(mail_mailbox_at(mailbox, i));
    }
    g_array_set_clear_func(mailbox->messages, NULL);
    g_array_unref(mailbox->messages);
    g_array_set_clear_func(kept, clear_message);
    mailbox->messages = kept;
    mailbox->generation++;
}

void
mail_mailbox_clear(MailMailbox *mailbox)
{
    g_array_set_size(mailbox->messages, 0);
    g_ptr_array_set_size(mailbox->keywords, 0);
    mailbox->listing = MAIL_UNLISTED;
    mailbox->modseq = 0;
    mailbox->fresh = FALSE;
    mailbox->generation++;
}

/* ---- flags ---- */

static const char *const system_flags[MAIL_FLAG_KEYWORD] = {
    "\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"};

static guint64
parse_flag(MailMailbox *mailbox, ImapSlice word)
{
    guint n = mailbox->keywords->len;

    for (guint i = 0; i < MAIL_FLAG_KEYWORD; i++) {
        if (imap_slice_is(word, system_flags[i]))
            return G_GUINT64_CONSTANT(1) << i;
    }
    if (word.data[0] == '\\') /* \Recent is not a property of the message */
        return 0;
    for (guint i = 0; i < n; i++) {
        if (imap_slice_is(word, g_ptr_array_index(mailbox->keywords, i)))
            return G_GUINT64_CONSTANT(1) << (i + MAIL_FLAG_KEYWORD);
    }
    if (n == MAIL_FLAGS_MAX - MAIL_FLAG_KEYWORD)
        return 0;
    g_ptr_array_add(mailbox->keywords, imap_slice_dup(word));
    return G_GUINT64_CONSTANT(1) << (n + MAIL_FLAG_KEYWORD);
}

guint64
mail_mailbox_parse_flags(MailMailbox *mailbox, ImapSlice words)
{
    guint64 flags = 0;
    ImapSlice word;
    for (guint n = 0; n < FLAG_WORDS_MAX && imap_next_word(&words, &word); n++)
        flags |= parse_flag(mailbox, word);
    return flags;
}

char *
mail_mailbox_flags_text(const MailMailbox *mailbox, guint64 flags)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < MAIL_FLAG_KEYWORD + mailbox->keywords->len; i++) {
        if ((flags >> i & 1) == 0)
            continue;
        if (text->len > 0)
            g_string_append_c(text, ' ');
        g_string_append(text, i < MAIL_FLAG_KEYWORD
                                  ? system_flags[i]
                                  : g_ptr_array_index(mailbox->keywords,
                                                      i - MAIL_FLAG_KEYWORD));
    }
    return g_string_free(text, FALSE);
}

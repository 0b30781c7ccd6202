/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/mailboxes.h"

#include <string.h>

#include "base/error.h"
#include "imap/limits.h"
#include "imap/utf7.h"

enum { PATH_STEPS_MAX = 64 };

struct MailMailboxes {
    const MailMailboxesEvents *events;
    gpointer data;
    MailMailbox *root;
    MailMailbox *by_id[G_MAXUINT16 + 1];
    guint16 incarnations[G_MAXUINT16 + 1]; /* of the next with that id */
    GHashTable *by_name; /* as the server spells it -> MailMailbox */
    guint count;
    guint run; /* number of the LIST being taken */
    char *prefix;
};

MailMailboxes *
mail_mailboxes_new(const MailMailboxesEvents *events, gpointer data)
{
    MailMailboxes *mailboxes = g_new0(MailMailboxes, 1);
    mailboxes->events = events;
    mailboxes->data = data;
    mailboxes->root = mail_mailbox_new(0, NULL, "");
    mailboxes->by_id[0] = mailboxes->root;
    mailboxes->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    return mailboxes;
}

void
mail_mailboxes_free(MailMailboxes *mailboxes)
{
    for (guint id = 0; id <= G_MAXUINT16; id++) {
        if (mailboxes->by_id[id] != NULL)
            mail_mailbox_free(mailboxes->by_id[id]);
    }
    g_hash_table_unref(mailboxes->by_name);
    g_free(mailboxes->prefix);
    g_free(mailboxes);
}

MailMailbox *
mail_mailboxes_root(const MailMailboxes *mailboxes)
{
    return mailboxes->root;
}

MailMailbox *
mail_mailboxes_get(const MailMailboxes *mailboxes, guint16 id)
{
    return mailboxes->by_id[id];
}

MailMailbox *
mail_mailboxes_named(const MailMailboxes *mailboxes, const char *name)
{
    /* INBOX is not case-sensitive (RFC 9051, 5.1). */
    gboolean inbox = g_ascii_strcasecmp(name, "INBOX") == 0;
    return g_hash_table_lookup(mailboxes->by_name, inbox ? "INBOX" : name);
}

GList *
mail_mailboxes_all(const MailMailboxes *mailboxes)
{
    return g_hash_table_get_values(mailboxes->by_name);
}

void
mail_mailboxes_set_prefix(MailMailboxes *mailboxes, ImapSlice prefix,
                          char delimiter)
{
    g_clear_pointer(&mailboxes->prefix, g_free);
    if (delimiter != '\0' && prefix.length > 1 &&
        prefix.data[prefix.length - 1] == delimiter)
        mailboxes->prefix = imap_slice_dup(prefix);
}

const char *
mail_mailboxes_prefix(const MailMailboxes *mailboxes)
{
    return mailboxes->prefix;
}

/*
 * Ids are part of inode numbers, so they should be the same the next time:
 * they derive from the path, and only a collision makes them depend on which
 * other mailboxes there are.
 */
static guint16
free_id(const MailMailboxes *mailboxes, const MailMailbox *parent,
        const char *leaf)
{
    guint id = (g_str_hash(leaf) ^ parent->id * 40503U) * 2654435761U >> 16;
    while (mailboxes->by_id[id] != NULL || id == 0)
        id = (id + 1) & G_MAXUINT16;
    return (guint16)id;
}

static MailMailbox *
add_mailbox(MailMailboxes *mailboxes, MailMailbox *parent, const char *leaf,
            gboolean raw, const char *name, guint16 id)
{
    MailMailbox *mailbox;

    if (id == 0 || mailboxes->by_id[id] != NULL)
        id = free_id(mailboxes, parent, leaf);
    mailbox = mail_mailbox_new(id, name, leaf);

    mailbox->raw = raw;
    mailbox->incarnation = mailboxes->incarnations[mailbox->id];
    mailbox->origin = mailbox->incarnation;
    mailboxes->by_id[mailbox->id] = mailbox;
    mailboxes->count++;
    if (name != NULL)
        g_hash_table_insert(mailboxes->by_name, mailbox->name, mailbox);
    mail_mailbox_adopt(parent, mailbox);
    mailboxes->events->added(mailbox, mailboxes->data);
    return mailbox;
}

/* A step of a path as a person reads it.  What cannot be decoded stays as it
 * is, and *RET_RAW says so. */
static char *
decode_leaf(const char *step, gboolean *ret_raw)
{
    char *leaf = imap_utf7_decode(step);
    *ret_raw = leaf == NULL;
    return leaf ? leaf : g_strdup(step);
}

/* The last but one step of NAME's path, made if it is not there. */
static MailMailbox *
find_parent(MailMailboxes *mailboxes, char **steps, guint n)
{
    MailMailbox *at = mailboxes->root;

    for (guint i = 0; i + 1 < n; i++) {
        gboolean raw;
        g_autofree char *leaf = decode_leaf(steps[i], &raw);
        MailMailbox *next = mail_mailbox_child(at, leaf);
        if (next == NULL)
            next = add_mailbox(mailboxes, at, leaf, raw, NULL, 0);
        next->seen_in = mailboxes->run;
        at = next;
    }
    return at;
}

static void
refuse(const char *name, const char *why)
{
    g_autofree char *shown = imapfs_printable(name, -1);
    g_message("mailbox %s is left out: %s", shown, why);
}

/* A mailbox that was a bare step of a path until now gets its name; any other
 * gets ID, if that is not 0 and free. */
static MailMailbox *
place(MailMailboxes *mailboxes, const char *name, char delimiter, guint16 id)
{
    const char *path = name;
    char separator[2] = {delimiter, '\0'};
    g_auto(GStrv) steps = NULL;
    g_autofree char *leaf = NULL;
    MailMailbox *parent;
    MailMailbox *mailbox;
    gboolean raw;
    guint n;

    if (mailboxes->prefix != NULL && g_str_has_prefix(name, mailboxes->prefix))
        path += strlen(mailboxes->prefix);
    if (delimiter != '\0' && g_str_has_suffix(path, separator))
        return NULL; /* "INBOX/" only says that INBOX may have children */
    steps = delimiter != '\0' ? g_strsplit(path, separator, -1)
                              : g_strsplit(path, "/", 1);
    n = g_strv_length(steps);
    if (n == 0 || n > PATH_STEPS_MAX) {
        refuse(name, n == 0 ? "it has no name" : "it lies too deep");
        return NULL;
    }
    /* INBOX is not case-sensitive (RFC 9051, 5.1). */
    if (g_ascii_strcasecmp(steps[0], "INBOX") == 0) {
        g_free(steps[0]);
        steps[0] = g_strdup("INBOX");
    }
    parent = find_parent(mailboxes, steps, n);
    leaf = decode_leaf(steps[n - 1], &raw);
    mailbox = mail_mailbox_child(parent, leaf);
    if (mailbox == NULL || mailbox->name != NULL)
        return add_mailbox(mailboxes, parent, leaf, raw, name, id);
    mailbox->name = g_strdup(name);
    g_hash_table_insert(mailboxes->by_name, mailbox->name, mailbox);
    return mailbox;
}

/* Takes SPECIAL_USE. */
static void
describe(MailMailbox *mailbox, char delimiter, gboolean selectable,
         char *special_use)
{
    mailbox->row_unsaved |= mailbox->delimiter != delimiter ||
                            mailbox->selectable != selectable ||
                            g_strcmp0(mailbox->special_use, special_use) != 0;
    mailbox->delimiter = delimiter;
    mailbox->selectable = selectable;
    g_free(mailbox->special_use);
    mailbox->special_use = special_use;
}

void
mail_mailboxes_begin(MailMailboxes *mailboxes)
{
    mailboxes->run++;
}

void
mail_mailboxes_take(MailMailboxes *mailboxes, const ImapList *list)
{
    g_autofree char *name = imap_slice_dup(list->name);
    MailMailbox *mailbox;

    if (name == NULL || strlen(name) != list->name.length ||
        list->name.length > IMAP_MAILBOX_NAME_MAX) {
        refuse(name ? name : "(NIL)", "its name is too long, or has NUL in it");
        return;
    }
    if (g_ascii_strcasecmp(name, "INBOX") == 0)
        strcpy(name, "INBOX");
    mailbox = g_hash_table_lookup(mailboxes->by_name, name);
    if (mailbox != NULL && list->attributes & IMAP_LIST_NONEXISTENT) {
        /* Gone since it was listed; children tell for themselves. */
        if (mailbox->children->len == 0)
            mailbox->seen_in = 0;
        mailbox->listed_in = 0;
        describe(mailbox, list->delimiter, FALSE, NULL);
        return;
    }
    if (mailbox == NULL) {
        if (mailboxes->count >= IMAP_MAILBOXES_MAX &&
            strcmp(name, "INBOX") != 0) {
            if (mailboxes->count == IMAP_MAILBOXES_MAX)
                g_message("there are more than %d mailboxes; the rest is left "
                          "out",
                          (int)IMAP_MAILBOXES_MAX);
            return;
        }
        mailbox = place(mailboxes, name, list->delimiter, 0);
        if (mailbox == NULL)
            return;
    }
    mailbox->listed_in = mailbox->seen_in = mailboxes->run;
    for (MailMailbox *above = mailbox->parent; above->parent != NULL;
         above = above->parent)
        above->seen_in = mailboxes->run;
    describe(mailbox, list->delimiter,
             (list->attributes & IMAP_LIST_NOSELECT) == 0,
             imap_slice_dup(list->special_use));
}

void
mail_mailboxes_restore(MailMailboxes *mailboxes, guint16 id, const char *name,
                       char delimiter, gboolean selectable,
                       const char *special_use)
{
    MailMailbox *mailbox = mail_mailboxes_named(mailboxes, name);

    if (mailbox == NULL && mailboxes->count < IMAP_MAILBOXES_MAX)
        mailbox = place(mailboxes, name, delimiter, id);
    if (mailbox != NULL)
        describe(mailbox, delimiter, selectable, g_strdup(special_use));
}

void
mail_mailboxes_remove(MailMailboxes *mailboxes, MailMailbox *mailbox)
{
    while (mailbox->children->len > 0)
        mail_mailboxes_remove(mailboxes,
                              g_ptr_array_index(mailbox->children, 0));
    mailboxes->events->removed(mailbox, mailboxes->data);
    mail_mailbox_disown(mailbox);
    mailboxes->by_id[mailbox->id] = NULL;
    mailboxes->incarnations[mailbox->id] = mailbox->incarnation + 1;
    mailboxes->count--;
    if (mailbox->name != NULL)
        g_hash_table_remove(mailboxes->by_name, mailbox->name);
    mail_mailbox_free(mailbox);
}

gboolean
mail_mailboxes_is_plausible(const MailMailboxes *mailboxes)
{
    const MailMailbox *inbox = mail_mailboxes_named(mailboxes, "INBOX");
    return inbox == NULL || inbox->listed_in == mailboxes->run;
}

void
mail_mailboxes_end(MailMailboxes *mailboxes)
{
    for (guint id = 1; id <= G_MAXUINT16; id++) {
        MailMailbox *mailbox = mailboxes->by_id[id];
        if (mailbox == NULL)
            continue;
        if (mailbox->seen_in != mailboxes->run)
            mail_mailboxes_remove(mailboxes, mailbox);
        else if (mailbox->listed_in != mailboxes->run)
            mailbox->selectable = FALSE; /* only its children are left */
    }
}

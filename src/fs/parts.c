/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is made from messages: the files and directories in .parts, the texts in
 * .text, and .attachments, where the same parts are, of a whole mailbox.
 *
 * A part's name depends on the others in its directory, so names are made for
 * all of it and remembered.
 */
#include <string.h>

#include "base/error.h"
#include "fs/partnames.h"
#include "fs/types.h"

enum {
    PART_BITS = 12,    /* as in node.h */
    MAILBOXES_MAX = 8, /* whose attachments are remembered */
};
/* Each part has its number in an inode's. */
G_STATIC_ASSERT((guint)MAIL_PARTS_MAX <= (guint)FS_PART_MAX);

/* The directory of a message. */
typedef struct {
    guint64 ino;
    guint32 uidvalidity;
    guint n; /* of parts; what the server tells and what is found may differ */
    gboolean local;
    GPtrArray *entries; /* of FsPartEntry */
    GHashTable *by_name;
} Folder;

typedef struct {
    guint32 uid;
    guint16 part;
    char *name;
} Attachment;

/* Of a mailbox. */
typedef struct {
    guint32 uidvalidity;
    guint64 generation;
    guint told;         /* so many were told of by the model */
    GPtrArray *entries; /* of Attachment, by UID and part */
    GHashTable *by_name;
} Attachments;

struct FsPartsMemory {
    Folder *folder;          /* the one used last, or NULL */
    GHashTable *attachments; /* id of a mailbox -> Attachments */
};

static void
free_folder(Folder *folder)
{
    g_hash_table_unref(folder->by_name);
    g_ptr_array_unref(folder->entries);
    g_free(folder);
}

static void
free_attachment(gpointer data)
{
    g_free(((Attachment *)data)->name);
    g_free(data);
}

static void
free_attachments(gpointer data)
{
    Attachments *all = data;
    g_hash_table_unref(all->by_name);
    g_ptr_array_unref(all->entries);
    g_free(all);
}

FsPartsMemory *
fs_parts_memory_new(void)
{
    FsPartsMemory *memory = g_new0(FsPartsMemory, 1);
    memory->attachments =
        g_hash_table_new_full(NULL, NULL, NULL, free_attachments);
    return memory;
}

void
fs_parts_memory_free(FsPartsMemory *memory)
{
    g_clear_pointer(&memory->folder, free_folder);
    g_hash_table_unref(memory->attachments);
    g_free(memory);
}

/* ---- structure ---- */

static gboolean
know_structure(const FsObject *object, const MailStructure **ret,
               MailFault *fault)
{
    return mail_account_know_structure(object->tree->account, object->mailbox,
                                       object->node.uid, ret, fault);
}

/* OBJECT is about a message, maybe one in another. */
static gboolean
find_message_part(FsObject *object, MailFault *fault)
{
    const MailStructure *structure;

    if (!fs_tree_find_message(object, fault))
        return FALSE;
    if (object->node.part == 0)
        return TRUE; /* the message itself, whatever is in it */
    if (!know_structure(object, &structure, fault))
        return FALSE;
    if (object->node.part >= structure->n)
        return fs_tree_not_found(fault);
    object->part = &structure->parts[object->node.part];
    return object->part->kind == MAIL_PART_MESSAGE || fs_tree_not_found(fault);
}

static gboolean
find_part(FsObject *object, MailFault *fault)
{
    const MailStructure *structure;

    if (!fs_tree_find_message(object, fault) ||
        !know_structure(object, &structure, fault))
        return FALSE;
    if (object->node.part >= structure->n)
        return fs_tree_not_found(fault);
    object->part = &structure->parts[object->node.part];
    return object->part->kind != MAIL_PART_MULTIPART ||
           fs_tree_not_found(fault);
}

/* The directory that part I is in. */
static FsNode
folder_of(FsTree *tree, FsNode node)
{
    FsObject object = {.tree = tree, .node = node};
    MailFault ignored = {NULL, NULL};
    const MailStructure *structure;
    guint part = 0;

    if (fs_tree_find_message(&object, &ignored) &&
        know_structure(&object, &structure, &ignored) &&
        node.part < structure->n) {
        for (part = structure->parts[node.part].parent;
             structure->parts[part].kind != MAIL_PART_MESSAGE;
             part = structure->parts[part].parent)
            continue;
    }
    g_clear_error(&ignored.error);
    return (FsNode){.kind = FS_PARTS,
                    .mailbox = node.mailbox,
                    .uid = node.uid,
                    .part = (guint16)part};
}

/* ---- .parts/MESSAGE ---- */

static void
fill_folder(const FsObject *object, FsAttributes *ret)
{
    fs_tree_fill(object->tree, object->node, S_IFDIR | 0500, ret);
    ret->generation = object->mailbox->uidvalidity;
    ret->stat.st_mtime = ret->stat.st_atime = ret->stat.st_ctime =
        (time_t)object->message->internaldate;
}

static FsNode
folder_parent(FsTree *tree, FsNode node)
{
    if (node.part != 0)
        return folder_of(tree, node);
    return (FsNode){
        .kind = FS_VIEW, .mailbox = node.mailbox, .part = FS_VIEW_PARTS};
}

static Folder *
make_folder(const MailStructure *structure, guint part)
{
    Folder *folder = g_new0(Folder, 1);

    folder->n = structure->n;
    folder->local = structure->local;
    folder->entries = fs_partnames_list(structure, part);
    folder->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < folder->entries->len; i++) {
        FsPartEntry *entry = g_ptr_array_index(folder->entries, i);
        g_hash_table_insert(folder->by_name, entry->name, entry);
    }
    return folder;
}

static gboolean
know_folder(const FsObject *object, const Folder **ret, MailFault *fault)
{
    FsPartsMemory *memory = object->tree->memory;
    guint64 ino = fs_node_ino(object->node);
    const MailStructure *structure;
    Folder *folder = memory->folder;

    if (!know_structure(object, &structure, fault))
        return FALSE;
    if (folder == NULL || folder->ino != ino ||
        folder->uidvalidity != object->mailbox->uidvalidity ||
        folder->n != structure->n || folder->local != structure->local) {
        g_clear_pointer(&memory->folder, free_folder);
        folder = make_folder(structure, object->node.part);
        folder->ino = ino;
        folder->uidvalidity = object->mailbox->uidvalidity;
        memory->folder = folder;
    }
    *ret = folder;
    return TRUE;
}

static FsObject
entry_object(const FsObject *directory, const FsPartEntry *entry)
{
    static const FsKind kinds[] = {
        [FS_ENTRY_HEADERS] = FS_HEADERS,
        [FS_ENTRY_PART] = FS_PART,
        [FS_ENTRY_MESSAGE] = FS_PARTS,
    };
    FsObject object = *directory;

    object.node.kind = kinds[entry->kind];
    object.node.part = (guint16)entry->part;
    object.part = NULL;
    return object;
}

static gboolean
lookup_in_folder(const FsObject *directory, const char *name, FsObject *ret,
                 MailFault *fault)
{
    const Folder *folder;
    const FsPartEntry *entry;

    if (!know_folder(directory, &folder, fault))
        return FALSE;
    entry = g_hash_table_lookup(folder->by_name, name);
    if (entry == NULL)
        return fs_tree_not_found(fault);
    *ret = entry_object(directory, entry);
    return TRUE;
}

static gboolean
list_folder(const FsObject *directory, FsReader *reader, MailFault *fault)
{
    gint64 i = reader->offset - FS_AT_FIRST;
    const Folder *folder;

    if (!know_folder(directory, &folder, fault))
        return fs_views_pause(reader, fault);
    for (; i < folder->entries->len; i++) {
        const FsPartEntry *entry = g_ptr_array_index(folder->entries, i);
        FsObject object = entry_object(directory, entry);
        if (!fs_tree_emit(reader, entry->name, &object, FS_AT_FIRST + i + 1))
            break;
    }
    return TRUE;
}

const FsType fs_parts_type = {
    .find = find_message_part,
    .fill = fill_folder,
    .parent = folder_parent,
    .lookup = lookup_in_folder,
    .list = list_folder,
};

/* ---- files that are made ---- */

static MailView
view_of(FsNode node)
{
    return (MailView){.kind = node.kind == FS_PART      ? MAIL_VIEW_PART
                              : node.kind == FS_HEADERS ? MAIL_VIEW_HEADERS
                                                        : MAIL_VIEW_TEXT,
                      .uid = node.uid,
                      .part = node.part};
}

static void
fill_file(const FsObject *object, FsAttributes *ret)
{
    MailView view = view_of(object->node);

    fs_tree_fill(object->tree, object->node, S_IFREG | 0400, ret);
    ret->generation = object->mailbox->uidvalidity;
    ret->stat.st_mtime = ret->stat.st_atime = ret->stat.st_ctime =
        (time_t)object->message->internaldate;
    fs_tree_fill_size(ret, mail_account_view_size(object->tree->account,
                                                  object->mailbox, &view));
}

static gboolean
know_size(const FsObject *object, MailViewSize *ret, MailFault *fault)
{
    MailView view = view_of(object->node);
    return mail_account_know_view_size(object->tree->account, object->mailbox,
                                       &view, ret, fault);
}

static FsNode
text_parent(FsTree *tree, FsNode node)
{
    (void)tree;
    return (FsNode){
        .kind = FS_VIEW, .mailbox = node.mailbox, .part = FS_VIEW_TEXT};
}

static FsNode
headers_parent(FsTree *tree, FsNode node)
{
    (void)tree;
    node.kind = FS_PARTS;
    return node;
}

/* How many octets the part of NODE has now, encoded; 0 when it is gone. */
static gboolean
know_octets(const FsObject *object, guint64 *ret, MailFault *fault)
{
    const MailStructure *structure;
    guint part = object->node.part;

    *ret = 0;
    if (part == 0)
        return TRUE;
    if (!know_structure(object, &structure, fault))
        return FALSE;
    if (part < structure->n)
        *ret = structure->parts[part].octets;
    return TRUE;
}

static gboolean
open_file(const FsObject *object, FsFile *file, MailFault *fault)
{
    MailView view = view_of(object->node);

    return mail_account_open_view(object->tree->account, object->mailbox, &view,
                                  fault) &&
           know_octets(object, &file->octets, fault);
}

static gboolean
read_file(FsTree *tree, MailMailbox *mailbox, const FsFile *file,
          guint64 offset, void *buffer, gsize size, gsize *ret_size,
          MailFault *fault)
{
    FsObject object = {.tree = tree, .node = file->node, .mailbox = mailbox};
    MailView view = view_of(file->node);
    guint64 octets;

    /* The parts may have turned out to be others since. */
    if (file->octets != 0) {
        if (!know_octets(&object, &octets, fault))
            return FALSE;
        if (octets != file->octets)
            return mail_fault_error(fault, IMAPFS_ERROR_STALE,
                                    "the part is not what it was taken for");
    }
    return mail_account_read_view(tree->account, mailbox, &view, offset, buffer,
                                  size, ret_size, fault);
}

const FsType fs_parts_part_type = {
    .find = find_part,
    .fill = fill_file,
    .know_size = know_size,
    .parent = folder_of,
    .xattrs = fs_xattrs_part,
    .open = open_file,
    .read = read_file,
};

const FsType fs_parts_headers_type = {
    .find = find_message_part,
    .fill = fill_file,
    .know_size = know_size,
    .parent = headers_parent,
    .xattrs = fs_xattrs_text,
    .open = open_file,
    .read = read_file,
};

/* To know their sizes is to have read them: a listing does without. */
const FsType fs_parts_text_type = {
    .find = fs_tree_find_message,
    .fill = fill_file,
    .parent = text_parent,
    .xattrs = fs_xattrs_text,
    .open = open_file,
    .read = read_file,
};

/* ---- .attachments ---- */

/* NAME with " (N)" before what it ends in. */
static char *
numbered(const char *name, guint n)
{
    const char *dot = strrchr(name, '.');
    gsize stem = dot != NULL ? (gsize)(dot - name) : strlen(name);
    return g_strdup_printf("%.*s (%u)%s", (int)stem, name, n, name + stem);
}

/* A name that none of ALL has.  AGAIN counts, for names that were used more
 * than once, how often; so a thousand that are the same cost a thousand steps.
 */
static char *
choose_name(const Attachments *all, GHashTable *again,
            const MailMessage *message, const MailAttachment *it)
{
    g_autofree char *plain =
        fs_partnames_attachment(message, it->name, it->type, FALSE);
    g_autofree char *with_uid = NULL;

    if (!g_hash_table_contains(all->by_name, plain))
        return g_steal_pointer(&plain);
    with_uid = fs_partnames_attachment(message, it->name, it->type, TRUE);
    if (!g_hash_table_contains(all->by_name, with_uid))
        return g_steal_pointer(&with_uid);
    for (;;) {
        guint n = GPOINTER_TO_UINT(g_hash_table_lookup(again, with_uid)) + 1;
        char *name = numbered(with_uid, n + 1);
        g_hash_table_insert(again, g_strdup(with_uid), GUINT_TO_POINTER(n));
        if (!g_hash_table_contains(all->by_name, name))
            return name;
        g_free(name);
    }
}

static Attachments *
make_attachments(const MailMailbox *mailbox, const GPtrArray *told)
{
    Attachments *all = g_new0(Attachments, 1);
    g_autoptr(GHashTable) again =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    all->uidvalidity = mailbox->uidvalidity;
    all->generation = mailbox->generation;
    all->told = told->len;
    all->entries = g_ptr_array_new_with_free_func(free_attachment);
    all->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < told->len; i++) {
        const MailAttachment *it = g_ptr_array_index(told, i);
        const MailMessage *message = mail_mailbox_find(mailbox, it->uid);
        Attachment *entry;
        if (message == NULL)
            continue;
        entry = g_new0(Attachment, 1);
        entry->uid = it->uid;
        entry->part = (guint16)it->part;
        entry->name = choose_name(all, again, message, it);
        g_ptr_array_add(all->entries, entry);
        g_hash_table_insert(all->by_name, entry->name, entry);
    }
    return all;
}

static gboolean
know_attachments(const FsObject *directory, const Attachments **ret,
                 MailFault *fault)
{
    GHashTable *remembered = directory->tree->memory->attachments;
    MailMailbox *mailbox = directory->mailbox;
    gpointer key = GUINT_TO_POINTER(mailbox->id);
    Attachments *all = g_hash_table_lookup(remembered, key);
    const GPtrArray *told;

    if (!mail_account_know_attachments(directory->tree->account, mailbox, &told,
                                       fault))
        return FALSE;
    if (all == NULL || all->uidvalidity != mailbox->uidvalidity ||
        all->generation != mailbox->generation || all->told != told->len) {
        if (all == NULL && g_hash_table_size(remembered) >= MAILBOXES_MAX)
            g_hash_table_remove_all(remembered);
        all = make_attachments(mailbox, told);
        g_hash_table_replace(remembered, key, all);
    }
    *ret = all;
    return TRUE;
}

static gboolean
attachment_object(const FsObject *directory, const Attachment *entry,
                  FsObject *ret)
{
    *ret = *directory;
    ret->node = (FsNode){.kind = FS_PART,
                         .mailbox = directory->node.mailbox,
                         .uid = entry->uid,
                         .part = entry->part};
    ret->message = mail_mailbox_find(directory->mailbox, entry->uid);
    return ret->message != NULL;
}

gboolean
fs_parts_lookup_attachment(const FsObject *directory, const char *name,
                           FsObject *ret, MailFault *fault)
{
    const Attachments *all;
    const Attachment *entry;

    /* To look at all messages for what no attachment is called would be too
     * much to ask. */
    if (name[0] == '.')
        return fs_tree_not_found(fault);
    if (!know_attachments(directory, &all, fault))
        return FALSE;
    entry = g_hash_table_lookup(all->by_name, name);
    return (entry != NULL && attachment_object(directory, entry, ret)) ||
           fs_tree_not_found(fault);
}

static gint64
position_of(const Attachment *entry)
{
    return FS_AT_MESSAGES + ((gint64)entry->uid << PART_BITS | entry->part);
}

/* The index of the first entry at POSITION or behind it. */
static guint
seek_attachment(const GPtrArray *entries, gint64 position)
{
    guint low = 0;
    guint high = entries->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;
        if (position_of(g_ptr_array_index(entries, middle)) < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

gboolean
fs_parts_list_attachments(const FsObject *directory, FsReader *reader,
                          MailFault *fault)
{
    const Attachments *all;
    FsObject object;

    if (!know_attachments(directory, &all, fault))
        return fs_views_pause(reader, fault);
    for (guint i = seek_attachment(all->entries, reader->offset);
         i < all->entries->len; i++) {
        const Attachment *entry = g_ptr_array_index(all->entries, i);
        if (attachment_object(directory, entry, &object) &&
            !fs_tree_emit(reader, entry->name, &object, position_of(entry) + 1))
            break;
    }
    return TRUE;
}

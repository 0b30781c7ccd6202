/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/tree.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "fs/types.h"

#define CONTROL_NAME ".imapfs"

FsTree *
fs_tree_new(MailAccount *account, Clock *clock, FsNaming naming,
            const FsMadeFile *made, gpointer made_data)
{
    FsTree *tree = g_new0(FsTree, 1);
    tree->account = account;
    tree->clock = clock;
    tree->naming = naming;
    tree->made = made;
    tree->made_data = made_data;
    tree->uid = getuid();
    tree->gid = getgid();
    tree->started = clock_wall(clock);
    tree->memory = fs_parts_memory_new();
    return tree;
}

void
fs_tree_list_views(FsTree *tree)
{
    tree->views_listed = TRUE;
}

void
fs_tree_free(FsTree *tree)
{
    fs_parts_memory_free(tree->memory);
    g_clear_pointer(&tree->texts, fs_texts_free);
    g_free(tree);
}

void
fs_tree_do_without_open(FsTree *tree)
{
    if (tree->texts == NULL)
        tree->texts = fs_texts_new();
}

void
fs_tree_forget(FsTree *tree, guint64 ino)
{
    FsNode node = fs_node_of(ino);
    if (tree->texts != NULL && node.kind == FS_STATUS)
        fs_texts_remove(tree->texts, node.uid);
}

/* ---- what the types share ---- */

gboolean
fs_tree_not_found(MailFault *fault)
{
    return mail_fault_error(fault, IMAPFS_ERROR_NOT_FOUND, "no such file");
}

void
fs_tree_fill(const FsTree *tree, FsNode node, mode_t mode, FsAttributes *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->stat.st_ino = fs_node_ino(node);
    ret->stat.st_mode = mode;
    ret->stat.st_nlink = 1;
    ret->stat.st_uid = tree->uid;
    ret->stat.st_gid = tree->gid;
    ret->stat.st_blksize = 4096;
}

void
fs_tree_fill_size(FsAttributes *attributes, MailViewSize size)
{
    attributes->stat.st_size = (off_t)MIN(size.octets, (guint64)G_MAXINT64);
    attributes->stat.st_blocks = (blkcnt_t)(size.octets / 512 + 1);
    attributes->inexact = !size.exact;
}

gboolean
fs_tree_find(FsTree *tree, guint64 ino, FsObject *ret, MailFault *fault)
{
    const FsType *type;

    *ret = (FsObject){.tree = tree, .node = fs_node_of(ino)};
    type = fs_tree_type(ret->node.kind);
    return type != NULL ? type->find(ret, fault) : fs_tree_not_found(fault);
}

gboolean
fs_tree_emit(FsReader *reader, const char *name, const FsObject *object,
             gint64 next)
{
    FsAttributes attributes;

    fs_tree_type(object->node.kind)->fill(object, &attributes);
    if (!reader->emit(name, &attributes, next, reader->data))
        return FALSE;
    reader->offset = next;
    reader->emitted++;
    return TRUE;
}

static FsNode
root_node(FsTree *tree, FsNode node)
{
    (void)tree;
    (void)node;
    return (FsNode){.kind = FS_ROOT};
}

/* ---- mailboxes ---- */

static gboolean
find_root(FsObject *object, MailFault *fault)
{
    (void)fault;
    object->mailbox = mail_account_root(object->tree->account);
    return TRUE;
}

static gboolean
find_mailbox(FsObject *object, MailFault *fault)
{
    if (object->node.mailbox != 0)
        object->mailbox =
            mail_account_mailbox(object->tree->account, object->node.mailbox);
    return object->mailbox != NULL || fs_tree_not_found(fault);
}

static void
fill_mailbox(const FsObject *object, FsAttributes *ret)
{
    /* Not the newest arrival: that is unknown until the mailbox is listed, and
     * a time that changes while a directory is read alarms tar and rsync. */
    gint64 when = MAX(object->mailbox->changed_at, object->tree->started);

    fs_tree_fill(object->tree, object->node, S_IFDIR | 0700, ret);
    ret->stat.st_mtime = ret->stat.st_ctime = ret->stat.st_atime = when;
    ret->generation = object->mailbox->origin;
}

static FsNode
mailbox_node(const MailMailbox *mailbox)
{
    if (mailbox->parent == NULL)
        return (FsNode){.kind = FS_ROOT};
    return (FsNode){.kind = FS_MAILBOX, .mailbox = mailbox->id};
}

static FsNode
mailbox_parent(FsTree *tree, FsNode node)
{
    const MailMailbox *mailbox =
        mail_account_mailbox(tree->account, node.mailbox);

    if (mailbox == NULL || mailbox->parent == NULL)
        return (FsNode){.kind = FS_ROOT};
    return mailbox_node(mailbox->parent);
}

static FsObject
child_object(const FsObject *directory, MailMailbox *child)
{
    return (FsObject){
        .tree = directory->tree, .node = mailbox_node(child), .mailbox = child};
}

static gboolean
lookup_in_mailbox(const FsObject *directory, const char *name, FsObject *ret,
                  MailFault *fault)
{
    MailMailbox *child;

    /* No mailbox has such a name, and no message. */
    if (name[0] == '.')
        return fs_views_find_named(directory, name, ret, fault);
    child = fs_names_find_mailbox(directory->mailbox, name);
    if (child != NULL) {
        *ret = child_object(directory, child);
        return TRUE;
    }
    if (fs_names_uid(name) == 0) {
        if (!mail_account_know_mailboxes(directory->tree->account, fault))
            return FALSE;
        /* It may have been made since; whoever asks again will find it. */
        mail_account_visit_root(directory->tree->account);
    }
    return fs_tree_find_named(directory, name, ret, fault);
}

static gboolean
lookup_in_root(const FsObject *directory, const char *name, FsObject *ret,
               MailFault *fault)
{
    if (strcmp(name, CONTROL_NAME) != 0)
        return lookup_in_mailbox(directory, name, ret, fault);
    *ret = (FsObject){.tree = directory->tree, .node = {.kind = FS_CONTROL}};
    return TRUE;
}

gboolean
fs_tree_visit_mailbox(const FsObject *directory, MailFault *fault)
{
    MailAccount *account = directory->tree->account;

    if (!directory->mailbox->selectable)
        mail_account_visit_root(account);
    return mail_account_know_mailboxes(account, fault) &&
           mail_account_visit(account, directory->mailbox, fault);
}

/* The index of the first child whose id is ID or larger. */
static guint
first_from(const GPtrArray *children, gint64 id)
{
    guint low = 0;
    guint high = children->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;
        const MailMailbox *child = g_ptr_array_index(children, middle);
        if (child->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static gboolean
emit_mailboxes(const FsObject *directory, FsReader *reader)
{
    const GPtrArray *children = mail_mailbox_children(directory->mailbox);

    for (guint i = first_from(children, reader->offset - FS_AT_FIRST);
         i < children->len; i++) {
        FsObject child =
            child_object(directory, g_ptr_array_index(children, i));
        g_autofree char *name = fs_names_mailbox(child.mailbox);
        if (!fs_tree_emit(reader, name, &child,
                          child.mailbox->id + FS_AT_FIRST + 1))
            return FALSE;
    }
    return TRUE;
}

static gboolean
emit_views(const FsObject *directory, FsReader *reader)
{
    return !directory->tree->views_listed || !directory->mailbox->selectable ||
           directory->mailbox->parent == NULL ||
           fs_views_emit(directory, reader);
}

static gboolean
emit_messages(const FsObject *directory, FsReader *reader)
{
    const MailMailbox *mailbox = directory->mailbox;
    gint64 uid = MAX(reader->offset - FS_AT_MESSAGES, 0);
    guint count = mail_mailbox_count(mailbox);
    char name[FS_NAME_MAX + 1];

    if (!mailbox->selectable || uid > G_MAXUINT32)
        return TRUE; /* none, or behind the last one there can be */
    for (guint i = mail_mailbox_seek(mailbox, (guint32)uid); i < count; i++) {
        FsObject object =
            fs_tree_message(directory, mail_mailbox_at(mailbox, i));
        if (mailbox->listing == MAIL_LISTING &&
            object.node.uid > mailbox->listed_to)
            return TRUE;
        fs_names_message(object.message, directory->tree->naming, name);
        if (!fs_tree_emit(reader, name, &object,
                          FS_AT_MESSAGES + object.node.uid + 1))
            return FALSE;
    }
    return TRUE;
}

static gboolean
list_mailbox(const FsObject *directory, FsReader *reader, MailFault *fault)
{
    gint64 last;

    if (!emit_mailboxes(directory, reader) || !emit_views(directory, reader) ||
        !emit_messages(directory, reader))
        return TRUE;
    /* At the end of what is known: is there more to come? */
    last = MAX(reader->offset - FS_AT_MESSAGES - 1, 0);
    return reader->emitted > 0 || last >= G_MAXUINT32 ||
           mail_account_know_beyond(directory->tree->account,
                                    directory->mailbox, (guint32)last, fault);
}

/* ---- messages ---- */

/* MESSAGE may be NULL: nothing is known of it. */
static FsNode
message_node(const MailMailbox *mailbox, guint32 uid,
             const MailMessage *message)
{
    guint renewed = message != NULL && message->renewed;
    return (FsNode){.kind = FS_MESSAGE,
                    .mailbox = mailbox->id,
                    .uid = uid,
                    .part =
                        (mailbox->incarnation << 1 | renewed) & FS_PART_MAX};
}

guint64
fs_tree_message_ino(const MailMailbox *mailbox, const MailMessage *message)
{
    return fs_node_ino(message_node(mailbox, message->uid, message));
}

static gboolean
is_current(const MailMailbox *mailbox, FsNode node)
{
    const MailMessage *message = mail_mailbox_find(mailbox, node.uid);
    return node.kind != FS_MESSAGE ||
           node.part == message_node(mailbox, node.uid, message).part;
}

gboolean
fs_tree_find_message(FsObject *object, MailFault *fault)
{
    if (!find_mailbox(object, fault))
        return FALSE;
    if (!is_current(object->mailbox, object->node))
        return mail_fault_error(fault, IMAPFS_ERROR_STALE,
                                "it is another file by now");
    return mail_account_know_message(object->tree->account, object->mailbox,
                                     object->node.uid, &object->message, fault);
}

FsObject
fs_tree_message(const FsObject *directory, MailMessage *message)
{
    return (FsObject){
        .tree = directory->tree,
        .node = message_node(directory->mailbox, message->uid, message),
        .mailbox = directory->mailbox,
        .message = message};
}

gboolean
fs_tree_find_named(const FsObject *directory, const char *name, FsObject *ret,
                   MailFault *fault)
{
    MailMailbox *mailbox = directory->mailbox;
    guint32 uid = fs_names_uid(name);
    char its[FS_NAME_MAX + 1];
    MailMessage *message;

    if (uid == 0 || !mailbox->selectable)
        return fs_tree_not_found(fault);
    if (!mail_account_know_message(directory->tree->account, mailbox, uid,
                                   &message, fault))
        return FALSE;
    fs_names_message(message, FS_NAMES_UID, its);
    if (strcmp(name, its) != 0) {
        fs_names_message(message, FS_NAMES_FULL, its);
        if (strcmp(name, its) != 0)
            return fs_tree_not_found(fault);
    }
    *ret = fs_tree_message(directory, message);
    return TRUE;
}

static void
fill_message(const FsObject *object, FsAttributes *ret)
{
    const MailMessage *message = object->message;

    fs_tree_fill(object->tree, object->node, S_IFREG | 0600, ret);
    ret->generation = object->mailbox->uidvalidity;
    fs_tree_fill_size(ret, (MailViewSize){message->size, !message->renewed ||
                                                             message->proven});
    ret->stat.st_mtime = ret->stat.st_atime = (time_t)message->internaldate;
    ret->stat.st_ctime = (time_t)message->changed;
}

/* What was promised once has to be right the second time. */
static gboolean
know_message_size(const FsObject *object, MailViewSize *ret, MailFault *fault)
{
    if (object->message->renewed &&
        !mail_account_know_size(object->tree->account, object->mailbox,
                                object->node.uid, fault))
        return FALSE;
    *ret = (MailViewSize){object->message->size, TRUE};
    return TRUE;
}

static FsNode
message_parent(FsTree *tree, FsNode node)
{
    (void)tree;
    return (FsNode){.kind = FS_MAILBOX, .mailbox = node.mailbox};
}

static gboolean
open_message(const FsObject *object, FsFile *file, MailFault *fault)
{
    if (!mail_account_know_size(object->tree->account, object->mailbox,
                                object->node.uid, fault))
        return FALSE;
    file->resized = object->message->resized;
    return TRUE;
}

static gboolean
read_message(FsTree *tree, MailMailbox *mailbox, const FsFile *file,
             guint64 offset, void *buffer, gsize size, gsize *ret_size,
             MailFault *fault)
{
    return mail_account_read(tree->account, mailbox, file->node.uid, offset,
                             buffer, size, ret_size, fault);
}

/* ---- .imapfs ---- */

/* The I-th file in .imapfs; NULL behind the last one. */
static const FsMadeFile *
made_file(const FsTree *tree, guint i)
{
    for (guint at = 0; tree->made != NULL && tree->made[at].name; at++) {
        if (at == i)
            return &tree->made[at];
    }
    return NULL;
}

static gboolean
find_control(FsObject *object, MailFault *fault)
{
    (void)object;
    (void)fault;
    return TRUE;
}

static void
fill_control(const FsObject *object, FsAttributes *ret)
{
    fs_tree_fill(object->tree, object->node, S_IFDIR | 0500, ret);
    ret->stat.st_mtime = ret->stat.st_ctime = ret->stat.st_atime =
        object->tree->started;
}

static FsObject
made_object(const FsObject *directory, guint i)
{
    return (FsObject){.tree = directory->tree,
                      .node = {.kind = FS_STATUS, .part = (guint16)i}};
}

static gboolean
lookup_in_control(const FsObject *directory, const char *name, FsObject *ret,
                  MailFault *fault)
{
    const FsMadeFile *file;

    for (guint i = 0; (file = made_file(directory->tree, i)) != NULL; i++) {
        if (strcmp(name, file->name) == 0) {
            FsTree *tree = directory->tree;
            *ret = made_object(directory, i);
            if (tree->texts != NULL)
                ret->node.uid =
                    fs_texts_add(tree->texts, file->text(tree->made_data));
            return TRUE;
        }
    }
    return fs_tree_not_found(fault);
}

static gboolean
list_control(const FsObject *directory, FsReader *reader, MailFault *fault)
{
    guint i = (guint)MIN(reader->offset - FS_AT_FIRST, G_MAXUINT16);
    const FsMadeFile *file;

    (void)fault;
    for (; (file = made_file(directory->tree, i)) != NULL; i++) {
        FsObject object = made_object(directory, i);
        if (!fs_tree_emit(reader, file->name, &object, FS_AT_FIRST + i + 1))
            break;
    }
    return TRUE;
}

static gboolean
find_made(FsObject *object, MailFault *fault)
{
    return made_file(object->tree, object->node.part) != NULL ||
           fs_tree_not_found(fault);
}

/* The text with the number of NODE, or NULL. */
static const char *
text_of(const FsTree *tree, FsNode node)
{
    return tree->texts != NULL ? fs_texts_get(tree->texts, node.uid) : NULL;
}

static void
fill_made(const FsObject *object, FsAttributes *ret)
{
    const char *text = text_of(object->tree, object->node);

    fs_tree_fill(object->tree, object->node, S_IFREG | 0400, ret);
    fs_tree_fill_size(
        ret, (MailViewSize){text != NULL ? strlen(text) : 0, text != NULL});
    ret->stat.st_mtime = ret->stat.st_ctime = ret->stat.st_atime =
        clock_wall(object->tree->clock);
}

static FsNode
made_parent(FsTree *tree, FsNode node)
{
    (void)tree;
    (void)node;
    return (FsNode){.kind = FS_CONTROL};
}

static gboolean
open_made(const FsObject *object, FsFile *file, MailFault *fault)
{
    const FsTree *tree = object->tree;

    (void)fault;
    file->text = made_file(tree, object->node.part)->text(tree->made_data);
    return TRUE;
}

/* ---- kinds ---- */

static const FsType root_type = {
    .find = find_root,
    .fill = fill_mailbox,
    .parent = root_node,
    .lookup = lookup_in_root,
    .visit = fs_tree_visit_mailbox,
    .list = list_mailbox,
};

static const FsType mailbox_type = {
    .find = find_mailbox,
    .fill = fill_mailbox,
    .parent = mailbox_parent,
    .xattrs = fs_xattrs_mailbox,
    .lookup = lookup_in_mailbox,
    .visit = fs_tree_visit_mailbox,
    .list = list_mailbox,
};

static const FsType message_type = {
    .find = fs_tree_find_message,
    .fill = fill_message,
    .know_size = know_message_size,
    .parent = message_parent,
    .xattrs = fs_xattrs_message,
    .open = open_message,
    .read = read_message,
};

static const FsType control_type = {
    .find = find_control,
    .fill = fill_control,
    .parent = root_node,
    .lookup = lookup_in_control,
    .list = list_control,
};

static const FsType made_type = {
    .find = find_made,
    .fill = fill_made,
    .parent = made_parent,
    .open = open_made,
};

const FsType *
fs_tree_type(FsKind kind)
{
    static const FsType *const types[] = {
        [FS_ROOT] = &root_type,
        [FS_MAILBOX] = &mailbox_type,
        [FS_MESSAGE] = &message_type,
        [FS_CONTROL] = &control_type,
        [FS_STATUS] = &made_type,
        [FS_VIEW] = &fs_views_type,
        [FS_PARTS] = &fs_parts_type,
        [FS_PART] = &fs_parts_part_type,
        [FS_HEADERS] = &fs_parts_headers_type,
        [FS_TEXT] = &fs_parts_text_type,
        [FS_SEARCH] = &fs_views_search_type,
        [FS_THREAD] = &fs_views_thread_type,
    };
    return (guint)kind < G_N_ELEMENTS(types) ? types[kind] : NULL;
}

/* ---- questions about what is there ---- */

guint64
fs_tree_parent(FsTree *tree, guint64 ino)
{
    FsNode node = fs_node_of(ino);
    const FsType *type = fs_tree_type(node.kind);

    return fs_node_ino(type ? type->parent(tree, node) : root_node(tree, node));
}

/* What is made from messages has a size that holds once it is opened; here
 * nobody does that. */
static gboolean
find_size(const FsObject *object, MailFault *fault)
{
    const FsType *type = fs_tree_type(object->node.kind);
    FsFile file = {.node = object->node};

    return type->open == NULL || !fs_node_is_of_view(object->node) ||
           type->open(object, &file, fault);
}

gboolean
fs_tree_getattr(FsTree *tree, guint64 ino, FsAttributes *ret, MailFault *fault)
{
    const FsType *type;
    MailViewSize size;
    FsObject object;

    if (!fs_tree_find(tree, ino, &object, fault) ||
        (tree->texts != NULL && !find_size(&object, fault)))
        return FALSE;
    type = fs_tree_type(object.node.kind);
    if (type->know_size != NULL && !type->know_size(&object, &size, fault))
        return FALSE;
    type->fill(&object, ret);
    if (type->know_size != NULL)
        fs_tree_fill_size(ret, size);
    return TRUE;
}

gboolean
fs_tree_known(FsTree *tree, guint64 ino, FsAttributes *ret,
              char name[FS_NAME_MAX + 1])
{
    FsObject object = {.tree = tree, .node = fs_node_of(ino)};
    g_autofree char *its = NULL;

    if (object.node.kind != FS_MAILBOX && object.node.kind != FS_MESSAGE)
        return FALSE;
    object.mailbox = mail_account_mailbox(tree->account, object.node.mailbox);
    if (object.mailbox == NULL || object.mailbox->parent == NULL)
        return FALSE;
    if (object.node.kind == FS_MAILBOX) {
        its = fs_names_mailbox(object.mailbox);
        fill_mailbox(&object, ret);
        return g_strlcpy(name, its, FS_NAME_MAX + 1) <= FS_NAME_MAX;
    }
    object.message = mail_mailbox_find(object.mailbox, object.node.uid);
    if (object.message == NULL || !is_current(object.mailbox, object.node))
        return FALSE;
    fs_names_message(object.message, tree->naming, name);
    fill_message(&object, ret);
    return TRUE;
}

char *
fs_tree_path(FsTree *tree, guint64 ino)
{
    FsNode node = fs_node_of(ino);
    const MailMailbox *mailbox = NULL;
    GString *path;

    if (node.kind == FS_ROOT)
        mailbox = mail_account_root(tree->account);
    else if (node.kind == FS_MAILBOX)
        mailbox = mail_account_mailbox(tree->account, node.mailbox);
    if (mailbox == NULL)
        return NULL;
    path = g_string_new(NULL);
    for (; mailbox->parent != NULL; mailbox = mailbox->parent) {
        g_autofree char *name = fs_names_mailbox(mailbox);
        if (path->len > 0)
            g_string_prepend_c(path, '/');
        g_string_prepend(path, name);
    }
    return g_string_free(path, FALSE);
}

/* ---- questions about directories ---- */

void
fs_tree_watched(FsTree *tree, guint64 ino)
{
    FsNode node = fs_node_of(ino);
    MailMailbox *mailbox =
        node.kind == FS_MAILBOX
            ? mail_account_mailbox(tree->account, node.mailbox)
            : NULL;
    if (mailbox != NULL)
        mail_account_keep_fresh(tree->account, mailbox);
}

static gboolean
find_directory(FsTree *tree, guint64 ino, FsObject *ret, MailFault *fault)
{
    const FsType *type = fs_tree_type(fs_node_of(ino).kind);

    if (type != NULL && type->list == NULL)
        return mail_fault_error(fault, IMAPFS_ERROR_NOT_DIRECTORY,
                                "a file is not a directory");
    return fs_tree_find(tree, ino, ret, fault);
}

gboolean
fs_tree_lookup(FsTree *tree, guint64 parent, const char *name,
               FsAttributes *ret, MailFault *fault)
{
    FsObject directory;
    FsObject object;

    if (strcmp(name, ".") == 0)
        return fs_tree_getattr(tree, parent, ret, fault);
    if (strcmp(name, "..") == 0)
        return fs_tree_getattr(tree, fs_tree_parent(tree, parent), ret, fault);
    if (!find_directory(tree, parent, &directory, fault))
        return FALSE;
    if (strlen(name) > FS_NAME_MAX)
        return mail_fault_error(fault, IMAPFS_ERROR_NAME_TOO_LONG,
                                "the name is too long");
    if (!fs_tree_type(directory.node.kind)
             ->lookup(&directory, name, &object, fault))
        return FALSE;
    fs_tree_type(object.node.kind)->fill(&object, ret);
    return TRUE;
}

gboolean
fs_tree_opendir(FsTree *tree, guint64 ino, MailFault *fault)
{
    FsObject directory;
    const FsType *type;

    if (!find_directory(tree, ino, &directory, fault))
        return FALSE;
    type = fs_tree_type(directory.node.kind);
    return type->visit == NULL || type->visit(&directory, fault);
}

static gboolean
emit_dots(FsTree *tree, guint64 ino, FsReader *reader)
{
    MailFault ignored = {NULL, NULL};
    FsObject object;

    while (reader->offset < FS_AT_FIRST) {
        gboolean is_dot = reader->offset == FS_AT_DOT;
        if (!fs_tree_find(tree, is_dot ? ino : fs_tree_parent(tree, ino),
                          &object, &ignored)) {
            g_clear_error(&ignored.error);
            fs_tree_find(tree, fs_node_ino((FsNode){.kind = FS_ROOT}), &object,
                         &ignored);
        }
        if (!fs_tree_emit(reader, is_dot ? "." : "..", &object,
                          reader->offset + 1))
            return FALSE;
    }
    return TRUE;
}

gboolean
fs_tree_readdir(FsTree *tree, guint64 ino, gint64 offset, FsEntryFunc emit,
                gpointer data, MailFault *fault)
{
    FsReader reader = {emit, data, MAX(offset, 0), 0};
    FsObject directory;

    if (!find_directory(tree, ino, &directory, fault))
        return FALSE;
    return !emit_dots(tree, ino, &reader) ||
           fs_tree_type(directory.node.kind)->list(&directory, &reader, fault);
}

/* ---- questions about files ---- */

gboolean
fs_tree_open(FsTree *tree, guint64 ino, FsFile **ret, MailFault *fault)
{
    const FsType *type = fs_tree_type(fs_node_of(ino).kind);
    FsFile file = {.node = fs_node_of(ino)};
    FsObject object;

    if (type != NULL && type->open == NULL)
        return mail_fault_error(fault, IMAPFS_ERROR_IS_DIRECTORY,
                                "it is a directory");
    if (!fs_tree_find(tree, ino, &object, fault) ||
        !type->open(&object, &file, fault))
        return FALSE;
    if (object.mailbox != NULL)
        file.uidvalidity = object.mailbox->uidvalidity;
    *ret = g_memdup2(&file, sizeof file);
    return TRUE;
}

void
fs_file_free(FsFile *file)
{
    g_free(file->text);
    g_free(file);
}

gboolean
fs_file_has_size(const FsFile *file)
{
    return file->text == NULL;
}

gboolean
fs_file_keeps_pages(const FsFile *file)
{
    return fs_file_has_size(file) && !file->resized;
}

static gsize
read_text(const char *text, guint64 offset, void *buffer, gsize size)
{
    gsize length = strlen(text);
    if (offset >= length)
        return 0;
    size = MIN(size, length - (gsize)offset);
    memcpy(buffer, text + offset, size);
    return size;
}

gboolean
fs_tree_read(FsTree *tree, const FsFile *file, guint64 offset, void *buffer,
             gsize size, gsize *ret_size, MailFault *fault)
{
    MailMailbox *mailbox;

    if (file->text != NULL) {
        *ret_size = read_text(file->text, offset, buffer, size);
        return TRUE;
    }
    mailbox = mail_account_mailbox(tree->account, file->node.mailbox);
    if (mailbox != NULL && mailbox->uidvalidity == file->uidvalidity &&
        is_current(mailbox, file->node) &&
        fs_tree_type(file->node.kind)
            ->read(tree, mailbox, file, offset, buffer, size, ret_size, fault))
        return TRUE;
    /* Its name was there when it was opened: it is what it was no more. */
    if (fault->want == NULL && (fault->error == NULL ||
                                fault->error->code == IMAPFS_ERROR_NOT_FOUND)) {
        g_clear_error(&fault->error);
        mail_fault_error(fault, IMAPFS_ERROR_STALE, "the message is gone");
    }
    return FALSE;
}

gboolean
fs_tree_read_unopened(FsTree *tree, guint64 ino, guint64 offset, void *buffer,
                      gsize size, gsize *ret_size, MailFault *fault)
{
    FsFile file = {.node = fs_node_of(ino)};
    const char *text = text_of(tree, file.node);
    FsObject object;

    if (file.node.kind == FS_STATUS) {
        *ret_size = read_text(text ? text : "", offset, buffer, size);
        return TRUE;
    }
    if (!fs_tree_find(tree, ino, &object, fault) || !find_size(&object, fault))
        return FALSE;
    /* There is no room for incarnations in the numbers of what views have. */
    if (fs_node_is_of_view(file.node) && object.mailbox->incarnation != 0)
        return mail_fault_error(fault, IMAPFS_ERROR_STALE,
                                "the mailbox was replaced by another");
    file.uidvalidity = object.mailbox->uidvalidity;
    return fs_tree_read(tree, &file, offset, buffer, size, ret_size, fault);
}

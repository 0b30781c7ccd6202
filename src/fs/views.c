/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Most views are selections of the messages of a mailbox: which there are, by
 * UID, and what each of them is shown as.  That is all that a row says; lookup
 * and listing are the same for all.
 */
#include <string.h>

#include "base/error.h"
#include "fs/types.h"

#define RECENT_AGE (7 * 24 * 60 * 60) /* seconds */

typedef struct {
    /* The first of its messages with a UID of FROM or above; 0: none. */
    gboolean (*next)(const FsObject *directory, guint32 from, guint32 *ret_uid,
                     MailFault *fault);
    FsKind kind; /* what a message is in it */
    /* Of a selection from the table; NULL: all messages, or only NEXT knows. */
    gboolean (*shows)(const FsTree *tree, const MailMessage *message);
} Selection;

typedef struct {
    const char *name;
    mode_t mode;
    gboolean (*lookup)(const FsObject *directory, const char *name,
                       FsObject *ret, MailFault *fault);
    gboolean (*visit)(const FsObject *directory, MailFault *fault);
    gboolean (*list)(const FsObject *directory, FsReader *reader,
                     MailFault *fault);
    Selection selection;
} View;

static const Selection *selection_of(FsNode node);

/* ---- which messages ---- */

static gboolean
is_unseen(const FsTree *tree, const MailMessage *message)
{
    (void)tree;
    return !(message->flags & MAIL_FLAG_SEEN);
}

static gboolean
is_flagged(const FsTree *tree, const MailMessage *message)
{
    (void)tree;
    return message->flags & MAIL_FLAG_FLAGGED;
}

static gboolean
is_recent(const FsTree *tree, const MailMessage *message)
{
    return message->internaldate > clock_wall(tree->clock) - RECENT_AGE;
}

static gboolean
next_in_table(const FsObject *directory, guint32 from, guint32 *ret_uid,
              MailFault *fault)
{
    FsTree *tree = directory->tree;
    const Selection *selection = selection_of(directory->node);
    const MailMailbox *mailbox = directory->mailbox;
    guint64 ino = fs_node_ino(directory->node);
    guint64 reached = from;

    *ret_uid = 0;
    if (tree->seek.seeker == ino && tree->seek.from == from)
        reached = MAX(reached, tree->seek.reached);
    tree->seek.seeker = 0;
    for (guint i = reached > G_MAXUINT32
                       ? mail_mailbox_count(mailbox)
                       : mail_mailbox_seek(mailbox, (guint32)reached);
         i < mail_mailbox_count(mailbox); i++) {
        const MailMessage *message = mail_mailbox_at(mailbox, i);
        if (mailbox->listing == MAIL_LISTING &&
            message->uid > mailbox->listed_to)
            break;
        if (selection->shows == NULL || selection->shows(tree, message)) {
            *ret_uid = message->uid;
            return TRUE;
        }
        reached = (guint64)message->uid + 1;
    }
    if (reached > G_MAXUINT32 ||
        mail_account_know_beyond(tree->account, directory->mailbox,
                                 (guint32)MAX(reached, 1) - 1, fault))
        return TRUE;
    tree->seek.seeker = ino;
    tree->seek.from = from;
    tree->seek.reached = reached;
    return FALSE;
}

static gboolean
next_found(const FsObject *directory, guint32 from, guint32 *ret_uid,
           MailFault *fault)
{
    return mail_account_next_found(directory->tree->account, directory->mailbox,
                                   directory->node.uid, from, ret_uid, fault);
}

static gboolean
next_thread(const FsObject *directory, guint32 from, guint32 *ret_uid,
            MailFault *fault)
{
    return mail_account_next_thread(directory->tree->account,
                                    directory->mailbox, from, ret_uid, fault);
}

static gboolean
next_in_thread(const FsObject *directory, guint32 from, guint32 *ret_uid,
               MailFault *fault)
{
    return mail_account_next_in_thread(directory->tree->account,
                                       directory->mailbox, directory->node.uid,
                                       from, ret_uid, fault);
}

/* MESSAGE is one of them. */
static gboolean
is_selected(const FsObject *directory, const MailMessage *message,
            MailFault *fault)
{
    const Selection *selection = selection_of(directory->node);
    guint32 uid = message->uid;

    if (selection->next != next_in_table) {
        if (!selection->next(directory, message->uid, &uid, fault))
            return FALSE;
    } else if (selection->shows != NULL &&
               !selection->shows(directory->tree, message)) {
        uid = 0;
    }
    return uid == message->uid || fs_tree_not_found(fault);
}

/* ---- selections as directories ---- */

/* What the name of a message ends in, if it is a KIND. */
static const char *
suffix_of(FsKind kind)
{
    return kind == FS_MESSAGE ? ".eml" : kind == FS_TEXT ? ".txt" : "";
}

/* OBJECT, a message, becomes a KIND.  What the number of a message says besides
 * is its own. */
static void
show_as(FsObject *object, FsKind kind)
{
    if (kind != FS_MESSAGE)
        object->node = (FsNode){.kind = kind,
                                .mailbox = object->node.mailbox,
                                .uid = object->node.uid};
}

static gboolean
lookup_selected(const FsObject *directory, const char *name, FsObject *ret,
                MailFault *fault)
{
    FsKind kind = selection_of(directory->node)->kind;
    const char *suffix = suffix_of(kind);
    g_autofree char *its = NULL;

    if (!g_str_has_suffix(name, suffix))
        return fs_tree_not_found(fault);
    its =
        g_strdup_printf("%.*s.eml", (int)(strlen(name) - strlen(suffix)), name);
    if (!fs_tree_find_named(directory, its, ret, fault) ||
        !is_selected(directory, ret->message, fault))
        return FALSE;
    show_as(ret, kind);
    return TRUE;
}

gboolean
fs_views_pause(const FsReader *reader, MailFault *fault)
{
    if (reader->emitted == 0)
        return FALSE;
    fault->want = NULL;
    g_clear_error(&fault->error);
    return TRUE;
}

/* The name of OBJECT, which a message is shown as. */
static void
write_name(const FsObject *object, char name[FS_NAME_MAX + 1])
{
    char *end;

    fs_names_message(object->message, object->tree->naming, name);
    end = strrchr(name, '.'); /* .eml */
    g_strlcpy(end, suffix_of(object->node.kind), sizeof ".eml");
}

/* The message found, as it is shown; FALSE when it has gone, or is not known
 * yet: then FAULT is set. */
static gboolean
find_shown(const FsObject *directory, guint32 uid, FsObject *ret,
           MailFault *fault)
{
    MailMessage *message;

    if (!mail_account_know_message(directory->tree->account, directory->mailbox,
                                   uid, &message, fault)) {
        if (fault->error != NULL &&
            fault->error->code == IMAPFS_ERROR_NOT_FOUND)
            g_clear_error(&fault->error);
        return FALSE;
    }
    *ret = fs_tree_message(directory, message);
    show_as(ret, selection_of(directory->node)->kind);
    return TRUE;
}

static gboolean
list_selected(const FsObject *directory, FsReader *reader, MailFault *fault)
{
    const Selection *selection = selection_of(directory->node);
    gint64 from = MAX(reader->offset - FS_AT_MESSAGES, 0);
    char name[FS_NAME_MAX + 1];
    FsObject object;
    guint32 uid;

    for (; from <= G_MAXUINT32; from = (gint64)uid + 1) {
        if (!selection->next(directory, (guint32)from, &uid, fault))
            return fs_views_pause(reader, fault);
        if (uid == 0)
            break;
        if (!find_shown(directory, uid, &object, fault)) {
            if (fault->want != NULL || fault->error != NULL)
                return fs_views_pause(reader, fault);
            continue;
        }
        write_name(&object, name);
        if (!fs_tree_emit(reader, name, &object,
                          FS_AT_MESSAGES + (gint64)uid + 1))
            break;
    }
    return TRUE;
}

static gboolean
visit_selected(const FsObject *directory, MailFault *fault)
{
    directory->tree->seek.seeker = 0;
    return fs_tree_visit_mailbox(directory, fault);
}

/* ---- .search ---- */

static FsObject
search_object(const FsObject *directory, guint32 search)
{
    FsObject object = *directory;

    object.node = (FsNode){
        .kind = FS_SEARCH, .mailbox = directory->node.mailbox, .uid = search};
    return object;
}

static gboolean
lookup_search(const FsObject *directory, const char *name, FsObject *ret,
              MailFault *fault)
{
    guint32 search;

    /* What file managers look for everywhere is no query. */
    if (name[0] == '.')
        return fs_tree_not_found(fault);
    if (!g_utf8_validate(name, -1, NULL))
        return mail_fault_error(fault, IMAPFS_ERROR_USAGE,
                                "the query is no UTF-8");
    if (!mail_account_search(directory->tree->account, directory->mailbox, name,
                             &search, fault))
        return FALSE;
    *ret = search_object(directory, search);
    return TRUE;
}

static gboolean
visit_searches(const FsObject *directory, MailFault *fault)
{
    return mail_account_know_mailboxes(directory->tree->account, fault);
}

static guint32
next_pinned(const FsObject *directory, gint64 from)
{
    return from > G_MAXUINT32
               ? 0
               : mail_account_next_pinned(directory->tree->account,
                                          directory->mailbox, (guint32)from);
}

/* What is kept on disk may be anything. */
static gboolean
is_name(const char *query)
{
    gsize length = query ? strlen(query) : 0;
    return length > 0 && length <= FS_NAME_MAX && query[0] != '.' &&
           strchr(query, '/') == NULL;
}

static gboolean
list_searches(const FsObject *directory, FsReader *reader, MailFault *fault)
{
    gint64 from = MAX(reader->offset - FS_AT_MESSAGES, 0);
    guint32 search;

    (void)fault;
    for (; (search = next_pinned(directory, from)) != 0;
         from = (gint64)search + 1) {
        const char *query = mail_account_search_query(
            directory->tree->account, directory->mailbox, search);
        FsObject object = search_object(directory, search);
        if (is_name(query) &&
            !fs_tree_emit(reader, query, &object,
                          FS_AT_MESSAGES + (gint64)search + 1))
            break;
    }
    return TRUE;
}

/* ---- the views ---- */

#define SELECTION                                                     \
    .mode = 0500, .lookup = lookup_selected, .visit = visit_selected, \
    .list = list_selected

static const View views[FS_N_VIEWS] = {
    [FS_VIEW_PARTS] = {.name = ".parts",
                       SELECTION,
                       .selection = {next_in_table, FS_PARTS, NULL}},
    [FS_VIEW_TEXT] = {.name = ".text",
                      SELECTION,
                      .selection = {next_in_table, FS_TEXT, NULL}},
    [FS_VIEW_ATTACHMENTS] = {.name = ".attachments",
                             .mode = 0500,
                             .lookup = fs_parts_lookup_attachment,
                             .visit = visit_selected,
                             .list = fs_parts_list_attachments},
    [FS_VIEW_SEARCH] = {.name = ".search",
                        .mode = 0700,
                        .lookup = lookup_search,
                        .visit = visit_searches,
                        .list = list_searches},
    [FS_VIEW_UNSEEN] = {.name = ".unseen",
                        SELECTION,
                        .selection = {next_in_table, FS_MESSAGE, is_unseen}},
    [FS_VIEW_FLAGGED] = {.name = ".flagged",
                         SELECTION,
                         .selection = {next_in_table, FS_MESSAGE, is_flagged}},
    [FS_VIEW_RECENT] = {.name = ".recent",
                        SELECTION,
                        .selection = {next_in_table, FS_MESSAGE, is_recent}},
    [FS_VIEW_THREADS] = {.name = ".threads",
                         SELECTION,
                         .selection = {next_thread, FS_THREAD, NULL}},
};

static const Selection found = {next_found, FS_MESSAGE, NULL};
static const Selection thread = {next_in_thread, FS_MESSAGE, NULL};

static const Selection *
selection_of(FsNode node)
{
    return node.kind == FS_SEARCH   ? &found
           : node.kind == FS_THREAD ? &thread
                                    : &views[node.part].selection;
}

/* Only where there can be messages. */
static gboolean
find_mailbox(FsObject *object, MailFault *fault)
{
    object->mailbox =
        mail_account_mailbox(object->tree->account, object->node.mailbox);
    return (object->mailbox != NULL && object->mailbox->parent != NULL &&
            object->mailbox->selectable) ||
           fs_tree_not_found(fault);
}

static FsObject
view_object(const FsObject *directory, guint16 i)
{
    FsObject object = *directory;

    object.node = (FsNode){
        .kind = FS_VIEW, .mailbox = directory->node.mailbox, .part = i};
    return object;
}

gboolean
fs_views_find_named(const FsObject *directory, const char *name, FsObject *ret,
                    MailFault *fault)
{
    for (guint16 i = 0; i < FS_N_VIEWS; i++) {
        if (strcmp(name, views[i].name) == 0) {
            *ret = view_object(directory, i);
            return find_mailbox(ret, fault);
        }
    }
    return fs_tree_not_found(fault);
}

gboolean
fs_views_emit(const FsObject *directory, FsReader *reader)
{
    gint64 i = MAX(reader->offset - FS_AT_VIEWS, 0);

    for (; i < FS_N_VIEWS; i++) {
        FsObject view = view_object(directory, (guint16)i);
        if (!fs_tree_emit(reader, views[i].name, &view, FS_AT_VIEWS + i + 1))
            return FALSE;
    }
    return TRUE;
}

static gboolean
find_view(FsObject *object, MailFault *fault)
{
    return object->node.part < FS_N_VIEWS ? find_mailbox(object, fault)
                                          : fs_tree_not_found(fault);
}

static void
fill_directory(const FsObject *object, mode_t mode, FsAttributes *ret)
{
    fs_tree_fill(object->tree, object->node, S_IFDIR | mode, ret);
    ret->stat.st_mtime = ret->stat.st_ctime = ret->stat.st_atime =
        MAX(object->mailbox->changed_at, object->tree->started);
}

static void
fill_view(const FsObject *object, FsAttributes *ret)
{
    fill_directory(object, views[object->node.part].mode, ret);
}

static void
fill_selection(const FsObject *object, FsAttributes *ret)
{
    fill_directory(object, 0500, ret);
}

static FsNode
view_parent(FsTree *tree, FsNode node)
{
    (void)tree;
    return (FsNode){.kind = FS_MAILBOX, .mailbox = node.mailbox};
}

static gboolean
lookup_in_view(const FsObject *directory, const char *name, FsObject *ret,
               MailFault *fault)
{
    return views[directory->node.part].lookup(directory, name, ret, fault);
}

static gboolean
visit_view(const FsObject *directory, MailFault *fault)
{
    return views[directory->node.part].visit(directory, fault);
}

static gboolean
list_view(const FsObject *directory, FsReader *reader, MailFault *fault)
{
    return views[directory->node.part].list(directory, reader, fault);
}

const FsType fs_views_type = {
    .find = find_view,
    .fill = fill_view,
    .parent = view_parent,
    .lookup = lookup_in_view,
    .visit = visit_view,
    .list = list_view,
};

/* ---- a search ---- */

/* One that was forgotten has another number once it is looked up again: STALE
 * makes the kernel do that. */
static gboolean
find_search(FsObject *object, MailFault *fault)
{
    return find_mailbox(object, fault) &&
           (mail_account_search_query(object->tree->account, object->mailbox,
                                      object->node.uid) != NULL ||
            mail_fault_error(fault, IMAPFS_ERROR_STALE,
                             "the search is not remembered"));
}

static FsNode
search_parent(FsTree *tree, FsNode node)
{
    (void)tree;
    return (FsNode){
        .kind = FS_VIEW, .mailbox = node.mailbox, .part = FS_VIEW_SEARCH};
}

static gboolean
visit_search(const FsObject *directory, MailFault *fault)
{
    return mail_account_visit_search(directory->tree->account,
                                     directory->mailbox, directory->node.uid,
                                     fault);
}

const FsType fs_views_search_type = {
    .find = find_search,
    .fill = fill_selection,
    .parent = search_parent,
    .lookup = lookup_selected,
    .visit = visit_search,
    .list = list_selected,
};

gboolean
fs_tree_is_pinned(FsTree *tree, guint64 ino)
{
    FsNode node = fs_node_of(ino);
    const MailMailbox *mailbox =
        mail_account_mailbox(tree->account, node.mailbox);

    return node.kind == FS_SEARCH && mailbox != NULL &&
           mail_account_next_pinned(tree->account, mailbox, node.uid) ==
               node.uid;
}

gboolean
fs_tree_pin(FsTree *tree, guint64 parent, const char *name, gboolean pinned,
            FsAttributes *ret, MailFault *fault)
{
    FsNode node = fs_node_of(parent);
    FsObject directory;
    FsObject search;

    if (node.kind != FS_VIEW || node.part != FS_VIEW_SEARCH)
        return mail_fault_error(fault, IMAPFS_ERROR_FAILED,
                                "only searches can be pinned");
    if (!fs_tree_find(tree, parent, &directory, fault) ||
        !lookup_search(&directory, name, &search, fault) ||
        !mail_account_pin_search(tree->account, directory.mailbox,
                                 search.node.uid, pinned, &fault->error))
        return FALSE;
    fill_selection(&search, ret);
    return TRUE;
}

/* ---- a conversation ---- */

static gboolean
find_thread(FsObject *object, MailFault *fault)
{
    guint32 uid;

    /* Whatever its name says, its first message may be gone. */
    if (!find_mailbox(object, fault) ||
        !mail_account_next_in_thread(object->tree->account, object->mailbox,
                                     object->node.uid, object->node.uid, &uid,
                                     fault))
        return FALSE;
    return uid == object->node.uid || fs_tree_not_found(fault);
}

static FsNode
thread_parent(FsTree *tree, FsNode node)
{
    (void)tree;
    return (FsNode){
        .kind = FS_VIEW, .mailbox = node.mailbox, .part = FS_VIEW_THREADS};
}

const FsType fs_views_thread_type = {
    .find = find_thread,
    .fill = fill_selection,
    .parent = thread_parent,
    .lookup = lookup_selected,
    .visit = visit_selected,
    .list = list_selected,
};

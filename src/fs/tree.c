/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/tree.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"

#define CONTROL_NAME ".imapfs"

/*
 * Positions in a directory: "." and "..", mailboxes by id, messages by UID.
 */
enum { AT_DOT = 0, AT_DOTDOT = 1, AT_MAILBOXES = 2 };
#define AT_MESSAGES (G_GINT64_CONSTANT(1) << 32)

struct FsTree {
    MailAccount *account;
    Clock *clock;
    FsNaming naming;
    const FsMadeFile *made; /* or NULL; a node's part is an index of it */
    gpointer made_data;
    uid_t uid;
    gid_t gid;
    gint64 started; /* seconds since 1970 */
};

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
    return tree;
}

void
fs_tree_free(FsTree *tree)
{
    g_free(tree);
}

static gboolean
not_found(MailFault *fault)
{
    return mail_fault_error(fault, IMAPFS_ERROR_NOT_FOUND, "no such file");
}

/* ---- attributes ---- */

static void
fill(const FsTree *tree, FsNode node, mode_t mode, FsAttributes *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->stat.st_ino = fs_node_ino(node);
    ret->stat.st_mode = mode;
    ret->stat.st_nlink = 1;
    ret->stat.st_uid = tree->uid;
    ret->stat.st_gid = tree->gid;
    ret->stat.st_blksize = 4096;
}

static void
fill_directory(const FsTree *tree, const MailMailbox *mailbox,
               FsAttributes *ret)
{
    FsNode node = {.kind = mailbox->parent ? FS_MAILBOX : FS_ROOT,
                   .mailbox = mailbox->id};
    /* Not the newest arrival: that is unknown until the mailbox is listed, and
     * a time that changes while a directory is read alarms tar and rsync. */
    gint64 when = MAX(mailbox->changed_at, tree->started);

    fill(tree, node, S_IFDIR | 0700, ret);
    ret->stat.st_mtime = ret->stat.st_ctime = ret->stat.st_atime = when;
}

static void
fill_message(const FsTree *tree, const MailMailbox *mailbox,
             const MailMessage *message, FsAttributes *ret)
{
    FsNode node = {
        .kind = FS_MESSAGE, .mailbox = mailbox->id, .uid = message->uid};

    fill(tree, node, S_IFREG | 0600, ret);
    ret->generation = mailbox->uidvalidity;
    ret->stat.st_size = (off_t)MIN(message->size, (guint64)G_MAXINT64);
    ret->stat.st_blocks = (blkcnt_t)(message->size / 512 + 1);
    ret->stat.st_mtime = ret->stat.st_atime = (time_t)message->internaldate;
    ret->stat.st_ctime = (time_t)message->changed;
}

static void
fill_control(const FsTree *tree, FsNode node, FsAttributes *ret)
{
    fill(tree, node, node.kind == FS_CONTROL ? S_IFDIR | 0500 : S_IFREG | 0400,
         ret);
    ret->stat.st_mtime = ret->stat.st_ctime = ret->stat.st_atime =
        node.kind == FS_CONTROL ? tree->started : clock_wall(tree->clock);
}

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

/* ---- from numbers to objects ---- */

static MailMailbox *
find_mailbox(FsTree *tree, FsNode node, MailFault *fault)
{
    MailMailbox *mailbox = NULL;

    if (node.kind == FS_ROOT)
        return mail_account_root(tree->account);
    if (node.kind == FS_MAILBOX || node.kind == FS_MESSAGE)
        mailbox = node.mailbox
                      ? mail_account_mailbox(tree->account, node.mailbox)
                      : NULL;
    if (mailbox == NULL)
        not_found(fault);
    return mailbox;
}

static gboolean
find_message(FsTree *tree, FsNode node, MailMailbox **ret_mailbox,
             MailMessage **ret, MailFault *fault)
{
    *ret_mailbox = find_mailbox(tree, node, fault);
    return *ret_mailbox != NULL &&
           mail_account_know_message(tree->account, *ret_mailbox, node.uid, ret,
                                     fault);
}

guint64
fs_tree_parent(FsTree *tree, guint64 ino)
{
    FsNode node = fs_node_of(ino);
    MailMailbox *mailbox = NULL;

    if (node.kind == FS_MESSAGE)
        return fs_node_ino(
            (FsNode){.kind = FS_MAILBOX, .mailbox = node.mailbox});
    if (node.kind == FS_STATUS)
        return fs_node_ino((FsNode){.kind = FS_CONTROL});
    if (node.kind == FS_MAILBOX)
        mailbox = mail_account_mailbox(tree->account, node.mailbox);
    if (mailbox == NULL || mailbox->parent == NULL ||
        mailbox->parent->parent == NULL)
        return fs_node_ino((FsNode){.kind = FS_ROOT});
    return fs_node_ino(
        (FsNode){.kind = FS_MAILBOX, .mailbox = mailbox->parent->id});
}

gboolean
fs_tree_getattr(FsTree *tree, guint64 ino, FsAttributes *ret, MailFault *fault)
{
    FsNode node = fs_node_of(ino);
    MailMailbox *mailbox;
    MailMessage *message;

    switch (node.kind) {
    case FS_ROOT:
    case FS_MAILBOX:
        mailbox = find_mailbox(tree, node, fault);
        if (mailbox != NULL)
            fill_directory(tree, mailbox, ret);
        return mailbox != NULL;
    case FS_MESSAGE:
        if (!find_message(tree, node, &mailbox, &message, fault))
            return FALSE;
        fill_message(tree, mailbox, message, ret);
        return TRUE;
    case FS_STATUS:
        if (made_file(tree, node.part) == NULL)
            break;
        fill_control(tree, node, ret);
        return TRUE;
    case FS_CONTROL:
        fill_control(tree, node, ret);
        return TRUE;
    }
    return not_found(fault);
}

/* The mailbox with that number, or NULL. */
static MailMailbox *
mailbox_of(FsTree *tree, FsNode node)
{
    MailFault ignored = {NULL, NULL};
    MailMailbox *mailbox = find_mailbox(tree, node, &ignored);
    g_clear_error(&ignored.error);
    return mailbox;
}

gboolean
fs_tree_known(FsTree *tree, guint64 ino, FsAttributes *ret,
              char name[FS_NAME_MAX + 1])
{
    FsNode node = fs_node_of(ino);
    MailMailbox *mailbox = mailbox_of(tree, node);
    MailMessage *message;
    g_autofree char *its = NULL;

    if (mailbox == NULL || mailbox->parent == NULL)
        return FALSE;
    if (node.kind == FS_MAILBOX) {
        its = fs_names_mailbox(mailbox);
        fill_directory(tree, mailbox, ret);
        return g_strlcpy(name, its, FS_NAME_MAX + 1) <= FS_NAME_MAX;
    }
    message = mail_mailbox_find(mailbox, node.uid);
    if (message == NULL)
        return FALSE;
    fs_names_message(message, tree->naming, name);
    fill_message(tree, mailbox, message, ret);
    return TRUE;
}

char *
fs_tree_path(FsTree *tree, guint64 ino)
{
    FsNode node = fs_node_of(ino);
    const MailMailbox *mailbox = mailbox_of(tree, node);
    GString *path;

    if (mailbox == NULL || node.kind == FS_MESSAGE)
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

/* ---- names ---- */

static gboolean
lookup_message(FsTree *tree, MailMailbox *mailbox, const char *name,
               FsAttributes *ret, MailFault *fault)
{
    guint32 uid = fs_names_uid(name);
    char its[FS_NAME_MAX + 1];
    MailMessage *message;

    if (uid == 0 || !mailbox->selectable)
        return not_found(fault);
    if (!mail_account_know_message(tree->account, mailbox, uid, &message,
                                   fault))
        return FALSE;
    fs_names_message(message, FS_NAMES_UID, its);
    if (strcmp(name, its) != 0) {
        fs_names_message(message, FS_NAMES_FULL, its);
        if (strcmp(name, its) != 0)
            return not_found(fault);
    }
    fill_message(tree, mailbox, message, ret);
    return TRUE;
}

static gboolean
lookup_made(FsTree *tree, const char *name, FsAttributes *ret, MailFault *fault)
{
    const FsMadeFile *file;

    for (guint i = 0; (file = made_file(tree, i)) != NULL; i++) {
        if (strcmp(name, file->name) == 0) {
            fill_control(tree, (FsNode){.kind = FS_STATUS, .part = (guint16)i},
                         ret);
            return TRUE;
        }
    }
    return not_found(fault);
}

gboolean
fs_tree_lookup(FsTree *tree, guint64 parent, const char *name,
               FsAttributes *ret, MailFault *fault)
{
    FsNode node = fs_node_of(parent);
    MailMailbox *mailbox;
    MailMailbox *child;

    if (strcmp(name, ".") == 0)
        return fs_tree_getattr(tree, parent, ret, fault);
    if (strcmp(name, "..") == 0)
        return fs_tree_getattr(tree, fs_tree_parent(tree, parent), ret, fault);
    if (node.kind == FS_CONTROL)
        return lookup_made(tree, name, ret, fault);
    mailbox = find_mailbox(tree, node, fault);
    if (mailbox == NULL)
        return FALSE;
    if (node.kind == FS_MESSAGE)
        return mail_fault_error(fault, IMAPFS_ERROR_NOT_DIRECTORY,
                                "a message is not a directory");
    if (node.kind == FS_ROOT && strcmp(name, CONTROL_NAME) == 0) {
        fill_control(tree, (FsNode){.kind = FS_CONTROL}, ret);
        return TRUE;
    }
    if (strlen(name) > FS_NAME_MAX)
        return mail_fault_error(fault, IMAPFS_ERROR_NAME_TOO_LONG,
                                "the name is too long");
    /* No mailbox has such a name, and no message. */
    if (name[0] == '.')
        return not_found(fault);
    child = fs_names_find_mailbox(mailbox, name);
    if (child != NULL) {
        fill_directory(tree, child, ret);
        return TRUE;
    }
    /* It may have been made since; whoever asks again will find it. */
    if (fs_names_uid(name) == 0)
        mail_account_visit_root(tree->account);
    return lookup_message(tree, mailbox, name, ret, fault);
}

/* ---- directories ---- */

gboolean
fs_tree_opendir(FsTree *tree, guint64 ino, MailFault *fault)
{
    FsNode node = fs_node_of(ino);
    MailMailbox *mailbox;

    if (node.kind == FS_CONTROL)
        return TRUE;
    mailbox = find_mailbox(tree, node, fault);
    if (mailbox == NULL)
        return FALSE;
    if (node.kind == FS_MESSAGE)
        return mail_fault_error(fault, IMAPFS_ERROR_NOT_DIRECTORY,
                                "a message is not a directory");
    if (!mailbox->selectable)
        mail_account_visit_root(tree->account);
    return mail_account_know_mailboxes(tree->account, fault) &&
           mail_account_visit(tree->account, mailbox, fault);
}

typedef struct {
    FsTree *tree;
    FsEntryFunc emit;
    gpointer data;
    gint64 offset;
    guint emitted;
} Reader;

static gboolean
emit(Reader *reader, const char *name, const FsAttributes *attributes,
     gint64 next)
{
    if (!reader->emit(name, attributes, next, reader->data))
        return FALSE;
    reader->offset = next;
    reader->emitted++;
    return TRUE;
}

static gboolean
emit_dots(Reader *reader, guint64 ino)
{
    MailFault ignored = {NULL, NULL};
    FsAttributes attributes;

    while (reader->offset < AT_MAILBOXES) {
        gboolean is_dot = reader->offset == AT_DOT;
        if (!fs_tree_getattr(reader->tree,
                             is_dot ? ino : fs_tree_parent(reader->tree, ino),
                             &attributes, &ignored)) {
            g_clear_error(&ignored.error);
            memset(&attributes, 0, sizeof attributes);
            attributes.stat.st_mode = S_IFDIR;
        }
        if (!emit(reader, is_dot ? "." : "..", &attributes, reader->offset + 1))
            return FALSE;
    }
    return TRUE;
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
emit_mailboxes(Reader *reader, MailMailbox *parent)
{
    const GPtrArray *children = mail_mailbox_children(parent);
    FsAttributes attributes;

    for (guint i = first_from(children, reader->offset - AT_MAILBOXES);
         i < children->len; i++) {
        const MailMailbox *child = g_ptr_array_index(children, i);
        g_autofree char *name = NULL;
        name = fs_names_mailbox(child);
        fill_directory(reader->tree, child, &attributes);
        if (!emit(reader, name, &attributes, child->id + AT_MAILBOXES + 1))
            return FALSE;
    }
    return TRUE;
}

static gboolean
emit_messages(Reader *reader, MailMailbox *mailbox)
{
    gint64 uid = MAX(reader->offset - AT_MESSAGES, 0);
    guint count = mail_mailbox_count(mailbox);
    char name[FS_NAME_MAX + 1];
    FsAttributes attributes;

    if (!mailbox->selectable || uid > G_MAXUINT32)
        return TRUE; /* none, or behind the last one there can be */
    for (guint i = mail_mailbox_seek(mailbox, (guint32)uid); i < count; i++) {
        const MailMessage *message = mail_mailbox_at(mailbox, i);
        if (mailbox->listing == MAIL_LISTING &&
            message->uid > mailbox->listed_to)
            return TRUE;
        fs_names_message(message, reader->tree->naming, name);
        fill_message(reader->tree, mailbox, message, &attributes);
        if (!emit(reader, name, &attributes, AT_MESSAGES + message->uid + 1))
            return FALSE;
    }
    return TRUE;
}

static void
emit_made(Reader *reader)
{
    guint i = (guint)MIN(reader->offset - AT_MAILBOXES, G_MAXUINT16);
    const FsMadeFile *file;
    FsAttributes attributes;

    for (; (file = made_file(reader->tree, i)) != NULL; i++) {
        fill_control(reader->tree,
                     (FsNode){.kind = FS_STATUS, .part = (guint16)i},
                     &attributes);
        if (!emit(reader, file->name, &attributes, AT_MAILBOXES + i + 1))
            return;
    }
}

gboolean
fs_tree_readdir(FsTree *tree, guint64 ino, gint64 offset, FsEntryFunc func,
                gpointer data, MailFault *fault)
{
    Reader reader = {tree, func, data, MAX(offset, 0), 0};
    FsNode node = fs_node_of(ino);
    MailMailbox *mailbox = NULL;
    gint64 last;

    if (node.kind != FS_CONTROL) {
        mailbox = find_mailbox(tree, node, fault);
        if (mailbox == NULL)
            return FALSE;
    }
    if (!emit_dots(&reader, ino))
        return TRUE;
    if (node.kind == FS_CONTROL) {
        emit_made(&reader);
        return TRUE;
    }
    if (!emit_mailboxes(&reader, mailbox) || !emit_messages(&reader, mailbox))
        return TRUE;
    /* At the end of what is known: is there more to come? */
    last = MAX(reader.offset - AT_MESSAGES - 1, 0);
    return reader.emitted > 0 || last >= G_MAXUINT32 ||
           mail_account_know_beyond(tree->account, mailbox, (guint32)last,
                                    fault);
}

/* ---- files ---- */

struct FsFile {
    FsNode node;
    guint32 uidvalidity;
    char *text; /* of a file that is made when it is opened */
};

gboolean
fs_tree_open(FsTree *tree, guint64 ino, FsFile **ret, MailFault *fault)
{
    FsNode node = fs_node_of(ino);
    const FsMadeFile *made = made_file(tree, node.part);
    MailMailbox *mailbox = NULL;
    FsFile *file;

    if (node.kind == FS_STATUS && made == NULL)
        return not_found(fault);
    if (node.kind != FS_MESSAGE && node.kind != FS_STATUS)
        return mail_fault_error(fault, IMAPFS_ERROR_IS_DIRECTORY,
                                "it is a directory");
    if (node.kind == FS_MESSAGE) {
        mailbox = find_mailbox(tree, node, fault);
        if (mailbox == NULL ||
            !mail_account_know_size(tree->account, mailbox, node.uid, fault))
            return FALSE;
    }
    file = g_new0(FsFile, 1);
    file->node = node;
    if (mailbox != NULL)
        file->uidvalidity = mailbox->uidvalidity;
    else
        file->text = made->text(tree->made_data);
    *ret = file;
    return TRUE;
}

void
fs_file_free(FsFile *file)
{
    g_free(file->text);
    g_free(file);
}

gboolean
fs_file_is_made(const FsFile *file)
{
    return file->text != NULL;
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
    mailbox = find_mailbox(tree, file->node, fault);
    if (mailbox != NULL && mailbox->uidvalidity == file->uidvalidity &&
        mail_account_read(tree->account, mailbox, file->node.uid, offset,
                          buffer, size, ret_size, fault))
        return TRUE;
    /* Its name was there when it was opened: it is what it was no more. */
    if (fault->want == NULL && (fault->error == NULL ||
                                fault->error->code == IMAPFS_ERROR_NOT_FOUND)) {
        g_clear_error(&fault->error);
        mail_fault_error(fault, IMAPFS_ERROR_STALE, "the message is gone");
    }
    return FALSE;
}

/* ---- extended attributes ---- */

typedef char *(*XattrFunc)(const FsTree *tree, const MailMailbox *mailbox,
                           const MailMessage *message);

static char *
xattr_flags(const FsTree *tree, const MailMailbox *mailbox,
            const MailMessage *message)
{
    (void)tree;
    return mail_mailbox_flags_text(mailbox, message->flags);
}

#define FLAG_XATTR(function, flag)                                        \
    static char *function(const FsTree *tree, const MailMailbox *mailbox, \
                          const MailMessage *message)                     \
    {                                                                     \
        (void)tree;                                                       \
        (void)mailbox;                                                    \
        return g_strdup(message->flags & (flag) ? "1" : "0");             \
    }

FLAG_XATTR(xattr_seen, MAIL_FLAG_SEEN)
FLAG_XATTR(xattr_flagged, MAIL_FLAG_FLAGGED)
FLAG_XATTR(xattr_answered, MAIL_FLAG_ANSWERED)
FLAG_XATTR(xattr_draft, MAIL_FLAG_DRAFT)

static char *
xattr_uid(const FsTree *tree, const MailMailbox *mailbox,
          const MailMessage *message)
{
    (void)tree;
    (void)mailbox;
    return g_strdup_printf("%u", message->uid);
}

static char *
xattr_uidvalidity(const FsTree *tree, const MailMailbox *mailbox,
                  const MailMessage *message)
{
    (void)tree;
    (void)message;
    return g_strdup_printf("%u", mailbox->uidvalidity);
}

static char *
xattr_modseq(const FsTree *tree, const MailMailbox *mailbox,
             const MailMessage *message)
{
    (void)tree;
    (void)mailbox;
    if (message->modseq == 0)
        return NULL;
    return g_strdup_printf("%" G_GUINT64_FORMAT, message->modseq);
}

static char *
xattr_internaldate(const FsTree *tree, const MailMailbox *mailbox,
                   const MailMessage *message)
{
    g_autoptr(GDateTime) when =
        g_date_time_new_from_unix_utc(message->internaldate);
    (void)tree;
    (void)mailbox;
    return when ? g_date_time_format_iso8601(when) : NULL;
}

#define FIELD_XATTR(function, field)                                      \
    static char *function(const FsTree *tree, const MailMailbox *mailbox, \
                          const MailMessage *message)                     \
    {                                                                     \
        const char *value = mail_message_field(message, field);           \
        (void)tree;                                                       \
        (void)mailbox;                                                    \
        return *value != '\0' ? g_strdup(value) : NULL;                   \
    }

FIELD_XATTR(xattr_from, MAIL_FIELD_FROM)
FIELD_XATTR(xattr_to, MAIL_FIELD_TO)
FIELD_XATTR(xattr_subject, MAIL_FIELD_SUBJECT)
FIELD_XATTR(xattr_message_id, MAIL_FIELD_MESSAGE_ID)
FIELD_XATTR(xattr_emailid, MAIL_FIELD_EMAILID)
FIELD_XATTR(xattr_threadid, MAIL_FIELD_THREADID)

static char *
xattr_url(const FsTree *tree, const MailMailbox *mailbox,
          const MailMessage *message)
{
    return mail_account_url(tree->account, mailbox, message->uid);
}

static char *
xattr_mime_type(const FsTree *tree, const MailMailbox *mailbox,
                const MailMessage *message)
{
    (void)tree;
    (void)mailbox;
    (void)message;
    return g_strdup("message/rfc822");
}

/* The first to ask hears of none; the server is asked, and nobody waits. */
static char *
xattr_preview(const FsTree *tree, const MailMailbox *mailbox,
              const MailMessage *message)
{
    return g_strdup(mail_account_preview(
        tree->account, mail_account_mailbox(tree->account, mailbox->id),
        message->uid));
}

typedef struct {
    const char *name;
    XattrFunc value; /* NULL when it has none */
} Xattr;

static const Xattr message_xattrs[] = {
    {"user.imap.flags", xattr_flags},
    {"user.imap.seen", xattr_seen},
    {"user.imap.flagged", xattr_flagged},
    {"user.imap.answered", xattr_answered},
    {"user.imap.draft", xattr_draft},
    {"user.imap.uid", xattr_uid},
    {"user.imap.uidvalidity", xattr_uidvalidity},
    {"user.imap.modseq", xattr_modseq},
    {"user.imap.internaldate", xattr_internaldate},
    {"user.imap.from", xattr_from},
    {"user.imap.to", xattr_to},
    {"user.imap.subject", xattr_subject},
    {"user.imap.message-id", xattr_message_id},
    {"user.imap.url", xattr_url},
    {"user.imap.emailid", xattr_emailid},
    {"user.imap.threadid", xattr_threadid},
    {"user.imap.preview", xattr_preview},
    {"user.mime_type", xattr_mime_type},
};

static char *
xattr_messages(const FsTree *tree, const MailMailbox *mailbox,
               const MailMessage *message)
{
    (void)tree;
    (void)message;
    if (mailbox->listing != MAIL_LISTED)
        return NULL;
    return g_strdup_printf("%u", mail_mailbox_count(mailbox));
}

static char *
xattr_unseen(const FsTree *tree, const MailMailbox *mailbox,
             const MailMessage *message)
{
    guint unseen = 0;

    (void)tree;
    (void)message;
    if (mailbox->listing != MAIL_LISTED)
        return NULL;
    for (guint i = 0; i < mail_mailbox_count(mailbox); i++)
        unseen += !(mail_mailbox_at(mailbox, i)->flags & MAIL_FLAG_SEEN);
    return g_strdup_printf("%u", unseen);
}

static char *
xattr_special_use(const FsTree *tree, const MailMailbox *mailbox,
                  const MailMessage *message)
{
    (void)tree;
    (void)message;
    return g_strdup(mailbox->special_use);
}

static char *
xattr_validity_if_known(const FsTree *tree, const MailMailbox *mailbox,
                        const MailMessage *message)
{
    return mailbox->uidvalidity != 0 ? xattr_uidvalidity(tree, mailbox, message)
                                     : NULL;
}

static const Xattr mailbox_xattrs[] = {
    {"user.imap.messages", xattr_messages},
    {"user.imap.unseen", xattr_unseen},
    {"user.imap.uidvalidity", xattr_validity_if_known},
    {"user.imap.special-use", xattr_special_use},
};

/* What INO is, and which attributes things like it may have. */
typedef struct {
    MailMailbox *mailbox;
    MailMessage *message;
    const Xattr *xattrs;
    gsize n;
} Attributed;

static gboolean
find_attributed(FsTree *tree, guint64 ino, Attributed *ret, MailFault *fault)
{
    FsNode node = fs_node_of(ino);

    memset(ret, 0, sizeof *ret);
    if (node.kind == FS_MESSAGE) {
        ret->xattrs = message_xattrs;
        ret->n = G_N_ELEMENTS(message_xattrs);
        return find_message(tree, node, &ret->mailbox, &ret->message, fault);
    }
    if (node.kind != FS_MAILBOX)
        return TRUE;
    ret->xattrs = mailbox_xattrs;
    ret->n = G_N_ELEMENTS(mailbox_xattrs);
    ret->mailbox = find_mailbox(tree, node, fault);
    return ret->mailbox != NULL;
}

gboolean
fs_tree_getxattr(FsTree *tree, guint64 ino, const char *name, char **ret_value,
                 MailFault *fault)
{
    Attributed it;

    *ret_value = NULL;
    if (!find_attributed(tree, ino, &it, fault))
        return FALSE;
    for (gsize i = 0; i < it.n; i++) {
        if (strcmp(name, it.xattrs[i].name) == 0)
            *ret_value = it.xattrs[i].value(tree, it.mailbox, it.message);
    }
    return *ret_value != NULL ||
           mail_fault_error(fault, IMAPFS_ERROR_NO_ATTRIBUTE,
                            "no such attribute");
}

gboolean
fs_tree_listxattr(FsTree *tree, guint64 ino, GString **ret_names,
                  MailFault *fault)
{
    Attributed it;

    *ret_names = NULL;
    if (!find_attributed(tree, ino, &it, fault))
        return FALSE;
    *ret_names = g_string_new(NULL);
    for (gsize i = 0; i < it.n; i++) {
        XattrFunc func = it.xattrs[i].value;
        g_autofree char *value = NULL;
        /* Not listed: to ask for it has a price. */
        if (func != xattr_preview)
            value = func(tree, it.mailbox, it.message);
        if (value != NULL)
            g_string_append_len(*ret_names, it.xattrs[i].name,
                                (gssize)strlen(it.xattrs[i].name) + 1);
    }
    return TRUE;
}

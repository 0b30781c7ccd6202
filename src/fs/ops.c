/* SPDX-License-Identifier: GPL-3.0-or-later */
#define FUSE_USE_VERSION 312
#include "fs/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "fs/notify.h"
#include "fs/nudger.h"
#include "fs/park.h"

enum {
    REQUESTS_AT_ONCE = 32, /* then the sockets have their turn */
    BACKGROUND_MAX = 1024, /* reads that wait must not hold up others */
    XATTR_MAX = 64 << 10,
};
/* The kernel is told of every change, so it may keep what it knows. */
#define FOR_EVER 86400.0
/* But not of a directory's time. */
#define DIRECTORY_LIFE 1.0

struct FsOps {
    FsTree *tree;
    MailAccount *account;
    FsPark *park;
    Clock *clock;
    FsNotifier *notifier;
    FsNudger *nudger;   /* NULL without one */
    gboolean read_only; /* the kernel refuses what writes */
    struct fuse_session *session;
    struct fuse_buf buffer;
    GSource *source;
    GSourceFunc done;
    gpointer done_data;
    gboolean ending;    /* nothing waits any more */
    GHashTable *cached; /* directory -> its generation the kernel has cached */
};

/* One request of the kernel: a question, asked until it has an answer. */
typedef struct FsCall FsCall;
struct FsCall {
    FsParked parked;
    FsOps *ops;
    fuse_req_t req;
    /* Replies and returns TRUE, or faults. */
    gboolean (*ask)(FsCall *call, MailFault *fault);
    guint64 ino;
    char *name;
    gint64 offset;
    gsize size;
    struct fuse_file_info file;
};

/* ---- errors ---- */

static int
errno_of(const GError *error)
{
    static const int table[] = {
        [IMAPFS_ERROR_NOT_FOUND] = ENOENT,
        [IMAPFS_ERROR_STALE] = ESTALE,
        [IMAPFS_ERROR_DENIED] = EACCES,
        [IMAPFS_ERROR_BUSY] = EAGAIN,
        [IMAPFS_ERROR_OFFLINE] = EHOSTUNREACH,
        [IMAPFS_ERROR_NO_HOST] = EHOSTUNREACH,
        [IMAPFS_ERROR_TIMEOUT] = ETIMEDOUT,
        [IMAPFS_ERROR_CANCELLED] = EINTR,
        [IMAPFS_ERROR_PROTOCOL] = EIO,
        [IMAPFS_ERROR_USAGE] = EINVAL,
        [IMAPFS_ERROR_NAME_TOO_LONG] = ENAMETOOLONG,
        [IMAPFS_ERROR_NOT_DIRECTORY] = ENOTDIR,
        [IMAPFS_ERROR_IS_DIRECTORY] = EISDIR,
        [IMAPFS_ERROR_NO_ATTRIBUTE] = ENODATA,
        [IMAPFS_ERROR_RANGE] = ERANGE,
        [IMAPFS_ERROR_FAILED] = EIO,
    };

    if (error->domain != IMAPFS_ERROR || error->code < 0 ||
        (guint)error->code >= G_N_ELEMENTS(table))
        return EIO;
    return table[error->code];
}

static void
reply_error(fuse_req_t req, const GError *error)
{
    if (error->code != IMAPFS_ERROR_NO_ATTRIBUTE)
        g_debug("reply: %s", error->message);
    fuse_reply_err(req, errno_of(error));
}

/* ---- asking ---- */

static void
free_call(FsCall *call)
{
    fs_park_leave(&call->parked);
    g_free(call->name);
    g_free(call);
}

static void
on_interrupt(fuse_req_t req, void *data)
{
    (void)req;
    fs_park_interrupt(&((FsCall *)data)->parked);
}

static void
on_resume(FsParked *parked, const GError *error)
{
    FsCall *call = (FsCall *)(gpointer)parked; /* its first member */
    MailFault fault = {NULL, NULL};

    if (error != NULL) {
        reply_error(call->req, error);
    } else if (!call->ask(call, &fault)) {
        if (fault.want != NULL) {
            fs_park_wait(call->ops->park, parked, fault.want);
            return;
        }
        reply_error(call->req, fault.error);
        g_error_free(fault.error);
    }
    free_call(call);
}

static gboolean
is_nudger(FsOps *ops, fuse_req_t req)
{
    return fs_nudger_is(ops->nudger, fuse_req_ctx(req)->pid);
}

/* CALL and its name are the caller's; most are answered at once. */
static void
start(FsCall *call)
{
    MailFault fault = {NULL, NULL};
    FsCall *waiting;

    if (call->ask(call, &fault))
        return;
    if (fault.error != NULL) {
        reply_error(call->req, fault.error);
        g_error_free(fault.error);
        return;
    }
    /* The nudger would make others wait behind it. */
    if (call->ops->ending || is_nudger(call->ops, call->req)) {
        fuse_reply_err(call->req, EINTR);
        return;
    }
    waiting = g_memdup2(call, sizeof *call);
    waiting->name = g_strdup(call->name);
    waiting->parked.resume = on_resume;
    fs_park_wait(call->ops->park, &waiting->parked, fault.want);
    fuse_req_interrupt_func(call->req, on_interrupt, waiting);
}

/* ---- lookup, getattr ---- */

static void
fill_entry(const FsAttributes *attributes, struct fuse_entry_param *entry)
{
    FsKind kind = fs_node_of(attributes->stat.st_ino).kind;

    memset(entry, 0, sizeof *entry);
    entry->ino = attributes->stat.st_ino;
    entry->generation = attributes->generation;
    entry->attr = attributes->stat;
    entry->entry_timeout = FOR_EVER;
    entry->attr_timeout = kind == FS_MESSAGE  ? FOR_EVER
                          : kind == FS_STATUS ? 0.0
                                              : DIRECTORY_LIFE;
}

static gboolean
ask_lookup(FsCall *call, MailFault *fault)
{
    FsAttributes attributes;
    struct fuse_entry_param entry;

    if (!fs_tree_lookup(call->ops->tree, call->ino, call->name, &attributes,
                        fault))
        return FALSE;
    fill_entry(&attributes, &entry);
    fuse_reply_entry(call->req, &entry);
    return TRUE;
}

/* What the nudger sees and nobody else; TRUE when that was all. */
static gboolean
lookup_for_nudger(FsOps *ops, fuse_req_t req, fuse_ino_t parent,
                  const char *name)
{
    FsAttributes attributes;
    struct fuse_entry_param entry;

    switch (fs_nudger_lookup(ops->nudger, parent, name, &attributes)) {
    case FS_NUDGE_USUAL:
        return FALSE;
    case FS_NUDGE_ABSENT:
        fuse_reply_err(req, ENOENT);
        return TRUE;
    case FS_NUDGE_ENTRY:
        break;
    }
    fill_entry(&attributes, &entry);
    entry.entry_timeout = 0.0;
    fuse_reply_entry(req, &entry);
    return TRUE;
}

static void
op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    FsOps *ops = fuse_req_userdata(req);
    FsCall call = {.ops = ops,
                   .req = req,
                   .ask = ask_lookup,
                   .ino = parent,
                   .name = (char *)name};
    if (!is_nudger(ops, req) || !lookup_for_nudger(ops, req, parent, name))
        start(&call);
}

static gboolean
ask_getattr(FsCall *call, MailFault *fault)
{
    FsAttributes attributes;
    struct fuse_entry_param entry;

    if (!fs_tree_getattr(call->ops->tree, call->ino, &attributes, fault))
        return FALSE;
    fill_entry(&attributes, &entry);
    fuse_reply_attr(call->req, &entry.attr, entry.attr_timeout);
    return TRUE;
}

static void
op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
    FsCall call = {.ops = fuse_req_userdata(req),
                   .req = req,
                   .ask = ask_getattr,
                   .ino = ino};
    (void)file;
    start(&call);
}

/* ---- directories ---- */

static guint64
generation_of(FsOps *ops, guint64 ino)
{
    FsNode node = fs_node_of(ino);
    MailMailbox *mailbox =
        node.kind == FS_MAILBOX
            ? mail_account_mailbox(ops->account, node.mailbox)
            : NULL;
    return mailbox != NULL && mailbox->listing == MAIL_LISTED
               ? mailbox->generation
               : 0;
}

/* The kernel has read a directory to its end. */
static void
note_cached(FsOps *ops, guint64 ino)
{
    guint64 generation = generation_of(ops, ino);
    if (generation != 0)
        g_hash_table_insert(ops->cached, g_memdup2(&ino, sizeof ino),
                            g_memdup2(&generation, sizeof generation));
}

static gboolean
is_cached(FsOps *ops, guint64 ino)
{
    const guint64 *generation = g_hash_table_lookup(ops->cached, &ino);
    return generation != NULL && *generation == generation_of(ops, ino);
}

static gboolean
ask_opendir(FsCall *call, MailFault *fault)
{
    if (!fs_tree_opendir(call->ops->tree, call->ino, fault))
        return FALSE;
    call->file.cache_readdir = fs_node_of(call->ino).kind == FS_MAILBOX;
    call->file.keep_cache = is_cached(call->ops, call->ino);
    fuse_reply_open(call->req, &call->file);
    return TRUE;
}

static void
op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
    FsOps *ops = fuse_req_userdata(req);
    FsCall call = {
        .ops = ops, .req = req, .ask = ask_opendir, .ino = ino, .file = *file};
    if (fuse_req_ctx(req)->uid != getuid())
        fs_nudger_opened(ops->nudger, ino);
    start(&call);
}

typedef struct {
    fuse_req_t req;
    gboolean plus;
    char *data;
    gsize used;
    gsize size;
} EntryBuffer;

static gboolean
add_entry(const char *name, const FsAttributes *attributes, gint64 next,
          gpointer data)
{
    EntryBuffer *buffer = data;
    char *at = buffer->data + buffer->used;
    gsize room = buffer->size - buffer->used;
    gsize needed;

    if (buffer->plus) {
        struct fuse_entry_param entry;
        fill_entry(attributes, &entry);
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            entry.ino = 0; /* the kernel has looked these up itself */
        needed =
            fuse_add_direntry_plus(buffer->req, at, room, name, &entry, next);
    } else {
        needed = fuse_add_direntry(buffer->req, at, room, name,
                                   &attributes->stat, next);
    }
    if (needed > room)
        return FALSE;
    buffer->used += needed;
    return TRUE;
}

static gboolean
list(FsCall *call, gboolean plus, MailFault *fault)
{
    g_autofree char *data = g_malloc(call->size);
    EntryBuffer buffer = {call->req, plus, data, 0, call->size};

    if (!fs_tree_readdir(call->ops->tree, call->ino, call->offset, add_entry,
                         &buffer, fault))
        return FALSE;
    if (buffer.used == 0)
        note_cached(call->ops, call->ino);
    fuse_reply_buf(call->req, data, buffer.used);
    return TRUE;
}

static gboolean
ask_readdir(FsCall *call, MailFault *fault)
{
    return list(call, FALSE, fault);
}

static gboolean
ask_readdirplus(FsCall *call, MailFault *fault)
{
    return list(call, TRUE, fault);
}

static void
op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
           struct fuse_file_info *file)
{
    FsCall call = {.ops = fuse_req_userdata(req),
                   .req = req,
                   .ask = ask_readdir,
                   .ino = ino,
                   .offset = offset,
                   .size = size};
    (void)file;
    start(&call);
}

static void
op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
               struct fuse_file_info *file)
{
    FsCall call = {.ops = fuse_req_userdata(req),
                   .req = req,
                   .ask = ask_readdirplus,
                   .ino = ino,
                   .offset = offset,
                   .size = size};
    (void)file;
    start(&call);
}

/* ---- files ---- */

static gboolean
ask_open(FsCall *call, MailFault *fault)
{
    FsFile *file;

    if (!fs_tree_open(call->ops->tree, call->ino, &file, fault))
        return FALSE;
    call->file.fh = (guint64)(guintptr)file;
    call->file.direct_io = fs_file_is_made(file);
    call->file.keep_cache = !fs_file_is_made(file);
    call->file.noflush = 1;
    if (fuse_reply_open(call->req, &call->file) != 0)
        fs_file_free(file); /* whoever asked has gone: no RELEASE follows */
    return TRUE;
}

static void
op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
    FsCall call = {.ops = fuse_req_userdata(req),
                   .req = req,
                   .ask = ask_open,
                   .ino = ino,
                   .file = *file};
    if ((file->flags & O_ACCMODE) != O_RDONLY)
        fuse_reply_err(req, EROFS);
    else
        start(&call);
}

static void
op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
    (void)ino;
    fs_file_free((FsFile *)(guintptr)file->fh);
    fuse_reply_err(req, 0);
}

static gboolean
ask_read(FsCall *call, MailFault *fault)
{
    const FsFile *file = (const FsFile *)(guintptr)call->file.fh;
    g_autofree char *data = g_malloc(call->size);
    gsize size;

    if (!fs_tree_read(call->ops->tree, file, (guint64)call->offset, data,
                      call->size, &size, fault))
        return FALSE;
    fuse_reply_buf(call->req, data, size);
    return TRUE;
}

static void
op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
        struct fuse_file_info *file)
{
    FsCall call = {.ops = fuse_req_userdata(req),
                   .req = req,
                   .ask = ask_read,
                   .ino = ino,
                   .offset = offset,
                   .size = size,
                   .file = *file};
    start(&call);
}

static void
op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    struct statvfs statistics = {
        .f_bsize = 4096, .f_frsize = 4096, .f_namemax = FS_NAME_MAX};
    (void)ino;
    fuse_reply_statfs(req, &statistics);
}

/* ---- extended attributes ---- */

static void
reply_bytes(FsCall *call, const char *bytes, gsize length)
{
    if (call->size == 0)
        fuse_reply_xattr(call->req, length);
    else if (call->size < length)
        fuse_reply_err(call->req, ERANGE);
    else
        fuse_reply_buf(call->req, bytes, length);
}

static gboolean
ask_getxattr(FsCall *call, MailFault *fault)
{
    g_autofree char *value = NULL;

    if (!fs_tree_getxattr(call->ops->tree, call->ino, call->name, &value,
                          fault))
        return FALSE;
    reply_bytes(call, value, strlen(value));
    return TRUE;
}

static void
op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
    FsCall call = {.ops = fuse_req_userdata(req),
                   .req = req,
                   .ask = ask_getxattr,
                   .ino = ino,
                   .name = (char *)name,
                   .size = size};
    /* ls asks for two with each file, unless it hears that there are none of
     * the kind here.  ENOSYS would end the others, too. */
    if (!g_str_has_prefix(name, "user."))
        fuse_reply_err(req, EOPNOTSUPP);
    else
        start(&call);
}

static gboolean
ask_listxattr(FsCall *call, MailFault *fault)
{
    g_autoptr(GString) names = NULL;

    if (!fs_tree_listxattr(call->ops->tree, call->ino, &names, fault))
        return FALSE;
    reply_bytes(call, names->str, names->len);
    return TRUE;
}

static void
op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
    FsCall call = {.ops = fuse_req_userdata(req),
                   .req = req,
                   .ask = ask_listxattr,
                   .ino = ino,
                   .size = size};
    start(&call);
}

/* ---- what changes something: refused, but for nudges ---- */

static void
create(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    FsOps *ops = fuse_req_userdata(req);
    FsAttributes attributes;
    struct fuse_entry_param entry;

    if (!is_nudger(ops, req) ||
        !fs_nudger_create(ops->nudger, parent, name, &attributes)) {
        fuse_reply_err(req, EROFS);
        return;
    }
    fill_entry(&attributes, &entry);
    fuse_reply_entry(req, &entry);
}

static void
op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
         dev_t device)
{
    (void)mode;
    (void)device;
    create(req, parent, name);
}

static void
op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    (void)mode;
    create(req, parent, name);
}

static void
op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    FsOps *ops = fuse_req_userdata(req);
    gboolean nudged =
        is_nudger(ops, req) && fs_nudger_delete(ops->nudger, parent, name);
    fuse_reply_err(req, nudged ? 0 : EROFS);
}

static void
op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attributes, int set,
           struct fuse_file_info *file)
{
    (void)attributes;
    (void)set;
    if (is_nudger(fuse_req_userdata(req), req))
        op_getattr(req, ino, file);
    else
        fuse_reply_err(req, EROFS);
}

static void
op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
          fuse_ino_t new_parent, const char *new_name, unsigned flags)
{
    (void)parent;
    (void)name;
    (void)new_parent;
    (void)new_name;
    (void)flags;
    fuse_reply_err(req, EROFS);
}

static void
op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
           const char *name)
{
    (void)target;
    (void)parent;
    (void)name;
    fuse_reply_err(req, EROFS);
}

static void
op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
    (void)ino;
    (void)parent;
    (void)name;
    fuse_reply_err(req, EROFS);
}

static void
op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
          struct fuse_file_info *file)
{
    (void)parent;
    (void)name;
    (void)mode;
    (void)file;
    fuse_reply_err(req, EROFS);
}

static void
op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
            size_t size, int flags)
{
    (void)ino;
    (void)name;
    (void)value;
    (void)size;
    (void)flags;
    fuse_reply_err(req, EROFS);
}

static void
op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    (void)ino;
    (void)name;
    fuse_reply_err(req, EROFS);
}

/* ---- the session ---- */

static void
op_init(void *data, struct fuse_conn_info *connection)
{
    (void)data;
    /* Attributes come with every name: ls -l and find need them anyway. */
    connection->want |= connection->capable & FUSE_CAP_READDIRPLUS;
    connection->want &= ~(unsigned)FUSE_CAP_READDIRPLUS_AUTO;
    /* We say what changed; the kernel need not ask for times to find out. */
    connection->want &= ~(unsigned)FUSE_CAP_AUTO_INVAL_DATA;
    connection->want |= connection->capable & FUSE_CAP_EXPLICIT_INVAL_DATA;
    connection->max_background = BACKGROUND_MAX;
    connection->congestion_threshold = BACKGROUND_MAX * 3 / 4;
}

static const struct fuse_lowlevel_ops operations = {
    .init = op_init,
    .lookup = op_lookup,
    .getattr = op_getattr,
    .opendir = op_opendir,
    .readdir = op_readdir,
    .readdirplus = op_readdirplus,
    .open = op_open,
    .release = op_release,
    .read = op_read,
    .statfs = op_statfs,
    .getxattr = op_getxattr,
    .listxattr = op_listxattr,
    .mknod = op_mknod,
    .mkdir = op_mkdir,
    .unlink = op_unlink,
    .rmdir = op_unlink,
    .setattr = op_setattr,
    .rename = op_rename,
    .symlink = op_symlink,
    .link = op_link,
    .create = op_create,
    .setxattr = op_setxattr,
    .removexattr = op_removexattr,
};

static gboolean
on_request(gint fd, GIOCondition condition, gpointer data)
{
    FsOps *ops = data;
    (void)fd;
    (void)condition;

    for (guint i = 0; i < REQUESTS_AT_ONCE; i++) {
        int n = fuse_session_receive_buf(ops->session, &ops->buffer);
        if (n == -EAGAIN || n == -EINTR)
            return G_SOURCE_CONTINUE;
        if (n <= 0 || fuse_session_exited(ops->session)) {
            g_clear_pointer(&ops->source, g_source_unref);
            ops->done(ops->done_data);
            return G_SOURCE_REMOVE;
        }
        fuse_session_process_buf(ops->session, &ops->buffer);
    }
    return G_SOURCE_CONTINUE;
}

/* WORD is among LIST, which is separated by commas. */
static gboolean
has_word(const char *list, const char *word)
{
    g_auto(GStrv) words = g_strsplit(list, ",", -1);
    return g_strv_contains((const char *const *)words, word);
}

FsOps *
fs_ops_new(FsTree *tree, MailAccount *account, Clock *clock, gint64 timeout,
           const char *mount_options, GSourceFunc done, gpointer data)
{
    FsOps *ops = g_new0(FsOps, 1);
    struct fuse_args arguments = FUSE_ARGS_INIT(0, NULL);

    ops->tree = tree;
    ops->account = account;
    ops->clock = clock;
    ops->read_only = has_word(mount_options, "ro");
    ops->done = done;
    ops->done_data = data;
    ops->park = fs_park_new(account, clock, timeout);
    ops->cached =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    fuse_opt_add_arg(&arguments, "imapfs");
    fuse_opt_add_arg(&arguments, "-o");
    fuse_opt_add_arg(&arguments, mount_options);
    ops->session =
        fuse_session_new(&arguments, &operations, sizeof operations, ops);
    fuse_opt_free_args(&arguments);
    if (ops->session == NULL) {
        fs_ops_free(ops);
        return NULL;
    }
    return ops;
}

gboolean
fs_ops_mount(FsOps *ops, const char *mountpoint)
{
    int fd;

    if (!ops->read_only)
        ops->nudger = fs_nudger_new(ops->tree, ops->clock, mountpoint);
    if (fuse_session_mount(ops->session, mountpoint) != 0)
        return FALSE;
    fd = fuse_session_fd(ops->session);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    ops->source = g_unix_fd_source_new(fd, G_IO_IN);
    g_source_set_callback(ops->source, G_SOURCE_FUNC(on_request), ops, NULL);
    g_source_attach(ops->source, g_main_context_get_thread_default());
    ops->notifier = fs_notifier_new(ops->session, ops->account, ops->nudger);
    return TRUE;
}

/* Tells both to end; TRUE when both have. */
static gboolean
stop_others(FsOps *ops)
{
    gboolean notified = fs_notifier_stop(ops->notifier);
    gboolean nudged = fs_nudger_stop(ops->nudger);
    return notified && nudged;
}

void
fs_ops_unmount(FsOps *ops)
{
    g_autoptr(GError) end = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_CANCELLED,
                                        "the file system is being unmounted");
    ops->ending = TRUE;
    fs_park_evict(ops->park, end);
    /* Both may wait behind a request that is still to be answered. */
    while (!stop_others(ops))
        g_main_context_iteration(NULL, TRUE);
    if (ops->source != NULL) {
        g_source_destroy(ops->source);
        g_clear_pointer(&ops->source, g_source_unref);
    }
    fuse_session_unmount(ops->session);
    g_clear_pointer(&ops->notifier, fs_notifier_free);
}

void
fs_ops_free(FsOps *ops)
{
    /* Where the mount failed it was never asked to stop. */
    while (!fs_nudger_stop(ops->nudger))
        g_main_context_iteration(NULL, TRUE);
    fs_nudger_free(ops->nudger);
    fs_park_free(ops->park);
    g_hash_table_unref(ops->cached);
    if (ops->session != NULL)
        fuse_session_destroy(ops->session);
    free(ops->buffer.mem);
    g_free(ops);
}

guint
fs_ops_waiting(const FsOps *ops)
{
    return fs_park_count(ops->park);
}

void
fs_ops_describe(const FsOps *ops, GString *text)
{
    g_string_append_printf(text, "nudges: %" G_GUINT64_FORMAT "\n",
                           fs_nudger_count(ops->nudger));
}

const char *
fs_ops_library(void)
{
    return fuse_pkgversion();
}

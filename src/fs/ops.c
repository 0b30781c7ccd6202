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
#include "fs/cached.h"
#include "fs/call.h"
#include "fs/caller.h"
#include "fs/errors.h"
#include "fs/notify.h"
#include "fs/nudger.h"

enum {
    REQUESTS_AT_ONCE = 32, /* then the sockets have their turn */
    BACKGROUND_MAX = 1024, /* reads that wait must not hold up others */
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
    gboolean may_spare; /* OPEN may come to be left out: nobody opened a file */
    gboolean spared;    /* the kernel leaves it out */
    struct fuse_session *session;
    struct fuse_buf buffer;
    GSource *source;
    GSourceFunc done;
    gpointer done_data;
    gboolean ending; /* nothing waits any more */
    FsCached *cached;
};

static gboolean
is_nudger(FsOps *ops, fuse_req_t req)
{
    return fs_nudger_is(ops->nudger, fuse_req_ctx(req)->pid);
}

/* Nobody waits at the end, nor does the nudger: others would, behind it. */
static void
start(FsCall *call)
{
    FsOps *ops = call->ops;
    gboolean may_wait = !ops->ending && !is_nudger(ops, call->req);
    fs_call_start(call, may_wait ? ops->park : NULL);
}

static void
start_named(fuse_req_t req, gboolean (*ask)(FsCall *call, MailFault *fault),
            fuse_ino_t parent, const char *name)
{
    FsCall call = {.ops = fuse_req_userdata(req),
                   .req = req,
                   .ask = ask,
                   .ino = parent,
                   .name = (char *)name};
    start(&call);
}

/* ---- lookup, getattr ---- */

/* Of something that PARENT is to show. */
static void
fill_entry(FsOps *ops, guint64 parent, const FsAttributes *attributes,
           struct fuse_entry_param *entry)
{
    gboolean of_view = fs_node_is_of_view(fs_node_of(parent)) ||
                       fs_node_is_of_view(fs_node_of(attributes->stat.st_ino));
    gboolean is_made = fs_node_of(attributes->stat.st_ino).kind == FS_STATUS;

    memset(entry, 0, sizeof *entry);
    entry->ino = attributes->stat.st_ino;
    entry->generation = attributes->generation;
    entry->attr = attributes->stat;
    entry->attr.st_ino = fs_node_shown(entry->ino);
    /* Of names that come and go in views the kernel is not told. */
    entry->entry_timeout = is_made ? 0.0 : of_view ? DIRECTORY_LIFE : FOR_EVER;
    entry->attr_timeout = attributes->inexact                 ? 0.0
                          : S_ISDIR(attributes->stat.st_mode) ? DIRECTORY_LIFE
                                                              : FOR_EVER;
    if (attributes->inexact)
        fs_cached_note_guess(ops->cached, entry->ino);
}

static void
reply_entry(fuse_req_t req, guint64 parent, const FsAttributes *attributes)
{
    struct fuse_entry_param entry;

    fill_entry(fuse_req_userdata(req), parent, attributes, &entry);
    if (fuse_reply_entry(req, &entry) != 0) /* nobody has heard it */
        fs_tree_forget(((FsOps *)fuse_req_userdata(req))->tree, entry.ino);
}

static gboolean
has_searches(guint64 ino)
{
    FsNode node = fs_node_of(ino);
    return node.kind == FS_VIEW && node.part == FS_VIEW_SEARCH;
}

/* Every query is there, so mkdir(2) would end with EEXIST before we hear of it.
 * Whoever is in it sees a search as absent that is not pinned yet. */
static gboolean
is_to_be_pinned(FsCall *call, guint64 ino)
{
    return has_searches(call->ino) &&
           !fs_tree_is_pinned(call->ops->tree, ino) &&
           fs_caller_makes_directory(fuse_req_ctx(call->req)->pid);
}

static gboolean
ask_lookup(FsCall *call, MailFault *fault)
{
    FsAttributes attributes;

    if (!fs_tree_lookup(call->ops->tree, call->ino, call->name, &attributes,
                        fault))
        return FALSE;
    if (is_to_be_pinned(call, attributes.stat.st_ino)) {
        fuse_reply_err(call->req, ENOENT);
        return TRUE;
    }
    reply_entry(call->req, call->ino, &attributes);
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
    fill_entry(ops, parent, &attributes, &entry);
    entry.entry_timeout = 0.0;
    fuse_reply_entry(req, &entry);
    return TRUE;
}

static void
op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    FsOps *ops = fuse_req_userdata(req);
    if (!is_nudger(ops, req) || !lookup_for_nudger(ops, req, parent, name))
        start_named(req, ask_lookup, parent, name);
}

static void
op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t lookups)
{
    FsOps *ops = fuse_req_userdata(req);
    (void)lookups;
    fs_tree_forget(ops->tree, ino);
    fs_cached_forget(ops->cached, ino);
    fuse_reply_none(req);
}

static gboolean
ask_getattr(FsCall *call, MailFault *fault)
{
    FsAttributes attributes;
    struct fuse_entry_param entry;

    if (!fs_tree_getattr(call->ops->tree, call->ino, &attributes, fault))
        return FALSE;
    fill_entry(call->ops, call->ino, &attributes, &entry);
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

static gboolean
ask_opendir(FsCall *call, MailFault *fault)
{
    struct fuse_file_info file = {.fh = 0};

    if (!fs_tree_opendir(call->ops->tree, call->ino, fault))
        return FALSE;
    file.cache_readdir = fs_node_of(call->ino).kind == FS_MAILBOX;
    file.keep_cache = fs_cached_is_current(call->ops->cached, call->ino);
    fuse_reply_open(call->req, &file);
    return TRUE;
}

static void
op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
    FsOps *ops = fuse_req_userdata(req);
    FsCall call = {.ops = ops, .req = req, .ask = ask_opendir, .ino = ino};
    (void)file;
    if (fuse_req_ctx(req)->uid != getuid())
        fs_nudger_opened(ops->nudger, ino);
    start(&call);
}

typedef struct {
    const FsCall *call;
    char *data;
    gsize used;
} EntryBuffer;

static gboolean
add_entry(const char *name, const FsAttributes *attributes, gint64 next,
          gpointer data)
{
    EntryBuffer *buffer = data;
    const FsCall *call = buffer->call;
    char *at = buffer->data + buffer->used;
    gsize room = call->size - buffer->used;
    gsize needed;

    if (call->plus) {
        struct fuse_entry_param entry;
        fill_entry(call->ops, call->ino, attributes, &entry);
        /* The kernel has looked these up itself, or has to. */
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
            fs_node_of(entry.ino).kind == FS_STATUS)
            entry.ino = 0;
        needed =
            fuse_add_direntry_plus(call->req, at, room, name, &entry, next);
    } else {
        struct stat shown = attributes->stat;
        shown.st_ino = fs_node_shown(shown.st_ino);
        needed = fuse_add_direntry(call->req, at, room, name, &shown, next);
    }
    if (needed > room)
        return FALSE;
    buffer->used += needed;
    return TRUE;
}

static gboolean
ask_readdir(FsCall *call, MailFault *fault)
{
    g_autofree char *data = g_malloc(call->size);
    EntryBuffer buffer = {call, data, 0};

    if (!fs_tree_readdir(call->ops->tree, call->ino, call->offset, add_entry,
                         &buffer, fault))
        return FALSE;
    if (buffer.used == 0)
        fs_cached_note(call->ops->cached, call->ino);
    fuse_reply_buf(call->req, data, buffer.used);
    return TRUE;
}

static void
list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, gboolean plus)
{
    FsCall call = {.ops = fuse_req_userdata(req),
                   .req = req,
                   .ask = ask_readdir,
                   .ino = ino,
                   .offset = offset,
                   .size = size,
                   .plus = plus};
    start(&call);
}

static void
op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
           struct fuse_file_info *file)
{
    (void)file;
    list(req, ino, size, offset, FALSE);
}

static void
op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
               struct fuse_file_info *file)
{
    (void)file;
    list(req, ino, size, offset, TRUE);
}

/* ---- files ---- */

/*
 * A mount that cannot write, on a server whose sizes are known to be right,
 * needs no OPEN; what else OPEN would settle the number does.  The kernel sends
 * no more of them once it has heard of it, nor RELEASE.
 */
static gboolean
spare_open(FsOps *ops)
{
    if (ops->may_spare && mail_account_trusts_sizes(ops->account)) {
        mail_account_promise_sizes(ops->account);
        ops->spared = TRUE;
    }
    ops->may_spare = FALSE;
    return ops->spared;
}

static gboolean
ask_open(FsCall *call, MailFault *fault)
{
    struct fuse_file_info opened = {.noflush = 1};
    FsFile *file;

    if (!fs_tree_open(call->ops->tree, call->ino, &file, fault))
        return FALSE;
    opened.fh = (guint64)(guintptr)file;
    opened.direct_io = !fs_file_has_size(file);
    opened.keep_cache = fs_file_keeps_pages(file);
    /* Once, and no more: to whatever is on its way the kernel then pays no
     * heed, so that another reader would be left with the guess. */
    if (fs_cached_take_guess(call->ops->cached, call->ino))
        fuse_lowlevel_notify_inval_inode(call->ops->session, call->ino, -1, 0);
    if (fuse_reply_open(call->req, &opened) != 0)
        fs_file_free(file); /* whoever asked has gone: no RELEASE follows */
    return TRUE;
}

static void
op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
    FsCall call = {
        .ops = fuse_req_userdata(req), .req = req, .ask = ask_open, .ino = ino};
    if (spare_open(call.ops))
        fuse_reply_err(req, ENOSYS);
    else if ((file->flags & O_ACCMODE) != O_RDONLY)
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
    const FsFile *file = call->file;
    g_autofree char *data = g_malloc(call->size);
    guint64 offset = (guint64)call->offset;
    FsTree *tree = call->ops->tree;
    gsize size;

    if (file != NULL
            ? !fs_tree_read(tree, file, offset, data, call->size, &size, fault)
            : !fs_tree_read_unopened(tree, call->ino, offset, data, call->size,
                                     &size, fault))
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
                   .file = (const FsFile *)(guintptr)file->fh};
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

/* ---- what changes something: refused, but for nudges and pins ---- */

static void
create(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    FsOps *ops = fuse_req_userdata(req);
    FsAttributes attributes;

    if (!is_nudger(ops, req) ||
        !fs_nudger_create(ops->nudger, parent, name, &attributes)) {
        fuse_reply_err(req, EROFS);
        return;
    }
    reply_entry(req, parent, &attributes);
}

static gboolean
ask_mkdir(FsCall *call, MailFault *fault)
{
    FsAttributes attributes;

    if (!fs_tree_pin(call->ops->tree, call->ino, call->name, TRUE, &attributes,
                     fault))
        return FALSE;
    reply_entry(call->req, call->ino, &attributes);
    return TRUE;
}

static gboolean
ask_rmdir(FsCall *call, MailFault *fault)
{
    FsAttributes attributes;

    if (!fs_tree_pin(call->ops->tree, call->ino, call->name, FALSE, &attributes,
                     fault))
        return FALSE;
    fuse_reply_err(call->req, 0);
    return TRUE;
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
    if (has_searches(parent))
        start_named(req, ask_mkdir, parent, name);
    else
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
op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    if (has_searches(parent))
        start_named(req, ask_rmdir, parent, name);
    else
        op_unlink(req, parent, name);
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
    FsOps *ops = data;

    ops->may_spare = ops->read_only &&
                     connection->capable & FUSE_CAP_NO_OPEN_SUPPORT &&
                     mail_account_trusts_sizes(ops->account);
    if (ops->may_spare)
        fs_tree_do_without_open(ops->tree);
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
    .forget = op_forget,
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
    .rmdir = op_rmdir,
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
    ops->cached = fs_cached_new(account);
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
    fs_cached_free(ops->cached);
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
    g_string_append_printf(text, "opening files: %s\n",
                           ops->spared ? "left to the kernel" : "asked here");
}

const char *
fs_ops_library(void)
{
    return fuse_pkgversion();
}

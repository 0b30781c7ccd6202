/* SPDX-License-Identifier: GPL-3.0-or-later */
#define FUSE_USE_VERSION 312
#include "fs/notify.h"

#include <fuse_lowlevel.h>
#include <string.h>

#include "fs/node.h"

struct FsNotifier {
    struct fuse_session *session;
    MailAccount *account;
    FsNudger *nudger;
    GAsyncQueue *queue; /* of Notice */
    GThread *thread;
    gint stopping; /* these two belong to both threads: atomic */
    gint stopped;
};

typedef struct {
    enum { NOTICE_NAME, NOTICE_INODE, NOTICE_END } kind;
    guint64 ino; /* of the directory, for a name */
    char *name;
} Notice;

static gpointer
run(gpointer data)
{
    FsNotifier *notifier = data;

    for (gboolean end = FALSE; !end;) {
        g_autofree Notice *notice = g_async_queue_pop(notifier->queue);
        if (g_atomic_int_get(&notifier->stopping) &&
            notice->kind != NOTICE_END) {
            g_free(notice->name);
            continue;
        }
        switch (notice->kind) {
        case NOTICE_NAME:
            fuse_lowlevel_notify_inval_entry(notifier->session, notice->ino,
                                             notice->name,
                                             strlen(notice->name));
            break;
        case NOTICE_INODE:
            fuse_lowlevel_notify_inval_inode(notifier->session, notice->ino, 0,
                                             0);
            break;
        case NOTICE_END:
            end = TRUE;
            break;
        }
        g_free(notice->name);
    }
    g_atomic_int_set(&notifier->stopped, TRUE);
    g_main_context_wakeup(NULL);
    return NULL;
}

/* Takes NAME. */
static void
push(FsNotifier *notifier, int kind, guint64 ino, char *name)
{
    Notice *notice = g_new(Notice, 1);
    *notice = (Notice){kind, ino, name};
    g_async_queue_push(notifier->queue, notice);
}

static guint64
ino_of(const MailMailbox *mailbox)
{
    if (mailbox->parent == NULL)
        return fs_node_ino((FsNode){.kind = FS_ROOT});
    return fs_node_ino((FsNode){.kind = FS_MAILBOX, .mailbox = mailbox->id});
}

static void
on_mailbox_added(const MailMailbox *mailbox, gpointer data)
{
    FsNotifier *notifier = data;
    push(notifier, NOTICE_INODE, ino_of(mailbox->parent), NULL);
    fs_nudger_note(notifier->nudger, FS_EVENT_CREATED, ino_of(mailbox->parent),
                   ino_of(mailbox));
}

static void
on_mailbox_removed(const MailMailbox *mailbox, gpointer data)
{
    FsNotifier *notifier = data;
    push(notifier, NOTICE_NAME, ino_of(mailbox->parent),
         fs_names_mailbox(mailbox));
    push(notifier, NOTICE_INODE, ino_of(mailbox->parent), NULL);
    fs_nudger_note(notifier->nudger, FS_EVENT_DELETED, ino_of(mailbox->parent),
                   ino_of(mailbox));
}

static void
on_message_added(const MailMailbox *mailbox, const MailMessage *message,
                 gpointer data)
{
    fs_nudger_note(((FsNotifier *)data)->nudger, FS_EVENT_CREATED,
                   ino_of(mailbox), fs_tree_message_ino(mailbox, message));
}

static void
push_names(FsNotifier *notifier, const MailMailbox *mailbox,
           const MailMessage *message)
{
    static const FsNaming namings[] = {FS_NAMES_FULL, FS_NAMES_UID};

    for (guint i = 0; i < G_N_ELEMENTS(namings); i++) {
        char name[FS_NAME_MAX + 1];
        fs_names_message(message, namings[i], name);
        push(notifier, NOTICE_NAME, ino_of(mailbox), g_strdup(name));
    }
}

static void
on_message_removed(const MailMailbox *mailbox, const MailMessage *message,
                   gpointer data)
{
    FsNotifier *notifier = data;

    push_names(notifier, mailbox, message);
    fs_nudger_note(notifier->nudger, FS_EVENT_DELETED, ino_of(mailbox),
                   fs_tree_message_ino(mailbox, message));
}

/* The number that had the wrong size is good for nothing any more. */
static void
disown_promised(FsNotifier *notifier, const MailMailbox *mailbox,
                const MailMessage *message)
{
    MailMessage promised = *message;
    guint64 ino;

    promised.renewed = FALSE;
    ino = fs_tree_message_ino(mailbox, &promised);
    fuse_lowlevel_notify_inval_inode(notifier->session, ino, -1, 0);
    push(notifier, NOTICE_INODE, ino, NULL);
    push_names(notifier, mailbox, message);
}

static void
on_message_changed(const MailMailbox *mailbox, const MailMessage *message,
                   gpointer data)
{
    FsNotifier *notifier = data;
    guint64 ino = fs_tree_message_ino(mailbox, message);

    /* Of attributes only, this never blocks; and a corrected size has to be
     * there before the reply to OPEN. */
    fuse_lowlevel_notify_inval_inode(notifier->session, ino, -1, 0);
    /* The page where it seemed to end has zeros behind that. */
    if (message->resized)
        push(notifier, NOTICE_INODE, ino, NULL);
    if (message->renewed)
        disown_promised(notifier, mailbox, message);
    fs_nudger_note(notifier->nudger, FS_EVENT_CHANGED, ino_of(mailbox), ino);
}

static void
on_parts_changed(const MailMailbox *mailbox, const MailMessage *message,
                 guint n, gpointer data)
{
    FsNotifier *notifier = data;

    for (guint i = 0; i < n; i++) {
        FsNode node = {.kind = FS_PART,
                       .mailbox = mailbox->id,
                       .uid = message->uid,
                       .part = (guint16)i};
        fuse_lowlevel_notify_inval_inode(notifier->session, fs_node_ino(node),
                                         -1, 0);
    }
}

static void
on_mailbox_changed(const MailMailbox *mailbox, gpointer data)
{
    push(data, NOTICE_INODE, ino_of(mailbox), NULL);
}

static void
on_mailbox_unused(const MailMailbox *mailbox, gpointer data)
{
    fs_nudger_ask(((FsNotifier *)data)->nudger, ino_of(mailbox));
}

static const MailObserver observer = {
    .mailbox_added = on_mailbox_added,
    .mailbox_removed = on_mailbox_removed,
    .message_added = on_message_added,
    .message_removed = on_message_removed,
    .message_changed = on_message_changed,
    .parts_changed = on_parts_changed,
    .mailbox_changed = on_mailbox_changed,
    .mailbox_unused = on_mailbox_unused,
};

FsNotifier *
fs_notifier_new(struct fuse_session *session, MailAccount *account,
                FsNudger *nudger)
{
    FsNotifier *notifier = g_new0(FsNotifier, 1);

    notifier->session = session;
    notifier->account = account;
    notifier->nudger = nudger;
    notifier->queue = g_async_queue_new();
    notifier->thread = g_thread_new("notifier", run, notifier);
    mail_account_observe(account, &observer, notifier);
    return notifier;
}

gboolean
fs_notifier_stop(FsNotifier *notifier)
{
    if (!g_atomic_int_get(&notifier->stopping)) {
        mail_account_observe(notifier->account, NULL, NULL);
        g_atomic_int_set(&notifier->stopping, TRUE);
        push(notifier, NOTICE_END, 0, NULL);
    }
    return g_atomic_int_get(&notifier->stopped);
}

void
fs_notifier_free(FsNotifier *notifier)
{
    g_thread_join(notifier->thread);
    g_async_queue_unref(notifier->queue);
    g_free(notifier);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/nudger.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/nudging.h"

enum {
    EVENTS_MAX = 4000, /* of a directory; inotify has room for 16,384 */
    CALLS_MAX = 128,   /* in an order; names take half of a packet */
    OPENED_MAX = 1000, /* directories other users have open */
    ASKED_MAX = 1000,  /* directories, if somebody watches them */
};
/* What happens together is told together. */
#define GATHER (5 * CLOCK_MILLISECOND)
#define OPENED_LATELY (600 * CLOCK_SECOND)
#define END_PATIENCE (2 * CLOCK_SECOND)

struct FsNudger {
    FsTree *tree;
    Clock *clock;
    pid_t pid; /* 0 when it has gone */
    int socket;
    GSource *source;
    guint timer;
    gboolean stopping;
    gboolean given_up;
    FsEvents *events;
    guint64 directory;  /* that orders are about now */
    GPtrArray *taken;   /* of FsEvent: its events; NULL when there are none */
    guint next;         /* the first of them that is not ordered */
    GHashTable *calls;  /* name -> FsEvent of TAKEN: those that are ordered */
    gboolean waiting;   /* for an answer */
    GQueue asked;       /* directories, if somebody watches them */
    GHashTable *opened; /* directory -> when */
    guint64 count;
};

/* ---- the process ---- */

/* In the child: what may be done between fork and exec, and no more. */
static _Noreturn void
become(int socket, pid_t parent, char **argv)
{
    static char *const nothing[] = {NULL};
    int null;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || dup2(socket, STDIN_FILENO) < 0)
        _exit(1);
    null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, STDOUT_FILENO) < 0 ||
        dup2(null, STDERR_FILENO) < 0 || close_range(3, ~0U, 0) != 0 ||
        chdir("/") != 0)
        _exit(1);
    setsid(); /* Ctrl-C is not for it */
    execve("/proc/self/exe", argv, nothing);
    _exit(1);
}

static void
forget_orders(FsNudger *nudger)
{
    g_hash_table_remove_all(nudger->calls);
    g_clear_pointer(&nudger->taken, g_ptr_array_unref);
    nudger->waiting = FALSE;
}

/* It has ended, so this does not block, or it is given up.  From now on its
 * number may be somebody else's. */
static void
let_go(FsNudger *nudger)
{
    clock_cancel(nudger->clock, &nudger->timer);
    if (nudger->source != NULL) {
        g_source_destroy(nudger->source);
        g_clear_pointer(&nudger->source, g_source_unref);
    }
    close(nudger->socket);
    nudger->socket = -1;
    waitpid(nudger->pid, NULL, nudger->given_up ? WNOHANG : 0);
    nudger->pid = 0;
    forget_orders(nudger);
}

static void
end(FsNudger *nudger)
{
    kill(nudger->pid, SIGKILL);
    clock_cancel(nudger->clock, &nudger->timer);
}

/* ---- orders ---- */

static char
letter_of(const FsEvent *event)
{
    gboolean is_file = fs_node_of(event->ino).kind == FS_MESSAGE;

    switch (event->kind) {
    case FS_EVENT_CREATED:
        return is_file ? FS_NUDGING_MKNOD : FS_NUDGING_MKDIR;
    case FS_EVENT_DELETED:
        return is_file ? FS_NUDGING_UNLINK : FS_NUDGING_RMDIR;
    case FS_EVENT_CHANGED:
        break;
    }
    return FS_NUDGING_UTIME;
}

/* What EVENT is about has that name; FALSE when it has none any more. */
static gboolean
name_of(FsNudger *nudger, const FsEvent *event, char name[FS_NAME_MAX + 1])
{
    FsAttributes attributes;

    if (event->ino == nudger->directory)
        return g_strlcpy(name, ".", FS_NAME_MAX + 1) > 0;
    if (event->name != NULL)
        return g_strlcpy(name, event->name, FS_NAME_MAX + 1) > 0;
    return fs_tree_known(nudger->tree, event->ino, &attributes, name);
}

static gboolean
is_unseen(FsNudger *nudger)
{
    const gint64 *when =
        g_hash_table_lookup(nudger->opened, &nudger->directory);
    return when != NULL && clock_now(nudger->clock) - *when < OPENED_LATELY;
}

/* Orders what comes next; FALSE if there is nothing.  An order without calls
 * only asks. */
static gboolean
send_order(FsNudger *nudger)
{
    g_autofree char *path = fs_tree_path(nudger->tree, nudger->directory);
    g_autoptr(GByteArray) packet = g_byte_array_new();
    gboolean asks = nudger->taken == NULL;
    FsNudgingHead head = {nudger->directory, 0, !asks && is_unseen(nudger)};

    g_hash_table_remove_all(nudger->calls);
    g_byte_array_append(packet, (guint8 *)&head, sizeof head);
    if (path == NULL || strlen(path) > FS_NUDGING_PACKET_MAX / 4)
        return FALSE; /* the directory has gone, too */
    g_byte_array_append(packet, (guint8 *)path, (guint)strlen(path) + 1);
    while (!asks && nudger->next < nudger->taken->len &&
           head.calls < CALLS_MAX) {
        FsEvent *event = g_ptr_array_index(nudger->taken, nudger->next);
        char text[FS_NAME_MAX + 2] = {letter_of(event)};
        gboolean has_name = name_of(nudger, event, text + 1);
        /* Gone and come: one after the other. */
        if (has_name && g_hash_table_contains(nudger->calls, text + 1))
            break;
        nudger->next++;
        if (!has_name)
            continue;
        g_byte_array_append(packet, (guint8 *)text, (guint)strlen(text) + 1);
        g_hash_table_insert(nudger->calls, g_strdup(text + 1), event);
        head.calls++;
    }
    memcpy(packet->data, &head, sizeof head);
    if (head.calls == 0 && !asks)
        return FALSE;
    if (send(nudger->socket, packet->data, packet->len,
             MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        g_message("cannot tell watchers of changes: %s", g_strerror(errno));
        end(nudger);
    }
    nudger->waiting = TRUE;
    return TRUE;
}

/* The directory that orders are about next, and its events, if it has any;
 * FALSE when there is none. */
static gboolean
take_directory(FsNudger *nudger)
{
    guint64 *asked;

    forget_orders(nudger);
    nudger->next = 0;
    nudger->taken = fs_events_take(nudger->events, &nudger->directory);
    if (nudger->taken != NULL)
        return TRUE;
    asked = g_queue_pop_head(&nudger->asked);
    if (asked == NULL)
        return FALSE;
    nudger->directory = *asked;
    g_free(asked);
    return TRUE;
}

static void
go_on(FsNudger *nudger)
{
    while (!nudger->waiting && !nudger->stopping) {
        if ((nudger->taken == NULL || nudger->next == nudger->taken->len) &&
            !take_directory(nudger))
            return;
        if (!send_order(nudger) && nudger->taken != NULL)
            nudger->next = nudger->taken->len;
    }
}

static gboolean
on_answer(gint fd, GIOCondition condition, gpointer data)
{
    FsNudger *nudger = data;
    FsNudgingAnswer answer;
    ssize_t n = recv(fd, &answer, sizeof answer, MSG_DONTWAIT);
    (void)condition;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    if (n <= 0) {
        if (!nudger->stopping)
            g_message("programs that watch directories are told no more");
        let_go(nudger);
        return G_SOURCE_REMOVE;
    }
    if (n != sizeof answer || !nudger->waiting) {
        end(nudger); /* then its socket ends, too */
        return G_SOURCE_CONTINUE;
    }
    nudger->count += answer.calls;
    nudger->waiting = FALSE;
    if (answer.watched)
        fs_tree_watched(nudger->tree, nudger->directory);
    else
        forget_orders(nudger);
    go_on(nudger);
    return G_SOURCE_CONTINUE;
}

static void
on_timer(gpointer data)
{
    FsNudger *nudger = data;
    nudger->timer = 0;
    go_on(nudger);
}

static void
go_on_soon(FsNudger *nudger)
{
    if (nudger->timer == 0 && !nudger->waiting)
        nudger->timer = clock_after(nudger->clock, GATHER, on_timer, nudger);
}

void
fs_nudger_note(FsNudger *nudger, FsEventKind kind, guint64 directory,
               guint64 ino)
{
    char name[FS_NAME_MAX + 1];
    FsEvent *event;

    if (nudger == NULL || nudger->pid == 0 || nudger->stopping)
        return;
    event = fs_event_new(kind, ino);
    if (kind == FS_EVENT_DELETED) {
        if (!fs_tree_known(nudger->tree, ino, &event->was, name)) {
            fs_event_free(event);
            return;
        }
        event->name = g_strdup(name);
    }
    fs_events_add(nudger->events, directory, event);
    go_on_soon(nudger);
}

void
fs_nudger_ask(FsNudger *nudger, guint64 directory)
{
    if (nudger == NULL || nudger->pid == 0 || nudger->stopping ||
        nudger->asked.length >= ASKED_MAX)
        return;
    g_queue_push_tail(&nudger->asked, g_memdup2(&directory, sizeof directory));
    go_on_soon(nudger);
}

void
fs_nudger_opened(FsNudger *nudger, guint64 directory)
{
    gint64 now;

    if (nudger == NULL)
        return;
    now = clock_now(nudger->clock);
    if (g_hash_table_size(nudger->opened) >= OPENED_MAX)
        g_hash_table_remove_all(nudger->opened);
    g_hash_table_replace(nudger->opened,
                         g_memdup2(&directory, sizeof directory),
                         g_memdup2(&now, sizeof now));
}

/* ---- its calls ---- */

gboolean
fs_nudger_is(const FsNudger *nudger, pid_t pid)
{
    return nudger != NULL && nudger->pid != 0 && pid == nudger->pid;
}

static FsEvent *
ordered(FsNudger *nudger, guint64 parent, const char *name)
{
    return nudger->waiting && parent == nudger->directory
               ? g_hash_table_lookup(nudger->calls, name)
               : NULL;
}

FsNudgeLookup
fs_nudger_lookup(FsNudger *nudger, guint64 parent, const char *name,
                 FsAttributes *ret)
{
    const FsEvent *event = ordered(nudger, parent, name);

    if (strcmp(name, FS_NUDGING_PROOF) == 0) {
        MailFault ignored = {NULL, NULL};
        guint64 status = fs_node_ino((FsNode){.kind = FS_STATUS});
        fs_tree_getattr(nudger->tree, status, ret, &ignored);
        return FS_NUDGE_ENTRY;
    }
    if (event == NULL || event->kind == FS_EVENT_CHANGED)
        return FS_NUDGE_USUAL;
    if (event->kind == FS_EVENT_CREATED)
        return FS_NUDGE_ABSENT;
    *ret = event->was;
    return FS_NUDGE_ENTRY;
}

gboolean
fs_nudger_create(FsNudger *nudger, guint64 parent, const char *name,
                 FsAttributes *ret)
{
    const FsEvent *event = ordered(nudger, parent, name);
    char its[FS_NAME_MAX + 1];

    if (event == NULL || event->kind != FS_EVENT_CREATED ||
        !fs_tree_known(nudger->tree, event->ino, ret, its) ||
        strcmp(its, name) != 0)
        return FALSE;
    g_hash_table_remove(nudger->calls, name);
    return TRUE;
}

gboolean
fs_nudger_delete(FsNudger *nudger, guint64 parent, const char *name)
{
    const FsEvent *event = ordered(nudger, parent, name);

    if (event == NULL || event->kind != FS_EVENT_DELETED)
        return FALSE;
    g_hash_table_remove(nudger->calls, name);
    return TRUE;
}

guint64
fs_nudger_count(const FsNudger *nudger)
{
    return nudger ? nudger->count : 0;
}

/* ---- from its beginning to its end ---- */

FsNudger *
fs_nudger_new(FsTree *tree, Clock *clock, const char *mountpoint)
{
    char *argv[] = {(char *)FS_NUDGING_NAME, (char *)mountpoint, NULL};
    pid_t parent = getpid();
    FsNudger *nudger;
    int ends[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return NULL;
    pid = fork();
    if (pid == 0)
        become(ends[1], parent, argv);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return NULL;
    }
    nudger = g_new0(FsNudger, 1);
    nudger->tree = tree;
    nudger->clock = clock;
    nudger->pid = pid;
    nudger->socket = ends[0];
    nudger->events = fs_events_new(EVENTS_MAX);
    nudger->calls =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    nudger->opened =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    nudger->source = g_unix_fd_source_new(ends[0], G_IO_IN | G_IO_HUP);
    g_source_set_callback(nudger->source, G_SOURCE_FUNC(on_answer), nudger,
                          NULL);
    g_source_attach(nudger->source, g_main_context_get_thread_default());
    return nudger;
}

static void
on_patience_over(gpointer data)
{
    FsNudger *nudger = data;
    nudger->timer = 0;
    nudger->given_up = TRUE;
    let_go(nudger);
}

gboolean
fs_nudger_stop(FsNudger *nudger)
{
    if (nudger == NULL || nudger->pid == 0)
        return TRUE;
    if (!nudger->stopping) {
        nudger->stopping = TRUE;
        end(nudger);
        nudger->timer =
            clock_after(nudger->clock, END_PATIENCE, on_patience_over, nudger);
    }
    return FALSE;
}

void
fs_nudger_free(FsNudger *nudger)
{
    if (nudger == NULL)
        return;
    fs_events_free(nudger->events);
    g_queue_clear_full(&nudger->asked, g_free);
    g_hash_table_unref(nudger->calls);
    g_hash_table_unref(nudger->opened);
    g_free(nudger);
}

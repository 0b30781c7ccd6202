/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/nudging.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/watches.h"

enum { SOCKET = 0 };
/* A watch that was seen so recently is there still. */
#define SEEN_LATELY (10 * G_TIME_SPAN_SECOND)
/* Looking for watches takes no more than this part of our time. */
#define LOOKING_PART 50

typedef struct {
    const char *mountpoint;
    gboolean has_device;
    guint32 device;
    FsWatches *watches;
    gint64 looked_at;
    gint64 look_again; /* not before that */
} Nudging;

/* An order, taken apart; the texts are the packet's. */
typedef struct {
    FsNudgingHead head;
    const char *path;
    const char *at;
    const char *end;
} Order;

gboolean
fs_nudging_is_meant(char **argv)
{
    return argv[0] != NULL && strcmp(argv[0], FS_NUDGING_NAME) == 0;
}

/* The next text of ORDER, or NULL. */
static const char *
next_text(Order *order)
{
    const char *text = order->at;
    const char *nul = memchr(text, '\0', (gsize)(order->end - text));

    if (nul == NULL)
        return NULL;
    order->at = nul + 1;
    return text;
}

/* Opens the directory, if it is one of our mount; also finds out its device. */
static int
enter(Nudging *nudging, const char *path)
{
    g_autofree char *whole = g_build_filename(nudging->mountpoint, path, NULL);
    int fd = open(whole, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct statx status;

    if (fd < 0)
        return -1;
    if (faccessat(fd, FS_NUDGING_PROOF, F_OK, AT_SYMLINK_NOFOLLOW) != 0 ||
        statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &status) !=
            0) {
        close(fd);
        return -1;
    }
    nudging->has_device = TRUE;
    nudging->device =
        fs_watches_device(status.stx_dev_major, status.stx_dev_minor);
    return fd;
}

/* Looks for watches anew.  What is ordered is told by who watched after the
 * order came, so one that begins to watch before an event does not miss it. */
static void
look(Nudging *nudging)
{
    struct pollfd hang_up = {.fd = SOCKET, .events = POLLIN};
    gint64 now = g_get_monotonic_time();

    /* Nothing is sent before the answer: this is the end. */
    if (now < nudging->look_again &&
        poll(&hang_up, 1, (int)((nudging->look_again - now) / 1000 + 1)) > 0)
        exit(0);
    nudging->looked_at = g_get_monotonic_time();
    fs_watches_scan(nudging->watches, nudging->device);
    now = g_get_monotonic_time();
    nudging->look_again = now + (now - nudging->looked_at) * LOOKING_PART;
}

static gboolean
is_watched(Nudging *nudging, const Order *order)
{
    gint64 age = g_get_monotonic_time() - nudging->looked_at;
    guint64 directory = order->head.directory;

    if (order->head.unseen)
        return TRUE;
    if (!nudging->has_device) {
        /* Not held open meanwhile: that would keep the mount busy. */
        int fd = enter(nudging, order->path);
        if (fd < 0)
            return FALSE;
        close(fd);
    }
    if (nudging->looked_at == 0 || age > SEEN_LATELY ||
        !fs_watches_has(nudging->watches, directory))
        look(nudging);
    return fs_watches_has(nudging->watches, directory);
}

static gboolean
call(int directory, const char *text)
{
    const char *name = text + 1;

    switch (text[0]) {
    case FS_NUDGING_MKNOD:
        return mknodat(directory, name, S_IFREG | 0600, 0) == 0;
    case FS_NUDGING_MKDIR:
        return mkdirat(directory, name, 0700) == 0;
    case FS_NUDGING_UNLINK:
        return unlinkat(directory, name, 0) == 0;
    case FS_NUDGING_RMDIR:
        return unlinkat(directory, name, AT_REMOVEDIR) == 0;
    case FS_NUDGING_UTIME:
        return utimensat(directory, name, NULL, AT_SYMLINK_NOFOLLOW) == 0;
    default:
        return FALSE;
    }
}

static void
obey(Nudging *nudging, Order *order, FsNudgingAnswer *answer)
{
    int directory;

    answer->watched = is_watched(nudging, order);
    if (!answer->watched)
        return;
    directory = enter(nudging, order->path);
    if (directory < 0)
        return;
    for (guint i = 0; i < order->head.calls; i++) {
        const char *text = next_text(order);
        if (text == NULL || *text == '\0')
            break;
        answer->calls += call(directory, text);
    }
    close(directory);
}

int
fs_nudging_run(char **argv)
{
    g_autofree char *packet = g_malloc(FS_NUDGING_PACKET_MAX);
    Nudging nudging = {.mountpoint = argv[1], .watches = fs_watches_new()};

    for (;;) {
        FsNudgingAnswer answer = {0, 0};
        Order order;
        ssize_t n = recv(SOCKET, packet, FS_NUDGING_PACKET_MAX, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= (ssize_t)sizeof order.head || nudging.mountpoint == NULL)
            break;
        memcpy(&order.head, packet, sizeof order.head);
        order.at = packet + sizeof order.head;
        order.end = packet + n;
        order.path = next_text(&order);
        if (order.path != NULL)
            obey(&nudging, &order, &answer);
        if (send(SOCKET, &answer, sizeof answer, MSG_NOSIGNAL) < 0)
            break;
    }
    fs_watches_free(nudging.watches);
    return 0;
}

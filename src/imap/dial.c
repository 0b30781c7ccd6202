/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imap/dial.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/error.h"

typedef struct {
    const ImapAddress *address;
    ImapDialed done;
    gpointer data;
} Call;

static ImapfsError
code_of(const GError *error)
{
    if (error->domain == G_RESOLVER_ERROR &&
        !g_error_matches(error, G_RESOLVER_ERROR,
                         G_RESOLVER_ERROR_TEMPORARY_FAILURE))
        return IMAPFS_ERROR_NO_HOST;
    return IMAPFS_ERROR_OFFLINE;
}

/* A peer that has vanished is found out in two minutes, and in half of one
 * while something is to be sent. */
static void
keep_alive(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},          {IPPROTO_TCP, TCP_KEEPIDLE, 60},
        {IPPROTO_TCP, TCP_KEEPINTVL, 15},       {IPPROTO_TCP, TCP_KEEPCNT, 4},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, 30000},
    };
    for (guint i = 0; i < G_N_ELEMENTS(options); i++)
        setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                   sizeof options[i].value);
}

static void
on_connected(GObject *client, GAsyncResult *result, gpointer data)
{
    g_autofree Call *call = data;
    g_autoptr(GError) failure = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocketConnection) connection = g_socket_client_connect_finish(
        G_SOCKET_CLIENT(client), result, &failure);
    GSocket *socket;
    int fd;

    if (connection == NULL) {
        if (g_error_matches(failure, G_IO_ERROR, G_IO_ERROR_CANCELLED))
            return;
        error = g_error_new(
            IMAPFS_ERROR, code_of(failure), "cannot connect to %s, port %u: %s",
            call->address->host, call->address->port, failure->message);
        call->done(NULL, error, call->data);
        return;
    }
    /* The connection object closes its socket; ours is to live on. */
    fd = dup(g_socket_get_fd(g_socket_connection_get_socket(connection)));
    socket = fd < 0 ? NULL : g_socket_new_from_fd(fd, NULL);
    if (socket == NULL) {
        error = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_OFFLINE,
                            "too many open files");
        call->done(NULL, error, call->data);
        return;
    }
    keep_alive(fd);
    call->done(imap_stream_new(socket), NULL, call->data);
}

void
imap_dial_tcp(gpointer address, GCancellable *cancellable, ImapDialed done,
              gpointer data)
{
    g_autoptr(GSocketClient) client = g_socket_client_new();
    Call *call = g_new(Call, 1);

    *call = (Call){address, done, data};
    g_socket_client_set_timeout(client, call->address->timeout);
    g_socket_client_connect_to_host_async(client, call->address->host,
                                          call->address->port, cancellable,
                                          on_connected, call);
}

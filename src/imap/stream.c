/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imap/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib-unix.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/socket.h>
#include <zlib.h>

#include "base/error.h"

enum { WIRE_BUFFER = 64 << 10 };

struct ImapTls {
    SSL_CTX *context;
};

struct ImapStream {
    GSocket *socket;
    GSource *readable;
    GSource *writable; /* only while OUT is not empty */
    ImapStreamFunc ready;
    gpointer data;
    GByteArray *out; /* what the socket did not take yet */
    gsize out_sent;
    GError *failure;
    guint64 octets_in, octets_out;

    /* TLS runs over a pair of memory BIOs: IN is what came off the wire. */
    SSL *ssl;
    BIO *in, *to_wire;
    char *host;
    GByteArray *early; /* written before the handshake was done */

    z_stream *inflate, *deflate;
    guchar *packed;        /* WIRE_BUFFER octets for inflate to eat */
    gboolean inflate_full; /* it had more to give than there was room for */
};

/* ---- TLS ---- */

static gboolean
fail(GError **error, const char *what, const char *why)
{
    g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_PROTOCOL, "%s: %s", what,
                why);
    return FALSE;
}

static const char *
openssl_reason(void)
{
    unsigned long code = ERR_get_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    return reason ? reason : "unknown reason";
}

ImapTls *
imap_tls_new(const char *ca_file, GError **error)
{
    g_autoptr(ImapTls) tls = g_new0(ImapTls, 1);

    tls->context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(tls->context, SSL_MODE_RELEASE_BUFFERS);
    if (ca_file == NULL) {
        SSL_CTX_set_default_verify_paths(tls->context);
    } else if (SSL_CTX_load_verify_locations(tls->context, ca_file, NULL) !=
               1) {
        ERR_clear_error();
        g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_USAGE,
                    "%s: no certificates could be read from it", ca_file);
        return NULL;
    }
    return g_steal_pointer(&tls);
}

void
imap_tls_free(ImapTls *tls)
{
    SSL_CTX_free(tls->context);
    g_free(tls);
}

static gboolean
is_address(const char *host)
{
    g_autoptr(GInetAddress) address = g_inet_address_new_from_string(host);
    return address != NULL;
}

static gboolean
name_server(SSL *ssl, const char *host)
{
    X509_VERIFY_PARAM *parameters = SSL_get0_param(ssl);

    if (is_address(host))
        return X509_VERIFY_PARAM_set1_ip_asc(parameters, host) == 1;
    X509_VERIFY_PARAM_set_hostflags(parameters,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set_tlsext_host_name(ssl, host) == 1 &&
           X509_VERIFY_PARAM_set1_host(parameters, host, 0) == 1;
}

static gboolean
tls_failed(ImapStream *stream, GError **error)
{
    long verdict = SSL_get_verify_result(stream->ssl);
    g_autofree char *who = g_strdup_printf("TLS with %s failed", stream->host);
    if (verdict != X509_V_OK) {
        ERR_clear_error();
        return fail(error, who, X509_verify_cert_error_string(verdict));
    }
    return fail(error, who, openssl_reason());
}

/* ---- the wire ---- */

static void flush(ImapStream *stream);

static gboolean
on_writable(gint fd, GIOCondition condition, gpointer data)
{
    ImapStream *stream = data;
    (void)fd;
    (void)condition;
    g_clear_pointer(&stream->writable, g_source_unref);
    flush(stream);
    return G_SOURCE_REMOVE;
}

static GSource *
watch_socket(ImapStream *stream, GIOCondition condition, GUnixFDSourceFunc func)
{
    GSource *source =
        g_unix_fd_source_new(g_socket_get_fd(stream->socket), condition);
    g_source_set_callback(source, G_SOURCE_FUNC(func), stream, NULL);
    g_source_attach(source, g_main_context_get_thread_default());
    return source;
}

static void
flush(ImapStream *stream)
{
    int fd = g_socket_get_fd(stream->socket);

    while (stream->out_sent < stream->out->len && stream->failure == NULL) {
        ssize_t n = send(fd, stream->out->data + stream->out_sent,
                         stream->out->len - stream->out_sent, MSG_NOSIGNAL);
        if (n >= 0) {
            stream->out_sent += (gsize)n;
            stream->octets_out += (guint64)n;
        } else if (errno == EAGAIN) {
            if (stream->writable == NULL)
                stream->writable = watch_socket(stream, G_IO_OUT, on_writable);
            return;
        } else if (errno != EINTR) {
            g_set_error(&stream->failure, IMAPFS_ERROR, IMAPFS_ERROR_OFFLINE,
                        "the connection broke: %s", g_strerror(errno));
        }
    }
    g_byte_array_set_size(stream->out, 0);
    stream->out_sent = 0;
}

static void
send_wire(ImapStream *stream, const void *data, gsize length)
{
    g_byte_array_append(stream->out, data, (guint)length);
    flush(stream);
}

/* As imap_stream_read(), of what comes off the socket. */
static gssize
receive_wire(ImapStream *stream, void *buffer, gsize size, GError **error)
{
    int fd = g_socket_get_fd(stream->socket);
    static const int on = 1;
    ssize_t n;

    do
        n = recv(fd, buffer, size, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0) {
        g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_OFFLINE,
                    "the server closed the connection%s%s", n < 0 ? ": " : "",
                    n < 0 ? g_strerror(errno) : "");
        return -1;
    }
    /* Some servers wait for the acknowledgement of one chunk before they send
     * the next: delayed ones would cost 40 ms each. */
    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
    stream->octets_in += (guint64)n;
    return n;
}

static void
send_tls_output(ImapStream *stream)
{
    guchar buffer[16 << 10];
    int n;
    while ((n = BIO_read(stream->to_wire, buffer, sizeof buffer)) > 0)
        send_wire(stream, buffer, (gsize)n);
}

static gboolean
write_tls(ImapStream *stream, const void *data, gsize length, GError **error)
{
    if (!SSL_is_init_finished(stream->ssl)) {
        g_byte_array_append(stream->early, data, (guint)length);
        return TRUE;
    }
    if (length > 0 && SSL_write(stream->ssl, data, (int)length) <= 0)
        return tls_failed(stream, error);
    send_tls_output(stream);
    return TRUE;
}

static gboolean
handshake(ImapStream *stream, GError **error)
{
    int result = SSL_do_handshake(stream->ssl);
    gboolean wants_more = result != 1 && SSL_get_error(stream->ssl, result) ==
                                             SSL_ERROR_WANT_READ;

    send_tls_output(stream);
    if (result != 1)
        return wants_more || tls_failed(stream, error);
    return write_tls(stream, stream->early->data, stream->early->len, error);
}

/* As imap_stream_read(), behind TLS if there is any. */
static gssize
receive(ImapStream *stream, void *buffer, gsize size, GError **error)
{
    if (stream->ssl == NULL)
        return receive_wire(stream, buffer, size, error);
    for (;;) {
        guchar wire[WIRE_BUFFER];
        gssize n;

        if (SSL_is_init_finished(stream->ssl)) {
            int got = SSL_read(stream->ssl, buffer, (int)size);
            int why =
                got > 0 ? SSL_ERROR_NONE : SSL_get_error(stream->ssl, got);
            send_tls_output(stream); /* key updates */
            if (got > 0)
                return got;
            if (why == SSL_ERROR_ZERO_RETURN) {
                g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_OFFLINE,
                            "the server closed the connection");
                return -1;
            }
            if (why != SSL_ERROR_WANT_READ) {
                tls_failed(stream, error);
                return -1;
            }
        }
        n = receive_wire(stream, wire, sizeof wire, error);
        if (n <= 0)
            return n;
        BIO_write(stream->in, wire, (int)n);
        if (!SSL_is_init_finished(stream->ssl) && !handshake(stream, error))
            return -1;
    }
}

/* ---- deflate ---- */

static gssize
receive_inflated(ImapStream *stream, void *buffer, gsize size, GError **error)
{
    z_stream *z = stream->inflate;
    gsize got;

    z->next_out = buffer;
    z->avail_out = (uInt)size;
    do {
        int result;
        if (z->avail_in == 0 && !stream->inflate_full) {
            gssize n = receive(stream, stream->packed, WIRE_BUFFER, error);
            if (n <= 0)
                return n;
            z->next_in = stream->packed;
            z->avail_in = (uInt)n;
        }
        result = inflate(z, Z_SYNC_FLUSH);
        if (result != Z_OK && result != Z_BUF_ERROR) {
            fail(error, "the compressed stream is damaged",
                 z->msg ? z->msg : "it ended");
            return -1;
        }
        got = size - z->avail_out;
        stream->inflate_full = z->avail_out == 0;
    } while (got == 0);
    return (gssize)got;
}

static void
write_deflated(ImapStream *stream, const void *data, gsize length,
               GError **error)
{
    z_stream *z = stream->deflate;
    guchar buffer[4096];

    z->next_in = (Bytef *)data;
    z->avail_in = (uInt)length;
    do {
        gsize n;
        z->next_out = buffer;
        z->avail_out = sizeof buffer;
        deflate(z, Z_SYNC_FLUSH);
        n = sizeof buffer - z->avail_out;
        if (stream->ssl == NULL)
            send_wire(stream, buffer, n);
        else if (!write_tls(stream, buffer, n, error))
            return;
    } while (z->avail_out == 0);
}

/* ---- the stream ---- */

static gboolean
on_readable(gint fd, GIOCondition condition, gpointer data)
{
    ImapStream *stream = data;
    (void)fd;
    (void)condition;
    stream->ready(stream->data);
    return G_SOURCE_CONTINUE;
}

ImapStream *
imap_stream_new(GSocket *socket)
{
    ImapStream *stream = g_new0(ImapStream, 1);
    static const int on = 1;

    stream->socket = socket;
    stream->out = g_byte_array_new();
    stream->early = g_byte_array_new();
    g_socket_set_blocking(socket, FALSE);
    setsockopt(g_socket_get_fd(socket), IPPROTO_TCP, TCP_NODELAY, &on,
               sizeof on);
    return stream;
}

static void
drop_source(GSource **source)
{
    if (*source != NULL) {
        g_source_destroy(*source);
        g_clear_pointer(source, g_source_unref);
    }
}

void
imap_stream_free(ImapStream *stream)
{
    drop_source(&stream->readable);
    drop_source(&stream->writable);
    if (stream->inflate != NULL) {
        inflateEnd(stream->inflate);
        deflateEnd(stream->deflate);
    }
    g_free(stream->inflate);
    g_free(stream->deflate);
    g_free(stream->packed);
    SSL_free(stream->ssl); /* and both BIOs */
    g_socket_close(stream->socket, NULL);
    g_object_unref(stream->socket);
    g_byte_array_unref(stream->out);
    g_byte_array_unref(stream->early);
    g_clear_error(&stream->failure);
    g_free(stream->host);
    g_free(stream);
}

void
imap_stream_watch(ImapStream *stream, ImapStreamFunc ready, gpointer data)
{
    stream->ready = ready;
    stream->data = data;
    if (stream->readable == NULL)
        stream->readable = watch_socket(stream, G_IO_IN, on_readable);
}

gssize
imap_stream_read(ImapStream *stream, void *buffer, gsize size, GError **error)
{
    if (stream->failure != NULL) {
        g_propagate_error(error, g_steal_pointer(&stream->failure));
        return -1;
    }
    if (stream->inflate != NULL)
        return receive_inflated(stream, buffer, size, error);
    return receive(stream, buffer, size, error);
}

void
imap_stream_write(ImapStream *stream, const void *data, gsize length)
{
    if (stream->failure != NULL)
        return;
    if (stream->deflate != NULL)
        write_deflated(stream, data, length, &stream->failure);
    else if (stream->ssl != NULL)
        write_tls(stream, data, length, &stream->failure);
    else
        send_wire(stream, data, length);
}

gboolean
imap_stream_start_tls(ImapStream *stream, ImapTls *tls, const char *host,
                      GError **error)
{
    stream->host = g_strdup(host);
    stream->ssl = SSL_new(tls->context);
    stream->in = BIO_new(BIO_s_mem());
    stream->to_wire = BIO_new(BIO_s_mem());
    SSL_set_bio(stream->ssl, stream->in, stream->to_wire);
    SSL_set_connect_state(stream->ssl);
    if (!name_server(stream->ssl, host))
        return fail(error, host, "this cannot be the name of a server");
    return handshake(stream, error);
}

gboolean
imap_stream_is_tls(const ImapStream *stream)
{
    return stream->ssl != NULL;
}

gboolean
imap_stream_start_deflate(ImapStream *stream, const void *behind, gsize n,
                          GError **error)
{
    stream->inflate = g_new0(z_stream, 1);
    stream->deflate = g_new0(z_stream, 1);
    stream->packed = g_malloc(MAX(n, WIRE_BUFFER));
    memcpy(stream->packed, behind, n);
    /* Negative window bits: no zlib header (RFC 4978). */
    if (inflateInit2(stream->inflate, -15) != Z_OK ||
        deflateInit2(stream->deflate, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return fail(error, "COMPRESS", "zlib could not be started");
    stream->inflate->next_in = stream->packed;
    stream->inflate->avail_in = (uInt)n;
    return TRUE;
}

guint64
imap_stream_octets_in(const ImapStream *stream)
{
    return stream->octets_in;
}

guint64
imap_stream_octets_out(const ImapStream *stream)
{
    return stream->octets_out;
}

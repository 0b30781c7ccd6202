/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Octets to and from a server over a connected socket, through TLS and
 * deflate once these are started.  Nothing here blocks.  This module and its
 * like in no other place know OpenSSL and zlib.
 */
#ifndef IMAPFS_IMAP_STREAM_H
#define IMAPFS_IMAP_STREAM_H

#include <gio/gio.h>

/* How every connection of an account proves who the server is. */
typedef struct ImapTls ImapTls;

/*
 * CA_FILE holds the only authorities that are trusted, NULL means those of
 * the system.  TLS 1.2 or later, chain and name always verified.
 */
ImapTls *imap_tls_new(const char *ca_file, GError **error);
void imap_tls_free(ImapTls *tls);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapTls, imap_tls_free)

typedef struct ImapStream ImapStream;
typedef void (*ImapStreamFunc)(gpointer data);

/* Takes SOCKET, which is connected.  READY is called, from the main loop, when
 * imap_stream_read() has something to tell. */
ImapStream *imap_stream_new(GSocket *socket);
void imap_stream_free(ImapStream *stream);
void imap_stream_watch(ImapStream *stream, ImapStreamFunc ready, gpointer data);

/*
 * Returns the number of octets put into BUFFER, 0 when there are none now, or
 * -1 with an error when the connection has ended.
 */
gssize imap_stream_read(ImapStream *stream, void *buffer, gsize size,
                        GError **error);
/* Queues; an error is told by the next imap_stream_read(). */
void imap_stream_write(ImapStream *stream, const void *data, gsize length);

/*
 * From here on all is TLS with a server that must prove to be HOST.  Whoever
 * starts it must hold no octets that were read before: they would be plaintext
 * passed off as part of the secured conversation.
 */
gboolean imap_stream_start_tls(ImapStream *stream, ImapTls *tls,
                               const char *host, GError **error);
gboolean imap_stream_is_tls(const ImapStream *stream);
/* From here on all is compressed (RFC 4978), the N octets at BEHIND that were
 * read already first. */
gboolean imap_stream_start_deflate(ImapStream *stream, const void *behind,
                                   gsize n, GError **error);

/* Octets on the wire. */
guint64 imap_stream_octets_in(const ImapStream *stream);
guint64 imap_stream_octets_out(const ImapStream *stream);

#endif

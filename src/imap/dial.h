/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How a connection is made.  A value, so that a test can put its own server at
 * the other end.
 */
#ifndef IMAPFS_IMAP_DIAL_H
#define IMAPFS_IMAP_DIAL_H

#include "imap/stream.h"

/* Takes STREAM, or borrows ERROR. */
typedef void (*ImapDialed)(ImapStream *stream, const GError *error,
                           gpointer data);

typedef struct {
    /* Calls DONE once, later, unless CANCELLABLE says otherwise. */
    void (*dial)(gpointer dialer, GCancellable *cancellable, ImapDialed done,
                 gpointer data);
    gpointer dialer;
} ImapDialer;

/* What ImapDialer.dialer points to with imap_dial_tcp(). */
typedef struct {
    const char *host;
    guint16 port;
    guint timeout; /* seconds */
} ImapAddress;

/* IPv4 and IPv6, whichever answers first. */
void imap_dial_tcp(gpointer address, GCancellable *cancellable, ImapDialed done,
                   gpointer data);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a mount does for who asks at its control socket (control.h):
 *
 *     about           "mountpoint: " and "account: ", each a line, escaped as
 * in C so that it is one status          lines for people refresh PATH    ends
 * when it has been asked for anew, see refresh.h sync [PATH...]  fetches
 * mailboxes, see transfer.h.  Lines are "progress" and four numbers: messages
 * done, messages, octets done, octets
 *
 * A path is one below the mountpoint.
 */
#ifndef IMAPFS_SERVICE_H
#define IMAPFS_SERVICE_H

#include "client.h"
#include "fs/ops.h"

typedef struct Service Service;

/* CLIENT and OPS outlive it. */
Service *service_new(const Client *client, const FsOps *ops, GError **error);
void service_free(Service *service);

#endif

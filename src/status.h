/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a mount does at the moment, for people and for programs. */
#ifndef IMAPFS_STATUS_H
#define IMAPFS_STATUS_H

#include "client.h"
#include "fs/ops.h"

/* WAITING requests wait for the server.  Lines of text; the caller owns it. */
char *status_text(const Client *client, const FsOps *ops);
/* The same as one JSON object. */
char *status_json(const Client *client, const FsOps *ops);

#endif

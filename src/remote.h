/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The other end of a control socket (control.h), for programs that have
 * nothing else to do: every call blocks.
 */
#ifndef IMAPFS_REMOTE_H
#define IMAPFS_REMOTE_H

#include <glib.h>
#include <sys/types.h>

typedef struct Remote Remote;

/* The mount at MOUNTPOINT.  Fails with OFFLINE when nobody answers. */
Remote *remote_open(const char *mountpoint, GError **error);
/* All mounts of this user that answer, by mountpoint.  The caller owns it. */
GPtrArray *remote_open_all(void);
/* ... the one of ACCOUNT (options.h), or NULL. */
Remote *remote_open_account(const char *account);
void remote_free(Remote *remote);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Remote, remote_free)

const char *remote_mountpoint(const Remote *remote);
/* The daemon's process. */
pid_t remote_pid(const Remote *remote);

/* A line of an answer. */
typedef void (*RemoteLine)(const char *line, gpointer data);
/*
 * Asks NAME with WORDS, ended by NULL, and calls FUNC with each line.  Fails
 * as the mount says, or with OFFLINE when it has gone.
 */
gboolean remote_ask(Remote *remote, const char *name, const char *const *words,
                    RemoteLine func, gpointer data, GError **error);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One mailbox, or the list of all of them, asked for anew, and the wait for
 * the answer.
 */
#ifndef IMAPFS_REFRESH_H
#define IMAPFS_REFRESH_H

#include "mail/account.h"

typedef struct Refresh Refresh;

/* ERROR is NULL when what is known is what the server has just said. */
typedef void (*RefreshDone)(const GError *error, gpointer data);

/*
 * PATH is that of a mailbox below the mountpoint, "" for the list.  One that is
 * not known is looked for in a new list first.  PATIENCE, in microseconds, is
 * how long the server may be silent.  DONE is called once, from the loop;
 * freeing the refresh in it, or before, is the caller's.
 */
Refresh *refresh_new(MailAccount *account, Clock *clock, const char *path,
                     gint64 patience, RefreshDone done, gpointer data);
void refresh_free(Refresh *refresh);

/* The mailbox at PATH; NULL when there is none.  "" is the root. */
MailMailbox *refresh_find(MailAccount *account, const char *path);

#endif

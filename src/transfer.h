/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whole mailboxes, fetched for use offline.  What is there already is not
 * fetched again, so a transfer that was broken off goes on where it was.
 */
#ifndef IMAPFS_TRANSFER_H
#define IMAPFS_TRANSFER_H

#include "mail/account.h"

typedef struct Transfer Transfer;

typedef struct {
    /* Some times a second, and once at the end. */
    void (*progress)(const MailProgress *progress, gpointer data);
    /* Once, from the loop; ERROR is NULL when all is there. */
    void (*done)(const GError *error, gpointer data);
} TransferEvents;

/*
 * PATHS are those of mailboxes below the mountpoint; all that there are, if it
 * names none.  Fails with NOT_FOUND, before anything is fetched.
 */
Transfer *transfer_new(MailAccount *account, Clock *clock,
                       const char *const *paths, const TransferEvents *events,
                       gpointer data, GError **error);
void transfer_free(Transfer *transfer);

#endif

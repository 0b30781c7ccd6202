/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An account in a program: the loop, the login, what is kept on disk, and the
 * model, put together.  A mount has one, and so have the commands that connect
 * by themselves.
 *
 * Made in the process that stays: it may start threads.  Read its fields; only
 * client.c writes them.
 */
#ifndef IMAPFS_CLIENT_H
#define IMAPFS_CLIENT_H

#include "imap/dial.h"
#include "mail/account.h"
#include "options.h"

typedef struct {
    const Options *options;
    GMainLoop *loop;
    Clock *clock;
    gint64 started; /* by the clock */
    ImapLogin login;
    ImapAddress address;
    char *directory;     /* of the store */
    char *state;         /* the directory of what must not be lost */
    MailStore *store;    /* or NULL */
    char *store_trouble; /* why there is none, though one was wanted */
    MailAccount *account;

    /* private */
    MailWaiter first_look; /* at the list of mailboxes */
    guint timer;
    gint64 deadline;
    GError *failure;
} Client;

/*
 * Takes PASSWORD, and OPTIONS outlives it.  STORE: open what is kept on disk,
 * as OPTIONS say; if that fails the client works without, but see
 * store_trouble.
 */
Client *client_new(const Options *options, char *password, gboolean store,
                   GError **error);
/*
 * Logs in and lists the mailboxes; runs the loop for that.  If they are known
 * from disk, a server that is out of reach is no failure, but *RET_NOTICE says
 * so in a line that the caller owns; it is NULL when all is well.
 */
gboolean client_connect(Client *client, char **ret_notice, GError **error);
void client_log_out(Client *client);
/* The account is no more; whoever it has called is not called again. */
void client_close(Client *client);
void client_free(Client *client);

/* Where the store is; the caller owns it. */
char *client_store_directory(const Options *options);

#endif

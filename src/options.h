/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the user asked for: the command line, and the account's group in the
 * configuration file.  Both spell an option the same way.
 */
#ifndef IMAPFS_OPTIONS_H
#define IMAPFS_OPTIONS_H

#include "fs/names.h"
#include "imap/session.h"

typedef enum {
    COMMAND_MOUNT, /* SOURCE MOUNTPOINT, without a word for it */
    COMMAND_STATUS,
    COMMAND_REFRESH,
    COMMAND_SYNC,
    COMMAND_UMOUNT,
    COMMAND_CHECK,
} Command;

typedef struct {
    Command command;
    char **words; /* what follows the command's name, with NULL at the end */
    gboolean watch;
    char **lists; /* what was given as -o; for options_take_source() */
    gboolean foreground;
    gboolean debug;
    gboolean fake;    /* check everything, mount nothing */
    gboolean version; /* only say which; nothing below is set */
    char *mountpoint; /* of COMMAND_MOUNT */
    /* From here on what COMMAND_MOUNT and options_take_source() set. */
    char *host;
    guint16 port;
    ImapSecurity security;
    char *user;
    char *password_command;
    char *password_file;
    char *tls_ca;
    guint connections;
    guint timeout; /* seconds */
    FsNaming naming;
    gboolean views;      /* listed, too */
    guint64 cache_size;  /* octets of messages on disk; 0: no store at all */
    gboolean offline;    /* never connect */
    char *mount_options; /* for libfuse, separated by commas */
} Options;

/* Fails with USAGE.  --help prints and ends the program. */
Options *options_parse(int *argc, char ***argv, GError **error);
/*
 * SOURCE, a URL or an account of the configuration file, and what -o says.
 * For a command that takes one: it knows which of its words that is.
 */
gboolean options_take_source(Options *options, const char *source,
                             GError **error);
/* user@host:port, which tells accounts apart; the caller owns it. */
char *options_account(const Options *options);
/* The same as one component of a path, of at most 255 octets. */
char *options_account_file(const Options *options);
void options_free(Options *options);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Options, options_free)

#endif

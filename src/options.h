/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the user asked for: the command line, and the account's group in the
 * configuration file.  Both spell an option the same way.
 */
#ifndef IMAPFS_OPTIONS_H
#define IMAPFS_OPTIONS_H

#include "fs/names.h"
#include "imap/session.h"

typedef struct {
    gboolean foreground;
    gboolean debug;
    gboolean fake;    /* check everything, mount nothing */
    gboolean version; /* only say which; nothing below is set */
    char *mountpoint;
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
    char *mount_options; /* for libfuse, separated by commas */
} Options;

/* Fails with USAGE.  --help prints and ends the program. */
Options *options_parse(int *argc, char ***argv, GError **error);
void options_free(Options *options);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Options, options_free)

#endif

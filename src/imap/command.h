/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A command being written (RFC 9051, 2.2.1), without its tag.  Secrets are
 * marked where they are put in, so that a trace never shows one.
 */
#ifndef IMAPFS_IMAP_COMMAND_H
#define IMAPFS_IMAP_COMMAND_H

#include <glib.h>

typedef struct ImapCommand ImapCommand;

ImapCommand *imap_command_new(const char *format, ...) G_GNUC_PRINTF(1, 2);
void imap_command_free(ImapCommand *command);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapCommand, imap_command_free)

void imap_command_add(ImapCommand *command, const char *format, ...)
    G_GNUC_PRINTF(2, 3);
/* Quoted if that can carry it, else a literal. */
void imap_command_add_string(ImapCommand *command, const char *string);
void imap_command_add_secret(ImapCommand *command, const char *secret);
/* Text that is a secret as it stands, such as an initial response. */
void imap_command_add_secret_text(ImapCommand *command, const char *text);

/* The server must ask for what follows (RFC 9051, 6.2.2). */
void imap_command_add_continuation(ImapCommand *command);

/*
 * The octets to send, in pieces: before each but the first the server must
 * have sent a continuation.  TRACE is the piece as it may be logged.
 */
guint imap_command_n_pieces(const ImapCommand *command);
const GString *imap_command_piece(const ImapCommand *command, guint i);
const char *imap_command_trace(const ImapCommand *command, guint i);

#endif

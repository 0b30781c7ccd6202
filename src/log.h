/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where messages go: to stderr or to syslog(3), and the last thousand of them
 * to memory.  Secrets never get here, see imap/command.h; other text of
 * servers may, so control characters are made harmless.
 */
#ifndef IMAPFS_LOG_H
#define IMAPFS_LOG_H

#include <glib.h>

typedef enum {
    LOG_TO_MEMORY, /* only */
    LOG_TO_STDERR,
    LOG_TO_SYSLOG,
} LogPlace;

/* Once in a program.  DEBUG: with our own debugging messages. */
void log_begin(LogPlace place, gboolean debug);
/* The last lines, each with its time.  The caller owns the result. */
char *log_text(void);

#endif

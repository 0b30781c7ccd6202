/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How far a transfer is, for whoever waits for it. */
#ifndef IMAPFS_PROGRESS_H
#define IMAPFS_PROGRESS_H

#include "mail/account.h"

typedef struct {
    gboolean terminal; /* one line that changes, else lines, not too many */
    gint64 begun;      /* microseconds, g_get_monotonic_time() */
    gint64 shown;      /* when */
    guint64 messages;  /* done, as shown */
    guint64 octets;
    guint64 octets_begun; /* that were there before */
    gboolean running;
} Progress;

/* On stdout. */
void progress_begin(Progress *progress);
void progress_show(Progress *progress, const MailProgress *state);
/* After this other text may follow; STATE is the last one. */
void progress_end(Progress *progress, const MailProgress *state);

/*
 * "[####......]  12 of 30 messages, 1.2 of 3.0 MB, 0.4 MB/s", the bar with
 * WIDTH characters, none if that is 0.  RATE is octets a second, 0 for unknown.
 * The caller owns it.
 */
char *progress_text(const MailProgress *state, guint64 rate, guint width);

#endif

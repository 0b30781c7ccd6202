/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where operations wait for wants.  One that is woken is resumed from the main
 * loop, to ask again from its first line; one whose deadline passes or that is
 * interrupted is resumed with an error.  Knows nothing of FUSE.
 */
#ifndef IMAPFS_FS_PARK_H
#define IMAPFS_FS_PARK_H

#include "mail/account.h"

typedef struct FsPark FsPark;
typedef struct FsParked FsParked;

/* Embedded in an operation. */
struct FsParked {
    /* May park again, or end.  ERROR is borrowed. */
    void (*resume)(FsParked *parked, const GError *error);
    /* The rest belongs to the park. */
    FsPark *park;
    MailWaiter waiter;
    guint timer; /* runs from the first time it is parked */
    GError *error;
    GList ready;
    gboolean is_ready;
};

/* An operation waits at most TIMEOUT microseconds, all in all. */
FsPark *fs_park_new(MailAccount *account, Clock *clock, gint64 timeout);
void fs_park_free(FsPark *park);

void fs_park_wait(FsPark *park, FsParked *parked, MailWant *want);
/* Resumes it, soon, with CANCELLED. */
void fs_park_interrupt(FsParked *parked);
/* It has ended: nothing of it is left here.  Harmless if it never waited. */
void fs_park_leave(FsParked *parked);
guint fs_park_count(const FsPark *park);
/* Resumes all with ERROR, now. */
void fs_park_evict(FsPark *park, const GError *error);

#endif

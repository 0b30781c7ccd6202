/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A set of UIDs, as ranges: what a server tells it as, never expanded, so that
 * "1:4294967295" takes no room.
 */
#ifndef IMAPFS_MAIL_UIDS_H
#define IMAPFS_MAIL_UIDS_H

#include "mail/mailbox.h"

typedef struct MailUids MailUids;

typedef struct {
    guint32 first, last;
} MailUidRange;

/* Of two guint32, for sorting. */
int mail_uids_compare(gconstpointer a, gconstpointer b);

MailUids *mail_uids_new(void);
void mail_uids_free(MailUids *uids);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MailUids, mail_uids_free)

/* Adds the ranges of SET, a uid-set, until there are MAX. */
void mail_uids_add(MailUids *uids, ImapSlice set, guint max);
/* All have been added: from now on ranges ascend, and there is a gap between
 * any two.  The following hold after that. */
void mail_uids_close(MailUids *uids);

guint64 mail_uids_count(const MailUids *uids);
guint mail_uids_n_ranges(const MailUids *uids);
const MailUidRange *mail_uids_range(const MailUids *uids, guint i);
/* The index of the first range that does not end before UID. */
guint mail_uids_seek(const MailUids *uids, guint32 uid);
/* The largest; 0 when there is none. */
guint32 mail_uids_last(const MailUids *uids);
/* Removes ranges in which MAILBOX, all of which is known, has no message, but
 * for those that go beyond its last: what is there may not be known yet. */
void mail_uids_prune(MailUids *uids, const MailMailbox *mailbox);

#endif

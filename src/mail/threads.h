/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Conversations: the algorithm REFERENCES (RFC 5256, 3) without its tree; which
 * messages belong together is all that is needed.
 *
 * Messages belong together when one refers to the other, or both to a third, be
 * it here or not.  Subjects are considered as little as is useful (step 5): an
 * answer that refers to nothing belongs to the messages with the same base
 * subject, "Re:" and the like taken off; no two others are joined by theirs.
 */
#ifndef IMAPFS_MAIL_THREADS_H
#define IMAPFS_MAIL_THREADS_H

#include <glib.h>

typedef struct MailThreads MailThreads;

MailThreads *mail_threads_new(void);
void mail_threads_free(MailThreads *threads);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MailThreads, mail_threads_free)

/* HEADER has Message-ID, In-Reply-To, References and Subject, if it has any.
 * The same message may be added again. */
void mail_threads_add(MailThreads *threads, guint32 uid, const char *header,
                      gsize length);
/* A thread as the server tells it (RFC 5256, 5): these belong together. */
void mail_threads_add_group(MailThreads *threads, const guint32 *uids, guint n);

typedef gboolean (*MailThreadsFilter)(guint32 uid, gpointer data);

/* What was added can be asked for from now on, but for what KEEP returns FALSE
 * of.  More may be added, and then this be called again. */
void mail_threads_close(MailThreads *threads, MailThreadsFilter keep,
                        gpointer data);

/* The thread with the lowest first UID of FROM or above; NULL when there is
 * none.  UIDs ascend.  Good until THREADS changes. */
const guint32 *mail_threads_next(const MailThreads *threads, guint32 from,
                                 guint *ret_n);
/* The same, with exactly that first UID. */
const guint32 *mail_threads_get(const MailThreads *threads, guint32 first,
                                guint *ret_n);

#endif

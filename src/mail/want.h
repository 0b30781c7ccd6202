/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Wants: the one meeting point of those who ask and those who fetch.
 *
 * A question that the model cannot answer faults: it names a want, and whoever
 * asked waits on it and asks again when it is woken.  Two that miss the same
 * thing share one want.  A want without a waiter is a prefetch.  Nobody holds
 * a pointer into the model while waiting.
 */
#ifndef IMAPFS_MAIL_WANT_H
#define IMAPFS_MAIL_WANT_H

#include <glib.h>

typedef enum {
    MAIL_WANT_MAILBOXES, /* the list of mailboxes */
    MAIL_WANT_LISTING,   /* the messages of a mailbox, as they come */
    MAIL_WANT_RANGE,     /* octets of a section of a message */
    MAIL_WANT_SEARCH,    /* which messages a search finds */
    MAIL_WANT_THREADS,   /* which messages belong together */
} MailWantKind;

typedef enum {
    MAIL_WANT_PENDING, /* no command for it is in flight */
    MAIL_WANT_SENT,
    MAIL_WANT_OVER, /* filled, failed or dropped */
} MailWantState;

#define MAIL_WANT_ALL G_MAXUINT64

typedef struct MailWant MailWant;
typedef struct MailWaiter MailWaiter;

/*
 * Embedded in whatever waits.  WAKE is called once for each mail_want_wait(),
 * when it may be worth to ask again (ERROR is NULL) or when the want has
 * failed.  It is called from inside the model: ask again later, not there.
 */
struct MailWaiter {
    void (*wake)(MailWaiter *waiter, const GError *error);
    MailWant *want; /* NULL when not waiting */
    GList link;
};

struct MailWant {
    MailWantKind kind;
    MailWantState state;
    guint references;
    guint16 mailbox;  /* its id */
    guint32 uid;      /* of a SEARCH: its number */
    char *section;    /* of a RANGE, as in BODY[section]; owned */
    guint64 offset;   /* of a RANGE, in octets */
    guint64 length;   /* MAIL_WANT_ALL: whatever there is; offset is 0 then */
    guint64 expected; /* octets that will come, about */
    guint tries;      /* connections lost under it */
    gboolean ahead;   /* nobody has waited for it */
    GQueue waiters;   /* of MailWaiter.link */
};

MailWant *mail_want_new(MailWantKind kind, guint16 mailbox);
MailWant *mail_want_ref(MailWant *want);
void mail_want_unref(MailWant *want);

void mail_want_wait(MailWant *want, MailWaiter *waiter);
/* WAITER waits no more; it may be called when it does not. */
void mail_waiter_leave(MailWaiter *waiter);
/* Wakes all who wait: filled, or got on. */
void mail_want_wake(MailWant *want, const GError *error);

/*
 * How a question faults: when it returns FALSE, exactly one of the two is set.
 * Nothing is owned but ERROR; WANT is good until control returns to the loop.
 */
typedef struct {
    MailWant *want;
    GError *error;
} MailFault;

/* Both return FALSE. */
gboolean mail_fault_want(MailFault *fault, MailWant *want);
gboolean mail_fault_error(MailFault *fault, int code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

#endif

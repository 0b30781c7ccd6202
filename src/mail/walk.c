/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who reads one message of a directory after the other will read the next ones,
 * too: these are asked for in batches, so that grep -r on a far server costs
 * bandwidth and not round trips.  The order is that of the mailbox, or that of
 * the view of it that was listed last.
 */
#include "mail/octets.h"

enum {
    WINDOW = 32, /* messages fetched ahead of the first repeat */
    WINDOW_MAX = 1024,
    OCTETS_MAX = 4 << 20,
    GAP = 3, /* messages a walk may skip */
};

typedef struct {
    guint16 mailbox;
    guint32 uid;
    guint run;
    guint32 ahead;    /* fetched, or asked for, up to this UID */
    guint32 again;    /* a long walk asks for more at this UID */
    gboolean in_view; /* it goes along the view's order */
} Walk;

struct MailWalks {
    Walk walks[MAIL_N_WALKS];
    guint16 view;  /* the mailbox of the view that was listed last */
    GArray *order; /* the UIDs in it */
};

/* Asks for what a walk needs of a message that is not here.  Returns how many
 * octets it has, about; 0 when it is none of those that are fetched ahead. */
typedef guint64 (*AskFunc)(MailAccount *account, MailMailbox *mailbox,
                           MailMessage *message);
static const AskFunc ask_for[MAIL_N_WALKS] = {
    [MAIL_WALK_MESSAGES] = mail_reading_ask,
    [MAIL_WALK_TEXTS] = mail_views_ask_text,
};

MailWalks *
mail_walks_new(void)
{
    MailWalks *walks = g_new0(MailWalks, 1);
    walks->order = g_array_new(FALSE, FALSE, sizeof(guint32));
    return walks;
}

void
mail_walks_free(MailWalks *walks)
{
    g_array_unref(walks->order);
    g_free(walks);
}

void
mail_walk_set_order(MailAccount *account, const MailMailbox *mailbox,
                    const guint32 *uids, guint n)
{
    MailWalks *walks = account->walks;
    walks->view = mailbox->id;
    g_array_set_size(walks->order, 0);
    g_array_append_vals(walks->order, uids, n);
}

/* The index of the first in the view whose UID is UID or larger. */
static guint
seek(const GArray *order, guint32 uid)
{
    guint low = 0;
    guint high = order->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;
        if (g_array_index(order, guint32, middle) < uid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* A step from one index to another goes on with a walk. */
static gboolean
is_step(guint from, guint to)
{
    return to > from && to <= from + GAP;
}

/* Whether UID is the next in the view after WALK's, or its first. */
static gboolean
is_in_view(const MailWalks *walks, const Walk *walk, guint16 mailbox,
           guint32 uid, gboolean *ret_first)
{
    guint here = seek(walks->order, uid);

    if (walks->view != mailbox || here == walks->order->len ||
        g_array_index(walks->order, guint32, here) != uid)
        return FALSE;
    *ret_first = here == 0;
    return *ret_first || (walk->mailbox == mailbox &&
                          is_step(seek(walks->order, walk->uid), here));
}

/* The I-th message behind WALK's; NULL when there is none. */
static MailMessage *
message_behind(const MailWalks *walks, const Walk *walk, MailMailbox *mailbox,
               guint i)
{
    guint at;

    if (walk->in_view) {
        at = seek(walks->order, walk->uid) + 1 + i;
        return at < walks->order->len
                   ? mail_mailbox_find(mailbox,
                                       g_array_index(walks->order, guint32, at))
                   : NULL;
    }
    at = mail_mailbox_seek(mailbox, walk->uid) + 1 + i;
    return at < mail_mailbox_count(mailbox) ? mail_mailbox_at(mailbox, at)
                                            : NULL;
}

static void
go_ahead(MailAccount *account, MailWalkKind kind, MailMailbox *mailbox)
{
    Walk *walk = &account->walks->walks[kind];
    guint growth = MIN(2 * (walk->run - 1), 8);
    guint window = MIN((guint)WINDOW << growth, (guint)WINDOW_MAX);
    MailMessage *message;
    guint64 octets = 0;
    guint i;

    /* Not one at a time, since that would be one in a command. */
    if (walk->uid < walk->again)
        return;
    for (i = 0; i < window && octets < OCTETS_MAX; i++) {
        message = message_behind(account->walks, walk, mailbox, i);
        if (message == NULL)
            return;
        octets += message->uid > walk->ahead
                      ? ask_for[kind](account, mailbox, message)
                  : message->size < MAIL_SMALL ? message->size
                                               : 0;
        walk->ahead = MAX(walk->ahead, message->uid);
    }
    if (window == WINDOW_MAX) {
        message = message_behind(account->walks, walk, mailbox, i / 2);
        walk->again = message->uid;
    }
}

void
mail_walk_note(MailAccount *account, MailWalkKind kind, MailMailbox *mailbox,
               guint32 uid)
{
    MailWalks *walks = account->walks;
    Walk *walk = &walks->walks[kind];
    guint here = mail_mailbox_seek(mailbox, uid);
    gboolean first = FALSE;

    if (walk->mailbox == mailbox->id && walk->uid == uid)
        return;
    if (walk->mailbox == mailbox->id && !walk->in_view &&
        is_step(mail_mailbox_seek(mailbox, walk->uid), here)) {
        walk->run++;
    } else if (is_in_view(walks, walk, mailbox->id, uid, &first) && !first) {
        if (!walk->in_view) {
            walk->run = 0;
            walk->again = uid;
        }
        walk->run++;
        walk->in_view = TRUE;
    } else {
        /* Who begins with the first one is taken to want the next, too. */
        walk->run = here == 0 || first;
        walk->in_view = first;
        walk->ahead = uid;
        walk->again = uid;
    }
    walk->mailbox = mailbox->id;
    walk->uid = uid;
    if (walk->run > 0)
        go_ahead(account, kind, mailbox);
}

gboolean
mail_walk_awaits(const MailAccount *account, MailWalkKind kind,
                 const MailMailbox *mailbox, guint32 uid)
{
    const Walk *walk = &account->walks->walks[kind];
    return walk->mailbox == mailbox->id && walk->run > 0 && uid > walk->uid &&
           uid <= walk->ahead;
}

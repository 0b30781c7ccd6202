/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whole messages: BODY[], and how long it is.
 *
 * On sizes.  A reader in the kernel stops where st_size says, so a size that
 * is too small cuts a message silently.  Most servers' RFC822.SIZE is exact,
 * some servers' is not.  The verdict is learned: each literal that shows where
 * a message ends is a hit or a miss.  Until TRUST_HITS hits, and for good
 * after one miss, a size is not shown to a reader before it is proven: a
 * message that fits in one chunk is fetched, of a longer one the last octet
 * (and what lies behind it).
 */
#include "base/error.h"
#include "mail/octets.h"

enum {
    PROBE = 4 << 10, /* behind the last octet of an unproven size */
    PROBE_LIAR = 1 << 20,
    FETCH_MAX = 1 << 20, /* octets fetched at once for nobody in particular */
    FLOORS_MAX = 256,    /* sizes sought at the same time */
    TRUST_HITS = 20,
};

struct MailReadings {
    GHashTable *floors; /* message -> it is at least so long, being sought */
    guint hits;
    gboolean liar;     /* the server gave a wrong size once */
    gboolean promised; /* sizes are shown before they are proven */
};

MailReadings *
mail_readings_new(void)
{
    MailReadings *readings = g_new0(MailReadings, 1);
    readings->floors =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    return readings;
}

void
mail_readings_free(MailReadings *readings)
{
    g_hash_table_unref(readings->floors);
    g_free(readings);
}

MailSection
mail_section_whole(MailMailbox *mailbox, MailMessage *message)
{
    return (MailSection){mailbox, message, MAIL_WHOLE, message->size};
}

/* How long a message is at least whose end is being sought. */
static guint64 *
floor_of(MailAccount *account, const MailMailbox *mailbox, guint32 uid)
{
    GHashTable *floors = account->readings->floors;
    guint64 id = (guint64)mailbox->id << 32 | uid;
    guint64 *floor = g_hash_table_lookup(floors, &id);

    if (floor == NULL) {
        if (g_hash_table_size(floors) >= FLOORS_MAX)
            g_hash_table_remove_all(floors);
        floor = g_new0(guint64, 1);
        g_hash_table_insert(floors, g_memdup2(&id, sizeof id), floor);
    }
    return floor;
}

/* ---- what the server sent ---- */

static void
save_verdict(MailAccount *account)
{
    if (account->store != NULL)
        mail_store_set_verdict(account->store, "sizes",
                               account->readings->liar ? "wrong" : "right");
}

void
mail_reading_restore(MailAccount *account)
{
    g_autofree char *verdict = mail_store_verdict(account->store, "sizes");

    account->readings->liar = g_strcmp0(verdict, "wrong") == 0;
    if (g_strcmp0(verdict, "right") == 0)
        account->readings->hits = TRUST_HITS;
}

void
mail_reading_resize(MailAccount *account, MailMessage *message, guint64 size)
{
    message->size = size;
    message->resized = TRUE;
    message->renewed |= account->readings->promised;
    message->proven = message->capped = FALSE;
}

static void
learn_size(MailAccount *account, MailMailbox *mailbox, MailMessage *message,
           guint64 size, gboolean exact)
{
    MailReadings *readings = account->readings;
    gboolean was_trusted = mail_account_trusts_sizes(account);
    gboolean changed = size != message->size;

    if (!changed) {
        if (exact && !message->proven) {
            message->proven = TRUE;
            mail_saving_note(account, mailbox, message->uid);
            if (++readings->hits == TRUST_HITS)
                save_verdict(account);
        }
        return;
    }
    if (!readings->liar)
        g_message("UID %u: %" G_GUINT64_FORMAT
                  " octets were announced, %s%" G_GUINT64_FORMAT
                  " came; sizes of this server are checked from now on",
                  message->uid, message->size, exact ? "" : "at least ", size);
    readings->liar = TRUE;
    save_verdict(account);
    mail_saving_note(account, mailbox, message->uid);
    mail_reading_resize(account, message, size);
    message->proven = exact;
    if (account->observer != NULL)
        account->observer->message_changed(mailbox, message,
                                           account->observer_data);
    if (was_trusted) {
        /* A reader that was promised another size must not get half of it. */
        g_autoptr(GError) error = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_FAILED,
                                              "the server gave a wrong size");
        GSList *wants =
            g_slist_copy(mail_range_wants(account, mailbox->id, message->uid));
        for (GSList *at = wants; at != NULL; at = at->next)
            mail_want_wake(at->data, error);
        g_slist_free(wants);
    }
}

void
mail_reading_learn(MailAccount *account, MailMailbox *mailbox,
                   MailMessage *message, guint64 origin, guint64 n,
                   guint64 asked)
{
    guint64 end = origin + n;

    if (n < asked && (n > 0 || (origin == 0 && message->size == 0))) {
        learn_size(account, mailbox, message, end, TRUE);
    } else if (n == 0 && origin > 0 && origin < message->size) {
        /* It ends somewhere before. */
        learn_size(account, mailbox, message, origin, FALSE);
        message->capped = TRUE;
        message->proven = *floor_of(account, mailbox, message->uid) == origin;
    } else if (message->capped && end <= message->size) {
        *floor_of(account, mailbox, message->uid) = end;
        message->proven = end == message->size;
    } else if (end > message->size) {
        learn_size(account, mailbox, message, end, FALSE);
    }
}

/* ---- sizes ---- */

gboolean
mail_account_trusts_sizes(const MailAccount *account)
{
    return !account->readings->liar && account->readings->hits >= TRUST_HITS;
}

void
mail_account_promise_sizes(MailAccount *account)
{
    account->readings->promised = TRUE;
}

gboolean
mail_account_know_size(MailAccount *account, MailMailbox *mailbox, guint32 uid,
                       MailFault *fault)
{
    MailMessage *message;
    MailSection whole;
    guint64 offset = 0;
    guint64 length = MAIL_SMALL;
    MailWant *want;

    if (!mail_account_know_message(account, mailbox, uid, &message, fault))
        return FALSE;
    if (message->proven || mail_account_trusts_sizes(account))
        return TRUE;
    if (mail_account_offline_fault(account, fault))
        return FALSE;
    if (message->size >= MAIL_SMALL && message->capped) {
        /* Its end is somewhere below: halve what it may be. */
        guint64 floor = *floor_of(account, mailbox, uid);
        offset = floor + (message->size - floor) / 2;
        length = MIN(message->size - offset + 1, PROBE_LIAR);
    } else if (message->size >= MAIL_SMALL) {
        offset = message->size - 1;
        length = account->readings->liar ? PROBE_LIAR : PROBE;
    }
    whole = mail_section_whole(mailbox, message);
    want = mail_range_need(account, &whole, offset, length);
    if (message->size < MAIL_SMALL)
        mail_walk_note(account, MAIL_WALK_MESSAGES, mailbox, uid);
    return mail_fault_want(fault, want);
}

/* ---- reading ---- */

gboolean
mail_account_read(MailAccount *account, MailMailbox *mailbox, guint32 uid,
                  guint64 offset, void *buffer, gsize size, gsize *ret_size,
                  MailFault *fault)
{
    MailMessage *message;
    MailSection whole;
    gboolean here;

    if (!mail_account_know_size(account, mailbox, uid, fault))
        return FALSE;
    message = mail_mailbox_find(mailbox, uid);
    if (offset >= message->size) {
        *ret_size = 0;
        return TRUE;
    }
    whole = mail_section_whole(mailbox, message);
    *ret_size = (gsize)MIN(size, message->size - offset);
    here = mail_range_read(account, &whole, offset, buffer, *ret_size, fault);
    if (offset == 0 && message->size < MAIL_SMALL && fault->error == NULL)
        mail_walk_note(account, MAIL_WALK_MESSAGES, mailbox, uid);
    return here;
}

MailWant *
mail_reading_fetch(MailAccount *account, MailMailbox *mailbox, guint32 uid)
{
    MailMessage *message = mail_mailbox_find(mailbox, uid);
    MailSection whole;
    guint64 have;

    if (message == NULL)
        return NULL;
    whole = mail_section_whole(mailbox, message);
    have = mail_store_extent(account->store, mailbox, message, MAIL_WHOLE, 0);
    if (have >= message->size)
        return NULL;
    if (message->size < MAIL_SMALL)
        return mail_range_need(account, &whole, 0, MAIL_SMALL);
    return mail_range_need(account, &whole, have,
                           MIN(FETCH_MAX, mail_range_end(&whole) - have));
}

guint64
mail_reading_ask(MailAccount *account, MailMailbox *mailbox,
                 MailMessage *message)
{
    MailSection whole = mail_section_whole(mailbox, message);

    if (message->size >= MAIL_SMALL)
        return 0;
    if (!mail_range_is_here(account, &whole, 0))
        mail_range_need(account, &whole, 0, MAIL_SMALL);
    return message->size;
}

void
mail_reading_describe(MailAccount *account, GString *text)
{
    const MailReadings *readings = account->readings;
    g_string_append_printf(text, "sizes: %s\n",
                           readings->liar ? "the server gave a wrong one"
                           : mail_account_trusts_sizes(account)
                               ? "trusted"
                               : "being checked");
    g_string_append_printf(text, "messages in memory: %zu octets\n",
                           mail_ranges_size(account->ranges));
}

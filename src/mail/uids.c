/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/uids.h"

#include "imap/uidset.h"

struct MailUids {
    GArray *ranges; /* of MailUidRange */
};

int
mail_uids_compare(gconstpointer a, gconstpointer b)
{
    guint32 one = *(const guint32 *)a;
    guint32 other = *(const guint32 *)b;
    return one < other ? -1 : one > other;
}

MailUids *
mail_uids_new(void)
{
    MailUids *uids = g_new(MailUids, 1);
    uids->ranges = g_array_new(FALSE, FALSE, sizeof(MailUidRange));
    return uids;
}

void
mail_uids_free(MailUids *uids)
{
    g_array_unref(uids->ranges);
    g_free(uids);
}

void
mail_uids_add(MailUids *uids, ImapSlice set, guint max)
{
    MailUidRange range;

    while (uids->ranges->len < max &&
           imap_uidset_next(&set, &range.first, &range.last))
        g_array_append_val(uids->ranges, range);
}

static MailUidRange *
range_at(const MailUids *uids, guint i)
{
    return &g_array_index(uids->ranges, MailUidRange, i);
}

static int
compare_ranges(gconstpointer a, gconstpointer b)
{
    const MailUidRange *one = a;
    const MailUidRange *other = b;
    return one->first < other->first ? -1 : one->first > other->first;
}

void
mail_uids_close(MailUids *uids)
{
    guint n = 0;

    g_array_sort(uids->ranges, compare_ranges);
    for (guint i = 0; i < uids->ranges->len; i++) {
        MailUidRange range = *range_at(uids, i);
        MailUidRange *last = n > 0 ? range_at(uids, n - 1) : NULL;
        if (last != NULL && (guint64)last->last + 1 >= range.first)
            last->last = MAX(last->last, range.last);
        else
            *range_at(uids, n++) = range;
    }
    g_array_set_size(uids->ranges, n);
}

guint64
mail_uids_count(const MailUids *uids)
{
    guint64 n = 0;
    for (guint i = 0; i < uids->ranges->len; i++)
        n += (guint64)range_at(uids, i)->last - range_at(uids, i)->first + 1;
    return n;
}

guint
mail_uids_n_ranges(const MailUids *uids)
{
    return uids->ranges->len;
}

const MailUidRange *
mail_uids_range(const MailUids *uids, guint i)
{
    return range_at(uids, i);
}

guint
mail_uids_seek(const MailUids *uids, guint32 uid)
{
    guint low = 0;
    guint high = uids->ranges->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;
        if (range_at(uids, middle)->last < uid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

guint32
mail_uids_last(const MailUids *uids)
{
    guint n = uids->ranges->len;
    return n > 0 ? range_at(uids, n - 1)->last : 0;
}

void
mail_uids_prune(MailUids *uids, const MailMailbox *mailbox)
{
    guint32 last_uid = mail_mailbox_last_uid(mailbox);
    guint count = mail_mailbox_count(mailbox);
    guint n = 0;

    for (guint i = 0; i < uids->ranges->len; i++) {
        MailUidRange range = *range_at(uids, i);
        guint at = mail_mailbox_seek(mailbox, range.first);
        if (range.last > last_uid ||
            (at < count && mail_mailbox_at(mailbox, at)->uid <= range.last))
            *range_at(uids, n++) = range;
    }
    g_array_set_size(uids->ranges, n);
}

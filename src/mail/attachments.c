/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * All attachments of a mailbox.  What each message is made of has to be known
 * for that, once; the answers come in batches, and what was found is kept for
 * as long as the message is there.
 */
#include "mail/octets.h"

enum { AHEAD = 1024 }; /* messages whose structure is asked for at a time */

/* What is known of one mailbox. */
typedef struct {
    guint32 uidvalidity;
    guint64 generation;   /* of the mailbox when it was looked at last */
    gboolean partial;     /* there are messages that could not be looked at */
    gint64 offline_since; /* as it was then; -1: it was not */
    GArray *looked_at;    /* UIDs, ascending */
    GPtrArray *found;     /* of MailAttachment, by UID and part */
} Index;

struct MailAttachments {
    GHashTable *indexes; /* number of a mailbox -> Index */
};

static void
free_attachment(MailAttachment *attachment)
{
    g_free(attachment->name);
    g_free(attachment->type);
    g_free(attachment);
}

static void
free_index(gpointer data)
{
    Index *index = data;
    for (guint i = 0; i < index->found->len; i++) {
        if (g_ptr_array_index(index->found, i) != NULL) /* not moved away */
            free_attachment(g_ptr_array_index(index->found, i));
    }
    g_array_unref(index->looked_at);
    g_ptr_array_unref(index->found);
    g_free(index);
}

static Index *
new_index(guint32 uidvalidity)
{
    Index *index = g_new0(Index, 1);
    index->uidvalidity = uidvalidity;
    index->looked_at = g_array_new(FALSE, FALSE, sizeof(guint32));
    index->found = g_ptr_array_new();
    return index;
}

MailAttachments *
mail_attachments_new(void)
{
    MailAttachments *attachments = g_new0(MailAttachments, 1);
    attachments->indexes = g_hash_table_new_full(NULL, NULL, NULL, free_index);
    return attachments;
}

void
mail_attachments_free(MailAttachments *attachments)
{
    g_hash_table_unref(attachments->indexes);
    g_free(attachments);
}

static Index *
index_of(MailAccount *account, const MailMailbox *mailbox)
{
    GHashTable *indexes = account->attachments->indexes;
    gpointer key = GUINT_TO_POINTER((guint)mailbox->id);
    Index *index = g_hash_table_lookup(indexes, key);

    if (index == NULL || index->uidvalidity != mailbox->uidvalidity) {
        index = new_index(mailbox->uidvalidity);
        g_hash_table_replace(indexes, key, index);
    }
    return index;
}

static void
add_found(Index *index, guint32 uid, const MailStructure *structure)
{
    g_array_append_val(index->looked_at, uid);
    for (guint i = 1; i < structure->n; i++) {
        MailAttachment *attachment;
        if (!mail_structure_is_attachment(structure, i))
            continue;
        attachment = g_new(MailAttachment, 1);
        attachment->uid = uid;
        attachment->part = i;
        attachment->name = g_strdup(structure->parts[i].name != NULL
                                        ? structure->parts[i].name
                                        : structure->parts[i].subject);
        attachment->type = g_strdup(structure->parts[i].type);
        g_ptr_array_add(index->found, attachment);
    }
}

/* Moves what OLD has of message UID; FALSE when it was not looked at. */
static gboolean
move_found(Index *old, guint *looked_at, guint *found, Index *index,
           guint32 uid)
{
    while (*looked_at < old->looked_at->len &&
           g_array_index(old->looked_at, guint32, *looked_at) < uid)
        ++*looked_at;
    if (*looked_at == old->looked_at->len ||
        g_array_index(old->looked_at, guint32, *looked_at) != uid)
        return FALSE;
    g_array_append_val(index->looked_at, uid);
    for (; *found < old->found->len; ++*found) {
        MailAttachment *attachment = g_ptr_array_index(old->found, *found);
        if (attachment->uid > uid)
            break;
        if (attachment->uid == uid)
            g_ptr_array_add(index->found,
                            g_steal_pointer(&old->found->pdata[*found]));
    }
    return TRUE;
}

/* Looks at MESSAGE, if what it is made of is here; else asks.  The fault is
 * that of the last one that was asked for: who looked again as each of them
 * comes would go through all of a large mailbox each time. */
static void
look_at(MailAccount *account, MailMailbox *mailbox, MailMessage *message,
        Index *index, MailFault *fault)
{
    g_autoptr(MailStructure) none = g_new0(MailStructure, 1);
    const MailStructure *structure;
    MailFault trouble = {NULL, NULL};

    if (mail_account_is_offline(account)) {
        structure = mail_parts_peek(account, mailbox, message);
    } else if (mail_parts_are_refused(account, mailbox, message->uid)) {
        structure = none;
    } else if (fault->want != NULL) {
        structure = mail_parts_ask(account, mailbox, message, &fault->want);
    } else if (!mail_account_know_structure(account, mailbox, message->uid,
                                            &structure, &trouble)) {
        fault->want = trouble.want;
        /* One that cannot be looked at does not hide the others. */
        structure = trouble.error != NULL ? none : NULL;
        g_clear_error(&trouble.error);
    }
    if (structure != NULL)
        add_found(index, message->uid, structure);
}

static gint64
offline_since(const MailAccount *account)
{
    return mail_account_is_offline(account) ? account->failed_since : -1;
}

/* Looks at each message of MAILBOX that was not looked at. */
static gboolean
look(MailAccount *account, MailMailbox *mailbox, MailFault *fault)
{
    Index *old = index_of(account, mailbox);
    Index *index = new_index(mailbox->uidvalidity);
    guint looked_at = 0;
    guint found = 0;
    guint asked = 0;

    for (guint i = 0; i < mail_mailbox_count(mailbox); i++) {
        MailMessage *message = mail_mailbox_at(mailbox, i);
        if (move_found(old, &looked_at, &found, index, message->uid) ||
            asked >= AHEAD)
            continue;
        look_at(account, mailbox, message, index, fault);
        asked += fault->want != NULL;
    }
    index->generation = mailbox->generation;
    index->partial = index->looked_at->len < mail_mailbox_count(mailbox);
    index->offline_since = offline_since(account);
    g_hash_table_replace(account->attachments->indexes,
                         GUINT_TO_POINTER((guint)mailbox->id), index);
    return fault->want == NULL;
}

/* Nothing more is to be found.  Without a server that holds for what is not
 * here, too, or each file of a large mailbox would be looked for in all of its
 * messages. */
static gboolean
is_current(const MailAccount *account, const Index *index,
           const MailMailbox *mailbox)
{
    return index->generation == mailbox->generation &&
           (!index->partial ||
            (mail_account_is_offline(account) &&
             index->offline_since == offline_since(account)));
}

gboolean
mail_account_know_attachments(MailAccount *account, MailMailbox *mailbox,
                              const GPtrArray **ret, MailFault *fault)
{
    if (!mail_account_know_beyond(account, mailbox, G_MAXUINT32 - 1, fault) ||
        (!is_current(account, index_of(account, mailbox), mailbox) &&
         !look(account, mailbox, fault)))
        return FALSE;
    *ret = index_of(account, mailbox)->found;
    return TRUE;
}

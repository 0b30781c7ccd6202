/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Previews of messages, as servers make them (RFC 8970).
 *
 * A preview is asked for when somebody wants it, and nobody waits for it: who
 * asks first hears that there is none, and that the message has changed when it
 * has come.  The store keeps it like a section of the message.
 */
#include <string.h>

#include "base/error.h"
#include "imap/uidset.h"
#include "mail/internal.h"
#include "mail/uids.h"

enum {
    KEPT_MAX = 4096,  /* in memory */
    BATCH = 256,      /* messages in one command */
    LENGTH_MAX = 800, /* octets: 200 characters (RFC 8970, 3) */
};
#define SECTION "PREVIEW"

struct MailPreviews {
    GHashTable *texts; /* message -> char *, "" while there is none */
    GArray *asked;     /* UIDs to ask for, all of one mailbox */
    guint16 mailbox;
};

MailPreviews *
mail_previews_new(void)
{
    MailPreviews *previews = g_new0(MailPreviews, 1);
    previews->texts =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    previews->asked = g_array_new(FALSE, FALSE, sizeof(guint32));
    return previews;
}

void
mail_previews_free(MailPreviews *previews)
{
    g_hash_table_unref(previews->texts);
    g_array_unref(previews->asked);
    g_free(previews);
}

static gint64
message_id(const MailMailbox *mailbox, guint32 uid)
{
    return (gint64)mailbox->id << 32 | uid;
}

static const char *
keep(MailAccount *account, const MailMailbox *mailbox, guint32 uid,
     const char *text, gsize length)
{
    GHashTable *texts = account->previews->texts;
    gint64 id = message_id(mailbox, uid);
    char *copy;

    if (g_hash_table_size(texts) >= KEPT_MAX)
        g_hash_table_remove_all(texts);
    copy = g_utf8_make_valid(text, (gssize)MIN(length, LENGTH_MAX));
    g_hash_table_replace(texts, g_memdup2(&id, sizeof id), copy);
    return copy;
}

static const char *
from_store(MailAccount *account, MailMailbox *mailbox,
           const MailMessage *message)
{
    guint64 start = 0;
    g_autoptr(GBytes) bytes = account->store
                                  ? mail_store_get(account->store, mailbox,
                                                   message, SECTION, 0, &start)
                                  : NULL;
    gsize length;
    const char *text = bytes ? g_bytes_get_data(bytes, &length) : NULL;

    return text ? keep(account, mailbox, message->uid, text, length) : NULL;
}

static void
ask(MailAccount *account, const MailMailbox *mailbox, guint32 uid)
{
    MailPreviews *previews = account->previews;

    /* What finds no room now is asked for when somebody wants it again. */
    if (previews->asked->len >= BATCH ||
        (previews->asked->len > 0 && previews->mailbox != mailbox->id))
        return;
    previews->mailbox = mailbox->id;
    g_array_append_val(previews->asked, uid);
    keep(account, mailbox, uid, "", 0);
    mail_account_plan_soon(account);
}

const char *
mail_account_preview(MailAccount *account, MailMailbox *mailbox, guint32 uid)
{
    gint64 id = message_id(mailbox, uid);
    const char *text = g_hash_table_lookup(account->previews->texts, &id);
    const MailMessage *message = mail_mailbox_find(mailbox, uid);

    if (text == NULL && message != NULL)
        text = from_store(account, mailbox, message);
    if (text == NULL && message != NULL && account->failure == NULL)
        ask(account, mailbox, uid);
    return text != NULL && *text != '\0' ? text : NULL;
}

void
mail_preview_plan(MailAccount *account)
{
    MailPreviews *previews = account->previews;
    g_autoptr(GString) uids = NULL;
    ImapUidsetWriter writer = {NULL, 0, 0};
    MailMailbox *mailbox;
    ImapLink *link;

    if (previews->asked->len == 0)
        return;
    mailbox = mail_account_mailbox(account, previews->mailbox);
    link = mailbox != NULL
               ? imap_pool_lend(account->pool, mailbox->name, IMAP_LOAN_AHEAD)
               : NULL;
    if (mailbox != NULL && link == NULL)
        return;
    if (link != NULL && imap_link_capabilities(link) & IMAP_CAP_PREVIEW) {
        uids = g_string_new(NULL);
        writer.text = uids;
        g_array_sort(previews->asked, mail_uids_compare);
        for (guint i = 0; i < previews->asked->len; i++)
            imap_uidset_add(&writer,
                            g_array_index(previews->asked, guint32, i));
        imap_uidset_end(&writer);
        imap_link_send(
            link, imap_command_new("UID FETCH %s (UID PREVIEW)", uids->str),
            NULL, NULL);
    }
    g_array_set_size(previews->asked, 0);
}

void
mail_preview_fetched(MailAccount *account, MailMailbox *mailbox,
                     const MailMessage *message, ImapSlice text)
{
    gint64 id = message_id(mailbox, message->uid);

    /* Only what was asked for, and once. */
    if (text.data == NULL || text.length == 0 ||
        g_strcmp0(g_hash_table_lookup(account->previews->texts, &id), "") != 0)
        return;
    keep(account, mailbox, message->uid, text.data, text.length);
    if (account->store != NULL && !mailbox->not_sticky)
        mail_store_put(account->store, mailbox, message, SECTION, 0, text.data,
                       MIN(text.length, LENGTH_MAX));
    if (account->observer != NULL)
        account->observer->message_changed(mailbox, message,
                                           account->observer_data);
}

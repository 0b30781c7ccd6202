/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "base/error.h"
#include "fs/types.h"

/* ---- of messages ---- */

static char *
flags(const FsObject *object)
{
    return mail_mailbox_flags_text(object->mailbox, object->message->flags);
}

#define FLAG(function, flag)                                          \
    static char *function(const FsObject *object)                     \
    {                                                                 \
        return g_strdup(object->message->flags & (flag) ? "1" : "0"); \
    }

FLAG(seen, MAIL_FLAG_SEEN)
FLAG(flagged, MAIL_FLAG_FLAGGED)
FLAG(answered, MAIL_FLAG_ANSWERED)
FLAG(draft, MAIL_FLAG_DRAFT)

static char *
uid(const FsObject *object)
{
    return g_strdup_printf("%u", object->message->uid);
}

static char *
uidvalidity(const FsObject *object)
{
    if (object->mailbox->uidvalidity == 0)
        return NULL;
    return g_strdup_printf("%u", object->mailbox->uidvalidity);
}

static char *
modseq(const FsObject *object)
{
    if (object->message->modseq == 0)
        return NULL;
    return g_strdup_printf("%" G_GUINT64_FORMAT, object->message->modseq);
}

static char *
internaldate(const FsObject *object)
{
    g_autoptr(GDateTime) when =
        g_date_time_new_from_unix_utc(object->message->internaldate);
    return when ? g_date_time_format_iso8601(when) : NULL;
}

#define FIELD(function, field)                                          \
    static char *function(const FsObject *object)                       \
    {                                                                   \
        const char *value = mail_message_field(object->message, field); \
        return *value != '\0' ? g_strdup(value) : NULL;                 \
    }

FIELD(from, MAIL_FIELD_FROM)
FIELD(to, MAIL_FIELD_TO)
FIELD(subject, MAIL_FIELD_SUBJECT)
FIELD(message_id, MAIL_FIELD_MESSAGE_ID)
FIELD(emailid, MAIL_FIELD_EMAILID)
FIELD(threadid, MAIL_FIELD_THREADID)

static char *
url(const FsObject *object)
{
    return mail_account_url(object->tree->account, object->mailbox,
                            object->message->uid);
}

/* The first to ask hears of none; the server is asked, and nobody waits. */
static char *
preview(const FsObject *object)
{
    return g_strdup(mail_account_preview(object->tree->account, object->mailbox,
                                         object->message->uid));
}

static char *
type_of_message(const FsObject *object)
{
    (void)object;
    return g_strdup("message/rfc822");
}

const FsXattr fs_xattrs_message[] = {
    {"user.imap.flags", flags, FALSE},
    {"user.imap.seen", seen, FALSE},
    {"user.imap.flagged", flagged, FALSE},
    {"user.imap.answered", answered, FALSE},
    {"user.imap.draft", draft, FALSE},
    {"user.imap.uid", uid, FALSE},
    {"user.imap.uidvalidity", uidvalidity, FALSE},
    {"user.imap.modseq", modseq, FALSE},
    {"user.imap.internaldate", internaldate, FALSE},
    {"user.imap.from", from, FALSE},
    {"user.imap.to", to, FALSE},
    {"user.imap.subject", subject, FALSE},
    {"user.imap.message-id", message_id, FALSE},
    {"user.imap.url", url, FALSE},
    {"user.imap.emailid", emailid, FALSE},
    {"user.imap.threadid", threadid, FALSE},
    {"user.imap.preview", preview, TRUE},
    {"user.mime_type", type_of_message, FALSE},
    {NULL, NULL, FALSE},
};

/* ---- of mailboxes ---- */

static char *
messages(const FsObject *object)
{
    if (object->mailbox->listing != MAIL_LISTED)
        return NULL;
    return g_strdup_printf("%u", mail_mailbox_count(object->mailbox));
}

static char *
unseen(const FsObject *object)
{
    const MailMailbox *mailbox = object->mailbox;
    guint n = 0;

    if (mailbox->listing != MAIL_LISTED)
        return NULL;
    for (guint i = 0; i < mail_mailbox_count(mailbox); i++)
        n += !(mail_mailbox_at(mailbox, i)->flags & MAIL_FLAG_SEEN);
    return g_strdup_printf("%u", n);
}

static char *
special_use(const FsObject *object)
{
    return g_strdup(object->mailbox->special_use);
}

const FsXattr fs_xattrs_mailbox[] = {
    {"user.imap.messages", messages, FALSE},
    {"user.imap.unseen", unseen, FALSE},
    {"user.imap.uidvalidity", uidvalidity, FALSE},
    {"user.imap.special-use", special_use, FALSE},
    {NULL, NULL, FALSE},
};

/* ---- of what is made from messages ---- */

static char *
type_of_part(const FsObject *object)
{
    return g_strdup(object->part->type);
}

static char *
type_of_text(const FsObject *object)
{
    (void)object;
    return g_strdup("text/plain");
}

const FsXattr fs_xattrs_part[] = {
    {"user.mime_type", type_of_part, FALSE},
    {NULL, NULL, FALSE},
};

const FsXattr fs_xattrs_text[] = {
    {"user.mime_type", type_of_text, FALSE},
    {NULL, NULL, FALSE},
};

/* ---- questions ---- */

/* The first of those that INO may have, for *RET. */
static gboolean
find_xattrs(FsTree *tree, guint64 ino, FsObject *ret, const FsXattr **ret_first,
            MailFault *fault)
{
    static const FsXattr none = {NULL, NULL, FALSE};
    const FsType *type = fs_tree_type(fs_node_of(ino).kind);

    *ret_first = &none;
    if (type == NULL || type->xattrs == NULL)
        return TRUE;
    *ret_first = type->xattrs;
    return fs_tree_find(tree, ino, ret, fault);
}

gboolean
fs_tree_getxattr(FsTree *tree, guint64 ino, const char *name, char **ret_value,
                 MailFault *fault)
{
    const FsXattr *xattr;
    FsObject object;

    *ret_value = NULL;
    if (!find_xattrs(tree, ino, &object, &xattr, fault))
        return FALSE;
    while (xattr->name != NULL && strcmp(name, xattr->name) != 0)
        xattr++;
    if (xattr->name != NULL)
        *ret_value = xattr->value(&object);
    return *ret_value != NULL ||
           mail_fault_error(fault, IMAPFS_ERROR_NO_ATTRIBUTE,
                            "no such attribute");
}

gboolean
fs_tree_listxattr(FsTree *tree, guint64 ino, GString **ret_names,
                  MailFault *fault)
{
    const FsXattr *xattr;
    FsObject object;

    *ret_names = NULL;
    if (!find_xattrs(tree, ino, &object, &xattr, fault))
        return FALSE;
    *ret_names = g_string_new(NULL);
    for (; xattr->name != NULL; xattr++) {
        g_autofree char *value = xattr->unlisted ? NULL : xattr->value(&object);
        if (value != NULL)
            g_string_append_len(*ret_names, xattr->name,
                                (gssize)strlen(xattr->name) + 1);
    }
    return TRUE;
}

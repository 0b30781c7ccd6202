/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * File names.  Each line is the name of a mailbox behind its delimiter ("0":
 * none; "=": it is the prefix of the user's own); the lines behind an empty
 * one are the header of a message.
 */
#include "fuzz.h"

#include <gmime/gmime.h>

#include "fs/names.h"
#include "mail/mailboxes.h"

enum { MESSAGE_NAME_MAX = 200 };

static gboolean
is_bidi(gunichar c)
{
    return c == 0x061c || c == 0x200e || c == 0x200f ||
           (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static void
check_name(const char *name, gsize max)
{
    MUST(*name != '\0' && strlen(name) <= max);
    MUST(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
    MUST(strchr(name, '/') == NULL);
    MUST(g_utf8_validate(name, -1, NULL));
    for (const char *at = name; *at != '\0'; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        MUST(!g_unichar_iscntrl(c) && !is_bidi(c));
    }
}

/* ---- mailboxes ---- */

static void
on_event(MailMailbox *mailbox, gpointer data)
{
    (void)mailbox;
    (void)data;
}

static void
on_message(const char *domain, GLogLevelFlags level, const char *message,
           gpointer data)
{
    (void)domain;
    (void)level;
    (void)data;
    MUST(g_utf8_validate(message, -1, NULL));
    MUST(strchr(message, '\n') == NULL);
}

static void
check_children(MailMailbox *parent)
{
    const GPtrArray *children = mail_mailbox_children(parent);
    for (guint i = 0; i < children->len; i++) {
        MailMailbox *child = g_ptr_array_index(children, i);
        g_autofree char *name = fs_names_mailbox(child);
        check_name(name, FS_NAME_MAX);
        MUST(fs_names_find_mailbox(parent, name) == child);
        check_children(child);
    }
}

static void
take(MailMailboxes *mailboxes, const char *line, gsize length)
{
    ImapSlice name = {line + 1, length - 1};
    ImapList list = {.delimiter = *line == '0' ? '\0' : *line, .name = name};

    if (*line == '=' && length > 1)
        mail_mailboxes_set_prefix(mailboxes, name, line[length - 1]);
    else
        mail_mailboxes_take(mailboxes, &list);
}

/* Returns how many octets of DATA were lines of mailboxes. */
static gsize
check_mailboxes(const char *data, gsize size)
{
    static const MailMailboxesEvents events = {on_event, on_event};
    MailMailboxes *mailboxes = mail_mailboxes_new(&events, NULL);
    const char *end = data + size;
    const char *line = data;

    mail_mailboxes_begin(mailboxes);
    while (line < end && *line != '\n') {
        const char *lf = memchr(line, '\n', (gsize)(end - line));
        take(mailboxes, line, (gsize)((lf ? lf : end) - line));
        line = lf ? lf + 1 : end;
    }
    mail_mailboxes_end(mailboxes);
    check_children(mail_mailboxes_root(mailboxes));
    /* A second LIST, of nothing, takes them all away. */
    mail_mailboxes_begin(mailboxes);
    mail_mailboxes_end(mailboxes);
    MUST(mail_mailboxes_root(mailboxes)->children->len == 0);
    mail_mailboxes_free(mailboxes);
    return (gsize)(line - data);
}

/* ---- messages ---- */

static void
check_message(const char *header, gsize length)
{
    MailMessage message = {
        .uid = (guint32)length * 2654435761U | 1,
        .internaldate = length > 8 ? (gint8)header[8] * (gint64)1e9 : 0,
        .fields = mail_message_pack(header, length, NULL, 0, NULL, 0)};
    char name[FS_NAME_MAX + 1];

    fs_names_message(&message, FS_NAMES_FULL, name);
    check_name(name, MESSAGE_NAME_MAX);
    MUST(fs_names_uid(name) == message.uid);
    g_free(message.fields);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static gboolean ready = FALSE;
    g_autofree char *copy = g_memdup2(data, size);
    const char *text = copy ? copy : "";
    gsize used;
    g_autofree char *name = NULL;

    if (!ready) {
        g_mime_init();
        g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL |
                               G_LOG_LEVEL_WARNING);
        g_log_set_handler("imapfs", G_LOG_LEVEL_MESSAGE, on_message, NULL);
        ready = TRUE;
    }
    used = check_mailboxes(text, size);
    check_message(text + used, size - used);
    name = g_strndup(text, size);
    fs_names_uid(name);
    return 0;
}

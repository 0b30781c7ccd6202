/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mimeserver.h"

#include <string.h>

static void
free_letter(gpointer data)
{
    letter_free(data);
}

void
mime_server_init(MimeServer *mime, Server *server)
{
    *mime = (MimeServer){.server = server, .asked = g_string_new(NULL)};
    mime->messages = g_hash_table_new_full(NULL, NULL, NULL, free_letter);
}

void
mime_server_clear(MimeServer *mime)
{
    g_hash_table_unref(mime->messages);
    g_string_free(mime->asked, TRUE);
}

void
mime_server_add(MimeServer *mime, guint32 uid, const char *subject,
                MimePart *body)
{
    Letter *letter = letter_new(subject, body);
    const GString *whole = letter_section(letter, "");
    Mail *mail;

    g_hash_table_replace(mime->messages, GUINT_TO_POINTER(uid), letter);
    server_add(mime->server, uid, whole->len, -1);
    mail = server_mail(mime->server, mime->server->mails->len - 1);
    g_free(mail->body);
    mail->body = g_memdup2(whole->str, whole->len + 1);
}

const GString *
mime_server_section(const MimeServer *mime, guint32 uid, const char *section)
{
    const Letter *letter =
        g_hash_table_lookup(mime->messages, GUINT_TO_POINTER(uid));
    return letter ? letter_section(letter, section) : NULL;
}

/* ---- commands ---- */

static void
note_item(MimeServer *mime, guint32 uid, const char *item)
{
    g_autofree char *section =
        strchr(item, '[') ? letter_item_section(item) : NULL;
    const char *partial = strstr(item, "]<");

    if (g_str_has_prefix(item, "BODY.PEEK["))
        g_string_append_printf(mime->asked, "%u[%s]%s ", uid, section,
                               partial ? partial + 1 : "");
    else if (section != NULL || strcmp(item, "BODYSTRUCTURE") == 0)
        g_string_append_printf(mime->asked, "%u[%s] ", uid, item);
}

/* What was asked for of message UID. */
static char *
say_items(MimeServer *mime, guint32 uid, const char *items, MimeHabit habit)
{
    const Letter *letter =
        g_hash_table_lookup(mime->messages, GUINT_TO_POINTER(uid));
    GString *all = g_string_new(NULL);
    char *item;

    while ((item = letter_next_item(&items)) != NULL) {
        g_autoptr(GString) one = g_string_new(NULL);
        note_item(mime, uid, item);
        letter_answer(letter, one, item, habit, mime->always);
        g_string_insert_len(all, habit == SECTION_NO_ORIGIN_LATEST ? 0 : -1,
                            one->str, (gssize)one->len);
        g_free(item);
    }
    return g_string_free(all, FALSE);
}

/* The answer of a server that refuses COMMAND, or NULL. */
static const char *
refusal(const MimeServer *mime, const char *command)
{
    gboolean structure = strstr(command, "BODYSTRUCTURE") != NULL;
    gboolean section = strstr(command, "BODY.PEEK[") != NULL &&
                       (mime->always || strstr(command, "PEEK[]") == NULL);
    gboolean binary = strstr(command, "BINARY.SIZE") != NULL;

    if (mime->only != 0 &&
        !server_is_in(mime->server, command + strlen("UID FETCH "), mime->only))
        return NULL;
    if ((mime->habit == STRUCTURE_REFUSED &&
         (structure || (mime->always && section))) ||
        (mime->habit == SECTION_REFUSED && section) ||
        (mime->habit == BINARY_REFUSED && binary))
        return "$tag NO not now\r\n";
    if ((mime->habit == STRUCTURE_BAD && structure) ||
        (mime->habit == SECTION_BAD && section))
        return "$tag BAD what\r\n";
    if (mime->habit == BINARY_HANGS_UP && binary)
        return "* BYE it was too much\r\n";
    return NULL;
}

char *
mime_server_answer(const char *command, gpointer data)
{
    MimeServer *mime = data;
    const char *set = command + strlen("UID FETCH ");
    const char *refused = refusal(mime, command);
    GString *out;

    if (!g_str_has_prefix(command, "UID FETCH ") ||
        strstr(command, "INTERNALDATE") != NULL ||
        (strchr(command, '[') == NULL && !strstr(command, "BODYSTRUCTURE")))
        return server_answer(command, mime->server);
    mime->fetches++;
    if (refused != NULL)
        return g_strdup(refused);
    out = g_string_new(NULL);
    for (guint i = 0; i < mime->server->mails->len; i++) {
        const Mail *mail = server_mail(mime->server, i);
        MimeHabit habit = mime->only == 0 || mail->uid == mime->only
                              ? mime->habit
                              : MIME_HONEST;
        g_autofree char *items = NULL;
        if (!server_is_in(mime->server, set, mail->uid))
            continue;
        items = say_items(mime, mail->uid, strchr(set, '('), habit);
        g_string_append_printf(
            out, "* %u FETCH (UID %u RFC822.SIZE %" G_GUINT64_FORMAT "%s)\r\n",
            i + 1, mail->uid, mail->announced, items);
    }
    g_string_append(out, "$tag OK done\r\n");
    mime->octets += out->len;
    return g_string_free(out, FALSE);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server.h"

#include <string.h>

Mail *
server_mail(Server *server, guint i)
{
    return &g_array_index(server->mails, Mail, i);
}

/* Text that tells where in it one is, and of which message. */
static char *
ruler(guint seed, gsize length)
{
    char *text = g_malloc(length + 1);
    for (gsize i = 0; i < length; i++)
        text[i] = (char)('a' + (seed + i * 7 + i / 26 + i / 1000) % 26);
    text[length] = '\0';
    return text;
}

void
server_add(Server *server, guint32 uid, gsize size, gint64 announced)
{
    Mail mail = {uid,  ruler(uid + server->uidvalidity, size),
                 size, announced < 0 ? size : (guint64)announced,
                 "",   FALSE};
    g_array_append_val(server->mails, mail);
}

static void
drop_expunged(Server *server)
{
    for (guint i = server->mails->len; i-- > 0;) {
        if (server_mail(server, i)->expunged)
            g_array_remove_index(server->mails, i);
    }
}

static void
clear_mail(gpointer data)
{
    g_free(((Mail *)data)->body);
}

/* "1,3:5" or "4:*", as it is in UID FETCH. */
static gboolean
is_in(const char *set, guint32 uid, guint32 last)
{
    for (;;) {
        char *end;
        guint64 first = g_ascii_strtoull(set, &end, 10);
        guint64 other = first;
        if (*end == ':')
            other = end[1] == '*' ? (end++, MAX(last, first))
                                  : g_ascii_strtoull(end + 1, &end, 10);
        if (*end == '*')
            end++;
        /* "9:*" names the last one, too, if that is 5. */
        if (strstr(set, ":*") != NULL && first > last)
            first = last;
        if (uid >= first && uid <= other)
            return TRUE;
        if (*end != ',')
            return FALSE;
        set = end + 1;
    }
}

gboolean
server_is_in(Server *server, const char *set, guint32 uid)
{
    return is_in(set, uid, server_mail(server, server->mails->len - 1)->uid);
}

static void
say_listing(Server *server, GString *out, const char *set, gboolean header)
{
    guint n = server->mails->len;

    for (guint i = 0; i < n; i++) {
        const Mail *mail = server_mail(server, i);
        if (!server_is_in(server, set, mail->uid))
            continue;
        g_string_append_printf(out,
                               "* %u FETCH (UID %u FLAGS (%s) RFC822.SIZE "
                               "%" G_GUINT64_FORMAT,
                               i + 1, mail->uid, mail->flags, mail->announced);
        if (header)
            g_string_append(
                out, " INTERNALDATE \"17-Jul-2023 02:44:25 +0000\" "
                     "BODY[HEADER.FIELDS (FROM TO SUBJECT MESSAGE-ID)] {14}"
                     "\r\nSubject: x\r\n\r\n");
        g_string_append(out, ")\r\n");
    }
}

static void
say_literal(GString *out, const char *text, gsize length)
{
    g_string_append_printf(out, "{%zu}\r\n", length);
    g_string_append_len(out, text, (gssize)length);
}

static const char fake[] =
    "From: nobody\r\nSubject: gone\r\n\r\nThis message is no more.\r\n";

/* BODY[] of a message as far as it was asked for, and as HABIT has it. */
static void
say_section(GString *out, const Mail *mail, Habit habit, guint64 offset,
            guint64 length)
{
    guint64 start = MIN(offset, mail->size);
    guint64 n = MIN(length, mail->size - start);
    const char *data = mail->body + start;
    g_autofree char *more = NULL;

    if (habit == BODY_MISSING) {
        g_string_append(out, "FLAGS ()");
        return;
    }
    g_string_append(out, habit == OTHER_SECTION ? "BODY[TEXT]" : "BODY[]");
    if (habit == OTHER_ORIGIN)
        offset += 3;
    else if (habit == FAKE_MESSAGE || habit == WHOLE_AS_ORIGIN_0)
        offset = 0;
    if (habit == ORIGIN_AND_LENGTH)
        g_string_append_printf(out,
                               "<%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT ">",
                               offset, length);
    else if (habit != WHOLE && habit != NO_ORIGIN)
        g_string_append_printf(out, "<%" G_GUINT64_FORMAT ">", offset);
    g_string_append_c(out, ' ');
    switch (habit) {
    case BODY_NIL:
        g_string_append(out, "NIL");
        return;
    case BODY_EMPTY:
        g_string_append(out, "\"\"");
        return;
    case FAKE_MESSAGE:
        data = fake;
        n = sizeof fake - 1;
        break;
    case TOO_LONG:
        n = length + 1;
        data = more = ruler(0, n);
        break;
    case WHOLE:
    case WHOLE_AS_ORIGIN_0:
        data = mail->body;
        n = mail->size;
        break;
    default:
        break;
    }
    say_literal(out, data, n);
}

static void
say_body(Server *server, GString *out, guint i, guint64 offset, guint64 length)
{
    const Mail *mail = server_mail(server, i);
    Habit habit = server->habit;

    if (habit == NO_FETCH || habit == FETCH_REFUSED || habit == FETCH_BAD)
        return;
    g_string_append_printf(out, "* %u FETCH (", i + 1);
    if (habit != NO_UID)
        g_string_append_printf(out, "UID %u ",
                               mail->uid + (habit == OTHER_UID));
    if (habit != NO_SIZE)
        g_string_append_printf(out, "RFC822.SIZE %" G_GUINT64_FORMAT " ",
                               habit == FAKE_MESSAGE ? sizeof fake - 1
                                                     : mail->announced);
    say_section(out, mail, habit, offset, length);
    g_string_append(out, ")\r\n");
    if (habit == TWICE) {
        g_autofree char *other = ruler(5, mail->size);
        g_string_append_printf(
            out, "* %u FETCH (UID %u RFC822.SIZE %" G_GUINT64_FORMAT " ", i + 1,
            mail->uid, mail->announced);
        say_section(out, &(Mail){mail->uid, other, mail->size, 0, NULL, FALSE},
                    HONEST, offset, length);
        g_string_append(out, ")\r\n");
    }
}

static void
say_bodies(Server *server, GString *out, const char *set, const char *range)
{
    char *end;
    guint64 offset = g_ascii_strtoull(range, &end, 10);
    guint64 length = g_ascii_strtoull(end + 1, NULL, 10);
    guint n = server->mails->len;

    server->n_fetches++;
    for (guint i = 0; i < n; i++) {
        if (server_is_in(server, set, server_mail(server, i)->uid))
            say_body(server, out, i, offset, length);
    }
}

char *
server_answer(const char *command, gpointer data)
{
    Server *server = data;
    GString *out = g_string_new(NULL);
    const char *state = "OK done";
    const char *set = command + strlen("UID FETCH ");
    const char *range = strstr(command, "BODY.PEEK[]<");

    if (g_str_has_prefix(command, "LIST ")) {
        g_string_append(out, server->lists);
    } else if (g_str_has_prefix(command, "EXAMINE ")) {
        if (server->refuse_examine)
            return g_strdup("$tag NO [NONEXISTENT] there is none\r\n");
        drop_expunged(server);
        g_string_append_printf(
            out,
            "* %" G_GUINT64_FORMAT " EXISTS\r\n* OK [UIDVALIDITY %u] x\r\n",
            server->exists ? server->exists : server->mails->len,
            server->uidvalidity);
    } else if (range != NULL) {
        if (server->habit == SILENT)
            return g_string_free(out, FALSE);
        say_bodies(server, out, set, range + strlen("BODY.PEEK[]<"));
        if (server->habit == FETCH_REFUSED)
            state = "NO not now";
        else if (server->habit == FETCH_BAD)
            state = "BAD what";
        else if (server->habit == BODY_NIL)
            state = "OK [EXPUNGEISSUED] some are gone";
    } else if (g_str_has_prefix(command, "UID FETCH ")) {
        say_listing(server, out, set, strstr(command, "HEADER") != NULL);
    } else if (g_str_has_prefix(command, "IDLE")) {
        g_string_append(out, "+ idling\r\n");
        return g_string_free(out, FALSE);
    } else if (!g_str_has_prefix(command, "NOOP")) {
        state = "BAD what";
    }
    g_string_append_printf(out, "$tag %s\r\n", state);
    return g_string_free(out, FALSE);
}
void
server_init(Server *server)
{
    server->uidvalidity = 1000;
    server->lists = "* LIST () \"/\" INBOX\r\n";
    server->mails = g_array_new(FALSE, TRUE, sizeof(Mail));
    g_array_set_clear_func(server->mails, clear_mail);
}

void
server_clear(Server *server)
{
    g_array_unref(server->mails);
}

void
server_remove(Server *server, guint i)
{
    g_array_remove_index(server->mails, i);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/message.h"

#include <gmime/gmime.h>
#include <string.h>

enum { FIELD_MAX = 400 }; /* octets of a field that are kept */

static const char *const field_names[MAIL_N_FIELDS] = {
    [MAIL_FIELD_FROM] = "From",
    [MAIL_FIELD_TO] = "To",
    [MAIL_FIELD_SUBJECT] = "Subject",
    [MAIL_FIELD_MESSAGE_ID] = "Message-ID",
};

const char *
mail_message_field(const MailMessage *message, MailField field)
{
    const char *at = message->fields;
    for (guint i = 0; i < (guint)field; i++)
        at += strlen(at) + 1;
    return at;
}

/* The field whose line LINE begins; MAIL_N_FIELDS for any other. */
static guint
field_of_line(const char *line, gsize length, gsize *ret_name_length)
{
    for (guint i = 0; i < MAIL_N_FIELDS; i++) {
        gsize n = field_names[i] ? strlen(field_names[i]) : 0;
        if (n > 0 && length > n && line[n] == ':' &&
            g_ascii_strncasecmp(line, field_names[i], n) == 0) {
            *ret_name_length = n + 1;
            return i;
        }
    }
    return MAIL_N_FIELDS;
}

static gboolean
is_plain(const char *value, gsize length)
{
    for (gsize i = 0; i < length; i++) {
        guchar c = (guchar)value[i];
        if (c < 0x20 || c >= 0x7f ||
            (c == '=' && i + 1 < length && value[i + 1] == '?'))
            return FALSE;
    }
    return TRUE;
}

/* Cuts at a character's edge. */
static void
append_cut(GString *packed, const char *text, gsize length)
{
    if (length > FIELD_MAX) {
        length = FIELD_MAX;
        while (length > 0 && ((guchar)text[length] & 0xc0) == 0x80)
            length--;
    }
    g_string_append_len(packed, text, (gssize)length);
}

static void
append_decoded(GString *packed, guint field, const char *value, gsize length)
{
    g_autofree char *raw = NULL;
    g_autofree char *decoded = NULL;
    g_autofree char *valid = NULL;

    if (is_plain(value, length)) {
        append_cut(packed, value, length);
        return;
    }
    /* An encoded word may be long: cut far behind what will be kept. */
    raw = g_strndup(value, MIN(length, 8 * FIELD_MAX));
    decoded = field == MAIL_FIELD_MESSAGE_ID
                  ? g_strdup(raw)
                  : g_mime_utils_header_decode_text(NULL, raw);
    valid = g_utf8_make_valid(decoded ? decoded : raw, -1);
    for (char *at = valid; *at != '\0'; at++) {
        if ((guchar)*at < 0x20 || *at == 0x7f)
            *at = '_';
    }
    append_cut(packed, valid, strlen(valid));
}

char *
mail_message_pack(const char *header, gsize length, const char *emailid,
                  gsize emailid_length, const char *threadid,
                  gsize threadid_length)
{
    /* Static: one thread fills it, for each message of a listing. */
    static GString *value = NULL;
    static GString *packed = NULL;
    struct {
        const char *at;
        gsize length;
    } fields[MAIL_N_FIELDS] = {{NULL, 0}};
    const char *end = header + length;
    const char *line = header;

    if (packed == NULL) {
        packed = g_string_new(NULL);
        value = g_string_new(NULL);
    }
    while (line != NULL && line < end) {
        const char *lf = memchr(line, '\n', (gsize)(end - line));
        const char *next;
        gsize skip = 0;
        guint field = field_of_line(line, (gsize)(end - line), &skip);
        /* A folded line goes on in the next that begins with white space. */
        while (lf != NULL && lf + 1 < end && (lf[1] == ' ' || lf[1] == '\t'))
            lf = memchr(lf + 1, '\n', (gsize)(end - lf - 1));
        next = lf ? lf + 1 : end;
        if (field < MAIL_N_FIELDS && fields[field].at == NULL) {
            fields[field].at = line + skip;
            fields[field].length = (gsize)(next - line) - skip;
        }
        line = next;
    }
    g_string_truncate(packed, 0);
    for (guint i = 0; i < MAIL_FIELD_EMAILID; i++) {
        const char *at = fields[i].at;
        g_string_truncate(value, 0);
        for (gsize n = fields[i].length; n > 0; n--, at++) {
            char c = *at == '\t' || *at == '\r' || *at == '\n' ? ' ' : *at;
            gboolean blank =
                value->len == 0 || value->str[value->len - 1] == ' ';
            if (c != '\0' && (c != ' ' || !blank))
                g_string_append_c(value, c);
        }
        while (value->len > 0 && value->str[value->len - 1] == ' ')
            g_string_truncate(value, value->len - 1);
        append_decoded(packed, i, value->str, value->len);
        g_string_append_c(packed, '\0');
    }
    if (emailid != NULL)
        append_cut(packed, emailid, emailid_length);
    g_string_append_c(packed, '\0');
    if (threadid != NULL)
        append_cut(packed, threadid, threadid_length);
    g_string_append_c(packed, '\0');
    return g_memdup2(packed->str, packed->len);
}

char *
mail_message_author(const MailMessage *message)
{
    const char *from = mail_message_field(message, MAIL_FIELD_FROM);
    const char *angle = strchr(from, '<');
    g_autofree char *name = NULL;
    char *to;

    if (angle == NULL) {
        /* user@example.org (A Name) */
        const char *open = strchr(from, '(');
        const char *close = open ? strrchr(open, ')') : NULL;
        if (close != NULL && close > open + 1)
            return g_strndup(open + 1, (gsize)(close - open) - 1);
        return g_strdup(from);
    }
    name = g_strndup(from, (gsize)(angle - from));
    /* Quotes and backslashes of a quoted-string are not part of the name. */
    to = name;
    for (const char *at = name; *at != '\0'; at++) {
        if (*at == '\\' && at[1] != '\0')
            *to++ = *++at;
        else if (*at != '"')
            *to++ = *at;
    }
    *to = '\0';
    g_strstrip(name);
    if (*name != '\0')
        return g_steal_pointer(&name);
    to = strchr(angle, '>');
    return to ? g_strndup(angle + 1, (gsize)(to - angle) - 1)
              : g_strdup(angle + 1);
}

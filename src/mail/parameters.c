/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/parameters.h"

#include <string.h>

enum { PIECES_MAX = 100 }; /* of one parameter (RFC 2231, 3) */

void
mail_parameters_add(MailParameters *parameters, ImapSlice name, ImapSlice value)
{
    if (parameters->n < MAIL_PARAMETERS_MAX && value.length <= MAIL_FIELD_MAX)
        parameters->all[parameters->n++] = (MailParameter){name, value};
}

/* WHOLE begins with NAME; *RET_REST is what follows. */
static gboolean
take_name(ImapSlice whole, const char *name, ImapSlice *ret_rest)
{
    gsize n = strlen(name);
    if (whole.length < n || g_ascii_strncasecmp(whole.data, name, n) != 0)
        return FALSE;
    *ret_rest = (ImapSlice){whole.data + n, whole.length - n};
    return TRUE;
}

gboolean
mail_parameters_is(const MailParameters *parameters, const char *name,
                   const char *value)
{
    for (guint i = 0; i < parameters->n; i++) {
        const MailParameter *parameter = &parameters->all[i];
        if (imap_slice_is(parameter->name, name))
            return imap_slice_is(parameter->value, value);
    }
    return FALSE;
}

/* ---- fields ---- */

static ImapCursor
cursor_of(ImapSlice field)
{
    char *data = (char *)field.data;
    return (ImapCursor){data, data ? data + field.length : NULL};
}

/* Blanks and comments in parentheses (RFC 5322, 3.2.2). */
static void
skip_comments(ImapCursor *at)
{
    guint depth = 0;
    for (; at->at < at->end; at->at++) {
        if (*at->at == '(')
            depth++;
        else if (*at->at == ')' && depth > 0)
            depth--;
        else if (depth > 0 && *at->at == '\\' && at->at + 1 < at->end)
            at->at++;
        else if (depth == 0 && *at->at != ' ' && *at->at != '\t')
            return;
    }
}

/* Up to one of STOP, without blanks at its end. */
static ImapSlice
take_until(ImapCursor *at, const char *stop)
{
    char *begin = at->at;
    char *end;

    while (at->at < at->end && (*at->at == '\0' || !strchr(stop, *at->at)))
        at->at++;
    for (end = at->at; end > begin && g_ascii_isspace(end[-1]); end--)
        continue;
    return (ImapSlice){begin, (gsize)(end - begin)};
}

/* quoted-string; without its second quote it goes to the end. */
static ImapSlice
take_quoted(ImapCursor *at)
{
    char *begin = ++at->at;
    char *to = begin;

    for (; at->at < at->end && *at->at != '"'; at->at++) {
        if (*at->at == '\\' && at->at + 1 < at->end)
            at->at++;
        *to++ = *at->at;
    }
    if (at->at < at->end)
        at->at++;
    return (ImapSlice){begin, (gsize)(to - begin)};
}

/* A token, and a comment that may follow.  In names of files blanks are common
 * even here. */
static ImapSlice
take_unquoted(ImapCursor *at, ImapSlice name)
{
    ImapSlice rest;
    ImapSlice value = take_until(at, ";");
    ImapCursor inside = {(char *)value.data, (char *)value.data + value.length};

    if (take_name(name, "name", &rest) || take_name(name, "filename", &rest))
        return value;
    return take_until(&inside, " (");
}

/* *(";" attribute "=" value), also with blanks in the value, without quotes,
 * or without the semicolon behind them. */
static void
split_parameters(ImapCursor *at, MailParameters *ret)
{
    ret->n = 0;
    while (at->at < at->end && ret->n < MAIL_PARAMETERS_MAX) {
        ImapSlice name, value;

        skip_comments(at);
        if (imap_take_char(at, ';'))
            continue;
        name = take_until(at, "=;");
        if (!imap_take_char(at, '='))
            continue;
        skip_comments(at);
        value = at->at < at->end && *at->at == '"' ? take_quoted(at)
                                                   : take_unquoted(at, name);
        mail_parameters_add(ret, name, value);
    }
}

void
mail_parameters_split_type(ImapSlice field, ImapSlice *ret_type,
                           ImapSlice *ret_subtype, MailParameters *ret)
{
    ImapCursor at = cursor_of(field);

    *ret_subtype = (ImapSlice){NULL, 0};
    skip_comments(&at);
    *ret_type = take_until(&at, "/; (");
    skip_comments(&at);
    if (imap_take_char(&at, '/')) {
        skip_comments(&at);
        *ret_subtype = take_until(&at, "; (");
    }
    split_parameters(&at, ret);
}

ImapSlice
mail_parameters_split_disposition(ImapSlice field, MailParameters *ret)
{
    ImapCursor at = cursor_of(field);
    ImapCursor begin;
    ImapSlice type;

    skip_comments(&at);
    begin = at;
    type = take_until(&at, "=; (");
    skip_comments(&at);
    /* The type is missing. */
    if (at.at < at.end && *at.at == '=') {
        at = begin;
        type = (ImapSlice){NULL, 0};
    }
    split_parameters(&at, ret);
    return type;
}

ImapSlice
mail_parameters_split_word(ImapSlice field)
{
    ImapCursor at = cursor_of(field);
    skip_comments(&at);
    return take_until(&at, "; (");
}

/* ---- values in pieces (RFC 2231) ---- */

/* One piece of a value. */
typedef struct {
    ImapSlice text;
    gboolean extended; /* with %XX */
} Piece;

/* "*" number ["*"]: which piece a parameter is. */
static gboolean
parse_piece(ImapSlice rest, guint *ret_number, gboolean *ret_extended)
{
    guint number = 0;
    gsize i = 1;

    if (rest.length < 2 || rest.data[0] != '*')
        return FALSE;
    for (; i < rest.length && g_ascii_isdigit(rest.data[i]); i++) {
        number = number * 10 + (guint)(rest.data[i] - '0');
        if (number >= PIECES_MAX)
            return FALSE;
    }
    *ret_extended = i < rest.length && rest.data[i] == '*';
    *ret_number = number;
    return i > 1 && i + *ret_extended == rest.length;
}

static void
append_piece(GString *octets, Piece piece)
{
    const char *at = piece.text.data;
    const char *end = at + piece.text.length;

    while (at < end && octets->len < MAIL_FIELD_MAX) {
        if (piece.extended && *at == '%' && end - at >= 3 &&
            g_ascii_isxdigit(at[1]) && g_ascii_isxdigit(at[2])) {
            g_string_append_c(octets, (char)(g_ascii_xdigit_value(at[1]) << 4 |
                                             g_ascii_xdigit_value(at[2])));
            at += 3;
        } else {
            g_string_append_c(octets, *at++);
        }
    }
}

/* charset "'" [language] "'" text: moves PIECE to the text. */
static char *
take_charset(Piece *piece)
{
    const char *data = piece->text.data;
    const char *first = memchr(data, '\'', piece->text.length);
    const char *second =
        first ? memchr(first + 1, '\'',
                       piece->text.length - (gsize)(first + 1 - data))
              : NULL;
    if (second == NULL)
        return NULL;
    piece->text.length -= (gsize)(second + 1 - data);
    piece->text.data = second + 1;
    return g_strndup(data, MIN((gsize)(first - data), 100));
}

/*
 * The octets of the parameter NAME, and their charset: NULL for what may be
 * encoded words.  What RFC 2231 has is better than what is there for those who
 * do not know it.
 */
GString *
mail_parameters_join(const MailParameters *parameters, const char *name,
                     char **ret_charset)
{
    Piece pieces[PIECES_MAX] = {0};
    Piece plain = {0};
    Piece whole = {0};
    GString *octets;

    *ret_charset = NULL;
    for (guint i = 0; i < parameters->n; i++) {
        ImapSlice value = parameters->all[i].value;
        ImapSlice rest;
        gboolean extended;
        guint number;

        if (!take_name(parameters->all[i].name, name, &rest))
            continue;
        if (rest.length == 0 && plain.text.data == NULL)
            plain = (Piece){value, FALSE};
        else if (imap_slice_is(rest, "*") && whole.text.data == NULL)
            whole = (Piece){value, TRUE};
        else if (parse_piece(rest, &number, &extended) &&
                 pieces[number].text.data == NULL)
            pieces[number] = (Piece){value, extended};
    }
    if (whole.text.data != NULL || pieces[0].text.data == NULL) {
        pieces[0] = whole.text.data ? whole : plain;
        pieces[1] = (Piece){{NULL, 0}, FALSE};
    }
    if (pieces[0].text.data == NULL)
        return NULL;
    if (pieces[0].extended)
        *ret_charset = take_charset(&pieces[0]);
    octets = g_string_new(NULL);
    for (guint i = 0; i < PIECES_MAX && pieces[i].text.data != NULL; i++)
        append_piece(octets, pieces[i]);
    return octets;
}

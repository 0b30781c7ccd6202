/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imap/syntax.h"

#include <string.h>

#include "imap/limits.h"

gboolean
imap_slice_is(ImapSlice slice, const char *word)
{
    return slice.data != NULL && slice.length == strlen(word) &&
           g_ascii_strncasecmp(slice.data, word, slice.length) == 0;
}

char *
imap_slice_dup(ImapSlice slice)
{
    return slice.data ? g_strndup(slice.data, slice.length) : NULL;
}

gboolean
imap_take_char(ImapCursor *cursor, char c)
{
    if (cursor->at == cursor->end || *cursor->at != c)
        return FALSE;
    cursor->at++;
    return TRUE;
}

gboolean
imap_take_space(ImapCursor *cursor)
{
    char *start = cursor->at;
    while (imap_take_char(cursor, ' '))
        continue;
    return cursor->at != start;
}

static gboolean
is_atom_char(char c)
{
    return (guchar)c > ' ' && c != '(' && c != ')' && c != '{' && c != '"' &&
           c != 0x7f;
}

gboolean
imap_take_atom(ImapCursor *cursor, ImapSlice *ret)
{
    char *at = cursor->at;
    while (at != cursor->end && is_atom_char(*at))
        at++;
    if (at == cursor->at)
        return FALSE;
    *ret = (ImapSlice){cursor->at, (gsize)(at - cursor->at)};
    cursor->at = at;
    return TRUE;
}

gboolean
imap_take_word(ImapCursor *cursor, const char *word)
{
    gsize n = strlen(word);
    if ((gsize)(cursor->end - cursor->at) < n ||
        g_ascii_strncasecmp(cursor->at, word, n) != 0)
        return FALSE;
    cursor->at += n;
    return TRUE;
}

gboolean
imap_take_number(ImapCursor *cursor, guint64 *ret)
{
    guint64 value = 0;
    char *at = cursor->at;

    for (; at != cursor->end && g_ascii_isdigit(*at); at++) {
        guint64 digit = (guint64)(*at - '0');
        if (value > (G_MAXINT64 - digit) / 10)
            return FALSE;
        value = value * 10 + digit;
    }
    if (at == cursor->at)
        return FALSE;
    cursor->at = at;
    *ret = value;
    return TRUE;
}

gboolean
imap_take_nz_number(ImapCursor *cursor, guint32 *ret)
{
    ImapCursor start = *cursor;
    guint64 value;
    if (imap_take_number(cursor, &value) && value > 0 && value <= G_MAXUINT32) {
        *ret = (guint32)value;
        return TRUE;
    }
    *cursor = start;
    return FALSE;
}

/* What is between the quotes, as it stands. */
static gboolean
skip_quoted(ImapCursor *cursor, ImapSlice *ret)
{
    char *start = cursor->at + 1;
    char *at = start;

    for (; at != cursor->end && *at != '"'; at++) {
        if (*at == '\\' && ++at == cursor->end)
            return FALSE;
    }
    if (at == cursor->end)
        return FALSE;
    *ret = (ImapSlice){start, (gsize)(at - start)};
    cursor->at = at + 1;
    return TRUE;
}

static gboolean
take_quoted(ImapCursor *cursor, ImapSlice *ret)
{
    char *from = cursor->at + 1;
    char *to = from;
    char *end;

    if (!skip_quoted(cursor, ret))
        return FALSE;
    if (memchr(ret->data, '\\', ret->length) == NULL)
        return TRUE;
    for (end = from + ret->length; from != end; from++, to++) {
        from += *from == '\\';
        *to = *from;
    }
    ret->length = (gsize)(to - ret->data);
    return TRUE;
}

/* The framer has seen to it that a literal is whole, but not every caller has
 * a framer. */
static gboolean
take_literal(ImapCursor *cursor, ImapSlice *ret)
{
    ImapCursor at = *cursor;
    guint64 size;

    imap_take_char(&at, '~');
    if (!imap_take_char(&at, '{') || !imap_take_number(&at, &size))
        return FALSE;
    imap_take_char(&at, '+');
    if (!imap_take_char(&at, '}'))
        return FALSE;
    imap_take_char(&at, '\r');
    if (!imap_take_char(&at, '\n') || (guint64)(at.end - at.at) < size)
        return FALSE;
    *ret = (ImapSlice){at.at, (gsize)size};
    cursor->at = at.at + size;
    return TRUE;
}

static gboolean
take_string(ImapCursor *cursor, ImapSlice *ret)
{
    if (cursor->at == cursor->end)
        return FALSE;
    if (*cursor->at == '"')
        return take_quoted(cursor, ret);
    return take_literal(cursor, ret);
}

gboolean
imap_take_nstring(ImapCursor *cursor, ImapSlice *ret)
{
    if (imap_take_word(cursor, "NIL")) {
        *ret = (ImapSlice){NULL, 0};
        return TRUE;
    }
    return take_string(cursor, ret);
}

gboolean
imap_take_astring(ImapCursor *cursor, ImapSlice *ret)
{
    return take_string(cursor, ret) || imap_take_atom(cursor, ret);
}

gboolean
imap_skip_value(ImapCursor *cursor)
{
    ImapCursor at = *cursor;
    guint depth = 0;
    ImapSlice ignored;

    do {
        imap_take_space(&at);
        if (imap_take_char(&at, '(')) {
            if (++depth > IMAP_DEPTH_MAX)
                return FALSE;
        } else if (imap_take_char(&at, ')')) {
            if (depth-- == 0)
                return FALSE;
        } else if (at.at != at.end && *at.at == '"'
                       ? !skip_quoted(&at, &ignored)
                       : !imap_take_astring(&at, &ignored)) {
            return FALSE;
        }
    } while (depth > 0);
    *cursor = at;
    return TRUE;
}

gboolean
imap_take_list(ImapCursor *cursor, ImapSlice *ret)
{
    char *start = cursor->at;
    if (start == cursor->end || *start != '(' || !imap_skip_value(cursor))
        return FALSE;
    *ret = (ImapSlice){start + 1, (gsize)(cursor->at - start) - 2};
    return TRUE;
}

static gboolean
take_month(ImapCursor *cursor, int *ret)
{
    static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    for (int month = 0; month < 12; month++) {
        char name[4] = {0};
        memcpy(name, months + 3 * month, 3);
        if (imap_take_word(cursor, name)) {
            *ret = month + 1;
            return TRUE;
        }
    }
    return FALSE;
}

/* Days from 1970-01-01 to a day of the proleptic Gregorian calendar. */
static gint64
days_from_civil(gint64 year, int month, int day)
{
    gint64 y = month <= 2 ? year - 1 : year;
    gint64 era = (y >= 0 ? y : y - 399) / 400;
    gint64 of_era = y - era * 400;
    gint64 of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
           719468;
}

/*
 * date-time = date-day-fixed "-" date-month "-" date-year SP time SP zone
 * A day of one digit comes with or without the blank before it.
 */
gint64
imap_parse_date(ImapSlice text)
{
    g_autofree char *copy = imap_slice_dup(text);
    ImapCursor at;
    guint64 day, year, hour, minute, second, zone = 0;
    int month;
    gint64 seconds;
    gboolean west;

    if (copy == NULL)
        return 0;
    at = (ImapCursor){copy, copy + text.length};
    imap_take_space(&at);
    if (!imap_take_number(&at, &day) || !imap_take_char(&at, '-') ||
        !take_month(&at, &month) || !imap_take_char(&at, '-') ||
        !imap_take_number(&at, &year) || !imap_take_space(&at) ||
        !imap_take_number(&at, &hour) || !imap_take_char(&at, ':') ||
        !imap_take_number(&at, &minute) || !imap_take_char(&at, ':') ||
        !imap_take_number(&at, &second))
        return 0;
    if (year > 9999 || hour > 24 || minute > 59 || second > 60 ||
        !g_date_valid_dmy((GDateDay)MIN(day, 99), (GDateMonth)month,
                          (GDateYear)(year + 400))) /* 0 is a year, too */
        return 0;
    imap_take_space(&at);
    west = imap_take_char(&at, '-');
    if (!west)
        imap_take_char(&at, '+');
    if (!imap_take_number(&at, &zone) || zone > 1400)
        zone = 0;
    seconds = days_from_civil((gint64)year, month, (int)day) * 86400 +
              (gint64)(hour * 3600 + minute * 60 + second);
    zone = zone / 100 * 3600 + zone % 100 * 60;
    return west ? seconds + (gint64)zone : seconds - (gint64)zone;
}

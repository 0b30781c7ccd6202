/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/base64.h"

#include <string.h>

/*
 * Characters are counted without line ends.  Of L in a line, the one numbered
 * n stands at n / L * (L + 2) + n % L.
 */
enum { LINE_END = 2 };

const gint8 mail_base64_values[256] = {
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, /* 0x00 */
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, /* 0x10 */
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 62, -1, -1, -1, 63, /* 0x20 */
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, -1, -1, -1, -1, -1, -1, /* 0x30 */
    -1, 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, /* 0x40 */
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, -1, -1, -1, -1, -1, /* 0x50 */
    -1, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, /* 0x60 */
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, -1, -1, -1, -1, -1, /* 0x70 */
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, /* 0x80 */
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, /* 0x90 */
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, /* 0xa0 */
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, /* 0xb0 */
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, /* 0xc0 */
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, /* 0xd0 */
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, /* 0xe0 */
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, /* 0xf0 */
};

/* Characters in a line; if there is one line only, more than it has. */
static guint64
line_of(const MailBase64 *base64)
{
    return base64->line > 0 ? base64->line : base64->encoded + 1;
}

/* Where the character numbered N stands. */
static guint64
place_of(const MailBase64 *base64, guint64 n)
{
    guint64 line = line_of(base64);
    return n / line * (line + LINE_END) + n % line;
}

/* How many characters stand before PLACE. */
static guint64
count_before(const MailBase64 *base64, guint64 place)
{
    guint64 line = line_of(base64);
    return place / (line + LINE_END) * line +
           MIN(place % (line + LINE_END), line);
}

/* Whether OCTETS, which stand from FROM on, are what they should be.  TEXT is
 * the number of characters before the padding. */
static gboolean
is_regular(const MailBase64 *base64, guint64 text, guint64 from,
           const char *octets, gsize length)
{
    guint64 line = line_of(base64);
    guint64 column = from % (line + LINE_END);
    guint64 n = count_before(base64, from);

    for (gsize i = 0; i < length; i++, column++) {
        guchar c = (guchar)octets[i];
        if (column < line) {
            if (n++ < text ? mail_base64_values[c] < 0 : c != '=')
                return FALSE;
        } else if (column == line) {
            if (c != '\r')
                return FALSE;
        } else {
            if (c != '\n')
                return FALSE;
            column = G_MAXUINT64; /* so that the next one is in column 0 */
        }
    }
    return TRUE;
}

/* Copies what stands from FROM on without its line ends, each of which has to
 * be where it should be.  Returns how many characters that are, or 0. */
static gsize
copy_lines(const MailBase64 *base64, guint64 from, const char *octets,
           gsize length, char *to)
{
    guint64 line = line_of(base64);
    guint64 column = from % (line + LINE_END);
    gsize n = 0;

    for (gsize i = 0; i < length; column = 0) {
        gsize text = column < line ? (gsize)MIN(line - column, length - i) : 0;
        memcpy(to + n, octets + i, text);
        n += text;
        i += text;
        column += text;
        if (i < length && column == line && octets[i++] != '\r')
            return 0;
        if (i < length && octets[i++] != '\n')
            return 0;
    }
    return n;
}

/* Decodes N characters, of which the last ones may not be four.  Returns FALSE
 * if one of them is none of the alphabet. */
static gboolean
decode_characters(const char *text, gsize n, guint8 *to)
{
    const guchar *at = (const guchar *)text;
    const guchar *end = at + n;
    gint bad = 0;
    guint32 bits = 0;

    for (; end - at >= 4; at += 4) {
        gint a = mail_base64_values[at[0]];
        gint b = mail_base64_values[at[1]];
        gint c = mail_base64_values[at[2]];
        gint d = mail_base64_values[at[3]];
        bad |= a | b | c | d;
        bits =
            (guint32)a << 18 | (guint32)b << 12 | (guint32)c << 6 | (guint32)d;
        *to++ = (guint8)(bits >> 16);
        *to++ = (guint8)(bits >> 8);
        *to++ = (guint8)bits;
    }
    for (guint i = 0; at < end; i++, at++) {
        gint value = mail_base64_values[*at];
        bad |= value;
        bits = i == 0 ? (guint32)value : bits << 6 | (guint32)value;
        if (i == 1)
            *to++ = (guint8)(bits >> 4);
        else if (i == 2)
            *to++ = (guint8)(bits >> 2);
    }
    return bad >= 0;
}

/* Only padding is left. */
static gboolean
is_padding(const char *text, gsize n)
{
    while (n > 0 && *text == '=') {
        text++;
        n--;
    }
    return n == 0;
}

static gboolean
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

gboolean
mail_base64_measure(guint64 octets, const char *head, gsize head_length,
                    const char *tail, gsize tail_length, MailBase64 *ret)
{
    gsize enough = (gsize)MIN(octets, MAIL_BASE64_PROBE);
    guint64 tail_at = octets - tail_length;
    gboolean whole = tail_at <= head_length;
    MailBase64 base64 = {0};
    const char *end;
    guint64 n;
    guint padding = 0;

    if (head_length < enough || tail_length < enough || head_length > octets ||
        tail_length > octets)
        return FALSE;
    while (tail_length > 0 && is_blank(tail[tail_length - 1]))
        tail_length--;
    base64.encoded = tail_at + tail_length;
    if (tail_length == 0) {
        /* Nothing but blanks, as far as can be seen. */
        *ret = base64;
        return tail_at == 0;
    }
    head_length = (gsize)MIN(head_length, base64.encoded);
    end = memchr(head, '\r', head_length);
    if (end != NULL)
        base64.line = (guint32)(end - head);
    /* Of two lines at least one end has to be seen in the tail as well. */
    if (end == NULL ? !whole
                    : base64.line == 0 ||
                          (!whole && tail_length < base64.line + LINE_END))
        return FALSE;

    n = count_before(&base64, base64.encoded);
    while (padding < 2 && n > padding &&
           place_of(&base64, n - 1 - padding) >= tail_at &&
           tail[place_of(&base64, n - 1 - padding) - tail_at] == '=')
        padding++;
    if (n % 4 != 0 || !is_regular(&base64, n - padding, 0, head, head_length) ||
        !is_regular(&base64, n - padding, tail_at, tail, tail_length))
        return FALSE;
    base64.decoded = n / 4 * 3 - padding;
    *ret = base64;
    return TRUE;
}

guint64
mail_base64_bound(guint64 octets)
{
    guint64 rest = octets % 4;
    return octets / 4 * 3 + (rest > 0 ? rest - 1 : 0);
}

void
mail_base64_locate(const MailBase64 *base64, guint64 offset, gsize size,
                   guint64 *ret_from, gsize *ret_length)
{
    guint64 first = offset / 3 * 4;
    guint64 last = (offset + size + 2) / 3 * 4;
    guint64 end;

    if (base64->line > 0) {
        first = first / base64->line * base64->line;
        last = (last + base64->line - 1) / base64->line * base64->line;
    }
    *ret_from = place_of(base64, first);
    end = MIN(place_of(base64, last), base64->encoded);
    *ret_length = size > 0 ? (gsize)(end - *ret_from) : 0;
}

gboolean
mail_base64_decode(const MailBase64 *base64, guint64 offset, gsize size,
                   const char *octets, void *buffer)
{
    guint64 all = count_before(base64, base64->encoded);
    guint64 text = all - (all / 4 * 3 - base64->decoded); /* but for padding */
    g_autofree char *characters = NULL;
    g_autofree guint8 *decoded = NULL;
    guint64 from;
    guint64 before; /* characters of the line before those that are wanted */
    gsize length;
    gsize n;
    gsize n_text;

    if (size == 0)
        return TRUE;
    mail_base64_locate(base64, offset, size, &from, &length);
    before = count_before(base64, from);
    characters = g_malloc(length);
    n = copy_lines(base64, from, octets, length, characters);
    if (n == 0)
        return FALSE;
    n_text = (gsize)MIN(n, text - MIN(before, text));
    /* Those before, too, must be of the alphabet; whole groups of them. */
    decoded = g_malloc(n / 4 * 3 + 6);
    before = offset / 3 * 4 - before;
    if (!is_padding(characters + n_text, n - n_text) ||
        !decode_characters(characters, (gsize)before, decoded) ||
        !decode_characters(characters + before, n_text - (gsize)before,
                           decoded))
        return FALSE;
    memcpy(buffer, decoded + offset % 3, size);
    return TRUE;
}

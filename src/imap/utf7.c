/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imap/utf7.h"

#include <string.h>

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static gboolean
is_plain(gunichar c)
{
    return c >= 0x20 && c <= 0x7e && c != '&';
}

/* Appends the UTF-16BE of a run of base64 digits; FALSE if it is not that. */
static gboolean
decode_run(const char *digits, gsize length, GString *out)
{
    g_autoptr(GArray) units = g_array_new(FALSE, FALSE, sizeof(gunichar2));
    guint32 bits = 0;
    guint n_bits = 0;
    g_autofree char *utf8 = NULL;

    for (gsize i = 0; i < length; i++) {
        const char *digit = strchr(base64_digits, digits[i]);
        if (digit == NULL)
            return FALSE;
        bits = (bits << 6 | (guint32)(digit - base64_digits)) & 0x3fffff;
        n_bits += 6;
        if (n_bits >= 16) {
            gunichar2 unit = (gunichar2)(bits >> (n_bits - 16));
            g_array_append_val(units, unit);
            n_bits -= 16;
        }
    }
    if (units->len == 0)
        return FALSE;
    utf8 = g_utf16_to_utf8((gunichar2 *)(void *)units->data, units->len, NULL,
                           NULL, NULL);
    if (utf8 == NULL)
        return FALSE;
    g_string_append(out, utf8);
    return TRUE;
}

char *
imap_utf7_decode(const char *name)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autofree char *again = NULL;

    for (const char *at = name; *at != '\0'; at++) {
        const char *minus;
        if (*at != '&') {
            if (!is_plain((guchar)*at))
                return NULL;
            g_string_append_c(out, *at);
            continue;
        }
        minus = strchr(++at, '-');
        if (minus == NULL)
            return NULL;
        if (minus == at)
            g_string_append_c(out, '&');
        else if (!decode_run(at, (gsize)(minus - at), out))
            return NULL;
        at = minus;
    }
    /* Only the canonical form, so that no two names decode to one. */
    again = imap_utf7_encode(out->str);
    if (strcmp(again, name) != 0)
        return NULL;
    return g_string_free(g_steal_pointer(&out), FALSE);
}

static void
encode_run(const char *start, const char *end, GString *out)
{
    glong n_units;
    g_autofree gunichar2 *units =
        g_utf8_to_utf16(start, end - start, NULL, &n_units, NULL);
    guint32 bits = 0;
    guint n_bits = 0;

    g_string_append_c(out, '&');
    for (glong i = 0; units != NULL && i < n_units; i++) {
        bits = bits << 16 | units[i];
        for (n_bits += 16; n_bits >= 6; n_bits -= 6)
            g_string_append_c(out, base64_digits[bits >> (n_bits - 6) & 63]);
    }
    if (n_bits > 0)
        g_string_append_c(out, base64_digits[bits << (6 - n_bits) & 63]);
    g_string_append_c(out, '-');
}

char *
imap_utf7_encode(const char *utf8)
{
    GString *out = g_string_new(NULL);
    const char *at = utf8;

    while (*at != '\0') {
        const char *run = at;
        while (*at != '\0' && *at != '&' && !is_plain(g_utf8_get_char(at)))
            at = g_utf8_next_char(at);
        if (at != run) {
            encode_run(run, at, out);
        } else if (*at == '&') {
            g_string_append(out, "&-");
            at++;
        } else {
            g_string_append_c(out, *at++);
        }
    }
    return g_string_free(out, FALSE);
}

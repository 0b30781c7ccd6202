/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/decode.h"

#include <errno.h>
#include <string.h>

#include "mail/base64.h"

#define REPLACEMENT "\357\277\275" /* U+FFFD */
#define BYTE_ORDER_MARK "\357\273\277"

enum {
    CHARSET_MAX = 75, /* characters of its name (RFC 2047, 2) */
    GUESS = 1024,     /* octets that tell the order of octets */
};

/* ---- transfer encodings ----
 *
 * GMime's decoders drop the last octets of base64 that lacks its padding, drop
 * everything behind a stray "=" and do not know a soft line break with blanks
 * in it; tests/test-decode.c shows these.  Hence ours.
 */

struct MailDecoder {
    MailEncoding encoding;
    /* base64 */
    guint32 bits;
    guint n;       /* characters of a quantum of four that were seen */
    guint padding; /* and behind them so many "=" */
    gboolean ended;
    /* quoted-printable: from "=" on, as long as it may mean something */
    GByteArray *held;
};

MailDecoder *
mail_decoder_new(MailEncoding encoding)
{
    MailDecoder *decoder = g_new0(MailDecoder, 1);
    decoder->encoding = encoding;
    decoder->held = g_byte_array_new();
    return decoder;
}

void
mail_decoder_free(MailDecoder *decoder)
{
    if (decoder == NULL)
        return;
    g_byte_array_unref(decoder->held);
    g_free(decoder);
}

/* What a quantum of N characters stands for, N - 1 octets. */
static guint8 *
put_quantum(MailDecoder *decoder, guint8 *to)
{
    guint32 bits = decoder->bits << (6 * (4 - decoder->n));
    for (guint i = 1; i < decoder->n; i++, bits <<= 8)
        *to++ = (guint8)(bits >> 16);
    decoder->n = 0;
    decoder->bits = 0;
    return to;
}

/*
 * What is skipped and where it ends is as Python's email does it, and nearly as
 * GMime.  A "=" that pads nothing is a damaged character like others.
 */
static void
put_base64(MailDecoder *decoder, const char *octets, gsize length,
           gboolean last, GByteArray *to)
{
    guint had = to->len;
    guint8 *at;

    g_byte_array_set_size(to, had + (guint)(length / 4 * 3) + 6);
    at = to->data + had;
    for (gsize i = 0; i < length && !decoder->ended; i++) {
        gint8 value = mail_base64_values[(guchar)octets[i]];
        if (value >= 0) {
            decoder->bits = decoder->bits << 6 | (guint32)value;
            decoder->padding = 0;
            if (++decoder->n == 4)
                at = put_quantum(decoder, at);
        } else if (octets[i] == '=' && decoder->n >= 2 &&
                   decoder->n + ++decoder->padding == 4) {
            at = put_quantum(decoder, at);
            decoder->ended = TRUE;
        }
    }
    if (last && decoder->n >= 2)
        at = put_quantum(decoder, at);
    g_byte_array_set_size(to, (guint)(at - to->data));
}

static void
put_held(MailDecoder *decoder, GByteArray *to)
{
    g_byte_array_append(to, decoder->held->data, decoder->held->len);
    g_byte_array_set_size(decoder->held, 0);
}

/* C follows what is held: "=", a digit, or the blanks of a soft line break.
 * FALSE when the two mean nothing together. */
static gboolean
follow(MailDecoder *decoder, char c, GByteArray *to)
{
    GByteArray *held = decoder->held;
    char before = (char)held->data[held->len - 1];

    if (g_ascii_isxdigit(before)) {
        guint8 octet = (guint8)(g_ascii_xdigit_value(before) * 16);
        if (!g_ascii_isxdigit(c))
            return FALSE;
        octet |= (guint8)g_ascii_xdigit_value(c);
        g_byte_array_append(to, &octet, 1);
        g_byte_array_set_size(held, 0);
        return TRUE;
    }
    if (c == '\n') {
        g_byte_array_set_size(held, 0);
        return TRUE;
    }
    if (before == '\r')
        return FALSE;
    if (c == ' ' || c == '\t' || c == '\r' ||
        (before == '=' && g_ascii_isxdigit(c))) {
        g_byte_array_append(held, (guint8 *)&c, 1);
        return TRUE;
    }
    return FALSE;
}

static void
put_quoted(MailDecoder *decoder, const char *octets, gsize length,
           gboolean last, GByteArray *to)
{
    GByteArray *held = decoder->held;
    const char *end = octets + length;

    for (const char *at = octets; at < end;) {
        const char *equals;
        if (held->len > 0) {
            if (follow(decoder, *at, to))
                at++;
            else
                put_held(decoder, to);
            continue;
        }
        equals = memchr(at, '=', (gsize)(end - at));
        g_byte_array_append(to, (const guint8 *)at,
                            (guint)((equals ? equals : end) - at));
        if (equals == NULL)
            break;
        g_byte_array_append(held, (const guint8 *)equals, 1);
        at = equals + 1;
    }
    /* The line break of a soft one may belong to a boundary. */
    if (last && held->len > 0 && g_ascii_isxdigit(held->data[held->len - 1]))
        put_held(decoder, to);
}

void
mail_decoder_put(MailDecoder *decoder, const char *octets, gsize length,
                 gboolean last, GByteArray *to)
{
    if (length == 0)
        octets = ""; /* or NULL, from where nothing can be counted */
    switch (decoder->encoding) {
    case MAIL_ENCODING_BASE64:
        put_base64(decoder, octets, length, last, to);
        break;
    case MAIL_ENCODING_QUOTED_PRINTABLE:
        put_quoted(decoder, octets, length, last, to);
        break;
    case MAIL_ENCODING_NONE:
    case MAIL_ENCODING_UNKNOWN:
        g_byte_array_append(to, (const guint8 *)octets, (guint)length);
        break;
    }
}

GByteArray *
mail_decode(MailEncoding encoding, const char *octets, gsize length)
{
    g_autoptr(MailDecoder) decoder = mail_decoder_new(encoding);
    GByteArray *to = g_byte_array_new();
    mail_decoder_put(decoder, octets, length, TRUE, to);
    return to;
}

/* ---- charsets ---- */

/*
 * Charsets that shift between sets with escapes: Japanese text of Windows has
 * characters in it that iconv's ISO-2022-JP refuses, and HZ it does not know.
 * What they shift to has one that does not shift, and there these are known.
 */
typedef enum {
    SHIFT_NONE,
    SHIFT_ISO_2022_JP, /* RFC 1468, RFC 1554; to EUC-JP */
    SHIFT_HZ,          /* RFC 1843; to GB 2312 */
} Shift;

typedef enum {
    SET_ASCII,
    SET_PAIRS,    /* two octets for a character */
    SET_JIS_0212, /* two as well, of the supplement */
    SET_KATAKANA,
} Set;

/* The charsets in which mail is written; no other name reaches iconv, which has
 * some that a sender should not be able to choose.  Names are as plain_name()
 * makes them.  Many mean a superset: what calls itself ISO-8859-1 mostly is
 * windows-1252. */
static const struct {
    const char *name;
    const char *iconv;
    Shift shift;
} charsets[] = {
    {"utf8", "UTF-8", SHIFT_NONE},
    {"utf8mb4", "UTF-8", SHIFT_NONE},
    {"unicode11utf8", "UTF-8", SHIFT_NONE},
    {"utf7", "UTF-7", SHIFT_NONE},
    {"unicode11utf7", "UTF-7", SHIFT_NONE},
    {"utf16", "UTF-16", SHIFT_NONE},
    {"utf16be", "UTF-16BE", SHIFT_NONE},
    {"utf16le", "UTF-16LE", SHIFT_NONE},
    {"ucs2", "UTF-16", SHIFT_NONE},
    {"utf32", "UTF-32", SHIFT_NONE},
    {"utf32be", "UTF-32BE", SHIFT_NONE},
    {"utf32le", "UTF-32LE", SHIFT_NONE},
    {"iso88591", "CP1252", SHIFT_NONE},
    {"latin1", "CP1252", SHIFT_NONE},
    {"isolatin1", "CP1252", SHIFT_NONE},
    {"iso88592", "ISO-8859-2", SHIFT_NONE},
    {"latin2", "ISO-8859-2", SHIFT_NONE},
    {"iso88593", "ISO-8859-3", SHIFT_NONE},
    {"iso88594", "ISO-8859-4", SHIFT_NONE},
    {"iso88595", "ISO-8859-5", SHIFT_NONE},
    {"iso88596", "ISO-8859-6", SHIFT_NONE},
    {"iso88596e", "ISO-8859-6", SHIFT_NONE},
    {"iso88596i", "ISO-8859-6", SHIFT_NONE},
    {"iso88597", "ISO-8859-7", SHIFT_NONE},
    {"iso88598", "ISO-8859-8", SHIFT_NONE},
    {"iso88598e", "ISO-8859-8", SHIFT_NONE},
    {"iso88598i", "ISO-8859-8", SHIFT_NONE},
    {"iso88599", "CP1254", SHIFT_NONE},
    {"latin5", "CP1254", SHIFT_NONE},
    {"iso885910", "ISO-8859-10", SHIFT_NONE},
    {"iso885911", "CP874", SHIFT_NONE},
    {"iso885913", "ISO-8859-13", SHIFT_NONE},
    {"iso885914", "ISO-8859-14", SHIFT_NONE},
    {"iso885915", "ISO-8859-15", SHIFT_NONE},
    {"latin9", "ISO-8859-15", SHIFT_NONE},
    {"iso885916", "ISO-8859-16", SHIFT_NONE},
    {"437", "CP437", SHIFT_NONE},
    {"850", "CP850", SHIFT_NONE},
    {"852", "CP852", SHIFT_NONE},
    {"855", "CP855", SHIFT_NONE},
    {"857", "CP857", SHIFT_NONE},
    {"858", "CP858", SHIFT_NONE},
    {"862", "CP862", SHIFT_NONE},
    {"865", "CP865", SHIFT_NONE},
    {"866", "CP866", SHIFT_NONE},
    {"874", "CP874", SHIFT_NONE},
    {"tis620", "CP874", SHIFT_NONE},
    {"1250", "CP1250", SHIFT_NONE},
    {"1251", "CP1251", SHIFT_NONE},
    {"1252", "CP1252", SHIFT_NONE},
    {"1253", "CP1253", SHIFT_NONE},
    {"1254", "CP1254", SHIFT_NONE},
    {"1255", "CP1255", SHIFT_NONE},
    {"1256", "CP1256", SHIFT_NONE},
    {"1257", "CP1257", SHIFT_NONE},
    {"1258", "CP1258", SHIFT_NONE},
    {"koi8r", "KOI8-R", SHIFT_NONE},
    {"koi8u", "KOI8-U", SHIFT_NONE},
    {"koi8ru", "KOI8-U", SHIFT_NONE},
    {"koi8t", "KOI8-T", SHIFT_NONE},
    {"macintosh", "MACINTOSH", SHIFT_NONE},
    {"macroman", "MACINTOSH", SHIFT_NONE},
    {"maccyrillic", "MAC-CYRILLIC", SHIFT_NONE},
    {"macce", "MAC-CENTRALEUROPE", SHIFT_NONE},
    {"viscii", "VISCII", SHIFT_NONE},
    {"gb2312", "GB18030", SHIFT_NONE},
    {"gb231280", "GB18030", SHIFT_NONE},
    {"euccn", "GB18030", SHIFT_NONE},
    {"gbk", "GB18030", SHIFT_NONE},
    {"936", "GB18030", SHIFT_NONE},
    {"gb18030", "GB18030", SHIFT_NONE},
    {"hzgb2312", "GB18030", SHIFT_HZ},
    {"big5", "BIG5-HKSCS", SHIFT_NONE},
    {"big5hkscs", "BIG5-HKSCS", SHIFT_NONE},
    {"950", "BIG5-HKSCS", SHIFT_NONE},
    {"euctw", "EUC-TW", SHIFT_NONE},
    {"euckr", "CP949", SHIFT_NONE},
    {"ksc56011987", "CP949", SHIFT_NONE},
    {"ksc56011989", "CP949", SHIFT_NONE},
    {"ksc5601", "CP949", SHIFT_NONE},
    {"949", "CP949", SHIFT_NONE},
    {"uhc", "CP949", SHIFT_NONE},
    {"johab", "JOHAB", SHIFT_NONE},
    {"iso2022kr", "ISO-2022-KR", SHIFT_NONE},
    {"shiftjis", "CP932", SHIFT_NONE},
    {"sjis", "CP932", SHIFT_NONE},
    {"mskanji", "CP932", SHIFT_NONE},
    {"932", "CP932", SHIFT_NONE},
    {"31j", "CP932", SHIFT_NONE},
    {"eucjp", "EUC-JP-MS", SHIFT_NONE},
    {"iso2022jp", "EUC-JP-MS", SHIFT_ISO_2022_JP},
    {"iso2022jp1", "EUC-JP-MS", SHIFT_ISO_2022_JP},
    {"iso2022jp2", "EUC-JP-MS", SHIFT_ISO_2022_JP},
    {"iso2022jpms", "EUC-JP-MS", SHIFT_ISO_2022_JP},
    {"50220", "EUC-JP-MS", SHIFT_ISO_2022_JP},
    {"50221", "EUC-JP-MS", SHIFT_ISO_2022_JP},
};

/* NAME in lower case, without what is neither letter nor digit and without
 * prefixes that mean nothing, since senders differ in these.  "$", ":" and "*"
 * end it. */
static void
plain_name(const char *name, char plain[CHARSET_MAX + 1])
{
    static const char *const prefixes[] = {"x", "cs", "cp", "windows", "ibm"};
    gsize n = 0;

    for (; *name != '\0' && strchr("$:*", *name) == NULL; name++) {
        if (g_ascii_isalnum(*name) && n < CHARSET_MAX)
            plain[n++] = g_ascii_tolower(*name);
    }
    plain[n] = '\0';
    for (guint i = 0; i < G_N_ELEMENTS(prefixes); i++) {
        gsize skip = strlen(prefixes[i]);
        if (g_str_has_prefix(plain, prefixes[i]))
            memmove(plain, plain + skip, strlen(plain + skip) + 1);
    }
}

/* The set that an escape designates; ESCAPE follows ESC. */
static Set
designated(const char *escape, gsize length, gsize *ret_length)
{
    static const struct {
        const char *escape;
        Set set;
    } escapes[] = {
        {"$@", SET_PAIRS},  {"$B", SET_PAIRS},     {"$(@", SET_PAIRS},
        {"$(B", SET_PAIRS}, {"$(D", SET_JIS_0212}, {"(I", SET_KATAKANA},
        {"(B", SET_ASCII},  {"(J", SET_ASCII},     {"(H", SET_ASCII},
    };
    for (guint i = 0; i < G_N_ELEMENTS(escapes); i++) {
        gsize n = strlen(escapes[i].escape);
        if (length >= n && memcmp(escape, escapes[i].escape, n) == 0) {
            *ret_length = n;
            return escapes[i].set;
        }
    }
    *ret_length = 0;
    return SET_ASCII;
}

/* Whether a shift stands at AT; SET is then the new set, and it is appended to
 * TO if it stands for itself, too. */
static gsize
shift_at(Shift shift, const char *at, gsize length, Set *set, GString *to)
{
    gsize n = 0;

    if (*at == '\n') {
        /* Lines begin in ASCII, whatever the one before forgot. */
        *set = SET_ASCII;
        g_string_append_c(to, '\n');
        return 1;
    }
    if (shift == SHIFT_ISO_2022_JP && *at == '\033') {
        *set = designated(at + 1, length - 1, &n);
        return n + 1;
    }
    if (shift != SHIFT_HZ || *at != '~' || length < 2)
        return 0;
    if (at[1] == (*set == SET_ASCII ? '{' : '}')) {
        *set = *set == SET_ASCII ? SET_PAIRS : SET_ASCII;
        return 2;
    }
    if (*set == SET_ASCII && at[1] == '~')
        g_string_append_c(to, '~');
    return *set == SET_ASCII && (at[1] == '~' || at[1] == '\n') ? 2 : 0;
}

static gboolean
is_graphic(char c)
{
    return c > 0x20 && c < 0x7f;
}

static GString *
unshift(Shift shift, const char *text, gsize length)
{
    GString *to = g_string_sized_new(length);
    const char *end = text + length;
    Set set = SET_ASCII;

    for (const char *at = text; at < end;) {
        gsize n = shift_at(shift, at, (gsize)(end - at), &set, to);
        at += n;
        if (n > 0)
            continue;
        if (set == SET_ASCII || !is_graphic(*at)) {
            g_string_append_c(to, *at++);
            continue;
        }
        if (set == SET_KATAKANA && *at > '_') {
            g_string_append_c(to, '\377'); /* which is nothing */
            at++;
            continue;
        }
        if (set == SET_KATAKANA)
            g_string_append_c(to, '\216');
        else if (set == SET_JIS_0212)
            g_string_append_c(to, '\217');
        g_string_append_c(to, (char)(*at++ | 0x80));
        if (set != SET_KATAKANA && at < end && is_graphic(*at))
            g_string_append_c(to, (char)(*at++ | 0x80));
    }
    return to;
}

/* UTF-16 that does not say in which order: zeros are the upper halves of ASCII
 * characters. */
static const char *
guess_order(const char *text, gsize length)
{
    guint zeros[2] = {0, 0};

    if (length >= 2 && memcmp(text, "\376\377", 2) == 0)
        return "UTF-16BE";
    if (length >= 2 && memcmp(text, "\377\376", 2) == 0)
        return "UTF-16LE";
    for (gsize i = 0; i < MIN(length, GUESS); i++)
        zeros[i % 2] += text[i] == '\0';
    return zeros[1] > zeros[0] ? "UTF-16LE" : "UTF-16BE";
}

/* How many octets a character may have that iconv does not know, so that the
 * next one is not begun in its middle. */
static gsize
lost_octets(const char *name, const char *at, gsize length)
{
    static const char *const pairs[] = {"EUC-", "GB18030", "BIG5-", "CP9"};
    gsize max = *at == '\217' ? 3 : 2; /* as in EUC-JP */
    gsize n = 1;

    if (g_str_has_prefix(name, "UTF-16"))
        return MIN(2, length);
    if (g_str_has_prefix(name, "UTF-32"))
        return MIN(4, length);
    if ((*at & 0x80) == 0 || *at == '\377')
        return 1; /* no first half */
    for (guint i = 0; i < G_N_ELEMENTS(pairs); i++) {
        while (g_str_has_prefix(name, pairs[i]) && n < MIN(max, length) &&
               (at[n] & 0x80) != 0)
            n++;
    }
    return n;
}

/* NULL if iconv does not know it. */
static GString *
convert(const char *name, const char *text, gsize length)
{
    GIConv with = g_iconv_open("UTF-8", name);
    char *at = (char *)text;
    gboolean flushed = FALSE;
    GString *to;

    if (with == (GIConv)-1)
        return NULL;
    to = g_string_sized_new(length);
    while (!flushed) {
        char buffer[4096];
        char *out = buffer;
        gsize room = sizeof(buffer);
        gsize before = length;
        gboolean flush = length == 0;
        gsize done = g_iconv(with, flush ? NULL : &at, flush ? NULL : &length,
                             &out, &room);
        int why = done == (gsize)-1 ? errno : 0;

        g_string_append_len(to, buffer, out - buffer);
        if (length > 0 && (why == EILSEQ || why == EINVAL ||
                           (why != 0 && length == before && out == buffer))) {
            /* One that was cut off is the last. */
            gsize lost = why == EINVAL ? length : lost_octets(name, at, length);
            g_string_append(to, REPLACEMENT);
            at += lost;
            length -= lost;
        }
        flushed = flush;
    }
    g_iconv_close(with);
    return to;
}

static gboolean
is_utf8(const char *text, gsize length)
{
    const char *end = text + length;
    while (text < end && !g_utf8_validate(text, end - text, &text)) {
        if (*text++ != '\0') /* which is left out later */
            return FALSE;
    }
    return TRUE;
}

/* What iconv calls CHARSET, or what TEXT may be if that says nothing. */
static const char *
name_of(const char *charset, const char *text, gsize length, Shift *ret_shift)
{
    char plain[CHARSET_MAX + 1];

    plain_name(charset ? charset : "", plain);
    for (guint i = 0; i < G_N_ELEMENTS(charsets); i++) {
        if (strcmp(charsets[i].name, plain) == 0) {
            *ret_shift = charsets[i].shift;
            return charsets[i].iconv;
        }
    }
    *ret_shift = SHIFT_NONE;
    if (!is_utf8(text, length))
        return "CP1252";
    if (memmem(text, length, "\033$B", 3) == NULL)
        return "UTF-8";
    *ret_shift = SHIFT_ISO_2022_JP;
    return "EUC-JP-MS";
}

/* TEXT is to be UTF-8, and NUL is not wanted. */
static void
append_valid(GString *to, const char *text, gsize length)
{
    const char *end = text + length;

    while (text < end) {
        const char *valid = text;
        gboolean all = g_utf8_validate(text, end - text, &text);
        g_string_append_len(to, valid, text - valid);
        if (!all && *text++ != '\0')
            g_string_append(to, REPLACEMENT);
    }
}

static void
append_text(GString *to, const char *charset, const char *text, gsize length)
{
    g_autoptr(GString) plain = NULL;
    g_autoptr(GString) converted = NULL;
    const char *name;
    Shift shift;

    if (length == 0)
        return;
    name = name_of(charset, text, length, &shift);
    if (shift != SHIFT_NONE) {
        plain = unshift(shift, text, length);
        text = plain->str;
        length = plain->len;
    }
    if (strcmp(name, "UTF-16") == 0)
        name = guess_order(text, length);
    /* iconv need not be asked to convert UTF-8 to UTF-8, nor be believed that
     * this is what it made: glibc's goes beyond U+10FFFF. */
    if (strcmp(name, "UTF-8") != 0)
        converted = convert(name, text, length);
    if (converted != NULL)
        append_valid(to, converted->str, converted->len);
    else
        append_valid(to, text, length);
}

char *
mail_decode_text(const char *text, gsize length, const char *charset)
{
    g_autoptr(GString) decoded = g_string_sized_new(length);
    const char *from;
    char *to;

    append_text(decoded, charset, text, length);
    from = to = decoded->str;
    if (g_str_has_prefix(from, BYTE_ORDER_MARK))
        from += strlen(BYTE_ORDER_MARK);
    for (const char *end = decoded->str + decoded->len; from < end; from++) {
        if (*from == '\r') {
            *to++ = '\n';
            from += from[1] == '\n';
        } else {
            *to++ = *from;
        }
    }
    g_string_truncate(decoded, (gsize)(to - decoded->str));
    return g_string_free(g_steal_pointer(&decoded), FALSE);
}

/* ---- headers ----
 *
 * GMime decodes encoded words as well, with the charsets of iconv's own names
 * and no others, and so that a control character may come out of one.
 */

typedef struct {
    const char *charset;
    gsize charset_length;
    gboolean base64;
    const char *text;
    gsize text_length;
    const char *end;
} Word;

/* Encoded words that follow each other in one charset: mailers cut characters
 * in two. */
typedef struct {
    char charset[CHARSET_MAX + 1];
    GByteArray *octets;
} Run;

/* Whether an encoded word begins at AT, with "=?".  Never looks beyond where
 * the next one begins, so that those without an end cost nothing. */
static gboolean
find_word(const char *at, const char *end, Word *ret)
{
    const char *text = at + 2;

    ret->charset = text;
    while (text<end && * text> ' ' && strchr("=?()<>@,;\"[]", *text) == NULL)
        text++;
    ret->charset_length = (gsize)(text - ret->charset);
    if (ret->charset_length == 0 || ret->charset_length > CHARSET_MAX ||
        end - text < 5 || text[0] != '?' || text[2] != '?')
        return FALSE;
    ret->base64 = text[1] == 'b' || text[1] == 'B';
    if (!ret->base64 && text[1] != 'q' && text[1] != 'Q')
        return FALSE;
    text += 3;
    ret->text = text;
    for (; end - text >= 2; text++) {
        if (text[0] == '?' && text[1] == '=') {
            ret->text_length = (gsize)(text - ret->text);
            ret->end = text + 2;
            return TRUE;
        }
        if (text[0] == '=' && text[1] == '?' && end - text > 2 &&
            text[2] != '=')
            return FALSE;
    }
    return FALSE;
}

static void
end_run(Run *run, GString *to)
{
    append_text(to, run->charset, (const char *)run->octets->data,
                run->octets->len);
    g_byte_array_set_size(run->octets, 0);
}

static void
add_word(Run *run, const Word *word, GString *to)
{
    g_autofree char *text = g_strndup(word->text, word->text_length);
    g_autofree char *charset = g_strndup(word->charset, word->charset_length);
    g_autoptr(GByteArray) octets = NULL;

    if (run->octets->len > 0 && g_ascii_strcasecmp(run->charset, charset) != 0)
        end_run(run, to);
    g_strlcpy(run->charset, charset, sizeof(run->charset));
    if (!word->base64)
        g_strdelimit(text, "_", ' ');
    octets = mail_decode(word->base64 ? MAIL_ENCODING_BASE64
                                      : MAIL_ENCODING_QUOTED_PRINTABLE,
                         text, word->text_length);
    g_byte_array_append(run->octets, octets->data, octets->len);
}

static gboolean
is_blank(const char *text, const char *end)
{
    while (text < end && (*text == ' ' || *text == '\t'))
        text++;
    return text == end;
}

/* FIELD is unfolded. */
static void
append_field(GString *to, Run *run, const char *field, gsize length)
{
    const char *end = field + length;
    const char *plain = field; /* what is no word begins here */
    const char *at = field;
    Word word;

    while (at != NULL && at < end) {
        at = memmem(at, (gsize)(end - at), "=?", 2);
        if (at == NULL)
            break;
        if (!find_word(at, end, &word)) {
            at += 2;
            continue;
        }
        /* Blanks between encoded words are not part of the text. */
        if (run->octets->len == 0 || !is_blank(plain, at)) {
            end_run(run, to);
            append_text(to, NULL, plain, (gsize)(at - plain));
        }
        add_word(run, &word, to);
        at = plain = word.end;
    }
    end_run(run, to);
    append_text(to, NULL, plain, (gsize)(end - plain));
}

/* Leaves out control characters of LINE but for those that are blanks, and
 * blanks at its end. */
static void
append_line(GString *to, const GString *line)
{
    const char *end = line->str + line->len;

    for (const char *at = line->str; at < end; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        if ((c >= '\t' && c <= '\r') || c == 0x85 || c == 0x2028 || c == 0x2029)
            c = ' '; /* these end a line, somewhere */
        if (!g_unichar_iscntrl(c))
            g_string_append_unichar(to, c);
    }
    while (to->len > 0 && to->str[to->len - 1] == ' ')
        g_string_truncate(to, to->len - 1);
    g_string_append_c(to, '\n');
}

char *
mail_decode_header(const char *header, gsize length)
{
    GString *decoded = g_string_sized_new(length);
    g_autoptr(GString) unfolded = g_string_new(NULL);
    g_autoptr(GString) line = g_string_new(NULL);
    Run run = {{'\0'}, g_byte_array_new()};
    const char *end = header + length;

    for (const char *at = header; at < end;) {
        const char *lf = memchr(at, '\n', (gsize)(end - at));
        const char *stop = lf ? lf : end;
        const char *next = lf ? lf + 1 : end;

        if (stop > at && stop[-1] == '\r')
            stop--;
        g_string_append_len(unfolded, at, stop - at);
        at = next;
        if (at < end && (*at == ' ' || *at == '\t')) {
            /* Folded; however far it is indented, that is one blank. */
            while (at < end && (*at == ' ' || *at == '\t'))
                at++;
            g_string_append_c(unfolded, ' ');
            continue;
        }
        append_field(line, &run, unfolded->str, unfolded->len);
        if (unfolded->len > 0)
            append_line(decoded, line);
        g_string_truncate(unfolded, 0);
        g_string_truncate(line, 0);
    }
    g_byte_array_unref(run.octets);
    return g_string_free(decoded, FALSE);
}

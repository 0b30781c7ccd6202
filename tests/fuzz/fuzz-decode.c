/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any octets as a part, as text, as a header, as HTML, and as a message of
 * which somebody reads the text. */
#include "fuzz.h"

#include <gmime/gmime.h>

#include "mail/base64.h"
#include "mail/decode.h"
#include "mail/html.h"
#include "mail/text.h"

/* What was measured and could be decoded by lines is what all of it means. */
static void
check_base64(const char *octets, gsize length)
{
    gsize probe = MIN(length, MAIL_BASE64_PROBE);
    g_autoptr(GByteArray) meant =
        mail_decode(MAIL_ENCODING_BASE64, octets, length);
    g_autofree guint8 *all = NULL;
    MailBase64 base64;
    guint64 from;
    gsize n;

    MUST(meant->len <= mail_base64_bound(length));
    if (!mail_base64_measure(length, octets, probe, octets + length - probe,
                             probe, &base64))
        return;
    MUST(base64.decoded <= mail_base64_bound(length));
    MUST(base64.encoded <= length);
    all = g_malloc(base64.decoded + 1);
    mail_base64_locate(&base64, 0, base64.decoded, &from, &n);
    MUST(from == 0 && n <= base64.encoded);
    if (!mail_base64_decode(&base64, 0, base64.decoded, octets, all)) {
        MUST(length > 2 * MAIL_BASE64_PROBE);
        return;
    }
    MUST(meant->len == base64.decoded);
    MUST(meant->len == 0 || memcmp(meant->data, all, meant->len) == 0);
    for (guint64 at = 0; at < base64.decoded; at += 1 + at / 2) {
        gsize size = (gsize)MIN(base64.decoded - at, 1 + at / 3);
        g_autofree guint8 *some = g_malloc(size);
        g_autofree char *copy = NULL;
        mail_base64_locate(&base64, at, size, &from, &n);
        MUST(from + n <= base64.encoded);
        copy = g_memdup2(octets + from, n);
        MUST(mail_base64_decode(&base64, at, size, copy, some));
        MUST(memcmp(some, all + at, size) == 0);
    }
}

/* Pieces mean what the whole means. */
static void
check_pieces(MailEncoding encoding, const char *octets, gsize length)
{
    g_autoptr(GByteArray) whole = mail_decode(encoding, octets, length);
    g_autoptr(GByteArray) pieces = g_byte_array_new();
    g_autoptr(MailDecoder) decoder = mail_decoder_new(encoding);

    for (gsize at = 0, n; at < length; at += n) {
        n = MIN(1 + (gsize)(guchar)octets[at] % 7, length - at);
        mail_decoder_put(decoder, octets + at, n, FALSE, pieces);
    }
    mail_decoder_put(decoder, NULL, 0, TRUE, pieces);
    MUST(whole->len <= length);
    MUST(whole->len == pieces->len);
    MUST(whole->len == 0 || memcmp(whole->data, pieces->data, whole->len) == 0);
}

static void
check_text(const char *octets, gsize length)
{
    static const char *const charsets[] = {
        NULL,          "utf-8",       "utf-7",  "utf-16",
        "iso-8859-1",  "gb18030",     "big5",   "hz-gb-2312",
        "iso-2022-jp", "iso-2022-kr", "euc-jp", "euc-kr"};
    for (guint i = 0; i < G_N_ELEMENTS(charsets); i++) {
        g_autofree char *text = mail_decode_text(octets, length, charsets[i]);
        g_autofree char *page = mail_html_render(text);
        gsize n = strlen(page);

        MUST(g_utf8_validate(text, -1, NULL));
        MUST(strlen(text) <= 4 * length);
        MUST(strchr(text, '\r') == NULL);
        MUST(g_utf8_validate(page, -1, NULL));
        MUST(n <= 16 * strlen(text));
        MUST(n == 0 || page[n - 1] == '\n');
    }
    g_free(mail_decode_text("x", 1, octets)); /* which ends with NUL */
}

static void
check_header(const char *octets, gsize length)
{
    g_autofree char *header = mail_decode_header(octets, length);

    MUST(g_utf8_validate(header, -1, NULL));
    MUST(*header == '\0' || g_str_has_suffix(header, "\n"));
    for (const char *at = header; *at != '\0'; at = g_utf8_next_char(at))
        MUST(*at == '\n' || !g_unichar_iscntrl(g_utf8_get_char(at)));
}

static void
check_message(const char *octets, gsize length)
{
    g_autoptr(MailStructure) structure = mail_structure_find(octets, length);
    g_autoptr(GArray) pieces = mail_text_pieces(structure);
    GString *text = g_string_new(NULL);

    MUST(pieces->len >= 1);
    for (guint i = 0; i < pieces->len; i++) {
        const MailTextPiece *piece = &g_array_index(pieces, MailTextPiece, i);
        const MailPart *part = &structure->parts[piece->part];
        MUST(piece->part < structure->n);
        MUST(piece->header == (part->kind == MAIL_PART_MESSAGE));
        MUST(i == 0 ||
             piece->part > g_array_index(pieces, MailTextPiece, i - 1).part);
        mail_text_append(
            text, structure, piece, octets + part->offset,
            (gsize)(piece->header ? part->header_octets : part->octets));
    }
    mail_text_end(text, structure);
    MUST(g_str_has_suffix(text->str, "\n"));
    MUST(strlen(text->str) == text->len);
    MUST(g_utf8_validate(text->str, -1, NULL));
    g_string_free(text, TRUE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *octets = g_malloc(size + 1);

    g_mime_init(); /* counts, and does nothing the second time */
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL |
                           G_LOG_LEVEL_WARNING);
    if (size > 0)
        memcpy(octets, data, size);
    octets[size] = '\0';
    check_base64(octets, size);
    check_pieces(MAIL_ENCODING_BASE64, octets, size);
    check_pieces(MAIL_ENCODING_QUOTED_PRINTABLE, octets, size);
    check_text(octets, size);
    check_header(octets, size);
    check_message(octets, size);
    return 0;
}

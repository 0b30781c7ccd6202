/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include <gmime/gmime.h>

#include "mail/decode.h"

/* ---- transfer encodings ---- */

#define B64 MAIL_ENCODING_BASE64
#define QP MAIL_ENCODING_QUOTED_PRINTABLE

/* OCTETS in pieces of STEP. */
static char *
decode_in_steps(MailEncoding encoding, const char *octets, gsize length,
                gsize step)
{
    g_autoptr(MailDecoder) decoder = mail_decoder_new(encoding);
    g_autoptr(GByteArray) to = g_byte_array_new();

    for (gsize i = 0; i < length; i += step) {
        gsize n = MIN(step, length - i);
        g_autofree char *piece = copy_octets(octets + i, n);
        mail_decoder_put(decoder, piece, n, FALSE, to);
    }
    mail_decoder_put(decoder, NULL, 0, TRUE, to);
    g_byte_array_append(to, (const guint8 *)"", 1);
    return g_strdup((const char *)to->data);
}

static char *
decode_by_gmime(MailEncoding encoding, const char *octets, gsize length)
{
    GMimeEncoding decoder;
    g_autofree char *to = NULL;
    gsize n;

    g_mime_encoding_init_decode(
        &decoder, encoding == B64 ? GMIME_CONTENT_ENCODING_BASE64
                                  : GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE);
    to = g_malloc(g_mime_encoding_outlen(&decoder, length) + 8);
    n = g_mime_encoding_flush(&decoder, octets, length, to);
    return g_strndup(to, n);
}

static const struct {
    MailEncoding encoding;
    const char *octets;
    const char *meant;
    const char *gmime; /* what GMime makes of it, if that is something else */
} transfer_rows[] = {
    {B64, "", "", NULL},
    {B64, "aGVsbG8=", "hello", NULL},
    {B64, "aGVs\r\nbA==\r\n", "hell", NULL},
    {B64, "aGVsbG8h", "hello!", NULL},
    /* padding that is missing */
    {B64, "aGVsbG8", "hello", "hel"},
    {B64, "aGVsbA", "hell", "hel"},
    {B64, "aGVsbA=", "hell", NULL},
    {B64, "aGVsb", "hel", NULL},
    {B64, "a", "", NULL},
    /* what is not in the alphabet */
    {B64, "aG*V\303\251s-bG_8=", "hello", NULL},
    {B64, "aGVs\r\n\r\n  bG8\t=\r\n", "hello", NULL},
    /* padding that pads nothing, and where it ends */
    {B64, "=aGVsbG8=", "hello", ""},
    {B64, "a=GVsbG8=", "hello", ""},
    {B64, "aG=VsbG8=", "hello", "h"},
    {B64, "aGVsbG8h=", "hello!", NULL},
    {B64, "aGVsbG8h====", "hello!", NULL},
    {B64, "aGVsbA=\r\n=", "hell", NULL},
    {B64, "aGVsbG8=\r\n____\r\nlist mailing list\r\n", "hello", NULL},
    {B64, "aGVsbG8=aGVsbG8=", "hello", NULL},

    {QP, "", "", NULL},
    {QP, "a=20b=3D=3d", "a b==", NULL},
    {QP, "a=\r\nb=\nc", "abc", NULL},
    {QP, "a\r\nb\nc", "a\r\nb\nc", NULL},
    {QP, "a_b", "a_b", NULL},
    /* soft line breaks with blanks, and at the end */
    {QP, "a= \r\nb", "ab", "a= \r\nb"},
    {QP, "a=\t \nb", "ab", "a=\t \nb"},
    {QP, "a=", "a", NULL},
    {QP, "a=\r", "a", NULL},
    {QP, "a= \t", "a", "a= \t"},
    /* what is no escape */
    {QP, "a=ZZb", "a=ZZb", NULL},
    {QP, "a=4", "a=4", "a"},
    {QP, "a=4\r\nb", "a=4\r\nb", NULL},
    {QP, "a=4=20b", "a=4 b", "a=4=20b"},
    {QP, "a==20b", "a= b", "a==20b"},
    {QP, "a= x", "a= x", NULL},
    {QP, "a=\rb", "a=\rb", NULL},
    {QP, "a=\r=20b", "a=\r b", "a=\r=20b"},
    {QP, "a= \t4b=", "a= \t4b", NULL},
    /* blanks at the end of a line may be meant */
    {QP, "a \t\r\nb", "a \t\r\nb", NULL},
    {QP, "-- \r\nb ", "-- \r\nb ", NULL},

    {MAIL_ENCODING_NONE, "a=20\r\naGVsbG8=", "a=20\r\naGVsbG8=", NULL},
    {MAIL_ENCODING_UNKNOWN, "begin 644 x\n#86)C", "begin 644 x\n#86)C", NULL},
};

static void
test_transfer(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(transfer_rows); i++) {
        MailEncoding encoding = transfer_rows[i].encoding;
        const char *octets = transfer_rows[i].octets;
        const char *meant = transfer_rows[i].meant;
        gsize length = strlen(octets);

        for (gsize step = 1; step < MAX(length, 2); step++) {
            g_autofree char *got =
                decode_in_steps(encoding, octets, length, step);
            row_string(octets, "what it means", got, meant);
        }
        if (encoding == B64 || encoding == QP) {
            g_autofree char *got = decode_by_gmime(encoding, octets, length);
            const char *gmime = transfer_rows[i].gmime;
            row_string(octets, "what GMime says", got, gmime ? gmime : meant);
        }
    }
    rows_end();
}

static void
test_every_octet(void **state)
{
    g_autoptr(GByteArray) all = g_byte_array_new();
    g_autofree char *base64 = NULL;
    g_autoptr(GString) quoted = g_string_new(NULL);
    (void)state;

    for (guint i = 0; i < 70000; i++) {
        guint8 octet = (guint8)(i * 7 + i / 256);
        g_byte_array_append(all, &octet, 1);
        g_string_append_printf(quoted, i % 2 ? "=%02X" : "=%02x", octet);
        if (i % 20 == 0)
            g_string_append(quoted, "=\r\n");
    }
    base64 = g_base64_encode(all->data, all->len);
    for (guint i = 0; i < 2; i++) {
        g_autoptr(GByteArray) got =
            i == 0 ? mail_decode(B64, base64, strlen(base64))
                   : mail_decode(QP, quoted->str, quoted->len);
        assert_int_equal(got->len, all->len);
        assert_memory_equal(got->data, all->data, all->len);
    }
}

/* ---- charsets ---- */

static const struct {
    const char *charset;
    const char *text;
    gsize length;
    const char *meant;
} text_rows[] = {
    {"utf-8", OCTETS("Gr\303\274\303\237e"), "Gr\303\274\303\237e"},
    {NULL, OCTETS("Gr\303\274\303\237e"), "Gr\303\274\303\237e"},
    {"us-ascii", OCTETS("plain"), "plain"},
    {"", OCTETS(""), ""},
    /* lines and NUL */
    {"utf-8", OCTETS("a\r\nb\rc\nd\r\r\ne\r"), "a\nb\nc\nd\n\ne\n"},
    {"utf-8", OCTETS("a\0b\0\0"), "ab"},
    {NULL, OCTETS("\303\274\0b"), "\303\274b"},
    {"utf-8", OCTETS("\357\273\277a\357\273\277"), "a\357\273\277"},
    /* names that iconv does not know, or not by that name */
    {"ks_c_5601-1987", OCTETS("\260\241\201\101"), "\352\260\200\352\260\202"},
    {"x-sjis", OCTETS("\202\240\207\100"), "\343\201\202\342\221\240"},
    {"x-mac-roman", OCTETS("\216"), "\303\251"},
    {"cp-850", OCTETS("\202"), "\303\251"},
    {"CP1251", OCTETS("\357"), "\320\277"},
    {"windows-1251", OCTETS("\357"), "\320\277"},
    {"unicode-1-1-utf-7", OCTETS("a+AOk-b"), "a\303\251b"},
    {"iso-8859-8-i", OCTETS("\340"), "\327\220"},
    {"hz-gb-2312", OCTETS("a~{VPND~}~~b~\nc"), "a\344\270\255\346\226\207~bc"},
    {"hz-gb-2312", OCTETS("~{VP\nND~}"), "\344\270\255\nND~}"},
    {"unknown-8bit", OCTETS("\351"), "\303\251"},
    {"_iso-2022-jp$SIO", OCTETS("\033$B$\"\033(B"), "\343\201\202"},
    {"ISO_8859-1:1987", OCTETS("\223"), "\342\200\234"},
    {"\"utf-8\"", OCTETS("\303\251"), "\303\251"},
    {"utf8", OCTETS("\303\251"), "\303\251"},
    /* those that mean a superset */
    {"iso-8859-1", OCTETS("\223\351\224 \200"),
     "\342\200\234\303\251\342\200\235 \342\202\254"},
    {"iso-8859-9", OCTETS("\223\376"), "\342\200\234\305\237"},
    {"gb2312", OCTETS("\351\106"), "\351\225\225"},
    {"big5", OCTETS("\244\244\371\326"), "\344\270\255\347\242\201"},
    {"euc-kr", OCTETS("\201\101"), "\352\260\202"},
    {"us-ascii", OCTETS("\303\251"), "\303\251"},
    {"us-ascii", OCTETS("\351t\351"), "\303\251t\303\251"},
    {"koi8-r", OCTETS("\320"), "\320\277"},
    /* nobody's, and what iconv has and a sender shall not choose */
    {"no-such-charset", OCTETS("\351"), "\303\251"},
    {"no-such-charset", OCTETS("\303\251"), "\303\251"},
    {"no-such-charset", OCTETS("\201x"), "\357\277\275x"},
    {"IBM1390", OCTETS("abc"), "abc"},
    {"TSCII", OCTETS("\202"), "\342\200\232"},
    {"utf-8//IGNORE", OCTETS("\303\251\377"), "\303\203\302\251\303\277"},
    /* broken sequences */
    {"utf-8", OCTETS("a\303b"), "a\357\277\275b"},
    {"utf-8", OCTETS("a\303"), "a\357\277\275"},
    {"utf-8", OCTETS("\377\376x"), "\357\277\275\357\277\275x"},
    {"utf-8", OCTETS("\355\240\200x"), "\357\277\275\357\277\275\357\277\275x"},
    {"utf-8", OCTETS("\365\255\270\226x"),
     "\357\277\275\357\277\275\357\277\275\357\277\275x"},
    {"utf-8", OCTETS("\377\364\220\200\200"),
     "\357\277\275\357\277\275\357\277\275\357\277\275"
     "\357\277\275"},
    {"big5", OCTETS("\244"), "\357\277\275"},
    {"windows-1252", OCTETS("\201\351"), "\357\277\275\303\251"},
    {"utf-7", OCTETS("a\351b"), "a\357\277\275b"},
    /* UTF-16 and UTF-32 */
    {"utf-16", OCTETS("\376\377\000a\000\351"), "a\303\251"},
    {"utf-16", OCTETS("\377\376a\000\351\000"), "a\303\251"},
    {"utf-16", OCTETS("\000a\000b"), "ab"},
    {"utf-16", OCTETS("a\000b\000"), "ab"},
    {"utf-16le", OCTETS("a\000\r\000\n\000b\000"), "a\nb"},
    {"utf-16be", OCTETS("\330\075\334\347"), "\360\237\223\247"},
    {"utf-16be", OCTETS("\334\000\000a"), "\357\277\275a"},
    {"utf-16be", OCTETS("\000a\000"), "a\357\277\275"},
    {"utf-32", OCTETS("\000\000\376\377\000\000\000\351"), "\303\251"},
    /* Japanese that shifts */
    {"iso-2022-jp", OCTETS("a\033$B$\"$$\033(Bb"),
     "a\343\201\202\343\201\204b"},
    {"iso-2022-jp", OCTETS("\033$B-!\033(B"), "\342\221\240"},
    {"iso-2022-jp", OCTETS("\033(I1\033(B"), "\357\275\261"},
    {"iso-2022-jp", OCTETS("\033$B$\"\nb\033"), "\343\201\202\nb"},
    {"iso-2022-jp", OCTETS("\033$B$\"$"), "\343\201\202\357\277\275"},
    {"iso-2022-jp", OCTETS("\033(I~1\033(B"), "\357\277\275\357\275\261"},
    {"iso-2022-jp", OCTETS("\033$B)!$\"\033(B"), "\357\277\275\343\201\202"},
    {"iso-2022-jp", OCTETS("\033$(D!!0!\033(B"), "\357\277\275\344\270\202"},
    {"euc-jp", OCTETS("\251\241\244\242"), "\357\277\275\343\201\202"},
    {"euc-jp", OCTETS("\244a"), "\357\277\275a"},
    {"iso-2022-jp-1", OCTETS("\033$(D0!\033(B"), "\344\270\202"},
    {NULL, OCTETS("\033$B$\"\033(B"), "\343\201\202"},
    {"iso-2022-kr", OCTETS("\033$)C\016\060\041\017a"), "\352\260\200a"},
};

static void
test_text(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(text_rows); i++) {
        g_autofree char *copy =
            copy_octets(text_rows[i].text, text_rows[i].length);
        g_autofree char *row =
            g_strdup_printf("%s: %s", text_rows[i].charset, text_rows[i].meant);
        g_autofree char *got =
            mail_decode_text(copy, text_rows[i].length, text_rows[i].charset);
        row_string(row, "the text", got, text_rows[i].meant);
        if (!g_utf8_validate(got, -1, NULL))
            row_fail(row, "is no UTF-8");
    }
    rows_end();
}

/* Every octet and every pair, in every charset that is known by a name. */
static void
test_all_charsets(void **state)
{
    static const char *const names[] = {
        "utf-8",        "utf-7",        "utf-16",         "utf-16le",
        "utf-32",       "iso-8859-1",   "iso-8859-2",     "iso-8859-3",
        "iso-8859-4",   "iso-8859-5",   "iso-8859-6",     "iso-8859-7",
        "iso-8859-8",   "iso-8859-9",   "iso-8859-10",    "iso-8859-11",
        "iso-8859-13",  "iso-8859-14",  "iso-8859-15",    "iso-8859-16",
        "tis-620",      "windows-874",  "windows-1250",   "windows-1251",
        "windows-1253", "windows-1255", "windows-1256",   "windows-1257",
        "windows-1258", "ibm437",       "cp850",          "cp852",
        "cp855",        "cp857",        "cp858",          "cp862",
        "cp865",        "cp866",        "koi8-r",         "koi8-u",
        "koi8-t",       "macintosh",    "x-mac-cyrillic", "x-mac-ce",
        "viscii",       "gbk",          "gb18030",        "hz-gb-2312",
        "big5",         "euc-tw",       "euc-kr",         "johab",
        "iso-2022-kr",  "shift_jis",    "euc-jp",         "iso-2022-jp",
        "nonsense",
    };
    GString *pairs = g_string_new(NULL);
    (void)state;

    for (guint i = 0; i < 256 * 256; i++) {
        g_string_append_c(pairs, (char)(i / 256));
        g_string_append_c(pairs, (char)(i % 256));
        if (i % 16 == 0)
            g_string_append_c(pairs, '\n');
    }
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *plain = mail_decode_text("a b", 3, names[i]);
        g_autofree char *got =
            mail_decode_text(pairs->str, pairs->len, names[i]);
        if (!g_utf8_validate(got, -1, NULL))
            row_fail(names[i], "what comes out is no UTF-8");
        if (strlen(got) > 4 * pairs->len)
            row_fail(names[i], "of %zu octets %zu came", pairs->len,
                     strlen(got));
        if (!g_str_has_prefix(names[i], "utf-16") &&
            !g_str_has_prefix(names[i], "utf-32"))
            row_string(names[i], "ASCII", plain, "a b");
    }
    g_string_free(pairs, TRUE);
    rows_end();
}

/* ---- headers ---- */

static const struct {
    const char *header;
    gsize length;
    const char *meant;
} header_rows[] = {
    {OCTETS(""), ""},
    {OCTETS("Subject: a\r\nTo: b\r\n\r\n"), "Subject: a\nTo: b\n"},
    {OCTETS("Subject: a\nTo: b"), "Subject: a\nTo: b\n"},
    {OCTETS("Subject: a\r\n b\r\n\t  c\r\nTo: d\r\n"),
     "Subject: a b c\nTo: d\n"},
    {OCTETS("Subject:\r\n a \r\n \r\n"), "Subject: a\n"},
    {OCTETS(" a\r\nno field\r\n"), " a\nno field\n"},
    /* RFC 2047, 8 */
    {OCTETS("(=?ISO-8859-1?Q?a?=)"), "(a)\n"},
    {OCTETS("(=?ISO-8859-1?Q?a?= b)"), "(a b)\n"},
    {OCTETS("(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)"), "(ab)\n"},
    {OCTETS("(=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=)"), "(ab)\n"},
    {OCTETS("(=?ISO-8859-1?Q?a_b?=)"), "(a b)\n"},
    {OCTETS("(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)"), "(a b)\n"},
    {OCTETS("=?US-ASCII*EN?Q?Keith_Moore?="), "Keith Moore\n"},
    /* characters cut in two */
    {OCTETS("=?utf-8?q?=C3?= =?UTF-8?Q?=A9?="), "\303\251\n"},
    {OCTETS("=?utf-8?b?w6?= =?utf-8?b?qQ==?="), "\303\251\n"},
    {OCTETS("=?utf-8?b?ww==?=\r\n =?utf-8?q?=A9?="), "\303\251\n"},
    {OCTETS("=?utf-8?q?=C3?= x =?utf-8?q?=A9?="),
     "\357\277\275 x \357\277\275\n"},
    {OCTETS("=?iso-2022-jp?B?GyRCJCIbKEI=?= =?iso-2022-jp?B?GyRCJCQbKEI=?="),
     "\343\201\202\343\201\204\n"},
    /* where they should not be */
    {OCTETS("\"=?utf-8?q?a_b?=\" <x@y>"), "\"a b\" <x@y>\n"},
    {OCTETS("x=?utf-8?q?a?=y"), "xay\n"},
    {OCTETS("=?utf-8?q?a?==?utf-8?q?b?="), "ab\n"},
    {OCTETS("=?utf-8?q?a b c?="), "a b c\n"},
    {OCTETS("=?utf-8?q?a\r\n b?="), "a b\n"},
    {OCTETS("=?utf-8?Q?a?b?="), "a?b\n"},
    {OCTETS("=?utf-8?Q?a=?="), "a\n"},
    /* what is none */
    {OCTETS("=?utf-8?q?a"), "=?utf-8?q?a\n"},
    {OCTETS("=?utf-8?q?a =?utf-8?q?b?="), "=?utf-8?q?a b\n"},
    {OCTETS("=?utf-8?x?a?="), "=?utf-8?x?a?=\n"},
    {OCTETS("=??q?a?= =?=?=?"), "=??q?a?= =?=?=?\n"},
    {OCTETS("=?"), "=?\n"},
    {OCTETS("=?utf-8?q?"
            "?=x"),
     "x\n"},
    /* charsets */
    {OCTETS("=?ks_c_5601-1987?B?sKE=?="), "\352\260\200\n"},
    {OCTETS("=?x-sjis?B?gqA=?="), "\343\201\202\n"},
    {OCTETS("=?iso-8859-1?q?=93a?="), "\342\200\234a\n"},
    {OCTETS("=?unknown-8bit?q?=E9?="), "\303\251\n"},
    {OCTETS("=?TSCII?q?=82?="), "\342\200\232\n"},
    {OCTETS("Subject: caf\351 =?utf-8?q?=C3=A9?= \303\251"),
     "Subject: caf\303\251 \303\251 \303\251\n"},
    {OCTETS("Subject: \033$B$\"\033(B"), "Subject: \343\201\202\n"},
    /* control characters, written or encoded */
    {OCTETS("a\tb\rc\0d\033[2Je\177"), "a b cd[2Je\n"},
    {OCTETS("=?utf-8?q?a=0D=0ABcc:_x=00y=1B?="), "a  Bcc: xy\n"},
    {OCTETS("=?utf-8?q?a=C2=85b=E2=80=A8c=C2=9Bd?="), "a b cd\n"},
};

static void
test_header(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(header_rows); i++) {
        g_autofree char *copy =
            copy_octets(header_rows[i].header, header_rows[i].length);
        g_autofree char *got = mail_decode_header(copy, header_rows[i].length);
        row_string(header_rows[i].header, "the header", got,
                   header_rows[i].meant);
    }
    rows_end();
}

/* A mebibyte of each, as text the eighth of it, takes no longer than its length
 * allows. */
static void
test_long(void **state)
{
    static const char *const units[] = {
        "=?utf-8?q?=C3?= ",
        "=?utf-8?q?=C3?= =?iso-8859-1?b?w6?= ",
        "=?utf-8?q?",
        "=?",
        "=?=",
        "?=",
        "=?a?q?=?=",
        "=?utf-8?b?",
        "a\r\n ",
        "\r\n",
        "\r\n ",
        "\351",
        "=",
        "= ",
        "=\r",
        "~{",
        "\033$B$",
        "+AOk",
        "a",
        "\0",
    };
    static const char *const charsets[] = {NULL,  "utf-8",       "utf-7",
                                           "hz",  "iso-2022-jp", "utf-16",
                                           "gbk", "hz-gb-2312"};
    (void)state;
    for (guint u = 0; u < G_N_ELEMENTS(units); u++) {
        g_autoptr(GString) text = g_string_new("Subject: ");
        double begin;
        gsize n = MAX(strlen(units[u]), 1);

        while (text->len < 1 << 20)
            g_string_append_len(text, units[u], (gssize)n);
        begin = cpu_seconds();
        g_free(mail_decode_header(text->str, text->len));
        g_byte_array_unref(mail_decode(B64, text->str, text->len));
        g_byte_array_unref(mail_decode(QP, text->str, text->len));
        for (guint c = 0; c < G_N_ELEMENTS(charsets); c++)
            g_free(mail_decode_text(text->str, text->len / 8, charsets[c]));
        if (cpu_seconds() - begin > 10)
            row_fail(units[u], "took %g seconds", cpu_seconds() - begin);
    }
    rows_end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transfer), cmocka_unit_test(test_every_octet),
        cmocka_unit_test(test_text),     cmocka_unit_test(test_all_charsets),
        cmocka_unit_test(test_header),   cmocka_unit_test(test_long),
    };
    rows_begin_program();
    g_mime_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

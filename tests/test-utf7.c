/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include "imap/utf7.h"

/* ---- names that have a canonical form ---- */

static const struct {
    const char *name;
    const char *utf7;
    const char *utf8;
} canonical_rows[] = {
    {"empty", "", ""},
    {"plain", "INBOX", "INBOX"},
    {"ampersand", "R&-D", "R&D"},
    {"ampersand at the end", "a&-", "a&"},
    {"two ampersands", "&-&-", "&&"},
    {"RFC 3501", "~peter/mail/&U,BTFw-/&ZeVnLIqe-",
     "~peter/mail/\345\217\260\345\214\227/\346\227\245\346\234\254\350\252"
     "\236"},
    {"German Outlook", "Gel&APY-schte Elemente", "Gel\303\266schte Elemente"},
    {"Russian mail.ru", "&BCEEPwQwBDw-", "\320\241\320\277\320\260\320\274"},
    {"French Gmail", "[Gmail]/Messages envoy&AOk-s",
     "[Gmail]/Messages envoy\303\251s"},
    {"Japanese Gmail", "[Gmail]/&MLkwvzD8TtgwTQ-",
     "[Gmail]/\343\202\271\343\202\277\343\203\274\344\273\230\343\201\215"},
    {"beyond the BMP", "&2D3c5w-", "\360\237\223\247"},
    {"ampersand behind a run", "&AOk-&-", "\303\251&"},
    {"minus behind a run", "&AOk--", "\303\251-"},
    {"newline", "a&AAo-b", "a\nb"},
    {"DEL", "&AH8-", "\177"},
    {"C1", "&AIU-", "\302\205"},
    {"right-to-left override", "&IC4-", "\342\200\256"},
    {"percent", "%41", "%41"},
    {"plus and comma", "a+b,c", "a+b,c"},
};

static void
test_canonical(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(canonical_rows); i++) {
        const char *name = canonical_rows[i].name;
        g_autofree char *utf8 = imap_utf7_decode(canonical_rows[i].utf7);
        g_autofree char *utf7 = imap_utf7_encode(canonical_rows[i].utf8);
        row_string(name, "UTF-8", utf8, canonical_rows[i].utf8);
        row_string(name, "UTF-7", utf7, canonical_rows[i].utf7);
    }
    rows_end();
}

/* ---- names that have none ---- */

static const struct {
    const char *name;
    const char *utf7;
} refused_rows[] = {
    {"ampersand alone", "&"},
    {"ampersand in the middle", "R&D"},
    {"run without end", "&AOk"},
    {"slash that hides", "&AC8-"},
    {"dot that hides", "&AC4ALg-"},
    {"letter that hides", "&AGE-"},
    {"ampersand that hides", "&ACY-"},
    {"NUL", "&AAA-"},
    {"NUL behind a character", "&AOkAAA-"},
    {"two runs, one would do", "&AOk-&AOk-"},
    {"bits left over", "&AOl-"},
    {"half a unit", "&AO-"},
    {"one digit", "&A-"},
    {"two digits", "&AA-"},
    {"a digit too many", "&AOkA-"},
    {"high surrogate alone", "&2D0-"},
    {"low surrogate alone", "&3Oc-"},
    {"surrogates reversed", "&3OfYPQ-"},
    {"a slash among the digits", "&U/BTFw-"},
    {"padding", "&AOk=-"},
    {"blank among the digits", "&AO k-"},
    {"8-bit", "Gel\303\266scht"},
    {"8-bit among the digits", "&\303\266-"},
    {"Latin-1", "Gel\366scht"},
    {"newline", "a\nb"},
    {"DEL", "a\177"},
};

static void
test_refused(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(refused_rows); i++) {
        g_autofree char *utf8 = imap_utf7_decode(refused_rows[i].utf7);
        row_string(refused_rows[i].name, "UTF-8", utf8, NULL);
    }
    rows_end();
}

/* ---- all of Unicode ---- */

static void
test_every_character(void **state)
{
    (void)state;
    for (gunichar c = 1; c <= 0x10ffff; c++) {
        char utf8[16] = "a";
        g_autofree char *utf7 = NULL;
        g_autofree char *again = NULL;
        if (!g_unichar_validate(c))
            continue;
        utf8[1 + g_unichar_to_utf8(c, utf8 + 1)] = '\0';
        utf7 = imap_utf7_encode(utf8);
        assert_true(g_str_is_ascii(utf7));
        again = imap_utf7_decode(utf7);
        assert_string_equal(again, utf8);
    }
}

/* No two names decode to one: what decodes is what encoding makes of it. */
static void
test_short_names(void **state)
{
    static const char digits[] = "&-Aaz09+,/=.\001\177\303\251";
    char name[6] = "";
    guint n = sizeof digits - 1;
    guint all = n * n * n * n * n;
    (void)state;

    for (guint number = 0; number < all; number++) {
        guint rest = number;
        g_autofree char *utf8 = NULL;
        for (guint i = 0; i < 5; i++, rest /= n)
            name[i] = digits[rest % n];
        utf8 = imap_utf7_decode(name);
        if (utf8 != NULL) {
            g_autofree char *again = imap_utf7_encode(utf8);
            assert_string_equal(again, name);
            assert_true(g_utf8_validate(utf8, -1, NULL));
        }
    }
}

static void
test_long(void **state)
{
    g_autoptr(GString) utf8 = g_string_new(NULL);
    g_autofree char *utf7 = NULL;
    g_autofree char *again = NULL;
    (void)state;

    for (guint i = 0; i < 100000; i++)
        g_string_append(utf8, i % 7 ? "\303\251" : "&x");
    utf7 = imap_utf7_encode(utf8->str);
    again = imap_utf7_decode(utf7);
    assert_string_equal(again, utf8->str);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_every_character),
        cmocka_unit_test(test_short_names),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_refused),
    };
    rows_begin_program();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

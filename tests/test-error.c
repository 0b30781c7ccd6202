/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include "base/error.h"

static const struct {
    const char *name;
    const char *server;
    gssize length;
    const char *shown;
} printable_rows[] = {
    {"Dovecot", "Mailbox doesn't exist: x (0.001 secs).", -1,
     "Mailbox doesn't exist: x (0.001 secs)."},
    {"empty", "", -1, ""},
    {"empty slice", "abc", 0, ""},
    {"slice", "abcdef", 3, "abc"},
    {"injected log line", "no\r\nmounted ok", -1, "no??mounted ok"},
    {"terminal sequence", "\033[2J\033]0;title\a", -1, "?[2J?]0;title?"},
    {"DEL", "a\177b", -1, "a?b"},
    {"C1 CSI",
     "a\302\233"
     "2J",
     -1, "a??2J"},
    {"C1 at both ends", "\302\200x\302\237", -1, "??x??"},
    {"NBSP is no control character", "a\302\240b", -1, "a\302\240b"},
    {"UTF-8", "Entw\303\274rfe", -1, "Entw\303\274rfe"},
    {"Latin-1", "Entw\374rfe", -1, "Entw\357\277\275rfe"},
    {"cut off inside a character", "ab\303", -1, "ab\357\277\275"},
    {"format directives", "%s%n%99999d", -1, "%s%n%99999d"},
};

static void
test_printable(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(printable_rows); i++) {
        g_autofree char *shown = imapfs_printable(printable_rows[i].server,
                                                  printable_rows[i].length);
        row_string(printable_rows[i].name, "text", shown,
                   printable_rows[i].shown);
    }
    rows_end();
}

static void
test_nul(void **state)
{
    g_autofree char *shown = imapfs_printable(OCTETS("a\0b"));
    (void)state;
    assert_string_equal(shown, "a\357\277\275b");
}

/* At most 200 octets of what the server said, whatever they are. */
static void
test_long(void **state)
{
    (void)state;
    for (gsize before = 0; before < 4; before++) {
        g_autoptr(GString) text = g_string_new(NULL);
        g_autofree char *shown = NULL;
        for (gsize i = 0; i < before; i++)
            g_string_append_c(text, 'x');
        for (guint i = 0; i < 1000; i++)
            g_string_append(text, "\360\237\223\247");
        shown = imapfs_printable(text->str, (gssize)text->len);
        assert_true(g_utf8_validate(shown, -1, NULL));
        assert_in_range(strlen(shown), 190, 210);
    }
}

static void
test_every_octet(void **state)
{
    (void)state;
    for (guint a = 0; a < 256; a++) {
        for (guint b = 0; b < 256; b++) {
            char pair[2] = {(char)a, (char)b};
            g_autofree char *shown = imapfs_printable(pair, 2);
            assert_true(g_utf8_validate(shown, -1, NULL));
            for (char *at = shown; *at != '\0'; at = g_utf8_next_char(at))
                assert_false(g_unichar_iscntrl(g_utf8_get_char(at)));
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_printable),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_every_octet),
    };
    rows_begin_program();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

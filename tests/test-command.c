/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include "imap/command.h"

/* ---- what becomes of a string on the wire ---- */

static const struct {
    const char *name;
    const char *string;
    const char *wire; /* the pieces, with "|" between them */
} string_rows[] = {
    {"plain", "INBOX", "SELECT \"INBOX\""},
    {"empty", "", "SELECT \"\""},
    {"blank", "Sent Items", "SELECT \"Sent Items\""},
    {"quote", "a\"b", "SELECT \"a\\\"b\""},
    {"backslash", "a\\", "SELECT \"a\\\\\""},
    {"ends in braces: no literal", "a{5}", "SELECT \"a{5}\""},
    {"ends in {n+}", "a{5+}", "SELECT \"a{5+}\""},
    {"wildcards", "%*", "SELECT \"%*\""},
    {"format directives", "%s%n", "SELECT \"%s%n\""},
    {"modified UTF-7", "&AOk-", "SELECT \"&AOk-\""},
    {"a command injected", "a\r\nA2 DELETE INBOX",
     "SELECT {18}|a\r\nA2 DELETE INBOX"},
    {"LF", "a\nb", "SELECT {3}|a\nb"},
    {"CR", "a\rb", "SELECT {3}|a\rb"},
    {"8-bit", "\303\274", "SELECT {2}|\303\274"},
    {"Latin-1", "\374", "SELECT {1}|\374"},
};

static char *
join(const ImapCommand *command)
{
    GString *all = g_string_new(NULL);
    for (guint i = 0; i < imap_command_n_pieces(command); i++) {
        const GString *piece = imap_command_piece(command, i);
        if (i > 0)
            g_string_append_c(all, '|');
        g_string_append_len(all, piece->str, (gssize)piece->len);
    }
    return g_string_free(all, FALSE);
}

static void
test_strings(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(string_rows); i++) {
        g_autoptr(ImapCommand) command = imap_command_new("SELECT ");
        g_autofree char *wire = NULL;
        imap_command_add_string(command, string_rows[i].string);
        wire = join(command);
        row_string(string_rows[i].name, "wire", wire, string_rows[i].wire);
    }
    rows_end();
}

/* What is sent in a literal is announced to the octet, line ends included. */
static void
test_literal_counts(void **state)
{
    (void)state;
    for (guint c = 1; c < 256; c++) {
        char string[] = {'a', (char)c, 'b', '\0'};
        g_autoptr(ImapCommand) command = imap_command_new("X ");
        const GString *first;
        imap_command_add_string(command, string);
        first = imap_command_piece(command, 0);
        assert_null(memchr(first->str, '\r', first->len));
        assert_null(memchr(first->str, '\n', first->len));
        if (imap_command_n_pieces(command) == 2) {
            assert_string_equal(first->str, "X {3}");
            assert_string_equal(imap_command_piece(command, 1)->str, string);
        } else {
            assert_int_equal(imap_command_n_pieces(command), 1);
        }
    }
}

/* ---- secrets ---- */

static const char *const secret_rows[] = {
    "hunter2", "with \"quotes\"", "p\303\244ssword", "line\r\nend", "%s",
};

static void
test_secrets(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(secret_rows); i++) {
        const char *secret = secret_rows[i];
        g_autoptr(ImapCommand) command = imap_command_new("LOGIN ");
        g_autoptr(GString) trace = g_string_new(NULL);
        g_autofree char *wire = NULL;

        imap_command_add_string(command, "alice");
        imap_command_add(command, " ");
        imap_command_add_secret(command, secret);
        for (guint p = 0; p < imap_command_n_pieces(command); p++)
            g_string_append(trace, imap_command_trace(command, p));
        wire = join(command);
        if (strstr(trace->str, secret) != NULL ||
            strstr(trace->str, "<secret>") == NULL)
            row_fail(secret, "trace is \"%s\"", trace->str);
        if (!g_str_has_prefix(trace->str, "LOGIN \"alice\" "))
            row_fail(secret, "trace is \"%s\"", trace->str);
        if (!g_str_has_prefix(wire, "LOGIN \"alice\" "))
            row_fail(secret, "wire is \"%s\"", wire);
    }
    rows_end();
}

static void
test_initial_response(void **state)
{
    g_autoptr(ImapCommand) command = imap_command_new("AUTHENTICATE PLAIN");
    g_autofree char *wire = NULL;
    (void)state;

    imap_command_add_continuation(command);
    imap_command_add_secret_text(command, "AGFsaWNlAHNlY3JldA==");
    wire = join(command);
    assert_string_equal(wire, "AUTHENTICATE PLAIN|AGFsaWNlAHNlY3JldA==");
    assert_int_equal(imap_command_n_pieces(command), 2);
    assert_string_equal(imap_command_trace(command, 0), "AUTHENTICATE PLAIN");
    assert_string_equal(imap_command_trace(command, 1), "<secret>");
}

static void
test_trace_is_one_line(void **state)
{
    g_autoptr(ImapCommand) command = imap_command_new("SELECT ");
    (void)state;
    imap_command_add_string(command, "a\r\n\033[2J");
    for (guint i = 0; i < imap_command_n_pieces(command); i++) {
        for (const char *at = imap_command_trace(command, i); *at; at++)
            assert_false(g_ascii_iscntrl(*at));
    }
}

static void
test_more_than_one_literal(void **state)
{
    g_autoptr(ImapCommand) command = imap_command_new("%s %u ", "LOGIN", 1);
    g_autofree char *wire = NULL;
    (void)state;

    imap_command_add_string(command, "\303\244");
    imap_command_add(command, " ");
    imap_command_add_string(command, "\303\266\n");
    imap_command_add(command, ")");
    wire = join(command);
    assert_string_equal(wire, "LOGIN 1 {2}|\303\244 {3}|\303\266\n)");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_literal_counts),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_initial_response),
        cmocka_unit_test(test_trace_is_one_line),
        cmocka_unit_test(test_more_than_one_literal),
    };
    rows_begin_program();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

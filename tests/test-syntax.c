/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include "imap/limits.h"
#include "imap/syntax.h"

/* ---- one element, and where the cursor is then ---- */

typedef enum { ATOM, NSTRING, ASTRING, LIST, VALUE, SPACE } Element;

static const struct {
    const char *name;
    Element element;
    const char *data;
    gsize length;
    const char *got;    /* NULL: it is not there */
    const char *behind; /* what follows it */
} element_rows[] = {
    {"atom", ATOM, OCTETS("INBOX x"), "INBOX", " x"},
    {"flag", ATOM, OCTETS("\\Seen)"), "\\Seen", ")"},
    {"Gmail: [Gmail]/Sent", ATOM, OCTETS("[Gmail]/Sent\r"), "[Gmail]/Sent",
     "\r"},
    {"8-bit atom", ATOM, OCTETS("\303\274 "), "\303\274", " "},
    {"atom ends at DEL", ATOM, OCTETS("a\177"), "a", "\177"},
    {"no atom", ATOM, OCTETS("(a)"), NULL, "(a)"},
    {"no atom at the end", ATOM, OCTETS(""), NULL, ""},

    {"NIL", NSTRING, OCTETS("NIL)"), "NIL", ")"},
    {"nil", NSTRING, OCTETS("nil)"), "NIL", ")"},
    {"quoted NIL is a string", NSTRING, OCTETS("\"NIL\""), "NIL", ""},
    {"empty", NSTRING, OCTETS("\"\")"), "", ")"},
    {"quoted", NSTRING, OCTETS("\"a b\" c"), "a b", " c"},
    {"escaped", NSTRING, OCTETS("\"a\\\"b\\\\\" c"), "a\"b\\", " c"},
    {"needless escape", NSTRING, OCTETS("\"\\a\""), "a", ""},
    {"quoted without end", NSTRING, OCTETS("\"abc"), NULL, "\"abc"},
    {"quote alone", NSTRING, OCTETS("\""), NULL, "\""},
    {"ends in a backslash", NSTRING, OCTETS("\"ab\\"), NULL, "\"ab\\"},
    {"atom is no nstring", NSTRING, OCTETS("abc"), NULL, "abc"},

    {"literal", NSTRING, OCTETS("{3}\r\na\r\nb"), "a\r\n", "b"},
    {"curl CVE-2017-1000257: {0}", NSTRING, OCTETS("{0}\r\n)"), "", ")"},
    {"{0} at the very end", NSTRING, OCTETS("{0}\r\n"), "", ""},
    {"literal8", NSTRING, OCTETS("~{1}\r\na"), "a", ""},
    {"{n+}", NSTRING, OCTETS("{1+}\r\na"), "a", ""},
    {"literal cut by EOF", NSTRING, OCTETS("{3}\r\nab"), NULL, "{3}\r\nab"},
    {"{2^63-1}", NSTRING, OCTETS("{9223372036854775807}\r\nab"), NULL,
     "{9223372036854775807}\r\nab"},
    {"{2^64+2}", NSTRING, OCTETS("{18446744073709551618}\r\nab"), NULL,
     "{18446744073709551618}\r\nab"},
    {"{}", NSTRING, OCTETS("{}\r\n"), NULL, "{}\r\n"},
    {"{-1}", NSTRING, OCTETS("{-1}\r\n"), NULL, "{-1}\r\n"},
    {"~ alone", NSTRING, OCTETS("~"), NULL, "~"},

    {"astring: atom", ASTRING, OCTETS("NIL "), "NIL", " "},
    {"astring: quoted", ASTRING, OCTETS("\"a\" "), "a", " "},
    {"astring: literal", ASTRING, OCTETS("{1}\r\na "), "a", " "},
    {"astring: ~ may begin an atom", ASTRING, OCTETS("~user "), "~user", " "},

    {"list", LIST, OCTETS("(\\Seen \\Draft) x"), "\\Seen \\Draft", " x"},
    {"empty list", LIST, OCTETS("()"), "", ""},
    {"nested", LIST, OCTETS("(a (b (c)) \")\" {1}\r\n))"),
     "a (b (c)) \")\" {1}\r\n)", ""},
    {"list without end", LIST, OCTETS("(a (b)"), NULL, "(a (b)"},
    {"no list", LIST, OCTETS(")"), NULL, ")"},
    {"blanks in a list", LIST, OCTETS("(  a  )"), "  a  ", ""},

    {"any value: atom", VALUE, OCTETS("a b"), "", " b"},
    {"any value: NIL", VALUE, OCTETS("NIL b"), "", " b"},
    {"any value: number", VALUE, OCTETS("42)"), "", ")"},
    {"any value: list", VALUE, OCTETS("((a \"b\") {1}\r\nc) d"), "", " d"},
    {"any value: none", VALUE, OCTETS(")"), NULL, ")"},
    {"any value: nothing", VALUE, OCTETS("  "), NULL, "  "},

    {"one space", SPACE, OCTETS(" a"), "", "a"},
    {"Exchange: many", SPACE, OCTETS("   a"), "", "a"},
    {"no space", SPACE, OCTETS("a"), NULL, "a"},
    {"a tab is none", SPACE, OCTETS("\ta"), NULL, "\ta"},
};

static gboolean
take(Element element, ImapCursor *cursor, ImapSlice *ret)
{
    switch (element) {
    case ATOM:
        return imap_take_atom(cursor, ret);
    case NSTRING:
        return imap_take_nstring(cursor, ret);
    case ASTRING:
        return imap_take_astring(cursor, ret);
    case LIST:
        return imap_take_list(cursor, ret);
    case VALUE:
        return imap_skip_value(cursor);
    case SPACE:
        return imap_take_space(cursor);
    }
    return FALSE;
}

static void
test_elements(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(element_rows); i++) {
        const char *name = element_rows[i].name;
        gsize length = element_rows[i].length;
        g_autofree char *data = copy_octets(element_rows[i].data, length);
        g_autofree char *behind = NULL;
        g_autofree char *got = NULL;
        ImapCursor cursor = {data, data + length};
        ImapSlice slice = {"", 0};
        gboolean there = take(element_rows[i].element, &cursor, &slice);

        if (there)
            got = slice.data ? imap_slice_dup(slice) : g_strdup("NIL");
        if (element_rows[i].element != VALUE || !there)
            row_string(name, "element", got, element_rows[i].got);
        row_number(name, "there", there, element_rows[i].got != NULL);
        behind = g_strndup(cursor.at, (gsize)(cursor.end - cursor.at));
        row_number(name, "octets behind", (gint64)(cursor.end - cursor.at),
                   (gint64)strlen(element_rows[i].behind));
        if (there)
            row_string(name, "behind", behind, element_rows[i].behind);
    }
    rows_end();
}

/* ---- numbers ---- */

static const struct {
    const char *text;
    gboolean number;
    guint64 value;
    gboolean nz_number;
} number_rows[] = {
    {"0", TRUE, 0, FALSE},
    {"1", TRUE, 1, TRUE},
    {"007", TRUE, 7, TRUE},
    {"4294967295", TRUE, G_MAXUINT32, TRUE},
    {"4294967296", TRUE, G_GUINT64_CONSTANT(1) << 32, FALSE},
    {"9223372036854775807", TRUE, G_MAXINT64, FALSE},
    {"9223372036854775808", FALSE, 0, FALSE},
    {"18446744073709551617", FALSE, 0, FALSE},
    {"99999999999999999999999999999999999999", FALSE, 0, FALSE},
    {"00000000000000000000000000000000000005", TRUE, 5, TRUE},
    {"", FALSE, 0, FALSE},
    {"-1", FALSE, 0, FALSE},
    {"+1", FALSE, 0, FALSE},
    {" 1", FALSE, 0, FALSE},
    {"*", FALSE, 0, FALSE},
};

static void
test_numbers(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(number_rows); i++) {
        const char *text = number_rows[i].text;
        g_autofree char *data = g_memdup2(text, strlen(text) + 1);
        ImapCursor cursor = {data, data + strlen(text)};
        guint64 value = 0;
        guint32 nz = 0;

        row_number(text, "number", imap_take_number(&cursor, &value),
                   number_rows[i].number);
        row_number(text, "value", (gint64)value, (gint64)number_rows[i].value);
        row_number(text, "cursor", cursor.at == cursor.end,
                   number_rows[i].number || *text == '\0');
        cursor.at = data;
        row_number(text, "nz-number", imap_take_nz_number(&cursor, &nz),
                   number_rows[i].nz_number);
        row_number(text, "cursor", cursor.at != data, number_rows[i].nz_number);
        if (number_rows[i].nz_number)
            row_number(text, "nz-value", nz, (gint64)number_rows[i].value);
    }
    rows_end();
}

/* ---- dates ---- */

static const struct {
    const char *name;
    const char *text;
    gint64 seconds;
} date_rows[] = {
    {"RFC 9051", "17-Jul-1996 02:44:25 -0700", 837596665},
    {"Dovecot", "01-Jan-2024 12:00:00 +0000", 1704110400},
    {"Cyrus, UW: blank day", " 5-Feb-2024 12:00:00 +0000", 1707134400},
    {"day of one digit", "5-Feb-2024 12:00:00 +0000", 1707134400},
    {"case of the month", "05-FEB-2024 12:00:00 +0000", 1707134400},
    {"leap day", "29-Feb-2024 00:00:00 +0000", 1709164800},
    {"leap second", "31-Dec-2016 23:59:60 +0000", 1483228800},
    {"half an hour east", "01-Jan-2024 05:30:00 +0530", 1704067200},
    {"half an hour west", "31-Dec-2023 20:30:00 -0330", 1704067200},
    {"epoch", "01-Jan-1970 00:00:00 +0000", 0},
    {"1969", "31-Dec-1969 23:59:59 +0000", -1},
    {"1969 by its zone", "01-Jan-1970 00:00:00 +0100", -3600},
    {"2038", "19-Jan-2038 03:14:08 +0000", G_GINT64_CONSTANT(2147483648)},
    {"2106", "07-Feb-2106 06:28:16 +0000", G_GINT64_CONSTANT(4294967296)},
    {"year 0000", "01-Jan-0000 00:00:00 +0000",
     G_GINT64_CONSTANT(-62167219200)},
    {"year 9999", "31-Dec-9999 23:59:59 +0000",
     G_GINT64_CONSTANT(253402300799)},
    {"zone +9999 is none", "01-Jan-2024 12:00:00 +9999", 1704110400},
    {"zone -9999 is none", "01-Jan-2024 12:00:00 -9999", 1704110400},
    {"no zone", "01-Jan-2024 12:00:00", 1704110400},
    {"a zone by name is none", "01-Jan-2024 12:00:00 GMT", 1704110400},

    {"30 February", "30-Feb-2024 12:00:00 +0000", 0},
    {"31 April", "31-Apr-2024 12:00:00 +0000", 0},
    {"29 February of no leap year", "29-Feb-2023 12:00:00 +0000", 0},
    {"day 0", "00-Jan-2024 12:00:00 +0000", 0},
    {"day 32", "32-Jan-2024 12:00:00 +0000", 0},
    {"hour 25", "01-Jan-2024 25:00:00 +0000", 0},
    {"minute 60", "01-Jan-2024 12:60:00 +0000", 0},
    {"second 61", "01-Jan-2024 12:00:61 +0000", 0},
    {"year 10000", "01-Jan-10000 00:00:00 +0000", 0},
    {"year -1", "01-Jan--001 00:00:00 +0000", 0},
    {"mutt CVE-2018-14350: long",
     "01-Jan-2024 12:00:00000000000000000000000000000000000000000000000000000"
     "000000000000000000000000000000000000000000000000000001 +0000",
     1704110401},
    {"number of many digits", "99999999999999999999-Jan-2024 12:00:00 +0000",
     0},
    {"no month", "01-Foo-2024 12:00:00 +0000", 0},
    {"no time", "01-Jan-2024", 0},
    {"RFC 5322", "Mon, 01 Jan 2024 12:00:00 +0000", 0},
    {"ISO 8601", "2024-01-01T12:00:00Z", 0},
    {"empty", "", 0},
    {"blanks", "    ", 0},
    {"cut", "01-Jan-2024 12:", 0},
};

static void
test_dates(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(date_rows); i++) {
        const char *text = date_rows[i].text;
        g_autofree char *data = g_memdup2(text, strlen(text) + 1);
        ImapSlice slice = {data, strlen(text)};
        row_number(date_rows[i].name, "date", imap_parse_date(slice),
                   date_rows[i].seconds);
    }
    row_number("NIL", "date", imap_parse_date((ImapSlice){NULL, 0}), 0);
    rows_end();
}

/* Every day of 800 years, one after the other. */
static void
test_days(void **state)
{
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr",
                                       "May", "Jun", "Jul", "Aug",
                                       "Sep", "Oct", "Nov", "Dec"};
    gint64 expected = G_GINT64_CONSTANT(-11676096000);
    (void)state;

    for (guint year = 1600; year < 2400; year++) {
        for (guint month = 0; month < 12; month++) {
            guint8 days = g_date_get_days_in_month((GDateMonth)(month + 1),
                                                   (GDateYear)year);
            for (guint day = 1; day <= days; day++) {
                char text[40];
                gint64 seconds;
                g_snprintf(text, sizeof text, "%02u-%s-%04u 00:00:00 +0000",
                           day, months[month], year);
                seconds = imap_parse_date((ImapSlice){text, strlen(text)});
                assert_int_equal(seconds, expected);
                expected += 86400;
            }
        }
    }
}

/* ---- bounds ---- */

static void
test_depth(void **state)
{
    enum { DEEP = 1000000 };
    g_autofree char *data = g_malloc(2 * DEEP);
    ImapSlice slice;
    (void)state;

    for (guint depth = IMAP_DEPTH_MAX - 1; depth <= IMAP_DEPTH_MAX + 1;
         depth++) {
        ImapCursor cursor = {data, data + 2 * depth};
        memset(data, '(', depth);
        memset(data + depth, ')', depth);
        assert_int_equal(imap_take_list(&cursor, &slice),
                         depth <= IMAP_DEPTH_MAX);
    }
    for (guint closed = 0; closed < 2; closed++) {
        ImapCursor cursor = {data, data + (closed ? 2 * DEEP : DEEP)};
        memset(data, '(', DEEP);
        memset(data + DEEP, ')', DEEP);
        assert_false(imap_skip_value(&cursor));
        assert_ptr_equal(cursor.at, data);
    }
}

static void
test_long_lists(void **state)
{
    g_autoptr(GString) data = g_string_new("(");
    ImapCursor cursor;
    double start = cpu_seconds();
    ImapSlice slice;
    (void)state;

    for (guint i = 0; i < 1000000; i++)
        g_string_append(data, "(a \"\\\"\") ");
    g_string_append_c(data, ')');
    cursor = (ImapCursor){data->str, data->str + data->len};
    assert_true(imap_take_list(&cursor, &slice));
    assert_true(cpu_seconds() - start < 10);
}

static void
test_words(void **state)
{
    char data[] = "FETCHX";
    ImapCursor cursor = {data, data + 6};
    (void)state;
    assert_false(imap_take_word(&cursor, "FETCHXY"));
    assert_true(imap_take_word(&cursor, "fetch"));
    assert_true(imap_take_char(&cursor, 'X'));
    assert_false(imap_take_char(&cursor, 'X'));
    assert_true(imap_slice_is((ImapSlice){"\\seen", 5}, "\\Seen"));
    assert_false(imap_slice_is((ImapSlice){"\\seen", 4}, "\\Seen"));
    assert_false(imap_slice_is((ImapSlice){NULL, 0}, ""));
    assert_null(imap_slice_dup((ImapSlice){NULL, 0}));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elements), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_dates),    cmocka_unit_test(test_days),
        cmocka_unit_test(test_depth),    cmocka_unit_test(test_long_lists),
        cmocka_unit_test(test_words),
    };
    rows_begin_program();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

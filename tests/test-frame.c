/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include "base/error.h"
#include "imap/frame.h"
#include "imap/limits.h"

/* ---- rows: one input, and what the framer makes of it ---- */

static const struct {
    const char *name;
    const char *data;
    gsize length;
    ImapFrame frame;
    gsize rest; /* octets behind the first response */
} frame_rows[] = {
    {"Dovecot's greeting",
     OCTETS("* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE "
            "LITERAL+ STARTTLS AUTH=PLAIN] Dovecot (Debian) ready.\r\n"),
     IMAP_FRAME_WHOLE, 0},
    {"nothing", OCTETS(""), IMAP_FRAME_MORE, 0},
    {"line without end", OCTETS("* OK"), IMAP_FRAME_MORE, 0},
    {"CR, and no LF yet", OCTETS("* OK\r"), IMAP_FRAME_MORE, 0},
    {"bare LF ends a line, too", OCTETS("* OK\n* NO\r\n"), IMAP_FRAME_WHOLE, 6},
    {"bare CR does not", OCTETS("* OK a\rb\r\n"), IMAP_FRAME_WHOLE, 0},
    {"blank line", OCTETS("\r\n* OK\r\n"), IMAP_FRAME_WHOLE, 6},
    {"NUL in a line", OCTETS("* OK a\0b\r\n"), IMAP_FRAME_WHOLE, 0},
    {"8-bit in a line", OCTETS("* OK \374\r\n"), IMAP_FRAME_WHOLE, 0},

    {"literal", OCTETS("* 1 FETCH (BODY[] {5}\r\nabcde)\r\n"), IMAP_FRAME_WHOLE,
     0},
    {"literal cut by EOF", OCTETS("* 1 FETCH (BODY[] {5}\r\nabcd"),
     IMAP_FRAME_MORE, 0},
    {"line behind a literal cut by EOF",
     OCTETS("* 1 FETCH (BODY[] {5}\r\nabcde"), IMAP_FRAME_MORE, 0},
    {"a literal that looks like the end",
     OCTETS("* 1 FETCH (BODY[] {8}\r\na\r\n{9}\r\n)\r\n"), IMAP_FRAME_WHOLE, 0},
    {"UW: literal of nothing", OCTETS("* 1 FETCH (BODY[1] {0}\r\n)\r\n"),
     IMAP_FRAME_WHOLE, 0},
    {"two literals",
     OCTETS("* 1 FETCH (BODY[1] {1}\r\na BODY[2] {2}\r\nbc)\r\n"),
     IMAP_FRAME_WHOLE, 0},
    {"literal8", OCTETS("* 1 FETCH (BINARY[1] ~{2}\r\n\0\0)\r\n"),
     IMAP_FRAME_WHOLE, 0},
    {"a server that sends {n+}", OCTETS("* LIST () \"/\" {3+}\r\na/b\r\n"),
     IMAP_FRAME_WHOLE, 0},
    {"mailbox name in a literal", OCTETS("* LIST () \"/\" {3}\r\na/b\r\n"),
     IMAP_FRAME_WHOLE, 0},
    {"bare LF behind a count", OCTETS("* LIST () \"/\" {3}\na/b\n"),
     IMAP_FRAME_WHOLE, 0},
    {"leading zeros",
     OCTETS("* LIST () \"/\" {0000000000000000000003}\r\na/b\r\n"),
     IMAP_FRAME_WHOLE, 0},
    {"quoted, and no literal", OCTETS("* LIST () \"/\" \"a{3}\"\r\n"),
     IMAP_FRAME_WHOLE, 0},

    {"text of OK ends in braces", OCTETS("* OK see {5}\r\n"), IMAP_FRAME_WHOLE,
     0},
    {"text of NO ends in braces", OCTETS("A12 NO [LIMIT] {4294967296}\r\n"),
     IMAP_FRAME_WHOLE, 0},
    {"text of BAD ends in braces", OCTETS("A1 bad {1}\r\n"), IMAP_FRAME_WHOLE,
     0},
    {"text of BYE ends in braces", OCTETS("* BYE {1}\r\n"), IMAP_FRAME_WHOLE,
     0},
    {"text of PREAUTH ends in braces", OCTETS("* PREAUTH {1}\r\n"),
     IMAP_FRAME_WHOLE, 0},
    {"continuation ends in braces", OCTETS("+ go on {3}\r\n"), IMAP_FRAME_WHOLE,
     0},
    {"bare continuation", OCTETS("+\r\n"), IMAP_FRAME_WHOLE, 0},
    {"what follows a literal is no status text",
     OCTETS("* 1 FETCH (X {3}\r\n* OK {2}\r\nab)\r\n"), IMAP_FRAME_WHOLE, 0},
    {"a word that begins with OK", OCTETS("* OKAY {1}\r\na\r\n"),
     IMAP_FRAME_WHOLE, 0},

    {"{} announces nothing", OCTETS("* 1 FETCH (BODY[] {}\r\n"),
     IMAP_FRAME_WHOLE, 0},
    {"{-1} announces nothing", OCTETS("* 1 FETCH (BODY[] {-1}\r\n"),
     IMAP_FRAME_WHOLE, 0},
    {"{+} announces nothing", OCTETS("* 1 FETCH (BODY[] {+}\r\n"),
     IMAP_FRAME_WHOLE, 0},
    {"{ 5} announces nothing", OCTETS("* 1 FETCH (BODY[] { 5}\r\n"),
     IMAP_FRAME_WHOLE, 0},
    {"{5 } announces nothing", OCTETS("* 1 FETCH (BODY[] {5 }\r\n"),
     IMAP_FRAME_WHOLE, 0},
    {"{5} and a blank announces nothing", OCTETS("* 1 FETCH (BODY[] {5} \r\n"),
     IMAP_FRAME_WHOLE, 0},
    {"{0x10} announces nothing", OCTETS("* 1 FETCH (BODY[] {0x10}\r\n"),
     IMAP_FRAME_WHOLE, 0},
    {"digits only", OCTETS("12345}\r\n"), IMAP_FRAME_WHOLE, 0},
    {"a brace only", OCTETS("}\r\n"), IMAP_FRAME_WHOLE, 0},
    {"a literal only", OCTETS("{1}\r\na\r\n"), IMAP_FRAME_WHOLE, 0},

    {"the largest literal", OCTETS("* 1 FETCH (BODY[] {67108864}\r\n"),
     IMAP_FRAME_MORE, 0},
    {"one more", OCTETS("* 1 FETCH (BODY[] {67108865}\r\n"), IMAP_FRAME_BAD, 0},
    {"2^31", OCTETS("* 1 FETCH (BODY[] {2147483648}\r\n"), IMAP_FRAME_BAD, 0},
    {"2^32", OCTETS("* 1 FETCH (BODY[] {4294967296}\r\n"), IMAP_FRAME_BAD, 0},
    {"2^32 + 5", OCTETS("* 1 FETCH (BODY[] {4294967301}\r\n"), IMAP_FRAME_BAD,
     0},
    {"2^63 - 1", OCTETS("* 1 FETCH (BODY[] {9223372036854775807}\r\n"),
     IMAP_FRAME_BAD, 0},
    {"2^64", OCTETS("* 1 FETCH (BODY[] {18446744073709551616}\r\n"),
     IMAP_FRAME_BAD, 0},
    {"2^64 + 5", OCTETS("* 1 FETCH (BODY[] {18446744073709551621}\r\n"),
     IMAP_FRAME_BAD, 0},
    {"10^40",
     OCTETS("* 1 FETCH (BODY[] "
            "{10000000000000000000000000000000000000000}\r\n"),
     IMAP_FRAME_BAD, 0},
    {"a literal that is too large behind one that is not",
     OCTETS("* 1 FETCH (BODY[1] {1}\r\na BODY[2] {4294967296}\r\n"),
     IMAP_FRAME_BAD, 0},
};

static void
test_rows(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(frame_rows); i++) {
        const char *name = frame_rows[i].name;
        ImapFramer framer = {0, 0};
        g_autoptr(GError) error = NULL;
        g_autofree char *data =
            copy_octets(frame_rows[i].data, frame_rows[i].length);
        gsize size = 0;
        ImapFrame frame =
            imap_frame(&framer, data, frame_rows[i].length, &size, &error);

        row_number(name, "frame", frame, frame_rows[i].frame);
        if (frame == IMAP_FRAME_WHOLE)
            row_number(name, "rest", (gint64)(frame_rows[i].length - size),
                       (gint64)frame_rows[i].rest);
        row_number(name, "error", error != NULL, frame == IMAP_FRAME_BAD);
        if (error != NULL)
            assert_true(
                g_error_matches(error, IMAPFS_ERROR, IMAPFS_ERROR_PROTOCOL));
        if (frame == IMAP_FRAME_WHOLE)
            row_number(name, "framer is zeroed",
                       (gint64)(framer.line + framer.scanned), 0);
    }
    rows_end();
}

/* ---- however the octets arrive, the responses are the same ---- */

static GString *
whole_rows(GArray *ends)
{
    GString *all = g_string_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(frame_rows); i++) {
        if (frame_rows[i].frame != IMAP_FRAME_WHOLE)
            continue;
        g_string_append_len(
            all, frame_rows[i].data,
            (gssize)(frame_rows[i].length - frame_rows[i].rest));
        g_array_append_val(ends, all->len);
    }
    return all;
}

typedef struct {
    ImapFramer framer;
    const char *data;
    gsize begin; /* of the response that is not whole yet */
    GArray *ends;
} Reader;

/* All up to END has arrived. */
static void
arrive(Reader *reader, gsize end)
{
    gsize size;
    while (imap_frame(&reader->framer, reader->data + reader->begin,
                      end - reader->begin, &size, NULL) == IMAP_FRAME_WHOLE) {
        reader->begin += size;
        g_array_append_val(reader->ends, reader->begin);
    }
}

static void
assert_same(const GArray *got, const GArray *wanted)
{
    assert_int_equal(got->len, wanted->len);
    assert_memory_equal(got->data, wanted->data, wanted->len * sizeof(gsize));
}

static void
test_every_split(void **state)
{
    g_autoptr(GArray) wanted = g_array_new(FALSE, FALSE, sizeof(gsize));
    g_autoptr(GArray) got = g_array_new(FALSE, FALSE, sizeof(gsize));
    g_autoptr(GString) all = whole_rows(wanted);
    (void)state;

    for (gsize split = 0; split <= all->len; split++) {
        Reader reader = {{0, 0}, all->str, 0, got};
        g_array_set_size(got, 0);
        arrive(&reader, split);
        arrive(&reader, split); /* nothing new is no news */
        arrive(&reader, all->len);
        assert_same(got, wanted);
    }
}

static void
test_octet_by_octet(void **state)
{
    g_autoptr(GArray) wanted = g_array_new(FALSE, FALSE, sizeof(gsize));
    g_autoptr(GArray) got = g_array_new(FALSE, FALSE, sizeof(gsize));
    g_autoptr(GString) all = whole_rows(wanted);
    Reader reader = {{0, 0}, all->str, 0, got};
    (void)state;

    for (gsize end = 0; end <= all->len; end++)
        arrive(&reader, end);
    assert_same(got, wanted);
}

static void
test_random_splits(void **state)
{
    g_autoptr(GArray) wanted = g_array_new(FALSE, FALSE, sizeof(gsize));
    g_autoptr(GArray) got = g_array_new(FALSE, FALSE, sizeof(gsize));
    g_autoptr(GString) all = whole_rows(wanted);
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    (void)state;

    for (guint run = 0; run < 2000; run++) {
        Reader reader = {{0, 0}, all->str, 0, got};
        gsize end = 0;
        g_array_set_size(got, 0);
        while (end < all->len) {
            end += (gsize)g_rand_int_range(random, 1, 60);
            end = MIN(end, all->len);
            arrive(&reader, end);
        }
        assert_same(got, wanted);
    }
}

/* ---- limits ---- */

static void
test_endless_line(void **state)
{
    enum { STEP = 1 << 16 };
    gsize length = IMAP_LINE_MAX + STEP;
    g_autofree char *data = g_malloc(length);
    ImapFramer framer = {0, 0};
    ImapFrame frame = IMAP_FRAME_MORE;
    gsize end = 0;
    gsize size;
    g_autoptr(GError) error = NULL;
    (void)state;

    memset(data, ' ', length);
    while (frame == IMAP_FRAME_MORE && end < length) {
        end += STEP;
        frame = imap_frame(&framer, data, end, &size, &error);
    }
    assert_int_equal(frame, IMAP_FRAME_BAD);
    assert_int_equal(end, length);
    assert_true(g_error_matches(error, IMAPFS_ERROR, IMAPFS_ERROR_PROTOCOL));
}

static void
test_longest_line(void **state)
{
    g_autofree char *data = g_malloc(IMAP_LINE_MAX + 2);
    ImapFramer framer = {0, 0};
    gsize size;
    (void)state;

    memset(data, '1', IMAP_LINE_MAX);
    data[IMAP_LINE_MAX] = '\n';
    assert_int_equal(imap_frame(&framer, data, IMAP_LINE_MAX + 1, &size, NULL),
                     IMAP_FRAME_WHOLE);
    assert_int_equal(size, IMAP_LINE_MAX + 1);
    data[IMAP_LINE_MAX] = '1';
    data[IMAP_LINE_MAX + 1] = '\n';
    assert_int_equal(imap_frame(&framer, data, IMAP_LINE_MAX + 2, &size, NULL),
                     IMAP_FRAME_BAD);
}

/* No octet of the second literal has to arrive to know it is one too many. */
static void
test_response_too_large(void **state)
{
    static const char head[] = "* 1 FETCH (BODY[1] {67108864}\r\n";
    static const char more[] = " BODY[2] {67108864}\r\n";
    gsize first = sizeof head - 1;
    gsize length = first + IMAP_LITERAL_MAX + sizeof more - 1;
    g_autofree char *data = g_malloc0(length);
    ImapFramer framer = {0, 0};
    gsize size;
    g_autoptr(GError) error = NULL;
    (void)state;

    memcpy(data, head, first);
    memcpy(data + first + IMAP_LITERAL_MAX, more, sizeof more - 1);
    assert_int_equal(imap_frame(&framer, data, first, &size, &error),
                     IMAP_FRAME_MORE);
    assert_int_equal(
        imap_frame(&framer, data, first + IMAP_LITERAL_MAX, &size, &error),
        IMAP_FRAME_MORE);
    assert_int_equal(imap_frame(&framer, data, length, &size, &error),
                     IMAP_FRAME_BAD);
}

/* ---- linear time ---- */

static GString *
tiny_literals(guint n)
{
    GString *data = g_string_sized_new(8 * n);
    g_string_append(data, "* 1 FETCH (");
    for (guint i = 0; i < n; i++)
        g_string_append(data, "X {1}\r\na ");
    g_string_append(data, ")\r\n");
    return data;
}

/* Seconds to find the end, STEP octets at a time. */
static double
measure(const GString *data, gsize step)
{
    double start = cpu_seconds();
    ImapFramer framer = {0, 0};
    ImapFrame frame = IMAP_FRAME_MORE;
    gsize size = 0;

    for (gsize end = 0; frame == IMAP_FRAME_MORE;) {
        assert_true(end < data->len);
        end = MIN(end + step, data->len);
        frame = imap_frame(&framer, data->str, end, &size, NULL);
    }
    assert_int_equal(frame, IMAP_FRAME_WHOLE);
    assert_int_equal(size, data->len);
    return cpu_seconds() - start;
}

static void
test_tiny_literals(void **state)
{
    static const gsize steps[] = {1, 7, 1448, 65536, G_MAXINT32};
    g_autoptr(GString) few = tiny_literals(100000);
    g_autoptr(GString) many = tiny_literals(1000000);
    (void)state;

    /* Ten times the data: ten times the work, were it quadratic a hundred. */
    for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
        double before = measure(few, steps[i]);
        assert_true(measure(many, steps[i]) < 40 * before + 0.1);
    }
}

static void
test_long_line_octet_by_octet(void **state)
{
    g_autoptr(GString) data = g_string_new("* SEARCH");
    (void)state;
    for (guint i = 0; i < 1000000; i++)
        g_string_append_printf(data, " %u", i);
    g_string_append(data, "\r\n");
    assert_true(measure(data, 1) < 10.0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_every_split),
        cmocka_unit_test(test_octet_by_octet),
        cmocka_unit_test(test_random_splits),
        cmocka_unit_test(test_endless_line),
        cmocka_unit_test(test_longest_line),
        cmocka_unit_test(test_response_too_large),
        cmocka_unit_test(test_tiny_literals),
        cmocka_unit_test(test_long_line_octet_by_octet),
    };
    rows_begin_program();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

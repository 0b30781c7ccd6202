/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whatever mail_base64_measure() accepts is as long as it says, or nobody could
 * have told: there is a regular part with the same ends, the twin, of which it
 * is true.  mail_base64_decode() must then refuse the other.
 *
 *   tests/test-base64 DIRECTORY    measures each base64 part of the messages
 *                                  there, and below
 */
#include "rows.h"

#include <gmime/gmime.h>

#include "mail/base64.h"
#include "mail/decode.h"

enum { PROBE = MAIL_BASE64_PROBE };

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* ---- what a part means, by other means than those under test ---- */

static GByteArray *
meant(const char *part, gsize length)
{
    g_autoptr(GString) clean = g_string_new(NULL);
    guint padding = 0;
    gsize n;

    for (gsize i = 0; i < length; i++) {
        guint in_quantum = clean->len % 4;
        if (part[i] == '=' && in_quantum >= 2 && in_quantum + ++padding == 4)
            break;
        if (part[i] == '=' || part[i] == '\0' || !strchr(alphabet, part[i]))
            continue;
        padding = 0;
        g_string_append_c(clean, part[i]);
    }
    if (clean->len % 4 == 1)
        g_string_truncate(clean, clean->len - 1);
    while (clean->len % 4 != 0)
        g_string_append_c(clean, '=');
    if (clean->len == 0)
        return g_byte_array_new();
    g_base64_decode_inplace(clean->str, &n);
    return g_byte_array_append(g_byte_array_new(), (guint8 *)clean->str,
                               (guint)n);
}

static gboolean
measure(const char *part, gsize length, gsize probe, MailBase64 *ret)
{
    gsize n = MIN(probe, length);
    g_autofree char *head = copy_octets(part, n);
    g_autofree char *tail = copy_octets(part + length - n, n);
    return mail_base64_measure(length, head, n, tail, n, ret);
}

/* A regular part with the ends of PART that MEASURED would be true of. */
static GByteArray *
meant_by_twin(const char *part, gsize length, gsize probe,
              const MailBase64 *measured)
{
    g_autofree char *twin = g_memdup2(part, length);
    for (gsize i = probe; i + probe < length; i++) {
        gsize column = i % (measured->line + 2);
        twin[i] =
            column < measured->line ? 'x' : "\r\n"[column - measured->line];
    }
    return meant(twin, length);
}

/* Decodes SIZE octets from OFFSET on, of which only what is asked for is
 * there.  NULL when that is refused. */
static guint8 *
decode_range(const char *part, const MailBase64 *measured, guint64 offset,
             gsize size)
{
    g_autofree char *lines = NULL;
    g_autofree guint8 *got = g_malloc(MAX(size, 1));
    guint64 from;
    gsize n;

    mail_base64_locate(measured, offset, size, &from, &n);
    g_assert_cmpuint(from + n, <=, measured->encoded);
    if (measured->line > 0 && n > 0) {
        g_assert_cmpuint(from % (measured->line + 2), ==, 0);
        g_assert_true(from + n == measured->encoded ||
                      (from + n) % (measured->line + 2) == 0);
        g_assert_cmpuint(n, <=,
                         (size + 4) * 4 / 3 * 3 + 2 * (measured->line + 2));
    }
    lines = copy_octets(part + from, n);
    if (!mail_base64_decode(measured, offset, size, lines, got))
        return NULL;
    return g_steal_pointer(&got);
}

typedef enum { REFUSED, EXACT, WRONG } Verdict;

static Verdict
check_part(const char *row, GRand *random, const char *part, gsize length,
           gsize probe)
{
    g_autoptr(GByteArray) truth = meant(part, length);
    g_autoptr(GByteArray) decoded =
        mail_decode(MAIL_ENCODING_BASE64, part, length);
    g_autoptr(GByteArray) twin = NULL;
    g_autofree guint8 *all = NULL;
    MailBase64 measured;

    if (decoded->len != truth->len ||
        (truth->len > 0 && memcmp(decoded->data, truth->data, truth->len) != 0))
        row_fail(row, "decodes to %u octets, not %u", decoded->len, truth->len);
    if (truth->len > mail_base64_bound(length))
        row_fail(row, "is beyond the bound");
    if (!measure(part, length, probe, &measured))
        return REFUSED;

    all = decode_range(part, &measured, 0, measured.decoded);
    if (all != NULL &&
        (measured.decoded != truth->len ||
         (truth->len > 0 && memcmp(all, truth->data, truth->len) != 0)))
        row_fail(row, "decodes by its lines to something else");
    for (guint i = 0; i < 5 && measured.decoded > 0; i++) {
        guint64 offset =
            (guint64)(g_rand_double(random) * (double)measured.decoded);
        gsize size = (gsize)(g_rand_double(random) *
                             (double)(measured.decoded - offset + 1));
        g_autofree guint8 *got = decode_range(part, &measured, offset, size);
        if (all != NULL &&
            (got == NULL || memcmp(got, truth->data + offset, size) != 0))
            row_fail(row, "from %u on %u octets are others", (guint)offset,
                     (guint)size);
    }
    if (measured.decoded == truth->len)
        return EXACT;
    twin = meant_by_twin(part, length, probe, &measured);
    if (all != NULL || twin->len != measured.decoded)
        row_fail(row, "is wrong by %d octets, and this could be known",
                 (int)(measured.decoded - truth->len));
    return WRONG;
}

/* ---- parts that are made ---- */

static GString *
regular_part(GRand *random, guint line, gsize octets)
{
    GString *part = g_string_new(NULL);
    gsize n = (octets + 2) / 3 * 4;
    gsize padding = (3 - octets % 3) % 3;

    for (gsize i = 0; i < n; i++) {
        if (i > 0 && i % line == 0)
            g_string_append(part, "\r\n");
        g_string_append_c(part, i + padding < n
                                    ? alphabet[g_rand_int_range(random, 0, 64)]
                                    : '=');
    }
    return part;
}

static void
append_trailer(GRand *random, GString *part)
{
    static const char *const trailers[] = {"",   "\r\n",  "\r\n\r\n",
                                           "\n", " \r\n", "\t\r\n \r\n\r\n"};
    g_string_append(
        part, trailers[g_rand_int_range(random, 0, G_N_ELEMENTS(trailers))]);
}

/* Some are within a probe, few need many. */
static gsize
some_size(GRand *random)
{
    static const gint32 sizes[] = {10, 800, 1600, 5000, 30000};
    return (gsize)g_rand_int_range(
        random, 1, sizes[g_rand_int_range(random, 0, G_N_ELEMENTS(sizes))]);
}

static void
test_regular(void **state)
{
    GRand *random = g_rand_new_with_seed(1);
    (void)state;

    for (guint line = 4; line <= 998; line++) {
        for (guint n = 0; n < 3; n++) {
            GString *part = regular_part(random, line, some_size(random));
            g_autofree char *row = NULL;
            append_trailer(random, part);
            row = g_strdup_printf("lines of %u, %zu octets", line, part->len);
            if (check_part(row, random, part->str, part->len, PROBE) != EXACT)
                row_fail(row, "is not measured, or wrongly");
            g_string_free(part, TRUE);
        }
    }
    g_rand_free(random);
    rows_end();
}

/* ---- damage ---- */

static gsize
some_place(GRand *random, const GString *part)
{
    return (gsize)g_rand_int_range(random, 0, (gint32)part->len);
}

/* Where a line ends, near to some place; NULL if none does. */
static char *
some_end(GRand *random, GString *part)
{
    char *end = strstr(part->str + some_place(random, part), "\r\n");
    return end ? end : strstr(part->str, "\r\n");
}

static void
lack_padding(GRand *random, GString *part)
{
    (void)random;
    while (part->len > 1 && part->str[part->len - 1] == '=')
        g_string_truncate(part, part->len - 1);
}

static void
replace_some(GRand *random, GString *part)
{
    static const char garbage[] = "!*-_= \200\0,";
    for (gint32 n = g_rand_int_range(random, 1, 9); n > 0; n--)
        part->str[some_place(random, part)] =
            garbage[g_rand_int_range(random, 0, sizeof(garbage) - 1)];
}

static void
insert_some(GRand *random, GString *part)
{
    for (gint32 n = g_rand_int_range(random, 1, 9); n > 0; n--)
        g_string_insert_c(part, (gssize)some_place(random, part), '*');
}

static void
lack_some(GRand *random, GString *part)
{
    gsize at = some_place(random, part);
    gsize n = (gsize)g_rand_int_range(random, 1, 9);
    g_string_erase(part, (gssize)at, (gssize)MIN(n, part->len - at));
}

static void
lengthen_line(GRand *random, GString *part)
{
    for (gint32 n = g_rand_int_range(random, 1, 9); n > 0; n--)
        g_string_insert(part, (gssize)some_place(random, part), "AAAA");
}

static void
join_lines(GRand *random, GString *part)
{
    for (gint32 n = g_rand_int_range(random, 1, 9); n > 0; n--) {
        char *end = some_end(random, part);
        if (end != NULL)
            g_string_erase(part, end - part->str, 2);
    }
}

/* As many line ends are missing as make up for a line. */
static void
join_a_line(GRand *random, GString *part)
{
    char *end = strstr(part->str, "\r\n");
    gsize line = end ? (gsize)(end - part->str) : 0;
    (void)random;
    for (gsize n = (line + 2) / 2 * (1 + line % 2); n > 0; n--) {
        if (part->len < 2 * PROBE ||
            (end = strstr(part->str + PROBE, "\r\n")) == NULL)
            return;
        g_string_erase(part, end - part->str, 2);
    }
}

static void
bare_lf(GRand *random, GString *part)
{
    char *end = some_end(random, part);
    if (end != NULL)
        g_string_erase(part, end - part->str, 1);
}

static void
bare_lf_everywhere(GRand *random, GString *part)
{
    (void)random;
    g_string_replace(part, "\r\n", "\n", 0);
}

static void
blank_at_end(GRand *random, GString *part)
{
    char *end = some_end(random, part);
    if (end != NULL)
        g_string_insert_c(part, end - part->str, ' ');
}

static void
blank_at_every_end(GRand *random, GString *part)
{
    (void)random;
    g_string_replace(part, "\r\n", " \r\n", 0);
}

static void
blank_line(GRand *random, GString *part)
{
    char *end = some_end(random, part);
    if (end != NULL)
        g_string_insert(part, end - part->str, "\r\n");
}

static void
footer(GRand *random, GString *part)
{
    (void)random;
    g_string_append(part, "\r\n_______________\r\nmailing list\r\n"
                          "https://lists.example.org/");
}

static void
second_part(GRand *random, GString *part)
{
    char *end = strstr(part->str, "\r\n");
    gsize line = end ? (gsize)(end - part->str) : 76;
    GString *second = regular_part(random, (guint)line, some_size(random));
    g_string_append(part, "\r\n");
    g_string_append_len(part, second->str, (gssize)second->len);
    g_string_free(second, TRUE);
}

static void
cut(GRand *random, GString *part)
{
    g_string_truncate(part, some_place(random, part));
}

static const struct {
    const char *name;
    void (*damage)(GRand *random, GString *part);
} damages[] = {
    {"padding is missing", lack_padding},
    {"garbage in place", replace_some},
    {"garbage in between", insert_some},
    {"characters are missing", lack_some},
    {"a line is longer", lengthen_line},
    {"lines are joined", join_lines},
    {"lines are joined, and none seems missing", join_a_line},
    {"a bare LF", bare_lf},
    {"bare LF everywhere", bare_lf_everywhere},
    {"a blank at the end of a line", blank_at_end},
    {"a blank at the end of each line", blank_at_every_end},
    {"a blank line in between", blank_line},
    {"a footer", footer},
    {"another part behind", second_part},
    {"cut off", cut},
};

static void
test_damaged(void **state)
{
    GRand *random = g_rand_new_with_seed(2);
    (void)state;

    for (guint d = 0; d < G_N_ELEMENTS(damages); d++) {
        guint verdicts[3] = {0, 0, 0};
        for (guint n = 0; n < 600; n++) {
            /* Most have the lines that mailers make. */
            guint line = n % 4 > 0 ? (guint)g_rand_int_range(random, 15, 20) * 4
                                   : (guint)g_rand_int_range(random, 4, 999);
            GString *part = regular_part(random, line, some_size(random));
            damages[d].damage(random, part);
            append_trailer(random, part);
            verdicts[check_part(damages[d].name, random, part->str, part->len,
                                n % 8 > 0 ? PROBE : 3 * PROBE)]++;
            g_string_free(part, TRUE);
        }
        print_message("%s: %u refused, %u exact, %u wrong and refused later\n",
                      damages[d].name, verdicts[REFUSED], verdicts[EXACT],
                      verdicts[WRONG]);
        if (verdicts[REFUSED] == 0)
            row_fail(damages[d].name, "is never refused");
    }
    g_rand_free(random);
    rows_end();
}

/* ---- by hand ---- */

static const struct {
    const char *part;
    gint64 decoded; /* -1: refused */
    guint32 line;
} small_rows[] = {
    {"", 0, 0},
    {"\r\n", 0, 0},
    {"aGVsbG8=", 5, 0},
    {"aGVsbG8h\r\n", 6, 0},
    {"aGVsbA==\r\n\r\n", 4, 0},
    {"aGVs\r\nbG8=", 5, 4},
    {"aGVsb\r\nG8=\r\n", 5, 5},
    {"aGVsbG8\r\n=\r\n", 5, 7},
    {"aGVsbA=\r\n=\r\n", 4, 7},
    {"a\r\nG\r\nV\r\ns\r\nb\r\nA\r\n=\r\n=", 4, 1},
    /* not regular */
    {"=", -1, 0},
    {"====", -1, 0},
    {"a===", -1, 0},
    {"aGVsbG8", -1, 0},
    {"aGVsbG8h=", -1, 0},
    {"aGVs=G8=", -1, 0},
    {"aGVsbA==bA==", -1, 0},
    {"aGVs\nbG8=", -1, 0},
    {"aGVs\rbG8=", -1, 0},
    {"aGVs \r\nbG8=", -1, 0},
    {"aGVs\r\n\r\nbG8=", -1, 0},
    {"aGVs\r\nbG8hbG8=", -1, 0},
    {"aGVsbG8h\r\nbG8=\r\nbG8=", -1, 0},
    {"\r\naGVsbG8=", -1, 0},
    {" aGVsbG8=", -1, 0},
    {"aGVsbG-_", -1, 0},
};

static void
test_small(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(small_rows); i++) {
        const char *part = small_rows[i].part;
        MailBase64 measured = {0, 0, 0};
        gboolean good = measure(part, strlen(part), PROBE, &measured);

        row_number(part, "decoded", good ? (gint64)measured.decoded : -1,
                   small_rows[i].decoded);
        if (good)
            row_number(part, "line", measured.line, small_rows[i].line);
    }
    rows_end();
}

/* What is too little, too much, or in one line. */
static void
test_probes(void **state)
{
    GRand *random = g_rand_new_with_seed(3);
    GString *part = regular_part(random, 76, 6000);
    const char *tail = part->str + part->len - PROBE;
    GString *line = regular_part(random, 100000, 3000);
    GString *short_line = regular_part(random, 100000, 1500);
    GString *blank = g_string_new(NULL);
    MailBase64 measured;
    (void)state;

    assert_true(mail_base64_measure(part->len, part->str, PROBE, tail, PROBE,
                                    &measured));
    assert_false(mail_base64_measure(part->len, part->str, PROBE - 1, tail,
                                     PROBE, &measured));
    assert_false(mail_base64_measure(part->len, part->str, PROBE, tail + 1,
                                     PROBE - 1, &measured));
    assert_false(mail_base64_measure(PROBE / 2, part->str, PROBE, part->str,
                                     PROBE, &measured));
    assert_true(mail_base64_measure(part->len, part->str, part->len, part->str,
                                    part->len, &measured));
    assert_int_equal(measured.decoded, 6000);
    /* In one line, and not all of it can be seen. */
    assert_false(measure(line->str, line->len, PROBE, &measured));
    assert_true(measure(line->str, line->len, 2000, &measured));
    assert_int_equal(measured.decoded, 3000);
    assert_true(measure(short_line->str, short_line->len, PROBE, &measured));
    assert_int_equal(measured.line, 0);
    /* The tail says nothing. */
    for (guint i = 0; i < PROBE; i++)
        g_string_append(blank, "\r\n");
    g_string_append_len(part, blank->str, PROBE - 40);
    assert_false(measure(part->str, part->len, PROBE, &measured));
    g_string_append_len(part, blank->str, PROBE);
    assert_false(measure(part->str, part->len, PROBE, &measured));
    g_string_free(part, TRUE);
    g_string_free(line, TRUE);
    g_string_free(short_line, TRUE);
    g_string_free(blank, TRUE);
    g_rand_free(random);
}

/* Sizes that no memory holds. */
static void
test_huge(void **state)
{
    GRand *random = g_rand_new_with_seed(4);
    GString *part = regular_part(random, 76, 3000);
    guint64 octets = (G_GUINT64_CONSTANT(1) << 60) / 78 * 78 + 76;
    g_autofree char *tail = g_malloc(PROBE);
    MailBase64 measured;
    guint64 from;
    gsize n;
    (void)state;

    for (guint i = 0; i < PROBE; i++)
        tail[i] = part->str[(octets - PROBE + i) % 78];
    assert_true(
        mail_base64_measure(octets, part->str, PROBE, tail, PROBE, &measured));
    assert_true(measured.decoded == (octets / 78 + 1) * 57);
    mail_base64_locate(&measured, measured.decoded - 1, 1, &from, &n);
    assert_true(from == octets - 76 && n == 76);
    assert_true(mail_base64_bound(octets) >= measured.decoded);
    g_string_free(part, TRUE);
    g_rand_free(random);
}

static void
test_bound(void **state)
{
    static const guint64 rows[][2] = {{0, 0}, {1, 0}, {2, 1},  {3, 2},
                                      {4, 3}, {6, 4}, {78, 58}};
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        assert_int_equal(mail_base64_bound(rows[i][0]), rows[i][1]);
}

/* ---- parts that people sent ---- */

typedef struct {
    GRand *random;
    guint messages;
    guint verdicts[3];
} Survey;

static void
survey_part(Survey *survey, const char *row, GMimePart *part)
{
    GMimeDataWrapper *content = g_mime_part_get_content(part);
    GMimeStream *lines = g_mime_stream_mem_new();
    GMimeStream *to = g_mime_stream_filter_new(lines);
    GMimeFilter *filter = g_mime_filter_unix2dos_new(FALSE);
    GByteArray *octets;

    /* The corpus has LF where a server has CRLF. */
    g_mime_stream_filter_add(GMIME_STREAM_FILTER(to), filter);
    g_mime_stream_reset(g_mime_data_wrapper_get_stream(content));
    g_mime_stream_write_to_stream(g_mime_data_wrapper_get_stream(content), to);
    g_mime_stream_flush(to);
    octets = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(lines));
    survey->verdicts[check_part(row, survey->random, (char *)octets->data,
                                octets->len, PROBE)]++;
    g_object_unref(filter);
    g_object_unref(to);
    g_object_unref(lines);
}

static void
survey_message(Survey *survey, const char *path)
{
    GMimeStream *stream = g_mime_stream_file_open(path, "r", NULL);
    GMimeParser *parser = g_mime_parser_new_with_stream(stream);
    GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);
    GMimePartIter *at;

    g_object_unref(stream);
    if (message != NULL) {
        survey->messages++;
        at = g_mime_part_iter_new(GMIME_OBJECT(message));
        do {
            GMimeObject *part = g_mime_part_iter_get_current(at);
            if (GMIME_IS_PART(part) &&
                g_mime_part_get_content(GMIME_PART(part)) != NULL &&
                g_mime_part_get_content_encoding(GMIME_PART(part)) ==
                    GMIME_CONTENT_ENCODING_BASE64)
                survey_part(survey, path, GMIME_PART(part));
        } while (g_mime_part_iter_next(at));
        g_mime_part_iter_free(at);
        g_object_unref(message);
    }
    g_object_unref(parser);
}

static void
survey_directory(Survey *survey, const char *path, guint depth)
{
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    for (const char *name;
         directory != NULL && (name = g_dir_read_name(directory)) != NULL;) {
        g_autofree char *below = g_build_filename(path, name, NULL);
        if (g_file_test(below, G_FILE_TEST_IS_SYMLINK))
            continue;
        if (g_file_test(below, G_FILE_TEST_IS_DIR)) {
            if (depth > 0)
                survey_directory(survey, below, depth - 1);
        } else if (g_str_has_suffix(name, ".eml") ||
                   g_str_has_suffix(name, ".txt")) {
            survey_message(survey, below);
        }
    }
}

static void
survey_and_print(const char *directory)
{
    Survey survey = {g_rand_new_with_seed(5), 0, {0, 0, 0}};
    survey_directory(&survey, directory, 8);
    print_message(
        "%u messages: %u base64 parts refused, %u exact, %u wrong and refused "
        "later\n",
        survey.messages, survey.verdicts[REFUSED], survey.verdicts[EXACT],
        survey.verdicts[WRONG]);
    g_rand_free(survey.random);
    rows_end();
}

/* What tests/mail/corpus has fetched, if it has. */
static void
test_corpus(void **state)
{
    static char cache[4096];
    (void)state;

    /* skip() does not come back, to free anything. */
    g_snprintf(cache, sizeof cache, "%s/imapfs-tests", g_get_user_cache_dir());
    if (!g_file_test(cache, G_FILE_TEST_IS_DIR))
        skip();
    survey_and_print(cache);
}

static const char *named;

static void
test_named(void **state)
{
    (void)state;
    survey_and_print(named);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),   cmocka_unit_test(test_probes),
        cmocka_unit_test(test_huge),    cmocka_unit_test(test_bound),
        cmocka_unit_test(test_regular), cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_corpus),
    };
    const struct CMUnitTest named_tests[] = {cmocka_unit_test(test_named)};

    rows_begin_program();
    g_mime_init();
    named = argv[argc - 1];
    return argc > 1 ? cmocka_run_group_tests(named_tests, NULL, NULL)
                    : cmocka_run_group_tests(tests, NULL, NULL);
}

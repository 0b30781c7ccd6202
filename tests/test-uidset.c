/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include "imap/uidset.h"

/* ---- reading ---- */

static const struct {
    const char *set;
    const char *ranges; /* first-last, with blanks between them */
    gboolean whole;     /* nothing is left at the end */
} read_rows[] = {
    {"", "", TRUE},
    {"1", "1-1", TRUE},
    {"1,3", "1-1 3-3", TRUE},
    {"1:3,7", "1-3 7-7", TRUE},
    {"41,43:116,118,120:211,214:540", "41-41 43-116 118-118 120-211 214-540",
     TRUE},
    {"1:4294967295", "1-4294967295", TRUE},
    {"4294967295", "4294967295-4294967295", TRUE},
    {"5:1", "1-5", TRUE},
    {"3,2,1", "3-3 2-2 1-1", TRUE},
    {"1:1", "1-1", TRUE},
    {"001:010", "1-10", TRUE},
    /* mutt CVE-2021-32055 and the like */
    {"1,", "", FALSE},
    {"1:2,", "", FALSE},
    {"1,2,", "1-1", FALSE},
    {",", "", FALSE},
    {",1", "", FALSE},
    {"1,,2", "1-1", FALSE},
    {":", "", FALSE},
    {"1:", "", FALSE},
    {":1", "", FALSE},
    {"1:1:1", "", FALSE},
    {"*", "", FALSE},
    {"1:*", "", FALSE},
    {"*:1", "", FALSE},
    {"0", "", FALSE},
    {"0:5", "", FALSE},
    {"1:0", "", FALSE},
    {"4294967296", "", FALSE},
    {"18446744073709551617", "", FALSE},
    {"1:4294967296", "", FALSE},
    {"-1", "", FALSE},
    {"1-3", "", FALSE},
    {"1 2", "", FALSE},
    {"1, 2", "1-1", FALSE},
    {"a", "", FALSE},
    {"$", "", FALSE},
};

static void
test_read(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(read_rows); i++) {
        gsize length = strlen(read_rows[i].set);
        g_autofree char *data = copy_octets(read_rows[i].set, length);
        ImapSlice set = {data, length};
        g_autoptr(GString) ranges = g_string_new(NULL);
        guint32 first, last;

        while (imap_uidset_next(&set, &first, &last))
            g_string_append_printf(ranges, "%s%u-%u", ranges->len ? " " : "",
                                   first, last);
        row_string(read_rows[i].set, "ranges", ranges->str,
                   read_rows[i].ranges);
        row_number(read_rows[i].set, "whole", set.length == 0,
                   read_rows[i].whole);
    }
    rows_end();
}

static void
test_nil(void **state)
{
    ImapSlice set = {NULL, 0};
    guint32 first, last;
    (void)state;
    assert_false(imap_uidset_next(&set, &first, &last));
}

/* ---- writing ---- */

static const struct {
    const char *before;
    guint32 uids[8];
    const char *text;
} write_rows[] = {
    {"", {0}, ""},
    {"", {1}, "1"},
    {"", {1, 2}, "1:2"},
    {"", {1, 2, 3}, "1:3"},
    {"", {1, 3, 5}, "1,3,5"},
    {"", {1, 2, 4, 6, 7}, "1:2,4,6:7"},
    {"", {4294967294U, 4294967295U}, "4294967294:4294967295"},
    {"UID FETCH ", {5, 6, 9}, "UID FETCH 5:6,9"},
};

static void
test_write(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(write_rows); i++) {
        g_autoptr(GString) text = g_string_new(write_rows[i].before);
        ImapUidsetWriter writer = {.text = text};
        for (guint u = 0; write_rows[i].uids[u] != 0; u++)
            imap_uidset_add(&writer, write_rows[i].uids[u]);
        imap_uidset_end(&writer);
        imap_uidset_end(&writer); /* again is harmless */
        row_string(write_rows[i].text, "text", text->str, write_rows[i].text);
    }
    rows_end();
}

static void
test_there_and_back(void **state)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    (void)state;

    for (guint run = 0; run < 200; run++) {
        g_autoptr(GString) text = g_string_new(NULL);
        g_autoptr(GArray) uids = g_array_new(FALSE, FALSE, sizeof(guint32));
        ImapUidsetWriter writer = {.text = text};
        guint32 uid = 0;
        ImapSlice set;
        guint32 first, last;
        guint at = 0;

        for (guint i = 0; i < 500; i++) {
            uid += (guint32)g_rand_int_range(random, 1, 4);
            g_array_append_val(uids, uid);
            imap_uidset_add(&writer, uid);
        }
        imap_uidset_end(&writer);
        set = (ImapSlice){text->str, text->len};
        while (imap_uidset_next(&set, &first, &last)) {
            for (guint32 u = first; u <= last; u++)
                assert_int_equal(u, g_array_index(uids, guint32, at++));
        }
        assert_int_equal(at, uids->len);
        assert_int_equal(set.length, 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_nil),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_there_and_back),
    };
    rows_begin_program();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include "mail/content.h"

static const MailContentKey key = {1, 1700000000, 7, ""};

/* The octet at OFFSET of the message UID: every message is another one. */
static guint8
octet(guint32 uid, guint64 offset)
{
    return (guint8)(uid * 31 + offset * 7 + offset / 251);
}

static void
store(MailContent *content, guint32 uid, guint64 offset, gsize length)
{
    MailContentKey own = {key.mailbox, key.uidvalidity, uid, ""};
    g_autofree guint8 *data = g_malloc(length + 1);
    for (gsize i = 0; i < length; i++)
        data[i] = octet(uid, offset + i);
    mail_content_store(content, &own, offset, data, length);
}

/* Whatever is said to be there is there, and is what was stored. */
static guint64
check(MailContent *content, guint32 uid, guint64 offset)
{
    MailContentKey own = {key.mailbox, key.uidvalidity, uid, ""};
    guint64 extent = mail_content_extent(content, &own, offset);
    g_autofree guint8 *data = g_malloc(extent + 1);

    if (extent == 0)
        return 0;
    mail_content_copy(content, &own, offset, data, extent);
    for (guint64 i = 0; i < extent; i++)
        assert_int_equal(data[i], octet(uid, offset + i));
    return extent;
}

/* ---- rows: ranges stored, and what is there then ---- */

static const struct {
    const char *name;
    struct {
        guint64 offset;
        gsize length;
    } stored[5];
    guint64 offset;
    guint64 extent;
    gsize size;
} extent_rows[] = {
    {"nothing", {{0, 0}}, 0, 0, 0},
    {"all", {{0, 100}}, 0, 100, 100},
    {"from the middle", {{0, 100}}, 60, 40, 100},
    {"at the end", {{0, 100}}, 100, 0, 100},
    {"before", {{50, 50}}, 0, 0, 50},
    {"side by side", {{0, 50}, {50, 50}}, 0, 100, 100},
    {"side by side, backwards", {{50, 50}, {0, 50}}, 10, 90, 100},
    {"a gap", {{0, 40}, {60, 40}}, 0, 40, 80},
    {"the gap filled", {{0, 40}, {60, 40}, {40, 20}}, 0, 100, 100},
    {"the gap filled by more", {{0, 40}, {60, 40}, {30, 40}}, 0, 100, 100},
    {"over all", {{10, 10}, {30, 10}, {50, 10}, {0, 70}}, 0, 70, 70},
    {"twice", {{0, 100}, {0, 100}}, 0, 100, 100},
    {"inside", {{0, 100}, {20, 20}}, 0, 100, 100},
    {"overlapping", {{0, 60}, {40, 60}}, 0, 100, 100},
    {"far out",
     {{G_GUINT64_CONSTANT(1) << 40, 5}},
     G_GUINT64_CONSTANT(1) << 40,
     5,
     5},
};

static void
test_extents(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(extent_rows); i++) {
        const char *name = extent_rows[i].name;
        MailContent *content = mail_content_new(1 << 20);
        for (guint n = 0; n < G_N_ELEMENTS(extent_rows[i].stored); n++)
            store(content, 7, extent_rows[i].stored[n].offset,
                  extent_rows[i].stored[n].length);
        row_number(name, "extent",
                   (gint64)check(content, 7, extent_rows[i].offset),
                   (gint64)extent_rows[i].extent);
        row_number(name, "size", (gint64)mail_content_size(content),
                   (gint64)extent_rows[i].size);
        mail_content_free(content);
    }
    rows_end();
}

/* ---- keys ---- */

/* No octet of one UID space is ever served for another. */
static void
test_keys(void **state)
{
    static const MailContentKey others[] = {{2, 1700000000, 7, ""},
                                            {1, 1700000001, 7, ""},
                                            {1, 1700000000, 8, ""},
                                            {1, 1700000000, 7, "1"}};
    MailContent *content = mail_content_new(1 << 20);
    (void)state;

    store(content, 7, 0, 10);
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        assert_int_equal(mail_content_extent(content, &others[i], 0), 0);
    assert_int_equal(mail_content_extent(content, &key, 0), 10);
    mail_content_free(content);
}

static void
test_forget(void **state)
{
    MailContent *content = mail_content_new(1 << 20);
    (void)state;

    mail_content_forget(content, &key); /* nothing to forget is fine */
    store(content, 7, 0, 10);
    store(content, 7, 20, 10);
    store(content, 8, 0, 10);
    mail_content_forget(content, &key);
    assert_int_equal(check(content, 7, 0), 0);
    assert_int_equal(check(content, 7, 20), 0);
    assert_int_equal(check(content, 8, 0), 10);
    assert_int_equal(mail_content_size(content), 10);
    mail_content_free(content);
}

/* ---- bounds ---- */

static void
test_used_longest_ago_goes_first(void **state)
{
    MailContent *content = mail_content_new(30);
    (void)state;

    store(content, 1, 0, 10);
    store(content, 2, 0, 10);
    store(content, 3, 0, 10);
    check(content, 1, 0);
    store(content, 4, 0, 10);
    assert_int_equal(check(content, 2, 0), 0);
    assert_int_equal(check(content, 1, 0), 10);
    assert_int_equal(check(content, 3, 0), 10);
    assert_int_equal(check(content, 4, 0), 10);
    assert_int_equal(mail_content_size(content), 30);
    mail_content_free(content);
}

/* Somebody waits for it: it stays until there is another. */
static void
test_larger_than_the_limit(void **state)
{
    MailContent *content = mail_content_new(10);
    (void)state;

    store(content, 1, 0, 1000);
    assert_int_equal(check(content, 1, 0), 1000);
    store(content, 2, 0, 5);
    assert_int_equal(check(content, 1, 0), 0);
    assert_int_equal(check(content, 2, 0), 5);
    assert_int_equal(mail_content_size(content), 5);
    mail_content_free(content);
}

/*
 * A reader at OFFSET gets on, however small the limit: what it misses is
 * fetched and stored, and then something is there.
 */
static void
test_progress(void **state)
{
    MailContent *content = mail_content_new(50);
    guint stores = 0;
    (void)state;

    store(content, 7, 50, 10);
    for (guint64 offset = 0; offset < 1000;) {
        guint64 extent = check(content, 7, offset);
        if (extent == 0) {
            store(content, 7, offset, 100);
            assert_true(++stores < 100);
        }
        offset += extent;
    }
    mail_content_free(content);
}

/* Any order of ranges, against a plain map of what may be there. */
static void
test_random(void **state)
{
    enum { LENGTH = 2000 };
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    (void)state;

    for (guint run = 0; run < 20; run++) {
        gsize limit = run % 2 ? 3000 : G_MAXSIZE;
        MailContent *content = mail_content_new(limit);
        guint8 there[4][LENGTH + 400] = {{0}};
        for (guint step = 0; step < 500; step++) {
            guint32 uid = (guint32)g_rand_int_range(random, 0, 4);
            guint64 offset = (guint64)g_rand_int_range(random, 0, LENGTH);
            gsize length = (gsize)g_rand_int_range(random, 0, 200);
            guint64 extent;
            store(content, uid, offset, length);
            memset(there[uid] + offset, 1, length);
            offset = (guint64)g_rand_int_range(random, 0, LENGTH);
            extent = check(content, uid, offset);
            for (guint64 i = 0; i < extent; i++)
                assert_int_equal(there[uid][offset + i], 1);
            if (limit == G_MAXSIZE)
                assert_int_equal(there[uid][offset + extent], 0);
            else
                assert_true(mail_content_size(content) <= limit);
        }
        mail_content_free(content);
    }
}

static void
test_many_extents(void **state)
{
    MailContent *content = mail_content_new(1 << 30);
    double start = cpu_seconds();
    (void)state;

    /* A message of 64 MiB, read 4 KiB by 4 KiB. */
    for (guint64 i = 0; i < 16384; i++)
        store(content, 7, i * 4096, 16);
    assert_int_equal(mail_content_size(content), 16384 * 16);
    assert_true(cpu_seconds() - start < 20);
    mail_content_free(content);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_extents),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_forget),
        cmocka_unit_test(test_used_longest_ago_goes_first),
        cmocka_unit_test(test_larger_than_the_limit),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_many_extents),
    };
    rows_begin_program();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include "fs/node.h"

static const FsNode nodes[] = {
    {FS_ROOT, 0, 0, 0},
    {FS_MAILBOX, 1, 0, 0},
    {FS_MAILBOX, G_MAXUINT16, 0, 0},
    {FS_MESSAGE, 1, 1, 0},
    {FS_MESSAGE, 1, 2, 0},
    {FS_MESSAGE, 2, 1, 0},
    {FS_MESSAGE, G_MAXUINT16, G_MAXUINT32, 0},
    {FS_MESSAGE, G_MAXUINT16, G_MAXUINT32, 0xfff},
    {FS_MESSAGE, 1, 1, 1},
    {FS_CONTROL, 0, 0, 0},
    {FS_STATUS, 0, 0, 0},
    {FS_VIEW, 1, 0, FS_VIEW_PARTS},
    {FS_VIEW, 1, 0, FS_VIEW_THREADS},
    {FS_PARTS, 1, 1, 0},
    {FS_PARTS, 1, 1, 0xfff},
    {FS_PART, 1, 1, 1},
    {FS_HEADERS, 1, 1, 0},
    {FS_TEXT, 1, 1, 0},
    {FS_SEARCH, 1, G_MAXUINT32, 0},
    {FS_THREAD, G_MAXUINT16, 1, 0},
};

/* What there is in views only. */
static void
test_of_view(void **state)
{
    (void)state;
    for (guint kind = 0; kind < 16; kind++)
        assert_int_equal(fs_node_is_of_view((FsNode){.kind = kind}),
                         kind >= FS_VIEW && kind <= FS_THREAD);
    assert_false(fs_node_is_of_view((FsNode){.kind = FS_MESSAGE}));
    assert_true(fs_node_is_of_view((FsNode){.kind = FS_TEXT}));
}

static void
test_there_and_back(void **state)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_int64_hash, g_int64_equal);
    guint64 inos[G_N_ELEMENTS(nodes)];
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(nodes); i++) {
        FsNode node;
        inos[i] = fs_node_ino(nodes[i]);
        node = fs_node_of(inos[i]);
        assert_int_equal(node.kind, nodes[i].kind);
        assert_int_equal(node.mailbox, nodes[i].mailbox);
        assert_int_equal(node.uid, nodes[i].uid);
        assert_int_equal(node.part, nodes[i].part);
        assert_int_not_equal(inos[i], 0);
        assert_true(g_hash_table_add(seen, &inos[i]));
    }
}

static void
test_root(void **state)
{
    (void)state;
    assert_int_equal(fs_node_ino((FsNode){.kind = FS_ROOT}), 1);
    assert_int_equal(fs_node_of(1).kind, FS_ROOT);
}

/* It is the same in the next mount. */
static void
test_shown(void **state)
{
    static const struct {
        FsNode node;
        FsNode shown;
    } rows[] = {
        {{FS_MESSAGE, 7, 9, 0}, {FS_MESSAGE, 7, 9, 0}},
        {{FS_MESSAGE, 7, 9, FS_PART_MAX}, {FS_MESSAGE, 7, 9, 0}},
        {{FS_STATUS, 0, 1234567, 2}, {FS_STATUS, 0, 0, 2}},
        {{FS_STATUS, 0, 0, 2}, {FS_STATUS, 0, 0, 2}},
        {{FS_PART, 7, 9, 3}, {FS_PART, 7, 9, 3}},
        {{FS_MAILBOX, 7, 0, 0}, {FS_MAILBOX, 7, 0, 0}},
        {{FS_ROOT, 0, 0, 0}, {FS_ROOT, 0, 0, 0}},
    };
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        assert_int_equal(fs_node_shown(fs_node_ino(rows[i].node)),
                         fs_node_ino(rows[i].shown));
}

/* Whatever number comes, a node is what comes of it. */
static void
test_any_number(void **state)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    (void)state;
    for (guint i = 0; i < 100000; i++) {
        guint64 ino = (guint64)g_rand_int(random) << 32 | g_rand_int(random);
        FsNode node = fs_node_of(ino);
        if (node.kind != FS_ROOT)
            assert_int_equal(fs_node_ino(node), ino);
    }
    assert_int_equal(fs_node_of(0).uid, 0);
    assert_int_equal(fs_node_of(G_MAXUINT64).kind, 15);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_of_view),
        cmocka_unit_test(test_root),           cmocka_unit_test(test_shown),
        cmocka_unit_test(test_any_number),
    };
    rows_begin_program();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include "fs/events.h"

/*
 * Events are written as a letter and an inode: c created, d deleted, u changed.
 * What is taken is joined again.
 */
static const struct {
    const char *what;
    const char *added;
    const char *taken;
} fold_rows[] = {
    {"one", "c1", "c1"},
    {"in their order", "c1 u2 d3 c4", "c1 u2 d3 c4"},
    {"come and gone", "c1 d1", ""},
    {"come, changed and gone", "c1 u1 u1 d1", ""},
    {"come and gone among others", "c2 c1 u3 d1 c4", "c2 u3 c4"},
    {"come and changed", "c1 u1", "c1"},
    {"changed often", "u1 u1 u2 u1", "u1 u2"},
    {"changed and gone", "u1 u2 d1", "u2 d1"},
    {"gone and come, another under that number", "d1 c1", "d1 c1"},
    {"gone, come and gone", "d1 c1 d1", "d1"},
    {"gone, come and changed", "d1 c1 u1", "d1 c1"},
    {"changed, then said to have come", "u1 c1", "c1"},
    {"come twice", "c1 c1", "c1"},
    {"as many as may be", "c1 c2 c3 c4 c5", "c1 c2 c3 c4 c5"},
    {"one more: the directory", "c1 c2 c3 c4 c5 c6", "u100"},
    {"many more", "c1 c2 c3 c4 c5 c6 d1 u2 c7 d100", "u100"},
    {"many, but not at once", "c1 d1 c2 d2 c3 d3 c4 d4 u5", "u5"},
};

static void
add_all(FsEvents *events, guint64 directory, const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);

    for (char **word = words; *word != NULL; word++) {
        FsEventKind kind = **word == 'c'   ? FS_EVENT_CREATED
                           : **word == 'd' ? FS_EVENT_DELETED
                                           : FS_EVENT_CHANGED;
        FsEvent *event =
            fs_event_new(kind, g_ascii_strtoull(*word + 1, NULL, 10));
        event->name = kind == FS_EVENT_DELETED ? g_strdup("name") : NULL;
        fs_events_add(events, directory, event);
    }
}

static char *
take_all(FsEvents *events, guint64 *ret_directory)
{
    g_autoptr(GPtrArray) taken = fs_events_take(events, ret_directory);
    GString *text = g_string_new(NULL);

    for (guint i = 0; taken != NULL && i < taken->len; i++) {
        const FsEvent *event = g_ptr_array_index(taken, i);
        g_string_append_printf(text, "%s%c%" G_GUINT64_FORMAT, i > 0 ? " " : "",
                               "cdu"[event->kind], event -> ino);
    }
    return g_string_free(text, FALSE);
}

static void
test_folding(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(fold_rows); i++) {
        const char *row = fold_rows[i].what;
        FsEvents *events = fs_events_new(5);
        guint64 directory = 0;
        g_autofree char *taken = NULL;

        add_all(events, 100, fold_rows[i].added);
        taken = take_all(events, &directory);
        row_string(row, "taken", taken, fold_rows[i].taken);
        if (*taken != '\0')
            row_number(row, "directory", (gint64)directory, 100);
        row_number(row, "left", fs_events_take(events, &directory) != NULL, 0);
        fs_events_free(events);
    }
    rows_end();
}

/* What overflowed begins anew once it was taken; others do not feel it. */
static void
test_after_too_many(void **state)
{
    FsEvents *events = fs_events_new(2);
    guint64 directory = 0;
    (void)state;

    add_all(events, 100, "c1 c2 c3 c4");
    add_all(events, 200, "c1");
    for (guint i = 0; i < 3; i++) {
        static const char *const wanted[] = {"u100", "c1", "c5 d6"};
        g_autofree char *taken = NULL;
        if (i == 1)
            add_all(events, 100, "c5 d6");
        taken = take_all(events, &directory);
        assert_string_equal(taken, wanted[i]);
        assert_int_equal(directory, i == 1 ? 200 : 100);
    }
    fs_events_free(events);
}

/* A busy directory does not keep the others waiting. */
static void
test_turns(void **state)
{
    FsEvents *events = fs_events_new(10);
    guint64 directory = 0;
    (void)state;

    add_all(events, 100, "c1");
    add_all(events, 200, "c1");
    for (guint i = 0; i < 6; i++) {
        g_free(take_all(events, &directory));
        assert_int_equal(directory, i % 2 == 0 ? 100 : 200);
        add_all(events, directory, "u9");
    }
    add_all(events, 300, "c1"); /* and what is left is freed */
    fs_events_free(events);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folding),
        cmocka_unit_test(test_after_too_many),
        cmocka_unit_test(test_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

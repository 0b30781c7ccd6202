/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Octets of messages, from servers of all habits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <gmime/gmime.h>

#include "scene.h"

/* ---- listing and reading ---- */

static void
test_list_and_read(void **state)
{
    g_autoptr(Scene) scene = scene_new(2);
    g_autofree char *names = NULL;
    guint64 inbox;
    Copy made;
    (void)state;

    scene_serve(scene, 2);
    for (guint32 uid = 1; uid <= 5; uid++)
        server_add(&scene->server, uid * 3, 1000 * uid, -1);
    inbox = scene_enter(scene);
    names = scene_list(scene, inbox, NULL);
    assert_string_equal(names, "3.eml,6.eml,9.eml,12.eml,15.eml,");
    for (guint i = 0; i < 5; i++) {
        g_autofree char *name =
            g_strdup_printf("%u.eml", server_mail(&scene->server, i)->uid);
        made = scene_copy(scene, scene_find(scene, inbox, name), 700);
        copy_assert_is(&made, server_mail(&scene->server, i));
        copy_clear(&made);
    }
}

static void
test_no_such_name(void **state)
{
    static const char *const names[] = {
        "4.eml",  "3", "03.eml",         "3.EML",           "0.eml", "-3.eml",
        "3.eml/", "",  "4294967296.eml", "99999999999.eml", ".git",  "INBOX"};
    g_autoptr(Scene) scene = scene_new(2);
    guint64 inbox;
    (void)state;

    scene_serve(scene, 2);
    server_add(&scene->server, 3, 10, -1);
    inbox = scene_enter(scene);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(Op) op = op_new(scene, op_lookup, inbox);
        op->name = names[i];
        op_run(op);
        op_assert_failed(op, IMAPFS_ERROR_NOT_FOUND);
        assert_int_equal(op->asked, 1);
    }
}

static void
test_shared_fetch(void **state)
{
    g_autoptr(Scene) scene = scene_new(2);
    g_autoptr(Op) one = NULL;
    g_autoptr(Op) other = NULL;
    guint64 ino;
    (void)state;

    scene_serve(scene, 2);
    server_add(&scene->server, 3, 5000, -1);
    ino = scene_find(scene, scene_enter(scene), "3.eml");
    one = op_new(scene, op_open, ino);
    other = op_new(scene, op_open, ino);
    op_start(one);
    op_start(other);
    assert_int_equal(fs_park_count(scene->park), 2);
    op_wait(one);
    op_wait(other);
    op_assert_fine(one);
    op_assert_fine(other);
    assert_int_equal(scene->server.n_fetches, 1);
    assert_int_equal(fs_park_count(scene->park), 0);
}

static void
test_large(void **state)
{
    static const gsize sizes[] = {131071, 131072, 131073, 300000, 5000000};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(Scene) scene = scene_new(2);
        Copy made;
        scene_serve(scene, 2);
        server_add(&scene->server, 3, sizes[i], -1);
        made = scene_copy(scene, scene_find(scene, scene_enter(scene), "3.eml"),
                          128 << 10);
        copy_assert_is(&made, server_mail(&scene->server, 0));
        copy_clear(&made);
        assert_true(scene->server.n_fetches <= 20);
    }
}

/* Who reads one message after the other finds the next ones there, and costs
 * few commands, even if it takes its time. */
static void
test_walk(void **state)
{
    enum { COUNT = 3000 };
    g_autoptr(Scene) scene = scene_new(2);
    guint64 inbox;
    (void)state;

    scene_serve(scene, 2);
    for (guint32 uid = 1; uid <= COUNT; uid++)
        server_add(&scene->server, uid, 600 + uid % 7, -1);
    inbox = scene_enter(scene);
    for (guint i = 0; i < COUNT; i++) {
        g_autofree char *name = g_strdup_printf("%u.eml", i + 1);
        Copy made = scene_copy(scene, scene_find(scene, inbox, name), 4096);
        copy_assert_is(&made, server_mail(&scene->server, i));
        copy_clear(&made);
        scene_wait(scene, SHORT);
        if (i == 6) /* by then it is no chance */
            assert_true(scene_octets_kept(scene) > (gsize)1000 * 600);
    }
    assert_true(scene->server.n_fetches <= COUNT / 64);
}

/* A few octets at the end do not need the rest. */
static void
test_tail(void **state)
{
    g_autoptr(Scene) scene = scene_new(2);
    g_autoptr(Op) op = NULL;
    (void)state;

    scene_serve(scene, 2);
    server_add(&scene->server, 3, 3000000, -1);
    op = op_new(scene, op_open, scene_find(scene, scene_enter(scene), "3.eml"));
    op_run(op);
    op->ask = op_read;
    op->buffer = g_malloc(1000);
    op->size = 1000;
    op->offset = 2999500;
    op_run(op);
    op_assert_fine(op);
    assert_int_equal(op->got, 500);
    assert_memory_equal(op->buffer,
                        server_mail(&scene->server, 0)->body + 2999500, 500);
    assert_true(scene_octets_kept(scene) < 200000);
}

/* ---- habits ---- */

typedef struct {
    const char *name;
    Habit habit;
    gsize size;
    gint64 announced;
    gboolean served; /* else it must fail */
} HabitRow;

static const HabitRow habit_table[] = {
    {"honest", HONEST, 1000, -1, TRUE},
    {"an empty message", HONEST, 0, -1, TRUE},
    {"BODY NIL", BODY_NIL, 1000, -1, FALSE},
    {"BODY NIL, large", BODY_NIL, 400000, -1, FALSE},
    {"BODY \"\"", BODY_EMPTY, 1000, -1, FALSE},
    {"BODY \"\", large", BODY_EMPTY, 400000, -1, FALSE},
    {"BODY missing", BODY_MISSING, 1000, -1, FALSE},
    {"no FETCH", NO_FETCH, 1000, -1, FALSE},
    {"NO", FETCH_REFUSED, 1000, -1, FALSE},
    {"BAD", FETCH_BAD, 1000, -1, FALSE},
    {"a made-up message", FAKE_MESSAGE, 1000, -1, FALSE},
    {"a made-up message, large", FAKE_MESSAGE, 400000, -1, FALSE},
    {"no RFC822.SIZE", NO_SIZE, 1000, -1, FALSE},
    {"another UID", OTHER_UID, 1000, -1, FALSE},
    {"no UID", NO_UID, 1000, -1, TRUE},
    {"another origin", OTHER_ORIGIN, 1000, -1, FALSE},
    {"another origin, large", OTHER_ORIGIN, 400000, -1, FALSE},
    {"too long", TOO_LONG, 1000, -1, FALSE},
    {"too long, large", TOO_LONG, 400000, -1, FALSE},
    {"the whole", WHOLE, 1000, -1, TRUE},
    {"the whole, large", WHOLE, 400000, -1, TRUE},
    {"origin and length", ORIGIN_AND_LENGTH, 1000, -1, TRUE},
    {"origin and length, large", ORIGIN_AND_LENGTH, 400000, -1, TRUE},
    {"another section", OTHER_SECTION, 1000, -1, FALSE},
    {"silence", SILENT, 1000, -1, FALSE},

    {"size 1 too small", HONEST, 1000, 999, TRUE},
    {"size 1 too large", HONEST, 1000, 1001, TRUE},
    {"size half as large", HONEST, 1000, 500, TRUE},
    {"size twice as large", HONEST, 1000, 2000, TRUE},
    {"size 0", HONEST, 1000, 0, TRUE},
    {"size of an empty message not 0", HONEST, 0, 10, FALSE},
    {"size 2^32-1", HONEST, 1000, 4294967295, TRUE},
    {"size 2^62", HONEST, 1000, G_GINT64_CONSTANT(1) << 62, TRUE},
    {"size 1 too small, large", HONEST, 400000, 399999, TRUE},
    {"size 1 too large, large", HONEST, 400000, 400001, TRUE},
    {"size half as large, large", HONEST, 400000, 200000, TRUE},
    {"size twice as large, large", HONEST, 400000, 800000, TRUE},
    {"size 0, large", HONEST, 400000, 0, TRUE},
    {"size small, large", HONEST, 4000000, 1000, TRUE},
    {"size 100 times as large", HONEST, 4000000, 400000000, TRUE},
    {"size 131071 of 131072", HONEST, 131072, 131071, TRUE},
    {"size 131072 of 131071", HONEST, 131071, 131072, TRUE},
    {"size 131072 of 131073", HONEST, 131073, 131072, TRUE},
    {"size 131072 of 1", HONEST, 1, 131072, TRUE},
    {"size too large, the whole", WHOLE, 1000, 1500, TRUE},
    {"size too small, the whole", WHOLE, 1500, 1000, TRUE},
    {"size too large, the whole, large", WHOLE, 400000, 600000, TRUE},
    {"size too small, the whole, large", WHOLE, 600000, 400000, TRUE},
    {"size much too large, the whole", WHOLE, 3000, 300000, FALSE},
};

static void
play_habit(const HabitRow *row, gsize step)
{
    g_autoptr(Scene) scene = scene_new(2);
    const Mail *mail;
    guint64 inbox;
    Copy made;

    scene_serve(scene, 20);
    server_add(&scene->server, 3, row->size, row->announced);
    mail = server_mail(&scene->server, 0);
    inbox = scene_enter(scene);
    scene->server.habit = row->habit;
    made = scene_copy(scene, scene_find(scene, inbox, "3.eml"), step);
    if (row->served || made.error == NULL) {
        /* Not to fail is good only with the right octets. */
        copy_assert_is(&made, mail);
    } else {
        assert_int_equal(made.data->len, 0);
        assert_int_equal(scene_octets_kept(scene), 0);
    }
    copy_clear(&made);
    if (row->served)
        return;
    /* Once the server behaves, nothing wrong is left. */
    scene->server.habit = HONEST;
    scene_wait(scene, 2 * MINUTE);
    made = scene_copy(scene, scene_find(scene, inbox, "3.eml"), step);
    if (made.error == NULL)
        copy_assert_is(&made, mail);
    else if (row->habit != HONEST)
        fail_msg("the server behaves, and yet: %s", made.error->message);
    copy_clear(&made);
}

static void
test_habit(void **state)
{
    play_habit(*state, 4096);
    play_habit(*state, 128 << 10);
}

/* Several ranges in flight, partial fetches whose origin is not told: each must
 * come to its place, or to none. */
static void
test_no_origin(void **state)
{
    static const Habit habits[] = {NO_ORIGIN, WHOLE_AS_ORIGIN_0};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(habits); i++) {
        g_autoptr(Scene) scene = scene_new(3);
        Copy made;
        scene_serve(scene, 20);
        server_add(&scene->server, 3, 3000000, -1);
        scene->server.habit = habits[i];
        made = scene_copy(scene, scene_find(scene, scene_enter(scene), "3.eml"),
                          16 << 10);
        if (made.error == NULL)
            copy_assert_is(&made, server_mail(&scene->server, 0));
        else
            assert_memory_equal(made.data->str,
                                server_mail(&scene->server, 0)->body,
                                made.data->len);
        copy_clear(&made);
    }
}

static void
test_twice(void **state)
{
    g_autoptr(Scene) scene = scene_new(2);
    Copy made;
    (void)state;

    scene_serve(scene, 20);
    server_add(&scene->server, 3, 1000, -1);
    scene->server.habit = TWICE;
    made =
        scene_copy(scene, scene_find(scene, scene_enter(scene), "3.eml"), 100);
    if (made.error == NULL)
        copy_assert_is(&made, server_mail(&scene->server, 0));
    copy_clear(&made);
}

/* A server that was right so often that its sizes are shown unproven is found
 * out: whoever reads gets the message or an error, never a part of it. */
static void
find_out(const HabitRow *row, gboolean spared)
{
    g_autoptr(Scene) scene = scene_new(2);
    const Mail *liar;
    guint64 inbox;
    Copy made;

    scene_serve(scene, 20);
    for (guint32 uid = 1; uid <= 40; uid++)
        server_add(&scene->server, uid, 100 + uid, -1);
    server_add(&scene->server, 1000, row->size, row->announced);
    liar = server_mail(&scene->server, 40);
    inbox = scene_enter(scene);
    for (guint32 uid = 1; uid <= 40; uid++) {
        g_autofree char *name = g_strdup_printf("%u.eml", uid);
        made = scene_copy(scene, scene_find(scene, inbox, name), 4096);
        copy_assert_is(&made, server_mail(&scene->server, uid - 1));
        copy_clear(&made);
    }
    if (spared)
        scene_spare_open(scene);
    made = scene_copy(scene, scene_find(scene, inbox, "1000.eml"), 100);
    if (made.error == NULL)
        assert_int_equal(made.data->len, row->size);
    assert_memory_equal(made.data->str, liar->body, made.data->len);
    copy_clear(&made);
    /* From now on it is right. */
    made = scene_copy(scene, scene_find(scene, inbox, "1000.eml"), 100);
    copy_assert_is(&made, liar);
    copy_clear(&made);
}

static void
test_wrong_when_trusted(void **state)
{
    static const HabitRow rows[] = {
        {"small, too small", HONEST, 1000, 500, FALSE},
        {"small, too large", HONEST, 1000, 1500, FALSE},
        {"large, too small", HONEST, 500000, 400000, FALSE},
        {"large, too large", HONEST, 400000, 500000, FALSE},
    };
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        find_out(&rows[i], FALSE);
        find_out(&rows[i], TRUE);
    }
}

/* One reader is in the middle when another finds out. */
static void
test_wrong_for_another(void **state)
{
    g_autoptr(Scene) scene = scene_new(2);
    g_autoptr(Op) op = NULL;
    guint64 inbox;
    guint64 ino;
    Copy made;
    (void)state;

    scene_serve(scene, 20);
    server_add(&scene->server, 5, 500000, 400000);
    inbox = scene_enter(scene);
    scene_spare_open(scene);
    ino = scene_find(scene, inbox, "5.eml");
    made = scene_copy(scene, ino, 4096);
    assert_true(g_error_matches(made.error, IMAPFS_ERROR, IMAPFS_ERROR_STALE));
    copy_clear(&made);
    op = scene_open(scene, ino, 100);
    op_run(op);
    op_assert_failed(op, IMAPFS_ERROR_STALE);
    op->ask = op_getattr;
    op_run(op);
    op_assert_failed(op, IMAPFS_ERROR_STALE);
    made = scene_copy(scene, scene_find(scene, inbox, "5.eml"), 4096);
    copy_assert_is(&made, server_mail(&scene->server, 0));
    copy_clear(&made);
}

/* The server itself says another size later. */
static void
test_announced_anew(void **state)
{
    g_autoptr(Scene) scene = scene_new(2);
    g_autoptr(Op) op = NULL;
    guint64 inbox;
    guint64 ino;
    Copy made;
    (void)state;

    scene_serve(scene, 20);
    server_add(&scene->server, 5, 1000, 500);
    inbox = scene_enter(scene);
    scene_spare_open(scene);
    ino = scene_find(scene, inbox, "5.eml");
    server_mail(&scene->server, 0)->announced = 1000;
    made = scene_copy(scene, ino, 100);
    assert_non_null(made.error);
    copy_clear(&made);
    scene_wait(scene, 5 * CLOCK_SECOND);
    op = op_new(scene, op_getattr, ino);
    op_run(op);
    op_assert_failed(op, IMAPFS_ERROR_STALE);
    made = scene_copy(scene, scene_find(scene, inbox, "5.eml"), 100);
    copy_assert_is(&made, server_mail(&scene->server, 0));
    copy_clear(&made);
}

int
main(void)
{
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(test_list_and_read),
        cmocka_unit_test(test_no_such_name),
        cmocka_unit_test(test_shared_fetch),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_tail),
        cmocka_unit_test(test_no_origin),
        cmocka_unit_test(test_twice),
        cmocka_unit_test(test_wrong_when_trusted),
        cmocka_unit_test(test_wrong_for_another),
        cmocka_unit_test(test_announced_anew),
    };
    struct CMUnitTest tests[G_N_ELEMENTS(habit_table) + G_N_ELEMENTS(others)];
    guint n = 0;

    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING |
                           G_LOG_FATAL_MASK);
    g_mime_init();
    for (guint i = 0; i < G_N_ELEMENTS(habit_table); i++)
        tests[n++] = (struct CMUnitTest){habit_table[i].name, test_habit, NULL,
                                         NULL, (void *)&habit_table[i]};
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        tests[n++] = others[i];
    return cmocka_run_group_tests(tests, NULL, NULL);
}

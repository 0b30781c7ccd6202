/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include "base/clock.h"

enum { START = 1700000000 };

typedef struct {
    Clock *clock;
    GString *said;
    guint to_cancel;
} Scene;

typedef struct {
    Scene *scene;
    char name;
} Actor;

static void
say(gpointer data)
{
    Actor *actor = data;
    g_string_append_c(actor->scene->said, actor->name);
}

static void
say_and_cancel(gpointer data)
{
    Actor *actor = data;
    say(data);
    clock_cancel(actor->scene->clock, &actor->scene->to_cancel);
}

static void
say_and_start_again(gpointer data)
{
    Actor *actor = data;
    say(data);
    if (actor->scene->said->len < 5)
        clock_after(actor->scene->clock, 0, say_and_start_again, data);
}

static void
run(Clock *clock)
{
    while (clock_step(clock, G_MAXINT64))
        continue;
}

static void
test_order(void **state)
{
    g_autoptr(Clock) clock = clock_new_virtual(START);
    g_autoptr(GString) said = g_string_new(NULL);
    Scene scene = {clock, said, 0};
    Actor actors[] = {{&scene, 'a'},
                      {&scene, 'b'},
                      {&scene, 'c'},
                      {&scene, 'd'},
                      {&scene, 'e'}};
    static const gint64 delays[] = {30, 10, 20, 10, -5};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(actors); i++)
        assert_int_not_equal(clock_after(clock, delays[i], say, &actors[i]), 0);
    run(clock);
    /* Past ones at once, those of one moment in the order they were set. */
    assert_string_equal(said->str, "ebdca");
}

static void
test_virtual_time_stands_still(void **state)
{
    g_autoptr(Clock) clock = clock_new_virtual(START);
    g_autoptr(GString) said = g_string_new(NULL);
    Scene scene = {clock, said, 0};
    Actor actor = {&scene, 'a'};
    gint64 now = clock_now(clock);
    gint64 wall = clock_wall(clock);
    (void)state;

    assert_false(clock_step(clock, G_MAXINT64));
    assert_int_equal(clock_now(clock), now);
    clock_after(clock, 90 * CLOCK_SECOND, say, &actor);
    assert_false(clock_step(clock, now + 90 * CLOCK_SECOND - 1));
    assert_int_equal(clock_now(clock), now);
    assert_true(clock_step(clock, now + 90 * CLOCK_SECOND));
    assert_int_equal(clock_now(clock), now + 90 * CLOCK_SECOND);
    assert_int_equal(clock_wall(clock), wall + 90);
    assert_string_equal(said->str, "a");
}

static void
test_cancel(void **state)
{
    g_autoptr(Clock) clock = clock_new_virtual(START);
    g_autoptr(GString) said = g_string_new(NULL);
    Scene scene = {clock, said, 0};
    Actor one = {&scene, 'a'};
    Actor other = {&scene, 'b'};
    guint id = 0;
    (void)state;

    clock_cancel(clock, &id); /* nothing to cancel is fine */
    id = clock_after(clock, 10, say, &one);
    clock_cancel(clock, &id);
    assert_int_equal(id, 0);
    clock_cancel(clock, &id);
    clock_after(clock, 10, say_and_cancel, &one);
    scene.to_cancel = clock_after(clock, 10, say, &other);
    run(clock);
    assert_string_equal(said->str, "a");
    assert_int_equal(scene.to_cancel, 0);
}

static void
test_timer_sets_timer(void **state)
{
    g_autoptr(Clock) clock = clock_new_virtual(START);
    g_autoptr(GString) said = g_string_new(NULL);
    Scene scene = {clock, said, 0};
    Actor actor = {&scene, 'a'};
    (void)state;

    clock_after(clock, 10, say_and_start_again, &actor);
    run(clock);
    assert_string_equal(said->str, "aaaaa");
}

static void
stop(gpointer data)
{
    g_main_loop_quit(data);
}

static void
test_real(void **state)
{
    g_autoptr(Clock) clock = clock_new();
    g_autoptr(GString) said = g_string_new(NULL);
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    Scene scene = {clock, said, 0};
    Actor one = {&scene, 'a'};
    Actor other = {&scene, 'b'};
    gint64 start = clock_now(clock);
    guint gone;
    (void)state;

    assert_true(ABS(clock_wall(clock) - (gint64)time(NULL)) <= 1);
    clock_after(clock, 40 * CLOCK_MILLISECOND, stop, loop);
    clock_after(clock, 20 * CLOCK_MILLISECOND, say, &other);
    clock_after(clock, 0, say, &one);
    gone = clock_after(clock, 0, say, &one);
    clock_cancel(clock, &gone);
    g_main_loop_run(loop);
    assert_string_equal(said->str, "ab");
    assert_true(clock_now(clock) - start >= 40 * CLOCK_MILLISECOND);
}

static void
test_many(void **state)
{
    g_autoptr(Clock) clock = clock_new_virtual(START);
    g_autoptr(GString) said = g_string_new(NULL);
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    Scene scene = {clock, said, 0};
    Actor actor = {&scene, 'a'};
    guint ids[10000];
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(ids); i++)
        ids[i] =
            clock_after(clock, g_rand_int_range(random, 0, 1000), say, &actor);
    for (guint i = 0; i < G_N_ELEMENTS(ids); i += 2)
        clock_cancel(clock, &ids[i]);
    run(clock);
    assert_int_equal(said->len, G_N_ELEMENTS(ids) / 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_virtual_time_stands_still),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_timer_sets_timer),
        cmocka_unit_test(test_real),
        cmocka_unit_test(test_many),
    };
    rows_begin_program();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

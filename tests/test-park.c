/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include "base/error.h"
#include "fs/park.h"

enum { START = 1700000000 };
#define TIMEOUT (30 * CLOCK_SECOND)

/* The park asks an account for nothing but this. */
static const GError *failure;

const GError *
mail_account_failure(const MailAccount *account)
{
    (void)account;
    return failure;
}

static gboolean online = TRUE;

gboolean
mail_account_is_online(const MailAccount *account)
{
    (void)account;
    return online;
}

/* ---- an operation ---- */

typedef struct {
    FsParked parked;
    FsPark *park;
    guint resumed;
    int code;        /* of the error; -1 when there was none */
    MailWant *again; /* parks again on this one */
    gboolean freed;
} Operation;

static void
on_resumed(FsParked *parked, const GError *error)
{
    Operation *operation = (Operation *)(gpointer)parked;
    operation->resumed++;
    operation->code = error ? error->code : -1;
    if (operation->again != NULL && error == NULL) {
        fs_park_wait(operation->park, parked, operation->again);
    } else {
        fs_park_leave(parked);
        operation->freed = TRUE;
    }
}

typedef struct {
    Clock *clock;
    FsPark *park;
    MailWant *want;
    Operation operation;
} Scene;

static int
set_up(void **state)
{
    Scene *scene = g_new0(Scene, 1);
    scene->clock = clock_new_virtual(START);
    scene->park = fs_park_new(NULL, scene->clock, TIMEOUT);
    scene->want = mail_want_new(MAIL_WANT_LISTING, 1);
    scene->operation.parked.resume = on_resumed;
    scene->operation.park = scene->park;
    *state = scene;
    return 0;
}

static int
tear_down(void **state)
{
    Scene *scene = *state;
    fs_park_free(scene->park);
    mail_want_unref(scene->want);
    clock_free(scene->clock);
    g_free(scene);
    failure = NULL;
    return 0;
}

static void
iterate(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        continue;
}

static void
park(Scene *scene)
{
    fs_park_wait(scene->park, &scene->operation.parked, scene->want);
}

/* ---- tests ---- */

/* Resumed from the loop, and not from inside the model. */
static void
test_woken(void **state)
{
    Scene *scene = *state;
    Operation *operation = &scene->operation;

    park(scene);
    assert_int_equal(fs_park_count(scene->park), 1);
    iterate();
    assert_int_equal(operation->resumed, 0);
    mail_want_wake(scene->want, NULL);
    assert_int_equal(operation->resumed, 0);
    iterate();
    assert_int_equal(operation->resumed, 1);
    assert_int_equal(operation->code, -1);
    assert_true(operation->freed);
    assert_int_equal(fs_park_count(scene->park), 0);
    /* Its deadline went with it. */
    assert_false(clock_step(scene->clock, G_MAXINT64));
}

static void
test_want_fails(void **state)
{
    Scene *scene = *state;
    g_autoptr(GError) error =
        g_error_new_literal(IMAPFS_ERROR, IMAPFS_ERROR_OFFLINE, "off");

    park(scene);
    mail_want_wake(scene->want, error);
    g_clear_error(&error); /* the park has its own */
    iterate();
    assert_int_equal(scene->operation.code, IMAPFS_ERROR_OFFLINE);
}

static void
test_deadline(void **state)
{
    Scene *scene = *state;
    gint64 start = clock_now(scene->clock);

    park(scene);
    assert_false(clock_step(scene->clock, start + TIMEOUT - 1));
    assert_true(clock_step(scene->clock, start + TIMEOUT));
    iterate();
    assert_int_equal(scene->operation.resumed, 1);
    assert_int_equal(scene->operation.code, IMAPFS_ERROR_TIMEOUT);
    mail_want_wake(scene->want, NULL);
    iterate();
    assert_int_equal(scene->operation.resumed, 1);
}

/* Nobody has failed yet to connect, but there is no connection. */
static void
test_deadline_without_a_link(void **state)
{
    Scene *scene = *state;
    gint64 start = clock_now(scene->clock);

    online = FALSE;
    park(scene);
    assert_true(clock_step(scene->clock, start + TIMEOUT));
    iterate();
    online = TRUE;
    assert_int_equal(scene->operation.code, IMAPFS_ERROR_OFFLINE);
}

/* Why the server cannot be reached says more than that it took too long. */
static void
test_deadline_says_why(void **state)
{
    Scene *scene = *state;
    g_autoptr(GError) error =
        g_error_new_literal(IMAPFS_ERROR, IMAPFS_ERROR_NO_HOST, "what host?");

    failure = error;
    park(scene);
    assert_true(clock_step(scene->clock, G_MAXINT64));
    iterate();
    assert_int_equal(scene->operation.code, IMAPFS_ERROR_NO_HOST);
}

static void
on_tick(gpointer data)
{
    (void)data;
}

/* However often it is woken and parks again, it waits TIMEOUT in all. */
static void
test_one_deadline(void **state)
{
    Scene *scene = *state;
    gint64 start = clock_now(scene->clock);
    guint ticks = 0;

    scene->operation.again = scene->want;
    park(scene);
    while (!scene->operation.freed) {
        guint other = clock_after(scene->clock, CLOCK_SECOND, on_tick, NULL);
        assert_true(clock_step(scene->clock, G_MAXINT64));
        clock_cancel(scene->clock, &other);
        mail_want_wake(scene->want, NULL);
        iterate();
        assert_true(++ticks < 100);
    }
    assert_int_equal(scene->operation.code, IMAPFS_ERROR_TIMEOUT);
    assert_int_equal(clock_now(scene->clock) - start, TIMEOUT);
}

static void
test_interrupt(void **state)
{
    Scene *scene = *state;

    fs_park_interrupt(&scene->operation.parked); /* it does not wait */
    iterate();
    assert_int_equal(scene->operation.resumed, 0);
    park(scene);
    fs_park_interrupt(&scene->operation.parked);
    fs_park_interrupt(&scene->operation.parked);
    assert_int_equal(scene->operation.resumed, 0);
    iterate();
    assert_int_equal(scene->operation.resumed, 1);
    assert_int_equal(scene->operation.code, IMAPFS_ERROR_CANCELLED);
}

static void
test_woken_then_interrupted(void **state)
{
    Scene *scene = *state;

    scene->operation.again = scene->want;
    park(scene);
    mail_want_wake(scene->want, NULL);
    fs_park_interrupt(&scene->operation.parked);
    iterate();
    assert_int_equal(scene->operation.resumed, 1);
    assert_int_equal(scene->operation.code, IMAPFS_ERROR_CANCELLED);
}

static void
test_leave(void **state)
{
    Scene *scene = *state;

    fs_park_leave(&scene->operation.parked); /* it never waited */
    park(scene);
    mail_want_wake(scene->want, NULL);
    fs_park_leave(&scene->operation.parked);
    fs_park_leave(&scene->operation.parked);
    iterate();
    assert_int_equal(scene->operation.resumed, 0);
    assert_int_equal(fs_park_count(scene->park), 0);
}

static void
test_evict(void **state)
{
    Scene *scene = *state;
    g_autoptr(GError) error =
        g_error_new_literal(IMAPFS_ERROR, IMAPFS_ERROR_CANCELLED, "the end");

    fs_park_evict(scene->park, error);
    park(scene);
    mail_want_wake(scene->want, NULL); /* ready, and evicted first */
    fs_park_evict(scene->park, error);
    assert_int_equal(scene->operation.resumed, 1);
    assert_int_equal(scene->operation.code, IMAPFS_ERROR_CANCELLED);
    assert_int_equal(fs_park_count(scene->park), 0);
    iterate();
    assert_int_equal(scene->operation.resumed, 1);
}

static void
test_many(void **state)
{
    Scene *scene = *state;
    g_autofree Operation *operations = g_new0(Operation, 10000);

    for (guint i = 0; i < 10000; i++) {
        operations[i].parked.resume = on_resumed;
        operations[i].park = scene->park;
        fs_park_wait(scene->park, &operations[i].parked, scene->want);
    }
    mail_want_wake(scene->want, NULL);
    iterate();
    for (guint i = 0; i < 10000; i++)
        assert_int_equal(operations[i].resumed, 1);
    assert_int_equal(fs_park_count(scene->park), 0);
}

#define in_scene(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        in_scene(test_woken),
        in_scene(test_want_fails),
        in_scene(test_deadline),
        in_scene(test_deadline_without_a_link),
        in_scene(test_deadline_says_why),
        in_scene(test_one_deadline),
        in_scene(test_interrupt),
        in_scene(test_woken_then_interrupted),
        in_scene(test_leave),
        in_scene(test_evict),
        in_scene(test_many),
    };
    rows_begin_program();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* IDLE, and how long a silent server is trusted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "talk.h"

/* ---- IDLE ---- */

static void
test_idle(void **state)
{
    g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
    (void)state;

    talk_open(
        talk,
        LOGGED_IN(
            " IDLE") "C: $idle IDLE\nS: + idling\nW: 1000\nS: * 4 EXISTS\n"
                     "C: DONE\nS: $idle OK\nC: $a NOOP\nS: $a OK\n"
                     "C: $idle IDLE\nS: + \n");
    talk_wait(talk, 299 * CLOCK_MILLISECOND);
    assert_int_equal(script_count(talk->script, 0, "IDLE"), 0);
    talk_wait(talk, 1 * CLOCK_MILLISECOND);
    assert_int_equal(script_count(talk->script, 0, "IDLE"), 1);
    assert_true(imap_session_is_idling(talk->session));
    assert_int_equal(imap_session_load(talk->session), 0);
    /* Nobody need say anything while idle. */
    talk_wait(talk, 9 * MINUTE);
    assert_false(talk->closed);
    assert_string_equal(talk->events->str, "EXISTS ");
    assert_int_equal(script_count(talk->script, 0, "DONE"), 0);
    talk_send(talk, "NOOP");
    assert_int_equal(imap_session_load(talk->session), 1);
    script_run(talk->script, &talk->all_answered, TALK_PATIENCE);
    assert_true(talk->all_answered);
    talk_wait(talk, CLOCK_SECOND);
    assert_int_equal(script_count(talk->script, 0, "IDLE"), 2);
    talk_assert_over(talk);
}

static void
test_idle_renewal(void **state)
{
    g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
    (void)state;

    talk_open(talk, LOGGED_IN(" IDLE") "C: $a IDLE\nS: + \nC: DONE\nS: $a OK\n"
                                       "C: $b IDLE\nS: + \nC: DONE\nS: $b OK\n"
                                       "C: $c IDLE\nS: + \n");
    talk_wait(talk, CLOCK_SECOND);
    talk_wait(talk, 9 * MINUTE + 25 * CLOCK_SECOND);
    assert_int_equal(script_count(talk->script, 0, "DONE"), 0);
    talk_wait(talk, 5 * CLOCK_SECOND);
    assert_int_equal(script_count(talk->script, 0, "DONE"), 1);
    assert_int_equal(script_count(talk->script, 0, "IDLE"), 2);
    talk_wait(talk, 10 * MINUTE);
    assert_int_equal(script_count(talk->script, 0, "DONE"), 2);
    assert_false(talk->closed);
    talk_assert_over(talk);
}

/* A server that speaks now and then keeps the connection in the memory of
 * routers; but it logs out who says nothing for half an hour. */
static void
test_idle_renewal_put_off(void **state)
{
    g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
    g_autoptr(GString) scenario =
        g_string_new(LOGGED_IN(" IDLE") "C: $a IDLE\nS: + \n");
    (void)state;

    for (guint i = 0; i < 13; i++)
        g_string_append(scenario, "W: 125000\nS: * OK Still here\n");
    g_string_append(scenario, "C: DONE\nS: $a OK\nC: $b IDLE\nS: + \n"
                              "W: 300000\nS: * OK Still here\n"
                              "C: DONE\nS: $b OK\nC: $c IDLE\nS: + \n");
    talk_open(talk, scenario->str);
    talk_wait(talk, 300 * CLOCK_MILLISECOND);
    talk_wait(talk, 28 * MINUTE - CLOCK_SECOND);
    assert_int_equal(script_count(talk->script, 0, "DONE"), 0);
    talk_wait(talk, CLOCK_SECOND);
    assert_int_equal(script_count(talk->script, 0, "DONE"), 1);
    talk_wait(talk, 300 * CLOCK_MILLISECOND);
    assert_int_equal(script_count(talk->script, 0, "IDLE"), 2);
    /* 5 minutes, and the usual 9.5 of silence. */
    talk_wait(talk, 14 * MINUTE + 29 * CLOCK_SECOND);
    assert_int_equal(script_count(talk->script, 0, "DONE"), 1);
    talk_wait(talk, CLOCK_SECOND);
    assert_int_equal(script_count(talk->script, 0, "DONE"), 2);
    talk_wait(talk, CLOCK_SECOND);
    talk_assert_over(talk);
}

static void
test_idle_renewal_set(void **state)
{
    g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
    (void)state;

    talk_open(talk, LOGGED_IN(" IDLE") "C: $a IDLE\nS: + \nC: DONE\nS: $a OK\n"
                                       "C: $b IDLE\nS: + \n");
    imap_session_set_idle_renewal(talk->session, 150 * CLOCK_SECOND);
    talk_wait(talk, 300 * CLOCK_MILLISECOND);
    assert_int_equal(imap_session_silence(talk->session), 0);
    talk_wait(talk, 149 * CLOCK_SECOND);
    assert_int_equal(imap_session_silence(talk->session), 149 * CLOCK_SECOND);
    assert_int_equal(script_count(talk->script, 0, "DONE"), 0);
    talk_wait(talk, CLOCK_SECOND);
    assert_int_equal(script_count(talk->script, 0, "DONE"), 1);
    talk_wait(talk, CLOCK_SECOND);
    talk_assert_over(talk);
}

/* It holds for the silence that goes on, too. */
static void
test_idle_renewal_set_meanwhile(void **state)
{
    g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
    (void)state;

    talk_open(talk, LOGGED_IN(" IDLE") "C: $a IDLE\nS: + \nC: DONE\n");
    talk_wait(talk, 100 * CLOCK_SECOND);
    imap_session_set_idle_renewal(talk->session, 150 * CLOCK_SECOND);
    talk_wait(talk, 51 * CLOCK_SECOND);
    assert_int_equal(script_count(talk->script, 0, "DONE"), 1);
}

/* A command that comes between IDLE and its "+". */
static void
test_idle_crossed(void **state)
{
    g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
    (void)state;

    talk_open(
        talk,
        LOGGED_IN(" IDLE") "C: $idle IDLE\nW: 1000\nS: + \nC: DONE\nW: 1000\n"
                           "S: $idle OK\nC: $a NOOP\nS: $a OK\n");
    talk_wait(talk, 500 * CLOCK_MILLISECOND);
    talk_send(talk, "NOOP");
    assert_int_equal(imap_session_load(talk->session), 1);
    talk_wait(talk, 500 * CLOCK_MILLISECOND);
    assert_int_equal(script_count(talk->script, 0, "DONE"), 0);
    assert_int_equal(script_count(talk->script, 0, "NOOP"), 0);
    script_run(talk->script, &talk->all_answered, TALK_PATIENCE);
    assert_string_equal(talk->answers->str, "NOOP:OK ");
}

static void
test_idle_refused(void **state)
{
    static const char *const answers[] = {"NO", "BAD"};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(answers); i++) {
        g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
        g_autofree char *scenario = g_strdup_printf(
            LOGGED_IN(" IDLE") "C: $a IDLE\nS: $a %s\nC: $a NOOP\nS: $a OK\n"
                               "C: $a NOOP\nS: * 3 EXISTS\nS: $a OK\n",
            answers[i]);
        talk_open(talk, scenario);
        talk_wait(talk, 10 * CLOCK_SECOND);
        assert_int_equal(script_count(talk->script, 0, "NOOP"), 0);
        talk_wait(talk, 60 * CLOCK_SECOND);
        assert_int_equal(script_count(talk->script, 0, "NOOP"), 1);
        talk_wait(talk, 60 * CLOCK_SECOND);
        assert_int_equal(script_count(talk->script, 0, "NOOP"), 2);
        assert_int_equal(script_count(talk->script, 0, "IDLE"), 1);
        assert_string_equal(talk->events->str, "EXISTS ");
        assert_false(talk->closed);
        talk_assert_over(talk);
    }
}

static void
test_idle_ended_by_server(void **state)
{
    g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
    (void)state;

    talk_open(talk,
              LOGGED_IN(" IDLE") "C: $a IDLE\nS: + \nW: 5000\nS: $a OK enough\n"
                                 "C: $b IDLE\nS: + \nC: DONE\nS: $b OK\nC: $c "
                                 "NOOP\nS: $c OK\n");
    talk_wait(talk, 10 * CLOCK_SECOND);
    talk_send(talk, "NOOP");
    script_run(talk->script, &talk->all_answered, TALK_PATIENCE);
    assert_true(talk->all_answered);
    talk_assert_over(talk);
}

static void
test_no_idle(void **state)
{
    g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
    (void)state;

    talk_open(talk, LOGGED_IN("") "C: $a NOOP\nS: $a OK\n"
                                  "C: $a NOOP\nS: $a OK\n");
    talk_wait(talk, 2 * MINUTE + CLOCK_SECOND);
    assert_int_equal(script_count(talk->script, 0, "NOOP"), 2);
    talk_assert_over(talk);
}

/* ---- patience ---- */

static void
test_silence(void **state)
{
    g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
    gint64 asked;
    (void)state;

    talk_open(talk, LOGGED_IN("") "C: $a NOOP\nE\n");
    talk_wait(talk, 20 * CLOCK_SECOND);
    talk_send(talk, "NOOP");
    asked = clock_now(talk->clock);
    script_run(talk->script, &talk->closed, 5 * MINUTE);
    talk_assert_closed(talk, IMAPFS_ERROR_OFFLINE);
    assert_int_equal(talk->closed_at - asked, TALK_PATIENCE);
    assert_string_equal(talk->answers->str, "NOOP:- ");
}

/* However long ago the one before was, a command gets its whole time. */
static void
test_patience_is_whole(void **state)
{
    (void)state;
    for (gint64 pause = 1; pause < 31; pause += 2) {
        g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
        talk_open(talk, LOGGED_IN("") "C: $a NOOP\nS: $a OK\n"
                                      "C: $b NOOP\nW: 25000\nS: $b OK\n");
        talk_send(talk, "NOOP");
        talk_wait(talk, pause * CLOCK_SECOND);
        talk_send(talk, "NOOP");
        script_run(talk->script, &talk->all_answered, MINUTE);
        if (strcmp(talk->answers->str, "NOOP:OK NOOP:OK ") != 0)
            fail_msg("after %d s of rest a command that takes 25 s: %s",
                     (int)pause, talk->answers->str);
    }
}

/* The same when the pause was spent in IDLE. */
static void
test_patience_after_idle(void **state)
{
    (void)state;
    for (gint64 pause = 1; pause < 62; pause += 3) {
        g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
        talk_open(talk,
                  LOGGED_IN(" IDLE") "C: $i IDLE\nS: + \nC: DONE\nW: 20000\n"
                                     "S: $i OK\nC: $b NOOP\nW: 25000\n"
                                     "S: $b OK\n");
        talk_wait(talk, pause * CLOCK_SECOND);
        talk_send(talk, "NOOP");
        script_run(talk->script, &talk->all_answered, MINUTE);
        if (strcmp(talk->answers->str, "NOOP:OK ") != 0)
            fail_msg("after %d s of IDLE: %s", (int)pause, talk->answers->str);
    }
}

/* "Still here" every few seconds, for ever. */
static void
test_still_here(void **state)
{
    static const struct {
        guint every; /* ms */
        guint filler;
    } rows[] = {{10000, 0}, {1000, 0}, {1000, 300}, {100, 0}};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
        g_autoptr(GString) scenario =
            g_string_new(LOGGED_IN("") "C: $a NOOP\n");
        g_autofree char *filler = g_strnfill(rows[i].filler, '.');
        for (guint time = 0; time < 40000; time += rows[i].every)
            g_string_append_printf(scenario, "W: %u\nS: * OK Still here%s\n",
                                   rows[i].every, filler);
        talk_open(talk, scenario->str);
        talk_send(talk, "NOOP");
        /* Nothing need be read of what comes after that. */
        script_run(talk->script, &talk->closed,
                   TALK_PATIENCE + 5 * CLOCK_SECOND);
        if (!talk->closed)
            fail_msg("a line of %u octets every %u ms keeps a server alive",
                     rows[i].filler + 17, rows[i].every);
    }
}

static void
test_in_progress(void **state)
{
    g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
    (void)state;

    talk_open(
        talk,
        LOGGED_IN(
            "") "C: $a NOOP\nW: 20000\nS: * OK [INPROGRESS (\"x\" 1 3)] x\n"
                "W: 20000\nS: * 1 FETCH (UID 1)\nW: 20000\nS: $a OK\n");
    talk_send(talk, "NOOP");
    script_run(talk->script, &talk->all_answered, 5 * MINUTE);
    assert_string_equal(talk->answers->str, "NOOP:OK ");
}

static void
test_slow_literal(void **state)
{
    g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
    g_autofree char *scenario = NULL;
    g_autofree char *body = g_strnfill(200, 'x');
    (void)state;

    scenario = g_strdup_printf(
        LOGGED_IN("") "C: $a NOOP\nS: * 1 FETCH (BODY[] {1000}\nD: 1000 %s\n",
        body);
    talk_open(talk, scenario);
    talk_send(talk, "NOOP");
    script_run(talk->script, &talk->closed, TALK_PATIENCE + CLOCK_SECOND);
    talk_assert_closed(talk, IMAPFS_ERROR_OFFLINE);
    assert_string_equal(talk->events->str, "");
}

/* A slow wire that does bring something is not given up. */
static void
test_slow_but_steady(void **state)
{
    g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
    g_autoptr(GString) scenario = g_string_new(LOGGED_IN("") "C: $a NOOP\n");
    g_autofree char *chunk = g_strnfill(5000, 'x');
    (void)state;

    g_string_append(scenario, "S: * 1 FETCH (BODY[] {50000}\n");
    for (guint i = 0; i < 10; i++)
        g_string_append_printf(scenario, "W: 10000\nS> %s\n", chunk);
    g_string_append(scenario, "S: )\nS: $a OK\n");
    talk_open(talk, scenario->str);
    talk_send(talk, "NOOP");
    script_run(talk->script, &talk->all_answered, 5 * MINUTE);
    assert_string_equal(talk->answers->str, "NOOP:OK ");
    assert_string_equal(talk->events->str, "FETCH ");
}

static void
test_idle_never_answered(void **state)
{
    g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
    (void)state;

    talk_open(talk, LOGGED_IN(" IDLE") "C: $a IDLE\nE\n");
    script_run(talk->script, &talk->closed, MINUTE);
    talk_assert_closed(talk, IMAPFS_ERROR_OFFLINE);
}

static void
test_done_never_answered(void **state)
{
    g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
    (void)state;

    talk_open(talk, LOGGED_IN(" IDLE") "C: $a IDLE\nS: + \nC: DONE\nE\n");
    talk_wait(talk, 5 * MINUTE);
    assert_false(talk->closed);
    talk_send(talk, "NOOP");
    script_run(talk->script, &talk->closed, MINUTE);
    talk_assert_closed(talk, IMAPFS_ERROR_OFFLINE);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_idle_renewal),
        cmocka_unit_test(test_idle_renewal_put_off),
        cmocka_unit_test(test_idle_renewal_set),
        cmocka_unit_test(test_idle_renewal_set_meanwhile),
        cmocka_unit_test(test_idle_crossed),
        cmocka_unit_test(test_idle_refused),
        cmocka_unit_test(test_idle_ended_by_server),
        cmocka_unit_test(test_no_idle),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_patience_is_whole),
        cmocka_unit_test(test_patience_after_idle),
        cmocka_unit_test(test_still_here),
        cmocka_unit_test(test_in_progress),
        cmocka_unit_test(test_slow_literal),
        cmocka_unit_test(test_slow_but_steady),
        cmocka_unit_test(test_idle_never_answered),
        cmocka_unit_test(test_done_never_answered),
    };

    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING |
                           G_LOG_FATAL_MASK);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

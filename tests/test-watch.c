/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a mailbox that is watched tells, what is believed of it, and what is
 * done when it is looked at again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <gmime/gmime.h>

#include "known.h"

/* ---- liars, and what is said when nothing was asked ---- */

/* Nothing in the second flight is told that was said under the belief that
 * QRESYNC is enabled. */
static void
test_enable_in_vain(void **state)
{
    g_autoptr(Scene) scene = known_new(1, CONDSTORE, "");
    (void)state;

    script_add(
        scene->script,
        LOGGED_IN(QRESYNC) "C: $a ENABLE QRESYNC\n" QRESYNC_DELTA OK("a")
            SELECTED("4",
                     "107") "S: $d BAD VANISHED needs QRESYNC\nS: * VANISHED "
                            "20\n" OK("n") COMPARISON(MODSEQ_ITEMS, "50", "51")
                                FLAGS("1", "10", "") FLAGS("2", "20", "\\Seen")
                                    FLAGS("3", "40", "") FLAGS("4", "50", "")
                                        OK("x") OK("n"));
    script_hang_up(scene->script, 0);
    scene_wait(scene, SHORT);
    known_assert_over(scene, 1);
    known_assert_shown(scene, "10 20(\\Seen) 40 50");
    /* Numbers are what it understands. */
    script_say(scene->script, 1, "* VANISHED 10\r\n* 1 EXPUNGE\r\n");
    scene_wait(scene, SHORT);
    known_assert_over(scene, 1);
    known_assert_shown(scene, "20(\\Seen) 40 50");
}

/* The same, and none has gone: what has changed is still not known. */
static void
test_enable_in_vain_unseen(void **state)
{
    g_autoptr(Scene) scene = known_new(1, CONDSTORE, "");
    (void)state;

    script_add(scene->script,
               LOGGED_IN(QRESYNC) "C: $a ENABLE QRESYNC\n" QRESYNC_DELTA OK("a")
                   SELECTED("5", "107") "S: $d BAD VANISHED needs QRESYNC\n" OK(
                       "n") COMPARISON(MODSEQ_ITEMS, "50", "51")
                       FLAGS("1", "10", "") FLAGS("2", "20", "\\Seen")
                           FLAGS("3", "30", "") FLAGS("4", "40", "")
                               FLAGS("5", "50", "") OK("x") OK("n"));
    script_hang_up(scene->script, 0);
    scene_wait(scene, SHORT);
    known_assert_over(scene, 1);
    known_assert_shown(scene, "10 20(\\Seen) 30 40 50");
}

/* CAPABILITY tells what could be enabled, not what is. */
static void
test_capability_after_enable(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    (void)state;

    script_add(scene->script,
               LOGGED_IN(QRESYNC) "C: $a ENABLE QRESYNC\n" C_LIST OK(
                   "a") "S: * LIST () \"/\" INBOX\n" OK("l")
                   C_EXAMINE C_REST(MODSEQ_ITEMS, "1") SELECTED("5", "100")
                       ALL_MESSAGES OK("n"));
    scene_enter(scene);
    scene_wait(scene, SHORT);
    script_say(scene->script, 0,
               "* CAPABILITY IMAP4rev1 CONDSTORE ENABLE QRESYNC\r\n"
               "* VANISHED 20\r\n* 1 EXPUNGE\r\n");
    scene_wait(scene, SHORT);
    known_assert_over(scene, 0);
    known_assert_shown(scene, "20 30 40 50");
}

/* Once more from EXAMINE on, by comparing all. */
#define COMPARED_ANEW                                                        \
    C_EXAMINE COMPARISON(MODSEQ_ITEMS, "50", "51") SELECTED("4", "107")      \
        FLAGS("1", "10", "") FLAGS("2", "30", "\\Seen") FLAGS("3", "40", "") \
            FLAGS("4", "50", "") OK("x") OK("n")

static void
test_expunge_on_qresync(void **state)
{
    g_autoptr(Scene) scene = known_new(1, QRESYNC, COMPARED_ANEW);
    (void)state;

    script_say(scene->script, 0, "* 2 EXPUNGE\r\n");
    scene_wait(scene, SHORT);
    known_assert_over(scene, 0);
    known_assert_shown(scene, "10 30(\\Seen) 40 50");
    assert_string_equal(scene->seen->str, "~30 -20 ");
}

static void
test_refresh(void **state)
{
    static const char *const capabilities[] = {QRESYNC, CONDSTORE,
                                               QRESYNC " UIDONLY"};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(capabilities); i++) {
        g_autoptr(Scene) scene = known_new(1, capabilities[i], COMPARED_ANEW);

        mail_account_refresh(scene->account, known_inbox(scene));
        scene_wait(scene, SHORT);
        known_assert_over(scene, 0);
        known_assert_shown(scene, "10 30(\\Seen) 40 50");
        assert_string_equal(scene->seen->str, "~30 -20 ");
        assert_int_equal(known_inbox(scene)->modseq, 107);
        assert_false(known_inbox(scene)->doubted);
    }
}

/* While it is brought up to date anyway: what was asked so far is not enough.
 */
static void
test_refresh_meanwhile(void **state)
{
    g_autoptr(Scene) scene = known_new(1, QRESYNC, "");
    (void)state;

    known_add(scene, QRESYNC,
              QRESYNC_DELTA SELECTED("5", "107") "W: 100\n" OK("d") OK("n")
                  COMPARISON(MODSEQ_ITEMS, "50", "51") FLAGS("1", "10", "")
                      FLAGS("2", "20", "\\Seen") FLAGS("3", "30", "")
                          FLAGS("4", "40", "") FLAGS("5", "50", "") OK("x")
                              OK("n"));
    script_hang_up(scene->script, 0);
    scene_wait(scene, SHORT);
    mail_account_refresh(scene->account, known_inbox(scene));
    scene_wait(scene, CLOCK_SECOND / 5);
    known_assert_over(scene, 1);
    known_assert_shown(scene, "10 20(\\Seen) 30 40 50");
}

static void
test_vanished(void **state)
{
    g_autoptr(Scene) scene = known_new(
        1, QRESYNC, C_REST(MODSEQ_ITEMS, "51") MESSAGE("2", "60") OK("n"));
    (void)state;

    script_say(scene->script, 0,
               "* VANISHED 1:19,30\r\n* VANISHED 30\r\n* VANISHED\r\n"
               "* VANISHED 0\r\n* VANISHED 45:41\r\n");
    scene_wait(scene, SHORT);
    assert_int_equal(script_unread(scene->script, 0), 0);
    known_assert_shown(scene, "20 40 50");
    script_say(scene->script, 0, "* VANISHED 20:49\r\n* 2 EXISTS\r\n");
    scene_wait(scene, SHORT);
    known_assert_over(scene, 0);
    known_assert_shown(scene, "50 60");
    assert_string_equal(scene->seen->str, "-10 -30 -20 -40 +60 ");
}

static void
test_vanished_in_first_listing(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    (void)state;

    known_add(scene, QRESYNC,
              C_LIST "S: * LIST () \"/\" INBOX\n" OK("l") C_EXAMINE C_REST(
                  MODSEQ_ITEMS, "1") SELECTED("5", "100") MESSAGE("1", "10")
                  MESSAGE("2", "20") "S: * VANISHED 10,40\n" MESSAGE("2", "30")
                      MESSAGE("3", "50") OK("n"));
    scene_enter(scene);
    scene_wait(scene, SHORT);
    known_assert_over(scene, 0);
    known_assert_shown(scene, "20 30 50");
    assert_int_equal(known_inbox(scene)->modseq, 100);
    assert_int_equal(known_inbox(scene)->listing, MAIL_LISTED);
}

/* After what has changed was told, numbers follow from the table. */
static void
test_numbers(void **state)
{
    static const struct {
        const char *capabilities;
        const char *again;
        const char *shown;
    } rows[] = {
        {CONDSTORE,
         CONDSTORE_DELTA SELECTED("6", "107") OK("d") MESSAGE("6", "60") OK("n")
             C_REST(MODSEQ_ITEMS, "61"),
         "30(\\Seen) 40(\\Draft) 50 60"},
        {CONDSTORE,
         CONDSTORE_DELTA SELECTED("6", "107") OK("d") MESSAGE("5", "60")
             MESSAGE("6", "70") OK("n") C_SEARCH
         "S: * SEARCH 10 20 30 40\n" OK("s") C_REST(MODSEQ_ITEMS, "71"),
         "30(\\Seen) 40(\\Draft) 60 70"},
        {CONDSTORE,
         CONDSTORE_DELTA SELECTED("6", "3") OK("d") MESSAGE("6", "60") OK("n")
             COMPARISON(MODSEQ_ITEMS, "60", "61") ALL_FLAGS FLAGS("6", "60", "")
                 OK("x") OK("n") C_REST(MODSEQ_ITEMS, "61"),
         "30(\\Seen) 40(\\Draft) 50 60"},
        {"",
         PLAIN_DELTA SELECTED_PLAIN("6") MESSAGE("6", "60") OK("n")
             C_FLAGS OK("f") C_REST(PLAIN_ITEMS, "61"),
         "30(\\Seen) 40(\\Draft) 50 60"},
    };
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Scene) scene = known_new(1, rows[i].capabilities, "");
        g_autofree char *again =
            g_strconcat(rows[i].again, MESSAGE("5", "80") OK("n"), NULL);
        g_autofree char *shown =
            g_strconcat(rows[i].shown, " 80(\\Seen)", NULL);

        known_add(scene, rows[i].capabilities, again);
        script_hang_up(scene->script, 0);
        scene_wait(scene, SHORT);
        g_string_truncate(scene->seen, 0);
        script_say(scene->script, 1,
                   "* 3 FETCH (FLAGS (\\Seen))\r\n* 2 EXPUNGE\r\n"
                   "* 3 FETCH (FLAGS (\\Draft))\r\n* 1 EXPUNGE\r\n");
        scene_wait(scene, SHORT);
        known_assert_shown(scene, rows[i].shown);
        script_say(scene->script, 1, "* 5 EXISTS\r\n");
        scene_wait(scene, SHORT);
        known_assert_over(scene, 1);
        script_say(scene->script, 1, "* 5 FETCH (FLAGS (\\Seen))\r\n");
        scene_wait(scene, SHORT);
        known_assert_shown(scene, shown);
        assert_string_equal(scene->seen->str, "~30 ~40 -10 -20 +80 ~80 ");
    }
}

/* ---- MODSEQ ---- */

/* Others may have a lower one and not be told yet. */
static void
test_modseq_of_fetch(void **state)
{
    g_autoptr(Scene) scene = known_new(1, QRESYNC, "");
    (void)state;

    script_say(scene->script, 0,
               "* OK [HIGHESTMODSEQ 150] x\r\n"
               "* 2 FETCH (UID 20 FLAGS (\\Seen) MODSEQ (140))\r\n"
               "* 3 FETCH (UID 30 MODSEQ (145))\r\n");
    scene_wait(scene, SHORT);
    known_assert_shown(scene, "10 20(\\Seen) 30 40 50");
    assert_int_equal(known_inbox(scene)->modseq, 100);
    known_add(scene, QRESYNC,
              QRESYNC_DELTA SELECTED("5", "160") OK("d") OK("n"));
    script_hang_up(scene->script, 0);
    scene_wait(scene, SHORT);
    known_assert_over(scene, 1);
    assert_int_equal(known_inbox(scene)->modseq, 160);
}

/* What was told before the connection broke is asked for again. */
static void
test_broken_meanwhile(void **state)
{
    g_autoptr(Scene) scene = known_new(1, QRESYNC, "");
    (void)state;

    known_add(
        scene, QRESYNC,
        QRESYNC_DELTA SELECTED(
            "4",
            "107") "S: * VANISHED (EARLIER) 30\n"
                   "S: * 2 FETCH (UID 20 FLAGS (\\Seen) MODSEQ (105))\nX\n");
    known_add(
        scene, QRESYNC,
        QRESYNC_DELTA SELECTED(
            "4", "109") "S: * VANISHED (EARLIER) 30\n"
                        "S: * 2 FETCH (UID 20 FLAGS () MODSEQ (108))\n" OK("d")
                            OK("n"));
    script_hang_up(scene->script, 0);
    scene_wait(scene, SHORT);
    known_assert_over(scene, 2);
    known_assert_shown(scene, "10 20 40 50");
    assert_string_equal(scene->seen->str, "~20 ~20 -30 ");
    assert_int_equal(known_inbox(scene)->modseq, 109);
}

/* A first listing that is cut off is not taken for all there is, and is not
 * begun from nothing. */
static void
test_broken_first_listing(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    (void)state;

    known_add(scene, QRESYNC,
              C_LIST "S: * LIST () \"/\" INBOX\n" OK("l")
                  C_EXAMINE C_REST(MODSEQ_ITEMS, "1") SELECTED("5", "100")
                      MESSAGE("1", "10") MESSAGE("2", "20")
                          MESSAGE("3", "30") "X\n");
    known_add(scene, QRESYNC,
              C_EXAMINE COMPARISON(MODSEQ_ITEMS, "30", "31")
                  SELECTED("4", "107") FLAGS("1", "10", "\\Seen")
                      FLAGS("2", "30", "") OK("x") MESSAGE("3", "40")
                          MESSAGE("4", "50") OK("n"));
    scene_enter(scene);
    scene_wait(scene, SHORT);
    known_assert_over(scene, 1);
    known_assert_shown(scene, "10(\\Seen) 30 40 50");
    assert_int_equal(known_inbox(scene)->modseq, 107);
}

/* What breaks the protocol once would break it again. */
static void
test_nonsense(void **state)
{
    static const char *const says[] = {"S: zz9 OK done\n", "S: + go on\n"};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(says); i++) {
        g_autoptr(Scene) scene = scene_new(1);
        g_autoptr(GError) error = NULL;
        g_autofree char *rest =
            g_strconcat(C_LIST "S: * LIST () \"/\" INBOX\n" OK("l")
                            C_EXAMINE C_REST(MODSEQ_ITEMS, "1")
                                SELECTED("5", "100") MESSAGE("1", "10"),
                        says[i], NULL);
        g_autofree char *names = NULL;
        gint64 start = clock_now(scene->clock);

        known_add(scene, QRESYNC, rest);
        script_add(scene->script, LOGGED_IN("") "A\n");
        g_free(scene_list(scene, 1, NULL));
        names = scene_list(scene, scene_find(scene, 1, "INBOX"), &error);
        assert_null(names);
        assert_true(
            g_error_matches(error, IMAPFS_ERROR, IMAPFS_ERROR_PROTOCOL));
        assert_true(clock_now(scene->clock) - start < CLOCK_SECOND);
        scene_wait(scene, 10 * CLOCK_SECOND);
        for (guint n = 1; n < script_connections(scene->script); n++)
            assert_int_equal(script_count(scene->script, n, "EXAMINE"), 0);
        /* Whoever looks again may find that it was repaired. */
        server_add(&scene->server, 10, 100, -1);
        names = scene_list(scene, scene_find(scene, 1, "INBOX"), NULL);
        assert_string_equal(names, "10.eml,");
    }
}

/* What is known does not go with it.  The server is asked once more when
 * somebody looks, and not before: it would be asked for ever. */
static void
test_nonsense_when_known(void **state)
{
    g_autoptr(Scene) scene = known_new(1, QRESYNC, "");
    guint64 inbox = scene_find(scene, 1, "INBOX");
    g_autofree char *names = NULL;
    g_autoptr(GError) error = NULL;
    guint dials;
    (void)state;

    for (guint i = 0; i < 100; i++)
        known_add(scene, QRESYNC,
                  "C: $l *\nS: * LIST () \"/\" INBOX\nS: * 4 EXISTS\n"
                  "S: zz9 OK done\n");
    script_hang_up(scene->script, 0);
    scene_wait(scene, 10 * CLOCK_SECOND);
    dials = script_dials(scene->script);
    if (dials > 6)
        fail_msg("%u connections in ten seconds", dials);
    names = scene_list(scene, inbox, &error);
    assert_null(names);
    assert_true(g_error_matches(error, IMAPFS_ERROR, IMAPFS_ERROR_PROTOCOL));
    assert_in_range(script_dials(scene->script), dials, dials + 3);
    known_assert_shown(scene, "10 20 30 40 50");
    assert_int_equal(known_inbox(scene)->modseq, 100);
    assert_false(known_inbox(scene)->fresh);
}

/* It is not known up to where: flags of all are asked for. */
static void
test_modseq_unknown(void **state)
{
    g_autoptr(Scene) scene = known_new(1, QRESYNC, "");
    (void)state;

    known_add(scene, QRESYNC,
              QRESYNC_DELTA SELECTED("4", "107") OK("d") OK("n")
                  COMPARISON(MODSEQ_ITEMS, "50", "51") FLAGS("1", "10", "")
                      FLAGS("2", "20", "") OK("x") OK("n"));
    known_add(scene, QRESYNC,
              C_EXAMINE C_FLAGS C_NEWS SELECTED("5", "107") FLAGS("1", "10", "")
                  FLAGS("2", "20", "") FLAGS("3", "30", "\\Seen")
                      FLAGS("4", "40", "") FLAGS("5", "50", "") OK("f")
                          OK("n"));
    script_hang_up(scene->script, 0);
    scene_wait(scene, SHORT);
    known_assert_over(scene, 1);
    assert_int_equal(known_inbox(scene)->modseq, 0);
    script_hang_up(scene->script, 1);
    scene_wait(scene, SHORT);
    known_assert_shown(scene, "10 20 30(\\Seen) 40 50");
    known_assert_over(scene, 2);
}

/* RFC 4315 says it by NO. */
static void
test_uids_not_sticky(void **state)
{
    static const char *const says[] = {"OK", "NO"};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(says); i++) {
        g_autoptr(Scene) scene = scene_new(1);
        g_autofree char *rest = g_strdup_printf(
            C_LIST "S: * LIST () \"/\" INBOX\n" OK("l") C_EXAMINE C_REST(
                PLAIN_ITEMS,
                "1") "S: * %s [UIDNOTSTICKY] x\n" SELECTED_PLAIN("5")
                ALL_MESSAGES OK("n"),
            says[i]);

        known_add(scene, "", rest);
        scene_enter(scene);
        known_assert_shown(scene, "10 20 30 40 50");
        if (!known_inbox(scene)->not_sticky)
            fail_msg("* %s [UIDNOTSTICKY] was not understood", says[i]);
    }
}

/* ---- another mailbox ---- */

#define C_BODY "C: $b UID FETCH 20 (UID RFC822.SIZE BODY.PEEK[]<0.*\n"

/* With a message of the same UID and size in it. */
static void
test_octets_of_another(void **state)
{
    g_autofree char *old = g_strnfill(100, 'o');
    g_autofree char *young = g_strnfill(100, 'y');
    g_autofree char *before = g_strdup_printf(
        C_BODY
        "S: * 2 FETCH (UID 20 RFC822.SIZE 100 BODY[]<0> \"%s\")\n" OK("b"),
        old);
    g_autofree char *after = g_strdup_printf(
        QRESYNC_DELTA SELECTED_AS("8", "1", "107") OK("d") OK("n")
            C_REST(MODSEQ_ITEMS, "1") MESSAGE("1", "20") OK("n") C_BODY
        "S: * 1 FETCH (UID 20 RFC822.SIZE 100 BODY[]<0> \"%s\")\n" OK("b"),
        young);
    g_autoptr(Scene) scene = known_new(1, QRESYNC, before);
    guint64 inbox = scene_find(scene, 1, "INBOX");
    g_autoptr(Op) op =
        scene_open(scene, scene_find(scene, inbox, "20.eml"), 100);
    Copy made;
    (void)state;

    op_run(op);
    op_assert_fine(op);
    assert_memory_equal(op->buffer, old, 100);
    known_add(scene, QRESYNC, after);
    script_hang_up(scene->script, 0);
    scene_wait(scene, SHORT);
    known_assert_shown(scene, "20");
    op_run(op);
    op_assert_failed(op, IMAPFS_ERROR_STALE);
    made = scene_copy(scene, scene_find(scene, inbox, "20.eml"), 1000);
    assert_null(made.error);
    assert_string_equal(made.data->str, young);
    copy_clear(&made);
    known_assert_over(scene, 1);
}

/* Another UIDVALIDITY each time it is selected: UIDs mean nothing for longer
 * than that, and there must be an end of listing. */
static char *
answer_anew(const char *command, gpointer data)
{
    Server *server = data;
    if (g_str_has_prefix(command, "EXAMINE"))
        server->uidvalidity++;
    return server_answer(command, data);
}

static void
test_always_another(void **state)
{
    (void)state;

    for (guint connections = 1; connections < 4; connections++) {
        g_autoptr(Scene) scene = scene_new(connections);
        guint64 inbox;
        guint examined = 0;
        Copy made;

        scene_serve(scene, 10);
        script_answer(scene->script, answer_anew, &scene->server);
        server_add(&scene->server, 10, 1000, -1);
        server_add(&scene->server, 20, 400000, -1);
        inbox = scene_enter(scene);
        for (guint i = 0; i < 3; i++) {
            made = scene_copy(scene, scene_find(scene, inbox, "20.eml"), 4096);
            if (made.error == NULL)
                copy_assert_is(&made, server_mail(&scene->server, 1));
            copy_clear(&made);
            scene_wait(scene, 10 * CLOCK_SECOND);
        }
        script_hang_up(scene->script, 0);
        scene_wait(scene, 10 * CLOCK_SECOND);
        known_assert_shown(scene, "10 20");
        for (guint n = 0; n < script_connections(scene->script); n++)
            examined += script_count(scene->script, n, "EXAMINE");
        if (examined > 12)
            fail_msg("with %u connections it was selected %u times",
                     connections, examined);
    }
}

/* ---- looking again ---- */

/* How long a program waits that looks into INBOX when the last look and the
 * connection are long gone. */
static gint64
look_again(Scene *scene)
{
    g_autoptr(Op) op = op_new(scene, op_opendir, scene_find(scene, 1, "INBOX"));
    gint64 start = clock_now(scene->clock);

    op_run(op);
    op_assert_fine(op);
    return op->done_at - start;
}

static void
be_away(Scene *scene)
{
    scene_wait(scene, 11 * MINUTE);
    script_hang_up(scene->script, 0);
    scene_wait(scene, MINUTE);
    assert_int_equal(script_dials(scene->script), 1);
}

static void
test_visit(void **state)
{
    static const struct {
        const char *delay;
        gint64 waited;
        const char *shown;
    } rows[] = {
        {"W: 1\n", CLOCK_MILLISECOND, "10 30 40 50"},
        {"W: 900\n", 900 * CLOCK_MILLISECOND, "10 30 40 50"},
        {"W: 1100\n", CLOCK_SECOND, "10 20 30 40 50"},
        {"W: 20000\n", CLOCK_SECOND, "10 20 30 40 50"},
    };
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Scene) scene = known_new(1, QRESYNC, "A\n");
        g_autofree char *again = g_strconcat(
            QRESYNC_DELTA, rows[i].delay,
            SELECTED("4", "107") "S: * VANISHED (EARLIER) 20\n" OK("d") OK("n"),
            NULL);

        be_away(scene);
        known_add(scene, QRESYNC, again);
        assert_int_equal(look_again(scene), rows[i].waited);
        known_assert_shown(scene, rows[i].shown);
        /* Who looks once more meanwhile does not wait once more. */
        assert_int_equal(look_again(scene), 0);
        scene_wait(scene, 21 * CLOCK_SECOND);
        known_assert_over(scene, 1);
        known_assert_shown(scene, "10 30 40 50");
    }
}

static void
test_visit_offline(void **state)
{
    g_autoptr(Scene) scene = known_new(1, QRESYNC, "A\n");
    (void)state;

    be_away(scene);
    /* It cannot be reached, as turns out at once. */
    assert_int_equal(look_again(scene), 0);
    known_assert_shown(scene, "10 20 30 40 50");
    scene_wait(scene, 10 * MINUTE);
    script_add(scene->script, "HANG");
    scene_wait(scene, 2 * MINUTE);
    assert_int_equal(look_again(scene), 0);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_enable_in_vain),
        cmocka_unit_test(test_enable_in_vain_unseen),
        cmocka_unit_test(test_capability_after_enable),
        cmocka_unit_test(test_expunge_on_qresync),
        cmocka_unit_test(test_refresh),
        cmocka_unit_test(test_refresh_meanwhile),
        cmocka_unit_test(test_vanished),
        cmocka_unit_test(test_vanished_in_first_listing),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_modseq_of_fetch),
        cmocka_unit_test(test_broken_meanwhile),
        cmocka_unit_test(test_broken_first_listing),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_nonsense_when_known),
        cmocka_unit_test(test_modseq_unknown),
        cmocka_unit_test(test_uids_not_sticky),
        cmocka_unit_test(test_octets_of_another),
        cmocka_unit_test(test_always_another),
        cmocka_unit_test(test_visit),
        cmocka_unit_test(test_visit_offline),
    };

    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING |
                           G_LOG_FATAL_MASK);
    g_mime_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

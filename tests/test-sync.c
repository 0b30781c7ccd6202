/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How a listing is brought up to date, with servers that can and cannot help,
 * and with some that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <gmime/gmime.h>

#include "known.h"

/* ---- what servers say when the connection is back ---- */

typedef struct {
    const char *name;
    const char *capabilities;
    const char *again; /* the second connection, after the login */
    const char *shown;
    const char *seen;
    guint64 modseq; /* that is known then */
} Row;

static const Row qresync_table[] = {
    {"nothing happened", QRESYNC,
     QRESYNC_DELTA SELECTED("5", "100") OK("d") MESSAGE("5", "50") OK("n"),
     "10 20 30 40 50", "", 100},
    {"a flag, a departure, an arrival", QRESYNC,
     QRESYNC_DELTA SELECTED(
         "5", "107") "S: * VANISHED (EARLIER) 30\n"
                     "S: * 2 FETCH (UID 20 FLAGS (\\Seen) MODSEQ (105))\n" OK(
                         "d") MESSAGE("5", "60") OK("n"),
     "10 20(\\Seen) 40 50 60", "~20 +60 -30 ", 107},
    {"all have gone", QRESYNC,
     QRESYNC_DELTA SELECTED(
         "0", "107") "S: * VANISHED (EARLIER) 1:4294967295\n" OK("d") OK("n"),
     "", "-10 -20 -30 -40 -50 ", 107},
    {"all have gone, and others came", QRESYNC,
     QRESYNC_DELTA SELECTED("1", "107") "S: * VANISHED (EARLIER) 1:59\n" OK("d")
         MESSAGE("1", "60") OK("n"),
     "60", "+60 -10 -20 -30 -40 -50 ", 107},
    {"known ones and others", QRESYNC,
     QRESYNC_DELTA SELECTED("3", "107") "S: * VANISHED (EARLIER) "
                                        "1:9,11:20,41:49,50,51:4294967295\n" OK(
                                            "d") OK("n"),
     "10 30 40", "-20 -50 ", 107},
    {"in pieces, and backwards", QRESYNC,
     QRESYNC_DELTA SELECTED("3", "107") "S: * VANISHED (EARLIER) 45:35\n"
                                        "S: * VANISHED (EARLIER) 5,10,15\nS: * "
                                        "VANISHED (EARLIER) 10\n" OK("d")
                                            OK("n"),
     "20 30 50", "-10 -40 ", 107},
    {"sets that are none", QRESYNC,
     QRESYNC_DELTA SELECTED(
         "5",
         "107") "S: * VANISHED (EARLIER)\n"
                "S: * VANISHED (EARLIER) \nS: * VANISHED (EARLIER) ()\n"
                "S: * VANISHED (EARLIER) 0\nS: * VANISHED (EARLIER) :30\n"
                "S: * VANISHED (EARLIER) *\nS: * VANISHED (EARLIER) 1:*\n"
                "S: * VANISHED (EARLIER) -30\nS: * VANISHED (EARLIER) "
                "4294967296\n"
                "S: * VANISHED (EARLIER) \"30\"\nS: * VANISHED (EARLIER) NIL\n"
                "S: * VANISHED (LATER) 30\nS: * VANISHED\n" OK("d") OK("n"),
     "10 20 30 40 50", "", 107},
    {"it names too many", QRESYNC,
     QRESYNC_DELTA SELECTED("5", "107") "S: * VANISHED (EARLIER) 20:30\n" OK(
         "d") OK("n") COMPARISON(MODSEQ_ITEMS, "50", "51") ALL_FLAGS OK("x")
         OK("n") C_REST(MODSEQ_ITEMS, "20") MESSAGE("2", "20")
             MESSAGE("3", "30") MESSAGE("4", "40") MESSAGE("5", "50") OK("n"),
     "10 20 30 40 50", "-20 -30 +20 +30 ", 107},
    {"it leaves some out", QRESYNC,
     QRESYNC_DELTA SELECTED("3", "107") "S: * VANISHED (EARLIER) 20\n" OK("d")
         OK("n") COMPARISON(MODSEQ_ITEMS, "50", "51") FLAGS("1", "10", "")
             FLAGS("2", "30", "") FLAGS("3", "50", "") OK("x") OK("n"),
     "10 30 50", "-20 -40 ", 107},
    {"it names none", QRESYNC,
     QRESYNC_DELTA SELECTED("4", "107") OK("d") OK("n") COMPARISON(
         MODSEQ_ITEMS, "50", "51") FLAGS("1", "10", "") FLAGS("2", "20", "")
         FLAGS("3", "30", "\\Seen") FLAGS("4", "50", "") OK("x") OK("n"),
     "10 20 30(\\Seen) 50", "~30 -40 ", 107},
    {"told of fewer than there are", QRESYNC,
     QRESYNC_DELTA SELECTED("4", "107") OK("d") OK("n")
         COMPARISON(MODSEQ_ITEMS, "50", "51") FLAGS("1", "10", "")
             FLAGS("2", "20", "") OK("x") OK("n"),
     "10 20 30 40 50", "", 0},
    {"told of none", QRESYNC,
     QRESYNC_DELTA SELECTED("4", "107") OK("d") OK("n")
         COMPARISON(MODSEQ_ITEMS, "50", "51") OK("x") OK("n"),
     "10 20 30 40 50", "", 0},
    {"the server has lost its memory", QRESYNC,
     QRESYNC_DELTA SELECTED("4", "3") OK("d") OK("n")
         COMPARISON(MODSEQ_ITEMS, "50", "51") FLAGS("1", "10", "\\Seen")
             FLAGS("2", "20", "") FLAGS("3", "30", "") FLAGS("4", "50", "")
                 OK("x") OK("n"),
     "10(\\Seen) 20 30 50", "~10 -40 ", 3},
    {"expunged while it is told", QRESYNC,
     QRESYNC_DELTA SELECTED("5", "107") "S: * 2 EXPUNGE\n" OK("d") OK("n")
         COMPARISON(MODSEQ_ITEMS, "50", "51") FLAGS("1", "10", "")
             FLAGS("2", "30", "") FLAGS("3", "40", "") FLAGS("4", "50", "")
                 OK("x") OK("n"),
     "10 30 40 50", "-20 ", 107},
    {"vanished while it is compared", QRESYNC,
     QRESYNC_DELTA SELECTED("4", "3") OK("d") OK("n")
         COMPARISON(MODSEQ_ITEMS, "50", "51") FLAGS("1", "10", "")
             FLAGS("2", "20", "") FLAGS("3", "40", "") FLAGS("4", "50", "")
                 OK("x") "S: * VANISHED 20\n" OK("n"),
     "10 40 50", "-20 -30 ", 3},
    {"vanished while it is told", QRESYNC,
     QRESYNC_DELTA SELECTED("5", "107") "S: * VANISHED 20\n" OK(
         "d") "S: * VANISHED 40\n" OK("n"),
     "10 30 50", "-20 -40 ", 107},
    {"before and while", QRESYNC,
     QRESYNC_DELTA SELECTED("4", "107") "S: * VANISHED (EARLIER) 20\n"
                                        "S: * VANISHED 40\n" OK("d") OK("n"),
     "10 30 50", "-20 -40 ", 107},
    {"one comes while it is told", QRESYNC,
     QRESYNC_DELTA SELECTED("5", "107") OK("d") "S: * 6 EXISTS\n" OK("n")
         C_REST(MODSEQ_ITEMS, "51") MESSAGE("6", "60") OK("n"),
     "10 20 30 40 50 60", "+60 ", 107},
    {"one comes while it is told, and is told", QRESYNC,
     QRESYNC_DELTA SELECTED("5", "107") OK("d") "S: * 6 EXISTS\n" MESSAGE(
         "6", "60") OK("n") C_REST(MODSEQ_ITEMS, "61") OK("n"),
     "10 20 30 40 50 60", "+60 ", 107},
    {"one goes and one comes while it is told", QRESYNC,
     QRESYNC_DELTA SELECTED("5", "107")
         OK("d") "S: * VANISHED 30\n"
                 "S: * 5 EXISTS\n" OK("n") C_REST(MODSEQ_ITEMS, "51")
                     MESSAGE("5", "60") OK("n"),
     "10 20 40 50 60", "-30 +60 ", 107},
    {"NO to what has changed", QRESYNC,
     QRESYNC_DELTA SELECTED("5", "107") "S: $d NO not now\n" OK("n")
         COMPARISON(MODSEQ_ITEMS, "50", "51") ALL_FLAGS OK("x") OK("n"),
     "10 20 30 40 50", "", 107},
    {"it keeps no MODSEQ any more", QRESYNC,
     QRESYNC_DELTA
     "S: * 5 EXISTS\nS: * OK [UIDVALIDITY 7] x\n"
     "S: * OK [NOMODSEQ] x\nS: $e OK done\nS: $d BAD no MODSEQ\n" OK("n")
         COMPARISON(PLAIN_ITEMS, "50", "51") FLAGS("1", "10", "")
             FLAGS("2", "20", "\\Seen") FLAGS("3", "30", "")
                 FLAGS("4", "40", "") FLAGS("5", "50", "") OK("x") OK("n"),
     "10 20(\\Seen) 30 40 50", "~20 ", 0},
    {"another mailbox", QRESYNC,
     QRESYNC_DELTA SELECTED_AS(
         "8", "2",
         "107") "S: * VANISHED (EARLIER) 1:9\n"
                "S: * 2 FETCH (UID 20 FLAGS (\\Seen) MODSEQ (105))\n" OK("d")
                    MESSAGE("2", "60") OK("n") C_REST(MODSEQ_ITEMS, "1")
                        MESSAGE("1", "20") MESSAGE("2", "60") OK("n"),
     "20 60", "-10 -20 -30 -40 -50 +20 +60 ", 107},
    {"another mailbox, empty", QRESYNC,
     QRESYNC_DELTA SELECTED_AS("8", "0", "1") OK("d") OK("n")
         C_REST(MODSEQ_ITEMS, "1") OK("n"),
     "", "-10 -20 -30 -40 -50 ", 1},
    {"UIDONLY", QRESYNC " UIDONLY",
     QRESYNC_DELTA SELECTED(
         "4", "107") "S: * VANISHED (EARLIER) 30,50\n"
                     "S: * 20 UIDFETCH (FLAGS (\\Seen) MODSEQ (105))\n" OK("d")
                         UID_MESSAGE("60") OK("n"),
     "10 20(\\Seen) 40 60", "~20 +60 -30 -50 ", 107},
    {"UIDONLY, and it leaves some out", QRESYNC " UIDONLY",
     QRESYNC_DELTA SELECTED("3", "107") "S: * VANISHED (EARLIER) 20\n" OK("d")
         OK("n") COMPARISON(MODSEQ_ITEMS, "50", "51") UID_FLAGS("10")
             UID_FLAGS("30") UID_FLAGS("50") OK("x") OK("n"),
     "10 30 50", "-20 -40 ", 107},
};

#define SEARCHED_ONE \
    CONDSTORE_DELTA SELECTED("4", "107") OK("d") OK("n") C_SEARCH

static const Row condstore_table[] = {
    {"nothing happened", CONDSTORE,
     CONDSTORE_DELTA SELECTED("5", "100") OK("d") OK("n"), "10 20 30 40 50", "",
     100},
    {"a flag and an arrival", CONDSTORE,
     CONDSTORE_DELTA SELECTED(
         "6",
         "107") "S: * 2 FETCH (UID 20 FLAGS (\\Seen) MODSEQ (105))\n" OK("d")
         MESSAGE("6", "60") OK("n"),
     "10 20(\\Seen) 30 40 50 60", "~20 +60 ", 107},
    {"one has gone", CONDSTORE,
     SEARCHED_ONE "S: * SEARCH 10 20 40 50\n" OK("s"), "10 20 40 50", "-30 ",
     107},
    {"one has gone, in any order", CONDSTORE,
     SEARCHED_ONE "S: * SEARCH 50 10\nS: * SEARCH 40 20\n" OK("s"),
     "10 20 40 50", "-30 ", 107},
    {"one has gone, ESEARCH", CONDSTORE " ESEARCH",
     CONDSTORE_DELTA SELECTED("4", "107") OK("d") OK("n") C_ESEARCH
     "S: * ESEARCH (TAG \"$s\") UID ALL 10:29,40:50\n" OK("s") COMPARISON(
         MODSEQ_ITEMS, "50", "51") FLAGS("1", "10", "") FLAGS("2", "20", "")
         FLAGS("3", "40", "") FLAGS("4", "50", "") OK("x") OK("n"),
     "10 20 40 50", "-30 ", 107},
    {"two have gone, ESEARCH", CONDSTORE " ESEARCH",
     CONDSTORE_DELTA SELECTED("3", "107") OK("d") OK("n") C_ESEARCH
     "S: * ESEARCH (TAG \"$s\") UID ALL 10,30,50\n" OK("s"),
     "10 30 50", "-20 -40 ", 107},
    {"ESEARCH with more than ALL", CONDSTORE " ESEARCH",
     CONDSTORE_DELTA SELECTED("3", "107") OK("d") OK("n") C_ESEARCH
     "S: * ESEARCH (TAG \"$s\") UID MIN 10 MAX 50 COUNT 3 ALL 10,30,50 "
     "MODSEQ 99\n" OK("s"),
     "10 30 50", "-20 -40 ", 107},
    {"SEARCH although ESEARCH was asked for", CONDSTORE " ESEARCH",
     CONDSTORE_DELTA SELECTED("3", "107") OK("d") OK("n") C_ESEARCH
     "S: * SEARCH 10 30 50 (MODSEQ 99)\n" OK("s"),
     "10 30 50", "-20 -40 ", 107},
    {"one has gone, one has come", CONDSTORE,
     CONDSTORE_DELTA SELECTED("5", "107") OK("d") MESSAGE("5", "60") OK("n")
         C_SEARCH "S: * SEARCH 10 20 40 50\n" OK("s"),
     "10 20 40 50 60", "+60 -30 ", 107},
    {"all have gone", CONDSTORE,
     CONDSTORE_DELTA SELECTED("0", "107") OK("d") OK("n") C_SEARCH
     "S: * SEARCH\n" OK("s") COMPARISON(MODSEQ_ITEMS, "50", "51") OK("x")
         OK("n"),
     "", "-10 -20 -30 -40 -50 ", 107},
#define COMPARED_ONE                     \
    COMPARISON(MODSEQ_ITEMS, "50", "51") \
    FLAGS("1", "10", "")                 \
    FLAGS("2", "20", "")                 \
    FLAGS("3", "40", "") FLAGS("4", "50", "") OK("x") OK("n")
    {"SEARCH finds too many", CONDSTORE,
     SEARCHED_ONE "S: * SEARCH 10 20 30 40 50\n" OK("s") COMPARED_ONE,
     "10 20 40 50", "-30 ", 107},
    {"SEARCH finds too few", CONDSTORE,
     SEARCHED_ONE "S: * SEARCH 10 20\n" OK("s") COMPARED_ONE, "10 20 40 50",
     "-30 ", 107},
    {"SEARCH finds unknown ones", CONDSTORE,
     SEARCHED_ONE "S: * SEARCH 10 20 40 45\n" OK("s") COMPARED_ONE,
     "10 20 40 50", "-30 ", 107},
    {"SEARCH finds one twice", CONDSTORE,
     SEARCHED_ONE "S: * SEARCH 10 20 40 40\n" OK("s") COMPARED_ONE,
     "10 20 40 50", "-30 ", 107},
    {"SEARCH finds nothing", CONDSTORE,
     SEARCHED_ONE "S: * SEARCH\n" OK("s") COMPARED_ONE, "10 20 40 50", "-30 ",
     107},
    {"SEARCH says nothing", CONDSTORE, SEARCHED_ONE OK("s") COMPARED_ONE,
     "10 20 40 50", "-30 ", 107},
    {"SEARCH says nonsense", CONDSTORE,
     SEARCHED_ONE "S: * SEARCH x\nS: * SEARCH 0\nS: * SEARCH 10 x\n"
                  "S: * SEARCH 4294967296\n" OK("s") COMPARED_ONE,
     "10 20 40 50", "-30 ", 107},
    {"SEARCH is refused", CONDSTORE,
     SEARCHED_ONE "S: $s NO not now\n" COMPARED_ONE, "10 20 40 50", "-30 ",
     107},
    {"SEARCH is not understood", CONDSTORE,
     SEARCHED_ONE "S: $s BAD what\n" COMPARED_ONE, "10 20 40 50", "-30 ", 107},
    {"ESEARCH without ALL", CONDSTORE " ESEARCH",
     CONDSTORE_DELTA SELECTED("4", "107") OK("d") OK("n") C_ESEARCH
     "S: * ESEARCH (TAG \"$s\") UID\n" OK("s") COMPARED_ONE,
     "10 20 40 50", "-30 ", 107},
    {"one goes while SEARCH is under way", CONDSTORE,
     SEARCHED_ONE "S: * 1 EXPUNGE\nS: * SEARCH 20 40 50\n" OK("s")
         COMPARISON(MODSEQ_ITEMS, "50", "51") FLAGS("1", "20", "")
             FLAGS("2", "40", "") FLAGS("3", "50", "") OK("x") OK("n"),
     "20 40 50", "-10 -30 ", 107},
    {"one comes while SEARCH is under way", CONDSTORE,
     SEARCHED_ONE "S: * 5 EXISTS\nS: * SEARCH 10 20 40 50\n" OK("s")
         C_REST(MODSEQ_ITEMS, "51") MESSAGE("5", "60") OK("n"),
     "10 20 40 50 60", "+60 -30 ", 107},
    {"more than were told", CONDSTORE,
     CONDSTORE_DELTA SELECTED("6", "107") OK("d") OK("n") COMPARISON(
         MODSEQ_ITEMS, "50", "51") FLAGS("1", "10", "") FLAGS("2", "20", "")
         FLAGS("3", "25", "") FLAGS("4", "30", "") FLAGS("5", "40", "")
             FLAGS("6", "50", "") OK("x") OK("n") C_REST(MODSEQ_ITEMS, "25")
                 MESSAGE("3", "25") MESSAGE("4", "30") MESSAGE("5", "40")
                     MESSAGE("6", "50") OK("n"),
     "10 20 25 30 40 50", "+25 ", 107},
    {"expunged while it is told", CONDSTORE,
     CONDSTORE_DELTA SELECTED("5", "107") OK("d") "S: * 2 EXPUNGE\n" OK("n")
         COMPARISON(MODSEQ_ITEMS, "50", "51") FLAGS("1", "10", "")
             FLAGS("2", "30", "") FLAGS("3", "40", "") FLAGS("4", "50", "")
                 OK("x") OK("n"),
     "10 30 40 50", "-20 ", 107},
    {"expunged while it is compared", CONDSTORE,
     CONDSTORE_DELTA SELECTED("4", "3") OK("d") OK("n")
         COMPARISON(MODSEQ_ITEMS, "50", "51") FLAGS("1", "10", "")
             FLAGS("2", "20", "") FLAGS("3", "40", "") FLAGS("4", "50", "")
                 OK("x") "S: * 1 EXPUNGE\n" OK("n"),
     "20 40 50", "-10 -30 ", 3},
    {"one comes while it is compared", CONDSTORE,
     CONDSTORE_DELTA SELECTED("5", "3") OK("d") OK("n")
         COMPARISON(MODSEQ_ITEMS, "50", "51")
             ALL_FLAGS OK("x") "S: * 6 EXISTS\n" MESSAGE("6", "60") OK("n")
                 C_REST(MODSEQ_ITEMS, "61") OK("n"),
     "10 20 30 40 50 60", "+60 ", 3},
    {"VANISHED means nothing", CONDSTORE,
     CONDSTORE_DELTA SELECTED("5",
                              "107") "S: * VANISHED (EARLIER) 10\n"
                                     "S: * VANISHED 20\n" OK("d")
                                         OK("n") "S: * VANISHED 1:4294967295\n",
     "10 20 30 40 50", "", 107},
    {"it is refused to compare", CONDSTORE,
     CONDSTORE_DELTA SELECTED("5", "3") OK("d") OK("n")
         COMPARISON(MODSEQ_ITEMS, "50", "51") "S: $x NO not now\n" OK("n"),
     "10 20 30 40 50", "", 0},
    {"UIDONLY alone", CONDSTORE " UIDONLY",
     CONDSTORE_DELTA SELECTED(
         "4", "107") "S: * 20 UIDFETCH (FLAGS (\\Seen) MODSEQ (105))\n" OK("d")
         OK("n") C_SEARCH "S: * SEARCH 10 20 40 50\n" OK("s"),
     "10 20(\\Seen) 40 50", "~20 -30 ", 107},
};

/* Without MODSEQ, flags are asked for when all else is known. */
static const Row plain_table[] = {
    {"nothing happened", "",
     PLAIN_DELTA SELECTED_PLAIN("5") OK("n") C_FLAGS ALL_FLAGS OK("f"),
     "10 20 30 40 50", "", 0},
    {"a flag, a departure, an arrival", "",
     PLAIN_DELTA SELECTED_PLAIN("5") MESSAGE("5", "60") OK("n") C_SEARCH
     "S: * SEARCH 10 20 40 50\n" OK("s") C_FLAGS FLAGS("1", "10", "") FLAGS(
         "2", "20", "\\Seen") FLAGS("3", "40", "") FLAGS("4", "50", "") OK("f"),
     "10 20(\\Seen) 40 50 60", "+60 -30 ~20 ", 0},
    /* As Yahoo says, without announcing it. */
    {"HIGHESTMODSEQ without CONDSTORE", "",
     PLAIN_DELTA SELECTED("5", "107") OK("n") C_FLAGS FLAGS("1", "10", "\\Seen")
         FLAGS("2", "20", "") FLAGS("3", "30", "") FLAGS("4", "40", "")
             FLAGS("5", "50", "") OK("f"),
     "10(\\Seen) 20 30 40 50", "~10 ", 0},
    {"another mailbox", "",
     PLAIN_DELTA
     "S: * 1 EXISTS\nS: * OK [UIDVALIDITY 8] x\nS: $e OK done\n" MESSAGE(
         "1", "60") OK("n") C_REST(PLAIN_ITEMS, "1") MESSAGE("1", "60") OK("n"),
     "60", "-10 -20 -30 -40 -50 +60 ", 0},
};

static void
play(void **state)
{
    const Row *row = *state;
    g_autoptr(Scene) scene = known_new(1, row->capabilities, "");
    MailMailbox *inbox = known_inbox(scene);

    known_add(scene, row->capabilities, row->again);
    script_hang_up(scene->script, 0);
    scene_wait(scene, SHORT);
    known_assert_over(scene, 1);
    known_assert_shown(scene, row->shown);
    assert_string_equal(scene->seen->str, row->seen);
    assert_int_equal(inbox->modseq, row->modseq);
    assert_true(inbox->fresh);
    assert_int_equal(inbox->listing, MAIL_LISTED);
    assert_int_equal(script_dials(scene->script), 2);
}

int
main(void)
{
    static const struct {
        const Row *rows;
        guint n;
    } tables[] = {
        {qresync_table, G_N_ELEMENTS(qresync_table)},
        {condstore_table, G_N_ELEMENTS(condstore_table)},
        {plain_table, G_N_ELEMENTS(plain_table)},
    };
    g_autoptr(GArray) tests =
        g_array_new(FALSE, TRUE, sizeof(struct CMUnitTest));

    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING |
                           G_LOG_FATAL_MASK);
    g_mime_init();
    for (guint t = 0; t < G_N_ELEMENTS(tables); t++) {
        for (guint i = 0; i < tables[t].n; i++) {
            const Row *row = &tables[t].rows[i];
            struct CMUnitTest test = {row->name, play, NULL, NULL, (void *)row};
            g_array_append_val(tests, test);
        }
    }
    return _cmocka_run_group_tests(
        "sync", (const struct CMUnitTest *)(gpointer)tests->data, tests->len,
        NULL, NULL);
}

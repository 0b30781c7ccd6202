/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The list of mailboxes, and news of those that no connection watches: asked
 * for now and then, or pushed (RFC 5465). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <gmime/gmime.h>

#include "known.h"

#define NOTIFY CONDSTORE " NOTIFY"
#define C_NOTIFY                                                          \
    "C: $t NOTIFY SET (SELECTED (MessageNew MessageExpunge FlagChange)) " \
    "(PERSONAL (MessageNew MessageExpunge FlagChange MailboxName))\n"
#define LISTED "S: * LIST () \"/\" INBOX\nS: * LIST () \"/\" a\n" OK("l")
/* All that is in the other mailbox. */
#define C_ENTER_A "C: $e EXAMINE \"a\"\n" C_REST(MODSEQ_ITEMS, "1")
#define ENTERED_A SELECTED_AS("9", "0", "1") OK("n")

/* INBOX is known, "a" is watched, by the only connection. */
static Scene *
surveyed(const char *capabilities, const char *list, const char *rest)
{
    Scene *scene = scene_new(1);
    g_autofree char *all =
        g_strconcat(list,
                    C_EXAMINE C_REST(MODSEQ_ITEMS, "1") SELECTED("5", "100")
                        ALL_MESSAGES OK("n") C_ENTER_A ENTERED_A,
                    rest, NULL);

    scene->server.lists = "* LIST () \"/\" INBOX\r\n* LIST () \"/\" a\r\n";
    known_add(scene, capabilities, all);
    scene_enter(scene);
    g_free(scene_list(scene, scene_find(scene, 1, "a"), NULL));
    scene_wait(scene, SHORT);
    return scene;
}

static guint
count_lists(Scene *scene)
{
    return script_count(scene->script, 0, "LIST \"\"");
}

/* Long enough after the last time that it matters. */
static void
look_at_root(Scene *scene)
{
    scene_wait(scene, 3 * CLOCK_SECOND);
    mail_account_visit_root(scene->account);
    scene_wait(scene, SHORT);
}

/* ---- NOTIFY ---- */

static void
test_once(void **state)
{
    g_autoptr(Scene) scene = surveyed(NOTIFY, C_LIST LISTED C_NOTIFY OK("t"),
                                      C_LIST LISTED C_LIST LISTED);
    (void)state;

    for (guint i = 0; i < 2; i++) {
        look_at_root(scene);
    }
    known_assert_over(scene, 0);
    assert_int_equal(count_lists(scene), 3);
}

static void
test_not_announced(void **state)
{
    g_autoptr(Scene) scene = surveyed(CONDSTORE, C_LIST LISTED, "");
    (void)state;
    known_assert_over(scene, 0);
}

/* Nor on another connection. */
static void
test_refused(void **state)
{
    static const char *const answers[] = {"S: $t NO not now\n",
                                          "S: $t BAD what\n"};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(answers); i++) {
        g_autofree char *list =
            g_strconcat(C_LIST LISTED C_NOTIFY, answers[i], NULL);
        g_autoptr(Scene) scene = surveyed(NOTIFY, list, C_LIST LISTED);

        look_at_root(scene);
        known_assert_over(scene, 0);
        script_add(scene->script, LOGGED_IN(NOTIFY) "A\n");
        script_hang_up(scene->script, 0);
        scene_wait(scene, 10 * CLOCK_SECOND);
        mail_account_visit_root(scene->account);
        scene_wait(scene, SHORT);
        assert_int_equal(script_count(scene->script, 1, "NOTIFY SET"), 0);
    }
}

/* A mailbox that was listed and is not watched is brought up to date. */
static void
test_push(void **state)
{
    static const char *const news[] = {
        "* STATUS INBOX (MESSAGES 6)\r\n",
        "* STATUS INBOX (UIDNEXT 61 MESSAGES 6)\r\n",
        "* STATUS \"INBOX\" (HIGHESTMODSEQ 107)\r\n",
        "* STATUS INBOX (MESSAGES 5 UIDNEXT 50 UIDVALIDITY 8)\r\n",
        "* STATUS INBOX (MESSAGES 6)\r\n* STATUS INBOX (MESSAGES 7)\r\n",
    };
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(news); i++) {
        g_autoptr(Scene) scene =
            surveyed(NOTIFY, C_LIST LISTED C_NOTIFY OK("t"),
                     CONDSTORE_DELTA SELECTED("6", "107") OK("d")
                         MESSAGE("6", "60") OK("n"));

        script_say(scene->script, 0, news[i]);
        scene_wait(scene, SHORT);
        if (!script_is_over(scene->script, 0))
            fail_msg("nothing follows %s", news[i]);
        known_assert_over(scene, 0);
        known_assert_shown(scene, "10 20 30 40 50 60");
    }
}

/* INBOX may be spelled in any way (RFC 9051, 5.1). */
static void
test_push_of_inbox(void **state)
{
    g_autoptr(Scene) scene = surveyed(NOTIFY, C_LIST LISTED C_NOTIFY OK("t"),
                                      CONDSTORE_DELTA SELECTED("6", "107")
                                          OK("d") MESSAGE("6", "60") OK("n"));
    (void)state;

    script_say(scene->script, 0, "* STATUS Inbox (MESSAGES 6)\r\n");
    scene_wait(scene, SHORT);
    known_assert_over(scene, 0);
    known_assert_shown(scene, "10 20 30 40 50 60");
}

static void
test_push_of_nothing_new(void **state)
{
    static const char *const news[] = {
        "* STATUS INBOX (MESSAGES 5)\r\n",
        "* STATUS INBOX (MESSAGES 5 UIDNEXT 51 UIDVALIDITY 7)\r\n",
        "* STATUS INBOX (HIGHESTMODSEQ 100)\r\n",
        "* STATUS INBOX (HIGHESTMODSEQ 99 UIDNEXT 60)\r\n",
        "* STATUS INBOX (UNSEEN 3)\r\n",
        "* STATUS INBOX ()\r\n",
        "* STATUS INBOX\r\n",
        "* STATUS a (MESSAGES 1)\r\n",
        "* STATUS nowhere (MESSAGES 1)\r\n",
        "* STATUS \"\" (MESSAGES 1)\r\n",
        "* STATUS INBOX (MESSAGES -1)\r\n",
        "* STATUS INBOX (MESSAGES x)\r\n",
    };
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(news); i++) {
        g_autoptr(Scene) scene =
            surveyed(NOTIFY, C_LIST LISTED C_NOTIFY OK("t"), "");

        script_say(scene->script, 0, news[i]);
        scene_wait(scene, SHORT);
        if (script_unread(scene->script, 0) > 0)
            fail_msg("something follows %s: %s", news[i],
                     script_heard(scene->script, 0));
    }
}

/* One that was never listed is nobody's business. */
static void
test_push_of_unlisted(void **state)
{
    g_autoptr(Scene) scene = known_new(1, CONDSTORE, "");
    (void)state;

    scene->server.lists = "";
    script_say(scene->script, 0, "* STATUS b (MESSAGES 6)\r\n");
    scene_wait(scene, SHORT);
    known_assert_over(scene, 0);
}

/* Of names, several in one go: one LIST tells all. */
static void
test_push_of_names(void **state)
{
    g_autoptr(Scene) scene =
        surveyed(NOTIFY, C_LIST LISTED C_NOTIFY OK("t"),
                 C_LIST "S: * LIST () \"/\" INBOX\nS: * LIST () \"/\" a\n"
                        "S: * LIST () \"/\" b\n" OK("l"));
    (void)state;

    script_say(scene->script, 0,
               "* LIST () \"/\" b (\"OLDNAME\" (c))\r\n"
               "* LIST (\\NonExistent) \"/\" c\r\n"
               "* LIST () \"/\" d\r\n* LIST (\\NonExistent) \"/\" d\r\n");
    scene_wait(scene, SHORT);
    known_assert_over(scene, 0);
    assert_string_equal(scene->seen->str, "+b ");
}

static void
test_push_of_departure(void **state)
{
    g_autoptr(Scene) scene = surveyed(
        NOTIFY, C_LIST LISTED C_NOTIFY OK("t"),
        C_LIST "S: * LIST () \"/\" a\nS: * LIST () \"/\" INBOX\n" OK("l") C_LIST
        "S: * LIST () \"/\" INBOX\n" OK("l"));
    (void)state;

    /* It is said to be gone, and is not. */
    script_say(scene->script, 0, "* LIST (\\NonExistent) \"/\" a\r\n");
    scene_wait(scene, SHORT);
    assert_string_equal(scene->seen->str, "");
    script_say(scene->script, 0, "* LIST (\\NonExistent) \"/\" a\r\n");
    scene_wait(scene, SHORT);
    known_assert_over(scene, 0);
    assert_string_equal(scene->seen->str, "-a ");
}

/* It goes while the list of mailboxes is being told. */
static void
test_departure_meanwhile(void **state)
{
    g_autoptr(Scene) scene =
        surveyed(NOTIFY, C_LIST LISTED C_NOTIFY OK("t"),
                 C_LIST "S: * LIST () \"/\" INBOX\nS: * LIST () \"/\" a\n"
                        "S: * LIST (\\NonExistent) \"/\" a\n" OK("l"));
    (void)state;

    look_at_root(scene);
    known_assert_over(scene, 0);
    assert_string_equal(scene->seen->str, "-a ");
}

/* The server will tell no more: all is looked at once, and then each minute. */
static void
test_overflow(void **state)
{
    g_autoptr(Scene) scene =
        surveyed(NOTIFY, C_LIST LISTED C_NOTIFY OK("t"), C_LIST LISTED "A\n");
    (void)state;

    script_say(scene->script, 0, "* STATUS INBOX (MESSAGES 5)\r\n");
    script_say(scene->script, 0, "* OK [NOTIFICATIONOVERFLOW] too much\r\n");
    scene_wait(scene, SHORT);
    assert_int_equal(count_lists(scene), 2);
    scene_wait(scene, 5 * MINUTE);
    assert_in_range(count_lists(scene), 6, 8);
    assert_int_equal(script_count(scene->script, 0, "NOTIFY"), 1);
}

/* Whoever was told is gone: another is asked to tell, and what happened between
 * is looked for. */
static void
test_notifier_lost(void **state)
{
    g_autoptr(Scene) scene = scene_new(2);
    (void)state;

    known_add(scene, NOTIFY,
              C_LIST LISTED C_NOTIFY OK("t") C_EXAMINE C_REST(MODSEQ_ITEMS, "1")
                  SELECTED("5", "100") ALL_MESSAGES OK("n"));
    known_add(scene, NOTIFY,
              C_ENTER_A ENTERED_A C_LIST LISTED C_NOTIFY OK("t") "A\n");
    script_add(scene->script, LOGGED_IN(NOTIFY) "A\n");
    scene_enter(scene);
    g_free(scene_list(scene, scene_find(scene, 1, "a"), NULL));
    scene_wait(scene, SHORT);
    assert_int_equal(script_connections(scene->script), 2);
    assert_int_equal(script_count(scene->script, 1, "NOTIFY SET"), 0);
    script_hang_up(scene->script, 0);
    scene_wait(scene, SHORT);
    assert_int_equal(script_count(scene->script, 1, "LIST \"\""), 1);
    assert_int_equal(script_count(scene->script, 1, "NOTIFY SET"), 1);
    assert_int_equal(script_connections(scene->script), 3);
    assert_int_equal(script_count(scene->script, 2, "NOTIFY SET"), 0);
}

/* The only connection: the next one is asked, too. */
static void
test_notifier_alone_lost(void **state)
{
    g_autoptr(Scene) scene =
        surveyed(NOTIFY, C_LIST LISTED C_NOTIFY OK("t"), "");
    (void)state;

    script_add(scene->script, LOGGED_IN(NOTIFY) "A\n");
    script_hang_up(scene->script, 0);
    scene_wait(scene, CLOCK_SECOND);
    assert_int_equal(script_connections(scene->script), 2);
    assert_int_equal(script_count(scene->script, 1, "LIST \"\""), 1);
    assert_int_equal(script_count(scene->script, 1, "NOTIFY SET"), 1);
}

/* ---- now and then ---- */

static void
look_for_minutes(Scene *scene, guint minutes)
{
    guint64 a = scene_find(scene, 1, "a");
    for (guint i = 0; i < minutes; i++) {
        g_free(scene_list(scene, a, NULL));
        scene_wait(scene, MINUTE);
    }
}

static void
test_poll(void **state)
{
    static const struct {
        const char *capabilities;
        const char *list;
        const char *push; /* or NULL */
        guint least, most;
    } rows[] = {
        {CONDSTORE, C_LIST LISTED, NULL, 59, 61},
        /* It agrees to tell and does not: this was seen. */
        {NOTIFY, C_LIST LISTED C_NOTIFY OK("t"), NULL, 59, 61},
        {NOTIFY, C_LIST LISTED C_NOTIFY OK("t"), "* STATUS a (MESSAGES 0)\r\n",
         3, 4},
    };
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Scene) scene =
            surveyed(rows[i].capabilities, rows[i].list, "A\n");
        guint before = count_lists(scene);
        guint lists;

        if (rows[i].push != NULL)
            script_say(scene->script, 0, rows[i].push);
        look_for_minutes(scene, 60);
        lists = count_lists(scene) - before;
        if (lists < rows[i].least || lists > rows[i].most)
            fail_msg("row %u: %u times in an hour", i, lists);
    }
}

/* Nobody looks: nobody asks. */
static void
test_no_poll(void **state)
{
    g_autoptr(Scene) scene = surveyed(CONDSTORE, C_LIST LISTED, "A\n");
    guint lists;
    (void)state;

    scene_wait(scene, 11 * MINUTE);
    lists = count_lists(scene);
    scene_wait(scene, 60 * MINUTE);
    assert_int_equal(count_lists(scene), lists);
}

/* Somebody may watch a directory who never opens it. */
static void
test_kept_fresh(void **state)
{
    g_autoptr(Scene) scene = surveyed(CONDSTORE, C_LIST LISTED, "A\n");
    MailMailbox *mailbox = mail_account_mailbox(
        scene->account, fs_node_of(scene_find(scene, 1, "INBOX")).mailbox);
    guint asked = 0;
    guint lists;
    (void)state;

    scene_wait(scene, 7 * MINUTE);
    assert_null(strstr(scene->seen->str, "?"));
    lists = count_lists(scene);
    for (guint i = 0; i < 60; i++) {
        g_string_truncate(scene->seen, 0);
        scene_wait(scene, MINUTE);
        if (strstr(scene->seen->str, "?INBOX ") != NULL) {
            mail_account_keep_fresh(scene->account, mailbox);
            asked++;
        }
    }
    assert_in_range(asked, 6, 9);
    assert_in_range(count_lists(scene) - lists, 59, 61);
}

#define LIST_STATUS CONDSTORE " LIST-EXTENDED LIST-STATUS SPECIAL-USE"
#define C_LIST_STATUS                                                      \
    "C: $l LIST \"\" \"*\" RETURN (CHILDREN SPECIAL-USE STATUS (MESSAGES " \
    "UIDNEXT UIDVALIDITY HIGHESTMODSEQ))\n"
#define LISTED_WITH(messages, uidnext, modseq)                               \
    "S: * LIST () \"/\" INBOX\nS: * STATUS INBOX (MESSAGES " messages        \
    " UIDNEXT " uidnext " UIDVALIDITY 7 HIGHESTMODSEQ " modseq ")\n"         \
    "S: * LIST () \"/\" a\nS: * STATUS a (MESSAGES 0 UIDNEXT 1 UIDVALIDITY " \
    "9 HIGHESTMODSEQ 1)\n" OK("l")

/* LIST brings news of all. */
static void
test_list_status(void **state)
{
    g_autoptr(Scene) scene =
        surveyed(LIST_STATUS, C_LIST_STATUS LISTED_WITH("5", "51", "100"),
                 C_LIST_STATUS LISTED_WITH("5", "51", "100")
                     C_LIST_STATUS LISTED_WITH("4", "51", "107")
                         CONDSTORE_DELTA SELECTED("4", "107") OK("d") OK("n")
                             C_SEARCH "S: * SEARCH 10 20 30 40\n" OK("s"));
    (void)state;

    look_at_root(scene);
    known_assert_shown(scene, "10 20 30 40 50");
    look_at_root(scene);
    known_assert_over(scene, 0);
    known_assert_shown(scene, "10 20 30 40");
}

/* Not all mailboxes at once are gone because one answer leaves them out. */
static void
test_implausible(void **state)
{
    g_autoptr(Scene) scene = surveyed(
        CONDSTORE, C_LIST LISTED,
        C_LIST OK("l") C_LIST "S: $l NO not now\n" C_LIST "S: $l BAD what\n");
    (void)state;

    for (guint i = 0; i < 3; i++) {
        look_at_root(scene);
    }
    known_assert_over(scene, 0);
    known_assert_shown(scene, "10 20 30 40 50");
    assert_string_equal(scene->seen->str, "");
}

static void
mount_from(Scene *scene, const char *directory)
{
    g_autoptr(GError) error = NULL;

    scene_unmount(scene);
    g_clear_pointer(&scene->setup.store, mail_store_close);
    scene->setup.store =
        mail_store_open(directory, 1 << 20, scene->clock, &error);
    assert_null(error);
    scene_mount(scene);
}

/* Whoever died while the list was being saved leaves some of it: the next mount
 * does not take that for all. */
static void
test_list_half_saved(void **state)
{
    g_autofree char *directory = g_dir_make_tmp("imapfs-survey-XXXXXX", NULL);
    g_autofree char *verdict = NULL;
    g_autoptr(Scene) scene = scene_new(1);
    (void)state;

    scene_serve(scene, 4);
    scene->server.lists = "* LIST () \"/\" INBOX\r\n";
    mount_from(scene, directory);
    scene_find(scene, 1, "INBOX");
    scene_wait(scene, MINUTE);
    verdict = mail_store_verdict(scene->setup.store, "mailboxes");
    assert_string_equal(verdict, "all");

    scene->server.lists = "* LIST () \"/\" INBOX\r\n* LIST () \"/\" b\r\n";
    mail_store_set_verdict(scene->setup.store, "mailboxes", NULL);
    mount_from(scene, directory);
    scene_find(scene, 1, "b");

    scene_unmount(scene);
    g_clear_pointer(&scene->setup.store, mail_store_close);
    scene_mount(scene);
    scene_remove(directory);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_half_saved),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_not_announced),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_push),
        cmocka_unit_test(test_push_of_inbox),
        cmocka_unit_test(test_push_of_nothing_new),
        cmocka_unit_test(test_push_of_unlisted),
        cmocka_unit_test(test_push_of_names),
        cmocka_unit_test(test_push_of_departure),
        cmocka_unit_test(test_departure_meanwhile),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_notifier_lost),
        cmocka_unit_test(test_notifier_alone_lost),
        cmocka_unit_test(test_poll),
        cmocka_unit_test(test_no_poll),
        cmocka_unit_test(test_kept_fresh),
        cmocka_unit_test(test_list_status),
        cmocka_unit_test(test_implausible),
    };

    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING |
                           G_LOG_FATAL_MASK);
    g_mime_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

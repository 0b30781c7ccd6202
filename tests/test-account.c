/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From the questions of a file system down to the wire, and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <gmime/gmime.h>

#include "scene.h"

/* ---- connections lost ---- */

/* The first connection is cut after each octet in turn. */
static void
test_cut_everywhere(void **state)
{
    gint64 whole = 0;
    (void)state;

    for (gint64 cut = -1; cut <= whole; cut++) {
        g_autoptr(Scene) scene = scene_new(1);
        g_autofree char *mailboxes = NULL;
        g_autofree char *messages = NULL;
        g_autoptr(Op) op = op_new(scene, op_lookup, 1);
        Copy made;

        scene_serve(scene, 20);
        server_add(&scene->server, 3, 300, -1);
        script_cut_after(scene->script, cut);
        op->ask = op_opendir;
        op_start(op);
        while (script_connections(scene->script) == 0)
            g_main_context_iteration(NULL, FALSE);
        script_cut_after(scene->script, -1);
        op_wait(op);
        if (op->error != NULL)
            continue;
        mailboxes = scene_list(scene, 1, NULL);
        if (mailboxes == NULL || strstr(mailboxes, "INBOX") == NULL)
            continue;
        messages = scene_list(scene, scene_find(scene, 1, "INBOX"), NULL);
        if (messages == NULL)
            continue;
        assert_string_equal(messages, "3.eml,");
        made = scene_copy(
            scene, scene_find(scene, scene_find(scene, 1, "INBOX"), "3.eml"),
            100);
        if (made.error == NULL)
            copy_assert_is(&made, server_mail(&scene->server, 0));
        copy_clear(&made);
        if (cut < 0)
            whole = (gint64)script_octets_sent(scene->script, 0);
    }
    assert_true(whole > 600);
}

static void
test_cut_in_large_literal(void **state)
{
    (void)state;
    for (gint64 cut = 100000; cut < 1000000; cut += 40001) {
        g_autoptr(Scene) scene = scene_new(1);
        guint64 inbox;
        Copy made;

        scene_serve(scene, 20);
        server_add(&scene->server, 3, 1000000, -1);
        script_cut_after(scene->script, cut);
        inbox = scene_enter(scene);
        script_cut_after(scene->script, -1);
        made = scene_copy(scene, scene_find(scene, inbox, "3.eml"), 10000);
        copy_assert_is(&made, server_mail(&scene->server, 0));
        copy_clear(&made);
        assert_int_equal(script_dials(scene->script), 2);
    }
}

/* Each connection is cut in the same place: this must end, and soon. */
static void
test_always_cut(void **state)
{
    g_autoptr(Scene) scene = scene_new(2);
    guint64 inbox;
    Copy made;
    guint dials;
    (void)state;

    scene_serve(scene, 1000);
    server_add(&scene->server, 3, 100000, -1);
    inbox = scene_enter(scene);
    script_cut_after(scene->script, 2000);
    script_hang_up(scene->script, 0);
    made = scene_copy(scene, scene_find(scene, inbox, "3.eml"), 10000);
    assert_non_null(made.error);
    assert_int_equal(made.data->len, 0);
    copy_clear(&made);
    dials = script_dials(scene->script);
    assert_true(dials < 12);
    scene_wait(scene, 10 * MINUTE);
    if (script_dials(scene->script) - dials > 30)
        fail_msg("%u dials more in ten minutes",
                 script_dials(scene->script) - dials);
}

/* ---- UIDVALIDITY ---- */

static void
replace_mailbox(Scene *scene, gsize size)
{
    g_array_set_size(scene->server.mails, 0);
    scene->server.uidvalidity += 7;
    server_add(&scene->server, 3, size, -1);
}

/* The mailbox is another one when the connection is back, with a message of the
 * same UID and size. */
static void
replace_between_reads(gboolean parked, gboolean spared)
{
    g_autoptr(Scene) scene = scene_new(1);
    g_autofree char *before = NULL;
    g_autoptr(Op) op = NULL;
    Copy made;
    guint64 ino;

    scene_serve(scene, 20);
    if (spared)
        scene_spare_open(scene);
    server_add(&scene->server, 3, 400000, -1);
    before = g_strdup(server_mail(&scene->server, 0)->body);
    ino = scene_find(scene, scene_enter(scene), "3.eml");
    op = scene_open(scene, ino, 1000);
    op_run(op);
    op_assert_fine(op);
    assert_memory_equal(op->buffer, before, 1000);
    if (parked)
        scene->server.habit = SILENT;
    op->offset = 250000;
    if (parked) {
        op_start(op);
        scene_wait(scene, SHORT);
        assert_false(op->done);
    }
    replace_mailbox(scene, 400000);
    script_hang_up(scene->script, 0);
    scene->server.habit = HONEST;
    scene_wait(scene, parked ? 0 : CLOCK_SECOND);
    if (!parked)
        op_start(op);
    op_wait(op);
    assert_non_null(op->error);
    if (!g_error_matches(op->error, IMAPFS_ERROR, IMAPFS_ERROR_NOT_FOUND))
        op_assert_failed(op, IMAPFS_ERROR_STALE);
    op->offset = 0;
    op_run(op);
    op_assert_failed(op, IMAPFS_ERROR_STALE);
    /* What has the name now is another file. */
    scene_wait(scene, 5 * CLOCK_SECOND);
    made = scene_copy(scene, scene_find(scene, scene_enter(scene), "3.eml"),
                      10000);
    copy_assert_is(&made, server_mail(&scene->server, 0));
    copy_clear(&made);
    /* Whoever watches hears of both. */
    assert_non_null(strstr(scene->seen->str, "-3 +3 "));
}

static void
test_replaced_between_reads(void **state)
{
    (void)state;
    for (guint i = 0; i < 4; i++)
        replace_between_reads(i & 1, i & 2);
}

/* Nothing tells but SELECT, and only one of two links has been there. */
static void
test_replaced_seen_by_reader(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    g_autoptr(Op) op = NULL;
    Copy made;
    guint64 inbox;
    (void)state;

    scene_serve(scene, 20);
    server_add(&scene->server, 3, 400000, -1);
    inbox = scene_enter(scene);
    op = scene_open(scene, scene_find(scene, inbox, "3.eml"), 1000);
    replace_mailbox(scene, 200);
    script_hang_up(scene->script, 0);
    op->offset = 200000;
    op_run(op);
    assert_non_null(op->error);
    scene_wait(scene, 5 * CLOCK_SECOND);
    made =
        scene_copy(scene, scene_find(scene, scene_enter(scene), "3.eml"), 1000);
    copy_assert_is(&made, server_mail(&scene->server, 0));
    copy_clear(&made);
}

/* ---- expunged ---- */

/* By somebody else, while this connection is told nothing. */
static void
test_expunged_unseen(void **state)
{
    static const Habit habits[] = {BODY_NIL, BODY_EMPTY, BODY_MISSING,
                                   FAKE_MESSAGE, NO_FETCH};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(habits); i++) {
        g_autoptr(Scene) scene = scene_new(1);
        g_autofree char *names = NULL;
        g_autoptr(Op) op = NULL;
        guint64 inbox;
        scene_serve(scene, 20);
        server_add(&scene->server, 3, 1000, -1);
        server_add(&scene->server, 5, 1000, -1);
        inbox = scene_enter(scene);
        op = op_new(scene, op_open, scene_find(scene, inbox, "5.eml"));
        scene->server.habit = habits[i];
        server_mail(&scene->server, 1)->expunged = TRUE;
        op_run(op);
        assert_non_null(op->error);
        assert_int_equal(scene_octets_kept(scene), 0);
        scene_wait(scene, 10 * CLOCK_SECOND);
        names = scene_list(scene, inbox, NULL);
        assert_string_equal(names, "3.eml,");
        op_run(op);
        op_assert_failed(op, IMAPFS_ERROR_NOT_FOUND);
    }
}

/* ---- what the server volunteers ---- */

static void
test_pushes(void **state)
{
    g_autoptr(Scene) scene = scene_new(2);
    g_autofree char *names = NULL;
    guint64 inbox;
    (void)state;

    script_add(scene->script, LOGGED_IN(" IDLE") "A\n");
    for (guint32 uid = 1; uid <= 4; uid++)
        server_add(&scene->server, uid * 10, 100, -1);
    inbox = scene_enter(scene);
    scene_wait(scene, CLOCK_SECOND);
    g_string_truncate(scene->seen, 0);
    /* By number alone: the third is UID 30. */
    script_say(scene->script, 0, "* 3 FETCH (FLAGS (\\Seen))\r\n");
    scene_wait(scene, SHORT);
    assert_string_equal(scene->seen->str, "~30 ");
    script_say(scene->script, 0,
               "* 1 EXPUNGE\r\n* 1 EXPUNGE\r\n* 1 FETCH (FLAGS (\\Draft))\r\n");
    scene_wait(scene, SHORT);
    assert_string_equal(scene->seen->str, "~30 ~30 -10 -20 ");
    names = scene_list(scene, inbox, NULL);
    assert_string_equal(names, "30.eml,40.eml,");
    /* What concerns no message that is known does no harm. */
    script_say(scene->script, 0,
               "* 0 EXPUNGE\r\n* 3 EXPUNGE\r\n* 4294967295 EXPUNGE\r\n"
               "* 4294967296 EXPUNGE\r\n* 0 FETCH (FLAGS ())\r\n"
               "* 99 FETCH (FLAGS ())\r\n* 1 FETCH (UID 0 FLAGS ())\r\n"
               "* -1 EXISTS\r\n* 1 FETCH (UID 77 FLAGS (\\Seen))\r\n"
               "* EXPUNGE\r\n* VANISHED 1:4294967295\r\n"
               "* VANISHED (EARLIER) 1:*\r\n");
    scene_wait(scene, SHORT);
    g_clear_pointer(&names, g_free);
    names = scene_list(scene, inbox, NULL);
    assert_string_equal(names, "30.eml,40.eml,");
}

/* Mail that comes while the link is in IDLE. */
static void
test_arrival(void **state)
{
    g_autoptr(Scene) scene = scene_new(2);
    g_autofree char *names = NULL;
    guint64 inbox;
    (void)state;

    script_add(scene->script, LOGGED_IN("") "A\n");
    server_add(&scene->server, 10, 100, -1);
    inbox = scene_enter(scene);
    server_add(&scene->server, 20, 100, -1);
    server_add(&scene->server, 21, 100, -1);
    script_say(scene->script, 0, "* 3 EXISTS\r\n* 2 RECENT\r\n");
    scene_wait(scene, SHORT);
    names = scene_list(scene, inbox, NULL);
    assert_string_equal(names, "10.eml,20.eml,21.eml,");
}

/* ---- numbers that cannot be ---- */

static gsize
resident(void)
{
    unsigned long all = 0;
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &all, &pages), 2);
    fclose(file);
    return pages * (gsize)sysconf(_SC_PAGESIZE);
}

static void
test_exists_large(void **state)
{
    static const char *const said[] = {"* 4294967295 EXISTS\r\n",
                                       "* 16777216 EXISTS\r\n",
                                       "* 16777217 EXISTS\r\n"};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(said); i++) {
        g_autoptr(Scene) scene = scene_new(2);
        g_autofree char *names = NULL;
        guint64 inbox;
        gsize before;
        guint fetches;

        script_add(scene->script, LOGGED_IN("") "A\n");
        server_add(&scene->server, 10, 100, -1);
        inbox = scene_enter(scene);
        before = resident();
        fetches = script_count(scene->script, 0, "UID FETCH");
        script_say(scene->script, 0, said[i]);
        scene_wait(scene, 10 * CLOCK_SECOND);
        fetches = script_count(scene->script, 0, "UID FETCH") - fetches;
        if (fetches > 3)
            fail_msg("%s: %u commands follow", said[i], fetches);
        if (resident() > before + (24 << 20))
            fail_msg("%s: %zu MB more", said[i], (resident() - before) >> 20);
        names = scene_list(scene, inbox, NULL);
        assert_string_equal(names, "10.eml,");
    }
}

static void
test_exists_large_at_select(void **state)
{
    g_autoptr(Scene) scene = scene_new(2);
    g_autofree char *names = NULL;
    guint64 inbox;
    gsize before = resident();
    (void)state;

    script_add(scene->script, LOGGED_IN("") "A\n");
    server_add(&scene->server, 10, 100, -1);
    scene->server.exists = G_MAXUINT32;
    inbox = scene_enter(scene);
    scene_wait(scene, 10 * CLOCK_SECOND);
    assert_true(script_count(scene->script, 0, "UID FETCH") < 5);
    assert_true(resident() < before + (24 << 20));
    names = scene_list(scene, inbox, NULL);
    assert_string_equal(names, "10.eml,");
}

/* A number alone, without the messages before it. */
static void
test_number_large(void **state)
{
    g_autoptr(Scene) scene = scene_new(2);
    gsize before;
    (void)state;

    script_add(scene->script, LOGGED_IN("") "A\n");
    server_add(&scene->server, 10, 100, -1);
    scene_enter(scene);
    before = resident();
    script_say(scene->script, 0,
               "* 4294967295 EXISTS\r\n* 16777215 FETCH (UID 10)\r\n");
    scene_wait(scene, 10 * CLOCK_SECOND);
    if (resident() > before + (24 << 20))
        fail_msg("%zu MB more", (resident() - before) >> 20);
}

/* The largest UID there can be. */
static void
test_last_uid(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    g_autofree char *names = NULL;
    guint64 inbox;
    Copy made;
    (void)state;

    scene_serve(scene, 5);
    server_add(&scene->server, 10, 100, -1);
    server_add(&scene->server, G_MAXUINT32, 100, -1);
    inbox = scene_enter(scene);
    made = scene_copy(scene, scene_find(scene, inbox, "4294967295.eml"), 4096);
    copy_assert_is(&made, server_mail(&scene->server, 1));
    copy_clear(&made);
    /* It can be listed once more after the connection was lost. */
    script_hang_up(scene->script, 0);
    scene_wait(scene, 5 * CLOCK_SECOND);
    names = scene_list(scene, inbox, NULL);
    assert_string_equal(names, "10.eml,4294967295.eml,");
    g_clear_pointer(&names, g_free);
    server_remove(&scene->server, 0);
    script_say(scene->script, 1, "* 1 EXPUNGE\r\n");
    scene_wait(scene, 5 * CLOCK_SECOND);
    names = scene_list(scene, inbox, NULL);
    assert_string_equal(names, "4294967295.eml,");
}

/* ---- mailboxes ---- */

static void
test_refused_mailbox(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    g_autoptr(GError) error = NULL;
    g_autofree char *names = NULL;
    (void)state;

    scene_serve(scene, 5);
    scene->server.refuse_examine = TRUE;
    g_free(scene_list(scene, 1, NULL));
    names = scene_list(scene, scene_find(scene, 1, "INBOX"), &error);
    assert_null(names);
    assert_true(g_error_matches(error, IMAPFS_ERROR, IMAPFS_ERROR_NOT_FOUND));
}

static void
test_vanishing_mailbox(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    g_autoptr(Op) op = NULL;
    g_autoptr(Op) lookup = NULL;
    guint64 inbox;
    (void)state;

    scene_serve(scene, 5);
    scene->server.lists = "* LIST () \"/\" INBOX\r\n* LIST () \"/\" a\r\n";
    server_add(&scene->server, 3, 400000, -1);
    g_free(scene_list(scene, 1, NULL));
    inbox = scene_find(scene, 1, "a");
    g_free(scene_list(scene, inbox, NULL));
    op = scene_open(scene, scene_find(scene, inbox, "3.eml"), 1000);
    /* A read is parked when the mailbox goes. */
    scene->server.habit = SILENT;
    op->offset = 200000;
    op_start(op);
    scene_wait(scene, SHORT);
    assert_false(op->done);
    scene->server.lists = "* LIST () \"/\" INBOX\r\n";
    scene->server.refuse_examine = TRUE;
    script_hang_up(scene->script, 0);
    op_wait(op);
    assert_non_null(op->error);
    scene_wait(scene, 5 * CLOCK_SECOND);
    g_free(scene_list(scene, 1, NULL));
    scene_wait(scene, 5 * CLOCK_SECOND);
    lookup = op_new(scene, op_lookup, 1);
    lookup->name = "a";
    op_run(lookup);
    op_assert_failed(lookup, IMAPFS_ERROR_NOT_FOUND);
    op_run(op);
    op_assert_failed(op, IMAPFS_ERROR_STALE);
    assert_non_null(strstr(scene->seen->str, "-a "));
}

/* As LIST has them.  One a line would hide how few they are. */
/* clang-format off */
static const char *const nasty_names[] = {
    "\"\"", "\".\"", "\"..\"", "\"../../etc\"", "\"a/..\"", "\"/\"", "\"//\"",
    "\"/etc/passwd\"", "\"a//b\"", "\"a/\"", "NIL", "\" \"", "\"&AAA-\"",
    "\"&AC8-\"", "\"&AC4ALg-\"", "\"&bad\"", "\"&-\"", "\"&2ADcAA-\"",
    "{1}\r\n\n", "{2}\r\na\r", "{3}\r\na\033b", "\"\303\244\"", "\"\377\376\"",
    "\".imapfs\"", "\"%2E%2E\"", "\"%2F\"", "\"3.eml\"", "inbox", "\"INBOX\"",
    "InBoX", "\"inbox/x\"", "\"&AOQ-\"", "\"x&AOQ-\"", "(a)", "\"a\\\\b\"",
    "\"a\\\"b\"", "\"\342\200\256lme.exe\"", "\"%\"", "\"%7E\"", "\"%~\"",
    "\"A\"", "\"a\"", "\"\302\205\"",
};
/* clang-format on */

static char *
nasty_lists(void)
{
    GString *lists = g_string_new(NULL);
    g_autofree char *long_name = g_strnfill(3000, 'x');
    g_autofree char *too_long = g_strnfill(10000, 'y');

    for (guint i = 0; i < G_N_ELEMENTS(nasty_names); i++) {
        g_string_append_printf(lists, "* LIST () \"/\" %s\r\n", nasty_names[i]);
        g_string_append_printf(lists, "* LIST () NIL %s\r\n", nasty_names[i]);
        g_string_append_printf(lists, "* LIST (\\Noselect) \".\" %s\r\n",
                               nasty_names[i]);
    }
    g_string_append_printf(lists, "* LIST () \"/\" %s1\r\n", long_name);
    g_string_append_printf(lists, "* LIST () \"/\" %s2\r\n", long_name);
    g_string_append_printf(lists, "* LIST () \"/\" %s\r\n", too_long);
    g_string_append(lists, "* LIST () \"/\" a");
    for (guint i = 0; i < 1000; i++)
        g_string_append(lists, "/a");
    g_string_append(lists, "\r\n* LIST () \"//\" x/y\r\n* LIST () / z\r\n"
                           "* LIST\r\n* LIST ()\r\n* LIST () \"/\"\r\n");
    return g_string_free(lists, FALSE);
}

static void
test_hostile_names(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    g_autofree char *lists = nasty_lists();
    g_autofree char *names = NULL;
    g_auto(GStrv) entries = NULL;
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    (void)state;

    scene_serve(scene, 5);
    scene->server.lists = lists;
    names = scene_list(scene, 1, NULL);
    assert_non_null(names);
    entries = g_strsplit(names, ",", -1);
    for (guint i = 0; entries[i] != NULL && *entries[i] != '\0'; i++) {
        if (!g_hash_table_add(seen, entries[i]))
            fail_msg("\"%s\" is there twice", entries[i]);
        assert_string_not_equal(entries[i], ".");
        assert_string_not_equal(entries[i], "..");
        for (const char *at = entries[i]; *at != '\0'; at++)
            assert_true((guchar)*at >= 0x20 && *at != 0x7f);
        /* Each name is found again, as a directory. */
        assert_true(scene_find(scene, 1, entries[i]) != 0);
    }
    assert_true(g_hash_table_contains(seen, "INBOX"));
    assert_true(g_hash_table_size(seen) > 15);
}

/* ---- waiting ---- */

static void
test_interrupt(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    g_autoptr(Op) op = NULL;
    g_autoptr(Op) other = NULL;
    guint64 inbox;
    (void)state;

    scene_serve(scene, 5);
    server_add(&scene->server, 3, 1000, -1);
    inbox = scene_enter(scene);
    op = op_new(scene, op_open, scene_find(scene, inbox, "3.eml"));
    other = op_new(scene, op_open, scene_find(scene, inbox, "3.eml"));
    scene->server.habit = SILENT;
    op_start(op);
    op_start(other);
    scene_wait(scene, SHORT);
    fs_park_interrupt(&op->parked);
    script_run(scene->script, &op->done, SHORT);
    op_assert_failed(op, IMAPFS_ERROR_CANCELLED);
    /* Whoever else waits goes on to. */
    assert_false(other->done);
    assert_int_equal(fs_park_count(scene->park), 1);
    scene->server.habit = HONEST;
    op_wait(other);
    op_assert_fine(other);
    fs_park_interrupt(&other->parked); /* too late, and harmless */
    fs_park_leave(&other->parked);
}

/* The server is connected but silent: nobody waits for longer than this. */
static void
test_deadline(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    g_autoptr(Op) op = NULL;
    gint64 start;
    (void)state;

    scene_serve(scene, 50);
    scene->login.patience = 10 * MINUTE;
    server_add(&scene->server, 3, 1000, -1);
    op = op_new(scene, op_open, scene_find(scene, scene_enter(scene), "3.eml"));
    scene->server.habit = SILENT;
    start = clock_now(scene->clock);
    op_run(op);
    op_assert_failed(op, IMAPFS_ERROR_TIMEOUT);
    assert_int_equal(op->done_at - start, SCENE_DEADLINE);
}

static void
test_unreachable(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    g_autoptr(Op) op = op_new(scene, op_opendir, 1);
    gint64 start = clock_now(scene->clock);
    (void)state;

    /* No scenario: every call is refused. */
    op_run(op);
    op_assert_failed(op, IMAPFS_ERROR_OFFLINE);
    assert_true(op->done_at - start <= SCENE_DEADLINE);
    /* Now that it is known, nobody has to wait that long. */
    start = clock_now(scene->clock);
    op_run(op);
    op_assert_failed(op, IMAPFS_ERROR_OFFLINE);
    if (op->done_at - start > SCENE_DEADLINE)
        fail_msg("it waits although the server is known to be away");
    /* It is back. */
    scene_serve(scene, 1);
    scene_wait(scene, 2 * MINUTE);
    op_run(op);
    op_assert_fine(op);
}

/* What is known can be looked at without a server, what is not fails. */
static void
test_offline(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    g_autofree char *names = NULL;
    guint64 inbox;
    gint64 start;
    Copy made;
    (void)state;

    scene_serve(scene, 1);
    server_add(&scene->server, 3, 1000, -1);
    server_add(&scene->server, 4, 300000, -1);
    inbox = scene_enter(scene);
    made = scene_copy(scene, scene_find(scene, inbox, "3.eml"), 4096);
    copy_clear(&made);
    script_hang_up(scene->script, 0);
    scene_wait(scene, 5 * MINUTE);
    start = clock_now(scene->clock);
    names = scene_list(scene, inbox, NULL);
    assert_string_equal(names, "3.eml,4.eml,");
    made = scene_copy(scene, scene_find(scene, inbox, "3.eml"), 4096);
    copy_assert_is(&made, server_mail(&scene->server, 0));
    copy_clear(&made);
    made = scene_copy(scene, scene_find(scene, inbox, "4.eml"), 4096);
    assert_non_null(made.error);
    assert_int_equal(made.error->code, IMAPFS_ERROR_OFFLINE);
    copy_clear(&made);
    assert_int_equal(clock_now(scene->clock), start);
}

/* A read is in flight when the machine is suspended; nobody will ever answer
 * it.  It is asked again on another connection when somebody else asks for
 * something, or in a minute, without waiting for the server's patience. */
static void
test_suspend(void **state)
{
    (void)state;
    for (guint others = 0; others < 2; others++) {
        g_autoptr(Scene) scene = scene_new(2);
        g_autoptr(Op) op = NULL;
        guint64 inbox;
        gint64 start;
        Copy made;

        scene_serve(scene, 5);
        scene->login.patience = 10 * MINUTE;
        server_add(&scene->server, 3, 400000, -1);
        server_add(&scene->server, 4, 1000, -1);
        inbox = scene_enter(scene);
        op = scene_open(scene, scene_find(scene, inbox, "3.eml"), 1000);
        scene->server.habit = SILENT;
        op->offset = 250000;
        op_start(op);
        scene_wait(scene, SHORT);
        assert_false(op->done);
        clock_sleep(scene->clock, 60 * MINUTE);
        scene->server.habit = HONEST;
        start = clock_now(scene->clock);
        if (others) {
            made = scene_copy(scene, scene_find(scene, inbox, "4.eml"), 4096);
            copy_assert_is(&made, server_mail(&scene->server, 1));
            copy_clear(&made);
            scene_wait(scene, SHORT);
            assert_true(op->done);
        }
        op_wait(op);
        op_assert_fine(op);
        assert_memory_equal(
            op->buffer, server_mail(&scene->server, 0)->body + 250000, 1000);
        assert_true(op->done_at - start <= MINUTE);
        assert_true(script_client_closed(scene->script, 0));
    }
}

/* The account may go while operations wait. */
static void
test_evict(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    g_autoptr(Op) op = op_new(scene, op_opendir, 1);
    g_autoptr(GError) error =
        g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_CANCELLED, "unmounted");
    (void)state;

    script_add(scene->script, "HANG");
    op_start(op);
    scene_wait(scene, CLOCK_SECOND);
    assert_int_equal(fs_park_count(scene->park), 1);
    fs_park_evict(scene->park, error);
    assert_true(op->done);
    op_assert_failed(op, IMAPFS_ERROR_CANCELLED);
    assert_int_equal(fs_park_count(scene->park), 0);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_everywhere),
        cmocka_unit_test(test_cut_in_large_literal),
        cmocka_unit_test(test_always_cut),
        cmocka_unit_test(test_replaced_between_reads),
        cmocka_unit_test(test_replaced_seen_by_reader),
        cmocka_unit_test(test_expunged_unseen),
        cmocka_unit_test(test_pushes),
        cmocka_unit_test(test_arrival),
        cmocka_unit_test(test_exists_large),
        cmocka_unit_test(test_exists_large_at_select),
        cmocka_unit_test(test_number_large),
        cmocka_unit_test(test_last_uid),
        cmocka_unit_test(test_refused_mailbox),
        cmocka_unit_test(test_vanishing_mailbox),
        cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_interrupt),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_unreachable),
        cmocka_unit_test(test_offline),
        cmocka_unit_test(test_suspend),
        cmocka_unit_test(test_evict),
    };

    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING |
                           G_LOG_FATAL_MASK);
    g_mime_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

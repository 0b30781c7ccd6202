/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The simulation's server, spoken to directly: what it tests others with had
 * better be right.
 */
#include "rows.h"

#include "world.h"

typedef struct {
    Clock *clock;
    World *world;
    WorldMailbox *mailbox;
    GCancellable *cancellable;
    ImapStream *stream;
    GString *said; /* by the server, since the last command */
    guint tag;
} Scene;

static void
on_ready(gpointer data)
{
    Scene *scene = data;
    char buffer[4096];
    gssize n;

    while ((n = imap_stream_read(scene->stream, buffer, sizeof buffer, NULL)) >
           0)
        g_string_append_len(scene->said, buffer, n);
}

static void
settle(Scene *scene)
{
    gint64 until = clock_now(scene->clock) + CLOCK_SECOND;

    do {
        for (int i = 0; i < 100 && g_main_context_iteration(NULL, FALSE); i++)
            continue;
    } while (clock_step(scene->clock, until));
    for (int i = 0; i < 100 && g_main_context_iteration(NULL, FALSE); i++)
        continue;
}

static void
on_dialed(ImapStream *stream, const GError *error, gpointer data)
{
    Scene *scene = data;
    (void)error;
    scene->stream = stream;
    imap_stream_watch(stream, on_ready, scene);
}

static void
dial(Scene *scene)
{
    ImapDialer dialer = world_dialer(scene->world);

    g_clear_pointer(&scene->stream, imap_stream_free);
    dialer.dial(dialer.dialer, scene->cancellable, on_dialed, scene);
    settle(scene);
    assert_non_null(scene->stream);
}

static void
send_line(Scene *scene, const char *line)
{
    g_string_truncate(scene->said, 0);
    imap_stream_write(scene->stream, line, strlen(line));
    imap_stream_write(scene->stream, "\r\n", 2);
    settle(scene);
}

/* COMMAND's answer, with "|" for each end of line and "T" for the tag. */
static const char *
say(Scene *scene, const char *command)
{
    g_autofree char *tag = g_strdup_printf("x%u", ++scene->tag);
    g_autofree char *line = g_strdup_printf("%s %s", tag, command);

    send_line(scene, line);
    g_string_replace(scene->said, "\r\n", "|", 0);
    g_string_replace(scene->said, tag, "T", 0);
    return scene->said->str;
}

static void
expect(Scene *scene, const char *command, const char *answer)
{
    row_string(command, "the answer", say(scene, command), answer);
}

/* Five messages, UIDs 1, 3, 5, 7 and 9, modseqs 11 to 15. */
static int
set_up(void **state)
{
    Scene *scene = g_new0(Scene, 1);

    scene->clock = clock_new_virtual(1794000000);
    scene->world = world_new(scene->clock, 7);
    scene->world->offers = WORLD_IDLE | WORLD_CONDSTORE | WORLD_QRESYNC |
                           WORLD_UIDONLY | WORLD_ESEARCH | WORLD_LIST_STATUS;
    scene->cancellable = g_cancellable_new();
    scene->said = g_string_new(NULL);
    scene->mailbox = world_add_mailbox(scene->world, "INBOX");
    scene->mailbox->uidvalidity = 77;
    for (guint i = 0; i < 5; i++) {
        WorldMessage *message =
            world_add_message(scene->world, scene->mailbox, 100 + i);
        message->uid = 2 * i + 1;
        message->modseq = 11 + i;
        message->flags = 0;
    }
    scene->mailbox->uidnext = 11;
    scene->mailbox->modseq = 15;
    dial(scene);
    *state = scene;
    return 0;
}

static int
tear_down(void **state)
{
    Scene *scene = *state;

    g_clear_pointer(&scene->stream, imap_stream_free);
    world_free(scene->world);
    clock_free(scene->clock);
    g_object_unref(scene->cancellable);
    g_string_free(scene->said, TRUE);
    g_free(scene);
    return 0;
}

#define SELECTED                                                \
    "* FLAGS (\\Seen \\Flagged \\Answered $Forwarded Wichtig)|" \
    "* 5 EXISTS|* OK [UIDVALIDITY 77] .|* OK [UIDNEXT 11] .|"   \
    "* OK [HIGHESTMODSEQ 15] .|T OK [READ-ONLY] selected|"

/* The modseq that the next change gets. */
static guint64
after(Scene *scene)
{
    return scene->mailbox->modseq;
}

static void
test_select_tells_of_modseqs(void **state)
{
    Scene *scene = *state;
    expect(scene, "EXAMINE INBOX", SELECTED);
    expect(scene, "EXAMINE \"INBOX\"", SELECTED);
    scene->mailbox->nomodseq = TRUE;
    assert_non_null(strstr(say(scene, "EXAMINE INBOX"), "[NOMODSEQ]"));
    expect(scene, "UID FETCH 1:9 (UID FLAGS) (CHANGEDSINCE 3)", "T BAD no|");
    scene->world->offers = 0;
    assert_null(strstr(say(scene, "EXAMINE INBOX"), "MODSEQ"));
    expect(scene, "EXAMINE none", "T NO [NONEXISTENT] no such mailbox|");
    assert_null(scene->world->complaint);
    rows_end();
}

static void
test_changes_are_told_since(void **state)
{
    Scene *scene = *state;
    g_autofree char *told = NULL;

    say(scene, "EXAMINE INBOX");
    expect(scene, "UID FETCH 1:9 (UID FLAGS) (CHANGEDSINCE 15)",
           "T OK fetched|");
    expect(scene, "UID FETCH 1:9 (UID FLAGS) (CHANGEDSINCE 14)",
           "* 5 FETCH (UID 9 FLAGS () MODSEQ (15))|T OK fetched|");
    world_set_flags(scene->world, scene->mailbox, 1, 2,
                    WORLD_SEEN | WORLD_FORWARDED);
    assert_true(after(scene) > 15);
    told = g_strdup_printf(
        "* 2 FETCH (UID 3 FLAGS (\\Seen $Forwarded) MODSEQ (%u))|"
        "* 3 FETCH (UID 5 FLAGS (\\Seen $Forwarded) MODSEQ (%u))|"
        "T OK fetched|",
        (guint)after(scene), (guint)after(scene));
    expect(scene, "UID FETCH 1:9 (UID FLAGS) (CHANGEDSINCE 15)", told);
    expect(scene, "UID FETCH 1:4 (UID FLAGS RFC822.SIZE)",
           "* 1 FETCH (UID 1 RFC822.SIZE 100 FLAGS ())|"
           "* 2 FETCH (UID 3 RFC822.SIZE 101 FLAGS (\\Seen $Forwarded))|"
           "T OK fetched|");
    assert_int_equal(scene->world->deltas, 3);
    rows_end();
}

static void
enable(Scene *scene)
{
    expect(scene, "ENABLE CONDSTORE QRESYNC",
           "* ENABLED CONDSTORE QRESYNC|T OK enabled|");
    say(scene, "EXAMINE INBOX");
}

#define SINCE_15 "UID FETCH 1:10 (UID FLAGS) (CHANGEDSINCE 15 VANISHED)"

static void
test_what_vanished_earlier(void **state)
{
    Scene *scene = *state;

    world_expunge(scene->world, scene->mailbox, 1, 2); /* 3 and 5 */
    enable(scene);
    expect(scene, SINCE_15, "* VANISHED (EARLIER) 3,5|T OK fetched|");
    expect(scene, "UID FETCH 4:10 (UID FLAGS) (CHANGEDSINCE 15 VANISHED)",
           "* VANISHED (EARLIER) 5|T OK fetched|");
    expect(scene, "UID FETCH 1:10 (UID FLAGS) (CHANGEDSINCE 99 VANISHED)",
           "T OK fetched|");
    scene->world->complements = TRUE;
    expect(scene, SINCE_15, "* VANISHED (EARLIER) 2:6,8:8,10:10|T OK fetched|");
    scene->world->complements = FALSE;
    world_forget(scene->mailbox);
    expect(scene, SINCE_15, "* VANISHED (EARLIER) 2:6,8:8,10:10|T OK fetched|");
    world_expunge(scene->world, scene->mailbox, 0, 3);
    dial(scene);
    enable(scene);
    scene->world->lie = WORLD_VANISHES_ALL;
    while (scene->world->lie != WORLD_HONEST) {
        if (strstr(say(scene, SINCE_15), "(EARLIER) 1:4294967295|"))
            scene->world->lie = WORLD_HONEST;
        assert_true(scene->tag < 100);
    }
    rows_end();
}

static void
test_what_vanishes_now(void **state)
{
    Scene *scene = *state;
    g_autofree char *gone = NULL;

    enable(scene);
    world_expunge(scene->world, scene->mailbox, 3, 1); /* 7 */
    /* It was there when the mailbox was selected. */
    gone = g_strdup_printf("* VANISHED 7|T OK [HIGHESTMODSEQ %u] fetched|",
                           (guint)after(scene));
    expect(scene, SINCE_15, gone);
    expect(scene, "IDLE", "+ idling|");
    g_string_truncate(scene->said, 0);
    world_expunge(scene->world, scene->mailbox, 0, 2);
    settle(scene);
    row_string("idle", "the news", scene->said->str, "* VANISHED 1,3\r\n");
    send_line(scene, "DONE");
    assert_int_equal(scene->mailbox->messages->len, 2);
    /* Without QRESYNC it is numbers. */
    dial(scene);
    say(scene, "EXAMINE INBOX");
    world_expunge(scene->world, scene->mailbox, 1, 1);
    expect(scene, "NOOP", "* 2 EXPUNGE|T OK .|");
    rows_end();
}

static void
test_uidonly(void **state)
{
    Scene *scene = *state;
    g_autofree char *told = NULL;

    expect(scene, "ENABLE CONDSTORE QRESYNC UIDONLY",
           "* ENABLED CONDSTORE QRESYNC UIDONLY|T OK enabled|");
    say(scene, "EXAMINE INBOX");
    expect(scene, "UID FETCH 3 (UID FLAGS RFC822.SIZE)",
           "* 3 UIDFETCH (RFC822.SIZE 101 FLAGS ())|T OK fetched|");
    scene->world->unasked_uids = TRUE;
    expect(scene, "UID FETCH 3 (UID FLAGS)",
           "* 3 UIDFETCH (UID 3 FLAGS ())|T OK fetched|");
    world_set_flags(scene->world, scene->mailbox, 4, 1, WORLD_OTHER);
    told = g_strdup_printf(
        "* 9 UIDFETCH (UID 9 FLAGS (Wichtig) MODSEQ (%u))|T OK .|",
        (guint)after(scene));
    expect(scene, "NOOP", told);
    rows_end();
}

static void
test_searches(void **state)
{
    Scene *scene = *state;

    say(scene, "EXAMINE INBOX");
    expect(scene, "UID SEARCH UID 1:7", "* SEARCH 7 5 3 1|T OK searched|");
    expect(scene, "UID SEARCH RETURN (ALL) UID 1:7",
           "* ESEARCH (TAG \"T\") UID ALL 1,3,5,7|T OK searched|");
    expect(scene, "UID SEARCH RETURN (ALL) UID 20:30",
           "* ESEARCH (TAG \"T\") UID|T OK searched|");
    world_expunge(scene->world, scene->mailbox, 0, 1);
    expect(scene, "UID SEARCH UID 1:7",
           "* SEARCH 7 5 3|* 1 EXPUNGE|T OK searched|");
    scene->world->lie = WORLD_FINDS_NOTHING;
    while (strcmp(say(scene, "UID SEARCH RETURN (ALL) UID 1:7"),
                  "* ESEARCH (TAG \"T\") UID|T OK searched|") != 0)
        assert_true(scene->tag < 100);
    rows_end();
}

/* Tells lies until one of them is ANSWER. */
static void
expect_lie(Scene *scene, WorldLie lie, const char *command, const char *answer)
{
    scene->world->lie = lie;
    for (int i = 0; i < 60; i++) {
        if (strstr(say(scene, command), answer))
            return;
    }
    row_fail(command, "was never answered %s", answer);
}

static void
test_lies(void **state)
{
    Scene *scene = *state;

    scene->world->lie = WORLD_ENABLES_NOTHING;
    expect(scene, "ENABLE QRESYNC", "T OK enabled|");
    say(scene, "EXAMINE INBOX");
    expect(scene, SINCE_15, "T BAD no|");
    scene->world->lie = WORLD_REFUSES_ENABLE;
    dial(scene);
    expect(scene, "ENABLE QRESYNC", "T BAD what|");
    scene->world->lie = WORLD_HONEST;
    world_expunge(scene->world, scene->mailbox, 1, 3); /* 3, 5, 7 */
    enable(scene);
    expect_lie(scene, WORLD_FORGETS_SOME, SINCE_15, "(EARLIER) 3,7|");
    expect_lie(scene, WORLD_FORGETS_SOME, SINCE_15, "(EARLIER) 3,5,7|");
    scene->mailbox->modseq = 500;
    expect_lie(scene, WORLD_MODSEQ_BACK, "EXAMINE INBOX",
               "[HIGHESTMODSEQ 460]");
    expect_lie(scene, WORLD_MODSEQ_BACK, "EXAMINE INBOX",
               "[HIGHESTMODSEQ 500]");
    assert_null(scene->world->complaint);
    rows_end();
}

static void
test_rewind(void **state)
{
    Scene *scene = *state;

    world_rewind(scene->world, scene->mailbox);
    assert_int_equal(scene->mailbox->modseq, 15); /* too small to be noticed */
    scene->mailbox->modseq = 10000000;
    world_rewind(scene->world, scene->mailbox);
    dial(scene);
    assert_non_null(strstr(say(scene, "EXAMINE INBOX"), "[HIGHESTMODSEQ 1]"));
    expect(scene, "UID FETCH 9 (UID MODSEQ)",
           "* 5 FETCH (UID 9 MODSEQ (1))|T OK fetched|");
    rows_end();
}

static void
test_replaced_and_moved(void **state)
{
    Scene *scene = *state;
    WorldMailbox *other = world_add_mailbox(scene->world, "Other");
    guint64 content = world_message(scene->mailbox, 5)->content;

    world_move(scene->world, scene->mailbox, 2, other, FALSE);
    assert_null(world_message(scene->mailbox, 5));
    assert_true(world_message_at(other, 0)->content == content);
    assert_true(world_content(scene->world, "Other", other->uidvalidity, 1) ==
                content);
    content = world_message(scene->mailbox, 3)->content;
    world_replace(scene->world, scene->mailbox, TRUE);
    assert_int_equal(scene->mailbox->uidvalidity, 78);
    assert_int_equal(scene->mailbox->messages->len, 4);
    assert_true(world_message_at(scene->mailbox, 1)->content == content);
    assert_true(world_octet(scene->world, content, 100) ==
                world_octet(scene->world, content, 100));
    assert_true(world_octet(scene->world, content, 0) !=
                    world_octet(scene->world, content + 1, 0) ||
                world_octet(scene->world, content, 1) !=
                    world_octet(scene->world, content + 1, 1));
}

static void
test_complaints(void **state)
{
    static const struct {
        guint offers;
        const char *command;
    } rows[] = {
        {0, "UID FETCH 1:9 (UID FLAGS) (CHANGEDSINCE 3)"},
        {0, "UID FETCH 1:9 (UID MODSEQ)"},
        {0, "UID SEARCH RETURN (ALL) UID 1:9"},
        {0, "ENABLE QRESYNC"},
        {WORLD_QRESYNC, "ENABLE QRESYNC"}, /* a mailbox is selected */
        {WORLD_CONDSTORE, SINCE_15},
        {WORLD_CONDSTORE | WORLD_QRESYNC, SINCE_15}, /* not enabled */
        {WORLD_CONDSTORE, "UID FETCH 1:9 (UID FLAGS) (CHANGEDSINCE 0)"},
        {0, "LIST \"\" \"*\" RETURN (STATUS (HIGHESTMODSEQ))"},
        {0, "DELETE INBOX"},
    };
    Scene *scene = *state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        dial(scene);
        say(scene, "EXAMINE INBOX");
        scene->world->offers = rows[i].offers;
        g_clear_pointer(&scene->world->complaint, g_free);
        say(scene, rows[i].command);
        if (scene->world->complaint == NULL)
            row_fail(rows[i].command, "nobody complained");
    }
    rows_end();
}

int
main(void)
{
#define TEST(function) \
    cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_select_tells_of_modseqs),
        TEST(test_changes_are_told_since),
        TEST(test_what_vanished_earlier),
        TEST(test_what_vanishes_now),
        TEST(test_uidonly),
        TEST(test_searches),
        TEST(test_lies),
        TEST(test_rewind),
        TEST(test_replaced_and_moved),
        TEST(test_complaints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How many connections, for which mailboxes, and when to try again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "imap/pool.h"
#include "script.h"

#define PATIENCE (30 * CLOCK_SECOND)
#define MINUTE (60 * CLOCK_SECOND)
#define SHORT (10 * CLOCK_MILLISECOND)

#define LOGGED_IN(capabilities)               \
    "S: * OK [CAPABILITY IMAP4rev1] hi\n"     \
    "C: $tag LOGIN \"joe\" \"open sesame\"\n" \
    "S: $tag OK [CAPABILITY IMAP4rev1" capabilities "] in\n"
#define LOGIN_ANSWERED(answer)                \
    "S: * OK [CAPABILITY IMAP4rev1] hi\n"     \
    "C: $tag LOGIN \"joe\" \"open sesame\"\n" \
    "S: $tag " answer "\nE\n"
#define EXAMINED(mailbox, uidvalidity, exists)                \
    "C: $x EXAMINE \"" mailbox "\"\nS: * " exists " EXISTS\n" \
    "S: * OK [UIDVALIDITY " uidvalidity "] x\nS: $x OK [READ-ONLY] x\n"

typedef struct {
    Clock *clock;
    Script *script;
    ImapLogin login;
    ImapPool *pool;
    guint available;
    guint unreachable;
    gboolean failed;
    GError *error;
    GString *said;
    guint answers;
} Scene;

static void
on_available(gpointer data)
{
    Scene *scene = data;
    scene->available++;
}

static void
on_selected(ImapLink *link, gpointer data)
{
    Scene *scene = data;
    assert_true(imap_link_is_selected(link));
    g_string_append_printf(scene->said, "+%s:%u:%u ", imap_link_mailbox(link),
                           imap_link_state(link)->uidvalidity,
                           imap_link_state(link)->exists);
}

static void
on_left(ImapLink *link, const GError *error, gpointer data)
{
    Scene *scene = data;
    g_string_append_printf(scene->said, "-%s%s ", imap_link_mailbox(link),
                           error ? "!" : "");
}

static void
on_untagged(ImapLink *link, const ImapResponse *response, gpointer data)
{
    (void)link;
    (void)response;
    (void)data;
}

static void
on_settled(ImapLink *link, gpointer data)
{
    (void)link;
    (void)data;
}

static void
on_unreachable(const GError *error, gint64 since, gpointer data)
{
    Scene *scene = data;
    assert_non_null(error);
    (void)since;
    scene->unreachable++;
    scene->failed = TRUE;
    g_clear_error(&scene->error);
    scene->error = g_error_copy(error);
}

static const ImapPoolEvents events = {
    .available = on_available,
    .selected = on_selected,
    .left = on_left,
    .untagged = on_untagged,
    .settled = on_settled,
    .unreachable = on_unreachable,
};

static Scene *
scene_new(guint limit)
{
    Scene *scene = g_new0(Scene, 1);

    scene->clock = clock_new_virtual(1700000000);
    scene->script = script_new(scene->clock);
    scene->login = (ImapLogin){
        .host = (char *)SCRIPT_HOST,
        .port = 143,
        .security = IMAP_TLS_NONE,
        .user = (char *)"joe",
        .password = (char *)"open sesame",
        .patience = PATIENCE,
    };
    scene->said = g_string_new(NULL);
    scene->pool = imap_pool_new(&scene->login, script_dialer(scene->script),
                                scene->clock, limit, &events, scene);
    return scene;
}

static void
scene_free(Scene *scene)
{
    imap_pool_free(scene->pool);
    script_free(scene->script);
    g_clear_error(&scene->error);
    g_string_free(scene->said, TRUE);
    clock_free(scene->clock);
    g_free(scene);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Scene, scene_free)

static void
scene_wait(Scene *scene, gint64 duration)
{
    script_run(scene->script, NULL, duration);
}

static ImapLink *
scene_lend(Scene *scene, const char *mailbox, ImapLoan loan)
{
    return imap_pool_lend(scene->pool, mailbox, loan);
}

/* As somebody does who asks again as soon as it may help. */
static ImapLink *
scene_insist(Scene *scene, const char *mailbox, ImapLoan loan)
{
    ImapLink *link = scene_lend(scene, mailbox, loan);
    for (guint i = 0; link == NULL && i < 100; i++) {
        scene_wait(scene, SHORT);
        link = scene_lend(scene, mailbox, loan);
    }
    assert_non_null(link);
    return link;
}

static void
on_done(ImapSession *session, const ImapResponse *answer, const GError *error,
        gpointer data)
{
    Scene *scene = data;
    (void)session;
    (void)error;
    scene->answers += answer != NULL;
}

static void
scene_send(Scene *scene, ImapLink *link, const char *text)
{
    imap_link_send(link, imap_command_new("%s", text), on_done, scene);
}

/* ---- mailboxes ---- */

static void
test_examine_once(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    (void)state;

    script_add(
        scene->script,
        LOGGED_IN("") EXAMINED(
            "INBOX", "7",
            "3") "C: $a ONE\nC: $b TWO\nS: $a OK\nS: $b OK\n"
                 "C: $c THREE\nS: $c OK\n" EXAMINED(
                     "Sent", "9",
                     "0") "C: $a FOUR\nS: $a OK\n" EXAMINED("INBOX", "7", "4"));
    scene_send(scene, scene_insist(scene, "INBOX", IMAP_LOAN_INTERACTIVE),
               "ONE");
    scene_send(scene, scene_lend(scene, "INBOX", IMAP_LOAN_INTERACTIVE), "TWO");
    scene_wait(scene, SHORT);
    scene_send(scene, scene_lend(scene, "INBOX", IMAP_LOAN_AHEAD), "THREE");
    scene_wait(scene, SHORT);
    assert_string_equal(scene->said->str, "+INBOX:7:3 ");
    /* Any mailbox is as good as the one it has. */
    assert_non_null(scene_lend(scene, NULL, IMAP_LOAN_INTERACTIVE));
    scene_send(scene, scene_lend(scene, "Sent", IMAP_LOAN_INTERACTIVE), "FOUR");
    scene_wait(scene, SHORT);
    assert_string_equal(scene->said->str, "+INBOX:7:3 -INBOX +Sent:9:0 ");
    scene_insist(scene, "INBOX", IMAP_LOAN_INTERACTIVE);
    scene_wait(scene, SHORT);
    assert_string_equal(scene->said->str, "+INBOX:7:3 -INBOX +Sent:9:0 -Sent "
                                          "+INBOX:7:4 ");
    assert_true(script_is_over(scene->script, 0));
    assert_int_equal(script_dials(scene->script), 1);
    assert_int_equal(scene->answers, 4);
}

static void
test_examine_refused(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    ImapLink *link;
    (void)state;

    script_add(scene->script,
               LOGGED_IN("") "C: $a EXAMINE \"x\"\nC: $b ONE\n"
                             "S: $a NO [NONEXISTENT] no\nS: $b BAD no\n");
    link = scene_insist(scene, "x", IMAP_LOAN_INTERACTIVE);
    scene_send(scene, link, "ONE");
    scene_wait(scene, SHORT);
    assert_string_equal(scene->said->str, "-x! ");
    assert_null(imap_link_mailbox(link));
    assert_false(imap_link_is_selected(link));
    assert_int_equal(scene->answers, 1);
}

/* A link stays with the mailbox it watches as long as another can be made. */
static void
test_two_mailboxes(void **state)
{
    g_autoptr(Scene) scene = scene_new(2);
    ImapLink *one;
    ImapLink *other;
    (void)state;

    script_add(scene->script,
               LOGGED_IN("") EXAMINED("a", "1", "1") EXAMINED("c", "3", "3"));
    script_add(scene->script, LOGGED_IN("") EXAMINED("b", "2", "2"));
    one = scene_insist(scene, "a", IMAP_LOAN_INTERACTIVE);
    scene_wait(scene, SHORT);
    other = scene_insist(scene, "b", IMAP_LOAN_INTERACTIVE);
    scene_wait(scene, SHORT);
    assert_ptr_not_equal(one, other);
    assert_int_equal(imap_pool_counts(scene->pool).open, 2);
    assert_string_equal(scene->said->str, "+a:1:1 +b:2:2 ");
    /* No third one may be made: the mailbox used longest ago gives way. */
    assert_ptr_equal(scene_lend(scene, "c", IMAP_LOAN_AHEAD), NULL);
    assert_ptr_equal(scene_lend(scene, "c", IMAP_LOAN_INTERACTIVE), one);
    scene_wait(scene, SHORT);
    assert_string_equal(scene->said->str, "+a:1:1 +b:2:2 -a +c:3:3 ");
}

static void
test_limit(void **state)
{
    g_autoptr(Scene) scene = scene_new(3);
    static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
    ImapLink *link;
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        script_add(scene->script, LOGGED_IN(""));
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        /* Each is kept busy with an EXAMINE that nobody answers. */
        link = scene_lend(scene, names[i], IMAP_LOAN_INTERACTIVE);
        scene_wait(scene, SHORT);
        if (link == NULL)
            link = scene_lend(scene, names[i], IMAP_LOAN_INTERACTIVE);
        assert_true((link != NULL) == (i < 3));
    }
    assert_int_equal(script_dials(scene->script), 3);
    assert_int_equal(imap_pool_counts(scene->pool).open, 3);
    assert_int_equal(imap_pool_counts(scene->pool).busy, 3);
}

/* ---- trying again ---- */

/* Somebody who asks whenever he may. */
static guint
dials_in(Scene *scene, gint64 duration)
{
    guint before = script_dials(scene->script);
    for (gint64 time = 0; time < duration; time += 100 * CLOCK_MILLISECOND) {
        imap_pool_lend(scene->pool, "INBOX", IMAP_LOAN_INTERACTIVE);
        scene_wait(scene, 100 * CLOCK_MILLISECOND);
    }
    return script_dials(scene->script) - before;
}

static void
test_refused(void **state)
{
    g_autoptr(Scene) scene = scene_new(4);
    guint dials;
    (void)state;

    dials = dials_in(scene, 1 * MINUTE);
    assert_in_range(dials, 5, 9);
    dials = dials_in(scene, 9 * MINUTE);
    assert_in_range(dials, 8, 10);
    assert_int_equal(scene->unreachable, script_dials(scene->script));
    assert_true(
        g_error_matches(scene->error, IMAPFS_ERROR, IMAPFS_ERROR_OFFLINE));
    /* It is back: the first success counts. */
    script_add(scene->script, LOGGED_IN("") EXAMINED("INBOX", "1", "1"));
    dials_in(scene, MINUTE);
    assert_string_equal(scene->said->str, "+INBOX:1:1 ");
    assert_int_equal(imap_pool_counts(scene->pool).open, 1);
}

/* It goes on trying by itself, so that one knows when the server is back. */
static void
test_refused_and_nobody_asks(void **state)
{
    g_autoptr(Scene) scene = scene_new(4);
    (void)state;

    assert_null(scene_lend(scene, "INBOX", IMAP_LOAN_INTERACTIVE));
    scene_wait(scene, 10 * MINUTE);
    assert_in_range(script_dials(scene->script), 10, 20);
    script_add(scene->script, LOGGED_IN(""));
    scene_wait(scene, MINUTE);
    assert_int_equal(imap_pool_counts(scene->pool).open, 1);
}

static void
test_refused_in_many_ways(void **state)
{
    static const struct {
        const char *name;
        const char *scenario;
        int code;
        guint most; /* dials in ten minutes */
    } rows[] = {
        {"closes at once", "X\n", IMAPFS_ERROR_OFFLINE, 18},
        {"BYE", "S: * BYE no\nX\n", IMAPFS_ERROR_OFFLINE, 18},
        {"no IMAP", "S: 220 smtp\nE\n", IMAPFS_ERROR_PROTOCOL, 18},
        {"busy", LOGIN_ANSWERED("NO [UNAVAILABLE] x"), IMAPFS_ERROR_BUSY, 18},
        {"limit", LOGIN_ANSWERED("NO [LIMIT] x"), IMAPFS_ERROR_BUSY, 18},
        {"denied", LOGIN_ANSWERED("NO [AUTHENTICATIONFAILED] x"),
         IMAPFS_ERROR_DENIED, 11},
        {"denied without a code", LOGIN_ANSWERED("NO x"), IMAPFS_ERROR_DENIED,
         11},
        {"never connects", "HANG", -1, 1},
        {"no greeting", "E\n", IMAPFS_ERROR_OFFLINE, 18},
    };
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Scene) scene = scene_new(4);
        guint dials;
        for (guint k = 0; k < 40; k++)
            script_add(scene->script, rows[i].scenario);
        dials = dials_in(scene, 10 * MINUTE);
        if (dials > rows[i].most || dials == 0)
            fail_msg("%s: %u dials in ten minutes", rows[i].name, dials);
        assert_true(scene->failed == (rows[i].code >= 0));
        if (rows[i].code >= 0 &&
            !g_error_matches(scene->error, IMAPFS_ERROR, rows[i].code))
            fail_msg("%s: %s", rows[i].name, scene->error->message);
    }
}

/* A wrong password is not tried again and again. */
static void
test_denied_waits(void **state)
{
    g_autoptr(Scene) scene = scene_new(4);
    (void)state;

    for (guint i = 0; i < 10; i++)
        script_add(scene->script, LOGIN_ANSWERED("NO wrong"));
    assert_int_equal(dials_in(scene, 59 * CLOCK_SECOND), 1);
    assert_int_equal(scene->unreachable, 1);
}

/* A server that logs one in and hangs up, each time, is no reason to hurry. */
static void
test_hangs_up_after_login(void **state)
{
    g_autoptr(Scene) scene = scene_new(4);
    guint dials;
    (void)state;

    for (guint i = 0; i < 5000; i++)
        script_add(scene->script, LOGGED_IN("") "X\n");
    dials = dials_in(scene, 10 * MINUTE);
    if (dials > 100)
        fail_msg("%u dials in ten minutes", dials);
}

/* ---- the server's limit ---- */

static void
test_server_limit(void **state)
{
    static const char *const refusals[] = {
        LOGIN_ANSWERED("NO [LIMIT] too many"), "X\n", "REFUSE",
        "S: * BYE too many\nX\n"};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(refusals); i++) {
        g_autoptr(Scene) scene = scene_new(4);
        ImapLink *one;

        script_add(scene->script,
                   LOGGED_IN("") EXAMINED("a", "1", "1")
                       EXAMINED("b", "2", "2") "C: $a ONE\nS: $a OK\n");
        script_add(scene->script, refusals[i]);
        script_add(scene->script, LOGGED_IN("") EXAMINED("c", "3", "3"));
        one = scene_insist(scene, "a", IMAP_LOAN_INTERACTIVE);
        scene_wait(scene, SHORT);
        assert_null(scene_lend(scene, "b", IMAP_LOAN_INTERACTIVE));
        scene_wait(scene, SHORT);
        assert_true(scene->available > 1);
        assert_int_equal(scene->unreachable, 0);
        assert_int_equal(script_dials(scene->script), 2);
        /* It makes do with what it has. */
        assert_ptr_equal(scene_lend(scene, "b", IMAP_LOAN_INTERACTIVE), one);
        scene_send(scene, one, "ONE");
        scene_wait(scene, SHORT);
        assert_string_equal(scene->said->str, "+a:1:1 -a +b:2:2 ");
        assert_int_equal(scene->answers, 1);
        scene_wait(scene, 30 * CLOCK_SECOND);
        assert_int_equal(script_dials(scene->script), 2);
        assert_int_equal(imap_pool_counts(scene->pool).open, 1);
    }
}

/* Ten minutes later it may have room again. */
static void
test_server_limit_is_forgotten(void **state)
{
    g_autoptr(Scene) scene = scene_new(4);
    (void)state;

    script_add(scene->script,
               LOGGED_IN(" IDLE") EXAMINED(
                   "a", "1", "1") "C: $i IDLE\nS: + \nC: DONE\nS: $i OK\n"
                                  "C: $i IDLE\nS: + \nC: DONE\nS: $i OK\n"
                                  "C: $i IDLE\nS: + \n");
    script_add(scene->script, LOGIN_ANSWERED("NO [LIMIT] too many"));
    script_add(scene->script, LOGGED_IN("") EXAMINED("b", "2", "2"));
    scene_insist(scene, "a", IMAP_LOAN_INTERACTIVE);
    scene_wait(scene, SHORT);
    assert_null(scene_lend(scene, "b", IMAP_LOAN_INTERACTIVE));
    scene_wait(scene, 11 * MINUTE);
    assert_null(scene_lend(scene, "b", IMAP_LOAN_INTERACTIVE));
    scene_wait(scene, SHORT);
    assert_int_equal(script_dials(scene->script), 3);
    assert_non_null(scene_lend(scene, "b", IMAP_LOAN_INTERACTIVE));
    scene_wait(scene, SHORT);
    assert_string_equal(scene->said->str, "+a:1:1 +b:2:2 ");
}

/* ---- idle links ---- */

#define IDLE_ONCE "C: $i IDLE\nS: + \nC: DONE\nS: $i OK\n"
/* Three renewals fit into the life of a link that nobody uses. */
#define IDLE_TILL_THE_END                   \
    IDLE_ONCE IDLE_ONCE IDLE_ONCE IDLE_ONCE \
        "C: $l LOGOUT\nS: * BYE\nS: $l OK\nX\n"

/* All but one of those that nobody used for half an hour are closed.  That is
 * no sign that the server would not have more. */
static void
test_idle_links_are_closed(void **state)
{
    g_autoptr(Scene) scene = scene_new(3);
    ImapLink *link;
    (void)state;

    script_add(scene->script,
               LOGGED_IN(" IDLE") EXAMINED("a", "1", "1")
                   IDLE_ONCE IDLE_ONCE IDLE_ONCE "C: $i IDLE\nS: + \n");
    script_add(scene->script,
               LOGGED_IN(" IDLE") EXAMINED("b", "2", "2") IDLE_TILL_THE_END);
    script_add(scene->script, LOGGED_IN("") EXAMINED("c", "3", "3"));
    scene_insist(scene, "a", IMAP_LOAN_INTERACTIVE);
    scene_wait(scene, SHORT);
    link = scene_insist(scene, "b", IMAP_LOAN_INTERACTIVE);
    assert_non_null(link);
    scene_wait(scene, 29 * MINUTE);
    assert_int_equal(imap_pool_counts(scene->pool).open, 2);
    scene_wait(scene, 3 * MINUTE);
    assert_int_equal(imap_pool_counts(scene->pool).open, 1);
    assert_true(script_is_over(scene->script, 1));
    assert_false(script_client_closed(scene->script, 0));
    assert_null(scene_lend(scene, "c", IMAP_LOAN_INTERACTIVE));
    scene_wait(scene, SHORT);
    assert_int_equal(script_dials(scene->script), 3);
    scene_lend(scene, "c", IMAP_LOAN_INTERACTIVE);
    scene_wait(scene, SHORT);
    assert_string_equal(scene->said->str, "+a:1:1 +b:2:2 -b +c:3:3 ");
}

/* ---- loss ---- */

static void
test_link_lost(void **state)
{
    g_autoptr(Scene) scene = scene_new(2);
    ImapLink *link;
    (void)state;

    script_add(scene->script,
               LOGGED_IN("") EXAMINED("a", "1", "1") "C: $a ONE\nX\n");
    script_add(scene->script, LOGGED_IN("") EXAMINED("a", "1", "2"));
    link = scene_insist(scene, "a", IMAP_LOAN_INTERACTIVE);
    scene_send(scene, link, "ONE");
    scene_wait(scene, SHORT);
    assert_string_equal(scene->said->str, "+a:1:1 -a ");
    assert_int_equal(scene->answers, 0);
    assert_int_equal(imap_pool_counts(scene->pool).open, 0);
    /* Nothing is wrong with the server as far as is known. */
    assert_int_equal(scene->unreachable, 0);
    scene_insist(scene, "a", IMAP_LOAN_INTERACTIVE);
    scene_wait(scene, SHORT);
    assert_string_equal(scene->said->str, "+a:1:1 -a +a:1:2 ");
}

static void
test_logout(void **state)
{
    g_autoptr(Scene) scene = scene_new(2);
    (void)state;

    script_add(scene->script,
               LOGGED_IN("") EXAMINED(
                   "a", "1", "1") "C: $l LOGOUT\nS: * BYE\nS: $l OK\nX\n");
    scene_insist(scene, "a", IMAP_LOAN_INTERACTIVE);
    scene_wait(scene, SHORT);
    assert_false(imap_pool_logout(scene->pool));
    scene_wait(scene, SHORT);
    assert_true(imap_pool_logout(scene->pool));
    assert_null(scene_lend(scene, "a", IMAP_LOAN_INTERACTIVE));
    scene_wait(scene, 10 * MINUTE);
    assert_int_equal(script_dials(scene->script), 1);
}

/* A pool may go at any moment. */
static void
test_free_at_any_moment(void **state)
{
    (void)state;
    for (guint turns = 0; turns < 40; turns++) {
        g_autoptr(Scene) scene = scene_new(2);
        script_add(scene->script, LOGGED_IN(" IDLE") EXAMINED("a", "1", "1"));
        scene_lend(scene, "a", IMAP_LOAN_INTERACTIVE);
        for (guint i = 0; i < turns; i++) {
            g_main_context_iteration(NULL, FALSE);
            if (i % 4 == 3)
                scene_lend(scene, "a", IMAP_LOAN_INTERACTIVE);
        }
    }
}

/* Two in flight on one link: what the first SELECT tells is of the first. */
static void
test_select_again(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    ImapLink *link;
    (void)state;

    script_add(scene->script,
               LOGGED_IN("") EXAMINED(
                   "a", "1",
                   "5") "C: $x EXAMINE \"a\"\nC: $y ONE\nS: * OK [CLOSED] x\n"
                        "S: * 2 EXISTS\nS: * OK [UIDVALIDITY 2] x\nS: $x OK\n"
                        "S: $y OK\n");
    link = scene_insist(scene, "a", IMAP_LOAN_INTERACTIVE);
    scene_wait(scene, SHORT);
    imap_link_select_again(link);
    assert_false(imap_link_is_selected(link));
    assert_int_equal(imap_link_state(link)->uidvalidity, 0);
    scene_send(scene, link, "ONE");
    scene_wait(scene, SHORT);
    assert_string_equal(scene->said->str, "+a:1:5 -a +a:2:2 ");
    assert_int_equal(scene->answers, 1);
}

/* ---- silence ---- */

/* IDLE for so long until the server breaks the connection without a word. */
#define SILENT_FOR(ms) "C: $i IDLE\nS: + \nW: " ms "\nX\n"
#define RENEWS_ONCE "C: $i IDLE\nS: + \nC: DONE\nS: $i OK\n"

/* How long a new link is silent in IDLE before it says DONE. */
static gint64
renewal(Scene *scene, guint n)
{
    gint64 start;

    scene_insist(scene, "a", IMAP_LOAN_INTERACTIVE);
    scene_wait(scene, 300 * CLOCK_MILLISECOND + SHORT);
    assert_int_equal(script_count(scene->script, n, "IDLE"), 1);
    start = clock_now(scene->clock);
    while (script_count(scene->script, n, "DONE") == 0) {
        if (clock_now(scene->clock) - start > 20 * MINUTE)
            fail_msg("it is silent for 20 minutes");
        scene_wait(scene, CLOCK_SECOND);
    }
    return (clock_now(scene->clock) - start + CLOCK_SECOND / 2) / CLOCK_SECOND;
}

static void
test_renewal_is_learned(void **state)
{
    static const struct {
        const char *silences[4]; /* each ends with a broken connection */
        gint64 renewal;          /* of the link after them, seconds */
    } rows[] = {
        {{NULL}, 570},
        {{"400000"}, 200},
        {{"568000"}, 284},
        {{"400000", "190000"}, 120},
        {{"130000"}, 120},
        {{"121000", "119000", "119000"}, 120},
        /* That short it was not the silence. */
        {{"119000"}, 570},
        {{"1000", "1000"}, 570},
    };
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Scene) scene = scene_new(1);
        gint64 is;
        guint n = 0;

        for (; rows[i].silences[n] != NULL; n++) {
            script_add_format(scene->script,
                              LOGGED_IN(" IDLE") EXAMINED("a", "1", "1")
                                  SILENT_FOR("%s"),
                              rows[i].silences[n]);
            scene_insist(scene, "a", IMAP_LOAN_INTERACTIVE);
            scene_wait(scene, 10 * MINUTE);
            assert_int_equal(imap_pool_counts(scene->pool).open, 0);
        }
        script_add(scene->script,
                   LOGGED_IN(" IDLE") EXAMINED("a", "1", "1") RENEWS_ONCE);
        is = renewal(scene, n);
        if (is != rows[i].renewal)
            fail_msg("row %u: renewed after %d s", i, (int)is);
    }
}

/* A server that says good-bye has not been forgotten by a router. */
static void
test_renewal_after_bye(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    (void)state;

    script_add(scene->script,
               LOGGED_IN(" IDLE") EXAMINED(
                   "a", "1",
                   "1") "C: $i IDLE\nS: + \nW: 400000\nS: * BYE timeout\nX\n");
    script_add(scene->script,
               LOGGED_IN(" IDLE") EXAMINED("a", "1", "1") RENEWS_ONCE);
    scene_insist(scene, "a", IMAP_LOAN_INTERACTIVE);
    scene_wait(scene, 10 * MINUTE);
    assert_int_equal(imap_pool_counts(scene->pool).open, 0);
    assert_int_equal(renewal(scene, 1), 570);
}

/* ---- suspend ---- */

static Scene *
two_links(void)
{
    Scene *scene = scene_new(2);

    script_add(scene->script, LOGGED_IN("") EXAMINED("a", "1", "1"));
    script_add(scene->script, LOGGED_IN("") EXAMINED("b", "2", "2"));
    script_add(scene->script, LOGGED_IN("") EXAMINED("a", "1", "3"));
    scene_insist(scene, "a", IMAP_LOAN_INTERACTIVE);
    scene_wait(scene, SHORT);
    scene_insist(scene, "b", IMAP_LOAN_INTERACTIVE);
    scene_wait(scene, SHORT);
    assert_string_equal(scene->said->str, "+a:1:1 +b:2:2 ");
    return scene;
}

static void
test_suspend(void **state)
{
    g_autoptr(Scene) scene = two_links();
    (void)state;

    clock_sleep(scene->clock, 61 * CLOCK_SECOND);
    /* Whoever needs a link does not get one of the dead. */
    assert_null(scene_lend(scene, "a", IMAP_LOAN_INTERACTIVE));
    assert_int_equal(imap_pool_counts(scene->pool).open, 0);
    assert_string_equal(scene->said->str, "+a:1:1 +b:2:2 -b -a ");
    scene_wait(scene, SHORT);
    assert_true(script_client_closed(scene->script, 0));
    assert_true(script_client_closed(scene->script, 1));
    scene_insist(scene, "a", IMAP_LOAN_INTERACTIVE);
    scene_wait(scene, SHORT);
    assert_string_equal(scene->said->str, "+a:1:1 +b:2:2 -b -a +a:1:3 ");
    /* The server is not in reach any less for that. */
    assert_int_equal(scene->unreachable, 0);
    assert_int_equal(script_dials(scene->script), 3);
}

static void
test_suspend_unnoticed(void **state)
{
    g_autoptr(Scene) scene = two_links();
    (void)state;

    clock_sleep(scene->clock, 8 * 60 * MINUTE);
    scene_wait(scene, MINUTE);
    assert_int_equal(imap_pool_counts(scene->pool).open, 0);
    assert_string_equal(scene->said->str, "+a:1:1 +b:2:2 -b -a ");
    scene_insist(scene, "a", IMAP_LOAN_INTERACTIVE);
    scene_wait(scene, SHORT);
    assert_int_equal(imap_pool_counts(scene->pool).open, 1);
}

static void
test_short_suspend(void **state)
{
    g_autoptr(Scene) scene = two_links();
    (void)state;

    clock_sleep(scene->clock, 59 * CLOCK_SECOND);
    assert_non_null(scene_lend(scene, "a", IMAP_LOAN_INTERACTIVE));
    scene_wait(scene, 50 * CLOCK_SECOND);
    assert_int_equal(imap_pool_counts(scene->pool).open, 2);
    assert_string_equal(scene->said->str, "+a:1:1 +b:2:2 ");
}

/* Commands in flight are told, and nothing is learned about silence. */
static void
test_suspend_in_idle(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    (void)state;

    script_add(scene->script, LOGGED_IN(" IDLE") EXAMINED(
                                  "a", "1", "1") "C: $i IDLE\nS: + \n");
    script_add(scene->script,
               LOGGED_IN(" IDLE") EXAMINED("a", "1", "1") RENEWS_ONCE);
    scene_insist(scene, "a", IMAP_LOAN_INTERACTIVE);
    scene_wait(scene, 400 * CLOCK_SECOND);
    clock_sleep(scene->clock, 60 * MINUTE);
    assert_null(scene_lend(scene, "a", IMAP_LOAN_INTERACTIVE));
    assert_int_equal(renewal(scene, 1), 570);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examine_once),
        cmocka_unit_test(test_examine_refused),
        cmocka_unit_test(test_two_mailboxes),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refused_and_nobody_asks),
        cmocka_unit_test(test_refused_in_many_ways),
        cmocka_unit_test(test_denied_waits),
        cmocka_unit_test(test_hangs_up_after_login),
        cmocka_unit_test(test_server_limit),
        cmocka_unit_test(test_server_limit_is_forgotten),
        cmocka_unit_test(test_idle_links_are_closed),
        cmocka_unit_test(test_link_lost),
        cmocka_unit_test(test_logout),
        cmocka_unit_test(test_free_at_any_moment),
        cmocka_unit_test(test_select_again),
        cmocka_unit_test(test_renewal_is_learned),
        cmocka_unit_test(test_renewal_after_bye),
        cmocka_unit_test(test_suspend),
        cmocka_unit_test(test_suspend_unnoticed),
        cmocka_unit_test(test_short_suspend),
        cmocka_unit_test(test_suspend_in_idle),
    };
    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING |
                           G_LOG_FATAL_MASK);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

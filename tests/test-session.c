/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Conversations of one session: commands, and how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "talk.h"

/* ---- commands ---- */

static void
test_pipelining(void **state)
{
    g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
    (void)state;

    talk_open(talk,
              LOGGED_IN("") "C: $a NOOP\nC: $b CHECK\nC: $c FOO\n"
                            "S: * 3 EXISTS\nS: $c BAD what\nS: * 1 EXPUNGE\n"
                            "S: $a OK\nS: $b NO\n");
    talk_send(talk, "NOOP");
    talk_send(talk, "CHECK");
    talk_send(talk, "FOO");
    assert_int_equal(imap_session_load(talk->session), 3);
    script_run(talk->script, &talk->all_answered, TALK_PATIENCE);
    assert_string_equal(talk->answers->str, "FOO:BAD NOOP:OK CHECK:NO ");
    assert_string_equal(talk->events->str, "EXISTS EXPUNGE ");
    assert_int_equal(imap_session_load(talk->session), 0);
    assert_false(talk->closed);
}

static ImapCommand *
examine(const char *mailbox)
{
    ImapCommand *command = imap_command_new("EXAMINE ");
    imap_command_add_string(command, mailbox);
    imap_command_add(command, " (X)");
    return command;
}

/* ---- searches ---- */

typedef struct {
    Talk *talk;
    const char *name;
} Hunt;

static void
on_finding(ImapSession *session, const ImapResponse *response, gpointer data)
{
    Hunt *hunt = data;
    gboolean threads = response->kind == IMAP_THREAD;
    g_autofree char *text =
        imap_slice_dup(threads ? response->threads : response->found.uids);
    (void)session;
    g_string_append_printf(hunt->talk->answers, "%s=%s ", hunt->name,
                           text ? text : "none");
}

static void
on_hunted(ImapSession *session, const ImapResponse *answer, const GError *error,
          gpointer data)
{
    Hunt *hunt = data;
    (void)session;
    (void)error;
    g_string_append_printf(hunt->talk->answers, "%s:%s ", hunt->name,
                           answer == NULL            ? "lost"
                           : answer->kind == IMAP_OK ? "OK"
                                                     : "refused");
}

static void
hunt(Hunt *hunt, Talk *talk, const char *name, ImapSearchKind kind)
{
    *hunt = (Hunt){talk, name};
    imap_session_search(talk->session, imap_command_new("%s", name), kind,
                        on_finding, on_hunted, hunt);
}

/* Two searches and a THREAD at a time, and what each of them is told. */
static const struct {
    const char *name;
    ImapSearchKind kinds[2];
    const char *talk;
    const char *told;
} search_rows[] = {
    {"named answers, out of order",
     {IMAP_SEARCH_NAMED, IMAP_SEARCH_NAMED},
     "C: $a A\nC: $b B\nC: $t T\n"
     "S: * ESEARCH (TAG \"$b\") UID ALL 2\nS: $b OK\n"
     "S: * ESEARCH (TAG \"$a\") UID ALL 1\nS: $a OK\nS: $t OK\n",
     "B=2 B:OK A=1 A:OK T:OK "},
    {"bare answers: the second search waits for the first",
     {IMAP_SEARCH_BARE, IMAP_SEARCH_BARE},
     "C: $a A\nW: 1000\nS: * SEARCH 1\nS: * SEARCH 7\nS: $a OK\n"
     "C: $b B\nC: $t T\nS: * SEARCH 2\nS: $b OK\nS: $t OK\n",
     "A=1 A=7 A:OK B=2 B:OK T:OK "},
    {"a bare one waits for a named one",
     {IMAP_SEARCH_NAMED, IMAP_SEARCH_BARE},
     "C: $a A\nW: 1000\nS: * SEARCH 1\nS: $a OK\n"
     "C: $b B\nC: $t T\nS: * SEARCH 2\nS: $b OK\nS: $t OK\n",
     "A=1 A:OK B=2 B:OK T:OK "},
    {"a named one waits for a bare one",
     {IMAP_SEARCH_BARE, IMAP_SEARCH_NAMED},
     "C: $a A\nW: 1000\nS: $a OK\nC: $b B\nC: $t T\n"
     "S: * SEARCH 2\nS: $b OK\nS: $t OK\n",
     "A:OK B=2 B:OK T:OK "},
    {"named ones are answered without a name",
     {IMAP_SEARCH_NAMED, IMAP_SEARCH_NAMED},
     "C: $a A\nC: $b B\nC: $t T\nS: * SEARCH 1\nS: $a OK\n"
     "S: * ESEARCH UID ALL 2\nS: $b OK\nS: $t OK\n",
     "A=1 A:OK B=2 B:OK T:OK "},
    {"a THREAD and a SEARCH are told apart",
     {IMAP_SEARCH_NAMED, IMAP_SEARCH_NAMED},
     "C: $a A\nC: $b B\nC: $t T\nS: * THREAD (3)\nS: $a OK\nS: $b OK\n"
     "S: * SEARCH 9\nS: $t OK\nS: * THREAD (4)\n",
     "T=(3) A:OK B:OK T:OK "},
    {"nobody's",
     {IMAP_SEARCH_NAMED, IMAP_SEARCH_NAMED},
     "C: $a A\nC: $b B\nC: $t T\nS: * ESEARCH (TAG \"x\") UID ALL 1\n"
     "S: * ESEARCH (TAG \"\") UID ALL 1\n"
     "S: * ESEARCH (TAG \"$t\") UID ALL 1\nS: $a NO\nS: $b OK\n"
     "S: * SEARCH 1\nS: $t OK\nS: * SEARCH 1\n",
     "A:refused B:OK T:OK "},
    {"the connection is lost",
     {IMAP_SEARCH_BARE, IMAP_SEARCH_BARE},
     "C: $a A\nS: * SEARCH 1\nX\n",
     "A=1 A:lost B:lost T:lost "},
};

static void
test_searches(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(search_rows); i++) {
        g_autofree char *all =
            g_strconcat(LOGGED_IN(""), search_rows[i].talk, NULL);
        Hunt hunts[3];
        g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);

        talk_open(talk, all);
        hunt(&hunts[0], talk, "A", search_rows[i].kinds[0]);
        hunt(&hunts[1], talk, "B", search_rows[i].kinds[1]);
        hunt(&hunts[2], talk, "T", IMAP_SEARCH_THREAD);
        talk_wait(talk, CLOCK_SECOND / 2);
        if (script_unread(talk->script, 0) > 0)
            fail_msg("%s: sent too early", search_rows[i].name);
        talk_wait(talk, 5 * CLOCK_SECOND);
        if (!script_is_over(talk->script, 0) ||
            strcmp(talk->answers->str, search_rows[i].told) != 0)
            fail_msg("%s: told %s", search_rows[i].name, talk->answers->str);
        assert_string_equal(talk->events->str, "");
    }
}

/* ---- literals ---- */

/* What follows a literal must wait until the server has asked for it. */
static void
test_literal(void **state)
{
    g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
    (void)state;

    talk_open(
        talk,
        LOGGED_IN(
            "") "C: $a NOOP\nC: $b EXAMINE {2}\nW: 100\nS: $a OK\nW: 100\n"
                "S: * 3 EXISTS\nS: + go\nC: \303\244 (X)\nC: $c CHECK\n"
                "S: $c OK\nS: $b OK\n");
    talk_send(talk, "NOOP");
    talk_send_command(talk, "EXAMINE", examine("\303\244"));
    talk_send(talk, "CHECK");
    script_run(talk->script, &talk->all_answered, TALK_PATIENCE);
    assert_string_equal(talk->answers->str, "NOOP:OK CHECK:OK EXAMINE:OK ");
    assert_false(talk->closed);
}

static void
test_literal_refused(void **state)
{
    g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
    (void)state;

    talk_open(talk, LOGGED_IN("") "C: $b EXAMINE {2}\nS: $b NO too long\n"
                                  "C: $c CHECK\nS: $c OK\n");
    talk_send_command(talk, "EXAMINE", examine("\303\244"));
    talk_send(talk, "CHECK");
    script_run(talk->script, &talk->all_answered, TALK_PATIENCE);
    assert_string_equal(talk->answers->str, "EXAMINE:NO CHECK:OK ");
}

static void
test_two_literals(void **state)
{
    g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
    (void)state;

    talk_open(
        talk,
        LOGGED_IN("") "C: $a EXAMINE {2}\nS: + \nC: \303\244 (X)\n"
                      "C: $b EXAMINE {2}\nS: $a OK\nS: + \nC: \303\266 (X)\n"
                      "S: $b OK\n");
    talk_send_command(talk, "one", examine("\303\244"));
    talk_send_command(talk, "two", examine("\303\266"));
    script_run(talk->script, &talk->all_answered, TALK_PATIENCE);
    assert_string_equal(talk->answers->str, "one:OK two:OK ");
}

/* What a server may not say while a NOOP waits. */
static void
test_nonsense(void **state)
{
    static const char *const lines[] = {
        "S: A99 OK done",
        "S: $bOK OK done",
        "S: + go on",
        "S: x$a OK done",
        "S: + ",
        "S: $tag OK once more",
        "S: $a OK\nS: $a OK",
        "S> * 1 FETCH (BODY[] {99999999999}\\r\\n",
    };
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
        g_autofree char *scenario =
            g_strconcat(LOGGED_IN(""), "C: $a NOOP\n", lines[i], "\nE\n", NULL);
        talk_open(talk, scenario);
        talk_send(talk, "NOOP");
        script_run(talk->script, &talk->closed, TALK_PATIENCE);
        talk_assert_closed(talk, IMAPFS_ERROR_PROTOCOL);
        talk_wait(talk, CLOCK_SECOND);
        talk_assert_over(talk);
    }
}

/* What is no known response is passed over. */
static void
test_unknown_responses(void **state)
{
    g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
    (void)state;

    talk_open(
        talk,
        LOGGED_IN(
            "") "C: $a NOOP\nS: * XYZZY 1 2 3\nS: * 99999999999 EXISTS\n"
                "S: \nS: *\nS: * \nS> \\000\\001\\377\\r\\n\nS: * 1\n"
                "S> * XLITERAL {5}\\r\\n$a OK\\r\\n\nS> * NUL \\000\\r\\n\n"
                "S: $a OK\n");
    talk_send(talk, "NOOP");
    script_run(talk->script, &talk->all_answered, TALK_PATIENCE);
    assert_string_equal(talk->answers->str, "NOOP:OK ");
}

static void
test_close_from_events(void **state)
{
    (void)state;
    for (guint i = 0; i < 3; i++) {
        g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
        if (i == 0) {
            talk->close_from_event = TRUE;
            talk_open(talk, LOGGED_IN(" IDLE") "E\n");
        } else {
            talk_open(
                talk,
                i == 1 ? LOGGED_IN(
                             "") "C: $a NOOP\nC: $b NOOP\n"
                                 "S: * 1 EXISTS\nS: * 2 EXISTS\nS: $a OK\nE\n"
                       : LOGGED_IN("") "C: $a NOOP\nC: $b NOOP\n"
                                       "S: $a OK\nS: $b OK\nE\n");
            talk->close_from_event = TRUE;
            talk_send(talk, "NOOP");
            talk_send(talk, "NOOP");
        }
        script_run(talk->script, &talk->closed, TALK_PATIENCE);
        talk_assert_closed(talk, IMAPFS_ERROR_OFFLINE);
        talk_wait(talk, 20 * MINUTE);
        talk_assert_over(talk);
    }
}

/* ---- cut ---- */

#define CONVERSATION                                                         \
    "C: $a NOOP\nC: $b EXAMINE {2}\nS: * 3 EXISTS\nS: $a OK\nS: + go\n"      \
    "C: \303\244 (X)\nC: $c CHECK\nS: * 1 FETCH (UID 1 BODY[] {5}\nS> hel\n" \
    "S> lo)\\r\\n\nS: $c OK\nS: * 1 EXPUNGE\nS: $b OK\n"                     \
    "C: $idle IDLE\nS: + \nC: DONE\nS: * 4 EXISTS\nS: $idle OK\n"            \
    "C: $d FOO\nS: * OK [ALERT] x\nS: $d BAD\n"

static void
send_three(Talk *talk)
{
    talk_send(talk, "NOOP");
    talk_send_command(talk, "EXAMINE", examine("\303\244"));
    talk_send(talk, "CHECK");
}

/* Plays it as far as it goes. */
static void
converse(Talk *talk)
{
    talk->when_ready = send_three;
    talk_dial(talk);
    script_run(talk->script, &talk->closed, CLOCK_SECOND);
    if (!talk->closed) {
        talk_send(talk, "FOO");
        script_run(talk->script, &talk->closed, MINUTE);
    }
}

static void
test_cut_everywhere(void **state)
{
    gint64 whole = 0;
    (void)state;

    for (gint64 cut = -1; cut <= whole; cut++) {
        g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
        script_cut_after(talk->script, cut);
        script_add(talk->script, LOGGED_IN(" IDLE") CONVERSATION "X\n");
        converse(talk);
        talk_assert_closed(talk, IMAPFS_ERROR_OFFLINE);
        if (cut < 0)
            whole = (gint64)script_octets_sent(talk->script, 0);
        if (cut < 0 || cut == whole)
            assert_string_equal(talk->answers->str,
                                "NOOP:OK CHECK:OK EXAMINE:OK FOO:BAD ");
    }
    assert_true(whole > 200);
}

static void
test_cut_everywhere_in_tls(void **state)
{
    gint64 whole = 0;
    (void)state;

    for (gint64 cut = -1; cut <= whole; cut += cut < 0 ? 1 : 7) {
        g_autoptr(Talk) talk = talk_new(IMAP_TLS_IMPLICIT);
        script_cut_after(talk->script, cut);
        script_add(talk->script, "TLS\n" LOGGED_IN(" IDLE") CONVERSATION "X\n");
        converse(talk);
        talk_assert_closed(talk, IMAPFS_ERROR_OFFLINE);
        if (cut < 0)
            whole = (gint64)script_octets_sent(talk->script, 0);
    }
}

/* The server takes its leave instead of each of its lines in turn. */
static void
test_bye_everywhere(void **state)
{
    g_auto(GStrv) steps = g_strsplit(LOGGED_IN(" IDLE") CONVERSATION, "\n", -1);
    (void)state;

    for (guint i = 0; steps[i] != NULL; i++) {
        g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
        g_autoptr(GString) scenario = g_string_new(NULL);
        gboolean in_literal =
            g_str_has_prefix(steps[i], "S> "); /* no place for a BYE */
        if (steps[i][0] != 'S' || in_literal)
            continue;
        for (guint k = 0; k < i; k++)
            g_string_append_printf(scenario, "%s\n", steps[k]);
        g_string_append(scenario, "S: * BYE shutting down\nX\n");
        script_add(talk->script, scenario->str);
        converse(talk);
        talk_assert_closed(talk, IMAPFS_ERROR_OFFLINE);
    }
}

static void
test_reset(void **state)
{
    g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
    (void)state;

    talk_open(talk, LOGGED_IN("") "C: $a NOOP\nX!\n");
    talk_send(talk, "NOOP");
    script_run(talk->script, &talk->closed, CLOCK_SECOND);
    talk_assert_closed(talk, IMAPFS_ERROR_OFFLINE);
    assert_string_equal(talk->answers->str, "NOOP:- ");
}

/* Octet by octet it is the same conversation. */
static void
test_segments(void **state)
{
    (void)state;
    for (guint segment = 1; segment < 40; segment++) {
        g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
        script_segment(talk->script, segment);
        script_add(talk->script, LOGGED_IN(" IDLE") CONVERSATION "X\n");
        converse(talk);
        assert_string_equal(talk->answers->str,
                            "NOOP:OK CHECK:OK EXAMINE:OK FOO:BAD ");
        assert_string_equal(talk->events->str,
                            "EXISTS FETCH EXPUNGE EXISTS OK ");
    }
}

/* ---- COMPRESS ---- */

static void
test_compress(void **state)
{
    (void)state;
    for (guint tls = 0; tls < 2; tls++) {
        g_autoptr(Talk) talk =
            talk_new(tls ? IMAP_TLS_IMPLICIT : IMAP_TLS_NONE);
        g_autoptr(GString) scenario = g_string_new(tls ? "TLS\n" : "");
        g_autofree char *body = g_strnfill(300000, 'x');

        g_string_append(
            scenario,
            LOGGED_IN(" IDLE COMPRESS=DEFLATE") "C: $z COMPRESS DEFLATE\nS: $z "
                                                "OK\nDEFLATE\n"
                                                "C: $i IDLE\nS: + \nC: "
                                                "DONE\nS: $i OK\n"
                                                "C: $a NOOP\nS: * 1 FETCH "
                                                "(BODY[] {300000}\n");
        g_string_append_printf(scenario, "S: %s)\nS: $a OK\n", body);
        talk_open(talk, scenario->str);
        imap_session_compress(talk->session);
        talk_wait(talk, CLOCK_SECOND);
        assert_true(imap_session_is_idling(talk->session));
        talk_send(talk, "NOOP");
        script_run(talk->script, &talk->all_answered, TALK_PATIENCE);
        assert_string_equal(talk->answers->str, "NOOP:OK ");
        assert_string_equal(talk->events->str, "FETCH ");
        assert_true(imap_stream_octets_in(imap_session_stream(talk->session)) <
                    10000);
        talk_assert_over(talk);
    }
}

static void
test_compress_refused(void **state)
{
    g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
    (void)state;

    talk_open(
        talk,
        LOGGED_IN(" IDLE COMPRESS=DEFLATE") "C: $z COMPRESS DEFLATE\nS: $z "
                                            "NO\nC: $i IDLE\nS: + \n");
    imap_session_compress(talk->session);
    talk_wait(talk, 5 * CLOCK_SECOND);
    assert_true(imap_session_is_idling(talk->session));
    assert_false(talk->closed);
    talk_assert_over(talk);
}

/* A command meanwhile has to wait, or it would be read as deflated. */
static void
test_compress_crossed(void **state)
{
    g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
    (void)state;

    talk_open(talk,
              LOGGED_IN(" COMPRESS=DEFLATE IDLE") "C: $z COMPRESS DEFLATE\nW: "
                                                  "2000\nS: $z OK\nDEFLATE\n"
                                                  "C: $a NOOP\nS: $a OK\n");
    imap_session_compress(talk->session);
    talk_wait(talk, CLOCK_SECOND);
    talk_send(talk, "NOOP");
    script_run(talk->script, &talk->all_answered, TALK_PATIENCE);
    assert_string_equal(talk->answers->str, "NOOP:OK ");
}

/* What comes in one piece with the OK is compressed (RFC 4978, 3). */
static void
test_data_behind_compress(void **state)
{
    static const struct {
        const char *behind;
        const char *events;
    } rows[] = {
        {"\\322\\122\\060\\127\\160\\215\\360\\014\\016\\011\\346\\345\\002"
         "\\010",
         "EXISTS "},              /* "* 7 EXISTS", deflated */
        {"* 7 EXISTS\\r\\n", ""}, /* in the clear it is nothing */
    };
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
        g_autofree char *scenario =
            g_strconcat(LOGGED_IN(" COMPRESS=DEFLATE IDLE"),
                        "C: $z COMPRESS DEFLATE\nS> $z OK\\r\\n",
                        rows[i].behind, "\nDEFLATE\nW: 10\nX\n", NULL);
        talk_open(talk, scenario);
        imap_session_compress(talk->session);
        script_run(talk->script, &talk->closed, TALK_PATIENCE);
        assert_true(talk->closed);
        assert_string_equal(talk->events->str, rows[i].events);
    }
}

static void
test_damaged_deflate(void **state)
{
    g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
    (void)state;

    talk_open(
        talk,
        LOGGED_IN(
            " COMPRESS=DEFLATE IDLE") "C: $z COMPRESS DEFLATE\nS: $z OK\nW: "
                                      "10\n"
                                      "S> \\377\\377\\377\\377 garbage\nE\n");
    imap_session_compress(talk->session);
    script_run(talk->script, &talk->closed, TALK_PATIENCE);
    talk_assert_closed(talk, IMAPFS_ERROR_PROTOCOL);
}

/* ---- the end ---- */

static void
test_logout(void **state)
{
    static const struct {
        const char *name;
        const char *scenario;
        gint64 before; /* ms until the logout */
        gint64 within; /* ms until it must be closed */
    } rows[] = {
        {"as it should be", "C: $a LOGOUT\nS: * BYE\nS: $a OK\nX\n", 100, 10},
        {"from IDLE",
         "C: $i IDLE\nS: + \nC: DONE\nS: $i OK\n"
         "C: $a LOGOUT\nS: * BYE\nS: $a OK\nX\n",
         1000, 10},
        {"without BYE", "C: $a LOGOUT\nS: $a OK\nX\n", 100, 10},
        {"silence", "C: $a LOGOUT\nE\n", 100, 2100},
        {"silence in IDLE", "C: $i IDLE\nS: + \nC: DONE\nE\n", 1000, 2100},
        {"silence before IDLE is on", "C: $i IDLE\nE\n", 1000, 2100},
        {"IDLE comes on late", "C: $i IDLE\nW: 1500\nS: + \nC: DONE\nE\n", 1000,
         2100},
        {"OK but neither BYE nor end", "C: $a LOGOUT\nS: $a OK\nE\n", 100,
         2100},
    };
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
        g_autofree char *scenario =
            g_strconcat(LOGGED_IN(" IDLE"), rows[i].scenario, NULL);
        talk_open(talk, scenario);
        talk_wait(talk, rows[i].before * CLOCK_MILLISECOND);
        imap_session_logout(talk->session);
        script_run(talk->script, &talk->closed,
                   rows[i].within * CLOCK_MILLISECOND);
        if (!talk->closed)
            fail_msg("%s: not closed within %d ms", rows[i].name,
                     (int)rows[i].within);
        talk_wait(talk, 10 * CLOCK_MILLISECOND);
        talk_assert_over(talk);
    }
}

static void
test_logout_before_login(void **state)
{
    g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
    (void)state;

    script_add(talk->script, "S: * OK [CAPABILITY IMAP4rev1] x\nC: $a *\nE\n");
    talk_dial(talk);
    talk_wait(talk, CLOCK_SECOND);
    imap_session_logout(talk->session);
    assert_true(talk->closed);
    talk_wait(talk, CLOCK_SECOND);
    talk_assert_over(talk);
}

/* ---- secrets ---- */

static void
catch_log(const char *domain, GLogLevelFlags level, const char *message,
          gpointer data)
{
    (void)domain;
    (void)level;
    g_string_append_printf(data, "%s\n", message);
}

static void
test_trace_without_secrets(void **state)
{
    static const char *const scenarios[] = {
        LOGGED_IN(""),
        "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\n"
        "C: $tag AUTHENTICATE PLAIN\nS: + \nC: " RESPONSE "\n"
        "S: $tag OK [CAPABILITY IMAP4rev1 IDLE] in\n",
        "S: * OK hi\n" LOGIN_DIALOG,
        "S: * OK [CAPABILITY IMAP4rev1] hi\nC: $tag LOGIN *\nS: $tag NO x\n",
    };
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(scenarios); i++) {
        g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
        g_autoptr(GString) log = g_string_new(NULL);
        GLogFunc before = g_log_set_default_handler(catch_log, log);
        talk->login.trace = TRUE;
        script_add(talk->script, scenarios[i]);
        talk_dial(talk);
        talk_wait(talk, CLOCK_SECOND);
        g_log_set_default_handler(before, NULL);
        talk_assert_over(talk);
        assert_non_null(strstr(log->str, "S: * OK"));
        assert_non_null(strstr(log->str, "<secret>"));
        assert_null(strstr(log->str, PASSWORD));
        assert_null(strstr(log->str, RESPONSE));
        assert_null(strstr(log->str, "sesame"));
    }
}

static void
test_trace_of_a_literal(void **state)
{
    g_autoptr(Talk) talk = talk_new(IMAP_TLS_NONE);
    g_autoptr(GString) log = g_string_new(NULL);
    GLogFunc before = g_log_set_default_handler(catch_log, log);
    (void)state;

    talk->login.trace = TRUE;
    talk->login.password = (char *)"s\303\251same";
    script_add(talk->script, LITERAL_LOGIN
               "S: + go\nC: s\303\251same\nS: $tag OK [CAPABILITY X] in\n");
    talk_dial(talk);
    script_run(talk->script, &talk->ready, CLOCK_SECOND);
    g_log_set_default_handler(before, NULL);
    assert_true(talk->ready);
    assert_null(strstr(log->str, "same"));
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pipelining),
        cmocka_unit_test(test_searches),
        cmocka_unit_test(test_literal),
        cmocka_unit_test(test_literal_refused),
        cmocka_unit_test(test_two_literals),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_unknown_responses),
        cmocka_unit_test(test_close_from_events),
        cmocka_unit_test(test_cut_everywhere),
        cmocka_unit_test(test_cut_everywhere_in_tls),
        cmocka_unit_test(test_bye_everywhere),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_compress),
        cmocka_unit_test(test_compress_refused),
        cmocka_unit_test(test_compress_crossed),
        cmocka_unit_test(test_data_behind_compress),
        cmocka_unit_test(test_damaged_deflate),
        cmocka_unit_test(test_logout),
        cmocka_unit_test(test_logout_before_login),
        cmocka_unit_test(test_trace_without_secrets),
        cmocka_unit_test(test_trace_of_a_literal),
    };

    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING |
                           G_LOG_FATAL_MASK);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Conversations of one session, from the greeting to the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "imap/session.h"
#include "script.h"

enum { START = 1700000000 };
#define PATIENCE (30 * CLOCK_SECOND)
#define MINUTE (60 * CLOCK_SECOND)

#define USER "joe"
#define PASSWORD "open sesame"
/* of NUL, user, NUL, password */
#define RESPONSE "AGpvZQBvcGVuIHNlc2FtZQ=="

/* A login in one round trip; what follows is up to a test. */
#define LOGGED_IN(capabilities)                              \
    "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hi\n" \
    "C: $tag AUTHENTICATE PLAIN " RESPONSE "\n"              \
    "S: $tag OK [CAPABILITY IMAP4rev1" capabilities "] in\n"

/* ---- a scene ---- */

typedef struct Scene Scene;

typedef struct {
    Scene *scene;
    const char *name;
    guint answers;
} Order;

struct Scene {
    Clock *clock;
    Script *script;
    ImapTls *tls;
    ImapLogin login;
    ImapSession *session;
    void (*when_ready)(Scene *scene);
    gboolean close_from_event;
    gboolean ready;
    guint n_closed;
    gboolean closed;
    gint64 closed_at;
    GError *error;
    GString *events;  /* what the server said without a tag */
    GString *answers; /* to the commands, as they came */
    guint settled;
    GPtrArray *orders;
    guint unanswered;
    gboolean all_answered;
};

static Scene *
scene_new(ImapSecurity security)
{
    Scene *scene = g_new0(Scene, 1);

    scene->clock = clock_new_virtual(START);
    scene->script = script_new(scene->clock);
    scene->tls = script_tls();
    scene->login = (ImapLogin){
        .host = (char *)SCRIPT_HOST,
        .port = 143,
        .security = security,
        .tls = security == IMAP_TLS_NONE ? NULL : scene->tls,
        .user = (char *)USER,
        .password = (char *)PASSWORD,
        .patience = PATIENCE,
    };
    scene->events = g_string_new(NULL);
    scene->answers = g_string_new(NULL);
    scene->orders = g_ptr_array_new_with_free_func(g_free);
    return scene;
}

static void
scene_free(Scene *scene)
{
    if (scene->session != NULL) {
        imap_session_close(scene->session, NULL);
        imap_session_unref(scene->session);
        assert_int_equal(scene->n_closed, 1);
        for (guint i = 0; i < scene->orders->len; i++) {
            const Order *order = g_ptr_array_index(scene->orders, i);
            if (order->answers != 1)
                fail_msg("%s was told %u times how it went", order->name,
                         order->answers);
        }
    }
    script_free(scene->script);
    imap_tls_free(scene->tls);
    g_clear_error(&scene->error);
    g_string_free(scene->events, TRUE);
    g_string_free(scene->answers, TRUE);
    g_ptr_array_unref(scene->orders);
    clock_free(scene->clock);
    g_free(scene);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Scene, scene_free)

static void
on_ready(ImapSession *session, gpointer data)
{
    Scene *scene = data;
    assert_false(scene->ready);
    scene->ready = TRUE;
    if (scene->close_from_event)
        imap_session_close(session, NULL);
    else if (scene->when_ready != NULL)
        scene->when_ready(scene);
}

static void
on_untagged(ImapSession *session, const ImapResponse *response, gpointer data)
{
    Scene *scene = data;
    static const char *const names[] = {
        "OTHER",  "CONTINUE", "OK",         "NO",        "BAD",
        "BYE",    "PREAUTH",  "CAPABILITY", "NAMESPACE", "LIST",
        "STATUS", "EXISTS",   "EXPUNGE",    "VANISHED",  "FETCH"};
    g_string_append_printf(scene->events, "%s ", names[response->kind]);
    if (scene->close_from_event)
        imap_session_close(session, NULL);
}

static void
on_settled(ImapSession *session, gpointer data)
{
    Scene *scene = data;
    (void)session;
    scene->settled++;
}

static void
on_closed(ImapSession *session, const GError *error, gpointer data)
{
    Scene *scene = data;
    (void)session;
    assert_non_null(error);
    scene->n_closed++;
    scene->closed = TRUE;
    scene->closed_at = clock_now(scene->clock);
    g_clear_error(&scene->error);
    scene->error = g_error_copy(error);
}

static const ImapSessionEvents events = {
    .ready = on_ready,
    .untagged = on_untagged,
    .settled = on_settled,
    .closed = on_closed,
};

static void
on_dialed(ImapStream *stream, const GError *error, gpointer data)
{
    Scene *scene = data;
    assert_null(error);
    scene->session =
        imap_session_new(stream, &scene->login, scene->clock, &events, scene);
    imap_session_start(scene->session);
}

static void
scene_dial(Scene *scene)
{
    ImapDialer dialer = script_dialer(scene->script);
    dialer.dial(dialer.dialer, NULL, on_dialed, scene);
}

static void
on_done(ImapSession *session, const ImapResponse *answer, const GError *error,
        gpointer data)
{
    Order *order = data;
    Scene *scene = order->scene;

    assert_ptr_equal(session, scene->session);
    assert_true((answer == NULL) == (error != NULL));
    order->answers++;
    g_string_append_printf(scene->answers, "%s:%s ", order->name,
                           answer == NULL            ? "-"
                           : answer->kind == IMAP_OK ? "OK"
                           : answer->kind == IMAP_NO ? "NO"
                                                     : "BAD");
    scene->unanswered--;
    scene->all_answered = scene->unanswered == 0;
    if (scene->close_from_event && answer != NULL)
        imap_session_close(session, NULL);
}

static void
scene_send_command(Scene *scene, const char *name, ImapCommand *command)
{
    Order *order = g_new0(Order, 1);
    order->scene = scene;
    order->name = name;
    g_ptr_array_add(scene->orders, order);
    scene->unanswered++;
    scene->all_answered = FALSE;
    imap_session_send(scene->session, command, on_done, order);
}

static void
scene_send(Scene *scene, const char *text)
{
    scene_send_command(scene, text, imap_command_new("%s", text));
}

/* Dials, and logs in. */
static void
scene_open(Scene *scene, const char *scenario)
{
    script_add(scene->script, scenario);
    scene_dial(scene);
    script_run(scene->script, &scene->ready, PATIENCE);
    assert_true(scene->ready);
}

static void
scene_wait(Scene *scene, gint64 duration)
{
    script_run(scene->script, NULL, duration);
}

static void
assert_over(const Scene *scene)
{
    assert_true(script_is_over(scene->script, 0));
}

static void
assert_closed(const Scene *scene, ImapfsError code)
{
    assert_true(scene->closed);
    if (!g_error_matches(scene->error, IMAPFS_ERROR, (int)code))
        fail_msg("closed with %d (%s), wanted %u", scene->error->code,
                 scene->error->message, code);
}

static void
assert_no_secret_in_clear(const Scene *scene)
{
    static const char *const words[] = {
        "LOGIN",   "AUTHENTICATE", PASSWORD, RESPONSE,
        "EXAMINE", "SELECT",       "LIST",   USER};
    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        if (script_count_in_clear(scene->script, 0, words[i]) > 0)
            fail_msg("\"%s\" went over the wire in the clear", words[i]);
    }
}

/* ---- until it is logged in ---- */

enum { READY = -1 };

typedef struct {
    const char *name;
    ImapSecurity security;
    int result; /* READY or an error's code */
    const char *scenario;
    const char *capabilities; /* after the login, if it is to be looked at */
    const char *password;     /* NULL is PASSWORD */
} DoorRow;

#define LOGIN_DIALOG                                \
    "C: $tag CAPABILITY\n"                          \
    "S: * CAPABILITY IMAP4rev1\n"                   \
    "S: $tag OK\n"                                  \
    "C: $tag LOGIN \"" USER "\" \"" PASSWORD "\"\n" \
    "S: $tag OK [CAPABILITY IMAP4rev1 IDLE] hello\n"

#define PLAIN_IN_TLS                                 \
    "C: $tag CAPABILITY\n"                           \
    "S: * CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\n" \
    "S: $tag OK\n"                                   \
    "C: $tag AUTHENTICATE PLAIN " RESPONSE "\n"      \
    "S: $tag OK [CAPABILITY IMAP4rev1 NAMESPACE] hello\n"

#define TO_STARTTLS "S: * OK hi\nC: $tag STARTTLS\n"
#define LITERAL_LOGIN                     \
    "S: * OK [CAPABILITY IMAP4rev1] hi\n" \
    "C: $tag LOGIN \"" USER "\" {7}\n"

static const DoorRow door_table[] = {
    /* Greetings. */
    {"greeting: OK", IMAP_TLS_NONE, READY, "S: * OK\n" LOGIN_DIALOG,
     "IDLE IMAP4rev1", NULL},
    {"greeting: OK with text", IMAP_TLS_NONE, READY,
     "S: * OK IMAP4rev1 ready {3}\n" LOGIN_DIALOG, NULL, NULL},
    {"greeting: ok in small letters", IMAP_TLS_NONE, READY,
     "S: * ok hi\n" LOGIN_DIALOG, NULL, NULL},
    {"greeting: PREAUTH", IMAP_TLS_NONE, READY,
     "S: * PREAUTH hi\nC: $tag CAPABILITY\n"
     "S: * CAPABILITY IMAP4rev1 IDLE\nS: $tag OK\n",
     "IDLE IMAP4rev1", NULL},
    {"greeting: PREAUTH inside TLS", IMAP_TLS_IMPLICIT, READY,
     "TLS\nS: * PREAUTH hi\nC: $tag CAPABILITY\n"
     "S: * CAPABILITY IMAP4rev1\nS: $tag OK\n",
     NULL, NULL},
    {"greeting: PREAUTH where STARTTLS is required", IMAP_TLS_STARTTLS,
     IMAPFS_ERROR_PROTOCOL, "S: * PREAUTH hi\nE\n", NULL, NULL},
    {"greeting: PREAUTH that announces STARTTLS", IMAP_TLS_STARTTLS,
     IMAPFS_ERROR_PROTOCOL,
     "S: * PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] hi\nE\n", NULL, NULL},
    {"greeting: BYE", IMAP_TLS_NONE, IMAPFS_ERROR_OFFLINE,
     "S: * BYE too busy\nE\n", NULL, NULL},
    {"greeting: BYE [UNAVAILABLE]", IMAP_TLS_NONE, IMAPFS_ERROR_BUSY,
     "S: * BYE [UNAVAILABLE] later\nE\n", NULL, NULL},
    {"greeting: NO", IMAP_TLS_NONE, IMAPFS_ERROR_PROTOCOL, "S: * NO\nE\n", NULL,
     NULL},
    {"greeting: BAD", IMAP_TLS_NONE, IMAPFS_ERROR_PROTOCOL, "S: * BAD\nE\n",
     NULL, NULL},
    {"greeting: of another protocol", IMAP_TLS_NONE, IMAPFS_ERROR_PROTOCOL,
     "S: 220 mx.example.org ESMTP\nE\n", NULL, NULL},
    {"greeting: an empty line", IMAP_TLS_NONE, IMAPFS_ERROR_PROTOCOL,
     "S> \\r\\n\nE\n", NULL, NULL},
    {"greeting: octets of all kinds", IMAP_TLS_NONE, IMAPFS_ERROR_PROTOCOL,
     "S> \\000\\377\\200{5}(*\\n\nE\n", NULL, NULL},
    {"greeting: invalid, then OK", IMAP_TLS_NONE, IMAPFS_ERROR_PROTOCOL,
     "S: * HELLO\nS: * OK hi\nE\n", NULL, NULL},
    {"greeting: invalid, then OK, STARTTLS", IMAP_TLS_STARTTLS,
     IMAPFS_ERROR_PROTOCOL, "S: * HELLO\nS: * OK hi\nE\n", NULL, NULL},
    {"greeting: CAPABILITY", IMAP_TLS_NONE, IMAPFS_ERROR_PROTOCOL,
     "S: * CAPABILITY IMAP4rev1\nE\n", NULL, NULL},
    {"greeting: tagged", IMAP_TLS_NONE, IMAPFS_ERROR_PROTOCOL,
     "S: A1 OK hi\nE\n", NULL, NULL},
    {"greeting: a continuation", IMAP_TLS_NONE, IMAPFS_ERROR_PROTOCOL,
     "S: + OK\nE\n", NULL, NULL},
    {"greeting: with an alert before it", IMAP_TLS_NONE, READY,
     "S: * OK [ALERT] down at noon\nS: * OK hi\n" LOGIN_DIALOG, NULL, NULL},
    {"greeting: itself an alert", IMAP_TLS_NONE, READY,
     "S: * OK [ALERT] down at noon\n" LOGIN_DIALOG, NULL, NULL},
    {"greeting: none, the server closes", IMAP_TLS_NONE, IMAPFS_ERROR_OFFLINE,
     "X\n", NULL, NULL},
    {"greeting: half of one, then closed", IMAP_TLS_NONE, IMAPFS_ERROR_OFFLINE,
     "S> * O\nX\n", NULL, NULL},
    {"greeting: none at all", IMAP_TLS_NONE, IMAPFS_ERROR_OFFLINE, "E\n", NULL,
     NULL},
    {"greeting: one octet a second", IMAP_TLS_NONE, IMAPFS_ERROR_OFFLINE,
     "D: 1000 * OK this takes more than half a minute of time\\r\\nE\n", NULL,
     NULL},

    /* Logging in. */
    {"login: PLAIN with SASL-IR", IMAP_TLS_NONE, READY, LOGGED_IN(" IDLE"),
     "IDLE IMAP4rev1", NULL},
    {"login: PLAIN without SASL-IR", IMAP_TLS_NONE, READY,
     "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\n"
     "C: $tag AUTHENTICATE PLAIN\nS: + \nC: " RESPONSE "\n"
     "S: $tag OK [CAPABILITY IMAP4rev1 IDLE] in\n",
     "IDLE IMAP4rev1", NULL},
    {"login: PLAIN where LOGIN is disabled", IMAP_TLS_NONE, READY,
     "S: * OK [CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=PLAIN SASL-IR] hi\n"
     "C: $tag AUTHENTICATE PLAIN " RESPONSE "\n"
     "S: $tag OK [CAPABILITY IMAP4rev1] in\n",
     "IMAP4rev1", NULL},
    {"login: PLAIN refused before the response", IMAP_TLS_NONE,
     IMAPFS_ERROR_DENIED,
     "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\n"
     "C: $tag AUTHENTICATE PLAIN\nS: $tag NO not today\nE\n",
     NULL, NULL},
    {"login: PLAIN asks twice", IMAP_TLS_NONE, IMAPFS_ERROR_PROTOCOL,
     "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\n"
     "C: $tag AUTHENTICATE PLAIN\nS: + \nC: " RESPONSE "\nS: + \nE\n",
     NULL, NULL},
    {"login: LOGIN", IMAP_TLS_NONE, READY, "S: * OK hi\n" LOGIN_DIALOG,
     "IDLE IMAP4rev1", NULL},
    {"login: LOGINDISABLED and nothing else", IMAP_TLS_NONE,
     IMAPFS_ERROR_DENIED,
     "S: * OK [CAPABILITY IMAP4rev1 LOGINDISABLED STARTTLS] hi\nE\n", NULL,
     NULL},
    {"login: a password that needs quoting", IMAP_TLS_NONE, READY,
     "S: * OK [CAPABILITY IMAP4rev1] hi\n"
     "C: $tag LOGIN \"" USER "\" \"a \\\"b\\\\ {3}\"\n"
     "S: $tag OK [CAPABILITY IMAP4rev1] in\n",
     NULL, "a \"b\\ {3}"},
    {"login: a password in a literal", IMAP_TLS_NONE, READY,
     LITERAL_LOGIN "S: + go on\nC: s\303\251same\n"
                   "S: $tag OK [CAPABILITY IMAP4rev1] in\n",
     NULL, "s\303\251same"},
    {"login: a literal is refused", IMAP_TLS_NONE, IMAPFS_ERROR_DENIED,
     LITERAL_LOGIN "S: $tag NO no literals here\nE\n", NULL, "s\303\251same"},
    {"login: the continuation never comes", IMAP_TLS_NONE, IMAPFS_ERROR_OFFLINE,
     LITERAL_LOGIN "E\n", NULL, "s\303\251same"},
    {"login: capabilities are asked for again", IMAP_TLS_NONE, READY,
     "S: * OK [CAPABILITY IMAP4rev1 CONDSTORE] hi\n"
     "C: $tag LOGIN \"" USER "\" \"" PASSWORD "\"\nS: $tag OK in\n"
     "C: $tag CAPABILITY\nS: * CAPABILITY IMAP4rev1 IDLE\nS: $tag OK\n",
     "IDLE IMAP4rev1", NULL},
    {"login: capabilities of the greeting are not kept", IMAP_TLS_NONE, READY,
     "S: * OK [CAPABILITY IMAP4rev1 CONDSTORE OBJECTID] hi\n"
     "C: $tag LOGIN \"" USER "\" \"" PASSWORD "\"\n"
     "S: $tag OK [CAPABILITY IMAP4rev1] in\n",
     "IMAP4rev1", NULL},
    {"login: capabilities from before its answer are not kept", IMAP_TLS_NONE,
     READY,
     "S: * OK [CAPABILITY IMAP4rev1] hi\n"
     "C: $tag LOGIN \"" USER "\" \"" PASSWORD "\"\n"
     "S: * CAPABILITY IMAP4rev1 CONDSTORE\nS: $tag OK in\n"
     "C: $tag CAPABILITY\nS: * CAPABILITY IMAP4rev1 IDLE\nS: $tag OK\n",
     "IDLE IMAP4rev1", NULL},
    {"login: capabilities after it are refused", IMAP_TLS_NONE,
     IMAPFS_ERROR_PROTOCOL,
     "S: * OK [CAPABILITY IMAP4rev1] hi\n"
     "C: $tag LOGIN \"" USER "\" \"" PASSWORD "\"\nS: $tag OK in\n"
     "C: $tag CAPABILITY\nS: $tag BAD what\nE\n",
     NULL, NULL},
    {"login: NO", IMAP_TLS_NONE, IMAPFS_ERROR_DENIED,
     "S: * OK [CAPABILITY IMAP4rev1] hi\nC: $tag LOGIN *\n"
     "S: $tag NO wrong password\nE\n",
     NULL, NULL},
    {"login: NO [AUTHENTICATIONFAILED]", IMAP_TLS_NONE, IMAPFS_ERROR_DENIED,
     "S: * OK [CAPABILITY IMAP4rev1] hi\nC: $tag LOGIN *\n"
     "S: $tag NO [AUTHENTICATIONFAILED] wrong password\nE\n",
     NULL, NULL},
    {"login: NO [UNAVAILABLE]", IMAP_TLS_NONE, IMAPFS_ERROR_BUSY,
     "S: * OK [CAPABILITY IMAP4rev1] hi\nC: $tag LOGIN *\n"
     "S: $tag NO [UNAVAILABLE] later\nE\n",
     NULL, NULL},
    {"login: NO [LIMIT]", IMAP_TLS_NONE, IMAPFS_ERROR_BUSY,
     "S: * OK [CAPABILITY IMAP4rev1] hi\nC: $tag LOGIN *\n"
     "S: $tag NO [LIMIT] too many connections\nE\n",
     NULL, NULL},
    {"login: NO [REFERRAL]", IMAP_TLS_NONE, IMAPFS_ERROR_DENIED,
     "S: * OK [CAPABILITY IMAP4rev1] hi\nC: $tag LOGIN *\n"
     "S: $tag NO [REFERRAL imap://;AUTH=*@evil.example.org:243/] go\nE\n",
     NULL, NULL},
    {"login: BAD", IMAP_TLS_NONE, IMAPFS_ERROR_PROTOCOL,
     "S: * OK [CAPABILITY IMAP4rev1] hi\nC: $tag LOGIN *\nS: $tag BAD x\nE\n",
     NULL, NULL},
    {"login: BYE", IMAP_TLS_NONE, IMAPFS_ERROR_OFFLINE,
     "S: * OK [CAPABILITY IMAP4rev1] hi\nC: $tag LOGIN *\nS: * BYE x\nE\n",
     NULL, NULL},
    {"login: closed", IMAP_TLS_NONE, IMAPFS_ERROR_OFFLINE,
     "S: * OK [CAPABILITY IMAP4rev1] hi\nC: $tag LOGIN *\nX\n", NULL, NULL},
    {"login: reset", IMAP_TLS_NONE, IMAPFS_ERROR_OFFLINE,
     "S: * OK [CAPABILITY IMAP4rev1] hi\nC: $tag LOGIN *\nX!\n", NULL, NULL},
    {"login: silence", IMAP_TLS_NONE, IMAPFS_ERROR_OFFLINE,
     "S: * OK [CAPABILITY IMAP4rev1] hi\nC: $tag LOGIN *\nE\n", NULL, NULL},

    /* TLS from the first octet. */
    {"tls: good", IMAP_TLS_IMPLICIT, READY, "TLS\nS: * OK hi\n" PLAIN_IN_TLS,
     "NAMESPACE IMAP4rev1", NULL},
    {"tls: a wildcard", IMAP_TLS_IMPLICIT, READY,
     "TLS wildcard\nS: * OK hi\n" PLAIN_IN_TLS, NULL, NULL},
    {"tls: wrong host", IMAP_TLS_IMPLICIT, IMAPFS_ERROR_PROTOCOL,
     "TLS wrong-host\nE\n", NULL, NULL},
    {"tls: self-signed", IMAP_TLS_IMPLICIT, IMAPFS_ERROR_PROTOCOL,
     "TLS self-signed\nE\n", NULL, NULL},
    {"tls: unknown authority", IMAP_TLS_IMPLICIT, IMAPFS_ERROR_PROTOCOL,
     "TLS unknown-authority\nE\n", NULL, NULL},
    {"tls: expired", IMAP_TLS_IMPLICIT, IMAPFS_ERROR_PROTOCOL,
     "TLS expired\nE\n", NULL, NULL},
    {"tls: of an address, asked for by name", IMAP_TLS_IMPLICIT,
     IMAPFS_ERROR_PROTOCOL, "TLS ip\nE\n", NULL, NULL},
    {"tls: a greeting in the clear instead", IMAP_TLS_IMPLICIT,
     IMAPFS_ERROR_PROTOCOL, "S: * OK hi\nE\n", NULL, NULL},
    {"tls: silence", IMAP_TLS_IMPLICIT, IMAPFS_ERROR_OFFLINE, "E\n", NULL,
     NULL},
    {"tls: closed", IMAP_TLS_IMPLICIT, IMAPFS_ERROR_OFFLINE, "X\n", NULL, NULL},

    /* TLS by STARTTLS. */
    {"starttls: good", IMAP_TLS_STARTTLS, READY,
     TO_STARTTLS "S: $tag OK go\nTLS\n" PLAIN_IN_TLS, "NAMESPACE IMAP4rev1",
     NULL},
    {"starttls: nothing from before it is kept", IMAP_TLS_STARTTLS, READY,
     "S: * OK [CAPABILITY IMAP4rev1 LOGINDISABLED OBJECTID] hi\n"
     "C: $tag STARTTLS\nS: * CAPABILITY IMAP4rev1 LOGINDISABLED CONDSTORE\n"
     "S: $tag OK [CAPABILITY IMAP4rev1 LOGINDISABLED IDLE] go\n"
     "TLS\n" PLAIN_IN_TLS,
     "NAMESPACE IMAP4rev1", NULL},
    {"starttls: NO", IMAP_TLS_STARTTLS, IMAPFS_ERROR_PROTOCOL,
     TO_STARTTLS "S: $tag NO\nE\n", NULL, NULL},
    {"starttls: NO [UNAVAILABLE]", IMAP_TLS_STARTTLS, IMAPFS_ERROR_PROTOCOL,
     TO_STARTTLS "S: $tag NO [UNAVAILABLE] later\nE\n", NULL, NULL},
    {"starttls: BAD", IMAP_TLS_STARTTLS, IMAPFS_ERROR_PROTOCOL,
     TO_STARTTLS "S: $tag BAD\nE\n", NULL, NULL},
    {"starttls: a continuation", IMAP_TLS_STARTTLS, IMAPFS_ERROR_PROTOCOL,
     TO_STARTTLS "S: + go\nE\n", NULL, NULL},
    {"starttls: not announced", IMAP_TLS_STARTTLS, IMAPFS_ERROR_PROTOCOL,
     "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\nC: $tag STARTTLS\n"
     "S: $tag BAD STARTTLS not supported\nE\n",
     NULL, NULL},
    {"starttls: OK before it was asked for", IMAP_TLS_STARTTLS,
     IMAPFS_ERROR_PROTOCOL, "S: * OK hi\nS: A1 OK go\nE\n", NULL, NULL},
    {"starttls: a tag that is not ours", IMAP_TLS_STARTTLS,
     IMAPFS_ERROR_PROTOCOL, TO_STARTTLS "S: x$tag OK go\nE\n", NULL, NULL},
    {"starttls: PREAUTH behind the greeting", IMAP_TLS_STARTTLS,
     IMAPFS_ERROR_PROTOCOL,
     "S: * OK hi\nS: * PREAUTH in\nC: $tag STARTTLS\nS: $tag BAD\nE\n", NULL,
     NULL},
    {"starttls: BYE", IMAP_TLS_STARTTLS, IMAPFS_ERROR_OFFLINE,
     TO_STARTTLS "S: * BYE\nE\n", NULL, NULL},
    {"starttls: closed", IMAP_TLS_STARTTLS, IMAPFS_ERROR_OFFLINE,
     TO_STARTTLS "X\n", NULL, NULL},
    {"starttls: silence", IMAP_TLS_STARTTLS, IMAPFS_ERROR_OFFLINE,
     TO_STARTTLS "E\n", NULL, NULL},
    {"starttls: silence behind OK", IMAP_TLS_STARTTLS, IMAPFS_ERROR_OFFLINE,
     TO_STARTTLS "S: $tag OK go\nE\n", NULL, NULL},
    {"starttls: closed behind OK", IMAP_TLS_STARTTLS, IMAPFS_ERROR_OFFLINE,
     TO_STARTTLS "S: $tag OK go\nX\n", NULL, NULL},
    {"starttls: OK, then in the clear", IMAP_TLS_STARTTLS,
     IMAPFS_ERROR_PROTOCOL,
     TO_STARTTLS "S: $tag OK go\nW: 1\nS: * CAPABILITY IMAP4rev1\nE\n", NULL,
     NULL},
    {"starttls: OK, then an alert of TLS", IMAP_TLS_STARTTLS,
     IMAPFS_ERROR_PROTOCOL,
     TO_STARTTLS
     "S: $tag OK go\nW: 1\nS> \\025\\003\\003\\000\\002\\002\\050\nE\n",
     NULL, NULL},
    {"starttls: a line behind OK", IMAP_TLS_STARTTLS, IMAPFS_ERROR_PROTOCOL,
     TO_STARTTLS "S: $tag OK go\nS: * CAPABILITY IMAP4rev1 AUTH=PLAIN\nE\n",
     NULL, NULL},
    {"starttls: two lines behind OK", IMAP_TLS_STARTTLS, IMAPFS_ERROR_PROTOCOL,
     TO_STARTTLS "S: $tag OK go\nS: * CAPABILITY IMAP4rev1 AUTH=PLAIN\n"
                 "S: 2 OK done\nE\n",
     NULL, NULL},
    {"starttls: an octet behind OK", IMAP_TLS_STARTTLS, IMAPFS_ERROR_PROTOCOL,
     TO_STARTTLS "S> $tag OK go\\r\\n*\nE\n", NULL, NULL},
    {"starttls: an alert behind OK", IMAP_TLS_STARTTLS, IMAPFS_ERROR_PROTOCOL,
     TO_STARTTLS "S: $tag OK go\nS: * OK [ALERT] call 555 1234\nE\n", NULL,
     NULL},
    {"starttls: BYE behind OK", IMAP_TLS_STARTTLS, IMAPFS_ERROR_PROTOCOL,
     TO_STARTTLS "S: $tag OK go\nS: * BYE\nE\n", NULL, NULL},
    {"starttls: half a record of TLS behind OK", IMAP_TLS_STARTTLS,
     IMAPFS_ERROR_PROTOCOL,
     TO_STARTTLS "S> $tag OK go\\r\\n\\026\\003\\003\nE\n", NULL, NULL},
    {"starttls: a line in two halves behind OK", IMAP_TLS_STARTTLS,
     IMAPFS_ERROR_PROTOCOL, TO_STARTTLS "S> $tag OK go\\r\\n* CAPA\nW: 1\nE\n",
     NULL, NULL},
    {"starttls: wrong host", IMAP_TLS_STARTTLS, IMAPFS_ERROR_PROTOCOL,
     TO_STARTTLS "S: $tag OK go\nTLS wrong-host\nE\n", NULL, NULL},
    {"starttls: self-signed", IMAP_TLS_STARTTLS, IMAPFS_ERROR_PROTOCOL,
     TO_STARTTLS "S: $tag OK go\nTLS self-signed\nE\n", NULL, NULL},
    {"starttls: unknown authority", IMAP_TLS_STARTTLS, IMAPFS_ERROR_PROTOCOL,
     TO_STARTTLS "S: $tag OK go\nTLS unknown-authority\nE\n", NULL, NULL},
    {"starttls: expired", IMAP_TLS_STARTTLS, IMAPFS_ERROR_PROTOCOL,
     TO_STARTTLS "S: $tag OK go\nTLS expired\nE\n", NULL, NULL},
};

static void
play_door(const DoorRow *row, guint segment)
{
    g_autoptr(Scene) scene = scene_new(row->security);

    if (row->password != NULL)
        scene->login.password = (char *)row->password;
    script_add(scene->script, row->scenario);
    script_segment(scene->script, segment);
    scene_dial(scene);
    script_run(scene->script,
               row->result == READY ? &scene->ready : &scene->closed,
               5 * MINUTE);
    if (row->security != IMAP_TLS_NONE)
        assert_no_secret_in_clear(scene);
    assert_string_equal(scene->events->str, "");
    assert_int_equal(script_dials(scene->script), 1);
    if (row->result == READY) {
        if (!scene->ready)
            fail_msg("not ready: %s",
                     scene->error ? scene->error->message : "it waits");
        assert_false(scene->closed);
        assert_true(imap_stream_is_tls(imap_session_stream(scene->session)) ==
                    (row->security != IMAP_TLS_NONE));
        if (row->capabilities != NULL) {
            g_autofree char *text = imap_capabilities_text(
                imap_session_capabilities(scene->session));
            g_autofree char *wanted =
                imap_capabilities_text(imap_capabilities_parse(
                    (ImapSlice){row->capabilities, strlen(row->capabilities)}));
            assert_string_equal(text, wanted);
        }
    } else {
        assert_false(scene->ready);
        assert_closed(scene, (ImapfsError)row->result);
        scene_wait(scene, 10 * MINUTE); /* nothing follows */
    }
    assert_over(scene);
}

static void
test_door(void **state)
{
    play_door(*state, 0);
}

/* The same with each octet on its own.  What is about segments is left out. */
static void
test_door_octets(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(door_table); i++) {
        if (door_table[i].result == READY)
            play_door(&door_table[i], 1);
    }
}

/* Whatever is said before TLS leaves no trace. */
static void
test_tampering(void **state)
{
    static const char *const lines[] = {
        "* LIST () \"/\" 7XiYhgS7",
        "* LSUB () \"/\" 7XiYhgS7",
        "* STATUS other (MESSAGES 3 UIDNEXT 9)",
        "* STATUS INBOX (MESSAGES 2 UIDVALIDITY 718005)",
        "* SEARCH 1 2 3 4 5",
        "* FLAGS (\\Flagged)",
        "* 54321 EXISTS",
        "* 12345 RECENT",
        "* 1 EXPUNGE",
        "* VANISHED 1:4294967295",
        "* 1 FETCH (UID 1 BODY[] \"From: Injected\")",
        "* OK [REFERRAL imaps://evil.example.org/] go there",
        "* OK [UIDVALIDITY 5] x",
        "* NAMESPACE ((\"evil/\" \"/\")) NIL NIL",
        "* CAPABILITY IMAP4rev1 LOGINDISABLED OBJECTID COMPRESS=DEFLATE",
        "* OK [CAPABILITY IMAP4rev1 LOGINDISABLED OBJECTID] x",
        "* OK [ALERT] call 555 1234",
        "* NO [ALERT] call 555 1234",
        "* BAD [ALERT] call 555 1234",
        "* PREAUTH in",
        "garbage",
    };
    (void)state;

    for (guint i = 0; i < 2 * G_N_ELEMENTS(lines); i++) {
        g_autoptr(Scene) scene = scene_new(IMAP_TLS_STARTTLS);
        gboolean early = i < G_N_ELEMENTS(lines);
        const char *line = lines[i % G_N_ELEMENTS(lines)];

        script_add_format(scene->script,
                          "S: * OK hi\n%s%s\nC: $tag STARTTLS\n%s%s\n"
                          "S: $tag OK go\nTLS\n" PLAIN_IN_TLS,
                          early ? "S: " : "", early ? line : "",
                          early ? "" : "S: ", early ? "" : line);
        scene_dial(scene);
        script_run(scene->script, &scene->ready, 5 * MINUTE);
        assert_string_equal(scene->events->str, "");
        assert_no_secret_in_clear(scene);
        if (!scene->ready) {
            /* To take offence is as good. */
            if (!scene->closed)
                fail_msg("%s: neither ready nor closed", line);
            assert_closed(scene, IMAPFS_ERROR_PROTOCOL);
            continue;
        }
        assert_int_equal(imap_session_capabilities(scene->session),
                         IMAP_CAP_IMAP4REV1 | IMAP_CAP_NAMESPACE);
        scene_wait(scene, 10 * CLOCK_MILLISECOND);
        assert_string_equal(scene->events->str, "");
        assert_over(scene);
    }
}

static void
test_much_behind_starttls(void **state)
{
    static const gsize sizes[] = {1000, 64 << 10, (64 << 10) - 20, 100000};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(Scene) scene = scene_new(IMAP_TLS_STARTTLS);
        g_autofree char *text = g_strnfill(sizes[i], 'x');
        script_add_format(scene->script,
                          TO_STARTTLS "S> $tag OK go\\r\\n%s\nE\n", text);
        scene_dial(scene);
        script_run(scene->script, &scene->closed, 5 * MINUTE);
        assert_closed(scene, IMAPFS_ERROR_PROTOCOL);
        assert_no_secret_in_clear(scene);
    }
}

/* Filled up so that the OK ends where a read of the client ends. */
static void
test_starttls_at_end_of_read(void **state)
{
    (void)state;
    for (gsize fill = (64 << 10) - 40; fill < (64 << 10) + 8; fill++) {
        g_autoptr(Scene) scene = scene_new(IMAP_TLS_STARTTLS);
        g_autofree char *text = g_strnfill(fill, 'x');
        script_add_format(scene->script,
                          TO_STARTTLS "S: * OK %s\nS: $tag OK go\n"
                                      "S: * CAPABILITY IMAP4rev1\nE\n",
                          text);
        scene_dial(scene);
        script_run(scene->script, &scene->closed, 5 * MINUTE);
        assert_closed(scene, IMAPFS_ERROR_PROTOCOL);
        assert_no_secret_in_clear(scene);
    }
}

static void
test_address(void **state)
{
    static const struct {
        const char *who;
        gboolean good;
    } rows[] = {{"ip", TRUE}, {"", FALSE}, {"wildcard", FALSE}};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Scene) scene = scene_new(IMAP_TLS_IMPLICIT);
        scene->login.host = (char *)SCRIPT_ADDRESS;
        script_add_format(scene->script, "TLS %s\n%s", rows[i].who,
                          rows[i].good ? "S: * OK hi\n" PLAIN_IN_TLS : "E\n");
        scene_dial(scene);
        script_run(scene->script, rows[i].good ? &scene->ready : &scene->closed,
                   MINUTE);
        assert_true(scene->ready == rows[i].good);
        scene_wait(scene, 10 * CLOCK_MILLISECOND);
        assert_over(scene);
    }
}

/* ---- commands ---- */

static void
test_pipelining(void **state)
{
    g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
    (void)state;

    scene_open(scene,
               LOGGED_IN("") "C: $a NOOP\nC: $b CHECK\nC: $c FOO\n"
                             "S: * 3 EXISTS\nS: $c BAD what\nS: * 1 EXPUNGE\n"
                             "S: $a OK\nS: $b NO\n");
    scene_send(scene, "NOOP");
    scene_send(scene, "CHECK");
    scene_send(scene, "FOO");
    assert_int_equal(imap_session_load(scene->session), 3);
    script_run(scene->script, &scene->all_answered, PATIENCE);
    assert_string_equal(scene->answers->str, "FOO:BAD NOOP:OK CHECK:NO ");
    assert_string_equal(scene->events->str, "EXISTS EXPUNGE ");
    assert_int_equal(imap_session_load(scene->session), 0);
    assert_false(scene->closed);
}

static ImapCommand *
examine(const char *mailbox)
{
    ImapCommand *command = imap_command_new("EXAMINE ");
    imap_command_add_string(command, mailbox);
    imap_command_add(command, " (X)");
    return command;
}

/* What follows a literal must wait until the server has asked for it. */
static void
test_literal(void **state)
{
    g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
    (void)state;

    scene_open(
        scene,
        LOGGED_IN(
            "") "C: $a NOOP\nC: $b EXAMINE {2}\nW: 100\nS: $a OK\nW: 100\n"
                "S: * 3 EXISTS\nS: + go\nC: \303\244 (X)\nC: $c CHECK\n"
                "S: $c OK\nS: $b OK\n");
    scene_send(scene, "NOOP");
    scene_send_command(scene, "EXAMINE", examine("\303\244"));
    scene_send(scene, "CHECK");
    script_run(scene->script, &scene->all_answered, PATIENCE);
    assert_string_equal(scene->answers->str, "NOOP:OK CHECK:OK EXAMINE:OK ");
    assert_false(scene->closed);
}

static void
test_literal_refused(void **state)
{
    g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
    (void)state;

    scene_open(scene, LOGGED_IN("") "C: $b EXAMINE {2}\nS: $b NO too long\n"
                                    "C: $c CHECK\nS: $c OK\n");
    scene_send_command(scene, "EXAMINE", examine("\303\244"));
    scene_send(scene, "CHECK");
    script_run(scene->script, &scene->all_answered, PATIENCE);
    assert_string_equal(scene->answers->str, "EXAMINE:NO CHECK:OK ");
}

static void
test_two_literals(void **state)
{
    g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
    (void)state;

    scene_open(
        scene,
        LOGGED_IN("") "C: $a EXAMINE {2}\nS: + \nC: \303\244 (X)\n"
                      "C: $b EXAMINE {2}\nS: $a OK\nS: + \nC: \303\266 (X)\n"
                      "S: $b OK\n");
    scene_send_command(scene, "one", examine("\303\244"));
    scene_send_command(scene, "two", examine("\303\266"));
    script_run(scene->script, &scene->all_answered, PATIENCE);
    assert_string_equal(scene->answers->str, "one:OK two:OK ");
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
        g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
        g_autofree char *scenario =
            g_strconcat(LOGGED_IN(""), "C: $a NOOP\n", lines[i], "\nE\n", NULL);
        scene_open(scene, scenario);
        scene_send(scene, "NOOP");
        script_run(scene->script, &scene->closed, PATIENCE);
        assert_closed(scene, IMAPFS_ERROR_PROTOCOL);
        scene_wait(scene, CLOCK_SECOND);
        assert_over(scene);
    }
}

/* What is no known response is passed over. */
static void
test_unknown_responses(void **state)
{
    g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
    (void)state;

    scene_open(
        scene,
        LOGGED_IN(
            "") "C: $a NOOP\nS: * XYZZY 1 2 3\nS: * 99999999999 EXISTS\n"
                "S: \nS: *\nS: * \nS> \\000\\001\\377\\r\\n\nS: * 1\n"
                "S> * XLITERAL {5}\\r\\n$a OK\\r\\n\nS> * NUL \\000\\r\\n\n"
                "S: $a OK\n");
    scene_send(scene, "NOOP");
    script_run(scene->script, &scene->all_answered, PATIENCE);
    assert_string_equal(scene->answers->str, "NOOP:OK ");
}

static void
test_close_from_events(void **state)
{
    (void)state;
    for (guint i = 0; i < 3; i++) {
        g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
        if (i == 0) {
            scene->close_from_event = TRUE;
            scene_open(scene, LOGGED_IN(" IDLE") "E\n");
        } else {
            scene_open(
                scene,
                i == 1 ? LOGGED_IN(
                             "") "C: $a NOOP\nC: $b NOOP\n"
                                 "S: * 1 EXISTS\nS: * 2 EXISTS\nS: $a OK\nE\n"
                       : LOGGED_IN("") "C: $a NOOP\nC: $b NOOP\n"
                                       "S: $a OK\nS: $b OK\nE\n");
            scene->close_from_event = TRUE;
            scene_send(scene, "NOOP");
            scene_send(scene, "NOOP");
        }
        script_run(scene->script, &scene->closed, PATIENCE);
        assert_closed(scene, IMAPFS_ERROR_OFFLINE);
        scene_wait(scene, 20 * MINUTE);
        assert_over(scene);
    }
}

/* ---- IDLE ---- */

static void
test_idle(void **state)
{
    g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
    (void)state;

    scene_open(
        scene,
        LOGGED_IN(
            " IDLE") "C: $idle IDLE\nS: + idling\nW: 1000\nS: * 4 EXISTS\n"
                     "C: DONE\nS: $idle OK\nC: $a NOOP\nS: $a OK\n"
                     "C: $idle IDLE\nS: + \n");
    scene_wait(scene, 299 * CLOCK_MILLISECOND);
    assert_int_equal(script_count(scene->script, 0, "IDLE"), 0);
    scene_wait(scene, 1 * CLOCK_MILLISECOND);
    assert_int_equal(script_count(scene->script, 0, "IDLE"), 1);
    assert_true(imap_session_is_idling(scene->session));
    assert_int_equal(imap_session_load(scene->session), 0);
    /* Nobody need say anything while idle. */
    scene_wait(scene, 9 * MINUTE);
    assert_false(scene->closed);
    assert_string_equal(scene->events->str, "EXISTS ");
    assert_int_equal(script_count(scene->script, 0, "DONE"), 0);
    scene_send(scene, "NOOP");
    assert_int_equal(imap_session_load(scene->session), 1);
    script_run(scene->script, &scene->all_answered, PATIENCE);
    assert_true(scene->all_answered);
    scene_wait(scene, CLOCK_SECOND);
    assert_int_equal(script_count(scene->script, 0, "IDLE"), 2);
    assert_over(scene);
}

static void
test_idle_renewal(void **state)
{
    g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
    (void)state;

    scene_open(scene,
               LOGGED_IN(" IDLE") "C: $a IDLE\nS: + \nC: DONE\nS: $a OK\n"
                                  "C: $b IDLE\nS: + \nC: DONE\nS: $b OK\n"
                                  "C: $c IDLE\nS: + \n");
    scene_wait(scene, CLOCK_SECOND);
    scene_wait(scene, 9 * MINUTE + 25 * CLOCK_SECOND);
    assert_int_equal(script_count(scene->script, 0, "DONE"), 0);
    scene_wait(scene, 5 * CLOCK_SECOND);
    assert_int_equal(script_count(scene->script, 0, "DONE"), 1);
    assert_int_equal(script_count(scene->script, 0, "IDLE"), 2);
    scene_wait(scene, 10 * MINUTE);
    assert_int_equal(script_count(scene->script, 0, "DONE"), 2);
    assert_false(scene->closed);
    assert_over(scene);
}

/* A command that comes between IDLE and its "+". */
static void
test_idle_crossed(void **state)
{
    g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
    (void)state;

    scene_open(
        scene,
        LOGGED_IN(" IDLE") "C: $idle IDLE\nW: 1000\nS: + \nC: DONE\nW: 1000\n"
                           "S: $idle OK\nC: $a NOOP\nS: $a OK\n");
    scene_wait(scene, 500 * CLOCK_MILLISECOND);
    scene_send(scene, "NOOP");
    assert_int_equal(imap_session_load(scene->session), 1);
    scene_wait(scene, 500 * CLOCK_MILLISECOND);
    assert_int_equal(script_count(scene->script, 0, "DONE"), 0);
    assert_int_equal(script_count(scene->script, 0, "NOOP"), 0);
    script_run(scene->script, &scene->all_answered, PATIENCE);
    assert_string_equal(scene->answers->str, "NOOP:OK ");
}

static void
test_idle_refused(void **state)
{
    static const char *const answers[] = {"NO", "BAD"};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(answers); i++) {
        g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
        g_autofree char *scenario = g_strdup_printf(
            LOGGED_IN(" IDLE") "C: $a IDLE\nS: $a %s\nC: $a NOOP\nS: $a OK\n"
                               "C: $a NOOP\nS: * 3 EXISTS\nS: $a OK\n",
            answers[i]);
        scene_open(scene, scenario);
        scene_wait(scene, 10 * CLOCK_SECOND);
        assert_int_equal(script_count(scene->script, 0, "NOOP"), 0);
        scene_wait(scene, 60 * CLOCK_SECOND);
        assert_int_equal(script_count(scene->script, 0, "NOOP"), 1);
        scene_wait(scene, 60 * CLOCK_SECOND);
        assert_int_equal(script_count(scene->script, 0, "NOOP"), 2);
        assert_int_equal(script_count(scene->script, 0, "IDLE"), 1);
        assert_string_equal(scene->events->str, "EXISTS ");
        assert_false(scene->closed);
        assert_over(scene);
    }
}

static void
test_idle_ended_by_server(void **state)
{
    g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
    (void)state;

    scene_open(
        scene,
        LOGGED_IN(" IDLE") "C: $a IDLE\nS: + \nW: 5000\nS: $a OK enough\n"
                           "C: $b IDLE\nS: + \nC: DONE\nS: $b OK\nC: $c "
                           "NOOP\nS: $c OK\n");
    scene_wait(scene, 10 * CLOCK_SECOND);
    scene_send(scene, "NOOP");
    script_run(scene->script, &scene->all_answered, PATIENCE);
    assert_true(scene->all_answered);
    assert_over(scene);
}

static void
test_no_idle(void **state)
{
    g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
    (void)state;

    scene_open(scene, LOGGED_IN("") "C: $a NOOP\nS: $a OK\n"
                                    "C: $a NOOP\nS: $a OK\n");
    scene_wait(scene, 2 * MINUTE + CLOCK_SECOND);
    assert_int_equal(script_count(scene->script, 0, "NOOP"), 2);
    assert_over(scene);
}

/* ---- patience ---- */

static void
test_silence(void **state)
{
    g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
    gint64 asked;
    (void)state;

    scene_open(scene, LOGGED_IN("") "C: $a NOOP\nE\n");
    scene_wait(scene, 20 * CLOCK_SECOND);
    scene_send(scene, "NOOP");
    asked = clock_now(scene->clock);
    script_run(scene->script, &scene->closed, 5 * MINUTE);
    assert_closed(scene, IMAPFS_ERROR_OFFLINE);
    assert_int_equal(scene->closed_at - asked, PATIENCE);
    assert_string_equal(scene->answers->str, "NOOP:- ");
}

/* However long ago the one before was, a command gets its whole time. */
static void
test_patience_is_whole(void **state)
{
    (void)state;
    for (gint64 pause = 1; pause < 31; pause += 2) {
        g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
        scene_open(scene, LOGGED_IN("") "C: $a NOOP\nS: $a OK\n"
                                        "C: $b NOOP\nW: 25000\nS: $b OK\n");
        scene_send(scene, "NOOP");
        scene_wait(scene, pause * CLOCK_SECOND);
        scene_send(scene, "NOOP");
        script_run(scene->script, &scene->all_answered, MINUTE);
        if (strcmp(scene->answers->str, "NOOP:OK NOOP:OK ") != 0)
            fail_msg("after %d s of rest a command that takes 25 s: %s",
                     (int)pause, scene->answers->str);
    }
}

/* The same when the pause was spent in IDLE. */
static void
test_patience_after_idle(void **state)
{
    (void)state;
    for (gint64 pause = 1; pause < 62; pause += 3) {
        g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
        scene_open(scene,
                   LOGGED_IN(" IDLE") "C: $i IDLE\nS: + \nC: DONE\nW: 20000\n"
                                      "S: $i OK\nC: $b NOOP\nW: 25000\n"
                                      "S: $b OK\n");
        scene_wait(scene, pause * CLOCK_SECOND);
        scene_send(scene, "NOOP");
        script_run(scene->script, &scene->all_answered, MINUTE);
        if (strcmp(scene->answers->str, "NOOP:OK ") != 0)
            fail_msg("after %d s of IDLE: %s", (int)pause, scene->answers->str);
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
        g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
        g_autoptr(GString) scenario =
            g_string_new(LOGGED_IN("") "C: $a NOOP\n");
        g_autofree char *filler = g_strnfill(rows[i].filler, '.');
        for (guint time = 0; time < 40000; time += rows[i].every)
            g_string_append_printf(scenario, "W: %u\nS: * OK Still here%s\n",
                                   rows[i].every, filler);
        scene_open(scene, scenario->str);
        scene_send(scene, "NOOP");
        /* Nothing need be read of what comes after that. */
        script_run(scene->script, &scene->closed, PATIENCE + 5 * CLOCK_SECOND);
        if (!scene->closed)
            fail_msg("a line of %u octets every %u ms keeps a server alive",
                     rows[i].filler + 17, rows[i].every);
    }
}

static void
test_in_progress(void **state)
{
    g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
    (void)state;

    scene_open(
        scene,
        LOGGED_IN(
            "") "C: $a NOOP\nW: 20000\nS: * OK [INPROGRESS (\"x\" 1 3)] x\n"
                "W: 20000\nS: * 1 FETCH (UID 1)\nW: 20000\nS: $a OK\n");
    scene_send(scene, "NOOP");
    script_run(scene->script, &scene->all_answered, 5 * MINUTE);
    assert_string_equal(scene->answers->str, "NOOP:OK ");
}

static void
test_slow_literal(void **state)
{
    g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
    g_autofree char *scenario = NULL;
    g_autofree char *body = g_strnfill(200, 'x');
    (void)state;

    scenario = g_strdup_printf(
        LOGGED_IN("") "C: $a NOOP\nS: * 1 FETCH (BODY[] {1000}\nD: 1000 %s\n",
        body);
    scene_open(scene, scenario);
    scene_send(scene, "NOOP");
    script_run(scene->script, &scene->closed, PATIENCE + CLOCK_SECOND);
    assert_closed(scene, IMAPFS_ERROR_OFFLINE);
    assert_string_equal(scene->events->str, "");
}

/* A slow wire that does bring something is not given up. */
static void
test_slow_but_steady(void **state)
{
    g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
    g_autoptr(GString) scenario = g_string_new(LOGGED_IN("") "C: $a NOOP\n");
    g_autofree char *chunk = g_strnfill(5000, 'x');
    (void)state;

    g_string_append(scenario, "S: * 1 FETCH (BODY[] {50000}\n");
    for (guint i = 0; i < 10; i++)
        g_string_append_printf(scenario, "W: 10000\nS> %s\n", chunk);
    g_string_append(scenario, "S: )\nS: $a OK\n");
    scene_open(scene, scenario->str);
    scene_send(scene, "NOOP");
    script_run(scene->script, &scene->all_answered, 5 * MINUTE);
    assert_string_equal(scene->answers->str, "NOOP:OK ");
    assert_string_equal(scene->events->str, "FETCH ");
}

static void
test_idle_never_answered(void **state)
{
    g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
    (void)state;

    scene_open(scene, LOGGED_IN(" IDLE") "C: $a IDLE\nE\n");
    script_run(scene->script, &scene->closed, MINUTE);
    assert_closed(scene, IMAPFS_ERROR_OFFLINE);
}

static void
test_done_never_answered(void **state)
{
    g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
    (void)state;

    scene_open(scene, LOGGED_IN(" IDLE") "C: $a IDLE\nS: + \nC: DONE\nE\n");
    scene_wait(scene, 5 * MINUTE);
    assert_false(scene->closed);
    scene_send(scene, "NOOP");
    script_run(scene->script, &scene->closed, MINUTE);
    assert_closed(scene, IMAPFS_ERROR_OFFLINE);
}

/* ---- cut ---- */

#define CONVERSATION                                                         \
    "C: $a NOOP\nC: $b EXAMINE {2}\nS: * 3 EXISTS\nS: $a OK\nS: + go\n"      \
    "C: \303\244 (X)\nC: $c CHECK\nS: * 1 FETCH (UID 1 BODY[] {5}\nS> hel\n" \
    "S> lo)\\r\\n\nS: $c OK\nS: * 1 EXPUNGE\nS: $b OK\n"                     \
    "C: $idle IDLE\nS: + \nC: DONE\nS: * 4 EXISTS\nS: $idle OK\n"            \
    "C: $d FOO\nS: * OK [ALERT] x\nS: $d BAD\n"

static void
send_three(Scene *scene)
{
    scene_send(scene, "NOOP");
    scene_send_command(scene, "EXAMINE", examine("\303\244"));
    scene_send(scene, "CHECK");
}

/* Plays it as far as it goes. */
static void
converse(Scene *scene)
{
    scene->when_ready = send_three;
    scene_dial(scene);
    script_run(scene->script, &scene->closed, CLOCK_SECOND);
    if (!scene->closed) {
        scene_send(scene, "FOO");
        script_run(scene->script, &scene->closed, MINUTE);
    }
}

static void
test_cut_everywhere(void **state)
{
    gint64 whole = 0;
    (void)state;

    for (gint64 cut = -1; cut <= whole; cut++) {
        g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
        script_cut_after(scene->script, cut);
        script_add(scene->script, LOGGED_IN(" IDLE") CONVERSATION "X\n");
        converse(scene);
        assert_closed(scene, IMAPFS_ERROR_OFFLINE);
        if (cut < 0)
            whole = (gint64)script_octets_sent(scene->script, 0);
        if (cut < 0 || cut == whole)
            assert_string_equal(scene->answers->str,
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
        g_autoptr(Scene) scene = scene_new(IMAP_TLS_IMPLICIT);
        script_cut_after(scene->script, cut);
        script_add(scene->script,
                   "TLS\n" LOGGED_IN(" IDLE") CONVERSATION "X\n");
        converse(scene);
        assert_closed(scene, IMAPFS_ERROR_OFFLINE);
        if (cut < 0)
            whole = (gint64)script_octets_sent(scene->script, 0);
    }
}

/* The server takes its leave instead of each of its lines in turn. */
static void
test_bye_everywhere(void **state)
{
    g_auto(GStrv) steps = g_strsplit(LOGGED_IN(" IDLE") CONVERSATION, "\n", -1);
    (void)state;

    for (guint i = 0; steps[i] != NULL; i++) {
        g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
        g_autoptr(GString) scenario = g_string_new(NULL);
        gboolean in_literal =
            g_str_has_prefix(steps[i], "S> "); /* no place for a BYE */
        if (steps[i][0] != 'S' || in_literal)
            continue;
        for (guint k = 0; k < i; k++)
            g_string_append_printf(scenario, "%s\n", steps[k]);
        g_string_append(scenario, "S: * BYE shutting down\nX\n");
        script_add(scene->script, scenario->str);
        converse(scene);
        assert_closed(scene, IMAPFS_ERROR_OFFLINE);
    }
}

static void
test_reset(void **state)
{
    g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
    (void)state;

    scene_open(scene, LOGGED_IN("") "C: $a NOOP\nX!\n");
    scene_send(scene, "NOOP");
    script_run(scene->script, &scene->closed, CLOCK_SECOND);
    assert_closed(scene, IMAPFS_ERROR_OFFLINE);
    assert_string_equal(scene->answers->str, "NOOP:- ");
}

/* Octet by octet it is the same conversation. */
static void
test_segments(void **state)
{
    (void)state;
    for (guint segment = 1; segment < 40; segment++) {
        g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
        script_segment(scene->script, segment);
        script_add(scene->script, LOGGED_IN(" IDLE") CONVERSATION "X\n");
        converse(scene);
        assert_string_equal(scene->answers->str,
                            "NOOP:OK CHECK:OK EXAMINE:OK FOO:BAD ");
        assert_string_equal(scene->events->str,
                            "EXISTS FETCH EXPUNGE EXISTS OK ");
    }
}

/* ---- COMPRESS ---- */

static void
test_compress(void **state)
{
    (void)state;
    for (guint tls = 0; tls < 2; tls++) {
        g_autoptr(Scene) scene =
            scene_new(tls ? IMAP_TLS_IMPLICIT : IMAP_TLS_NONE);
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
        scene_open(scene, scenario->str);
        imap_session_compress(scene->session);
        scene_wait(scene, CLOCK_SECOND);
        assert_true(imap_session_is_idling(scene->session));
        scene_send(scene, "NOOP");
        script_run(scene->script, &scene->all_answered, PATIENCE);
        assert_string_equal(scene->answers->str, "NOOP:OK ");
        assert_string_equal(scene->events->str, "FETCH ");
        assert_true(imap_stream_octets_in(imap_session_stream(scene->session)) <
                    10000);
        assert_over(scene);
    }
}

static void
test_compress_refused(void **state)
{
    g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
    (void)state;

    scene_open(
        scene,
        LOGGED_IN(" IDLE COMPRESS=DEFLATE") "C: $z COMPRESS DEFLATE\nS: $z "
                                            "NO\nC: $i IDLE\nS: + \n");
    imap_session_compress(scene->session);
    scene_wait(scene, 5 * CLOCK_SECOND);
    assert_true(imap_session_is_idling(scene->session));
    assert_false(scene->closed);
    assert_over(scene);
}

/* A command meanwhile has to wait, or it would be read as deflated. */
static void
test_compress_crossed(void **state)
{
    g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
    (void)state;

    scene_open(scene,
               LOGGED_IN(" COMPRESS=DEFLATE IDLE") "C: $z COMPRESS DEFLATE\nW: "
                                                   "2000\nS: $z OK\nDEFLATE\n"
                                                   "C: $a NOOP\nS: $a OK\n");
    imap_session_compress(scene->session);
    scene_wait(scene, CLOCK_SECOND);
    scene_send(scene, "NOOP");
    script_run(scene->script, &scene->all_answered, PATIENCE);
    assert_string_equal(scene->answers->str, "NOOP:OK ");
}

static void
test_data_behind_compress(void **state)
{
    static const char *const steps[] = {"S: $z OK\nS: * 7 EXISTS",
                                        "S> $z OK\\r\\nx"};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
        g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
        g_autofree char *scenario =
            g_strconcat(LOGGED_IN(" COMPRESS=DEFLATE IDLE"),
                        "C: $z COMPRESS DEFLATE\n", steps[i], "\nE\n", NULL);
        scene_open(scene, scenario);
        imap_session_compress(scene->session);
        script_run(scene->script, &scene->closed, PATIENCE);
        assert_closed(scene, IMAPFS_ERROR_PROTOCOL);
        assert_string_equal(scene->events->str, "");
    }
}

static void
test_damaged_deflate(void **state)
{
    g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
    (void)state;

    scene_open(
        scene,
        LOGGED_IN(
            " COMPRESS=DEFLATE IDLE") "C: $z COMPRESS DEFLATE\nS: $z OK\nW: "
                                      "10\n"
                                      "S> \\377\\377\\377\\377 garbage\nE\n");
    imap_session_compress(scene->session);
    script_run(scene->script, &scene->closed, PATIENCE);
    assert_closed(scene, IMAPFS_ERROR_PROTOCOL);
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
        g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
        g_autofree char *scenario =
            g_strconcat(LOGGED_IN(" IDLE"), rows[i].scenario, NULL);
        scene_open(scene, scenario);
        scene_wait(scene, rows[i].before * CLOCK_MILLISECOND);
        imap_session_logout(scene->session);
        script_run(scene->script, &scene->closed,
                   rows[i].within * CLOCK_MILLISECOND);
        if (!scene->closed)
            fail_msg("%s: not closed within %d ms", rows[i].name,
                     (int)rows[i].within);
        scene_wait(scene, 10 * CLOCK_MILLISECOND);
        assert_over(scene);
    }
}

static void
test_logout_before_login(void **state)
{
    g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
    (void)state;

    script_add(scene->script, "S: * OK [CAPABILITY IMAP4rev1] x\nC: $a *\nE\n");
    scene_dial(scene);
    scene_wait(scene, CLOCK_SECOND);
    imap_session_logout(scene->session);
    assert_true(scene->closed);
    scene_wait(scene, CLOCK_SECOND);
    assert_over(scene);
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
        g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
        g_autoptr(GString) log = g_string_new(NULL);
        GLogFunc before = g_log_set_default_handler(catch_log, log);
        scene->login.trace = TRUE;
        script_add(scene->script, scenarios[i]);
        scene_dial(scene);
        scene_wait(scene, CLOCK_SECOND);
        g_log_set_default_handler(before, NULL);
        assert_over(scene);
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
    g_autoptr(Scene) scene = scene_new(IMAP_TLS_NONE);
    g_autoptr(GString) log = g_string_new(NULL);
    GLogFunc before = g_log_set_default_handler(catch_log, log);
    (void)state;

    scene->login.trace = TRUE;
    scene->login.password = (char *)"s\303\251same";
    script_add(scene->script, LITERAL_LOGIN
               "S: + go\nC: s\303\251same\nS: $tag OK [CAPABILITY X] in\n");
    scene_dial(scene);
    script_run(scene->script, &scene->ready, CLOCK_SECOND);
    g_log_set_default_handler(before, NULL);
    assert_true(scene->ready);
    assert_null(strstr(log->str, "same"));
}

/* ---- */

int
main(void)
{
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(test_door_octets),
        cmocka_unit_test(test_tampering),
        cmocka_unit_test(test_much_behind_starttls),
        cmocka_unit_test(test_starttls_at_end_of_read),
        cmocka_unit_test(test_address),
        cmocka_unit_test(test_pipelining),
        cmocka_unit_test(test_literal),
        cmocka_unit_test(test_literal_refused),
        cmocka_unit_test(test_two_literals),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_unknown_responses),
        cmocka_unit_test(test_close_from_events),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_idle_renewal),
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
    struct CMUnitTest tests[G_N_ELEMENTS(door_table) + G_N_ELEMENTS(others)];
    guint n = 0;

    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING |
                           G_LOG_FATAL_MASK);
    for (guint i = 0; i < G_N_ELEMENTS(door_table); i++)
        tests[n++] = (struct CMUnitTest){door_table[i].name, test_door, NULL,
                                         NULL, (void *)&door_table[i]};
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        tests[n++] = others[i];
    return cmocka_run_group_tests(tests, NULL, NULL);
}

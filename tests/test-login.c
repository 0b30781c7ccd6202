/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The way in, until commands may be sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "talk.h"

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

#define PLAIN_IN_TLS                                 \
    "C: $tag CAPABILITY\n"                           \
    "S: * CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\n" \
    "S: $tag OK\n"                                   \
    "C: $tag AUTHENTICATE PLAIN " RESPONSE "\n"      \
    "S: $tag OK [CAPABILITY IMAP4rev1 NAMESPACE] hello\n"

#define TO_STARTTLS "S: * OK hi\nC: $tag STARTTLS\n"
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
    g_autoptr(Talk) talk = talk_new(row->security);

    if (row->password != NULL)
        talk->login.password = (char *)row->password;
    script_add(talk->script, row->scenario);
    script_segment(talk->script, segment);
    talk_dial(talk);
    script_run(talk->script,
               row->result == READY ? &talk->ready : &talk->closed, 5 * MINUTE);
    if (row->security != IMAP_TLS_NONE)
        talk_assert_no_secret_in_clear(talk);
    assert_string_equal(talk->events->str, "");
    assert_int_equal(script_dials(talk->script), 1);
    if (row->result == READY) {
        if (!talk->ready)
            fail_msg("not ready: %s",
                     talk->error ? talk->error->message : "it waits");
        assert_false(talk->closed);
        assert_true(imap_stream_is_tls(imap_session_stream(talk->session)) ==
                    (row->security != IMAP_TLS_NONE));
        if (row->capabilities != NULL) {
            g_autofree char *text = imap_capabilities_text(
                imap_session_capabilities(talk->session));
            g_autofree char *wanted =
                imap_capabilities_text(imap_capabilities_parse(
                    (ImapSlice){row->capabilities, strlen(row->capabilities)}));
            assert_string_equal(text, wanted);
        }
    } else {
        assert_false(talk->ready);
        talk_assert_closed(talk, (ImapfsError)row->result);
        talk_wait(talk, 10 * MINUTE); /* nothing follows */
    }
    talk_assert_over(talk);
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
        g_autoptr(Talk) talk = talk_new(IMAP_TLS_STARTTLS);
        gboolean early = i < G_N_ELEMENTS(lines);
        const char *line = lines[i % G_N_ELEMENTS(lines)];

        script_add_format(talk->script,
                          "S: * OK hi\n%s%s\nC: $tag STARTTLS\n%s%s\n"
                          "S: $tag OK go\nTLS\n" PLAIN_IN_TLS,
                          early ? "S: " : "", early ? line : "",
                          early ? "" : "S: ", early ? "" : line);
        talk_dial(talk);
        script_run(talk->script, &talk->ready, 5 * MINUTE);
        assert_string_equal(talk->events->str, "");
        talk_assert_no_secret_in_clear(talk);
        if (!talk->ready) {
            /* To take offence is as good. */
            if (!talk->closed)
                fail_msg("%s: neither ready nor closed", line);
            talk_assert_closed(talk, IMAPFS_ERROR_PROTOCOL);
            continue;
        }
        assert_int_equal(imap_session_capabilities(talk->session),
                         IMAP_CAP_IMAP4REV1 | IMAP_CAP_NAMESPACE);
        talk_wait(talk, 10 * CLOCK_MILLISECOND);
        assert_string_equal(talk->events->str, "");
        talk_assert_over(talk);
    }
}

static void
test_much_behind_starttls(void **state)
{
    static const gsize sizes[] = {1000, 64 << 10, (64 << 10) - 20, 100000};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(Talk) talk = talk_new(IMAP_TLS_STARTTLS);
        g_autofree char *text = g_strnfill(sizes[i], 'x');
        script_add_format(talk->script,
                          TO_STARTTLS "S> $tag OK go\\r\\n%s\nE\n", text);
        talk_dial(talk);
        script_run(talk->script, &talk->closed, 5 * MINUTE);
        talk_assert_closed(talk, IMAPFS_ERROR_PROTOCOL);
        talk_assert_no_secret_in_clear(talk);
    }
}

/* Filled up so that the OK ends where a read of the client ends. */
static void
test_starttls_at_end_of_read(void **state)
{
    (void)state;
    for (gsize fill = (64 << 10) - 40; fill < (64 << 10) + 8; fill++) {
        g_autoptr(Talk) talk = talk_new(IMAP_TLS_STARTTLS);
        g_autofree char *text = g_strnfill(fill, 'x');
        script_add_format(talk->script,
                          TO_STARTTLS "S: * OK %s\nS: $tag OK go\n"
                                      "S: * CAPABILITY IMAP4rev1\nE\n",
                          text);
        talk_dial(talk);
        script_run(talk->script, &talk->closed, 5 * MINUTE);
        talk_assert_closed(talk, IMAPFS_ERROR_PROTOCOL);
        talk_assert_no_secret_in_clear(talk);
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
        g_autoptr(Talk) talk = talk_new(IMAP_TLS_IMPLICIT);
        talk->login.host = (char *)SCRIPT_ADDRESS;
        script_add_format(talk->script, "TLS %s\n%s", rows[i].who,
                          rows[i].good ? "S: * OK hi\n" PLAIN_IN_TLS : "E\n");
        talk_dial(talk);
        script_run(talk->script, rows[i].good ? &talk->ready : &talk->closed,
                   MINUTE);
        assert_true(talk->ready == rows[i].good);
        talk_wait(talk, 10 * CLOCK_MILLISECOND);
        talk_assert_over(talk);
    }
}

int
main(void)
{
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(test_door_octets),
        cmocka_unit_test(test_tampering),
        cmocka_unit_test(test_much_behind_starttls),
        cmocka_unit_test(test_starttls_at_end_of_read),
        cmocka_unit_test(test_address),
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

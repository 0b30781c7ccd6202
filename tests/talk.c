/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "talk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { START = 1700000000 };

Talk *
talk_new(ImapSecurity security)
{
    Talk *talk = g_new0(Talk, 1);

    talk->clock = clock_new_virtual(START);
    talk->script = script_new(talk->clock);
    talk->tls = script_tls();
    talk->login = (ImapLogin){
        .host = (char *)SCRIPT_HOST,
        .port = 143,
        .security = security,
        .tls = security == IMAP_TLS_NONE ? NULL : talk->tls,
        .user = (char *)USER,
        .password = (char *)PASSWORD,
        .patience = TALK_PATIENCE,
    };
    talk->events = g_string_new(NULL);
    talk->answers = g_string_new(NULL);
    talk->orders = g_ptr_array_new_with_free_func(g_free);
    return talk;
}

void
talk_free(Talk *talk)
{
    if (talk->session != NULL) {
        imap_session_close(talk->session, NULL);
        imap_session_unref(talk->session);
        assert_int_equal(talk->n_closed, 1);
        for (guint i = 0; i < talk->orders->len; i++) {
            const Order *order = g_ptr_array_index(talk->orders, i);
            if (order->answers != 1)
                fail_msg("%s was told %u times how it went", order->name,
                         order->answers);
        }
    }
    script_free(talk->script);
    imap_tls_free(talk->tls);
    g_clear_error(&talk->error);
    g_string_free(talk->events, TRUE);
    g_string_free(talk->answers, TRUE);
    g_ptr_array_unref(talk->orders);
    clock_free(talk->clock);
    g_free(talk);
}

static void
on_ready(ImapSession *session, gpointer data)
{
    Talk *talk = data;
    assert_false(talk->ready);
    talk->ready = TRUE;
    if (talk->close_from_event)
        imap_session_close(session, NULL);
    else if (talk->when_ready != NULL)
        talk->when_ready(talk);
}

static void
on_untagged(ImapSession *session, const ImapResponse *response, gpointer data)
{
    Talk *talk = data;
    static const char *const names[] = {
        "OTHER",   "CONTINUE",   "OK",       "NO",        "BAD",    "BYE",
        "PREAUTH", "CAPABILITY", "ENABLED",  "NAMESPACE", "LIST",   "STATUS",
        "EXISTS",  "EXPUNGE",    "VANISHED", "SEARCH",    "THREAD", "FETCH"};
    g_string_append_printf(talk->events, "%s ", names[response->kind]);
    if (talk->close_from_event)
        imap_session_close(session, NULL);
}

static void
on_settled(ImapSession *session, gpointer data)
{
    Talk *talk = data;
    (void)session;
    talk->settled++;
}

static void
on_closed(ImapSession *session, const GError *error, gpointer data)
{
    Talk *talk = data;
    (void)session;
    assert_non_null(error);
    talk->n_closed++;
    talk->closed = TRUE;
    talk->closed_at = clock_now(talk->clock);
    g_clear_error(&talk->error);
    talk->error = g_error_copy(error);
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
    Talk *talk = data;
    assert_null(error);
    talk->session =
        imap_session_new(stream, &talk->login, talk->clock, &events, talk);
    imap_session_start(talk->session);
}

void
talk_dial(Talk *talk)
{
    ImapDialer dialer = script_dialer(talk->script);
    dialer.dial(dialer.dialer, NULL, on_dialed, talk);
}

static void
on_done(ImapSession *session, const ImapResponse *answer, const GError *error,
        gpointer data)
{
    Order *order = data;
    Talk *talk = order->talk;

    assert_ptr_equal(session, talk->session);
    assert_true((answer == NULL) == (error != NULL));
    order->answers++;
    g_string_append_printf(talk->answers, "%s:%s ", order->name,
                           answer == NULL            ? "-"
                           : answer->kind == IMAP_OK ? "OK"
                           : answer->kind == IMAP_NO ? "NO"
                                                     : "BAD");
    talk->unanswered--;
    talk->all_answered = talk->unanswered == 0;
    if (talk->close_from_event && answer != NULL)
        imap_session_close(session, NULL);
}

void
talk_send_command(Talk *talk, const char *name, ImapCommand *command)
{
    Order *order = g_new0(Order, 1);
    order->talk = talk;
    order->name = name;
    g_ptr_array_add(talk->orders, order);
    talk->unanswered++;
    talk->all_answered = FALSE;
    imap_session_send(talk->session, command, on_done, order);
}

void
talk_send(Talk *talk, const char *text)
{
    talk_send_command(talk, text, imap_command_new("%s", text));
}

/* Dials, and logs in. */
void
talk_open(Talk *talk, const char *scenario)
{
    script_add(talk->script, scenario);
    talk_dial(talk);
    script_run(talk->script, &talk->ready, TALK_PATIENCE);
    assert_true(talk->ready);
}

void
talk_wait(Talk *talk, gint64 duration)
{
    script_run(talk->script, NULL, duration);
}

void
talk_assert_over(const Talk *talk)
{
    assert_true(script_is_over(talk->script, 0));
}

void
talk_assert_closed(const Talk *talk, ImapfsError code)
{
    assert_true(talk->closed);
    if (!g_error_matches(talk->error, IMAPFS_ERROR, (int)code))
        fail_msg("closed with %d (%s), wanted %u", talk->error->code,
                 talk->error->message, code);
}

void
talk_assert_no_secret_in_clear(const Talk *talk)
{
    static const char *const words[] = {
        "LOGIN",   "AUTHENTICATE", PASSWORD, RESPONSE,
        "EXAMINE", "SELECT",       "LIST",   USER};
    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        if (script_count_in_clear(talk->script, 0, words[i]) > 0)
            fail_msg("\"%s\" went over the wire in the clear", words[i]);
    }
}

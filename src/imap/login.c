/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The way in: greeting, STARTTLS, login, what the server can do
 * (RFC 9051, 3 and 6.2).
 */
#include "base/error.h"
#include "imap/auth.h"
#include "imap/internal.h"

static void
on_enabled(ImapSession *session, const ImapResponse *answer,
           const GError *error, gpointer data)
{
    (void)error;
    (void)data;
    session->enabling = FALSE;
    /* OK alone means nothing: some servers say it to whatever they are asked
     * to enable (RFC 5161, 3.2). */
    if (answer != NULL)
        session->capabilities &=
            ~(guint)(IMAP_CAP_QRESYNC | IMAP_CAP_UIDONLY) | session->enabled;
}

/* Nobody waits for the answer: servers that announce it without meaning it are
 * few, and what was then sent in vain is repeated. */
static void
enable(ImapSession *session)
{
    guint wanted =
        session->capabilities & (IMAP_CAP_QRESYNC | IMAP_CAP_UIDONLY);
    g_autofree char *names = imap_capabilities_text(wanted);

    if (wanted == 0)
        return;
    session->enabling = TRUE;
    imap_session_enqueue(session, imap_command_new("ENABLE %s", names), ASIDE,
                         on_enabled, NULL);
}

static void
become_ready(ImapSession *session)
{
    enable(session);
    imap_session_become_ready(session);
}

/* DATA is what to do then. */
static void
on_capability(ImapSession *session, const ImapResponse *answer,
              const GError *error, gpointer data)
{
    void (*go_on)(ImapSession *) = data;
    (void)error;
    if (answer == NULL)
        return;
    if (answer->kind != IMAP_OK)
        imap_session_refused(session, answer,
                             "the server would not tell its capabilities");
    else
        go_on(session);
}

static void
ask_capability(ImapSession *session, void (*go_on)(ImapSession *))
{
    imap_session_enqueue(session, imap_command_new("CAPABILITY"), PIPELINED,
                         on_capability, go_on);
}

static void
on_authenticated(ImapSession *session, const ImapResponse *answer,
                 const GError *error, gpointer data)
{
    g_autofree char *what = NULL;
    (void)error;
    (void)data;
    if (answer == NULL)
        return;
    if (answer->kind != IMAP_OK) {
        what = g_strdup_printf("login of %s refused by %s",
                               session->login->user, session->login->host);
        imap_session_refused(session, answer, what);
        return;
    }
    /* What was said before the login counts no more (RFC 9051, 6.2.2). */
    session->capabilities = 0;
    if (answer->status.code == IMAP_CODE_CAPABILITY) {
        session->capabilities =
            imap_capabilities_parse(answer->status.argument);
        become_ready(session);
        return;
    }
    ask_capability(session, become_ready);
}

static void
authenticate(ImapSession *session)
{
    const ImapLogin *login = session->login;
    ImapCommand *command =
        imap_auth_command(session->capabilities, login->user, login->password);

    if (command == NULL)
        imap_session_close_with(session, IMAPFS_ERROR_DENIED,
                                "%s offers no way to log in that imapfs knows",
                                login->host);
    else
        imap_session_enqueue(session, command, ALONE, on_authenticated, NULL);
}

static void start_login(ImapSession *session, ImapSlice greeting_capabilities);

static void
on_starttls(ImapSession *session, const ImapResponse *answer,
            const GError *error, gpointer data)
{
    g_autoptr(GError) failure = NULL;
    (void)error;
    (void)data;
    if (answer == NULL)
        return;
    if (answer->kind != IMAP_OK) {
        imap_session_close_with(session, IMAPFS_ERROR_PROTOCOL,
                                "%s refuses STARTTLS, so no password was sent",
                                session->login->host);
        return;
    }
    if (!imap_stream_start_tls(session->stream, session->login->tls,
                               session->login->host, &failure)) {
        imap_session_close(session, failure);
        return;
    }
    start_login(session, (ImapSlice){NULL, 0});
}

/* GREETING_CAPABILITIES is NIL when they are unknown or not to be trusted. */
static void
start_login(ImapSession *session, ImapSlice greeting_capabilities)
{
    session->state = STATE_LOGIN;
    session->capabilities = 0;
    if (session->login->security == IMAP_TLS_STARTTLS &&
        !imap_stream_is_tls(session->stream)) {
        imap_session_enqueue(session, imap_command_new("STARTTLS"), TO_TLS,
                             on_starttls, NULL);
    } else if (greeting_capabilities.data != NULL) {
        session->capabilities = imap_capabilities_parse(greeting_capabilities);
        authenticate(session);
    } else {
        ask_capability(session, authenticate);
    }
}

void
imap_login_greeted(ImapSession *session, const ImapResponse *greeting)
{
    ImapSlice capabilities = {NULL, 0};

    if (greeting->status.code == IMAP_CODE_CAPABILITY)
        capabilities = greeting->status.argument;
    switch (greeting->tag.data == NULL ? greeting->kind : IMAP_OTHER) {
    case IMAP_OK:
        start_login(session, capabilities);
        break;
    case IMAP_PREAUTH:
        /* Before TLS this is the trick to keep us in the clear. */
        if (session->login->security == IMAP_TLS_STARTTLS) {
            imap_session_close_with(session, IMAPFS_ERROR_PROTOCOL,
                                    "%s wants to go on without TLS (PREAUTH)",
                                    session->login->host);
            return;
        }
        session->state = STATE_LOGIN;
        ask_capability(session, become_ready);
        break;
    case IMAP_BYE:
        /* What is said in the clear may have been said by anybody. */
        if (session->login->security == IMAP_TLS_STARTTLS)
            imap_session_close_with(session, IMAPFS_ERROR_OFFLINE,
                                    "%s wants no connection now",
                                    session->login->host);
        else
            imap_session_refused(session, greeting, session->login->host);
        break;
    default:
        imap_session_close_with(session, IMAPFS_ERROR_PROTOCOL,
                                "%s is no IMAP server", session->login->host);
    }
}

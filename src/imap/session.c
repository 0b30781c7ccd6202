/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imap/session.h"

#include <string.h>

#include "base/error.h"
#include "imap/internal.h"

enum {
    READ_SIZE = 16 << 10,
    READS_AT_ONCE = 32, /* then others have their turn */
    LARGE_INPUT = 1 << 20,
    PROGRESS_OCTETS = 4096, /* fewer, in half a response, are no sign of life */
};
#define IDLE_DELAY (300 * CLOCK_MILLISECOND)
/* Under the shortest life that routers give a silent connection. */
#define IDLE_RENEWAL (570 * CLOCK_SECOND)
/* A server may log out who has said nothing for 30 minutes (RFC 9051, 5.4). */
#define IDLE_MAX (1680 * CLOCK_SECOND)
/* How often a server without IDLE is asked for news. */
#define POLL_INTERVAL (60 * CLOCK_SECOND)
/* So long a session may keep others waiting. */
#define TURN (10 * CLOCK_MILLISECOND)
#define LOGOUT_PATIENCE (2 * CLOCK_SECOND)

typedef struct {
    char tag[16];
    ImapCommand *command;
    guint sent; /* pieces */
    ImapPipelining pipelining;
    ImapSearchKind search;
    ImapFinding finding; /* NULL for what is no search */
    ImapDone done;
    gpointer data;
} Request;

/* ---- trace ---- */

static void
trace(ImapSession *session, const char *who, const char *text, gsize length)
{
    g_autofree char *copy = NULL;
    g_autofree char *line = NULL;
    if (!session->login->trace)
        return;
    copy = g_strndup(text, MIN(length, 600));
    line = g_strescape(g_strchomp(copy), NULL);
    g_debug("%p %s %s%s", (void *)session, who, line,
            length > 600 ? "..." : "");
}

/* ---- life and death ---- */

static void
free_request(Request *request)
{
    if (request->command != NULL)
        imap_command_free(request->command);
    g_free(request);
}

ImapSession *
imap_session_ref(ImapSession *session)
{
    g_ref_count_inc(&session->references);
    return session;
}

void
imap_session_unref(ImapSession *session)
{
    if (!g_ref_count_dec(&session->references))
        return;
    g_assert(session->state == STATE_CLOSED);
    g_byte_array_unref(session->input);
    g_free(session);
}

static void
fail_requests(ImapSession *session, GQueue *queue, const GError *error)
{
    Request *request;
    while ((request = g_queue_pop_head(queue)) != NULL) {
        if (request->done != NULL)
            request->done(session, NULL, error, request->data);
        free_request(request);
    }
}

void
imap_session_close(ImapSession *session, const GError *error)
{
    g_autoptr(GError) reason =
        error ? g_error_copy(error)
              : g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_OFFLINE,
                            "the connection was closed");
    if (session->state == STATE_CLOSED)
        return;
    trace(session, "--", reason->message, strlen(reason->message));
    session->state = STATE_CLOSED;
    clock_cancel(session->clock, &session->stall_timer);
    clock_cancel(session->clock, &session->idle_timer);
    clock_cancel(session->clock, &session->logout_timer);
    if (session->more != NULL) {
        g_source_destroy(session->more);
        g_clear_pointer(&session->more, g_source_unref);
    }
    imap_session_ref(session);
    session->events->closed(session, reason, session->data);
    g_clear_pointer(&session->stream, imap_stream_free);
    fail_requests(session, &session->sent, reason);
    fail_requests(session, &session->waiting, reason);
    imap_session_unref(session);
}

void
imap_session_close_with(ImapSession *session, int code, const char *format, ...)
{
    g_autoptr(GError) error = NULL;
    va_list arguments;
    va_start(arguments, format);
    error = g_error_new_valist(IMAPFS_ERROR, code, format, arguments);
    va_end(arguments);
    imap_session_close(session, error);
}

void
imap_session_refused(ImapSession *session, const ImapResponse *answer,
                     const char *what)
{
    g_autoptr(GError) error = imap_response_error(
        answer, answer->kind == IMAP_NO    ? IMAPFS_ERROR_DENIED
                : answer->kind == IMAP_BYE ? IMAPFS_ERROR_OFFLINE
                                           : IMAPFS_ERROR_PROTOCOL);
    g_prefix_error(&error, "%s: ", what);
    imap_session_close(session, error);
}

/* ---- patience ---- */

static gboolean
expects_answer(ImapSession *session)
{
    return session->state < STATE_READY ||
           (session->idle != IDLE_ON && !g_queue_is_empty(&session->sent)) ||
           !g_queue_is_empty(&session->waiting);
}

static void
on_stall_timer(gpointer data)
{
    ImapSession *session = data;
    gint64 left = session->alive_at + session->login->patience -
                  clock_now(session->clock);

    session->stall_timer = 0;
    if (!expects_answer(session))
        return;
    if (left > 0)
        session->stall_timer =
            clock_after(session->clock, left, on_stall_timer, session);
    else
        imap_session_close_with(session, IMAPFS_ERROR_OFFLINE,
                                "%s does not answer", session->login->host);
}

static void
sign_of_life(ImapSession *session)
{
    session->alive_at = clock_now(session->clock);
    session->octets_since = 0;
}

static void
expect_answer(ImapSession *session)
{
    if (session->stall_timer != 0)
        return;
    sign_of_life(session);
    session->stall_timer = clock_after(session->clock, session->login->patience,
                                       on_stall_timer, session);
}

/* ---- sending ---- */

static void
send_piece(ImapSession *session, Request *request)
{
    const GString *piece = imap_command_piece(request->command, request->sent);
    g_autoptr(GString) text = g_string_sized_new(piece->len + 20);
    const char *shown = imap_command_trace(request->command, request->sent);

    if (request->sent == 0)
        g_string_printf(text, "%s ", request->tag);
    trace(session, request->sent == 0 ? request->tag : "C:", shown,
          strlen(shown));
    g_string_append_len(text, piece->str, (gssize)piece->len);
    g_string_append(text, "\r\n");
    imap_stream_write(session->stream, text->str, text->len);
    explicit_bzero(text->str, text->len);
    request->sent++;
    expect_answer(session);
}

static gboolean
is_whole(const Request *request)
{
    return request->sent == imap_command_n_pieces(request->command);
}

static void
end_idle(ImapSession *session)
{
    if (session->idle == IDLE_ON) {
        session->idle = IDLE_ENDING;
        sign_of_life(session);
        trace(session, "C:", "DONE", 4);
        imap_stream_write(session->stream, "DONE\r\n", 6);
        expect_answer(session);
    }
}

/* An answer could not be told from one to a search that is in flight. */
static gboolean
is_ambiguous(const ImapSession *session, const Request *request)
{
    for (GList *link = session->sent.head; link != NULL; link = link->next) {
        const Request *other = link->data;
        if (request->finding == NULL || other->finding == NULL)
            continue;
        if ((request->search == IMAP_SEARCH_THREAD) ==
                (other->search == IMAP_SEARCH_THREAD) &&
            (request->search != IMAP_SEARCH_NAMED ||
             other->search != IMAP_SEARCH_NAMED))
            return TRUE;
    }
    return FALSE;
}

/* Sends what may be sent now. */
static void
pump(ImapSession *session)
{
    Request *request;

    while ((request = g_queue_peek_head(&session->waiting)) != NULL) {
        Request *before = g_queue_peek_tail(&session->sent);
        end_idle(session);
        if (session->idle == IDLE_ASKED || request->sent > 0)
            return; /* "+" has to come first */
        if (before != NULL && before->pipelining >= ALONE)
            return;
        if (request->pipelining >= ALONE && !g_queue_is_empty(&session->sent))
            return;
        if (is_ambiguous(session, request))
            return;
        send_piece(session, request);
        if (!is_whole(request))
            return;
        g_queue_push_tail(&session->sent, g_queue_pop_head(&session->waiting));
    }
}

static Request *
new_request(ImapCommand *command, ImapPipelining pipelining, ImapDone done,
            gpointer data)
{
    Request *request = g_new0(Request, 1);
    request->command = command;
    request->pipelining = pipelining;
    request->done = done;
    request->data = data;
    return request;
}

static void
enqueue(ImapSession *session, Request *request)
{
    g_snprintf(request->tag, sizeof request->tag, "%s%u", session->tag_prefix,
               ++session->last_tag);
    clock_cancel(session->clock, &session->idle_timer);
    if (!expects_answer(session))
        sign_of_life(session);
    g_queue_push_tail(&session->waiting, request);
    pump(session);
}

void
imap_session_enqueue(ImapSession *session, ImapCommand *command,
                     ImapPipelining pipelining, ImapDone done, gpointer data)
{
    enqueue(session, new_request(command, pipelining, done, data));
}

void
imap_session_search(ImapSession *session, ImapCommand *command,
                    ImapSearchKind kind, ImapFinding finding, ImapDone done,
                    gpointer data)
{
    Request *request;

    g_return_if_fail(session->state == STATE_READY);
    request = new_request(command, PIPELINED, done, data);
    request->search = kind;
    request->finding = finding;
    session->last_used = clock_now(session->clock);
    enqueue(session, request);
}

void
imap_session_send(ImapSession *session, ImapCommand *command, ImapDone done,
                  gpointer data)
{
    g_return_if_fail(session->state == STATE_READY);
    session->last_used = clock_now(session->clock);
    imap_session_enqueue(session, command, PIPELINED, done, data);
}

void
imap_session_send_aside(ImapSession *session, ImapCommand *command,
                        ImapDone done, gpointer data)
{
    g_return_if_fail(session->state == STATE_READY);
    imap_session_enqueue(session, command, ASIDE, done, data);
}

/* ---- nothing to do: compress, idle ---- */

static void
on_idle_done(ImapSession *session, const ImapResponse *answer,
             const GError *error, gpointer data)
{
    (void)error;
    (void)data;
    session->idle = IDLE_OFF;
    if (answer != NULL && answer->kind != IMAP_OK)
        session->capabilities &= ~(guint)IMAP_CAP_IDLE;
}

static void
on_compressed(ImapSession *session, const ImapResponse *answer,
              const GError *error, gpointer data)
{
    g_autoptr(GError) failure = NULL;
    (void)error;
    (void)data;
    if (answer == NULL || answer->kind != IMAP_OK)
        return;
    /* What has come behind the OK is compressed (RFC 4978, 3). */
    if (!imap_stream_start_deflate(
            session->stream, session->input->data + session->handled,
            session->input->len - session->handled, &failure))
        imap_session_close(session, failure);
    else
        g_byte_array_set_size(session->input, session->handled);
}

static void
start_compression(ImapSession *session)
{
    session->compression = COMPRESSED;
    imap_session_enqueue(session, imap_command_new("COMPRESS DEFLATE"), ALONE,
                         on_compressed, NULL);
}

static void on_idle_timer(gpointer data);

/* Routers forget a connection that is silent for long; one on which the server
 * speaks is not. */
static void
renew_idle(ImapSession *session)
{
    gint64 now = clock_now(session->clock);
    gint64 due = MIN(session->heard_at + session->idle_renewal,
                     session->idle_since + IDLE_MAX);

    if (due <= now)
        end_idle(session);
    else
        session->idle_timer =
            clock_after(session->clock, due - now, on_idle_timer, session);
}

static void
on_idle_timer(gpointer data)
{
    ImapSession *session = data;
    session->idle_timer = 0;

    if (session->compression == TO_COMPRESS && session->idle == IDLE_OFF &&
        session->capabilities & IMAP_CAP_COMPRESS) {
        start_compression(session);
        return;
    }
    if (session->idle == IDLE_ON) {
        renew_idle(session);
    } else if (session->capabilities & IMAP_CAP_IDLE) {
        imap_session_enqueue(session, imap_command_new("IDLE"), ASIDE,
                             on_idle_done, NULL);
        session->idle = IDLE_ASKED;
    } else {
        session->polled_at = clock_now(session->clock);
        imap_session_enqueue(session, imap_command_new("NOOP"), PIPELINED, NULL,
                             NULL);
    }
}

static void
plan_idle(ImapSession *session)
{
    gboolean busy = !g_queue_is_empty(&session->sent) ||
                    !g_queue_is_empty(&session->waiting);
    gint64 delay;

    if (session->state != STATE_READY || busy || session->idle != IDLE_OFF ||
        session->logout_timer != 0)
        return;
    clock_cancel(session->clock, &session->idle_timer);
    /* Other commands are no reason not to ask for news. */
    delay =
        session->capabilities & IMAP_CAP_IDLE
            ? IDLE_DELAY
            : session->polled_at + POLL_INTERVAL - clock_now(session->clock);
    session->idle_timer =
        clock_after(session->clock, delay, on_idle_timer, session);
}

void
imap_session_become_ready(ImapSession *session)
{
    session->state = STATE_READY;
    session->last_used = session->polled_at = clock_now(session->clock);
    session->events->ready(session, session->data);
    if (session->state == STATE_READY)
        plan_idle(session);
}

void
imap_session_compress(ImapSession *session)
{
    if (session->compression != PLAIN)
        return;
    session->compression = TO_COMPRESS;
    if (imap_session_load(session) == 0 && session->idle == IDLE_OFF &&
        session->capabilities & IMAP_CAP_COMPRESS)
        start_compression(session);
}

/* ---- receiving ---- */

static void
handle_continuation(ImapSession *session)
{
    Request *request = g_queue_peek_head(&session->waiting);

    if (session->idle == IDLE_ASKED) {
        session->idle = IDLE_ON;
        session->idle_since = session->heard_at = clock_now(session->clock);
        clock_cancel(session->clock, &session->idle_timer);
        renew_idle(session);
    } else if (request != NULL && request->sent > 0) {
        send_piece(session, request);
        if (is_whole(request))
            g_queue_push_tail(&session->sent,
                              g_queue_pop_head(&session->waiting));
    } else {
        imap_session_close_with(session, IMAPFS_ERROR_PROTOCOL,
                                "%s sent a continuation that nobody asked for",
                                session->login->host);
        return;
    }
    pump(session);
}

static Request *
take_request(ImapSession *session, ImapSlice tag)
{
    Request *request;

    for (GList *link = session->sent.head; link != NULL; link = link->next) {
        request = link->data;
        if (imap_slice_is(tag, request->tag)) {
            g_queue_delete_link(&session->sent, link);
            return request;
        }
    }
    /* A literal may be refused instead of asked for. */
    request = g_queue_peek_head(&session->waiting);
    if (request != NULL && request->sent > 0 &&
        imap_slice_is(tag, request->tag))
        return g_queue_pop_head(&session->waiting);
    return NULL;
}

static void
handle_tagged(ImapSession *session, const ImapResponse *answer)
{
    Request *request = take_request(session, answer->tag);

    if (request == NULL) {
        imap_session_close_with(session, IMAPFS_ERROR_PROTOCOL,
                                "%s answered a command that was not sent",
                                session->login->host);
        return;
    }
    /* Whatever follows in the clear was put in by a third. */
    if (request->pipelining == TO_TLS && answer->kind == IMAP_OK &&
        session->handled < session->input->len) {
        free_request(request);
        imap_session_close_with(
            session, IMAPFS_ERROR_PROTOCOL,
            "%s sent data behind an answer that ends the plain text",
            session->login->host);
        return;
    }
    if (request->done != NULL)
        request->done(session, answer, NULL, request->data);
    free_request(request);
    if (session->state != STATE_CLOSED) {
        pump(session);
        plan_idle(session);
    }
}

/* The search in flight that RESPONSE answers, or NULL. */
static Request *
find_search(ImapSession *session, const ImapResponse *response)
{
    gboolean threads = response->kind == IMAP_THREAD;

    for (GList *link = session->sent.head; link != NULL; link = link->next) {
        Request *request = link->data;
        if (request->finding == NULL ||
            (request->search == IMAP_SEARCH_THREAD) != threads)
            continue;
        if (threads || response->found.tag.data == NULL ||
            imap_slice_is(response->found.tag, request->tag))
            return request;
    }
    return NULL;
}

/* What nobody looks for is dropped. */
static void
handle_finding(ImapSession *session, const ImapResponse *response)
{
    Request *request = find_search(session, response);
    if (request != NULL)
        request->finding(session, response, request->data);
}

static void
handle(ImapSession *session, const ImapResponse *response)
{
    if (session->state == STATE_GREETING) {
        imap_login_greeted(session, response);
        return;
    }
    if (response->tag.data != NULL) {
        handle_tagged(session, response);
        return;
    }
    switch (response->kind) {
    case IMAP_CONTINUE:
        handle_continuation(session);
        return;
    case IMAP_BYE:
        imap_session_refused(session, response, session->login->host);
        return;
    case IMAP_CAPABILITY:
        session->capabilities = imap_capabilities_parse(response->capabilities);
        /* What could be enabled is not enabled. */
        if (session->state == STATE_READY && !session->enabling)
            session->capabilities &=
                ~(guint)(IMAP_CAP_QRESYNC | IMAP_CAP_UIDONLY) |
                session->enabled;
        return;
    case IMAP_ENABLED:
        session->enabled |= imap_capabilities_parse(response->capabilities);
        return;
    case IMAP_SEARCH:
    case IMAP_THREAD:
        handle_finding(session, response);
        return;
    default:
        break;
    }
    /* Nothing that was said before the login is believed. */
    if (session->state == STATE_READY)
        session->events->untagged(session, response, session->data);
}

/* Still-here lines do not prove that a command makes progress. */
static gboolean
is_progress(const ImapResponse *response)
{
    return response->tag.data != NULL || response->kind != IMAP_OK ||
           response->status.code == IMAP_CODE_INPROGRESS;
}

/* Handles each whole response at the front of the input. */
static void
handle_input(ImapSession *session)
{
    GByteArray *input = session->input;
    g_autoptr(GError) error = NULL;
    gsize start = 0;
    gsize size;

    while (session->state != STATE_CLOSED) {
        ImapResponse response;
        char *data = (char *)input->data + start;

        if (imap_frame(&session->framer, data, input->len - start, &size,
                       &error) != IMAP_FRAME_WHOLE)
            break;
        trace(session, "S:", data, size);
        imap_response_parse(data, size, &response);
        if (is_progress(&response))
            sign_of_life(session);
        else
            session->octets_since = 0;
        start += size;
        session->handled = (guint)start;
        handle(session, &response);
    }
    g_byte_array_remove_range(input, 0, (guint)start);
    if (start > LARGE_INPUT) { /* give back what a large response took */
        session->input = g_byte_array_new();
        g_byte_array_append(session->input, input->data, input->len);
        g_byte_array_unref(input);
    }
    if (error != NULL)
        imap_session_close(session, error);
}

static void read_stream(gpointer data);

static gboolean
on_more(gpointer data)
{
    ImapSession *session = data;
    g_clear_pointer(&session->more, g_source_unref);
    read_stream(session);
    return G_SOURCE_REMOVE;
}

static void
read_later(ImapSession *session)
{
    if (session->more != NULL)
        return;
    session->more = g_idle_source_new();
    g_source_set_priority(session->more, G_PRIORITY_DEFAULT);
    g_source_set_callback(session->more, on_more, session, NULL);
    g_source_attach(session->more, g_main_context_get_thread_default());
}

static void
read_stream(gpointer data)
{
    ImapSession *session = imap_session_ref(data);
    gint64 end = clock_now(session->clock) + TURN;
    guint reads = 0;

    for (; session->state != STATE_CLOSED; reads++) {
        g_autoptr(GError) error = NULL;
        guint before = session->input->len;
        gssize n;

        if (reads == READS_AT_ONCE || clock_now(session->clock) > end) {
            read_later(session);
            break;
        }
        g_byte_array_set_size(session->input, before + READ_SIZE);
        n = imap_stream_read(session->stream, session->input->data + before,
                             READ_SIZE, &error);
        g_byte_array_set_size(session->input, before + (guint)MAX(n, 0));
        if (n < 0)
            imap_session_close(session, error);
        if (n <= 0)
            break;
        session->heard_at = clock_now(session->clock);
        session->octets_since += (gsize)n;
        if (session->octets_since >= PROGRESS_OCTETS)
            sign_of_life(session);
        handle_input(session);
    }
    if (session->state == STATE_READY && reads > 0)
        session->events->settled(session, session->data);
    imap_session_unref(session);
}

/* ---- the rest of the door ---- */

ImapSession *
imap_session_new(ImapStream *stream, const ImapLogin *login, Clock *clock,
                 const ImapSessionEvents *events, gpointer data)
{
    ImapSession *session = g_new0(ImapSession, 1);

    g_ref_count_init(&session->references);
    session->stream = stream;
    session->login = login;
    session->clock = clock;
    session->events = events;
    session->data = data;
    session->input = g_byte_array_new();
    session->idle_renewal = IDLE_RENEWAL;
    g_queue_init(&session->waiting);
    g_queue_init(&session->sent);
    /* Tags that a third party cannot know beforehand. */
    for (guint i = 0; i + 1 < sizeof session->tag_prefix; i++)
        session->tag_prefix[i] = (char)('A' + g_random_int_range(0, 26));
    return session;
}

void
imap_session_start(ImapSession *session)
{
    const ImapLogin *login = session->login;
    g_autoptr(GError) error = NULL;

    expect_answer(session);
    imap_stream_watch(session->stream, read_stream, session);
    if (login->security == IMAP_TLS_IMPLICIT &&
        !imap_stream_start_tls(session->stream, login->tls, login->host,
                               &error))
        imap_session_close(session, error);
}

static guint
count_load(const GQueue *queue)
{
    guint n = 0;
    for (const GList *link = queue->head; link != NULL; link = link->next)
        n += ((const Request *)link->data)->pipelining != ASIDE;
    return n;
}

guint
imap_session_load(const ImapSession *session)
{
    return count_load(&session->sent) + count_load(&session->waiting);
}

guint
imap_session_capabilities(const ImapSession *session)
{
    return session->capabilities;
}

gboolean
imap_session_is_idling(const ImapSession *session)
{
    return session->idle != IDLE_OFF;
}

const ImapStream *
imap_session_stream(const ImapSession *session)
{
    return session->stream;
}

gint64
imap_session_silence(const ImapSession *session)
{
    return session->idle == IDLE_ON
               ? clock_now(session->clock) - session->heard_at
               : 0;
}

gint64
imap_session_heard_at(const ImapSession *session)
{
    return session->heard_at;
}

void
imap_session_set_idle_renewal(ImapSession *session, gint64 silence)
{
    session->idle_renewal = silence;
    /* The silence that goes on counts, too. */
    if (session->state == STATE_READY && session->idle == IDLE_ON) {
        clock_cancel(session->clock, &session->idle_timer);
        renew_idle(session);
    }
}

gint64
imap_session_last_used(const ImapSession *session)
{
    return session->last_used;
}

static void
on_logout_timer(gpointer data)
{
    ImapSession *session = data;
    session->logout_timer = 0;
    imap_session_close(session, NULL);
}

void
imap_session_logout(ImapSession *session)
{
    if (session->state == STATE_CLOSED)
        return;
    if (session->state != STATE_READY) {
        imap_session_close(session, NULL);
        return;
    }
    imap_session_enqueue(session, imap_command_new("LOGOUT"), ALONE, NULL,
                         NULL);
    session->logout_timer =
        clock_after(session->clock, LOGOUT_PATIENCE, on_logout_timer, session);
}

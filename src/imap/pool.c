/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imap/pool.h"

#include <string.h>

#include "base/error.h"
#include "imap/uidset.h"
#include "imap/utf7.h"

enum {
    DEPTH_INTERACTIVE = 12, /* commands in flight on one link */
    DEPTH_AHEAD = 32,
    CROWDED = 3, /* somebody who waits had better have another link */
};
#define RETRY_FIRST (500 * CLOCK_MILLISECOND)
#define RETRY_LAST (60 * CLOCK_SECOND)
/* How long a server that refused one more connection is believed. */
#define LIMIT_MEMORY (600 * CLOCK_SECOND)
#define TROUBLE_MEMORY (30 * CLOCK_SECOND)
/* A link that nobody used for so long is closed, but for the last one. */
#define LINK_LIFE (1800 * CLOCK_SECOND)
#define SWEEP_INTERVAL (60 * CLOCK_SECOND)
/* A wire that carries less than this is slower than a server compresses
 * (bench/run --compress shows both). */
#define COMPRESS_BELOW (8 * 1000 * 1000) /* octets per second */
#define SPEED_SAMPLE (256 << 10)         /* octets */
/* Octets further apart than this did not wait for the wire. */
#define IDLE_RENEWAL (570 * CLOCK_SECOND)
#define IDLE_RENEWAL_MIN (120 * CLOCK_SECOND)
/* A machine that was suspended for longer has lost its connections. */
#define SLEEP_MAX (60 * CLOCK_SECOND)
#define SPEED_GAP (30 * CLOCK_MILLISECOND)

struct ImapLink {
    ImapPool *pool;
    ImapSession *session; /* NULL while dialing */
    gint64 dialed_at;
    gboolean ready;
    gboolean leaving; /* has said LOGOUT */
    gboolean bulk;
    gboolean useful; /* the server answered more than the login */

    char *mailbox;
    gboolean selected;
    ImapSelected state; /* of the mailbox */

    /* For the speed of the wire. */
    guint64 octets_seen;
    gint64 seen_at;
    guint64 sample_octets;
    gint64 sample_time;
};

struct ImapPool {
    const ImapLogin *login;
    ImapDialer dialer;
    Clock *clock;
    guint limit;        /* of the user */
    guint server_limit; /* what the server lets us have */
    const ImapPoolEvents *events;
    gpointer data;

    GPtrArray *links;
    GCancellable *cancellable;
    gboolean closing;
    gint64 retry_delay; /* 0 while all is well */
    guint retry_timer;
    guint limit_timer;
    guint sweep_timer;
    gboolean wanted;     /* somebody was sent away without a link */
    guint64 speed;       /* of the wire, octets per second; 0: not measured */
    gint64 idle_renewal; /* see imap_session_set_idle_renewal() */
    gint64 slept;        /* clock_slept() when it was looked at */
    gboolean asleep;     /* connections are dropped for that */
    guint64 octets_in, octets_out; /* of links that are closed */
    guint64 commands;
};

static void dial(ImapPool *pool);

/* ---- links ---- */

static void
leave_mailbox(ImapLink *link, const GError *error)
{
    ImapPool *pool = link->pool;

    if (link->mailbox == NULL)
        return;
    pool->events->left(link, error, pool->data);
    g_clear_pointer(&link->mailbox, g_free);
    link->selected = FALSE;
    memset(&link->state, 0, sizeof link->state);
}

static void
free_link(gpointer data)
{
    ImapLink *link = data;
    g_free(link->mailbox);
    if (link->session != NULL)
        imap_session_unref(link->session);
    g_free(link);
}

/* SELECT would end \Recent for others; a mount that cannot write asks for
 * less. */
static void
on_examined(ImapSession *session, const ImapResponse *answer,
            const GError *error, gpointer data)
{
    ImapLink *link = data;
    g_autoptr(GError) refusal = NULL;
    (void)session;
    (void)error;

    if (answer == NULL)
        return;
    if (answer->kind != IMAP_OK) {
        refusal = imap_response_error(answer, IMAPFS_ERROR_FAILED);
        leave_mailbox(link, refusal);
        return;
    }
    link->selected = TRUE;
    link->pool->events->selected(link, link->pool->data);
}

static void
examine(ImapLink *link, const char *mailbox)
{
    ImapCommand *command = imap_command_new("EXAMINE ");

    leave_mailbox(link, NULL);
    link->mailbox = g_strdup(mailbox);
    imap_command_add_string(command, mailbox);
    imap_link_send(link, command, on_examined, link);
}

/* ---- events of a session ---- */

/* Compression pays. */
static gboolean
is_slow(const ImapPool *pool)
{
    return pool->speed != 0 && pool->speed < COMPRESS_BELOW;
}

/* Learns how fast octets come while there is nothing but the wire to wait for.
 */
static void
measure(ImapLink *link)
{
    const ImapStream *stream = imap_session_stream(link->session);
    guint64 octets = imap_stream_octets_in(stream);
    gint64 now = clock_now(link->pool->clock);

    /* Nor was it waited for by whoever has asked for something since. */
    if (now - link->seen_at < SPEED_GAP &&
        imap_session_last_used(link->session) <= link->seen_at) {
        link->sample_octets += octets - link->octets_seen;
        link->sample_time += now - link->seen_at;
    }
    link->octets_seen = octets;
    link->seen_at = now;
    if (link->sample_octets < SPEED_SAMPLE)
        return;
    link->pool->speed =
        link->sample_octets * CLOCK_SECOND / (guint64)MAX(link->sample_time, 1);
    link->sample_octets = 0;
    link->sample_time = 0;
    if (is_slow(link->pool))
        imap_session_compress(link->session);
}

static void
on_ready(ImapSession *session, gpointer data)
{
    ImapLink *link = data;
    ImapPool *pool = link->pool;

    link->ready = TRUE;
    if (is_slow(pool))
        imap_session_compress(session);
    pool->events->available(pool->data);
}

/* Of messages that VANISHED names; the rest of a set too large is ignored. */
static guint32
count_vanished(ImapSlice uids, guint32 most)
{
    guint64 n = 0;
    guint32 first;
    guint32 last;
    while (n < most && imap_uidset_next(&uids, &first, &last))
        n += (guint64)last - first + 1;
    return (guint32)MIN(n, most);
}

static void
take_code(ImapLink *link, const ImapStatusText *status)
{
    ImapSelected *state = &link->state;

    if (status->code == IMAP_CODE_UIDVALIDITY && status->number <= G_MAXUINT32)
        state->uidvalidity = (guint32)status->number;
    else if (status->code == IMAP_CODE_HIGHESTMODSEQ)
        state->modseq = status->number;
    else if (status->code == IMAP_CODE_NOMODSEQ)
        state->no_modseqs = TRUE;
    else if (status->code == IMAP_CODE_UIDNOTSTICKY)
        state->uids_not_sticky = TRUE;
}

static void
take_state(ImapLink *link, const ImapResponse *response)
{
    ImapSelected *state = &link->state;

    if (response->kind == IMAP_EXISTS)
        state->exists = response->number;
    else if (response->kind == IMAP_EXPUNGE && state->exists > 0)
        state->exists--;
    else if (response->kind == IMAP_VANISHED && imap_link_says_vanished(link) &&
             !response->vanished.earlier)
        state->exists -= count_vanished(response->vanished.uids, state->exists);
    else if ((response->kind == IMAP_OK || response->kind == IMAP_NO) &&
             !link->selected) /* UIDNOTSTICKY comes with NO (RFC 4315, 4) */
        take_code(link, &response->status);
}

static void
on_untagged(ImapSession *session, const ImapResponse *response, gpointer data)
{
    ImapLink *link = data;
    (void)session;

    link->useful = TRUE;
    link->pool->retry_delay = 0;
    if (link->mailbox != NULL)
        take_state(link, response);
    link->pool->events->untagged(link, response, link->pool->data);
}

static void
on_settled(ImapSession *session, gpointer data)
{
    ImapLink *link = data;
    ImapPool *pool = link->pool;

    measure(link);
    pool->events->settled(link, pool->data);
    if (pool->wanted && link->ready &&
        imap_session_load(session) < DEPTH_AHEAD) {
        pool->wanted = FALSE;
        pool->events->available(pool->data);
    }
}

static guint
count_links(const ImapPool *pool, gboolean ready_only)
{
    guint n = 0;
    for (guint i = 0; i < pool->links->len; i++) {
        const ImapLink *link = g_ptr_array_index(pool->links, i);
        n += link->ready || !ready_only;
    }
    return n;
}

static void
on_limit_timer(gpointer data)
{
    ImapPool *pool = data;
    pool->limit_timer = 0;
    pool->server_limit = pool->limit;
    pool->events->available(pool->data);
}

static void
on_retry_timer(gpointer data)
{
    ImapPool *pool = data;
    pool->retry_timer = 0;
    if (count_links(pool, FALSE) == 0)
        dial(pool);
}

/* A link could not be made, or was the last one and is gone. */
static void
retry_later(ImapPool *pool, const GError *error, gint64 since)
{
    if (pool->closing || pool->retry_timer != 0)
        return;
    if (g_error_matches(error, IMAPFS_ERROR, IMAPFS_ERROR_DENIED))
        pool->retry_delay = RETRY_LAST; /* do not get the account locked */
    else if (pool->retry_delay == 0)
        pool->retry_delay = RETRY_FIRST;
    else
        pool->retry_delay = MIN(pool->retry_delay * 2, RETRY_LAST);
    pool->retry_timer =
        clock_after(pool->clock, pool->retry_delay, on_retry_timer, pool);
    pool->events->unreachable(error, since, pool->data);
}

static void
drop_link(ImapLink *link, const GError *error)
{
    ImapPool *pool = link->pool;
    gint64 dialed_at = link->dialed_at;
    gboolean was_ready = link->ready || link->leaving;
    /* One that is thrown out at once is as good as none. */
    /* A server may hang up on one connection too many, but TLS or the wire may
     * be in trouble, too. */
    gboolean says_limit =
        link->session != NULL &&
        !g_error_matches(error, IMAPFS_ERROR, IMAPFS_ERROR_PROTOCOL);
    gboolean failed = !was_ready || (link->ready && !link->useful);

    link->ready = FALSE;
    /* To try again what broke the protocol would break it again. */
    leave_mailbox(link,
                  g_error_matches(error, IMAPFS_ERROR, IMAPFS_ERROR_PROTOCOL)
                      ? error
                      : NULL);
    if (link->session != NULL) {
        const ImapStream *stream = imap_session_stream(link->session);
        pool->octets_in += imap_stream_octets_in(stream);
        pool->octets_out += imap_stream_octets_out(stream);
    }
    g_ptr_array_remove(pool->links, link); /* frees it */
    if (pool->closing)
        return;
    if (!was_ready && count_links(pool, TRUE) > 0) {
        /* The server lets us have what we have, and no more. */
        pool->server_limit = count_links(pool, TRUE);
        clock_cancel(pool->clock, &pool->limit_timer);
        pool->limit_timer =
            clock_after(pool->clock, says_limit ? LIMIT_MEMORY : TROUBLE_MEMORY,
                        on_limit_timer, pool);
    } else if (failed && count_links(pool, FALSE) == 0) {
        retry_later(pool, error, dialed_at);
    }
    pool->events->available(pool->data);
}

/* A connection broke after that much silence: others are not to be silent for
 * so long. */
static void
learn_idle_renewal(ImapPool *pool, gint64 silence)
{
    if (pool->closing || pool->asleep || silence < IDLE_RENEWAL_MIN)
        return;
    pool->idle_renewal =
        MAX(MIN(pool->idle_renewal, silence) / 2, IDLE_RENEWAL_MIN);
    for (guint i = 0; i < pool->links->len; i++) {
        ImapLink *link = g_ptr_array_index(pool->links, i);
        if (link->session != NULL)
            imap_session_set_idle_renewal(link->session, pool->idle_renewal);
    }
}

/* When the server leaves one link without an answer, those that nothing is
 * heard of may be dead as well; whoever needs one had better have a new one. */
static void
drop_silent(ImapPool *pool, const GError *error)
{
    /* Closing one may close others. */
    for (guint i = pool->links->len; i-- > 0;) {
        ImapLink *link =
            i < pool->links->len ? g_ptr_array_index(pool->links, i) : NULL;
        if (link != NULL && link->ready &&
            imap_session_is_idling(link->session))
            imap_session_close(link->session, error);
    }
}

static void
on_closed(ImapSession *session, const GError *error, gpointer data)
{
    ImapLink *link = data;
    ImapPool *pool = link->pool;
    gboolean stalled =
        !pool->closing && imap_session_load(session) > 0 &&
        clock_now(pool->clock) - imap_session_heard_at(session) >=
            pool->login->patience;

    learn_idle_renewal(pool, imap_session_silence(session));
    drop_link(link, error);
    if (stalled)
        drop_silent(pool, error);
}

static const ImapSessionEvents session_events = {
    .ready = on_ready,
    .untagged = on_untagged,
    .settled = on_settled,
    .closed = on_closed,
};

static void
on_dialed(ImapStream *stream, const GError *error, gpointer data)
{
    ImapLink *link = data;
    ImapPool *pool = link->pool;

    if (stream == NULL) {
        drop_link(link, error);
        return;
    }
    link->session = imap_session_new(stream, pool->login, pool->clock,
                                     &session_events, link);
    imap_session_set_idle_renewal(link->session, pool->idle_renewal);
    imap_session_start(link->session);
}

static void
dial(ImapPool *pool)
{
    ImapLink *link = g_new0(ImapLink, 1);

    link->pool = pool;
    link->dialed_at = clock_now(pool->clock);
    g_ptr_array_add(pool->links, link);
    pool->dialer.dial(pool->dialer.dialer, pool->cancellable, on_dialed, link);
}

/* ---- the pool ---- */

/* Nobody has looked at its mailbox for long: the server need not watch it. */
static void
unselect(ImapLink *link)
{
    if (link->mailbox == NULL ||
        !(imap_session_capabilities(link->session) & IMAP_CAP_UNSELECT))
        return;
    leave_mailbox(link, NULL);
    imap_link_send(link, imap_command_new("UNSELECT"), NULL, NULL);
}

/* After a suspend the server has long forgotten us, and would not say so. */
static void
drop_slept(ImapPool *pool)
{
    gint64 slept = clock_slept(pool->clock);
    gint64 since = slept - pool->slept;
    g_autoptr(GError) error = NULL;

    pool->slept = slept;
    if (since < SLEEP_MAX)
        return;
    pool->asleep = TRUE;
    error = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_OFFLINE,
                        "the machine was suspended");
    for (guint i = pool->links->len; i-- > 0;) {
        ImapLink *link =
            i < pool->links->len ? g_ptr_array_index(pool->links, i) : NULL;
        if (link != NULL && link->session != NULL)
            imap_session_close(link->session, error);
    }
    pool->asleep = FALSE;
}

static void
on_sweep_timer(gpointer data)
{
    ImapPool *pool = data;
    gint64 old = clock_now(pool->clock) - LINK_LIFE;

    pool->sweep_timer =
        clock_after(pool->clock, SWEEP_INTERVAL, on_sweep_timer, pool);
    drop_slept(pool);
    for (guint i = pool->links->len; i-- > 0;) {
        ImapLink *link = g_ptr_array_index(pool->links, i);
        if (!link->ready || imap_session_load(link->session) > 0 ||
            imap_session_last_used(link->session) > old)
            continue;
        if (i == 0) {
            unselect(link);
        } else {
            link->ready = FALSE;
            link->leaving = TRUE;
            imap_session_logout(link->session);
        }
    }
}

ImapPool *
imap_pool_new(const ImapLogin *login, ImapDialer dialer, Clock *clock,
              guint limit, const ImapPoolEvents *events, gpointer data)
{
    ImapPool *pool = g_new0(ImapPool, 1);

    pool->login = login;
    pool->dialer = dialer;
    pool->clock = clock;
    pool->limit = pool->server_limit = limit;
    pool->idle_renewal = IDLE_RENEWAL;
    pool->slept = clock_slept(clock);
    pool->events = events;
    pool->data = data;
    pool->links = g_ptr_array_new_with_free_func(free_link);
    pool->cancellable = g_cancellable_new();
    pool->sweep_timer =
        clock_after(clock, SWEEP_INTERVAL, on_sweep_timer, pool);
    return pool;
}

void
imap_pool_free(ImapPool *pool)
{
    pool->closing = TRUE;
    g_cancellable_cancel(pool->cancellable);
    while (pool->links->len > 0) {
        ImapLink *link = g_ptr_array_index(pool->links, 0);
        if (link->session != NULL)
            imap_session_close(link->session, NULL);
        else
            g_ptr_array_remove_index(pool->links, 0);
    }
    clock_cancel(pool->clock, &pool->retry_timer);
    clock_cancel(pool->clock, &pool->limit_timer);
    clock_cancel(pool->clock, &pool->sweep_timer);
    g_ptr_array_unref(pool->links);
    g_object_unref(pool->cancellable);
    g_free(pool);
}

gboolean
imap_pool_logout(ImapPool *pool)
{
    pool->closing = TRUE;
    for (guint i = pool->links->len; i-- > 0;) {
        ImapLink *link = g_ptr_array_index(pool->links, i);
        if (link->ready) {
            link->ready = FALSE;
            imap_session_logout(link->session);
        }
    }
    return count_links(pool, FALSE) == 0;
}

static gboolean
is_on(const ImapLink *link, const char *mailbox)
{
    return mailbox == NULL || g_strcmp0(link->mailbox, mailbox) == 0;
}

/* The least loaded link that has MAILBOX and room for one more command. */
static ImapLink *
find_sharable(ImapPool *pool, const char *mailbox, ImapLoan loan)
{
    guint depth = loan == IMAP_LOAN_INTERACTIVE ? DEPTH_INTERACTIVE
                  : loan == IMAP_LOAN_AHEAD     ? DEPTH_AHEAD
                                                : 1 /* a quiet one */;
    ImapLink *best = NULL;

    for (guint i = 0; i < pool->links->len; i++) {
        ImapLink *link = g_ptr_array_index(pool->links, i);
        guint load;
        if (!link->ready || link->bulk || !is_on(link, mailbox))
            continue;
        load = imap_session_load(link->session);
        if (load < depth &&
            (best == NULL || load < imap_session_load(best->session)))
            best = link;
    }
    return best;
}

/* A link with nothing in flight: one without a mailbox, else the one whose
 * mailbox was used longest ago. */
static ImapLink *
find_free(ImapPool *pool, gboolean without_mailbox)
{
    ImapLink *best = NULL;

    for (guint i = 0; i < pool->links->len; i++) {
        ImapLink *link = g_ptr_array_index(pool->links, i);
        if (!link->ready || link->bulk ||
            imap_session_load(link->session) > 0 ||
            (without_mailbox && link->mailbox != NULL))
            continue;
        if (best == NULL || imap_session_last_used(link->session) <
                                imap_session_last_used(best->session))
            best = link;
    }
    return best;
}

static gboolean
may_dial(const ImapPool *pool)
{
    guint n = count_links(pool, FALSE);
    /* One at a time while the server cannot be reached. */
    if (pool->closing || pool->retry_timer != 0)
        return FALSE;
    return n < MIN(pool->limit, pool->server_limit) &&
           n - count_links(pool, TRUE) == 0;
}

ImapLink *
imap_pool_lend(ImapPool *pool, const char *mailbox, ImapLoan loan)
{
    ImapLink *link;
    gboolean crowded;

    drop_slept(pool);
    link = find_sharable(pool, mailbox, loan);
    crowded = link != NULL && loan == IMAP_LOAN_INTERACTIVE &&
              imap_session_load(link->session) >= CROWDED;

    if (link == NULL || crowded) {
        ImapLink *spare = find_free(pool, TRUE);
        if (spare == NULL && may_dial(pool))
            dial(pool);
        link = spare ? spare : link;
    }
    /* Rather wait for a new link than take a mailbox from its watcher. */
    if (link == NULL && loan != IMAP_LOAN_AHEAD &&
        count_links(pool, FALSE) == count_links(pool, TRUE))
        link = find_free(pool, FALSE);
    if (link == NULL)
        pool->wanted = TRUE;
    else if (!is_on(link, mailbox))
        examine(link, mailbox);
    return link;
}

void
imap_link_set_bulk(ImapLink *link, gboolean bulk)
{
    link->bulk = bulk;
}

void
imap_link_select_again(ImapLink *link)
{
    g_autofree char *mailbox = g_strdup(link->mailbox);
    examine(link, mailbox);
}

gboolean
imap_link_is_open(const ImapLink *link)
{
    return link->ready;
}

void
imap_link_send(ImapLink *link, ImapCommand *command, ImapDone done,
               gpointer data)
{
    link->pool->commands++;
    imap_session_send(link->session, command, done, data);
}

gboolean
imap_link_says_vanished(const ImapLink *link)
{
    return (imap_link_capabilities(link) &
            (IMAP_CAP_QRESYNC | IMAP_CAP_UIDONLY)) != 0;
}

void
imap_link_send_aside(ImapLink *link, ImapCommand *command, ImapDone done,
                     gpointer data)
{
    link->pool->commands++;
    imap_session_send_aside(link->session, command, done, data);
}

void
imap_link_search(ImapLink *link, ImapCommand *command, ImapSearchKind kind,
                 ImapFinding finding, ImapDone done, gpointer data)
{
    link->pool->commands++;
    imap_session_search(link->session, command, kind, finding, done, data);
}

const char *
imap_link_mailbox(const ImapLink *link)
{
    return link->mailbox;
}

gboolean
imap_link_is_selected(const ImapLink *link)
{
    return link->selected;
}

const ImapSelected *
imap_link_state(const ImapLink *link)
{
    return &link->state;
}

guint
imap_link_capabilities(const ImapLink *link)
{
    return imap_session_capabilities(link->session);
}

guint
imap_pool_capabilities(const ImapPool *pool)
{
    for (guint i = 0; i < pool->links->len; i++) {
        const ImapLink *link = g_ptr_array_index(pool->links, i);
        if (link->ready)
            return imap_link_capabilities(link);
    }
    return 0;
}

ImapLink *
imap_pool_find(ImapPool *pool, ImapSession *session)
{
    for (guint i = 0; i < pool->links->len; i++) {
        ImapLink *link = g_ptr_array_index(pool->links, i);
        if (link->session == session)
            return link;
    }
    return NULL;
}

gint64
imap_pool_idle_renewal(const ImapPool *pool)
{
    return pool->idle_renewal;
}

void
imap_pool_set_idle_renewal(ImapPool *pool, gint64 silence)
{
    pool->idle_renewal = CLAMP(silence, IDLE_RENEWAL_MIN, IDLE_RENEWAL);
}

guint64
imap_pool_speed(const ImapPool *pool)
{
    return pool->speed;
}

ImapPoolCounts
imap_pool_counts(const ImapPool *pool)
{
    ImapPoolCounts counts = {.octets_in = pool->octets_in,
                             .octets_out = pool->octets_out,
                             .commands = pool->commands};

    for (guint i = 0; i < pool->links->len; i++) {
        const ImapLink *link = g_ptr_array_index(pool->links, i);
        const ImapStream *stream =
            link->session ? imap_session_stream(link->session) : NULL;
        if (stream != NULL) {
            counts.octets_in += imap_stream_octets_in(stream);
            counts.octets_out += imap_stream_octets_out(stream);
        }
        counts.open += link->ready;
        counts.busy += link->ready && imap_session_load(link->session) > 0;
    }
    return counts;
}

void
imap_pool_describe(const ImapPool *pool, GString *text)
{
    guint known = imap_pool_capabilities(pool);

    if (known != 0) {
        g_autofree char *capabilities = imap_capabilities_text(known);
        g_string_append_printf(text, "capabilities used: %s\n", capabilities);
    }
    for (guint i = 0; i < pool->links->len; i++) {
        const ImapLink *link = g_ptr_array_index(pool->links, i);
        g_autofree char *name = NULL;
        g_autofree char *shown = NULL;
        g_string_append_printf(text, "connection %u: ", i + 1);
        if (!link->ready) {
            g_string_append(text, "connecting\n");
            continue;
        }
        name = link->mailbox ? imap_utf7_decode(link->mailbox) : NULL;
        shown = imapfs_printable(name            ? name
                                 : link->mailbox ? link->mailbox
                                                 : "no mailbox",
                                 -1);
        g_string_append_printf(text, "%s, %u commands in flight%s\n", shown,
                               imap_session_load(link->session),
                               imap_session_is_idling(link->session) ? ", idle"
                                                                     : "");
    }
}

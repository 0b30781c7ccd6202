/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

enum { BAR_WIDTH = 24 };
#define LINES_INTERVAL G_TIME_SPAN_SECOND

char *
progress_text(const MailProgress *state, guint64 rate, guint width)
{
    GString *text = g_string_new(NULL);
    g_autofree char *done = g_format_size(state->octets_done);
    g_autofree char *all = g_format_size(state->octets);
    double part = 1.0;

    /* What takes time is octets, as long as there are any. */
    if (state->octets > 0)
        part = (double)state->octets_done / (double)state->octets;
    else if (state->messages > 0)
        part = (double)state->messages_done / (double)state->messages;
    if (width > 0) {
        guint full = (guint)(CLAMP(part, 0.0, 1.0) * width);
        g_string_append_c(text, '[');
        for (guint i = 0; i < width; i++)
            g_string_append_c(text, i < full ? '#' : '.');
        g_string_append(text, "] ");
    }
    g_string_append_printf(text,
                           "%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                           " messages, %s of %s",
                           state->messages_done, state->messages, done, all);
    if (rate > 0) {
        g_autofree char *speed = g_format_size(rate);
        g_string_append_printf(text, ", %s/s", speed);
    }
    return g_string_free(text, FALSE);
}

void
progress_begin(Progress *progress)
{
    *progress = (Progress){.terminal = isatty(STDOUT_FILENO)};
    progress->begun = g_get_monotonic_time();
}

static void
print(Progress *progress, const MailProgress *state)
{
    gint64 elapsed = g_get_monotonic_time() - progress->begun;
    guint64 fetched = state->octets_done - progress->octets_begun;
    g_autofree char *text = NULL;

    if (elapsed < G_TIME_SPAN_SECOND / 2 ||
        state->octets_done < progress->octets_begun)
        fetched = 0;
    text = progress_text(
        state,
        (guint64)((double)fetched * G_TIME_SPAN_SECOND / (double)elapsed),
        progress->terminal ? BAR_WIDTH : 0);
    /* The rest of a line that was longer is cleared. */
    if (progress->terminal)
        printf("\r%s\033[K", text);
    else
        printf("%s\n", text);
    fflush(stdout);
    progress->shown = g_get_monotonic_time();
    progress->messages = state->messages_done;
    progress->octets = state->octets_done;
}

void
progress_show(Progress *progress, const MailProgress *state)
{
    if (!progress->running)
        progress->octets_begun = state->octets_done;
    progress->running = TRUE;
    if (progress->terminal ||
        g_get_monotonic_time() - progress->shown >= LINES_INTERVAL)
        print(progress, state);
}

void
progress_end(Progress *progress, const MailProgress *state)
{
    if (progress->shown == 0 || progress->messages != state->messages_done ||
        progress->octets != state->octets_done)
        print(progress, state);
    if (progress->terminal)
        printf("\n");
}

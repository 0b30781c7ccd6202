/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "log.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>

enum { LINES_MAX = 1000, LINE_MAX_OCTETS = 1000 };

static struct {
    LogPlace place;
    gboolean debug;
    GMutex lock;  /* libraries log from threads of theirs */
    GQueue lines; /* of char * */
} the_log = {.lines = G_QUEUE_INIT};

static char *
make_harmless(const char *text)
{
    gsize length = strnlen(text, LINE_MAX_OCTETS);
    char *line = g_utf8_make_valid(text, (gssize)length);

    for (char *at = line; *at != '\0'; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        if (c < 0x20 || c == 0x7f)
            *at = '?';
        else if (c >= 0x80 && c < 0xa0)
            at[0] = at[1] = '?';
    }
    return line;
}

static void
keep(const char *line)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *when = g_date_time_format(now, "%Y-%m-%d %H:%M:%S");

    g_mutex_lock(&the_log.lock);
    g_queue_push_tail(&the_log.lines, g_strdup_printf("%s %s\n", when, line));
    if (the_log.lines.length > LINES_MAX)
        g_free(g_queue_pop_head(&the_log.lines));
    g_mutex_unlock(&the_log.lock);
}

static GLogWriterOutput
write_log(GLogLevelFlags level, const GLogField *fields, gsize n_fields,
          gpointer data)
{
    const char *text = "";
    g_autofree char *line = NULL;
    gboolean ours = FALSE;
    (void)data;

    for (gsize i = 0; i < n_fields; i++) {
        if (strcmp(fields[i].key, "MESSAGE") == 0)
            text = fields[i].value;
        else if (strcmp(fields[i].key, "GLIB_DOMAIN") == 0)
            ours = strcmp(fields[i].value, G_LOG_DOMAIN) == 0;
    }
    if (level == G_LOG_LEVEL_DEBUG && !(ours && the_log.debug))
        return G_LOG_WRITER_HANDLED;
    line = make_harmless(text);
    keep(line);
    if (the_log.place == LOG_TO_STDERR)
        fprintf(stderr, "imapfs: %s\n", text);
    else if (the_log.place == LOG_TO_SYSLOG)
        syslog(level <= G_LOG_LEVEL_WARNING ? LOG_WARNING : LOG_INFO, "%s",
               line);
    return G_LOG_WRITER_HANDLED;
}

void
log_begin(LogPlace place, gboolean debug)
{
    the_log.place = place;
    the_log.debug = debug;
    if (place == LOG_TO_SYSLOG)
        openlog("imapfs", LOG_PID, LOG_USER);
    g_log_set_writer_func(write_log, NULL, NULL);
}

char *
log_text(void)
{
    GString *text = g_string_new(NULL);

    g_mutex_lock(&the_log.lock);
    for (const GList *at = the_log.lines.head; at != NULL; at = at->next)
        g_string_append(text, at->data);
    g_mutex_unlock(&the_log.lock);
    return g_string_free(text, FALSE);
}

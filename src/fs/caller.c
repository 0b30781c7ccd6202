/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/caller.h"

#include <string.h>
#include <sys/syscall.h>

/* It is shown as running until it has gone to sleep. */
enum { TRIES = 20, INTERVAL = 100 /* microseconds */ };

/* The caller owns it; NULL when it may not be seen. */
static char *
read_about(pid_t thread, const char *what)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int)thread, what);
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, NULL);
    return text;
}

gboolean
fs_caller_makes_directory(pid_t thread)
{
    g_autofree char *text = read_about(thread, "syscall");
    gint64 number;

    for (guint i = 0;
         i < TRIES && text != NULL && g_str_has_prefix(text, "running"); i++) {
        g_free(text);
        g_usleep(INTERVAL);
        text = read_about(thread, "syscall");
    }
    if (text == NULL || !g_ascii_isdigit(*text)) {
        g_autofree char *name = read_about(thread, "comm");
        return name != NULL && strcmp(name, "mkdir\n") == 0;
    }
    number = g_ascii_strtoll(text, NULL, 10);
#ifdef SYS_mkdir
    if (number == SYS_mkdir)
        return TRUE;
#endif
    return number == SYS_mkdirat;
}

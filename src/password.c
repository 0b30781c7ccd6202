/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "password.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/error.h"

static char *fail(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static char *
fail(GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_propagate_error(error,
                      g_error_new_valist(IMAPFS_ERROR, IMAPFS_ERROR_USAGE,
                                         format, arguments));
    va_end(arguments);
    return NULL;
}

static char *
first_line(const char *text)
{
    return g_strndup(text, strcspn(text, "\r\n"));
}

static char *
from_command(const char *command, GError **error)
{
    g_auto(GStrv) argv = NULL;
    g_autofree char *output = NULL;
    g_autoptr(GError) failure = NULL;
    char *password;
    int status;

    /* mount(8) runs its helpers without one. */
    g_setenv("PATH", "/usr/local/bin:/usr/bin:/bin", FALSE);
    if (!g_shell_parse_argv(command, NULL, &argv, &failure) ||
        !g_spawn_sync(NULL, argv, NULL,
                      G_SPAWN_SEARCH_PATH | G_SPAWN_CHILD_INHERITS_STDIN, NULL,
                      NULL, &output, NULL, &status, &failure) ||
        !g_spawn_check_wait_status(status, &failure))
        return fail(error, "password_command failed: %s", failure->message);
    password = first_line(output);
    explicit_bzero(output, strlen(output));
    return password;
}

/* Contents of a file that nobody else can read; NULL if there is no file. */
static char *
read_private(const char *path, gboolean required, GError **error)
{
    struct stat st;
    char *text;
    g_autoptr(GError) failure = NULL;

    if (stat(path, &st) != 0 && !required)
        return NULL;
    if (!g_file_get_contents(path, &text, NULL, &failure))
        return fail(error, "%s", failure->message);
    if (st.st_mode & 077 && !S_ISFIFO(st.st_mode)) {
        g_free(text);
        return fail(error, "%s can be read by others; chmod 600 it", path);
    }
    return text;
}

static char *
from_file(const char *path, GError **error)
{
    g_autofree char *text = read_private(path, TRUE, error);
    return text ? first_line(text) : NULL;
}

/* machine HOST [login USER] password PASSWORD, or default ... */
static char *
from_netrc(const Options *options, GError **error)
{
    g_autofree char *path = g_build_filename(g_get_home_dir(), ".netrc", NULL);
    g_autofree char *text = NULL;
    g_auto(GStrv) words = NULL;
    gboolean host_fits = FALSE;
    gboolean user_fits = FALSE;

    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return NULL;
    text = read_private(path, FALSE, error);
    if (text == NULL)
        return NULL;
    words = g_strsplit_set(text, " \t\r\n", -1);
    for (char **word = words, *key = NULL; *word != NULL; word++) {
        if (**word == '\0')
            continue;
        if (key == NULL) {
            key = *word;
            if (strcmp(key, "default") == 0) {
                host_fits = user_fits = TRUE;
                key = NULL;
            }
            continue;
        }
        if (strcmp(key, "machine") == 0) {
            host_fits = g_ascii_strcasecmp(*word, options->host) == 0;
            user_fits = TRUE;
        } else if (strcmp(key, "login") == 0) {
            user_fits = strcmp(*word, options->user) == 0;
        } else if (strcmp(key, "password") == 0 && host_fits && user_fits) {
            return g_strdup(*word);
        }
        key = NULL;
    }
    return NULL;
}

static char *
from_terminal(const Options *options, GError **error)
{
    struct termios before;
    struct termios silent;
    char line[1024];
    ssize_t n;
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

    if (tty < 0 || tcgetattr(tty, &before) != 0) {
        if (tty >= 0)
            close(tty);
        return fail(error,
                    "no password for %s at %s; see PASSWORDS in imapfs(1)",
                    options->user, options->host);
    }
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    dprintf(tty, "Password of %s at %s: ", options->user, options->host);
    tcsetattr(tty, TCSAFLUSH, &silent);
    n = read(tty, line, sizeof line - 1);
    tcsetattr(tty, TCSAFLUSH, &before);
    dprintf(tty, "\n");
    close(tty);
    if (n <= 0)
        return fail(error, "no password was given");
    line[n] = '\0';
    return first_line(line);
}

char *
password_find(const Options *options, GError **error)
{
    const char *environment = g_getenv("IMAPFS_PASSWORD");
    g_autoptr(GError) failure = NULL;
    char *password;

    if (options->password_command != NULL)
        return from_command(options->password_command, error);
    if (options->password_file != NULL)
        return from_file(options->password_file, error);
    password = from_netrc(options, &failure);
    if (failure != NULL) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return NULL;
    }
    if (password != NULL)
        return password;
    if (environment != NULL) {
        password = g_strdup(environment);
        g_unsetenv("IMAPFS_PASSWORD"); /* no child inherits it */
        return password;
    }
    return from_terminal(options, error);
}

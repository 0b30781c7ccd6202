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

/* Lines, comments and macros of a netrc make words: TEXT is cut in place. */
static char *
next_word(char **text)
{
    char *word = *text + strspn(*text, " \t\r\n");
    char *end = word + strcspn(word, " \t\r\n");

    if (*word == '#') {
        *text = word + strcspn(word, "\n");
        return next_word(text);
    }
    *text = *end == '\0' ? end : end + 1;
    *end = '\0';
    return *word == '\0' ? NULL : word;
}

/* machine HOST, or default; login USER; password PASSWORD; in any order. */
static char *
from_netrc(const Options *options, GError **error)
{
    g_autofree char *path = g_build_filename(g_get_home_dir(), ".netrc", NULL);
    g_autofree char *text = read_private(path, FALSE, error);
    char *rest = text;
    const char *password = NULL;
    gboolean fits = FALSE;

    for (char *word; text != NULL && (word = next_word(&rest)) != NULL;) {
        gboolean is_default = strcmp(word, "default") == 0;
        char *value = is_default ? NULL : next_word(&rest);
        if (is_default || strcmp(word, "machine") == 0) {
            if (fits && password != NULL)
                break; /* the entry before this one */
            fits = is_default ||
                   g_ascii_strcasecmp(value ? value : "", options->host) == 0;
            password = NULL;
        } else if (strcmp(word, "login") == 0) {
            fits = fits && g_strcmp0(value, options->user) == 0;
        } else if (strcmp(word, "password") == 0) {
            password = value;
        } else if (strcmp(word, "macdef") == 0) {
            rest = strstr(rest, "\n\n") ? strstr(rest, "\n\n") : "";
        }
    }
    return fits ? g_strdup(password) : NULL;
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
    /* Ctrl-C comes as an octet, so that the terminal is always restored. */
    silent.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    dprintf(tty, "Password of %s at %s: ", options->user, options->host);
    tcsetattr(tty, TCSAFLUSH, &silent);
    n = read(tty, line, sizeof line - 1);
    tcsetattr(tty, TCSAFLUSH, &before);
    dprintf(tty, "\n");
    close(tty);
    if (n <= 0 || memchr(line, silent.c_cc[VINTR], (size_t)n) != NULL)
        return fail(error, "no password was given");
    line[n] = '\0';
    return first_line(line);
}

static char *
find(const Options *options, const char *environment, GError **error)
{
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
    if (environment != NULL)
        return g_strdup(environment);
    return from_terminal(options, error);
}

char *
password_find(const Options *options, GError **error)
{
    g_autofree char *environment = g_strdup(g_getenv("IMAPFS_PASSWORD"));
    char *password;

    g_unsetenv("IMAPFS_PASSWORD"); /* no child inherits it */
    password = find(options, environment, error);
    if (environment != NULL)
        explicit_bzero(environment, strlen(environment));
    if (password == NULL || *password != '\0')
        return password;
    g_free(password);
    return fail(error, "the password is empty");
}

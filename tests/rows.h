/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tables of rows for unit tests.  A row that fails is printed and counted, so
 * that one run shows all of them; rows_end() then fails the test.
 */
#ifndef IMAPFS_TESTS_ROWS_H
#define IMAPFS_TESTS_ROWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <glib.h>
#include <string.h>
#include <time.h>

/* Octets of a string literal, NULs included. */
#define OCTETS(literal) (literal), (sizeof(literal) - 1)

static guint rows_failed;

G_GNUC_UNUSED G_GNUC_PRINTF(2, 3) static void row_fail(const char *row,
                                                       const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list arguments;

    va_start(arguments, format);
    what = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    print_error("row \"%s\": %s\n", row, what);
    rows_failed++;
}

G_GNUC_UNUSED static void
row_number(const char *row, const char *what, gint64 got, gint64 wanted)
{
    if (got != wanted)
        row_fail(row, "%s is %" G_GINT64_FORMAT ", wanted %" G_GINT64_FORMAT,
                 what, got, wanted);
}

G_GNUC_UNUSED static void
row_string(const char *row, const char *what, const char *got,
           const char *wanted)
{
    g_autofree char *got_text = g_strescape(got ? got : "(NULL)", NULL);
    g_autofree char *wanted_text =
        g_strescape(wanted ? wanted : "(NULL)", NULL);
    if (g_strcmp0(got, wanted) != 0)
        row_fail(row, "%s is\n    \"%s\", wanted\n    \"%s\"", what, got_text,
                 wanted_text);
}

G_GNUC_UNUSED static void
rows_end(void)
{
    guint failed = rows_failed;
    rows_failed = 0;
    if (failed > 0)
        fail_msg("%u rows failed", failed);
}

/* Whatever a server sends, no library may find that it was called wrongly. */
G_GNUC_UNUSED static void
rows_begin_program(void)
{
    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING |
                           G_LOG_FATAL_MASK);
}

/* A copy of exactly that size, so that a sanitizer sees any step beyond. */
G_GNUC_UNUSED static char *
copy_octets(const char *data, gsize length)
{
    return length > 0 ? g_memdup2(data, length) : g_strdup("");
}

/* Seconds of CPU this program has used. */
G_GNUC_UNUSED static double
cpu_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

#endif

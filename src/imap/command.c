/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imap/command.h"

#include <string.h>

typedef struct {
    GString *wire;
    GString *trace;
} Piece;

struct ImapCommand {
    GArray *pieces;
};

static void
clear_piece(gpointer data)
{
    Piece *piece = data;
    /* There may be a password in it. */
    explicit_bzero(piece->wire->str, piece->wire->len);
    g_string_free(piece->wire, TRUE);
    g_string_free(piece->trace, TRUE);
}

static void
start_piece(ImapCommand *command)
{
    Piece piece = {g_string_sized_new(256), g_string_new(NULL)};
    g_array_append_val(command->pieces, piece);
}

static Piece *
last_piece(ImapCommand *command)
{
    return &g_array_index(command->pieces, Piece, command->pieces->len - 1);
}

static void
add_text(ImapCommand *command, const char *wire, const char *trace)
{
    g_string_append(last_piece(command)->wire, wire);
    g_string_append(last_piece(command)->trace, trace);
}

static void add_formatted(ImapCommand *command, const char *format,
                          va_list arguments) G_GNUC_PRINTF(2, 0);

static void
add_formatted(ImapCommand *command, const char *format, va_list arguments)
{
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    add_text(command, text, text);
}

ImapCommand *
imap_command_new(const char *format, ...)
{
    ImapCommand *command = g_new(ImapCommand, 1);
    va_list arguments;

    command->pieces = g_array_new(FALSE, FALSE, sizeof(Piece));
    g_array_set_clear_func(command->pieces, clear_piece);
    start_piece(command);
    va_start(arguments, format);
    add_formatted(command, format, arguments);
    va_end(arguments);
    return command;
}

void
imap_command_free(ImapCommand *command)
{
    g_array_unref(command->pieces);
    g_free(command);
}

void
imap_command_add(ImapCommand *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_formatted(command, format, arguments);
    va_end(arguments);
}

static gboolean
fits_quoted(const char *string)
{
    for (const char *at = string; *at != '\0'; at++) {
        if (*at == '\r' || *at == '\n' || (guchar)*at >= 0x80)
            return FALSE;
    }
    return TRUE;
}

static void
add_string(ImapCommand *command, const char *string, const char *trace)
{
    g_autoptr(GString) quoted = NULL;

    if (!fits_quoted(string)) {
        g_autofree char *count = g_strdup_printf("{%zu}", strlen(string));
        add_text(command, count, count);
        start_piece(command);
        add_text(command, string, trace);
        return;
    }
    quoted = g_string_new("\"");
    for (const char *at = string; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\')
            g_string_append_c(quoted, '\\');
        g_string_append_c(quoted, *at);
    }
    g_string_append_c(quoted, '"');
    add_text(command, quoted->str, trace);
    explicit_bzero(quoted->str, quoted->len);
}

void
imap_command_add_string(ImapCommand *command, const char *string)
{
    g_autofree char *trace = g_strescape(string, NULL);
    g_autofree char *quoted = g_strdup_printf("\"%s\"", trace);
    add_string(command, string, quoted);
}

void
imap_command_add_secret(ImapCommand *command, const char *secret)
{
    add_string(command, secret, "<secret>");
}

void
imap_command_add_secret_text(ImapCommand *command, const char *text)
{
    add_text(command, text, "<secret>");
}

void
imap_command_add_continuation(ImapCommand *command)
{
    start_piece(command);
}

guint
imap_command_n_pieces(const ImapCommand *command)
{
    return command->pieces->len;
}

const GString *
imap_command_piece(const ImapCommand *command, guint i)
{
    return g_array_index(command->pieces, Piece, i).wire;
}

const char *
imap_command_trace(const ImapCommand *command, guint i)
{
    return g_array_index(command->pieces, Piece, i).trace->str;
}

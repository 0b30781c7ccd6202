/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imap/auth.h"

#include <string.h>

/* initial-response = base64 of NUL user NUL password (RFC 4616) */
static char *
plain_response(const char *user, const char *password)
{
    g_autoptr(GString) text = g_string_new(NULL);
    char *encoded;

    g_string_append_c(text, '\0');
    g_string_append(text, user);
    g_string_append_c(text, '\0');
    g_string_append(text, password);
    encoded = g_base64_encode((guchar *)text->str, text->len);
    explicit_bzero(text->str, text->len);
    return encoded;
}

ImapCommand *
imap_auth_command(guint capabilities, const char *user, const char *password)
{
    ImapCommand *command;

    if (capabilities & IMAP_CAP_AUTH_PLAIN) {
        g_autofree char *response = plain_response(user, password);
        command = imap_command_new("AUTHENTICATE PLAIN");
        if (capabilities & IMAP_CAP_SASL_IR)
            imap_command_add(command, " ");
        else
            imap_command_add_continuation(command);
        imap_command_add_secret_text(command, response);
        explicit_bzero(response, strlen(response));
        return command;
    }
    if (capabilities & IMAP_CAP_LOGINDISABLED)
        return NULL;
    command = imap_command_new("LOGIN ");
    imap_command_add_string(command, user);
    imap_command_add(command, " ");
    imap_command_add_secret(command, password);
    return command;
}

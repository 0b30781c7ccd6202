/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Header fields of any message, packed: valid UTF-8, short, one line each. */
#include "fuzz.h"

#include <gmime/gmime.h>

#include "mail/message.h"

enum { FIELD_MAX = 400 }; /* as in mail/message.c */

static void
check_text(const char *text)
{
    MUST(g_utf8_validate(text, -1, NULL));
    MUST(strlen(text) <= FIELD_MAX);
    for (const char *at = text; *at != '\0'; at++)
        MUST((guchar)*at >= 0x20 && *at != 0x7f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    MailMessage message = {0};
    g_autofree char *author = NULL;
    g_autofree char *copy = NULL;

    g_mime_init(); /* counts, and does nothing the second time */
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL |
                           G_LOG_LEVEL_WARNING);
    copy = g_memdup2(data, size);
    message.fields =
        mail_message_pack(copy ? copy : "", size, "M1", 2, "T2", 2);
    for (guint f = 0; f < MAIL_N_FIELDS; f++)
        check_text(mail_message_field(&message, (MailField)f));
    MUST(strcmp(mail_message_field(&message, MAIL_FIELD_EMAILID), "M1") == 0);
    MUST(strcmp(mail_message_field(&message, MAIL_FIELD_THREADID), "T2") == 0);
    author = mail_message_author(&message);
    check_text(author);
    g_free(message.fields);
    return 0;
}

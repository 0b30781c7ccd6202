/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Modified UTF-7: decoding and encoding undo each other, or refuse. */
#include "fuzz.h"

#include "imap/utf7.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *name = g_strndup((const char *)data, size);
    g_autofree char *utf8 = NULL;

    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL |
                           G_LOG_LEVEL_WARNING);
    utf8 = imap_utf7_decode(name);
    if (utf8 != NULL) {
        g_autofree char *again = imap_utf7_encode(utf8);
        MUST(g_utf8_validate(utf8, -1, NULL));
        MUST(strcmp(again, name) == 0);
    }
    if (g_utf8_validate(name, -1, NULL)) {
        g_autofree char *utf7 = imap_utf7_encode(name);
        g_autofree char *again = imap_utf7_decode(utf7);
        MUST(g_str_is_ascii(utf7));
        MUST(g_strcmp0(again, name) == 0);
    }
    return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"

G_DEFINE_QUARK(imapfs - error, imapfs_error)

enum { PRINTABLE_MAX = 200 };

char *
imapfs_printable(const char *server, gssize length)
{
    gsize size = length < 0 ? strlen(server) : (gsize)length;
    g_autofree char *text = g_utf8_make_valid(server, MIN(size, PRINTABLE_MAX));

    for (char *at = text; *at != '\0'; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        if (c < 0x20 || c == 0x7f)
            *at = '?';
        else if (c < 0xa0 && c >= 0x80) /* C1: terminals obey these, too */
            at[0] = at[1] = '?';
    }
    return g_steal_pointer(&text);
}

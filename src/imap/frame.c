/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imap/frame.h"

#include <string.h>

#include "base/error.h"
#include "imap/limits.h"

static ImapFrame
bad(GError **error, const char *what)
{
    g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_PROTOCOL,
                "the server sent %s", what);
    return IMAP_FRAME_BAD;
}

static gboolean
is_word(const char *at, gsize length, const char *word)
{
    gsize n = strlen(word);
    return length >= n && g_ascii_strncasecmp(at, word, n) == 0 &&
           (length == n || at[n] == ' ');
}

/* Is this the first line of a response that ends in free text? */
static gboolean
is_text(const char *line, gsize length)
{
    static const char *const states[] = {"OK", "NO", "BAD", "BYE", "PREAUTH"};
    const char *space;

    if (length > 0 && line[0] == '+')
        return TRUE;
    space = memchr(line, ' ', MIN(length, 32));
    if (space == NULL)
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(states); i++) {
        if (is_word(space + 1, length - (gsize)(space + 1 - line), states[i]))
            return TRUE;
    }
    return FALSE;
}

/*
 * literal = ["~"] "{" number ["+"] "}" CRLF
 * Returns whether LINE announces one; its size, limited, is in *RET_SIZE.
 */
static gboolean
announces_literal(const char *line, gsize length, guint64 *ret_size)
{
    const char *at = line + length;
    guint64 size = 0;
    guint64 scale = 1;
    gboolean digits = FALSE;

    if (length < 3 || *--at != '}')
        return FALSE;
    if (at > line && at[-1] == '+')
        at--;
    while (at > line && g_ascii_isdigit(at[-1])) {
        at--;
        digits = TRUE;
        if (scale <= IMAP_LITERAL_MAX)
            size += (guint64)(*at - '0') * scale;
        else if (*at != '0')
            size = G_MAXUINT64 / 16;
        scale = MIN(scale * 10, G_MAXUINT64 / 16);
    }
    *ret_size = size;
    return digits && at > line && at[-1] == '{';
}

ImapFrame
imap_frame(ImapFramer *framer, const char *data, gsize length, gsize *ret_size,
           GError **error)
{
    while (framer->scanned < length) {
        const char *line = data + framer->line;
        const char *lf =
            memchr(data + framer->scanned, '\n', length - framer->scanned);
        gsize size = lf ? (gsize)(lf - line) : length - framer->line;
        guint64 literal;

        if (size > IMAP_LINE_MAX)
            return bad(error, "a line without end");
        if (lf == NULL) {
            framer->scanned = length;
            return IMAP_FRAME_MORE;
        }
        if (size > 0 && line[size - 1] == '\r')
            size--;
        if ((framer->line == 0 && is_text(line, size)) ||
            !announces_literal(line, size, &literal)) {
            *ret_size = (gsize)(lf + 1 - data);
            *framer = (ImapFramer){0, 0};
            return IMAP_FRAME_WHOLE;
        }
        if (literal > IMAP_LITERAL_MAX)
            return bad(error, "a literal that is too large");
        framer->line = (gsize)(lf + 1 - data) + (gsize)literal;
        framer->scanned = framer->line;
        if (framer->line > IMAP_RESPONSE_MAX)
            return bad(error, "a response that is too large");
    }
    return IMAP_FRAME_MORE;
}

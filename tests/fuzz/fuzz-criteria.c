/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A query.  What goes out has no line end, parentheses that match, quotes that
 * are closed, and literals of the length they announce.
 */
#include "fuzz.h"

#include "base/error.h"
#include "imap/capability.h"
#include "mail/criteria.h"

#define NOW 1793880000

/* Where the quoted string that begins at AT ends. */
static const char *
skip_quoted(const char *at)
{
    for (at++; *at != '"'; at++) {
        MUST(*at != '\0');
        if (*at == '\\') {
            at++;
            MUST(*at == '"' || *at == '\\');
        }
    }
    return at + 1;
}

/* Looks through PIECE, of which *LITERAL octets are one; *LITERAL is then what
 * its end announces. */
static void
check_piece(const GString *piece, guint64 *literal, gint *depth)
{
    const char *at = piece->str;

    MUST(strlen(piece->str) == piece->len);
    MUST(strpbrk(piece->str, "\r\n") == NULL);
    MUST(*literal <= piece->len);
    at += *literal;
    MUST(*literal == 0 || *at == '\0' || *at == ' ' || *at == ')');
    *literal = 0;
    while (*at != '\0') {
        MUST((guint8)*at >= ' ' && (guint8)*at < 0x7f);
        *depth += *at == '(';
        *depth -= *at == ')';
        MUST(*depth >= 0);
        if (*at == '{') {
            char *end;
            *literal = g_ascii_strtoull(at + 1, &end, 10);
            MUST(*literal > 0 && strcmp(end, "}") == 0);
            return;
        }
        at = *at == '"' ? skip_quoted(at) : at + 1;
    }
}

static void
check(const MailCriteria *criteria, guint capabilities)
{
    g_autoptr(ImapCommand) command = imap_command_new("UID SEARCH");
    g_autoptr(GError) error = NULL;
    guint64 literal = 0;
    gint depth = 0;

    if (!mail_criteria_add_to(criteria, command, capabilities, &error)) {
        MUST(g_error_matches(error, IMAPFS_ERROR, IMAPFS_ERROR_USAGE));
        MUST(!(capabilities & IMAP_CAP_GMAIL));
        return;
    }
    for (guint i = 0; i < imap_command_n_pieces(command); i++) {
        MUST((literal > 0) == (i > 0));
        check_piece(imap_command_piece(command, i), &literal, &depth);
    }
    MUST(literal == 0 && depth == 0);
    MUST(imap_command_piece(command, 0)->len > strlen("UID SEARCH "));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *query =
        g_strndup(size > 0 ? (const char *)data : "", size);
    g_autoptr(GError) error = NULL;
    g_autoptr(MailCriteria) criteria = mail_criteria_parse(query, NOW, &error);

    MUST((criteria == NULL) == (error != NULL));
    if (criteria == NULL) {
        MUST(g_error_matches(error, IMAPFS_ERROR, IMAPFS_ERROR_USAGE));
        MUST(strpbrk(error->message, "\r\n") == NULL);
        return 0;
    }
    check(criteria, 0);
    check(criteria, IMAP_CAP_WITHIN | IMAP_CAP_GMAIL);
    mail_criteria_allow_date(criteria, NOW);
    return 0;
}

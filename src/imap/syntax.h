/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The lexical grammar of IMAP (RFC 9051, 4 and 9) over one whole response.
 *
 * Each imap_take_* reads one element at the cursor and moves behind it; when
 * the element is not there it returns FALSE and the cursor has not moved.
 * Slices point into the response and live as long as it does.  Quoted strings
 * are unescaped where they stand, hence a response is parsed once.
 */
#ifndef IMAPFS_IMAP_SYNTAX_H
#define IMAPFS_IMAP_SYNTAX_H

#include <glib.h>

/* Octets of a response; DATA is NULL for NIL.  Not NUL-terminated. */
typedef struct {
    const char *data;
    gsize length;
} ImapSlice;

typedef struct {
    char *at;
    char *end;
} ImapCursor;

gboolean imap_slice_is(ImapSlice slice, const char *word); /* ignores case */
char *imap_slice_dup(ImapSlice slice);

gboolean imap_take_char(ImapCursor *cursor, char c);
gboolean imap_take_space(ImapCursor *cursor); /* any number, at least one */
gboolean imap_take_word(ImapCursor *cursor, const char *word);
/* An atom, also with "\", "[" and "]" in it: what servers send for flags. */
gboolean imap_take_atom(ImapCursor *cursor, ImapSlice *ret);
gboolean imap_take_number(ImapCursor *cursor, guint64 *ret);
/* 1 to 2^32-1: UIDs, sequence numbers, UIDVALIDITY. */
gboolean imap_take_nz_number(ImapCursor *cursor, guint32 *ret);
/* NIL, a quoted string, a literal. */
gboolean imap_take_nstring(ImapCursor *cursor, ImapSlice *ret);
/* A string or an atom. */
gboolean imap_take_astring(ImapCursor *cursor, ImapSlice *ret);
/* A list in parentheses, whatever is in it; *RET is its inside. */
gboolean imap_take_list(ImapCursor *cursor, ImapSlice *ret);
/* Any one value.  Lists nest up to IMAP_DEPTH_MAX, without recursion. */
gboolean imap_skip_value(ImapCursor *cursor);
/* date-time of INTERNALDATE, as seconds since 1970; nonsense gives 0. */
gint64 imap_parse_date(ImapSlice text);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Fields of a MIME header, as far as they have parameters: what is said about
 * a part, word by word (RFC 2045, 5.1, and RFC 2183), and values that were
 * taken apart or given a charset (RFC 2231).
 *
 * A field is one line, without what it was folded with.  Slices point into it,
 * and it is altered, hence a field is taken apart once.  Nothing fails: what
 * makes no sense is left out.
 */
#ifndef IMAPFS_MAIL_PARAMETERS_H
#define IMAPFS_MAIL_PARAMETERS_H

#include "imap/syntax.h"

enum {
    MAIL_FIELD_MAX = 16384,    /* octets of a field that are worth a look */
    MAIL_PARAMETERS_MAX = 100, /* of a field; more are left out */
};

typedef struct {
    ImapSlice name;
    ImapSlice value;
} MailParameter;

typedef struct {
    MailParameter all[MAIL_PARAMETERS_MAX];
    guint n;
} MailParameters;

void mail_parameters_add(MailParameters *parameters, ImapSlice name,
                         ImapSlice value);

/* The first word of FIELD; comments are passed over. */
ImapSlice mail_parameters_split_word(ImapSlice field);
/* type "/" subtype *(";" attribute "=" value); NIL for what is missing. */
void mail_parameters_split_type(ImapSlice field, ImapSlice *ret_type,
                                ImapSlice *ret_subtype, MailParameters *ret);
/* disposition-type *(";" attribute "=" value); returns the type. */
ImapSlice mail_parameters_split_disposition(ImapSlice field,
                                            MailParameters *ret);

/* NAME is there, and has this VALUE; case does not matter. */
gboolean mail_parameters_is(const MailParameters *parameters, const char *name,
                            const char *value);
/*
 * The octets of the parameter NAME, of all pieces it is in; NULL when it is not
 * there.  *RET_CHARSET is theirs, or NULL for what may be encoded words.  The
 * caller owns both.
 */
GString *mail_parameters_join(const MailParameters *parameters,
                              const char *name, char **ret_charset);

#endif

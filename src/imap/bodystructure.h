/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * BODYSTRUCTURE (RFC 9051, 7.5.2): what a server says about the parts of a
 * message.
 *
 * Servers send much that the grammar does not know.  What can mean one thing
 * only is accepted; what may mean two is refused, all of it, since one part
 * that is misplaced gives those behind it a wrong number.  Extension data is
 * read as far as it is understood, and may be of any length.
 */
#ifndef IMAPFS_IMAP_BODYSTRUCTURE_H
#define IMAPFS_IMAP_BODYSTRUCTURE_H

#include "imap/syntax.h"

enum { IMAP_BODY_PARTS_MAX = 4000 }; /* of one message; more are refused */

typedef enum {
    IMAP_BODY_LEAF,
    IMAP_BODY_MULTIPART, /* its children follow, if the server saw any */
    IMAP_BODY_MESSAGE,   /* its body, one part, follows */
} ImapBodyKind;

/* Slices point into the text that was parsed; NIL for what is not there.
 * Nothing is decoded. */
typedef struct {
    ImapBodyKind kind;
    guint after;           /* the index of the first that is not inside */
    ImapSlice type;        /* NIL for a multipart */
    ImapSlice subtype;     /* may be missing */
    ImapSlice parameters;  /* for imap_next_parameter() */
    ImapSlice id;          /* Content-ID */
    ImapSlice encoding;    /* Content-Transfer-Encoding */
    guint64 octets;        /* 0 for a multipart, whose size nobody tells */
    ImapSlice subject;     /* of a message */
    ImapSlice disposition; /* "attachment" */
    ImapSlice disposition_parameters; /* for imap_next_parameter() */
} ImapBodyPart;

/*
 * Parses the value behind "BODYSTRUCTURE ": LENGTH octets at TEXT, which are
 * altered.  Returns ImapBodyParts in the order of the text, the body of the
 * message first; NULL when it makes no sense.  The caller owns the array.
 */
GArray *imap_bodystructure_parse(char *text, gsize length);

/* The next parameter that has a value; FALSE at the end.  A list can be read
 * once, since quoted strings are unescaped where they stand. */
gboolean imap_next_parameter(ImapSlice *parameters, ImapSlice *ret_name,
                             ImapSlice *ret_value);

#endif

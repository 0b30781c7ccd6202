/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages that are made of parts, for servers: whole octets, BODYSTRUCTURE and
 * each section, and the ways to serve these wrongly.
 */
#ifndef IMAPFS_TESTS_LETTER_H
#define IMAPFS_TESTS_LETTER_H

#include <glib.h>

typedef enum {
    MIME_HONEST,
    /* ---- BODYSTRUCTURE ---- */
    STRUCTURE_MISSING,
    STRUCTURE_NIL,
    STRUCTURE_NONSENSE,
    STRUCTURE_REFUSED,    /* NO */
    STRUCTURE_BAD,        /* BAD */
    STRUCTURE_MINUS_ONE,  /* each leaf has an octet more than it says */
    STRUCTURE_PLUS_ONE,   /* ... less */
    STRUCTURE_HALF,       /* ... twice as many */
    STRUCTURE_DOUBLE,     /* ... half as many */
    STRUCTURE_ZERO,       /* ... some, and it says none */
    STRUCTURE_OF_MESSAGE, /* a message has fewer octets than it says: Courier */
    STRUCTURE_REVERSED,   /* parts of a multipart in the other order */
    STRUCTURE_FLAT,       /* a text, whatever it is */
    STRUCTURE_BLIND,      /* a multipart in a multipart is a text */
    /* ---- sections other than BODY[] ---- */
    SECTION_NIL,
    SECTION_EMPTY,
    SECTION_MISSING,
    SECTION_REFUSED,          /* NO */
    SECTION_BAD,              /* BAD */
    SECTION_WHOLE,            /* partial is ignored, and no origin is told */
    SECTION_WHOLE_AS_ORIGIN,  /* the same, and told as <0> */
    SECTION_NO_ORIGIN,        /* partial is done but not told */
    SECTION_NO_ORIGIN_LATEST, /* ... and the last of a flight comes first */
    SECTION_OTHER_ORIGIN,     /* three octets further */
    SECTION_TOO_LONG,         /* one octet more than asked for */
    SECTION_TOO_SHORT,        /* half of what was asked for */
    SECTION_OF_SIBLING,       /* what another part has */
    /* ---- BINARY.SIZE, which is advertised then ---- */
    BINARY_HONEST,
    BINARY_REFUSED,
    BINARY_MISSING,
    BINARY_ZERO,
    BINARY_TOO_SMALL,
    BINARY_TOO_LARGE,
    BINARY_HANGS_UP,
} MimeHabit;

typedef struct MimePart MimePart;

/* ENCODING is that of OCTETS, which are taken; NAME may be NULL. */
MimePart *mime_leaf(const char *type, const char *encoding, const char *name,
                    GString *octets);
/* A multipart of some parts, which are taken; NULL ends them. */
MimePart *mime_multipart(const char *subtype, ...) G_GNUC_NULL_TERMINATED;
/* message/rfc822; takes BODY. */
MimePart *mime_message(const char *subject, MimePart *body);

/* Encoded octets.  LINE characters in a line; 0: all in one. */
GString *mime_base64(const GString *octets, guint line);
GString *mime_quoted_printable(const GString *octets);
/* SIZE octets that tell where in them one is, with lines. */
GString *mime_ruler(guint seed, gsize size);

/* ---- messages ---- */

typedef struct Letter Letter;

/* Takes BODY. */
Letter *letter_new(const char *subject, MimePart *body);
void letter_free(Letter *letter);
/* As in BODY[section]; NULL when there is none. */
const GString *letter_section(const Letter *letter, const char *section);

/*
 * What stands between the parentheses of "UID FETCH 1 (UID BODY.PEEK[1]<0.9>)"
 * from *AT on, one after the other; NULL at the end.  The caller owns it.
 */
char *letter_next_item(const char **at);
/* ITEM without what is before its bracket and behind the other one.  The caller
 * owns it. */
char *letter_item_section(const char *item);
/* Appends the answer to ITEM, which begins with a blank; nothing if it is none
 * of BODYSTRUCTURE, BODY.PEEK[] and BINARY.SIZE[].  HABIT is that of all
 * sections if ALWAYS, else of all but BODY[]. */
void letter_answer(const Letter *letter, GString *out, const char *item,
                   MimeHabit habit, gboolean always);

#endif

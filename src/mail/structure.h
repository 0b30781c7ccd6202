/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The MIME parts of a message (RFC 2045 to 2049), in the order in which they
 * stand in it, as BODYSTRUCTURE tells them (RFC 9051, 7.5.2) or as they are
 * found in the message itself.  All text is UTF-8; whatever the sender chose
 * is decoded and otherwise as the sender chose it.
 */
#ifndef IMAPFS_MAIL_STRUCTURE_H
#define IMAPFS_MAIL_STRUCTURE_H

#include <glib.h>

enum { MAIL_PARTS_MAX = 4000 }; /* of one message; more are left out */

typedef enum {
    MAIL_PART_LEAF,
    MAIL_PART_MULTIPART,
    MAIL_PART_MESSAGE, /* message/rfc822, message/global: one part is in it */
} MailPartKind;

typedef enum {
    MAIL_ENCODING_NONE, /* 7bit, 8bit, binary */
    MAIL_ENCODING_BASE64,
    MAIL_ENCODING_QUOTED_PRINTABLE,
    MAIL_ENCODING_UNKNOWN, /* uuencode and others: the octets as they are */
} MailEncoding;

typedef enum {
    MAIL_DISPOSITION_NONE,
    MAIL_DISPOSITION_INLINE,
    MAIL_DISPOSITION_ATTACHMENT, /* or one that is not known (RFC 2183, 2.8) */
} MailDisposition;

typedef struct {
    MailPartKind kind;
    guint parent; /* its index; the message itself is its own */
    guint after;  /* the index of the first part that is not inside of it */
    /* As in BODY[section]: "" for the message itself, "1.2".  NULL for a
     * multipart that has none: one that is all of a message. */
    char *section;
    char *type;    /* "text/plain", lower case */
    char *charset; /* or NULL */
    char *name;    /* a file's name (RFC 2183, RFC 2231), or NULL */
    char *subject; /* of a message that is a part; or NULL */
    char *id;      /* Content-ID without brackets, or NULL */
    char *start;   /* multipart/related: the Content-ID of its root, or NULL */
    MailEncoding encoding;
    MailDisposition disposition;
    gboolean flowed;       /* format=flowed (RFC 3676) */
    gboolean delete_space; /* delsp=yes */
    /* Encoded, without its own MIME header; of a multipart known only if the
     * structure is local, else 0. */
    guint64 octets;
    /* Where they stand in BODY[], and how many of those of a message are its
     * header; known only if the structure is local, else 0. */
    guint64 offset;
    guint64 header_octets;
} MailPart;

typedef struct {
    MailPart *parts; /* the first is the message itself, a MESSAGE */
    guint n;
    gboolean local; /* found in the message, not told by the server */
} MailStructure;

/* BODYSTRUCTURE is what the server sent behind that word; SIZE is RFC822.SIZE,
 * or 0 when that is not known.  NULL when it makes no sense, or says that
 * nothing is in the message: then the message has to be looked at.  The caller
 * owns the result. */
MailStructure *mail_structure_parse(const char *bodystructure, gsize length,
                                    guint64 size);
/* Of a whole message; never NULL.  The caller owns the result. */
MailStructure *mail_structure_find(const char *message, gsize length);
void mail_structure_free(MailStructure *structure);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MailStructure, mail_structure_free)

/* A file that somebody attached: a leaf or a message with a name, or with the
 * disposition, and not the text that a message begins with. */
gboolean mail_structure_is_attachment(const MailStructure *structure, guint i);

#endif

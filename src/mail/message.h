/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a listing knows of one message. */
#ifndef IMAPFS_MAIL_MESSAGE_H
#define IMAPFS_MAIL_MESSAGE_H

#include <glib.h>

/* System flags; keywords follow from MAIL_FLAG_KEYWORD on, see mailbox.h. */
enum {
    MAIL_FLAG_SEEN = 1 << 0,
    MAIL_FLAG_ANSWERED = 1 << 1,
    MAIL_FLAG_FLAGGED = 1 << 2,
    MAIL_FLAG_DELETED = 1 << 3,
    MAIL_FLAG_DRAFT = 1 << 4,
    MAIL_FLAG_KEYWORD = 5, /* the number of the first keyword's bit */
    MAIL_FLAGS_MAX = 64,
};

typedef enum {
    MAIL_FIELD_FROM, /* decoded, UTF-8, as are all */
    MAIL_FIELD_TO,
    MAIL_FIELD_SUBJECT,
    MAIL_FIELD_MESSAGE_ID,
    MAIL_FIELD_EMAILID,
    MAIL_FIELD_THREADID,
    MAIL_N_FIELDS,
} MailField;

typedef struct {
    guint32 uid;
    guint32 changed; /* last known change of its flags, seconds since 1970 */
    guint64 flags;
    guint64 modseq;      /* 0 when unknown */
    gint64 internaldate; /* seconds since 1970 */
    guint64 announced;   /* octets, by RFC822.SIZE */
    guint64 size;        /* octets, as far as is known */
    char *fields; /* one string behind the other, MAIL_N_FIELDS of them */
    gboolean proven : 1;  /* the octets were counted */
    gboolean resized : 1; /* SIZE was something else before, in this mount */
    gboolean renewed : 1; /* ... which was promised: it is another file now */
    gboolean capped : 1;  /* there is nothing at or behind SIZE */
} MailMessage;

/* "" when the message has none. */
const char *mail_message_field(const MailMessage *message, MailField field);

/*
 * Packs the fields of a listing: HEADER is the answer to
 * BODY[HEADER.FIELDS (FROM TO SUBJECT MESSAGE-ID)].  Encoded words are decoded
 * (RFC 2047), long values cut.  The caller owns the result.
 */
char *mail_message_pack(const char *header, gsize length, const char *emailid,
                        gsize emailid_length, const char *threadid,
                        gsize threadid_length);

/* The name in a From field that a person reads; the address if none is there.
 * The caller owns the result. */
char *mail_message_author(const MailMessage *message);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A mailbox as plain data, and the ways to serve it wrongly: what step "A" of a
 * script says for a test.  No extension, one mailbox, whatever it is called.
 */
#ifndef IMAPFS_TESTS_SERVER_H
#define IMAPFS_TESTS_SERVER_H

#include <glib.h>

typedef enum {
    HONEST,
    BODY_NIL,          /* and OK [EXPUNGEISSUED]: Dovecot of expunged ones */
    BODY_EMPTY,        /* "" where there should be something */
    BODY_MISSING,      /* no such item */
    NO_FETCH,          /* nothing but OK */
    FETCH_REFUSED,     /* NO */
    FETCH_BAD,         /* BAD */
    FAKE_MESSAGE,      /* another one, of another size: Courier */
    NO_SIZE,           /* without RFC822.SIZE */
    OTHER_UID,         /* of a message nobody asked for */
    NO_UID,            /* by number only, which is good enough */
    OTHER_ORIGIN,      /* BODY[]<3> where 0 was asked for */
    TOO_LONG,          /* one octet more than was asked for */
    WHOLE,             /* partial is ignored, and no origin is told */
    WHOLE_AS_ORIGIN_0, /* the same, and told as <0> */
    NO_ORIGIN,         /* partial is done but not told */
    ORIGIN_AND_LENGTH, /* BODY[]<0.10> */
    OTHER_SECTION,     /* BODY[TEXT] */
    TWICE,             /* the second time with something else */
    SILENT,
} Habit;

typedef struct {
    guint32 uid;
    char *body;
    gsize size;
    guint64 announced;
    const char *flags;
    gboolean expunged; /* which those who had selected it before cannot see */
} Mail;

typedef struct {
    guint32 uidvalidity;
    GArray *mails; /* of Mail */
    Habit habit;
    gboolean refuse_examine;
    guint64 exists; /* what is said, if not 0 */
    const char *lists;
    guint n_fetches; /* of bodies */
} Server;

/* Without messages. */
void server_init(Server *server);
void server_clear(Server *server);

Mail *server_mail(Server *server, guint i);
/* Its octets tell which message they are of, and which of them they are.
 * ANNOUNCED is RFC822.SIZE; negative is the true one. */
void server_add(Server *server, guint32 uid, gsize size, gint64 announced);
void server_remove(Server *server, guint i);
/* UID is in SET, "1,3:5" or "4:*", as it stands in UID FETCH. */
gboolean server_is_in(Server *server, const char *set, guint32 uid);
/* A ScriptAnswer; DATA is a Server. */
char *server_answer(const char *command, gpointer data);

#endif

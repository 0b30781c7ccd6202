/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A small IMAP server inside the test process, with its mailboxes as plain
 * data that a simulation may change under the client's eyes, and with a wire
 * that can be slow, cut anywhere, or dead.  Everything it does follows from a
 * seed and the virtual clock.
 *
 * Modification sequences (RFC 7162) are true, of each message and mailbox, and
 * what was expunged is remembered, unless the server is told to lie.
 *
 *   world.c           mailboxes and messages as data
 *   world-wire.c      connections, and what they are told unasked
 *   world-commands.c  what a command is answered
 *   world-letters.c   messages that are made of parts
 */
#ifndef IMAPFS_TESTS_WORLD_H
#define IMAPFS_TESTS_WORLD_H

#include "base/clock.h"
#include "imap/dial.h"
#include "letter.h"

/* Extensions that are offered after the login, and work. */
enum {
    WORLD_IDLE = 1 << 0,
    WORLD_LIST_STATUS = 1 << 1, /* and LIST-EXTENDED */
    WORLD_CONDSTORE = 1 << 2,
    WORLD_ESEARCH = 1 << 3,
    WORLD_QRESYNC = 1 << 4, /* and ENABLE */
    WORLD_UIDONLY = 1 << 5,
    WORLD_OBJECTID = 1 << 6,
    WORLD_UNSELECT = 1 << 7,
};

/* What this server gets wrong, every other time that it could. */
typedef enum {
    WORLD_HONEST,
    /* ENABLE is answered OK, without ENABLED, and does nothing. */
    WORLD_ENABLES_NOTHING,
    WORLD_REFUSES_ENABLE, /* it is advertised all the same */
    /* VANISHED (EARLIER) leaves out some of what was expunged. */
    WORLD_FORGETS_SOME,
    /* VANISHED (EARLIER) names all that does not exist, up to 4294967295. */
    WORLD_VANISHES_ALL,
    /* VANISHED names what was gone before, too; EXISTS follows it. */
    WORLD_VANISHES_TWICE,
    /* SEARCH finds nothing, ESEARCH has no ALL. */
    WORLD_FINDS_NOTHING,
    /* EXAMINE tells of a HIGHESTMODSEQ that is long past. */
    WORLD_MODSEQ_BACK,
    /* Does not get anything wrong by itself, see world_rewind(). */
    WORLD_RESTORED,
    WORLD_N_LIES,
} WorldLie;

enum {
    WORLD_SEEN = 1 << 0,
    WORLD_FLAGGED = 1 << 1,
    WORLD_ANSWERED = 1 << 2,
    WORLD_FORWARDED = 1 << 3, /* keywords */
    WORLD_OTHER = 1 << 4,
    WORLD_FLAGS = (1 << 5) - 1,
};

typedef struct {
    guint32 uid;
    guint32 size;
    guint32 announced; /* RFC822.SIZE, wrong on some servers */
    guint flags;       /* of WORLD_SEEN and so on */
    guint64 modseq;
    guint64 content; /* which octets it has; a copy has the same */
    gint64 date;     /* INTERNALDATE, seconds since 1970 */
    gint64 born;     /* microseconds of the clock */
} WorldMessage;

typedef struct {
    guint32 uid;
    guint64 modseq;
} WorldGone;

typedef struct {
    char *name;
    guint32 uidvalidity;
    guint32 uidnext;
    GArray *messages; /* of WorldMessage, by UID */
    guint64 modseq;   /* HIGHESTMODSEQ */
    GArray *gone;     /* of WorldGone, by modseq */
    guint64 history;  /* what was expunged up to this modseq is forgotten */
    gboolean nomodseq;
} WorldMailbox;

typedef struct {
    Clock *clock;
    GRand *rand;
    GPtrArray *mailboxes; /* of WorldMailbox */
    GPtrArray *peers;
    GHashTable *contents; /* of whatever message there ever was */
    guint64 last_content;
    guint offers; /* of WORLD_IDLE and so on */
    WorldLie lie;
    gboolean complements;  /* VANISHED (EARLIER) names what never was, too */
    gboolean unasked_uids; /* UIDFETCH has a UID among its items */
    gboolean fake_modseq;  /* HIGHESTMODSEQ without CONDSTORE */
    gboolean strict;       /* MODSEQ of a mailbox with NOMODSEQ is BAD */
    /* What the wire does wrong. */
    double cut;        /* chance that a connection is cut after some octets */
    gboolean dead;     /* nothing is answered, nothing connects */
    gboolean refusing; /* connections are refused */
    gint64 delay_max;  /* of each answer, microseconds */
    guint wrong_sizes; /* one message in so many has a wrong RFC822.SIZE; 0 */
    guint letters;     /* one message in so many is made of parts; 0: none */
    gboolean wrong_parts;     /* and what is said of these parts is wrong */
    GHashTable *made_letters; /* content -> Letter; or NULL */
    guint64 last_letter;      /* the content of the one that was used last */
    const Letter *last_made;
    /* What the client did. */
    guint dials;
    guint64 octets; /* sent to it */
    guint bodies;   /* messages of which octets were asked for */
    guint fetches;  /* FETCH responses to UID FETCH */
    guint deltas;   /* CHANGEDSINCE */
    guint vanished; /* ... with VANISHED, and answered */
    guint searches;
    char *complaint; /* what it must not do, or NULL */
} World;

World *world_new(Clock *clock, guint32 seed);
void world_free(World *world);
ImapDialer world_dialer(World *world);

WorldMailbox *world_add_mailbox(World *world, const char *name);
void world_remove_mailbox(World *world, guint i);
/* NULL when there is none. */
WorldMailbox *world_mailbox(const World *world, const char *name);
WorldMessage *world_message(const WorldMailbox *mailbox, guint32 uid);
WorldMessage *world_message_at(const WorldMailbox *mailbox, guint i);

/* These tell whoever is in IDLE.  Pointers to messages end with them. */
WorldMessage *world_add_message(World *world, WorldMailbox *mailbox,
                                guint32 size);
/* The N from index I on, at once. */
void world_expunge(World *world, WorldMailbox *mailbox, guint i, guint n);
/* The N from index I on get FLAGS, with one modseq. */
void world_set_flags(World *world, WorldMailbox *mailbox, guint i, guint n,
                     guint flags);
/* The message at index I goes to another mailbox, or a copy of it. */
void world_move(World *world, WorldMailbox *from, guint i, WorldMailbox *to,
                gboolean keep);

/* UIDVALIDITY changes, and UIDs begin anew; the messages are others unless
 * SAME. */
void world_replace(World *world, WorldMailbox *mailbox, gboolean same);
/* What was expunged so far is not remembered. */
void world_forget(WorldMailbox *mailbox);
/* Modification sequences begin anew, as after a restored backup.  Only those
 * that were large, so that it can be noticed. */
void world_rewind(World *world, WorldMailbox *mailbox);
/* Cuts all connections. */
void world_cut(World *world);
/* The wire does nothing wrong from now on. */
void world_heal(World *world);

/* "\Seen $Forwarded"; the caller owns it. */
char *world_flags_text(guint flags);

/* Which octets a message has or had; 0 if there never was one. */
guint64 world_content(const World *world, const char *mailbox,
                      guint32 uidvalidity, guint32 uid);
guint8 world_octet(World *world, guint64 content, guint64 offset);

/* ---- letters ---- */

/* The parts of a letter, by their indices in a MailStructure. */
enum {
    WORLD_PART_HEADERS = 0, /* no part: the header, as a person reads it */
    WORLD_PART_TEXT = 2,
    WORLD_PART_FILE = 3,
    WORLD_PART_TABLE = 4,
    WORLD_PART_MESSAGE = 5,
    WORLD_PART_TEXT_WITHIN = 6,
    WORLD_N_PARTS,
};

/* The letter that CONTENT is; NULL when it is none. */
const Letter *world_letter(World *world, guint64 content);
/* What is in one of its parts, decoded; NULL when it is no letter.  The caller
 * owns it. */
GString *world_letter_part(World *world, guint64 content, guint part);
/* The answer to one item of a FETCH about parts, and a blank. */
void world_append_item(World *world, GString *text, guint64 content,
                       const char *item);

#endif

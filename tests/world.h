/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A small IMAP server inside the test process, with its mailboxes as plain
 * data that a simulation may change under the client's eyes, and with a wire
 * that can be slow, cut anywhere, or dead.  Everything it does follows from a
 * seed and the virtual clock.
 */
#ifndef IMAPFS_TESTS_WORLD_H
#define IMAPFS_TESTS_WORLD_H

#include "base/clock.h"
#include "imap/dial.h"

typedef struct {
    guint32 uid;
    guint32 size;
    guint32 announced; /* RFC822.SIZE, wrong on some servers */
    gboolean seen;
    gint64 born; /* microseconds of the clock */
} WorldMessage;

typedef struct {
    char *name;
    guint32 uidvalidity;
    guint32 uidnext;
    GArray *messages; /* of WorldMessage, by UID */
} WorldMailbox;

typedef struct {
    Clock *clock;
    GRand *rand;
    GPtrArray *mailboxes; /* of WorldMailbox */
    GPtrArray *peers;
    /* What the wire and the server do wrong. */
    double cut;        /* chance that a connection is cut after some octets */
    gboolean dead;     /* nothing is answered, nothing connects */
    gboolean refusing; /* connections are refused */
    gint64 delay_max;  /* of each answer, microseconds */
    gboolean idle;     /* IDLE is offered */
    gboolean uidplus;  /* LIST-EXTENDED and the like are offered */
    guint wrong_sizes; /* one message in so many has a wrong RFC822.SIZE; 0 */
    guint dials;
} World;

World *world_new(Clock *clock, guint32 seed);
void world_free(World *world);
ImapDialer world_dialer(World *world);

WorldMailbox *world_add_mailbox(World *world, const char *name);
void world_remove_mailbox(World *world, guint i);
WorldMessage *world_add_message(World *world, WorldMailbox *mailbox,
                                guint32 size);
void world_expunge(World *world, WorldMailbox *mailbox, guint i);
void world_set_seen(World *world, WorldMailbox *mailbox, guint i,
                    gboolean seen);
/* The mailbox is replaced: the same name, other messages, other UIDs. */
void world_replace(World *world, WorldMailbox *mailbox);
/* Cuts all connections. */
void world_cut(World *world);

/* The octet at OFFSET of a message: it tells of which. */
guint8 world_octet(const char *mailbox, guint32 uidvalidity, guint32 uid,
                   guint64 offset);

#endif

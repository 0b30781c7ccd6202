/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One connection of a World, seen from the server; for world*.c only. */
#ifndef IMAPFS_TESTS_WORLD_PEER_H
#define IMAPFS_TESTS_WORLD_PEER_H

#include "world.h"

typedef struct {
    World *world;
    int fd;
    GSource *source;
    GSource *writable;
    GString *input;
    GQueue replies;  /* of GString, each sent when its time has come */
    GString *output; /* sent as fast as the socket takes it */
    guint timer;
    gint64 budget; /* octets until the cut; -1: none */
    char *idle_tag;
    guint enabled; /* of WORLD_CONDSTORE, _QRESYNC, _UIDONLY */
    gboolean asked_enable;
    WorldMailbox *selected;
    GArray *numbers;   /* what the client was told: UID by sequence number */
    GHashTable *flags; /* ... by UID; none is 0 */
} WorldPeer;

/* Closes the connection and frees PEER. */
void world_peer_hang_up(WorldPeer *peer);
/* Takes TEXT, and sends it a little later. */
void world_peer_reply(WorldPeer *peer, GString *text);
/* Answers one line. */
void world_peer_answer(WorldPeer *peer, char *line);

/* Appends what has changed since the client was told last.  TRUE if something
 * was expunged. */
gboolean world_peer_news(WorldPeer *peer, GString *text);
/* Whoever is in IDLE on MAILBOX is told what is new. */
void world_peers_news(World *world, const WorldMailbox *mailbox);
void world_peers_hang_up(World *world, const WorldMailbox *mailbox);

/* "* 3 FETCH (UID 7" or "* 7 UIDFETCH (": items follow, each behind a space,
 * and world_peer_end_fetch(). */
void world_peer_begin_fetch(const WorldPeer *peer, GString *text, guint number,
                            guint32 uid, gboolean with_uid);
void world_peer_end_fetch(GString *text);
/* Whether the server lies this time. */
gboolean world_lies(World *world, WorldLie lie);

/* Appends UIDS, which are in order, as a set. */
void world_append_set(GString *text, const GArray *uids);

#endif

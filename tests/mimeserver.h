/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages that are made of parts, before the mailbox of tests/server.h. */
#ifndef IMAPFS_TESTS_MIMESERVER_H
#define IMAPFS_TESTS_MIMESERVER_H

#include "letter.h"
#include "server.h"

typedef struct {
    Server *server;       /* its messages, without their parts */
    GHashTable *messages; /* UID -> Letter */
    MimeHabit habit;
    guint32 only;    /* it is the habit with this message; 0: with all */
    gboolean always; /* the habits are those of BODY[], too */
    guint fetches;   /* commands for octets, structures or sizes */
    guint64 octets;  /* in answer to these */
    GString *asked;  /* sections, "3[2]<0.1024> 3[BODYSTRUCTURE] " */
} MimeServer;

void mime_server_init(MimeServer *mime, Server *server);
void mime_server_clear(MimeServer *mime);
/* A message with BODY, which is taken. */
void mime_server_add(MimeServer *mime, guint32 uid, const char *subject,
                     MimePart *body);
/* As in BODY[section]; NULL when there is none. */
const GString *mime_server_section(const MimeServer *mime, guint32 uid,
                                   const char *section);
/* A ScriptAnswer; DATA is a MimeServer. */
char *mime_server_answer(const char *command, gpointer data);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A scene in which INBOX was listed once, and the words for what is said of it
 * next.  It had UIDVALIDITY 7, HIGHESTMODSEQ 100, and the messages with UID 10,
 * 20, 30, 40 and 50, without flags.
 *
 * Tags: $e EXAMINE, $d what has changed, $n messages from a UID on, $s SEARCH,
 * $x all flags and sizes, $f all flags, $l LIST, $a ENABLE.
 */
#ifndef IMAPFS_TESTS_KNOWN_H
#define IMAPFS_TESTS_KNOWN_H

#include "scene.h"

/* Capabilities. */
#define CONDSTORE " CONDSTORE"
#define QRESYNC " CONDSTORE ENABLE QRESYNC"

/* ---- the client ---- */

#define HEADER "HEADER.FIELDS (FROM TO SUBJECT MESSAGE-ID)"
#define PLAIN_ITEMS "UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[" HEADER "]"
#define MODSEQ_ITEMS \
    "UID FLAGS INTERNALDATE RFC822.SIZE MODSEQ BODY.PEEK[" HEADER "]"

#define C_LIST "C: $l LIST \"\" \"*\"\n"
#define C_EXAMINE "C: $e EXAMINE \"INBOX\"\n"
#define C_REST(items, from) "C: $n UID FETCH " from ":* (" items ")\n"
#define C_SEARCH "C: $s UID SEARCH UID 1:50\n"
#define C_ESEARCH "C: $s UID SEARCH RETURN (ALL) UID 1:50\n"
#define C_FLAGS "C: $f UID FETCH 1:50 (UID FLAGS)\n"

#define C_NEWS "C: $n UID FETCH 51:4294967295 (" MODSEQ_ITEMS ")\n"

/* What travels in one flight. */
#define QRESYNC_DELTA                                                \
    C_EXAMINE                                                        \
    "C: $d UID FETCH 1:50 (UID FLAGS) (CHANGEDSINCE 100 VANISHED)\n" \
    "C: $n UID FETCH 51:4294967295 (" MODSEQ_ITEMS ")\n"
#define CONDSTORE_DELTA                                             \
    C_EXAMINE                                                       \
    "C: $d UID FETCH 1:50 (UID FLAGS) (CHANGEDSINCE 100)\n" C_REST( \
        MODSEQ_ITEMS, "51")
#define PLAIN_DELTA C_EXAMINE C_REST(PLAIN_ITEMS, "51")
#define COMPARISON(items, to, from) \
    "C: $x UID FETCH 1:" to " (UID FLAGS RFC822.SIZE)\n" C_REST(items, from)

/* ---- the server ---- */

#define OK(tag) "S: $" tag " OK done\n"
#define SELECTED_AS(uidvalidity, exists, modseq) \
    "S: * " exists " EXISTS\n"                   \
    "S: * OK [UIDVALIDITY " uidvalidity "] x\n"  \
    "S: * OK [HIGHESTMODSEQ " modseq "] x\n"     \
    "S: $e OK [READ-ONLY] done\n"
#define SELECTED(exists, modseq) SELECTED_AS("7", exists, modseq)
#define SELECTED_PLAIN(exists)    \
    "S: * " exists " EXISTS\n"    \
    "S: * OK [UIDVALIDITY 7] x\n" \
    "S: $e OK [READ-ONLY] done\n"
#define DETAILS                                                     \
    " INTERNALDATE \"17-Jul-2023 02:44:25 +0000\" RFC822.SIZE 100 " \
    "BODY[" HEADER "] \"Subject: x\")\n"
#define MESSAGE(number, uid) \
    "S: * " number " FETCH (UID " uid " FLAGS ()" DETAILS
#define UID_MESSAGE(uid) "S: * " uid " UIDFETCH (FLAGS ()" DETAILS
#define FLAGS(number, uid, flags) \
    "S: * " number " FETCH (UID " uid " FLAGS (" flags ") RFC822.SIZE 100)\n"
#define UID_FLAGS(uid) "S: * " uid " UIDFETCH (FLAGS () RFC822.SIZE 100)\n"
#define ALL_FLAGS        \
    FLAGS("1", "10", "") \
    FLAGS("2", "20", "") \
    FLAGS("3", "30", "") FLAGS("4", "40", "") FLAGS("5", "50", "")
#define ALL_MESSAGES   \
    MESSAGE("1", "10") \
    MESSAGE("2", "20") \
    MESSAGE("3", "30") MESSAGE("4", "40") MESSAGE("5", "50")

/* ---- the scene ---- */

/* INBOX has been listed by connection 0, which plays REST from then on. */
Scene *known_new(guint connections, const char *capabilities, const char *rest);
MailMailbox *known_inbox(Scene *scene);
/* From the greeting to where commands may be sent, with ENABLE if that is due;
 * the caller owns it. */
char *known_login(const char *capabilities);
/* What the next connection plays after its login. */
void known_add(Scene *scene, const char *capabilities, const char *rest);
/* UIDs with their flags: "10 20(\\Seen)"; the caller owns it. */
char *known_shown(Scene *scene);
void known_assert_shown(Scene *scene, const char *shown);
/* Connection N has said all it had to, and the client no more than it was
 * expected to. */
void known_assert_over(Scene *scene, guint n);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What somebody looks for.  Two ways to say it, which may be mixed; what stands
 * beside each other must all hold:
 *
 *     FROM alice SINCE 1-Nov-2026 OR SEEN NOT (LARGER 1000000 UID 1:50)
 *     from:alice after:2026-11-01 -has:attachment "quarterly report" unseen
 *
 * The first are search keys of IMAP (RFC 9051, 6.4.4), in capital letters: all
 * but MODSEQ and bare sequence sets, whose numbers mean nothing to a person.
 * To them come OLDER and YOUNGER (RFC 5032), and X-GM-RAW.
 *
 * The second are
 *
 *     from: to: cc: bcc: subject: body: text:    a word, or "several words"
 *     after: since: before: on:                  2026-11-01 or 1-Nov-2026
 *     older: newer: younger:                     7d; h, d, w, m (30 days), y;
 *                                                seconds without
 *     larger: smaller:                           1M; K, M, G; octets without
 *     tag: keyword:                              a keyword
 *     uid:                                       1:50,70:*
 *     has:attachment                             not within OR, NOT ()
 *     is:unseen, unseen                          and whatever other key of IMAP
 *                                                stands alone
 *     gmail:                                     as in Gmail's search box
 *     -X, not:X                                  not X
 *     word, "several words"                      anywhere in the message
 *
 * Capital letters count only for IMAP's keys.  What is neither is an error,
 * not a guess: "from alice" is not taken for two words to look for.
 */
#ifndef IMAPFS_MAIL_CRITERIA_H
#define IMAPFS_MAIL_CRITERIA_H

#include "imap/command.h"

enum {
    MAIL_CRITERIA_LENGTH_MAX = 4096, /* octets of a query */
    MAIL_CRITERIA_DEPTH_MAX = 32,    /* NOT, OR and parentheses in each other */
};

typedef struct MailCriteria MailCriteria;

/* OLDER and YOUNGER count from NOW, seconds since 1970.  Fails with USAGE and a
 * line that says where.  The caller owns the result. */
MailCriteria *mail_criteria_parse(const char *query, gint64 now,
                                  GError **error);
void mail_criteria_free(MailCriteria *criteria);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MailCriteria, mail_criteria_free)

typedef enum {
    MAIL_ATTACHMENTS_OR_NOT,
    MAIL_ATTACHMENTS_SOME,
    MAIL_ATTACHMENTS_NONE,
} MailAttachmentWish;

/* Which messages are meant.  No server can tell these, so the search keys do
 * not say it. */
MailAttachmentWish mail_criteria_attachments(const MailCriteria *criteria);
/* What it finds changes as time goes by, without any message changing. */
gboolean mail_criteria_is_relative(const MailCriteria *criteria);
/* Whether a message that came at INTERNALDATE may be meant.  Servers that can
 * only look for days find some that are not: FALSE says so. */
gboolean mail_criteria_allow_date(const MailCriteria *criteria,
                                  gint64 internaldate);

/*
 * Adds " CHARSET UTF-8", if need be, and the search keys to COMMAND, each with
 * a space before it.  CAPABILITIES (imap/capability.h) say what the server
 * understands.  Without WITHIN days are asked for, such that no message that is
 * meant is left out.  Strings are quoted or literals: nothing in a query
 * becomes anything else.  Fails with USAGE when the server cannot do it.
 */
gboolean mail_criteria_add_to(const MailCriteria *criteria,
                              ImapCommand *command, guint capabilities,
                              GError **error);

#endif

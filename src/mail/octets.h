/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Octets of messages: what those files of an account share that fetch them, and
 * that make something of them.  Not for anyone else.
 *
 *   ranges.c    octets of sections of messages
 *   readers.c   who reads them, and ahead of whom
 *   reading.c   whole messages, and their sizes
 *   walk.c      who reads one message after the other
 *   parts.c     what messages are made of
 *   decoding.c  parts as files
 *   views.c     what is made from them
 *   attachments.c  all attachments of a mailbox
 */
#ifndef IMAPFS_MAIL_OCTETS_H
#define IMAPFS_MAIL_OCTETS_H

#include "mail/internal.h"

#define MAIL_WHOLE "" /* the section that is all of a message */
/* No sections, but asked for and kept like some. */
#define MAIL_STRUCTURE "BODYSTRUCTURE"
#define MAIL_BINARY_SIZE "BINARY.SIZE["

enum { MAIL_SMALL = 128 << 10 }; /* sections up to this size come whole */

/* A section of a message, to be found again after each wait. */
typedef struct {
    MailMailbox *mailbox;
    MailMessage *message;
    const char *name; /* as in BODY[name] */
    guint64 size;     /* octets, as far as is known */
} MailSection;

/* ---- ranges.c ---- */

/* LIMIT is of the octets in memory. */
MailRanges *mail_ranges_new(gsize limit);
void mail_ranges_free(MailRanges *ranges);
gsize mail_ranges_limit(const MailRanges *ranges);
gsize mail_ranges_size(const MailRanges *ranges);
/* So many octets of one section can all be here. */
gboolean mail_range_fits(const MailAccount *account, guint64 size);
/* How many octets are in memory from OFFSET on, without a gap.  What only the
 * store has is brought there, an extent at a time. */
guint64 mail_range_have(MailAccount *account, const MailSection *section,
                        guint64 offset);
/* The octet at OFFSET is here, in memory or in the store. */
gboolean mail_range_is_here(MailAccount *account, const MailSection *section,
                            guint64 offset);
/* The first octet from OFFSET on that is not; the size if all are. */
guint64 mail_range_missing(MailAccount *account, const MailSection *section,
                           guint64 offset);
/* Copies what mail_range_have() has just counted. */
void mail_range_copy(MailAccount *account, const MailSection *section,
                     guint64 offset, void *buffer, gsize length);
/* What is kept of a message is not to be believed. */
void mail_range_forget(MailAccount *account, MailMailbox *mailbox, guint32 uid);
/* Where to end asking: one behind the last octet, so that what comes shows that
 * it is the last, unless that is proven. */
guint64 mail_range_end(const MailSection *section);
/* The want that will bring the octet at OFFSET, made if there is none; LENGTH
 * may be MAIL_WANT_ALL. */
MailWant *mail_range_need(MailAccount *account, const MailSection *section,
                          guint64 offset, guint64 length);
/* The same for one that is missing, of at most LENGTH octets: up to what is
 * here or asked for already. */
MailWant *mail_range_need_gap(MailAccount *account, const MailSection *section,
                              guint64 offset, guint64 length);
/* All of a section of unknown size.  The caller owns *RET. */
gboolean mail_range_read_all(MailAccount *account, const MailSection *section,
                             GBytes **ret, MailFault *fault);
/* Wants for octets of a message; borrowed. */
GSList *mail_range_wants(MailAccount *account, guint16 mailbox, guint32 uid);
/* Sends WANT, and those like it among the pending ones. */
gboolean mail_range_plan(MailAccount *account, MailWant *want);
/* A RANGE want is over; ERROR NULL means filled. */
void mail_range_finished(MailAccount *account, MailWant *want,
                         const GError *error);
/* FETCH answers somebody who wants octets, and does not tell of a change. */
gboolean mail_range_is_answer(const ImapFetch *fetch);
void mail_range_fetched(MailAccount *account, MailMailbox *mailbox,
                        const ImapFetch *fetch);

/* ---- readers.c ---- */

MailReaders *mail_readers_new(void);
void mail_readers_free(MailReaders *readers);
/* SIZE octets from OFFSET on, which are there by SECTION's size. */
gboolean mail_range_read(MailAccount *account, const MailSection *section,
                         guint64 offset, void *buffer, gsize size,
                         MailFault *fault);

/* ---- reading.c ---- */

MailReadings *mail_readings_new(void);
void mail_readings_free(MailReadings *readings);
MailSection mail_section_whole(MailMailbox *mailbox, MailMessage *message);
/* N octets of BODY[] came where ASKED were asked for, from ORIGIN on. */
void mail_reading_learn(MailAccount *account, MailMailbox *mailbox,
                        MailMessage *message, guint64 origin, guint64 n,
                        guint64 asked);
/* MESSAGE has another size than was known; that is not proven. */
void mail_reading_resize(MailAccount *account, MailMessage *message,
                         guint64 size);
/* The store is there: what it knows of the server's sizes. */
void mail_reading_restore(MailAccount *account);
/* Wants what is missing of a message, or of its next large piece, for nobody in
 * particular.  Returns NULL when all of it is here. */
MailWant *mail_reading_fetch(MailAccount *account, MailMailbox *mailbox,
                             guint32 uid);
/* For a walk. */
guint64 mail_reading_ask(MailAccount *account, MailMailbox *mailbox,
                         MailMessage *message);
void mail_reading_describe(MailAccount *account, GString *text);

/* ---- walk.c ---- */

typedef enum {
    MAIL_WALK_MESSAGES,
    MAIL_WALK_TEXTS,
    MAIL_N_WALKS,
} MailWalkKind;

MailWalks *mail_walks_new(void);
void mail_walks_free(MailWalks *walks);
/* Somebody looks at the beginning of a message. */
void mail_walk_note(MailAccount *account, MailWalkKind kind,
                    MailMailbox *mailbox, guint32 uid);
/* Somebody lists these messages of MAILBOX; UIDS ascend. */
void mail_walk_set_order(MailAccount *account, const MailMailbox *mailbox,
                         const guint32 *uids, guint n);
/* Somebody is about to come to message UID. */
gboolean mail_walk_awaits(const MailAccount *account, MailWalkKind kind,
                          const MailMailbox *mailbox, guint32 uid);

/* ---- parts.c ---- */

MailParts *mail_parts_new(void);
void mail_parts_free(MailParts *parts);
/* How many octets a section has, by what the server says; MAIL_WANT_ALL when
 * that is not known. */
guint64 mail_parts_octets(MailAccount *account, MailMailbox *mailbox,
                          MailMessage *message, const char *section);
/* N octets of SECTION came where ASKED were asked for, from ORIGIN on.  FALSE
 * when nothing says that it has these. */
gboolean mail_parts_learn(MailAccount *account, const MailSection *section,
                          guint64 origin, guint64 n, guint64 asked);
/* WANT was answered without what it wants; TRUE when asking for something else
 * may help. */
gboolean mail_parts_not_sent(MailAccount *account, MailMailbox *mailbox,
                             const MailWant *want, gboolean first_refusal);
/* The same, for a connection that was lost. */
gboolean mail_parts_lost(MailAccount *account, MailMailbox *mailbox,
                         const MailWant *want);
/* WANT, for something of a message, failed. */
void mail_parts_note_failure(MailAccount *account, const MailWant *want,
                             const GError *error);
/* The server did not tell what the message is made of when it was asked last.
 */
gboolean mail_parts_are_refused(MailAccount *account,
                                const MailMailbox *mailbox, guint32 uid);
/* What is known of the parts of a message does not hold any more. */
void mail_parts_forget(MailAccount *account, const MailMailbox *mailbox,
                       guint32 uid);
/* The structure, if it is here; else NULL, and it is asked for: *RET_WANT is
 * what brings it, or as it was if nothing does. */
const MailStructure *mail_parts_ask(MailAccount *account, MailMailbox *mailbox,
                                    MailMessage *message, MailWant **ret_want);
/* The same, without asking. */
const MailStructure *mail_parts_peek(MailAccount *account, MailMailbox *mailbox,
                                     MailMessage *message);
/* Somebody is told the size of a part. */
void mail_parts_promise(MailAccount *account, const MailMailbox *mailbox,
                        guint32 uid);

/* Where the octets of a part stand: in SECTION, from OFFSET on.  To be found
 * again after each wait. */
typedef struct {
    MailSection section;
    guint64 offset;
    guint64 octets;
} MailSpan;

gboolean mail_part_find(MailAccount *account, MailMailbox *mailbox, guint32 uid,
                        guint i, MailSpan *ret, MailFault *fault);
/* SIZE octets, which are there, from OFFSET in SPAN on. */
gboolean mail_span_read(MailAccount *account, const MailSpan *span,
                        guint64 offset, void *buffer, gsize size,
                        MailFault *fault);
/* Wants them for nobody in particular, unless the first of them is here. */
void mail_span_ask(MailAccount *account, const MailSpan *span, guint64 offset,
                   guint64 length);
/* The header of the message that is part I, or at least its FIELDS (NULL: all).
 * The caller owns *RET. */
gboolean mail_part_read_header(MailAccount *account, MailMailbox *mailbox,
                               guint32 uid, guint i, const char *fields,
                               GBytes **ret, MailFault *fault);
/* Wants those of the message that is PART (NULL: of the message itself), for
 * nobody in particular. */
void mail_part_ask_header(MailAccount *account, MailMailbox *mailbox,
                          MailMessage *message, const MailPart *part,
                          const char *fields);
/* BINARY.SIZE of a part; MAIL_WANT_ALL when it cannot be had. */
gboolean mail_part_ask_binary(MailAccount *account, MailMailbox *mailbox,
                              guint32 uid, const MailPart *part,
                              guint64 *ret_size, MailFault *fault);

/* ---- decoding.c ---- */

MailDecodings *mail_decodings_new(void);
void mail_decodings_free(MailDecodings *decodings);
/* Of part I of a message, as in mail/account.h.  Never faults. */
MailViewSize mail_decoding_known_size(MailAccount *account,
                                      MailMailbox *mailbox, guint32 uid,
                                      guint i, const MailPart *part);
gboolean mail_decoding_know_size(MailAccount *account, MailMailbox *mailbox,
                                 guint32 uid, guint i, MailViewSize *ret,
                                 MailFault *fault);
/* It is going to be read: its size is exact from now on. */
gboolean mail_decoding_open(MailAccount *account, MailMailbox *mailbox,
                            guint32 uid, guint i, MailFault *fault);
gboolean mail_decoding_read(MailAccount *account, MailMailbox *mailbox,
                            guint32 uid, guint i, guint64 offset, void *buffer,
                            gsize size, gsize *ret_size, MailFault *fault);
/* Wants what tells how long it is, for nobody in particular. */
void mail_decoding_ask(MailAccount *account, MailMailbox *mailbox, guint32 uid,
                       guint i);
void mail_decoding_forget(MailAccount *account, const MailMailbox *mailbox,
                          guint32 uid);

/* ---- views.c ---- */

MailViews *mail_views_new(void);
void mail_views_free(MailViews *views);
void mail_views_forget(MailAccount *account, const MailMailbox *mailbox,
                       guint32 uid);
/* For a walk. */
guint64 mail_views_ask_text(MailAccount *account, MailMailbox *mailbox,
                            MailMessage *message);
/* It is known what a message is made of. */
void mail_views_structure_came(MailAccount *account, MailMailbox *mailbox,
                               MailMessage *message);

/* ---- attachments.c ---- */

MailAttachments *mail_attachments_new(void);
void mail_attachments_free(MailAttachments *attachments);

#endif

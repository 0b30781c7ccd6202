/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a server says (RFC 9051, 7), as values.  Three tables in response.c
 * name all that is understood: untagged responses, items of a FETCH, response
 * codes.  The rest is skipped.
 */
#ifndef IMAPFS_IMAP_RESPONSE_H
#define IMAPFS_IMAP_RESPONSE_H

#include "imap/syntax.h"

typedef enum {
    IMAP_OTHER, /* not understood, or not well-formed */
    IMAP_CONTINUE,
    IMAP_OK,
    IMAP_NO,
    IMAP_BAD,
    IMAP_BYE,
    IMAP_PREAUTH,
    IMAP_CAPABILITY,
    IMAP_ENABLED,
    IMAP_NAMESPACE,
    IMAP_LIST,
    IMAP_STATUS,
    IMAP_EXISTS,
    IMAP_EXPUNGE,
    IMAP_VANISHED,
    IMAP_SEARCH, /* or ESEARCH */
    IMAP_THREAD,
    IMAP_FETCH,
} ImapResponseKind;

/* Response codes (RFC 9051, 7.1; RFC 5530). */
typedef enum {
    IMAP_CODE_NONE,
    IMAP_CODE_OTHER,
    IMAP_CODE_ALERT,
    IMAP_CODE_CAPABILITY,
    IMAP_CODE_UIDVALIDITY,
    IMAP_CODE_UIDNEXT,
    IMAP_CODE_HIGHESTMODSEQ,
    IMAP_CODE_NOMODSEQ,
    IMAP_CODE_UIDNOTSTICKY,
    IMAP_CODE_NOTIFICATIONOVERFLOW,
    IMAP_CODE_CLOSED,
    IMAP_CODE_NONEXISTENT,
    IMAP_CODE_NOPERM,
    IMAP_CODE_AUTHENTICATIONFAILED,
    IMAP_CODE_AUTHORIZATIONFAILED,
    IMAP_CODE_EXPIRED,
    IMAP_CODE_UNAVAILABLE,
    IMAP_CODE_LIMIT,
    IMAP_CODE_INUSE,
    IMAP_CODE_EXPUNGEISSUED,
    IMAP_CODE_INPROGRESS,
} ImapCode;

/* Of OK, NO, BAD, BYE and PREAUTH. */
typedef struct {
    ImapCode code;
    guint64 number;     /* of UIDVALIDITY, UIDNEXT, HIGHESTMODSEQ */
    ImapSlice argument; /* of CAPABILITY */
    ImapSlice text;
} ImapStatusText;

enum {
    IMAP_LIST_NOSELECT = 1 << 0,
    IMAP_LIST_NONEXISTENT = 1 << 1,
};

typedef struct {
    guint attributes;
    ImapSlice special_use; /* "\Sent" and so on; NIL when there is none */
    char delimiter;        /* 0: the names have no hierarchy */
    ImapSlice name;
} ImapList;

enum {
    IMAP_STATUS_MESSAGES = 1 << 0,
    IMAP_STATUS_UIDNEXT = 1 << 1,
    IMAP_STATUS_UIDVALIDITY = 1 << 2,
    IMAP_STATUS_MODSEQ = 1 << 3, /* HIGHESTMODSEQ */
};

typedef struct {
    guint items; /* which of the following were sent */
    guint64 messages, uidnext, uidvalidity, modseq;
    ImapSlice name;
} ImapMailboxStatus;

typedef struct {
    ImapSlice section; /* what stands between the brackets of BODY[] */
    gint64 origin;     /* first octet, or -1 when all of it was sent */
    ImapSlice data;
} ImapBody;

enum {
    IMAP_FETCH_FLAGS = 1 << 0,
    IMAP_FETCH_INTERNALDATE = 1 << 1,
    IMAP_FETCH_SIZE = 1 << 2,
    IMAP_FETCH_MODSEQ = 1 << 3,
};

typedef struct {
    guint items;
    guint32 number;  /* sequence number; 0 in a UIDFETCH (RFC 9586) */
    guint32 uid;     /* 0 when not sent */
    ImapSlice flags; /* separated by spaces */
    gint64 internaldate;
    guint64 size;
    guint64 modseq;
    ImapSlice emailid, threadid; /* RFC 8474 */
    ImapSlice preview;           /* RFC 8970 */
    ImapSlice structure;         /* BODYSTRUCTURE as it was sent, unparsed */
    ImapSlice binary_section;    /* of BINARY.SIZE (RFC 3516) */
    gint64 binary_size;          /* -1 when it was not sent */
    guint n_bodies;
    ImapBody bodies[8];
} ImapFetch;

/* Of SEARCH and ESEARCH (RFC 4731). */
typedef struct {
    gboolean extended; /* an ESEARCH */
    ImapSlice tag;     /* of the command; NIL when it was not told */
    gboolean counted;  /* COUNT was told, which is */
    guint64 count;
    ImapSlice uids; /* a uid-set; NIL when there is none */
} ImapFound;

typedef struct {
    ImapResponseKind kind;
    ImapSlice tag; /* NIL when untagged */
    union {
        ImapStatusText status;
        ImapSlice capabilities;  /* of ENABLED, too */
        ImapSlice namespaces[3]; /* insides: personal, other users', shared */
        ImapList list;
        ImapMailboxStatus mailbox;
        guint32 number; /* EXISTS, EXPUNGE */
        struct {
            gboolean earlier;
            ImapSlice uids;
        } vanished;
        ImapFound found;
        ImapSlice threads; /* see imap_next_thread() */
        ImapFetch fetch;
    };
} ImapResponse;

/*
 * Parses one framed response.  What is not understood, or is not well-formed,
 * is IMAP_OTHER; what of a FETCH was understood before the trouble is kept.
 * The slices of *RET point into FRAME, which is altered.
 */
void imap_response_parse(char *frame, gsize length, ImapResponse *ret);

/* What a NO, BAD or BYE means, in the server's words; OTHERWISE is the code
 * where the server gives none that is known.  The caller owns it. */
GError *imap_response_error(const ImapResponse *response, int otherwise);

/* The next flag, namespace or the like of SLICE; FALSE at its end. */
gboolean imap_next_word(ImapSlice *slice, ImapSlice *ret);

/*
 * Appends the UIDs of the next thread of a THREAD response (RFC 5256, 5), a
 * guint32 each, to UIDS, as they stand in it: who answers whom is left out.
 * FALSE when there is none, or where it is not well-formed.
 */
gboolean imap_next_thread(ImapSlice *threads, GArray *uids);

/* The next (prefix delimiter) of a namespace; *RET_DELIMITER 0 for NIL. */
gboolean imap_next_namespace(ImapSlice *slice, ImapSlice *ret_prefix,
                             char *ret_delimiter);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imap/response.h"

#include <string.h>

#include "base/error.h"
#include "imap/limits.h"

G_STATIC_ASSERT(IMAP_BODIES_MAX ==
                sizeof(((ImapFetch *)0)->bodies) / sizeof(ImapBody));

/* ---- response codes ---- */

typedef struct {
    const char *name;
    ImapCode code;
    enum { CODE_BARE, CODE_NUMBER, CODE_WORDS } argument;
} CodeRow;

static const CodeRow code_table[] = {
    {"ALERT", IMAP_CODE_ALERT, CODE_BARE},
    {"AUTHENTICATIONFAILED", IMAP_CODE_AUTHENTICATIONFAILED, CODE_BARE},
    {"AUTHORIZATIONFAILED", IMAP_CODE_AUTHORIZATIONFAILED, CODE_BARE},
    {"CAPABILITY", IMAP_CODE_CAPABILITY, CODE_WORDS},
    {"CLOSED", IMAP_CODE_CLOSED, CODE_BARE},
    {"EXPIRED", IMAP_CODE_EXPIRED, CODE_BARE},
    {"EXPUNGEISSUED", IMAP_CODE_EXPUNGEISSUED, CODE_BARE},
    {"HIGHESTMODSEQ", IMAP_CODE_HIGHESTMODSEQ, CODE_NUMBER},
    {"INPROGRESS", IMAP_CODE_INPROGRESS, CODE_BARE},
    {"INUSE", IMAP_CODE_INUSE, CODE_BARE},
    {"LIMIT", IMAP_CODE_LIMIT, CODE_BARE},
    {"NOMODSEQ", IMAP_CODE_NOMODSEQ, CODE_BARE},
    {"NONEXISTENT", IMAP_CODE_NONEXISTENT, CODE_BARE},
    {"NOPERM", IMAP_CODE_NOPERM, CODE_BARE},
    {"NOTIFICATIONOVERFLOW", IMAP_CODE_NOTIFICATIONOVERFLOW, CODE_BARE},
    {"UIDNEXT", IMAP_CODE_UIDNEXT, CODE_NUMBER},
    {"UIDNOTSTICKY", IMAP_CODE_UIDNOTSTICKY, CODE_BARE},
    {"UIDVALIDITY", IMAP_CODE_UIDVALIDITY, CODE_NUMBER},
    {"UNAVAILABLE", IMAP_CODE_UNAVAILABLE, CODE_BARE},
};

static void
parse_code(ImapCursor at, ImapStatusText *ret)
{
    ImapSlice name;

    ret->code = IMAP_CODE_OTHER;
    if (!imap_take_atom(&at, &name))
        return;
    for (guint i = 0; i < G_N_ELEMENTS(code_table); i++) {
        const CodeRow *row = &code_table[i];
        if (!imap_slice_is(name, row->name))
            continue;
        imap_take_space(&at);
        if (row->argument == CODE_NUMBER &&
            !imap_take_number(&at, &ret->number))
            return;
        if (row->argument == CODE_WORDS)
            ret->argument = (ImapSlice){at.at, (gsize)(at.end - at.at)};
        ret->code = row->code;
        return;
    }
}

/* resp-text = ["[" resp-text-code "]" SP] text */
static void
parse_text(ImapCursor *at, ImapStatusText *ret)
{
    char *close;

    imap_take_space(at);
    if (imap_take_char(at, '[')) {
        close = memchr(at->at, ']', (gsize)(at->end - at->at));
        if (close != NULL) {
            parse_code((ImapCursor){at->at, close}, ret);
            at->at = close + 1;
            imap_take_space(at);
        }
    }
    ret->text = (ImapSlice){at->at, (gsize)(at->end - at->at)};
}

/* ---- items of a FETCH ---- */

static gboolean
fetch_uid(ImapCursor *at, ImapFetch *fetch)
{
    return imap_take_nz_number(at, &fetch->uid);
}

static gboolean
fetch_flags(ImapCursor *at, ImapFetch *fetch)
{
    if (!imap_take_list(at, &fetch->flags))
        return FALSE;
    fetch->items |= IMAP_FETCH_FLAGS;
    return TRUE;
}

static gboolean
fetch_internaldate(ImapCursor *at, ImapFetch *fetch)
{
    ImapSlice text;
    if (!imap_take_nstring(at, &text))
        return FALSE;
    fetch->items |= IMAP_FETCH_INTERNALDATE;
    fetch->internaldate = imap_parse_date(text);
    return TRUE;
}

static gboolean
fetch_size(ImapCursor *at, ImapFetch *fetch)
{
    if (!imap_take_number(at, &fetch->size))
        return FALSE;
    fetch->items |= IMAP_FETCH_SIZE;
    return TRUE;
}

static gboolean
fetch_modseq(ImapCursor *at, ImapFetch *fetch)
{
    if (!imap_take_char(at, '(') || !imap_take_number(at, &fetch->modseq) ||
        !imap_take_char(at, ')'))
        return FALSE;
    fetch->items |= IMAP_FETCH_MODSEQ;
    return TRUE;
}

/* "(" objectid ")" / nil; what is no objectid is as good as none (RFC 8474). */
static gboolean
take_objectid(ImapCursor *at, ImapSlice *ret)
{
    ImapSlice id;
    if (imap_take_word(at, "NIL"))
        return TRUE;
    if (!imap_take_list(at, &id))
        return FALSE;
    if (id.length > 255)
        return TRUE;
    for (gsize i = 0; i < id.length; i++) {
        char c = id.data[i];
        if (!g_ascii_isalnum(c) && c != '-' && c != '_')
            return TRUE;
    }
    *ret = id;
    return TRUE;
}

static gboolean
fetch_emailid(ImapCursor *at, ImapFetch *fetch)
{
    return take_objectid(at, &fetch->emailid);
}

static gboolean
fetch_threadid(ImapCursor *at, ImapFetch *fetch)
{
    return take_objectid(at, &fetch->threadid);
}

/* "BODY" section ["<" number ["." number] ">"] SP nstring; behind "BODY[". */
static gboolean
fetch_body(ImapCursor *at, ImapFetch *fetch)
{
    ImapBody body = {.origin = -1};
    char *close = memchr(at->at, ']', (gsize)(at->end - at->at));
    guint64 number;

    if (close == NULL)
        return FALSE;
    body.section = (ImapSlice){at->at, (gsize)(close - at->at)};
    at->at = close + 1;
    if (imap_take_char(at, '<')) {
        if (!imap_take_number(at, &number))
            return FALSE;
        body.origin = (gint64)number;
        if (imap_take_char(at, '.') && !imap_take_number(at, &number))
            return FALSE;
        if (!imap_take_char(at, '>'))
            return FALSE;
    }
    if (!imap_take_space(at) || !imap_take_nstring(at, &body.data))
        return FALSE;
    if (fetch->n_bodies < IMAP_BODIES_MAX)
        fetch->bodies[fetch->n_bodies++] = body;
    return TRUE;
}

static gboolean
fetch_preview(ImapCursor *at, ImapFetch *fetch)
{
    return imap_take_nstring(at, &fetch->preview);
}

/* Its quoted strings stay as they are, so that it can be parsed later. */
static gboolean
fetch_structure(ImapCursor *at, ImapFetch *fetch)
{
    const char *from = at->at;
    if (!imap_skip_value(at))
        return FALSE;
    fetch->structure = (ImapSlice){from, (gsize)(at->at - from)};
    return TRUE;
}

/* "BINARY.SIZE" section-binary SP number; behind "BINARY.SIZE[". */
static gboolean
fetch_binary_size(ImapCursor *at, ImapFetch *fetch)
{
    char *close = memchr(at->at, ']', (gsize)(at->end - at->at));
    guint64 size;

    if (close == NULL)
        return FALSE;
    fetch->binary_section = (ImapSlice){at->at, (gsize)(close - at->at)};
    at->at = close + 1;
    if (!imap_take_space(at) || !imap_take_number(at, &size))
        return FALSE;
    fetch->binary_size = size <= G_MAXINT64 ? (gint64)size : -1;
    return TRUE;
}

typedef struct {
    const char *name; /* with what must follow it */
    gboolean (*parse)(ImapCursor *at, ImapFetch *fetch);
} FetchRow;

static const FetchRow fetch_table[] = {
    {"UID ", fetch_uid},
    {"FLAGS ", fetch_flags},
    {"INTERNALDATE ", fetch_internaldate},
    {"RFC822.SIZE ", fetch_size},
    {"BODY[", fetch_body},
    {"MODSEQ ", fetch_modseq},
    {"EMAILID ", fetch_emailid},
    {"THREADID ", fetch_threadid},
    {"PREVIEW ", fetch_preview},
    {"BODYSTRUCTURE ", fetch_structure},
    {"BINARY.SIZE[", fetch_binary_size},
};

static gboolean
parse_fetch_item(ImapCursor *at, ImapFetch *fetch)
{
    ImapSlice name;
    for (guint i = 0; i < G_N_ELEMENTS(fetch_table); i++) {
        if (imap_take_word(at, fetch_table[i].name))
            return fetch_table[i].parse(at, fetch);
    }
    return imap_take_atom(at, &name) && imap_skip_value(at);
}

static gboolean
parse_fetch(ImapCursor *at, ImapResponse *ret)
{
    ret->fetch.binary_size = -1;
    if (!imap_take_char(at, '('))
        return FALSE;
    while (!imap_take_char(at, ')')) {
        imap_take_space(at);
        if (!parse_fetch_item(at, &ret->fetch))
            break;
        imap_take_space(at);
    }
    return TRUE;
}

/* ---- untagged responses ---- */

static gboolean
parse_status_text(ImapCursor *at, ImapResponse *ret)
{
    parse_text(at, &ret->status);
    return TRUE;
}

static gboolean
parse_capability(ImapCursor *at, ImapResponse *ret)
{
    ret->capabilities = (ImapSlice){at->at, (gsize)(at->end - at->at)};
    return TRUE;
}

static gboolean
parse_namespace(ImapCursor *at, ImapResponse *ret)
{
    for (guint i = 0; i < G_N_ELEMENTS(ret->namespaces); i++) {
        if (!imap_take_word(at, "NIL") &&
            !imap_take_list(at, &ret->namespaces[i]))
            return FALSE;
        imap_take_space(at);
    }
    return TRUE;
}

static gboolean
take_delimiter(ImapCursor *at, char *ret)
{
    ImapSlice delimiter;
    if (!imap_take_nstring(at, &delimiter) || delimiter.length > 1)
        return FALSE;
    *ret = delimiter.length == 1 ? delimiter.data[0] : '\0';
    return TRUE;
}

static gboolean
parse_list(ImapCursor *at, ImapResponse *ret)
{
    ImapSlice attributes;
    ImapSlice word;

    if (!imap_take_list(at, &attributes) || !imap_take_space(at) ||
        !take_delimiter(at, &ret->list.delimiter) || !imap_take_space(at) ||
        !imap_take_astring(at, &ret->list.name))
        return FALSE;
    while (imap_next_word(&attributes, &word)) {
        static const char *const uses[] = {
            "\\All",  "\\Archive", "\\Drafts", "\\Flagged",
            "\\Junk", "\\Sent",    "\\Trash",  "\\Important"};
        if (imap_slice_is(word, "\\Noselect"))
            ret->list.attributes |= IMAP_LIST_NOSELECT;
        if (imap_slice_is(word, "\\NonExistent"))
            ret->list.attributes |= IMAP_LIST_NONEXISTENT | IMAP_LIST_NOSELECT;
        for (guint i = 0; i < G_N_ELEMENTS(uses); i++) {
            if (imap_slice_is(word, uses[i]))
                ret->list.special_use = word;
        }
    }
    return TRUE;
}

static gboolean
parse_status(ImapCursor *at, ImapResponse *ret)
{
    ImapMailboxStatus *status = &ret->mailbox;
    const struct {
        const char *name;
        guint item;
        guint64 *value;
    } items[] = {
        {"MESSAGES ", IMAP_STATUS_MESSAGES, &status->messages},
        {"UIDNEXT ", IMAP_STATUS_UIDNEXT, &status->uidnext},
        {"UIDVALIDITY ", IMAP_STATUS_UIDVALIDITY, &status->uidvalidity},
        {"HIGHESTMODSEQ ", IMAP_STATUS_MODSEQ, &status->modseq},
    };

    if (!imap_take_astring(at, &status->name) || !imap_take_space(at) ||
        !imap_take_char(at, '('))
        return FALSE;
    while (!imap_take_char(at, ')')) {
        ImapSlice name;
        guint i = 0;
        while (i < G_N_ELEMENTS(items) && !imap_take_word(at, items[i].name))
            i++;
        if (i < G_N_ELEMENTS(items)) {
            if (!imap_take_number(at, items[i].value))
                return FALSE;
            status->items |= items[i].item;
        } else if (!imap_take_atom(at, &name) || !imap_skip_value(at)) {
            return FALSE;
        }
        imap_take_space(at);
    }
    return TRUE;
}

static gboolean
parse_vanished(ImapCursor *at, ImapResponse *ret)
{
    ret->vanished.earlier = imap_take_word(at, "(EARLIER)");
    imap_take_space(at);
    return imap_take_atom(at, &ret->vanished.uids);
}

/* mailbox-data =/ "SEARCH" *(SP nz-number): a uid-set but for its commas */
static gboolean
parse_search(ImapCursor *at, ImapResponse *ret)
{
    char *end = memchr(at->at, '(', (gsize)(at->end - at->at)); /* MODSEQ */

    end = end ? end : at->end;
    while (end > at->at && end[-1] == ' ')
        end--;
    for (char *c = at->at; c < end; c++)
        *c = *c == ' ' ? ',' : *c;
    if (end > at->at)
        ret->found.uids = (ImapSlice){at->at, (gsize)(end - at->at)};
    return TRUE;
}

/* search-correlator = SP "(" "TAG" SP tag-string ")" */
static void
parse_correlator(ImapCursor *at, ImapFound *found)
{
    ImapSlice inside;
    ImapCursor in;

    if (!imap_take_list(at, &inside))
        return;
    in = (ImapCursor){(char *)inside.data, (char *)inside.data + inside.length};
    imap_take_space(&in);
    if (imap_take_word(&in, "TAG") && imap_take_space(&in))
        imap_take_astring(&in, &found->tag);
}

/* search-return-data */
static gboolean
parse_found(ImapCursor *at, ImapFound *found)
{
    ImapSlice name;

    if (!imap_take_atom(at, &name))
        return FALSE;
    imap_take_space(at);
    if (imap_slice_is(name, "ALL"))
        return imap_take_atom(at, &found->uids);
    if (imap_slice_is(name, "COUNT")) {
        found->counted = imap_take_number(at, &found->count);
        return found->counted;
    }
    return imap_skip_value(at);
}

/* "ESEARCH" [search-correlator] [SP "UID"] *(SP search-return-data) */
static gboolean
parse_esearch(ImapCursor *at, ImapResponse *ret)
{
    ret->found.extended = TRUE;
    parse_correlator(at, &ret->found);
    imap_take_space(at);
    imap_take_word(at, "UID ");
    while (parse_found(at, &ret->found))
        imap_take_space(at);
    return TRUE;
}

static gboolean
parse_thread(ImapCursor *at, ImapResponse *ret)
{
    ret->threads = (ImapSlice){at->at, (gsize)(at->end - at->at)};
    return TRUE;
}

static gboolean
parse_uidfetch(ImapCursor *at, ImapResponse *ret)
{
    ret->fetch.uid = ret->fetch.number;
    ret->fetch.number = 0;
    return parse_fetch(at, ret);
}

static gboolean
parse_nothing(ImapCursor *at, ImapResponse *ret)
{
    (void)at;
    (void)ret;
    return TRUE;
}

typedef struct {
    const char *name;
    ImapResponseKind kind;
    gboolean numbered;
    gboolean (*parse)(ImapCursor *at, ImapResponse *ret);
} UntaggedRow;

static const UntaggedRow untagged_table[] = {
    {"FETCH", IMAP_FETCH, TRUE, parse_fetch},
    {"UIDFETCH", IMAP_FETCH, TRUE, parse_uidfetch},
    {"EXISTS", IMAP_EXISTS, TRUE, parse_nothing},
    {"EXPUNGE", IMAP_EXPUNGE, TRUE, parse_nothing},
    {"OK", IMAP_OK, FALSE, parse_status_text},
    {"NO", IMAP_NO, FALSE, parse_status_text},
    {"BAD", IMAP_BAD, FALSE, parse_status_text},
    {"BYE", IMAP_BYE, FALSE, parse_status_text},
    {"PREAUTH", IMAP_PREAUTH, FALSE, parse_status_text},
    {"LIST", IMAP_LIST, FALSE, parse_list},
    {"STATUS", IMAP_STATUS, FALSE, parse_status},
    {"CAPABILITY", IMAP_CAPABILITY, FALSE, parse_capability},
    {"ENABLED", IMAP_ENABLED, FALSE, parse_capability},
    {"NAMESPACE", IMAP_NAMESPACE, FALSE, parse_namespace},
    {"VANISHED", IMAP_VANISHED, FALSE, parse_vanished},
    {"SEARCH", IMAP_SEARCH, FALSE, parse_search},
    {"ESEARCH", IMAP_SEARCH, FALSE, parse_esearch},
    {"THREAD", IMAP_THREAD, FALSE, parse_thread},
};

static void
parse_untagged(ImapCursor *at, ImapResponse *ret)
{
    guint64 number = 0;
    gboolean numbered = imap_take_number(at, &number) && imap_take_space(at);
    ImapSlice name;

    if (number > G_MAXUINT32 || !imap_take_atom(at, &name))
        return;
    imap_take_space(at);
    for (guint i = 0; i < G_N_ELEMENTS(untagged_table); i++) {
        const UntaggedRow *row = &untagged_table[i];
        if (row->numbered != numbered || !imap_slice_is(name, row->name))
            continue;
        if (row->kind == IMAP_FETCH)
            ret->fetch.number = (guint32)number;
        else if (numbered)
            ret->number = (guint32)number;
        if (row->parse(at, ret))
            ret->kind = row->kind;
        return;
    }
}

/* tag SP resp-cond-state */
static void
parse_tagged(ImapCursor *at, ImapResponse *ret)
{
    ImapSlice tag;
    if (!imap_take_atom(at, &tag) || !imap_take_space(at))
        return;
    if (imap_take_word(at, "OK"))
        ret->kind = IMAP_OK;
    else if (imap_take_word(at, "NO"))
        ret->kind = IMAP_NO;
    else if (imap_take_word(at, "BAD"))
        ret->kind = IMAP_BAD;
    else
        return;
    ret->tag = tag;
    parse_text(at, &ret->status);
}

void
imap_response_parse(char *frame, gsize length, ImapResponse *ret)
{
    ImapCursor at = {frame, frame + length};

    memset(ret, 0, sizeof *ret);
    if (at.end > at.at && at.end[-1] == '\n')
        at.end--;
    if (at.end > at.at && at.end[-1] == '\r')
        at.end--;
    if (imap_take_char(&at, '+')) {
        ret->kind = IMAP_CONTINUE;
        parse_text(&at, &ret->status);
    } else if (imap_take_char(&at, '*')) {
        imap_take_space(&at);
        parse_untagged(&at, ret);
    } else {
        parse_tagged(&at, ret);
    }
}

gboolean
imap_next_word(ImapSlice *slice, ImapSlice *ret)
{
    const char *at = slice->data;
    const char *end;

    if (at == NULL)
        return FALSE;
    end = at + slice->length;
    while (at != end && *at == ' ')
        at++;
    ret->data = at;
    while (at != end && *at != ' ')
        at++;
    ret->length = (gsize)(at - ret->data);
    *slice = (ImapSlice){at, (gsize)(end - at)};
    return ret->length > 0;
}

/* thread-list = "(" (thread-members / thread-nested) ")"; branches nest as deep
 * as answers do, so they are counted and not remembered. */
gboolean
imap_next_thread(ImapSlice *threads, GArray *uids)
{
    ImapCursor at;
    guint depth = 0;
    guint32 uid;

    if (threads->data == NULL)
        return FALSE;
    at = (ImapCursor){(char *)threads->data,
                      (char *)threads->data + threads->length};
    do {
        imap_take_space(&at);
        if (imap_take_char(&at, '('))
            depth++;
        else if (depth > 0 && imap_take_char(&at, ')'))
            depth--;
        else if (depth > 0 && imap_take_nz_number(&at, &uid))
            g_array_append_val(uids, uid);
        else
            return FALSE;
    } while (depth > 0);
    *threads = (ImapSlice){at.at, (gsize)(at.end - at.at)};
    return TRUE;
}

gboolean
imap_next_namespace(ImapSlice *slice, ImapSlice *ret_prefix,
                    char *ret_delimiter)
{
    /* The response is ours to alter, see imap_response_parse(). */
    ImapCursor at;
    gboolean found;

    if (slice->data == NULL)
        return FALSE;
    at = (ImapCursor){(char *)slice->data, (char *)slice->data + slice->length};
    imap_take_space(&at);
    found = imap_take_char(&at, '(') && imap_take_nstring(&at, ret_prefix) &&
            ret_prefix->data != NULL && imap_take_space(&at) &&
            take_delimiter(&at, ret_delimiter);
    /* namespace extensions (RFC 2342, 5) */
    while (found && !imap_take_char(&at, ')'))
        found = imap_skip_value(&at) || imap_take_space(&at);
    *slice = (ImapSlice){at.at, (gsize)(at.end - at.at)};
    return found;
}

GError *
imap_response_error(const ImapResponse *response, int otherwise)
{
    const ImapStatusText *status = &response->status;
    g_autofree char *text =
        imapfs_printable(status->text.data ? status->text.data : "",
                         (gssize)status->text.length);

    switch (status->code) {
    case IMAP_CODE_NONEXISTENT:
    case IMAP_CODE_EXPUNGEISSUED:
        otherwise = IMAPFS_ERROR_NOT_FOUND;
        break;
    case IMAP_CODE_NOPERM:
    case IMAP_CODE_AUTHORIZATIONFAILED:
    case IMAP_CODE_AUTHENTICATIONFAILED:
    case IMAP_CODE_EXPIRED:
        otherwise = IMAPFS_ERROR_DENIED;
        break;
    case IMAP_CODE_UNAVAILABLE:
    case IMAP_CODE_LIMIT:
    case IMAP_CODE_INUSE:
        otherwise = IMAPFS_ERROR_BUSY;
        break;
    default:
        break;
    }
    return g_error_new(IMAPFS_ERROR, otherwise, "the server says: %s", text);
}

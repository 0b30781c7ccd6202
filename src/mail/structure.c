/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/structure.h"

#include <gmime/gmime.h>
#include <string.h>

#include "imap/bodystructure.h"
#include "imap/limits.h"
#include "mail/decode.h"
#include "mail/parameters.h"

enum {
    TEXT_MAX = 4096,   /* octets of a name or a subject */
    TAIL = 16,         /* ... of its end, if it has more */
    BOUNDARY_MAX = 80, /* octets; 70 are allowed (RFC 2046, 5.1.1) */
};

G_STATIC_ASSERT((guint)IMAP_BODY_PARTS_MAX <= (guint)MAIL_PARTS_MAX);

/* ---- text ---- */

/* Where the character begins that the octet at AT belongs to. */
static const char *
begin_of(const char *text, gsize at)
{
    while (at > 0 && ((guchar)text[at] & 0xc0) == 0x80)
        at--;
    return text + at;
}

/* TEXT as valid UTF-8, without blanks around it, of at most TEXT_MAX octets;
 * NULL when nothing is left. */
static char *
finish_text(const char *text, gsize length)
{
    g_autofree char *valid = g_utf8_make_valid(text, (gssize)length);
    gsize end = strlen(valid);

    if (end > TEXT_MAX) {
        /* The last octets stay: a name ends in what kind of file it is. */
        const char *tail = begin_of(valid, end - TAIL);
        memmove((char *)begin_of(valid, TEXT_MAX - TAIL), tail,
                strlen(tail) + 1);
    }
    g_strstrip(valid);
    return *valid != '\0' ? g_steal_pointer(&valid) : NULL;
}

/* Encoded words (RFC 2047), also where they do not belong, and raw octets in
 * whatever charset they are. */
static char *
decode_words(const char *text, gsize length)
{
    g_autofree char *raw = g_strndup(text, MIN(length, MAIL_FIELD_MAX));
    g_autofree char *decoded = g_mime_utils_header_decode_text(NULL, raw);
    const char *result = decoded ? decoded : raw;
    return finish_text(result, strlen(result));
}

static char *
decode_slice(ImapSlice slice)
{
    return slice.data ? decode_words(slice.data, slice.length) : NULL;
}

/* It looks like the name of a charset, known or not. */
static gboolean
is_charset(const char *name)
{
    gsize length = strlen(name);
    for (gsize i = 0; i < length; i++) {
        if (!g_ascii_isalnum(name[i]) && strchr("-_.:+", name[i]) == NULL)
            return FALSE;
    }
    return length > 0 && length <= 64;
}

static char *
decode_charset(const GString *octets, const char *charset)
{
    g_autofree char *decoded = NULL;

    if (g_ascii_strcasecmp(charset, "UTF-8") == 0)
        return finish_text(octets->str, octets->len);
    decoded = mail_decode_text(octets->str, octets->len, charset);
    return finish_text(decoded, strlen(decoded));
}

/* "<" id ">" without the brackets. */
static char *
decode_id(ImapSlice slice)
{
    g_autofree char *text = NULL;
    gsize length;

    if (slice.data == NULL)
        return NULL;
    text = finish_text(slice.data, MIN(slice.length, TEXT_MAX));
    length = text ? strlen(text) : 0;
    if (length > 2 && text[0] == '<' && text[length - 1] == '>')
        return g_strndup(text + 1, length - 2);
    return g_steal_pointer(&text);
}

static char *
text_parameter(const MailParameters *parameters, const char *name)
{
    g_autofree char *charset = NULL;
    GString *octets = mail_parameters_join(parameters, name, &charset);
    char *text;

    if (octets == NULL)
        return NULL;
    text = charset && *charset ? decode_charset(octets, charset)
                               : decode_words(octets->str, octets->len);
    g_string_free(octets, TRUE);
    return text;
}

/* ---- what is said of one part ---- */

static gboolean
is_token(ImapSlice slice)
{
    if (slice.data == NULL || slice.length == 0 || slice.length > 127)
        return FALSE;
    for (gsize i = 0; i < slice.length; i++) {
        char c = slice.data[i];
        if (!g_ascii_isgraph(c) || strchr("()<>@,;:\\\"/[]?=", c) != NULL)
            return FALSE;
    }
    return TRUE;
}

/* What is no type at all is text, as without one (RFC 2045, 5.2); what is half
 * a type is octets. */
static char *
make_type(ImapSlice type, ImapSlice subtype)
{
    g_autofree char *both = NULL;

    if (type.length == 0 ||
        (imap_slice_is(type, "text") && subtype.length == 0))
        return g_strdup("text/plain");
    if (!is_token(type) || !is_token(subtype))
        return g_strdup("application/octet-stream");
    both = g_strdup_printf("%.*s/%.*s", (int)type.length, type.data,
                           (int)subtype.length, subtype.data);
    return g_ascii_strdown(both, -1);
}

static gboolean
is_multipart_type(const char *type)
{
    return g_str_has_prefix(type, "multipart/");
}

static gboolean
is_message_type(const char *type)
{
    return strcmp(type, "message/rfc822") == 0 ||
           strcmp(type, "message/global") == 0;
}

static void
set_type_parameters(MailPart *part, const MailParameters *parameters)
{
    g_autofree char *charset = text_parameter(parameters, "charset");

    if (charset != NULL && is_charset(charset))
        part->charset = g_steal_pointer(&charset);
    if (part->name == NULL)
        part->name = text_parameter(parameters, "name");
    if (strcmp(part->type, "text/plain") == 0) {
        part->flowed = mail_parameters_is(parameters, "format", "flowed");
        part->delete_space = mail_parameters_is(parameters, "delsp", "yes");
    }
    if (strcmp(part->type, "multipart/related") == 0) {
        g_autofree char *start = text_parameter(parameters, "start");
        if (start != NULL)
            part->start = decode_id((ImapSlice){start, strlen(start)});
    }
}

/* Comes before set_type_parameters(): a file's name here is the better one. */
static void
set_disposition(MailPart *part, ImapSlice disposition,
                const MailParameters *parameters)
{
    if (imap_slice_is(disposition, "inline"))
        part->disposition = MAIL_DISPOSITION_INLINE;
    else if (disposition.length > 0)
        part->disposition = MAIL_DISPOSITION_ATTACHMENT;
    part->name = text_parameter(parameters, "filename");
}

static void
set_encoding(MailPart *part, ImapSlice encoding)
{
    if (imap_slice_is(encoding, "base64"))
        part->encoding = MAIL_ENCODING_BASE64;
    else if (imap_slice_is(encoding, "quoted-printable"))
        part->encoding = MAIL_ENCODING_QUOTED_PRINTABLE;
    else if (encoding.length > 0 && !imap_slice_is(encoding, "7bit") &&
             !imap_slice_is(encoding, "8bit") &&
             !imap_slice_is(encoding, "binary"))
        part->encoding = MAIL_ENCODING_UNKNOWN;
}

/* It would have to be decoded before anything is found in it. */
static gboolean
is_encoded(const MailPart *part)
{
    return part->encoding == MAIL_ENCODING_BASE64 ||
           part->encoding == MAIL_ENCODING_QUOTED_PRINTABLE;
}

/* A multipart that cannot be taken apart is read as it stands. */
static void
make_leaf(MailPart *part)
{
    part->kind = MAIL_PART_LEAF;
    if (is_multipart_type(part->type)) {
        g_free(part->type);
        part->type = g_strdup("text/plain");
    }
}

static void
clear_part(gpointer data)
{
    MailPart *part = data;
    g_free(part->section);
    g_free(part->type);
    g_free(part->charset);
    g_free(part->name);
    g_free(part->subject);
    g_free(part->id);
    g_free(part->start);
}

/* ---- the whole ---- */

static GArray *
new_parts(guint64 octets)
{
    GArray *parts = g_array_new(FALSE, FALSE, sizeof(MailPart));
    MailPart message = {.kind = MAIL_PART_MESSAGE,
                        .type = g_strdup("message/rfc822"),
                        .octets = octets};
    g_array_set_clear_func(parts, clear_part);
    g_array_append_val(parts, message);
    return parts;
}

/*
 * The parts of a multipart are counted; the one of a message is 1, unless it
 * is a multipart, which has no number and lends its parts that of the message
 * (RFC 9051, 6.4.5.1).
 */
static void
number_sections(MailStructure *structure)
{
    g_autofree guint *counts = g_new0(guint, structure->n);
    MailPart *parts = structure->parts;

    parts[0].section = g_strdup("");
    for (guint i = 1; i < structure->n; i++) {
        const MailPart *parent = &parts[parts[i].parent];
        const char *prefix =
            parent->section ? parent->section : parts[parent->parent].section;
        guint number = ++counts[parts[i].parent];

        if (parent->kind == MAIL_PART_MESSAGE &&
            parts[i].kind == MAIL_PART_MULTIPART)
            continue;
        parts[i].section = *prefix != '\0'
                               ? g_strdup_printf("%s.%u", prefix, number)
                               : g_strdup_printf("%u", number);
    }
}

static MailStructure *
new_structure(GArray *parts, gboolean local)
{
    MailStructure *structure = g_new0(MailStructure, 1);
    structure->local = local;
    structure->n = parts->len;
    structure->parts = (MailPart *)(void *)g_array_free(parts, FALSE);
    structure->parts[0].after = structure->n;
    number_sections(structure);
    return structure;
}

void
mail_structure_free(MailStructure *structure)
{
    if (structure == NULL)
        return;
    for (guint i = 0; i < structure->n; i++)
        clear_part(&structure->parts[i]);
    g_free(structure->parts);
    g_free(structure);
}

/* Shown as the text of its message: it, and nothing but alternatives to it,
 * is what the message begins with. */
static gboolean
is_body(const MailStructure *structure, guint i)
{
    const MailPart *parts = structure->parts;

    if (parts[i].disposition == MAIL_DISPOSITION_ATTACHMENT ||
        (strcmp(parts[i].type, "text/plain") != 0 &&
         strcmp(parts[i].type, "text/html") != 0))
        return FALSE;
    for (; parts[parts[i].parent].kind == MAIL_PART_MULTIPART;
         i = parts[i].parent) {
        guint parent = parts[i].parent;
        if (i != parent + 1 &&
            strcmp(parts[parent].type, "multipart/alternative") != 0)
            return FALSE;
    }
    return TRUE;
}

gboolean
mail_structure_is_attachment(const MailStructure *structure, guint i)
{
    const MailPart *part = &structure->parts[i];
    return i > 0 && part->kind != MAIL_PART_MULTIPART &&
           (part->name != NULL ||
            part->disposition == MAIL_DISPOSITION_ATTACHMENT) &&
           !is_body(structure, i);
}

/* ---- as a server tells it ---- */

static void
read_parameters(ImapSlice list, MailParameters *ret)
{
    ImapSlice name, value;
    ret->n = 0;
    while (ret->n < MAIL_PARAMETERS_MAX &&
           imap_next_parameter(&list, &name, &value))
        mail_parameters_add(ret, name, value);
}

static MailPart
told_part(const ImapBodyPart *body)
{
    static const MailPartKind kinds[] = {
        [IMAP_BODY_LEAF] = MAIL_PART_LEAF,
        [IMAP_BODY_MULTIPART] = MAIL_PART_MULTIPART,
        [IMAP_BODY_MESSAGE] = MAIL_PART_MESSAGE,
    };
    static const ImapSlice multipart = {"multipart", 9};
    static const ImapSlice mixed = {"mixed", 5};
    MailPart part = {.kind = kinds[body->kind], .octets = body->octets};
    MailParameters parameters;

    if (part.kind == MAIL_PART_MULTIPART)
        part.type = make_type(multipart,
                              is_token(body->subtype) ? body->subtype : mixed);
    else
        part.type = make_type(body->type, body->subtype);
    part.id = decode_id(body->id);
    part.subject = decode_slice(body->subject);
    set_encoding(&part, body->encoding);
    read_parameters(body->disposition_parameters, &parameters);
    set_disposition(&part, body->disposition, &parameters);
    read_parameters(body->parameters, &parameters);
    set_type_parameters(&part, &parameters);
    if (part.kind == MAIL_PART_LEAF)
        make_leaf(&part);
    return part;
}

/* Nothing is in the message.  That is what Dovecot and Cyrus say of a multipart
 * whose parts they have not found: they make up an empty part. */
static gboolean
is_hollow(const GArray *bodies)
{
    const ImapBodyPart *first = &g_array_index(bodies, ImapBodyPart, 0);
    const ImapBodyPart *last = first + bodies->len - 1;

    return bodies->len <= 2 && first->kind != IMAP_BODY_MESSAGE &&
           last->octets == 0;
}

MailStructure *
mail_structure_parse(const char *bodystructure, gsize length, guint64 size)
{
    g_autofree char *text = g_memdup2(bodystructure, length);
    g_autoptr(GArray) bodies =
        text ? imap_bodystructure_parse(text, length) : NULL;
    g_autoptr(GArray) parts = NULL;
    guint opened[IMAP_DEPTH_MAX + 1];  /* indices of PARTS ... */
    guint closing[IMAP_DEPTH_MAX + 1]; /* ... and of BODIES, behind them */
    guint depth = 1;

    if (bodies == NULL || is_hollow(bodies))
        return NULL;
    parts = new_parts(size);
    opened[0] = 0;
    closing[0] = bodies->len;
    for (guint i = 0; i < bodies->len;) {
        const ImapBodyPart *body = &g_array_index(bodies, ImapBodyPart, i);
        MailPart part;

        /* A multipart without parts is one the server could not take apart;
         * some of them say so of any inside of others. */
        if ((size > 0 && body->octets > size) ||
            (body->kind == IMAP_BODY_MULTIPART && body->after == i + 1))
            return NULL;
        for (; closing[depth - 1] <= i; depth--)
            g_array_index(parts, MailPart, opened[depth - 1]).after =
                parts->len;
        part = told_part(body);
        part.parent = opened[depth - 1];
        part.after = parts->len + 1;
        i++;
        if (part.kind == MAIL_PART_MESSAGE && is_encoded(&part)) {
            make_leaf(&part);
            i = body->after;
        } else if (body->after > i) {
            opened[depth] = parts->len;
            closing[depth++] = body->after;
        }
        g_array_append_val(parts, part);
    }
    while (depth-- > 0)
        g_array_index(parts, MailPart, opened[depth]).after = parts->len;
    return new_structure(g_steal_pointer(&parts), FALSE);
}

/* ---- as it is in the message ---- */

typedef enum {
    FIELD_TYPE,
    FIELD_DISPOSITION,
    FIELD_ENCODING,
    FIELD_ID,
    FIELD_SUBJECT,
    N_FIELDS,
} Field;

static const char *const field_names[N_FIELDS] = {
    [FIELD_TYPE] = "Content-Type",
    [FIELD_DISPOSITION] = "Content-Disposition",
    [FIELD_ENCODING] = "Content-Transfer-Encoding",
    [FIELD_ID] = "Content-ID",
    [FIELD_SUBJECT] = "Subject",
};

/* A header's fields, as they stand: folded, each as it comes first. */
typedef struct {
    ImapSlice fields[N_FIELDS];
    GString *values[N_FIELDS]; /* unfolded, for slices to point into */
} Header;

/* A part whose end was not seen yet. */
typedef struct {
    guint part;
    char boundary[BOUNDARY_MAX];
    gsize boundary_length; /* 0: it is no multipart, or the last was seen */
} Open;

typedef struct {
    const char *message;
    gsize length;
    gsize at;   /* the beginning of a line */
    gsize past; /* the last boundary or header, its last CRLF included */
    GArray *parts;
    Open open[IMAP_DEPTH_MAX]; /* each inside of the one before */
    guint n_open;
} Finder;

/* The beginning of the line behind the one at AT. */
static gsize
next_line(const Finder *finder, gsize at)
{
    const char *lf = memchr(finder->message + at, '\n', finder->length - at);
    return lf ? (gsize)(lf - finder->message) + 1 : finder->length;
}

/* The end of the line that NEXT is behind, without CRLF. */
static gsize
line_end(const Finder *finder, gsize at, gsize next)
{
    if (next > at && finder->message[next - 1] == '\n')
        next--;
    if (next > at && finder->message[next - 1] == '\r')
        next--;
    return next;
}

/* TEXT begins with BOUNDARY and goes on with nothing, or with "--" alone. */
static gboolean
is_exact(const Open *open, const char *text, gsize length)
{
    gsize n = open->boundary_length;
    return length == n ||
           (length == n + 2 && text[n] == '-' && text[n + 1] == '-');
}

/*
 * The multipart whose boundary the line at AT begins with; NULL for none.  What
 * follows the boundary does not matter (RFC 2046, 5.1.1), so one that is the
 * beginning of another is there, too, where that is: the longest is meant, and
 * of equal ones the innermost.
 */
static Open *
find_boundary(Finder *finder, gsize at, gsize next, gboolean *ret_last)
{
    gsize end = line_end(finder, at, next);
    const char *text = finder->message + at + 2;
    Open *best = NULL;
    gsize length;

    if (end - at < 3 || text[-2] != '-' || text[-1] != '-')
        return NULL;
    length = end - at - 2;
    for (guint i = finder->n_open; i-- > 0;) {
        Open *open = &finder->open[i];
        if (open->boundary_length == 0 || open->boundary_length > length ||
            (best != NULL && open->boundary_length <= best->boundary_length) ||
            memcmp(open->boundary, text, open->boundary_length) != 0)
            continue;
        best = open;
        if (is_exact(open, text, length))
            break;
    }
    if (best != NULL)
        *ret_last = length >= best->boundary_length + 2 &&
                    memcmp(text + best->boundary_length, "--", 2) == 0;
    return best;
}

/* All inside of the first N that are open ends at END. */
static void
close_parts(Finder *finder, guint n, gsize end)
{
    while (finder->n_open > n) {
        const Open *open = &finder->open[--finder->n_open];
        MailPart *part = &g_array_index(finder->parts, MailPart, open->part);
        gsize least = part->offset + part->header_octets;
        part->octets = MAX(end, least) - part->offset;
        part->after = finder->parts->len;
        if (part->kind == MAIL_PART_MULTIPART && part->after == open->part + 1)
            make_leaf(part);
        else if (part->kind == MAIL_PART_MULTIPART)
            part->encoding = MAIL_ENCODING_NONE;
    }
}

/* ---- headers ---- */

static void
note_field(Header *header, const char *line, gsize length)
{
    for (guint i = 0; i < N_FIELDS; i++) {
        gsize n = strlen(field_names[i]);
        gsize colon = n;
        if (header->fields[i].data != NULL || length <= n ||
            g_ascii_strncasecmp(line, field_names[i], n) != 0)
            continue;
        while (colon < length && (line[colon] == ' ' || line[colon] == '\t'))
            colon++;
        if (colon < length && line[colon] == ':')
            header->fields[i] =
                (ImapSlice){line + colon + 1, length - colon - 1};
    }
}

/* Reads to the empty line and beyond it, or to a boundary. */
static void
read_header(Finder *finder, Header *header)
{
    const char *message = finder->message;
    gboolean last;

    while (finder->at < finder->length) {
        gsize begin = finder->at;
        gsize next = next_line(finder, begin);
        if (line_end(finder, begin, next) == begin) {
            finder->at = next;
            return;
        }
        if (find_boundary(finder, begin, next, &last) != NULL)
            return;
        while (next < finder->length &&
               (message[next] == ' ' || message[next] == '\t'))
            next = next_line(finder, next);
        note_field(header, message + begin, next - begin);
        finder->at = next;
    }
}

/* The value of FIELD on one line, without blanks around it. */
static ImapSlice
unfold(Header *header, Field field)
{
    ImapSlice raw = header->fields[field];
    GString *value = g_string_new(NULL);
    gsize length = MIN(raw.length, MAIL_FIELD_MAX);
    gboolean folded = TRUE;

    for (gsize i = 0; i < length; i++) {
        char c = raw.data[i];
        gboolean blank = c == ' ' || c == '\t';
        if (c == '\r' || c == '\n') {
            folded = TRUE;
        } else if (!blank || !folded) {
            if (folded && value->len > 0)
                g_string_append_c(value, ' ');
            g_string_append_c(value, blank ? ' ' : c);
            folded = FALSE;
        }
    }
    while (value->len > 0 && value->str[value->len - 1] == ' ')
        g_string_truncate(value, value->len - 1);
    header->values[field] = value;
    return (ImapSlice){raw.data ? value->str : NULL, value->len};
}

static void
clear_header(Header *header)
{
    for (guint i = 0; i < N_FIELDS; i++) {
        if (header->values[i] != NULL)
            g_string_free(header->values[i], TRUE);
    }
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Header, clear_header)

/* ---- parts ---- */

/* Opens a part, if there is room for it and for what has to be in it. */
static guint
open_part(Finder *finder, MailPart *part, const MailParameters *parameters)
{
    Open open = {.part = finder->parts->len};
    g_autofree char *charset = NULL;
    GString *boundary = NULL;

    if (finder->n_open + 1 < IMAP_DEPTH_MAX) {
        if (is_multipart_type(part->type))
            boundary = mail_parameters_join(parameters, "boundary", &charset);
        else if (is_message_type(part->type) && !is_encoded(part) &&
                 finder->parts->len + 2 <= MAIL_PARTS_MAX)
            part->kind = MAIL_PART_MESSAGE;
    }
    if (boundary != NULL) {
        open.boundary_length = MIN(boundary->len, BOUNDARY_MAX);
        memcpy(open.boundary, boundary->str, open.boundary_length);
        g_string_free(boundary, TRUE);
        if (open.boundary_length > 0)
            part->kind = MAIL_PART_MULTIPART;
    }
    if (part->kind == MAIL_PART_LEAF)
        make_leaf(part);
    g_array_append_val(finder->parts, *part);
    finder->open[finder->n_open++] = open;
    return open.part;
}

/* What HEADER says of a part inside of ABOVE; PARAMETERS are those of its
 * type. */
static void
read_part(Header *header, const MailPart *above, MailPart *part,
          MailParameters *parameters)
{
    ImapSlice disposition, type, subtype;

    part->id = decode_id(unfold(header, FIELD_ID));
    set_encoding(part,
                 mail_parameters_split_word(unfold(header, FIELD_ENCODING)));
    disposition = mail_parameters_split_disposition(
        unfold(header, FIELD_DISPOSITION), parameters);
    set_disposition(part, disposition, parameters);
    mail_parameters_split_type(unfold(header, FIELD_TYPE), &type, &subtype,
                               parameters);
    if (type.data == NULL && strcmp(above->type, "multipart/digest") == 0)
        part->type = g_strdup("message/rfc822");
    else
        part->type = make_type(type, subtype);
    set_type_parameters(part, parameters);
}

/* A MIME header, and the beginning of the part below it.  PARENT may be a
 * message that begins with this header. */
static void
begin_part(Finder *finder, guint parent)
{
    for (;;) {
        g_auto(Header) header = {0};
        MailPart *above = &g_array_index(finder->parts, MailPart, parent);
        MailPart part = {.parent = parent};
        MailParameters parameters;
        gsize begin = finder->at;

        read_header(finder, &header);
        finder->past = finder->at;
        if (above->kind == MAIL_PART_MESSAGE) {
            above->header_octets = finder->at - begin;
            if (parent > 0)
                above->subject = decode_slice(unfold(&header, FIELD_SUBJECT));
        }
        if (finder->parts->len >= MAIL_PARTS_MAX)
            return;
        part.offset = finder->at;
        read_part(&header, above, &part, &parameters);
        parent = open_part(finder, &part, &parameters);
        if (part.kind != MAIL_PART_MESSAGE)
            return;
    }
}

MailStructure *
mail_structure_find(const char *message, gsize length)
{
    Finder finder = {
        .message = message, .length = length, .parts = new_parts(length)};

    finder.open[finder.n_open++] = (Open){.part = 0};
    begin_part(&finder, 0);
    while (finder.at < length) {
        gsize begin = finder.at;
        gsize next = next_line(&finder, begin);
        gboolean last;
        Open *open = find_boundary(&finder, begin, next, &last);

        finder.at = next;
        if (open == NULL)
            continue;
        /* The CRLF before a boundary belongs to it, unless it is that of
         * another boundary or of a header. */
        close_parts(&finder, (guint)(open - finder.open) + 1,
                    MAX(line_end(&finder, 0, begin), finder.past));
        finder.past = next;
        if (last)
            open->boundary_length = 0;
        else if (message[next - 1] == '\n')
            begin_part(&finder, open->part);
    }
    close_parts(&finder, 0, length);
    return new_structure(finder.parts, TRUE);
}

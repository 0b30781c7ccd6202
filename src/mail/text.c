/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/text.h"

#include <string.h>

#include "mail/decode.h"
#include "mail/html.h"

enum {
    DEPTH_MAX = 100,  /* multiparts and messages in each other that are read */
    META_MAX = 1024,  /* octets of HTML in which it may tell its charset */
    CHARSET_MAX = 75, /* characters of its name */
    EMPTY_OCTETS = 2, /* a line end alone is no text */
};

/* ---- which parts are read ---- */

static gboolean
is_type(const MailPart *part, const char *type)
{
    return strcmp(part->type, type) == 0;
}

/* What a program tells in a report is for people as well (RFC 3464, 8098). */
static gboolean
is_status(const MailPart *part)
{
    return is_type(part, "message/delivery-status") ||
           is_type(part, "message/disposition-notification") ||
           is_type(part, "message/global-delivery-status") ||
           is_type(part, "message/global-disposition-notification") ||
           is_type(part, "message/feedback-report");
}

static gboolean
is_attached(const MailStructure *structure, guint i)
{
    const MailPart *part = &structure->parts[i];
    return i > 0 && !is_status(part) && part->kind != MAIL_PART_MULTIPART &&
           (mail_structure_is_attachment(structure, i) ||
            part->disposition == MAIL_DISPOSITION_ATTACHMENT);
}

static gboolean
is_text(const MailStructure *structure, guint i)
{
    const MailPart *part = &structure->parts[i];
    return part->kind == MAIL_PART_LEAF && !is_attached(structure, i) &&
           (g_str_has_prefix(part->type, "text/") || is_status(part));
}

/* Whether there is something to read in I that is of TYPE, if that is not
 * NULL. */
static gboolean
has_text(const MailStructure *structure, guint i, const char *type)
{
    for (guint n = i; n < structure->parts[i].after;) {
        const MailPart *part = &structure->parts[n];
        if (is_attached(structure, n)) {
            n = part->after;
            continue;
        }
        if (is_text(structure, n) && part->octets > EMPTY_OCTETS &&
            (type == NULL || is_type(part, type)))
            return TRUE;
        n++;
    }
    return FALSE;
}

/* Which part of multipart/alternative I is read: senders put what they like
 * best last, and readers of text what is text. */
static guint
choose_alternative(const MailStructure *structure, guint i)
{
    static const char *const types[] = {"text/plain", "text/html", NULL};
    const MailPart *parts = structure->parts;

    for (guint t = 0; t < G_N_ELEMENTS(types); t++) {
        for (guint n = i + 1; n < parts[i].after; n = parts[n].after) {
            if (has_text(structure, n, types[t]))
                return n;
        }
    }
    return i + 1;
}

/* The root of multipart/related I (RFC 2387, 3.2). */
static guint
choose_root(const MailStructure *structure, guint i)
{
    const MailPart *parts = structure->parts;

    for (guint n = i + 1; parts[i].start != NULL && n < parts[i].after;
         n = parts[n].after) {
        if (g_strcmp0(parts[n].id, parts[i].start) == 0)
            return n;
    }
    return i + 1;
}

static void
add_piece(GArray *pieces, guint i, gboolean header)
{
    MailTextPiece piece = {i, header};
    g_array_append_val(pieces, piece);
}

static void
choose(const MailStructure *structure, guint i, guint depth, GArray *pieces)
{
    const MailPart *part = &structure->parts[i];

    if (depth == DEPTH_MAX || is_attached(structure, i))
        return;
    if (part->kind == MAIL_PART_LEAF) {
        if (is_text(structure, i))
            add_piece(pieces, i, FALSE);
        return;
    }
    if (part->kind == MAIL_PART_MESSAGE)
        add_piece(pieces, i, TRUE);
    if (part->after == i + 1 || is_type(part, "multipart/encrypted"))
        return;
    if (is_type(part, "multipart/alternative")) {
        choose(structure, choose_alternative(structure, i), depth + 1, pieces);
    } else if (is_type(part, "multipart/related")) {
        choose(structure, choose_root(structure, i), depth + 1, pieces);
    } else if (is_type(part, "multipart/signed")) {
        choose(structure, i + 1, depth + 1, pieces);
    } else {
        for (guint n = i + 1; n < part->after; n = structure->parts[n].after)
            choose(structure, n, depth + 1, pieces);
    }
}

GArray *
mail_text_pieces(const MailStructure *structure)
{
    GArray *pieces = g_array_new(FALSE, FALSE, sizeof(MailTextPiece));
    choose(structure, 0, 0, pieces);
    return pieces;
}

/* ---- headers ---- */

/* What comes is set apart from what is there. */
static void
append_empty_line(GString *text)
{
    if (text->len > 0 && !g_str_has_suffix(text->str, "\n\n"))
        g_string_append_c(text, '\n');
}

static void
append_header(GString *text, const char *octets, gsize length)
{
    static const char *const names[] = {"From", "To", "Cc", "Date", "Subject"};
    g_autofree char *header = mail_decode_header(octets, length);

    if (text->len > 0) {
        append_empty_line(text);
        g_string_append(text, "-----\n");
    }
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        gsize n = strlen(names[i]);
        const char *next;
        for (const char *line = header; *line != '\0'; line = next) {
            gsize end = strcspn(line, "\n");
            const char *value = line + n + 1;
            next = line + end + (line[end] == '\n');
            if (end <= n || line[n] != ':' ||
                g_ascii_strncasecmp(line, names[i], n) != 0)
                continue;
            while (*value == ' ')
                value++;
            if (value < line + end)
                g_string_append_printf(text, "%s: %.*s\n", names[i],
                                       (int)(line + end - value), value);
        }
    }
    append_empty_line(text);
}

/* ---- text/plain; format=flowed (RFC 3676) ---- */

typedef struct {
    gsize depth; /* of quoting */
    const char *text;
    gsize length;
    gboolean flowed; /* the paragraph goes on in the next line */
} Line;

static const char *
read_line(const char *at, Line *ret)
{
    const char *end = at + strcspn(at, "\n");

    ret->depth = strspn(at, ">");
    ret->text = at + ret->depth;
    ret->text += *ret->text == ' '; /* stuffed */
    ret->length = (gsize)(end - ret->text);
    ret->flowed = ret->length > 0 && end[-1] == ' ' &&
                  !(ret->length == 3 && memcmp(ret->text, "-- ", 3) == 0);
    return *end == '\n' ? end + 1 : end;
}

static char *
unwrap(const char *flowed, gboolean delete_space)
{
    GString *text = g_string_new(NULL);
    Line before = {0, NULL, 0, FALSE};
    Line line;

    for (const char *at = flowed; *at != '\0';) {
        at = read_line(at, &line);
        /* A paragraph of which the end is missing ends nevertheless where
         * another quote begins, or the signature. */
        if (!before.flowed || line.depth != before.depth ||
            (line.length == 3 && memcmp(line.text, "-- ", 3) == 0)) {
            if (before.text != NULL)
                g_string_append_c(text, '\n');
            for (gsize n = 0; n < line.depth; n++)
                g_string_append_c(text, '>');
            if (line.depth > 0 && line.length > 0)
                g_string_append_c(text, ' ');
        }
        g_string_append_len(
            text, line.text,
            (gssize)(line.length - (line.flowed && delete_space)));
        before = line;
    }
    if (before.text != NULL)
        g_string_append_c(text, '\n');
    return g_string_free(text, FALSE);
}

/* ---- parts ---- */

/* The charset that HTML itself tells, for mail that does not; NULL if none.
 * The caller owns the result. */
static char *
charset_of_html(const char *html, gsize length)
{
    g_autofree char *head = g_strndup(html, MIN(length, META_MAX));
    g_autofree char *lower = g_ascii_strdown(head, -1);
    const char *at = strstr(lower, "charset=");
    gsize n;

    if (at == NULL)
        return NULL;
    at += strlen("charset=");
    at += strspn(at, " \"'");
    n = strcspn(at, " \"';/>");
    /* It was read as ASCII, so these it is not. */
    if (n > CHARSET_MAX || g_str_has_prefix(at, "utf-16") ||
        g_str_has_prefix(at, "utf-32"))
        return NULL;
    return g_strndup(at, n);
}

/* The text of a leaf; the caller owns the result. */
static char *
read_leaf(const MailPart *part, const char *octets, gsize length)
{
    g_autoptr(GByteArray) decoded = mail_decode(part->encoding, octets, length);
    const char *data = decoded->len > 0 ? (const char *)decoded->data : "";
    gboolean html = is_type(part, "text/html");
    g_autofree char *told = html && part->charset == NULL
                                ? charset_of_html(data, decoded->len)
                                : NULL;
    g_autofree char *text = mail_decode_text(
        data, decoded->len, part->charset ? part->charset : told);

    if (html)
        return mail_html_render(text);
    if (part->flowed)
        return unwrap(text, part->delete_space);
    return g_steal_pointer(&text);
}

void
mail_text_append(GString *text, const MailStructure *structure,
                 const MailTextPiece *piece, const char *octets, gsize length)
{
    const MailPart *part = &structure->parts[piece->part];
    g_autofree char *leaf = NULL;
    gsize n;

    if (piece->header) {
        append_header(text, octets, length);
        return;
    }
    leaf = read_leaf(part, octets, length);
    n = strlen(leaf);
    while (n > 0 && (leaf[n - 1] == '\n' || leaf[n - 1] == ' '))
        n--;
    if (n == 0 && part->octets <= length)
        return;
    append_empty_line(text);
    g_string_append_len(text, leaf, (gssize)n);
    if (n > 0)
        g_string_append_c(text, '\n');
    if (part->octets > length)
        g_string_append_printf(text,
                               "[cut: %" G_GSIZE_FORMAT " of %" G_GUINT64_FORMAT
                               " octets are shown]\n",
                               length, part->octets);
}

/* ---- what is not read ---- */

/* A name that a sender chose, as part of a line. */
static void
append_name(GString *text, const char *name)
{
    g_autofree char *valid = g_utf8_make_valid(name, -1);
    for (const char *at = valid; *at != '\0'; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        if (g_unichar_iscntrl(c) || c == 0x2028 || c == 0x2029)
            c = ' ';
        g_string_append_unichar(text, c);
    }
    g_string_append(text, ", ");
}

static void
append_attachment(GString *text, const MailPart *part)
{
    const char *name = part->name ? part->name : part->subject;

    g_string_append(text, "[attachment: ");
    if (name != NULL)
        append_name(text, name);
    g_string_append_printf(text, "%s, %" G_GUINT64_FORMAT " octets]\n",
                           part->type, part->octets);
}

void
mail_text_end(GString *text, const MailStructure *structure)
{
    gboolean first = TRUE;

    for (guint i = 1; i < structure->n;) {
        const MailPart *part = &structure->parts[i];
        /* It may be all that there is, and have no name. */
        gboolean alone =
            part->kind == MAIL_PART_LEAF && !is_text(structure, i) &&
            structure->parts[part->parent].kind == MAIL_PART_MESSAGE;
        gboolean encrypted = is_type(part, "multipart/encrypted");

        if (!alone && !encrypted && !is_attached(structure, i)) {
            i++;
            continue;
        }
        if (first)
            append_empty_line(text);
        first = FALSE;
        if (encrypted)
            g_string_append(text, "[encrypted]\n");
        else
            append_attachment(text, part);
        i = part->after;
    }
    if (text->len == 0)
        g_string_append_c(text, '\n');
}

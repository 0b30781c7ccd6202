/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imap/bodystructure.h"

#include "imap/limits.h"

typedef struct {
    ImapCursor at;
    GArray *parts; /* of ImapBodyPart */
    guint depth;
} Parser;

/* ---- values ---- */

gboolean
imap_next_parameter(ImapSlice *parameters, ImapSlice *ret_name,
                    ImapSlice *ret_value)
{
    ImapCursor at;
    gboolean found = FALSE;

    if (parameters->data == NULL)
        return FALSE;
    at = (ImapCursor){(char *)parameters->data,
                      (char *)parameters->data + parameters->length};
    while (!found) {
        ImapSlice name, value;
        imap_take_space(&at);
        if (!imap_take_astring(&at, &name))
            break;
        imap_take_space(&at);
        /* (boundary NIL) is what mail.ru has for one without a value. */
        if (!imap_take_nstring(&at, &value) && !imap_take_atom(&at, &value))
            break;
        found = value.data != NULL;
        *ret_name = name;
        *ret_value = value;
    }
    *parameters = (ImapSlice){at.at, (gsize)(at.end - at.at)};
    return found;
}

/* A string, NIL, or an atom where a string should be. */
static gboolean
take_text(ImapCursor *at, ImapSlice *ret)
{
    imap_take_space(at);
    return imap_take_nstring(at, ret) || imap_take_atom(at, ret);
}

/* "(" string SP string *(SP string SP string) ")" / nil */
static gboolean
take_parameters(ImapCursor *at, ImapSlice *ret)
{
    imap_take_space(at);
    if (imap_take_word(at, "NIL")) {
        *ret = (ImapSlice){NULL, 0};
        return TRUE;
    }
    return imap_take_list(at, ret);
}

/* What a value is, by its first octet; nothing is taken. */
typedef enum { NOTHING, STRING, NIL, NUMBER, LIST } Token;

static Token
peek(ImapCursor *at)
{
    ImapCursor probe;
    guint64 number;

    imap_take_space(at);
    probe = *at;
    if (at->at == at->end || *at->at == ')')
        return NOTHING;
    if (*at->at == '(')
        return LIST;
    if (imap_take_word(&probe, "NIL") &&
        (probe.at == probe.end || *probe.at == ' ' || *probe.at == ')'))
        return NIL;
    return imap_take_number(&probe, &number) ? NUMBER : STRING;
}

/* ---- extension data ---- */

/* "(" string SP body-fld-param ")"; a list of languages looks different. */
static gboolean
take_disposition(ImapCursor *at, ImapBodyPart *part)
{
    ImapCursor probe = *at;
    Token behind;

    if (!imap_take_char(&probe, '(') || peek(&probe) != STRING ||
        !imap_skip_value(&probe))
        return FALSE;
    behind = peek(&probe);
    if (behind != LIST && behind != NIL)
        return FALSE;
    imap_take_char(at, '(');
    if (!take_text(at, &part->disposition) ||
        !take_parameters(at, &part->disposition_parameters))
        return FALSE;
    imap_take_space(at);
    return imap_take_char(at, ')');
}

/* A part where none may be: parentheses were lost, and its numbers with them.
 */
static gboolean
is_stray_part(ImapCursor at)
{
    Token third;

    if (!imap_take_char(&at, '('))
        return FALSE;
    if (peek(&at) == LIST)
        return TRUE;
    for (guint i = 0; i < 2; i++) {
        if (peek(&at) != STRING || !imap_skip_value(&at))
            return FALSE;
    }
    third = peek(&at);
    return third == LIST || third == NIL;
}

/*
 * body-ext-1part or body-ext-mpart, and what else there is up to the end:
 * a disposition is known by its shape, as not all servers send the same fields
 * before it.
 */
static gboolean
take_extensions(ImapCursor *at, ImapBodyPart *part)
{
    while (peek(at) != NOTHING) {
        if (part->disposition.data == NULL && take_disposition(at, part))
            continue;
        if (is_stray_part(*at) || !imap_skip_value(at))
            return FALSE;
    }
    return TRUE;
}

/* ---- parts ---- */

/* Multiparts without parts are sent without what says that they are some. */
static gboolean
is_multipart_subtype(ImapSlice word)
{
    static const char *const subtypes[] = {
        "mixed",  "alternative", "related",   "report",      "signed",
        "digest", "encrypted",   "form-data", "appledouble", "parallel",
    };
    for (guint i = 0; i < G_N_ELEMENTS(subtypes); i++) {
        if (imap_slice_is(word, subtypes[i]))
            return TRUE;
    }
    return FALSE;
}

typedef enum {
    SENSELESS,
    LEAF,              /* type subtype parameters id description ... octets */
    LEAF_NO_SUBTYPE,   /* type parameters id description ... octets */
    CHILDLESS,         /* subtype [parameters ...] */
    CHILDLESS_NO_TYPE, /* NIL subtype [parameters ...] */
} Shape;

/* Behind the "(" of what does not begin with a part. */
static Shape
look(ImapCursor at)
{
    Token tokens[7] = {NOTHING};
    guint n = 0;

    while (n < G_N_ELEMENTS(tokens) && (tokens[n] = peek(&at)) != NOTHING) {
        if (tokens[n] == NUMBER)
            break;
        if (!imap_skip_value(&at))
            return SENSELESS;
        n++;
    }
    if (n < G_N_ELEMENTS(tokens) && tokens[n] == NUMBER) {
        if (n == 6 && tokens[1] != LIST && tokens[2] != STRING)
            return LEAF;
        return n == 5 && tokens[0] == STRING && tokens[1] != STRING
                   ? LEAF_NO_SUBTYPE
                   : SENSELESS;
    }
    if (tokens[0] == NIL)
        return tokens[1] == STRING && tokens[2] != STRING ? CHILDLESS_NO_TYPE
                                                          : SENSELESS;
    return tokens[1] != STRING ? CHILDLESS : SENSELESS;
}

static gboolean take_body(Parser *parser);

/* envelope SP body SP body-fld-lines; of the envelope the subject is kept. */
static gboolean
take_message(Parser *parser, ImapBodyPart *part)
{
    ImapCursor *at = &parser->at;
    ImapSlice date;

    if (peek(at) == LIST) {
        imap_take_char(at, '(');
        if (!take_text(at, &date) || !take_text(at, &part->subject))
            return FALSE;
        while (peek(at) != NOTHING) {
            if (!imap_skip_value(at))
                return FALSE;
        }
        if (!imap_take_char(at, ')'))
            return FALSE;
    } else if (!imap_take_word(at, "NIL")) {
        return FALSE;
    }
    part->kind = IMAP_BODY_MESSAGE;
    imap_take_space(at);
    return take_body(parser);
}

/* message/global is only told like message/rfc822 by those who know it; what
 * does so for neither does not say what is in it. */
static gboolean
has_message(ImapCursor *at, const ImapBodyPart *part)
{
    return imap_slice_is(part->type, "message") &&
           (imap_slice_is(part->subtype, "rfc822") ||
            (imap_slice_is(part->subtype, "global") && peek(at) == LIST));
}

static gboolean
take_leaf(Parser *parser, Shape shape, ImapBodyPart *part)
{
    ImapCursor *at = &parser->at;
    ImapSlice description;

    part->kind = IMAP_BODY_LEAF;
    if (!take_text(at, &part->type) ||
        (shape == LEAF && !take_text(at, &part->subtype)) ||
        !take_parameters(at, &part->parameters) || !take_text(at, &part->id) ||
        !take_text(at, &description) || !take_text(at, &part->encoding))
        return FALSE;
    imap_take_space(at);
    if (!imap_take_number(at, &part->octets))
        return FALSE;
    if (has_message(at, part)) {
        imap_take_space(at);
        if (!take_message(parser, part))
            return FALSE;
    }
    return TRUE;
}

static gboolean
take_multipart(Parser *parser, Shape shape, ImapBodyPart *part)
{
    ImapCursor *at = &parser->at;
    Token next;

    part->kind = IMAP_BODY_MULTIPART;
    while (peek(at) == LIST) {
        if (!take_body(parser))
            return FALSE;
    }
    if (shape == CHILDLESS_NO_TYPE)
        imap_take_word(at, "NIL");
    if (!take_text(at, &part->subtype))
        return FALSE;
    if ((shape == CHILDLESS || shape == CHILDLESS_NO_TYPE) &&
        !is_multipart_subtype(part->subtype))
        return FALSE;
    next = peek(at);
    if (next == NOTHING)
        return TRUE;
    return !is_stray_part(*at) && take_parameters(at, &part->parameters);
}

/* body = "(" (body-type-1part / body-type-mpart) ")"; calls itself for what is
 * inside, to IMAP_DEPTH_MAX at most. */
static gboolean
take_body(Parser *parser)
{
    ImapCursor *at = &parser->at;
    ImapBodyPart part = {0};
    guint index = parser->parts->len;
    gboolean multipart;
    Shape shape = SENSELESS;

    if (!imap_take_char(at, '(') || index >= IMAP_BODY_PARTS_MAX ||
        ++parser->depth > IMAP_DEPTH_MAX)
        return FALSE;
    /* Its place, before the parts that are in it. */
    g_array_append_val(parser->parts, part);
    multipart = peek(at) == LIST;
    if (!multipart) {
        shape = look(*at);
        if (shape == SENSELESS)
            return FALSE;
    }
    if (shape == LEAF || shape == LEAF_NO_SUBTYPE
            ? !take_leaf(parser, shape, &part)
            : !take_multipart(parser, shape, &part))
        return FALSE;
    if (!take_extensions(at, &part) || !imap_take_char(at, ')'))
        return FALSE;
    parser->depth--;
    part.after = parser->parts->len;
    g_array_index(parser->parts, ImapBodyPart, index) = part;
    return TRUE;
}

GArray *
imap_bodystructure_parse(char *text, gsize length)
{
    g_autoptr(GArray) parts = g_array_new(FALSE, FALSE, sizeof(ImapBodyPart));
    Parser parser = {{text, text + length}, parts, 0};

    imap_take_space(&parser.at);
    if (!take_body(&parser) || peek(&parser.at) != NOTHING ||
        parser.at.at != parser.at.end)
        return NULL;
    return g_steal_pointer(&parts);
}

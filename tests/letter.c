/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "letter.h"

#include <stdarg.h>
#include <string.h>

typedef enum { LEAF, MULTIPART, MESSAGE } Kind;

struct MimePart {
    Kind kind;
    char *type; /* of a multipart: what is behind "multipart/" */
    char *encoding;
    char *name; /* or NULL; of a message: its subject */
    GString *octets;
    GPtrArray *parts; /* of MimePart */
};

struct Letter {
    MimePart *message;
    GHashTable *sections; /* as in BODY[section] -> GString */
};

/* ---- parts ---- */

static void
free_part(gpointer data)
{
    MimePart *part = data;
    g_free(part->type);
    g_free(part->encoding);
    g_free(part->name);
    if (part->octets != NULL)
        g_string_free(part->octets, TRUE);
    g_ptr_array_unref(part->parts);
    g_free(part);
}

static MimePart *
new_part(Kind kind, const char *type, const char *encoding, const char *name)
{
    MimePart *part = g_new0(MimePart, 1);
    part->kind = kind;
    part->type = g_strdup(type);
    part->encoding = g_strdup(encoding);
    part->name = g_strdup(name);
    part->parts = g_ptr_array_new_with_free_func(free_part);
    return part;
}

MimePart *
mime_leaf(const char *type, const char *encoding, const char *name,
          GString *octets)
{
    MimePart *part = new_part(LEAF, type, encoding, name);
    part->octets = octets;
    return part;
}

MimePart *
mime_multipart(const char *subtype, ...)
{
    MimePart *part = new_part(MULTIPART, subtype, NULL, NULL);
    va_list parts;
    MimePart *next;

    va_start(parts, subtype);
    while ((next = va_arg(parts, MimePart *)) != NULL)
        g_ptr_array_add(part->parts, next);
    va_end(parts);
    return part;
}

MimePart *
mime_message(const char *subject, MimePart *body)
{
    MimePart *part = new_part(MESSAGE, "message/rfc822", "7bit", subject);
    g_ptr_array_add(part->parts, body);
    return part;
}

/* ---- octets ---- */

GString *
mime_base64(const GString *octets, guint line)
{
    g_autofree char *all =
        g_base64_encode((const guchar *)octets->str, octets->len);
    gsize length = strlen(all);
    GString *text = g_string_new(NULL);

    if (line == 0)
        line = (guint)length;
    for (gsize at = 0; at < length; at += line) {
        g_string_append_len(text, all + at, (gssize)MIN(line, length - at));
        if (at + line < length)
            g_string_append(text, "\r\n");
    }
    return text;
}

GString *
mime_quoted_printable(const GString *octets)
{
    GString *text = g_string_new(NULL);
    guint column = 0;

    for (gsize i = 0; i < octets->len; i++) {
        guchar c = (guchar)octets->str[i];
        if (c == '\r' && octets->str[i + 1] == '\n') {
            g_string_append(text, "\r\n");
            column = 0;
            i++;
            continue;
        }
        if (column > 70) {
            g_string_append(text, "=\r\n");
            column = 0;
        }
        if (c >= 33 && c <= 126 && c != '=')
            g_string_append_c(text, (char)c), column++;
        else
            g_string_append_printf(text, "=%02X", c), column += 3;
    }
    return text;
}

GString *
mime_ruler(guint seed, gsize size)
{
    GString *text = g_string_sized_new(size);
    for (gsize i = 0; i < size; i++) {
        char c = (char)('a' + (seed + i * 7 + i / 26 + i / 1000) % 26);
        if (i % 64 == 62 && i + 1 < size)
            c = '\r';
        else if (i % 64 == 63)
            c = '\n';
        g_string_append_c(text, c);
    }
    return text;
}

/* ---- whole messages ---- */

typedef struct {
    GHashTable *sections;
    guint boundaries;
} Writer;

static GString *write_message(Writer *writer, const MimePart *message,
                              const char *section);

static char *
child_section(const char *section, guint number)
{
    return *section != '\0' ? g_strdup_printf("%s.%u", section, number)
                            : g_strdup_printf("%u", number);
}

static GString *
copy_string(const GString *text)
{
    return g_string_new_len(text->str, (gssize)text->len);
}

/* The fields of its content, and what is behind them.  SECTION is its own, or
 * for a multipart that is all of a message, that of the message. */
static void
write_part(Writer *writer, const MimePart *part, const char *section,
           GString *header, GString *body)
{
    guint boundary = ++writer->boundaries;

    if (part->kind == MULTIPART) {
        g_string_append_printf(
            header, "Content-Type: multipart/%s; boundary=\"=b%u=\"\r\n",
            part->type, boundary);
        g_string_append(body, "preamble\r\n");
        for (guint i = 0; i < part->parts->len; i++) {
            g_autofree char *child = child_section(section, i + 1);
            g_autoptr(GString) inner = g_string_new(NULL);
            g_autoptr(GString) octets = g_string_new(NULL);
            write_part(writer, g_ptr_array_index(part->parts, i), child, inner,
                       octets);
            g_string_append_printf(body, "--=b%u=\r\n%s\r\n", boundary,
                                   inner->str);
            g_string_append_len(body, octets->str, (gssize)octets->len);
            g_string_append(body, "\r\n");
        }
        g_string_append_printf(body, "--=b%u=--\r\nepilogue\r\n", boundary);
        return;
    }
    g_string_append_printf(header, "Content-Type: %s\r\n", part->type);
    g_string_append_printf(header, "Content-Transfer-Encoding: %s\r\n",
                           part->encoding);
    if (part->name != NULL && part->kind == LEAF)
        g_string_append_printf(
            header, "Content-Disposition: attachment;\r\n\tfilename=\"%s\"\r\n",
            part->name);
    if (part->kind == MESSAGE) {
        g_autoptr(GString) octets = write_message(writer, part, section);
        g_string_append_len(body, octets->str, (gssize)octets->len);
    } else {
        g_string_append_len(body, part->octets->str, (gssize)part->octets->len);
    }
    g_hash_table_replace(writer->sections, g_strdup(section),
                         copy_string(body));
}

/* The caller owns what is returned. */
static GString *
write_message(Writer *writer, const MimePart *message, const char *section)
{
    const MimePart *inside = g_ptr_array_index(message->parts, 0);
    g_autofree char *child = inside->kind == MULTIPART
                                 ? g_strdup(section)
                                 : child_section(section, 1);
    g_autofree char *header_name =
        g_strdup_printf("%s%sHEADER", section, *section != '\0' ? "." : "");
    g_autoptr(GString) body = g_string_new(NULL);
    GString *header = g_string_new(NULL);
    GString *whole;

    g_string_append_printf(header,
                           "From: Alice Example <alice@example.org>\r\n"
                           "To: bob@example.org\r\n"
                           "Date: Mon, 17 Jul 2023 02:44:25 +0000\r\n"
                           "Subject: %s\r\nX-Section: %s.\r\n"
                           "MIME-Version: 1.0\r\n",
                           message->name, section);
    write_part(writer, inside, child, header, body);
    g_string_append(header, "\r\n");
    whole = copy_string(header);
    g_string_append_len(whole, body->str, (gssize)body->len);
    g_hash_table_replace(writer->sections, g_steal_pointer(&header_name),
                         header);
    return whole;
}

static void
free_string(gpointer data)
{
    g_string_free(data, TRUE);
}

Letter *
letter_new(const char *subject, MimePart *body)
{
    Letter *letter = g_new0(Letter, 1);
    Writer writer;

    letter->message = mime_message(subject, body);
    letter->sections =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_string);
    writer = (Writer){letter->sections, 0};
    g_hash_table_replace(letter->sections, g_strdup(""),
                         write_message(&writer, letter->message, ""));
    return letter;
}

void
letter_free(Letter *letter)
{
    free_part(letter->message);
    g_hash_table_unref(letter->sections);
    g_free(letter);
}

const GString *
letter_section(const Letter *letter, const char *section)
{
    return g_hash_table_lookup(letter->sections, section);
}

/* ---- BODYSTRUCTURE ---- */

typedef struct {
    const Letter *letter;
    MimeHabit habit;
    GString *out;
} Teller;

static gsize
told_octets(const Teller *teller, Kind kind, const char *section)
{
    const GString *octets =
        g_hash_table_lookup(teller->letter->sections, section);

    if (kind == MESSAGE)
        return octets->len + (teller->habit == STRUCTURE_OF_MESSAGE ? 2 : 0);
    switch (teller->habit) {
    case STRUCTURE_MINUS_ONE:
        return octets->len - MIN(octets->len, 1);
    case STRUCTURE_PLUS_ONE:
        return octets->len + 1;
    case STRUCTURE_HALF:
        return octets->len / 2;
    case STRUCTURE_DOUBLE:
        return octets->len * 2;
    case STRUCTURE_ZERO:
        return 0;
    default:
        return octets->len;
    }
}

static void tell_part(const Teller *teller, const MimePart *part,
                      const char *section);

static void
tell_multipart(const Teller *teller, const MimePart *part, const char *section)
{
    guint n = part->parts->len;

    for (guint i = 0; i < n; i++) {
        guint at = teller->habit == STRUCTURE_REVERSED ? n - 1 - i : i;
        g_autofree char *child = child_section(section, at + 1);
        tell_part(teller, g_ptr_array_index(part->parts, at), child);
    }
    g_string_append_printf(teller->out, " \"%s\" (\"boundary\" \"x\") NIL NIL",
                           part->type);
}

static void
tell_part(const Teller *teller, const MimePart *part, const char *section)
{
    g_auto(GStrv) type = g_strsplit(part->type, "/", 2);
    GString *out = teller->out;

    if (part->kind == MULTIPART && *section != '\0' &&
        teller->habit == STRUCTURE_BLIND) {
        g_string_append(out, "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 99 7 "
                             "NIL NIL NIL NIL)");
        return;
    }
    g_string_append_c(out, '(');
    if (part->kind == MULTIPART) {
        tell_multipart(teller, part, section);
        g_string_append_c(out, ')');
        return;
    }
    g_string_append_printf(out,
                           "\"%s\" \"%s\" (\"charset\" \"utf-8\") NIL NIL "
                           "\"%s\" %zu",
                           type[0], type[1], part->encoding,
                           told_octets(teller, part->kind, section));
    if (part->kind == MESSAGE) {
        const MimePart *inside = g_ptr_array_index(part->parts, 0);
        g_autofree char *child = inside->kind == MULTIPART
                                     ? g_strdup(section)
                                     : child_section(section, 1);
        g_string_append_printf(
            out, " (NIL \"%s\" NIL NIL NIL NIL NIL NIL NIL NIL) ", part->name);
        tell_part(teller, inside, child);
    }
    if (part->kind == MESSAGE || strcmp(type[0], "text") == 0)
        g_string_append(out, " 12");
    if (part->name != NULL && part->kind == LEAF)
        g_string_append_printf(
            out, " NIL (\"attachment\" (\"filename\" \"%s\")) NIL NIL)",
            part->name);
    else
        g_string_append(out, " NIL NIL NIL NIL)");
}

static void
tell_structure(const Letter *letter, GString *out, MimeHabit habit)
{
    Teller teller = {letter, habit, out};
    const MimePart *inside = g_ptr_array_index(letter->message->parts, 0);
    const GString *whole = g_hash_table_lookup(letter->sections, "");

    if (habit == STRUCTURE_MISSING)
        return;
    g_string_append(out, " BODYSTRUCTURE ");
    if (habit == STRUCTURE_NIL)
        g_string_append(out, "NIL");
    else if (habit == STRUCTURE_NONSENSE)
        g_string_append(out, "((((\"text\") 7) \"mixed\" 12 (NIL)))");
    else if (habit == STRUCTURE_FLAT)
        g_string_append_printf(
            out,
            "(\"text\" \"plain\" NIL NIL NIL \"7bit\" %zu 7 NIL NIL NIL NIL)",
            whole->len / 2);
    else
        tell_part(&teller, inside, inside->kind == MULTIPART ? "" : "1");
}

/* ---- sections ---- */

static gboolean
is_habit_of_sections(MimeHabit habit)
{
    return habit >= SECTION_NIL && habit <= SECTION_OF_SIBLING;
}

/* "HEADER.FIELDS (From To)" of the header as it is; the caller owns it. */
static GString *
choose_fields(const GString *header, const char *fields)
{
    g_auto(GStrv) lines = g_strsplit(header->str, "\r\n", -1);
    GString *chosen = g_string_new(NULL);

    for (char **line = lines; *line != NULL; line++) {
        g_autofree char *name = g_strndup(*line, strcspn(*line, ":"));
        if (**line != '\0' && **line != ' ' && strstr(fields, name) != NULL)
            g_string_append_printf(chosen, "%s\r\n", *line);
    }
    g_string_append(chosen, "\r\n");
    return chosen;
}

/* NULL when there is none; the caller owns it. */
static GString *
find_octets(const Letter *letter, const char *section)
{
    const GString *octets = g_hash_table_lookup(letter->sections, section);
    const char *fields = strstr(section, ".FIELDS (");
    g_autofree char *name = NULL;

    if (octets != NULL)
        return copy_string(octets);
    if (fields == NULL)
        return NULL;
    name = g_strndup(section, (gsize)(fields - section));
    octets = g_hash_table_lookup(letter->sections, name);
    return octets ? choose_fields(octets, fields) : NULL;
}

static void
say_octets(GString *out, const char *octets, gsize length)
{
    g_string_append_printf(out, " {%zu}\r\n", length);
    g_string_append_len(out, octets, (gssize)length);
}

/* What of OCTETS is sent, and as from where, by HABIT. */
static void
say_range(GString *out, const GString *octets, const char *section,
          MimeHabit habit, gint64 offset, guint64 length)
{
    gboolean partial = offset >= 0;
    guint64 start = MIN(partial ? (guint64)offset : 0, octets->len);
    guint64 n = MIN(length, octets->len - start);
    guint64 told = start;

    if (partial)
        told = (guint64)offset;
    if (habit == SECTION_WHOLE || habit == SECTION_WHOLE_AS_ORIGIN) {
        start = told = 0;
        n = octets->len;
    } else if (habit == SECTION_OTHER_ORIGIN) {
        told += 3;
    } else if (habit == SECTION_TOO_SHORT) {
        n /= 2;
    }
    g_string_append_printf(out, " BODY[%s]", section);
    if (partial && habit != SECTION_WHOLE && habit != SECTION_NO_ORIGIN &&
        habit != SECTION_NO_ORIGIN_LATEST)
        g_string_append_printf(out, "<%" G_GUINT64_FORMAT ">", told);
    if (habit == SECTION_TOO_LONG) {
        g_autoptr(GString) more =
            mime_ruler(3, length > 1 << 24 ? (gsize)n + 1 : (gsize)length + 1);
        say_octets(out, more->str, more->len);
        return;
    }
    say_octets(out, octets->str + start, (gsize)n);
}

static void
say_section(const Letter *letter, GString *out, const char *section,
            gint64 offset, guint64 length, MimeHabit habit)
{
    g_autoptr(GString) octets = NULL;

    if (!is_habit_of_sections(habit))
        habit = MIME_HONEST;
    if (habit == SECTION_MISSING)
        return;
    octets = find_octets(letter, habit == SECTION_OF_SIBLING &&
                                         strcmp(section, "2") == 0
                                     ? "1"
                                     : section);
    if (habit == SECTION_NIL || octets == NULL)
        g_string_append_printf(out, " BODY[%s] NIL", section);
    else if (habit == SECTION_EMPTY)
        g_string_append_printf(out, " BODY[%s] \"\"", section);
    else
        say_range(out, octets, section, habit, offset, length);
}

/* ---- BINARY.SIZE ---- */

static const MimePart *
find_part(const MimePart *part, const char *section)
{
    g_auto(GStrv) numbers = g_strsplit(section, ".", -1);

    for (char **number = numbers; *number != NULL; number++) {
        guint i = (guint)strtoul(*number, NULL, 10);
        if (part->kind == MESSAGE &&
            ((MimePart *)g_ptr_array_index(part->parts, 0))->kind == MULTIPART)
            part = g_ptr_array_index(part->parts, 0);
        if (i == 0 || i > part->parts->len)
            return NULL;
        part = g_ptr_array_index(part->parts, i - 1);
    }
    return part;
}

/* Decoded octets of what mime_quoted_printable() has made. */
static gsize
decoded_size(const GString *octets)
{
    gsize size = octets->len;
    for (gsize i = 0; i < octets->len; i++) {
        if (octets->str[i] == '=')
            size -= octets->str[i + 1] == '\r' ? 3 : 2;
    }
    return size;
}

static void
say_binary_size(const Letter *letter, GString *out, const char *section,
                MimeHabit habit)
{
    const MimePart *part = find_part(letter->message, section);
    gsize size = part && part->octets ? decoded_size(part->octets) : 0;

    if (habit == BINARY_MISSING)
        return;
    if (habit == BINARY_ZERO)
        size = 0;
    else if (habit == BINARY_TOO_SMALL)
        size /= 2;
    else if (habit == BINARY_TOO_LARGE)
        size += 10;
    g_string_append_printf(out, " BINARY.SIZE[%s] %zu", section, size);
}

/* ---- items ---- */

char *
letter_next_item(const char **at)
{
    const char *begin = *at + strspn(*at, " (");
    const char *end = begin;
    gboolean inside = FALSE;

    for (; *end != '\0' && (inside || (*end != ' ' && *end != ')')); end++) {
        if (*end == '[')
            inside = TRUE;
        else if (*end == ']')
            inside = FALSE;
    }
    *at = end;
    return end > begin ? g_strndup(begin, (gsize)(end - begin)) : NULL;
}

char *
letter_item_section(const char *item)
{
    const char *begin = strchr(item, '[') + 1;
    return g_strndup(begin, strcspn(begin, "]"));
}

void
letter_answer(const Letter *letter, GString *out, const char *item,
              MimeHabit habit, gboolean always)
{
    g_autofree char *section =
        strchr(item, '[') ? letter_item_section(item) : NULL;
    const char *partial = strstr(item, "]<");
    gint64 offset = -1;
    guint64 length = G_MAXUINT64;
    char *end;

    if (partial != NULL) {
        offset = (gint64)g_ascii_strtoull(partial + 2, &end, 10);
        length = g_ascii_strtoull(end + 1, NULL, 10);
    }
    if (strcmp(item, "BODYSTRUCTURE") == 0)
        tell_structure(letter, out, habit);
    else if (g_str_has_prefix(item, "BINARY.SIZE["))
        say_binary_size(letter, out, section, habit);
    else if (g_str_has_prefix(item, "BODY.PEEK["))
        say_section(letter, out, section, offset, length,
                    *section == '\0' && !always ? MIME_HONEST : habit);
}

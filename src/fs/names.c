/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/names.h"

#include <string.h>
#include <time.h>

enum { MESSAGE_NAME_MAX = 200 };

/* ---- messages ---- */

/* Directions that are switched by characters nobody sees make a name lie. */
static gboolean
is_bidi_control(gunichar c)
{
    return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
           c == 0x200e || c == 0x200f || c == 0x061c;
}

/* What a FAT file system or a shell's user would stumble over, too. */
static gboolean
is_allowed(gunichar c)
{
    if (c < 0x80)
        return c >= 0x20 && c != 0x7f && strchr("/\\:*?\"<>|", (int)c) == NULL;
    return c >= 0xa0 && c != 0x2028 && c != 0x2029 && !is_bidi_control(c);
}

typedef struct {
    char *to;
    gsize left;
} Writer;

static void
write_text(Writer *writer, const char *text)
{
    for (const char *at = text; *at != '\0'; at = g_utf8_next_char(at)) {
        gsize n = (gsize)(g_utf8_next_char(at) - at);
        gboolean allowed = is_allowed(g_utf8_get_char(at));
        if (!allowed)
            n = 1;
        if (n > writer->left)
            return;
        memcpy(writer->to, allowed ? at : "_", n);
        writer->to += n;
        writer->left -= n;
    }
}

/* TEXT is UTF-8; NFC makes names comparable. */
static void
write_normalized(Writer *writer, const char *text, const char *otherwise)
{
    g_autofree char *normalized = NULL;

    if (*text == '\0') {
        write_text(writer, otherwise);
    } else if (g_str_is_ascii(text)) {
        write_text(writer, text);
    } else {
        normalized = g_utf8_normalize(text, -1, G_NORMALIZE_NFC);
        write_text(writer, normalized ? normalized : otherwise);
    }
}

static gsize
write_date(char *to, gsize size, gint64 when, gboolean minutes)
{
    time_t t = (time_t)when;
    struct tm tm;
    /* A name must not begin as a sender likes. */
    if (localtime_r(&t, &tm) == NULL)
        return g_strlcpy(to, "(no date) ", size);
    return strftime(to, size, minutes ? "%Y-%m-%d %H%M " : "%Y-%m-%d ", &tm);
}

gsize
fs_names_write_day(char *to, gsize size, gint64 when)
{
    return write_date(to, size, when, FALSE);
}

char *
fs_names_clean(const char *text, gsize max)
{
    char *name = g_malloc(max + 1);
    Writer writer = {name, max};
    write_normalized(&writer, text, "");
    *writer.to = '\0';
    return name;
}

void
fs_names_message(const MailMessage *message, FsNaming naming,
                 char name[FS_NAME_MAX + 1])
{
    g_autofree char *author = NULL;
    char suffix[20];
    gsize suffix_size;
    Writer writer;

    if (naming == FS_NAMES_UID) {
        g_snprintf(name, FS_NAME_MAX + 1, "%u.eml", message->uid);
        return;
    }
    suffix_size =
        (gsize)g_snprintf(suffix, sizeof suffix, ".%u.eml", message->uid);
    writer.to = name + write_date(name, 40, message->internaldate, TRUE);
    writer.left = MESSAGE_NAME_MAX - suffix_size - (gsize)(writer.to - name);
    author = mail_message_author(message);
    write_normalized(&writer, author, "(unknown)");
    write_text(&writer, " - ");
    write_normalized(&writer, mail_message_field(message, MAIL_FIELD_SUBJECT),
                     "(no subject)");
    while (writer.to > name && (writer.to[-1] == ' ' || writer.to[-1] == '.'))
        writer.to--;
    memcpy(writer.to, suffix, suffix_size + 1);
}

guint32
fs_names_uid(const char *name)
{
    gsize length = strlen(name);
    const char *end = name + length - 4;
    const char *digits = end;
    guint64 uid;

    if (length < 5 || strcmp(end, ".eml") != 0)
        return 0;
    while (digits > name && g_ascii_isdigit(digits[-1]))
        digits--;
    if (digits == end || *digits == '0' || (digits > name && digits[-1] != '.'))
        return 0;
    uid = g_ascii_strtoull(digits, NULL, 10);
    return uid <= G_MAXUINT32 ? (guint32)uid : 0;
}

/* ---- mailboxes ---- */

/*
 * Reversible, hence unique.  "%" stands for itself except before two hex
 * digits, "." and "~", which only an escape has behind it.
 */
static gboolean
is_escape(const char *at)
{
    return at[0] == '%' &&
           (at[1] == '.' || at[1] == '~' ||
            (g_ascii_isxdigit(at[1]) && g_ascii_isxdigit(at[2])));
}

/* AT begins a character, or is one octet of what is no UTF-8. */
static gboolean
must_escape(const MailMailbox *mailbox, const char *at, gboolean valid)
{
    guchar c = (guchar)*at;
    if (c < 0x20 || c == 0x7f || c == '/' || is_escape(at))
        return TRUE;
    if (at == mailbox->leaf && c == '.')
        return TRUE;
    if (mailbox->raw && c == '&')
        return TRUE; /* or it would look like one that could be decoded */
    return c >= 0x80 && (!valid || !is_allowed(g_utf8_get_char(at)));
}

char *
fs_names_mailbox(const MailMailbox *mailbox)
{
    gboolean valid = g_utf8_validate(mailbox->leaf, -1, NULL);
    g_autoptr(GString) name = g_string_new(NULL);
    g_autofree char *sum = NULL;
    gsize length;
    gsize cut;

    if (*mailbox->leaf == '\0' && !mailbox->twin)
        return g_strdup("%.");
    for (const char *at = mailbox->leaf; *at != '\0'; at += length) {
        length = valid ? (gsize)(g_utf8_next_char(at) - at) : 1;
        if (!must_escape(mailbox, at, valid)) {
            g_string_append_len(name, at, (gssize)length);
            continue;
        }
        for (gsize i = 0; i < length; i++)
            g_string_append_printf(name, "%%%02X", (guchar)at[i]);
    }
    if (name->len <= FS_NAME_MAX && !mailbox->twin)
        return g_string_free(g_steal_pointer(&name), FALSE);
    /* Too long, or not the only one: its beginning, and what tells it from all
     * others. */
    sum = g_compute_checksum_for_string(
        G_CHECKSUM_SHA256, mailbox->twin ? mailbox->name : name->str, -1);
    for (cut = MIN(name->len, 200);
         cut > 0 && ((guchar)name->str[cut] & 0xc0) == 0x80; cut--)
        continue;
    g_string_truncate(name, cut);
    g_string_append_printf(name, "%%~%.32s", sum);
    return g_string_free(g_steal_pointer(&name), FALSE);
}

static char *
unescape(const char *name)
{
    GString *leaf = g_string_new(NULL);

    for (const char *at = name; *at != '\0'; at++) {
        if (at[0] == '%' && g_ascii_isxdigit(at[1]) &&
            g_ascii_isxdigit(at[2])) {
            g_string_append_c(leaf, (char)(g_ascii_xdigit_value(at[1]) << 4 |
                                           g_ascii_xdigit_value(at[2])));
            at += 2;
        } else {
            g_string_append_c(leaf, *at);
        }
    }
    return g_string_free(leaf, FALSE);
}

static gboolean
has_name(const MailMailbox *mailbox, const char *name)
{
    g_autofree char *its = fs_names_mailbox(mailbox);
    return strcmp(its, name) == 0;
}

MailMailbox *
fs_names_find_mailbox(MailMailbox *parent, const char *name)
{
    g_autofree char *leaf = unescape(name);
    MailMailbox *child = mail_mailbox_child(parent, leaf);
    const GPtrArray *children;

    if (child != NULL && has_name(child, name))
        return child;
    /* Only names that are shortened, empty or a twin's are not found so. */
    if (*name == '\0' || strchr(name, '%') == NULL)
        return NULL;
    children = mail_mailbox_children(parent);
    for (guint i = 0; i < children->len; i++) {
        child = g_ptr_array_index(children, i);
        if (has_name(child, name))
            return child;
    }
    return NULL;
}

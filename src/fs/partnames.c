/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/partnames.h"

#include <string.h>

#include "fs/names.h"

enum {
    PART_NAME_MAX = 200, /* octets */
    AUTHOR_MAX = 60,     /* octets of it in the name of an attachment */
    EXTENSION_MAX = 8,   /* characters; what is longer is none */
    RAW_MAX = 4096,      /* octets of what a sender says that are looked at */
};
#define WIDEST_NUMBER " (9999)" /* of the parts of one message */

/* ---- types ---- */

static const struct {
    const char *type;
    const char *extension;
} extensions[] = {
    {"application/epub+zip", ".epub"},
    {"application/gzip", ".gz"},
    {"application/ics", ".ics"},
    {"application/javascript", ".js"},
    {"application/json", ".json"},
    {"application/ms-tnef", ".dat"},
    {"application/msword", ".doc"},
    {"application/octet-stream", ".bin"},
    {"application/pdf", ".pdf"},
    {"application/pgp-encrypted", ".asc"},
    {"application/pgp-keys", ".asc"},
    {"application/pgp-signature", ".asc"},
    {"application/pkcs7-mime", ".p7m"},
    {"application/pkcs7-signature", ".p7s"},
    {"application/postscript", ".ps"},
    {"application/rtf", ".rtf"},
    {"application/vnd.ms-excel", ".xls"},
    {"application/vnd.ms-powerpoint", ".ppt"},
    {"application/vnd.oasis.opendocument.presentation", ".odp"},
    {"application/vnd.oasis.opendocument.spreadsheet", ".ods"},
    {"application/vnd.oasis.opendocument.text", ".odt"},
    {"application/"
     "vnd.openxmlformats-officedocument.presentationml.presentation",
     ".pptx"},
    {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
     ".xlsx"},
    {"application/vnd.openxmlformats-officedocument.wordprocessingml.document",
     ".docx"},
    {"application/vnd.rar", ".rar"},
    {"application/x-7z-compressed", ".7z"},
    {"application/x-bzip2", ".bz2"},
    {"application/x-gzip", ".gz"},
    {"application/x-pkcs7-mime", ".p7m"},
    {"application/x-pkcs7-signature", ".p7s"},
    {"application/x-rar-compressed", ".rar"},
    {"application/x-tar", ".tar"},
    {"application/x-xz", ".xz"},
    {"application/x-zip-compressed", ".zip"},
    {"application/xml", ".xml"},
    {"application/zip", ".zip"},
    {"audio/aac", ".aac"},
    {"audio/amr", ".amr"},
    {"audio/flac", ".flac"},
    {"audio/midi", ".mid"},
    {"audio/mp4", ".m4a"},
    {"audio/mpeg", ".mp3"},
    {"audio/ogg", ".ogg"},
    {"audio/opus", ".opus"},
    {"audio/wav", ".wav"},
    {"audio/x-m4a", ".m4a"},
    {"audio/x-wav", ".wav"},
    {"image/avif", ".avif"},
    {"image/bmp", ".bmp"},
    {"image/gif", ".gif"},
    {"image/heic", ".heic"},
    {"image/jpeg", ".jpg"},
    {"image/jpg", ".jpg"},
    {"image/png", ".png"},
    {"image/svg+xml", ".svg"},
    {"image/tiff", ".tif"},
    {"image/vnd.microsoft.icon", ".ico"},
    {"image/webp", ".webp"},
    {"image/x-icon", ".ico"},
    {"message/delivery-status", ".txt"},
    {"message/disposition-notification", ".txt"},
    {"message/global", ".eml"},
    {"message/rfc822", ".eml"},
    {"text/calendar", ".ics"},
    {"text/css", ".css"},
    {"text/csv", ".csv"},
    {"text/html", ".html"},
    {"text/javascript", ".js"},
    {"text/markdown", ".md"},
    {"text/plain", ".txt"},
    {"text/rfc822-headers", ".txt"},
    {"text/rtf", ".rtf"},
    {"text/vcard", ".vcf"},
    {"text/x-diff", ".diff"},
    {"text/x-patch", ".patch"},
    {"text/x-vcard", ".vcf"},
    {"text/xml", ".xml"},
    {"video/3gpp", ".3gp"},
    {"video/mp4", ".mp4"},
    {"video/mpeg", ".mpg"},
    {"video/quicktime", ".mov"},
    {"video/webm", ".webm"},
    {"video/x-matroska", ".mkv"},
    {"video/x-msvideo", ".avi"},
};

/* "" for a type that is not known. */
static const char *
extension_of_type(const char *type)
{
    for (guint i = 0; i < G_N_ELEMENTS(extensions); i++) {
        if (strcmp(extensions[i].type, type) == 0)
            return extensions[i].extension;
    }
    return "";
}

/* What a file is called that nobody gave a name. */
static const char *
stem_of_type(const char *type)
{
    static const char *const stems[] = {"image", "audio", "video", "text",
                                        "message"};
    for (guint i = 0; i < G_N_ELEMENTS(stems); i++) {
        gsize n = strlen(stems[i]);
        if (strncmp(type, stems[i], n) == 0 && type[n] == '/')
            return stems[i];
    }
    return "part";
}

/* ---- one name ---- */

/* Takes out what leads a path elsewhere, hides a file, looks like an option or
 * cannot be seen: what of NAME is left may be nothing. */
static void
tidy(char *name)
{
    const char *from = name + strspn(name, " .-");
    char *to = name;

    for (; *from != '\0'; from++) {
        gboolean twice = to > name && to[-1] == *from;
        if (!twice || (*from != ' ' && *from != '.'))
            *to++ = *from;
    }
    while (to > name && (to[-1] == ' ' || to[-1] == '.'))
        to--;
    *to = '\0';
}

/* The names of devices elsewhere, also with an extension. */
static gboolean
is_device(const char *name)
{
    static const char *const devices[] = {"con", "prn", "aux", "nul"};
    gsize n = strcspn(name, ".");

    for (guint i = 0; i < G_N_ELEMENTS(devices); i++) {
        if (n == 3 && g_ascii_strncasecmp(name, devices[i], 3) == 0)
            return TRUE;
    }
    return n == 4 && g_ascii_isdigit(name[3]) &&
           (g_ascii_strncasecmp(name, "com", 3) == 0 ||
            g_ascii_strncasecmp(name, "lpt", 3) == 0);
}

/* NAME without what must not be in one; NULL when nothing is left. */
static char *
clean(const char *name)
{
    g_autofree char *cleaned = name ? fs_names_clean(name, RAW_MAX) : NULL;

    if (cleaned == NULL)
        return NULL;
    tidy(cleaned);
    if (*cleaned == '\0')
        return NULL;
    return is_device(cleaned) ? g_strconcat("_", cleaned, NULL)
                              : g_steal_pointer(&cleaned);
}

/* Where the extension of NAME begins; at its end if there is none. */
static char *
find_extension(char *name)
{
    char *dot = strrchr(name, '.');
    gsize n = dot ? strlen(dot + 1) : 0;

    if (dot == name || n == 0 || n > EXTENSION_MAX)
        return name + strlen(name);
    for (const char *at = dot + 1; *at != '\0'; at++) {
        if (!g_ascii_isalnum(*at))
            return name + strlen(name);
    }
    return dot;
}

/* A name in two: a number can come between them. */
typedef struct {
    char *stem;
    char *extension; /* with its dot, or "" */
} FileName;

static void
clear_file_name(FileName *name)
{
    g_free(name->stem);
    g_free(name->extension);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FileName, clear_file_name)

static FileName
split_name(const char *name, const char *type)
{
    char *stem = clean(name);
    char *extension;
    FileName result;

    if (stem == NULL)
        return (FileName){g_strdup(stem_of_type(type)),
                          g_strdup(extension_of_type(type))};
    extension = find_extension(stem);
    result.extension =
        g_strdup(*extension != '\0' ? extension : extension_of_type(type));
    *extension = '\0';
    result.stem = stem;
    return result;
}

/* PREFIX STEM INFIX EXTENSION, of which STEM is cut so that all of it has at
 * most PART_NAME_MAX octets. */
static char *
join_name(const char *prefix, const char *stem, const char *infix,
          const char *extension)
{
    gsize others = strlen(prefix) + strlen(infix) + strlen(extension);
    gsize length = strlen(stem);
    gsize max = PART_NAME_MAX - others;

    if (length > max) {
        length = max;
        while (length > 0 && ((guchar)stem[length] & 0xc0) == 0x80)
            length--;
        while (length > 0 &&
               (stem[length - 1] == ' ' || stem[length - 1] == '.'))
            length--;
    }
    return g_strdup_printf("%s%.*s%s%s", prefix, (int)length, stem, infix,
                           extension);
}

/* ---- the names of one directory ---- */

typedef struct {
    GPtrArray *entries;  /* of FsPartEntry */
    GHashTable *taken;   /* names that are there, folded */
    GHashTable *numbers; /* the last number given, by name, cut and folded */
} Directory;

/* Names that differ in this are alike for some file systems and most people. */
static char *
fold(const char *name)
{
    g_autofree char *folded = g_utf8_casefold(name, -1);
    return g_utf8_normalize(folded, -1, G_NORMALIZE_NFC);
}

static void
free_entry(gpointer data)
{
    FsPartEntry *entry = data;
    g_free(entry->name);
    g_free(entry);
}

/* Takes NAME. */
static void
add_entry(Directory *directory, FsEntryKind kind, guint part, char *name)
{
    FsPartEntry *entry = g_new(FsPartEntry, 1);
    *entry = (FsPartEntry){kind, part, name};
    g_ptr_array_add(directory->entries, entry);
    g_hash_table_add(directory->taken, fold(name));
}

static gboolean
is_taken(const Directory *directory, const char *name)
{
    g_autofree char *folded = fold(name);
    return g_hash_table_contains(directory->taken, folded);
}

/* Adds the file STEM INFIX EXTENSION, and for a message its directory STEM
 * INFIX; FALSE if one of them is there. */
static gboolean
try_part(Directory *directory, guint part, const FileName *name,
         const char *infix, gboolean message)
{
    g_autofree char *file = join_name("", name->stem, infix, name->extension);
    g_autofree char *folder =
        g_strndup(file, strlen(file) - strlen(name->extension));

    if (is_taken(directory, file) || (message && is_taken(directory, folder)))
        return FALSE;
    add_entry(directory, FS_ENTRY_PART, part, g_steal_pointer(&file));
    if (message)
        add_entry(directory, FS_ENTRY_MESSAGE, part, g_steal_pointer(&folder));
    return TRUE;
}

/* With a number if need be.  Names that are the same once they are cut to make
 * room for one share it, or each would try all that the others have. */
static void
add_part(Directory *directory, guint part, const FileName *name,
         gboolean message)
{
    g_autofree char *widest = NULL;
    char *key;
    guint number;
    char infix[20] = "";

    if (try_part(directory, part, name, infix, message))
        return;
    widest = join_name("", name->stem, WIDEST_NUMBER, name->extension);
    key = fold(widest);
    number = GPOINTER_TO_UINT(g_hash_table_lookup(directory->numbers, key));
    number = MAX(number, 1);
    do
        g_snprintf(infix, sizeof infix, " (%u)", ++number);
    while (!try_part(directory, part, name, infix, message));
    g_hash_table_insert(directory->numbers, key, GUINT_TO_POINTER(number));
}

/* Its file's name, else its subject, else "message"; the extension is ours. */
static FileName
name_of_message(const MailPart *part)
{
    g_autofree char *stem = clean(part->name);

    if (stem == NULL)
        stem = clean(part->subject);
    if (stem != NULL) {
        gsize length = strlen(stem);
        if (length > 4 && g_ascii_strcasecmp(stem + length - 4, ".eml") == 0)
            stem[length - 4] = '\0';
        tidy(stem);
    }
    return (FileName){stem ? g_steal_pointer(&stem) : g_strdup("message"),
                      g_strdup(".eml")};
}

static FileName
name_of_leaf(const MailPart *part)
{
    gboolean text =
        part->name == NULL && part->disposition != MAIL_DISPOSITION_ATTACHMENT;

    if (text && strcmp(part->type, "text/plain") == 0)
        return (FileName){g_strdup("body"), g_strdup(".txt")};
    if (text && strcmp(part->type, "text/html") == 0)
        return (FileName){g_strdup("body"), g_strdup(".html")};
    return split_name(part->name, part->type);
}

GPtrArray *
fs_partnames_list(const MailStructure *structure, guint message)
{
    Directory directory = {
        g_ptr_array_new_with_free_func(free_entry),
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL)};
    guint end = structure->parts[message].after;

    add_entry(&directory, FS_ENTRY_HEADERS, message, g_strdup("headers"));
    for (guint i = message + 1; i < end;) {
        const MailPart *part = &structure->parts[i];
        gboolean is_message = part->kind == MAIL_PART_MESSAGE;
        g_auto(FileName) name = {NULL, NULL};

        if (part->kind == MAIL_PART_MULTIPART) {
            i++;
            continue;
        }
        name = is_message ? name_of_message(part) : name_of_leaf(part);
        add_part(&directory, i, &name, is_message);
        i = part->after;
    }
    g_hash_table_unref(directory.taken);
    g_hash_table_unref(directory.numbers);
    return directory.entries;
}

/* ---- attachments of a mailbox ---- */

char *
fs_partnames_attachment(const MailMessage *message, const char *name,
                        const char *type, gboolean with_uid)
{
    g_auto(FileName) file = split_name(name, type);
    g_autofree char *from = mail_message_author(message);
    g_autofree char *author = fs_names_clean(from, AUTHOR_MAX);
    g_autofree char *prefix = NULL;
    char uid[20] = "";
    char day[40];

    tidy(author);
    fs_names_write_day(day, sizeof day, message->internaldate);
    prefix =
        g_strconcat(day, *author != '\0' ? author : "(unknown)", " - ", NULL);
    if (with_uid)
        g_snprintf(uid, sizeof uid, ".%u", message->uid);
    return join_name(prefix, file.stem, uid, file.extension);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include <gmime/gmime.h>
#include <stdlib.h>

#include "fs/names.h"
#include "fs/partnames.h"

enum { PART_NAME_MAX = 200 };

/* ---- what every name must be ---- */

static gboolean
is_bidi(gunichar c)
{
    return c == 0x061c || c == 0x200e || c == 0x200f ||
           (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static void
check_name(const char *row, const char *name)
{
    gsize length = strlen(name);
    if (length == 0 || length > PART_NAME_MAX)
        row_fail(row, "name has %zu octets", length);
    if (strchr(".- ", name[0]) != NULL || strstr(name, "..") != NULL)
        row_fail(row, "name is %s", name);
    if (length > 0 && strchr(". ", name[length - 1]) != NULL)
        row_fail(row, "name ends in a dot or a blank: %s", name);
    if (strpbrk(name, "/\\:*?\"<>|") != NULL)
        row_fail(row, "name has what no name has: %s", name);
    if (!g_utf8_validate(name, -1, NULL)) {
        row_string(row, "name, which is no UTF-8,", name, "");
        return;
    }
    for (const char *at = name; *at != '\0'; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        if (g_unichar_iscntrl(c) || is_bidi(c))
            row_fail(row, "name has U+%04X in it", c);
    }
}

/* ---- structures, as a server tells them ---- */

/* "type/subtype" with these parameters; "(" of a message up to ")". */
static void
append_leaf(GString *text, const char *type, const char *name,
            const char *disposition)
{
    const char *slash = strchr(type, '/');
    g_string_append_printf(text, "(\"%.*s\" \"%s\" ", (int)(slash - type), type,
                           slash + 1);
    if (name != NULL)
        g_string_append_printf(text, "(\"name\" {%zu}\r\n%s)", strlen(name),
                               name);
    else
        g_string_append(text, "NIL");
    g_string_append_printf(text, " NIL NIL \"7bit\" 1 NIL %s)", disposition);
}

typedef struct {
    const char *type;
    const char *name;
    gboolean attached;
} Leaf;

enum { LEAVES_MAX = 12 };

/* A multipart/mixed of LEAVES, up to one without a type. */
static MailStructure *
mixed(const Leaf *leaves)
{
    g_autoptr(GString) text = g_string_new("(");
    for (const Leaf *leaf = leaves; leaf->type != NULL; leaf++)
        append_leaf(text, leaf->type, leaf->name,
                    leaf->attached ? "(\"attachment\" NIL)" : "NIL");
    g_string_append(text, " \"mixed\")");
    return mail_structure_parse(text->str, text->len, 0);
}

/* The names of the directory of MESSAGE, one a line; directories with "/". */
static char *
list(const char *row, const MailStructure *structure, guint message)
{
    g_autoptr(GPtrArray) entries = fs_partnames_list(structure, message);
    g_autoptr(GString) names = g_string_new(NULL);

    for (guint i = 0; i < entries->len; i++) {
        const FsPartEntry *entry = g_ptr_array_index(entries, i);
        check_name(row, entry->name);
        if ((entry->kind == FS_ENTRY_HEADERS) != (i == 0) ||
            (i == 0 && entry->part != message))
            row_fail(row, "the headers are no. %u", i);
        g_string_append_printf(names, "%s%s%s", i > 0 ? "\n" : "", entry->name,
                               entry->kind == FS_ENTRY_MESSAGE ? "/" : "");
    }
    return g_string_free(g_steal_pointer(&names), FALSE);
}

static const struct {
    const char *what;
    Leaf leaves[LEAVES_MAX];
    const char *names;
} list_rows[] = {
    {"bodies",
     {{"text/plain", NULL, FALSE}, {"text/html", NULL, FALSE}},
     "headers\nbody.txt\nbody.html"},
    {"bodies, again",
     {{"text/plain", NULL, FALSE},
      {"text/plain", NULL, FALSE},
      {"text/html", NULL, FALSE},
      {"text/plain", NULL, FALSE}},
     "headers\nbody.txt\nbody (2).txt\nbody.html\nbody (3).txt"},
    {"text that is no body",
     {{"text/plain", NULL, TRUE},
      {"text/plain", "notes", FALSE},
      {"text/html", "page.htm", FALSE},
      {"text/calendar", NULL, FALSE}},
     "headers\ntext.txt\nnotes.txt\npage.htm\ntext.ics"},
    {"without a name",
     {{"image/png", NULL, FALSE},
      {"image/jpeg", NULL, FALSE},
      {"application/octet-stream", NULL, FALSE},
      {"application/pdf", NULL, FALSE},
      {"application/x-unknown", NULL, FALSE},
      {"audio/x-unknown", NULL, FALSE},
      {"message/delivery-status", NULL, FALSE},
      {"video/mp4", NULL, TRUE}},
     "headers\nimage.png\nimage.jpg\npart.bin\npart.pdf\npart\naudio\n"
     "message.txt\nvideo.mp4"},
    {"an extension is kept, or made",
     {{"image/png", "a.jpg", FALSE},
      {"image/png", "a", FALSE},
      {"application/pdf", "v1.2 of Mr. Smith", FALSE},
      {"application/pdf", "a.reallylongextension", FALSE},
      {"application/gzip", "a.tar.gz", FALSE},
      {"application/x-unknown", "a b", FALSE},
      {"application/pdf", ".pdf", FALSE}},
     "headers\na.jpg\na.png\nv1.2 of Mr. Smith.pdf\n"
     "a.reallylongextension.pdf\na.tar.gz\na b\npdf.pdf"},
    {"the same name",
     {{"image/png", "a.png", FALSE},
      {"image/png", "A.PNG", FALSE},
      {"image/png", "a (2).png", FALSE},
      {"image/png", "a.png", FALSE},
      {"image/png", "a", FALSE}},
     "headers\na.png\nA (2).PNG\na (2) (2).png\na (3).png\na (4).png"},
    {"the same name but for its normalisation",
     {{"image/png", "\303\244.png", FALSE},
      {"image/png", "a\314\210.png", FALSE},
      {"image/png", "\303\204.png", FALSE}},
     "headers\n\303\244.png\n\303\244 (2).png\n\303\204 (3).png"},
    {"names of ours",
     {{"text/plain", NULL, FALSE},
      {"application/x-unknown", "headers", FALSE},
      {"application/x-unknown", "Headers", FALSE},
      {"text/plain", "body.txt", FALSE}},
     "headers\nbody.txt\nheaders (2)\nHeaders (3)\nbody (2).txt"},
    {"paths",
     {{"text/x-a", "../../etc/passwd", FALSE},
      {"text/x-a", "/etc/passwd", FALSE},
      {"text/x-a", "C:\\a\\b.txt", FALSE},
      {"text/x-a", "..", FALSE},
      {"text/x-a", ".", FALSE},
      {"text/x-a", "...", FALSE},
      {"text/x-a", ". . .", FALSE},
      {"text/x-a", "a/../b", FALSE}},
     "headers\n_._etc_passwd\n_etc_passwd\nC__a_b.txt\ntext\ntext (2)\n"
     "text (3)\ntext (4)\na_._b"},
    {"what hides, or lies",
     {{"text/x-a", ".bashrc", FALSE},
      {"text/x-a", "-rf", FALSE},
      {"text/x-a", "~root", FALSE},
      {"text/x-a", "a.txt.", FALSE},
      {"text/x-a", "a   b", FALSE},
      {"text/x-a", "invoice\342\200\256fdp.exe", FALSE},
      {"text/x-a", "a\r\nb\033[2J\177", FALSE},
      {"text/x-a", "\342\201\246\342\200\217", FALSE},
      {"text/x-a", "a?*<>|\"b", FALSE}},
     "headers\nbashrc\nrf\n~root\na.txt\na b\ninvoice_fdp.exe\n"
     "a__b_[2J_\n__\na______b"},
    {"devices elsewhere",
     {{"text/x-a", "CON", FALSE},
      {"text/x-a", "nul.txt", FALSE},
      {"text/x-a", "Com1.tar.gz", FALSE},
      {"text/x-a", "COM", FALSE},
      {"text/x-a", "console", FALSE}},
     "headers\n_CON\n_nul.txt\n_Com1.tar.gz\nCOM\nconsole"},
    {"no UTF-8, and none of a NUL",
     {{"text/x-a", "a\377b", FALSE}, {"text/x-a", "", FALSE}},
     "headers\na\303\277b\ntext"},
};

static void
test_lists(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(list_rows); i++) {
        const char *row = list_rows[i].what;
        g_autoptr(MailStructure) structure = mixed(list_rows[i].leaves);
        g_autofree char *names = NULL;
        assert_non_null(structure);
        names = list(row, structure, 0);
        row_string(row, "what is in it", names, list_rows[i].names);
    }
    rows_end();
}

/* ---- messages that are parts ---- */

static const struct {
    const char *message;
    guint part;
    const char *names;
} nested_rows[] = {
    {"\r\nx", 0, "headers\nbody.txt"},
    {"Content-Type: message/rfc822\r\n\r\nSubject: Re: a/b?\r\n\r\nx", 0,
     "headers\nRe_ a_b_.eml\nRe_ a_b_/"},
    {"Content-Type: message/rfc822\r\n\r\nSubject: Re: a/b?\r\n\r\nx", 1,
     "headers\nbody.txt"},
    {"Content-Type: message/rfc822; name=\"A.EML\"\r\n\r\nSubject: s\r\n\r\nx",
     0, "headers\nA.eml\nA/"},
    {"Content-Type: message/rfc822; name=\"a.msg\"\r\n\r\n\r\nx", 0,
     "headers\na.msg.eml\na.msg/"},
    {"Content-Type: message/rfc822; name=\"...\"\r\n\r\nSubject: s\r\n\r\nx", 0,
     "headers\ns.eml\ns/"},
    {"Content-Type: message/rfc822\r\n\r\n\r\nx", 0,
     "headers\nmessage.eml\nmessage/"},
    {"Content-Type: message/rfc822\r\n\r\nSubject: Headers\r\n\r\nx", 0,
     "headers\nHeaders (2).eml\nHeaders (2)/"},
    {"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n"
     "\r\nQUJD",
     0, "headers\nmessage.eml"},
    {"Content-Type: multipart/digest; boundary=b\r\n\r\n"
     "--b\r\n\r\nSubject: s\r\n\r\nx\r\n--b\r\n\r\nSubject: S\r\n\r\nx\r\n"
     "--b\r\nContent-Type: image/png; name=s\r\n\r\nx\r\n"
     "--b\r\nContent-Type: text/plain; name=\"s (3).eml\"\r\n\r\nx\r\n"
     "--b\r\n\r\nSubject: s\r\n\r\nx\r\n--b--",
     0,
     "headers\ns.eml\ns/\nS (2).eml\nS (2)/\ns.png\ns (3).eml\ns (4).eml\n"
     "s (4)/"},
};

static void
test_nested(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(nested_rows); i++) {
        const char *row = nested_rows[i].message;
        g_autoptr(MailStructure) structure =
            mail_structure_find(row, strlen(row));
        g_autofree char *names = list(row, structure, nested_rows[i].part);
        row_string(row, "what is in it", names, nested_rows[i].names);
    }
    rows_end();
}

/* ---- names that are long, and many ---- */

static void
test_long(void **state)
{
    static const char *const units[] = {
        "x", "\303\244", "\360\237\223\247", "e\314\201", ". ", "\357\267\272"};
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(units); i++) {
        g_autoptr(GString) name = g_string_new("a");
        Leaf leaves[] = {{"image/png", NULL, FALSE},
                         {"image/png", NULL, FALSE},
                         {NULL, NULL, FALSE}};
        g_autoptr(MailStructure) structure = NULL;
        g_autofree char *names = NULL;

        while (name->len < 3000)
            g_string_append(name, units[i]);
        g_string_append(name, "z.Pdf");
        leaves[0].name = leaves[1].name = name->str;
        structure = mixed(leaves);
        names = list(units[i], structure, 0);
        if (strstr(names, ".Pdf\n") == NULL ||
            !g_str_has_suffix(names, " (2).Pdf"))
            row_fail(units[i], "names are %s", names);
        g_string_truncate(name, 0);
        while (name->len < 10000)
            g_string_append(name, units[i]);
        leaves[0].name = leaves[1].name = name->str;
        g_clear_pointer(&structure, mail_structure_free);
        g_free(names);
        structure = mixed(leaves);
        names = list(units[i], structure, 0);
    }
    rows_end();
}

static char *
many_name(guint kind, guint n)
{
    g_autofree char *long_name = NULL;

    if (kind == 3) {
        long_name = g_strnfill(PART_NAME_MAX - 8, 'x');
        return g_strdup_printf("%s%04u.png", long_name, n / 2);
    }
    if (n % 2 == 0 || kind == 0)
        return g_strdup("a.png");
    return g_strdup_printf(kind == 1 ? "a (%u).png" : "%u.png", n);
}

static void
test_many(void **state)
{
    static const char *const kinds[] = {"the same", "numbered", "different",
                                        "twice, and the same when cut"};
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autoptr(GString) text = g_string_new("(");
        g_autoptr(MailStructure) structure = NULL;
        g_autoptr(GPtrArray) entries = NULL;
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
        double before = cpu_seconds();

        for (guint n = 0; n < MAIL_PARTS_MAX - 1; n++) {
            g_autofree char *name = many_name(i, n);
            append_leaf(text, "image/png", name, "NIL");
        }
        g_string_append(text, " \"mixed\")");
        structure = mail_structure_parse(text->str, text->len, 0);
        assert_non_null(structure);
        entries = fs_partnames_list(structure, 0);
        row_number(kinds[i], "names", entries->len, MAIL_PARTS_MAX);
        for (guint n = 0; n < entries->len; n++) {
            const FsPartEntry *entry = g_ptr_array_index(entries, n);
            if (!g_hash_table_add(seen, entry->name))
                row_fail(kinds[i], "%s is there twice", entry->name);
        }
        if (cpu_seconds() - before > 5)
            row_fail(kinds[i], "took %.1f seconds", cpu_seconds() - before);
    }
    rows_end();
}

/* ---- attachments of a mailbox ---- */

static const struct {
    const char *from;
    const char *name;
    const char *type;
    gint64 date;
    gboolean with_uid;
    const char *wanted;
} attachment_rows[] = {
    {"Alice Example <alice@example.org>", "invoice.pdf", "application/pdf",
     1795132800, FALSE, "2026-11-20 Alice Example - invoice.pdf"},
    {"Alice Example <alice@example.org>", "invoice.pdf", "application/pdf",
     1795132800, TRUE, "2026-11-20 Alice Example - invoice.7.pdf"},
    {"alice@example.org", NULL, "image/png", 0, FALSE,
     "1970-01-01 alice@example.org - image.png"},
    {"", "a", "application/x-unknown", 0, TRUE, "1970-01-01 (unknown) - a.7"},
    {"a/b <x>", "../c", "text/plain", 0, FALSE, "1970-01-01 a_b - _c.txt"},
    {"\".. \" <x>", "...", "text/plain", 0, FALSE,
     "1970-01-01 (unknown) - text.txt"},
    {"=?utf-8?q?=E2=80=AEb?= <x>", "a.b", "text/plain", G_MAXINT64, FALSE,
     "(no date) _b - a.b"},
};

static void
test_attachments(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(attachment_rows); i++) {
        g_autofree char *header =
            g_strdup_printf("From: %s\r\n\r\n", attachment_rows[i].from);
        g_autofree char *fields =
            mail_message_pack(header, strlen(header), NULL, 0, NULL, 0);
        MailMessage message = {.uid = 7,
                               .internaldate = attachment_rows[i].date,
                               .fields = fields};
        g_autofree char *name = fs_partnames_attachment(
            &message, attachment_rows[i].name, attachment_rows[i].type,
            attachment_rows[i].with_uid);
        if (*name != '(')
            check_name(attachment_rows[i].wanted, name);
        row_string(attachment_rows[i].wanted, "name", name,
                   attachment_rows[i].wanted);
    }
    rows_end();
}

/* The author does not crowd out the file. */
static void
test_long_attachments(void **state)
{
    g_autoptr(GString) header = g_string_new("From: ");
    g_autoptr(GString) file = g_string_new(NULL);
    g_autofree char *fields = NULL;
    g_autofree char *name = NULL;
    MailMessage message = {.uid = G_MAXUINT32};

    (void)state;
    while (header->len < 1000)
        g_string_append(header, "\303\244");
    while (file->len < 1000)
        g_string_append(file, "\303\266");
    g_string_append(header, " <a@b>\r\n\r\n");
    g_string_append(file, ".pdf");
    fields = mail_message_pack(header->str, header->len, NULL, 0, NULL, 0);
    message.fields = fields;
    name = fs_partnames_attachment(&message, file->str, "text/plain", TRUE);
    check_name("long", name);
    if (!g_str_has_suffix(name, "\303\266.4294967295.pdf") ||
        strlen(name) < PART_NAME_MAX - 4)
        row_fail("long", "name is %s", name);
    rows_end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_attachments),
        cmocka_unit_test(test_long_attachments),
    };
    rows_begin_program();
    setenv("TZ", "UTC0", 1);
    tzset();
    g_mime_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

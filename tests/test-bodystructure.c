/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include "imap/bodystructure.h"
#include "imap/limits.h"

/* ---- parts as text ---- */

static void
append_slice(GString *text, const char *before, ImapSlice slice)
{
    if (slice.data == NULL)
        return;
    g_string_append(text, before);
    g_string_append_len(text, slice.data, (gssize)slice.length);
}

static void
append_parameters(GString *text, ImapSlice list)
{
    ImapSlice name, value;
    while (imap_next_parameter(&list, &name, &value)) {
        append_slice(text, ";", name);
        append_slice(text, "=", value);
    }
}

static void
append_part(GString *text, const GArray *parts, guint i)
{
    const ImapBodyPart *part = &g_array_index(parts, ImapBodyPart, i);

    append_slice(text, "", part->type);
    append_slice(text, "/", part->subtype);
    append_parameters(text, part->parameters);
    if (part->kind != IMAP_BODY_MULTIPART)
        g_string_append_printf(text, " %" G_GUINT64_FORMAT, part->octets);
    append_slice(text, " ", part->encoding);
    append_slice(text, " id=", part->id);
    append_slice(text, " @", part->disposition);
    append_parameters(text, part->disposition_parameters);
    append_slice(text, " subject=", part->subject);
    if (part->kind == IMAP_BODY_LEAF) {
        assert_int_equal(part->after, i + 1);
        return;
    }
    g_string_append(text, part->kind == IMAP_BODY_MESSAGE ? " <" : " [");
    for (guint child = i + 1; child < part->after;) {
        if (child > i + 1)
            g_string_append(text, ", ");
        append_part(text, parts, child);
        child = g_array_index(parts, ImapBodyPart, child).after;
    }
    g_string_append(text, part->kind == IMAP_BODY_MESSAGE ? ">" : "]");
}

/* "type/subtype;parameters octets encoding @disposition"; "[...]" has the
 * parts of a multipart, "<...>" that of a message.  NULL when refused. */
static char *
describe(const char *bodystructure, gsize length)
{
    g_autofree char *copy = copy_octets(bodystructure, length);
    g_autoptr(GArray) parts = imap_bodystructure_parse(copy, length);
    GString *text;

    if (parts == NULL)
        return NULL;
    assert_int_equal(g_array_index(parts, ImapBodyPart, 0).after, parts->len);
    text = g_string_new(NULL);
    append_part(text, parts, 0);
    return g_string_free(text, FALSE);
}

typedef struct {
    const char *sent;
    const char *parts; /* NULL: refused */
} Row;

static void
check_rows(const Row *rows, guint n)
{
    for (guint i = 0; i < n; i++) {
        g_autofree char *parts = describe(rows[i].sent, strlen(rows[i].sent));
        row_string(rows[i].sent, "what is parsed", parts, rows[i].parts);
    }
    rows_end();
}

/* ---- what the grammar has ---- */

#define TEXT "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 5 1)"
#define IMAGE "(\"image\" \"png\" NIL NIL NIL \"base64\" 40)"
#define ENVELOPE "(NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL)"

static const Row grammar_rows[] = {
    /* RFC 9051, 7.5.2 */
    {"(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 2279 48)",
     "TEXT/PLAIN;CHARSET=US-ASCII 2279 7BIT"},
    {"((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 1152 "
     "23)(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\" \"NAME\" \"cc.diff\") "
     "\"<960723163407.20117h@cac.washington.edu>\" \"Compiler diff\" "
     "\"BASE64\" 4554 73) \"MIXED\")",
     "/MIXED [TEXT/PLAIN;CHARSET=US-ASCII 1152 7BIT, "
     "TEXT/PLAIN;CHARSET=US-ASCII;NAME=cc.diff 4554 BASE64 "
     "id=<960723163407.20117h@cac.washington.edu>]"},
    {"(" TEXT "(" IMAGE IMAGE " \"related\")" TEXT " \"mixed\" "
     "(\"boundary\" \"b\") NIL NIL NIL)",
     "/mixed;boundary=b [text/plain 5 7bit, /related [image/png 40 base64, "
     "image/png 40 base64], text/plain 5 7bit]"},
    {"(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 90 " ENVELOPE " " TEXT " 9)",
     "message/rfc822 90 7bit subject=s <text/plain 5 7bit>"},
    {"(" TEXT "(\"message\" \"global\" NIL NIL NIL \"8bit\" 90 " ENVELOPE
     " (" TEXT IMAGE " \"mixed\") 9)" IMAGE " \"mixed\")",
     "/mixed [text/plain 5 7bit, message/global 90 8bit subject=s <"
     "/mixed [text/plain 5 7bit, image/png 40 base64]>, "
     "image/png 40 base64]"},
    /* One that does not know it. */
    {"(\"message\" \"global\" NIL NIL NIL \"8bit\" 90 NIL NIL NIL NIL)",
     "message/global 90 8bit"},
    {"(\"message\" \"delivery-status\" NIL NIL NIL \"7bit\" 90 NIL NIL NIL)",
     "message/delivery-status 90 7bit"},
    /* Extension data: three fields and four, and what may come one day. */
    {"(\"image\" \"png\" NIL NIL NIL \"base64\" 4 \"md5\" (\"inline\" "
     "(\"filename\" \"a\")) NIL)",
     "image/png 4 base64 @inline;filename=a"},
    {"(\"image\" \"png\" NIL NIL NIL \"base64\" 4 NIL (\"attachment\" NIL) "
     "(\"en\" \"de\") \"http://example.org/\")",
     "image/png 4 base64 @attachment"},
    {"(\"image\" \"png\" NIL NIL NIL \"base64\" 4 NIL (\"a\" NIL) \"en\" NIL "
     "7 (\"x\" (1 2)) \"y\" NIL)",
     "image/png 4 base64 @a"},
    {"(" TEXT " \"mixed\" (\"boundary\" \"b\") (\"inline\" NIL) (\"en\") NIL "
     "(8 9) 10)",
     "/mixed;boundary=b @inline [text/plain 5 7bit]"},
    /* Literals, and quotes in quotes. */
    {"(\"application\" \"pdf\" (\"name\" \"a\\\"b\\\\c\") NIL NIL \"base64\" "
     "4)",
     "application/pdf;name=a\"b\\c 4 base64"},
    {"(\"APPLICATION\" \"PDF\" (\"NAME\" {9}\r\na\"b\\c.pdf) \"<p@x>\" NIL "
     "\"BASE64\" 4 NIL (\"ATTACHMENT\" (\"FILENAME*\" {5}\r\n'') )) (\"EN\" "
     "\"DE\") NIL)",
     "APPLICATION/PDF;NAME=a\"b\\c.pdf 4 BASE64 id=<p@x> "
     "@ATTACHMENT;FILENAME*='') )"},
    {"(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 90 (NIL {3}\r\n(\") "
     "((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL NIL NIL NIL) " TEXT " 9)",
     "message/rfc822 90 7bit subject=(\") <text/plain 5 7bit>"},
};

static void
test_grammar(void **state)
{
    (void)state;
    check_rows(grammar_rows, G_N_ELEMENTS(grammar_rows));
}

/* ---- what servers send ---- */

static const Row server_rows[] = {
    /* Dovecot 2.3 */
    {"((\"text\" \"plain\" (\"charset\" \"utf-8\" \"format\" \"flowed\" "
     "\"delsp\" \"yes\") NIL NIL \"8bit\" 1 0 NIL NIL NIL NIL)(\"message\" "
     "\"rfc822\" NIL NIL NIL \"7bit\" 184 (NIL \"=?utf-8?q?inner_=C3=A4?=\" "
     "((NIL NIL \"b\" \"example.org\")) ((NIL NIL \"b\" \"example.org\")) "
     "((NIL NIL \"b\" \"example.org\")) NIL NIL NIL NIL NIL) ((\"text\" "
     "\"html\" (\"charset\" \"us-ascii\") \"<root>\" NIL \"7bit\" 1 0 NIL NIL "
     "NIL NIL) \"related\" (\"start\" \"<root>\" \"boundary\" \"b2\") NIL NIL "
     "NIL) 10 NIL (\"attachment\" NIL) NIL NIL) \"mixed\" (\"boundary\" "
     "\"b1\") NIL NIL NIL)",
     "/mixed;boundary=b1 [text/plain;charset=utf-8;format=flowed;delsp=yes 1 "
     "8bit, message/rfc822 184 7bit @attachment "
     "subject==?utf-8?q?inner_=C3=A4?= </related;start=<root>;boundary=b2 "
     "[text/html;charset=us-ascii 1 7bit id=<root>]>]"},
    /* ... of "Content-Type: text" */
    {"(\"\" \"\" NIL NIL NIL \"7bit\" 235 NIL NIL NIL NIL)", "/ 235 7bit"},
    /* Courier: one field less at the end */
    {"((\"application\" \"pdf\" (\"name\" \"a\\\"bc.pdf\") \"<p@x>\" NIL "
     "\"base64\" 4 NIL (\"attachment\" (\"filename*0*\" \"utf-8''%C3%A4\" "
     "\"filename*1\" \"b.pdf\")) NIL) \"mixed\" (\"boundary\" \"b1\") NIL NIL)",
     "/mixed;boundary=b1 [application/pdf;name=a\"bc.pdf 4 base64 id=<p@x> "
     "@attachment;filename*0*=utf-8''%C3%A4;filename*1=b.pdf]"},
    /* Gmail, of a multipart inside of one with the same boundary */
    {"((\"ALTERNATIVE\" (\"BOUNDARY\" \"==x\") NIL NIL)(\"TEXT\" \"HTML\" NIL "
     "NIL NIL \"7BIT\" 6769 171 NIL NIL NIL) \"ALTERNATIVE\" (\"BOUNDARY\" "
     "\"==x\") NIL NIL)",
     "/ALTERNATIVE;BOUNDARY===x [/ALTERNATIVE;BOUNDARY===x [], "
     "TEXT/HTML 6769 7BIT]"},
    {"(" TEXT "(\"ALTERNATIVE\") \"mixed\")",
     "/mixed [text/plain 5 7bit, /ALTERNATIVE []]"},
    /* ... and others, of a message that is cut behind its header */
    {"(\"message\" \"rfc822\" (\"name\" \"Message headers\") NIL NIL \"7bit\" "
     "903 " ENVELOPE " (NIL \"alternative\" (\"boundary\" \"b\") NIL NIL NIL) "
     "17 NIL NIL NIL NIL)",
     "message/rfc822;name=Message headers 903 7bit subject=s "
     "</alternative;boundary=b []>"},
    /* A type without a subtype, and a blank before it */
    {"(" TEXT "( \"X-ZIP\" (\"BOUNDARY\" \"\") NIL NIL \"base64\" 356) "
     "\"mixed\")",
     "/mixed [text/plain 5 7bit, X-ZIP;BOUNDARY= 356 base64]"},
    {"(\"X-ZIP\" NIL NIL NIL \"base64\" 356)", "X-ZIP 356 base64"},
    /* NIL for a type, an encoding, the value of a parameter */
    {"(NIL NIL NIL NIL NIL \"7BIT\" 4)", " 4 7BIT"},
    {"(\"text\" NIL NIL NIL NIL \"7BIT\" 4 1)", "text 4 7BIT"},
    {"(\"image\" \"png\" NIL NIL NIL NIL 4 NIL NIL NIL)", "image/png 4"},
    {"(" TEXT " \"mixed\" (boundary NIL) NIL NIL)",
     "/mixed [text/plain 5 7bit]"},
    {"(" TEXT " \"mixed\" (\"boundary\" NIL \"type\" \"x\") NIL NIL)",
     "/mixed;type=x [text/plain 5 7bit]"},
    {"(" TEXT " NIL NIL NIL NIL)", " [text/plain 5 7bit]"},
    /* An atom for an encoding: Exchange 2010 */
    {"(\"image\" \"png\" NIL NIL NIL base64 4 NIL NIL NIL)",
     "image/png 4 base64"},
    /* Blanks between parts, and between addresses: Exchange 2016 */
    {"(" TEXT " " IMAGE " \"mixed\")",
     "/mixed [text/plain 5 7bit, image/png 40 base64]"},
    {"(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 90 (NIL NIL ((NIL NIL \"a\" "
     "\"b\") (NIL NIL \"c\" \"d\")) NIL NIL NIL NIL NIL NIL NIL)  " TEXT " 9 )",
     "message/rfc822 90 7bit <text/plain 5 7bit>"},
    {"(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 90 NIL " TEXT " 9)",
     "message/rfc822 90 7bit <text/plain 5 7bit>"},
    /* A description where a disposition should be */
    {"(" TEXT " \"mixed\" (\"boundary\" \"b\") \"S/MIME Encrypted Message\" "
     "NIL)",
     "/mixed;boundary=b [text/plain 5 7bit]"},
    /* Lines of what has none, and none of what should have some */
    {"(\"image\" \"png\" NIL NIL NIL \"base64\" 40 3 NIL (\"inline\" NIL))",
     "image/png 40 base64 @inline"},
    {"(\"text\" \"plain\" NIL NIL NIL \"7bit\" 40 NIL (\"inline\" NIL))",
     "text/plain 40 7bit @inline"},
};

static void
test_servers(void **state)
{
    (void)state;
    check_rows(server_rows, G_N_ELEMENTS(server_rows));
}

/* ---- what nobody can make sense of ---- */

static const Row refused_rows[] = {
    {"", NULL},
    {"NIL", NULL},
    {"()", NULL},
    {"(NIL)", NULL},
    {"(())", NULL},
    {"\"text\"", NULL},
    {"(\"text\" \"plain\")", NULL},
    {"(\"text\" \"plain\" NIL NIL NIL \"7bit\")", NULL},
    {"(\"text\" \"plain\" NIL NIL NIL \"7bit\" NIL)", NULL},
    {"(\"text\" NIL NIL NIL)", NULL},
    {"(\"text\" \"plain\" NIL NIL NIL \"7bit\" -1)", NULL},
    {"(\"text\" \"plain\" NIL NIL NIL \"7bit\" 9223372036854775808)", NULL},
    {"(\"text\" \"plain\" NIL NIL NIL \"7bit\" 5 1", NULL},
    {"(\"text\" \"plain\" NIL NIL NIL \"7bit\" 5 1))", NULL},
    {TEXT TEXT, NULL},
    {TEXT " \"mixed\"", NULL},
    {"(" TEXT ")", NULL},
    {"(\"application\" \"pdf\r\n NAME=\"a.pdf\"\" NIL NIL NIL \"base64\" 4)",
     NULL},
    /* A type alone is no multipart of that name. */
    {"(\"text\")", NULL},
    {"(\"attachment\" (\"filename\" \"a\"))", NULL},
    /* Gmail, of a message whose structure it does not tell */
    {"(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 903)", NULL},
    {"(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 903 NIL (\"ATTACHMENT\" "
     "(\"FILENAME\" \"a.eml\")) NIL)",
     NULL},
    {"(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 903 " ENVELOPE ")", NULL},
    /* A multipart that has lost its parentheses: its parts would be counted
     * as those of the one around it. */
    {"(" TEXT TEXT " \"alternative\" (\"boundary\" \"b\") NIL NIL " IMAGE
     " \"mixed\" (\"boundary\" \"c\") NIL NIL)",
     NULL},
    {"(" TEXT TEXT " \"alternative\" " IMAGE " \"mixed\" NIL)", NULL},
    {"(" TEXT TEXT " \"alternative\" NIL NIL NIL NIL (" IMAGE " \"mixed\"))",
     NULL},
    {"(" TEXT " \"mixed\" NIL NIL NIL (\"image\" \"png\" NIL NIL NIL "
     "\"base64\" 4))",
     NULL},
    /* Literals that are not there */
    {"(\"text\" \"plain\" (\"name\" {99}\r\nx) NIL NIL \"7bit\" 5 1)", NULL},
    {"(\"text\" \"plain\" (\"name\" {18446744073709551616}\r\nx) NIL)", NULL},
};

static void
test_refused(void **state)
{
    (void)state;
    check_rows(refused_rows, G_N_ELEMENTS(refused_rows));
}

/* Every beginning of what is well-formed is refused, and read no further. */
static void
test_cut(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(server_rows); i++) {
        const char *sent = server_rows[i].sent;
        for (gsize length = 0; length < strlen(sent); length++) {
            g_autofree char *parts = describe(sent, length);
            if (parts != NULL)
                row_fail(sent, "cut to %zu octets it is %s", length, parts);
        }
    }
    rows_end();
}

/* ---- limits ---- */

/* BEFORE and AFTER, N times, around TEXT. */
static char *
nest(const char *before, const char *after, guint n)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < n; i++)
        g_string_append(text, before);
    g_string_append(text, TEXT);
    for (guint i = 0; i < n; i++)
        g_string_append(text, after);
    return g_string_free(text, FALSE);
}

static void
check_depth(const char *before, const char *after)
{
    static const struct {
        guint depth;
        gboolean refused;
    } depths[] = {
        {IMAP_DEPTH_MAX - 1, FALSE}, {IMAP_DEPTH_MAX, TRUE}, {100000, TRUE}};
    for (guint i = 0; i < G_N_ELEMENTS(depths); i++) {
        g_autofree char *text = nest(before, after, depths[i].depth);
        g_autoptr(GArray) parts = imap_bodystructure_parse(text, strlen(text));
        row_number(before, "refused", parts == NULL, depths[i].refused);
    }
}

static void
test_depth(void **state)
{
    (void)state;
    check_depth("(", " \"mixed\")");
    check_depth("(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 9 " ENVELOPE " ",
                " 9)");
    rows_end();
}

/* N times PART between BEFORE and AFTER. */
static char *
repeat(const char *before, const char *part, guint n, const char *after)
{
    GString *text = g_string_new(before);
    for (guint i = 0; i < n; i++)
        g_string_append(text, part);
    g_string_append(text, after);
    return g_string_free(text, FALSE);
}

static void
test_many(void **state)
{
    static const struct {
        const char *before, *part, *after;
        guint n;
        gboolean refused;
    } rows[] = {
        {"(", TEXT, " \"mixed\")", IMAP_BODY_PARTS_MAX - 1, FALSE},
        {"(", TEXT, " \"mixed\")", IMAP_BODY_PARTS_MAX, TRUE},
        {"(", TEXT, " \"mixed\")", 1000000, TRUE},
        {"(", " ", TEXT " \"mixed\")", 5000000, FALSE},
        {"(\"text\" \"plain\" (", "\"a\" \"b\" ", ") NIL NIL NIL 5)", 1000000,
         FALSE},
        {"(\"text\" \"plain\" NIL NIL NIL NIL 5 ", "(\"a\" \"b\") ", ")",
         1000000, FALSE},
        {"(\"text\" \"plain\" NIL NIL NIL NIL 5 ", "(\"a\" NIL) ", ")", 1000000,
         FALSE},
        {"(\"text\" \"plain\" NIL NIL NIL NIL 5 ", "NIL ", ")", 1000000, FALSE},
        {"(\"", "\\\"", "\" \"plain\" NIL NIL NIL NIL 5)", 2000000, FALSE},
        {"(\"message\" \"rfc822\" NIL NIL NIL NIL 5 (", "NIL ", ") " TEXT ")",
         1000000, FALSE},
        {"", "(", "", 1000000, TRUE},
        {"", "(\"mixed\" ", "", 1000000, TRUE},
        {"(\"mixed\" ", "\"x\" ", "", 1000000, TRUE},
    };

    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text =
            repeat(rows[i].before, rows[i].part, rows[i].n, rows[i].after);
        double before = cpu_seconds();
        g_autoptr(GArray) parts = imap_bodystructure_parse(text, strlen(text));
        double used = cpu_seconds() - before;
        row_number(rows[i].part, "refused", parts == NULL, rows[i].refused);
        if (used > 5)
            row_fail(rows[i].part, "took %.1f seconds", used);
    }
    rows_end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grammar), cmocka_unit_test(test_servers),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_cut),
        cmocka_unit_test(test_depth),   cmocka_unit_test(test_many),
    };
    rows_begin_program();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

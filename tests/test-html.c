/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include "mail/html.h"
#include "mail/markup.h"

static const struct {
    const char *html;
    const char *page;
} rows[] = {
    {"", ""},
    {"   \n ", ""},
    {"text", "text\n"},
    {" a  b\n\tc ", "a b c\n"},
    {"<b> a </b> <i> b</i>c", "a bc\n"},
    /* paragraphs, lines */
    {"a<p>b</p><p>c<p>d</p>e", "a\n\nb\n\nc\n\nd\n\ne\n"},
    {"<div>a</div><div>b</div>", "a\nb\n"},
    {"<div>a</div><div><br></div><div>b</div>", "a\n\nb\n"},
    {"a<br>b<br/>c</br>d", "a\nb\nc\nd\n"},
    {"a<br><br><br><br>b<br>", "a\n\nb\n"},
    {"<br><br>a", "a\n"},
    {"<h1>a</h1>b<h2>c</h2>", "a\n\nb\n\nc\n"},
    {"a<hr>b", "a\n\n----------\n\nb\n"},
    {"<div><div><p>a</div></div>b", "a\n\nb\n"},
    {"<p>&nbsp;</p><p>a&nbsp;&nbsp;b &nbsp; c&nbsp;</p>", "a  b  c\n"},
    {"<P CLASS=x>a</P  ><DIV>b", "a\n\nb\n"},
    /* lists */
    {"<ul><li>a</li><li>b<br>c</li></ul>d", "  * a\n  * b\n    c\n\nd\n"},
    {"<ul><li>a<li>b<ul><li>c</ul>d<li>e</ul>",
     "  * a\n  * b\n      * c\n    d\n  * e\n"},
    {"<ol><li>a<li>b</ol>", "  1. a\n  2. b\n"},
    {"<ol start=9><li>a<br>a<li>b<br>b</ol>",
     "  9. a\n     a\n  10. b\n      b\n"},
    {"<ol start=-7><li>a</ol><ol start=x><li>b</ol>", "  0. a\n\n  0. b\n"},
    {"<ul><li><p>a</p><p>b</p></li></ul>", "  * a\n\n    b\n"},
    {"<ul><li><blockquote>a<br>b</blockquote></ul>", "  * > a\n    > b\n"},
    {"<ul><li></li><li>b</ul>", "  * b\n"},
    {"<li>a<li>b", "  * a\n  * b\n"},
    {"<dl><dt>a<dd>b<br>c<dt>d</dl>e", "a\n    b\n    c\nd\n\ne\n"},
    /* quotes */
    {"a<blockquote>b<p>c</blockquote>d", "a\n\n> b\n>\n> c\n\nd\n"},
    {"<blockquote>a<blockquote>b</blockquote>c</blockquote>",
     "> a\n>\n> > b\n>\n> c\n"},
    {"<q>a</q>", "\"a\"\n"},
    /* links and images */
    {"<a href=\"https://x.org/?a=1&amp;b=2&copy=3\">a  b</a>.",
     "a b <https://x.org/?a=1&b=2&copy=3>.\n"},
    {"<a href='http://x.org/'>x.org</a> <a href=http://x.org>http://x.org/</a>",
     "x.org http://x.org/\n"},
    {"<a href=mailto:a@b?subject=c>a@b</a> <a href=MAILTO:a@b>A</a>",
     "a@b A <a@b>\n"},
    {"<a href=javascript:x()>a</a> <a href=/b>b</a> <a href=#c>c</a> <a>d</a>",
     "a b c d\n"},
    {"<a href=\" ht\ntps://x \">a</a>", "a <https://x>\n"},
    {"<a href=mailto:>a</a><a href=mailto:?x>b</a><a href=https://>c</a>",
     "abc\n"},
    {"<a href=http://x></a><a href=http://y>y", "y\n"},
    {"<a href=http://x>a<a href=http://z>b</a>", "a <http://x>b <http://z>\n"},
    {"<a href=http://x><p>a</p></a><p>b", "a <http://x>\n\nb\n"},
    {"<blockquote><a href=http://x>x</a></blockquote>", "> x\n"},
    {"<a href=http://x><img src=y alt=\"z\"></a>", "[z] <http://x>\n"},
    {"<img alt=' a &lt;b&gt; &amp;lt; \n'><img alt=''><img><img alt=' '>",
     "[a <b> &lt;]\n"},
    /* tables */
    {"<table><tr><th>a<th>b</tr><tr><td>c</td><td>d</td></tr></table>e",
     "a  b\nc  d\n\ne\n"},
    {"<table><tr><td><p>a</p></td><td><p>b</p></td></tr><tr><td>c</table>",
     "a  b\n\nc\n"},
    {"<table><tr><td><p>a</p><p>b</p></td><td>c</td></tr></table>",
     "a\n\nb\n\nc\n"},
    {"<table><tr><td></td><td>a</td><td></td><td>b</td></table>", "a  b\n"},
    {"<table><tr><td>a</td></tr><tr><td></td><td>b</td></tr></table>",
     "a\nb\n"},
    {"<table><tr><td><table><tr><td>a<td>b<tr><td>c</table><td>d</table>",
     "a  b\nc\nd\n"},
    {"<table><tr><td><div>a</div></b></div></table>b", "a\n\nb\n"},
    /* what keeps its blanks */
    {"<pre>\n  a   b\n\tc\n\nd</pre>e", "  a   b\n\tc\n\nd\n\ne\n"},
    {"<blockquote><pre>a\n\nb</pre></blockquote>", "> a\n>\n> b\n"},
    {"<pre>a\n\n\n\n\nb</pre>", "a\n\n\nb\n"},
    /* what is not shown */
    {"<head><title>a</title><style>p > b {}</style></head>b", "b\n"},
    {"<script>if (a < b) '</scr' + '</scripts>'</SCRIPT >c", "c\n"},
    {"a<!-- <p>b -- > --!> c -->d<!-->e<!---->f", "adef\n"},
    {"a<!doctype b><?xml c?><![if d]>e</ f></>", "ae\n"},
    {"<div style=\"Display : none\">a<div>b</div>c</div>d", "d\n"},
    {"<p style='color:red;display:none!important'>a<p>b", "b\n"},
    {"<span hidden>a</span><b hidden=''>b</b>c", "c\n"},
    {"<a href=http://x>a </a>b", "a <http://x> b\n"},
    {"<a hidden href=http://x>a</a><img hidden alt=b><q hidden>c</q>d", "d\n"},
    {"<td hidden>a<td>b", "b\n"},
    {"a<div hidden><p>b</p></div>c", "ac\n"},
    {"<svg><text>a</text></svg><template>b</template>c", "c\n"},
    {"<noscript>a</noscript>", "a\n"},
    {"<unknown-element>a</unknown-element>", "a\n"},
    {"a\302\255b\342\200\213c\357\273\277d\001e\033f", "abcdef\n"},
    /* references */
    {"&lt;b&gt; &amp;amp; &quot;&apos;&euro;&Eacute;&eacute;&thetasym;",
     "<b> &amp; \"'\342\202\254\303\211\303\251\317\221\n"},
    {"&#65;&#x42;&#X43&#68 &#150;&#x80;", "ABCD \342\200\223\342\202\254\n"},
    {"&copy2 &ltx &alpha2 &alphax; &x; & &; &# &#; &#x;",
     "&copy2 &ltx &alpha2 &alphax; &x; & &; &# &#; &#x;\n"},
    {"&copy &amp\n&euro &AMP;", "\302\251 & &euro &AMP;\n"},
    {"&#0;&#xd800;&#x110000;&#99999999999999999999;",
     "\357\277\275\357\277\275\357\277\275\357\277\275\n"},
    {"a&#10;b&#27;c&shy;d", "a bcd\n"},
    /* what is no markup */
    {"a < b <3 <", "a < b <3 <\n"},
    {"<<b>a", "<a\n"},
    {"a</", "a\n"},
    {"a<b", "a\n"},
    {"a<!--b", "a\n"},
    {"a<script>b", "a\n"},
    {"<a title=\"x>y\" href='http://z'>b</a>", "b <http://z>\n"},
    {"<a href=\"http://x>a</a><b>b</b>", "a <http://x>b\n"},
    {"</p></div></table></a></li>a", "a\n"},
    {"<b><i>a</b>b</i>c", "abc\n"},
    {"<a=b href=http://x>a", "a\n"},
    {"<a/href=http://x/>a</a>", "a <http://x/>\n"},
    {"<a href = http://x href=http://y>a</a>", "a <http://x>\n"},
    {"\303\251<p>\346\227\245", "\303\251\n\n\346\227\245\n"},
};

static void
test_pages(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *copy = g_strdup(rows[i].html);
        g_autofree char *page = mail_html_render(copy);
        row_string(rows[i].html, "the page", page, rows[i].page);
    }
    rows_end();
}

/* Each name that is known, and all of the others are as long at least. */
static void
test_references(void **state)
{
    static const struct {
        const char *reference;
        gunichar c;
        gsize length;
    } references[] = {
        {"&AElig;", 0xc6, 7}, {"&zwnj;", 0x200c, 6}, {"&thetasym;", 0x3d1, 10},
        {"&sup;", 0x2283, 5}, {"&sup1;", 0xb9, 6},   {"&or;", 0x2228, 4},
        {"&ordf;", 0xaa, 6},  {"&nbsp", 0xa0, 5},    {"&a;", 0, 0},
        {"&zzzz;", 0, 0},     {"&AElih;", 0, 0},     {"&thetasymx;", 0, 0},
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(references); i++) {
        const char *at = references[i].reference;
        gunichar c = 0;
        gsize n = mail_markup_reference(at, at + strlen(at), FALSE, &c);
        row_number(at, "its length", (gint64)n, (gint64)references[i].length);
        row_number(at, "the character", c, references[i].c);
    }
    rows_end();
}

/* ---- what is made to be long ---- */

static void
check_long(const char *row, const GString *html)
{
    double begin = cpu_seconds();
    g_autofree char *page = mail_html_render(html->str);
    double took = cpu_seconds() - begin;
    gsize length = strlen(page);

    if (took > 10)
        row_fail(row, "took %g seconds", took);
    if (length > 16 * html->len)
        row_fail(row, "%zu octets became %zu", html->len, length);
    if (!g_utf8_validate(page, -1, NULL))
        row_fail(row, "the page is no UTF-8");
    if (length > 0 && page[length - 1] != '\n')
        row_fail(row, "the page does not end with a line feed");
}

static void
test_long(void **state)
{
    static const struct {
        const char *begin;
        const char *first; /* until it is half as long as it shall be */
        const char *second;
    } units[] = {
        {"", "<", "<"},
        {"", "&", "&#"},
        {"", "</", "<!"},
        {"", "<!-", "<!--"},
        {"", "<b>", "</i>"},
        {"", "<b>", "<p>x"},
        {"", "<div>", "</p>"},
        {"", "<blockquote>", "<p>x"},
        {"", "<blockquote>", "<li>x"},
        {"", "<ul><li>", "<br>x"},
        {"", "<ol start=9999><li>", "x<li>"},
        {"", "<table><tr><td>", "x<td>"},
        {"", "<table>", "</tr>"},
        {"", "<pre>", "\nx"},
        {"", "<a href=http://x>", "y"},
        {"", "<a href=http://x>y", "</a>"},
        {"", "<p style=display:none>", "x"},
        {"", "<span hidden>", "</b>"},
        {"<a ", "b=\"c\" ", "d "},
        {"<a href=\"", "x", "<b>"},
        {"<a href='", "<a b='>'", "<a b=\"x>\""},
        {"<a href=\"http://", "x", "\">y"},
        {"<img alt=\"", "&lt;", "\">"},
        {"<script>", "</scr", "<!--"},
        {"<!--", "--", "->"},
        {"<pre>", " ", "\t\n"},
        {"", "&nbsp;", "\302\240"},
        {"", "&#1", "1111111"},
        {"", "<hr>", "<br>"},
        {"", "<q>", "</q>"},
        {"", "\360\237\223\247", "<\360\237\223\247"},
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(units); i++) {
        gsize max = i == 0 ? 10 << 20 : 2 << 20;
        g_autoptr(GString) html = g_string_new(units[i].begin);
        g_autofree char *row =
            g_strconcat(units[i].begin, units[i].first, units[i].second, NULL);
        while (html->len < max / 2)
            g_string_append(html, units[i].first);
        while (html->len < max)
            g_string_append(html, units[i].second);
        check_long(row, html);
    }
    rows_end();
}

/* Attributes that all have names of their own, and a depth of 100,000. */
static void
test_deep(void **state)
{
    g_autoptr(GString) attributes = g_string_new("<p ");
    g_autoptr(GString) depth = g_string_new(NULL);
    g_autofree char *page = NULL;
    (void)state;

    for (guint i = 0; i < 300000; i++)
        g_string_append_printf(attributes, "a%u ", i);
    g_string_append(attributes, ">x");
    check_long("attributes", attributes);
    for (guint i = 0; i < 100000; i++)
        g_string_append(depth, i % 2 ? "<blockquote>" : "<div>");
    g_string_append(depth, "x");
    for (guint i = 0; i < 100000; i++)
        g_string_append(depth, i % 2 ? "</div>" : "</blockquote>");
    g_string_append(depth, "y");
    check_long("depth", depth);
    page = mail_html_render(depth->str);
    if (!g_str_has_suffix(page, "\ny\n"))
        row_fail("depth", "does not end");
    rows_end();
}

/* A newsletter of a mebibyte comes out whole. */
static void
test_newsletter(void **state)
{
    g_autoptr(GString) html = g_string_new("<html><body><table>");
    g_autofree char *page = NULL;
    guint n = 0;
    (void)state;

    for (; html->len < 1 << 20; n++)
        g_string_append_printf(
            html,
            "<tr><td style=\"padding: 0 10px\"><table><tbody><tr><td>"
            "<div><p>Story %u</p><a href=\"https://example.org/%u\">"
            "<img alt=\"Picture\" src=\"data:,\"></a></div></td></tr>"
            "</tbody></table></td></tr>",
            n, n);
    g_string_append(html, "</table>The end</body></html>");
    page = mail_html_render(html->str);
    for (guint i = 0; i < n; i++) {
        g_autofree char *story = g_strdup_printf(
            "Story %u\n\n[Picture] <https://example.org/%u>\n", i, i);
        if (i % 1000 == 0 && strstr(page, story) == NULL)
            row_fail(story, "is not there");
    }
    if (!g_str_has_suffix(page, "\n\nThe end\n"))
        row_fail("the end", "is not there");
    rows_end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages),      cmocka_unit_test(test_references),
        cmocka_unit_test(test_long),       cmocka_unit_test(test_deep),
        cmocka_unit_test(test_newsletter),
    };
    rows_begin_program();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

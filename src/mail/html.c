/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/html.h"

#include <stdlib.h>
#include <string.h>

#include "mail/markup.h"

/*
 * A page grows at its end while tags are read.  It is not done with libxml2's
 * parser, which takes minutes for a mebibyte of start tags and other end tags,
 * or of attributes in one tag.  What bounds the time here is that no octet is
 * looked at more than a few times, and that only DEPTH_MAX elements are open.
 */
enum {
    NAME_MAX_LENGTH = 15, /* of an element that means something */
    DEPTH_MAX = 128,      /* elements that are open */
    PREFIX_MAX = 24,      /* characters in front of a line */
    URL_MAX = 2000,       /* octets; longer ones are not shown */
};

/* ---- elements ---- */

typedef enum {
    TAG_OTHER,
    TAG_A,
    TAG_BLOCKQUOTE,
    TAG_BR,
    TAG_DD,
    TAG_DL,
    TAG_HR,
    TAG_IMG,
    TAG_LI,
    TAG_LIST,
    TAG_NUMBERED,
    TAG_P,
    TAG_PRE,
    TAG_Q,
    TAG_TABLE,
    TAG_TD,
    TAG_TR,
} Tag;

#define IS(tag) (1u << (tag))

enum {
    LINE = 1 << 0,      /* begins a line, and ends one */
    PARAGRAPH = 1 << 1, /* and has an empty one before and behind it */
    EMPTY = 1 << 2,     /* has no end tag */
    UNSEEN = 1 << 3,    /* what is in it is not shown */
    RAW = 1 << 4,       /* nor is it HTML */
};

typedef struct {
    const char *name;
    Tag tag;
    guint flags;
} Element;

/* By name.  What is not here is as if it were not there. */
static const Element elements[] = {
    {"a", TAG_A, 0},
    {"abbr", TAG_OTHER, 0},
    {"address", TAG_OTHER, LINE},
    {"article", TAG_OTHER, LINE},
    {"aside", TAG_OTHER, LINE},
    {"audio", TAG_OTHER, UNSEEN},
    {"b", TAG_OTHER, 0},
    {"big", TAG_OTHER, 0},
    {"blockquote", TAG_BLOCKQUOTE, PARAGRAPH},
    {"body", TAG_OTHER, LINE},
    {"br", TAG_BR, EMPTY},
    {"caption", TAG_OTHER, LINE},
    {"center", TAG_OTHER, LINE},
    {"code", TAG_OTHER, 0},
    {"datalist", TAG_OTHER, UNSEEN},
    {"dd", TAG_DD, LINE},
    {"div", TAG_OTHER, LINE},
    {"dl", TAG_DL, PARAGRAPH},
    {"dt", TAG_DD, LINE},
    {"em", TAG_OTHER, 0},
    {"fieldset", TAG_OTHER, LINE},
    {"figcaption", TAG_OTHER, LINE},
    {"figure", TAG_OTHER, LINE},
    {"font", TAG_OTHER, 0},
    {"footer", TAG_OTHER, LINE},
    {"form", TAG_OTHER, LINE},
    {"h1", TAG_OTHER, PARAGRAPH},
    {"h2", TAG_OTHER, PARAGRAPH},
    {"h3", TAG_OTHER, PARAGRAPH},
    {"h4", TAG_OTHER, PARAGRAPH},
    {"h5", TAG_OTHER, PARAGRAPH},
    {"h6", TAG_OTHER, PARAGRAPH},
    {"header", TAG_OTHER, LINE},
    {"hr", TAG_HR, EMPTY | PARAGRAPH},
    {"i", TAG_OTHER, 0},
    {"iframe", TAG_OTHER, RAW},
    {"img", TAG_IMG, EMPTY},
    {"label", TAG_OTHER, 0},
    {"legend", TAG_OTHER, LINE},
    {"li", TAG_LI, LINE},
    {"main", TAG_OTHER, LINE},
    {"menu", TAG_LIST, PARAGRAPH},
    {"nav", TAG_OTHER, LINE},
    {"noembed", TAG_OTHER, RAW},
    {"noframes", TAG_OTHER, RAW},
    {"ol", TAG_NUMBERED, PARAGRAPH},
    {"option", TAG_OTHER, LINE},
    {"p", TAG_P, PARAGRAPH},
    {"pre", TAG_PRE, PARAGRAPH},
    {"q", TAG_Q, 0},
    {"s", TAG_OTHER, 0},
    {"script", TAG_OTHER, RAW},
    {"section", TAG_OTHER, LINE},
    {"small", TAG_OTHER, 0},
    {"span", TAG_OTHER, 0},
    {"strike", TAG_OTHER, 0},
    {"strong", TAG_OTHER, 0},
    {"style", TAG_OTHER, RAW},
    {"sub", TAG_OTHER, 0},
    {"summary", TAG_OTHER, LINE},
    {"sup", TAG_OTHER, 0},
    {"svg", TAG_OTHER, UNSEEN},
    {"table", TAG_TABLE, PARAGRAPH},
    {"tbody", TAG_OTHER, 0},
    {"td", TAG_TD, 0},
    {"template", TAG_OTHER, UNSEEN},
    {"tfoot", TAG_OTHER, 0},
    {"th", TAG_TD, 0},
    {"thead", TAG_OTHER, 0},
    {"title", TAG_OTHER, RAW},
    {"tr", TAG_TR, LINE},
    {"tt", TAG_OTHER, 0},
    {"u", TAG_OTHER, 0},
    {"ul", TAG_LIST, PARAGRAPH},
    {"video", TAG_OTHER, UNSEEN},
    {"xml", TAG_OTHER, UNSEEN},
};

static int
compare_element(gconstpointer name, gconstpointer element)
{
    return strcmp(name, ((const Element *)element)->name);
}

static const Element *
find_element(const char *name, gsize length)
{
    char lower[NAME_MAX_LENGTH + 1];

    if (length > NAME_MAX_LENGTH)
        return NULL;
    for (gsize i = 0; i < length; i++)
        lower[i] = g_ascii_tolower(name[i]);
    lower[length] = '\0';
    return bsearch(lower, elements, G_N_ELEMENTS(elements), sizeof(*elements),
                   compare_element);
}

static gboolean
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* Whether the sender has hidden it. */
static gboolean
is_hidden(const MailTag *tag)
{
    g_autofree char *hidden = mail_markup_attribute(tag, "hidden");
    g_autofree char *style = mail_markup_attribute(tag, "style");
    char *to = style;

    if (hidden != NULL)
        return TRUE;
    if (style == NULL)
        return FALSE;
    for (const char *from = style; *from != '\0'; from++) {
        if (!is_space(*from))
            *to++ = g_ascii_tolower(*from);
    }
    *to = '\0';
    return strstr(style, "display:none") != NULL;
}

/* ---- the page ---- */

typedef struct {
    const Element *element;
    gboolean hidden;
    gsize prefix; /* as long it was before */
    gsize begin;  /* of the text of it */
    guint lines;  /* so many lines are before the one it begins in */
    guint number; /* of the next in a list */
    guint breaks; /* before and behind it */
    char *url;    /* of a link */
} Open;

typedef struct {
    GString *text;
    GArray *open; /* of Open */
    guint beyond; /* as many are open that were too many */
    guint hidden; /* as many of them hide what is in them */
    guint pre;    /* or keep its blanks */
    GString *prefix;
    char marker[16]; /* stands in the prefix of the next line, ... */
    gsize marker_at; /* ... here */
    /* What comes before the next character, if one comes. */
    guint breaks;       /* line feeds */
    gsize break_prefix; /* of the prefix so much is for empty lines, too */
    guint blanks;
    guint lines;    /* line feeds that are in the text */
    gboolean inked; /* there is something in this line */
    gboolean fresh; /* there is nothing in this cell */
    gboolean flat;  /* the cell before was in one line */
} Page;

static void
break_line(Page *page, guint breaks)
{
    if (page->fresh || page->hidden > 0)
        return;
    if (page->breaks == 0)
        page->break_prefix = page->prefix->len;
    page->break_prefix = MIN(page->break_prefix, page->prefix->len);
    page->breaks = MAX(page->breaks, breaks);
    page->blanks = 0;
}

/* One line feed more, but never more than so many. */
static void
add_break(Page *page, guint max)
{
    break_line(page, MIN(page->breaks + 1, max));
}

static void
begin_line(Page *page)
{
    gsize marker = strlen(page->marker);
    gsize behind = MIN(page->marker_at + marker, page->prefix->len);

    for (guint i = 0; i < page->breaks && page->text->len > 0; i++) {
        const char *quote =
            i == 0 ? NULL
                   : g_strrstr_len(page->prefix->str,
                                   (gssize)page->break_prefix, ">");
        if (quote != NULL)
            g_string_append_len(page->text, page->prefix->str,
                                quote + 1 - page->prefix->str);
        g_string_append_c(page->text, '\n');
        page->lines++;
    }
    page->breaks = 0;
    if (marker > 0) {
        g_string_append_len(page->text, page->prefix->str,
                            (gssize)MIN(page->marker_at, page->prefix->len));
        g_string_append(page->text, page->marker);
        g_string_append(page->text, page->prefix->str + behind);
    } else {
        g_string_append(page->text, page->prefix->str);
    }
    page->marker[0] = '\0';
    page->inked = FALSE;
}

/* C is to be seen, and nothing hides it. */
static void
put(Page *page, gunichar c)
{
    if (page->breaks > 0 || page->text->len == 0)
        begin_line(page);
    for (; page->blanks > 0; page->blanks--)
        g_string_append_c(page->text, ' ');
    g_string_append_unichar(page->text, c);
    page->inked = TRUE;
    page->fresh = FALSE;
}

static gboolean
is_shown(gunichar c)
{
    /* What only says where a line may be broken would hide words from grep. */
    return !g_unichar_iscntrl(c) && c != 0xad && c != 0x34f && c != 0x200b &&
           c != 0xfeff;
}

static void
put_character(Page *page, gunichar c)
{
    gboolean space = c < 0x80 && is_space((char)c);

    if (page->hidden > 0)
        return;
    if (c == 0xa0 || (page->pre > 0 && c == ' ')) {
        page->blanks++;
    } else if (page->pre > 0 && c == '\n') {
        add_break(page, 3);
    } else if (page->pre > 0 && c == '\t') {
        put(page, c);
    } else if (space) {
        if (page->inked && page->breaks == 0)
            page->blanks = MAX(page->blanks, 1);
    } else if (is_shown(c)) {
        put(page, c);
    }
}

static void
put_text(Page *page, const char *text, const char *end)
{
    while (text < end && page->hidden == 0) {
        gunichar c;
        gsize n =
            *text == '&' ? mail_markup_reference(text, end, FALSE, &c) : 0;
        if (n == 0) {
            c = g_utf8_get_char(text);
            n = (gsize)(g_utf8_next_char(text) - text);
        }
        put_character(page, c);
        text += n;
    }
}

/* ---- elements that begin and end ---- */

/* The innermost that is one of WANTED, a sum of IS(), and inside of all of
 * BARRIERS; -1 if none is. */
static gint
find_open(const Page *page, guint wanted, guint barriers)
{
    for (gint i = (gint)page->open->len - 1; i >= 0; i--) {
        Tag tag = g_array_index(page->open, Open, i).element->tag;
        if (wanted & IS(tag))
            return i;
        if (barriers & IS(tag))
            return -1;
    }
    return -1;
}

static const char *
without_scheme(const char *url)
{
    static const char *const schemes[] = {"mailto:", "http://", "https://"};
    for (guint i = 0; i < G_N_ELEMENTS(schemes); i++) {
        gsize n = strlen(schemes[i]);
        if (g_ascii_strncasecmp(url, schemes[i], n) == 0)
            return url + n;
    }
    return url;
}

/* Where a link leads, if a person might want to know; the caller owns it. */
static char *
address_of(const MailTag *tag)
{
    g_autofree char *url = mail_markup_attribute(tag, "href");
    char *to = url;

    if (url == NULL)
        return NULL;
    for (const char *from = url; *from != '\0'; from++) {
        if ((guchar)*from > ' ' && *from != 0x7f)
            *to++ = *from;
    }
    *to = '\0';
    if (without_scheme(url) == url || to - url > URL_MAX)
        return NULL;
    if (g_ascii_tolower(*url) == 'm')
        return g_strndup(url + strlen("mailto:"),
                         strcspn(url + strlen("mailto:"), "?"));
    return g_steal_pointer(&url);
}

/* Whether the text of a link says where it leads. */
static gboolean
tells(const char *text, const char *url)
{
    gsize n;
    gsize length;

    text = without_scheme(text + strspn(text, "\n> "));
    url = without_scheme(url);
    n = strlen(text);
    length = strlen(url);
    n -= n > 0 && text[n - 1] == '/';
    length -= length > 0 && url[length - 1] == '/';
    return n == length && memcmp(text, url, n) == 0;
}

/* Behind the text of a link its address. */
static void
put_address(Page *page, const Open *link)
{
    guint breaks = page->breaks;
    guint blanks = page->blanks;

    if (page->text->len == link->begin || *without_scheme(link->url) == '\0' ||
        tells(page->text->str + link->begin, link->url))
        return;
    page->breaks = 0;
    page->blanks = 1;
    put(page, '<');
    for (const char *at = link->url; *at != '\0'; at = g_utf8_next_char(at)) {
        if (is_shown(g_utf8_get_char(at)))
            put(page, g_utf8_get_char(at));
    }
    put(page, '>');
    page->breaks = breaks;
    page->blanks = blanks;
}

static void
close_element(Page *page)
{
    guint last = page->open->len - 1;
    Open open = g_array_index(page->open, Open, last);

    g_array_set_size(page->open, last);
    if (open.url != NULL && page->hidden == 0)
        put_address(page, &open);
    if (open.element->tag == TAG_Q)
        put_character(page, '"');
    if (open.element->tag == TAG_PRE)
        page->pre--;
    if (open.element->tag == TAG_TD && page->hidden == 0) {
        page->fresh = FALSE;
        page->flat = page->lines == open.lines && page->text->len > open.begin;
    }
    g_string_truncate(page->prefix, open.prefix);
    if (open.breaks > 0)
        break_line(page, open.breaks);
    if (open.hidden)
        page->hidden--;
    g_free(open.url);
}

static void
close_from(Page *page, gint i)
{
    while (i >= 0 && page->open->len > (guint)i)
        close_element(page);
}

/* What ends because ELEMENT begins, as HTML allows. */
static void
close_implied(Page *page, const Element *element)
{
    const guint lists = IS(TAG_LIST) | IS(TAG_NUMBERED);
    const guint cells = IS(TAG_TD) | IS(TAG_TABLE);

    if (element->flags & (LINE | PARAGRAPH))
        close_from(page, find_open(page, IS(TAG_P),
                                   cells | lists | IS(TAG_BLOCKQUOTE)));
    switch (element->tag) {
    case TAG_A:
        close_from(page, find_open(page, IS(TAG_A), cells));
        break;
    case TAG_DD:
        close_from(page, find_open(page, IS(TAG_DD), cells | IS(TAG_DL)));
        break;
    case TAG_LI:
        close_from(page, find_open(page, IS(TAG_LI), cells | lists));
        break;
    case TAG_TD:
        close_from(page, find_open(page, IS(TAG_TD), IS(TAG_TABLE)));
        break;
    case TAG_TR:
        close_from(page, find_open(page, IS(TAG_TR), IS(TAG_TABLE)));
        break;
    default:
        break;
    }
}

static void
indent(Page *page, const char *by)
{
    if (page->prefix->len + strlen(by) <= PREFIX_MAX)
        g_string_append(page->prefix, by);
}

static void
begin_item(Page *page)
{
    gint list = find_open(page, IS(TAG_LIST) | IS(TAG_NUMBERED),
                          IS(TAG_TD) | IS(TAG_TABLE));
    Open *open = list >= 0 ? &g_array_index(page->open, Open, list) : NULL;
    g_autofree char *blanks = NULL;

    page->marker_at = page->prefix->len;
    if (open != NULL && open->element->tag == TAG_NUMBERED)
        g_snprintf(page->marker, sizeof(page->marker), "  %u. ",
                   open->number++ % 10000);
    else
        g_strlcpy(page->marker, "  * ", sizeof(page->marker));
    blanks = g_strnfill(strlen(page->marker), ' ');
    indent(page, blanks);
}

/* What is before the text of an element that is open now. */
static void
begin_element(Page *page, const MailTag *tag, Open *open)
{
    switch (open->element->tag) {
    case TAG_A:
        open->url = address_of(tag);
        break;
    case TAG_BLOCKQUOTE:
        indent(page, "> ");
        break;
    case TAG_DD:
        if (open->element->name[1] == 'd')
            indent(page, "    ");
        break;
    case TAG_LI:
        begin_item(page);
        break;
    case TAG_NUMBERED: {
        g_autofree char *start = mail_markup_attribute(tag, "start");
        open->number = start ? (guint)CLAMP(atol(start), 0, 9999) : 1;
        break;
    }
    case TAG_PRE:
        page->pre++;
        break;
    case TAG_Q:
        put_character(page, '"');
        break;
    case TAG_TD:
        if (page->flat && page->inked) {
            page->breaks = 0;
            page->blanks = 2;
        }
        page->flat = FALSE;
        page->fresh = TRUE;
        open->begin = page->text->len;
        open->lines = page->lines + (page->text->len > 0 ? page->breaks : 0);
        break;
    case TAG_TABLE:
    case TAG_TR:
        page->flat = FALSE;
        break;
    default:
        break;
    }
}

static void
put_image(Page *page, const MailTag *tag)
{
    g_autofree char *alt = mail_markup_attribute(tag, "alt");
    const char *at = alt ? alt + strspn(alt, " \t\r\n\f") : "";

    if (*at == '\0')
        return;
    put_character(page, '[');
    /* Its references were decoded before, and decoding ends there. */
    for (; *at != '\0'; at = g_utf8_next_char(at))
        put_character(page, g_utf8_get_char(at));
    page->blanks = 0;
    put_character(page, ']');
}

static void
put_empty(Page *page, Tag tag, const MailTag *attributes)
{
    if (tag == TAG_BR) {
        add_break(page, 2);
    } else if (tag == TAG_IMG) {
        put_image(page, attributes);
    } else {
        break_line(page, 2);
        for (guint i = 0; i < 10; i++)
            put(page, '-');
        break_line(page, 2);
    }
}

/* How an element is set apart.  A list in a list is no paragraph, nor is a
 * table in a table. */
static guint
breaks_around(const Page *page, const Element *element)
{
    guint within = 0;

    if (!(element->flags & PARAGRAPH))
        return element->flags & LINE ? 1 : 0;
    if (element->tag == TAG_TABLE)
        within = IS(TAG_TABLE);
    else if (element->tag == TAG_LIST || element->tag == TAG_NUMBERED)
        within = IS(TAG_LI);
    return find_open(page, within, 0) >= 0 ? 1 : 2;
}

static void
on_start(Page *page, const Element *element, const MailTag *tag)
{
    Open open = {.element = element};

    close_implied(page, element);
    open.hidden = element->flags & UNSEEN || is_hidden(tag);
    if (element->flags & EMPTY) {
        if (page->hidden == 0 && !open.hidden)
            put_empty(page, element->tag, tag);
        return;
    }
    if (page->open->len == DEPTH_MAX) {
        page->beyond++;
        return;
    }
    page->hidden += open.hidden;
    open.breaks = breaks_around(page, element);
    if (open.breaks > 0)
        break_line(page, open.breaks);
    open.prefix = page->prefix->len;
    open.begin = page->text->len;
    begin_element(page, tag, &open);
    g_array_append_val(page->open, open);
}

static void
on_end(Page *page, const Element *element)
{
    const guint cells = IS(TAG_TD) | IS(TAG_TABLE);
    guint barriers = element->tag == TAG_TABLE ? 0
                     : element->tag == TAG_TR || element->tag == TAG_TD
                         ? IS(TAG_TABLE)
                         : cells;

    if (element->tag == TAG_BR) {
        add_break(page, 2); /* as browsers do */
        return;
    }
    if (page->beyond > 0) {
        page->beyond -= !(element->flags & (EMPTY | RAW));
        return;
    }
    for (gint i = (gint)page->open->len - 1; i >= 0; i--) {
        const Element *other = g_array_index(page->open, Open, i).element;
        if (other == element) {
            close_from(page, i);
            return;
        }
        if (barriers & IS(other->tag))
            return;
    }
}

/* ---- the text ---- */

/* Where what is in a RAW element ends. */
static const char *
skip_raw(const char *at, const char *end, const char *name)
{
    gsize n = strlen(name);
    while ((at = memchr(at, '<', (gsize)(end - at))) != NULL) {
        if ((gsize)(end - at) > n + 2 && at[1] == '/' &&
            g_ascii_strncasecmp(at + 2, name, n) == 0 &&
            !g_ascii_isalnum(at[n + 2]))
            return at;
        at++;
    }
    return end;
}

/* AT is "<"; what it begins is read.  Returns where that ends. */
static const char *
read_markup(Page *page, const char *at, const char *end, gboolean *sloppy)
{
    const char *name = at + 1 + (end - at > 1 && at[1] == '/');
    const char *to;
    const Element *element;
    MailTag tag;

    if (end - at >= 4 && memcmp(at, "<!--", 4) == 0) {
        /* "<!-->" is one as well. */
        to = memmem(at + 2, (gsize)(end - at) - 2, "-->", 3);
        return to ? to + 3 : end;
    }
    if (end - at >= 2 &&
        (at[1] == '!' || at[1] == '?' ||
         (at[1] == '/' && !(end > name && g_ascii_isalpha(*name))))) {
        to = memchr(at, '>', (gsize)(end - at));
        return to ? to + 1 : end;
    }
    if (name == end || !g_ascii_isalpha(*name)) {
        put_character(page, '<');
        return at + 1;
    }
    if (!mail_markup_tag(at, end, sloppy, &tag))
        return end;
    to = tag.end + 1;
    element = find_element(tag.name, tag.name_length);
    if (element == NULL)
        return to;
    if (tag.is_end) {
        on_end(page, element);
        return to;
    }
    if (element->flags & RAW)
        return skip_raw(to, end, element->name);
    on_start(page, element, &tag);
    return to + (element->tag == TAG_PRE && to < end && *to == '\n');
}

char *
mail_html_render(const char *html)
{
    const char *end = html + strlen(html);
    gboolean sloppy = FALSE;
    Page page = {.text = g_string_new(NULL),
                 .open = g_array_new(FALSE, FALSE, sizeof(Open)),
                 .prefix = g_string_new(NULL)};

    for (const char *at = html; at < end;) {
        const char *markup = memchr(at, '<', (gsize)(end - at));
        put_text(&page, at, markup ? markup : end);
        at = markup ? read_markup(&page, markup, end, &sloppy) : end;
    }
    close_from(&page, 0);
    if (page.text->len > 0)
        g_string_append_c(page.text, '\n');
    g_array_unref(page.open);
    g_string_free(page.prefix, TRUE);
    return g_string_free(page.text, FALSE);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/markup.h"

#include <stdlib.h>
#include <string.h>

/* ---- character references ---- */

/* Those of HTML 4, and "apos": name and code point.  The newer ones are not for
 * letters. */
static const char *const entities[] = {
    "AElig c6",     "Aacute c1",   "Acirc c2",    "Agrave c0",   "Alpha 391",
    "Aring c5",     "Atilde c3",   "Auml c4",     "Beta 392",    "Ccedil c7",
    "Chi 3a7",      "Dagger 2021", "Delta 394",   "ETH d0",      "Eacute c9",
    "Ecirc ca",     "Egrave c8",   "Epsilon 395", "Eta 397",     "Euml cb",
    "Gamma 393",    "Iacute cd",   "Icirc ce",    "Igrave cc",   "Iota 399",
    "Iuml cf",      "Kappa 39a",   "Lambda 39b",  "Mu 39c",      "Ntilde d1",
    "Nu 39d",       "OElig 152",   "Oacute d3",   "Ocirc d4",    "Ograve d2",
    "Omega 3a9",    "Omicron 39f", "Oslash d8",   "Otilde d5",   "Ouml d6",
    "Phi 3a6",      "Pi 3a0",      "Prime 2033",  "Psi 3a8",     "Rho 3a1",
    "Scaron 160",   "Sigma 3a3",   "THORN de",    "Tau 3a4",     "Theta 398",
    "Uacute da",    "Ucirc db",    "Ugrave d9",   "Upsilon 3a5", "Uuml dc",
    "Xi 39e",       "Yacute dd",   "Yuml 178",    "Zeta 396",    "aacute e1",
    "acirc e2",     "acute b4",    "aelig e6",    "agrave e0",   "alefsym 2135",
    "alpha 3b1",    "amp 26",      "and 2227",    "ang 2220",    "apos 27",
    "aring e5",     "asymp 2248",  "atilde e3",   "auml e4",     "bdquo 201e",
    "beta 3b2",     "brvbar a6",   "bull 2022",   "cap 2229",    "ccedil e7",
    "cedil b8",     "cent a2",     "chi 3c7",     "circ 2c6",    "clubs 2663",
    "cong 2245",    "copy a9",     "crarr 21b5",  "cup 222a",    "curren a4",
    "dArr 21d3",    "dagger 2020", "darr 2193",   "deg b0",      "delta 3b4",
    "diams 2666",   "divide f7",   "eacute e9",   "ecirc ea",    "egrave e8",
    "empty 2205",   "emsp 2003",   "ensp 2002",   "epsilon 3b5", "equiv 2261",
    "eta 3b7",      "eth f0",      "euml eb",     "euro 20ac",   "exist 2203",
    "fnof 192",     "forall 2200", "frac12 bd",   "frac14 bc",   "frac34 be",
    "frasl 2044",   "gamma 3b3",   "ge 2265",     "gt 3e",       "hArr 21d4",
    "harr 2194",    "hearts 2665", "hellip 2026", "iacute ed",   "icirc ee",
    "iexcl a1",     "igrave ec",   "image 2111",  "infin 221e",  "int 222b",
    "iota 3b9",     "iquest bf",   "isin 2208",   "iuml ef",     "kappa 3ba",
    "lArr 21d0",    "lambda 3bb",  "lang 2329",   "laquo ab",    "larr 2190",
    "lceil 2308",   "ldquo 201c",  "le 2264",     "lfloor 230a", "lowast 2217",
    "loz 25ca",     "lrm 200e",    "lsaquo 2039", "lsquo 2018",  "lt 3c",
    "macr af",      "mdash 2014",  "micro b5",    "middot b7",   "minus 2212",
    "mu 3bc",       "nabla 2207",  "nbsp a0",     "ndash 2013",  "ne 2260",
    "ni 220b",      "not ac",      "notin 2209",  "nsub 2284",   "ntilde f1",
    "nu 3bd",       "oacute f3",   "ocirc f4",    "oelig 153",   "ograve f2",
    "oline 203e",   "omega 3c9",   "omicron 3bf", "oplus 2295",  "or 2228",
    "ordf aa",      "ordm ba",     "oslash f8",   "otilde f5",   "otimes 2297",
    "ouml f6",      "para b6",     "part 2202",   "permil 2030", "perp 22a5",
    "phi 3c6",      "pi 3c0",      "piv 3d6",     "plusmn b1",   "pound a3",
    "prime 2032",   "prod 220f",   "prop 221d",   "psi 3c8",     "quot 22",
    "rArr 21d2",    "radic 221a",  "rang 232a",   "raquo bb",    "rarr 2192",
    "rceil 2309",   "rdquo 201d",  "real 211c",   "reg ae",      "rfloor 230b",
    "rho 3c1",      "rlm 200f",    "rsaquo 203a", "rsquo 2019",  "sbquo 201a",
    "scaron 161",   "sdot 22c5",   "sect a7",     "shy ad",      "sigma 3c3",
    "sigmaf 3c2",   "sim 223c",    "spades 2660", "sub 2282",    "sube 2286",
    "sum 2211",     "sup 2283",    "sup1 b9",     "sup2 b2",     "sup3 b3",
    "supe 2287",    "szlig df",    "tau 3c4",     "there4 2234", "theta 3b8",
    "thetasym 3d1", "thinsp 2009", "thorn fe",    "tilde 2dc",   "times d7",
    "trade 2122",   "uArr 21d1",   "uacute fa",   "uarr 2191",   "ucirc fb",
    "ugrave f9",    "uml a8",      "upsih 3d2",   "upsilon 3c5", "uuml fc",
    "weierp 2118",  "xi 3be",      "yacute fd",   "yen a5",      "yuml ff",
    "zeta 3b6",     "zwj 200d",    "zwnj 200c"};

enum { ENTITY_MAX_LENGTH = 8 };

/* The rows are sorted by name, and a blank is less than any letter or digit. */
static int
compare_entity(gconstpointer name, gconstpointer entity)
{
    const char *row = *(const char *const *)entity;
    gsize length = strcspn(row, " ");
    int order = strncmp(name, row, length);
    return order != 0 ? order : ((const char *)name)[length] != '\0';
}

/* What a number stands for: those of C1 are meant as windows-1252. */
static gunichar
numbered(guint64 number)
{
    static const gunichar windows[32] = {
        0x20ac, 0x81,   0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
        0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8d,   0x017d, 0x8f,
        0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
        0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x9d,   0x017e, 0x0178};
    if (number >= 0x80 && number < 0xa0)
        return windows[number - 0x80];
    if (number == 0 || number > 0x10ffff || (number & ~0x7ffu) == 0xd800)
        return 0xfffd;
    return (gunichar)number;
}

gsize
mail_markup_reference(const char *at, const char *end, gboolean in_attribute,
                      gunichar *ret)
{
    const char *from = at + 1;
    const char *to = from;
    char name[ENTITY_MAX_LENGTH + 1] = "";
    const char *const *found;
    gunichar c;

    if (from < end && *from == '#') {
        guint base = 10;
        guint64 number = 0;
        if (++from < end && (*from == 'x' || *from == 'X')) {
            base = 16;
            from++;
        }
        for (to = from; to < end && g_ascii_isxdigit(*to); to++) {
            guint digit = (guint)g_ascii_xdigit_value(*to);
            if (digit >= base)
                break;
            number = MIN(number * base + digit, G_MAXUINT32);
        }
        *ret = numbered(number);
    } else {
        while (to < end && to - from < ENTITY_MAX_LENGTH &&
               g_ascii_isalnum(*to)) {
            name[to - from] = *to;
            to++;
        }
        found = bsearch(name, entities, G_N_ELEMENTS(entities),
                        sizeof(*entities), compare_entity);
        if (found == NULL)
            return 0;
        c = (gunichar)strtoul(*found + strcspn(*found, " "), NULL, 16);
        /* Only old ones may lack their end, and none in an address, where
         * "&copy=1" is what it seems. */
        if ((to == end || *to != ';') && (in_attribute || c > 0xff))
            return 0;
        *ret = c;
    }
    if (to == from)
        return 0;
    return (gsize)(to - at) + (to < end && *to == ';');
}

/* ---- tags ---- */

typedef struct {
    const char *name;
    gsize name_length;
    const char *value;
    gsize value_length;
    const char *behind; /* NULL if a quote has no end */
} Attribute;

static gboolean
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* FALSE if there is none, and *AT is where the tag ends, or END. */
static gboolean
next_attribute(const char **at, const char *end, Attribute *ret)
{
    const char *to = *at;

    while (to < end && (is_space(*to) || *to == '/'))
        to++;
    *at = to;
    if (to == end || *to == '>')
        return FALSE;
    ret->name = to++;
    while (to < end && !is_space(*to) && *to != '/' && *to != '>' && *to != '=')
        to++;
    ret->name_length = (gsize)(to - ret->name);
    ret->value = to;
    ret->value_length = 0;
    ret->behind = to;
    while (to < end && is_space(*to))
        to++;
    if (to == end || *to != '=')
        return TRUE;
    do
        to++;
    while (to < end && is_space(*to));
    ret->value = to;
    if (to < end && (*to == '"' || *to == '\'')) {
        const char *quote = memchr(to + 1, *to, (gsize)(end - to) - 1);
        ret->value = to + 1;
        ret->value_length = (gsize)((quote ? quote : end) - to) - 1;
        ret->behind = quote ? quote + 1 : NULL;
        return TRUE;
    }
    while (to < end && !is_space(*to) && *to != '>')
        to++;
    ret->value_length = (gsize)(to - ret->value);
    ret->behind = to;
    return TRUE;
}

char *
mail_markup_attribute(const MailTag *tag, const char *name)
{
    Attribute attribute;
    const char *at = tag->attributes;

    while (at != NULL && next_attribute(&at, tag->end, &attribute)) {
        GString *value;
        const char *from = attribute.value;
        const char *end = from + attribute.value_length;

        at = attribute.behind;
        if (attribute.name_length != strlen(name) ||
            g_ascii_strncasecmp(attribute.name, name, strlen(name)) != 0)
            continue;
        value = g_string_new(NULL);
        while (from < end) {
            gunichar c;
            gsize n =
                *from == '&' ? mail_markup_reference(from, end, TRUE, &c) : 0;
            if (n == 0)
                g_string_append_c(value, *from++);
            else
                g_string_append_unichar(value, c);
            from += n;
        }
        return g_string_free(value, FALSE);
    }
    return NULL;
}

gboolean
mail_markup_tag(const char *at, const char *end, gboolean *sloppy, MailTag *ret)
{
    const char *name = at + 1 + (at[1] == '/');
    const char *to = name;

    while (to < end && !is_space(*to) && *to != '/' && *to != '>')
        to++;
    ret->is_end = at[1] == '/';
    ret->name = name;
    ret->name_length = (gsize)(to - name);
    ret->attributes = to;
    if (!*sloppy) {
        Attribute attribute;
        while (to != NULL && next_attribute(&to, end, &attribute))
            to = attribute.behind;
        if (to != NULL && to < end) {
            ret->end = to;
            return TRUE;
        }
        *sloppy = TRUE;
    }
    ret->end = memchr(at, '>', (gsize)(end - at));
    return ret->end != NULL;
}

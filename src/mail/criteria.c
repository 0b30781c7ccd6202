/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/criteria.h"

#include <string.h>

#include "base/error.h"
#include "imap/capability.h"

enum { DAY = 24 * 60 * 60 };
/* A day of INTERNALDATE is one of the zone it was written in: UTC-12 to
 * UTC+14. */
enum { ZONE_WEST = 12 * 60 * 60, ZONE_EAST = 14 * 60 * 60 };

static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/* ---- what was asked for, as a tree ---- */

typedef enum {
    NODE_ALL_OF,
    NODE_ONE_OF, /* of two */
    NODE_NOT,
    NODE_KEY,
    NODE_OLDER,
    NODE_YOUNGER,
} NodeKind;

typedef struct {
    NodeKind kind;
    GPtrArray *children; /* of Node; NULL when there can be none */
    gint64 date;         /* of OLDER and YOUNGER: before, or since */
    guint64 seconds;
    char *words;      /* of a KEY, as they are sent */
    char *strings[2]; /* that follow them, or NULL */
} Node;

struct MailCriteria {
    Node *root; /* an ALL_OF */
    MailAttachmentWish attachments;
    gboolean relative;
    gboolean utf8;  /* a string is not ASCII */
    gboolean gmail; /* it has a key that only Gmail knows */
};

static void
free_node(gpointer data)
{
    Node *node = data;
    if (node->children != NULL)
        g_ptr_array_unref(node->children);
    g_free(node->words);
    g_free(node->strings[0]);
    g_free(node->strings[1]);
    g_free(node);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Node, free_node)

static Node *
new_node(NodeKind kind)
{
    Node *node = g_new0(Node, 1);
    node->kind = kind;
    if (kind <= NODE_NOT)
        node->children = g_ptr_array_new_with_free_func(free_node);
    return node;
}

void
mail_criteria_free(MailCriteria *criteria)
{
    if (criteria->root != NULL)
        free_node(criteria->root);
    g_free(criteria);
}

/* ---- the words of a query ---- */

/* How a key counts, for has:attachment, which is no matter of the server's. */
typedef enum { HOLDS, HOLDS_NOT, MAY_HOLD } Standing;

typedef struct {
    const char *query;
    const char *at;
    gint64 now;
    guint depth;
    MailCriteria *criteria;
    GError *error;
} Parser;

static gboolean fail(Parser *parser, const char *at, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* Returns FALSE. */
static gboolean
fail(Parser *parser, const char *at, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    parser->error =
        g_error_new_valist(IMAPFS_ERROR, IMAPFS_ERROR_USAGE, format, arguments);
    va_end(arguments);
    g_prefix_error(&parser->error, "at character %ld of the search: ",
                   g_utf8_pointer_to_offset(parser->query, at) + 1);
    return FALSE;
}

static gboolean
is_end(const Parser *parser)
{
    return strchr(" ()", *parser->at) != NULL; /* NUL, too */
}

static void
skip_blanks(Parser *parser)
{
    while (*parser->at == ' ')
        parser->at++;
}

/* DQUOTE *QUOTED-CHAR DQUOTE */
static char *
take_quoted(Parser *parser)
{
    const char *start = parser->at;
    g_autoptr(GString) text = g_string_new(NULL);

    for (parser->at++; *parser->at != '"'; parser->at++) {
        if (*parser->at == '\\' &&
            (parser->at[1] == '"' || parser->at[1] == '\\'))
            parser->at++;
        else if (*parser->at == '\\') {
            fail(parser, parser->at,
                 "a backslash must precede a quote or a "
                 "backslash");
            return NULL;
        }
        if (*parser->at == '\0') {
            fail(parser, start, "the quotation has no end");
            return NULL;
        }
        g_string_append_c(text, *parser->at);
    }
    parser->at++;
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* What is in quotes, or goes on to the next blank or parenthesis. */
static char *
take_value(Parser *parser)
{
    const char *start = parser->at;

    if (*start == '"')
        return take_quoted(parser);
    while (!is_end(parser) && *parser->at != '"')
        parser->at++;
    if (*parser->at == '"') {
        fail(parser, parser->at, "a quote in the middle of a word");
        return NULL;
    }
    if (parser->at == start) {
        fail(parser, start, "something is missing here");
        return NULL;
    }
    return g_strndup(start, (gsize)(parser->at - start));
}

/* Digits of *TEXT, which moves behind them. */
static gboolean
take_digits(const char **text, guint64 max, guint64 *ret)
{
    guint64 value = 0;
    const char *at = *text;

    for (; g_ascii_isdigit(*at); at++) {
        value = value * 10 + (guint64)(*at - '0');
        if (value > max)
            return FALSE;
    }
    if (at == *text)
        return FALSE;
    *text = at;
    *ret = value;
    return TRUE;
}

/* A number and one letter that says how much it is, or none. */
static gboolean
read_amount(const char *text, const char *letters, const guint64 *units,
            guint64 *ret)
{
    const char *letter;

    if (!take_digits(&text, G_MAXUINT32, ret))
        return FALSE;
    if (*text == '\0')
        return TRUE;
    letter = strchr(letters, g_ascii_tolower(*text));
    if (letter == NULL || text[1] != '\0')
        return FALSE;
    *ret *= units[letter - letters];
    return *ret <= G_MAXUINT32;
}

/* 2026-11-01 or 1-Nov-2026 */
static gboolean
read_date(const char *text, guint64 *day, guint64 *month, guint64 *year)
{
    gboolean iso = strlen(text) == 10 && text[4] == '-' && text[7] == '-';

    if (!take_digits(&text, 9999, iso ? year : day) || *text++ != '-')
        return FALSE;
    if (iso) {
        if (!take_digits(&text, 12, month) || *text++ != '-' ||
            !take_digits(&text, 31, day))
            return FALSE;
    } else {
        for (*month = 1; *month <= G_N_ELEMENTS(months); ++*month) {
            if (g_ascii_strncasecmp(text, months[*month - 1], 3) == 0)
                break;
        }
        if (*month > G_N_ELEMENTS(months) || text[3] != '-')
            return FALSE;
        text += 4;
        if (strlen(text) != 4 || !take_digits(&text, 9999, year))
            return FALSE;
    }
    return *text == '\0' && g_date_valid_dmy((GDateDay)*day, (GDateMonth)*month,
                                             (GDateYear)*year);
}

/* sequence-set, without "$" (RFC 9051, 9) */
static gboolean
is_uid_set(const char *text)
{
    for (;;) {
        for (guint i = 0; i < 2; i++) {
            guint64 uid = 0;
            if (*text == '*')
                text++;
            else if (!take_digits(&text, G_MAXUINT32, &uid) || uid == 0)
                return FALSE;
            if (i == 1 || *text != ':')
                break;
            text++;
        }
        if (*text == '\0')
            return TRUE;
        if (*text++ != ',')
            return FALSE;
    }
}

/* 1*ATOM-CHAR */
static gboolean
is_atom(const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (!g_ascii_isgraph(*at) || strchr("(){%*\"\\]", *at) != NULL)
            return FALSE;
    }
    return *text != '\0';
}

/* 1*ftext (RFC 5322, 3.6.8) */
static gboolean
is_field_name(const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (!g_ascii_isgraph(*at) || *at == ':')
            return FALSE;
    }
    return *text != '\0';
}

/* ---- keys ---- */

typedef enum {
    TAKES_NOTHING,
    TAKES_STRING,
    TAKES_FIELD_AND_STRING,
    TAKES_DATE,
    TAKES_SIZE,
    TAKES_AGE,
    TAKES_KEYWORD,
    TAKES_UIDS,
    TAKES_KEY,  /* NOT */
    TAKES_KEYS, /* OR */
    TAKES_HAS,
    TAKES_IS,
} Taking;

typedef struct {
    const char *name; /* as it is sent, too, if SENT is NULL */
    Taking taking;
    const char *sent;
} KeyRow;

static const KeyRow imap_keys[] = {
    {"ALL", TAKES_NOTHING, NULL},
    {"ANSWERED", TAKES_NOTHING, NULL},
    {"BCC", TAKES_STRING, NULL},
    {"BEFORE", TAKES_DATE, NULL},
    {"BODY", TAKES_STRING, NULL},
    {"CC", TAKES_STRING, NULL},
    {"DELETED", TAKES_NOTHING, NULL},
    {"DRAFT", TAKES_NOTHING, NULL},
    {"FLAGGED", TAKES_NOTHING, NULL},
    {"FROM", TAKES_STRING, NULL},
    {"HEADER", TAKES_FIELD_AND_STRING, NULL},
    {"KEYWORD", TAKES_KEYWORD, NULL},
    {"LARGER", TAKES_SIZE, NULL},
    {"NEW", TAKES_NOTHING, NULL},
    {"NOT", TAKES_KEY, NULL},
    {"OLD", TAKES_NOTHING, NULL},
    {"OLDER", TAKES_AGE, NULL},
    {"ON", TAKES_DATE, NULL},
    {"OR", TAKES_KEYS, NULL},
    {"RECENT", TAKES_NOTHING, NULL},
    {"SEEN", TAKES_NOTHING, NULL},
    {"SENTBEFORE", TAKES_DATE, NULL},
    {"SENTON", TAKES_DATE, NULL},
    {"SENTSINCE", TAKES_DATE, NULL},
    {"SINCE", TAKES_DATE, NULL},
    {"SMALLER", TAKES_SIZE, NULL},
    {"SUBJECT", TAKES_STRING, NULL},
    {"TEXT", TAKES_STRING, NULL},
    {"TO", TAKES_STRING, NULL},
    {"UID", TAKES_UIDS, NULL},
    {"UNANSWERED", TAKES_NOTHING, NULL},
    {"UNDELETED", TAKES_NOTHING, NULL},
    {"UNDRAFT", TAKES_NOTHING, NULL},
    {"UNFLAGGED", TAKES_NOTHING, NULL},
    {"UNKEYWORD", TAKES_KEYWORD, NULL},
    {"UNSEEN", TAKES_NOTHING, NULL},
    {"X-GM-RAW", TAKES_STRING, NULL},
    {"YOUNGER", TAKES_AGE, NULL},
};

static const KeyRow colon_keys[] = {
    {"after", TAKES_DATE, "SINCE"},
    {"bcc", TAKES_STRING, "BCC"},
    {"before", TAKES_DATE, "BEFORE"},
    {"body", TAKES_STRING, "BODY"},
    {"cc", TAKES_STRING, "CC"},
    {"from", TAKES_STRING, "FROM"},
    {"gmail", TAKES_STRING, "X-GM-RAW"},
    {"has", TAKES_HAS, NULL},
    {"is", TAKES_IS, NULL},
    {"keyword", TAKES_KEYWORD, "KEYWORD"},
    {"larger", TAKES_SIZE, "LARGER"},
    {"newer", TAKES_AGE, "YOUNGER"},
    {"not", TAKES_KEY, NULL},
    {"older", TAKES_AGE, "OLDER"},
    {"on", TAKES_DATE, "ON"},
    {"since", TAKES_DATE, "SINCE"},
    {"smaller", TAKES_SIZE, "SMALLER"},
    {"subject", TAKES_STRING, "SUBJECT"},
    {"tag", TAKES_KEYWORD, "KEYWORD"},
    {"text", TAKES_STRING, "TEXT"},
    {"to", TAKES_STRING, "TO"},
    {"uid", TAKES_UIDS, "UID"},
    {"younger", TAKES_AGE, "YOUNGER"},
};

static const KeyRow *
find_key(const KeyRow *rows, guint n, const char *name, gsize length)
{
    for (guint i = 0; i < n; i++) {
        if (strlen(rows[i].name) == length &&
            g_ascii_strncasecmp(rows[i].name, name, length) == 0)
            return &rows[i];
    }
    return NULL;
}

/* Each of these returns FALSE after fail(), and may find nothing for the server
 * to do: *RET is then NULL. */
static gboolean parse_key(Parser *parser, Standing standing, Node **ret);

static gboolean
parse_not(Parser *parser, Standing standing, Node **ret)
{
    static const Standing opposite[] = {
        [HOLDS] = HOLDS_NOT, [HOLDS_NOT] = HOLDS, [MAY_HOLD] = MAY_HOLD};
    Node *key;

    if (!parse_key(parser, opposite[standing], &key))
        return FALSE;
    if (key == NULL)
        return TRUE;
    *ret = new_node(NODE_NOT);
    g_ptr_array_add((*ret)->children, key);
    return TRUE;
}

static gboolean
parse_or(Parser *parser, Node **ret)
{
    g_autoptr(Node) node = new_node(NODE_ONE_OF);

    for (guint i = 0; i < 2; i++) {
        Node *key;
        skip_blanks(parser);
        if (!parse_key(parser, MAY_HOLD, &key))
            return FALSE;
        g_ptr_array_add(node->children, key);
        if (i == 0 && *parser->at != ' ')
            return fail(parser, parser->at, "OR takes two");
    }
    *ret = g_steal_pointer(&node);
    return TRUE;
}

static gboolean
parse_has(Parser *parser, const char *start, const char *what,
          Standing standing)
{
    MailCriteria *criteria = parser->criteria;
    MailAttachmentWish wish =
        standing == HOLDS ? MAIL_ATTACHMENTS_SOME : MAIL_ATTACHMENTS_NONE;

    if (g_ascii_strcasecmp(what, "attachment") != 0)
        return fail(parser, start, "only \"attachment\" can follow has:");
    if (standing == MAY_HOLD)
        return fail(parser, start,
                    "has:attachment cannot stand in OR or NOT (...)");
    if (criteria->attachments != MAIL_ATTACHMENTS_OR_NOT &&
        criteria->attachments != wish)
        return fail(parser, start, "has:attachment, and not");
    criteria->attachments = wish;
    return TRUE;
}

static Node *
new_key(const char *words)
{
    Node *node = new_node(NODE_KEY);
    node->words = g_strdup(words);
    return node;
}

static gboolean
parse_is(Parser *parser, const char *start, const char *what, Node **ret)
{
    const KeyRow *row =
        find_key(imap_keys, G_N_ELEMENTS(imap_keys), what, strlen(what));

    if (row == NULL || row->taking != TAKES_NOTHING)
        return fail(parser, start,
                    "such as \"unseen\" or \"flagged\" can follow is:");
    *ret = new_key(row->name);
    return TRUE;
}

static void
note_string(Parser *parser, Node *node, guint i, char *string)
{
    node->strings[i] = string;
    parser->criteria->utf8 |= !g_str_is_ascii(string);
}

/* HEADER SP header-fld-name SP astring, behind the first blank. */
static gboolean
parse_header(Parser *parser, Node **ret)
{
    g_autoptr(Node) node = new_key("HEADER");
    const char *start = parser->at;
    char *value = take_value(parser);

    if (value == NULL)
        return FALSE;
    note_string(parser, node, 0, value);
    if (!is_field_name(value))
        return fail(parser, start, "no name of a field");
    skip_blanks(parser);
    value = take_value(parser);
    if (value == NULL)
        return FALSE;
    note_string(parser, node, 1, value);
    *ret = g_steal_pointer(&node);
    return TRUE;
}

static gboolean
make_age(Parser *parser, const char *start, const char *sent, const char *text,
         Node **ret)
{
    static const guint64 units[] = {60 * 60, DAY, 7 * DAY, 30 * DAY, 365 * DAY};
    guint64 seconds;

    if (!read_amount(text, "hdwmy", units, &seconds) || seconds == 0)
        return fail(parser, start, "an age is wanted, such as 7d or 86400");
    *ret = new_node(strcmp(sent, "OLDER") == 0 ? NODE_OLDER : NODE_YOUNGER);
    (*ret)->seconds = seconds;
    (*ret)->date = parser->now - (gint64)seconds;
    parser->criteria->relative = TRUE;
    return TRUE;
}

static gboolean
make_size(Parser *parser, const char *start, const char *sent, const char *text,
          Node **ret)
{
    static const guint64 units[] = {1 << 10, 1 << 20, 1 << 30};
    guint64 octets;

    if (!read_amount(text, "kmg", units, &octets))
        return fail(parser, start, "a size is wanted, such as 1M or 5000");
    *ret = new_node(NODE_KEY);
    (*ret)->words = g_strdup_printf("%s %" G_GUINT64_FORMAT, sent, octets);
    return TRUE;
}

static gboolean
make_date(Parser *parser, const char *start, const char *sent, const char *text,
          Node **ret)
{
    guint64 day, month, year;

    if (!read_date(text, &day, &month, &year))
        return fail(parser, start,
                    "a day is wanted, such as 2026-11-01 or 1-Nov-2026");
    *ret = new_node(NODE_KEY);
    (*ret)->words = g_strdup_printf("%s %u-%s-%04u", sent, (guint)day,
                                    months[month - 1], (guint)year);
    return TRUE;
}

/* What ROW takes, at its first character. */
static gboolean
parse_argument(Parser *parser, const KeyRow *row, Standing standing, Node **ret)
{
    const char *sent = row->sent ? row->sent : row->name;
    const char *start = parser->at;
    g_autofree char *value = NULL;

    if (row->taking == TAKES_KEY)
        return parse_not(parser, standing, ret);
    if (row->taking == TAKES_KEYS)
        return parse_or(parser, ret);
    if (row->taking == TAKES_FIELD_AND_STRING)
        return parse_header(parser, ret);
    value = take_value(parser);
    if (value == NULL)
        return FALSE;
    switch (row->taking) {
    case TAKES_STRING:
        *ret = new_key(sent);
        parser->criteria->gmail |= strcmp(sent, "X-GM-RAW") == 0;
        note_string(parser, *ret, 0, g_steal_pointer(&value));
        return TRUE;
    case TAKES_DATE:
        return make_date(parser, start, sent, value, ret);
    case TAKES_SIZE:
        return make_size(parser, start, sent, value, ret);
    case TAKES_AGE:
        return make_age(parser, start, sent, value, ret);
    case TAKES_HAS:
        return parse_has(parser, start, value, standing);
    case TAKES_IS:
        return parse_is(parser, start, value, ret);
    case TAKES_KEYWORD:
        if (!is_atom(value))
            return fail(parser, start, "this cannot be a keyword");
        break;
    default:
        if (!is_uid_set(value))
            return fail(parser, start, "UIDs are wanted, such as 1:50,70:*");
    }
    *ret = new_node(NODE_KEY);
    (*ret)->words = g_strdup_printf("%s %s", sent, value);
    return TRUE;
}

static gboolean parse_keys(Parser *parser, Standing standing, Node *node);

static gboolean
parse_group(Parser *parser, Standing standing, Node **ret)
{
    const char *start = parser->at++;
    g_autoptr(Node) node = new_node(NODE_ALL_OF);

    /* Not all of it is that one of it is not. */
    if (!parse_keys(parser, standing == HOLDS ? HOLDS : MAY_HOLD, node))
        return FALSE;
    if (*parser->at != ')')
        return fail(parser, start, "the parenthesis is never closed");
    parser->at++;
    *ret = g_steal_pointer(&node);
    return TRUE;
}

/* A string to be found anywhere. */
static gboolean
parse_text(Parser *parser, Node **ret)
{
    static const KeyRow text = {"TEXT", TAKES_STRING, NULL};
    return parse_argument(parser, &text, MAY_HOLD, ret);
}

static gboolean
is_capital(const char *word, gsize length)
{
    for (gsize i = 0; i < length; i++) {
        if (g_ascii_islower(word[i]))
            return FALSE;
    }
    return TRUE;
}

/* A key of IMAP, KEY:VALUE, or a word to be found. */
static gboolean
parse_word(Parser *parser, Standing standing, Node **ret)
{
    const char *start = parser->at;
    gsize length = strcspn(start, " ():\"");
    gboolean colon = start[length] == ':';
    const KeyRow *row =
        colon ? find_key(colon_keys, G_N_ELEMENTS(colon_keys), start, length)
              : find_key(imap_keys, G_N_ELEMENTS(imap_keys), start, length);

    if (colon && row == NULL)
        return fail(parser, start,
                    "no such key; text with a colon needs "
                    "quotes around it");
    if (row == NULL || start[length] == '"')
        return parse_text(parser, ret);
    parser->at += length;
    if (row->taking == TAKES_NOTHING) {
        *ret = new_key(row->name);
        return TRUE;
    }
    if (colon) {
        parser->at++;
        return parse_argument(parser, row, standing, ret);
    }
    if (!is_capital(start, length))
        return fail(parser, start,
                    "write it in capitals if it is a key, or in quotes");
    if (*parser->at != ' ')
        return fail(parser, parser->at, "something is missing here");
    skip_blanks(parser);
    return parse_argument(parser, row, standing, ret);
}

static gboolean
parse_key(Parser *parser, Standing standing, Node **ret)
{
    gboolean done;

    *ret = NULL;
    if (++parser->depth > MAIL_CRITERIA_DEPTH_MAX)
        return fail(parser, parser->at, "too many keys inside each other");
    if (*parser->at == '(') {
        done = parse_group(parser, standing, ret);
    } else if (*parser->at == '-') {
        parser->at++;
        done = parse_not(parser, standing, ret);
    } else if (*parser->at == '"' || is_end(parser)) {
        done = parse_text(parser, ret);
    } else {
        done = parse_word(parser, standing, ret);
    }
    parser->depth--;
    return done;
}

/* Adds keys to NODE up to the end or a closing parenthesis. */
static gboolean
parse_keys(Parser *parser, Standing standing, Node *node)
{
    do {
        Node *key;
        skip_blanks(parser);
        if (!parse_key(parser, standing, &key))
            return FALSE;
        if (key != NULL)
            g_ptr_array_add(node->children, key);
        if (!is_end(parser) || *parser->at == '(')
            return fail(parser, parser->at, "a blank is missing here");
        skip_blanks(parser);
    } while (*parser->at != '\0' && *parser->at != ')');
    return TRUE;
}

static gboolean
check_query(Parser *parser)
{
    const char *end;

    if (strlen(parser->query) > MAIL_CRITERIA_LENGTH_MAX) {
        parser->error = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_USAGE,
                                    "the search is too long");
        return FALSE;
    }
    if (!g_utf8_validate(parser->query, -1, &end))
        return fail(parser, end, "this is no UTF-8");
    for (const char *at = parser->query; *at != '\0'; at++) {
        if (g_ascii_iscntrl(*at))
            return fail(parser, at, "a control character");
    }
    return TRUE;
}

MailCriteria *
mail_criteria_parse(const char *query, gint64 now, GError **error)
{
    g_autoptr(MailCriteria) criteria = g_new0(MailCriteria, 1);
    Parser parser = {.query = query, .at = query, .now = now};

    parser.criteria = criteria;
    criteria->root = new_node(NODE_ALL_OF);
    if (check_query(&parser) && parse_keys(&parser, HOLDS, criteria->root) &&
        *parser.at != '\0')
        fail(&parser, parser.at, "nothing was opened that this could close");
    if (parser.error == NULL)
        return g_steal_pointer(&criteria);
    g_propagate_error(error, parser.error);
    return NULL;
}

/* ---- what is known without the server ---- */

MailAttachmentWish
mail_criteria_attachments(const MailCriteria *criteria)
{
    return criteria->attachments;
}

gboolean
mail_criteria_is_relative(const MailCriteria *criteria)
{
    return criteria->relative;
}

typedef enum { NO, YES, MAYBE } Verdict;

/* Whether NODE is true of a message, as far as its date tells. */
static Verdict
judge(const Node *node, gint64 date)
{
    Verdict verdict;

    switch (node->kind) {
    case NODE_KEY:
        return MAYBE;
    case NODE_OLDER:
        return date <= node->date ? YES : NO;
    case NODE_YOUNGER:
        return date >= node->date ? YES : NO;
    case NODE_NOT:
        verdict = judge(g_ptr_array_index(node->children, 0), date);
        return verdict == MAYBE ? MAYBE : verdict == YES ? NO : YES;
    case NODE_ALL_OF:
    case NODE_ONE_OF:
        break;
    }
    /* One NO decides for all, one YES for one of them. */
    verdict = node->kind == NODE_ALL_OF ? YES : NO;
    for (guint i = 0; i < node->children->len; i++) {
        Verdict one = judge(g_ptr_array_index(node->children, i), date);
        if (one == (node->kind == NODE_ALL_OF ? NO : YES))
            return one;
        if (one == MAYBE)
            verdict = MAYBE;
    }
    return verdict;
}

gboolean
mail_criteria_allow_date(const MailCriteria *criteria, gint64 internaldate)
{
    return judge(criteria->root, internaldate) != NO;
}

/* ---- what the server is asked ---- */

typedef struct {
    ImapCommand *command;
    gboolean within; /* the server knows OLDER and YOUNGER */
    gboolean narrow; /* rather too few than too many: inside of NOT */
    gboolean opened; /* a parenthesis has just been */
} Writer;

static void
write_words(Writer *writer, const char *words)
{
    imap_command_add(writer->command, "%s%s", writer->opened ? "" : " ", words);
    writer->opened = FALSE;
}

static void
write_day(Writer *writer, const char *key, gint64 seconds)
{
    g_autoptr(GDateTime) day = g_date_time_new_from_unix_utc(seconds);
    g_autofree char *words = g_strdup_printf(
        "%s %d-%s-%04d", key, g_date_time_get_day_of_month(day),
        months[g_date_time_get_month(day) - 1], g_date_time_get_year(day));
    write_words(writer, words);
}

static void
write_age(Writer *writer, const Node *node)
{
    const char *key = node->kind == NODE_OLDER ? "OLDER" : "YOUNGER";
    gboolean early = (node->kind == NODE_YOUNGER) != writer->narrow;

    if (writer->within) {
        g_autofree char *words =
            g_strdup_printf("%s %" G_GUINT64_FORMAT, key, node->seconds);
        write_words(writer, words);
        return;
    }
    /* The first day that messages of that time can have, or the first that
     * they cannot have. */
    write_day(writer, node->kind == NODE_OLDER ? "BEFORE" : "SINCE",
              early ? node->date - ZONE_WEST : node->date + ZONE_EAST + DAY);
}

static void
write_key(Writer *writer, const Node *node)
{
    write_words(writer, node->words);
    for (guint i = 0; i < G_N_ELEMENTS(node->strings); i++) {
        if (node->strings[i] == NULL)
            break;
        imap_command_add(writer->command, " ");
        imap_command_add_string(writer->command, node->strings[i]);
    }
}

static void write_node(Writer *writer, const Node *node);

static void
write_children(Writer *writer, const Node *node)
{
    for (guint i = 0; i < node->children->len; i++)
        write_node(writer, g_ptr_array_index(node->children, i));
    if (node->children->len == 0)
        write_words(writer, "ALL");
}

static void
write_node(Writer *writer, const Node *node)
{
    switch (node->kind) {
    case NODE_ALL_OF:
        write_words(writer, "(");
        writer->opened = TRUE;
        write_children(writer, node);
        imap_command_add(writer->command, ")");
        break;
    case NODE_ONE_OF:
        write_words(writer, "OR");
        write_children(writer, node);
        break;
    case NODE_NOT:
        write_words(writer, "NOT");
        writer->narrow = !writer->narrow;
        write_children(writer, node);
        writer->narrow = !writer->narrow;
        break;
    case NODE_KEY:
        write_key(writer, node);
        break;
    case NODE_OLDER:
    case NODE_YOUNGER:
        write_age(writer, node);
        break;
    }
}

gboolean
mail_criteria_add_to(const MailCriteria *criteria, ImapCommand *command,
                     guint capabilities, GError **error)
{
    Writer writer = {.command = command,
                     .within = (capabilities & IMAP_CAP_WITHIN) != 0};

    if (criteria->gmail && !(capabilities & IMAP_CAP_GMAIL)) {
        g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_USAGE,
                    "only Gmail can search like Gmail");
        return FALSE;
    }
    if (criteria->utf8)
        imap_command_add(command, " CHARSET UTF-8");
    write_children(&writer, criteria->root);
    return TRUE;
}

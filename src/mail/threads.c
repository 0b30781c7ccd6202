/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/threads.h"

#include <string.h>

#include "mail/message.h"

enum {
    REFERENCES_MAX = 1000, /* of one message; more are left out */
    ID_MAX = 998,          /* octets */
};

/* A message, or what one refers to. */
typedef struct {
    guint parent; /* itself, for the one that stands for all of a set */
    guint size;   /* of its set */
} Node;

typedef struct {
    guint32 uid;
    guint node; /* then the one that stands for its set */
} Member;

/* Who owns a base subject: answers that refer to nothing go there. */
typedef struct {
    guint node;
    gboolean orphan; /* it is such an answer itself */
} Subject;

struct MailThreads {
    GArray *nodes;
    GHashTable *ids;      /* Message-ID -> node + 1 */
    GHashTable *subjects; /* base subject -> Subject */
    GArray *members;      /* of Member */
    /* When closed: */
    GArray *uids;   /* of all threads, one behind the other */
    GArray *starts; /* where each begins in it; and where the last one ends */
};

MailThreads *
mail_threads_new(void)
{
    MailThreads *threads = g_new0(MailThreads, 1);
    threads->nodes = g_array_new(FALSE, FALSE, sizeof(Node));
    threads->ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    threads->subjects =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    threads->members = g_array_new(FALSE, FALSE, sizeof(Member));
    threads->uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    threads->starts = g_array_new(FALSE, FALSE, sizeof(guint));
    return threads;
}

void
mail_threads_free(MailThreads *threads)
{
    g_array_unref(threads->nodes);
    g_hash_table_unref(threads->ids);
    g_hash_table_unref(threads->subjects);
    g_array_unref(threads->members);
    g_array_unref(threads->uids);
    g_array_unref(threads->starts);
    g_free(threads);
}

/* ---- sets of nodes ---- */

static Node *
node_at(const MailThreads *threads, guint i)
{
    return &g_array_index(threads->nodes, Node, i);
}

static guint
add_node(MailThreads *threads)
{
    Node node = {threads->nodes->len, 1};
    g_array_append_val(threads->nodes, node);
    return node.parent;
}

/* The node that stands for the set I is in. */
static guint
find(MailThreads *threads, guint i)
{
    while (node_at(threads, i)->parent != i) {
        Node *node = node_at(threads, i);
        node->parent = node_at(threads, node->parent)->parent;
        i = node->parent;
    }
    return i;
}

static void
unite(MailThreads *threads, guint one, guint other)
{
    one = find(threads, one);
    other = find(threads, other);
    if (one == other)
        return;
    if (node_at(threads, one)->size < node_at(threads, other)->size) {
        guint small = one;
        one = other;
        other = small;
    }
    node_at(threads, other)->parent = one;
    node_at(threads, one)->size += node_at(threads, other)->size;
}

/* Takes ID. */
static guint
node_of_id(MailThreads *threads, char *id)
{
    guint known = GPOINTER_TO_UINT(g_hash_table_lookup(threads->ids, id));
    guint node;

    if (known != 0) {
        g_free(id);
        return known - 1;
    }
    node = add_node(threads);
    g_hash_table_insert(threads->ids, id, GUINT_TO_POINTER(node + 1));
    return node;
}

/* ---- headers ---- */

/* The value of field NAME, up to *RET_END, with the line ends in it; NULL when
 * there is none. */
static const char *
find_field(const char *header, gsize length, const char *name,
           const char **ret_end)
{
    const char *end = header + length;
    gsize n = strlen(name);

    for (const char *line = header; line < end;) {
        const char *next = line;
        do { /* to the end of the lines that belong to it */
            const char *lf = memchr(next, '\n', (gsize)(end - next));
            next = lf ? lf + 1 : end;
        } while (next < end && (*next == ' ' || *next == '\t'));
        if ((gsize)(next - line) > n && line[n] == ':' &&
            g_ascii_strncasecmp(line, name, n) == 0) {
            *ret_end = next;
            return line + n + 1;
        }
        line = next;
    }
    return NULL;
}

/* The next "<...>" before END, without blanks in it; NULL when there is none.
 * The caller owns it. */
static char *
next_id(const char **at, const char *end)
{
    while (*at < end) {
        const char *open = memchr(*at, '<', (gsize)(end - *at));
        const char *close =
            open ? memchr(open, '>', (gsize)(end - open)) : NULL;
        g_autoptr(GString) id = NULL;
        if (close == NULL)
            break;
        *at = close + 1;
        if (close - open > ID_MAX)
            continue;
        id = g_string_sized_new((gsize)(close - open));
        for (const char *c = open + 1; c < close; c++) {
            if (*c != '\0' && !g_ascii_isspace(*c))
                g_string_append_c(id, *c);
        }
        if (id->len > 0)
            return g_string_free(g_steal_pointer(&id), FALSE);
    }
    *at = end;
    return NULL;
}

/* Unites NODE with up to MAX of the messages that field NAME refers to.  FALSE
 * when there are none. */
static gboolean
refer(MailThreads *threads, guint node, const char *header, gsize length,
      const char *name, guint max)
{
    const char *end = NULL;
    const char *at = find_field(header, length, name, &end);
    guint n = 0;
    char *id;

    while (at != NULL && n < max && (id = next_id(&at, end)) != NULL) {
        unite(threads, node, node_of_id(threads, id));
        n++;
    }
    return n > 0;
}

/* ---- subjects ---- */

/* "[...]" at the front of TEXT and the blanks behind it; 0 when there is none.
 */
static gsize
blob_length(const char *text)
{
    gsize n = *text == '[' ? 1 + strcspn(text + 1, "[]") : 0;
    if (n == 0 || text[n] != ']')
        return 0;
    return n + 1 + strspn(text + n + 1, " ");
}

/* ("re" / "fw" / "fwd") *WSP [subj-blob] ":" *WSP at the front; 0: none. */
static gsize
answer_length(const char *text)
{
    static const char *const words[] = {"re", "fwd", "fw"};

    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        gsize n = strlen(words[i]);
        if (g_ascii_strncasecmp(text, words[i], n) != 0)
            continue;
        n += strspn(text + n, " ");
        n += blob_length(text + n);
        if (text[n] == ':')
            return n + 1 + strspn(text + n + 1, " ");
    }
    return 0;
}

/* The base subject (RFC 5256, 2.1) of TEXT, which is decoded and on one line.
 * The caller owns it. */
static char *
base_subject(const char *text, gboolean *ret_answer)
{
    g_autofree char *copy = g_strstrip(g_strdup(text));
    const char *at = copy;
    gsize n;

    *ret_answer = FALSE;
    while (g_str_has_suffix(copy, "(fwd)")) {
        copy[strlen(copy) - strlen("(fwd)")] = '\0';
        g_strchomp(copy);
        *ret_answer = TRUE;
    }
    for (;;) {
        gsize blob = blob_length(at);
        if ((n = answer_length(at)) > 0 || (n = answer_length(at + blob)) > 0) {
            at += at[0] == '[' ? blob + n : n;
            *ret_answer = TRUE;
        } else if (blob > 0 && at[blob] != '\0') {
            at += blob;
        } else {
            return g_utf8_casefold(at, -1);
        }
    }
}

static void
consider_subject(MailThreads *threads, guint node, gboolean refers,
                 const char *header, gsize length)
{
    MailMessage message = {
        .fields = mail_message_pack(header, length, NULL, 0, NULL, 0)};
    gboolean answer;
    g_autofree char *base =
        base_subject(mail_message_field(&message, MAIL_FIELD_SUBJECT), &answer);
    Subject *subject = g_hash_table_lookup(threads->subjects, base);
    gboolean orphan = answer && !refers;

    g_free(message.fields);
    if (*base == '\0')
        return;
    if (subject == NULL) {
        subject = g_new(Subject, 1);
        *subject = (Subject){node, orphan};
        g_hash_table_insert(threads->subjects, g_steal_pointer(&base), subject);
        return;
    }
    if (orphan || (subject->orphan && !answer))
        unite(threads, node, subject->node);
    if (!orphan && subject->orphan)
        *subject = (Subject){node, FALSE};
}

/* ---- messages ---- */

void
mail_threads_add(MailThreads *threads, guint32 uid, const char *header,
                 gsize length)
{
    const char *end = NULL;
    const char *at = find_field(header, length, "Message-ID", &end);
    char *id = at ? next_id(&at, end) : NULL;
    Member member = {uid, id ? node_of_id(threads, id) : add_node(threads)};
    gboolean refers =
        refer(threads, member.node, header, length, "References",
              REFERENCES_MAX) ||
        refer(threads, member.node, header, length, "In-Reply-To", 1);

    consider_subject(threads, member.node, refers, header, length);
    g_array_append_val(threads->members, member);
}

void
mail_threads_add_group(MailThreads *threads, const guint32 *uids, guint n)
{
    Member member = {0, add_node(threads)};

    for (guint i = 0; i < n; i++) {
        member.uid = uids[i];
        g_array_append_val(threads->members, member);
    }
}

/* ---- threads ---- */

static int
compare_by_uid(gconstpointer a, gconstpointer b)
{
    const Member *one = a;
    const Member *other = b;
    if (one->uid != other->uid)
        return one->uid < other->uid ? -1 : 1;
    return one->node < other->node ? -1 : one->node > other->node;
}

/* Those that are kept, each once, by UID.  The caller owns the result. */
static GArray *
list_members(MailThreads *threads, MailThreadsFilter keep, gpointer data)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(Member));
    guint32 last = 0;

    g_array_sort(threads->members, compare_by_uid);
    for (guint i = 0; i < threads->members->len; i++) {
        Member member = g_array_index(threads->members, Member, i);
        if (member.uid == last || (keep != NULL && !keep(member.uid, data)))
            continue;
        last = member.uid;
        member.node = find(threads, member.node);
        g_array_append_val(list, member);
    }
    return list;
}

void
mail_threads_close(MailThreads *threads, MailThreadsFilter keep, gpointer data)
{
    g_autoptr(GArray) list = list_members(threads, keep, data);
    g_autofree guint *lengths = g_new0(guint, threads->nodes->len + 1);
    g_autofree guint *ends = g_new(guint, threads->nodes->len + 1);
    guint total = 0;

    g_array_set_size(threads->starts, 0);
    g_array_set_size(threads->uids, list->len);
    for (guint i = 0; i < list->len; i++)
        lengths[g_array_index(list, Member, i).node]++;
    /* By UID, so a thread's place is that of its first message. */
    for (guint i = 0; i < list->len; i++) {
        Member member = g_array_index(list, Member, i);
        if (lengths[member.node] > 0) {
            g_array_append_val(threads->starts, total);
            ends[member.node] = total;
            total += lengths[member.node];
            lengths[member.node] = 0;
        }
        g_array_index(threads->uids, guint32, ends[member.node]++) = member.uid;
    }
    g_array_append_val(threads->starts, total);
}

static guint32
first_of(const MailThreads *threads, guint thread)
{
    guint start = g_array_index(threads->starts, guint, thread);
    return g_array_index(threads->uids, guint32, start);
}

const guint32 *
mail_threads_next(const MailThreads *threads, guint32 from, guint *ret_n)
{
    guint n = MAX(threads->starts->len, 1) - 1;
    guint low = 0;
    guint high = n;

    while (low < high) {
        guint middle = low + (high - low) / 2;
        if (first_of(threads, middle) < from)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == n)
        return NULL;
    *ret_n = g_array_index(threads->starts, guint, low + 1) -
             g_array_index(threads->starts, guint, low);
    return &g_array_index(threads->uids, guint32,
                          g_array_index(threads->starts, guint, low));
}

const guint32 *
mail_threads_get(const MailThreads *threads, guint32 first, guint *ret_n)
{
    const guint32 *uids = mail_threads_next(threads, first, ret_n);
    return uids != NULL && *uids == first ? uids : NULL;
}

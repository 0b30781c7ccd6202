/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include "world-peer.h"

/* The client broke a rule; the first time is remembered. */
static void
complain(WorldPeer *peer, const char *rule, const char *command)
{
    if (peer->world->complaint == NULL)
        peer->world->complaint = g_strdup_printf("%s: %s", rule, command);
}

/* Refuses unless the extension is offered. */
static gboolean
may_use(WorldPeer *peer, guint extension, const char *command)
{
    if (peer->world->offers & extension)
        return TRUE;
    complain(peer, "not advertised", command);
    return FALSE;
}

static void
reply_line(WorldPeer *peer, const char *tag, const char *answer)
{
    GString *text = g_string_new(NULL);
    g_string_printf(text, "%s %s\r\n", tag, answer);
    world_peer_reply(peer, text);
}

/* ---- capabilities ---- */

static void
login(WorldPeer *peer, const char *tag)
{
    static const struct {
        guint offer;
        const char *words;
    } table[] = {
        {WORLD_IDLE, " IDLE"},
        {WORLD_LIST_STATUS, " LIST-EXTENDED LIST-STATUS"},
        {WORLD_CONDSTORE, " CONDSTORE"},
        {WORLD_ESEARCH, " ESEARCH"},
        {WORLD_QRESYNC, " ENABLE QRESYNC"},
        {WORLD_UIDONLY, " UIDONLY"},
        {WORLD_OBJECTID, " OBJECTID"},
        {WORLD_UNSELECT, " UNSELECT"},
    };
    GString *text = g_string_new(NULL);

    g_string_printf(text, "%s OK [CAPABILITY IMAP4rev1 NAMESPACE", tag);
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        if (peer->world->offers & table[i].offer)
            g_string_append(text, table[i].words);
    }
    g_string_append(text, "] hello\r\n");
    world_peer_reply(peer, text);
}

static void
enable(WorldPeer *peer, const char *tag, const char *words)
{
    g_autoptr(GString) enabled = g_string_new(NULL);
    GString *text;

    if (!may_use(peer, WORLD_QRESYNC, "ENABLE") ||
        peer->world->lie == WORLD_REFUSES_ENABLE) {
        reply_line(peer, tag, "BAD what");
        return;
    }
    if (peer->selected != NULL) {
        complain(peer, "a mailbox is selected", "ENABLE");
        reply_line(peer, tag, "BAD not now");
        return;
    }
    peer->asked_enable = TRUE;
    if (strstr(words, "CONDSTORE"))
        g_string_append(enabled, " CONDSTORE");
    if (strstr(words, "QRESYNC"))
        g_string_append(enabled, " QRESYNC");
    if (strstr(words, "UIDONLY") && may_use(peer, WORLD_UIDONLY, words))
        g_string_append(enabled, " UIDONLY");
    if (peer->world->lie == WORLD_ENABLES_NOTHING) {
        reply_line(peer, tag, "OK enabled");
        return;
    }
    if (strstr(enabled->str, "STORE"))
        peer->enabled |= WORLD_CONDSTORE;
    if (strstr(enabled->str, "QRESYNC"))
        peer->enabled |= WORLD_CONDSTORE | WORLD_QRESYNC;
    if (strstr(enabled->str, "UIDONLY"))
        peer->enabled |= WORLD_UIDONLY;
    text = g_string_new(NULL);
    g_string_printf(text, "* ENABLED%s\r\n%s OK enabled\r\n", enabled->str,
                    tag);
    world_peer_reply(peer, text);
}

/* ---- mailboxes ---- */

static void
append_status(const WorldPeer *peer, GString *text, const WorldMailbox *mailbox,
              gboolean with_modseq)
{
    g_string_append_printf(
        text, "* STATUS \"%s\" (MESSAGES %u UIDNEXT %u UIDVALIDITY %u",
        mailbox->name, mailbox->messages->len, mailbox->uidnext,
        mailbox->uidvalidity);
    if (with_modseq && peer->world->offers & WORLD_CONDSTORE)
        g_string_append_printf(text, " HIGHESTMODSEQ %" G_GUINT64_FORMAT,
                               mailbox->nomodseq ? 0 : mailbox->modseq);
    g_string_append(text, ")\r\n");
}

static void
list(WorldPeer *peer, const char *tag, const char *arguments)
{
    GString *text = g_string_new(NULL);
    gboolean modseq = strstr(arguments, "HIGHESTMODSEQ") != NULL;

    if (modseq)
        may_use(peer, WORLD_CONDSTORE, arguments);
    if (strstr(arguments, "RETURN"))
        may_use(peer, WORLD_LIST_STATUS, arguments);
    for (guint i = 0; i < peer->world->mailboxes->len; i++) {
        const WorldMailbox *mailbox =
            g_ptr_array_index(peer->world->mailboxes, i);
        g_string_append_printf(text, "* LIST () \"/\" \"%s\"\r\n",
                               mailbox->name);
        if (strstr(arguments, "STATUS"))
            append_status(peer, text, mailbox, modseq);
    }
    g_string_append_printf(text, "%s OK listed\r\n", tag);
    world_peer_reply(peer, text);
}

/* The mailbox that is named first in ARGUMENTS, quoted or an atom; *RET_REST
 * is what follows. */
static WorldMailbox *
take_mailbox(const WorldPeer *peer, const char *arguments,
             const char **ret_rest)
{
    gboolean quoted = *arguments == '"';
    gsize length = strcspn(arguments + quoted, quoted ? "\"" : " ");
    g_autofree char *name = g_strndup(arguments + quoted, length);

    *ret_rest = arguments + quoted + length;
    return world_mailbox(peer->world, name);
}

static void
status(WorldPeer *peer, const char *tag, const char *arguments)
{
    const char *rest;
    const WorldMailbox *mailbox = take_mailbox(peer, arguments, &rest);
    GString *text;

    if (mailbox == NULL) {
        reply_line(peer, tag, "NO [NONEXISTENT] no such mailbox");
        return;
    }
    text = g_string_new(NULL);
    append_status(peer, text, mailbox, strstr(rest, "HIGHESTMODSEQ") != NULL);
    g_string_append_printf(text, "%s OK .\r\n", tag);
    world_peer_reply(peer, text);
}

static void
append_modseq(const WorldPeer *peer, GString *text)
{
    const World *world = peer->world;
    const WorldMailbox *mailbox = peer->selected;

    if (!(world->offers & WORLD_CONDSTORE)) {
        if (world->fake_modseq)
            g_string_append(text, "* OK [HIGHESTMODSEQ 1] .\r\n");
        return;
    }
    if (mailbox->nomodseq)
        g_string_append(text, "* OK [NOMODSEQ] .\r\n");
    else
        g_string_append_printf(
            text, "* OK [HIGHESTMODSEQ %" G_GUINT64_FORMAT "] .\r\n",
            world_lies(peer->world, WORLD_MODSEQ_BACK)
                ? MAX(mailbox->modseq - MIN(mailbox->modseq, 40), 1)
                : mailbox->modseq);
}

static void
select_mailbox(WorldPeer *peer, const char *tag, const char *arguments)
{
    GString *text = g_string_new(NULL);
    const char *parameters;

    if (peer->selected != NULL && peer->enabled & WORLD_QRESYNC)
        g_string_append(text, "* OK [CLOSED] .\r\n");
    g_array_set_size(peer->numbers, 0);
    g_hash_table_remove_all(peer->flags);
    peer->selected = take_mailbox(peer, arguments, &parameters);
    if (peer->selected == NULL) {
        g_string_append_printf(text, "%s NO [NONEXISTENT] no such mailbox\r\n",
                               tag);
        world_peer_reply(peer, text);
        return;
    }
    if (strstr(parameters, "CONDSTORE") &&
        may_use(peer, WORLD_CONDSTORE, arguments))
        peer->enabled |= WORLD_CONDSTORE;
    for (guint i = 0; i < peer->selected->messages->len; i++) {
        const WorldMessage *message = world_message_at(peer->selected, i);
        g_array_append_val(peer->numbers, message->uid);
        g_hash_table_insert(peer->flags, GUINT_TO_POINTER(message->uid),
                            GUINT_TO_POINTER(message->flags));
    }
    g_string_append_printf(
        text,
        "* FLAGS (\\Seen \\Flagged \\Answered $Forwarded Wichtig)\r\n"
        "* %u EXISTS\r\n* OK [UIDVALIDITY %u] .\r\n* OK [UIDNEXT %u] .\r\n",
        peer->numbers->len, peer->selected->uidvalidity,
        peer->selected->uidnext);
    append_modseq(peer, text);
    g_string_append_printf(text, "%s OK [READ-ONLY] selected\r\n", tag);
    world_peer_reply(peer, text);
}

/* ---- messages ---- */

static gboolean
in_set(const char *set, guint32 uid, guint32 last)
{
    g_auto(GStrv) ranges = g_strsplit(set, ",", -1);
    for (char **range = ranges; *range != NULL; range++) {
        char *colon = strchr(*range, ':');
        guint32 from = (guint32)strtoul(*range, NULL, 10);
        guint32 to = colon == NULL     ? from
                     : colon[1] == '*' ? last
                                       : (guint32)strtoul(colon + 1, NULL, 10);
        if (uid >= MIN(from, to) && uid <= MAX(from, to))
            return TRUE;
    }
    return FALSE;
}

static guint32
last_number(const WorldPeer *peer)
{
    guint n = peer->numbers->len;
    return n == 0 ? 0 : g_array_index(peer->numbers, guint32, n - 1);
}

static void
append_body(World *world, GString *text, const WorldMessage *message,
            const char *partial)
{
    guint64 origin = 0;
    guint64 length = G_MAXUINT64;

    if (sscanf(partial, "<%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT ">",
               &origin, &length) == 2)
        g_string_append_printf(text, "BODY[]<%" G_GUINT64_FORMAT ">", origin);
    else
        g_string_append(text, "BODY[]");
    origin = MIN(origin, message->size);
    length = MIN(length, message->size - origin);
    g_string_append_printf(text, " {%" G_GUINT64_FORMAT "}\r\n", length);
    for (guint64 i = 0; i < length; i++)
        g_string_append_c(
            text, (char)world_octet(world, message->content, origin + i));
    g_string_append_c(text, ' ');
}

static void
append_header(GString *text, const WorldMessage *message)
{
    g_autofree char *header =
        g_strdup_printf("Subject: no. %" G_GUINT64_FORMAT
                        "\r\nMessage-ID: <%" G_GUINT64_FORMAT "@world>\r\n\r\n",
                        message->content, message->content);
    g_string_append_printf(
        text, "BODY[HEADER.FIELDS (FROM TO SUBJECT MESSAGE-ID)] {%zu}\r\n%s ",
        strlen(header), header);
}

static void
append_parts(World *world, GString *text, const WorldMessage *message,
             const char *items)
{
    char *item;

    while ((item = letter_next_item(&items)) != NULL) {
        if (!g_str_has_prefix(item, "BODY.PEEK[]"))
            world_append_item(world, text, message->content, item);
        g_free(item);
    }
}

/* What a UID FETCH asks for. */
typedef struct {
    char *set;
    char *items;
    const char *partial; /* of BODY[], or NULL */
    gboolean flags, size, date, header, objectid, modseq;
    gboolean parts;    /* BODYSTRUCTURE, or sections other than BODY[] */
    gboolean changed;  /* CHANGEDSINCE */
    gboolean vanished; /* ... VANISHED */
    guint64 since;
} Fetch;

static void
clear_fetch(Fetch *fetch)
{
    g_free(fetch->set);
    g_free(fetch->items);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fetch, clear_fetch)

static void
parse_fetch(const char *arguments, Fetch *ret)
{
    const char *since = strstr(arguments, "(CHANGEDSINCE ");
    const char *space = arguments + strcspn(arguments, " ");

    *ret = (Fetch){.set = g_strndup(arguments, (gsize)(space - arguments)),
                   .items = since ? g_strndup(space, (gsize)(since - space))
                                  : g_strdup(space)};
    ret->partial = strstr(ret->items, "BODY.PEEK[]");
    if (ret->partial != NULL)
        ret->partial += strlen("BODY.PEEK[]");
    ret->flags = strstr(ret->items, "FLAGS") != NULL;
    ret->size = strstr(ret->items, "RFC822.SIZE") != NULL;
    ret->date = strstr(ret->items, "INTERNALDATE") != NULL;
    ret->header = strstr(ret->items, "HEADER.FIELDS (FROM TO SUBJ") != NULL;
    ret->parts = !ret->header && (strstr(ret->items, "BODYSTRUCTURE") != NULL ||
                                  strstr(ret->items, "PEEK[") != NULL);
    ret->objectid = strstr(ret->items, "EMAILID") != NULL;
    ret->modseq = strstr(ret->items, "MODSEQ") != NULL;
    ret->changed = since != NULL;
    ret->vanished = since != NULL && strstr(since, "VANISHED") != NULL;
    if (since != NULL)
        ret->since =
            g_ascii_strtoull(since + strlen("(CHANGEDSINCE "), NULL, 10);
}

/* FALSE when it was refused. */
static gboolean
may_fetch(WorldPeer *peer, const Fetch *fetch, const char *arguments)
{
    const WorldMailbox *mailbox = peer->selected;

    if (mailbox == NULL)
        return FALSE;
    if (fetch->objectid && !may_use(peer, WORLD_OBJECTID, arguments))
        return FALSE;
    if (fetch->modseq || fetch->changed) {
        if (!may_use(peer, WORLD_CONDSTORE, arguments))
            return FALSE;
        peer->enabled |= WORLD_CONDSTORE;
        if (mailbox->nomodseq && (fetch->changed || peer->world->strict))
            return FALSE;
    }
    if (fetch->changed && fetch->since == 0) {
        complain(peer, "a modseq is not 0", arguments);
        return FALSE;
    }
    if (fetch->vanished) {
        if (!may_use(peer, WORLD_QRESYNC, arguments))
            return FALSE;
        if (!peer->asked_enable && peer->world->lie != WORLD_REFUSES_ENABLE)
            complain(peer, "QRESYNC was not enabled", arguments);
        if (!(peer->enabled & WORLD_QRESYNC))
            return FALSE;
    }
    return TRUE;
}

static void
fetch_one(WorldPeer *peer, GString *text, const Fetch *fetch, guint number,
          guint32 uid)
{
    const WorldMessage *message = world_message(peer->selected, uid);
    g_autofree char *flags = NULL;

    peer->world->fetches++;
    peer->world->bodies += fetch->partial != NULL;
    world_peer_begin_fetch(peer, text, number, uid, TRUE);
    if (message == NULL) { /* expunged, the client does not know yet */
        g_string_append_printf(text, "%s%s",
                               fetch->size ? "RFC822.SIZE 0 " : "",
                               fetch->partial ? "BODY[] NIL" : "");
        /* Without any item this would be no FETCH. */
        if (!fetch->size && fetch->partial == NULL)
            g_string_append(text, "FLAGS ()");
        world_peer_end_fetch(text);
        return;
    }
    flags = world_flags_text(message->flags);
    if (fetch->size)
        g_string_append_printf(text, "RFC822.SIZE %u ", message->announced);
    if (fetch->flags) {
        g_string_append_printf(text, "FLAGS (%s) ", flags);
        g_hash_table_insert(peer->flags, GUINT_TO_POINTER(uid),
                            GUINT_TO_POINTER(message->flags));
    }
    if (fetch->modseq || fetch->changed)
        g_string_append_printf(text, "MODSEQ (%" G_GUINT64_FORMAT ") ",
                               peer->selected->nomodseq ? 1 : message->modseq);
    if (fetch->objectid)
        g_string_append_printf(text,
                               "EMAILID (M%" G_GUINT64_FORMAT ") THREADID NIL ",
                               message->content);
    if (fetch->date) {
        g_autoptr(GDateTime) date =
            g_date_time_new_from_unix_utc(message->date);
        g_autofree char *day =
            g_date_time_format(date, "%d-%b-%Y %H:%M:%S +0000");
        g_string_append_printf(text, "INTERNALDATE \"%s\" ", day);
    }
    if (fetch->header)
        append_header(text, message);
    if (fetch->partial != NULL)
        append_body(peer->world, text, message, fetch->partial);
    if (fetch->parts)
        append_parts(peer->world, text, message, fetch->items);
    world_peer_end_fetch(text);
}

static int
compare_uids(gconstpointer a, gconstpointer b)
{
    guint32 one = *(const guint32 *)a;
    guint32 other = *(const guint32 *)b;
    return one < other ? -1 : one > other;
}

/* All UIDs up to LAST that do not exist, as the client was told. */
static void
append_complement(const WorldPeer *peer, GString *text, guint32 last)
{
    guint32 from = 1;
    guint begin = (guint)text->len;

    for (guint i = 0; i <= peer->numbers->len; i++) {
        gboolean end = i == peer->numbers->len;
        guint32 uid = end ? last : g_array_index(peer->numbers, guint32, i);
        guint32 to = end ? last : MIN(uid - 1, last);
        if (from <= to && from != 0)
            g_string_append_printf(text, "%s%u:%u",
                                   text->len > begin ? "," : "", from, to);
        if (!end)
            from = uid + 1;
    }
}

static void
append_earlier(WorldPeer *peer, GString *text, const Fetch *fetch)
{
    const WorldMailbox *mailbox = peer->selected;
    World *world = peer->world;
    g_autoptr(GArray) uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_autoptr(GString) set = g_string_new(NULL);
    gboolean leave_out = world_lies(world, WORLD_FORGETS_SOME);
    guint32 to = mailbox->uidnext - 1;

    for (guint i = 0; i < mailbox->gone->len; i++) {
        const WorldGone *gone = &g_array_index(mailbox->gone, WorldGone, i);
        gboolean told =
            g_hash_table_contains(peer->flags, GUINT_TO_POINTER(gone->uid));
        /* Those that went since EXAMINE are told as VANISHED. */
        if (gone->modseq <= fetch->since || told ||
            !in_set(fetch->set, gone->uid, last_number(peer)))
            continue;
        if (!leave_out || g_rand_int_range(world->rand, 0, 2) == 0)
            g_array_append_val(uids, gone->uid);
    }
    g_array_sort(uids, compare_uids);
    if (strchr(fetch->set, ':') && strchr(fetch->set, '*') == NULL)
        to = (guint32)strtoul(strchr(fetch->set, ':') + 1, NULL, 10);
    if (world_lies(world, WORLD_VANISHES_ALL))
        append_complement(peer, set, G_MAXUINT32);
    else if (fetch->since < mailbox->history ||
             (uids->len > 0 && world->complements && !leave_out))
        append_complement(peer, set, to);
    else
        world_append_set(set, uids);
    if (set->len > 0)
        g_string_append_printf(text, "* VANISHED (EARLIER) %s\r\n", set->str);
    world->vanished++;
}

static void
fetch_messages(WorldPeer *peer, const char *tag, const char *arguments)
{
    g_auto(Fetch) fetch = {.set = NULL};
    GString *text;

    parse_fetch(arguments, &fetch);
    if (!may_fetch(peer, &fetch, arguments)) {
        reply_line(peer, tag, "BAD no");
        return;
    }
    text = g_string_new(NULL);
    peer->world->deltas += fetch.changed;
    if (fetch.vanished)
        append_earlier(peer, text, &fetch);
    for (guint i = 0; i < peer->numbers->len; i++) {
        guint32 uid = g_array_index(peer->numbers, guint32, i);
        const WorldMessage *message = world_message(peer->selected, uid);
        if (!in_set(fetch.set, uid, last_number(peer)) ||
            (fetch.changed &&
             (message == NULL || message->modseq <= fetch.since)))
            continue;
        fetch_one(peer, text, &fetch, i + 1, uid);
        /* A reply that is long comes in several bursts. */
        if (text->len > 4096) {
            world_peer_reply(peer, text);
            text = g_string_new(NULL);
        }
    }
    if (world_peer_news(peer, text) && peer->enabled & WORLD_QRESYNC &&
        !peer->selected->nomodseq)
        g_string_append_printf(
            text, "%s OK [HIGHESTMODSEQ %" G_GUINT64_FORMAT "] fetched\r\n",
            tag, peer->selected->modseq);
    else
        g_string_append_printf(text, "%s OK fetched\r\n", tag);
    world_peer_reply(peer, text);
}

/* "RETURN (ALL) UID 1:7", "UID 1:7" or "ALL". */
static void
search(WorldPeer *peer, const char *tag, const char *arguments)
{
    World *world = peer->world;
    gboolean extended = g_str_has_prefix(arguments, "RETURN (ALL) ");
    const char *key =
        extended ? arguments + strlen("RETURN (ALL) ") : arguments;
    const char *set = g_str_has_prefix(key, "UID ") ? key + 4 : "1:*";
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(guint32));
    GString *text;

    world->searches++;
    if (peer->selected == NULL ||
        (extended && !may_use(peer, WORLD_ESEARCH, arguments))) {
        reply_line(peer, tag, "BAD no");
        return;
    }
    for (guint i = 0; i < peer->numbers->len; i++) {
        guint32 uid = g_array_index(peer->numbers, guint32, i);
        if (in_set(set, uid, last_number(peer)) &&
            world_message(peer->selected, uid) != NULL)
            g_array_append_val(found, uid);
    }
    if (world_lies(world, WORLD_FINDS_NOTHING))
        g_array_set_size(found, 0);
    text = g_string_new(NULL);
    if (extended) {
        g_string_append_printf(text, "* ESEARCH (TAG \"%s\") UID%s", tag,
                               found->len > 0 ? " ALL " : "");
        world_append_set(text, found);
    } else {
        g_string_append(text, "* SEARCH");
        /* In no order (RFC 3501, 7.2.5). */
        for (guint i = found->len; i-- > 0;)
            g_string_append_printf(text, " %u",
                                   g_array_index(found, guint32, i));
    }
    g_string_append(text, "\r\n");
    world_peer_news(peer, text);
    g_string_append_printf(text, "%s OK searched\r\n", tag);
    world_peer_reply(peer, text);
}

/* ---- the rest ---- */

static void
done(WorldPeer *peer)
{
    GString *text = g_string_new(NULL);

    world_peer_news(peer, text);
    g_string_append_printf(text, "%s OK idle\r\n",
                           peer->idle_tag ? peer->idle_tag : "*");
    g_clear_pointer(&peer->idle_tag, g_free);
    world_peer_reply(peer, text);
}

static void
idle(WorldPeer *peer, const char *tag, const char *arguments)
{
    GString *text = g_string_new("+ idling\r\n");

    (void)arguments;
    may_use(peer, WORLD_IDLE, "IDLE");
    peer->idle_tag = g_strdup(tag);
    world_peer_news(peer, text);
    world_peer_reply(peer, text);
}

static void
unselect(WorldPeer *peer, const char *tag, const char *arguments)
{
    may_use(peer, WORLD_UNSELECT, arguments);
    peer->selected = NULL;
    g_array_set_size(peer->numbers, 0);
    g_hash_table_remove_all(peer->flags);
    reply_line(peer, tag, "OK .");
}

static void
noop(WorldPeer *peer, const char *tag, const char *arguments)
{
    GString *text = g_string_new(NULL);

    (void)arguments;
    world_peer_news(peer, text);
    g_string_append_printf(text, "%s OK .\r\n", tag);
    world_peer_reply(peer, text);
}

static void
take_login(WorldPeer *peer, const char *tag, const char *arguments)
{
    (void)arguments;
    login(peer, tag);
}

static void
tell_namespace(WorldPeer *peer, const char *tag, const char *arguments)
{
    GString *text = g_string_new("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");

    (void)arguments;
    g_string_append_printf(text, "%s OK .\r\n", tag);
    world_peer_reply(peer, text);
}

static void
logout(WorldPeer *peer, const char *tag, const char *arguments)
{
    GString *text = g_string_new("* BYE .\r\n");

    (void)arguments;
    g_string_append_printf(text, "%s OK .\r\n", tag);
    world_peer_reply(peer, text);
}

static const struct {
    const char *name;
    void (*answer)(WorldPeer *peer, const char *tag, const char *arguments);
} commands[] = {
    {"AUTHENTICATE ", take_login},
    {"LOGIN ", take_login},
    {"ENABLE ", enable},
    {"NAMESPACE", tell_namespace},
    {"LIST ", list},
    {"STATUS ", status},
    {"EXAMINE ", select_mailbox},
    {"UID FETCH ", fetch_messages},
    {"UID SEARCH ", search},
    {"IDLE", idle},
    {"NOOP", noop},
    {"UNSELECT", unselect},
    {"LOGOUT", logout},
};

void
world_peer_answer(WorldPeer *peer, char *line)
{
    char *command = strchr(line, ' ');

    if (g_ascii_strcasecmp(line, "DONE") == 0) {
        done(peer);
        return;
    }
    if (command == NULL) {
        reply_line(peer, "*", "BAD what");
        return;
    }
    *command++ = '\0';
    for (guint i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (g_str_has_prefix(command, commands[i].name)) {
            commands[i].answer(peer, line, command + strlen(commands[i].name));
            return;
        }
    }
    complain(peer, "an unknown command", command);
    reply_line(peer, line, "BAD what");
}

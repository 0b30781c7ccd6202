/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include "imap/frame.h"
#include "imap/limits.h"
#include "imap/response.h"

/* ---- a response as one line of text ---- */

static void
add_slice(GString *text, const char *name, ImapSlice slice)
{
    g_string_append_printf(text, " %s=", name);
    if (slice.data == NULL)
        g_string_append(text, "NIL");
    else
        g_string_append_printf(text, "<%.*s>", (int)slice.length, slice.data);
}

static void
add_status(GString *text, const ImapResponse *response)
{
    static const char *const codes[] = {
        [IMAP_CODE_OTHER] = "other",
        [IMAP_CODE_ALERT] = "alert",
        [IMAP_CODE_CAPABILITY] = "capability",
        [IMAP_CODE_UIDVALIDITY] = "uidvalidity",
        [IMAP_CODE_UIDNEXT] = "uidnext",
        [IMAP_CODE_HIGHESTMODSEQ] = "highestmodseq",
        [IMAP_CODE_NOMODSEQ] = "nomodseq",
        [IMAP_CODE_UIDNOTSTICKY] = "uidnotsticky",
        [IMAP_CODE_NOTIFICATIONOVERFLOW] = "notificationoverflow",
        [IMAP_CODE_CLOSED] = "closed",
        [IMAP_CODE_NONEXISTENT] = "nonexistent",
        [IMAP_CODE_NOPERM] = "noperm",
        [IMAP_CODE_AUTHENTICATIONFAILED] = "authenticationfailed",
        [IMAP_CODE_AUTHORIZATIONFAILED] = "authorizationfailed",
        [IMAP_CODE_EXPIRED] = "expired",
        [IMAP_CODE_UNAVAILABLE] = "unavailable",
        [IMAP_CODE_LIMIT] = "limit",
        [IMAP_CODE_INUSE] = "inuse",
        [IMAP_CODE_EXPUNGEISSUED] = "expungeissued",
        [IMAP_CODE_INPROGRESS] = "inprogress",
    };
    const ImapStatusText *status = &response->status;

    if (response->tag.data != NULL)
        add_slice(text, "tag", response->tag);
    if (status->code != IMAP_CODE_NONE)
        g_string_append_printf(text, " [%s]", codes[status->code]);
    if (status->number != 0)
        g_string_append_printf(text, " %" G_GUINT64_FORMAT, status->number);
    if (status->argument.data != NULL)
        add_slice(text, "argument", status->argument);
    add_slice(text, "text", status->text);
}

static void
add_namespaces(GString *text, const ImapResponse *response)
{
    for (guint i = 0; i < G_N_ELEMENTS(response->namespaces); i++) {
        ImapSlice list = response->namespaces[i];
        ImapSlice prefix;
        char delimiter;
        g_string_append(text, " |");
        while (imap_next_namespace(&list, &prefix, &delimiter)) {
            add_slice(text, "prefix", prefix);
            g_string_append_printf(text, " %c", delimiter ? delimiter : '0');
        }
    }
}

static void
add_list(GString *text, const ImapList *list)
{
    add_slice(text, "name", list->name);
    g_string_append_printf(text, " %c",
                           list->delimiter ? list->delimiter : '0');
    if (list->attributes & IMAP_LIST_NOSELECT)
        g_string_append(text, " noselect");
    if (list->attributes & IMAP_LIST_NONEXISTENT)
        g_string_append(text, " nonexistent");
    if (list->special_use.data != NULL)
        add_slice(text, "use", list->special_use);
}

static void
add_mailbox_status(GString *text, const ImapMailboxStatus *status)
{
    add_slice(text, "name", status->name);
    if (status->items & IMAP_STATUS_MESSAGES)
        g_string_append_printf(text, " messages=%" G_GUINT64_FORMAT,
                               status->messages);
    if (status->items & IMAP_STATUS_UIDNEXT)
        g_string_append_printf(text, " uidnext=%" G_GUINT64_FORMAT,
                               status->uidnext);
    if (status->items & IMAP_STATUS_UIDVALIDITY)
        g_string_append_printf(text, " uidvalidity=%" G_GUINT64_FORMAT,
                               status->uidvalidity);
    if (status->items & IMAP_STATUS_MODSEQ)
        g_string_append_printf(text, " modseq=%" G_GUINT64_FORMAT,
                               status->modseq);
}

static void
add_fetch(GString *text, const ImapFetch *fetch)
{
    g_string_append_printf(text, " %u uid=%u", fetch->number, fetch->uid);
    if (fetch->items & IMAP_FETCH_FLAGS)
        add_slice(text, "flags", fetch->flags);
    if (fetch->items & IMAP_FETCH_INTERNALDATE)
        g_string_append_printf(text, " date=%" G_GINT64_FORMAT,
                               fetch->internaldate);
    if (fetch->items & IMAP_FETCH_SIZE)
        g_string_append_printf(text, " size=%" G_GUINT64_FORMAT, fetch->size);
    if (fetch->items & IMAP_FETCH_MODSEQ)
        g_string_append_printf(text, " modseq=%" G_GUINT64_FORMAT,
                               fetch->modseq);
    if (fetch->emailid.data != NULL)
        add_slice(text, "emailid", fetch->emailid);
    if (fetch->threadid.data != NULL)
        add_slice(text, "threadid", fetch->threadid);
    for (guint i = 0; i < fetch->n_bodies; i++) {
        add_slice(text, "section", fetch->bodies[i].section);
        if (fetch->bodies[i].origin >= 0)
            g_string_append_printf(text, "@%" G_GINT64_FORMAT,
                                   fetch->bodies[i].origin);
        add_slice(text, "data", fetch->bodies[i].data);
    }
}

static void
add_found(GString *text, const ImapFound *found)
{
    if (found->extended)
        add_slice(text, "of", found->tag);
    if (found->counted)
        g_string_append_printf(text, " count=%" G_GUINT64_FORMAT, found->count);
    add_slice(text, "found", found->uids);
}

static void
add_threads(GString *text, ImapSlice threads)
{
    g_autoptr(GArray) uids = g_array_new(FALSE, FALSE, sizeof(guint32));

    while (imap_next_thread(&threads, uids)) {
        g_string_append(text, " <");
        for (guint i = 0; i < uids->len; i++)
            g_string_append_printf(text, "%s%u", i > 0 ? " " : "",
                                   g_array_index(uids, guint32, i));
        g_string_append_c(text, '>');
        g_array_set_size(uids, 0);
    }
}

static char *
describe(const ImapResponse *response)
{
    static const char *const kinds[] = {
        [IMAP_OTHER] = "other",
        [IMAP_CONTINUE] = "continue",
        [IMAP_OK] = "ok",
        [IMAP_NO] = "no",
        [IMAP_BAD] = "bad",
        [IMAP_BYE] = "bye",
        [IMAP_PREAUTH] = "preauth",
        [IMAP_CAPABILITY] = "capability",
        [IMAP_NAMESPACE] = "namespace",
        [IMAP_LIST] = "list",
        [IMAP_STATUS] = "status",
        [IMAP_EXISTS] = "exists",
        [IMAP_EXPUNGE] = "expunge",
        [IMAP_VANISHED] = "vanished",
        [IMAP_ENABLED] = "enabled",
        [IMAP_SEARCH] = "search",
        [IMAP_THREAD] = "thread",
        [IMAP_FETCH] = "fetch",
    };
    GString *text = g_string_new(kinds[response->kind]);

    switch (response->kind) {
    case IMAP_OTHER:
        break;
    case IMAP_CONTINUE:
    case IMAP_OK:
    case IMAP_NO:
    case IMAP_BAD:
    case IMAP_BYE:
    case IMAP_PREAUTH:
        add_status(text, response);
        break;
    case IMAP_CAPABILITY:
    case IMAP_ENABLED:
        add_slice(text, "words", response->capabilities);
        break;
    case IMAP_NAMESPACE:
        add_namespaces(text, response);
        break;
    case IMAP_LIST:
        add_list(text, &response->list);
        break;
    case IMAP_STATUS:
        add_mailbox_status(text, &response->mailbox);
        break;
    case IMAP_EXISTS:
    case IMAP_EXPUNGE:
        g_string_append_printf(text, " %u", response->number);
        break;
    case IMAP_VANISHED:
        g_string_append(text, response->vanished.earlier ? " earlier" : "");
        add_slice(text, "uids", response->vanished.uids);
        break;
    case IMAP_SEARCH:
        add_found(text, &response->found);
        break;
    case IMAP_THREAD:
        add_threads(text, response->threads);
        break;
    case IMAP_FETCH:
        add_fetch(text, &response->fetch);
        break;
    }
    return g_string_free(text, FALSE);
}

/* ---- rows ---- */

static const struct {
    const char *name;
    const char *data;
    gsize length;
    const char *response;
} rows[] = {
    /* Status responses. */
    {"Dovecot's greeting",
     OCTETS("* OK [CAPABILITY IMAP4rev1 IDLE] Dovecot ready.\r\n"),
     "ok [capability] argument=<IMAP4rev1 IDLE> text=<Dovecot ready.>"},
    {"minimal greeting", OCTETS("* OK\r\n"), "ok text=<>"},
    {"greeting with a blank only", OCTETS("* OK \r\n"), "ok text=<>"},
    {"PREAUTH", OCTETS("* PREAUTH hello\r\n"), "preauth text=<hello>"},
    {"BYE", OCTETS("* BYE Killed (lost mailbox lock)\r\n"),
     "bye text=<Killed (lost mailbox lock)>"},
    {"a greeting that is none", OCTETS("220 smtp.example.org ESMTP\r\n"),
     "other"},
    {"mutt CVE-2018-14349: NO without text", OCTETS("A1 NO\r\n"),
     "no tag=<A1> text=<>"},
    {"tagged OK", OCTETS("A1 OK done\r\n"), "ok tag=<A1> text=<done>"},
    {"tagged BAD", OCTETS("A1 BAD what?\r\n"), "bad tag=<A1> text=<what?>"},
    {"tagged BYE does not exist", OCTETS("A1 BYE\r\n"), "other"},
    {"tagged nonsense", OCTETS("A1 FETCH (UID 5)\r\n"), "other"},
    {"tag only", OCTETS("A1\r\n"), "other"},
    {"empty line", OCTETS("\r\n"), "other"},
    {"star only", OCTETS("*\r\n"), "other"},
    {"UIDVALIDITY", OCTETS("* OK [UIDVALIDITY 1700000000] UIDs valid\r\n"),
     "ok [uidvalidity] 1700000000 text=<UIDs valid>"},
    {"UIDVALIDITY beyond 32 bit (wildduck)",
     OCTETS("* OK [UIDVALIDITY 1700000000000] ok\r\n"),
     "ok [uidvalidity] 1700000000000 text=<ok>"},
    {"UIDVALIDITY without a number", OCTETS("* OK [UIDVALIDITY] ok\r\n"),
     "ok [other] text=<ok>"},
    {"UIDVALIDITY of a word", OCTETS("* OK [UIDVALIDITY x] ok\r\n"),
     "ok [other] text=<ok>"},
    {"UIDVALIDITY of 2^64",
     OCTETS("* OK [UIDVALIDITY 18446744073709551616]\r\n"),
     "ok [other] text=<>"},
    {"HIGHESTMODSEQ", OCTETS("* OK [HIGHESTMODSEQ 9223372036854775807]\r\n"),
     "ok [highestmodseq] 9223372036854775807 text=<>"},
    {"NOMODSEQ", OCTETS("* OK [NOMODSEQ] sorry\r\n"),
     "ok [nomodseq] text=<sorry>"},
    {"AUTHENTICATIONFAILED",
     OCTETS("A1 NO [AUTHENTICATIONFAILED] Authentication failed.\r\n"),
     "no tag=<A1> [authenticationfailed] text=<Authentication failed.>"},
    {"Dovecot: too many connections",
     OCTETS("A1 NO [LIMIT] Maximum number of connections\r\n"),
     "no tag=<A1> [limit] text=<Maximum number of connections>"},
    {"case of a code", OCTETS("A1 no [alert] x\r\n"),
     "no tag=<A1> [alert] text=<x>"},
    {"empty code", OCTETS("A1 OK [] x\r\n"), "ok tag=<A1> [other] text=<x>"},
    {"code without end", OCTETS("A1 OK [ALERT x\r\n"),
     "ok tag=<A1> text=<ALERT x>"},
    {"code with a list",
     OCTETS("* OK [PERMANENTFLAGS (\\Seen \\*)] Limited\r\n"),
     "ok [other] text=<Limited>"},
    {"INPROGRESS (RFC 9585)",
     OCTETS("* OK [INPROGRESS (\"A1\" 454 1000)] Processed\r\n"),
     "ok [inprogress] text=<Processed>"},
    {"REFERRAL", OCTETS("A1 NO [REFERRAL imap://x/] no\r\n"),
     "no tag=<A1> [other] text=<no>"},
    {"8-bit text", OCTETS("A1 NO gel\366scht\r\n"),
     "no tag=<A1> text=<gel\366scht>"},
    {"continuation", OCTETS("+ idling\r\n"), "continue text=<idling>"},
    {"bare continuation", OCTETS("+\r\n"), "continue text=<>"},
    {"continuation without a blank", OCTETS("+OK\r\n"), "continue text=<OK>"},
    {"no CR", OCTETS("A1 OK x\n"), "ok tag=<A1> text=<x>"},
    {"no line end", OCTETS("A1 OK x"), "ok tag=<A1> text=<x>"},
    {"nothing", OCTETS(""), "other"},

    {"CAPABILITY", OCTETS("* CAPABILITY IMAP4rev1 IDLE\r\n"),
     "capability words=<IMAP4rev1 IDLE>"},
    {"empty CAPABILITY", OCTETS("* CAPABILITY\r\n"), "capability words=<>"},
    {"CVE-2026-92240: untagged ID", OCTETS("* ID\r\n"), "other"},
    {"ID", OCTETS("* ID (\"name\" \"Dovecot\")\r\n"), "other"},
    {"ID NIL", OCTETS("* ID NIL\r\n"), "other"},

    /* Numbers. */
    {"EXISTS", OCTETS("* 23 EXISTS\r\n"), "exists 23"},
    {"fetchmail CVE-2002-0146", OCTETS("* 4294967295 EXISTS\r\n"),
     "exists 4294967295"},
    {"2^32 EXISTS", OCTETS("* 4294967296 EXISTS\r\n"), "other"},
    {"2^64 EXISTS", OCTETS("* 18446744073709551616 EXISTS\r\n"), "other"},
    {"-1 EXISTS", OCTETS("* -1 EXISTS\r\n"), "other"},
    {"EXISTS without a number", OCTETS("* EXISTS\r\n"), "other"},
    {"no blank behind the number", OCTETS("* 5EXISTS\r\n"), "other"},
    {"number only", OCTETS("* 5\r\n"), "other"},
    {"EXPUNGE", OCTETS("* 7 EXPUNGE\r\n"), "expunge 7"},
    {"RECENT", OCTETS("* 0 RECENT\r\n"), "other"},
    {"numbered OK", OCTETS("* 5 OK x\r\n"), "other"},

    /* LIST. */
    {"Dovecot", OCTETS("* LIST (\\HasNoChildren \\Sent) \".\" Sent\r\n"),
     "list name=<Sent> . use=<\\Sent>"},
    {"Courier: quoted name",
     OCTETS("* LIST (\\HasNoChildren) \".\" \"INBOX.Sent Items\"\r\n"),
     "list name=<INBOX.Sent Items> ."},
    {"Gmail", OCTETS("* LIST (\\HasChildren \\Noselect) \"/\" \"[Gmail]\"\r\n"),
     "list name=<[Gmail]> / noselect"},
    {"NonExistent means Noselect",
     OCTETS("* LIST (\\NonExistent \\HasChildren) \"/\" a\r\n"),
     "list name=<a> / noselect nonexistent"},
    {"flat", OCTETS("* LIST () NIL INBOX\r\n"), "list name=<INBOX> 0"},
    {"empty delimiter", OCTETS("* LIST () \"\" INBOX\r\n"),
     "list name=<INBOX> 0"},
    {"backslash delimiter", OCTETS("* LIST () \"\\\\\" \"a\\\\b\"\r\n"),
     "list name=<a\\b> \\"},
    {"delimiter of two octets", OCTETS("* LIST () \"::\" a\r\n"), "other"},
    {"literal name", OCTETS("* LIST () \"/\" {4}\r\na\"b\n\r\n"),
     "list name=<a\"b\n> /"},
    {"empty name", OCTETS("* LIST (\\Noselect) \"/\" \"\"\r\n"),
     "list name=<> / noselect"},
    {"a mailbox named NIL", OCTETS("* LIST () \"/\" NIL\r\n"),
     "list name=<NIL> /"},
    {"a mailbox named ..", OCTETS("* LIST () \"/\" ..\r\n"),
     "list name=<..> /"},
    {"blanks", OCTETS("*  LIST  ()  \"/\"  a\r\n"), "list name=<a> /"},
    {"LIST-EXTENDED",
     OCTETS("* LIST () \"/\" a (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n"),
     "list name=<a> /"},
    {"no name", OCTETS("* LIST () \"/\"\r\n"), "other"},
    {"no attributes", OCTETS("* LIST \"/\" a\r\n"), "other"},
    {"nothing behind LIST", OCTETS("* LIST\r\n"), "other"},

    /* STATUS. */
    {"STATUS",
     OCTETS("* STATUS a (MESSAGES 231 UIDNEXT 44292 UIDVALIDITY 7)\r\n"),
     "status name=<a> messages=231 uidnext=44292 uidvalidity=7"},
    {"unknown items",
     OCTETS("* STATUS \"a b\" (SIZE 5 HIGHESTMODSEQ 9 X (a (b)))\r\n"),
     "status name=<a b> modseq=9"},
    {"empty STATUS", OCTETS("* STATUS a ()\r\n"), "status name=<a>"},
    {"libetpan CVE-2022-4121", OCTETS("* STATUS\r\n"), "other"},
    {"STATUS without end", OCTETS("* STATUS a (MESSAGES 5\r\n"), "other"},
    {"mutt CVE-2018-14351",
     OCTETS("* STATUS a (MESSAGES 99999999999999999999999999)\r\n"), "other"},
    {"blank behind the name (RFC 2683)",
     OCTETS("* STATUS INBOX (MESSAGES 5 ) \r\n"),
     "status name=<INBOX> messages=5"},

    /* NAMESPACE. */
    {"Courier's namespaces",
     OCTETS("* NAMESPACE ((\"INBOX.\" \".\")) NIL ((\"#shared.\" \".\")("
            "\"shared.\" \".\"))\r\n"),
     "namespace | prefix=<INBOX.> . | | prefix=<#shared.> . "
     "prefix=<shared.> ."},
    {"Dovecot's", OCTETS("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"),
     "namespace | prefix=<> / | |"},
    {"flat", OCTETS("* NAMESPACE ((\"\" NIL)) NIL NIL\r\n"),
     "namespace | prefix=<> 0 | |"},
    {"extensions (RFC 2342)",
     OCTETS("* NAMESPACE ((\"\" \"/\")) ((\"~\" \"/\" \"X-PARAM\" (\"FLAG1\" "
            "\"FLAG2\"))) NIL\r\n"),
     "namespace | prefix=<> / | prefix=<~> / |"},
    {"backslash delimiter",
     OCTETS("* NAMESPACE ((\"a\\\\\" \"\\\\\")) NIL NIL\r\n"),
     "namespace | prefix=<a\\> \\ | |"},
    /* A namespace is read twice, and unescaped once. */
    {"escapes in a prefix",
     OCTETS("* NAMESPACE ((\"a\\\\b\\\\\" \"\\\\\")) NIL NIL\r\n"),
     "namespace | prefix=<a\\b\\> \\ | |"},
    {"quotes in a prefix",
     OCTETS("* NAMESPACE ((\"a\\\"bcd/\" \"/\")) NIL NIL\r\n"),
     "namespace | prefix=<a\"bcd/> / | |"},
    {"two only", OCTETS("* NAMESPACE NIL NIL\r\n"), "other"},
    {"a namespace of nothing", OCTETS("* NAMESPACE (()) NIL NIL\r\n"),
     "namespace | | |"},

    /* VANISHED. */
    {"ENABLED", OCTETS("* ENABLED QRESYNC\r\n"), "enabled words=<QRESYNC>"},
    {"SEARCH", OCTETS("* SEARCH 2 84 882\r\n"), "search found=<2,84,882>"},
    {"SEARCH with MODSEQ", OCTETS("* SEARCH 2 5 (MODSEQ 917162500)\r\n"),
     "search found=<2,5>"},
    {"an empty SEARCH", OCTETS("* SEARCH\r\n"), "search found=NIL"},
    {"ESEARCH",
     OCTETS("* ESEARCH (TAG \"A285\") UID MIN 7 ALL 7:9,30 COUNT 4\r\n"),
     "search of=<A285> count=4 found=<7:9,30>"},
    {"ESEARCH of nothing (Strato)", OCTETS("* ESEARCH (TAG \"A285\") UID\r\n"),
     "search of=<A285> found=NIL"},
    {"ESEARCH, the count alone (iCloud)",
     OCTETS("* ESEARCH (TAG \"A285\") UID COUNT 4\r\n"),
     "search of=<A285> count=4 found=NIL"},
    {"ESEARCH without a tag", OCTETS("* ESEARCH UID COUNT 1 ALL 4\r\n"),
     "search of=NIL count=1 found=<4>"},
    {"ESEARCH, the tag an atom", OCTETS("* ESEARCH (TAG a1) ALL 4\r\n"),
     "search of=<a1> found=<4>"},
    {"ESEARCH of something else", OCTETS("* ESEARCH (MAILBOX x) ALL 4\r\n"),
     "search of=NIL found=<4>"},
    {"ESEARCH, COUNT no number",
     OCTETS("* ESEARCH (TAG \"a\") UID COUNT x ALL 4\r\n"),
     "search of=<a> found=NIL"},
    {"THREAD (RFC 5256, 4)", OCTETS("* THREAD (2)(3 6 (4 23)(44 7 96))\r\n"),
     "thread <2> <3 6 4 23 44 7 96>"},
    {"THREAD of siblings", OCTETS("* THREAD ((3)(5))\r\n"), "thread <3 5>"},
    {"THREAD of nothing", OCTETS("* THREAD\r\n"), "thread"},
    {"THREAD with blanks", OCTETS("* THREAD (1) (2 3)\r\n"),
     "thread <1> <2 3>"},
    {"THREAD, an end too few", OCTETS("* THREAD (1)(2 (3)\r\n"), "thread <1>"},
    {"THREAD, an end too many", OCTETS("* THREAD (1))(2)\r\n"), "thread <1>"},
    {"THREAD, no numbers", OCTETS("* THREAD (1)(x)(2)\r\n"), "thread <1>"},
    {"THREAD, 0 is no UID", OCTETS("* THREAD (1)(0)\r\n"), "thread <1>"},
    {"VANISHED", OCTETS("* VANISHED 405,407\r\n"), "vanished uids=<405,407>"},
    {"VANISHED (EARLIER)", OCTETS("* VANISHED (EARLIER) 41,43:116\r\n"),
     "vanished earlier uids=<41,43:116>"},
    {"all that can be", OCTETS("* VANISHED (EARLIER) 1:4294967295\r\n"),
     "vanished earlier uids=<1:4294967295>"},
    {"VANISHED without UIDs", OCTETS("* VANISHED (EARLIER)\r\n"), "other"},

    /* FETCH. */
    {"flags", OCTETS("* 5 FETCH (UID 12 FLAGS (\\Seen $Junk))\r\n"),
     "fetch 5 uid=12 flags=<\\Seen $Junk>"},
    {"a listing",
     OCTETS("* 1 FETCH (UID 7 FLAGS () INTERNALDATE \"17-Jul-1996 02:44:25 "
            "-0700\" RFC822.SIZE 4286 MODSEQ (12121231000))\r\n"),
     "fetch 1 uid=7 flags=<> date=837596665 size=4286 modseq=12121231000"},
    {"date that is none",
     OCTETS(
         "* 1 FETCH (UID 7 INTERNALDATE \"30-Foo-2024 12:00:00 +0000\")\r\n"),
     "fetch 1 uid=7 date=0"},
    {"INTERNALDATE NIL", OCTETS("* 1 FETCH (UID 7 INTERNALDATE NIL)\r\n"),
     "fetch 1 uid=7 date=0"},
    {"case of names", OCTETS("* 1 fetch (uid 7 rfc822.size 3)\r\n"),
     "fetch 1 uid=7 size=3"},
    {"Dovecot: BODY[] NIL after an expunge",
     OCTETS("* 2 FETCH (UID 2 BODY[] NIL)\r\n"),
     "fetch 2 uid=2 section=<> data=NIL"},
    {"imap4d: BODY[] \"\" after an expunge",
     OCTETS("* 2 FETCH (UID 2 BODY[] \"\")\r\n"),
     "fetch 2 uid=2 section=<> data=<>"},
    {"Courier: a fake message after an expunge",
     OCTETS("* 2 FETCH (UID 2 RFC822.SIZE 129 BODY[] {49}\r\n"
            "From: System Administrator\r\n"
            "\r\nmessage unavailable)\r\n"),
     "fetch 2 uid=2 size=129 section=<> data=<From: System Administrator\r\n"
     "\r\nmessage unavailable>"},
    {"iCloud: no body at all", OCTETS("* 2 FETCH (UID 2)\r\n"),
     "fetch 2 uid=2"},
    {"empty", OCTETS("* 2 FETCH ()\r\n"), "fetch 2 uid=0"},
    {"partial", OCTETS("* 2 FETCH (UID 2 BODY[]<1024> {3}\r\nabc)\r\n"),
     "fetch 2 uid=2 section=<>@1024 data=<abc>"},
    {"Hoodiecrow: <10.50>",
     OCTETS("* 2 FETCH (UID 2 BODY[]<10.50> \"abc\")\r\n"),
     "fetch 2 uid=2 section=<>@10 data=<abc>"},
    {"beyond the end", OCTETS("* 2 FETCH (UID 2 BODY[]<99> {0}\r\n)\r\n"),
     "fetch 2 uid=2 section=<>@99 data=<>"},
    {"section of fields",
     OCTETS("* 2 FETCH (BODY[HEADER.FIELDS (FROM TO)] {2}\r\n\r\n UID 2)\r\n"),
     "fetch 2 uid=2 section=<HEADER.FIELDS (FROM TO)> data=<\r\n>"},
    {"NUL in a literal8", OCTETS("* 2 FETCH (UID 2 BODY[] ~{1}\r\na)\r\n"),
     "fetch 2 uid=2 section=<> data=<a>"},
    {"a body that is an atom",
     OCTETS("* 2 FETCH (BODY[1] a BODY[1] \"\" UID 2)\r\n"), "fetch 2 uid=0"},
    {"too many bodies",
     OCTETS("* 2 FETCH (BODY[1] \"a\" BODY[2] \"b\" BODY[3] \"c\" BODY[4] "
            "\"d\" BODY[5] \"e\" BODY[6] \"f\" BODY[7] \"g\" BODY[8] \"h\" "
            "BODY[9] \"i\" UID 2)\r\n"),
     "fetch 2 uid=2 section=<1> data=<a> section=<2> data=<b> section=<3> "
     "data=<c> section=<4> data=<d> section=<5> data=<e> section=<6> data=<f> "
     "section=<7> data=<g> section=<8> data=<h>"},
    {"OBJECTID",
     OCTETS("* 1 FETCH (EMAILID (M6d99ac3) THREADID (T64b478))\r\n"),
     "fetch 1 uid=0 emailid=<M6d99ac3> threadid=<T64b478>"},
    {"THREADID NIL", OCTETS("* 1 FETCH (THREADID NIL UID 3)\r\n"),
     "fetch 1 uid=3"},
    {"an objectid that is a path",
     OCTETS("* 1 FETCH (EMAILID (../x) UID 3)\r\n"), "fetch 1 uid=3"},
    {"UIDFETCH (RFC 9586)", OCTETS("* 25996 UIDFETCH (FLAGS (\\Seen))\r\n"),
     "fetch 0 uid=25996 flags=<\\Seen>"},
    {"unknown items are skipped",
     OCTETS("* 1 FETCH (X-GM-LABELS (\"\\\\Inbox\" {1}\r\n)) ENVELOPE (NIL "
            "((\"a\" NIL \"b\" \"c\"))) UID 3)\r\n"),
     "fetch 1 uid=3"},
    {"gmx: a multipart without children",
     OCTETS("* 1 FETCH (BODYSTRUCTURE (\"ALTERNATIVE\") UID 3)\r\n"),
     "fetch 1 uid=3"},
    {"Exchange: blanks between addresses",
     OCTETS("* 1 FETCH (ENVELOPE (((\"a\" NIL NIL NIL) (\"b\" NIL NIL NIL)))  "
            "UID 3)\r\n"),
     "fetch 1 uid=3"},
    {"what comes before the trouble is kept",
     OCTETS("* 1 FETCH (UID 3 RFC822.SIZE -5 FLAGS (\\Seen))\r\n"),
     "fetch 1 uid=3"},
    {"no end", OCTETS("* 1 FETCH (UID 3 FLAGS (\\Seen)\r\n"),
     "fetch 1 uid=3 flags=<\\Seen>"},
    {"literal cut by EOF", OCTETS("* 1 FETCH (UID 3 BODY[] {5}\r\nabc"),
     "fetch 1 uid=3"},
    {"a literal with more than it said",
     OCTETS("* 1 FETCH (UID 3 BODY[] {1}\r\nabc RFC822.SIZE 3)\r\n"),
     "fetch 1 uid=3 section=<> data=<a>"},
    {"bracket without end", OCTETS("* 1 FETCH (UID 3 BODY[ NIL)\r\n"),
     "fetch 1 uid=3"},
    {"angle without end", OCTETS("* 1 FETCH (UID 3 BODY[]<5 NIL)\r\n"),
     "fetch 1 uid=3"},
    {"UID 0", OCTETS("* 1 FETCH (UID 0)\r\n"), "fetch 1 uid=0"},
    {"UID 2^32 - 1", OCTETS("* 1 FETCH (UID 4294967295)\r\n"),
     "fetch 1 uid=4294967295"},
    {"UID 2^32", OCTETS("* 1 FETCH (UID 4294967296)\r\n"), "fetch 1 uid=0"},
    {"UID 2^64 + 1", OCTETS("* 1 FETCH (UID 18446744073709551617)\r\n"),
     "fetch 1 uid=0"},
    {"mutt CVE-2018-14358: long RFC822.SIZE",
     OCTETS("* 1 FETCH (UID 3 RFC822.SIZE 100000000000000000000000000)\r\n"),
     "fetch 1 uid=3"},
    {"RFC822.SIZE 2^32", OCTETS("* 1 FETCH (RFC822.SIZE 4294967296)\r\n"),
     "fetch 1 uid=0 size=4294967296"},
    {"MODSEQ without parentheses", OCTETS("* 1 FETCH (UID 3 MODSEQ 5)\r\n"),
     "fetch 1 uid=3"},
    {"FLAGS NIL are no flags that were sent",
     OCTETS("* 1 FETCH (UID 3 FLAGS NIL)\r\n"), "fetch 1 uid=3"},
    {"FLAGS cut off", OCTETS("* 1 FETCH (UID 3 FLAGS (\\Seen\r\n"),
     "fetch 1 uid=3"},
    {"no list", OCTETS("* 1 FETCH UID 3\r\n"), "other"},
    {"FETCH without a number", OCTETS("* FETCH (UID 3)\r\n"), "other"},
};

static void
test_rows(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *data = copy_octets(rows[i].data, rows[i].length);
        g_autofree char *text = NULL;
        ImapResponse response;

        imap_response_parse(data, rows[i].length, &response);
        text = describe(&response);
        row_string(rows[i].name, "response", text, rows[i].response);
    }
    rows_end();
}

/* A response cut anywhere, or with any octet changed, is nothing worse. */
static void
test_damaged(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        for (gsize at = 0; at < rows[i].length; at++) {
            static const char changes[] = "\0\r\n \"\\(){}[]<>*9A\377";
            g_autofree char *cut = copy_octets(rows[i].data, at);
            g_autofree char *first = NULL;
            ImapResponse response;

            imap_response_parse(cut, at, &response);
            first = describe(&response);
            for (gsize c = 0; c < sizeof changes - 1; c++) {
                g_autofree char *data =
                    copy_octets(rows[i].data, rows[i].length);
                g_autofree char *text = NULL;
                data[at] = changes[c];
                imap_response_parse(data, rows[i].length, &response);
                text = describe(&response);
            }
        }
    }
}

/* ---- bombs ---- */

static const struct {
    const char *name;
    const char *head;
    const char *repeated;
    const char *tail;
    ImapResponseKind kind;
} bomb_rows[] = {
    {"10^6 parentheses in BODYSTRUCTURE", "* 1 FETCH (UID 3 BODYSTRUCTURE ",
     "(", "\r\n", IMAP_FETCH},
    {"10^6 parentheses in FLAGS", "* 1 FETCH (UID 3 FLAGS ", "(", "\r\n",
     IMAP_FETCH},
    {"10^6 parentheses in LIST", "* LIST ", "(", "\r\n", IMAP_OTHER},
    {"10^6 parentheses in NAMESPACE", "* NAMESPACE ", "(", "\r\n", IMAP_OTHER},
    {"10^6 parentheses in STATUS", "* STATUS a (X ", "(", "\r\n", IMAP_OTHER},
    {"10^6 flags", "* 1 FETCH (UID 3 FLAGS (", "\\Seen ", "))\r\n", IMAP_FETCH},
    {"10^6 attributes", "* LIST (", "\\Noselect ", ") \"/\" a\r\n", IMAP_LIST},
    {"10^6 bodies", "* 1 FETCH (UID 3", " BODY[] NIL", ")\r\n", IMAP_FETCH},
    {"10^6 bodies without end", "* 1 FETCH (UID 3", " BODY[", ")\r\n",
     IMAP_FETCH},
    {"10^6 tiny literals", "* 1 FETCH (UID 3", " X {1}\r\na", ")\r\n",
     IMAP_FETCH},
    {"10^6 namespaces", "* NAMESPACE NIL NIL (", "(\"a\" \"/\")", ")\r\n",
     IMAP_NAMESPACE},
    {"10^6 ranges", "* VANISHED 1", ",2:3", "\r\n", IMAP_VANISHED},
    {"10^6 capabilities", "* CAPABILITY", " X", "\r\n", IMAP_CAPABILITY},
    {"10^6 escapes", "* LIST () \"/\" \"", "\\\"", "\"\r\n", IMAP_LIST},
    {"10^6 brackets", "* OK [", "[", "]\r\n", IMAP_OK},
    {"10^6 blanks", "* ", " ", "OK\r\n", IMAP_OK},
};

static void
test_bombs(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(bomb_rows); i++) {
        const char *name = bomb_rows[i].name;
        g_autoptr(GString) data = g_string_new(bomb_rows[i].head);
        g_autofree char *text = NULL;
        ImapFramer framer = {0, 0};
        ImapResponse response;
        double start;
        gsize size;

        for (guint n = 0; n < 1000000; n++)
            g_string_append(data, bomb_rows[i].repeated);
        g_string_append(data, bomb_rows[i].tail);
        start = cpu_seconds();
        row_number(name, "frame",
                   imap_frame(&framer, data->str, data->len, &size, NULL),
                   IMAP_FRAME_WHOLE);
        imap_response_parse(data->str, data->len, &response);
        row_number(name, "kind", response.kind, bomb_rows[i].kind);
        if (response.kind == IMAP_FETCH)
            row_number(name, "UID", response.fetch.uid, 3);
        if (response.kind == IMAP_NAMESPACE)
            text = describe(&response);
        if (cpu_seconds() - start > 5)
            row_fail(name, "took %.1f s", cpu_seconds() - start);
    }
    rows_end();
}

static void
test_words(void **state)
{
    static const struct {
        const char *words;
        const char *joined;
    } word_rows[] = {
        {"", ""},
        {"   ", ""},
        {"a", "a"},
        {"a b", "a|b"},
        {"  a   b  ", "a|b"},
        {"\\Seen $Junk \303\274", "\\Seen|$Junk|\303\274"},
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(word_rows); i++) {
        const char *words = word_rows[i].words;
        ImapSlice slice = {words, strlen(words)};
        g_autoptr(GString) joined = g_string_new(NULL);
        ImapSlice word;
        while (imap_next_word(&slice, &word))
            g_string_append_printf(joined, "%s%.*s", joined->len ? "|" : "",
                                   (int)word.length, word.data);
        row_string(words, "words", joined->str, word_rows[i].joined);
        row_number(words, "left", (gint64)slice.length, 0);
    }
    assert_false(imap_next_word(&(ImapSlice){NULL, 0}, &(ImapSlice){NULL, 0}));
    rows_end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_words),
    };
    rows_begin_program();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

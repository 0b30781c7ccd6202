/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Searches: queries by number, what the server found, and which of them
 * somebody wants to keep.
 *
 * A search is run when somebody looks at it, and again when the mailbox has
 * changed since.  What was found is kept as the server tells it, in ranges of
 * UIDs, and shown as far as the table of the mailbox has them: so what is
 * removed is gone from every search at once, and "1:4294967295" costs nothing.
 *
 * An ESEARCH is only believed if it has as many UIDs as it says it has: there
 * are servers that leave ALL out (iCloud), or both (Exchange).  One that was
 * caught is asked for plain SEARCHes from then on.
 *
 * Which messages have attachments no server can be asked.  It is looked up in
 * their structures, of those only that are found by what else is asked for, and
 * a good many at a time; then what is found comes little by little.
 */
#include <string.h>

#include "base/error.h"
#include "mail/criteria.h"
#include "mail/octets.h"
#include "mail/pins.h"
#include "mail/uids.h"

enum {
    SEARCHES_MAX = 1024,
    PINS_MAX = 256,
    FOUND_MAX = 4 << 20, /* ranges of one answer that are kept, */
    KEPT_MAX = 8 << 20,  /* ... and of all searches */
    ORDER_MAX = 1 << 16, /* messages whose order a reader is told */
    STRUCTURES_AHEAD = 128,
};
/* Who has waited for an answer is content with it, whatever has changed while
 * it was on its way. */
#define GRACE (100 * CLOCK_MILLISECOND)
/* So long "younger than a day" is taken to be the same. */
#define RELATIVE_LIFE (60 * CLOCK_SECOND)
#define VERDICT "esearch"

typedef struct {
    guint32 number;
    guint16 mailbox;
    char *query;
    gboolean pinned;
    guint64 used;   /* when, by MailSearches.uses */
    MailWant *want; /* that is not over, or NULL */
    gboolean bare;  /* with RETURN it was refused */

    /* What was found, and what the mailbox was like when it was asked for. */
    MailUids *found;        /* NULL: nothing yet */
    MailCriteria *criteria; /* that it was found by */
    gboolean by_days;       /* ... as if a day was a moment */
    guint32 uidvalidity;
    guint64 generation;
    guint64 changes;
    gint64 found_at;
} Search;

struct MailSearches {
    GHashTable *by_number;
    GHashTable *by_query; /* of a mailbox: the same Search is key and value */
    guint32 last_number;  /* no number is ever another search's */
    guint64 uses;
    gboolean bare; /* the server's ESEARCH is not to be believed */
    MailPins *pins;
    GHashTable *unpacked; /* ids of mailboxes whose pins have been */
    guint n_pinned;
    gsize kept;       /* ranges, of all searches */
    char *complained; /* of this query, last */
};

/* One command. */
typedef struct {
    MailAccount *account;
    MailWant *want;
    MailCriteria *criteria;
    MailUids *found;
    gboolean named;
    gboolean by_days;
    gboolean extended; /* it was answered by an ESEARCH */
    gboolean counted;
    guint64 count;
    guint64 generation;
    guint64 changes;
} Run;

/* ---- searches ---- */

static guint
hash_search(gconstpointer data)
{
    const Search *search = data;
    return g_str_hash(search->query) * 31 + search->mailbox;
}

static gboolean
equal_searches(gconstpointer a, gconstpointer b)
{
    const Search *one = a;
    const Search *other = b;
    return one->mailbox == other->mailbox &&
           strcmp(one->query, other->query) == 0;
}

static void
free_search(gpointer data)
{
    Search *search = data;
    g_free(search->query);
    g_clear_pointer(&search->found, mail_uids_free);
    g_clear_pointer(&search->criteria, mail_criteria_free);
    g_free(search);
}

static Search *
get_search(const MailAccount *account, guint32 number)
{
    return g_hash_table_lookup(account->searches->by_number,
                               GUINT_TO_POINTER(number));
}

static Search *
find_search(const MailAccount *account, const MailMailbox *mailbox,
            const char *query)
{
    const Search key = {.mailbox = mailbox->id, .query = (char *)query};
    return g_hash_table_lookup(account->searches->by_query, &key);
}

/* The search of that number, if it is one of MAILBOX. */
static Search *
search_of(MailAccount *account, const MailMailbox *mailbox, guint32 number)
{
    Search *search = get_search(account, number);

    if (search == NULL || search->mailbox != mailbox->id)
        return NULL;
    search->used = ++account->searches->uses;
    return search;
}

static void
forget_found(MailSearches *searches, Search *search)
{
    if (search->found != NULL)
        searches->kept -= mail_uids_n_ranges(search->found);
    g_clear_pointer(&search->found, mail_uids_free);
    g_clear_pointer(&search->criteria, mail_criteria_free);
}

static void
drop_search(MailSearches *searches, Search *search)
{
    forget_found(searches, search);
    searches->n_pinned -= search->pinned;
    g_hash_table_remove(searches->by_query, search);
    g_hash_table_remove(searches->by_number, GUINT_TO_POINTER(search->number));
}

/* The one used longest ago of those that are not wanted; with FOUND, of those
 * of which something is kept.  Or NULL. */
static Search *
find_oldest(const MailSearches *searches, gboolean found)
{
    GHashTableIter iter;
    gpointer value;
    Search *oldest = NULL;

    g_hash_table_iter_init(&iter, searches->by_number);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Search *search = value;
        if (search->want == NULL &&
            (found ? search->found != NULL : !search->pinned) &&
            (oldest == NULL || search->used < oldest->used))
            oldest = search;
    }
    return oldest;
}

/* FALSE when all are wanted. */
static gboolean
make_room(MailSearches *searches)
{
    Search *oldest;

    if (g_hash_table_size(searches->by_number) < SEARCHES_MAX)
        return TRUE;
    oldest = find_oldest(searches, FALSE);
    if (oldest != NULL)
        drop_search(searches, oldest);
    return oldest != NULL;
}

/* NULL when there are too many. */
static Search *
add_search(MailAccount *account, const MailMailbox *mailbox, const char *query)
{
    MailSearches *searches = account->searches;
    Search *search;

    if (searches->last_number == G_MAXUINT32 || !make_room(searches))
        return NULL;
    search = g_new0(Search, 1);
    search->number = ++searches->last_number;
    search->mailbox = mailbox->id;
    search->query = g_strdup(query);
    search->used = ++searches->uses;
    g_hash_table_insert(searches->by_number, GUINT_TO_POINTER(search->number),
                        search);
    g_hash_table_add(searches->by_query, search);
    return search;
}

/* Who mistypes a name is told no more than that it is invalid: say why, once.
 */
static void
complain(MailSearches *searches, const char *query, const GError *error)
{
    g_autofree char *shown = imapfs_printable(query, -1);

    if (g_strcmp0(searches->complained, query) == 0)
        return;
    g_free(searches->complained);
    searches->complained = g_strdup(query);
    g_message("search \"%s\": %s", shown, error->message);
}

static MailCriteria *
parse(const MailAccount *account, const char *query, GError **error)
{
    return mail_criteria_parse(query, clock_wall(account->clock), error);
}

/* ---- pins ---- */

static guint32
next_pinned(const MailAccount *account, const MailMailbox *mailbox,
            guint32 from)
{
    GHashTableIter iter;
    gpointer value;
    guint32 next = 0;

    g_hash_table_iter_init(&iter, account->searches->by_number);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Search *search = value;
        if (search->pinned && search->mailbox == mailbox->id &&
            search->number >= from && (next == 0 || search->number < next))
            next = search->number;
    }
    return next;
}

/* Writes down which searches of MAILBOX are pinned. */
static gboolean
save_pins(MailAccount *account, const MailMailbox *mailbox, GError **error)
{
    g_autoptr(GPtrArray) queries = g_ptr_array_new();
    guint32 number = 0;

    while (number < G_MAXUINT32 &&
           (number = next_pinned(account, mailbox, number + 1)) != 0)
        g_ptr_array_add(queries, get_search(account, number)->query);
    return mail_pins_set(account->searches->pins, mailbox->name,
                         (const char *const *)queries->pdata, queries->len,
                         error);
}

static void
set_pinned(MailSearches *searches, Search *search, gboolean pinned)
{
    if (search->pinned != pinned)
        searches->n_pinned += pinned ? 1 : -1U;
    search->pinned = pinned;
}

/* What was pinned in MAILBOX by an earlier mount gets its numbers. */
static void
unpack_pins(MailAccount *account, const MailMailbox *mailbox)
{
    MailSearches *searches = account->searches;
    g_auto(GStrv) queries = NULL;

    if (mailbox->name == NULL ||
        !g_hash_table_add(searches->unpacked, GUINT_TO_POINTER(mailbox->id)))
        return;
    queries = mail_pins_get(searches->pins, mailbox->name);
    for (guint i = 0; queries != NULL && queries[i] != NULL; i++) {
        g_autoptr(MailCriteria) criteria = parse(account, queries[i], NULL);
        Search *search = find_search(account, mailbox, queries[i]);
        if (criteria == NULL || searches->n_pinned >= PINS_MAX)
            continue;
        if (search == NULL)
            search = add_search(account, mailbox, queries[i]);
        if (search != NULL)
            set_pinned(searches, search, TRUE);
    }
}

guint32
mail_account_next_pinned(MailAccount *account, const MailMailbox *mailbox,
                         guint32 from)
{
    unpack_pins(account, mailbox);
    return next_pinned(account, mailbox, from);
}

gboolean
mail_account_pin_search(MailAccount *account, MailMailbox *mailbox,
                        guint32 number, gboolean pinned, GError **error)
{
    MailSearches *searches = account->searches;
    Search *search = search_of(account, mailbox, number);

    if (search == NULL) {
        g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_NOT_FOUND,
                    "there is no such search");
        return FALSE;
    }
    unpack_pins(account, mailbox);
    if (search->pinned == pinned)
        return TRUE;
    if (pinned && searches->n_pinned >= PINS_MAX) {
        g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_FAILED,
                    "%u searches are kept, and no more can be", PINS_MAX);
        return FALSE;
    }
    set_pinned(searches, search, pinned);
    if (save_pins(account, mailbox, error))
        return TRUE;
    set_pinned(searches, search, !pinned);
    return FALSE;
}

/* ---- the beginning and the end ---- */

MailSearches *
mail_searches_new(const MailAccountSetup *setup)
{
    MailSearches *searches = g_new0(MailSearches, 1);
    g_autofree char *verdict =
        setup->store ? mail_store_verdict(setup->store, VERDICT) : NULL;

    searches->by_number = g_hash_table_new_full(NULL, NULL, NULL, free_search);
    searches->by_query = g_hash_table_new(hash_search, equal_searches);
    searches->unpacked = g_hash_table_new(NULL, NULL);
    searches->bare = g_strcmp0(verdict, "no") == 0;
    searches->pins = mail_pins_new(setup->state);
    return searches;
}

void
mail_searches_free(MailSearches *searches)
{
    g_hash_table_unref(searches->by_query);
    g_hash_table_unref(searches->by_number);
    g_hash_table_unref(searches->unpacked);
    mail_pins_free(searches->pins);
    g_free(searches->complained);
    g_free(searches);
}

void
mail_search_forget(MailAccount *account, const MailMailbox *mailbox)
{
    g_autoptr(GList) all =
        g_hash_table_get_values(account->searches->by_number);
    g_autoptr(GError) gone = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_NOT_FOUND,
                                         "the mailbox is gone");

    for (GList *link = all; link != NULL; link = link->next) {
        Search *search = link->data;
        if (search->mailbox != mailbox->id)
            continue;
        if (search->want != NULL)
            mail_account_finish(account, search->want, gone);
        drop_search(account->searches, search);
    }
    g_hash_table_remove(account->searches->unpacked,
                        GUINT_TO_POINTER(mailbox->id));
}

void
mail_search_finished(MailAccount *account, MailWant *want)
{
    Search *search = get_search(account, want->uid);
    if (search != NULL && search->want == want)
        search->want = NULL;
}

/* ---- what the server finds ---- */

static void
free_run(Run *run)
{
    mail_want_unref(run->want);
    g_clear_pointer(&run->criteria, mail_criteria_free);
    g_clear_pointer(&run->found, mail_uids_free);
    g_free(run);
}

static void
on_finding(ImapSession *session, const ImapResponse *response, gpointer data)
{
    Run *run = data;

    (void)session;
    run->extended |= response->found.extended;
    run->counted |= response->found.counted;
    run->count += response->found.count;
    mail_uids_add(run->found, response->found.uids, FOUND_MAX);
}

/* It was to tell all of them and how many that is. */
static gboolean
is_believable(const Run *run)
{
    if (!run->named || (!run->extended && mail_uids_last(run->found) > 0))
        return TRUE;
    return run->extended && run->counted &&
           mail_uids_count(run->found) == run->count;
}

static void
distrust_esearch(MailAccount *account)
{
    if (account->searches->bare)
        return;
    g_message("the server's ESEARCH is not to be believed");
    account->searches->bare = TRUE;
    if (account->store != NULL)
        mail_store_set_verdict(account->store, VERDICT, "no");
}

static void
keep_found(Run *run, Search *search, MailMailbox *mailbox)
{
    MailSearches *searches = run->account->searches;
    Search *oldest;
    guint n;

    if (mailbox->listing == MAIL_LISTED)
        mail_uids_prune(run->found, mailbox);
    n = mail_uids_n_ranges(run->found);
    forget_found(searches, search);
    while (searches->kept + n > KEPT_MAX &&
           (oldest = find_oldest(searches, TRUE)) != NULL)
        forget_found(searches, oldest);
    searches->kept += n;
    search->found = g_steal_pointer(&run->found);
    search->criteria = g_steal_pointer(&run->criteria);
    search->by_days = run->by_days;
    search->uidvalidity = mailbox->uidvalidity;
    search->generation = run->generation;
    search->changes = run->changes;
    search->found_at = clock_now(run->account->clock);
    /* Messages have come that nobody has told of. */
    if (mailbox->listing == MAIL_LISTED &&
        mail_uids_last(search->found) > mail_mailbox_last_uid(mailbox))
        mail_listing_need(run->account, mailbox);
}

static void
take_refusal(Run *run, Search *search, const ImapLink *link,
             const ImapResponse *answer)
{
    MailAccount *account = run->account;
    g_autoptr(GError) error = NULL;

    if (link == NULL || !imap_link_is_selected(link)) {
        error = imap_response_error(answer, IMAPFS_ERROR_FAILED);
        mail_account_retry(account, run->want, error);
        return;
    }
    if (run->named && answer->kind == IMAP_BAD) {
        search->bare = TRUE;
        mail_account_again(account, run->want);
        return;
    }
    error = imap_response_error(answer, IMAPFS_ERROR_USAGE);
    complain(account->searches, search->query, error);
    mail_account_finish(account, run->want, error);
}

static void
take_answer(Run *run, ImapLink *link, const ImapResponse *answer)
{
    MailAccount *account = run->account;
    Search *search = get_search(account, run->want->uid);
    MailMailbox *mailbox = mail_account_mailbox(account, run->want->mailbox);
    g_autoptr(GError) stale = NULL;

    if (answer->kind != IMAP_OK) {
        take_refusal(run, search, link, answer);
        return;
    }
    if (link == NULL || mail_listing_mailbox(account, link) != mailbox) {
        stale = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_STALE,
                            "the mailbox was replaced by another");
        mail_account_retry(account, run->want, stale);
        return;
    }
    mail_uids_close(run->found);
    if (!is_believable(run)) {
        distrust_esearch(account);
        mail_account_again(account, run->want);
        return;
    }
    if (search->bare)
        distrust_esearch(account);
    keep_found(run, search, mailbox);
    mail_account_finish(account, run->want, NULL);
}

static void
on_searched(ImapSession *session, const ImapResponse *answer,
            const GError *error, gpointer data)
{
    Run *run = data;
    MailAccount *account = run->account;

    if (run->want->state == MAIL_WANT_SENT && answer == NULL)
        mail_account_retry(account, run->want, error);
    else if (run->want->state == MAIL_WANT_SENT)
        take_answer(run, imap_pool_find(account->pool, session), answer);
    free_run(run);
    mail_account_plan_soon(account);
}

gboolean
mail_search_plan(MailAccount *account, MailWant *want)
{
    MailMailbox *mailbox = mail_account_mailbox(account, want->mailbox);
    Search *search = get_search(account, want->uid);
    g_autoptr(ImapCommand) command = NULL;
    g_autoptr(GError) error = NULL;
    guint capabilities;
    ImapLink *link =
        imap_pool_lend(account->pool, mailbox->name, IMAP_LOAN_INTERACTIVE);
    Run *run;

    if (link == NULL)
        return FALSE;
    capabilities = imap_link_capabilities(link);
    run = g_new0(Run, 1);
    run->account = account;
    run->want = mail_want_ref(want);
    run->found = mail_uids_new();
    run->criteria = parse(account, search->query, NULL);
    run->named = capabilities & IMAP_CAP_ESEARCH && !search->bare &&
                 !account->searches->bare;
    run->by_days = !(capabilities & IMAP_CAP_WITHIN);
    run->generation = mailbox->generation;
    run->changes = mailbox->changes;
    command = imap_command_new("UID SEARCH%s",
                               run->named ? " RETURN (ALL COUNT)" : "");
    if (!mail_criteria_add_to(run->criteria, command, capabilities, &error)) {
        complain(account->searches, search->query, error);
        mail_account_finish(account, want, error);
        free_run(run);
        return TRUE;
    }
    want->state = MAIL_WANT_SENT;
    imap_link_search(link, g_steal_pointer(&command),
                     run->named ? IMAP_SEARCH_NAMED : IMAP_SEARCH_BARE,
                     on_finding, on_searched, run);
    return TRUE;
}

/* ---- questions ---- */

/* Returns FALSE: it is asked for, or cannot be had. */
static gboolean
ask(MailAccount *account, Search *search, MailFault *fault)
{
    if (mail_account_is_offline(account)) {
        fault->error = g_error_copy(account->failure);
        return FALSE;
    }
    if (search->want == NULL) {
        search->want =
            mail_account_add_want(account, MAIL_WANT_SEARCH, search->mailbox);
        search->want->uid = search->number;
    }
    return mail_fault_want(fault, search->want);
}

/* Something was found in what MAILBOX is now. */
static gboolean
is_known(const Search *search, const MailMailbox *mailbox)
{
    return search->found != NULL && search->uidvalidity == mailbox->uidvalidity;
}

static gboolean
is_current(const MailAccount *account, const Search *search,
           const MailMailbox *mailbox)
{
    gint64 age = clock_now(account->clock) - search->found_at;

    if (age < GRACE)
        return TRUE;
    return search->generation == mailbox->generation &&
           search->changes == mailbox->changes &&
           (age < RELATIVE_LIFE ||
            !mail_criteria_is_relative(search->criteria));
}

gboolean
mail_account_search(MailAccount *account, MailMailbox *mailbox,
                    const char *query, guint32 *ret_search, MailFault *fault)
{
    Search *search;

    if (!mailbox->selectable)
        return mail_fault_error(fault, IMAPFS_ERROR_NOT_FOUND,
                                "no messages can be here");
    unpack_pins(account, mailbox);
    search = find_search(account, mailbox, query);
    if (search == NULL) {
        g_autoptr(MailCriteria) criteria = parse(account, query, &fault->error);
        if (criteria == NULL) {
            complain(account->searches, query, fault->error);
            return FALSE;
        }
        search = add_search(account, mailbox, query);
    }
    if (search == NULL)
        return mail_fault_error(fault, IMAPFS_ERROR_BUSY,
                                "there are too many searches");
    search->used = ++account->searches->uses;
    *ret_search = search->number;
    return TRUE;
}

const char *
mail_account_search_query(MailAccount *account, const MailMailbox *mailbox,
                          guint32 number)
{
    const Search *search = search_of(account, mailbox, number);
    return search ? search->query : NULL;
}

/* Which message a reader of what was found will ask for next. */
static void
tell_order(MailAccount *account, MailMailbox *mailbox, const Search *search)
{
    g_autoptr(GArray) uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    guint count = mail_mailbox_count(mailbox);

    for (guint i = 0; i < mail_uids_n_ranges(search->found); i++) {
        const MailUidRange *range = mail_uids_range(search->found, i);
        for (guint at = mail_mailbox_seek(mailbox, range->first);
             at < count && uids->len < ORDER_MAX &&
             mail_mailbox_at(mailbox, at)->uid <= range->last;
             at++)
            g_array_append_val(uids, mail_mailbox_at(mailbox, at)->uid);
    }
    mail_walk_set_order(account, mailbox, (const guint32 *)uids->data,
                        uids->len);
}

static gboolean
fault_no_search(MailFault *fault)
{
    return mail_fault_error(fault, IMAPFS_ERROR_NOT_FOUND,
                            "there is no such search");
}

gboolean
mail_account_visit_search(MailAccount *account, MailMailbox *mailbox,
                          guint32 number, MailFault *fault)
{
    Search *search = search_of(account, mailbox, number);
    MailWant *want;

    if (search == NULL)
        return fault_no_search(fault);
    if (!mail_account_visit(account, mailbox, fault) ||
        !mail_account_know_beyond(account, mailbox, 0, fault))
        return FALSE;
    if (!is_known(search, mailbox) ||
        (account->failure == NULL && !is_current(account, search, mailbox)))
        return ask(account, search, fault);
    /* Messages were found that the table lacks: they are being asked for. */
    want = mail_listing_want(account, mailbox);
    if (want != NULL && account->failure == NULL &&
        mail_uids_last(search->found) > mail_mailbox_last_uid(mailbox))
        return mail_fault_want(fault, want);
    tell_order(account, mailbox, search);
    return TRUE;
}

/*
 * The first message with a UID of FROM or above that the server has found, or
 * NULL: *RET tells, unless it is not known yet whether there is one.
 */
static gboolean
know_candidate(MailAccount *account, MailMailbox *mailbox, const Search *search,
               guint32 from, MailMessage **ret, MailFault *fault)
{
    *ret = NULL;
    for (guint i = mail_uids_seek(search->found, from);
         i < mail_uids_n_ranges(search->found); i++) {
        const MailUidRange *range = mail_uids_range(search->found, i);
        guint32 first = MAX(range->first, from);
        guint at;

        if (!mail_account_know_beyond(account, mailbox, MAX(first, 1) - 1,
                                      fault))
            return FALSE;
        at = mail_mailbox_seek(mailbox, first);
        if (at < mail_mailbox_count(mailbox) &&
            mail_mailbox_at(mailbox, at)->uid <= range->last) {
            *ret = mail_mailbox_at(mailbox, at);
            return TRUE;
        }
    }
    return TRUE;
}

/* The structures that will be asked for next may as well come along. */
static void
ask_ahead(MailAccount *account, MailMailbox *mailbox, const Search *search,
          guint32 uid)
{
    MailFault ignored = {NULL, NULL};
    MailMessage *message;

    for (guint n = 0; n < STRUCTURES_AHEAD && uid < G_MAXUINT32; n++) {
        if (!know_candidate(account, mailbox, search, uid + 1, &message,
                            &ignored) ||
            message == NULL)
            break;
        mail_parts_ask(account, mailbox, message, &ignored.want);
        uid = message->uid;
    }
    g_clear_error(&ignored.error);
}

static gboolean
has_attachments(const MailStructure *structure)
{
    for (guint i = 0; i < structure->n; i++) {
        if (mail_structure_is_attachment(structure, i))
            return TRUE;
    }
    return FALSE;
}

/* Whether MESSAGE has attachments.  One that cannot be looked into is neither
 * of those with nor of those without: it does not hide the others. */
static gboolean
know_attachments(MailAccount *account, MailMailbox *mailbox,
                 const Search *search, MailMessage *message,
                 MailAttachmentWish *ret, MailFault *fault)
{
    guint32 uid = message->uid;
    const MailStructure *structure = NULL;
    MailFault trouble = {NULL, NULL};

    *ret = MAIL_ATTACHMENTS_OR_NOT;
    if (mail_account_is_offline(account)) {
        structure = mail_parts_peek(account, mailbox, message);
    } else if (!mail_account_know_structure(account, mailbox, uid, &structure,
                                            &trouble)) {
        if (trouble.want != NULL) {
            ask_ahead(account, mailbox, search, uid);
            return mail_fault_want(fault, trouble.want);
        }
        g_clear_error(&trouble.error);
        structure = NULL;
    }
    if (structure != NULL)
        *ret = has_attachments(structure) ? MAIL_ATTACHMENTS_SOME
                                          : MAIL_ATTACHMENTS_NONE;
    return TRUE;
}

/* Whether MESSAGE is meant, by what the server was not asked. */
static gboolean
know_meant(MailAccount *account, MailMailbox *mailbox, const Search *search,
           MailMessage *message, gboolean *ret, MailFault *fault)
{
    MailAttachmentWish wanted = mail_criteria_attachments(search->criteria);
    MailAttachmentWish has;

    *ret = !search->by_days ||
           mail_criteria_allow_date(search->criteria, message->internaldate);
    if (!*ret || wanted == MAIL_ATTACHMENTS_OR_NOT)
        return TRUE;
    if (!know_attachments(account, mailbox, search, message, &has, fault))
        return FALSE;
    *ret = has == wanted;
    return TRUE;
}

gboolean
mail_account_next_found(MailAccount *account, MailMailbox *mailbox,
                        guint32 number, guint32 from, guint32 *ret_uid,
                        MailFault *fault)
{
    Search *search = search_of(account, mailbox, number);
    MailMessage *message;
    guint32 uid;
    gboolean meant = FALSE;

    *ret_uid = 0;
    if (search == NULL)
        return fault_no_search(fault);
    if (!is_known(search, mailbox))
        return ask(account, search, fault);
    do {
        if (!know_candidate(account, mailbox, search, from, &message, fault))
            return FALSE;
        if (message == NULL)
            return TRUE;
        uid = message->uid;
        if (!know_meant(account, mailbox, search, message, &meant, fault))
            return FALSE;
        *ret_uid = meant ? uid : 0;
        from = uid + 1;
    } while (!meant && from != 0);
    return TRUE;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The list of mailboxes, and being told what happens in those that no link
 * watches.
 *
 * LIST brings both at once where the server has LIST-STATUS (RFC 5819); it is
 * repeated while mailboxes are in use.  With NOTIFY (RFC 5465) one link hears
 * of changes anywhere as they happen.  Servers have been seen to accept NOTIFY
 * and then say nothing, so LIST becomes rare only when something was heard.
 */
#include "base/error.h"
#include "mail/internal.h"

#define POLL_INTERVAL (60 * CLOCK_SECOND)
#define POLL_RARELY (900 * CLOCK_SECOND)
/* A look at the list of mailboxes asks for new ones, but not more often. */
#define MAILBOXES_LIFE (2 * CLOCK_SECOND)
/* Mailboxes nobody looked at for so long are left alone. */
#define IN_USE (600 * CLOCK_SECOND)
/* So long before somebody is asked who may know better. */
#define LAST_CALL (120 * CLOCK_SECOND)

struct MailSurvey {
    MailWant *want;   /* NULL when nobody waits for the list */
    gboolean listing; /* LIST responses are the answer to ours */
    gint64 listed_at;
    guint poll_timer;
    ImapSession *notifier; /* asked to tell of all mailboxes; or NULL */
    gboolean heard;        /* ... and it did */
    gboolean refused;      /* the server will not */
};

/* ---- being told ---- */

static void
on_notifying(ImapSession *session, const ImapResponse *answer,
             const GError *error, gpointer data)
{
    MailSurvey *survey = ((MailAccount *)data)->survey;
    (void)session;
    (void)error;
    if (answer != NULL && answer->kind != IMAP_OK) {
        g_clear_pointer(&survey->notifier, imap_session_unref);
        survey->refused = TRUE;
    }
}

/* The mailbox that is selected is told of as without NOTIFY. */
static void
ask_to_be_told(MailAccount *account, ImapSession *session)
{
    MailSurvey *survey = account->survey;
    ImapLink *link = imap_pool_find(account->pool, session);

    if (link == NULL || survey->notifier != NULL || survey->refused ||
        !(imap_link_capabilities(link) & IMAP_CAP_NOTIFY))
        return;
    survey->notifier = imap_session_ref(session);
    imap_link_send_aside(
        link,
        imap_command_new(
            "NOTIFY SET (SELECTED (MessageNew MessageExpunge FlagChange)) "
            "(PERSONAL (MessageNew MessageExpunge FlagChange MailboxName))"),
        on_notifying, account);
}

void
mail_survey_check(MailAccount *account)
{
    MailSurvey *survey = account->survey;

    if (survey->notifier == NULL ||
        imap_pool_find(account->pool, survey->notifier) != NULL)
        return;
    g_clear_pointer(&survey->notifier, imap_session_unref);
    /* Something may have happened since; this also finds another to tell. */
    mail_survey_need(account);
}

/* ---- listing ---- */

static void
on_listed(ImapSession *session, const ImapResponse *answer, const GError *error,
          gpointer data)
{
    MailAccount *account = data;
    MailSurvey *survey = account->survey;
    g_autoptr(GError) refusal = NULL;

    survey->listing = FALSE;
    if (survey->want == NULL)
        return;
    if (answer == NULL) {
        mail_account_retry(account, survey->want, error);
        return;
    }
    if (answer->kind != IMAP_OK) {
        refusal = imap_response_error(answer, IMAPFS_ERROR_FAILED);
        mail_account_finish(account, survey->want, refusal);
        return;
    }
    /* One answer alone does not do away with everything. */
    if (mail_mailboxes_is_plausible(account->mailboxes))
        mail_mailboxes_end(account->mailboxes);
    else
        g_message("the server listed mailboxes without INBOX; what it left out "
                  "is kept");
    account->mailboxes_known = TRUE;
    mail_saving_note_mailboxes(account);
    survey->listed_at = clock_now(account->clock);
    mail_account_finish(account, survey->want, NULL);
    ask_to_be_told(account, session);
}

static void
send_list(MailAccount *account, ImapLink *link)
{
    guint capabilities = imap_link_capabilities(link);
    ImapCommand *command = imap_command_new("LIST \"\" \"*\"");

    account->survey->listing = TRUE;
    mail_mailboxes_begin(account->mailboxes);
    if (capabilities & IMAP_CAP_LIST_EXTENDED) {
        imap_command_add(command, " RETURN (CHILDREN%s",
                         capabilities & IMAP_CAP_SPECIAL_USE ? " SPECIAL-USE"
                                                             : "");
        if (capabilities & IMAP_CAP_LIST_STATUS)
            imap_command_add(
                command, " STATUS (MESSAGES UIDNEXT UIDVALIDITY%s)",
                capabilities & IMAP_CAP_CONDSTORE ? " HIGHESTMODSEQ" : "");
        imap_command_add(command, ")");
    }
    imap_link_send(link, command, on_listed, account);
}

static void
on_namespace(ImapSession *session, const ImapResponse *answer,
             const GError *error, gpointer data)
{
    MailAccount *account = data;
    ImapLink *link = imap_pool_find(account->pool, session);

    if (answer == NULL || link == NULL)
        on_listed(session, NULL, error, account);
    else
        send_list(account, link);
}

/* Where paths begin has to be known before the first of them. */
gboolean
mail_survey_plan(MailAccount *account, MailWant *want)
{
    ImapLink *link = imap_pool_lend(account->pool, NULL, IMAP_LOAN_INTERACTIVE);

    if (link == NULL)
        return FALSE;
    want->state = MAIL_WANT_SENT;
    if (!account->mailboxes_known &&
        imap_link_capabilities(link) & IMAP_CAP_NAMESPACE)
        imap_link_send(link, imap_command_new("NAMESPACE"), on_namespace,
                       account);
    else
        send_list(account, link);
    return TRUE;
}

void
mail_survey_need(MailAccount *account)
{
    MailSurvey *survey = account->survey;
    if (survey->want == NULL)
        survey->want = mail_account_add_want(account, MAIL_WANT_MAILBOXES, 0);
}

MailWant *
mail_survey_want(const MailAccount *account)
{
    return account->survey->want;
}

void
mail_survey_finished(MailAccount *account)
{
    account->survey->want = NULL;
}

static void
take_namespaces(MailAccount *account, const ImapSlice *namespaces)
{
    ImapSlice personal = namespaces[0];
    ImapSlice prefix;
    char delimiter;
    if (imap_next_namespace(&personal, &prefix, &delimiter))
        mail_mailboxes_set_prefix(account->mailboxes, prefix, delimiter);
}

void
mail_survey_untagged(MailAccount *account, const ImapResponse *response)
{
    MailSurvey *survey = account->survey;

    if (response->kind == IMAP_NAMESPACE) {
        take_namespaces(account, response->namespaces);
    } else if (response->kind == IMAP_LIST && survey->listing) {
        mail_mailboxes_take(account->mailboxes, &response->list);
    } else if (response->kind == IMAP_LIST) {
        survey->heard = TRUE;
        mail_survey_need(account);
    } else if (response->kind == IMAP_STATUS) {
        survey->heard |= !survey->listing;
        mail_listing_status(account, &response->mailbox);
    } else if (response->status.code == IMAP_CODE_NOTIFICATIONOVERFLOW) {
        g_clear_pointer(&survey->notifier, imap_session_unref);
        survey->refused = TRUE;
        mail_survey_need(account);
    }
}

/* ---- looking now and then ---- */

gboolean
mail_survey_is_in_use(const MailAccount *account, const MailMailbox *mailbox)
{
    return mailbox->used_at != 0 &&
           clock_now(account->clock) - mailbox->used_at < IN_USE;
}

void
mail_account_keep_fresh(MailAccount *account, MailMailbox *mailbox)
{
    mailbox->used_at = clock_now(account->clock);
}

/* Tells of those that will not be for much longer, too. */
static gboolean
is_any_in_use(MailAccount *account)
{
    g_autoptr(GList) all = mail_mailboxes_all(account->mailboxes);
    const MailObserver *observer = account->observer;
    gint64 now = clock_now(account->clock);
    gboolean any = FALSE;

    for (GList *link = all; link != NULL; link = link->next) {
        const MailMailbox *mailbox = link->data;
        if (mailbox->listing != MAIL_LISTED ||
            !mail_survey_is_in_use(account, mailbox))
            continue;
        any = TRUE;
        if (now - mailbox->used_at >= IN_USE - LAST_CALL && observer != NULL &&
            observer->mailbox_unused != NULL)
            observer->mailbox_unused(mailbox, account->observer_data);
    }
    return any;
}

static void
on_poll_timer(gpointer data)
{
    MailAccount *account = data;
    MailSurvey *survey = account->survey;
    gboolean told = survey->notifier != NULL && survey->heard;
    gint64 age = clock_now(account->clock) - survey->listed_at;

    survey->poll_timer =
        clock_after(account->clock, POLL_INTERVAL, on_poll_timer, account);
    if (account->failure == NULL && is_any_in_use(account) &&
        (!told || age > POLL_RARELY))
        mail_survey_need(account);
}

MailSurvey *
mail_survey_new(MailAccount *account)
{
    MailSurvey *survey = g_new0(MailSurvey, 1);
    survey->poll_timer =
        clock_after(account->clock, POLL_INTERVAL, on_poll_timer, account);
    return survey;
}

void
mail_survey_free(MailAccount *account)
{
    MailSurvey *survey = account->survey;
    clock_cancel(account->clock, &survey->poll_timer);
    g_clear_pointer(&survey->notifier, imap_session_unref);
    g_free(survey);
}

void
mail_survey_describe(const MailAccount *account, GString *text)
{
    const MailSurvey *survey = account->survey;
    g_string_append_printf(text, "news of other mailboxes: %s\n",
                           survey->notifier == NULL ? "each minute"
                           : survey->heard          ? "pushed"
                                                    : "pushed, or each minute");
}

/* ---- the door ---- */

gboolean
mail_account_know_mailboxes(MailAccount *account, MailFault *fault)
{
    /* Without a server some of them are better than none. */
    if (account->mailboxes_known ||
        (mail_account_is_offline(account) &&
         mail_mailboxes_root(account->mailboxes)->children->len > 0))
        return TRUE;
    mail_survey_need(account);
    return mail_fault_want(fault, account->survey->want);
}

void
mail_account_visit_root(MailAccount *account)
{
    MailSurvey *survey = account->survey;
    gint64 age = clock_now(account->clock) - survey->listed_at;
    gboolean never = survey->listed_at == 0;
    if ((never || age > MAILBOXES_LIFE) && account->failure == NULL)
        mail_survey_need(account);
}

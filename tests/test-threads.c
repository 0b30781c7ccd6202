/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include <gmime/gmime.h>

#include "mail/threads.h"

/* All threads as "1 3,2,": by first UID, each with a comma behind it. */
static char *
list(const MailThreads *threads)
{
    GString *text = g_string_new(NULL);
    const guint32 *uids;
    guint n = 0;

    for (guint32 from = 0;
         (uids = mail_threads_next(threads, from, &n)) != NULL;
         from = uids[0] + 1) {
        for (guint i = 0; i < n; i++) {
            assert_true(i == 0 || uids[i - 1] < uids[i]);
            g_string_append_printf(text, "%s%u", i > 0 ? " " : "", uids[i]);
        }
        g_string_append_c(text, ',');
    }
    return g_string_free(text, FALSE);
}

static const struct {
    const char *name;
    const char *headers[6]; /* of UIDs 1, 2, ... */
    const char *threads;
} rows[] = {
    {"nothing", {NULL}, ""},
    {"no headers", {"", "", ""}, "1,2,3,"},
    {"strangers", {"Message-ID: <a>\r\n", "Message-ID: <b>\r\n"}, "1,2,"},
    {"an answer",
     {"Message-ID: <a>\r\n", "Message-ID: <b>\r\nReferences: <a>\r\n"},
     "1 2,"},
    {"the answer came first",
     {"Message-ID: <b>\r\nReferences: <a>\r\n", "Message-ID: <a>\r\n"},
     "1 2,"},
    {"two answers to what is not here",
     {"References: <x>\r\n", "Message-ID: <c>\r\n", "References: <x>\r\n"},
     "1 3,2,"},
    {"a chain, by what is not here",
     {"Message-ID: <a>\r\n", "Message-ID: <c>\r\nReferences: <a> <b>\r\n",
      "Message-ID: <d>\r\nReferences: <b>\r\n"},
     "1 2 3,"},
    {"In-Reply-To",
     {"Message-ID: <a>\r\n", "In-Reply-To: Your message of Monday <a>\r\n"},
     "1 2,"},
    {"the first of In-Reply-To",
     {"Message-ID: <a>\r\n", "Message-ID: <b>\r\n", "In-Reply-To: <b> <a>\r\n"},
     "1,2 3,"},
    {"References before In-Reply-To",
     {"Message-ID: <a>\r\n", "Message-ID: <b>\r\n",
      "In-Reply-To: <a>\r\nReferences: <b>\r\n"},
     "1,2 3,"},
    {"References that are none",
     {"Message-ID: <a>\r\n", "References: none\r\nIn-Reply-To: <a>\r\n"},
     "1 2,"},
    {"folded, and in any case",
     {"MESSAGE-ID:\r\n <a@x>\r\n",
      "Subject: x\r\nreferences: <b@x>\r\n\t<a@x>\r\n <c@x>\r\n"},
     "1 2,"},
    {"folded inside of one",
     {"Message-ID: <a@x>\r\n", "References: <a@\r\n x>\r\n"},
     "1 2,"},
    {"LF alone", {"Message-ID: <a>\n", "X: y\nReferences: <a>\n"}, "1 2,"},
    {"not at the beginning of a line",
     {"Message-ID: <a>\r\n", "X: References: <a>\r\n"},
     "1,2,"},
    {"another field", {"Message-ID: <a>\r\n", "X-References: <a>\r\n"}, "1,2,"},
    {"case of IDs counts",
     {"Message-ID: <a>\r\n", "References: <A>\r\n"},
     "1,2,"},
    {"the same message twice",
     {"Message-ID: <a>\r\n", "Message-ID: <a>\r\n"},
     "1 2,"},
    {"empty IDs",
     {"Message-ID: <>\r\nReferences: <>\r\n", "References: < >\r\n"},
     "1,2,"},
    {"an ID without an end",
     {"Message-ID: <a\r\n", "References: <a\r\n", "Message-ID: <a>\r\n"},
     "1,2,3,"},
    {"one that refers to itself and others that do",
     {"Message-ID: <a>\r\nReferences: <a> <b>\r\n",
      "Message-ID: <b>\r\nReferences: <a>\r\n"},
     "1 2,"},
    {"the same subject is not enough",
     {"Message-ID: <a>\r\nSubject: Lunch\r\n",
      "Message-ID: <b>\r\nSubject: Lunch\r\n"},
     "1,2,"},
    {"an answer that refers to nothing",
     {"Message-ID: <a>\r\nSubject: Lunch\r\n",
      "Message-ID: <b>\r\nSubject: Re: Lunch\r\n"},
     "1 2,"},
    {"it came first",
     {"Subject: Re: Lunch\r\n", "Subject: Lunch\r\n", "Subject: Lunch\r\n"},
     "1 2,3,"},
    {"answers only",
     {"Subject: Re: Lunch\r\n", "Subject: RE: Lunch\r\n"},
     "1 2,"},
    {"an answer that refers to something else",
     {"Message-ID: <a>\r\nSubject: Lunch\r\n",
      "References: <x>\r\nSubject: Re: Lunch\r\n"},
     "1,2,"},
    {"one that refers to nothing joins one that does",
     {"References: <x>\r\nSubject: Re: Lunch\r\n", "Subject: Re: Lunch\r\n"},
     "1 2,"},
    {"no subject",
     {"Subject: Re:\r\n", "Subject: Re: \r\n", "Subject:\r\n"},
     "1,2,3,"},
};

static void
test_rows(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(MailThreads) threads = mail_threads_new();
        g_autofree char *text = NULL;
        for (guint uid = 1; uid <= G_N_ELEMENTS(rows[i].headers) &&
                            rows[i].headers[uid - 1] != NULL;
             uid++) {
            const char *header = rows[i].headers[uid - 1];
            g_autofree char *copy = copy_octets(header, strlen(header));
            mail_threads_add(threads, uid, copy, strlen(header));
        }
        mail_threads_close(threads, NULL, NULL);
        text = list(threads);
        row_string(rows[i].name, "threads", text, rows[i].threads);
    }
    rows_end();
}

/* ---- base subjects ---- */

/* Whether an answer with this subject belongs to "Lunch at [1] noon". */
static const struct {
    const char *subject;
    gboolean belongs;
} subject_rows[] = {
    {"Re: Lunch at [1] noon", TRUE},
    {"RE: re: Fwd: Lunch at [1] noon", TRUE},
    {"Fw: LUNCH AT [1] NOON", TRUE},
    {"Re [2]: Lunch at [1] noon", TRUE},
    {"Re : Lunch at [1] noon", TRUE},
    {"Lunch at [1] noon (fwd)", TRUE},
    {"Lunch at [1] noon (fwd) (fwd)", TRUE},
    {"[list] Re: Lunch at [1] noon", TRUE},
    {"Re: [list] Lunch at [1] noon", TRUE},
    {"[a] [b] Re: [c] Re[4]: Lunch at [1] noon", TRUE},
    {"=?UTF-8?Q?Re:_Lunch_at_=5B1=5D_noon?=", TRUE},
    {"Re:Lunch at [1] noon", TRUE},
    {"Re: Lunch at [2] noon", FALSE},
    {"Re: Lunch", FALSE},
    {"Read: Lunch at [1] noon", FALSE},
    {"[Re: Lunch at [1] noon", FALSE},
    {"[list] Lunch at [1] noon", FALSE}, /* no answer */
};

static void
test_subjects(void **state)
{
    static const char original[] = "Subject: Lunch at [1] noon\r\n";
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(subject_rows); i++) {
        g_autoptr(MailThreads) threads = mail_threads_new();
        g_autofree char *answer =
            g_strdup_printf("Subject: %s\r\n", subject_rows[i].subject);
        g_autofree char *text = NULL;

        mail_threads_add(threads, 1, original, strlen(original));
        mail_threads_add(threads, 2, answer, strlen(answer));
        mail_threads_close(threads, NULL, NULL);
        text = list(threads);
        row_string(subject_rows[i].subject, "threads", text,
                   subject_rows[i].belongs ? "1 2," : "1,2,");
    }
    rows_end();
}

/* ---- groups, gaps, more ---- */

static gboolean
is_odd(guint32 uid, gpointer data)
{
    (void)data;
    return uid % 2 == 1;
}

static void
assert_list(const MailThreads *threads, const char *wanted)
{
    g_autofree char *text = list(threads);
    assert_string_equal(text, wanted);
}

static void
test_groups(void **state)
{
    static const guint32 one[] = {9, 4, 7};
    static const guint32 other[] = {2, 4294967295, 3};
    static const guint32 again[] = {7, 1};
    g_autoptr(MailThreads) threads = mail_threads_new();
    guint n = 0;
    (void)state;

    assert_null(mail_threads_next(threads, 0, &n));
    mail_threads_add_group(threads, one, 3);
    mail_threads_add_group(threads, other, 3);
    mail_threads_add_group(threads, NULL, 0);
    mail_threads_close(threads, NULL, NULL);
    {
        const guint32 *uids = mail_threads_next(threads, 0, &n);
        assert_int_equal(n, 3);
        assert_int_equal(uids[2], 4294967295);
    }
    assert_int_equal(*mail_threads_next(threads, 3, &n), 4);
    assert_null(mail_threads_next(threads, 5, &n));
    assert_null(mail_threads_get(threads, 3, &n));
    assert_int_equal(*mail_threads_get(threads, 4, &n), 4);
    /* A server that tells of one twice; the first time counts. */
    mail_threads_add_group(threads, again, 2);
    mail_threads_close(threads, is_odd, NULL);
    assert_null(mail_threads_get(threads, 4, &n));
    assert_int_equal(*mail_threads_get(threads, 7, &n), 7);
    assert_int_equal(n, 2);
    assert_int_equal(*mail_threads_get(threads, 1, &n), 1);
    assert_int_equal(n, 1);
    assert_int_equal(*mail_threads_get(threads, 3, &n), 3);
}

/* Mail that comes joins what was there, and one with another. */
static void
test_more(void **state)
{
    static const char *const headers[] = {
        "Message-ID: <a>\r\n", "Message-ID: <b>\r\n", "Message-ID: <c>\r\n",
        "References: <a> <c>\r\n"};
    g_autoptr(MailThreads) threads = mail_threads_new();
    (void)state;

    for (guint i = 0; i < 3; i++)
        mail_threads_add(threads, i + 1, headers[i], strlen(headers[i]));
    mail_threads_close(threads, NULL, NULL);
    assert_list(threads, "1,2,3,");
    mail_threads_add(threads, 4, headers[3], strlen(headers[3]));
    mail_threads_close(threads, NULL, NULL);
    assert_list(threads, "1 3 4,2,");
    /* What has gone still joins the others. */
    mail_threads_close(threads, is_odd, NULL);
    assert_list(threads, "1 3,");
}

/* ---- size ---- */

static double
seconds_for(guint n)
{
    g_autoptr(MailThreads) threads = mail_threads_new();
    double start = cpu_seconds();

    for (guint uid = 1; uid <= n; uid++) {
        g_autofree char *header = g_strdup_printf(
            "Message-ID: <%u>\r\nReferences: <%u>\r\nSubject: Re: %u\r\n", uid,
            uid % 100 == 0 ? 0 : uid - 1, uid / 100);
        mail_threads_add(threads, uid, header, strlen(header));
    }
    mail_threads_close(threads, NULL, NULL);
    return cpu_seconds() - start;
}

static void
test_size(void **state)
{
    GString *header = g_string_new("References:");
    g_autoptr(MailThreads) threads = mail_threads_new();
    double few, many;
    (void)state;

    few = seconds_for(5000);
    many = seconds_for(40000);
    if (many > 40 * few + 0.5)
        fail_msg("5000 took %.3f s, 40000 %.3f s", few, many);
    /* One that refers to whoever, for ever. */
    for (guint i = 0; i < 200000; i++)
        g_string_append_printf(header, " <%u>", i);
    g_string_append(header, "\r\n");
    few = cpu_seconds();
    mail_threads_add(threads, 1, header->str, header->len);
    g_string_free(header, TRUE);
    assert_true(cpu_seconds() - few < 1);
    mail_threads_close(threads, NULL, NULL);
    assert_list(threads, "1,");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),   cmocka_unit_test(test_subjects),
        cmocka_unit_test(test_groups), cmocka_unit_test(test_more),
        cmocka_unit_test(test_size),
    };
    rows_begin_program();
    g_mime_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

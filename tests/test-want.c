/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include "base/error.h"
#include "mail/want.h"

typedef struct {
    MailWaiter waiter;
    guint woken;
    int code; /* of the error; -1 when there was none */
    MailWant *again;
} Asker;

static void
on_woken(MailWaiter *waiter, const GError *error)
{
    Asker *asker = (Asker *)(gpointer)waiter;
    asker->woken++;
    asker->code = error ? error->code : -1;
    if (asker->again != NULL)
        mail_want_wait(asker->again, waiter);
}

static Asker
asker_new(void)
{
    return (Asker){.waiter.wake = on_woken};
}

static void
test_prefetch(void **state)
{
    MailWant *want = mail_want_new(MAIL_WANT_RANGE, 5);
    Asker asker = asker_new();
    (void)state;

    assert_int_equal(want->kind, MAIL_WANT_RANGE);
    assert_int_equal(want->mailbox, 5);
    assert_int_equal(want->state, MAIL_WANT_PENDING);
    assert_true(want->ahead);
    mail_want_wake(want, NULL);
    mail_want_wait(want, &asker.waiter);
    assert_false(want->ahead);
    mail_waiter_leave(&asker.waiter);
    mail_waiter_leave(&asker.waiter); /* again is harmless */
    assert_false(want->ahead);
    mail_want_wake(want, NULL);
    assert_int_equal(asker.woken, 0);
    mail_want_unref(want);
}

static void
test_all_are_woken_once(void **state)
{
    MailWant *want = mail_want_new(MAIL_WANT_LISTING, 1);
    Asker askers[3] = {asker_new(), asker_new(), asker_new()};
    g_autoptr(GError) error =
        g_error_new_literal(IMAPFS_ERROR, IMAPFS_ERROR_TIMEOUT, "slow");
    (void)state;

    for (guint i = 0; i < 3; i++)
        mail_want_wait(want, &askers[i].waiter);
    mail_want_wake(want, error);
    mail_want_wake(want, NULL);
    for (guint i = 0; i < 3; i++) {
        assert_int_equal(askers[i].woken, 1);
        assert_int_equal(askers[i].code, IMAPFS_ERROR_TIMEOUT);
        assert_null(askers[i].waiter.want);
    }
    mail_want_unref(want);
}

/* One that waits again, at once, waits for the next time. */
static void
test_waits_again(void **state)
{
    MailWant *want = mail_want_new(MAIL_WANT_LISTING, 1);
    Asker asker = asker_new();
    (void)state;

    asker.again = want;
    mail_want_wait(want, &asker.waiter);
    mail_want_wake(want, NULL);
    assert_int_equal(asker.woken, 1);
    mail_want_wake(want, NULL);
    assert_int_equal(asker.woken, 2);
    mail_waiter_leave(&asker.waiter);
    mail_want_unref(want);
}

/* The want may lose its last owner while it wakes those who wait. */
static void
test_outlives_its_waiters(void **state)
{
    MailWant *want = mail_want_new(MAIL_WANT_MAILBOXES, 0);
    Asker asker = asker_new();
    (void)state;

    mail_want_wait(want, &asker.waiter);
    assert_ptr_equal(mail_want_ref(want), want);
    mail_want_unref(want);
    mail_want_unref(want); /* ours: the waiter has one, too */
    mail_want_wake(want, NULL);
    assert_int_equal(asker.woken, 1);
}

static void
test_faults(void **state)
{
    MailWant *want = mail_want_new(MAIL_WANT_MAILBOXES, 0);
    MailFault fault = {NULL, NULL};
    (void)state;

    assert_false(mail_fault_want(&fault, want));
    assert_ptr_equal(fault.want, want);
    assert_null(fault.error);
    fault.want = NULL;
    assert_false(
        mail_fault_error(&fault, IMAPFS_ERROR_STALE, "%s %u", "it went", 7));
    assert_null(fault.want);
    assert_true(g_error_matches(fault.error, IMAPFS_ERROR, IMAPFS_ERROR_STALE));
    assert_string_equal(fault.error->message, "it went 7");
    g_clear_error(&fault.error);
    mail_want_unref(want);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prefetch),
        cmocka_unit_test(test_all_are_woken_once),
        cmocka_unit_test(test_waits_again),
        cmocka_unit_test(test_outlives_its_waiters),
        cmocka_unit_test(test_faults),
    };
    rows_begin_program();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

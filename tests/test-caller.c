/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/caller.h"

/* A program that is stopped in its first system call after the stop signal. */
static pid_t
start_stopped(void (*call)(void))
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(77);
        raise(SIGSTOP);
        call();
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status)) {
        print_message("a program may not be traced here\n");
        skip();
    }
    assert_int_equal(ptrace(PTRACE_SYSCALL, child, NULL, NULL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSTOPPED(status));
    return child;
}

static void
end(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void
make_directory(void)
{
    if (mkdir("/nonexistent/directory", 0700) == 0)
        _exit(1);
}

static void
make_directory_at(void)
{
    if (mkdirat(-1, "directory", 0700) == 0)
        _exit(1);
}

static void
look(void)
{
    if (access("/nonexistent/directory", F_OK) == 0)
        _exit(1);
}

static void
test_calls(void **state)
{
    static const struct {
        const char *row;
        void (*call)(void);
        gboolean makes;
    } rows[] = {
        {"mkdir", make_directory, TRUE},
        {"mkdirat", make_directory_at, TRUE},
        {"access", look, FALSE},
    };
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        pid_t child = start_stopped(rows[i].call);
        row_number(rows[i].row, "what it does",
                   fs_caller_makes_directory(child), rows[i].makes);
        end(child);
    }
    rows_end();
}

/* What runs is in no call, so its name has to do. */
static void
test_names(void **state)
{
    static const struct {
        const char *name;
        gboolean makes;
    } rows[] = {{"mkdir", TRUE}, {"mkdirs", FALSE}, {"ls", FALSE}};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        int ready[2];
        char octet;
        pid_t child;

        assert_int_equal(pipe(ready), 0);
        child = fork();
        if (child == 0) {
            prctl(PR_SET_NAME, rows[i].name, 0, 0, 0);
            if (write(ready[1], "", 1) != 1)
                _exit(1);
            for (;;)
                continue;
        }
        assert_int_equal(read(ready[0], &octet, 1), 1);
        row_number(rows[i].name, "what it does",
                   fs_caller_makes_directory(child), rows[i].makes);
        end(child);
        close(ready[0]);
        close(ready[1]);
    }
    rows_end();
}

static void
test_nobody(void **state)
{
    (void)state;
    assert_false(fs_caller_makes_directory(0));
    assert_false(fs_caller_makes_directory(-1));
    assert_false(fs_caller_makes_directory(G_MAXINT));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_nobody),
    };
    rows_begin_program();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>

#include "check.h"
#include "command.h"
#include "complaint.h"
#include "fs/nudging.h"
#include "fs/ops.h"
#include "mount.h"
#include "options.h"
#include "sync.h"

/* Nothing of this process, which knows a password, goes to disk or to other
 * processes of the user. */
static void
keep_to_ourselves(void)
{
    static const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Options) options = NULL;

    /* The child that nudges is this program, too. */
    if (fs_nudging_is_meant(argv))
        return fs_nudging_run(argv);
    options = options_parse(&argc, &argv, &error);
    setlocale(LC_ALL, "");
    if (options == NULL)
        return complaint_print(error);
    if (options->version) {
        printf("imapfs %s, libfuse %s\n", PACKAGE_VERSION, fs_ops_library());
        return EX_OK;
    }
    signal(SIGPIPE, SIG_IGN);
    keep_to_ourselves();
    switch (options->command) {
    case COMMAND_MOUNT:
        return mount_run(options);
    case COMMAND_STATUS:
        return command_status(options);
    case COMMAND_REFRESH:
        return command_refresh(options);
    case COMMAND_SYNC:
        return sync_run(options);
    case COMMAND_UMOUNT:
        return command_umount(options);
    case COMMAND_CHECK:
        return check_run(options);
    }
    return EX_SOFTWARE;
}

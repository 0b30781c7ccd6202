/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fs/watches.h"

static const struct {
    const char *line;
    gboolean is_watch;
    guint32 device;
    guint64 ino;
} line_rows[] = {
    /* Linux 6.18 */
    {"inotify wd:1 ino:1000000100000000 sdev:2f mask:304 ignored_mask:0 "
     "fhandle-bytes:c fhandle-type:81 f_handle:0000\n",
     TRUE, 0x2f, 0x1000000100000000},
    {"inotify wd:ffff ino:1 sdev:800002 mask:fce ignored_mask:0\n", TRUE,
     0x800002, 1},
    {"inotify wd:1 ino:ffffffffffffffff sdev:ffffffff mask:0\n", TRUE,
     G_MAXUINT32, G_MAXUINT64},
    {"fanotify ino:2000000100000000 sdev:2f mflags:0 mask:3b ignored_mask:0\n",
     TRUE, 0x2f, 0x2000000100000000},
    {"fanotify sdev:2f mflags:0 mask:3b ignored_mask:0\n", TRUE, 0x2f, 0},
    {"fanotify mnt_id:9 mflags:0 mask:3b ignored_mask:0\n", FALSE, 0, 0},
    {"fanotify flags:10 event-flags:0\n", FALSE, 0, 0},
    {"inotify wd:1 ino: sdev:2f mask:304\n", FALSE, 0, 0},
    {"inotify wd:1 ino:5 sdev:123456789 mask:304\n", FALSE, 0, 0},
    {"inotify wd:1\n", FALSE, 0, 0},
    {"pos:\t0\n", FALSE, 0, 0},
    {"ino:\t14\n", FALSE, 0, 0},
    {"tfd:        5 events:       19 data:  5 pos:0 ino:e sdev:f\n", FALSE, 0,
     0},
    {"\n", FALSE, 0, 0},
    {"", FALSE, 0, 0},
};

static void
test_lines(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(line_rows); i++) {
        const char *row = line_rows[i].line;
        guint32 device = 0;
        guint64 ino = 0;
        gboolean is_watch = fs_watches_parse(row, &device, &ino);

        row_number(row, "watch", is_watch, line_rows[i].is_watch);
        if (!is_watch)
            continue;
        row_number(row, "device", device, line_rows[i].device);
        row_number(row, "inode", (gint64)ino, (gint64)line_rows[i].ino);
    }
    rows_end();
}

/* This process watches a directory of its own, and the scan finds that. */
static void
test_scan(void **state)
{
    g_autofree char *path = g_dir_make_tmp("imapfs-test-XXXXXX", NULL);
    FsWatches *watches = fs_watches_new();
    int inotify = inotify_init1(IN_CLOEXEC);
    struct stat st;
    guint32 device;
    (void)state;

    assert_non_null(path);
    assert_int_equal(stat(path, &st), 0);
    device = fs_watches_device(major(st.st_dev), minor(st.st_dev));
    fs_watches_scan(watches, device);
    assert_false(fs_watches_has(watches, st.st_ino));
    assert_true(inotify_add_watch(inotify, path, IN_CREATE) >= 0);
    fs_watches_scan(watches, device + 1);
    assert_false(fs_watches_has(watches, st.st_ino));
    fs_watches_scan(watches, device);
    assert_true(fs_watches_has(watches, st.st_ino));
    close(inotify);
    fs_watches_scan(watches, device);
    assert_false(fs_watches_has(watches, st.st_ino));
    fs_watches_free(watches);
    rmdir(path);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_scan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

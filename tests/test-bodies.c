/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include "base/error.h"
#include "mail/bodies.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char *folder;
static int directory;

static int
set_up(void **state)
{
    (void)state;
    folder = g_dir_make_tmp("imapfs-bodies-XXXXXX", NULL);
    directory = open(folder, O_RDONLY | O_DIRECTORY);
    return directory < 0;
}

static int
tear_down(void **state)
{
    (void)state;
    mail_bodies_remove(directory);
    close(directory);
    g_rmdir(folder);
    g_free(folder);
    return 0;
}

static char *
path_of(guint32 file)
{
    return g_strdup_printf("%s/bodies/%u", folder, file);
}

/* In blocks of 512, 0 when it is not there. */
static gint64
blocks_of(guint32 file)
{
    g_autofree char *path = path_of(file);
    struct stat st;
    return stat(path, &st) < 0 ? 0 : st.st_blocks;
}

static char *
fill(gsize length, guint32 seed)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    char *data = g_malloc(length);
    for (gsize i = 0; i < length; i++)
        data[i] = (char)g_rand_int(rand);
    return data;
}

static MailPlace
append(MailBodies *bodies, guint32 seed, gsize length)
{
    g_autofree char *data = fill(length, seed);
    MailPlace place;
    assert_true(mail_bodies_append(bodies, seed, data, length, &place, NULL));
    assert_true(mail_bodies_is_place(&place));
    return place;
}

static gboolean
holds(MailBodies *bodies, guint32 seed, const MailPlace *place)
{
    g_autoptr(GBytes) octets = mail_bodies_read(bodies, seed, place);
    g_autofree char *data = fill(place->length, seed);
    if (octets == NULL)
        return FALSE;
    assert_int_equal(g_bytes_get_size(octets), place->length);
    assert_memory_equal(g_bytes_get_data(octets, NULL), data, place->length);
    return TRUE;
}

static void
test_there_and_back(void **state)
{
    static const gsize lengths[] = {1,    2,    4095,   4096,
                                    4097, 8192, 100000, MAIL_BODIES_PIECE_MAX};
    MailBodies *bodies = mail_bodies_open(directory, NULL);
    MailPlace places[G_N_ELEMENTS(lengths)];

    (void)state;
    assert_non_null(bodies);
    for (guint i = 0; i < G_N_ELEMENTS(lengths); i++)
        places[i] = append(bodies, i, lengths[i]);
    for (guint i = 0; i < G_N_ELEMENTS(lengths); i++)
        assert_true(holds(bodies, i, &places[i]));
    /* Another seed, place or length is another thing. */
    assert_null(mail_bodies_read(bodies, 9, &places[3]));
    places[3].position += MAIL_BODIES_BLOCK;
    assert_null(mail_bodies_read(bodies, 3, &places[3]));
    places[4].length--;
    assert_null(mail_bodies_read(bodies, 4, &places[4]));
    places[5].file = 77;
    assert_null(mail_bodies_read(bodies, 5, &places[5]));
    mail_bodies_close(bodies);
}

static void
test_after_a_crash(void **state)
{
    MailBodies *bodies = mail_bodies_open(directory, NULL);
    MailPlace first = append(bodies, 1, 5000);
    MailPlace lost = {1, 64 * 4096, 4096, 0};
    MailPlace second;
    MailPlace third;

    (void)state;
    mail_bodies_close(bodies);
    bodies = mail_bodies_open(directory, NULL);
    mail_bodies_claim(bodies, &first);
    mail_bodies_claim(bodies, &lost); /* it never came to the disk */
    mail_bodies_sweep(bodies);
    second = append(bodies, 2, 10);
    assert_true(second.file != 1 || second.position >= 65 * 4096);
    assert_true(holds(bodies, 1, &first));
    assert_null(mail_bodies_read(bodies, 0, &lost));
    mail_bodies_close(bodies);
    /* Octets nobody claims are not written over either. */
    bodies = mail_bodies_open(directory, NULL);
    third = append(bodies, 3, 10);
    assert_true(third.position > second.position);
    assert_true(holds(bodies, 2, &second));
    mail_bodies_close(bodies);
    /* ... but go when none of their file is claimed. */
    bodies = mail_bodies_open(directory, NULL);
    mail_bodies_sweep(bodies);
    assert_int_equal(blocks_of(1), 0);
    assert_false(holds(bodies, 1, &first));
    mail_bodies_close(bodies);
}

static void
test_dropping(void **state)
{
    MailBodies *bodies = mail_bodies_open(directory, NULL);
    MailPlace one = append(bodies, 1, 600000);
    MailPlace other = append(bodies, 2, 600000);
    MailPlace next;
    gint64 before = blocks_of(1);

    (void)state;
    assert_true(before >= 1200000 / 512);
    mail_bodies_drop(bodies, &one);
    assert_true(blocks_of(1) <= before - 590000 / 512);
    assert_false(holds(bodies, 1, &one));
    assert_true(holds(bodies, 2, &other));
    mail_bodies_drop(bodies, &other);
    mail_bodies_drop_file(bodies, 1);
    assert_int_equal(blocks_of(1), 0);
    next = append(bodies, 3, 100);
    assert_int_not_equal(next.file, 1);
    assert_true(holds(bodies, 3, &next));
    mail_bodies_close(bodies);
}

static void
test_files_have_an_end(void **state)
{
    MailBodies *bodies = mail_bodies_open(directory, NULL);
    MailPlace place = {0};
    guint n = MAIL_BODIES_FILE_MAX / MAIL_BODIES_PIECE_MAX;

    (void)state;
    for (guint i = 0; i <= n; i++) {
        place = append(bodies, i, MAIL_BODIES_PIECE_MAX);
        assert_int_equal(place.file, i < n ? 1 : 2);
    }
    assert_int_equal(place.position, 0);
    assert_true(holds(bodies, n, &place));
    mail_bodies_close(bodies);
}

/* What a disk may say of a place. */
static const struct {
    const char *name;
    MailPlace place;
    gboolean wanted;
} place_rows[] = {
    {"the first", {1, 0, 1, 0}, TRUE},
    {"no file", {0, 0, 1, 0}, FALSE},
    {"the last file but one", {G_MAXINT32 - 1, 0, 1, 0}, TRUE},
    {"no such file", {G_MAXUINT32, 0, 1, 0}, FALSE},
    {"nothing", {1, 0, 0, 0}, FALSE},
    {"too long", {1, 0, MAIL_BODIES_PIECE_MAX + 1, 0}, FALSE},
    {"longest", {1, 0, MAIL_BODIES_PIECE_MAX, 0}, TRUE},
    {"amid a block", {1, 4095, 1, 0}, FALSE},
    {"behind the end", {1, MAIL_BODIES_FILE_MAX, 1, 0}, FALSE},
    {"the largest", {1, G_MAXUINT32 - 4095, 1, 0}, FALSE},
};

static void
test_places(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(place_rows); i++)
        row_number(place_rows[i].name, "it",
                   mail_bodies_is_place(&place_rows[i].place),
                   place_rows[i].wanted);
    rows_end();
}

static void
test_what_is_not_ours(void **state)
{
    g_autofree char *bodies_path = g_build_filename(folder, "bodies", NULL);
    g_autofree char *first = path_of(1);
    g_autofree char *other = g_build_filename(folder, "other", NULL);
    g_autofree char *notes = g_build_filename(bodies_path, "notes", NULL);
    g_autoptr(GError) error = NULL;
    MailBodies *bodies = mail_bodies_open(directory, NULL);
    MailPlace place;

    (void)state;
    /* A link where the first file goes. */
    assert_true(g_file_set_contents(other, "mine", 4, NULL));
    assert_return_code(symlink("../other", first), errno);
    assert_false(mail_bodies_append(bodies, 0, "abc", 3, &place, &error));
    assert_true(error->domain == IMAPFS_ERROR);
    mail_bodies_close(bodies);
    /* What is no number is left alone. */
    assert_true(g_file_set_contents(notes, "mine", 4, NULL));
    mail_bodies_remove(directory);
    assert_int_equal(g_access(notes, F_OK), 0);
    assert_int_equal(g_unlink(notes), 0);
    mail_bodies_remove(directory);
    /* A link where the folder goes is not followed, to make or to remove. */
    assert_return_code(symlink(".", bodies_path), errno);
    g_clear_error(&error);
    assert_null(mail_bodies_open(directory, &error));
    assert_int_equal(error->code, IMAPFS_ERROR_DENIED);
    mail_bodies_remove(directory);
    assert_int_equal(g_access(other, F_OK), 0);
    assert_int_equal(g_unlink(other), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_there_and_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_after_a_crash, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dropping, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_files_have_an_end, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_not_ours, set_up,
                                        tear_down),
        cmocka_unit_test(test_places),
    };
    rows_begin_program();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

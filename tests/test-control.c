/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The control socket, and what is said on it: JSON, progress, the log. */
#include "rows.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "complaint.h"
#include "control.h"
#include "json.h"
#include "log.h"
#include "progress.h"

/* ---- JSON ---- */

static const struct {
    const char *value;
    const char *json;
} json_rows[] = {
    {"", "\"\""},
    {"plain", "\"plain\""},
    {"Entwürfe", "\"Entwürfe\""},
    {"\"quoted\" \\", "\"\\\"quoted\\\" \\\\\""},
    {"a\r\nb\tc\x01\x1f\x7f",
     "\"a\\u000d\\u000ab\\u0009c\\u0001\\u001f\\u007f\""},
    {"\xff\xfe", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
    {"\xc3", "\"\xef\xbf\xbd\""},
    {NULL, "null"},
};

static void
test_json(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(json_rows); i++) {
        const char *value = json_rows[i].value;
        g_autofree char *wanted =
            g_strdup_printf("{\n  \"x\": %s\n}\n", json_rows[i].json);
        g_autofree char *got = NULL;
        Json *json = json_new();

        json_string(json, "x", value);
        got = json_free_to_text(json);
        row_string(value ? value : "(NULL)", "JSON", got, wanted);
    }
    rows_end();
}

static void
test_json_objects(void **state)
{
    g_autofree char *got = NULL;
    Json *json = json_new();
    (void)state;

    json_begin(json, "empty");
    json_end(json);
    json_begin(json, "a");
    json_number(json, "max", G_MAXUINT64);
    json_boolean(json, "yes", TRUE);
    json_end(json);
    json_boolean(json, "no", FALSE);
    got = json_free_to_text(json);
    assert_string_equal(got, "{\n  \"empty\": {},\n  \"a\": {\n"
                             "    \"max\": 18446744073709551615,\n"
                             "    \"yes\": true\n  },\n  \"no\": false\n}\n");
}

/* ---- progress ---- */

static const struct {
    guint64 messages_done, messages, octets_done, octets;
    guint64 rate;
    guint width;
    const char *text;
} progress_rows[] = {
    {0, 0, 0, 0, 0, 0, "0 of 0 messages, 0 bytes of 0 bytes"},
    {0, 0, 0, 0, 0, 4, "[####] 0 of 0 messages, 0 bytes of 0 bytes"},
    {1, 4, 250000, 1000000, 125000, 4,
     "[#...] 1 of 4 messages, 250.0 kB of 1.0 MB, 125.0 kB/s"},
    {4, 4, 1000000, 1000000, 0, 4, "[####] 4 of 4 messages, 1.0 MB of 1.0 MB"},
    /* A server that announced too little. */
    {1, 4, 3000, 1000, 0, 4, "[####] 1 of 4 messages, 3.0 kB of 1.0 kB"},
    {1, 2, 0, 0, 0, 4, "[##..] 1 of 2 messages, 0 bytes of 0 bytes"},
};

static void
test_progress(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(progress_rows); i++) {
        MailProgress progress = {
            .messages = progress_rows[i].messages,
            .messages_done = progress_rows[i].messages_done,
            .octets = progress_rows[i].octets,
            .octets_done = progress_rows[i].octets_done,
        };
        g_autofree char *got = progress_text(&progress, progress_rows[i].rate,
                                             progress_rows[i].width);
        /* GLib puts a no-break space between number and unit. */
        g_autoptr(GString) plain = g_string_new(got);
        g_string_replace(plain, "\xc2\xa0", " ", 0);
        row_string(progress_rows[i].text, "progress", plain->str,
                   progress_rows[i].text);
    }
    rows_end();
}

/* ---- complaints ---- */

static void
test_complaints(void **state)
{
    (void)state;
    for (int code = 0; code <= IMAPFS_ERROR_FAILED; code++) {
        g_autoptr(GError) error = g_error_new(IMAPFS_ERROR, code, "x");
        const char *word = complaint_word(error);
        g_autoptr(GError) back =
            g_error_new(IMAPFS_ERROR, complaint_code(word), "x");
        row_number(word, "status", complaint_status(back),
                   complaint_status(error));
        row_number(word, "is success", complaint_status(error) == 0, FALSE);
    }
    row_number("nonsense", "code", complaint_code("nonsense"),
               IMAPFS_ERROR_FAILED);
    rows_end();
}

/* ---- the log ---- */

static void
test_log(void **state)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    g_autofree char *long_line = g_strnfill(100000, 'x');
    (void)state;

    log_begin(LOG_TO_MEMORY, FALSE);
    g_debug("not this");
    for (guint i = 0; i < 1200; i++)
        g_message("line %u", i);
    g_message("%s", long_line);
    g_message("a\nb\033[2J\xff \xc2\x9b");
    text = log_text();
    lines = g_strsplit(text, "\n", -1);
    assert_int_equal(g_strv_length(lines), 1000 + 1);
    assert_null(strstr(text, "not this"));
    assert_null(strstr(text, " line 201\n"));
    assert_non_null(strstr(text, " line 202\n"));
    assert_non_null(strstr(text, " line 1199\n"));
    assert_true(strlen(lines[998]) < 1100);
    assert_true(g_str_has_suffix(lines[999], " a?b?[2J\xef\xbf\xbd ??"));
    assert_true(g_utf8_validate(text, -1, NULL));
}

/* ---- the socket ---- */

typedef struct {
    char *home;
    char *path;
    Clock *clock;
    Control *control;
    ControlCall *kept;
    guint freed;
} Scene;

static void
on_echo(ControlCall *call, const char *const *words, gpointer data)
{
    g_autofree char *text = g_strjoinv("|", (char **)words);
    (void)data;
    control_say(call, text);
    control_finish(call, NULL);
}

static void
on_free(gpointer data)
{
    Scene *scene = data;
    scene->kept = NULL;
    scene->freed++;
}

static void
on_keep(ControlCall *call, const char *const *words, gpointer data)
{
    Scene *scene = data;
    (void)words;
    scene->kept = call;
    control_keep(call, scene, on_free);
}

static void
on_lines(ControlCall *call, const char *const *words, gpointer data)
{
    g_autoptr(GError) error =
        g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_BUSY, "two\r\nlines");
    (void)words;
    (void)data;
    control_say(call, "one\n\nok\nerror usage");
    control_finish(call, error);
}

static const ControlRequest requests[] = {
    {"echo", on_echo}, {"keep", on_keep}, {"lines", on_lines}, {NULL, NULL}};

static int
scene_setup(void **state)
{
    Scene *scene = g_new0(Scene, 1);
    scene->home = g_dir_make_tmp("imapfs-test-XXXXXX", NULL);
    scene->path = g_build_filename(scene->home, "run", "socket", NULL);
    scene->clock = clock_new_virtual(0);
    scene->control =
        control_new(scene->path, scene->clock, requests, scene, NULL);
    *state = scene;
    return scene->control == NULL;
}

static int
scene_teardown(void **state)
{
    Scene *scene = *state;
    g_autofree char *directory = g_path_get_dirname(scene->path);

    if (scene->control != NULL)
        control_free(scene->control);
    g_unlink(scene->path);
    g_rmdir(directory);
    g_rmdir(scene->home);
    clock_free(scene->clock);
    g_free(scene->path);
    g_free(scene->home);
    g_free(scene);
    return 0;
}

static void
settle(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        continue;
}

static int
join(const Scene *scene)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(address.sun_path, scene->path, strlen(scene->path));
    assert_int_equal(
        connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    settle();
    return fd;
}

static void
say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    settle();
}

/* What can be had now; "(end)" stands for the end. */
static char *
hear(int fd)
{
    GString *text = g_string_new(NULL);
    char buffer[65536];
    ssize_t n;

    while ((n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT)) > 0) {
        g_string_append_len(text, buffer, n);
        settle();
    }
    if (n == 0 || errno != EAGAIN)
        g_string_append(text, "(end)");
    return g_string_free(text, FALSE);
}

static void
on_nothing(gpointer data)
{
    (void)data;
}

/* Time goes by, for all timers. */
static void
wait_for(Scene *scene, gint64 duration)
{
    gint64 until = clock_now(scene->clock) + duration;

    clock_after(scene->clock, duration, on_nothing, NULL);
    while (clock_step(scene->clock, until))
        settle();
}

static const struct {
    const char *said;
    const char *answer;
} talk_rows[] = {
    {"echo\n", "ok\n"},
    {"echo a 'b c' \"d\\\"e\"\n", " a|b c|d\"e\nok\n"},
    {"echo a\necho b\n", " a\nok\n b\nok\n"},
    {"echo a\r\n", " a\r\nok\n"},
    {"lines\n", " one\n \n ok\n error usage\nerror busy two  lines\n"},
    {"\n", "error usage that is no request\n"},
    {"'\n", "error usage that is no request\n"},
    {"\xff\n", "error usage that is no request\n"},
    {"nothing\n", "error usage there is no such request\n"},
    {"ech", ""},
};

static void
test_talk(void **state)
{
    Scene *scene = *state;
    for (guint i = 0; i < G_N_ELEMENTS(talk_rows); i++) {
        g_autofree char *got = NULL;
        int fd = join(scene);
        say(fd, talk_rows[i].said);
        got = hear(fd);
        row_string(talk_rows[i].said, "answer", got, talk_rows[i].answer);
        close(fd);
    }
    rows_end();
}

/* Byte by byte, it is the same. */
static void
test_pieces(void **state)
{
    Scene *scene = *state;
    int fd = join(scene);
    g_autofree char *got = NULL;

    for (const char *at = "echo a b\n"; *at != '\0'; at++)
        say(fd, (char[]){*at, '\0'});
    got = hear(fd);
    assert_string_equal(got, " a|b\nok\n");
    close(fd);
}

static void
test_line_too_long(void **state)
{
    Scene *scene = *state;
    g_autofree char *text = g_strnfill(CONTROL_LINE_MAX, 'x');
    g_autofree char *got = NULL;
    int fd = join(scene);

    say(fd, text);
    got = hear(fd);
    assert_string_equal(got, "error usage the line is too long\n(end)");
    close(fd);
}

/* While one is answered the next one waits, also if it takes for ever. */
static void
test_one_after_the_other(void **state)
{
    Scene *scene = *state;
    int fd = join(scene);
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;

    say(fd, "keep\necho a\n");
    wait_for(scene, 3600 * CLOCK_SECOND);
    before = hear(fd);
    assert_string_equal(before, "");
    assert_non_null(scene->kept);
    control_say(scene->kept, "now");
    control_finish(scene->kept, NULL);
    settle();
    after = hear(fd);
    assert_string_equal(after, " now\nok\n a\nok\n");
    assert_int_equal(scene->freed, 1);
    close(fd);
}

static void
test_leaves_while_it_waits(void **state)
{
    Scene *scene = *state;
    int fd = join(scene);

    say(fd, "keep\n");
    assert_non_null(scene->kept);
    close(fd);
    settle();
    assert_int_equal(scene->freed, 1);

    fd = join(scene);
    say(fd, "keep\n");
    control_free(g_steal_pointer(&scene->control));
    assert_int_equal(scene->freed, 2);
    close(fd);
}

static void
test_silence(void **state)
{
    Scene *scene = *state;
    int silent = join(scene);
    int slow = join(scene);
    int fd = join(scene);
    g_autofree char *alive = NULL;
    g_autofree char *still = NULL;
    g_autofree char *got = NULL;
    g_autofree char *other = NULL;

    say(slow, "ec");
    wait_for(scene, CONTROL_PATIENCE - 1);
    say(slow, "h");
    say(fd, "echo\n");
    alive = hear(fd);
    assert_string_equal(alive, "ok\n");
    wait_for(scene, 1);
    got = hear(silent);
    other = hear(slow);
    assert_string_equal(got, "(end)");
    assert_string_equal(other, "(end)");
    /* Who has just said something stays. */
    still = hear(fd);
    assert_string_equal(still, "");
    close(fd);
    close(silent);
    close(slow);
}

/* Its requests are left in the socket; after a while it is dropped. */
static void
test_never_reads(void **state)
{
    Scene *scene = *state;
    g_autofree char *word = g_strnfill(4000, 'x');
    g_autofree char *line = g_strdup_printf("echo %s\n", word);
    gsize length = strlen(line);
    gsize sent = 0;
    int fd = join(scene);
    int well = -1;
    g_autofree char *got = NULL;
    ssize_t n;

    while ((n = send(fd, line + sent % length, length - sent % length,
                     MSG_DONTWAIT | MSG_NOSIGNAL)) > 0) {
        sent += (gsize)n;
        settle();
        assert_true(sent < 16 << 20);
    }
    well = join(scene);
    say(well, "echo a\n");
    got = hear(well);
    assert_string_equal(got, " a\nok\n");
    wait_for(scene, 2 * CONTROL_PATIENCE);
    assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT), -1);
    assert_int_equal(errno, EPIPE);
    close(fd);
    close(well);
}

static void
test_too_many(void **state)
{
    Scene *scene = *state;
    int fds[CONTROL_CLIENTS_MAX + 1];
    g_autofree char *got = NULL;
    g_autofree char *later = NULL;

    for (guint i = 0; i <= CONTROL_CLIENTS_MAX; i++)
        fds[i] = join(scene);
    got = hear(fds[CONTROL_CLIENTS_MAX]);
    assert_string_equal(got, "error busy too many ask at once\n(end)");
    close(fds[0]);
    settle();
    fds[0] = join(scene);
    say(fds[0], "echo a\n");
    later = hear(fds[0]);
    assert_string_equal(later, " a\nok\n");
    for (guint i = 0; i <= CONTROL_CLIENTS_MAX; i++)
        close(fds[i]);
}

/* ---- its place ---- */

static void
test_place(void **state)
{
    Scene *scene = *state;
    g_autofree char *directory = g_path_get_dirname(scene->path);
    g_autoptr(GError) busy = NULL;
    g_autoptr(GError) denied = NULL;
    struct stat st;
    int fd;

    assert_int_equal(stat(scene->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(directory, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);

    assert_null(control_new(scene->path, scene->clock, requests, scene, &busy));
    assert_true(g_error_matches(busy, IMAPFS_ERROR, IMAPFS_ERROR_BUSY));
    assert_int_equal(access(scene->path, F_OK), 0);

    control_free(g_steal_pointer(&scene->control));
    assert_int_equal(access(scene->path, F_OK), -1);

    /* Left behind: bound, and nobody listens. */
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        memcpy(address.sun_path, scene->path, strlen(scene->path));
        assert_int_equal(
            bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    }
    close(fd);
    scene->control =
        control_new(scene->path, scene->clock, requests, scene, NULL);
    assert_non_null(scene->control);

    /* A directory that others can look into. */
    control_free(g_steal_pointer(&scene->control));
    assert_int_equal(chmod(directory, 0755), 0);
    assert_null(
        control_new(scene->path, scene->clock, requests, scene, &denied));
    assert_true(g_error_matches(denied, IMAPFS_ERROR, IMAPFS_ERROR_DENIED));
    assert_int_equal(access(scene->path, F_OK), -1);
}

static void
test_not_a_socket(void **state)
{
    Scene *scene = *state;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;

    control_free(g_steal_pointer(&scene->control));
    assert_true(g_file_set_contents(scene->path, "mine", -1, NULL));
    assert_null(
        control_new(scene->path, scene->clock, requests, scene, &error));
    assert_non_null(error);
    assert_true(g_file_get_contents(scene->path, &text, NULL, NULL));
    assert_string_equal(text, "mine");
}

static void
test_paths(void **state)
{
    g_autofree char *one = control_path("/home/alice/Mail");
    g_autofree char *same = control_path("/home/alice/Mail");
    g_autofree char *other = control_path("/home/alice/Mail2");
    g_autofree char *long_name = g_strnfill(4000, 'x');
    g_autofree char *of_long = control_path(long_name);
    (void)state;

    assert_string_equal(one, same);
    assert_string_not_equal(one, other);
    assert_int_equal(strlen(one), strlen(of_long));
}

#define IN_SCENE(test) \
    cmocka_unit_test_setup_teardown(test, scene_setup, scene_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_objects),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_complaints),
        IN_SCENE(test_talk),
        IN_SCENE(test_pieces),
        IN_SCENE(test_line_too_long),
        IN_SCENE(test_one_after_the_other),
        IN_SCENE(test_leaves_while_it_waits),
        IN_SCENE(test_silence),
        IN_SCENE(test_never_reads),
        IN_SCENE(test_too_many),
        IN_SCENE(test_place),
        IN_SCENE(test_not_a_socket),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_log), /* last: GLib keeps the log's writer */
    };

    rows_begin_program();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

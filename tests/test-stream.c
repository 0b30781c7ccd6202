/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Octets through a socket, TLS and deflate, and how each of them ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "imap/stream.h"
#include "script.h"

#define MINUTE (60 * CLOCK_SECOND)

typedef struct {
    Clock *clock;
    Script *script;
    ImapTls *tls;
    ImapStream *stream;
    GString *got;
    GError *error;
    gboolean ended;
    gsize wanted; /* FULL when so much is there */
    gboolean full;
    gsize at_once;
} Scene;

static Scene *
scene_new(void)
{
    Scene *scene = g_new0(Scene, 1);
    scene->clock = clock_new_virtual(1700000000);
    scene->script = script_new(scene->clock);
    scene->tls = script_tls();
    scene->got = g_string_new(NULL);
    scene->at_once = 4096;
    return scene;
}

static void
scene_free(Scene *scene)
{
    if (scene->stream != NULL)
        imap_stream_free(scene->stream);
    script_free(scene->script);
    imap_tls_free(scene->tls);
    g_string_free(scene->got, TRUE);
    g_clear_error(&scene->error);
    clock_free(scene->clock);
    g_free(scene);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Scene, scene_free)

static void
on_ready(gpointer data)
{
    Scene *scene = data;
    g_autofree char *buffer = g_malloc(scene->at_once);
    gssize n = 1;

    while (n > 0 && !scene->ended) {
        n = imap_stream_read(scene->stream, buffer, scene->at_once,
                             &scene->error);
        if (n > 0)
            g_string_append_len(scene->got, buffer, n);
        if (n < 0) {
            scene->ended = TRUE;
            g_clear_pointer(&scene->stream, imap_stream_free);
        }
    }
    scene->full = scene->got->len >= scene->wanted;
}

static void
on_dialed(ImapStream *stream, const GError *error, gpointer data)
{
    Scene *scene = data;
    assert_null(error);
    scene->stream = stream;
}

static void
scene_open(Scene *scene, const char *scenario)
{
    ImapDialer dialer = script_dialer(scene->script);
    script_add(scene->script, scenario);
    dialer.dial(dialer.dialer, NULL, on_dialed, scene);
    while (scene->stream == NULL)
        g_main_context_iteration(NULL, FALSE);
}

static void
scene_watch(Scene *scene)
{
    imap_stream_watch(scene->stream, on_ready, scene);
}

static void
scene_start_tls(Scene *scene, const char *host)
{
    g_autoptr(GError) error = NULL;
    assert_false(imap_stream_is_tls(scene->stream));
    assert_true(imap_stream_start_tls(scene->stream, scene->tls, host, &error));
    assert_true(imap_stream_is_tls(scene->stream));
    scene_watch(scene);
}

static void
scene_write(Scene *scene, const char *text)
{
    imap_stream_write(scene->stream, text, strlen(text));
}

static void
scene_want(Scene *scene, gsize octets)
{
    scene->wanted = octets;
    scene->full = scene->got->len >= octets;
    script_run(scene->script, &scene->full, MINUTE);
    assert_true(scene->full);
}

static void
scene_end(Scene *scene, ImapfsError code)
{
    script_run(scene->script, &scene->ended, MINUTE);
    assert_true(scene->ended);
    assert_true(g_error_matches(scene->error, IMAPFS_ERROR, (int)code));
}

/* Text that tells where in it one is. */
static char *
ruler(gsize length)
{
    char *text = g_malloc(length + 1);
    for (gsize i = 0; i < length; i++)
        text[i] = (char)('a' + (i * 7 + i / 26 + i / 1000) % 26);
    text[length] = '\0';
    return text;
}

static void
test_plain(void **state)
{
    g_autoptr(Scene) scene = scene_new();
    (void)state;

    scene_open(scene, "S: hello\nC: one\nC: two\nS: bye\nX\n");
    scene_watch(scene);
    scene_want(scene, 7);
    scene_write(scene, "one\r\ntwo\r\n");
    scene_want(scene, 12);
    assert_string_equal(scene->got->str, "hello\r\nbye\r\n");
    assert_true(scene->ended || imap_stream_octets_in(scene->stream) == 12);
    scene_end(scene, IMAPFS_ERROR_OFFLINE);
}

static void
test_counts(void **state)
{
    g_autoptr(Scene) scene = scene_new();
    (void)state;

    scene_open(scene, "S: hello\nC: one\nS: bye\n");
    scene_watch(scene);
    scene_write(scene, "one\r\n");
    scene_want(scene, 12);
    assert_int_equal(imap_stream_octets_in(scene->stream), 12);
    assert_int_equal(imap_stream_octets_out(scene->stream), 5);
}

static void
test_reset(void **state)
{
    g_autoptr(Scene) scene = scene_new();
    (void)state;

    scene_open(scene, "C: one\nX!\n");
    scene_watch(scene);
    scene_write(scene, "one\r\n");
    scene_end(scene, IMAPFS_ERROR_OFFLINE);
}

/* Writing to a connection that is gone is told by the next read. */
static void
test_write_after_end(void **state)
{
    g_autoptr(Scene) scene = scene_new();
    char octet;
    g_autoptr(GError) error = NULL;
    (void)state;

    scene_open(scene, "X\n");
    scene_write(scene, "one\r\n");
    scene_write(scene, "two\r\n");
    assert_int_equal(imap_stream_read(scene->stream, &octet, 1, &error), -1);
    assert_true(g_error_matches(error, IMAPFS_ERROR, IMAPFS_ERROR_OFFLINE));
}

/* More than the socket takes at once, both ways. */
static void
play_much(const char *start, gboolean tls, gboolean deflate)
{
    g_autoptr(Scene) scene = scene_new();
    g_autofree char *text = ruler(3 << 20);
    g_autoptr(GString) scenario = g_string_new(start);
    g_autoptr(GError) error = NULL;

    g_string_append_printf(scenario, "W: 10\nC: %s\nS> %s\n", text, text);
    scene_open(scene, scenario->str);
    if (tls)
        scene_start_tls(scene, SCRIPT_HOST);
    if (deflate)
        assert_true(imap_stream_start_deflate(scene->stream, "", 0, &error));
    scene_watch(scene);
    scene_write(scene, text);
    scene_write(scene, "\r\n");
    scene_want(scene, 3 << 20);
    assert_true(strcmp(scene->got->str, text) == 0);
    assert_true(script_is_over(scene->script, 0));
}

static void
test_much(void **state)
{
    (void)state;
    play_much("", FALSE, FALSE);
}

static void
test_much_in_tls(void **state)
{
    (void)state;
    play_much("TLS\n", TRUE, FALSE);
}

static void
test_much_deflated(void **state)
{
    (void)state;
    play_much("DEFLATE\n", FALSE, TRUE);
    play_much("TLS\nDEFLATE\n", TRUE, TRUE);
}

/* What is written before the handshake is done waits for its end. */
static void
test_tls(void **state)
{
    g_autoptr(Scene) scene = scene_new();
    (void)state;

    scene_open(scene, "TLS\nC: one\nC: two\nS: hello\nX\n");
    scene_start_tls(scene, SCRIPT_HOST);
    scene_write(scene, "one\r\n");
    scene_write(scene, "two\r\n");
    scene_end(scene, IMAPFS_ERROR_OFFLINE);
    assert_string_equal(scene->got->str, "hello\r\n");
    assert_int_equal(script_count_in_clear(scene->script, 0, "one"), 0);
}

static void
test_tls_octet_by_octet(void **state)
{
    g_autoptr(Scene) scene = scene_new();
    (void)state;

    script_segment(scene->script, 1);
    scene->at_once = 1;
    scene_open(scene, "TLS\nC: one\nS: hello\nX\n");
    scene_start_tls(scene, SCRIPT_HOST);
    scene_write(scene, "one\r\n");
    scene_end(scene, IMAPFS_ERROR_OFFLINE);
    assert_string_equal(scene->got->str, "hello\r\n");
}

/* With buffers so small that what inflate or TLS hold back must be asked for
 * again. */
static void
test_small_reads(void **state)
{
    static const gsize sizes[] = {1, 2, 3, 7, 100};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(Scene) scene = scene_new();
        g_autofree char *text = ruler(20000);
        g_autofree char *scenario =
            g_strdup_printf("TLS\nDEFLATE\nC: x\nS> %s\n", text);
        scene->at_once = sizes[i];
        scene_open(scene, scenario);
        scene_start_tls(scene, SCRIPT_HOST);
        assert_true(imap_stream_start_deflate(scene->stream, "", 0, NULL));
        scene_write(scene, "x\r\n");
        scene_want(scene, 20000);
        assert_string_equal(scene->got->str, text);
    }
}

static void
test_certificates(void **state)
{
    static const struct {
        const char *who;
        const char *host;
        gboolean good;
        const char *why; /* is in the message */
    } rows[] = {
        {"", SCRIPT_HOST, TRUE, NULL},
        {"", "IMAP.Example.ORG", TRUE, NULL},
        {"", "imap.example.com", FALSE, "hostname mismatch"},
        {"", "example.org", FALSE, "hostname mismatch"},
        {"", "x.imap.example.org", FALSE, "hostname mismatch"},
        {"", SCRIPT_ADDRESS, FALSE, "IP address mismatch"},
        {"ip", SCRIPT_ADDRESS, TRUE, NULL},
        {"ip", "192.0.2.2", FALSE, "IP address mismatch"},
        {"ip", SCRIPT_HOST, FALSE, "hostname mismatch"},
        {"wildcard", SCRIPT_HOST, TRUE, NULL},
        {"wildcard", "a.b.example.org", FALSE, "hostname mismatch"},
        {"wildcard", "example.org", FALSE, "hostname mismatch"},
        {"wrong-host", SCRIPT_HOST, FALSE, "hostname mismatch"},
        {"self-signed", SCRIPT_HOST, FALSE, "self"},
        {"unknown-authority", SCRIPT_HOST, FALSE, "unable to"},
        {"expired", SCRIPT_HOST, FALSE, "expired"},
    };
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Scene) scene = scene_new();
        g_autofree char *scenario =
            g_strdup_printf("TLS %s\n%s", rows[i].who,
                            rows[i].good ? "C: x\nS: y\nX\n" : "E\n");
        scene_open(scene, scenario);
        scene_start_tls(scene, rows[i].host);
        scene_write(scene, "x\r\n");
        if (rows[i].good) {
            scene_end(scene, IMAPFS_ERROR_OFFLINE);
            assert_string_equal(scene->got->str, "y\r\n");
            continue;
        }
        scene_end(scene, IMAPFS_ERROR_PROTOCOL);
        if (strstr(scene->error->message, rows[i].why) == NULL)
            fail_msg("%s as %s: %s", rows[i].who, rows[i].host,
                     scene->error->message);
        assert_string_equal(scene->got->str, "");
        script_run(scene->script, NULL, CLOCK_SECOND);
        assert_int_equal(script_count(scene->script, 0, "x\r\n"), 0);
        assert_true(script_is_over(scene->script, 0));
    }
}

/* The authorities of the system do not know that of the test. */
static void
test_system_authorities(void **state)
{
    g_autoptr(Scene) scene = scene_new();
    g_autoptr(ImapTls) tls = imap_tls_new(NULL, NULL);
    (void)state;

    assert_non_null(tls);
    scene_open(scene, "TLS\nE\n");
    assert_true(imap_stream_start_tls(scene->stream, tls, SCRIPT_HOST, NULL));
    scene_watch(scene);
    scene_end(scene, IMAPFS_ERROR_PROTOCOL);
}

static void
test_authority_file(void **state)
{
    static const char *const paths[] = {"/nonexistent/ca.pem", "/dev/null",
                                        "/"};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autoptr(GError) error = NULL;
        assert_null(imap_tls_new(paths[i], &error));
        assert_true(g_error_matches(error, IMAPFS_ERROR, IMAPFS_ERROR_USAGE));
    }
}

/* Octets nobody has read when TLS is to start are none of TLS. */
static void
test_unread_before_tls(void **state)
{
    g_autoptr(Scene) scene = scene_new();
    g_autoptr(GError) error = NULL;
    (void)state;

    scene_open(scene, "S: injected\n");
    /* They are in the socket by now. */
    if (imap_stream_start_tls(scene->stream, scene->tls, SCRIPT_HOST, &error))
        scene_watch(scene);
    else
        return;
    scene_end(scene, IMAPFS_ERROR_PROTOCOL);
    assert_string_equal(scene->got->str, "");
}

/* The connection ends in each place of a handshake. */
static void
test_cut_handshake(void **state)
{
    gint64 whole = 0;
    (void)state;

    for (gint64 cut = -1; cut < whole; cut += cut < 0 ? 1 : 5) {
        g_autoptr(Scene) scene = scene_new();
        script_cut_after(scene->script, cut);
        scene_open(scene, "TLS\nC: x\nX\n");
        scene_start_tls(scene, SCRIPT_HOST);
        scene_write(scene, "x\r\n");
        scene_end(scene, IMAPFS_ERROR_OFFLINE);
        assert_string_equal(scene->got->str, "");
        if (cut < 0)
            whole = (gint64)script_octets_sent(scene->script, 0);
    }
}

static void
test_damaged(void **state)
{
    static const char *const garbage[] = {
        "\\377\\377\\377\\377\\377\\377\\377\\377", "* OK plain text\\r\\n",
        "\\001\\005\\000\\000\\000hello", /* lengths that do not agree */
    };
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(garbage); i++) {
        g_autoptr(Scene) scene = scene_new();
        g_autofree char *scenario = g_strdup_printf("S> %s\n", garbage[i]);
        scene_open(scene, scenario);
        assert_true(imap_stream_start_deflate(scene->stream, "", 0, NULL));
        scene_watch(scene);
        scene_end(scene, IMAPFS_ERROR_PROTOCOL);
    }
}

/* A deflated stream that is at its end before the connection is. */
static void
test_deflate_ends(void **state)
{
    g_autoptr(Scene) scene = scene_new();
    (void)state;

    /* One stored block, the last one, with "hello". */
    scene_open(scene, "S> \\001\\005\\000\\372\\377hello\n");
    assert_true(imap_stream_start_deflate(scene->stream, "", 0, NULL));
    scene_watch(scene);
    scene_end(scene, IMAPFS_ERROR_PROTOCOL);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_write_after_end),
        cmocka_unit_test(test_much),
        cmocka_unit_test(test_much_in_tls),
        cmocka_unit_test(test_much_deflated),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_tls_octet_by_octet),
        cmocka_unit_test(test_small_reads),
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_system_authorities),
        cmocka_unit_test(test_authority_file),
        cmocka_unit_test(test_unread_before_tls),
        cmocka_unit_test(test_cut_handshake),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_deflate_ends),
    };
    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING |
                           G_LOG_FATAL_MASK);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "script.h"

#include <errno.h>
#include <glib-unix.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/error.h"

/* So many turns of the loop while the clock stands still are no progress. */
enum { TURNS_MAX = 100000 };

/* One connection. */
typedef struct {
    Script *script;
    guint number;
    char **steps;
    guint at; /* the step to do next */
    int fd;   /* -1 when closed */
    int client_fd;
    GSource *readable;
    GSource *writable; /* only while OUT is not empty */
    GByteArray *in;    /* said by the client, not looked at yet */
    GByteArray *out;   /* on its way to the wire */
    gint64 left;       /* octets until the connection is cut, or -1 */
    guint64 sent;
    GHashTable *tags; /* "$word" -> tag */
    GString *heard;
    GString *heard_in_clear;
    SSL *ssl;
    BIO *from_wire, *to_wire;
    gboolean tls_failed;
    z_stream *inflate, *deflate;
    GString *drip; /* what is sent octet by octet */
    gint64 drip_delay;
    gboolean waiting; /* for TIMER */
    guint timer;
    guint segment_timer;
    gboolean client_closed;
} Talk;

typedef struct {
    Script *script;
    GCancellable *cancellable;
    ImapDialed done;
    gpointer data;
    GSource *source;
} Call;

struct Script {
    Clock *clock;
    GPtrArray *scenarios; /* of char * */
    guint next;
    guint dials;
    GPtrArray *talks;
    GPtrArray *calls;
    gint64 cut_after;
    guint segment;
    ScriptAnswer answer;
    gpointer answer_data;
    char *failure; /* the first one */
};

/* ---- certificates ---- */

typedef struct {
    const char *who;
    const char *issuer; /* "" is itself */
    const char *names;
    int days; /* it is good for, from yesterday on */
} CertificateRow;

static const CertificateRow certificate_table[] = {
    {"authority", "", NULL, 100},
    {"", "authority", "DNS:" SCRIPT_HOST, 100},
    {"wrong-host", "authority", "DNS:imap.example.com", 100},
    {"wildcard", "authority", "DNS:*.example.org", 100},
    {"self-signed", "", "DNS:" SCRIPT_HOST, 100},
    {"unknown-authority", "another authority", "DNS:" SCRIPT_HOST, 100},
    {"another authority", "", NULL, 100},
    {"expired", "authority", "DNS:" SCRIPT_HOST, 0},
    {"ip", "authority", "IP:" SCRIPT_ADDRESS, 100},
};

static struct {
    EVP_PKEY *key;
    X509 *certificate;
} identities[G_N_ELEMENTS(certificate_table)];

static guint
find_row(const char *who)
{
    for (guint i = 0; i < G_N_ELEMENTS(certificate_table); i++) {
        if (strcmp(certificate_table[i].who, who) == 0)
            return i;
    }
    g_error("no certificate is called %s", who);
}

static void
add_extension(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    g_assert(extension != NULL);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

static guint
identity(const char *who)
{
    guint i = find_row(who);
    const CertificateRow *row = &certificate_table[i];
    guint issuer = i;
    X509 *certificate;
    X509_NAME *name;

    if (identities[i].key != NULL)
        return i;
    identities[i].key = EVP_EC_gen("P-256");
    if (*row->issuer != '\0')
        issuer = identity(row->issuer);
    certificate = identities[i].certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), i + 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -2 * 86400);
    X509_gmtime_adj(X509_getm_notAfter(certificate), (row->days - 1) * 86400);
    name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               (const guchar *)(*row->who ? row->who : "good"),
                               -1, -1, 0);
    X509_set_issuer_name(certificate,
                         X509_get_subject_name(identities[issuer].certificate));
    X509_set_pubkey(certificate, identities[i].key);
    if (row->names == NULL)
        add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
    else
        add_extension(certificate, NID_subject_alt_name, row->names);
    X509_sign(certificate, identities[issuer].key, EVP_sha256());
    return i;
}

static void __attribute__((destructor)) free_identities(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(identities); i++) {
        EVP_PKEY_free(identities[i].key);
        X509_free(identities[i].certificate);
    }
}

ImapTls *
script_tls(void)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("imapfs-test-XXXXXX.pem", &path, NULL);
    FILE *file = fdopen(fd, "w");
    ImapTls *tls;

    g_assert(file != NULL);
    PEM_write_X509(file, identities[identity("authority")].certificate);
    fclose(file);
    tls = imap_tls_new(path, NULL);
    unlink(path);
    g_assert(tls != NULL);
    return tls;
}

/* ---- trouble ---- */

static void report(Talk *talk, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* A test may not be left from inside the main loop, so take note. */
static void
report(Talk *talk, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list arguments;

    if (talk->script->failure != NULL)
        return;
    va_start(arguments, format);
    what = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    talk->script->failure = g_strdup_printf("connection %u, step %u: %s",
                                            talk->number, talk->at + 1, what);
}

/* ---- sending ---- */

static void run(Talk *talk);
static void flush(Talk *talk);

static void
drop_source(GSource **source)
{
    if (*source != NULL) {
        g_source_destroy(*source);
        g_clear_pointer(source, g_source_unref);
    }
}

static void
hang_up(Talk *talk)
{
    if (talk->fd < 0)
        return;
    drop_source(&talk->readable);
    drop_source(&talk->writable);
    clock_cancel(talk->script->clock, &talk->timer);
    clock_cancel(talk->script->clock, &talk->segment_timer);
    close(talk->fd);
    talk->fd = -1;
}

/* Octets that nobody has read would make a reset of it. */
static void
hang_up_gently(Talk *talk)
{
    char buffer[4096];
    while (talk->fd >= 0 && recv(talk->fd, buffer, sizeof buffer, 0) > 0)
        continue;
    hang_up(talk);
}

static void
hang_up_rudely(Talk *talk)
{
    /* There is no other way to reset one of a pair: leave something unread. */
    if (!talk->client_closed && send(talk->client_fd, "!", 1, MSG_NOSIGNAL) < 0)
        report(talk, "the connection could not be reset");
    hang_up(talk);
}

static gboolean
on_writable(gint fd, GIOCondition condition, gpointer data)
{
    Talk *talk = data;
    (void)fd;
    (void)condition;
    g_clear_pointer(&talk->writable, g_source_unref);
    flush(talk);
    run(talk);
    return G_SOURCE_REMOVE;
}

static void
on_segment_timer(gpointer data)
{
    Talk *talk = data;
    talk->segment_timer = 0;
    flush(talk);
    run(talk);
}

static GSource *
watch(Talk *talk, GIOCondition condition, GUnixFDSourceFunc func)
{
    GSource *source = g_unix_fd_source_new(talk->fd, condition);
    g_source_set_callback(source, G_SOURCE_FUNC(func), talk, NULL);
    g_source_attach(source, g_main_context_get_thread_default());
    return source;
}

static void
flush(Talk *talk)
{
    while (talk->fd >= 0 && talk->out->len > 0 && talk->writable == NULL &&
           talk->segment_timer == 0) {
        gsize size = talk->out->len;
        ssize_t n;
        if (talk->script->segment > 0)
            size = MIN(size, talk->script->segment);
        if (talk->left >= 0)
            size = MIN(size, (gsize)talk->left);
        n = size > 0 ? send(talk->fd, talk->out->data, size, MSG_NOSIGNAL) : 0;
        if (n < 0 && errno == EAGAIN) {
            talk->writable = watch(talk, G_IO_OUT, on_writable);
            return;
        }
        if (n < 0) { /* the client is gone, which reading will tell */
            g_byte_array_set_size(talk->out, 0);
            return;
        }
        g_byte_array_remove_range(talk->out, 0, (guint)n);
        talk->sent += (guint64)n;
        if (talk->left >= 0)
            talk->left -= n;
        if (talk->left == 0) {
            talk->at = g_strv_length(talk->steps);
            hang_up_gently(talk);
        } else if (talk->script->segment > 0 && talk->out->len > 0) {
            talk->segment_timer =
                clock_after(talk->script->clock, 0, on_segment_timer, talk);
        }
    }
}

static void
send_tls_output(Talk *talk)
{
    guchar buffer[4096];
    int n;
    while ((n = BIO_read(talk->to_wire, buffer, sizeof buffer)) > 0)
        g_byte_array_append(talk->out, buffer, (guint)n);
    flush(talk);
}

static void
send_secured(Talk *talk, const void *data, gsize length)
{
    if (talk->ssl == NULL) {
        g_byte_array_append(talk->out, data, (guint)length);
        flush(talk);
    } else if (length > 0) {
        g_assert(SSL_write(talk->ssl, data, (int)length) > 0);
        send_tls_output(talk);
    }
}

static void
say(Talk *talk, const char *data, gsize length)
{
    z_stream *z = talk->deflate;
    guchar buffer[4096];

    if (z == NULL) {
        send_secured(talk, data, length);
        return;
    }
    z->next_in = (Bytef *)data;
    z->avail_in = (uInt)length;
    do {
        z->next_out = buffer;
        z->avail_out = sizeof buffer;
        deflate(z, Z_SYNC_FLUSH);
        send_secured(talk, buffer, sizeof buffer - z->avail_out);
    } while (z->avail_out == 0);
}

/* ---- receiving ---- */

static void
hear(Talk *talk, const guchar *data, gsize length)
{
    z_stream *z = talk->inflate;
    guchar buffer[4096];
    gsize got;

    if (z == NULL) {
        g_byte_array_append(talk->in, data, (guint)length);
        g_string_append_len(talk->heard, (const char *)data, (gssize)length);
        if (talk->ssl == NULL)
            g_string_append_len(talk->heard_in_clear, (const char *)data,
                                (gssize)length);
        return;
    }
    z->next_in = (Bytef *)data;
    z->avail_in = (uInt)length;
    do {
        z->next_out = buffer;
        z->avail_out = sizeof buffer;
        inflate(z, Z_SYNC_FLUSH);
        got = sizeof buffer - z->avail_out;
        g_byte_array_append(talk->in, buffer, (guint)got);
        g_string_append_len(talk->heard, (const char *)buffer, (gssize)got);
    } while (z->avail_out == 0);
}

static void
hear_tls(Talk *talk, const guchar *data, gsize length)
{
    guchar buffer[4096];
    int n;

    BIO_write(talk->from_wire, data, (int)length);
    if (!SSL_is_init_finished(talk->ssl)) {
        n = SSL_do_handshake(talk->ssl);
        if (n != 1 && SSL_get_error(talk->ssl, n) != SSL_ERROR_WANT_READ)
            talk->tls_failed = TRUE;
        ERR_clear_error();
        send_tls_output(talk);
    }
    if (!SSL_is_init_finished(talk->ssl) || talk->tls_failed)
        return;
    while ((n = SSL_read(talk->ssl, buffer, sizeof buffer)) > 0)
        hear(talk, buffer, (gsize)n);
    ERR_clear_error();
}

static gboolean
on_readable(gint fd, GIOCondition condition, gpointer data)
{
    Talk *talk = data;
    guchar buffer[16 << 10];
    ssize_t n;
    (void)condition;

    while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0) {
        if (talk->ssl != NULL)
            hear_tls(talk, buffer, (gsize)n);
        else
            hear(talk, buffer, (gsize)n);
        if (talk->fd < 0)
            return G_SOURCE_REMOVE;
    }
    if (n == 0 || errno != EAGAIN) {
        talk->client_closed = TRUE;
        drop_source(&talk->readable);
    }
    run(talk);
    return talk->readable != NULL;
}

/* ---- steps ---- */

/* The next line the client has said, or NULL. */
static char *
take_line(Talk *talk)
{
    const char *data = (const char *)talk->in->data;
    const char *lf = talk->in->len ? memchr(data, '\n', talk->in->len) : NULL;
    gsize size = lf ? (gsize)(lf + 1 - data) : 0;
    char *line;

    if (lf == NULL)
        return NULL;
    if (size < 2 || lf[-1] != '\r')
        report(talk, "a line of the client ends in a bare LF");
    line = g_strndup(data, size - MIN(size, 2));
    g_byte_array_remove_range(talk->in, 0, (guint)size);
    return line;
}

static gboolean
matches(Talk *talk, const char *expected, const char *line)
{
    gsize n;

    if (expected[0] == '$') {
        gsize word = strcspn(expected, " ");
        gsize tag = strcspn(line, " ");
        if (tag == 0)
            return FALSE;
        g_hash_table_replace(talk->tags, g_strndup(expected, word),
                             g_strndup(line, tag));
        expected += word;
        line += tag;
    }
    n = strlen(expected);
    if (n > 0 && expected[n - 1] == '*')
        return strncmp(expected, line, n - 1) == 0;
    return strcmp(expected, line) == 0;
}

static gboolean
expect_line(Talk *talk, const char *expected)
{
    g_autofree char *line = take_line(talk);

    if (line == NULL) {
        if (talk->client_closed)
            report(talk, "expected \"%s\", got the end of the connection",
                   expected);
        return FALSE;
    }
    if (!matches(talk, expected, line))
        report(talk, "expected \"%s\", got \"%s\"", expected, line);
    return TRUE;
}

/* TEXT with tags in the place of "$word". */
static GString *
substitute(Talk *talk, const char *text)
{
    GString *result = g_string_new(NULL);

    while (*text != '\0') {
        gsize n = strcspn(text, "$");
        const char *tag;
        g_string_append_len(result, text, (gssize)n);
        text += n;
        if (*text == '\0')
            break;
        n = 1;
        while (g_ascii_isalnum(text[n]))
            n++;
        {
            g_autofree char *word = g_strndup(text, n);
            tag = g_hash_table_lookup(talk->tags, word);
            g_string_append(result, tag ? tag : word);
        }
        text += n;
    }
    return result;
}

/* g_strcompress() cannot tell how long a text with NUL in it is. */
static GString *
unescape(const char *text)
{
    GString *result = g_string_new(NULL);

    while (*text != '\0') {
        gsize n = strcspn(text, "\\");
        g_string_append_len(result, text, (gssize)n);
        text += n;
        if (*text == '\0')
            break;
        if (text[1] >= '0' && text[1] <= '7') {
            int c = 0;
            for (n = 1; n < 4 && text[n] >= '0' && text[n] <= '7'; n++)
                c = c * 8 + text[n] - '0';
            g_string_append_c(result, (char)c);
        } else {
            static const char letters[] = "rnt\\\"";
            static const char means[] = "\r\n\t\\\"";
            const char *at = text[1] ? strchr(letters, text[1]) : NULL;
            g_assert(at != NULL);
            g_string_append_c(result, means[at - letters]);
            n = 2;
        }
        text += n;
    }
    return result;
}

static void
on_timer(gpointer data)
{
    Talk *talk = data;
    talk->timer = 0;
    if (talk->drip != NULL) {
        say(talk, talk->drip->str, 1);
        g_string_erase(talk->drip, 0, 1);
        if (talk->drip->len > 0) {
            talk->timer = clock_after(talk->script->clock, talk->drip_delay,
                                      on_timer, talk);
            return;
        }
        g_string_free(g_steal_pointer(&talk->drip), TRUE);
    }
    talk->waiting = FALSE;
    run(talk);
}

static void
wait_for(Talk *talk, gint64 delay)
{
    talk->waiting = TRUE;
    talk->timer = clock_after(talk->script->clock, delay, on_timer, talk);
}

static void
start_drip(Talk *talk, const char *text)
{
    char *end;
    gint64 delay = g_ascii_strtoll(text, &end, 10) * CLOCK_MILLISECOND;
    g_autoptr(GString) raw = substitute(talk, end + 1);

    talk->drip = unescape(raw->str);
    talk->drip_delay = delay;
    wait_for(talk, delay);
}

static void
start_tls(Talk *talk, const char *who)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    guint i = identity(who);
    g_autoptr(GByteArray) early =
        g_steal_pointer(&talk->in); /* the beginning of a handshake */

    talk->in = g_byte_array_new();
    SSL_CTX_use_certificate(context, identities[i].certificate);
    SSL_CTX_use_PrivateKey(context, identities[i].key);
    talk->ssl = SSL_new(context);
    SSL_CTX_free(context);
    talk->from_wire = BIO_new(BIO_s_mem());
    talk->to_wire = BIO_new(BIO_s_mem());
    SSL_set_bio(talk->ssl, talk->from_wire, talk->to_wire);
    SSL_set_accept_state(talk->ssl);
    if (early->len > 0)
        hear_tls(talk, early->data, early->len);
}

static void
start_deflate(Talk *talk)
{
    g_autoptr(GByteArray) early = g_steal_pointer(&talk->in);

    talk->in = g_byte_array_new();
    talk->inflate = g_new0(z_stream, 1);
    talk->deflate = g_new0(z_stream, 1);
    g_assert(inflateInit2(talk->inflate, -15) == Z_OK);
    g_assert(deflateInit2(talk->deflate, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15,
                          8, Z_DEFAULT_STRATEGY) == Z_OK);
    if (early->len > 0)
        hear(talk, early->data, early->len);
}

/* The answers go out as they are, so bodies may be large. */
static void
answer_lines(Talk *talk)
{
    char *line;

    while (talk->fd >= 0 && (line = take_line(talk)) != NULL) {
        gsize word = strcspn(line, " ");
        g_autofree char *tag = g_strndup(line, word);
        g_autofree char *text = talk->script->answer(
            line + word + (line[word] == ' '), talk->script->answer_data);
        const char *at = text;
        const char *next;
        while (at != NULL && (next = strstr(at, "$tag")) != NULL) {
            say(talk, at, (gsize)(next - at));
            say(talk, tag, word);
            at = next + 4;
        }
        if (at != NULL)
            say(talk, at, strlen(at));
        g_free(line);
    }
}

/* Does STEP; FALSE when it has to wait and be tried once more. */
static gboolean
do_step(Talk *talk, const char *step)
{
    g_autoptr(GString) raw = NULL;
    g_autoptr(GString) text = NULL;

    if (g_str_has_prefix(step, "C: "))
        return expect_line(talk, step + 3);
    if (strcmp(step, "E") == 0)
        return talk->client_closed;
    if (strcmp(step, "A") == 0) {
        answer_lines(talk);
        return FALSE;
    }
    if (g_str_has_prefix(step, "S: ") || g_str_has_prefix(step, "S> ")) {
        raw = substitute(talk, step + 3);
        text = step[1] == '>' ? unescape(raw->str) : g_string_new(raw->str);
        if (step[1] == ':')
            g_string_append(text, "\r\n");
        say(talk, text->str, text->len);
    } else if (g_str_has_prefix(step, "W: ")) {
        wait_for(talk, g_ascii_strtoll(step + 3, NULL, 10) * CLOCK_MILLISECOND);
    } else if (g_str_has_prefix(step, "D: ")) {
        start_drip(talk, step + 3);
    } else if (g_str_has_prefix(step, "TLS")) {
        start_tls(talk, step[3] ? step + 4 : "");
    } else if (strcmp(step, "DEFLATE") == 0) {
        start_deflate(talk);
    } else if (step[0] == 'X') {
        if (talk->out->len > 0)
            return FALSE;
        if (step[1] == '!')
            hang_up_rudely(talk);
        else
            hang_up_gently(talk);
    } else {
        report(talk, "\"%s\" is no step", step);
    }
    return TRUE;
}

static void
run(Talk *talk)
{
    while (talk->steps[talk->at] != NULL && talk->script->failure == NULL) {
        const char *step = talk->steps[talk->at];
        gboolean ends = strcmp(step, "E") == 0;
        if (talk->waiting)
            return;
        if (talk->fd < 0 && strcmp(step, "A") == 0)
            return;
        if (talk->fd < 0) {
            report(talk, "\"%s\" cannot be done, the server has closed", step);
            return;
        }
        if (!ends && talk->ssl != NULL && !SSL_is_init_finished(talk->ssl)) {
            if (talk->tls_failed || talk->client_closed)
                report(talk, "expected TLS, got none");
            return;
        }
        if (!do_step(talk, step))
            return;
        talk->at++;
    }
}

/* ---- dialling ---- */

static void
free_talk(gpointer data)
{
    Talk *talk = data;
    hang_up(talk);
    if (talk->inflate != NULL) {
        inflateEnd(talk->inflate);
        deflateEnd(talk->deflate);
    }
    g_free(talk->inflate);
    g_free(talk->deflate);
    SSL_free(talk->ssl);
    if (talk->drip != NULL)
        g_string_free(talk->drip, TRUE);
    g_string_free(talk->heard, TRUE);
    g_string_free(talk->heard_in_clear, TRUE);
    g_hash_table_unref(talk->tags);
    g_byte_array_unref(talk->in);
    g_byte_array_unref(talk->out);
    g_strfreev(talk->steps);
    g_free(talk);
}

static char **
split(const char *scenario)
{
    g_auto(GStrv) lines = g_strsplit(scenario, "\n", -1);
    char **steps = g_new0(char *, g_strv_length(lines) + 1);
    guint n = 0;

    for (guint i = 0; lines[i] != NULL; i++) {
        /* Blanks at the end may matter. */
        const char *step = lines[i] + strspn(lines[i], " ");
        if (*step != '\0' && *step != '#')
            steps[n++] = g_strdup(step);
    }
    return steps;
}

static ImapStream *
answer_call(Script *script, const char *scenario)
{
    Talk *talk = g_new0(Talk, 1);
    int fds[2];

    g_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                        fds) == 0);
    talk->script = script;
    talk->number = script->talks->len;
    talk->steps = split(scenario);
    talk->client_fd = fds[0];
    talk->fd = fds[1];
    talk->in = g_byte_array_new();
    talk->out = g_byte_array_new();
    talk->left = script->cut_after;
    talk->tags = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    talk->heard = g_string_new(NULL);
    talk->heard_in_clear = g_string_new(NULL);
    talk->readable = watch(talk, G_IO_IN, on_readable);
    g_ptr_array_add(script->talks, talk);
    if (talk->left == 0)
        hang_up(talk);
    else
        run(talk);
    return imap_stream_new(g_socket_new_from_fd(fds[0], NULL));
}

static void
free_call(gpointer data)
{
    Call *call = data;
    drop_source(&call->source);
    g_clear_object(&call->cancellable);
    g_free(call);
}

static gboolean
on_call(gpointer data)
{
    Call *call = data;
    Script *script = call->script;
    const char *scenario = "REFUSE";
    ImapStream *stream = NULL;
    g_autoptr(GError) error = NULL;
    Call copy = *call;

    if (g_cancellable_is_cancelled(call->cancellable)) {
        g_ptr_array_remove(script->calls, call);
        return G_SOURCE_REMOVE;
    }
    if (script->next < script->scenarios->len)
        scenario = g_ptr_array_index(script->scenarios, script->next++);
    if (strcmp(scenario, "HANG") == 0) {
        g_clear_pointer(&call->source, g_source_unref);
        return G_SOURCE_REMOVE;
    }
    g_ptr_array_remove(script->calls, call);
    if (strcmp(scenario, "REFUSE") == 0)
        error = g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_OFFLINE,
                            "connection refused");
    else
        stream = answer_call(script, scenario);
    copy.done(stream, error, copy.data);
    return G_SOURCE_REMOVE;
}

static void
dial(gpointer dialer, GCancellable *cancellable, ImapDialed done, gpointer data)
{
    Script *script = dialer;
    Call *call = g_new0(Call, 1);

    call->script = script;
    call->cancellable = cancellable ? g_object_ref(cancellable) : NULL;
    call->done = done;
    call->data = data;
    call->source = g_idle_source_new();
    g_source_set_priority(call->source, G_PRIORITY_DEFAULT);
    g_source_set_callback(call->source, on_call, call, NULL);
    g_source_attach(call->source, g_main_context_get_thread_default());
    g_ptr_array_add(script->calls, call);
    script->dials++;
}

ImapDialer
script_dialer(Script *script)
{
    return (ImapDialer){dial, script};
}

/* ---- the script ---- */

Script *
script_new(Clock *clock)
{
    Script *script = g_new0(Script, 1);
    script->clock = clock;
    script->scenarios = g_ptr_array_new_with_free_func(g_free);
    script->talks = g_ptr_array_new_with_free_func(free_talk);
    script->calls = g_ptr_array_new_with_free_func(free_call);
    script->cut_after = -1;
    return script;
}

void
script_free(Script *script)
{
    g_ptr_array_unref(script->calls);
    g_ptr_array_unref(script->talks);
    g_ptr_array_unref(script->scenarios);
    g_free(script->failure);
    g_free(script);
}

void
script_add(Script *script, const char *scenario)
{
    g_ptr_array_add(script->scenarios, g_strdup(scenario));
}

void
script_add_format(Script *script, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_ptr_array_add(script->scenarios, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

void
script_answer(Script *script, ScriptAnswer answer, gpointer data)
{
    script->answer = answer;
    script->answer_data = data;
}

void
script_cut_after(Script *script, gint64 octets)
{
    script->cut_after = octets;
}

void
script_segment(Script *script, guint octets)
{
    script->segment = octets;
}

static void
on_limit(gpointer data)
{
    gboolean *passed = data;
    *passed = TRUE;
}

gboolean
script_run(Script *script, const gboolean *flag, gint64 limit)
{
    gboolean passed = FALSE;
    guint timer = clock_after(script->clock, limit, on_limit, &passed);
    guint turns = 0;

    while (!passed && (flag == NULL || !*flag)) {
        if (g_main_context_iteration(NULL, FALSE))
            turns++;
        else if (clock_step(script->clock, G_MAXINT64))
            turns = 0;
        if (script->failure == NULL && turns > TURNS_MAX)
            script->failure = g_strdup("there is no end of things to do");
        if (script->failure != NULL) {
            clock_cancel(script->clock, &timer);
            fail_msg("%s", script->failure);
        }
    }
    clock_cancel(script->clock, &timer);
    return flag != NULL && *flag;
}

static const Talk *
nth(const Script *script, guint n)
{
    assert_true(n < script->talks->len);
    return g_ptr_array_index(script->talks, n);
}

void
script_say(Script *script, guint n, const char *text)
{
    Talk *talk = g_ptr_array_index(script->talks, n);
    say(talk, text, strlen(text));
}

void
script_hang_up(Script *script, guint n)
{
    hang_up_gently(g_ptr_array_index(script->talks, n));
}

guint
script_dials(const Script *script)
{
    return script->dials;
}

guint
script_connections(const Script *script)
{
    return script->talks->len;
}

gboolean
script_is_over(const Script *script, guint n)
{
    const Talk *talk = nth(script, n);
    return talk->steps[talk->at] == NULL;
}

gboolean
script_client_closed(const Script *script, guint n)
{
    return nth(script, n)->client_closed;
}

guint
script_unread(const Script *script, guint n)
{
    return nth(script, n)->in->len;
}

const char *
script_heard(const Script *script, guint n)
{
    return nth(script, n)->heard->str;
}

/* There may be NULs in TEXT. */
static guint
count(const GString *text, const char *word)
{
    const char *at = text->str;
    const char *end = text->str + text->len;
    gsize n = strlen(word);
    guint found = 0;

    while ((at = memmem(at, (gsize)(end - at), word, n)) != NULL) {
        at += n;
        found++;
    }
    return found;
}

guint
script_count(const Script *script, guint n, const char *word)
{
    return count(nth(script, n)->heard, word);
}

guint
script_count_in_clear(const Script *script, guint n, const char *word)
{
    return count(nth(script, n)->heard_in_clear, word);
}

guint64
script_octets_sent(const Script *script, guint n)
{
    return nth(script, n)->sent;
}

/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * rawfetch - how long a server takes to answer one FETCH.
 *
 * The floor below any IMAP client: it reads as fast as the socket gives and
 * parses nothing but the last line. Prints one JSON object.
 *
 *   IMAPFS_PASSWORD=... rawfetch [-h HOST] -p PORT [-u USER] [-z] [-e EXTENSION]
 *       [-s | -1] MAILBOX ITEMS
 *
 *   -s  the time includes SELECT (sent, and answered, before the FETCH)
 *   -1  one FETCH per message, each after the answer to the one before
 *   -z  COMPRESS=DEFLATE after the login
 *   -e  ENABLE EXTENSION after the login (QRESYNC, CONDSTORE)
 *
 * ITEMS is what follows "UID FETCH 1:*", for example
 * "(UID FLAGS INTERNALDATE RFC822.SIZE)".
 */
#define _GNU_SOURCE

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define CHUNK (256 * 1024)
#define LINE_MAX_KEPT 4096 /* of a line that a chunk cuts in two */
#define TAG "zq7"          /* no message of ours has a line that begins so */

static int sock = -1;
static int compressed;
static z_stream deflater, inflater;
static unsigned char wire[CHUNK];

static unsigned long long wire_in, wire_out; /* octets on the socket */
static unsigned long long plain_in;          /* the same, inflated */

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("rawfetch: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void connect_to(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    int one = 1;

    if (getaddrinfo(host, port, &hints, &list))
        die("no such host: %s", host);
    for (struct addrinfo *a = list; a && sock < 0; a = a->ai_next) {
        sock = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
        if (sock >= 0 && connect(sock, a->ai_addr, a->ai_addrlen)) {
            close(sock);
            sock = -1;
        }
    }
    freeaddrinfo(list);
    if (sock < 0)
        die("%s:%s: %s", host, port, strerror(errno));
    setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void start_compression(void)
{
    /* Raw deflate, RFC 4978. */
    if (deflateInit2(&deflater, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
        inflateInit2(&inflater, -15) != Z_OK)
        die("zlib does not start");
    compressed = 1;
}

static void send_all(const void *data, size_t len)
{
    const char *at = data;

    while (len) {
        ssize_t n = send(sock, at, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            die("send: %s", strerror(errno));
        at += n;
        len -= (size_t)n;
        wire_out += (unsigned long long)n;
    }
}

/* Sends "TAG <command>\r\n". */
__attribute__((format(printf, 1, 2))) static void command(const char *format, ...)
{
    char line[8192], small[8192 + 256];
    int len = snprintf(line, sizeof line, TAG " ");
    va_list args;

    va_start(args, format);
    len += vsnprintf(line + len, sizeof line - (size_t)len, format, args);
    va_end(args);
    if ((size_t)len + 3 > sizeof line)
        die("command too long");
    len += snprintf(line + len, sizeof line - (size_t)len, "\r\n");
    if (!compressed) {
        send_all(line, (size_t)len);
        return;
    }
    deflater.next_in = (unsigned char *)line;
    deflater.avail_in = (unsigned)len;
    deflater.next_out = (unsigned char *)small;
    deflater.avail_out = sizeof small;
    if (deflate(&deflater, Z_SYNC_FLUSH) != Z_OK)
        die("deflate fails");
    send_all(small, sizeof small - deflater.avail_out);
}

/* Reads what there is into buf, inflated. */
static size_t receive(char *buf, size_t room)
{
    for (;;) {
        if (compressed) {
            /* Output may be pending in zlib even when no input is left. */
            inflater.next_out = (unsigned char *)buf;
            inflater.avail_out = (unsigned)room;
            int status = inflate(&inflater, Z_SYNC_FLUSH);
            if (status != Z_OK && status != Z_BUF_ERROR)
                die("inflate: %s", inflater.msg ? inflater.msg : "stream ended");
            if (inflater.avail_out < room) {
                plain_in += room - inflater.avail_out;
                return room - inflater.avail_out;
            }
        }
        ssize_t n = recv(sock, compressed ? (void *)wire : buf, compressed ? sizeof wire : room, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            die("connection lost: %s", n ? strerror(errno) : "end of file");
        wire_in += (unsigned long long)n;
        if (!compressed) {
            plain_in += (unsigned long long)n;
            return (size_t)n;
        }
        inflater.next_in = wire;
        inflater.avail_in = (unsigned)n;
    }
}

/*
 * Reads until a line that begins with `prefix` is the last one received, and
 * returns it. No other command is under way, so it can only be the last.
 * If `exists` is given, it takes the number of the EXISTS response (which is
 * looked for only then, because that takes time).
 */
static const char *wait_for(const char *prefix, unsigned long *exists)
{
    static char buf[LINE_MAX_KEPT + CHUNK + 1];
    size_t kept = 0; /* the line that the last chunk cut */

    for (;;) {
        size_t len = kept + receive(buf + kept, CHUNK);
        char *last, *newline;

        buf[len] = '\0';
        if (exists) {
            char *word = strstr(buf, " EXISTS\r\n");
            while (word && word > buf && isdigit((unsigned char)word[-1]))
                word--;
            if (word)
                *exists = strtoul(word, NULL, 10);
        }
        if (buf[len - 1] == '\n') {
            newline = memrchr(buf, '\n', len - 1);
            last = newline ? newline + 1 : buf;
            if (strncmp(last, prefix, strlen(prefix)) == 0)
                return last;
        }
        newline = memrchr(buf, '\n', len);
        last = newline ? newline + 1 : buf;
        kept = len - (size_t)(last - buf);
        if (kept > LINE_MAX_KEPT)
            kept = 0; /* a line as long as this is not the tagged one */
        memmove(buf, last, kept);
    }
}

static void wait_ok(const char *what, unsigned long *exists)
{
    const char *line = wait_for(TAG " ", exists);

    if (strncmp(line, TAG " OK", strlen(TAG " OK")) != 0)
        die("%s: %s", what, line);
}

int main(int argc, char **argv)
{
    const char *host = "127.0.0.1", *port = NULL, *user = "test", *enable = NULL;
    const char *password = getenv("IMAPFS_PASSWORD");
    int with_select = 0, one_by_one = 0, compress = 0;
    int option;

    while ((option = getopt(argc, argv, "h:p:u:e:sz1")) != -1) {
        switch (option) {
        case 'h': host = optarg; break;
        case 'p': port = optarg; break;
        case 'u': user = optarg; break;
        case 'e': enable = optarg; break;
        case 's': with_select = 1; break;
        case 'z': compress = 1; break;
        case '1': one_by_one = 1; break;
        default: return 2;
        }
    }
    if (!port || !password || argc - optind != 2)
        die("usage: IMAPFS_PASSWORD=... rawfetch -p PORT [-h HOST] [-u USER] [-z] [-e EXTENSION] [-s | -1] "
            "MAILBOX ITEMS");
    const char *mailbox = argv[optind], *items = argv[optind + 1];

    connect_to(host, port);
    wait_for("* ", NULL);
    command("LOGIN \"%s\" \"%s\"", user, password);
    wait_ok("LOGIN", NULL);
    if (compress) {
        command("COMPRESS DEFLATE");
        wait_ok("COMPRESS", NULL);
        start_compression();
    }
    if (enable) {
        command("ENABLE %s", enable);
        wait_ok("ENABLE", NULL);
    }

    double start = now();
    command("NOOP");
    wait_ok("NOOP", NULL);
    double round_trip = now() - start;

    unsigned long exists = 0;
    double before_select = now();
    unsigned long long in0 = wire_in, out0 = wire_out, plain0 = plain_in;
    command("SELECT \"%s\"", mailbox);
    wait_ok("SELECT", &exists);
    if (!with_select)
        in0 = wire_in, out0 = wire_out, plain0 = plain_in;

    start = now();
    if (one_by_one) {
        for (unsigned long i = 1; i <= exists; i++) {
            command("FETCH %lu %s", i, items);
            wait_ok("FETCH", NULL);
        }
    } else {
        command("UID FETCH 1:* %s", items);
        wait_ok("UID FETCH", NULL);
    }
    double end = now();

    printf("{\"seconds\": %.6f, \"messages\": %lu, \"octets_in\": %llu, \"octets_out\": %llu, "
           "\"octets_plain\": %llu, \"select_seconds\": %.6f, \"round_trip\": %.6f}\n",
           end - (with_select ? before_select : start), exists, wire_in - in0, wire_out - out0,
           plain_in - plain0, start - before_select, round_trip);
    command("LOGOUT");
    close(sock);
    return 0;
}

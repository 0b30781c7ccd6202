/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control.h"

#include <errno.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "complaint.h"

enum { BACKLOG = 32, NAME_LENGTH = 24 };
/* Without descriptors there is nothing to accept; try again then. */
#define ACCEPT_PAUSE (1 * CLOCK_SECOND)

struct Control {
    Clock *clock;
    const ControlRequest *requests;
    gpointer data;
    char *path;
    struct stat made; /* the socket as it was made */
    GSocket *socket;
    GSource *source;
    guint timer;    /* while it does not accept */
    GList *clients; /* of ControlCall */
};

/* A client, and the one request of it that is being answered. */
struct ControlCall {
    Control *control;
    GSocket *socket;
    GSource *source;
    guint timer;     /* patience with it */
    GString *input;  /* a part of a line, or lines that wait */
    GString *output; /* not sent yet */
    gboolean busy;   /* a request is being answered */
    gboolean ending; /* nothing more is read, it goes when all is sent */
    gpointer state;
    GDestroyNotify free_state;
};

/* ---- where it is ---- */

char *
control_directory(void)
{
    return g_build_filename(g_get_user_runtime_dir(), "imapfs", NULL);
}

char *
control_path(const char *mountpoint)
{
    g_autofree char *directory = control_directory();
    g_autofree char *name =
        g_compute_checksum_for_string(G_CHECKSUM_SHA256, mountpoint, -1);

    name[NAME_LENGTH] = '\0';
    return g_build_filename(directory, name, NULL);
}

static gboolean
fail(GError **error, int code, const char *path, const char *why)
{
    g_set_error(error, IMAPFS_ERROR, code, "%s: %s", path, why);
    return FALSE;
}

static gboolean
make_directory(const char *path, GError **error)
{
    struct stat st;

    if (g_mkdir_with_parents(path, 0700) != 0 || lstat(path, &st) != 0)
        return fail(error, IMAPFS_ERROR_FAILED, path, g_strerror(errno));
    if (!S_ISDIR(st.st_mode) || st.st_uid != getuid() || st.st_mode & 077)
        return fail(error, IMAPFS_ERROR_DENIED, path,
                    "not a directory of this user alone");
    return TRUE;
}

/* ---- a client ---- */

static void serve(ControlCall *call);
static void on_impatient(gpointer data);

static void
end_state(ControlCall *call)
{
    gpointer state = g_steal_pointer(&call->state);
    call->busy = FALSE;
    if (state != NULL)
        call->free_state(state);
}

static void
drop_source(GSource **source)
{
    if (*source != NULL)
        g_source_destroy(*source);
    g_clear_pointer(source, g_source_unref);
}

static void
free_call(ControlCall *call)
{
    call->control->clients = g_list_remove(call->control->clients, call);
    end_state(call);
    drop_source(&call->source);
    clock_cancel(call->control->clock, &call->timer);
    g_socket_close(call->socket, NULL);
    g_object_unref(call->socket);
    g_string_free(call->input, TRUE);
    g_string_free(call->output, TRUE);
    g_free(call);
}

/* As long as it waits for us there is no hurry. */
static void
be_patient(ControlCall *call)
{
    Clock *clock = call->control->clock;

    clock_cancel(clock, &call->timer);
    if (!call->busy || call->output->len > 0)
        call->timer = clock_after(clock, CONTROL_PATIENCE, on_impatient, call);
}

static void
on_impatient(gpointer data)
{
    ControlCall *call = data;
    call->timer = 0;
    free_call(call);
}

/* FALSE when the client has gone. */
static gboolean
send_output(ControlCall *call)
{
    while (call->output->len > 0) {
        g_autoptr(GError) failure = NULL;
        gssize n = g_socket_send(call->socket, call->output->str,
                                 call->output->len, NULL, &failure);
        if (n < 0)
            return g_error_matches(failure, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
        g_string_erase(call->output, 0, n);
        be_patient(call);
    }
    return TRUE;
}

/* FALSE when the client has gone. */
static gboolean
receive_input(ControlCall *call)
{
    char buffer[CONTROL_LINE_MAX];
    g_autoptr(GError) failure = NULL;
    gssize n =
        g_socket_receive(call->socket, buffer, sizeof buffer, NULL, &failure);

    if (n <= 0)
        return n < 0 &&
               g_error_matches(failure, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
    if (!call->ending)
        g_string_append_len(call->input, buffer, n);
    return TRUE;
}

/* Never called from a request: the call may be gone then. */
static gboolean
on_client(GSocket *socket, GIOCondition condition, gpointer data)
{
    ControlCall *call = data;
    (void)socket;

    drop_source(&call->source); /* serve() makes a new one */
    if ((condition & (G_IO_IN | G_IO_HUP | G_IO_ERR) && !receive_input(call)) ||
        !send_output(call))
        free_call(call);
    else
        serve(call);
    return G_SOURCE_REMOVE;
}

static void
watch(ControlCall *call)
{
    GIOCondition condition = 0;

    drop_source(&call->source);
    /* What a client says before its answer has come waits in the socket, when
     * there is enough of it. */
    if (call->input->len < CONTROL_LINE_MAX)
        condition |= G_IO_IN;
    if (call->output->len > 0)
        condition |= G_IO_OUT;
    call->source = g_socket_create_source(call->socket, condition, NULL);
    g_source_set_callback(call->source, G_SOURCE_FUNC(on_client), call, NULL);
    g_source_attach(call->source, g_main_context_get_thread_default());
}

static void
add_end(ControlCall *call, const GError *error)
{
    g_autofree char *text =
        error ? g_strdelimit(g_strdup(error->message), "\r\n", ' ') : NULL;

    if (error == NULL)
        g_string_append(call->output, "ok\n");
    else
        g_string_append_printf(call->output, "error %s %s\n",
                               complaint_word(error), text);
}

static void
refuse(ControlCall *call, int code, const char *why)
{
    g_autoptr(GError) error = g_error_new_literal(IMAPFS_ERROR, code, why);
    add_end(call, error);
}

static void
take_request(ControlCall *call, const char *line)
{
    Control *control = call->control;
    g_auto(GStrv) words = NULL;

    if (!g_utf8_validate(line, -1, NULL) ||
        !g_shell_parse_argv(line, NULL, &words, NULL)) {
        refuse(call, IMAPFS_ERROR_USAGE, "that is no request");
        return;
    }
    for (const ControlRequest *at = control->requests; at->name; at++) {
        if (strcmp(at->name, words[0]) == 0) {
            call->busy = TRUE;
            at->func(call, (const char *const *)words + 1, control->data);
            return;
        }
    }
    refuse(call, IMAPFS_ERROR_USAGE, "there is no such request");
}

/* Takes the lines that are there, one after the other. */
static void
serve(ControlCall *call)
{
    const char *end;

    /* Not the next one before the answer to the last is on its way. */
    while (!call->busy && !call->ending && call->output->len == 0 &&
           (end = memchr(call->input->str, '\n', call->input->len)) != NULL) {
        g_autofree char *line =
            g_strndup(call->input->str, (gsize)(end - call->input->str));
        g_string_erase(call->input, 0, end - call->input->str + 1);
        take_request(call, line);
        if (!send_output(call)) {
            free_call(call);
            return;
        }
    }
    if (!call->busy && !call->ending && call->input->len >= CONTROL_LINE_MAX &&
        memchr(call->input->str, '\n', call->input->len) == NULL) {
        refuse(call, IMAPFS_ERROR_USAGE, "the line is too long");
        call->ending = TRUE;
        g_string_truncate(call->input, 0);
        send_output(call);
    }
    if (call->ending && call->output->len == 0) {
        free_call(call);
        return;
    }
    if (call->timer == 0 || call->busy)
        be_patient(call);
    watch(call);
}

/* ---- answers ---- */

void
control_say(ControlCall *call, const char *text)
{
    while (*text != '\0') {
        gsize length = strcspn(text, "\n");
        g_string_append_c(call->output, ' ');
        g_string_append_len(call->output, text, (gssize)length);
        g_string_append_c(call->output, '\n');
        text += length + (text[length] == '\n');
    }
    if (call->timer == 0)
        be_patient(call);
    if (call->source != NULL) /* else serve() is about to */
        watch(call);
}

gboolean
control_is_drained(const ControlCall *call)
{
    return call->output->len == 0;
}

void
control_keep(ControlCall *call, gpointer state, GDestroyNotify free_func)
{
    call->state = state;
    call->free_state = free_func;
}

void
control_finish(ControlCall *call, const GError *error)
{
    add_end(call, error);
    end_state(call);
    be_patient(call);
    if (call->source != NULL)
        watch(call);
}

/* ---- the door ---- */

static gboolean
is_own(GSocket *socket)
{
    g_autoptr(GCredentials) peer = g_socket_get_credentials(socket, NULL);
    return peer != NULL && g_credentials_get_unix_user(peer, NULL) == getuid();
}

static void
admit(Control *control, GSocket *socket)
{
    ControlCall *call = g_new0(ControlCall, 1);

    g_socket_set_blocking(socket, FALSE);
    call->control = control;
    call->socket = socket;
    call->input = g_string_new(NULL);
    call->output = g_string_new(NULL);
    if (!is_own(socket)) {
        refuse(call, IMAPFS_ERROR_DENIED, "the mount is another user's");
        call->ending = TRUE;
    } else if (g_list_length(control->clients) >= CONTROL_CLIENTS_MAX) {
        refuse(call, IMAPFS_ERROR_BUSY, "too many ask at once");
        call->ending = TRUE;
    }
    control->clients = g_list_prepend(control->clients, call);
    /* Who is refused gets a word, if it can be had without waiting. */
    if (call->ending) {
        send_output(call);
        free_call(call);
    } else {
        serve(call);
    }
}

static void begin_accepting(Control *control);

static void
on_accept_timer(gpointer data)
{
    Control *control = data;
    control->timer = 0;
    begin_accepting(control);
}

static gboolean
on_connection(GSocket *listener, GIOCondition condition, gpointer data)
{
    Control *control = data;
    g_autoptr(GError) failure = NULL;
    GSocket *socket = g_socket_accept(listener, NULL, &failure);
    (void)condition;

    if (socket != NULL) {
        admit(control, socket);
        return G_SOURCE_CONTINUE;
    }
    if (g_error_matches(failure, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        return G_SOURCE_CONTINUE;
    drop_source(&control->source);
    control->timer =
        clock_after(control->clock, ACCEPT_PAUSE, on_accept_timer, control);
    return G_SOURCE_REMOVE;
}

static void
begin_accepting(Control *control)
{
    control->source = g_socket_create_source(control->socket, G_IO_IN, NULL);
    g_source_set_callback(control->source, G_SOURCE_FUNC(on_connection),
                          control, NULL);
    g_source_attach(control->source, g_main_context_get_thread_default());
}

/* Does anybody listen there? */
static gboolean
is_alive(GSocketAddress *address)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(GSocket) socket =
        g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM,
                     G_SOCKET_PROTOCOL_DEFAULT, NULL);

    if (socket == NULL)
        return TRUE;
    g_socket_set_blocking(socket, FALSE);
    return g_socket_connect(socket, address, NULL, &failure) ||
           !g_error_matches(failure, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
}

static gboolean
bind_socket(GSocket *socket, GSocketAddress *address, const char *path,
            GError **error)
{
    g_autoptr(GError) failure = NULL;
    mode_t before;
    gboolean bound;
    struct stat st;

    if (lstat(path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode) || is_alive(address))
            return fail(error, IMAPFS_ERROR_BUSY, path, "in use");
        unlink(path);
    }
    before = umask(0177);
    bound = g_socket_bind(socket, address, FALSE, &failure);
    umask(before);
    return bound || fail(error, IMAPFS_ERROR_FAILED, path, failure->message);
}

static gboolean
listen_at(Control *control, GError **error)
{
    g_autofree char *directory = g_path_get_dirname(control->path);
    g_autoptr(GSocketAddress) address = NULL;
    g_autoptr(GError) failure = NULL;

    if (!make_directory(directory, error))
        return FALSE;
    /* More than fits would be cut. */
    if (strlen(control->path) >= sizeof((struct sockaddr_un *)NULL)->sun_path)
        return fail(error, IMAPFS_ERROR_FAILED, control->path,
                    "the path is too long for a socket");
    address = g_unix_socket_address_new(control->path);
    control->socket = g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM,
                                   G_SOCKET_PROTOCOL_DEFAULT, &failure);
    if (control->socket == NULL)
        return fail(error, IMAPFS_ERROR_FAILED, control->path,
                    failure->message);
    g_socket_set_blocking(control->socket, FALSE);
    g_socket_set_listen_backlog(control->socket, BACKLOG);
    if (!bind_socket(control->socket, address, control->path, error))
        return FALSE;
    if (lstat(control->path, &control->made) != 0 ||
        !g_socket_listen(control->socket, &failure))
        return fail(error, IMAPFS_ERROR_FAILED, control->path,
                    failure ? failure->message : g_strerror(errno));
    return TRUE;
}

Control *
control_new(const char *path, Clock *clock, const ControlRequest *requests,
            gpointer data, GError **error)
{
    Control *control = g_new0(Control, 1);

    control->clock = clock;
    control->requests = requests;
    control->data = data;
    control->path = g_strdup(path);
    if (!listen_at(control, error)) {
        control_free(control);
        return NULL;
    }
    begin_accepting(control);
    return control;
}

void
control_free(Control *control)
{
    struct stat st;

    while (control->clients != NULL)
        free_call(control->clients->data);
    drop_source(&control->source);
    clock_cancel(control->clock, &control->timer);
    /* Not that of another daemon, which has taken the place. */
    if (control->made.st_ino != 0 && lstat(control->path, &st) == 0 &&
        st.st_ino == control->made.st_ino && st.st_dev == control->made.st_dev)
        unlink(control->path);
    if (control->socket != NULL) {
        g_socket_close(control->socket, NULL);
        g_object_unref(control->socket);
    }
    g_free(control->path);
    g_free(control);
}

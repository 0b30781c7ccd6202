/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The control socket of a mount: a Unix stream socket, for programs of the
 * same user.  Its place follows from the mountpoint.
 *
 *     request  = words NL          quoted as in a shell
 *     answer   = *(SP text NL) end
 *     end      = "ok" NL / "error" SP code SP text NL
 *
 * Codes are those of complaint.h.  Requests on one connection are answered one
 * after the other.  Text is UTF-8 without control characters, as far as the
 * request's own words are.
 *
 * The server side lives in the main loop and never blocks it.  A client that
 * stops reading is sent no more than one answer, one that says nothing is
 * dropped after a while, one that says too much at once.
 */
#ifndef IMAPFS_CONTROL_H
#define IMAPFS_CONTROL_H

#include "base/clock.h"

/* Limits. */
enum { CONTROL_LINE_MAX = 8192, CONTROL_CLIENTS_MAX = 16 };
#define CONTROL_PATIENCE (10 * CLOCK_SECOND)

/* The directory of the sockets; the caller owns it. */
char *control_directory(void);
/* The socket for MOUNTPOINT; the caller owns it. */
char *control_path(const char *mountpoint);

typedef struct Control Control;
/* A request that is being answered; control_finish() ends it. */
typedef struct ControlCall ControlCall;

/* WORDS, ended by NULL, follow the name; they are good until it returns. */
typedef void (*ControlFunc)(ControlCall *call, const char *const *words,
                            gpointer data);

typedef struct {
    const char *name;
    ControlFunc func;
} ControlRequest;

/*
 * Listens at PATH.  A socket that was left there by a daemon that has gone is
 * replaced.  REQUESTS, ended by one without a name, outlives it.  Fails with
 * BUSY when another process listens there, DENIED when the directory is not
 * this user's own, FAILED.
 */
Control *control_new(const char *path, Clock *clock,
                     const ControlRequest *requests, gpointer data,
                     GError **error);
void control_free(Control *control);

/* Answers with TEXT, each of its lines as one. */
void control_say(ControlCall *call, const char *text);
/* All that was said has been sent: there is room for more. */
gboolean control_is_drained(const ControlCall *call);
/* The answer takes longer: STATE is freed when the call is finished, or when
 * the client has gone. */
void control_keep(ControlCall *call, gpointer state, GDestroyNotify free);
/* Ends the answer; ERROR is NULL for "ok". */
void control_finish(ControlCall *call, const GError *error);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "known.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

char *
known_login(const char *capabilities)
{
    GString *text = g_string_new(NULL);
    const char *names =
        strstr(capabilities, "UIDONLY")
            ? strstr(capabilities, "QRESYNC") ? "QRESYNC UIDONLY" : "UIDONLY"
        : strstr(capabilities, "QRESYNC") ? "QRESYNC"
                                          : NULL;

    g_string_append_printf(text, LOGGED_IN("%s"), capabilities);
    if (names != NULL)
        g_string_append_printf(
            text, "C: $a ENABLE %s\nS: * ENABLED %s\nS: $a OK done\n", names,
            names);
    return g_string_free(text, FALSE);
}

void
known_add(Scene *scene, const char *capabilities, const char *rest)
{
    g_autofree char *login = known_login(capabilities);
    script_add_format(scene->script, "%s%s", login, rest);
}

Scene *
known_new(guint connections, const char *capabilities, const char *rest)
{
    Scene *scene = scene_new(connections);
    gboolean modseq = strstr(capabilities, "CONDSTORE") != NULL;
    g_autofree char *all =
        g_strconcat(C_LIST "S: * LIST () \"/\" INBOX\n" OK("l") C_EXAMINE,
                    modseq ? C_REST(MODSEQ_ITEMS, "1") SELECTED("5", "100")
                           : C_REST(PLAIN_ITEMS, "1") SELECTED_PLAIN("5"),
                    ALL_MESSAGES OK("n"), rest, NULL);

    known_add(scene, capabilities, all);
    scene_enter(scene);
    scene_wait(scene, SHORT);
    known_assert_shown(scene, "10 20 30 40 50");
    assert_string_equal(scene->seen->str, "");
    return scene;
}

MailMailbox *
known_inbox(Scene *scene)
{
    return mail_mailbox_child(mail_account_root(scene->account), "INBOX");
}

char *
known_shown(Scene *scene)
{
    GString *text = g_string_new(NULL);
    MailMailbox *inbox = known_inbox(scene);

    for (guint i = 0; i < mail_mailbox_count(inbox); i++) {
        const MailMessage *message = mail_mailbox_at(inbox, i);
        g_autofree char *flags = mail_mailbox_flags_text(inbox, message->flags);
        g_string_append_printf(text, "%s%u", i > 0 ? " " : "", message->uid);
        if (*flags != '\0')
            g_string_append_printf(text, "(%s)", flags);
    }
    return g_string_free(text, FALSE);
}

void
known_assert_shown(Scene *scene, const char *shown)
{
    g_autofree char *is = known_shown(scene);
    assert_string_equal(is, shown);
}

void
known_assert_over(Scene *scene, guint n)
{
    if (!script_is_over(scene->script, n))
        fail_msg("the client did not go on after:\n%s",
                 script_heard(scene->script, n));
    if (script_unread(scene->script, n) > 0)
        fail_msg("the client said too much:\n%s",
                 script_heard(scene->script, n));
}

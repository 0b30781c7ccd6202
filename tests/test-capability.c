/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include "imap/capability.h"

static const struct {
    const char *name;
    const char *words;
    guint capabilities;
    const char *text;
} rows[] = {
    {"nothing", "", 0, ""},
    {"blanks", "   ", 0, ""},
    {"Dovecot, before login",
     "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ STARTTLS "
     "LOGINDISABLED",
     IMAP_CAP_IMAP4REV1 | IMAP_CAP_SASL_IR | IMAP_CAP_IDLE | IMAP_CAP_STARTTLS |
         IMAP_CAP_LOGINDISABLED,
     "IMAP4rev1 STARTTLS LOGINDISABLED SASL-IR IDLE"},
    {"Dovecot, after login",
     "IMAP4rev1 SORT THREAD=REFERENCES UIDPLUS NAMESPACE LIST-EXTENDED "
     "LIST-STATUS CONDSTORE QRESYNC UNSELECT SPECIAL-USE COMPRESS=DEFLATE",
     IMAP_CAP_IMAP4REV1 | IMAP_CAP_NAMESPACE | IMAP_CAP_LIST_EXTENDED |
         IMAP_CAP_LIST_STATUS | IMAP_CAP_CONDSTORE | IMAP_CAP_UNSELECT |
         IMAP_CAP_SPECIAL_USE | IMAP_CAP_COMPRESS | IMAP_CAP_QRESYNC |
         IMAP_CAP_THREAD,
     "IMAP4rev1 NAMESPACE LIST-EXTENDED LIST-STATUS SPECIAL-USE CONDSTORE "
     "UNSELECT COMPRESS=DEFLATE QRESYNC THREAD=REFERENCES"},
    {"searching", "WITHIN THREAD=ORDEREDSUBJECT X-GM-EXT-1",
     IMAP_CAP_WITHIN | IMAP_CAP_GMAIL, "WITHIN X-GM-EXT-1"},
    {"rev2 only", "IMAP4rev2", IMAP_CAP_IMAP4REV1, "IMAP4rev1"},
    {"both revisions", "IMAP4rev2 IMAP4rev1", IMAP_CAP_IMAP4REV1, "IMAP4rev1"},
    {"IMAP4 is not enough", "IMAP4", 0, ""},
    {"case", "imap4REV1 Idle auth=plain",
     IMAP_CAP_IMAP4REV1 | IMAP_CAP_IDLE | IMAP_CAP_AUTH_PLAIN,
     "IMAP4rev1 AUTH=PLAIN IDLE"},
    {"no prefixes", "IDLEX IDL AUTH=PLAINX COMPRESS AUTH=", 0, ""},
    {"twice", "IDLE IDLE", IMAP_CAP_IDLE, "IDLE"},
    {"8-bit and control characters", "\303\244 \001 IDLE", IMAP_CAP_IDLE,
     "IDLE"},
    {"OBJECTID", "OBJECTID", IMAP_CAP_OBJECTID, "OBJECTID"},
};

static void
test_rows(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *name = rows[i].name;
        gsize length = strlen(rows[i].words);
        g_autofree char *data = copy_octets(rows[i].words, length);
        guint capabilities = imap_capabilities_parse((ImapSlice){data, length});
        g_autofree char *text = imap_capabilities_text(capabilities);
        row_number(name, "capabilities", capabilities, rows[i].capabilities);
        row_string(name, "text", text, rows[i].text);
        row_number(name, "text read again",
                   imap_capabilities_parse((ImapSlice){text, strlen(text)}),
                   capabilities);
    }
    row_number("NIL", "capabilities",
               imap_capabilities_parse((ImapSlice){NULL, 0}), 0);
    rows_end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
    };
    rows_begin_program();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The structure of messages: the input is what a server tells, and a message
 * to look into; either way parts are inside of their parents, have sections of
 * their own, and files with names that can stand side by side.
 */
#include "fuzz.h"

#include <gmime/gmime.h>

#include "fs/partnames.h"

enum { PART_NAME_MAX = 200 };

static void
check_text(const char *text)
{
    MUST(text == NULL || g_utf8_validate(text, -1, NULL));
}

static void
check_part(const MailStructure *structure, guint i)
{
    const MailPart *part = &structure->parts[i];
    const MailPart *parent = &structure->parts[part->parent];

    check_text(part->section);
    check_text(part->type);
    check_text(part->charset);
    check_text(part->name);
    check_text(part->subject);
    check_text(part->id);
    check_text(part->start);
    MUST(part->type != NULL);
    MUST(part->after > i && part->after <= parent->after);
    MUST(part->kind != MAIL_PART_LEAF || part->after == i + 1);
    if (part->kind == MAIL_PART_MESSAGE)
        MUST(part[1].parent == i && part[1].after == part->after);
    if (i == 0)
        return;
    MUST(part->parent < i && parent->kind != MAIL_PART_LEAF);
    MUST((part->section == NULL) == (part->kind == MAIL_PART_MULTIPART &&
                                     parent->kind == MAIL_PART_MESSAGE));
    mail_structure_is_attachment(structure, i);
    if (!structure->local)
        return;
    MUST(part->offset >= parent->offset + parent->header_octets);
    MUST(part->octets >= part->header_octets);
    MUST(part->offset + part->octets <= parent->offset + parent->octets);
}

static void
check_names(const MailStructure *structure, guint message)
{
    g_autoptr(GPtrArray) entries = fs_partnames_list(structure, message);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    MUST(entries->len > 0);
    for (guint i = 0; i < entries->len; i++) {
        const FsPartEntry *entry = g_ptr_array_index(entries, i);
        const char *name = entry->name;
        MUST(*name != '\0' && strlen(name) <= PART_NAME_MAX);
        MUST(strchr(".- ", *name) == NULL && strchr(name, '/') == NULL);
        check_text(name);
        for (const char *at = name; *at != '\0'; at = g_utf8_next_char(at))
            MUST(!g_unichar_iscntrl(g_utf8_get_char(at)));
        MUST(g_hash_table_add(seen, entry->name));
        MUST(entry->part == message ||
             structure->parts[entry->part].parent >= message);
    }
}

static void
check(const MailStructure *structure)
{
    g_autoptr(GHashTable) sections = g_hash_table_new(g_str_hash, g_str_equal);

    MUST(structure->n >= 2 && structure->parts[0].after == structure->n);
    for (guint i = 0; i < structure->n; i++) {
        char *section = structure->parts[i].section;
        check_part(structure, i);
        if (section != NULL)
            MUST(g_hash_table_add(sections, section));
    }
    for (guint i = 0; i < structure->n; i++) {
        if (structure->parts[i].kind == MAIL_PART_MESSAGE &&
            structure->n <= 100)
            check_names(structure, i);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *copy = NULL;
    g_autoptr(MailStructure) told = NULL;
    g_autoptr(MailStructure) found = NULL;

    g_mime_init(); /* counts, and does nothing the second time */
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL |
                           G_LOG_LEVEL_WARNING);
    copy = g_memdup2(data, size);
    told = mail_structure_parse(copy ? copy : "", size, 0);
    if (told != NULL)
        check(told);
    found = mail_structure_find(copy ? copy : "", size);
    MUST(found->parts[0].octets == size);
    check(found);
    return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "world.h"

#include <string.h>

/* What the leaves of a letter decode to follows from its content. */
static GString *
leaf_octets(guint64 content, guint part)
{
    guint seed = (guint)content + part;
    gsize size;
    GString *octets;

    switch (part) {
    case WORLD_PART_FILE:
        size = content % 5 == 0 ? 60000 + content * 7919 % 50000
                                : content * 131 % 4000;
        return mime_ruler(seed, size);
    case WORLD_PART_TABLE:
        octets = mime_ruler(seed, 100 + content * 37 % 900);
        for (gsize i = 0; i < octets->len; i += 11) {
            if (octets->str[i] >= 'a')
                octets->str[i] = '=';
        }
        return octets;
    default:
        octets = g_string_new(NULL);
        g_string_printf(octets, "word%" G_GUINT64_FORMAT ".%u\r\n", content,
                        part);
        return octets;
    }
}

static MimePart *
text_leaf(guint64 content, guint part)
{
    return mime_leaf("text/plain", "7bit", NULL, leaf_octets(content, part));
}

static Letter *
make_letter(guint64 content)
{
    g_autofree char *subject =
        g_strdup_printf("letter %" G_GUINT64_FORMAT, content);
    g_autoptr(GString) file = leaf_octets(content, WORLD_PART_FILE);
    g_autoptr(GString) table = leaf_octets(content, WORLD_PART_TABLE);

    return letter_new(
        subject,
        mime_multipart(
            "mixed", text_leaf(content, WORLD_PART_TEXT),
            mime_leaf("image/png", "base64", "a.png", mime_base64(file, 76)),
            mime_leaf("text/csv", "quoted-printable", "b.csv",
                      mime_quoted_printable(table)),
            mime_message("within", text_leaf(content, WORLD_PART_TEXT_WITHIN)),
            NULL));
}

static void
free_letter(gpointer data)
{
    letter_free(data);
}

const Letter *
world_letter(World *world, guint64 content)
{
    Letter *letter;

    if (world->letters == 0 || content % world->letters != 0)
        return NULL;
    if (content == world->last_letter && world->last_made != NULL)
        return world->last_made;
    if (world->made_letters == NULL)
        world->made_letters = g_hash_table_new_full(g_int64_hash, g_int64_equal,
                                                    g_free, free_letter);
    letter = g_hash_table_lookup(world->made_letters, &content);
    if (letter == NULL) {
        letter = make_letter(content);
        g_hash_table_insert(world->made_letters,
                            g_memdup2(&content, sizeof content), letter);
    }
    world->last_letter = content;
    world->last_made = letter;
    return letter;
}

/* As mail_decode_header() has it: nothing in it is folded or encoded. */
static GString *
readable(const GString *header)
{
    GString *text = g_string_new_len(header->str, (gssize)header->len - 2);
    g_string_replace(text, "\r\n", "\n", 0);
    return text;
}

GString *
world_letter_part(World *world, guint64 content, guint part)
{
    const Letter *letter = world_letter(world, content);
    const GString *within;

    if (letter == NULL)
        return NULL;
    if (part == WORLD_PART_HEADERS)
        return readable(letter_section(letter, "HEADER"));
    if (part != WORLD_PART_MESSAGE)
        return leaf_octets(content, part);
    within = letter_section(letter, "4");
    return g_string_new_len(within->str, (gssize)within->len);
}

/* What this server gets wrong about the parts of a letter. */
static MimeHabit
habit_of(const World *world, guint64 content)
{
    static const MimeHabit habits[] = {
        STRUCTURE_MINUS_ONE, STRUCTURE_NIL,        STRUCTURE_PLUS_ONE,
        STRUCTURE_HALF,      STRUCTURE_OF_MESSAGE, STRUCTURE_ZERO,
        SECTION_MISSING,     SECTION_WHOLE,        STRUCTURE_REVERSED,
        SECTION_NO_ORIGIN,   STRUCTURE_NONSENSE,
    };
    return world->wrong_parts ? habits[content / 7 % G_N_ELEMENTS(habits)]
                              : MIME_HONEST;
}

void
world_append_item(World *world, GString *text, guint64 content,
                  const char *item)
{
    const Letter *letter = world_letter(world, content);
    g_autoptr(GString) said = g_string_new(NULL);

    if (letter != NULL) {
        letter_answer(letter, said, item, habit_of(world, content), FALSE);
    } else if (strcmp(item, "BODYSTRUCTURE") == 0) {
        g_string_append(said, " BODYSTRUCTURE NIL");
    } else if (g_str_has_prefix(item, "BODY.PEEK[")) {
        g_autofree char *section = letter_item_section(item);
        g_string_append_printf(said, " BODY[%s] NIL", section);
    }
    if (said->len > 0) {
        g_string_append_len(text, said->str + 1, (gssize)said->len - 1);
        g_string_append_c(text, ' ');
    }
}

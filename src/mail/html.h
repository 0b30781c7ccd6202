/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * HTML as a person would read it in a terminal: paragraphs with an empty line
 * between them, never wrapped; "> " in front of what is quoted, "  * " or
 * "  1. " of what is listed; the address of a link behind its text, what
 * stands for an image in brackets, cells of a table with two blanks between
 * them.  What is not shown in a browser is left out.
 */
#ifndef IMAPFS_MAIL_HTML_H
#define IMAPFS_MAIL_HTML_H

#include <glib.h>

/* HTML is valid UTF-8.  Nothing in it is followed, run or fetched.  It takes
 * time in proportion to its length, whatever it is; the result is at most 16
 * times as long.  The caller owns the result, which ends with a line feed
 * unless it is empty. */
char *mail_html_render(const char *html);

#endif

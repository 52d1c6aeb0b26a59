/* The parts of `cajal-manual`, which writes the manual pages while Cajal is built. */
#ifndef CAJAL_MANUAL_H
#define CAJAL_MANUAL_H

#include "tables.h"

#include <stdio.h>

/* A page being written. */
typedef struct {
    FILE *to;
    bool fresh; /* a heading was last: the paragraph after it needs no space */
} page;

/* --- text for man(7), roff.c ---------------------------------------------------------------------------- */

/* Text with what roff would take for its own made harmless, and what stands in `backticks` bold: within a
 * line of its own; as lines of prose; and a whole text as such lines. */
void put_roff(page *p, const char *text, size_t length);
void put_prose(page *p, const char *text, size_t length);
void put_line(page *p, const char *text);
/* A macro as it is, as printf writes it. */
__attribute__((format(printf, 2, 3))) void put_macro(page *p, const char *format, ...);
/* .SH in capital letters */
void put_heading(page *p, const char *title, size_t length);
/* .PP, unless a heading was last. */
void put_break(page *p);
/* Lines as they are, between .EX and .EE. */
void put_verbatim(page *p, const char *lines);

/* --- Markdown, markdown.c --------------------------------------------------------------------------------
 */

/* Paragraphs, headings, tables, lists and indented lines, as docs/recipes.md and docs/man have them. */
void put_markdown(page *p, const char *text);
/* Where the first "## " heading begins, or the end. */
const char *first_heading(const char *text);

/* --- pages, pages.c --------------------------------------------------------------------------------------
 */

/* `more`: of docs/man/NAME.md, "" where there is none. */
void put_command_page(FILE *to, const command_facts *command, const char *more);
void put_overview(FILE *to, const char *text);
/* Of recipes: docs/recipes.md, and a recipe as an example. */
void put_recipe_page(FILE *to, const char *text, const char *example);

#endif

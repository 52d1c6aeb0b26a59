/* Markdown as man(7): as much of it as docs/recipes.md and docs/man use. A table becomes a list: its first
 * column is what each item is called, its last one what is said of it, those between stand beside the name.
 */
#include "manual.h"

#include <string.h>

enum { MOST_COLUMNS = 6 };

typedef struct {
    const char *text;
    size_t length;
} cell;

static const char *line_end(const char *line)
{
    return line + strcspn(line, "\n");
}

static const char *next_line(const char *line)
{
    line = line_end(line);
    return line + (*line == '\n');
}

const char *first_heading(const char *text)
{
    while (*text && strncmp(text, "## ", 3) != 0) text = next_line(text);
    return text;
}

/* --- tables ----------------------------------------------------------------------------------------------
 */

/* "| a | b |" in cells without the spaces around them. */
static int split_row(const char *line, cell cells[MOST_COLUMNS])
{
    const char *end = line_end(line);
    int count = 0;
    line++;
    while (line < end && count < MOST_COLUMNS) {
        size_t length = strcspn(line, "|\n");
        cell c = {line, length};
        while (c.length && *c.text == ' ') c.text++, c.length--;
        while (c.length && c.text[c.length - 1] == ' ') c.length--;
        cells[count++] = c;
        line += length + 1;
    }
    return count;
}

static bool is_named(cell c, const char *name)
{
    return strlen(name) == c.length && strncmp(c.text, name, c.length) == 0;
}

/* "`training.epochs`  whole number, default 5", and below it what is said of it. */
static void put_row(page *p, const cell *header, const cell *cells, int count)
{
    const char *between = "  ";
    put_macro(p, ".TP");
    put_roff(p, cells[0].text, cells[0].length);
    for (int i = 1; i < count - 1; i++) {
        if (!cells[i].length) continue;
        fprintf(p->to, "%s%s", between, is_named(header[i], "default") ? "default " : "");
        put_roff(p, cells[i].text, cells[i].length);
        between = ", ";
    }
    put_macro(p, "%s", "");
    if (cells[count - 1].length)
        put_prose(p, cells[count - 1].text, cells[count - 1].length);
    else
        put_macro(p, "\\&");
}

/* Returns the line behind the table. */
static const char *put_table(page *p, const char *line)
{
    cell header[MOST_COLUMNS], cells[MOST_COLUMNS];
    split_row(line, header);
    line = next_line(next_line(line));
    for (; *line == '|'; line = next_line(line)) put_row(p, header, cells, split_row(line, cells));
    return line;
}

/* --- the rest --------------------------------------------------------------------------------------------
 */

/* Returns the line behind them; empty lines between indented ones belong to them. */
static const char *put_indented(page *p, const char *line)
{
    char lines[4096];
    size_t size = 0;
    while (strncmp(line, "    ", 4) == 0 || (*line == '\n' && strncmp(line + 1, "    ", 4) == 0)) {
        const char *from = *line == '\n' ? line : line + 4;
        size_t length = (size_t)(next_line(line) - from);
        if (size + length >= sizeof lines) break;
        memcpy(lines + size, from, length);
        size += length;
        line = next_line(line);
    }
    lines[size] = 0;
    put_verbatim(p, lines);
    return line;
}

/* Lines until an empty one or the next item of a list, as one. */
static const char *put_paragraph(page *p, const char *line)
{
    char text[8192];
    size_t size = 0;
    do {
        size_t length = strcspn(line, "\n");
        if (size + length + 2 > sizeof text) break;
        if (size) text[size++] = ' ';
        memcpy(text + size, line, length);
        size += length;
        line = next_line(line);
        while (*line == ' ') line++;
    } while (*line && *line != '\n' && strncmp(line, "- ", 2) != 0 && *line != '|');
    put_prose(p, text, size);
    return line;
}

static const char *put_item(page *p, const char *line)
{
    put_macro(p, ".IP \\(bu 2");
    return put_paragraph(p, line);
}

static const char *put_section(page *p, const char *line)
{
    put_heading(p, line, strcspn(line, "\n"));
    return next_line(line);
}

void put_markdown(page *p, const char *line)
{
    while (*line) {
        if (*line == '\n' || strncmp(line, "# ", 2) == 0)
            line = next_line(line);
        else if (strncmp(line, "## ", 3) == 0)
            line = put_section(p, line + 3);
        else if (strncmp(line, "    ", 4) == 0)
            line = put_indented(p, line);
        else if (strncmp(line, "- ", 2) == 0)
            line = put_item(p, line + 2);
        else if (*line == '|')
            line = put_table(p, line);
        else {
            put_break(p);
            line = put_paragraph(p, line);
        }
    }
}

/* Text as man(7) wants it: what roff would take for its own made harmless, other letters by their number. */
#include "manual.h"

#include <stdarg.h>
#include <string.h>

/* One code point of UTF-8, and how many bytes it takes. */
static unsigned code_point(const char *text, size_t *bytes)
{
    unsigned first = (unsigned char)*text, point;
    *bytes = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    point = first & (0x7fU >> *bytes);
    for (size_t i = 1; i < *bytes; i++) point = point << 6 | ((unsigned char)text[i] & 0x3fU);
    return point;
}

/* Returns how many bytes of `text` it was. */
static size_t put_character(FILE *to, const char *text)
{
    size_t bytes = 1;
    if ((unsigned char)*text >= 0x80)
        fprintf(to, "\\[u%04X]", code_point(text, &bytes));
    else if (*text == '\\')
        fputs("\\e", to);
    else if (*text == '-')
        fputs("\\-", to);
    else if (*text == '\'')
        fputs("\\(aq", to);
    else if (*text == '~' || *text == '^')
        fputs(*text == '~' ? "\\(ti" : "\\(ha", to);
    else
        fputc(*text, to);
    return bytes;
}

/* Prose breaks at the first space beyond `widest`; a line must not begin as a macro would. */
static void put_text(page *p, const char *text, size_t length, int widest)
{
    bool bold = false;
    const char *end = text + length;
    for (int column = 0; text < end; column++) {
        if (column == 0 && *text == '.') fputs("\\&", p->to);
        if (*text == ' ' && column > widest) {
            fputc('\n', p->to);
            column = -1;
            text++;
        } else if (*text == '`') {
            bold = !bold;
            fputs(bold ? "\\fB" : "\\fR", p->to);
            text++;
        } else {
            text += put_character(p->to, text);
        }
    }
    p->fresh = false;
}

void put_roff(page *p, const char *text, size_t length)
{
    put_text(p, text, length, 1 << 20);
}

void put_prose(page *p, const char *text, size_t length)
{
    put_text(p, text, length, 50);
    fputc('\n', p->to);
}

void put_line(page *p, const char *text)
{
    put_prose(p, text, strlen(text));
}

void put_macro(page *p, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vfprintf(p->to, format, values);
    va_end(values);
    fputc('\n', p->to);
}

void put_heading(page *p, const char *title, size_t length)
{
    fputs(".SH ", p->to);
    for (size_t i = 0; i < length; i++)
        fputc(title[i] >= 'a' && title[i] <= 'z' ? title[i] - 'a' + 'A' : title[i], p->to);
    fputc('\n', p->to);
    p->fresh = true;
}

void put_break(page *p)
{
    if (!p->fresh) fputs(".PP\n", p->to);
    p->fresh = false;
}

/* Backticks stand for themselves here. */
void put_verbatim(page *p, const char *lines)
{
    put_break(p);
    fputs(".in +4n\n.EX\n", p->to);
    while (*lines) {
        if (*lines == '.') fputs("\\&", p->to);
        while (*lines && *lines != '\n') lines += put_character(p->to, lines);
        fputc('\n', p->to);
        lines += *lines == '\n';
    }
    fputs(".EE\n.in\n", p->to);
}

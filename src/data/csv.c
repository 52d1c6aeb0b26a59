/* CSV into fields: RFC 4180, read strictly, so that a table is never silently shifted. What the fields mean
 * is decided in table.c. */
#include "data/csv.h"
#include "data/source.h"

#include <string.h>

typedef struct {
    const cj_csv_options *o;
    cj_table *t;
    char delimiter;
    const char *at; /* in t->text */
    char *to;       /* in t->cells, never further on than `at` in the text */
    int64_t line;
    cj__fields *fields;
} reader;

static cj_status bad(const reader *r, const char *found, const char *expected)
{
    return cj__fail(CJ_FORMAT_ERROR, "%s:%lld: found %s, expected %s", r->t->path, (long long)r->line, found,
                    expected);
}

static bool at_end(const reader *r)
{
    return r->at == r->t->text + r->t->size;
}

/* "\n", "\r\n", or the end of the file. */
static bool at_line_end(const reader *r)
{
    return at_end(r) || *r->at == '\n' || (*r->at == '\r' && r->at[1] == '\n');
}

static void skip_line_end(reader *r)
{
    if (*r->at == '\r') r->at++;
    if (!at_end(r)) r->at++, r->line++;
}

/* What stands in quotes, doubled ones halved. */
static cj_status read_quoted(reader *r)
{
    int64_t opened = r->line;
    for (r->at++; !at_end(r); r->at++) {
        if (*r->at == '"' && r->at[1] == '"')
            r->at++;
        else if (*r->at == '"')
            break;
        if (*r->at == '\n') r->line++;
        *r->to++ = *r->at;
    }
    if (at_end(r)) {
        r->line = opened;
        return bad(r, "a quote that is never closed", "its other quote");
    }
    r->at++;
    if (at_line_end(r) || *r->at == r->delimiter) return CJ_OK;
    return bad(r, "text after a closing quote", "a delimiter or the end of the line");
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* Plain text; spaces around it do not count. */
static void read_plain(reader *r)
{
    char *from = r->to;
    while (!at_line_end(r) && *r->at != r->delimiter) {
        if (r->to > from || !is_space(*r->at)) *r->to++ = *r->at;
        r->at++;
    }
    while (r->to > from && is_space(r->to[-1])) r->to--;
}

static cj_status read_field(reader *r)
{
    cj__fields *f = r->fields;
    CJ__TRY(cj__grow(&f->list, &f->room, f->count, sizeof *f->list));
    cj__field *field = &f->list[f->count++];
    *field = (cj__field){.text = r->to, .quoted = *r->at == '"'};
    if (field->quoted)
        CJ__TRY(read_quoted(r));
    else
        read_plain(r);
    *r->to = 0; /* in the place of the delimiter or of the line's end */
    return CJ_OK;
}

/* All fields of a record, which may span several lines. `*count`: how many. */
static cj_status read_record(reader *r, int64_t *count)
{
    *count = 0;
    for (;;) {
        CJ__TRY(read_field(r));
        ++*count;
        if (at_line_end(r)) break;
        r->at++; /* the delimiter */
        r->to++; /* the zero */
    }
    if (!at_end(r)) skip_line_end(r);
    r->to++;
    return CJ_OK;
}

static cj_status add_place(reader *r, int64_t line, const char *from)
{
    cj_table *t = r->t;
    const char *to = r->at;
    while (to > from && (to[-1] == '\n' || to[-1] == '\r')) to--;
    CJ__TRY(cj__grow(&t->places, &r->fields->place_room, t->rows, sizeof *t->places));
    t->places[t->rows].line = line;
    t->places[t->rows].from = (size_t)(from - t->text);
    t->places[t->rows].to = (size_t)(to - t->text);
    t->rows++;
    return CJ_OK;
}

static cj_status check_width(reader *r, int64_t line, int64_t count)
{
    if (count == r->t->column_count) return CJ_OK;
    return cj__fail(CJ_FORMAT_ERROR, "%s:%lld: found %lld fields, expected %lld as in the first line",
                    r->t->path, (long long)line, (long long)count, (long long)r->t->column_count);
}

/* The first record says how many columns there are, and, as a header, their names. */
static cj_status read_first(reader *r)
{
    const char *from = r->at;
    int64_t line = r->line;
    CJ__TRY(read_record(r, &r->t->column_count));
    if (r->o->no_header) return add_place(r, line, from);
    const char *to = r->at;
    while (to > from && (to[-1] == '\n' || to[-1] == '\r')) to--;
    r->t->header = (char *)from;
    r->t->header_size = (size_t)(to - from);
    return CJ_OK;
}

static cj_status read_records(reader *r)
{
    while (at_line_end(r) && !at_end(r)) skip_line_end(r);
    if (at_end(r)) return bad(r, "an empty file", "a line of fields");
    CJ__TRY(read_first(r));
    while (!at_end(r)) {
        const char *from = r->at;
        int64_t line = r->line, count;
        if (at_line_end(r)) { /* an empty line is no row */
            skip_line_end(r);
            continue;
        }
        CJ__TRY(read_record(r, &count));
        CJ__TRY(check_width(r, line, count));
        CJ__TRY(add_place(r, line, from));
    }
    return CJ_OK;
}

cj_status cj__csv_read(cj_table *t, const cj_csv_options *options, cj__fields *fields)
{
    CJ__TRY(cj__source_read_text(options->path, &t->text, &t->size));
    const char *zero = memchr(t->text, 0, t->size);
    if (zero)
        return cj__fail(CJ_FORMAT_ERROR, "%s: byte %lld: found a zero, expected text", t->path,
                        (long long)(zero - t->text));
    t->cells = cj__allocate(t->size + 2);
    if (!t->cells) return cj__out_of_memory(t->size, t->path);
    reader r = {.o = options, .t = t, .delimiter = options->delimiter ? options->delimiter : ',', .line = 1};
    t->delimiter = r.delimiter;
    r.at = t->text;
    r.to = t->cells;
    r.fields = fields;
    return read_records(&r);
}

/* Tables: fields become columns of numbers or of words, and are looked up by column and row. */
#include "data/table.h"
#include "base/text.h"
#include "data/csv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- numbers ------------------------------------------------------------------------------------------- */

/* Digits with at most one point, few enough that a double holds them and the power of ten exactly: then one
 * division rounds correctly. False for anything else, which takes the long way. */
static bool plain_number(const char *text, double *number)
{
    static const double powers[] = {1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6, 1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14};
    bool negative = *text == '-', point = false;
    int64_t digits = 0;
    int count = 0, after = 0;
    for (text += negative; *text; text++) {
        if (*text == '.' && !point) {
            point = true;
            continue;
        }
        if (*text < '0' || *text > '9' || ++count > 14) return false;
        digits = 10 * digits + (*text - '0');
        after += point;
    }
    *number = (negative ? -(double)digits : (double)digits) / powers[after];
    return count > 0;
}

static bool is_number(const char *text, double *number)
{
    char *end;
    if (plain_number(text, number)) return true;
    *number = cj__parse_number(text, &end);
    return *text && !*end && isfinite(*number) && !strpbrk(text, "xX");
}

/* --- missing values ------------------------------------------------------------------------------------ */

/* Whether `word` is one of "NA,none". */
static bool listed(const char *list, const char *word)
{
    size_t length = strlen(word);
    while (list && *list) {
        size_t end = strcspn(list, ",");
        if (end == length && strncmp(list, word, end) == 0) return true;
        list += end + (list[end] == ',');
    }
    return false;
}

/* What is in quotes is meant as it stands. */
static bool is_missing(const cj__field *field, const cj_csv_options *o)
{
    if (field->quoted) return false;
    return !*field->text || listed("NA,N/A,NaN,nan,null,NULL,?", field->text) ||
           listed(o->missing, field->text);
}

/* --- columns ------------------------------------------------------------------------------------------- */

static int compare_words(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The words there are, ascending; their places as numbers. */
static cj_status make_words(cj_table *t, cj__column *column, const cj__field *fields, const cj_csv_options *o)
{
    column->words = cj__allocate((size_t)t->rows * sizeof *column->words + 1);
    if (!column->words) return cj__out_of_memory((size_t)t->rows * sizeof *column->words, column->name);
    int64_t found = 0, kept = 0;
    for (int64_t i = 0; i < t->rows; i++) {
        const cj__field *field = &fields[i * t->column_count];
        if (!is_missing(field, o)) column->words[found++] = field->text;
    }
    qsort(column->words, (size_t)found, sizeof *column->words, compare_words);
    for (int64_t i = 0; i < found; i++)
        if (kept == 0 || strcmp(column->words[kept - 1], column->words[i]) != 0)
            column->words[kept++] = column->words[i];
    column->word_count = kept;
    for (int64_t i = 0; i < t->rows; i++) {
        const cj__field *field = &fields[i * t->column_count];
        char **place = is_missing(field, o) ? NULL
                                            : bsearch(&field->text, column->words, (size_t)kept,
                                                      sizeof *column->words, compare_words);
        column->numbers[i] = place ? (double)(place - column->words) : (double)NAN;
    }
    return CJ_OK;
}

/* `fields`: the column's first; the next row's is column_count further on. */
static cj_status make_column(cj_table *t, cj__column *column, const cj__field *fields,
                             const cj_csv_options *o)
{
    column->numbers = cj__allocate((size_t)t->rows * sizeof *column->numbers + 1);
    if (!column->numbers) return cj__out_of_memory((size_t)t->rows * sizeof *column->numbers, column->name);
    for (int64_t i = 0; i < t->rows; i++) {
        const cj__field *field = &fields[i * t->column_count];
        column->numbers[i] = (double)NAN;
        if (!is_missing(field, o) && !is_number(field->text, &column->numbers[i]))
            return make_words(t, column, fields, o);
    }
    return CJ_OK;
}

static cj_status name_column(cj_table *t, int64_t index, const cj__field *header)
{
    char number[32];
    snprintf(number, sizeof number, "%lld", (long long)index + 1);
    t->columns[index].name = cj__copy_string(header && *header->text ? header->text : number);
    return t->columns[index].name ? CJ_OK : cj__out_of_memory(32, "a column's name");
}

/* Columns of one name as they stand in the table. */
static int compare_names(const void *a, const void *b)
{
    const cj__column *x = *(cj__column *const *)a, *y = *(cj__column *const *)b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x > y) - (x < y);
}

static cj_status sort_names(cj_table *t)
{
    t->by_name = cj__allocate((size_t)t->column_count * sizeof *t->by_name);
    if (!t->by_name) return cj__out_of_memory((size_t)t->column_count * sizeof *t->by_name, t->path);
    for (int64_t i = 0; i < t->column_count; i++) t->by_name[i] = &t->columns[i];
    qsort(t->by_name, (size_t)t->column_count, sizeof *t->by_name, compare_names);
    for (int64_t i = 1; i < t->column_count; i++)
        if (strcmp(t->by_name[i - 1]->name, t->by_name[i]->name) == 0)
            return cj__fail(CJ_FORMAT_ERROR, "%s:1: columns %lld and %lld are both named '%.80s'", t->path,
                            (long long)(t->by_name[i - 1] - t->columns) + 1,
                            (long long)(t->by_name[i] - t->columns) + 1, t->by_name[i]->name);
    return CJ_OK;
}

static cj_status make_columns(cj_table *t, const cj__fields *fields, const cj_csv_options *o)
{
    const cj__field *header = o->no_header ? NULL : fields->list;
    const cj__field *first = fields->list + (header ? t->column_count : 0);
    t->columns = cj__allocate_zeroed((size_t)t->column_count * sizeof *t->columns);
    if (!t->columns) return cj__out_of_memory((size_t)t->column_count * sizeof *t->columns, t->path);
    for (int64_t c = 0; c < t->column_count; c++) CJ__TRY(name_column(t, c, header ? header + c : NULL));
    CJ__TRY(sort_names(t));
    for (int64_t c = 0; c < t->column_count; c++) CJ__TRY(make_column(t, &t->columns[c], first + c, o));
    return CJ_OK;
}

cj_status cj_table_read_csv(cj_table **table, const cj_csv_options *options)
{
    cj__fields fields = {0};
    cj_table *t = cj__allocate_zeroed(sizeof *t);
    *table = NULL;
    if (!t) return cj__out_of_memory(sizeof *t, "a table");
    t->path = cj__copy_string(options->path);
    cj_status status = t->path ? cj__csv_read(t, options, &fields) : cj__out_of_memory(32, "a table");
    if (status == CJ_OK) status = make_columns(t, &fields, options);
    cj__free(fields.list);
    if (status == CJ_OK)
        *table = t;
    else
        cj_table_free(t);
    return status;
}

void cj_table_free(cj_table *t)
{
    if (!t) return;
    for (int64_t c = 0; t->columns && c < t->column_count; c++) {
        cj__free(t->columns[c].name);
        cj__free(t->columns[c].numbers);
        cj__free(t->columns[c].words);
    }
    cj__free(t->columns);
    cj__free(t->by_name);
    cj__free(t->places);
    cj__free(t->cells);
    cj__free(t->text);
    cj__free(t->path);
    cj__free(t);
}

/* --- looking up ---------------------------------------------------------------------------------------- */

int64_t cj_table_rows(const cj_table *table)
{
    return table->rows;
}

int64_t cj_table_columns(const cj_table *table)
{
    return table->column_count;
}

const char *cj_table_name(const cj_table *table, int64_t column)
{
    return table->columns[column].name;
}

int64_t cj_table_find(const cj_table *table, const char *name)
{
    int64_t low = 0, high = table->column_count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        int order = strcmp(table->by_name[middle]->name, name);
        if (order == 0) return table->by_name[middle] - table->columns;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

double cj_table_number(const cj_table *table, int64_t row, int64_t column)
{
    const cj__column *c = &table->columns[column];
    return c->words ? (double)NAN : c->numbers[row];
}

const char *cj_table_word(const cj_table *table, int64_t row, int64_t column)
{
    const cj__column *c = &table->columns[column];
    return c->words && !isnan(c->numbers[row]) ? c->words[(int64_t)c->numbers[row]] : NULL;
}

const char *cj_table_line(const cj_table *table, int64_t row, size_t *size)
{
    if (row < 0) {
        *size = table->header_size;
        return table->header;
    }
    *size = table->places[row].to - table->places[row].from;
    return table->text + table->places[row].from;
}

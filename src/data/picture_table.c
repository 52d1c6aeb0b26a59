/* A table with a column of paths as a dataset of pictures: each row one picture and what is to be learned of
 * it. */
#include "data/pictures.h"
#include "data/preprocessing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const cj_picture_table_options *o;
    const cj_table *table;
    int64_t column, target;
    cj__arena arena;
    cj__names classes;
} reading;

static cj_status find_column(const cj_table *t, const char *name, const char *what, int64_t *column)
{
    *column = name && *name ? cj_table_find(t, name) : -1;
    if (*column >= 0) return CJ_OK;
    return cj__fail(CJ_INVALID_ARGUMENT, "%s: there is no column '%.80s', which should have %s", t->path,
                    name ? name : "", what);
}

static cj_status bad_cell(const reading *r, int64_t row, int64_t column, const char *expected)
{
    const cj_table *t = r->table;
    char room[CJ__CATEGORY_TEXT];
    const char *found = cj__cell_text(t, row, column, room);
    return cj__fail(CJ_FORMAT_ERROR, "%s:%lld: column '%s' has %s%.80s%s, expected %s", t->path,
                    (long long)t->places[row].line, t->columns[column].name, found ? "'" : "",
                    found ? found : "no value", found ? "'" : "", expected);
}

/* --- paths --------------------------------------------------------------------------------------------- */

static const char *folder_of(reading *r)
{
    const char *path = r->table->path, *slash = strrchr(path, '/');
    if (r->o->folder && *r->o->folder) return r->o->folder;
    return slash ? cj__arena_format(&r->arena, "%.*s", (int)(slash - path), path) : ".";
}

static cj_status list_paths(reading *r, cj__listing *l)
{
    char room[CJ__CATEGORY_TEXT];
    const char *folder = folder_of(r);
    if (!folder) return cj__out_of_memory(strlen(r->table->path), "a folder's name");
    CJ__TRY(cj__listing_begin(l, folder));
    for (int64_t i = 0; i < r->table->rows; i++) {
        const char *path = cj__cell_text(r->table, i, r->column, room);
        if (!path) return bad_cell(r, i, r->column, "the path of a picture");
        CJ__TRY(cj__listing_add(l, path, 0));
    }
    if (l->count > 0) return CJ_OK;
    return cj__fail(CJ_FORMAT_ERROR, "%s: found no rows", r->table->path);
}

/* --- classes ------------------------------------------------------------------------------------------- */

/* A number, or the place of a word, and whose it is. */
typedef struct {
    double value;
    int64_t row;
} target;

static int by_value(const void *a, const void *b)
{
    const target *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static cj_status gather(reading *r, target *targets)
{
    for (int64_t i = 0; i < r->table->rows; i++) {
        targets[i] = (target){r->table->columns[r->target].numbers[i], i};
        if (isnan(targets[i].value)) return bad_cell(r, i, r->target, "a class");
    }
    qsort(targets, (size_t)r->table->rows, sizeof *targets, by_value);
    return CJ_OK;
}

/* Which class the value in that row stands for: one of those given, or the next. */
static cj_status class_of(reading *r, int64_t row, bool given, int64_t *label)
{
    char room[CJ__CATEGORY_TEXT];
    const char *text = cj__cell_text(r->table, row, r->target, room);
    if (given) {
        *label = cj__names_find(&r->classes, text);
        return *label >= 0 ? CJ_OK : bad_cell(r, row, r->target, "one of the classes given");
    }
    if (!cj__name_fits(text))
        return bad_cell(r, row, r->target, "the name of a class in UTF-8 without a comma");
    *label = r->classes.count;
    r->classes.names[*label] = cj__arena_string(&r->arena, text);
    if (!r->classes.names[*label]) return cj__out_of_memory(strlen(text), "names of classes");
    r->classes.count++;
    return CJ_OK;
}

static cj_status count_classes(reading *r, const target *targets)
{
    int64_t different = 0;
    for (int64_t i = 0; i < r->table->rows; i++)
        different += i == 0 || targets[i].value != targets[i - 1].value;
    r->classes.names = cj__arena_allocate(&r->arena, (size_t)different * sizeof *r->classes.names + 1);
    return r->classes.names ? CJ_OK : cj__out_of_memory((size_t)different * 8, "names of classes");
}

static cj_status label(reading *r, const target *targets, cj__listing *l)
{
    const char *names = r->o->pictures.classes;
    bool given = names && *names;
    int64_t class = 0;
    CJ__TRY(given ? cj__names_split(&r->classes, &r->arena, names) : count_classes(r, targets));
    for (int64_t i = 0; i < l->count; i++) {
        if (i == 0 || targets[i].value != targets[i - 1].value)
            CJ__TRY(class_of(r, targets[i].row, given, &class));
        l->labels[targets[i].row] = (int32_t) class;
    }
    return CJ_OK;
}

static cj_status label_all(reading *r, cj__listing *l)
{
    target *targets = cj__allocate((size_t)r->table->rows * sizeof *targets);
    if (!targets) return cj__out_of_memory((size_t)r->table->rows * sizeof *targets, "classes");
    cj_status status = gather(r, targets);
    if (status == CJ_OK) status = label(r, targets, l);
    cj__free(targets);
    return status;
}

/* --- numbers ------------------------------------------------------------------------------------------- */

/* The label of a picture is its row for a while, so that rows left out leave out their numbers. */
static cj_status number_all(reading *r, cj__listing *l)
{
    const cj__column *c = &r->table->columns[r->target];
    if (l->count > INT32_MAX)
        return cj__fail(CJ_UNSUPPORTED, "%s: %lld rows; up to 2^31-1 are read", r->table->path,
                        (long long)l->count);
    for (int64_t i = 0; i < l->count; i++) {
        if (c->words || isnan(c->numbers[i])) return bad_cell(r, i, r->target, "a number");
        l->labels[i] = (int32_t)i;
    }
    return CJ_OK;
}

static cj_status copy_numbers(const reading *r, const cj__listing *l, float **numbers)
{
    *numbers = cj__allocate((size_t)l->count * sizeof **numbers);
    if (!*numbers) return cj__out_of_memory((size_t)l->count * sizeof **numbers, "targets");
    for (int64_t i = 0; i < l->count; i++)
        (*numbers)[i] = (float)r->table->columns[r->target].numbers[l->labels[i]];
    return CJ_OK;
}

/* --- the dataset --------------------------------------------------------------------------------------- */

static cj_status read_rows(reading *r, cj__listing *l, cj_dataset **dataset)
{
    cj__picture_form form;
    cj__skipped skipped = {0};
    float *numbers = NULL;
    CJ__TRY(find_column(r->table, r->o->column, "the paths of pictures", &r->column));
    CJ__TRY(find_column(r->table, r->o->target, "what is to be learned", &r->target));
    CJ__TRY(list_paths(r, l));
    CJ__TRY(r->o->target_is_number ? number_all(r, l) : label_all(r, l));
    if (r->o->pictures.skip_damaged) CJ__TRY(cj__pictures_skip(l, &skipped));
    CJ__TRY(cj__picture_form_of(&form, &r->o->pictures.fit, l));
    if (r->o->target_is_number) CJ__TRY(copy_numbers(r, l, &numbers));
    return cj__pictures_dataset(dataset, l, &form, numbers, &r->classes, &skipped);
}

cj_status cj_dataset_read_picture_table(cj_dataset **dataset, const cj_picture_table_options *options)
{
    cj_table *table;
    cj__listing listing = {0};
    cj_csv_options csv = {.size = sizeof csv, .path = options->path};
    *dataset = NULL;
    CJ__TRY(cj_table_read_csv(&table, &csv));
    reading r = {.o = options, .table = table};
    cj_status status = read_rows(&r, &listing, dataset);
    cj__listing_free(&listing);
    cj__arena_free(&r.arena);
    cj_table_free(table);
    return status;
}

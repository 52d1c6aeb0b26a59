/* Preprocessing fitted and applied: a table's columns as numbers for a network. */
#include "data/preprocessing.h"
#include "base/text.h"
#include "data/dataset.h"
#include "data/split.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *cj__cell_text(const cj_table *table, int64_t row, int64_t column, char room[CJ__CATEGORY_TEXT])
{
    const cj__column *c = &table->columns[column];
    double number = c->numbers[row];
    if (isnan(number)) return NULL;
    if (c->words) return c->words[(int64_t)number];
    if (fabs(number) < 1e15 && number == (double)(int64_t)number)
        snprintf(room, CJ__CATEGORY_TEXT, "%lld", (long long)number);
    else
        cj__number_text(room, number);
    return room;
}

/* Whether `name` is one of "ID,NAME". */
static bool listed(const char *list, const char *name)
{
    size_t length = strlen(name);
    while (list && *list) {
        size_t end = strcspn(list, ",");
        if (end == length && strncmp(list, name, end) == 0) return true;
        list += end + (list[end] == ',');
    }
    return false;
}

/* --- fitting ------------------------------------------------------------------------------------------- */

typedef struct {
    cj_preprocessing *p;
    const cj_preprocessing_options *o;
    const cj_table *t;
    const cj__part *training;
} fitting;

static int64_t row_of(const cj__part *part, int64_t i)
{
    return part->rows ? part->rows[i] : part->first + i;
}

/* Numbers by value where both are, then words. */
static int compare_values(const void *a, const void *b)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    char *x_end, *y_end;
    double x_number = cj__parse_number(x, &x_end), y_number = cj__parse_number(y, &y_end);
    if (!*x_end && !*y_end && x_number != y_number) return x_number < y_number ? -1 : 1;
    return strcmp(x, y);
}

static int64_t place_of(const char *const *values, int64_t count, const char *value)
{
    for (int64_t i = 0; i < count; i++)
        if (strcmp(values[i], value) == 0) return i;
    return -1;
}

/* The values of a column in the rows of `part`, ascending. More than can be told apart sensibly is an error.
 */
static cj_status list_values(fitting *f, int64_t column, const cj__part *part, const char ***values,
                             int64_t *count)
{
    enum { MOST = 10000 };
    int64_t room = 0;
    const char **list = NULL;
    char text[CJ__CATEGORY_TEXT];
    cj_status status = CJ_OK;
    *count = 0;
    for (int64_t i = 0; i < part->count && status == CJ_OK; i++) {
        const char *value = cj__cell_text(f->t, row_of(part, i), column, text);
        if (!value || place_of(list, *count, value) >= 0) continue;
        if (*count == MOST)
            status =
                cj__fail(CJ_INVALID_ARGUMENT,
                         "%s: column '%s' has more than %d different values: drop it, or take it as a number",
                         f->t->path, f->t->columns[column].name, MOST);
        else
            status = cj__grow(&list, &room, *count, sizeof *list);
        if (status == CJ_OK && !(list[(*count)++] = cj__arena_string(&f->p->arena, value)))
            status = cj__out_of_memory(strlen(value), "preprocessing");
    }
    if (status == CJ_OK && *count > 1) qsort(list, (size_t)*count, sizeof *list, compare_values);
    *values = status == CJ_OK ? cj__arena_copy(&f->p->arena, list, (size_t)*count * sizeof *list) : NULL;
    cj__free(list);
    return status == CJ_OK && !*values ? cj__out_of_memory(8, "preprocessing") : status;
}

typedef struct {
    double mean, deviation, least, most;
    bool some_missing;
} moments;

static moments measure(const fitting *f, const cj__column *c)
{
    moments m = {.least = (double)INFINITY, .most = -(double)INFINITY};
    double sum = 0, squares = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < f->training->count; i++) {
        double x = c->numbers[row_of(f->training, i)];
        if (isnan(x)) {
            m.some_missing = true;
            continue;
        }
        sum += x, count++;
        m.least = x < m.least ? x : m.least;
        m.most = x > m.most ? x : m.most;
    }
    m.mean = count ? sum / (double)count : 0;
    for (int64_t i = 0; i < f->training->count; i++) {
        double away = c->numbers[row_of(f->training, i)] - m.mean;
        if (!isnan(away)) squares += away * away;
    }
    m.deviation = count ? sqrt(squares / (double)count) : 0;
    return m;
}

/* A column that never changes says nothing: scaled by 1 it stays 0 (after the shift). */
static void plan_number(const fitting *f, const cj__column *c, cj__plan *plan)
{
    moments m = measure(f, c);
    double width = f->o->scaling == CJ_STANDARDISE ? m.deviation : m.most - m.least;
    plan->fill = m.mean;
    plan->indicator = f->o->missing_indicators && m.some_missing;
    plan->scale = 1;
    if (f->o->scaling == CJ_NO_SCALING) return;
    plan->shift = f->o->scaling == CJ_STANDARDISE ? m.mean : isfinite(m.least) ? m.least : 0;
    if (width > 0 && isfinite(width)) plan->scale = 1 / width;
}

static cj_status plan_column(fitting *f, int64_t column)
{
    const cj__column *c = &f->t->columns[column];
    cj__plan *plan = &f->p->plans[f->p->plan_count++];
    plan->name = cj__arena_string(&f->p->arena, c->name);
    if (!plan->name) return cj__out_of_memory(strlen(c->name), "preprocessing");
    plan->categorical = c->words || listed(f->o->categories, c->name);
    if (plan->categorical) return list_values(f, column, f->training, &plan->values, &plan->value_count);
    plan_number(f, c, plan);
    return CJ_OK;
}

static cj_status find_target(const fitting *f, int64_t *column)
{
    *column = f->o->target ? cj_table_find(f->t, f->o->target) : -1;
    if (*column >= 0) return CJ_OK;
    return cj__fail(CJ_INVALID_ARGUMENT, "%s: there is no column '%s' to learn; its columns begin with '%s'",
                    f->t->path, f->o->target ? f->o->target : "", f->t->columns[0].name);
}

/* Every name of a list must be a column's. */
static cj_status check_list(const cj_table *t, const char *list, const char *what)
{
    char name[256];
    while (list && *list) {
        size_t end = strcspn(list, ",");
        snprintf(name, sizeof name, "%.*s", (int)(end < 255 ? end : 255), list);
        if (cj_table_find(t, name) < 0)
            return cj__fail(CJ_INVALID_ARGUMENT, "%s: there is no column '%s' to %s", t->path, name, what);
        list += end + (list[end] == ',');
    }
    return CJ_OK;
}

static cj_status plan_target(fitting *f, int64_t column)
{
    const cj__part all = {.count = f->t->rows};
    f->p->target = cj__arena_string(&f->p->arena, f->o->target);
    if (!f->p->target) return cj__out_of_memory(strlen(f->o->target), "preprocessing");
    if (f->o->target_is_number && f->t->columns[column].words)
        return cj__fail(CJ_INVALID_ARGUMENT,
                        "%s: column '%s' holds words; a target that is a number was wanted", f->t->path,
                        f->o->target);
    if (f->o->target_is_number) return CJ_OK;
    return list_values(f, column, &all, &f->p->classes, &f->p->class_count);
}

static cj_status plan_columns(fitting *f)
{
    int64_t target;
    CJ__TRY(find_target(f, &target));
    CJ__TRY(check_list(f->t, f->o->drop, "drop"));
    CJ__TRY(check_list(f->t, f->o->categories, "take as words"));
    CJ__TRY(plan_target(f, target));
    f->p->plans = cj__arena_allocate(&f->p->arena, (size_t)f->t->column_count * sizeof *f->p->plans);
    if (!f->p->plans)
        return cj__out_of_memory((size_t)f->t->column_count * sizeof *f->p->plans, "preprocessing");
    for (int64_t c = 0; c < f->t->column_count; c++)
        if (c != target && !listed(f->o->drop, f->t->columns[c].name)) CJ__TRY(plan_column(f, c));
    return CJ_OK;
}

cj_status cj_preprocessing_fit(cj_preprocessing **made, const cj_preprocessing_options *options)
{
    cj__part parts[CJ__PARTS] = {{0}};
    cj_preprocessing *p = cj__allocate_zeroed(sizeof *p);
    fitting f = {p, options, options->table, &parts[0]};
    int64_t target;
    *made = NULL;
    if (!p) return cj__out_of_memory(sizeof *p, "preprocessing");
    cj_status status = find_target(&f, &target);
    if (status == CJ_OK) status = cj__split(parts, &options->split, f.t->rows, f.t->columns[target].numbers);
    if (status == CJ_OK) status = plan_columns(&f);
    cj__split_free(parts);
    if (status == CJ_OK)
        *made = p;
    else
        cj_preprocessing_free(p);
    return status;
}

void cj_preprocessing_free(cj_preprocessing *p)
{
    if (!p) return;
    cj__arena_free(&p->arena);
    cj__free(p);
}

static int64_t width_of(const cj__plan *plan)
{
    return plan->categorical ? plan->value_count : 1 + plan->indicator;
}

int64_t cj_preprocessing_width(const cj_preprocessing *p)
{
    int64_t width = 0;
    for (int64_t i = 0; i < p->plan_count; i++) width += width_of(&p->plans[i]);
    return width;
}

int64_t cj_preprocessing_classes(const cj_preprocessing *p)
{
    return p->class_count;
}

const char *cj_preprocessing_class(const cj_preprocessing *p, int64_t index)
{
    return p->classes[index];
}

/* --- applying ------------------------------------------------------------------------------------------ */

static cj_status bad_cell(const cj_table *t, int64_t row, const char *column, const char *found,
                          const char *expected)
{
    return cj__fail(CJ_FORMAT_ERROR, "%s:%lld: column '%s' has %s%.80s%s, expected %s", t->path,
                    (long long)t->places[row].line, column, found ? "'" : "", found ? found : "no value",
                    found ? "'" : "", expected);
}

/* The number in a cell; NaN: missing. One bad cell makes a whole column one of words, so each is looked at.
 */
static cj_status number_in(const cj__plan *plan, const cj_table *t, int64_t row, const cj__column *c,
                           double *number)
{
    char *end;
    *number = c->numbers[row];
    if (!c->words || isnan(*number)) return CJ_OK;
    const char *word = c->words[(int64_t)*number];
    *number = cj__parse_number(word, &end);
    return *word && !*end && isfinite(*number) ? CJ_OK : bad_cell(t, row, plan->name, word, "a number");
}

static cj_status apply_number(const cj__plan *plan, const cj_table *t, int64_t column, int64_t width,
                              float *x)
{
    for (int64_t i = 0; i < t->rows; i++) {
        double number;
        CJ__TRY(number_in(plan, t, i, &t->columns[column], &number));
        bool missing = isnan(number);
        x[i * width] = (float)(((missing ? plan->fill : number) - plan->shift) * plan->scale);
        if (plan->indicator) x[i * width + 1] = missing;
    }
    return CJ_OK;
}

static void apply_category(const cj__plan *plan, const cj_table *t, int64_t column, int64_t width, float *x)
{
    char text[CJ__CATEGORY_TEXT];
    for (int64_t i = 0; i < t->rows; i++) {
        const char *value = cj__cell_text(t, i, column, text);
        int64_t place = value ? place_of(plan->values, plan->value_count, value) : -1;
        if (place >= 0) x[i * width + place] = 1;
    }
}

static cj_status apply_columns(const cj_preprocessing *p, const cj_table *t, int64_t width, float *x)
{
    for (int64_t i = 0; i < p->plan_count; i++) {
        const cj__plan *plan = &p->plans[i];
        int64_t column = cj_table_find(t, plan->name);
        if (column < 0)
            return cj__fail(CJ_FORMAT_ERROR, "%s: there is no column '%s', which the training had", t->path,
                            plan->name);
        if (plan->categorical)
            apply_category(plan, t, column, width, x);
        else
            CJ__TRY(apply_number(plan, t, column, width, x));
        x += width_of(plan);
    }
    return CJ_OK;
}

static cj_status apply_target(const cj_preprocessing *p, const cj_table *t, cj_tensor *y)
{
    char text[CJ__CATEGORY_TEXT];
    int64_t column = cj_table_find(t, p->target);
    if (column < 0) return cj__fail(CJ_FORMAT_ERROR, "%s: there is no column '%s'", t->path, p->target);
    for (int64_t i = 0; i < t->rows; i++) {
        const char *value = cj__cell_text(t, i, column, text);
        int64_t place = value && p->classes ? place_of(p->classes, p->class_count, value) : -1;
        if (p->classes && place < 0)
            return bad_cell(t, i, p->target, value, "one of the classes of the training");
        if (!p->classes && (!value || t->columns[column].words))
            return bad_cell(t, i, p->target, value, "a number");
        if (p->classes)
            ((int32_t *)y->data)[i] = (int32_t)place;
        else
            ((float *)y->data)[i] = (float)t->columns[column].numbers[i];
    }
    return CJ_OK;
}

cj_status cj_preprocessing_apply(const cj_preprocessing *p, const cj_table *t, bool with_target,
                                 cj_dataset **dataset)
{
    int64_t width = cj_preprocessing_width(p);
    cj_tensor x = {.dtype = CJ_F32, .shape = cj_shape(t->rows, width)};
    cj_tensor y = {.dtype = p->classes ? CJ_I32 : CJ_F32, .shape = cj_shape(t->rows)};
    *dataset = NULL;
    if (!cj__shape_valid(x.shape)) return cj__fail(CJ_UNSUPPORTED, "%s: the table is too large", t->path);
    x.data = cj__allocate_zeroed(cj_tensor_bytes(&x) + 1);
    y.data = cj__allocate_zeroed(cj_tensor_bytes(&y) + 1);
    cj_status status = x.data && y.data ? CJ_OK : cj__out_of_memory(cj_tensor_bytes(&x), t->path);
    if (status == CJ_OK) status = apply_columns(p, t, width, x.data);
    if (status == CJ_OK && with_target) status = apply_target(p, t, &y);
    if (status == CJ_OK) return cj__dataset_adopt(dataset, x, y);
    cj__free(x.data);
    cj__free(y.data);
    return status;
}

/* Views of a dataset: ranges, lists of rows, and the split into training, validation and test. A view shares
 * the memory of its dataset and holds at most a list of row numbers. Tables are split by the same rule. */
#include "data/split.h"
#include "base/memory.h"
#include "base/random.h"
#include "data/dataset.h"

#include <string.h>

void cj__shuffle(int64_t *rows, int64_t count, uint64_t key, uint64_t step)
{
    for (int64_t i = count - 1; i > 0; i--) {
        uint64_t bits = cj__bits(key, step, (uint64_t)i);
        int64_t other = (int64_t)(bits * (uint64_t)(i + 1) >> 32);
        int64_t row = rows[i];
        rows[i] = rows[other];
        rows[other] = row;
    }
}

static cj_status new_view(cj_dataset **view, const cj_dataset *dataset, int64_t count)
{
    *view = cj__allocate_zeroed(sizeof **view);
    if (!*view) return cj__out_of_memory(sizeof **view, "a view of a dataset");
    **view = *dataset;
    (*view)->view = true;
    (*view)->rows = NULL;
    (*view)->first = 0;
    (*view)->count = count;
    (*view)->skipped = 0;
    return CJ_OK;
}

static cj_status new_list(cj_dataset **view, const cj_dataset *dataset, int64_t count)
{
    CJ__TRY(new_view(view, dataset, count));
    (*view)->rows = cj__allocate((size_t)count * sizeof *(*view)->rows);
    if ((*view)->rows) return CJ_OK;
    cj_dataset_free(*view);
    *view = NULL;
    return cj__out_of_memory((size_t)count * sizeof *(*view)->rows, "a view of a dataset");
}

cj_status cj_dataset_select(cj_dataset **view, const cj_dataset *dataset, const int64_t *rows, int64_t count)
{
    *view = NULL;
    for (int64_t i = 0; i < count; i++)
        if (rows[i] < 0 || rows[i] >= dataset->count)
            return cj__fail(CJ_INVALID_ARGUMENT, "row %lld was asked for; there are rows 0 to %lld",
                            (long long)rows[i], (long long)dataset->count - 1);
    CJ__TRY(new_list(view, dataset, count));
    for (int64_t i = 0; i < count; i++) (*view)->rows[i] = cj__dataset_place(dataset, rows[i]);
    return CJ_OK;
}

cj_status cj_dataset_range(cj_dataset **view, const cj_dataset *dataset, int64_t first, int64_t count)
{
    *view = NULL;
    if (first < 0 || count < 0 || first > dataset->count - count)
        return cj__fail(CJ_INVALID_ARGUMENT, "%lld rows from row %lld on do not lie within %lld rows",
                        (long long)count, (long long)first, (long long)dataset->count);
    if (!dataset->rows) {
        CJ__TRY(new_view(view, dataset, count));
        (*view)->first = dataset->first + first;
        return CJ_OK;
    }
    CJ__TRY(new_list(view, dataset, count));
    memcpy((*view)->rows, dataset->rows + first, (size_t)count * sizeof *dataset->rows);
    return CJ_OK;
}

/* --- the three parts ----------------------------------------------------------------------------------- */

enum { TRAINING, VALIDATION, TEST, PARTS = CJ__PARTS };

static bool overlap(cj_row_range a, cj_row_range b)
{
    return a.count > 0 && b.count > 0 && a.first < b.first + b.count && b.first < a.first + a.count;
}

static cj_status split_into_ranges(cj__part parts[PARTS], const cj_row_range ranges[PARTS], int64_t rows)
{
    for (int i = 0; i < PARTS; i++) {
        cj_row_range r = ranges[i];
        if (r.first < 0 || r.count < 0 || r.first > rows - r.count)
            return cj__fail(CJ_INVALID_ARGUMENT, "%lld rows from row %lld on do not lie within %lld rows",
                            (long long)r.count, (long long)r.first, (long long)rows);
        for (int j = 0; j < i; j++)
            if (overlap(r, ranges[j]))
                return cj__fail(CJ_INVALID_ARGUMENT, "rows %lld to %lld and rows %lld to %lld overlap",
                                (long long)ranges[j].first,
                                (long long)(ranges[j].first + ranges[j].count - 1), (long long)r.first,
                                (long long)(r.first + r.count - 1));
        parts[i] = (cj__part){.first = r.first, .count = r.count};
    }
    return CJ_OK;
}

static cj_status split_fixed(cj__part parts[PARTS], const cj_split_options *o, int64_t rows)
{
    int64_t training = (int64_t)((double)rows * (1 - o->validation - o->test) + 0.5);
    int64_t rest = (int64_t)((double)rows * (1 - o->test) + 0.5);
    cj_row_range ranges[PARTS] = {{0, training}, {training, rest - training}, {rest, rows - rest}};
    return split_into_ranges(parts, ranges, rows);
}

/* Rows with equal labels come together in the order they had: a merge sort from below. */
static cj_status sort_by_label(const double *labels, int64_t *rows, int64_t count)
{
    int64_t *scratch = cj__allocate((size_t)count * sizeof *scratch);
    if (!scratch) return cj__out_of_memory((size_t)count * sizeof *scratch, "a stratified split");
    for (int64_t width = 1; width < count; width *= 2) {
        for (int64_t start = 0; start < count; start += 2 * width) {
            int64_t middle = start + width < count ? start + width : count;
            int64_t end = middle + width < count ? middle + width : count, a = start, b = middle;
            for (int64_t i = start; i < end; i++)
                scratch[i] =
                    b == end || (a < middle && labels[rows[a]] <= labels[rows[b]]) ? rows[a++] : rows[b++];
        }
        memcpy(rows, scratch, (size_t)count * sizeof *rows);
    }
    cj__free(scratch);
    return CJ_OK;
}

/* Whether the one that comes after `count` others must be taken, so that `share` of all are taken and every
 * stretch has its share to within one. */
static bool is_taken(int64_t count, double share)
{
    return (int64_t)((double)(count + 1) * share + 0.5) > (int64_t)((double)count * share + 0.5);
}

/* Which part each row is for. Walking through a random order and taking each part's share evenly along it
 * serves both kinds: by label first, every label gets its share. */
static void draw_parts(cj__part parts[PARTS], const cj_split_options *o, const int64_t *order, int64_t count,
                       unsigned char *part)
{
    int64_t rest = 0;
    double test = o->test / (1 - o->validation);
    for (int64_t i = 0; i < count; i++) {
        int kind = is_taken(i, o->validation) ? VALIDATION : is_taken(rest, test) ? TEST : TRAINING;
        rest += kind != VALIDATION;
        part[order[i]] = (unsigned char)kind;
        parts[kind].count++;
    }
}

/* Rows stay in ascending order within each part. */
static cj_status make_lists(cj__part parts[PARTS], const unsigned char *part, int64_t count)
{
    int64_t done[PARTS] = {0};
    for (int i = 0; i < PARTS; i++) {
        size_t bytes = (size_t)parts[i].count * sizeof *parts[i].rows;
        parts[i].rows = cj__allocate(bytes);
        if (!parts[i].rows) return cj__out_of_memory(bytes, "a split");
    }
    for (int64_t i = 0; i < count; i++) parts[part[i]].rows[done[part[i]]++] = i;
    return CJ_OK;
}

static cj_status split_randomly(cj__part parts[PARTS], const cj_split_options *o, int64_t count,
                                const double *labels)
{
    int64_t *order = cj__allocate((size_t)count * sizeof *order);
    unsigned char *part = cj__allocate((size_t)count);
    cj_status status =
        order && part ? CJ_OK : cj__out_of_memory((size_t)count * (sizeof *order + 1), "a split");
    if (status == CJ_OK) {
        for (int64_t i = 0; i < count; i++) order[i] = i;
        cj__shuffle(order, count, cj__mix(o->seed, 0x73706c6974u), 0); /* "split": a stream of its own */
        if (o->kind == CJ_SPLIT_STRATIFIED) status = sort_by_label(labels, order, count);
    }
    if (status == CJ_OK) {
        draw_parts(parts, o, order, count, part);
        status = make_lists(parts, part, count);
    }
    cj__free(order);
    cj__free(part);
    return status;
}

static cj_status split(cj__part parts[PARTS], const cj_split_options *o, int64_t rows, const double *labels)
{
    if (o->kind == CJ_SPLIT_RANGES) return split_into_ranges(parts, o->ranges, rows);
    if (!(o->validation >= 0) || !(o->test >= 0) || !(o->validation + o->test < 1))
        return cj__fail(CJ_INVALID_ARGUMENT,
                        "validation and test are shares from 0 up to 1, together below 1, not %g and %g",
                        o->validation, o->test);
    if (o->kind == CJ_SPLIT_FIXED) return split_fixed(parts, o, rows);
    if (o->kind == CJ_SPLIT_RANDOM || o->kind == CJ_SPLIT_STRATIFIED)
        return split_randomly(parts, o, rows, labels);
    return cj__fail(CJ_INVALID_ARGUMENT, "there is no kind of split with number %d", (int)o->kind);
}

cj_status cj__split(cj__part parts[PARTS], const cj_split_options *options, int64_t rows,
                    const double *labels)
{
    for (int i = 0; i < PARTS; i++) parts[i] = (cj__part){0};
    CJ__TRY(split(parts, options, rows, labels));
    if (parts[TRAINING].count > 0) return CJ_OK;
    return cj__fail(CJ_INVALID_ARGUMENT, "of %lld rows none is left for training", (long long)rows);
}

void cj__split_free(cj__part parts[PARTS])
{
    for (int i = 0; i < PARTS; i++) cj__free(parts[i].rows);
}

/* --- of a dataset -------------------------------------------------------------------------------------- */

/* One number a row to stratify by; NULL where the split does not ask for it. */
static cj_status gather_labels(const cj_dataset *dataset, const cj_split_options *o, double **labels)
{
    *labels = NULL;
    if (o->kind != CJ_SPLIT_STRATIFIED) return CJ_OK;
    if (cj_shape_count(dataset->y.shape) != dataset->y.shape.dims[0] || !dataset->y.data)
        return cj__fail(CJ_UNSUPPORTED, "a stratified split needs one label a row; split at random instead");
    *labels = cj__allocate((size_t)dataset->count * sizeof **labels);
    if (!*labels) return cj__out_of_memory((size_t)dataset->count * sizeof **labels, "a stratified split");
    for (int64_t i = 0; i < dataset->count; i++) {
        int64_t place = cj__dataset_place(dataset, i);
        (*labels)[i] = dataset->y.dtype == CJ_I32 ? (double)((const int32_t *)dataset->y.data)[place]
                                                  : (double)((const float *)dataset->y.data)[place];
    }
    return CJ_OK;
}

static cj_status view_part(const cj_dataset *dataset, const cj__part *part, cj_dataset **view)
{
    if (!view || part->count == 0) return CJ_OK;
    return part->rows ? cj_dataset_select(view, dataset, part->rows, part->count)
                      : cj_dataset_range(view, dataset, part->first, part->count);
}

cj_status cj_dataset_split(const cj_dataset *dataset, const cj_split_options *options, cj_dataset **training,
                           cj_dataset **validation, cj_dataset **test)
{
    cj_dataset **views[PARTS] = {training, validation, test};
    cj__part parts[PARTS] = {0};
    double *labels;
    for (int i = 0; i < PARTS; i++)
        if (views[i]) *views[i] = NULL;
    cj_status status = gather_labels(dataset, options, &labels);
    if (status == CJ_OK) status = cj__split(parts, options, dataset->count, labels);
    for (int i = 0; i < PARTS && status == CJ_OK; i++) status = view_part(dataset, &parts[i], views[i]);
    cj__split_free(parts);
    cj__free(labels);
    for (int i = 0; i < PARTS && status != CJ_OK; i++)
        if (views[i]) {
            cj_dataset_free(*views[i]);
            *views[i] = NULL;
        }
    return status;
}

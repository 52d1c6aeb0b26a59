/* Sums, products, maxima and minima of f32 over axes that stand neither all first nor all last: rows of the
 * last axes are folded one into the other where those are kept, and each to one number where they are
 * reduced. */
#include "cpu/backend.h"
#include "cpu/vector.h"

#include <math.h>
#include <string.h>

enum { COLUMNS = 512, TASK_ELEMENTS = 16384 };

/* Some axes of x as one: how many indices, and how far apart. */
typedef struct {
    int64_t count, size[CJ_MAX_RANK], stride[CJ_MAX_RANK], total;
} axes;

typedef struct {
    float (*fold)(int64_t n, const float *x); /* a row to one result */
    cj__vector_function step;                 /* running results with one row more */
    float start;
    axes kept, reduced; /* without the last run */
    bool columns;       /* the last axes are kept: each result is a row */
    int64_t run;        /* elements of the last axes */
    int64_t results_a_task;
} reduce_data;

static void add_axis(axes *a, int64_t size, int64_t stride)
{
    a->size[a->count] = size;
    a->stride[a->count++] = stride;
    a->total *= size;
}

/* Walks from the last axis to the first; those that end the shape and share a fate are one run. */
static void describe(reduce_data *d, cj_shape_t x, uint32_t reduced)
{
    int64_t axis = x.rank - 1, stride = 1;
    d->kept.total = d->reduced.total = d->run = 1;
    d->columns = axis < 0 || !(reduced >> axis & 1);
    for (; axis >= 0 && !(reduced >> axis & 1) == d->columns; axis--) d->run *= x.dims[axis];
    for (stride = d->run; axis >= 0; stride *= x.dims[axis--])
        add_axis(reduced >> axis & 1 ? &d->reduced : &d->kept, x.dims[axis], stride);
}

static int64_t place_of(const axes *a, int64_t index)
{
    int64_t place = 0;
    for (int64_t i = 0; i < a->count; index /= a->size[i++]) place += index % a->size[i] * a->stride[i];
    return place;
}

static const char *refuse(const cj__launch *launch)
{
    if (launch->op != CJ__OP_sum && launch->op != CJ__OP_product && launch->op != CJ__OP_max &&
        launch->op != CJ__OP_min)
        return "";
    return launch->types[0].dtype == CJ_F32 ? NULL : "it reduces f32 only";
}

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    const cj__reduce_attributes *a = launch->attributes;
    const cj__vector_table *table;
    reduce_data *d = cj__arena_allocate(arena, sizeof *d);
    if (!d) return cj__out_of_memory(sizeof *d, "a reduction");
    CJ__TRY(cj__vector_choose(&table));
    describe(d, launch->types[0].shape, a->axes);
    bool sum = launch->op == CJ__OP_sum, product = launch->op == CJ__OP_product,
         max = launch->op == CJ__OP_max;
    cj__op step = sum ? CJ__OP_add : product ? CJ__OP_mul : max ? CJ__OP_maximum : CJ__OP_minimum;
    d->fold = sum ? table->sum : product ? table->product : max ? table->max : table->min;
    d->step = table->elementwise[step];
    d->start = sum ? 0 : product ? 1 : max ? -INFINITY : INFINITY;
    int64_t elements = d->run * d->reduced.total;
    d->results_a_task = elements ? TASK_ELEMENTS / elements : TASK_ELEMENTS;
    if (d->results_a_task < 1) d->results_a_task = 1;
    launch->tasks = (d->kept.total + d->results_a_task - 1) / d->results_a_task;
    launch->data = d;
    return CJ_OK;
}

/* n columns of one result: the rows that belong to it, in order. */
static void reduce_columns(const reduce_data *d, const float *x, int64_t n, float *out)
{
    float sums[2][COLUMNS];
    int now = 0;
    for (int64_t i = 0; i < n; i++) sums[0][i] = d->start;
    for (int64_t r = 0; r < d->reduced.total; r++, now = !now) {
        const float *row = x + place_of(&d->reduced, r);
        d->step(n, sums[!now], row, sums[now], sums[now]);
    }
    memcpy(out, sums[now], (size_t)n * sizeof *out);
}

static float reduce_runs(const reduce_data *d, const float *x)
{
    float result = d->start;
    for (int64_t r = 0; r < d->reduced.total; r++) {
        float so_far = result, run = d->fold(d->run, x + place_of(&d->reduced, r));
        d->step(1, &result, &run, &so_far, &so_far);
    }
    return result;
}

static void run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    (void)scratch;
    const reduce_data *d = launch->data;
    float *out = operands[1];
    int64_t end = (task + 1) * d->results_a_task;
    if (end > d->kept.total) end = d->kept.total;
    for (int64_t k = task * d->results_a_task; k < end; k++) {
        const float *x = (const float *)operands[0] + place_of(&d->kept, k);
        if (!d->columns) {
            out[k] = reduce_runs(d, x);
            continue;
        }
        for (int64_t from = 0; from < d->run; from += COLUMNS) {
            int64_t n = d->run - from < COLUMNS ? d->run - from : COLUMNS;
            reduce_columns(d, x + from, n, out + k * d->run + from);
        }
    }
}

const cj__kernel cj__reduce_any_kernel = {
    .name = "reduce f32, any axes", .op = -1, .refuse = refuse, .prepare = prepare, .run = run};

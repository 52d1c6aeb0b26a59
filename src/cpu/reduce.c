/* Sums, products, maxima and minima of f32 over the last axes (rows) or the first (columns), and spreading a
 * broadcast out. */
#include "base/shape.h"
#include "compile/chain.h"
#include "cpu/backend.h"
#include "cpu/vector.h"

#include <math.h>
#include <string.h>

typedef struct {
    const cj__vector_table *table;
    int64_t rows, columns;                    /* x: [rows, columns] */
    bool by_rows;                             /* each row to one result; else each column */
    float (*fold)(int64_t n, const float *x); /* a row to one result */
    cj__vector_function step;                 /* columns: running results with one row more */
    float start;
} reduce_data;

static bool split(const cj__launch *launch, cj__folding *folding)
{
    const cj__reduce_attributes *a = launch->attributes;
    return cj__folding_of(launch->types[0].shape, a->axes, folding);
}

static const char *refuse(const cj__launch *launch)
{
    cj__folding folding;
    if (launch->op != CJ__OP_sum && launch->op != CJ__OP_product && launch->op != CJ__OP_max &&
        launch->op != CJ__OP_min)
        return "";
    if (launch->types[0].dtype != CJ_F32) return "it reduces f32 only";
    return split(launch, &folding) ? NULL : "the reduced axes stand neither first nor last";
}

enum { ROW_GRAIN = 16384, COLUMN_GRAIN = 64 }; /* elements, columns a task */

static int64_t rows_a_task(const reduce_data *d)
{
    int64_t rows = d->columns ? ROW_GRAIN / d->columns : ROW_GRAIN;
    return rows < 1 ? 1 : rows;
}

static void choose_fold(reduce_data *d, cj__op op)
{
    bool sum = op == CJ__OP_sum, product = op == CJ__OP_product, max = op == CJ__OP_max;
    d->fold = sum ? d->table->sum : product ? d->table->product : max ? d->table->max : d->table->min;
    d->step = d->table->elementwise[sum       ? CJ__OP_add
                                    : product ? CJ__OP_mul
                                    : max     ? CJ__OP_maximum
                                              : CJ__OP_minimum];
    d->start = sum ? 0 : product ? 1 : max ? -INFINITY : INFINITY;
}

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    reduce_data *d = cj__arena_allocate(arena, sizeof *d);
    if (!d) return cj__out_of_memory(sizeof *d, "a reduction");
    CJ__TRY(cj__vector_choose(&d->table));
    cj__folding folding;
    split(launch, &folding);
    d->rows = folding.rows, d->columns = folding.columns, d->by_rows = folding.by_rows;
    choose_fold(d, launch->op);
    int64_t grain = d->by_rows ? rows_a_task(d) : COLUMN_GRAIN, items = d->by_rows ? d->rows : d->columns;
    launch->tasks = (items + grain - 1) / grain;
    launch->data = d;
    return CJ_OK;
}

static void reduce_columns(const reduce_data *d, const float *x, float *out, int64_t from, int64_t to)
{
    for (int64_t c = from; c < to; c++) out[c] = d->start;
    for (int64_t r = 0; r < d->rows; r++)
        d->step(to - from, out + from, x + r * d->columns + from, out + from, out + from);
}

static void run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    (void)scratch;
    const reduce_data *d = launch->data;
    const float *x = operands[0];
    float *out = operands[1];
    int64_t grain = d->by_rows ? rows_a_task(d) : COLUMN_GRAIN, items = d->by_rows ? d->rows : d->columns;
    int64_t from = task * grain, to = from + grain < items ? from + grain : items;
    if (!d->by_rows) {
        reduce_columns(d, x, out, from, to);
        return;
    }
    for (int64_t r = from; r < to; r++) out[r] = d->fold(d->columns, x + r * d->columns);
}

const cj__kernel cj__reduce_kernel = {
    .name = "reduce f32", .op = -1, .refuse = refuse, .prepare = prepare, .run = run};

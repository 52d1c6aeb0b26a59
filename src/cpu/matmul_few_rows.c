/* The matrix product of up to four rows, or of as few columns: planned and run for src/cpu/matmul.c. The
 * other operand is read once, and its bytes are what the time goes by. So at `medium` a weight that lasts is
 * kept in bf16 and read as that: half the bytes, multiplied and added up in f32. */
#include "cpu/matmul_blocks.h"
#include "cpu/split.h"

#include <stdio.h>

/* The matrix is read once, so tasks are bytes: a block of columns each. */
void cj__few_rows_plan(cj__matmul_plan *plan, bool swap, bool dots)
{
    const cj__matmul_shape *s = &plan->shape;
    int64_t columns = swap ? s->m : s->n, rows = swap ? s->n : s->m;
    plan->kind = dots ? CJ__MATMUL_DOTS : CJ__MATMUL_SUMS;
    plan->swap = swap;
    plan->row_blocks = 1;
    plan->column_blocks = at_most(cj__matmul_tasks_worth(s), divide_up(columns, 16));
    plan->tasks = s->batch * plan->column_blocks;
    bool strided = swap ? !s->transpose_b && s->n > 1 : s->transpose_a && s->m > 1;
    plan->pack_a = strided;
    if (strided) plan->scratch_bytes = aligned_bytes(rows * s->k, sizeof(float));
}

/* --- B kept in bf16 ------------------------------------------------------------------------------------ */

/* A smaller matrix stays in L2, where widening it would take as long as reading it. */
enum { WORTH_NARROWING = 512 << 10 /* bytes of f32 */ };
/* Panels that are packed in one task. */
enum { GROUP = 16 };

static int64_t panels_of(const cj__matmul_plan *plan)
{
    return divide_up(plan->shape.n, CJ__PAIRED_COLUMNS);
}

static int64_t panel_numbers(const cj__matmul_plan *plan)
{
    int64_t step = plan->kernels->pair_step;
    return CJ__PAIRED_COLUMNS * divide_up(plan->shape.k, step) * step;
}

static size_t packed_bytes(const cj__matmul_plan *plan)
{
    return aligned_bytes(panels_of(plan) * panel_numbers(plan), sizeof(uint16_t));
}

int64_t cj__few_rows_pack_tasks(const cj__matmul_plan *plan)
{
    return divide_up(panels_of(plan), GROUP);
}

/* The workspace: panel after panel; then the largest magnitude of each group of them, as bits. */
size_t cj__few_rows_pack_before(cj__matmul_plan *plan, bool lasting)
{
    const cj__matmul_shape *s = &plan->shape;
    if (s->precision != CJ_MEDIUM || !lasting || plan->swap || s->batch > 1 ||
        s->n * s->k * (int64_t)sizeof(float) < WORTH_NARROWING)
        return 0;
    plan->packed_before = true;
    plan->column_blocks = at_most(plan->column_blocks, panels_of(plan));
    plan->tasks = plan->column_blocks;
    snprintf(plan->name, sizeof plan->name, "%s few rows, bf16", cj__isa_name(cj__isa_vectors(plan->isa)));
    return packed_bytes(plan) + aligned_bytes(cj__few_rows_pack_tasks(plan), sizeof(uint32_t));
}

void cj__few_rows_pack(const cj__matmul_plan *plan, const float *data, int64_t task, void *workspace)
{
    const cj__matmul_shape *s = &plan->shape;
    cj__matrix b = operand(data, s->transpose_b, s->k, s->n);
    int64_t column = task * GROUP * CJ__PAIRED_COLUMNS;
    b.data += column * b.column;
    ((uint32_t *)(void *)((char *)workspace + packed_bytes(plan)))[task] =
        plan->kernels->pack_pairs(b, s->k, at_most(GROUP * CJ__PAIRED_COLUMNS, s->n - column),
                                  (uint16_t *)workspace + task * GROUP * panel_numbers(plan));
}

/* Whether bf16 holds all of B; else it is read as it lies. */
static bool holds(const cj__matmul_plan *plan, const void *workspace)
{
    const uint32_t *largest = (const void *)((const char *)workspace + packed_bytes(plan));
    return cj__split_all_fit(largest, cj__few_rows_pack_tasks(plan), 1);
}

/* --- running ------------------------------------------------------------------------------------------- */

/* Columns of the few rows where block i of the task's begins: whole panels, if B is in such. */
static int64_t block_start(const cj__matmul_plan *plan, int64_t columns, int64_t i)
{
    int64_t unit = plan->packed_before ? CJ__PAIRED_COLUMNS : 1;
    return at_most(columns, part_start(divide_up(columns, unit), plan->column_blocks, i) * unit);
}

/* x is A, or with `swap` Bᵀ; w is B or Aᵀ. Rows of x that are not contiguous are copied first. */
void cj__few_rows_run(const cj__matmul_plan *plan, const cj__matmul_call *call, int64_t task, float *scratch)
{
    const cj__matmul_shape *s = &plan->shape;
    block t = block_of(plan, call, task);
    cj__matrix x = t.a, w = {t.b.data, t.b.column, t.b.row};
    if (plan->swap) x = (cj__matrix){t.b.data, t.b.column, t.b.row}, w = t.a;
    int64_t all = plan->swap ? s->m : s->n, j = task % plan->column_blocks;
    int64_t from = block_start(plan, all, j), to = block_start(plan, all, j + 1);
    cj__few_rows few = {.x = x.data,
                        .x_row = x.row,
                        .rows = plan->swap ? s->n : s->m,
                        .k = s->k,
                        .w = w.data + from * w.row,
                        .w_row = plan->kind == CJ__MATMUL_DOTS ? w.row : w.column,
                        .columns = to - from,
                        .c_row = plan->swap ? 1 : s->n,
                        .c_column = plan->swap ? s->n : 1};
    few.c = t.c + from * few.c_column;
    if (plan->pack_a) {
        for (int64_t p = 0; p < s->k; p++)
            for (int64_t i = 0; i < few.rows; i++) scratch[i * s->k + p] = x.data[i * x.row + p * x.column];
        few.x = scratch, few.x_row = s->k;
    }
    if (plan->packed_before && holds(plan, call->workspace))
        plan->kernels->dots_of_pairs(&few, (const uint16_t *)call->workspace +
                                               from / CJ__PAIRED_COLUMNS * panel_numbers(plan));
    else
        (plan->kind == CJ__MATMUL_DOTS ? plan->kernels->dots : plan->kernels->sums)(&few);
    if (plan->swap)
        t.row = from, t.rows = to - from;
    else
        t.column = from, t.columns = to - from;
    finish(call, &t, t.row, t.rows, s->n);
}

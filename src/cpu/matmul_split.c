/* The matrix product by parts of bf16: planned where it is faster than f32, run task by task. Both operands
 * are always packed. What bf16 cannot hold (infinities, NaN, the largest and, for several parts, the smallest
 * numbers) is noticed while packing, and the rows of C concerned are made again in f32. */
#include "cpu/matmul_blocks.h"
#include "cpu/split.h"

/* --- planning ------------------------------------------------------------------------------------------ */

/* Columns of one packed block of B, which stays in L2 (cj__split_depth), and rows of C for one task. */
enum { BLOCK_COLUMNS = 512, TASK_ROWS = 1024 };

static size_t panels_bytes(const cj__matmul_plan *plan)
{
    int64_t columns = divide_up(plan->panels, plan->column_blocks) * CJ__SPLIT_COLUMNS;
    return aligned_bytes(columns * plan->k_block * plan->parts, sizeof(uint16_t));
}

static size_t rows_bytes(const cj__matmul_plan *plan)
{
    return aligned_bytes(plan->tile_rows * plan->k_block * plan->parts, sizeof(uint16_t));
}

static int64_t strips_in_task(const cj__matmul_plan *plan)
{
    return divide_up(plan->strips, plan->row_blocks);
}

enum { REDONE_DEPTH = 256 };

static size_t redone_bytes(const cj__matmul_plan *plan)
{
    return aligned_bytes((int64_t)REDONE_DEPTH * plan->kernels->tile_columns, sizeof(float));
}

bool cj__split_plan(cj__matmul_plan *plan, const cj__split_kernels *split)
{
    const cj__matmul_shape *s = &plan->shape;
    int parts = cj__split_parts(split, s->precision, s->m, s->n, s->k);
    if (parts == 0) return false;
    plan->kind = CJ__MATMUL_SPLIT;
    plan->split = split;
    plan->parts = parts;
    plan->tile_rows = split->tile_rows;
    plan->tile_columns = CJ__SPLIT_COLUMNS;
    plan->strips = divide_up(s->m, plan->tile_rows);
    plan->panels = divide_up(s->n, plan->tile_columns);
    plan->whole_strips = split->most_parts > 1;
    plan->k_block = cj__split_depth(split, parts, s->k);
    cj__matmul_cut(plan, TASK_ROWS, BLOCK_COLUMNS, 1, 1);
    plan->scratch_bytes = panels_bytes(plan) + rows_bytes(plan) + redone_bytes(plan) +
                          aligned_bytes(strips_in_task(plan), sizeof(uint32_t));
    return true;
}

/* --- what bf16 cannot hold ----------------------------------------------------------------------------- */

/* Rows [row, row+rows) of the block in f32, by the kernels of the plan's vectors. */
static void redo(const cj__matmul_plan *plan, const block *t, int64_t row, int64_t rows, float *panel)
{
    const cj__matmul_kernels *kernels = plan->kernels;
    int64_t n = plan->shape.n, k = plan->shape.k, width = kernels->tile_columns;
    for (int64_t j = t->column; j < t->column + t->columns; j += width)
        for (int64_t p = 0; p < k; p += REDONE_DEPTH) {
            cj__strip strip = {.a_row = t->a.row,
                               .a_column = t->a.column,
                               .b = panel,
                               .b_row = width,
                               .c_row = n,
                               .columns = at_most(width, t->column + t->columns - j),
                               .k = at_most(REDONE_DEPTH, k - p),
                               .add = p > 0};
            cj__matrix b = {t->b.data + p * t->b.row + j * t->b.column, t->b.row, t->b.column};
            kernels->pack_panels(b, strip.k, strip.columns, panel);
            for (int64_t i = row; i < row + rows; i += kernels->tile_rows) {
                strip.rows = at_most(kernels->tile_rows, row + rows - i);
                strip.a = t->a.data + i * t->a.row + p * t->a.column;
                strip.c = t->c + i * n + j;
                kernels->strip(&strip);
            }
        }
}

/* --- running ------------------------------------------------------------------------------------------- */

/* A task's part of the scratch. */
typedef struct {
    uint16_t *panels, *rows; /* of B and of A, packed */
    float *redone;           /* one panel of B in f32 */
    uint32_t *largest;       /* of each strip of A so far, as bits */
} space;

static space divide(const cj__matmul_plan *plan, char *scratch)
{
    space s = {.panels = (uint16_t *)(void *)scratch};
    s.rows = (uint16_t *)(void *)(scratch += panels_bytes(plan));
    s.redone = (float *)(void *)(scratch += rows_bytes(plan));
    s.largest = (uint32_t *)(void *)(scratch + redone_bytes(plan));
    return s;
}

/* A strip after the last k block: right for every value, and the strip before it finished, which has left the
 * store buffer and is still in cache. */
static void complete(const cj__matmul_plan *plan, const cj__matmul_call *call, const block *t, int64_t i,
                     bool fit, float *redone)
{
    int64_t row = strip_row(plan, t->strip + i), next = strip_row(plan, t->strip + i + 1);
    if (!fit) redo(plan, t, row, next - row, redone);
    int64_t before = i > 0 ? strip_row(plan, t->strip + i - 1) : row;
    if (before < row) finish(call, t, before, row - before, plan->shape.n);
    if (i == t->strips - 1) finish(call, t, row, next - row, plan->shape.n);
}

void cj__split_run(const cj__matmul_plan *plan, const cj__matmul_call *call, int64_t task, void *scratch)
{
    const cj__matmul_shape *s = &plan->shape;
    const cj__split_kernels *split = plan->split;
    block t = tiles_of(plan, call, task);
    space to = divide(plan, scratch);
    cj__split_strip strip = {
        .a = to.rows, .b = to.panels, .c_row = s->n, .columns = t.columns, .parts = plan->parts};
    uint32_t largest_b = 0;
    for (int64_t p = 0; p < s->k; p += plan->k_block) {
        int64_t depth = at_most(plan->k_block, s->k - p);
        cj__matrix b = {t.b.data + p * t.b.row + t.column * t.b.column, t.b.row, t.b.column};
        uint32_t largest = split->pack_panels(b, depth, t.columns, plan->parts, to.panels);
        if (largest > largest_b) largest_b = largest;
        strip.steps = cj__split_steps(depth);
        strip.add = p > 0;
        for (int64_t i = 0; i < t.strips; i++) {
            int64_t row = strip_row(plan, t.strip + i);
            cj__matrix a = {t.a.data + row * t.a.row + p * t.a.column, t.a.row, t.a.column};
            strip.rows = strip_row(plan, t.strip + i + 1) - row;
            strip.c = t.c + row * s->n + t.column;
            largest = split->pack_rows(a, strip.rows, depth, plan->parts, to.rows);
            to.largest[i] = p > 0 && to.largest[i] > largest ? to.largest[i] : largest;
            split->strip(&strip);
            if (p + depth == s->k)
                complete(plan, call, &t, i,
                         cj__split_fits(largest_b, plan->parts) && cj__split_fits(to.largest[i], plan->parts),
                         to.redone);
        }
    }
}

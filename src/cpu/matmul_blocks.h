/* How a matrix product is cut into tasks, as src/cpu/matmul.c (f32) and src/cpu/matmul_split.c (parts of
 * bf16) both need it: rows of C in strips as high as a register tile, columns in panels as wide. */
#ifndef CJ__MATMUL_BLOCKS_H
#define CJ__MATMUL_BLOCKS_H

#include "base/memory.h"
#include "cpu/matmul.h"
#include "cpu/matmul_kernels.h"

static inline int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static inline int64_t at_least(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static inline int64_t at_most(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Part `i` of `count` things split evenly in `parts` begins here. */
static inline int64_t part_start(int64_t count, int64_t parts, int64_t i)
{
    return count * i / parts;
}

static inline size_t aligned_bytes(int64_t count, size_t size)
{
    return cj__whole_lines((size_t)count * size);
}

static inline int64_t strip_row(const cj__matmul_plan *plan, int64_t strip)
{
    if (plan->whole_strips) return at_most(plan->shape.m, strip * plan->tile_rows);
    return part_start(plan->shape.m, plan->strips, strip);
}

/* The block of C that a task makes, and where its operands begin. */
typedef struct {
    int64_t batch, row, column, rows, columns; /* of C */
    int64_t strip, strips;                     /* the rows, in strips */
    cj__matrix a, b;                           /* element (0,0) of the batch's matrices */
    float *c;
} block;

static inline cj__matrix operand(const float *data, bool transposed, int64_t rows, int64_t columns)
{
    return transposed ? (cj__matrix){data, 1, rows} : (cj__matrix){data, columns, 1};
}

static inline block block_of(const cj__matmul_plan *plan, const cj__matmul_call *call, int64_t task)
{
    const cj__matmul_shape *s = &plan->shape;
    int64_t blocks = plan->row_blocks * plan->column_blocks, item = blocks ? task / blocks : task;
    block b = {.batch = item, .rows = s->m, .columns = s->n};
    b.a = operand(call->a + item * s->m * s->k, s->transpose_a, s->m, s->k);
    b.b = operand(call->b + (s->shared_b ? 0 : item * s->k * s->n), s->transpose_b, s->k, s->n);
    b.c = call->c + item * s->m * s->n;
    return b;
}

/* Block of rows i of those that a plan is cut into. */
static inline void take_rows(const cj__matmul_plan *plan, block *t, int64_t i)
{
    t->strip = part_start(plan->strips, plan->row_blocks, i);
    t->strips = part_start(plan->strips, plan->row_blocks, i + 1) - t->strip;
    t->row = strip_row(plan, t->strip);
    t->rows = strip_row(plan, t->strip + t->strips) - t->row;
}

/* Task → block: of rows and columns those run faster that leave the larger block of an operand in place, in
 * the cache of the thread whose tasks follow each other; then the batch. */
static inline block tiles_of(const cj__matmul_plan *plan, const cj__matmul_call *call, int64_t task)
{
    int64_t width = plan->tile_columns, rows = plan->row_blocks, columns = plan->column_blocks;
    bool keep_b = plan->shape.n * rows >= plan->shape.m * columns;
    int64_t i = keep_b ? task % rows : task / columns % rows;
    int64_t j = keep_b ? task / rows % columns : task % columns;
    block t = block_of(plan, call, task);
    take_rows(plan, &t, i);
    t.column = part_start(plan->panels, columns, j) * width;
    t.columns = at_most(plan->shape.n, part_start(plan->panels, columns, j + 1) * width) - t.column;
    return t;
}

static inline void finish(const cj__matmul_call *call, const block *b, int64_t row, int64_t rows,
                          int64_t stride)
{
    const cj__epilogue *epilogue = &call->epilogue;
    if (epilogue->apply)
        epilogue->apply(epilogue->context,
                        (cj__rectangle){b->c - call->c + row * stride + b->column, rows, b->columns, stride});
}

/* The micro-kernels of its vectors. */
const cj__matmul_kernels *cj__matmul_kernels_of(cj__isa isa);

/* Decides row_blocks and column_blocks of a plan that has its strips and panels: at most so many rows and
 * columns in a task; to read a float of A or of B once more costs so much. */
void cj__matmul_cut(cj__matmul_plan *plan, int64_t most_rows, int64_t most_columns, double weight_a,
                    double weight_b);

/* As many tasks as the work of a product is worth. */
int64_t cj__matmul_tasks_worth(const cj__matmul_shape *shape);

/* The product of few rows (matmul_few_rows.c); `swap`: of few columns. `dots`: the other operand lies row by
 * row of k. The rest as cj__matmul_pack_before and what follows it, which call these. */
void cj__few_rows_plan(cj__matmul_plan *plan, bool swap, bool dots);
size_t cj__few_rows_pack_before(cj__matmul_plan *plan, bool lasting);
int64_t cj__few_rows_pack_tasks(const cj__matmul_plan *plan);
void cj__few_rows_pack(const cj__matmul_plan *plan, const float *b, int64_t task, void *workspace);
void cj__few_rows_run(const cj__matmul_plan *plan, const cj__matmul_call *call, int64_t task, float *scratch);

/* The product by parts of bf16 (matmul_split.c). `split` is what the plan's instruction set gives, or NULL.
 */
bool cj__split_plan(cj__matmul_plan *plan, const cj__split_kernels *split);
/* As cj__matmul_pack_before, and what follows it, which call these. */
size_t cj__split_pack_before(cj__matmul_plan *plan, bool lasting);
size_t cj__split_part_bytes(const cj__matmul_plan *plan);
int64_t cj__split_pack_tasks(const cj__matmul_plan *plan);
void cj__split_pack(const cj__matmul_plan *plan, const float *b, int64_t task, void *workspace);
void cj__split_run(const cj__matmul_plan *plan, const cj__matmul_call *call, int64_t task, void *scratch);

#endif

/* The matrix product in f32: blocks of C are tasks, each over the whole of K in one fixed order, so bits do
 * not depend on threads. */
#include "cpu/backend.h"
#include "cpu/vector.h"

typedef struct {
    const cj__vector_table *table;
    int64_t batch, m, n, k, b_stride; /* b_stride: 0 when all of the batch share one right operand */
    int64_t row_blocks, column_blocks;
    bool transpose_a, transpose_b;
} matmul_data;

static const char *refuse(const cj__launch *launch)
{
    return launch->types[0].dtype == CJ_F32 ? NULL : "it multiplies f32 only";
}

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    const cj__matmul_attributes *a = launch->attributes;
    cj_shape_t x = launch->types[0].shape, y = launch->types[1].shape, z = launch->types[2].shape;
    matmul_data *d = cj__arena_allocate(arena, sizeof *d);
    if (!d) return cj__out_of_memory(sizeof *d, "a product");
    CJ__TRY(cj__vector_choose(&d->table));
    d->m = z.dims[z.rank - 2];
    d->n = z.dims[z.rank - 1];
    d->k = x.dims[x.rank - (a->transpose_a ? 2 : 1)];
    d->batch = 1;
    for (int64_t i = 0; i < z.rank - 2; i++) d->batch *= z.dims[i];
    d->b_stride = d->k * d->n;
    if (y.rank == 2 && z.rank > 2) { /* shared: one tall product */
        d->m *= d->batch;
        d->batch = 1;
    }
    d->transpose_a = a->transpose_a;
    d->transpose_b = a->transpose_b;
    d->row_blocks = (d->m + CJ__BLOCK_ROWS - 1) / CJ__BLOCK_ROWS;
    d->column_blocks = (d->n + CJ__BLOCK_COLUMNS - 1) / CJ__BLOCK_COLUMNS;
    launch->tasks = d->batch * d->row_blocks * d->column_blocks;
    launch->scratch_bytes = CJ__PANEL_DEPTH * CJ__PANEL_WIDTH * sizeof(float);
    launch->data = d;
    return CJ_OK;
}

static void run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    const matmul_data *d = launch->data;
    int64_t column = task % d->column_blocks * CJ__BLOCK_COLUMNS;
    int64_t row = task / d->column_blocks % d->row_blocks * CJ__BLOCK_ROWS;
    int64_t item = task / (d->column_blocks * d->row_blocks);
    cj__block t = {.k = d->k, .ldc = d->n};
    t.m = d->m - row < CJ__BLOCK_ROWS ? d->m - row : CJ__BLOCK_ROWS;
    t.n = d->n - column < CJ__BLOCK_COLUMNS ? d->n - column : CJ__BLOCK_COLUMNS;
    t.a_row = d->transpose_a ? 1 : d->k;
    t.a_column = d->transpose_a ? d->m : 1;
    t.b_row = d->transpose_b ? 1 : d->n;
    t.b_column = d->transpose_b ? d->k : 1;
    t.a = (const float *)operands[0] + item * d->m * d->k + row * t.a_row;
    t.b = (const float *)operands[1] + item * d->b_stride + column * t.b_column;
    t.c = (float *)operands[2] + item * d->m * d->n + row * d->n + column;
    d->table->multiply(&t, scratch);
}

const cj__kernel cj__matmul_kernel = {
    .name = "matmul f32", .op = CJ__OP_matmul, .refuse = refuse, .prepare = prepare, .run = run};

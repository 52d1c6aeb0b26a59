/* Cross-entropy and its gradient on the CPU: f32 rows in blocks that stay in L1, handed to the kernels of the
 * instruction set. */
#include "cpu/rows.h"
#include "cpu/backend.h"
#include "graph/attributes.h"

#include <string.h>

enum { BLOCK_ELEMENTS = 4096, MOST_ROWS = 512 };

typedef struct {
    const cj__rows_table *table;
    int64_t rows, columns, block; /* block: rows a task */
} rows_data;

static const cj__rows_table *const tables[CJ__ISA_COUNT] = {
    [CJ__ISA_SCALAR] = &cj__rows_scalar,
    CJ__IF_NEON([CJ__ISA_NEON] = &cj__rows_neon, ) CJ__IF_AVX2([CJ__ISA_AVX2] = &cj__rows_avx2, )
        CJ__IF_AVX512([CJ__ISA_AVX512] = &cj__rows_avx512, )};

static const char *refuse(const cj__launch *launch)
{
    return launch->types[0].dtype == CJ_F32 ? NULL : "it takes f32 only";
}

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    cj__isa isa;
    CJ__TRY(cj__isa_choose(&isa));
    rows_data *d = cj__arena_allocate(arena, sizeof *d);
    if (!d) return cj__out_of_memory(sizeof *d, "a kernel of rows");
    cj_shape_t x = launch->types[0].shape;
    d->table = tables[cj__isa_vectors(isa)];
    d->columns = x.dims[x.rank - 1];
    d->rows = cj_shape_count(x) / d->columns;
    d->block = BLOCK_ELEMENTS / d->columns;
    if (d->block < 1) d->block = 1;
    if (d->block > MOST_ROWS) d->block = MOST_ROWS;
    launch->tasks = (d->rows + d->block - 1) / d->block;
    launch->scratch_bytes = (size_t)(d->block * (d->columns + 2)) * sizeof(float);
    launch->data = d;
    return CJ_OK;
}

/* -1 where none is meant, `columns` where there is no such class. */
static void read_labels(const rows_data *d, cj_dtype dtype, const void *from, int64_t first, int64_t rows,
                        int32_t *labels)
{
    for (int64_t r = 0; r < rows; r++) {
        int64_t label = cj__index_at(dtype, from, first + r);
        labels[r] = (int32_t)(label < 0 ? -1 : label < d->columns ? label : d->columns);
    }
}

/* A task's rows, and whatever stands for their targets. */
typedef struct {
    int64_t first, rows, columns;
    const float *x, *targets; /* [rows,columns] */
    int32_t labels[MOST_ROWS];
    float smoothing;
} block;

static void begin(block *b, const cj__launch *launch, void *const *operands, int64_t task)
{
    const rows_data *d = launch->data;
    b->first = task * d->block, b->columns = d->columns;
    b->rows = d->rows - b->first < d->block ? d->rows - b->first : d->block;
    b->x = (const float *)operands[0] + b->first * d->columns;
}

static void begin_soft(block *b, const cj__launch *launch, void *const *operands, int64_t task)
{
    begin(b, launch, operands, task);
    b->targets = (const float *)operands[1] + b->first * b->columns;
}

static void begin_labelled(block *b, const cj__launch *launch, void *const *operands, int64_t task)
{
    begin(b, launch, operands, task);
    b->smoothing = (float)((const cj__smoothing_attributes *)launch->attributes)->amount;
    read_labels(launch->data, launch->types[1].dtype, operands[1], b->first, b->rows, b->labels);
}

static const cj__rows_table *table_of(const cj__launch *launch)
{
    return ((const rows_data *)launch->data)->table;
}

static void run_rows(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    block b;
    begin_labelled(&b, launch, operands, task);
    table_of(launch)->cross_entropy(b.rows, b.columns, b.x, b.labels, b.smoothing,
                                    (float *)operands[2] + b.first, scratch);
}

static void run_gradient(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    block b;
    begin_labelled(&b, launch, operands, task);
    table_of(launch)->cross_entropy_gradient(b.rows, b.columns, b.x, b.labels, b.smoothing,
                                             (const float *)operands[2] + b.first,
                                             (float *)operands[3] + b.first * b.columns, scratch);
}

static void run_soft_rows(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    block b;
    begin_soft(&b, launch, operands, task);
    table_of(launch)->soft_cross_entropy(b.rows, b.columns, b.x, b.targets, (float *)operands[2] + b.first,
                                         scratch);
}

static void run_soft_gradient(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    block b;
    begin_soft(&b, launch, operands, task);
    table_of(launch)->soft_cross_entropy_gradient(b.rows, b.columns, b.x, b.targets,
                                                  (const float *)operands[2] + b.first,
                                                  (float *)operands[3] + b.first * b.columns, scratch);
}

#define ROWS_KERNEL(kernel, name_, op_, run_)                                                                \
    const cj__kernel cj__##kernel##_kernel = {                                                               \
        .name = name_, .op = CJ__OP_##op_, .refuse = refuse, .prepare = prepare, .run = run_};
ROWS_KERNEL(cross_entropy, "cross-entropy f32", cross_entropy_rows, run_rows)
ROWS_KERNEL(cross_entropy_gradient, "cross-entropy gradient f32", cross_entropy_gradient, run_gradient)
ROWS_KERNEL(soft_cross_entropy, "soft cross-entropy f32", soft_cross_entropy_rows, run_soft_rows)
ROWS_KERNEL(soft_cross_entropy_gradient, "soft cross-entropy gradient f32", soft_cross_entropy_gradient,
            run_soft_gradient)

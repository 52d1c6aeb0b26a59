/* Cross-entropy and its gradient on the CPU: f32 rows in blocks that stay in L1, handed to the kernels of the
 * instruction set. */
#include "cpu/rows.h"
#include "cpu/backend.h"

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
    d->rows = cj_shape_count(launch->types[1].shape);
    d->block = BLOCK_ELEMENTS / d->columns;
    if (d->block < 1) d->block = 1;
    if (d->block > MOST_ROWS) d->block = MOST_ROWS;
    launch->tasks = (d->rows + d->block - 1) / d->block;
    launch->scratch_bytes = (size_t)(d->block * (d->columns + 2)) * sizeof(float);
    launch->data = d;
    return CJ_OK;
}

/* -1 for what names no class. */
static void read_labels(const rows_data *d, cj_dtype dtype, const void *from, int64_t first, int64_t rows,
                        int32_t *labels)
{
    for (int64_t r = 0; r < rows; r++) {
        int64_t label =
            dtype == CJ_I32 ? ((const int32_t *)from)[first + r] : ((const int64_t *)from)[first + r];
        labels[r] = label >= 0 && label < d->columns ? (int32_t)label : -1;
    }
}

static void run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    const rows_data *d = launch->data;
    int64_t first = task * d->block, rows = d->rows - first < d->block ? d->rows - first : d->block;
    const float *x = (const float *)operands[0] + first * d->columns;
    int32_t labels[MOST_ROWS];
    read_labels(d, launch->types[1].dtype, operands[1], first, rows, labels);
    if (launch->op == CJ__OP_cross_entropy_rows)
        d->table->cross_entropy(rows, d->columns, x, labels, (float *)operands[2] + first, scratch);
    else
        d->table->cross_entropy_gradient(rows, d->columns, x, labels, (const float *)operands[2] + first,
                                         (float *)operands[3] + first * d->columns, scratch);
}

const cj__kernel cj__cross_entropy_kernel = {.name = "cross-entropy f32",
                                             .op = CJ__OP_cross_entropy_rows,
                                             .refuse = refuse,
                                             .prepare = prepare,
                                             .run = run};
const cj__kernel cj__cross_entropy_gradient_kernel = {.name = "cross-entropy gradient f32",
                                                      .op = CJ__OP_cross_entropy_gradient,
                                                      .refuse = refuse,
                                                      .prepare = prepare,
                                                      .run = run};

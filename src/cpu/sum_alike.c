/* Sums of rows with equal indices, f32: each is made where its index stands first, in the rows' order, and
 * copied to the others' places. A table of open addresses tells where that is. */
#include "cpu/backend.h"

#include <string.h>

enum { COLUMNS = 64 }; /* a task */

typedef struct {
    int64_t rows, inner;
    int64_t slots; /* of the table, a power of two and at least twice the rows */
} sum_data;

static const char *refuse(const cj__launch *launch)
{
    if (launch->types[1].shape.dims[0] > 1 << 29) return "more rows than its table can have";
    return launch->types[0].dtype == CJ_F32 ? NULL : "it adds f32 only";
}

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    sum_data *d = cj__arena_allocate(arena, sizeof *d);
    if (!d) return cj__out_of_memory(sizeof *d, "sums of rows");
    cj_shape_t x = launch->types[0].shape;
    *d = (sum_data){.rows = x.dims[0], .inner = 1, .slots = 1};
    for (int64_t i = 1; i < x.rank; i++) d->inner *= x.dims[i];
    while (d->slots < 2 * d->rows) d->slots *= 2;
    launch->tasks = (d->inner + COLUMNS - 1) / COLUMNS;
    launch->scratch_bytes = (size_t)(d->slots + d->rows) * sizeof(int32_t);
    launch->data = d;
    return CJ_OK;
}

/* firsts [rows]: the first row of each one's index. */
static void find_firsts(const cj__launch *launch, const void *indices, int32_t *table, int32_t *firsts)
{
    const sum_data *d = launch->data;
    cj_dtype dtype = launch->types[1].dtype;
    memset(table, 0xff, (size_t)d->slots * sizeof *table);
    for (int64_t k = 0; k < d->rows; k++) {
        int64_t index = cj__index_at(dtype, indices, k);
        uint64_t at = (uint64_t)index * 0x9e3779b97f4a7c15U >> 32 & (uint64_t)(d->slots - 1);
        while (table[at] >= 0 && cj__index_at(dtype, indices, table[at]) != index)
            at = (at + 1) & (uint64_t)(d->slots - 1);
        if (table[at] < 0) table[at] = (int32_t)k;
        firsts[k] = table[at];
    }
}

/* Sums begin with 0, as those of scatter_add do. */
static void run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    const sum_data *d = launch->data;
    int32_t *table = scratch, *firsts = table + d->slots;
    const float *rows = (const float *)operands[0] + task * COLUMNS;
    float *out = (float *)operands[2] + task * COLUMNS;
    int64_t n = d->inner - task * COLUMNS < COLUMNS ? d->inner - task * COLUMNS : COLUMNS;
    find_firsts(launch, operands[1], table, firsts);
    for (int64_t k = 0; k < d->rows; k++) {
        const float *row = rows + k * d->inner;
        float *sum = out + firsts[k] * d->inner;
        for (int64_t i = 0; i < n; i++) sum[i] = (firsts[k] == k ? 0.0F : sum[i]) + row[i];
    }
    for (int64_t k = 0; k < d->rows; k++)
        if (firsts[k] != k) memcpy(out + k * d->inner, out + firsts[k] * d->inner, (size_t)n * sizeof *out);
}

const cj__kernel cj__sum_alike_kernel = {
    .name = "sums of equal rows", .op = CJ__OP_sum_alike, .refuse = refuse, .prepare = prepare, .run = run};

/* Random draws on the CPU: the element's index is the counter, so tasks share nothing. */
#include "cpu/random.h"
#include "base/random.h"
#include "cpu/backend.h"

enum { TASK_ELEMENTS = 8192 }; /* a multiple of 4 */

static const cj__random_table *const tables[CJ__ISA_COUNT] = {
    [CJ__ISA_SCALAR] = &cj__random_scalar,
    CJ__IF_NEON([CJ__ISA_NEON] = &cj__random_neon, ) CJ__IF_AVX2([CJ__ISA_AVX2] = &cj__random_avx2, )
        CJ__IF_AVX512([CJ__ISA_AVX512] = &cj__random_avx512, )};

cj_status cj__random_choose(const cj__random_table **table)
{
    cj__isa isa;
    CJ__TRY(cj__isa_choose(&isa));
    *table = tables[cj__isa_vectors(isa)];
    return CJ_OK;
}

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    (void)arena;
    const cj__random_table *table;
    CJ__TRY(cj__random_choose(&table));
    launch->tasks = (cj_shape_count(launch->types[1].shape) + TASK_ELEMENTS - 1) / TASK_ELEMENTS;
    launch->data = table;
    return CJ_OK;
}

static void run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    (void)scratch;
    const cj__random_attributes *a = launch->attributes;
    const cj__random_table *table = launch->data;
    uint64_t step = (uint64_t) * (const int64_t *)operands[0];
    int64_t first = task * TASK_ELEMENTS, n = cj_shape_count(launch->types[1].shape) - first;
    float *out = (float *)operands[1] + first;
    if (n > TASK_ELEMENTS) n = TASK_ELEMENTS;
    if (launch->op == CJ__OP_random_uniform)
        table->uniform(a->key, step, (uint64_t)first, n, out);
    else
        for (int64_t i = 0; i < n; i++) out[i] = cj__normal(a->key, step, (uint64_t)(first + i));
}

const cj__kernel cj__random_uniform_kernel = {
    .name = "uniform", .op = CJ__OP_random_uniform, .prepare = prepare, .run = run};
const cj__kernel cj__random_normal_kernel = {
    .name = "normal", .op = CJ__OP_random_normal, .prepare = prepare, .run = run};

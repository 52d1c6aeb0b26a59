/* The casts between f32 and bf16, the only kernel of the CPU that computes on bf16: the compiler makes every
 * other op on it one on f32 between two casts. */
#include "cpu/bf16.h"
#include "cpu/backend.h"

enum { TASK_ELEMENTS = 32768 };

static const cj__bf16_table *const tables[CJ__ISA_COUNT] = {
    [CJ__ISA_SCALAR] = &cj__bf16_scalar,
    CJ__IF_NEON([CJ__ISA_NEON] = &cj__bf16_neon, ) CJ__IF_AVX2([CJ__ISA_AVX2] = &cj__bf16_avx2, )
        CJ__IF_AVX512([CJ__ISA_AVX512] = &cj__bf16_avx512, )};

static const char *refuse(const cj__launch *launch)
{
    cj_dtype from = launch->types[0].dtype, to = launch->types[1].dtype;
    bool widens = from == CJ_BF16 && to == CJ_F32, narrows = from == CJ_F32 && to == CJ_BF16;
    return widens || narrows ? NULL : "it casts between f32 and bf16 only";
}

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    (void)arena;
    cj__isa isa;
    CJ__TRY(cj__isa_choose(&isa));
    launch->tasks = (cj_shape_count(launch->types[0].shape) + TASK_ELEMENTS - 1) / TASK_ELEMENTS;
    launch->data = tables[cj__isa_vectors(isa)];
    return CJ_OK;
}

static void run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    (void)scratch;
    const cj__bf16_table *table = launch->data;
    int64_t from = task * TASK_ELEMENTS, n = cj_shape_count(launch->types[0].shape) - from;
    if (n > TASK_ELEMENTS) n = TASK_ELEMENTS;
    if (launch->types[0].dtype == CJ_BF16)
        table->widen(n, (const uint16_t *)operands[0] + from, (float *)operands[1] + from);
    else
        table->narrow(n, (const float *)operands[0] + from, (uint16_t *)operands[1] + from);
}

const cj__kernel cj__bf16_kernel = {
    .name = "cast bf16", .op = CJ__OP_cast, .refuse = refuse, .prepare = prepare, .run = run};

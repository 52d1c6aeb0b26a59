/* The op matmul on the CPU: its shapes handed to the matrix product, task by task. */
#include "cpu/backend.h"
#include "cpu/matmul.h"
#include "cpu/split.h"

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    const cj__matmul_attributes *a = launch->attributes;
    cj_shape_t x = launch->types[0].shape, y = launch->types[1].shape, z = launch->types[2].shape;
    cj__matmul_shape shape = {.batch = 1,
                              .m = z.dims[z.rank - 2],
                              .n = z.dims[z.rank - 1],
                              .k = x.dims[x.rank - (a->transpose_a ? 2 : 1)],
                              .transpose_a = a->transpose_a,
                              .transpose_b = a->transpose_b,
                              .shared_b = y.rank == 2,
                              .precision = launch->precision};
    for (int64_t i = 0; i < z.rank - 2; i++) shape.batch *= z.dims[i];
    return cj__matmul_prepare(launch, &shape, arena);
}

cj_status cj__matmul_prepare(cj__launch *launch, const cj__matmul_shape *shape, cj__arena *arena)
{
    cj__isa isa;
    cj__matmul_plan *plan = cj__arena_allocate(arena, sizeof *plan);
    if (!plan) return cj__out_of_memory(sizeof *plan, "a product");
    CJ__TRY(cj__isa_choose(&isa));
    cj__matmul_plan_with(plan, shape, isa, cj__split_kernels_of(launch->own, isa));
    launch->tasks = plan->tasks;
    launch->scratch_bytes = plan->scratch_bytes;
    launch->data = plan;
    return CJ_OK;
}

void cj__matmul_launched(const cj__launch *launch, const cj__product_call *call, int64_t task, void *scratch)
{
    cj__matmul_run(launch->data, call, task, scratch);
}

const char *cj__matmul_describe(const cj__launch *launch)
{
    return cj__matmul_plan_name(launch->data);
}

static const cj__product product = {CJ__OP_matmul,       NULL, prepare, cj__matmul_launched,
                                    cj__matmul_describe, NULL};

CJ__PRODUCT_KERNEL(matmul, "matmul f32", product, CJ__OP_matmul);
CJ__PRODUCT_CHAIN_KERNEL(matmul, "matmul f32", product);

/* The op matmul on the CPU: its shapes handed to the matrix product, task by task. Weights that last from run
 * to run, and those of large products of bf16, are packed once, in a stage before. */
#include "cpu/backend.h"
#include "cpu/matmul_blocks.h"
#include "cpu/split.h"

static cj_status make_plan(cj__matmul_plan *plan, const cj__launch *launch, cj__matmul_shape shape)
{
    cj__isa isa;
    CJ__TRY(cj__isa_choose(&isa));
    shape.bf16_a = launch->types[0].dtype == CJ_BF16;
    shape.bf16_b = launch->types[1].dtype == CJ_BF16;
    cj__matmul_plan_with(plan, &shape, isa, cj__split_kernels_of(launch->own, isa));
    return CJ_OK;
}

uint64_t cj__matmul_reads_bf16(const cj__launch *launch, const cj__matmul_shape *shape)
{
    cj__matmul_plan plan;
    if (make_plan(&plan, launch, *shape) != CJ_OK) return 0;
    return plan.kind == CJ__MATMUL_SPLIT && plan.parts == 1 ? 3 : 0;
}

size_t cj__matmul_part_bytes(const cj__launch *launch, const cj__matmul_shape *shape)
{
    cj__matmul_plan plan;
    if (make_plan(&plan, launch, *shape) != CJ_OK || plan.kind != CJ__MATMUL_SPLIT) return 0;
    return cj__matmul_pack_before(&plan, launch->lasting >> 1 & 1) ? cj__split_part_bytes(&plan) : 0;
}

cj_status cj__matmul_prepare(cj__launch *launch, const cj__matmul_shape *shape, cj__arena *arena)
{
    cj__matmul_plan *plan = cj__arena_allocate(arena, sizeof *plan);
    if (!plan) return cj__out_of_memory(sizeof *plan, "a product");
    CJ__TRY(make_plan(plan, launch, *shape));
    launch->workspace_bytes = cj__matmul_pack_before(plan, launch->lasting >> 1 & 1);
    launch->tasks = plan->tasks;
    launch->scratch_bytes = plan->scratch_bytes;
    launch->data = plan;
    return CJ_OK;
}

static cj__matmul_shape shape_of(const cj__launch *launch)
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
    return shape;
}

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    cj__matmul_shape shape = shape_of(launch);
    return cj__matmul_prepare(launch, &shape, arena);
}

static uint64_t reads_bf16(const cj__launch *launch)
{
    cj__matmul_shape shape = shape_of(launch);
    return cj__matmul_reads_bf16(launch, &shape);
}

static size_t part_bytes(const cj__launch *launch)
{
    cj__matmul_shape shape = shape_of(launch);
    return cj__matmul_part_bytes(launch, &shape);
}

void cj__matmul_launched(const cj__launch *launch, const cj__product_call *call, int64_t task, void *scratch)
{
    cj__matmul_run(launch->data, call, task, scratch);
}

const char *cj__matmul_describe(const cj__launch *launch)
{
    return cj__matmul_plan_name(launch->data);
}

/* --- the stage before: B is packed once ---------------------------------------------------------------- */

static cj_status prepare_packing(cj__launch *launch, cj__arena *arena)
{
    (void)arena;
    cj__product_unwrap(launch);
    launch->tasks = cj__matmul_pack_tasks(launch->data);
    return CJ_OK;
}

/* operands: B; the workspace */
static void pack(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    (void)scratch;
    cj__matmul_pack(launch->data, operands[0], task, operands[1]);
}

const cj__kernel cj__matmul_packing = {
    .name = "packed operand", .op = -1, .prepare = prepare_packing, .run = pack};

/* --- the kernels --------------------------------------------------------------------------------------- */

static const cj__product product = {.op = CJ__OP_matmul,
                                    .prepare = prepare,
                                    .run = cj__matmul_launched,
                                    .describe = cj__matmul_describe,
                                    .reads_bf16 = reads_bf16,
                                    .part_bytes = part_bytes};

CJ__PRODUCT_KERNELS_AFTER(matmul, "matmul f32", product, CJ__OP_matmul, &cj__matmul_packing, 1 << 1);

/* The op matmul on the CPU: its shapes handed to the matrix product, task by task; and the product with a
 * chain, which interprets the chain on each block of the result while that is in cache. */
#include "cpu/backend.h"
#include "cpu/chain.h"
#include "cpu/matmul.h"

static cj_status plan_product(cj__matmul_plan *plan, const cj__launch *launch, const cj__matmul_attributes *a,
                              cj_shape_t z)
{
    cj_shape_t x = launch->types[0].shape, y = launch->types[1].shape;
    cj__matmul_shape shape = {.batch = 1,
                              .m = z.dims[z.rank - 2],
                              .n = z.dims[z.rank - 1],
                              .k = x.dims[x.rank - (a->transpose_a ? 2 : 1)],
                              .transpose_a = a->transpose_a,
                              .transpose_b = a->transpose_b,
                              .shared_b = y.rank == 2,
                              .precision = launch->precision};
    for (int64_t i = 0; i < z.rank - 2; i++) shape.batch *= z.dims[i];
    cj__isa isa;
    CJ__TRY(cj__isa_choose(&isa));
    cj__matmul_plan_make(plan, &shape, isa);
    return CJ_OK;
}

static const char *refuse(const cj__launch *launch)
{
    return launch->types[0].dtype == CJ_F32 ? NULL : "it multiplies f32 only";
}

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    cj__matmul_plan *plan = cj__arena_allocate(arena, sizeof *plan);
    if (!plan) return cj__out_of_memory(sizeof *plan, "a product");
    CJ__TRY(plan_product(plan, launch, launch->attributes, launch->types[2].shape));
    launch->tasks = plan->tasks;
    launch->scratch_bytes = plan->scratch_bytes;
    launch->data = plan;
    return CJ_OK;
}

static void run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    cj__matmul_call call = {.a = operands[0], .b = operands[1], .c = operands[2]};
    cj__matmul_run(launch->data, &call, task, scratch);
}

static const char *describe(const cj__launch *launch)
{
    return cj__matmul_plan_name(launch->data);
}

const cj__kernel cj__matmul_kernel = {
    .name = "matmul f32",
    .op = CJ__OP_matmul,
    .refuse = refuse,
    .prepare = prepare,
    .run = run,
    .describe = describe,
};

/* --- with a chain -------------------------------------------------------------------------------------- */

typedef struct {
    cj__matmul_plan product;
    cj__chain_plan chain;
    int32_t result;    /* the chain's output in whose memory the product is made */
    bool raw;          /* that output is the product itself: it is not stored again */
    size_t chain_from; /* the chain's part of the scratch */
} product_data;

/* The product itself where it is wanted; else an output of the same size and type. */
static bool find_result(const cj__chain *chain, product_data *data)
{
    for (int32_t i = chain->outputs_count - 1; i >= 0; i--)
        if (chain->outputs[i].dtype == CJ_F32 && !data->raw) {
            data->result = i;
            data->raw = chain->outputs[i].reg == 0;
        }
    return data->result >= 0;
}

static cj_status prepare_product(cj__launch *launch, cj__arena *arena)
{
    const cj__product_attributes *a = launch->attributes;
    cj_shape_t z = a->chain->shape;
    product_data *data = cj__arena_allocate(arena, sizeof *data);
    if (!data) return cj__out_of_memory(sizeof *data, "a product");
    data->result = -1;
    if (!find_result(a->chain, data))
        return cj__fail(CJ_INTERNAL_ERROR, "a fused product has no place for its result");
    CJ__TRY(plan_product(&data->product, launch, &a->matmul, z));
    CJ__TRY(cj__chain_plan_make(&data->chain, a->chain, z.dims[z.rank - 1], arena));
    data->chain_from = (data->product.scratch_bytes + 63) / 64 * 64;
    launch->tasks = data->product.tasks;
    launch->scratch_bytes = data->chain_from + data->chain.scratch_bytes;
    launch->data = data;
    return CJ_OK;
}

typedef struct {
    const product_data *data;
    cj__chain_run run;
} epilogue;

static void apply_chain(void *context, int64_t batch, int64_t row, int64_t column, int64_t rows,
                        int64_t columns, float *block, int64_t stride)
{
    const epilogue *e = context;
    const cj__matmul_shape *s = &e->data->product.shape;
    (void)block, (void)stride;
    cj__chain_apply(&e->run, (cj__rectangle){(batch * s->m + row) * s->n + column, rows, columns, s->n});
}

/* operands: a, b, the chain's inputs but its first, the chain's outputs */
static void run_product(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    const product_data *data = launch->data;
    const cj__chain *chain = data->chain.chain;
    epilogue e = {data, cj__chain_begin(&data->chain, (char *)scratch + data->chain_from)};
    void *const *outputs = operands + launch->inputs_count, *result = outputs[data->result];
    e.run.operands[0] = result;
    for (int32_t i = 1; i < chain->inputs_count; i++) e.run.operands[i] = operands[i + 1];
    for (int32_t i = 0; i < chain->outputs_count; i++)
        e.run.operands[chain->inputs_count + i] = i == data->result && data->raw ? NULL : outputs[i];
    cj__chain_load(&e.run);
    cj__matmul_call call = {
        .a = operands[0], .b = operands[1], .c = result, .epilogue = apply_chain, .epilogue_context = &e};
    cj__matmul_run(&data->product, &call, task, scratch);
}

static const char *describe_product(const cj__launch *launch)
{
    const product_data *data = launch->data;
    return cj__matmul_plan_name(&data->product);
}

const cj__kernel cj__product_kernel = {
    .name = "matmul f32 + chain",
    .op = CJ__OP_matmul_chain,
    .prepare = prepare_product,
    .run = run_product,
    .describe = describe_product,
};

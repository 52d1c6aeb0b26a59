/* Kernels of products as the compiler wants them: each by itself, and each with a chain, which is interpreted
 * on every part of the result while that is in cache. */
#include "cpu/product.h"
#include "cpu/chain.h"

uint64_t cj__product_reads_bf16(const cj__product *product, const cj__launch *launch)
{
    return product->reads_bf16 ? product->reads_bf16(launch) : 0;
}

/* Without a chain the result is all that there is. */
size_t cj__product_part_bytes(const cj__product *product, const cj__launch *launch)
{
    (void)product, (void)launch;
    return 0;
}

static const char *wrong_types(const cj__product *product, const cj__launch *launch)
{
    for (int i = 0; i < 2; i++) {
        cj_dtype type = launch->types[i].dtype;
        if (type == CJ_F32) continue;
        if (type != CJ_BF16 || !(cj__product_reads_bf16(product, launch) >> i & 1))
            return "it multiplies f32 only";
    }
    return NULL;
}

const char *cj__product_refuse(const cj__product *product, const cj__launch *launch)
{
    const char *reason = wrong_types(product, launch);
    return !reason && product->refuse ? product->refuse(launch) : reason;
}

const char *cj__product_cannot(const cj__product *product, const cj__launch *launch)
{
    if (!product->cannot) return cj__product_refuse(product, launch);
    const char *reason = wrong_types(product, launch);
    return reason ? reason : product->cannot(launch);
}

typedef struct {
    const cj__product *product;
    cj__launch launch; /* as the product sees it */
} product_data;

void cj__product_unwrap(cj__launch *launch)
{
    launch->data = ((const product_data *)launch->data)->launch.data;
}

/* What the product alone decided on. */
static void take_over(cj__launch *launch, const product_data *alone)
{
    launch->tasks = alone->launch.tasks;
    launch->scratch_bytes = alone->launch.scratch_bytes;
    launch->workspace_bytes = alone->launch.workspace_bytes;
    launch->data = alone;
}

static const void *workspace_of(const cj__launch *launch, void *const *operands)
{
    return launch->workspace_bytes > 0 ? operands[launch->inputs_count + launch->outputs_count] : NULL;
}

cj_status cj__product_prepare(const cj__product *product, cj__launch *launch, cj__arena *arena)
{
    product_data *data = cj__arena_allocate(arena, sizeof *data);
    if (!data) return cj__out_of_memory(sizeof *data, "a product");
    *data = (product_data){product, *launch};
    CJ__TRY(product->prepare(&data->launch, arena));
    take_over(launch, data);
    return CJ_OK;
}

void cj__product_run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    const product_data *data = launch->data;
    cj__product_call call = {
        .a = operands[0], .b = operands[1], .c = operands[2], .workspace = workspace_of(launch, operands)};
    data->product->run(&data->launch, &call, task, scratch);
}

const char *cj__product_describe(const cj__launch *launch)
{
    const product_data *data = launch->data;
    return data->product->describe(&data->launch);
}

/* --- with a chain -------------------------------------------------------------------------------------- */

typedef struct {
    product_data alone;
    cj__type types[3];
    cj__chain_plan chain;
    int32_t result; /* the chain's output in whose memory the product is made; -1: in the scratch, in parts */
    bool raw;       /* that output is the product itself: it is not stored again */
    size_t chain_from, part_from; /* what is theirs of the scratch: the chain's, a part of the product's */
} chained_data;

/* The launch of the product alone. */
static void strip_chain(const cj__launch *launch, cj__launch *alone, cj__type types[3])
{
    const cj__product_attributes *a = launch->attributes;
    types[0] = launch->types[0];
    types[1] = launch->types[1];
    types[2] = (cj__type){CJ_F32, a->chain->shape};
    *alone = *launch;
    alone->op = (cj__op)a->op;
    alone->attributes = a->attributes;
    alone->inputs_count = 2;
    alone->outputs_count = 1;
    alone->types = types;
}

const char *cj__product_chain_refuse(const cj__product *product, const cj__launch *launch)
{
    cj__launch alone;
    cj__type types[3];
    strip_chain(launch, &alone, types);
    return alone.op == product->op ? cj__product_refuse(product, &alone) : "";
}

const char *cj__product_chain_cannot(const cj__product *product, const cj__launch *launch)
{
    cj__launch alone;
    cj__type types[3];
    strip_chain(launch, &alone, types);
    return alone.op == product->op ? cj__product_cannot(product, &alone) : "";
}

uint64_t cj__product_chain_reads_bf16(const cj__product *product, const cj__launch *launch)
{
    cj__launch alone;
    cj__type types[3];
    strip_chain(launch, &alone, types);
    return alone.op == product->op ? cj__product_reads_bf16(product, &alone) : 0;
}

size_t cj__product_chain_part_bytes(const cj__product *product, const cj__launch *launch)
{
    cj__launch alone;
    cj__type types[3];
    strip_chain(launch, &alone, types);
    return alone.op == product->op && product->part_bytes ? product->part_bytes(&alone) : 0;
}

/* The product itself where it is wanted; else an output of the same size and type. */
static bool find_result(const cj__chain *chain, chained_data *data)
{
    for (int32_t i = chain->outputs_count - 1; i >= 0; i--)
        if (chain->outputs[i].dtype == CJ_F32 && !data->raw) {
            data->result = i;
            data->raw = chain->outputs[i].reg == 0;
        }
    return data->result >= 0;
}

/* Where the scratch of the product alone ends, that of the chain begins, then perhaps that of a part. */
static void divide_scratch(cj__launch *launch, chained_data *data, size_t part)
{
    data->chain_from = cj__whole_lines(data->alone.launch.scratch_bytes);
    data->part_from = cj__whole_lines(data->chain_from + data->chain.scratch_bytes);
    launch->scratch_bytes = data->part_from + part;
}

cj_status cj__product_chain_prepare(const cj__product *product, cj__launch *launch, cj__arena *arena)
{
    const cj__product_attributes *a = launch->attributes;
    cj_shape_t z = a->chain->shape;
    chained_data *data = cj__arena_allocate(arena, sizeof *data);
    if (!data) return cj__out_of_memory(sizeof *data, "a product");
    data->alone.product = product;
    data->result = -1;
    data->raw = false;
    strip_chain(launch, &data->alone.launch, data->types);
    size_t part = find_result(a->chain, data) ? 0 : cj__product_chain_part_bytes(product, launch);
    if (data->result < 0 && part == 0)
        return cj__fail(CJ_INTERNAL_ERROR, "a fused product has no place for its result");
    CJ__TRY(product->prepare(&data->alone.launch, arena));
    CJ__TRY(cj__chain_plan_make(&data->chain, a->chain, z.dims[z.rank - 1], arena));
    take_over(launch, &data->alone);
    divide_scratch(launch, data, part);
    return CJ_OK;
}

static void apply_chain(void *context, cj__rectangle where)
{
    cj__chain_apply(context, where);
}

/* The same of a part, whose memory begins with the rectangle's first row. */
static void apply_chain_to_part(void *context, cj__rectangle where)
{
    cj__chain_run *run = context;
    run->first = where.start / where.stride * where.stride;
    cj__chain_apply(run, where);
}

/* operands: a, b, the chain's inputs but its first, the chain's outputs */
void cj__product_chain_run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    const chained_data *data = launch->data;
    const cj__chain *chain = data->chain.chain;
    cj__chain_run run = cj__chain_begin(&data->chain, (char *)scratch + data->chain_from);
    bool in_parts = data->result < 0;
    void *const *outputs = operands + launch->inputs_count;
    void *result = in_parts ? (char *)scratch + data->part_from : outputs[data->result];
    run.operands[0] = result;
    for (int32_t i = 1; i < chain->inputs_count; i++) run.operands[i] = operands[i + 1];
    for (int32_t i = 0; i < chain->outputs_count; i++)
        run.operands[chain->inputs_count + i] = i == data->result && data->raw ? NULL : outputs[i];
    cj__chain_load(&run);
    cj__product_call call = {.a = operands[0],
                             .b = operands[1],
                             .c = result,
                             .workspace = workspace_of(launch, operands),
                             .epilogue = {in_parts ? apply_chain_to_part : apply_chain, &run},
                             .in_parts = in_parts};
    data->alone.product->run(&data->alone.launch, &call, task, scratch);
}

const char *cj__product_chain_describe(const cj__launch *launch)
{
    return cj__product_describe(launch);
}

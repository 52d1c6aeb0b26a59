/* The ops of convolution on the CPU: which kernel suits a window, and its plan handed to it. */
#include "cpu/convolution.h"
#include "cpu/backend.h"
#include "cpu/matmul.h"
#include "cpu/split.h"
#include "cpu/winograd.h"

/* x is the first operand of convolution and of its gradient by the weight, and the result of the other. */
cj__window cj__convolution_window(const cj__launch *launch)
{
    const cj__type *t = launch->types;
    if (launch->op == CJ__OP_convolution_input_gradient)
        return cj__window_of(launch->attributes, t[2].shape, t[0].shape);
    bool to_weight = launch->op == CJ__OP_convolution_weight_gradient;
    return cj__window_of(launch->attributes, t[0].shape, t[to_weight ? 1 : 2].shape);
}

int cj__convolution_parts(const cj__launch *launch, const cj__split_kernels **split, const char **none)
{
    cj__isa isa;
    *split = cj__isa_choose(&isa) == CJ_OK ? cj__split_kernels_of(launch->own, isa) : NULL;
    *none = *split                            ? "several products of bf16 are slower here"
            : launch->precision == CJ_HIGHEST ? ""
                                              : "bf16 is none here, or slower than f32";
    return cj__split_parts(*split, launch->precision, INT16_MAX, INT16_MAX, INT16_MAX);
}

/* --- one tap, no stride: a matrix product --------------------------------------------------------------- */

static const char *refuse_pointwise(const cj__launch *launch)
{
    cj__window w = cj__convolution_window(launch);
    for (int a = 0; a < CJ__SPATIAL; a++)
        if (w.kernel[a] != 1 || w.stride[a] != 1 || w.before[a] != 0 || w.size[a] != w.result[a])
            return "the window is more than one pixel";
    return w.groups == 1 ? NULL : "there are groups";
}

/* [pixels,in]·[in,out]; to the input [pixels,out]·[in,out]ᵀ; to the weight [pixels,in]ᵀ·[pixels,out] */
static cj__matmul_shape pointwise_shape(const cj__launch *launch)
{
    cj__window w = cj__convolution_window(launch);
    int64_t pixels = w.batch * w.size[0] * w.size[1] * w.size[2];
    cj__matmul_shape shape = {.batch = 1, .m = pixels, .n = w.out, .k = w.in, .precision = launch->precision};
    if (launch->op == CJ__OP_convolution_input_gradient)
        shape.n = w.in, shape.k = w.out, shape.transpose_b = true;
    if (launch->op == CJ__OP_convolution_weight_gradient)
        shape.m = w.in, shape.k = pixels, shape.transpose_a = true;
    return shape;
}

static cj_status prepare_pointwise(cj__launch *launch, cj__arena *arena)
{
    cj__matmul_shape shape = pointwise_shape(launch);
    return cj__matmul_prepare(launch, &shape, arena);
}

static uint64_t reads_bf16_pointwise(const cj__launch *launch)
{
    cj__matmul_shape shape = pointwise_shape(launch);
    return cj__matmul_reads_bf16(launch, &shape);
}

/* A matrix product is not cut along its sum; where that is long and f32 at best, shares are faster. */
static const char *refuse_pointwise_to_weight(const cj__launch *launch)
{
    cj__window w = cj__convolution_window(launch);
    int64_t pixels = w.batch * w.size[0] * w.size[1] * w.size[2];
    cj__isa isa;
    const char *reason = refuse_pointwise(launch);
    const cj__split_kernels *split =
        cj__isa_choose(&isa) == CJ_OK ? cj__split_kernels_of(launch->own, isa) : NULL;
    if (!reason && !cj__split_parts(split, launch->precision, w.in, w.out, pixels) &&
        pixels > 8 * (w.in + w.out))
        return "sums over so many pixels are better shared out";
    return reason;
}

#define POINTWISE(of, refuse_it)                                                                             \
    {                                                                                                        \
        .op = of, .refuse = refuse_it, .cannot = refuse_pointwise, .reads_bf16 = reads_bf16_pointwise,       \
        .prepare = prepare_pointwise, .run = cj__matmul_launched, .describe = cj__matmul_describe            \
    }
static const cj__product pointwise = POINTWISE(CJ__OP_convolution, refuse_pointwise);
static const cj__product pointwise_to_input = POINTWISE(CJ__OP_convolution_input_gradient, refuse_pointwise);
static const cj__product pointwise_to_weight =
    POINTWISE(CJ__OP_convolution_weight_gradient, refuse_pointwise_to_weight);

CJ__PRODUCT_KERNELS_AFTER(pointwise, "convolution as matmul", pointwise, CJ__OP_convolution,
                          &cj__matmul_packing, 1 << 1);
CJ__PRODUCT_KERNELS_AFTER(pointwise_to_input, "gradient as matmul", pointwise_to_input,
                          CJ__OP_convolution_input_gradient, &cj__matmul_packing, 1 << 1);
CJ__PRODUCT_KERNEL_AFTER(pointwise_to_weight, "gradient as matmul", pointwise_to_weight,
                         CJ__OP_convolution_weight_gradient, &cj__matmul_packing, 1 << 1);

/* --- a channel at a time -------------------------------------------------------------------------------- */

static const char *refuse_depthwise(const cj__launch *launch)
{
    cj__window w = cj__convolution_window(launch);
    return w.in == 1 && w.groups > 1 ? NULL : "groups are not single channels";
}

static cj_status prepare_depthwise(cj__launch *launch, cj__arena *arena)
{
    cj__window w = cj__convolution_window(launch);
    cj__isa isa;
    cj__depthwise_of of = launch->op == CJ__OP_convolution ? CJ__DEPTHWISE : CJ__DEPTHWISE_TO_INPUT;
    cj__depthwise_plan *plan = cj__arena_allocate(arena, sizeof *plan);
    if (!plan) return cj__out_of_memory(sizeof *plan, "a convolution");
    CJ__TRY(cj__isa_choose(&isa));
    cj__depthwise_plan_make(plan, &w, of, isa);
    launch->tasks = plan->tasks;
    launch->scratch_bytes = plan->scratch_bytes;
    launch->data = plan;
    return CJ_OK;
}

static void run_depthwise(const cj__launch *launch, const cj__product_call *call, int64_t task, void *scratch)
{
    cj__depthwise_run(launch->data, call, task, scratch);
}

static const char *describe_depthwise(const cj__launch *launch)
{
    return ((const cj__depthwise_plan *)launch->data)->name;
}

#define DEPTHWISE(of)                                                                                        \
    {                                                                                                        \
        .op = of, .refuse = refuse_depthwise, .prepare = prepare_depthwise, .run = run_depthwise,            \
        .describe = describe_depthwise                                                                       \
    }
static const cj__product depthwise = DEPTHWISE(CJ__OP_convolution);
static const cj__product depthwise_to_input = DEPTHWISE(CJ__OP_convolution_input_gradient);

CJ__PRODUCT_KERNEL(depthwise, "depthwise convolution f32", depthwise, CJ__OP_convolution);
CJ__PRODUCT_CHAIN_KERNEL(depthwise, "depthwise convolution f32", depthwise);
CJ__PRODUCT_KERNEL(depthwise_to_input, "depthwise gradient by the input f32", depthwise_to_input,
                   CJ__OP_convolution_input_gradient);
CJ__PRODUCT_CHAIN_KERNEL(depthwise_to_input, "depthwise gradient by the input f32", depthwise_to_input);

/* --- direct, by parts of bf16 ----------------------------------------------------------------------------
 */

/* Padding the channels of what is read to blocks of 32 must cost less than what the products of bf16 are
 * faster: channels that are worth a block, in eighths of it. */
static int64_t least_eighths(const cj__split_kernels *split, int parts)
{
    return parts == 3 || split->most_parts == 1 ? 5 : parts == 2 ? 3 : 2;
}

static const char *cannot_by_parts(const cj__launch *launch)
{
    const cj__split_kernels *split;
    const char *reason;
    cj__window w = cj__convolution_window(launch);
    if (cj__convolution_parts(launch, &split, &reason) == 0) return reason;
    return w.batch * w.in * w.out > 0 ? NULL : "there is nothing to multiply";
}

/* Winograd's products are faster: in f32 than one direct product of vdpbf16ps, by parts than six of AMX where
 * there are tiles enough. */
static bool winograd_is_faster(const cj__launch *launch, const cj__split_kernels *split)
{
    return !(split->most_parts == 1 ? cj__winograd_refuse : cj__winograd_parts_refuse)(launch);
}

static const char *refuse_by_parts(const cj__launch *launch)
{
    const cj__split_kernels *split;
    const char *reason = cannot_by_parts(launch), *unused;
    if (reason) return reason;
    cj__window w = cj__convolution_window(launch);
    bool backward = launch->op == CJ__OP_convolution_input_gradient;
    int parts = cj__convolution_parts(launch, &split, &unused);
    int64_t in = backward ? w.out : w.in, out = backward ? w.in : w.out, results = w.batch, k = in;
    for (int a = 0; a < CJ__SPATIAL; a++)
        results *= backward ? w.size[a] : w.result[a], k *= cj__most_taps(&w, backward, a);
    if (!refuse_pointwise(launch)) return "it is a matrix product";
    int64_t blocks = (in + CJ__SPLIT_STEP - 1) / CJ__SPLIT_STEP;
    if (8 * in < blocks * CJ__SPLIT_STEP * least_eighths(split, parts)) return "too few channels are read";
    if (cj__split_parts(split, launch->precision, results, out, k) == 0) return "it is too small for bf16";
    return winograd_is_faster(launch, split) ? "winograd is faster" : NULL;
}

static cj_status prepare_by_parts(cj__launch *launch, cj__arena *arena)
{
    cj__window w = cj__convolution_window(launch);
    cj__isa isa;
    const cj__split_kernels *split;
    const char *unused;
    cj__by_parts_plan *plan = cj__arena_allocate(arena, sizeof *plan);
    if (!plan) return cj__out_of_memory(sizeof *plan, "a convolution");
    CJ__TRY(cj__isa_choose(&isa));
    int parts = cj__convolution_parts(launch, &split, &unused);
    cj__by_parts_plan_make(plan, &w, launch->op == CJ__OP_convolution_input_gradient, parts, split, isa);
    launch->tasks = plan->tasks;
    launch->scratch_bytes = plan->scratch_bytes;
    launch->workspace_bytes = plan->packed_bytes;
    launch->data = plan;
    return CJ_OK;
}

static void run_by_parts(const cj__launch *launch, const cj__product_call *call, int64_t task, void *scratch)
{
    cj__by_parts_run(launch->data, call, task, scratch);
}

static const char *describe_by_parts(const cj__launch *launch)
{
    return ((const cj__by_parts_plan *)launch->data)->name;
}

#define BY_PARTS(of)                                                                                         \
    {                                                                                                        \
        .op = of, .refuse = refuse_by_parts, .cannot = cannot_by_parts, .prepare = prepare_by_parts,         \
        .run = run_by_parts, .describe = describe_by_parts                                                   \
    }
static const cj__product by_parts = BY_PARTS(CJ__OP_convolution);
static const cj__product by_parts_to_input = BY_PARTS(CJ__OP_convolution_input_gradient);

static cj_status prepare_parts(cj__launch *launch, cj__arena *arena)
{
    (void)arena;
    cj__product_unwrap(launch);
    launch->tasks = cj__by_parts_pack_tasks(launch->data);
    return CJ_OK;
}

static void run_parts(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    (void)scratch;
    cj__by_parts_pack(launch->data, operands[0], operands[1], task);
}

static const cj__kernel parts_kernel = {
    .name = "weight by parts", .op = -1, .prepare = prepare_parts, .run = run_parts};

CJ__PRODUCT_KERNELS_AFTER(by_parts, "convolution by parts", by_parts, CJ__OP_convolution, &parts_kernel,
                          1u << 1);
CJ__PRODUCT_KERNELS_AFTER(by_parts_to_input, "gradient by the input by parts", by_parts_to_input,
                          CJ__OP_convolution_input_gradient, &parts_kernel, 1u << 1);

/* --- direct -------------------------------------------------------------------------------------------- */

static cj_status prepare_direct(cj__launch *launch, cj__arena *arena)
{
    cj__window w = cj__convolution_window(launch);
    cj__isa isa;
    cj__direct_plan *plan = cj__arena_allocate(arena, sizeof *plan);
    if (!plan) return cj__out_of_memory(sizeof *plan, "a convolution");
    CJ__TRY(cj__isa_choose(&isa));
    cj__direct_plan_make(plan, &w, launch->op == CJ__OP_convolution_input_gradient, launch->lasting >> 1 & 1,
                         isa);
    launch->tasks = plan->tasks;
    launch->scratch_bytes = plan->scratch_bytes;
    launch->workspace_bytes = plan->packed_bytes;
    launch->data = plan;
    return CJ_OK;
}

static void run_direct(const cj__launch *launch, const cj__product_call *call, int64_t task, void *scratch)
{
    cj__direct_run(launch->data, call, task, scratch);
}

static const char *describe_direct(const cj__launch *launch)
{
    return ((const cj__direct_plan *)launch->data)->name;
}

#define DIRECT_TO(of)                                                                                        \
    {                                                                                                        \
        .op = of, .prepare = prepare_direct, .run = run_direct, .describe = describe_direct                  \
    }
static const cj__product direct = DIRECT_TO(CJ__OP_convolution);
static const cj__product direct_to_input = DIRECT_TO(CJ__OP_convolution_input_gradient);

/* A weight that lasts is packed once, by a stage before. */
static cj_status prepare_pack(cj__launch *launch, cj__arena *arena)
{
    (void)arena;
    cj__product_unwrap(launch);
    launch->tasks = cj__direct_pack_tasks(launch->data);
    return CJ_OK;
}

static void run_pack(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    (void)scratch;
    cj__direct_pack(launch->data, operands[0], operands[1], task);
}

static const cj__kernel pack_kernel = {
    .name = "packed weight f32", .op = -1, .prepare = prepare_pack, .run = run_pack};

CJ__PRODUCT_KERNELS_AFTER(direct, "convolution f32", direct, CJ__OP_convolution, &pack_kernel, 1u << 1);
CJ__PRODUCT_KERNEL(direct_to_input, "gradient by the input f32", direct_to_input,
                   CJ__OP_convolution_input_gradient);
CJ__PRODUCT_CHAIN_KERNEL(direct_to_input, "gradient by the input f32", direct_to_input);

/* --- to the weight ------------------------------------------------------------------------------------- */

typedef enum { DIRECT, DEPTHWISE_EACH, DIRECT_BY_PARTS } way_to_weight;

/* A gradient by the weight, made whole or, in the stage before, in shares that are then added up. */
typedef struct {
    way_to_weight way;
    union {
        cj__to_weight_plan direct;
        cj__depthwise_plan depthwise;
        cj__to_weight_by_parts_plan by_parts;
    } plan;
    const char *name;
    int64_t tasks, shares, weights;
    size_t scratch_bytes;
} sum;

#define TAKE_OVER(s, of)                                                                                     \
    ((s)->tasks = (of).tasks, (s)->weights = (of).weights, (s)->scratch_bytes = (of).scratch_bytes,          \
     (s)->name = (of).name)

static void make_plan(sum *s, const cj__launch *launch, cj__isa isa)
{
    cj__window w = cj__convolution_window(launch);
    const cj__split_kernels *split;
    const char *unused;
    if (s->way == DEPTHWISE_EACH) {
        cj__depthwise_plan_make(&s->plan.depthwise, &w, CJ__DEPTHWISE_TO_WEIGHT, isa);
        TAKE_OVER(s, s->plan.depthwise);
        s->shares = s->plan.depthwise.blocks;
    } else if (s->way == DIRECT) {
        cj__to_weight_plan_make(&s->plan.direct, &w, isa);
        TAKE_OVER(s, s->plan.direct);
        s->shares = s->plan.direct.shares;
    } else {
        int parts = cj__convolution_parts(launch, &split, &unused);
        cj__to_weight_by_parts_plan_make(&s->plan.by_parts, &w, parts, split, isa);
        TAKE_OVER(s, s->plan.by_parts);
        s->shares = s->plan.by_parts.shares;
    }
}

static cj_status plan_sum(cj__launch *launch, cj__arena *arena, way_to_weight way)
{
    cj__isa isa;
    sum *s = cj__arena_allocate(arena, sizeof *s);
    if (!s) return cj__out_of_memory(sizeof *s, "a convolution");
    CJ__TRY(cj__isa_choose(&isa));
    s->way = way;
    make_plan(s, launch, isa);
    bool shared = s->shares > 1;
    launch->tasks = shared ? cj__sum_shares_tasks(s->weights) : s->tasks;
    launch->scratch_bytes = shared ? 0 : s->scratch_bytes;
    launch->workspace_bytes = shared ? (size_t)(s->shares * s->weights) * sizeof(float) : 0;
    launch->data = s;
    return CJ_OK;
}

/* operands: x, the cotangent, and the gradient or its shares */
static void run_shares(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    const sum *s = launch->data;
    cj__product_call call = {.a = operands[0], .b = operands[1], .c = operands[2]};
    if (s->way == DEPTHWISE_EACH)
        cj__depthwise_run(&s->plan.depthwise, &call, task, scratch);
    else if (s->way == DIRECT)
        cj__to_weight_run(&s->plan.direct, &call, task, scratch);
    else
        cj__to_weight_by_parts_run(&s->plan.by_parts, &call, task, scratch);
}

static void run_sum(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    const sum *s = launch->data;
    if (s->shares > 1)
        cj__sum_shares(s->weights, s->shares, operands[3], operands[2], task);
    else
        run_shares(launch, operands, task, scratch);
}

static const char *describe_sum(const cj__launch *launch)
{
    return ((const sum *)launch->data)->name;
}

static cj_status prepare_shares(cj__launch *launch, cj__arena *arena)
{
    (void)arena;
    const sum *s = launch->data;
    launch->tasks = s->tasks;
    launch->scratch_bytes = s->scratch_bytes;
    return CJ_OK;
}

static const cj__kernel shares_kernel = {
    .name = "shares of a gradient by the weight", .op = -1, .prepare = prepare_shares, .run = run_shares};

#define TO_WEIGHT(title, refuse_it, cannot_it, prepare_it)                                                   \
    {                                                                                                        \
        .name = title, .op = CJ__OP_convolution_weight_gradient, .refuse = refuse_it, .cannot = cannot_it,   \
        .prepare = prepare_it, .run = run_sum, .describe = describe_sum, .before = &shares_kernel,           \
        .before_reads = 3                                                                                    \
    }

static const char *other_than_f32(const cj__launch *launch)
{
    bool f32 = launch->types[0].dtype == CJ_F32 && launch->types[1].dtype == CJ_F32;
    return f32 ? NULL : "it multiplies f32 only";
}

static const char *refuse_depthwise_to_weight(const cj__launch *launch)
{
    const char *reason = other_than_f32(launch);
    return reason ? reason : refuse_depthwise(launch);
}

static cj_status prepare_depthwise_to_weight(cj__launch *launch, cj__arena *arena)
{
    return plan_sum(launch, arena, DEPTHWISE_EACH);
}

const cj__kernel cj__depthwise_to_weight_kernel = TO_WEIGHT(
    "depthwise gradient by the weight f32", refuse_depthwise_to_weight, NULL, prepare_depthwise_to_weight);

static const char *refuse_direct_to_weight(const cj__launch *launch)
{
    cj__window w = cj__convolution_window(launch);
    int64_t seen = (w.result[2] - 1) * w.stride[2] + (w.kernel[2] - 1) * w.dilation[2] + 1;
    const char *reason = other_than_f32(launch);
    if (reason) return reason;
    return seen > 3 * w.size[2] + 64 ? "the padding is far wider than what it is around" : NULL;
}

static cj_status prepare_direct_to_weight(cj__launch *launch, cj__arena *arena)
{
    return plan_sum(launch, arena, DIRECT);
}

const cj__kernel cj__direct_to_weight_kernel =
    TO_WEIGHT("gradient by the weight f32", refuse_direct_to_weight, NULL, prepare_direct_to_weight);

static const char *cannot_by_parts_to_weight(const cj__launch *launch)
{
    const char *reason = other_than_f32(launch);
    return reason ? reason : cannot_by_parts(launch);
}

/* Strips are of channels that were read, in halves of 16. */
static const char *refuse_by_parts_to_weight(const cj__launch *launch)
{
    const cj__split_kernels *split;
    const char *reason = cannot_by_parts_to_weight(launch), *unused;
    if (reason) return reason;
    cj__window w = cj__convolution_window(launch);
    int parts = cj__convolution_parts(launch, &split, &unused);
    int64_t results = w.batch * w.result[0] * w.result[1] * w.result[2], halves = (w.in + 15) / 16;
    if (!refuse_pointwise(launch)) return "it is a matrix product";
    if (8 * w.in < halves * 16 * least_eighths(split, parts)) return "too few channels were read";
    if (cj__split_parts(split, launch->precision, w.in, w.out, results) == 0)
        return "it is too small for bf16";
    return winograd_is_faster(launch, split) ? "winograd is faster" : NULL;
}

static cj_status prepare_by_parts_to_weight(cj__launch *launch, cj__arena *arena)
{
    return plan_sum(launch, arena, DIRECT_BY_PARTS);
}

const cj__kernel cj__by_parts_to_weight_kernel =
    TO_WEIGHT("gradient by the weight by parts", refuse_by_parts_to_weight, cannot_by_parts_to_weight,
              prepare_by_parts_to_weight);

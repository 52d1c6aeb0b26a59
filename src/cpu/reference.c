/* The last resort and the measure of all other kernels: operands are widened to double, the op's definition
 * runs, results are rounded to their type. */
#include "base/bf16.h"
#include "cpu/backend.h"

static void widen(cj_dtype dtype, int64_t count, const void *from, double *to)
{
    for (int64_t i = 0; i < count; i++) switch (dtype) {
        case CJ_F32:
            to[i] = ((const float *)from)[i];
            break;
        case CJ_BF16:
            to[i] = cj__bf16_to_float(((const uint16_t *)from)[i]);
            break;
        case CJ_F64:
            to[i] = ((const double *)from)[i];
            break;
        case CJ_I32:
            to[i] = ((const int32_t *)from)[i];
            break;
        case CJ_I64:
            to[i] = (double)((const int64_t *)from)[i];
            break;
        case CJ_U8:
        case CJ_BOOL:
            to[i] = ((const uint8_t *)from)[i];
            break;
        }
}

/* Into [low, high], and NaN to 0: out of range would be undefined in C. */
static double limited(double x, double low, double high)
{
    return x != x ? 0 : x < low ? low : x > high ? high : x;
}

static void narrow(cj_dtype dtype, int64_t count, const double *from, void *to)
{
    for (int64_t i = 0; i < count; i++) switch (dtype) {
        case CJ_F32:
            ((float *)to)[i] = (float)from[i];
            break;
        case CJ_BF16:
            ((uint16_t *)to)[i] = cj__bf16_from_double(from[i]);
            break;
        case CJ_F64:
            ((double *)to)[i] = from[i];
            break;
        case CJ_I32:
            ((int32_t *)to)[i] = (int32_t)limited(from[i], INT32_MIN, INT32_MAX);
            break;
        case CJ_I64:
            ((int64_t *)to)[i] =
                from[i] >= 0x1p63 ? INT64_MAX : (int64_t)limited(from[i], -0x1p63, 0x1p63 - 1024);
            break;
        case CJ_U8:
            ((uint8_t *)to)[i] = (uint8_t)limited(from[i], 0, 255);
            break;
        case CJ_BOOL:
            ((uint8_t *)to)[i] = from[i] != 0;
            break;
        }
}

static const char *refuse(const cj__launch *launch)
{
    const cj__op_info *info = &cj__ops[launch->op];
    return info->reference || info->scalar ? NULL : "the op has no definition by itself";
}

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    (void)arena;
    int64_t doubles = 0, operands = launch->inputs_count + launch->outputs_count;
    for (int64_t i = 0; i < operands; i++) doubles += cj_shape_count(launch->types[i].shape) + 1;
    launch->scratch_bytes = (size_t)doubles * sizeof(double) + (size_t)operands * sizeof(double *);
    return CJ_OK;
}

static void elementwise(const cj__reference *r, double (*scalar)(double, double, double))
{
    const double *zero = r->inputs[0];
    const double *b = r->inputs_count > 1 ? r->inputs[1] : zero,
                 *c = r->inputs_count > 2 ? r->inputs[2] : zero;
    for (int64_t i = 0; i < cj_shape_count(r->output_types[0].shape); i++)
        r->outputs[0][i] = scalar(r->inputs[0][i], b[i], c[i]);
}

static void run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    (void)task;
    int inputs = launch->inputs_count, total = inputs + launch->outputs_count;
    double **arrays = scratch, *next = (double *)(arrays + total);
    for (int i = 0; i < total; i++) {
        int64_t count = cj_shape_count(launch->types[i].shape);
        arrays[i] = next;
        next += count + 1;
        if (i < inputs) widen(launch->types[i].dtype, count, operands[i], arrays[i]);
    }
    cj__reference r = {launch->attributes,     inputs,
                       launch->outputs_count,  launch->types,
                       launch->types + inputs, (const double *const *)arrays,
                       arrays + inputs};
    const cj__op_info *info = &cj__ops[launch->op];
    if (info->scalar)
        elementwise(&r, info->scalar);
    else
        info->reference(&r);
    for (int i = inputs; i < total; i++)
        narrow(launch->types[i].dtype, cj_shape_count(launch->types[i].shape), arrays[i], operands[i]);
}

const cj__kernel cj__reference_kernel = {
    .name = "reference", .op = -1, .refuse = refuse, .prepare = prepare, .run = run};

/* Integer arithmetic, exact over the full range: elementwise ops, casts from integers, reductions and running
 * sums. Elements pass through int64_t a tile at a time; a result that its type cannot hold wraps around, as
 * in PyTorch and NumPy. What a double would round past 2^53 never meets one here. */
#include "base/bf16.h"
#include "base/shape.h"
#include "cpu/backend.h"

#include <string.h>

enum { TILE = 256, TASK_ELEMENTS = 16384 };

/* Unsigned inside: overflow wraps instead of being undefined. */
static int64_t add(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static int64_t multiply(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a * (uint64_t)b);
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t negative(int64_t a)
{
    return (int64_t)(0 - (uint64_t)a);
}

/* --- elementwise --------------------------------------------------------------------------------------- */

typedef void (*tile_function)(int64_t *out, const int64_t *pa, const int64_t *pb, const int64_t *pc);
#define INTEGER(name, expression)                                                                            \
    static void name##_tile(int64_t *restrict out, const int64_t *pa, const int64_t *pb, const int64_t *pc)  \
    {                                                                                                        \
        for (int i = 0; i < TILE; i++) {                                                                     \
            int64_t a = pa[i], b = pb[i], c = pc[i];                                                         \
            (void)a, (void)b, (void)c;                                                                       \
            out[i] = expression;                                                                             \
        }                                                                                                    \
    }
INTEGER(add, add(a, b))
INTEGER(sub, add(a, negative(b)))
INTEGER(mul, multiply(a, b))
INTEGER(maximum, larger(a, b))
INTEGER(minimum, smaller(a, b))
INTEGER(equal, a == b)
INTEGER(not_equal, a != b)
INTEGER(less, a < b)
INTEGER(less_equal, a <= b)
INTEGER(logical_and, a != 0 && b != 0)
INTEGER(logical_or, a != 0 || b != 0)
INTEGER(logical_not, a == 0)
INTEGER(is_finite, 1)
INTEGER(select, a != 0 ? b : c)
INTEGER(neg, negative(a))
INTEGER(abs, a < 0 ? negative(a) : a)
INTEGER(sign, (a > 0) - (a < 0))
INTEGER(relu, a < 0 ? 0 : a)
INTEGER(copy, a)

#define ROW(name) [CJ__OP_##name] = name##_tile
static const tile_function functions[CJ__OP_COUNT] = {
    ROW(add),
    ROW(sub),
    ROW(mul),
    ROW(maximum),
    ROW(minimum),
    ROW(equal),
    ROW(not_equal),
    ROW(less),
    ROW(less_equal),
    ROW(logical_and),
    ROW(logical_or),
    ROW(logical_not),
    ROW(is_finite),
    ROW(select),
    ROW(neg),
    ROW(abs),
    ROW(sign),
    ROW(relu),
    [CJ__OP_stop_gradient] = copy_tile,
    [CJ__OP_cast] = copy_tile,
};

/* n elements from place `at` on; the rest of the tile is 0. */
static void load(cj_dtype dtype, const void *from, int64_t at, int64_t n, int64_t *tile)
{
    switch (dtype) {
    case CJ_I32:
        for (int64_t i = 0; i < n; i++) tile[i] = ((const int32_t *)from)[at + i];
        break;
    case CJ_I64:
        memcpy(tile, (const int64_t *)from + at, (size_t)n * sizeof *tile);
        break;
    default:
        for (int64_t i = 0; i < n; i++) tile[i] = ((const uint8_t *)from)[at + i];
        break;
    }
    memset(tile + n, 0, (size_t)(TILE - n) * sizeof *tile);
}

static void store(cj_dtype dtype, const int64_t *tile, int64_t at, int64_t n, void *to)
{
    switch (dtype) {
    case CJ_I32:
        for (int64_t i = 0; i < n; i++) ((int32_t *)to)[at + i] = (int32_t)(uint32_t)(uint64_t)tile[i];
        break;
    case CJ_I64:
        memcpy((int64_t *)to + at, tile, (size_t)n * sizeof *tile);
        break;
    case CJ_U8:
        for (int64_t i = 0; i < n; i++) ((uint8_t *)to)[at + i] = (uint8_t)tile[i];
        break;
    case CJ_BOOL:
        for (int64_t i = 0; i < n; i++) ((uint8_t *)to)[at + i] = tile[i] != 0;
        break;
    case CJ_F32:
        for (int64_t i = 0; i < n; i++) ((float *)to)[at + i] = (float)tile[i];
        break;
    case CJ_F64:
        for (int64_t i = 0; i < n; i++) ((double *)to)[at + i] = (double)tile[i];
        break;
    case CJ_BF16: /* a double is exact wherever 16 bits could tell */
        for (int64_t i = 0; i < n; i++) ((uint16_t *)to)[at + i] = cj__bf16_from_double((double)tile[i]);
        break;
    }
}

static const char *refuse(const cj__launch *launch)
{
    if (!functions[launch->op]) return "";
    for (int i = 0; i < launch->inputs_count; i++)
        if (cj__dtype_is_float(launch->types[i].dtype)) return "its operands are not all integers";
    return NULL;
}

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    (void)arena;
    int64_t count = cj_shape_count(launch->types[0].shape);
    launch->tasks = (count + TASK_ELEMENTS - 1) / TASK_ELEMENTS;
    return CJ_OK;
}

static void run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    (void)scratch;
    int64_t tiles[4][TILE], count = cj_shape_count(launch->types[0].shape), end = (task + 1) * TASK_ELEMENTS;
    int inputs = launch->inputs_count;
    if (end > count) end = count;
    for (int64_t at = task * TASK_ELEMENTS; at < end; at += TILE) {
        int64_t n = end - at < TILE ? end - at : TILE;
        for (int i = 0; i < inputs; i++) load(launch->types[i].dtype, operands[i], at, n, tiles[i]);
        functions[launch->op](tiles[3], tiles[0], tiles[inputs > 1 ? 1 : 0], tiles[inputs > 2 ? 2 : 0]);
        store(launch->types[inputs].dtype, tiles[3], at, n, operands[inputs]);
    }
}

const cj__kernel cj__integer_kernel = {
    .name = "integers", .op = -1, .refuse = refuse, .prepare = prepare, .run = run};

/* --- reductions and running sums ----------------------------------------------------------------------- */

static int64_t load_one(cj_dtype dtype, const void *from, int64_t at)
{
    return dtype == CJ_I32   ? ((const int32_t *)from)[at]
           : dtype == CJ_I64 ? ((const int64_t *)from)[at]
                             : ((const uint8_t *)from)[at];
}

static void store_one(cj_dtype dtype, int64_t x, int64_t at, void *to)
{
    int64_t tile[1] = {x};
    store(dtype, tile, at, 1, to);
}

static const struct {
    int64_t (*step)(int64_t, int64_t);
    int64_t start;
} folds[CJ__OP_COUNT] = {
    [CJ__OP_sum] = {add, 0},
    [CJ__OP_product] = {multiply, 1},
    [CJ__OP_max] = {larger, INT64_MIN},
    [CJ__OP_min] = {smaller, INT64_MAX},
    [CJ__OP_cumulative_sum] = {add, 0},
};

/* The extreme of nothing is the type's own last value. */
static int64_t start_of(cj__op op, cj_dtype dtype)
{
    if (dtype == CJ_I64 || op == CJ__OP_sum || op == CJ__OP_product) return folds[op].start;
    bool max = op == CJ__OP_max;
    if (dtype == CJ_I32) return max ? INT32_MIN : INT32_MAX;
    return max ? 0 : dtype == CJ_U8 ? UINT8_MAX : 1;
}

static const char *refuse_reduction(const cj__launch *launch)
{
    if (!folds[launch->op].step) return "";
    return cj__dtype_is_float(launch->types[0].dtype) ? "it takes integers only" : NULL;
}

static cj_status prepare_reduction(cj__launch *launch, cj__arena *arena)
{
    (void)launch, (void)arena;
    return CJ_OK;
}

static void reduce(const cj__launch *launch, void *const *operands)
{
    const cj__reduce_attributes *a = launch->attributes;
    cj_shape_t x = launch->types[0].shape;
    cj_dtype dtype = launch->types[0].dtype;
    int64_t stride[CJ_MAX_RANK] = {0}, size = 1, index[CJ_MAX_RANK] = {0};
    for (int64_t d = x.rank - 1; d >= 0; d--)
        if (!(a->axes >> d & 1)) stride[d] = size, size *= x.dims[d];
    for (int64_t i = 0; i < cj_shape_count(launch->types[1].shape); i++)
        store_one(dtype, start_of(launch->op, dtype), i, operands[1]);
    for (int64_t i = 0; i < cj_shape_count(x); i++) {
        int64_t place = 0;
        for (int64_t d = 0; d < x.rank; d++) place += index[d] * stride[d];
        int64_t so_far = load_one(dtype, operands[1], place);
        store_one(dtype, folds[launch->op].step(so_far, load_one(dtype, operands[0], i)), place, operands[1]);
        for (int64_t d = x.rank - 1; d >= 0 && ++index[d] == x.dims[d]; d--) index[d] = 0;
    }
}

static void running_sums(const cj__launch *launch, void *const *operands)
{
    const cj__running_attributes *a = launch->attributes;
    cj_shape_t x = launch->types[0].shape;
    cj_dtype dtype = launch->types[0].dtype;
    int64_t length = x.dims[a->axis], inner = 1, count = cj_shape_count(x);
    for (int64_t d = a->axis + 1; d < x.rank; d++) inner *= x.dims[d];
    for (int64_t line = 0; length && line < count / length; line++) {
        int64_t first = line / inner * length * inner + line % inner, sum = 0;
        for (int64_t step = 0; step < length; step++) {
            int64_t at = first + (a->reverse ? length - 1 - step : step) * inner, before = sum;
            sum = add(sum, load_one(dtype, operands[0], at));
            store_one(dtype, a->exclusive ? before : sum, at, operands[1]);
        }
    }
}

static void run_reduction(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    (void)task, (void)scratch;
    if (launch->op == CJ__OP_cumulative_sum)
        running_sums(launch, operands);
    else
        reduce(launch, operands);
}

const cj__kernel cj__integer_reduce_kernel = {.name = "reduce integers",
                                              .op = -1,
                                              .refuse = refuse_reduction,
                                              .prepare = prepare_reduction,
                                              .run = run_reduction};

/* One source for every instruction set: plain C that the compiler turns into vectors, since no element
 * depends on another. Compiled once for each by cmake/kernels.cmake. What is arithmetic alone has the same
 * bits on all of them; functions have not where some of them round a product and a sum once (functions.h). */
#include "cpu/kernels/functions.h"
#include "cpu/simd.h"
#include "cpu/vector.h"

/* --- the elementwise table ----------------------------------------------------------------------------- */

/* Operands may be the results' memory, element by element: no step depends on another. */
#ifdef __clang__
#pragma clang diagnostic ignored "-Wpass-failed"
#define STEPS_APART _Pragma("clang loop vectorize(assume_safety)")
#else
#define STEPS_APART _Pragma("GCC ivdep")
#endif

#define VECTOR(name, expression)                                                                             \
    static void name##_vector(int64_t n, float *out, const float *pa, const float *pb, const float *pc)      \
    {                                                                                                        \
        STEPS_APART                                                                                          \
        for (int64_t i = 0; i < n; i++) {                                                                    \
            float a = pa[i], b = pb[i], c = pc[i];                                                           \
            (void)a, (void)b, (void)c;                                                                       \
            out[i] = expression;                                                                             \
        }                                                                                                    \
    }
static inline float sigmoid_of(float x)
{
    return 1 / (1 + exp_of(-x));
}

static inline float gelu_slope_of(float x, float density, float below)
{
    return times_plus(x, density, below);
}

/* (1 + tanh u) / 2 is the sigmoid of 2u. */
static inline float bent_of(float x)
{
    return 0.797884561f * x * times_plus(0.044715f, x * x, 1);
}

/* s: of 2 · bent_of(x) */
static inline float gelu_tanh_slope_of(float x, float s)
{
    float rise = 0.797884561f * times_plus(3 * 0.044715f, x * x, 1);
    return times_plus(2 * x * (s * (1 - s)), rise, s);
}

/* s: of x */
static inline float silu_slope_of(float x, float s)
{
    return s * times_plus(x, 1 - s, 1);
}

VECTOR(add, a + b)
VECTOR(sub, a - b)
VECTOR(mul, a *b)
VECTOR(div, a / b)
VECTOR(pow, (float)pow((double)a, (double)b))
VECTOR(maximum, a > b || a != a ? a : b)
VECTOR(minimum, a < b || a != a ? a : b)
VECTOR(equal, a == b ? 1.0f : 0.0f)
VECTOR(not_equal, a != b ? 1.0f : 0.0f)
VECTOR(less, a < b ? 1.0f : 0.0f)
VECTOR(less_equal, a <= b ? 1.0f : 0.0f)
VECTOR(logical_and, a *b)
VECTOR(logical_or, a > b ? a : b)
VECTOR(logical_not, 1.0f - a)
VECTOR(is_finite, a - a == 0 ? 1.0f : 0.0f)
VECTOR(select, a != 0 ? b : c)
VECTOR(neg, -a)
VECTOR(abs, a < 0 ? -a : a + 0.0f)
VECTOR(sign, a > 0 ? 1.0f : a < 0 ? -1.0f : a)
VECTOR(exp, exp_of(a))
VECTOR(log, log_of(a))
VECTOR(log1p, log1p_of(a))
VECTOR(expm1, expm1_of(a))
VECTOR(sqrt, sqrtf(a))
VECTOR(rsqrt, 1 / sqrtf(a))
VECTOR(reciprocal, 1 / a)
VECTOR(sin, (float)sin((double)a))
VECTOR(cos, (float)cos((double)a))
VECTOR(tanh, tanh_of(a))
VECTOR(sigmoid, sigmoid_of(a))
VECTOR(erf, erf_of(a))
VECTOR(relu, a < 0 ? 0.0f : a)
VECTOR(gelu, a *normal_below_of(a, normal_density_of(a)))
VECTOR(gelu_slope, gelu_slope_of(a, normal_density_of(a), normal_below_of(a, normal_density_of(a))))
VECTOR(gelu_tanh, a *sigmoid_of(2 * bent_of(a)))
VECTOR(gelu_tanh_slope, gelu_tanh_slope_of(a, sigmoid_of(2 * bent_of(a))))
VECTOR(silu, a *sigmoid_of(a))
VECTOR(silu_slope, silu_slope_of(a, sigmoid_of(a)))
VECTOR(floor, floorf(a))
VECTOR(ceil, ceilf(a))
VECTOR(round, rintf(a))
VECTOR(round_bf16, round_bf16_of(a))
VECTOR(copy, a)
VECTOR(truth, a != 0 ? 1.0f : 0.0f)

#define ROW(name) [CJ__OP_##name] = name##_vector
static const cj__vector_function elementwise[CJ__OP_COUNT + 1] = {
    ROW(add),
    ROW(sub),
    ROW(mul),
    ROW(div),
    ROW(pow),
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
    ROW(exp),
    ROW(log),
    ROW(log1p),
    ROW(expm1),
    ROW(sqrt),
    ROW(rsqrt),
    ROW(reciprocal),
    ROW(sin),
    ROW(cos),
    ROW(tanh),
    ROW(sigmoid),
    ROW(erf),
    ROW(relu),
    ROW(gelu),
    ROW(gelu_slope),
    ROW(gelu_tanh),
    ROW(gelu_tanh_slope),
    ROW(silu),
    ROW(silu_slope),
    ROW(floor),
    ROW(ceil),
    ROW(round),
    ROW(round_bf16),
    [CJ__OP_stop_gradient] = copy_vector,
    [CJ__OP_cast] = copy_vector,
    [CJ__OP_COUNT] = truth_vector,
};

/* --- pairs: what is left of a chain when its products and sums go two by two --------------------------- */

#define PAIR(name, expression)                                                                               \
    static void name##_pair(int64_t n, float *out, const float *pa, const float *pb, const float *pc)        \
    {                                                                                                        \
        int64_t i = 0;                                                                                       \
        for (; i + CJ__LANES <= n; i += CJ__LANES) {                                                         \
            cj__floats a = cj__v_load(pa + i), b = cj__v_load(pb + i), c = cj__v_load(pc + i);               \
            cj__v_store(out + i, expression);                                                                \
        }                                                                                                    \
        if (i == n) return;                                                                                  \
        cj__mask m = cj__m_first(n - i);                                                                     \
        cj__floats a = cj__v_load_masked(pa + i, m), b = cj__v_load_masked(pb + i, m);                       \
        cj__floats c = cj__v_load_masked(pc + i, m);                                                         \
        cj__v_store_masked(out + i, expression, m);                                                          \
    }
#define PAIRS(first)                                                                                         \
    PAIR(first##_add, cj__v_add(cj__v_##first(a, b), c))                                                     \
    PAIR(first##_sub, cj__v_sub(cj__v_##first(a, b), c))                                                     \
    PAIR(first##_from, cj__v_sub(c, cj__v_##first(a, b)))                                                    \
    PAIR(first##_mul, cj__v_mul(cj__v_##first(a, b), c))                                                     \
    PAIR(first##_relu, ((void)c, rectified(cj__v_##first(a, b))))

CJ__INLINE cj__floats rectified(cj__floats x)
{
    cj__floats zero = cj__v_set(0.0f);
    return cj__v_select(cj__m_greater(zero, x), zero, x);
}

PAIRS(add)
PAIRS(sub)
PAIRS(mul)

#define PAIRS_ROW(first)                                                                                     \
    {                                                                                                        \
        first##_add_pair, first##_sub_pair, first##_from_pair, first##_mul_pair, first##_relu_pair           \
    }
static cj__vector_function pair(cj__op first, cj__op second, bool swapped)
{
    static const cj__vector_function pairs[3][5] = {PAIRS_ROW(add), PAIRS_ROW(sub), PAIRS_ROW(mul)};
    int row = first == CJ__OP_add ? 0 : first == CJ__OP_sub ? 1 : first == CJ__OP_mul ? 2 : -1;
    if (row < 0) return NULL;
    switch ((int)second) {
    case CJ__OP_add:
        return pairs[row][0];
    case CJ__OP_sub:
        return pairs[row][swapped ? 2 : 1];
    case CJ__OP_mul:
        return pairs[row][3];
    case CJ__OP_relu:
        return pairs[row][4];
    default:
        return NULL;
    }
}

/* --- twins: activations and their slopes ---------------------------------------------------------------- */

#define TWINS(name, common, activation, its_slope)                                                           \
    static void name##_twins(int64_t n, float *out, float *slope, const float *pa)                           \
    {                                                                                                        \
        STEPS_APART                                                                                          \
        for (int64_t i = 0; i < n; i++) {                                                                    \
            float a = pa[i], common;                                                                         \
            out[i] = activation;                                                                             \
            slope[i] = its_slope;                                                                            \
        }                                                                                                    \
    }
#define NORMAL density = normal_density_of(a), below = normal_below_of(a, density)

TWINS(gelu, NORMAL, a *below, gelu_slope_of(a, density, below))
TWINS(gelu_tanh, s = sigmoid_of(2 * bent_of(a)), a *s, gelu_tanh_slope_of(a, s))
TWINS(silu, s = sigmoid_of(a), a *s, silu_slope_of(a, s))

static cj__vector_twins twins(cj__op activation, cj__op slope)
{
    if (activation == CJ__OP_gelu && slope == CJ__OP_gelu_slope) return gelu_twins;
    if (activation == CJ__OP_gelu_tanh && slope == CJ__OP_gelu_tanh_slope) return gelu_tanh_twins;
    if (activation == CJ__OP_silu && slope == CJ__OP_silu_slope) return silu_twins;
    return NULL;
}

/* --- reductions: sixteen running results, folded in one fixed order ------------------------------------ */

#define SUM(a, b)     ((a) + (b))
#define PRODUCT(a, b) ((a) * (b))
/* NaN wins. */
#define LARGER(so_far, now)  ((now) > (so_far) || (now) != (now) ? (now) : (so_far))
#define SMALLER(so_far, now) ((now) < (so_far) || (now) != (now) ? (now) : (so_far))

static void sum_lanes(int64_t n, const float *x, float lanes[16])
{
    float lane[16];
    int64_t i = 0;
    memcpy(lane, lanes, sizeof lane);
    for (; i + 16 <= n; i += 16)
        for (int k = 0; k < 16; k++) lane[k] += x[i + k];
    for (int k = 0; i < n; i++, k++) lane[k] += x[i];
    memcpy(lanes, lane, sizeof lane);
}

/* The sixteen running results of a row as one. */
#define FOLDED(lane, combine)                                                                                \
    for (int width = 8; width; width /= 2)                                                                   \
        for (int k = 0; k < width; k++) lane[k] = combine(lane[k], lane[k + width]);

static float sum_vector(int64_t n, const float *x)
{
    float lane[16] = {0};
    sum_lanes(n, x, lane);
    FOLDED(lane, SUM)
    return lane[0];
}

static float product_vector(int64_t n, const float *x)
{
    float lane[16];
    int64_t i = 0;
    for (int k = 0; k < 16; k++) lane[k] = 1;
    for (; i + 16 <= n; i += 16)
        for (int k = 0; k < 16; k++) lane[k] *= x[i + k];
    for (int k = 0; i < n; i++, k++) lane[k] *= x[i];
    FOLDED(lane, PRODUCT)
    return lane[0];
}

static void max_lanes(int64_t n, const float *x, float lanes[16])
{
    float lane[16];
    int64_t i = 0;
    memcpy(lane, lanes, sizeof lane);
    for (; i + 16 <= n; i += 16)
        for (int k = 0; k < 16; k++) lane[k] = LARGER(lane[k], x[i + k]);
    for (int k = 0; i < n; i++, k++) lane[k] = LARGER(lane[k], x[i]);
    memcpy(lanes, lane, sizeof lane);
}

static float max_vector(int64_t n, const float *x)
{
    float lane[16];
    for (int k = 0; k < 16; k++) lane[k] = -INFINITY;
    max_lanes(n, x, lane);
    FOLDED(lane, LARGER)
    return lane[0];
}

static float min_vector(int64_t n, const float *x)
{
    float lane[16];
    int64_t i = 0;
    for (int k = 0; k < 16; k++) lane[k] = INFINITY;
    for (; i + 16 <= n; i += 16)
        for (int k = 0; k < 16; k++) lane[k] = SMALLER(lane[k], x[i + k]);
    for (int k = 0; i < n; i++, k++) lane[k] = SMALLER(lane[k], x[i]);
    FOLDED(lane, SMALLER)
    return lane[0];
}

static void fill(int64_t n, float value, float *to)
{
    for (int64_t i = 0; i < n; i++) to[i] = value;
}

/* --- bf16 ---------------------------------------------------------------------------------------------- */

static void widen(int64_t n, const uint16_t *restrict from, float *restrict to)
{
    for (int64_t i = 0; i < n; i++) to[i] = from_bits((uint32_t)from[i] << 16);
}

static void narrow(int64_t n, const float *restrict from, uint16_t *restrict to)
{
    for (int64_t i = 0; i < n; i++) to[i] = cj__bf16_from_float(from[i]);
}

/* --- bytes: u8 and bool --------------------------------------------------------------------------------- */

static void from_bytes(int64_t n, const uint8_t *restrict from, float *restrict to)
{
    for (int64_t i = 0; i < n; i++) to[i] = (float)from[i];
}

static void to_truths(int64_t n, const float *restrict from, uint8_t *restrict to)
{
    for (int64_t i = 0; i < n; i++) to[i] = from[i] != 0;
}

/* --- pictures ------------------------------------------------------------------------------------------ */

static void scale_bytes(int64_t n, const uint8_t *restrict from, const float *restrict scale,
                        const float *restrict shift, float *restrict to)
{
    for (int64_t i = 0; i < n; i++) to[i] = (float)from[i] * scale[i] + shift[i];
}

const cj__vector_table CJ__NAME(cj__vector) = {
    elementwise, pair,  twins,  sum_vector, max_vector, min_vector, product_vector, sum_lanes,
    max_lanes,   widen, narrow, fill,       from_bytes, to_truths,  scale_bytes};

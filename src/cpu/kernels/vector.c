/* One source for every instruction set: plain C that the compiler turns into vectors, since no element
 * depends on another. Compiled once for each by cmake/kernels.cmake. Bits are the same on all of them. */
#include "cpu/simd.h"
#include "cpu/vector.h"

#include <math.h>
#include <string.h>

/* --- functions of one element, within about 2 units in the last place ---------------------------------- */

static inline float from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

static inline uint32_t to_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return bits;
}

/* exp r for |r| ≤ ln2/2: the series to r⁷ is good to 5e-9. Without its 1: expm1. */
static inline float exp_series_minus_1(float r)
{
    float p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    return p * r * r + r;
}

static inline float exp_of(float x)
{
    x = x > 89.0f ? 89.0f : x;
    x = x < -104.0f ? -104.0f : x;
    float shifted = x * 1.44269504f + 12582912.0f; /* 1.5·2²³: the integer part lands in the low bits */
    float n = shifted - 12582912.0f;
    float r = (x - n * 0.693145752f) - n * 1.42860677e-6f;
    int32_t power = (int32_t)to_bits(shifted) - 0x4b400000;
    power = power > 128 ? 128 : power < -150 ? -150 : power; /* NaN arrives here with any bits */
    int32_t half = power / 2;
    float scale1 = from_bits((uint32_t)(half + 127) << 23),
          scale2 = from_bits((uint32_t)(power - half + 127) << 23);
    return (exp_series_minus_1(r) + 1) * scale1 * scale2;
}

static inline float expm1_of(float x)
{
    float small = exp_series_minus_1(x), large = exp_of(x) - 1;
    return x > -0.34f && x < 0.34f ? small : large;
}

/* log m for m in [√½, √2) by s = (m-1)/(m+1): 2 (s + s³/3 + s⁵/5 + …). */
static inline float log_of(float x)
{
    bool tiny = x < 1.17549435e-38f;
    float y = tiny ? x * 8388608.0f : x;
    uint32_t bits = to_bits(y) - 0x3f3504f3u;
    float e = (float)((int32_t)bits >> 23) - (tiny ? 23.0f : 0.0f);
    float m = from_bits((bits & 0x7fffffu) + 0x3f3504f3u);
    float f = m - 1, s = f / (m + 1), z = s * s;
    float p = z * (2.0f / 3 + z * (2.0f / 5 + z * (2.0f / 7 + z * (2.0f / 9 + z * (2.0f / 11)))));
    /* 2s = f - f·s, exact enough near 1 */
    float result = e * 0.693145752f + (f - (f * s - (s * p + e * 1.42860677e-6f)));
    result = x > 3.40282347e38f ? x : result;
    result = x == 0 ? -INFINITY : result;
    return x < 0 || x != x ? NAN : result;
}

static inline float log1p_of(float x)
{
    float u = 1 + x, d = u - 1;
    float corrected = log_of(u) * (x / (d == 0 ? 1 : d));
    return d == 0 ? x : u > 3.40282347e38f ? u : corrected;
}

static inline float tanh_of(float x)
{
    float y = x > 10 ? 10 : x < -10 ? -10 : x, e = expm1_of(2 * y);
    return e / (e + 2);
}

/* The series below 1; above, Abramowitz and Stegun 7.1.26, good to 1.5e-7. */
static inline float erf_of(float x)
{
    float z = x * x, a = x < 0 ? -x : x;
    float p = -1.0f / 76204800;
    p = p * z + 1.0f / 6894720;
    p = p * z - 1.0f / 685440;
    p = p * z + 1.0f / 75600;
    p = p * z - 1.0f / 9360;
    p = p * z + 1.0f / 1320;
    p = p * z - 1.0f / 216;
    p = p * z + 1.0f / 42;
    p = p * z - 0.1f;
    p = p * z + 1.0f / 3;
    float near = 1.12837917f * (x - x * z * p);
    float t = 1 / (1 + 0.3275911f * a);
    float q = t * (0.254829592f +
                   t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
    float far = 1 - q * exp_of(-z);
    return a < 1 ? near : x < 0 ? -far : far;
}

/* --- the elementwise table ----------------------------------------------------------------------------- */

#define VECTOR(name, expression)                                                                             \
    static void name##_vector(int64_t n, float *restrict out, const float *pa, const float *pb,              \
                              const float *pc)                                                               \
    {                                                                                                        \
        for (int64_t i = 0; i < n; i++) {                                                                    \
            float a = pa[i], b = pb[i], c = pc[i];                                                           \
            (void)a, (void)b, (void)c;                                                                       \
            out[i] = expression;                                                                             \
        }                                                                                                    \
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
VECTOR(sigmoid, 1 / (1 + exp_of(-a)))
VECTOR(erf, erf_of(a))
VECTOR(relu, a < 0 ? 0.0f : a)
VECTOR(floor, floorf(a))
VECTOR(ceil, ceilf(a))
VECTOR(round, rintf(a))
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
    ROW(floor),
    ROW(ceil),
    ROW(round),
    [CJ__OP_stop_gradient] = copy_vector,
    [CJ__OP_cast] = copy_vector,
    [CJ__OP_COUNT] = truth_vector,
};

/* --- reductions: sixteen running results, folded in one fixed order ------------------------------------ */

static float sum_vector(int64_t n, const float *x)
{
    float lane[16] = {0};
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int k = 0; k < 16; k++) lane[k] += x[i + k];
    for (int k = 0; i < n; i++, k++) lane[k] += x[i];
    for (int width = 8; width; width /= 2)
        for (int k = 0; k < width; k++) lane[k] += lane[k + width];
    return lane[0];
}

static float product_vector(int64_t n, const float *x)
{
    float lane[16];
    for (int k = 0; k < 16; k++) lane[k] = 1;
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int k = 0; k < 16; k++) lane[k] *= x[i + k];
    for (int k = 0; i < n; i++, k++) lane[k] *= x[i];
    for (int width = 8; width; width /= 2)
        for (int k = 0; k < width; k++) lane[k] *= lane[k + width];
    return lane[0];
}

/* The larger or smaller of two, by the comparison; NaN wins. */
#define CHOSEN(now, so_far, better) ((now)better(so_far) || (now) != (now) ? (now) : (so_far))
#define EXTREMUM(name, better, start)                                                                        \
    static float name##_vector(int64_t n, const float *x)                                                    \
    {                                                                                                        \
        float lane[16];                                                                                      \
        for (int k = 0; k < 16; k++) lane[k] = start;                                                        \
        int64_t i = 0;                                                                                       \
        for (; i + 16 <= n; i += 16)                                                                         \
            for (int k = 0; k < 16; k++) lane[k] = CHOSEN(x[i + k], lane[k], better);                        \
        for (int k = 0; i < n; i++, k++) lane[k] = CHOSEN(x[i], lane[k], better);                            \
        for (int width = 8; width; width /= 2)                                                               \
            for (int k = 0; k < width; k++) lane[k] = CHOSEN(lane[k + width], lane[k], better);              \
        return lane[0];                                                                                      \
    }
EXTREMUM(max, >, -INFINITY)
EXTREMUM(min, <, INFINITY)

const cj__vector_table CJ__NAME(cj__vector) = {elementwise, sum_vector, max_vector, min_vector,
                                               product_vector};

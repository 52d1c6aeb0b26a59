/* Functions of one f32, within about 2 units in the last place, without branches: loops over them become
 * vectors. For the files of src/cpu/kernels, which are compiled once for each instruction set. */
#ifndef CJ__FUNCTIONS_H
#define CJ__FUNCTIONS_H

#include "base/bf16.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline __attribute__((unused)) float from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

static inline __attribute__((unused)) uint32_t to_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return bits;
}

static inline __attribute__((unused)) float round_bf16_of(float x)
{
    return from_bits(cj__bf16_bits(x) << 16);
}

/* a·b + c, rounded once where the instruction set has that, else twice. */
static inline __attribute__((unused)) float times_plus(float a, float b, float c)
{
#if defined __FMA__ || defined __ARM_FEATURE_FMA
    return __builtin_fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

/* exp r for |r| ≤ ln2/2: the series to r⁷ is good to 5e-9. Without its 1: expm1. */
static inline __attribute__((unused)) float exp_series_minus_1(float r)
{
    float p = 1.0f / 5040;
    p = times_plus(p, r, 1.0f / 720);
    p = times_plus(p, r, 1.0f / 120);
    p = times_plus(p, r, 1.0f / 24);
    p = times_plus(p, r, 1.0f / 6);
    p = times_plus(p, r, 0.5f);
    return times_plus(p * r, r, r);
}

static inline __attribute__((unused)) float exp_of(float x)
{
    x = x > 89.0f ? 89.0f : x;
    x = x < -104.0f ? -104.0f : x;
    /* 1.5·2²³: the integer part lands in the low bits */
    float shifted = times_plus(x, 1.44269504f, 12582912.0f);
    float n = shifted - 12582912.0f;
    float r = times_plus(n, -1.42860677e-6f, times_plus(n, -0.693145752f, x));
    int32_t power = (int32_t)to_bits(shifted) - 0x4b400000;
    power = power > 128 ? 128 : power < -150 ? -150 : power; /* NaN arrives here with any bits */
    int32_t half = power / 2;
    float scale1 = from_bits((uint32_t)(half + 127) << 23),
          scale2 = from_bits((uint32_t)(power - half + 127) << 23);
    return (exp_series_minus_1(r) + 1) * scale1 * scale2;
}

/* e to the power of x <= 0: the bits of exp_of, which takes any x, with less to do. Powers of two that no
 * normal number holds become 0, and so does what they scale. */
static inline __attribute__((unused)) float exp_below(float x)
{
    x = x < -104.0f ? -104.0f : x;
    float shifted = times_plus(x, 1.44269504f, 12582912.0f);
    float n = shifted - 12582912.0f;
    float r = times_plus(n, -1.42860677e-6f, times_plus(n, -0.693145752f, x));
    int32_t power = (int32_t)to_bits(shifted) - 0x4b400000;
    power = power > 127 ? 127 : power < -127 ? -127 : power; /* NaN arrives here with any bits */
    return (exp_series_minus_1(r) + 1) * from_bits((uint32_t)(power + 127) << 23);
}

static inline __attribute__((unused)) float expm1_of(float x)
{
    float small = exp_series_minus_1(x), large = exp_of(x) - 1;
    return x > -0.34f && x < 0.34f ? small : large;
}

/* log m for m in [√½, √2) by s = (m-1)/(m+1): 2 (s + s³/3 + s⁵/5 + …). */
static inline __attribute__((unused)) float log_of(float x)
{
    bool tiny = x < 1.17549435e-38f;
    float y = tiny ? x * 8388608.0f : x;
    uint32_t bits = to_bits(y) - 0x3f3504f3u;
    float e = (float)((int32_t)bits >> 23) - (tiny ? 23.0f : 0.0f);
    float m = from_bits((bits & 0x7fffffu) + 0x3f3504f3u);
    float f = m - 1, s = f / (m + 1), z = s * s;
    float p = times_plus(z, 2.0f / 11, 2.0f / 9);
    p = times_plus(z, p, 2.0f / 7);
    p = times_plus(z, p, 2.0f / 5);
    p = times_plus(z, p, 2.0f / 3);
    /* 2s = f - f·s, exact enough near 1 */
    float result = f - (f * s - times_plus(s, z * p, e * 1.42860677e-6f));
    result = times_plus(e, 0.693145752f, result);
    result = x > 3.40282347e38f ? x : result;
    result = x == 0 ? -INFINITY : result;
    return x < 0 || x != x ? NAN : result;
}

static inline __attribute__((unused)) float log1p_of(float x)
{
    float u = 1 + x, d = u - 1;
    float corrected = log_of(u) * (x / (d == 0 ? 1 : d));
    return d == 0 ? x : u > 3.40282347e38f ? u : corrected;
}

static inline __attribute__((unused)) float tanh_of(float x)
{
    float e = expm1_of(2 * x);
    e = e > 1e9f ? 1e9f : e; /* past that the quotient is 1, and infinity over infinity would not be */
    return e / (e + 2);
}

/* The series below 1; above, Abramowitz and Stegun 7.1.26, good to 1.5e-7. */
static inline __attribute__((unused)) float erf_of(float x)
{
    float z = x * x, a = x < 0 ? -x : x;
    float p = -1.0f / 76204800;
    p = times_plus(p, z, 1.0f / 6894720);
    p = times_plus(p, z, -1.0f / 685440);
    p = times_plus(p, z, 1.0f / 75600);
    p = times_plus(p, z, -1.0f / 9360);
    p = times_plus(p, z, 1.0f / 1320);
    p = times_plus(p, z, -1.0f / 216);
    p = times_plus(p, z, 1.0f / 42);
    p = times_plus(p, z, -0.1f);
    p = times_plus(p, z, 1.0f / 3);
    float near = 1.12837917f * times_plus(-x * z, p, x);
    float t = 1 / times_plus(0.3275911f, a, 1);
    float q = times_plus(t, 1.061405429f, -1.453152027f);
    q = times_plus(t, q, 1.421413741f);
    q = times_plus(t, q, -0.284496736f);
    q = t * times_plus(t, q, 0.254829592f);
    float far = 1 - q * exp_of(-z);
    return a < 1 ? near : x < 0 ? -far : far;
}

/* Of the normal distribution: at x; and below x, by Abramowitz and Stegun 26.2.17, good to 7.5e-8. */
static inline __attribute__((unused)) float normal_density_of(float x)
{
    return 0.398942280f * exp_below(-0.5f * (x * x));
}

static inline __attribute__((unused)) float normal_below_of(float x, float density)
{
    float a = x < 0 ? -x : x, t = 1 / times_plus(0.231641888f, a, 1);
    float p = times_plus(t, 1.330274429f, -1.821255978f);
    p = times_plus(t, p, 1.781477937f);
    p = times_plus(t, p, -0.356563782f);
    p = t * times_plus(t, p, 0.319381530f);
    float above = density * p;
    return x < 0 ? above : 1 - above;
}

#endif

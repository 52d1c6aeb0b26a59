/* Winograd's transforms of one instruction set, F(4×4,3×3): a 6-point transform down the columns of a tile,
 * then along its rows, on vectors of channels. The pairs of points ±p share their even and odd parts. */
#include "cpu/winograd_kernels.h"
#include "cpu/simd.h"

#define P 0.70710678118654752440f /* 1/√2 */
#define Q 1.41421356237309504880f /* √2 */

/* to[+] = even + point·odd, to[-] = even - point·odd */
#define PAIR(to, plus, even, point, odd)                                                                     \
    do {                                                                                                     \
        cj__floats even_part = even, odd_part = odd;                                                         \
        to[plus] = cj__v_fma(cj__v_set(point), odd_part, even_part);                                         \
        to[plus + 1] = cj__v_fma(cj__v_set(-(point)), odd_part, even_part);                                  \
    } while (0)

/* --- the matrices, one row of them a line; all polynomials divide x(x² - 1/2)(x² - 2) = x⁵ - 2.5x³ + x
 * --------- */

/* r = Bᵀ d */
CJ__INLINE void source_points(const cj__floats d[6], cj__floats r[6])
{
    const cj__floats half = cj__v_set(-0.5f), two = cj__v_set(-2.0f), both = cj__v_set(-2.5f);
    r[0] = cj__v_add(cj__v_fma(both, d[2], d[0]), d[4]);
    PAIR(r, 1, cj__v_fma(two, d[2], d[4]), P, cj__v_fma(two, d[1], d[3]));
    PAIR(r, 3, cj__v_fma(half, d[2], d[4]), Q, cj__v_fma(half, d[1], d[3]));
    r[5] = cj__v_add(cj__v_fma(both, d[3], d[1]), d[5]);
}

/* r = G g */
CJ__INLINE void weight_points(const cj__floats g[3], cj__floats r[6])
{
    const cj__floats third = cj__v_set(1.0f / 3), sixth = cj__v_set(1.0f / 6);
    cj__floats g0 = cj__v_mul(g[0], sixth), g1 = cj__v_mul(g[1], sixth), g2 = cj__v_mul(g[2], third);
    const cj__floats four = cj__v_set(-4.0f);
    r[0] = g[0];
    PAIR(r, 1, cj__v_sub(cj__v_mul(four, g0), g2), P, cj__v_mul(four, g1));
    PAIR(r, 3, cj__v_add(g0, g2), Q, g1);
    r[5] = g[2];
}

/* y = Aᵀ m */
CJ__INLINE void result_values(const cj__floats m[6], cj__floats y[4])
{
    cj__floats even1 = cj__v_add(m[1], m[2]), even2 = cj__v_add(m[3], m[4]);
    cj__floats odd1 = cj__v_mul(cj__v_set(P), cj__v_sub(m[1], m[2]));
    cj__floats odd2 = cj__v_mul(cj__v_set(Q), cj__v_sub(m[3], m[4]));
    y[0] = cj__v_add(cj__v_add(even1, even2), m[0]);
    y[1] = cj__v_add(odd1, odd2);
    y[2] = cj__v_fma(cj__v_set(0.5f), even1, cj__v_add(even2, even2));
    y[3] = cj__v_add(cj__v_fma(cj__v_set(0.5f), odd1, cj__v_add(odd2, odd2)), m[5]);
}

/* r = A y */
CJ__INLINE void result_points(const cj__floats y[4], cj__floats r[6])
{
    const cj__floats half = cj__v_set(0.5f), two = cj__v_set(2.0f);
    r[0] = y[0];
    PAIR(r, 1, cj__v_fma(half, y[2], y[0]), P, cj__v_fma(half, y[3], y[1]));
    PAIR(r, 3, cj__v_fma(two, y[2], y[0]), Q, cj__v_fma(two, y[3], y[1]));
    r[5] = y[3];
}

/* g = Gᵀ s */
CJ__INLINE void weight_values(const cj__floats s[6], cj__floats g[3])
{
    const cj__floats third = cj__v_set(1.0f / 3);
    cj__floats even1 = cj__v_add(s[1], s[2]), even2 = cj__v_add(s[3], s[4]);
    cj__floats odd1 = cj__v_sub(s[1], s[2]), odd2 = cj__v_sub(s[3], s[4]);
    g[0] = cj__v_fma(cj__v_set(1.0f / 6), even2, cj__v_fma(cj__v_set(-2.0f / 3), even1, s[0]));
    g[1] = cj__v_fma(cj__v_set(Q / 6), odd2, cj__v_mul(cj__v_set(-2 * P / 3), odd1));
    g[2] = cj__v_fma(third, cj__v_sub(even2, even1), s[5]);
}

/* --- both directions: a vector of channels of one tile
 * --------------------------------------------------------- */

/* FROM(i, j) is element (i,j) of `rows`×`rows`; TO(i, j, value) takes element (i,j) of `columns`×`columns`.
 */
#define TRANSFORM(points, rows, columns, FROM, TO)                                                           \
    do {                                                                                                     \
        cj__floats middle[columns][rows];                                                                    \
        _Pragma("GCC unroll 6") for (int j = 0; j < rows; j++)                                               \
        {                                                                                                    \
            cj__floats from[rows], to[columns];                                                              \
            _Pragma("GCC unroll 6") for (int i = 0; i < rows; i++) from[i] = FROM(i, j);                     \
            points(from, to);                                                                                \
            _Pragma("GCC unroll 6") for (int i = 0; i < columns; i++) middle[i][j] = to[i];                  \
        }                                                                                                    \
        _Pragma("GCC unroll 6") for (int i = 0; i < columns; i++)                                            \
        {                                                                                                    \
            cj__floats to[columns];                                                                          \
            points(middle[i], to);                                                                           \
            _Pragma("GCC unroll 6") for (int j = 0; j < columns; j++) TO(i, j, to[j]);                       \
        }                                                                                                    \
    } while (0)

/* The same of a third of the planes, the six of each of its two rows, which share most of their sums: what
 * other rows need is not computed, as `third` is a constant. */
#define TRANSFORM_THIRD(points, rows, third, FROM, TO)                                                       \
    do {                                                                                                     \
        cj__floats middle[2][rows], to[6];                                                                   \
        _Pragma("GCC unroll 6") for (int j = 0; j < rows; j++)                                               \
        {                                                                                                    \
            cj__floats from[rows];                                                                           \
            _Pragma("GCC unroll 6") for (int i = 0; i < rows; i++) from[i] = FROM(i, j);                     \
            points(from, to);                                                                                \
            middle[0][j] = to[CJ__WINOGRAD_ROW(third, 0)];                                                   \
            middle[1][j] = to[CJ__WINOGRAD_ROW(third, 1)];                                                   \
        }                                                                                                    \
        _Pragma("GCC unroll 2") for (int i = 0; i < 2; i++)                                                  \
        {                                                                                                    \
            points(middle[i], to);                                                                           \
            _Pragma("GCC unroll 6") for (int j = 0; j < 6; j++) TO(i, j, to[j]);                             \
        }                                                                                                    \
    } while (0)

/* Whole vectors, then what is left of the last. */
#define FOR_CHANNELS(count, c, STEP)                                                                         \
    do {                                                                                                     \
        int64_t c = 0;                                                                                       \
        for (; c + CJ__LANES <= count; c += CJ__LANES) STEP(false);                                          \
        if (c < count) STEP(true);                                                                           \
    } while (0)

/* STEP(third, masked), each third a constant. */
#define FOR_CHANNELS_OF_THIRD(count, c, third)                                                               \
    do {                                                                                                     \
        if (third == CJ__WINOGRAD_ALL)                                                                       \
            FOR_CHANNELS(count, c, STEP_ALL);                                                                \
        else if (third == 0)                                                                                 \
            FOR_CHANNELS(count, c, STEP_0);                                                                  \
        else if (third == 1)                                                                                 \
            FOR_CHANNELS(count, c, STEP_1);                                                                  \
        else                                                                                                 \
            FOR_CHANNELS(count, c, STEP_2);                                                                  \
    } while (0)
#define STEP_ALL(masked) STEP(CJ__WINOGRAD_ALL, masked)
#define STEP_0(masked)   STEP(0, masked)
#define STEP_1(masked)   STEP(1, masked)
#define STEP_2(masked)   STEP(2, masked)

#define LOAD(at)         (masked ? cj__v_load_masked(at, last) : cj__v_load(at))
#define STORE(at, value) (masked ? cj__v_store_masked(at, value, last) : cj__v_store(at, value))

#define PIXEL6(i, j)           LOAD(pixels[6 * (i) + (j)] + c)
#define PIXEL4(i, j)           LOAD(pixels[4 * (i) + (j)] + c)
#define TO_PIXEL4(i, j, value) STORE(pixels[4 * (i) + (j)] + c, value)
#define PLANE(i, j)            cj__v_load(m + c + (6 * (i) + (j)) * plane)
#define TO_PLANE(i, j, value)  cj__v_store(to_planes + c + (6 * (i) + (j)) * plane, value)

CJ__INLINE void source_vector(const float *const pixels[36], int third, int64_t c, cj__mask last, bool masked,
                              float *to_planes, int64_t plane)
{
    if (third == CJ__WINOGRAD_ALL)
        TRANSFORM(source_points, 6, 6, PIXEL6, TO_PLANE);
    else
        TRANSFORM_THIRD(source_points, 6, third, PIXEL6, TO_PLANE);
}

static void source(const float *const pixels[36], int third, int64_t channels, float *to, int64_t plane)
{
#define STEP(third, masked) source_vector(pixels, third, c, cj__m_first(channels - c), masked, to, plane)
    FOR_CHANNELS_OF_THIRD(channels, c, third);
#undef STEP
}

CJ__INLINE void result_vector(const float *m, int64_t plane, int64_t c, cj__mask last, bool masked,
                              float *const pixels[16])
{
    TRANSFORM(result_values, 6, 4, PLANE, TO_PIXEL4);
}

static void result(const float *m, int64_t plane, int64_t channels, float *const pixels[16])
{
#define STEP(masked) result_vector(m, plane, c, cj__m_first(channels - c), masked, pixels)
    FOR_CHANNELS(channels, c, STEP);
#undef STEP
}

CJ__INLINE void result_gradient_vector(const float *const pixels[16], int third, int64_t c, cj__mask last,
                                       bool masked, float *to_planes, int64_t plane)
{
    if (third == CJ__WINOGRAD_ALL)
        TRANSFORM(result_points, 4, 6, PIXEL4, TO_PLANE);
    else
        TRANSFORM_THIRD(result_points, 4, third, PIXEL4, TO_PLANE);
}

static void result_gradient(const float *const pixels[16], int third, int64_t channels, float *to,
                            int64_t plane)
{
#define STEP(third, masked)                                                                                  \
    result_gradient_vector(pixels, third, c, cj__m_first(channels - c), masked, to, plane)
    FOR_CHANNELS_OF_THIRD(channels, c, third);
#undef STEP
}

static void weight(const float *taps, int64_t tap, int64_t count, bool flipped, float *to_planes,
                   int64_t plane)
{
#define TAP(i, j) cj__v_load(first + c + (3 * (i) + (j)) * step)
    const float *first = flipped ? taps + 8 * tap : taps;
    int64_t step = flipped ? -tap : tap;
    for (int64_t c = 0; c < count; c += CJ__LANES) TRANSFORM(weight_points, 3, 6, TAP, TO_PLANE);
#undef TAP
}

/* Parts are added in their order. */
CJ__INLINE cj__floats sum_of(const float *s, int64_t parts, int64_t part, cj__mask last, bool masked)
{
    cj__floats sum = LOAD(s);
    for (int64_t p = 1; p < parts; p++) sum = cj__v_add(sum, LOAD(s + p * part));
    return sum;
}

CJ__INLINE void weight_gradient_vector(const float *s, int64_t plane, int64_t parts, int64_t part, int64_t c,
                                       cj__mask last, bool masked, float *taps, int64_t tap)
{
#define SUM(i, j)           sum_of(s + c + (6 * (i) + (j)) * plane, parts, part, last, masked)
#define TO_TAP(i, j, value) STORE(taps + c + (3 * (i) + (j)) * tap, value)
    TRANSFORM(weight_values, 6, 3, SUM, TO_TAP);
#undef SUM
#undef TO_TAP
}

static void weight_gradient(const float *s, int64_t plane, int64_t parts, int64_t part, int64_t count,
                            float *taps, int64_t tap)
{
#define STEP(masked)                                                                                         \
    weight_gradient_vector(s, plane, parts, part, c, cj__m_first(count - c), masked, taps, tap)
    FOR_CHANNELS(count, c, STEP);
#undef STEP
}

const cj__winograd_kernels CJ__NAME(cj__winograd) = {
    .source = source,
    .weight = weight,
    .result = result,
    .result_gradient = result_gradient,
    .weight_gradient = weight_gradient,
};

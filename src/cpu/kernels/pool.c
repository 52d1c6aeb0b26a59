/* Pooling of one window, channels side by side: plain C over blocks of channels that stay in registers, which
 * the compiler turns into vectors. */
#include "cpu/pool.h"
#include "cpu/simd.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 16 }; /* channels at a time */

/* Calls `block` for every run of channels; for whole ones `width` is a constant where it is inlined. */
#define EACH_BLOCK(block, ...)                                                                               \
    do {                                                                                                     \
        int64_t first = 0;                                                                                   \
        for (; first + BLOCK <= channels; first += BLOCK) block(first, BLOCK, __VA_ARGS__);                  \
        if (first < channels) block(first, (int)(channels - first), __VA_ARGS__);                            \
    } while (0)

/* best[c] and, where wanted, at which tap */
CJ__INLINE void find_largest(int64_t taps, const float *const *x, int64_t first, int width, float *best,
                             int32_t *tap)
{
    for (int c = 0; c < width; c++) best[c] = -INFINITY, tap[c] = 0;
    for (int c = 0; taps && c < width; c++) best[c] = x[0][first + c];
    for (int64_t t = 1; t < taps; t++) {
        const float *from = x[t] + first;
        for (int c = 0; c < width; c++) {
            bool larger = from[c] > best[c] || from[c] != from[c];
            best[c] = larger ? from[c] : best[c];
            tap[c] = larger ? (int32_t)t : tap[c];
        }
    }
}

CJ__INLINE void largest_block(int64_t first, int width, int64_t taps, const float *const *x, float *out)
{
    float best[BLOCK];
    int32_t tap[BLOCK];
    find_largest(taps, x, first, width, best, tap);
    memcpy(out + first, best, (size_t)width * sizeof *best);
}

static void largest(int64_t taps, const float *const *x, int64_t channels, float *out)
{
    EACH_BLOCK(largest_block, taps, x, out);
}

CJ__INLINE void to_largest_block(int64_t first, int width, int64_t taps, const float *const *x,
                                 float *const *to, const float *g, bool add)
{
    float best[BLOCK];
    int32_t tap[BLOCK];
    find_largest(taps, x, first, width, best, tap);
    for (int64_t t = 0; t < taps; t++) {
        float *there = to[t] + first;
        for (int c = 0; c < width; c++) {
            float mine = tap[c] == (int32_t)t ? g[first + c] : 0;
            there[c] = add ? there[c] + mine : mine;
        }
    }
}

static void to_largest(int64_t taps, const float *const *x, float *const *to, int64_t channels,
                       const float *g, bool add)
{
    EACH_BLOCK(to_largest_block, taps, x, to, g, add);
}

CJ__INLINE void at_largest_block(int64_t first, int width, int64_t taps, const float *const *x,
                                 const float *const *values, float *out)
{
    float best[BLOCK];
    int32_t tap[BLOCK];
    find_largest(taps, x, first, width, best, tap);
    for (int c = 0; c < width; c++) out[first + c] = 0;
    for (int64_t t = 0; t < taps; t++)
        for (int c = 0; c < width; c++)
            if (tap[c] == (int32_t)t) out[first + c] = values[t][first + c];
}

static void at_largest(int64_t taps, const float *const *x, const float *const *values, int64_t channels,
                       float *out)
{
    EACH_BLOCK(at_largest_block, taps, x, values, out);
}

CJ__INLINE void sum_block(int64_t first, int width, int64_t taps, const float *const *x, float *out)
{
    float sums[BLOCK];
    for (int c = 0; c < width; c++) sums[c] = 0;
    for (int64_t t = 0; t < taps; t++)
        for (int c = 0; c < width; c++) sums[c] += x[t][first + c];
    memcpy(out + first, sums, (size_t)width * sizeof *sums);
}

static void sum(int64_t taps, const float *const *x, int64_t channels, float *out)
{
    EACH_BLOCK(sum_block, taps, x, out);
}

static void add_to_all(int64_t taps, float *const *to, int64_t channels, const float *g)
{
    for (int64_t t = 0; t < taps; t++) {
        float *there = to[t];
        for (int64_t c = 0; c < channels; c++) there[c] += g[c];
    }
}

const cj__pool_table CJ__NAME(cj__pool) = {largest, to_largest, at_largest, sum, add_to_all};

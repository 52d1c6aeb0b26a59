/* Pooling of one window, channels side by side: a vector of them at a time, through all taps. The places of
 * the largest are found by their number, which a float holds exactly. */
#include "cpu/pool.h"
#include "cpu/simd.h"

#include <math.h>

/* Whole vectors of channels, then what is left of the last. */
#define EACH_VECTOR(block, ...)                                                                              \
    do {                                                                                                     \
        int64_t c = 0;                                                                                       \
        for (; c + CJ__LANES <= channels; c += CJ__LANES) block(c, cj__m_first(0), false, __VA_ARGS__);      \
        if (c < channels) block(c, cj__m_first(channels - c), true, __VA_ARGS__);                            \
    } while (0)

#define LOAD(at)         (masked ? cj__v_load_masked(at, last) : cj__v_load(at))
#define STORE(at, value) (masked ? cj__v_store_masked(at, value, last) : cj__v_store(at, value))

/* The largest of the taps, and at which of them. */
typedef struct {
    cj__floats value, tap;
} largest_tap;

CJ__INLINE largest_tap find_largest(int64_t taps, const float *const *x, int64_t c, cj__mask last,
                                    bool masked)
{
    largest_tap best = {taps ? LOAD(x[0] + c) : cj__v_set(-INFINITY), cj__v_set(0.0f)};
    for (int64_t t = 1; t < taps; t++) {
        cj__floats now = LOAD(x[t] + c);
        cj__mask larger = cj__m_or(cj__m_greater(now, best.value), cj__m_nan(now));
        best.value = cj__v_select(larger, now, best.value);
        best.tap = cj__v_select(larger, cj__v_set((float)t), best.tap);
    }
    return best;
}

CJ__INLINE void largest_vector(int64_t c, cj__mask last, bool masked, int64_t taps, const float *const *x,
                               float *out)
{
    STORE(out + c, find_largest(taps, x, c, last, masked).value);
}

static void largest(int64_t taps, const float *const *x, int64_t channels, float *out)
{
    EACH_VECTOR(largest_vector, taps, x, out);
}

CJ__INLINE void to_largest_vector(int64_t c, cj__mask last, bool masked, int64_t taps, const float *const *x,
                                  float *const *to, const float *g, bool add)
{
    largest_tap best = find_largest(taps, x, c, last, masked);
    cj__floats all = LOAD(g + c), none = cj__v_set(0.0f);
    for (int64_t t = 0; t < taps; t++) {
        float *there = to[t] + c;
        cj__floats mine = cj__v_select(cj__m_equal(best.tap, cj__v_set((float)t)), all, none);
        STORE(there, add ? cj__v_add(LOAD(there), mine) : mine);
    }
}

static void to_largest(int64_t taps, const float *const *x, float *const *to, int64_t channels,
                       const float *g, bool add)
{
    EACH_VECTOR(to_largest_vector, taps, x, to, g, add);
}

CJ__INLINE void at_largest_vector(int64_t c, cj__mask last, bool masked, int64_t taps, const float *const *x,
                                  const float *const *values, float *out)
{
    largest_tap best = find_largest(taps, x, c, last, masked);
    cj__floats found = cj__v_set(0.0f);
    for (int64_t t = 0; t < taps; t++)
        found = cj__v_select(cj__m_equal(best.tap, cj__v_set((float)t)), LOAD(values[t] + c), found);
    STORE(out + c, found);
}

static void at_largest(int64_t taps, const float *const *x, const float *const *values, int64_t channels,
                       float *out)
{
    EACH_VECTOR(at_largest_vector, taps, x, values, out);
}

CJ__INLINE void sum_vector(int64_t c, cj__mask last, bool masked, int64_t taps, const float *const *x,
                           float *out)
{
    cj__floats sum = cj__v_set(0.0f);
    for (int64_t t = 0; t < taps; t++) sum = cj__v_add(sum, LOAD(x[t] + c));
    STORE(out + c, sum);
}

static void sum(int64_t taps, const float *const *x, int64_t channels, float *out)
{
    EACH_VECTOR(sum_vector, taps, x, out);
}

static void add_to_all(int64_t taps, float *const *to, int64_t channels, const float *g)
{
    for (int64_t t = 0; t < taps; t++) {
        float *there = to[t];
        for (int64_t c = 0; c < channels; c++) there[c] += g[c];
    }
}

const cj__pool_table CJ__NAME(cj__pool) = {largest, to_largest, at_largest, sum, add_to_all};

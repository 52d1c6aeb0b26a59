/* Pooling, channels side by side: a vector of them at a time, through all taps of a window. The places of the
 * largest are found by their number, which a float holds exactly. */
#include "cpu/pool.h"
#include "cpu/simd.h"

#include <math.h>

/* Of each window whole vectors of channels, then what is left of the last. */
#define EACH_VECTOR(block, known, ...)                                                                       \
    for (int64_t w = 0; w < run->windows; w++) {                                                             \
        int64_t c = 0, from = w * run->step, at = w * run->pitch;                                            \
        for (; c + CJ__LANES <= run->channels; c += CJ__LANES)                                               \
            block(from + c, at + c, cj__m_first(0), false, known, __VA_ARGS__);                              \
        if (c < run->channels)                                                                               \
            block(from + c, at + c, cj__m_first(run->channels - c), true, run->taps, __VA_ARGS__);           \
    }

/* The usual numbers of taps are known to the compiler. */
#define FOR_TAPS(block, ...)                                                                                 \
    do {                                                                                                     \
        if (run->taps == 4)                                                                                  \
            EACH_VECTOR(block, 4, __VA_ARGS__)                                                               \
        else if (run->taps == 9)                                                                             \
            EACH_VECTOR(block, 9, __VA_ARGS__)                                                               \
        else                                                                                                 \
            EACH_VECTOR(block, run->taps, __VA_ARGS__)                                                       \
    } while (0)

#define LOAD(at)         (masked ? cj__v_load_masked(at, last) : cj__v_load(at))
#define STORE(at, value) (masked ? cj__v_store_masked(at, value, last) : cj__v_store(at, value))

/* The largest of the taps, and at which of them. */
typedef struct {
    cj__floats value, tap;
} largest_tap;

CJ__INLINE largest_tap find_largest(int64_t from, cj__mask last, bool masked, int64_t taps,
                                    const float *const *x)
{
    largest_tap best = {taps ? LOAD(x[0] + from) : cj__v_set(-INFINITY), cj__v_set(0.0f)};
    for (int64_t t = 1; t < taps; t++) {
        cj__floats now = LOAD(x[t] + from);
        cj__mask larger = cj__m_or(cj__m_greater(now, best.value), cj__m_nan(now));
        best.value = cj__v_select(larger, now, best.value);
        best.tap = cj__v_select(larger, cj__v_set((float)t), best.tap);
    }
    return best;
}

CJ__INLINE void largest_vector(int64_t from, int64_t at, cj__mask last, bool masked, int64_t taps,
                               const float *const *x, float *out)
{
    STORE(out + at, find_largest(from, last, masked, taps, x).value);
}

static void largest(const cj__pool_run *run, float *out)
{
    FOR_TAPS(largest_vector, run->x, out);
}

CJ__INLINE void to_largest_vector(int64_t from, int64_t at, cj__mask last, bool masked, int64_t taps,
                                  const float *const *x, float *const *to, const float *g, bool add)
{
    largest_tap best = find_largest(from, last, masked, taps, x);
    cj__floats all = LOAD(g + at), none = cj__v_set(0.0f);
    for (int64_t t = 0; t < taps; t++) {
        float *there = to[t] + from;
        cj__floats mine = cj__v_select(cj__m_equal(best.tap, cj__v_set((float)t)), all, none);
        STORE(there, add ? cj__v_add(LOAD(there), mine) : mine);
    }
}

static void to_largest(const cj__pool_run *run, float *const *to, const float *g, bool add)
{
    FOR_TAPS(to_largest_vector, run->x, to, g, add);
}

CJ__INLINE void at_largest_vector(int64_t from, int64_t at, cj__mask last, bool masked, int64_t taps,
                                  const float *const *x, const float *const *values, float *out)
{
    largest_tap best = find_largest(from, last, masked, taps, x);
    cj__floats found = cj__v_set(0.0f);
    for (int64_t t = 0; t < taps; t++)
        found = cj__v_select(cj__m_equal(best.tap, cj__v_set((float)t)), LOAD(values[t] + from), found);
    STORE(out + at, found);
}

static void at_largest(const cj__pool_run *run, const float *const *values, float *out)
{
    EACH_VECTOR(at_largest_vector, run->taps, run->x, values, out);
}

CJ__INLINE void sum_vector(int64_t from, int64_t at, cj__mask last, bool masked, int64_t taps,
                           const float *const *x, float *out)
{
    cj__floats sum = cj__v_set(0.0f);
    for (int64_t t = 0; t < taps; t++) sum = cj__v_add(sum, LOAD(x[t] + from));
    STORE(out + at, sum);
}

static void sum(const cj__pool_run *run, float *out)
{
    FOR_TAPS(sum_vector, run->x, out);
}

CJ__INLINE void to_all_vector(int64_t from, int64_t at, cj__mask last, bool masked, int64_t taps,
                              float *const *to, const float *g, bool add)
{
    cj__floats all = LOAD(g + at);
    for (int64_t t = 0; t < taps; t++) {
        float *there = to[t] + from;
        STORE(there, add ? cj__v_add(LOAD(there), all) : all);
    }
}

static void to_all(const cj__pool_run *run, float *const *to, const float *g, bool add)
{
    FOR_TAPS(to_all_vector, to, g, add);
}

const cj__pool_table CJ__NAME(cj__pool) = {largest, to_largest, at_largest, sum, to_all};

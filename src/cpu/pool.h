/* What each instruction set gives to pooling: one window's taps over a run of channels. */
#ifndef CJ__POOL_H
#define CJ__POOL_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    /* out[c] = the largest of x[t][c]; NaN if any is; -inf without taps */
    void (*largest)(int64_t taps, const float *const *x, int64_t channels, float *out);
    /* to[t][c] takes g[c] where x[t][c] is the first of the largest, or the last NaN: added, or else written
     * with zeros at the other taps. x and to are of the same places. */
    void (*to_largest)(int64_t taps, const float *const *x, float *const *to, int64_t channels,
                       const float *g, bool add);
    /* out[c] = values[t][c] at that tap; 0 without taps */
    void (*at_largest)(int64_t taps, const float *const *x, const float *const *values, int64_t channels,
                       float *out);
    void (*sum)(int64_t taps, const float *const *x, int64_t channels, float *out);
    void (*add_to_all)(int64_t taps, float *const *to, int64_t channels, const float *g);
} cj__pool_table;

extern const cj__pool_table cj__pool_scalar, cj__pool_neon, cj__pool_avx2, cj__pool_avx512;

#endif

/* What each instruction set gives to pooling: the taps of windows over a run of channels. */
#ifndef CJ__POOL_H
#define CJ__POOL_H

#include <stdbool.h>
#include <stdint.h>

/* Windows of one shape that follow each other: tap t of window w and channel c lies at x[t] + w·step + c, and
 * what belongs to the window itself `pitch` floats after that of the one before. */
typedef struct {
    int64_t windows, taps, channels, step, pitch;
    const float *const *x;
} cj__pool_run;

typedef struct {
    /* out[c] = the largest of the taps; NaN if any is; -inf without taps */
    void (*largest)(const cj__pool_run *run, float *out);
    /* to[t][c] takes g[c] where x[t][c] is the first of the largest, or the last NaN: added, or else written
     * with zeros at the other taps. x and to are of the same places. */
    void (*to_largest)(const cj__pool_run *run, float *const *to, const float *g, bool add);
    /* out[c] = values[t][c] at that tap; 0 without taps */
    void (*at_largest)(const cj__pool_run *run, const float *const *values, float *out);
    void (*sum)(const cj__pool_run *run, float *out);
    /* to[t][c] takes g[c] at every tap: added, or else written. There is no x. */
    void (*to_all)(const cj__pool_run *run, float *const *to, const float *g, bool add);
} cj__pool_table;

extern const cj__pool_table cj__pool_scalar, cj__pool_neon, cj__pool_avx2, cj__pool_avx512;

#endif

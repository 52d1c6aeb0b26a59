/* What results of a convolution, or of its gradient by the input, see along one spatial axis. */
#ifndef CJ__SIGHT_H
#define CJ__SIGHT_H

#include "ops/window.h"

/* The results that share their taps. Forward all do; backward those that lie a stride apart: a stride of s
 * makes s phases. */
typedef struct {
    int64_t count, first, step; /* results at first, first + step, … of the axis */
    int64_t from, stride;       /* result i sees the source from element from + i·stride on … */
    int64_t taps, dilation;     /* … at that many elements, dilation apart … */
    int64_t tap, tap_step;      /* … through taps tap, tap + tap_step, … of the weight */
} cj__sight;

cj__sight cj__sight_of(const cj__window *w, bool backward, int axis, int64_t phase);
int64_t cj__phases(const cj__window *w, bool backward, int axis);
/* Of any phase, at most. */
int64_t cj__most_taps(const cj__window *w, bool backward, int axis);

#endif

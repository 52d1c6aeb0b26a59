/* Where each result of a convolution looks, and through which taps; backward, where each element that was
 * looked at finds the results that saw it. */
#include "cpu/sight.h"

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t greatest_common_divisor(int64_t a, int64_t b)
{
    return b == 0 ? a : greatest_common_divisor(b, a % b);
}

/* Taps that far apart lead to the same phase. */
static int64_t taps_apart(const cj__window *w, int axis)
{
    return w->stride[axis] / greatest_common_divisor(w->stride[axis], w->dilation[axis]);
}

/* x + before = o·stride + tap·dilation: results a stride apart share their taps, and see one o after another.
 * Taps run down as o runs up. */
static cj__sight look_back(const cj__window *w, int axis, int64_t phase)
{
    int64_t stride = w->stride[axis], dilation = w->dilation[axis], kernel = w->kernel[axis], first = 0;
    int64_t at = phase + w->before[axis], apart = taps_apart(w, axis);
    while (first < kernel && first < apart && (at - first * dilation) % stride != 0) first++;
    bool none = first == apart || first == kernel;
    int64_t taps = none ? 0 : (kernel - 1 - first) / apart + 1, last = first + (taps - 1) * apart;
    return (cj__sight){.count = divide_up(w->size[axis] - phase, stride),
                       .first = phase,
                       .step = stride,
                       .from = none ? 0 : (at - last * dilation) / stride,
                       .stride = 1,
                       .taps = taps,
                       .dilation = dilation * apart / stride,
                       .tap = last,
                       .tap_step = -apart};
}

cj__sight cj__sight_of(const cj__window *w, bool backward, int axis, int64_t phase)
{
    if (backward) return look_back(w, axis, phase);
    return (cj__sight){.count = w->result[axis],
                       .step = 1,
                       .from = -w->before[axis],
                       .stride = w->stride[axis],
                       .taps = w->kernel[axis],
                       .dilation = w->dilation[axis],
                       .tap_step = 1};
}

int64_t cj__phases(const cj__window *w, bool backward, int axis)
{
    if (!backward || w->size[axis] < 1) return 1; /* of nothing there is one phase without results */
    return w->stride[axis] < w->size[axis] ? w->stride[axis] : w->size[axis];
}

int64_t cj__most_taps(const cj__window *w, bool backward, int axis)
{
    return backward ? divide_up(w->kernel[axis], taps_apart(w, axis)) : w->kernel[axis];
}

/* Where windows lie, and how many there are. */
#include "ops/window.h"

cj__window cj__window_of(const cj__window_attributes *a, cj_shape_t x, cj_shape_t y)
{
    cj__window w = {.batch = x.dims[0], .groups = a->groups ? a->groups : 1, .adaptive = a->adaptive != 0};
    for (int d = 0; d < CJ__SPATIAL; d++) {
        int64_t from = d - (CJ__SPATIAL - a->rank);
        bool there = from >= 0;
        w.size[d] = there ? x.dims[1 + from] : 1;
        w.result[d] = there ? y.dims[1 + from] : 1;
        w.kernel[d] = there ? a->kernel[from] : 1;
        w.stride[d] = there ? a->stride[from] : 1;
        w.dilation[d] = there ? a->dilation[from] : 1;
        w.before[d] = there ? a->before[from] : 0;
    }
    w.in = x.dims[x.rank - 1] / w.groups;
    w.out = y.dims[y.rank - 1] / w.groups;
    return w;
}

cj__window_range cj__window_along(const cj__window *w, int axis, int64_t i)
{
    int64_t n = w->size[axis], parts = w->result[axis];
    if (w->adaptive) return (cj__window_range){i * n / parts, ((i + 1) * n + parts - 1) / parts, 1, 0};
    int64_t step = w->dilation[axis], start = i * w->stride[axis] - w->before[axis];
    int64_t stop = start + (w->kernel[axis] - 1) * step + 1;
    int64_t missing = start < 0 ? (-start + step - 1) / step : 0;
    return (cj__window_range){start + missing * step, stop < n ? stop : n, step, missing};
}

int64_t cj__window_count(const cj__window_attributes *a, int axis, int64_t size)
{
    int64_t room = size + a->before[axis] + a->after[axis] - a->dilation[axis] * (a->kernel[axis] - 1) - 1;
    return room < 0 ? -1 : room / a->stride[axis] + 1;
}

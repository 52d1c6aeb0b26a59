/* Windows that slide over the spatial axes of [N,spatial…,C]: their geometry with three spatial axes, those
 * that are missing having size 1 in front. Shape rules, definitions and kernels of convolution and pooling
 * read it from the attributes and shapes of a node. */
#ifndef CJ__WINDOW_H
#define CJ__WINDOW_H

#include "graph/op.h"

typedef struct {
    int64_t batch;
    int64_t groups, in, out;                          /* channels of one group; pooling: in = out */
    int64_t size[CJ__SPATIAL], result[CJ__SPATIAL];   /* of what is looked at, and of what comes out */
    int64_t kernel[CJ__SPATIAL], stride[CJ__SPATIAL]; /* in elements along each axis */
    int64_t dilation[CJ__SPATIAL], before[CJ__SPATIAL];
    bool adaptive;
} cj__window;

/* x: [N,size…,channels], y: [N,result…,channels], as the attributes see them. */
cj__window cj__window_of(const cj__window_attributes *a, cj_shape_t x, cj_shape_t y);

/* The elements of window `i` along an axis: start, start + step, … below stop, those that exist. */
typedef struct {
    int64_t start, stop, step;
    int64_t first; /* the tap that `start` belongs to */
} cj__window_range;
cj__window_range cj__window_along(const cj__window *w, int axis, int64_t i);

/* How many windows fit along an axis of `size`; negative: none. */
int64_t cj__window_count(const cj__window_attributes *a, int axis, int64_t size);

#endif

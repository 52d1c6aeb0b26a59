/* Drawing helpers shared by the ops' files: the plain functions of cajal/ops.h and a few shorthands. */
#ifndef CJ__OPS_H
#define CJ__OPS_H

#define CJ_NO_LOCATIONS
#include "cajal/ops.h"
#include "cajal/vision.h"
#include "graph/graph.h"

/* An axis counted from the end when negative; out of range stays so, for shape inference to refuse. */
int64_t cj__axis(cj_value x, int axis);
/* A shape cut at an axis: line (o, i) has its elements at (o·length + k)·inner + i. */
typedef struct {
    int64_t outer, length, inner;
} cj__split;
cj__split cj__split_at(cj_shape_t shape, int64_t axis);
/* `value` everywhere, in the type and shape of x. */
cj_value cj__full_like(cj_value x, double value);
/* The sum of x down to a shape that broadcasts to x's: the gradient of broadcasting. */
cj_value cj__sum_to(cj_value x, cj_shape_t shape);
/* The sum of all elements, a scalar. */
cj_value cj__sum_all(cj_value x);
/* cj_cross_entropy_rows with a share of each target spread evenly over the classes. */
cj_value cj__smoothed_cross_entropy_rows(cj_value logits, cj_value labels, double smoothing);
/* x with the reduced axes put back with size 1, broadcast to `shape`. */
cj_value cj__expand_reduced(cj_value reduced, uint32_t axes, cj_shape_t shape);
/* The size of x's last axis, along which channels lie; 1 for a scalar, and for a poisoned value. */
static inline int64_t cj__channels_of(cj_value x)
{
    cj_shape_t shape = cj_value_shape(x);
    return shape.rank ? shape.dims[shape.rank - 1] : 1;
}
/* Additions and multiplications of a product of x and y with the result z; of any other op 0. */
double cj__product_operations(cj__op op, const void *attributes, cj_shape_t x, cj_shape_t y, cj_shape_t z);
/* An option of windows: the axis's own, else that of all axes, else the usual one; 0 is none. */
static inline int64_t cj__along(const int64_t *each, int64_t d, int64_t all, int64_t usual)
{
    return each[d] ? each[d] : all ? all : usual;
}
/* Pads axis d, of `size`, so that there are size / stride windows, rounded up; an odd element goes behind. */
void cj__pad_same(cj__window_attributes *a, int d, int64_t size);
/* x: [...,C], weight and bias [C] → normalised by the moments of its channels; outputs 1 and 2 are these. */
cj_value cj__batch_norm(cj_value x, cj_value weight, cj_value bias, double epsilon);
/* The same by the moments of each row. */
cj_value cj__layer_norm(cj_value x, cj_value weight, cj_value bias, double epsilon);

#endif

/* Convolution of x [N,size…,C] with a weight [kernel…,C/groups,O] → y [N,result…,O], as cross-correlation, in
 * one to three spatial dimensions; its gradients, which are linear in their operands and so have each other
 * as gradients. The gradient by the input is the transposed convolution. Kernels: cpu/convolution.c. */
#include "ops/ops.h"
#include "ops/window.h"

#include <string.h>

static cj__window_attributes attributes_of(int64_t rank, const cj_window *w)
{
    cj__window_attributes a = {.rank = rank, .groups = w->groups ? w->groups : 1};
    for (int64_t d = 0; d < rank && d < CJ__SPATIAL; d++) {
        a.stride[d] = w->stride[d] ? w->stride[d] : 1;
        a.dilation[d] = w->dilation[d] ? w->dilation[d] : 1;
        a.before[d] = w->before[d];
        a.after[d] = w->after[d];
    }
    return a;
}

static void set_kernel(cj__window_attributes *a, cj_shape_t weight)
{
    for (int64_t d = 0; d < a->rank && d < CJ__SPATIAL && d < weight.rank; d++) a->kernel[d] = weight.dims[d];
}

cj_value cj_convolution(cj_value x, cj_value weight, const cj_window *window)
{
    cj__window_attributes a = attributes_of(cj_value_shape(x).rank - 2, window);
    set_kernel(&a, cj_value_shape(weight));
    return cj__draw2(CJ__OP_convolution, &a, x, weight);
}

cj_value cj_transposed_convolution(cj_value x, cj_value weight, const cj_window *window, cj_shape_t result)
{
    cj__window_attributes a = attributes_of(cj_value_shape(x).rank - 2, window);
    set_kernel(&a, cj_value_shape(weight));
    for (int64_t d = 0; d < a.rank && d < CJ__SPATIAL && d < result.rank; d++) a.size[d] = result.dims[d];
    return cj__draw2(CJ__OP_convolution_input_gradient, &a, x, weight);
}

/* --- gradients ----------------------------------------------------------------------------------------- */

static cj__window_attributes sized(const cj__window_attributes *from, cj_value like)
{
    cj__window_attributes a = *from;
    cj_shape_t shape = cj_value_shape(like);
    for (int64_t d = 0; d < a.rank; d++) a.size[d] = shape.dims[1 + d];
    return a;
}

static cj__window_attributes unsized(const cj__window_attributes *from)
{
    cj__window_attributes a = *from;
    memset(a.size, 0, sizeof a.size);
    return a;
}

void cj__convolution_vjp(cj__vjp *v)
{
    cj_value x = v->inputs[0], weight = v->inputs[1], g = v->cotangents[0];
    cj__window_attributes with_size = sized(v->attributes, x);
    if (v->wanted[0]) v->gradients[0] = cj__draw2(CJ__OP_convolution_input_gradient, &with_size, g, weight);
    if (v->wanted[1]) v->gradients[1] = cj__draw2(CJ__OP_convolution_weight_gradient, v->attributes, x, g);
}

void cj__convolution_input_gradient_vjp(cj__vjp *v)
{
    cj_value g = v->inputs[0], weight = v->inputs[1], h = v->cotangents[0];
    cj__window_attributes a = unsized(v->attributes);
    if (v->wanted[0]) v->gradients[0] = cj__draw2(CJ__OP_convolution, &a, h, weight);
    if (v->wanted[1]) v->gradients[1] = cj__draw2(CJ__OP_convolution_weight_gradient, &a, h, g);
}

void cj__convolution_weight_gradient_vjp(cj__vjp *v)
{
    cj_value x = v->inputs[0], g = v->inputs[1], h = v->cotangents[0];
    cj__window_attributes with_size = sized(v->attributes, x);
    if (v->wanted[0]) v->gradients[0] = cj__draw2(CJ__OP_convolution_input_gradient, &with_size, g, h);
    if (v->wanted[1]) v->gradients[1] = cj__draw2(CJ__OP_convolution, v->attributes, x, h);
}

/* --- definitions --------------------------------------------------------------------------------------- */

typedef struct {
    cj__window w;
    double *x, *weight, *y;
    int which; /* of these is the sum: 0, 1, 2 */
} definition;

static void add_term(const definition *d, int64_t x, int64_t weight, int64_t y)
{
    if (d->which == 0) d->x[x] += d->weight[weight] * d->y[y];
    if (d->which == 1) d->weight[weight] += d->x[x] * d->y[y];
    if (d->which == 2) d->y[y] += d->x[x] * d->weight[weight];
}

/* All channels at one place of y, one tap and one place of x. */
static void add_channels(const definition *d, int64_t pixel, int64_t tap, int64_t place)
{
    const cj__window *w = &d->w;
    int64_t out = w->groups * w->out, in = w->groups * w->in;
    for (int64_t g = 0; g < w->groups; g++)
        for (int64_t c = 0; c < w->in; c++)
            for (int64_t o = 0; o < w->out; o++)
                add_term(d, pixel * in + g * w->in + c, (tap * w->in + c) * out + g * w->out + o,
                         place * out + g * w->out + o);
}

static void add_window(const definition *d, int64_t n, const int64_t at[CJ__SPATIAL])
{
    const cj__window *w = &d->w;
    cj__window_range r[CJ__SPATIAL];
    int64_t place = ((n * w->result[0] + at[0]) * w->result[1] + at[1]) * w->result[2] + at[2];
    for (int a = 0; a < CJ__SPATIAL; a++) r[a] = cj__window_along(w, a, at[a]);
    for (int64_t i = r[0].start, ti = r[0].first; i < r[0].stop; i += r[0].step, ti++)
        for (int64_t j = r[1].start, tj = r[1].first; j < r[1].stop; j += r[1].step, tj++)
            for (int64_t k = r[2].start, tk = r[2].first; k < r[2].stop; k += r[2].step, tk++)
                add_channels(d, ((n * w->size[0] + i) * w->size[1] + j) * w->size[2] + k,
                             (ti * w->kernel[1] + tj) * w->kernel[2] + tk, place);
}

static void define(const definition *d)
{
    const cj__window *w = &d->w;
    int64_t at[CJ__SPATIAL];
    for (int64_t n = 0; n < w->batch; n++)
        for (at[0] = 0; at[0] < w->result[0]; at[0]++)
            for (at[1] = 0; at[1] < w->result[1]; at[1]++)
                for (at[2] = 0; at[2] < w->result[2]; at[2]++) add_window(d, n, at);
}

/* types: of x, the weight and y, in the order of `arrays` */
static void define_sum(const cj__reference *r, const cj__type *x, const cj__type *y, double *const arrays[3],
                       int which)
{
    definition d = {cj__window_of(r->attributes, x->shape, y->shape), arrays[0], arrays[1], arrays[2], which};
    int64_t count = cj_shape_count(r->output_types[0].shape);
    for (int64_t i = 0; i < count; i++) r->outputs[0][i] = 0;
    if (d.w.groups > 0) define(&d);
}

void cj__convolution_reference(const cj__reference *r)
{
    double *arrays[] = {(double *)r->inputs[0], (double *)r->inputs[1], r->outputs[0]};
    define_sum(r, &r->input_types[0], &r->output_types[0], arrays, 2);
}

void cj__convolution_input_gradient_reference(const cj__reference *r)
{
    double *arrays[] = {r->outputs[0], (double *)r->inputs[1], (double *)r->inputs[0]};
    define_sum(r, &r->output_types[0], &r->input_types[0], arrays, 0);
}

void cj__convolution_weight_gradient_reference(const cj__reference *r)
{
    double *arrays[] = {(double *)r->inputs[0], r->outputs[0], (double *)r->inputs[1]};
    define_sum(r, &r->input_types[0], &r->input_types[1], arrays, 1);
}

/* --- samples ------------------------------------------------------------------------------------------- */

typedef struct {
    cj__window_attributes window;
    int64_t batch, in, out;    /* channels of all groups */
    int64_t size[CJ__SPATIAL]; /* of x */
} convolution_case;

#define WINDOW_2D(k0, k1, s0, s1, d0, d1, b0, b1, a0, a1, g)                                                 \
    {                                                                                                        \
        .rank = 2, .kernel = {k0, k1}, .stride = {s0, s1}, .dilation = {d0, d1}, .before = {b0, b1},         \
        .after = {a0, a1}, .groups = g                                                                       \
    }
static const convolution_case cases[] = {
    {WINDOW_2D(3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1), 2, 5, 7, {6, 5}},
    {WINDOW_2D(3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1), 3, 17, 33, {8, 8}},
    {WINDOW_2D(3, 3, 1, 1, 1, 1, 0, 0, 0, 0, 1), 2, 33, 18, {13, 11}},
    {WINDOW_2D(3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1), 2, 16, 20, {9, 8}},
    {WINDOW_2D(1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1), 2, 19, 23, {4, 5}},
    {WINDOW_2D(1, 1, 2, 2, 1, 1, 0, 0, 0, 0, 1), 2, 9, 8, {7, 6}},
    {WINDOW_2D(7, 7, 2, 2, 1, 1, 3, 3, 3, 3, 1), 1, 3, 16, {15, 14}},
    {WINDOW_2D(5, 5, 1, 1, 1, 1, 2, 2, 2, 2, 1), 1, 1, 6, {9, 12}},
    {WINDOW_2D(3, 3, 1, 1, 2, 3, 2, 3, 2, 3, 1), 1, 4, 5, {9, 10}},
    {WINDOW_2D(3, 2, 2, 3, 1, 1, 0, 1, 2, 0, 1), 2, 4, 3, {8, 9}},
    {WINDOW_2D(3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 4), 2, 8, 12, {5, 6}},
    {WINDOW_2D(3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 19), 2, 19, 19, {6, 7}},
    {WINDOW_2D(5, 3, 2, 1, 1, 1, 2, 1, 2, 1, 8), 1, 8, 16, {8, 7}},
    {WINDOW_2D(3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1), 1, 1, 1, {1, 1}},
    {WINDOW_2D(1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1), 1, 1, 1, {1, 1}},
    {WINDOW_2D(3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1), 0, 3, 4, {5, 5}},
    {{.rank = 1, .kernel = {4}, .stride = {2}, .dilation = {2}, .before = {3}, .after = {1}, .groups = 1},
     2,
     6,
     10,
     {17}},
    {{.rank = 3,
      .kernel = {2, 3, 3},
      .stride = {1, 2, 1},
      .dilation = {1, 1, 1},
      .before = {1, 1, 1},
      .after = {0, 1, 1},
      .groups = 1},
     1,
     3,
     5,
     {4, 6, 5}},
};

/* Shapes of x, the weight and y. */
static void shapes_of(const convolution_case *c, cj_shape_t *x, cj_shape_t *weight, cj_shape_t *y)
{
    const cj__window_attributes *a = &c->window;
    *x = *y = (cj_shape_t){.rank = a->rank + 2};
    *weight = (cj_shape_t){.rank = a->rank + 2};
    x->dims[0] = y->dims[0] = c->batch;
    for (int d = 0; d < a->rank; d++) {
        x->dims[1 + d] = c->size[d];
        y->dims[1 + d] = cj__window_count(a, d, c->size[d]);
        weight->dims[d] = a->kernel[d];
    }
    x->dims[a->rank + 1] = c->in;
    y->dims[a->rank + 1] = c->out;
    weight->dims[a->rank] = c->in / a->groups;
    weight->dims[a->rank + 1] = c->out;
}

static void add_samples(cj__samples *samples, int which)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cj_shape_t x, weight, y;
        shapes_of(&cases[i], &x, &weight, &y);
        cj__window_attributes a = cases[i].window;
        if (which == 0) memcpy(a.size, cases[i].size, sizeof a.size);
        cj_shape_t first = which == 0 ? y : x, second = which == 1 ? y : weight;
        CJ__SAMPLE(samples, .attributes = &a, .inputs_count = 2,
                   .inputs = {{CJ_F32, first, -0.5, 0.5}, {CJ_F32, second, -0.5, 0.5}});
    }
}

void cj__convolution_samples(cj__samples *samples)
{
    add_samples(samples, 2);
}

void cj__convolution_input_gradient_samples(cj__samples *samples)
{
    add_samples(samples, 0);
}

void cj__convolution_weight_gradient_samples(cj__samples *samples)
{
    add_samples(samples, 1);
}

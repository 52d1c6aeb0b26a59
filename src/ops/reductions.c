/* Reductions over axes: sum, max, min, product, argmax, and what is made of them. */
#include "ops/ops.h"

#include <math.h>

int64_t cj__axis(cj_value x, int axis)
{
    return axis < 0 ? axis + cj_value_shape(x).rank : axis;
}

/* The axes as a bit mask; a bad axis sets a bit past every rank, which shape inference refuses. */
static uint32_t axes_mask(cj_value x, cj_axes_t axes)
{
    int64_t rank = cj_value_shape(x).rank;
    if (axes.count == 0) return (1u << rank) - 1;
    uint32_t mask = 0;
    for (int i = 0; i < axes.count; i++) {
        int64_t axis = cj__axis(x, axes.axis[i]);
        mask |= axis >= 0 && axis < rank ? 1u << axis : 1u << 31;
    }
    return mask;
}

static cj_value reduce(cj__op op, cj_value x, cj_axes_t axes, cj_kept kept)
{
    cj__reduce_attributes attributes = {axes_mask(x, axes), kept == CJ_KEEP_AXES};
    return cj__draw1(op, &attributes, x);
}

cj_value cj_sum(cj_value x, cj_axes_t axes, cj_kept kept)
{
    return reduce(CJ__OP_sum, x, axes, kept);
}

cj_value cj__sum_all(cj_value x)
{
    return cj_sum(x, CJ_ALL_AXES, CJ_DROP_AXES);
}

cj_value cj_max(cj_value x, cj_axes_t axes, cj_kept kept)
{
    return reduce(CJ__OP_max, x, axes, kept);
}

cj_value cj_min(cj_value x, cj_axes_t axes, cj_kept kept)
{
    return reduce(CJ__OP_min, x, axes, kept);
}

cj_value cj_product(cj_value x, cj_axes_t axes, cj_kept kept)
{
    return reduce(CJ__OP_product, x, axes, kept);
}

/* How many elements are folded into each of the result's. */
static double folded(cj_value x, cj_value reduced)
{
    double count = (double)cj_shape_count(cj_value_shape(reduced));
    return count > 0 ? (double)cj_shape_count(cj_value_shape(x)) / count : 0;
}

cj_value cj_mean(cj_value x, cj_axes_t axes, cj_kept kept)
{
    cj_value sum = cj_sum(x, axes, kept);
    return cj_value_ok(sum) ? cj_scale(sum, 1 / folded(x, sum)) : sum;
}

cj_value cj_logsumexp(cj_value x, cj_axes_t axes, cj_kept kept)
{
    cj_value top = cj_stop_gradient(cj_max(x, axes, CJ_KEEP_AXES));
    top = cj_select(cj_is_finite(top), top,
                    cj__full_like(top, 0)); /* infinities need no shift, and would make NaN */
    cj_value sum = cj_sum(cj_exp(cj_sub(x, top)), axes, kept);
    return cj_value_ok(sum) ? cj_add(cj_log(sum), cj_reshape(top, cj_value_shape(sum))) : sum;
}

cj_value cj_variance(cj_value x, cj_axes_t axes, cj_kept kept, int correction)
{
    cj_value centred = cj_sub(x, cj_mean(x, axes, CJ_KEEP_AXES));
    cj_value sum = cj_sum(cj_square(centred), axes, kept);
    return cj_value_ok(sum) ? cj_scale(sum, 1 / (folded(x, sum) - correction)) : sum;
}

cj_value cj_argmax(cj_value x, int axis)
{
    return cj__draw1(CJ__OP_argmax, (&(cj__axis_attributes){cj__axis(x, axis)}), x);
}

cj_value cj_argmin(cj_value x, int axis)
{
    return cj__draw1(CJ__OP_argmin, (&(cj__axis_attributes){cj__axis(x, axis)}), x);
}

cj_value cj__sum_to(cj_value x, cj_shape_t shape)
{
    cj_shape_t from = cj_value_shape(x);
    int64_t lead = from.rank - shape.rank;
    uint32_t axes = (1u << lead) - 1;
    for (int64_t d = 0; d < shape.rank; d++)
        if (shape.dims[d] != from.dims[lead + d]) axes |= 1u << (lead + d);
    cj_value sum = cj__draw1(CJ__OP_sum, (&(cj__reduce_attributes){axes, 1}), x);
    return cj_reshape(sum, shape);
}

cj_value cj__expand_reduced(cj_value reduced, uint32_t axes, cj_shape_t shape)
{
    cj_shape_t kept = shape;
    for (int64_t d = 0; d < shape.rank; d++)
        if (axes >> d & 1) kept.dims[d] = 1;
    return cj_broadcast(cj_reshape(reduced, kept), shape);
}

/* --- gradients ----------------------------------------------------------------------------------------- */

void cj__sum_vjp(cj__vjp *v)
{
    const cj__reduce_attributes *a = v->attributes;
    v->gradients[0] = cj__expand_reduced(v->cotangents[0], a->axes, cj_value_shape(v->inputs[0]));
}

/* Equal extrema share the gradient. */
static void extremum_vjp(cj__vjp *v)
{
    const cj__reduce_attributes *a = v->attributes;
    cj_shape_t shape = cj_value_shape(v->inputs[0]);
    cj_value top = cj__expand_reduced(v->outputs[0], a->axes, shape);
    cj_value chosen = cj_cast(cj_equal(v->inputs[0], top), cj_value_dtype(top));
    cj_value ties = cj__draw1(CJ__OP_sum, a, chosen);
    cj_value share = cj__expand_reduced(cj_div(v->cotangents[0], ties), a->axes, shape);
    v->gradients[0] = cj_mul(chosen, share);
}

void cj__max_vjp(cj__vjp *v)
{
    extremum_vjp(v);
}

void cj__min_vjp(cj__vjp *v)
{
    extremum_vjp(v);
}

/* Rows moved along by so many places, 1 coming in; with `reverse` the other way. */
static cj_value shifted(cj_value x, int64_t by, bool reverse)
{
    int64_t length = cj_value_shape(x).dims[1];
    return reverse ? cj_pad(cj_slice(x, 1, by, length, 1), 1, 0, by, 1)
                   : cj_pad(cj_slice(x, 1, 0, length - by, 1), 1, by, 0, 1);
}

/* The product of all elements before each of a row, x: [R,K]; with `reverse` of all after it. In log K rounds
 * each product takes in that of twice as many (Hillis and Steele, 1986, Data Parallel Algorithms). */
static cj_value products_of_others(cj_value x, bool reverse)
{
    int64_t length = cj_value_shape(x).dims[1];
    cj_value running = shifted(x, 1, reverse);
    for (int64_t by = 1; by < length - 1; by *= 2) running = cj_mul(running, shifted(running, by, reverse));
    return running;
}

/* Each element's gradient is the product of the others, so that zeros are no special case, and derivatives of
 * derivatives hold there too. */
void cj__product_vjp(cj__vjp *v)
{
    const cj__reduce_attributes *a = v->attributes;
    cj_value x = v->inputs[0];
    cj_shape_t shape = cj_value_shape(x), turned = {.rank = shape.rank};
    cj__transpose_attributes turn = {.rank = shape.rank}, back = {.rank = shape.rank};
    int64_t length = 1, at = 0;
    for (int reduced = 0; reduced < 2; reduced++) /* the reduced axes go last */
        for (int64_t d = 0; d < shape.rank; d++) {
            if ((int)(a->axes >> d & 1) != reduced) continue;
            if (reduced) length *= shape.dims[d];
            turn.order[at] = d;
            back.order[d] = at;
            turned.dims[at++] = shape.dims[d];
        }
    cj_value share = cj__expand_reduced(v->cotangents[0], a->axes, shape);
    v->gradients[0] = share;
    if (length < 2 || cj_shape_count(shape) == 0) return;
    cj_value rows =
        cj_reshape(cj__draw1(CJ__OP_transpose, &turn, x), cj_shape(cj_shape_count(shape) / length, length));
    cj_value others = cj_mul(products_of_others(rows, false), products_of_others(rows, true));
    v->gradients[0] = cj_mul(share, cj__draw1(CJ__OP_transpose, &back, cj_reshape(others, turned)));
}

/* --- definitions --------------------------------------------------------------------------------------- */

/* Walks x in order and folds each element into the place of the result that it belongs to. */
static void fold(const cj__reference *r, double start, double (*step)(double, double))
{
    const cj__reduce_attributes *a = r->attributes;
    cj_shape_t x = r->input_types[0].shape;
    int64_t stride[CJ_MAX_RANK] = {0}, size = 1, index[CJ_MAX_RANK] = {0};
    for (int64_t d = x.rank - 1; d >= 0; d--)
        if (!(a->axes >> d & 1)) stride[d] = size, size *= x.dims[d];
    for (int64_t i = 0; i < cj_shape_count(r->output_types[0].shape); i++) r->outputs[0][i] = start;
    for (int64_t i = 0; i < cj_shape_count(x); i++) {
        int64_t place = 0;
        for (int64_t d = 0; d < x.rank; d++) place += index[d] * stride[d];
        r->outputs[0][place] = step(r->outputs[0][place], r->inputs[0][i]);
        for (int64_t d = x.rank - 1; d >= 0 && ++index[d] == x.dims[d]; d--) index[d] = 0;
    }
}

static double add(double a, double b)
{
    return a + b;
}

static double larger(double a, double b)
{
    return isnan(b) || b > a ? b : a;
}

static double smaller(double a, double b)
{
    return isnan(b) || b < a ? b : a;
}

static double multiply(double a, double b)
{
    return a * b;
}

void cj__product_reference(const cj__reference *r)
{
    fold(r, 1, multiply);
}

void cj__min_reference(const cj__reference *r)
{
    fold(r, INFINITY, smaller);
}

void cj__sum_reference(const cj__reference *r)
{
    fold(r, 0, add);
}

void cj__max_reference(const cj__reference *r)
{
    fold(r, -INFINITY, larger);
}

/* The first of the largest of sign·x along the axis; NaN is chosen before any number. */
static void first_extreme(const cj__reference *r, double sign)
{
    const cj__axis_attributes *a = r->attributes;
    cj__split s = cj__split_at(r->input_types[0].shape, a->axis);
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t i = 0; i < s.inner; i++) {
            const double *line = r->inputs[0] + o * s.length * s.inner + i;
            int64_t best = 0;
            for (int64_t k = 1; k < s.length; k++) {
                double here = line[k * s.inner], so_far = line[best * s.inner];
                if (sign * here > sign * so_far || (isnan(here) && !isnan(so_far))) best = k;
            }
            r->outputs[0][o * s.inner + i] = (double)best;
        }
}

void cj__argmax_reference(const cj__reference *r)
{
    first_extreme(r, 1);
}

void cj__argmin_reference(const cj__reference *r)
{
    first_extreme(r, -1);
}

static void reduce_samples(cj__samples *samples)
{
    static const struct {
        cj_shape_t shape;
        uint32_t axes;
    } cases[] = {{{1, {1031}}, 1},        {{2, {5, 67}}, 1},       {{2, {5, 67}}, 2},
                 {{3, {3, 7, 33}}, 2},    {{3, {3, 7, 33}}, 5},    {{2, {0, 4}}, 2},
                 {{2, {4, 5}}, 0},        {{4, {2, 3, 1, 5}}, 15}, {{4, {3, 5, 7, 4}}, 6},
                 {{4, {3, 5, 7, 4}}, 10}, {{3, {2, 4, 700}}, 2},   {{4, {2, 0, 3, 5}}, 4},
                 {{2, {1, 1}}, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int keep = 0; keep < 2; keep++)
            CJ__SAMPLE(samples, .attributes = &(cj__reduce_attributes){cases[i].axes, keep},
                       .inputs_count = 1, .inputs = {{CJ_F32, cases[i].shape, 0, 0}});
}

void cj__sum_samples(cj__samples *samples)
{
    reduce_samples(samples);
}

void cj__max_samples(cj__samples *samples)
{
    reduce_samples(samples);
}

void cj__min_samples(cj__samples *samples)
{
    reduce_samples(samples);
}

void cj__product_samples(cj__samples *samples)
{
    CJ__SAMPLE(samples, .attributes = &(cj__reduce_attributes){1, 0}, .inputs_count = 1,
               .inputs = {{CJ_F32, cj_shape(7), 0, 0}});
    for (uint32_t axes = 0; axes < 8; axes++)
        CJ__SAMPLE(samples, .attributes = &(cj__reduce_attributes){axes, axes == 5}, .inputs_count = 1,
                   .inputs = {{CJ_F32, cj_shape(2, 3, 5), 0.5, 1.5}});
    CJ__SAMPLE(samples, .attributes = &(cj__reduce_attributes){2, 0}, .inputs_count = 1,
               .inputs = {{CJ_F32, cj_shape(4, 0), 0, 0}});
    CJ__SAMPLE(samples, .attributes = &(cj__reduce_attributes){1, 0}, .inputs_count = 1,
               .inputs = {{CJ_F32, cj_shape(67, 19), 0.9, 1.1}});
    CJ__SAMPLE(samples, .attributes = &(cj__reduce_attributes){1, 1}, .inputs_count = 1,
               .inputs = {{CJ_F32, cj_shape(1), 0, 0}});
}

static void argmax_samples(cj__samples *samples)
{
    CJ__SAMPLE(samples, .attributes = &(cj__axis_attributes){1}, .inputs_count = 1,
               .inputs = {{CJ_F32, cj_shape(4, 7, 3), 0, 0}});
    CJ__SAMPLE(samples, .attributes = &(cj__axis_attributes){1}, .inputs_count = 1,
               .inputs = {{CJ_I64, cj_shape(5, 10), 0, 4}});
    CJ__SAMPLE(samples, .attributes = &(cj__axis_attributes){0}, .inputs_count = 1,
               .inputs = {{CJ_I32, cj_shape(9), 0, 3}});
    CJ__SAMPLE(samples, .attributes = &(cj__axis_attributes){0}, .inputs_count = 1,
               .inputs = {{CJ_F32, cj_shape(1), 0, 0}});
    CJ__SAMPLE(samples, .attributes = &(cj__axis_attributes){1}, .inputs_count = 1,
               .inputs = {{CJ_F32, cj_shape(0, 5), 0, 0}});
}

void cj__argmax_samples(cj__samples *samples)
{
    argmax_samples(samples);
}

void cj__argmin_samples(cj__samples *samples)
{
    argmax_samples(samples);
}

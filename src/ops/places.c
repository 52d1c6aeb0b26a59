/* Ops that move elements without computing: reshape, transpose, broadcast, slice, concatenate, pad, gather
 * and its scatter-add, and counting up. */
#include "ops/ops.h"

#include <stdint.h>

/* --- constructors -------------------------------------------------------------------------------------- */

cj_value cj_reshape(cj_value x, cj_shape_t shape)
{
    if (!cj_value_ok(x) || cj_shape_equal(cj_value_shape(x), shape)) return x;
    int64_t known = 1, free_axis = -1;
    for (int64_t d = 0; d < shape.rank; d++) {
        if (shape.dims[d] == -1 && free_axis < 0)
            free_axis = d;
        else
            known *= shape.dims[d];
    }
    if (free_axis >= 0 && known > 0) shape.dims[free_axis] = cj_shape_count(cj_value_shape(x)) / known;
    return cj__draw1(CJ__OP_reshape, (&(cj__shape_attributes){shape}), x);
}

/* Pictures [N,H,W,C] are flattened as [N,C,H,W], since weights that follow are made for that order. */
cj_value cj_flatten(cj_value x)
{
    cj_shape_t shape = cj_value_shape(x);
    if (!cj_value_ok(x) || shape.rank == 2) return x;
    if (shape.rank >= 4 && shape.dims[shape.rank - 1] > 1) {
        cj_axes_t channels_first = {.count = (int)shape.rank, .axis = {0, (int)shape.rank - 1}};
        for (int d = 2; d < shape.rank; d++) channels_first.axis[d] = d - 1;
        x = cj_transpose(x, channels_first);
    }
    int64_t rows = shape.rank > 0 ? shape.dims[0] : 1;
    return cj_reshape(x, cj_shape(rows, rows ? cj_shape_count(shape) / rows : 0));
}

cj_value cj_transpose(cj_value x, cj_axes_t order)
{
    cj__transpose_attributes attributes = {.rank = cj_value_shape(x).rank};
    if (order.count) attributes.rank = order.count;
    for (int64_t d = 0; d < attributes.rank; d++)
        attributes.order[d] = order.count ? cj__axis(x, order.axis[d]) : attributes.rank - 1 - d;
    return cj__draw1(CJ__OP_transpose, &attributes, x);
}

cj_value cj_slice(cj_value x, int axis, int64_t start, int64_t stop, int64_t step)
{
    int64_t at = cj__axis(x, axis), count = stop > start && step > 0 ? (stop - start + step - 1) / step : 0;
    return cj__draw1(CJ__OP_slice, (&(cj__slice_attributes){at, start, step, count}), x);
}

cj_value cj_concatenate(int count, const cj_value *parts, int axis)
{
    if (count < 1) return cj__none();
    cj__axis_attributes attributes = {cj__axis(parts[0], axis)};
    return cj__draw(parts[0].graph, CJ__OP_concatenate, &attributes, count, parts);
}

void cj_split(cj_value x, int count, int axis, cj_value *parts)
{
    cj_value first = cj__draw1(CJ__OP_split, (&(cj__split_attributes){cj__axis(x, axis), count}), x);
    for (int i = 0; i < count; i++) parts[i] = cj__output_of(first, i);
}

cj_value cj_pad(cj_value x, int axis, int64_t before, int64_t after, double value)
{
    if (!cj_value_ok(x)) return x;
    cj_shape_t shape = cj_value_shape(x);
    int64_t at = cj__axis(x, axis);
    if (before < 0 || after < 0 || at < 0 || at >= shape.rank)
        return cj__graph_error(x.graph, CJ_INVALID_ARGUMENT,
                               "pad at '%s': axis %d by %lld and %lld is not possible", x.graph->scope, axis,
                               (long long)before, (long long)after);
    cj_value parts[3];
    int count = 0;
    cj_value fill = cj_constant(x.graph, cj_value_dtype(x), value);
    shape.dims[at] = before;
    if (before) parts[count++] = cj_broadcast(fill, shape);
    parts[count++] = x;
    shape.dims[at] = after;
    if (after) parts[count++] = cj_broadcast(fill, shape);
    return cj_concatenate(count, parts, (int)at);
}

cj_value cj_gather(cj_value x, cj_value indices, int axis)
{
    return cj__draw2(CJ__OP_gather, (&(cj__axis_attributes){cj__axis(x, axis)}), x, indices);
}

cj_value cj_scatter_add(cj_value updates, cj_value indices, int axis, int64_t size)
{
    return cj__draw2(CJ__OP_scatter_add, (&(cj__scatter_attributes){axis, size}), updates, indices);
}

cj_value cj_put(cj_value x, cj_value part, cj_value start, int axis)
{
    cj_value operands[] = {x, part, start};
    return cj__draw(x.graph, CJ__OP_put, &(cj__axis_attributes){cj__axis(x, axis)}, 3, operands);
}

cj_value cj_iota(cj_graph *graph, cj_dtype dtype, int64_t count)
{
    return cj__draw(graph, CJ__OP_iota, &(cj__iota_attributes){dtype, count}, 0, NULL);
}

/* --- gradients ----------------------------------------------------------------------------------------- */

void cj__reshape_vjp(cj__vjp *v)
{
    v->gradients[0] = cj_reshape(v->cotangents[0], cj_value_shape(v->inputs[0]));
}

void cj__transpose_vjp(cj__vjp *v)
{
    const cj__transpose_attributes *a = v->attributes;
    cj__transpose_attributes back = {.rank = a->rank};
    for (int64_t d = 0; d < a->rank; d++) back.order[a->order[d]] = d;
    v->gradients[0] = cj__draw1(CJ__OP_transpose, &back, v->cotangents[0]);
}

void cj__broadcast_vjp(cj__vjp *v)
{
    v->gradients[0] = cj__sum_to(v->cotangents[0], cj_value_shape(v->inputs[0]));
}

/* The cotangent, spread out by the step, between zeros. */
void cj__slice_vjp(cj__vjp *v)
{
    const cj__slice_attributes *a = v->attributes;
    cj_value g = v->cotangents[0];
    int64_t size = cj_value_shape(v->inputs[0]).dims[a->axis];
    if (a->step == 1) {
        v->gradients[0] = cj_pad(g, (int)a->axis, a->start, size - a->start - a->count, 0);
        return;
    }
    cj_value places = cj_scale(cj_iota(v->graph, CJ_I64, a->count), (double)a->step);
    places = cj_add_scalar(places, (double)a->start);
    v->gradients[0] = cj_scatter_add(g, places, (int)a->axis, size);
}

void cj__concatenate_vjp(cj__vjp *v)
{
    const cj__axis_attributes *a = v->attributes;
    int64_t start = 0;
    for (int i = 0; i < v->inputs_count; i++) {
        int64_t size = cj_value_shape(v->inputs[i]).dims[a->axis];
        if (v->wanted[i]) v->gradients[i] = cj_slice(v->cotangents[0], (int)a->axis, start, start + size, 1);
        start += size;
    }
}

/* The parts' cotangents side by side, zeros where nothing flows back. */
void cj__split_vjp(cj__vjp *v)
{
    const cj__split_attributes *a = v->attributes;
    cj_value parts[CJ__MOST_VALUES];
    for (int i = 0; i < v->outputs_count; i++)
        parts[i] = cj_value_ok(v->cotangents[i]) ? v->cotangents[i] : cj__full_like(v->outputs[i], 0);
    v->gradients[0] = cj_concatenate(v->outputs_count, parts, (int)a->axis);
}

void cj__gather_vjp(cj__vjp *v)
{
    const cj__axis_attributes *a = v->attributes;
    int64_t size = cj_value_shape(v->inputs[0]).dims[a->axis];
    if (v->wanted[0]) v->gradients[0] = cj_scatter_add(v->cotangents[0], v->inputs[1], (int)a->axis, size);
}

/* Updates whose index is outside went nowhere; gather gives zeros there, so the same op serves. */
void cj__scatter_add_vjp(cj__vjp *v)
{
    const cj__scatter_attributes *a = v->attributes;
    if (v->wanted[0]) v->gradients[0] = cj_gather(v->cotangents[0], v->inputs[1], (int)a->axis);
}

/* What the part covered gets nothing; the part gets what lies where it was put. */
void cj__put_vjp(cj__vjp *v)
{
    const cj__axis_attributes *a = v->attributes;
    cj_value start = v->inputs[2];
    int64_t count = cj_value_shape(v->inputs[1]).dims[a->axis];
    cj_value places = cj_add(cj_iota(v->graph, cj_value_dtype(start), count), start);
    if (v->wanted[0])
        v->gradients[0] = cj_put(v->cotangents[0], cj__full_like(v->inputs[1], 0), start, (int)a->axis);
    if (v->wanted[1]) v->gradients[1] = cj_gather(v->cotangents[0], places, (int)a->axis);
}

/* --- definitions --------------------------------------------------------------------------------------- */

cj__split cj__split_at(cj_shape_t shape, int64_t axis)
{
    cj__split s = {1, shape.dims[axis], 1};
    for (int64_t d = 0; d < axis; d++) s.outer *= shape.dims[d];
    for (int64_t d = axis + 1; d < shape.rank; d++) s.inner *= shape.dims[d];
    return s;
}

void cj__reshape_reference(const cj__reference *r)
{
    for (int64_t i = 0; i < cj_shape_count(r->output_types[0].shape); i++) r->outputs[0][i] = r->inputs[0][i];
}

/* Copies with a stride per output axis: transposing and broadcasting are both that. */
static void strided_copy(const cj__reference *r, const int64_t stride[CJ_MAX_RANK])
{
    cj_shape_t shape = r->output_types[0].shape;
    int64_t index[CJ_MAX_RANK] = {0};
    for (int64_t i = 0; i < cj_shape_count(shape); i++) {
        int64_t place = 0;
        for (int64_t d = 0; d < shape.rank; d++) place += index[d] * stride[d];
        r->outputs[0][i] = r->inputs[0][place];
        for (int64_t d = shape.rank - 1; d >= 0 && ++index[d] == shape.dims[d]; d--) index[d] = 0;
    }
}

void cj__transpose_reference(const cj__reference *r)
{
    const cj__transpose_attributes *a = r->attributes;
    cj_shape_t x = r->input_types[0].shape;
    int64_t stride[CJ_MAX_RANK] = {0};
    for (int64_t d = 0; d < x.rank; d++) {
        stride[d] = 1;
        for (int64_t e = a->order[d] + 1; e < x.rank; e++) stride[d] *= x.dims[e];
    }
    strided_copy(r, stride);
}

void cj__broadcast_reference(const cj__reference *r)
{
    int64_t stride[CJ_MAX_RANK];
    cj__broadcast_strides(r->input_types[0].shape, r->output_types[0].shape, stride);
    strided_copy(r, stride);
}

void cj__slice_reference(const cj__reference *r)
{
    const cj__slice_attributes *a = r->attributes;
    cj__split s = cj__split_at(r->input_types[0].shape, a->axis);
    double *out = r->outputs[0];
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t k = 0; k < a->count; k++)
            for (int64_t i = 0; i < s.inner; i++)
                *out++ = r->inputs[0][(o * s.length + a->start + k * a->step) * s.inner + i];
}

void cj__concatenate_reference(const cj__reference *r)
{
    const cj__axis_attributes *a = r->attributes;
    cj__split s = cj__split_at(r->output_types[0].shape, a->axis);
    int64_t start = 0;
    for (int p = 0; p < r->inputs_count; p++) {
        int64_t length = r->input_types[p].shape.dims[a->axis];
        for (int64_t o = 0; o < s.outer; o++)
            for (int64_t i = 0; i < length * s.inner; i++)
                r->outputs[0][(o * s.length + start) * s.inner + i] = r->inputs[p][o * length * s.inner + i];
        start += length;
    }
}

void cj__split_reference(const cj__reference *r)
{
    const cj__split_attributes *a = r->attributes;
    cj__split s = cj__split_at(r->input_types[0].shape, a->axis);
    int64_t part = s.length / a->count * s.inner;
    for (int p = 0; p < r->outputs_count; p++)
        for (int64_t o = 0; o < s.outer; o++)
            for (int64_t i = 0; i < part; i++)
                r->outputs[p][o * part + i] = r->inputs[0][o * s.length * s.inner + p * part + i];
}

void cj__gather_reference(const cj__reference *r)
{
    const cj__axis_attributes *a = r->attributes;
    cj__split s = cj__split_at(r->input_types[0].shape, a->axis);
    int64_t count = cj_shape_count(r->input_types[1].shape);
    double *out = r->outputs[0];
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t k = 0; k < count; k++)
            for (int64_t i = 0; i < s.inner; i++) {
                double index = r->inputs[1][k];
                bool inside = index >= 0 && index < (double)s.length;
                *out++ = inside ? r->inputs[0][(o * s.length + (int64_t)index) * s.inner + i] : 0;
            }
}

void cj__scatter_add_reference(const cj__reference *r)
{
    const cj__scatter_attributes *a = r->attributes;
    cj__split s = cj__split_at(r->output_types[0].shape, a->axis);
    int64_t count = cj_shape_count(r->input_types[1].shape);
    const double *in = r->inputs[0];
    for (int64_t i = 0; i < s.outer * s.length * s.inner; i++) r->outputs[0][i] = 0;
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t k = 0; k < count; k++)
            for (int64_t i = 0; i < s.inner; i++, in++) {
                double index = r->inputs[1][k];
                if (index >= 0 && index < (double)s.length)
                    r->outputs[0][(o * s.length + (int64_t)index) * s.inner + i] += *in;
            }
}

void cj__put_reference(const cj__reference *r)
{
    const cj__axis_attributes *a = r->attributes;
    cj__split whole = cj__split_at(r->output_types[0].shape, a->axis);
    int64_t count = r->input_types[1].shape.dims[a->axis];
    double start = r->inputs[2][0];
    for (int64_t o = 0; o < whole.outer; o++)
        for (int64_t k = 0; k < whole.length; k++)
            for (int64_t i = 0; i < whole.inner; i++) {
                double from = (double)k - start;
                bool covered = from >= 0 && from < (double)count;
                int64_t place = (o * whole.length + k) * whole.inner + i;
                r->outputs[0][place] = covered ? r->inputs[1][(o * count + (int64_t)from) * whole.inner + i]
                                               : r->inputs[0][place];
            }
}

void cj__iota_reference(const cj__reference *r)
{
    for (int64_t i = 0; i < cj_shape_count(r->output_types[0].shape); i++) r->outputs[0][i] = (double)i;
}

/* --- test samples -------------------------------------------------------------------------------------- */

#define ONE_INPUT(samples, attributes_, shape_)                                                              \
    CJ__SAMPLE(samples, .attributes = attributes_, .inputs_count = 1, .inputs = {{CJ_F32, shape_, 0, 0}})

void cj__reshape_samples(cj__samples *samples)
{
    ONE_INPUT(samples, &(cj__shape_attributes){cj_shape(5, 6)}, cj_shape(2, 3, 5));
    ONE_INPUT(samples, &(cj__shape_attributes){cj_shape(3, 0)}, cj_shape(0, 7));
    ONE_INPUT(samples, &(cj__shape_attributes){cj_scalar_shape()}, cj_shape(1, 1));
}

void cj__transpose_samples(cj__samples *samples)
{
    cj__transpose_attributes swap = {2, {1, 0}}, turn = {3, {2, 0, 1}}, four = {4, {0, 2, 1, 3}};
    ONE_INPUT(samples, &swap, cj_shape(17, 33));
    ONE_INPUT(samples, &turn, cj_shape(2, 3, 5));
    ONE_INPUT(samples, &four, cj_shape(2, 3, 4, 5));
    ONE_INPUT(samples, &swap, cj_shape(1, 1));
    ONE_INPUT(samples, &swap, cj_shape(0, 3));
}

void cj__broadcast_samples(cj__samples *samples)
{
    ONE_INPUT(samples, &(cj__shape_attributes){cj_shape(4, 7)}, cj_shape(7));
    ONE_INPUT(samples, &(cj__shape_attributes){cj_shape(4, 7)}, cj_shape(4, 1));
    ONE_INPUT(samples, &(cj__shape_attributes){cj_shape(2, 3, 5)}, cj_scalar_shape());
    ONE_INPUT(samples, &(cj__shape_attributes){cj_shape(0, 5)}, cj_shape(1, 5));
    ONE_INPUT(samples, &(cj__shape_attributes){cj_shape(3, 0)}, cj_shape(1, 0));
    ONE_INPUT(samples, &(cj__shape_attributes){cj_shape(3, 2, 37)}, cj_shape(1, 37));
}

void cj__slice_samples(cj__samples *samples)
{
    cj__slice_attributes inner = {1, 2, 1, 3}, strided = {0, 1, 2, 2}, none = {0, 0, 1, 0},
                         one = {0, 0, 1, 1};
    ONE_INPUT(samples, &inner, cj_shape(3, 7, 2));
    ONE_INPUT(samples, &strided, cj_shape(5, 4));
    ONE_INPUT(samples, &none, cj_shape(5, 4));
    ONE_INPUT(samples, &none, cj_shape(0, 4));
    ONE_INPUT(samples, &one, cj_shape(1));
}

void cj__concatenate_samples(cj__samples *samples)
{
    CJ__SAMPLE(samples, .attributes = &(cj__axis_attributes){1}, .inputs_count = 3,
               .inputs = {{CJ_F32, cj_shape(3, 2, 5), 0, 0},
                          {CJ_F32, cj_shape(3, 0, 5), 0, 0},
                          {CJ_F32, cj_shape(3, 4, 5), 0, 0}});
    CJ__SAMPLE(samples, .attributes = &(cj__axis_attributes){0}, .inputs_count = 2,
               .inputs = {{CJ_F32, cj_shape(1), 0, 0}, {CJ_F32, cj_shape(1), 0, 0}});
}

void cj__split_samples(cj__samples *samples)
{
    cj__split_attributes four = {1, 4}, one = {0, 1}, three = {1, 3}, two = {0, 2};
    ONE_INPUT(samples, &four, cj_shape(3, 8, 5));
    ONE_INPUT(samples, &one, cj_shape(7));
    ONE_INPUT(samples, &three, cj_shape(4, 9));
    ONE_INPUT(samples, &two, cj_shape(0, 3));
    ONE_INPUT(samples, &one, cj_shape(1));
    ONE_INPUT(samples, &three, cj_shape(7, 33));
}

void cj__gather_samples(cj__samples *samples)
{
    CJ__SAMPLE(samples, .attributes = &(cj__axis_attributes){0}, .inputs_count = 2,
               .inputs = {{CJ_F32, cj_shape(7, 5), 0, 0}, {CJ_I32, cj_shape(4, 3), -1, 8}});
    CJ__SAMPLE(samples, .attributes = &(cj__axis_attributes){1}, .inputs_count = 2,
               .inputs = {{CJ_F32, cj_shape(3, 7, 2), 0, 0}, {CJ_I64, cj_shape(5), 0, 7}});
    CJ__SAMPLE(samples, .attributes = &(cj__axis_attributes){0}, .inputs_count = 2,
               .inputs = {{CJ_F32, cj_shape(1), 0, 0}, {CJ_I32, cj_shape(1), 0, 1}});
    CJ__SAMPLE(samples, .attributes = &(cj__axis_attributes){0}, .inputs_count = 2,
               .inputs = {{CJ_F32, cj_shape(7, 5), 0, 0}, {CJ_I32, cj_shape(0), 0, 7}});
}

void cj__scatter_add_samples(cj__samples *samples)
{
    CJ__SAMPLE(samples, .attributes = &(cj__scatter_attributes){0, 6}, .inputs_count = 2,
               .inputs = {{CJ_F32, cj_shape(9, 5), 0, 0}, {CJ_I32, cj_shape(9), -1, 7}});
    CJ__SAMPLE(samples, .attributes = &(cj__scatter_attributes){1, 4}, .inputs_count = 2,
               .inputs = {{CJ_F32, cj_shape(3, 5, 2), 0, 0}, {CJ_I64, cj_shape(5), 0, 4}});
    CJ__SAMPLE(samples, .attributes = &(cj__scatter_attributes){0, 1}, .inputs_count = 2,
               .inputs = {{CJ_F32, cj_shape(1), 0, 0}, {CJ_I32, cj_shape(1), 0, 1}});
    CJ__SAMPLE(samples, .attributes = &(cj__scatter_attributes){0, 6}, .inputs_count = 2,
               .inputs = {{CJ_F32, cj_shape(0, 5), 0, 0}, {CJ_I32, cj_shape(0), 0, 6}});
}

#define PUT(samples, axis_, shape, part, type, low, high)                                                    \
    CJ__SAMPLE(                                                                                              \
        samples, .attributes = &(cj__axis_attributes){axis_}, .inputs_count = 3,                             \
        .inputs = {{CJ_F32, shape, 0, 0}, {CJ_F32, part, 0, 0}, {type, cj_scalar_shape(), low, high}})

void cj__put_samples(cj__samples *samples)
{
    PUT(samples, 1, cj_shape(3, 7, 5), cj_shape(3, 2, 5), CJ_I32, 4, 5);
    PUT(samples, 0, cj_shape(7), cj_shape(3), CJ_I64, 5, 6);
    PUT(samples, 2, cj_shape(2, 3, 4), cj_shape(2, 3, 3), CJ_I32, -2, -1);
    PUT(samples, 0, cj_shape(4, 3), cj_shape(2, 3), CJ_I32, 9, 10);
    PUT(samples, 0, cj_shape(1), cj_shape(1), CJ_I32, 0, 1);
    PUT(samples, 0, cj_shape(0, 3), cj_shape(0, 3), CJ_I32, 0, 1);
}

void cj__iota_samples(cj__samples *samples)
{
    CJ__SAMPLE(samples, .attributes = &(cj__iota_attributes){CJ_I32, 13});
}

/* Blocks of networks that see, made of other layers: separable convolutions, squeeze and excitation, dropout
 * of channels and of whole paths; and pictures made larger or smaller. */
#define CJ_NO_LOCATIONS
#include "cajal/vision.h"
#include "base/memory.h"
#include "graph/graph.h"
#include "nn/check.h"
#include "ops/ops.h"

#include <math.h>

cj_value cj_separable_conv2d(cj_scope scope, const cj_conv_options *o)
{
    cj_conv_options depthwise = *o;
    depthwise.filters = depthwise.groups = cj__channels_of(o->input);
    depthwise.no_bias = true;
    cj_conv_options pointwise = {.size = sizeof pointwise,
                                 .filters = o->filters,
                                 .no_bias = o->no_bias,
                                 .weight_init = o->weight_init,
                                 .bias_init = o->bias_init};
    pointwise.input = cj_conv2d(cj_at(scope, "depthwise"), &depthwise);
    return cj_conv2d(cj_at(scope, "pointwise"), &pointwise);
}

cj_value cj_spatially_separable_conv2d(cj_scope scope, const cj_conv_options *o)
{
    cj_conv_options vertical = *o, horizontal = *o;
    int64_t *arrays[2][4] = {{vertical.kernels, vertical.strides, vertical.dilations, vertical.pads},
                             {horizontal.kernels, horizontal.strides, horizontal.dilations, horizontal.pads}};
    const int64_t all[4] = {o->kernel, o->stride, o->dilation, o->pad};
    for (int side = 0; side < 2; side++) {
        cj_conv_options *half = side ? &horizontal : &vertical;
        for (int i = 0; i < 4; i++) {
            int64_t own = arrays[side][i][side] ? arrays[side][i][side] : all[i];
            arrays[side][i][side] = own;
            arrays[side][i][1 - side] = i == 3 ? 0 : 1;
        }
        half->pad = 0;
    }
    vertical.no_bias = true;
    horizontal.input = cj_conv2d(cj_at(scope, "vertical"), &vertical);
    return cj_conv2d(cj_at(scope, "horizontal"), &horizontal);
}

cj_value cj_squeeze_excitation(cj_scope scope, cj_value x, int64_t squeezed, bool hard)
{
    cj_shape_t shape = cj_value_shape(x);
    if (!cj__given(scope, "squeeze_excitation", "input", x)) return cj__poison(scope.graph);
    int64_t channels = cj__channels_of(x);
    cj_value all = cj_reshape(cj_global_average_pool(x), cj_shape(shape.dims[0], 1, 1, channels));
    cj_conv_options down = {.size = sizeof down, .input = all, .filters = squeezed};
    cj_conv_options up = {.size = sizeof up, .filters = channels};
    up.input = cj_relu(cj_conv2d(cj_at(scope, "fc1"), &down));
    for (int64_t d = 1; d < shape.rank - 1; d++) shape.dims[d] = 1;
    cj_value weights = cj_reshape(cj_conv2d(cj_at(scope, "fc2"), &up), shape);
    return cj_mul(x, hard ? cj_hard_sigmoid(weights) : cj_sigmoid(weights));
}

/* Dropout of ones: one for each example and, where asked, each channel. */
static cj_value kept(cj_scope scope, cj_value x, double rate, bool by_channel)
{
    cj_shape_t shape = cj_value_shape(x);
    for (int64_t d = 1; d < shape.rank - by_channel; d++) shape.dims[d] = 1;
    cj_value ones = cj_broadcast(cj_constant(scope.graph, cj_value_dtype(x), 1), shape);
    return cj_dropout(scope, ones, rate);
}

cj_value cj_spatial_dropout(cj_scope scope, cj_value x, double rate)
{
    if (!cj__given(scope, "spatial_dropout", "input", x)) return cj__poison(scope.graph);
    if (cj_graph_mode(scope.graph) == CJ_INFERENCE || rate == 0) return x;
    return cj_mul(x, kept(scope, x, rate, true));
}

cj_value cj_stochastic_depth(cj_scope scope, cj_value x, double rate)
{
    if (!cj__given(scope, "stochastic_depth", "input", x)) return cj__poison(scope.graph);
    if (cj_graph_mode(scope.graph) == CJ_INFERENCE || rate == 0) return x;
    return cj_mul(x, kept(scope, x, rate, false));
}

/* --- size ---------------------------------------------------------------------------------------------- */

/* Where element i of `to` lies among `from`. */
static double source_of(int64_t i, int64_t from, int64_t to, cj_interpolation interpolation, bool align)
{
    if (interpolation == CJ_NEAREST) return floor((double)i * (double)from / (double)to);
    if (align) return to > 1 ? (double)i * (double)(from - 1) / (double)(to - 1) : 0;
    double at = ((double)i + 0.5) * (double)from / (double)to - 0.5;
    return at < 0 ? 0 : at;
}

/* What lies at or after each source along an axis, `step` elements on. */
static cj_value taken(cj_value x, int axis, int64_t to, int64_t step, const double *sources)
{
    int64_t from = cj_value_shape(x).dims[axis];
    int32_t *indices = cj__allocate((size_t)to * sizeof *indices + 1);
    if (!indices) return cj__graph_error(x.graph, CJ_OUT_OF_MEMORY, "out of memory for resize");
    for (int64_t i = 0; i < to; i++) {
        int64_t at = (int64_t)sources[i] + step;
        indices[i] = (int32_t)(at < from ? at : from - 1);
    }
    cj_tensor tensor = {indices, CJ_I32, cj_shape(to)};
    cj_value y = cj_gather(x, cj_constant_tensor(x.graph, &tensor), axis);
    cj__free(indices);
    return y;
}

/* The share of what lies after, for each place along the axis: [1,…,to,…,1]. */
static cj_value shares(cj_value x, int axis, int64_t to, const double *sources)
{
    cj_shape_t shape = {.rank = cj_value_shape(x).rank};
    float *share = cj__allocate((size_t)to * sizeof *share + 1);
    if (!share) return cj__graph_error(x.graph, CJ_OUT_OF_MEMORY, "out of memory for resize");
    for (int64_t d = 0; d < shape.rank; d++) shape.dims[d] = d == axis ? to : 1;
    for (int64_t i = 0; i < to; i++) share[i] = (float)(sources[i] - floor(sources[i]));
    cj_tensor tensor = {share, CJ_F32, shape};
    cj_value y = cj_cast(cj_constant_tensor(x.graph, &tensor), cj_value_dtype(x));
    cj__free(share);
    return y;
}

static cj_value resize_axis(cj_value x, int axis, int64_t to, cj_interpolation interpolation, bool align)
{
    int64_t from = cj_value_shape(x).dims[axis];
    if (from == to || !cj_value_ok(x)) return x;
    double *sources = cj__allocate((size_t)to * sizeof *sources + 1);
    if (!sources) return cj__graph_error(x.graph, CJ_OUT_OF_MEMORY, "out of memory for resize");
    for (int64_t i = 0; i < to; i++) sources[i] = source_of(i, from, to, interpolation, align);
    cj_value y = taken(x, axis, to, 0, sources);
    if (interpolation == CJ_BILINEAR) {
        cj_value after = cj_sub(taken(x, axis, to, 1, sources), y);
        y = cj_add(y, cj_mul(after, shares(x, axis, to, sources)));
    }
    cj__free(sources);
    return y;
}

cj_value cj_resize(cj_value x, int64_t height, int64_t width, cj_interpolation interpolation,
                   bool align_corners)
{
    cj_shape_t shape = cj_value_shape(x);
    if (!cj_value_ok(x)) return cj__poison(x.graph);
    if (shape.rank != 4 || height < 1 || width < 1 || shape.dims[1] < 1 || shape.dims[2] < 1)
        return cj__graph_error(x.graph, CJ_SHAPE_ERROR, "resize needs [N,H,W,C] and a size from 1 by 1 on");
    x = resize_axis(x, 1, height, interpolation, align_corners);
    return resize_axis(x, 2, width, interpolation, align_corners);
}

cj_value cj_pixel_shuffle(cj_value x, int64_t r)
{
    cj_shape_t s = cj_value_shape(x);
    if (!cj_value_ok(x)) return cj__poison(x.graph);
    if (s.rank != 4 || r < 1 || s.dims[3] % (r * r))
        return cj__graph_error(x.graph, CJ_SHAPE_ERROR,
                               "pixel_shuffle needs [N,H,W,C·%lld²] with channels to share out",
                               (long long)r);
    int64_t channels = s.dims[3] / (r * r);
    x = cj_reshape(x, cj_shape(s.dims[0], s.dims[1], s.dims[2], channels, r, r));
    x = cj_transpose(x, (cj_axes_t){6, {0, 1, 4, 2, 5, 3}});
    return cj_reshape(x, cj_shape(s.dims[0], s.dims[1] * r, s.dims[2] * r, channels));
}

cj_value cj_pixel_unshuffle(cj_value x, int64_t r)
{
    cj_shape_t s = cj_value_shape(x);
    if (!cj_value_ok(x)) return cj__poison(x.graph);
    if (s.rank != 4 || r < 1 || s.dims[1] % r || s.dims[2] % r)
        return cj__graph_error(x.graph, CJ_SHAPE_ERROR, "pixel_unshuffle needs [N,H,W,C] with sides of %lld",
                               (long long)r);
    x = cj_reshape(x, cj_shape(s.dims[0], s.dims[1] / r, r, s.dims[2] / r, r, s.dims[3]));
    x = cj_transpose(x, (cj_axes_t){6, {0, 1, 3, 5, 2, 4}});
    return cj_reshape(x, cj_shape(s.dims[0], s.dims[1] / r, s.dims[2] / r, s.dims[3] * r * r));
}

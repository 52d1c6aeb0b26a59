/* Layers of networks that see: convolution and batch normalisation with their parameters. */
#define CJ_NO_LOCATIONS
#include "cajal/nn.h"
#include "cajal/vision.h"
#include "graph/graph.h"
#include "nn/check.h"
#include "ops/ops.h"

/* The window of a layer over `rank` spatial axes of x, and its kernel. */
static cj__window_attributes window_of(const cj_conv_options *o, cj_shape_t x, int64_t rank)
{
    cj__window_attributes a = {.rank = rank, .groups = o->groups ? o->groups : 1};
    for (int d = 0; d < rank; d++) {
        a.kernel[d] = cj__along(o->kernels, d, o->kernel, 1);
        a.stride[d] = cj__along(o->strides, d, o->stride, 1);
        a.dilation[d] = cj__along(o->dilations, d, o->dilation, 1);
        a.before[d] = a.after[d] = cj__along(o->pads, d, o->pad, 0);
        if (o->padding == CJ_SAME) cj__pad_same(&a, d, x.dims[1 + d]);
    }
    return a;
}

static cj_window public_window(const cj__window_attributes *a)
{
    cj_window w = {.groups = a->groups};
    for (int d = 0; d < a->rank; d++) {
        w.stride[d] = a->stride[d];
        w.dilation[d] = a->dilation[d];
        w.before[d] = a->before[d];
        w.after[d] = a->after[d];
    }
    return w;
}

static cj_value add_bias(cj_scope scope, const cj_conv_options *o, cj_value y)
{
    cj_init init = o->bias_init.kind == CJ_INIT_DEFAULT ? (cj_init){CJ_INIT_ZEROS, 0} : o->bias_init;
    return o->no_bias ? y : cj_add(y, cj_parameter(scope, "bias", cj_shape(o->filters), init));
}

static bool wrong_rank(cj_scope scope, const char *type, cj_shape_t x, int64_t rank)
{
    if (x.rank == rank + 2 && rank >= 1 && rank <= CJ__SPATIAL) return false;
    cj__graph_error(
        scope.graph, CJ_SHAPE_ERROR,
        "%s at '%s' has an input of %lld dimensions, but needs [N,spatial…,C]; hint: a grey picture "
        "[N,H,W] becomes [N,H,W,1] by cj_reshape",
        type, scope.path, (long long)x.rank);
    return true;
}

static bool wrong_kernel(cj_scope scope, const char *type, const cj_conv_options *o, int64_t rank)
{
    int d = 0;
    while (d < rank && cj__along(o->kernels, d, o->kernel, 1) >= 1) d++;
    if (d == rank) return false;
    cj__graph_error(scope.graph, CJ_SHAPE_ERROR,
                    "%s at '%s' has a kernel of %lld along spatial axis %d, but needs 1 or more", type,
                    scope.path, (long long)cj__along(o->kernels, d, o->kernel, 1), d);
    return true;
}

static bool wrong_groups(cj_scope scope, const char *type, const cj_conv_options *o, int64_t channels)
{
    int64_t groups = o->groups ? o->groups : 1;
    if (o->filters >= 1 && groups >= 1 && channels % groups == 0 && o->filters % groups == 0) return false;
    cj__graph_error(scope.graph, CJ_SHAPE_ERROR,
                    "%s at '%s': %lld channels and %lld filters do not split into %lld groups", type,
                    scope.path, (long long)channels, (long long)o->filters, (long long)groups);
    return true;
}

static bool wrong_options(cj_scope scope, const char *type, const cj_conv_options *o, cj_shape_t x,
                          int64_t rank)
{
    return wrong_rank(scope, type, x, rank) || wrong_kernel(scope, type, o, rank) ||
           wrong_groups(scope, type, o, x.dims[x.rank - 1]);
}

/* weight: [kernel…,in,out] */
static cj_value weight_of(cj_scope scope, const cj__window_attributes *a, int64_t in, int64_t out,
                          cj_init init)
{
    cj_shape_t shape = {.rank = a->rank + 2};
    for (int64_t d = 0; d < a->rank; d++) shape.dims[d] = a->kernel[d];
    shape.dims[a->rank] = in;
    shape.dims[a->rank + 1] = out;
    return cj_kernel_parameter(scope, "weight", shape, init);
}

static cj_value draw_convolution(cj_scope scope, const cj_conv_options *o, const char *type, int64_t rank)
{
    cj_shape_t x = cj_value_shape(o->input);
    if (!cj__given(scope, type, "input", o->input) || wrong_options(scope, type, o, x, rank))
        return cj__poison(scope.graph);
    const char *outer = cj__enter(scope.graph, scope.path);
    cj__window_attributes a = window_of(o, x, rank);
    cj_window window = public_window(&a);
    cj_value weight = weight_of(scope, &a, x.dims[x.rank - 1] / a.groups, o->filters, o->weight_init);
    cj_value y = add_bias(scope, o, cj_convolution(o->input, weight, &window));
    cj__enter(scope.graph, outer);
    return cj_note_layer(scope, type, y);
}

cj_value cj_conv1d(cj_scope scope, const cj_conv_options *o)
{
    return draw_convolution(scope, o, "conv1d", 1);
}

cj_value cj_conv2d(cj_scope scope, const cj_conv_options *o)
{
    return draw_convolution(scope, o, "conv2d", 2);
}

cj_value cj_conv3d(cj_scope scope, const cj_conv_options *o)
{
    return draw_convolution(scope, o, "conv3d", 3);
}

/* The result's size along each axis; for CJ_SAME the window is padded as the convolution back would be. */
static cj_shape_t transposed_size(const cj_conv_options *o, cj__window_attributes *a, cj_shape_t x)
{
    cj_shape_t size = {.rank = a->rank};
    for (int d = 0; d < a->rank; d++) {
        int64_t reach = a->dilation[d] * (a->kernel[d] - 1) + 1, n = x.dims[1 + d];
        size.dims[d] = (n - 1) * a->stride[d] - a->before[d] - a->after[d] + reach + o->output_pad;
        if (o->padding != CJ_SAME) continue;
        size.dims[d] = n * a->stride[d];
        cj__pad_same(a, d, size.dims[d]);
    }
    return size;
}

cj_value cj_conv_transpose(cj_scope scope, const cj_conv_options *o)
{
    static const char type[] = "conv_transpose";
    cj_shape_t x = cj_value_shape(o->input);
    if (!cj__given(scope, type, "input", o->input) || wrong_options(scope, type, o, x, x.rank - 2))
        return cj__poison(scope.graph);
    const char *outer = cj__enter(scope.graph, scope.path);
    cj__window_attributes a = window_of(o, x, x.rank - 2);
    cj_shape_t size = transposed_size(o, &a, x);
    cj_window window = public_window(&a);
    cj_value weight = weight_of(scope, &a, o->filters / a.groups, x.dims[x.rank - 1], o->weight_init);
    cj_value y = add_bias(scope, o, cj_transposed_convolution(o->input, weight, &window, size));
    cj__enter(scope.graph, outer);
    return cj_note_layer(scope, type, y);
}

/* --- batch normalisation ------------------------------------------------------------------------------- */

/* running ← (1 - momentum) · running + momentum · new */
static void follow(cj_value running, cj_value new, double momentum)
{
    cj_assign(running, cj_add(cj_scale(running, 1 - momentum), cj_scale(new, momentum)));
}

/* The mean over more than one element is unbiased with n - 1. */
static cj_value unbiased(cj_value variance, cj_value x)
{
    int64_t channels = cj_shape_count(cj_value_shape(variance));
    double n = channels ? (double)(cj_shape_count(cj_value_shape(x)) / channels) : 0;
    return n > 1 ? cj_scale(variance, n / (n - 1)) : variance;
}

cj_value cj_batch_norm(cj_scope scope, const cj_batch_norm_options *o)
{
    cj_value x = o->input;
    if (!cj__given(scope, "batch_norm", "input", x)) return cj__poison(scope.graph);
    const char *outer = cj__enter(scope.graph, scope.path);
    cj_shape_t shape = cj_value_shape(x), by_channel = cj_shape(shape.rank ? shape.dims[shape.rank - 1] : 1);
    double epsilon = cj__epsilon(scope, "batch_norm", o->epsilon),
           momentum = o->momentum == 0 ? 0.1 : o->momentum;
    cj_value weight, bias, y;
    if (o->no_affine || o->no_weight)
        weight = cj_broadcast(cj_constant(scope.graph, CJ_F32, 1), by_channel);
    else
        weight = cj_parameter(scope, "weight", by_channel, (cj_init){CJ_INIT_ONES, 0});
    if (o->no_affine)
        bias = cj_broadcast(cj_constant(scope.graph, CJ_F32, 0), by_channel);
    else
        bias = cj_parameter(scope, "bias", by_channel, (cj_init){CJ_INIT_ZEROS, 0});
    cj_value mean = cj_state(scope, "running_mean", CJ_STATISTIC, CJ_F32, by_channel, 0);
    cj_value variance = cj_state(scope, "running_var", CJ_STATISTIC, CJ_F32, by_channel, 1);
    if (cj_graph_mode(scope.graph) == CJ_TRAINING && !cj_is_frozen(scope, "running_mean")) {
        y = cj__batch_norm(x, weight, bias, epsilon);
        follow(mean, cj__output_of(y, 1), momentum);
        follow(variance, unbiased(cj__output_of(y, 2), x), momentum);
    } else {
        cj_value factor = cj_mul(weight, cj_rsqrt(cj_add_scalar(variance, epsilon)));
        y = cj_add(cj_mul(cj_sub(x, mean), factor), bias);
    }
    cj__enter(scope.graph, outer);
    return cj_note_layer(scope, "batch_norm", y);
}

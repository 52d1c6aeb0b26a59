/* Normalisation within one example: by groups of channels, and by neighbouring channels. */
#define CJ_NO_LOCATIONS
#include "cajal/vision.h"
#include "base/memory.h"
#include "graph/graph.h"
#include "nn/check.h"
#include "ops/ops.h"

/* x: [N,P,G,C/G], over places and the channels of a group */
static cj_value normalise(cj_value x, double epsilon)
{
    cj_axes_t axes = {2, {1, 3}};
    cj_value centred = cj_sub(x, cj_mean(x, axes, CJ_KEEP_AXES));
    cj_value variance = cj_mean(cj_square(centred), axes, CJ_KEEP_AXES);
    return cj_mul(centred, cj_rsqrt(cj_add_scalar(variance, epsilon)));
}

cj_value cj_group_norm(cj_scope scope, const cj_group_norm_options *o)
{
    cj_value x = o->input;
    if (!cj__given(scope, "group_norm", "input", x)) return cj__poison(scope.graph);
    int64_t groups = o->groups ? o->groups : 32, channels = cj__channels_of(x);
    cj_shape_t shape = cj_value_shape(x), by_channel = cj_shape(channels);
    if (shape.rank < 2 || groups < 1 || channels % groups)
        return cj__graph_error(scope.graph, CJ_SHAPE_ERROR,
                               "group_norm at '%s': %lld channels do not split into %lld groups", scope.path,
                               (long long)channels, (long long)groups);
    const char *outer = cj__enter(scope.graph, scope.path);
    cj_value y = cj_reshape(x, cj_shape(shape.dims[0], -1, groups, channels / groups));
    y = cj_reshape(normalise(y, cj__epsilon(scope, "group_norm", o->epsilon)), shape);
    if (!o->no_affine) {
        y = cj_mul(y, cj_parameter(scope, "weight", by_channel, (cj_init){CJ_INIT_ONES, 0}));
        y = cj_add(y, cj_parameter(scope, "bias", by_channel, (cj_init){CJ_INIT_ZEROS, 0}));
    }
    cj__enter(scope.graph, outer);
    return cj_note_layer(scope, "group_norm", y);
}

/* [C,C]: 1 where channel j is among the `width` around channel i, so that a product sums neighbours up. */
static cj_value neighbours(cj_graph *graph, int64_t channels, int64_t width)
{
    float *band = cj__allocate_zeroed((size_t)(channels * channels) * sizeof *band);
    if (!band) return cj__graph_error(graph, CJ_OUT_OF_MEMORY, "out of memory for local_response_norm");
    for (int64_t i = 0; i < channels; i++)
        for (int64_t j = i - width / 2; j <= i + (width - 1) / 2; j++)
            if (j >= 0 && j < channels) band[j * channels + i] = 1;
    cj_tensor tensor = {band, CJ_F32, cj_shape(channels, channels)};
    cj_value value = cj_constant_tensor(graph, &tensor);
    cj__free(band);
    return value;
}

/* The published exponent is made of roots, which take a tenth of the time. */
static cj_value to_the_minus(cj_value base, double beta)
{
    if (beta != 0.75) return cj_pow(base, cj_constant(base.graph, cj_value_dtype(base), -beta));
    cj_value root = cj_rsqrt(base);
    return cj_mul(root, cj_sqrt(root));
}

cj_value cj_local_response_norm(const cj_local_response_norm_options *o)
{
    cj_value x = o->input;
    if (!cj_value_ok(x)) return cj__poison(x.graph);
    int64_t width = o->width ? o->width : 5;
    double alpha = o->alpha == 0 ? 1e-4 : o->alpha, beta = o->beta == 0 ? 0.75 : o->beta;
    if (width < 1 || cj_value_shape(x).rank < 2)
        return cj__graph_error(x.graph, CJ_SHAPE_ERROR,
                               "local_response_norm needs [N,…,C] and a width from 1 on");
    cj_value sums = cj_matmul(cj_square(x), neighbours(x.graph, cj__channels_of(x), width));
    cj_value base = cj_add_scalar(cj_scale(sums, alpha / (double)width), o->k == 0 ? 1 : o->k);
    return cj_mul(x, to_the_minus(base, beta));
}

/* The network of Keller Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024 (arXiv 2404.00498):
 * small, and begun so that it learns from its first step. Its first layer is set from the data by cj_whiten
 * ("0.weight") and stays; filters begin by passing channels on. */
#include "models/models.h"
#include "ops/ops.h"

#include <math.h>

/* The gradient stops at the filters: they are the data's, not learned. Their bias is. */
static cj_value whitened(cj_scope s, cj_value x)
{
    enum { KERNEL = 2 };
    int64_t channels = cj__channels_of(x), filters = 2 * channels * KERNEL * KERNEL;
    cj_init init = {CJ_INIT_UNIFORM, 1 / sqrt((double)(channels * KERNEL * KERNEL))};
    cj_value weight = cj_kernel_parameter(s, "weight", cj_shape(KERNEL, KERNEL, channels, filters), init);
    const char *outer = cj__enter(s.graph, s.path);
    cj_value y = cj_convolution(x, cj_stop_gradient(weight), &(cj_window){.groups = 1});
    y = cj_add(y, cj_parameter(s, "bias", cj_shape(filters), (cj_init){CJ_INIT_ZEROS, 0}));
    cj__enter(s.graph, outer);
    return cj_note_layer(s, "whitening", y);
}

static cj_value conv(cj_scope s, cj_value x, int64_t filters)
{
    cj_conv_options options = {
        .size = sizeof options,
        .input = x,
        .filters = filters,
        .kernel = 3,
        .pad = 1,
        .no_bias = true,
        .weight_init = {CJ_INIT_DIRAC, 1 / sqrt(9 * (double)cj__channels_of(x))},
    };
    return cj_conv2d(s, &options);
}

/* A bias and no weight; statistics that follow fast. */
static cj_value norm(cj_scope s, cj_value x)
{
    cj_batch_norm_options options = {
        .size = sizeof options, .input = x, .epsilon = 1e-12, .momentum = 0.4, .no_weight = true};
    return cj_batch_norm(s, &options);
}

static cj_value block(cj_scope s, cj_value x, int64_t filters)
{
    x = cj__max_pool(conv(cj_at(s, "conv1"), x, filters), 2, 2, 0);
    x = cj_gelu(norm(cj_at(s, "norm1"), x));
    return cj_gelu(norm(cj_at(s, "norm2"), conv(cj_at(s, "conv2"), x, filters)));
}

/* x: [N,32,32,3] → 31×31 → 15×15 → 7×7 → 3×3 → 1×1 */
cj_value cj__draw_airbench94(cj_scope s, cj_value x, int64_t classes)
{
    x = cj_gelu(whitened(cj_at(s, "0"), x));
    x = block(cj_at(s, "2"), x, 64);
    x = block(cj_at(s, "3"), x, 256);
    x = cj_flatten(cj__max_pool(block(cj_at(s, "4"), x, 256), 3, 3, 0));
    cj_dense_options head = {.size = sizeof head,
                             .input = x,
                             .units = classes,
                             .no_bias = true,
                             .weight_init = {CJ_INIT_UNIFORM, 1 / sqrt((double)cj__channels_of(x))}};
    return cj_scale(cj_dense(cj_at(s, "7"), &head), 1.0 / 9);
}

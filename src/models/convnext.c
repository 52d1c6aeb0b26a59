/* ConvNeXt-tiny (Liu et al., "A ConvNet for the 2020s", 2022) under torchvision's names: wide depthwise
 * windows, layer normalisation, and a perceptron at each place. */
#include "models/models.h"
#include "ops/ops.h"

enum { STAGES = 4, BLOCKS = 18 };

static const cj_init begin = {CJ_INIT_TRUNCATED, 0.02};

static cj_value norm(cj_scope s, cj_value x)
{
    return cj_layer_norm(s, CJ_OPTIONS(cj_layer_norm_options, .input = x, .epsilon = 1e-6));
}

/* Windows side by side. */
static cj_value patches(cj_scope s, cj_value x, int64_t filters, int64_t side)
{
    return cj_conv2d(s, CJ_OPTIONS(cj_conv_options, .input = x, .filters = filters, .kernel = side,
                                   .stride = side, .weight_init = begin));
}

/* x: [N,H,W,C]. What is added begins near nothing: the scale of each channel is [C,1,1] in files. */
static cj_value block(cj_scope s, cj_value x, double drop)
{
    int64_t channels = cj__channels_of(x);
    cj_value y = cj_conv2d(cj_at(s, "block.0"),
                           CJ_OPTIONS(cj_conv_options, .input = x, .filters = channels, .groups = channels,
                                      .kernel = 7, .pad = 3, .weight_init = begin));
    y = cj_gelu(cj__linear(cj_at(s, "block.3"), norm(cj_at(s, "block.2"), y), 4 * channels, begin));
    y = cj__linear(cj_at(s, "block.5"), y, channels, begin);
    cj_value scale =
        cj_parameter(s, "layer_scale", cj_shape(channels, 1, 1), (cj_init){CJ_INIT_CONSTANT, 1e-6});
    y = cj_mul(y, cj_reshape(scale, cj_shape(channels)));
    return cj_add(x, cj_stochastic_depth(s, y, drop));
}

/* A block is left out the more often the later it comes, the last one a tenth of the time. */
cj_value cj__draw_convnext_tiny(cj_scope s, cj_value x, int64_t classes)
{
    static const int widths[STAGES] = {96, 192, 384, 768}, counts[STAGES] = {3, 3, 9, 3};
    int drawn = 0;
    for (int stage = 0; stage < STAGES; stage++) {
        cj_scope before = cj_at(s, "features.%d", 2 * stage);
        if (stage == 0)
            x = norm(cj_at(before, "1"), patches(cj_at(before, "0"), x, widths[0], 4));
        else
            x = patches(cj_at(before, "1"), norm(cj_at(before, "0"), x), widths[stage], 2);
        for (int i = 0; i < counts[stage]; i++)
            x = block(cj_at(s, "features.%d.%d", 2 * stage + 1, i), x, 0.1 * drawn++ / (BLOCKS - 1));
    }
    x = norm(cj_at(s, "classifier.0"), cj_global_average_pool(x));
    return cj__linear(cj_at(s, "classifier.2"), x, classes, begin);
}

/* SqueezeNet (Iandola et al., "SqueezeNet: AlexNet-level Accuracy with 50x Fewer Parameters", 2016), 1.0 of
 * the paper and 1.1, which needs less than half the operations, under torchvision's names. */
#include "models/models.h"

static cj_value conv(cj_scope s, cj_value x, int64_t filters, int64_t kernel, int64_t stride)
{
    return cj_relu(cj_conv2d(s, CJ_OPTIONS(cj_conv_options, .input = x, .filters = filters, .kernel = kernel,
                                           .stride = stride, .pad = stride == 1 ? kernel / 2 : 0,
                                           .weight_init = {CJ_INIT_HE_UNIFORM, 0})));
}

static cj_value pool(cj_value x)
{
    return cj_max_pool(CJ_OPTIONS(cj_pool_options, .input = x, .kernel = 3, .stride = 2, .ceil = true));
}

/* Few channels by 1×1, then 1×1 and 3×3 side by side. */
static cj_value fire(cj_scope s, cj_value x, int64_t squeezed, int64_t expanded)
{
    x = conv(cj_at(s, "squeeze"), x, squeezed, 1, 1);
    cj_value parts[2] = {conv(cj_at(s, "expand1x1"), x, expanded, 1, 1),
                         conv(cj_at(s, "expand3x3"), x, expanded, 3, 1)};
    return cj_concatenate(2, parts, 3);
}

/* Eight fires with two poolings among them; layers are numbered as in a list, where the stem is 0 and 1. */
static cj_value features(cj_scope s, cj_value x, int first_pool, int second_pool)
{
    static const int squeezed[8] = {16, 16, 32, 32, 48, 48, 64, 64};
    int layer = 2;
    x = pool(x);
    for (int i = 0; i < 8; i++) {
        x = fire(cj_at(s, "features.%d", ++layer), x, squeezed[i], 4 * squeezed[i]);
        if (i != first_pool && i != second_pool) continue;
        x = pool(x);
        layer++;
    }
    return x;
}

/* A 1×1 convolution to the classes, whose mean over all places is the logits. */
static cj_value classify(cj_scope s, cj_value x, int64_t classes)
{
    x = cj_conv2d(cj_at(s, "1"), CJ_OPTIONS(cj_conv_options, .input = cj_dropout(cj_at(s, "0"), x, 0.5),
                                            .filters = classes, .weight_init = {CJ_INIT_NORMAL, 0.01}));
    return cj_global_average_pool(cj_relu(x));
}

cj_value cj__draw_squeezenet1_0(cj_scope s, cj_value x, int64_t classes)
{
    x = features(s, conv(cj_at(s, "features.0"), x, 96, 7, 2), 2, 6);
    return classify(cj_at(s, "classifier"), x, classes);
}

cj_value cj__draw_squeezenet1_1(cj_scope s, cj_value x, int64_t classes)
{
    x = features(s, conv(cj_at(s, "features.0"), x, 64, 3, 2), 1, 3);
    return classify(cj_at(s, "classifier"), x, classes);
}

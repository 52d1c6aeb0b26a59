/* DenseNet-121 (Huang et al., "Densely Connected Convolutional Networks", 2017) under torchvision's names:
 * each layer sees the results of all before it in its block. */
#include "models/models.h"
#include "ops/ops.h"

enum { GROWTH = 32, BLOCKS = 4 };

static cj_value conv(cj_scope s, cj_value x, int64_t filters, int64_t kernel)
{
    return cj_conv2d(s,
                     CJ_OPTIONS(cj_conv_options, .input = x, .filters = filters, .kernel = kernel,
                                .pad = kernel / 2, .no_bias = true, .weight_init = {CJ_INIT_HE_NORMAL, 0}));
}

static cj_value layer(cj_scope s, cj_value x)
{
    cj_value y = cj_relu(cj__bn(cj_at(s, "norm1"), x));
    y = cj_relu(cj__bn(cj_at(s, "norm2"), conv(cj_at(s, "conv1"), y, 4 * GROWTH, 1)));
    cj_value parts[2] = {x, conv(cj_at(s, "conv2"), y, GROWTH, 3)};
    return cj_concatenate(2, parts, 3);
}

/* Half the channels and half the size. */
static cj_value transition(cj_scope s, cj_value x)
{
    x = cj_relu(cj__bn(cj_at(s, "norm"), x));
    x = conv(cj_at(s, "conv"), x, cj__channels_of(x) / 2, 1);
    return cj_average_pool(CJ_OPTIONS(cj_pool_options, .input = x, .kernel = 2));
}

cj_value cj__draw_densenet121(cj_scope s, cj_value x, int64_t classes)
{
    static const int counts[BLOCKS] = {6, 12, 24, 16};
    cj_scope f = cj_at(s, "features");
    x = cj__conv(cj_at(f, "conv0"), x, 64, 7, 2, 3);
    x = cj__max_pool(cj_relu(cj__bn(cj_at(f, "norm0"), x)), 3, 2, 1);
    for (int b = 0; b < BLOCKS; b++) {
        for (int i = 0; i < counts[b]; i++) x = layer(cj_at(f, "denseblock%d.denselayer%d", b + 1, i + 1), x);
        if (b + 1 < BLOCKS) x = transition(cj_at(f, "transition%d", b + 1), x);
    }
    x = cj_global_average_pool(cj_relu(cj__bn(cj_at(f, "norm5"), x)));
    return cj__linear(cj_at(s, "classifier"), x, classes, (cj_init){CJ_INIT_LECUN_UNIFORM, 0});
}

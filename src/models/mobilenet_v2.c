/* MobileNetV2 (Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018) under
 * torchvision's names: blocks that widen, convolve each channel, and narrow again without a ReLU. */
#include "models/models.h"
#include "ops/ops.h"

static cj_value relu6(cj_value x)
{
    return cj_clamp(x, 0, 6);
}

/* Convolution "0" and normalisation "1". */
static cj_value conv(cj_scope s, cj_value x, int64_t filters, int64_t kernel, int64_t stride)
{
    return cj__bn(cj_at(s, "1"), cj__conv(cj_at(s, "0"), x, filters, kernel, stride, kernel / 2));
}

/* The first block alone does not widen. Its layers are numbered as those of a list. */
static cj_value inverted(cj_scope s, cj_value x, int64_t factor, int64_t filters, int64_t stride)
{
    int layer = 0;
    int64_t channels = cj__channels_of(x);
    cj_value y = x;
    if (factor > 1) y = relu6(conv(cj_at(s, "conv.%d", layer++), y, factor * channels, 1, 1));
    cj_scope depthwise = cj_at(s, "conv.%d", layer++);
    y = relu6(cj__bn(cj_at(depthwise, "1"), cj__depthwise(cj_at(depthwise, "0"), y, 3, stride)));
    y = cj__conv(cj_at(s, "conv.%d", layer), y, filters, 1, 1, 0);
    y = cj__bn(cj_at(s, "conv.%d", layer + 1), y);
    return stride == 1 && channels == filters ? cj_add(x, y) : y;
}

cj_value cj__draw_mobilenet_v2(cj_scope s, cj_value x, int64_t classes)
{
    static const struct {
        int factor, filters, count, stride;
    } stages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                  {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
    int layer = 1;
    x = relu6(conv(cj_at(s, "features.0"), x, 32, 3, 2));
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
        for (int j = 0; j < stages[i].count; j++)
            x = inverted(cj_at(s, "features.%d", layer++), x, stages[i].factor, stages[i].filters,
                         j == 0 ? stages[i].stride : 1);
    x = cj_global_average_pool(relu6(conv(cj_at(s, "features.%d", layer), x, 1280, 1, 1)));
    x = cj_dropout(cj_at(s, "classifier.0"), x, 0.2);
    return cj__linear(cj_at(s, "classifier.1"), x, classes, (cj_init){CJ_INIT_NORMAL, 0.01});
}

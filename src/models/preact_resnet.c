/* Residual networks whose blocks normalise before they convolve (He et al., "Identity Mappings in Deep
 * Residual Networks", 2016), so that nothing stands between one block's sum and the next's. */
#include "models/models.h"
#include "ops/ops.h"

static cj_value activate(cj_scope s, cj_value x)
{
    return cj_relu(cj__bn(s, x));
}

/* From the normalised input where the block changes size or channels. */
static cj_value shortcut(cj_scope s, cj_value x, cj_value activated, int64_t filters, int64_t stride)
{
    if (stride == 1 && cj__channels_of(x) == filters) return x;
    return cj__conv(cj_at(s, "shortcut.0"), activated, filters, 1, stride, 0);
}

/* Two 3×3 convolutions. */
static cj_value basic(cj_scope s, cj_value x, int64_t width, int64_t stride)
{
    cj_value y = activate(cj_at(s, "bn1"), x), past = shortcut(s, x, y, width, stride);
    y = cj__conv(cj_at(s, "conv1"), y, width, 3, stride, 1);
    y = cj__conv(cj_at(s, "conv2"), activate(cj_at(s, "bn2"), y), width, 3, 1, 1);
    return cj_add(y, past);
}

/* 1×1 to fewer channels, 3×3, 1×1 to four times as many. */
static cj_value bottleneck(cj_scope s, cj_value x, int64_t width, int64_t stride)
{
    cj_value y = activate(cj_at(s, "bn1"), x), past = shortcut(s, x, y, 4 * width, stride);
    y = cj__conv(cj_at(s, "conv1"), y, width, 1, 1, 0);
    y = cj__conv(cj_at(s, "conv2"), activate(cj_at(s, "bn2"), y), width, 3, stride, 1);
    y = cj__conv(cj_at(s, "conv3"), activate(cj_at(s, "bn3"), y), 4 * width, 1, 1, 0);
    return cj_add(y, past);
}

typedef cj_value block(cj_scope s, cj_value x, int64_t width, int64_t stride);

/* Stages of `counts` blocks up to a zero, each but the first at half the size and with twice the channels. */
static cj_value stages(cj_scope s, cj_value x, block *draw, const int *counts, int64_t width, int64_t classes)
{
    for (int stage = 0; counts[stage]; stage++)
        for (int i = 0; i < counts[stage]; i++)
            x = draw(cj_at(s, "layer%d.%d", stage + 1, i), x, width << stage, stage > 0 && i == 0 ? 2 : 1);
    x = cj_global_average_pool(activate(cj_at(s, "bn"), x));
    return cj__linear(cj_at(s, "linear"), x, classes, (cj_init){CJ_INIT_LECUN_UNIFORM, 0});
}

/* x: [N,224,224,3] → 112×112 → 56×56 → 28×28 → 14×14 → 7×7 */
#define IMAGENET(name, block, ...)                                                                           \
    cj_value cj__draw_##name(cj_scope s, cj_value x, int64_t classes)                                        \
    {                                                                                                        \
        static const int counts[] = {__VA_ARGS__, 0};                                                        \
        x = cj__max_pool(cj__conv(cj_at(s, "conv1"), x, 64, 7, 2, 3), 3, 2, 1);                              \
        return stages(s, x, block, counts, 64, classes);                                                     \
    }
IMAGENET(preact_resnet18, basic, 2, 2, 2, 2)
IMAGENET(preact_resnet50, bottleneck, 3, 4, 6, 3)

/* x: [N,32,32,3] → 32×32 → 16×16 → 8×8 */
#define CIFAR(name, block, n)                                                                                \
    cj_value cj__draw_##name(cj_scope s, cj_value x, int64_t classes)                                        \
    {                                                                                                        \
        static const int counts[] = {n, n, n, 0};                                                            \
        return stages(s, cj__conv(cj_at(s, "conv1"), x, 16, 3, 1, 1), block, counts, 16, classes);           \
    }
CIFAR(preact_resnet20_cifar, basic, 3)
CIFAR(preact_resnet110_cifar, basic, 18)
CIFAR(preact_resnet164_cifar, bottleneck, 18)

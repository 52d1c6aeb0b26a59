/* Residual networks (He et al., "Deep Residual Learning for Image Recognition", 2015): the five of ImageNet,
 * under torchvision's names, wide ones among them, and those of CIFAR. */
#include "models/models.h"
#include "ops/ops.h"

static cj_value linear(cj_scope s, cj_value x, int64_t classes)
{
    return cj__linear(s, x, classes, (cj_init){CJ_INIT_LECUN_UNIFORM, 0});
}

/* --- ImageNet ------------------------------------------------------------------------------------------ */

/* A 1×1 convolution where the block changes size or channels. */
static cj_value shortcut(cj_scope s, cj_value x, int64_t filters, int64_t stride)
{
    if (stride == 1 && cj__channels_of(x) == filters) return x;
    cj_scope down = cj_at(s, "downsample");
    return cj__bn(cj_at(down, "1"), cj__conv(cj_at(down, "0"), x, filters, 1, stride, 0));
}

/* Two 3×3 convolutions. */
static cj_value basic(cj_scope s, cj_value x, int64_t width, int64_t stride)
{
    cj_value y = cj__conv(cj_at(s, "conv1"), x, width, 3, stride, 1);
    y = cj_relu(cj__bn(cj_at(s, "bn1"), y));
    y = cj__bn(cj_at(s, "bn2"), cj__conv(cj_at(s, "conv2"), y, width, 3, 1, 1));
    return cj_relu(cj_add(y, shortcut(s, x, width, stride)));
}

/* 1×1 to fewer channels, 3×3, 1×1 to four times `width`. */
static cj_value narrowed(cj_scope s, cj_value x, int64_t inner, int64_t width, int64_t stride)
{
    cj_value y = cj_relu(cj__bn(cj_at(s, "bn1"), cj__conv(cj_at(s, "conv1"), x, inner, 1, 1, 0)));
    y = cj_relu(cj__bn(cj_at(s, "bn2"), cj__conv(cj_at(s, "conv2"), y, inner, 3, stride, 1)));
    y = cj__bn(cj_at(s, "bn3"), cj__conv(cj_at(s, "conv3"), y, 4 * width, 1, 1, 0));
    return cj_relu(cj_add(y, shortcut(s, x, 4 * width, stride)));
}

static cj_value bottleneck(cj_scope s, cj_value x, int64_t width, int64_t stride)
{
    return narrowed(s, x, width, width, stride);
}

/* Zagoruyko and Komodakis, "Wide Residual Networks", 2016. */
static cj_value wide(cj_scope s, cj_value x, int64_t width, int64_t stride)
{
    return narrowed(s, x, 2 * width, width, stride);
}

typedef cj_value block(cj_scope s, cj_value x, int64_t width, int64_t stride);

/* Four stages, each but the first at half the size and with twice the channels. */
static cj_value stages(cj_scope s, cj_value x, block *draw, const int counts[4], int64_t classes)
{
    for (int stage = 0; stage < 4; stage++)
        for (int i = 0; i < counts[stage]; i++)
            x = draw(cj_at(s, "layer%d.%d", stage + 1, i), x, (int64_t)64 << stage,
                     stage > 0 && i == 0 ? 2 : 1);
    return linear(cj_at(s, "fc"), cj_global_average_pool(x), classes);
}

static cj_value imagenet(cj_scope s, cj_value x, block *draw, const int counts[4], int64_t classes)
{
    x = cj_relu(cj__bn(cj_at(s, "bn1"), cj__conv(cj_at(s, "conv1"), x, 64, 7, 2, 3)));
    return stages(s, cj__max_pool(x, 3, 2, 1), draw, counts, classes);
}

#define IMAGENET(name, block, ...)                                                                           \
    cj_value cj__draw_##name(cj_scope s, cj_value x, int64_t classes)                                        \
    {                                                                                                        \
        static const int counts[4] = {__VA_ARGS__};                                                          \
        return imagenet(s, x, block, counts, classes);                                                       \
    }
IMAGENET(resnet18, basic, 2, 2, 2, 2)
IMAGENET(resnet34, basic, 3, 4, 6, 3)
IMAGENET(resnet50, bottleneck, 3, 4, 6, 3)
IMAGENET(resnet101, bottleneck, 3, 4, 23, 3)
IMAGENET(resnet152, bottleneck, 3, 8, 36, 3)
IMAGENET(wide_resnet50_2, wide, 3, 4, 6, 3)
IMAGENET(wide_resnet101_2, wide, 3, 4, 23, 3)

cj_value cj__draw_resnet18_cifar(cj_scope s, cj_value x, int64_t classes)
{
    static const int counts[4] = {2, 2, 2, 2};
    x = cj_relu(cj__bn(cj_at(s, "bn1"), cj__conv(cj_at(s, "conv1"), x, 64, 3, 1, 1)));
    return stages(s, x, basic, counts, classes);
}

/* --- CIFAR --------------------------------------------------------------------------------------------- */

/* Every second pixel, and zeros for the channels that there are not yet: He's shortcut A. */
static cj_value subsampled(cj_value x, int64_t filters, int64_t stride)
{
    int64_t missing = filters - cj__channels_of(x);
    if (stride == 1 && missing == 0) return x;
    cj_shape_t shape = cj_value_shape(x);
    for (int axis = 1; axis <= 2; axis++) x = cj_slice(x, axis, 0, shape.dims[axis], stride);
    return cj_pad(x, 3, missing / 2, missing - missing / 2, 0);
}

static cj_value plain_basic(cj_scope s, cj_value x, int64_t width, int64_t stride)
{
    cj_value y = cj__conv(cj_at(s, "conv1"), x, width, 3, stride, 1);
    y = cj_relu(cj__bn(cj_at(s, "bn1"), y));
    y = cj__bn(cj_at(s, "bn2"), cj__conv(cj_at(s, "conv2"), y, width, 3, 1, 1));
    return cj_relu(cj_add(y, subsampled(x, width, stride)));
}

/* 6n + 2 layers: three stages of n blocks. */
static cj_value cifar(cj_scope s, cj_value x, int n, int64_t classes)
{
    x = cj_relu(cj__bn(cj_at(s, "bn1"), cj__conv(cj_at(s, "conv1"), x, 16, 3, 1, 1)));
    for (int stage = 0; stage < 3; stage++)
        for (int i = 0; i < n; i++)
            x = plain_basic(cj_at(s, "layer%d.%d", stage + 1, i), x, (int64_t)16 << stage,
                            stage > 0 && i == 0 ? 2 : 1);
    return linear(cj_at(s, "linear"), cj_global_average_pool(x), classes);
}

#define CIFAR(name, n)                                                                                       \
    cj_value cj__draw_##name(cj_scope s, cj_value x, int64_t classes)                                        \
    {                                                                                                        \
        return cifar(s, x, n, classes);                                                                      \
    }
CIFAR(resnet20_cifar, 3)
CIFAR(resnet32_cifar, 5)
CIFAR(resnet44_cifar, 7)
CIFAR(resnet56_cifar, 9)
CIFAR(resnet110_cifar, 18)

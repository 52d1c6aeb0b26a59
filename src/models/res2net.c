/* Multi-scale residual networks (Gao et al., "Res2Net: A New Multi-scale Backbone Architecture", 2019):
 * within a bottleneck the channels fall into four parts, each of which sees what its neighbour has found.
 * Names are those of the authors' code. */
#include "models/models.h"
#include "ops/ops.h"

enum { SCALE = 4 };

static cj_value conv_bn(cj_scope conv, cj_scope bn, cj_value x, int64_t filters, int64_t kernel,
                        int64_t stride)
{
    return cj__bn(bn, cj__conv(conv, x, filters, kernel, stride, kernel / 2));
}

static cj_value average_pool(cj_value x, int64_t kernel, int64_t stride, int64_t pad)
{
    return cj_average_pool(
        CJ_OPTIONS(cj_pool_options, .input = x, .kernel = kernel, .stride = stride, .pad = pad));
}

/* x: [N,H,W,4·width] → [N,H/stride,W/stride,4·width]. Three parts are convolved, each but the first after the
 * result of the one before it was added; the last part goes on as it is. The first block of a stage changes
 * the size: there results do not meet, and the last part is averaged. */
static cj_value scales(cj_scope s, cj_value x, int64_t stride, bool first)
{
    cj_value parts[SCALE];
    int64_t width = cj__channels_of(x) / SCALE;
    cj_split(x, SCALE, 3, parts);
    for (int i = 0; i < SCALE - 1; i++) {
        cj_value y = i == 0 || first ? parts[i] : cj_add(parts[i - 1], parts[i]);
        parts[i] = cj_relu(conv_bn(cj_at(s, "convs.%d", i), cj_at(s, "bns.%d", i), y, width, 3, stride));
    }
    if (first) parts[SCALE - 1] = average_pool(parts[SCALE - 1], 3, stride, 1);
    return cj_concatenate(SCALE, parts, 3);
}

static cj_value bottleneck(cj_scope s, cj_value x, int64_t width, int64_t filters, int64_t stride, bool first)
{
    cj_value y = cj_relu(conv_bn(cj_at(s, "conv1"), cj_at(s, "bn1"), x, SCALE * width, 1, 1));
    y = conv_bn(cj_at(s, "conv3"), cj_at(s, "bn3"), scales(s, y, stride, first), filters, 1, 1);
    if (first) x = conv_bn(cj_at(s, "downsample.0"), cj_at(s, "downsample.1"), x, filters, 1, stride);
    return cj_relu(cj_add(y, x));
}

/* Stages of `counts` blocks up to a zero, each but the first at half the size and with twice the channels. */
static cj_value stages(cj_scope s, cj_value x, const int *counts, int64_t width, int64_t filters,
                       int64_t classes)
{
    for (int stage = 0; counts[stage]; stage++)
        for (int i = 0; i < counts[stage]; i++)
            x = bottleneck(cj_at(s, "layer%d.%d", stage + 1, i), x, width << stage, filters << stage,
                           stage > 0 && i == 0 ? 2 : 1, i == 0);
    return cj__linear(cj_at(s, "fc"), cj_global_average_pool(x), classes,
                      (cj_init){CJ_INIT_LECUN_UNIFORM, 0});
}

/* 26w×4s: parts of 26 channels cost what the 64 channels of a ResNet-50 do. */
cj_value cj__draw_res2net50(cj_scope s, cj_value x, int64_t classes)
{
    static const int counts[] = {3, 4, 6, 3, 0};
    x = cj_relu(conv_bn(cj_at(s, "conv1"), cj_at(s, "bn1"), x, 64, 7, 2));
    return stages(s, cj__max_pool(x, 3, 2, 1), counts, 26, 256, classes);
}

/* x: [N,32,32,3] → 32×32 → 16×16 → 8×8, 20 layers */
cj_value cj__draw_res2net_cifar(cj_scope s, cj_value x, int64_t classes)
{
    static const int counts[] = {2, 2, 2, 0};
    x = cj_relu(conv_bn(cj_at(s, "conv1"), cj_at(s, "bn1"), x, 32, 3, 1));
    return stages(s, x, counts, 16, 64, classes);
}

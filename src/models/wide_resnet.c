/* Wide residual networks for CIFAR (Zagoruyko and Komodakis, "Wide Residual Networks", 2016): blocks
 * normalise before they convolve, and channels take the place of depth. WRN-d-k has d layers, k times the
 * channels of He et al.'s. Those for ImageNet stand in resnet.c. */
#include "models/models.h"
#include "ops/ops.h"

/* Where the size changes, the shortcut begins behind the first normalisation. */
static cj_value block(cj_scope s, cj_value x, int64_t width, int64_t stride)
{
    cj_value y = cj_relu(cj__bn(cj_at(s, "bn1"), x));
    if (cj__channels_of(x) != width) x = cj__conv(cj_at(s, "convShortcut"), y, width, 1, stride, 0);
    y = cj_relu(cj__bn(cj_at(s, "bn2"), cj__conv(cj_at(s, "conv1"), y, width, 3, stride, 1)));
    return cj_add(x, cj__conv(cj_at(s, "conv2"), y, width, 3, 1, 1));
}

/* x: [N,32,32,3] → 32×32 → 16×16 → 8×8; 6n + 4 layers */
static cj_value wide(cj_scope s, cj_value x, int n, int64_t factor, int64_t classes)
{
    x = cj__conv(cj_at(s, "conv1"), x, 16, 3, 1, 1);
    for (int stage = 0; stage < 3; stage++)
        for (int i = 0; i < n; i++)
            x = block(cj_at(s, "block%d.layer.%d", stage + 1, i), x, factor * (16 << stage),
                      stage > 0 && i == 0 ? 2 : 1);
    x = cj_global_average_pool(cj_relu(cj__bn(cj_at(s, "bn1"), x)));
    return cj__linear(cj_at(s, "fc"), x, classes, (cj_init){CJ_INIT_LECUN_UNIFORM, 0});
}

cj_value cj__draw_wrn16_4(cj_scope s, cj_value x, int64_t classes)
{
    return wide(s, x, 2, 4, classes);
}

cj_value cj__draw_wrn28_10(cj_scope s, cj_value x, int64_t classes)
{
    return wide(s, x, 4, 10, classes);
}

/* U-Net (Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation", 2015), with
 * padding and batch normalisation: a class for every pixel. The way down halves the size four times; the way
 * up meets at each size what the way down had there. Names are those of milesial's Pytorch-UNet. */
#include "models/models.h"
#include "ops/ops.h"

enum { LEVELS = 4, WIDTH = 64 };

/* Two 3×3 convolutions, numbered as in a list: 0, 1, ReLU, 3, 4, ReLU. */
static cj_value twice(cj_scope s, cj_value x, int64_t filters)
{
    for (int i = 0; i < 6; i += 3) {
        x = cj__conv(cj_at(s, "double_conv.%d", i), x, filters, 3, 1, 1);
        x = cj_relu(cj__bn(cj_at(s, "double_conv.%d", i + 1), x));
    }
    return x;
}

/* Zeros around x, where its sides are one less than those of `like`: an odd size was halved. */
static cj_value fitted(cj_value x, cj_value like)
{
    for (int axis = 1; axis <= 2; axis++) {
        int64_t missing = cj_value_shape(like).dims[axis] - cj_value_shape(x).dims[axis];
        if (missing) x = cj_pad(x, axis, missing / 2, missing - missing / 2, 0);
    }
    return x;
}

static cj_value up(cj_scope s, cj_value x, cj_value met)
{
    int64_t filters = cj__channels_of(met);
    x = cj_conv_transpose(cj_at(s, "up"),
                          CJ_OPTIONS(cj_conv_options, .input = x, .filters = filters, .kernel = 2,
                                     .stride = 2, .weight_init = {CJ_INIT_LECUN_UNIFORM, 0}));
    cj_value parts[2] = {met, fitted(x, met)};
    return twice(cj_at(s, "conv"), cj_concatenate(2, parts, 3), filters);
}

/* x: [N,H,W,C] → [N,H,W,classes] */
cj_value cj__draw_unet(cj_scope s, cj_value x, int64_t classes)
{
    cj_value met[LEVELS + 1];
    met[0] = twice(cj_at(s, "inc"), x, WIDTH);
    for (int i = 1; i <= LEVELS; i++)
        met[i] = twice(cj_at(s, "down%d.maxpool_conv.1", i), cj__max_pool(met[i - 1], 2, 2, 0), WIDTH << i);
    x = met[LEVELS];
    for (int i = 1; i <= LEVELS; i++) x = up(cj_at(s, "up%d", i), x, met[LEVELS - i]);
    return cj_conv2d(cj_at(s, "outc.conv"),
                     CJ_OPTIONS(cj_conv_options, .input = x, .filters = classes, .kernel = 1,
                                .weight_init = {CJ_INIT_LECUN_UNIFORM, 0}));
}

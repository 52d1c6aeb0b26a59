/* Inception v3 (Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016) under
 * torchvision's names, without the classifier that helps to train its middle. Blocks A, C and E keep the
 * size, B and D halve it; each sets several windows side by side. */
#include "models/models.h"

/* Convolution, normalisation and ReLU; the input comes separately, so that calls nest. */
static cj_value unit(cj_scope s, cj_value x, cj_conv_options options)
{
    options.size = sizeof options;
    options.input = x;
    options.no_bias = true;
    options.weight_init = (cj_init){CJ_INIT_TRUNCATED, 0.1};
    x = cj_conv2d(cj_at(s, "conv"), &options);
    x = cj_batch_norm(cj_at(s, "bn"), CJ_OPTIONS(cj_batch_norm_options, .input = x, .epsilon = 0.001));
    return cj_relu(x);
}

/* A window of height·width that keeps the size. */
static cj_value conv(cj_scope s, const char *name, cj_value x, int64_t filters, int64_t height, int64_t width)
{
    return unit(
        cj_at(s, "%s", name), x,
        (cj_conv_options){.filters = filters, .kernels = {height, width}, .pads = {height / 2, width / 2}});
}

/* A window of 3×3 within the picture: stride 2 halves its size. */
static cj_value inside(cj_scope s, const char *name, cj_value x, int64_t filters, int64_t stride)
{
    return unit(cj_at(s, "%s", name), x,
                (cj_conv_options){.filters = filters, .kernel = 3, .stride = stride});
}

static cj_value pooled(cj_scope s, cj_value x, int64_t filters)
{
    x = cj_average_pool(CJ_OPTIONS(cj_pool_options, .input = x, .kernel = 3, .stride = 1, .pad = 1));
    return conv(s, "branch_pool", x, filters, 1, 1);
}

static cj_value block_a(cj_scope s, cj_value x, int64_t filters)
{
    cj_value y = conv(s, "branch5x5_1", x, 48, 1, 1);
    cj_value z = conv(s, "branch3x3dbl_1", x, 64, 1, 1);
    z = conv(s, "branch3x3dbl_2", z, 96, 3, 3);
    cj_value parts[4] = {conv(s, "branch1x1", x, 64, 1, 1), conv(s, "branch5x5_2", y, 64, 5, 5),
                         conv(s, "branch3x3dbl_3", z, 96, 3, 3), pooled(s, x, filters)};
    return cj_concatenate(4, parts, 3);
}

static cj_value block_b(cj_scope s, cj_value x)
{
    cj_value z = conv(s, "branch3x3dbl_1", x, 64, 1, 1);
    z = conv(s, "branch3x3dbl_2", z, 96, 3, 3);
    cj_value parts[3] = {inside(s, "branch3x3", x, 384, 2), inside(s, "branch3x3dbl_3", z, 96, 2),
                         cj__max_pool(x, 3, 2, 0)};
    return cj_concatenate(3, parts, 3);
}

/* Windows of 7×7 in two steps, 1×7 and 7×1. */
static cj_value block_c(cj_scope s, cj_value x, int64_t width)
{
    cj_value y = conv(s, "branch7x7_1", x, width, 1, 1);
    cj_value z = conv(s, "branch7x7dbl_1", x, width, 1, 1);
    y = conv(s, "branch7x7_2", y, width, 1, 7);
    z = conv(s, "branch7x7dbl_2", z, width, 7, 1);
    z = conv(s, "branch7x7dbl_3", z, width, 1, 7);
    z = conv(s, "branch7x7dbl_4", z, width, 7, 1);
    cj_value parts[4] = {conv(s, "branch1x1", x, 192, 1, 1), conv(s, "branch7x7_3", y, 192, 7, 1),
                         conv(s, "branch7x7dbl_5", z, 192, 1, 7), pooled(s, x, 192)};
    return cj_concatenate(4, parts, 3);
}

static cj_value block_d(cj_scope s, cj_value x)
{
    cj_value y = conv(s, "branch3x3_1", x, 192, 1, 1);
    cj_value z = conv(s, "branch7x7x3_1", x, 192, 1, 1);
    z = conv(s, "branch7x7x3_2", z, 192, 1, 7);
    z = conv(s, "branch7x7x3_3", z, 192, 7, 1);
    cj_value parts[3] = {inside(s, "branch3x3_2", y, 320, 2), inside(s, "branch7x7x3_4", z, 192, 2),
                         cj__max_pool(x, 3, 2, 0)};
    return cj_concatenate(3, parts, 3);
}

/* 1×3 and 3×1 next to each other. */
static cj_value block_e(cj_scope s, cj_value x)
{
    cj_value y = conv(s, "branch3x3_1", x, 384, 1, 1);
    cj_value z = conv(s, "branch3x3dbl_1", x, 448, 1, 1);
    z = conv(s, "branch3x3dbl_2", z, 384, 3, 3);
    cj_value parts[6] = {
        conv(s, "branch1x1", x, 320, 1, 1),       conv(s, "branch3x3_2a", y, 384, 1, 3),
        conv(s, "branch3x3_2b", y, 384, 3, 1),    conv(s, "branch3x3dbl_3a", z, 384, 1, 3),
        conv(s, "branch3x3dbl_3b", z, 384, 3, 1), pooled(s, x, 192),
    };
    return cj_concatenate(6, parts, 3);
}

/* x: [N,299,299,3] → 149×149 → 147×147 → 73×73 → 71×71 → [N,35,35,192] */
static cj_value stem(cj_scope s, cj_value x)
{
    x = inside(s, "Conv2d_2a_3x3", inside(s, "Conv2d_1a_3x3", x, 32, 2), 32, 1);
    x = cj__max_pool(conv(s, "Conv2d_2b_3x3", x, 64, 3, 3), 3, 2, 0);
    x = inside(s, "Conv2d_4a_3x3", conv(s, "Conv2d_3b_1x1", x, 80, 1, 1), 192, 1);
    return cj__max_pool(x, 3, 2, 0);
}

/* 35×35 → 17×17 → 8×8 */
cj_value cj__draw_inception_v3(cj_scope s, cj_value x, int64_t classes)
{
    static const char *const a[] = {"Mixed_5b", "Mixed_5c", "Mixed_5d"};
    static const char *const c[] = {"Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"};
    static const int pooled_filters[] = {32, 64, 64}, widths[] = {128, 160, 160, 192};
    x = stem(s, x);
    for (int i = 0; i < 3; i++) x = block_a(cj_at(s, "%s", a[i]), x, pooled_filters[i]);
    x = block_b(cj_at(s, "Mixed_6a"), x);
    for (int i = 0; i < 4; i++) x = block_c(cj_at(s, "%s", c[i]), x, widths[i]);
    x = block_d(cj_at(s, "Mixed_7a"), x);
    x = block_e(cj_at(s, "Mixed_7c"), block_e(cj_at(s, "Mixed_7b"), x));
    x = cj_dropout(cj_at(s, "dropout"), cj_global_average_pool(x), 0.5);
    return cj__linear(cj_at(s, "fc"), x, classes, (cj_init){CJ_INIT_TRUNCATED, 0.1});
}

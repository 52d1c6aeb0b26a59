/* EfficientNet-B0 (Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
 * 2019) under torchvision's names: inverted residuals with squeeze and excitation, and SiLU. */
#include "models/models.h"
#include "ops/ops.h"

typedef struct {
    int factor, kernel, stride, filters, count;
} stage;

static const stage b0[] = {{1, 3, 1, 16, 1},  {6, 3, 2, 24, 2},  {6, 5, 2, 40, 2}, {6, 3, 2, 80, 3},
                           {6, 5, 1, 112, 3}, {6, 5, 2, 192, 4}, {6, 3, 1, 320, 1}};
enum { STAGES = sizeof b0 / sizeof *b0 };

/* Convolution "0" and normalisation "1". */
static cj_value conv(cj_scope s, cj_value x, int64_t filters, int64_t kernel, int64_t stride)
{
    return cj__bn(cj_at(s, "1"), cj__conv(cj_at(s, "0"), x, filters, kernel, stride, kernel / 2));
}

static cj_value pointwise(cj_scope s, cj_value x, int64_t filters)
{
    return cj_conv2d(s, CJ_OPTIONS(cj_conv_options, .input = x, .filters = filters,
                                   .weight_init = {CJ_INIT_HE_OUT_NORMAL, 0}));
}

/* Squeeze and excitation, with SiLU where there is a ReLU otherwise. x: [N,H,W,C] */
static cj_value excite(cj_scope s, cj_value x, int64_t squeezed)
{
    int64_t channels = cj__channels_of(x);
    cj_value all = cj_reshape(cj_global_average_pool(x), cj_shape(-1, 1, 1, channels));
    all = cj_silu(pointwise(cj_at(s, "fc1"), all, squeezed));
    return cj_mul(x, cj_sigmoid(pointwise(cj_at(s, "fc2"), all, channels)));
}

/* The layers of a block are numbered by what it has; the squeeze is to a quarter of what came in. */
static cj_value inverted(cj_scope s, cj_value x, const stage *t, int64_t stride, double drop)
{
    int layer = 0;
    int64_t channels = cj__channels_of(x), quarter = channels / 4 ? channels / 4 : 1;
    cj_value y = x;
    if (t->factor > 1) y = cj_silu(conv(cj_at(s, "block.%d", layer++), y, t->factor * channels, 1, 1));
    cj_scope depthwise = cj_at(s, "block.%d", layer++);
    y = cj__depthwise(cj_at(depthwise, "0"), y, t->kernel, stride);
    y = cj_silu(cj__bn(cj_at(depthwise, "1"), y));
    y = excite(cj_at(s, "block.%d", layer++), y, quarter);
    y = conv(cj_at(s, "block.%d", layer), y, t->filters, 1, 1);
    return stride == 1 && channels == t->filters ? cj_add(x, cj_stochastic_depth(s, y, drop)) : y;
}

/* A block is left out the more often the later it comes, the last one nearly a fifth of the time. */
static cj_value stages(cj_scope s, cj_value x)
{
    int block = 0, blocks = 0;
    for (int i = 0; i < STAGES; i++) blocks += b0[i].count;
    for (int i = 0; i < STAGES; i++)
        for (int j = 0; j < b0[i].count; j++, block++)
            x = inverted(cj_at(s, "features.%d.%d", i + 1, j), x, &b0[i], j == 0 ? b0[i].stride : 1,
                         0.2 * block / blocks);
    return x;
}

cj_value cj__draw_efficientnet_b0(cj_scope s, cj_value x, int64_t classes)
{
    x = stages(s, cj_silu(conv(cj_at(s, "features.0"), x, 32, 3, 2)));
    x = cj_silu(conv(cj_at(s, "features.%d", STAGES + 1), x, 1280, 1, 1));
    x = cj_dropout(cj_at(s, "classifier.0"), cj_global_average_pool(x), 0.2);
    return cj__linear(cj_at(s, "classifier.1"), x, classes, (cj_init){CJ_INIT_LECUN_UNIFORM, 0});
}

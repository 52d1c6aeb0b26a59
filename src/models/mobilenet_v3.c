/* MobileNetV3 (Howard et al., "Searching for MobileNetV3", 2019) under torchvision's names: inverted
 * residuals with squeeze and excitation, and a swish of straight lines. */
#include "models/models.h"
#include "ops/ops.h"

typedef struct {
    int kernel, expanded, filters;
    bool squeezed, swish; /* by squeeze and excitation; hard swish instead of ReLU */
    int stride;
} block;

static const block large[] = {
    {3, 16, 16, false, false, 1}, {3, 64, 24, false, false, 2}, {3, 72, 24, false, false, 1},
    {5, 72, 40, true, false, 2},  {5, 120, 40, true, false, 1}, {5, 120, 40, true, false, 1},
    {3, 240, 80, false, true, 2}, {3, 200, 80, false, true, 1}, {3, 184, 80, false, true, 1},
    {3, 184, 80, false, true, 1}, {3, 480, 112, true, true, 1}, {3, 672, 112, true, true, 1},
    {5, 672, 160, true, true, 2}, {5, 960, 160, true, true, 1}, {5, 960, 160, true, true, 1},
    {0, 0, 0, false, false, 0},
};
static const block small[] = {
    {3, 16, 16, true, false, 2}, {3, 72, 24, false, false, 2}, {3, 88, 24, false, false, 1},
    {5, 96, 40, true, true, 2},  {5, 240, 40, true, true, 1},  {5, 240, 40, true, true, 1},
    {5, 120, 48, true, true, 1}, {5, 144, 48, true, true, 1},  {5, 288, 96, true, true, 2},
    {5, 576, 96, true, true, 1}, {5, 576, 96, true, true, 1},  {0, 0, 0, false, false, 0},
};

static cj_value norm(cj_scope s, cj_value x)
{
    return cj_batch_norm(s,
                         CJ_OPTIONS(cj_batch_norm_options, .input = x, .epsilon = 0.001, .momentum = 0.01));
}

/* A convolution of all channels, or of each by itself, and its normalisation: "0" and "1". */
static cj_value conv(cj_scope s, cj_value x, int64_t filters, int64_t kernel, int64_t stride)
{
    return norm(cj_at(s, "1"), cj__conv(cj_at(s, "0"), x, filters, kernel, stride, kernel / 2));
}

static cj_value depthwise(cj_scope s, cj_value x, int64_t kernel, int64_t stride)
{
    return norm(cj_at(s, "1"), cj__depthwise(cj_at(s, "0"), x, kernel, stride));
}

static cj_value activate(cj_value x, bool swish)
{
    return swish ? cj_hard_swish(x) : cj_relu(x);
}

/* The multiple of 8 nearest to a quarter, but not under nine tenths of it. */
static int64_t quarter(int64_t channels)
{
    int64_t nearest = (channels / 4 + 4) / 8 * 8, least = nearest < 8 ? 8 : nearest;
    return 10 * least < 9 * (channels / 4) ? least + 8 : least;
}

/* The layers of a block are numbered by what it has. */
static cj_value inverted(cj_scope s, cj_value x, const block *b)
{
    int layer = 0;
    int64_t channels = cj__channels_of(x);
    cj_value y = x;
    if (b->expanded != channels)
        y = activate(conv(cj_at(s, "block.%d", layer++), y, b->expanded, 1, 1), b->swish);
    y = activate(depthwise(cj_at(s, "block.%d", layer++), y, b->kernel, b->stride), b->swish);
    if (b->squeezed) y = cj_squeeze_excitation(cj_at(s, "block.%d", layer++), y, quarter(b->expanded), true);
    y = conv(cj_at(s, "block.%d", layer), y, b->filters, 1, 1);
    return b->stride == 1 && channels == b->filters ? cj_add(x, y) : y;
}

static cj_value mobilenet_v3(cj_scope s, cj_value x, const block *blocks, int64_t hidden, int64_t classes)
{
    int layer = 1;
    cj_init init = {CJ_INIT_NORMAL, 0.01};
    x = cj_hard_swish(conv(cj_at(s, "features.0"), x, 16, 3, 2));
    for (; blocks->kernel; blocks++) x = inverted(cj_at(s, "features.%d", layer++), x, blocks);
    x = cj_hard_swish(conv(cj_at(s, "features.%d", layer), x, 6 * cj__channels_of(x), 1, 1));
    x = cj_hard_swish(cj__linear(cj_at(s, "classifier.0"), cj_global_average_pool(x), hidden, init));
    return cj__linear(cj_at(s, "classifier.3"), cj_dropout(cj_at(s, "classifier.2"), x, 0.2), classes, init);
}

cj_value cj__draw_mobilenet_v3_large(cj_scope s, cj_value x, int64_t classes)
{
    return mobilenet_v3(s, x, large, 1280, classes);
}

cj_value cj__draw_mobilenet_v3_small(cj_scope s, cj_value x, int64_t classes)
{
    return mobilenet_v3(s, x, small, 1024, classes);
}

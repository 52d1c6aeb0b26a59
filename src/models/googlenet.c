/* GoogLeNet (Szegedy et al., "Going Deeper with Convolutions", 2015), batch normalised, under torchvision's
 * names, without the two classifiers that help to train its middle; a 3×3 stands where the paper has 5×5, as
 * there. */
#include "models/models.h"

/* Filters of a block's branches: 1×1; 1×1 and 3×3; 1×1 and 3×3; 1×1 after pooling. */
typedef struct {
    const char *name;
    int one, reduced, three, reduced_more, five, pooled;
    int pool; /* kernel of the pooling after it; 0: none */
} block;

static const block blocks[] = {
    {"3a", 64, 96, 128, 16, 32, 32, 0},     {"3b", 128, 128, 192, 32, 96, 64, 3},
    {"4a", 192, 96, 208, 16, 48, 64, 0},    {"4b", 160, 112, 224, 24, 64, 64, 0},
    {"4c", 128, 128, 256, 24, 64, 64, 0},   {"4d", 112, 144, 288, 32, 64, 64, 0},
    {"4e", 256, 160, 320, 32, 128, 128, 2}, {"5a", 256, 160, 320, 32, 128, 128, 0},
    {"5b", 384, 192, 384, 48, 128, 128, 0},
};

static cj_value conv(cj_scope s, cj_value x, int64_t filters, int64_t kernel, int64_t stride)
{
    x = cj_conv2d(cj_at(s, "conv"), CJ_OPTIONS(cj_conv_options, .input = x, .filters = filters,
                                               .kernel = kernel, .stride = stride, .pad = kernel / 2,
                                               .no_bias = true, .weight_init = {CJ_INIT_TRUNCATED, 0.01}));
    return cj_relu(
        cj_batch_norm(cj_at(s, "bn"), CJ_OPTIONS(cj_batch_norm_options, .input = x, .epsilon = 0.001)));
}

static cj_value pool(cj_value x, int64_t kernel, int64_t stride, int64_t pad)
{
    return cj_max_pool(CJ_OPTIONS(cj_pool_options, .input = x, .kernel = kernel, .stride = stride, .pad = pad,
                                  .ceil = true));
}

static cj_value inception(cj_scope s, cj_value x, const block *b)
{
    cj_value parts[4];
    parts[0] = conv(cj_at(s, "branch1"), x, b->one, 1, 1);
    parts[1] = conv(cj_at(s, "branch2.1"), conv(cj_at(s, "branch2.0"), x, b->reduced, 1, 1), b->three, 3, 1);
    parts[2] =
        conv(cj_at(s, "branch3.1"), conv(cj_at(s, "branch3.0"), x, b->reduced_more, 1, 1), b->five, 3, 1);
    parts[3] = conv(cj_at(s, "branch4.1"), pool(x, 3, 1, 1), b->pooled, 1, 1);
    return cj_concatenate(4, parts, 3);
}

cj_value cj__draw_googlenet(cj_scope s, cj_value x, int64_t classes)
{
    x = pool(conv(cj_at(s, "conv1"), x, 64, 7, 2), 3, 2, 0);
    x = conv(cj_at(s, "conv3"), conv(cj_at(s, "conv2"), x, 64, 1, 1), 192, 3, 1);
    x = pool(x, 3, 2, 0);
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        x = inception(cj_at(s, "inception%s", blocks[i].name), x, &blocks[i]);
        if (blocks[i].pool) x = pool(x, blocks[i].pool, 2, 0);
    }
    x = cj_dropout(cj_at(s, "dropout"), cj_global_average_pool(x), 0.2);
    return cj__linear(cj_at(s, "fc"), x, classes, (cj_init){CJ_INIT_TRUNCATED, 0.01});
}

/* Networks of 3×3 convolutions alone (Simonyan and Zisserman, "Very Deep Convolutional Networks for
 * Large-Scale Image Recognition", 2014), with and without batch normalisation, under torchvision's names. */
#include "models/models.h"

/* Filters layer by layer; 0: pooling. */
static const int vgg11[] = {64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0, -1};
static const int vgg13[] = {64, 64, 0, 128, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0, -1};
static const int vgg16[] = {64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0, -1};
static const int vgg19[] = {64,  64,  0,   128, 128, 0,   256, 256, 256, 256, 0,
                            512, 512, 512, 512, 0,   512, 512, 512, 512, 0,   -1};

static cj_value conv(cj_scope s, cj_value x, int64_t filters)
{
    cj_conv_options options = {.size = sizeof options,
                               .input = x,
                               .filters = filters,
                               .kernel = 3,
                               .pad = 1,
                               .weight_init = {CJ_INIT_HE_OUT_NORMAL, 0}};
    return cj_conv2d(s, &options);
}

/* Numbered as in a list of layers: convolution, normalisation, ReLU, pooling. */
static cj_value features(cj_scope s, cj_value x, const int *plan, bool normalised)
{
    for (int i = 0; *plan >= 0; plan++) {
        if (*plan == 0) {
            x = cj__max_pool(x, 2, 2, 0);
            i++;
            continue;
        }
        x = conv(cj_at(s, "%d", i++), x, *plan);
        if (normalised) x = cj__bn(cj_at(s, "%d", i++), x);
        x = cj_relu(x);
        i++;
    }
    return x;
}

static cj_value dense(cj_scope s, cj_value x, int64_t units)
{
    return cj__linear(s, x, units, (cj_init){CJ_INIT_NORMAL, 0.01});
}

static cj_value imagenet(cj_scope s, cj_value x, const int *plan, bool normalised, int64_t classes)
{
    x = features(cj_at(s, "features"), x, plan, normalised);
    cj_scope head = cj_at(s, "classifier");
    x = cj_flatten(cj_adaptive_average_pool(x, cj_shape(7, 7)));
    x = cj_dropout(cj_at(head, "2"), cj_relu(dense(cj_at(head, "0"), x, 4096)), 0.5);
    x = cj_dropout(cj_at(head, "5"), cj_relu(dense(cj_at(head, "3"), x, 4096)), 0.5);
    return dense(cj_at(head, "6"), x, classes);
}

#define VGG(name, plan, normalised)                                                                          \
    cj_value cj__draw_##name(cj_scope s, cj_value x, int64_t classes)                                        \
    {                                                                                                        \
        return imagenet(s, x, plan, normalised, classes);                                                    \
    }
VGG(vgg11, vgg11, false)
VGG(vgg13, vgg13, false)
VGG(vgg16, vgg16, false)
VGG(vgg19, vgg19, false)
VGG(vgg11_bn, vgg11, true)
VGG(vgg13_bn, vgg13, true)
VGG(vgg16_bn, vgg16, true)
VGG(vgg19_bn, vgg19, true)

/* 32×32 pictures come down to one place, and one layer is enough after it. */
cj_value cj__draw_vgg16_cifar(cj_scope s, cj_value x, int64_t classes)
{
    x = cj_flatten(features(cj_at(s, "features"), x, vgg16, true));
    return dense(cj_at(s, "classifier"), cj_dropout(s, x, 0.5), classes);
}

/* Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", 2012, in one tower
 * with its local response normalisation; the form of "One Weird Trick" (2014) under torchvision's names; and
 * one for small pictures. */
#include "models/models.h"

static cj_value pool(cj_value x)
{
    return cj__max_pool(x, 3, 2, 0);
}

static cj_value respond(cj_value x)
{
    cj_local_response_norm_options options = {
        .size = sizeof options, .input = x, .width = 5, .alpha = 5e-4, .beta = 0.75, .k = 2};
    return cj_local_response_norm(&options);
}

/* Convolution and ReLU. */
static cj_value conv(cj_scope s, cj_value x, int64_t filters, int64_t kernel, int64_t stride, int64_t pad)
{
    cj_conv_options options = {.size = sizeof options,
                               .input = x,
                               .filters = filters,
                               .kernel = kernel,
                               .stride = stride,
                               .pad = pad,
                               .weight_init = {CJ_INIT_HE_NORMAL, 0}};
    return cj_relu(cj_conv2d(s, &options));
}

static cj_value dense(cj_scope s, cj_value x, int64_t units)
{
    return cj__linear(s, x, units, (cj_init){CJ_INIT_HE_NORMAL, 0});
}

/* Dropout before each of the two hidden layers, which are numbered as torchvision's. */
static cj_value classify(cj_scope s, cj_value x, int64_t units, int64_t classes)
{
    x = cj_relu(dense(cj_at(s, "1"), cj_dropout(cj_at(s, "0"), x, 0.5), units));
    x = cj_relu(dense(cj_at(s, "4"), cj_dropout(cj_at(s, "3"), x, 0.5), units));
    return dense(cj_at(s, "6"), x, classes);
}

cj_value cj__draw_alexnet(cj_scope s, cj_value x, int64_t classes)
{
    cj_scope f = cj_at(s, "features");
    x = pool(conv(cj_at(f, "0"), x, 64, 11, 4, 2));
    x = pool(conv(cj_at(f, "3"), x, 192, 5, 1, 2));
    x = conv(cj_at(f, "6"), x, 384, 3, 1, 1);
    x = conv(cj_at(f, "8"), x, 256, 3, 1, 1);
    x = pool(conv(cj_at(f, "10"), x, 256, 3, 1, 1));
    x = cj_flatten(cj_adaptive_average_pool(x, cj_shape(6, 6)));
    return classify(cj_at(s, "classifier"), x, 4096, classes);
}

/* x: [N,227,227,3] → 55×55 → 27×27 → 13×13 → 6×6 */
cj_value cj__draw_alexnet_lrn(cj_scope s, cj_value x, int64_t classes)
{
    x = pool(respond(conv(cj_at(s, "conv1"), x, 96, 11, 4, 0)));
    x = pool(respond(conv(cj_at(s, "conv2"), x, 256, 5, 1, 2)));
    x = conv(cj_at(s, "conv3"), x, 384, 3, 1, 1);
    x = conv(cj_at(s, "conv4"), x, 384, 3, 1, 1);
    x = pool(conv(cj_at(s, "conv5"), x, 256, 3, 1, 1));
    x = cj_dropout(cj_at(s, "fc6"), cj_relu(dense(cj_at(s, "fc6"), cj_flatten(x), 4096)), 0.5);
    x = cj_dropout(cj_at(s, "fc7"), cj_relu(dense(cj_at(s, "fc7"), x, 4096)), 0.5);
    return dense(cj_at(s, "fc8"), x, classes);
}

/* x: [N,32,32,3] → 15×15 → 7×7 → 3×3 */
cj_value cj__draw_alexnet_cifar(cj_scope s, cj_value x, int64_t classes)
{
    cj_scope f = cj_at(s, "features");
    x = pool(respond(conv(cj_at(f, "0"), x, 64, 5, 1, 2)));
    x = pool(respond(conv(cj_at(f, "3"), x, 192, 5, 1, 2)));
    x = conv(cj_at(f, "6"), x, 384, 3, 1, 1);
    x = conv(cj_at(f, "8"), x, 256, 3, 1, 1);
    x = pool(conv(cj_at(f, "10"), x, 256, 3, 1, 1));
    return classify(cj_at(s, "classifier"), cj_flatten(x), 1024, classes);
}

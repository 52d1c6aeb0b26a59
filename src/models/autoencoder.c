/* A convolutional autoencoder (Masci et al., "Stacked Convolutional Auto-Encoders for Hierarchical Feature
 * Extraction", 2011): pictures to a small map of features and back, by strides and their transpose. */
#include "models/models.h"
#include "ops/ops.h"

static cj_value down(cj_scope s, cj_value x, int64_t filters)
{
    return cj_relu(cj_conv2d(s, CJ_OPTIONS(cj_conv_options, .input = x, .filters = filters, .kernel = 3,
                                           .stride = 2, .pad = 1, .weight_init = {CJ_INIT_HE_NORMAL, 0})));
}

/* To twice the size. */
static cj_value up(cj_scope s, cj_value x, int64_t filters)
{
    return cj_conv_transpose(s, CJ_OPTIONS(cj_conv_options, .input = x, .filters = filters, .kernel = 2,
                                           .stride = 2, .weight_init = {CJ_INIT_LECUN_UNIFORM, 0}));
}

/* x: [N,H,W,C] → [N,H/4,W/4,classes], the features → [N,H,W,C], the logits of a picture between 0 and 1 */
cj_value cj__draw_autoencoder(cj_scope s, cj_value x, int64_t features)
{
    cj_shape_t shape = cj_value_shape(x);
    if (shape.rank != 4 || shape.dims[1] % 4 || shape.dims[2] % 4)
        return cj__graph_error(s.graph, CJ_SHAPE_ERROR,
                               "autoencoder needs pictures [N,H,W,C] whose sides are multiples of 4");
    x = down(cj_at(s, "encoder.2"), down(cj_at(s, "encoder.0"), x, 16), 32);
    x = cj_conv2d(cj_at(s, "encoder.4"), CJ_OPTIONS(cj_conv_options, .input = x, .filters = features,
                                                    .kernel = 1, .weight_init = {CJ_INIT_LECUN_UNIFORM, 0}));
    x = cj_relu(up(cj_at(s, "decoder.0"), x, 16));
    return up(cj_at(s, "decoder.2"), x, shape.dims[3]);
}

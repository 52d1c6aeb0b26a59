/* LeNet-5 (LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998) in the form in
 * which it is trained today: its widths and layers, with ReLU and the maximum where it had tanh and a learned
 * mean, every map of the second convolution seeing all of the first, and logits at the end. */
#include "models/models.h"

static cj_value conv(cj_scope s, cj_value x, int64_t filters, int64_t pad)
{
    x = cj_conv2d(s, CJ_OPTIONS(cj_conv_options, .input = x, .filters = filters, .kernel = 5, .pad = pad,
                                .weight_init = {CJ_INIT_HE_NORMAL, 0}));
    return cj__max_pool(cj_relu(x), 2, 2, 0);
}

static cj_value dense(cj_scope s, cj_value x, int64_t units)
{
    return cj__linear(s, x, units, (cj_init){CJ_INIT_HE_NORMAL, 0});
}

/* x: [N,28,28,1], which padding makes the 32×32 of the paper → 14×14 → 5×5 */
cj_value cj__draw_lenet5(cj_scope s, cj_value x, int64_t classes)
{
    x = conv(cj_at(s, "conv1"), x, 6, 2);
    x = conv(cj_at(s, "conv2"), x, 16, 0);
    x = cj_relu(dense(cj_at(s, "fc1"), cj_flatten(x), 120));
    x = cj_relu(dense(cj_at(s, "fc2"), x, 84));
    return dense(cj_at(s, "fc3"), x, classes);
}

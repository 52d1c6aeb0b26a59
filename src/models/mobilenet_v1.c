/* MobileNet (Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
 * Applications", 2017): depthwise and 1×1 convolutions in turn, each normalised and followed by a ReLU. */
#include "models/models.h"

typedef struct {
    int filters, stride;
} unit;

/* Numbered as in a list of layers: depthwise 0, 1; 2 is the ReLU; pointwise 3, 4. */
static cj_value separable(cj_scope s, cj_value x, unit u)
{
    x = cj_relu(cj__bn(cj_at(s, "1"), cj__depthwise(cj_at(s, "0"), x, 3, u.stride)));
    return cj_relu(cj__bn(cj_at(s, "4"), cj__conv(cj_at(s, "3"), x, u.filters, 1, 1, 0)));
}

static cj_value mobilenet(cj_scope s, cj_value x, int64_t stem_stride, const unit *units, int64_t classes)
{
    cj_scope stem = cj_at(s, "features.0");
    x = cj_relu(cj__bn(cj_at(stem, "1"), cj__conv(cj_at(stem, "0"), x, 32, 3, stem_stride, 1)));
    for (int i = 0; units[i].filters; i++) x = separable(cj_at(s, "features.%d", i + 1), x, units[i]);
    return cj__linear(cj_at(s, "classifier"), cj_global_average_pool(x), classes,
                      (cj_init){CJ_INIT_NORMAL, 0.01});
}

/* x: [N,224,224,3] → 112×112 → 56×56 → 28×28 → 14×14 → 7×7 */
cj_value cj__draw_mobilenet_v1(cj_scope s, cj_value x, int64_t classes)
{
    static const unit units[] = {{64, 1},  {128, 2}, {128, 1}, {256, 2}, {256, 1},  {512, 2},  {512, 1},
                                 {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 2}, {1024, 1}, {0, 0}};
    return mobilenet(s, x, 2, units, classes);
}

/* x: [N,32,32,3] → 32×32 → 16×16 → 8×8 → 4×4: the same widths, with the size kept longer. */
cj_value cj__draw_mobilenet_cifar(cj_scope s, cj_value x, int64_t classes)
{
    static const unit units[] = {{64, 1},  {128, 2}, {128, 1}, {256, 2}, {256, 1},  {512, 2},  {512, 1},
                                 {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 1}, {1024, 1}, {0, 0}};
    return mobilenet(s, x, 1, units, classes);
}

/* The networks inside: one function a row of networks.def, and what they draw with in common. */
#ifndef CJ__MODELS_H
#define CJ__MODELS_H

#define CJ_NO_LOCATIONS
#include "cajal/models.h"
#include "cajal/nn.h"

#define NETWORK(name, ...) cj_value cj__draw_##name(cj_scope s, cj_value x, int64_t classes);
#define PIXELWISE          NETWORK
#include "models/networks.def"
#undef NETWORK
#undef PIXELWISE

/* Layers whose parameters stand at `s` itself. Convolutions have no bias and begin as He et al. do. */
cj_value cj__conv(cj_scope s, cj_value x, int64_t filters, int64_t kernel, int64_t stride, int64_t pad);
/* One filter a channel, and as much padding as the window reaches to each side. */
cj_value cj__depthwise(cj_scope s, cj_value x, int64_t kernel, int64_t stride);
cj_value cj__bn(cj_scope s, cj_value x);
cj_value cj__linear(cj_scope s, cj_value x, int64_t units, cj_init init);
cj_value cj__max_pool(cj_value x, int64_t kernel, int64_t stride, int64_t pad);

#endif

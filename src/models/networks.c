/* Networks by name: the table that recipes and the command look them up in. */
#include "models/models.h"
#include "base/text.h"
#include "graph/graph.h"
#include "nn/check.h"
#include "ops/ops.h"

#include <string.h>

typedef struct {
    cj_network_facts facts;
    cj_value (*draw)(cj_scope s, cj_value x, int64_t classes);
} network;

static const network networks[] = {
#define ROW(name, height, width, channels, classes, about, pixelwise)                                        \
    {{#name, about, height, width, channels, classes, pixelwise}, cj__draw_##name},
#define NETWORK(...)   ROW(__VA_ARGS__, false)
#define PIXELWISE(...) ROW(__VA_ARGS__, true)
#include "models/networks.def"
#undef PIXELWISE
#undef NETWORK
#undef ROW
};
enum { COUNT = sizeof networks / sizeof *networks };

bool cj_network_at(int64_t index, cj_network_facts *facts)
{
    if (index < 0 || index >= COUNT) return false;
    *facts = networks[index].facts;
    return true;
}

static const char *name_at(int index)
{
    return index < COUNT ? networks[index].facts.name : NULL;
}

/* x: [N,H,W] or [N,H,W,C] → [N,H,W,channels] */
static cj_value on_channels(cj_value x, int64_t channels)
{
    cj_shape_t shape = cj_value_shape(x);
    if (shape.rank == 3) {
        shape = cj_shape(shape.dims[0], shape.dims[1], shape.dims[2], 1);
        x = cj_reshape(x, shape);
    }
    if (channels == 0 || shape.rank != 4 || shape.dims[3] == channels) return x;
    if (shape.dims[3] != 1)
        return cj__graph_error(
            x.graph, CJ_SHAPE_ERROR,
            "network: pictures have %lld channels, and only grey ones can be shown on %lld",
            (long long)shape.dims[3], (long long)channels);
    shape.dims[3] = channels;
    return cj_broadcast(x, shape);
}

cj_value cj_network(cj_scope scope, const char *name, const cj_network_options *o)
{
    if (!cj__given(scope, "network", "input", o->input)) return cj__poison(scope.graph);
    if (!name) return cj__graph_error(scope.graph, CJ_INVALID_ARGUMENT, "network: no name was given (NULL)");
    cj_value x = on_channels(o->input, o->channels);
    for (int i = 0; i < COUNT; i++)
        if (strcmp(networks[i].facts.name, name) == 0)
            return networks[i].draw(scope, x, o->classes ? o->classes : networks[i].facts.classes);
    return cj__graph_error(scope.graph, CJ_INVALID_ARGUMENT,
                           "there is no network '%.80s'; did you mean '%s'?", name,
                           cj__nearest_word(name, name_at));
}

cj_value cj__conv(cj_scope s, cj_value x, int64_t filters, int64_t kernel, int64_t stride, int64_t pad)
{
    return cj_conv2d(s, CJ_OPTIONS(cj_conv_options, .input = x, .filters = filters, .kernel = kernel,
                                   .stride = stride, .pad = pad, .no_bias = true,
                                   .weight_init = {CJ_INIT_HE_OUT_NORMAL, 0}));
}

cj_value cj__depthwise(cj_scope s, cj_value x, int64_t kernel, int64_t stride)
{
    int64_t channels = cj__channels_of(x);
    return cj_conv2d(s, CJ_OPTIONS(cj_conv_options, .input = x, .filters = channels, .groups = channels,
                                   .kernel = kernel, .stride = stride, .pad = kernel / 2, .no_bias = true,
                                   .weight_init = {CJ_INIT_HE_OUT_NORMAL, 0}));
}

cj_value cj__bn(cj_scope s, cj_value x)
{
    return cj_batch_norm(s, CJ_OPTIONS(cj_batch_norm_options, .input = x));
}

cj_value cj__linear(cj_scope s, cj_value x, int64_t units, cj_init init)
{
    return cj_dense(s, CJ_OPTIONS(cj_dense_options, .input = x, .units = units, .weight_init = init));
}

cj_value cj__max_pool(cj_value x, int64_t kernel, int64_t stride, int64_t pad)
{
    return cj_max_pool(
        CJ_OPTIONS(cj_pool_options, .input = x, .kernel = kernel, .stride = stride, .pad = pad));
}

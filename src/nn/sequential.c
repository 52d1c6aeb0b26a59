/* Networks as lists of layers, one table for C and for recipes. Layers are named by their place in the list,
 * as in PyTorch's Sequential: "0.weight". */
#include "graph/graph.h"
#include "nn/layer_table.h"

#include <string.h>

static cj_value draw_dense(cj_scope scope, cj_value x, double units)
{
    cj_dense_options options = {.size = sizeof options, .input = cj_flatten(x), .units = (int64_t)units};
    return cj_dense(scope, &options);
}

static cj_value draw_layer_norm(cj_scope scope, cj_value x, double value)
{
    (void)value;
    cj_layer_norm_options options = {.size = sizeof options, .input = x};
    return cj_layer_norm(scope, &options);
}

/* One slope for all, as PyTorch's PReLU has it: parameter "weight" [1]. */
static cj_value draw_prelu(cj_scope scope, cj_value x, double slope)
{
    cj_value weight = cj_parameter(scope, "weight", cj_shape(1), (cj_init){CJ_INIT_CONSTANT, slope});
    return cj_prelu(x, weight, -1);
}

static cj_value draw_softmax(cj_scope scope, cj_value x, double value)
{
    (void)scope, (void)value;
    return cj_softmax(x, -1);
}

/* Functions of x alone, and of x and a slope. */
#define PLAIN(name)                                                                                          \
    static cj_value draw_##name(cj_scope scope, cj_value x, double value)                                    \
    {                                                                                                        \
        (void)scope, (void)value;                                                                            \
        return cj_##name(x);                                                                                 \
    }
#define SLOPED(name)                                                                                         \
    static cj_value draw_##name(cj_scope scope, cj_value x, double value)                                    \
    {                                                                                                        \
        (void)scope;                                                                                         \
        return cj_##name(x, value);                                                                          \
    }
PLAIN(flatten)
PLAIN(relu)
PLAIN(gelu)
PLAIN(gelu_tanh)
PLAIN(silu)
PLAIN(selu)
PLAIN(softplus)
PLAIN(tanh)
PLAIN(sigmoid)
PLAIN(hard_tanh)
PLAIN(hard_sigmoid)
PLAIN(hard_swish)
SLOPED(leaky_relu)
SLOPED(elu)

const cj__layer_kind cj__layer_kinds[] = {
    {"dense", CJ__UNITS, 0, draw_dense},
    {"dropout", CJ__RATE, 0, cj_dropout},
    {"flatten", CJ__NO_VALUE, 0, draw_flatten},
    {"layer_norm", CJ__NO_VALUE, 0, draw_layer_norm},
    {"relu", CJ__NO_VALUE, 0, draw_relu},
    {"leaky_relu", CJ__SLOPE, 0.01, draw_leaky_relu},
    {"prelu", CJ__SLOPE, 0.25, draw_prelu},
    {"elu", CJ__SLOPE, 1, draw_elu},
    {"selu", CJ__NO_VALUE, 0, draw_selu},
    {"gelu", CJ__NO_VALUE, 0, draw_gelu},
    {"gelu_tanh", CJ__NO_VALUE, 0, draw_gelu_tanh},
    {"silu", CJ__NO_VALUE, 0, draw_silu},
    {"softplus", CJ__NO_VALUE, 0, draw_softplus},
    {"tanh", CJ__NO_VALUE, 0, draw_tanh},
    {"sigmoid", CJ__NO_VALUE, 0, draw_sigmoid},
    {"hard_tanh", CJ__NO_VALUE, 0, draw_hard_tanh},
    {"hard_sigmoid", CJ__NO_VALUE, 0, draw_hard_sigmoid},
    {"hard_swish", CJ__NO_VALUE, 0, draw_hard_swish},
    {"softmax", CJ__NO_VALUE, 0, draw_softmax},
};
const int cj__layer_kind_count = sizeof cj__layer_kinds / sizeof *cj__layer_kinds;

const cj__layer_kind *cj__layer_kind_named(const char *name)
{
    for (int i = 0; i < cj__layer_kind_count; i++)
        if (strcmp(cj__layer_kinds[i].name, name) == 0) return &cj__layer_kinds[i];
    return NULL;
}

const char *cj__layer_value_fault(const cj__layer_kind *kind, double value)
{
    if (kind->value == CJ__UNITS && !(value >= 1 && value < 1e9 && value == (double)(int64_t)value))
        return "a number of units from 1 on";
    if (kind->value == CJ__RATE && !(value >= 0 && value < 1)) return "a rate from 0 up to 1";
    return kind->value == CJ__SLOPE && !(value - value == 0) ? "a finite number" : NULL;
}

static cj_value draw_layer(cj_scope scope, cj_value x, const cj_layer *layer)
{
    const cj__layer_kind *kind = cj__layer_kind_named(layer->type);
    if (!kind)
        return cj__graph_error(scope.graph, CJ_INVALID_ARGUMENT, "at '%s': there is no layer '%.80s'",
                               scope.path, layer->type);
    double value = kind->value == CJ__SLOPE && layer->value == 0 ? kind->standard : layer->value;
    const char *wanted = cj__layer_value_fault(kind, value);
    if (wanted)
        return cj__graph_error(scope.graph, CJ_INVALID_ARGUMENT, "%s at '%s' has %g, but needs %s",
                               kind->name, scope.path, value, wanted);
    int64_t noted = scope.graph->layer_count;
    const char *outer = cj__enter(scope.graph, scope.path);
    x = kind->draw(scope, x, value);
    cj__enter(scope.graph, outer);
    return scope.graph->layer_count > noted ? x : cj_note_layer(scope, kind->name, x);
}

cj_value cj_sequential(cj_scope scope, cj_value x, void *layers)
{
    const cj_layer *layer = layers;
    for (int i = 0; layer[i].type && cj_value_ok(x); i++) x = draw_layer(cj_at(scope, "%d", i), x, &layer[i]);
    return x;
}

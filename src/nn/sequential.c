/* Networks as lists of layers. Layers are named by their place in the list, as in PyTorch's Sequential:
 * "0.weight"; what a layer's name stands for, layer_table.c knows. */
#include "graph/graph.h"
#include "nn/check.h"
#include "nn/layer_table.h"

static cj_value draw_layer(cj_scope scope, cj_value x, const cj_layer *layer, cj_value *lengths)
{
    const cj__layer_kind *kind = cj__layer_kind_named(layer->type);
    if (!kind)
        return cj__graph_error(scope.graph, CJ_INVALID_ARGUMENT, "at '%s': there is no layer '%.80s'",
                               scope.path, layer->type);
    double value = layer->value == 0 ? kind->standard : layer->value;
    const char *wanted = cj__layer_value_fault(kind, value);
    if (wanted)
        return cj__graph_error(scope.graph, CJ_INVALID_ARGUMENT, "%s at '%s' has %s %g, but needs %s",
                               kind->name, scope.path, kind->value_name, value, wanted);
    if (lengths->graph && kind->options & CJ__COUNTS_PADDING)
        return cj__no_padding(scope, kind->name,
                              "first make one vector of each, by lstm or global_average_pool");
    int64_t noted = scope.graph->layer_count;
    const char *outer = cj__enter(scope.graph, scope.path);
    cj_layer whole = *layer;
    whole.value = value;
    x = kind->draw ? kind->draw(scope, x, &whole) : kind->draw_within(scope, x, &whole, lengths);
    cj__enter(scope.graph, outer);
    return scope.graph->layer_count > noted ? x : cj_note_layer(scope, kind->name, x);
}

cj_value cj_sequential(cj_scope scope, cj_value x, void *layers)
{
    const cj_layer *layer = layers;
    cj_value lengths = cj__none();
    if (!cj__given(scope, "sequential", "input", x)) return cj__poison(scope.graph);
    if (!layer)
        return cj__graph_error(scope.graph, CJ_INVALID_ARGUMENT, "sequential: no layers were given (NULL)");
    for (int i = 0; layer[i].type && cj_value_ok(x); i++)
        x = draw_layer(cj_at(scope, "%d", i), x, &layer[i], &lengths);
    return x;
}

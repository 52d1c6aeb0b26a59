/* Random draws in a drawing: keyed by seed, scope and ordinal, stepped by a counter that every run of a
 * training graph raises. The counter is a variable, so a resumed run goes on where the other stopped. */
#include "base/random.h"
#include "model/model.h"
#include "ops/ops.h"

#include <string.h>

/* The number of earlier draws in this scope: adding a draw elsewhere changes no other. */
static uint64_t ordinal_in(const cj_graph *graph, const char *path)
{
    uint64_t draws = 0;
    for (int64_t i = 0; i < graph->node_count; i++)
        if (cj__info(&graph->nodes[i])->flags & CJ__RANDOM && strcmp(graph->nodes[i].scope, path) == 0)
            draws++;
    return draws;
}

uint64_t cj__draw_key(cj_scope scope)
{
    uint64_t seed = scope.graph->model ? scope.graph->model->seed : 0;
    return cj__mix(cj__mix(seed, cj__hash_text(scope.path)), ordinal_in(scope.graph, scope.path));
}

cj_value cj__run_counter(cj_graph *graph)
{
    cj_value counter = cj_state(cj_root(graph), "random.counter", CJ_COUNTER, CJ_I64, cj_scalar_shape(), 0);
    if (cj_value_ok(counter) && !cj__is_assigned(counter)) cj_assign(counter, cj_add_scalar(counter, 1));
    return counter;
}

static cj_value draw_random(cj__op op, cj_scope scope, cj_shape_t shape)
{
    cj__random_attributes attributes = {shape, cj__draw_key(scope)};
    cj_value counter = cj__run_counter(scope.graph);
    const char *outer = cj__enter(scope.graph, scope.path);
    cj_value value = cj__draw1(op, &attributes, counter);
    cj__enter(scope.graph, outer);
    return value;
}

cj_value cj_random_uniform(cj_scope scope, cj_shape_t shape)
{
    return draw_random(CJ__OP_random_uniform, scope, shape);
}

cj_value cj_random_normal(cj_scope scope, cj_shape_t shape)
{
    return draw_random(CJ__OP_random_normal, scope, shape);
}

cj_value cj_dropout(cj_scope scope, cj_value x, double rate)
{
    if (!cj_value_ok(x) || scope.graph->mode == CJ_INFERENCE || rate == 0) return x;
    cj__dropout_attributes attributes = {rate, cj__draw_key(scope)};
    cj_value counter = cj__run_counter(scope.graph);
    const char *outer = cj__enter(scope.graph, scope.path);
    cj_value value = cj__draw2(CJ__OP_dropout, &attributes, x, counter);
    cj__enter(scope.graph, outer);
    return cj_note_layer(scope, "dropout", value);
}

/* Gradients are drawn: walking back from y, each node's vjp draws the cotangents of its inputs. Composites
 * without a vjp of their own are first replaced by what they lower to, so that forward and backward share it.
 */
#define CJ_NO_LOCATIONS
#include "compile/grad.h"
#include "cajal/ops.h"
#include "compile/order.h"

#include <string.h>

struct cj__vjp_mutation cj__vjp_mutation;

typedef struct {
    cj_graph *graph;
    int32_t *order;
    int64_t count;
    int64_t values;      /* how many there were when the walk began */
    int32_t *cotangents; /* by value id; -1: none yet */
    char *depends;       /* by value id: on one of the x */
} tape;

/* Draws what a composite stands for and lets the old values point to the new. */
static void expand(cj_graph *graph, int32_t index)
{
    cj__node node = graph->nodes[index];
    cj_value inputs[CJ__MOST_VALUES], outputs[CJ__MOST_VALUES];
    for (int i = 0; i < node.inputs_count; i++)
        inputs[i] = cj__make_value(graph, cj__resolve(graph, node.inputs[i]));
    cj__lowering lowering = {graph, node.attributes, node.inputs_count, node.outputs_count, inputs, outputs};
    const char *outer = cj__enter(graph, node.scope);
    int64_t first = graph->node_count;
    cj__info(&node)->lower(&lowering);
    cj__locate(graph, first, node.file, node.line);
    cj__enter(graph, outer);
    for (int i = 0; i < node.outputs_count; i++)
        if (cj_value_ok(outputs[i])) graph->values[node.first_output + i].replaced_by = outputs[i].id;
}

/* Expands until no composite without a gradient of its own stands below y. */
static cj_status expand_all(cj_graph *graph, int32_t y)
{
    for (bool changed = true; changed && graph->status == CJ_OK;) {
        int32_t *order;
        int64_t count;
        changed = false;
        CJ__TRY(cj__order_from(graph, y, &order, &count));
        for (int64_t i = 0; i < count; i++) {
            const cj__op_info *info = cj__info(&graph->nodes[order[i]]);
            if (!info->lower || info->vjp) continue;
            expand(graph, order[i]);
            changed = true;
        }
        cj__free(order);
    }
    return cj_graph_status(graph);
}

static cj_status tape_begin(tape *t, cj_value y, int count, const cj_value *x)
{
    *t = (tape){.graph = y.graph, .values = y.graph->value_count};
    CJ__TRY(cj__order_from(t->graph, y.id, &t->order, &t->count));
    t->cotangents = cj__allocate((size_t)t->values * sizeof *t->cotangents);
    t->depends = cj__allocate_zeroed((size_t)t->values);
    if (!t->cotangents || !t->depends) return cj__out_of_memory((size_t)t->values * 5, "drawing gradients");
    memset(t->cotangents, -1, (size_t)t->values * sizeof *t->cotangents);
    for (int i = 0; i < count; i++) t->depends[cj__resolve(t->graph, x[i].id)] = 1;
    for (int64_t i = 0; i < t->count; i++) {
        const cj__node *node = &t->graph->nodes[t->order[i]];
        bool depends = false;
        for (int k = 0; k < node->inputs_count; k++)
            depends = depends || t->depends[cj__resolve(t->graph, node->inputs[k])];
        for (int k = 0; depends && k < node->outputs_count; k++)
            if (cj__dtype_is_float(t->graph->values[node->first_output + k].dtype))
                t->depends[node->first_output + k] = 1;
    }
    return CJ_OK;
}

static cj_value mutated(const cj__vjp *v, cj_value gradient)
{
    switch (cj__vjp_mutation.kind) {
    case CJ__MUTATE_SCALE:
        return cj_scale(gradient, 1.01);
    case CJ__MUTATE_SIGN:
        return cj_neg(gradient);
    case CJ__MUTATE_ZERO:
        return cj_scale(gradient, 0);
    case CJ__MUTATE_OPERAND:
        return cj_mul(gradient, v->inputs[cj__vjp_mutation.input]);
    case CJ__MUTATE_NOTHING:
        break;
    }
    return gradient;
}

static void add_cotangent(tape *t, int32_t id, cj_value gradient)
{
    if (!cj_value_ok(gradient)) return;
    int32_t old = t->cotangents[id];
    cj_value sum = old < 0 ? gradient : cj_add(cj__make_value(t->graph, old), gradient);
    t->cotangents[id] = sum.id;
}

static void back(tape *t, int32_t index)
{
    cj_graph *graph = t->graph;
    cj__node node = graph->nodes[index];
    const cj__op_info *info = cj__info(&node);
    cj_value inputs[CJ__MOST_VALUES], outputs[CJ__MOST_VALUES], cotangents[CJ__MOST_VALUES],
        gradients[CJ__MOST_VALUES];
    bool wanted[CJ__MOST_VALUES], any_wanted = false, any_cotangent = false;
    for (int i = 0; i < node.inputs_count; i++) {
        inputs[i] = cj__make_value(graph, cj__resolve(graph, node.inputs[i]));
        wanted[i] = t->depends[inputs[i].id];
        any_wanted = any_wanted || wanted[i];
        gradients[i] = cj__none();
    }
    for (int i = 0; i < node.outputs_count; i++) {
        outputs[i] = cj__make_value(graph, node.first_output + i);
        int32_t cotangent = t->cotangents[node.first_output + i];
        cotangents[i] = cotangent < 0 ? cj__none() : cj__make_value(graph, cotangent);
        any_cotangent = any_cotangent || cotangent >= 0;
    }
    if (!any_wanted || !any_cotangent || !info->vjp) return;
    cj__vjp v = {graph,      node.attributes, node.inputs_count, node.outputs_count, inputs, outputs,
                 cotangents, wanted,          gradients};
    const char *outer = cj__enter(graph, node.scope);
    int64_t first = graph->node_count;
    info->vjp(&v);
    for (int i = 0; i < node.inputs_count; i++) {
        bool damaged =
            cj__vjp_mutation.kind && cj__vjp_mutation.op == (int)node.op && cj__vjp_mutation.input == i;
        if (damaged && cj_value_ok(gradients[i])) {
            gradients[i] = mutated(&v, gradients[i]);
            cj__vjp_mutation.applied++;
        }
        if (wanted[i]) add_cotangent(t, inputs[i].id, gradients[i]);
    }
    cj__locate(graph, first, node.file, node.line);
    for (int64_t i = first; i < graph->node_count; i++) graph->nodes[i].backward = true;
    cj__enter(graph, outer);
}

static cj_status draw_gradients(cj_value y, int count, const cj_value *x, cj_value *gradients)
{
    tape t = {0};
    cj_status status = expand_all(y.graph, y.id);
    y.id = cj__resolve(y.graph, y.id);
    if (status == CJ_OK) status = tape_begin(&t, y, count, x);
    if (status == CJ_OK) {
        if (t.depends[y.id])
            t.cotangents[y.id] =
                cj_broadcast(cj_constant(y.graph, cj_value_dtype(y), 1), cj_value_shape(y)).id;
        for (int64_t i = t.count - 1; i >= 0; i--) back(&t, t.order[i]);
        for (int i = 0; i < count; i++) {
            int32_t id = t.cotangents[cj__resolve(y.graph, x[i].id)];
            gradients[i] =
                id >= 0 ? cj__make_value(y.graph, id)
                        : cj_broadcast(cj_constant(y.graph, cj_value_dtype(x[i]), 0), cj_value_shape(x[i]));
        }
        status = y.graph->status;
    }
    cj__free(t.order);
    cj__free(t.cotangents);
    cj__free(t.depends);
    return status;
}

void cj_gradients(cj_value y, int count, const cj_value *x, cj_value *gradients)
{
    cj_graph *graph = y.graph; /* or that of an x, where y is no value of any */
    bool ok = cj_value_ok(y) && graph->status == CJ_OK;
    for (int i = 0; i < count && !graph; i++) graph = x[i].graph;
    for (int i = 0; i < count; i++) {
        gradients[i] = cj__poison(graph);
        ok = ok && cj_value_ok(x[i]) && x[i].graph == graph;
    }
    if (!graph) return;
    if (!ok) {
        cj__graph_error(graph, CJ_INVALID_ARGUMENT,
                        "gradients: y and every x must be good values of one graph");
    } else if (!cj__dtype_is_float(cj_value_dtype(y))) {
        cj__graph_error(graph, CJ_INVALID_ARGUMENT, "gradients: y is %s; only floating point has a gradient",
                        cj_dtype_name(cj_value_dtype(y)));
    } else {
        cj_status status = draw_gradients(y, count, x, gradients);
        if (status != CJ_OK) cj__graph_error(graph, status, "gradients: %s", cj_status_sentence(status));
    }
}

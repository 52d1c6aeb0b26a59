/* The verifier: what must hold after every pass. Debug builds run it; a failure is an error of the library's
 * own. */
#include "graph/graph.h"

static cj_status broken(const cj__node *node, int64_t index, const char *after, const char *what)
{
    return cj__fail(CJ_INTERNAL_ERROR, "after %s, node %lld (%s at '%s') %s", after, (long long)index,
                    cj__info(node)->name, node->scope, what);
}

/* Types as the op's shape rule gives them; chains carry their own. */
static cj_status check_types(const cj_graph *graph, int64_t index, const char *after)
{
    const cj__node *node = &graph->nodes[index];
    cj__type inputs[CJ__MOST_VALUES], outputs[CJ__MOST_VALUES];
    if (cj__info(node)->flags & CJ__INTERNAL) return CJ_OK;
    for (int i = 0; i < node->inputs_count; i++) {
        const cj__value *value = &graph->values[cj__resolve(graph, node->inputs[i])];
        inputs[i] = (cj__type){value->dtype, value->shape};
    }
    cj__inference inference = {graph,  node->attributes, node->inputs_count, node->outputs_count,
                               inputs, outputs};
    if (cj__info(node)->infer(&inference) != CJ_OK)
        return broken(node, index, after, "no longer fits its inputs");
    if (inference.outputs_count != node->outputs_count)
        return broken(node, index, after, "has a wrong number of outputs");
    for (int i = 0; i < node->outputs_count; i++) {
        const cj__value *value = &graph->values[node->first_output + i];
        if (value->dtype != outputs[i].dtype || !cj_shape_equal(value->shape, outputs[i].shape))
            return broken(node, index, after, "has another type than its shape rule gives");
    }
    return CJ_OK;
}

cj_status cj__verify(const cj_graph *graph, const char *after)
{
    for (int64_t i = 0; i < graph->node_count; i++) {
        const cj__node *node = &graph->nodes[i];
        const cj__op_info *info = cj__info(node);
        if (info->inputs >= 0 && node->inputs_count != info->inputs)
            return broken(node, i, after, "has a wrong number of inputs");
        if (!(info->flags & CJ__INTERNAL) &&
            (node->inputs_count > CJ__MOST_VALUES || node->outputs_count > CJ__MOST_VALUES))
            return broken(node, i, after, "has too many values");
        for (int k = 0; k < node->inputs_count; k++) {
            if (node->inputs[k] < 0 || node->inputs[k] >= graph->value_count)
                return broken(node, i, after, "reads no value");
            int32_t input = cj__resolve(graph, node->inputs[k]);
            /* An expanded composite's values come later than those that read it. */
            if (input == node->inputs[k] && graph->values[input].node >= i)
                return broken(node, i, after, "reads a later value");
        }
        CJ__TRY(check_types(graph, i, after));
    }
    return CJ_OK;
}

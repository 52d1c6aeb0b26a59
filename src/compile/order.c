/* The live nodes in the order in which they were drawn, but each after those it needs: the shape of every
 * pass's loop, and dead-code elimination with it. Drawing order matters: gradients by weights are drawn where
 * the walk back passes, so that what they need does not wait in memory for the end. */
#include "compile/order.h"

#include <string.h>

typedef struct {
    const cj_graph *graph;
    int32_t *order, *stack, *next; /* next: which input of a node to visit */
    char *seen;
    int64_t count;
} walk;

/* Depth first, without recursion. */
static void visit_node(walk *w, int32_t root)
{
    int64_t depth = 0;
    if (w->seen[root]) return;
    w->seen[root] = 1;
    w->stack[depth++] = root;
    while (depth > 0) {
        int32_t at = w->stack[depth - 1];
        const cj__node *node = &w->graph->nodes[at];
        if (w->next[at] == node->inputs_count) {
            w->order[w->count++] = at;
            depth--;
            continue;
        }
        int32_t input = node->inputs[w->next[at]++];
        int32_t maker = w->graph->values[cj__resolve(w->graph, input)].node;
        if (!w->seen[maker]) {
            w->seen[maker] = 1;
            w->stack[depth++] = maker;
        }
    }
}

static void visit(walk *w, int32_t value)
{
    visit_node(w, w->graph->values[cj__resolve(w->graph, value)].node);
}

static cj_status begin(walk *w, const cj_graph *graph)
{
    size_t n = (size_t)graph->node_count + 1;
    *w = (walk){.graph = graph,
                .order = cj__allocate(n * 4),
                .stack = cj__allocate(n * 4),
                .next = cj__allocate_zeroed(n * 4),
                .seen = cj__allocate_zeroed(n)};
    return w->order && w->stack && w->next && w->seen ? CJ_OK : cj__out_of_memory(n * 13, "ordering a graph");
}

static cj_status finish(walk *w, cj_status status, int32_t **order, int64_t *count)
{
    cj__free(w->stack);
    cj__free(w->next);
    cj__free(w->seen);
    *order = w->order;
    *count = w->count;
    if (status == CJ_OK) return CJ_OK;
    cj__free(w->order);
    *order = NULL;
    return status;
}

cj_status cj__order_from(const cj_graph *graph, int32_t value, int32_t **order, int64_t *count)
{
    walk w;
    cj_status status = begin(&w, graph);
    if (status == CJ_OK) visit(&w, value);
    return finish(&w, status, order, count);
}

/* All that was seen once more, as it was drawn; nodes that wait come when somebody needs them. */
static cj_status again_as_drawn(walk *w, const bool *waits)
{
    size_t nodes = (size_t)w->graph->node_count;
    char *live = cj__allocate(nodes + 1);
    if (!live) return cj__out_of_memory(nodes, "ordering a graph");
    memcpy(live, w->seen, nodes);
    memset(w->seen, 0, nodes);
    memset(w->next, 0, nodes * sizeof *w->next);
    w->count = 0;
    for (int64_t i = 0; i < w->graph->node_count; i++)
        if (live[i] && !(waits && waits[i])) visit_node(w, (int32_t)i);
    for (int64_t i = 0; i < w->graph->node_count; i++)
        if (live[i]) visit_node(w, (int32_t)i);
    cj__free(live);
    return CJ_OK;
}

static cj_status order(const cj_graph *graph, const bool *waits, int32_t **order, int64_t *count)
{
    walk w;
    cj_status status = begin(&w, graph);
    if (status != CJ_OK) return finish(&w, status, order, count);
    for (int64_t i = 0; i < graph->output_count; i++) visit(&w, graph->outputs[i].value);
    if (graph->guard >= 0) visit(&w, graph->guard);
    for (int64_t i = 0; i < graph->node_count; i++)
        if (cj__info(&graph->nodes[i])->flags & CJ__EFFECT) visit_node(&w, (int32_t)i);
    status = again_as_drawn(&w, waits);
    return finish(&w, status, order, count);
}

cj_status cj__order(const cj_graph *graph, int32_t **result, int64_t *count)
{
    return order(graph, NULL, result, count);
}

/* --- for memory ---------------------------------------------------------------------------------------- */

/* Who reads an operand so soon after a node frees it together with the node. */
enum { NEAR = 8 };

/* Views are their source's memory. */
static int32_t owner_of(const cj_graph *graph, int32_t value)
{
    const cj__node *node = &graph->nodes[graph->values[value].node];
    while (cj__info(node)->flags & CJ__VIEW) {
        value = node->inputs[0];
        node = &graph->nodes[graph->values[value].node];
    }
    return value;
}

static double bytes_of(const cj_graph *graph, int32_t value)
{
    const cj__value *v = &graph->values[value];
    if (cj__info(&graph->nodes[v->node])->flags & CJ__SOURCE) return 0;
    return (double)cj_shape_count(v->shape) * (double)cj_dtype_size(v->dtype);
}

/* last: by value, the place in the order of its last reader. */
static bool takes_more_than_it_frees(const cj_graph *graph, const cj__node *node, int64_t place,
                                     const int64_t *last)
{
    double growth = 0;
    if (cj__info(node)->flags & (CJ__SOURCE | CJ__EFFECT | CJ__VIEW)) return false;
    for (int i = 0; i < node->outputs_count; i++) growth += bytes_of(graph, node->first_output + i);
    for (int i = 0; i < node->inputs_count; i++) {
        int32_t value = owner_of(graph, node->inputs[i]);
        if (last[value] <= place + NEAR) growth -= bytes_of(graph, value);
    }
    return growth > 0;
}

static void find_last_readers(const cj_graph *graph, const int32_t *order, int64_t count, int64_t *last)
{
    for (int64_t place = 0; place < count; place++) {
        const cj__node *node = &graph->nodes[order[place]];
        for (int i = 0; i < node->inputs_count; i++) last[owner_of(graph, node->inputs[i])] = place;
    }
    for (int64_t i = 0; i < graph->output_count; i++)
        last[owner_of(graph, graph->outputs[i].value)] = INT64_MAX;
}

cj_status cj__order_for_memory(const cj_graph *graph, int32_t **result, int64_t *count)
{
    int32_t *drawn;
    CJ__TRY(cj__order(graph, &drawn, count));
    int64_t *last = cj__allocate_zeroed(((size_t)graph->value_count + 1) * sizeof *last);
    bool *waits = cj__allocate_zeroed((size_t)graph->node_count + 1);
    cj_status status = last && waits ? CJ_OK : cj__out_of_memory(0, "ordering a graph");
    if (status == CJ_OK) {
        find_last_readers(graph, drawn, *count, last);
        for (int64_t i = 0; i < *count; i++)
            waits[drawn[i]] = takes_more_than_it_frees(graph, &graph->nodes[drawn[i]], i, last);
        status = order(graph, waits, result, count);
    }
    cj__free(drawn);
    cj__free(last);
    cj__free(waits);
    return status;
}

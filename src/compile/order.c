/* Depth-first ordering, without recursion: the shape of every pass's loop, and dead-code elimination with it.
 */
#include "compile/order.h"

typedef struct {
    const cj_graph *graph;
    int32_t *order, *stack, *next; /* next: which input of a node to visit */
    char *seen;
    int64_t count;
} walk;

static void visit(walk *w, int32_t value)
{
    int64_t depth = 0;
    int32_t root = w->graph->values[cj__resolve(w->graph, value)].node;
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

cj_status cj__order(const cj_graph *graph, int32_t **order, int64_t *count)
{
    walk w;
    cj_status status = begin(&w, graph);
    if (status != CJ_OK) return finish(&w, status, order, count);
    for (int64_t i = 0; i < graph->output_count; i++) visit(&w, graph->outputs[i].value);
    if (graph->guard >= 0) visit(&w, graph->guard);
    for (int64_t i = 0; i < graph->node_count; i++) {
        const cj__node *node = &graph->nodes[i];
        if (!(cj__info(node)->flags & CJ__EFFECT)) continue;
        visit(&w, node->inputs[0]);
        w.order[w.count++] = (int32_t)i;
    }
    return finish(&w, CJ_OK, order, count);
}

/* Between simplifying and planning: the simplified graph of a training step outlives the drawing, so that a
 * bad step can be replayed. What its nodes only point to becomes its own. */
#include "compile/passes.h"

static cj_status keep_literal(cj_graph *graph, cj__node *node)
{
    cj__literal_attributes a = *(const cj__literal_attributes *)node->attributes;
    size_t bytes = cj__literal_bytes(&a);
    a.data = cj__arena_copy(&graph->arena, a.data, bytes);
    node->attributes = cj__arena_copy(&graph->arena, &a, sizeof a);
    return a.data && node->attributes ? CJ_OK : cj__out_of_memory(bytes, "a constant");
}

/* A body belongs to the drawing: simplifying it makes a copy. */
static cj_status keep_body(cj_graph *graph, cj__node *node)
{
    cj__scan_attributes a = *(const cj__scan_attributes *)node->attributes;
    CJ__TRY(cj__lower_and_simplify(a.body, &a.body));
    cj__own_body(graph, a.body);
    node->attributes = cj__arena_copy(&graph->arena, &a, sizeof a);
    if (!node->attributes) return cj__out_of_memory(sizeof a, "a scan");
    return cj__keep(a.body);
}

cj_status cj__keep(cj_graph *graph)
{
    for (int64_t i = 0; i < graph->node_count; i++) {
        cj__node *node = &graph->nodes[i];
        if (node->op == CJ__OP_literal) CJ__TRY(keep_literal(graph, node));
        if (node->op == CJ__OP_scan || node->op == CJ__OP_scan_saving) CJ__TRY(keep_body(graph, node));
    }
    return CJ_OK;
}

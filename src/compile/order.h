/* The live nodes of a graph, each after those it needs. */
#ifndef CJ__ORDER_H
#define CJ__ORDER_H

#include "graph/graph.h"

/* Indices of the nodes that outputs, the guard and effects need, as they were drawn; free with cj__free. */
CJ_MUST_CHECK cj_status cj__order(const cj_graph *graph, int32_t **order, int64_t *count);
/* The same for the layout of memory: nodes that take more than they set free, as gradients by large weights
 * do, wait until somebody needs them. */
CJ_MUST_CHECK cj_status cj__order_for_memory(const cj_graph *graph, int32_t **order, int64_t *count);
/* Of those that one value needs, depth first. */
CJ_MUST_CHECK cj_status cj__order_from(const cj_graph *graph, int32_t value, int32_t **order, int64_t *count);

#endif

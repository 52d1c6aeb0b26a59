/* The live nodes of a graph, each after those it needs. */
#ifndef CJ__ORDER_H
#define CJ__ORDER_H

#include "graph/graph.h"

/* Node indices from outputs, the guard and effects, in depth-first order; free with cj__free. */
CJ_MUST_CHECK cj_status cj__order(const cj_graph *graph, int32_t **order, int64_t *count);
/* The same from one value alone. */
CJ_MUST_CHECK cj_status cj__order_from(const cj_graph *graph, int32_t value, int32_t **order, int64_t *count);
/* Changes an order so that less memory is in use at a time: nodes that let go of more than they make come as
 * early as they can. */
CJ_MUST_CHECK cj_status cj__order_eagerly(const cj_graph *graph, int32_t *order, int64_t count);

#endif

/* The passes, each from graph to graph. The caller frees both. */
#ifndef CJ__PASSES_H
#define CJ__PASSES_H

#include "compile/order.h"

/* Composites become the ops they stand for, equal nodes become one, constants are folded, dead code goes. */
CJ_MUST_CHECK cj_status cj__lower_and_simplify(const cj_graph *from, cj_graph **to);
/* Elementwise nodes of one shape become chains; broadcasts and constants are absorbed into them. */
CJ_MUST_CHECK cj_status cj__fuse(const cj_graph *from, cj_graph **to);

#endif

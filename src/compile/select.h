/* Which kernel of a backend makes a step, which it sees as a launch. */
#ifndef CJ__SELECT_H
#define CJ__SELECT_H

#include "compile/backend.h"
#include "graph/graph.h"

/* Of a node as it stands in the graph; `types` has room for those of its inputs and outputs. */
cj__launch cj__launch_of(const cj_graph *graph, const cj__backend *backend, const cj__node *node,
                         cj__type *types);

typedef struct {
    const cj__kernel *kernel; /* NULL: none can */
    bool measured;            /* a choice of cj_kernels, not the rules' */
    char refusals[512];       /* why those before it could not, for `cajal plan` */
} cj__selection;

CJ_MUST_CHECK cj_status cj__select(const cj__backend *backend, const cj__launch *launch,
                                   cj__selection *selection);

#endif

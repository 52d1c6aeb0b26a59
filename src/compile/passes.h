/* The passes, each from graph to graph. The caller frees both. */
#ifndef CJ__PASSES_H
#define CJ__PASSES_H

#include "compile/backend.h"
#include "compile/order.h"

/* Composites become the ops they stand for, equal nodes become one, constants are folded, dead code goes. */
CJ_MUST_CHECK cj_status cj__lower_and_simplify(const cj_graph *from, cj_graph **to);
/* Gradients get copies of the nodes that are marked (again: by node of `from`), made where they are needed
 * first, so that nothing is kept for them. Only what gradients do not make may be marked. */
CJ_MUST_CHECK cj_status cj__recompute(const cj_graph *from, const bool *again, cj_graph **to);
/* Has no memory of its own: cj__recompute copies it with whatever reads it. */
bool cj__is_passing(const cj__node *node);
/* By node: of a gradient, or made of one. */
void cj__find_late(const cj_graph *graph, const int32_t *order, int64_t count, bool *late);
/* What fusion joins. Bits are the same with and without. */
enum {
    CJ__FUSE_CHAINS = 1,     /* elementwise nodes of one shape that feed each other */
    CJ__FUSE_PRODUCTS = 2,   /* a product and the chain that reads it */
    CJ__FUSE_REDUCTIONS = 4, /* a chain and the sums and maxima of what it makes */
    CJ__FUSE_ALL = 7,
    CJ__FUSE_APART = 8, /* but nothing of the forward pass with what gradients make: after cj__recompute */
};
/* What is cheap to compute again is drawn anew for each user: the first part of fusing chains. */
CJ_MUST_CHECK cj_status cj__repeat_cheap(const cj_graph *from, cj_graph **to);
/* Elementwise nodes become chains, joined as asked; broadcasts and constants are absorbed into them. */
CJ_MUST_CHECK cj_status cj__fuse(const cj_graph *from, unsigned what, cj_graph **to);
/* In a fused graph at `medium`, what chains make for products of bf16 alone becomes bf16. */
CJ_MUST_CHECK cj_status cj__narrow(cj_graph *graph, const cj__backend *backend);
/* Makes a simplified graph independent of the drawing: literals and bodies of scans become its own. */
CJ_MUST_CHECK cj_status cj__keep(cj_graph *graph);

#endif

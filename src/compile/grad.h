/* Reverse-mode differentiation, graph to graph: see grad.c. */
#ifndef CJ__GRAD_H
#define CJ__GRAD_H

#include "graph/op.h"

/* For tests only: damages input `input`'s gradient in every vjp of `op`, so that a suite that does not notice
 * is found out. */
typedef enum {
    CJ__MUTATE_NOTHING,
    CJ__MUTATE_SCALE,
    CJ__MUTATE_SIGN,
    CJ__MUTATE_ZERO,
    CJ__MUTATE_OPERAND
} cj__mutation;
extern struct cj__vjp_mutation {
    cj__mutation kind;
    int op, input;
    int64_t applied; /* how often it has damaged something */
} cj__vjp_mutation;

#endif

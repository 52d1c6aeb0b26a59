/* Groups of nodes that fusion makes one: found in fuse.c, written as chains in fuse_write.c. */
#ifndef CJ__FUSE_H
#define CJ__FUSE_H

#include "compile/chain.h"
#include "compile/passes.h"

typedef struct cj__fusion {
    const cj_graph *from;
    cj_graph *to;
    int32_t *order;
    int64_t count;
    int32_t *group;  /* by node: the group's first member; a node alone is its own group */
    int32_t *next;   /* members of a group, linked in order from the first; -1 ends */
    int32_t *place;  /* by node: its position in the order */
    int32_t *rank;   /* by group: where it stands in an order of groups, each after those it needs */
    int32_t *ranked; /* by rank: the group; -1: none any more */
    int32_t *mark;   /* by group: stamp of the last search that saw it */
    int32_t stamp;
    int32_t *stack;
    int32_t *map;        /* value of `from` → value of `to`; -1: not emitted */
    int32_t *reduced_by; /* by value: the first reduction of it that stands by itself; -1: none */
    bool *late;          /* by node: made by gradients, which stay apart; NULL: they need not */
    int32_t *readers;    /* by value: nodes that read it, and reductions among them */
    int32_t *folds;
    bool *assigned;     /* by value: a variable becomes it */
    bool *used_outside; /* by value: somebody outside its group, or the program, wants it */
} cj__fusion;

static inline int32_t cj__maker(const cj__fusion *f, int32_t value)
{
    return f->from->values[value].node;
}

static inline bool cj__is_product(const cj__node *node)
{
    return cj__info(node)->flags & CJ__PRODUCT;
}

/* The product among a group's members, or -1. */
int32_t cj__product_in(const cj__fusion *f, int32_t group);
/* Whether a reduction can be part of a chain, and how it then sees the chain's elements. */
bool cj__foldable(const cj__fusion *f, const cj__node *node, cj__folding *folding);
/* Whether a group is written as a chain, rather than copied. */
bool cj__is_chain(const cj__fusion *f, int32_t group);
/* Writes the fused graph, once the groups are found. */
CJ_MUST_CHECK cj_status cj__write_groups(cj__fusion *f);

#endif

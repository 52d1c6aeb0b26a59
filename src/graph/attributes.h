/* The attributes of nodes: plain structs without padding, so that equal attributes are equal bytes. */
#ifndef CJ__ATTRIBUTES_H
#define CJ__ATTRIBUTES_H

#include "graph/variable.h"

typedef struct {
    int64_t unused;
} cj__no_attributes;

typedef struct {
    int64_t axis;
} cj__axis_attributes;

typedef struct {
    uint32_t axes; /* bit i: axis i is reduced */
    int32_t keep;  /* reduced axes stay with size 1 */
} cj__reduce_attributes;

typedef struct {
    int64_t axis, exclusive, reverse;
} cj__running_attributes;

typedef struct {
    int64_t axis, descending, count; /* the first `count` in that order are kept */
} cj__sort_attributes;

typedef struct {
    int32_t transpose_a, transpose_b;
} cj__matmul_attributes;

/* What stands behind the tensors that every attention has, in this order; behind them, where `rate` is not 0,
 * the run counter. */
enum {
    CJ__ATTENTION_BIAS = 1,
    CJ__ATTENTION_FIRST = 2,
    CJ__ATTENTION_LENGTHS = 4,
    CJ__ATTENTION_MASK = 8 /* bool: which keys are seen */
};
typedef struct {
    double scale;   /* of the scores */
    int64_t causal; /* query i sees keys 0 … first + i */
    int64_t has;    /* CJ__ATTENTION_ flags */
    double rate;    /* of dropout on the probabilities */
    uint64_t key;   /* of its draws */
} cj__attention_attributes;

/* Windows that slide over the spatial axes of [N,spatial…,C], of convolutions and pooling. */
enum { CJ__SPATIAL = 3 };
typedef struct {
    int64_t rank; /* spatial axes; the rest of the arrays is zero */
    int64_t kernel[CJ__SPATIAL], stride[CJ__SPATIAL], dilation[CJ__SPATIAL];
    int64_t before[CJ__SPATIAL], after[CJ__SPATIAL]; /* padding */
    int64_t groups;                                  /* of channels */
    int64_t size[CJ__SPATIAL];                       /* of the result, where the operands do not tell it */
    int64_t adaptive; /* pooling: window i of n covers the i-th n-th part, rounded outwards */
} cj__window_attributes;

typedef struct {
    double epsilon;
} cj__epsilon_attributes;

typedef struct {
    cj_shape_t shape;
} cj__shape_attributes;

typedef struct {
    int64_t rank;
    int64_t order[CJ_MAX_RANK]; /* output axis i is input axis order[i] */
} cj__transpose_attributes;

typedef struct {
    int64_t axis, start, step, count; /* elements start, start+step, … count of them; step > 0 */
} cj__slice_attributes;

typedef struct {
    int64_t axis, count; /* equal parts */
} cj__split_attributes;

typedef struct {
    int64_t dtype;
} cj__cast_attributes;

typedef struct {
    int64_t depth, dtype;
} cj__one_hot_attributes;

typedef struct {
    int64_t axis, size;
} cj__scatter_attributes;

typedef struct {
    int64_t dtype;
    double value;
    cj_shape_t shape;
} cj__constant_attributes; /* one value everywhere */

typedef struct {
    int64_t dtype;
    cj_shape_t shape;
    const void *data; /* in the graph's arena */
} cj__literal_attributes;

typedef struct {
    cj_shape_t shape;
    uint64_t key; /* of (scope path, ordinal, seed) */
} cj__random_attributes;

typedef struct {
    double rate;
    uint64_t key;
} cj__dropout_attributes;

typedef struct {
    double a, b;
} cj__pair_attributes; /* slope, alpha … */

typedef struct {
    int64_t dtype, count;
} cj__iota_attributes;

typedef struct {
    double amount; /* of each target, spread evenly over the classes */
} cj__smoothing_attributes;

typedef struct {
    int64_t index; /* among the graph's inputs */
    int64_t dtype;
    cj_shape_t shape;
} cj__input_attributes;

typedef struct {
    cj__variable *variable;
} cj__variable_attributes;

/* What stands for a step's value while the body of a scan is drawn. */
typedef struct {
    int64_t dtype, ordinal; /* no two are alike */
    cj_shape_t shape;
} cj__placeholder_attributes;

/* The body's inputs: carries, slices of the sequences, captures; its outputs: the new carries, the outputs.
 */
typedef struct {
    struct cj_graph *body; /* owned by the graph it was drawn in */
    int64_t carries, sequences, captures, outputs;
    int64_t length, reverse;
} cj__scan_attributes;

/* A recurrence over [N,T,…], one layer in one direction: ops/recurrence.h. */
typedef struct {
    int64_t cell;    /* a cj__cell */
    int64_t reverse; /* from each row's last step to its first */
    int64_t varied;  /* some rows may have fewer steps than T */
} cj__recurrence_attributes;

/* A fused chain of elementwise ops, made by the compiler only: compile/chain.h. */
struct cj__chain;
typedef struct {
    const struct cj__chain *chain;
} cj__chain_attributes;

/* A product and the chain applied to each finished block of it, whose first input is the product. */
typedef struct {
    int64_t op;             /* the product's, a cj__op */
    const void *attributes; /* and what they are of it */
    const struct cj__chain *chain;
} cj__product_attributes;

#endif

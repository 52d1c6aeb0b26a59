/* Operations on values: what models are drawn with.
 *
 * Two-operand elementwise operations broadcast as in NumPy and want equal element types (use `cj_cast`).
 * `axis` counts from 0, or from the end when negative. Shapes are given as they appear in the comments. */
#ifndef CAJAL_OPS_H
#define CAJAL_OPS_H

#include "cajal/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- elementwise arithmetic: operands of shapes that broadcast, the result of their common shape; integers
 * wrap around ------------------------------------------------------------------------------------------ */
CJ_API cj_value cj_add(cj_value a, cj_value b);
CJ_API cj_value cj_sub(cj_value a, cj_value b);
CJ_API cj_value cj_mul(cj_value a, cj_value b);
CJ_API cj_value cj_div(cj_value a, cj_value b);     /* floating point only */
CJ_API cj_value cj_pow(cj_value a, cj_value b);     /* NaN for a negative base and a fractional exponent */
CJ_API cj_value cj_maximum(cj_value a, cj_value b); /* NaN if either is */
CJ_API cj_value cj_minimum(cj_value a, cj_value b);
CJ_API cj_value cj_scale(cj_value x, double factor);      /* x · factor */
CJ_API cj_value cj_add_scalar(cj_value x, double addend); /* x + addend */
CJ_API cj_value cj_clamp(cj_value x, double low, double high);

/* --- elementwise functions: [...] → [...]; but for neg, abs, sign and square of floats alone ----- */
CJ_API cj_value cj_neg(cj_value x);
CJ_API cj_value cj_abs(cj_value x);  /* gradient 0 at 0 */
CJ_API cj_value cj_sign(cj_value x); /* -1, 0, 1; NaN stays */
CJ_API cj_value cj_exp(cj_value x);
CJ_API cj_value cj_log(cj_value x); /* natural */
CJ_API cj_value cj_log1p(cj_value x);
CJ_API cj_value cj_expm1(cj_value x);
CJ_API cj_value cj_sqrt(cj_value x);
CJ_API cj_value cj_rsqrt(cj_value x); /* 1 / sqrt(x) */
CJ_API cj_value cj_reciprocal(cj_value x);
CJ_API cj_value cj_square(cj_value x);
CJ_API cj_value cj_sin(cj_value x);
CJ_API cj_value cj_cos(cj_value x);
CJ_API cj_value cj_tanh(cj_value x);
CJ_API cj_value cj_erf(cj_value x);
CJ_API cj_value cj_floor(cj_value x);
CJ_API cj_value cj_ceil(cj_value x);
CJ_API cj_value cj_round(cj_value x); /* half to even */

/* --- comparisons, whose results are bool and have no gradient, and choice ------------------------------- */
CJ_API cj_value cj_equal(cj_value a, cj_value b);
CJ_API cj_value cj_not_equal(cj_value a, cj_value b);
CJ_API cj_value cj_less(cj_value a, cj_value b);
CJ_API cj_value cj_less_equal(cj_value a, cj_value b);
CJ_API cj_value cj_greater(cj_value a, cj_value b);
CJ_API cj_value cj_greater_equal(cj_value a, cj_value b);
CJ_API cj_value cj_logical_and(cj_value a, cj_value b);
CJ_API cj_value cj_logical_or(cj_value a, cj_value b);
CJ_API cj_value cj_logical_not(cj_value x);
CJ_API cj_value cj_is_finite(cj_value x);
/* `yes` where the condition (bool) holds, else `no`; all three broadcast. */
CJ_API cj_value cj_select(cj_value condition, cj_value yes, cj_value no);

/* --- activations: [...] → [...]; but for relu of floats alone ----- */
CJ_API cj_value cj_relu(cj_value x);
CJ_API cj_value cj_leaky_relu(cj_value x, double slope);
/* x where positive, else slope·x; slope: [1], or one for each index of `axis`, the channels of x. */
CJ_API cj_value cj_prelu(cj_value x, cj_value slope, int axis);
CJ_API cj_value cj_elu(cj_value x, double alpha);
CJ_API cj_value cj_selu(cj_value x);
CJ_API cj_value cj_gelu(cj_value x);      /* x Φ(x), by the error function */
CJ_API cj_value cj_gelu_tanh(cj_value x); /* its approximation by tanh */
CJ_API cj_value cj_silu(cj_value x);
CJ_API cj_value cj_softplus(cj_value x);
CJ_API cj_value cj_sigmoid(cj_value x);
CJ_API cj_value cj_hard_tanh(cj_value x);    /* clamp(x, -1, 1) */
CJ_API cj_value cj_hard_sigmoid(cj_value x); /* clamp(x/6 + 1/2, 0, 1) */
CJ_API cj_value cj_hard_swish(cj_value x);   /* x · clamp(x/6 + 1/2, 0, 1) */
/* exp(x) / Σ exp(x) along the axis, and its logarithm; the largest is subtracted first, so nothing overflows.
 */
CJ_API cj_value cj_softmax(cj_value x, int axis);
CJ_API cj_value cj_log_softmax(cj_value x, int axis);

/* --- products ---------------------------------------------------------------------------------------- */
/* a: [...,M,K] · b: [K,N] or [...,K,N] → [...,M,N]; leading dimensions broadcast. */
CJ_API cj_value cj_matmul(cj_value a, cj_value b);
/* The same with the last two dimensions of an operand swapped where its flag says so. */
CJ_API cj_value cj_matmul_transposed(cj_value a, cj_value b, bool transpose_a, bool transpose_b);

/* --- reductions --------------------------------------------------------------------------------------- */
typedef struct {
    int count; /* 0: all axes */
    int axis[CJ_MAX_RANK];
} cj_axes_t;
#ifndef __cplusplus
#define cj_axes(...)                                                                                         \
    ((cj_axes_t){.count = (int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)), .axis = {__VA_ARGS__}})
#endif
#define CJ_ALL_AXES ((cj_axes_t){0})

typedef enum { CJ_DROP_AXES, CJ_KEEP_AXES } cj_kept; /* reduced axes vanish, or stay with size 1 */

CJ_API cj_value cj_sum(cj_value x, cj_axes_t axes, cj_kept kept);
CJ_API cj_value cj_mean(cj_value x, cj_axes_t axes, cj_kept kept);
CJ_API cj_value cj_product(cj_value x, cj_axes_t axes, cj_kept kept);
CJ_API cj_value cj_max(cj_value x, cj_axes_t axes,
                       cj_kept kept); /* NaN if any is; gradient shared by equals */
CJ_API cj_value cj_min(cj_value x, cj_axes_t axes, cj_kept kept);
CJ_API cj_value cj_logsumexp(cj_value x, cj_axes_t axes, cj_kept kept);
/* Mean squared distance from the mean; `correction` is subtracted from the count (1: unbiased). */
CJ_API cj_value cj_variance(cj_value x, cj_axes_t axes, cj_kept kept, int correction);
/* i32, the first of equal ones, or of NaNs; the axis vanishes */
CJ_API cj_value cj_argmax(cj_value x, int axis);
CJ_API cj_value cj_argmin(cj_value x, int axis);

/* --- running sums and order --------------------------------------------------------------------------- */
typedef enum {
    CJ_INCLUSIVE = 0, /* element i is the sum of 0 … i */
    CJ_EXCLUSIVE = 1, /* of 0 … i-1: the first is 0 */
    CJ_REVERSE = 2,   /* from the end instead: i … last, or i+1 … last with CJ_EXCLUSIVE */
} cj_running;
CJ_API cj_value cj_cumulative_sum(cj_value x, int axis, int running); /* cj_running, or-ed */

typedef enum { CJ_ASCENDING, CJ_DESCENDING } cj_order;
typedef struct {
    cj_value values;
    cj_value indices; /* i32: where along the axis each value stood */
} cj_sorted;
/* Sorts along `axis`. NaN counts as larger than every number, and all NaNs as equal, as do -0 and 0. Equal
 * elements keep their order, descending too. The gradient goes back to where the values came from. */
CJ_API cj_sorted cj_sort(cj_value x, int axis, cj_order order);
CJ_API cj_value cj_argsort(cj_value x, int axis, cj_order order); /* the indices alone */
/* The first `count` of the sorted elements: the largest with CJ_DESCENDING, the smallest with CJ_ASCENDING.
 */
CJ_API cj_sorted cj_top_k(cj_value x, int64_t count, int axis, cj_order order);

/* --- shape and place ------------------------------------------------------------------------------------ */
CJ_API cj_value cj_reshape(cj_value x, cj_shape_t shape); /* one dimension may be -1 */
/* [N,...] → [N, product of the rest]; pictures [N,spatial…,C] with two spatial axes or more in the order of
 * [N,C,spatial…], which PyTorch's weights expect. */
CJ_API cj_value cj_flatten(cj_value x);
CJ_API cj_value cj_transpose(cj_value x, cj_axes_t order); /* CJ_ALL_AXES reverses */
CJ_API cj_value cj_broadcast(cj_value x, cj_shape_t shape);
/* Elements start, start + step, … before `stop` along the axis, counted from 0; step is 1 or more. */
CJ_API cj_value cj_slice(cj_value x, int axis, int64_t start, int64_t stop, int64_t step);
/* Parts that are alike but along the axis, one behind the other. */
CJ_API cj_value cj_concatenate(int count, const cj_value *parts, int axis);
CJ_API void cj_split(cj_value x, int count, int axis, cj_value *parts); /* equal parts, in order */
/* So many elements of `value` before and after, along the axis. */
CJ_API cj_value cj_pad(cj_value x, int axis, int64_t before, int64_t after, double value);
/* [A…,D,B…], indices [I…], i32 or i64 → [A…,I…,B…]: x at each index along the axis; zeros where it is
 * outside. */
CJ_API cj_value cj_gather(cj_value x, cj_value indices, int axis);
/* updates: [A…,I…,B…] at indices [I…] → [A…,size,B…]: zeros, and each part of `updates` added at its index
 * along the axis; one whose index is outside goes nowhere. */
CJ_API cj_value cj_scatter_add(cj_value updates, cj_value indices, int axis, int64_t size);
/* x with `part` in place of its elements start, start + 1, … along the axis; start is a scalar, i32 or i64.
 * What comes to lie outside x goes nowhere. Assigned to the variable that x is, it writes no more than the
 * part: how keys, values and other windows on the past grow. */
CJ_API cj_value cj_put(cj_value x, cj_value part, cj_value start, int axis);
/* x: [D,B…] with rows: [n,B…] in place of those at indices: [n], i32 or i64. One whose index is outside goes
 * nowhere, of equal indices the last one's stays. Assigned to the variable that x is, it writes those rows
 * alone. */
CJ_API cj_value cj_put_rows(cj_value x, cj_value rows, cj_value indices);
/* rows: [n,B…], indices: [n] → at each place the sum of all rows with the index that stands there: [n,B…] */
CJ_API cj_value cj_sum_alike(cj_value rows, cj_value indices);
CJ_API cj_value cj_one_hot(cj_value indices, int64_t depth, cj_dtype dtype); /* outside [0,depth): zeros */
CJ_API cj_value cj_cast(cj_value x, cj_dtype dtype);                         /* to integers: towards zero */
CJ_API cj_value cj_iota(cj_graph *graph, cj_dtype dtype, int64_t count);     /* 0, 1, 2, … */

/* --- randomness and state ------------------------------------------------------------------------------ */
/* Drawn anew in each run of a training graph, from (seed, run counter, scope, ordinal). */
CJ_API cj_value cj_random_uniform(cj_scope scope, cj_shape_t shape); /* f32 in [0,1) */
CJ_API cj_value cj_random_normal(cj_scope scope, cj_shape_t shape);  /* f32, mean 0, deviation 1 */
/* Zeroes each element with probability `rate`, divides the others by 1 - rate; the identity in inference. */
CJ_API cj_value cj_dropout(cj_scope scope, cj_value x, double rate);
CJ_API cj_value cj_stop_gradient(cj_value x); /* x, which counts as a constant to cj_gradients */

/* Cross-entropy of each row of logits [...,C] against its label [...] (i32, i64) → [...]. A negative label is
 * none: it gives 0 and no gradient. One past the last class is a mistake that gives NaN. */
CJ_API cj_value cj_cross_entropy_rows(cj_value logits, cj_value labels);
/* The same against a distribution over the classes for each row: -Σ targets · log softmax(logits), both
 * [...,C] → [...]. The targets need not sum to 1, and have a gradient too. */
CJ_API cj_value cj_soft_cross_entropy_rows(cj_value logits, cj_value targets);

/* --- loops ---------------------------------------------------------------------------------------------- */
#define CJ_MAX_SCAN 8
/* One step, as its body sees it. */
typedef struct {
    cj_value
        carries[CJ_MAX_SCAN]; /* as the step finds them; the body replaces them by what the next one finds */
    cj_value sequences[CJ_MAX_SCAN]; /* this step's slices: element t along axis 0, without that axis */
    cj_value outputs[CJ_MAX_SCAN];   /* to fill, from 0 on: what is stacked along axis 0 of the results */
    void *context;
} cj_scan_step;
typedef void (*cj_scan_body)(cj_scan_step *step);

typedef struct {
    size_t size;
    cj_scan_body body;
    void *context;                   /* handed to the body */
    cj_value carries[CJ_MAX_SCAN];   /* their first values */
    cj_value sequences[CJ_MAX_SCAN]; /* equal in length along axis 0 */
    int64_t length;                  /* steps; needed only without sequences */
    const char *file;                /* the caller's, for error messages; the macro sets it */
    int line;
    bool reverse; /* from the last step to the first; outputs stay at their step's index */
} cj_scan_options;
typedef struct {
    cj_value carries[CJ_MAX_SCAN]; /* as the last step left them */
    cj_value outputs[CJ_MAX_SCAN]; /* [length, …] */
} cj_scan_result;
/* A recurrence: cj_scan(body, .carries = {h}, .sequences = {x}). The body is drawn once and run for each
 * step, in order; its carries must keep their shapes and types. Whatever else it uses (parameters, other
 * values) is captured and gets its gradient too: up to a hundred values, or about fifty where their
 * gradients are wanted. What does not depend on the step is computed once, before the loop. A random draw is
 * one draw for all steps. Assignments cannot stand in a body, and its values cannot be used outside. */
CJ_API cj_scan_result cj_scan(const cj_scan_options *options);

/* --- gradients ----------------------------------------------------------------------------------------- */
/* Draws d(sum of y)/dx for each x into `gradients`; zeros where y does not depend on x. The result is drawn
 * like any other value, so gradients of gradients work. */
CJ_API void cj_gradients(cj_value y, int count, const cj_value *x, cj_value *gradients);

#if !defined(CJ_NO_LOCATIONS) && !defined(__cplusplus)
#include "cajal/ops_locations.h"
#endif

#ifdef __cplusplus
}
#endif
#endif

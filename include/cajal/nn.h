/* Layers, losses and optimizers: functions that draw. */
#ifndef CAJAL_NN_H
#define CAJAL_NN_H

#include "cajal/model.h"
#include "cajal/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- layers -------------------------------------------------------------------------------------------- */

/* x: [...,in] → x · weightᵀ + bias: [...,units]. Parameters "weight" [units,in] and "bias" [units]. */
typedef struct {
    size_t size;
    cj_value input;
    int64_t units;
    bool no_bias;
    cj_init weight_init, bias_init; /* default: Glorot uniform, zeros */
} cj_dense_options;
CJ_API cj_value cj_dense(cj_scope scope, const cj_dense_options *options);

/* Over the last axis: (x - mean) / sqrt(variance + epsilon) · weight + bias. Ba et al., 2016. */
typedef struct {
    size_t size;
    cj_value input;
    double epsilon; /* 0: 1e-5 */
    bool no_affine; /* no weight and bias */
} cj_layer_norm_options;
CJ_API cj_value cj_layer_norm(cj_scope scope, const cj_layer_norm_options *options);

/* indices: [...] → rows of the parameter "weight" [count,width]: [...,width] */
typedef struct {
    size_t size;
    cj_value input;
    int64_t count, width;
    cj_init weight_init; /* default: normal with deviation 1, as PyTorch's */
} cj_embedding_options;
CJ_API cj_value cj_embedding(cj_scope scope, const cj_embedding_options *options);

/* --- losses: f32 scalars, means over what counts ------------------------------------------------------- */

/* logits [...,C] against labels i32 [...]: a label below zero counts for nothing (padding, ignored). The mean
 * is over the summed weights, as in PyTorch. */
typedef struct {
    size_t size;
    cj_value logits;
    cj_value labels;
    cj_value class_weights; /* [C]; none: 1 each */
    double label_smoothing; /* share of each target spread evenly over the classes */
} cj_cross_entropy_options;
CJ_API cj_value cj_cross_entropy(const cj_cross_entropy_options *options);
/* logits against targets in [0,1] of the same shape, mean over elements. */
CJ_API cj_value cj_binary_cross_entropy(cj_value logits, cj_value targets);
CJ_API cj_value cj_mean_squared_error(cj_value predictions, cj_value targets);
CJ_API cj_value cj_mean_absolute_error(cj_value predictions, cj_value targets);
/* Quadratic within delta of the target, linear beyond. Huber, 1964. */
CJ_API cj_value cj_huber(cj_value predictions, cj_value targets, double delta);
/* How many rows of logits [...,C] have their largest entry at the label [...]: f32 scalar. */
CJ_API cj_value cj_correct_count(cj_value logits, cj_value labels);

/* --- optimizers ---------------------------------------------------------------------------------------- */

typedef enum { CJ_SGD, CJ_RMSPROP, CJ_ADAGRAD, CJ_ADAM, CJ_ADAMW, CJ_LION } cj_optimizer_kind;

/* Zero means the default: beta1 0.9, beta2 0.999 (Lion 0.99), epsilon 1e-8 (Adagrad 1e-10), alpha 0.99
 * (RMSprop). The formulas are PyTorch's; Lion's are its paper's (Chen et al., 2023). */
typedef struct {
    cj_optimizer_kind kind;
    double learning_rate;
    double momentum; /* SGD, RMSprop */
    bool nesterov;
    double weight_decay; /* added to the gradient (L2); decoupled in AdamW and Lion */
    double beta1, beta2, epsilon, alpha;
    double clip_norm; /* 0: none; else the largest norm of all gradients together */
} cj_optimizer;
#define cj_sgd(...)     ((cj_optimizer){.kind = CJ_SGD, __VA_ARGS__})
#define cj_rmsprop(...) ((cj_optimizer){.kind = CJ_RMSPROP, __VA_ARGS__})
#define cj_adagrad(...) ((cj_optimizer){.kind = CJ_ADAGRAD, __VA_ARGS__})
#define cj_adam(...)    ((cj_optimizer){.kind = CJ_ADAM, __VA_ARGS__})
#define cj_adamw(...)   ((cj_optimizer){.kind = CJ_ADAMW, __VA_ARGS__})
#define cj_lion(...)    ((cj_optimizer){.kind = CJ_LION, __VA_ARGS__})

/* Draws the gradients of `loss` (a scalar) by every parameter it depends on, and their updates. A step whose
 * loss or gradients are not finite changes nothing. The learning rate is the variable
 * "optimizer.learning_rate" (f32): write to it between runs to follow a schedule. */
CJ_API void cj_minimize(cj_value loss, cj_optimizer optimizer);

#if !defined(CJ_NO_LOCATIONS) && !defined(__cplusplus)
#define cj_dense(scope, ...)                                                                                 \
    cj_here((cj_dense)(scope, CJ_OPTIONS(cj_dense_options, .input = __VA_ARGS__)), __FILE__, __LINE__)
#define cj_layer_norm(scope, ...)                                                                            \
    cj_here((cj_layer_norm)(scope, CJ_OPTIONS(cj_layer_norm_options, .input = __VA_ARGS__)), __FILE__,       \
            __LINE__)
#define cj_embedding(scope, ...)                                                                             \
    cj_here((cj_embedding)(scope, CJ_OPTIONS(cj_embedding_options, .input = __VA_ARGS__)), __FILE__, __LINE__)
/* cj_cross_entropy(logits, labels, .label_smoothing = 0.1) */
#define cj_cross_entropy(logits_, ...)                                                                       \
    cj_here(                                                                                                 \
        (cj_cross_entropy)(CJ_OPTIONS(cj_cross_entropy_options, .logits = logits_, .labels = __VA_ARGS__)),  \
        __FILE__, __LINE__)
#endif

#ifdef __cplusplus
}
#endif
#endif

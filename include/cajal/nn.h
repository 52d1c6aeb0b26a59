/* Layers, losses, optimizers: functions that draw; and learning-rate schedules. */
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
    bool no_bias;
} cj_layer_norm_options;
CJ_API cj_value cj_layer_norm(cj_scope scope, const cj_layer_norm_options *options);

/* indices: [...] → rows of the parameter "weight" [count,width]: [...,width]; zeros where an index is outside
 */
typedef struct {
    size_t size;
    cj_value input;
    int64_t count, width;
    cj_init weight_init; /* default: normal with deviation 1, as PyTorch's */
    /* The index `padding`, one of the rows, gives zeros and its row no gradient. (The row still moves by
     * weight decay, and by what another use of the table teaches it.) */
    bool has_padding;
    int64_t padding;
} cj_embedding_options;
CJ_API cj_value cj_embedding(cj_scope scope, const cj_embedding_options *options);

/* One of a list of layers. The types are those of recipes, listed in docs/recipes.md:
 *
 *     cj_layer network[] = {CJ_LAYER("dense", 64), CJ_LAYER("relu"), CJ_LAYER("dense", 10), CJ_LAYER(NULL)};
 */
typedef struct {
    const char *type; /* NULL ends the list */
    double value; /* what docs/recipes.md names for the type: units, filters, kernel of a pooling, rate, …; 0:
                     the type's usual one, where it has one */
    /* Of convolutions and pooling; zeros mean 1, but a pooling's stride is its kernel. */
    int64_t kernel, stride, dilation, groups;
    int64_t pad; /* on both sides of each axis */
    bool same;   /* as much padding as keeps the size, divided by the stride */
    bool no_bias;
    bool no_flatten;    /* of dense: along the last axis alone */
    int64_t vocabulary; /* of an embedding: rows of its table */
    /* Of an embedding of [N,T]: token 0 is what stands behind shorter sentences. It gives zeros, and the
     * layers that follow see each row up to there; those that cannot refuse. */
    bool padded;
    /* Of rnn, lstm and gru, as in sequence.h. They give their last state, or with `all` those of all steps.
     */
    int64_t layers;
    double dropout;
    bool bidirectional, stateful, all;
    /* Of attention and Transformer encoders, as in attention.h, beside `layers` and `dropout`. */
    int64_t hidden;
    bool causal, norm_first;
    /* Of power_pool, local_response_norm, squeeze_excitation and resize, as in vision.h. */
    double power, alpha, beta, k;
    bool hard, bilinear, align_corners;
} cj_layer;
/* clang-format off */
#define CJ_LAYER(...) {.type = __VA_ARGS__}
/* clang-format on */
/* Draws the layers one after another, as Keras's Sequential does: a cj_forward whose context is the list.
 * Layer i draws at the scope "i", so that its parameters are "0.weight", "0.bias", … A dense layer flattens
 * what it gets. A softmax at the end, before a cross-entropy, is no loss of accuracy: cj_logits. */
CJ_API cj_value cj_sequential(cj_scope scope, cj_value x, void *layers);

/* What a softmax over the last axis or a sigmoid was drawn on, if the value is one; else the value. Losses
 * take their operand through this, since from the logits they are exact where probabilities would be 0. */
CJ_API cj_value cj_logits(cj_value value);

/* --- losses: f32 scalars, means over what counts ------------------------------------------------------- */

/* Cross-entropy of logits [...,C], as PyTorch's cross_entropy, but for the classes, which stand along the
 * last axis. What the labels are, their type says:
 *
 * - i32, i64 or u8 [...]: classes. The mean is over the summed weights of the labels. A negative label, as
 *   of padding (PyTorch's -100), counts for nothing, neither in the sum nor in what it is divided by, and so
 *   does `ignored_label` where there is one. Where nothing counts the loss is 0 and so are its gradients: a
 *   batch of padding leaves the parameters alone (PyTorch gives NaN). A label past the last class makes the
 *   loss NaN, and so the step is refused.
 * - floating point [...,C]: distributions over the classes. The mean is over all rows, whatever they weigh;
 *   gradients flow into them too.
 *
 * Logits in bf16 are widened first. Shapes and options that do not fit are errors of the drawing. */
typedef struct {
    size_t size;
    cj_value logits;
    cj_value labels;
    cj_value class_weights; /* [C]; none: 1 each */
    double label_smoothing; /* share of each target spread evenly over the classes, in [0,1] */
    bool has_ignored_label; /* of classes only: rows labelled `ignored_label` count for nothing */
    int64_t ignored_label;  /* cj_cross_entropy(z, y, .has_ignored_label = true, .ignored_label = 255) */
} cj_cross_entropy_options;
CJ_API cj_value cj_cross_entropy(const cj_cross_entropy_options *options);
/* Of logits, not probabilities, against targets in [0,1] of the same shape: the mean over the elements. */
CJ_API cj_value cj_binary_cross_entropy(cj_value logits, cj_value targets);
/* Means over the elements; predictions and targets of the same shape, floating point. */
CJ_API cj_value cj_mean_squared_error(cj_value predictions, cj_value targets);
CJ_API cj_value cj_mean_absolute_error(cj_value predictions, cj_value targets);
/* Quadratic within delta of the target, linear beyond. Huber, 1964. */
CJ_API cj_value cj_huber(cj_value predictions, cj_value targets, double delta);
/* How many rows of logits [...,C] have their largest entry at the label [...]: f32 scalar. */
CJ_API cj_value cj_correct_count(cj_value logits, cj_value labels);

/* --- metrics of predictions that are at hand ----------------------------------------------------------- */

/* The share of rows whose label is among the k largest outputs [count,width]; ties count as larger, so that a
 * constant output scores nothing it has not earned. */
CJ_API double cj_top_k_accuracy(int64_t count, int64_t width, const float *outputs, const int32_t *labels,
                                int64_t k);
/* The area under the receiver operating characteristic: how likely a row with label 1 scores above one with
 * label 0, ties half (Mann and Whitney, 1947). NaN where either label is missing, one of the scores
 * is NaN, or there is no memory for sorting. */
CJ_API double cj_auc(int64_t count, const float *scores, const int32_t *labels);

/* What a threshold on scores makes of labels 0 and 1; shares of nothing are 0. */
typedef struct {
    double threshold; /* 1 is said above it */
    double accuracy, precision, recall, f1;
} cj_threshold;
CJ_API cj_threshold cj_at_threshold(int64_t count, const float *scores, const int32_t *labels,
                                    double threshold);
/* The threshold with the best accuracy (or F1), halfway between two scores. 0.5 where one of them is
 * NaN, or memory for sorting lacks. */
CJ_API cj_threshold cj_best_threshold(int64_t count, const float *scores, const int32_t *labels, bool by_f1);

/* 1 - squared errors / squares around the mean of the targets; and the mean of |error|. */
CJ_API double cj_r_squared(int64_t count, const float *predictions, const float *targets);
CJ_API double cj_mean_distance(int64_t count, const float *predictions, const float *targets);

/* --- optimizers ---------------------------------------------------------------------------------------- */

typedef enum { CJ_SGD, CJ_RMSPROP, CJ_ADAGRAD, CJ_ADAM, CJ_ADAMW, CJ_LION, CJ_MUON } cj_optimizer_kind;

/* How the parameters whose names fit `pattern` differ from the others: "*.bias", "decoder.*". In a pattern
 * `*` stands for any characters, dots among them. */
typedef struct {
    const char *pattern;         /* NULL: the end of the list */
    double learning_rate_factor; /* 0: 1 */
    double weight_decay;         /* 0: the optimizer's */
    bool no_weight_decay;
    const struct cj_optimizer *by; /* NULL: as the others are; else moved by the formula of this one, whose
                                    * learning rate, decay and groups are not looked at */
} cj_parameter_group;
#define CJ_MAX_PARAMETER_GROUPS 8
#define CJ_MAX_ITERATIONS       20

/* Zero means the default: beta1 0.9, beta2 0.999 (Lion 0.99), epsilon 1e-8 (Adagrad 1e-10), alpha 0.99
 * (RMSprop). The formulas are PyTorch's; Lion's are its paper's (Chen et al., 2023). Muon (Jordan et al.,
 * 2024) moves matrices along the nearest orthogonal one to their momentum, with Nesterov's look ahead and
 * decoupled weight decay, its products in f32; kernels of convolutions count as matrices, a row for each
 * filter. What is no matrix moves as by AdamW with the same learning rate. */
typedef struct cj_optimizer {
    cj_optimizer_kind kind;
    double learning_rate;
    double momentum; /* SGD, RMSprop; Muon 0.95 */
    bool nesterov;
    double weight_decay; /* added to the gradient (L2); decoupled in AdamW and Lion */
    double beta1, beta2, epsilon, alpha;
    int iterations; /* Muon: of Newton and Schulz, CJ_MAX_ITERATIONS at most; 0: 5 */
    bool keep_norm; /* Muon: before its step a matrix is scaled to the norm √rows */
    double
        ema_decay; /* 0: none; else, say 0.999, parameters are followed by averages: cj_model_swap_averages */
    double clip_norm; /* 0: none; else the largest norm of all gradients together */
    /* cj_adamw(.weight_decay = 0.1, .groups = {{"*.bias", .no_weight_decay = true}}): the learning rate, the
     * weight decay and the formula of a parameter are each those of the first group that fits and has one. A
     * pattern that fits no parameter is an error. */
    cj_parameter_group groups[CJ_MAX_PARAMETER_GROUPS];
    const char *parameters; /* pattern of those to minimise by; NULL: all */
    const char *name;       /* of its state, where a model has several optimizers: "optimizer.NAME.…" */
} cj_optimizer;
#define cj_sgd(...)     ((cj_optimizer){.kind = CJ_SGD, __VA_ARGS__})
#define cj_rmsprop(...) ((cj_optimizer){.kind = CJ_RMSPROP, __VA_ARGS__})
#define cj_adagrad(...) ((cj_optimizer){.kind = CJ_ADAGRAD, __VA_ARGS__})
#define cj_adam(...)    ((cj_optimizer){.kind = CJ_ADAM, __VA_ARGS__})
#define cj_adamw(...)   ((cj_optimizer){.kind = CJ_ADAMW, __VA_ARGS__})
#define cj_lion(...)    ((cj_optimizer){.kind = CJ_LION, __VA_ARGS__})
#define cj_muon(...)    ((cj_optimizer){.kind = CJ_MUON, __VA_ARGS__})

/* "sgd", "rmsprop", "adagrad", "adam", "adamw", "lion", "muon"; NULL beyond. */
CJ_API const char *cj_optimizer_name(cj_optimizer_kind kind);
#define CJ_OPTIMIZER_COUNT 7

/* Draws the gradients of `loss` (a scalar) by every parameter it depends on, and their updates. A step whose
 * loss or gradients are not finite changes nothing. What the model has frozen (cj_model_freeze) is left
 * alone; when a later drawing trains it, its moments and their step count begin at zero. The learning rate is
 * the variable "optimizer.learning_rate" (f32): write to it between runs to follow a schedule. Two optimizers
 * of one model need a `name` each (then it is "optimizer.NAME.learning_rate"), and in one graph different
 * parameters. */
CJ_API void cj_minimize(cj_value loss, cj_optimizer optimizer);
/* The same in parts, for batches that do not fit: one program adds up gradients of `loss_sum`, a sum over the
 * part's examples, and `weight`, how much they count together (f32 scalars both) ... */
CJ_API void cj_accumulate(cj_value loss_sum, cj_value weight, cj_optimizer optimizer);
/* ... and another, of a graph of its own drawn after the first, divides by the summed weights, updates, and
 * begins anew from zero. k parts move the parameters as their whole would. */
CJ_API void cj_update(cj_graph *graph, cj_optimizer optimizer);

/* --- learning-rate schedules --------------------------------------------------------------------------- */

/* What the learning rate does over a training, step by step; a step is one run of the training program, from
 * 0. Plateau goes by epochs instead: by what validation says. */
typedef enum {
    CJ_SCHEDULE_CONSTANT,
    CJ_SCHEDULE_STEP,        /* base · factor^⌊step / every⌋ */
    CJ_SCHEDULE_EXPONENTIAL, /* base · factor^(step / every) */
    CJ_SCHEDULE_COSINE, /* down half a cosine to `minimum`. Loshchilov and Hutter, 2017, without restarts */
    CJ_SCHEDULE_ONE_CYCLE, /* up to base, then down to almost nothing, by half cosines. Smith and Topin, 2018
                            */
    CJ_SCHEDULE_PLATEAU,   /* times `factor` when the validation loss stops falling */
    CJ_SCHEDULE_LINEAR,    /* straight down to `minimum`; with a warm-up before it a triangle */
} cj_schedule_kind;
#define CJ_SCHEDULE_COUNT 7
/* "constant", "step", "exponential", "cosine", "one_cycle", "plateau", "linear"; NULL beyond. */
CJ_API const char *cj_schedule_name(cj_schedule_kind kind);

/* All zeros: a constant rate. The formulas and defaults are those of PyTorch's lr_scheduler (StepLR,
 * ExponentialLR, CosineAnnealingLR, OneCycleLR, ReduceLROnPlateau, LinearLR, which is also the warm-up). */
typedef struct {
    cj_schedule_kind kind;
    int64_t every;  /* steps between two decays (step), or for one decay by `factor` (exponential); 0: 1 */
    double factor;  /* of a decay, between 0 and 1; 0: 0.1 */
    double minimum; /* the rate where cosine and linear end and below which plateau does not go */
    int64_t period; /* steps until cosine, linear and one-cycle end; 0: all that follow the warm-up */
    double rising;  /* one-cycle: share of its steps that go up; 0: 0.3 */
    double initial_divisor, final_divisor; /* one-cycle: base / initial is the start (0: 25), start / final
                                            * the end (0: 1e4) */
    int64_t patience; /* plateau: epochs without improvement that are let pass; 0: 10; negative: none */
    int64_t cooldown; /* plateau: epochs after a decay in which nothing is counted */
    double threshold; /* plateau: share of the best loss that counts as improvement; 0: 1e-4 */
    int64_t warm_up;  /* steps of a straight rise before all this; the schedule's own step 0 comes after */
    double warm_up_start; /* share of the rate at step 0 of the warm-up; 0: 1/3 */
} cj_schedule;
/* CJ_INVALID_ARGUMENT with a sentence when a field is outside what its comment says. */
CJ_API CJ_MUST_CHECK cj_status cj_schedule_check(const cj_schedule *schedule);

/* The rate of step `step` (from 0) among `total_steps`, those of warm-up included; after the last step it
 * stays where it ended. Depends on nothing else, so a resumed training goes on by calling it. */
CJ_API double cj_schedule_rate(const cj_schedule *schedule, double base_rate, int64_t step,
                               int64_t total_steps);

/* What plateau remembers: start with all zeros, save it with a checkpoint. */
typedef struct {
    double best;        /* validation loss so far */
    int64_t epochs;     /* updates so far */
    int64_t bad_epochs; /* since the best, the last decay or the end of its cooldown */
    int64_t cooling;    /* epochs of cooldown left */
    int64_t decays;     /* so far */
} cj_plateau;
/* To be called after each epoch's validation; other kinds than plateau are left alone. A loss that is NaN is
 * no improvement. */
CJ_API void cj_plateau_update(const cj_schedule *schedule, cj_plateau *plateau, double validation_loss);
/* What the decays so far make of the base rate; for every kind of schedule the whole rate is
 * cj_schedule_rate(s, cj_plateau_rate(s, p, base), step, total_steps). */
CJ_API double cj_plateau_rate(const cj_schedule *schedule, const cj_plateau *plateau, double base_rate);

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

/* Models: the owner of all state. Parameters, moments, running statistics and counters are variables; a
 * drawing asks for them by name, the first drawing creates them, later ones find them. Initial values are a
 * function of (seed, name) alone. */
#ifndef CAJAL_MODEL_H
#define CAJAL_MODEL_H

#include "cajal/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    size_t size;
    cj_model **model;
    uint64_t seed;
    bool no_values; /* parameters have shapes and no values yet: to draw and count by, not to be run */
} cj_model_options;
/* cj_model_new(&model, .seed = 1) */
CJ_API CJ_MUST_CHECK cj_status cj_model_new(const cj_model_options *options);
/* Programs and graphs of the model must be gone. */
CJ_API void cj_model_free(cj_model *model);

typedef enum {
    CJ_INIT_DEFAULT, /* Glorot uniform for weights, zeros for biases */
    CJ_INIT_ZEROS,
    CJ_INIT_ONES,
    CJ_INIT_CONSTANT,       /* scale */
    CJ_INIT_UNIFORM,        /* [-scale, scale) */
    CJ_INIT_NORMAL,         /* deviation: scale */
    CJ_INIT_TRUNCATED,      /* normal of deviation scale, within two deviations */
    CJ_INIT_GLOROT_UNIFORM, /* Glorot and Bengio, 2010 */
    CJ_INIT_GLOROT_NORMAL,
    CJ_INIT_HE_UNIFORM, /* He et al., 2015 */
    CJ_INIT_HE_NORMAL,
    CJ_INIT_LECUN_UNIFORM, /* LeCun et al., 1998 */
    CJ_INIT_LECUN_NORMAL,
    CJ_INIT_ORTHOGONAL,    /* Saxe et al., 2014; gain: scale, 0 is 1 */
    CJ_INIT_HE_OUT_NORMAL, /* He et al.'s with what goes out instead of what comes in */
    CJ_INIT_DIRAC, /* of a convolution: filter i passes channel i on, as far as there are channels; the other
                    * filters are uniform in [-scale, scale) */
} cj_init_kind;
typedef struct {
    cj_init_kind kind;
    double scale;
} cj_init;

typedef enum {
    CJ_PARAMETER,       /* learned */
    CJ_STATISTIC,       /* followed during training */
    CJ_OPTIMIZER_STATE, /* moments, step counters */
    CJ_AVERAGE,         /* moving average of a parameter: "ema." and its name */
    CJ_COUNTER,         /* the run counter that random draws are keyed by */
    CJ_CARRIED,         /* what one run leaves to the next: keys and values, a recurrent state */
} cj_role;

/* The parameter `name` at `scope` ("hidden1" + "weight" → "hidden1.weight"), f32. Asking again with another
 * shape is an error. Weights are [out, in, …]: the fans of the initialisers are read from that. */
CJ_API cj_value cj_parameter(cj_scope scope, const char *name, cj_shape_t shape, cj_init init);
/* The weight of a convolution, [kernel…,in,out] in memory, [out,in,kernel…] in files. */
CJ_API cj_value cj_kernel_parameter(cj_scope scope, const char *name, cj_shape_t shape, cj_init init);
/* Other state, filled with `value` when it is made. */
CJ_API cj_value cj_state(cj_scope scope, const char *name, cj_role role, cj_dtype dtype, cj_shape_t shape,
                         double value);
/* The variable behind `variable` takes `value` when the run ends; reads during the run see the old one. */
CJ_API void cj_assign(cj_value variable, cj_value value);

typedef struct {
    const char *name;
    cj_role role;
    /* The model's own memory: writing to it between runs sets the variable. Programs keep what they make of
     * weights until they are asked for again: before each time of writing. Single numbers, as learning rates
     * are, may be written at any time between runs. */
    cj_tensor tensor;
    bool drawn; /* a graph has asked for it: not so of what a file has and the network does not use */
} cj_variable_info;
CJ_API int64_t cj_model_count(const cj_model *model);
CJ_API cj_variable_info cj_model_variable(const cj_model *model, int64_t index); /* in order of creation */
/* NULL data when there is none of that name. As for writing, see above. */
CJ_API cj_tensor cj_model_find(const cj_model *model, const char *name);

/* --- freezing ------------------------------------------------------------------------------------------ */

/* From the next drawing on, what fits the patterns is left alone by training: cj_minimize and its kin draw no
 * gradient of it, and so none of what lies before it alone. In a pattern `*` stands for any characters; one
 * that begins with `!` takes back what an earlier one froze, and the last that fits decides:
 * {"*", "!head.*"}. The list replaces any earlier one; count 0: nothing is frozen. It may name weights that
 * are yet to be made. Programs that were compiled before stay as they are. */
CJ_API CJ_MUST_CHECK cj_status cj_model_freeze(cj_model *model, const char *const *patterns, int64_t count);
/* Whether what is, or would be, named `name` at `scope` is frozen: for a layer to ask while it draws. One
 * that behaves differently in training asks it of its statistics, cj_is_frozen(scope, "running_mean"), and if
 * they are draws itself as for inference, whatever the graph's mode: a frozen part does what it did when it
 * was trained. */
CJ_API bool cj_is_frozen(cj_scope scope, const char *name);

/* Exchanges each parameter that has a moving average with it, for evaluation or saving; a second call puts
 * both back, bit for bit. Not while a program runs. */
CJ_API void cj_model_swap_averages(cj_model *model);

/* What a drawing costs: parameters of its model, those that are frozen among them, and multiplications with
 * an addition (two floating-point operations each) in the convolutions and matrix products of its layers. */
typedef struct {
    int64_t parameters, frozen;
    double multiply_adds;
} cj_graph_facts;
CJ_API cj_graph_facts cj_graph_describe(const cj_graph *graph);
/* The same as a table: layer (type), output shape, parameters, multiply-adds, and totals, of what is
 * frozen too. Free with cj_text_free. */
CJ_API CJ_MUST_CHECK cj_status cj_graph_summary(const cj_graph *graph, char **text);

#if !defined(CJ_NO_LOCATIONS) && !defined(__cplusplus)
#define cj_model_new(...)        (cj_model_new)(CJ_OPTIONS(cj_model_options, .model = __VA_ARGS__))
#define cj_parameter(...)        cj_here((cj_parameter)(__VA_ARGS__), __FILE__, __LINE__)
#define cj_kernel_parameter(...) cj_here((cj_kernel_parameter)(__VA_ARGS__), __FILE__, __LINE__)
#define cj_state(...)            cj_here((cj_state)(__VA_ARGS__), __FILE__, __LINE__)
#endif

#ifdef __cplusplus
}
#endif
#endif

/* Drawing: a model is a C function that draws a graph of values.
 *
 * A `cj_value` is a small handle passed by value; it carries its graph, so operations need no graph
 * argument and own nothing. A drawing function never fails on the spot: given shapes that do not fit it
 * returns a poisoned value, the graph remembers the first error (operation, scope, shapes, the caller's
 * file and line, a hint), and `cj_graph_status` or `cj_compile` returns it. Model code stays free of checks.
 */
#ifndef CAJAL_GRAPH_H
#define CAJAL_GRAPH_H

#include "cajal/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cj_model cj_model;     /* owns parameters and all other state: model.h */
typedef struct cj_graph cj_graph;     /* a drawing, for one mode and one set of shapes */
typedef struct cj_kernels cj_kernels; /* measured choices: kernels.h */

typedef struct {
    cj_graph *graph;
    int32_t id; /* negative: poisoned by an earlier error */
} cj_value;

/* Where a layer draws: the path that names its parameters ("encoder.0.attention"). */
typedef struct {
    cj_graph *graph;
    const char *path; /* lives as long as the graph; "" at the root */
} cj_scope;

typedef enum {
    CJ_INFERENCE, /* dropout is off, statistics are read */
    CJ_TRAINING,
} cj_mode;

/* How exact products of f32 matrices are, named as in PyTorch; convolutions, what recurrences and attention
 * multiply, and the gradients of all these are among them. Sums are always f32, and so is all that is no
 * product: gates, exponentials, what is kept from step to step. The gain depends on the processor; where it
 * would be none, a product is made at a higher precision than asked for. What is chosen depends on shape and
 * instruction set alone; `cj_program_text` shows it. */
typedef enum {
    CJ_HIGHEST, /* never less accurate than f32; convolutions: see no_winograd below */
    CJ_HIGH,    /* operands to 16 bits of mantissa: relative error about 1e-5 */
    CJ_MEDIUM,  /* operands rounded to bf16: relative error about 3e-3 */
} cj_precision;

typedef struct {
    size_t size;
    cj_model *model; /* may be NULL for a graph without parameters */
    cj_mode mode;
    cj_precision precision;
    /* Convolutions 3x3 of stride 1 sum what their definition sums. Otherwise those with enough channels and
     * pixels are made by Winograd's transforms, with a relative error of 1e-6 rather than 4e-7 (the root of
     * mean squares, 64 to 256 channels), in half the time. The environment variable CAJAL_WINOGRAD=0 forbids
     * them everywhere. */
    bool no_winograd;
    /* Where variables of the role CJ_CARRIED live; NULL: in the model. With a session of its own, another
     * model, each reader of a text goes on from its own past with the same weights. It must outlive the graph
     * and its programs, as the model must. */
    cj_model *session;
    const cj_kernels *kernels; /* measured choices, for the compiler; NULL: the rules decide */
    /* How many bytes a run of the program may take besides the model's variables, as cj_program_facts has
     * them (run_bytes); 0: as many as it needs. To stay within it, the compiler has values of the forward
     * pass computed again for gradients rather than kept: first those that cost least a byte, then whole
     * stretches of the pass. Bits are the same, but at CJ_MEDIUM, where what is kept for a gradient may be
     * rounded to bf16 and what is computed again is not: there they agree as closely as bf16 tells numbers
     * apart. If it cannot, cj_compile says what the least is. */
    size_t memory;
} cj_graph_options;

/* cj_graph_new(&graph, model, .mode = CJ_TRAINING). The model must outlive the graph. */
CJ_API CJ_MUST_CHECK cj_status cj_graph_new(cj_graph **graph, const cj_graph_options *options);
CJ_API void cj_graph_free(cj_graph *graph);
CJ_API cj_mode cj_graph_mode(const cj_graph *graph);
/* The first drawing error, if any; the sentence is then in `cj_error_message`. */
CJ_API CJ_MUST_CHECK cj_status cj_graph_status(const cj_graph *graph);

CJ_API cj_scope cj_root(cj_graph *graph);
/* The scope `name` below `scope`; `name` is a printf format: cj_at(s, "block%d", i). */
CJ_API cj_scope cj_at(cj_scope scope, const char *name, ...) __attribute__((format(printf, 2, 3)));

/* A tensor the caller gives to each run, bound in the order of the calls. */
CJ_API cj_value cj_input(cj_graph *graph, const char *name, cj_dtype dtype, cj_shape_t shape);
/* A value the caller gets back from each run, bound in the order of the calls. */
CJ_API void cj_output(cj_graph *graph, const char *name, cj_value value);

/* A scalar, or an array copied into the graph. */
CJ_API cj_value cj_constant(cj_graph *graph, cj_dtype dtype, double value);
CJ_API cj_value cj_constant_tensor(cj_graph *graph, const cj_tensor *tensor);

CJ_API cj_shape_t cj_value_shape(cj_value value); /* rank 0 for a poisoned value */
CJ_API cj_dtype cj_value_dtype(cj_value value);
CJ_API bool cj_value_ok(cj_value value);
/* Names the value in dumps. */
CJ_API cj_value cj_named(cj_value value, const char *name);

/* Lists `output` as what the layer at `scope` gives, for summaries: "hidden1 (dense)". Layers here do it
 * themselves; a block of your own may. `type` must outlive the graph. Returns the output. */
CJ_API cj_value cj_note_layer(cj_scope scope, const char *type, cj_value output);
/* The layers noted so far, in the order of drawing, from index 0 on; false beyond the last. A layer that is
 * drawn twice is listed twice. The output is a value like any other: to be given out, or differentiated by.
 */
typedef struct {
    const char *path, *type; /* "layer1.0.conv1", "conv2d"; they live as long as the graph */
    cj_value output;
} cj_drawn_layer;
CJ_API bool cj_graph_layer_at(cj_graph *graph, int64_t index, cj_drawn_layer *layer);

/* Gives the nodes drawn since the last call, and an error found since, the caller's file and line.
 * The macros around drawing functions call it; `(cj_relu)(x)` is the plain function. */
CJ_API cj_value cj_here(cj_value value, const char *file, int line);

typedef enum {
    CJ_DUMP_TEXT,    /* one node a line */
    CJ_DUMP_MERMAID, /* a flowchart for Markdown */
    CJ_DUMP_DOT,     /* Graphviz */
} cj_dump_format;
/* The drawing as text, to be freed with `cj_text_free`. */
CJ_API CJ_MUST_CHECK cj_status cj_graph_dump(const cj_graph *graph, cj_dump_format format, char **text);
CJ_API void cj_text_free(char *text);

#if !defined(CJ_NO_LOCATIONS) && !defined(__cplusplus)
#define cj_graph_new(graph, ...) (cj_graph_new)(graph, CJ_OPTIONS(cj_graph_options, .model = __VA_ARGS__))
#define cj_input(graph, name, dtype, ...)                                                                    \
    cj_here((cj_input)(graph, name, dtype, __VA_ARGS__), __FILE__, __LINE__)
#define cj_constant(graph, dtype, value) cj_here((cj_constant)(graph, dtype, value), __FILE__, __LINE__)
#endif

#ifdef __cplusplus
}
#endif
#endif

/* The drawing inside: nodes and values in one arena, in the order in which they were drawn. Every pass of the
 * compiler reads one such graph and writes another. */
#ifndef CJ__GRAPH_H
#define CJ__GRAPH_H

#include "base/memory.h"
#include "base/shape.h"
#include "cajal/graph.h"
#include "graph/op.h"

typedef struct {
    cj__op op;
    int32_t inputs_count, outputs_count,
        first_output;       /* outputs are values first_output, first_output+1, … */
    const int32_t *inputs;  /* value ids */
    const void *attributes; /* of the op's attribute type */
    const char *scope;      /* path where it was drawn */
    const char *file;       /* the caller's; NULL when drawn by the library */
    int line;
    bool backward;   /* drawn by a gradient */
    int64_t repeats; /* drawn for the body of a loop, which has a copy: how often that is run; else 0 */
} cj__node;

typedef struct {
    cj_dtype dtype;
    cj_shape_t shape;
    int32_t node, output; /* who makes it, and which of its outputs it is */
    int32_t replaced_by;  /* -1, or the value that stands for it (a composite expanded by grad) */
    const char *name;     /* NULL, or for dumps */
} cj__value;

typedef struct {
    const char *name;
    int32_t value;
} cj__binding;

/* A layer as a summary lists it. */
typedef struct {
    const char *path, *type;
    int32_t output;
} cj__layer_note;

/* [N,T,S]: how each of T places weighs S others. */
#define CJ__ATTENTION_WEIGHTS "attention_weights"

struct cj_graph {
    cj_model *model;
    cj_model *session; /* of carried variables; never NULL where there is a model */
    cj_mode mode;
    cj_precision precision;
    bool no_winograd;
    bool apart; /* to be explained: no layer may look past what another gave, since gradients by that are
                   wanted, and attention that is no op is noted, as a layer of the type below */
    const cj_kernels *kernels;
    size_t memory; /* what a run may take; 0: anything */
    cj__arena arena;
    cj__node *nodes;
    cj__value *values;
    cj__binding *inputs, *outputs;
    cj__layer_note *layers;
    int64_t layer_count, layer_capacity;
    int64_t node_count, value_count, input_count, output_count;
    int64_t node_capacity, value_capacity, input_capacity, output_capacity;
    int32_t guard;     /* -1, or the bool scalar that must be true for assignments to be committed */
    int64_t located;   /* nodes before this one have their file and line */
    const char *scope; /* path given to nodes being drawn */
    cj_status status;
    char *error; /* the first error's sentence; NULL when even that could not be allocated */
    bool error_located;
    cj_graph *bodies, *next_body; /* of the scans drawn here: freed with this graph */
};

static inline const cj__op_info *cj__info(const cj__node *node)
{
    return &cj__ops[node->op];
}

/* An empty graph with the options of another, but without its limit of memory, which is for the whole. */
CJ_MUST_CHECK cj_status cj__graph_like(cj_graph **graph, const cj_graph *from);
/* Inputs of `to` like those of `from`, in their order, whether live or not, so that binding by position
 * holds; map: value of `from` → value of `to`. */
CJ_MUST_CHECK cj_status cj__copy_inputs(cj_graph *to, const cj_graph *from, int32_t *map);
/* Outputs and the guard, each the value that value_of gives for it; -1 ends it, and the status is the
 * caller's to know. */
CJ_MUST_CHECK cj_status cj__copy_outputs(cj_graph *to, const cj_graph *from,
                                         int32_t (*value_of)(void *context, int32_t value), void *context);
/* *to = graph if all went well; else it is freed, and *to NULL. Returns the status. */
CJ_MUST_CHECK cj_status cj__hand_over(cj_status status, cj_graph *graph, cj_graph **to);
/* Follows replacements to the value that stands for `id`. */
int32_t cj__resolve(const cj_graph *graph, int32_t id);
cj_value cj__make_value(cj_graph *graph, int32_t id);
cj_value cj__poison(cj_graph *graph);
static inline cj_value cj__none(void)
{
    cj_value none = {NULL, 0};
    return none;
}
const cj__value *cj__value_of(cj_value value); /* the value must be ok */
const cj__node *cj__node_of(cj_value value);

/* Draws one node of `op` on `inputs` (attributes are copied; NULL: all zero) and returns its first output.
 * Shapes and types are inferred; the others of several outputs are `cj__output_of(first, i)`. */
cj_value cj__draw(cj_graph *graph, cj__op op, const void *attributes, int count, const cj_value *inputs);
cj_value cj__output_of(cj_value first, int output);
#define cj__draw1(op, attributes, a)    cj__draw((a).graph, op, attributes, 1, (cj_value[]){a})
#define cj__draw2(op, attributes, a, b) cj__draw((a).graph, op, attributes, 2, (cj_value[]){a, b})

/* Nodes drawn from now on carry `path`. Returns the path so far, to be entered again afterwards. */
static inline const char *cj__enter(cj_graph *graph, const char *path)
{
    const char *outer = graph->scope;
    graph->scope = path;
    return outer;
}

/* Nodes from `first` on get the file and line of what they were drawn for. */
static inline void cj__locate(cj_graph *graph, int64_t first, const char *file, int line)
{
    for (int64_t i = first; i < graph->node_count; i++) {
        graph->nodes[i].file = file;
        graph->nodes[i].line = line;
    }
    graph->located = graph->node_count;
}

/* Remembers the graph's first error: "op at scope: …". Returns a poisoned value. */
cj_value cj__graph_error(cj_graph *graph, cj_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Appends a node as it is (used by passes, which copy nodes whose shapes are known): outputs get the given
 * types. Returns the node's first value id, or -1 when out of memory (then graph->status is set). */
int32_t cj__append(cj_graph *graph, const cj__node *like, const int32_t *inputs, const cj__value *outputs);

/* The graph frees `body` with itself; it takes over all that another graph would free. */
void cj__own_body(cj_graph *graph, cj_graph *body);
void cj__adopt_bodies(cj_graph *graph, cj_graph *from);

/* What a constant tensor's data take. */
size_t cj__literal_bytes(const cj__literal_attributes *attributes);

/* Checks what must always hold: inputs exist and come before their node (unless replaced), counts fit the op
 * table, and re-inferred shapes equal the recorded ones. */
CJ_MUST_CHECK cj_status cj__verify(const cj_graph *graph, const char *after);

/* 64-bit FNV-1a of a text: keys random draws and initial values by name, the same on every machine. */
uint64_t cj__hash_text(const char *text);

#endif

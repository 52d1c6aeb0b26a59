/* The compiled form: steps over buffers, each with its place. Made by plan.c, run by run/. */
#ifndef CJ__PROGRAM_H
#define CJ__PROGRAM_H

#include "cajal/program.h"
#include "compile/backend.h"
#include "graph/graph.h"

typedef enum {
    CJ__SLAB,
    CJ__INPUT,
    CJ__CONSTANT,
    CJ__VARIABLE,
    CJ__KEPT, /* from run to run, beside the slab: what is made of variables that nothing assigns */
} cj__storage;

/* Where a value lies. Views share their source's buffer. */
typedef struct {
    cj__storage storage;
    cj__type type;
    size_t offset; /* in the slab, or in what is kept */
    int64_t index; /* of the input */
    const void *constant;
    cj__variable *variable;
    bool lasting;     /* a variable, not of one number, that the program never assigns */
    uint64_t version; /* CJ__KEPT: of what it is made of */
} cj__buffer;

typedef struct {
    const cj__kernel *kernel;
    cj__launch launch;
    int32_t *operands; /* buffers: inputs, then outputs, then a workspace where a step before makes one */
    int operands_count;
    bool measured;            /* the kernel is a measured choice, not the rules' */
    bool before;              /* makes the workspace of the step that was after it when it was planned */
    bool kept;                /* its results are kept: it runs only when they are out of date */
    uint64_t kept_version;    /* of what it was made of; 0: not made yet */
    double operations;        /* cj__operations; of a step before: 0 */
    struct cj__loop *loop;    /* NULL but for scans: what runs in place of the kernel */
    bool guarded;             /* writes variables in place: runs only when the guard is true */
    const char *scope, *file; /* where it was drawn; file NULL: not known */
    int line;
    int64_t first_task;    /* among those of its group */
    int64_t first_operand; /* among those of all steps */
    const char *refusals;  /* why the kernels before this one could not, for `cajal plan` */
} cj__step;

/* The operands that a step reads: its inputs, and the workspace. */
static inline int cj__reads_count(const cj__step *step)
{
    return step->operands_count - step->launch.outputs_count;
}
static inline int32_t cj__read(const cj__step *step, int i)
{
    return step->operands[i < step->launch.inputs_count ? i : i + step->launch.outputs_count];
}

static inline int32_t cj__output(const cj__step *step, int i)
{
    return step->operands[step->launch.inputs_count + i];
}

/* Steps that need nothing of each other. */
typedef struct {
    int32_t first, count; /* steps */
    int64_t tasks;        /* of all of them */
    bool shared;          /* worth more than one thread */
} cj__group;

typedef struct {
    int32_t buffer;
    cj__variable *variable;
    bool in_place; /* the buffer is the variable's own memory already */
} cj__commit;

struct cj_program {
    cj__arena arena;
    cj__step *steps;   /* group by group */
    cj__group *groups; /* one after the other */
    cj__buffer *buffers;
    cj__commit *commits;
    int32_t *inputs, *outputs; /* buffers */
    cj__type *output_types;    /* their own: a view has another shape than its buffer */
    int64_t step_count, group_count, buffer_count, commit_count, input_count, output_count;
    int32_t guard; /* -1, or a buffer */
    size_t slab_bytes, scratch_bytes, kept_bytes;
    int64_t kept_count;  /* steps whose results are kept: the first ones */
    int64_t kept_groups; /* they have groups of their own */
    double operations;
    size_t memory;    /* what a run was allowed to take; 0: anything */
    int64_t repeated; /* nodes that are computed again for gradients, to stay within it */
    cj_graph *plain;  /* of a guarded program: the graph before fusion, to find what went wrong; else NULL */
    /* the rest is run/'s */
    char *slab, *kept;
    bool within;   /* the slab is another's: the program's around the body of a loop, or a cache's */
    char *scratch; /* one part a thread */
    int scratch_threads;
    void **addresses; /* by buffer */
    void **operand_addresses;
};

/* All passes and the plan. */
CJ_MUST_CHECK cj_status cj__compile(const cj_graph *graph, const cj__backend *backend, cj_program **program);
/* The same within graph->memory, where that is not 0. run_bytes: what a run of a program takes. */
CJ_MUST_CHECK cj_status cj__compile_within(const cj_graph *graph, const cj__backend *backend,
                                           size_t (*run_bytes)(const cj_program *), cj_program **program);
/* The part of it from the simplified graph on. */
CJ_MUST_CHECK cj_status cj__within(const cj_graph *graph, const cj__backend *backend, size_t limit,
                                   size_t (*run_bytes)(const cj_program *), cj_program **program);
/* Narrows a fused graph, picks kernels, orders steps and lays out memory. `apart`: one step after the other,
 * and nothing is narrowed. */
CJ_MUST_CHECK cj_status cj__plan(cj_graph *graph, const cj__backend *backend, bool apart,
                                 cj_program **program);
/* Additions and multiplications of a product; of anything else 0. */
double cj__operations(const cj__launch *launch);

/* A program of the graph without fusion, in which every value has a place of its own for a while. */
CJ_MUST_CHECK cj_status cj__compile_plain(const cj_graph *graph, const cj__backend *backend,
                                          cj_program **program);

#endif

/* Programs: a compiled drawing. A program is a flat list of kernels over one slab of memory, sized before the
 * first run; running it allocates nothing. It belongs to one thread at a time. */
#ifndef CAJAL_PROGRAM_H
#define CAJAL_PROGRAM_H

#include "cajal/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cj_program cj_program;

/* Compiles what the graph's outputs and assignments need. The first drawing error, if any, comes out here.
 * The graph may be freed afterwards; the model must outlive the program. */
CJ_API CJ_MUST_CHECK cj_status cj_compile(cj_program **program, const cj_graph *graph);
CJ_API void cj_program_free(cj_program *program);

/* The graph as it is after a pass of the compiler, as text to be freed with cj_text_free: "draw" (as drawn,
 * with gradients and updates), "simplify" (composites lowered, equal nodes shared, constants folded), "fuse"
 * (chains). Another name is an error that lists them. */
CJ_API CJ_MUST_CHECK cj_status cj_graph_dump_after(const cj_graph *graph, const char *pass,
                                                   cj_dump_format format, char **text);

#define CJ_MAX_BINDINGS 16
typedef struct {
    size_t size;
    cj_program *program;
    cj_tensor inputs[CJ_MAX_BINDINGS]; /* in the order of the cj_input calls; borrowed for the run */
    void *outputs[CJ_MAX_BINDINGS];    /* where to copy each cj_output; NULL: not wanted */
} cj_run_options;
/* cj_program_run(program, .inputs = {x, y}, .outputs = {&loss}). Input types must be those that were drawn.
 * Returns CJ_NOT_FINITE, with every variable as it was, when the finite check of a training step fails. */
CJ_API CJ_MUST_CHECK cj_status cj_program_run(const cj_run_options *options);

typedef struct {
    int64_t steps;        /* kernels a run launches */
    size_t slab_bytes;    /* intermediate values, laid out once */
    size_t scratch_bytes; /* working memory of kernels, all threads together */
    size_t run_bytes;     /* all that the first run takes, and no later one: the planned peak */
    double operations;    /* floating-point operations of matrix products a run */
} cj_program_facts;
CJ_API cj_program_facts cj_program_describe(const cj_program *program);
/* A line a step: kernel, shapes, where the result lies; to be freed with cj_text_free. */
CJ_API CJ_MUST_CHECK cj_status cj_program_text(const cj_program *program, char **text);

/* Threads that walk programs together, the caller included; 0: CAJAL_THREADS, or one a core. Results have the
 * same bits for any number. Not while a program runs. */
CJ_API CJ_MUST_CHECK cj_status cj_set_threads(int threads);
CJ_API int cj_threads(void);

#if !defined(CJ_NO_LOCATIONS) && !defined(__cplusplus)
#define cj_program_run(...) (cj_program_run)(CJ_OPTIONS(cj_run_options, .program = __VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif
#endif

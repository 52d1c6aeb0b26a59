/* Measured kernels: which of those that can make a step does, where a measurement has told rather than the
 * rules of shape that are built in.
 *
 *     cj_kernels_new(&kernels);
 *     cj_kernels_measure(kernels, graph, .seconds = 0.05);      adds the steps of the graph's program
 *     cj_kernels_save(kernels, "kernels.json");
 *     …
 *     cj_kernels_load(&kernels, "kernels.json");
 *     cj_graph_new(&graph, model, .kernels = kernels);          and the same option of cj_fit, cj_evaluate
 *
 * Another kernel is another order of sums: the results agree to rounding, but not bit by bit, with those that
 * the rules give, or another measurement. One choice gives the same bits each time and for any number of
 * threads; how many measured it is told, but what was chosen holds for every number. So a run keeps its
 * choice, and measuring again is beginning another run. */
#ifndef CAJAL_KERNELS_H
#define CAJAL_KERNELS_H

#include "cajal/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* None yet, for the instruction set and the threads of now. It must outlive the graphs that use it. */
CJ_API CJ_MUST_CHECK cj_status cj_kernels_new(cj_kernels **kernels);
CJ_API void cj_kernels_free(cj_kernels *kernels);

typedef struct {
    size_t size;
    cj_kernels *kernels;
    const cj_graph *graph;
    double seconds; /* for each kernel of each step; 0: 0.05 */
} cj_kernels_measure_options;
/* cj_kernels_measure(kernels, graph, .seconds = 0.1). Times, on random numbers and with the threads there
 * are, all kernels that can make a step of the graph's program, step by step, those that are known already
 * left out. What the rules would take stays unless another is faster by more than a thirtieth and a
 * microsecond. Takes at a time the memory of one step's operands besides. */
CJ_API CJ_MUST_CHECK cj_status cj_kernels_measure(const cj_kernels_measure_options *options);

/* As JSON, into a file that is replaced whole or not at all, its folder made where missing. It may be
 * edited: a step, the kernel that makes it, and what was measured. A kernel that is not there, or
 * cannot make the step, leaves that to the rules. */
CJ_API CJ_MUST_CHECK cj_status cj_kernels_save(const cj_kernels *kernels, const char *path);
CJ_API CJ_MUST_CHECK cj_status cj_kernels_load(cj_kernels **kernels, const char *path);

typedef struct {
    const char *instruction_set; /* that it was measured on; the rules decide on any other */
    int threads;                 /* that measured */
    int64_t steps;               /* that several kernels can make, equal ones once */
} cj_kernels_facts;
CJ_API cj_kernels_facts cj_kernels_describe(const cj_kernels *kernels);
/* A paragraph a step, a line a kernel with its time, the one chosen marked; to be freed with cj_text_free. */
CJ_API CJ_MUST_CHECK cj_status cj_kernels_text(const cj_kernels *kernels, char **text);

#if !defined(CJ_NO_LOCATIONS) && !defined(__cplusplus)
#define cj_kernels_measure(kernels_, ...)                                                                    \
    (cj_kernels_measure)(CJ_OPTIONS(cj_kernels_measure_options, .kernels = (kernels_), .graph = __VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif
#endif

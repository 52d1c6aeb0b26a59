/* What the compiler knows of a backend: for each op an ordered list of kernels. The first that does not
 * refuse is used; the reference is last and never refuses.
 *
 * A kernel may have a stage before it, which makes something of some inputs in a workspace: transformed
 * weights, partial sums. It is a step of its own in front of the kernel's, planned like any other. Where it
 * reads nothing but variables that the program never assigns, its workspace is kept from run to run, and made
 * anew only when a version of them has changed. */
#ifndef CJ__BACKEND_H
#define CJ__BACKEND_H

#include "base/memory.h"
#include "cajal/graph.h"
#include "graph/op.h"

/* What a step knows when it runs: fixed at compile time. */
typedef struct {
    cj__op op;
    const void *attributes;
    int inputs_count, outputs_count;
    const cj__type *types; /* inputs, then outputs */
    cj_precision precision;
    bool no_winograd;
    const void *own; /* the backend's */
    /* Inputs (bit i: input i) that are variables which the program never assigns, as weights are in
     * inference: what a stage before makes of them is kept. */
    uint64_t lasting;
    int64_t tasks;        /* independent parts, in any order, on any threads; set by prepare */
    size_t scratch_bytes; /* for each thread; set by prepare */
    /* What the stage before hands over; set by prepare, 0: nothing, and the stage does not run. */
    size_t workspace_bytes;
    const void *data; /* the kernel's own, in the program's arena; set by prepare */
} cj__launch;

typedef struct cj__kernel {
    const char *name;
    int op; /* a cj__op; -1: any */
    /* NULL: this kernel can; otherwise why it cannot, as a phrase; "": it is for other ops. */
    const char *(*refuse)(const cj__launch *launch);
    /* The same without rules of where it pays, for measuring; NULL: refuse has none of these. */
    const char *(*cannot)(const cj__launch *launch);
    cj_status (*prepare)(cj__launch *launch, cj__arena *arena);
    /* operands: memory of inputs, then of outputs, then the workspace if there is one */
    void (*run)(const cj__launch *launch, void *const *operands, int64_t task, void *scratch);
    /* What prepare made of it, for `cajal plan`: "avx2 6x16"; NULL: the name says it all. */
    const char *(*describe)(const cj__launch *launch);
    /* Whether an output may lie where an input of the same bytes does that nobody needs any more: each
     * element is read before it is written, and by the same task. NULL: none may. */
    bool (*lies_on)(const cj__launch *launch, int output, int input);
    /* Inputs (bit i: input i) that may be bf16 where the op has f32, since the kernel rounds them to that
     * anyway. NULL: none may. */
    uint64_t (*reads_bf16)(const cj__launch *launch);
    /* Outputs (bit i: output i) that it can store as bf16 where the op has f32. NULL: none, but a chain any.
     */
    uint64_t (*writes_bf16)(const cj__launch *launch);
    /* Of a product with a chain: bytes of room for the part of its result that the chain takes at a time,
     * where none of the chain's outputs need be f32 to make the product in; 0, or NULL: one must be. */
    size_t (*part_bytes)(const cj__launch *launch);
    /* The stage before, or NULL. Its launch is the kernel's, with `data` as the kernel's prepare left it, but
     * its inputs are those of `before_reads` (bit i: input i) and its one output is the workspace. */
    const struct cj__kernel *before;
    uint64_t before_reads;
} cj__kernel;

typedef struct {
    const char *name;
    const cj__kernel *const *kernels; /* in order of preference; NULL ends */
    const struct cj_kernels *choices; /* which of them was measured to be the fastest: choices.h; or NULL */
    const void *own; /* what its kernels find in each launch; the compiler hands it on unseen */
} cj__backend;

#endif

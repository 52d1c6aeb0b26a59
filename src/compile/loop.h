/* A scan in a program: its body's own program, run once for each step. See loop.c. */
#ifndef CJ__LOOP_H
#define CJ__LOOP_H

#include "compile/program.h"

typedef struct cj__loop {
    cj_program *body;
    cj__scan_attributes scan; /* its `body` graph is not kept */
    bool saves;               /* the last outputs are the carries as each step found them */
    int32_t workspace;        /* buffer: the body's slab, this step's slices, carries on their way */
    size_t *slices;           /* by sequence: place in the workspace */
    size_t *waiting;          /* by carry: place in the workspace, or CJ__NOWHERE */
    size_t workspace_bytes;
} cj__loop;
#define CJ__NOWHERE SIZE_MAX

extern const cj__kernel cj__loop_kernel;

/* Compiles the body of a scan's node. */
CJ_MUST_CHECK cj_status cj__loop_make(const cj_graph *graph, const cj__node *node, const cj__backend *backend,
                                      cj__arena *arena, cj__loop **loop);

#endif

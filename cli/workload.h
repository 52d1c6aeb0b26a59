/* What is timed: networks by name, a step of training or inference on a random batch, and products of
 * matrices. It is used by `cajal bench` and, with PyTorch beside it, by bench/. */
#ifndef CAJAL_WORKLOAD_H
#define CAJAL_WORKLOAD_H

#include "clock.h"

#include <cajal/cajal.h>

/* --- networks: names of parameters as PyTorch's, so that one file serves both ------------------------------
 */

typedef struct {
    const char *name;
    cj_value (*forward)(cj_scope s, cj_value x);
    int64_t batch; /* in training */
    int64_t example[3],
        rank;        /* shape of an example: normal numbers [features] or [H,W,C], or characters [T] */
    int64_t classes; /* labels are drawn from 0 … classes-1 */
    cj_optimizer optimizer;
    bool characters; /* examples are of them, i32 below `classes`, and each has a label */
    bool large;      /* gigabytes and seconds a step: timed by its name alone */
} workload;
extern const workload workloads[];
extern const int workload_count;
const workload *find_workload(const char *name); /* NULL: there is none */

/* One of them, drawn: what is asked for, and what comes of it. */
typedef struct {
    const workload *w;
    int64_t batch;
    bool evaluate; /* inference instead of training */
    cj_precision precision;

    cj_tensor x, y; /* f32 or i32 [N,example…]; i32 [N], or of x's shape */
    cj_model *model;
    cj_graph *graph;
    cj_program *program;
    float *result; /* the loss, or logits [labels,classes] */
    int64_t runs;
    double loss, early_loss; /* that prove the work: of training after ten updates, and after one */
} job;

/* Fills the batch with random numbers, always the same. */
cj_status job_fill(job *j);
/* Draws and compiles the program. discard_job is due whether these fail or not. */
cj_status job_draw(job *j);
cj_status job_run(void *j);
void job_discard(job *j);
/* Frees the drawing and keeps the batch. */
void job_erase(job *j);
/* After the last run: inference's mean cross-entropy; what training has kept. */
double job_loss(const job *j);
int64_t job_parameters(const job *j);

/* --- products of matrices, batch·[M,K]·[K,N] ---------------------------------------------------------------
 */

typedef struct {
    const char *group;
    int64_t batch, m, n, k;
    const char *layouts; /* N or T for A and for B; "all": NN, NT and TN */
} product_shape;
extern const product_shape product_shapes[];
extern const int product_shape_count;
/* "NNNTTN" or fewer: two letters for each layout. */
const char *product_layouts(const product_shape *shape);

/* --- times ------------------------------------------------------------------------------------------------
 */

typedef struct {
    double best, median, first; /* seconds; first: of the first run */
    int64_t runs;
} timing;

/* Runs it again and again for so many seconds, and at least `fewest` times. */
cj_status time_runs(cj_status (*run)(void *context), void *context, double seconds, int64_t fewest,
                    timing *t);

#endif

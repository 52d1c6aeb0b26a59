/* What a network is trained for: the loss drawn on its outputs, and what counts as right. */
#ifndef CJ__OBJECTIVE_H
#define CJ__OBJECTIVE_H

#include "base/memory.h"
#define CJ_NO_LOCATIONS
#include "cajal/train.h"

typedef struct {
    cj_loss_kind kind;
    double label_smoothing;
    const double *class_weights; /* [class_count], or NULL */
    int64_t class_count;
    cj_precision precision;
    const cj_kernels *kernels;
    size_t memory;     /* of a training step, as of a graph */
    bool in_parts;     /* gradients are added up; another program updates */
    bool scores_only;  /* of an inference graph: nothing is wanted but the loss and how many are right */
    cj_model *session; /* of what is carried from batch to batch; NULL: the model */
} cj__objective;

/* A program over one batch: inputs x, y and how many rows count; outputs loss, how many are right, and when
 * asked for the raw outputs and the predictions made of them (probabilities). */
typedef struct {
    cj_program *program;
    cj_loss_kind kind;
    int64_t rows, width; /* of the outputs: [rows,width] */
    char *summary;       /* of a training step; the owner's to free */
    /* How it was drawn, for batches of other shapes, whose programs are kept in `others`. */
    cj_shape_t x, y;
    cj_model *model;
    cj_forward forward;
    void *context;
    cj__objective objective;
    const cj_optimizer *optimizer;
    cj_program_cache *others; /* NULL: none was met yet */
} cj__batch_program;

/* The drawing of it, for batches like `batch`; `made` gets the shape of its outputs. */
CJ_MUST_CHECK cj_status cj__batch_draw(cj_graph **graph, cj__batch_program *made, cj_model *model,
                                       cj_forward forward, void *context, const cj_batch *batch,
                                       const cj__objective *objective, const cj_optimizer *optimizer);
/* For batches like `batch`, or of other lengths. `optimizer` NULL: the inference graph, with outputs; else a
 * training step. What is pointed to must outlive it. */
CJ_MUST_CHECK cj_status cj__batch_program_new(cj__batch_program *made, cj_model *model, cj_forward forward,
                                              void *context, const cj_batch *batch,
                                              const cj__objective *objective, const cj_optimizer *optimizer);
void cj__batch_program_free(cj__batch_program *p);
/* `outputs` and `predictions` (f32 [rows,width]) may be NULL, and must be for a training step. */
CJ_MUST_CHECK cj_status cj__batch_program_run(cj__batch_program *p, const cj_batch *batch, float *loss,
                                              float *correct, float *outputs, float *predictions);

/* What the means of a batch are over: its rows, or, where each has several labels, those that are no padding.
 */
int64_t cj__batch_counted(const cj_batch *batch);
/* What is carried from batch to batch wants rows that go on where those of the batch before ended. `session`:
 * of the drawing. */
CJ_MUST_CHECK cj_status cj__check_carried(const cj_model *session, const cj_dataset *dataset);
/* Rows are gone through from the first on: nothing is carried yet. */
void cj__begin_pass(cj_model *session);
/* Weighs the batch's means into `scores`. */
void cj__scores_add(cj_scores *scores, double loss, double correct, int64_t count);
/* Nothing counted yet; errors have no accuracy. */
cj_scores cj__scores_none(cj_loss_kind kind);
/* "cross entropy" wants labels, the errors numbers: CJ_UNSUPPORTED with a sentence otherwise. */
CJ_MUST_CHECK cj_status cj__objective_check(cj_loss_kind kind, const cj_batch *batch);

#endif

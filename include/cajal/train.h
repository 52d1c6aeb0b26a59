/* Training: the drawing, the loop and the report in one call, for classifiers. What `cj_fit` does can be
 * written out with cj_graph_new, cj_compile and cj_program_run: examples/mnist_from_scratch.c. */
#ifndef CAJAL_TRAIN_H
#define CAJAL_TRAIN_H

#include "cajal/data.h"
#include "cajal/nn.h"
#include "cajal/program.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Draws logits [N,classes] from x [N,…]. */
typedef cj_value (*cj_forward)(cj_scope scope, cj_value x, void *context);

typedef struct {
    double loss, accuracy; /* means over `count` examples; an uneven last batch weighs by its rows */
    int64_t count;
} cj_scores;

/* Where a fit stands. `steps` is 0 in the call after an epoch's validation. */
typedef struct {
    int64_t epoch, epochs, step, steps; /* from 1 */
    double seconds;                     /* of this epoch so far */
    cj_scores training, validation;     /* validation.count is 0 where there is none */
    bool epoch_done;
} cj_progress;
/* Called after every step and epoch; false stops the fit, which then returns CJ_INTERRUPTED. */
typedef bool (*cj_on_progress)(const cj_progress *progress, void *context);

typedef struct {
    size_t size;
    cj_model *model;
    cj_forward forward;
    void *context; /* passed to forward and on_progress */
    const cj_dataset *dataset;
    double validation;   /* share of the rows, the last ones, kept for validation: 0.1 */
    double scale, shift; /* of x, as in cj_loader_options */
    int64_t batch_size, epochs;
    cj_optimizer optimizer;
    double label_smoothing;
    uint64_t seed; /* of the order of the rows */
    cj_on_progress on_progress;
} cj_fit_options;
/* Trains the model. `last`, if not NULL, gets the last epoch's figures. */
CJ_API CJ_MUST_CHECK cj_status cj_fit(const cj_fit_options *options, cj_progress *last);

typedef struct {
    size_t size;
    cj_model *model;
    cj_forward forward;
    void *context;
    const cj_dataset *dataset;
    int64_t first, count; /* rows; count 0: all from first on */
    double scale, shift;
    int64_t batch_size;
    int64_t classes;    /* for the confusion matrix */
    int64_t *confusion; /* [classes,classes] counts, true class by row; NULL: not wanted */
} cj_evaluate_options;
CJ_API CJ_MUST_CHECK cj_status cj_evaluate(const cj_evaluate_options *options, cj_scores *scores);

#ifdef __cplusplus
}
#endif
#endif

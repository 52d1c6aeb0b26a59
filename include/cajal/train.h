/* Training: the drawing, the loop, checkpoints and the report in one call. What `cj_fit` does can be written
 * out with cj_graph_new, cj_compile and cj_program_run: examples/mnist_from_scratch.c. */
#ifndef CAJAL_TRAIN_H
#define CAJAL_TRAIN_H

#include "cajal/data.h"
#include "cajal/io.h"
#include "cajal/nn.h"
#include "cajal/program.h"
#include "cajal/report.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Draws logits or predictions [N,…] from x [N,…]. */
typedef cj_value (*cj_forward)(cj_scope scope, cj_value x, void *context);

typedef enum {
    CJ_CROSS_ENTROPY, /* logits [N,C], labels i32 [N] or distributions f32 [N,C]; or logits [N,T,C], labels
                         i32 [N,T], of which those below 0 do not count */
    CJ_BINARY_CROSS_ENTROPY, /* logits [N] or [N,1], labels 0 or 1, i32 or f32 [N] */
    CJ_SQUARED_ERROR,        /* predictions and targets f32 of the same count */
    CJ_ABSOLUTE_ERROR,
    CJ_HUBER_ERROR, /* bends at 1 */
} cj_loss_kind;

/* Means over `count` examples, or over labels where an example has several; an uneven batch weighs by what it
 * has. */
typedef struct {
    double loss;
    double accuracy; /* NaN where the loss is an error: nothing is right or wrong there */
    int64_t count;
} cj_scores;

/* Draws the network once, for x f32 of the shape (its batch included), so that the model has the weights it
 * asks for: at their initial values, to be replaced by cj_load_weights. */
CJ_API CJ_MUST_CHECK cj_status cj_draw_network(cj_model *model, cj_forward forward, void *context,
                                               cj_shape_t shape);
/* The same for x of another type: i32 tokens [N,T]. */
CJ_API CJ_MUST_CHECK cj_status cj_draw_network_of(cj_model *model, cj_forward forward, void *context,
                                                  cj_dtype dtype, cj_shape_t shape);

/* --- fit ----------------------------------------------------------------------------------------------- */

/* Where a fit stands. */
typedef struct {
    cj_model *model;
    const cj_program *program; /* the training step */
    const char *summary; /* its layers, as cj_graph_summary has them; in the first call only, then NULL */
    const cj_weights_report *weights; /* of those it began with; in the first call only, and only if it did */
    int64_t epoch, epochs;            /* from 1 */
    int64_t step, steps;              /* of this epoch, from 1 */
    int64_t updates;                  /* since the very start, earlier sittings included */
    double seconds;                   /* of this epoch so far, in this sitting */
    double learning_rate;
    cj_scores training, validation; /* validation.count is 0 where there is none */
    bool epoch_done;                /* the call after an epoch's validation */
    bool best;                      /* epoch_done, and no epoch was better so far */
    const char
        *note; /* said once: "resumed after step 422", "stopped early", a damaged checkpoint; or NULL */
} cj_progress;

typedef enum {
    CJ_GO_ON,
    CJ_STOP,      /* end here, as if the epochs were over */
    CJ_INTERRUPT, /* save, and return CJ_INTERRUPTED; resuming goes on from this very step */
} cj_verdict;
/* Called once before the first step (step 0), and after every step and every epoch. */
typedef struct {
    cj_verdict (*call)(const cj_progress *progress, void *context);
    void *context;
} cj_callback;
enum { CJ_MAX_CALLBACKS = 8 };

typedef enum { CJ_MONITOR_LOSS, CJ_MONITOR_ACCURACY } cj_monitor;

/* Ends a fit when no epoch has been better than the best for `patience` epochs, and puts the best weights
 * back. What is watched is the validation's; the training's where there is none. */
typedef struct {
    cj_monitor monitor;
    int64_t patience;  /* 0: never ends early */
    double min_delta;  /* by how much better is better */
    bool restore_best; /* put the best weights back even without patience */
} cj_early_stopping;

/* Checkpoints hold everything: parameters, moments, statistics, counters, the place in the data. */
typedef struct {
    int64_t every_epochs; /* 0: 1; negative: never */
    int64_t every_steps;  /* 0: only at the ends of epochs */
    int64_t keep;         /* the last so many; 0: 2 */
    bool best;            /* keep the best epoch's as well: checkpoints/best.safetensors */
} cj_checkpoints;

/* From the epoch on, counted from 1, what fits the pattern is frozen, or is frozen no more. */
typedef struct {
    int64_t epoch;
    const char *parameters;
} cj_freezing;
typedef cj_freezing cj_unfreezing;

/* Lookahead (Zhang et al., 2019): after every so many steps the weights go back to slow copies of themselves,
 * which have come part of the way towards them: slow · keep + weights · (1 - keep). Statistics do likewise.
 * The copies are made at the first such step. As in Jordan's airbench94, keep may rise with the share of the
 * training that is over, and at the end of each epoch the weights are the copies as they are. */
typedef struct {
    int64_t every;      /* steps; 0: no lookahead */
    int64_t from_epoch; /* counted from 1, which 0 stands for */
    double keep;        /* 0: 0.5 */
    double power;       /* keep is multiplied by (steps done / all steps)^power */
} cj_lookahead;

typedef struct {
    size_t size;
    cj_model *model;
    cj_forward forward;
    void *context; /* passed to forward */
    const cj_dataset *dataset;
    const cj_dataset *validation_dataset; /* NULL: as `validation` says */
    double validation;   /* share of the dataset's rows, the last ones, kept for validation: 0.1 */
    double scale, shift; /* of x, as in cj_loader_options; so are these */
    const double *mean, *deviation;
    int64_t channels;
    int64_t batch_size, epochs;
    cj_loss_kind loss;
    double label_smoothing;
    const double *class_weights; /* [class_count]; NULL: 1 each. For the training loss alone */
    int64_t class_count;
    int64_t accumulate; /* batches an update; 0: 1. The schedule's steps are batches all the same */
    cj_optimizer optimizer;
    cj_schedule schedule; /* of the optimizer's learning rate */
    cj_early_stopping early_stopping;
    uint64_t seed; /* of the order of the rows */
    cj_precision precision;
    cj_callback callbacks[CJ_MAX_CALLBACKS];
    /* A folder for the run, made when missing: checkpoints/, log.jsonl, events.out.tfevents.cajal for
     * TensorBoard, and at the end model.safetensors. NULL: nothing is written. */
    const char *folder;
    cj_checkpoints checkpoints;
    const char *whiten; /* a convolution's weight to be set by cj_whiten before the first step; NULL: none */
    bool resume;        /* go on from the folder's newest whole checkpoint, if it has one */
    const char *name;   /* of the run, for its log; may be NULL */
    const char *recipe; /* a text kept with the weights: what they were trained by; may be NULL */
    /* To begin with, where there is no checkpoint to go on from; NULL: initial values. */
    const cj_weights *weights;
    /* Patterns as of cj_model_freeze, whose list they replace where there are any, and when to take some of
     * them back. The step is drawn again for that; moments of what was frozen begin at zero then. */
    const char *const *freeze;
    int64_t freeze_count;
    const cj_unfreezing *unfreeze;
    int64_t unfreeze_count;
    const cj_augmentation *augment;  /* of the training rows, as in cj_loader_options; NULL: none */
    int64_t classes;                 /* the model's, where labels are mixed; 0: the largest label + 1 */
    const cj_freezing *freeze_later; /* what is trained at first and not from an epoch on; drawn again, too */
    int64_t freeze_later_count;
    cj_lookahead lookahead;
    const cj_kernels *kernels; /* measured choices, of the step and of validation; NULL: the rules decide */
    size_t memory;             /* bytes that a run of the step may take: cj_graph_options; 0: any */
} cj_fit_options;
/* Trains the model. `last`, if not NULL, gets the last epoch's figures. The same options give the same bits,
 * however often the run was killed and resumed. */
CJ_API CJ_MUST_CHECK cj_status cj_fit(const cj_fit_options *options, cj_progress *last);

/* The loader that cj_fit would read, before its first epoch: what the network sees. Uses the dataset, its
 * share for validation, scale, shift, batch size, augmentations and seed of the options. */
CJ_API CJ_MUST_CHECK cj_status cj_fit_loader(const cj_fit_options *options, cj_loader **loader);

/* Sets the filters of the model's convolution `name` ("0.weight", of a drawn model) from patches of the first
 * rows: eigenvectors of their second moments, each over the root of its eigenvalue, and then their negatives,
 * the largest eigenvalues first. What the layer gives is then uncorrelated and of one size. The count of
 * filters is even, at most twice the numbers of a patch. */
typedef struct {
    size_t size;
    const char *name;
    const cj_dataset *dataset;
    int64_t rows;        /* 0: 5000; all where there are fewer */
    double scale, shift; /* of x, as for cj_fit; so are these */
    const double *mean, *deviation;
    int64_t channels;
    double epsilon; /* added to the eigenvalues; 0: 5e-4 */
} cj_whiten_options;
CJ_API CJ_MUST_CHECK cj_status cj_whiten(cj_model *model, const cj_whiten_options *options);

/* Draws what cj_fit would compile: the training step for one batch, to be looked at. Uses the model, forward,
 * dataset, batch size, loss and optimizer of the options. The graph is the caller's. */
CJ_API CJ_MUST_CHECK cj_status cj_draw_step(const cj_fit_options *options, cj_graph **graph);

/* --- evaluate and predict ------------------------------------------------------------------------------ */

/* Test-time augmentation: pictures of bytes, [N,H,W] or [N,H,W,C], are shown several times. */
typedef enum {
    CJ_VIEW_PLAIN,      /* once, as they are */
    CJ_VIEW_FLIP,       /* and mirrored */
    CJ_VIEW_FLIP_SHIFT, /* both, and both moved by a pixel up and left and down and right: these count half */
} cj_views;

typedef struct {
    size_t size;
    cj_model *model;
    cj_forward forward;
    void *context;
    const cj_dataset *dataset;
    int64_t first, count; /* rows; count 0: all from first on */
    double scale, shift;  /* as for cj_fit; so are these */
    const double *mean, *deviation;
    int64_t channels;
    int64_t batch_size;
    cj_loss_kind loss;
    cj_precision precision;
    int64_t classes;    /* for the confusion matrix */
    int64_t *confusion; /* [classes,classes] counts, true class by row; NULL: not wanted */
    /* One row of outputs for each row of data, as cj_predict gives them, `width` floats each, which must be
     * what the model gives: its classes, say. NULL: not wanted. */
    float *outputs;
    int64_t width;
    /* Scores and outputs are of the mean of the probabilities over several views of each picture. For
     * classifications alone. */
    cj_views views;
    const cj_kernels *kernels; /* measured choices; NULL: the rules decide */
    /* Called after each batch with how many rows were gone through, of each view anew. NULL: nobody watches.
     */
    void (*watch)(int64_t rows, void *context);
    void *watch_context;
} cj_evaluate_options;
CJ_API CJ_MUST_CHECK cj_status cj_evaluate(const cj_evaluate_options *options, cj_scores *scores);
/* Fills options->outputs: probabilities of the classes, the probability of 1 for binary cross-entropy, plain
 * predictions for errors. The dataset's targets are not looked at. */
CJ_API CJ_MUST_CHECK cj_status cj_predict(const cj_evaluate_options *options);
/* The mean of what several models predict: an ensemble. options->model is not looked at. */
CJ_API CJ_MUST_CHECK cj_status cj_predict_ensemble(const cj_evaluate_options *options,
                                                   cj_model *const *models, int64_t count);
/* The scores of outputs that were made elsewhere, of an ensemble's mean say. Labels i32 [count]; loss is
 * CJ_CROSS_ENTROPY or CJ_BINARY_CROSS_ENTROPY. */
CJ_API cj_scores cj_score(cj_loss_kind loss, int64_t count, int64_t width, const float *outputs,
                          const int32_t *labels, int64_t classes, int64_t *confusion);

/* --- what a run's folder says -------------------------------------------------------------------------- */

typedef struct {
    char name[128];                       /* of the recipe */
    int64_t epoch, epochs;                /* done, wanted */
    double seconds;                       /* of training, all sittings */
    cj_scores training, validation, test; /* of the last epoch; count 0: none */
    bool finished;
} cj_run_info;
/* Reads the folder's log. CJ_NOT_FOUND when it holds no run. */
CJ_API CJ_MUST_CHECK cj_status cj_run_read(const char *folder, cj_run_info *info);
/* Writes FOLDER/report.svg and FOLDER/report.html, which opens without a network: the curves of the folder's
 * log and what is given here. cj_fit does it as it goes, without a test. */
typedef struct {
    size_t size;
    const cj_scores *test; /* NULL: none yet */
    int64_t classes;
    const int64_t *confusion;          /* [classes,classes] of the test; NULL: none */
    const char *const *class_names;    /* [classes]; NULL: 0, 1, 2, … */
    const char *weights;               /* their SHA-256; NULL: not said */
    const cj_report_picture *mistakes; /* pictures of what was taken for something else */
    int64_t mistake_count;
} cj_run_report_options;
CJ_API CJ_MUST_CHECK cj_status cj_run_report(const char *folder, const cj_run_report_options *options);
/* Appends the test scores to the folder's log. */
CJ_API CJ_MUST_CHECK cj_status cj_run_log_test(const char *folder, const cj_scores *scores);

/* cj_fit(model, forward, context, dataset, .epochs = 5, …) and cj_evaluate(&scores, model, forward, context,
 * dataset, .batch_size = 128); the plain functions are (cj_fit)(&options, &last). */
#if !defined(CJ_NO_LOCATIONS) && !defined(__cplusplus)
#define cj_fit(model_, forward_, context_, ...)                                                              \
    (cj_fit)(CJ_OPTIONS(cj_fit_options, .model = model_, .forward = forward_, .context = context_,           \
                        .dataset = __VA_ARGS__),                                                             \
             NULL)
#define cj_evaluate(scores_, model_, forward_, context_, ...)                                                \
    (cj_evaluate)(CJ_OPTIONS(cj_evaluate_options, .model = model_, .forward = forward_, .context = context_, \
                             .dataset = __VA_ARGS__),                                                        \
                  scores_)
#endif

#ifdef __cplusplus
}
#endif
#endif

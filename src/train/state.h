/* Where a fit stands, as a checkpoint keeps it, and its saving and restoring: checkpoint.c. */
#ifndef CJ__FIT_STATE_H
#define CJ__FIT_STATE_H

#include "base/memory.h"
#define CJ_NO_LOCATIONS
#include "cajal/train.h"

/* A finished epoch, for the curves. */
typedef struct {
    cj_scores training, validation;
    double learning_rate, seconds;
} cj__epoch;

typedef struct {
    int64_t epoch, step;            /* epochs finished; steps done of the next */
    int64_t updates;                /* steps in all */
    cj_scores training;             /* of the unfinished epoch */
    double best;                    /* the best epoch's watched figure */
    int64_t best_epoch, bad_epochs; /* from 1, 0: none yet; epochs since it */
    cj_plateau plateau;
    uint64_t log_bytes, event_bytes; /* of the folder's logs when the checkpoint was made */
    cj__epoch *history;              /* [epoch] */
    int64_t history_room;
} cj__fit_state;

/* The parameters and statistics of the best epoch, one block in the model's order. */
typedef struct {
    char *data; /* NULL: none kept */
    size_t size;
} cj__best_weights;

CJ_MUST_CHECK cj_status cj__best_weights_keep(cj__best_weights *best, const cj_model *model);
void cj__best_weights_put_back(const cj__best_weights *best, cj_model *model);

/* What must be equal for the place in the data to mean the same. */
typedef struct {
    uint64_t seed;
    int64_t rows, batch_size;
} cj__data_order;

typedef struct {
    const char *folder;
    const cj_checkpoints *options;
    cj_model *model;
    cj__fit_state *state;
    cj__best_weights *best;
    cj__data_order order;
    const char *recipe;        /* may be NULL */
    const cj_kernels *kernels; /* may be NULL */
    /* Called when `state` has been restored: the model gets the variables it had then, to be restored too. */
    cj_status (*prepare)(void *context);
    void *context;
} cj__checkpointing;

/* Writes FOLDER/checkpoints/step-N.safetensors, then removes those that are too many. */
CJ_MUST_CHECK cj_status cj__checkpoint_save(const cj__checkpointing *c);
CJ_MUST_CHECK cj_status cj__checkpoint_save_best(const cj__checkpointing *c);
/* Restores model, state and best weights from the newest checkpoint that is whole. CJ_NOT_FOUND: there is
 * none. `note` (256 bytes) gets a sentence about damaged ones that were passed over, or "". */
CJ_MUST_CHECK cj_status cj__checkpoint_restore(const cj__checkpointing *c, char *note);

#endif

/* Lookahead: slow copies of the weights, which the weights go back to every few steps of a fit. */
#ifndef CJ__LOOKAHEAD_H
#define CJ__LOOKAHEAD_H

#include "base/memory.h"
#define CJ_NO_LOCATIONS
#include "cajal/train.h"

typedef struct {
    cj_lookahead o; /* with its defaults filled in; every 0: there is none */
    cj_model *model;
    int64_t first; /* the step, from 1, after which the copies are made */
    int64_t total; /* steps of the whole fit */
} cj__lookahead;

/* Checks the options, and makes the copies among the drawn model's variables, so that checkpoints have
 * them. `steps`: of an epoch. */
CJ_MUST_CHECK cj_status cj__lookahead_begin(cj__lookahead *l, const cj_fit_options *options, int64_t steps);
/* What is due after step `step` of all, from 1. */
void cj__lookahead_step(cj__lookahead *l, int64_t step, bool epoch_ends);

#endif

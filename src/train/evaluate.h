/* One pass over rows with the model as it is: made once, run as often as wanted. */
#ifndef CJ__EVALUATE_H
#define CJ__EVALUATE_H

#include "train/objective.h"

typedef struct {
    cj_evaluate_options o;
    cj_loader *loader;
    cj_model *session; /* of what is carried from batch to batch */
    cj__batch_program step;
    float *outputs, *predictions; /* of one batch */
    float *means;                 /* [rows,width] over several views; NULL: there is one */
    int32_t *labels;              /* [rows], with the means */
} cj__evaluation;

/* cj__evaluation_end is due whether it fails or not. */
CJ_MUST_CHECK cj_status cj__evaluation_begin(cj__evaluation *e, const cj_evaluate_options *options);
CJ_MUST_CHECK cj_status cj__evaluation_run(cj__evaluation *e, cj_scores *scores);
void cj__evaluation_end(cj__evaluation *e);

#endif

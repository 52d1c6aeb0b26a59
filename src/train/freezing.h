/* Which weights a fit leaves alone in which epoch. */
#ifndef CJ__FREEZING_H
#define CJ__FREEZING_H

#define CJ_NO_LOCATIONS
#include "cajal/train.h"

/* Tells the model what is frozen in the epoch, from 1. A fit that says nothing of it leaves the model as it
 * is. */
CJ_MUST_CHECK cj_status cj__freeze_for_epoch(const cj_fit_options *options, int64_t epoch);
/* Whether an epoch from `first` to `last` trains more than the one before, or less. */
bool cj__unfreezes(const cj_fit_options *options, int64_t first, int64_t last);
bool cj__freezes(const cj_fit_options *options, int64_t first, int64_t last);
/* Every pattern must fit a weight of the model, which has been drawn. */
CJ_MUST_CHECK cj_status cj__check_freezing(const cj_fit_options *options);

#endif

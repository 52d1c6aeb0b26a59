/* Folders of runs, and the model a run has left in its folder. */
#ifndef CAJAL_RUN_H
#define CAJAL_RUN_H

#include "cli.h"

enum { MOST_PATH = 4200 };

/* "runs/NAME", or "runs/NAME-2" and so on where that is taken. */
void next_folder(const char *name, char folder[MOST_PATH]);
bool holds_run(const char *folder);
/* Of the confusion matrix: 0 where the loss is an error, 2 for a single logit. */
int64_t classes_of(const cj_recipe *recipe);

/* A finished run: its recipe, and its weights loaded. */
typedef struct {
    cj_recipe *recipe;
    cj_model *model;
} run;
/* Overrides are the operands from `first_override` on. close_run is due whether it fails or not. */
int open_run(const options *o, const char *folder, int first_override, run *r);
void close_run(run *r);

#endif

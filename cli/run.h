/* Folders of runs, and the model a run has left in its folder or a recipe takes from a file. */
#ifndef CAJAL_RUN_H
#define CAJAL_RUN_H

#include "cli.h"

enum { MOST_PATH = 4200 };

/* "runs/NAME", or "runs/NAME-2" and so on where that is taken. */
void next_folder(const char *name, char folder[MOST_PATH]);
bool holds_run(const char *folder);
bool is_folder(const char *path);
enum { MOST_MEMBERS = 64 }; /* as many as a recipe may have */
/* A finished run: its recipe, and its weights loaded; an ensemble's are several models. */
typedef struct {
    cj_recipe *recipe;
    cj_model *models[MOST_MEMBERS];
    int64_t count;
    cj_preprocessing *preprocessing; /* as the run saved it; NULL: there was none */
} run;
/* `place` is a run's folder, or a recipe that names its weights; their report goes to standard error then.
 * Overrides are the operands from `first_override` to the last. close_run is due whether it fails or not. */
int open_run(const options *o, const char *place, int first_override, run *r);
void close_run(run *r);
/* EXIT_OK where the run `fits` a command and is one network; else a sentence on standard error that it is
 * `fault`, or an ensemble. */
int check_kind(const run *r, const char *place, bool fits, const char *fault);
/* The measured kernels that the folder keeps, if any, become the run's. */
int use_kernels(run *r, const char *folder);
/* On standard error that measured kernels are of another instruction set, and so of no use. */
void tell_kernels(const cj_recipe *recipe);
/* FOLDER itself, or FOLDER/member-N of an ensemble, N from 1 on. */
void member_folder(const char *folder, int64_t member, int64_t members, char path[MOST_PATH]);

/* Which pictures the recipe has left out, on standard error. */
void tell_skipped(const cj_recipe_sets *sets);

#endif

/* The command's shared parts: options, exit codes, progress and reports. */
#ifndef CAJAL_CLI_H
#define CAJAL_CLI_H

#include <cajal/cajal.h>

#include <stdbool.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_STOPPED = 130 };

/* What stands on the command line after the command's name. */
typedef struct {
    bool json, quiet, help;
    const char *seed, *threads, *after;
    const char *operands[64]; /* the recipe, then key=value overrides */
    int count;
} options;

/* EXIT_OK, or a sentence on standard error and EXIT_USAGE. */
int read_options(options *o, int count, char **arguments);

/* "cajal: SENTENCE" on standard error; the exit code that fits the status. */
int failed(cj_status status);

/* Opens the recipe that the operands name, with --seed and overrides applied, and sets the threads. */
int open_recipe(const options *o, cj_recipe **recipe);

int command_train(const options *o);
int command_summary(const options *o);
int command_graph(const options *o);
int command_plan(const options *o);
int command_check(const options *o);

/* Progress on standard error: a live line on a terminal, one line an epoch elsewhere. A cj_on_progress. */
bool show_progress(const cj_progress *progress, void *context);
void catch_signals(void);

/* The parameters of a model and what a step costs, on standard error. */
void show_summary(const cj_model *model, const cj_program *step);
/* Scores, precision, recall and F1 of each class, and the confusion matrix, on standard output. */
void show_report(const cj_scores *scores, int64_t classes, const int64_t *confusion);
void show_json(const char *name, uint64_t seed, double seconds, const cj_progress *last,
               const cj_scores *test);

#endif

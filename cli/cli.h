/* The command's shared parts: options, exit codes, progress and reports. */
#ifndef CAJAL_CLI_H
#define CAJAL_CLI_H

#include <cajal/cajal.h>

#include <stdbool.h>
#include <stdio.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_STOPPED = 130, MOST_OPERANDS = 1024 };

/* What stands on the command line after the command's name. */
typedef struct {
    bool json, quiet, help, no_save, invert;
    const char *seed, *threads, *after, *format, *output, *resume, *part, *top;
    const char *operands[MOST_OPERANDS]; /* a recipe or run, then key=value overrides or files */
    int count;
} options;

/* `accepted`: the names of the options the command takes, with spaces between. EXIT_OK, or a sentence on
 * standard error and EXIT_USAGE. */
int read_options(options *o, const char *accepted, int count, char **arguments);

/* "cajal: SENTENCE" on standard error; the exit code that fits the status. */
int failed(cj_status status);

/* Sets the threads --threads names. */
int use_threads(const options *o);
/* Reads the recipe at `path` with --seed and the overrides from that operand on applied; sets the threads. */
int read_recipe(const options *o, const char *path, int first_override, cj_recipe **recipe);
/* The same for the recipe that the first operand names. */
int open_recipe(const options *o, cj_recipe **recipe);

int command_train(const options *o);
int command_evaluate(const options *o);
int command_predict(const options *o);
int command_summary(const options *o);
int command_graph(const options *o);
int command_plan(const options *o);
int command_check(const options *o);
int command_runs(const options *o);

/* Progress on standard error: a live line on a terminal, one line an epoch elsewhere. For a cj_callback. */
cj_verdict show_progress(const cj_progress *progress, void *context);
/* Says nothing, but ends the fit when a signal came. */
cj_verdict watch_signals(const cj_progress *progress, void *context);
void catch_signals(void);

/* The layers, parameters and costs of a step, on standard error. */
void show_summary(FILE *to, const char *layers, const cj_model *model, const cj_program *step);

/* How a model did on rows it had not seen. */
typedef struct {
    const char *part; /* "test" */
    cj_loss_kind loss;
    int64_t classes; /* of the confusion matrix; 0: none */
    int64_t *confusion;
    cj_scores scores;
    double top5;                /* of several classes */
    double auc;                 /* of labels 0 and 1, */
    cj_threshold at;            /* and what the recipe's threshold makes of them */
    double r_squared, distance; /* of one number: R² and the mean absolute error */
} report;
/* Scores, precision, recall and F1 of each class, and the confusion matrix, on standard output. */
void show_report(const report *r);

/* What the JSON object of train and evaluate is made of. */
typedef struct {
    const char *recipe, *folder; /* NULL: not saved */
    const char *weights;         /* SHA-256; NULL: there are several models */
    uint64_t seed;
    double seconds;
    const cj_progress *last; /* NULL: nothing was trained */
    const report *report;    /* NULL: no rows to report on */
    int64_t members;         /* of an ensemble; 0: it is none */
    const double *member_accuracies;
} results;
void show_json(const results *r);
/* Parts of JSON on standard output: a string; "name": value, null where it is not finite, then `end`. */
void json_string(const char *text);
void json_number(const char *name, double value, const char *end);

#endif

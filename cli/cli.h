/* The command's shared parts: options, exit codes, progress and reports. */
#ifndef CAJAL_CLI_H
#define CAJAL_CLI_H

#include <cajal/cajal.h>

#include "tables.h"

#include <stdbool.h>
#include <stdio.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_STOPPED = 130 };

/* EXIT_OK, or a sentence on standard error and EXIT_USAGE. */
int read_options(options *o, const command_facts *command, int count, char **arguments);
/* The number that an option of `options` was given, which read_options has checked; `standard` without one.
 */
int64_t whole_option(const char *value, int64_t standard);
double decimal_option(const char *value, double standard);

/* What a command does, with options and examples; all commands, a line each. */
void help_command(FILE *to, const command_facts *command);
void help_all(FILE *to);

/* "cajal: SENTENCE" on standard error; the exit code that fits the status. */
int failed(cj_status status);

/* Sets the threads --threads names. */
int use_threads(const options *o);
/* Reads the recipe at `path` with --seed and the overrides from that operand on applied; sets the threads. */
int read_recipe(const options *o, const char *path, int first_override, cj_recipe **recipe);
/* The same for the recipe that the first operand names. */
int open_recipe(const options *o, cj_recipe **recipe);

/* `cajal data preview`. */
int preview_data(const options *o);

#define COMMAND(name, ...) int command_##name(const options *o);
#include "commands.def"
#undef COMMAND

/* Progress on standard error: a live line on a terminal, one line an epoch elsewhere. For a cj_callback. */
cj_verdict show_progress(const cj_progress *progress, void *context);
/* Says nothing, but ends the fit when a signal came. */
cj_verdict watch_signals(const cj_progress *progress, void *context);
void catch_signals(void);
/* Whether one came since. */
bool interrupted(void);
/* A line on a terminal's standard error about what takes longer than a second: `what`, how much is done where
 * that was told, and for how long. To be ended before anything else is said; --quiet keeps it away. */
void begin_waiting(const options *o, const char *what);
void tell_waiting(int64_t done, int64_t all);
void end_waiting(void);

/* Which weights came from a file and which did not, on standard error. */
void show_weights(const cj_weights_report *report);
/* Of all variables of a model. */
double model_megabytes(const cj_model *model);
/* The layers, parameters and costs of a step. */
void show_summary(FILE *to, const char *layers, const cj_model *model, const cj_program *step);

enum { MOST_MISTAKES = 48 };
/* How a model did on rows it had not seen. */
typedef struct {
    const char *part; /* "test" */
    cj_loss_kind loss;
    int64_t classes; /* of the confusion matrix; 0: none */
    int64_t *confusion;
    const cj_recipe *recipe; /* has the names of the classes */
    cj_scores scores;
    double top5;                /* of several classes */
    double auc;                 /* of labels 0 and 1, */
    cj_threshold at;            /* and what the recipe's threshold makes of them */
    double r_squared, distance; /* of one number: R² and the mean absolute error */
    cj_text_facts text;         /* zeros: it is none, or masked */
    double bleu, bleu_lower;    /* of `translations` sentences as they are written, in lower case */
    int64_t translations;
    cj_mistake mistakes[MOST_MISTAKES]; /* of a classification, the surest first */
    int64_t mistake_count;              /* of those that are listed */
} report;
/* Scores, precision, recall and F1 of each class, and the confusion matrix, on standard output. */
void show_report(const report *r);

/* What the JSON object of train and evaluate is made of. */
typedef struct {
    const char *recipe, *folder; /* NULL: not saved */
    const char *weights;         /* [models][65]: SHA-256 of each one's */
    int64_t models;              /* 1, or the members of an ensemble */
    const double *accuracies;    /* of each member; NULL: not told */
    uint64_t seed;
    double seconds;
    const cj_progress *last; /* NULL: nothing was trained */
    const report *report;    /* NULL: no rows to report on */
} results;
void show_json(const results *r);
/* Parts of JSON on standard output: a string; "name": value, null where it is not finite, then `end`. */
void json_string(const char *text);
void json_number(const char *name, double value, const char *end);

#endif

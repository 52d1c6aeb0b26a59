/* cajal train: a recipe's network trained, saved and tested. An ensemble is so many of them, and their mean.
 */
#include "cli.h"
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct {
    const options *o;
    cj_recipe *recipe;
    cj_recipe_sets sets;
    char folder[MOST_PATH]; /* "": nothing is saved */
    cj_model *model;        /* the last one trained */
    cj_progress last;
    char weights[65];
    report report;
    double *member_accuracies; /* [members] */
    float *mean;               /* [rows,width] of an ensemble */
} training;

/* --- one network --------------------------------------------------------------------------------------- */

static cj_status fit_one(training *t, const char *folder, uint64_t seed)
{
    char *text = NULL;
    cj_fit_options fit = cj_recipe_fit_options(t->recipe);
    cj_model_free(t->model);
    t->model = NULL;
    cj_status status = cj_recipe_text(t->recipe, &text);
    if (status == CJ_OK) status = cj_model_new(&t->model, .seed = seed);
    fit.model = t->model;
    fit.dataset = t->sets.training;
    fit.validation_dataset = t->sets.validation;
    fit.seed = seed;
    fit.folder = *folder ? folder : NULL;
    fit.resume = t->o->resume != NULL;
    fit.recipe = text;
    fit.callbacks[0].call = t->o->quiet ? watch_signals : show_progress;
    if (status == CJ_OK) status = cj_fit(&fit, &t->last);
    if (status == CJ_OK) cj_model_digest(t->model, t->weights);
    cj_text_free(text);
    return status;
}

/* --- the test ------------------------------------------------------------------------------------------ */

static cj_status begin_report(training *t)
{
    int64_t classes = classes_of(t->recipe);
    t->report = (report){.part = "test", .loss = cj_recipe_loss(t->recipe), .classes = classes};
    if (!t->sets.test || !classes) return CJ_OK;
    t->report.confusion = calloc((size_t)(classes * classes), sizeof *t->report.confusion);
    return t->report.confusion ? CJ_OK : CJ_OUT_OF_MEMORY;
}

static cj_status test_one(training *t, const char *folder)
{
    if (!t->sets.test) return CJ_OK;
    cj_evaluate_options options = cj_recipe_evaluate_options(t->recipe);
    options.model = t->model;
    options.dataset = t->sets.test;
    options.classes = t->report.classes;
    options.confusion = t->report.confusion;
    cj_status status = cj_evaluate(&options, &t->report.scores);
    return status == CJ_OK && *folder ? cj_run_log_test(folder, &t->report.scores) : status;
}

/* --- an ensemble --------------------------------------------------------------------------------------- */

static cj_status add_member(training *t, int64_t rows, int64_t width, int64_t members)
{
    size_t count = (size_t)(rows * width);
    float *one = malloc(count * sizeof *one + 1);
    if (!one) return CJ_OUT_OF_MEMORY;
    cj_evaluate_options options = cj_recipe_evaluate_options(t->recipe);
    options.model = t->model;
    options.dataset = t->sets.test;
    options.outputs = one;
    options.width = width;
    cj_status status = cj_predict(&options);
    for (size_t i = 0; i < count; i++) t->mean[i] += one[i] / (float)members;
    free(one);
    return status;
}

static cj_status labels_of(const cj_dataset *data, int32_t **labels)
{
    int64_t rows = cj_dataset_count(data);
    *labels = malloc((size_t)rows * sizeof **labels + 1);
    if (!*labels) return CJ_OUT_OF_MEMORY;
    for (int64_t i = 0; i < rows; i++) {
        cj_tensor y;
        cj_dataset_row(data, i, NULL, &y);
        (*labels)[i] = y.dtype == CJ_I32 ? *(const int32_t *)y.data : *(const float *)y.data > 0.5F;
    }
    return CJ_OK;
}

static cj_status score_mean(training *t, int64_t rows, int64_t width)
{
    int32_t *labels;
    cj_status status = labels_of(t->sets.test, &labels);
    if (status == CJ_OK)
        t->report.scores =
            cj_score(t->report.loss, rows, width, t->mean, labels, t->report.classes, t->report.confusion);
    free(labels);
    return status;
}

static cj_status train_member(training *t, int64_t member, int64_t members, int64_t rows, int64_t width)
{
    char folder[MOST_PATH] = "";
    if (*t->folder) snprintf(folder, sizeof folder, "%.4000s/member-%lld", t->folder, (long long)member + 1);
    if (!t->o->quiet) fprintf(stderr, "member %lld of %lld\n", (long long)member + 1, (long long)members);
    cj_status status = fit_one(t, folder, cj_recipe_seed(t->recipe) + (uint64_t)member);
    if (status == CJ_OK) status = test_one(t, folder);
    t->member_accuracies[member] = t->report.scores.accuracy;
    return status == CJ_OK ? add_member(t, rows, width, members) : status;
}

static cj_status train_ensemble(training *t, int64_t members)
{
    int64_t rows = cj_dataset_count(t->sets.test), width = cj_recipe_classes(t->recipe);
    cj_status status = CJ_OK;
    if (!t->report.confusion) {
        fprintf(stderr, "cajal: an ensemble needs labels and test rows to be judged by\n");
        return CJ_INVALID_ARGUMENT;
    }
    t->member_accuracies = calloc((size_t)members, sizeof *t->member_accuracies);
    t->mean = calloc((size_t)(rows * width) + 1, sizeof *t->mean);
    if (!t->mean || !t->member_accuracies) return CJ_OUT_OF_MEMORY;
    for (int64_t i = 0; i < members && status == CJ_OK; i++)
        status = train_member(t, i, members, rows, width);
    if (status == CJ_OK) status = score_mean(t, rows, width);
    return status == CJ_OK && *t->folder ? cj_run_log_test(t->folder, &t->report.scores) : status;
}

static void show_members(const training *t, int64_t members)
{
    double best = 0;
    for (int64_t i = 0; i < members; i++) {
        if (t->member_accuracies[i] > best) best = t->member_accuracies[i];
        printf("member %lld: test accuracy %.2f %%\n", (long long)i + 1, 100 * t->member_accuracies[i]);
    }
    printf("best member %.2f %%; the mean of their probabilities:\n", 100 * best);
}

/* --- the command --------------------------------------------------------------------------------------- */

static cj_status save_recipe(const training *t)
{
    char path[MOST_PATH + 16];
    if (!*t->folder) return CJ_OK;
    snprintf(path, sizeof path, "%s/recipe.yaml", t->folder);
    return cj_recipe_save(t->recipe, path);
}

static cj_status train(training *t)
{
    cj_status status = cj_recipe_open_data(t->recipe, &t->sets);
    if (status == CJ_OK) status = begin_report(t);
    if (status == CJ_OK) status = save_recipe(t);
    if (status != CJ_OK) return status;
    int64_t members = cj_recipe_members(t->recipe);
    if (members > 1) return train_ensemble(t, members);
    status = fit_one(t, t->folder, cj_recipe_seed(t->recipe));
    return status == CJ_OK ? test_one(t, t->folder) : status;
}

/* A new run takes the folder named, which may not hold one, or the next free one below runs/. */
static int choose_folder(training *t)
{
    if (t->o->no_save) return EXIT_OK;
    if (t->o->resume) return snprintf(t->folder, sizeof t->folder, "%.4000s", t->o->resume), EXIT_OK;
    if (!t->o->output) return next_folder(cj_recipe_name(t->recipe), t->folder), EXIT_OK;
    snprintf(t->folder, sizeof t->folder, "%.4000s", t->o->output);
    if (!holds_run(t->folder)) return EXIT_OK;
    fprintf(stderr, "cajal: %s holds a run already: --resume %s goes on with it, or name another folder\n",
            t->folder, t->folder);
    return EXIT_USAGE;
}

static int open_training(training *t)
{
    char path[MOST_PATH];
    if (!t->o->resume) return open_recipe(t->o, &t->recipe);
    if (t->o->output || t->o->no_save) {
        fprintf(stderr, "cajal: --resume names the folder; --output and --no-save do not go with it\n");
        return EXIT_USAGE;
    }
    snprintf(path, sizeof path, "%.4000s/recipe.yaml", t->o->resume);
    return read_recipe(t->o, path, 0, &t->recipe);
}

static void tell(const training *t, double seconds)
{
    int64_t members = cj_recipe_members(t->recipe);
    if (t->o->json) {
        show_json(&(results){.recipe = cj_recipe_name(t->recipe),
                             .folder = *t->folder ? t->folder : NULL,
                             .weights = t->weights,
                             .seed = cj_recipe_seed(t->recipe),
                             .seconds = seconds,
                             .last = &t->last,
                             .report = t->sets.test ? &t->report : NULL,
                             .members = members > 1 ? members : 0,
                             .member_accuracies = t->member_accuracies});
        return;
    }
    if (members > 1) show_members(t, members);
    if (t->sets.test) show_report(&t->report);
    if (members == 1) printf("\nweights sha256 %s\n", t->weights);
    if (*t->folder) printf("saved in %s\n", t->folder);
}

int command_train(const options *o)
{
    training t = {.o = o};
    double start = now();
    int code = open_training(&t);
    if (code == EXIT_OK) code = choose_folder(&t);
    if (code == EXIT_OK) {
        catch_signals();
        cj_status status = train(&t);
        if (status == CJ_OK)
            tell(&t, now() - start);
        else
            code = failed(status);
    }
    if (code == EXIT_STOPPED && *t.folder)
        fprintf(stderr, "cajal: `cajal train --resume %s` goes on from here\n", t.folder);
    free(t.report.confusion);
    free(t.member_accuracies);
    free(t.mean);
    cj_model_free(t.model);
    cj_recipe_close_data(&t.sets);
    cj_recipe_free(t.recipe);
    return code;
}

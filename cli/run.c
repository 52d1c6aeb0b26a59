/* Folders of runs: where a new one goes, and opening one that is there. */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool there(const char *folder, const char *name)
{
    char path[MOST_PATH + 64];
    struct stat facts;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return stat(path, &facts) == 0;
}

bool holds_run(const char *folder)
{
    return there(folder, "recipe.yaml") || there(folder, "log.jsonl") || there(folder, "checkpoints");
}

/* A name from a recipe may hold anything; a folder's is plain. */
static void plain(char *name)
{
    for (; *name; name++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", *name)) *name = '-';
}

void next_folder(const char *name, char folder[MOST_PATH])
{
    char safe[128];
    struct stat facts;
    snprintf(safe, sizeof safe, "%.120s", name);
    plain(safe);
    if (safe[0] == '.') safe[0] = '-';
    snprintf(folder, MOST_PATH, "runs/%s", safe);
    for (int i = 2; stat(folder, &facts) == 0; i++) snprintf(folder, MOST_PATH, "runs/%s-%d", safe, i);
}

void member_folder(const char *folder, int64_t member, int64_t members, char path[MOST_PATH])
{
    if (members > 1)
        snprintf(path, MOST_PATH, "%.4000s/member-%lld", folder, (long long)member + 1);
    else
        snprintf(path, MOST_PATH, "%.4000s", folder);
}

/* --- opening ------------------------------------------------------------------------------------------- */

static int load_member(run *r, const char *folder, int64_t member)
{
    char path[MOST_PATH], weights[MOST_PATH + 32];
    member_folder(folder, member, r->count, path);
    if (!there(path, "model.safetensors")) {
        fprintf(stderr, "cajal: %s: the run is not finished; `cajal train --resume %s` goes on with it\n",
                path, folder);
        return EXIT_FAILED;
    }
    snprintf(weights, sizeof weights, "%s/model.safetensors", path);
    cj_status status = cj_model_new(&r->models[member], .seed = cj_recipe_seed(r->recipe));
    if (status == CJ_OK) status = cj_model_load(r->models[member], weights);
    return status == CJ_OK ? EXIT_OK : failed(status);
}

int open_run(const options *o, const char *folder, int first_override, run *r)
{
    char path[MOST_PATH];
    *r = (run){0};
    if (!there(folder, "recipe.yaml")) {
        fprintf(stderr, "cajal: %s: no run is there (no recipe.yaml); `cajal train` makes one\n", folder);
        return EXIT_FAILED;
    }
    snprintf(path, sizeof path, "%.4000s/recipe.yaml", folder);
    int code = read_recipe(o, path, first_override, &r->recipe);
    if (code != EXIT_OK) return code;
    r->count = cj_recipe_members(r->recipe);
    for (int64_t i = 0; i < r->count && code == EXIT_OK; i++) code = load_member(r, folder, i);
    return code;
}

void close_run(run *r)
{
    for (int i = 0; i < MOST_MEMBERS; i++) cj_model_free(r->models[i]);
    cj_recipe_free(r->recipe);
}

/* --- evaluating ---------------------------------------------------------------------------------------- */

/* Of the confusion matrix: 0 where the loss is an error, 2 for a single logit. */
static int64_t classes_of(const cj_recipe *recipe)
{
    cj_loss_kind loss = cj_recipe_loss(recipe);
    if (loss == CJ_BINARY_CROSS_ENTROPY) return 2;
    return loss == CJ_CROSS_ENTROPY ? cj_recipe_classes(recipe) : 0;
}

cj_status begin_report(report *r, const cj_recipe *recipe, const char *part)
{
    *r = (report){.part = part, .loss = cj_recipe_loss(recipe), .classes = classes_of(recipe)};
    if (r->classes) r->confusion = calloc((size_t)(r->classes * r->classes), sizeof *r->confusion);
    return r->classes && !r->confusion ? CJ_OUT_OF_MEMORY : CJ_OK;
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

static cj_status evaluate_ensemble(run *r, cj_evaluate_options *options, report *result)
{
    int32_t *labels = NULL;
    int64_t rows = cj_dataset_count(options->dataset);
    options->width = cj_recipe_classes(r->recipe);
    options->confusion = NULL;
    options->outputs = malloc((size_t)(rows * options->width) * sizeof(float) + 1);
    cj_status status = options->outputs ? labels_of(options->dataset, &labels) : CJ_OUT_OF_MEMORY;
    if (status == CJ_OK) status = cj_predict_ensemble(options, r->models, r->count);
    if (status == CJ_OK)
        result->scores = cj_score(result->loss, rows, options->width, options->outputs, labels,
                                  result->classes, result->confusion);
    free(labels);
    free(options->outputs);
    return status;
}

cj_status evaluate_run(run *r, const cj_dataset *rows, report *result)
{
    cj_evaluate_options options = cj_recipe_evaluate_options(r->recipe);
    options.model = r->models[0];
    options.dataset = rows;
    options.classes = result->classes;
    options.confusion = result->confusion;
    if (r->count > 1 && result->classes) return evaluate_ensemble(r, &options, result);
    return (cj_evaluate)(&options, &result->scores);
}

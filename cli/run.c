/* Folders of runs: where a new one goes, and opening one that is there. */
#include "run.h"

#include <stdio.h>
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

int64_t classes_of(const cj_recipe *recipe)
{
    cj_loss_kind loss = cj_recipe_loss(recipe);
    if (loss == CJ_BINARY_CROSS_ENTROPY) return 2;
    return loss == CJ_CROSS_ENTROPY ? cj_recipe_classes(recipe) : 0;
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
    if (!there(folder, "model.safetensors")) {
        fprintf(stderr, "cajal: %s: the run is not finished; `cajal train --resume %s` goes on with it\n",
                folder, folder);
        return EXIT_FAILED;
    }
    snprintf(path, sizeof path, "%.4000s/model.safetensors", folder);
    cj_status status = cj_model_new(&r->model, .seed = cj_recipe_seed(r->recipe));
    if (status == CJ_OK) status = cj_model_load(r->model, path);
    return status == CJ_OK ? EXIT_OK : failed(status);
}

void close_run(run *r)
{
    cj_model_free(r->model);
    cj_recipe_free(r->recipe);
}

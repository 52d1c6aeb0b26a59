/* Folders of runs: where a new one goes, and opening one that is there, or a recipe in the place of one. */
#include "run.h"
#include "lines.h"

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

bool is_folder(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
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

/* Of one example, as the run's folder knows it; of a text any length will do. Rank 0: that is not known. */
static cj_shape_t example_shape(const cj_recipe *recipe)
{
    int64_t block = cj_recipe_block(recipe), tokens = block ? block : 1;
    cj_shape_t shape = cj_recipe_shape(recipe), batch = {.rank = shape.rank + 1, .dims = {1}};
    if (cj_recipe_translates(recipe)) return cj_shape(1, 2, tokens);
    if (cj_recipe_is_language(recipe)) return cj_shape(1, tokens);
    for (int64_t d = 0; d < shape.rank; d++) batch.dims[d + 1] = shape.dims[d];
    return shape.rank ? batch : shape;
}

static int tell_unused(const cj_model *model, const char *path)
{
    enum { NAMED = 3 };
    int64_t unused = 0, count = cj_model_count(model);
    for (int64_t i = 0; i < count; i++) {
        cj_variable_info v = cj_model_variable(model, i);
        if (v.drawn) continue;
        if (unused == 0) fprintf(stderr, "cajal: %s: the network does not use the weights", path);
        if (unused < NAMED) fprintf(stderr, unused ? ", '%s'" : " '%s'", v.name);
        unused++;
    }
    if (unused > NAMED) fprintf(stderr, " and %lld more", (long long)(unused - NAMED));
    if (unused) fprintf(stderr, ": it is another than was trained\n");
    return unused ? EXIT_FAILED : EXIT_OK;
}

/* Whether the recipe draws the network that was trained: overrides may have it draw another. */
static int check_network(const run *r, cj_model *model, const char *path)
{
    cj_shape_t shape = example_shape(r->recipe);
    cj_dtype dtype = cj_recipe_is_text(r->recipe) ? CJ_I32 : CJ_F32;
    if (shape.rank == 0) return EXIT_OK;
    if (cj_draw_network_of(model, cj_recipe_forward, r->recipe, dtype, shape) != CJ_OK)
        return failed_in(path);
    return tell_unused(model, path);
}

static int load_member(run *r, const char *folder, int64_t member, bool overridden)
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
    if (status != CJ_OK) return failed(status);
    int code = check_network(r, r->models[member], weights);
    return code != EXIT_OK && overridden ? EXIT_USAGE : code;
}

static int load_preprocessing(run *r, const char *folder)
{
    char path[MOST_PATH + 32];
    if (!there(folder, "preprocessing.json")) return EXIT_OK;
    snprintf(path, sizeof path, "%.4000s/preprocessing.json", folder);
    cj_status status = cj_preprocessing_load(&r->preprocessing, path);
    return status == CJ_OK ? EXIT_OK : failed(status);
}

/* A text is cut as the run's own was, whatever text it is: one made anew would give tokens other numbers. */
static int use_tokenizer(run *r, const char *folder, const char *name, bool target)
{
    char path[MOST_PATH + 32];
    bool apart = cj_recipe_translates(r->recipe) && !cj_recipe_is_joint(r->recipe);
    if (!cj_recipe_is_text(r->recipe) || (target && !apart)) return EXIT_OK;
    snprintf(path, sizeof path, "%.4000s/%s", folder, name);
    if (!there(folder, name))
        return fprintf(stderr, "cajal: %s is missing: it says how the run's text was cut into tokens\n",
                       path),
               EXIT_FAILED;
    cj_status status = cj_recipe_set_tokenizer(r->recipe, path, target);
    return status == CJ_OK ? EXIT_OK : failed(status);
}

int check_kind(const run *r, const char *place, bool fits, const char *fault)
{
    if (fits && r->count == 1) return EXIT_OK;
    fprintf(stderr, "cajal: %s is %s\n", place,
            fits ? "an ensemble; name one of its members' folders" : fault);
    return EXIT_USAGE;
}

int use_kernels(run *r, const char *folder)
{
    char path[MOST_PATH + 32];
    snprintf(path, sizeof path, "%.4000s/kernels.json", folder);
    cj_status status = there(folder, "kernels.json") ? cj_recipe_set_kernels(r->recipe, path) : CJ_OK;
    if (status == CJ_OK) status = cj_recipe_open_kernels(r->recipe);
    return status == CJ_OK ? EXIT_OK : failed(status);
}

void tell_kernels(const cj_recipe *recipe)
{
    const char *now;
    const cj_kernels *kernels = cj_recipe_kernels(recipe);
    if (!kernels || cj_instruction_set(&now) != CJ_OK) return;
    const char *then = cj_kernels_describe(kernels).instruction_set;
    if (strcmp(now, then) != 0)
        fprintf(stderr, "cajal: the measured kernels are for %s; on %s the rules decide\n", then, now);
}

/* Whether the run's own recipe can be read, so that it is the overrides that cannot. */
static bool is_whole(const char *path)
{
    cj_recipe *recipe;
    bool whole = cj_recipe_read(&recipe, path, 0, NULL) == CJ_OK;
    cj_recipe_free(recipe);
    return whole;
}

static int open_folder(const options *o, const char *folder, int first_override, run *r)
{
    char path[MOST_PATH];
    if (!there(folder, "recipe.yaml")) {
        fprintf(stderr, "cajal: %s: no run is there (no recipe.yaml); `cajal train` makes one\n", folder);
        return EXIT_FAILED;
    }
    snprintf(path, sizeof path, "%.4000s/recipe.yaml", folder);
    int code = read_recipe(o, path, first_override, &r->recipe);
    if (code == EXIT_USAGE && !is_whole(path)) code = EXIT_FAILED;
    if (code == EXIT_OK) code = use_tokenizer(r, folder, "tokenizer.json", false);
    if (code == EXIT_OK) code = use_tokenizer(r, folder, "target-tokenizer.json", true);
    if (code == EXIT_OK) code = use_kernels(r, folder);
    if (code != EXIT_OK) return code;
    r->count = cj_recipe_members(r->recipe);
    for (int64_t i = 0; i < r->count && code == EXIT_OK; i++)
        code = load_member(r, folder, i, first_override < o->count);
    return code == EXIT_OK ? load_preprocessing(r, folder) : code;
}

/* One example of the recipe's data tells the shape to draw the network for; a language model of a known
 * vocabulary needs none. */
static cj_status draw_network(run *r)
{
    cj_recipe_sets sets;
    cj_status status = cj_model_new(&r->models[0], .seed = cj_recipe_seed(r->recipe));
    if (status == CJ_OK && cj_recipe_is_language(r->recipe) && cj_recipe_classes(r->recipe) > 0)
        return cj_draw_network_of(r->models[0], cj_recipe_forward, r->recipe, CJ_I32, cj_shape(1, 1));
    if (status == CJ_OK) status = cj_recipe_open_sample(r->recipe, &sets);
    if (status != CJ_OK) return status;
    cj_tensor x;
    cj_dataset_row(sets.training, 0, &x, NULL);
    cj_dtype dtype = x.dtype == CJ_I32 ? CJ_I32 : CJ_F32;
    status = cj_draw_network_of(r->models[0], cj_recipe_forward, r->recipe, dtype, x.shape);
    r->preprocessing = sets.preprocessing;
    sets.preprocessing = NULL;
    cj_recipe_close_data(&sets);
    return status;
}

static int open_untrained(const options *o, const char *path, int first_override, run *r)
{
    cj_weights_report *report = NULL;
    int code = read_recipe(o, path, first_override, &r->recipe);
    if (code != EXIT_OK) return code;
    const cj_weights *weights = cj_recipe_weights(r->recipe);
    if (!weights) {
        fprintf(stderr,
                "cajal: %s: the recipe names no weights: `weights: {from: FILE}`, or a run's folder\n", path);
        return EXIT_USAGE;
    }
    r->count = 1;
    cj_status status = draw_network(r);
    if (status == CJ_OK) status = cj_load_weights(r->models[0], weights, &report);
    if (status == CJ_OK) show_weights(report);
    cj_weights_report_free(report);
    return status == CJ_OK ? EXIT_OK : failed(status);
}

/* A checkpoint of llama2.c may lie where data does. */
static bool is_checkpoint(const char *place)
{
    size_t size = strlen(place);
    return size > 4 && strcmp(place + size - 4, ".bin") == 0 && !is_folder(place);
}

int open_run(const options *o, const char *place, int first_override, run *r)
{
    struct stat facts;
    *r = (run){0};
    bool file = (stat(place, &facts) == 0 && S_ISREG(facts.st_mode)) || is_checkpoint(place);
    return file ? open_untrained(o, place, first_override, r) : open_folder(o, place, first_override, r);
}

void close_run(run *r)
{
    cj_preprocessing_free(r->preprocessing);
    for (int i = 0; i < MOST_MEMBERS; i++) cj_model_free(r->models[i]);
    cj_recipe_free(r->recipe);
}

void tell_skipped(const cj_recipe_sets *sets)
{
    const cj_dataset *const parts[] = {sets->whole, sets->validation, sets->test};
    const char *first;
    for (int i = 0; i < 3; i++) {
        int64_t skipped = parts[i] ? cj_dataset_skipped(parts[i], &first) : 0;
        if (skipped > 0)
            fprintf(stderr, "cajal: %lld damaged pictures were left out, the first: %s\n", (long long)skipped,
                    first);
    }
}

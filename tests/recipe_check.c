/* Recipes trained for a few steps: that the loss falls, and that the bits neither hang on the number of
 * threads nor on an interruption. What a program keeps from step to step is gone with it when a training is
 * resumed, so what it should not have kept shows. */
#include "recipe_check.h"

#include "base/file.h"
#include "cajal/cajal.h"

#include <dirent.h>

/* --- the folder of data -------------------------------------------------------------------------------- */

const char *cj_test_data_place(const char *name)
{
    const char *path = cj_test_path(cj_test_folder, name);
    expect_ok(cj__folder_make_for(path));
    return path;
}

/* --- training ------------------------------------------------------------------------------------------ */

/* The digest is taken after COMPARED epochs. Large networks take fewer steps, an epoch each: under the
 * address sanitizer, many times slower, no more than that. */
#ifdef __SANITIZE_ADDRESS__
enum { EPOCHS = 4, COMPARED = 2, FEWER = COMPARED };
#else
enum { EPOCHS = 4, COMPARED = 2, FEWER = 3 };
#endif

typedef struct {
    bool again, interrupt; /* again: only as far as the digest is taken */
    int64_t epochs;
    double losses[EPOCHS + 1];
    char digest[65];
} course;

static cj_verdict watch(const cj_progress *p, void *context)
{
    course *c = context;
    if (c->interrupt) return p->updates > 0 ? CJ_INTERRUPT : CJ_GO_ON;
    c->epochs = c->again ? COMPARED : cj_program_describe(p->program).operations > 2e9 ? FEWER : EPOCHS;
    if (!p->epoch_done) return CJ_GO_ON;
    c->losses[p->epoch] = p->training.loss;
    if (p->epoch == COMPARED) cj_model_digest(p->model, c->digest);
    return p->epoch == c->epochs ? CJ_STOP : CJ_GO_ON;
}

typedef struct {
    const char *path;
    int count;
    const char *const *overrides;
    const char *folder; /* of the run; NULL: it leaves nothing */
    bool resume;
} attempt;

static void train(const attempt *a, cj_status wanted, course *c)
{
    cj_recipe *recipe;
    cj_recipe_sets sets;
    cj_model *model;
    expect_ok(cj_recipe_read(&recipe, a->path, a->count, a->overrides));
    expect_ok(cj_recipe_open_data(recipe, &sets));
    cj_fit_options fit = cj_recipe_fit_options(recipe);
    expect_ok(cj_model_new(&model, .seed = fit.seed));
    fit.model = model;
    fit.dataset = sets.training;
    fit.validation_dataset = sets.validation;
    fit.folder = a->folder;
    fit.resume = a->resume;
    fit.callbacks[0] = (cj_callback){watch, c};
    expect_status((cj_fit)(&fit, NULL), wanted);
    cj_model_free(model);
    cj_recipe_close_data(&sets);
    cj_recipe_free(recipe);
}

static void train_interrupted(attempt a, course *c)
{
    char *folder = cj_test_new_folder();
    course broken_off = {.interrupt = true};
    a.folder = folder;
    train(&a, CJ_INTERRUPTED, &broken_off);
    a.resume = true;
    train(&a, CJ_OK, c);
    cj_test_remove_folder(folder);
}

void cj_test_try_recipe(const char *name, int count, const char *const *overrides)
{
    course whole = {0}, parts = {.again = true};
    char path[512];
    snprintf(path, sizeof path, CJ_TEST_SOURCE "/recipes/%s", name);
    attempt a = {path, count, overrides, NULL, false};
    expect_ok(cj_set_threads(1));
    train(&a, CJ_OK, &whole);
    expect_ok(cj_set_threads(3));
    train_interrupted(a, &parts);
    expect_ok(cj_set_threads(2));
    if (strcmp(whole.digest, parts.digest) != 0)
        fail_msg("%s: other bits with three threads, interrupted and resumed", name);
    double last = whole.losses[whole.epochs];
    if (!(last < whole.losses[1]))
        fail_msg("%s: the loss does not fall: %g, then %g", name, whole.losses[1], last);
}

/* --- the recipes --------------------------------------------------------------------------------------- */

bool cj_test_recipe_says(const char *name, const char *key)
{
    char path[512];
    snprintf(path, sizeof path, CJ_TEST_SOURCE "/recipes/%s", name);
    char *text = cj_test_read_file(path, NULL);
    bool there = strstr(text, key) != NULL;
    free(text);
    return there;
}

static int has_ending(const struct dirent *entry)
{
    const char *end = strrchr(entry->d_name, '.');
    return end && strcmp(end, ".yaml") == 0;
}

static void test_all(void **state)
{
    const cj_test_recipes *t = *state;
    struct dirent **found;
    int count = scandir(CJ_TEST_SOURCE "/recipes", &found, has_ending, alphasort), tried = 0;
    assert_int_equal(setenv("CAJAL_DATA", cj_test_folder, 1), 0);
    t->put_data();
    for (int i = 0; i < count; i++) {
        if (cj_test_recipe_says(found[i]->d_name, "\n  text:") == t->texts) {
            t->try(found[i]->d_name);
            tried++;
        }
        free(found[i]);
    }
    free(found);
    assert_true(tried >= t->fewest);
}

int cj_test_run_recipes(cj_test_recipes t)
{
#ifndef CJ_HAVE_YAML
    (void)t, (void)test_all;
    printf("SKIP: this build reads no recipes\n");
    return 0;
#else
    const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(test_all, &t)};
    return cmocka_run_group_tests(tests, cj_test_make_folder, cj_test_drop_folder);
#endif
}

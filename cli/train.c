/* cajal train: a recipe's network trained, saved and tested. An ensemble is so many of them, and their mean.
 */
#include "clock.h"
#include "judgement.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct {
    const options *o;
    run run;
    cj_recipe_sets sets;
    char folder[MOST_PATH]; /* "": nothing is saved */
    cj_progress last;
    char weights[MOST_MEMBERS][65]; /* SHA-256 of each member's */
    report report;
    double accuracies[MOST_MEMBERS];
} training;

/* --- folders ------------------------------------------------------------------------------------------- */

static cj_status save_tokenizer(const cj_tokenizer *tokenizer, const char *folder, const char *name)
{
    char path[MOST_PATH + 32];
    if (!tokenizer) return CJ_OK;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return cj_tokenizer_save(tokenizer, path);
}

/* The folder's own measured kernels are those that the recipe names from then on. */
static cj_status save_kernels(const training *t)
{
    char path[MOST_PATH + 32];
    const cj_kernels *kernels = cj_recipe_kernels(t->run.recipe);
    if (!kernels) return CJ_OK;
    snprintf(path, sizeof path, "%s/kernels.json", t->folder);
    cj_status status = cj_kernels_save(kernels, path);
    if (status == CJ_OK) status = cj_recipe_set_kernels(t->run.recipe, path);
    return status == CJ_OK ? cj_recipe_open_kernels(t->run.recipe) : status;
}

static cj_status save_recipe(const cj_recipe *recipe, const char *folder)
{
    char path[MOST_PATH + 32];
    if (!*folder) return CJ_OK;
    snprintf(path, sizeof path, "%s/recipe.yaml", folder);
    return cj_recipe_save(recipe, path);
}

/* The recipe, and what was made for it of the data. */
static cj_status save_settings(const training *t, const cj_recipe *recipe, const char *folder)
{
    char path[MOST_PATH + 32];
    cj_status status = save_recipe(recipe, folder);
    if (status == CJ_OK) status = save_tokenizer(t->sets.tokenizer, folder, "tokenizer.json");
    if (status == CJ_OK) status = save_tokenizer(t->sets.target_tokenizer, folder, "target-tokenizer.json");
    if (status != CJ_OK || !t->sets.preprocessing) return status;
    snprintf(path, sizeof path, "%s/preprocessing.json", folder);
    return cj_preprocessing_save(t->sets.preprocessing, path);
}

static cj_status begin_folder(const training *t)
{
    if (!*t->folder) return CJ_OK;
    cj_status status = save_kernels(t);
    return status == CJ_OK ? save_settings(t, t->run.recipe, t->folder) : status;
}

/* So that a member's folder is a run by itself: the recipe for it alone. */
static cj_status save_member(const training *t, int64_t member, const char *folder)
{
    char path[MOST_PATH + 32], seed[64], threshold[64];
    const char *const overrides[] = {"ensemble.members=1", seed, threshold};
    cj_recipe *alone;
    if (!*folder) return CJ_OK;
    snprintf(path, sizeof path, "%s/recipe.yaml", t->folder);
    snprintf(seed, sizeof seed, "training.seed=%llu",
             (unsigned long long)cj_recipe_seed(t->run.recipe) + (unsigned long long)member);
    snprintf(threshold, sizeof threshold, "threshold.value=%.17g", cj_recipe_threshold(t->run.recipe));
    cj_status status = cj_recipe_read(&alone, path, 3, overrides);
    if (status != CJ_OK) return status;
    status = save_settings(t, alone, folder);
    cj_recipe_free(alone);
    return status;
}

/* --- training ------------------------------------------------------------------------------------------ */

static cj_status fit_one(training *t, int64_t member, const char *folder)
{
    char *text = NULL;
    cj_recipe *recipe = t->run.recipe;
    cj_fit_options fit = cj_recipe_fit_options(recipe);
    fit.seed = cj_recipe_seed(recipe) + (uint64_t)member;
    cj_status status = cj_recipe_text(recipe, &text);
    if (status == CJ_OK) status = cj_model_new(&t->run.models[member], .seed = fit.seed);
    fit.model = t->run.models[member];
    fit.dataset = t->sets.training;
    fit.validation_dataset = t->sets.validation;
    fit.folder = *folder ? folder : NULL;
    fit.resume = t->o->resume != NULL;
    fit.recipe = text;
    fit.callbacks[0].call = t->o->quiet ? watch_signals : show_progress;
    if (status == CJ_OK) status = (cj_fit)(&fit, &t->last);
    if (status == CJ_OK) cj_model_digest(fit.model, t->weights[member]);
    cj_text_free(text);
    return status;
}

/* The test of one member, or of the whole run when `member` is -1. Where there is no test part, as of many
 * texts, the validation is told in full. */
static cj_status test(training *t, int64_t member, const char *folder)
{
    run one = t->run;
    const cj_dataset *rows = t->sets.test ? t->sets.test : t->sets.validation;
    if (!rows) return CJ_OK;
    if (member >= 0) one = (run){.recipe = t->run.recipe, .models = {t->run.models[member]}, .count = 1};
    cj_status status = evaluate_run(t->o, "testing", &one, rows, &t->report);
    if (status != CJ_OK || !*folder || !t->sets.test) return status;
    return report_run(&one, folder, t->sets.test, &t->report,
                      one.count == 1 ? t->weights[member < 0 ? 0 : member] : NULL);
}

static cj_status train_member(training *t, int64_t member)
{
    char folder[MOST_PATH] = "";
    int64_t members = t->run.count;
    if (*t->folder) member_folder(t->folder, member, members, folder);
    if (members > 1 && !t->o->quiet)
        fprintf(stderr, "member %lld of %lld\n", (long long)member + 1, (long long)members);
    run one = {.recipe = t->run.recipe, .count = 1};
    cj_status status = fit_one(t, member, folder);
    one.models[0] = t->run.models[member];
    if (status == CJ_OK) status = choose_threshold(&one, t->sets.validation);
    if (status == CJ_OK) status = test(t, member, folder);
    t->accuracies[member] = t->report.scores.accuracy;
    return status == CJ_OK && members > 1 ? save_member(t, member, folder) : status;
}

static void show_members(const training *t)
{
    double best = 0;
    for (int64_t i = 0; i < t->run.count; i++) {
        if (t->accuracies[i] > best) best = t->accuracies[i];
        printf("member %lld: %s accuracy %.2f %%, weights sha256 %s\n", (long long)i + 1, t->report.part,
               100 * t->accuracies[i], t->weights[i]);
    }
    printf("best member %.2f %%; the mean of their probabilities:\n", 100 * best);
}

/* --- the command --------------------------------------------------------------------------------------- */

static cj_status train(training *t)
{
    cj_status status = cj_recipe_open_data(t->run.recipe, &t->sets);
    if (status == CJ_OK) tell_skipped(&t->sets);
    if (status == CJ_OK) tell_kernels(t->run.recipe);
    if (status == CJ_OK)
        status = begin_report(&t->report, t->run.recipe, t->sets.test ? "test" : "validation");
    if (status == CJ_OK) status = begin_folder(t);
    for (int64_t i = 0; i < t->run.count && status == CJ_OK; i++) status = train_member(t, i);
    if (status == CJ_OK && t->run.count > 1) {
        status = choose_threshold(&t->run, t->sets.validation);
        if (status == CJ_OK) status = test(t, -1, t->folder);
    }
    if (status == CJ_OK) status = save_recipe(t->run.recipe, t->folder); /* with the threshold chosen */
    return status;
}

/* A new run takes the folder named, which may not hold one, or the next free one below runs/. */
static int choose_folder(training *t)
{
    if (t->o->no_save) return EXIT_OK;
    if (t->o->resume) return snprintf(t->folder, sizeof t->folder, "%.4000s", t->o->resume), EXIT_OK;
    if (!t->o->output) return next_folder(cj_recipe_name(t->run.recipe), t->folder), EXIT_OK;
    snprintf(t->folder, sizeof t->folder, "%.4000s", t->o->output);
    if (!holds_run(t->folder)) return EXIT_OK;
    fprintf(stderr, "cajal: %s holds a run already: --resume %s goes on with it, or name another folder\n",
            t->folder, t->folder);
    return EXIT_USAGE;
}

static int open_training(training *t)
{
    char path[MOST_PATH];
    if (!t->o->resume) return open_recipe(t->o, &t->run.recipe);
    if (t->o->output || t->o->no_save) {
        fprintf(stderr, "cajal: --resume names the folder; --output and --no-save do not go with it\n");
        return EXIT_USAGE;
    }
    snprintf(path, sizeof path, "%.4000s/recipe.yaml", t->o->resume);
    int code = read_recipe(t->o, path, 0, &t->run.recipe);
    return code == EXIT_OK ? use_kernels(&t->run, t->o->resume) : code;
}

static void show_duration(double seconds, bool tested)
{
    bool long_one = seconds >= 120;
    printf("\ntrained%s in %.1f %s\n", tested ? " and tested" : "", long_one ? seconds / 60 : seconds,
           long_one ? "minutes" : "seconds");
}

static void tell(const training *t, double seconds)
{
    const report *tested = t->report.scores.count ? &t->report : NULL;
    bool ensemble = t->run.count > 1;
    if (t->o->json) {
        show_json(&(results){.recipe = cj_recipe_name(t->run.recipe),
                             .folder = *t->folder ? t->folder : NULL,
                             .weights = t->weights[0],
                             .seed = cj_recipe_seed(t->run.recipe),
                             .seconds = seconds,
                             .last = &t->last,
                             .report = tested,
                             .models = t->run.count,
                             .accuracies = ensemble && tested ? t->accuracies : NULL});
        return;
    }
    if (ensemble && tested) show_members(t);
    if (tested) show_report(tested);
    show_duration(seconds, tested != NULL);
    for (int64_t i = 0; i < t->run.count && !(ensemble && tested); i++)
        printf("weights sha256 %s\n", t->weights[i]);
    if (*t->folder) printf("saved in %s; its curves: %s/report.html\n", t->folder, t->folder);
}

int command_train(const options *o)
{
    training t = {.o = o};
    double start = clock_now();
    int code = open_training(&t);
    if (code == EXIT_OK) t.run.count = cj_recipe_members(t.run.recipe);
    if (code == EXIT_OK) code = choose_folder(&t);
    if (code == EXIT_OK) {
        catch_signals();
        cj_status status = train(&t);
        if (status == CJ_OK)
            tell(&t, clock_now() - start);
        else
            code = failed(status);
    }
    if (code == EXIT_STOPPED && *t.folder)
        fprintf(stderr, "cajal: `cajal train --resume %s` goes on from here\n", t.folder);
    free(t.report.confusion);
    cj_recipe_close_data(&t.sets);
    close_run(&t.run);
    return code;
}

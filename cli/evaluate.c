/* cajal evaluate: the network of a finished run, or of a recipe that names its weights, on rows of data, its
 * test rows unless told otherwise. */
#include "judgement.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cj_dataset *part_of(const cj_recipe_sets *sets, const char *part)
{
    if (strcmp(part, "training") == 0) return sets->training;
    return strcmp(part, "validation") == 0 ? sets->validation : sets->test;
}

static int report_on(const options *o, run *r, const cj_recipe_sets *sets, const char *part)
{
    const cj_dataset *rows = part_of(sets, part);
    report result;
    char weights[MOST_MEMBERS][65];
    if (!rows) return fprintf(stderr, "cajal: the recipe keeps no %s rows\n", part), EXIT_FAILED;
    cj_status status = begin_report(&result, r->recipe, part);
    if (status == CJ_OK) status = evaluate_run(o, "evaluating", r, rows, &result);
    for (int64_t i = 0; i < r->count; i++) cj_model_digest(r->models[i], weights[i]);
    if (status == CJ_OK && o->json)
        show_json(&(results){.recipe = cj_recipe_name(r->recipe),
                             .folder = is_folder(o->operands[0]) ? o->operands[0] : NULL,
                             .weights = weights[0],
                             .models = r->count,
                             .seed = cj_recipe_seed(r->recipe),
                             .report = &result});
    else if (status == CJ_OK)
        show_report(&result);
    free(result.confusion);
    return status == CJ_OK ? EXIT_OK : failed(status);
}

int command_evaluate(const options *o)
{
    run r;
    cj_recipe_sets sets = {0};
    const char *part = o->part;
    if (o->count < 1)
        return fprintf(stderr, "cajal: name a run's folder, runs/mnist-mlp, say, or a recipe with weights\n"),
               EXIT_USAGE;
    int code = open_run(o, o->operands[0], 1, &r);
    if (code == EXIT_OK) {
        cj_status status = cj_recipe_open_data(r.recipe, &sets);
        if (status == CJ_OK) tell_skipped(&sets);
        if (!part) part = sets.validation && !sets.test ? "validation" : "test";
        code = status == CJ_OK ? report_on(o, &r, &sets, part) : failed(status);
    }
    cj_recipe_close_data(&sets);
    close_run(&r);
    return code;
}

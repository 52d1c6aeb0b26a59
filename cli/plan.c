/* cajal plan: the compiled training step, by the rules, by a choice that was measured before, or by one that
 * is measured now. */
#include "cli.h"
#include "look.h"

#include <stdio.h>

static cj_status print_plan(const options *o, const drawing *d)
{
    char *text = NULL;
    (void)o;
    cj_status status = cj_program_text(d->program, &text);
    return print_text(status, text);
}

/* Draws the step twice: for its kernels to be timed, then to be planned with the fastest. */
static cj_status measure(const options *o, cj_recipe *recipe, const cj_dataset *data, cj_kernels *kernels)
{
    drawing d;
    char *text = NULL;
    cj_status status = draw_step(recipe, data, NULL, &d);
    if (status == CJ_OK) status = cj_kernels_measure(kernels, d.graph);
    discard_step(&d);
    if (status == CJ_OK) status = cj_kernels_text(kernels, &text);
    if (status == CJ_OK) status = print_text(status, text);
    if (status != CJ_OK) return status;
    printf("\n");
    status = draw_step(recipe, data, kernels, &d);
    if (status == CJ_OK) status = print_plan(o, &d);
    discard_step(&d);
    return status;
}

static cj_status keep(const cj_kernels *kernels, const char *path)
{
    cj_status status = cj_kernels_save(kernels, path);
    if (status == CJ_OK)
        printf("measured kernels written to %s: `training.kernels=%s` uses them\n", path, path);
    return status;
}

static int measured_plan(const options *o)
{
    cj_recipe *recipe;
    cj_recipe_sets sets = {0};
    cj_kernels *kernels = NULL;
    int code = open_recipe(o, &recipe);
    if (code != EXIT_OK) return code;
    cj_status status = cj_recipe_open_sample(recipe, &sets);
    if (status == CJ_OK) status = cj_kernels_new(&kernels);
    if (status == CJ_OK) status = measure(o, recipe, sets.training, kernels);
    if (status == CJ_OK && o->out) status = keep(kernels, o->out);
    if (status != CJ_OK) code = failed(status);
    cj_kernels_free(kernels);
    cj_recipe_close_data(&sets);
    cj_recipe_free(recipe);
    return code;
}

int command_plan(const options *o)
{
    if (o->measure) return measured_plan(o);
    if (o->out)
        return fprintf(stderr, "cajal: --out is the file for measured kernels, and goes with --measure\n"),
               EXIT_USAGE;
    return look(o, print_plan);
}

/* cajal summary, graph and check: what a recipe says, shown. */
#include "cli.h"
#include "look.h"

#include <stdio.h>
#include <string.h>

cj_status draw_step(cj_recipe *recipe, const cj_dataset *data, const cj_kernels *kernels, drawing *d)
{
    cj_fit_options fit = cj_recipe_fit_options(recipe);
    fit.kernels = kernels;
    *d = (drawing){0};
    cj_status status = cj_model_new(&d->model, .seed = cj_recipe_seed(recipe));
    if (status == CJ_OK) {
        fit.model = d->model;
        fit.dataset = data;
        status = cj_draw_step(&fit, &d->graph);
    }
    return status == CJ_OK ? cj_compile(&d->program, d->graph) : status;
}

void discard_step(drawing *d)
{
    cj_program_free(d->program);
    cj_graph_free(d->graph);
    cj_model_free(d->model);
}

int look(const options *o, cj_status (*show)(const options *o, const drawing *d))
{
    cj_recipe *recipe;
    cj_recipe_sets sets = {0};
    drawing d = {0};
    int code = open_recipe(o, &recipe);
    if (code != EXIT_OK) return code;
    cj_status status = cj_recipe_open_sample(recipe, &sets);
    if (status == CJ_OK) status = draw_step(recipe, sets.training, cj_recipe_kernels(recipe), &d);
    if (status == CJ_OK) status = show(o, &d);
    if (status != CJ_OK) code = failed(status);
    discard_step(&d);
    cj_recipe_close_data(&sets);
    cj_recipe_free(recipe);
    return code;
}

cj_status print_text(cj_status status, char *text)
{
    if (status == CJ_OK) fputs(text, stdout);
    cj_text_free(text);
    return status;
}

static const char *const format_names[] = {"text", "mermaid", "dot"}; /* in the order of cj_dump_format */

static cj_dump_format format_of(const options *o)
{
    for (int i = 0; o->format && i < 3; i++)
        if (strcmp(o->format, format_names[i]) == 0) return (cj_dump_format)i;
    return CJ_DUMP_MERMAID;
}

static cj_status print_graph(const options *o, const drawing *d)
{
    char *text = NULL;
    cj_status status = cj_graph_dump_after(d->graph, o->after ? o->after : "draw", format_of(o), &text);
    return print_text(status, text);
}

static cj_status print_summary(const options *o, const drawing *d)
{
    char *layers = NULL;
    (void)o;
    cj_status status = cj_graph_summary(d->graph, &layers);
    if (status == CJ_OK) show_summary(stdout, layers, d->model, d->program);
    cj_text_free(layers);
    return status;
}

int command_summary(const options *o)
{
    bool named = o->model || o->models;
    if (named && o->count)
        return fprintf(stderr, "cajal: `cajal summary --model%s` takes no recipe, but found '%s'\n",
                       o->model ? "" : "s", o->operands[0]),
               EXIT_USAGE;
    if ((o->input || o->classes) && !o->model)
        return fprintf(stderr, "cajal: --%s says how the network that --model names is drawn\n",
                       o->input ? "input" : "classes"),
               EXIT_USAGE;
    return o->model ? show_network(o) : o->models ? list_networks() : look(o, print_summary);
}

int command_graph(const options *o)
{
    return look(o, print_graph);
}

int command_check(const options *o)
{
    cj_recipe *recipe;
    char *text;
    int code = open_recipe(o, &recipe);
    if (code != EXIT_OK) return code;
    cj_status status = cj_recipe_text(recipe, &text);
    if (print_text(status, text) != CJ_OK) code = failed(status);
    cj_recipe_free(recipe);
    return code;
}

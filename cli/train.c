/* cajal train, summary, graph, plan and check: what a recipe says, done or shown. */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The recipe's training step, drawn for one batch of its data. */
typedef struct {
    cj_model *model;
    cj_graph *graph;
    cj_program *program;
} drawing;

static cj_status draw(cj_recipe *recipe, const cj_dataset *data, drawing *d)
{
    cj_fit_options fit = cj_recipe_fit_options(recipe);
    cj_status status = cj_model_new(&d->model, .seed = cj_recipe_seed(recipe));
    if (status == CJ_OK) status = cj_graph_new(&d->graph, d->model, .mode = CJ_TRAINING);
    if (status != CJ_OK) return status;
    cj_shape_t shape = cj_dataset_x(data).shape;
    shape.dims[0] = fit.batch_size;
    cj_value x = cj_input(d->graph, "x", CJ_F32, shape),
             y = cj_input(d->graph, "y", CJ_I32, cj_shape(fit.batch_size));
    cj_value logits = cj_named(cj_recipe_forward(cj_root(d->graph), x, recipe), "logits");
    cj_value loss = cj_named(cj_cross_entropy(logits, y, .label_smoothing = fit.label_smoothing), "loss");
    cj_output(d->graph, "loss", loss);
    cj_minimize(loss, fit.optimizer);
    return cj_compile(&d->program, d->graph);
}

static void discard(drawing *d)
{
    cj_program_free(d->program);
    cj_graph_free(d->graph);
    cj_model_free(d->model);
}

/* --- train --------------------------------------------------------------------------------------------- */

/* The drawing is made once more, for what it costs; its model is thrown away. */
static void summarise(cj_recipe *recipe, const cj_dataset *data)
{
    drawing d = {0};
    if (draw(recipe, data, &d) == CJ_OK) show_summary(d.model, d.program);
    discard(&d);
}

typedef struct {
    const options *o;
    cj_recipe *recipe;
    cj_dataset *data, *test;
    cj_model *model;
    int64_t *confusion;
    cj_progress last;
    cj_scores scores;
} training;

static cj_status train(training *t)
{
    cj_status status = cj_recipe_data(t->recipe, false, &t->data);
    if (status == CJ_OK) status = cj_recipe_data(t->recipe, true, &t->test);
    if (status == CJ_OK) status = cj_model_new(&t->model, .seed = cj_recipe_seed(t->recipe));
    if (status != CJ_OK) return status;
    if (!t->o->quiet) summarise(t->recipe, t->data);
    cj_fit_options fit = cj_recipe_fit_options(t->recipe);
    fit.model = t->model;
    fit.dataset = t->data;
    fit.on_progress = t->o->quiet ? NULL : show_progress;
    if ((status = cj_fit(&fit, &t->last)) != CJ_OK) return status;
    cj_evaluate_options evaluate = cj_recipe_evaluate_options(t->recipe);
    evaluate.model = t->model;
    evaluate.dataset = t->test;
    evaluate.confusion = t->confusion;
    return cj_evaluate(&evaluate, &t->scores);
}

int command_train(const options *o)
{
    training t = {.o = o};
    int code = open_recipe(o, &t.recipe);
    if (code != EXIT_OK) return code;
    double start = now();
    int64_t classes = cj_recipe_classes(t.recipe);
    catch_signals();
    t.confusion = calloc((size_t)(classes * classes), sizeof *t.confusion);
    cj_status status = t.confusion ? train(&t) : CJ_OUT_OF_MEMORY;
    if (status != CJ_OK)
        code = failed(status);
    else if (o->json)
        show_json(cj_recipe_name(t.recipe), cj_recipe_seed(t.recipe), now() - start, &t.last, &t.scores);
    else
        show_report(&t.scores, classes, t.confusion);
    free(t.confusion);
    cj_model_free(t.model);
    cj_dataset_free(t.data);
    cj_dataset_free(t.test);
    cj_recipe_free(t.recipe);
    return code;
}

/* --- looking ------------------------------------------------------------------------------------------- */

/* Draws the recipe's step and shows one side of it. */
static int look(const options *o, cj_status (*show)(const drawing *d))
{
    cj_recipe *recipe;
    cj_dataset *data;
    drawing d = {0};
    int code = open_recipe(o, &recipe);
    if (code != EXIT_OK) return code;
    cj_status status = cj_recipe_data(recipe, false, &data);
    if (status == CJ_OK) status = draw(recipe, data, &d);
    if (status == CJ_OK) status = show(&d);
    if (status != CJ_OK) code = failed(status);
    discard(&d);
    cj_dataset_free(data);
    cj_recipe_free(recipe);
    return code;
}

static cj_status print_text(cj_status status, char *text)
{
    if (status == CJ_OK) fputs(text, stdout);
    cj_text_free(text);
    return status;
}

static cj_status print_graph(const drawing *d)
{
    char *text;
    cj_status status = cj_graph_dump(d->graph, CJ_DUMP_MERMAID, &text);
    return print_text(status, text);
}

static cj_status print_plan(const drawing *d)
{
    char *text;
    cj_status status = cj_program_text(d->program, &text);
    return print_text(status, text);
}

static cj_status print_summary(const drawing *d)
{
    show_summary(d->model, d->program);
    return CJ_OK;
}

int command_summary(const options *o)
{
    return look(o, print_summary);
}

int command_graph(const options *o)
{
    return look(o, print_graph);
}

int command_plan(const options *o)
{
    return look(o, print_plan);
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

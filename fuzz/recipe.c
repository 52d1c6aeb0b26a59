/* Any text as a recipe, with an override. What is accepted must be written out so that it reads as the same,
 * and a small network of it must be drawn or refused. */
#include "support/input.h"

#include "recipe/recipe.h"

#include <string.h>

static void check_text(const cj_recipe *recipe)
{
    char *text, *again;
    cj_recipe *copy;
    if (cj_recipe_text(recipe, &text) != CJ_OK) abort();
    if (cj_recipe_read(&copy, fuzz_path(text, strlen(text)), 0, NULL) != CJ_OK) abort();
    if (cj_recipe_text(copy, &again) != CJ_OK || strcmp(text, again) != 0) abort();
    cj_text_free(text);
    cj_text_free(again);
    cj_recipe_free(copy);
}

/* Weights that a recipe may well ask for would take all the memory there is. */
static bool is_small(const cj_recipe *recipe)
{
    for (int i = 0; i < recipe->layer_count; i++) {
        const cj_layer *l = &recipe->layers[i];
        if (l->value > 64 || l->kernel > 16 || l->dilation > 16 || l->pad > 16) return false;
    }
    return recipe->layer_count > 0 && recipe->layer_count < 16;
}

static void draw(cj_recipe *recipe)
{
    cj_model *model;
    cj_graph *graph;
    cj_shape_t shape = cj_recipe_shape(recipe), batch = {.rank = shape.rank + 1, .dims = {2}};
    if (shape.rank == 0 || shape.rank == CJ_MAX_RANK || cj_shape_count(shape) > 64 || !is_small(recipe))
        return;
    memcpy(batch.dims + 1, shape.dims, (size_t)shape.rank * sizeof *batch.dims);
    if ((cj_model_new)(&(cj_model_options){.size = sizeof(cj_model_options), .model = &model}) != CJ_OK)
        abort();
    if ((cj_graph_new)(&graph, &(cj_graph_options){.size = sizeof(cj_graph_options), .model = model}) !=
        CJ_OK)
        abort();
    cj_value x = (cj_input)(graph, "x", CJ_F32, batch);
    cj_recipe_forward(cj_root(graph), x, recipe);
    cj_graph_free(graph);
    cj_model_free(model);
}

static void use(cj_recipe *recipe)
{
    cj_fit_options fit = cj_recipe_fit_options(recipe);
    cj_evaluate_options evaluate = cj_recipe_evaluate_options(recipe);
    if (fit.batch_size < 1 || evaluate.batch_size != fit.batch_size || cj_recipe_members(recipe) < 1) abort();
    for (int64_t i = 0; i < fit.class_count; i++)
        if (!(fit.class_weights[i] >= 0 && fit.class_weights[i] < 1e30)) abort();
    cj_recipe_threshold_rule(recipe);
    draw(recipe);
    check_text(recipe);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const overrides[] = {"training.epochs=3", "name=x"};
    cj_recipe *recipe;
    if (cj_recipe_read(&recipe, fuzz_path(data, size), size % 3, overrides) != CJ_OK) return 0;
    use(recipe);
    cj_recipe_free(recipe);
    return 0;
}

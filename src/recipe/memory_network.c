/* A recipe's memory network: whether `model` names it, and its sizes. */
#include "recipe/recipe.h"
#include "cajal/language.h"

#include <string.h>

static const cj__network_keys networks[] = {{"memory", "classes|layers|width|hidden|dropout"}, {NULL, NULL}};

static cj_status check_memory(const cj_recipe *r)
{
    CJ__TRY(cj__recipe_check_share(r, CJ__KEY_model_dropout));
    CJ__TRY(cj__recipe_check_range(r, CJ__KEY_model_layers, 1, 1024,
                                   "from 1 to 1024: how often it looks at the story"));
    CJ__TRY(cj__recipe_check_size(r, CJ__KEY_model_width));
    if (strcmp(r->values[CJ__KEY_data_format], "stories") == 0) return CJ_OK;
    return cj__recipe_bad_value(r, CJ__KEY_data_format, "stories, which is what a memory network reads");
}

static cj_value draw_memory(cj_scope scope, cj_value x, cj_recipe *r)
{
    cj_memory_network_options options = {.size = sizeof options,
                                         .input = x,
                                         .vocabulary = cj_recipe_vocabulary(r),
                                         .hops = cj__recipe_count(r, CJ__KEY_model_layers),
                                         .width = cj__recipe_count(r, CJ__KEY_model_width),
                                         .classes = cj_recipe_classes(r),
                                         .hidden = cj__recipe_count(r, CJ__KEY_model_hidden),
                                         .dropout = cj__recipe_number(r, CJ__KEY_model_dropout)};
    return cj_memory_network(scope, &options);
}

const cj__family cj__memory_networks = {networks, check_memory, draw_memory};

/* A recipe's memory network: whether `model` names it, and its sizes. */
#include "recipe/recipe.h"
#include "cajal/language.h"

#include <string.h>

bool cj__recipe_is_memory(const cj_recipe *r)
{
    return strcmp(r->values[CJ__KEY_model_name], "memory") == 0;
}

cj_status cj__recipe_check_memory(const cj_recipe *r)
{
    double dropout = cj__recipe_number(r, CJ__KEY_model_dropout);
    int64_t hops = cj__recipe_count(r, CJ__KEY_model_layers),
            width = cj__recipe_count(r, CJ__KEY_model_width);
    if (!(dropout >= 0 && dropout < 1))
        return cj__recipe_bad_value(r, CJ__KEY_model_dropout, "a share from 0 up to 1");
    if (hops < 1 || hops > 1024)
        return cj__recipe_bad_value(r, CJ__KEY_model_layers,
                                    "from 1 to 1024: how often it looks at the story");
    if (width < 1 || width > 1 << 24)
        return cj__recipe_bad_value(r, CJ__KEY_model_width, "1 or more, and 16,777,216 at most");
    if (strcmp(r->values[CJ__KEY_data_format], "stories") == 0) return CJ_OK;
    return cj__recipe_bad_value(r, CJ__KEY_data_format, "stories, which is what a memory network reads");
}

cj_value cj__recipe_draw_memory(cj_scope scope, cj_value x, const cj_recipe *r)
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

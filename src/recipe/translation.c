/* A recipe's translator: which of them `model` names, its sizes, and how it reads a pair of sentences. */
#include "graph/graph.h"
#include "recipe/recipe.h"

#include <string.h>

static const cj__network_keys networks[] = {
    {"transformer", "classes|block|layers|heads|width|hidden|dropout"},
    {"gru-attention", "classes|block|width|hidden|dropout"},
    {NULL, NULL}};
enum { TRANSFORMER, GRU };

static int translator_of(const cj_recipe *r)
{
    return cj__recipe_member(r, &cj__translators);
}

bool cj_recipe_translates(const cj_recipe *r)
{
    return cj__recipe_is_of(r, &cj__translators);
}

int64_t cj__recipe_translator_block(const cj_recipe *r)
{
    int64_t block = cj__recipe_count(r, CJ__KEY_model_block);
    return block ? block : 128;
}

bool cj_recipe_is_joint(const cj_recipe *r)
{
    return strcmp(r->values[CJ__KEY_data_target_tokenizer], "joint") == 0;
}

/* --- checks -------------------------------------------------------------------------------------------- */

static cj_status check_transformer(const cj_recipe *r)
{
    int64_t width = cj__recipe_count(r, CJ__KEY_model_width);
    CJ__TRY(cj__recipe_check_range(r, CJ__KEY_model_layers, 1, 1024,
                                   "from 1 to 1024, of encoder and decoder each"));
    CJ__TRY(cj__recipe_check_range(r, CJ__KEY_model_heads, 1, 4096, "from 1 to 4096"));
    if (width % cj__recipe_count(r, CJ__KEY_model_heads) == 0 && width % 2 == 0) return CJ_OK;
    return cj__recipe_bad_value(r, CJ__KEY_model_width, "even, and a multiple of model.heads");
}

static cj_status check_translation(const cj_recipe *r)
{
    CJ__TRY(cj__recipe_check_share(r, CJ__KEY_model_dropout));
    CJ__TRY(cj__recipe_check_range(r, CJ__KEY_model_width, 1, 1 << 16, "from 1 to 65,536"));
    CJ__TRY(cj__recipe_check_range(r, CJ__KEY_model_hidden, 0, 1 << 20, "1,048,576 at most"));
    CJ__TRY(cj__recipe_check_range(r, CJ__KEY_model_block, 0, 1 << 16, "65,536 at most"));
    if (translator_of(r) == TRANSFORMER) CJ__TRY(check_transformer(r));
    if (strcmp(r->values[CJ__KEY_data_format], "pairs") == 0) return CJ_OK;
    return cj__recipe_bad_value(r, CJ__KEY_data_format, "pairs, which is what a translator learns from");
}

/* --- drawing ------------------------------------------------------------------------------------------- */

cj_value cj__recipe_read_translation(cj_scope scope, const cj_reading *reading, const cj_recipe *r)
{
    bool transformer = translator_of(r) == TRANSFORMER;
    cj_translator_options options = {.size = sizeof options,
                                     .input = *reading,
                                     .vocabulary = cj_recipe_classes(r),
                                     .source_vocabulary = cj_recipe_is_joint(r) ? 0 : cj_recipe_vocabulary(r),
                                     .block = cj__recipe_translator_block(r),
                                     .layers = transformer ? cj__recipe_count(r, CJ__KEY_model_layers) : 1,
                                     .heads = transformer ? cj__recipe_count(r, CJ__KEY_model_heads) : 1,
                                     .width = cj__recipe_count(r, CJ__KEY_model_width),
                                     .hidden = cj__recipe_count(r, CJ__KEY_model_hidden),
                                     .dropout = cj__recipe_number(r, CJ__KEY_model_dropout)};
    return transformer ? cj_transformer_translator(scope, &options) : cj_gru_translator(scope, &options);
}

/* x: [N,2,T], the source and what is translated so far */
static cj_value draw_translation(cj_scope scope, cj_value x, cj_recipe *r)
{
    cj_value parts[2];
    cj_shape_t shape = cj_value_shape(x);
    if (!cj_value_ok(x)) return cj__poison(scope.graph);
    if (shape.rank != 3 || shape.dims[1] != 2)
        return cj__graph_error(scope.graph, CJ_SHAPE_ERROR,
                               "a translator reads pairs of sentences, [N,2,T], not examples of rank %lld",
                               (long long)shape.rank);
    for (int i = 0; i < 2; i++)
        parts[i] = cj_reshape(cj_slice(x, 1, i, i + 1, 1), cj_shape(shape.dims[0], shape.dims[2]));
    return cj__recipe_read_translation(scope, &(cj_reading){.source = parts[0], .tokens = parts[1]}, r);
}

const cj__family cj__translators = {networks, check_translation, draw_translation};

/* --- texts --------------------------------------------------------------------------------------------- */

cj_status cj_recipe_find_pairs(const cj_recipe *r, bool test, char *source, char *target, size_t size)
{
    cj__key text = test ? CJ__KEY_data_test_text : CJ__KEY_data_validation_text;
    cj__key translation = test ? CJ__KEY_data_test_target : CJ__KEY_data_validation_target;
    *source = *target = 0;
    if (!*r->values[text] || !*r->values[translation]) return CJ_OK;
    CJ__TRY(cj_data_find(r->values[text], source, size));
    return cj_data_find(r->values[translation], target, size);
}

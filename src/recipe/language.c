/* A recipe's language model: which of them `model` names, and its sizes. */
#include "recipe/recipe.h"

#include <string.h>

static const char *const names[] = {"gpt", "llama"};
enum { GPT, LLAMA, COUNT };

const char *cj__recipe_language_at(int index)
{
    return index < COUNT ? names[index] : NULL;
}

static int language_of(const cj_recipe *r)
{
    int index = 0;
    while (index < COUNT && strcmp(r->values[CJ__KEY_model_name], names[index]) != 0) index++;
    return index;
}

bool cj_recipe_is_language(const cj_recipe *r)
{
    return language_of(r) < COUNT;
}

int64_t cj_recipe_block(const cj_recipe *r)
{
    int64_t block = cj__recipe_count(r, CJ__KEY_model_block);
    return block ? block : cj__recipe_count(r, CJ__KEY_data_window);
}

/* --- checks -------------------------------------------------------------------------------------------- */

static cj_status check_size(const cj_recipe *r, cj__key key)
{
    int64_t size = cj__recipe_count(r, key);
    return size >= 1 && size <= 1 << 24 ? CJ_OK
                                        : cj__recipe_bad_value(r, key, "1 or more, and 16,777,216 at most");
}

cj_status cj__recipe_check_language(const cj_recipe *r)
{
    int64_t width = cj__recipe_count(r, CJ__KEY_model_width),
            heads = cj__recipe_count(r, CJ__KEY_model_heads);
    int64_t keys = cj__recipe_count(r, CJ__KEY_model_kv_heads);
    double dropout = cj__recipe_number(r, CJ__KEY_model_dropout);
    CJ__TRY(check_size(r, CJ__KEY_model_layers));
    CJ__TRY(check_size(r, CJ__KEY_model_heads));
    CJ__TRY(check_size(r, CJ__KEY_model_width));
    if (width % heads) return cj__recipe_bad_value(r, CJ__KEY_model_width, "a multiple of model.heads");
    if (keys && heads % keys)
        return cj__recipe_bad_value(r, CJ__KEY_model_kv_heads, "a divisor of model.heads");
    if (language_of(r) == LLAMA && width / heads % 2)
        return cj__recipe_bad_value(r, CJ__KEY_model_width, "an even multiple of model.heads");
    if (!(dropout >= 0 && dropout < 1))
        return cj__recipe_bad_value(r, CJ__KEY_model_dropout, "a share from 0 up to 1");
    if (cj_recipe_block(r) < cj__recipe_count(r, CJ__KEY_data_window) && cj_recipe_is_text(r))
        return cj__recipe_bad_value(r, CJ__KEY_model_block, "as large as data.window, or 0 for the same");
    return CJ_OK;
}

/* --- drawing ------------------------------------------------------------------------------------------- */

static cj_value draw_gpt(cj_scope scope, const cj_reading *reading, const cj_recipe *r)
{
    cj_gpt_options options = {.size = sizeof options,
                              .input = *reading,
                              .vocabulary = cj_recipe_classes(r),
                              .block = cj_recipe_block(r),
                              .layers = cj__recipe_count(r, CJ__KEY_model_layers),
                              .heads = cj__recipe_count(r, CJ__KEY_model_heads),
                              .width = cj__recipe_count(r, CJ__KEY_model_width),
                              .dropout = cj__recipe_number(r, CJ__KEY_model_dropout),
                              .no_bias = !cj__recipe_truth(r, CJ__KEY_model_bias),
                              .exact_gelu = cj__recipe_choice(r, CJ__KEY_model_gelu) == 1};
    return cj_gpt(scope, &options);
}

static cj_value draw_llama(cj_scope scope, const cj_reading *reading, const cj_recipe *r)
{
    cj_llama_options options = {.size = sizeof options,
                                .input = *reading,
                                .vocabulary = cj_recipe_classes(r),
                                .block = cj_recipe_block(r),
                                .layers = cj__recipe_count(r, CJ__KEY_model_layers),
                                .heads = cj__recipe_count(r, CJ__KEY_model_heads),
                                .kv_heads = cj__recipe_count(r, CJ__KEY_model_kv_heads),
                                .width = cj__recipe_count(r, CJ__KEY_model_width),
                                .hidden = cj__recipe_count(r, CJ__KEY_model_hidden),
                                .theta = cj__recipe_number(r, CJ__KEY_model_theta),
                                .epsilon = cj__recipe_number(r, CJ__KEY_model_epsilon),
                                .dropout = cj__recipe_number(r, CJ__KEY_model_dropout),
                                .own_head = cj__recipe_choice(r, CJ__KEY_model_head) == 1};
    return cj_llama(scope, &options);
}

cj_value cj_recipe_reader(cj_scope scope, const cj_reading *reading, void *recipe)
{
    return language_of(recipe) == LLAMA ? draw_llama(scope, reading, recipe)
                                        : draw_gpt(scope, reading, recipe);
}

/* --- the tokenizer ------------------------------------------------------------------------------------- */

static cj_status make_tokenizer(cj_recipe *r, cj_tokenizer **tokenizer)
{
    cj_recipe_sets sets;
    CJ__TRY(cj_recipe_open_data(r, &sets));
    *tokenizer = sets.tokenizer;
    sets.tokenizer = NULL;
    cj_recipe_close_data(&sets);
    return *tokenizer
               ? CJ_OK
               : cj__recipe_bad_value(r, CJ__KEY_data_text, "the text that the tokenizer is made from");
}

cj_status cj_recipe_open_tokenizer(cj_recipe *r, cj_tokenizer **tokenizer)
{
    char path[4096];
    const char *name = r->values[CJ__KEY_data_tokenizer];
    *tokenizer = NULL;
    if (!strpbrk(name, "./")) return make_tokenizer(r, tokenizer);
    CJ__TRY(cj_data_find(name, path, sizeof path));
    return cj_tokenizer_open(tokenizer, path);
}

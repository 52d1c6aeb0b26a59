/* A recipe's language model: which of them `model` names, and its sizes. */
#include "cajal/ops.h"
#include "graph/graph.h"
#include "recipe/recipe.h"

#include <stdio.h>
#include <string.h>

static const cj__network_keys networks[] = {
    {"gpt", "classes|block|layers|heads|width|dropout|bias|gelu"},
    {"llama", "classes|block|layers|heads|kv_heads|width|hidden|dropout|head|theta|epsilon"},
    {"bigram", "classes"},
    {"mlp", "classes|block|width|hidden|dropout"},
    {"rnn", "classes|layers|width|dropout"},
    {"lstm", "classes|layers|width|dropout"},
    {"gru", "classes|layers|width|dropout"},
    {NULL, NULL}};
enum { GPT, LLAMA, BIGRAM, MLP, RECURRENT }; /* the last three in the order of cj_char_rnn_kind */

static int language_of(const cj_recipe *r)
{
    return cj__recipe_member(r, &cj__language_models);
}

/* Whether it is a list of layers that guesses each next token of a plain text. */
static bool is_list(const cj_recipe *r)
{
    return cj__recipe_is_plain_text(r) && r->layer_count > 0;
}

bool cj_recipe_is_language(const cj_recipe *r)
{
    return is_list(r) || cj__recipe_is_of(r, &cj__language_models);
}

static int64_t context_of(const cj_recipe *r)
{
    int64_t block = cj__recipe_count(r, CJ__KEY_model_block);
    return block ? block : cj__recipe_count(r, CJ__KEY_data_window);
}

int64_t cj_recipe_block(const cj_recipe *r)
{
    if (cj_recipe_translates(r)) return cj__recipe_translator_block(r);
    if (is_list(r)) return cj__recipe_count(r, CJ__KEY_data_window);
    return language_of(r) >= BIGRAM ? 0 : context_of(r);
}

/* --- checks -------------------------------------------------------------------------------------------- */

static cj_status check_perceptron(const cj_recipe *r)
{
    CJ__TRY(cj__recipe_check_size(r, CJ__KEY_model_hidden));
    if (context_of(r) >= 1 && context_of(r) <= 4096) return CJ_OK;
    return cj__recipe_bad_value(r, CJ__KEY_model_block, "from 1 to 4096: how many tokens are seen");
}

static cj_status check_language(const cj_recipe *r)
{
    int64_t width = cj__recipe_count(r, CJ__KEY_model_width),
            heads = cj__recipe_count(r, CJ__KEY_model_heads);
    int64_t keys = cj__recipe_count(r, CJ__KEY_model_kv_heads);
    CJ__TRY(cj__recipe_check_share(r, CJ__KEY_model_dropout));
    if (language_of(r) == BIGRAM) return CJ_OK;
    CJ__TRY(cj__recipe_check_size(r, CJ__KEY_model_width));
    if (language_of(r) == MLP) return check_perceptron(r);
    CJ__TRY(cj__recipe_check_size(r, CJ__KEY_model_layers));
    if (language_of(r) >= RECURRENT) return CJ_OK;
    CJ__TRY(cj__recipe_check_size(r, CJ__KEY_model_heads));
    if (width % heads) return cj__recipe_bad_value(r, CJ__KEY_model_width, "a multiple of model.heads");
    if (keys && heads % keys)
        return cj__recipe_bad_value(r, CJ__KEY_model_kv_heads, "a divisor of model.heads");
    if (language_of(r) == LLAMA && width / heads % 2)
        return cj__recipe_bad_value(r, CJ__KEY_model_width, "an even multiple of model.heads");
    if (cj_recipe_block(r) < cj__recipe_count(r, CJ__KEY_data_window) && cj__recipe_is_plain_text(r)) {
        char wanted[120];
        snprintf(wanted, sizeof wanted, "at least data.window, which is %.40s, or 0 for the same",
                 r->values[CJ__KEY_data_window]);
        return cj__recipe_bad_value(r, CJ__KEY_model_block, wanted);
    }
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

static cj_value draw_recurrent(cj_scope scope, const cj_reading *reading, const cj_recipe *r)
{
    cj_char_rnn_options options = {.size = sizeof options,
                                   .input = *reading,
                                   .vocabulary = cj_recipe_classes(r),
                                   .kind = (cj_char_rnn_kind)(language_of(r) - RECURRENT),
                                   .layers = cj__recipe_count(r, CJ__KEY_model_layers),
                                   .width = cj__recipe_count(r, CJ__KEY_model_width),
                                   .dropout = cj__recipe_number(r, CJ__KEY_model_dropout),
                                   .stateful = cj__recipe_choice(r, CJ__KEY_data_order) == 1};
    return cj_char_rnn(scope, &options);
}

static cj_value draw_bigram(cj_scope scope, const cj_reading *reading, const cj_recipe *r)
{
    cj_bigram_options options = {
        .size = sizeof options, .input = *reading, .vocabulary = cj_recipe_classes(r)};
    return cj_bigram(scope, &options);
}

static cj_value draw_mlp(cj_scope scope, const cj_reading *reading, const cj_recipe *r)
{
    cj_mlp_language_options options = {.size = sizeof options,
                                       .input = *reading,
                                       .vocabulary = cj_recipe_classes(r),
                                       .context = context_of(r),
                                       .width = cj__recipe_count(r, CJ__KEY_model_width),
                                       .hidden = cj__recipe_count(r, CJ__KEY_model_hidden),
                                       .dropout = cj__recipe_number(r, CJ__KEY_model_dropout)};
    return cj_mlp_language(scope, &options);
}

/* A list remembers nothing: the window so far is kept, what is read is put in its place, and the whole is
 * read anew. [N,window] */
static cj_value window_so_far(cj_scope scope, const cj_reading *reading, int64_t window)
{
    cj_shape_t shape = cj_shape(cj_value_shape(reading->tokens).dims[0], window), row = cj_shape(1, window);
    cj_value kept = cj_state(scope, "window", CJ_CARRIED, CJ_I32, shape, 0);
    cj_value place =
        cj_sub(cj_iota(scope.graph, CJ_I32, window), reading->position); /* among the tokens read */
    cj_value none = cj_constant(scope.graph, CJ_I32, -1);
    cj_value read = cj_logical_and(cj_less(none, place), cj_less_equal(place, reading->last));
    cj_value fresh = cj_select(cj_reshape(read, row), cj_gather(reading->tokens, place, 1), kept);
    cj_assign(kept, fresh);
    return fresh;
}

static cj_value read_by_list(cj_scope scope, const cj_reading *reading, cj_recipe *r)
{
    for (int i = 0; i < r->layer_count; i++)
        if (r->layers[i].stateful)
            return cj__graph_error(
                scope.graph, CJ_UNSUPPORTED,
                "layer %d is stateful: a list reads its window anew for each token; hint: name a "
                "network that goes on from its state, model: {name: lstm, ...}",
                i);
    cj_value logits = cj_recipe_forward(scope, window_so_far(scope, reading, cj_recipe_block(r)), r);
    cj_value last = cj_reshape(cj_add(reading->position, reading->last), cj_shape(1));
    return cj_value_ok(logits) && cj_value_shape(logits).rank == 3 ? cj_gather(logits, last, 1) : logits;
}

cj_value cj_recipe_reader(cj_scope scope, const cj_reading *reading, void *recipe)
{
    if (is_list(recipe)) return read_by_list(scope, reading, recipe);
    if (cj_recipe_translates(recipe)) return cj__recipe_read_translation(scope, reading, recipe);
    static cj_value (*const draw[])(cj_scope, const cj_reading *, const cj_recipe *) = {
        draw_gpt, draw_llama, draw_bigram, draw_mlp, draw_recurrent, draw_recurrent, draw_recurrent};
    return draw[language_of(recipe)](scope, reading, recipe);
}

static cj_value draw_language(cj_scope scope, cj_value x, cj_recipe *r)
{
    return cj_recipe_reader(scope, &(cj_reading){.tokens = x}, r);
}

const cj__family cj__language_models = {networks, check_language, draw_language};

/* --- tokenizers ---------------------------------------------------------------------------------------- */

/* As the training makes them. */
static cj_status make_tokenizers(cj_recipe *r, cj_tokenizer **tokenizer, cj_tokenizer **target)
{
    cj_recipe_sets sets;
    CJ__TRY(cj_recipe_open_data(r, &sets));
    *tokenizer = sets.tokenizer;
    *target = sets.target_tokenizer;
    sets.tokenizer = sets.target_tokenizer = NULL;
    cj_recipe_close_data(&sets);
    return *tokenizer
               ? CJ_OK
               : cj__recipe_bad_value(r, CJ__KEY_data_text, "the text that the tokenizer is made from");
}

/* The vocabulary that lies beside a checkpoint of llama2.c, which need not be its own. */
static cj_status read_vocabulary(const cj_recipe *r, cj_tokenizer **tokenizer)
{
    int64_t wanted = cj_recipe_classes(r);
    cj_status status = cj__recipe_read_tokenizer(r, CJ__KEY_data_tokenizer, tokenizer);
    if (status == CJ_NOT_FOUND)
        return cj__fail(status, "%s: expected its vocabulary beside it, as tok%lld.bin or tokenizer.bin",
                        r->path, (long long)wanted);
    if (status != CJ_OK || cj_tokenizer_count(*tokenizer) == wanted) return status;
    return cj__fail(CJ_FORMAT_ERROR, "%s: found %lld tokens, expected the %lld that %s knows",
                    r->values[CJ__KEY_data_tokenizer], (long long)cj_tokenizer_count(*tokenizer),
                    (long long)wanted, r->path);
}

cj_status cj_recipe_open_tokenizers(cj_recipe *r, cj_tokenizer **tokenizer, cj_tokenizer **target)
{
    const char *name = r->values[CJ__KEY_data_tokenizer],
               *target_name = r->values[CJ__KEY_data_target_tokenizer];
    bool apart = cj_recipe_translates(r) && !cj_recipe_is_joint(r);
    *tokenizer = *target = NULL;
    if (!cj__recipe_names_file(name) || (apart && !cj__recipe_names_file(target_name)))
        return make_tokenizers(r, tokenizer, target);
    cj_status status = cj__is_checkpoint_path(r->path)
                           ? read_vocabulary(r, tokenizer)
                           : cj__recipe_read_tokenizer(r, CJ__KEY_data_tokenizer, tokenizer);
    if (status == CJ_OK && apart)
        status = cj__recipe_read_tokenizer(r, CJ__KEY_data_target_tokenizer, target);
    if (status == CJ_OK) return CJ_OK;
    cj_tokenizer_free(*tokenizer);
    *tokenizer = NULL;
    return status;
}

cj_status cj_recipe_open_tokenizer(cj_recipe *r, cj_tokenizer **tokenizer)
{
    cj_tokenizer *target;
    cj_status status = cj_recipe_open_tokenizers(r, tokenizer, &target);
    cj_tokenizer_free(target);
    return status;
}

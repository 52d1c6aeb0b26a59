/* A recipe's network for sentences: which of them `model` names, and its sizes. BERT has two heads: what a
 * recipe's data are says which. */
#include "cajal/classify.h"
#include "recipe/recipe.h"

#include <string.h>

static const cj__network_keys networks[] = {
    {"textcnn", "classes|width|hidden|widths|dropout|word_dropout"},
    {"bilstm", "classes|layers|width|hidden|pool|dropout|word_dropout"},
    {"bert", "classes|block|layers|heads|width|hidden|dropout|epsilon"},
    {NULL, NULL}};
enum { TEXTCNN, BILSTM, BERT };

static int classifier_of(const cj_recipe *r)
{
    return cj__recipe_member(r, &cj__classifiers);
}

static int64_t block_of(const cj_recipe *r)
{
    int64_t block = cj__recipe_count(r, CJ__KEY_model_block);
    return block ? block : cj__recipe_count(r, CJ__KEY_data_longest);
}

int64_t cj_recipe_longest(const cj_recipe *r)
{
    int64_t longest = cj__recipe_count(r, CJ__KEY_data_longest);
    return longest == 0 && classifier_of(r) == BERT ? block_of(r) : longest;
}

/* --- checks -------------------------------------------------------------------------------------------- */

/* 0: the network's own. */
static cj_status check_given(const cj_recipe *r, cj__key key)
{
    return cj__recipe_check_range(r, key, 0, 1 << 24, "16,777,216 at most");
}

static cj_status check_widths(const cj_recipe *r)
{
    double widths[CJ_MOST_WIDTHS];
    int64_t count = cj__recipe_list(r, CJ__KEY_model_widths, widths, CJ_MOST_WIDTHS);
    bool good = count >= 1 && count <= CJ_MOST_WIDTHS;
    for (int64_t i = 0; i < count && good; i++)
        good = widths[i] >= 1 && widths[i] <= 64 && widths[i] == (double)(int64_t)widths[i];
    return good ? CJ_OK
                : cj__recipe_bad_value(r, CJ__KEY_model_widths, "a list of up to 8 widths from 1 to 64");
}

static cj_status check_bert(const cj_recipe *r)
{
    CJ__TRY(cj__recipe_check_size(r, CJ__KEY_model_layers));
    CJ__TRY(cj__recipe_check_size(r, CJ__KEY_model_heads));
    CJ__TRY(cj__recipe_check_size(r, CJ__KEY_model_width));
    if (cj__recipe_count(r, CJ__KEY_model_width) % cj__recipe_count(r, CJ__KEY_model_heads))
        return cj__recipe_bad_value(r, CJ__KEY_model_width, "a multiple of model.heads");
    if (block_of(r) < 1 || block_of(r) > 1 << 20)
        return cj__recipe_bad_value(r, CJ__KEY_model_block,
                                    "the most tokens of a sentence, 1,048,576 at most");
    if (cj_recipe_longest(r) > block_of(r))
        return cj__recipe_bad_value(r, CJ__KEY_data_longest, "model.block at most");
    return CJ_OK;
}

static cj_status check_classifier(const cj_recipe *r)
{
    int format = cj__recipe_choice(r, CJ__KEY_data_format);
    bool labelled = format == 1 + CJ_TEXT_LABELLED;
    bool masked = format == 1 + CJ_TEXT_MASKED && classifier_of(r) == BERT;
    if (!labelled && !masked)
        return cj__recipe_bad_value(r, CJ__KEY_data_format,
                                    "labelled (of bert also masked) for networks that read sentences");
    CJ__TRY(cj__recipe_check_share(r, CJ__KEY_model_dropout));
    CJ__TRY(cj__recipe_check_share(r, CJ__KEY_model_word_dropout));
    if (classifier_of(r) == BERT) return check_bert(r);
    CJ__TRY(check_given(r, CJ__KEY_model_layers));
    CJ__TRY(check_given(r, CJ__KEY_model_width));
    CJ__TRY(check_given(r, CJ__KEY_model_hidden));
    return check_widths(r);
}

/* --- drawing ------------------------------------------------------------------------------------------- */

static cj_value draw_text_cnn(cj_scope scope, cj_value tokens, const cj_recipe *r)
{
    cj_text_cnn_options options = {.size = sizeof options,
                                   .input = tokens,
                                   .vocabulary = cj_recipe_vocabulary(r),
                                   .classes = cj_recipe_classes(r),
                                   .width = cj__recipe_count(r, CJ__KEY_model_width),
                                   .filters = cj__recipe_count(r, CJ__KEY_model_hidden),
                                   .dropout = cj__recipe_number(r, CJ__KEY_model_dropout),
                                   .word_dropout = cj__recipe_number(r, CJ__KEY_model_word_dropout)};
    double widths[CJ_MOST_WIDTHS];
    int64_t count = cj__recipe_list(r, CJ__KEY_model_widths, widths, CJ_MOST_WIDTHS);
    for (int64_t i = 0; i < count; i++) options.widths[i] = (int64_t)widths[i];
    return cj_text_cnn(scope, &options);
}

static cj_value draw_bilstm(cj_scope scope, cj_value tokens, const cj_recipe *r)
{
    cj_bilstm_options options = {.size = sizeof options,
                                 .input = tokens,
                                 .vocabulary = cj_recipe_vocabulary(r),
                                 .classes = cj_recipe_classes(r),
                                 .width = cj__recipe_count(r, CJ__KEY_model_width),
                                 .units = cj__recipe_count(r, CJ__KEY_model_hidden),
                                 .layers = cj__recipe_count(r, CJ__KEY_model_layers),
                                 .pool = (cj_sentence_pool)cj__recipe_choice(r, CJ__KEY_model_pool),
                                 .dropout = cj__recipe_number(r, CJ__KEY_model_dropout),
                                 .word_dropout = cj__recipe_number(r, CJ__KEY_model_word_dropout)};
    return cj_bilstm(scope, &options);
}

static cj_value draw_bert(cj_scope scope, cj_value tokens, const cj_recipe *r)
{
    cj_bert_options options = {.size = sizeof options,
                               .input = tokens,
                               .vocabulary = cj_recipe_vocabulary(r),
                               .block = block_of(r),
                               .layers = cj__recipe_count(r, CJ__KEY_model_layers),
                               .heads = cj__recipe_count(r, CJ__KEY_model_heads),
                               .width = cj__recipe_count(r, CJ__KEY_model_width),
                               .hidden = cj__recipe_count(r, CJ__KEY_model_hidden),
                               .epsilon = cj__recipe_number(r, CJ__KEY_model_epsilon),
                               .dropout = cj__recipe_number(r, CJ__KEY_model_dropout),
                               .classes = cj_recipe_classes(r)};
    return cj_recipe_is_masked(r) ? cj_bert_masked(scope, &options) : cj_bert_classes(scope, &options);
}

static cj_value draw_classifier(cj_scope scope, cj_value tokens, cj_recipe *r)
{
    if (classifier_of(r) == BERT) return draw_bert(scope, tokens, r);
    return classifier_of(r) == BILSTM ? draw_bilstm(scope, tokens, r) : draw_text_cnn(scope, tokens, r);
}

const cj__family cj__classifiers = {networks, check_classifier, draw_classifier};

/* A recipe's text: its tokenizer made or read, the text split by position, unless validation or test have a
 * file of their own, and each part cut into windows. */
#include "base/text.h"
#include "data/source.h"
#include "recipe/recipe.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

#include <stdio.h>
#include <string.h>

bool cj_recipe_is_text(const cj_recipe *r)
{
    return *r->values[CJ__KEY_data_text] != 0;
}

bool cj__recipe_is_plain_text(const cj_recipe *r)
{
    return cj_recipe_is_text(r) && cj__recipe_choice(r, CJ__KEY_data_format) == 0;
}

int64_t cj_recipe_vocabulary(const cj_recipe *r)
{
    return cj_recipe_is_text(r) ? cj__recipe_count(r, CJ__KEY_data_vocabulary) : 0;
}

int64_t cj_recipe_target_vocabulary(const cj_recipe *r)
{
    return cj_recipe_is_text(r) ? cj__recipe_count(r, CJ__KEY_data_target_vocabulary) : 0;
}

cj_status cj_recipe_set_tokenizer(cj_recipe *r, const char *path, bool target)
{
    cj__key key = target ? CJ__KEY_data_target_tokenizer : CJ__KEY_data_tokenizer;
    return cj__recipe_set(r, 0, cj__recipe_keys[key].name, path);
}

/* The kind with that name that is made from a text; else CJ_TOKENS_SCORED, which is only read. */
static cj_token_kind kind_named(const char *name)
{
    int kind = 0;
    while (kind < CJ_TOKENS_SCORED && strcmp(name, cj_token_kind_name((cj_token_kind)kind)) != 0) kind++;
    return (cj_token_kind)kind;
}

bool cj__recipe_names_file(const char *tokenizer)
{
    return strpbrk(tokenizer, "./") != NULL;
}

static cj_status check_tokenizer(const cj_recipe *r, cj__key key)
{
    const char *name = r->values[key];
    if (kind_named(name) != CJ_TOKENS_SCORED || cj__recipe_names_file(name)) return CJ_OK;
    return cj__recipe_bad_value(r, key, "character, byte, word, bpe, wordpiece, or the file of a tokenizer");
}

/* What is translated to may have none of its own. */
static cj_status check_tokenizers(const cj_recipe *r)
{
    CJ__TRY(check_tokenizer(r, CJ__KEY_data_tokenizer));
    bool own = *r->values[CJ__KEY_data_target_tokenizer] && !cj_recipe_is_joint(r);
    return own ? check_tokenizer(r, CJ__KEY_data_target_tokenizer) : CJ_OK;
}

static bool in_lanes(const cj_recipe *r)
{
    return cj__recipe_choice(r, CJ__KEY_data_order) == 1;
}

cj_status cj__recipe_check_text(const cj_recipe *r)
{
    CJ__TRY(check_tokenizers(r));
    if (!cj_recipe_is_text(r)) return CJ_OK;
    if (*r->values[CJ__KEY_data_file] || *r->values[CJ__KEY_data_folder] || *r->values[CJ__KEY_data_pictures])
        return cj__recipe_bad_value(r, CJ__KEY_data_text,
                                    "left out where there is data.file, data.folder or data.pictures");
    if (cj_recipe_loss(r) != CJ_CROSS_ENTROPY)
        return cj__recipe_bad_value(r, CJ__KEY_loss, "cross_entropy, which is what a text is learned by");
    if (!cj__recipe_is_plain_text(r)) return cj__recipe_check_sentences(r);
    if (cj__recipe_count(r, CJ__KEY_data_window) < 1)
        return cj__recipe_bad_value(r, CJ__KEY_data_window, "1 or more");
    bool said = cj__recipe_is_said(r, CJ__KEY_data_order) || cj__recipe_is_said(r, CJ__KEY_data_windows);
    if (in_lanes(r) && cj__recipe_count(r, CJ__KEY_data_windows) > 0 && said)
        return cj__recipe_bad_value(r, CJ__KEY_data_windows,
                                    "0 where data.order is lanes, which read the whole text in each epoch");
    return CJ_OK;
}

/* --- the tokenizer ------------------------------------------------------------------------------------- */

typedef struct {
    cj_recipe *r;
    char path[4096];
    char *text;
    size_t size;
    int64_t training, validation, all; /* where the parts end, in characters */
} opening;

/* The byte at which that many characters end. */
static size_t bytes_of(const opening *o, int64_t characters)
{
    const char *at = o->text, *end = o->text + o->size;
    for (; characters > 0 && at < end; characters--) {
        int length = cj__utf8_length(at, end);
        at += length ? length : 1;
    }
    return (size_t)(at - o->text);
}

/* What data.invalid says holds for all that is cut otherwise than into bytes. */
static void heed_invalid(const cj_recipe *r, cj_token_kind kind, cj_text_cleaning *cleaning)
{
    if (kind == CJ_TOKENS_BYTE) return;
    cleaning->replace_invalid = cj__recipe_choice(r, CJ__KEY_data_invalid) == 1;
    cleaning->text_only = true;
}

static cj_text_cleaning cleaning_of(const cj_recipe *r, cj_token_kind kind)
{
    cj_text_cleaning cleaning = {.form = (cj_normal_form)cj__recipe_choice(r, CJ__KEY_data_form),
                                 .lower = cj__recipe_truth(r, CJ__KEY_data_lower)};
    heed_invalid(r, kind, &cleaning);
    return cleaning;
}

/* To what a tokenizer that was there before does by itself. */
static void add_cleaning(const cj_recipe *r, cj_token_kind kind, cj_text_cleaning *cleaning)
{
    cj_text_cleaning more = cleaning_of(r, kind);
    cleaning->lower |= more.lower;
    if (more.form != CJ_FORM_AS_IS) cleaning->form = more.form;
    heed_invalid(r, kind, cleaning);
}

cj_status cj__recipe_check_bytes(const cj_recipe *r, cj__key key, const char *path, const char *text,
                                 size_t size)
{
    cj_token_kind kind = kind_named(r->values[key]);
    cj_text_cleaning cleaning = cleaning_of(r, kind);
    cj__text room = {0};
    cj__passage p = {text, size, 1};
    if (kind == CJ_TOKENS_SCORED || cleaning.replace_invalid || cj__takes_any_bytes(kind, &cleaning))
        return CJ_OK;
    cj_status status = cj__text_clean(&(cj_text_cleaning){0}, &p, &room);
    return status == CJ_OK ? CJ_OK : cj__fail_within(status, "%s", path);
}

cj_status cj__recipe_read_tokenizer(const cj_recipe *r, cj__key key, cj_tokenizer **tokenizer)
{
    char path[4096];
    CJ__TRY(cj_data_find(r->values[key], path, sizeof path));
    CJ__TRY(cj_tokenizer_open(tokenizer, path));
    add_cleaning(r, (*tokenizer)->kind, &(*tokenizer)->cleaning);
    return CJ_OK;
}

cj_status cj__recipe_make_tokenizer(const cj_recipe *r, cj__key key, const char *path,
                                    const cj_tokenizer_training *training, cj_tokenizer **made)
{
    cj_tokenizer_training o = *training;
    o.kind = kind_named(r->values[key]);
    o.cleaning = cleaning_of(r, o.kind);
    o.least = cj__recipe_count(r, CJ__KEY_data_least);
    if (o.kind == CJ_TOKENS_SCORED) return cj__recipe_read_tokenizer(r, key, made);
    cj_status status = cj_tokenizer_train(made, &o);
    return status == CJ_OK ? CJ_OK : cj__fail_within(status, "%s", path);
}

/* The characters of all the text are known, so that each can be said; else a vocabulary is the training's. */
static cj_status open_tokenizer(const opening *o, cj_tokenizer **made)
{
    bool characters = kind_named(o->r->values[CJ__KEY_data_tokenizer]) == CJ_TOKENS_CHARACTER;
    cj_tokenizer_training training = {.size = sizeof training,
                                      .text = o->text,
                                      .bytes = characters ? o->size : bytes_of(o, o->training),
                                      .vocabulary = cj__recipe_count(o->r, CJ__KEY_data_vocabulary)};
    return cj__recipe_make_tokenizer(o->r, CJ__KEY_data_tokenizer, o->path, &training, made);
}

cj_status cj__recipe_set_count(cj_recipe *r, cj__key key, int64_t count)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)count);
    return cj__recipe_set(r, 0, cj__recipe_keys[key].name, text);
}

/* Then the recipe can be used without the text. */
static cj_status remember_vocabulary(cj_recipe *r, int64_t count)
{
    CJ__TRY(cj__recipe_set_count(r, CJ__KEY_data_vocabulary, count));
    return cj__recipe_fit_classes(r, count);
}

/* A network known by name gets as many logits as are wanted; one of layers must have them. */
cj_status cj__recipe_fit_classes(cj_recipe *r, int64_t count)
{
    if (*r->values[CJ__KEY_model_name] && cj__recipe_count(r, CJ__KEY_model_classes) == 0)
        CJ__TRY(cj__recipe_set_count(r, CJ__KEY_model_classes, count));
    if (cj_recipe_classes(r) >= count) return cj__recipe_check_weights(r);
    return cj__fail(CJ_INVALID_ARGUMENT,
                    "%s: the network ends in %lld logits, but the text has %lld different %s: expected one "
                    "logit for each",
                    r->path, (long long)cj_recipe_classes(r), (long long)count,
                    cj_recipe_predicts_tokens(r) ? "tokens" : "labels");
}

/* --- the parts ----------------------------------------------------------------------------------------- */

static cj_status cut(const opening *o, const cj_tokens *tokens, const cj_text_facts *facts, bool training,
                     cj_dataset **part)
{
    const cj_recipe *r = o->r;
    bool lanes = in_lanes(r);
    int64_t window = cj__recipe_count(r, CJ__KEY_data_window),
            drawn = cj__recipe_count(r, CJ__KEY_data_windows);
    if (drawn == 0) drawn = (tokens->count + window - 1) / window;
    cj_text_windows options = {.size = sizeof options,
                               .tokens = tokens->ids,
                               .count = tokens->count,
                               .vocabulary = cj_recipe_vocabulary(r),
                               .window = window,
                               .drawn = training && !lanes ? drawn : 0,
                               .lanes = lanes ? cj__recipe_count(r, CJ__KEY_batch_size) : 0,
                               .characters = facts->characters,
                               .bytes = facts->bytes};
    return cj_dataset_of_text(part, &options);
}

/* The characters from `from` on, up to `to`. */
static cj_status make_part(const opening *o, const cj_tokenizer *tokenizer, int64_t from, int64_t to,
                           const char *name, cj_dataset **part)
{
    cj_tokens tokens = {0};
    size_t first = bytes_of(o, from), size = bytes_of(o, to) - first;
    cj_text_facts facts = {.characters = to - from, .bytes = (int64_t)size};
    if (from == to) return CJ_OK;
    cj_status status = cj_tokenizer_encode_at(tokenizer, o->text + first, size,
                                              cj__line_at(o->text, o->text + first), &tokens);
    if (status != CJ_OK) {
        status = cj__fail_within(status, "%s", o->path);
    } else {
        status = cut(o, &tokens, &facts, strcmp(name, "training") == 0, part);
        if (status != CJ_OK) status = cj__fail_within(status, "%s, its %s part", o->path, name);
    }
    cj_tokens_free(&tokens);
    return status;
}

/* Of a key's file; the text is the caller's to free. */
static cj_status read_text(opening *o, cj__key key)
{
    CJ__TRY(cj_data_find(o->r->values[key], o->path, sizeof o->path));
    CJ__TRY(cj__source_read_text(o->path, &o->text, &o->size));
    o->all = cj_count_characters(o->text, o->size);
    return o->size > 0 ? CJ_OK : cj__fail(CJ_FORMAT_ERROR, "%s: the file is empty, expected a text", o->path);
}

/* The share of the text that a part takes which has no file of its own. */
static double share_of(const cj_recipe *r, cj__key share, cj__key file)
{
    return *r->values[file] ? 0 : cj__recipe_number(r, share);
}

/* By position, as a text is one thing: first what is trained on, then validation, then the test. */
static cj_status find_parts(opening *o)
{
    double test = share_of(o->r, CJ__KEY_data_test, CJ__KEY_data_test_text);
    double training = 1 - share_of(o->r, CJ__KEY_data_validation, CJ__KEY_data_validation_text) - test;
    o->training = (int64_t)((double)o->all * training);
    o->validation = (int64_t)((double)o->all * (1 - test));
    if (o->training > 0) return CJ_OK;
    return cj__fail(CJ_INVALID_ARGUMENT, "%s: %lld characters leave none for training", o->path,
                    (long long)o->all);
}

/* The whole of the file that a key names. */
static cj_status make_part_of_file(cj_recipe *r, const cj_tokenizer *tokenizer, cj__key key, const char *name,
                                   cj_dataset **part)
{
    opening o = {.r = r};
    cj_status status = read_text(&o, key);
    if (status == CJ_OK) status = make_part(&o, tokenizer, 0, o.all, name, part);
    cj__free(o.text);
    return status;
}

static cj_status make_parts(const opening *o, cj_recipe_sets *sets)
{
    const cj__key validation = CJ__KEY_data_validation_text, test = CJ__KEY_data_test_text;
    CJ__TRY(make_part(o, sets->tokenizer, 0, o->training, "training", &sets->training));
    CJ__TRY(make_part(o, sets->tokenizer, o->training, o->validation, "validation", &sets->validation));
    CJ__TRY(make_part(o, sets->tokenizer, o->validation, o->all, "test", &sets->test));
    if (*o->r->values[validation])
        CJ__TRY(make_part_of_file(o->r, sets->tokenizer, validation, "validation", &sets->validation));
    if (*o->r->values[test]) CJ__TRY(make_part_of_file(o->r, sets->tokenizer, test, "test", &sets->test));
    return CJ_OK;
}

cj_status cj__recipe_open_text(cj_recipe *r, cj_recipe_sets *sets)
{
    opening o = {.r = r};
    cj_status status = read_text(&o, CJ__KEY_data_text);
    if (status == CJ_OK) status = find_parts(&o);
    if (status == CJ_OK) status = open_tokenizer(&o, &sets->tokenizer);
    if (status == CJ_OK) status = remember_vocabulary(r, cj_tokenizer_count(sets->tokenizer));
    if (status == CJ_OK) status = make_parts(&o, sets);
    cj__free(o.text);
    return status;
}

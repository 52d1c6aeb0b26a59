/* A run's translator at work: sentences are cut into tokens, searched for their likeliest translation, and
 * put together again as text; and how near the translations of a test come to its own. */
#include "translation.h"
#include "lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cj_status begin_translation(translation *t, run *r, int64_t beams, double length_penalty)
{
    int64_t block = cj_recipe_block(r->recipe);
    *t = (translation){.recipe = r->recipe, .length_penalty = length_penalty};
    cj_generator_options options = {.size = sizeof options,
                                    .model = r->models[0],
                                    .reader = cj_recipe_reader,
                                    .context = r->recipe,
                                    .block = block,
                                    .texts = beams,
                                    .source = block,
                                    .precision = cj_recipe_evaluate_options(r->recipe).precision};
    cj_status status = cj_recipe_open_tokenizers(r->recipe, &t->source, &t->target);
    if (status == CJ_OK) {
        options.vocabulary = cj_tokenizer_count(target_of(t));
        status = (cj_generator_new)(&t->generator, &options);
    }
    t->made = calloc((size_t)block, sizeof *t->made);
    return status == CJ_OK && !t->made ? CJ_OUT_OF_MEMORY : status;
}

void end_translation(translation *t)
{
    cj_generator_free(t->generator);
    cj_tokenizer_free(t->source);
    cj_tokenizer_free(t->target);
    cj_tokens_free(&t->tokens);
    free(t->made);
}

const cj_tokenizer *target_of(const translation *t)
{
    return t->target ? t->target : t->source;
}

/* --- one sentence -------------------------------------------------------------------------------------- */

/* As the training cut it, with the end behind. */
static cj_status cut(translation *t, const char *sentence, size_t size)
{
    t->tokens.count = 0;
    cj_status status = cj_tokenizer_encode_at(t->source, sentence, size, 0, &t->tokens);
    if (status != CJ_OK) return status;
    return cj_tokens_add(&t->tokens, cj_tokenizer_special(t->source, CJ_TOKEN_END));
}

/* The end is among what was made, where it came to that. */
static cj_status search(translation *t, int64_t *count)
{
    int64_t most = cj_recipe_block(t->recipe) - 1, enough = 3 * t->tokens.count + 20;
    int32_t begin = cj_tokenizer_special(target_of(t), CJ_TOKEN_BEGIN);
    cj_beam_options options = {.size = sizeof options,
                               .generator = t->generator,
                               .prompt = &begin,
                               .prompt_count = 1,
                               .tokens = enough < most ? enough : most,
                               .has_stop = true,
                               .stop = cj_tokenizer_special(target_of(t), CJ_TOKEN_END),
                               .length_penalty = t->length_penalty,
                               .made = t->made};
    cj_status status = (cj_beam_search)(count, &options);
    if (status == CJ_OK && *count < options.tokens) t->made[(*count)++] = options.stop;
    return status;
}

/* A line break within a sentence would make two of it. */
static void flatten(char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] == '\n' || text[i] == '\r' || text[i] == 0) text[i] = ' ';
}

cj_status translate_tokens(translation *t, const char *sentence, size_t size, int64_t *count)
{
    cj_status status = cut(t, sentence, size);
    if (status == CJ_OK) status = cj_generator_source(t->generator, t->tokens.ids, t->tokens.count);
    return status == CJ_OK ? search(t, count) : status;
}

cj_status translate_sentence(translation *t, const char *sentence, size_t size, char **text)
{
    int64_t count = 0;
    size_t made;
    *text = NULL;
    if (is_blank(sentence, size)) return cj_tokenizer_decode(target_of(t), t->made, 0, text, &made);
    cj_status status = translate_tokens(t, sentence, size, &count);
    if (status == CJ_OK) status = cj_tokenizer_decode(target_of(t), t->made, count, text, &made);
    if (status == CJ_OK) flatten(*text, made);
    return status;
}

/* --- a test -------------------------------------------------------------------------------------------- */

/* As the training read them. */
static cj_status read_sentences(const char *path, lines *l)
{
    size_t size;
    l->name = path;
    cj_status status = cj_text_of_file(CJ_TEXT_PAIRS, path, &l->data, &size);
    if (status != CJ_OK) return status;
    return split_lines(l, size) ? CJ_OK : CJ_OUT_OF_MEMORY;
}

/* The text is the library's. */
static void free_sentences(lines *l)
{
    cj_text_free(l->data);
    free(l->list);
}

static void free_translations(char **said, int64_t count)
{
    for (int64_t i = 0; said && i < count; i++) cj_text_free(said[i]);
    free(said);
}

/* As cajal translate has it: what cannot be translated leaves an empty line, and counts as that. */
static cj_status translate_all(translation *t, const lines *from, char **said)
{
    cj_status status = CJ_OK;
    for (int64_t i = 0; i < from->count && status == CJ_OK; i++) {
        status = translate_sentence(t, from->list[i], strlen(from->list[i]), &said[i]);
        tell_waiting(i + 1, from->count);
        if (status == CJ_OK || status == CJ_OUT_OF_MEMORY) continue;
        end_waiting();
        fprintf(stderr, "cajal: %s, line %lld: %s; an empty translation is scored in its place\n", from->name,
                (long long)i + 1, cj_error_message());
        status = translate_sentence(t, "", 0, &said[i]);
    }
    return status;
}

static cj_status score(char **said, const lines *references, report *result)
{
    cj_bleu_score bleu;
    cj_score_options options = {.size = sizeof options,
                                .said = (const char *const *)said,
                                .references = references->list,
                                .count = references->count};
    cj_status status = cj_bleu(&options, &bleu);
    if (status != CJ_OK) return status;
    result->bleu = bleu.score;
    options.lower = true;
    status = cj_bleu(&options, &bleu);
    if (status != CJ_OK) return status;
    result->bleu_lower = bleu.score;
    result->translations = references->count;
    return CJ_OK;
}

static cj_status translate_and_score(run *r, const lines *from, const lines *to, report *result)
{
    translation t;
    char **said = calloc((size_t)from->count + 1, sizeof *said);
    cj_status status = begin_translation(&t, r, TRANSLATION_BEAMS, TRANSLATION_PENALTY);
    if (status == CJ_OK && !said) status = CJ_OUT_OF_MEMORY;
    if (status == CJ_OK) status = translate_all(&t, from, said);
    if (status == CJ_OK) status = score(said, to, result);
    end_translation(&t);
    free_translations(said, from->count);
    return status;
}

cj_status score_translations(run *r, report *result)
{
    char from_path[MOST_PATH], to_path[MOST_PATH];
    lines from = {0}, to = {0};
    bool test = strcmp(result->part, "test") == 0;
    if (!cj_recipe_translates(r->recipe) || (!test && strcmp(result->part, "validation") != 0)) return CJ_OK;
    cj_status status = cj_recipe_find_pairs(r->recipe, test, from_path, to_path, MOST_PATH);
    if (status != CJ_OK || !*from_path) return status;
    status = read_sentences(from_path, &from);
    if (status == CJ_OK) status = read_sentences(to_path, &to);
    if (status == CJ_OK && from.count == to.count) status = translate_and_score(r, &from, &to, result);
    free_sentences(&from);
    free_sentences(&to);
    return status;
}

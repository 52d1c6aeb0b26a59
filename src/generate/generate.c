/* One text, token by token: the prompt is read, then what is chosen is read in turn. */
#include "generate/generate.h"

#include <string.h>

cj_status cj__read_prompt(cj_generator *g, const int32_t *prompt, int64_t count, int64_t tokens)
{
    if (count < 1)
        return cj__fail(CJ_INVALID_ARGUMENT,
                        "the prompt is empty: a text begins with one token at least, a line break say");
    if (tokens < 0)
        return cj__fail(CJ_INVALID_ARGUMENT, "%lld tokens are to be made, expected a count from 0 on",
                        (long long)tokens);
    cj_generator_reset(g);
    return cj_generator_read(g, prompt, count);
}

/* The text so far, prompt and all, and room for what is drawn from. */
typedef struct {
    int32_t *tokens;
    int64_t count;
    float *probabilities;
} writing;

static cj_status begin(writing *w, const cj_generate_options *o)
{
    int64_t most = o->prompt_count + o->tokens;
    if (o->prompt_count > INT32_MAX || o->tokens > INT32_MAX)
        return cj__fail(CJ_INVALID_ARGUMENT, "a text of more than %d tokens", INT32_MAX);
    w->tokens = cj__allocate((size_t)most * sizeof *w->tokens);
    w->probabilities = cj__allocate((size_t)o->generator->vocabulary * sizeof *w->probabilities);
    if (!w->tokens || !w->probabilities) return cj__out_of_memory((size_t)most * sizeof *w->tokens, "a text");
    memcpy(w->tokens, o->prompt, (size_t)o->prompt_count * sizeof *w->tokens);
    w->count = o->prompt_count;
    return CJ_OK;
}

static cj_status choose(const writing *w, const cj_generate_options *o, int32_t *token)
{
    int64_t vocabulary = o->generator->vocabulary;
    CJ__TRY(cj_token_probabilities(&o->sampling, cj_generator_logits(o->generator), vocabulary, w->tokens,
                                   w->count, w->probabilities));
    *token =
        cj_draw_token(&o->sampling, w->probabilities, vocabulary, (uint64_t)(w->count - o->prompt_count));
    return CJ_OK;
}

static cj_status write(writing *w, const cj_generate_options *o)
{
    for (int64_t i = 0; i < o->tokens; i++) {
        int32_t token = 0;
        if (i > 0) CJ__TRY(cj_generator_step(o->generator, w->tokens + w->count - 1));
        CJ__TRY(choose(w, o, &token));
        if (o->has_stop && token == o->stop) break;
        w->tokens[w->count++] = token;
        if (o->each && !o->each(token, o->context)) break;
    }
    return CJ_OK;
}

cj_status cj_generate(int64_t *count, const cj_generate_options *o)
{
    writing w = {0};
    if (count) *count = 0;
    CJ__TRY(cj__need(o->generator, "cj_generate", "a generator"));
    if (o->generator->o.texts != 1)
        return cj__fail(CJ_INVALID_ARGUMENT, "the generator reads %lld texts; one is made with one",
                        (long long)o->generator->o.texts);
    cj_status status = cj__read_prompt(o->generator, o->prompt, o->prompt_count, o->tokens);
    if (status == CJ_OK) status = begin(&w, o);
    if (status == CJ_OK) status = write(&w, o);
    int64_t made = w.count > o->prompt_count ? w.count - o->prompt_count : 0;
    if (o->made && made) memcpy(o->made, w.tokens + o->prompt_count, (size_t)made * sizeof *o->made);
    if (count) *count = made;
    cj__free(w.tokens);
    cj__free(w.probabilities);
    return status;
}

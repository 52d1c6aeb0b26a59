/* Texts of cajal explain as the network gets them: a file's tokens, or its lines', what each token says, and
 * how much of that is shown to the network, by which drawing of it. */
#include "explain_text.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_TOKENS = 256 };

char *copy_of(const char *bytes, size_t size)
{
    char *copy = calloc(size + 1, 1);
    return copy && size ? memcpy(copy, bytes, size) : copy;
}

static cj_status add_piece(text *x, const char *bytes, size_t size)
{
    char **more = realloc(x->pieces, (size_t)(x->piece_count + 1) * sizeof *more);
    if (!more) return CJ_OUT_OF_MEMORY;
    x->pieces = more;
    x->pieces[x->piece_count] = copy_of(bytes, size);
    return x->pieces[x->piece_count++] ? CJ_OK : CJ_OUT_OF_MEMORY;
}

static cj_status add_pieces(text *x, const cj_tokenizer *tokenizer, const cj_tokens *tokens)
{
    cj_status status = CJ_OK;
    for (int64_t i = 0; i < tokens->count && status == CJ_OK; i++) {
        size_t size;
        const char *piece = cj_tokenizer_text(tokenizer, i ? tokens->ids[i - 1] : -1, tokens->ids[i], &size);
        status = add_piece(x, piece, piece ? size : 0);
    }
    return status;
}

static cj_status add_tokens(cj_tokens *to, const int32_t *ids, int64_t count)
{
    cj_status status = CJ_OK;
    for (int64_t i = 0; i < count && status == CJ_OK; i++) status = cj_tokens_add(to, ids[i]);
    return status;
}

/* A sentence and what the likeliest token makes of it each time: at each token the next is said. */
static cj_status add_translation(task *t, text *x, const char *bytes, size_t size)
{
    translation *r = &t->translation;
    const cj_tokenizer *target = target_of(r);
    int64_t count = 0;
    cj_status status = translate_tokens(r, bytes, size, &count);
    x->original.recipe = t->run->recipe;
    if (status == CJ_OK) status = add_tokens(&x->original.tokens, r->tokens.ids, r->tokens.count);
    if (status == CJ_OK) status = cj_tokens_add(&x->tokens, cj_tokenizer_special(target, CJ_TOKEN_BEGIN));
    if (status == CJ_OK) status = add_tokens(&x->tokens, r->made, count - 1);
    if (status == CJ_OK) status = add_tokens(&x->said, r->made, count);
    if (status == CJ_OK) status = add_pieces(x, t->tokenizer, &x->original.tokens);
    if (status == CJ_OK) status = add_piece(x, " \u2192 ", strlen(" \u2192 "));
    return status == CJ_OK ? add_pieces(x, target, &x->said) : status;
}

/* What is more than the network takes of a sentence is cut off, as cajal predict does. */
static void cut(const task *t, text *x, int64_t line)
{
    int64_t longest = cj_recipe_longest(t->run->recipe), count = x->tokens.count;
    if (is_language(t) || !longest || count <= longest) return;
    x->tokens.count = longest;
    fprintf(stderr, "cajal: %s: line %lld: of its %lld tokens the network takes %lld; the rest was cut off\n",
            t->name, (long long)line, (long long)count, (long long)longest);
}

/* As the training had it: lines begin with their token, sentences of WordPiece, and what is masked, stand
 * between two. */
static cj_status add_encoded(task *t, text *x, const char *bytes, size_t size, int64_t line)
{
    int32_t begin = cj_tokenizer_special(t->tokenizer, CJ_TOKEN_BEGIN),
            end = cj_tokenizer_special(t->tokenizer, CJ_TOKEN_END);
    bool wordpiece = cj_tokenizer_kind(t->tokenizer) == CJ_TOKENS_WORDPIECE;
    bool framed = is_masked(t) || (!is_language(t) && wordpiece);
    bool begins = framed || cj_recipe_reads_lines(t->run->recipe);
    cj_status status = CJ_OK;
    if (begins && begin >= 0) status = cj_tokens_add(&x->tokens, begin);
    if (status == CJ_OK) status = cj_tokenizer_encode_at(t->tokenizer, bytes, size, line, &x->tokens);
    if (status == CJ_OK && framed && end >= 0) status = cj_tokens_add(&x->tokens, end);
    cut(t, x, line);
    return status == CJ_OK ? add_pieces(x, t->tokenizer, &x->tokens) : status;
}

static cj_status add_text(task *t, const char *bytes, size_t size, int64_t line)
{
    text *x = &t->texts[t->count++];
    if (!translates(t)) return add_encoded(t, x, bytes, size, line);
    cj_status status = add_translation(t, x, bytes, size);
    if (status == CJ_OK || status == CJ_OUT_OF_MEMORY) return status;
    fprintf(stderr, "cajal: %s: line %lld: %s\n", t->name, (long long)line, cj_error_message());
    t->code = EXIT_FAILED;
    return status;
}

/* As the training's own lines may have. */
static bool has_labels(const task *t)
{
    return !is_language(t) && !translates(t);
}

static cj_status add_lines(task *t, const char *at, const char *end)
{
    cj_status status = CJ_OK;
    for (int64_t line = 1; at < end && status == CJ_OK && t->count < MOST_SENTENCES; line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((stop ? stop : end) - at);
        if (has_labels(t)) size = before_label(at, size);
        while (size && (at[size - 1] == '\r' || at[size - 1] == ' ')) size--;
        if (size) status = add_text(t, at, size, line);
        at = stop ? stop + 1 : end;
    }
    if (at < end && status == CJ_OK)
        fprintf(stderr, "cajal: %s: only the first %d lines are explained\n", t->name, MOST_SENTENCES);
    return status;
}

/* A plain text is one text; of anything else each line is. */
cj_status read_texts(task *t, const bytes *b)
{
    bool whole = is_language(t) && !cj_recipe_reads_lines(t->run->recipe);
    t->texts = calloc(MOST_SENTENCES, sizeof *t->texts);
    if (!t->texts) return CJ_OUT_OF_MEMORY;
    return whole ? add_text(t, b->data, b->size, 1) : add_lines(t, b->data, b->data + b->size);
}

void close_texts(task *t)
{
    for (int64_t i = 0; i < t->count; i++) {
        text *x = &t->texts[i];
        for (int64_t k = 0; k < x->piece_count; k++) free(x->pieces[k]);
        free(x->pieces);
        free(x->values);
        cj_tokens_free(&x->tokens);
        cj_tokens_free(&x->original.tokens);
        cj_tokens_free(&x->said);
    }
    free(t->texts);
    t->texts = NULL;
    t->count = 0;
    t->any = false;
}

/* --- what is shown ------------------------------------------------------------------------------------- */

int64_t shown(const task *t, const text *x)
{
    int64_t block = cj_recipe_block(t->run->recipe),
            most = block && block < MOST_TOKENS ? block : MOST_TOKENS;
    if (!is_language(t)) return x->tokens.count;
    return x->tokens.count < most ? x->tokens.count : most;
}

void tell_part(const task *t, const text *x, const char *which, int64_t count)
{
    if (count < x->tokens.count)
        fprintf(stderr, "cajal: %s: of its %lld tokens the %s %lld are explained\n", t->name,
                (long long)x->tokens.count, which, (long long)count);
}

static cj_value draw_translation(cj_scope scope, cj_value x, void *context)
{
    original *o = context;
    cj_tensor tokens = {o->tokens.ids, CJ_I32, cj_shape(1, o->tokens.count)};
    cj_reading reading = {.tokens = x, .source = cj_constant_tensor(scope.graph, &tokens)};
    return cj_recipe_reader(scope, &reading, o->recipe);
}

cj_text_explain_options options_of(const task *t, text *x)
{
    int64_t count = shown(t, x);
    cj_evaluate_options of = cj_recipe_evaluate_options(t->run->recipe);
    cj_text_explain_options o = {.size = sizeof o,
                                 .model = t->run->models[0],
                                 .forward = of.forward,
                                 .context = of.context,
                                 .x = {x->tokens.ids + x->tokens.count - count, CJ_I32, cj_shape(count)},
                                 .loss = of.loss,
                                 .precision = of.precision};
    if (translates(t)) o.forward = draw_translation, o.context = &x->original, o.across = true;
    return o;
}

/* Generation: texts from language models, token by token. A generator reads tokens and has the logits of the
 * next; what it has read it remembers in variables, so that one token costs one step. On it stand sampling
 * and beam search. Which token is drawn depends on seed and place alone. */
#ifndef CAJAL_GENERATE_H
#define CAJAL_GENERATE_H

#include "cajal/language.h"
#include "cajal/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- reading ------------------------------------------------------------------------------------------- */

/* Draws logits [N,1,vocabulary] of a reading that has a position and a last token, as every language model
 * and translator of language.h does. What it has to know of earlier tokens it keeps in variables of the role
 * CJ_CARRIED with N as first axis and 0 as first value: keys and values by position, or a recurrent state,
 * which must not count tokens after the last. */
typedef cj_value (*cj_reader)(cj_scope scope, const cj_reading *reading, void *context);

typedef struct cj_generator cj_generator;
typedef struct {
    size_t size;
    cj_model *
        model; /* its weights are loaded or trained; must outlive the generator, which does not write to it */
    cj_reader reader;
    void *context; /* passed to reader */
    /* The most tokens that are seen at once. When they are there, the last half of them is read anew from
     * position 0, and reading goes on. 0: there is no end to it, as of a recurrent network. */
    int64_t block;
    int64_t texts; /* read side by side, each with a past of its own: the beams of a search; 0: 1 */
    int64_t chunk; /* tokens of a prompt read in one step; 0: 32, or the block where that is less */
    /* The most tokens of a text that is to be translated: the reader is a translator, cj_gru_translator say,
     * and understands it once for all texts. A translation ends with the block. 0: nothing is translated. */
    int64_t source;
    cj_precision precision;
    /* The tokens that there are, where the network has more logits than that: those behind are left out, and
     * never drawn. 0: as many as there are logits. */
    int64_t vocabulary;
} cj_generator_options;
/* cj_generator_new(&generator, model, .reader = r, .context = c, .block = 256) */
CJ_API CJ_MUST_CHECK cj_status cj_generator_new(cj_generator **generator,
                                                const cj_generator_options *options);
CJ_API void cj_generator_free(cj_generator *generator);                /* NULL is allowed */
CJ_API int64_t cj_generator_vocabulary(const cj_generator *generator); /* how many logits a text has */

/* Forgets all that was read. */
CJ_API void cj_generator_reset(cj_generator *generator);
/* What is to be translated, copied: it is read when the first token of a translation is, and again after each
 * reset. Forgets all that was read. Up to `source` tokens, none of them 0, which is padding. */
CJ_API CJ_MUST_CHECK cj_status cj_generator_source(cj_generator *generator, const int32_t *tokens,
                                                   int64_t count);
/* Every text goes on with the same tokens. Of more than the block only the last `block` are read. */
CJ_API CJ_MUST_CHECK cj_status cj_generator_read(cj_generator *generator, const int32_t *tokens,
                                                 int64_t count);
/* Each of the texts goes on with its own token: [texts]. */
CJ_API CJ_MUST_CHECK cj_status cj_generator_step(cj_generator *generator, const int32_t *tokens);
/* Text i becomes what text from[i] has been so far: [texts]. */
CJ_API CJ_MUST_CHECK cj_status cj_generator_reorder(cj_generator *generator, const int64_t *from);
/* Of the next token, after the last that was read: [texts,vocabulary], borrowed until the next call. NULL
 * before the first. */
CJ_API const float *cj_generator_logits(const cj_generator *generator);

/* --- choosing ------------------------------------------------------------------------------------------ */

/* All zeros: the likeliest token, the first of equal ones. */
typedef struct {
    double temperature; /* logits are divided by it; 0: the likeliest token is taken */
    int64_t top_k;      /* only so many of the likeliest tokens; 0: all. Of equal ones the first are kept */
    /* Of these the likeliest, until they make up such a share of the probability, with the one that reaches
     * it; 0 or 1: all. Holtzman et al., 2020. */
    double top_p;
    /* Logits of tokens that are there already are divided by it where positive, else multiplied; 0 or 1:
     * none. Keskar et al., 2019. */
    double repetition_penalty;
    uint64_t seed;
} cj_sampling;

/* What sampling draws from: probabilities [count] of logits [count], those that are not to be drawn 0.
 * `before` [before_count] are the tokens that are there already; it may be NULL. At temperature 0 the
 * likeliest has 1. */
CJ_API CJ_MUST_CHECK cj_status cj_token_probabilities(const cj_sampling *sampling, const float *logits,
                                                      int64_t count, const int32_t *before,
                                                      int64_t before_count, float *probabilities);
/* Draws one of them: number `draw` of the seed's. */
CJ_API int32_t cj_draw_token(const cj_sampling *sampling, const float *probabilities, int64_t count,
                             uint64_t draw);

/* --- texts --------------------------------------------------------------------------------------------- */

typedef struct {
    size_t size;
    cj_generator *generator; /* it forgets what it has read before */
    const int32_t *prompt;   /* one token at least */
    int64_t prompt_count;
    int64_t tokens; /* to be made at most */
    cj_sampling sampling;
    bool has_stop; /* the text ends before `stop`, a token */
    int32_t stop;
    /* Called with each token as it is chosen; false: that is enough. May be NULL. */
    bool (*each)(int32_t token, void *context);
    void *context;
    int32_t *made; /* [tokens]; NULL: not wanted */
} cj_generate_options;
/* One text; `count`, if not NULL, is how many tokens were made. cj_generate(&count, generator, .prompt = …)
 */
CJ_API CJ_MUST_CHECK cj_status cj_generate(int64_t *count, const cj_generate_options *options);

/* Follows the likeliest `texts` of the generator side by side. The score of a text is the sum of the
 * logarithms of its tokens' probabilities over ((5 + n) / 6)^length_penalty, n being how many tokens it has,
 * `stop` included. Wu et al., 2016. */
typedef struct {
    size_t size;
    cj_generator *generator;
    const int32_t *prompt;
    int64_t prompt_count;
    int64_t tokens;
    bool has_stop; /* a text is at its end where `stop` comes, which is not among the tokens made */
    int32_t stop;
    double length_penalty; /* 0: none; more favours longer texts */
    int32_t *made;         /* [tokens] of the best text */
    double *score;         /* of it; NULL: not wanted */
    /* Called before each further token with how many there are; false: CJ_INTERRUPTED. May be NULL. */
    bool (*each)(int64_t count, void *context);
    void *context;
} cj_beam_options;
/* cj_beam_search(&count, generator, .prompt = …) */
CJ_API CJ_MUST_CHECK cj_status cj_beam_search(int64_t *count, const cj_beam_options *options);

#if !defined(CJ_NO_LOCATIONS) && !defined(__cplusplus)
#define cj_generator_new(generator, ...)                                                                     \
    (cj_generator_new)(generator, CJ_OPTIONS(cj_generator_options, .model = __VA_ARGS__))
#define cj_generate(count, ...)                                                                              \
    (cj_generate)(count, CJ_OPTIONS(cj_generate_options, .generator = __VA_ARGS__))
#define cj_beam_search(count, ...)                                                                           \
    (cj_beam_search)(count, CJ_OPTIONS(cj_beam_options, .generator = __VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif
#endif

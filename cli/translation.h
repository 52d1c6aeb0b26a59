/* Sentences translated by a run's network: what translate does with its lines, and train and evaluate with
 * those of a test. */
#ifndef CAJAL_TRANSLATION_H
#define CAJAL_TRANSLATION_H

#include "run.h"

typedef struct {
    cj_recipe *recipe;
    cj_tokenizer *source, *target; /* target NULL: the source's */
    cj_generator *generator;
    cj_tokens tokens; /* of the sentence at hand */
    int32_t *made;    /* [block] */
    double length_penalty;
} translation;

enum { TRANSLATION_BEAMS = 5 };
#define TRANSLATION_PENALTY 1.0

/* end_translation is due whether it fails or not. */
cj_status begin_translation(translation *t, run *r, int64_t beams, double length_penalty);
void end_translation(translation *t);
/* What the translation is made of. */
const cj_tokenizer *target_of(const translation *t);
/* The sentence in tokens, t->tokens, and its translation, the first `count` of t->made; both with their end,
 * where that of the translation came. */
cj_status translate_tokens(translation *t, const char *sentence, size_t size, int64_t *count);
/* `text` is to be freed with cj_text_free; of blanks it is "". */
cj_status translate_sentence(translation *t, const char *sentence, size_t size, char **text);
/* Where the run translates and has files of the part, BLEU of its translations of them, into the report. */
cj_status score_translations(run *r, report *result);

#endif

/* A tokenizer inside: pieces, special tokens, and what its kind does with them. Each kind is one file, and a
 * row of the table in tokenizer.c. */
#ifndef CJ__TOKENIZER_H
#define CJ__TOKENIZER_H

#include "cajal/text.h"
#include "text/pieces.h"

typedef struct {
    const char *name;
    /* From a text that has been cleaned. */
    cj_status (*train)(cj_tokenizer *tokenizer, const cj_tokenizer_training *training, const char *text,
                       size_t size);
    cj_status (*encode)(const cj_tokenizer *tokenizer, const char *text, size_t size, cj_tokens *tokens);
    /* NULL: what a token stands for is its piece. */
    const char *(*text)(const cj_tokenizer *tokenizer, int32_t previous, int32_t token, size_t *size);
    bool any_bytes; /* takes text that is no UTF-8 as it is */
} cj__token_kind;

struct cj_tokenizer {
    cj_token_kind kind;
    const cj__token_kind *facts;
    cj_text_cleaning cleaning;
    cj__pieces pieces;
    int32_t specials[CJ_SPECIAL_TOKENS]; /* -1: none */
};

extern const cj__token_kind cj__token_kinds[CJ_TOKEN_KIND_COUNT];
extern const char *const cj__special_names[CJ_SPECIAL_TOKENS];

/* An empty one of that kind. */
CJ_MUST_CHECK cj_status cj__tokenizer_new(cj_tokenizer **tokenizer, cj_token_kind kind);
/* Adds special tokens as pieces of their own, "<pad>" and so on: all of them, unknown alone, or none. */
CJ_MUST_CHECK cj_status cj__tokenizer_add_specials(cj_tokenizer *tokenizer, bool all, bool unknown);
bool cj__tokenizer_is_special(const cj_tokenizer *tokenizer, int32_t token);
/* "line 3: the character 'é' (U+00E9) is not in the vocabulary", as of a place in the text. */
cj_status cj__tokenizer_unknown(const cj_tokenizer *tokenizer, const char *text, const char *at,
                                const char *end);

cj_status cj__characters_train(cj_tokenizer *t, const cj_tokenizer_training *training, const char *text,
                               size_t size);
cj_status cj__characters_encode(const cj_tokenizer *t, const char *text, size_t size, cj_tokens *tokens);
cj_status cj__bytes_train(cj_tokenizer *t, const cj_tokenizer_training *training, const char *text,
                          size_t size);
cj_status cj__bytes_encode(const cj_tokenizer *t, const char *text, size_t size, cj_tokens *tokens);

#endif

/* A tokenizer inside: pieces, special tokens, and what its kind does with them. Each kind is a row of the
 * table in tokenizer.c; characters and bytes are in one file, BPE is in two, the other kinds in one each. */
#ifndef CJ__TOKENIZER_H
#define CJ__TOKENIZER_H

#include "base/text.h"
#include "cajal/text.h"
#include "text/merges.h"
#include "text/pieces.h"
#include "text/pattern.h"
#include "text/unicode.h"

typedef struct {
    const char *name;
    /* From a text that has been cleaned. NULL: it is only read from files. */
    cj_status (*train)(cj_tokenizer *tokenizer, const cj_tokenizer_training *training, const char *text,
                       size_t size);
    cj_status (*encode)(const cj_tokenizer *tokenizer, const cj__passage *passage, cj_tokens *tokens);
    /* Makes what encoding needs, of pieces, specials, merges and scores; NULL: it needs nothing more. */
    cj_status (*ready)(cj_tokenizer *tokenizer);
    /* NULL: what a token stands for is its piece. */
    const char *(*text)(const cj_tokenizer *tokenizer, int32_t previous, int32_t token, size_t *size);
    bool any_bytes; /* takes text that is no UTF-8 as it is */
    bool letters;   /* pieces are any bytes: files have them as in letters.h */
} cj__token_kind;

struct cj_tokenizer {
    cj_token_kind kind;
    const cj__token_kind *facts;
    cj_text_cleaning cleaning;
    cj__pieces pieces;
    int32_t specials[CJ_SPECIAL_TOKENS]; /* -1: none */
    cj__merges merges;                   /* of BPE and scored pieces */
    int32_t *pairs;                      /* [pair_count,2] of BPE, as learned */
    int64_t pair_count, pair_room;
    float *scores;            /* [count] of scored pieces */
    int32_t byte_tokens[256]; /* of BPE and scored pieces */
    char bytes[256];          /* 0 to 255, for the text of scored pieces that are bytes */
    cj__pattern *pattern;     /* of BPE */
    bool whole_first;         /* a stretch that is a token is that token */
};

extern const cj__token_kind cj__token_kinds[CJ_TOKEN_KIND_COUNT];
extern const char *const cj__special_names[CJ_SPECIAL_TOKENS];

enum { CJ__USUAL_VOCABULARY = 8192 }; /* tokens that are learned where nothing is said */

/* Whether text is cut without being looked at before. */
bool cj__takes_any_bytes(cj_token_kind kind, const cj_text_cleaning *cleaning);
/* An empty one of that kind. */
CJ_MUST_CHECK cj_status cj__tokenizer_new(cj_tokenizer **tokenizer, cj_token_kind kind);
/* Ends a reader: the tokenizer made ready and handed over, or freed. `path` stands before the sentence. */
CJ_MUST_CHECK cj_status cj__tokenizer_finish(cj_tokenizer **tokenizer, cj_tokenizer *made, cj_status status,
                                             const char *path);
/* Adds special tokens as pieces of their own, "<pad>" and so on: all of them but the mask, unknown alone, or
 * none. */
CJ_MUST_CHECK cj_status cj__tokenizer_add_specials(cj_tokenizer *tokenizer, bool all, bool unknown);
bool cj__tokenizer_is_special(const cj_tokenizer *tokenizer, int32_t token);
/* Special, and nothing where text is made of tokens: all but unknown, which is told as its piece. */
bool cj__tokenizer_is_silent(const cj_tokenizer *tokenizer, int32_t token);
/* The number of a piece that is text, or of unknown; -1: neither. */
int32_t cj__tokenizer_token(const cj_tokenizer *tokenizer, const char *piece, size_t size);
/* "line 3: 'é' (U+00E9) is none of the tokens", as of a place in the passage. */
cj_status cj__tokenizer_unknown(const cj_tokenizer *tokenizer, const cj__passage *passage, const char *at,
                                const char *end);

cj_status cj__characters_train(cj_tokenizer *t, const cj_tokenizer_training *training, const char *text,
                               size_t size);
cj_status cj__characters_encode(const cj_tokenizer *t, const cj__passage *p, cj_tokens *tokens);

/* Whether so many tokens are enough for the 256 bytes, and the special ones. */
CJ_MUST_CHECK cj_status cj__check_room_for_bytes(int64_t vocabulary, bool specials);
cj_status cj__bytes_train(cj_tokenizer *t, const cj_tokenizer_training *training, const char *text,
                          size_t size);
cj_status cj__bytes_encode(const cj_tokenizer *t, const cj__passage *p, cj_tokens *tokens);

/* The next word at `*at`, or mark of punctuation, which is moved behind it; NULL: there is none. */
const char *cj__word_next(const char **at, const char *end);
cj_status cj__words_train(cj_tokenizer *t, const cj_tokenizer_training *training, const char *text,
                          size_t size);
cj_status cj__words_encode(const cj_tokenizer *t, const cj__passage *p, cj_tokens *tokens);
const char *cj__words_text(const cj_tokenizer *t, int32_t previous, int32_t token, size_t *size);

enum { CJ__LONGEST_STRETCH = 1 << 16 }; /* bytes; a longer one is no piece that is learned or looked up */
cj_status cj__bpe_train(cj_tokenizer *t, const cj_tokenizer_training *training, const char *text,
                        size_t size);
cj_status cj__bpe_encode(const cj_tokenizer *t, const cj__passage *p, cj_tokens *tokens);
cj_status cj__bpe_encode_stretch(const cj_tokenizer *t, const char *stretch, size_t size, cj_tokens *tokens);
cj_status cj__bpe_ready(cj_tokenizer *t);

cj_status cj__wordpiece_train(cj_tokenizer *t, const cj_tokenizer_training *training, const char *text,
                              size_t size);
cj_status cj__wordpiece_encode(const cj_tokenizer *t, const cj__passage *p, cj_tokens *tokens);
/* Finds [PAD], [UNK], [CLS], [SEP] and [MASK] among the pieces, where they are; [UNK] must be. */
CJ_MUST_CHECK cj_status cj__wordpiece_specials(cj_tokenizer *tokenizer);
const char *cj__wordpiece_text(const cj_tokenizer *t, int32_t previous, int32_t token, size_t *size);

cj_status cj__scored_encode(const cj_tokenizer *t, const cj__passage *p, cj_tokens *tokens);
cj_status cj__scored_ready(cj_tokenizer *t);
const char *cj__scored_text(const cj_tokenizer *t, int32_t previous, int32_t token, size_t *size);

#endif

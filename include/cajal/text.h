/* Text: tokenizers, which turn it into numbers and back; and how good texts are: BLEU and chrF of
 * translations, perplexity and bits of what a language model says. */
#ifndef CAJAL_TEXT_H
#define CAJAL_TEXT_H

#include "cajal/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A vocabulary and the rules by which text is cut into its pieces, tokens, numbered from 0. Any thread may
 * use it at any time once it is made; it is the caller's, for cj_tokenizer_free. Where a call that makes one
 * fails there is none, and the pointer is NULL. */
typedef struct cj_tokenizer cj_tokenizer;

typedef enum {
    CJ_TOKENS_CHARACTER, /* one for each character (code point) that the training text had */
    CJ_TOKENS_BYTE,      /* one for each of the 256 bytes: any text, and what is none */
    CJ_TOKENS_WORD,      /* words between blanks, and each mark of punctuation */
    CJ_TOKENS_BPE,       /* byte-pair encoding of bytes, as GPT-2's: any text, and what is none */
    CJ_TOKENS_WORDPIECE, /* BERT's: words, and where one is not there the longest pieces of it that are */
    CJ_TOKENS_SCORED, /* pieces with scores, the best pair first, bytes where there is no piece: Llama's, as
                         llama2.c writes them */
    CJ_TOKEN_KIND_COUNT
} cj_token_kind;
CJ_API const char *cj_token_kind_name(cj_token_kind kind); /* "character" */

/* Tokens that stand for no text. A tokenizer need not have them, and two may be one. */
typedef enum {
    CJ_TOKEN_PADDING, /* behind the end of a shorter text of a batch */
    CJ_TOKEN_UNKNOWN, /* what the vocabulary does not have */
    CJ_TOKEN_BEGIN,   /* before a text */
    CJ_TOKEN_END,     /* after it */
    CJ_TOKEN_MASK,    /* in the place of a token that is to be guessed */
    CJ_SPECIAL_TOKENS
} cj_special_token;

/* The forms of Unicode, in which characters that look the same are the same: composed or decomposed, and with
 * or without what is only a manner of writing (K). */
typedef enum { CJ_FORM_AS_IS, CJ_FORM_NFC, CJ_FORM_NFD, CJ_FORM_NFKC, CJ_FORM_NFKD } cj_normal_form;

/* What is done to text before it is cut. The form, lower case and accents need utf8proc. */
typedef struct {
    bool replace_invalid; /* bytes that are no UTF-8 become U+FFFD; else they are an error that names the line
                           */
    cj_normal_form form;
    bool lower;         /* to lower case, character by character */
    bool strip_accents; /* decompose, and leave out marks that take no room of their own */
    bool text_only;     /* so it is with BPE, bytes and scored pieces, too; else they take bytes that are no
                           UTF-8 as they are, unless there is more to do than to look for these */
    bool in_full; /* lower case as Unicode has it in full, as scores take it: a capital sigma at the end of
                     a word, and the one letter that becomes two */
} cj_text_cleaning;
/* The text so cleaned, `*clean_size` bytes and a zero behind them; free with cj_text_free. A zero byte is no
 * text either. */
CJ_API CJ_MUST_CHECK cj_status cj_text_clean(const cj_text_cleaning *cleaning, const char *text, size_t size,
                                             char **clean, size_t *clean_size);

typedef struct {
    size_t size;
    cj_token_kind kind;
    const char *text; /* UTF-8, `bytes` of it */
    size_t bytes;
    cj_text_cleaning cleaning;
    int64_t vocabulary; /* the most tokens there may be, special ones among them; 0: of BPE and WordPiece
                           8192, else as many as there are. The commonest are kept, of equally common ones
                           those that come first in ascending order */
    int64_t least; /* words, pairs and characters that are met less often are no tokens; 0: 1, of pairs 2 */
    bool specials; /* begin with padding, unknown, begin and end, 0 to 3; WordPiece has its own always */
} cj_tokenizer_training;
/* Makes a vocabulary from a text. Characters are numbered in ascending order, words from the commonest on,
 * the pieces of BPE and WordPiece in the order in which they are made. What there is no room for is unknown,
 * which then is a token (of characters and words the first one); where all characters have room there is
 * none, and one that is met later is an error. A vocabulary of special tokens alone is refused: there was
 * nothing to learn. There is no training of CJ_TOKENS_SCORED. */
CJ_API CJ_MUST_CHECK cj_status cj_tokenizer_train(cj_tokenizer **tokenizer,
                                                  const cj_tokenizer_training *training);

/* Reads a tokenizer, and tells by the file's contents which it is: one of Cajal's own; GPT-2's encoder.json,
 * with its merges in vocab.bpe (or merges.txt) beside it; BERT's vocab.txt, a piece a line, which takes text
 * in lower case without accents unless it has pieces in upper case; or llama2.c's .bin. */
CJ_API CJ_MUST_CHECK cj_status cj_tokenizer_open(cj_tokenizer **tokenizer, const char *path);
/* Each by itself. */
CJ_API CJ_MUST_CHECK cj_status cj_tokenizer_read_gpt2(cj_tokenizer **tokenizer, const char *encoder_path,
                                                      const char *merges_path);
CJ_API CJ_MUST_CHECK cj_status cj_tokenizer_read_wordpiece(cj_tokenizer **tokenizer, const char *path,
                                                           const cj_text_cleaning *cleaning);
CJ_API CJ_MUST_CHECK cj_status cj_tokenizer_read_llama2c(cj_tokenizer **tokenizer, const char *path);
/* As JSON, whole or not at all, and back. A run's folder has it as tokenizer.json. */
CJ_API CJ_MUST_CHECK cj_status cj_tokenizer_save(const cj_tokenizer *tokenizer, const char *path);
CJ_API CJ_MUST_CHECK cj_status cj_tokenizer_load(cj_tokenizer **tokenizer, const char *path);
CJ_API void cj_tokenizer_free(cj_tokenizer *tokenizer);

CJ_API cj_token_kind cj_tokenizer_kind(const cj_tokenizer *tokenizer);
CJ_API int64_t cj_tokenizer_count(const cj_tokenizer *tokenizer); /* of tokens */
/* The token's number; -1: it has none of these. */
CJ_API int32_t cj_tokenizer_special(const cj_tokenizer *tokenizer, cj_special_token token);
/* The piece with that number, `*size` bytes of it and a zero behind them; NULL: there is no such number. */
CJ_API const char *cj_tokenizer_piece(const cj_tokenizer *tokenizer, int32_t token, size_t *size);
/* The number of the piece; -1: there is no such piece. */
CJ_API int32_t cj_tokenizer_find(const cj_tokenizer *tokenizer, const char *piece, size_t size);

/* A growing list of tokens: begin with zeros, end with cj_tokens_free. */
typedef struct {
    int32_t *ids; /* [count] */
    int64_t count, room;
} cj_tokens;
CJ_API void cj_tokens_free(cj_tokens *tokens);

/* Appends the tokens of `size` bytes of text. Special tokens are the caller's to add (cj_tokens_add). */
CJ_API CJ_MUST_CHECK cj_status cj_tokenizer_encode(const cj_tokenizer *tokenizer, const char *text,
                                                   size_t size, cj_tokens *tokens);
/* The same of text that was taken from another, whose line of that number it begins with: that is what errors
 * tell. 0: they tell no line, as of a line that its reader names. */
CJ_API CJ_MUST_CHECK cj_status cj_tokenizer_encode_at(const cj_tokenizer *tokenizer, const char *text,
                                                      size_t size, int64_t line, cj_tokens *tokens);
CJ_API CJ_MUST_CHECK cj_status cj_tokens_add(cj_tokens *tokens, int32_t token);
/* The text of the tokens, `*size` bytes and a zero behind them; free with cj_text_free. Special tokens are
 * nothing, but for unknown, which is its piece; words have blanks between them, though not before what closes
 * and behind what opens. A number that is no token is an error. A byte's token may be part of a character
 * only. */
CJ_API CJ_MUST_CHECK cj_status cj_tokenizer_decode(const cj_tokenizer *tokenizer, const int32_t *ids,
                                                   int64_t count, char **text, size_t *size);
/* The same one by one, for text that is shown while it is made: what `token` adds behind `previous` (-1: it
 * is the first), `*size` bytes, without a zero. They belong to the tokenizer. NULL: it is no token. */
CJ_API const char *cj_tokenizer_text(const cj_tokenizer *tokenizer, int32_t previous, int32_t token,
                                     size_t *size);

/* Takes away the byte order mark that a text with a zero behind it may begin with: it is no part of what the
 * text says. */
CJ_API void cj_drop_byte_order_mark(char *text, size_t *size);
/* How many characters the text has; a byte that is no UTF-8 counts as one. */
CJ_API int64_t cj_count_characters(const char *text, size_t size);

/* --- metrics ------------------------------------------------------------------------------------------- */

/* Of a mean cross-entropy in nats a token: among how many equally likely tokens it is like guessing. */
CJ_API double cj_perplexity(double loss);
/* The same loss over `tokens` in bits for each of the `units` that these stand for, characters or bytes, so
 * that vocabularies can be compared. NaN without units. */
CJ_API double cj_bits_per_unit(double loss, int64_t tokens, int64_t units);

/* How translations are cut into words before they are compared. */
typedef enum {
    CJ_SCORE_13A,       /* as the tool mteval-v13a does, for text as it is written */
    CJ_SCORE_TOKENISED, /* at blanks: the text has been cut already */
} cj_score_words;
typedef struct {
    size_t size;
    const char *const *said;       /* [count] translations, each ended by a zero */
    const char *const *references; /* [count,references] what each might have been */
    int64_t count;
    int64_t reference_count; /* of each; 0: 1 */
    cj_score_words words;    /* of BLEU */
    bool lower;              /* in lower case: needs utf8proc beyond ASCII */
    int64_t word_order;      /* of chrF: word n-grams beside those of characters; 2: chrF++ */
} cj_score_options;
/* BLEU of Papineni et al., 2002, of all sentences together, as sacreBLEU 2 gives it: 4-grams, an order that
 * is never right counting for a half of its least share, then a quarter, … */
typedef struct {
    double score;                     /* 0 to 100; so are precisions */
    double precisions[4];             /* of 1-grams to 4-grams */
    double brevity;                   /* the penalty for being shorter */
    int64_t length, reference_length; /* words; of the reference that is nearest in length */
} cj_bleu_score;
CJ_API CJ_MUST_CHECK cj_status cj_bleu(const cj_score_options *options, cj_bleu_score *score);
/* chrF2 of Popović, 2015, 0 to 100: the F-score, recall counting twice, of 1 to 6 characters in a row, blanks
 * left out; as sacreBLEU 2 gives it. */
CJ_API CJ_MUST_CHECK cj_status cj_chrf(const cj_score_options *options, double *score);

#ifdef __cplusplus
}
#endif
#endif

/* Words: what stands between blanks, and each mark of punctuation by itself. The vocabulary is the commonest,
 * and what is not in it is unknown. */
#include "text/counts.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

#include <string.h>

/* --- cutting ------------------------------------------------------------------------------------------- */

static uint32_t code_at(const char *at, const char *end, int *length)
{
    *length = at < end ? cj__utf8_length(at, end) : 0;
    return *length ? cj__utf8_code(at, *length) : 0;
}

static bool is_digit(uint32_t code)
{
    return code >= '0' && code <= '9';
}

/* What may stand within a word: don't, well-known, 3.5, 10,000, and before one: 's. */
static bool joins(uint32_t before, uint32_t sign, uint32_t after)
{
    if (sign == '\'' || sign == 0x2019) return cj__is_word(after);
    if (sign == '-') return cj__is_word(before) && cj__is_word(after);
    return (sign == '.' || sign == ',') && is_digit(before) && is_digit(after);
}

const char *cj__word_next(const char **at, const char *end)
{
    int length, next;
    uint32_t code = code_at(*at, end, &length), before = 0;
    while (length && cj__is_blank(code)) code = code_at(*at += length, end, &length);
    const char *start = *at;
    if (!length) return NULL;
    while (length) {
        uint32_t after = code_at(*at + length, end, &next);
        if (!cj__is_word(code) && !(next && joins(before, code, after))) break;
        *at += length;
        before = code;
        code = after;
        length = next;
    }
    if (*at == start) *at += length; /* a sign */
    return start;
}

/* --- the vocabulary ------------------------------------------------------------------------------------ */

static cj_status count_words(cj__counts *counts, const char *text, size_t size)
{
    const char *at = text, *end = text + size, *word;
    while ((word = cj__word_next(&at, end))) CJ__TRY(cj__counts_add(counts, word, (size_t)(at - word), 1));
    return CJ_OK;
}

cj_status cj__words_train(cj_tokenizer *t, const cj_tokenizer_training *training, const char *text,
                          size_t size)
{
    cj__counts counts = {0};
    int64_t *order = NULL, kept = 0, most = training->vocabulary ? training->vocabulary : CJ__MOST_TOKENS;
    int32_t number;
    CJ__TRY(cj__unicode_check("a tokenizer of words"));
    cj_status status = count_words(&counts, text, size);
    if (status == CJ_OK) status = cj__tokenizer_add_specials(t, training->specials, true);
    if (status == CJ_OK) status = cj__counts_order(&counts, training->least, &order, &kept);
    for (int64_t i = 0; i < kept && status == CJ_OK && t->pieces.count < most; i++) {
        const cj__piece *piece = &counts.pieces.list[order[i]];
        status = cj__pieces_add(&t->pieces, piece->bytes, piece->size, &number);
    }
    cj__free(order);
    cj__counts_free(&counts);
    return status;
}

cj_status cj__words_encode(const cj_tokenizer *t, const cj__passage *p, cj_tokens *tokens)
{
    const char *at = p->text, *end = p->text + p->size, *word;
    CJ__TRY(cj__unicode_check("a tokenizer of words"));
    while ((word = cj__word_next(&at, end))) {
        int32_t token = cj__tokenizer_token(t, word, (size_t)(at - word));
        if (token < 0) return cj__tokenizer_unknown(t, p, word, at);
        CJ__TRY(cj_tokens_add(tokens, token));
    }
    return CJ_OK;
}

/* --- back to text -------------------------------------------------------------------------------------- */

static bool is_one_of(const char *signs, const cj__piece *piece)
{
    return piece->size == 1 && strchr(signs, *piece->bytes);
}

/* Words have a blank between them; what closes has none before, what opens none behind. */
const char *cj__words_text(const cj_tokenizer *t, int32_t previous, int32_t token, size_t *size)
{
    const cj__piece *piece = &t->pieces.list[token];
    const cj__piece *before = previous >= 0 && previous < t->pieces.count ? &t->pieces.list[previous] : NULL;
    bool first = !before || cj__tokenizer_is_silent(t, previous);
    bool joined =
        first || is_one_of(".,;:!?)]}%", piece) || *piece->bytes == '\'' || is_one_of("([{$", before);
    *size = piece->size + !joined;
    return piece->bytes - !joined;
}

/* Counting n-grams: an n-gram is a byte string of its words' numbers. BLEU and chrF are made of these counts.
 */
#include "text/ngrams.h"
#include "text/unicode.h"

#include <string.h>

/* What Python splits a text at, whichever build this is. */
static bool is_white(uint32_t code)
{
    if (code <= 0x20) return code == 0x20 || (code >= 9 && code <= 13) || (code >= 0x1c && code <= 0x1f);
    return code == 0x85 || code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a) ||
           code == 0x2028 || code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000;
}

int cj__white_length(const char *text, const char *end)
{
    int length = cj__utf8_length(text, end);
    return length && is_white(cj__utf8_code(text, length)) ? length : 0;
}

const char *cj__next_word_of_line(const char **at, const char *end, size_t *size)
{
    int white;
    while (*at < end && (white = cj__white_length(*at, end)) > 0) *at += white;
    const char *word = *at;
    while (*at < end && !cj__white_length(*at, end)) ++*at;
    *size = (size_t)(*at - word);
    return *size ? word : NULL;
}

cj_status cj__words_of_line(cj__pieces *words, const char *line, cj_tokens *ids)
{
    const char *end = line + strlen(line), *word;
    size_t size;
    int32_t number;
    while ((word = cj__next_word_of_line(&line, end, &size))) {
        CJ__TRY(cj__pieces_add(words, word, size, &number));
        CJ__TRY(cj_tokens_add(ids, number));
    }
    return CJ_OK;
}

cj_status cj__characters_of_line(const char *line, cj_tokens *ids)
{
    for (const char *end = line + strlen(line); line < end;) {
        int length = cj__utf8_length(line, end);
        uint32_t code = cj__utf8_code(line, length);
        if (!is_white(code)) CJ__TRY(cj_tokens_add(ids, (int32_t)code));
        line += length;
    }
    return CJ_OK;
}

cj_status cj__ngrams_count(cj__counts *counts, const cj_tokens *ids, int64_t order)
{
    for (int64_t i = 0; i + order <= ids->count; i++)
        CJ__TRY(cj__counts_add(counts, (const char *)(ids->ids + i), (size_t)order * sizeof *ids->ids, 1));
    return CJ_OK;
}

static int64_t times_of(const cj__counts *counts, const cj__piece *piece)
{
    int32_t number = cj__pieces_find(&counts->pieces, piece->bytes, piece->size);
    return number < 0 ? 0 : counts->times[number];
}

int64_t cj__ngrams_shared(const cj__counts *a, const cj__counts *b)
{
    int64_t shared = 0;
    for (int64_t i = 0; i < a->pieces.count; i++) {
        int64_t there = times_of(b, &a->pieces.list[i]);
        shared += a->times[i] < there ? a->times[i] : there;
    }
    return shared;
}

cj_status cj__ngrams_join(cj__counts *counts, const cj__counts *other)
{
    for (int64_t i = 0; i < other->pieces.count; i++) {
        const cj__piece *piece = &other->pieces.list[i];
        int64_t more = other->times[i] - times_of(counts, piece);
        if (more > 0) CJ__TRY(cj__counts_add(counts, piece->bytes, piece->size, more));
    }
    return CJ_OK;
}

/* Pieces with scores, as llama2.c keeps Llama's and its own small vocabularies: of two neighbours that make a
 * piece the best-scored pair is put together first; a character that is no piece becomes its bytes. A text
 * begins with a blank that it has not. */
#include "text/tokenizer.h"
#include "text/unicode.h"

#include <stdio.h>
#include <string.h>

enum { LONGEST = 128 }; /* bytes of a piece: llama2.c's have a tenth of that */

/* --- encoding ------------------------------------------------------------------------------------------ */

/* The bytes of a character, or of what is none. */
static cj_status add_bytes(const cj_tokenizer *t, const cj__passage *p, const char *at, int length,
                           cj_tokens *tokens)
{
    for (int i = 0; i < length; i++) {
        int32_t token = t->byte_tokens[(unsigned char)at[i]];
        if (token < 0) token = t->specials[CJ_TOKEN_UNKNOWN];
        if (token < 0) return cj__tokenizer_unknown(t, p, at, at + length);
        CJ__TRY(cj_tokens_add(tokens, token));
    }
    return CJ_OK;
}

cj_status cj__scored_encode(const cj_tokenizer *t, const cj__passage *p, cj_tokens *tokens)
{
    int64_t first = tokens->count;
    int32_t blank = cj__pieces_find(&t->pieces, " ", 1);
    if (p->size > 0 && blank >= 0) CJ__TRY(cj_tokens_add(tokens, blank));
    for (const char *at = p->text, *end = p->text + p->size; at < end;) {
        int length = cj__utf8_length(at, end);
        if (length == 0) length = 1;
        int32_t token = cj__pieces_find(&t->pieces, at, (size_t)length);
        if (token >= 0)
            CJ__TRY(cj_tokens_add(tokens, token));
        else
            CJ__TRY(add_bytes(t, p, at, length, tokens));
        at += length;
    }
    return cj__merges_apply(&t->merges, tokens, first);
}

/* --- back to text -------------------------------------------------------------------------------------- */

/* The byte that a piece "<0x0A>" stands for; -1: it is another. */
static int byte_of(const cj__piece *piece)
{
    static const char digits[] = "0123456789ABCDEF";
    if (piece->size != 6 || memcmp(piece->bytes, "<0x", 3) != 0 || piece->bytes[5] != '>') return -1;
    const char *high = strchr(digits, piece->bytes[3]), *low = strchr(digits, piece->bytes[4]);
    return high && low && *high && *low ? (int)(16 * (high - digits) + (low - digits)) : -1;
}

/* The blank that a text begins with is left out again. */
const char *cj__scored_text(const cj_tokenizer *t, int32_t previous, int32_t token, size_t *size)
{
    const cj__piece *piece = &t->pieces.list[token];
    int byte = byte_of(piece);
    *size = 1;
    if (byte >= 0) return &t->bytes[byte];
    bool first = previous < 0 || previous == t->specials[CJ_TOKEN_BEGIN];
    bool blank = first && *piece->bytes == ' ';
    *size = piece->size - blank;
    return piece->bytes + blank;
}

/* --- making ready -------------------------------------------------------------------------------------- */

/* Every way to make the piece of two others. */
static cj_status add_merges(cj_tokenizer *t, int32_t whole)
{
    const cj__piece *piece = &t->pieces.list[whole];
    if (piece->size > LONGEST)
        return cj__fail(CJ_UNSUPPORTED, "piece %d has %u bytes, expected %d at most", whole, piece->size,
                        LONGEST);
    for (size_t cut = 1; cut < piece->size; cut++) {
        int32_t left = cj__pieces_find(&t->pieces, piece->bytes, cut);
        int32_t right = cj__pieces_find(&t->pieces, piece->bytes + cut, piece->size - cut);
        if (left >= 0 && right >= 0)
            CJ__TRY(cj__merges_add(&t->merges, left, right, whole, -t->scores[whole]));
    }
    return CJ_OK;
}

cj_status cj__scored_ready(cj_tokenizer *t)
{
    char name[8];
    for (int byte = 0; byte < 256; byte++) {
        snprintf(name, sizeof name, "<0x%02X>", byte);
        t->bytes[byte] = (char)byte;
        t->byte_tokens[byte] = cj__pieces_find(&t->pieces, name, 6);
    }
    for (int64_t i = 0; i < t->pieces.count; i++) CJ__TRY(add_merges(t, (int32_t)i));
    return CJ_OK;
}

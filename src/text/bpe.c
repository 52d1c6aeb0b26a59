/* Byte-pair encoding: the text is cut by GPT-2's pattern, each stretch becomes its bytes' tokens, and these
 * are merged, the pair that was learned first before others. Sennrich et al., 2016; Radford et al., 2019. */
#include "text/pattern.h"
#include "text/tokenizer.h"

#include <string.h>

cj_status cj__bpe_encode(const cj_tokenizer *t, const cj__passage *p, cj_tokens *tokens)
{
    cj__pattern_walk walk;
    const char *stretch;
    size_t bytes;
    CJ__TRY(cj__pattern_begin(&walk, t->pattern, p->text, p->size));
    cj_status status = cj__pattern_next(&walk, &stretch, &bytes);
    while (status == CJ_OK && bytes > 0) {
        status = cj__bpe_encode_stretch(t, stretch, bytes, tokens);
        if (status == CJ_OK) status = cj__pattern_next(&walk, &stretch, &bytes);
    }
    cj__pattern_end(&walk);
    return status;
}

static cj_status merge_bytes(const cj_tokenizer *t, const char *stretch, size_t size, cj_tokens *tokens)
{
    int64_t first = tokens->count;
    for (size_t i = 0; i < size; i++)
        CJ__TRY(cj_tokens_add(tokens, t->byte_tokens[(unsigned char)stretch[i]]));
    return cj__merges_apply(&t->merges, tokens, first);
}

cj_status cj__bpe_encode_stretch(const cj_tokenizer *t, const char *stretch, size_t size, cj_tokens *tokens)
{
    int32_t whole = t->whole_first ? cj__pieces_find(&t->pieces, stretch, size) : -1;
    if (whole >= 0 && !cj__tokenizer_is_special(t, whole)) return cj_tokens_add(tokens, whole);
    return merge_bytes(t, stretch, size, tokens);
}

static cj_status find_bytes(cj_tokenizer *t)
{
    for (int byte = 0; byte < 256; byte++) {
        char piece = (char)byte;
        t->byte_tokens[byte] = cj__pieces_find(&t->pieces, &piece, 1);
        if (t->byte_tokens[byte] < 0)
            return cj__fail(CJ_FORMAT_ERROR, "found no token for byte 0x%02x, expected one for each", byte);
    }
    return CJ_OK;
}

/* A stretch that is a token may be taken as it is where merging its bytes comes to the same, which is so of
 * every token in vocabularies that were learned. */
static cj_status check_wholes(cj_tokenizer *t)
{
    cj_tokens tokens = {0};
    cj_status status = CJ_OK;
    t->whole_first = true;
    for (int64_t i = 0; i < t->pieces.count && status == CJ_OK && t->whole_first; i++) {
        const cj__piece *piece = &t->pieces.list[i];
        if (cj__tokenizer_is_special(t, (int32_t)i)) continue;
        tokens.count = 0;
        if (piece->size <= CJ__LONGEST_STRETCH) status = merge_bytes(t, piece->bytes, piece->size, &tokens);
        t->whole_first = tokens.count == 1 && tokens.ids[0] == i;
    }
    cj_tokens_free(&tokens);
    return status;
}

/* Of the pairs that were learned, the earlier costs less. */
static cj_status add_merges(cj_tokenizer *t, cj__text *both)
{
    for (int64_t i = 0; i < t->pair_count; i++) {
        int32_t left = t->pairs[2 * i], right = t->pairs[2 * i + 1];
        both->size = 0;
        cj__text_add(both, t->pieces.list[left].bytes, t->pieces.list[left].size);
        cj__text_add(both, t->pieces.list[right].bytes, t->pieces.list[right].size);
        CJ__TRY(cj__text_check(both, "a merge"));
        int32_t whole = cj__pieces_find(&t->pieces, both->data, both->size);
        if (whole < 0)
            return cj__fail(CJ_FORMAT_ERROR,
                            "merge %lld, of tokens %d and %d, makes no token, expected one that does",
                            (long long)i + 1, left, right);
        CJ__TRY(cj__merges_add(&t->merges, left, right, whole, (float)i));
    }
    return CJ_OK;
}

cj_status cj__bpe_ready(cj_tokenizer *t)
{
    cj__text both = {0};
    CJ__TRY(cj__pattern_new(&t->pattern));
    CJ__TRY(find_bytes(t));
    cj_status status = add_merges(t, &both);
    cj__text_free(&both);
    return status == CJ_OK ? check_wholes(t) : status;
}

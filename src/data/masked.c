/* Masked language modelling as Devlin et al., 2018, have it: 15 in 100 tokens are to be guessed; of these 80
 * are masked, 10 replaced by another and 10 left as they are. Loaders draw each row by its own counters. */
#include "data/masked.h"
#include "base/random.h"

#include <string.h>

enum { PERCENT = 42949673 }; /* of 2^32 */

void cj__masking_begin(cj__masking *m, const cj_tokenizer *t, const cj_tensor *x)
{
    *m = (cj__masking){.tokens = x->data, .width = x->shape.dims[1], .vocabulary = cj_tokenizer_count(t)};
    for (int i = 0; i < CJ_SPECIAL_TOKENS; i++) m->specials[i] = cj_tokenizer_special(t, (cj_special_token)i);
}

/* Unknown words are none: there would be nothing to learn. */
static bool is_special(const cj__masking *m, int32_t token)
{
    for (int i = 0; i < CJ_SPECIAL_TOKENS; i++)
        if (m->specials[i] == token) return true;
    return token == 0;
}

/* Any token of the vocabulary; in place of a special one the mask. */
static int32_t any_token(const cj__masking *m, uint32_t bits)
{
    int32_t token = (int32_t)((uint64_t)bits * (uint64_t)m->vocabulary >> 32);
    return is_special(m, token) ? m->specials[CJ_TOKEN_MASK] : token;
}

static int32_t seen(const cj__masking *m, int32_t token, const uint32_t bits[4])
{
    if (bits[1] < 80U * PERCENT) return m->specials[CJ_TOKEN_MASK];
    return bits[1] < 90U * PERCENT ? any_token(m, bits[2]) : token;
}

void cj__masking_draw(const cj__masking *m, const cj__row_wanted *row, int32_t *x, int32_t *y)
{
    const int32_t *tokens = m->tokens + row->place * m->width;
    uint64_t key = cj__mix(cj__mix(row->seed, 0x6d61736b73u), (uint64_t)row->place); /* "masks" */
    uint32_t bits[4];
    memcpy(x, tokens, (size_t)row->width * sizeof *x);
    if (y) memset(y, 0xff, (size_t)row->width * sizeof *y);
    for (int64_t i = 0; i < row->width; i++) {
        if (is_special(m, tokens[i])) continue;
        cj__philox(key, (uint64_t)row->epoch, (uint64_t)i, bits);
        if (bits[0] >= 15U * PERCENT) continue;
        x[i] = seen(m, tokens[i], bits);
        if (y) y[i] = tokens[i];
    }
}

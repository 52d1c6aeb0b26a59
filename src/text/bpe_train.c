/* The vocabulary of a BPE tokenizer from a text: the 256 bytes in GPT-2's order, then what is learned. */
#include "text/counts.h"
#include "text/learn_merges.h"
#include "text/letters.h"

static cj_status add_bytes(cj_tokenizer *t, int32_t tokens[256])
{
    uint8_t order[256];
    cj__letters_order(order);
    for (int i = 0; i < 256; i++) {
        char piece = (char)order[i];
        CJ__TRY(cj__pieces_add(&t->pieces, &piece, 1, &tokens[order[i]]));
    }
    return CJ_OK;
}

static cj_status count_stretches(const cj__pattern *pattern, const char *text, size_t size,
                                 cj__counts *counts)
{
    cj__splitting s;
    const char *stretch;
    size_t bytes;
    CJ__TRY(cj__split_begin(&s, pattern, text, size));
    cj_status status = cj__split_next(&s, &stretch, &bytes);
    while (status == CJ_OK && bytes > 0) {
        /* A longer one is no piece of a vocabulary; its parts are counted alone. */
        for (size_t at = 0, part; at < bytes && status == CJ_OK; at += part) {
            part = bytes - at < CJ__LONGEST_PIECE ? bytes - at : CJ__LONGEST_PIECE;
            status = cj__counts_add(counts, stretch + at, part, 1);
        }
        if (status == CJ_OK) status = cj__split_next(&s, &stretch, &bytes);
    }
    cj__split_end(&s);
    return status;
}

/* Each stretch as a row of its bytes' tokens. */
static cj_status learn(cj_tokenizer *t, const cj__counts *counts, const int32_t tokens[256], int64_t most,
                       int64_t least)
{
    int64_t all = 0, count = counts->pieces.count;
    for (int64_t i = 0; i < count; i++) all += counts->pieces.list[i].size;
    int64_t *starts = cj__allocate((size_t)(count + 1) * sizeof *starts);
    cj__token_rows rows = {cj__allocate((size_t)all * sizeof *rows.tokens + 1), starts, counts->times, count};
    cj_status status = CJ_OK;
    if (!starts || !rows.tokens)
        status = cj__out_of_memory((size_t)all * sizeof *rows.tokens, "a vocabulary");
    for (int64_t i = 0, at = 0; i <= count && status == CJ_OK; i++) {
        starts[i] = at;
        for (uint32_t k = 0; i < count && k < counts->pieces.list[i].size; k++)
            rows.tokens[at++] = tokens[(unsigned char)counts->pieces.list[i].bytes[k]];
    }
    if (status == CJ_OK) status = cj__learn_merges(t, &rows, most, least, "");
    cj__free(starts);
    cj__free(rows.tokens);
    return status;
}

cj_status cj__bpe_train(cj_tokenizer *t, const cj_tokenizer_training *training, const char *text, size_t size)
{
    cj__counts counts = {0};
    cj__pattern *pattern;
    int32_t tokens[256];
    int64_t most = training->vocabulary ? training->vocabulary : 8192;
    if (most < 256 + 4 * training->specials)
        return cj__fail(CJ_INVALID_ARGUMENT, "a vocabulary of %lld has no room for the 256 bytes",
                        (long long)most);
    CJ__TRY(cj__pattern_new(&pattern));
    cj_status status = cj__tokenizer_add_specials(t, training->specials, false);
    if (status == CJ_OK) status = add_bytes(t, tokens);
    if (status == CJ_OK) status = count_stretches(pattern, text, size, &counts);
    if (status == CJ_OK) status = learn(t, &counts, tokens, most, training->least ? training->least : 2);
    cj__counts_free(&counts);
    cj__pattern_free(pattern);
    return status;
}

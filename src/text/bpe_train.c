/* The vocabulary of a BPE tokenizer from a text: the 256 bytes in GPT-2's order, then what is learned. */
#include "text/counts.h"
#include "text/learn_merges.h"
#include "text/letters.h"

static cj_status add_bytes(cj_tokenizer *t)
{
    uint8_t order[256];
    int32_t number;
    cj__letters_order(order);
    for (int i = 0; i < 256; i++) {
        char piece = (char)order[i];
        CJ__TRY(cj__pieces_add(&t->pieces, &piece, 1, &number));
    }
    return CJ_OK;
}

static cj_status count_stretches(const cj__pattern *pattern, const char *text, size_t size,
                                 cj__counts *counts)
{
    cj__pattern_walk walk;
    const char *stretch;
    size_t bytes;
    CJ__TRY(cj__pattern_begin(&walk, pattern, text, size));
    cj_status status = cj__pattern_next(&walk, &stretch, &bytes);
    while (status == CJ_OK && bytes > 0) {
        /* The parts of a longer one are counted alone. */
        for (size_t at = 0, part; at < bytes && status == CJ_OK; at += part) {
            part = bytes - at < CJ__LONGEST_STRETCH ? bytes - at : CJ__LONGEST_STRETCH;
            status = cj__counts_add(counts, stretch + at, part, 1);
        }
        if (status == CJ_OK) status = cj__pattern_next(&walk, &stretch, &bytes);
    }
    cj__pattern_end(&walk);
    return status;
}

/* A stretch as a row of its bytes' tokens. */
static int64_t row_of(const cj_tokenizer *t, const cj__piece *stretch, int32_t *row)
{
    for (uint32_t i = 0; i < stretch->size; i++) row[i] = cj__pieces_find(&t->pieces, &stretch->bytes[i], 1);
    return stretch->size;
}

cj_status cj__bpe_train(cj_tokenizer *t, const cj_tokenizer_training *training, const char *text, size_t size)
{
    cj__counts counts = {0};
    cj__pattern *pattern;
    int64_t most = training->vocabulary ? training->vocabulary : CJ__USUAL_VOCABULARY;
    CJ__TRY(cj__check_room_for_bytes(most, training->specials));
    CJ__TRY(cj__pattern_new(&pattern));
    cj_status status = cj__tokenizer_add_specials(t, training->specials, false);
    if (status == CJ_OK) status = add_bytes(t);
    if (status == CJ_OK) status = count_stretches(pattern, text, size, &counts);
    if (status == CJ_OK)
        status = cj__learn_merges(t, &counts, row_of, most, training->least ? training->least : 2, "");
    cj__counts_free(&counts);
    cj__pattern_free(pattern);
    return status;
}

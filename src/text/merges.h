/* Merging: a text is a row of tokens, and of all pairs of neighbours that make a token the best is put
 * together, over and over; of equally good ones the first. BPE and scored pieces are cut by it. */
#ifndef CJ__MERGES_H
#define CJ__MERGES_H

#include "cajal/text.h"
#include "base/memory.h"

typedef struct {
    uint64_t pair; /* left · 2^32 + right */
    float cost;    /* the least is the best */
    int32_t whole; /* what they make; -1: a free slot */
} cj__merge;

/* Zero-initialise it. */
typedef struct {
    cj__merge *slots; /* [slot_count], a power of two, at least twice the count */
    int64_t count, slot_count;
} cj__merges;

/* A pair that is there already keeps the lesser cost. */
CJ_MUST_CHECK cj_status cj__merges_add(cj__merges *merges, int32_t left, int32_t right, int32_t whole,
                                       float cost);
const cj__merge *cj__merges_find(const cj__merges *merges, int32_t left, int32_t right); /* NULL: none */
void cj__merges_free(cj__merges *merges);

/* Merges `tokens` from `first` on, where they lie, until no pair is left that could be. */
CJ_MUST_CHECK cj_status cj__merges_apply(const cj__merges *merges, cj_tokens *tokens, int64_t first);

#endif

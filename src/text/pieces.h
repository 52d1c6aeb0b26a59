/* The pieces of a vocabulary: byte strings numbered in the order in which they came, and found by their
 * bytes.
 */
#ifndef CJ__PIECES_H
#define CJ__PIECES_H

#include "base/memory.h"

enum { CJ__MOST_TOKENS = 1 << 24, CJ__LONGEST_PIECE = 1 << 28 };

typedef struct {
    const char *bytes; /* a blank before them, a zero behind them */
    uint32_t size, hash;
} cj__piece;

/* Zero-initialise it. */
typedef struct {
    cj__arena arena;
    cj__piece *list; /* [count] */
    int64_t count, room;
    int32_t *slots; /* [slot_count] numbers, -1: free; a power of two, at least twice the count */
    int64_t slot_count;
} cj__pieces;

/* The number of the piece, a new one where it was not there yet. */
CJ_MUST_CHECK cj_status cj__pieces_add(cj__pieces *pieces, const char *bytes, size_t size, int32_t *number);
int32_t cj__pieces_find(const cj__pieces *pieces, const char *bytes, size_t size); /* -1: it is not there */
void cj__pieces_free(cj__pieces *pieces);

#endif

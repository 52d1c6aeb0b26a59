/* Learning merges: of all pairs of neighbours in the words of a text the one that is met most often becomes a
 * token of its own, over and over. */
#ifndef CJ__LEARN_MERGES_H
#define CJ__LEARN_MERGES_H

#include "text/counts.h"
#include "text/tokenizer.h"

/* Writes a word as a row of the tokenizer's pieces, at most one for each of its bytes; returns how many, 0
 * where it cannot be. */
typedef int64_t (*cj__row_of)(const cj_tokenizer *tokenizer, const cj__piece *word, int32_t *row);

/* Adds pieces, and their pairs in order, until there are `most` or no pair is met `least` times in the words.
 * Of pairs met equally often the one of the smaller numbers comes first. `inner`, "##", stands before pieces
 * within a word, and is left out where the right one of a pair is put behind the left. */
CJ_MUST_CHECK cj_status cj__learn_merges(cj_tokenizer *tokenizer, const cj__counts *words, cj__row_of row_of,
                                         int64_t most, int64_t least, const char *inner);

#endif

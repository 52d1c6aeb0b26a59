/* Learning merges: of all pairs of neighbours in the words of a text the one that is met most often becomes a
 * token of its own, over and over. */
#ifndef CJ__LEARN_MERGES_H
#define CJ__LEARN_MERGES_H

#include "text/tokenizer.h"

/* Words as rows of tokens. */
typedef struct {
    int32_t *tokens;       /* all words', one behind the other; rewritten while learning */
    const int64_t *starts; /* [count + 1] */
    const int64_t *times;  /* [count] how often each word was met */
    int64_t count;
} cj__token_rows;

/* Adds pieces, and their pairs in order, until there are `most` or no pair is met `least` times. Of pairs met
 * equally often the one of the smaller numbers comes first. `inner`, "##", stands before pieces within a
 * word, and is left out where the right one of a pair is put behind the left. */
CJ_MUST_CHECK cj_status cj__learn_merges(cj_tokenizer *tokenizer, const cj__token_rows *rows, int64_t most,
                                         int64_t least, const char *inner);

#endif

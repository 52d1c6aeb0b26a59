/* N-grams of a sentence, of words or of characters, and how many two sentences share. */
#ifndef CJ__NGRAMS_H
#define CJ__NGRAMS_H

#include "cajal/text.h"
#include "text/counts.h"

/* The next word at `*at`, up to white space, which is moved behind it; NULL: there is none. */
const char *cj__next_word_of_line(const char **at, const char *end, size_t *size);
/* The line's words, cut at white space, as numbers of `words`, which gets new ones. */
CJ_MUST_CHECK cj_status cj__words_of_line(cj__pieces *words, const char *line, cj_tokens *ids);
/* Of well-formed text its characters without white space, each as its code point. */
CJ_MUST_CHECK cj_status cj__characters_of_line(const char *line, cj_tokens *ids);
/* The length of the white space that the text begins with; 0: none. `text` is before `end`. */
int cj__white_length(const char *text, const char *end);

/* Counts the n-grams of that order. */
CJ_MUST_CHECK cj_status cj__ngrams_count(cj__counts *counts, const cj_tokens *ids, int64_t order);
/* Each n-gram as often as both have it. */
int64_t cj__ngrams_shared(const cj__counts *a, const cj__counts *b);
/* Raises each count to the other's, where that is larger: what either reference has. */
CJ_MUST_CHECK cj_status cj__ngrams_join(cj__counts *counts, const cj__counts *other);

#endif

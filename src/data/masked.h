/* Sentences whose tokens are masked, anew each epoch, for BERT to guess. */
#ifndef CJ__MASKED_H
#define CJ__MASKED_H

#include "cajal/text.h"
#include "data/dataset.h"

typedef struct {
    const int32_t *tokens; /* [rows,width], 0 behind the ends; the dataset's */
    int64_t width, vocabulary;
    int32_t specials[CJ_SPECIAL_TOKENS];
} cj__masking;

/* `x` is of a tokenizer that has a token for a mask. */
void cj__masking_begin(cj__masking *masking, const cj_tokenizer *tokenizer, const cj_tensor *x);
/* x: what is seen, [row->width]; y: what stood in the places that are to be guessed, -1 in the others, or
 * NULL. A function of the row wanted alone. */
void cj__masking_draw(const cj__masking *masking, const cj__row_wanted *row, int32_t *x, int32_t *y);

#endif

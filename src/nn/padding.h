/* Where the rows of a batch of sequences end: token 0, of a text's tokenizers, is what stands behind shorter
 * ones. Layers and networks that read sentences share this. */
#ifndef CJ__PADDING_H
#define CJ__PADDING_H

#define CJ_NO_LOCATIONS
#include "cajal/nn.h"

enum { CJ__PADDING_TOKEN = 0 };

/* tokens: [N,T] → how many of each row's are a sentence, i32 [N] */
cj_value cj__sentence_lengths(cj_value tokens);
/* 1 in the first `length + more` of `places`, else 0: f32 [N,places,1] */
cj_value cj__sentence_places(cj_value lengths, int64_t places, int64_t more);
/* x: [N,T,C] → zeros beyond each row's length, whatever stands there, NaN too */
cj_value cj__without_padding(cj_value x, cj_value lengths);
/* x: [N,T,C], zeros beyond each row's length → the mean of the places before, [N,C]; zeros of an empty row */
cj_value cj__mean_within(cj_value x, cj_value lengths);

#endif

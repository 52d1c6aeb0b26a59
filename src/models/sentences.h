/* What networks that read sentences draw with in common: its words as vectors, and the logits. */
#ifndef CJ__SENTENCES_H
#define CJ__SENTENCES_H

#define CJ_NO_LOCATIONS
#include "cajal/attention.h"
#include "cajal/classify.h"
#include "cajal/nn.h"
#include "cajal/sequence.h"
#include "cajal/vision.h"
#include "graph/graph.h"
#include "nn/check.h"
#include "nn/padding.h"

/* Whether the tokens can be read and every size is 1 or more; else the graph has the error. */
bool cj__sentences_check(cj_graph *graph, const char *name, cj_value tokens, const int64_t *sizes, int count);

/* tokens: [N,T] → [N,T,width], zeros in padding; in training whole words are left out at the rate. Draws the
 * parameter "embedding.weight". */
cj_value cj__sentence_words(cj_scope s, cj_value tokens, int64_t vocabulary, int64_t width,
                            double word_dropout);
/* x: [N,C] → [N,classes], behind a dropout: the parameters of "output". */
cj_value cj__sentence_logits(cj_scope s, cj_value x, int64_t classes, double dropout);

#endif

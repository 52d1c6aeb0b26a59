/* What language models draw with in common: attention to what came before, and the last token. */
#ifndef CJ__LANGUAGE_H
#define CJ__LANGUAGE_H

#define CJ_NO_LOCATIONS
#include "cajal/attention.h"
#include "cajal/language.h"
#include "cajal/nn.h"
#include "graph/graph.h"
#include "nn/check.h"

/* The sizes that every one has. */
typedef struct {
    const char *name; /* for errors: "gpt" */
    int64_t vocabulary, block, layers, heads, kv_heads, width;
} cj__language_sizes;
/* The tokens of a text, at least 1: the block of a model that takes any number of them. */
int64_t cj__reading_window(const cj_reading *input);
/* Whether the options can be drawn and the tokens fit; else the graph has the error. */
bool cj__language_check(cj_graph *graph, const cj_reading *input, const cj__language_sizes *sizes);

/* Each token attends to itself and to what came before it. q: [N,T,heads,D], k, v: [N,T,kv_heads,D] →
 * [N,T,heads·D]. Where the reading has a position, k and v are kept at the scope as "keys" and "values". */
cj_value cj__attend_to_past(cj_scope s, const cj_reading *input, int64_t block, cj_value q, cj_value k,
                            cj_value v, double dropout);

/* x: [N,T,W] → the row of the last token alone, [N,1,W], where that is what is wanted. */
cj_value cj__wanted_rows(const cj_reading *input, cj_value x);
/* x: [N,T,W] → logits by the table of embeddings [V,W] once more, [N,T,V] */
cj_value cj__tied_logits(cj_scope s, cj_value embedding, cj_value x);

#endif

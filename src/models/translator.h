/* What translators draw with in common: embeddings, logits, and what is remembered of a source. */
#ifndef CJ__TRANSLATOR_H
#define CJ__TRANSLATOR_H

#include "models/language.h"
#include "models/sentences.h"
#include "nn/projection.h"

/* Whether the options and what is read fit together; else the graph has the error. */
bool cj__translator_check(cj_scope s, const cj_translator_options *o, const char *name);
/* A source is read by itself, before its translation is made. */
bool cj__source_alone(const cj_reading *input);

/* Embeddings of the source, or of what it is translated to: [N,T,width] */
cj_value cj__translator_embedding(cj_scope s, const cj_translator_options *o, bool source);
/* x: [N,T,width] → logits by the embeddings once more */
cj_value cj__translator_logits(cj_scope s, const cj_translator_options *o, cj_value x);

/* What is remembered of a source, for each of the texts that translate it: x [1,S,…] at the beginning of
 * [texts,block,…]; whole, [1,…] → [texts,…]. */
void cj__remember_source(cj_scope s, const cj_translator_options *o, const char *name, cj_value x);
void cj__remember_whole(cj_scope s, const cj_translator_options *o, const char *name, cj_value x);
/* And how it is read again, by each text: `shape` without the texts. */
cj_value cj__remembered(cj_scope s, const cj_translator_options *o, const char *name, cj_dtype dtype,
                        cj_shape_t shape);

#endif

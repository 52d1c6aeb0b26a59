/* Networks that read sentences and say what they are: functions that draw logits for tokens, i32 [N,T], of
 * which 0 is padding and stands only behind a sentence's end, as in the datasets of cj_dataset_read_text.
 * Whatever padding a batch has, a sentence gets the same logits, to rounding; an empty one is fine, too. */
#ifndef CAJAL_CLASSIFY_H
#define CAJAL_CLASSIFY_H

#include "cajal/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { CJ_MOST_WIDTHS = 8 };

/* TextCNN (Kim, 2014): for each of a few widths, filters over so many words and the largest of what each
 * gives anywhere; dropout; logits. Parameters: embedding, convs.0, convs.1, …, output. Each sentence is taken
 * with as many zeros around it as let every filter begin before it and end behind it. */
typedef struct {
    size_t size;
    cj_value input;
    int64_t vocabulary, classes;
    int64_t width;                  /* of an embedding; 0: 300 */
    int64_t filters;                /* of each width; 0: 100 */
    int64_t widths[CJ_MOST_WIDTHS]; /* in words, up to the first 0; none: 3, 4, 5 */
    double dropout;                 /* before the logits, in training */
    double word_dropout;            /* of whole words, in training (Iyyer et al., 2015) */
} cj_text_cnn_options;
CJ_API cj_value cj_text_cnn(cj_scope scope, const cj_text_cnn_options *options);

/* What a sentence's states become: the largest of each number, their mean, or both networks' last ones. */
typedef enum { CJ_POOL_LARGEST, CJ_POOL_AVERAGE, CJ_POOL_LAST } cj_sentence_pool;

/* An LSTM from either end (Schuster and Paliwal, 1997; Graves and Schmidhuber, 2005), pooled. No step is
 * taken in padding. Parameters: embedding, lstm with PyTorch's names (sequence.h), output. Dropout is of
 * embeddings, between layers and before the logits. */
typedef struct {
    size_t size;
    cj_value input;
    int64_t vocabulary, classes;
    int64_t width;  /* of an embedding; 0: 300 */
    int64_t units;  /* in each direction; 0: 128 */
    int64_t layers; /* 0: 1 */
    cj_sentence_pool pool;
    double dropout, word_dropout;
} cj_bilstm_options;
CJ_API cj_value cj_bilstm(cj_scope scope, const cj_bilstm_options *options);

/* BERT (Devlin et al., 2018), with the transformers package's names: bert.embeddings.word_embeddings,
 * bert.encoder.layer.N.attention.self.query, …; weights of a BertModel alone lack "bert." (cj_weights.map).
 * Begins normal with deviation 0.02. */
typedef struct {
    size_t size;
    cj_value input;
    cj_value types;            /* i32 [N,T], 0 or 1: of which of two sentences a token is; none: 0 */
    int64_t vocabulary, block; /* tokens there are; the most that a sentence may have */
    int64_t layers, heads, width;
    int64_t hidden;  /* of the MLP; 0: 4 · width */
    double epsilon;  /* of the norms; 0: 1e-12 */
    double dropout;  /* of embeddings, attention and what each part adds */
    int64_t classes; /* cj_bert_classes */
} cj_bert_options;
/* The last layer's states, [N,T,width]. */
CJ_API cj_value cj_bert(cj_scope scope, const cj_bert_options *options);
/* What each token was that a mask stands for: logits [N,T,vocabulary] over the embedding once more. Further
 * parameters: cls.predictions.transform, cls.predictions.bias. */
CJ_API cj_value cj_bert_masked(cj_scope scope, const cj_bert_options *options);
/* What the sentence is, told by its first token's state: logits [N,classes]. Further: bert.pooler.dense,
 * classifier. */
CJ_API cj_value cj_bert_classes(cj_scope scope, const cj_bert_options *options);

#ifdef __cplusplus
}
#endif
#endif

/* Language models: functions that draw logits over a vocabulary for tokens, under the names of parameters
 * that their originals have, so that weights travel both ways. The same drawing serves three ends: whole
 * texts (training, evaluation), a prompt, and one token more; the last two go on from keys and values that
 * are kept from run to run. generate.h makes texts with them. Beside them translators, which read a source
 * too, and a memory network, which answers questions about stories. */
#ifndef CAJAL_LANGUAGE_H
#define CAJAL_LANGUAGE_H

#include "cajal/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is read. */
typedef struct {
    cj_value tokens; /* i32 [N,T] */
    /* Where the first of them stands in its text, an i32 scalar: what came before it is remembered, and they
     * are remembered in turn, in variables of the role CJ_CARRIED whose first axis is N. None: texts from
     * their beginning, of which nothing is kept. */
    cj_value position;
    /* Logits are wanted after this one alone of the T tokens, an i32 scalar; those behind it are padding, and
     * will be read over. None: after each. */
    cj_value last;
    /* Of a translation: what is translated, i32 [N,S], 0 behind its end. Texts from their beginning are read
     * with it. Where a position is given it was read before, by itself, without tokens: [1,S], which `texts`
     * texts translate, and what it was understood as is remembered for the tokens that follow. */
    cj_value source;
    int64_t texts;
} cj_reading;

/* Radford et al., 2019, as in nanoGPT: layer norms before attention and MLP, learned positions, the embedding
 * used again for the logits. Parameters: transformer.wte, transformer.wpe, transformer.h.N.ln_1,
 * transformer.h.N.attn.c_attn, …, transformer.ln_f. Weights are [out,in]; files of GPT-2 have those of
 * c_attn, c_fc and c_proj transposed: cj_weights.transpose. */
typedef struct {
    size_t size;
    cj_reading input;
    int64_t vocabulary, block; /* tokens there are; the most that are seen at once */
    int64_t layers, heads, width;
    double dropout;
    bool no_bias;    /* in no layer and no norm */
    bool exact_gelu; /* by the error function, as nanoGPT has it; else GPT-2's approximation by tanh */
} cj_gpt_options;
/* Logits [N,T,vocabulary]; of the last alone [N,1,vocabulary]. */
CJ_API cj_value cj_gpt(cj_scope scope, const cj_gpt_options *options);

/* Touvron et al., 2023: RMS norms, rotary positions, SwiGLU, keys and values shared by groups of heads.
 * Parameters are named as in the transformers package: model.embed_tokens, model.layers.N.self_attn.q_proj,
 * …, model.norm, lm_head; the halves of a head turn against each other. A file of llama2.c reads as these. */
typedef struct {
    size_t size;
    cj_reading input;
    int64_t vocabulary, block;
    int64_t layers, heads, width;
    int64_t kv_heads; /* 0: as many as heads */
    int64_t hidden;   /* of the MLP; 0: 8/3 of the width, rounded up to a multiple of 32 */
    double theta;     /* base of the rotary positions; 0: 10000 */
    double epsilon;   /* of the norms; 0: 1e-5 */
    double dropout;
    bool own_head; /* the logits have a weight of their own, lm_head; else the embedding is used again */
} cj_llama_options;
CJ_API cj_value cj_llama(cj_scope scope, const cj_llama_options *options);

/* A recurrent network for texts: Karpathy, 2015. Parameters: embedding, then rnn, lstm or gru with PyTorch's
 * names (sequence.h), and output. Dropout is between layers and before the logits. The block is without end:
 * what was read is in the state. */
typedef enum { CJ_CHAR_RNN, CJ_CHAR_LSTM, CJ_CHAR_GRU } cj_char_rnn_kind;
typedef struct {
    size_t size;
    cj_reading input;
    int64_t vocabulary;
    cj_char_rnn_kind kind;
    int64_t layers, width;
    double dropout;
    bool stateful; /* without a position, too, each row goes on where it was left: texts in lanes */
} cj_char_rnn_options;
/* Logits [N,T,vocabulary]; of the last alone [N,1,vocabulary]. */
CJ_API cj_value cj_char_rnn(cj_scope scope, const cj_char_rnn_options *options);

/* What follows a token depends on it alone: a table of logits, [vocabulary,vocabulary], which begins with
 * zeros. Its parameter is logits.weight. */
typedef struct {
    size_t size;
    cj_reading input;
    int64_t vocabulary;
} cj_bigram_options;
CJ_API cj_value cj_bigram(cj_scope scope, const cj_bigram_options *options);

/* A perceptron over the embeddings of the last few tokens: Bengio et al., 2003. Before the first token stands
 * one of its own. Parameters: embedding [vocabulary + 1,width], hidden, output. */
typedef struct {
    size_t size;
    cj_reading input;
    int64_t vocabulary;
    int64_t context;       /* tokens that it sees: 1 to 4096 */
    int64_t width, hidden; /* of a token's embedding; units of the layer of tanh */
    double dropout;        /* before the logits */
} cj_mlp_language_options;
CJ_API cj_value cj_mlp_language(cj_scope scope, const cj_mlp_language_options *options);

/* An end-to-end memory network, which answers questions about stories: Sukhbaatar et al., 2015, with its
 * position and temporal encoding, and tables shared by adjacent hops. Parameters: embedding.K [vocabulary -
 * 1,width] (token 0 is padding, and no word) and time.K [sentences,width], K from 0 to `hops`, hidden where
 * there is such a layer, and answer. What each hop attends to is noted as a layer, hop.K, of type
 * "attention": [N,sentences], each row summing to 1. */
typedef struct {
    size_t size;
    cj_value input;     /* i32 [N,sentences + 1,T]: the story, the latest sentence last, then the question; 0
                           behind their ends */
    int64_t vocabulary; /* tokens there are */
    int64_t hops, width, classes;
    int64_t hidden; /* units of a layer of ReLU before the answer; 0: none, as published */
    double dropout; /* of what a hop attends to */
} cj_memory_network_options;
/* Logits [N,classes]. */
CJ_API cj_value cj_memory_network(cj_scope scope, const cj_memory_network_options *options);

/* --- translation --------------------------------------------------------------------------------------- */

typedef struct {
    size_t size;
    cj_reading input;
    int64_t vocabulary;        /* of what is translated to */
    int64_t source_vocabulary; /* 0: both are one, and so is the table of embeddings */
    int64_t block; /* tokens that a source, and a translation, may have where these are made; 0: as many as
                      there are, where nothing is remembered */
    int64_t layers, heads; /* Transformer: of encoder and decoder each; GRU: 1 */
    int64_t width;         /* of embeddings; of all of the Transformer */
    int64_t hidden;        /* Transformer: of the feed-forward part, 0: 4 widths; GRU: units, 0: the width */
    double dropout;
} cj_translator_options;
/* Vaswani et al., 2017, with norms before the parts, as nn.Transformer(norm_first=True) has them and names
 * them: encoder.layers.N, encoder.norm, decoder.layers.N, decoder.norm. The table "embedding"
 * [vocabulary,width] is used again for the logits; other languages have "source_embedding". Places are told
 * by sines and cosines. */
CJ_API cj_value cj_transformer_translator(cj_scope scope, const cj_translator_options *options);
/* Bahdanau et al., 2015: the source is read by a GRU in both directions, encoder.gru; another, decoder.gru,
 * writes, and before each token looks at all of it: decoder.attention. It begins with tanh of decoder.begin
 * of what the two had read at their ends. What it has written, what it looked at and the last token become
 * logits by decoder.output, as wide as an embedding, and the table of embeddings once more. */
CJ_API cj_value cj_gru_translator(cj_scope scope, const cj_translator_options *options);

#ifdef __cplusplus
}
#endif
#endif

/* Layers for sequences [N,T,C]: recurrent networks, with PyTorch's names, layouts and order of gates. */
#ifndef CAJAL_SEQUENCE_H
#define CAJAL_SEQUENCE_H

#include "cajal/nn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- recurrent networks -------------------------------------------------------------------------------- */

/* Parameters of layer k, G gates: "weight_ih_lk" [G·units,what it reads], "weight_hh_lk" [G·units,units],
 * "bias_ih_lk" and "bias_hh_lk" [G·units]; those of the way back end in "_reverse". They begin uniform in
 * ±1/√units, as PyTorch's. */
typedef struct {
    size_t size;
    cj_value input;     /* [N,T,C], f32 */
    int64_t units;      /* PyTorch's hidden_size; of LSTM, too, what is given on: there is no proj_size */
    int64_t layers;     /* each reads what the one before gives; 0: 1 */
    bool bidirectional; /* two networks, the second from each row's end to its beginning, side by side */
    bool no_bias;
    bool relu;      /* of cj_rnn: ReLU in place of tanh */
    double dropout; /* rate, between layers, in training */
    /* [N], integers: the steps of each row, the others being padding. A length is forced into 0 to T. What
     * lies beyond is never looked at: there the output is 0, and no gradient comes from it or goes to it.
     * None: T for all. */
    cj_value lengths;
    /* [directions·layers,N,units], in PyTorch's order (layer 0 forward, layer 0 back, layer 1 forward, …):
     * the state to begin with; none: zeros. `cell` is LSTM's. */
    cj_value hidden, cell;
    /* The state is carried from run to run instead, in variables "hidden" and "cell" [N,layers,units] of the
     * role CJ_CARRIED: each row goes on where the run before left it, without a gradient to what came before
     * (truncated backpropagation through time). Not where `bidirectional`. */
    bool stateful;
    const char *file; /* the caller's, for error messages; the macros set them */
    int line;
} cj_recurrent_options;
typedef struct {
    cj_value output;       /* [N,T,directions·units] of the last layer */
    cj_value last;         /* [N,directions·units]: of each direction what it gave at its last step */
    cj_value hidden, cell; /* [directions·layers,N,units], as each row's last step left them */
} cj_recurrent;

/* h' = tanh(W x + b + U h + c). Elman, 1990. */
CJ_API cj_recurrent cj_rnn(cj_scope scope, const cj_recurrent_options *options);
/* Gates i f g o: c' = f c + i g, h' = o tanh(c'). Hochreiter and Schmidhuber, 1997; Gers et al., 2000. */
CJ_API cj_recurrent cj_lstm(cj_scope scope, const cj_recurrent_options *options);
/* Gates r z n: n = tanh(W x + b + r (U h + c)), h' = (1 - z) n + z h. Cho et al., 2014, with r as in PyTorch
 * and cuDNN. */
CJ_API cj_recurrent cj_gru(cj_scope scope, const cj_recurrent_options *options);

/* One step: input [N,C], `hidden` and `cell` [N,units]; `output` and `last` are the new `hidden`. Parameters
 * "weight_ih", "weight_hh", "bias_ih", "bias_hh". Layers, directions, dropout and lengths are not for cells.
 */
CJ_API cj_recurrent cj_rnn_cell(cj_scope scope, const cj_recurrent_options *options);
CJ_API cj_recurrent cj_lstm_cell(cj_scope scope, const cj_recurrent_options *options);
CJ_API cj_recurrent cj_gru_cell(cj_scope scope, const cj_recurrent_options *options);

/* --- attention of recurrent networks ------------------------------------------------------------------- */

/* How much a query, the state of a decoder, attends to each of T keys, the states of an encoder:
 * softmax of v · tanh(W q + U k). Parameters "query.weight" [units,A], "key.weight" [units,B], "key.bias" and
 * "score.weight" [1,units]. Bahdanau et al., 2015. */
typedef struct {
    size_t size;
    cj_value query;     /* [N,A], or [N,L,A]: several at once */
    cj_value keys;      /* [N,T,B] */
    cj_value lengths;   /* [N], integers: keys that there are; none: T. Of none the context is 0 */
    cj_value projected; /* [N,T,units]: U k, as cj_additive_keys made it before; then keys beyond the lengths
                         * must be finite, as what recurrent layers give there is. None: it is made here */
    int64_t units;
    const char *file; /* the caller's, for error messages; the macro sets them */
    int line;
} cj_additive_attention_options;
typedef struct {
    cj_value context; /* [N,B] or [N,L,B]: the keys' mean by these weights */
    cj_value weights; /* [N,T] or [N,L,T] */
} cj_additive_attention_result;
CJ_API cj_additive_attention_result cj_additive_attention(cj_scope scope,
                                                          const cj_additive_attention_options *options);
/* U k of an attention at that scope, for queries that come one by one: [N,T,units]. */
CJ_API cj_value cj_additive_keys(cj_scope scope, cj_value keys, int64_t units);

/* --- a loss of sequences ------------------------------------------------------------------------------- */

/* Labels of which nobody knows at which step they stand: -log of the summed chances of all ways to spread
 * them over the steps, with blanks between, where neighbours that are equal count once. Graves et al., 2006.
 * As PyTorch's ctc_loss over log_softmax of the logits: each row's loss is divided by its labels (or 1), and
 * the mean is over rows. Where there are too few steps for the labels the loss is infinite, and so the step
 * is refused, or with `zero_infinity` 0. A label that is the blank, or no class, makes it NaN. */
typedef struct {
    size_t size;
    cj_value logits;                 /* [N,T,C] */
    cj_value labels;                 /* [N,S], integers; S from 0 on */
    cj_value lengths, label_lengths; /* [N], integers, forced into 0 to T and to S; none: T and S */
    int64_t blank;                   /* a class */
    bool zero_infinity;              /* PyTorch's other reductions than the mean there are not */
} cj_ctc_options;
CJ_API cj_value cj_ctc(const cj_ctc_options *options);

#if !defined(CJ_NO_LOCATIONS) && !defined(__cplusplus)
/* cj_ctc(logits, labels, .label_lengths = l) */
#define cj_ctc(logits_, ...)                                                                                 \
    cj_here((cj_ctc)(CJ_OPTIONS(cj_ctc_options, .logits = logits_, .labels = __VA_ARGS__)), __FILE__,        \
            __LINE__)
/* cj_additive_attention(scope, state, states, .units = 64) */
#define cj_additive_attention(scope, query_, ...)                                                            \
    (cj_additive_attention)(scope, CJ_OPTIONS(cj_additive_attention_options, .file = __FILE__,               \
                                              .line = __LINE__, .query = query_, .keys = __VA_ARGS__))
#define CJ_RECURRENT_OPTIONS(...)                                                                            \
    CJ_OPTIONS(cj_recurrent_options, .file = __FILE__, .line = __LINE__, .input = __VA_ARGS__)
/* cj_lstm(cj_at(s, "lstm"), x, .units = 256, .layers = 2).output */
#define cj_rnn(scope, ...)       (cj_rnn)(scope, CJ_RECURRENT_OPTIONS(__VA_ARGS__))
#define cj_lstm(scope, ...)      (cj_lstm)(scope, CJ_RECURRENT_OPTIONS(__VA_ARGS__))
#define cj_gru(scope, ...)       (cj_gru)(scope, CJ_RECURRENT_OPTIONS(__VA_ARGS__))
#define cj_rnn_cell(scope, ...)  (cj_rnn_cell)(scope, CJ_RECURRENT_OPTIONS(__VA_ARGS__))
#define cj_lstm_cell(scope, ...) (cj_lstm_cell)(scope, CJ_RECURRENT_OPTIONS(__VA_ARGS__))
#define cj_gru_cell(scope, ...)  (cj_gru_cell)(scope, CJ_RECURRENT_OPTIONS(__VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif
#endif

/* A bidirectional LSTM for sentences: Graves and Schmidhuber, 2005. Its states are pooled, as in Conneau et
 * al., "Supervised Learning of Universal Sentence Representations", 2017. */
#include "models/sentences.h"

/* y: [N,T,C], zeros behind the ends → [N,C]. States lie between -1 and 1, so that padding is never the
 * largest, and an empty sentence is all -1; also where all are empty, which get a place of padding. */
static cj_value largest(cj_value y, cj_value lengths)
{
    if (cj_value_shape(y).dims[1] == 0) y = cj_pad(y, 1, 0, 1, 0);
    cj_value beyond = cj_add_scalar(cj__sentence_places(lengths, cj_value_shape(y).dims[1], 0), -1);
    return cj_max(cj_add(y, beyond), (cj_axes_t){1, {1}}, CJ_DROP_AXES);
}

cj_value cj_bilstm(cj_scope s, const cj_bilstm_options *o)
{
    int64_t units = o->units ? o->units : 128, width = o->width ? o->width : 300;
    const int64_t sizes[] = {o->vocabulary, o->classes, units, width, o->layers ? o->layers : 1};
    if (!cj__sentences_check(s.graph, "bilstm", o->input, sizes, 5)) return cj__poison(s.graph);
    if ((unsigned)o->pool > CJ_POOL_LAST)
        return cj__graph_error(s.graph, CJ_INVALID_ARGUMENT, "bilstm has no pooling of number %d",
                               (int)o->pool);
    cj_value words = cj__sentence_words(s, o->input, o->vocabulary, width, o->word_dropout);
    cj_recurrent_options layers = {.size = sizeof layers,
                                   .input = cj_dropout(cj_at(s, "embedding_dropout"), words, o->dropout),
                                   .units = units,
                                   .layers = o->layers,
                                   .bidirectional = true,
                                   .dropout = o->dropout,
                                   .lengths = cj__sentence_lengths(o->input)};
    cj_recurrent r = cj_lstm(cj_at(s, "lstm"), &layers);
    if (!cj_value_ok(r.output)) return r.output;
    cj_value x = o->pool == CJ_POOL_LARGEST   ? largest(r.output, layers.lengths)
                 : o->pool == CJ_POOL_AVERAGE ? cj__mean_within(r.output, layers.lengths)
                                              : r.last;
    return cj__sentence_logits(s, x, o->classes, o->dropout);
}

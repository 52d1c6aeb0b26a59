/* A recurrent network that reads a text token by token, as in Karpathy, "The Unreasonable Effectiveness of
 * Recurrent Neural Networks", 2015: an embedding, recurrent layers, logits. Its state is its past. */
#include "models/language.h"
#include "cajal/sequence.h"

static cj_recurrent (*const layers[])(cj_scope, const cj_recurrent_options *) = {cj_rnn, cj_lstm, cj_gru};
static const char *const names[] = {"rnn", "lstm", "gru"};
enum { KINDS = sizeof layers / sizeof *layers };

static bool check(cj_graph *graph, const cj_char_rnn_options *o)
{
    if ((unsigned)o->kind >= KINDS) {
        (void)cj__graph_error(graph, CJ_INVALID_ARGUMENT, "there is no recurrent network %d", (int)o->kind);
        return false;
    }
    cj__language_sizes sizes = {names[o->kind], o->vocabulary, cj__reading_window(&o->input), o->layers, 1, 1,
                                o->width};
    return cj__language_check(graph, &o->input, &sizes);
}

/* Tokens behind the last are no steps: [N] of last + 1, where there is one. */
static cj_value lengths_of(const cj_reading *input)
{
    if (!input->last.graph) return cj__none();
    cj_value count = cj_add_scalar(input->last, 1);
    return cj_broadcast(count, cj_shape(cj_value_shape(input->tokens).dims[0]));
}

cj_value cj_char_rnn(cj_scope s, const cj_char_rnn_options *o)
{
    if (!check(s.graph, o)) return cj__poison(s.graph);
    cj_embedding_options table = {
        .size = sizeof table, .input = o->input.tokens, .count = o->vocabulary, .width = o->width};
    cj_recurrent_options options = {.size = sizeof options,
                                    .input = cj_embedding(cj_at(s, "embedding"), &table),
                                    .units = o->width,
                                    .layers = o->layers,
                                    .dropout = o->dropout,
                                    .lengths = lengths_of(&o->input),
                                    .stateful = o->stateful || o->input.position.graph};
    cj_value y = layers[o->kind](cj_at(s, "%s", names[o->kind]), &options).output;
    cj_dense_options logits = {.size = sizeof logits,
                               .input =
                                   cj_dropout(cj_at(s, "dropout"), cj__wanted_rows(&o->input, y), o->dropout),
                               .units = o->vocabulary};
    return cj_dense(cj_at(s, "output"), &logits);
}

/* A recurrent network that translates and looks back at the source before each token: Bahdanau et al.,
 * "Neural Machine Translation by Jointly Learning to Align and Translate", 2015. */
#define CJ_NO_LOCATIONS
#include "cajal/sequence.h"
#include "models/translator.h"

static int64_t units_of(const cj_translator_options *o)
{
    return o->hidden ? o->hidden : o->width;
}

static cj_value embed(cj_scope s, const cj_translator_options *o, bool source)
{
    return cj_dropout(cj_at(s, source ? "encoder.dropout" : "decoder.dropout"),
                      cj__translator_embedding(s, o, source), o->dropout);
}

/* --- the source ---------------------------------------------------------------------------------------- */

typedef struct {
    cj_value states;    /* of both directions, side by side: [N,S,2·units] */
    cj_value projected; /* as attention scores them: [N,S,units] */
    cj_value lengths;   /* [N] */
    cj_value hidden;    /* what the decoder begins with: [N,units] */
} memory;

static cj_scope attention_at(cj_scope s)
{
    return cj_at(s, "decoder.attention");
}

static memory encode(cj_scope s, const cj_translator_options *o)
{
    cj_value lengths = cj__sentence_lengths(o->input.source);
    cj_recurrent_options options = {.size = sizeof options,
                                    .input = embed(s, o, true),
                                    .units = units_of(o),
                                    .bidirectional = true,
                                    .lengths = lengths};
    cj_recurrent read = cj_gru(cj_at(s, "encoder.gru"), &options);
    return (memory){read.output, cj_additive_keys(attention_at(s), read.output, units_of(o)), lengths,
                    cj_tanh(cj__dense(cj_at(s, "decoder.begin"), read.last, units_of(o), false))};
}

static cj_value remember(cj_scope s, const cj_translator_options *o, const memory *m)
{
    cj__remember_source(s, o, "source_states", m->states);
    cj__remember_source(s, o, "source_projected", m->projected);
    cj__remember_whole(s, o, "source_lengths", m->lengths);
    cj__remember_whole(s, o, "hidden", m->hidden);
    return m->lengths;
}

static memory recall(cj_scope s, const cj_translator_options *o)
{
    int64_t units = units_of(o);
    return (memory){cj__remembered(s, o, "source_states", CJ_F32, cj_shape(o->block, 2 * units)),
                    cj__remembered(s, o, "source_projected", CJ_F32, cj_shape(o->block, units)),
                    cj__remembered(s, o, "source_lengths", CJ_I32, cj_scalar_shape()),
                    cj__remembered(s, o, "hidden", CJ_F32, cj_shape(units))};
}

/* --- the translation ----------------------------------------------------------------------------------- */

typedef struct {
    cj_scope scope;
    const cj_translator_options *o;
    const memory *m;
} writing;

/* carry: the state [N,units]; sequence: a token's embedding [N,W] → state and what was looked at */
static void step(cj_scan_step *step)
{
    const writing *w = step->context;
    cj_additive_attention_options look = {.size = sizeof look,
                                          .query = step->carries[0],
                                          .keys = w->m->states,
                                          .projected = w->m->projected,
                                          .lengths = w->m->lengths,
                                          .units = units_of(w->o)};
    cj_additive_attention_result seen = cj_additive_attention(attention_at(w->scope), &look);
    cj_value read[] = {step->sequences[0], seen.context};
    cj_recurrent_options cell = {.size = sizeof cell,
                                 .input = cj_concatenate(2, read, 1),
                                 .units = units_of(w->o),
                                 .hidden = step->carries[0]};
    step->carries[0] = cj_gru_cell(cj_at(w->scope, "decoder.gru"), &cell).output;
    step->outputs[0] = step->carries[0];
    step->outputs[1] = seen.context;
    if (w->scope.graph->apart) step->outputs[2] = seen.weights;
}

static cj_value time_and_rows_swapped(cj_value x)
{
    return cj_transpose(x, cj_axes(1, 0, 2));
}

/* Of the state after the last token that counts: what follows goes on from it. states: [N,T,units] */
static void keep_state(const cj_translator_options *o, cj_value hidden, cj_value states)
{
    if (!o->input.position.graph) return;
    cj_value last = cj__wanted_rows(&o->input, states);
    if (!o->input.last.graph)
        last = cj_slice(states, 1, cj_value_shape(states).dims[1] - 1, cj_value_shape(states).dims[1], 1);
    cj_assign(hidden, cj_reshape(last, cj_value_shape(hidden)));
}

cj_value cj_gru_translator(cj_scope s, const cj_translator_options *o)
{
    if (!cj__translator_check(s, o, "gru-attention")) return cj__poison(s.graph);
    if (o->layers > 1 || o->heads > 1)
        return cj__graph_error(s.graph, CJ_INVALID_ARGUMENT,
                               "gru-attention has one layer each way and no heads, not %lld and %lld",
                               (long long)o->layers, (long long)o->heads);
    memory m = o->input.source.graph ? encode(s, o) : recall(s, o);
    if (cj_graph_status(s.graph) != CJ_OK) return cj__poison(s.graph);
    if (cj__source_alone(&o->input)) return remember(s, o, &m);
    cj_value tokens = embed(s, o, false);
    writing w = {s, o, &m};
    cj_scan_options scan = {.size = sizeof scan,
                            .body = step,
                            .context = &w,
                            .carries = {m.hidden},
                            .sequences = {time_and_rows_swapped(tokens)}};
    cj_scan_result written = cj_scan(&scan);
    cj_value states = time_and_rows_swapped(written.outputs[0]);
    if (!cj_value_ok(states)) return cj__poison(s.graph);
    keep_state(o, m.hidden, states);
    if (s.graph->apart)
        (void)cj_note_layer(attention_at(s), CJ__ATTENTION_WEIGHTS,
                            time_and_rows_swapped(written.outputs[2]));
    cj_value parts[] = {states, time_and_rows_swapped(written.outputs[1]), tokens};
    cj_value x = cj__wanted_rows(&o->input, cj_concatenate(3, parts, 2));
    x = cj__dense(cj_at(s, "decoder.output"), cj_dropout(cj_at(s, "output_dropout"), x, o->dropout), o->width,
                  false);
    return cj__translator_logits(s, o, x);
}

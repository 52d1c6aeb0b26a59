/* A Transformer that translates: Vaswani et al., "Attention Is All You Need", 2017, with norms before the
 * parts. The decoder is drawn part by part, so that its keys and values can be kept from token to token. */
#include "models/translator.h"
#include "nn/projection.h"

#include <math.h>

static cj_value norm(cj_scope s, cj_value x)
{
    cj_layer_norm_options options = {.size = sizeof options, .input = x};
    return cj_layer_norm(s, &options);
}

/* Embeddings and places: [N,T,W] */
static cj_value embed(cj_scope s, const cj_translator_options *o, bool source)
{
    cj_value x = cj_scale(cj__translator_embedding(s, o, source), sqrt((double)o->width));
    cj_positions_options places = {
        .size = sizeof places, .input = x, .first = source ? cj__none() : o->input.position};
    return cj_dropout(cj_at(s, source ? "encoder.dropout" : "decoder.dropout"),
                      cj_sinusoidal_positions(&places), o->dropout);
}

/* --- the source ---------------------------------------------------------------------------------------- */

/* What a decoder's layer attends to: [N,S,heads,D] and how much of it counts, [N]. */
typedef struct {
    cj_value keys, values, lengths;
} memory;

/* [N,S,W] */
static cj_value encode(cj_scope s, const cj_translator_options *o, cj_value lengths)
{
    cj_transformer_options options = {.size = sizeof options,
                                      .input = embed(s, o, true),
                                      .heads = o->heads,
                                      .hidden = o->hidden,
                                      .layers = o->layers,
                                      .norm_first = true,
                                      .lengths = lengths,
                                      .dropout = o->dropout};
    return cj_transformer_encoder(cj_at(s, "encoder"), &options);
}

static cj_scope layer_at(cj_scope s, int64_t layer)
{
    return cj_at(s, "decoder.layers.%lld", (long long)layer);
}

/* Of one layer, from the encoder's result. */
static memory project(cj_scope layer, const cj_translator_options *o, cj_value encoded, cj_value lengths)
{
    cj_scope s = cj_at(layer, "multihead_attn");
    return (memory){cj__project_part(s, encoded, 1, o->heads, false),
                    cj__project_part(s, encoded, 2, o->heads, false), lengths};
}

static cj_value remember(cj_scope s, const cj_translator_options *o, cj_value encoded, cj_value lengths)
{
    for (int64_t i = 0; i < o->layers && cj_value_ok(encoded); i++) {
        cj_scope layer = layer_at(s, i);
        memory m = project(layer, o, encoded, lengths);
        cj__remember_source(layer, o, "source_keys", m.keys);
        cj__remember_source(layer, o, "source_values", m.values);
    }
    cj__remember_whole(s, o, "source_lengths", lengths);
    return lengths;
}

static memory recall(cj_scope s, cj_scope layer, const cj_translator_options *o)
{
    cj_shape_t shape = cj_shape(o->block, o->heads, o->width / o->heads);
    return (memory){cj__remembered(layer, o, "source_keys", CJ_F32, shape),
                    cj__remembered(layer, o, "source_values", CJ_F32, shape),
                    cj__remembered(s, o, "source_lengths", CJ_I32, cj_scalar_shape())};
}

/* --- the translation ----------------------------------------------------------------------------------- */

static cj_value attend_to_self(cj_scope s, const cj_translator_options *o, cj_value x)
{
    cj_value parts[3];
    for (int i = 0; i < 3; i++) parts[i] = cj__project_part(s, x, i, o->heads, false);
    x = cj__attend_to_past(s, &o->input, o->block, parts[0], parts[1], parts[2], o->dropout);
    return cj__dense(cj_at(s, "out_proj"), x, o->width, false);
}

static cj_value attend_to_source(cj_scope s, const cj_translator_options *o, const memory *m, cj_value x)
{
    cj_shape_t shape = cj_value_shape(x);
    cj_attention_options options = {.size = sizeof options,
                                    .query = cj__project_part(s, x, 0, o->heads, false),
                                    .key = m->keys,
                                    .value = m->values,
                                    .lengths = m->lengths,
                                    .dropout = o->dropout};
    return cj__dense(cj_at(s, "out_proj"), cj_reshape(cj_attention(s, &options), shape), o->width, false);
}

static cj_value feed_forward(cj_scope s, const cj_translator_options *o, cj_value x)
{
    x = cj_relu(cj__dense(cj_at(s, "linear1"), x, o->hidden ? o->hidden : 4 * o->width, false));
    return cj__dense(cj_at(s, "linear2"), cj_dropout(cj_at(s, "dropout"), x, o->dropout), o->width, false);
}

static cj_value draw_layer(cj_scope s, const cj_translator_options *o, const memory *m, cj_value x)
{
    cj_value y = attend_to_self(cj_at(s, "self_attn"), o, norm(cj_at(s, "norm1"), x));
    if (!cj_value_ok(y)) return y;
    x = cj_add(x, cj_dropout(cj_at(s, "dropout1"), y, o->dropout));
    y = attend_to_source(cj_at(s, "multihead_attn"), o, m, norm(cj_at(s, "norm2"), x));
    x = cj_add(x, cj_dropout(cj_at(s, "dropout2"), y, o->dropout));
    y = feed_forward(s, o, norm(cj_at(s, "norm3"), x));
    return cj_note_layer(s, "transformer_decoder_layer",
                         cj_add(x, cj_dropout(cj_at(s, "dropout3"), y, o->dropout)));
}

cj_value cj_transformer_translator(cj_scope s, const cj_translator_options *o)
{
    cj_value encoded = cj__none(), lengths = cj__none();
    if (!cj__translator_check(s, o, "transformer")) return cj__poison(s.graph);
    if (o->input.source.graph) {
        lengths = cj__sentence_lengths(o->input.source);
        encoded = encode(s, o, lengths);
        if (cj__source_alone(&o->input)) return remember(s, o, encoded, lengths);
    }
    cj_value x = embed(s, o, false);
    for (int64_t i = 0; i < o->layers && cj_value_ok(x); i++) {
        cj_scope layer = layer_at(s, i);
        memory m = encoded.graph ? project(layer, o, encoded, lengths) : recall(s, layer, o);
        x = draw_layer(layer, o, &m, x);
    }
    if (!cj_value_ok(x)) return cj__poison(s.graph);
    return cj__translator_logits(s, o, norm(cj_at(s, "decoder.norm"), cj__wanted_rows(&o->input, x)));
}

/* Transformers: encoder and decoder layers with PyTorch's names, and the parts that language models of today
 * have instead, RMS norm and SwiGLU. */
#define CJ_NO_LOCATIONS
#include "cajal/attention.h"
#include "cajal/nn.h"
#include "graph/graph.h"
#include "nn/check.h"
#include "nn/projection.h"
#include "ops/ops.h"

cj_value cj_rms_norm(cj_scope scope, const cj_rms_norm_options *o)
{
    cj_value x = o->input;
    if (!cj__given(scope, "rms_norm", "input", x)) return cj__poison(scope.graph);
    const char *outer = cj__enter(scope.graph, scope.path);
    cj_value mean = cj_mean(cj_square(x), (cj_axes_t){1, {-1}}, CJ_KEEP_AXES);
    cj_value y = cj_mul(x, cj_rsqrt(cj_add_scalar(mean, cj__epsilon(scope, "rms_norm", o->epsilon))));
    y = cj_mul(y, cj_parameter(scope, "weight", cj_shape(cj__channels_of(x)), (cj_init){CJ_INIT_ONES, 0}));
    cj__enter(scope.graph, outer);
    return cj_note_layer(scope, "rms_norm", y);
}

cj_value cj_swiglu(cj_scope scope, cj_value x, int64_t hidden)
{
    int64_t width = cj__channels_of(x);
    cj_value gate = cj_silu(cj__dense(cj_at(scope, "gate_proj"), x, hidden, true));
    x = cj_mul(gate, cj__dense(cj_at(scope, "up_proj"), x, hidden, true));
    return cj__dense(cj_at(scope, "down_proj"), x, width, true);
}

/* --- the parts of a layer ------------------------------------------------------------------------------ */

typedef cj_transformer_options options;

static cj_value norm(cj_scope scope, const options *o, const char *name, cj_value x)
{
    cj_layer_norm_options norm = {
        .size = sizeof norm, .input = x, .epsilon = o->epsilon, .no_bias = o->no_bias};
    return cj_layer_norm(cj_at(scope, "%s", name), &norm);
}

static cj_value self_attention(cj_scope scope, const options *o, cj_value x, bool causal)
{
    cj_multi_head_attention_options heads = {.size = sizeof heads,
                                             .input = x,
                                             .heads = o->heads,
                                             .causal = causal,
                                             .no_bias = o->no_bias,
                                             .lengths = o->lengths,
                                             .mask = o->mask,
                                             .dropout = o->dropout};
    return cj_multi_head_attention(cj_at(scope, "self_attn"), &heads);
}

static cj_value cross_attention(cj_scope scope, const options *o, cj_value x)
{
    cj_multi_head_attention_options heads = {.size = sizeof heads,
                                             .input = x,
                                             .context = o->memory,
                                             .heads = o->heads,
                                             .no_bias = o->no_bias,
                                             .lengths = o->memory_lengths,
                                             .mask = o->memory_mask,
                                             .dropout = o->dropout};
    return cj_multi_head_attention(cj_at(scope, "multihead_attn"), &heads);
}

static cj_value feed_forward(cj_scope scope, const options *o, cj_value x)
{
    int64_t width = cj__channels_of(x);
    cj_value y = cj__dense(cj_at(scope, "linear1"), x, o->hidden ? o->hidden : 4 * width, o->no_bias);
    y = o->activation == CJ_FEED_GELU ? cj_gelu(y) : cj_relu(y);
    return cj__dense(cj_at(scope, "linear2"), cj_dropout(cj_at(scope, "dropout"), y, o->dropout), width,
                     o->no_bias);
}

typedef enum { SELF, CAUSAL, CROSS, FEED } part;

static cj_value draw_part(cj_scope scope, const options *o, part which, cj_value x)
{
    switch (which) {
    case SELF:
    case CAUSAL:
        return self_attention(scope, o, x, which == CAUSAL);
    case CROSS:
        return cross_attention(scope, o, x);
    case FEED:
        break;
    }
    return feed_forward(scope, o, x);
}

/* The parts one after another, part i with "normI" before it or after what it is added to, and its own
 * dropout. */
static cj_value draw_layer(cj_scope scope, const options *o, const part *parts, int count, const char *type)
{
    static const char *const norms[] = {"norm1", "norm2", "norm3"};
    static const char *const drops[] = {"dropout1", "dropout2", "dropout3"};
    cj_value x = o->input;
    if (!cj__given(scope, type, "input", x)) return cj__poison(scope.graph);
    const char *outer = cj__enter(scope.graph, scope.path);
    for (int i = 0; i < count && cj_value_ok(x); i++) {
        cj_value y = o->norm_first ? norm(scope, o, norms[i], x) : x;
        y = cj_dropout(cj_at(scope, "%s", drops[i]), draw_part(scope, o, parts[i], y), o->dropout);
        x = cj_add(x, y);
        if (!o->norm_first) x = norm(scope, o, norms[i], x);
    }
    cj__enter(scope.graph, outer);
    return cj_note_layer(scope, type, x);
}

cj_value cj_transformer_encoder_layer(cj_scope scope, const options *o)
{
    const part parts[] = {o->causal ? CAUSAL : SELF, FEED};
    return draw_layer(scope, o, parts, 2, "transformer_encoder_layer");
}

cj_value cj_transformer_decoder_layer(cj_scope scope, const options *o)
{
    static const char type[] = "transformer_decoder_layer";
    if (!cj__given(scope, type, "memory", o->memory)) return cj__poison(scope.graph);
    return draw_layer(scope, o, (const part[]){o->not_causal ? SELF : CAUSAL, CROSS, FEED}, 3, type);
}

static cj_value draw_stack(cj_scope scope, const options *o, const char *type,
                           cj_value (*layer)(cj_scope, const options *))
{
    options each = *o;
    if (!cj__given(scope, type, "input", o->input) || !cj__sized(scope, type, "layers", o->layers))
        return cj__poison(scope.graph);
    for (int64_t i = 0; i < o->layers && cj_value_ok(each.input); i++)
        each.input = layer(cj_at(scope, "layers.%lld", (long long)i), &each);
    bool last = o->last_norm == CJ_LAST_NORM_IF_FIRST ? o->norm_first : o->last_norm == CJ_LAST_NORM;
    return last ? norm(scope, o, "norm", each.input) : each.input;
}

cj_value cj_transformer_encoder(cj_scope scope, const options *o)
{
    return draw_stack(scope, o, "transformer_encoder", cj_transformer_encoder_layer);
}

cj_value cj_transformer_decoder(cj_scope scope, const options *o)
{
    return draw_stack(scope, o, "transformer_decoder", cj_transformer_decoder_layer);
}

/* GPT: Radford et al., "Language Models are Unsupervised Multitask Learners", 2019, with nanoGPT's names and
 * initial values. */
#include "models/language.h"

#include <math.h>

static cj_value norm(cj_scope s, const cj_gpt_options *o, cj_value x)
{
    cj_layer_norm_options options = {.size = sizeof options, .input = x, .no_bias = o->no_bias};
    return cj_layer_norm(s, &options);
}

static cj_value dense(cj_scope s, const cj_gpt_options *o, cj_value x, int64_t units, double deviation)
{
    cj_dense_options options = {.size = sizeof options,
                                .input = x,
                                .units = units,
                                .no_bias = o->no_bias,
                                .weight_init = {CJ_INIT_NORMAL, deviation}};
    return cj_dense(s, &options);
}

/* What is added to the residual stream, which so many layers add to: Radford et al., 2.3. */
static cj_value dense_out(cj_scope s, const cj_gpt_options *o, cj_value x)
{
    double deviation = 0.02 / sqrt(2 * (double)o->layers);
    return cj_dropout(s, dense(s, o, x, o->width, deviation), o->dropout);
}

/* x: [N,T,W] → [N,T,W] */
static cj_value attention(cj_scope s, const cj_gpt_options *o, cj_value x)
{
    cj_value parts[3];
    cj_shape_t tokens = cj_value_shape(o->input.tokens);
    cj_shape_t heads = cj_shape(tokens.dims[0], tokens.dims[1], o->heads, o->width / o->heads);
    cj_split(dense(cj_at(s, "c_attn"), o, x, 3 * o->width, 0.02), 3, -1, parts);
    for (int i = 0; i < 3; i++) parts[i] = cj_reshape(parts[i], heads);
    x = cj__attend_to_past(s, &o->input, o->block, parts[0], parts[1], parts[2], o->dropout);
    return dense_out(cj_at(s, "c_proj"), o, x);
}

static cj_value mlp(cj_scope s, const cj_gpt_options *o, cj_value x)
{
    x = dense(cj_at(s, "c_fc"), o, x, 4 * o->width, 0.02);
    return dense_out(cj_at(s, "c_proj"), o, o->exact_gelu ? cj_gelu(x) : cj_gelu_tanh(x));
}

static cj_value layer(cj_scope s, const cj_gpt_options *o, cj_value x)
{
    x = cj_add(x, attention(cj_at(s, "attn"), o, norm(cj_at(s, "ln_1"), o, x)));
    return cj_add(x, mlp(cj_at(s, "mlp"), o, norm(cj_at(s, "ln_2"), o, x)));
}

/* Tokens and where they stand: [N,T,W] */
static cj_value embed(cj_scope s, const cj_gpt_options *o)
{
    cj_init init = {CJ_INIT_NORMAL, 0.02};
    cj_embedding_options tokens = {.size = sizeof tokens,
                                   .input = o->input.tokens,
                                   .count = o->vocabulary,
                                   .width = o->width,
                                   .weight_init = init};
    cj_positions_options places = {.size = sizeof places,
                                   .input = cj_embedding(cj_at(s, "wte"), &tokens),
                                   .first = o->input.position,
                                   .count = o->block};
    return cj_dropout(cj_at(s, "drop"), cj_learned_positions(cj_at(s, "wpe"), &places), o->dropout);
}

cj_value cj_gpt(cj_scope s, const cj_gpt_options *o)
{
    cj__language_sizes sizes = {"gpt", o->vocabulary, o->block, o->layers, o->heads, o->heads, o->width};
    if (!cj__language_check(s.graph, &o->input, &sizes)) return cj__poison(s.graph);
    cj_scope t = cj_at(s, "transformer");
    cj_value x = embed(t, o);
    for (int64_t i = 0; i < o->layers; i++) x = layer(cj_at(t, "h.%lld", (long long)i), o, x);
    x = norm(cj_at(t, "ln_f"), o, cj__wanted_rows(&o->input, x));
    cj_value weight = cj_parameter(cj_at(t, "wte"), "weight", cj_shape(o->vocabulary, o->width),
                                   (cj_init){CJ_INIT_NORMAL, 0.02});
    return cj__tied_logits(cj_at(s, "lm_head"), weight, x);
}

/* Llama: Touvron et al., "LLaMA: Open and Efficient Foundation Language Models", 2023, with the names of the
 * transformers package. */
#include "models/language.h"

static cj_value norm(cj_scope s, const cj_llama_options *o, cj_value x)
{
    cj_rms_norm_options options = {.size = sizeof options, .input = x, .epsilon = o->epsilon};
    return cj_rms_norm(s, &options);
}

static cj_value dense(cj_scope s, cj_value x, int64_t units)
{
    cj_dense_options options = {.size = sizeof options,
                                .input = x,
                                .units = units,
                                .no_bias = true,
                                .weight_init = {CJ_INIT_NORMAL, 0.02}};
    return cj_dense(s, &options);
}

/* Queries and keys turn by where they stand. x: [N,T,heads,D] */
static cj_value rotate(const cj_llama_options *o, cj_value x)
{
    cj_rotary_options options = {
        .size = sizeof options, .input = x, .first = o->input.position, .theta = o->theta};
    return cj_rotary(&options);
}

static int64_t kv_heads_of(const cj_llama_options *o)
{
    return o->kv_heads ? o->kv_heads : o->heads;
}

static int64_t hidden_of(const cj_llama_options *o)
{
    return o->hidden ? o->hidden : (o->width * 8 / 3 + 31) / 32 * 32;
}

/* [N,T,W] → [N,T,heads,D] */
static cj_value project(cj_scope s, const cj_llama_options *o, cj_value x, int64_t heads)
{
    cj_shape_t tokens = cj_value_shape(o->input.tokens);
    int64_t d = o->width / o->heads;
    return cj_reshape(dense(s, x, heads * d), cj_shape(tokens.dims[0], tokens.dims[1], heads, d));
}

static cj_value attention(cj_scope s, const cj_llama_options *o, cj_value x)
{
    cj_value q = rotate(o, project(cj_at(s, "q_proj"), o, x, o->heads));
    cj_value k = rotate(o, project(cj_at(s, "k_proj"), o, x, kv_heads_of(o)));
    cj_value v = project(cj_at(s, "v_proj"), o, x, kv_heads_of(o));
    x = cj__attend_to_past(s, &o->input, o->block, q, k, v, o->dropout);
    return cj_dropout(s, dense(cj_at(s, "o_proj"), x, o->width), o->dropout);
}

static cj_value mlp(cj_scope s, const cj_llama_options *o, cj_value x)
{
    return cj_dropout(s, cj_swiglu(s, x, hidden_of(o)), o->dropout);
}

static cj_value layer(cj_scope s, const cj_llama_options *o, cj_value x)
{
    x = cj_add(x, attention(cj_at(s, "self_attn"), o, norm(cj_at(s, "input_layernorm"), o, x)));
    return cj_add(x, mlp(cj_at(s, "mlp"), o, norm(cj_at(s, "post_attention_layernorm"), o, x)));
}

static cj_value embed(cj_scope s, const cj_llama_options *o)
{
    cj_embedding_options options = {.size = sizeof options,
                                    .input = o->input.tokens,
                                    .count = o->vocabulary,
                                    .width = o->width,
                                    .weight_init = {CJ_INIT_NORMAL, 0.02}};
    return cj_embedding(s, &options);
}

/* x: [N,T,W] → [N,T,vocabulary] */
static cj_value logits(cj_scope s, const cj_llama_options *o, cj_value x)
{
    if (o->own_head) return dense(cj_at(s, "lm_head"), x, o->vocabulary);
    cj_value weight = cj_parameter(cj_at(s, "model.embed_tokens"), "weight",
                                   cj_shape(o->vocabulary, o->width), (cj_init){CJ_INIT_NORMAL, 0.02});
    return cj__tied_logits(cj_at(s, "lm_head"), weight, x);
}

cj_value cj_llama(cj_scope s, const cj_llama_options *o)
{
    cj__language_sizes sizes = {"llama",  o->vocabulary,  o->block, o->layers,
                                o->heads, kv_heads_of(o), o->width};
    if (!cj__language_check(s.graph, &o->input, &sizes)) return cj__poison(s.graph);
    if (o->width / o->heads % 2 || hidden_of(o) < 1)
        return cj__graph_error(s.graph, CJ_INVALID_ARGUMENT,
                               "llama: heads of %lld numbers and a hidden width of %lld: the first must be "
                               "even, the second 1 or more",
                               (long long)(o->width / o->heads), (long long)hidden_of(o));
    cj_scope m = cj_at(s, "model");
    cj_value x = embed(cj_at(m, "embed_tokens"), o);
    for (int64_t i = 0; i < o->layers; i++) x = layer(cj_at(m, "layers.%lld", (long long)i), o, x);
    return logits(s, o, norm(cj_at(m, "norm"), o, cj__wanted_rows(&o->input, x)));
}

/* Llama: Touvron et al., "LLaMA: Open and Efficient Foundation Language Models", 2023, with the names of the
 * transformers package. */
#include "models/language.h"
#include "ops/ops.h"

#include <math.h>

/* x · weight / sqrt(mean of x² + epsilon). Zhang and Sennrich, 2019. */
static cj_value norm(cj_scope s, const cj_llama_options *o, cj_value x)
{
    cj_value mean = cj_mean(cj_square(x), cj_axes(-1), CJ_KEEP_AXES);
    cj_value weight = cj_parameter(s, "weight", cj_shape(o->width), (cj_init){CJ_INIT_ONES, 0});
    double epsilon = o->epsilon == 0 ? 1e-5 : o->epsilon;
    x = cj_mul(cj_mul(x, cj_rsqrt(cj_add_scalar(mean, epsilon))), weight);
    return cj_note_layer(s, "rms_norm", x);
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

/* --- rotary positions: Su et al., 2021 ----------------------------------------------------------------- */

/* By how much each pair of a head turns at each of the tokens: f32 [T,1,D/2] */
static cj_value angles(const cj_llama_options *o)
{
    int64_t half = o->width / o->heads / 2, tokens = cj_value_shape(o->input.tokens).dims[1];
    double theta = o->theta == 0 ? 10000 : o->theta;
    float *speeds = cj__allocate((size_t)half * sizeof *speeds + 1);
    cj_graph *graph = o->input.tokens.graph;
    if (!speeds) return cj__graph_error(graph, CJ_OUT_OF_MEMORY, "out of memory for rotary positions");
    for (int64_t i = 0; i < half; i++) speeds[i] = (float)pow(theta, -(double)i / (double)half);
    cj_value speed = cj_constant_tensor(graph, &(cj_tensor){speeds, CJ_F32, cj_shape(half)});
    cj__free(speeds);
    cj_value places = cj_cast(cj_reshape(cj__positions(&o->input), cj_shape(tokens, 1, 1)), CJ_F32);
    return cj_mul(places, speed);
}

/* x: [N,T,heads,D], whose halves are the coordinates that turn. */
static cj_value rotate(cj_value x, cj_value angle)
{
    cj_value halves[2], cosine = cj_cos(angle), sine = cj_sin(angle);
    cj_split(x, 2, -1, halves);
    cj_value turned[] = {cj_sub(cj_mul(halves[0], cosine), cj_mul(halves[1], sine)),
                         cj_add(cj_mul(halves[1], cosine), cj_mul(halves[0], sine))};
    return cj_concatenate(2, turned, -1);
}

/* --- layers -------------------------------------------------------------------------------------------- */

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

static cj_value attention(cj_scope s, const cj_llama_options *o, cj_value x, cj_value angle)
{
    cj_value q = rotate(project(cj_at(s, "q_proj"), o, x, o->heads), angle);
    cj_value k = rotate(project(cj_at(s, "k_proj"), o, x, kv_heads_of(o)), angle);
    cj_value v = project(cj_at(s, "v_proj"), o, x, kv_heads_of(o));
    x = cj__attend_to_past(s, &o->input, o->block, q, k, v, o->dropout);
    return cj_dropout(s, dense(cj_at(s, "o_proj"), x, o->width), o->dropout);
}

/* SwiGLU: Shazeer, 2020. */
static cj_value mlp(cj_scope s, const cj_llama_options *o, cj_value x)
{
    cj_value gate = cj_silu(dense(cj_at(s, "gate_proj"), x, hidden_of(o)));
    x = cj_mul(gate, dense(cj_at(s, "up_proj"), x, hidden_of(o)));
    return cj_dropout(s, dense(cj_at(s, "down_proj"), x, o->width), o->dropout);
}

static cj_value layer(cj_scope s, const cj_llama_options *o, cj_value x, cj_value angle)
{
    x = cj_add(x, attention(cj_at(s, "self_attn"), o, norm(cj_at(s, "input_layernorm"), o, x), angle));
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
    return cj_note_layer(cj_at(s, "lm_head"), "tied", cj_matmul_transposed(x, weight, false, true));
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
    cj_value x = embed(cj_at(m, "embed_tokens"), o), angle = angles(o);
    for (int64_t i = 0; i < o->layers; i++) x = layer(cj_at(m, "layers.%lld", (long long)i), o, x, angle);
    return logits(s, o, norm(cj_at(m, "norm"), o, cj__wanted_rows(&o->input, x)));
}

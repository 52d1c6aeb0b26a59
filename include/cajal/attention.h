/* Attention, positions and Transformers: operations and layers for sequences [N,T,W] of N examples, T places
 * and W numbers each. Names of parameters are PyTorch's.
 *
 * Lengths are i32 [N]: so many places of each example count, from the first on; those behind are padding,
 * which nothing attends to. Masks are bool and hold where a key is seen (PyTorch's key_padding_mask and
 * attn_mask say the opposite). */
#ifndef CAJAL_ATTENTION_H
#define CAJAL_ATTENTION_H

#include "cajal/model.h"
#include "cajal/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- attention ----------------------------------------------------------------------------------------- */

/* softmax(scale · q kᵀ + bias) v for each head (Vaswani et al., 2017): query [N,T,H,D], key and value
 * [N,S,G,D] → [N,T,H,D]. H is a multiple of G: heads share keys in groups (Ainslie et al., 2023). The T·S
 * scores are never kept, neither here nor for the gradient. A query that sees no key gives zeros. */
typedef struct {
    size_t size;
    cj_value query, key, value;
    bool causal; /* query i sees keys 0 … first + i */
    /* Where among the keys the queries begin, i32 [] or [N]; none: 0. With causal, keys that are yet to be
     * written are not seen: a cache of fixed capacity and the place of its next key. */
    cj_value first;
    cj_value lengths; /* of the keys */
    cj_value mask;    /* bool [N,S], or each axis of [N,H,T,S] or 1 */
    cj_value
        bias; /* floating point, each axis of [N,H,T,S] or 1; its own gradient takes T·S numbers a head */
    double scale;   /* 0: 1 / sqrt(D) */
    double dropout; /* of the probabilities, in training */
} cj_attention_options;
/* cj_attention(scope, q, .key = k, .value = v, .causal = true); the scope is what dropout is drawn by. */
CJ_API cj_value cj_attention(cj_scope scope, const cj_attention_options *options);

/* --- positions ----------------------------------------------------------------------------------------- */

/* Su et al., 2021: pairs of a head's numbers are turned by angles that grow with the place, so that products
 * of queries and keys depend on how far they are apart. x: [N,T,H,D]. */
typedef struct {
    size_t size;
    cj_value input;
    cj_value first;   /* place of the first of the T, i32 [] or [N]; none: 0 */
    double theta;     /* 0: 10000 */
    int64_t width;    /* so many of the D numbers turn, an even count; 0: all */
    bool interleaved; /* pairs are neighbours (0,1), (2,3), …, as in the paper and llama2.c; else (i, i +
                       * width/2), as in the transformers package */
} cj_rotary_options;
CJ_API cj_value cj_rotary(const cj_rotary_options *options);

/* x [N,T,W] and what stands for its places: the parameter "weight" [count,W], row first + t (learned); or
 * sine and cosine of t / 10000^(2i/W) side by side (sinusoidal; Vaswani et al., 2017). `first` as above. */
typedef struct {
    size_t size;
    cj_value input;
    cj_value first;
    int64_t count;       /* learned: places there are */
    cj_init weight_init; /* normal, 0.02 */
} cj_positions_options;
CJ_API cj_value cj_learned_positions(cj_scope scope, const cj_positions_options *options);
CJ_API cj_value cj_sinusoidal_positions(const cj_positions_options *options);

/* A bias for causal attention that grows with how near a key is (Press et al., 2022): slope of the head times
 * the key's place, [1,heads,1,keys]; what all keys of a query have in common makes no difference. In f32 it
 * is exact to 0.001 up to 32768 keys, and twice as coarse with each doubling beyond. */
CJ_API cj_value cj_alibi(cj_graph *graph, int64_t heads, int64_t keys);

/* --- layers -------------------------------------------------------------------------------------------- */

/* x · weight / sqrt(mean(x²) + epsilon) over the last axis (Zhang and Sennrich, 2019): parameter "weight". */
typedef struct {
    size_t size;
    cj_value input;
    double epsilon; /* 0: 1e-5 */
} cj_rms_norm_options;
CJ_API cj_value cj_rms_norm(cj_scope scope, const cj_rms_norm_options *options);

/* down_proj(silu(gate_proj(x)) · up_proj(x)) without biases (Shazeer, 2020). */
CJ_API cj_value cj_swiglu(cj_scope scope, cj_value x, int64_t hidden);

typedef enum { CJ_NO_ROTATION, CJ_ROTATE_HALVES, CJ_ROTATE_PAIRS } cj_rotation;

/* nn.MultiheadAttention, batch first: parameters "in_proj_weight" [3W,W], "in_proj_bias" and "out_proj";
 * where the context or the values have another width, kdim and vdim there, "q_proj_weight", "k_proj_weight"
 * and "v_proj_weight" in the place of the first. With `separate`, or where keys have heads of another count,
 * "q_proj", "k_proj", "v_proj" and "out_proj", each a dense layer. What each place attends to is no result:
 * it is never kept; explain.h draws it of a network that is known. */
typedef struct {
    size_t size;
    cj_value input;          /* [N,T,W] */
    cj_value context;        /* [N,S,C]: what is attended to; none: the input itself */
    int64_t heads, kv_heads; /* kv_heads 0: as many */
    bool causal, no_bias, separate;
    cj_value first, lengths, mask, bias; /* as of cj_attention; lengths are the context's */
    double dropout;
    cj_rotation rotation; /* of queries and keys by their places; a context's keys begin at place 0 */
    double theta;         /* of the rotation; 0: 10000 */
    cj_value values;      /* [N,S,V]: what is summed where it is not the context, which then has only keys */
} cj_multi_head_attention_options;
CJ_API cj_value cj_multi_head_attention(cj_scope scope, const cj_multi_head_attention_options *options);

typedef enum { CJ_FEED_RELU, CJ_FEED_GELU } cj_feed_activation;
/* Whether a stack ends in a norm: with norm_first, which leaves the sum as it is; always, as both stacks of
 * nn.Transformer do; or never. */
typedef enum { CJ_LAST_NORM_IF_FIRST, CJ_LAST_NORM, CJ_NO_LAST_NORM } cj_last_norm;

/* nn.TransformerEncoderLayer and nn.TransformerDecoderLayer, batch first: "self_attn", in the decoder
 * "multihead_attn" to the memory, "linear1" and "linear2", "norm1", "norm2" (and "norm3"). A stack draws them
 * at "layers.0", "layers.1", …, and the last norm at "norm". nn.Transformer is two stacks with CJ_LAST_NORM,
 * at "encoder" and "decoder". */
typedef struct {
    size_t size;
    cj_value input;  /* [N,T,W] */
    cj_value memory; /* decoder: [N,S,M] */
    int64_t heads;
    int64_t hidden; /* of the feed-forward part; 0: 4 W */
    int64_t layers; /* of a stack */
    cj_feed_activation activation;
    bool norm_first; /* norms before the parts (Xiong et al., 2020), not after what they add to */
    bool causal;     /* the self-attention; a decoder's is unless not_causal */
    cj_value lengths, memory_lengths; /* of input and memory; none: all count */
    cj_value mask;                    /* of the self-attention, as of cj_attention */
    double dropout;
    double epsilon; /* of the norms; 0: 1e-5 */
    cj_last_norm last_norm;
    bool no_bias;         /* of attention, dense layers and norms */
    bool not_causal;      /* decoder: each place sees those behind it too */
    cj_value memory_mask; /* of the attention to the memory */
} cj_transformer_options;
CJ_API cj_value cj_transformer_encoder_layer(cj_scope scope, const cj_transformer_options *options);
CJ_API cj_value cj_transformer_decoder_layer(cj_scope scope, const cj_transformer_options *options);
CJ_API cj_value cj_transformer_encoder(cj_scope scope, const cj_transformer_options *options);
CJ_API cj_value cj_transformer_decoder(cj_scope scope, const cj_transformer_options *options);

#if !defined(CJ_NO_LOCATIONS) && !defined(__cplusplus)
#define CJ__DRAWN(call) cj_here(call, __FILE__, __LINE__)
#define CJ__SCOPED(function, type, scope, ...)                                                               \
    CJ__DRAWN((function)(scope, CJ_OPTIONS(type, .input = __VA_ARGS__)))
#define cj_attention(scope, ...)                                                                             \
    CJ__DRAWN((cj_attention)(scope, CJ_OPTIONS(cj_attention_options, .query = __VA_ARGS__)))
#define cj_rotary(...) CJ__DRAWN((cj_rotary)(CJ_OPTIONS(cj_rotary_options, .input = __VA_ARGS__)))
#define cj_learned_positions(scope, ...)                                                                     \
    CJ__SCOPED(cj_learned_positions, cj_positions_options, scope, __VA_ARGS__)
#define cj_sinusoidal_positions(...)                                                                         \
    CJ__DRAWN((cj_sinusoidal_positions)(CJ_OPTIONS(cj_positions_options, .input = __VA_ARGS__)))
#define cj_alibi(...)           CJ__DRAWN((cj_alibi)(__VA_ARGS__))
#define cj_rms_norm(scope, ...) CJ__SCOPED(cj_rms_norm, cj_rms_norm_options, scope, __VA_ARGS__)
#define cj_swiglu(...)          CJ__DRAWN((cj_swiglu)(__VA_ARGS__))
#define cj_multi_head_attention(scope, ...)                                                                  \
    CJ__SCOPED(cj_multi_head_attention, cj_multi_head_attention_options, scope, __VA_ARGS__)
#define CJ__TRANSFORMER(function, scope, ...) CJ__SCOPED(function, cj_transformer_options, scope, __VA_ARGS__)
#define cj_transformer_encoder_layer(scope, ...)                                                             \
    CJ__TRANSFORMER(cj_transformer_encoder_layer, scope, __VA_ARGS__)
#define cj_transformer_decoder_layer(scope, ...)                                                             \
    CJ__TRANSFORMER(cj_transformer_decoder_layer, scope, __VA_ARGS__)
#define cj_transformer_encoder(scope, ...) CJ__TRANSFORMER(cj_transformer_encoder, scope, __VA_ARGS__)
#define cj_transformer_decoder(scope, ...) CJ__TRANSFORMER(cj_transformer_decoder, scope, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif

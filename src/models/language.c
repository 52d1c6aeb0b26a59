/* The parts that language models share. Here alone is decided how attention is drawn and how the past is
 * kept. */
#include "models/language.h"

static bool sizes_fit(const cj__language_sizes *s)
{
    bool positive = s->vocabulary > 0 && s->block > 0 && s->layers > 0 && s->heads > 0 && s->width > 0;
    return positive && s->kv_heads > 0 && s->width % s->heads == 0 && s->heads % s->kv_heads == 0;
}

static bool is_scalar(cj_value value)
{
    return !value.graph || (cj_value_dtype(value) == CJ_I32 && cj_value_shape(value).rank == 0);
}

int64_t cj__reading_window(const cj_reading *input)
{
    cj_shape_t shape = cj_value_shape(input->tokens);
    return shape.rank == 2 && shape.dims[1] > 0 ? shape.dims[1] : 1;
}

bool cj__language_check(cj_graph *graph, const cj_reading *input, const cj__language_sizes *s)
{
    cj_shape_t shape = cj_value_shape(input->tokens);
    if (!cj__given((cj_scope){graph, ""}, s->name, "input", input->tokens)) return false;
    if (!sizes_fit(s))
        (void)cj__graph_error(
            graph, CJ_INVALID_ARGUMENT,
            "%s of %lld layers, %lld heads (%lld of keys), width %lld, block %lld and "
            "vocabulary %lld: each must be 1 or more, the width a multiple of the heads, and "
            "these a multiple of those of keys",
            s->name, (long long)s->layers, (long long)s->heads, (long long)s->kv_heads, (long long)s->width,
            (long long)s->block, (long long)s->vocabulary);
    else if (cj_value_dtype(input->tokens) != CJ_I32 || shape.rank != 2)
        (void)cj__graph_error(graph, CJ_SHAPE_ERROR, "%s reads tokens, i32 [N,T], not %s of rank %lld",
                              s->name, cj_dtype_name(cj_value_dtype(input->tokens)), (long long)shape.rank);
    else if (shape.dims[1] > s->block)
        (void)cj__graph_error(graph, CJ_SHAPE_ERROR, "%s: %lld tokens are more than its block of %lld",
                              s->name, (long long)shape.dims[1], (long long)s->block);
    else if (!is_scalar(input->position) || !is_scalar(input->last))
        (void)cj__graph_error(graph, CJ_SHAPE_ERROR, "%s: position and last must be scalars, i32", s->name);
    return cj_graph_status(graph) == CJ_OK;
}

/* --- attention ----------------------------------------------------------------------------------------- */

/* What was kept, with `new` [N,T,heads,D] where it stands: [N,block,heads,D]. */
static cj_value remember(cj_scope s, const char *name, const cj_reading *input, int64_t block, cj_value new)
{
    cj_shape_t shape = cj_value_shape(new);
    shape.dims[1] = block;
    cj_value kept = cj_state(s, name, CJ_CARRIED, CJ_F32, shape, 0),
             grown = cj_put(kept, new, input->position, 1);
    cj_assign(kept, grown);
    return grown;
}

cj_value cj__attend_to_past(cj_scope s, const cj_reading *input, int64_t block, cj_value q, cj_value k,
                            cj_value v, double dropout)
{
    if (!cj_value_ok(q) || !cj_value_ok(k) || !cj_value_ok(v)) return cj__poison(s.graph);
    if (input->position.graph) {
        k = remember(s, "keys", input, block, k);
        v = remember(s, "values", input, block, v);
    }
    cj_attention_options options = {.size = sizeof options,
                                    .query = q,
                                    .key = k,
                                    .value = v,
                                    .causal = true,
                                    .first = input->position,
                                    .dropout = dropout};
    cj_shape_t shape = cj_value_shape(q);
    return cj_reshape(cj_attention(s, &options),
                      cj_shape(shape.dims[0], shape.dims[1], shape.dims[2] * shape.dims[3]));
}

cj_value cj__wanted_rows(const cj_reading *input, cj_value x)
{
    if (!input->last.graph) return x;
    return cj_gather(x, cj_reshape(input->last, cj_shape(1)), 1);
}

cj_value cj__tied_logits(cj_scope s, cj_value embedding, cj_value x)
{
    return cj_note_layer(s, "tied", cj_matmul_transposed(x, embedding, false, true));
}

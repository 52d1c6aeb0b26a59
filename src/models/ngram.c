/* Language models that see no more than a few tokens: the table of a bigram, and the perceptron of Bengio et
 * al., "A Neural Probabilistic Language Model", 2003. The tokens before are all there is of a past. */
#include "models/language.h"

static bool check(cj_graph *graph, const cj_reading *input, const char *name, int64_t vocabulary,
                  int64_t context, int64_t width, int64_t hidden)
{
    cj__language_sizes sizes = {name, vocabulary, cj__reading_window(input), 1, 1, 1, width};
    if (context < 1 || context > 4096 || hidden < 1) {
        (void)cj__graph_error(
            graph, CJ_INVALID_ARGUMENT,
            "%s with a context of %lld tokens and %lld hidden units: expected 1 to 4096, and 1 or more", name,
            (long long)context, (long long)hidden);
        return false;
    }
    return cj__language_check(graph, input, &sizes);
}

cj_value cj_bigram(cj_scope s, const cj_bigram_options *o)
{
    if (!check(s.graph, &o->input, "bigram", o->vocabulary, 1, 1, 1)) return cj__poison(s.graph);
    cj_embedding_options table = {.size = sizeof table,
                                  .input = cj__wanted_rows(&o->input, o->input.tokens),
                                  .count = o->vocabulary,
                                  .width = o->vocabulary,
                                  .weight_init = {CJ_INIT_ZEROS, 0}};
    return cj_embedding(cj_at(s, "logits"), &table);
}

/* --- the perceptron ------------------------------------------------------------------------------------ */

/* Which token was the last one read, plus 1: an i32 scalar. */
static cj_value end_of(cj_scope s, const cj_reading *input)
{
    if (input->last.graph) return cj_add_scalar(input->last, 1);
    return cj_constant(s.graph, CJ_I32, (double)cj_value_shape(input->tokens).dims[1]);
}

/* The tokens, each raised by 1 so that 0 is nothing, behind those that stand before them: [N,context-1+T] */
static cj_value with_past(cj_scope s, const cj_reading *input, int64_t context)
{
    cj_value tokens = cj_add_scalar(input->tokens, 1);
    if (context == 1) return tokens;
    if (!input->position.graph) return cj_pad(tokens, 1, context - 1, 0, 0);
    cj_shape_t shape = cj_shape(cj_value_shape(tokens).dims[0], context - 1);
    cj_value past = cj_state(s, "past", CJ_CARRIED, CJ_I32, shape, 0);
    cj_value all = cj_concatenate(2, (cj_value[]){past, tokens}, 1);
    cj_value kept = cj_add(cj_iota(s.graph, CJ_I32, context - 1), end_of(s, input));
    cj_assign(past, cj_gather(all, kept, 1));
    return all;
}

/* all: [N,context-1+T,…] → for each token the last `context` up to it, itself among them: [N,T,context,…] */
static cj_value windows_of(cj_value all, int64_t context)
{
    if (!cj_value_ok(all)) return all;
    int64_t length = cj_value_shape(all).dims[1] - context + 1;
    cj_value place = cj_reshape(cj_iota(all.graph, CJ_I32, length), cj_shape(length, 1));
    cj_value offset = cj_reshape(cj_iota(all.graph, CJ_I32, context), cj_shape(1, context));
    return cj_gather(all, cj_add(place, offset), 1);
}

static cj_value embedding(cj_scope s, const cj_mlp_language_options *o, cj_value tokens)
{
    cj_embedding_options table = {
        .size = sizeof table, .input = tokens, .count = o->vocabulary + 1, .width = o->width};
    return cj_embedding(cj_at(s, "embedding"), &table);
}

/* all: [N,context-1+T] → windows of their embeddings, each token's made once, for gradients by it. */
static cj_value embed_apart(cj_scope s, const cj_mlp_language_options *o, cj_value all)
{
    int64_t past = o->context - 1;
    if (!cj_value_ok(all)) return all;
    cj_value x = embedding(s, o, cj_slice(all, 1, past, cj_value_shape(all).dims[1], 1));
    if (past > 0) x = cj_concatenate(2, (cj_value[]){embedding(s, o, cj_slice(all, 1, 0, past, 1)), x}, 1);
    return cj__wanted_rows(&o->input, windows_of(x, o->context));
}

/* [N,T,context,width] */
static cj_value embed(cj_scope s, const cj_mlp_language_options *o)
{
    cj_value all = with_past(s, &o->input, o->context);
    if (s.graph->apart) return embed_apart(s, o, all);
    return embedding(s, o, cj__wanted_rows(&o->input, windows_of(all, o->context)));
}

cj_value cj_mlp_language(cj_scope s, const cj_mlp_language_options *o)
{
    if (!check(s.graph, &o->input, "mlp", o->vocabulary, o->context, o->width, o->hidden))
        return cj__poison(s.graph);
    cj_value x = embed(s, o);
    cj_shape_t shape = cj_value_shape(x);
    x = cj_reshape(x, cj_shape(shape.dims[0], shape.dims[1], o->context * o->width));
    cj_dense_options hidden = {.size = sizeof hidden, .input = x, .units = o->hidden};
    x = cj_tanh(cj_dense(cj_at(s, "hidden"), &hidden));
    cj_dense_options logits = {.size = sizeof logits,
                               .input = cj_dropout(cj_at(s, "dropout"), x, o->dropout),
                               .units = o->vocabulary};
    return cj_dense(cj_at(s, "output"), &logits);
}

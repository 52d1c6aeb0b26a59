/* BERT: Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding",
 * 2018, with the names of the transformers package, and its two heads: what was masked, and what it all is.
 */
#include "models/sentences.h"

typedef cj_bert_options options;

static const cj_init initial = {CJ_INIT_NORMAL, 0.02};

static cj_value dense(cj_scope s, cj_value x, int64_t units)
{
    cj_dense_options options = {.size = sizeof options, .input = x, .units = units, .weight_init = initial};
    return cj_dense(s, &options);
}

static cj_value norm(cj_scope s, const options *o, cj_value x)
{
    cj_layer_norm_options options = {
        .size = sizeof options, .input = x, .epsilon = o->epsilon == 0 ? 1e-12 : o->epsilon};
    return cj_layer_norm(cj_at(s, "LayerNorm"), &options);
}

/* What a part gives, added to what it was given. */
static cj_value add_norm(cj_scope s, const options *o, cj_value y, cj_value x)
{
    y = cj_dropout(cj_at(s, "dropout"), dense(cj_at(s, "dense"), y, o->width), o->dropout);
    return norm(s, o, cj_add(y, x));
}

/* x: [N,T,W] → [N,T,W] */
static cj_value attention(cj_scope s, const options *o, cj_value x, cj_value lengths)
{
    static const char *const names[] = {"query", "key", "value"};
    cj_scope self = cj_at(s, "self");
    cj_shape_t shape = cj_value_shape(x);
    cj_value parts[3];
    for (int i = 0; i < 3; i++)
        parts[i] = cj_reshape(dense(cj_at(self, "%s", names[i]), x, o->width),
                              cj_shape(shape.dims[0], shape.dims[1], o->heads, o->width / o->heads));
    cj_attention_options heads = {.size = sizeof heads,
                                  .query = parts[0],
                                  .key = parts[1],
                                  .value = parts[2],
                                  .lengths = lengths,
                                  .dropout = o->dropout};
    return add_norm(cj_at(s, "output"), o, cj_reshape(cj_attention(self, &heads), shape), x);
}

static cj_value layer(cj_scope s, const options *o, cj_value x, cj_value lengths)
{
    x = attention(cj_at(s, "attention"), o, x, lengths);
    cj_value y = dense(cj_at(s, "intermediate.dense"), x, o->hidden ? o->hidden : 4 * o->width);
    return add_norm(cj_at(s, "output"), o, cj_gelu(y), x);
}

/* Rows of the token's type: [N,T,W], or [1,W] where all are of the first. */
static cj_value type_rows(cj_scope s, const options *o)
{
    cj_value table =
        cj_parameter(cj_at(s, "token_type_embeddings"), "weight", cj_shape(2, o->width), initial);
    return o->types.graph ? cj_gather(table, o->types, 0) : cj_slice(table, 0, 0, 1, 1);
}

static cj_value embed(cj_scope bert, const options *o)
{
    cj_scope s = cj_at(bert, "embeddings");
    cj_embedding_options words = {.size = sizeof words,
                                  .input = o->input,
                                  .count = o->vocabulary,
                                  .width = o->width,
                                  .weight_init = initial};
    cj_positions_options places = {
        .size = sizeof places, .input = cj_embedding(cj_at(s, "word_embeddings"), &words), .count = o->block};
    cj_value x = cj_learned_positions(cj_at(s, "position_embeddings"), &places);
    return cj_dropout(cj_at(s, "dropout"), norm(s, o, cj_add(x, type_rows(s, o))), o->dropout);
}

static bool check(cj_graph *graph, const options *o)
{
    const int64_t sizes[] = {o->vocabulary, o->block, o->layers, o->heads, o->width};
    if (!cj__sentences_check(graph, "bert", o->input, sizes, 5)) return false;
    if (o->width % o->heads)
        (void)cj__graph_error(graph, CJ_INVALID_ARGUMENT, "bert: a width of %lld has no %lld equal heads",
                              (long long)o->width, (long long)o->heads);
    else if (cj_value_shape(o->input).dims[1] > o->block)
        (void)cj__graph_error(graph, CJ_SHAPE_ERROR, "bert: %lld tokens are more than its block of %lld",
                              (long long)cj_value_shape(o->input).dims[1], (long long)o->block);
    return cj_graph_status(graph) == CJ_OK;
}

cj_value cj_bert(cj_scope s, const options *o)
{
    if (!check(s.graph, o)) return cj__poison(s.graph);
    cj_scope bert = cj_at(s, "bert");
    cj_value x = embed(bert, o), lengths = cj__sentence_lengths(o->input);
    for (int64_t i = 0; i < o->layers; i++)
        x = layer(cj_at(bert, "encoder.layer.%lld", (long long)i), o, x, lengths);
    return x;
}

cj_value cj_bert_masked(cj_scope s, const options *o)
{
    cj_scope head = cj_at(s, "cls.predictions"), transform = cj_at(head, "transform");
    cj_value x = cj_bert(s, o);
    if (!cj_value_ok(x)) return x;
    x = norm(transform, o, cj_gelu(dense(cj_at(transform, "dense"), x, o->width)));
    cj_value words = cj_parameter(cj_at(s, "bert.embeddings.word_embeddings"), "weight",
                                  cj_shape(o->vocabulary, o->width), initial);
    x = cj_matmul_transposed(x, words, false, true);
    cj_value bias = cj_parameter(head, "bias", cj_shape(o->vocabulary), (cj_init){CJ_INIT_ZEROS, 0});
    return cj_note_layer(head, "tied", cj_add(x, bias));
}

cj_value cj_bert_classes(cj_scope s, const options *o)
{
    cj_value x = cj_bert(s, o);
    if (!cj_value_ok(x)) return x;
    if (cj_value_shape(x).dims[1] < 1)
        return cj__graph_error(s.graph, CJ_SHAPE_ERROR, "bert: sentences without a token have no class");
    x = cj_reshape(cj_slice(x, 1, 0, 1, 1), cj_shape(cj_value_shape(x).dims[0], o->width));
    x = cj_tanh(dense(cj_at(s, "bert.pooler.dense"), x, o->width));
    return dense(cj_at(s, "classifier"), cj_dropout(cj_at(s, "dropout"), x, o->dropout), o->classes);
}

/* The parts that networks for sentences share. Here alone is decided what padding is. */
#include "models/sentences.h"

bool cj__sentences_check(cj_graph *graph, const char *name, cj_value tokens, const int64_t *sizes, int count)
{
    if (!cj_value_ok(tokens)) return false;
    cj_shape_t shape = cj_value_shape(tokens);
    if (cj_value_dtype(tokens) != CJ_I32 || shape.rank != 2) {
        (void)cj__graph_error(graph, CJ_SHAPE_ERROR, "%s reads tokens, i32 [N,T], not %s of rank %lld", name,
                              cj_dtype_name(cj_value_dtype(tokens)), (long long)shape.rank);
        return false;
    }
    for (int i = 0; i < count; i++)
        if (sizes[i] < 1) {
            (void)cj__graph_error(graph, CJ_INVALID_ARGUMENT, "%s has a size of %lld, expected 1 or more",
                                  name, (long long)sizes[i]);
            return false;
        }
    return true;
}

cj_value cj__sentence_lengths(cj_value tokens)
{
    if (!cj_value_ok(tokens)) return tokens;
    cj_value padding = cj_constant(tokens.graph, CJ_I32, 0);
    return cj_sum(cj_cast(cj_not_equal(tokens, padding), CJ_I32), (cj_axes_t){1, {1}}, CJ_DROP_AXES);
}

cj_value cj__sentence_places(cj_value lengths, int64_t places, int64_t more)
{
    if (!cj_value_ok(lengths)) return lengths;
    int64_t rows = cj_value_shape(lengths).dims[0];
    cj_value place = cj_reshape(cj_iota(lengths.graph, CJ_I32, places), cj_shape(1, places, 1));
    cj_value end = cj_add_scalar(cj_reshape(lengths, cj_shape(rows, 1, 1)), (double)more);
    return cj_cast(cj_less(place, end), CJ_F32);
}

cj_value cj__sentence_words(cj_scope s, cj_value tokens, int64_t vocabulary, int64_t width,
                            double word_dropout)
{
    cj_embedding_options table = {.size = sizeof table,
                                  .input = tokens,
                                  .count = vocabulary,
                                  .width = width,
                                  .weight_init = {CJ_INIT_UNIFORM, 0.25}};
    cj_value words = cj__sentence_places(cj__sentence_lengths(tokens), cj_value_shape(tokens).dims[1], 0);
    words = cj_dropout(cj_at(s, "word_dropout"), words, word_dropout);
    return cj_mul(cj_embedding(cj_at(s, "embedding"), &table), words);
}

cj_value cj__sentence_logits(cj_scope s, cj_value x, int64_t classes, double dropout)
{
    cj_dense_options logits = {
        .size = sizeof logits, .input = cj_dropout(cj_at(s, "dropout"), x, dropout), .units = classes};
    return cj_dense(cj_at(s, "output"), &logits);
}

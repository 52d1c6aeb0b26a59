/* The parts that networks for sentences share. */
#include "models/sentences.h"

bool cj__sentences_check(cj_graph *graph, const char *name, cj_value tokens, const int64_t *sizes, int count)
{
    if (!cj__given((cj_scope){graph, ""}, name, "input", tokens)) return false;
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

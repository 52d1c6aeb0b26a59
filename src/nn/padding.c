/* Padding, decided here alone: lengths from tokens, and what lies beyond them left out of sums. */
#include "nn/padding.h"
#include "graph/graph.h"

cj_value cj__sentence_lengths(cj_value tokens)
{
    if (!cj_value_ok(tokens)) return tokens;
    cj_value padding = cj_constant(tokens.graph, CJ_I32, CJ__PADDING_TOKEN);
    return cj_sum(cj_cast(cj_not_equal(tokens, padding), CJ_I32), (cj_axes_t){1, {1}}, CJ_DROP_AXES);
}

/* bool [N,places,1]: in the first `length + more` */
static cj_value within(cj_value lengths, int64_t places, int64_t more)
{
    int64_t rows = cj_value_shape(lengths).dims[0];
    cj_value place = cj_reshape(cj_iota(lengths.graph, CJ_I32, places), cj_shape(1, places, 1));
    cj_value end = cj_reshape(cj_cast(lengths, CJ_I32), cj_shape(rows, 1, 1));
    return cj_less(place, cj_add_scalar(end, (double)more));
}

cj_value cj__sentence_places(cj_value lengths, int64_t places, int64_t more)
{
    return cj_value_ok(lengths) ? cj_cast(within(lengths, places, more), CJ_F32) : lengths;
}

cj_value cj__without_padding(cj_value x, cj_value lengths)
{
    if (!cj_value_ok(x) || !cj_value_ok(lengths)) return cj__poison(x.graph);
    cj_value none = cj_constant(x.graph, cj_value_dtype(x), 0);
    return cj_select(within(lengths, cj_value_shape(x).dims[1], 0), x, none);
}

cj_value cj__mean_within(cj_value x, cj_value lengths)
{
    if (!cj_value_ok(x) || !cj_value_ok(lengths)) return cj__poison(x.graph);
    cj_value one = cj_constant(x.graph, CJ_F32, 1), sum = cj_sum(x, (cj_axes_t){1, {1}}, CJ_DROP_AXES);
    cj_value count =
        cj_reshape(cj_maximum(cj_cast(lengths, CJ_F32), one), cj_shape(cj_value_shape(x).dims[0], 1));
    return cj_div(sum, count);
}

/* An end-to-end memory network: Sukhbaatar et al., 2015. A question is compared with every sentence of a
 * story, hop by hop, and what it attends to is added to it; sentences are encoded by words and their
 * positions, and by how long ago they were said. A layer may stand before the answer: yes or no is a matter
 * of comparing two things, which no sum does. */
#include "models/language.h"

typedef struct {
    cj_scope scope;
    const cj_memory_network_options *o;
    int64_t sentences, width;
    cj_value words; /* [N,1+sentences,2·(vocabulary-1)]: how often, and how far on in the sentence, a word is
                       there */
    cj_value mask;  /* [N,sentences]: 0 where there is a sentence, else so low that nothing attends to it */
} network;

static bool check(cj_graph *graph, const cj_memory_network_options *o)
{
    char found[CJ__SHAPE_TEXT];
    cj_shape_t shape = cj_value_shape(o->input);
    if (!cj__given((cj_scope){graph, ""}, "memory_network", "input", o->input)) return false;
    if (cj_value_dtype(o->input) != CJ_I32 || shape.rank != 3 || shape.dims[1] < 2)
        (void)cj__graph_error(
            graph, CJ_SHAPE_ERROR,
            "a memory network reads stories, i32 [N,S,T]: sentences, one at least, and then a question, not "
            "%s %s; hint: `data: {format: stories}`",
            cj_dtype_name(cj_value_dtype(o->input)), cj__shape_text(shape, found));
    else if (o->vocabulary < 2 || o->width < 1 || o->hops < 1 || o->classes < 1)
        (void)cj__graph_error(
            graph, CJ_INVALID_ARGUMENT,
            "a memory network of width %lld, %lld hops, vocabulary %lld and %lld classes: each must be 1 or "
            "more, the vocabulary 2",
            (long long)o->width, (long long)o->hops, (long long)o->vocabulary, (long long)o->classes);
    return cj_graph_status(graph) == CJ_OK;
}

/* --- sentences ----------------------------------------------------------------------------------------- */

static cj_value sum_last(cj_value x, int axis)
{
    return cj_sum(x, cj_axes(axis), CJ_DROP_AXES);
}

/* The number of the word over the number of words: [N,P,T], of words alone. */
static cj_value places_of(cj_value tokens, cj_value is_word)
{
    cj_shape_t shape = cj_value_shape(tokens);
    cj_value number = cj_add_scalar(cj_iota(tokens.graph, CJ_F32, shape.dims[2]), 1);
    cj_value count = cj_sum(is_word, cj_axes(2), CJ_KEEP_AXES);
    return cj_div(number, cj_maximum(count, cj_constant(tokens.graph, CJ_F32, 1)));
}

/* Sentences as bags of words, which are small: a story's vocabulary is. Token 0 is no word. */
static void read_words(network *n)
{
    cj_value tokens = n->o->input, zero = cj_constant(tokens.graph, CJ_I32, 0);
    cj_shape_t shape = cj_value_shape(tokens);
    cj_value is_word = cj_cast(cj_greater(tokens, zero), CJ_F32);
    cj_value which = cj_one_hot(cj_add_scalar(tokens, -1), n->o->vocabulary - 1, CJ_F32); /* [N,P,T,V-1] */
    cj_value place =
        cj_reshape(places_of(tokens, is_word), cj_shape(shape.dims[0], shape.dims[1], shape.dims[2], 1));
    n->words = cj_concatenate(2, (cj_value[]){sum_last(which, 2), sum_last(cj_mul(which, place), 2)}, 2);
    cj_value count = cj_slice(sum_last(is_word, 2), 1, 0, n->sentences, 1);
    n->mask = cj_scale(cj_cast(cj_equal(count, cj_constant(tokens.graph, CJ_F32, 0)), CJ_F32), -1e9);
}

/* Position encoding: the word at place r of its sentence, 0 < r ≤ 1, weighs (1 - k) - r (1 - 2k) in column k
 * of the width, 0 < k ≤ 1. Both parts are products of bags and tables: [N,P,width]. */
static cj_value encode(const network *n, int64_t table)
{
    cj_value weight = cj_parameter(cj_at(n->scope, "embedding.%lld", (long long)table), "weight",
                                   cj_shape(n->o->vocabulary - 1, n->width), (cj_init){CJ_INIT_NORMAL, 0.1});
    cj_value column =
        cj_scale(cj_add_scalar(cj_iota(n->scope.graph, CJ_F32, n->width), 1), 1 / (double)n->width);
    cj_value often = cj_mul(weight, cj_add_scalar(cj_neg(column), 1));
    cj_value far = cj_mul(weight, cj_add_scalar(cj_scale(column, 2), -1));
    return cj_matmul(n->words, cj_concatenate(2, (cj_value[]){often, far}, 0));
}

/* What of them is the story, and when it was said: [N,sentences,width] */
static cj_value remember(const network *n, cj_value encoded, int64_t table)
{
    cj_value when = cj_parameter(cj_at(n->scope, "time.%lld", (long long)table), "weight",
                                 cj_shape(n->sentences, n->width), (cj_init){CJ_INIT_NORMAL, 0.1});
    return cj_add(cj_slice(encoded, 1, 0, n->sentences, 1), when);
}

/* --- hops ---------------------------------------------------------------------------------------------- */

/* question: [N,1,width], keys, values: [N,sentences,width] → what the question has become */
static cj_value hop(const network *n, int64_t number, cj_value question, cj_value keys, cj_value values)
{
    cj_scope scope = cj_at(n->scope, "hop.%lld", (long long)number);
    cj_value scores = cj_matmul_transposed(question, keys, false, true); /* [N,1,sentences] */
    cj_shape_t shape = cj_value_shape(scores);
    scores = cj_add(cj_reshape(scores, cj_shape(shape.dims[0], n->sentences)), n->mask);
    cj_value weights = cj_note_layer(scope, "attention", cj_softmax(scores, -1));
    weights = cj_reshape(weights, shape);
    return cj_add(question, cj_matmul(cj_dropout(scope, weights, n->o->dropout), values));
}

/* x: [N,width] → [N,classes] */
static cj_value answer(const network *n, cj_value x)
{
    cj_dense_options hidden = {.size = sizeof hidden, .input = x, .units = n->o->hidden};
    cj_dense_options logits = {.size = sizeof logits, .units = n->o->classes, .no_bias = n->o->hidden == 0};
    logits.input = n->o->hidden > 0 ? cj_relu(cj_dense(cj_at(n->scope, "hidden"), &hidden)) : x;
    return cj_dense(cj_at(n->scope, "answer"), &logits);
}

cj_value cj_memory_network(cj_scope s, const cj_memory_network_options *o)
{
    network n = {.scope = s, .o = o, .width = o->width};
    if (!check(s.graph, o)) return cj__poison(s.graph);
    n.sentences = cj_value_shape(o->input).dims[1] - 1;
    read_words(&n);
    cj_value encoded = encode(&n, 0), keys = remember(&n, encoded, 0);
    cj_value question = cj_slice(encoded, 1, n.sentences, n.sentences + 1, 1);
    for (int64_t i = 0; i < o->hops && cj_value_ok(question); i++) {
        cj_value values = remember(&n, encode(&n, i + 1), i + 1);
        question = hop(&n, i, question, keys, values);
        keys = values;
    }
    return answer(&n, cj_reshape(question, cj_shape(cj_value_shape(o->input).dims[0], n.width)));
}

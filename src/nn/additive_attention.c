/* Additive attention, by which the decoders of recurrent networks look back at what was read: Bahdanau et
 * al., "Neural Machine Translation by Jointly Learning to Align and Translate", 2015. */
#define CJ_NO_LOCATIONS
#include "cajal/sequence.h"
#include "graph/graph.h"
#include "nn/check.h"
#include "nn/padding.h"
#include "nn/projection.h"
#include "ops/ops.h"

typedef struct {
    int64_t rows, queries, keys;
    bool several; /* queries [N,L,A] */
} sizes;

static bool projected_fits(cj_scope s, const cj_additive_attention_options *o, const sizes *z)
{
    char found[CJ__SHAPE_TEXT], wanted[CJ__SHAPE_TEXT];
    cj_shape_t shape = cj_value_shape(o->projected), all = cj_shape(z->rows, z->keys, o->units);
    if (!cj__given(s, "additive_attention", "projected", o->projected)) return false;
    if (cj_shape_equal(shape, all)) return true;
    cj__graph_error(
        s.graph, CJ_SHAPE_ERROR,
        "additive_attention at '%s': projected is %s, expected %s, as cj_additive_keys makes it of "
        "these keys",
        s.path, cj__shape_text(shape, found), cj__shape_text(all, wanted));
    return false;
}

static bool check(cj_scope s, const cj_additive_attention_options *o, sizes *z)
{
    static const char name[] = "additive_attention";
    cj_shape_t q = cj_value_shape(o->query), k = cj_value_shape(o->keys);
    if (!cj__given(s, name, "query", o->query) || !cj__given(s, name, "keys", o->keys) ||
        !cj__sized(s, name, "units", o->units))
        return false;
    bool fits = (q.rank == 2 || q.rank == 3) && k.rank == 3 && q.dims[0] == k.dims[0];
    if (!fits)
        return (void)cj__graph_error(s.graph, CJ_SHAPE_ERROR,
                                     "additive_attention at '%s' needs a query [N,A] or [N,L,A] and keys "
                                     "[N,T,B] of as many rows",
                                     s.path),
               false;
    *z = (sizes){k.dims[0], q.rank == 3 ? q.dims[1] : 1, k.dims[1], q.rank == 3};
    if (o->projected.graph && !projected_fits(s, o, z)) return false;
    return cj__lengths_fit(s, name, "lengths", o->lengths, z->rows);
}

/* scores: [N,L,T] → softmax over those of the keys that there are; of none zeros */
static cj_value weights_of(cj_value scores, cj_value lengths, const sizes *z)
{
    if (!lengths.graph) return cj_softmax(scores, -1);
    cj_value key = cj_reshape(cj_iota(scores.graph, CJ_I32, z->keys), cj_shape(1, 1, z->keys));
    cj_value there = cj_less(key, cj_reshape(cj_cast(lengths, CJ_I32), cj_shape(z->rows, 1, 1)));
    cj_value weights = cj_softmax(cj_select(there, scores, cj__full_like(scores, -1e30)), -1);
    return cj_select(there, weights, cj__full_like(weights, 0));
}

cj_value cj_additive_keys(cj_scope s, cj_value keys, int64_t units)
{
    if (!cj__given(s, "additive_attention", "keys", keys)) return cj__poison(s.graph);
    return cj__dense(cj_at(s, "key"), keys, units, false);
}

static cj_additive_attention_result draw(cj_scope s, const cj_additive_attention_options *o, const sizes *z)
{
    int64_t width = cj__channels_of(o->keys);
    bool clean = o->projected.graph || !o->lengths.graph;
    cj_value keys = clean ? o->keys : cj__without_padding(o->keys, o->lengths);
    cj_value query = cj__dense(cj_at(s, "query"), o->query, o->units, true);
    cj_value key = o->projected.graph ? o->projected : cj_additive_keys(s, keys, o->units);
    query = cj_reshape(query, cj_shape(z->rows, z->queries, 1, o->units));
    key = cj_reshape(key, cj_shape(z->rows, 1, z->keys, o->units));
    cj_value scores = cj__dense(cj_at(s, "score"), cj_tanh(cj_add(query, key)), 1, true);
    scores = cj_reshape(scores, cj_shape(z->rows, z->queries, z->keys));
    cj_value weights = weights_of(scores, o->lengths, z), context = cj_matmul(weights, keys);
    if (z->several) return (cj_additive_attention_result){context, weights};
    return (cj_additive_attention_result){cj_reshape(context, cj_shape(z->rows, width)),
                                          cj_reshape(weights, cj_shape(z->rows, z->keys))};
}

cj_additive_attention_result cj_additive_attention(cj_scope s, const cj_additive_attention_options *o)
{
    sizes z;
    cj_additive_attention_result result = {cj__poison(s.graph), cj__poison(s.graph)};
    const char *outer = cj__enter(s.graph, s.path);
    if (check(s, o, &z)) result = draw(s, o, &z);
    cj__enter(s.graph, outer);
    if (o->file) (void)cj_here(result.context, o->file, o->line);
    return result;
}

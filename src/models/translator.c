/* The parts that translators share, and how a source is remembered while its translation is made. */
#include "models/translator.h"

#include <math.h>

bool cj__source_alone(const cj_reading *input)
{
    return !input->tokens.graph;
}

/* --- checks -------------------------------------------------------------------------------------------- */

static bool sizes_fit(const cj_translator_options *o)
{
    return o->vocabulary > 0 && o->source_vocabulary >= 0 && o->layers > 0 && o->heads > 0 && o->width > 0 &&
           o->width % o->heads == 0 && o->hidden >= 0 && o->block >= 0;
}

static bool is_tokens(cj_value x)
{
    return cj_value_dtype(x) == CJ_I32 && cj_value_shape(x).rank == 2;
}

/* Tokens go with their source, or with a position; a source alone has texts. */
static bool reading_fits(const cj_translator_options *o)
{
    const cj_reading *in = &o->input;
    bool known = o->block > 0;
    if (cj__source_alone(in))
        return known && in->texts > 0 && in->source.graph && is_tokens(in->source) &&
               cj_value_shape(in->source).dims[0] == 1 && cj_value_shape(in->source).dims[1] <= o->block;
    if (in->position.graph)
        return known && !in->source.graph && is_tokens(in->tokens) &&
               cj_value_shape(in->tokens).dims[1] <= o->block;
    return in->source.graph && is_tokens(in->source) && is_tokens(in->tokens) &&
           cj_value_shape(in->source).dims[0] == cj_value_shape(in->tokens).dims[0];
}

bool cj__translator_check(cj_scope s, const cj_translator_options *o, const char *name)
{
    const cj_reading *in = &o->input;
    if ((in->tokens.graph && !cj_value_ok(in->tokens)) || (in->source.graph && !cj_value_ok(in->source)))
        return false;
    if (!sizes_fit(o))
        (void)cj__graph_error(s.graph, CJ_INVALID_ARGUMENT,
                              "%s of %lld layers, %lld heads, width %lld, vocabularies %lld and %lld: each "
                              "must be 1 or more, and the width a multiple of the heads",
                              name, (long long)o->layers, (long long)o->heads, (long long)o->width,
                              (long long)o->source_vocabulary, (long long)o->vocabulary);
    else if (!reading_fits(o))
        (void)cj__graph_error(s.graph, CJ_SHAPE_ERROR,
                              "%s reads tokens, i32 [N,T], with a source, i32 [N,S]; or a source alone, "
                              "[1,S], for so many texts, and then tokens with their position, both up to its "
                              "block of %lld",
                              name, (long long)o->block);
    return cj_graph_status(s.graph) == CJ_OK;
}

/* --- embeddings ---------------------------------------------------------------------------------------- */

static cj_init initial(const cj_translator_options *o)
{
    return (cj_init){CJ_INIT_NORMAL, 1 / sqrt((double)o->width)};
}

cj_value cj__translator_embedding(cj_scope s, const cj_translator_options *o, bool source)
{
    bool apart = source && o->source_vocabulary;
    cj_embedding_options table = {.size = sizeof table,
                                  .input = source ? o->input.source : o->input.tokens,
                                  .count = apart ? o->source_vocabulary : o->vocabulary,
                                  .width = o->width,
                                  .weight_init = initial(o)};
    return cj_embedding(cj_at(s, apart ? "source_embedding" : "embedding"), &table);
}

cj_value cj__translator_logits(cj_scope s, const cj_translator_options *o, cj_value x)
{
    cj_value weight =
        cj_parameter(cj_at(s, "embedding"), "weight", cj_shape(o->vocabulary, o->width), initial(o));
    return cj__tied_logits(cj_at(s, "logits"), weight, x);
}

/* --- what is remembered -------------------------------------------------------------------------------- */

static cj_value for_texts(const cj_translator_options *o, cj_value x, cj_shape_t *shape)
{
    *shape = cj_value_shape(x);
    shape->dims[0] = o->input.texts;
    return cj_broadcast(x, *shape);
}

void cj__remember_source(cj_scope s, const cj_translator_options *o, const char *name, cj_value x)
{
    cj_shape_t shape;
    if (!cj_value_ok(x)) return;
    x = for_texts(o, x, &shape);
    shape.dims[1] = o->block;
    cj_value kept = cj_state(s, name, CJ_CARRIED, cj_value_dtype(x), shape, 0);
    cj_assign(kept, cj_put(kept, x, cj_constant(s.graph, CJ_I32, 0), 1));
}

void cj__remember_whole(cj_scope s, const cj_translator_options *o, const char *name, cj_value x)
{
    cj_shape_t shape;
    if (!cj_value_ok(x)) return;
    x = for_texts(o, x, &shape);
    cj_assign(cj_state(s, name, CJ_CARRIED, cj_value_dtype(x), shape, 0), x);
}

cj_value cj__remembered(cj_scope s, const cj_translator_options *o, const char *name, cj_dtype dtype,
                        cj_shape_t shape)
{
    cj_shape_t whole = {.rank = shape.rank + 1, .dims = {cj_value_shape(o->input.tokens).dims[0]}};
    for (int i = 0; i < shape.rank; i++) whole.dims[i + 1] = shape.dims[i];
    return cj_state(s, name, CJ_CARRIED, dtype, whole, 0);
}

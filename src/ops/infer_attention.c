/* Shape rules of attention: which queries, keys, values and other operands fit together. */
#include "ops/attention.h"
#include "ops/infer.h"

static cj_status want_heads(const cj__inference *i)
{
    cj_shape_t q = i->inputs[0].shape, k = i->inputs[1].shape, v = i->inputs[2].shape;
    CJ__TRY(want_float(i));
    if (q.rank != 4 || k.rank != 4 || v.rank != 4)
        FAIL("query, key and value need four dimensions, [examples,positions,heads,width]");
    if (!cj_shape_equal(k, v)) FAIL("key and value have different shapes");
    if (q.dims[0] != k.dims[0])
        FAIL("there are queries of %lld examples and keys of %lld", (long long)q.dims[0],
             (long long)k.dims[0]);
    if (q.dims[3] != k.dims[3])
        FAIL("queries are %lld wide and keys %lld", (long long)q.dims[3], (long long)k.dims[3]);
    if (q.dims[3] == 0) FAIL("the heads have no width");
    if (k.dims[2] == 0 ? q.dims[2] != 0 : q.dims[2] % k.dims[2] != 0)
        FAIL("%lld heads of queries do not share %lld heads of keys evenly", (long long)q.dims[2],
             (long long)k.dims[2]);
    return CJ_OK;
}

/* Of the bias, or the mask: each axis of [N,H,T,S], or 1. */
static cj_status want_bias(const cj__inference *i, int at, const char *name, cj_dtype dtype,
                           const cj__attention_sizes *s)
{
    cj_shape_t shape = i->inputs[at].shape, whole = cj_shape(s->examples, s->heads, s->queries, s->keys);
    bool fits = shape.rank == 4;
    for (int d = 0; fits && d < 4; d++) fits = shape.dims[d] == 1 || shape.dims[d] == whole.dims[d];
    if (!fits)
        FAIL("the %s needs four dimensions, each 1 or that of [%lld,%lld,%lld,%lld] "
             "(examples, heads, queries, keys)",
             name, (long long)s->examples, (long long)s->heads, (long long)s->queries, (long long)s->keys);
    if (i->inputs[at].dtype != dtype)
        FAIL("the %s is %s, but should be %s; hint: cj_cast it", name, cj_dtype_name(i->inputs[at].dtype),
             cj_dtype_name(dtype));
    return CJ_OK;
}

static cj_status want_whole(const cj__inference *i, int at, const char *name, int64_t examples, bool scalar)
{
    cj_shape_t shape = i->inputs[at].shape;
    if (i->inputs[at].dtype != CJ_I32)
        FAIL("the %s must be i32, not %s", name, cj_dtype_name(i->inputs[at].dtype));
    if (!(shape.rank == 1 && shape.dims[0] == examples) && !(scalar && shape.rank == 0))
        FAIL("the %s need shape [%lld], one for each example", name, (long long)examples);
    return CJ_OK;
}

static cj_status want_rest(const cj__inference *i, int tensors)
{
    const cj__attention_attributes *a = i->attributes;
    cj__attention_sizes s = cj__attention_sizes_of(i->inputs[0].shape, i->inputs[1].shape);
    cj__attention_places p = cj__attention_places_of(a, tensors);
    if (p.bias >= 0) CJ__TRY(want_bias(i, p.bias, "bias", i->inputs[0].dtype, &s));
    if (p.mask >= 0) CJ__TRY(want_bias(i, p.mask, "mask", CJ_BOOL, &s));
    if (p.first >= 0) CJ__TRY(want_whole(i, p.first, "first positions", s.examples, true));
    if (p.lengths >= 0) CJ__TRY(want_whole(i, p.lengths, "lengths", s.examples, false));
    if (!(a->rate >= 0 && a->rate < 1)) FAIL("the rate %g of dropout is outside [0, 1)", a->rate);
    return CJ_OK;
}

static cj_shape_t rows_of(cj_shape_t query)
{
    query.rank--;
    return query;
}

/* → the values' means [N,T,H,D] and the log-sum-exp of each row of scores [N,T,H] */
cj_status cj__infer_attention(cj__inference *i)
{
    CJ__TRY(want_heads(i));
    for (int k = 1; k < CJ__ATTENTION_TENSORS; k++)
        if (i->inputs[k].dtype != i->inputs[0].dtype) return equal_dtypes(i, 0);
    CJ__TRY(want_rest(i, CJ__ATTENTION_TENSORS));
    i->outputs[1] = (cj__type){i->inputs[0].dtype, rows_of(i->inputs[0].shape)};
    return gives(i, i->inputs[0].dtype, i->inputs[0].shape);
}

/* → the gradients of query, key and value */
cj_status cj__infer_attention_gradient(cj__inference *i)
{
    CJ__TRY(want_heads(i));
    cj_shape_t rows = rows_of(i->inputs[0].shape);
    if (!cj_shape_equal(i->inputs[3].shape, rows) || !cj_shape_equal(i->inputs[4].shape, rows) ||
        !cj_shape_equal(i->inputs[5].shape, i->inputs[0].shape))
        FAIL("rows and cotangent do not fit the queries");
    CJ__TRY(want_rest(i, CJ__ATTENTION_GRADIENT_TENSORS));
    for (int k = 1; k < 3; k++) i->outputs[k] = i->inputs[k];
    return gives(i, i->inputs[0].dtype, i->inputs[0].shape);
}

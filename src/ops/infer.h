/* What shape rules say in common: the result, and the sentences about operands that do not fit. */
#ifndef CJ__INFER_H
#define CJ__INFER_H

#include "graph/graph.h"

#define FAIL(...) return cj__fail(CJ_SHAPE_ERROR, __VA_ARGS__)

static inline cj_status gives(cj__inference *i, cj_dtype dtype, cj_shape_t shape)
{
    if (!cj__shape_valid(shape)) FAIL("the result would be larger than any memory");
    i->outputs[0] = (cj__type){dtype, shape};
    return CJ_OK;
}

static inline cj_status equal_shapes(const cj__inference *i, int from)
{
    for (int k = from; k < i->inputs_count; k++)
        if (!cj_shape_equal(i->inputs[k].shape, i->inputs[from].shape)) FAIL("the shapes differ");
    return CJ_OK;
}

static inline cj_status equal_dtypes(const cj__inference *i, int from)
{
    for (int k = from; k < i->inputs_count; k++)
        if (i->inputs[k].dtype != i->inputs[from].dtype)
            FAIL("element types %s and %s differ; hint: cj_cast one of them",
                 cj_dtype_name(i->inputs[from].dtype), cj_dtype_name(i->inputs[k].dtype));
    return CJ_OK;
}

static inline cj_status want_float(const cj__inference *i)
{
    if (!cj__dtype_is_float(i->inputs[0].dtype))
        FAIL("needs floating point, not %s; hint: cj_cast it", cj_dtype_name(i->inputs[0].dtype));
    return CJ_OK;
}

static inline cj_status want_axis(const cj__inference *i, int64_t axis)
{
    if (axis < 0 || axis >= i->inputs[0].shape.rank)
        FAIL("axis %lld is outside the %lld axes", (long long)axis, (long long)i->inputs[0].shape.rank);
    return CJ_OK;
}

#endif

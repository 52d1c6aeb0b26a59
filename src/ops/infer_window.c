/* Shape rules of what looks at [N,spatial…,C] through windows: convolution, its gradients, pooling; and of
 * normalisation by channel. */
#include "ops/infer.h"
#include "ops/window.h"

static cj_status want_window(const cj__inference *i, const cj__window_attributes *a, cj_shape_t x)
{
    if (a->rank < 1 || a->rank > CJ__SPATIAL || x.rank != a->rank + 2)
        FAIL("needs [N,spatial…,C] with one to three spatial axes, not %lld dimensions; hint: a grey picture "
             "[N,H,W] becomes [N,H,W,1] by cj_reshape",
             (long long)x.rank);
    for (int64_t d = 0; d < a->rank; d++) {
        if (a->adaptive) continue;
        if (a->kernel[d] < 1 || a->stride[d] < 1 || a->dilation[d] < 1)
            FAIL("kernel %lld, stride %lld and dilation %lld along spatial axis %lld must be 1 or more",
                 (long long)a->kernel[d], (long long)a->stride[d], (long long)a->dilation[d], (long long)d);
        if (a->before[d] < 0 || a->after[d] < 0) FAIL("padding must not be negative");
        if (a->kernel[d] > INT32_MAX || a->stride[d] > INT32_MAX || a->dilation[d] > INT32_MAX ||
            a->before[d] > INT32_MAX || a->after[d] > INT32_MAX || a->dilation[d] * a->kernel[d] > INT32_MAX)
            FAIL("the window is larger than any picture");
    }
    return cj__dtype_is_float(i->inputs[0].dtype)
               ? CJ_OK
               : cj__fail(CJ_SHAPE_ERROR, "needs floating point, not %s; hint: cj_cast it",
                          cj_dtype_name(i->inputs[0].dtype));
}

/* The spatial axes of y for an x of these; x keeps its other axes. */
static cj_status slide(const cj__window_attributes *a, cj_shape_t x, cj_shape_t *y)
{
    *y = x;
    for (int d = 0; d < a->rank; d++) {
        int64_t size = x.dims[1 + d];
        y->dims[1 + d] = a->adaptive ? a->size[d] : cj__window_count(a, d, size);
        if (a->adaptive && (a->size[d] < 1 || size < 1))
            FAIL("a result of size %lld cannot be made of %lld elements along spatial axis %d",
                 (long long)a->size[d], (long long)size, d);
        if (y->dims[1 + d] < 1)
            FAIL("a window of %lld does not fit in %lld elements and %lld of padding along spatial axis %d",
                 (long long)(a->dilation[d] * (a->kernel[d] - 1) + 1), (long long)size,
                 (long long)(a->before[d] + a->after[d]), d);
    }
    return CJ_OK;
}

/* weight: [kernel…,in,out] with `in` channels a group. */
static cj_status want_weight(const cj__window_attributes *a, cj_shape_t weight, int64_t channels)
{
    if (weight.rank != a->rank + 2) FAIL("the weight must be [kernel…,in,out]");
    int64_t in = weight.dims[a->rank], out = weight.dims[a->rank + 1];
    for (int64_t d = 0; d < a->rank; d++)
        if (weight.dims[d] != a->kernel[d]) FAIL("the weight has another kernel");
    if (a->groups < 1 || in * a->groups != channels || out % a->groups != 0)
        FAIL("%lld channels in and %lld out do not go with a weight for %lld in each of %lld groups",
             (long long)channels, (long long)out, (long long)in, (long long)a->groups);
    return CJ_OK;
}

static cj_shape_t with_channels(cj_shape_t shape, int64_t channels)
{
    shape.dims[shape.rank - 1] = channels;
    return shape;
}

static cj_shape_t with_size(const cj__window_attributes *a, cj_shape_t shape)
{
    for (int64_t d = 0; d < a->rank; d++) shape.dims[1 + d] = a->size[d];
    return shape;
}

/* x: [N,size…,C], weight → [N,result…,O] */
cj_status cj__infer_convolution(cj__inference *i)
{
    const cj__window_attributes *a = i->attributes;
    cj_shape_t x = i->inputs[0].shape, weight = i->inputs[1].shape, y;
    CJ__TRY(want_window(i, a, x));
    CJ__TRY(equal_dtypes(i, 0));
    CJ__TRY(want_weight(a, weight, x.dims[x.rank - 1]));
    CJ__TRY(slide(a, x, &y));
    return gives(i, i->inputs[0].dtype, with_channels(y, weight.dims[a->rank + 1]));
}

/* g: [N,result…,O], weight → [N,size…,C] */
cj_status cj__infer_convolution_input_gradient(cj__inference *i)
{
    const cj__window_attributes *a = i->attributes;
    cj_shape_t g = i->inputs[0].shape, weight = i->inputs[1].shape, y;
    CJ__TRY(want_window(i, a, g));
    CJ__TRY(equal_dtypes(i, 0));
    if (weight.rank != a->rank + 2) FAIL("the weight must be [kernel…,in,out]");
    int64_t channels = weight.dims[a->rank] * (a->groups < 1 ? 1 : a->groups);
    CJ__TRY(want_weight(a, weight, channels));
    if (weight.dims[a->rank + 1] != g.dims[g.rank - 1])
        FAIL("the weight gives %lld channels, not %lld", (long long)weight.dims[a->rank + 1],
             (long long)g.dims[g.rank - 1]);
    cj_shape_t x = with_channels(with_size(a, g), channels);
    if (!cj__shape_valid(x)) FAIL("the result would be larger than any memory");
    CJ__TRY(slide(a, x, &y));
    for (int64_t d = 0; d < a->rank; d++)
        if (y.dims[1 + d] != g.dims[1 + d])
            FAIL("a result of %lld has %lld windows along spatial axis %lld, not %lld",
                 (long long)x.dims[1 + d], (long long)y.dims[1 + d], (long long)d, (long long)g.dims[1 + d]);
    return gives(i, i->inputs[0].dtype, x);
}

/* x: [N,size…,C], g: [N,result…,O] → [kernel…,C/groups,O] */
cj_status cj__infer_convolution_weight_gradient(cj__inference *i)
{
    const cj__window_attributes *a = i->attributes;
    cj_shape_t x = i->inputs[0].shape, g = i->inputs[1].shape, y, weight = {.rank = a->rank + 2};
    CJ__TRY(want_window(i, a, x));
    CJ__TRY(equal_dtypes(i, 0));
    CJ__TRY(slide(a, x, &y));
    if (!cj_shape_equal(with_channels(y, g.dims[g.rank - 1]), g)) FAIL("the cotangent has another shape");
    for (int64_t d = 0; d < a->rank; d++) weight.dims[d] = a->kernel[d];
    int64_t channels = x.dims[x.rank - 1];
    if (a->groups < 1 || channels % a->groups || g.dims[g.rank - 1] % a->groups)
        FAIL("%lld channels do not split into %lld groups", (long long)channels, (long long)a->groups);
    weight.dims[a->rank] = channels / a->groups;
    weight.dims[a->rank + 1] = g.dims[g.rank - 1];
    return gives(i, i->inputs[0].dtype, weight);
}

/* --- pooling ------------------------------------------------------------------------------------------- */

/* Whether the window that begins at `start` has an element within `size`. */
static bool sees(const cj__window_attributes *a, int d, int64_t start, int64_t size)
{
    int64_t dilation = a->dilation[d], missing = start < 0 ? (dilation - 1 - start) / dilation : 0;
    return missing < a->kernel[d] && start + missing * dilation < size;
}

/* The first window along axis d without an element within `size`, or -1. Only those that begin in the padding
 * in front can be: behind there is as much, or what SAME or rounding up adds, which leaves the last an
 * element. */
static int64_t blind_window(const cj__window_attributes *a, int d, int64_t size)
{
    for (int64_t w = 0; w < cj__window_count(a, d, size) && w * a->stride[d] < a->before[d]; w++)
        if (!sees(a, d, w * a->stride[d] - a->before[d], size)) return w;
    return -1;
}

/* There is neither a largest nor a mean of no elements. */
static cj_status want_elements(const cj__window_attributes *a, cj_shape_t x)
{
    for (int d = 0; d < a->rank && !a->adaptive; d++) {
        int64_t blind = blind_window(a, d, x.dims[1 + d]);
        if (blind >= 0)
            FAIL("window %lld along spatial axis %d sees padding alone: it begins at %lld, has %lld elements "
                 "%lld apart, and there are %lld; hint: take less padding",
                 (long long)blind, d, (long long)(blind * a->stride[d] - a->before[d]),
                 (long long)a->kernel[d], (long long)a->dilation[d], (long long)x.dims[1 + d]);
    }
    return CJ_OK;
}

cj_status cj__infer_pool(cj__inference *i)
{
    const cj__window_attributes *a = i->attributes;
    cj_shape_t x = i->inputs[0].shape, y;
    CJ__TRY(want_window(i, a, x));
    CJ__TRY(slide(a, x, &y));
    CJ__TRY(want_elements(a, x));
    return gives(i, i->inputs[0].dtype, y);
}

/* x, g: one cotangent a window → the shape of x */
cj_status cj__infer_max_pool_gradient(cj__inference *i)
{
    CJ__TRY(equal_dtypes(i, 0));
    CJ__TRY(cj__infer_pool(i));
    if (!cj_shape_equal(i->outputs[0].shape, i->inputs[1].shape)) FAIL("needs one cotangent for each window");
    return gives(i, i->inputs[0].dtype, i->inputs[0].shape);
}

/* x, values in its shape → one a window */
cj_status cj__infer_max_pool_pick(cj__inference *i)
{
    CJ__TRY(equal_dtypes(i, 0));
    CJ__TRY(equal_shapes(i, 0));
    return cj__infer_pool(i);
}

/* g: one cotangent a window → [N,size…,C] */
cj_status cj__infer_sum_pool_gradient(cj__inference *i)
{
    const cj__window_attributes *a = i->attributes;
    cj__window_attributes there = *a;
    cj_shape_t g = i->inputs[0].shape, y;
    CJ__TRY(want_window(i, a, g));
    cj_shape_t x = with_size(a, g);
    for (int64_t d = 0; d < a->rank; d++) there.size[d] = g.dims[1 + d];
    if (!cj__shape_valid(x)) FAIL("the result would be larger than any memory");
    CJ__TRY(slide(&there, x, &y));
    if (!cj_shape_equal(y, g)) FAIL("needs one cotangent for each window");
    return gives(i, i->inputs[0].dtype, x);
}

/* --- normalisation ------------------------------------------------------------------------------------- */

/* x: [...,C] → mean and variance [C] */
cj_status cj__infer_batch_moments(cj__inference *i)
{
    cj_shape_t x = i->inputs[0].shape;
    CJ__TRY(want_float(i));
    if (x.rank < 2) FAIL("needs at least two dimensions, channels last");
    i->outputs[0] = i->outputs[1] = (cj__type){i->inputs[0].dtype, cj_shape(x.dims[x.rank - 1])};
    return CJ_OK;
}

/* x: [...,C], weight and bias [C] → y like x, mean and variance [C] */
cj_status cj__infer_batch_norm(cj__inference *i)
{
    cj_shape_t x = i->inputs[0].shape;
    CJ__TRY(equal_dtypes(i, 0));
    CJ__TRY(cj__infer_batch_moments(i));
    for (int k = 1; k < 3; k++)
        if (!cj_shape_equal(i->inputs[k].shape, i->outputs[0].shape))
            FAIL("weight and bias need one element for each of %lld channels", (long long)x.dims[x.rank - 1]);
    i->outputs[2] = i->outputs[1];
    return gives(i, i->inputs[0].dtype, x);
}

/* x: [...,C] → mean and variance [...,1] */
cj_status cj__infer_row_moments(cj__inference *i)
{
    cj_shape_t rows = i->inputs[0].shape;
    CJ__TRY(want_float(i));
    if (rows.rank < 1 || rows.dims[rows.rank - 1] < 1) FAIL("needs a last axis with an element at least");
    rows.dims[rows.rank - 1] = 1;
    i->outputs[1] = (cj__type){i->inputs[0].dtype, rows};
    return gives(i, i->inputs[0].dtype, rows);
}

/* x: [...,C], weight and bias [C] → y like x, mean and variance [...,1] */
cj_status cj__infer_layer_norm(cj__inference *i)
{
    cj_shape_t x = i->inputs[0].shape;
    CJ__TRY(equal_dtypes(i, 0));
    CJ__TRY(cj__infer_row_moments(i));
    for (int k = 1; k < 3; k++)
        if (!cj_shape_equal(i->inputs[k].shape, cj_shape(x.dims[x.rank - 1])))
            FAIL("weight and bias need one element for each of %lld", (long long)x.dims[x.rank - 1]);
    i->outputs[2] = i->outputs[1];
    return gives(i, i->inputs[0].dtype, x);
}

/* Shape rules: from the types of a node's inputs to those of its outputs, or a sentence that says what does
 * not fit. Several ops share a rule, so they live together. */
#include "ops/infer.h"

#include <string.h>

/* --- sources ------------------------------------------------------------------------------------------- */

cj_status cj__infer_input(cj__inference *i)
{
    const cj__input_attributes *a = i->attributes;
    return gives(i, (cj_dtype)a->dtype, a->shape);
}

cj_status cj__infer_variable(cj__inference *i)
{
    const cj__variable_attributes *a = i->attributes;
    return gives(i, a->variable->dtype, a->variable->shape);
}

cj_status cj__infer_constant(cj__inference *i)
{
    const cj__constant_attributes *a = i->attributes;
    if (!cj__dtype_holds((cj_dtype)a->dtype, a->value))
        FAIL("%s cannot hold %g; hint: cj_cast to floating point first", cj_dtype_name((cj_dtype)a->dtype),
             a->value);
    return gives(i, (cj_dtype)a->dtype, a->shape);
}

cj_status cj__infer_literal(cj__inference *i)
{
    const cj__literal_attributes *a = i->attributes;
    return gives(i, (cj_dtype)a->dtype, a->shape);
}

cj_status cj__infer_assign(cj__inference *i)
{
    const cj__variable_attributes *a = i->attributes;
    if (a->variable->dtype != i->inputs[0].dtype || !cj_shape_equal(a->variable->shape, i->inputs[0].shape))
        FAIL("variable '%s' has another shape or element type", a->variable->name);
    return CJ_OK;
}

/* --- elementwise --------------------------------------------------------------------------------------- */

cj_status cj__infer_same(cj__inference *i)
{
    CJ__TRY(equal_dtypes(i, 0));
    CJ__TRY(equal_shapes(i, 0));
    return gives(i, i->inputs[0].dtype, i->inputs[0].shape);
}

cj_status cj__infer_same_float(cj__inference *i)
{
    CJ__TRY(want_float(i));
    return cj__infer_same(i);
}

cj_status cj__infer_compare(cj__inference *i)
{
    CJ__TRY(cj__infer_same(i));
    i->outputs[0].dtype = CJ_BOOL;
    return CJ_OK;
}

cj_status cj__infer_logical(cj__inference *i)
{
    if (i->inputs[0].dtype != CJ_BOOL) FAIL("needs bool, not %s", cj_dtype_name(i->inputs[0].dtype));
    return cj__infer_same(i);
}

cj_status cj__infer_select(cj__inference *i)
{
    if (i->inputs[0].dtype != CJ_BOOL)
        FAIL("the condition must be bool, not %s", cj_dtype_name(i->inputs[0].dtype));
    CJ__TRY(equal_dtypes(i, 1));
    CJ__TRY(equal_shapes(i, 0));
    return gives(i, i->inputs[1].dtype, i->inputs[1].shape);
}

cj_status cj__infer_cast(cj__inference *i)
{
    const cj__cast_attributes *a = i->attributes;
    return gives(i, (cj_dtype)a->dtype, i->inputs[0].shape);
}

cj_status cj__infer_dropout(cj__inference *i)
{
    const cj__dropout_attributes *a = i->attributes;
    CJ__TRY(want_float(i));
    if (!(a->rate >= 0 && a->rate < 1)) FAIL("the rate %g is outside [0, 1)", a->rate);
    return gives(i, i->inputs[0].dtype, i->inputs[0].shape);
}

cj_status cj__infer_random(cj__inference *i)
{
    const cj__random_attributes *a = i->attributes;
    return gives(i, CJ_F32, a->shape);
}

/* x: […,C,…] with C at the axis, slope: [C] or [1] */
cj_status cj__infer_prelu(cj__inference *i)
{
    const cj__axis_attributes *a = i->attributes;
    CJ__TRY(want_float(i));
    CJ__TRY(equal_dtypes(i, 0));
    CJ__TRY(want_axis(i, a->axis));
    cj_shape_t slope = i->inputs[1].shape;
    int64_t channels = i->inputs[0].shape.dims[a->axis];
    if (slope.rank != 1 || (slope.dims[0] != 1 && slope.dims[0] != channels))
        FAIL("the slope needs shape [1] or [%lld], one for each channel", (long long)channels);
    return gives(i, i->inputs[0].dtype, i->inputs[0].shape);
}

/* --- products ------------------------------------------------------------------------------------------ */

cj_status cj__infer_matmul(cj__inference *i)
{
    const cj__matmul_attributes *t = i->attributes;
    cj_shape_t a = i->inputs[0].shape, b = i->inputs[1].shape;
    CJ__TRY(want_float(i));
    CJ__TRY(equal_dtypes(i, 0));
    if (a.rank < 2 || b.rank < 2) FAIL("both operands need at least two dimensions");
    int64_t m = a.dims[a.rank - (t->transpose_a ? 1 : 2)], k = a.dims[a.rank - (t->transpose_a ? 2 : 1)];
    int64_t k2 = b.dims[b.rank - (t->transpose_b ? 1 : 2)], n = b.dims[b.rank - (t->transpose_b ? 2 : 1)];
    if (k != k2)
        FAIL("the inner dimensions %lld and %lld differ; hint: cj_matmul_transposed swaps the last two",
             (long long)k, (long long)k2);
    if (a.rank != b.rank && b.rank != 2) FAIL("the leading dimensions differ");
    if (b.rank == 2 && a.rank > 2 && t->transpose_a)
        FAIL("a transposed left operand needs as many dimensions");
    for (int64_t d = 0; b.rank > 2 && d < a.rank - 2; d++)
        if (a.dims[d] != b.dims[d]) FAIL("the leading dimensions differ");
    cj_shape_t shape = a;
    shape.dims[a.rank - 2] = m;
    shape.dims[a.rank - 1] = n;
    return gives(i, i->inputs[0].dtype, shape);
}

/* --- reductions ---------------------------------------------------------------------------------------- */

cj_status cj__infer_reduce(cj__inference *i)
{
    const cj__reduce_attributes *a = i->attributes;
    cj_shape_t x = i->inputs[0].shape, shape = {0};
    if (a->axes >> x.rank) FAIL("an axis is outside the %lld axes", (long long)x.rank);
    for (int64_t d = 0; d < x.rank; d++) {
        bool reduced = a->axes >> d & 1;
        if (!reduced || a->keep) shape.dims[shape.rank++] = reduced ? 1 : x.dims[d];
    }
    return gives(i, i->inputs[0].dtype, shape);
}

cj_status cj__infer_argmax(cj__inference *i)
{
    const cj__axis_attributes *a = i->attributes;
    CJ__TRY(want_axis(i, a->axis));
    cj_shape_t x = i->inputs[0].shape, shape = {0};
    if (x.dims[a->axis] == 0) FAIL("axis %lld is empty", (long long)a->axis);
    for (int64_t d = 0; d < x.rank; d++)
        if (d != a->axis) shape.dims[shape.rank++] = x.dims[d];
    return gives(i, CJ_I32, shape);
}

/* Nothing is summed over one axis: the shape stays. */
cj_status cj__infer_running(cj__inference *i)
{
    const cj__running_attributes *a = i->attributes;
    CJ__TRY(want_axis(i, a->axis));
    return gives(i, i->inputs[0].dtype, i->inputs[0].shape);
}

/* values, and where along the axis each came from */
cj_status cj__infer_sort(cj__inference *i)
{
    const cj__sort_attributes *a = i->attributes;
    CJ__TRY(want_axis(i, a->axis));
    cj_shape_t shape = i->inputs[0].shape;
    int64_t length = shape.dims[a->axis];
    if (length > INT32_MAX) FAIL("axis %lld is longer than an i32 index counts", (long long)a->axis);
    if (a->count < 0 || a->count > length)
        FAIL("%lld of %lld elements cannot be kept", (long long)a->count, (long long)length);
    shape.dims[a->axis] = a->count;
    i->outputs[1] = (cj__type){CJ_I32, shape};
    return gives(i, i->inputs[0].dtype, shape);
}

/* --- shape and place ----------------------------------------------------------------------------------- */

cj_status cj__infer_reshape(cj__inference *i)
{
    const cj__shape_attributes *a = i->attributes;
    if (!cj__shape_valid(a->shape) || cj_shape_count(a->shape) != cj_shape_count(i->inputs[0].shape))
        FAIL("%lld elements do not fill the new shape", (long long)cj_shape_count(i->inputs[0].shape));
    return gives(i, i->inputs[0].dtype, a->shape);
}

cj_status cj__infer_transpose(cj__inference *i)
{
    const cj__transpose_attributes *a = i->attributes;
    cj_shape_t x = i->inputs[0].shape, shape = {.rank = x.rank};
    uint32_t seen = 0;
    if (a->rank != x.rank) FAIL("the order names %lld axes", (long long)a->rank);
    for (int64_t d = 0; d < x.rank; d++) {
        if (a->order[d] < 0 || a->order[d] >= x.rank)
            FAIL("axis %lld is out of range", (long long)a->order[d]);
        seen |= 1u << a->order[d];
        shape.dims[d] = x.dims[a->order[d]];
    }
    if (seen != (1u << x.rank) - 1) FAIL("the order must name each axis once");
    return gives(i, i->inputs[0].dtype, shape);
}

cj_status cj__infer_broadcast(cj__inference *i)
{
    const cj__shape_attributes *a = i->attributes;
    cj_shape_t x = i->inputs[0].shape;
    int64_t lead = a->shape.rank - x.rank;
    if (lead < 0) FAIL("it has more dimensions than the shape to broadcast to");
    for (int64_t d = 0; d < x.rank; d++)
        if (x.dims[d] != 1 && x.dims[d] != a->shape.dims[lead + d])
            FAIL("dimension %lld has size %lld where %lld is wanted", (long long)d, (long long)x.dims[d],
                 (long long)a->shape.dims[lead + d]);
    return gives(i, i->inputs[0].dtype, a->shape);
}

cj_status cj__infer_slice(cj__inference *i)
{
    const cj__slice_attributes *a = i->attributes;
    CJ__TRY(want_axis(i, a->axis));
    cj_shape_t shape = i->inputs[0].shape;
    if (a->start < 0 || a->step < 1 || a->count < 0 ||
        (a->count > 0 && a->start + (a->count - 1) * a->step >= shape.dims[a->axis]))
        FAIL("the slice leaves axis %lld of size %lld", (long long)a->axis, (long long)shape.dims[a->axis]);
    shape.dims[a->axis] = a->count;
    return gives(i, i->inputs[0].dtype, shape);
}

cj_status cj__infer_split(cj__inference *i)
{
    const cj__split_attributes *a = i->attributes;
    CJ__TRY(want_axis(i, a->axis));
    cj_shape_t shape = i->inputs[0].shape;
    if (a->count < 1 || a->count > CJ__MOST_VALUES || shape.dims[a->axis] % a->count)
        FAIL("axis %lld of size %lld does not split into %lld equal parts", (long long)a->axis,
             (long long)shape.dims[a->axis], (long long)a->count);
    shape.dims[a->axis] /= a->count;
    for (i->outputs_count = 0; i->outputs_count < a->count; i->outputs_count++)
        i->outputs[i->outputs_count] = (cj__type){i->inputs[0].dtype, shape};
    return CJ_OK;
}

cj_status cj__infer_concatenate(cj__inference *i)
{
    const cj__axis_attributes *a = i->attributes;
    if (i->inputs_count < 1) FAIL("there is nothing to join");
    CJ__TRY(want_axis(i, a->axis));
    CJ__TRY(equal_dtypes(i, 0));
    cj_shape_t shape = i->inputs[0].shape;
    for (int k = 1; k < i->inputs_count; k++) {
        cj_shape_t part = i->inputs[k].shape;
        if (part.rank != shape.rank) FAIL("part %d has another number of dimensions", k);
        for (int64_t d = 0; d < shape.rank; d++)
            if (d != a->axis && part.dims[d] != shape.dims[d])
                FAIL("part %d differs along axis %lld", k, (long long)d);
        shape.dims[a->axis] += part.dims[a->axis];
    }
    return gives(i, i->inputs[0].dtype, shape);
}

static cj_status want_indices(const cj__inference *i, int k)
{
    cj_dtype dtype = i->inputs[k].dtype;
    if (dtype != CJ_I32 && dtype != CJ_I64) FAIL("indices must be i32 or i64, not %s", cj_dtype_name(dtype));
    return CJ_OK;
}

/* x: [A…, D, B…], indices: [I…] → [A…, I…, B…] */
cj_status cj__infer_gather(cj__inference *i)
{
    const cj__axis_attributes *a = i->attributes;
    CJ__TRY(want_axis(i, a->axis));
    CJ__TRY(want_indices(i, 1));
    cj_shape_t x = i->inputs[0].shape, indices = i->inputs[1].shape, shape = {0};
    if (x.rank - 1 + indices.rank > CJ_MAX_RANK) FAIL("the result has more than %d dimensions", CJ_MAX_RANK);
    for (int64_t d = 0; d < a->axis; d++) shape.dims[shape.rank++] = x.dims[d];
    for (int64_t d = 0; d < indices.rank; d++) shape.dims[shape.rank++] = indices.dims[d];
    for (int64_t d = a->axis + 1; d < x.rank; d++) shape.dims[shape.rank++] = x.dims[d];
    return gives(i, i->inputs[0].dtype, shape);
}

/* updates: [A…, I…, B…], indices: [I…] → [A…, size, B…] */
cj_status cj__infer_scatter_add(cj__inference *i)
{
    const cj__scatter_attributes *a = i->attributes;
    CJ__TRY(want_indices(i, 1));
    cj_shape_t updates = i->inputs[0].shape, indices = i->inputs[1].shape, shape = {0};
    if (a->axis < 0 || a->axis + indices.rank > updates.rank)
        FAIL("the indices do not fit at axis %lld", (long long)a->axis);
    if (a->size < 0) FAIL("the size is negative");
    for (int64_t d = 0; d < indices.rank; d++)
        if (indices.dims[d] != updates.dims[a->axis + d]) FAIL("indices and updates differ");
    for (int64_t d = 0; d < a->axis; d++) shape.dims[shape.rank++] = updates.dims[d];
    shape.dims[shape.rank++] = a->size;
    for (int64_t d = a->axis + indices.rank; d < updates.rank; d++)
        shape.dims[shape.rank++] = updates.dims[d];
    return gives(i, i->inputs[0].dtype, shape);
}

/* x: [A…, D, B…], part: [A…, P, B…], start: [] → [A…, D, B…] */
cj_status cj__infer_put(cj__inference *i)
{
    const cj__axis_attributes *a = i->attributes;
    CJ__TRY(want_axis(i, a->axis));
    cj_shape_t x = i->inputs[0].shape, part = i->inputs[1].shape;
    if (i->inputs[1].dtype != i->inputs[0].dtype) FAIL("the part is of another element type");
    if (i->inputs[2].shape.rank != 0 || (i->inputs[2].dtype != CJ_I32 && i->inputs[2].dtype != CJ_I64))
        FAIL("the start must be a scalar, i32 or i64");
    if (part.rank != x.rank) FAIL("the part has another number of dimensions");
    for (int64_t d = 0; d < x.rank; d++)
        if (d != a->axis && part.dims[d] != x.dims[d]) FAIL("the part differs along axis %lld", (long long)d);
    return gives(i, i->inputs[0].dtype, x);
}

/* Input k: rows of input 0's kind, as many as the indices, which stand behind it. */
static cj_status want_rows(const cj__inference *i, int k)
{
    cj_shape_t x = i->inputs[0].shape, rows = i->inputs[k].shape, indices = i->inputs[k + 1].shape;
    CJ__TRY(want_indices(i, k + 1));
    if (i->inputs[k].dtype != i->inputs[0].dtype) FAIL("the rows are of another element type");
    if (rows.rank < 1 || rows.rank != x.rank) FAIL("the rows have another number of dimensions");
    if (indices.rank != 1 || indices.dims[0] != rows.dims[0])
        FAIL("there must be an index for each of the %lld rows", (long long)rows.dims[0]);
    for (int64_t d = 1; d < x.rank; d++)
        if (rows.dims[d] != x.dims[d]) FAIL("the rows differ along axis %lld", (long long)d);
    return CJ_OK;
}

/* x: [D, B…], rows: [n, B…], indices: [n] → [D, B…] */
cj_status cj__infer_put_rows(cj__inference *i)
{
    CJ__TRY(want_rows(i, 1));
    return gives(i, i->inputs[0].dtype, i->inputs[0].shape);
}

/* rows: [n, B…], indices: [n] → [n, B…] */
cj_status cj__infer_sum_alike(cj__inference *i)
{
    CJ__TRY(want_rows(i, 0));
    return gives(i, i->inputs[0].dtype, i->inputs[0].shape);
}

/* indices: [I…] → [I…, depth] */
cj_status cj__infer_one_hot(cj__inference *i)
{
    const cj__one_hot_attributes *a = i->attributes;
    cj_shape_t shape = i->inputs[0].shape;
    if (i->inputs[0].dtype != CJ_I32 && i->inputs[0].dtype != CJ_I64) FAIL("indices must be i32 or i64");
    if (shape.rank == CJ_MAX_RANK || a->depth < 1)
        FAIL("depth %lld is not possible here", (long long)a->depth);
    shape.dims[shape.rank++] = a->depth;
    return gives(i, (cj_dtype)a->dtype, shape);
}

cj_status cj__infer_iota(cj__inference *i)
{
    const cj__iota_attributes *a = i->attributes;
    return gives(i, (cj_dtype)a->dtype, cj_shape(a->count));
}

/* logits: [N…,C], labels: [N…] → [N…] */
cj_status cj__infer_cross_entropy_rows(cj__inference *i)
{
    CJ__TRY(want_float(i));
    CJ__TRY(want_indices(i, 1));
    cj_shape_t logits = i->inputs[0].shape, labels = i->inputs[1].shape;
    if (logits.rank != labels.rank + 1)
        FAIL("logits need one dimension more than labels; hint: targets that are distributions over the "
             "classes are floating point");
    for (int64_t d = 0; d < labels.rank; d++)
        if (logits.dims[d] != labels.dims[d]) FAIL("logits and labels differ along axis %lld", (long long)d);
    if (logits.dims[labels.rank] < 1) FAIL("there are no classes");
    return gives(i, i->inputs[0].dtype, labels);
}

/* logits, targets: [N…,C] → [N…] */
cj_status cj__infer_soft_cross_entropy_rows(cj__inference *i)
{
    CJ__TRY(want_float(i));
    cj_shape_t rows = i->inputs[0].shape;
    if (i->inputs[1].dtype != i->inputs[0].dtype || !cj_shape_equal(i->inputs[1].shape, rows))
        FAIL("targets must have the type and shape of the logits");
    if (rows.rank < 1) FAIL("a scalar has no classes");
    if (rows.dims[--rows.rank] < 1) FAIL("there are no classes");
    rows.dims[rows.rank] = 0;
    return gives(i, i->inputs[0].dtype, rows);
}

/* The rows' inputs and g: [N…] → [N…,C] */
static cj_status gradient_of_rows(cj__inference *i)
{
    const cj__type *rows = i->outputs, *g = &i->inputs[2];
    if (g->dtype != rows->dtype || !cj_shape_equal(g->shape, rows->shape))
        FAIL("needs one cotangent for each row");
    return gives(i, i->inputs[0].dtype, i->inputs[0].shape);
}

cj_status cj__infer_cross_entropy_gradient(cj__inference *i)
{
    CJ__TRY(cj__infer_cross_entropy_rows(i));
    return gradient_of_rows(i);
}

cj_status cj__infer_soft_cross_entropy_gradient(cj__inference *i)
{
    CJ__TRY(cj__infer_soft_cross_entropy_rows(i));
    return gradient_of_rows(i);
}

/* --- loops --------------------------------------------------------------------------------------------- */

cj_status cj__infer_placeholder(cj__inference *i)
{
    const cj__placeholder_attributes *a = i->attributes;
    return gives(i, (cj_dtype)a->dtype, a->shape);
}

/* One more axis in front. */
static cj_status stacked(cj__inference *i, int64_t length, const cj__value *value)
{
    cj_shape_t shape = {.rank = value->shape.rank + 1, .dims = {length}};
    if (shape.rank > CJ_MAX_RANK) FAIL("a stacked value has more than %d dimensions", CJ_MAX_RANK);
    memcpy(shape.dims + 1, value->shape.dims, (size_t)value->shape.rank * sizeof *shape.dims);
    if (!cj__shape_valid(shape)) FAIL("the result would be larger than any memory");
    i->outputs[i->outputs_count++] = (cj__type){value->dtype, shape};
    return CJ_OK;
}

static const cj__value *body_input(const cj__scan_attributes *a, int64_t k)
{
    return &a->body->values[a->body->inputs[k].value];
}

static cj_status fits_body(const cj__inference *i, const cj__scan_attributes *a)
{
    if (i->inputs_count != a->carries + a->sequences + a->captures)
        FAIL("another number of inputs is wanted");
    for (int64_t k = 0; k < i->inputs_count; k++) {
        const cj__value *wanted = body_input(a, k);
        cj_shape_t shape = i->inputs[k].shape;
        if (k >= a->carries && k < a->carries + a->sequences) {
            if (shape.rank < 1 || shape.dims[0] != a->length)
                FAIL("sequence %lld has not %lld steps along axis 0", (long long)(k - a->carries),
                     (long long)a->length);
            shape.rank--;
            memmove(shape.dims, shape.dims + 1, sizeof shape.dims - sizeof *shape.dims);
            shape.dims[CJ_MAX_RANK - 1] = 0;
        }
        if (i->inputs[k].dtype != wanted->dtype || !cj_shape_equal(shape, wanted->shape))
            FAIL("input %lld does not fit the body", (long long)k);
    }
    return CJ_OK;
}

cj_status cj__infer_scan(cj__inference *i)
{
    const cj__scan_attributes *a = i->attributes;
    const cj_graph *body = a->body;
    CJ__TRY(fits_body(i, a));
    for (i->outputs_count = 0; i->outputs_count < a->carries; i->outputs_count++)
        i->outputs[i->outputs_count] = i->inputs[i->outputs_count];
    for (int64_t k = 0; k < a->outputs; k++)
        CJ__TRY(stacked(i, a->length, &body->values[body->outputs[a->carries + k].value]));
    return CJ_OK;
}

/* and the carries as each step found them */
cj_status cj__infer_scan_saving(cj__inference *i)
{
    const cj__scan_attributes *a = i->attributes;
    CJ__TRY(cj__infer_scan(i));
    if (2 * a->carries + a->outputs > CJ__MOST_VALUES)
        FAIL("%lld carries are too many to differentiate; hint: concatenate some", (long long)a->carries);
    for (int64_t k = 0; k < a->carries; k++) CJ__TRY(stacked(i, a->length, body_input(a, k)));
    return CJ_OK;
}

/* The compiler makes chains with their types known; nobody draws one. */
cj_status cj__infer_chain(cj__inference *i)
{
    (void)i;
    FAIL("a fused chain cannot be drawn");
}

cj_status cj__infer_product_chain(cj__inference *i)
{
    (void)i;
    FAIL("a fused product cannot be drawn");
}

/* Shape rules of recurrences: ops/recurrence.h says what their operands are. */
#include "ops/infer.h"
#include "ops/recurrence.h"

typedef struct {
    int64_t cell, gates, rows, steps, units;
} sizes;

static cj_status want(const cj__inference *i, int operand, const char *name, cj_shape_t shape)
{
    char wanted[CJ__SHAPE_TEXT], found[CJ__SHAPE_TEXT];
    if (cj_shape_equal(i->inputs[operand].shape, shape)) return CJ_OK;
    FAIL("%s is %s, but must be %s", name, cj__shape_text(i->inputs[operand].shape, found),
         cj__shape_text(shape, wanted));
}

static cj_status want_count(const cj__inference *i, int count)
{
    if (i->inputs_count != count) FAIL("takes %d operands, not %d", count, i->inputs_count);
    return CJ_OK;
}

/* The cell, and from weight [G·H,H] and something [N,T,…] all sizes. */
static cj_status read_sizes(const cj__inference *i, int weight, int sequence, sizes *z)
{
    const cj__recurrence_attributes *a = i->attributes;
    cj_shape_t w = i->inputs[weight].shape, x = i->inputs[sequence].shape;
    if (a->cell < 0 || a->cell >= CJ__CELL_COUNT) FAIL("there is no cell %lld", (long long)a->cell);
    *z = (sizes){.cell = a->cell, .gates = cj__cell_gates(a->cell)};
    if (w.rank != 2 || w.dims[1] < 1 || w.dims[0] / z->gates != w.dims[1] || w.dims[0] % z->gates != 0)
        FAIL("the recurrent weight must be [%lld·units,units]", (long long)z->gates);
    if (x.rank != 3) FAIL("needs a sequence [N,T,…], not %lld dimensions", (long long)x.rank);
    z->units = w.dims[1];
    z->rows = x.dims[0];
    z->steps = x.dims[1];
    return CJ_OK;
}

/* All but the lengths are of one floating-point type. */
static cj_status want_types(const cj__inference *i, int lengths)
{
    CJ__TRY(want_float(i));
    for (int k = 0; k < i->inputs_count; k++)
        if (i->inputs[k].dtype != (k == lengths ? CJ_I32 : i->inputs[0].dtype))
            FAIL("operand %d is %s, but must be %s", k, cj_dtype_name(i->inputs[k].dtype),
                 cj_dtype_name(k == lengths ? CJ_I32 : i->inputs[0].dtype));
    return CJ_OK;
}

static cj_status give(cj__inference *i, cj_shape_t shape)
{
    if (!cj__shape_valid(shape)) FAIL("the result would be larger than any memory");
    i->outputs[i->outputs_count++] = (cj__type){i->inputs[0].dtype, shape};
    return CJ_OK;
}

cj_status cj__infer_recurrence(cj__inference *i)
{
    sizes z;
    i->outputs_count = 0;
    if (i->inputs_count < 4) FAIL("takes 4 operands or 5, not %d", i->inputs_count);
    CJ__TRY(read_sizes(i, CJ__R_WEIGHT, CJ__R_GATES, &z));
    bool extra = z.cell == CJ__LSTM || z.cell == CJ__GRU;
    CJ__TRY(want_count(i, extra ? 5 : 4));
    CJ__TRY(want_types(i, CJ__R_LENGTHS));
    cj_shape_t state = cj_shape(z.rows, z.units);
    CJ__TRY(want(i, CJ__R_GATES, "what the input gives", cj_shape(z.rows, z.steps, z.gates * z.units)));
    CJ__TRY(want(i, CJ__R_FIRST, "the first state", state));
    CJ__TRY(want(i, CJ__R_LENGTHS, "lengths", cj_shape(z.rows)));
    if (z.cell == CJ__LSTM) CJ__TRY(want(i, CJ__R_EXTRA, "the first cell", state));
    if (z.cell == CJ__GRU) CJ__TRY(want(i, CJ__R_EXTRA, "the bias of n", cj_shape(z.units)));
    CJ__TRY(give(i, cj_shape(z.rows, z.steps, z.units)));
    CJ__TRY(give(i, state));
    return z.cell == CJ__LSTM ? give(i, state) : CJ_OK;
}

cj_status cj__infer_recurrence_saving(cj__inference *i)
{
    sizes z;
    CJ__TRY(cj__infer_recurrence(i));
    CJ__TRY(read_sizes(i, CJ__R_WEIGHT, CJ__R_GATES, &z));
    if (z.cell != CJ__LSTM && z.cell != CJ__GRU) return CJ_OK;
    CJ__TRY(give(i, i->inputs[CJ__R_GATES].shape));
    return give(i, cj_shape(z.rows, z.steps, z.units));
}

/* Of what the cell saved, behind the operands that all have. */
static cj_status want_saved(const cj__inference *i, const sizes *z)
{
    cj_shape_t states = cj_shape(z->rows, z->steps, z->units), state = cj_shape(z->rows, z->units);
    int at = CJ__B_SAVED;
    if (z->gates == 1) return want(i, at, "the states", states);
    CJ__TRY(want(i, at, "the gates", cj_shape(z->rows, z->steps, z->gates * z->units)));
    CJ__TRY(want(i, at + 1, "cells or states", states));
    CJ__TRY(want(i, at + 2, "the first cell or state", state));
    return want(i, at + 3, "the last operand", z->cell == CJ__LSTM ? state : states);
}

cj_status cj__infer_recurrence_gradient(cj__inference *i)
{
    sizes z;
    i->outputs_count = 0;
    if (i->inputs_count < 5) FAIL("takes 5 operands or 8, not %d", i->inputs_count);
    CJ__TRY(read_sizes(i, CJ__B_WEIGHT, CJ__B_STATES, &z));
    CJ__TRY(want_count(i, z.gates == 1 ? 5 : 8));
    CJ__TRY(want_types(i, CJ__B_LENGTHS));
    cj_shape_t state = cj_shape(z.rows, z.units), gates = cj_shape(z.rows, z.steps, z.gates * z.units);
    CJ__TRY(want(i, CJ__B_LENGTHS, "lengths", cj_shape(z.rows)));
    CJ__TRY(want(i, CJ__B_STATES, "the states' cotangent", cj_shape(z.rows, z.steps, z.units)));
    CJ__TRY(want(i, CJ__B_LAST, "the last state's cotangent", state));
    CJ__TRY(want_saved(i, &z));
    CJ__TRY(give(i, gates));
    CJ__TRY(give(i, state));
    if (z.cell == CJ__LSTM) return give(i, state);
    return z.cell == CJ__GRU ? give(i, gates) : CJ_OK;
}

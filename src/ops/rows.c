/* Ops on rows that a list of numbers names: what a table's gradient and its update are made of where few of
 * its rows were read. */
#include "ops/ops.h"

/* --- constructors -------------------------------------------------------------------------------------- */

cj_value cj_put_rows(cj_value x, cj_value rows, cj_value indices)
{
    cj_value operands[] = {x, rows, indices};
    return cj__draw(x.graph, CJ__OP_put_rows, &(cj__no_attributes){0}, 3, operands);
}

cj_value cj_sum_alike(cj_value rows, cj_value indices)
{
    return cj__draw2(CJ__OP_sum_alike, &(cj__no_attributes){0}, rows, indices);
}

/* --- gradients ----------------------------------------------------------------------------------------- */

/* 1 for the rows that stayed, of equal indices the last: [n,1…] */
static cj_value stayed(cj__vjp *v)
{
    cj_value indices = v->inputs[2], none = cj_constant(v->graph, CJ_I32, -1);
    cj_shape_t x = cj_value_shape(v->inputs[0]), shape = cj_value_shape(v->inputs[1]);
    cj_value own = cj_iota(v->graph, CJ_I32, shape.dims[0]);
    cj_value winners = cj_put_rows(cj_broadcast(none, cj_shape(x.dims[0])), own, indices);
    for (int64_t d = 1; d < shape.rank; d++) shape.dims[d] = 1;
    cj_value stays = cj_equal(cj_gather(winners, indices, 0), own);
    return cj_reshape(cj_cast(stays, cj_value_dtype(v->cotangents[0])), shape);
}

/* What was replaced gets nothing; a row gets what lies where it stayed, outside zeros. */
void cj__put_rows_vjp(cj__vjp *v)
{
    cj_value g = v->cotangents[0], indices = v->inputs[2];
    if (v->wanted[0]) v->gradients[0] = cj_put_rows(g, cj__full_like(v->inputs[1], 0), indices);
    if (v->wanted[1]) v->gradients[1] = cj_mul(cj_gather(g, indices, 0), stayed(v));
}

/* A row went to the places of its index, as they came to its own. */
void cj__sum_alike_vjp(cj__vjp *v)
{
    if (v->wanted[0]) v->gradients[0] = cj_sum_alike(v->cotangents[0], v->inputs[1]);
}

/* --- definitions --------------------------------------------------------------------------------------- */

void cj__put_rows_reference(const cj__reference *r)
{
    cj__split s = cj__split_at(r->output_types[0].shape, 0);
    int64_t count = r->input_types[1].shape.dims[0];
    for (int64_t i = 0; i < s.length * s.inner; i++) r->outputs[0][i] = r->inputs[0][i];
    for (int64_t k = 0; k < count; k++) {
        double index = r->inputs[2][k];
        if (!(index >= 0 && index < (double)s.length)) continue;
        for (int64_t i = 0; i < s.inner; i++)
            r->outputs[0][(int64_t)index * s.inner + i] = r->inputs[1][k * s.inner + i];
    }
}

void cj__sum_alike_reference(const cj__reference *r)
{
    cj__split s = cj__split_at(r->output_types[0].shape, 0);
    for (int64_t k = 0; k < s.length; k++)
        for (int64_t i = 0; i < s.inner; i++) {
            double sum = 0;
            for (int64_t j = 0; j < s.length; j++)
                if (r->inputs[1][j] == r->inputs[1][k]) sum += r->inputs[0][j * s.inner + i];
            r->outputs[0][k * s.inner + i] = sum;
        }
}

/* --- samples ------------------------------------------------------------------------------------------- */

#define PUT_ROWS(samples, shape, rows, type, count, low, high)                                               \
    CJ__SAMPLE(samples, .attributes = &(cj__no_attributes){0}, .inputs_count = 3,                            \
               .inputs = {{CJ_F32, shape, 0, 0}, {CJ_F32, rows, 0, 0}, {type, cj_shape(count), low, high}})

void cj__put_rows_samples(cj__samples *samples)
{
    PUT_ROWS(samples, cj_shape(7, 5), cj_shape(9, 5), CJ_I32, 9, -1, 8);
    PUT_ROWS(samples, cj_shape(4, 3, 2), cj_shape(2, 3, 2), CJ_I64, 2, 0, 4);
    PUT_ROWS(samples, cj_shape(6), cj_shape(3), CJ_I32, 3, 0, 6);
    PUT_ROWS(samples, cj_shape(1, 1), cj_shape(1, 1), CJ_I32, 1, 0, 1);
    PUT_ROWS(samples, cj_shape(3, 2), cj_shape(0, 2), CJ_I32, 0, 0, 3);
}

#define SUM_ALIKE(samples, rows, type, count, low, high)                                                     \
    CJ__SAMPLE(samples, .attributes = &(cj__no_attributes){0}, .inputs_count = 2,                            \
               .inputs = {{CJ_F32, rows, 0, 0}, {type, cj_shape(count), low, high}})

void cj__sum_alike_samples(cj__samples *samples)
{
    SUM_ALIKE(samples, cj_shape(19, 70), CJ_I32, 19, -2, 5);
    SUM_ALIKE(samples, cj_shape(5, 3, 2), CJ_I64, 5, 0, 100);
    SUM_ALIKE(samples, cj_shape(7), CJ_I32, 7, 0, 2);
    SUM_ALIKE(samples, cj_shape(1, 1), CJ_I32, 1, 0, 1);
    SUM_ALIKE(samples, cj_shape(0, 4), CJ_I32, 0, 0, 3);
}

/* Along one axis: running sums, sorting, and what is made of it. Definitions and gradients; the kernel that
 * sorts is cpu/order.c. */
#include "ops/ops.h"

#include <math.h>

/* --- running sums -------------------------------------------------------------------------------------- */

cj_value cj_cumulative_sum(cj_value x, int axis, int running)
{
    cj__running_attributes attributes = {cj__axis(x, axis), (running & CJ_EXCLUSIVE) != 0,
                                         (running & CJ_REVERSE) != 0};
    return cj__draw1(CJ__OP_cumulative_sum, &attributes, x);
}

/* x[i] is in the sums of i, i+1, …: the same sums from the other end. */
void cj__cumulative_sum_vjp(cj__vjp *v)
{
    cj__running_attributes attributes = *(const cj__running_attributes *)v->attributes;
    attributes.reverse = !attributes.reverse;
    v->gradients[0] = cj__draw1(CJ__OP_cumulative_sum, &attributes, v->cotangents[0]);
}

void cj__cumulative_sum_reference(const cj__reference *r)
{
    const cj__running_attributes *a = r->attributes;
    cj__split s = cj__split_at(r->input_types[0].shape, a->axis);
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t i = 0; i < s.inner; i++) {
            double sum = 0;
            for (int64_t step = 0; step < s.length; step++) {
                int64_t k = a->reverse ? s.length - 1 - step : step;
                int64_t at = (o * s.length + k) * s.inner + i;
                double before = sum;
                sum += r->inputs[0][at];
                r->outputs[0][at] = a->exclusive ? before : sum;
            }
        }
}

void cj__cumulative_sum_samples(cj__samples *samples)
{
    for (int form = 0; form < 4; form++) {
        CJ__SAMPLE(samples, .attributes = &(cj__running_attributes){1, form & 1, form >> 1},
                   .inputs_count = 1, .inputs = {{CJ_F32, cj_shape(3, 67, 5), 0, 0}});
        CJ__SAMPLE(samples, .attributes = &(cj__running_attributes){0, form & 1, form >> 1},
                   .inputs_count = 1, .inputs = {{CJ_I64, cj_shape(31), 0, 0}});
    }
    CJ__SAMPLE(samples, .attributes = &(cj__running_attributes){1, 0, 0}, .inputs_count = 1,
               .inputs = {{CJ_F32, cj_shape(3, 0), 0, 0}});
    CJ__SAMPLE(samples, .attributes = &(cj__running_attributes){0, 0, 1}, .inputs_count = 1,
               .inputs = {{CJ_F32, cj_shape(1), 0, 0}});
    CJ__SAMPLE(samples, .attributes = &(cj__running_attributes){0, 0, 0}, .inputs_count = 1,
               .inputs = {{CJ_F32, cj_shape(3, 601), 0, 0}});
    CJ__SAMPLE(samples, .attributes = &(cj__running_attributes){1, 0, 1}, .inputs_count = 1,
               .inputs = {{CJ_F32, cj_shape(211, 131), 0, 0}});
}

/* --- order --------------------------------------------------------------------------------------------- */

cj_sorted cj_top_k(cj_value x, int64_t count, int axis, cj_order order)
{
    cj__sort_attributes attributes = {cj__axis(x, axis), order == CJ_DESCENDING, count};
    cj_value values = cj__draw1(CJ__OP_sort, &attributes, x);
    return (cj_sorted){values, cj__output_of(values, 1)};
}

cj_sorted cj_sort(cj_value x, int axis, cj_order order)
{
    int64_t at = cj__axis(x, axis), rank = cj_value_shape(x).rank;
    return cj_top_k(x, at >= 0 && at < rank ? cj_value_shape(x).dims[at] : 0, axis, order);
}

cj_value cj_argsort(cj_value x, int axis, cj_order order)
{
    return cj_sort(x, axis, order).indices;
}

/* 0, step, 2·step, … along one axis of `count`, with size 1 along `rank` - 1 others. */
static cj_value offsets(cj_graph *graph, int64_t count, int64_t step, cj_shape_t shape)
{
    return cj_reshape(cj_scale(cj_iota(graph, CJ_I64, count), (double)step), shape);
}

/* The cotangents of the values, at the places in x laid flat where the values stood. */
void cj__sort_vjp(cj__vjp *v)
{
    const cj__sort_attributes *a = v->attributes;
    cj_shape_t shape = cj_value_shape(v->inputs[0]);
    cj_value g = v->cotangents[0];
    if (!cj_value_ok(g)) return;
    cj__split s = cj__split_at(shape, a->axis);
    cj_value lines = offsets(v->graph, s.outer, s.length * s.inner, cj_shape(s.outer, 1, 1));
    cj_value within = offsets(v->graph, s.inner, 1, cj_shape(1, 1, s.inner));
    cj_value along = cj_reshape(cj_cast(v->outputs[1], CJ_I64), cj_shape(s.outer, a->count, s.inner));
    cj_value places = cj_add(cj_add(cj_scale(along, (double)s.inner), lines), within);
    cj_shape_t flat = cj_shape(s.outer * a->count * s.inner);
    v->gradients[0] = cj_reshape(
        cj_scatter_add(cj_reshape(g, flat), cj_reshape(places, flat), 0, cj_shape_count(shape)), shape);
}

/* Whether element a, at index i, comes before b, at j. */
static bool before(double a, int64_t i, double b, int64_t j, bool descending)
{
    bool equal = a == b || (isnan(a) && isnan(b));
    bool less = a < b || (isnan(b) && !isnan(a));
    return equal ? i < j : less != descending;
}

/* An element's place is the number of those before it: slow, and plainly right. */
void cj__sort_reference(const cj__reference *r)
{
    const cj__sort_attributes *a = r->attributes;
    cj__split s = cj__split_at(r->input_types[0].shape, a->axis);
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t i = 0; i < s.inner; i++) {
            const double *line = r->inputs[0] + o * s.length * s.inner + i;
            for (int64_t k = 0; k < s.length; k++) {
                int64_t place = 0;
                for (int64_t j = 0; j < s.length; j++)
                    place += before(line[j * s.inner], j, line[k * s.inner], k, a->descending);
                if (place >= a->count) continue;
                r->outputs[0][(o * a->count + place) * s.inner + i] = line[k * s.inner];
                r->outputs[1][(o * a->count + place) * s.inner + i] = (double)k;
            }
        }
}

void cj__sort_samples(cj__samples *samples)
{
    static const int64_t counts[] = {17, 5, 1, 0};
    for (int form = 0; form < 8; form++)
        CJ__SAMPLE(samples, .attributes = &(cj__sort_attributes){1, form & 1, counts[form >> 1]},
                   .inputs_count = 1, .inputs = {{CJ_F32, cj_shape(3, 17, 2), 0, 0}});
    CJ__SAMPLE(samples, .attributes = &(cj__sort_attributes){0, 0, 301}, .inputs_count = 1,
               .inputs = {{CJ_I32, cj_shape(301), 0, 9}});
    CJ__SAMPLE(samples, .attributes = &(cj__sort_attributes){1, 1, 10}, .inputs_count = 1,
               .inputs = {{CJ_I64, cj_shape(4, 10), 0, 4}});
    CJ__SAMPLE(samples, .attributes = &(cj__sort_attributes){1, 0, 0}, .inputs_count = 1,
               .inputs = {{CJ_F32, cj_shape(4, 0), 0, 0}});
    CJ__SAMPLE(samples, .attributes = &(cj__sort_attributes){0, 0, 1}, .inputs_count = 1,
               .inputs = {{CJ_F32, cj_shape(1), 0, 0}});
}

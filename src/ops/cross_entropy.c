/* Cross-entropy of rows of logits against integer labels, and its gradient: two primitives, because every
 * classifier's step ends in them. The kernels are in cpu/rows.c. */
#include "ops/ops.h"

#include <math.h>

cj_value cj_cross_entropy_rows(cj_value logits, cj_value labels)
{
    return cj__draw2(CJ__OP_cross_entropy_rows, NULL, logits, labels);
}

void cj__cross_entropy_rows_vjp(cj__vjp *v)
{
    if (!v->wanted[0]) return;
    cj_value inputs[] = {v->inputs[0], v->inputs[1], v->cotangents[0]};
    v->gradients[0] = cj__draw(v->graph, CJ__OP_cross_entropy_gradient, NULL, 3, inputs);
}

/* x, h: [N…,C]; s: softmax of x; chosen: one row of the identity for each label, zeros for one outside;
 * g: [N…]. The gradient is (s·[a label is there] - chosen) g, and so
 * d/dx = s (h - Σ h s) g [a label is there],  d/dg = Σ h (s [a label is there] - chosen). */
void cj__cross_entropy_gradient_vjp(cj__vjp *v)
{
    cj_value x = v->inputs[0], h = v->cotangents[0], s = cj_softmax(x, -1);
    cj_shape_t column = cj_value_shape(x);
    cj_axes_t last = {1, {(int)column.rank - 1}};
    cj_value chosen = cj_one_hot(v->inputs[1], column.dims[column.rank - 1], cj_value_dtype(x));
    cj_value labelled = cj_sum(chosen, last, CJ_KEEP_AXES);
    column.dims[column.rank - 1] = 1;
    cj_value g = cj_mul(cj_reshape(v->inputs[2], column), labelled);
    cj_value centred = cj_sub(h, cj_sum(cj_mul(h, s), last, CJ_KEEP_AXES));
    if (v->wanted[0]) v->gradients[0] = cj_mul(cj_mul(s, centred), g);
    if (v->wanted[2])
        v->gradients[2] = cj_sum(cj_mul(h, cj_sub(cj_mul(s, labelled), chosen)), last, CJ_DROP_AXES);
}

/* --- definitions --------------------------------------------------------------------------------------- */

/* The largest of a row, and the sum of e to the power of each element less that. */
static double sum_of_exponentials(const double *x, int64_t classes, double *top)
{
    double sum = 0;
    *top = x[0];
    for (int64_t k = 1; k < classes; k++) *top = x[k] > *top ? x[k] : *top;
    for (int64_t k = 0; k < classes; k++) sum += exp(x[k] - *top);
    return sum;
}

static int64_t classes_of(const cj__reference *r)
{
    cj_shape_t logits = r->input_types[0].shape;
    return logits.dims[logits.rank - 1];
}

/* A label outside the classes gives 0, whatever the logits are. */
void cj__cross_entropy_rows_reference(const cj__reference *r)
{
    int64_t classes = classes_of(r);
    for (int64_t n = 0; n < cj_shape_count(r->input_types[1].shape); n++) {
        const double *x = r->inputs[0] + n * classes;
        double label = r->inputs[1][n], top, sum = sum_of_exponentials(x, classes, &top);
        bool counted = label >= 0 && label < (double)classes;
        r->outputs[0][n] = counted ? log(sum) - (x[(int64_t)label] - top) : 0;
    }
}

void cj__cross_entropy_gradient_reference(const cj__reference *r)
{
    int64_t classes = classes_of(r);
    for (int64_t n = 0; n < cj_shape_count(r->input_types[1].shape); n++) {
        const double *x = r->inputs[0] + n * classes;
        double label = r->inputs[1][n], g = r->inputs[2][n], top, sum = sum_of_exponentials(x, classes, &top);
        bool counted = label >= 0 && label < (double)classes;
        for (int64_t k = 0; k < classes; k++)
            r->outputs[0][n * classes + k] =
                counted ? g * (exp(x[k] - top) / sum - (k == (int64_t)label)) : 0;
    }
}

/* --- test samples -------------------------------------------------------------------------------------- */

static const struct {
    cj_shape_t logits, labels;
    cj_dtype dtype;
    double low, high; /* labels */
} cases[] = {
    {{2, {7, 5}}, {1, {7}}, CJ_I32, -1, 5},       {{2, {128, 10}}, {1, {128}}, CJ_I32, 0, 11},
    {{2, {3, 131}}, {1, {3}}, CJ_I64, 0, 131},    {{2, {2, 5003}}, {1, {2}}, CJ_I32, 0, 5003},
    {{3, {2, 3, 4}}, {2, {2, 3}}, CJ_I64, -1, 4}, {{2, {0, 4}}, {1, {0}}, CJ_I32, 0, 4},
    {{2, {3, 1}}, {1, {3}}, CJ_I32, 0, 1},
};

void cj__cross_entropy_rows_samples(cj__samples *samples)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CJ__SAMPLE(samples, .inputs_count = 2,
                   .inputs = {{CJ_F32, cases[i].logits, -3, 3},
                              {cases[i].dtype, cases[i].labels, cases[i].low, cases[i].high}});
}

void cj__cross_entropy_gradient_samples(cj__samples *samples)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CJ__SAMPLE(samples, .inputs_count = 3,
                   .inputs = {{CJ_F32, cases[i].logits, -3, 3},
                              {cases[i].dtype, cases[i].labels, cases[i].low, cases[i].high},
                              {CJ_F32, cases[i].labels, 0, 0}});
}

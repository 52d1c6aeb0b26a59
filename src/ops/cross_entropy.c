/* Cross-entropy of rows of logits, against labels or against distributions over the classes, and its
 * gradient: primitives, because every classifier's step ends in them. The kernels are in cpu/rows.c. */
#include "ops/ops.h"

#include <math.h>

cj_value cj_cross_entropy_rows(cj_value logits, cj_value labels)
{
    return cj__draw2(CJ__OP_cross_entropy_rows, NULL, logits, labels);
}

cj_value cj__smoothed_cross_entropy_rows(cj_value logits, cj_value labels, double smoothing)
{
    return cj__draw2(CJ__OP_cross_entropy_rows, &(cj__smoothing_attributes){smoothing}, logits, labels);
}

cj_value cj_soft_cross_entropy_rows(cj_value logits, cj_value targets)
{
    return cj__draw2(CJ__OP_soft_cross_entropy_rows, NULL, logits, targets);
}

/* --- gradients ----------------------------------------------------------------------------------------- */

static cj_value row_sum(cj_value x, cj_kept kept)
{
    return cj_sum(x, (cj_axes_t){1, {-1}}, kept);
}

/* g: [N…] → [N…,1] */
static cj_value as_column(cj_value g)
{
    cj_shape_t shape = cj_value_shape(g);
    shape.dims[shape.rank++] = 1;
    return cj_reshape(g, shape);
}

void cj__cross_entropy_rows_vjp(cj__vjp *v)
{
    if (!v->wanted[0]) return;
    cj_value inputs[] = {v->inputs[0], v->inputs[1], v->cotangents[0]};
    v->gradients[0] = cj__draw(v->graph, CJ__OP_cross_entropy_gradient, v->attributes, 3, inputs);
}

/* With a row's targets t, which are fixed, and s = softmax(x), the gradient is (s Σt - t) g. So, for a
 * cotangent h of it, d/dx = s (h - Σ h s) Σt g and d/dg = Σ h (s Σt - t). */
static void gradient_by_logits(cj__vjp *v, cj_value softmax, cj_value sums)
{
    cj_value h = v->cotangents[0], g = as_column(v->inputs[2]);
    cj_value centred = cj_sub(h, row_sum(cj_mul(h, softmax), CJ_KEEP_AXES));
    v->gradients[0] = cj_mul(cj_mul(softmax, centred), cj_mul(g, sums));
}

static void gradient_by_cotangent(cj__vjp *v, cj_value softmax, cj_value targets, cj_value sums)
{
    cj_value away = cj_sub(cj_mul(softmax, sums), targets);
    v->gradients[2] = row_sum(cj_mul(v->cotangents[0], away), CJ_DROP_AXES);
}

/* The targets are one row of the identity for each label, zeros for one that is none, smoothed. */
void cj__cross_entropy_gradient_vjp(cj__vjp *v)
{
    double smoothing = ((const cj__smoothing_attributes *)v->attributes)->amount;
    cj_value x = v->inputs[0], softmax = cj_softmax(x, -1);
    cj_shape_t shape = cj_value_shape(x);
    int64_t classes = shape.dims[shape.rank - 1];
    cj_value chosen = cj_one_hot(v->inputs[1], classes, cj_value_dtype(x));
    cj_value sums = row_sum(chosen, CJ_KEEP_AXES);
    if (v->wanted[0]) gradient_by_logits(v, softmax, sums);
    if (!v->wanted[2]) return;
    cj_value targets = cj_add(cj_scale(chosen, 1 - smoothing), cj_scale(sums, smoothing / (double)classes));
    gradient_by_cotangent(v, softmax, targets, sums);
}

/* The row is Σ t (log Σ e^x - x). */
void cj__soft_cross_entropy_rows_vjp(cj__vjp *v)
{
    cj_value inputs[] = {v->inputs[0], v->inputs[1], v->cotangents[0]};
    if (v->wanted[0])
        v->gradients[0] = cj__draw(v->graph, CJ__OP_soft_cross_entropy_gradient, NULL, 3, inputs);
    if (v->wanted[1])
        v->gradients[1] = cj_neg(cj_mul(cj_log_softmax(v->inputs[0], -1), as_column(v->cotangents[0])));
}

/* And by the targets it is g (Σ h s - h). */
void cj__soft_cross_entropy_gradient_vjp(cj__vjp *v)
{
    cj_value softmax = cj_softmax(v->inputs[0], -1), h = v->cotangents[0], targets = v->inputs[1];
    cj_value sums = row_sum(targets, CJ_KEEP_AXES);
    if (v->wanted[0]) gradient_by_logits(v, softmax, sums);
    if (v->wanted[1])
        v->gradients[1] =
            cj_mul(as_column(v->inputs[2]), cj_sub(row_sum(cj_mul(h, softmax), CJ_KEEP_AXES), h));
    if (v->wanted[2]) gradient_by_cotangent(v, softmax, targets, sums);
}

/* --- definitions --------------------------------------------------------------------------------------- */

/* One row: the targets are those of a label, smoothed, or given. */
typedef struct {
    int64_t classes, label;
    const double *x, *given;
    double smoothing, top, sum; /* sum: of e to the power of each element less the largest */
} row;

static row row_at(const cj__reference *r, int64_t n)
{
    cj_shape_t shape = r->input_types[0].shape;
    int64_t classes = shape.dims[shape.rank - 1];
    row one = {.classes = classes, .x = r->inputs[0] + n * classes, .top = r->inputs[0][n * classes]};
    for (int64_t k = 1; k < classes; k++) one.top = one.x[k] > one.top ? one.x[k] : one.top;
    for (int64_t k = 0; k < classes; k++) one.sum += exp(one.x[k] - one.top);
    if (cj_shape_equal(r->input_types[1].shape, shape)) {
        one.given = r->inputs[1] + n * classes;
    } else {
        one.label = (int64_t)r->inputs[1][n];
        one.smoothing = ((const cj__smoothing_attributes *)r->attributes)->amount;
    }
    return one;
}

static double target(const row *one, int64_t k)
{
    if (one->given) return one->given[k];
    if (one->label < 0) return 0;
    if (one->label >= one->classes) return (double)NAN;
    return (k == one->label ? 1 - one->smoothing : 0) + one->smoothing / (double)one->classes;
}

/* What a target of 0 multiplies counts only where it is given: a logit may be minus infinity. */
static double share_of_loss(const row *one, int64_t k)
{
    double t = target(one, k);
    return t == 0 && !one->given ? 0 : t * (log(one->sum) - (one->x[k] - one->top));
}

/* A negative label gives 0, whatever the logits are. */
static void rows_reference(const cj__reference *r)
{
    for (int64_t n = 0; n < cj_shape_count(r->output_types[0].shape); n++) {
        row one = row_at(r, n);
        double loss = 0;
        for (int64_t k = 0; k < one.classes && one.label >= 0; k++) loss += share_of_loss(&one, k);
        r->outputs[0][n] = loss;
    }
}

static void gradient_reference(const cj__reference *r)
{
    for (int64_t n = 0; n < cj_shape_count(r->input_types[2].shape); n++) {
        row one = row_at(r, n);
        double g = r->inputs[2][n], total = 0;
        for (int64_t k = 0; k < one.classes; k++) total += target(&one, k);
        for (int64_t k = 0; k < one.classes; k++)
            r->outputs[0][n * one.classes + k] =
                one.label < 0 ? 0 : g * (total * exp(one.x[k] - one.top) / one.sum - target(&one, k));
    }
}

void cj__cross_entropy_rows_reference(const cj__reference *r)
{
    rows_reference(r);
}

void cj__cross_entropy_gradient_reference(const cj__reference *r)
{
    gradient_reference(r);
}

void cj__soft_cross_entropy_rows_reference(const cj__reference *r)
{
    rows_reference(r);
}

void cj__soft_cross_entropy_gradient_reference(const cj__reference *r)
{
    gradient_reference(r);
}

/* --- test samples -------------------------------------------------------------------------------------- */

static const struct {
    cj_shape_t logits, labels;
    cj_dtype dtype;
    double low, high; /* labels */
    cj__smoothing_attributes smoothing;
} cases[] = {
    {{2, {7, 5}}, {1, {7}}, CJ_I32, -1, 5, {0}},       {{2, {128, 10}}, {1, {128}}, CJ_I32, -2, 10, {0.1}},
    {{2, {3, 131}}, {1, {3}}, CJ_I64, 0, 131, {0}},    {{2, {2, 5003}}, {1, {2}}, CJ_I32, 0, 5003, {0.25}},
    {{3, {2, 3, 4}}, {2, {2, 3}}, CJ_I64, -1, 4, {1}}, {{2, {0, 4}}, {1, {0}}, CJ_I32, 0, 4, {0}},
    {{2, {3, 1}}, {1, {3}}, CJ_I32, 0, 1, {0.5}},      {{2, {1, 1}}, {1, {1}}, CJ_I32, 0, 1, {0}},
};

#define SAMPLES(op, inputs_count_, attributes_, ...)                                                         \
    void cj__##op##_samples(cj__samples *samples)                                                            \
    {                                                                                                        \
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)                                            \
            CJ__SAMPLE(samples, .attributes = attributes_, .inputs_count = inputs_count_,                    \
                       .inputs = {{CJ_F32, cases[i].logits, -3, 3}, __VA_ARGS__});                           \
    }
#define LABELS                                                                                               \
    {                                                                                                        \
        cases[i].dtype, cases[i].labels, cases[i].low, cases[i].high                                         \
    }
#define TARGETS                                                                                              \
    {                                                                                                        \
        CJ_F32, cases[i].logits, -0.5, 1.5                                                                   \
    }
#define LOSSES                                                                                               \
    {                                                                                                        \
        CJ_F32, cases[i].labels, 0, 0                                                                        \
    }
SAMPLES(cross_entropy_rows, 2, &cases[i].smoothing, LABELS)
SAMPLES(cross_entropy_gradient, 3, &cases[i].smoothing, LABELS, LOSSES)
SAMPLES(soft_cross_entropy_rows, 2, NULL, TARGETS)
SAMPLES(soft_cross_entropy_gradient, 3, NULL, TARGETS, LOSSES)

/* Normalisation of [...,C]: by channel, mean and variance over all axes but the last, and batch normalisation
 * (Ioffe and Szegedy, 2015); by row, the same over the last axis, and layer normalisation (Ba et al., 2016).
 * Both have gradients of their own, since every element's depends on all others of its channel or row. */
#include "ops/ops.h"

/* x: [...,C] → the number of elements of a channel */
static double elements_of(cj_value x)
{
    cj_shape_t shape = cj_value_shape(x);
    double count = 1;
    for (int64_t d = 0; d < shape.rank - 1; d++) count *= (double)shape.dims[d];
    return count;
}

static cj_value sum_by_channel(cj_value x)
{
    if (cj_value_shape(x).rank == 1) return x; /* to sum over no axis would be over all */
    cj_axes_t axes = {.count = (int)cj_value_shape(x).rank - 1};
    for (int d = 0; d < axes.count; d++) axes.axis[d] = d;
    return cj_sum(x, axes, CJ_DROP_AXES);
}

void cj_batch_moments(cj_value x, cj_value *mean, cj_value *variance)
{
    *mean = cj__draw1(CJ__OP_batch_moments, NULL, x);
    *variance = cj__output_of(*mean, 1);
}

cj_value cj__batch_norm(cj_value x, cj_value weight, cj_value bias, double epsilon)
{
    cj_value inputs[] = {x, weight, bias};
    return cj__draw(x.graph, CJ__OP_batch_norm, &(cj__epsilon_attributes){epsilon}, 3, inputs);
}

/* d mean / dx = 1/n, d variance / dx = 2 (x - mean) / n, where n elements have a mean */
static cj_value through_moments(cj_value x, cj_value mean, cj_value of_mean, cj_value of_variance, double n)
{
    cj_value gradient = cj__none();
    if (of_mean.graph) gradient = cj_broadcast(cj_scale(of_mean, 1 / n), cj_value_shape(x));
    if (of_variance.graph) {
        cj_value part = cj_mul(cj_sub(x, mean), cj_scale(of_variance, 2 / n));
        gradient = gradient.graph ? cj_add(gradient, part) : part;
    }
    return gradient;
}

void cj__batch_moments_vjp(cj__vjp *v)
{
    v->gradients[0] = through_moments(v->inputs[0], v->outputs[0], v->cotangents[0], v->cotangents[1],
                                      elements_of(v->inputs[0]));
}

/* y = (x - mean) · weight / sqrt(variance + ε) + bias */
void cj__batch_norm_lower(cj__lowering *l)
{
    double epsilon = ((const cj__epsilon_attributes *)l->attributes)->epsilon;
    cj_value mean, variance;
    cj_batch_moments(l->inputs[0], &mean, &variance);
    cj_value factor = cj_mul(l->inputs[1], cj_rsqrt(cj_add_scalar(variance, epsilon)));
    l->outputs[0] = cj_add(cj_mul(cj_sub(l->inputs[0], mean), factor), l->inputs[2]);
    l->outputs[1] = mean;
    l->outputs[2] = variance;
}

/* With h = (x - mean) r and r = 1 / sqrt(variance + ε): d bias = Σ g, d weight = Σ g h, and
 * dx = weight r (g - Σ g / n - h Σ g h / n). */
void cj__batch_norm_vjp(cj__vjp *v)
{
    double epsilon = ((const cj__epsilon_attributes *)v->attributes)->epsilon;
    cj_value x = v->inputs[0], g = v->cotangents[0], mean = v->outputs[1], variance = v->outputs[2];
    v->gradients[0] = through_moments(x, mean, v->cotangents[1], v->cotangents[2], elements_of(x));
    if (!g.graph) return;
    cj_value r = cj_rsqrt(cj_add_scalar(variance, epsilon)), centred = cj_sub(x, mean);
    cj_value sum = sum_by_channel(g), product = cj_mul(sum_by_channel(cj_mul(g, centred)), r);
    v->gradients[1] = product;
    v->gradients[2] = sum;
    if (!v->wanted[0]) return;
    double share = 1 / elements_of(x);
    cj_value away = cj_mul(centred, cj_scale(cj_mul(r, product), share));
    cj_value part = cj_mul(cj_sub(cj_sub(g, cj_scale(sum, share)), away), cj_mul(v->inputs[1], r));
    v->gradients[0] = v->gradients[0].graph ? cj_add(v->gradients[0], part) : part;
}

/* --- by row -------------------------------------------------------------------------------------------- */

cj_value cj__layer_norm(cj_value x, cj_value weight, cj_value bias, double epsilon)
{
    cj_value inputs[] = {x, weight, bias};
    return cj__draw(x.graph, CJ__OP_layer_norm, &(cj__epsilon_attributes){epsilon}, 3, inputs);
}

static cj_value sum_by_row(cj_value x)
{
    return cj_sum(x, (cj_axes_t){1, {-1}}, CJ_KEEP_AXES);
}

void cj__row_moments_vjp(cj__vjp *v)
{
    cj_value x = v->inputs[0];
    v->gradients[0] =
        through_moments(x, v->outputs[0], v->cotangents[0], v->cotangents[1], (double)cj__channels_of(x));
}

void cj__layer_norm_lower(cj__lowering *l)
{
    double epsilon = ((const cj__epsilon_attributes *)l->attributes)->epsilon;
    cj_value mean = cj__draw1(CJ__OP_row_moments, NULL, l->inputs[0]), variance = cj__output_of(mean, 1);
    cj_value r = cj_rsqrt(cj_add_scalar(variance, epsilon));
    cj_value normal = cj_mul(cj_sub(l->inputs[0], mean), r);
    l->outputs[0] = cj_add(cj_mul(normal, l->inputs[1]), l->inputs[2]);
    l->outputs[1] = mean;
    l->outputs[2] = variance;
}

/* With h = (x - mean) r, r = 1 / sqrt(variance + ε) and e = g weight: d bias = Σ g, d weight = Σ g h over the
 * rows, and dx = r (e - Σ e / n - h Σ e h / n) over each row. */
void cj__layer_norm_vjp(cj__vjp *v)
{
    double epsilon = ((const cj__epsilon_attributes *)v->attributes)->epsilon;
    cj_value x = v->inputs[0], g = v->cotangents[0], mean = v->outputs[1], variance = v->outputs[2];
    double n = (double)cj__channels_of(x);
    v->gradients[0] = through_moments(x, mean, v->cotangents[1], v->cotangents[2], n);
    if (!g.graph) return;
    cj_value r = cj_rsqrt(cj_add_scalar(variance, epsilon)), normal = cj_mul(cj_sub(x, mean), r);
    if (v->wanted[1]) v->gradients[1] = sum_by_channel(cj_mul(g, normal));
    if (v->wanted[2]) v->gradients[2] = sum_by_channel(g);
    if (!v->wanted[0]) return;
    cj_value e = cj_mul(g, v->inputs[1]);
    cj_value level = cj_scale(sum_by_row(e), 1 / n), along = cj_scale(sum_by_row(cj_mul(e, normal)), 1 / n);
    cj_value part = cj_mul(cj_sub(cj_sub(e, level), cj_mul(normal, along)), r);
    v->gradients[0] = v->gradients[0].graph ? cj_add(v->gradients[0], part) : part;
}

/* --- definitions and samples --------------------------------------------------------------------------- */

/* Of n elements, `step` apart. */
static void define_moments(const double *x, int64_t n, int64_t step, double *mean, double *variance)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) sum += x[i * step];
    *mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) squares += (x[i * step] - *mean) * (x[i * step] - *mean);
    *variance = squares / (double)n;
}

void cj__batch_moments_reference(const cj__reference *r)
{
    cj_shape_t x = r->input_types[0].shape;
    int64_t channels = x.dims[x.rank - 1], rows = channels ? cj_shape_count(x) / channels : 0;
    for (int64_t c = 0; c < channels; c++)
        define_moments(r->inputs[0] + c, rows, channels, &r->outputs[0][c], &r->outputs[1][c]);
}

void cj__row_moments_reference(const cj__reference *r)
{
    cj_shape_t x = r->input_types[0].shape;
    int64_t n = x.dims[x.rank - 1];
    for (int64_t i = 0; i < cj_shape_count(x) / n; i++)
        define_moments(r->inputs[0] + i * n, n, 1, &r->outputs[0][i], &r->outputs[1][i]);
}

static const cj_shape_t row_shapes[] = {{2, {7, 5}}, {3, {3, 4, 67}}, {2, {1, 1}}, {2, {0, 3}}, {1, {33}}};

void cj__row_moments_samples(cj__samples *samples)
{
    for (size_t i = 0; i < sizeof row_shapes / sizeof *row_shapes; i++)
        CJ__SAMPLE(samples, .inputs_count = 1, .inputs = {{CJ_F32, row_shapes[i], -1, 3}});
}

void cj__layer_norm_samples(cj__samples *samples)
{
    for (size_t i = 0; i < sizeof row_shapes / sizeof *row_shapes; i++) {
        cj_shape_t by_channel = cj_shape(row_shapes[i].dims[row_shapes[i].rank - 1]);
        CJ__SAMPLE(samples, .attributes = &(cj__epsilon_attributes){1e-3}, .inputs_count = 3,
                   .inputs = {{CJ_F32, row_shapes[i], 0, 0},
                              {CJ_F32, by_channel, 0, 0},
                              {CJ_F32, by_channel, 0, 0}});
    }
}

void cj__batch_moments_samples(cj__samples *samples)
{
    static const cj_shape_t shapes[] = {{2, {7, 5}},         {4, {3, 4, 5, 17}}, {2, {1, 3}},
                                        {4, {2, 33, 9, 32}}, {2, {1, 1}},        {2, {3, 0}}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        CJ__SAMPLE(samples, .inputs_count = 1, .inputs = {{CJ_F32, shapes[i], -1, 3}});
}

void cj__batch_norm_samples(cj__samples *samples)
{
    static const cj_shape_t shapes[] = {{2, {7, 5}}, {4, {3, 4, 5, 17}}, {2, {1, 1}}, {2, {3, 0}}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        cj_shape_t by_channel = cj_shape(shapes[i].dims[shapes[i].rank - 1]);
        CJ__SAMPLE(
            samples, .attributes = &(cj__epsilon_attributes){1e-3}, .inputs_count = 3,
            .inputs = {{CJ_F32, shapes[i], 0, 0}, {CJ_F32, by_channel, 0, 0}, {CJ_F32, by_channel, 0, 0}});
    }
}

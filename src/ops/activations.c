/* Activations and softmax: composites over the primitives, which give them their gradients. */
#include "ops/ops.h"

#include <math.h>

#define ACTIVATION(name, expression)                                                                         \
    cj_value cj_##name(cj_value x)                                                                           \
    {                                                                                                        \
        return cj__draw1(CJ__OP_##name, NULL, x);                                                            \
    }                                                                                                        \
    void cj__##name##_lower(cj__lowering *l)                                                                 \
    {                                                                                                        \
        cj_value x = l->inputs[0];                                                                           \
        l->outputs[0] = expression;                                                                          \
    }                                                                                                        \
    void cj__##name##_samples(cj__samples *samples)                                                          \
    {                                                                                                        \
        CJ__SAMPLE(samples, .inputs_count = 1, .inputs = {{CJ_F32, cj_shape(5, 31), -4, 4}});                \
        CJ__SAMPLE(samples, .inputs_count = 1, .inputs = {{CJ_F32, cj_shape(0, 3), -4, 4}});                 \
        CJ__SAMPLE(samples, .inputs_count = 1, .inputs = {{CJ_F32, cj_scalar_shape(), -4, 4}});              \
    }

static cj_value positive(cj_value x)
{
    return cj_less(cj__full_like(x, 0), x);
}

/* α (exp x - 1) below zero; the exponential is taken of min(x, 0), so that its gradient cannot overflow. */
static cj_value exponential_unit(cj_value x, double alpha)
{
    cj_value below = cj_minimum(x, cj__full_like(x, 0));
    return cj_select(positive(x), x, cj_scale(cj_expm1(below), alpha));
}

/* log(1 + exp x) = max(x, 0) + log1p(exp(-|x|)) */
static cj_value soft_plus(cj_value x)
{
    return cj_add(cj_maximum(x, cj__full_like(x, 0)), cj_log1p(cj_exp(cj_neg(cj_abs(x)))));
}

/* Klambauer et al., 2017, Self-Normalizing Neural Networks */
static const double selu_scale = 1.0507009873554805, selu_alpha = 1.6732632423543772;

ACTIVATION(selu, cj_scale(exponential_unit(x, selu_alpha), selu_scale))
ACTIVATION(softplus, soft_plus(x))
ACTIVATION(hard_tanh, cj_clamp(x, -1, 1))
ACTIVATION(hard_sigmoid, cj_clamp(cj_add_scalar(cj_scale(x, 1.0 / 6), 0.5), 0, 1))
ACTIVATION(hard_swish, cj_mul(x, cj_clamp(cj_add_scalar(cj_scale(x, 1.0 / 6), 0.5), 0, 1)))

/* --- primitives: an activation, its slope, and what the slope's gradient is ------------------------------
 */

/* `a`: the element; `x`: the value */
#define SMOOTH(name, definition, slope, slope_gradient)                                                      \
    cj_value cj_##name(cj_value x)                                                                           \
    {                                                                                                        \
        return cj__draw1(CJ__OP_##name, NULL, x);                                                            \
    }                                                                                                        \
    double cj__##name##_scalar(double a, double b, double c)                                                 \
    {                                                                                                        \
        (void)b, (void)c;                                                                                    \
        return definition;                                                                                   \
    }                                                                                                        \
    double cj__##name##_slope_scalar(double a, double b, double c)                                           \
    {                                                                                                        \
        (void)b, (void)c;                                                                                    \
        return slope;                                                                                        \
    }                                                                                                        \
    void cj__##name##_vjp(cj__vjp *v)                                                                        \
    {                                                                                                        \
        cj_value factor = cj__draw1(CJ__OP_##name##_slope, NULL, v->inputs[0]);                              \
        v->gradients[0] = cj_mul(v->cotangents[0], factor);                                                  \
    }                                                                                                        \
    void cj__##name##_slope_vjp(cj__vjp *v)                                                                  \
    {                                                                                                        \
        v->gradients[0] = cj_mul(v->cotangents[0], slope_gradient(v->inputs[0]));                            \
    }                                                                                                        \
    void cj__##name##_samples(cj__samples *samples)                                                          \
    {                                                                                                        \
        smooth_samples(samples);                                                                             \
    }                                                                                                        \
    void cj__##name##_slope_samples(cj__samples *samples)                                                    \
    {                                                                                                        \
        smooth_samples(samples);                                                                             \
    }

static void smooth_samples(cj__samples *samples)
{
    const cj_shape_t shapes[] = {cj_shape(5, 31), cj_shape(0, 3), cj_scalar_shape()};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        CJ__SAMPLE(samples, .inputs_count = 1, .inputs = {{CJ_F32, shapes[i], -6, 6}});
}

/* Of the normal distribution: up to x, and at x. */
static double normal_below(double x)
{
    return 0.5 * erfc(-x * 0.7071067811865476);
}

static double normal_density(double x)
{
    return 0.3989422804014327 * exp(-0.5 * x * x);
}

/* φ(x) (2 - x²) */
static cj_value gelu_slope_gradient(cj_value x)
{
    cj_value square = cj_square(x), density = cj_scale(cj_exp(cj_scale(square, -0.5)), 0.3989422804014327);
    return cj_mul(density, cj_sub(cj__full_like(x, 2), square));
}

SMOOTH(gelu, a *normal_below(a), normal_below(a) + a * normal_density(a), gelu_slope_gradient)

/* tanh's argument √(2/π) (x + 0.044715 x³), and its derivative */
static const double tanh_scale = 0.7978845608028654, tanh_cubic = 0.044715;

static double bent(double x)
{
    return tanh_scale * x * (1 + tanh_cubic * x * x);
}

static double gelu_tanh_slope(double x)
{
    double t = tanh(bent(x)), rise = tanh_scale * (1 + 3 * tanh_cubic * x * x);
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * rise;
}

/* With u the argument: (1 - t²) (u' + x u''/2 - x t u'²) */
static cj_value gelu_tanh_slope_gradient(cj_value x)
{
    cj_value square = cj_square(x);
    cj_value u = cj_mul(cj_scale(x, tanh_scale), cj_add_scalar(cj_scale(square, tanh_cubic), 1));
    cj_value rise = cj_add_scalar(cj_scale(square, 3 * tanh_cubic * tanh_scale), tanh_scale), t = cj_tanh(u);
    cj_value bend = cj_scale(square, 3 * tanh_cubic * tanh_scale);
    cj_value turn = cj_mul(cj_mul(x, t), cj_square(rise));
    return cj_mul(cj_sub(cj__full_like(x, 1), cj_square(t)), cj_sub(cj_add(rise, bend), turn));
}

SMOOTH(gelu_tanh, 0.5 * a * (1 + tanh(bent(a))), gelu_tanh_slope(a), gelu_tanh_slope_gradient)

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* σ (1 - σ) (2 + x (1 - 2σ)) */
static cj_value silu_slope_gradient(cj_value x)
{
    cj_value s = cj_sigmoid(x), rest = cj_sub(cj__full_like(x, 1), s);
    return cj_mul(cj_mul(s, rest), cj_add_scalar(cj_mul(x, cj_sub(rest, s)), 2));
}

SMOOTH(silu, a *sigmoid(a), sigmoid(a) * (1 + a * (1 - sigmoid(a))), silu_slope_gradient)

cj_value cj_leaky_relu(cj_value x, double slope)
{
    return cj__draw1(CJ__OP_leaky_relu, (&(cj__pair_attributes){slope, 0}), x);
}

void cj__leaky_relu_lower(cj__lowering *l)
{
    const cj__pair_attributes *a = l->attributes;
    cj_value x = l->inputs[0];
    l->outputs[0] = cj_select(positive(x), x, cj_scale(x, a->a));
}

void cj__leaky_relu_samples(cj__samples *samples)
{
    const cj_shape_t shapes[] = {cj_shape(5, 31), cj_shape(0, 3), cj_scalar_shape()};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        CJ__SAMPLE(samples, .attributes = &(cj__pair_attributes){0.1, 0}, .inputs_count = 1,
                   .inputs = {{CJ_F32, shapes[i], -4, 4}});
}

/* He et al., 2015, Delving Deep into Rectifiers */
cj_value cj_prelu(cj_value x, cj_value slope, int axis)
{
    return cj__draw2(CJ__OP_prelu, (&(cj__axis_attributes){cj__axis(x, axis)}), x, slope);
}

void cj__prelu_lower(cj__lowering *l)
{
    const cj__axis_attributes *a = l->attributes;
    cj_value x = l->inputs[0], slope = l->inputs[1];
    cj_shape_t shape = {.rank = cj_value_shape(x).rank};
    for (int64_t d = 0; d < shape.rank; d++) shape.dims[d] = d == a->axis ? cj_value_shape(slope).dims[0] : 1;
    l->outputs[0] = cj_select(positive(x), x, cj_mul(x, cj_reshape(slope, shape)));
}

void cj__prelu_samples(cj__samples *samples)
{
    CJ__SAMPLE(samples, .attributes = &(cj__axis_attributes){1}, .inputs_count = 2,
               .inputs = {{CJ_F32, cj_shape(5, 3, 7), -4, 4}, {CJ_F32, cj_shape(3), 0, 1}});
    CJ__SAMPLE(samples, .attributes = &(cj__axis_attributes){2}, .inputs_count = 2,
               .inputs = {{CJ_F32, cj_shape(2, 3, 19), -4, 4}, {CJ_F32, cj_shape(1), 0, 1}});
    CJ__SAMPLE(samples, .attributes = &(cj__axis_attributes){1}, .inputs_count = 2,
               .inputs = {{CJ_F32, cj_shape(1, 1), -4, 4}, {CJ_F32, cj_shape(1), 0, 1}});
    CJ__SAMPLE(samples, .attributes = &(cj__axis_attributes){1}, .inputs_count = 2,
               .inputs = {{CJ_F32, cj_shape(0, 3), -4, 4}, {CJ_F32, cj_shape(3), 0, 1}});
}

cj_value cj_elu(cj_value x, double alpha)
{
    return cj__draw1(CJ__OP_elu, (&(cj__pair_attributes){alpha, 0}), x);
}

void cj__elu_lower(cj__lowering *l)
{
    const cj__pair_attributes *a = l->attributes;
    l->outputs[0] = exponential_unit(l->inputs[0], a->a);
}

void cj__elu_samples(cj__samples *samples)
{
    const cj_shape_t shapes[] = {cj_shape(5, 31), cj_shape(0, 3), cj_scalar_shape()};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        CJ__SAMPLE(samples, .attributes = &(cj__pair_attributes){0.7, 0}, .inputs_count = 1,
                   .inputs = {{CJ_F32, shapes[i], -4, 4}});
}

/* --- softmax ------------------------------------------------------------------------------------------- */

static cj_value row_sum(cj_value x, int64_t axis)
{
    return cj_sum(x, (cj_axes_t){1, {(int)axis}}, CJ_KEEP_AXES);
}

/* x minus its largest element along the axis: shifts nothing but the exponentials' range */
static cj_value shifted(cj_value x, int64_t axis)
{
    return cj_sub(x, cj_stop_gradient(cj_max(x, (cj_axes_t){1, {(int)axis}}, CJ_KEEP_AXES)));
}

static cj_value along(cj__op op, cj_value x, int axis)
{
    return cj__draw1(op, (&(cj__axis_attributes){cj__axis(x, axis)}), x);
}

cj_value cj_softmax(cj_value x, int axis)
{
    return along(CJ__OP_softmax, x, axis);
}

cj_value cj_log_softmax(cj_value x, int axis)
{
    return along(CJ__OP_log_softmax, x, axis);
}

void cj__softmax_lower(cj__lowering *l)
{
    const cj__axis_attributes *a = l->attributes;
    cj_value e = cj_exp(shifted(l->inputs[0], a->axis));
    l->outputs[0] = cj_div(e, row_sum(e, a->axis));
}

void cj__log_softmax_lower(cj__lowering *l)
{
    const cj__axis_attributes *a = l->attributes;
    cj_value s = shifted(l->inputs[0], a->axis);
    l->outputs[0] = cj_sub(s, cj_log(row_sum(cj_exp(s), a->axis)));
}

/* s (g - Σ g s) */
void cj__softmax_vjp(cj__vjp *v)
{
    const cj__axis_attributes *a = v->attributes;
    cj_value s = v->outputs[0], g = v->cotangents[0];
    v->gradients[0] = cj_mul(s, cj_sub(g, row_sum(cj_mul(g, s), a->axis)));
}

/* g - softmax(x) Σ g */
void cj__log_softmax_vjp(cj__vjp *v)
{
    const cj__axis_attributes *a = v->attributes;
    cj_value g = v->cotangents[0];
    v->gradients[0] = cj_sub(g, cj_mul(cj_exp(v->outputs[0]), row_sum(g, a->axis)));
}

static void softmax_samples(cj__samples *samples)
{
    CJ__SAMPLE(samples, .attributes = &(cj__axis_attributes){1}, .inputs_count = 1,
               .inputs = {{CJ_F32, cj_shape(5, 10), -4, 4}});
    CJ__SAMPLE(samples, .attributes = &(cj__axis_attributes){0}, .inputs_count = 1,
               .inputs = {{CJ_F32, cj_shape(7, 3, 2), -4, 4}});
    CJ__SAMPLE(samples, .attributes = &(cj__axis_attributes){1}, .inputs_count = 1,
               .inputs = {{CJ_F32, cj_shape(3, 1031), -4, 4}});
    CJ__SAMPLE(samples, .attributes = &(cj__axis_attributes){0}, .inputs_count = 1,
               .inputs = {{CJ_F32, cj_shape(1), -4, 4}});
    CJ__SAMPLE(samples, .attributes = &(cj__axis_attributes){1}, .inputs_count = 1,
               .inputs = {{CJ_F32, cj_shape(0, 5), -4, 4}});
}

void cj__softmax_samples(cj__samples *samples)
{
    softmax_samples(samples);
}

void cj__log_softmax_samples(cj__samples *samples)
{
    softmax_samples(samples);
}

/* --- one-hot ------------------------------------------------------------------------------------------- */

cj_value cj_one_hot(cj_value indices, int64_t depth, cj_dtype dtype)
{
    return cj__draw1(CJ__OP_one_hot, (&(cj__one_hot_attributes){depth, dtype}), indices);
}

void cj__one_hot_lower(cj__lowering *l)
{
    const cj__one_hot_attributes *a = l->attributes;
    cj_value indices = l->inputs[0];
    cj_shape_t shape = cj_value_shape(indices);
    shape.dims[shape.rank++] = 1;
    cj_value classes = cj_iota(l->graph, cj_value_dtype(indices), a->depth);
    l->outputs[0] = cj_cast(cj_equal(cj_reshape(indices, shape), classes), (cj_dtype)a->dtype);
}

void cj__one_hot_samples(cj__samples *samples)
{
    const cj_shape_t shapes[] = {cj_shape(3, 4), cj_shape(1), cj_shape(0, 2), cj_shape(37)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        CJ__SAMPLE(samples, .attributes = &(cj__one_hot_attributes){5, CJ_F32}, .inputs_count = 1,
                   .inputs = {{CJ_I32, shapes[i], -1, 6}});
}

/* --- dropout ------------------------------------------------------------------------------------------- */

/* Srivastava et al., 2014, in the inverted form: kept elements are divided by the chance to be kept. */
void cj__dropout_lower(cj__lowering *l)
{
    const cj__dropout_attributes *a = l->attributes;
    cj_value x = l->inputs[0];
    cj__random_attributes random = {cj_value_shape(x), a->key};
    cj_value drawn = cj__draw1(CJ__OP_random_uniform, &random, l->inputs[1]);
    cj_value dropped = cj_less(drawn, cj__full_like(drawn, a->rate));
    l->outputs[0] = cj_select(dropped, cj__full_like(x, 0), cj_scale(x, 1 / (1 - a->rate)));
}

/* The same draw again, on the cotangent: nothing need be remembered. */
void cj__dropout_vjp(cj__vjp *v)
{
    v->gradients[0] = cj__draw2(CJ__OP_dropout, v->attributes, v->cotangents[0], v->inputs[1]);
}

void cj__dropout_samples(cj__samples *samples)
{
    const cj_shape_t shapes[] = {cj_shape(9, 31), cj_shape(1), cj_shape(0, 31)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        CJ__SAMPLE(samples, .attributes = &(cj__dropout_attributes){0.4, 12345}, .inputs_count = 2,
                   .inputs = {{CJ_F32, shapes[i], 0, 0}, {CJ_I64, cj_scalar_shape(), 3, 4}});
}

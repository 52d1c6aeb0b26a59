/* Elementwise primitives: constructors with NumPy broadcasting, scalar definitions and gradients. */
#include "base/bf16.h"
#include "ops/ops.h"

#include <math.h>

/* --- constructors -------------------------------------------------------------------------------------- */

static bool broadcast_shape(cj_shape_t a, cj_shape_t b, cj_shape_t *result)
{
    *result = (cj_shape_t){.rank = a.rank > b.rank ? a.rank : b.rank};
    for (int64_t d = 0; d < result->rank; d++) {
        int64_t i = d - (result->rank - a.rank), j = d - (result->rank - b.rank);
        int64_t x = i < 0 ? 1 : a.dims[i], y = j < 0 ? 1 : b.dims[j];
        if (x != y && x != 1 && y != 1) return false;
        result->dims[d] = x == 1 ? y : x;
    }
    return true;
}

cj_value cj_broadcast(cj_value x, cj_shape_t shape)
{
    if (!cj_value_ok(x) || cj_shape_equal(cj_value_shape(x), shape)) return x;
    const cj__node *node = cj__node_of(x);
    if (node->op == CJ__OP_constant && cj__shape_valid(shape)) {
        cj__constant_attributes constant = *(const cj__constant_attributes *)node->attributes;
        constant.shape = shape;
        return cj__draw(x.graph, CJ__OP_constant, &constant, 0, NULL);
    }
    return cj__draw1(CJ__OP_broadcast, (&(cj__shape_attributes){shape}), x);
}

static cj_value broadcasting(cj__op op, int count, cj_value *inputs)
{
    cj_graph *graph = inputs[0].graph;
    cj_shape_t shape = cj_value_shape(inputs[0]);
    bool fits = true;
    for (int i = 0; i < count; i++) {
        if (!graph) graph = inputs[i].graph;
        if (!cj_value_ok(inputs[i])) return cj__draw(graph, op, NULL, count, inputs);
        fits = fits && broadcast_shape(shape, cj_value_shape(inputs[i]), &shape);
    }
    if (fits)
        for (int i = 0; i < count; i++) inputs[i] = cj_broadcast(inputs[i], shape);
    return cj__draw(graph, op, NULL, count, inputs);
}

static cj_value binary(cj__op op, cj_value a, cj_value b)
{
    return broadcasting(op, 2, (cj_value[]){a, b});
}

#define UNARY(name)                                                                                          \
    cj_value cj_##name(cj_value x)                                                                           \
    {                                                                                                        \
        return cj__draw1(CJ__OP_##name, NULL, x);                                                            \
    }
#define BINARY(name)                                                                                         \
    cj_value cj_##name(cj_value a, cj_value b)                                                               \
    {                                                                                                        \
        return binary(CJ__OP_##name, a, b);                                                                  \
    }
BINARY(add)
BINARY(sub)
BINARY(mul)
BINARY(div)
BINARY(pow)
BINARY(maximum)
BINARY(minimum)
BINARY(equal)
BINARY(not_equal)
BINARY(less)
BINARY(less_equal)
BINARY(logical_and)
BINARY(logical_or)
UNARY(logical_not)
UNARY(is_finite)
UNARY(neg)
UNARY(abs)
UNARY(sign)
UNARY(exp)
UNARY(log)
UNARY(log1p)
UNARY(expm1)
UNARY(sqrt)
UNARY(rsqrt)
UNARY(reciprocal)
UNARY(sin)
UNARY(cos)
UNARY(tanh)
UNARY(sigmoid)
UNARY(erf)
UNARY(relu)
UNARY(floor)
UNARY(ceil)
UNARY(round)
UNARY(stop_gradient)

cj_value cj_greater(cj_value a, cj_value b)
{
    return cj_less(b, a);
}

cj_value cj_greater_equal(cj_value a, cj_value b)
{
    return cj_less_equal(b, a);
}

cj_value cj_select(cj_value condition, cj_value yes, cj_value no)
{
    return broadcasting(CJ__OP_select, 3, (cj_value[]){condition, yes, no});
}

cj_value cj_square(cj_value x)
{
    return cj_mul(x, x);
}

static cj_value scalar_like(cj_value x, double value)
{
    return cj_value_ok(x) ? cj_constant(x.graph, cj_value_dtype(x), value) : x;
}

cj_value cj__full_like(cj_value x, double value)
{
    return cj_broadcast(scalar_like(x, value), cj_value_shape(x));
}

cj_value cj_scale(cj_value x, double factor)
{
    return cj_mul(x, scalar_like(x, factor));
}

cj_value cj_add_scalar(cj_value x, double addend)
{
    return cj_add(x, scalar_like(x, addend));
}

cj_value cj_clamp(cj_value x, double low, double high)
{
    return cj_minimum(cj_maximum(x, scalar_like(x, low)), scalar_like(x, high));
}

cj_value cj_cast(cj_value x, cj_dtype dtype)
{
    if (cj_value_ok(x) && cj_value_dtype(x) == dtype) return x;
    return cj__draw1(CJ__OP_cast, (&(cj__cast_attributes){dtype}), x);
}

/* --- definitions --------------------------------------------------------------------------------------- */

#define SCALAR(name, expression)                                                                             \
    double cj__##name##_scalar(double a, double b, double c)                                                 \
    {                                                                                                        \
        (void)a, (void)b, (void)c;                                                                           \
        return expression;                                                                                   \
    }
SCALAR(add, a + b)
SCALAR(sub, a - b)
SCALAR(mul, a *b)
SCALAR(div, a / b)
SCALAR(pow, pow(a, b))
SCALAR(maximum, isnan(a) || a > b ? a : b)
SCALAR(minimum, isnan(a) || a < b ? a : b)
SCALAR(equal, a == b)
SCALAR(not_equal, a != b)
SCALAR(less, a < b)
SCALAR(less_equal, a <= b)
SCALAR(logical_and, a != 0 && b != 0)
SCALAR(logical_or, a != 0 || b != 0)
SCALAR(logical_not, a == 0)
SCALAR(is_finite, isfinite(a) != 0)
SCALAR(select, a != 0 ? b : c)
SCALAR(neg, -a)
SCALAR(abs, fabs(a))
SCALAR(sign, isnan(a) ? a : (double)((a > 0) - (a < 0)))
SCALAR(exp, exp(a))
SCALAR(log, log(a))
SCALAR(log1p, log1p(a))
SCALAR(expm1, expm1(a))
SCALAR(sqrt, sqrt(a))
SCALAR(rsqrt, 1 / sqrt(a))
SCALAR(reciprocal, 1 / a)
SCALAR(sin, sin(a))
SCALAR(cos, cos(a))
SCALAR(tanh, tanh(a))
SCALAR(sigmoid, 1 / (1 + exp(-a)))
SCALAR(erf, erf(a))
SCALAR(relu, a > 0 || isnan(a) ? a : 0)
SCALAR(floor, floor(a))
SCALAR(ceil, ceil(a))
SCALAR(round, nearbyint(a))
SCALAR(stop_gradient, a)
SCALAR(round_bf16, (double)cj__bf16_to_float(cj__bf16_from_double(a)))

void cj__cast_reference(const cj__reference *r)
{
    bool to_integer = !cj__dtype_is_float(r->output_types[0].dtype);
    bool to_bool = r->output_types[0].dtype == CJ_BOOL;
    int64_t count = cj_shape_count(r->output_types[0].shape);
    for (int64_t i = 0; i < count; i++) {
        double x = r->inputs[0][i];
        r->outputs[0][i] = to_bool ? x != 0 : to_integer ? trunc(x) : x;
    }
}

/* --- gradients ----------------------------------------------------------------------------------------- */

/* VJP(name, gradient of input 0, of input 1): x, y: inputs; out: the output; g: its cotangent. */
#define VJP(name, first, second)                                                                             \
    void cj__##name##_vjp(cj__vjp *v)                                                                        \
    {                                                                                                        \
        cj_value x = v->inputs[0], y = v->inputs_count > 1 ? v->inputs[1] : x, out = v->outputs[0];          \
        cj_value g = v->cotangents[0];                                                                       \
        (void)x, (void)y, (void)out, (void)g;                                                                \
        if (v->wanted[0]) v->gradients[0] = first;                                                           \
        if (v->inputs_count > 1 && v->wanted[1]) v->gradients[1] = second;                                   \
    }
/* 1 where the condition holds, 1/2 on ties, else 0: equal operands share the gradient. */
static cj_value share(cj_value greater, cj_value equal, cj_value g)
{
    cj_value zero = cj__full_like(g, 0);
    return cj_select(equal, cj_scale(g, 0.5), cj_select(greater, g, zero));
}
static cj_value where(cj_value condition, cj_value g)
{
    return cj_select(condition, g, cj__full_like(g, 0));
}
static cj_value one_minus(cj_value x)
{
    return cj_sub(cj__full_like(x, 1), x);
}
VJP(add, g, g)
VJP(sub, g, cj_neg(g))
VJP(mul, cj_mul(g, y), cj_mul(g, x))
VJP(div, cj_div(g, y), cj_neg(cj_div(cj_mul(g, out), y)))
VJP(pow, cj_mul(g, cj_mul(y, cj_pow(x, cj_add_scalar(y, -1)))),
    where(cj_less(cj__full_like(x, 0), x), cj_mul(g, cj_mul(out, cj_log(x)))))
VJP(maximum, share(cj_less(y, x), cj_equal(x, y), g), share(cj_less(x, y), cj_equal(x, y), g))
VJP(minimum, share(cj_less(x, y), cj_equal(x, y), g), share(cj_less(y, x), cj_equal(x, y), g))
VJP(neg, cj_neg(g), g)
VJP(abs, cj_mul(g, cj_sign(x)), g)
VJP(exp, cj_mul(g, out), g)
VJP(log, cj_div(g, x), g)
VJP(log1p, cj_div(g, cj_add_scalar(x, 1)), g)
VJP(expm1, cj_mul(g, cj_add_scalar(out, 1)), g)
VJP(sqrt, cj_div(cj_scale(g, 0.5), out), g)
VJP(rsqrt, cj_mul(cj_scale(g, -0.5), cj_div(out, x)), g)
VJP(reciprocal, cj_neg(cj_mul(g, cj_square(out))), g)
VJP(sin, cj_mul(g, cj_cos(x)), g)
VJP(cos, cj_neg(cj_mul(g, cj_sin(x))), g)
VJP(tanh, cj_mul(g, one_minus(cj_square(out))), g)
VJP(sigmoid, cj_mul(g, cj_mul(out, one_minus(out))), g)
VJP(erf, cj_mul(g, cj_scale(cj_exp(cj_neg(cj_square(x))), 1.1283791670955126)), g) /* 2/√π exp(-x²) */
VJP(relu, where(cj_less(cj__full_like(out, 0), out), g), g)

void cj__select_vjp(cj__vjp *v)
{
    cj_value g = v->cotangents[0], zero = cj__full_like(g, 0);
    if (v->wanted[1]) v->gradients[1] = cj_select(v->inputs[0], g, zero);
    if (v->wanted[2]) v->gradients[2] = cj_select(v->inputs[0], zero, g);
}

void cj__cast_vjp(cj__vjp *v)
{
    v->gradients[0] = cj_cast(v->cotangents[0], cj_value_dtype(v->inputs[0]));
}

/* --- test samples -------------------------------------------------------------------------------------- */

/* Shapes with an empty, a single, a prime and a longer run of elements. */
static void elementwise_samples(cj__samples *samples, int count, cj_dtype dtype, double low, double high)
{
    const cj_shape_t shapes[] = {cj_shape(0), cj_scalar_shape(), cj_shape(7), cj_shape(3, 5, 67),
                                 cj_shape(1031)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        cj__sample sample = {.inputs_count = count};
        for (int k = 0; k < count; k++) {
            sample.inputs[k].dtype = dtype;
            sample.inputs[k].shape = shapes[i];
            sample.inputs[k].low = low;
            sample.inputs[k].high = high;
        }
        cj__sample_add(samples, &sample);
    }
}
#define SAMPLES(name, count, dtype, low, high)                                                               \
    void cj__##name##_samples(cj__samples *samples)                                                          \
    {                                                                                                        \
        elementwise_samples(samples, count, dtype, low, high);                                               \
    }
SAMPLES(add, 2, CJ_F32, -2, 2)
SAMPLES(sub, 2, CJ_F32, -2, 2)
SAMPLES(mul, 2, CJ_F32, -2, 2)
SAMPLES(div, 2, CJ_F32, 0.5, 2)
SAMPLES(pow, 2, CJ_F32, 0.5, 2)
SAMPLES(maximum, 2, CJ_F32, -2, 2)
SAMPLES(minimum, 2, CJ_F32, -2, 2)
SAMPLES(equal, 2, CJ_I32, 0, 3)
SAMPLES(not_equal, 2, CJ_I32, 0, 3)
SAMPLES(less, 2, CJ_F32, -2, 2)
SAMPLES(less_equal, 2, CJ_I32, 0, 3)
SAMPLES(logical_and, 2, CJ_BOOL, 0, 2)
SAMPLES(logical_or, 2, CJ_BOOL, 0, 2)
SAMPLES(logical_not, 1, CJ_BOOL, 0, 2)
SAMPLES(is_finite, 1, CJ_F32, -2, 2)
SAMPLES(neg, 1, CJ_F32, -2, 2)
SAMPLES(abs, 1, CJ_F32, -2, 2)
SAMPLES(sign, 1, CJ_F32, -2, 2)
SAMPLES(exp, 1, CJ_F32, -3, 3)
SAMPLES(log, 1, CJ_F32, 0.1, 5)
SAMPLES(log1p, 1, CJ_F32, -0.5, 5)
SAMPLES(expm1, 1, CJ_F32, -2, 2)
SAMPLES(sqrt, 1, CJ_F32, 0.1, 5)
SAMPLES(rsqrt, 1, CJ_F32, 0.1, 5)
SAMPLES(reciprocal, 1, CJ_F32, 0.5, 3)
SAMPLES(sin, 1, CJ_F32, -3, 3)
SAMPLES(cos, 1, CJ_F32, -3, 3)
SAMPLES(tanh, 1, CJ_F32, -3, 3)
SAMPLES(sigmoid, 1, CJ_F32, -5, 5)
SAMPLES(erf, 1, CJ_F32, -3, 3)
SAMPLES(relu, 1, CJ_F32, -2, 2)
SAMPLES(floor, 1, CJ_F32, -3, 3)
SAMPLES(ceil, 1, CJ_F32, -3, 3)
SAMPLES(round, 1, CJ_F32, -3, 3)
SAMPLES(stop_gradient, 1, CJ_F32, -2, 2)
SAMPLES(round_bf16, 1, CJ_F32, -2, 2)

void cj__select_samples(cj__samples *samples)
{
    const cj_shape_t shapes[] = {cj_shape(5, 13), cj_shape(0), cj_scalar_shape(), cj_shape(1031)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        CJ__SAMPLE(
            samples, .inputs_count = 3,
            .inputs = {{CJ_BOOL, shapes[i], 0, 2}, {CJ_F32, shapes[i], 0, 0}, {CJ_F32, shapes[i], 0, 0}});
}

void cj__cast_samples(cj__samples *samples)
{
    CJ__SAMPLE(samples, .attributes = &(cj__cast_attributes){CJ_F64}, .inputs_count = 1,
               .inputs = {{CJ_F32, cj_shape(17), 0, 0}});
    CJ__SAMPLE(samples, .attributes = &(cj__cast_attributes){CJ_I32}, .inputs_count = 1,
               .inputs = {{CJ_F32, cj_shape(3, 5), -9, 9}});
    CJ__SAMPLE(samples, .attributes = &(cj__cast_attributes){CJ_F32}, .inputs_count = 1,
               .inputs = {{CJ_U8, cj_shape(129), 0, 255}});
    CJ__SAMPLE(samples, .attributes = &(cj__cast_attributes){CJ_BF16}, .inputs_count = 1,
               .inputs = {{CJ_F32, cj_shape(0, 3), 0, 0}});
    CJ__SAMPLE(samples, .attributes = &(cj__cast_attributes){CJ_F64}, .inputs_count = 1,
               .inputs = {{CJ_F32, cj_shape(1, 1), 0, 0}});
}

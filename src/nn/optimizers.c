/* What each optimizer makes of a gradient: moments, directions and the parameter's new value are nodes of the
 * training graph, which the compiler fuses into one pass a parameter. Scalars that depend on the step are
 * computed in f64. */
#include "nn/optimizer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const names[CJ_OPTIMIZER_COUNT] = {"sgd",   "rmsprop", "adagrad", "adam",
                                                      "adamw", "lion",    "muon"};

const char *cj_optimizer_name(cj_optimizer_kind kind)
{
    return (unsigned)kind < CJ_OPTIMIZER_COUNT ? names[kind] : NULL;
}

static double or_default(double value, double otherwise)
{
    return value == 0 ? otherwise : value;
}

static cj_optimizer with_defaults(cj_optimizer o)
{
    o.beta1 = or_default(o.beta1, 0.9);
    o.beta2 = or_default(o.beta2, o.kind == CJ_LION ? 0.99 : 0.999);
    o.epsilon = or_default(o.epsilon, o.kind == CJ_ADAGRAD ? 1e-10 : 1e-8);
    o.alpha = or_default(o.alpha, 0.99);
    if (o.kind == CJ_MUON) o.momentum = or_default(o.momentum, 0.95);
    if (o.iterations == 0) o.iterations = 5;
    return o;
}

cj_value cj__optimizer_state(const cj__optimizer *u, const char *kind, cj_value parameter)
{
    if (!cj_value_ok(parameter)) return cj__poison(u->graph);
    const char *of = cj__variable_of(parameter)->name;
    const char *name = cj__arena_format(&u->graph->arena, "%s.%s", kind, of);
    if (!name)
        return cj__graph_error(u->graph, CJ_OUT_OF_MEMORY, "out of memory for the %s of '%s'", kind, of);
    return cj_state(u->scope, name, CJ_OPTIMIZER_STATE, CJ_F32, cj_value_shape(parameter), 0);
}

/* old·keep + new·(1 - keep) */
static cj_value blend(cj_value old, cj_value fresh, double keep)
{
    return cj_add(cj_scale(old, keep), cj_scale(fresh, 1 - keep));
}

/* --- checking ------------------------------------------------------------------------------------------ */

/* Draws an error unless low <= value < high; NaN is outside. */
static void within(cj_graph *graph, const char *field, double value, double low, double high)
{
    if (!(value >= low && value < high))
        cj__graph_error(graph, CJ_INVALID_ARGUMENT,
                        "optimizer: %s is %g, but must be at least %g and below %g", field, value, low, high);
}

/* What makes a step of a gradient, whatever its rate and decay. */
static void check_formula(cj_graph *graph, const cj_optimizer *o)
{
    if (!cj_optimizer_name(o->kind))
        cj__graph_error(graph, CJ_INVALID_ARGUMENT, "optimizer: there is no kind %d", (int)o->kind);
    within(graph, "momentum", o->momentum, 0, 1);
    within(graph, "beta1", o->beta1, 0, 1);
    within(graph, "beta2", o->beta2, 0, 1);
    within(graph, "epsilon", o->epsilon, 0, INFINITY);
    within(graph, "alpha", o->alpha, 0, 1);
    within(graph, "iterations", o->iterations, 0, CJ_MAX_ITERATIONS + 1);
    if (o->nesterov && o->momentum == 0)
        cj__graph_error(graph, CJ_INVALID_ARGUMENT, "optimizer: nesterov needs a momentum, such as 0.9");
}

static void check(cj_graph *graph, const cj_optimizer *o)
{
    check_formula(graph, o);
    within(graph, "learning_rate", o->learning_rate, 0, INFINITY);
    within(graph, "weight_decay", o->weight_decay, 0, INFINITY);
    within(graph, "clip_norm", o->clip_norm, 0, INFINITY);
    within(graph, "ema_decay", o->ema_decay, 0, 1);
    for (int i = 0; i < CJ_MAX_PARAMETER_GROUPS && o->groups[i].pattern; i++) {
        within(graph, "learning_rate_factor", o->groups[i].learning_rate_factor, 0, INFINITY);
        within(graph, "a group's weight_decay", o->groups[i].weight_decay, 0, INFINITY);
        if (o->groups[i].by) check_formula(graph, o->groups[i].by);
    }
}

/* --- what all parameters share ---------------------------------------------------------------------------
 */

static cj_value one_minus_power(cj_graph *graph, double beta, cj_value step)
{
    return cj_sub(cj_constant(graph, CJ_F64, 1), cj_pow(cj_constant(graph, CJ_F64, beta), step));
}

/* `updates`: the number of this one, from 1. */
static void correct_by(cj__optimizer *u, cj_value updates)
{
    u->correction1 = cj_cast(one_minus_power(u->graph, u->o.beta1, updates), CJ_F32);
    u->correction2 = cj_cast(cj_rsqrt(one_minus_power(u->graph, u->o.beta2, updates)), CJ_F32);
}

cj_scope cj__optimizer_scope(cj_graph *graph, const cj_optimizer *optimizer)
{
    cj_scope scope = cj_at(cj_root(graph), "optimizer");
    return optimizer->name ? cj_at(scope, "%s", optimizer->name) : scope;
}

/* Whether the model has "SCOPE.KIND" or "SCOPE.KIND.PARAMETER" already. */
static bool is_there(const cj__optimizer *u, const char *kind, const char *parameter)
{
    char name[2 * CJ__LONGEST_NAME];
    snprintf(name, sizeof name, "%s.%s%s%s", u->scope.path, kind, parameter ? "." : "",
             parameter ? parameter : "");
    return u->graph->model && cj__model_find(u->graph->model, name);
}

cj__optimizer cj__optimizer_begin(cj_graph *graph, cj_optimizer optimizer)
{
    cj__optimizer u = {.graph = graph, .o = with_defaults(optimizer)};
    check(graph, &optimizer);
    u.scope = cj__optimizer_scope(graph, &optimizer);
    u.continues = is_there(&u, "step", NULL);
    u.learning_rate = cj_state(u.scope, "learning_rate", CJ_OPTIMIZER_STATE, CJ_F32, cj_scalar_shape(),
                               optimizer.learning_rate);
    cj_value step = cj_state(u.scope, "step", CJ_OPTIMIZER_STATE, CJ_F64, cj_scalar_shape(), 0);
    if (cj__is_assigned(step))
        cj__graph_error(graph, CJ_INVALID_ARGUMENT,
                        "minimize: two optimizers of one graph share the state '%s'; hint: give each a .name",
                        u.scope.path);
    cj_value next = cj_add_scalar(step, 1);
    cj_assign(step, next);
    u.step = step;
    u.first_step = cj_less(step, cj_constant(graph, CJ_F64, 0.5));
    correct_by(&u, next);
    return u;
}

/* --- one parameter's step: what is subtracted from it, divided by the learning rate -------------------- */

static cj_value over_root(const cj__optimizer *u, cj_value g, cj_value squares)
{
    return cj_div(g, cj_add_scalar(cj_sqrt(squares), u->o.epsilon));
}

static cj_value sgd_direction(const cj__optimizer *u, cj_value p, cj_value g)
{
    if (u->o.momentum == 0) return g;
    cj_value velocity = cj__optimizer_state(u, "velocity", p),
             next = cj_add(cj_scale(velocity, u->o.momentum), g);
    cj_assign(velocity, next);
    return u->o.nesterov ? cj_add(g, cj_scale(next, u->o.momentum)) : next;
}

/* Tieleman and Hinton, 2012 */
static cj_value rmsprop_direction(const cj__optimizer *u, cj_value p, cj_value g)
{
    cj_value square = cj__optimizer_state(u, "square_average", p),
             next = blend(square, cj_square(g), u->o.alpha);
    cj_assign(square, next);
    cj_value scaled = over_root(u, g, next);
    if (u->o.momentum == 0) return scaled;
    cj_value velocity = cj__optimizer_state(u, "velocity", p),
             moved = cj_add(cj_scale(velocity, u->o.momentum), scaled);
    cj_assign(velocity, moved);
    return moved;
}

/* Duchi et al., 2011 */
static cj_value adagrad_direction(const cj__optimizer *u, cj_value p, cj_value g)
{
    cj_value sum = cj__optimizer_state(u, "square_sum", p), next = cj_add(sum, cj_square(g));
    cj_assign(sum, next);
    return over_root(u, g, next);
}

/* A parameter whose moments begin when others have had theirs for a while, because it was frozen until then,
 * counts its own updates: the variable "begun" holds how many there were before. */
static cj__optimizer counting_for(const cj__optimizer *u, cj_value p)
{
    cj__optimizer own = *u;
    if (!cj_value_ok(p) || !cj_value_ok(u->step)) return own;
    const char *of = cj__variable_of(p)->name;
    bool late = u->continues && !is_there(u, "first_moment", of);
    if (!late && !is_there(u, "begun", of)) return own;
    double updates = *(const double *)cj__variable_of(u->step)->data;
    cj_value begun =
        cj_state(cj_at(u->scope, "begun"), of, CJ_OPTIMIZER_STATE, CJ_F64, cj_scalar_shape(), updates);
    correct_by(&own, cj_add_scalar(cj_sub(u->step, begun), 1));
    return own;
}

/* Kingma and Ba, 2015. The first moment is corrected by adam_rate: an element costs one division. */
static cj_value adam_direction(const cj__optimizer *u, cj_value p, cj_value g)
{
    cj_value first = cj__optimizer_state(u, "first_moment", p),
             second = cj__optimizer_state(u, "second_moment", p);
    cj_value m = blend(first, g, u->o.beta1), v = blend(second, cj_square(g), u->o.beta2);
    cj_assign(first, m);
    cj_assign(second, v);
    return cj_div(m, cj_add_scalar(cj_mul(cj_sqrt(v), u->correction2), u->o.epsilon));
}

static cj_value adam_rate(const cj__optimizer *u, const cj__target *t)
{
    return cj_div(t->learning_rate, u->correction1);
}

static cj_value lion_direction(const cj__optimizer *u, cj_value p, cj_value g)
{
    cj_value average = cj__optimizer_state(u, "average", p);
    cj_assign(average, blend(average, g, u->o.beta2));
    return cj_sign(blend(average, g, u->o.beta1));
}

/* Muon's parameters: matrices [rows,columns], and kernels of convolutions [window…,channels,filters], which
 * are one lying on its side. */
static bool is_matrix(cj_value p)
{
    return cj_value_ok(p) && (cj__variable_of(p)->kernel || cj_value_shape(p).rank == 2);
}

static int64_t rows_of(cj_value p)
{
    cj_shape_t shape = cj_value_shape(p);
    return shape.dims[cj__variable_of(p)->kernel ? shape.rank - 1 : 0];
}

/* Frobenius's, and a little more than nothing */
static cj_value norm_of(cj_value x)
{
    return cj_add_scalar(cj_sqrt(cj__sum_all(cj_square(x))), 1e-7);
}

/* The orthogonal matrix nearest to x, roughly: steps of Newton and Schulz with the coefficients of Jordan's
 * Muon, which bring all singular values close to 1. x: a matrix, either way up */
static cj_value orthogonal(cj_value x, int iterations)
{
    static const double a = 3.4445, b = -4.7750, c = 2.0315;
    cj_shape_t shape = cj_value_shape(x);
    bool tall = shape.rank == 2 && shape.dims[0] > shape.dims[1];
    x = cj_div(x, norm_of(x));
    if (tall) x = cj_transpose(x, (cj_axes_t){2, {1, 0}});
    for (int i = 0; i < iterations; i++) {
        cj_value square = cj_matmul_transposed(x, x, false, true);
        cj_value polynomial = cj_add(cj_scale(square, b), cj_scale(cj_matmul(square, square), c));
        x = cj_add(cj_scale(x, a), cj_matmul(polynomial, x));
    }
    return tall ? cj_transpose(x, (cj_axes_t){2, {1, 0}}) : x;
}

/* Scaled so that wide and tall matrices move alike. */
static cj_value muon_direction(const cj__optimizer *u, cj_value p, cj_value g)
{
    cj_shape_t shape = cj_value_shape(p);
    cj_value velocity = cj__optimizer_state(u, "velocity", p), next = blend(velocity, g, u->o.momentum);
    cj_assign(velocity, next);
    int64_t rows = rows_of(p), columns = rows ? cj_shape_count(shape) / rows : 0;
    double ratio = columns ? (double)rows / (double)columns : 1;
    cj_value ahead = blend(next, g, u->o.momentum);
    if (shape.rank > 2) ahead = cj_reshape(ahead, cj_shape(columns, rows));
    cj_value turned = cj_scale(orthogonal(ahead, u->o.iterations), ratio > 1 ? sqrt(ratio) : 1);
    return shape.rank > 2 ? cj_reshape(turned, shape) : turned;
}

static cj_value with_norm_of_rows(cj_value p)
{
    return cj_mul(p, cj_div(cj_constant(p.graph, CJ_F32, sqrt((double)rows_of(p))), norm_of(p)));
}

/* The average begins as the parameter's first value; of one that was frozen until now, as that which it had.
 */
static void follow(const cj__optimizer *u, cj_value p, cj_value fresh)
{
    if (u->o.ema_decay == 0 || !cj_value_ok(p)) return;
    const cj__variable *v = cj__variable_of(p);
    int64_t variables = u->graph->model->count;
    cj_value average = cj_state(cj_at(cj_root(u->graph), CJ__AVERAGE_SCOPE), v->name, CJ_AVERAGE, CJ_F32,
                                cj_value_shape(p), 0);
    if (u->graph->model->count > variables)
        memcpy(cj__variable_of(average)->data, v->data, (size_t)cj_shape_count(v->shape) * sizeof(float));
    cj_assign(average, cj_select(u->first_step, fresh, blend(average, fresh, u->o.ema_decay)));
}

/* The same for a parameter whose group has a formula of its own. */
static cj__optimizer by_formula(const cj__optimizer *u, const cj_optimizer *by)
{
    cj__optimizer own = *u;
    own.o = with_defaults(*by);
    own.o.ema_decay = u->o.ema_decay;
    correct_by(&own, cj_add_scalar(u->step, 1));
    return own;
}

void cj__update_parameter(const cj__optimizer *shared, const cj__target *t)
{
    cj__optimizer own = t->by ? by_formula(shared, t->by) : *shared;
    const cj__optimizer *u = &own;
    bool decoupled = u->o.kind == CJ_ADAMW || u->o.kind == CJ_LION || u->o.kind == CJ_MUON;
    bool by_muon = u->o.kind == CJ_MUON && is_matrix(t->parameter);
    bool by_adam = u->o.kind == CJ_ADAM || u->o.kind == CJ_ADAMW || (u->o.kind == CJ_MUON && !by_muon);
    cj_value p = t->parameter, g = t->gradient, direction = g;
    cj_value start = by_muon && u->o.keep_norm ? with_norm_of_rows(p) : p;
    if (by_adam) own = counting_for(u, p);
    cj_value rate = by_adam ? adam_rate(u, t) : t->learning_rate;
    if (t->weight_decay != 0 && !decoupled) g = cj_add(g, cj_scale(p, t->weight_decay));
    switch (u->o.kind) {
    case CJ_SGD:
        direction = sgd_direction(u, p, g);
        break;
    case CJ_RMSPROP:
        direction = rmsprop_direction(u, p, g);
        break;
    case CJ_ADAGRAD:
        direction = adagrad_direction(u, p, g);
        break;
    case CJ_ADAM:
    case CJ_ADAMW:
        direction = adam_direction(u, p, g);
        break;
    case CJ_LION:
        direction = lion_direction(u, p, g);
        break;
    case CJ_MUON:
        direction = by_adam ? adam_direction(u, p, g) : muon_direction(u, p, g);
        break;
    }
    if (t->weight_decay != 0 && decoupled)
        start = cj_sub(start, cj_mul(start, cj_scale(t->learning_rate, t->weight_decay)));
    cj_value fresh = cj_sub(start, cj_mul(direction, rate));
    cj_assign(p, fresh);
    follow(u, p, fresh);
}

/* --- rows alone ---------------------------------------------------------------------------------------- */

/* Rows of equal indices have the same gradient, their sum, and so the same new value: any of them may stay.
 */
void cj__update_rows(const cj__optimizer *u, const cj__target *t)
{
    cj_value p = t->parameter, g = cj_sum_alike(t->rows, t->indices), direction = g;
    if (u->o.kind == CJ_ADAGRAD) {
        cj_value sum = cj__optimizer_state(u, "square_sum", p);
        cj_value next = cj_add(cj_gather(sum, t->indices, 0), cj_square(g));
        cj_assign(sum, cj_put_rows(sum, next, t->indices));
        direction = over_root(u, g, next);
    }
    cj_value fresh = cj_sub(cj_gather(p, t->indices, 0), cj_mul(direction, t->learning_rate));
    cj_assign(p, cj_put_rows(p, fresh, t->indices));
}

/* Optimizers draw their updates: gradients, clipping, moments and new parameters are nodes of the training
 * graph, which the compiler fuses into one pass a parameter. Scalars that depend on the step are computed in
 * f64. */
#define CJ_NO_LOCATIONS
#include "cajal/nn.h"
#include "model/model.h"
#include "ops/ops.h"

#include <stdio.h>

typedef struct {
    cj_graph *graph;
    cj_optimizer o;
    cj_scope scope;
    cj_value learning_rate;            /* f32 scalar */
    cj_value correction1, correction2; /* f32 scalars: 1 - beta^t */
} update;

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
    return o;
}

/* Zero-filled state beside the parameter: "optimizer.first_moment.hidden1.weight". */
static cj_value moment(const update *u, const char *kind, cj_value parameter)
{
    char name[512];
    snprintf(name, sizeof name, "%s.%.400s", kind, cj__variable_of(parameter)->name);
    return cj_state(u->scope, name, CJ_OPTIMIZER_STATE, CJ_F32, cj_value_shape(parameter), 0);
}

/* old·keep + new·(1 - keep) */
static cj_value blend(cj_value old, cj_value fresh, double keep)
{
    return cj_add(cj_scale(old, keep), cj_scale(fresh, 1 - keep));
}

static cj_value one_minus_power(const update *u, double beta, cj_value step)
{
    cj_value power = cj_pow(cj_constant(u->graph, CJ_F64, beta), step);
    return cj_cast(cj_sub(cj_constant(u->graph, CJ_F64, 1), power), CJ_F32);
}

static void draw_scalars(update *u)
{
    u->learning_rate = cj_state(u->scope, "learning_rate", CJ_OPTIMIZER_STATE, CJ_F32, cj_scalar_shape(),
                                u->o.learning_rate);
    cj_value step = cj_state(u->scope, "step", CJ_OPTIMIZER_STATE, CJ_F64, cj_scalar_shape(), 0);
    cj_value next = cj_add_scalar(step, 1);
    cj_assign(step, next);
    u->correction1 = one_minus_power(u, u->o.beta1, next);
    u->correction2 = one_minus_power(u, u->o.beta2, next);
}

/* --- one parameter's step: what is subtracted from it, divided by the learning rate -------------------- */

static cj_value sgd_direction(const update *u, cj_value p, cj_value g)
{
    if (u->o.momentum == 0) return g;
    cj_value velocity = moment(u, "velocity", p), next = cj_add(cj_scale(velocity, u->o.momentum), g);
    cj_assign(velocity, next);
    return u->o.nesterov ? cj_add(g, cj_scale(next, u->o.momentum)) : next;
}

/* Tieleman and Hinton, 2012 */
static cj_value rmsprop_direction(const update *u, cj_value p, cj_value g)
{
    cj_value square = moment(u, "square_average", p), next = blend(square, cj_square(g), u->o.alpha);
    cj_assign(square, next);
    cj_value scaled = cj_div(g, cj_add_scalar(cj_sqrt(next), u->o.epsilon));
    if (u->o.momentum == 0) return scaled;
    cj_value velocity = moment(u, "velocity", p), moved = cj_add(cj_scale(velocity, u->o.momentum), scaled);
    cj_assign(velocity, moved);
    return moved;
}

/* Duchi et al., 2011 */
static cj_value adagrad_direction(const update *u, cj_value p, cj_value g)
{
    cj_value sum = moment(u, "square_sum", p), next = cj_add(sum, cj_square(g));
    cj_assign(sum, next);
    return cj_div(g, cj_add_scalar(cj_sqrt(next), u->o.epsilon));
}

/* Kingma and Ba, 2015 */
static cj_value adam_direction(const update *u, cj_value p, cj_value g)
{
    cj_value first = moment(u, "first_moment", p), second = moment(u, "second_moment", p);
    cj_value m = blend(first, g, u->o.beta1), v = blend(second, cj_square(g), u->o.beta2);
    cj_assign(first, m);
    cj_assign(second, v);
    cj_value deviation = cj_add_scalar(cj_div(cj_sqrt(v), cj_sqrt(u->correction2)), u->o.epsilon);
    return cj_div(cj_div(m, u->correction1), deviation);
}

static cj_value lion_direction(const update *u, cj_value p, cj_value g)
{
    cj_value average = moment(u, "average", p);
    cj_assign(average, blend(average, g, u->o.beta2));
    return cj_sign(blend(average, g, u->o.beta1));
}

static void update_parameter(const update *u, cj_value p, cj_value g)
{
    bool decoupled = u->o.kind == CJ_ADAMW || u->o.kind == CJ_LION;
    cj_value direction = g, start = p;
    if (u->o.weight_decay != 0 && !decoupled) g = cj_add(g, cj_scale(p, u->o.weight_decay));
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
    }
    if (u->o.weight_decay != 0 && decoupled)
        start = cj_sub(p, cj_mul(p, cj_scale(u->learning_rate, u->o.weight_decay)));
    cj_assign(p, cj_sub(start, cj_mul(direction, u->learning_rate)));
}

/* --- all of them --------------------------------------------------------------------------------------- */

/* Gradients scaled down together so that their common norm is at most `limit`. Pascanu et al., 2013. */
static void clip(cj_graph *graph, double limit, int count, cj_value *gradients)
{
    cj_value squares = cj_constant(graph, CJ_F32, 0);
    for (int i = 0; i < count; i++) squares = cj_add(squares, cj__sum_all(cj_square(gradients[i])));
    cj_value norm = cj_add_scalar(cj_sqrt(squares), 1e-6);
    cj_value factor =
        cj_minimum(cj_div(cj_constant(graph, CJ_F32, limit), norm), cj_constant(graph, CJ_F32, 1));
    for (int i = 0; i < count; i++) gradients[i] = cj_mul(gradients[i], factor);
}

/* True when the loss and the sum of every gradient are finite: an infinity or NaN anywhere shows in the sum.
 */
static cj_value all_finite(cj_value loss, int count, const cj_value *gradients)
{
    cj_value fine = cj_is_finite(loss);
    for (int i = 0; i < count; i++) fine = cj_logical_and(fine, cj_is_finite(cj__sum_all(gradients[i])));
    return fine;
}

/* The parameters that have been read by the drawing so far; each has one node. */
static int parameters_of(cj_graph *graph, cj_value *parameters)
{
    int count = 0;
    for (int64_t i = 0; i < graph->node_count; i++) {
        if (graph->nodes[i].op != CJ__OP_variable) continue;
        cj_value value = cj__make_value(graph, graph->nodes[i].first_output);
        const cj__variable *v = cj__variable_of(value);
        if (v->role == CJ_PARAMETER && !v->frozen) parameters[count++] = value;
    }
    return count;
}

void cj_minimize(cj_value loss, cj_optimizer optimizer)
{
    cj_graph *graph = loss.graph;
    if (!graph || !cj_value_ok(loss)) return;
    if (cj_shape_count(cj_value_shape(loss)) != 1) {
        cj__graph_error(graph, CJ_SHAPE_ERROR,
                        "minimize: the loss must be a single number; hint: take its mean");
        return;
    }
    size_t room = (size_t)graph->node_count + 1;
    cj_value *parameters = cj__allocate(2 * room * sizeof *parameters), *gradients = parameters + room;
    if (!parameters) {
        cj__graph_error(graph, CJ_OUT_OF_MEMORY, "out of memory for an optimizer");
        return;
    }
    int count = parameters_of(graph, parameters);
    cj_gradients(loss, count, parameters, gradients);
    if (graph->status == CJ_OK) {
        cj_value fine = all_finite(cj_reshape(loss, cj_scalar_shape()), count, gradients);
        graph->guard = fine.id;
        update u = {
            .graph = graph, .o = with_defaults(optimizer), .scope = cj_at(cj_root(graph), "optimizer")};
        draw_scalars(&u);
        if (optimizer.clip_norm > 0) clip(graph, optimizer.clip_norm, count, gradients);
        for (int i = 0; i < count && graph->status == CJ_OK; i++)
            update_parameter(&u, parameters[i], gradients[i]);
    }
    cj__free(parameters);
}

/* From a loss to updates: the parameters it depends on, their gradients, the check that all is finite,
 * clipping and groups. What becomes of one gradient stands in optimizers.c. */
#include "nn/optimizer.h"
#include "base/text.h"

#include <string.h>

/* --- groups -------------------------------------------------------------------------------------------- */

static bool fits(const char *pattern, cj_value parameter)
{
    return cj__text_matches(pattern, cj__variable_of(parameter)->name);
}

/* Each setting is that of the first group that fits and has it. */
static void apply_groups(const cj__optimizer *u, cj__target *t)
{
    double factor = 0, decay = 0;
    bool no_decay = false;
    for (int i = 0; i < CJ_MAX_PARAMETER_GROUPS && u->o.groups[i].pattern; i++) {
        const cj_parameter_group *group = &u->o.groups[i];
        if (!fits(group->pattern, t->parameter)) continue;
        if (factor == 0) factor = group->learning_rate_factor;
        if (!t->by) t->by = group->by;
        if (decay == 0 && !no_decay) {
            decay = group->weight_decay;
            no_decay = group->no_weight_decay;
        }
    }
    t->learning_rate = factor == 0 ? u->learning_rate : cj_scale(u->learning_rate, factor);
    t->weight_decay = no_decay ? 0 : decay != 0 ? decay : u->o.weight_decay;
}

/* Whether the drawing reads a frozen parameter that fits: it may be trained later on. */
static bool fits_frozen(const cj_graph *graph, const char *pattern)
{
    for (int64_t i = 0; i < graph->node_count; i++) {
        if (graph->nodes[i].op != CJ__OP_variable) continue;
        const cj__variable *v = ((const cj__variable_attributes *)graph->nodes[i].attributes)->variable;
        if (v->role == CJ_PARAMETER && cj__model_is_frozen(graph->model, v->name) &&
            cj__text_matches(pattern, v->name))
            return true;
    }
    return false;
}

/* A pattern that fits nothing is a slip of the pen. */
static void check_pattern(cj_graph *graph, const char *pattern, int count, const cj__target *targets)
{
    for (int i = 0; i < count; i++)
        if (fits(pattern, targets[i].parameter)) return;
    if (count > 0 && fits_frozen(graph, pattern)) return;
    if (count == 0 && fits_frozen(graph, "*"))
        cj__graph_error(graph, CJ_INVALID_ARGUMENT,
                        "minimize: every parameter that the loss depends on is frozen");
    else if (count == 0)
        cj__graph_error(graph, CJ_INVALID_ARGUMENT, "minimize: the loss depends on no parameter");
    else
        cj__graph_error(graph, CJ_INVALID_ARGUMENT,
                        "minimize: no parameter fits the pattern '%.200s'; there are '%.200s' and %d more",
                        pattern, cj__variable_of(targets[0].parameter)->name, count - 1);
}

/* --- parameters and gradients -------------------------------------------------------------------------- */

/* The parameters that have been read by the drawing so far; each has one node. */
static int parameters_of(cj_graph *graph, cj_value *parameters)
{
    int count = 0;
    for (int64_t i = 0; i < graph->node_count; i++) {
        if (graph->nodes[i].op != CJ__OP_variable) continue;
        cj_value value = cj__make_value(graph, graph->nodes[i].first_output);
        const cj__variable *v = cj__variable_of(value);
        if (v->role == CJ_PARAMETER && !cj__model_is_frozen(graph->model, v->name))
            parameters[count++] = value;
    }
    return count;
}

/* Whether a gradient was drawn as plain zeros: the loss does not depend on the parameter. */
static bool is_no_gradient(cj_value gradient)
{
    const cj__node *node = cj__node_of(gradient);
    if (node->op == CJ__OP_broadcast) node = cj__node_of(cj__make_value(gradient.graph, node->inputs[0]));
    return node->op == CJ__OP_constant && ((const cj__constant_attributes *)node->attributes)->value == 0;
}

/* Fills `targets` with the parameters that the loss depends on, and returns how many. */
static int differentiate(cj_value loss, int count, const cj_value *parameters, cj_value *gradients,
                         cj__target *targets)
{
    int found = 0;
    cj_gradients(loss, count, parameters, gradients);
    for (int i = 0; loss.graph->status == CJ_OK && i < count; i++)
        if (!is_no_gradient(gradients[i]))
            targets[found++] = (cj__target){.parameter = parameters[i], .gradient = gradients[i]};
    return found;
}

/* Keeps the targets that the optimizer is for. */
static int choose(cj_graph *graph, const cj_optimizer *o, int count, cj__target *targets)
{
    int kept = 0;
    check_pattern(graph, o->parameters ? o->parameters : "*", count, targets);
    for (int i = 0; i < CJ_MAX_PARAMETER_GROUPS && o->groups[i].pattern; i++)
        check_pattern(graph, o->groups[i].pattern, count, targets);
    for (int i = 0; i < count; i++)
        if (!o->parameters || fits(o->parameters, targets[i].parameter)) targets[kept++] = targets[i];
    if (kept == 0)
        cj__graph_error(graph, CJ_INVALID_ARGUMENT, "minimize: every parameter that fits '%.200s' is frozen",
                        o->parameters ? o->parameters : "*");
    return kept;
}

/* --- gradients of rows --------------------------------------------------------------------------------- */

/* Whether a row without a gradient stays as it is, and so does what the optimizer remembers of it. */
static bool leaves_rows_alone(const cj_optimizer *o)
{
    if ((o->kind != CJ_SGD && o->kind != CJ_ADAGRAD) || o->momentum != 0 || o->weight_decay != 0)
        return false;
    for (int i = 0; i < CJ_MAX_PARAMETER_GROUPS && o->groups[i].pattern; i++)
        if (o->groups[i].by || o->groups[i].weight_decay != 0) return false;
    return o->clip_norm == 0 && o->ema_decay == 0;
}

/* The gradient of a table that was read once, by rows, is zeros but for these; of more rows than there are
 * all is less work. */
static void take_rows(cj__target *t)
{
    const cj__node *node = cj__node_of(t->gradient);
    if (node->op != CJ__OP_scatter_add || ((const cj__scatter_attributes *)node->attributes)->axis != 0)
        return;
    cj_value rows = cj__make_value(t->gradient.graph, node->inputs[0]);
    cj_value indices = cj__make_value(t->gradient.graph, node->inputs[1]);
    cj_shape_t shape = cj_value_shape(t->parameter);
    int64_t all = shape.dims[0];
    shape.dims[0] = cj_shape_count(cj_value_shape(indices));
    if (shape.dims[0] >= all) return;
    t->rows = cj_reshape(rows, shape);
    t->indices = cj_reshape(indices, cj_shape(shape.dims[0]));
}

/* The square of the gradients' common norm, where they are clipped by it. */
static cj_value squared_norm(cj_graph *graph, const cj_optimizer *o, int count, const cj__target *targets)
{
    if (!(o->clip_norm > 0)) return cj__none();
    cj_value sum = cj_constant(graph, CJ_F32, 0);
    for (int i = 0; i < count; i++) sum = cj_add(sum, cj__sum_all(cj_square(targets[i].gradient)));
    return sum;
}

/* Gradients scaled down together so that their common norm is at most `limit`. Pascanu et al., 2013. */
static void clip(cj_graph *graph, double limit, cj_value squares, int count, cj__target *targets)
{
    cj_value norm = cj_add_scalar(cj_sqrt(squares), 1e-6);
    cj_value factor =
        cj_minimum(cj_div(cj_constant(graph, CJ_F32, limit), norm), cj_constant(graph, CJ_F32, 1));
    for (int i = 0; i < count; i++) targets[i].gradient = cj_mul(targets[i].gradient, factor);
}

/* An infinity or NaN anywhere in a gradient shows in its sum. */
static cj_value is_fine(const cj__target *t)
{
    return cj_is_finite(cj__sum_all(t->rows.graph ? t->rows : t->gradient));
}

/* Nothing is committed unless the loss and every gradient are finite, and so is their norm where they are
 * scaled by it. Several optimizers of a graph stand or fall together. */
static void guard(cj_value loss, cj_value squares, int count, const cj__target *targets)
{
    cj_graph *graph = loss.graph;
    cj_value fine = cj_is_finite(cj_reshape(loss, cj_scalar_shape()));
    if (graph->guard >= 0) fine = cj_logical_and(cj__make_value(graph, graph->guard), fine);
    if (squares.graph) fine = cj_logical_and(fine, cj_is_finite(squares));
    for (int i = 0; i < count && !squares.graph; i++) fine = cj_logical_and(fine, is_fine(&targets[i]));
    if (cj_value_ok(fine)) graph->guard = fine.id;
}

/* --- all of them --------------------------------------------------------------------------------------- */

static void guarded_updates(cj_value loss, cj_optimizer optimizer, int count, cj__target *targets)
{
    cj_graph *graph = loss.graph;
    cj_value squares = squared_norm(graph, &optimizer, count, targets);
    guard(loss, squares, count, targets);
    cj__optimizer u = cj__optimizer_begin(graph, optimizer);
    if (squares.graph) clip(graph, optimizer.clip_norm, squares, count, targets);
    for (int i = 0; i < count && graph->status == CJ_OK; i++) {
        if (cj__is_assigned(targets[i].parameter))
            cj__graph_error(graph, CJ_INVALID_ARGUMENT,
                            "minimize: parameter '%s' already has an update in this graph; hint: say by "
                            ".parameters which ones each optimizer is for",
                            cj__variable_of(targets[i].parameter)->name);
        apply_groups(&u, &targets[i]);
        if (targets[i].rows.graph)
            cj__update_rows(&u, &targets[i]);
        else
            cj__update_parameter(&u, &targets[i]);
    }
}

/* Finds the parameters the loss depends on and their gradients, and hands them on. */
typedef void (*use_gradients)(cj_value loss, const cj_optimizer *optimizer, int count, cj__target *targets,
                              void *context);

static void with_gradients(cj_value loss, const cj_optimizer *optimizer, use_gradients use, void *context)
{
    cj_graph *graph = loss.graph;
    if (!cj_value_ok(loss)) {
        cj__graph_error(graph, CJ_INVALID_ARGUMENT, "minimize: the loss has no value");
        return;
    }
    if (cj_shape_count(cj_value_shape(loss)) != 1) {
        cj__graph_error(graph, CJ_SHAPE_ERROR,
                        "minimize: the loss must be a single number; hint: take its mean");
        return;
    }
    size_t room = (size_t)graph->node_count + 1;
    cj_value *parameters = cj__allocate(2 * room * sizeof *parameters);
    cj__target *targets = cj__allocate(room * sizeof *targets);
    if (parameters && targets) {
        int count = parameters_of(graph, parameters);
        count = differentiate(loss, count, parameters, parameters + room, targets);
        if (graph->status == CJ_OK) count = choose(graph, optimizer, count, targets);
        use(loss, optimizer, count, targets, context);
    } else {
        cj__graph_error(graph, CJ_OUT_OF_MEMORY, "out of memory for an optimizer");
    }
    cj__free(parameters);
    cj__free(targets);
}

static void update_at_once(cj_value loss, const cj_optimizer *optimizer, int count, cj__target *targets,
                           void *none)
{
    (void)none;
    bool by_rows = leaves_rows_alone(optimizer);
    for (int i = 0; by_rows && i < count && loss.graph->status == CJ_OK; i++) take_rows(&targets[i]);
    guarded_updates(loss, *optimizer, count, targets);
}

void cj_minimize(cj_value loss, cj_optimizer optimizer)
{
    with_gradients(loss, &optimizer, update_at_once, NULL);
}

/* --- in parts ------------------------------------------------------------------------------------------ */

#define ACCUMULATED "accumulated"

static void add_up(cj_value sum, cj_value more)
{
    cj_assign(sum, cj_add(sum, more));
}

static cj_value summed_weight(cj_graph *graph, const cj_optimizer *optimizer)
{
    return cj_state(cj__optimizer_scope(graph, optimizer), "accumulated_weight", CJ_OPTIMIZER_STATE, CJ_F32,
                    cj_scalar_shape(), 0);
}

static cj_value summed_gradient(cj_graph *graph, const cj_optimizer *optimizer, const char *parameter,
                                cj_shape_t shape)
{
    cj_scope scope = cj_at(cj__optimizer_scope(graph, optimizer), ACCUMULATED);
    return cj_state(scope, parameter, CJ_OPTIMIZER_STATE, CJ_F32, shape, 0);
}

static void add_gradients(cj_value loss, const cj_optimizer *optimizer, int count, cj__target *targets,
                          void *context)
{
    const cj_value *weight = context;
    guard(loss, cj__none(), count, targets);
    add_up(summed_weight(loss.graph, optimizer), *weight);
    for (int i = 0; i < count && loss.graph->status == CJ_OK; i++) {
        cj_value p = targets[i].parameter;
        add_up(summed_gradient(loss.graph, optimizer, cj__variable_of(p)->name, cj_value_shape(p)),
               targets[i].gradient);
    }
}

void cj_accumulate(cj_value loss_sum, cj_value weight, cj_optimizer optimizer)
{
    if (cj_value_ok(weight) && cj_shape_count(cj_value_shape(weight)) != 1)
        cj__graph_error(weight.graph, CJ_SHAPE_ERROR, "accumulate: the weight must be a single number");
    with_gradients(loss_sum, &optimizer, add_gradients, &weight);
}

/* The parameter whose gradients the variable adds up; NULL: it is something else. */
static const char *parameter_of(const cj__variable *v, const char *scope)
{
    size_t length = strlen(scope);
    if (strncmp(v->name, scope, length) != 0 || strncmp(v->name + length, "." ACCUMULATED ".", 13) != 0)
        return NULL;
    return v->name + length + 13;
}

/* The targets are those that have been accumulated for and are not frozen by now. */
static int find_targets(cj_graph *graph, const cj_optimizer *optimizer, cj_value weight, cj__target *targets)
{
    int count = 0;
    const char *scope = cj__optimizer_scope(graph, optimizer).path;
    int64_t variables = graph->model->count;
    for (int64_t i = 0; i < variables && graph->status == CJ_OK; i++) {
        const cj__variable *v = graph->model->variables[i];
        const char *name = parameter_of(v, scope);
        if (!name || cj__model_is_frozen(graph->model, name)) continue;
        cj_value sum = summed_gradient(graph, optimizer, name, v->shape);
        targets[count].parameter = cj_parameter(cj_root(graph), name, v->shape, (cj_init){0});
        targets[count].gradient = cj_div(sum, weight);
        cj_assign(sum, cj_scale(sum, 0));
        count++;
    }
    return count;
}

void cj_update(cj_graph *graph, cj_optimizer optimizer)
{
    if (graph->status != CJ_OK) return;
    if (!graph->model) {
        cj__graph_error(graph, CJ_INVALID_ARGUMENT, "update: the graph was drawn without a model");
        return;
    }
    cj__target *targets = cj__allocate_zeroed(((size_t)graph->model->count + 1) * sizeof *targets);
    if (!targets) {
        cj__graph_error(graph, CJ_OUT_OF_MEMORY, "out of memory for an optimizer");
        return;
    }
    cj_value weight = summed_weight(graph, &optimizer);
    int count = find_targets(graph, &optimizer, weight, targets);
    if (count == 0)
        cj__graph_error(graph, CJ_INVALID_ARGUMENT,
                        "update: nothing was accumulated for this optimizer; draw cj_accumulate first");
    if (graph->status == CJ_OK) {
        cj_assign(weight, cj_scale(weight, 0));
        guarded_updates(weight, optimizer, count, targets);
    }
    cj__free(targets);
}

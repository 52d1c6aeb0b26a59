/* Models: variables by name, found or made while drawing. */
#include "model/model.h"

#include <stdio.h>
#include <string.h>

cj_status cj_model_new(const cj_model_options *options)
{
    cj_model *model = cj__allocate_zeroed(sizeof *model);
    *options->model = model;
    if (!model) return cj__out_of_memory(sizeof *model, "a model");
    model->seed = options->seed;
    model->no_values = options->no_values;
    return CJ_OK;
}

/* --- memory -------------------------------------------------------------------------------------------- */

/* Variables of middling size lie together in chunks, which are large enough for pages of 2 MB: where all
 * weights are read for each token, looking up pages of 4 KB took a sixth of the time. What is larger has such
 * pages itself. */
enum { LEAST_SHARED = 256 << 10, MOST_SHARED = 4 << 20, CHUNK = 16 << 20, ALIGNMENT = 64 /* bytes */ };

static cj_status new_chunk(cj_model *model)
{
    CJ__TRY(cj__grow(&model->chunks, &model->chunk_capacity, model->chunk_count, sizeof *model->chunks));
    char *memory = cj__allocate(CHUNK);
    if (!memory) return cj__out_of_memory(CHUNK, "a model");
    model->chunks[model->chunk_count++] = memory;
    model->chunk_used = 0;
    return CJ_OK;
}

static cj_status find_memory(cj_model *model, cj__variable *v, size_t bytes)
{
    v->shares = bytes >= LEAST_SHARED && bytes <= MOST_SHARED;
    if (!v->shares) {
        v->data = cj__allocate(bytes);
        return v->data ? CJ_OK : cj__out_of_memory(bytes, v->name);
    }
    if (model->chunk_count == 0 || model->chunk_used + bytes > CHUNK) CJ__TRY(new_chunk(model));
    v->data = model->chunks[model->chunk_count - 1] + model->chunk_used;
    model->chunk_used += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return CJ_OK;
}

static void free_variable(cj__variable *variable)
{
    if (!variable) return;
    cj__free(variable->name);
    if (!variable->shares) cj__free(variable->data);
    cj__free(variable);
}

void cj_model_free(cj_model *model)
{
    if (!model) return;
    for (int64_t i = 0; i < model->count; i++) free_variable(model->variables[i]);
    for (int64_t i = 0; i < model->chunk_count; i++) cj__free(model->chunks[i]);
    cj__free(model->variables);
    cj__free(model->chunks);
    cj__model_thaw(model);
    cj__free(model);
}

int64_t cj_model_count(const cj_model *model)
{
    return model->count;
}

/* Whoever has the memory may write to it: nothing made of the variable before is trusted after. */
static cj_tensor lend(cj__variable *v)
{
    v->version++;
    return (cj_tensor){v->data, v->dtype, v->shape};
}

cj_variable_info cj_model_variable(const cj_model *model, int64_t index)
{
    cj__variable *v = model->variables[index];
    return (cj_variable_info){v->name, (cj_role)v->role, lend(v), v->drawn};
}

cj__variable *cj__model_find(const cj_model *model, const char *name)
{
    for (int64_t i = 0; i < model->count; i++)
        if (strcmp(model->variables[i]->name, name) == 0) return model->variables[i];
    return NULL;
}

cj_tensor cj_model_find(const cj_model *model, const char *name)
{
    cj__variable *v = cj__model_find(model, name);
    return v ? lend(v) : (cj_tensor){0};
}

/* --- making and finding -------------------------------------------------------------------------------- */

cj_status cj__model_add(cj_model *model, const char *name, cj_role role, cj_dtype dtype, cj_shape_t shape,
                        cj__variable **added)
{
    CJ__TRY(cj__grow(&model->variables, &model->capacity, model->count, sizeof *model->variables));
    size_t bytes = (size_t)cj_shape_count(shape) * cj_dtype_size(dtype);
    cj__variable *v = cj__allocate_zeroed(sizeof *v);
    if (v) *v = (cj__variable){.name = cj__copy_string(name), .role = role, .dtype = dtype, .shape = shape};
    cj_status status = v && v->name ? find_memory(model, v, bytes) : cj__out_of_memory(bytes, name);
    if (status == CJ_OK)
        *added = model->variables[model->count++] = v;
    else
        free_variable(v);
    return status;
}

/* One node reads a variable for the whole drawing: shared parameters are one value, where their gradients
 * meet. */
static cj_value read_variable(cj_graph *graph, cj__variable *variable)
{
    for (int64_t i = 0; i < graph->node_count; i++) {
        cj_value value = cj__make_value(graph, graph->nodes[i].first_output);
        if (graph->nodes[i].op == CJ__OP_variable && cj__variable_of(value) == variable) return value;
    }
    return cj_named(cj__draw(graph, CJ__OP_variable, &(cj__variable_attributes){variable}, 0, NULL),
                    variable->name);
}

/* A weight that came from a file before it was drawn lies as in the file. */
static cj_status adopt_kernel(cj__variable *v, cj_shape_t shape)
{
    cj__variable there = {.kernel = true, .shape = shape};
    if (shape.rank != v->shape.rank || shape.rank < 3 || v->dtype != CJ_F32 ||
        !cj_shape_equal(cj__file_shape(&there), v->shape))
        return CJ_OK; /* the caller finds that it does not fit */
    v->kernel = true;
    v->shape = shape;
    return cj__from_file_layout(v);
}

static cj_model *owner_of(const cj_graph *graph, cj_role role)
{
    return role == CJ_CARRIED ? graph->session : graph->model;
}

/* Finds the variable, or makes it and leaves its values to the caller. */
static cj_value find_or_make(cj_scope scope, const char *name, cj_role role, cj_dtype dtype, cj_shape_t shape,
                             bool kernel, bool *fresh)
{
    cj_graph *graph = scope.graph;
    cj_model *model = owner_of(graph, role);
    char path[CJ__LONGEST_NAME + 1], wanted[CJ__SHAPE_TEXT], found[CJ__SHAPE_TEXT];
    *fresh = false;
    if (graph->status != CJ_OK) return cj__poison(graph);
    if (!name)
        return cj__graph_error(graph, CJ_INVALID_ARGUMENT, "a variable at '%s' has no name", scope.path);
    int length = snprintf(path, sizeof path, "%s%s%s", scope.path, *scope.path ? "." : "", name);
    if (length >= (int)sizeof path)
        return cj__graph_error(graph, CJ_INVALID_ARGUMENT,
                               "variable '%.100s…' has a name of %d characters; %d are the most", path,
                               length, (int)sizeof path - 1);
    if (!model)
        return cj__graph_error(graph, CJ_INVALID_ARGUMENT,
                               "parameter '%s': the graph was drawn without a model", path);
    if (!cj__shape_valid(shape))
        return cj__graph_error(graph, CJ_SHAPE_ERROR, "parameter '%s' cannot have the shape %s", path,
                               cj__shape_text(shape, wanted));
    cj__variable *v = cj__model_find(model, path);
    if (!v) {
        if (model->complete && (role == CJ_PARAMETER || role == CJ_STATISTIC))
            return cj__graph_error(graph, CJ_INVALID_ARGUMENT,
                                   "the loaded weights have no '%s': they are of another network", path);
        cj_status status = cj__model_add(model, path, role, dtype, shape, &v);
        if (status != CJ_OK) return cj__graph_error(graph, status, "out of memory for variable '%s'", path);
        v->kernel = kernel;
        *fresh = true;
    }
    if (kernel && !v->kernel) {
        cj_status status = adopt_kernel(v, shape);
        if (status != CJ_OK) return cj__graph_error(graph, status, "out of memory for variable '%s'", path);
    }
    if (v->dtype != dtype || !cj_shape_equal(v->shape, shape))
        return cj__graph_error(graph, CJ_SHAPE_ERROR, "variable '%s' is %s %s, but is asked for as %s %s",
                               path, cj_dtype_name(v->dtype), cj__shape_text(v->shape, found),
                               cj_dtype_name(dtype), cj__shape_text(shape, wanted));
    v->role = role; /* weights from a file come without one */
    v->drawn = true;
    return read_variable(graph, v);
}

/* A variable whose values could not be made is taken back: nothing half-made stays. */
static cj_value settle(cj_value value, cj_model *model, cj_status status)
{
    if (status == CJ_OK) return value;
    free_variable(model->variables[--model->count]);
    char why[512];
    snprintf(why, sizeof why, "%.500s", cj_error_message());
    return cj__graph_error(value.graph, status, "%s", why);
}

static cj_value parameter(cj_scope scope, const char *name, cj_shape_t shape, bool kernel, cj_init init)
{
    bool fresh;
    cj_value value = find_or_make(scope, name, CJ_PARAMETER, CJ_F32, shape, kernel, &fresh);
    if (!fresh || scope.graph->model->no_values) return value;
    cj__variable *v = scope.graph->model->variables[scope.graph->model->count - 1];
    return settle(value, scope.graph->model, cj__initialise(v, scope.graph->model->seed, init));
}

cj_value cj_parameter(cj_scope scope, const char *name, cj_shape_t shape, cj_init init)
{
    return parameter(scope, name, shape, false, init);
}

cj_value cj_kernel_parameter(cj_scope scope, const char *name, cj_shape_t shape, cj_init init)
{
    if (shape.rank < 3)
        return cj__graph_error(scope.graph, CJ_SHAPE_ERROR, "kernel '%s' needs [kernel…,in,out]", name);
    return parameter(scope, name, shape, true, init);
}

cj_value cj_state(cj_scope scope, const char *name, cj_role role, cj_dtype dtype, cj_shape_t shape,
                  double start)
{
    bool fresh;
    cj_value value = find_or_make(scope, name, role, dtype, shape, false, &fresh);
    if (!fresh) return value;
    cj_model *model = owner_of(scope.graph, role);
    cj__variable *v = model->variables[model->count - 1];
    if (!cj__dtype_holds(dtype, start))
        return settle(value, model,
                      cj__fail(CJ_INVALID_ARGUMENT, "variable '%s': %s cannot hold %g", v->name,
                               cj_dtype_name(dtype), start));
    cj__fill(dtype, cj_shape_count(shape), start, v->data);
    return value;
}

cj__variable *cj__variable_of(cj_value value)
{
    if (!cj_value_ok(value)) return NULL;
    const cj__node *node = cj__node_of(value);
    return node->op == CJ__OP_variable ? ((const cj__variable_attributes *)node->attributes)->variable : NULL;
}

void cj_model_swap_averages(cj_model *model)
{
    for (int64_t i = 0; i < model->count; i++) {
        cj__variable *average = model->variables[i];
        if (average->role != CJ_AVERAGE) continue;
        cj__variable *parameter = cj__model_find(model, average->name + strlen(CJ__AVERAGE_SCOPE "."));
        if (!parameter) continue;
        void *data = average->data;
        average->data = parameter->data;
        parameter->data = data;
        average->version++;
        parameter->version++;
    }
}

bool cj__carries(const cj_model *model)
{
    for (int64_t i = 0; i < model->count; i++)
        if (model->variables[i]->role == CJ_CARRIED) return true;
    return false;
}

void cj__forget_carried(cj_model *model)
{
    for (int64_t i = 0; i < model->count; i++) {
        cj__variable *v = model->variables[i];
        if (v->role != CJ_CARRIED) continue;
        memset(v->data, 0, (size_t)cj_shape_count(v->shape) * cj_dtype_size(v->dtype));
        v->version++;
    }
}

bool cj__is_assigned(cj_value value)
{
    const cj__variable *variable = cj__variable_of(value);
    for (int64_t i = 0; variable && i < value.graph->node_count; i++) {
        const cj__node *node = &value.graph->nodes[i];
        if (node->op == CJ__OP_assign &&
            ((const cj__variable_attributes *)node->attributes)->variable == variable)
            return true;
    }
    return false;
}

void cj_assign(cj_value variable, cj_value value)
{
    cj__variable *v = cj__variable_of(variable);
    if (v)
        cj__draw(variable.graph, CJ__OP_assign, &(cj__variable_attributes){v}, 1, &value);
    else
        cj__graph_error(variable.graph ? variable.graph : value.graph, CJ_INVALID_ARGUMENT,
                        "assign: the left side is no variable");
}

bool cj__is_weight(const cj__variable *v)
{
    return v->role == CJ_PARAMETER || v->role == CJ_STATISTIC;
}

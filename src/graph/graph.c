/* Drawing: nodes and values are appended to a graph; the first error sticks and is returned by cj_compile. */
#define CJ_NO_LOCATIONS
#include "graph/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

cj_status cj_graph_new(cj_graph **graph, const cj_graph_options *options)
{
    *graph = NULL;
    if ((unsigned)options->precision > CJ_MEDIUM)
        return cj__fail(CJ_INVALID_ARGUMENT, "precision %d: give CJ_HIGHEST, CJ_HIGH or CJ_MEDIUM",
                        (int)options->precision);
    cj_graph *g = cj__allocate_zeroed(sizeof *g);
    if (!g) return cj__out_of_memory(sizeof *g, "a graph");
    g->model = options->model;
    g->session = options->session ? options->session : options->model;
    g->mode = options->mode;
    g->precision = options->precision;
    g->no_winograd = options->no_winograd;
    g->kernels = options->kernels;
    g->memory = options->memory;
    g->guard = -1;
    g->scope = "";
    *graph = g;
    return CJ_OK;
}

cj_status cj__graph_like(cj_graph **graph, const cj_graph *from)
{
    return cj_graph_new(graph, &(cj_graph_options){.size = sizeof(cj_graph_options),
                                                   .model = from->model,
                                                   .session = from->session,
                                                   .mode = from->mode,
                                                   .precision = from->precision,
                                                   .no_winograd = from->no_winograd,
                                                   .kernels = from->kernels});
}

void cj_graph_free(cj_graph *graph)
{
    if (!graph) return;
    while (graph->bodies) {
        cj_graph *body = graph->bodies;
        graph->bodies = body->next_body;
        cj_graph_free(body);
    }
    cj__free(graph->nodes);
    cj__free(graph->values);
    cj__free(graph->inputs);
    cj__free(graph->outputs);
    cj__free(graph->layers);
    cj__free(graph->error);
    cj__arena_free(&graph->arena);
    cj__free(graph);
}

void cj__own_body(cj_graph *graph, cj_graph *body)
{
    body->next_body = graph->bodies;
    graph->bodies = body;
}

void cj__adopt_bodies(cj_graph *graph, cj_graph *from)
{
    while (from->bodies) {
        cj_graph *body = from->bodies;
        from->bodies = body->next_body;
        cj__own_body(graph, body);
    }
}

cj_mode cj_graph_mode(const cj_graph *graph)
{
    return graph->mode;
}

cj_status cj_graph_status(const cj_graph *graph)
{
    if (graph->status == CJ_OK) return CJ_OK;
    return cj__fail(graph->status, "%s", graph->error ? graph->error : cj_status_sentence(graph->status));
}

/* --- values -------------------------------------------------------------------------------------------- */

int32_t cj__resolve(const cj_graph *graph, int32_t id)
{
    while (graph->values[id].replaced_by >= 0) id = graph->values[id].replaced_by;
    return id;
}

cj_value cj__make_value(cj_graph *graph, int32_t id)
{
    return (cj_value){graph, id};
}

cj_value cj__poison(cj_graph *graph)
{
    return (cj_value){graph, -1};
}

const cj__value *cj__value_of(cj_value value)
{
    return &value.graph->values[value.id];
}

const cj__node *cj__node_of(cj_value value)
{
    return &value.graph->nodes[cj__value_of(value)->node];
}

bool cj_value_ok(cj_value value)
{
    return value.graph && value.id >= 0;
}

cj_shape_t cj_value_shape(cj_value value)
{
    return cj_value_ok(value) ? cj__value_of(value)->shape : cj_scalar_shape();
}

cj_dtype cj_value_dtype(cj_value value)
{
    return cj_value_ok(value) ? cj__value_of(value)->dtype : CJ_F32;
}

cj_value cj_named(cj_value value, const char *name)
{
    if (!cj_value_ok(value)) return value;
    const char *copy = cj__arena_string(&value.graph->arena, name);
    if (!copy) return cj__graph_error(value.graph, CJ_OUT_OF_MEMORY, "out of memory for the name '%s'", name);
    value.graph->values[value.id].name = copy;
    return value;
}

/* --- errors -------------------------------------------------------------------------------------------- */

/* The root is no place to name. */
static void drop_empty_place(char *text)
{
    char *at = strstr(text, " at ''");
    if (at) memmove(at, at + strlen(" at ''"), strlen(at + strlen(" at ''")) + 1);
}

cj_value cj__graph_error(cj_graph *graph, cj_status status, const char *format, ...)
{
    char text[900];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    drop_empty_place(text);
    if (graph && graph->status == CJ_OK) {
        graph->status = status;
        graph->error = cj__copy_string(text);
        cj__fail(status, "%s", text);
    }
    return cj__poison(graph);
}

cj_value cj_here(cj_value value, const char *file, int line)
{
    cj_graph *graph = value.graph;
    if (!graph) return value;
    for (; graph->located < graph->node_count; graph->located++) {
        graph->nodes[graph->located].file = file;
        graph->nodes[graph->located].line = line;
    }
    if (graph->status != CJ_OK && !graph->error_located && graph->error) {
        char text[1024];
        snprintf(text, sizeof text, "%s:%d: %.800s", file, line, graph->error);
        char *located = cj__copy_string(text);
        if (located) {
            cj__free(graph->error);
            graph->error = located;
        }
    }
    if (graph->status != CJ_OK) graph->error_located = true;
    return value;
}

/* --- drawing ------------------------------------------------------------------------------------------- */

/* Adds the node and its values; all memory is had before anything is changed. */
static int32_t append(cj_graph *graph, const cj__node *node, const cj__value *outputs)
{
    cj_status status =
        cj__grow(&graph->nodes, &graph->node_capacity, graph->node_count, sizeof *graph->nodes);
    for (int i = 0; status == CJ_OK && i < node->outputs_count; i++)
        status =
            cj__grow(&graph->values, &graph->value_capacity, graph->value_count + i, sizeof *graph->values);
    if (status != CJ_OK) return -1;
    int32_t first = (int32_t)graph->value_count;
    graph->nodes[graph->node_count] = *node;
    graph->nodes[graph->node_count].first_output = first;
    for (int i = 0; i < node->outputs_count; i++) {
        cj__value *value = &graph->values[graph->value_count++];
        *value = outputs[i];
        value->node = (int32_t)graph->node_count;
        value->output = i;
        value->replaced_by = -1;
    }
    graph->node_count++;
    return first;
}

int32_t cj__append(cj_graph *graph, const cj__node *like, const int32_t *inputs, const cj__value *outputs)
{
    cj__node node = *like;
    const cj__op_info *info = &cj__ops[like->op];
    node.inputs = cj__arena_copy(&graph->arena, inputs, (size_t)like->inputs_count * sizeof *inputs);
    node.attributes = like->attributes
                          ? cj__arena_copy(&graph->arena, like->attributes, info->attributes_size)
                          : cj__arena_allocate(&graph->arena, info->attributes_size);
    node.scope = cj__arena_string(&graph->arena, like->scope ? like->scope : "");
    int32_t first = node.inputs && node.attributes && node.scope ? append(graph, &node, outputs) : -1;
    if (first < 0) cj__graph_error(graph, CJ_OUT_OF_MEMORY, "out of memory while drawing %s", info->name);
    return first;
}

static cj_value shape_error(cj_graph *graph, const cj__op_info *info, int count, const cj_value *inputs)
{
    char shapes[CJ__SHAPE_TEXT * 3] = "", one[CJ__SHAPE_TEXT];
    size_t used = 0;
    for (int i = 0; i < count && i < 3 && used < sizeof shapes; i++)
        used += (size_t)snprintf(shapes + used, sizeof shapes - used, "%s%s %s", i ? ", " : "",
                                 cj_dtype_name(cj_value_dtype(inputs[i])),
                                 cj__shape_text(cj_value_shape(inputs[i]), one));
    char why[512];
    snprintf(why, sizeof why, "%.500s", cj_error_message());
    return cj__graph_error(graph, CJ_SHAPE_ERROR, "%s at '%s' of %.400s: %s", info->name, graph->scope,
                           shapes, why);
}

cj_value cj__draw(cj_graph *graph, cj__op op, const void *attributes, int count, const cj_value *inputs)
{
    const cj__op_info *info = &cj__ops[op];
    cj__type input_types[CJ__MOST_VALUES], output_types[CJ__MOST_VALUES];
    int32_t ids[CJ__MOST_VALUES];
    if (count > CJ__MOST_VALUES)
        return cj__graph_error(graph, CJ_UNSUPPORTED, "%s at '%s' takes at most %d inputs, not %d",
                               info->name, graph ? graph->scope : "", (int)CJ__MOST_VALUES, count);
    for (int i = 0; !graph && i < count; i++) graph = inputs[i].graph;
    for (int i = 0; i < count; i++) {
        if (!inputs[i].graph)
            return cj__graph_error(graph, CJ_INVALID_ARGUMENT, "%s at '%s': input %d is missing", info->name,
                                   graph ? graph->scope : "", i);
        if (inputs[i].graph != graph)
            return cj__graph_error(graph, CJ_INVALID_ARGUMENT,
                                   "%s at '%s': input %d belongs to another graph", info->name, graph->scope,
                                   i);
        if (!cj_value_ok(inputs[i])) return cj__poison(graph);
        ids[i] = inputs[i].id;
        input_types[i] = (cj__type){cj_value_dtype(inputs[i]), cj_value_shape(inputs[i])};
    }
    if (graph->status != CJ_OK) return cj__poison(graph);
    cj__inference inference = {graph, attributes, count, info->outputs, input_types, output_types};
    if (info->infer(&inference) != CJ_OK) return shape_error(graph, info, count, inputs);
    cj__value outputs[CJ__MOST_VALUES];
    for (int i = 0; i < inference.outputs_count; i++)
        outputs[i] = (cj__value){.dtype = output_types[i].dtype, .shape = output_types[i].shape};
    cj__node node = {.op = op,
                     .inputs_count = count,
                     .outputs_count = inference.outputs_count,
                     .attributes = attributes,
                     .scope = graph->scope};
    return cj__make_value(graph, cj__append(graph, &node, ids, outputs));
}

cj_value cj__output_of(cj_value first, int output)
{
    if (cj_value_ok(first)) first.id += output;
    return first;
}

cj_value cj_input(cj_graph *graph, const char *name, cj_dtype dtype, cj_shape_t shape)
{
    if (!name) return cj__graph_error(graph, CJ_INVALID_ARGUMENT, "an input has no name (NULL)");
    if (!cj__shape_valid(shape)) {
        char text[CJ__SHAPE_TEXT];
        return cj__graph_error(graph, CJ_SHAPE_ERROR, "input '%s': %s is not a shape that fits in memory",
                               name, cj__shape_text(shape, text));
    }
    cj__input_attributes attributes = {graph->input_count, dtype, shape};
    if (cj__grow(&graph->inputs, &graph->input_capacity, graph->input_count, sizeof *graph->inputs) != CJ_OK)
        return cj__graph_error(graph, CJ_OUT_OF_MEMORY, "out of memory for input '%s'", name);
    cj_value value = cj_named(cj__draw(graph, CJ__OP_input, &attributes, 0, NULL), name);
    if (cj_value_ok(value))
        graph->inputs[graph->input_count++] = (cj__binding){cj__value_of(value)->name, value.id};
    return value;
}

cj_status cj__copy_inputs(cj_graph *to, const cj_graph *from, int32_t *map)
{
    for (int64_t i = 0; i < from->input_count; i++) {
        const cj__value *value = &from->values[from->inputs[i].value];
        map[from->inputs[i].value] = cj_input(to, from->inputs[i].name, value->dtype, value->shape).id;
    }
    return cj_graph_status(to);
}

void cj_output(cj_graph *graph, const char *name, cj_value value)
{
    if (!name) {
        cj__graph_error(graph, CJ_INVALID_ARGUMENT, "an output has no name (NULL)");
        return;
    }
    const char *copy = cj__arena_string(&graph->arena, name);
    if (!copy || cj__grow(&graph->outputs, &graph->output_capacity, graph->output_count,
                          sizeof *graph->outputs) != CJ_OK)
        cj__graph_error(graph, CJ_OUT_OF_MEMORY, "out of memory for output '%s'", name);
    else if (!cj_value_ok(value))
        cj__graph_error(graph, CJ_INVALID_ARGUMENT, "output '%s' has no value", name);
    else if (value.graph != graph)
        cj__graph_error(graph, CJ_INVALID_ARGUMENT, "output '%s' is of another graph", name);
    else
        graph->outputs[graph->output_count++] = (cj__binding){copy, value.id};
}

cj_status cj__copy_outputs(cj_graph *to, const cj_graph *from,
                           int32_t (*value_of)(void *context, int32_t value), void *context)
{
    for (int64_t i = 0; i < from->output_count && to->status == CJ_OK; i++) {
        int32_t value = value_of(context, from->outputs[i].value);
        if (value < 0) return cj_graph_status(to);
        cj_output(to, from->outputs[i].name, cj__make_value(to, value));
    }
    if (from->guard >= 0 && to->status == CJ_OK) to->guard = value_of(context, from->guard);
    return cj_graph_status(to);
}

cj_status cj__hand_over(cj_status status, cj_graph *graph, cj_graph **to)
{
    if (status != CJ_OK) cj_graph_free(graph);
    *to = status == CJ_OK ? graph : NULL;
    return status;
}

cj_value cj_constant(cj_graph *graph, cj_dtype dtype, double value)
{
    cj__constant_attributes attributes = {.dtype = dtype, .value = value};
    return cj__draw(graph, CJ__OP_constant, &attributes, 0, NULL);
}

cj_value cj_constant_tensor(cj_graph *graph, const cj_tensor *tensor)
{
    if (!tensor || (!tensor->data && cj_tensor_bytes(tensor) > 0))
        return cj__graph_error(graph, CJ_INVALID_ARGUMENT, "a constant tensor has no data (NULL)");
    void *data = cj__arena_copy(&graph->arena, tensor->data, cj_tensor_bytes(tensor));
    if (!data) return cj__graph_error(graph, CJ_OUT_OF_MEMORY, "out of memory for a constant tensor");
    cj__literal_attributes attributes = {tensor->dtype, tensor->shape, data};
    return cj__draw(graph, CJ__OP_literal, &attributes, 0, NULL);
}

size_t cj__literal_bytes(const cj__literal_attributes *a)
{
    return (size_t)cj_shape_count(a->shape) * cj_dtype_size((cj_dtype)a->dtype);
}

/* --- scopes -------------------------------------------------------------------------------------------- */

cj_scope cj_root(cj_graph *graph)
{
    return (cj_scope){graph, ""};
}

cj_scope cj_at(cj_scope scope, const char *name, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, name);
    vsnprintf(text, sizeof text, name, arguments);
    va_end(arguments);
    const char *path =
        cj__arena_format(&scope.graph->arena, "%s%s%s", scope.path, *scope.path ? "." : "", text);
    if (!path) cj__graph_error(scope.graph, CJ_OUT_OF_MEMORY, "out of memory for scope '%s'", text);
    return (cj_scope){scope.graph, path ? path : scope.path};
}

uint64_t cj__hash_text(const char *text)
{
    uint64_t hash = 14695981039346656037u;
    for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 1099511628211u;
    return hash;
}

cj_value cj_note_layer(cj_scope scope, const char *type, cj_value output)
{
    cj_graph *g = scope.graph;
    if (!cj_value_ok(output)) return output;
    if (output.graph != g)
        return cj__graph_error(g, CJ_INVALID_ARGUMENT, "layer %s at '%s' is of another graph", type,
                               scope.path);
    cj_status status = cj__grow(&g->layers, &g->layer_capacity, g->layer_count, sizeof *g->layers);
    if (status != CJ_OK) return cj__graph_error(g, status, "out of memory for the list of layers");
    g->layers[g->layer_count++] = (cj__layer_note){scope.path, type, output.id};
    return output;
}

bool cj_graph_layer_at(cj_graph *graph, int64_t index, cj_drawn_layer *layer)
{
    if (index < 0 || index >= graph->layer_count) return false;
    const cj__layer_note *note = &graph->layers[index];
    *layer = (cj_drawn_layer){note->path, note->type, cj__make_value(graph, note->output)};
    return true;
}

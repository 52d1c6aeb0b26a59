/* Explanations of networks that read tokens: gradient × input of each token's embedding, and what attention
 * weighs. The network is drawn once, in inference mode, for the one example. */
#define CJ_NO_LOCATIONS
#include "base/memory.h"
#include "base/shape.h"
#include "cajal/attention.h"
#include "cajal/explain.h"
#include "graph/graph.h"
#include "model/model.h"
#include "ops/attention.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    const cj_text_explain_options *o;
    cj_model *session; /* nothing that the network carries comes from before */
    cj_graph *graph;
    cj_program *program;
    cj_value x, y; /* [1,…]; all outputs in a row: [outputs] */
    int64_t outputs;
} task;

/* --- drawing ------------------------------------------------------------------------------------------- */

static cj_status check(const cj_text_explain_options *o)
{
    if (!o->model || !o->forward || !o->x.data || o->x.dtype != CJ_I32 || !cj__shape_valid(o->x.shape) ||
        o->x.shape.rank < 1 || o->x.shape.rank >= CJ_MAX_RANK || cj_shape_count(o->x.shape) < 1)
        return cj__fail(
            CJ_INVALID_ARGUMENT,
            "an explanation of a text needs a model, its `forward`, and an example `x` of tokens, i32 [T]");
    return CJ_OK;
}

static cj_shape_t batch_of(cj_shape_t example)
{
    cj_shape_t shape = {.rank = example.rank + 1, .dims = {1}};
    for (int64_t i = 0; i < example.rank; i++) shape.dims[i + 1] = example.dims[i];
    return shape;
}

/* close_task is due whether it fails or not. */
static cj_status open_task(task *t, const cj_text_explain_options *o)
{
    *t = (task){.o = o};
    CJ__TRY(check(o));
    CJ__TRY(cj_model_new(&(cj_model_options){.size = sizeof(cj_model_options), .model = &t->session}));
    cj_graph_options options = {.size = sizeof options,
                                .model = o->model,
                                .session = t->session,
                                .mode = CJ_INFERENCE,
                                .precision = o->precision};
    CJ__TRY((cj_graph_new)(&t->graph, &options));
    t->graph->apart = true;
    t->x = cj_input(t->graph, "x", CJ_I32, batch_of(o->x.shape));
    t->y = o->forward(cj_root(t->graph), t->x, o->context);
    if (o->loss == CJ_CROSS_ENTROPY || o->loss == CJ_BINARY_CROSS_ENTROPY) t->y = cj_logits(t->y);
    CJ__TRY(cj_graph_status(t->graph));
    t->outputs = cj_shape_count(cj_value_shape(t->y));
    t->y = cj_reshape(t->y, cj_shape(t->outputs));
    return cj_graph_status(t->graph);
}

static void close_task(task *t)
{
    cj_program_free(t->program);
    cj_graph_free(t->graph);
    cj_model_free(t->session);
}

static cj_tensor example(const task *t)
{
    return (cj_tensor){t->o->x.data, CJ_I32, batch_of(t->o->x.shape)};
}

cj_status cj_text_outputs(const cj_text_explain_options *options, float *outputs, int64_t room,
                          int64_t *count)
{
    task t;
    cj_status status = open_task(&t, options);
    float *all = NULL;
    if (status == CJ_OK) cj_output(t.graph, "outputs", t.y);
    if (status == CJ_OK) status = cj_compile(&t.program, t.graph);
    if (status == CJ_OK && !(all = cj__allocate((size_t)t.outputs * sizeof *all + 1)))
        status = cj__out_of_memory((size_t)t.outputs * sizeof *all, "what a network gives");
    cj_run_options run = {.size = sizeof run, .program = t.program, .outputs = {all}};
    if (status == CJ_OK) {
        run.inputs[0] = example(&t);
        *count = t.outputs;
        status = (cj_program_run)(&run);
    }
    if (status == CJ_OK) memcpy(outputs, all, (size_t)(room < t.outputs ? room : t.outputs) * sizeof *all);
    cj__free(all);
    close_task(&t);
    return status;
}

/* --- gradient × input ---------------------------------------------------------------------------------- */

/* The first layer that gives a row of numbers for each token. */
static cj_status find_embedding(const task *t, cj_value *embedding)
{
    cj_drawn_layer layer;
    cj_shape_t wanted = batch_of(t->o->x.shape);
    for (int64_t i = 0; cj_graph_layer_at(t->graph, i, &layer); i++) {
        cj_shape_t found = cj_value_shape(layer.output);
        if (strcmp(layer.type, "embedding") != 0 || found.rank != wanted.rank + 1) continue;
        found.rank = wanted.rank;
        if (!cj_shape_equal(found, wanted)) continue;
        *embedding = layer.output;
        return CJ_OK;
    }
    return cj__fail(CJ_UNSUPPORTED,
                    "the network has no embedding with a row of numbers for each token of the text, which "
                    "gradient × input looks at");
}

static cj_status draw_maps(task *t)
{
    cj_value embedding, gradient;
    CJ__TRY(find_embedding(t, &embedding));
    cj_value which = cj_input(t->graph, "which", CJ_I32, cj_shape(1));
    cj_value score = cj_reshape(cj_gather(t->y, which, 0), cj_scalar_shape());
    cj_gradients(score, 1, &embedding, &gradient);
    cj_value map = cj_sum(cj_mul(embedding, gradient), cj_axes(-1), CJ_DROP_AXES);
    cj_output(t->graph, "map", map);
    cj_output(t->graph, "score", score);
    return cj_compile(&t->program, t->graph);
}

static cj_status run_maps(task *t, int64_t count, const int64_t *outputs, float *maps, double *scores,
                          float *map)
{
    int64_t tokens = cj_shape_count(t->o->x.shape);
    for (int64_t i = 0; i < count; i++) {
        int32_t which = (int32_t)outputs[i];
        float score;
        if (outputs[i] < 0 || outputs[i] >= t->outputs || outputs[i] > INT32_MAX)
            return cj__fail(CJ_INVALID_ARGUMENT,
                            "output %lld is to be explained, but the network has %lld: 0 to %lld",
                            (long long)outputs[i], (long long)t->outputs, (long long)t->outputs - 1);
        cj__forget_carried(t->session);
        cj_run_options run = {.size = sizeof run,
                              .program = t->program,
                              .inputs = {example(t), {&which, CJ_I32, cj_shape(1)}},
                              .outputs = {map, &score}};
        CJ__TRY((cj_program_run)(&run));
        if (maps) memcpy(maps + i * tokens, map, (size_t)tokens * sizeof *map);
        if (scores) scores[i] = (double)score;
    }
    return CJ_OK;
}

cj_status cj_explain_tokens(const cj_text_explain_options *options, int64_t count, const int64_t *outputs,
                            float *maps, double *scores)
{
    task t;
    float *map = NULL;
    cj_status status = open_task(&t, options);
    if (status == CJ_OK) status = draw_maps(&t);
    size_t bytes = status == CJ_OK ? (size_t)cj_shape_count(options->x.shape) * sizeof *map : 0;
    if (status == CJ_OK && !(map = cj__allocate(bytes))) status = cj__out_of_memory(bytes, "an explanation");
    if (status == CJ_OK) status = run_maps(&t, count, outputs, maps, scores, map);
    cj__free(map);
    close_task(&t);
    return status;
}

/* --- attention ----------------------------------------------------------------------------------------- */

/* Ones where key s is column `first` + d: [N,S,G,D], as the values are. */
static cj_value columns_of_identity(cj_value values, int64_t first)
{
    cj_shape_t s = cj_value_shape(values);
    cj_value keys = cj_reshape(cj_iota(values.graph, CJ_I32, s.dims[1]), cj_shape(1, s.dims[1], 1, 1));
    cj_value columns = cj_add_scalar(cj_iota(values.graph, CJ_I32, s.dims[3]), (double)first);
    return cj_broadcast(cj_cast(cj_equal(keys, columns), cj_value_dtype(values)), s);
}

/* The node's op over columns of the identity, so many at once as its heads are wide: [N,T,H,S] */
static cj_value weights_of(cj_graph *graph, const cj__node *node)
{
    enum { MOST = 4096 };
    cj_value inputs[CJ__ATTENTION_TENSORS + CJ__ATTENTION_MORE], parts[MOST];
    for (int i = 0; i < node->inputs_count; i++)
        inputs[i] = cj__make_value(graph, cj__resolve(graph, node->inputs[i]));
    cj_value values = inputs[2];
    cj_shape_t shape = cj_value_shape(values);
    int64_t count = 0, keys = shape.dims[1], width = shape.dims[3];
    if (keys > MOST * width)
        return cj__graph_error(graph, CJ_UNSUPPORTED, "attention over %lld keys is too wide for a picture",
                               (long long)keys);
    for (int64_t first = 0; first < keys; first += width) {
        inputs[2] = columns_of_identity(values, first);
        parts[count++] = cj__draw(graph, CJ__OP_attention, node->attributes, node->inputs_count, inputs);
    }
    return cj_slice(count > 1 ? cj_concatenate((int)count, parts, 3) : parts[0], 3, 0, keys, 1);
}

/* For each node whether x has a part in it; the caller's to free. */
static cj_status find_made_of(cj_value x, bool **made)
{
    const cj_graph *g = x.graph;
    *made = cj__allocate_zeroed((size_t)g->node_count * sizeof **made);
    if (!*made) return cj__out_of_memory((size_t)g->node_count * sizeof **made, "maps of attention");
    (*made)[cj__value_of(x)->node] = true;
    for (int64_t i = 0; i < g->node_count; i++)
        for (int k = 0; k < g->nodes[i].inputs_count; k++)
            (*made)[i] |= (*made)[g->values[cj__resolve(g, g->nodes[i].inputs[k])].node];
    return CJ_OK;
}

/* What x attends to that is none of it. */
static bool looks_across(const cj_graph *g, const cj__node *node, const bool *made)
{
    bool of_x[2]; /* query and key */
    for (int k = 0; k < 2; k++) of_x[k] = made[g->values[cj__resolve(g, node->inputs[k])].node];
    return of_x[0] && !of_x[1];
}

typedef struct {
    const char *scopes[CJ_MAX_BINDINGS];
    int64_t count;
} found;

/* weights: [1,T,H,S] → [T,S,H] */
static void add_output(task *t, found *f, const char *scope, cj_value weights)
{
    cj_shape_t s = cj_value_shape(weights);
    if (!cj_value_ok(weights) || f->count == CJ_MAX_BINDINGS) return;
    weights = cj_reshape(cj_transpose(weights, (cj_axes_t){4, {0, 1, 3, 2}}),
                         cj_shape(s.dims[1], s.dims[3], s.dims[2]));
    cj_output(t->graph, "attention", cj_cast(weights, CJ_F32));
    f->scopes[f->count++] = scope ? scope : "";
}

/* Attention that is an op. */
static cj_status draw_ops(task *t, found *f)
{
    bool *made;
    int64_t count = t->graph->node_count;
    CJ__TRY(find_made_of(t->x, &made));
    for (int64_t i = 0; i < count && f->count < CJ_MAX_BINDINGS; i++) {
        cj__node node = t->graph->nodes[i]; /* a copy: drawing moves them */
        if (node.op != CJ__OP_attention || (t->o->across && !looks_across(t->graph, &node, made))) continue;
        add_output(t, f, node.scope, weights_of(t->graph, &node));
    }
    cj__free(made);
    return cj_graph_status(t->graph);
}

/* What a network notes of attention that is none, [1,T,S]. */
static cj_status draw_noted(task *t, found *f)
{
    cj_drawn_layer layer;
    for (int64_t i = 0; cj_graph_layer_at(t->graph, i, &layer); i++) {
        cj_shape_t s = cj_value_shape(layer.output);
        if (strcmp(layer.type, CJ__ATTENTION_WEIGHTS) != 0) continue;
        add_output(t, f, layer.path, cj_reshape(layer.output, cj_shape(1, s.dims[1], 1, s.dims[2])));
    }
    return cj_graph_status(t->graph);
}

static cj_status draw_attention(task *t, found *f)
{
    CJ__TRY(draw_ops(t, f));
    CJ__TRY(draw_noted(t, f));
    if (f->count == 0)
        return cj__fail(CJ_UNSUPPORTED, "the network has no attention that could be looked at");
    return cj_compile(&t->program, t->graph);
}

static cj_status make_room(const task *t, const found *f, cj_attention_maps *attention, cj_run_options *run)
{
    attention->maps = cj__allocate_zeroed((size_t)f->count * sizeof *attention->maps);
    if (!attention->maps)
        return cj__out_of_memory((size_t)f->count * sizeof *attention->maps, "maps of attention");
    attention->count = f->count;
    for (int64_t i = 0; i < f->count; i++) {
        cj_feature_maps *m = &attention->maps[i];
        m->maps = cj_program_output(t->program, i);
        m->maps.data = run->outputs[i] = cj__allocate(cj_tensor_bytes(&m->maps) + 1);
        if (!m->maps.data) return cj__out_of_memory(cj_tensor_bytes(&m->maps), "maps of attention");
        snprintf(m->layer, sizeof m->layer, "%s", f->scopes[i]);
    }
    return CJ_OK;
}

cj_status cj_attention_maps_make(cj_attention_maps *attention, const cj_text_explain_options *options)
{
    task t;
    found f = {.count = 0};
    *attention = (cj_attention_maps){0};
    cj_status status = open_task(&t, options);
    if (status == CJ_OK) status = draw_attention(&t, &f);
    cj_run_options run = {.size = sizeof run, .program = t.program};
    if (status == CJ_OK) status = make_room(&t, &f, attention, &run);
    if (status == CJ_OK) {
        run.inputs[0] = example(&t);
        status = (cj_program_run)(&run);
    }
    if (status != CJ_OK) cj_attention_maps_free(attention);
    close_task(&t);
    return status;
}

void cj_attention_maps_free(cj_attention_maps *attention)
{
    for (int64_t i = 0; i < attention->count; i++) cj_feature_maps_free(&attention->maps[i]);
    cj__free(attention->maps);
    *attention = (cj_attention_maps){0};
}

/* The loss of a batch as a drawing, compiled. Fit and evaluate both stand on it. Rows of padding, at the end
 * of an uneven last batch, weigh nothing. */
#include "train/objective.h"
#include "data/dataset.h"
#include "graph/graph.h"
#include "model/model.h"
#include "nn/check.h"

#include <math.h>

static bool is_error(cj_loss_kind kind)
{
    return kind != CJ_CROSS_ENTROPY && kind != CJ_BINARY_CROSS_ENTROPY;
}

cj_status cj__objective_check(cj_loss_kind kind, const cj_batch *batch)
{
    bool labels = batch->y.dtype == CJ_I32;
    bool distributions = batch->y.dtype == CJ_F32 && batch->y.shape.rank == 2;
    if (kind == CJ_CROSS_ENTROPY && !labels && !distributions)
        return cj__fail(
            CJ_UNSUPPORTED,
            "cross-entropy wants labels, i32 [N] or [N,…], or a distribution over the classes, f32 [N,C]; "
            "for numbers use CJ_BINARY_CROSS_ENTROPY or an error");
    if (is_error(kind) && batch->y.dtype != CJ_F32)
        return cj__fail(CJ_UNSUPPORTED, "the targets of an error are numbers (f32), not labels (%s)",
                        cj_dtype_name(batch->y.dtype));
    return CJ_OK;
}

cj_scores cj__scores_none(cj_loss_kind kind)
{
    return (cj_scores){.accuracy = is_error(kind) ? (double)NAN : 0};
}

int64_t cj__batch_counted(const cj_batch *batch)
{
    const cj_tensor *y = &batch->y;
    if (y->dtype != CJ_I32 || y->shape.rank < 2) return batch->count;
    int64_t labels = cj_shape_count(y->shape), counted = 0;
    for (int64_t i = 0; i < labels; i++) counted += ((const int32_t *)y->data)[i] >= 0;
    return counted;
}

cj_status cj__check_carried(const cj_model *session, const cj_dataset *dataset)
{
    if (dataset->lanes > 0 || !cj__carries(session)) return CJ_OK;
    return cj__fail(
        CJ_INVALID_ARGUMENT,
        "the network carries its state from batch to batch, but the rows of these batches do not go on "
        "where those before ended; hint: a text in lanes (`data.order: lanes`), or a layer that is not "
        "stateful");
}

void cj__begin_pass(cj_model *session)
{
    cj__forget_carried(session);
}

void cj__scores_add(cj_scores *scores, double loss, double correct, int64_t count)
{
    double total = (double)(scores->count + count);
    if (count == 0) return;
    scores->loss += (loss - scores->loss) * (double)count / total;
    scores->accuracy += (correct / (double)count - scores->accuracy) * (double)count / total;
    scores->count += count;
}

/* --- drawing ------------------------------------------------------------------------------------------- */

typedef struct {
    cj_graph *graph;
    cj_value outputs, y, count; /* [N,…], the targets, i32 scalar */
    cj_value weight;            /* how much the batch's rows count together, f32 scalar */
    const cj__objective *objective;
} drawing;

static cj_value sum_all(cj_value x)
{
    return cj_sum(x, CJ_ALL_AXES, CJ_DROP_AXES);
}

static cj_value class_weights(drawing *d)
{
    const cj__objective *o = d->objective;
    float *weights = cj__allocate((size_t)o->class_count * sizeof *weights + 1);
    if (!weights) return cj__graph_error(d->graph, CJ_OUT_OF_MEMORY, "out of memory for class weights");
    for (int64_t i = 0; i < o->class_count; i++) weights[i] = (float)o->class_weights[i];
    cj_value value = cj_constant_tensor(d->graph, &(cj_tensor){weights, CJ_F32, cj_shape(o->class_count)});
    cj__free(weights);
    return value;
}

/* 1 for rows before `count`, 0 for padding: f32 [N] */
static cj_value real_rows(const drawing *d)
{
    int64_t rows = cj_value_shape(d->outputs).dims[0];
    int32_t *numbers = cj__allocate((size_t)rows * sizeof *numbers + 1);
    if (!numbers) return cj__graph_error(d->graph, CJ_OUT_OF_MEMORY, "out of memory for a batch's rows");
    for (int64_t i = 0; i < rows; i++) numbers[i] = (int32_t)i;
    cj_value index = cj_constant_tensor(d->graph, &(cj_tensor){numbers, CJ_I32, cj_shape(rows)});
    cj__free(numbers);
    return cj_cast(cj_less(index, d->count), CJ_F32);
}

static cj_value weighted_mean(drawing *d, cj_value rows, cj_value weights)
{
    d->weight = sum_all(weights);
    if (!cj_value_ok(d->weight)) return d->weight;
    cj_value floor = cj_constant(d->graph, CJ_F32, 1e-30); /* nothing counts: 0, not NaN */
    return cj_div(sum_all(cj_mul(rows, weights)), cj_maximum(d->weight, floor));
}

/* The weights that cj_cross_entropy divides by. */
static cj_value summed_labels(drawing *d, cj_value weights_of_classes)
{
    cj_value none = cj_constant(d->graph, CJ_I32, -1), counts = cj_cast(cj_greater(d->y, none), CJ_F32);
    return sum_all(weights_of_classes.graph ? cj_mul(counts, cj_gather(weights_of_classes, d->y, 0))
                                            : counts);
}

static void draw_cross_entropy(drawing *d, cj_value *loss, cj_value *correct)
{
    cj_cross_entropy_options options = {.size = sizeof options,
                                        .logits = d->outputs,
                                        .labels = d->y,
                                        .label_smoothing = d->objective->label_smoothing};
    if (d->objective->class_weights) options.class_weights = class_weights(d);
    *loss = cj_cross_entropy(&options);
    *correct = cj_correct_count(d->outputs, d->y);
    if (d->objective->in_parts) d->weight = summed_labels(d, options.class_weights);
}

static cj_value same_class(cj_value a, cj_value b)
{
    return cj_cast(cj_equal(cj_argmax(a, -1), cj_argmax(b, -1)), CJ_F32);
}

/* -Σ t·log p a row; t smoothed, then weighed by class. As in PyTorch the mean is by rows alone. Right is what
 * is likeliest in both. */
static void draw_soft_cross_entropy(drawing *d, cj_value *loss, cj_value *correct)
{
    double smoothing = d->objective->label_smoothing;
    cj_value targets = d->y, rows = real_rows(d);
    int64_t classes = cj_value_shape(d->y).dims[1];
    if (!(smoothing >= 0 && smoothing <= 1))
        (void)cj__graph_error(d->graph, CJ_INVALID_ARGUMENT,
                              "label smoothing is %g, expected a share between 0 and 1", smoothing);
    if (smoothing != 0)
        targets = cj_add_scalar(cj_scale(targets, 1 - smoothing), smoothing / (double)classes);
    if (d->objective->class_weights) targets = cj_mul(targets, class_weights(d));
    *loss = weighted_mean(d, cj_soft_cross_entropy_rows(d->outputs, targets), rows);
    *correct = sum_all(cj_mul(same_class(d->outputs, d->y), rows));
}

/* Of each row by its label, or by how much of it is 1: t f32 [N] */
static cj_value binary_class_weights(drawing *d, cj_value t)
{
    cj_value weights = class_weights(d), labels = cj_cast(t, CJ_I32);
    if (cj_value_dtype(d->y) != CJ_F32) return cj_gather(weights, labels, 0);
    cj_value none = cj_scale(labels, 0), of_0 = cj_gather(weights, none, 0);
    cj_value of_1 = cj_gather(weights, cj_add_scalar(none, 1), 0);
    return cj_add(cj_mul(of_0, cj_add_scalar(cj_neg(t), 1)), cj_mul(of_1, t));
}

/* max(z,0) - z·t + log(1 + exp(-|z|)) a row; t smoothed towards a half */
static void draw_binary(drawing *d, cj_value *loss, cj_value *correct)
{
    cj_value z = cj_reshape(d->outputs, cj_shape(cj_value_shape(d->outputs).dims[0]));
    cj_value t = cj_cast(cj_reshape(d->y, cj_value_shape(z)), CJ_F32), weights = real_rows(d);
    cj_value half = cj_constant(d->graph, CJ_F32, 0.5), zero = cj_constant(d->graph, CJ_F32, 0);
    cj_value right = cj_cast(cj_equal(cj_greater(z, zero), cj_greater(t, half)), CJ_F32);
    *correct = sum_all(cj_mul(right, weights));
    if (d->objective->class_weights) weights = cj_mul(weights, binary_class_weights(d, cj_maximum(t, zero)));
    double smoothing = d->objective->label_smoothing;
    if (smoothing != 0) t = cj_add_scalar(cj_scale(t, 1 - smoothing), 0.5 * smoothing);
    cj_value soft = cj_log1p(cj_exp(cj_neg(cj_abs(z))));
    *loss = weighted_mean(d, cj_add(cj_sub(cj_relu(z), cj_mul(z, t)), soft), weights);
}

static cj_value error_of(cj_loss_kind kind, cj_value away)
{
    if (kind == CJ_SQUARED_ERROR) return cj_square(away);
    away = cj_abs(away);
    if (kind == CJ_ABSOLUTE_ERROR || !cj_value_ok(away)) return away;
    cj_value one = cj_constant(away.graph, CJ_F32, 1);
    return cj_select(cj_less(away, one), cj_scale(cj_square(away), 0.5), cj_add_scalar(away, -0.5));
}

static void draw_error(drawing *d, cj_value *loss, cj_value *correct)
{
    cj_shape_t shape = cj_value_shape(d->outputs);
    int64_t rows = shape.dims[0], width = rows ? cj_shape_count(shape) / rows : 0;
    cj_value z = cj_reshape(d->outputs, cj_shape(rows, width));
    cj_value away = cj_sub(z, cj_reshape(d->y, cj_shape(rows, width)));
    cj_value each = cj_mean(error_of(d->objective->kind, away), (cj_axes_t){1, {1}}, CJ_DROP_AXES);
    *loss = weighted_mean(d, each, real_rows(d));
    *correct = cj_constant(d->graph, CJ_F32, (double)NAN);
}

static void draw_objective(drawing *d, cj_value *loss, cj_value *correct)
{
    if (d->objective->kind == CJ_CROSS_ENTROPY && cj_value_dtype(d->y) == CJ_F32)
        draw_soft_cross_entropy(d, loss, correct);
    else if (d->objective->kind == CJ_CROSS_ENTROPY)
        draw_cross_entropy(d, loss, correct);
    else if (d->objective->kind == CJ_BINARY_CROSS_ENTROPY)
        draw_binary(d, loss, correct);
    else
        draw_error(d, loss, correct);
}

static cj_value predictions_of(cj_loss_kind kind, cj_value outputs)
{
    if (kind == CJ_CROSS_ENTROPY) return cj_softmax(outputs, -1);
    return kind == CJ_BINARY_CROSS_ENTROPY ? cj_sigmoid(outputs) : outputs;
}

static void draw_batch(drawing *d, cj_forward forward, void *context, const cj_batch *batch,
                       const cj_optimizer *optimizer)
{
    cj_value loss, correct, x = cj_input(d->graph, "x", batch->x.dtype, batch->x.shape);
    d->y = cj_input(d->graph, "y", batch->y.dtype, batch->y.shape);
    d->count = cj_input(d->graph, "count", CJ_I32, cj_scalar_shape());
    d->outputs = forward(cj_root(d->graph), x, context);
    if (!is_error(d->objective->kind)) d->outputs = cj_logits(d->outputs);
    if (!cj__given(cj_root(d->graph), "the loss", "outputs of the network", d->outputs)) return;
    draw_objective(d, &loss, &correct);
    cj_output(d->graph, "loss", cj_named(loss, "loss"));
    cj_output(d->graph, "correct", correct);
    if (optimizer && d->objective->in_parts) {
        cj_accumulate(cj_mul(loss, d->weight), d->weight, *optimizer);
    } else if (optimizer) {
        cj_minimize(loss, *optimizer);
    } else if (!d->objective->scores_only) {
        cj_output(d->graph, "outputs", d->outputs);
        cj_output(d->graph, "predictions", predictions_of(d->objective->kind, d->outputs));
    }
}

cj_status cj__batch_draw(cj_graph **graph, cj__batch_program *made, cj_model *model, cj_forward forward,
                         void *context, const cj_batch *batch, const cj__objective *objective,
                         const cj_optimizer *optimizer)
{
    drawing d = {.objective = objective};
    cj_graph_options options = {.size = sizeof options,
                                .model = model,
                                .session = objective->session,
                                .mode = optimizer ? CJ_TRAINING : CJ_INFERENCE,
                                .precision = objective->precision,
                                .kernels = objective->kernels,
                                .memory = optimizer ? objective->memory : 0};
    *made = (cj__batch_program){.kind = objective->kind};
    *graph = NULL;
    CJ__TRY(cj__objective_check(objective->kind, batch));
    CJ__TRY((cj_graph_new)(&d.graph, &options));
    draw_batch(&d, forward, context, batch, optimizer);
    if (cj_value_ok(d.outputs)) {
        cj_shape_t shape = cj_value_shape(d.outputs);
        made->rows = shape.rank ? shape.dims[0] : 1;
        made->width = made->rows ? cj_shape_count(shape) / made->rows : 0;
    }
    *graph = d.graph;
    return CJ_OK;
}

cj_status cj_draw_network(cj_model *model, cj_forward forward, void *context, cj_shape_t shape)
{
    return cj_draw_network_of(model, forward, context, CJ_F32, shape);
}

cj_status cj_draw_network_of(cj_model *model, cj_forward forward, void *context, cj_dtype dtype,
                             cj_shape_t shape)
{
    cj_graph *graph = NULL;
    cj_graph_options options = {.size = sizeof options, .model = model, .mode = CJ_INFERENCE};
    cj_model_options empty = {.size = sizeof empty, .model = &options.session};
    CJ__TRY((cj_model_new)(&empty)); /* what is carried is of the batches to come */
    cj_status status = (cj_graph_new)(&graph, &options);
    if (status == CJ_OK) (void)forward(cj_root(graph), cj_input(graph, "x", dtype, shape), context);
    if (status == CJ_OK) status = cj_graph_status(graph);
    cj_graph_free(graph);
    cj_model_free(options.session);
    return status;
}

cj_status cj__batch_program_new(cj__batch_program *made, cj_model *model, cj_forward forward, void *context,
                                const cj_batch *batch, const cj__objective *objective,
                                const cj_optimizer *optimizer)
{
    cj_graph *graph;
    CJ__TRY(cj__batch_draw(&graph, made, model, forward, context, batch, objective, optimizer));
    made->x = batch->x.shape;
    made->y = batch->y.shape;
    made->model = model;
    made->forward = forward;
    made->context = context;
    made->objective = *objective;
    made->optimizer = optimizer;
    cj_status status = cj_compile(&made->program, graph);
    if (status == CJ_OK && optimizer) status = cj_graph_summary(graph, &made->summary);
    cj_graph_free(graph);
    return status;
}

/* Of a batch of another shape. */
static void draw_other(cj_graph *graph, const cj_tensor *inputs, void *context)
{
    cj__batch_program *p = context;
    drawing d = {.graph = graph, .objective = &p->objective};
    draw_batch(&d, p->forward, p->context, &(cj_batch){.x = inputs[0], .y = inputs[1]}, p->optimizer);
}

static cj_status run_other(cj__batch_program *p, const cj_program_cache_run_options *run)
{
    cj_program_cache_run_options o = *run;
    cj_program_cache_options cache = {.size = sizeof cache,
                                      .draw = draw_other,
                                      .context = p,
                                      .model = p->model,
                                      .mode = p->optimizer ? CJ_TRAINING : CJ_INFERENCE,
                                      .precision = p->objective.precision,
                                      .kernels = p->objective.kernels,
                                      .memory = p->optimizer ? p->objective.memory : 0};
    if (!p->others) CJ__TRY((cj_program_cache_new)(&p->others, &cache));
    o.cache = p->others;
    return (cj_program_cache_run)(&o);
}

void cj__batch_program_free(cj__batch_program *p)
{
    cj_program_cache_free(p->others);
    cj_program_free(p->program);
    cj_text_free(p->summary);
}

cj_status cj__batch_program_run(cj__batch_program *p, const cj_batch *batch, float *loss, float *correct,
                                float *outputs, float *predictions)
{
    int32_t count = (int32_t)batch->count;
    cj_tensor number = {&count, CJ_I32, cj_scalar_shape()};
    cj_run_options run = {.size = sizeof run,
                          .program = p->program,
                          .inputs = {batch->x, batch->y, number},
                          .outputs = {loss, correct, outputs, predictions}};
    cj_program_cache_run_options other = {.size = sizeof other,
                                          .inputs = {batch->x, batch->y, number},
                                          .outputs = {loss, correct, outputs, predictions}};
    if (cj_shape_equal(batch->x.shape, p->x) && cj_shape_equal(batch->y.shape, p->y))
        return (cj_program_run)(&run);
    return run_other(p, &other);
}

/* Evaluate and predict: an inference program of the model, run over rows of data. */
#include "train/evaluate.h"
#include "data/augment.h"

#include <math.h>
#include <string.h>

/* The class a row of outputs stands for: of logits or probabilities the largest, of one number its side of
 * `threshold`. */
static int64_t chosen(const float *row, int64_t width, float threshold)
{
    int64_t best = 0;
    if (width == 1) return row[0] > threshold;
    for (int64_t c = 1; c < width; c++)
        if (row[c] > row[best]) best = c;
    return best;
}

static void count_one(int64_t *confusion, int64_t classes, int64_t truth, int64_t said)
{
    if (truth >= 0 && truth < classes && said < classes) confusion[truth * classes + said]++;
}

/* Of a label, a probability of 1, or a distribution over the classes. */
static int64_t true_class(const cj_batch *batch, int64_t row)
{
    const cj_tensor *y = &batch->y;
    int64_t width = cj_shape_count(y->shape) / y->shape.dims[0];
    if (y->dtype == CJ_I32) return ((const int32_t *)y->data)[row * width];
    return chosen((const float *)y->data + row * width, width, 0.5F);
}

static void count_confusion(const cj__evaluation *e, const cj_batch *batch)
{
    for (int64_t i = 0; i < batch->count; i++)
        count_one(e->o.confusion, e->o.classes, true_class(batch, i),
                  chosen(e->outputs + i * e->step.width, e->step.width, 0));
}

void cj__evaluation_end(cj__evaluation *e)
{
    cj__free(e->outputs);
    cj__free(e->predictions);
    cj__free(e->means);
    cj__free(e->labels);
    cj__batch_program_free(&e->step);
    cj_model_free(e->session);
    cj_loader_free(e->loader);
}

static cj_status check_views(const cj_evaluate_options *o)
{
    if (o->views == CJ_VIEW_PLAIN || o->loss == CJ_CROSS_ENTROPY || o->loss == CJ_BINARY_CROSS_ENTROPY)
        return CJ_OK;
    return cj__fail(CJ_UNSUPPORTED,
                    "views of pictures are averaged for classifications, not where the loss is an "
                    "error: moved or mirrored, a picture may have another target");
}

/* Whether anything is wanted of what the network says but its scores. */
static bool looks_at(const cj_evaluate_options *o)
{
    return o->outputs || o->confusion || o->views;
}

/* What the sum of several passes needs. */
static cj_status make_means(cj__evaluation *e)
{
    size_t rows = (size_t)cj_loader_rows(e->loader), bytes = rows * (size_t)e->step.width * sizeof *e->means;
    e->means = cj__allocate(bytes);
    e->labels = cj__allocate(rows * sizeof *e->labels);
    return e->means && e->labels ? CJ_OK : cj__out_of_memory(bytes, "the means of views");
}

static cj_status make_buffers(cj__evaluation *e)
{
    size_t bytes = (size_t)(e->step.rows * e->step.width) * sizeof(float) + 1;
    if (e->o.outputs && e->o.width != e->step.width)
        return cj__fail(CJ_INVALID_ARGUMENT, "the model gives %lld numbers a row, but there is room for %lld",
                        (long long)e->step.width, (long long)e->o.width);
    if (!looks_at(&e->o)) return CJ_OK;
    e->outputs = cj__allocate(bytes);
    e->predictions = cj__allocate(bytes);
    if (!e->outputs || !e->predictions) return cj__out_of_memory(2 * bytes, "evaluation");
    return e->o.views ? make_means(e) : CJ_OK;
}

cj_status cj__evaluation_begin(cj__evaluation *e, const cj_evaluate_options *o)
{
    cj_batch batch;
    cj__objective objective = {
        .kind = o->loss, .precision = o->precision, .kernels = o->kernels, .scores_only = !looks_at(o)};
    const cj_augmentation views[] = {{"views", o->views == CJ_VIEW_FLIP ? "flip" : "flip_shift"}, {0}};
    *e = (cj__evaluation){.o = *o};
    CJ__TRY(check_views(o));
    cj_loader_options options = {.size = sizeof options,
                                 .dataset = o->dataset,
                                 .first = o->first,
                                 .count = o->count,
                                 .batch_size = o->batch_size,
                                 .scale = o->scale,
                                 .shift = o->shift,
                                 .mean = o->mean,
                                 .deviation = o->deviation,
                                 .channels = o->channels,
                                 .augment = o->views ? views : NULL,
                                 .full_width = looks_at(o)}; /* what is asked for is in the rows' order */
    CJ__TRY((cj_loader_new)(&e->loader, &options));
    if (!cj_loader_next(e->loader, &batch)) {
        CJ__TRY(cj_loader_status(e->loader));
        return cj__fail(CJ_INVALID_ARGUMENT, "there are no rows to evaluate on");
    }
    if (o->confusion && batch.y.dtype == CJ_I32 && cj_shape_count(batch.y.shape) > batch.y.shape.dims[0])
        return cj__fail(CJ_UNSUPPORTED,
                        "a confusion matrix is of one label a row, not of one for each token");
    cj_loader_seek(e->loader, 0, 0);
    CJ__TRY((cj_model_new)(&(cj_model_options){.size = sizeof(cj_model_options), .model = &e->session}));
    objective.session = e->session;
    CJ__TRY(cj__batch_program_new(&e->step, o->model, o->forward, o->context, &batch, &objective, NULL));
    CJ__TRY(cj__check_carried(e->session, o->dataset));
    return make_buffers(e);
}

static void tell_rows(const cj__evaluation *e, int64_t rows)
{
    if (e->o.watch) e->o.watch(rows, e->o.watch_context);
}

static void keep_predictions(const cj__evaluation *e, int64_t row, int64_t count)
{
    if (e->o.outputs)
        memcpy(e->o.outputs + row * e->step.width, e->predictions,
               (size_t)(count * e->step.width) * sizeof *e->predictions);
}

/* --- over several views -------------------------------------------------------------------------------- */

/* In the order of views and of models, so that the bits are the same each time. */
static void add_share(float *mean, const float *one, int64_t count, float share)
{
    for (int64_t i = 0; i < count; i++) mean[i] += one[i] * share;
}

/* One pass over the rows, adding its share to the means. */
static cj_status add_view(cj__evaluation *e, int64_t view, float share)
{
    cj_batch batch;
    float loss, correct;
    int64_t width = e->step.width;
    cj_loader_seek(e->loader, view, 0);
    cj__begin_pass(e->session);
    for (int64_t row = 0; cj_loader_next(e->loader, &batch); row += batch.count) {
        CJ__TRY(cj__batch_program_run(&e->step, &batch, &loss, &correct, e->outputs, e->predictions));
        add_share(e->means + row * width, e->predictions, batch.count * width, share);
        for (int64_t i = 0; i < batch.count; i++) e->labels[row + i] = (int32_t)true_class(&batch, i);
        tell_rows(e, row + batch.count);
    }
    return cj_loader_status(e->loader);
}

static cj_status check_labels(const cj__evaluation *e, int64_t rows)
{
    int64_t classes = e->step.width > 1 ? e->step.width : 2;
    for (int64_t i = 0; i < rows; i++)
        if (e->labels[i] < 0 || e->labels[i] >= classes)
            return cj__fail(CJ_INVALID_ARGUMENT, "row %lld has label %d, but the model has %lld classes",
                            (long long)i, e->labels[i], (long long)classes);
    return CJ_OK;
}

static cj_status run_views(cj__evaluation *e, cj_scores *scores)
{
    const cj_evaluate_options *o = &e->o;
    int of = o->views - CJ_VIEW_FLIP;
    int64_t rows = cj_loader_rows(e->loader), width = e->step.width;
    for (int64_t i = 0; i < rows * width; i++) e->means[i] = 0;
    for (int64_t view = 0; view < cj__view_count(of); view++)
        CJ__TRY(add_view(e, view, (float)cj__view_weight(of, view)));
    CJ__TRY(check_labels(e, rows));
    *scores = cj_score(o->loss, rows, width, e->means, e->labels, o->classes, o->confusion);
    if (o->outputs) memcpy(o->outputs, e->means, (size_t)(rows * width) * sizeof *e->means);
    return CJ_OK;
}

/* --- running ------------------------------------------------------------------------------------------- */

cj_status cj__evaluation_run(cj__evaluation *e, cj_scores *scores)
{
    const cj_evaluate_options *o = &e->o;
    cj_batch batch;
    float loss, correct;
    int64_t row = 0;
    if (o->views) return run_views(e, scores);
    cj__begin_pass(e->session);
    *scores = cj__scores_none(o->loss);
    if (o->confusion) memset(o->confusion, 0, (size_t)(o->classes * o->classes) * sizeof *o->confusion);
    while (cj_loader_next(e->loader, &batch)) {
        CJ__TRY(cj__batch_program_run(&e->step, &batch, &loss, &correct, e->outputs, e->predictions));
        cj__scores_add(scores, (double)loss, (double)correct, cj__batch_counted(&batch));
        if (o->confusion) count_confusion(e, &batch);
        keep_predictions(e, row, batch.count);
        row += batch.count;
        tell_rows(e, row);
    }
    return cj_loader_status(e->loader);
}

cj_status cj_evaluate(const cj_evaluate_options *options, cj_scores *scores)
{
    cj__evaluation e;
    cj_status status = cj__evaluation_begin(&e, options);
    if (status == CJ_OK) status = cj__evaluation_run(&e, scores);
    cj__evaluation_end(&e);
    return status;
}

cj_status cj_predict(const cj_evaluate_options *options)
{
    cj_scores scores;
    if (!options->outputs) return cj__fail(CJ_INVALID_ARGUMENT, "cj_predict has no `outputs` to write to");
    return cj_evaluate(options, &scores);
}

cj_status cj_predict_ensemble(const cj_evaluate_options *options, cj_model *const *models, int64_t count)
{
    cj_evaluate_options o = *options;
    int64_t rows = o.count ? o.count : cj_dataset_count(o.dataset) - o.first, size = rows * o.width;
    if (!options->outputs || count < 1)
        return cj__fail(CJ_INVALID_ARGUMENT, "an ensemble needs models, and `outputs` to write to");
    o.outputs = cj__allocate((size_t)size * sizeof *o.outputs + 1);
    if (!o.outputs) return cj__out_of_memory((size_t)size * sizeof *o.outputs, "an ensemble's predictions");
    for (int64_t i = 0; i < size; i++) options->outputs[i] = 0;
    cj_status status = CJ_OK;
    for (int64_t m = 0; m < count && status == CJ_OK; m++) {
        o.model = models[m];
        status = cj_predict(&o);
        if (status == CJ_OK) add_share(options->outputs, o.outputs, size, 1.0F / (float)count);
    }
    cj__free(o.outputs);
    return status;
}

/* -log of the probability given to the truth; a probability of 0 costs what f32 can hold at most. */
static double surprise(double probability)
{
    return -log(probability > 1e-38 ? probability : 1e-38);
}

cj_scores cj_score(cj_loss_kind loss, int64_t count, int64_t width, const float *outputs,
                   const int32_t *labels, int64_t classes, int64_t *confusion)
{
    cj_scores scores = cj__scores_none(loss);
    if (confusion) memset(confusion, 0, (size_t)(classes * classes) * sizeof *confusion);
    for (int64_t i = 0; i < count; i++) {
        const float *row = outputs + i * width;
        int64_t said = chosen(row, width, 0.5F), truth = labels[i];
        double p = width > 1 ? (double)row[truth] : truth ? (double)row[0] : 1 - (double)row[0];
        cj__scores_add(&scores, surprise(p), said == truth, 1);
        if (confusion) count_one(confusion, classes, truth, said);
    }
    return scores;
}

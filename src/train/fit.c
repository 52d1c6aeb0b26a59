/* fit and evaluate: a training graph and an evaluation graph of the same model, and the loops around their
 * programs. */
#define CJ_NO_LOCATIONS
#include "cajal/train.h"
#include "base/memory.h"

#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct {
    cj_program *program;
    cj_shape_t logits;
} compiled;

/* What every classifier's graph shares: inputs, logits, summed loss and correct predictions as outputs. A
 * training graph minimises too. */
static cj_status draw(compiled *c, cj_model *model, cj_forward forward, void *context, const cj_batch *batch,
                      const cj_fit_options *fit)
{
    cj_graph *g;
    CJ__TRY((cj_graph_new)(&g, &(cj_graph_options){.size = sizeof(cj_graph_options),
                                                   .model = model,
                                                   .mode = fit ? CJ_TRAINING : CJ_INFERENCE}));
    cj_value x = cj_input(g, "x", CJ_F32, batch->x.shape), y = cj_input(g, "y", CJ_I32, batch->y.shape);
    cj_value logits = forward(cj_root(g), x, context);
    cj_cross_entropy_options options = {.size = sizeof options, .logits = logits, .labels = y};
    options.label_smoothing = fit ? fit->label_smoothing : 0;
    cj_value loss = cj_cross_entropy(&options);
    cj_output(g, "loss", loss);
    cj_output(g, "correct", cj_correct_count(logits, y));
    if (fit)
        cj_minimize(loss, fit->optimizer);
    else
        cj_output(g, "logits", logits);
    c->logits = cj_value_shape(logits);
    cj_status status = cj_compile(&c->program, g);
    cj_graph_free(g);
    return status;
}

static void add_batch(cj_scores *scores, double loss, double correct, int64_t count)
{
    double total = (double)(scores->count + count);
    if (count == 0) return;
    scores->loss += (loss - scores->loss) * (double)count / total;
    scores->accuracy += (correct / (double)count - scores->accuracy) * (double)count / total;
    scores->count += count;
}

/* --- evaluation ---------------------------------------------------------------------------------------- */

static void count_confusion(const cj_evaluate_options *o, const float *logits, int64_t classes,
                            const cj_batch *batch)
{
    const int32_t *labels = batch->y.data;
    for (int64_t i = 0; o->confusion && i < batch->count; i++) {
        int64_t best = 0;
        for (int64_t c = 1; c < classes; c++)
            if (logits[i * classes + c] > logits[i * classes + best]) best = c;
        if (labels[i] >= 0 && labels[i] < o->classes && best < o->classes)
            o->confusion[labels[i] * o->classes + best]++;
    }
}

static cj_status first_batch_of(cj_loader *loader, cj_batch *batch)
{
    if (!cj_loader_next(loader, batch)) return cj__fail(CJ_INVALID_ARGUMENT, "there are no rows to work on");
    cj_loader_seek(loader, 0, 0);
    if (batch->y.dtype == CJ_I32 && batch->y.shape.rank == 1) return CJ_OK;
    return cj__fail(CJ_UNSUPPORTED,
                    "fit and evaluate want one i32 label a row; write the loop out for other targets");
}

/* Everything an evaluation needs, made once and run as often as wanted. */
typedef struct {
    cj_evaluate_options o;
    cj_loader *loader;
    compiled step;
    float *logits;
} evaluation;

static void evaluation_end(evaluation *e)
{
    cj__free(e->logits);
    cj_program_free(e->step.program);
    cj_loader_free(e->loader);
}

/* `evaluation_end` is due whether it fails or not. */
static cj_status evaluation_begin(evaluation *e, const cj_evaluate_options *o)
{
    cj_batch batch;
    *e = (evaluation){.o = *o};
    cj_loader_options options = {.size = sizeof options,
                                 .dataset = o->dataset,
                                 .first = o->first,
                                 .count = o->count,
                                 .batch_size = o->batch_size,
                                 .scale = o->scale,
                                 .shift = o->shift};
    CJ__TRY((cj_loader_new)(&e->loader, &options));
    CJ__TRY(first_batch_of(e->loader, &batch));
    CJ__TRY(draw(&e->step, o->model, o->forward, o->context, &batch, NULL));
    e->logits = cj__allocate((size_t)cj_shape_count(e->step.logits) * sizeof *e->logits);
    return e->logits ? CJ_OK : cj__out_of_memory(0, "evaluation");
}

/* One pass over the rows, with the model as it is now. */
static cj_status evaluation_run(evaluation *e, cj_scores *scores)
{
    const cj_evaluate_options *o = &e->o;
    cj_batch batch;
    float loss, correct;
    *scores = (cj_scores){0};
    if (o->confusion) memset(o->confusion, 0, (size_t)(o->classes * o->classes) * sizeof *o->confusion);
    while (cj_loader_next(e->loader, &batch)) {
        cj_run_options run = {.size = sizeof run,
                              .program = e->step.program,
                              .inputs = {batch.x, batch.y},
                              .outputs = {&loss, &correct, o->confusion ? e->logits : NULL}};
        CJ__TRY((cj_program_run)(&run));
        add_batch(scores, (double)loss, (double)correct, batch.count);
        count_confusion(o, e->logits, e->step.logits.dims[1], &batch);
    }
    return CJ_OK;
}

cj_status cj_evaluate(const cj_evaluate_options *options, cj_scores *scores)
{
    evaluation e;
    cj_status status = evaluation_begin(&e, options);
    if (status == CJ_OK) status = evaluation_run(&e, scores);
    evaluation_end(&e);
    return status;
}

/* --- training ------------------------------------------------------------------------------------------ */

typedef struct {
    const cj_fit_options *o;
    cj_loader *loader;
    compiled step;
    evaluation validation; /* empty without validation rows */
    int64_t training_rows, validation_rows;
    cj_progress progress;
    double started;
} fit;

static cj_status report(fit *f)
{
    f->progress.seconds = now() - f->started;
    if (!f->o->on_progress || f->o->on_progress(&f->progress, f->o->context)) return CJ_OK;
    return cj__fail(CJ_INTERRUPTED, "stopped in epoch %lld after step %lld", (long long)f->progress.epoch,
                    (long long)f->progress.step);
}

static cj_status prepare_validation(fit *f)
{
    const cj_fit_options *o = f->o;
    if (f->validation_rows == 0) return CJ_OK;
    cj_evaluate_options options = {.size = sizeof options,
                                   .model = o->model,
                                   .forward = o->forward,
                                   .context = o->context,
                                   .dataset = o->dataset,
                                   .first = f->training_rows,
                                   .count = f->validation_rows,
                                   .scale = o->scale,
                                   .shift = o->shift,
                                   .batch_size = o->batch_size};
    return evaluation_begin(&f->validation, &options);
}

static cj_status train_epoch(fit *f)
{
    cj_batch batch;
    float loss, correct;
    f->progress.training = f->progress.validation = (cj_scores){0};
    f->progress.step = 0;
    f->progress.epoch_done = false;
    f->started = now();
    while (cj_loader_next(f->loader, &batch)) {
        cj_run_options run = {.size = sizeof run,
                              .program = f->step.program,
                              .inputs = {batch.x, batch.y},
                              .outputs = {&loss, &correct}};
        cj_status status = (cj_program_run)(&run);
        if (status != CJ_OK)
            return cj__fail_within(status, "epoch %lld, step %lld", (long long)f->progress.epoch,
                                   (long long)f->progress.step + 1);
        add_batch(&f->progress.training, (double)loss, (double)correct, batch.count);
        f->progress.step++;
        CJ__TRY(report(f));
    }
    if (f->validation_rows > 0) CJ__TRY(evaluation_run(&f->validation, &f->progress.validation));
    f->progress.epoch_done = true;
    return report(f);
}

static cj_status begin(fit *f)
{
    const cj_fit_options *o = f->o;
    cj_batch batch;
    if (!(o->validation >= 0 && o->validation < 1))
        return cj__fail(CJ_INVALID_ARGUMENT, "validation is a share from 0 up to 1, not %g", o->validation);
    int64_t rows = cj_dataset_count(o->dataset);
    f->training_rows = (int64_t)((double)rows * (1 - o->validation) + 0.5);
    f->validation_rows = rows - f->training_rows;
    cj_loader_options options = {.size = sizeof options,
                                 .dataset = o->dataset,
                                 .count = f->training_rows,
                                 .batch_size = o->batch_size,
                                 .shuffle = true,
                                 .seed = o->seed,
                                 .scale = o->scale,
                                 .shift = o->shift};
    CJ__TRY((cj_loader_new)(&f->loader, &options));
    CJ__TRY(first_batch_of(f->loader, &batch));
    f->progress.epochs = o->epochs;
    f->progress.steps = cj_loader_steps(f->loader);
    CJ__TRY(draw(&f->step, o->model, o->forward, o->context, &batch, o));
    return prepare_validation(f);
}

cj_status cj_fit(const cj_fit_options *options, cj_progress *last)
{
    fit f = {.o = options};
    cj_status status = begin(&f);
    for (int64_t epoch = 1; status == CJ_OK && epoch <= options->epochs; epoch++) {
        f.progress.epoch = epoch;
        status = train_epoch(&f);
    }
    if (last) *last = f.progress;
    evaluation_end(&f.validation);
    cj_program_free(f.step.program);
    cj_loader_free(f.loader);
    return status;
}

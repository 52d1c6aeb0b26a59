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

/* --- evaluation ------------------------------------------------------------------------------------------
 */

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

static cj_status evaluate_batches(const cj_evaluate_options *o, const compiled *c, cj_loader *loader,
                                  float *logits, cj_scores *scores)
{
    cj_batch batch;
    float loss, correct;
    *scores = (cj_scores){0};
    while (cj_loader_next(loader, &batch)) {
        cj_run_options run = {.size = sizeof run,
                              .program = c->program,
                              .inputs = {batch.x, batch.y},
                              .outputs = {&loss, &correct, o->confusion ? logits : NULL}};
        CJ__TRY((cj_program_run)(&run));
        add_batch(scores, (double)loss, (double)correct, batch.count);
        count_confusion(o, logits, c->logits.dims[1], &batch);
    }
    return CJ_OK;
}

static cj_status first_batch_of(cj_loader *loader, cj_batch *batch)
{
    if (!cj_loader_next(loader, batch)) return cj__fail(CJ_INVALID_ARGUMENT, "there are no rows to work on");
    cj_loader_seek(loader, 0, 0);
    if (batch->y.dtype == CJ_I32 && batch->y.shape.rank == 1) return CJ_OK;
    return cj__fail(CJ_UNSUPPORTED,
                    "fit and evaluate want one i32 label a row; write the loop out for other targets");
}

cj_status cj_evaluate(const cj_evaluate_options *o, cj_scores *scores)
{
    cj_loader *loader = NULL;
    compiled c = {0};
    cj_batch batch;
    float *logits = NULL;
    if (o->confusion) memset(o->confusion, 0, (size_t)(o->classes * o->classes) * sizeof *o->confusion);
    cj_loader_options options = {.size = sizeof options,
                                 .dataset = o->dataset,
                                 .first = o->first,
                                 .count = o->count,
                                 .batch_size = o->batch_size,
                                 .scale = o->scale,
                                 .shift = o->shift};
    cj_status status = (cj_loader_new)(&loader, &options);
    if (status == CJ_OK) status = first_batch_of(loader, &batch);
    if (status == CJ_OK) status = draw(&c, o->model, o->forward, o->context, &batch, NULL);
    if (status == CJ_OK) {
        logits = cj__allocate((size_t)cj_shape_count(c.logits) * sizeof *logits);
        status =
            logits ? evaluate_batches(o, &c, loader, logits, scores) : cj__out_of_memory(0, "evaluation");
    }
    cj__free(logits);
    cj_program_free(c.program);
    cj_loader_free(loader);
    return status;
}

/* --- training --------------------------------------------------------------------------------------------
 */

typedef struct {
    const cj_fit_options *o;
    cj_loader *loader;
    compiled step;
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

static cj_status validate(fit *f)
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
    return cj_evaluate(&options, &f->progress.validation);
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
    CJ__TRY(validate(f));
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
    return draw(&f->step, o->model, o->forward, o->context, &batch, o);
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
    cj_program_free(f.step.program);
    cj_loader_free(f.loader);
    return status;
}

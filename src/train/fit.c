/* fit: a training program and a validation program of one model, and the loop around them. Everything it
 * needs to go on later is in its state, which checkpoints keep: checkpoint.c. */
#include "base/clock.h"
#include "base/file.h"
#include "cajal/io.h"
#include "data/augment.h"
#include "train/evaluate.h"
#include "train/freezing.h"
#include "train/lookahead.h"
#include "train/run_log.h"
#include "train/state.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

typedef struct {
    const cj_fit_options *o;
    cj_loader *loader;
    cj__batch_program step;
    int64_t drawn_for;  /* the epoch whose frozen weights it leaves alone */
    cj_batch like;      /* type and shape of its batches */
    cj_program *update; /* where gradients are added up over several batches; NULL: each step updates */
    cj__evaluation validation; /* empty without validation rows */
    bool validates;
    cj_tensor learning_rate; /* the variable's f32 scalar */
    int64_t steps;           /* an epoch */
    cj__fit_state state;
    cj__best_weights best;
    cj__lookahead lookahead;
    cj__checkpointing checkpointing;
    cj__run_log log;
    int lock; /* on the folder; -1: none */
    cj_weights_report *weights;
    bool restored; /* from a checkpoint */
    cj_progress progress;
    bool stop; /* a callback said so */
    char note[256];
    double started, reported; /* when the epoch began; when the report was last written */
} fit;

/* --- telling ------------------------------------------------------------------------------------------- */

static cj_status save_checkpoint(fit *f)
{
    if (!f->o->folder) return CJ_OK;
    cj__run_log_mark(&f->log, &f->state);
    return cj__checkpoint_save(&f->checkpointing);
}

static cj_verdict ask_callbacks(fit *f)
{
    cj_verdict worst = CJ_GO_ON;
    for (int i = 0; i < CJ_MAX_CALLBACKS; i++) {
        const cj_callback *c = &f->o->callbacks[i];
        cj_verdict verdict = c->call ? c->call(&f->progress, c->context) : CJ_GO_ON;
        if (verdict > worst) worst = verdict;
    }
    return worst;
}

/* Calls back, with the note if there is one, and does what is wanted. */
static cj_status tell(fit *f)
{
    f->progress.note = *f->note ? f->note : NULL;
    if (f->progress.note) CJ__TRY(cj__run_log_note(&f->log, &f->progress));
    f->progress.seconds = cj__now() - f->started;
    f->progress.updates = f->state.updates;
    cj_verdict verdict = ask_callbacks(f);
    *f->note = 0;
    f->progress.note = NULL;
    if (verdict == CJ_STOP) f->stop = true;
    if (verdict != CJ_INTERRUPT) return CJ_OK;
    CJ__TRY(save_checkpoint(f));
    return cj__fail(CJ_INTERRUPTED, "stopped in epoch %lld after step %lld%s%s", (long long)f->progress.epoch,
                    (long long)f->progress.step, f->o->folder ? "; the run can be resumed from " : "",
                    f->o->folder ? f->o->folder : "");
}

/* --- the step ------------------------------------------------------------------------------------------ */

static cj__objective objective_of(const cj_fit_options *o)
{
    return (cj__objective){.kind = o->loss,
                           .label_smoothing = o->label_smoothing,
                           .class_weights = o->class_weights,
                           .class_count = o->class_count,
                           .precision = o->precision,
                           .kernels = o->kernels,
                           .memory = o->memory,
                           .in_parts = o->accumulate > 1};
}

cj_status cj_draw_step(const cj_fit_options *o, cj_graph **graph)
{
    cj__batch_program shape;
    cj_batch batch = {0};
    cj__objective objective = objective_of(o);
    cj__augmenter augmenter;
    CJ__TRY(cj__augmenter_begin(&augmenter, o->augment, o->dataset, o->classes, o->seed));
    cj_dataset_row(o->dataset, 0, &batch.x, &batch.y);
    cj__mixed_targets(&augmenter, &batch.y);
    if (batch.x.dtype != CJ_I32) batch.x.dtype = CJ_F32;
    batch.x.shape.dims[0] = batch.y.shape.dims[0] = o->batch_size;
    CJ__TRY(cj__freeze_for_epoch(o, 1));
    return cj__batch_draw(graph, &shape, o->model, o->forward, o->context, &batch, &objective, &o->optimizer);
}

static cj_status make_update(fit *f)
{
    cj_graph *graph;
    if (f->o->accumulate <= 1) return CJ_OK;
    cj_graph_options options = {
        .size = sizeof options, .model = f->o->model, .mode = CJ_TRAINING, .kernels = f->o->kernels};
    CJ__TRY((cj_graph_new)(&graph, &options));
    cj_update(graph, f->o->optimizer);
    cj_program_free(f->update);
    f->update = NULL;
    cj_status status = cj_compile(&f->update, graph);
    cj_graph_free(graph);
    return status;
}

/* Draws the step of the epoch in place of the one there is. */
static cj_status draw_for(fit *f, int64_t epoch)
{
    const cj_fit_options *o = f->o;
    cj__objective objective = objective_of(o);
    cj__batch_program step = {0};
    CJ__TRY(cj__freeze_for_epoch(o, epoch));
    cj_status status =
        cj__batch_program_new(&step, o->model, o->forward, o->context, &f->like, &objective, &o->optimizer);
    cj__batch_program_free(&f->step);
    f->step = step;
    f->drawn_for = epoch;
    f->progress.program = f->step.program;
    return status == CJ_OK ? make_update(f) : status;
}

static cj_status make_step(fit *f)
{
    if (!cj_loader_next(f->loader, &f->like)) {
        CJ__TRY(cj_loader_status(f->loader));
        return cj__fail(CJ_INVALID_ARGUMENT, "there are no rows to train on");
    }
    CJ__TRY(draw_for(f, 1));
    CJ__TRY(cj__check_freezing(f->o));
    CJ__TRY(cj__check_carried(f->o->model, f->o->dataset));
    f->learning_rate = cj_model_find(f->o->model, "optimizer.learning_rate");
    return f->learning_rate.data ? CJ_OK : cj__fail(CJ_INVALID_ARGUMENT, "the network has nothing to train");
}

/* Where an epoch since the step was drawn trains more or less than it does, draws it anew. */
static cj_status redraw(fit *f, int64_t epoch)
{
    bool more = cj__unfreezes(f->o, f->drawn_for + 1, epoch),
         less = cj__freezes(f->o, f->drawn_for + 1, epoch);
    if (!more && !less) return CJ_OK;
    CJ__TRY(draw_for(f, epoch));
    snprintf(f->note, sizeof f->note, "epoch %lld: %s of the network is trained from here on",
             (long long)epoch,
             more && less ? "another part"
             : more       ? "more"
                          : "less");
    return CJ_OK;
}

/* A checkpoint has the variables of the epoch it was made in, or, between two, of the one that was over. */
static cj_status redraw_as_saved(void *context)
{
    fit *f = context;
    int64_t epoch = f->state.epoch + (f->state.step > 0), next = f->drawn_for + 1;
    return cj__unfreezes(f->o, next, epoch) || cj__freezes(f->o, next, epoch) ? draw_for(f, epoch) : CJ_OK;
}

/* --- an epoch ------------------------------------------------------------------------------------------ */

static bool scheduled(const cj_schedule *s)
{
    return s->kind != CJ_SCHEDULE_CONSTANT || s->warm_up > 0;
}

static void set_learning_rate(fit *f)
{
    const cj_fit_options *o = f->o;
    if (scheduled(&o->schedule)) {
        double base = cj_plateau_rate(&o->schedule, &f->state.plateau, o->optimizer.learning_rate);
        *(float *)f->learning_rate.data =
            (float)cj_schedule_rate(&o->schedule, base, f->state.updates, f->steps * o->epochs);
    }
    f->progress.learning_rate = (double)*(const float *)f->learning_rate.data;
}

/* After so many batches, and after the last of an epoch. */
static cj_status update_if_due(fit *f)
{
    bool due = (f->state.step + 1) % (f->update ? f->o->accumulate : 1) == 0 || f->state.step + 1 == f->steps;
    if (!f->update || !due) return CJ_OK;
    return (cj_program_run)(&(cj_run_options){.size = sizeof(cj_run_options), .program = f->update});
}

static cj_status run_step(fit *f, const cj_batch *batch)
{
    float loss, correct;
    set_learning_rate(f);
    cj_status status = cj__batch_program_run(&f->step, batch, &loss, &correct, NULL, NULL);
    if (status == CJ_OK) status = update_if_due(f);
    if (status != CJ_OK)
        return cj__fail_within(status, "epoch %lld, step %lld", (long long)f->progress.epoch,
                               (long long)f->state.step + 1);
    cj__scores_add(&f->state.training, (double)loss, (double)correct, cj__batch_counted(batch));
    f->state.step++;
    f->state.updates++;
    cj__lookahead_step(&f->lookahead, f->state.updates, f->state.step == f->steps);
    f->progress.training = f->state.training;
    f->progress.step = f->state.step;
    return CJ_OK;
}

static cj_status run_steps(fit *f)
{
    cj_batch batch;
    int64_t every = f->o->checkpoints.every_steps;
    while (!f->stop && f->state.step < f->steps) {
        if (!cj_loader_next(f->loader, &batch)) return cj_loader_status(f->loader);
        CJ__TRY(run_step(f, &batch));
        if (every > 0 && f->state.updates % every == 0 && f->state.step < f->steps)
            CJ__TRY(save_checkpoint(f));
        CJ__TRY(tell(f));
    }
    return CJ_OK;
}

/* The figure that early stopping goes by; less is better. */
static double watched(const fit *f)
{
    const cj_scores *s = f->validates ? &f->progress.validation : &f->progress.training;
    return f->o->early_stopping.monitor == CJ_MONITOR_ACCURACY ? -s->accuracy : s->loss;
}

static bool keeps_best(const cj_fit_options *o)
{
    return o->early_stopping.patience > 0 || o->early_stopping.restore_best;
}

/* NaN is better than nothing and worse than anything else. */
static cj_status judge(fit *f)
{
    cj__fit_state *s = &f->state;
    double figure = watched(f);
    f->progress.best = s->best_epoch == 0 || figure < s->best - f->o->early_stopping.min_delta ||
                       (isnan(s->best) && !isnan(figure));
    if (!f->progress.best) {
        s->bad_epochs++;
        return CJ_OK;
    }
    s->best = figure;
    s->best_epoch = s->epoch;
    s->bad_epochs = 0;
    return keeps_best(f->o) ? cj__best_weights_keep(&f->best, f->o->model) : CJ_OK;
}

static bool out_of_patience(const fit *f)
{
    const cj_early_stopping *e = &f->o->early_stopping;
    return e->patience > 0 && f->state.bad_epochs >= e->patience;
}

static cj_status record_epoch(fit *f)
{
    cj__fit_state *s = &f->state;
    CJ__TRY(cj__grow(&s->history, &s->history_room, s->epoch, sizeof *s->history));
    s->history[s->epoch++] = (cj__epoch){f->progress.training, f->progress.validation,
                                         f->progress.learning_rate, f->progress.seconds};
    s->step = 0;
    s->training = cj__scores_none(f->o->loss);
    if (f->o->schedule.kind == CJ_SCHEDULE_PLATEAU)
        cj_plateau_update(&f->o->schedule, &s->plateau,
                          (f->validates ? &f->progress.validation : &f->progress.training)->loss);
    CJ__TRY(judge(f));
    return cj__run_log_epoch(&f->log, &f->progress);
}

/* Validation, and the best weights, are of the moving averages where there are any. */
static cj_status judge_epoch(fit *f)
{
    cj_status status = CJ_OK;
    cj_model_swap_averages(f->o->model);
    if (f->validates) status = cj__evaluation_run(&f->validation, &f->progress.validation);
    f->progress.seconds = cj__now() - f->started;
    if (status == CJ_OK) status = record_epoch(f);
    cj_model_swap_averages(f->o->model);
    return status;
}

static cj_status save_after_epoch(fit *f)
{
    const cj_checkpoints *c = &f->o->checkpoints;
    int64_t every = c->every_epochs == 0 ? 1 : c->every_epochs;
    bool last = f->state.epoch == f->o->epochs || out_of_patience(f) || f->stop;
    if (every > 0 && (f->state.epoch % every == 0 || last)) CJ__TRY(save_checkpoint(f));
    if (c->best && f->progress.best && f->o->folder) CJ__TRY(cj__checkpoint_save_best(&f->checkpointing));
    return CJ_OK;
}

/* Every few seconds, so that a long run can be watched and a short one is not slowed down. */
static cj_status write_report(fit *f, bool now_please)
{
    enum { SECONDS = 5 };
    if (!f->o->folder || (!now_please && cj__now() - f->reported < SECONDS)) return CJ_OK;
    f->reported = cj__now();
    return cj_run_report(f->o->folder, &(cj_run_report_options){.size = sizeof(cj_run_report_options)});
}

static cj_status train_epoch(fit *f)
{
    f->progress.epoch = f->state.epoch + 1;
    f->progress.step = f->state.step;
    f->progress.training = f->state.training;
    f->progress.validation = cj__scores_none(f->o->loss);
    f->progress.epoch_done = f->progress.best = false;
    f->started = cj__now();
    CJ__TRY(redraw(f, f->progress.epoch));
    if (f->state.step == 0) cj__begin_pass(f->o->model);
    cj_loader_seek(f->loader, f->state.epoch, f->state.step);
    CJ__TRY(run_steps(f));
    if (f->state.step < f->steps) return CJ_OK; /* stopped on the way */
    CJ__TRY(judge_epoch(f));
    CJ__TRY(save_after_epoch(f));
    CJ__TRY(write_report(f, false));
    f->progress.epoch_done = true;
    if (out_of_patience(f))
        snprintf(f->note, sizeof f->note, "stopped early: no epoch was better than epoch %lld",
                 (long long)f->state.best_epoch);
    return tell(f);
}

/* --- beginning ----------------------------------------------------------------------------------------- */

static cj_status prepare_validation(fit *f, const cj_dataset *dataset, int64_t first, int64_t count)
{
    const cj_fit_options *o = f->o;
    f->validates = count > 0;
    if (!f->validates) return CJ_OK;
    cj_evaluate_options options = {.size = sizeof options,
                                   .model = o->model,
                                   .forward = o->forward,
                                   .context = o->context,
                                   .dataset = dataset,
                                   .first = first,
                                   .count = count,
                                   .scale = o->scale,
                                   .shift = o->shift,
                                   .mean = o->mean,
                                   .deviation = o->deviation,
                                   .channels = o->channels,
                                   .loss = o->loss,
                                   .precision = o->precision,
                                   .kernels = o->kernels,
                                   .batch_size = o->batch_size};
    return cj__evaluation_begin(&f->validation, &options);
}

/* Without a dataset of its own for validation the last rows are kept for it. */
static int64_t training_rows(const cj_fit_options *o)
{
    int64_t rows = cj_dataset_count(o->dataset);
    return o->validation_dataset ? rows : (int64_t)((double)rows * (1 - o->validation) + 0.5);
}

cj_status cj_fit_loader(const cj_fit_options *o, cj_loader **loader)
{
    int64_t rows = training_rows(o);
    cj_loader_options options = {.size = sizeof options,
                                 .dataset = o->dataset,
                                 .count = rows,
                                 .batch_size = o->batch_size,
                                 .shuffle = true,
                                 .seed = o->seed,
                                 .scale = o->scale,
                                 .shift = o->shift,
                                 .mean = o->mean,
                                 .deviation = o->deviation,
                                 .channels = o->channels,
                                 .augment = o->augment,
                                 .classes = o->classes};
    *loader = NULL;
    if (rows < 1) return cj__fail(CJ_INVALID_ARGUMENT, "there are no rows to train on");
    return (cj_loader_new)(loader, &options);
}

/* Of the training rows alone. */
static cj_status whiten(fit *f)
{
    const cj_fit_options *o = f->o;
    int64_t rows = cj_loader_rows(f->loader);
    return cj_whiten(o->model, &(cj_whiten_options){.size = sizeof(cj_whiten_options),
                                                    .name = o->whiten,
                                                    .dataset = o->dataset,
                                                    .rows = rows < 5000 ? rows : 5000,
                                                    .scale = o->scale,
                                                    .shift = o->shift,
                                                    .mean = o->mean,
                                                    .deviation = o->deviation,
                                                    .channels = o->channels});
}

/* Weights that do not begin by chance. */
static cj_status load_weights(fit *f)
{
    if (f->o->weights) CJ__TRY(cj_load_weights(f->o->model, f->o->weights, &f->weights));
    return f->o->whiten ? whiten(f) : CJ_OK;
}

/* One process at a time trains in a folder. */
static cj_status lock_folder(fit *f)
{
    CJ__TRY(cj__folder_make(f->o->folder));
    f->lock = open(f->o->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->lock >= 0 && flock(f->lock, LOCK_EX | LOCK_NB) != 0)
        return cj__fail(CJ_IO_ERROR, "%s: another process is training there", f->o->folder);
    return CJ_OK;
}

static cj_status restore(fit *f)
{
    if (!f->o->resume) return CJ_OK;
    cj_status status = cj__checkpoint_restore(&f->checkpointing, f->note);
    if (status == CJ_NOT_FOUND) return CJ_OK; /* it was ended before its first one: from the start */
    CJ__TRY(status);
    f->restored = true;
    if (!*f->note)
        snprintf(f->note, sizeof f->note, "resumed after epoch %lld, step %lld", (long long)f->state.epoch,
                 (long long)f->state.step);
    return CJ_OK;
}

static cj_status open_folder(fit *f)
{
    const cj_fit_options *o = f->o;
    char folder[4096];
    if (!o->folder) return CJ_OK;
    CJ__TRY(lock_folder(f));
    snprintf(folder, sizeof folder, "%s/checkpoints", o->folder);
    cj__folder_sweep(o->folder);
    cj__folder_sweep(folder);
    f->checkpointing = (cj__checkpointing){.folder = o->folder,
                                           .options = &o->checkpoints,
                                           .model = o->model,
                                           .state = &f->state,
                                           .best = &f->best,
                                           .order = {o->seed, cj_loader_rows(f->loader), o->batch_size},
                                           .recipe = o->recipe,
                                           .kernels = o->kernels,
                                           .prepare = redraw_as_saved,
                                           .context = f};
    CJ__TRY(restore(f));
    CJ__TRY(cj__run_log_open(&f->log, o->folder, &f->state));
    f->progress.updates = f->state.updates;
    return cj__run_log_begin(&f->log, o->name, &f->progress);
}

/* What a resumed run had come to. */
static void recall(fit *f)
{
    const cj__fit_state *s = &f->state;
    if (s->epoch == 0) return;
    f->progress.epoch = s->epoch;
    f->progress.training = s->history[s->epoch - 1].training;
    f->progress.validation = s->history[s->epoch - 1].validation;
    f->progress.learning_rate = s->history[s->epoch - 1].learning_rate;
    f->progress.updates = s->updates;
}

static cj_status begin(fit *f)
{
    const cj_fit_options *o = f->o;
    if (!(o->validation >= 0 && o->validation < 1))
        return cj__fail(CJ_INVALID_ARGUMENT, "validation is a share from 0 up to 1, not %g", o->validation);
    CJ__TRY(cj_schedule_check(&o->schedule));
    int64_t rows = cj_dataset_count(o->dataset), training = training_rows(o);
    CJ__TRY(cj_fit_loader(o, &f->loader));
    f->steps = cj_loader_steps(f->loader);
    CJ__TRY(make_step(f));
    CJ__TRY(o->validation_dataset
                ? prepare_validation(f, o->validation_dataset, 0, cj_dataset_count(o->validation_dataset))
                : prepare_validation(f, o->dataset, training, rows - training));
    f->progress.model = o->model;
    f->progress.epochs = o->epochs;
    f->progress.steps = f->steps;
    f->state.training = cj__scores_none(o->loss);
    CJ__TRY(cj__lookahead_begin(&f->lookahead, o, f->steps));
    if (!o->resume) CJ__TRY(load_weights(f));
    CJ__TRY(open_folder(f));
    if (o->resume && !f->restored) CJ__TRY(load_weights(f));
    recall(f);
    f->started = f->reported = cj__now();
    f->progress.summary = f->step.summary;
    f->progress.weights = f->weights;
    CJ__TRY(tell(f));
    f->progress.summary = NULL;
    f->progress.weights = NULL;
    return CJ_OK;
}

/* --- ending -------------------------------------------------------------------------------------------- */

static cj_status finish(fit *f)
{
    char path[4096];
    cj_model_swap_averages(f->o->model);
    if (keeps_best(f->o)) cj__best_weights_put_back(&f->best, f->o->model);
    if (!f->o->folder) return CJ_OK;
    snprintf(path, sizeof path, "%s/model.safetensors", f->o->folder);
    CJ__TRY(cj_model_save(f->o->model, path, f->o->recipe));
    f->progress.updates = f->state.updates;
    CJ__TRY(cj__run_log_end(&f->log, &f->progress));
    return write_report(f, true);
}

static void end(fit *f)
{
    cj__run_log_close(&f->log);
    if (f->lock >= 0) close(f->lock);
    cj__free(f->state.history);
    cj__free(f->best.data);
    cj__evaluation_end(&f->validation);
    cj_weights_report_free(f->weights);
    cj_program_free(f->update);
    cj__batch_program_free(&f->step);
    cj_loader_free(f->loader);
}

cj_status cj_fit(const cj_fit_options *options, cj_progress *last)
{
    fit f = {.o = options, .lock = -1};
    cj_status status = begin(&f);
    while (status == CJ_OK && !f.stop && f.state.epoch < options->epochs && !out_of_patience(&f))
        status = train_epoch(&f);
    if (status == CJ_OK) status = finish(&f);
    if (last) *last = f.progress;
    end(&f);
    return status;
}

/* The log of a run, written by fit line by line; run_history.c reads it. */
#include "train/run_log.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static double wall_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void file_in(char path[4096], const char *folder, const char *name)
{
    snprintf(path, 4096, "%s/%s", folder, name);
}

static cj_status cut_to(cj__append *file, uint64_t size)
{
    return file->size > size ? cj__append_cut(file, size) : CJ_OK;
}

/* The event file's first record, its version, is written by opening it: 0 bytes means no checkpoint yet. */
static cj_status open_events(cj__run_log *log, const char *path, uint64_t size)
{
    CJ__TRY(cj__events_open(&log->events, path, wall_clock()));
    if (size > 0 || log->events.file.size == 0) return cut_to(&log->events.file, size);
    CJ__TRY(cj__append_cut(&log->events.file, 0));
    cj__events_close(&log->events);
    return cj__events_open(&log->events, path, wall_clock());
}

cj_status cj__run_log_open(cj__run_log *log, const char *folder, const cj__fit_state *state)
{
    char path[4096];
    file_in(path, folder, "log.jsonl");
    CJ__TRY(cj__jsonl_open(&log->log, path));
    log->open = true;
    CJ__TRY(cut_to(&log->log.file, state->log_bytes));
    file_in(path, folder, "events.out.tfevents.cajal");
    return open_events(log, path, state->event_bytes);
}

cj_status cj__run_log_begin(cj__run_log *log, const char *name, const cj_progress *p)
{
    if (!log->open) return CJ_OK;
    cj__jsonl_string(&log->log, "event", p->updates ? "resume" : "begin");
    if (name) cj__jsonl_string(&log->log, "name", name);
    cj__jsonl_integer(&log->log, "epochs", p->epochs);
    cj__jsonl_integer(&log->log, "steps", p->steps);
    cj__jsonl_integer(&log->log, "updates", p->updates);
    cj__jsonl_number(&log->log, "time", wall_clock());
    return cj__jsonl_end_line(&log->log);
}

static void put_scores(cj__jsonl *log, const char *loss, const char *accuracy, const char *count,
                       const cj_scores *s)
{
    cj__jsonl_number(log, loss, s->loss);
    if (isfinite(s->accuracy)) cj__jsonl_number(log, accuracy, s->accuracy);
    cj__jsonl_integer(log, count, s->count);
}

static cj_status put_curves(cj__events *events, const cj_progress *p)
{
    double now = wall_clock();
    bool judged = isfinite(p->training.accuracy);
    CJ__TRY(cj__events_scalar(events, "loss/training", p->updates, (float)p->training.loss, now));
    CJ__TRY(cj__events_scalar(events, "learning_rate", p->updates, (float)p->learning_rate, now));
    if (judged)
        CJ__TRY(cj__events_scalar(events, "accuracy/training", p->updates, (float)p->training.accuracy, now));
    if (!p->validation.count) return CJ_OK;
    CJ__TRY(cj__events_scalar(events, "loss/validation", p->updates, (float)p->validation.loss, now));
    return judged ? cj__events_scalar(events, "accuracy/validation", p->updates,
                                      (float)p->validation.accuracy, now)
                  : CJ_OK;
}

cj_status cj__run_log_epoch(cj__run_log *log, const cj_progress *p)
{
    if (!log->open) return CJ_OK;
    cj__jsonl_string(&log->log, "event", "epoch");
    cj__jsonl_integer(&log->log, "epoch", p->epoch);
    cj__jsonl_integer(&log->log, "updates", p->updates);
    cj__jsonl_number(&log->log, "seconds", p->seconds);
    cj__jsonl_number(&log->log, "learning_rate", p->learning_rate);
    put_scores(&log->log, "loss", "accuracy", "count", &p->training);
    if (p->validation.count) put_scores(&log->log, "val_loss", "val_accuracy", "val_count", &p->validation);
    CJ__TRY(cj__jsonl_end_line(&log->log));
    return put_curves(&log->events, p);
}

cj_status cj__run_log_note(cj__run_log *log, const cj_progress *p)
{
    if (!log->open) return CJ_OK;
    cj__jsonl_string(&log->log, "event", "note");
    cj__jsonl_integer(&log->log, "updates", p->updates);
    cj__jsonl_string(&log->log, "text", p->note);
    return cj__jsonl_end_line(&log->log);
}

cj_status cj__run_log_end(cj__run_log *log, const cj_progress *p)
{
    if (!log->open) return CJ_OK;
    cj__jsonl_string(&log->log, "event", "end");
    cj__jsonl_integer(&log->log, "updates", p->updates);
    return cj__jsonl_end_line(&log->log);
}

void cj__run_log_mark(const cj__run_log *log, cj__fit_state *state)
{
    if (!log->open) return;
    state->log_bytes = log->log.file.size;
    state->event_bytes = log->events.file.size;
}

void cj__run_log_close(cj__run_log *log)
{
    if (!log->open) return;
    cj__jsonl_close(&log->log);
    cj__events_close(&log->events);
    log->open = false;
}

cj_status cj_run_log_test(const char *folder, const cj_scores *scores)
{
    char path[4096];
    cj__jsonl log = {0};
    file_in(path, folder, "log.jsonl");
    CJ__TRY(cj__jsonl_open(&log, path));
    cj__jsonl_string(&log, "event", "test");
    put_scores(&log, "loss", "accuracy", "count", scores);
    cj_status status = cj__jsonl_end_line(&log);
    cj__jsonl_close(&log);
    return status;
}

/* The log of a run: written by fit, line by line, and read back for `cajal runs`. */
#include "train/run_log.h"
#include "base/file.h"
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { LONGEST_LOG = 1 << 28 };

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

/* --- writing ------------------------------------------------------------------------------------------- */

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

/* --- reading ------------------------------------------------------------------------------------------- */

/* One line's fields, as far as they are wanted. */
typedef struct {
    char event[32], name[128];
    double epoch, epochs, seconds;
    cj_scores scores, validation;
} line;

static void read_number(cj__json *j, double *to)
{
    if (cj__json_peek(j) == 'n')
        cj__json_skip(j);
    else
        *to = cj__json_number(j);
}

static void read_count(cj__json *j, int64_t *to)
{
    *to = (int64_t)cj__json_unsigned(j);
}

static void read_string(cj__json *j, cj__arena *arena, char *to, size_t room)
{
    const char *text = cj__json_string(j, arena);
    if (text) snprintf(to, room, "%s", text);
}

static void read_field(cj__json *j, cj__arena *arena, const char *key, line *l)
{
    const struct {
        const char *key;
        double *number;
    } numbers[] = {{"epoch", &l->epoch},
                   {"epochs", &l->epochs},
                   {"seconds", &l->seconds},
                   {"loss", &l->scores.loss},
                   {"accuracy", &l->scores.accuracy},
                   {"val_loss", &l->validation.loss},
                   {"val_accuracy", &l->validation.accuracy}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(key, numbers[i].key) == 0) {
            read_number(j, numbers[i].number);
            return;
        }
    if (strcmp(key, "count") == 0)
        read_count(j, &l->scores.count);
    else if (strcmp(key, "val_count") == 0)
        read_count(j, &l->validation.count);
    else if (strcmp(key, "event") == 0)
        read_string(j, arena, l->event, sizeof l->event);
    else if (strcmp(key, "name") == 0)
        read_string(j, arena, l->name, sizeof l->name);
    else
        cj__json_skip(j);
}

static cj_status read_line(const char *text, size_t size, line *l)
{
    cj__arena arena = {0};
    cj__json j;
    *l = (line){.scores = {.accuracy = (double)NAN}, .validation = {.accuracy = (double)NAN}};
    cj__json_begin(&j, text, size);
    cj__json_enter(&j, '{');
    for (int64_t i = 0; cj__json_more(&j, i, '}'); i++) {
        const char *key = cj__json_key(&j, &arena);
        if (!key) break;
        read_field(&j, &arena, key, l);
    }
    cj_status status = cj__json_finish(&j);
    cj__arena_free(&arena);
    return status;
}

static void apply(cj_run_info *info, const line *l)
{
    if (strcmp(l->event, "begin") == 0 || strcmp(l->event, "resume") == 0) {
        if (*l->name) memcpy(info->name, l->name, sizeof info->name);
        info->epochs = (int64_t)l->epochs;
        info->finished = false;
    } else if (strcmp(l->event, "epoch") == 0) {
        info->epoch = (int64_t)l->epoch;
        info->seconds += l->seconds;
        info->training = l->scores;
        info->validation = l->validation;
    } else if (strcmp(l->event, "end") == 0) {
        info->finished = true;
    } else if (strcmp(l->event, "test") == 0) {
        info->test = l->scores;
    }
}

cj_status cj_run_read(const char *folder, cj_run_info *info)
{
    char path[4096], *text;
    size_t size;
    *info = (cj_run_info){0};
    file_in(path, folder, "log.jsonl");
    CJ__TRY(cj__file_read(path, LONGEST_LOG, &text, &size));
    cj_status status = CJ_OK;
    int64_t number = 1;
    for (char *at = text, *end; status == CJ_OK && (end = memchr(at, '\n', (size_t)(text + size - at)));
         at = end + 1, number++) {
        line l;
        status = read_line(at, (size_t)(end - at), &l);
        if (status == CJ_OK)
            apply(info, &l);
        else
            status = cj__fail_within(status, "%s:%lld", path, (long long)number);
    }
    cj__free(text);
    return status;
}

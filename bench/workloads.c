/* Reference workloads, timed as bench/torch_workloads.py times them:
 *   workloads NAME [--threads N] [--seconds S] [--eval] [--batch N]
 *             [--precision highest|high|medium] [--init FILE]
 * prints one line: threads, parameters, steps, best and median microseconds of a step, losses that prove the
 * work, and the most memory it took above what it had at the start. NAME is a row of `workloads` in
 * cli/workload.c. */
#include "precision.h"
#include "workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRY(call)                                                                                            \
    do {                                                                                                     \
        cj_status status_ = (call);                                                                          \
        if (status_ != CJ_OK) return status_;                                                                \
    } while (0)

typedef struct {
    job job;
    int threads;
    double seconds;
    double at_start;  /* megabytes */
    const char *init; /* safetensors: parameters, batch.x and batch.y; NULL: own random numbers */
} settings;

/* --- weights and batch from a file -------------------------------------------------------------------------
 */

static cj_status wrong_file(const char *path, const char *name, const char *what)
{
    fprintf(stderr, "workloads: %s: tensor '%s' %s\n", path, name, what);
    return CJ_FORMAT_ERROR;
}

/* The weights, which must be all that the file has but for the batch. */
static cj_status load_weights(const char *path, const job *j)
{
    cj_weights_report *report;
    cj_status status =
        cj_load_weights(j->model, &(cj_weights){.size = sizeof(cj_weights), .from = path}, &report);
    for (int64_t i = 0; status == CJ_OK && i < report->count; i++) {
        const cj_weight *w = &report->weights[i];
        if (w->fate == CJ_WEIGHT_UNEXPECTED && strncmp(w->name, "batch.", 6) != 0)
            status = wrong_file(path, w->name, "is not in the network");
    }
    cj_weights_report_free(report);
    return status;
}

/* Pictures are [N,C,H,W] in the file. */
static cj_shape_t shape_in_file(cj_shape_t s)
{
    return s.rank == 4 ? cj_shape(s.dims[0], s.dims[3], s.dims[1], s.dims[2]) : s;
}

static void put_channels_last(const float *from, cj_shape_t s, float *to)
{
    int64_t pixels = s.dims[1] * s.dims[2], channels = s.dims[3];
    for (int64_t n = 0; n < s.dims[0]; n++, from += pixels * channels, to += pixels * channels)
        for (int64_t p = 0; p < pixels; p++)
            for (int64_t c = 0; c < channels; c++) to[p * channels + c] = from[c * pixels + p];
}

static cj_status load_tensor(const char *path, cj_tensor_file *file, const char *name, cj_tensor target)
{
    int64_t index = cj_tensor_file_find(file, name);
    cj_tensor found;
    if (index < 0) return wrong_file(path, name, "is missing");
    TRY(cj_tensor_file_describe(file, index, &found));
    if (found.dtype != target.dtype || !cj_shape_equal(found.shape, shape_in_file(target.shape)))
        return wrong_file(path, name,
                          "has another element type or shape than here; is the batch size the same?");
    TRY(cj_tensor_file_tensor(file, index, &found));
    if (target.shape.rank == 4)
        put_channels_last(found.data, target.shape, target.data);
    else
        memcpy(target.data, found.data, cj_tensor_bytes(&target));
    return CJ_OK;
}

static cj_status load(const char *path, const job *j)
{
    cj_tensor_file *file;
    TRY(load_weights(path, j));
    TRY(cj_tensor_file_open(&file, path));
    cj_status status = load_tensor(path, file, "batch.x", j->x);
    if (status == CJ_OK) status = load_tensor(path, file, "batch.y", j->y);
    cj_tensor_file_close(file);
    return status;
}

/* --- the measurement --------------------------------------------------------------------------------------
 */

/* A figure of /proc/self/status in megabytes; 0 where there is none. */
static double resident(const char *field)
{
    char line[256];
    long long kilobytes = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, field, strlen(field)) == 0) kilobytes = strtoll(line + strlen(field), NULL, 10);
    if (file) fclose(file);
    return (double)kilobytes / 1024;
}

static void print(const settings *s, const timing *t)
{
    const job *j = &s->job;
    printf("%s%s thr %d batch %lld params %lld steps %lld best_us %.2f median_us %.2f loss %.7f ", j->w->name,
           j->evaluate ? "-eval" : "", s->threads, (long long)j->batch, (long long)job_parameters(j),
           (long long)t->runs, 1e6 * t->best, 1e6 * t->median, job_loss(j));
    if (!j->evaluate) printf("loss_after_one %.7f ", j->early_loss);
    printf("first_step_us %.0f peak_mb %.1f\n", 1e6 * t->first, resident("VmHWM:") - s->at_start);
}

enum { FEWEST_STEPS = 11 }; /* the eleventh tells the loss */

/* The first step counts as one of the eleven; what reading a file takes does not count as drawing. */
static cj_status measure(settings *s)
{
    timing t;
    TRY(job_fill(&s->job));
    TRY(cj_set_threads(s->threads));
    double start = clock_now();
    TRY(job_draw(&s->job));
    double drawn = clock_now() - start;
    if (s->init) TRY(load(s->init, &s->job));
    TRY(time_runs(job_run, &s->job, s->seconds, FEWEST_STEPS, &t));
    t.first += drawn;
    print(s, &t);
    return CJ_OK;
}

/* --- the command line -------------------------------------------------------------------------------------
 */

static int usage(void)
{
    fprintf(stderr, "usage: workloads NAME [--threads N] [--seconds S] [--eval] [--batch N]\n"
                    "                      [--precision highest|high|medium] [--init FILE]\nnames:");
    for (int i = 0; i < workload_count; i++) fprintf(stderr, " %s", workloads[i].name);
    fprintf(stderr, "\n");
    return 2;
}

/* A number from `least` to `most` that is all of `text`. */
static bool number(const char *text, double least, double most, double *value)
{
    char *end;
    *value = strtod(text, &end);
    return *text && !*end && *value >= least && *value <= most;
}

static bool read_option(settings *s, const char *name, const char *value)
{
    double x;
    if (strcmp(name, "--init") == 0) return s->init = value, true;
    if (strcmp(name, "--precision") == 0 && read_precision(value, &s->job.precision)) return true;
    if (strcmp(name, "--threads") == 0 && number(value, 1, 256, &x)) return s->threads = (int)x, true;
    if (strcmp(name, "--seconds") == 0 && number(value, 0, 1e6, &x)) return s->seconds = x, true;
    if (strcmp(name, "--batch") == 0 && number(value, 1, 1e6, &x)) return s->job.batch = (int64_t)x, true;
    fprintf(stderr, "workloads: '%s %s' is not understood\n", name, value);
    return false;
}

int main(int count, char **arguments)
{
    settings s = {.threads = 1, .seconds = 5, .at_start = resident("VmRSS:")};
    if (count > 1) s.job.w = find_workload(arguments[1]);
    if (!s.job.w) return usage();
    s.job.batch = s.job.w->batch;
    for (int i = 2; i < count; i++) {
        if (strcmp(arguments[i], "--eval") == 0)
            s.job.evaluate = true;
        else if (i + 1 == count)
            return usage();
        else if (!read_option(&s, arguments[i], arguments[i + 1]))
            return 2;
        else
            i++;
    }
    cj_status status = measure(&s);
    if (status != CJ_OK) fprintf(stderr, "workloads: %s: %s\n", cj_status_name(status), cj_error_message());
    job_discard(&s.job);
    return status == CJ_OK ? 0 : 1;
}

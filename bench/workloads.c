/* Reference workloads, timed as bench/torch_workloads.py times them:
 *   workloads NAME [--threads N] [--seconds S] [--eval] [--batch N]
 *             [--precision highest|high|medium] [--init FILE]
 * prints one line: threads, parameters, steps, best and median microseconds of a step, and a loss that proves
 * the work. NAME is a row of `workloads` below. */
#include <cajal/cajal.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TRY(call)                                                                                            \
    do {                                                                                                     \
        cj_status status_ = (call);                                                                          \
        if (status_ != CJ_OK) return status_;                                                                \
    } while (0)

/* --- the networks: names of parameters as PyTorch's, so that one file serves both --------------------------
 */

/* x: [N,784] → logits: [N,10] */
static cj_value mlp(cj_scope s, cj_value x)
{
    x = cj_relu(cj_dense(cj_at(s, "0"), x, .units = 64));
    x = cj_relu(cj_dense(cj_at(s, "2"), x, .units = 64));
    return cj_dense(cj_at(s, "4"), x, .units = 10);
}

typedef struct {
    const char *name;
    cj_value (*forward)(cj_scope s, cj_value x);
    int64_t batch;    /* in training */
    int64_t features; /* of an example: normal numbers */
    int64_t classes;  /* labels are drawn from 0 … classes-1 */
    cj_optimizer optimizer;
} workload;

static const workload workloads[] = {
    {"mlp", mlp, 128, 784, 10, {.kind = CJ_ADAM, .learning_rate = 1e-3}},
};
enum { WORKLOADS = sizeof workloads / sizeof *workloads };

typedef struct {
    const workload *w;
    int threads;
    int64_t batch;
    double seconds;
    bool evaluate;
    cj_precision precision;
    const char *init; /* safetensors: parameters, batch.x and batch.y; NULL: own random numbers */
} settings;

/* --- the batch and the initial values ------------------------------------------------------------------- */

typedef struct {
    cj_tensor x, y; /* f32 [N,features], i32 [N] */
} batch;

static cj_status batch_new(batch *b, const settings *s)
{
    *b = (batch){.x = {NULL, CJ_F32, cj_shape(s->batch, s->w->features)},
                 .y = {NULL, CJ_I32, cj_shape(s->batch)}};
    b->x.data = malloc(cj_tensor_bytes(&b->x));
    b->y.data = malloc(cj_tensor_bytes(&b->y));
    return b->x.data && b->y.data ? CJ_OK : CJ_OUT_OF_MEMORY;
}

/* Nearly normal numbers (sums of twelve uniform ones) and random labels. */
static void batch_fill(batch *b, int64_t classes)
{
    float *x = b->x.data;
    int32_t *y = b->y.data;
    srand(1);
    for (int64_t i = 0; i < cj_shape_count(b->x.shape); i++) {
        double sum = 0;
        for (int k = 0; k < 12; k++) sum += (double)rand() / RAND_MAX;
        x[i] = (float)(sum - 6);
    }
    for (int64_t i = 0; i < cj_shape_count(b->y.shape); i++) y[i] = (int32_t)(rand() % classes);
}

static void batch_free(batch *b)
{
    free(b->x.data);
    free(b->y.data);
}

static cj_status wrong_file(const char *path, const char *name, const char *what)
{
    fprintf(stderr, "workloads: %s: tensor '%s' %s\n", path, name, what);
    return CJ_FORMAT_ERROR;
}

/* Where a tensor of the file belongs: in the batch or in the model. */
static cj_tensor target_of(const char *name, const cj_model *model, const batch *b)
{
    if (strcmp(name, "batch.x") == 0) return b->x;
    if (strcmp(name, "batch.y") == 0) return b->y;
    return cj_model_find(model, name);
}

static cj_status load_tensors(const char *path, cj_tensor_file *file, cj_model *model, batch *b)
{
    for (int64_t i = 0; i < cj_tensor_file_count(file); i++) {
        const char *name = cj_tensor_file_name(file, i);
        cj_tensor found, target = target_of(name, model, b);
        TRY(cj_tensor_file_describe(file, i, &found));
        if (!target.data) return wrong_file(path, name, "is not in the network");
        if (found.dtype != target.dtype || !cj_shape_equal(found.shape, target.shape))
            return wrong_file(path, name,
                              "has another element type or shape than here; is the batch size the same?");
        TRY(cj_tensor_file_read(file, i, target.data));
    }
    return CJ_OK;
}

static cj_status all_there(const char *path, const cj_tensor_file *file, const cj_model *model)
{
    for (int64_t i = 0; i < cj_model_count(model); i++) {
        cj_variable_info v = cj_model_variable(model, i);
        if (v.role == CJ_PARAMETER && cj_tensor_file_find(file, v.name) < 0)
            return wrong_file(path, v.name, "is missing");
    }
    if (cj_tensor_file_find(file, "batch.x") < 0) return wrong_file(path, "batch.x", "is missing");
    if (cj_tensor_file_find(file, "batch.y") < 0) return wrong_file(path, "batch.y", "is missing");
    return CJ_OK;
}

static cj_status load(const char *path, cj_model *model, batch *b)
{
    cj_tensor_file *file;
    TRY(cj_tensor_file_open(&file, path));
    cj_status status = load_tensors(path, file, model, b);
    if (status == CJ_OK) status = all_there(path, file, model);
    cj_tensor_file_close(file);
    return status;
}

/* --- the measurement -------------------------------------------------------------------------------------
 */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct {
    cj_model *model;
    cj_graph *graph;
    cj_program *step;
    float *result; /* the loss, or logits [N,classes] */
} drawing;

static cj_status draw(drawing *d, const settings *s, const batch *b)
{
    const workload *w = s->w;
    TRY(cj_model_new(&d->model, .seed = 1));
    TRY(cj_graph_new(&d->graph, d->model, .mode = s->evaluate ? CJ_INFERENCE : CJ_TRAINING,
                     .precision = s->precision));
    cj_value x = cj_input(d->graph, "x", b->x.dtype, b->x.shape);
    cj_value result = w->forward(cj_root(d->graph), x);
    if (!s->evaluate) {
        result = cj_cross_entropy(result, cj_input(d->graph, "y", b->y.dtype, b->y.shape));
        cj_minimize(result, w->optimizer);
    }
    cj_output(d->graph, "result", result);
    TRY(cj_compile(&d->step, d->graph));
    d->result = calloc((size_t)cj_shape_count(cj_value_shape(result)), sizeof *d->result);
    return d->result ? CJ_OK : CJ_OUT_OF_MEMORY;
}

static cj_status run(const drawing *d, const batch *b)
{
    return cj_program_run(d->step, .inputs = {b->x, b->y}, .outputs = {d->result});
}

/* Mean cross-entropy of logits [N,C] against labels [N], outside of what is timed. */
static double loss_of(const float *logits, const batch *b, int64_t classes)
{
    const int32_t *labels = b->y.data;
    int64_t rows = cj_shape_count(b->y.shape);
    double total = 0;
    for (int64_t r = 0; r < rows; r++, logits += classes) {
        double largest = (double)logits[0], sum = 0;
        for (int64_t c = 1; c < classes; c++) largest = fmax(largest, (double)logits[c]);
        for (int64_t c = 0; c < classes; c++) sum += exp((double)logits[c] - largest);
        total += largest + log(sum) - (double)logits[labels[r]];
    }
    return total / (double)rows;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct {
    double best, median, loss, first_step; /* seconds */
    int64_t steps;
} figures;

enum { MOST_TIMES = 1 << 21, BEFORE_LOSS = 10, FEWEST_STEPS = 30 };

static cj_status time_steps(const settings *s, const drawing *d, const batch *b, double *times, figures *f)
{
    int64_t count = 0;
    double begin = now();
    while (count < FEWEST_STEPS || (now() - begin < s->seconds && count < MOST_TIMES)) {
        double start = now();
        TRY(run(d, b));
        times[count++] = now() - start;
        if (count == 1) f->first_step = times[0];
        /* A training step gives the loss before its update: the eleventh gives the loss after ten. */
        if (!s->evaluate && count == BEFORE_LOSS + 1) f->loss = (double)d->result[0];
    }
    if (s->evaluate) f->loss = loss_of(d->result, b, s->w->classes);
    qsort(times, (size_t)count, sizeof *times, compare_doubles);
    f->steps = count;
    f->best = times[0];
    f->median = times[count / 2];
    return CJ_OK;
}

static int64_t parameters_of(const cj_model *model)
{
    int64_t count = 0;
    for (int64_t i = 0; i < cj_model_count(model); i++) {
        cj_variable_info v = cj_model_variable(model, i);
        if (v.role == CJ_PARAMETER) count += cj_shape_count(v.tensor.shape);
    }
    return count;
}

static void print(const settings *s, const drawing *d, const figures *f)
{
    printf("%s%s thr %d batch %lld params %lld steps %lld best_us %.2f median_us %.2f loss %.7f "
           "first_step_us %.0f\n",
           s->w->name, s->evaluate ? "-eval" : "", s->threads, (long long)s->batch,
           (long long)parameters_of(d->model), (long long)f->steps, 1e6 * f->best, 1e6 * f->median, f->loss,
           1e6 * f->first_step);
}

/* The first step counts as one of the eleven; what reading a file takes does not count as drawing. */
static cj_status measure(const settings *s, drawing *d, batch *b)
{
    figures f = {0};
    TRY(batch_new(b, s));
    batch_fill(b, s->w->classes);
    TRY(cj_set_threads(s->threads));
    double start = now();
    TRY(draw(d, s, b));
    double drawn = now() - start;
    if (s->init) TRY(load(s->init, d->model, b));
    double *times = malloc(MOST_TIMES * sizeof *times);
    if (!times) return CJ_OUT_OF_MEMORY;
    cj_status status = time_steps(s, d, b, times, &f);
    f.first_step += drawn;
    free(times);
    if (status == CJ_OK) print(s, d, &f);
    return status;
}

/* --- the command line -------------------------------------------------------------------------------------
 */

static int usage(void)
{
    fprintf(stderr, "usage: workloads NAME [--threads N] [--seconds S] [--eval] [--batch N]\n"
                    "                      [--precision highest|high|medium] [--init FILE]\nnames:");
    for (int i = 0; i < WORKLOADS; i++) fprintf(stderr, " %s", workloads[i].name);
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

static bool read_precision(const char *name, cj_precision *precision)
{
    static const char *const names[] = {"highest", "high", "medium"}; /* by their cj_precision */
    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0) return *precision = (cj_precision)i, true;
    return false;
}

static bool read_option(settings *s, const char *name, const char *value)
{
    double x;
    if (strcmp(name, "--init") == 0) return s->init = value, true;
    if (strcmp(name, "--precision") == 0 && read_precision(value, &s->precision)) return true;
    if (strcmp(name, "--threads") == 0 && number(value, 1, 256, &x)) return s->threads = (int)x, true;
    if (strcmp(name, "--seconds") == 0 && number(value, 0, 1e6, &x)) return s->seconds = x, true;
    if (strcmp(name, "--batch") == 0 && number(value, 1, 1e6, &x)) return s->batch = (int64_t)x, true;
    fprintf(stderr, "workloads: '%s %s' is not understood\n", name, value);
    return false;
}

int main(int count, char **arguments)
{
    settings s = {.threads = 1, .seconds = 5};
    for (int i = 0; i < WORKLOADS && count > 1; i++)
        if (strcmp(arguments[1], workloads[i].name) == 0) s.w = &workloads[i];
    if (!s.w) return usage();
    s.batch = s.w->batch;
    for (int i = 2; i < count; i++) {
        if (strcmp(arguments[i], "--eval") == 0)
            s.evaluate = true;
        else if (i + 1 == count)
            return usage();
        else if (!read_option(&s, arguments[i], arguments[i + 1]))
            return 2;
        else
            i++;
    }
    drawing d = {0};
    batch b = {0};
    cj_status status = measure(&s, &d, &b);
    if (status != CJ_OK) fprintf(stderr, "workloads: %s: %s\n", cj_status_name(status), cj_error_message());
    free(d.result);
    batch_free(&b);
    cj_program_free(d.step);
    cj_graph_free(d.graph);
    cj_model_free(d.model);
    return status == CJ_OK ? 0 : 1;
}

/* Reference workloads, timed: `workloads NAME [--threads N] [--seconds S] [--eval] [--batch N]
 * [--precision highest|high|medium]` prints the
 * best and median time of a step and the loss after ten. NAME: mlp (784-64-64-10, ReLU, cross-entropy, Adam,
 * batch 128, normal inputs). */
#include <cajal/cajal.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TRY(call)                                                                                            \
    if ((call) != CJ_OK) return fprintf(stderr, "workloads: %s\n", cj_error_message()), 1

typedef struct {
    int threads;
    int64_t batch;
    double seconds;
    bool evaluate;
    cj_precision precision;
} settings;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* x: [N,784] → logits: [N,10] */
static cj_value mlp(cj_scope s, cj_value x)
{
    x = cj_relu(cj_dense(cj_at(s, "0"), x, .units = 64));
    x = cj_relu(cj_dense(cj_at(s, "2"), x, .units = 64));
    return cj_dense(cj_at(s, "4"), x, .units = 10);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void fill(float *x, int32_t *y, int64_t batch)
{
    srand(1);
    for (int64_t i = 0; i < batch * 784; i++) {
        double sum = 0; /* of twelve uniforms: nearly normal */
        for (int k = 0; k < 12; k++) sum += (double)rand() / RAND_MAX;
        x[i] = (float)(sum - 6);
    }
    for (int64_t i = 0; i < batch; i++) y[i] = rand() % 10;
}

static int measure(const settings *s)
{
    cj_model *model;
    cj_graph *g;
    cj_program *step;
    double started = now();
    TRY(cj_model_new(&model, .seed = 1));
    TRY(cj_graph_new(&g, model, .mode = s->evaluate ? CJ_INFERENCE : CJ_TRAINING, .precision = s->precision));
    cj_value x = cj_input(g, "x", CJ_F32, cj_shape(s->batch, 784)),
             y = cj_input(g, "y", CJ_I32, cj_shape(s->batch));
    cj_value logits = mlp(cj_root(g), x);
    cj_value loss = cj_cross_entropy(logits, y);
    cj_output(g, "result", s->evaluate ? logits : loss);
    if (!s->evaluate) cj_minimize(loss, cj_adam(.learning_rate = 1e-3));
    TRY(cj_compile(&step, g));
    double compiled = now();

    float *images = malloc((size_t)s->batch * 784 * sizeof *images),
          *result = malloc((size_t)s->batch * 10 * sizeof *result);
    int32_t *labels = malloc((size_t)s->batch * sizeof *labels);
    enum { MOST = 1000000 };
    double *times = malloc(MOST * sizeof *times);
    if (!images || !result || !labels || !times) return fprintf(stderr, "workloads: out of memory\n"), 1;
    fill(images, labels, s->batch);
    cj_tensor tx = {images, CJ_F32, cj_shape(s->batch, 784)}, ty = {labels, CJ_I32, cj_shape(s->batch)};
    double tenth = 0, begin = now();
    int64_t count = 0;
    while ((now() - begin < s->seconds || count < 30) && count < MOST) {
        double start = now();
        TRY(cj_program_run(step, .inputs = {tx, ty}, .outputs = {result}));
        times[count++] = now() - start;
        if (count == 10) tenth = (double)result[0];
    }
    qsort(times, (size_t)count, sizeof *times, compare_doubles);
    printf("mlp%s thr %d params 55050 steps %lld best_us %.1f median_us %.1f", s->evaluate ? "-eval" : "",
           s->threads, (long long)count, 1e6 * times[0], 1e6 * times[count / 2]);
    if (!s->evaluate) printf(" loss_after_10 %.6f", tenth);
    printf(" drawing_to_compiled_us %.0f\n", 1e6 * (compiled - started));
    free(images), free(result), free(labels), free(times);
    cj_program_free(step);
    cj_graph_free(g);
    cj_model_free(model);
    return 0;
}

/* Past CJ_MEDIUM when there is no such precision, which cj_graph_new refuses. */
static cj_precision precision_of(const char *name)
{
    static const char *const names[] = {"highest", "high", "medium"};
    int i = 0;
    while (i < 3 && strcmp(name, names[i]) != 0) i++;
    return (cj_precision)i;
}

int main(int count, char **arguments)
{
    settings s = {.threads = 1, .batch = 128, .seconds = 5};
    if (count < 2 || strcmp(arguments[1], "mlp") != 0)
        return fprintf(
                   stderr,
                   "usage: workloads mlp [--threads N] [--seconds S] [--eval] [--batch N] [--precision P]\n"),
               2;
    for (int i = 2; i < count; i++) {
        bool more = i + 1 < count;
        if (strcmp(arguments[i], "--eval") == 0)
            s.evaluate = true;
        else if (more && strcmp(arguments[i], "--threads") == 0)
            s.threads = atoi(arguments[++i]);
        else if (more && strcmp(arguments[i], "--seconds") == 0)
            s.seconds = atof(arguments[++i]);
        else if (more && strcmp(arguments[i], "--batch") == 0)
            s.batch = atoll(arguments[++i]);
        else if (more && strcmp(arguments[i], "--precision") == 0)
            s.precision = precision_of(arguments[++i]);
        else
            return fprintf(stderr, "workloads: '%s' is not understood\n", arguments[i]), 2;
    }
    if (s.threads < 1 || s.batch < 1)
        return fprintf(stderr, "workloads: threads and batch must be at least 1\n"), 2;
    TRY(cj_set_threads(s.threads));
    return measure(&s);
}

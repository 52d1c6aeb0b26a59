/* Times what reads and writes more than it computes, batch norm, pooling and activations, on one thread:
 * passes
 * [--seconds S] [--size H] [--channels C] [CASE]   32 pictures of H by H with C channels, 32 and 64 unless
 * said. A line each: the bytes that its passes over whole tensors cannot do without, over the best time,
 * beside memcpy between tensors of that size in turns, and the one as a share of the other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cajal/cajal.h"

#define TRY(call)                                                                                            \
    do {                                                                                                     \
        cj_status status_ = (call);                                                                          \
        if (status_ != CJ_OK) return status_;                                                                \
    } while (0)

/* What is drawn of x and, for gradients, of the cotangent g, both [32,H,W,C] or what a window makes of that.
 */
static cj_value relu(cj_scope s, cj_value x)
{
    (void)s;
    return cj_relu(x);
}

static cj_value norm(cj_scope s, cj_value x)
{
    return cj_batch_norm(cj_at(s, "norm"), x);
}

static cj_value norm_relu(cj_scope s, cj_value x)
{
    return cj_relu(norm(s, x));
}

static cj_value max_pool(cj_scope s, cj_value x)
{
    (void)s;
    return cj_max_pool(x, .kernel = 2);
}

static cj_value max_pool_3(cj_scope s, cj_value x)
{
    (void)s;
    return cj_max_pool(x, .kernel = 3, .stride = 2, .pad = 1);
}

static cj_value average_pool(cj_scope s, cj_value x)
{
    (void)s;
    return cj_average_pool(x, .kernel = 2);
}

static cj_value global_pool(cj_scope s, cj_value x)
{
    (void)s;
    return cj_global_average_pool(x);
}

/* tensors: how often x's size is read or written at least. Batch norm: moments read x, then x to y; on the
 * way back moments read x, sums read x and g, and x and g become the gradient. */
typedef struct {
    const char *name;
    cj_value (*draw)(cj_scope s, cj_value x);
    bool back; /* only the gradient by x is made */
    double tensors;
} bench_case;

static const bench_case cases[] = {
    {"relu", relu, false, 2},
    {"relu back", relu, true, 3},
    {"batch norm", norm, false, 3},
    {"batch norm + relu", norm_relu, false, 3},
    {"batch norm back", norm, true, 6},
    {"batch norm + relu back", norm_relu, true, 6},
    {"max pool 2x2", max_pool, false, 1.25},
    {"max pool 2x2 back", max_pool, true, 2.25},
    {"max pool 3x3/2", max_pool_3, false, 1.25},
    {"max pool 3x3/2 back", max_pool_3, true, 2.25},
    {"average pool 2x2", average_pool, false, 1.25},
    {"average pool 2x2 back", average_pool, true, 1.25},
    {"global average pool", global_pool, false, 1},
};

typedef struct {
    cj_model *model;
    cj_program *program;
    cj_tensor x, g;
    float *copy; /* as large as x */
} bench;

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static cj_status make_tensor(cj_tensor *t, cj_shape_t shape)
{
    int64_t count = cj_shape_count(shape);
    float *data = malloc((size_t)count * sizeof *data);
    *t = (cj_tensor){data, CJ_F32, shape};
    for (int64_t i = 0; data && i < count; i++) data[i] = (float)(rand() % 2001 - 1000) / 500;
    return data ? CJ_OK : CJ_OUT_OF_MEMORY;
}

static cj_status draw(bench *b, const bench_case *c, cj_graph *g)
{
    cj_value x = cj_input(g, "x", CJ_F32, b->x.shape), gradient;
    cj_value y = c->draw(cj_root(g), x);
    TRY(cj_graph_status(g));
    TRY(make_tensor(&b->g, cj_value_shape(y)));
    if (c->back) {
        cj_value cotangent = cj_input(g, "g", CJ_F32, b->g.shape);
        cj_gradients(cj_sum(cj_mul(y, cotangent), CJ_ALL_AXES, CJ_DROP_AXES), 1, &x, &gradient);
        y = gradient;
    }
    cj_output(g, "y", y);
    return cj_compile(&b->program, g);
}

static cj_status bench_new(bench *b, const bench_case *c, int64_t size, int64_t channels)
{
    cj_graph *g;
    *b = (bench){0};
    TRY(make_tensor(&b->x, cj_shape(32, size, size, channels)));
    b->copy = malloc(cj_tensor_bytes(&b->x));
    if (!b->copy) return CJ_OUT_OF_MEMORY;
    TRY(cj_model_new(&b->model, .seed = 1));
    TRY(cj_graph_new(&g, b->model, .mode = CJ_TRAINING));
    cj_status status = draw(b, c, g);
    cj_graph_free(g);
    return status;
}

static void bench_free(bench *b)
{
    cj_program_free(b->program);
    cj_model_free(b->model);
    free(b->x.data);
    free(b->g.data);
    free(b->copy);
}

/* The best of each, in turns. */
static cj_status best_times(bench *b, bool back, double seconds, double *ours, double *copying)
{
    *ours = *copying = 1e30;
    for (double start = seconds_now(); seconds_now() - start < seconds;) {
        double begun = seconds_now();
        if (back)
            TRY(cj_program_run(b->program, .inputs = {b->x, b->g}));
        else
            TRY(cj_program_run(b->program, .inputs = {b->x}));
        double between = seconds_now();
        memcpy(b->copy, b->x.data, cj_tensor_bytes(&b->x));
        double end = seconds_now();
        if (between - begun < *ours) *ours = between - begun;
        if (end - between < *copying) *copying = end - between;
    }
    return CJ_OK;
}

static cj_status show(const bench_case *c, int64_t size, int64_t channels, double seconds)
{
    bench b;
    double ours = 0, copying = 0;
    cj_status status = bench_new(&b, c, size, channels);
    if (status == CJ_OK) status = best_times(&b, c->back, seconds, &ours, &copying);
    if (status == CJ_OK) {
        double bytes = (double)cj_tensor_bytes(&b.x), speed = c->tensors * bytes / ours;
        double copied = 2 * bytes / copying;
        printf("%-24s %9.1f us %7.1f GB/s   copy %7.1f GB/s   %4.0f %%\n", c->name, ours * 1e6, speed * 1e-9,
               copied * 1e-9, 100 * speed / copied);
        fflush(stdout);
    }
    bench_free(&b);
    return status;
}

static int usage(void)
{
    fprintf(stderr, "usage: passes [--seconds S] [--size H] [--channels C] [CASE]\n");
    return 2;
}

int main(int count, char **arguments)
{
    double seconds = 0.5;
    int64_t size = 32, channels = 64;
    const char *wanted = NULL;
    for (int i = 1; i < count; i++) {
        const char *option = arguments[i], *value = i + 1 < count ? arguments[i + 1] : NULL;
        if (strcmp(option, "--seconds") == 0 && value)
            seconds = strtod(value, NULL), i++;
        else if (strcmp(option, "--size") == 0 && value)
            size = strtoll(value, NULL, 10), i++;
        else if (strcmp(option, "--channels") == 0 && value)
            channels = strtoll(value, NULL, 10), i++;
        else if (option[0] != '-' && !wanted)
            wanted = option;
        else
            return usage();
    }
    if (!(seconds > 0) || size < 2 || size > 4096 || channels < 1 || channels > 65536) return usage();
    cj_status status = cj_set_threads(1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases && status == CJ_OK; i++)
        if (!wanted || strcmp(wanted, cases[i].name) == 0) status = show(&cases[i], size, channels, seconds);
    if (status != CJ_OK) fprintf(stderr, "passes: %s\n", cj_error_message());
    return status == CJ_OK ? 0 : 1;
}

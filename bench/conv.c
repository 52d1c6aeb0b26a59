/* Times convolution and its gradients on one thread, in GFLOP/s (2·results·taps·channels over the best time),
 * random data. conv [--seconds S] [--kernel NAME] [--error] [FILTER]   the shapes of docs/performance.md;
 * NAME: a kernel of src/cpu/kernels.def to be asked first, "gradient by the input f32" conv --serve for
 * compare_conv.py: a line "batch in out height width kernel stride padding groups op seconds" (op: 0 forward,
 * 1 to the input, 2 to the weight) is answered with the best time in microseconds and the kernel's name */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/random.h"
#include "compile/program.h"
#include "cpu/backend.h"
#define CJ_NO_LOCATIONS
#include "cajal/cajal.h"

typedef struct {
    const char *name;
    int64_t batch, in, out, height, width, kernel, stride, padding, groups;
} conv_shape;

static const conv_shape shapes[] = {
    {"64", 32, 64, 64, 32, 32, 3, 1, 1, 1},        {"128", 32, 128, 128, 16, 16, 3, 1, 1, 1},
    {"256", 32, 256, 256, 8, 8, 3, 1, 1, 1},       {"512", 32, 512, 512, 4, 4, 3, 1, 1, 1},
    {"first", 32, 3, 64, 32, 32, 3, 1, 1, 1},      {"stride2", 32, 64, 128, 32, 32, 3, 2, 1, 1},
    {"1x1", 32, 64, 256, 32, 32, 1, 1, 0, 1},      {"1x1-stride2", 32, 64, 128, 32, 32, 1, 2, 0, 1},
    {"mnist1", 128, 1, 32, 28, 28, 3, 1, 0, 1},    {"mnist2", 128, 32, 64, 26, 26, 3, 1, 0, 1},
    {"56", 8, 64, 64, 56, 56, 3, 1, 1, 1},         {"stem", 2, 3, 64, 224, 224, 7, 2, 3, 1},
    {"depthwise", 8, 96, 96, 56, 56, 3, 1, 1, 96}, {"groups", 8, 128, 128, 28, 28, 3, 1, 1, 32},
    {"one-64", 1, 64, 64, 32, 32, 3, 1, 1, 1},     {"one-512", 1, 512, 512, 4, 4, 3, 1, 1, 1},
};

static const cj__op ops[] = {CJ__OP_convolution, CJ__OP_convolution_input_gradient,
                             CJ__OP_convolution_weight_gradient};
static const char *const op_names[] = {"forward", "to input", "to weight"};

typedef struct {
    cj__window_attributes window;
    cj_shape_t shape[3]; /* of both operands and of the result */
    double operations;
    float *operand[2], *result;
    cj_program *program;
} bench;

/* Of this thread's own processor time: other programs on the machine disturb it least. */
static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void describe(bench *b, const conv_shape *s, int op)
{
    int64_t height = (s->height + 2 * s->padding - s->kernel) / s->stride + 1;
    int64_t width = (s->width + 2 * s->padding - s->kernel) / s->stride + 1;
    cj_shape_t x = cj_shape(s->batch, s->height, s->width, s->in),
               y = cj_shape(s->batch, height, width, s->out);
    cj_shape_t weight = cj_shape(s->kernel, s->kernel, s->in / s->groups, s->out);
    b->window = (cj__window_attributes){.rank = 2, .groups = s->groups};
    for (int d = 0; d < 2; d++) {
        b->window.kernel[d] = s->kernel;
        b->window.stride[d] = s->stride;
        b->window.dilation[d] = 1;
        b->window.before[d] = b->window.after[d] = s->padding;
        if (op == 1) b->window.size[d] = x.dims[1 + d];
    }
    b->shape[0] = op == 1 ? y : x;
    b->shape[1] = op == 2 ? y : weight;
    b->shape[2] = op == 0 ? y : op == 1 ? x : weight;
}

/* The backend's kernels, those of that name before the others. */
static const cj__kernel *const *kernels_with(const char *name)
{
    static const cj__kernel *kernels[256];
    int count = 0;
    for (int turn = 0; turn < 2; turn++)
        for (const cj__kernel *const *k = cj__cpu_backend.kernels; *k && count < 255; k++)
            if ((name && strcmp((*k)->name, name) == 0) == (turn == 0)) kernels[count++] = *k;
    kernels[count] = NULL;
    return kernels;
}

static cj_status compile(bench *b, int op, const char *kernel)
{
    cj_graph *g = NULL;
    cj__backend backend = {.name = "cpu", .kernels = kernels_with(kernel)};
    CJ__TRY((cj_graph_new)(&g, &(cj_graph_options){.size = sizeof(cj_graph_options)}));
    cj_value inputs[2];
    for (int i = 0; i < 2; i++) inputs[i] = (cj_input)(g, "x", CJ_F32, b->shape[i]);
    cj_output(g, "y", cj__draw(g, ops[op], &b->window, 2, inputs));
    cj_status status = cj_graph_status(g);
    if (status == CJ_OK) status = cj__compile(g, &backend, &b->program);
    cj_graph_free(g);
    return status;
}

static cj_status run(const bench *b, bool wanted)
{
    cj_run_options o = {.size = sizeof o, .program = b->program, .outputs = {wanted ? b->result : NULL}};
    for (int i = 0; i < 2; i++) o.inputs[i] = (cj_tensor){b->operand[i], CJ_F32, b->shape[i]};
    return (cj_program_run)(&o);
}

static cj_status bench_new(bench *b, const conv_shape *s, int op, const char *kernel)
{
    *b = (bench){0};
    describe(b, s, op);
    CJ__TRY(compile(b, op, kernel));
    b->operations = b->program->operations;
    for (int i = 0; i < 2; i++) {
        int64_t n = cj_shape_count(b->shape[i]);
        b->operand[i] = cj__allocate((size_t)n * sizeof(float));
        if (!b->operand[i]) return cj__out_of_memory((size_t)n * sizeof(float), "an operand");
        for (int64_t k = 0; k < n; k++) b->operand[i][k] = cj__normal(1, (uint64_t)i, (uint64_t)k);
    }
    b->result = cj__allocate((size_t)cj_shape_count(b->shape[2]) * sizeof(float));
    return b->result ? CJ_OK : cj__out_of_memory(0, "a result");
}

static void bench_free(bench *b)
{
    cj_program_free(b->program);
    cj__free(b->operand[0]);
    cj__free(b->operand[1]);
    cj__free(b->result);
}

/* The best of many. */
static cj_status best_time(const bench *b, double seconds, double *best)
{
    CJ__TRY(run(b, false));
    double start = seconds_now(), now = start;
    int64_t repeats = 1;
    for (*best = 1e30; now - start < seconds || *best == 1e30;) {
        for (int64_t i = 0; i < repeats; i++) CJ__TRY(run(b, false));
        double end = seconds_now(), each = (end - now) / (double)repeats;
        if (end - now < 20e-6)
            repeats *= 2;
        else if (each < *best)
            *best = each;
        now = end;
    }
    return CJ_OK;
}

/* The step's kernel, and what it says of itself. */
static const char *kernel_of(const bench *b)
{
    static char text[160];
    const cj__step *step = &b->program->steps[b->program->step_count - 1];
    snprintf(text, sizeof text, "%s %s", step->kernel->name,
             step->kernel->describe ? step->kernel->describe(&step->launch) : "");
    return text;
}

/* ‖result - definition‖ / ‖definition‖ in double precision; negative: no memory. */
static double error_of(const bench *b, int op)
{
    double *arrays[3], difference = 0, norm = 0;
    cj__type types[3];
    bool ok = true;
    for (int i = 0; i < 3; i++) {
        int64_t n = cj_shape_count(b->shape[i]);
        types[i] = (cj__type){CJ_F64, b->shape[i]};
        arrays[i] = cj__allocate((size_t)n * sizeof(double));
        ok = ok && arrays[i];
        for (int64_t k = 0; ok && i < 2 && k < n; k++) arrays[i][k] = b->operand[i][k];
    }
    if (ok) {
        cj__reference r = {&b->window, 2, 1, types, types + 2, (const double *const *)arrays, arrays + 2};
        cj__ops[ops[op]].reference(&r);
        for (int64_t k = 0; k < cj_shape_count(b->shape[2]); k++) {
            double d = b->result[k] - arrays[2][k];
            difference += d * d;
            norm += arrays[2][k] * arrays[2][k];
        }
    }
    for (int i = 0; i < 3; i++) cj__free(arrays[i]);
    return ok ? sqrt(difference / norm) : -1;
}

static cj_status show(const conv_shape *s, int op, const char *kernel, double seconds, bool error)
{
    bench b;
    double time = 0;
    cj_status status = bench_new(&b, s, op, kernel);
    if (status == CJ_OK) status = best_time(&b, seconds, &time);
    if (status == CJ_OK && error) status = run(&b, true);
    if (status == CJ_OK) {
        printf("%-12s %-10s %10.1f us %8.1f GFLOP/s  %s", s->name, op_names[op], time * 1e6,
               b.operations / time * 1e-9, kernel_of(&b));
        if (error) printf("  error %.1e", error_of(&b, op));
        printf("\n");
        fflush(stdout);
    }
    bench_free(&b);
    return status;
}

static cj_status show_all(const char *kernel, double seconds, bool error, const char *filter)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int op = 0; op < 3 && (!filter || strcmp(filter, shapes[i].name) == 0); op++)
            CJ__TRY(show(&shapes[i], op, kernel, seconds, error));
    return CJ_OK;
}

static cj_status serve(void)
{
    char line[256];
    while (fgets(line, sizeof line, stdin)) {
        long long f[10];
        double seconds, best = 0;
        bench b;
        int n = sscanf(line, "%lld %lld %lld %lld %lld %lld %lld %lld %lld %lld %lf", f, f + 1, f + 2, f + 3,
                       f + 4, f + 5, f + 6, f + 7, f + 8, f + 9, &seconds);
        if (n != 11 || f[9] < 0 || f[9] > 2)
            return cj__fail(CJ_INVALID_ARGUMENT, "a line has eleven numbers");
        conv_shape s = {"", f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8]};
        cj_status status = bench_new(&b, &s, (int)f[9], NULL);
        if (status == CJ_OK) status = best_time(&b, seconds, &best);
        if (status == CJ_OK) printf("%.3f %s\n", best * 1e6, kernel_of(&b));
        fflush(stdout);
        bench_free(&b);
        CJ__TRY(status);
    }
    return CJ_OK;
}

static int usage(void)
{
    fprintf(stderr, "usage: conv [--seconds S] [--kernel NAME] [--error] [SHAPE] | --serve\n");
    return 2;
}

int main(int count, char **arguments)
{
    double seconds = 0.3;
    const char *filter = NULL, *kernel = NULL;
    bool error = false, serving = false;
    for (int i = 1; i < count; i++) {
        const char *option = arguments[i];
        if (strcmp(option, "--serve") == 0)
            serving = true;
        else if (strcmp(option, "--error") == 0)
            error = true;
        else if (strcmp(option, "--seconds") == 0 && i + 1 < count)
            seconds = strtod(arguments[++i], NULL);
        else if (strcmp(option, "--kernel") == 0 && i + 1 < count)
            kernel = arguments[++i];
        else if (option[0] != '-' && !filter)
            filter = option;
        else
            return usage();
    }
    if (!(seconds > 0)) return usage();
    cj_status status = cj_set_threads(1);
    if (status == CJ_OK) status = serving ? serve() : show_all(kernel, seconds, error, filter);
    if (status != CJ_OK) fprintf(stderr, "conv: %s\n", cj_error_message());
    return status == CJ_OK ? 0 : 2;
}

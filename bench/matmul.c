/* Times the matrix product on one thread, in GFLOP/s (2·m·n·k over the best time), operands warm, random
 * data. matmul [--seconds S] [--precision highest|high|medium] [GROUP]   the shapes of docs/performance.md
 *   matmul --threads N …  the same with N threads and one in turns, by the clock on the wall, and their ratio
 *   matmul --serve        for compare_matmul.py: a line "batch m n k transpose_a transpose_b precision
 * seconds" is answered with the best time in microseconds and the kernel's name */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/team.h"
#include "cpu/matmul.h"
#include "precision.h"
#include "workload.h"

typedef struct {
    cj__matmul_plan plan;
    cj__matmul_call call;
    float *memory;
    char *scratch, *workspace; /* the latter: of B, where that is packed before */
    size_t scratch_bytes;      /* for each of `threads` */
    int threads;
} product;

/* Of this thread's own processor time, which other programs on the machine disturb least, or, where several
 * threads share the work, of time on the wall. */
static clockid_t watch = CLOCK_THREAD_CPUTIME_ID;

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(watch, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int product_new(product *p, const cj__matmul_shape *s, cj__isa isa, int threads)
{
    int64_t a = s->batch * s->m * s->k, b = s->batch * s->k * s->n, c = s->batch * s->m * s->n;
    uint32_t state = 1;
    *p = (product){.threads = threads};
    cj__matmul_plan_make(&p->plan, s, isa);
    size_t workspace_bytes = cj__matmul_pack_before(&p->plan, false);
    p->scratch_bytes = (p->plan.scratch_bytes + 127) / 64 * 64;
    p->memory = cj__allocate((size_t)(a + b + c) * sizeof(float));
    p->scratch = cj__allocate(p->scratch_bytes * (size_t)threads);
    if (workspace_bytes > 0) p->workspace = cj__allocate(workspace_bytes);
    if (!p->memory || !p->scratch || (workspace_bytes > 0 && !p->workspace)) return -1;
    for (int64_t i = 0; i < a + b + c; i++) {
        state = state * 1664525 + 1013904223;
        p->memory[i] = (float)(int32_t)state * 0x1p-31f;
    }
    p->call = (cj__matmul_call){
        .a = p->memory, .b = p->memory + a, .c = p->memory + a + b, .workspace = p->workspace};
    return 0;
}

static void product_free(product *p)
{
    cj__free(p->memory);
    cj__free(p->scratch);
    cj__free(p->workspace);
}

static void pack_task(void *context, int64_t task, int thread)
{
    (void)thread;
    const product *p = context;
    cj__float_state caller = cj__float_enter();
    cj__matmul_pack(&p->plan, p->call.b, task, p->workspace);
    cj__float_leave(caller);
}

static void run_task(void *context, int64_t task, int thread)
{
    const product *p = context;
    cj__float_state caller = cj__float_enter();
    cj__matmul_run(&p->plan, &p->call, task, p->scratch + p->scratch_bytes * (size_t)thread);
    cj__float_leave(caller);
}

/* As in a training step, where B is another each time. */
static void product_run(product *p)
{
    int64_t packings = p->workspace ? cj__matmul_pack_tasks(&p->plan) : 0;
    if (p->threads > 1) {
        if (packings > 0) cj__team_run(packings, pack_task, p);
        cj__team_run(p->plan.tasks, run_task, p);
        return;
    }
    for (int64_t i = 0; i < packings; i++) cj__matmul_pack(&p->plan, p->call.b, i, p->workspace);
    for (int64_t i = 0; i < p->plan.tasks; i++) cj__matmul_run(&p->plan, &p->call, i, p->scratch);
}

/* The best of many; several products between looks at the clock where one is short. */
static double best_time(product *p, double seconds)
{
    product_run(p);
    double best = 1e30, start = seconds_now();
    int64_t repeats = 1;
    for (double now = start; now - start < seconds || best == 1e30;) {
        for (int64_t i = 0; i < repeats; i++) product_run(p);
        double end = seconds_now(), each = (end - now) / (double)repeats;
        if (end - now < 20e-6)
            repeats *= 2;
        else if (each < best)
            best = each;
        now = end;
    }
    return best;
}

static double measure(const cj__matmul_shape *shape, cj__isa isa, int threads, double seconds,
                      const char **name)
{
    static product p;
    double best = -1;
    if (product_new(&p, shape, isa, threads) == 0) {
        cj__float_state caller = cj__float_enter();
        best = best_time(&p, seconds);
        cj__float_leave(caller);
    }
    product_free(&p);
    *name = cj__matmul_plan_name(&p.plan);
    return best;
}

static void show(const product_shape *b, const char *layout, cj_precision precision, cj__isa isa,
                 double seconds, int threads)
{
    cj__matmul_shape shape = {.batch = b->batch, .m = b->m, .n = b->n, .k = b->k, .precision = precision};
    const char *name;
    shape.transpose_a = layout[0] == 'T';
    shape.transpose_b = layout[1] == 'T';
    double one = 1e30, all = 1e30;
    int turns = threads > 1 ? 5 : 1;
    for (int i = 0; i < turns; i++) {
        one = fmin(one, measure(&shape, isa, 1, seconds / turns, &name));
        if (threads > 1) all = fmin(all, measure(&shape, isa, threads, seconds / turns, &name));
    }
    double time = threads > 1 ? all : one;
    double flops = 2.0 * (double)b->batch * (double)b->m * (double)b->n * (double)b->k;
    char text[64], ratio[32] = "";
    snprintf(text, sizeof text, "%lldx%lldx%lldx%lld", (long long)b->batch, (long long)b->m, (long long)b->n,
             (long long)b->k);
    if (threads > 1) snprintf(ratio, sizeof ratio, "%5.2f x one thread", one / all);
    printf("%-12s %-4.2s %-18s %10.1f us %8.1f GFLOP/s  %s  %s\n", b->group, layout, text, time * 1e6,
           flops / time * 1e-9, ratio, name);
    fflush(stdout);
}

static void show_all(cj__isa isa, cj_precision precision, double seconds, int threads, const char *filter)
{
    for (int i = 0; i < product_shape_count; i++) {
        const product_shape *shape = &product_shapes[i];
        if (filter && strcmp(shape->group, filter) != 0) continue;
        for (const char *layout = product_layouts(shape); *layout; layout += 2)
            show(shape, layout, precision, isa, seconds, threads);
    }
}

static int serve(cj__isa isa)
{
    char line[256];
    while (fgets(line, sizeof line, stdin)) {
        long long batch, m, n, k;
        int transpose_a, transpose_b, precision;
        double seconds;
        const char *name;
        if (sscanf(line, "%lld %lld %lld %lld %d %d %d %lf", &batch, &m, &n, &k, &transpose_a, &transpose_b,
                   &precision, &seconds) != 8)
            return 2;
        cj__matmul_shape shape = {.batch = batch,
                                  .m = m,
                                  .n = n,
                                  .k = k,
                                  .transpose_a = transpose_a,
                                  .transpose_b = transpose_b,
                                  .precision = (cj_precision)precision};
        double best = measure(&shape, isa, 1, seconds, &name);
        printf("%.3f %s\n", best * 1e6, name);
        fflush(stdout);
    }
    return 0;
}

static int usage(void)
{
    fprintf(stderr, "usage: matmul [--seconds S] [--precision highest|high|medium] [--threads N] [GROUP]"
                    " | --serve\n");
    return 2;
}

int main(int count, char **arguments)
{
    double seconds = 0.3;
    int threads = 1;
    cj_precision precision = CJ_HIGHEST;
    const char *filter = NULL;
    cj__isa isa;
    if (cj__isa_choose(&isa) != CJ_OK) {
        fprintf(stderr, "matmul: %s\n", cj_error_message());
        return 2;
    }
    for (int i = 1; i < count; i++) {
        const char *option = arguments[i];
        if (strcmp(option, "--serve") == 0) return serve(isa);
        if (strcmp(option, "--seconds") == 0 && i + 1 < count)
            seconds = strtod(arguments[++i], NULL);
        else if (strcmp(option, "--precision") == 0 && i + 1 < count &&
                 read_precision(arguments[i + 1], &precision))
            i++;
        else if (strcmp(option, "--threads") == 0 && i + 1 < count)
            threads = (int)strtol(arguments[++i], NULL, 10);
        else if (option[0] != '-' && !filter)
            filter = option;
        else
            return usage();
    }
    if (!(seconds > 0) || threads < 1) return usage();
    if (cj_set_threads(threads) != CJ_OK) {
        fprintf(stderr, "matmul: %s\n", cj_error_message());
        return 1;
    }
    if (threads > 1) watch = CLOCK_MONOTONIC;
    show_all(isa, precision, seconds, threads, filter);
    return 0;
}

/* cajal bench: how fast this machine does the built-in workloads of workload.c. */
#include "cli.h"
#include "workload.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

typedef struct {
    const options *o;
    double seconds; /* for each figure */
    cj_precision precision;
    int shown; /* figures so far */
} bench;

/* --- one figure --------------------------------------------------------------------------------------------
 */

typedef struct {
    const char *name, *what; /* "training", "mlp, batch 128" */
    timing t;
    double operations; /* floating-point operations a run; 0: not counted */
} figure;

static void show_object(const figure *f)
{
    printf("{\"name\": ");
    json_string(f->name);
    printf(", \"what\": ");
    json_string(f->what);
    printf(", \"runs\": %lld, ", (long long)f->t.runs);
    json_number("best_us", 1e6 * f->t.best, ", ");
    json_number("median_us", 1e6 * f->t.median, f->operations > 0 ? ", " : "}");
    if (f->operations > 0) json_number("gflops", 1e-9 * f->operations / f->t.best, "}");
}

/* A line as soon as it is known. */
static void show(bench *b, const figure *f)
{
    if (b->o->json) {
        if (b->shown++) printf(", ");
        show_object(f);
        return;
    }
    printf("%-10s %-28s %12.2f %12.2f", f->name, f->what, 1e6 * f->t.best, 1e6 * f->t.median);
    if (f->operations > 0) printf(" %10.1f", 1e-9 * f->operations / f->t.best);
    printf("\n");
    fflush(stdout);
}

/* --- networks ----------------------------------------------------------------------------------------------
 */

enum { FEWEST_RUNS = 5 };

static cj_status time_job(bench *b, const char *name, bool evaluate, int64_t batch)
{
    for (int i = 0; i < workload_count; i++) {
        char what[64];
        if (workloads[i].large) continue;
        job j = {.w = &workloads[i], .evaluate = evaluate, .precision = b->precision};
        j.batch = batch ? batch : j.w->batch;
        figure f = {.name = name, .what = what};
        snprintf(what, sizeof what, "%s, batch %lld", j.w->name, (long long)j.batch);
        cj_status status = job_fill(&j);
        if (status == CJ_OK) status = job_draw(&j);
        if (status == CJ_OK) status = time_runs(job_run, &j, b->seconds, FEWEST_RUNS, &f.t);
        if (status == CJ_OK) f.operations = cj_program_describe(j.program).operations;
        if (status == CJ_OK) show(b, &f);
        job_discard(&j);
        if (status != CJ_OK) return status;
    }
    return CJ_OK;
}

static cj_status time_training(bench *b)
{
    return time_job(b, "training", false, 0);
}

static cj_status time_inference(bench *b)
{
    return time_job(b, "inference", true, 1);
}

/* A model from nothing to the end of its first step. */
static cj_status draw_and_run(void *context)
{
    job_erase(context);
    cj_status status = job_draw(context);
    return status == CJ_OK ? job_run(context) : status;
}

static cj_status time_drawing(bench *b)
{
    job j = {.w = &workloads[0], .precision = b->precision};
    j.batch = j.w->batch;
    figure f = {.name = "drawing", .what = "mlp, to its first step's end"};
    cj_status status = job_fill(&j);
    if (status == CJ_OK) status = time_runs(draw_and_run, &j, b->seconds, FEWEST_RUNS, &f.t);
    if (status == CJ_OK) show(b, &f);
    job_discard(&j);
    return status;
}

/* --- the command itself ------------------------------------------------------------------------------------
 */

static int spawn_version(void)
{
    char *arguments[] = {"cajal", "version", NULL};
    posix_spawn_file_actions_t actions;
    pid_t child;
    int ended = -1;
    if (posix_spawn_file_actions_init(&actions) != 0) return -1;
    if (posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0) != 0 ||
        posix_spawn(&child, "/proc/self/exe", &actions, NULL, arguments, environ) != 0 ||
        waitpid(child, &ended, 0) != child)
        ended = -1;
    posix_spawn_file_actions_destroy(&actions);
    return ended;
}

static cj_status start(void *context)
{
    (void)context;
    return spawn_version() == 0 ? CJ_OK : CJ_IO_ERROR;
}

static cj_status time_start(bench *b)
{
    figure f = {.name = "start", .what = "cajal version, to its end"};
    cj_status status = time_runs(start, NULL, b->seconds, FEWEST_RUNS, &f.t);
    if (status == CJ_OK) show(b, &f);
    if (status == CJ_IO_ERROR)
        fprintf(stderr, "cajal: `cajal version` cannot be started from /proc/self/exe\n");
    return status;
}

/* --- products ----------------------------------------------------------------------------------------------
 */

typedef struct {
    cj_graph *graph;
    cj_program *program;
    cj_tensor a, b; /* f32 [batch,M,K] and [batch,K,N], or with the last two swapped */
} product;

static cj_status random_tensor(cj_tensor *t, int64_t batch, int64_t rows, int64_t columns, bool transposed)
{
    uint32_t state = 1;
    *t = (cj_tensor){NULL, CJ_F32,
                     transposed ? cj_shape(batch, columns, rows) : cj_shape(batch, rows, columns)};
    float *data = t->data = malloc(cj_tensor_bytes(t));
    if (!data) return CJ_OUT_OF_MEMORY;
    for (int64_t i = 0; i < cj_shape_count(t->shape); i++) {
        state = state * 1664525 + 1013904223;
        data[i] = (float)(int32_t)state * 0x1p-31f;
    }
    return CJ_OK;
}

static cj_status draw_product(product *p, const product_shape *s, const char *layout, cj_precision precision)
{
    bool transpose_a = layout[0] == 'T', transpose_b = layout[1] == 'T';
    cj_status status = random_tensor(&p->a, s->batch, s->m, s->k, transpose_a);
    if (status == CJ_OK) status = random_tensor(&p->b, s->batch, s->k, s->n, transpose_b);
    if (status == CJ_OK) status = cj_graph_new(&p->graph, NULL, .mode = CJ_INFERENCE, .precision = precision);
    if (status != CJ_OK) return status;
    cj_value a = cj_input(p->graph, "a", CJ_F32, p->a.shape), b = cj_input(p->graph, "b", CJ_F32, p->b.shape);
    cj_output(p->graph, "c", cj_matmul_transposed(a, b, transpose_a, transpose_b));
    return cj_compile(&p->program, p->graph);
}

static cj_status run_product(void *context)
{
    const product *p = context;
    return cj_program_run(p->program, .inputs = {p->a, p->b});
}

static cj_status time_product(bench *b, const product_shape *s, const char *layout)
{
    char what[64];
    product p = {0};
    figure f = {.name = "matmul", .what = what};
    int used = snprintf(what, sizeof what, "%.2s ", layout);
    if (s->batch > 1) used += snprintf(what + used, sizeof what - (size_t)used, "%lld·", (long long)s->batch);
    snprintf(what + used, sizeof what - (size_t)used, "%lldx%lldx%lld", (long long)s->m, (long long)s->n,
             (long long)s->k);
    cj_status status = draw_product(&p, s, layout, b->precision);
    if (status == CJ_OK) status = time_runs(run_product, &p, b->seconds / 10, 3, &f.t);
    f.operations = 2.0 * (double)s->batch * (double)s->m * (double)s->n * (double)s->k;
    if (status == CJ_OK) show(b, &f);
    cj_program_free(p.program);
    cj_graph_free(p.graph);
    free(p.a.data);
    free(p.b.data);
    return status;
}

static cj_status time_matmul(bench *b)
{
    cj_status status = CJ_OK;
    for (int i = 0; i < product_shape_count; i++) {
        const char *layout = product_layouts(&product_shapes[i]);
        for (; *layout && status == CJ_OK; layout += 2) status = time_product(b, &product_shapes[i], layout);
    }
    return status;
}

/* --- the command -------------------------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    cj_status (*run)(bench *b);
} parts[] = {
    {"training", time_training}, {"inference", time_inference}, {"drawing", time_drawing},
    {"start", time_start},       {"matmul", time_matmul},
};
enum { PARTS = sizeof parts / sizeof *parts };

/* All of them where none is named. */
static bool wanted(const options *o, const char *name)
{
    for (int i = 0; i < o->count; i++)
        if (strcmp(o->operands[i], name) == 0) return true;
    return o->count == 0;
}

static int check_names(const options *o)
{
    for (int i = 0; i < o->count; i++) {
        int k = 0;
        while (k < PARTS && strcmp(o->operands[i], parts[k].name) != 0) k++;
        if (k < PARTS) continue;
        fprintf(stderr, "cajal: there is nothing called '%s' to be timed, only", o->operands[i]);
        for (k = 0; k < PARTS; k++) fprintf(stderr, "%s %s", k ? "," : "", parts[k].name);
        fputs("\n", stderr);
        return EXIT_USAGE;
    }
    return EXIT_OK;
}

static cj_precision precision_of(const options *o)
{
    if (!o->precision || strcmp(o->precision, "highest") == 0) return CJ_HIGHEST;
    return strcmp(o->precision, "high") == 0 ? CJ_HIGH : CJ_MEDIUM;
}

static void begin(const bench *b, const char *instructions)
{
    const char *precision = b->o->precision ? b->o->precision : "highest";
    if (b->o->json)
        printf("{\"version\": \"%s\", \"instruction_set\": \"%s\", \"threads\": %d, \"precision\": \"%s\", "
               "\"figures\": [",
               cj_version(), instructions, cj_threads(), precision);
    else
        printf("cajal %s, %s, threads: %d, precision: %s\n\n%-10s %-28s %12s %12s %10s\n", cj_version(),
               instructions, cj_threads(), precision, "", "", "best us", "median us", "GFLOP/s");
}

int command_bench(const options *o)
{
    const char *instructions;
    bench b = {.o = o, .seconds = (double)whole_option(o->seconds, 1), .precision = precision_of(o)};
    int code = check_names(o);
    if (code == EXIT_OK) code = use_threads(o);
    if (code != EXIT_OK) return code;
    cj_status status = cj_instruction_set(&instructions);
    if (status != CJ_OK) return failed(status);
    begin(&b, instructions);
    for (int i = 0; i < PARTS && status == CJ_OK; i++)
        if (wanted(o, parts[i].name)) status = parts[i].run(&b);
    if (o->json) printf("]}\n");
    return status == CJ_OK ? EXIT_OK : failed(status);
}

/* Pooling on the CPU: f32 windows over [N,size…,C], one after another, channels side by side. What flows back
 * is written image by image, so that overlapping windows of one image meet on one thread. */
#include "cpu/pool.h"
#include "cpu/backend.h"
#include "cpu/isa.h"
#include "ops/window.h"

#include <string.h>

enum { FORWARD_GRAIN = 16384, CHANNELS = 64 }; /* elements a task; channels a task on the way back */

typedef struct {
    const cj__pool_table *table;
    cj__window w;
    int64_t channels, taps;  /* most taps of a window */
    int64_t rows, rows_each; /* of windows: all, and a task's */
    bool apart;              /* no two windows overlap, and they cover everything */
} pool_data;

static const cj__pool_table *const tables[CJ__ISA_COUNT] = {
    [CJ__ISA_SCALAR] = &cj__pool_scalar,
    CJ__IF_NEON([CJ__ISA_NEON] = &cj__pool_neon, ) CJ__IF_AVX2([CJ__ISA_AVX2] = &cj__pool_avx2, )
        CJ__IF_AVX512([CJ__ISA_AVX512] = &cj__pool_avx512, )};

static const char *refuse(const cj__launch *launch)
{
    return launch->types[0].dtype == CJ_F32 ? NULL : "it takes f32 only";
}

static int64_t widest(const cj__window *w, int axis)
{
    if (!w->adaptive) return w->kernel[axis];
    return w->size[axis] / w->result[axis] + 2;
}

static bool windows_apart(const cj__window *w)
{
    for (int d = 0; d < CJ__SPATIAL; d++)
        if (w->adaptive || w->dilation[d] != 1 || w->stride[d] != w->kernel[d] || w->before[d] != 0 ||
            w->result[d] * w->stride[d] != w->size[d])
            return false;
    return true;
}

/* x: what windows look at; y: one element a window */
static cj_status prepare(cj__launch *launch, cj__arena *arena, cj_shape_t x, cj_shape_t y, bool back)
{
    cj__isa isa;
    CJ__TRY(cj__isa_choose(&isa));
    pool_data *d = cj__arena_allocate(arena, sizeof *d);
    if (!d) return cj__out_of_memory(sizeof *d, "pooling");
    *d = (pool_data){.table = tables[cj__isa_vectors(isa)], .w = cj__window_of(launch->attributes, x, y)};
    const cj__window *w = &d->w;
    d->channels = w->in * w->groups;
    d->taps = widest(w, 0) * widest(w, 1) * widest(w, 2);
    d->apart = windows_apart(w);
    d->rows = w->batch * w->result[0] * w->result[1];
    int64_t row = w->result[2] * d->channels * d->taps;
    d->rows_each = row ? (FORWARD_GRAIN + row - 1) / row : 1;
    launch->tasks = back ? w->batch * ((d->channels + CHANNELS - 1) / CHANNELS)
                         : (d->rows + d->rows_each - 1) / d->rows_each;
    launch->scratch_bytes = (size_t)d->taps * (2 * sizeof(float *) + sizeof(int64_t));
    launch->data = d;
    return CJ_OK;
}

/* Offsets of the elements of one window, as floats from the beginning of x. */
static int64_t offsets_of(const cj__window *w, int64_t channels, int64_t n, const int64_t at[CJ__SPATIAL],
                          int64_t *offsets)
{
    cj__window_range r[CJ__SPATIAL];
    int64_t count = 0;
    for (int d = 0; d < CJ__SPATIAL; d++) r[d] = cj__window_along(w, d, at[d]);
    for (int64_t i = r[0].start; i < r[0].stop; i += r[0].step)
        for (int64_t j = r[1].start; j < r[1].stop; j += r[1].step)
            for (int64_t k = r[2].start; k < r[2].stop; k += r[2].step)
                offsets[count++] = (((n * w->size[0] + i) * w->size[1] + j) * w->size[2] + k) * channels;
    return count;
}

/* Some windows, and what is done with each run of them that have one shape: the taps of the first lie at
 * x + offsets, all from channel `first` on. */
typedef struct {
    const pool_data *data;
    void *const *operands;
    const float **x;
    float **other;
} pool_run;
typedef void pool_windows(const pool_run *run, const int64_t *offsets, int64_t window, int64_t first,
                          cj__pool_run *shape);

/* How many windows from `at` on, along the last axis, are the same, each further on by as much. */
static int64_t alike(const cj__window *w, int64_t at, int64_t *step)
{
    cj__window_range r = cj__window_along(w, 2, at), next;
    int64_t end = at + 1, before = r.start;
    for (*step = 0; end < w->result[2]; end++, before = next.start) {
        next = cj__window_along(w, 2, end);
        if (end == at + 1) *step = next.start - before;
        if (next.stop - next.start != r.stop - r.start || next.start - before != *step) break;
    }
    return end - at;
}

/* The windows of a row of results. */
static void each_of_row(const pool_run *run, int64_t row, int64_t first, int64_t channels, pool_windows *some)
{
    int64_t *offsets = (int64_t *)(run->other + run->data->taps), at[CJ__SPATIAL] = {0}, rest = row;
    const cj__window *w = &run->data->w;
    cj__pool_run shape = {.channels = channels, .pitch = run->data->channels, .x = run->x};
    for (int d = CJ__SPATIAL - 2; d >= 0; d--) at[d] = rest % w->result[d], rest /= w->result[d];
    for (; at[2] < w->result[2]; at[2] += shape.windows) {
        shape.windows = alike(w, at[2], &shape.step);
        shape.step *= run->data->channels;
        shape.taps = offsets_of(w, run->data->channels, rest, at, offsets);
        some(run, offsets, row * w->result[2] + at[2], first, &shape);
    }
}

/* --- forwards ------------------------------------------------------------------------------------------ */

static void run_forward(const cj__launch *launch, void *const *operands, int64_t task, void *scratch,
                        pool_windows *some)
{
    const pool_data *d = launch->data;
    pool_run run = {d, operands, scratch, (float **)scratch + d->taps};
    int64_t from = task * d->rows_each, to = from + d->rows_each < d->rows ? from + d->rows_each : d->rows;
    for (int64_t row = from; row < to; row++) each_of_row(&run, row, 0, d->channels, some);
}

static void point(const float **pointers, const int64_t *offsets, int64_t taps, const float *base)
{
    for (int64_t t = 0; t < taps; t++) pointers[t] = base + offsets[t];
}

static void point_to(float **pointers, const int64_t *offsets, int64_t taps, float *base)
{
    for (int64_t t = 0; t < taps; t++) pointers[t] = base + offsets[t];
}

static void max_windows(const pool_run *run, const int64_t *offsets, int64_t window, int64_t first,
                        cj__pool_run *shape)
{
    point(run->x, offsets, shape->taps, (const float *)run->operands[0] + first);
    run->data->table->largest(shape, (float *)run->operands[1] + window * shape->pitch);
}

static void pick_windows(const pool_run *run, const int64_t *offsets, int64_t window, int64_t first,
                         cj__pool_run *shape)
{
    point_to(run->other, offsets, shape->taps, (float *)run->operands[1] + first);
    point(run->x, offsets, shape->taps, (const float *)run->operands[0] + first);
    run->data->table->at_largest(shape, (const float *const *)run->other,
                                 (float *)run->operands[2] + window * shape->pitch);
}

static void sum_windows(const pool_run *run, const int64_t *offsets, int64_t window, int64_t first,
                        cj__pool_run *shape)
{
    point(run->x, offsets, shape->taps, (const float *)run->operands[0] + first);
    run->data->table->sum(shape, (float *)run->operands[1] + window * shape->pitch);
}

static cj_status prepare_forward(cj__launch *launch, cj__arena *arena)
{
    return prepare(launch, arena, launch->types[0].shape, launch->types[launch->inputs_count].shape, false);
}

static void run_max(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    run_forward(launch, operands, task, scratch, max_windows);
}

static void run_pick(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    run_forward(launch, operands, task, scratch, pick_windows);
}

static void run_sum(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    run_forward(launch, operands, task, scratch, sum_windows);
}

/* --- and back ------------------------------------------------------------------------------------------ */

/* Zeros in the task's channels of its image. */
static void clear(const pool_data *d, float *x, int64_t n, int64_t first, int64_t channels)
{
    int64_t pixels = d->w.size[0] * d->w.size[1] * d->w.size[2];
    float *image = x + n * pixels * d->channels + first;
    if (channels == d->channels) {
        memset(image, 0, (size_t)(pixels * channels) * sizeof *image);
        return;
    }
    for (int64_t p = 0; p < pixels; p++) memset(image + p * d->channels, 0, (size_t)channels * sizeof *image);
}

static void run_back(const cj__launch *launch, void *const *operands, int64_t task, void *scratch,
                     float *result, pool_windows *some)
{
    const pool_data *d = launch->data;
    pool_run run = {d, operands, scratch, (float **)scratch + d->taps};
    int64_t blocks = (d->channels + CHANNELS - 1) / CHANNELS, n = task / blocks;
    int64_t first = task % blocks * CHANNELS, rows = d->w.result[0] * d->w.result[1];
    int64_t channels = d->channels - first < CHANNELS ? d->channels - first : CHANNELS;
    if (!d->apart) clear(d, result, n, first, channels);
    for (int64_t row = n * rows; row < (n + 1) * rows; row++) each_of_row(&run, row, first, channels, some);
}

static void max_back(const pool_run *run, const int64_t *offsets, int64_t window, int64_t first,
                     cj__pool_run *shape)
{
    const float *g = (const float *)run->operands[1] + window * shape->pitch + first;
    point_to(run->other, offsets, shape->taps, (float *)run->operands[2] + first);
    point(run->x, offsets, shape->taps, (const float *)run->operands[0] + first);
    run->data->table->to_largest(shape, run->other, g, !run->data->apart);
}

static void sum_back(const pool_run *run, const int64_t *offsets, int64_t window, int64_t first,
                     cj__pool_run *shape)
{
    const float *g = (const float *)run->operands[0] + window * shape->pitch + first;
    point_to(run->other, offsets, shape->taps, (float *)run->operands[1] + first);
    run->data->table->to_all(shape, run->other, g, !run->data->apart);
}

static cj_status prepare_max_back(cj__launch *launch, cj__arena *arena)
{
    return prepare(launch, arena, launch->types[0].shape, launch->types[1].shape, true);
}

static cj_status prepare_sum_back(cj__launch *launch, cj__arena *arena)
{
    return prepare(launch, arena, launch->types[1].shape, launch->types[0].shape, true);
}

static void run_max_back(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    run_back(launch, operands, task, scratch, operands[2], max_back);
}

static void run_sum_back(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    run_back(launch, operands, task, scratch, operands[1], sum_back);
}

#define POOL_KERNEL(kernel, name_, prepare_, run_)                                                           \
    const cj__kernel cj__##kernel##_kernel = {                                                               \
        .name = name_, .op = CJ__OP_##kernel, .refuse = refuse, .prepare = prepare_, .run = run_};
POOL_KERNEL(max_pool, "max pooling f32", prepare_forward, run_max)
POOL_KERNEL(max_pool_pick, "max pooling pick f32", prepare_forward, run_pick)
POOL_KERNEL(max_pool_gradient, "max pooling gradient f32", prepare_max_back, run_max_back)
POOL_KERNEL(sum_pool, "sum pooling f32", prepare_forward, run_sum)
POOL_KERNEL(sum_pool_gradient, "sum pooling gradient f32", prepare_sum_back, run_sum_back)

/* Convolutions whose groups are single channels, and their gradients: channels are the lanes of vectors, a
 * row of results is made at a time, and what lies beside the picture is never read. Where each channel gives
 * several, what is read is spread to one element for each of them, or what is made is summed up. */
#include "cpu/convolution.h"
#include "cpu/depthwise_kernels.h"
#include "cpu/matmul_blocks.h"

#include <stdio.h>
#include <string.h>

static const cj__depthwise_kernels *const kernels_of[CJ__ISA_COUNT] = {
    [CJ__ISA_SCALAR] = &cj__depthwise_scalar,
    CJ__IF_NEON([CJ__ISA_NEON] = &cj__depthwise_neon, ) CJ__IF_AVX2([CJ__ISA_AVX2] = &cj__depthwise_avx2, )
        CJ__IF_AVX512([CJ__ISA_AVX512] = &cj__depthwise_avx512, )};

/* Multiply-adds worth a task; shares of a gradient by the weight, at most. */
enum { TASK_WORK = 1 << 15, MOST_TASKS = 64, SHARES = 16 };

/* --- planning ------------------------------------------------------------------------------------------ */

static cj__sight look(const cj__depthwise_plan *plan, int axis, int64_t phase)
{
    return cj__sight_of(&plan->window, plan->of == CJ__DEPTHWISE_TO_INPUT, axis, phase);
}

static int64_t rows_of(const cj__depthwise_plan *plan, const cj__sight s[CJ__SPATIAL])
{
    return plan->window.batch * s[0].count * s[1].count;
}

static int64_t taps_of(const cj__window *w)
{
    return w->kernel[0] * w->kernel[1] * w->kernel[2];
}

/* Floats that are spread out, or wait to be summed. */
static int64_t spread_floats(const cj__depthwise_plan *plan)
{
    const cj__window *w = &plan->window;
    if (w->out == 1) return 0;
    if (plan->of == CJ__DEPTHWISE) return w->kernel[0] * w->kernel[1] * w->size[2] * plan->channels;
    return w->size[2] * plan->channels;
}

static void plan_rows(cj__depthwise_plan *plan)
{
    cj__sight s[CJ__SPATIAL];
    int64_t parallel = 1;
    for (int a = 0; a < CJ__SPATIAL; a++) {
        plan->phases[a] = cj__phases(&plan->window, plan->of == CJ__DEPTHWISE_TO_INPUT, a);
        s[a] = look(plan, a, 0);
        parallel *= plan->phases[a];
    }
    double work =
        (double)rows_of(plan, s) * (double)(s[2].count * plan->channels) * (double)taps_of(&plan->window);
    int64_t wanted = work > (double)MOST_TASKS * TASK_WORK ? MOST_TASKS : 1 + (int64_t)(work / TASK_WORK);
    plan->blocks = at_least(1, at_most(rows_of(plan, s), divide_up(wanted, parallel)));
    plan->tasks = rows_of(plan, s) * s[2].count * plan->channels == 0 ? 0 : parallel * plan->blocks;
}

void cj__depthwise_plan_make(cj__depthwise_plan *plan, const cj__window *w, cj__depthwise_of of, cj__isa isa)
{
    *plan = (cj__depthwise_plan){
        .kernels = kernels_of[cj__isa_vectors(isa)], .of = of, .window = *w, .channels = w->groups * w->out};
    bool backward = of == CJ__DEPTHWISE_TO_INPUT;
    for (int a = 0; a < CJ__SPATIAL; a++) {
        plan->read[a] = backward ? w->result[a] : w->size[a];
        plan->made[a] = backward ? w->size[a] : w->result[a];
    }
    snprintf(plan->name, sizeof plan->name, "%s", plan->kernels->name);
    plan->weights = taps_of(w) * plan->channels;
    if (of == CJ__DEPTHWISE_TO_WEIGHT) {
        int64_t rows = w->batch * w->result[0] * w->result[1];
        double work = (double)rows * (double)w->result[2] * (double)plan->weights;
        plan->blocks = at_most(at_least(1, rows), work > SHARES * TASK_WORK ? SHARES : 1);
        plan->tasks = plan->weights == 0 ? 0 : plan->blocks;
    } else {
        plan_rows(plan);
        plan->taps_bytes = aligned_bytes(taps_of(w), sizeof(cj__depthwise_tap));
    }
    plan->scratch_bytes = plan->taps_bytes + aligned_bytes(spread_floats(plan), sizeof(float));
}

/* --- several results a channel ------------------------------------------------------------------------- */

/* to[i][c] = x[i][c / each], for `channels` of them */
static void spread(const float *x, int64_t x_pixel, int64_t pixels, int64_t channels, int64_t each, float *to)
{
    for (int64_t i = 0; i < pixels; i++)
        for (int64_t c = 0; c < channels; c++) to[i * channels + c] = x[i * x_pixel + c / each];
}

/* to[i][c] = Σ from[i][c·each + j] over j */
static void sum_up(const float *from, int64_t pixels, int64_t channels, int64_t each, float *to,
                   int64_t to_pixel)
{
    for (int64_t i = 0; i < pixels; i++)
        for (int64_t c = 0; c < channels; c++) {
            float sum = 0;
            for (int64_t j = 0; j < each; j++) sum += from[(i * channels + c) * each + j];
            to[i * to_pixel + c] = sum;
        }
}

/* --- forward, and backward to the input ---------------------------------------------------------------- */

typedef struct {
    const cj__depthwise_plan *plan;
    const cj__product_call *call;
    cj__sight s[CJ__SPATIAL];
    cj__depthwise_tap
        *taps; /* first those of pixel 0 of each row that is seen; then with those of the axis */
    float *spread;
    cj__depthwise_line line;
} worker;

/* Where tap (t,u) reads row (i,j) of the results of an image; false: beside the picture. */
static bool find_row(const worker *w, int64_t image, int64_t i, int64_t j, int64_t t, int64_t u,
                     int64_t *place)
{
    const cj__depthwise_plan *plan = w->plan;
    int64_t plane = w->s[0].from + i * w->s[0].stride + t * w->s[0].dilation;
    int64_t row = w->s[1].from + j * w->s[1].stride + u * w->s[1].dilation;
    *place = ((image * plan->read[0] + plane) * plan->read[1] + row) * plan->read[2];
    return plane >= 0 && plane < plan->read[0] && row >= 0 && row < plan->read[1];
}

/* All taps of pixels that see through taps [low, high) of the last axis, the first of them from pixel x on.
 */
static void find_taps(worker *w, int64_t image, int64_t i, int64_t j, int64_t x, int64_t low, int64_t high)
{
    const cj__depthwise_plan *plan = w->plan;
    const cj__sight *s = w->s;
    const int64_t *kernel = plan->window.kernel;
    bool spread_out = plan->window.out > 1 && plan->of == CJ__DEPTHWISE;
    int64_t slot = 0, place;
    bool slide = s[2].stride == s[2].dilation && cj__depthwise_runs(high - low);
    w->line.taps_count = 0;
    w->line.run = slide ? high - low : 1;
    for (int64_t t = 0; t < s[0].taps; t++)
        for (int64_t u = 0; u < s[1].taps; u++, slot++) {
            if (!find_row(w, image, i, j, t, u, &place)) continue;
            if (spread_out) place = slot * plan->read[2];
            int64_t tap = (s[0].tap + t * s[0].tap_step) * kernel[1] + s[1].tap + u * s[1].tap_step;
            for (int64_t q = low; q < high; q++)
                w->taps[w->line.taps_count++] =
                    (cj__depthwise_tap){(place + x + q * s[2].dilation) * plan->channels,
                                        (tap * kernel[2] + s[2].tap + q * s[2].tap_step) * plan->channels};
        }
}

/* The rows that are seen, each channel once for every result it gives. */
static void spread_rows(const worker *w, int64_t image, int64_t i, int64_t j)
{
    const cj__depthwise_plan *plan = w->plan;
    int64_t groups = plan->window.groups, row = plan->read[2] * plan->channels, place;
    float *to = w->spread;
    for (int64_t t = 0; t < w->s[0].taps; t++)
        for (int64_t u = 0; u < w->s[1].taps; u++, to += row)
            if (find_row(w, image, i, j, t, u, &place))
                spread(w->call->a + place * groups, groups, plan->read[2], plan->channels, plan->window.out,
                       to);
}

/* Taps of the last axis that a result sees which begins at pixel x: [low, high). */
static void taps_at(const worker *w, int64_t x, int64_t *low, int64_t *high)
{
    const cj__sight *s = &w->s[2];
    int64_t size = w->plan->read[2];
    *low = at_most(s->taps, x < 0 ? divide_up(-x, s->dilation) : 0);
    *high = at_least(*low, at_most(s->taps, x < size ? divide_up(size - x, s->dilation) : 0));
}

/* Neighbours that see through the same taps are made together. */
static void run_pixels(worker *w, int64_t image, int64_t i, int64_t j, float *to, int64_t to_pixel)
{
    const cj__sight *s = &w->s[2];
    int64_t low, high, next_low, next_high;
    w->line.y_pixel = to_pixel;
    for (int64_t l = 0, end; l < s->count; l = end) {
        int64_t x = s->from + l * s->stride;
        taps_at(w, x, &low, &high);
        for (end = l + 1; end < s->count; end++) {
            taps_at(w, s->from + end * s->stride, &next_low, &next_high);
            if (next_low != low || next_high != high) break;
        }
        find_taps(w, image, i, j, x, low, high);
        w->line.y = to + l * to_pixel;
        w->line.pixels = end - l;
        w->plan->kernels->line(&w->line);
    }
}

static void run_row(worker *w, int64_t row)
{
    const cj__depthwise_plan *plan = w->plan;
    const cj__sight *s = w->s;
    int64_t j = row % s[1].count, i = row / s[1].count % s[0].count, image = row / s[1].count / s[0].count;
    int64_t groups = plan->window.groups, each = plan->window.out;
    bool summed = plan->of == CJ__DEPTHWISE_TO_INPUT, several = each > 1;
    int64_t made = summed ? groups : plan->channels,
            place = image * plan->made[0] + s[0].first + i * s[0].step;
    place = (place * plan->made[1] + s[1].first + j * s[1].step) * plan->made[2] + s[2].first;
    float *to = w->call->c + place * made;
    if (several && !summed) spread_rows(w, image, i, j);
    if (several && summed) {
        run_pixels(w, image, i, j, w->spread, plan->channels);
        sum_up(w->spread, s[2].count, groups, each, to, s[2].step * made);
    } else {
        run_pixels(w, image, i, j, to, s[2].step * made);
    }
    if (w->call->epilogue.apply)
        w->call->epilogue.apply(w->call->epilogue.context,
                                (cj__rectangle){place * made, s[2].count, made, s[2].step * made});
}

static void run_rows(const cj__depthwise_plan *plan, const cj__product_call *call, int64_t task,
                     char *scratch)
{
    worker w = {.plan = plan,
                .call = call,
                .taps = (cj__depthwise_tap *)(void *)scratch,
                .spread = (float *)(void *)(scratch + plan->taps_bytes)};
    int64_t block = task % plan->blocks;
    task /= plan->blocks;
    for (int a = CJ__SPATIAL - 1; a >= 0; task /= plan->phases[a], a--)
        w.s[a] = look(plan, a, task % plan->phases[a]);
    bool spread_out = plan->window.out > 1 && plan->of == CJ__DEPTHWISE;
    w.line = (cj__depthwise_line){.x = spread_out ? w.spread : call->a,
                                  .weight = call->b,
                                  .x_pixel = w.s[2].stride * plan->channels,
                                  .channels = plan->channels,
                                  .taps = w.taps};
    int64_t rows = rows_of(plan, w.s), last = part_start(rows, plan->blocks, block + 1);
    for (int64_t row = part_start(rows, plan->blocks, block); row < last; row++) run_row(&w, row);
}

/* --- to the weight ------------------------------------------------------------------------------------- */

/* One row of the cotangent times the row of x that taps (t,u) saw for it, for each tap of the last axis. */
static void add_row(const cj__depthwise_plan *plan, const float *x, const float *g, float *sums)
{
    const cj__window *w = &plan->window;
    int64_t stride = w->stride[2], channels = plan->channels;
    if (stride == 1 && w->dilation[2] == 1 && cj__depthwise_runs(w->kernel[2])) {
        plan->kernels->row_sums(
            &(cj__depthwise_row){x, g, w->size[2], w->result[2], w->before[2], channels, sums}, w->kernel[2]);
        return;
    }
    for (int64_t q = 0; q < w->kernel[2]; q++, sums += channels) {
        int64_t from = q * w->dilation[2] - w->before[2]; /* pixel of x for the first result */
        int64_t first = from < 0 ? divide_up(-from, stride) : 0;
        int64_t last = from < w->size[2] ? at_most(w->result[2], divide_up(w->size[2] - from, stride)) : 0;
        if (first < last)
            plan->kernels->sums(x + (from + first * stride) * channels, stride * channels,
                                g + first * channels, channels, last - first, channels, sums);
    }
}

/* Row `r` of the cotangent, times all rows that it saw. */
static void add_rows(const cj__depthwise_plan *plan, const cj__product_call *call, int64_t r, float *sums,
                     float *spread_out)
{
    const cj__window *w = &plan->window;
    int64_t image = r / w->result[1] / w->result[0], i = r / w->result[1] % w->result[0],
            j = r % w->result[1];
    for (int64_t tap = 0; tap < w->kernel[0] * w->kernel[1]; tap++) {
        int64_t plane = i * w->stride[0] - w->before[0] + tap / w->kernel[1] * w->dilation[0];
        int64_t row = j * w->stride[1] - w->before[1] + tap % w->kernel[1] * w->dilation[1];
        if (plane < 0 || plane >= w->size[0] || row < 0 || row >= w->size[1]) continue;
        const float *x = call->a + ((image * w->size[0] + plane) * w->size[1] + row) * w->size[2] * w->groups;
        if (w->out > 1) spread(x, w->groups, w->size[2], plan->channels, w->out, spread_out);
        add_row(plan, w->out > 1 ? spread_out : x, call->b + r * w->result[2] * plan->channels,
                sums + tap * w->kernel[2] * plan->channels);
    }
}

static void run_to_weight(const cj__depthwise_plan *plan, const cj__product_call *call, int64_t task,
                          float *spread_out)
{
    int64_t rows = plan->window.batch * plan->window.result[0] * plan->window.result[1];
    int64_t last = part_start(rows, plan->blocks, task + 1);
    float *sums = call->c + task * plan->weights;
    memset(sums, 0, (size_t)plan->weights * sizeof *sums);
    for (int64_t r = part_start(rows, plan->blocks, task); r < last; r++)
        add_rows(plan, call, r, sums, spread_out);
}

void cj__depthwise_run(const cj__depthwise_plan *plan, const cj__product_call *call, int64_t task,
                       void *scratch)
{
    if (plan->of == CJ__DEPTHWISE_TO_WEIGHT)
        run_to_weight(plan, call, task, (float *)(void *)((char *)scratch + plan->taps_bytes));
    else
        run_rows(plan, call, task, scratch);
}

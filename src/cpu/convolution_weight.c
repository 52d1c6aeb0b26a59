/* The gradient of a convolution by its weight: for each tap, channels of what was looked at times channels of
 * the cotangent, summed over results. A strip of the matrix product's micro-kernel is some channels; what
 * they are in a few rows of pictures is copied pixel after pixel, with padding, so that taps are offsets into
 * it. */
#include "cpu/convolution.h"
#include "cpu/matmul_blocks.h"

#include <stdio.h>
#include <string.h>

/* Results in one step of k, and of a row in one piece; the columns of a task; the work worth one. */
enum { STEP = 256, TASK_COLUMNS = 256, TASK_WORK = 1 << 17, MOST_TASKS = 16 };
/* Strips run over taps and channels where both fit into so many floats: pixels that close share lines. */
enum { FLAT = 32 };
/* Strips that are copied at a time, row by row: they share the lines of a row. */
enum { GROUP = 8 };
/* Weights whose shares one task adds up. */
enum { SUMMED = 4096 };

/* --- planning ------------------------------------------------------------------------------------------ */

static int64_t units_of(const cj__to_weight_plan *plan)
{
    const cj__window *w = &plan->window;
    return w->batch * w->result[0] * plan->parts * w->result[1];
}

static int64_t taps_of(const cj__to_weight_plan *plan)
{
    const cj__window *w = &plan->window;
    return w->kernel[0] * w->kernel[1] * (plan->flat ? 1 : w->kernel[2]);
}

/* Elements that are copied, from the first to the last that `results` neighbours see, and from one result to
 * the next. */
static int64_t extent(const cj__to_weight_plan *plan, int axis, int64_t results)
{
    const cj__window *w = &plan->window;
    return (results - 1) * (w->stride[axis] / plan->hop[axis]) + (w->kernel[axis] - 1) * w->dilation[axis] +
           1;
}

/* Of the ways to make as many tasks as wanted, the one that moves least: each block of rows packs the
 * cotangent, each block of columns copies what was looked at, each block of taps does both. */
static double cut_weight(cj__to_weight_plan *plan, int64_t wanted, double x, double g)
{
    const cj__window *w = &plan->window;
    double least = -1;
    for (int64_t columns = divide_up(w->out, TASK_COLUMNS); columns <= plan->panels; columns++)
        for (int64_t rows = 1; rows <= plan->strips; rows++) {
            int64_t taps = at_most(taps_of(plan), divide_up(wanted, columns * rows * w->groups));
            double moved = (double)taps * ((double)rows * g + (double)columns * x);
            if (columns * rows * taps * w->groups < wanted) moved *= 4; /* too few */
            if (least >= 0 && moved >= least) continue;
            least = moved;
            plan->column_blocks = columns;
            plan->row_blocks = rows;
            plan->tap_blocks = taps;
        }
    return least;
}

/* Or results are cut, which moves the weight instead. */
static void cut(cj__to_weight_plan *plan)
{
    const cj__window *w = &plan->window;
    double x = (double)w->batch * (double)(w->size[0] * w->size[1] * w->size[2]) * (double)w->in;
    double g = (double)w->batch * (double)(w->result[0] * w->result[1] * w->result[2]) * (double)w->out;
    double work = g * (double)(taps_of(plan) * plan->rows * w->groups);
    int64_t wanted = work > (double)MOST_TASKS * TASK_WORK ? MOST_TASKS : 1 + (int64_t)(work / TASK_WORK);
    int64_t columns = divide_up(w->out, TASK_COLUMNS);
    int64_t shares = at_most(divide_up(wanted, columns * w->groups), units_of(plan) / plan->lines);
    double moved = cut_weight(plan, wanted, x, g);
    if (shares > 1 && g + (double)columns * x + 2.0 * (double)(shares * plan->weights) < moved) {
        plan->shares = shares;
        plan->column_blocks = columns;
        plan->row_blocks = plan->tap_blocks = 1;
    }
    plan->tasks = plan->shares * w->groups * plan->column_blocks * plan->row_blocks * plan->tap_blocks;
}

static int64_t group_strips(const cj__to_weight_plan *plan)
{
    return plan->flat ? 1 : at_most(GROUP, divide_up(plan->strips, plan->row_blocks));
}

/* Floats of one pixel that are copied. */
static int64_t pixel_floats(const cj__to_weight_plan *plan)
{
    return plan->flat ? plan->window.in : plan->kernels->tile_rows;
}

/* Floats of what a step looks at, in the channels of a group of strips or, flat, in all. */
static int64_t band_floats(const cj__to_weight_plan *plan)
{
    const cj__window *w = &plan->window;
    int64_t runs = at_most(plan->lines, plan->lines / w->result[1] + 2);
    int64_t apart = w->stride[1] / plan->hop[1];
    int64_t lines = at_most(runs * w->size[1], plan->lines * apart + runs * extent(plan, 1, 1));
    return w->kernel[0] * lines * extent(plan, 2, plan->part) * pixel_floats(plan) * group_strips(plan);
}

void cj__to_weight_plan_make(cj__to_weight_plan *plan, const cj__window *w, cj__isa isa)
{
    *plan = (cj__to_weight_plan){.kernels = cj__matmul_kernels_of(isa), .window = *w, .shares = 1};
    for (int a = 0; a < CJ__SPATIAL; a++) plan->hop[a] = w->kernel[a] == 1 ? w->stride[a] : 1;
    plan->flat = w->dilation[2] == 1 && w->in * (w->stride[2] / plan->hop[2]) <= FLAT;
    plan->rows = plan->flat ? w->kernel[2] * w->in : w->in;
    plan->weights = taps_of(plan) * plan->rows * w->groups * w->out;
    plan->strips = divide_up(plan->rows, plan->kernels->tile_rows);
    plan->panels = divide_up(w->out, plan->kernels->tile_columns);
    plan->parts = divide_up(w->result[2], STEP);
    plan->part = divide_up(w->result[2], plan->parts);
    plan->lines = at_least(1, STEP / plan->part);
    snprintf(plan->name, sizeof plan->name, "%s", plan->kernels->name);
    if (plan->weights == 0) return;
    cut(plan);
    int64_t width = divide_up(plan->panels, plan->column_blocks) * plan->kernels->tile_columns;
    plan->panels_bytes = aligned_bytes(width * plan->lines * plan->part, sizeof(float));
    plan->band_bytes = aligned_bytes(band_floats(plan) + 16, sizeof(float));
    plan->scratch_bytes = plan->panels_bytes + plan->band_bytes + (size_t)plan->lines * sizeof(cj__stretch);
    snprintf(plan->name, sizeof plan->name, "%s, strips over %s", plan->kernels->name,
             plan->flat ? "taps and channels" : "channels");
}

/* --- a task -------------------------------------------------------------------------------------------- */

typedef struct {
    const cj__to_weight_plan *plan;
    const cj__product_call *call;
    int64_t share, group, column, columns; /* the last two of the cotangent's */
    int64_t strip, last_strip, tap, last_tap;
    int64_t unit, last_unit; /* of the present step */
    float *result;           /* at its first row and the task's first column */
    float *panels, *band;
    cj__stretch *stretches;
    int64_t depth; /* results in the present step */
    cj__strip product;
} worker;

/* Neighbouring rows of results, or of one part of a row: one image, row i of the first axis, [from, to) of
 * the second, `pixels` from `left` on of the third. */
typedef struct {
    int64_t image, i, from, to, left, pixels;
    int64_t above, top,
        bottom; /* rows looked at: `above` the first, [top, bottom) of them are in the picture */
} run;

static run run_at(const worker *w, int64_t unit)
{
    const cj__to_weight_plan *plan = w->plan;
    const cj__window *n = &plan->window;
    int64_t plane = unit / n->result[1], part = plane % plan->parts, hop = plan->hop[1];
    plane /= plan->parts;
    run r = {.image = plane / n->result[0], .i = plane % n->result[0], .from = unit % n->result[1]};
    r.to = at_most(n->result[1], r.from + w->last_unit - unit);
    r.left = part_start(n->result[2], plan->parts, part);
    r.pixels = part_start(n->result[2], plan->parts, part + 1) - r.left;
    r.above = r.from * n->stride[1] - n->before[1];
    int64_t rows = extent(plan, 1, r.to - r.from);
    r.top = r.above < 0 ? at_most(rows, divide_up(-r.above, hop)) : 0;
    r.bottom = r.above < n->size[1] ? at_most(rows, divide_up(n->size[1] - r.above, hop)) : 0;
    r.bottom = at_least(r.top, r.bottom);
    return r;
}

/* The step's cotangents as B [results, columns]. */
static void pack_cotangent(worker *w)
{
    const cj__window *n = &w->plan->window;
    int64_t width = w->plan->kernels->tile_columns, channels = n->groups * n->out, lines = 0, at = 0;
    w->depth = 0;
    for (int64_t unit = w->unit; unit < w->last_unit; unit += lines) {
        run r = run_at(w, unit);
        lines = r.to - r.from;
        w->depth += lines * r.pixels;
    }
    for (int64_t unit = w->unit; unit < w->last_unit; unit += lines) {
        run r = run_at(w, unit);
        lines = r.to - r.from;
        bool together = r.pixels == n->result[2]; /* rows follow each other in memory */
        for (int64_t j = 0, rows = together ? lines : 1; j < lines; j += rows, at += rows * r.pixels) {
            int64_t row = (r.image * n->result[0] + r.i) * n->result[1] + r.from + j;
            const float *g =
                w->call->b + (row * n->result[2] + r.left) * channels + w->group * n->out + w->column;
            float *to = w->panels + at * width;
            for (int64_t c = 0; c < w->columns; c += width, to += width * w->depth)
                w->plan->kernels->pack_panels((cj__matrix){g + c, channels, 1}, rows * r.pixels,
                                              at_most(width, w->columns - c), to);
        }
    }
}

/* --- what is looked at --------------------------------------------------------------------------------- */

/* `count` channels of `pixels` pixels `apart` floats from each other; `width` floats for each. */
static void copy_pixels(const worker *w, const float *x, int64_t apart, int64_t pixels, int64_t count,
                        int64_t width, float *to)
{
    int64_t starts[2] = {0, count};
    if (pixels <= 0) return;
    if (width == apart) {
        memcpy(to, x, (size_t)((pixels - 1) * width + count) * sizeof *to);
    } else if (!w->plan->flat && apart >= 2 * width + 4) {
        w->plan->kernels->pack_strips((cj__matrix){x, 1, apart}, starts, 1, pixels, to);
    } else {
        for (int64_t i = 0; i < pixels; i++)
            for (int64_t c = 0; c < count; c++) to[i * width + c] = x[i * apart + c];
    }
}

/* One row of `wide` pixels, zeros beside the picture. */
static void copy_line(const worker *w, const run *r, const float *line, int64_t wide, int64_t count,
                      int64_t width, float *to)
{
    const cj__window *n = &w->plan->window;
    int64_t x = r->left * n->stride[2] - n->before[2], hop = w->plan->hop[2], channels = n->groups * n->in;
    int64_t left = x < 0 ? at_most(wide, divide_up(-x, hop)) : 0;
    int64_t right = x < n->size[2] ? at_most(wide, divide_up(n->size[2] - x, hop)) : 0;
    right = at_least(left, right);
    if (left > 0) memset(to, 0, (size_t)(left * width) * sizeof *to);
    if (left < right)
        copy_pixels(w, line + (x + left * hop) * channels, hop * channels, right - left, count, width,
                    to + left * width);
    if (wide > right) memset(to + right * width, 0, (size_t)((wide - right) * width) * sizeof *to);
}

/* One row in the channels of strips [first, last): [strip][pixel][floats of a pixel] */
static void copy_strips(const worker *w, const run *r, const float *line, int64_t first, int64_t last,
                        float *to)
{
    const cj__to_weight_plan *plan = w->plan;
    int64_t wide = extent(plan, 2, r->pixels), width = pixel_floats(plan);
    if (plan->flat) {
        copy_line(w, r, line, wide, width, width, to);
        return;
    }
    for (int64_t i = first; i < last; i++, to += wide * width) {
        int64_t channel = part_start(plan->rows, plan->strips, i);
        copy_line(w, r, line + channel, wide, part_start(plan->rows, plan->strips, i + 1) - channel, width,
                  to);
    }
}

/* All that the step looks at, for strips [first, last): [run][plane][row][strip]… */
static void copy_band(const worker *w, int64_t first, int64_t last)
{
    const cj__window *n = &w->plan->window;
    int64_t line = n->size[2] * n->groups * n->in;
    float *to = w->band;
    for (int64_t unit = w->unit; unit < w->last_unit;) {
        run r = run_at(w, unit);
        int64_t floats = extent(w->plan, 2, r.pixels) * pixel_floats(w->plan) * (last - first);
        unit += r.to - r.from;
        for (int64_t t = 0; t < n->kernel[0]; t++) {
            int64_t plane = r.i * n->stride[0] - n->before[0] + t * n->dilation[0];
            bool there = plane >= 0 && plane < n->size[0];
            const float *x = w->call->a + w->group * n->in;
            for (int64_t i = r.top; i < r.bottom; i++, to += floats) {
                int64_t row = (r.image * n->size[0] + plane) * n->size[1] + r.above + i * w->plan->hop[1];
                if (there) copy_strips(w, &r, x + row * line, first, last, to);
            }
        }
    }
}

/* Where tap (t,u,v) reads the band for each row of results of the step, with `strips` copied; those that read
 * beside the picture are left out. */
static void find_stretches(worker *w, int64_t strips, int64_t t, int64_t u, int64_t v)
{
    const cj__to_weight_plan *plan = w->plan;
    const cj__window *n = &plan->window;
    int64_t band = 0, at = 0, pixel = pixel_floats(plan), apart = n->stride[1] / plan->hop[1];
    w->product.stretches_count = 0;
    for (int64_t unit = w->unit; unit < w->last_unit;) {
        run r = run_at(w, unit);
        unit += r.to - r.from;
        int64_t plane = r.i * n->stride[0] - n->before[0] + t * n->dilation[0];
        int64_t line = extent(plan, 2, r.pixels) * pixel * strips, rows = r.bottom - r.top;
        for (int64_t j = r.from; j < r.to; j++, at += r.pixels) {
            int64_t i = (j - r.from) * apart + u * n->dilation[1];
            if (plane < 0 || plane >= n->size[0] || i < r.top || i >= r.bottom) continue;
            int64_t a = band + (t * rows + i - r.top) * line + v * n->dilation[2] * pixel;
            w->stretches[w->product.stretches_count++] = (cj__stretch){a, at, r.pixels};
        }
        band += n->kernel[0] * rows * line;
    }
}

/* --- the task ------------------------------------------------------------------------------------------ */

/* Rows of strip i of the weight at tap t (flat: at the row of taps t), from `from` in the band on. */
static void run_strip(worker *w, int64_t t, int64_t i, const float *from)
{
    const cj__to_weight_plan *plan = w->plan;
    int64_t row = part_start(plan->rows, plan->strips, i);
    w->product.a = from;
    w->product.rows = part_start(plan->rows, plan->strips, i + 1) - row;
    w->product.c = w->result + (t * plan->rows + row) * w->product.c_row;
    plan->kernels->strip(&w->product);
}

/* A whole row of what a step has copied has one width: rows in parts are alone in their steps. */
static void run_strips(worker *w, int64_t first, int64_t last)
{
    const cj__to_weight_plan *plan = w->plan;
    int64_t across = plan->flat ? 1 : plan->window.kernel[2], down = plan->window.kernel[1];
    int64_t pixels = w->unit < w->last_unit ? run_at(w, w->unit).pixels : 1;
    int64_t strip = extent(plan, 2, pixels) * pixel_floats(plan);
    for (int64_t t = w->tap; t < w->last_tap; t++) {
        find_stretches(w, plan->flat ? 1 : last - first, t / across / down, t / across % down, t % across);
        for (int64_t i = first; i < last; i++)
            run_strip(w, t, i,
                      w->band + (plan->flat ? part_start(plan->rows, plan->strips, i) : (i - first) * strip));
    }
}

static void run_step(worker *w)
{
    const cj__to_weight_plan *plan = w->plan;
    int64_t groups = plan->flat ? 1 : divide_up(w->last_strip - w->strip, GROUP);
    w->product.b_panel = w->depth * plan->kernels->tile_columns;
    for (int64_t i = 0; i < groups; i++) {
        int64_t first = w->strip + part_start(w->last_strip - w->strip, groups, i);
        int64_t last = w->strip + part_start(w->last_strip - w->strip, groups, i + 1);
        copy_band(w, first, plan->flat ? first + 1 : last);
        run_strips(w, first, last);
    }
}

static worker begin(const cj__to_weight_plan *plan, const cj__product_call *call, int64_t task, char *scratch)
{
    worker w = {.plan = plan, .call = call};
    int64_t width = plan->kernels->tile_columns, j = task % plan->column_blocks;
    int64_t i = (task /= plan->column_blocks) % plan->row_blocks, taps = taps_of(plan);
    int64_t t = (task /= plan->row_blocks) % plan->tap_blocks, groups = plan->window.groups;
    w.group = (task /= plan->tap_blocks) % groups;
    w.share = task / groups;
    w.column = part_start(plan->panels, plan->column_blocks, j) * width;
    w.columns =
        at_most(plan->window.out, part_start(plan->panels, plan->column_blocks, j + 1) * width) - w.column;
    w.strip = part_start(plan->strips, plan->row_blocks, i);
    w.last_strip = part_start(plan->strips, plan->row_blocks, i + 1);
    w.tap = part_start(taps, plan->tap_blocks, t);
    w.last_tap = part_start(taps, plan->tap_blocks, t + 1);
    w.result = call->c + w.share * plan->weights + w.group * plan->window.out + w.column;
    w.panels = (float *)(void *)scratch;
    w.band = (float *)(void *)(scratch + plan->panels_bytes);
    w.stretches = (cj__stretch *)(void *)(scratch + plan->panels_bytes + plan->band_bytes);
    w.product = (cj__strip){.a_row = 1,
                            .a_column = plan->window.stride[2] / plan->hop[2] * pixel_floats(plan),
                            .b = w.panels,
                            .b_row = width,
                            .c_row = groups * plan->window.out,
                            .columns = w.columns,
                            .stretches = w.stretches};
    return w;
}

void cj__to_weight_run(const cj__to_weight_plan *plan, const cj__product_call *call, int64_t task,
                       void *scratch)
{
    worker w = begin(plan, call, task, scratch);
    int64_t first = part_start(units_of(plan), plan->shares, w.share);
    int64_t units = part_start(units_of(plan), plan->shares, w.share + 1) - first;
    int64_t steps = at_least(1, divide_up(units, plan->lines));
    for (int64_t step = 0; step < steps; step++) {
        w.unit = first + part_start(units, steps, step);
        w.last_unit = first + part_start(units, steps, step + 1);
        w.product.add = step > 0;
        pack_cotangent(&w);
        run_step(&w);
    }
}

int64_t cj__sum_shares_tasks(int64_t weights)
{
    return divide_up(weights, SUMMED);
}

void cj__sum_shares(int64_t weights, int64_t shares, const float *from, float *to, int64_t task)
{
    int64_t start = task * SUMMED, n = at_most(SUMMED, weights - start);
    float *restrict sums = to + start;
    memcpy(sums, from + start, (size_t)n * sizeof *sums);
    for (int64_t share = 1; share < shares; share++) {
        const float *x = from + share * weights + start;
        for (int64_t i = 0; i < n; i++) sums[i] += x[i];
    }
}

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

/* --- planning ------------------------------------------------------------------------------------------ */

static int64_t units_of(const cj__to_weight_plan *plan)
{
    const cj__window *w = &plan->window;
    return w->batch * w->result[0] * plan->parts * w->result[1];
}

static int64_t steps_of(const cj__to_weight_plan *plan)
{
    return at_least(1, divide_up(units_of(plan), plan->lines));
}

static int64_t taps_of(const cj__to_weight_plan *plan)
{
    const cj__window *w = &plan->window;
    return w->kernel[0] * w->kernel[1] * (plan->flat ? 1 : w->kernel[2]);
}

/* Pixels from the first to the last that `results` neighbours see. */
static int64_t extent(const cj__window *w, int axis, int64_t results)
{
    return (results - 1) * w->stride[axis] + (w->kernel[axis] - 1) * w->dilation[axis] + 1;
}

/* Each block of rows packs the cotangent, each block of columns copies what was looked at, each block of taps
 * does both: of the ways to make as many tasks as wanted, the one that moves least. */
static void cut(cj__to_weight_plan *plan)
{
    const cj__window *w = &plan->window;
    double x = (double)w->batch * (double)(w->size[0] * w->size[1] * w->size[2]) * (double)w->in;
    double g = (double)w->batch * (double)(w->result[0] * w->result[1] * w->result[2]) * (double)w->out;
    double work = g * (double)(taps_of(plan) * plan->rows * w->groups), least = -1;
    int64_t wanted = work > (double)MOST_TASKS * TASK_WORK ? MOST_TASKS : 1 + (int64_t)(work / TASK_WORK);
    for (int64_t columns = divide_up(w->out, TASK_COLUMNS); columns <= plan->panels; columns++)
        for (int64_t rows = 1; rows <= plan->strips; rows++) {
            int64_t taps = at_most(taps_of(plan), divide_up(wanted, columns * rows * w->groups));
            double moved = (double)taps * ((double)rows * g + (double)columns * x);
            if (columns * rows * taps * w->groups < wanted) moved *= 16; /* too few */
            if (least >= 0 && moved >= least) continue;
            least = moved;
            plan->column_blocks = columns;
            plan->row_blocks = rows;
            plan->tap_blocks = taps;
        }
    plan->tasks = w->groups * plan->column_blocks * plan->row_blocks * plan->tap_blocks;
}

/* Floats of what a step looks at, in one strip's channels or, flat, in all. */
static int64_t band_floats(const cj__to_weight_plan *plan)
{
    const cj__window *w = &plan->window;
    int64_t runs = at_most(plan->lines, plan->lines / w->result[1] + 2);
    int64_t lines = at_most(runs * w->size[1], plan->lines * w->stride[1] + runs * extent(w, 1, 1));
    int64_t width = plan->flat ? w->in : plan->kernels->tile_rows;
    return w->kernel[0] * lines * extent(w, 2, plan->part) * width;
}

void cj__to_weight_plan_make(cj__to_weight_plan *plan, const cj__window *w, cj__isa isa)
{
    *plan = (cj__to_weight_plan){.kernels = cj__matmul_kernels_of(isa), .window = *w};
    plan->flat = w->dilation[2] == 1 && w->in * w->stride[2] <= FLAT;
    plan->rows = plan->flat ? w->kernel[2] * w->in : w->in;
    plan->strips = divide_up(plan->rows, plan->kernels->tile_rows);
    plan->panels = divide_up(w->out, plan->kernels->tile_columns);
    plan->parts = divide_up(w->result[2], STEP);
    plan->part = divide_up(w->result[2], plan->parts);
    plan->lines = at_least(1, STEP / plan->part);
    snprintf(plan->name, sizeof plan->name, "%s", plan->kernels->name);
    if (w->in == 0 || w->out == 0) return;
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
    int64_t group, column, columns; /* of the cotangent's */
    int64_t strip, last_strip, tap, last_tap;
    int64_t unit, last_unit; /* of the present step */
    float *panels, *band;
    cj__stretch *stretches;
    int64_t depth; /* results in the present step */
    cj__strip product;
} worker;

/* Neighbouring rows of results, or of one part of a row: one image, row i of the first axis, [from, to) of
 * the second, `pixels` from `left` on of the third. */
typedef struct {
    int64_t image, i, from, to, left, pixels;
    int64_t top, bottom, width; /* rows looked at, and the pixels of each, padding included */
} run;

static run run_at(const worker *w, int64_t unit)
{
    const cj__to_weight_plan *plan = w->plan;
    const cj__window *n = &plan->window;
    int64_t plane = unit / n->result[1], part = plane % plan->parts;
    plane /= plan->parts;
    run r = {.image = plane / n->result[0], .i = plane % n->result[0], .from = unit % n->result[1]};
    r.to = at_most(n->result[1], r.from + w->last_unit - unit);
    r.left = part_start(n->result[2], plan->parts, part);
    r.pixels = part_start(n->result[2], plan->parts, part + 1) - r.left;
    r.top = at_least(0, r.from * n->stride[1] - n->before[1]);
    r.bottom = at_most(n->size[1], r.from * n->stride[1] - n->before[1] + extent(n, 1, r.to - r.from));
    r.bottom = at_least(r.top, r.bottom);
    r.width = extent(n, 2, r.pixels);
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

/* `count` channels of `pixels` pixels beside each other, `width` floats for each. */
static void copy_pixels(const worker *w, const float *x, int64_t pixels, int64_t count, int64_t width,
                        float *to)
{
    const cj__window *n = &w->plan->window;
    int64_t channels = n->groups * n->in, starts[2] = {0, count};
    if (pixels <= 0) return;
    if (width == channels) {
        memcpy(to, x, (size_t)(pixels * width) * sizeof *to);
    } else if (!w->plan->flat && channels >= 2 * width + 4) {
        w->plan->kernels->pack_strips((cj__matrix){x, 1, channels}, starts, 1, pixels, to);
    } else {
        for (int64_t i = 0; i < pixels; i++)
            for (int64_t c = 0; c < count; c++) to[i * width + c] = x[i * channels + c];
    }
}

/* One row, zeros beside the picture. */
static void copy_line(const worker *w, const run *r, const float *line, int64_t count, int64_t width,
                      float *to)
{
    const cj__window *n = &w->plan->window;
    int64_t x = r->left * n->stride[2] - n->before[2], channels = n->groups * n->in;
    int64_t left = at_most(r->width, at_least(0, -x));
    int64_t right = at_least(left, at_most(r->width, n->size[2] - x));
    if (left > 0) memset(to, 0, (size_t)(left * width) * sizeof *to);
    copy_pixels(w, line + (x + left) * channels, right - left, count, width, to + left * width);
    if (r->width > right) memset(to + right * width, 0, (size_t)((r->width - right) * width) * sizeof *to);
}

/* All that the step looks at, in `count` channels from `channel` on: [run][plane][row][pixel][width]. */
static void copy_band(const worker *w, int64_t channel, int64_t count, int64_t width)
{
    const cj__window *n = &w->plan->window;
    int64_t line = n->size[2] * n->groups * n->in;
    float *to = w->band;
    for (int64_t unit = w->unit; unit < w->last_unit;) {
        run r = run_at(w, unit);
        unit += r.to - r.from;
        for (int64_t t = 0; t < n->kernel[0]; t++) {
            int64_t plane = r.i * n->stride[0] - n->before[0] + t * n->dilation[0];
            bool there = plane >= 0 && plane < n->size[0];
            const float *from = w->call->a + ((r.image * n->size[0] + plane) * n->size[1]) * line;
            for (int64_t y = r.top; y < r.bottom; y++, to += r.width * width)
                if (there) copy_line(w, &r, from + y * line + w->group * n->in + channel, count, width, to);
        }
    }
}

/* Where tap (t,u,v) reads the band for each row of results of the step; those that read beside the picture
 * are left out. */
static void find_stretches(worker *w, int64_t t, int64_t u, int64_t v, int64_t width)
{
    const cj__window *n = &w->plan->window;
    int64_t band = 0, at = 0;
    w->product.stretches_count = 0;
    for (int64_t unit = w->unit; unit < w->last_unit;) {
        run r = run_at(w, unit);
        unit += r.to - r.from;
        int64_t plane = r.i * n->stride[0] - n->before[0] + t * n->dilation[0], line = r.width * width;
        for (int64_t j = r.from; j < r.to; j++, at += r.pixels) {
            int64_t y = j * n->stride[1] - n->before[1] + u * n->dilation[1];
            if (plane < 0 || plane >= n->size[0] || y < 0 || y >= n->size[1]) continue;
            int64_t a = band + (t * (r.bottom - r.top) + y - r.top) * line + v * n->dilation[2] * width;
            w->stretches[w->product.stretches_count++] = (cj__stretch){a, at, r.pixels};
        }
        band += n->kernel[0] * (r.bottom - r.top) * line;
    }
}

/* --- the task ------------------------------------------------------------------------------------------ */

/* Rows [row, row+rows) of the weight at tap t (flat: at the row of taps t), from `from` in the band on. */
static void run_strip(worker *w, int64_t t, int64_t row, int64_t rows, const float *from)
{
    const cj__window *n = &w->plan->window;
    w->product.a = from;
    w->product.rows = rows;
    w->product.c = w->call->c + (t * w->plan->rows + row) * w->product.c_row + w->group * n->out + w->column;
    w->plan->kernels->strip_of_stretches(&w->product);
}

static void run_taps(worker *w, int64_t row, int64_t rows, const float *from, int64_t width)
{
    const cj__window *n = &w->plan->window;
    int64_t across = w->plan->flat ? 1 : n->kernel[2];
    for (int64_t t = w->tap; t < w->last_tap; t++) {
        find_stretches(w, t / across / n->kernel[1], t / across % n->kernel[1], t % across, width);
        run_strip(w, t, row, rows, from);
    }
}

static void run_step(worker *w)
{
    const cj__to_weight_plan *plan = w->plan;
    int64_t width = plan->flat ? plan->window.in : plan->kernels->tile_rows;
    w->product.a_column = plan->window.stride[2] * width;
    w->product.b_panel = w->depth * plan->kernels->tile_columns;
    if (plan->flat) copy_band(w, 0, plan->window.in, width);
    for (int64_t i = w->strip; i < w->last_strip; i++) {
        int64_t row = part_start(plan->rows, plan->strips, i);
        int64_t rows = part_start(plan->rows, plan->strips, i + 1) - row;
        if (!plan->flat) copy_band(w, row, rows, width);
        run_taps(w, row, rows, w->band + (plan->flat ? row : 0), width);
    }
}

static worker begin(const cj__to_weight_plan *plan, const cj__product_call *call, int64_t task, char *scratch)
{
    worker w = {.plan = plan, .call = call};
    int64_t width = plan->kernels->tile_columns, j = task % plan->column_blocks;
    int64_t i = (task /= plan->column_blocks) % plan->row_blocks, taps = taps_of(plan);
    int64_t t = (task /= plan->row_blocks) % plan->tap_blocks;
    w.group = task / plan->tap_blocks;
    w.column = part_start(plan->panels, plan->column_blocks, j) * width;
    w.columns =
        at_most(plan->window.out, part_start(plan->panels, plan->column_blocks, j + 1) * width) - w.column;
    w.strip = part_start(plan->strips, plan->row_blocks, i);
    w.last_strip = part_start(plan->strips, plan->row_blocks, i + 1);
    w.tap = part_start(taps, plan->tap_blocks, t);
    w.last_tap = part_start(taps, plan->tap_blocks, t + 1);
    w.panels = (float *)(void *)scratch;
    w.band = (float *)(void *)(scratch + plan->panels_bytes);
    w.stretches = (cj__stretch *)(void *)(scratch + plan->panels_bytes + plan->band_bytes);
    w.product = (cj__strip){.a_row = 1,
                            .b = w.panels,
                            .b_row = width,
                            .c_row = plan->window.groups * plan->window.out,
                            .columns = w.columns,
                            .stretches = w.stretches};
    return w;
}

void cj__to_weight_run(const cj__to_weight_plan *plan, const cj__product_call *call, int64_t task,
                       void *scratch)
{
    worker w = begin(plan, call, task, scratch);
    int64_t steps = steps_of(plan), units = units_of(plan);
    for (int64_t step = 0; step < steps; step++) {
        w.unit = part_start(units, steps, step);
        w.last_unit = part_start(units, steps, step + 1);
        w.product.add = step > 0;
        pack_cotangent(&w);
        run_step(&w);
    }
}

/* Convolution, and its gradient by the input, as a product whose left matrix is read where it lies: in NHWC
 * the patch of a result is a few contiguous stretches, and the patches of neighbours begin evenly apart, so a
 * strip of the matrix product's micro-kernel is some pixels of one row, or one pixel of some images. */
#include "cpu/convolution.h"
#include "cpu/matmul_blocks.h"

#include <stdio.h>
#include <string.h>

/* As in cpu/matmul.c: a step of k, the columns and the rows of a task, the work that is worth a task. */
enum { K_BLOCK = 256, TASK_COLUMNS = 256, TASK_ROWS = 1024, TASK_WORK = 1 << 17, MOST_TASKS = 16 };
/* Pixels of a longer row are units by themselves. */
enum { PART = 256 };
/* Images in a task where strips run over images. */
enum { IMAGES = 64 };

/* --- what results see ---------------------------------------------------------------------------------- */

static cj__sight look(const cj__direct_plan *plan, int axis, int64_t phase)
{
    return cj__sight_of(&plan->window, plan->backward, axis, phase);
}

/* Of all phases, one that sees through as many taps as any. */
static cj__sight look_widely(const cj__direct_plan *plan, int axis)
{
    cj__sight s = look(plan, axis, 0);
    s.taps = cj__most_taps(&plan->window, plan->backward, axis);
    return s;
}

/* Elements from the first to the last that `results` neighbours see. */
static int64_t extent(const cj__sight *s, int64_t results)
{
    return (results - 1) * s->stride + (s->taps - 1) * s->dilation + 1;
}

/* --- planning ------------------------------------------------------------------------------------------ */

/* A strip of few rows takes as long as one of four; each has an edge. */
static double strip_cost(int64_t count, int64_t tile_rows)
{
    int64_t strips = divide_up(count, tile_rows);
    return (double)(at_least(count, 4 * strips) + strips) / (double)count;
}

static int64_t taps_within(const cj__sight *s, int64_t size)
{
    int64_t within = 0;
    for (int64_t i = 0; i < s->count; i++)
        for (int64_t t = 0; t < s->taps; t++) {
            int64_t at = s->from + i * s->stride + t * s->dilation;
            within += at >= 0 && at < size;
        }
    return within;
}

/* Strips over images skip the padding, and need no neighbours; strips along a row read less. Padding much
 * wider than the row is never spelled out. */
static bool better_by_images(const cj__direct_plan *plan, const cj__sight *s)
{
    enum { NARROW = 16 };
    int64_t tile_rows = plan->kernels->tile_rows, size = plan->size[2];
    cj__sight wide = look_widely(plan, 2);
    if (extent(&wide, s->count) > 2 * size + 64) return true;
    if (s->count > NARROW || s->taps == 0 || plan->batch == 1) return false;
    double along = strip_cost(s->count, tile_rows) * (double)s->taps;
    double over = strip_cost(at_most(plan->batch, IMAGES), tile_rows) * (double)taps_within(s, size);
    return over / (double)s->count < 0.95 * along;
}

/* Such a stride from row to row of a strip puts them all into a few sets of the caches. */
static bool bad_stride(int64_t floats)
{
    return floats * (int64_t)sizeof(float) % 2048 == 0;
}

static void plan_reading(cj__direct_plan *plan)
{
    cj__sight s = look(plan, 2, 0);
    int64_t channels = plan->groups * plan->in;
    plan->by_images = better_by_images(plan, &s);
    plan->pixel = channels;
    if (plan->by_images) {
        plan->parts = divide_up(plan->batch, IMAGES);
        plan->copied = bad_stride(plan->size[0] * plan->size[1] * plan->size[2] * channels);
        if (plan->copied) plan->pixel = plan->in;
        return;
    }
    plan->parts = divide_up(s.count, PART);
    bool elsewhere = plan->phases[2] > 1; /* each phase begins at another pixel */
    plan->copied = elsewhere || s.from < 0 || s.from + extent(&s, s.count) > plan->size[2] ||
                   bad_stride(s.stride * channels);
    if (plan->copied) plan->pixel = bad_stride(s.stride * plan->in) ? plan->in + 16 : plan->in;
}

/* The units a task is made of: parts of rows, or pixels of a part of the batch. */
static int64_t units_of(const cj__direct_plan *plan, const cj__sight s[CJ__SPATIAL])
{
    int64_t rows = plan->parts * s[0].count * s[1].count;
    return plan->by_images ? rows * s[2].count : rows * plan->batch;
}

static int64_t k_of(const cj__direct_plan *plan, const cj__sight s[CJ__SPATIAL])
{
    return s[0].taps * s[1].taps * s[2].taps * plan->in;
}

/* Of the ways to make as many tasks as wanted, the one that copies least: each block of columns copies what
 * is read, each block of rows packs the weight. */
static void cut(cj__direct_plan *plan, const cj__sight s[CJ__SPATIAL])
{
    int64_t units = units_of(plan, s), k = k_of(plan, s), parallel = plan->groups;
    double pixels = (double)plan->batch * (double)(s[0].count * s[1].count) * (double)s[2].count;
    double work = pixels * (double)k * (double)(plan->out * plan->groups), least = -1;
    for (int a = 0; a < CJ__SPATIAL; a++) parallel *= plan->phases[a];
    int64_t wanted = work > (double)MOST_TASKS * TASK_WORK ? MOST_TASKS : 1 + (int64_t)(work / TASK_WORK);
    double read =
        (double)plan->batch * (double)(plan->size[0] * plan->size[1] * plan->size[2]) * (double)plan->in;
    int64_t fewest = at_least(1, (int64_t)((pixels + TASK_ROWS - 1) / TASK_ROWS));
    for (int64_t columns = divide_up(plan->out, TASK_COLUMNS); columns <= plan->panels; columns++) {
        int64_t rows = at_most(at_least(fewest, divide_up(wanted, columns * parallel)), at_least(units, 1));
        if (plan->by_images) rows = divide_up(rows, plan->parts) * plan->parts; /* whole, for the copies */
        double moved =
            (double)columns * read + (double)rows * (double)(k * plan->out) * (plan->backward ? 1 : 0.5);
        if (least >= 0 && moved >= least) continue;
        least = moved;
        plan->row_blocks = rows;
        plan->column_blocks = columns;
    }
    plan->tasks = units == 0 ? 0 : parallel * plan->row_blocks * plan->column_blocks;
}

static int64_t steps_of(int64_t k)
{
    return at_least(1, divide_up(k, K_BLOCK));
}

/* Floats that are copied, at most: tasks of all phases have no more units than those of the first. */
static int64_t band_floats(const cj__direct_plan *plan, const cj__sight s[CJ__SPATIAL])
{
    if (plan->by_images)
        return divide_up(plan->batch, plan->parts) *
               (plan->size[0] * plan->size[1] * plan->size[2] * plan->pixel + 16);
    cj__sight deep = look_widely(plan, 0), high = look_widely(plan, 1), wide = look_widely(plan, 2);
    int64_t units = divide_up(units_of(plan, s), plan->row_blocks);
    int64_t runs = at_most(units, units / at_least(1, s[1].count - 1) + 2);
    int64_t rows = at_most(runs * plan->size[1], units * s[1].stride + runs * extent(&high, 1));
    return deep.taps * rows * extent(&wide, divide_up(s[2].count, plan->parts)) * plan->pixel;
}

/* Forward there is one phase, so one k for all tasks. */
static void plan_weight(cj__direct_plan *plan, const cj__sight s[CJ__SPATIAL], bool packed)
{
    int64_t width = plan->kernels->tile_columns, k = k_of(plan, s);
    plan->packed = packed && !plan->backward && k > 0;
    if (plan->packed)
        plan->packed_bytes = aligned_bytes(plan->groups * plan->panels * k * width, sizeof(float));
    else
        plan->panels_bytes =
            aligned_bytes(divide_up(plan->panels, plan->column_blocks) * width * K_BLOCK, sizeof(float));
}

void cj__direct_plan_make(cj__direct_plan *plan, const cj__window *w, bool backward, bool packed, cj__isa isa)
{
    *plan = (cj__direct_plan){.kernels = cj__matmul_kernels_of(isa),
                              .backward = backward,
                              .batch = w->batch,
                              .groups = w->groups,
                              .in = backward ? w->out : w->in,
                              .out = backward ? w->in : w->out,
                              .window = *w};
    cj__sight s[CJ__SPATIAL];
    for (int a = 0; a < CJ__SPATIAL; a++) {
        plan->size[a] = backward ? w->result[a] : w->size[a];
        plan->made[a] = backward ? w->size[a] : w->result[a];
        plan->phases[a] = cj__phases(w, backward, a);
        s[a] = look(plan, a, 0);
    }
    plan->panels = divide_up(plan->out, plan->kernels->tile_columns);
    snprintf(plan->name, sizeof plan->name, "%s", plan->kernels->name);
    if (plan->batch * plan->out * s[0].count * s[1].count * s[2].count == 0) return;
    plan_reading(plan);
    cut(plan, s);
    plan_weight(plan, s, packed);
    plan->band_bytes = plan->copied ? aligned_bytes(band_floats(plan, s), sizeof(float)) : 0;
    plan->scratch_bytes = plan->panels_bytes + plan->band_bytes + (K_BLOCK + 1) * sizeof(cj__stretch);
    snprintf(plan->name, sizeof plan->name, "%s, strips %s", plan->kernels->name,
             plan->by_images ? "over images" : "along rows");
}

/* --- a task -------------------------------------------------------------------------------------------- */

/* Where what is read lies: tap t of the first axis, row r of the second, pixel x of the third are at
 * base + t·plane + (r - row_from)·row + (x - pixel_from)·pixel; images `image` apart. */
typedef struct {
    const float *base;
    int64_t plane, row, row_from, pixel_from, image;
} view;

typedef struct {
    const cj__direct_plan *plan;
    const cj__product_call *call;
    cj__sight s[CJ__SPATIAL];
    int64_t group, column, columns; /* of `out` */
    int64_t first, last;            /* units */
    int64_t k, p, depth;            /* all of k, and the present step of it */
    float *panels, *band;
    cj__stretch *stretches;
    cj__strip strip;
    cj__rectangle finished; /* and not yet given to the epilogue; no rows: none */
} worker;

static int64_t channels_read(const cj__direct_plan *plan)
{
    return plan->groups * plan->in;
}

/* Weight [taps,in,groups·out] as B [k,out]; backwards the two kinds of channels change places. */
static void pack_weight(const worker *w)
{
    const cj__direct_plan *plan = w->plan;
    const cj__sight *s = w->s;
    int64_t width = plan->kernels->tile_columns, all = plan->groups * plan->window.out, n;
    for (int64_t k = w->p; k < w->p + w->depth; k += n) {
        int64_t tap = k / plan->in, channel = k % plan->in, t[CJ__SPATIAL];
        for (int a = CJ__SPATIAL - 1; a >= 0; tap /= s[a].taps, a--)
            t[a] = s[a].tap + tap % s[a].taps * s[a].tap_step;
        tap = (t[0] * plan->window.kernel[1] + t[1]) * plan->window.kernel[2] + t[2];
        n = at_most(plan->backward ? plan->in - channel : w->p + w->depth, w->p + w->depth - k);
        cj__matrix b = {.row = all, .column = 1};
        b.data = w->call->b + (tap * plan->in + channel) * all + w->group * plan->out + w->column;
        if (plan->backward) {
            b = (cj__matrix){.row = 1, .column = all};
            b.data = w->call->b + (tap * plan->out + w->column) * all + w->group * plan->in + channel;
        }
        float *to = w->panels + (k - w->p) * width;
        for (int64_t j = 0; j < w->columns; j += width, b.data += width * b.column, to += width * w->depth)
            plan->kernels->pack_panels(b, n, at_most(width, w->columns - j), to);
    }
}

int64_t cj__direct_pack_tasks(const cj__direct_plan *plan)
{
    return plan->groups * plan->panels;
}

void cj__direct_pack(const cj__direct_plan *plan, const float *weight, float *to, int64_t task)
{
    cj__product_call call = {.b = weight};
    worker w = {.plan = plan, .call = &call, .group = task / plan->panels};
    for (int a = 0; a < CJ__SPATIAL; a++) w.s[a] = look(plan, a, 0);
    w.column = task % plan->panels * plan->kernels->tile_columns;
    w.columns = at_most(plan->kernels->tile_columns, plan->out - w.column);
    w.depth = k_of(plan, w.s);
    w.panels = to + task * w.depth * plan->kernels->tile_columns;
    pack_weight(&w);
}

/* The present step's weight: packed now, or found in the workspace. */
static void have_weight(worker *w)
{
    int64_t width = w->plan->kernels->tile_columns;
    if (!w->plan->packed) {
        pack_weight(w);
        w->strip.b = w->panels;
        w->strip.b_panel = w->depth * width;
        return;
    }
    int64_t panel = w->group * w->plan->panels + w->column / width;
    w->strip.b = (const float *)w->call->workspace + (panel * w->k + w->p) * width;
    w->strip.b_panel = w->k * width;
}

/* The part of [k, k+n) that is in the present step, read from `a` on. */
static void add_stretch(worker *w, int64_t k, int64_t n, int64_t a)
{
    int64_t from = at_least(k, w->p), to = at_most(k + n, w->p + w->depth);
    if (from < to)
        w->stretches[w->strip.stretches_count++] = (cj__stretch){a + from - k, from - w->p, to - from};
}

/* What results (i, j) of the first two axes see through taps [low, high) of the third, the first of them
 * at pixel x for tap 0. */
static void find_stretches(worker *w, const view *v, int64_t i, int64_t j, int64_t x, int64_t low,
                           int64_t high)
{
    const cj__direct_plan *plan = w->plan;
    const cj__sight *s = w->s;
    bool together = s[2].dilation == 1 && plan->pixel == plan->in;
    w->strip.stretches_count = 0;
    for (int64_t t = 0; t < s[0].taps; t++) {
        int64_t depth = s[0].from + i * s[0].stride + t * s[0].dilation;
        for (int64_t u = 0; u < s[1].taps && depth >= 0 && depth < plan->size[0]; u++) {
            int64_t row = s[1].from + j * s[1].stride + u * s[1].dilation;
            if (row < 0 || row >= plan->size[1]) continue;
            int64_t k = (t * s[1].taps + u) * s[2].taps * plan->in;
            if (k >= w->p + w->depth || k + s[2].taps * plan->in <= w->p) continue;
            int64_t a = t * v->plane + (row - v->row_from) * v->row + (x - v->pixel_from) * plan->pixel;
            int64_t pixels = s[2].dilation * plan->pixel;
            if (together && low < high)
                add_stretch(w, k + low * plan->in, (high - low) * plan->in, a + low * pixels);
            for (int64_t q = low; q < high && !together; q++)
                add_stretch(w, k + q * plan->in, plan->in, a + q * pixels);
        }
    }
}

static void finish_strip(worker *w, cj__rectangle next)
{
    const cj__epilogue *epilogue = &w->call->epilogue;
    if (!epilogue->apply) return;
    if (w->finished.rows > 0) epilogue->apply(epilogue->context, w->finished);
    w->finished = next;
}

/* Strips of `count` rows in all, evenly high: rows of A `a_row` apart from `a` on, of C from flat position
 * `at` on. After the last step of k the strip before the present one is finished: its stores have left the
 * store buffer, and it is still in L1. */
static void run_strips(worker *w, const float *a, int64_t a_row, int64_t count, int64_t at, int64_t c_row)
{
    int64_t strips = divide_up(count, w->plan->kernels->tile_rows);
    bool last = w->p + w->depth == w->k;
    w->strip.a_row = a_row;
    w->strip.c_row = c_row;
    for (int64_t i = 0; i < strips; i++) {
        int64_t row = part_start(count, strips, i);
        int64_t start = at + row * c_row;
        w->strip.rows = part_start(count, strips, i + 1) - row;
        w->strip.a = a + row * a_row;
        w->strip.c = w->call->c + start;
        w->plan->kernels->strip(&w->strip);
        if (last) finish_strip(w, (cj__rectangle){start, w->strip.rows, w->columns, c_row});
    }
}

/* Flat position of the result (i, j, l) of an image, and of the task's first column. */
static int64_t place_of(const worker *w, int64_t image, int64_t i, int64_t j, int64_t l)
{
    const cj__direct_plan *plan = w->plan;
    const cj__sight *s = w->s;
    int64_t place = image * plan->made[0] + s[0].first + i * s[0].step;
    place = place * plan->made[1] + s[1].first + j * s[1].step;
    place = place * plan->made[2] + s[2].first + l * s[2].step;
    return place * plan->groups * plan->out + w->group * plan->out + w->column;
}

/* --- strips along rows --------------------------------------------------------------------------------- */

/* Parts of rows that see the same planes: one image, result i of the first axis, [from, to) of the second,
 * and of the third. */
typedef struct {
    int64_t image, i, from, to, left, right;
} run;

static run run_at(const worker *w, int64_t unit)
{
    const cj__sight *s = w->s;
    int64_t part = unit / s[1].count % w->plan->parts, plane = unit / s[1].count / w->plan->parts;
    run r = {.image = plane / s[0].count, .i = plane % s[0].count, .from = unit % s[1].count};
    r.to = at_most(s[1].count, r.from + w->last - unit);
    r.left = part_start(s[2].count, w->plan->parts, part);
    r.right = part_start(s[2].count, w->plan->parts, part + 1);
    return r;
}

/* Pixels [x, x+count) of a row that has `size`, zeros beside it. */
static void copy_row(const cj__direct_plan *plan, const float *row, int64_t x, int64_t count, float *to)
{
    int64_t size = plan->size[2], in = plan->in, pixel = plan->pixel, channels = channels_read(plan);
    int64_t left = at_most(count, at_least(0, -x)), right = at_least(left, at_most(count, size - x));
    if (left > 0) memset(to, 0, (size_t)(left * pixel) * sizeof *to);
    if (pixel == channels && right > left)
        memcpy(to + left * pixel, row + (x + left) * channels, (size_t)((right - left) * pixel) * sizeof *to);
    for (int64_t i = left; i < right && pixel != channels; i++)
        memcpy(to + i * pixel, row + (x + i) * channels, (size_t)in * sizeof *to);
    if (count > right) memset(to + right * pixel, 0, (size_t)((count - right) * pixel) * sizeof *to);
}

/* Where a run reads; copied the first time. */
static view view_of_run(worker *w, const run *r, float **band)
{
    const cj__direct_plan *plan = w->plan;
    const cj__sight *s = w->s;
    int64_t channels = channels_read(plan), row = plan->size[2] * channels, plane = plan->size[1] * row;
    int64_t depth = s[0].from + r->i * s[0].stride;
    const float *image = w->call->a + r->image * plan->size[0] * plane + w->group * plan->in;
    view v = {.base = image, .plane = s[0].dilation * plane, .row = row, .row_from = -depth * plan->size[1]};
    if (!plan->copied) return v;
    v.pixel_from = s[2].from + r->left * s[2].stride;
    int64_t width = extent(&s[2], r->right - r->left);
    int64_t end =
        at_most(plan->size[1], s[1].from + (r->from * s[1].stride) + extent(&s[1], r->to - r->from));
    v.row_from = at_least(0, s[1].from + r->from * s[1].stride);
    v.base = *band;
    v.row = width * plan->pixel;
    v.plane = at_least(0, end - v.row_from) * v.row;
    for (int64_t t = 0; t < s[0].taps && w->p == 0; t++) {
        int64_t d = depth + t * s[0].dilation;
        for (int64_t y = v.row_from; y < end && d >= 0 && d < plan->size[0]; y++)
            copy_row(plan, image + d * plane + y * row, v.pixel_from, width,
                     *band + t * v.plane + (y - v.row_from) * v.row);
    }
    *band += s[0].taps * v.plane;
    return v;
}

static void run_along_rows(worker *w)
{
    const cj__sight *s = w->s;
    int64_t made = w->plan->groups * w->plan->out;
    float *band = w->band;
    for (int64_t unit = w->first; unit < w->last;) {
        run r = run_at(w, unit);
        view v = {.base = w->call->a};
        if (w->k > 0) v = view_of_run(w, &r, &band);
        for (int64_t j = r.from; j < r.to; j++) {
            find_stretches(w, &v, r.i, j, s[2].from + r.left * s[2].stride, 0, s[2].taps);
            run_strips(w, v.base, s[2].stride * w->plan->pixel, r.right - r.left,
                       place_of(w, r.image, r.i, j, r.left), s[2].step * made);
        }
        unit += r.to - r.from;
    }
}

/* --- strips over images -------------------------------------------------------------------------------- */

static view view_of_images(const worker *w, int64_t from, int64_t to)
{
    const cj__direct_plan *plan = w->plan;
    int64_t pixels = plan->size[0] * plan->size[1] * plan->size[2], channels = channels_read(plan);
    const float *x = w->call->a + from * pixels * channels + w->group * plan->in;
    view v = {.base = x, .image = pixels * channels};
    if (plan->copied) {
        v.base = w->band;
        v.image = pixels * plan->pixel + 16;
        for (int64_t n = 0; n < to - from && w->p == 0; n++)
            for (int64_t i = 0; i < pixels; i++)
                memcpy(w->band + n * v.image + i * plan->pixel, x + (n * pixels + i) * channels,
                       (size_t)plan->in * sizeof *w->band);
    }
    v.row = plan->size[2] * plan->pixel;
    return v;
}

/* Pixel `at` of images [from, to). */
static void run_pixel(worker *w, view v, int64_t from, int64_t to, int64_t at)
{
    const cj__direct_plan *plan = w->plan;
    const cj__sight *s = w->s;
    int64_t l = at % s[2].count, j = at / s[2].count % s[1].count, i = at / s[2].count / s[1].count;
    int64_t x = s[2].from + l * s[2].stride, plane = plan->size[1] * v.row;
    int64_t low = at_most(s[2].taps, x < 0 ? divide_up(-x, s[2].dilation) : 0);
    int64_t high = at_most(s[2].taps, x < plan->size[2] ? divide_up(plan->size[2] - x, s[2].dilation) : 0);
    int64_t depth = s[0].from + i * s[0].stride;
    int64_t made = plan->made[0] * plan->made[1] * plan->made[2] * plan->groups * plan->out;
    v.plane = s[0].dilation * plane;
    v.row_from -= depth * plan->size[1];
    find_stretches(w, &v, i, j, x, low, high);
    run_strips(w, v.base, v.image, to - from, place_of(w, from, i, j, l), made);
}

static void run_over_images(worker *w)
{
    const cj__direct_plan *plan = w->plan;
    int64_t pixels = w->s[0].count * w->s[1].count * w->s[2].count;
    for (int64_t unit = w->first; unit < w->last;) {
        int64_t part = unit / pixels, end = at_most(w->last, (part + 1) * pixels);
        int64_t from = part_start(plan->batch, plan->parts, part);
        int64_t to = part_start(plan->batch, plan->parts, part + 1);
        view v = view_of_images(w, from, to);
        for (; unit < end; unit++) run_pixel(w, v, from, to, unit % pixels);
    }
}

/* --- the task ------------------------------------------------------------------------------------------ */

/* Task → phase, group, block of rows, block of columns; the last runs fastest. */
static worker begin(const cj__direct_plan *plan, const cj__product_call *call, int64_t task, char *scratch)
{
    worker w = {.plan = plan, .call = call};
    int64_t width = plan->kernels->tile_columns, j = task % plan->column_blocks;
    int64_t i = (task /= plan->column_blocks) % plan->row_blocks;
    w.group = (task /= plan->row_blocks) % plan->groups;
    task /= plan->groups;
    for (int a = CJ__SPATIAL - 1; a >= 0; task /= plan->phases[a], a--)
        w.s[a] = look(plan, a, task % plan->phases[a]);
    w.column = part_start(plan->panels, plan->column_blocks, j) * width;
    w.columns = at_most(plan->out, part_start(plan->panels, plan->column_blocks, j + 1) * width) - w.column;
    w.first = part_start(units_of(plan, w.s), plan->row_blocks, i);
    w.last = part_start(units_of(plan, w.s), plan->row_blocks, i + 1);
    w.k = k_of(plan, w.s);
    w.panels = (float *)(void *)scratch;
    w.band = (float *)(void *)(scratch + plan->panels_bytes);
    w.stretches = (cj__stretch *)(void *)(scratch + plan->panels_bytes + plan->band_bytes);
    w.strip = (cj__strip){.a_column = 1, .b_row = width, .columns = w.columns, .stretches = w.stretches};
    return w;
}

void cj__direct_run(const cj__direct_plan *plan, const cj__product_call *call, int64_t task, void *scratch)
{
    worker w = begin(plan, call, task, scratch);
    int64_t steps = steps_of(w.k);
    for (int64_t step = 0; step < steps && w.first < w.last; step++) {
        w.p = part_start(w.k, steps, step);
        w.depth = part_start(w.k, steps, step + 1) - w.p;
        w.strip.add = step > 0;
        have_weight(&w);
        if (plan->by_images)
            run_over_images(&w);
        else
            run_along_rows(&w);
    }
    finish_strip(&w, (cj__rectangle){0});
}

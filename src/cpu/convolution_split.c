/* Convolution, and its gradient by the input, by parts of bf16 (cpu/split.h). A task packs the pixels that it
 * reads once, whatever the number of taps that look at them; the rows of a strip are then gathered from
 * those, 64 bytes for each pixel, part and block of 32 channels. What bf16 cannot hold is made again in f32.
 */
#include "cpu/convolution.h"
#include "cpu/matmul_blocks.h"
#include "cpu/patches.h"
#include "cpu/split.h"

#include <stdio.h>
#include <string.h>

/* Results and columns of a task, bytes of packed pixels in it, the work worth one, and how many are enough.
 */
enum { TASK_ROWS = 1024, TASK_COLUMNS = 512, BAND_BYTES = 1 << 20, TASK_WORK = 1 << 19, MOST_TASKS = 16 };
/* bf16 numbers of a pixel (or of a row of a strip) in a step of k and one part; of a panel in the same. */
enum { LINE = CJ__SPLIT_STEP, PANEL = CJ__SPLIT_STEP * CJ__SPLIT_COLUMNS };
/* Channels that are made again in f32 at a time. */
enum { REDONE_DEPTH = 256 };

/* --- planning ------------------------------------------------------------------------------------------ */

static cj__patches look(const cj__by_parts_plan *plan, int64_t phase)
{
    return cj__patches_of(&plan->window, plan->backward, phase);
}

static int64_t phases_of(const cj__by_parts_plan *plan)
{
    return cj__phases_of(&plan->window, plan->backward);
}

static int64_t steps_of(const cj__by_parts_plan *plan, const cj__patches *s)
{
    return cj__patches_taps(s) * plan->blocks;
}

/* Results [first, end) of a phase. */
static cj__range results_in(const cj__by_parts_plan *plan, const cj__patches *s, int64_t block)
{
    int64_t results = cj__patches_count(s), height = plan->split->tile_rows;
    int64_t strips = divide_up(results, height);
    return (cj__range){at_most(results, part_start(strips, plan->row_blocks, block) * height),
                       at_most(results, part_start(strips, plan->row_blocks, block + 1) * height)};
}

/* Each task packs the pixels at its edges once more, and each block of columns all of them: rows are cut
 * first, the more the larger a pixel is. */
static void cut(cj__by_parts_plan *plan, const cj__patches *s)
{
    int64_t results = cj__patches_count(s), parallel = plan->groups * phases_of(plan);
    double work =
        (double)results * (double)steps_of(plan, s) * CJ__SPLIT_STEP * (double)plan->out * (double)parallel;
    int64_t wanted = work > (double)MOST_TASKS * TASK_WORK ? MOST_TASKS : 1 + (int64_t)(work / TASK_WORK);
    double read = (double)s->batch * (double)(s->size[0] * s->size[1] * s->size[2]) *
                  (double)(plan->blocks * plan->parts) * LINE;
    int64_t rows = at_least(divide_up(results, TASK_ROWS), (int64_t)(read * sizeof(uint16_t) / BAND_BYTES));
    rows = at_least(rows, divide_up(wanted, parallel));
    plan->row_blocks = at_most(rows, at_least(1, divide_up(results, plan->split->tile_rows)));
    int64_t columns = divide_up(wanted, parallel * plan->row_blocks);
    plan->column_blocks = at_most(plan->panels, at_least(columns, divide_up(plan->out, TASK_COLUMNS)));
    plan->tasks = parallel * plan->row_blocks * plan->column_blocks;
}

static int64_t most_strips_read(const cj__by_parts_plan *plan)
{
    int64_t most = 0;
    for (int64_t phase = 0; phase < phases_of(plan); phase++) {
        cj__patches s = look(plan, phase);
        for (int64_t i = 0; i < plan->row_blocks; i++) {
            cj__range results = results_in(plan, &s, i);
            cj__range seen = cj__pixels_seen(&s, results.first, results.end);
            most = at_least(most, divide_up(seen.end - seen.first, plan->split->tile_rows));
        }
    }
    return most;
}

/* A task's part of the scratch, in this order. */
typedef struct {
    uint16_t *band;         /* [strip of pixels][block of channels][part][pixel of the strip][LINE] */
    uint32_t *largest;      /* magnitude in each strip of pixels, as bits */
    uint16_t *rows;         /* of a strip of results: [step][part][row][LINE] */
    float *beside;          /* [row][columns], where results are scattered */
    float *patches, *panel; /* in f32 */
} space;

/* bf16 numbers in a strip of pixels, and in a strip's rows for one step of k. */
static int64_t strip_numbers(const cj__by_parts_plan *plan)
{
    return plan->blocks * plan->parts * plan->split->tile_rows * LINE;
}

static int64_t step_numbers(const cj__by_parts_plan *plan)
{
    return plan->parts * plan->split->tile_rows * LINE;
}

static int64_t most_columns(const cj__by_parts_plan *plan)
{
    return divide_up(plan->panels, plan->column_blocks) * CJ__SPLIT_COLUMNS;
}

/* Bytes of the scratch, and where in it things lie. */
static size_t divide(const cj__by_parts_plan *plan, char *scratch, space *to)
{
    const int64_t height = plan->split->tile_rows;
    size_t bytes[6] = {
        aligned_bytes(plan->band * strip_numbers(plan), sizeof(uint16_t)),
        aligned_bytes(plan->band, sizeof(uint32_t)),
        aligned_bytes(plan->depth * step_numbers(plan), sizeof(uint16_t)),
        plan->scattered ? aligned_bytes(height * most_columns(plan), sizeof(float)) : 0,
        aligned_bytes(height * REDONE_DEPTH, sizeof(float)),
        aligned_bytes((int64_t)REDONE_DEPTH * plan->f32->tile_columns, sizeof(float)),
    };
    size_t at[7] = {0};
    for (int i = 0; i < 6; i++) at[i + 1] = at[i] + bytes[i];
    if (scratch)
        *to = (space){(void *)(scratch + at[0]), (void *)(scratch + at[1]), (void *)(scratch + at[2]),
                      (void *)(scratch + at[3]), (void *)(scratch + at[4]), (void *)(scratch + at[5])};
    return at[6];
}

/* The workspace: the largest magnitude of each panel of each phase and group; then, for each phase and group,
 * block of k after block of k, its panels. */
static size_t notes_bytes(const cj__by_parts_plan *plan)
{
    return aligned_bytes(phases_of(plan) * plan->groups * plan->panels, sizeof(uint32_t));
}

static int64_t panel_place(const cj__by_parts_plan *plan, int64_t phase, int64_t group)
{
    int64_t steps = 0;
    for (int64_t p = 0; p < phase; p++) {
        cj__patches s = look(plan, p);
        steps += steps_of(plan, &s) * plan->groups;
    }
    cj__patches s = look(plan, phase);
    return (steps + steps_of(plan, &s) * group) * plan->panels * plan->parts * PANEL;
}

void cj__by_parts_plan_make(cj__by_parts_plan *plan, const cj__window *w, bool backward, int parts,
                            const cj__split_kernels *split, cj__isa isa)
{
    *plan = (cj__by_parts_plan){.split = split,
                                .f32 = cj__matmul_kernels_of(isa),
                                .parts = parts,
                                .backward = backward,
                                .groups = w->groups,
                                .in = backward ? w->out : w->in,
                                .out = backward ? w->in : w->out,
                                .window = *w};
    snprintf(plan->name, sizeof plan->name, "%s", split->name[parts - 1]);
    cj__patches s = look(plan, 0);
    plan->blocks = cj__split_steps(plan->in);
    plan->panels = divide_up(plan->out, CJ__SPLIT_COLUMNS);
    if (cj__patches_count(&s) == 0 || plan->out == 0) return;
    plan->scattered = phases_of(plan) > 1;
    int64_t k = CJ__SPLIT_STEP * plan->blocks;
    for (int a = 0; a < CJ__SPATIAL; a++) k *= cj__most_taps(w, backward, a);
    plan->depth = at_least(1, cj__split_depth(split, parts, k) / CJ__SPLIT_STEP);
    cut(plan, &s);
    plan->band = most_strips_read(plan);
    plan->scratch_bytes = divide(plan, NULL, NULL);
    plan->packed_bytes =
        notes_bytes(plan) +
        aligned_bytes(panel_place(plan, phases_of(plan) - 1, plan->groups), sizeof(uint16_t));
}

/* --- the weight ---------------------------------------------------------------------------------------- */

/* The weight [taps,in,groups·out] at a step's tap as a matrix [in,out] from channel `in` and column `out` of
 * the group on; backwards the two kinds of channels change places. */
static cj__matrix weight_at(const cj__by_parts_plan *plan, const cj__patches *s, const float *weight,
                            int64_t number, int64_t group, int64_t in, int64_t out)
{
    int64_t all = plan->groups * plan->window.out, tap[CJ__SPATIAL];
    cj__patches_tap(s, number, tap);
    int64_t at = cj__patches_weight(s, &plan->window, tap);
    if (plan->backward)
        return (cj__matrix){weight + (at * plan->out + out) * all + group * plan->in + in, 1, all};
    return (cj__matrix){weight + (at * plan->in + in) * all + group * plan->out + out, all, 1};
}

int64_t cj__by_parts_pack_tasks(const cj__by_parts_plan *plan)
{
    return plan->tasks == 0 ? 0 : phases_of(plan) * plan->groups * plan->panels;
}

/* Where the panels of a block of k begin that begins at step `p` and has so many. */
static int64_t block_place(const cj__by_parts_plan *plan, int64_t p, int64_t steps, int64_t panel)
{
    return (p * plan->panels + panel * steps) * plan->parts * PANEL;
}

/* Task → phase, group, panel; the last runs fastest. */
void cj__by_parts_pack(const cj__by_parts_plan *plan, const float *weight, void *to, int64_t task)
{
    int64_t panel = task % plan->panels, group = task / plan->panels % plan->groups;
    int64_t phase = task / plan->panels / plan->groups, column = panel * CJ__SPLIT_COLUMNS;
    int64_t columns = at_most(CJ__SPLIT_COLUMNS, plan->out - column);
    cj__patches s = look(plan, phase);
    uint16_t *packed = (uint16_t *)(void *)((char *)to + notes_bytes(plan)) + panel_place(plan, phase, group);
    uint32_t largest = 0;
    for (int64_t p = 0, steps = steps_of(plan, &s); p < steps; p++) {
        int64_t channel = p % plan->blocks * CJ__SPLIT_STEP, block = p / plan->depth * plan->depth;
        cj__matrix b = weight_at(plan, &s, weight, p / plan->blocks, group, channel, column);
        uint16_t *at = packed + block_place(plan, block, at_most(plan->depth, steps - block), panel) +
                       (p - block) * plan->parts * PANEL;
        uint32_t here = plan->split->pack_panels(b, at_most(CJ__SPLIT_STEP, plan->in - channel), columns,
                                                 plan->parts, at);
        largest = here > largest ? here : largest;
    }
    ((uint32_t *)to)[task] = largest;
}

/* --- a task -------------------------------------------------------------------------------------------- */

typedef struct {
    const cj__by_parts_plan *plan;
    const cj__product_call *call;
    cj__patches s;
    int64_t group, column, columns; /* of `out` */
    cj__range results, seen;        /* pixels */
    const uint16_t *panels;         /* of the phase and group */
    uint32_t largest;               /* magnitude in the task's columns of the weight */
    space to;
} worker;

/* Task → phase, group, block of rows, block of columns; the last runs fastest. */
static worker begin(const cj__by_parts_plan *plan, const cj__product_call *call, int64_t task, char *scratch)
{
    worker w = {.plan = plan, .call = call};
    int64_t j = task % plan->column_blocks, i = (task /= plan->column_blocks) % plan->row_blocks;
    w.group = (task /= plan->row_blocks) % plan->groups;
    int64_t phase = task / plan->groups, first = part_start(plan->panels, plan->column_blocks, j);
    int64_t end = part_start(plan->panels, plan->column_blocks, j + 1);
    w.s = look(plan, phase);
    w.column = first * CJ__SPLIT_COLUMNS;
    w.columns = at_most(plan->out, end * CJ__SPLIT_COLUMNS) - w.column;
    w.results = results_in(plan, &w.s, i);
    w.seen = cj__pixels_seen(&w.s, w.results.first, w.results.end);
    w.panels = (const uint16_t *)(const void *)((const char *)call->workspace + notes_bytes(plan)) +
               panel_place(plan, phase, w.group);
    const uint32_t *notes =
        (const uint32_t *)call->workspace + (phase * plan->groups + w.group) * plan->panels;
    for (int64_t p = first; p < end; p++) w.largest = notes[p] > w.largest ? notes[p] : w.largest;
    divide(plan, scratch, &w.to);
    return w;
}

static void pack_band(const worker *w)
{
    const cj__by_parts_plan *plan = w->plan;
    int64_t height = plan->split->tile_rows, channels = plan->groups * plan->in, strip = 0;
    for (int64_t pixel = w->seen.first; pixel < w->seen.end; pixel += height, strip++) {
        cj__matrix a = {w->call->a + pixel * channels + w->group * plan->in, channels, 1};
        w->to.largest[strip] = plan->split->pack_rows(a, at_most(height, w->seen.end - pixel), plan->in,
                                                      plan->parts, w->to.band + strip * strip_numbers(plan));
    }
}

/* Blocks [block, end) of channels of one tap. */
typedef struct {
    int64_t tap[CJ__SPATIAL], block, end;
} tap_blocks;

/* `count` lines for each block and part, from row `row` on: of the band from pixel `pixel` of it on. */
static void copy_lines(const worker *w, const tap_blocks *b, int64_t pixel, int64_t count, int64_t row,
                       uint16_t *to)
{
    const cj__by_parts_plan *plan = w->plan;
    int64_t height = plan->split->tile_rows, part = height * LINE;
    const uint16_t *from = w->to.band + pixel / height * strip_numbers(plan) + pixel % height * LINE;
    to += row * LINE;
    for (int64_t i = b->block * plan->parts; i < b->end * plan->parts; i++, to += part)
        memcpy(to, from + i * part, (size_t)(count * LINE) * sizeof *to);
}

/* The same of zeros. */
static void clear_lines(const worker *w, const tap_blocks *b, int64_t count, int64_t row, uint16_t *to)
{
    if (count <= 0) return;
    to += row * LINE;
    for (int64_t i = 0; i < (b->end - b->block) * w->plan->parts; i++, to += w->plan->split->tile_rows * LINE)
        memset(to, 0, (size_t)(count * LINE) * sizeof *to);
}

/* Rows of a stretch that see pixels, neighbours of one strip of pixels at a time. */
static void copy_pixels(const worker *w, const tap_blocks *b, int64_t pixel, int64_t count, int64_t row,
                        uint16_t *to)
{
    int64_t stride = w->s.axis[CJ__SPATIAL - 1].stride, height = w->plan->split->tile_rows;
    for (int64_t n; count > 0; count -= n, row += n, pixel += n * stride) {
        n = stride == 1 ? at_most(count, height - pixel % height) : 1;
        copy_lines(w, b, pixel, n, row, to);
    }
}

/* What results [first, end) see through a tap. */
static void gather_tap(const worker *w, const tap_blocks *b, int64_t first, int64_t end, uint16_t *to)
{
    cj__neighbours n;
    for (int64_t number = first, row = 0; number < end; number += n.count, row += n.count) {
        int64_t pixel = 0;
        n = cj__neighbours_at(&w->s, number, end);
        cj__range see = cj__neighbours_see(&w->s, &n, b->tap, &pixel);
        clear_lines(w, b, see.first, row, to);
        copy_pixels(w, b, pixel - w->seen.first, see.end - see.first, row + see.first, to);
        clear_lines(w, b, n.count - see.end, row + see.end, to);
    }
}

/* The rows of results [first, end) for steps [p, p+steps) of k. */
static void gather(const worker *w, int64_t p, int64_t steps, int64_t first, int64_t end)
{
    const cj__by_parts_plan *plan = w->plan;
    for (int64_t at = p, n; at < p + steps; at += n) {
        tap_blocks b = {.block = at % plan->blocks};
        n = at_most(plan->blocks - b.block, p + steps - at);
        b.end = b.block + n;
        cj__patches_tap(&w->s, at / plan->blocks, b.tap);
        gather_tap(w, &b, first, end, w->to.rows + (at - p) * step_numbers(plan));
    }
}

/* --- results ------------------------------------------------------------------------------------------- */

/* Flat position of a result in the task's first column. */
static int64_t place_of(const worker *w, int64_t number)
{
    int64_t pixel = cj__result_pixel(&w->s, number);
    return (pixel * w->plan->groups + w->group) * w->plan->out + w->column;
}

/* Where the rows of results [number, end) are evenly apart: all of them, or those in a row of results. */
static cj__rectangle rectangle_at(const worker *w, int64_t number, int64_t end)
{
    int64_t pixel = w->plan->groups * w->plan->out;
    cj__rectangle r = {place_of(w, number), end - number, w->columns, pixel};
    if (!w->plan->scattered) return r;
    r.rows = cj__neighbours_at(&w->s, number, end).count;
    r.stride = w->s.axis[CJ__SPATIAL - 1].step * pixel;
    return r;
}

/* Results that are scattered are made beside them. */
static void move_beside(const worker *w, int64_t first, int64_t end, bool back)
{
    size_t bytes = (size_t)w->columns * sizeof(float);
    cj__rectangle r;
    for (int64_t number = first; number < end; number += r.rows) {
        r = rectangle_at(w, number, end);
        for (int64_t i = 0; i < r.rows; i++) {
            float *there = w->call->c + r.start + i * r.stride;
            float *here = w->to.beside + (number - first + i) * w->columns;
            memcpy(back ? there : here, back ? here : there, bytes);
        }
    }
}

/* Sums of results [first, end), and how far apart they are. */
static float *sums_of(const worker *w, int64_t first, int64_t *row)
{
    *row = w->plan->scattered ? w->columns : w->plan->groups * w->plan->out;
    return w->plan->scattered ? w->to.beside : w->call->c + place_of(w, first);
}

static void finish_results(const worker *w, int64_t first, int64_t end)
{
    const cj__epilogue *epilogue = &w->call->epilogue;
    if (!epilogue->apply) return;
    cj__rectangle r;
    for (int64_t number = first; number < end; number += r.rows) {
        r = rectangle_at(w, number, end);
        epilogue->apply(epilogue->context, r);
    }
}

/* --- what bf16 cannot hold ----------------------------------------------------------------------------- */

static bool fits(const worker *w, int64_t first, int64_t end)
{
    cj__range seen = cj__pixels_seen(&w->s, first, end);
    int64_t height = w->plan->split->tile_rows, parts = w->plan->parts;
    uint32_t largest = 0;
    int64_t from = seen.first - w->seen.first, to = seen.end - w->seen.first;
    for (int64_t i = from / height; from < to && i * height < to; i++)
        largest = w->to.largest[i] > largest ? w->to.largest[i] : largest;
    return cj__split_fits(largest, (int)parts) && cj__split_fits(w->largest, (int)parts);
}

/* Adds to columns [j, j+columns) of the task what those channels give. */
static void redo_columns(const worker *w, cj__matrix b, int64_t j, int64_t n, int64_t rows, float *c,
                         int64_t c_row, bool add)
{
    const cj__matmul_kernels *f32 = w->plan->f32;
    cj__strip strip = {.a_row = n,
                       .a_column = 1,
                       .b = w->to.panel,
                       .b_row = f32->tile_columns,
                       .c_row = c_row,
                       .columns = at_most(f32->tile_columns, w->columns - j),
                       .k = n,
                       .add = add};
    f32->pack_panels(b, n, strip.columns, w->to.panel);
    for (int64_t i = 0; i < rows; i += f32->tile_rows) {
        strip.rows = at_most(f32->tile_rows, rows - i);
        strip.a = w->to.patches + i * n;
        strip.c = c + i * c_row + j;
        f32->strip(&strip);
    }
}

static void redo(const worker *w, int64_t first, int64_t end)
{
    const cj__by_parts_plan *plan = w->plan;
    int64_t c_row, tap[CJ__SPATIAL], channels = plan->groups * plan->in;
    float *c = sums_of(w, first, &c_row);
    for (int64_t t = 0; t < cj__patches_taps(&w->s); t++)
        for (int64_t channel = 0; channel < plan->in; channel += REDONE_DEPTH) {
            int64_t n = at_most(REDONE_DEPTH, plan->in - channel), at = w->group * plan->in + channel;
            cj__patches_tap(&w->s, t, tap);
            cj__copy_patches(&w->s, w->call->a + at, channels, n, tap, first, end, w->to.patches, n);
            for (int64_t j = 0; j < w->columns; j += plan->f32->tile_columns) {
                cj__matrix b = weight_at(plan, &w->s, w->call->b, t, w->group, channel, w->column + j);
                redo_columns(w, b, j, n, end - first, c, c_row, t + channel > 0);
            }
        }
}

/* --- the task ------------------------------------------------------------------------------------------ */

/* Results [first, end) and the steps [p, p+steps) of k, of which they are the last or not. */
static void run_strip(const worker *w, int64_t p, int64_t steps, bool last, int64_t first, int64_t end)
{
    const cj__by_parts_plan *plan = w->plan;
    int64_t panel = w->column / CJ__SPLIT_COLUMNS;
    cj__split_strip strip = {.a = w->to.rows,
                             .b = w->panels + block_place(plan, p, steps, panel),
                             .rows = end - first,
                             .columns = w->columns,
                             .steps = steps,
                             .parts = plan->parts,
                             .add = p > 0};
    strip.c = sums_of(w, first, &strip.c_row);
    if (plan->scattered && p > 0) move_beside(w, first, end, false);
    gather(w, p, steps, first, end);
    plan->split->strip(&strip);
    if (last && !fits(w, first, end)) redo(w, first, end);
    if (plan->scattered) move_beside(w, first, end, true);
}

/* After the last step of k the strip before the present one is finished: its stores have left the store
 * buffer, and it is still in L1. */
void cj__by_parts_run(const cj__by_parts_plan *plan, const cj__product_call *call, int64_t task,
                      void *scratch)
{
    worker w = begin(plan, call, task, scratch);
    int64_t height = plan->split->tile_rows, all = steps_of(plan, &w.s), p = 0, ready = w.results.first;
    pack_band(&w);
    do {
        int64_t steps = at_most(plan->depth, all - p);
        bool last = p + steps == all;
        for (int64_t first = w.results.first; first < w.results.end; first += height) {
            run_strip(&w, p, steps, last, first, at_most(w.results.end, first + height));
            if (last && first > ready) {
                finish_results(&w, ready, first);
                ready = first;
            }
        }
        p += steps;
    } while (p < all);
    finish_results(&w, ready, w.results.end);
}

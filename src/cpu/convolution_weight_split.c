/* The gradient of a convolution by its weight by parts of bf16 (cpu/split.h): for each tap, channels of what
 * was looked at times channels of the cotangent, summed over results, so many of which are packed at a time
 * for all taps. What bf16 cannot hold is made again in f32. */
#include "cpu/convolution.h"
#include "cpu/matmul_blocks.h"
#include "cpu/patches.h"
#include "cpu/split.h"

#include <stdio.h>
#include <string.h>

/* Columns of a task, the work worth one, and how many are enough. */
enum { TASK_COLUMNS = 512, TASK_WORK = 1 << 19, MOST_TASKS = 16 };

/* --- planning ------------------------------------------------------------------------------------------ */

static int64_t taps_of(const cj__to_weight_by_parts_plan *plan)
{
    const cj__window *w = &plan->window;
    return w->kernel[0] * w->kernel[1] * w->kernel[2];
}

/* Tasks that share the columns of a sum pack the cotangent each; shares of the sum are written and read
 * again. */
static void cut(cj__to_weight_by_parts_plan *plan, int64_t results)
{
    const cj__window *w = &plan->window;
    double work = (double)plan->weights * (double)results;
    int64_t wanted = work > (double)MOST_TASKS * TASK_WORK ? MOST_TASKS : 1 + (int64_t)(work / TASK_WORK);
    plan->column_blocks = divide_up(w->out, TASK_COLUMNS);
    plan->row_blocks = plan->tap_blocks = plan->shares = 1;
    int64_t more = divide_up(wanted, w->groups * plan->column_blocks);
    int64_t shares = at_most(more, results / plan->depth);
    double packed = (double)(more - 1) * (double)results * (double)(w->groups * w->out);
    if (shares > 1 && 2 * (double)shares * (double)plan->weights < packed) {
        plan->shares = shares;
    } else {
        plan->tap_blocks = at_most(taps_of(plan), more);
        plan->row_blocks = at_most(plan->strips, divide_up(more, plan->tap_blocks));
    }
    plan->tasks = plan->shares * w->groups * plan->tap_blocks * plan->row_blocks * plan->column_blocks;
}

/* A task's part of the scratch, in this order. */
typedef struct {
    uint16_t *panels;  /* of the cotangent, [panel][step]… */
    uint16_t *rows;    /* of a strip of channels: [step][part][channel][pairs] */
    float *patches;    /* [result][channel], as many results as a step of k, or a tile of f32 takes */
    uint32_t *largest; /* magnitude for each tap and strip of channels so far, as bits */
} space;

static size_t divide(const cj__to_weight_by_parts_plan *plan, char *scratch, space *to)
{
    const int64_t height = plan->split->tile_rows, taps = divide_up(taps_of(plan), plan->tap_blocks);
    const int64_t columns =
        divide_up(divide_up(plan->window.out, CJ__SPLIT_COLUMNS), plan->column_blocks) * CJ__SPLIT_COLUMNS;
    size_t bytes[4] = {
        aligned_bytes(columns * plan->depth * plan->parts, sizeof(uint16_t)),
        aligned_bytes(height * plan->depth * plan->parts, sizeof(uint16_t)),
        aligned_bytes(plan->depth * height, sizeof(float)),
        aligned_bytes(taps * divide_up(plan->strips, plan->row_blocks), sizeof(uint32_t)),
    };
    size_t at[5] = {0};
    for (int i = 0; i < 4; i++) at[i + 1] = at[i] + bytes[i];
    if (scratch)
        *to = (space){(void *)(scratch + at[0]), (void *)(scratch + at[1]), (void *)(scratch + at[2]),
                      (void *)(scratch + at[3])};
    return at[4];
}

void cj__to_weight_by_parts_plan_make(cj__to_weight_by_parts_plan *plan, const cj__window *w, int parts,
                                      const cj__split_kernels *split, cj__isa isa)
{
    *plan = (cj__to_weight_by_parts_plan){
        .split = split, .f32 = cj__matmul_kernels_of(isa), .parts = parts, .window = *w, .shares = 1};
    snprintf(plan->name, sizeof plan->name, "%s", split->name[parts - 1]);
    int64_t results = w->batch * w->result[0] * w->result[1] * w->result[2];
    plan->weights = taps_of(plan) * w->in * w->groups * w->out;
    plan->strips = divide_up(w->in, split->tile_rows);
    plan->depth = at_least(CJ__SPLIT_STEP, cj__split_depth(split, parts, results));
    if (plan->weights == 0) return;
    cut(plan, results);
    plan->scratch_bytes = divide(plan, NULL, NULL);
}

/* --- a task -------------------------------------------------------------------------------------------- */

typedef struct {
    const cj__to_weight_by_parts_plan *plan;
    const cj__product_call *call;
    cj__patches s;
    int64_t group, column, columns; /* the last two of the cotangent's */
    int64_t strip, last_strip, tap, last_tap;
    cj__range results; /* of the share */
    float *weight;     /* the share's, at the task's first column */
    uint32_t largest;  /* magnitude of the cotangent so far */
    space to;
} worker;

/* Task → share, group, block of taps, of channels, of columns; the last runs fastest. */
static worker begin(const cj__to_weight_by_parts_plan *plan, const cj__product_call *call, int64_t task,
                    char *scratch)
{
    worker w = {.plan = plan, .call = call, .s = cj__patches_of(&plan->window, false, 0)};
    const cj__window *n = &plan->window;
    int64_t j = task % plan->column_blocks, i = (task /= plan->column_blocks) % plan->row_blocks;
    int64_t t = (task /= plan->row_blocks) % plan->tap_blocks, results = cj__patches_count(&w.s);
    w.group = (task /= plan->tap_blocks) % n->groups;
    int64_t share = task / n->groups, panels = divide_up(n->out, CJ__SPLIT_COLUMNS);
    w.column = part_start(panels, plan->column_blocks, j) * CJ__SPLIT_COLUMNS;
    w.columns =
        at_most(n->out, part_start(panels, plan->column_blocks, j + 1) * CJ__SPLIT_COLUMNS) - w.column;
    w.strip = part_start(plan->strips, plan->row_blocks, i);
    w.last_strip = part_start(plan->strips, plan->row_blocks, i + 1);
    w.tap = part_start(taps_of(plan), plan->tap_blocks, t);
    w.last_tap = part_start(taps_of(plan), plan->tap_blocks, t + 1);
    w.results =
        (cj__range){part_start(results, plan->shares, share), part_start(results, plan->shares, share + 1)};
    w.weight = call->c + share * plan->weights + w.group * n->out + w.column;
    divide(plan, scratch, &w.to);
    return w;
}

/* The cotangent of result `number`, in the task's columns. */
static const float *cotangent_at(const worker *w, int64_t number)
{
    const cj__window *n = &w->plan->window;
    return w->call->b + (number * n->groups + w->group) * n->out + w->column;
}

/* The strip's channels at a tap: how many, and where their rows of the weight begin. */
static int64_t channels_of(const worker *w, int64_t tap, int64_t strip, float **weight)
{
    const cj__window *n = &w->plan->window;
    int64_t channel = strip * w->plan->split->tile_rows;
    *weight = w->weight + (tap * n->in + channel) * n->groups * n->out;
    return at_most(w->plan->split->tile_rows, n->in - channel);
}

/* What results [first, end) see through a tap, in the channels of a strip: [result][channel] */
static void copy_strip(const worker *w, int64_t tap, int64_t strip, int64_t channels, int64_t first,
                       int64_t end)
{
    const cj__window *n = &w->plan->window;
    int64_t all = n->groups * n->in, height = w->plan->split->tile_rows, taps[CJ__SPATIAL];
    cj__patches_tap(&w->s, tap, taps);
    cj__copy_patches(&w->s, w->call->a + w->group * n->in + strip * height, all, channels, taps, first, end,
                     w->to.patches, height);
}

/* Adds what results [first, end) give to the weights of one tap and strip; the largest number that they
 * see. */
static uint32_t run_strip(const worker *w, int64_t tap, int64_t strip, int64_t first, int64_t end)
{
    const cj__to_weight_by_parts_plan *plan = w->plan;
    const cj__matrix a = {w->to.patches, 1, plan->split->tile_rows};
    cj__split_strip product = {.a = w->to.rows,
                               .b = w->to.panels,
                               .c_row = plan->window.groups * plan->window.out,
                               .columns = w->columns,
                               .steps = cj__split_steps(end - first),
                               .parts = plan->parts,
                               .add = first > w->results.first};
    product.rows = channels_of(w, tap, strip, &product.c);
    copy_strip(w, tap, strip, product.rows, first, end);
    uint32_t largest = plan->split->pack_rows(a, product.rows, end - first, plan->parts, w->to.rows);
    plan->split->strip(&product);
    return largest;
}

/* The weights of one tap and strip in f32. */
static void redo(const worker *w, int64_t tap, int64_t strip)
{
    const cj__to_weight_by_parts_plan *plan = w->plan;
    const cj__matmul_kernels *f32 = plan->f32;
    int64_t row = plan->window.groups * plan->window.out;
    float *weight;
    int64_t channels = channels_of(w, tap, strip, &weight);
    for (int64_t first = w->results.first, end; first < w->results.end; first = end) {
        end = at_most(w->results.end, first + plan->depth);
        copy_strip(w, tap, strip, channels, first, end);
        for (int64_t i = 0; i < channels; i += f32->tile_rows) {
            cj__strip product = {.a = w->to.patches + i,
                                 .a_row = 1,
                                 .a_column = plan->split->tile_rows,
                                 .b = cotangent_at(w, first),
                                 .b_row = row,
                                 .b_panel = f32->tile_columns,
                                 .c = weight + i * row,
                                 .c_row = row,
                                 .rows = at_most(f32->tile_rows, channels - i),
                                 .columns = w->columns,
                                 .k = end - first,
                                 .add = first > w->results.first};
            f32->strip(&product);
        }
    }
}

/* All taps and strips of the task, for results [first, end). */
static void run_results(worker *w, int64_t first, int64_t end)
{
    const cj__to_weight_by_parts_plan *plan = w->plan;
    const cj__matrix b = {cotangent_at(w, first), plan->window.groups * plan->window.out, 1};
    uint32_t *largest = w->to.largest,
             here = plan->split->pack_panels(b, end - first, w->columns, plan->parts, w->to.panels);
    w->largest = here > w->largest ? here : w->largest;
    for (int64_t tap = w->tap; tap < w->last_tap; tap++)
        for (int64_t strip = w->strip; strip < w->last_strip; strip++, largest++) {
            here = run_strip(w, tap, strip, first, end);
            *largest = first > w->results.first && *largest > here ? *largest : here;
            if (end == w->results.end &&
                !(cj__split_fits(*largest, plan->parts) && cj__split_fits(w->largest, plan->parts)))
                redo(w, tap, strip);
        }
}

/* There are no results to add up. */
static void clear(const worker *w)
{
    const cj__window *n = &w->plan->window;
    float *weight;
    for (int64_t tap = w->tap; tap < w->last_tap; tap++)
        for (int64_t strip = w->strip; strip < w->last_strip; strip++)
            for (int64_t i = channels_of(w, tap, strip, &weight); i > 0; i--, weight += n->groups * n->out)
                memset(weight, 0, (size_t)w->columns * sizeof *weight);
}

void cj__to_weight_by_parts_run(const cj__to_weight_by_parts_plan *plan, const cj__product_call *call,
                                int64_t task, void *scratch)
{
    worker w = begin(plan, call, task, scratch);
    if (w.results.first == w.results.end) clear(&w);
    for (int64_t first = w.results.first, end; first < w.results.end; first = end) {
        end = at_most(w.results.end, first + plan->depth);
        run_results(&w, first, end);
    }
}

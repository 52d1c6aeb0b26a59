/* The matrix product by parts of bf16: planned where it is faster than f32, run task by task. Both operands
 * are always packed, B once by a stage before where it is worth one. What bf16 cannot hold (infinities, NaN,
 * the largest and, for several parts, the smallest numbers) is noticed while packing, and the rows of C
 * concerned are made again in f32. */
#include "base/team.h"
#include "cpu/matmul_blocks.h"
#include "cpu/split.h"

/* --- planning ------------------------------------------------------------------------------------------ */

/* Columns of one packed block of B, which stays in L2 (cj__split_depth), and rows of C for one task. */
enum { BLOCK_COLUMNS = 512, TASK_ROWS = 1024 };
/* Where a stage before has packed B, a task packs its rows of A once for all its columns: that many rows, so
 * that they and a block of B stay in L2, and more tasks than threads only read B again. Less work than this
 * (some 0.1 ms) is not worth a stage of its own, nor is a larger B worth its memory. */
enum { PACKED_ROWS = 256, FEWEST_ROWS = 64, MANY_THREADS = 8 };
static const double stage_work = 1 << 23;
static const size_t most_packed = (size_t)32 << 20;
/* A strip of C that nobody needs whole stays in L2 beside what makes it. */
static const size_t most_in_part = (size_t)256 << 10;
/* Rows that differ in number by one would be packed by masks, so of many strips all but the last are whole.
 */
enum { MANY_STRIPS = 16 };

/* Numbers of a step of k: of a panel of B, of a strip of A. */
static int64_t panel_step(const cj__matmul_plan *plan)
{
    return (int64_t)CJ__SPLIT_COLUMNS * CJ__SPLIT_STEP * plan->parts;
}

static int64_t strip_step(const cj__matmul_plan *plan)
{
    return plan->tile_rows * CJ__SPLIT_STEP * plan->parts;
}

static size_t panels_bytes(const cj__matmul_plan *plan)
{
    int64_t panels = plan->packed_before ? 0 : divide_up(plan->panels, plan->column_blocks);
    return aligned_bytes(panels * cj__split_steps(plan->k_block) * panel_step(plan), sizeof(uint16_t));
}

static int64_t strips_in_task(const cj__matmul_plan *plan)
{
    return divide_up(plan->strips, plan->row_blocks);
}

static size_t rows_bytes(const cj__matmul_plan *plan)
{
    int64_t strips = plan->packed_before ? strips_in_task(plan) : 1;
    return aligned_bytes(strips * cj__split_steps(plan->k_block) * strip_step(plan), sizeof(uint16_t));
}

/* What is made again in f32: panels of B that deep, and of either operand what is bf16 in memory. */
enum { REDONE_DEPTH = 256 };

static int64_t redone_panel(const cj__matmul_plan *plan)
{
    return (int64_t)REDONE_DEPTH * plan->kernels->tile_columns;
}

static size_t redone_bytes(const cj__matmul_plan *plan)
{
    int64_t wide_a = plan->shape.bf16_a ? (int64_t)REDONE_DEPTH * plan->kernels->tile_rows : 0;
    int64_t wide_b = plan->shape.bf16_b ? redone_panel(plan) : 0;
    return aligned_bytes(redone_panel(plan) + wide_b + wide_a, sizeof(float));
}

static void plan_scratch(cj__matmul_plan *plan)
{
    plan->scratch_bytes = panels_bytes(plan) + rows_bytes(plan) + redone_bytes(plan) +
                          aligned_bytes(strips_in_task(plan), sizeof(uint32_t));
}

bool cj__split_plan(cj__matmul_plan *plan, const cj__split_kernels *split)
{
    const cj__matmul_shape *s = &plan->shape;
    int parts = cj__split_parts(split, s->precision, s->m, s->n, s->k);
    if (parts == 0) return false;
    plan->kind = CJ__MATMUL_SPLIT;
    plan->split = split;
    plan->parts = parts;
    plan->tile_rows = split->tile_rows;
    plan->tile_columns = CJ__SPLIT_COLUMNS;
    plan->strips = divide_up(s->m, plan->tile_rows);
    plan->panels = divide_up(s->n, plan->tile_columns);
    plan->whole_strips = split->most_parts > 1 || plan->strips >= MANY_STRIPS;
    plan->k_block = cj__split_depth(split, parts, s->k);
    cj__matmul_cut(plan, TASK_ROWS, BLOCK_COLUMNS, 1, 1);
    plan_scratch(plan);
    return true;
}

/* --- operands ------------------------------------------------------------------------------------------ */

static cj__split_operand operand_a(const cj__matmul_plan *plan, const cj__matmul_call *call, const block *t)
{
    const cj__matmul_shape *s = &plan->shape;
    cj__split_operand a = {call->a, t->a.row, t->a.column, s->bf16_a};
    return cj__split_from(a, t->batch * s->m * s->k);
}

static cj__split_operand operand_b(const cj__matmul_plan *plan, const cj__matmul_call *call, const block *t)
{
    const cj__matmul_shape *s = &plan->shape;
    cj__split_operand b = {call->b, t->b.row, t->b.column, s->bf16_b};
    return s->shared_b ? b : cj__split_from(b, t->batch * s->k * s->n);
}

static uint32_t pack_rows(const cj__matmul_plan *plan, cj__split_operand a, int64_t rows, int64_t k,
                          uint16_t *to)
{
    return cj__split_pack_rows(plan->split, a, rows, k, plan->parts, to);
}

static uint32_t pack_panels(const cj__matmul_plan *plan, cj__split_operand b, int64_t k, int64_t columns,
                            uint16_t *to)
{
    return cj__split_pack_panels(plan->split, b, k, columns, plan->parts, to);
}

/* --- B packed before ----------------------------------------------------------------------------------- */

/* The workspace: block of k after block of k, each [panels][its steps]; then the largest magnitude of each
 * group of panels in each block of k, as bits. */
static int64_t groups_of(const cj__matmul_plan *plan)
{
    return divide_up(plan->panels, plan->group_panels);
}

static int64_t k_blocks(const cj__matmul_plan *plan)
{
    return divide_up(plan->shape.k, plan->k_block);
}

static size_t packed_bytes(const cj__matmul_plan *plan)
{
    return aligned_bytes(plan->panels * cj__split_steps(plan->shape.k) * panel_step(plan), sizeof(uint16_t));
}

static int64_t packed_place(const cj__matmul_plan *plan, int64_t p, int64_t depth, int64_t panel)
{
    return (p / CJ__SPLIT_STEP * plan->panels + panel * cj__split_steps(depth)) * panel_step(plan);
}

/* Into tasks, at least as many as there are threads if that many are worth it. */
static void cut_packed(cj__matmul_plan *plan, int64_t threads)
{
    int64_t m = plan->shape.m, rows = at_least(divide_up(m, PACKED_ROWS), at_most(threads, m / FEWEST_ROWS));
    plan->row_blocks = at_least(1, at_most(rows, plan->strips));
    plan->column_blocks = at_most(plan->panels, divide_up(threads, plan->row_blocks));
}

/* Groups of panels are the same for any number of threads: what bf16 cannot hold is made again by groups. */
size_t cj__split_pack_before(cj__matmul_plan *plan, bool lasting)
{
    const cj__matmul_shape *s = &plan->shape;
    bool again = plan->row_blocks * plan->column_blocks > 1; /* something is packed more than once */
    double work = (double)s->m * (double)s->n * (double)s->k;
    if (s->batch > 1 || packed_bytes(plan) > most_packed || (!lasting && (!again || work < stage_work)))
        return 0;
    plan->packed_before = true;
    cut_packed(plan, MANY_THREADS);
    plan->group_panels =
        at_most(BLOCK_COLUMNS / CJ__SPLIT_COLUMNS, divide_up(plan->panels, plan->column_blocks));
    cut_packed(plan, cj__team_size());
    plan->column_blocks = at_most(plan->column_blocks, groups_of(plan));
    plan->tasks = plan->row_blocks * plan->column_blocks;
    plan_scratch(plan);
    return packed_bytes(plan) + aligned_bytes(groups_of(plan) * k_blocks(plan), sizeof(uint32_t));
}

/* A strip of C, where one k block makes it whole and B is packed before, so that whoever takes strips can
 * have them one by one. */
size_t cj__split_part_bytes(const cj__matmul_plan *plan)
{
    size_t bytes = (size_t)(plan->tile_rows * plan->shape.n) * sizeof(float);
    return plan->packed_before && k_blocks(plan) == 1 && bytes <= most_in_part ? bytes : 0;
}

int64_t cj__split_pack_tasks(const cj__matmul_plan *plan)
{
    return groups_of(plan) * k_blocks(plan);
}

/* A group of panels in a block of k. Where memory runs along the columns, a step of all of them before the
 * next: each row of B is read whole. */
void cj__split_pack(const cj__matmul_plan *plan, const float *data, int64_t task, void *workspace)
{
    const cj__matmul_shape *s = &plan->shape;
    int64_t p = task % k_blocks(plan) * plan->k_block, depth = at_most(plan->k_block, s->k - p);
    int64_t first = task / k_blocks(plan) * plan->group_panels;
    int64_t last = at_most(first + plan->group_panels, plan->panels);
    cj__matrix lies = operand(data, s->transpose_b, s->k, s->n);
    cj__split_operand b = {data, lies.row, lies.column, s->bf16_b};
    int64_t at_once = b.column == 1 ? CJ__SPLIT_STEP : depth;
    uint32_t largest = 0;
    for (int64_t i = 0; i < depth; i += at_once)
        for (int64_t panel = first; panel < last; panel++) {
            int64_t column = panel * CJ__SPLIT_COLUMNS;
            uint16_t *to = (uint16_t *)workspace + packed_place(plan, p, depth, panel) +
                           i / CJ__SPLIT_STEP * panel_step(plan);
            uint32_t here =
                pack_panels(plan, cj__split_part_of(b, p + i, column), at_most(at_once, depth - i),
                            at_most(CJ__SPLIT_COLUMNS, s->n - column), to);
            largest = here > largest ? here : largest;
        }
    ((uint32_t *)(void *)((char *)workspace + packed_bytes(plan)))[task] = largest;
}

/* --- what bf16 cannot hold ----------------------------------------------------------------------------- */

/* Where row `row` of C lies, with which the strip at hand begins: a part of C is one strip, whole rows. */
static float *strip_of_c(const cj__matmul_plan *plan, const cj__matmul_call *call, const block *t,
                         int64_t row)
{
    return t->c + (call->in_parts ? 0 : row * plan->shape.n);
}

/* Rows [row, row+rows) of the block in f32, by the kernels of the plan's vectors. */
static void redo(const cj__matmul_plan *plan, const cj__matmul_call *call, const block *t, int64_t row,
                 int64_t rows, float *panel)
{
    const cj__matmul_kernels *kernels = plan->kernels;
    int64_t n = plan->shape.n, k = plan->shape.k, width = kernels->tile_columns;
    cj__split_operand a = operand_a(plan, call, t), b = operand_b(plan, call, t);
    float *wide_b = panel + redone_panel(plan), *wide_a = wide_b + (b.bf16 ? redone_panel(plan) : 0);
    float *c = strip_of_c(plan, call, t, row);
    for (int64_t j = t->column; j < t->column + t->columns; j += width)
        for (int64_t p = 0; p < k; p += REDONE_DEPTH) {
            cj__strip strip = {.b = panel,
                               .b_row = width,
                               .c_row = n,
                               .columns = at_most(width, t->column + t->columns - j),
                               .k = at_most(REDONE_DEPTH, k - p),
                               .add = p > 0};
            cj__matrix of_b = cj__split_in_f32(cj__split_part_of(b, p, j), strip.k, strip.columns, wide_b);
            kernels->pack_panels(of_b, strip.k, strip.columns, panel);
            for (int64_t i = row; i < row + rows; i += kernels->tile_rows) {
                strip.rows = at_most(kernels->tile_rows, row + rows - i);
                cj__matrix of_a = cj__split_in_f32(cj__split_part_of(a, i, p), strip.rows, strip.k, wide_a);
                strip.a = of_a.data, strip.a_row = of_a.row, strip.a_column = of_a.column;
                strip.c = c + (i - row) * n + j;
                kernels->strip(&strip);
            }
        }
}

/* --- running ------------------------------------------------------------------------------------------- */

/* A task's part of the scratch. */
typedef struct {
    uint16_t *panels, *rows; /* of B and of A, packed */
    float *redone;           /* one panel of B in f32 */
    uint32_t *largest;       /* of each strip of A so far, as bits */
} space;

static space divide(const cj__matmul_plan *plan, char *scratch)
{
    space s = {.panels = (uint16_t *)(void *)scratch};
    s.rows = (uint16_t *)(void *)(scratch += panels_bytes(plan));
    s.redone = (float *)(void *)(scratch += rows_bytes(plan));
    s.largest = (uint32_t *)(void *)(scratch + redone_bytes(plan));
    return s;
}

/* A strip after the last k block: right for every value, and the strip before it finished, which has left the
 * store buffer and is still in cache. A part of C is finished at once: the next strip takes its place. */
static void complete(const cj__matmul_plan *plan, const cj__matmul_call *call, const block *t, int64_t i,
                     bool fit, float *redone)
{
    int64_t row = strip_row(plan, t->strip + i), next = strip_row(plan, t->strip + i + 1);
    if (!fit) redo(plan, call, t, row, next - row, redone);
    int64_t before = i > 0 && !call->in_parts ? strip_row(plan, t->strip + i - 1) : row;
    if (before < row) finish(call, t, before, row - before, plan->shape.n);
    if (i == t->strips - 1 || call->in_parts) finish(call, t, row, next - row, plan->shape.n);
}

/* A strip of A, or the next of several, at k block [p, p + depth): notes the largest that it has met so far.
 */
static void pack_strip(const cj__matmul_plan *plan, cj__split_operand a, const block *t, int64_t i, int64_t p,
                       int64_t depth, uint16_t *to, uint32_t *largest)
{
    int64_t row = strip_row(plan, t->strip + i), rows = strip_row(plan, t->strip + i + 1) - row;
    uint32_t here = pack_rows(plan, cj__split_part_of(a, row, p), rows, depth, to);
    if (p == 0 || here > largest[i]) largest[i] = here;
}

/* Strips against one k block of B, of which `fits_b` says whether bf16 holds it. */
typedef struct {
    int64_t p, depth;
    const uint16_t *panels;
    bool fits_b;
} k_step;

static void multiply_strip(const cj__matmul_plan *plan, const cj__matmul_call *call, const block *t,
                           int64_t i, const uint16_t *rows, const k_step *k, const space *to)
{
    int64_t row = strip_row(plan, t->strip + i);
    plan->split->strip(&(cj__split_strip){.a = rows,
                                          .b = k->panels,
                                          .c = strip_of_c(plan, call, t, row) + t->column,
                                          .c_row = plan->shape.n,
                                          .rows = strip_row(plan, t->strip + i + 1) - row,
                                          .columns = t->columns,
                                          .steps = cj__split_steps(k->depth),
                                          .parts = plan->parts,
                                          .add = k->p > 0});
    if (k->p + k->depth == plan->shape.k)
        complete(plan, call, t, i, k->fits_b && cj__split_fits(to->largest[i], plan->parts), to->redone);
}

/* B is packed by the task itself, block by block of k, A strip by strip. */
static void run_whole(const cj__matmul_plan *plan, const cj__matmul_call *call, int64_t task, space to)
{
    block t = tiles_of(plan, call, task);
    cj__split_operand a = operand_a(plan, call, &t), b = operand_b(plan, call, &t);
    uint32_t largest_b = 0;
    for (int64_t p = 0; p < plan->shape.k; p += plan->k_block) {
        k_step k = {p, at_most(plan->k_block, plan->shape.k - p), to.panels, false};
        uint32_t largest =
            pack_panels(plan, cj__split_part_of(b, p, t.column), k.depth, t.columns, to.panels);
        if (largest > largest_b) largest_b = largest;
        k.fits_b = cj__split_fits(largest_b, plan->parts);
        for (int64_t i = 0; i < t.strips; i++) {
            pack_strip(plan, a, &t, i, p, k.depth, to.rows, to.largest);
            multiply_strip(plan, call, &t, i, to.rows, &k, &to);
        }
    }
}

/* All strips of a task. Where memory runs along the rows of a transposed A, a step of k of all of them before
 * the next: each line of memory is read once. */
static void pack_strips(const cj__matmul_plan *plan, cj__split_operand a, const block *t, int64_t p,
                        int64_t depth, space to)
{
    int64_t strip = cj__split_steps(depth) * strip_step(plan);
    int64_t at_once = a.column == 1 ? depth : CJ__SPLIT_STEP;
    for (int64_t k = 0; k < depth; k += at_once)
        for (int64_t i = 0; i < t->strips; i++)
            pack_strip(plan, a, t, i, p + k, at_most(at_once, depth - k),
                       to.rows + i * strip + k / CJ__SPLIT_STEP * strip_step(plan), to.largest);
}

static bool group_fits(const cj__matmul_plan *plan, const void *workspace, int64_t group)
{
    const uint32_t *largest = (const void *)((const char *)workspace + packed_bytes(plan));
    return cj__split_all_fit(largest + group * k_blocks(plan), k_blocks(plan), plan->parts);
}

/* B is packed: the task's rows of A against group after group of panels. */
static void run_packed(const cj__matmul_plan *plan, const cj__matmul_call *call, int64_t task, space to)
{
    int64_t groups = groups_of(plan), part = task % plan->column_blocks;
    int64_t last = part_start(groups, plan->column_blocks, part + 1);
    block t = block_of(plan, call, task);
    take_rows(plan, &t, task / plan->column_blocks);
    for (int64_t p = 0; p < plan->shape.k; p += plan->k_block) {
        k_step k = {.p = p, .depth = at_most(plan->k_block, plan->shape.k - p)};
        int64_t strip = cj__split_steps(k.depth) * strip_step(plan);
        pack_strips(plan, operand_a(plan, call, &t), &t, p, k.depth, to);
        for (int64_t group = part_start(groups, plan->column_blocks, part); group < last; group++) {
            int64_t panel = group * plan->group_panels;
            t.column = panel * CJ__SPLIT_COLUMNS;
            t.columns = at_most(plan->group_panels * CJ__SPLIT_COLUMNS, plan->shape.n - t.column);
            k.panels = (const uint16_t *)call->workspace + packed_place(plan, p, k.depth, panel);
            k.fits_b = group_fits(plan, call->workspace, group);
            for (int64_t i = 0; i < t.strips; i++)
                multiply_strip(plan, call, &t, i, to.rows + i * strip, &k, &to);
        }
    }
}

void cj__split_run(const cj__matmul_plan *plan, const cj__matmul_call *call, int64_t task, void *scratch)
{
    space to = divide(plan, scratch);
    if (plan->packed_before)
        run_packed(plan, call, task, to);
    else
        run_whole(plan, call, task, to);
}

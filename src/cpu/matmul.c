/* Plans a matrix product and walks one task of it: how C is cut into blocks, which operand is packed, and the
 * loops around the micro-kernels of src/cpu/kernels. */
#include "cpu/matmul_blocks.h"
#include "cpu/split.h"

#include <stdio.h>
#include <string.h>

static const cj__matmul_kernels *const kernels_of[CJ__ISA_COUNT] = {
    [CJ__ISA_SCALAR] = &cj__matmul_scalar,
    CJ__IF_NEON([CJ__ISA_NEON] = &cj__matmul_neon, ) CJ__IF_AVX2([CJ__ISA_AVX2] = &cj__matmul_avx2, )
        CJ__IF_AVX512([CJ__ISA_AVX512] = &cj__matmul_avx512, )};

const cj__matmul_kernels *cj__matmul_kernels_of(cj__isa isa)
{
    return kernels_of[cj__isa_vectors(isa)];
}

/* --- planning ------------------------------------------------------------------------------------------ */

/* A step of k for a whole panel of B must fit in L1 beside a strip of A: 256 × 16 × 4 bytes is half of 32 KB.
 * Even parts, so that no step is much shorter than the others; and a little more than one step is one all the
 * same where a panel stays within 24 KB, since two would write C, read it and write it again. */
enum { K_BLOCK = 256, WHOLE_PANEL = 24576 };
/* Columns of C for one task: a k block of that many columns of B, 256 KB, stays in L2 while strips pass. */
enum { TASK_COLUMNS = 256 };
/* Rows of C for one task: enough to make up for packing the columns of B again in every block of rows. */
enum { TASK_ROWS = 1024 };
/* Fewer multiply-adds than this (some 3 µs) are not worth handing to another thread; beyond MOST_TASKS blocks
 * only the sizes above cut further. */
enum { TASK_WORK = 1 << 17, MOST_TASKS = 8 };
/* A transposed A is packed that many strips at a time, so that each cache line read is used whole, where
 * enough columns use the copy. */
enum { PACKED_STRIPS = 8, PACKED_COLUMNS = 64 };
/* A stride of that many bytes or a multiple puts the rows of a block into a few sets of the caches; beyond
 * LONG_STRIDE a panel has more pages than the first level of the TLB, and prefetchers that stop at each. */
enum { BAD_STRIDE = 1024, LONG_STRIDE = 1024 };
/* Rows of C in a task that make up for packing B, where it lies badly. */
enum { ENOUGH_ROWS = 64, MANY_ROWS = 128 };
/* Rows of A that lie a multiple of that many bytes apart share one set of L1. More of them than it has ways
 * push each other out before their lines are used up, so a strip is copied first, its rows a line further
 * apart than they are long: 1.2 times as fast with 14 rows on Zen 4. */
enum { SET_STRIDE = 4096, WAYS = 8, CACHE_LINE = 16 /* floats */ };
/* More of A than so many floats is not in L2 before it is read: the next strip is asked for in time. */
enum { FAR_BLOCK = 1 << 18 };

int64_t cj__matmul_tasks_worth(const cj__matmul_shape *s)
{
    double work = (double)s->batch * (double)s->m * (double)s->n * (double)s->k;
    return work > (double)MOST_TASKS * TASK_WORK ? MOST_TASKS : at_least(1, (int64_t)(work / TASK_WORK));
}

/* Every block of columns reads (or packs) all of A again, every block of rows all of B: of the ways to make
 * as many tasks as wanted, the one that moves the least. */
void cj__matmul_cut(cj__matmul_plan *plan, int64_t most_rows, int64_t most_columns, double weight_a,
                    double weight_b)
{
    const cj__matmul_shape *s = &plan->shape;
    double least = 0;
    int64_t wanted = cj__matmul_tasks_worth(s), fewest_rows = divide_up(s->m, most_rows);
    for (int64_t columns = divide_up(s->n, most_columns); columns <= plan->panels; columns++) {
        int64_t rows = at_least(fewest_rows, divide_up(wanted, s->batch * columns));
        rows = at_most(rows, plan->strips);
        double moved = (double)(columns * s->m) * weight_a + (double)(rows * s->n) * weight_b;
        if (least > 0 && moved >= least) continue;
        least = moved;
        plan->column_blocks = columns;
        plan->row_blocks = rows;
    }
    plan->tasks = s->batch * plan->row_blocks * plan->column_blocks;
}

static bool worth_packing(int64_t row_of_b, int64_t rows)
{
    int64_t bytes = row_of_b * (int64_t)sizeof(float);
    return (bytes % BAD_STRIDE == 0 && rows >= ENOUGH_ROWS) || (bytes > LONG_STRIDE && rows >= MANY_ROWS);
}

static bool rows_collide(const cj__matmul_plan *plan)
{
    return plan->tile_rows > WAYS && plan->shape.k * (int64_t)sizeof(float) % SET_STRIDE == 0;
}

/* Floats from one row of a copied strip to the next. */
static int64_t copied_row(const cj__matmul_plan *plan)
{
    return plan->k_block + CACHE_LINE;
}

static size_t strips_bytes(const cj__matmul_plan *plan)
{
    int64_t rows = plan->kernels->tile_rows;
    int64_t floats = plan->shape.transpose_a ? PACKED_STRIPS * rows * plan->k_block : rows * copied_row(plan);
    return aligned_bytes(floats, sizeof(float));
}

static void plan_tiles(cj__matmul_plan *plan)
{
    const cj__matmul_shape *s = &plan->shape;
    const cj__matmul_kernels *kernels = plan->kernels;
    plan->kind = CJ__MATMUL_TILES;
    plan->tile_rows = kernels->tile_rows;
    plan->tile_columns = kernels->tile_columns;
    plan->strips = divide_up(s->m, plan->tile_rows);
    plan->panels = divide_up(s->n, plan->tile_columns);
    plan->k_block = divide_up(s->k, divide_up(s->k, K_BLOCK));
    if (s->k <= WHOLE_PANEL / (plan->tile_columns * (int64_t)sizeof(float))) plan->k_block = s->k;
    /* Copying from a transposed operand is dearest. */
    cj__matmul_cut(plan, TASK_ROWS, TASK_COLUMNS, s->transpose_a ? 1 : 0.5, s->transpose_b ? 1 : 0.5);
    int64_t rows = divide_up(s->m, plan->row_blocks);
    int64_t columns = divide_up(plan->panels, plan->column_blocks) * kernels->tile_columns;
    plan->pack_b = s->transpose_b || worth_packing(s->n, rows);
    plan->pack_a =
        columns >= PACKED_COLUMNS && s->m >= 2 * kernels->tile_rows && (s->transpose_a || rows_collide(plan));
    if (plan->pack_b) plan->scratch_bytes += aligned_bytes(columns * plan->k_block, sizeof(float));
    if (plan->pack_a) plan->scratch_bytes += strips_bytes(plan);
}

/* --- B packed before ----------------------------------------------------------------------------------- */

/* Packing costs a few hundredths of a product of so many rows, and more of one with fewer; a larger B would
 * take too much memory for that. */
enum { FEW_FOR_PACKING = 1024, MOST_PACKED = 32 << 20 /* bytes */ };

static int64_t padded_columns(const cj__matmul_plan *plan)
{
    return plan->panels * plan->tile_columns;
}

size_t cj__matmul_pack_before(cj__matmul_plan *plan, bool lasting)
{
    if (plan->kind == CJ__MATMUL_SPLIT) return cj__split_pack_before(plan, lasting);
    if (plan->kind == CJ__MATMUL_DOTS || plan->kind == CJ__MATMUL_SUMS)
        return cj__few_rows_pack_before(plan, lasting);
    const cj__matmul_shape *s = &plan->shape;
    size_t bytes = aligned_bytes(padded_columns(plan) * s->k, sizeof(float));
    if (plan->kind != CJ__MATMUL_TILES || !lasting || s->batch > 1) return 0;
    if (s->m > FEW_FOR_PACKING || bytes > MOST_PACKED) return 0;
    plan->packed_before = true;
    plan->pack_b = false;
    plan->scratch_bytes = plan->pack_a ? strips_bytes(plan) : 0;
    return bytes;
}

/* Block of k after block of k, each [panels][its depth][tile_columns]. */
static int64_t packed_place(const cj__matmul_plan *plan, int64_t p, int64_t depth, int64_t column)
{
    return p * padded_columns(plan) + column * depth;
}

int64_t cj__matmul_pack_tasks(const cj__matmul_plan *plan)
{
    if (plan->kind == CJ__MATMUL_SPLIT) return cj__split_pack_tasks(plan);
    return plan->kind == CJ__MATMUL_TILES ? plan->panels : cj__few_rows_pack_tasks(plan);
}

static void pack_panel(const cj__matmul_plan *plan, const float *b, int64_t panel, float *to)
{
    const cj__matmul_shape *s = &plan->shape;
    int64_t column = panel * plan->tile_columns, columns = at_most(plan->tile_columns, s->n - column);
    cj__matrix all = operand(b, s->transpose_b, s->k, s->n);
    for (int64_t p = 0; p < s->k; p += plan->k_block) {
        int64_t depth = at_most(plan->k_block, s->k - p);
        cj__matrix part = {all.data + p * all.row + column * all.column, all.row, all.column};
        plan->kernels->pack_panels(part, depth, columns, to + packed_place(plan, p, depth, column));
    }
}

void cj__matmul_pack(const cj__matmul_plan *plan, const float *b, int64_t task, void *workspace)
{
    if (plan->kind == CJ__MATMUL_SPLIT)
        cj__split_pack(plan, b, task, workspace);
    else if (plan->kind == CJ__MATMUL_TILES)
        pack_panel(plan, b, task, workspace);
    else
        cj__few_rows_pack(plan, b, task, workspace);
}

/* --- making a plan -------------------------------------------------------------------------------------- */

static const char *kernel_name(const cj__matmul_plan *plan)
{
    static const char *const rows[CJ__ISA_COUNT] = {"scalar few rows", "neon few rows",   "avx2 few rows",
                                                    "avx512 few rows", "avx512 few rows", "avx512 few rows"};
    switch (plan->kind) {
    case CJ__MATMUL_ZEROS:
        return "zeros";
    case CJ__MATMUL_DOTS:
    case CJ__MATMUL_SUMS:
        return rows[plan->isa];
    case CJ__MATMUL_TILES:
        return plan->kernels->name;
    case CJ__MATMUL_SPLIT:
        return plan->split->name[plan->parts - 1];
    }
    return "?";
}

static const char *why_f32(const cj__matmul_plan *plan, const cj__split_kernels *split)
{
    if (plan->kind == CJ__MATMUL_SPLIT || plan->kind == CJ__MATMUL_ZEROS) return "";
    return cj__split_why_f32(split, plan->isa, plan->shape.precision);
}

void cj__matmul_plan_make(cj__matmul_plan *plan, const cj__matmul_shape *shape, cj__isa isa)
{
    cj__matmul_plan_with(plan, shape, isa, cj__split_kernels_of(NULL, isa));
}

void cj__matmul_plan_with(cj__matmul_plan *plan, const cj__matmul_shape *shape, cj__isa isa,
                          const cj__split_kernels *split)
{
    *plan = (cj__matmul_plan){.shape = *shape, .isa = isa, .kernels = cj__matmul_kernels_of(isa)};
    cj__matmul_shape *s = &plan->shape;
    if (s->shared_b && !s->transpose_a) { /* one tall product */
        s->m *= s->batch;
        s->batch = 1;
    }
    if (s->batch == 0 || s->m == 0 || s->n == 0) return;
    if (s->k == 0) {
        plan->kind = CJ__MATMUL_ZEROS;
        plan->tasks = s->batch;
    } else if (s->m <= CJ__FEW_ROWS) {
        cj__few_rows_plan(plan, false, s->transpose_b);
    } else if (s->n <= CJ__FEW_ROWS && (!s->transpose_a || s->n == 1)) {
        cj__few_rows_plan(plan, true, !s->transpose_a);
    } else if (!split || !cj__split_plan(plan, split)) {
        plan_tiles(plan);
    }
    snprintf(plan->name, sizeof plan->name, "%s%s", kernel_name(plan), why_f32(plan, split));
}

const char *cj__matmul_plan_name(const cj__matmul_plan *plan)
{
    return plan->name;
}

/* --- running ------------------------------------------------------------------------------------------- */

/* One k block [p, p+depth) of a task. */
typedef struct {
    int64_t p, depth;
    const float *panels; /* of B, packed; NULL: B is read where it lies */
    float *strips;       /* room for strips_bytes of A; NULL: A is read where it lies */
} k_step;

static cj__matrix copied_strip(const cj__matmul_plan *plan, cj__matrix a, int64_t rows, const k_step *step)
{
    int64_t stride = copied_row(plan);
    for (int64_t i = 0; i < rows; i++)
        memcpy(step->strips + i * stride, a.data + i * a.row, (size_t)step->depth * sizeof(float));
    return (cj__matrix){step->strips, stride, 1};
}

/* Packs the next few strips of A when the present one is the first of them; finds the present one. */
static cj__matrix strip_of_a(const cj__matmul_plan *plan, const block *t, const k_step *step, int64_t i)
{
    int64_t row = strip_row(plan, t->strip + i), group = i % PACKED_STRIPS, starts[PACKED_STRIPS + 1];
    int64_t tile_rows = plan->kernels->tile_rows;
    cj__matrix a = {t->a.data + row * t->a.row + step->p * t->a.column, t->a.row, t->a.column};
    if (!step->strips) return a;
    if (!plan->shape.transpose_a) return copied_strip(plan, a, strip_row(plan, t->strip + i + 1) - row, step);
    if (group == 0) {
        int64_t strips = at_most(PACKED_STRIPS, t->strips - i);
        for (int64_t s = 0; s <= strips; s++) starts[s] = strip_row(plan, t->strip + i + s);
        plan->kernels->pack_strips(a, starts, strips, step->depth, step->strips);
    }
    return (cj__matrix){step->strips + group * tile_rows * step->depth, 1, tile_rows};
}

/* Has a strip whose rows lie whole in memory brought into L2. Inlined at once, or gcc takes a function that
 * only prefetches for one that does nothing. */
static inline __attribute__((always_inline)) void ask_for_strip(const cj__matmul_plan *plan, const block *t,
                                                                int64_t i)
{
    int64_t k = plan->shape.k;
    const float *from = t->a.data + strip_row(plan, t->strip + i) * k;
    const float *end = t->a.data + strip_row(plan, t->strip + i + 1) * k;
    for (; from < end; from += CACHE_LINE) __builtin_prefetch(from, 0, 2);
}

/* Strip after strip against one k block of B. After the last k block the strip before the present one is
 * finished: its stores have left the store buffer, and it is still in L1. */
static void run_strips(const cj__matmul_plan *plan, const cj__matmul_call *call, const block *t, k_step step)
{
    const cj__matmul_shape *s = &plan->shape;
    int64_t width = plan->kernels->tile_columns, row = t->row, ready = t->row;
    bool last = step.p + step.depth == s->k;
    bool whole_rows = !step.strips && !s->transpose_a && step.depth == s->k;
    bool from_far = whole_rows && s->m * s->k > FAR_BLOCK;
    cj__strip strip = {.b = t->b.data + step.p * t->b.row + t->column * t->b.column,
                       .b_row = t->b.row,
                       .b_panel = width,
                       .c_row = s->n,
                       .columns = t->columns,
                       .k = step.depth,
                       .add = step.p > 0};
    if (step.panels) strip.b = step.panels, strip.b_row = width, strip.b_panel = width * step.depth;
    for (int64_t i = 0; i < t->strips; i++, row += strip.rows) {
        cj__matrix a = strip_of_a(plan, t, &step, i);
        strip.a = a.data, strip.a_row = a.row, strip.a_column = a.column;
        strip.rows = strip_row(plan, t->strip + i + 1) - row;
        strip.c = t->c + row * s->n + t->column;
        if (from_far && i + 1 < t->strips) ask_for_strip(plan, t, i + 1);
        plan->kernels->strip(&strip);
        if (last && row > ready) {
            finish(call, t, ready, row - ready, s->n);
            ready = row;
        }
    }
    if (last) finish(call, t, ready, t->row + t->rows - ready, s->n);
}

static void run_tiles(const cj__matmul_plan *plan, const cj__matmul_call *call, int64_t task, void *scratch)
{
    block t = tiles_of(plan, call, task);
    float *strips = plan->pack_a ? scratch : NULL;
    float *panels = plan->pack_b ? (float *)((char *)scratch + (strips ? strips_bytes(plan) : 0)) : NULL;
    for (int64_t p = 0; p < plan->shape.k; p += plan->k_block) {
        int64_t depth = at_most(plan->k_block, plan->shape.k - p);
        cj__matrix b = {t.b.data + p * t.b.row + t.column * t.b.column, t.b.row, t.b.column};
        k_step step = {p, depth, panels, strips};
        if (panels) plan->kernels->pack_panels(b, depth, t.columns, panels);
        if (plan->packed_before)
            step.panels = (const float *)call->workspace + packed_place(plan, p, depth, t.column);
        run_strips(plan, call, &t, step);
    }
}

static void run_zeros(const cj__matmul_plan *plan, const cj__matmul_call *call, int64_t task)
{
    const cj__matmul_shape *s = &plan->shape;
    block t = block_of(plan, call, task);
    memset(t.c, 0, (size_t)(s->m * s->n) * sizeof *t.c);
    finish(call, &t, 0, s->m, s->n);
}

void cj__matmul_run(const cj__matmul_plan *plan, const cj__matmul_call *call, int64_t task, void *scratch)
{
    switch (plan->kind) {
    case CJ__MATMUL_ZEROS:
        run_zeros(plan, call, task);
        break;
    case CJ__MATMUL_DOTS:
    case CJ__MATMUL_SUMS:
        cj__few_rows_run(plan, call, task, scratch);
        break;
    case CJ__MATMUL_SPLIT:
        cj__split_run(plan, call, task, scratch);
        break;
    case CJ__MATMUL_TILES:
        run_tiles(plan, call, task, scratch);
        break;
    }
}

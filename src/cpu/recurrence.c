/* Recurrences in f32, forwards: some rows walk through all steps in one task. The weight, packed in groups of
 * units with their gates side by side, is multiplied group by group, and each group's gates are made while
 * their products are in L1. The states of the step before lie in scratch. */
#include "cpu/recurrence.h"
#include "base/team.h"
#include "cpu/matmul_blocks.h"
#include "cpu/split.h"

#include <stdio.h>
#include <string.h>

/* As in cpu/matmul.c: so much of a panel stays in L1 while strips pass. */
enum { K_BLOCK = 256 };
/* Rows of a task, where there are enough for more tasks than threads, and where not. */
enum { MANY = 256, ROWS_OF_MANY = 32, ROWS_OF_FEW = 16 };

static const cj__recurrence_table *const tables[CJ__ISA_COUNT] = {
    [CJ__ISA_SCALAR] = &cj__recurrence_scalar,
    CJ__IF_NEON([CJ__ISA_NEON] = &cj__recurrence_neon, ) CJ__IF_AVX2([CJ__ISA_AVX2] = &cj__recurrence_avx2, )
        CJ__IF_AVX512([CJ__ISA_AVX512] = &cj__recurrence_avx512, )};

/* --- what both ways share ------------------------------------------------------------------------------ */

/* A pitch of whole vectors that is no power of two: rows must not meet in the same sets of the cache. */
static int64_t pitch_of(int64_t floats)
{
    return (floats + 15) / 16 * 16 + 16;
}

static int64_t blocks_of(int64_t rows)
{
    return divide_up(rows, rows >= MANY ? ROWS_OF_MANY : ROWS_OF_FEW);
}

/* Tiles take more rows in the same time: fewer tasks, if all threads have one, read the weight less often. */
static int64_t blocks_of_tiles(const cj__recurrence_plan *p)
{
    int64_t height = at_most(p->split.kernels->tile_rows, CJ__MOST_ROWS);
    return at_most(p->blocks, at_least(divide_up(p->rows, height), cj__team_size()));
}

/* That they pay must not depend on threads: rows of a task as they would be without any. */
static void choose_split(cj__recurrence_plan *p, const cj__launch *launch, cj__isa isa,
                         cj__recurrence_product product)
{
    cj__weight_parts *w = &p->split;
    const cj__split_kernels *split = cj__split_kernels_of(launch->own, isa);
    int64_t rows = p->blocks ? divide_up(p->rows, p->blocks) : 0;
    w->parts = cj__split_parts(split, launch->precision, rows, product.columns, product.k);
    w->kernels = split;
    w->k = product.k;
    w->groups = product.groups;
    w->panels = product.panels;
    w->largest = p->table->largest;
    if (w->parts) w->k_block = cj__split_depth(split, w->parts, w->k);
    if (w->parts) p->blocks = blocks_of_tiles(p);
    static const char *const cells[] = {"rnn tanh", "rnn relu", "lstm", "gru"};
    snprintf(p->name, sizeof p->name, "%s, %s%s", cells[p->cell],
             p->few     ? "few rows"
             : w->parts ? split->name[w->parts - 1]
                        : p->matmul->name,
             w->parts ? "" : cj__split_why_f32(split, isa, launch->precision));
}

cj_status cj__recurrence_plan_make(cj__recurrence_plan **plan, const cj__launch *launch, cj_shape_t states,
                                   cj__recurrence_product product, cj__arena *arena)
{
    const cj__recurrence_attributes *a = launch->attributes;
    cj__recurrence_plan *p = cj__arena_allocate(arena, sizeof *p);
    cj__isa isa;
    if (!p) return cj__out_of_memory(sizeof *p, "a recurrence");
    CJ__TRY(cj__isa_choose(&isa));
    *p = (cj__recurrence_plan){.table = tables[cj__isa_vectors(isa)],
                               .matmul = cj__matmul_kernels_of(isa),
                               .cell = a->cell,
                               .gates = cj__cell_gates(a->cell),
                               .reverse = a->reverse,
                               .rows = states.dims[0],
                               .steps = states.dims[1],
                               .units = states.dims[2]};
    p->few = p->rows <= CJ__FEW_ROWS;
    p->blocks = blocks_of(p->rows);
    p->pitch = pitch_of(p->units);
    p->d_pitch = pitch_of(p->gates * p->units);
    choose_split(p, launch, isa, product);
    *plan = p;
    return CJ_OK;
}

const char *cj__recurrence_describe(const cj__launch *launch)
{
    return ((const cj__recurrence_plan *)launch->data)->name;
}

cj__recurrence_rows cj__recurrence_rows_of(const cj__recurrence_plan *plan, const int32_t *lengths,
                                           int64_t task)
{
    cj__recurrence_rows rows = {.first = part_start(plan->rows, plan->blocks, task)};
    int64_t end = part_start(plan->rows, plan->blocks, task + 1);
    for (int64_t n = rows.first; n < end; n++) {
        int64_t length = at_least(0, at_most(lengths[n], plan->steps)), r = rows.count++;
        for (; r > 0 && rows.length[r - 1] < length; r--) {
            rows.length[r] = rows.length[r - 1];
            rows.row[r] = rows.row[r - 1];
        }
        rows.length[r] = length;
        rows.row[r] = n;
    }
    return rows;
}

void cj__recurrence_clear(const cj__recurrence_plan *plan, const cj__recurrence_rows *rows, int64_t width,
                          float *result)
{
    for (int64_t r = 0; result && r < rows->count; r++) {
        int64_t length = rows->length[r], from = rows->row[r] * plan->steps + length;
        memset(result + from * width, 0, (size_t)((plan->steps - length) * width) * sizeof *result);
    }
}

/* A panel of B for all strips of rows, before the next: it is read from afar once. */
void cj__recurrence_multiply(const cj__recurrence_plan *plan, const cj__panel_product *p)
{
    int64_t width = plan->matmul->tile_columns, strips = divide_up(p->rows, plan->matmul->tile_rows);
    int64_t parts = divide_up(p->k, K_BLOCK);
    for (int64_t column = 0; column < p->columns; column += width)
        for (int64_t part = 0; part < parts; part++) {
            int64_t from = part_start(p->k, parts, part);
            cj__strip strip = {.a_row = p->a_pitch,
                               .a_column = 1,
                               .b = p->panels + column * p->k + from * width,
                               .b_row = width,
                               .c_row = p->c_pitch,
                               .columns = at_most(width, p->columns - column),
                               .k = part_start(p->k, parts, part + 1) - from,
                               .add = part > 0};
            for (int64_t s = 0; s < strips; s++) {
                int64_t row = part_start(p->rows, strips, s);
                strip.rows = part_start(p->rows, strips, s + 1) - row;
                strip.a = p->a + row * p->a_pitch + from;
                strip.c = p->c + row * p->c_pitch + column;
                plan->matmul->strip(&strip);
            }
        }
}

/* --- packing the weight -------------------------------------------------------------------------------- */

static int64_t groups_of(const cj__recurrence_plan *plan)
{
    return divide_up(plan->units, CJ__UNITS_AT_ONCE);
}

static int64_t units_of(const cj__recurrence_plan *plan, int64_t group)
{
    return at_most(CJ__UNITS_AT_ONCE, plan->units - group * CJ__UNITS_AT_ONCE);
}

/* Where the panels of a gate of a group begin. */
static int64_t panel_place(const cj__recurrence_plan *plan, int64_t group, int64_t gate)
{
    return (group * plan->gates + gate) * CJ__UNITS_AT_ONCE * plan->units;
}

static cj_status prepare_packing(cj__launch *launch, cj__arena *arena)
{
    (void)arena;
    launch->tasks = groups_of(launch->data);
    return CJ_OK;
}

/* operands: weight [G·H,H]; the workspace */
static void pack(const cj__launch *launch, void *const *operands, int64_t group, void *scratch)
{
    (void)scratch;
    const cj__recurrence_plan *plan = launch->data;
    const float *weight = operands[0];
    int64_t h = plan->units, units = units_of(plan, group);
    uint32_t largest = 0;
    for (int64_t gate = 0; gate < plan->gates; gate++) {
        cj__matrix b = {weight + (gate * h + group * CJ__UNITS_AT_ONCE) * h, 1, h};
        if (plan->split.parts) {
            uint32_t here = cj__weight_parts_pack(&plan->split, group, gate, b, units, operands[1]);
            largest = here > largest ? here : largest;
        } else {
            plan->matmul->pack_panels(b, h, units, (float *)operands[1] + panel_place(plan, group, gate));
        }
    }
    if (plan->split.parts) cj__weight_parts_note(group, largest, operands[1]);
}

static const cj__kernel packing = {
    .name = "packed recurrent weight", .op = -1, .prepare = prepare_packing, .run = pack};

/* --- walking ------------------------------------------------------------------------------------------- */

typedef struct {
    const cj__recurrence_plan *plan;
    const float *gates, *weight, *first, *extra;
    const void *packed; /* the weight */
    float *states, *last, *last_cell, *saved_gates, *saved;
    cj__recurrence_rows rows;
    int64_t within;        /* rows that have this step */
    float *now, *next;     /* states [rows,pitch] */
    float *cell, *product; /* [rows,units], [rows,gates·units at once] */
    void *split;           /* room for the state by parts */
    cj__row_parts parts;   /* the state that this step finds */
} walk;

static size_t floats_bytes(const cj__recurrence_plan *plan)
{
    int64_t each = 2 * plan->pitch + plan->units + plan->gates * CJ__UNITS_AT_ONCE;
    return aligned_bytes(CJ__MOST_ROWS * each, sizeof(float));
}

static void bind(walk *w, const cj__launch *launch, void *const *operands)
{
    bool lstm = w->plan->cell == CJ__LSTM, saving = launch->op == CJ__OP_recurrence_saving;
    void *const *results = operands + launch->inputs_count;
    w->gates = operands[CJ__R_GATES];
    w->weight = operands[CJ__R_WEIGHT];
    w->first = operands[CJ__R_FIRST];
    w->extra = launch->inputs_count > CJ__R_EXTRA ? operands[CJ__R_EXTRA] : NULL;
    w->states = *results++;
    w->last = *results++;
    w->last_cell = lstm ? *results++ : NULL;
    if (saving && w->plan->gates > 1) {
        w->saved_gates = *results++;
        w->saved = *results++;
    }
    w->packed = w->plan->few ? NULL : *results;
}

static walk begin(const cj__launch *launch, void *const *operands, int64_t task, float *scratch)
{
    walk w = {.plan = launch->data};
    const cj__recurrence_plan *plan = w.plan;
    bind(&w, launch, operands);
    w.rows = cj__recurrence_rows_of(plan, operands[CJ__R_LENGTHS], task);
    w.within = w.rows.count;
    w.now = scratch;
    w.next = w.now + CJ__MOST_ROWS * plan->pitch;
    w.product = w.next + CJ__MOST_ROWS * plan->pitch;
    w.cell = w.product + CJ__MOST_ROWS * plan->gates * CJ__UNITS_AT_ONCE;
    w.split = (char *)scratch + floats_bytes(plan);
    size_t bytes = (size_t)plan->units * sizeof(float);
    for (int64_t r = 0; r < w.rows.count; r++) {
        memcpy(w.now + r * plan->pitch, w.first + w.rows.row[r] * plan->units, bytes);
        if (w.last_cell) memcpy(w.cell + r * plan->units, w.extra + w.rows.row[r] * plan->units, bytes);
    }
    cj__recurrence_clear(plan, &w.rows, plan->units, w.states);
    cj__recurrence_clear(plan, &w.rows, plan->gates * plan->units, w.saved_gates);
    cj__recurrence_clear(plan, &w.rows, plan->units, w.saved);
    return w;
}

/* Rows whose last step was the one before are done. */
static void finish_rows(walk *w, int64_t step)
{
    const cj__recurrence_plan *plan = w->plan;
    size_t bytes = (size_t)plan->units * sizeof(float);
    for (; w->within > 0 && w->rows.length[w->within - 1] <= step; w->within--) {
        int64_t r = w->within - 1, n = w->rows.row[r];
        memcpy(w->last + n * plan->units, w->now + r * plan->pitch, bytes);
        if (w->last_cell) memcpy(w->last_cell + n * plan->units, w->cell + r * plan->units, bytes);
    }
}

/* --- weight·state, for a group of units ---------------------------------------------------------------- */

/* As the weight lies in memory, at most four rows at a time. */
static void multiply_rows(const walk *w, int64_t group, int64_t row, int64_t rows)
{
    const cj__recurrence_plan *plan = w->plan;
    int64_t h = plan->units, c_pitch = plan->gates * CJ__UNITS_AT_ONCE;
    for (int64_t r = row; r < row + rows; r += CJ__FEW_ROWS)
        for (int64_t gate = 0; gate < plan->gates; gate++)
            plan->matmul->dots(&(cj__few_rows){.x = w->now + r * plan->pitch,
                                               .x_row = plan->pitch,
                                               .rows = at_most(CJ__FEW_ROWS, row + rows - r),
                                               .k = h,
                                               .w = w->weight + (gate * h + group * CJ__UNITS_AT_ONCE) * h,
                                               .w_row = h,
                                               .columns = units_of(plan, group),
                                               .c = w->product + r * c_pitch + gate * CJ__UNITS_AT_ONCE,
                                               .c_row = c_pitch,
                                               .c_column = 1});
}

static void multiply_tiles(const walk *w, int64_t group)
{
    const cj__recurrence_plan *plan = w->plan;
    for (int64_t gate = 0; gate < plan->gates; gate++)
        cj__recurrence_multiply(
            plan, &(cj__panel_product){.a = w->now,
                                       .a_pitch = plan->pitch,
                                       .rows = w->within,
                                       .k = plan->units,
                                       .panels = (const float *)w->packed + panel_place(plan, group, gate),
                                       .c = w->product + gate * CJ__UNITS_AT_ONCE,
                                       .c_pitch = plan->gates * CJ__UNITS_AT_ONCE,
                                       .columns = units_of(plan, group)});
}

static void multiply_parts(const walk *w, int64_t group)
{
    const cj__weight_parts *split = &w->plan->split;
    int64_t columns = w->plan->gates * CJ__UNITS_AT_ONCE;
    cj__row_parts_multiply(split, &w->parts, w->packed, group, w->product, columns, columns);
    for (int64_t r = 0; r < w->within; r++)
        if (!cj__row_parts_fit(split, &w->parts, w->packed, group, r)) multiply_rows(w, group, r, 1);
}

static void multiply(const walk *w, int64_t group)
{
    if (w->plan->few)
        multiply_rows(w, group, 0, w->within);
    else if (w->plan->split.parts)
        multiply_parts(w, group);
    else
        multiply_tiles(w, group);
}

static void make_gates(const walk *w, int64_t group, int64_t step)
{
    const cj__recurrence_plan *plan = w->plan;
    int64_t u = group * CJ__UNITS_AT_ONCE, h = plan->units, width = plan->gates * h;
    for (int64_t r = 0; r < w->within; r++) {
        int64_t place = cj__recurrence_place(plan, &w->rows, r, step);
        plan->table->step[plan->cell](
            &(cj__cell_step){.units = units_of(plan, group),
                             .gate_step = h,
                             .x = w->gates + place * width + u,
                             .product = w->product + r * plan->gates * CJ__UNITS_AT_ONCE,
                             .bias = plan->cell == CJ__GRU ? w->extra + u : NULL,
                             .before = w->now + r * plan->pitch + u,
                             .cell = w->cell + r * h + u,
                             .after = w->next + r * plan->pitch + u,
                             .state = w->states + place * h + u,
                             .gates = w->saved_gates ? w->saved_gates + place * width + u : NULL,
                             .saved = w->saved ? w->saved + place * h + u : NULL});
    }
}

static void run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    walk w = begin(launch, operands, task, scratch);
    int64_t longest = w.rows.count ? w.rows.length[0] : 0;
    for (int64_t step = 0; step < longest; step++) {
        finish_rows(&w, step);
        if (w.plan->split.parts)
            w.parts = cj__row_parts_pack(&w.plan->split, w.now, w.plan->pitch, w.within, w.split);
        for (int64_t i = 0, groups = groups_of(w.plan); i < groups; i++) {
            int64_t group = step % 2 ? groups - 1 - i : i; /* what the step before read last is still in L2 */
            multiply(&w, group);
            make_gates(&w, group, step);
        }
        float *now = w.now;
        w.now = w.next;
        w.next = now;
    }
    finish_rows(&w, longest);
}

static const char *refuse(const cj__launch *launch)
{
    return launch->types[0].dtype == CJ_F32 ? NULL : "it takes f32 only";
}

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    const cj__recurrence_attributes *a = launch->attributes;
    cj__recurrence_plan *plan;
    cj_shape_t states = launch->types[launch->inputs_count].shape;
    int64_t units = states.dims[2], gates = cj__cell_gates(a->cell);
    cj__recurrence_product product = {units, gates * units, divide_up(units, CJ__UNITS_AT_ONCE), gates};
    CJ__TRY(cj__recurrence_plan_make(&plan, launch, states, product, arena));
    launch->tasks = plan->blocks;
    launch->scratch_bytes = floats_bytes(plan) + cj__row_parts_bytes(&plan->split);
    launch->workspace_bytes = plan->few ? 0
                              : plan->split.parts
                                  ? cj__weight_parts_bytes(&plan->split)
                                  : (size_t)panel_place(plan, groups_of(plan), 0) * sizeof(float);
    launch->data = plan;
    return CJ_OK;
}

/* What the input gave to each gate may be written over by the gates as they were, or by the one gate's state.
 */
static bool lies_on(const cj__launch *launch, int output, int input)
{
    const cj__recurrence_plan *plan = launch->data;
    int gates = plan->gates == 1 ? 0 : plan->cell == CJ__LSTM ? 3 : 2; /* in the order of ops/recurrence.h */
    return output == gates && input == CJ__R_GATES;
}

#define KERNEL(op_name)                                                                                      \
    const cj__kernel cj__##op_name##_kernel = {.name = #op_name " f32",                                      \
                                               .op = CJ__OP_##op_name,                                       \
                                               .refuse = refuse,                                             \
                                               .prepare = prepare,                                           \
                                               .run = run,                                                   \
                                               .describe = cj__recurrence_describe,                          \
                                               .lies_on = lies_on,                                           \
                                               .before = &packing,                                           \
                                               .before_reads = 1 << CJ__R_WEIGHT}
KERNEL(recurrence);
KERNEL(recurrence_saving);

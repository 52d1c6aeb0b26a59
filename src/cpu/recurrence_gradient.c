/* The way back through a recurrence in f32: from the last step to the first, gradients of the gates, then
 * their product with the weight, which is what the step before is asked for. */
#include "cpu/matmul_blocks.h"
#include "cpu/recurrence.h"

#include <string.h>

/* --- packing the weight -------------------------------------------------------------------------------- */

/* Columns of a task of packing: whole panels of any instruction set. */
enum { COLUMNS = 32 };

static cj_status prepare_packing(cj__launch *launch, cj__arena *arena)
{
    (void)arena;
    const cj__recurrence_plan *plan = launch->data;
    launch->tasks = divide_up(plan->units, COLUMNS);
    return CJ_OK;
}

/* operands: weight [G·H,H]; the workspace */
static void pack(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    (void)scratch;
    const cj__recurrence_plan *plan = launch->data;
    int64_t h = plan->units, k = plan->gates * h, column = task * COLUMNS;
    cj__matrix b = {(const float *)operands[0] + column, h, 1};
    int64_t columns = at_most(COLUMNS, h - column);
    if (plan->split.parts)
        cj__weight_parts_note(task, cj__weight_parts_pack(&plan->split, task, 0, b, columns, operands[1]),
                              operands[1]);
    else
        plan->matmul->pack_panels(b, k, columns, (float *)operands[1] + column * k);
}

static const cj__kernel packing = {
    .name = "packed recurrent weight", .op = -1, .prepare = prepare_packing, .run = pack};

/* --- walking ------------------------------------------------------------------------------------------- */

typedef struct {
    const cj__recurrence_plan *plan;
    const float *weight, *dy, *last, *gates, *saved, *first, *last_cell;
    const void *packed;   /* the weight */
    const float *history; /* LSTM: cells; GRU: states */
    float *by_gates, *by_first, *by_first_cell, *by_product;
    cj__recurrence_rows rows;
    int64_t within;     /* rows that have this step */
    float *dh, *bypass; /* [rows,units]; bypass: of GRU, what goes around the product */
    float *dc;          /* [rows,units], of LSTM */
    float *d;           /* [rows,d_pitch] */
    void *split;        /* room for it by parts */
} walk;

static size_t floats_bytes(const cj__recurrence_plan *plan)
{
    return aligned_bytes(CJ__MOST_ROWS * (2 * plan->units + plan->d_pitch), sizeof(float));
}

static void bind(walk *w, const cj__launch *launch, void *const *operands)
{
    void *const *saved = operands + CJ__B_SAVED, *const *results = operands + launch->inputs_count;
    bool lstm = w->plan->cell == CJ__LSTM, gru = w->plan->cell == CJ__GRU;
    w->weight = operands[CJ__B_WEIGHT];
    w->dy = operands[CJ__B_STATES];
    w->last = operands[CJ__B_LAST];
    w->gates = saved[0];
    if (lstm || gru) {
        w->history = saved[1];
        w->first = saved[2];
    }
    w->saved = lstm ? saved[1] : gru ? saved[3] : NULL;
    w->last_cell = lstm ? saved[3] : NULL;
    w->by_gates = *results++;
    w->by_first = *results++;
    w->by_first_cell = lstm ? *results++ : NULL;
    w->by_product = gru ? *results++ : NULL;
    w->packed = w->plan->few ? NULL : *results;
}

static walk begin(const cj__launch *launch, void *const *operands, int64_t task, float *scratch)
{
    walk w = {.plan = launch->data};
    const cj__recurrence_plan *plan = w.plan;
    bind(&w, launch, operands);
    w.rows = cj__recurrence_rows_of(plan, operands[CJ__B_LENGTHS], task);
    w.d = scratch;
    w.dh = w.d + CJ__MOST_ROWS * plan->d_pitch;
    w.dc = w.bypass = w.dh + CJ__MOST_ROWS * plan->units;
    w.split = (char *)scratch + floats_bytes(plan);
    size_t bytes = (size_t)plan->units * sizeof(float);
    for (int64_t r = 0; r < w.rows.count; r++) {
        int64_t from = w.rows.row[r] * plan->units, to = r * plan->units;
        memcpy(w.dh + to, w.last + from, bytes);
        if (w.last_cell) memcpy(w.dc + to, w.last_cell + from, bytes);
    }
    cj__recurrence_clear(plan, &w.rows, plan->gates * plan->units, w.by_gates);
    cj__recurrence_clear(plan, &w.rows, plan->gates * plan->units, w.by_product);
    return w;
}

/* LSTM: the cell, GRU: the state that the step found. */
static const float *found(const walk *w, int64_t r, int64_t step)
{
    const cj__recurrence_plan *plan = w->plan;
    if (!w->history) return NULL;
    if (step == 0) return w->first + w->rows.row[r] * plan->units;
    return w->history + cj__recurrence_place(plan, &w->rows, r, step - 1) * plan->units;
}

static void row_back(const walk *w, int64_t r, int64_t step)
{
    const cj__recurrence_plan *plan = w->plan;
    int64_t h = plan->units, place = cj__recurrence_place(plan, &w->rows, r, step);
    const float *before = found(w, r, step);
    for (int64_t u = 0; u < h; u += CJ__UNITS_AT_ONCE)
        plan->table->back[plan->cell](&(cj__cell_back){
            .units = at_most(CJ__UNITS_AT_ONCE, h - u),
            .gate_step = h,
            .dy = w->dy + place * h + u,
            .gates = w->gates + place * plan->gates * h + u,
            .saved = w->saved ? w->saved + place * h + u : NULL,
            .before = before ? before + u : NULL,
            .dh = w->dh + r * h + u,
            .dc = w->dc + r * h + u,
            .d = w->d + r * plan->d_pitch + u,
            .by_gates = w->by_gates + place * plan->gates * h + u,
            .by_product = w->by_product ? w->by_product + place * plan->gates * h + u : NULL});
}

/* --- dh = d·weight ------------------------------------------------------------------------------------- */

/* As the weight lies in memory, at most four rows at a time; of dh the columns from `column` on. */
static void multiply_rows(const walk *w, int64_t row, int64_t rows, int64_t column, int64_t columns)
{
    const cj__recurrence_plan *plan = w->plan;
    int64_t h = plan->units;
    for (int64_t r = row; r < row + rows; r += CJ__FEW_ROWS)
        plan->matmul->sums(&(cj__few_rows){.x = w->d + r * plan->d_pitch,
                                           .x_row = plan->d_pitch,
                                           .rows = at_most(CJ__FEW_ROWS, row + rows - r),
                                           .k = plan->gates * h,
                                           .w = w->weight + column,
                                           .w_row = h,
                                           .columns = columns,
                                           .c = w->dh + r * h + column,
                                           .c_row = h,
                                           .c_column = 1});
}

static void multiply_parts(const walk *w)
{
    const cj__weight_parts *split = &w->plan->split;
    int64_t h = w->plan->units;
    cj__row_parts d = cj__row_parts_pack(split, w->d, w->plan->d_pitch, w->within, w->split);
    for (int64_t group = 0; group < split->groups; group++) {
        int64_t column = group * COLUMNS, columns = at_most(COLUMNS, h - column);
        cj__row_parts_multiply(split, &d, w->packed, group, w->dh + column, h, columns);
        for (int64_t r = 0; r < w->within; r++)
            if (!cj__row_parts_fit(split, &d, w->packed, group, r)) multiply_rows(w, r, 1, column, columns);
    }
}

static void multiply(const walk *w)
{
    const cj__recurrence_plan *plan = w->plan;
    int64_t h = plan->units;
    if (plan->few)
        multiply_rows(w, 0, w->within, 0, h);
    else if (plan->split.parts)
        multiply_parts(w);
    else
        cj__recurrence_multiply(plan, &(cj__panel_product){.a = w->d,
                                                           .a_pitch = plan->d_pitch,
                                                           .rows = w->within,
                                                           .k = plan->gates * h,
                                                           .panels = w->packed,
                                                           .c = w->dh,
                                                           .c_pitch = h,
                                                           .columns = h});
}

static void put_first(const walk *w)
{
    size_t bytes = (size_t)w->plan->units * sizeof(float);
    for (int64_t r = 0; r < w->rows.count; r++) {
        int64_t to = w->rows.row[r] * w->plan->units, from = r * w->plan->units;
        memcpy(w->by_first + to, w->dh + from, bytes);
        if (w->by_first_cell) memcpy(w->by_first_cell + to, w->dc + from, bytes);
    }
}

static void run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    walk w = begin(launch, operands, task, scratch);
    for (int64_t step = w.rows.count ? w.rows.length[0] : 0; step-- > 0;) {
        while (w.within < w.rows.count && w.rows.length[w.within] > step) w.within++;
        for (int64_t r = 0; r < w.within; r++) row_back(&w, r, step);
        multiply(&w);
        if (w.plan->cell == CJ__GRU) w.plan->table->add(w.within * w.plan->units, w.bypass, w.dh);
    }
    put_first(&w);
}

static const char *refuse(const cj__launch *launch)
{
    return launch->types[0].dtype == CJ_F32 ? NULL : "it takes f32 only";
}

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    const cj__recurrence_attributes *a = launch->attributes;
    cj__recurrence_plan *plan;
    cj_shape_t states = launch->types[CJ__B_STATES].shape;
    int64_t units = states.dims[2], k = cj__cell_gates(a->cell) * units, groups = divide_up(units, COLUMNS);
    CJ__TRY(cj__recurrence_plan_make(&plan, launch, states, (cj__recurrence_product){k, units, groups, 1},
                                     arena));
    launch->tasks = plan->blocks;
    launch->scratch_bytes = floats_bytes(plan) + cj__row_parts_bytes(&plan->split);
    launch->workspace_bytes = plan->few           ? 0
                              : plan->split.parts ? cj__weight_parts_bytes(&plan->split)
                                                  : (size_t)(groups * COLUMNS * k) * sizeof(float);
    launch->data = plan;
    return CJ_OK;
}

/* The gradient of the gates may lie on the gates. */
static bool lies_on(const cj__launch *launch, int output, int input)
{
    (void)launch;
    return output == 0 && input == CJ__B_SAVED;
}

const cj__kernel cj__recurrence_gradient_kernel = {.name = "recurrence_gradient f32",
                                                   .op = CJ__OP_recurrence_gradient,
                                                   .refuse = refuse,
                                                   .prepare = prepare,
                                                   .run = run,
                                                   .describe = cj__recurrence_describe,
                                                   .lies_on = lies_on,
                                                   .before = &packing,
                                                   .before_reads = 1 << CJ__B_WEIGHT};

/* The interpreter of fused chains: some 512 elements at a time stay in L1 while all instructions pass over
 * them. Inputs that lie whole in memory are read in place; others are spread into a tile first. Results are
 * stored, or folded into sums and maxima, when the tile is done, so an output may lie on a whole input. */
#include "cpu/chain.h"
#include "base/bf16.h"
#include "cpu/backend.h"

#include <math.h>
#include <string.h>

enum { TILE = 512, TASK_TILES = 8, MOST_TASK_TILES = 32, WANTED_TASKS = 16, LANES = 16, WIDE = 64 };

/* --- planning ------------------------------------------------------------------------------------------ */

/* The same value everywhere: loaded once a task. */
static bool is_scalar(const cj__chain_input *input)
{
    for (int d = 0; d < CJ_MAX_RANK; d++)
        if (input->stride[d] != 0) return false;
    return !input->whole;
}

/* An input that lies whole along the last axes and is the same along those before, like a bias: the number of
 * elements after which it repeats; 0: no such input. */
static int64_t period_of(const cj__chain *chain, const cj__chain_input *input)
{
    int64_t d = chain->shape.rank - 1, period = 1;
    if (input->whole) return 0;
    for (; d >= 0 && (input->stride[d] == period || chain->shape.dims[d] == 1); d--)
        period *= chain->shape.dims[d];
    for (; d >= 0; d--)
        if (input->stride[d] != 0) return 0;
    return period;
}

/* The first output that an instruction's result leaves by as f32; -1: none. */
static int32_t output_of(const cj__chain *c, int32_t register_)
{
    for (int32_t i = 0; i < c->outputs_count; i++)
        if (c->outputs[i].reg == register_ && c->outputs[i].fold == CJ__CHAIN_STORE &&
            c->outputs[i].dtype == CJ_F32)
            return i;
    return -1;
}

/* --- steps: two instructions in one pass, where that can be --- */

static bool is_binary(cj__op op)
{
    return op == CJ__OP_add || op == CJ__OP_sub || op == CJ__OP_mul;
}

/* How many instructions and outputs read it. */
static int32_t readers(const cj__chain *c, int32_t register_)
{
    int32_t count = 0;
    for (int32_t i = 0; i < c->instructions_count; i++) {
        const cj__chain_instruction *in = &c->instructions[i];
        if (in->a == register_ || in->b == register_ || in->c == register_) count++;
    }
    for (int32_t i = 0; i < c->outputs_count; i++)
        if (c->outputs[i].reg == register_) count++;
    return count;
}

static cj__chain_step step_of(const cj__chain_plan *plan, int32_t i)
{
    const cj__chain_instruction *in = &plan->chain->instructions[i];
    int op = in->op == CJ__OP_cast && in->dtype == CJ_BOOL   ? CJ__OP_COUNT
             : in->op == CJ__OP_cast && in->dtype == CJ_BF16 ? CJ__OP_round_bf16
                                                             : (int)in->op;
    return (cj__chain_step){plan->table->elementwise[op], NULL, in->a, in->b, in->c, i, -1};
}

/* Takes the step that makes an operand of instruction `i` into that of `i`. */
static bool join(cj__chain_plan *plan, int32_t i, int32_t operand, int32_t other)
{
    const cj__chain *c = plan->chain;
    const cj__chain_instruction *second = &c->instructions[i];
    int32_t producer = operand - c->inputs_count - c->constants_count, s = 0;
    if (producer < 0 || !is_binary(c->instructions[producer].op) || readers(c, operand) > 1) return false;
    cj__vector_function pair =
        plan->table->pair(c->instructions[producer].op, second->op, operand != second->a);
    while (s < plan->steps_count && plan->steps[s].instruction != producer) s++;
    cj__chain_step *first = &plan->steps[s];
    if (!pair || first->make != plan->table->elementwise[c->instructions[producer].op]) return false;
    cj__chain_step joined = {pair, NULL, first->a, first->b, other, i, -1};
    memmove(first, first + 1, (size_t)(--plan->steps_count - s) * sizeof *first);
    plan->steps[plan->steps_count++] = joined;
    return true;
}

/* The slope of an activation goes with that, where it comes right after it. */
static bool join_slope(cj__chain_plan *plan, int32_t i)
{
    const cj__chain_instruction *in = &plan->chain->instructions[i];
    cj__chain_step *before = plan->steps_count ? &plan->steps[plan->steps_count - 1] : NULL;
    if (!before || before->instruction != i - 1 || before->a != in->a) return false;
    cj__vector_twins both = plan->table->twins(in[-1].op, in->op);
    if (!both) return false;
    before->make_both = both;
    before->slope = i;
    return true;
}

static void make_steps(cj__chain_plan *plan)
{
    const cj__chain *c = plan->chain;
    for (int32_t i = 0; i < c->instructions_count; i++) {
        const cj__chain_instruction *in = &c->instructions[i];
        bool joined = in->op == CJ__OP_relu && join(plan, i, in->a, in->a);
        if (is_binary(in->op) && in->a != in->b)
            joined = join(plan, i, in->a, in->b) || join(plan, i, in->b, in->a);
        joined = joined || join_slope(plan, i);
        if (!joined) plan->steps[plan->steps_count++] = step_of(plan, i);
    }
}

static int32_t last_reader(const cj__chain_plan *plan, int32_t register_)
{
    int32_t last = -1;
    for (int32_t i = 0; i < plan->steps_count; i++) {
        const cj__chain_step *s = &plan->steps[i];
        if (s->a == register_ || s->b == register_ || s->c == register_) last = s->instruction;
    }
    return last;
}

/* To what instruction `i` makes in the step of instruction `made`. */
static void assign_slot(cj__chain_plan *plan, int32_t i, int32_t made, const int32_t *last, int32_t *owner)
{
    int32_t s = 0, known = plan->chain->inputs_count + plan->chain->constants_count;
    while (s < plan->slots && last[owner[s]] >= made) s++;
    if (s == plan->slots) plan->slots++;
    owner[s] = known + i;
    plan->slot[known + i] = s;
}

/* Tiles are given to registers by last use; what is loaded beforehand and what leaves keep theirs. */
static void assign_slots(cj__chain_plan *plan, int32_t *last, int32_t *owner)
{
    const cj__chain *c = plan->chain;
    int32_t known = c->inputs_count + c->constants_count;
    for (int32_t i = 0; i < plan->steps_count; i++) {
        const cj__chain_step *s = &plan->steps[i];
        last[s->a] = last[s->b] = last[s->c] = s->instruction;
    }
    for (int32_t i = 0; i < c->outputs_count; i++) last[c->outputs[i].reg] = INT32_MAX;
    for (int32_t r = 0; r < known; r++) {
        bool kept = r >= c->inputs_count || is_scalar(&c->inputs[r]) || plan->period[r];
        if (kept) last[r] = INT32_MAX;
        owner[plan->slots] = r;
        plan->slot[r] = plan->slots++;
    }
    for (int32_t i = 0; i < plan->steps_count; i++) {
        const cj__chain_step *s = &plan->steps[i];
        assign_slot(plan, s->instruction, s->instruction, last, owner);
        if (s->make_both) assign_slot(plan, s->slope, s->instruction, last, owner);
    }
}

cj_status cj__chain_plan_make(cj__chain_plan *plan, const cj__chain *chain, int64_t row, cj__arena *arena)
{
    size_t registers = (size_t)(chain->inputs_count + chain->constants_count + chain->instructions_count);
    *plan = (cj__chain_plan){.chain = chain, .tile = row > 0 && row < TILE ? TILE / row * row : TILE};
    plan->steps = cj__arena_allocate(arena, registers * sizeof *plan->steps);
    plan->slot = cj__arena_allocate(arena, registers * sizeof *plan->slot);
    plan->period = cj__arena_allocate(arena, registers * sizeof *plan->period);
    plan->last_reader = cj__arena_allocate(arena, registers * sizeof *plan->last_reader);
    plan->output_of = cj__arena_allocate(arena, registers * sizeof *plan->output_of);
    int32_t *work = cj__allocate_zeroed(2 * registers * sizeof *work + 1);
    cj_status status =
        plan->steps && plan->slot && plan->period && plan->last_reader && plan->output_of && work
            ? CJ_OK
            : cj__out_of_memory(registers * (20 + sizeof *plan->steps), "a chain");
    if (status == CJ_OK) status = cj__vector_choose(&plan->table);
    if (status == CJ_OK) {
        memset(plan->slot, 0, registers * sizeof *plan->slot);
        make_steps(plan);
        for (int32_t i = 0; i < chain->inputs_count; i++)
            plan->period[i] = period_of(chain, &chain->inputs[i]);
        assign_slots(plan, work, work + registers);
    }
    cj__free(work);
    for (int32_t i = 0; status == CJ_OK && i < chain->inputs_count; i++)
        plan->last_reader[i] = last_reader(plan, i);
    int32_t known = chain->inputs_count + chain->constants_count;
    for (int32_t i = 0; status == CJ_OK && i < chain->instructions_count; i++)
        plan->output_of[i] = output_of(chain, known + i);
    plan->scratch_bytes =
        ((size_t)plan->slots * TILE + (size_t)chain->outputs_count * LANES) * sizeof(float) +
        (size_t)(chain->inputs_count + chain->outputs_count) * sizeof(void *) +
        2 * registers * sizeof(float *) + (size_t)chain->inputs_count * sizeof(cj__filled);
    return status;
}

/* --- loading and storing ------------------------------------------------------------------------------- */

/* `n` elements, `stride` (0 or 1 mostly) apart, into a tile. */
static void load_run(const cj__vector_table *table, cj_dtype dtype, const void *from, int64_t place,
                     int64_t stride, int64_t n, float *tile)
{
    const float *x = (const float *)from + place;
    const uint8_t *bytes = (const uint8_t *)from + place;
    if (dtype == CJ_F32 && stride == 1) {
        memcpy(tile, x, (size_t)n * sizeof(float));
    } else if (dtype == CJ_BF16) {
        const uint16_t *narrow = (const uint16_t *)from + place;
        if (stride == 1)
            table->widen(n, narrow, tile);
        else
            for (int64_t i = 0; i < n; i++) tile[i] = cj__bf16_to_float(narrow[i * stride]);
    } else if (stride == 0) {
        table->fill(n, dtype == CJ_F32 ? *x : (float)*bytes, tile);
    } else if (dtype == CJ_F32) {
        for (int64_t i = 0; i < n; i++) tile[i] = x[i * stride];
    } else if (stride == 1) {
        table->from_bytes(n, bytes, tile);
    } else {
        for (int64_t i = 0; i < n; i++) tile[i] = (float)bytes[i * stride];
    }
}

/* n elements of a (perhaps broadcast) input from flat position `start` on, run by run of the last axis. */
static void load_flat(const cj__vector_table *table, const cj__chain *chain, const cj__chain_input *input,
                      const void *from, int64_t start, int64_t n, float *tile)
{
    if (input->whole) {
        load_run(table, input->dtype, from, start, 1, n, tile);
        return;
    }
    cj_shape_t shape = chain->shape;
    int64_t last = shape.rank - 1, index[CJ_MAX_RANK], rest = start, place = 0;
    for (int64_t d = last; d >= 0; d--) {
        index[d] = rest % shape.dims[d];
        rest /= shape.dims[d];
        if (d < last) place += index[d] * input->stride[d];
    }
    for (int64_t done = 0, column = index[last]; done < n; column = 0) {
        int64_t run = shape.dims[last] - column < n - done ? shape.dims[last] - column : n - done;
        load_run(table, input->dtype, from, place + column * input->stride[last], input->stride[last], run,
                 tile + done);
        done += run;
        for (int64_t d = last - 1; d >= 0; d--) {
            place += input->stride[d];
            if (++index[d] < shape.dims[d]) break;
            place -= input->stride[d] * shape.dims[d];
            index[d] = 0;
        }
    }
}

static void store_run(const cj__vector_table *table, cj_dtype dtype, const float *tile, int64_t start,
                      int64_t n, void *to)
{
    if (dtype == CJ_F32) {
        memcpy((float *)to + start, tile, (size_t)n * sizeof(float));
    } else if (dtype == CJ_BF16) {
        table->narrow(n, tile, (uint16_t *)to + start);
    } else {
        table->to_truths(n, tile, (uint8_t *)to + start);
    }
}

/* The first `have` elements of `n` over and over, each copy twice as long as the one before. */
static void repeat(float *tile, int64_t have, int64_t n)
{
    for (int64_t part; have < n; have += part) {
        part = have < n - have ? have : n - have;
        memcpy(tile + have, tile, (size_t)part * sizeof *tile);
    }
}

/* A bias is the same in every tile that begins at the same column and has rows of the same length: what was
 * loaded for one serves the next. Otherwise notes what is about to be loaded. */
static bool already_there(const cj__chain_run *run, int32_t i, const cj__rectangle *tile)
{
    int64_t period = run->plan->period[i], n = tile->rows * tile->columns, key = -1;
    cj__filled *filled = &run->filled[i];
    if (period && (tile->rows == 1 || tile->stride % period == 0))
        key = tile->start % period + (tile->rows > 1 ? period * tile->columns : 0);
    if (key >= 0 && filled->key == key && filled->count >= n) return true;
    *filled = (cj__filled){key, n};
    return false;
}

static void load_input(const cj__chain_run *run, int32_t i, const cj__rectangle *tile)
{
    const cj__chain *c = run->plan->chain;
    const cj__chain_input *input = &c->inputs[i];
    int64_t start = tile->start - (i == 0 ? run->first : 0);
    float *to = run->tiles + run->plan->slot[i] * TILE;
    bool in_place = input->whole && input->dtype == CJ_F32 && tile->rows == 1;
    run->registers[i] = in_place ? (const float *)run->operands[i] + start : to;
    if (in_place || is_scalar(input) || already_there(run, i, tile)) return;
    if (run->filled[i].key >= 0) {
        int64_t n = tile->rows * tile->columns, unit = tile->rows > 1 ? tile->columns : run->plan->period[i];
        unit = unit < n ? unit : n;
        load_flat(run->plan->table, c, input, run->operands[i], tile->start, unit, to);
        repeat(to, unit, n);
        return;
    }
    for (int64_t r = 0; r < tile->rows; r++)
        load_flat(run->plan->table, c, input, run->operands[i], start + r * tile->stride, tile->columns,
                  to + r * tile->columns);
}

/* --- one tile ------------------------------------------------------------------------------------------ */

/* Row by row into the sixteen running results of the row, which is done when its last element is. */
static void fold_rows(const cj__chain_run *run, int32_t output, const cj__rectangle *tile)
{
    const cj__chain *c = run->plan->chain;
    const float *x = run->registers[c->outputs[output].reg];
    float *out = run->operands[c->inputs_count + output], *lanes = run->lanes + output * LANES;
    bool maximum = c->outputs[output].fold == CJ__CHAIN_MAX;
    int64_t length = c->folding.columns, n = tile->rows * tile->columns;
    for (int64_t done = 0; done < n;) {
        int64_t row = (tile->start + done) / length, column = (tile->start + done) % length;
        int64_t part = length - column < n - done ? length - column : n - done;
        if (column == 0)
            for (int k = 0; k < LANES; k++) lanes[k] = maximum ? -INFINITY : 0;
        (maximum ? run->plan->table->max_lanes : run->plan->table->sum_lanes)(part, x + done, lanes);
        if (column + part == length)
            out[row] = (maximum ? run->plan->table->max : run->plan->table->sum)(LANES, lanes);
        done += part;
    }
}

/* Each row of the tile onto the results of its columns, which have been begun. Whole rows may come as one. */
static void fold_columns(const cj__chain_run *run, int32_t output, const cj__rectangle *tile)
{
    const cj__chain *c = run->plan->chain;
    const float *x = run->registers[c->outputs[output].reg];
    int op = c->outputs[output].fold == CJ__CHAIN_MAX ? CJ__OP_maximum : CJ__OP_add;
    float *out = (float *)run->operands[c->inputs_count + output] + tile->start % c->folding.columns;
    int64_t count = tile->rows * tile->columns;
    int64_t width = tile->columns < c->folding.columns ? tile->columns : c->folding.columns;
    for (int64_t done = 0; done < count; done += width)
        run->plan->table->elementwise[op](width, out, x + done, out, out);
}

static void put_output(const cj__chain_run *run, int32_t output, const cj__rectangle *tile)
{
    const cj__chain *c = run->plan->chain;
    const cj__chain_output *o = &c->outputs[output];
    void *to = run->operands[c->inputs_count + output];
    if (!to) return;
    if (o->fold != CJ__CHAIN_STORE) {
        (c->folding.by_rows ? fold_rows : fold_columns)(run, output, tile);
        return;
    }
    if (o->dtype == CJ_F32 && run->registers[o->reg] == (float *)to + tile->start) return; /* made there */
    for (int64_t r = 0; r < tile->rows; r++)
        store_run(run->plan->table, o->dtype, run->registers[o->reg] + r * tile->columns,
                  tile->start + r * tile->stride, tile->columns, to);
}

/* Where an instruction's result goes: into memory at once, if that is where it leaves, else into its tile. */
static float *result_of(const cj__chain_run *run, int32_t instruction, const cj__rectangle *tile)
{
    const cj__chain_plan *plan = run->plan;
    int32_t register_ = plan->chain->inputs_count + plan->chain->constants_count + instruction;
    float *memory = run->direct[instruction];
    return memory && tile->rows == 1 ? memory + tile->start : run->tiles + plan->slot[register_] * TILE;
}

static void run_tile(const cj__chain_run *run, const cj__rectangle *tile)
{
    const cj__chain_plan *plan = run->plan;
    const cj__chain *c = plan->chain;
    int32_t known = c->inputs_count + c->constants_count;
    for (int32_t i = 0; i < c->inputs_count; i++) load_input(run, i, tile);
    for (int32_t i = 0; i < plan->steps_count; i++) {
        const cj__chain_step *s = &plan->steps[i];
        int64_t n = tile->rows * tile->columns;
        float *to = result_of(run, s->instruction, tile);
        float *slope = s->make_both ? result_of(run, s->slope, tile) : NULL;
        if (s->make_both)
            s->make_both(n, to, slope, run->registers[s->a]);
        else
            s->make(n, to, run->registers[s->a], run->registers[s->b], run->registers[s->c]);
        run->registers[known + s->instruction] = to;
        if (slope) run->registers[known + s->slope] = slope;
    }
    for (int32_t i = 0; i < c->outputs_count; i++) put_output(run, i, tile);
}

/* --- a task -------------------------------------------------------------------------------------------- */

cj__chain_run cj__chain_begin(const cj__chain_plan *plan, void *scratch)
{
    const cj__chain *c = plan->chain;
    int32_t registers = c->inputs_count + c->constants_count + c->instructions_count;
    cj__chain_run run = {.plan = plan, .tiles = scratch};
    run.lanes = run.tiles + (int64_t)plan->slots * TILE;
    run.operands = (void **)(run.lanes + (int64_t)c->outputs_count * LANES);
    run.registers = (const float **)(run.operands + c->inputs_count + c->outputs_count);
    run.direct = (float **)(run.registers + registers);
    run.filled = (cj__filled *)(run.direct + registers);
    return run;
}

/* A result can be made where it leaves unless an input that lies there is read after it. Memory of inputs and
 * outputs is the same or apart. */
static float *direct_memory(const cj__chain_run *run, int32_t instruction)
{
    const cj__chain_plan *plan = run->plan;
    const cj__chain *c = plan->chain;
    int32_t output = plan->output_of[instruction];
    float *memory = output < 0 ? NULL : run->operands[c->inputs_count + output];
    for (int32_t i = 0; memory && i < c->inputs_count; i++)
        if (run->operands[i] == memory && (plan->last_reader[i] > instruction || !c->inputs[i].whole))
            memory = NULL;
    return memory;
}

void cj__chain_load(const cj__chain_run *run)
{
    const cj__chain_plan *plan = run->plan;
    const cj__chain *c = plan->chain;
    int32_t known = c->inputs_count + c->constants_count;
    for (int32_t r = 0; r < known + c->instructions_count; r++)
        run->registers[r] = run->tiles + plan->slot[r] * TILE;
    for (int32_t i = 0; i < c->instructions_count; i++) run->direct[i] = direct_memory(run, i);
    for (int32_t k = 0; k < c->constants_count; k++)
        plan->table->fill(TILE, (float)c->constants[k], run->tiles + plan->slot[c->inputs_count + k] * TILE);
    for (int32_t i = 0; i < c->inputs_count; i++) {
        run->filled[i].key = -1;
        if (is_scalar(&c->inputs[i]))
            load_run(plan->table, c->inputs[i].dtype, run->operands[i], 0, 0, TILE,
                     run->tiles + plan->slot[i] * TILE);
    }
}

/* Contiguous elements, tile after tile. */
static void apply_flat(const cj__chain_run *run, int64_t start, int64_t count)
{
    int64_t tile = run->plan->tile;
    for (int64_t done = 0; done < count; done += tile) {
        int64_t n = count - done < tile ? count - done : tile;
        run_tile(run, &(cj__rectangle){start + done, 1, n, n});
    }
}

void cj__chain_apply(const cj__chain_run *run, cj__rectangle where)
{
    bool by_columns = run->plan->chain->folds && !run->plan->chain->folding.by_rows;
    if (where.columns == 0) return;
    if (!by_columns && (where.columns == where.stride || where.rows == 1)) {
        apply_flat(run, where.start, where.rows * where.columns);
        return;
    }
    /* Narrow rows are gathered into one tile; wide ones are taken one by one, in parts, where they lie,
     * unless they follow each other: then some are one. */
    bool together = where.columns == where.stride && where.columns < TILE;
    int64_t part = where.columns < TILE ? where.columns : TILE;
    int64_t rows = part < WIDE || together ? TILE / part : 1;
    for (int64_t r = 0; r < where.rows; r += rows)
        for (int64_t c = 0; c < where.columns; c += part) {
            int64_t height = where.rows - r < rows ? where.rows - r : rows;
            int64_t width = where.columns - c < part ? where.columns - c : part;
            cj__rectangle tile = {where.start + r * where.stride + c, height, width, where.stride};
            if (together) tile = (cj__rectangle){tile.start, 1, height * width, height * width};
            run_tile(run, &tile);
        }
}

/* --- the kernels --------------------------------------------------------------------------------------- */

static const cj__chain *chain_of(const cj__launch *launch)
{
    return ((const cj__chain_attributes *)launch->attributes)->chain;
}

static cj_status plan_launch(cj__launch *launch, cj__arena *arena)
{
    const cj__chain *c = chain_of(launch);
    cj__chain_plan *plan = cj__arena_allocate(arena, sizeof *plan);
    if (!plan) return cj__out_of_memory(sizeof *plan, "a chain");
    int64_t last = c->shape.rank ? c->shape.dims[c->shape.rank - 1] : 1;
    CJ__TRY(cj__chain_plan_make(plan, c, c->folds && c->folding.by_rows ? c->folding.columns : last, arena));
    launch->scratch_bytes = plan->scratch_bytes;
    launch->data = plan;
    return CJ_OK;
}

static cj__chain_run begin_task(const cj__launch *launch, void *const *operands, void *scratch)
{
    cj__chain_run run = cj__chain_begin(launch->data, scratch);
    memcpy(run.operands, operands, (size_t)(launch->inputs_count + launch->outputs_count) * sizeof *operands);
    cj__chain_load(&run);
    return run;
}

static const char *refuse(const cj__launch *launch)
{
    return chain_of(launch)->folds ? "it stores only" : NULL;
}

/* Each task begins by spreading what is the same in all of its tiles, so many elements make larger tasks. */
static int64_t elements_a_task(const cj__launch *launch)
{
    int64_t count = cj_shape_count(chain_of(launch)->shape);
    int64_t tile = ((const cj__chain_plan *)launch->data)->tile, tiles = count / (tile * WANTED_TASKS);
    tiles = tiles < TASK_TILES ? TASK_TILES : tiles > MOST_TASK_TILES ? MOST_TASK_TILES : tiles;
    return tiles * tile;
}

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    CJ__TRY(plan_launch(launch, arena));
    int64_t count = cj_shape_count(chain_of(launch)->shape), task = elements_a_task(launch);
    launch->tasks = (count + task - 1) / task;
    return CJ_OK;
}

static void run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    cj__chain_run chain = begin_task(launch, operands, scratch);
    int64_t count = cj_shape_count(chain_of(launch)->shape), size = elements_a_task(launch);
    int64_t start = task * size;
    apply_flat(&chain, start, count - start < size ? count - start : size);
}

static bool lies_on(const cj__launch *launch, int output, int input)
{
    (void)output;
    return chain_of(launch)->inputs[input].whole;
}

const cj__kernel cj__chain_kernel = {.name = "chain",
                                     .op = CJ__OP_chain,
                                     .refuse = refuse,
                                     .prepare = prepare,
                                     .run = run,
                                     .lies_on = lies_on};

/* --- a chain whose results are summed ------------------------------------------------------------------ */

enum { ROW_GRAIN = 16384, COLUMN_GRAIN = 64 }; /* elements, columns a task: as cpu/reduce.c */

static int64_t grain_of(const cj__folding *f)
{
    if (!f->by_rows) return f->parts > 1 ? f->columns : COLUMN_GRAIN;
    int64_t rows = f->columns ? ROW_GRAIN / f->columns : ROW_GRAIN;
    return rows < 1 ? 1 : rows;
}

static const char *refuse_fold(const cj__launch *launch)
{
    return chain_of(launch)->folds ? NULL : "nothing is summed";
}

static cj_status prepare_fold(cj__launch *launch, cj__arena *arena)
{
    CJ__TRY(plan_launch(launch, arena));
    const cj__folding *f = &chain_of(launch)->folding;
    int64_t items = f->by_rows ? f->rows : f->columns, grain = grain_of(f);
    launch->tasks = f->parts > 1 ? f->parts : (items + grain - 1) / grain;
    return CJ_OK;
}

/* What a fold of nothing gives; columns are folded onto it. */
static void begin_results(const cj__chain_run *run, int64_t from, int64_t to)
{
    const cj__chain *c = run->plan->chain;
    for (int32_t i = 0; i < c->outputs_count; i++) {
        if (c->outputs[i].fold == CJ__CHAIN_STORE) continue;
        float *out = run->operands[c->inputs_count + i];
        float start = c->outputs[i].fold == CJ__CHAIN_MAX ? -INFINITY : 0;
        for (int64_t k = from; k < to; k++) out[k] = start;
    }
}

/* A part of all columns: its results are a row of their own. */
static void run_part(const cj__chain_run *run, int64_t part)
{
    const cj__chain *c = run->plan->chain;
    const cj__folding *f = &c->folding;
    int64_t from = f->rows * part / f->parts, to = f->rows * (part + 1) / f->parts;
    for (int32_t i = 0; i < c->outputs_count; i++)
        if (c->outputs[i].fold != CJ__CHAIN_STORE)
            run->operands[c->inputs_count + i] =
                (float *)run->operands[c->inputs_count + i] + part * f->columns;
    begin_results(run, 0, f->columns);
    cj__chain_apply(run, (cj__rectangle){from * f->columns, to - from, f->columns, f->columns});
}

static void run_fold(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    const cj__folding *f = &chain_of(launch)->folding;
    cj__chain_run chain = begin_task(launch, operands, scratch);
    if (f->parts > 1) {
        run_part(&chain, task);
        return;
    }
    int64_t grain = grain_of(f), items = f->by_rows ? f->rows : f->columns, from = task * grain;
    int64_t count = items - from < grain ? items - from : grain;
    begin_results(&chain, from, from + count);
    if (!f->by_rows)
        cj__chain_apply(&chain, (cj__rectangle){from, f->rows, count, f->columns});
    else if (f->columns < TILE)
        apply_flat(&chain, from * f->columns, count * f->columns);
    else /* each row from its beginning in whole tiles, so that elements go to the same running results */
        for (int64_t r = from; r < from + count; r++) apply_flat(&chain, r * f->columns, f->columns);
}

const cj__kernel cj__chain_fold_kernel = {.name = "chain + sum",
                                          .op = CJ__OP_chain,
                                          .refuse = refuse_fold,
                                          .prepare = prepare_fold,
                                          .run = run_fold};

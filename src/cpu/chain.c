/* The interpreter of fused chains: 512 elements at a time stay in L1 while all instructions pass over them.
 * Inputs that lie whole in memory are read in place; broadcast ones are spread into a tile first. Results are
 * stored when the tile is done, so an output may lie on a whole input. */
#include "compile/chain.h"
#include "cpu/backend.h"
#include "cpu/vector.h"

#include <string.h>

enum { TILE = 512, TASK_TILES = 16 };

typedef struct {
    const cj__vector_table *table;
    const cj__chain *chain;
    int32_t *slot; /* by register: its tile in scratch; -1: read where it lies */
    int32_t slots;
} chain_data;

static const char *refuse(const cj__launch *launch)
{
    (void)launch;
    return NULL;
}

/* Whether the register can be used straight from the operand's memory. */
static bool read_in_place(const cj__chain *chain, int32_t reg)
{
    return reg < chain->inputs_count && chain->inputs[reg].whole && chain->inputs[reg].dtype == CJ_F32;
}

/* The same value everywhere: loaded once a task. */
static bool is_scalar(const cj__chain_input *input)
{
    for (int d = 0; d < CJ_MAX_RANK; d++)
        if (input->stride[d] != 0) return false;
    return true;
}

/* Tiles are given to registers by last use; outputs keep theirs to the end. */
static cj_status assign_slots(chain_data *data, cj__arena *arena)
{
    const cj__chain *c = data->chain;
    int32_t known = c->inputs_count + c->constants_count, registers = known + c->instructions_count;
    int32_t *last = cj__allocate_zeroed((size_t)registers * 4),
            *owner = cj__allocate_zeroed((size_t)registers * 4);
    data->slot = cj__arena_allocate(arena, (size_t)registers * 4);
    if (!last || !owner || !data->slot) {
        cj__free(last);
        cj__free(owner);
        return cj__out_of_memory((size_t)registers * 12, "a chain");
    }
    for (int32_t i = 0; i < c->instructions_count; i++)
        last[c->instructions[i].a] = last[c->instructions[i].b] = last[c->instructions[i].c] = i;
    for (int32_t i = 0; i < c->outputs_count; i++) last[c->outputs[i]] = INT32_MAX;
    for (int32_t r = 0; r < registers; r++) {
        int32_t now = r - known; /* the instruction that makes it; negative: before all */
        data->slot[r] = -1;
        if (read_in_place(c, r)) continue;
        int32_t s = 0;
        while (s < data->slots && last[owner[s]] >= now) s++;
        bool constant = r < known; /* inputs and constants are live from the start: never share */
        if (constant || s == data->slots) s = data->slots++;
        bool once = constant && (r >= c->inputs_count || is_scalar(&c->inputs[r]));
        if (once) last[r] = INT32_MAX; /* filled once a task, not once a tile */
        owner[s] = r;
        data->slot[r] = s;
    }
    cj__free(last);
    cj__free(owner);
    return CJ_OK;
}

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    chain_data *data = cj__arena_allocate(arena, sizeof *data);
    if (!data) return cj__out_of_memory(sizeof *data, "a chain");
    data->chain = ((const cj__chain_attributes *)launch->attributes)->chain;
    CJ__TRY(cj__vector_choose(&data->table));
    CJ__TRY(assign_slots(data, arena));
    int64_t count = cj_shape_count(data->chain->shape);
    launch->tasks = (count + TILE * TASK_TILES - 1) / (TILE * TASK_TILES);
    size_t registers =
        (size_t)(data->chain->inputs_count + data->chain->constants_count + data->chain->instructions_count);
    launch->scratch_bytes = (size_t)data->slots * TILE * sizeof(float) + registers * sizeof(float *);
    launch->data = data;
    return CJ_OK;
}

/* `n` elements, `stride` (0 or 1 mostly) apart, into a tile. */
static void load_run(cj_dtype dtype, const void *from, int64_t place, int64_t stride, int64_t n, float *tile)
{
    const float *x = (const float *)from + place;
    const uint8_t *bytes = (const uint8_t *)from + place;
    if (dtype == CJ_F32 && stride == 1) {
        memcpy(tile, x, (size_t)n * sizeof(float));
    } else if (stride == 0) {
        float value = dtype == CJ_F32 ? *x : (float)*bytes;
        for (int64_t i = 0; i < n; i++) tile[i] = value;
    } else if (dtype == CJ_F32) {
        for (int64_t i = 0; i < n; i++) tile[i] = x[i * stride];
    } else {
        for (int64_t i = 0; i < n; i++) tile[i] = (float)bytes[i * stride];
    }
}

/* Copies n elements of a (perhaps broadcast) input from flat position `start` on into a tile, row by row. */
static void load_tile(const cj__chain *chain, const cj__chain_input *input, const void *from, int64_t start,
                      int64_t n, float *tile)
{
    cj_shape_t shape = chain->shape;
    int64_t last = shape.rank - 1, row = shape.rank ? shape.dims[last] : 1;
    int64_t inner = shape.rank ? input->stride[last] : 0;
    if (input->whole) {
        load_run(input->dtype, from, start, 1, n, tile);
        return;
    }
    for (int64_t done = 0; done < n;) {
        int64_t column = (start + done) % row, rest = (start + done) / row, place = 0;
        for (int64_t d = last - 1; d >= 0; d--) {
            place += rest % shape.dims[d] * input->stride[d];
            rest /= shape.dims[d];
        }
        int64_t run = row - column < n - done ? row - column : n - done;
        load_run(input->dtype, from, place + column * inner, inner, run, tile + done);
        done += run;
    }
}

static void store_tile(cj_dtype dtype, const float *tile, int64_t start, int64_t n, void *to)
{
    if (dtype == CJ_F32) {
        memcpy((float *)to + start, tile, (size_t)n * sizeof(float));
    } else {
        uint8_t *bytes = (uint8_t *)to + start;
        for (int64_t i = 0; i < n; i++) bytes[i] = tile[i] != 0;
    }
}

static void run_tile(const chain_data *data, void *const *operands, int64_t start, int64_t n,
                     const float **registers, float *tiles)
{
    const cj__chain *c = data->chain;
    int32_t known = c->inputs_count + c->constants_count;
    for (int32_t i = 0; i < c->inputs_count; i++) {
        if (data->slot[i] < 0)
            registers[i] = (const float *)operands[i] + start;
        else if (!is_scalar(&c->inputs[i]))
            load_tile(c, &c->inputs[i], operands[i], start, n, tiles + data->slot[i] * TILE);
    }
    for (int32_t i = 0; i < c->instructions_count; i++) {
        const cj__chain_instruction *in = &c->instructions[i];
        int op = in->op == CJ__OP_cast && in->dtype == CJ_BOOL ? CJ__OP_COUNT : (int)in->op;
        data->table->elementwise[op](n, tiles + data->slot[known + i] * TILE, registers[in->a],
                                     registers[in->b], registers[in->c]);
    }
    for (int32_t i = 0; i < c->outputs_count; i++)
        store_tile(c->instructions[c->outputs[i] - known].dtype, registers[c->outputs[i]], start, n,
                   operands[c->inputs_count + i]);
}

static void run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    const chain_data *data = launch->data;
    const cj__chain *c = data->chain;
    int32_t known = c->inputs_count + c->constants_count, count_registers = known + c->instructions_count;
    float *tiles = scratch;
    const float **registers = (const float **)(tiles + (int64_t)data->slots * TILE);
    for (int32_t r = 0; r < count_registers; r++)
        registers[r] = data->slot[r] < 0 ? NULL : tiles + data->slot[r] * TILE;
    for (int32_t k = 0; k < c->constants_count; k++)
        for (int i = 0; i < TILE; i++)
            tiles[data->slot[c->inputs_count + k] * TILE + i] = (float)c->constants[k];
    for (int32_t i = 0; i < c->inputs_count; i++)
        if (data->slot[i] >= 0 && is_scalar(&c->inputs[i]))
            load_run(c->inputs[i].dtype, operands[i], 0, 0, TILE, tiles + data->slot[i] * TILE);
    int64_t count = cj_shape_count(c->shape), start = task * TILE * TASK_TILES,
            end = start + TILE * TASK_TILES;
    if (end > count) end = count;
    for (; start < end; start += TILE)
        run_tile(data, operands, start, end - start < TILE ? end - start : TILE, registers, tiles);
}

const cj__kernel cj__chain_kernel = {
    .name = "chain", .op = CJ__OP_chain, .refuse = refuse, .prepare = prepare, .run = run, .in_place = true};

/* Winograd's convolution whose 36 products of a block of tiles are made by three parts of bf16 (cpu/split.h),
 * at the accuracy of f32, and its gradient by the input. Transforms are those of winograd.c, in f32; a stage
 * before packs the transformed weight, and tiles are packed some channels at a time while they are
 * transformed. Tiles that bf16 cannot hold are made again in f32, tap by tap. */
#include "cpu/backend.h"
#include "cpu/convolution.h"
#include "cpu/matmul_blocks.h"
#include "cpu/patches.h"
#include "cpu/product.h"
#include "cpu/split.h"
#include "cpu/winograd.h"

#include <string.h>

enum { PLANES = CJ__WINOGRAD_PLANES, SIDE = CJ__WINOGRAD_RESULT, PARTS = 3, TAPS = 9 };
/* Panels of 32 columns whose planes are made at a time; strips of tiles in a block, where channels are many
 * enough that reading the weight again for each strip would cost more than a larger block. */
enum { BLOCK_PANELS = 2, MANY_CHANNELS = 96, MANY_STRIPS = 2 };
/* Tasks to share out at least, where there are enough tiles or columns. */
enum { WANTED_TASKS = 8 };
/* bf16 numbers of a panel in a step of k and one part; floats from one plane of such to the next. */
enum { STEP = CJ__SPLIT_STEP, PANEL = CJ__SPLIT_STEP * CJ__SPLIT_COLUMNS, STEP_PLANE = PANEL + 16 };
/* Channels that are made again in f32 at a time. */
enum { REDONE_DEPTH = 256 };

typedef struct {
    cj__winograd_table table;
    cj__winograd_map map;
    const cj__split_kernels *split;
    cj__window window;
    bool flipped;         /* the weight is [3,3,out,in] seen from here, and turned around */
    int64_t steps, depth; /* of 32 channels; how many are multiplied between two additions */
    int64_t panels, column_blocks, column_parts, tile_blocks, strips; /* of a block of tiles */
    int64_t source_plane, result_row, result_plane;                   /* floats */
} winograd;

/* --- where it pays ------------------------------------------------------------------------------------- */

/* A step of the products takes 32 channels, and fewer tiles do not make up for transforming the weight and
 * packing its planes. */
enum { LEAST_CHANNELS = 32, LEAST_TILES = 64 };

const char *cj__winograd_parts_cannot(const cj__launch *launch)
{
    const cj__split_kernels *split;
    const char *none;
    int parts = cj__convolution_parts(launch, &split, &none);
    if (!split) return "";
    if (launch->precision != CJ_HIGHEST) return "its transforms lose what fewer products would keep";
    return parts == PARTS ? cj__winograd_cannot(launch) : none;
}

const char *cj__winograd_parts_refuse(const cj__launch *launch)
{
    const char *reason = cj__winograd_parts_cannot(launch);
    if (!reason) reason = cj__winograd_refuse(launch);
    if (reason) return reason;
    cj__winograd_map m = cj__winograd_map_of(launch);
    if (m.in < LEAST_CHANNELS || m.out < LEAST_CHANNELS) return "too few channels";
    return m.tiles < LEAST_TILES ? "too few tiles to make up for the weight" : NULL;
}

/* --- the plan ------------------------------------------------------------------------------------------ */

/* bf16 numbers: of a strip of tiles in one step; of all panels of a plane of a block of columns. */
static int64_t step_numbers(const winograd *w)
{
    return (int64_t)PARTS * w->split->tile_rows * STEP;
}

static int64_t plane_numbers(const winograd *w)
{
    return (int64_t)BLOCK_PANELS * w->steps * PARTS * PANEL;
}

static void plan_blocks(winograd *w)
{
    const cj__winograd_map *m = &w->map;
    int64_t height = w->split->tile_rows, all = divide_up(m->tiles, height);
    w->steps = divide_up(m->in, STEP);
    w->depth = cj__split_depth(w->split, PARTS, m->in) / STEP;
    w->panels = divide_up(m->out, CJ__SPLIT_COLUMNS);
    w->column_blocks = divide_up(w->panels, BLOCK_PANELS);
    w->strips = at_most(all, m->in > MANY_CHANNELS ? MANY_STRIPS : 1);
    w->tile_blocks = divide_up(all, w->strips);
    w->column_parts = at_most(w->column_blocks, divide_up(WANTED_TASKS, w->tile_blocks));
    w->source_plane = cj__winograd_plane(height * STEP);
    w->result_row = cj__winograd_row(BLOCK_PANELS * CJ__SPLIT_COLUMNS);
    w->result_plane = cj__winograd_plane(height * w->result_row);
}

/* A task's part of the scratch, in this order. */
typedef struct {
    uint16_t *packed;     /* the block's tiles: [strip][plane][step]… */
    float *source;        /* planes of a strip, [tile][32 channels] */
    float *result;        /* planes of a strip, [tile][columns of a block] */
    float *zeros, *waste; /* a row of channels; a row that nobody reads */
    float *patches, *panel;
} space;

static size_t divide(const winograd *w, char *scratch, space *to)
{
    size_t bytes[7] = {
        aligned_bytes(w->strips * PLANES * w->steps * step_numbers(w), sizeof(uint16_t)),
        aligned_bytes(PLANES * w->source_plane, sizeof(float)),
        aligned_bytes(PLANES * w->result_plane, sizeof(float)),
        aligned_bytes(STEP, sizeof(float)),
        aligned_bytes(w->result_row, sizeof(float)),
        aligned_bytes((int64_t)REDONE_DEPTH * SIDE * SIDE, sizeof(float)),
        aligned_bytes((int64_t)REDONE_DEPTH * w->table.product->tile_columns, sizeof(float)),
    };
    size_t at[8] = {0};
    for (int i = 0; i < 7; i++) at[i + 1] = at[i] + bytes[i];
    if (scratch)
        *to = (space){(void *)(scratch + at[0]), (void *)(scratch + at[1]), (void *)(scratch + at[2]),
                      (void *)(scratch + at[3]), (void *)(scratch + at[4]), (void *)(scratch + at[5]),
                      (void *)(scratch + at[6])};
    return at[7];
}

/* The workspace: the largest magnitude of each step of each panel; then, block of columns by block of
 * columns, 36 planes, each block of k after block of k, its panels. */
static size_t notes_bytes(const winograd *w)
{
    return aligned_bytes(w->panels * w->steps, sizeof(uint32_t));
}

/* Where panel `panel` of a block's plane has the block of k that begins at step `p`. */
static int64_t block_place(const winograd *w, int64_t p, int64_t panel)
{
    int64_t steps = at_most(w->depth, w->steps - p);
    return (p * BLOCK_PANELS + panel * steps) * PARTS * PANEL;
}

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    const char *reason;
    winograd *w = cj__arena_allocate(arena, sizeof *w);
    if (!w) return cj__out_of_memory(sizeof *w, "a convolution");
    *w = (winograd){.map = cj__winograd_map_of(launch),
                    .window = cj__convolution_window(launch),
                    .flipped = launch->op == CJ__OP_convolution_input_gradient};
    CJ__TRY(cj__winograd_choose(&w->table));
    cj__convolution_parts(launch, &w->split, &reason);
    launch->data = w;
    launch->tasks = 0;
    if (w->map.tiles == 0 || w->map.out == 0) return CJ_OK;
    plan_blocks(w);
    launch->tasks = w->tile_blocks * w->column_parts;
    launch->scratch_bytes = divide(w, NULL, NULL);
    launch->workspace_bytes =
        notes_bytes(w) + (size_t)(w->column_blocks * PLANES * plane_numbers(w)) * sizeof(uint16_t);
    return CJ_OK;
}

/* --- the stage before: the weight ---------------------------------------------------------------------- */

static cj_status prepare_weight(cj__launch *launch, cj__arena *arena)
{
    (void)arena;
    cj__product_unwrap(launch);
    const winograd *w = launch->data;
    launch->tasks = w->panels * w->steps;
    launch->scratch_bytes = (size_t)(TAPS * PANEL + PLANES * STEP_PLANE) * sizeof(float);
    return CJ_OK;
}

/* One tap of the weight as a matrix [in,out] from (in,out) on, whichever way it lies. */
static cj__matrix tap_of(const winograd *w, const float *weight, int64_t tap, int64_t in, int64_t out)
{
    const cj__winograd_map *m = &w->map;
    const float *data = weight + tap * m->in * m->out;
    if (w->flipped) return (cj__matrix){data + out * m->in + in, 1, m->in};
    return (cj__matrix){data + in * m->out + out, m->out, 1};
}

/* Task → panel, step of channels, which runs fastest: nine taps [32,32], with zeros beyond the edges, become
 * 36 planes, and those steps of panels. */
static void run_weight(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    const winograd *w = launch->data;
    int64_t step = task % w->steps, panel = task / w->steps, in = step * STEP,
            out = panel * CJ__SPLIT_COLUMNS;
    int64_t rows = at_most(STEP, w->map.in - in), columns = at_most(CJ__SPLIT_COLUMNS, w->map.out - out);
    float *taps = scratch, *planes = taps + TAPS * PANEL;
    memset(taps, 0, TAPS * PANEL * sizeof *taps);
    for (int64_t t = 0; t < TAPS; t++) {
        cj__matrix from = tap_of(w, operands[0], t, in, out);
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < columns; j++)
                taps[t * PANEL + i * CJ__SPLIT_COLUMNS + j] = from.data[i * from.row + j * from.column];
    }
    w->table.transforms->weight(taps, PANEL, PANEL, w->flipped, planes, STEP_PLANE);
    uint32_t *notes = operands[1], largest = 0;
    int64_t p = step / w->depth * w->depth;
    uint16_t *to = (uint16_t *)(void *)((char *)operands[1] + notes_bytes(w)) +
                   panel / BLOCK_PANELS * PLANES * plane_numbers(w) +
                   block_place(w, p, panel % BLOCK_PANELS) + (step - p) * PARTS * PANEL;
    for (int64_t i = 0; i < PLANES; i++) {
        cj__matrix plane = {planes + i * STEP_PLANE, CJ__SPLIT_COLUMNS, 1};
        uint32_t here = w->split->pack_panels(plane, rows, columns, PARTS, to + i * plane_numbers(w));
        largest = here > largest ? here : largest;
    }
    notes[task] = largest;
}

/* --- a block of tiles ---------------------------------------------------------------------------------- */

typedef struct {
    const winograd *w;
    const cj__product_call *call;
    int64_t tile, tiles; /* of the present strip */
    int64_t strip;       /* which of the block it is */
    space to;
    uint32_t *largest; /* magnitude in each strip's planes, as bits */
} tile_block;

/* The present strip through the transform, 32 channels at a time, and packed. */
static uint32_t pack_source(const tile_block *b)
{
    const winograd *w = b->w;
    const float *pixels[36];
    uint16_t *packed = b->to.packed + b->strip * PLANES * w->steps * step_numbers(w);
    uint32_t largest = 0;
    for (int64_t step = 0; step < w->steps; step++) {
        int64_t channel = step * STEP, channels = at_most(STEP, w->map.in - channel);
        for (int64_t t = 0; t < b->tiles; t++) {
            cj__winograd_source_pixels(&w->map, b->call->a, b->tile + t, channel, b->to.zeros, pixels);
            w->table.transforms->source(pixels, CJ__WINOGRAD_ALL, channels, b->to.source + t * STEP,
                                        w->source_plane);
        }
        for (int64_t p = 0; p < PLANES; p++) {
            cj__matrix a = {b->to.source + p * w->source_plane, STEP, 1};
            uint32_t here = w->split->pack_rows(a, b->tiles, channels, PARTS,
                                                packed + (p * w->steps + step) * step_numbers(w));
            largest = here > largest ? here : largest;
        }
    }
    return largest;
}

/* The planes of the result: [tiles,in]·[in,columns] of a block of columns. */
static void multiply(const tile_block *b, int64_t block, int64_t columns)
{
    const winograd *w = b->w;
    const uint16_t *packed = b->to.packed + b->strip * PLANES * w->steps * step_numbers(w);
    const uint16_t *weight =
        (const uint16_t *)(const void *)((const char *)b->call->workspace + notes_bytes(w)) +
        block * PLANES * plane_numbers(w);
    cj__split_strip strip = {.c_row = w->result_row, .rows = b->tiles, .columns = columns, .parts = PARTS};
    for (int64_t i = 0; i < PLANES; i++) {
        strip.c = b->to.result + i * w->result_plane;
        for (int64_t p = 0; p < w->steps; p += w->depth) {
            strip.a = packed + (i * w->steps + p) * step_numbers(w);
            strip.b = weight + i * plane_numbers(w) + block_place(w, p, 0);
            strip.steps = at_most(w->depth, w->steps - p);
            strip.add = p > 0;
            w->split->strip(&strip);
        }
    }
}

/* Whether bf16 holds the strip, and the weight in the columns of a block. */
static bool fits(const tile_block *b, int64_t block)
{
    const winograd *w = b->w;
    const uint32_t *notes = b->call->workspace;
    int64_t end = at_most(w->panels, (block + 1) * BLOCK_PANELS) * w->steps;
    uint32_t largest = 0;
    for (int64_t i = block * BLOCK_PANELS * w->steps; i < end; i++)
        largest = notes[i] > largest ? notes[i] : largest;
    return cj__split_fits(largest, PARTS) && cj__split_fits(b->largest[b->strip], PARTS);
}

/* --- what bf16 cannot hold ----------------------------------------------------------------------------- */

/* Columns [column, column+columns) of one row of a tile, results [first, end): adds what channels
 * [channel, channel+n), copied, give through a tap. */
static void redo_row(const tile_block *b, cj__strip strip, int64_t first, int64_t end, int64_t column)
{
    const cj__matmul_kernels *f32 = b->w->table.product;
    for (int64_t i = first; i < end; i += strip.rows) {
        strip.rows = at_most(f32->tile_rows, end - i);
        strip.a = b->to.patches + (i - first) * strip.k;
        strip.c = b->call->c + i * b->w->map.out + column;
        f32->strip(&strip);
    }
}

/* The results of a tile, in the columns of a block, tap by tap. */
static void redo_tile(const tile_block *b, const cj__patches *s, int64_t tile, int64_t column,
                      int64_t columns)
{
    const winograd *w = b->w;
    const cj__winograd_map *m = &w->map;
    const int64_t width = w->table.product->tile_columns;
    int64_t line = tile / m->tiles_across, x = tile % m->tiles_across * SIDE, tap[CJ__SPATIAL];
    int64_t y = line % m->tiles_down * SIDE, bottom = at_most(y + SIDE, m->result_height);
    int64_t wide = at_most(SIDE, m->result_width - x);
    for (int64_t t = 0; t < TAPS; t++)
        for (int64_t channel = 0; channel < m->in; channel += REDONE_DEPTH)
            for (int64_t row = y; row < bottom; row++) {
                int64_t n = at_most(REDONE_DEPTH, m->in - channel);
                int64_t first = (line / m->tiles_down * m->result_height + row) * m->result_width + x;
                cj__patches_tap(s, t, tap);
                cj__copy_patches(s, b->call->a + channel, m->in, n, tap, first, first + wide, b->to.patches,
                                 n);
                for (int64_t j = 0; j < columns; j += width) {
                    cj__strip strip = {.a_row = n,
                                       .a_column = 1,
                                       .b = b->to.panel,
                                       .b_row = width,
                                       .c_row = m->out,
                                       .columns = at_most(width, columns - j),
                                       .k = n,
                                       .add = t + channel > 0};
                    cj__matrix weight =
                        tap_of(w, b->call->b, cj__patches_weight(s, &w->window, tap), channel, column + j);
                    w->table.product->pack_panels(weight, n, strip.columns, b->to.panel);
                    redo_row(b, strip, first, first + wide, column + j);
                }
            }
}

static void redo(const tile_block *b, int64_t column, int64_t columns)
{
    cj__patches s = cj__patches_of(&b->w->window, b->w->flipped, 0);
    for (int64_t t = 0; t < b->tiles; t++) redo_tile(b, &s, b->tile + t, column, columns);
}

/* --- the task ------------------------------------------------------------------------------------------ */

static void transform_result(const tile_block *b, int64_t column, int64_t columns)
{
    const winograd *w = b->w;
    float *pixels[16];
    for (int64_t t = 0; t < b->tiles; t++) {
        cj__winograd_result_pixels(&w->map, b->call->c, b->tile + t, column, b->to.waste, pixels);
        w->table.transforms->result(b->to.result + t * w->result_row, w->result_plane, columns, pixels);
    }
}

static void make_columns(const tile_block *b, int64_t block)
{
    int64_t column = block * BLOCK_PANELS * CJ__SPLIT_COLUMNS;
    int64_t columns = at_most(BLOCK_PANELS * CJ__SPLIT_COLUMNS, b->w->map.out - column);
    if (fits(b, block)) {
        multiply(b, block, columns);
        transform_result(b, column, columns);
    } else {
        redo(b, column, columns);
    }
    cj__winograd_epilogue(&b->w->map, b->call->epilogue, b->tile, b->tiles, column, columns);
}

/* Moves to a strip of the block; the tiles of all strips follow each other. */
static void go_to_strip(tile_block *b, int64_t block, int64_t strip)
{
    int64_t height = b->w->split->tile_rows;
    b->strip = strip;
    b->tile = (block * b->w->strips + strip) * height;
    b->tiles = at_most(height, b->w->map.tiles - b->tile);
}

/* Task → columns and tiles: parts of the columns run fastest. */
static void run(const cj__launch *launch, const cj__product_call *call, int64_t task, void *scratch)
{
    const winograd *w = launch->data;
    int64_t part = task % w->column_parts, block = task / w->column_parts;
    uint32_t largest[MANY_STRIPS];
    tile_block b = {.w = w, .call = call, .largest = largest};
    int64_t strips = at_most(w->strips, divide_up(w->map.tiles, w->split->tile_rows) - block * w->strips);
    divide(w, scratch, &b.to);
    memset(b.to.zeros, 0, STEP * sizeof(float));
    for (int64_t s = 0; s < strips; s++) {
        go_to_strip(&b, block, s);
        largest[s] = pack_source(&b);
    }
    int64_t end = part_start(w->column_blocks, w->column_parts, part + 1);
    for (int64_t c = part_start(w->column_blocks, w->column_parts, part); c < end; c++)
        for (int64_t s = 0; s < strips; s++) {
            go_to_strip(&b, block, s);
            make_columns(&b, c);
        }
}

/* --- the kernels --------------------------------------------------------------------------------------- */

static const char *describe(const cj__launch *launch)
{
    return ((const winograd *)launch->data)->split->name[PARTS - 1];
}

static const cj__kernel weight_kernel = {
    .name = "winograd weight by parts", .op = -1, .prepare = prepare_weight, .run = run_weight};

#define BY_PARTS(of)                                                                                         \
    {                                                                                                        \
        .op = of, .refuse = cj__winograd_parts_refuse, .cannot = cj__winograd_parts_cannot,                  \
        .prepare = prepare, .run = run, .describe = describe                                                 \
    }
static const cj__product forward = BY_PARTS(CJ__OP_convolution);
static const cj__product to_input = BY_PARTS(CJ__OP_convolution_input_gradient);

CJ__PRODUCT_KERNELS_AFTER(winograd_parts, "winograd by parts", forward, CJ__OP_convolution, &weight_kernel,
                          1u << 1);
CJ__PRODUCT_KERNELS_AFTER(winograd_parts_to_input, "winograd to input by parts", to_input,
                          CJ__OP_convolution_input_gradient, &weight_kernel, 1u << 1);

/* The convolution 3×3 of stride 1 by Winograd's F(4×4,3×3), and its gradient by the input, which is the same
 * with the weight turned around. A tile of 6×6 pixels and the 3×3 taps become 36 planes each
 * (cpu/kernels/winograd.c); plane by plane the tiles are a matrix [tiles,in], the weights [in,out], and their
 * products the planes of the result.
 *
 * Weights are transformed by a stage before. A task takes a block of tiles through all that follows, in L2.
 * Where all tiles are one block, a task transforms the weights of its columns itself, some channels at a
 * time: 36 planes of a large weight never leave the cache.
 */
#include "cpu/backend.h"
#include "cpu/matmul_blocks.h"
#include "cpu/product.h"
#include "cpu/winograd.h"

#include <stdlib.h>
#include <string.h>

enum { PLANES = CJ__WINOGRAD_PLANES, SIDE = CJ__WINOGRAD_RESULT };

/* --- where it pays ------------------------------------------------------------------------------------- */

/* Per pixel, 36/16 multiply-adds take the place of 9, but transforms are added: of tiles, whose share falls
 * with the channels, and of weights, whose share falls with the tiles. Tiles that hang over the edge do work
 * for nothing. */
enum { LEAST_CHANNELS = 8, LEAST_WEIGHTS = 8 * 16, LEAST_TILES = 16, LEAST_PIXELS_OF_TILE = 8 };
/* Up to so many tiles a weight that does not last is transformed within the tasks, for so many channels and
 * columns at a time. */
enum { FEW_TILES = 60, FEW_CHANNELS = 32, FEW_COLUMNS = 32 };

/* Tiles that a task takes at a time, rounded down to whole register tiles: few enough that their planes, and
 * those of some columns of the result, stay in L2. */
enum { BLOCK_TILES = 32, BLOCK_COLUMNS = 64 };
/* Tasks to share out at least, where there are enough tiles or columns. */
enum { WANTED_TASKS = 8 };
/* A sum is made of parts of so many products at most: shorter chains of roundings, and a panel stays in L1.
 */
enum { K_BLOCK = 128 };
/* Rows of a weight that a task of the stage before transforms. */
enum { WEIGHT_ROWS = 64 };

static bool forbidden(void)
{
    const char *wanted = getenv("CAJAL_WINOGRAD");
    return wanted && strcmp(wanted, "0") == 0;
}

const char *cj__winograd_cannot(const cj__launch *launch)
{
    const cj__window_attributes *a = launch->attributes;
    if (launch->op != CJ__OP_convolution && launch->op != CJ__OP_convolution_input_gradient &&
        launch->op != CJ__OP_convolution_weight_gradient)
        return "";
    if (launch->types[0].dtype != CJ_F32 || launch->types[1].dtype != CJ_F32) return "it convolves f32 only";
    bool square = a->rank == 2 && a->kernel[0] == 3 && a->kernel[1] == 3;
    bool dense = a->stride[0] == 1 && a->stride[1] == 1 && a->dilation[0] == 1 && a->dilation[1] == 1;
    if (!square || !dense || a->groups > 1) return "it is for 3x3 with stride 1, dilation 1 and one group";
    if (launch->no_winograd) return "the graph's options forbid it";
    if (forbidden()) return "CAJAL_WINOGRAD=0 forbids it";
    return cj__winograd_map_of(launch).in > 0 ? NULL : "there are no channels";
}

const char *cj__winograd_refuse(const cj__launch *launch)
{
    const char *reason = cj__winograd_cannot(launch);
    if (reason) return reason;
    cj__winograd_map m = cj__winograd_map_of(launch);
    if (m.in < LEAST_CHANNELS || m.out < LEAST_CHANNELS || m.in * m.out < LEAST_WEIGHTS)
        return "too few channels";
    if (m.tiles < LEAST_TILES) return "too few tiles to make up for transforming the weight";
    int64_t pixels = m.batch * m.result_height * m.result_width;
    return pixels < LEAST_PIXELS_OF_TILE * m.tiles ? "too much of its tiles hangs over the edge" : NULL;
}

/* --- geometry ------------------------------------------------------------------------------------------ */

static cj__winograd_map with_tiles(cj__winograd_map m)
{
    m.tiles_down = divide_up(m.result_height, SIDE);
    m.tiles_across = divide_up(m.result_width, SIDE);
    m.tiles = m.batch * m.tiles_down * m.tiles_across;
    return m;
}

/* Backwards the result's row r needs the rows from r + top - 2 on. */
cj__winograd_map cj__winograd_map_of(const cj__launch *launch)
{
    const cj__window_attributes *a = launch->attributes;
    bool backwards = launch->op == CJ__OP_convolution_input_gradient;
    const int64_t *from = launch->types[0].shape.dims;
    const int64_t *to = launch->types[launch->op == CJ__OP_convolution_weight_gradient ? 1 : 2].shape.dims;
    return with_tiles((cj__winograd_map){.batch = from[0],
                                         .height = from[1],
                                         .width = from[2],
                                         .in = from[3],
                                         .result_height = to[1],
                                         .result_width = to[2],
                                         .out = to[3],
                                         .top = backwards ? 2 - a->before[0] : a->before[0],
                                         .left = backwards ? 2 - a->before[1] : a->before[1]});
}

void cj__winograd_source_pixels(const cj__winograd_map *m, const float *source, int64_t tile, int64_t channel,
                                const float *zeros, const float *pixels[36])
{
    int64_t n = tile / (m->tiles_down * m->tiles_across), i = tile / m->tiles_across % m->tiles_down;
    int64_t row = i * SIDE - m->top, column = tile % m->tiles_across * SIDE - m->left;
    for (int64_t r = 0; r < CJ__WINOGRAD_SOURCE; r++)
        for (int64_t c = 0; c < CJ__WINOGRAD_SOURCE; c++) {
            int64_t y = row + r, x = column + c;
            bool there = y >= 0 && y < m->height && x >= 0 && x < m->width;
            *pixels++ = there ? source + ((n * m->height + y) * m->width + x) * m->in + channel : zeros;
        }
}

void cj__winograd_result_pixels(const cj__winograd_map *m, float *result, int64_t tile, int64_t channel,
                                float *waste, float *pixels[16])
{
    int64_t n = tile / (m->tiles_down * m->tiles_across), i = tile / m->tiles_across % m->tiles_down;
    int64_t row = i * SIDE, column = tile % m->tiles_across * SIDE;
    for (int64_t y = row; y < row + SIDE; y++)
        for (int64_t x = column; x < column + SIDE; x++) {
            bool there = y < m->result_height && x < m->result_width;
            *pixels++ = there ? result + ((n * m->result_height + y) * m->result_width + x) * m->out + channel
                              : waste;
        }
}

void cj__winograd_epilogue(const cj__winograd_map *m, cj__epilogue epilogue, int64_t tile, int64_t tiles,
                           int64_t column, int64_t columns)
{
    if (!epilogue.apply) return;
    for (int64_t end = tile + tiles, next; tile < end; tile = next) {
        int64_t line = tile / m->tiles_across, image = line / m->tiles_down;
        next = at_most(end, (line + 1) * m->tiles_across);
        int64_t x = tile % m->tiles_across * SIDE, width = at_most((next - tile) * SIDE, m->result_width - x);
        int64_t top = line % m->tiles_down * SIDE, bottom = at_most(top + SIDE, m->result_height);
        for (int64_t y = top; y < bottom; y++) {
            int64_t pixel = (image * m->result_height + y) * m->result_width + x;
            epilogue.apply(epilogue.context,
                           (cj__rectangle){pixel * m->out + column, width, columns, m->out});
        }
    }
}

int64_t cj__winograd_block_tiles(const cj__matmul_kernels *product)
{
    return BLOCK_TILES / product->tile_rows * product->tile_rows;
}

int64_t cj__winograd_row(int64_t channels)
{
    int64_t floats = divide_up(channels, 16) * 16;
    return floats % 256 == 0 ? floats + 16 : floats;
}

int64_t cj__winograd_plane(int64_t floats)
{
    return divide_up(floats, 16) * 16 + 16;
}

cj_status cj__winograd_choose(cj__winograd_table *table)
{
#define TABLE(isa)                                                                                           \
    {                                                                                                        \
        &cj__winograd_##isa, &cj__matmul_##isa                                                               \
    }
    static const cj__winograd_table tables[CJ__ISA_COUNT] = {
        [CJ__ISA_SCALAR] = TABLE(scalar),
        CJ__IF_NEON([CJ__ISA_NEON] = TABLE(neon), ) CJ__IF_AVX2([CJ__ISA_AVX2] = TABLE(avx2), )
            CJ__IF_AVX512([CJ__ISA_AVX512] = TABLE(avx512), )};
#undef TABLE
    cj__isa isa;
    CJ__TRY(cj__isa_choose(&isa));
    *table = tables[cj__isa_vectors(isa)];
    return CJ_OK;
}

/* --- the plan ------------------------------------------------------------------------------------------ */

/* The transformed weight: for each block of columns 36 planes of panels [in][panel's columns], one after
 * another. */
typedef struct {
    cj__winograd_table table;
    cj__winograd_map map;
    bool flipped;  /* the weight is [3,3,out,in] seen from here, and turned around */
    bool within;   /* the tasks transform the weight: one block of tiles, one block of columns a task */
    int64_t depth; /* channels of the source that are transformed at a time */
    int64_t panels, block_panels, column_blocks, column_parts, tile_blocks, block_tiles;
    int64_t weight_chunks;
    int64_t source_row, source_plane, result_row, result_plane; /* floats, of a block of tiles */
    int64_t weight_block, weight_plane;                         /* floats */
} winograd;

static int64_t panels_of_block(const winograd *w, int64_t block)
{
    return at_most(w->block_panels, w->panels - block * w->block_panels);
}

static void plan_blocks(winograd *w, bool lasting)
{
    const cj__winograd_map *m = &w->map;
    int64_t width = w->table.product->tile_columns;
    w->within = !lasting && m->tiles <= FEW_TILES;
    w->depth = w->within ? at_most(m->in, FEW_CHANNELS) : m->in;
    w->panels = divide_up(m->out, width);
    w->block_panels = at_most(w->panels, at_least(1, (w->within ? FEW_COLUMNS : BLOCK_COLUMNS) / width));
    w->column_blocks = divide_up(w->panels, w->block_panels);
    w->tile_blocks = w->within ? 1 : divide_up(m->tiles, cj__winograd_block_tiles(w->table.product));
    w->block_tiles = divide_up(m->tiles, w->tile_blocks);
    int64_t parts = w->within ? w->column_blocks : divide_up(WANTED_TASKS, w->tile_blocks);
    w->column_parts = at_most(w->column_blocks, parts);
    w->weight_chunks = divide_up(m->in, WEIGHT_ROWS);
}

static void plan_memory(winograd *w)
{
    int64_t columns = w->block_panels * w->table.product->tile_columns;
    w->source_row = cj__winograd_row(w->depth);
    w->source_plane = cj__winograd_plane(w->block_tiles * w->source_row);
    w->result_row = cj__winograd_row(columns);
    w->result_plane = cj__winograd_plane(w->block_tiles * w->result_row);
    w->weight_plane = cj__winograd_plane(columns * w->depth);
    w->weight_block = PLANES * w->weight_plane;
}

/* Scratch: planes of the source, planes of the result, a row of zeros, a row for what nobody reads; then the
 * planes of the weight and its taps, if the task transforms it. */
static int64_t scratch_floats(const winograd *w)
{
    int64_t floats = PLANES * (w->source_plane + w->result_plane) + w->source_row + w->result_row;
    return w->within ? floats + w->weight_block + 9 * w->depth * w->table.product->tile_columns : floats;
}

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    winograd *w = cj__arena_allocate(arena, sizeof *w);
    if (!w) return cj__out_of_memory(sizeof *w, "a convolution");
    CJ__TRY(cj__winograd_choose(&w->table));
    w->map = cj__winograd_map_of(launch);
    w->flipped = launch->op == CJ__OP_convolution_input_gradient;
    launch->data = w;
    launch->tasks = 0;
    if (w->map.tiles == 0 || w->map.out == 0) return CJ_OK;
    plan_blocks(w, launch->lasting >> 1 & 1);
    plan_memory(w);
    launch->tasks = w->tile_blocks * w->column_parts;
    launch->scratch_bytes = (size_t)scratch_floats(w) * sizeof(float);
    launch->workspace_bytes = w->within ? 0 : (size_t)(w->column_blocks * w->weight_block) * sizeof(float);
    return CJ_OK;
}

/* --- the stage before: the weight ---------------------------------------------------------------------- */

static cj_status prepare_weight(cj__launch *launch, cj__arena *arena)
{
    (void)arena;
    cj__product_unwrap(launch);
    const winograd *w = launch->data;
    launch->tasks = w->panels * w->weight_chunks;
    launch->scratch_bytes = (size_t)(9 * WEIGHT_ROWS * w->table.product->tile_columns) * sizeof(float);
    return CJ_OK;
}

/* One tap of the weight as a matrix [in,out], whichever way it lies. */
static cj__matrix tap_of(const winograd *w, const float *weight, int64_t tap)
{
    const cj__winograd_map *m = &w->map;
    const float *data = weight + tap * m->in * m->out;
    return w->flipped ? (cj__matrix){data, 1, m->in} : (cj__matrix){data, m->out, 1};
}

/* Rows [row, row+rows) of a panel: packed tap by tap, then transformed. */
static void transform_weight(const winograd *w, const float *weight, int64_t panel, int64_t row, int64_t rows,
                             float *taps, float *to)
{
    int64_t width = w->table.product->tile_columns, columns = at_most(width, w->map.out - panel * width);
    for (int64_t tap = 0; tap < 9; tap++) {
        cj__matrix from = tap_of(w, weight, tap);
        from.data += row * from.row + panel * width * from.column;
        w->table.product->pack_panels(from, rows, columns, taps + tap * rows * width);
    }
    w->table.transforms->weight(taps, rows * width, rows * width, w->flipped, to, w->weight_plane);
}

static void run_weight(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    const winograd *w = launch->data;
    int64_t panel = task / w->weight_chunks, row = task % w->weight_chunks * WEIGHT_ROWS;
    int64_t block = panel / w->block_panels, within = panel % w->block_panels;
    float *to = operands[1];
    to += block * w->weight_block + (within * w->map.in + row) * w->table.product->tile_columns;
    transform_weight(w, operands[0], panel, row, at_most(WEIGHT_ROWS, w->map.in - row), scratch, to);
}

/* --- a block of tiles ---------------------------------------------------------------------------------- */

typedef struct {
    const winograd *w;
    const float *source, *weight;
    float *result;
    float *from, *to, *zeros, *waste; /* scratch: planes of the source, of the result; rows */
    int64_t tile, tiles;
} tile_block;

/* Channels [channel, channel+depth) */
static void transform_source(const tile_block *b, int64_t channel, int64_t depth)
{
    const winograd *w = b->w;
    const float *pixels[36];
    for (int64_t t = 0; t < b->tiles; t++) {
        cj__winograd_source_pixels(&w->map, b->source, b->tile + t, channel, b->zeros, pixels);
        w->table.transforms->source(pixels, CJ__WINOGRAD_ALL, depth, b->from + t * w->source_row,
                                    w->source_plane);
    }
}

/* One plane of the result, or of a part of its sum: [tiles,depth]·[depth,columns], a strip of tiles at a
 * time. */
static void multiply_plane(const tile_block *b, const float *from, const float *weight, int64_t depth,
                           int64_t panels, bool add, float *to)
{
    const winograd *w = b->w;
    int64_t width = w->table.product->tile_columns;
    int64_t strips = divide_up(b->tiles, w->table.product->tile_rows), parts = divide_up(depth, K_BLOCK);
    cj__strip strip = {.a_row = w->source_row,
                       .a_column = 1,
                       .b_row = width,
                       .b_panel = depth * width,
                       .c_row = w->result_row,
                       .columns = panels * width};
    for (int64_t p = 0; p < parts; p++) {
        int64_t k = part_start(depth, parts, p);
        strip.k = part_start(depth, parts, p + 1) - k;
        strip.b = weight + k * width;
        strip.add = add || p > 0;
        for (int64_t s = 0; s < strips; s++) {
            int64_t row = part_start(b->tiles, strips, s);
            strip.rows = part_start(b->tiles, strips, s + 1) - row;
            strip.a = from + row * w->source_row + k;
            strip.c = to + row * w->result_row;
            w->table.product->strip(&strip);
        }
    }
}

static void multiply(const tile_block *b, const float *weight, int64_t depth, int64_t panels, bool add)
{
    const winograd *w = b->w;
    for (int64_t p = 0; p < PLANES; p++)
        multiply_plane(b, b->from + p * w->source_plane, weight + p * w->weight_plane, depth, panels, add,
                       b->to + p * w->result_plane);
}

static void transform_result(const tile_block *b, int64_t column, int64_t columns)
{
    const winograd *w = b->w;
    float *pixels[16];
    for (int64_t t = 0; t < b->tiles; t++) {
        cj__winograd_result_pixels(&w->map, b->result, b->tile + t, column, b->waste, pixels);
        w->table.transforms->result(b->to + t * w->result_row, w->result_plane, columns, pixels);
    }
}

static void finish_columns(const tile_block *b, int64_t block, cj__epilogue epilogue)
{
    int64_t most = b->w->block_panels * b->w->table.product->tile_columns, column = block * most;
    int64_t columns = at_most(most, b->w->map.out - column);
    transform_result(b, column, columns);
    cj__winograd_epilogue(&b->w->map, epilogue, b->tile, b->tiles, column, columns);
}

/* The weight is there: its planes for all columns and channels. */
static void make_columns(const tile_block *b, int64_t block, cj__epilogue epilogue)
{
    const winograd *w = b->w;
    multiply(b, b->weight + block * w->weight_block, w->map.in, panels_of_block(w, block), false);
    finish_columns(b, block, epilogue);
}

/* Source and weight are transformed here, some channels at a time, whose products are added up. */
static void make_columns_within(const tile_block *b, int64_t block, float *planes, cj__epilogue epilogue)
{
    const winograd *w = b->w;
    int64_t parts = divide_up(w->map.in, w->depth), panels = panels_of_block(w, block);
    float *taps = planes + w->weight_block;
    for (int64_t p = 0; p < parts; p++) {
        int64_t channel = part_start(w->map.in, parts, p);
        int64_t depth = part_start(w->map.in, parts, p + 1) - channel;
        transform_source(b, channel, depth);
        for (int64_t i = 0; i < panels; i++)
            transform_weight(w, b->weight, block * w->block_panels + i, channel, depth, taps,
                             planes + i * depth * w->table.product->tile_columns);
        multiply(b, planes, depth, panels, p > 0);
    }
    finish_columns(b, block, epilogue);
}

/* Task → columns and tiles: parts of the columns run fastest. */
static void run(const cj__launch *launch, const cj__product_call *call, int64_t task, void *scratch)
{
    const winograd *w = launch->data;
    int64_t part = task % w->column_parts, block = task / w->column_parts;
    tile_block b = {w, call->a, w->within ? call->b : call->workspace, call->c, .from = scratch};
    b.to = b.from + PLANES * w->source_plane;
    b.zeros = b.to + PLANES * w->result_plane;
    b.waste = b.zeros + w->source_row;
    b.tile = part_start(w->map.tiles, w->tile_blocks, block);
    b.tiles = part_start(w->map.tiles, w->tile_blocks, block + 1) - b.tile;
    memset(b.zeros, 0, (size_t)w->source_row * sizeof(float));
    if (w->within) {
        make_columns_within(&b, part, b.waste + w->result_row, call->epilogue);
        return;
    }
    transform_source(&b, 0, w->map.in);
    int64_t end = part_start(w->column_blocks, w->column_parts, part + 1);
    for (int64_t c = part_start(w->column_blocks, w->column_parts, part); c < end; c++)
        make_columns(&b, c, call->epilogue);
}

/* --- the kernels --------------------------------------------------------------------------------------- */

static const char *describe(const cj__launch *launch)
{
    return ((const winograd *)launch->data)->table.product->name;
}

static const cj__kernel weight_kernel = {
    .name = "winograd weight", .op = -1, .prepare = prepare_weight, .run = run_weight};

#define WINOGRAD(of)                                                                                         \
    {                                                                                                        \
        .op = of, .refuse = cj__winograd_refuse, .cannot = cj__winograd_cannot, .prepare = prepare,          \
        .run = run, .describe = describe                                                                     \
    }
static const cj__product forward = WINOGRAD(CJ__OP_convolution);
static const cj__product to_input = WINOGRAD(CJ__OP_convolution_input_gradient);

CJ__PRODUCT_KERNELS_AFTER(winograd, "winograd", forward, CJ__OP_convolution, &weight_kernel, 1u << 1);
CJ__PRODUCT_KERNELS_AFTER(winograd_to_input, "winograd to input", to_input, CJ__OP_convolution_input_gradient,
                          &weight_kernel, 1u << 1);

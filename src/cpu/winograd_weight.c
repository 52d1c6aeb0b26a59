/* The gradient of a 3×3 convolution by its weight, by Winograd's F(4×4,3×3): Gᵀ [Σ (Bᵀ d B) ⊙ (A y Aᵀ)] G,
 * summed over tiles. Each of the 36 planes of the sum is a product [in,tiles]·[tiles,out].
 *
 * The stage before makes sums over groups of tiles, which the shape alone decides on; the kernel itself adds
 * them in order and transforms them back. The products are of f32, or of three parts of bf16 where that is
 * faster; what these cannot hold is multiplied in f32. */
#include "cpu/backend.h"
#include "cpu/convolution.h"
#include "cpu/matmul_blocks.h"
#include "cpu/split.h"
#include "cpu/winograd.h"

#include <string.h>

enum { PLANES = CJ__WINOGRAD_PLANES };

/* Channels of either side for one task: the transforms of its tiles are shared by that many of the other
 * side. Up to SOME of them, all 36 sums stay in the second cache. More would leave it with every few tiles: a
 * task then makes the sums of a third of the planes, and adds more tiles at a time. */
enum { SOME_CHANNELS = 64, MANY_CHANNELS = 256, TILES_OF_THIRD = 48 };
/* Tasks to share out at least, where groups have enough tiles each to be worth a sum of their own. */
enum { WANTED_TASKS = 8, GROUP_TILES = 128 };
/* Elements of the weight's taps that a task of the last stage makes. */
enum { FOLD_GRAIN = 512 };
/* Tiles whose products by parts are added up at a time: two steps of k. */
enum { PARTS = 3, TILES_BY_PARTS = 2 * CJ__SPLIT_STEP };

typedef struct {
    cj__winograd_table table;
    cj__winograd_map map;
    const cj__split_kernels *split; /* NULL: f32 */
    int64_t thirds, planes;         /* the planes in one task: all, or 12 in each of 3 */
    int64_t groups, in_blocks, out_blocks;
    int64_t block_tiles, in_most, out_most;                     /* at most in one task */
    int64_t source_row, source_plane, result_row, result_plane; /* floats, of a block of tiles */
    int64_t sum_plane, sum_group; /* floats: each group's sums are 36 planes [in,out] */
} winograd;

static void plan_blocks(winograd *w)
{
    const cj__winograd_map *m = &w->map;
    bool by_thirds = !w->split && at_least(m->in, m->out) > SOME_CHANNELS;
    int64_t channels = by_thirds ? MANY_CHANNELS : SOME_CHANNELS;
    w->thirds = by_thirds ? CJ__WINOGRAD_THIRDS : 1;
    w->planes = PLANES / w->thirds;
    w->in_blocks = divide_up(m->in, channels);
    w->out_blocks = divide_up(m->out, channels);
    w->in_most = divide_up(m->in, w->in_blocks);
    w->out_most = divide_up(m->out, w->out_blocks);
    w->groups = at_most(divide_up(WANTED_TASKS, w->thirds * w->in_blocks * w->out_blocks),
                        divide_up(m->tiles, GROUP_TILES));
    w->block_tiles = w->split    ? TILES_BY_PARTS
                     : by_thirds ? TILES_OF_THIRD
                                 : cj__winograd_block_tiles(w->table.product);
}

static void plan_memory(winograd *w)
{
    w->source_row = cj__winograd_row(w->in_most);
    w->source_plane = cj__winograd_plane(w->block_tiles * w->source_row);
    w->result_row = cj__winograd_row(w->out_most);
    w->result_plane = cj__winograd_plane(w->block_tiles * w->result_row);
    w->sum_plane = cj__winograd_plane(w->map.in * w->map.out);
    w->sum_group = PLANES * w->sum_plane;
}

static cj_status prepare_by(cj__launch *launch, cj__arena *arena, const cj__split_kernels *split)
{
    winograd *w = cj__arena_allocate(arena, sizeof *w);
    if (!w) return cj__out_of_memory(sizeof *w, "a gradient of a convolution");
    CJ__TRY(cj__winograd_choose(&w->table));
    w->map = cj__winograd_map_of(launch);
    w->split = split;
    launch->data = w;
    launch->tasks = divide_up(w->map.in * w->map.out, FOLD_GRAIN);
    if (w->map.tiles == 0 || launch->tasks == 0) return CJ_OK;
    plan_blocks(w);
    plan_memory(w);
    launch->workspace_bytes = (size_t)(w->groups * w->sum_group) * sizeof(float);
    return CJ_OK;
}

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    return prepare_by(launch, arena, NULL);
}

static cj_status prepare_by_parts(cj__launch *launch, cj__arena *arena)
{
    const cj__split_kernels *split;
    const char *none;
    cj__convolution_parts(launch, &split, &none);
    return prepare_by(launch, arena, split);
}

/* --- the stage before: sums over groups of tiles ------------------------------------------------------- */

/* Scratch: planes of both, a row of zeros; then, by parts, a plane of both packed. */
static size_t float_bytes(const winograd *w)
{
    return aligned_bytes(w->planes * (w->source_plane + w->result_plane) +
                             at_least(w->source_row, w->result_row),
                         sizeof(float));
}

static int64_t panels_numbers(const winograd *w)
{
    return divide_up(w->out_most, CJ__SPLIT_COLUMNS) * CJ__SPLIT_COLUMNS * w->block_tiles * PARTS;
}

static cj_status prepare_sums(cj__launch *launch, cj__arena *arena)
{
    (void)arena;
    const winograd *w = launch->data;
    launch->tasks = w->groups * w->thirds * w->in_blocks * w->out_blocks;
    launch->scratch_bytes = float_bytes(w);
    if (w->split)
        launch->scratch_bytes += aligned_bytes(
            panels_numbers(w) + (int64_t)w->split->tile_rows * w->block_tiles * PARTS, sizeof(uint16_t));
    return CJ_OK;
}

typedef struct {
    const winograd *w;
    const float *source, *gradient; /* of the result */
    float *from, *to, *zeros;       /* scratch: planes of both; a row */
    uint16_t *panels, *rows;        /* scratch: a plane of both by parts */
    float *sums;                    /* the group's, at (first_in, first_out) */
    int64_t first_in, in, first_out, out;
    int third; /* of the planes, or all */
} sum_block;

/* Where the sums of the block's plane `p` lie. */
static float *sums_of(const sum_block *b, int64_t p)
{
    const int64_t side = CJ__WINOGRAD_SOURCE;
    int64_t row = p / side;
    if (b->third != CJ__WINOGRAD_ALL) row = CJ__WINOGRAD_ROW(b->third, row);
    return b->sums + (row * side + p % side) * b->w->sum_plane;
}

static void transform_tiles(const sum_block *b, int64_t tile, int64_t tiles)
{
    const winograd *w = b->w;
    const float *from[36];
    float *to[16];
    for (int64_t t = 0; t < tiles; t++) {
        cj__winograd_source_pixels(&w->map, b->source, tile + t, b->first_in, b->zeros, from);
        w->table.transforms->source(from, b->third, b->in, b->from + t * w->source_row, w->source_plane);
        cj__winograd_result_pixels(&w->map, (float *)b->gradient, tile + t, b->first_out, b->zeros, to);
        w->table.transforms->result_gradient((const float *const *)to, b->third, b->out,
                                             b->to + t * w->result_row, w->result_plane);
    }
}

/* Rows [first, last) of plane p: sums += [in,tiles]·[tiles,out] in f32 */
static void multiply_rows(const sum_block *b, int64_t p, int64_t first, int64_t last, int64_t tiles, bool add)
{
    const winograd *w = b->w;
    int64_t strips = divide_up(last - first, w->table.product->tile_rows);
    for (int64_t s = 0; s < strips; s++) {
        int64_t row = first + part_start(last - first, strips, s);
        int64_t end = first + part_start(last - first, strips, s + 1);
        cj__strip strip = {.a = b->from + p * w->source_plane + row,
                           .a_row = 1,
                           .a_column = w->source_row,
                           .b = b->to + p * w->result_plane,
                           .b_row = w->result_row,
                           .b_panel = w->table.product->tile_columns,
                           .c = sums_of(b, p) + row * w->map.out,
                           .c_row = w->map.out,
                           .rows = end - row,
                           .columns = b->out,
                           .k = tiles,
                           .add = add};
        w->table.product->strip(&strip);
    }
}

/* The same by parts, for all rows of the plane. */
static void multiply_by_parts(const sum_block *b, int64_t p, int64_t tiles, bool add)
{
    const winograd *w = b->w;
    const cj__matrix to = {b->to + p * w->result_plane, w->result_row, 1};
    uint32_t largest = w->split->pack_panels(to, tiles, b->out, PARTS, b->panels);
    bool fits = cj__split_fits(largest, PARTS);
    for (int64_t row = 0, height = w->split->tile_rows; row < b->in; row += height) {
        cj__matrix from = {b->from + p * w->source_plane + row, 1, w->source_row};
        cj__split_strip strip = {.a = b->rows,
                                 .b = b->panels,
                                 .c = sums_of(b, p) + row * w->map.out,
                                 .c_row = w->map.out,
                                 .rows = at_most(height, b->in - row),
                                 .columns = b->out,
                                 .steps = cj__split_steps(tiles),
                                 .parts = PARTS,
                                 .add = add};
        largest = w->split->pack_rows(from, strip.rows, tiles, PARTS, b->rows);
        if (fits && cj__split_fits(largest, PARTS))
            w->split->strip(&strip);
        else
            multiply_rows(b, p, row, row + strip.rows, tiles, add);
    }
}

static void multiply(const sum_block *b, int64_t tiles, bool add)
{
    for (int64_t p = 0; p < b->w->planes; p++)
        if (b->w->split)
            multiply_by_parts(b, p, tiles, add);
        else
            multiply_rows(b, p, 0, b->in, tiles, add);
}

/* Task → group, third of the planes, block of in, block of out, which runs fastest. */
static void run_sums(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    const winograd *w = launch->data;
    const cj__winograd_map *m = &w->map;
    int64_t j = task % w->out_blocks, i = task / w->out_blocks % w->in_blocks;
    int64_t third = task / w->out_blocks / w->in_blocks, group = third / w->thirds;
    sum_block b = {w, operands[0], operands[1], .from = scratch};
    b.third = w->thirds > 1 ? (int)(third % w->thirds) : CJ__WINOGRAD_ALL;
    b.to = b.from + w->planes * w->source_plane;
    b.zeros = b.to + w->planes * w->result_plane;
    if (w->split) {
        b.panels = (uint16_t *)(void *)((char *)scratch + float_bytes(w));
        b.rows = b.panels + panels_numbers(w);
    }
    b.first_in = part_start(m->in, w->in_blocks, i);
    b.in = part_start(m->in, w->in_blocks, i + 1) - b.first_in;
    b.first_out = part_start(m->out, w->out_blocks, j);
    b.out = part_start(m->out, w->out_blocks, j + 1) - b.first_out;
    b.sums = (float *)operands[2] + group * w->sum_group + b.first_in * m->out + b.first_out;
    memset(b.zeros, 0, (size_t)at_least(w->source_row, w->result_row) * sizeof(float));
    int64_t first = part_start(m->tiles, w->groups, group), end = part_start(m->tiles, w->groups, group + 1);
    for (int64_t tile = first; tile < end; tile += w->block_tiles) {
        int64_t tiles = at_most(w->block_tiles, end - tile);
        transform_tiles(&b, tile, tiles);
        multiply(&b, tiles, tile > first);
    }
}

/* --- the kernel itself: back to taps ------------------------------------------------------------------- */

static void run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    const winograd *w = launch->data;
    int64_t all = w->map.in * w->map.out, first = task * FOLD_GRAIN, count = at_most(FOLD_GRAIN, all - first);
    float *taps = (float *)operands[2] + first;
    (void)scratch;
    if (w->map.tiles == 0) {
        for (int tap = 0; tap < 9; tap++) memset(taps + tap * all, 0, (size_t)count * sizeof(float));
        return;
    }
    w->table.transforms->weight_gradient((const float *)operands[3] + first, w->sum_plane, w->groups,
                                         w->sum_group, count, taps, all);
}

static const cj__kernel sums_kernel = {
    .name = "winograd sums", .op = -1, .prepare = prepare_sums, .run = run_sums};

static const char *describe_by_parts(const cj__launch *launch)
{
    return ((const winograd *)launch->data)->split->name[PARTS - 1];
}

const cj__kernel cj__winograd_to_weight_kernel = {
    .name = "winograd to weight",
    .op = CJ__OP_convolution_weight_gradient,
    .refuse = cj__winograd_refuse,
    .cannot = cj__winograd_cannot,
    .prepare = prepare,
    .run = run,
    .before = &sums_kernel,
    .before_reads = 3,
};

const cj__kernel cj__winograd_parts_to_weight_kernel = {
    .name = "winograd to weight by parts",
    .op = CJ__OP_convolution_weight_gradient,
    .refuse = cj__winograd_parts_refuse,
    .cannot = cj__winograd_parts_cannot,
    .prepare = prepare_by_parts,
    .run = run,
    .describe = describe_by_parts,
    .before = &sums_kernel,
    .before_reads = 3,
};

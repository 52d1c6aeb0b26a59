/* Winograd's convolution on the CPU: what its kernels share. winograd.c has the rules for where it pays, the
 * transform of weights, the convolution and its gradient by the input; winograd_weight.c the gradient by the
 * weight. */
#ifndef CJ__WINOGRAD_H
#define CJ__WINOGRAD_H

#include "compile/backend.h"
#include "cpu/isa.h"
#include "cpu/matmul_kernels.h"
#include "cpu/product.h"
#include "cpu/winograd_kernels.h"
#include "ops/window.h"

/* A source [batch,height,width,in] and a result [batch,result_height,result_width,out], which is cut into
 * tiles of 4×4; tile (i,j) needs the 6×6 pixels of the source from (4i - top, 4j - left) on, zeros beyond its
 * edges. */
typedef struct {
    int64_t batch, in, out;
    int64_t height, width, result_height, result_width;
    int64_t top, left;
    int64_t tiles_down, tiles_across, tiles; /* of all images */
} cj__winograd_map;

typedef struct {
    const cj__winograd_kernels *transforms;
    const cj__matmul_kernels *product;
} cj__winograd_table;

/* Why these kernels cannot do a step, or may not, NULL when they can, "" when the op is another. That does
 * not say it pays. */
const char *cj__winograd_cannot(const cj__launch *launch);
/* The same, and where something else is faster. */
const char *cj__winograd_refuse(const cj__launch *launch);

/* The same of products by parts of bf16. */
const char *cj__winograd_parts_cannot(const cj__launch *launch);
const char *cj__winograd_parts_refuse(const cj__launch *launch);

/* A step's geometry; the gradient by the weight has the convolution's own. */
cj__winograd_map cj__winograd_map_of(const cj__launch *launch);
CJ_MUST_CHECK cj_status cj__winograd_choose(cj__winograd_table *table);

/* The pixels of a tile from channel `channel` on. Beyond the edges: `zeros`, or `waste`. */
void cj__winograd_source_pixels(const cj__winograd_map *map, const float *source, int64_t tile,
                                int64_t channel, const float *zeros, const float *pixels[36]);
void cj__winograd_result_pixels(const cj__winograd_map *map, float *result, int64_t tile, int64_t channel,
                                float *waste, float *pixels[16]);

/* Over the pixels of tiles [tile, tile+tiles) that exist, row by row of each row of tiles, in some columns.
 */
void cj__winograd_epilogue(const cj__winograd_map *map, cj__epilogue epilogue, int64_t tile, int64_t tiles,
                           int64_t column, int64_t columns);

/* Tiles that are taken through all transforms and products at a time. */
int64_t cj__winograd_block_tiles(const cj__matmul_kernels *product);
/* Floats from one row of `channels` to the next, and from one plane of so many floats to the next: both away
 * from the strides that put all rows into a few sets of a cache. */
int64_t cj__winograd_row(int64_t channels);
int64_t cj__winograd_plane(int64_t floats);

#endif

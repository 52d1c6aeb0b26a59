/* Products of bf16, for f32 operands split into parts: the table of packing and micro-kernels of AVX512-BF16
 * (one part) and of AMX (one to three), which src/cpu/matmul_split.c calls. */
#include "cpu/matmul_kernels.h"
#include "cpu/simd.h"

#if CJ__ISA_NUMBER == CJ__NUMBER_amx
#define ROWS       32 /* two tiles */
#define MOST_PARTS 3
#else
#define ROWS       14 /* beside two vectors of B, as with f32 */
#define MOST_PARTS 1
#endif

#include "cpu/kernels/matmul_split_pack.h"
#if CJ__ISA_NUMBER == CJ__NUMBER_amx
#include "cpu/kernels/matmul_split_tiles.h"
#else
#include "cpu/kernels/matmul_split_vectors.h"
#endif

const cj__split_kernels CJ__NAME(cj__split) = {
    .tile_rows = ROWS,
    .most_parts = MOST_PARTS,
#if CJ__ISA_NUMBER == CJ__NUMBER_amx
    .name = {"amx 32x32", "amx 32x32, 3 products", "amx 32x32, 6 products"},
#else
    .name = {"avx512bf16 14x32"},
#endif
    .pack_rows = pack_rows,
    .pack_panels = pack_panels,
    .pack_bf16_rows = pack_bf16_rows,
    .pack_bf16_panels = pack_bf16_panels,
    .strip = strip,
};

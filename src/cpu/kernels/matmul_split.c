/* Products of bf16, for f32 operands split into parts: the table of packing and micro-kernels of AVX512-BF16
 * (one part) and of AMX (one to three), which src/cpu/matmul_split.c calls. */
#include "cpu/matmul_kernels.h"
#include "cpu/simd.h"

#if CJ__ISA_NUMBER == CJ__NUMBER_amx
#define ROWS 32 /* two tiles */
#else
#define ROWS 14 /* beside two vectors of B, as with f32 */
#endif

#include "cpu/kernels/matmul_split_pack.h"
#if CJ__ISA_NUMBER == CJ__NUMBER_amx
#include "cpu/kernels/matmul_split_tiles.h"
#else
#include "cpu/kernels/matmul_split_vectors.h"
#endif

const cj__split_kernels CJ__NAME(cj__split) = {
    .tile_rows = ROWS,
#if CJ__ISA_NUMBER == CJ__NUMBER_amx
    .most_parts = 3,
    .name = {"amx 32x32", "amx 32x32, 3 products", "amx 32x32, 6 products"},
#else
    .most_parts = 1,
    .name = {"avx512bf16 14x32"},
#endif
    .pack_rows = pack_rows,
    .pack_panels = pack_panels,
    .strip = strip,
};

/* The f32 matrix product of one instruction set: its table of micro-kernels, which src/cpu/matmul.c calls. */
#include "base/bf16.h"
#include "cpu/matmul_kernels.h"
#include "cpu/simd.h"

/* The register tile: as many running sums as registers allow, beside one row of B (2 vectors) and one
 * broadcast element of A. 16 registers hold 6×2 sums, 32 hold 14×2 (AVX-512) or, with four lanes, 8×2 (NEON;
 * more rows gain nothing there). Scalar: what SSE2, the baseline, can hold of it; the compiler vectorises. */
#define VECTORS 2
#if CJ__ISA_NUMBER == CJ__NUMBER_avx2
#define ROWS 6
#define TILE "avx2 6x16"
#elif CJ__ISA_NUMBER >= CJ__NUMBER_avx512
#define ROWS 14
#define TILE "avx512 14x32"
#elif CJ__ISA_NUMBER == CJ__NUMBER_neon
#define ROWS 8
#define TILE "neon 8x8"
#else
#define TILE "scalar 4x8"
#endif

#if CJ__ISA_NUMBER == CJ__NUMBER_scalar
#include "cpu/kernels/matmul_tile_scalar.h"
#else
#include "cpu/kernels/matmul_tile.h"
#endif
#include "cpu/kernels/matmul_pack.h"
#include "cpu/kernels/matmul_few_rows.h"

const cj__matmul_kernels CJ__NAME(cj__matmul) = {
    .name = TILE,
    .tile_rows = ROWS,
    .tile_columns = COLUMNS,
    .strip = strip,
    .pack_panels = pack_panels,
    .pack_strips = pack_strips,
    .dots = dots,
    .sums = sums,
    .pair_step = PAIR_STEP,
    .pack_pairs = pack_pairs,
    .dots_of_pairs = dots_of_pairs,
};

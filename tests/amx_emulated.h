/* AMX without the processor: the kernels of src/cpu/kernels/matmul_split.c compiled over tile registers that
 * lie in memory, so that packing, splitting, guards and edges run wherever there is AVX512-BF16. */
#ifndef CJ_TESTS_AMX_EMULATED_H
#define CJ_TESTS_AMX_EMULATED_H

#include "cpu/matmul_kernels.h"

extern const cj__split_kernels cj__split_emulated;
/* Tile products made so far. */
extern unsigned long cj_test_tile_products;

#endif

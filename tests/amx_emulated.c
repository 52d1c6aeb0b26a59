/* The AMX copy of the split product's kernels, with tile registers in memory. Compiled with the flags of
 * AVX-512, which packing uses (cmake/tests.cmake). */
#include "amx_emulated.h"

#ifdef CJ__HAVE_AVX512BF16
#define CJ__ISA            amx
#define CJ__SUFFIX         _emulated
#define CJ__EMULATED_TILES "amx_tiles.h"
#include <immintrin.h>
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#undef _tile_release
#include "cpu/kernels/matmul_split.c"
#endif

/* The kernels for products of bf16 in plain C, for tests on processors that have none: what packs, and the
 * strip, exactly as src/cpu/matmul_kernels.h lays them out and as AMX and vdpbf16ps round. */
#ifndef CJ_TESTS_SPLIT_PORTABLE_H
#define CJ_TESTS_SPLIT_PORTABLE_H

#include "cpu/matmul_kernels.h"

/* Strips of 32 rows and one to three parts, as of AMX: the same bits. */
extern const cj__split_kernels cj__split_portable;
/* Strips of 14 rows and one part, as of vdpbf16ps. */
extern const cj__split_kernels cj__split_portable_vectors;
/* Products of 16×16 of C by 32 of k that the former has made so far on this thread. */
extern _Thread_local unsigned long cj_test_portable_products;

#endif

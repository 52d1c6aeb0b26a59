/* Vector functions for AVX512, compiled under its flags by cmake/kernels.cmake. */
#if defined(__x86_64__)
#include <immintrin.h>
#define VECTOR_TABLE cj__vector_avx512
#else
#define VECTOR_TABLE cj__vector_avx512_not_here
#endif
#include "cpu/vector.inc"

/* Casts between f32 and bf16: plain loops that the compiler turns into vectors, the same bits on every
 * instruction set. */
#include "cpu/bf16.h"
#include "cpu/kernels/functions.h"
#include "cpu/simd.h"

static void widen(int64_t n, const uint16_t *restrict from, float *restrict to)
{
    for (int64_t i = 0; i < n; i++) to[i] = from_bits((uint32_t)from[i] << 16);
}

static void narrow(int64_t n, const float *restrict from, uint16_t *restrict to)
{
    for (int64_t i = 0; i < n; i++) to[i] = (uint16_t)bf16_bits_of(from[i]);
}

const cj__bf16_table CJ__NAME(cj__bf16) = {widen, narrow};

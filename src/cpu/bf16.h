/* Casts between f32 and bf16, once for each instruction set. */
#ifndef CJ__CPU_BF16_H
#define CJ__CPU_BF16_H

#include "cpu/isa.h"

typedef struct {
    void (*widen)(int64_t n, const uint16_t *from, float *to);
    void (*narrow)(int64_t n, const float *from, uint16_t *to);
} cj__bf16_table;

extern const cj__bf16_table cj__bf16_scalar, cj__bf16_neon, cj__bf16_avx2, cj__bf16_avx512;

#endif

/* Random draws, once for each instruction set, with the bits of base/random.h. */
#ifndef CJ__CPU_RANDOM_H
#define CJ__CPU_RANDOM_H

#include "cpu/isa.h"

typedef struct {
    /* Elements first … first+n-1 of cj__uniform's stream (key, step); `first` is a multiple of 4. */
    void (*uniform)(uint64_t key, uint64_t step, uint64_t first, int64_t n, float *out);
} cj__random_table;

extern const cj__random_table cj__random_scalar, cj__random_neon, cj__random_avx2, cj__random_avx512;

/* The one of the instruction set in use. */
CJ_MUST_CHECK cj_status cj__random_choose(const cj__random_table **table);

#endif

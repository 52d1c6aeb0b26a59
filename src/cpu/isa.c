/* Instruction sets at run time. */
#include "cpu/isa.h"

#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

static const char *const names[CJ__ISA_COUNT] = {"scalar", "avx2", "avx512"};

const char *cj__isa_name(cj__isa isa)
{
    return names[isa];
}

bool cj__isa_available(cj__isa isa)
{
#if defined(__x86_64__)
    if (isa == CJ__ISA_AVX2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (isa == CJ__ISA_AVX512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#endif
    return isa == CJ__ISA_SCALAR;
}

cj_status cj__isa_choose(cj__isa *isa)
{
    const char *wanted = getenv("CAJAL_ISA");
    *isa = CJ__ISA_SCALAR;
    for (int i = 0; i < CJ__ISA_COUNT; i++) {
        if (!cj__isa_available((cj__isa)i)) continue;
        if (wanted && strcmp(wanted, names[i]) != 0) continue;
        *isa = (cj__isa)i;
    }
    if (!wanted || strcmp(wanted, names[*isa]) == 0) return CJ_OK;
    return cj__fail(
        CJ_INVALID_ARGUMENT, "CAJAL_ISA=%s is unknown or not on this processor; it has scalar%s%s", wanted,
        cj__isa_available(CJ__ISA_AVX2) ? ", avx2" : "", cj__isa_available(CJ__ISA_AVX512) ? ", avx512" : "");
}

unsigned cj__flush_denormals(void)
{
#if defined(__x86_64__)
    unsigned state = _mm_getcsr();
    _mm_setcsr(state | 0x8040); /* flush to zero, denormals are zero */
    return state;
#elif defined(__aarch64__)
    uint64_t state, flushed;
    __asm__ volatile("mrs %0, fpcr" : "=r"(state));
    flushed = state | (uint64_t)1 << 24;
    __asm__ volatile("msr fpcr, %0" : : "r"(flushed));
    return (unsigned)state;
#else
    return 0;
#endif
}

void cj__restore_denormals(unsigned state)
{
#if defined(__x86_64__)
    _mm_setcsr(state);
#elif defined(__aarch64__)
    uint64_t whole = state;
    __asm__ volatile("msr fpcr, %0" : : "r"(whole));
#else
    (void)state;
#endif
}

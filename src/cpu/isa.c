/* Instruction sets at run time. */
#include "cpu/isa.h"

#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <xmmintrin.h>
#endif

static const char *const names[CJ__ISA_COUNT] = {"scalar", "avx2", "avx512"};

const char *cj__isa_name(cj__isa isa)
{
    return names[isa];
}

#if defined(__x86_64__)
/* Asked of the processor directly: the compiler's own helper would add a global constructor. */
static bool has(cj__isa isa)
{
    unsigned a, b, c, d, states;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_FMA)) return false;
    __asm__ volatile("xgetbv" : "=a"(states), "=d"(d) : "c"(0)); /* which registers the system saves */
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (states & 0x6) != 0x6) return false;
    if (isa == CJ__ISA_AVX2) return b & bit_AVX2;
    unsigned wanted = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
    return (b & bit_AVX2) && (b & wanted) == wanted && (states & 0xe6) == 0xe6;
}
#endif

bool cj__isa_available(cj__isa isa)
{
#if defined(__x86_64__)
    if (isa != CJ__ISA_SCALAR) return has(isa);
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

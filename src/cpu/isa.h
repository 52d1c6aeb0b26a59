/* Which instruction set the kernels use, found once by asking the processor, and the floating-point state
 * they run in. Programs are bound to one instruction set when they are compiled; everything under cpu/ asks
 * here. */
#ifndef CJ__ISA_H
#define CJ__ISA_H

#include "base/status.h"

/* In order of preference where several are available. */
typedef enum {
    CJ__ISA_SCALAR,     /* plain C */
    CJ__ISA_NEON,       /* 64-bit Arm */
    CJ__ISA_AVX2,       /* with FMA */
    CJ__ISA_AVX512,     /* F, BW, DQ, VL */
    CJ__ISA_AVX512BF16, /* and vdpbf16ps */
    CJ__ISA_AMX,        /* and bf16 tiles */
    CJ__ISA_COUNT
} cj__isa;

const char *cj__isa_name(cj__isa isa); /* "avx2", as CAJAL_ISA takes it */
/* Compiled into this build, and the processor and the operating system have it. */
bool cj__isa_available(cj__isa isa);
cj__isa cj__isa_best(void);
/* The one to use: what the environment variable CAJAL_ISA names (an error when it is unknown or not
 * available here), else the best. */
CJ_MUST_CHECK cj_status cj__isa_choose(cj__isa *isa);
/* The instruction set whose 32-bit vectors `isa` has: AVX-512 for the two that only add products of bf16.
 * Kernels that multiply no matrices need copies for scalar, neon, avx2 and avx512 only. */
cj__isa cj__isa_vectors(cj__isa isa);

/* Whether products of bf16 are faster than those of f32. They are on AMX. vdpbf16ps nearly doubles the speed
 * of f32 on AMD's Zen 4 and Zen 5, and is slower than f32 on Intel's processors. */
bool cj__isa_bf16_pays(cj__isa isa);

/* Tables of kernels by instruction set name only copies that this build has:
 *     static const kernels *const tables[CJ__ISA_COUNT] = {
 *         [CJ__ISA_SCALAR] = &cj__kernels_scalar, CJ__IF_AVX2([CJ__ISA_AVX2] = &cj__kernels_avx2, ) ... */
#ifdef CJ__HAVE_NEON
#define CJ__IF_NEON(...) __VA_ARGS__
#else
#define CJ__IF_NEON(...)
#endif
#ifdef CJ__HAVE_AVX2
#define CJ__IF_AVX2(...) __VA_ARGS__
#else
#define CJ__IF_AVX2(...)
#endif
#ifdef CJ__HAVE_AVX512
#define CJ__IF_AVX512(...) __VA_ARGS__
#else
#define CJ__IF_AVX512(...)
#endif
#ifdef CJ__HAVE_AVX512BF16
#define CJ__IF_AVX512BF16(...) __VA_ARGS__
#else
#define CJ__IF_AVX512BF16(...)
#endif
#ifdef CJ__HAVE_AMX
#define CJ__IF_AMX(...) __VA_ARGS__
#else
#define CJ__IF_AMX(...)
#endif

/* Kernels run with denormals flushed to zero, read and written, rounding to nearest and no traps. Enter on
 * each thread that runs kernels; leave restores exactly what was there, flags included. */
typedef struct {
    uint64_t control;
} cj__float_state;
cj__float_state cj__float_enter(void);
void cj__float_leave(cj__float_state caller);

#endif

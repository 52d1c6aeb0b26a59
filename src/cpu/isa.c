/* Asks the processor (and the operating system, for register state) which instruction sets it has, lets
 * CAJAL_ISA choose among them, and switches the floating-point state on the way into and out of kernels. */
#include "cpu/isa.h"
#define CJ_NO_LOCATIONS
#include "cajal/program.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[CJ__ISA_COUNT] = {
    [CJ__ISA_SCALAR] = "scalar",
    [CJ__ISA_NEON] = "neon",
    [CJ__ISA_AVX2] = "avx2",
    [CJ__ISA_AVX512] = "avx512",
    [CJ__ISA_AVX512BF16] = "avx512bf16",
    [CJ__ISA_AMX] = "amx",
};

/* Beside the instruction sets in what is found once: AMD made the processor. */
#define OF_AMD (1u << 31)

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xmmintrin.h>

/* Register states the operating system saves (XCR0), and the features it is of use to. */
#define STATE_AVX    0x6u
#define STATE_AVX512 (STATE_AVX | 0xe0u)
#define STATE_AMX    (STATE_AVX512 | 0x60000u)

typedef struct {
    unsigned leaf1_ecx, leaf7_ebx, leaf7_edx, leaf7_1_eax;
    uint64_t states;
} processor;

static uint64_t saved_states(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static processor ask_processor(void)
{
    processor p = {0};
    unsigned eax, ebx, ecx, edx;
    if (!__get_cpuid(1, &eax, &ebx, &p.leaf1_ecx, &edx)) return p;
    if (p.leaf1_ecx & bit_OSXSAVE) p.states = saved_states();
    if (!__get_cpuid_count(7, 0, &eax, &p.leaf7_ebx, &ecx, &p.leaf7_edx)) return p;
    if (eax >= 1) __get_cpuid_count(7, 1, &p.leaf7_1_eax, &ebx, &ecx, &edx);
    return p;
}

static bool all_of(uint64_t value, uint64_t bits)
{
    return (value & bits) == bits;
}

/* Linux lends the tile registers to a process that asks for them; asking again does no harm. */
static bool tiles_permitted(void)
{
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

static bool made_by_amd(void)
{
    unsigned eax, name[3];
    return __get_cpuid(0, &eax, &name[0], &name[2], &name[1]) &&
           memcmp(name, "AuthenticAMD", sizeof name) == 0;
}

static unsigned find_available(void)
{
    const unsigned avx512 = 1u << 16 /* F */ | 1u << 17 /* DQ */ | 1u << 30 /* BW */ | 1u << 31 /* VL */;
    const unsigned amx = 1u << 22 /* AMX-BF16 */ | 1u << 24 /* AMX-TILE */;
    processor p = ask_processor();
    unsigned found = 1u << CJ__ISA_SCALAR;
    if (!all_of(p.states, STATE_AVX) || !all_of(p.leaf1_ecx, bit_FMA) || !all_of(p.leaf7_ebx, 1u << 5))
        return found;
    CJ__IF_AVX2(found |= 1u << CJ__ISA_AVX2;)
    if (!all_of(p.states, STATE_AVX512) || !all_of(p.leaf7_ebx, avx512)) return found;
    CJ__IF_AVX512(found |= 1u << CJ__ISA_AVX512;)
    if (!all_of(p.leaf7_1_eax, 1u << 5)) return found;
    CJ__IF_AVX512BF16(found |= 1u << CJ__ISA_AVX512BF16;)
    if (made_by_amd()) found |= OF_AMD;
    if (!all_of(p.states, STATE_AMX) || !all_of(p.leaf7_edx, amx) || !tiles_permitted()) return found;
    CJ__IF_AMX(found |= 1u << CJ__ISA_AMX;)
    return found;
}

cj__float_state cj__float_enter(void)
{
    enum { ALL_MASKED = 0x1f80, FLUSH_TO_ZERO = 0x8000, DENORMALS_ARE_ZERO = 0x0040 };
    cj__float_state caller = {_mm_getcsr()};
    _mm_setcsr(ALL_MASKED | FLUSH_TO_ZERO | DENORMALS_ARE_ZERO);
    return caller;
}

void cj__float_leave(cj__float_state caller)
{
    _mm_setcsr((unsigned)caller.control);
}

#elif defined(__aarch64__)

static unsigned find_available(void)
{
    return 1u << CJ__ISA_SCALAR CJ__IF_NEON(| 1u << CJ__ISA_NEON);
}

cj__float_state cj__float_enter(void)
{
    const uint64_t flush_to_zero = (uint64_t)1 << 24; /* reads and writes; rounding to nearest, no traps */
    cj__float_state caller;
    __asm__ volatile("mrs %0, fpcr" : "=r"(caller.control));
    __asm__ volatile("msr fpcr, %0" : : "r"(flush_to_zero));
    return caller;
}

void cj__float_leave(cj__float_state caller)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(caller.control));
}

#else

static unsigned find_available(void)
{
    return 1u << CJ__ISA_SCALAR;
}

cj__float_state cj__float_enter(void)
{
    return (cj__float_state){0};
}

void cj__float_leave(cj__float_state caller)
{
    (void)caller;
}

#endif

/* Asked once: under a hypervisor cpuid costs tens of microseconds. Threads that race find the same. */
static unsigned available(void)
{
    static _Atomic unsigned found;
    unsigned bits = atomic_load_explicit(&found, memory_order_relaxed);
    if (!bits) {
        bits = find_available();
        atomic_store_explicit(&found, bits, memory_order_relaxed);
    }
    return bits;
}

const char *cj__isa_name(cj__isa isa)
{
    return names[isa];
}

bool cj__isa_available(cj__isa isa)
{
    return available() >> isa & 1;
}

cj__isa cj__isa_best(void)
{
    cj__isa isa = CJ__ISA_COUNT - 1;
    while (!cj__isa_available(isa)) isa--;
    return isa;
}

cj__isa cj__isa_vectors(cj__isa isa)
{
    return isa > CJ__ISA_AVX512 ? CJ__ISA_AVX512 : isa;
}

bool cj__isa_bf16_pays(cj__isa isa)
{
    return isa == CJ__ISA_AMX || (isa == CJ__ISA_AVX512BF16 && (available() & OF_AMD));
}

static cj_status fail_to_choose(const char *name, bool known)
{
    char list[64] = "";
    for (int i = 0; i < CJ__ISA_COUNT; i++)
        if (cj__isa_available((cj__isa)i)) {
            if (*list) strcat(list, ", ");
            strcat(list, names[i]);
        }
    return cj__fail(known ? CJ_UNSUPPORTED : CJ_INVALID_ARGUMENT,
                    "CAJAL_ISA=%.32s: %s; choose one of %s, or unset it to use the best", name,
                    known ? "this processor, operating system or build does not have this instruction set"
                          : "no instruction set has this name",
                    list);
}

cj_status cj__isa_choose(cj__isa *isa)
{
    const char *wanted = getenv("CAJAL_ISA");
    *isa = cj__isa_best();
    if (!wanted || !*wanted) return CJ_OK;
    for (int i = 0; i < CJ__ISA_COUNT; i++)
        if (strcmp(wanted, names[i]) == 0) {
            if (!cj__isa_available((cj__isa)i)) return fail_to_choose(wanted, true);
            *isa = (cj__isa)i;
            return CJ_OK;
        }
    return fail_to_choose(wanted, false);
}

cj_status cj_instruction_set(const char **name)
{
    cj__isa isa;
    CJ__TRY(cj__isa_choose(&isa));
    *name = names[isa];
    return CJ_OK;
}

const char *cj_instruction_set_at(int64_t index)
{
    for (int i = 0; i < CJ__ISA_COUNT; i++)
        if (cj__isa_available((cj__isa)i) && index-- == 0) return names[i];
    return NULL;
}

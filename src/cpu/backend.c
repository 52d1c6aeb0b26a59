/* The CPU's kernels in order of preference: the first that does not refuse runs the op. */
#include "cpu/backend.h"
#include "cpu/vector.h"

static const cj__kernel *const kernels[] = {
#define KERNEL(name) &cj__##name##_kernel,
#include "cpu/kernels.def"
#undef KERNEL
    NULL,
};

const cj__backend cj__cpu_backend = {.name = "cpu", .kernels = kernels};

static const cj__vector_table *const tables[CJ__ISA_COUNT] = {
    [CJ__ISA_SCALAR] = &cj__vector_scalar,
    CJ__IF_NEON([CJ__ISA_NEON] = &cj__vector_neon, ) CJ__IF_AVX2([CJ__ISA_AVX2] = &cj__vector_avx2, )
        CJ__IF_AVX512([CJ__ISA_AVX512] = &cj__vector_avx512, )};

cj_status cj__vector_choose(const cj__vector_table **table)
{
    cj__isa isa;
    CJ__TRY(cj__isa_choose(&isa));
    *table = tables[cj__isa_vectors(isa)];
    return CJ_OK;
}

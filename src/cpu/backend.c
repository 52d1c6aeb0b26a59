/* The CPU's kernels in order of preference: the first that does not refuse runs the op. */
#include "cpu/backend.h"
#include "cpu/vector.h"

static const cj__kernel *const kernels[] = {
    &cj__chain_kernel,     &cj__matmul_kernel,    &cj__reduce_kernel,
    &cj__broadcast_kernel, &cj__reference_kernel, NULL,
};

const cj__backend cj__cpu_backend = {"cpu", kernels};

cj_status cj__vector_choose(const cj__vector_table **table)
{
    cj__isa isa;
    CJ__TRY(cj__isa_choose(&isa));
    *table = &cj__vector_scalar;
#if defined(__x86_64__)
    if (isa == CJ__ISA_AVX2) *table = &cj__vector_avx2;
    if (isa == CJ__ISA_AVX512) *table = &cj__vector_avx512;
#endif
    return CJ_OK;
}

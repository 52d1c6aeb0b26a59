/* The CPU's kernels in order of preference: the first that does not refuse runs the op. */
#include "cpu/backend.h"
#include "cpu/vector.h"

static const cj__kernel *const kernels[] = {
    &cj__chain_kernel,
    &cj__matmul_kernel,
    &cj__reduce_kernel,
    &cj__reduce_any_kernel,
    &cj__running_kernel,
    &cj__transpose_kernel,
    &cj__broadcast_kernel,
    &cj__slice_kernel,
    &cj__concatenate_kernel,
    &cj__gather_kernel,
    &cj__scatter_add_kernel,
    &cj__random_uniform_kernel,
    &cj__random_normal_kernel,
    &cj__bf16_kernel,
    &cj__order_kernel,
    &cj__integer_kernel,
    &cj__integer_reduce_kernel,
    &cj__cross_entropy_kernel,
    &cj__cross_entropy_gradient_kernel,
    &cj__reference_kernel,
    NULL,
};

const cj__backend cj__cpu_backend = {"cpu", kernels};

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

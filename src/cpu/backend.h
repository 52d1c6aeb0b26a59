/* The CPU's table of kernels, for the compiler. */
#ifndef CJ__CPU_BACKEND_H
#define CJ__CPU_BACKEND_H

#include "compile/backend.h"

extern const cj__backend cj__cpu_backend;
extern const cj__kernel cj__chain_kernel, cj__matmul_kernel, cj__reduce_kernel, cj__reduce_any_kernel,
    cj__running_kernel, cj__transpose_kernel, cj__broadcast_kernel, cj__slice_kernel, cj__concatenate_kernel,
    cj__gather_kernel, cj__scatter_add_kernel, cj__integer_kernel, cj__integer_reduce_kernel,
    cj__random_uniform_kernel, cj__random_normal_kernel, cj__bf16_kernel, cj__order_kernel,
    cj__cross_entropy_kernel, cj__cross_entropy_gradient_kernel, cj__reference_kernel;

#endif

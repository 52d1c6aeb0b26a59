/* The CPU's table of kernels, for the compiler. `own` of a backend made of it may be the cj__split_kernels
 * that products by parts of bf16 are made with in place of the instruction set's: tests try them where the
 * processor has none. */
#ifndef CJ__CPU_BACKEND_H
#define CJ__CPU_BACKEND_H

#include "compile/backend.h"

extern const cj__backend cj__cpu_backend;
#define KERNEL(name) extern const cj__kernel cj__##name##_kernel;
#include "cpu/kernels.def"
#undef KERNEL

/* Number k of indices, i32 or i64. */
static inline int64_t cj__index_at(cj_dtype dtype, const void *indices, int64_t k)
{
    return dtype == CJ_I32 ? ((const int32_t *)indices)[k] : ((const int64_t *)indices)[k];
}

#endif

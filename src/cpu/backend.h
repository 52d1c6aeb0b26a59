/* The CPU's table of kernels, for the compiler. */
#ifndef CJ__CPU_BACKEND_H
#define CJ__CPU_BACKEND_H

#include "compile/backend.h"

extern const cj__backend cj__cpu_backend;
#define KERNEL(name) extern const cj__kernel cj__##name##_kernel;
#include "cpu/kernels.def"
#undef KERNEL

#endif

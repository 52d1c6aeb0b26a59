/* Whole programs whose products by parts of bf16 are made with kernels that a test hands in: the CPU's table
 * with them as its own. Nothing in the library knows that it is a test. */
#ifndef CJ_TESTS_SPLIT_BACKEND_H
#define CJ_TESTS_SPLIT_BACKEND_H

#include "compile/program.h"
#include "cpu/matmul_kernels.h"

/* How a program is made, where a test compares several ways. */
typedef struct {
    cj_dtype dtype;
    cj_precision precision;
    const cj__split_kernels *split;
} cj_test_way;

/* cj_compile with these kernels; NULL: as the processor has it. */
CJ_MUST_CHECK cj_status cj_test_compile_with(cj_program **program, const cj_graph *graph,
                                             const cj__split_kernels *split);
/* What `cajal plan` says of the first step of this op; "": there is none. */
const char *cj_test_described(const cj_program *program, cj__op op);

#endif

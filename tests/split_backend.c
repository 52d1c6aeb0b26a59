/* The CPU's backend with other kernels for products by parts of bf16. */
#include "split_backend.h"

#include "cpu/backend.h"

cj_status cj_test_compile_with(cj_program **program, const cj_graph *graph, const cj__split_kernels *split)
{
    cj__backend backend = cj__cpu_backend;
    backend.own = split;
    *program = NULL;
    CJ__TRY(cj_graph_status(graph));
    return cj__compile(graph, &backend, program);
}

const char *cj_test_described(const cj_program *program, cj__op op)
{
    for (int64_t i = 0; i < program->step_count; i++) {
        const cj__step *step = &program->steps[i];
        if (step->launch.op == op && !step->before && step->kernel->describe)
            return step->kernel->describe(&step->launch);
    }
    return "";
}

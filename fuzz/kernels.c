/* Any bytes as a file of measured kernels, described, printed, and used to compile a graph. */
#include "support/input.h"

#define CJ_NO_LOCATIONS
#include "cajal/cajal.h"

/* Sums over either axis, which two kernels can make. */
static void compile_with(const cj_kernels *kernels)
{
    cj_graph *g;
    cj_program *program;
    cj_graph_options options = {.size = sizeof options, .kernels = kernels};
    if (cj_graph_new(&g, &options) != CJ_OK) abort();
    cj_value x = cj_input(g, "x", CJ_F32, cj_shape(2, 3));
    cj_output(g, "sums", cj_sum(x, cj_axes(1), CJ_DROP_AXES));
    if (cj_compile(&program, g) != CJ_OK) abort();
    cj_program_free(program);
    cj_graph_free(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cj_kernels *kernels;
    char *text;
    if (cj_kernels_load(&kernels, fuzz_path(data, size)) != CJ_OK) return 0;
    if (!cj_kernels_describe(kernels).instruction_set) abort();
    if (cj_kernels_text(kernels, &text) == CJ_OK) cj_text_free(text);
    compile_with(kernels);
    cj_kernels_free(kernels);
    return 0;
}

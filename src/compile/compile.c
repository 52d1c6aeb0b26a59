/* All passes, one after another: from a drawing to a program. In debug builds the verifier stands behind
 * each. */
#include "compile/loop.h"
#include "compile/passes.h"

static cj_status verify(const cj_graph *graph, const char *after)
{
#ifdef CJ_DEBUG
    return cj__verify(graph, after);
#else
    (void)graph, (void)after;
    return CJ_OK;
#endif
}

cj_status cj__compile(const cj_graph *graph, const cj__backend *backend, cj_program **program)
{
    cj_graph *simple = NULL, *fused = NULL;
    *program = NULL;
    cj_status status = verify(graph, "drawing");
    if (status == CJ_OK) status = cj__lower_and_simplify(graph, &simple);
    if (status == CJ_OK) status = verify(simple, "simplify");
    if (status == CJ_OK) status = cj__fuse(simple, CJ__FUSE_ALL, &fused);
    if (status == CJ_OK) status = verify(fused, "fuse");
    if (status == CJ_OK) status = cj__plan(fused, backend, program);
    cj_graph_free(simple);
    cj_graph_free(fused);
    return status;
}

void cj_program_free(cj_program *program)
{
    if (!program) return;
    for (int64_t i = 0; i < program->step_count; i++)
        if (program->steps[i].loop) cj_program_free(program->steps[i].loop->body);
    if (!program->within) cj__free(program->slab);
    cj__free(program->scratch);
    cj__free(program->addresses);
    cj__free(program->operand_addresses);
    cj__arena_free(&program->arena);
    cj__free(program);
}

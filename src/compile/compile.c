/* All passes, one after another: from a drawing to a program. In debug builds the verifier stands behind
 * each. */
#include "compile/loop.h"
#include "compile/passes.h"

#include <string.h>

static cj_status verify(const cj_graph *graph, const char *after)
{
#ifdef CJ_DEBUG
    return cj__verify(graph, after);
#else
    (void)graph, (void)after;
    return CJ_OK;
#endif
}

/* What stands between a drawing and a program, in order; "draw" is the drawing itself. */
enum { DRAW, SIMPLIFY, FUSE, PASSES };
static const char *const pass_names[PASSES] = {"draw", "simplify", "fuse"};

/* The graph after every pass up to `last`, graphs[DRAW] being borrowed. end_passes is due whether it fails or
 * not. */
static cj_status run_passes(const cj_graph *graph, int last, cj_graph *graphs[PASSES])
{
    for (int i = 0; i < PASSES; i++) graphs[i] = NULL;
    graphs[DRAW] = (cj_graph *)graph;
    CJ__TRY(cj_graph_status(graph));
    CJ__TRY(verify(graph, "drawing"));
    if (last < SIMPLIFY) return CJ_OK;
    CJ__TRY(cj__lower_and_simplify(graph, &graphs[SIMPLIFY]));
    CJ__TRY(verify(graphs[SIMPLIFY], "simplify"));
    if (last < FUSE) return CJ_OK;
    CJ__TRY(cj__fuse(graphs[SIMPLIFY], CJ__FUSE_ALL, &graphs[FUSE]));
    return verify(graphs[FUSE], "fuse");
}

static void end_passes(cj_graph *graphs[PASSES])
{
    for (int i = SIMPLIFY; i < PASSES; i++) cj_graph_free(graphs[i]);
}

/* run_bytes NULL: within no limit. */
static cj_status compile(const cj_graph *graph, const cj__backend *backend,
                         size_t (*run_bytes)(const cj_program *), cj_program **program)
{
    cj_graph *graphs[PASSES];
    *program = NULL;
    cj_status status = run_passes(graph, run_bytes ? SIMPLIFY : FUSE, graphs);
    if (status == CJ_OK && graph->guard >= 0) status = cj__keep(graphs[SIMPLIFY]);
    if (status == CJ_OK)
        status = run_bytes ? cj__within(graphs[SIMPLIFY], backend, graph->memory, run_bytes, program)
                           : cj__plan(graphs[FUSE], backend, false, program);
    if (status == CJ_OK && (*program)->guard >= 0) {
        (*program)->plain = graphs[SIMPLIFY];
        graphs[SIMPLIFY] = NULL;
    }
    end_passes(graphs);
    return status;
}

cj_status cj__compile(const cj_graph *graph, const cj__backend *backend, cj_program **program)
{
    return compile(graph, backend, NULL, program);
}

cj_status cj__compile_within(const cj_graph *graph, const cj__backend *backend,
                             size_t (*run_bytes)(const cj_program *), cj_program **program)
{
    return compile(graph, backend, graph->memory > 0 ? run_bytes : NULL, program);
}

cj_status cj__compile_plain(const cj_graph *graph, const cj__backend *backend, cj_program **program)
{
    cj_graph *single;
    *program = NULL;
    CJ__TRY(cj__fuse(graph, 0, &single));
    cj_status status = cj__plan(single, backend, true, program);
    cj_graph_free(single);
    return status;
}

cj_status cj_graph_dump_after(const cj_graph *graph, const char *pass, cj_dump_format format, char **text)
{
    cj_graph *graphs[PASSES];
    int last = 0;
    *text = NULL;
    CJ__TRY(cj__need(graph, "cj_graph_dump_after", "a graph"));
    CJ__TRY(cj__need(pass, "cj_graph_dump_after", "a pass"));
    while (last < PASSES && strcmp(pass_names[last], pass) != 0) last++;
    if (last == PASSES)
        return cj__fail(CJ_INVALID_ARGUMENT, "there is no pass '%.80s'; there are draw, simplify and fuse",
                        pass);
    cj_status status = run_passes(graph, last, graphs);
    if (status == CJ_OK) status = cj_graph_dump(graphs[last], format, text);
    end_passes(graphs);
    return status;
}

void cj_program_free(cj_program *program)
{
    if (!program) return;
    for (int64_t i = 0; i < program->step_count; i++)
        if (program->steps[i].loop) cj_program_free(program->steps[i].loop->body);
    if (!program->within) cj__free(program->slab);
    cj__free(program->kept);
    cj__free(program->scratch);
    cj_graph_free(program->plain);
    cj__free(program->addresses);
    cj__free(program->operand_addresses);
    cj__arena_free(&program->arena);
    cj__free(program);
}

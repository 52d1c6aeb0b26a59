/* What a generator translates: a source is read once, by a program of its own, and what it was understood as
 * stays with the generator's session for all texts that translate it. */
#include "generate/generate.h"

#include <string.h>

void cj__generator_free_source(cj_generator *g)
{
    for (int i = 0; i < CJ__SOURCE_PROGRAMS; i++) cj_program_free(g->sources[i]);
    cj__free(g->source);
}

cj_status cj_generator_source(cj_generator *g, const int32_t *tokens, int64_t count)
{
    size_t size = (size_t)(g->o.source ? g->o.source : 1) * sizeof *g->source;
    if (count < 1 || count > g->o.source)
        return cj__fail(CJ_INVALID_ARGUMENT,
                        "found a source of %lld tokens, expected from 1 to %lld (model.block)",
                        (long long)count, (long long)g->o.source);
    for (int64_t i = 0; i < count; i++)
        if (tokens[i] <= 0)
            return cj__fail(CJ_INVALID_ARGUMENT, "a source has token %d at %lld: they are from 1 on",
                            (int)tokens[i], (long long)i);
    if (!g->source && !(g->source = cj__allocate(size))) return cj__out_of_memory(size, "a source");
    cj_generator_reset(g);
    memcpy(g->source, tokens, (size_t)count * sizeof *tokens);
    g->source_count = count;
    return CJ_OK;
}

/* --- reading it ---------------------------------------------------------------------------------------- */

static cj_status draw_source(cj_generator *g, cj_graph *graph, int64_t width)
{
    cj_reading reading = {.source = cj_input(graph, "source", CJ_I32, cj_shape(1, width)),
                          .texts = g->o.texts};
    cj_output(graph, "source", g->o.reader(cj_root(graph), &reading, g->o.context));
    return CJ_OK;
}

/* The least of the widths that there are programs for. */
static int64_t width_for(const cj_generator *g, int *index)
{
    int64_t width = CJ__LEAST_SOURCE;
    for (*index = 0; width < g->source_count; width *= 2) ++*index;
    return width < g->o.source ? width : g->o.source;
}

cj_status cj__generator_understand(cj_generator *g)
{
    int index;
    if (g->understood || g->o.source == 0) return CJ_OK;
    if (g->source_count == 0)
        return cj__fail(CJ_INVALID_ARGUMENT,
                        "there is nothing to translate: cj_generator_source comes first");
    int64_t width = width_for(g, &index);
    if (!g->sources[index]) CJ__TRY(cj__generator_program(g, draw_source, width, &g->sources[index]));
    int32_t *padded = cj__allocate_zeroed((size_t)width * sizeof *padded);
    if (!padded) return cj__out_of_memory((size_t)width * sizeof *padded, "a source");
    memcpy(padded, g->source, (size_t)g->source_count * sizeof *padded);
    cj_run_options run = {
        .size = sizeof run, .program = g->sources[index], .inputs = {{padded, CJ_I32, cj_shape(1, width)}}};
    cj_status status = (cj_program_run)(&run);
    cj__free(padded);
    g->understood = status == CJ_OK;
    return status;
}

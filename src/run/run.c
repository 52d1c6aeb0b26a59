/* Running a program: addresses are bound, then the team walks the steps. A barrier stands before and after a
 * step that several threads share; runs of small steps stay on one. */
#define CJ_NO_LOCATIONS
#include "base/team.h"
#include "compile/passes.h"
#include "compile/program.h"
#include "cpu/backend.h"
#include "cpu/isa.h"

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

cj_status cj_compile(cj_program **program, const cj_graph *graph)
{
    cj_graph *simple = NULL, *fused = NULL;
    *program = NULL;
    CJ__TRY(cj_graph_status(graph));
    if (graph->input_count > CJ_MAX_BINDINGS || graph->output_count > CJ_MAX_BINDINGS)
        return cj__fail(CJ_UNSUPPORTED, "a program has at most %d inputs and %d outputs", CJ_MAX_BINDINGS,
                        CJ_MAX_BINDINGS);
    cj_status status = verify(graph, "drawing");
    if (status == CJ_OK) status = cj__lower_and_simplify(graph, &simple);
    if (status == CJ_OK) status = verify(simple, "simplify");
    if (status == CJ_OK) status = cj__fuse(simple, &fused);
    if (status == CJ_OK) status = verify(fused, "fuse");
    if (status == CJ_OK) status = cj__plan(fused, &cj__cpu_backend, program);
    cj_graph_free(simple);
    cj_graph_free(fused);
    return status;
}

void cj_program_free(cj_program *program)
{
    if (!program) return;
    cj__free(program->slab);
    cj__free(program->scratch);
    cj__free(program->addresses);
    cj__free(program->operand_addresses);
    cj__arena_free(&program->arena);
    cj__free(program);
}

cj_status cj_set_threads(int threads)
{
    return cj__team_resize(threads);
}

int cj_threads(void)
{
    return cj__team_size();
}

cj_program_facts cj_program_describe(const cj_program *program)
{
    return (cj_program_facts){program->step_count, program->slab_bytes,
                              program->scratch_bytes * (size_t)cj_threads(), program->operations};
}

/* --- binding ------------------------------------------------------------------------------------------- */

static size_t operand_count(const cj_program *p)
{
    size_t count = 0;
    for (int64_t i = 0; i < p->step_count; i++)
        count += (size_t)(p->steps[i].launch.inputs_count + p->steps[i].launch.outputs_count);
    return count;
}

/* The memory of the first run; later runs find it there. More threads later need more scratch. */
static cj_status have_memory(cj_program *p)
{
    int threads = cj__team_size();
    if (!p->slab) p->slab = cj__allocate(p->slab_bytes + 64);
    if (!p->addresses) p->addresses = cj__allocate((size_t)p->buffer_count * sizeof(void *) + 1);
    if (!p->operand_addresses) p->operand_addresses = cj__allocate(operand_count(p) * sizeof(void *) + 1);
    if (p->scratch_threads < threads) {
        cj__free(p->scratch);
        p->scratch_threads = 0;
        p->scratch_bytes = (p->scratch_bytes + 63) / 64 * 64;
        p->scratch = cj__allocate(p->scratch_bytes * (size_t)threads + 64);
        if (p->scratch) p->scratch_threads = threads;
    }
    bool ok = p->slab && p->addresses && p->operand_addresses && p->scratch;
    return ok ? CJ_OK
              : cj__out_of_memory(p->slab_bytes + p->scratch_bytes * (size_t)threads, "running a program");
}

static cj_status check_input(const cj_program *p, int64_t i, const cj_tensor *given)
{
    const cj__type *type = &p->buffers[p->inputs[i]].type;
    char wanted[CJ__SHAPE_TEXT], found[CJ__SHAPE_TEXT];
    if (!given->data && cj_shape_count(type->shape) > 0)
        return cj__fail(CJ_INVALID_ARGUMENT, "input %lld of the program was not given", (long long)i);
    if (given->dtype == type->dtype && cj_shape_equal(given->shape, type->shape)) return CJ_OK;
    return cj__fail(CJ_SHAPE_ERROR, "input %lld of the program is %s %s, but was drawn as %s %s",
                    (long long)i, cj_dtype_name(given->dtype), cj__shape_text(given->shape, found),
                    cj_dtype_name(type->dtype), cj__shape_text(type->shape, wanted));
}

static void bind(cj_program *p, const cj_run_options *options)
{
    for (int64_t i = 0; i < p->buffer_count; i++) {
        const cj__buffer *b = &p->buffers[i];
        switch (b->storage) {
        case CJ__SLAB:
            p->addresses[i] = p->slab + b->offset;
            break;
        case CJ__INPUT:
            p->addresses[i] = options->inputs[b->index].data;
            break;
        case CJ__CONSTANT:
            p->addresses[i] = (void *)b->constant;
            break;
        case CJ__VARIABLE:
            p->addresses[i] = b->variable->data;
            break;
        }
    }
    void **next = p->operand_addresses;
    for (int64_t s = 0; s < p->step_count; s++)
        for (int k = 0; k < p->steps[s].launch.inputs_count + p->steps[s].launch.outputs_count; k++)
            *next++ = p->addresses[p->steps[s].operands[k]];
}

/* --- walking ------------------------------------------------------------------------------------------- */

static bool guard_holds(const cj_program *p)
{
    return p->guard < 0 || *(const uint8_t *)p->addresses[p->guard] != 0;
}

static void walk(void *context, int thread, int threads)
{
    cj_program *p = context;
    char *scratch = p->scratch + p->scratch_bytes * (size_t)thread;
    cj__float_state caller = cj__float_enter();
    void **operands = p->operand_addresses;
    bool alone = true; /* nothing of another thread's has been written since the last barrier */
    for (int64_t s = 0; s < p->step_count; s++) {
        const cj__step *step = &p->steps[s];
        bool shared = step->launch.tasks > 1 && threads > 1;
        if (shared && s > 0 && alone) cj__team_barrier(threads);
        int64_t tasks = step->launch.tasks;
        int64_t from = shared ? tasks * thread / threads : 0;
        int64_t to = shared ? tasks * (thread + 1) / threads : thread == 0 ? tasks : 0;
        /* Only who has work looks at the guard: without a barrier between, it may still be being written. */
        bool runs = from < to && (!step->guarded || guard_holds(p));
        for (int64_t t = from; runs && t < to; t++) step->kernel->run(&step->launch, operands, t, scratch);
        if (shared) cj__team_barrier(threads);
        alone = !shared;
        operands += step->launch.inputs_count + step->launch.outputs_count;
    }
    cj__float_leave(caller);
}

static size_t bytes_of(const cj__type *type)
{
    return (size_t)cj_shape_count(type->shape) * cj_dtype_size(type->dtype);
}

static void commit(cj_program *p)
{
    for (int64_t i = 0; i < p->commit_count; i++) {
        const cj__commit *c = &p->commits[i];
        c->variable->version++;
        if (!c->in_place)
            memcpy(c->variable->data, p->addresses[c->buffer], bytes_of(&p->buffers[c->buffer].type));
    }
}

cj_status cj_program_run(const cj_run_options *options)
{
    cj_program *p = options->program;
    CJ__TRY(have_memory(p));
    for (int64_t i = 0; i < p->input_count; i++) CJ__TRY(check_input(p, i, &options->inputs[i]));
    bind(p, options);
    cj__team_run(walk, p);
    for (int64_t i = 0; i < p->output_count; i++)
        if (options->outputs[i])
            memcpy(options->outputs[i], p->addresses[p->outputs[i]],
                   bytes_of(&p->buffers[p->outputs[i]].type));
    if (!guard_holds(p))
        return cj__fail(CJ_NOT_FINITE,
                        "the loss or a gradient is not finite; nothing was changed. Try a smaller learning "
                        "rate, clipping, or look for bad values in the data");
    commit(p);
    return CJ_OK;
}

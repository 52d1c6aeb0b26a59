/* Running a program: addresses are bound, then the caller walks the steps and shares out the tasks of those
 * that have several. */
#define CJ_NO_LOCATIONS
#include "base/team.h"
#include "compile/choices.h"
#include "compile/loop.h"
#include "cpu/backend.h"
#include "cpu/isa.h"
#include "run/run.h"

#include <string.h>

/* The graph's, if they are of the instruction set that is compiled for. */
static cj_status usable_choices(const cj_graph *graph, const cj_kernels **choices)
{
    cj__isa isa;
    *choices = NULL;
    if (!graph->kernels) return CJ_OK;
    CJ__TRY(cj__isa_choose(&isa));
    if (strcmp(graph->kernels->isa, cj__isa_name(isa)) == 0) *choices = graph->kernels;
    return CJ_OK;
}

static size_t run_bytes(const cj_program *program)
{
    return cj_program_describe(program).run_bytes;
}

cj_status cj_compile(cj_program **program, const cj_graph *graph)
{
    *program = NULL;
    CJ__TRY(cj__need(graph, "cj_compile", "a graph"));
    CJ__TRY(cj_graph_status(graph));
    if (graph->input_count > CJ_MAX_BINDINGS || graph->output_count > CJ_MAX_BINDINGS)
        return cj__fail(CJ_UNSUPPORTED, "a program has at most %d inputs and %d outputs", CJ_MAX_BINDINGS,
                        CJ_MAX_BINDINGS);
    cj__backend backend = cj__cpu_backend;
    CJ__TRY(usable_choices(graph, &backend.choices));
    return cj__compile_within(graph, &backend, run_bytes, program);
}

cj_tensor cj_program_output(const cj_program *p, int64_t index)
{
    const cj__type *type = &p->output_types[index];
    return (cj_tensor){NULL, type->dtype, type->shape};
}

cj_status cj_set_threads(int threads)
{
    return cj__team_resize(threads);
}

int cj_threads(void)
{
    return cj__team_size();
}

/* --- binding ------------------------------------------------------------------------------------------- */

static size_t operand_count(const cj_program *p)
{
    size_t count = 0;
    for (int64_t i = 0; i < p->step_count; i++) count += (size_t)p->steps[i].operands_count;
    return count;
}

static size_t addresses_bytes(const cj_program *p)
{
    return (size_t)p->buffer_count * sizeof(void *) + 1;
}

static size_t operands_bytes(const cj_program *p)
{
    return operand_count(p) * sizeof(void *) + 1;
}

/* Of this program and of the bodies of its loops. */
static size_t all_addresses_bytes(const cj_program *p)
{
    size_t bytes = addresses_bytes(p) + operands_bytes(p);
    for (int64_t i = 0; i < p->step_count; i++)
        if (p->steps[i].loop) bytes += all_addresses_bytes(p->steps[i].loop->body);
    return bytes;
}

static cj_status have_addresses(cj_program *p)
{
    if (!p->addresses) p->addresses = cj__allocate(addresses_bytes(p));
    if (!p->operand_addresses) p->operand_addresses = cj__allocate(operands_bytes(p));
    if (!p->addresses || !p->operand_addresses)
        return cj__out_of_memory((size_t)p->buffer_count * sizeof(void *), "running a program");
    for (int64_t i = 0; i < p->step_count; i++)
        if (p->steps[i].loop) CJ__TRY(have_addresses(p->steps[i].loop->body));
    return CJ_OK;
}

static size_t kept_bytes(const cj_program *p)
{
    return p->kept_bytes > 0 ? p->kept_bytes + CJ__SLACK : 0;
}

/* A thread's part begins on a line of its own. */
static size_t scratch_part(const cj_program *p)
{
    return cj__whole_lines(p->scratch_bytes);
}

cj_program_facts cj_program_describe(const cj_program *p)
{
    size_t scratch = scratch_part(p) * (size_t)cj_threads();
    size_t memory = p->slab_bytes + kept_bytes(p) + scratch + 2 * CJ__SLACK;
    return (cj_program_facts){.steps = p->step_count - p->kept_count,
                              .slab_bytes = p->slab_bytes,
                              .scratch_bytes = scratch,
                              .run_bytes = memory + all_addresses_bytes(p),
                              .operations = p->operations};
}

/* The memory of the first run; later runs find it there. More threads later need more scratch. */
static cj_status have_memory(cj_program *p)
{
    int threads = cj__team_size();
    if (!p->slab) p->slab = cj__allocate(p->slab_bytes + CJ__SLACK);
    if (!p->kept && p->kept_bytes > 0) p->kept = cj__allocate(kept_bytes(p));
    CJ__TRY(have_addresses(p));
    if (p->scratch_threads < threads) {
        cj__free(p->scratch);
        p->scratch_threads = 0;
        p->scratch_bytes = scratch_part(p);
        p->scratch = cj__allocate(p->scratch_bytes * (size_t)threads + CJ__SLACK);
        if (p->scratch) p->scratch_threads = threads;
    }
    bool ok = p->slab && p->scratch && (p->kept || p->kept_bytes == 0);
    size_t wanted = p->slab_bytes + p->kept_bytes + p->scratch_bytes * (size_t)threads;
    return ok ? CJ_OK : cj__out_of_memory(wanted, "running a program");
}

cj_status cj__program_check_type(const cj_program *p, int64_t i, const cj_tensor *given)
{
    const cj__type *type = &p->buffers[p->inputs[i]].type;
    char wanted[CJ__SHAPE_TEXT], found[CJ__SHAPE_TEXT];
    if (given->dtype == type->dtype && cj_shape_equal(given->shape, type->shape)) return CJ_OK;
    return cj__fail(CJ_SHAPE_ERROR, "input %lld of the program is %s %s, but was drawn as %s %s",
                    (long long)i, cj_dtype_name(given->dtype), cj__shape_text(given->shape, found),
                    cj_dtype_name(type->dtype), cj__shape_text(type->shape, wanted));
}

static cj_status check_input(const cj_program *p, int64_t i, const cj_tensor *given)
{
    if (!given->data && cj_shape_count(p->buffers[p->inputs[i]].type.shape) > 0)
        return cj__fail(CJ_INVALID_ARGUMENT, "input %lld of the program was not given", (long long)i);
    return cj__program_check_type(p, i, given);
}

static void bind_loop(cj_program *p, const cj__loop *loop, void *const *operands);

/* inputs: memory by position */
static void bind(cj_program *p, void *const *inputs)
{
    for (int64_t i = 0; i < p->buffer_count; i++) {
        const cj__buffer *b = &p->buffers[i];
        switch (b->storage) {
        case CJ__SLAB:
            p->addresses[i] = p->slab + b->offset;
            break;
        case CJ__KEPT:
            p->addresses[i] = p->kept + b->offset;
            break;
        case CJ__INPUT:
            p->addresses[i] = inputs[b->index];
            break;
        case CJ__CONSTANT:
            p->addresses[i] = (void *)b->constant;
            break;
        case CJ__VARIABLE:
            p->addresses[i] = b->variable->data;
            break;
        }
    }
    for (int64_t s = 0; s < p->step_count; s++) {
        const cj__step *step = &p->steps[s];
        void **next = p->operand_addresses + step->first_operand;
        for (int k = 0; k < step->operands_count; k++) next[k] = p->addresses[step->operands[k]];
        if (step->loop) bind_loop(p, step->loop, next);
    }
}

/* The carries lie where the scan's results will; slices are copied into the workspace, step by step. */
static void bind_loop(cj_program *p, const cj__loop *loop, void *const *operands)
{
    const cj__scan_attributes *a = &loop->scan;
    char *workspace = p->addresses[loop->workspace];
    int64_t given = a->carries + a->sequences, total = given + a->captures;
    void *inputs[CJ__MOST_VALUES];
    for (int64_t i = 0; i < total; i++)
        inputs[i] = i < a->carries ? operands[total + i]
                    : i < given    ? workspace + loop->slices[i - a->carries]
                                   : operands[i];
    loop->body->slab = workspace;
    loop->body->within = true;
    bind(loop->body, inputs);
}

/* --- walking ------------------------------------------------------------------------------------------- */

static bool guard_holds(const cj_program *p)
{
    return p->guard < 0 || *(const uint8_t *)p->addresses[p->guard] != 0;
}

/* Of what a kept result is made of: versions only rise, and so does their sum; 0 is none. */
static uint64_t version_read(const cj_program *p, const cj__step *step)
{
    uint64_t sum = 1;
    for (int i = 0; i < step->launch.inputs_count; i++) {
        const cj__buffer *read = &p->buffers[step->operands[i]];
        sum += read->storage == CJ__VARIABLE ? read->variable->version : read->version;
    }
    return sum;
}

/* Whether a step has nothing to do in this run. */
static bool may_rest(const cj_program *p, const cj__step *step)
{
    if (step->kept) return step->kept_version == version_read(p, step);
    return step->guarded && !guard_holds(p);
}

static size_t bytes_of(const cj__type *type)
{
    return (size_t)cj_shape_count(type->shape) * cj_dtype_size(type->dtype);
}

/* A group of steps as the team meets it. */
typedef struct {
    const cj_program *program;
    const cj__group *group;
    char *scratch; /* `scratch_bytes` for each thread */
    size_t scratch_bytes;
} shared_group;

static void run_step(const cj_program *p, const cj__step *step, int64_t task, char *scratch)
{
    step->kernel->run(&step->launch, p->operand_addresses + step->first_operand, task, scratch);
}

static void run_task(void *context, int64_t task, int thread)
{
    const shared_group *s = context;
    const cj__step *step = s->program->steps + s->group->first;
    while (task >= step->first_task + step->launch.tasks) step++;
    if (may_rest(s->program, step)) return;
    cj__float_state caller = cj__float_enter();
    run_step(s->program, step, task - step->first_task, s->scratch + s->scratch_bytes * (size_t)thread);
    cj__float_leave(caller);
}

static void walk_loop(const cj_program *p, const cj__loop *loop, void *const *operands);

/* All of a step on the caller's thread, or with the help of its own groups for a loop. `outer` is the
 * outermost program, whose scratch serves the bodies of its loops too. */
static void walk_step(const cj_program *outer, const cj_program *p, const cj__step *step)
{
    if (may_rest(p, step)) return;
    if (step->loop) walk_loop(outer, step->loop, p->operand_addresses + step->first_operand);
    for (int64_t t = 0; !step->loop && t < step->launch.tasks; t++) run_step(p, step, t, outer->scratch);
}

static void walk_group(const cj_program *outer, const cj_program *p, const cj__group *group)
{
    shared_group shared = {p, group, outer->scratch, outer->scratch_bytes};
    if (group->shared) cj__team_run(group->tasks, run_task, &shared);
    for (int32_t s = 0; !group->shared && s < group->count; s++)
        walk_step(outer, p, &p->steps[group->first + s]);
}

static void walk_groups(const cj_program *outer, const cj_program *p)
{
    for (int64_t g = p->kept_groups; g < p->group_count; g++) walk_group(outer, p, &p->groups[g]);
}

/* What is kept and out of date, or not there yet, is made: the first groups. */
static void refresh(cj_program *p)
{
    bool stale = false;
    for (int64_t s = 0; s < p->kept_count; s++) {
        const cj__step *step = &p->steps[s];
        uint64_t version = version_read(p, step);
        for (int i = step->launch.inputs_count; i < step->operands_count; i++)
            p->buffers[step->operands[i]].version = version;
        stale |= step->kept_version != version;
    }
    if (!stale) return;
    for (int64_t g = 0; g < p->kept_groups; g++) walk_group(p, p, &p->groups[g]);
    for (int64_t s = 0; s < p->kept_count; s++) p->steps[s].kept_version = version_read(p, &p->steps[s]);
}

/* Before step t: its slices into the workspace, and the carries kept where they are wanted later. */
static void begin_step(const cj__loop *loop, void *const *operands, int64_t t)
{
    const cj__scan_attributes *a = &loop->scan;
    const cj_program *body = loop->body;
    void *const *results = operands + a->carries + a->sequences + a->captures;
    for (int64_t i = 0; i < a->sequences; i++) {
        int32_t slice = body->inputs[a->carries + i];
        size_t bytes = bytes_of(&body->buffers[slice].type);
        memcpy(body->addresses[slice], (const char *)operands[a->carries + i] + (size_t)t * bytes, bytes);
    }
    for (int64_t i = 0; loop->saves && i < a->carries; i++) {
        size_t bytes = bytes_of(&body->buffers[body->inputs[i]].type);
        memcpy((char *)results[a->carries + a->outputs + i] + (size_t)t * bytes, results[i], bytes);
    }
}

/* After step t: outputs into their stacks, then the new carries over the old, those that cross by way of the
 * workspace. */
static void end_step(const cj__loop *loop, void *const *operands, const char *workspace, int64_t t)
{
    const cj__scan_attributes *a = &loop->scan;
    const cj_program *body = loop->body;
    void *const *results = operands + a->carries + a->sequences + a->captures;
    for (int64_t i = 0; i < a->outputs; i++) {
        int32_t output = body->outputs[a->carries + i];
        size_t bytes = bytes_of(&body->buffers[output].type);
        memcpy((char *)results[a->carries + i] + (size_t)t * bytes, body->addresses[output], bytes);
    }
    for (int64_t i = 0; i < a->carries; i++)
        if (loop->waiting[i] != CJ__NOWHERE)
            memcpy((char *)workspace + loop->waiting[i], body->addresses[body->outputs[i]],
                   bytes_of(&body->buffers[body->outputs[i]].type));
    for (int64_t i = 0; i < a->carries; i++) {
        const void *from = loop->waiting[i] != CJ__NOWHERE ? (const void *)(workspace + loop->waiting[i])
                                                           : body->addresses[body->outputs[i]];
        if (from != results[i]) memcpy(results[i], from, bytes_of(&body->buffers[body->inputs[i]].type));
    }
}

static void walk_loop(const cj_program *outer, const cj__loop *loop, void *const *operands)
{
    const cj__scan_attributes *a = &loop->scan;
    const cj_program *body = loop->body;
    void *const *results = operands + a->carries + a->sequences + a->captures;
    for (int64_t i = 0; i < a->carries; i++)
        memcpy(results[i], operands[i], bytes_of(&body->buffers[body->inputs[i]].type));
    for (int64_t n = 0; n < a->length; n++) {
        int64_t t = a->reverse ? a->length - 1 - n : n;
        begin_step(loop, operands, t);
        walk_groups(outer, body);
        end_step(loop, operands, body->slab, t);
    }
}

cj_status cj__program_begin(cj_program *p, const cj_tensor *inputs)
{
    void *places[CJ_MAX_BINDINGS];
    CJ__TRY(have_memory(p));
    for (int64_t i = 0; i < p->input_count; i++) CJ__TRY(check_input(p, i, &inputs[i]));
    for (int64_t i = 0; i < p->input_count; i++) places[i] = inputs[i].data;
    bind(p, places);
    return CJ_OK;
}

void cj__program_step(cj_program *p, int64_t step)
{
    cj__float_state caller = cj__float_enter();
    walk_step(p, p, &p->steps[step]);
    cj__float_leave(caller);
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
    CJ__TRY(cj__need(p, "cj_program_run", "a program"));
    CJ__TRY(cj__program_begin(p, options->inputs));
    cj__float_state caller = cj__float_enter();
    refresh(p);
    walk_groups(p, p);
    cj__float_leave(caller);
    for (int64_t i = 0; i < p->output_count; i++)
        if (options->outputs[i])
            memcpy(options->outputs[i], p->addresses[p->outputs[i]],
                   bytes_of(&p->buffers[p->outputs[i]].type));
    if (!guard_holds(p)) return cj__explain_bad_step(p, options->inputs);
    commit(p);
    return CJ_OK;
}

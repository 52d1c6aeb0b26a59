/* Selection and planning: from the fused graph to steps with kernels, their groups, and every value's place
 * in memory. */
#include "base/shape.h"
#include "compile/chain.h"
#include "compile/layout.h"
#include "compile/loop.h"
#include "compile/passes.h"
#include "compile/program.h"
#include "compile/schedule.h"
#include "compile/select.h"
#include "ops/ops.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    const cj_graph *graph;
    const cj__backend *backend;
    bool apart;
    cj_program *program;
    int32_t *order;
    int64_t count;
    int32_t *buffer_of; /* by value */
    int32_t *last_use;  /* by buffer: the last group that reads it; INT32_MAX: the program's end */
    int32_t *made_at;   /* by buffer: the group that writes it; -1: none */
} planner;

static int32_t new_buffer(planner *p, cj__storage storage, const cj__value *value)
{
    int32_t index = (int32_t)p->program->buffer_count++;
    p->program->buffers[index] = (cj__buffer){.storage = storage, .type = {value->dtype, value->shape}};
    return index;
}

/* One value everywhere, spelled out in memory: for kernels that are not chains. */
static void *splat(planner *p, const cj__constant_attributes *a)
{
    int64_t count = cj_shape_count(a->shape);
    size_t size = cj_dtype_size((cj_dtype)a->dtype);
    char *data = cj__arena_allocate(&p->program->arena, (size_t)count * size + 64);
    if (data) cj__fill((cj_dtype)a->dtype, count, a->value, data);
    return data;
}

static bool is_assigned(const cj_graph *graph, const cj__variable *variable)
{
    for (int64_t i = 0; i < graph->node_count; i++) {
        const cj__node *node = &graph->nodes[i];
        if (cj__info(node)->flags & CJ__EFFECT &&
            ((const cj__variable_attributes *)node->attributes)->variable == variable)
            return true;
    }
    return false;
}

/* Not single numbers: whoever has asked for a learning rate once writes it before every step, and nothing
 * made of one is worth keeping. */
static bool lasts(const planner *p, const cj__variable *variable)
{
    return !p->apart && cj_shape_count(variable->shape) > 1 && !is_assigned(p->graph, variable);
}

static cj_status place_source(planner *p, const cj__node *node)
{
    const cj__value *value = &p->graph->values[node->first_output];
    if (node->op == CJ__OP_input) return CJ_OK; /* placed already, by position */
    if (node->op == CJ__OP_placeholder)
        return cj__fail(
            CJ_INVALID_ARGUMENT,
            "%s:%d: a value of the body of a scan at '%s' is used outside the body; hint: make it "
            "a carry or an output of the scan",
            node->file ? node->file : "?", node->line, node->scope);
    cj__storage storage = node->op == CJ__OP_variable ? CJ__VARIABLE : CJ__CONSTANT;
    cj__buffer *buffer =
        &p->program->buffers[p->buffer_of[node->first_output] = new_buffer(p, storage, value)];
    if (node->op == CJ__OP_variable) {
        buffer->variable = ((const cj__variable_attributes *)node->attributes)->variable;
        buffer->lasting = lasts(p, buffer->variable);
        return CJ_OK;
    }
    if (node->op == CJ__OP_constant)
        buffer->constant = splat(p, node->attributes);
    else {
        const cj__literal_attributes *a = node->attributes;
        buffer->constant = cj__arena_copy(&p->program->arena, a->data, cj__literal_bytes(a));
    }
    return buffer->constant ? CJ_OK : cj__out_of_memory(0, "a constant");
}

/* --- selection ----------------------------------------------------------------------------------------- */

static cj_status select_kernel(planner *p, cj__step *step)
{
    cj__selection s;
    CJ__TRY(cj__select(p->backend, &step->launch, &s));
    if (!s.kernel)
        return cj__fail(CJ_UNSUPPORTED, "no kernel for %s at '%s': %s", cj__ops[step->launch.op].name,
                        step->scope, s.refusals);
    step->kernel = s.kernel;
    step->measured = s.measured;
    step->refusals = cj__arena_string(&p->program->arena, s.refusals);
    return step->refusals ? s.kernel->prepare(&step->launch, &p->program->arena) : CJ_OUT_OF_MEMORY;
}

static const cj__chain *copy_chain(cj__arena *arena, const cj__chain *from)
{
    cj__chain *chain = cj__arena_copy(arena, from, sizeof *from);
    if (!chain) return NULL;
    chain->inputs = cj__arena_copy(arena, from->inputs, (size_t)from->inputs_count * sizeof *from->inputs);
    chain->constants =
        cj__arena_copy(arena, from->constants, (size_t)from->constants_count * sizeof *from->constants);
    chain->instructions = cj__arena_copy(arena, from->instructions,
                                         (size_t)from->instructions_count * sizeof *from->instructions);
    chain->outputs =
        cj__arena_copy(arena, from->outputs, (size_t)from->outputs_count * sizeof *from->outputs);
    bool ok = chain->inputs && chain->constants && chain->instructions && chain->outputs;
    return ok ? chain : NULL;
}

/* A chain carries its own description; the copy must outlive the graph. */
static const void *keep_attributes(cj__arena *arena, const cj__node *node)
{
    if (node->op == CJ__OP_chain) {
        cj__chain_attributes a = *(const cj__chain_attributes *)node->attributes;
        a.chain = copy_chain(arena, a.chain);
        return a.chain ? cj__arena_copy(arena, &a, sizeof a) : NULL;
    }
    if (node->op == CJ__OP_product_chain) {
        cj__product_attributes a = *(const cj__product_attributes *)node->attributes;
        a.attributes = cj__arena_copy(arena, a.attributes, cj__ops[a.op].attributes_size);
        a.chain = copy_chain(arena, a.chain);
        return a.attributes && a.chain ? cj__arena_copy(arena, &a, sizeof a) : NULL;
    }
    return cj__arena_copy(arena, node->attributes, cj__info(node)->attributes_size);
}

double cj__operations(const cj__launch *launch)
{
    const cj__type *t = launch->types;
    const cj__product_attributes *a = launch->attributes;
    if (launch->op == CJ__OP_product_chain)
        return cj__product_operations((cj__op)a->op, a->attributes, t[0].shape, t[1].shape, a->chain->shape);
    if (launch->inputs_count != 2 || launch->outputs_count != 1) return 0;
    return cj__product_operations(launch->op, a, t[0].shape, t[1].shape, t[2].shape);
}

/* The body's program, and a buffer for its memory, needed during this step only. */
static cj_status add_loop(planner *p, const cj__node *node, cj__step *step)
{
    step->kernel = &cj__loop_kernel;
    step->refusals = "";
    p->program->step_count++; /* so that the body is freed with the program, whatever happens now */
    cj_status status = cj__loop_make(p->graph, node, p->backend, &p->program->arena, &step->loop);
    p->program->step_count--;
    CJ__TRY(status);
    const cj_program *body = step->loop->body;
    cj__value memory = {.dtype = CJ_U8, .shape = cj_shape((int64_t)step->loop->workspace_bytes)};
    step->loop->workspace = new_buffer(p, CJ__SLAB, &memory);
    step->launch.scratch_bytes = body->scratch_bytes;
    p->program->operations += (double)step->loop->scan.length * body->operations;
    return CJ_OK;
}

/* Puts the stage before a kernel in front of its step, and the workspace between them. */
static cj_status add_before(planner *p, cj__step *step)
{
    cj_program *program = p->program;
    const cj__kernel *kernel = step->kernel;
    cj__value memory = {.dtype = CJ_U8, .shape = cj_shape((int64_t)step->launch.workspace_bytes)};
    int32_t workspace = new_buffer(p, CJ__SLAB, &memory);
    size_t operands = (size_t)step->launch.inputs_count + 1;
    cj__step *main = step + 1;
    *main = *step;
    main->operands[main->operands_count++] = workspace;
    cj__type *types = cj__arena_allocate(&program->arena, operands * sizeof *types);
    step->operands = cj__arena_allocate(&program->arena, operands * sizeof *step->operands);
    if (!types || !step->operands) return cj__out_of_memory(0, "a step");
    step->operands_count = 0;
    for (int i = 0; i < main->launch.inputs_count; i++) {
        if (!(kernel->before_reads >> i & 1)) continue;
        types[step->operands_count] = main->launch.types[i];
        step->operands[step->operands_count++] = main->operands[i];
    }
    types[step->operands_count] = program->buffers[workspace].type;
    step->operands[step->operands_count] = workspace;
    step->launch.types = types;
    step->launch.inputs_count = step->operands_count++;
    step->launch.outputs_count = 1;
    step->launch.tasks = 1;
    step->launch.scratch_bytes = step->launch.workspace_bytes = 0;
    step->kernel = kernel->before;
    step->refusals = "";
    step->before = true;
    program->step_count++;
    return step->kernel->prepare(&step->launch, &program->arena);
}

static void count_step(cj_program *program, cj__step *step)
{
    if (!step->before) step->operations = cj__operations(&step->launch);
    program->operations += step->operations;
    if (step->launch.scratch_bytes > program->scratch_bytes)
        program->scratch_bytes = step->launch.scratch_bytes;
}

/* Whether all that a step reads lasts, or is made of what does. */
static bool from_lasting(const cj_program *program, const cj__step *step, int count)
{
    bool any = false;
    for (int i = 0; i < count; i++) {
        const cj__buffer *read = &program->buffers[step->operands[i]];
        bool lasts = read->lasting || read->storage == CJ__KEPT;
        if (!lasts && read->storage != CJ__CONSTANT) return false;
        any |= lasts;
    }
    return any;
}

/* None where all of them are: then the step itself is kept, and what it makes of them needs no place. */
static uint64_t lasting_inputs(const planner *p, const cj__step *step, int count)
{
    uint64_t lasting = 0;
    if (from_lasting(p->program, step, count)) return 0;
    for (int i = 0; i < count && i < 64; i++)
        lasting |= (uint64_t)p->program->buffers[step->operands[i]].lasting << i;
    return lasting;
}

static cj_status add_step(planner *p, const cj__node *node)
{
    cj_program *program = p->program;
    int64_t first = program->step_count;
    cj__step *step = &program->steps[first];
    int operands = node->inputs_count + node->outputs_count;
    cj__type *types = cj__arena_allocate(&program->arena, (size_t)operands * sizeof *types);
    step->operands_count = operands;
    step->operands = cj__arena_allocate(&program->arena, ((size_t)operands + 1) * sizeof *step->operands);
    step->scope = cj__arena_string(&program->arena, node->scope);
    step->file = node->file; /* a literal of the caller's program */
    step->line = node->line;
    const void *attributes = keep_attributes(&program->arena, node);
    if (!types || !step->operands || !step->scope || !attributes) return cj__out_of_memory(0, "a step");
    for (int i = 0; i < operands; i++) {
        bool output = i >= node->inputs_count;
        int32_t value = output ? node->first_output + i - node->inputs_count : node->inputs[i];
        if (output) p->buffer_of[value] = new_buffer(p, CJ__SLAB, &p->graph->values[value]);
        step->operands[i] = p->buffer_of[value];
    }
    step->launch = cj__launch_of(p->graph, p->backend, node, types);
    step->launch.attributes = attributes;
    step->launch.lasting = lasting_inputs(p, step, node->inputs_count);
    if (node->op == CJ__OP_scan || node->op == CJ__OP_scan_saving)
        CJ__TRY(add_loop(p, node, step));
    else
        CJ__TRY(select_kernel(p, step));
    if (step->launch.workspace_bytes > 0) CJ__TRY(add_before(p, step));
    program->step_count++;
    for (; first < program->step_count; first++) count_step(program, &program->steps[first]);
    return CJ_OK;
}

static cj_status place_node(planner *p, const cj__node *node)
{
    if (cj__info(node)->flags & CJ__SOURCE) return place_source(p, node);
    if (cj__info(node)->flags & CJ__VIEW) {
        p->buffer_of[node->first_output] = p->buffer_of[node->inputs[0]];
        return CJ_OK;
    }
    if (!(cj__info(node)->flags & CJ__EFFECT)) return add_step(p, node);
    cj__commit *commit = &p->program->commits[p->program->commit_count++];
    commit->variable = ((const cj__variable_attributes *)node->attributes)->variable;
    commit->buffer = p->buffer_of[node->inputs[0]];
    return CJ_OK;
}

/* --- what is kept -------------------------------------------------------------------------------------- */

/* Results that lie there from run to run should be no larger than what they are made of. A workspace may be:
 * its kernel has weighed that. */
static bool small_enough(const cj_program *program, const cj__step *step)
{
    size_t read = 0, made = 0;
    for (int i = 0; i < step->operands_count; i++)
        *(i < step->launch.inputs_count ? &read : &made) +=
            cj__buffer_bytes(&program->buffers[step->operands[i]]);
    return made <= read;
}

static bool leaves(const planner *p, int32_t buffer)
{
    return cj__commit_of(p->program, buffer) || cj__is_output(p->program, buffer) ||
           buffer == p->program->guard;
}

/* Steps that would make the same in every run: stages before a kernel, and others that have none themselves.
 */
static bool can_keep(const planner *p, const cj__step *step)
{
    int inputs = step->launch.inputs_count;
    if (step->loop || !from_lasting(p->program, step, inputs)) return false;
    if (step->before) return true;
    for (int i = inputs; i < step->operands_count; i++)
        if (leaves(p, step->operands[i])) return false;
    return step->operands_count == inputs + step->launch.outputs_count && small_enough(p->program, step);
}

static void keep_results(cj_program *program, cj__step *step)
{
    step->kept = true;
    program->kept_count++;
    program->operations -= step->operations;
    for (int i = step->launch.inputs_count; i < step->operands_count; i++) {
        cj__buffer *result = &program->buffers[step->operands[i]];
        result->storage = CJ__KEPT;
        result->offset = program->kept_bytes;
        program->kept_bytes += cj__buffer_bytes(result);
    }
}

static void keep(planner *p)
{
    for (int64_t s = 0; s < p->program->step_count; s++)
        if (can_keep(p, &p->program->steps[s])) keep_results(p->program, &p->program->steps[s]);
}

/* --- the slab ------------------------------------------------------------------------------------------ */

/* What leaves the program is there to its end. */
static cj_status lay_out(planner *p)
{
    for (int64_t i = 0; i < p->program->output_count; i++) p->last_use[p->program->outputs[i]] = INT32_MAX;
    for (int64_t c = 0; c < p->program->commit_count; c++)
        p->last_use[p->program->commits[c].buffer] = INT32_MAX;
    if (p->program->guard >= 0) p->last_use[p->program->guard] = INT32_MAX;
    return cj__lay_out(p->program, p->last_use);
}

/* --- the pass ------------------------------------------------------------------------------------------ */

static cj_status planner_begin(planner *p)
{
    const cj_graph *g = p->graph;
    size_t nodes = (size_t)g->node_count + 1, values = (size_t)(g->value_count + g->node_count) + 1;
    cj_program *program = p->program = cj__allocate_zeroed(sizeof *program);
    if (!program) return cj__out_of_memory(sizeof *program, "a program");
    program->guard = -1;
    program->steps = cj__arena_allocate(&program->arena, 2 * nodes * sizeof *program->steps);
    program->buffers = cj__arena_allocate(&program->arena, values * sizeof *program->buffers);
    program->commits = cj__arena_allocate(&program->arena, nodes * sizeof *program->commits);
    program->inputs = cj__arena_allocate(&program->arena, ((size_t)g->input_count + 1) * 4);
    program->outputs = cj__arena_allocate(&program->arena, ((size_t)g->output_count + 1) * 4);
    program->output_types =
        cj__arena_allocate(&program->arena, ((size_t)g->output_count + 1) * sizeof *program->output_types);
    p->buffer_of = cj__allocate(values * 4);
    p->last_use = cj__allocate(values * 4);
    p->made_at = cj__allocate(values * 4);
    bool ok = program->steps && program->buffers && program->commits && program->inputs && program->outputs &&
              program->output_types && p->buffer_of && p->last_use && p->made_at;
    if (!ok) return cj__out_of_memory(values * 64, "planning a program");
    return p->apart ? cj__order(g, &p->order, &p->count) : cj__order_for_memory(g, &p->order, &p->count);
}

static cj_status make_program(planner *p)
{
    CJ__TRY(planner_begin(p));
    const cj_graph *g = p->graph;
    cj_program *program = p->program;
    for (int64_t i = 0; i < g->input_count; i++) {
        int32_t value = g->inputs[i].value;
        int32_t buffer = p->buffer_of[value] = new_buffer(p, CJ__INPUT, &g->values[value]);
        program->buffers[buffer].index = i;
        program->inputs[program->input_count++] = buffer;
    }
    for (int64_t i = 0; i < p->count; i++) CJ__TRY(place_node(p, &g->nodes[p->order[i]]));
    for (int64_t i = 0; i < g->output_count; i++) {
        const cj__value *value = &g->values[g->outputs[i].value];
        program->output_types[i] = (cj__type){value->dtype, value->shape};
        program->outputs[program->output_count++] = p->buffer_of[g->outputs[i].value];
    }
    if (g->guard >= 0) program->guard = p->buffer_of[g->guard];
    keep(p);
    CJ__TRY(cj__schedule(program, p->apart, p->made_at, p->last_use));
    /* A variable assigned from another is read at the very end. */
    for (int64_t c = 0; c < program->commit_count; c++)
        if (program->buffers[program->commits[c].buffer].storage == CJ__VARIABLE)
            p->last_use[program->commits[c].buffer] = INT32_MAX;
    cj__update_in_place(program, p->made_at, p->last_use);
    return lay_out(p);
}

cj_status cj__plan(cj_graph *graph, const cj__backend *backend, bool apart, cj_program **program)
{
    planner p = {.graph = graph, .backend = backend, .apart = apart};
    *program = NULL;
    if (!apart) CJ__TRY(cj__narrow(graph, backend));
    cj_status status = make_program(&p);
    cj__free(p.order);
    cj__free(p.buffer_of);
    cj__free(p.last_use);
    cj__free(p.made_at);
    *program = p.program;
    if (status == CJ_OK) return CJ_OK;
    cj_program_free(p.program);
    *program = NULL;
    return status;
}

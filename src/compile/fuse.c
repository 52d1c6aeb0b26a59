/* Fusion: elementwise nodes of one shape that feed each other become one chain, so that intermediate values
 * stay in L1. Groups become one unless a path leads out of them and back in. */
#include "compile/chain.h"
#include "compile/passes.h"

#include <string.h>

typedef struct {
    const cj_graph *from;
    cj_graph *to;
    int32_t *order;
    int64_t count;
    int32_t *group; /* by node: the group's first member; a node alone is its own group */
    int32_t *next;  /* members of a group, linked in order from the first; -1 ends */
    int32_t *place; /* by node: its position in the order */
    int32_t *mark;  /* by group: stamp of the last search that saw it */
    int32_t stamp;
    int32_t *stack;
    int32_t *map;       /* value of `from` → value of `to`; -1: not emitted */
    bool *used_outside; /* by value: somebody outside its group, or the program, wants it */
} fusion;

/* Types the vector interpreter of chains can hold in its registers; bytes only on their way to f32. */
static bool fusible_type(const cj__node *node, cj_dtype dtype)
{
    return dtype == CJ_F32 || dtype == CJ_BOOL || (dtype == CJ_U8 && node->op == CJ__OP_cast);
}

static bool fusible(const cj_graph *graph, const cj__node *node)
{
    if (!(cj__info(node)->flags & CJ__ELEMENTWISE) ||
        !fusible_type(node, graph->values[node->first_output].dtype))
        return false;
    if (graph->values[node->first_output].dtype == CJ_U8) return false;
    for (int i = 0; i < node->inputs_count; i++)
        if (!fusible_type(node, graph->values[node->inputs[i]].dtype)) return false;
    return true;
}

static int32_t maker(const fusion *f, int32_t value)
{
    return f->from->values[value].node;
}

/* Whether group `start` needs group `target`, directly or through others. */
static bool reaches(fusion *f, int32_t start, int32_t target)
{
    int64_t depth = 0;
    f->stamp++;
    f->stack[depth++] = start;
    f->mark[start] = f->stamp;
    while (depth > 0) {
        int32_t group = f->stack[--depth];
        if (group == target) return true;
        for (int32_t member = group; member >= 0; member = f->next[member]) {
            const cj__node *node = &f->from->nodes[member];
            for (int i = 0; i < node->inputs_count; i++) {
                int32_t other = f->group[maker(f, node->inputs[i])];
                if (f->mark[other] == f->stamp) continue;
                f->mark[other] = f->stamp;
                f->stack[depth++] = other;
            }
        }
    }
    return false;
}

/* Whether what group `a` needs from outside `a` and `b` leads back to either: then they cannot be one. */
static bool needs_lead_back(fusion *f, int32_t a, int32_t b)
{
    for (int32_t member = a; member >= 0; member = f->next[member]) {
        const cj__node *node = &f->from->nodes[member];
        for (int i = 0; i < node->inputs_count; i++) {
            int32_t other = f->group[maker(f, node->inputs[i])];
            if (other != a && other != b && (reaches(f, other, a) || reaches(f, other, b))) return true;
        }
    }
    return false;
}

/* Makes two groups one, members in the graph's order, so that each comes after those it needs. */
static void merge(fusion *f, int32_t a, int32_t b)
{
    int32_t first = f->place[a] < f->place[b] ? a : b, x = a, y = b, *link = &first;
    while (x >= 0 || y >= 0) {
        int32_t *from = y < 0 || (x >= 0 && f->place[x] < f->place[y]) ? &x : &y;
        *link = *from;
        link = &f->next[*from];
        *from = *link;
    }
    for (int32_t member = first; member >= 0; member = f->next[member]) f->group[member] = first;
}

/* Draws a node into the groups of its producers, and so those groups into one. */
static void join(fusion *f, int32_t index)
{
    const cj__node *node = &f->from->nodes[index];
    cj_shape_t shape = f->from->values[node->first_output].shape;
    for (int i = 0; i < node->inputs_count; i++) {
        int32_t mine = f->group[index], producer = maker(f, node->inputs[i]), group = f->group[producer];
        const cj__node *other = &f->from->nodes[producer];
        if (group == mine || !fusible(f->from, other) ||
            !cj_shape_equal(f->from->values[other->first_output].shape, shape))
            continue;
        if (!needs_lead_back(f, mine, group) && !needs_lead_back(f, group, mine)) merge(f, mine, group);
    }
}

static void find_uses(fusion *f)
{
    const cj_graph *from = f->from;
    for (int64_t i = 0; i < f->count; i++) {
        const cj__node *node = &from->nodes[f->order[i]];
        for (int k = 0; k < node->inputs_count; k++)
            if (f->group[maker(f, node->inputs[k])] != f->group[f->order[i]])
                f->used_outside[node->inputs[k]] = true;
    }
    for (int64_t i = 0; i < from->output_count; i++) f->used_outside[from->outputs[i].value] = true;
    if (from->guard >= 0) f->used_outside[from->guard] = true;
}

/* --- writing a group as a chain ------------------------------------------------------------------------ */

typedef struct {
    cj__chain chain;
    int32_t *inputs;    /* values of `to` */
    int32_t *sources;   /* values of `from` held by the registers, in their order */
    int32_t *results;   /* values of `from` that leave the chain */
    int32_t *registers; /* values of `from` of the instructions, to be renumbered */
} draft;

static int32_t emit_value(fusion *f, int32_t value, cj_status *status);

/* Where the values come from: a broadcast is read in place, with strides of zero. */
static cj__chain_input describe_input(const fusion *f, int32_t value, int32_t *source)
{
    const cj__node *node = &f->from->nodes[maker(f, value)];
    cj_shape_t shape = f->from->values[value].shape;
    *source = node->op == CJ__OP_broadcast ? node->inputs[0] : value;
    cj_shape_t small = f->from->values[*source].shape;
    cj__chain_input input = {.dtype = f->from->values[value].dtype, .whole = *source == value};
    cj__broadcast_strides(small, shape, input.stride);
    if (cj_shape_count(small) == cj_shape_count(shape)) input.whole = true;
    return input;
}

static int32_t position(const int32_t *values, int32_t count, int32_t value)
{
    for (int32_t i = 0; i < count; i++)
        if (values[i] == value) return i;
    return -1;
}

/* Counts what a group needs, so that the arrays can be had in one go. */
static int32_t edges_of(const fusion *f, int32_t group)
{
    int32_t edges = 0;
    for (int32_t member = group; member >= 0; member = f->next[member])
        edges += f->from->nodes[member].inputs_count + 1;
    return edges;
}

static cj_status draft_begin(fusion *f, draft *d, int32_t group)
{
    size_t room = (size_t)edges_of(f, group);
    cj__arena *arena = &f->to->arena;
    *d = (draft){.inputs = cj__arena_allocate(arena, room * 4),
                 .sources = cj__arena_allocate(arena, room * 4),
                 .results = cj__arena_allocate(arena, room * 4),
                 .registers = cj__arena_allocate(arena, room * 4)};
    cj__chain *c = &d->chain;
    c->shape = f->from->values[f->from->nodes[group].first_output].shape;
    c->inputs = cj__arena_allocate(arena, room * sizeof *c->inputs);
    c->constants = cj__arena_allocate(arena, room * sizeof *c->constants);
    c->instructions = cj__arena_allocate(arena, room * sizeof *c->instructions);
    c->outputs = cj__arena_allocate(arena, room * sizeof *c->outputs);
    bool ok = d->inputs && d->sources && d->results && d->registers && c->inputs && c->constants &&
              c->instructions && c->outputs;
    return ok ? CJ_OK : cj__out_of_memory(room * 64, "a fused chain");
}

/* Inputs first, then constants: `sources` lists the values of `from` by register. */
static cj_status gather_sources(fusion *f, draft *d, int32_t group, bool constants)
{
    cj_status status = CJ_OK;
    cj__chain *c = &d->chain;
    for (int32_t member = group; member >= 0; member = f->next[member]) {
        const cj__node *node = &f->from->nodes[member];
        for (int i = 0; i < node->inputs_count && status == CJ_OK; i++) {
            int32_t value = node->inputs[i], source, known = c->inputs_count + c->constants_count;
            const cj__node *made = &f->from->nodes[maker(f, value)];
            if (f->group[maker(f, value)] == group || (made->op == CJ__OP_constant) != constants) continue;
            if (position(d->sources, known, value) >= 0) continue;
            d->sources[known] = value;
            if (constants) {
                c->constants[c->constants_count++] =
                    ((const cj__constant_attributes *)made->attributes)->value;
            } else {
                c->inputs[c->inputs_count] = describe_input(f, value, &source);
                d->inputs[c->inputs_count++] = emit_value(f, source, &status);
            }
        }
    }
    return status;
}

static int32_t register_of(const draft *d, int32_t value)
{
    int32_t known = d->chain.inputs_count + d->chain.constants_count;
    int32_t place = position(d->sources, known, value);
    return place >= 0 ? place : known + position(d->registers, d->chain.instructions_count, value);
}

static void write_instructions(fusion *f, draft *d, int32_t group)
{
    cj__chain *c = &d->chain;
    for (int32_t member = group; member >= 0; member = f->next[member]) {
        const cj__node *node = &f->from->nodes[member];
        cj__chain_instruction instruction = {.op = node->op,
                                             .dtype = f->from->values[node->first_output].dtype};
        instruction.a = instruction.b = instruction.c = register_of(d, node->inputs[0]);
        if (node->inputs_count > 1) instruction.b = register_of(d, node->inputs[1]);
        if (node->inputs_count > 2) instruction.c = register_of(d, node->inputs[2]);
        d->registers[c->instructions_count] = node->first_output;
        c->instructions[c->instructions_count++] = instruction;
        if (!f->used_outside[node->first_output]) continue;
        d->results[c->outputs_count] = node->first_output;
        c->outputs[c->outputs_count++] = c->inputs_count + c->constants_count + c->instructions_count - 1;
    }
}

static cj_status emit_chain(fusion *f, int32_t group)
{
    draft d;
    CJ__TRY(draft_begin(f, &d, group));
    CJ__TRY(gather_sources(f, &d, group, false));
    CJ__TRY(gather_sources(f, &d, group, true));
    write_instructions(f, &d, group);
    cj__chain *chain = cj__arena_copy(&f->to->arena, &d.chain, sizeof d.chain);
    cj__value *types = cj__arena_allocate(&f->to->arena, (size_t)d.chain.outputs_count * sizeof *types);
    if (!chain || !types) return cj__out_of_memory(sizeof *chain, "a fused chain");
    for (int32_t i = 0; i < chain->outputs_count; i++) types[i] = f->from->values[d.results[i]];
    cj__chain_attributes attributes = {chain};
    cj__node node = {.op = CJ__OP_chain,
                     .inputs_count = chain->inputs_count,
                     .outputs_count = chain->outputs_count,
                     .attributes = &attributes,
                     .scope = f->from->nodes[group].scope};
    int32_t first = cj__append(f->to, &node, d.inputs, types);
    CJ__TRY(cj_graph_status(f->to));
    for (int32_t i = 0; i < chain->outputs_count; i++) f->map[d.results[i]] = first + i;
    return CJ_OK;
}

static cj_status emit_node(fusion *f, int32_t index)
{
    const cj__node *node = &f->from->nodes[index];
    int32_t inputs[64];
    cj_status status = CJ_OK;
    for (int i = 0; i < node->inputs_count; i++) inputs[i] = emit_value(f, node->inputs[i], &status);
    CJ__TRY(status);
    int32_t first = cj__append(f->to, node, inputs, &f->from->values[node->first_output]);
    CJ__TRY(cj_graph_status(f->to));
    for (int i = 0; i < node->outputs_count; i++) f->map[node->first_output + i] = first + i;
    return CJ_OK;
}

static int32_t emit_value(fusion *f, int32_t value, cj_status *status)
{
    if (f->map[value] < 0 && *status == CJ_OK) {
        int32_t group = f->group[maker(f, value)];
        *status =
            fusible(f->from, &f->from->nodes[group]) ? emit_chain(f, group) : emit_node(f, maker(f, value));
    }
    return f->map[value];
}

/* --- the pass ------------------------------------------------------------------------------------------ */

static cj_status fusion_begin(fusion *f, const cj_graph *from)
{
    size_t nodes = (size_t)from->node_count + 1, values = (size_t)from->value_count + 1;
    *f = (fusion){.from = from};
    CJ__TRY((cj_graph_new)(&f->to, &(cj_graph_options){.size = sizeof(cj_graph_options),
                                                       .model = from->model,
                                                       .mode = from->mode,
                                                       .precision = from->precision}));
    CJ__TRY(cj__order(from, &f->order, &f->count));
    f->group = cj__allocate(nodes * 4);
    f->next = cj__allocate(nodes * 4);
    f->place = cj__allocate_zeroed(nodes * 4);
    f->mark = cj__allocate_zeroed(nodes * 4);
    f->stack = cj__allocate(nodes * 4);
    f->map = cj__allocate(values * 4);
    f->used_outside = cj__allocate_zeroed(values);
    if (!f->group || !f->next || !f->place || !f->mark || !f->stack || !f->map || !f->used_outside)
        return cj__out_of_memory(nodes * 20 + values * 5, "fusing a graph");
    memset(f->map, -1, values * 4);
    for (int32_t i = 0; i < (int32_t)nodes; i++) f->group[i] = i, f->next[i] = -1;
    for (int64_t i = 0; i < f->count; i++) f->place[f->order[i]] = (int32_t)i;
    return CJ_OK;
}

static void fusion_end(fusion *f)
{
    cj__free(f->order);
    cj__free(f->group);
    cj__free(f->next);
    cj__free(f->place);
    cj__free(f->mark);
    cj__free(f->stack);
    cj__free(f->map);
    cj__free(f->used_outside);
}

static cj_status write_graph(fusion *f)
{
    const cj_graph *from = f->from;
    cj_status status = CJ_OK;
    for (int64_t i = 0; i < from->input_count && status == CJ_OK; i++) {
        const cj__value *value = &from->values[from->inputs[i].value];
        f->map[from->inputs[i].value] =
            (cj_input)(f->to, from->inputs[i].name, value->dtype, value->shape).id;
    }
    for (int64_t i = 0; i < from->output_count && status == CJ_OK; i++) {
        int32_t value = emit_value(f, from->outputs[i].value, &status);
        if (status == CJ_OK) cj_output(f->to, from->outputs[i].name, cj__make_value(f->to, value));
    }
    if (from->guard >= 0) f->to->guard = emit_value(f, from->guard, &status);
    for (int64_t i = 0; i < f->count && status == CJ_OK; i++)
        if (cj__info(&from->nodes[f->order[i]])->flags & CJ__EFFECT) status = emit_node(f, f->order[i]);
    return status == CJ_OK ? cj_graph_status(f->to) : status;
}

cj_status cj__fuse(const cj_graph *from, cj_graph **to)
{
    fusion f;
    cj_status status = fusion_begin(&f, from);
    for (int64_t i = 0; status == CJ_OK && i < f.count; i++)
        if (fusible(from, &from->nodes[f.order[i]])) join(&f, f.order[i]);
    if (status == CJ_OK) find_uses(&f);
    if (status == CJ_OK) status = write_graph(&f);
    fusion_end(&f);
    *to = f.to;
    if (status == CJ_OK) return CJ_OK;
    cj_graph_free(f.to);
    *to = NULL;
    return status;
}

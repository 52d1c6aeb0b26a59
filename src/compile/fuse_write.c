/* Writing the groups that fusion found: each becomes a chain, data that the CPU interprets, with the product
 * that feeds it and the reductions that fold it; all other nodes are copied. */
#include "compile/fuse.h"

#include <string.h>

typedef cj__fusion fusion;

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
    const cj__node *node = &f->from->nodes[cj__maker(f, value)];
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

/* The shape that a node's elements are counted in. */
static cj_shape_t shape_of(const fusion *f, int32_t index)
{
    const cj__node *node = &f->from->nodes[index];
    bool reduces = node->op == CJ__OP_sum || node->op == CJ__OP_max;
    return f->from->values[reduces ? node->inputs[0] : node->first_output].shape;
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
    c->shape = shape_of(f, group);
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
        if (cj__is_product(node)) continue; /* its operands are the step's, not the chain's */
        for (int i = 0; i < node->inputs_count && status == CJ_OK; i++) {
            int32_t value = node->inputs[i], source, known = c->inputs_count + c->constants_count;
            const cj__node *made = &f->from->nodes[cj__maker(f, value)];
            if (f->group[cj__maker(f, value)] == group || (made->op == CJ__OP_constant) != constants)
                continue;
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

static void add_result(fusion *f, draft *d, int32_t value, int32_t reg, cj__chain_fold fold)
{
    cj__chain *c = &d->chain;
    d->results[c->outputs_count] = value;
    c->outputs[c->outputs_count++] = (cj__chain_output){reg, fold, f->from->values[value].dtype};
    if (fold != CJ__CHAIN_STORE) c->folds = true;
}

static void write_elementwise(fusion *f, draft *d, const cj__node *node)
{
    cj__chain *c = &d->chain;
    cj__chain_instruction instruction = {.op = node->op, .dtype = f->from->values[node->first_output].dtype};
    instruction.a = instruction.b = instruction.c = register_of(d, node->inputs[0]);
    if (node->inputs_count > 1) instruction.b = register_of(d, node->inputs[1]);
    if (node->inputs_count > 2) instruction.c = register_of(d, node->inputs[2]);
    d->registers[c->instructions_count] = node->first_output;
    c->instructions[c->instructions_count++] = instruction;
    if (f->used_outside[node->first_output])
        add_result(f, d, node->first_output, register_of(d, node->first_output), CJ__CHAIN_STORE);
}

static void write_instructions(fusion *f, draft *d, int32_t group)
{
    for (int32_t member = group; member >= 0; member = f->next[member]) {
        const cj__node *node = &f->from->nodes[member];
        if (cj__is_product(node)) {
            if (f->used_outside[node->first_output]) add_result(f, d, node->first_output, 0, CJ__CHAIN_STORE);
        } else if (cj__foldable(f, node, &d->chain.folding)) {
            add_result(f, d, node->first_output, register_of(d, node->inputs[0]),
                       node->op == CJ__OP_sum ? CJ__CHAIN_SUM : CJ__CHAIN_MAX);
        } else {
            write_elementwise(f, d, node);
        }
    }
}

static bool has_place_for_product(const cj__chain *c)
{
    for (int32_t i = 0; i < c->outputs_count; i++)
        if (c->outputs[i].dtype == CJ_F32) return true;
    return false;
}

/* The product is the chain's first input; the node reads its operands instead. */
static cj_status begin_product(fusion *f, draft *d, int32_t product, int32_t operands[2])
{
    cj_status status = CJ_OK;
    const cj__node *node = &f->from->nodes[product];
    int32_t source;
    d->sources[0] = node->first_output;
    d->chain.inputs[d->chain.inputs_count++] = describe_input(f, node->first_output, &source);
    for (int i = 0; i < 2; i++) operands[i] = emit_value(f, node->inputs[i], &status);
    return status;
}

static bool is_partial(const cj__chain *c, int32_t output)
{
    return c->outputs[output].fold != CJ__CHAIN_STORE && c->folding.parts > 1;
}

/* The type of an output: partial results stand one row a part. */
static cj__value result_type(const fusion *f, const draft *d, int32_t output)
{
    cj__value type = f->from->values[d->results[output]];
    if (is_partial(&d->chain, output))
        type.shape = cj_shape(d->chain.folding.parts, d->chain.folding.columns);
    return type;
}

/* Folds partial results once more. */
static int32_t whole_result(fusion *f, const cj__chain *c, int32_t output, int32_t value, int32_t result)
{
    if (!is_partial(c, output)) return value;
    cj__reduce_attributes over_parts = {.axes = 1};
    cj__shape_attributes shape = {f->from->values[result].shape};
    bool maximum = c->outputs[output].fold == CJ__CHAIN_MAX;
    cj_value partial = cj__make_value(f->to, value);
    cj_value whole = cj__draw1(maximum ? CJ__OP_max : CJ__OP_sum, &over_parts, partial);
    return cj__draw1(CJ__OP_reshape, &shape, whole).id;
}

/* Appends the finished chain: with a product, the node's inputs are the product's two and the chain's others.
 */
static cj_status append_chain(fusion *f, draft *d, int32_t group, int32_t product, const int32_t operands[2])
{
    cj__arena *arena = &f->to->arena;
    cj__chain *chain = cj__arena_copy(arena, &d->chain, sizeof d->chain);
    cj__value *types = cj__arena_allocate(arena, ((size_t)d->chain.outputs_count + 1) * sizeof *types);
    int32_t *inputs = cj__arena_allocate(arena, ((size_t)d->chain.inputs_count + 2) * sizeof *inputs);
    if (!chain || !types || !inputs) return cj__out_of_memory(sizeof *chain, "a fused chain");
    for (int32_t i = 0; i < chain->outputs_count; i++) types[i] = result_type(f, d, i);
    cj__chain_attributes alone = {chain};
    cj__product_attributes with_product = {.chain = chain};
    cj__node node = {.op = CJ__OP_chain,
                     .inputs_count = chain->inputs_count,
                     .outputs_count = chain->outputs_count,
                     .attributes = &alone,
                     .scope = f->from->nodes[group].scope,
                     .file = f->from->nodes[group].file,
                     .line = f->from->nodes[group].line};
    memcpy(inputs, d->inputs, (size_t)chain->inputs_count * sizeof *inputs);
    if (product >= 0) {
        const cj__node *made = &f->from->nodes[product];
        with_product.op = made->op;
        with_product.attributes = cj__arena_copy(arena, made->attributes, cj__info(made)->attributes_size);
        if (!with_product.attributes) return cj__out_of_memory(0, "a fused chain");
        node.op = CJ__OP_product_chain;
        node.attributes = &with_product;
        node.inputs_count++;
        memcpy(inputs + 1, d->inputs, (size_t)chain->inputs_count * sizeof *inputs);
        memcpy(inputs, operands, 2 * sizeof *inputs);
    }
    int32_t first = cj__append(f->to, &node, inputs, types);
    CJ__TRY(cj_graph_status(f->to));
    for (int32_t i = 0; i < chain->outputs_count; i++)
        f->map[d->results[i]] = whole_result(f, chain, i, first + i, d->results[i]);
    return cj_graph_status(f->to);
}

static cj_status emit_chain(fusion *f, int32_t group)
{
    draft d;
    int32_t product = cj__product_in(f, group), operands[2] = {-1, -1};
    CJ__TRY(draft_begin(f, &d, group));
    if (product >= 0) CJ__TRY(begin_product(f, &d, product, operands));
    CJ__TRY(gather_sources(f, &d, group, false));
    CJ__TRY(gather_sources(f, &d, group, true));
    write_instructions(f, &d, group);
    if (product >= 0 && !has_place_for_product(&d.chain))
        add_result(f, &d, f->from->nodes[product].first_output, 0, CJ__CHAIN_STORE);
    return append_chain(f, &d, group, product, operands);
}

static cj_status emit_node(fusion *f, int32_t index)
{
    const cj__node *node = &f->from->nodes[index];
    int32_t inputs[CJ__MOST_VALUES];
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
        int32_t group = f->group[cj__maker(f, value)];
        *status = cj__is_chain(f, group) ? emit_chain(f, group) : emit_node(f, cj__maker(f, value));
    }
    return f->map[value];
}

/* A group has its turn with its last member, unless somebody needs it before; what a chain may take in has
 * none. */
static cj_status emit_in_turn(fusion *f, int32_t index)
{
    const cj__node *node = &f->from->nodes[index];
    cj_status status = CJ_OK;
    if (cj__info(node)->flags & CJ__EFFECT) return emit_node(f, index);

    if (cj__info(node)->flags & CJ__SOURCE || node->op == CJ__OP_broadcast || f->next[index] >= 0)
        return CJ_OK;
    emit_value(f, node->first_output, &status);
    return status;
}

typedef struct {
    fusion *f;
    cj_status status;
} emission;

static int32_t emit_result(void *context, int32_t value)
{
    emission *e = context;
    int32_t emitted = emit_value(e->f, value, &e->status);
    return e->status == CJ_OK ? emitted : -1;
}

cj_status cj__write_groups(fusion *f)
{
    const cj_graph *from = f->from;
    cj_status status = cj__copy_inputs(f->to, from, f->map);
    for (int64_t i = 0; i < f->count && status == CJ_OK; i++) status = emit_in_turn(f, f->order[i]);
    CJ__TRY(status);
    emission e = {f, CJ_OK};
    CJ__TRY(cj__copy_outputs(f->to, from, emit_result, &e));
    return e.status;
}

/* Fusion: elementwise nodes of one shape that feed each other become one chain, so that intermediate values
 * stay in L1. A product that feeds a chain takes it along, to be applied to each block of the result while
 * that is in cache; sums and maxima of a chain's values are folded on the way. Groups become one unless a
 * path leads out of them and back in. */
#include "compile/chain.h"
#include "compile/passes.h"

#include <string.h>

typedef struct {
    const cj_graph *from;
    cj_graph *to;
    int32_t *order;
    int64_t count;
    int32_t *group;  /* by node: the group's first member; a node alone is its own group */
    int32_t *next;   /* members of a group, linked in order from the first; -1 ends */
    int32_t *place;  /* by node: its position in the order */
    int32_t *rank;   /* by group: where it stands in an order of groups, each after those it needs */
    int32_t *ranked; /* by rank: the group; -1: none any more */
    int32_t *mark;   /* by group: stamp of the last search that saw it */
    int32_t stamp;
    int32_t *stack;
    int32_t *map;        /* value of `from` → value of `to`; -1: not emitted */
    int32_t *reduced_by; /* by value: the first reduction of it that stands by itself; -1: none */
    bool *late;          /* by node: made by gradients, which stay apart; NULL: they need not */
    int32_t *readers;    /* by value: nodes that read it, and reductions among them */
    int32_t *folds;
    bool *assigned;     /* by value: a variable becomes it */
    bool *used_outside; /* by value: somebody outside its group, or the program, wants it */
} fusion;

/* Types the vector interpreter of chains can hold in its registers; bytes only on their way to f32. */
static bool fusible_type(const cj__node *node, cj_dtype dtype)
{
    bool narrow = dtype == CJ_U8 || dtype == CJ_BF16;
    return dtype == CJ_F32 || dtype == CJ_BOOL || (narrow && node->op == CJ__OP_cast);
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

/* Puts groups on the stack that the members need and that may lead to `early`: nothing before it can. True:
 * one of them is `early`. */
static bool push_needs(fusion *f, int32_t group, int32_t early, int64_t *depth)
{
    bool found = false;
    for (int32_t member = group; member >= 0; member = f->next[member]) {
        const cj__node *node = &f->from->nodes[member];
        for (int i = 0; i < node->inputs_count; i++) {
            int32_t other = f->group[maker(f, node->inputs[i])];
            found = found || other == early;
            if (other == group || f->rank[other] <= f->rank[early] || f->mark[other] == f->stamp) continue;
            f->mark[other] = f->stamp;
            f->stack[(*depth)++] = other;
        }
    }
    return found;
}

/* Whether `late` needs `early` through others: then they cannot be one. What it needs of the groups that rank
 * between them is marked. */
static bool needs_lead_back(fusion *f, int32_t early, int32_t late)
{
    int64_t depth = 0;
    f->stamp++;
    push_needs(f, late, early, &depth);
    while (depth > 0) {
        int32_t group = f->stack[--depth];
        if (push_needs(f, group, early, &depth)) return true;
    }
    return false;
}

/* Makes two groups one, members in the graph's order, so that each comes after those it needs. */
static int32_t link_members(fusion *f, int32_t a, int32_t b)
{
    int32_t first = f->place[a] < f->place[b] ? a : b, x = a, y = b, *link = &first;
    while (x >= 0 || y >= 0) {
        int32_t *from = y < 0 || (x >= 0 && f->place[x] < f->place[y]) ? &x : &y;
        *link = *from;
        link = &f->next[*from];
        *from = *link;
    }
    for (int32_t member = first; member >= 0; member = f->next[member]) f->group[member] = first;
    return first;
}

/* Ranks from `from` to `to` anew: first what is marked, which the merged group needs, then that group, then
 * the others. */
static void rank_again(fusion *f, int32_t from, int32_t to, int32_t merged)
{
    int32_t rank = from, others = 0;
    for (int32_t r = from + 1; r < to; r++) {
        int32_t group = f->ranked[r];
        if (group < 0) continue;
        if (f->mark[group] == f->stamp)
            f->ranked[f->rank[group] = rank++] = group;
        else
            f->stack[others++] = group;
    }
    f->ranked[f->rank[merged] = rank++] = merged;
    for (int32_t i = 0; i < others; i++) f->ranked[f->rank[f->stack[i]] = rank++] = f->stack[i];
    while (rank <= to) f->ranked[rank++] = -1;
}

static bool merge_if_free(fusion *f, int32_t a, int32_t b)
{
    int32_t early = f->rank[a] < f->rank[b] ? a : b, late = early == a ? b : a;
    int32_t from = f->rank[early], to = f->rank[late];
    if (f->late && f->late[a] != f->late[b]) return false;
    if (needs_lead_back(f, early, late)) return false;
    rank_again(f, from, to, link_members(f, a, b));
    return true;
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
        merge_if_free(f, mine, group);
    }
}

/* --- products and reductions --------------------------------------------------------------------------- */

static bool alone(const fusion *f, int32_t index)
{
    return f->group[index] == index && f->next[index] < 0;
}

static bool is_product(const cj__node *node)
{
    return cj__info(node)->flags & CJ__PRODUCT;
}

static int32_t product_in(const fusion *f, int32_t group)
{
    for (int32_t member = group; member >= 0; member = f->next[member])
        if (is_product(&f->from->nodes[member])) return member;
    return -1;
}

/* A chain that makes new values of variables is left by itself: it can wait for the guard and write the
 * variables in place. */
static bool updates(const fusion *f, int32_t group)
{
    for (int32_t member = group; member >= 0; member = f->next[member])
        if (f->assigned[f->from->nodes[member].first_output]) return true;
    return false;
}

/* A square, say, of which only the sum is wanted, of a product that others read too: better part of the
 * reduction, which then reads what lies in memory anyway, than written to memory beside it. */
static bool is_for_reductions(const fusion *f, int32_t group)
{
    const cj__node *node = &f->from->nodes[group];
    int32_t value = node->first_output;
    if (f->next[group] >= 0 || f->folds[value] == 0 || f->folds[value] < f->readers[value]) return false;
    for (int i = 0; i < node->inputs_count; i++)
        if (is_product(&f->from->nodes[maker(f, node->inputs[i])]) &&
            f->readers[node->inputs[i]] <= node->inputs_count)
            return false;
    return true;
}

/* The last product that the group reads element by element and that belongs to nobody yet becomes part of
 * it. */
static void adopt_product(fusion *f, int32_t group)
{
    const cj_graph *from = f->from;
    int32_t best = -1;
    if (product_in(f, group) >= 0 || updates(f, group) || is_for_reductions(f, group)) return;
    for (int32_t member = group; member >= 0; member = f->next[member]) {
        const cj__node *node = &from->nodes[member];
        for (int i = 0; i < node->inputs_count; i++) {
            int32_t producer = maker(f, node->inputs[i]);
            const cj__value *value = &from->values[node->inputs[i]];
            if (is_product(&from->nodes[producer]) && alone(f, producer) && value->dtype == CJ_F32 &&
                cj_shape_equal(value->shape, from->values[node->first_output].shape) &&
                (best < 0 || f->place[producer] > f->place[best]))
                best = producer;
        }
    }
    if (best >= 0) merge_if_free(f, group, best);
}

/* Folding whole columns leaves one task for 64 of them; much data is folded in parts. */
static int64_t parts_of(const cj__folding *folding)
{
    enum { SMALL = 32768, PART = 65536, MOST = 64 }; /* elements, elements, parts */
    int64_t elements = folding->rows * folding->columns, parts = (elements + PART - 1) / PART;
    if (folding->by_rows || elements <= SMALL || folding->columns >= SMALL) return 1;
    parts = parts < 2 ? 2 : parts > MOST ? MOST : parts;
    return parts < folding->rows ? parts : folding->rows;
}

static bool foldable(const fusion *f, const cj__node *node, cj__folding *folding)
{
    if ((node->op != CJ__OP_sum && node->op != CJ__OP_max)) return false;
    const cj__value *x = &f->from->values[node->inputs[0]];
    if (x->dtype != CJ_F32 ||
        !cj__folding_of(x->shape, ((const cj__reduce_attributes *)node->attributes)->axes, folding))
        return false;
    folding->parts = parts_of(folding);
    return true;
}

/* Joined nodes, an elementwise one by itself, or a sum of long columns in parts: written as a chain. */
static bool is_chain(const fusion *f, int32_t group)
{
    const cj__node *node = &f->from->nodes[group];
    cj__folding folding;
    return f->next[group] >= 0 || fusible(f->from, node) ||
           (foldable(f, node, &folding) && folding.parts > 1);
}

/* A group's reductions all see the chain as the same rows and columns. */
static bool same_folding(const fusion *f, int32_t group, const cj__folding *wanted)
{
    cj__folding other;
    for (int32_t member = group; member >= 0; member = f->next[member])
        if (foldable(f, &f->from->nodes[member], &other) &&
            (other.by_rows != wanted->by_rows || other.rows != wanted->rows ||
             other.columns != wanted->columns))
            return false;
    return true;
}

/* A reduction joins the chain that makes its operand, or the first reduction of the same operand. */
static void join_reduction(fusion *f, int32_t index)
{
    const cj__node *node = &f->from->nodes[index];
    cj__folding folding;
    if (!foldable(f, node, &folding)) return;
    int32_t operand = node->inputs[0], group = f->group[maker(f, operand)];
    if (!fusible(f->from, &f->from->nodes[maker(f, operand)]) || product_in(f, group) >= 0) {
        int32_t *first = &f->reduced_by[operand];
        if (*first < 0) *first = index;
        group = f->group[*first];
    }
    if (updates(f, group)) return;
    if (group != f->group[index] && same_folding(f, group, &folding)) merge_if_free(f, group, index);
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
        if (is_product(node)) continue; /* its operands are the step's, not the chain's */
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
        if (is_product(node)) {
            if (f->used_outside[node->first_output]) add_result(f, d, node->first_output, 0, CJ__CHAIN_STORE);
        } else if (foldable(f, node, &d->chain.folding)) {
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
    int32_t product = product_in(f, group), operands[2] = {-1, -1};
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
        *status = is_chain(f, group) ? emit_chain(f, group) : emit_node(f, maker(f, value));
    }
    return f->map[value];
}

/* --- the pass ------------------------------------------------------------------------------------------ */

static cj_status keep_apart(fusion *f)
{
    f->late = cj__allocate_zeroed((size_t)f->from->node_count + 1);
    if (!f->late) return cj__out_of_memory((size_t)f->from->node_count, "fusing a graph");
    cj__find_late(f->from, f->order, f->count, f->late);
    return CJ_OK;
}

static cj_status fusion_begin(fusion *f, const cj_graph *from, unsigned what)
{
    size_t nodes = (size_t)from->node_count + 1, values = (size_t)from->value_count + 1;
    *f = (fusion){.from = from};
    CJ__TRY(cj__graph_like(&f->to, from));
    CJ__TRY(cj__order(from, &f->order, &f->count));
    if (what & CJ__FUSE_APART) CJ__TRY(keep_apart(f));
    f->group = cj__allocate(nodes * 4);
    f->next = cj__allocate(nodes * 4);
    f->place = cj__allocate_zeroed(nodes * 4);
    f->mark = cj__allocate_zeroed(nodes * 4);
    f->rank = cj__allocate_zeroed(nodes * 4);
    f->ranked = cj__allocate(nodes * 4);
    f->stack = cj__allocate(nodes * 4);
    f->map = cj__allocate(values * 4);
    f->reduced_by = cj__allocate(values * 4);
    f->readers = cj__allocate_zeroed(values * 4);
    f->folds = cj__allocate_zeroed(values * 4);
    f->assigned = cj__allocate_zeroed(values);
    f->used_outside = cj__allocate_zeroed(values);
    if (!f->readers || !f->folds || !f->group || !f->next || !f->place || !f->mark || !f->rank ||
        !f->ranked || !f->stack || !f->map || !f->reduced_by || !f->assigned || !f->used_outside)
        return cj__out_of_memory(nodes * 28 + values * 9, "fusing a graph");
    memset(f->map, -1, values * 4);
    memset(f->reduced_by, -1, values * 4);
    for (int32_t i = 0; i < (int32_t)nodes; i++) f->group[i] = i, f->next[i] = -1;
    for (int64_t i = 0; i < f->count; i++) {
        const cj__node *node = &from->nodes[f->order[i]];
        f->place[f->order[i]] = f->rank[f->order[i]] = (int32_t)i;
        f->ranked[i] = f->order[i];
        if (node->op == CJ__OP_assign) f->assigned[node->inputs[0]] = true;
    }
    return CJ_OK;
}

static void fusion_end(fusion *f)
{
    cj__free(f->order);
    cj__free(f->group);
    cj__free(f->next);
    cj__free(f->place);
    cj__free(f->mark);
    cj__free(f->rank);
    cj__free(f->ranked);
    cj__free(f->stack);
    cj__free(f->map);
    cj__free(f->reduced_by);
    cj__free(f->late);
    cj__free(f->readers);
    cj__free(f->folds);
    cj__free(f->assigned);
    cj__free(f->used_outside);
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

static cj_status write_graph(fusion *f)
{
    const cj_graph *from = f->from;
    cj_status status = CJ_OK;
    for (int64_t i = 0; i < from->input_count && status == CJ_OK; i++) {
        const cj__value *value = &from->values[from->inputs[i].value];
        f->map[from->inputs[i].value] =
            (cj_input)(f->to, from->inputs[i].name, value->dtype, value->shape).id;
    }
    for (int64_t i = 0; i < f->count && status == CJ_OK; i++) status = emit_in_turn(f, f->order[i]);
    for (int64_t i = 0; i < from->output_count && status == CJ_OK; i++) {
        int32_t value = emit_value(f, from->outputs[i].value, &status);
        if (status == CJ_OK) cj_output(f->to, from->outputs[i].name, cj__make_value(f->to, value));
    }
    if (from->guard >= 0) f->to->guard = emit_value(f, from->guard, &status);
    return status == CJ_OK ? cj_graph_status(f->to) : status;
}

static void count_readers(fusion *f)
{
    for (int64_t i = 0; i < f->count; i++) {
        const cj__node *node = &f->from->nodes[f->order[i]];
        cj__folding folding;
        for (int k = 0; k < node->inputs_count; k++) f->readers[node->inputs[k]]++;
        if (foldable(f, node, &folding)) f->folds[node->inputs[0]]++;
    }
    for (int64_t i = 0; i < f->from->output_count; i++) f->readers[f->from->outputs[i].value]++;
}

/* Products before reductions: what is in cache anyway is better than what is read once less. */
static void find_groups(fusion *f, unsigned what)
{
    const cj_graph *from = f->from;
    count_readers(f);
    for (int64_t i = 0; i < f->count && what & CJ__FUSE_CHAINS; i++)
        if (fusible(from, &from->nodes[f->order[i]])) join(f, f->order[i]);
    for (int64_t i = 0; i < f->count && what & CJ__FUSE_PRODUCTS; i++)
        if (fusible(from, &from->nodes[f->order[i]])) adopt_product(f, f->group[f->order[i]]);
    for (int64_t i = 0; i < f->count && what & CJ__FUSE_REDUCTIONS; i++) join_reduction(f, f->order[i]);
}

static cj_status fuse(const cj_graph *from, unsigned what, cj_graph **to)
{
    fusion f;
    cj_status status = fusion_begin(&f, from, what);
    if (status == CJ_OK) {
        find_groups(&f, what);
        find_uses(&f);
        status = write_graph(&f);
    }
    fusion_end(&f);
    *to = f.to;
    if (status == CJ_OK) return CJ_OK;
    cj_graph_free(f.to);
    *to = NULL;
    return status;
}

cj_status cj__fuse(const cj_graph *from, unsigned what, cj_graph **to)
{
    cj_graph *repeated;
    *to = NULL;
    if (!(what & CJ__FUSE_CHAINS)) return fuse(from, what, to);
    CJ__TRY(cj__repeat_cheap(from, &repeated));
    cj_status status = fuse(repeated, what, to);
    cj_graph_free(repeated);
    return status;
}

/* Narrowing, between fusion and the plan: what a chain, or attention, makes for products of bf16 is stored as
 * bf16. Where they alone read it, they would round it to that while packing, so no bit changes; it takes half
 * the bytes, from the way forth to the way back, and packing it takes less. Two more are rounded, as
 * PyTorch's autocast rounds all results of products: what is kept of an activation for the way back, its
 * slope or what it was given, and gradients that are multiplied and also summed for a bias. */
#include "compile/chain.h"
#include "compile/passes.h"
#include "compile/select.h"

/* How a value is read: by a product as bf16; by a chain that stores, which widens it; by one that sums its
 * columns as they are; or by somebody who needs f32, as a loss does. */
enum { MULTIPLIED = 1, IN_CHAIN = 2, SUMMED = 4, WIDE = 8 };

/* Of a node's kernel: the inputs that it takes as bf16, the outputs that it can store so; whether it makes a
 * product in parts. */
typedef struct {
    uint64_t reads, writes;
    bool in_parts;
} ability;

typedef struct {
    cj_graph *graph;
    const cj__backend *backend;
    int32_t *order;
    int64_t count;
    uint8_t *use;    /* by value */
    ability *can;    /* by position in `order` */
    cj__type *types; /* room for those of any node */
} narrowing;

static const cj__chain *chain_of(const cj__node *node)
{
    if (node->op == CJ__OP_chain) return ((const cj__chain_attributes *)node->attributes)->chain;
    if (node->op == CJ__OP_product_chain) return ((const cj__product_attributes *)node->attributes)->chain;
    return NULL;
}

/* The chain's input that an input of its node is; -1: none. A product comes first of the chain's. */
static int chain_input(const cj__node *node, int input)
{
    if (node->op == CJ__OP_chain) return input;
    return node->op == CJ__OP_product_chain && input >= 2 ? input - 1 : -1;
}

static cj_status find_ability(const narrowing *n, const cj__node *node, ability *a)
{
    cj__selection s;
    if (cj__info(node)->flags & (CJ__SOURCE | CJ__VIEW | CJ__EFFECT)) return CJ_OK;
    cj__launch launch = cj__launch_of(n->graph, n->backend, node, n->types);
    CJ__TRY(cj__select(n->backend, &launch, &s));
    if (s.kernel && s.kernel->reads_bf16) a->reads = s.kernel->reads_bf16(&launch);
    if (s.kernel && s.kernel->writes_bf16) a->writes = s.kernel->writes_bf16(&launch);
    a->in_parts = s.kernel && s.kernel->part_bytes && s.kernel->part_bytes(&launch) > 0;
    return CJ_OK;
}

static int use_in_chain(const cj__node *node, int input)
{
    const cj__chain *chain = chain_of(node);
    int i = chain ? chain_input(node, input) : -1;
    if (i < 0) return WIDE;
    if (!chain->inputs[i].whole || chain->inputs[i].dtype != CJ_F32) return WIDE;
    if (!chain->folds) return IN_CHAIN;
    return chain->instructions_count == 0 && !chain->folding.by_rows ? SUMMED : WIDE;
}

/* From the last node to the first: what a view is used for, so is what it is a view of. */
static cj_status find_uses(narrowing *n)
{
    cj_graph *g = n->graph;
    for (int64_t i = 0; i < g->output_count; i++) n->use[g->outputs[i].value] |= WIDE;
    if (g->guard >= 0) n->use[g->guard] |= WIDE;
    for (int64_t i = n->count - 1; i >= 0; i--) {
        const cj__node *node = &g->nodes[n->order[i]];
        bool view = cj__info(node)->flags & CJ__VIEW;
        CJ__TRY(find_ability(n, node, &n->can[i]));
        for (int k = 0; k < node->inputs_count; k++)
            n->use[node->inputs[k]] |= view                                 ? n->use[node->first_output]
                                       : k < 64 && n->can[i].reads >> k & 1 ? MULTIPLIED
                                                                            : use_in_chain(node, k);
    }
    return CJ_OK;
}

static bool is_another_whole(const cj__chain *chain, int32_t reg)
{
    return reg > 0 && reg < chain->inputs_count && chain->inputs[reg].whole;
}

/* Whether a register is made of the product and of what is as small as a bias: no sum that goes from layer to
 * layer, which would be rounded in each. */
static bool is_of_product(const cj__chain *chain, int32_t reg)
{
    int32_t made = reg - chain->inputs_count - chain->constants_count;
    for (int32_t i = 0; i <= made; i++) {
        const cj__chain_instruction *in = &chain->instructions[i];
        if (is_another_whole(chain, in->a) || is_another_whole(chain, in->b) ||
            is_another_whole(chain, in->c))
            return false;
    }
    return made >= 0 || reg == 0;
}

/* Whether something else that the chain makes is multiplied next. */
static bool is_beside_operand(const narrowing *n, const cj__node *node, const cj__chain *chain,
                              int32_t output)
{
    for (int32_t i = 0; i < chain->outputs_count; i++)
        if (i != output && n->use[node->first_output + i] == MULTIPLIED) return true;
    return false;
}

/* What is read so is rounded only where a product in parts makes it: of less, the bytes are no matter. */
static bool may_be_rounded(const narrowing *n, const cj__node *node, const cj__chain *chain, int32_t i)
{
    int use = n->use[node->first_output + i];
    if (use == (MULTIPLIED | SUMMED)) return true;
    return use == IN_CHAIN && is_of_product(chain, chain->outputs[i].reg) &&
           is_beside_operand(n, node, chain, i);
}

/* A product that is not made in parts is made in the memory of an output in f32: one of them must stay. */
static bool is_last_place(const cj__node *node, const cj__chain *chain, int32_t output)
{
    for (int32_t i = 0; i < chain->outputs_count; i++)
        if (i != output && chain->outputs[i].dtype == CJ_F32) return false;
    return node->op == CJ__OP_product_chain;
}

static bool may_be_narrow(const narrowing *n, const cj__node *node, const cj__chain *chain, int32_t i,
                          bool in_parts)
{
    const cj__chain_output *output = &chain->outputs[i];
    bool passed_on = output->reg < chain->inputs_count && !(in_parts && output->reg == 0);
    if (output->fold != CJ__CHAIN_STORE || output->dtype != CJ_F32 || passed_on) return false;
    if (in_parts && may_be_rounded(n, node, chain, i)) return true;
    return n->use[node->first_output + i] == MULTIPLIED && (in_parts || !is_last_place(node, chain, i));
}

/* What a chain stores. */
static void narrow_chain(narrowing *n, const cj__node *node, bool in_parts)
{
    const cj__chain *chain = chain_of(node);
    for (int32_t i = 0; chain && i < chain->outputs_count; i++) {
        if (!may_be_narrow(n, node, chain, i, in_parts)) continue;
        chain->outputs[i].dtype = CJ_BF16;
        n->graph->values[node->first_output + i].dtype = CJ_BF16;
    }
}

/* What a kernel without a chain stores, as attention its gradients: what products read, and may sum up for a
 * bias. */
static void narrow_written(narrowing *n, const cj__node *node, uint64_t written)
{
    for (int k = 0; k < node->outputs_count && k < 64; k++) {
        int32_t value = node->first_output + k;
        bool multiplied = n->use[value] == MULTIPLIED || n->use[value] == (MULTIPLIED | SUMMED);
        if (multiplied && written >> k & 1 && n->graph->values[value].dtype == CJ_F32)
            n->graph->values[value].dtype = CJ_BF16;
    }
}

/* What a chain reads may be narrow by now. */
static void widen_inputs(const narrowing *n, const cj__node *node)
{
    const cj__chain *chain = chain_of(node);
    for (int k = 0; chain && k < node->inputs_count; k++) {
        int i = chain_input(node, k);
        if (i >= 0 && n->graph->values[node->inputs[k]].dtype == CJ_BF16) chain->inputs[i].dtype = CJ_BF16;
    }
}

static void narrow(narrowing *n)
{
    cj__value *values = n->graph->values;
    for (int64_t i = 0; i < n->count; i++) {
        const cj__node *node = &n->graph->nodes[n->order[i]];
        widen_inputs(n, node);
        narrow_chain(n, node, n->can[i].in_parts);
        narrow_written(n, node, n->can[i].writes);
        if (cj__info(node)->flags & CJ__VIEW)
            values[node->first_output].dtype = values[node->inputs[0]].dtype;
    }
}

static cj_status begin(narrowing *n)
{
    int most = 1;
    CJ__TRY(cj__order(n->graph, &n->order, &n->count));
    for (int64_t i = 0; i < n->count; i++) {
        const cj__node *node = &n->graph->nodes[n->order[i]];
        int values = node->inputs_count + node->outputs_count;
        most = values > most ? values : most;
    }
    n->use = cj__allocate_zeroed((size_t)n->graph->value_count + 1);
    n->types = cj__allocate((size_t)most * sizeof *n->types);
    n->can = cj__allocate_zeroed(((size_t)n->count + 1) * sizeof *n->can);
    return n->use && n->types && n->can
               ? CJ_OK
               : cj__out_of_memory((size_t)n->graph->value_count, "narrowing a graph");
}

cj_status cj__narrow(cj_graph *graph, const cj__backend *backend)
{
    narrowing n = {.graph = graph, .backend = backend};
    if (graph->precision != CJ_MEDIUM) return CJ_OK;
    cj_status status = begin(&n);
    if (status == CJ_OK) status = find_uses(&n);
    if (status == CJ_OK) narrow(&n);
    cj__free(n.order);
    cj__free(n.use);
    cj__free(n.can);
    cj__free(n.types);
    return status;
}

/* Narrowing, between fusion and the plan: what a chain makes for products of bf16 alone is stored as bf16.
 * They would round it to that while packing, so no bit changes; it takes half the bytes, from the way forth
 * to the way back, and packing it takes less. */
#include "compile/chain.h"
#include "compile/passes.h"
#include "compile/select.h"

enum { WANTED = 1, WIDE = 2 }; /* somebody reads it; somebody needs it in f32 */

typedef struct {
    cj_graph *graph;
    const cj__backend *backend;
    int32_t *order;
    int64_t count;
    uint8_t *use;    /* by value */
    cj__type *types; /* room for those of any node */
} narrowing;

/* Inputs that the node's kernel takes as bf16. */
static cj_status find_readable(const narrowing *n, const cj__node *node, uint64_t *inputs)
{
    cj__selection s;
    *inputs = 0;
    if (cj__info(node)->flags & (CJ__SOURCE | CJ__VIEW | CJ__EFFECT)) return CJ_OK;
    cj__launch launch = cj__launch_of(n->graph, n->backend, node, n->types);
    CJ__TRY(cj__select(n->backend, &launch, &s));
    if (s.kernel && s.kernel->reads_bf16) *inputs = s.kernel->reads_bf16(&launch);
    return CJ_OK;
}

/* From the last node to the first: what a view is used for, so is what it is a view of. */
static cj_status find_uses(narrowing *n)
{
    cj_graph *g = n->graph;
    for (int64_t i = 0; i < g->output_count; i++) n->use[g->outputs[i].value] |= WIDE;
    if (g->guard >= 0) n->use[g->guard] |= WIDE;
    for (int64_t i = n->count - 1; i >= 0; i--) {
        const cj__node *node = &g->nodes[n->order[i]];
        uint64_t readable;
        bool view = cj__info(node)->flags & CJ__VIEW;
        CJ__TRY(find_readable(n, node, &readable));
        for (int k = 0; k < node->inputs_count; k++)
            n->use[node->inputs[k]] |= view                          ? n->use[node->first_output]
                                       : k < 64 && readable >> k & 1 ? WANTED
                                                                     : WIDE;
    }
    return CJ_OK;
}

static const cj__chain *chain_of(const cj__node *node)
{
    if (node->op == CJ__OP_chain) return ((const cj__chain_attributes *)node->attributes)->chain;
    if (node->op == CJ__OP_product_chain) return ((const cj__product_attributes *)node->attributes)->chain;
    return NULL;
}

/* A product is made in the memory of an output in f32: one of them must stay. */
static bool is_last_place(const cj__node *node, const cj__chain *chain, int32_t output)
{
    for (int32_t i = 0; i < chain->outputs_count; i++)
        if (i != output && chain->outputs[i].dtype == CJ_F32) return false;
    return node->op == CJ__OP_product_chain;
}

static void narrow_outputs(narrowing *n, const cj__node *node)
{
    const cj__chain *chain = chain_of(node);
    for (int32_t i = 0; chain && i < chain->outputs_count; i++) {
        cj__chain_output *output = &chain->outputs[i];
        int32_t value = node->first_output + i;
        bool made = output->fold == CJ__CHAIN_STORE && output->reg >= chain->inputs_count;
        if (!made || output->dtype != CJ_F32 || n->use[value] != WANTED || is_last_place(node, chain, i))
            continue;
        output->dtype = CJ_BF16;
        n->graph->values[value].dtype = CJ_BF16;
    }
}

static void narrow(narrowing *n)
{
    cj__value *values = n->graph->values;
    for (int64_t i = 0; i < n->count; i++) {
        const cj__node *node = &n->graph->nodes[n->order[i]];
        narrow_outputs(n, node);
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
    return n->use && n->types ? CJ_OK : cj__out_of_memory((size_t)n->graph->value_count, "narrowing a graph");
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
    cj__free(n.types);
    return status;
}

/* Before fusion: what is cheaper to compute again than to write and read is drawn anew for each of its users,
 * whose chains then take it in. Such is x - mean where x lies in memory anyway: one whole operand that no
 * chain makes, and others that are small and computed, so that the node cannot be part of what makes x. */
#include "compile/passes.h"

typedef struct {
    const cj_graph *from;
    cj_graph *to;
    int32_t *map;  /* value of `from` → value of `to` */
    int32_t *uses; /* by value */
} repeating;

static const cj__node *maker_of(const repeating *r, int32_t value)
{
    return &r->from->nodes[r->from->values[value].node];
}

static bool is_elementwise(const cj__node *node)
{
    return cj__info(node)->flags & CJ__ELEMENTWISE;
}

/* A small value that is computed, spread over the shape. */
static bool is_spread(const repeating *r, int32_t value)
{
    const cj__node *node = maker_of(r, value);
    if (node->op != CJ__OP_broadcast) return false;
    const cj__node *source = maker_of(r, node->inputs[0]);
    while (cj__info(source)->flags & CJ__VIEW) source = maker_of(r, source->inputs[0]);
    return !(cj__info(source)->flags & CJ__SOURCE);
}

static bool is_cheap(const repeating *r, const cj__node *node)
{
    int whole = 0, spread = 0;
    if (!is_elementwise(node) || node->inputs_count != 2 || r->uses[node->first_output] < 2 ||
        r->from->values[node->first_output].dtype != CJ_F32)
        return false;
    for (int i = 0; i < 2; i++) {
        const cj__node *source = maker_of(r, node->inputs[i]);
        if (is_spread(r, node->inputs[i]))
            spread++;
        else if (!is_elementwise(source) && source->op != CJ__OP_broadcast && source->op != CJ__OP_constant)
            whole++;
    }
    return whole == 1 && spread == 1;
}

static int32_t copy(repeating *r, const cj__node *node)
{
    int32_t inputs[CJ__MOST_VALUES];
    for (int i = 0; i < node->inputs_count; i++) inputs[i] = r->map[node->inputs[i]];
    return cj__append(r->to, node, inputs, &r->from->values[node->first_output]);
}

/* The node itself, with an own copy of each cheap operand. */
static void emit(repeating *r, const cj__node *node)
{
    for (int i = 0; i < node->inputs_count; i++)
        if (is_cheap(r, maker_of(r, node->inputs[i]))) {
            r->map[node->inputs[i]] = copy(r, maker_of(r, node->inputs[i]));
            if (r->to->status == CJ_OK) r->to->nodes[r->to->node_count - 1].backward |= node->backward;
        }
    if (is_cheap(r, node)) return;
    int32_t first = copy(r, node);
    for (int i = 0; i < node->outputs_count; i++) r->map[node->first_output + i] = first + i;
}

/* Outputs and the guard, which are users too. */
static int32_t emit_result(void *context, int32_t value)
{
    repeating *r = context;
    const cj__node *node = maker_of(r, value);
    return is_cheap(r, node) ? copy(r, node) : r->map[value];
}

static cj_status walk(repeating *r, const int32_t *order, int64_t count)
{
    const cj_graph *from = r->from;
    for (int64_t i = 0; i < count; i++)
        for (int k = 0; k < from->nodes[order[i]].inputs_count; k++)
            r->uses[from->nodes[order[i]].inputs[k]]++;
    CJ__TRY(cj__copy_inputs(r->to, from, r->map));
    for (int64_t i = 0; i < count && r->to->status == CJ_OK; i++)
        if (from->nodes[order[i]].op != CJ__OP_input) emit(r, &from->nodes[order[i]]);
    return cj__copy_outputs(r->to, from, emit_result, r);
}

cj_status cj__repeat_cheap(const cj_graph *from, cj_graph **to)
{
    repeating r = {.from = from};
    int32_t *order = NULL;
    int64_t count = 0;
    cj_status status = cj__graph_like(&r.to, from);
    if (status == CJ_OK) status = cj__order(from, &order, &count);
    r.map = cj__allocate((size_t)from->value_count * sizeof *r.map + 1);
    r.uses = cj__allocate_zeroed((size_t)from->value_count * sizeof *r.uses + 1);
    if (status == CJ_OK && (!r.map || !r.uses)) status = cj__out_of_memory(0, "fusing a graph");
    if (status == CJ_OK) status = walk(&r, order, count);
    cj__free(order);
    cj__free(r.map);
    cj__free(r.uses);
    return cj__hand_over(status, r.to, to);
}

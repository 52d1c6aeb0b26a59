/* Gradient checkpointing as a pass, between simplifying and fusing: what a gradient reads of the forward pass
 * is computed again for it, so that it need not lie in memory from one to the other. Which values that is
 * good for is decided in within.c. */
#include "compile/passes.h"

#include <string.h>

typedef struct {
    const cj_graph *from;
    cj_graph *to;
    const bool *again;     /* by node */
    bool *late;            /* by node */
    int32_t *map, *copies; /* value of `from` → value of `to`, for the forward pass and for gradients */
    int32_t *stack, *next; /* nodes to be copied, and which of a node's inputs is looked at */
} recomputing;

void cj__find_late(const cj_graph *graph, const int32_t *order, int64_t count, bool *late)
{
    for (int64_t i = 0; i < count; i++) {
        const cj__node *node = &graph->nodes[order[i]];
        late[order[i]] = node->backward;
        for (int k = 0; k < node->inputs_count; k++)
            if (late[graph->values[node->inputs[k]].node]) late[order[i]] = true;
    }
}

bool cj__is_passing(const cj__node *node)
{
    return cj__info(node)->flags & CJ__VIEW || node->op == CJ__OP_broadcast;
}

static bool is_copied(const recomputing *r, int32_t index)
{
    const cj__node *node = &r->from->nodes[index];
    if (r->late[index] || cj__info(node)->flags & (CJ__SOURCE | CJ__EFFECT)) return false;
    return r->again[index] || cj__is_passing(node);
}

static int32_t maker(const recomputing *r, int32_t value)
{
    return r->from->values[value].node;
}

/* The value that a gradient reads. */
static int32_t late_value(const recomputing *r, int32_t value)
{
    return is_copied(r, maker(r, value)) ? r->copies[value] : r->map[value];
}

static void append(recomputing *r, const cj__node *node, bool late, int32_t *map)
{
    int32_t inputs[CJ__MOST_VALUES];
    for (int i = 0; i < node->inputs_count; i++)
        inputs[i] = late ? late_value(r, node->inputs[i]) : r->map[node->inputs[i]];
    int32_t first = cj__append(r->to, node, inputs, &r->from->values[node->first_output]);
    if (first < 0) return;
    if (late) r->to->nodes[r->to->node_count - 1].backward = true;
    for (int i = 0; i < node->outputs_count; i++) map[node->first_output + i] = first + i;
}

/* Copies the node that makes a value and what it needs, depth first, unless they are there. */
static void copy(recomputing *r, int32_t value)
{
    int64_t depth = 0;
    if (r->copies[value] >= 0 || !is_copied(r, maker(r, value))) return;
    r->stack[depth++] = maker(r, value);
    while (depth > 0 && r->to->status == CJ_OK) {
        int32_t index = r->stack[depth - 1];
        const cj__node *node = &r->from->nodes[index];
        if (r->next[index] == node->inputs_count) {
            append(r, node, true, r->copies);
            depth--;
            continue;
        }
        int32_t input = node->inputs[r->next[index]++];
        if (r->copies[input] < 0 && is_copied(r, maker(r, input))) r->stack[depth++] = maker(r, input);
    }
}

static void emit(recomputing *r, int32_t index)
{
    const cj__node *node = &r->from->nodes[index];
    if (r->late[index])
        for (int i = 0; i < node->inputs_count; i++) copy(r, node->inputs[i]);
    if (r->to->status == CJ_OK) append(r, node, r->late[index], r->map);
}

static int32_t result_of(void *context, int32_t value)
{
    const recomputing *r = context;
    return r->map[value];
}

static cj_status walk(recomputing *r, const int32_t *order, int64_t count)
{
    const cj_graph *from = r->from;
    CJ__TRY(cj__copy_inputs(r->to, from, r->map));
    for (int64_t i = 0; i < count && r->to->status == CJ_OK; i++)
        if (from->nodes[order[i]].op != CJ__OP_input) emit(r, order[i]);
    return cj__copy_outputs(r->to, from, result_of, r);
}

static cj_status begin(recomputing *r)
{
    size_t nodes = (size_t)r->from->node_count + 1, values = (size_t)r->from->value_count + 1;
    r->map = cj__allocate(values * 4);
    r->copies = cj__allocate(values * 4);
    r->stack = cj__allocate(nodes * 4);
    r->next = cj__allocate_zeroed(nodes * 4);
    r->late = cj__allocate_zeroed(nodes);
    if (!r->map || !r->copies || !r->stack || !r->next || !r->late)
        return cj__out_of_memory(nodes * 9 + values * 8, "computing values again");
    memset(r->copies, -1, values * 4);
    return cj__graph_like(&r->to, r->from);
}

static void end(recomputing *r)
{
    cj__free(r->map);
    cj__free(r->copies);
    cj__free(r->stack);
    cj__free(r->next);
    cj__free(r->late);
}

cj_status cj__recompute(const cj_graph *from, const bool *again, cj_graph **to)
{
    recomputing r = {.from = from, .again = again};
    int32_t *order = NULL;
    int64_t count = 0;
    cj_status status = begin(&r);
    if (status == CJ_OK) status = cj__order(from, &order, &count);
    if (status == CJ_OK) {
        cj__find_late(from, order, count, r.late);
        status = walk(&r, order, count);
    }
    cj__free(order);
    end(&r);
    return cj__hand_over(status, r.to, to);
}

/* The order of a program's nodes, for memory: depth first, but what lets go of more than it makes goes first
 * as soon as it can. So a layer's gradient by its weight follows the gradient of its output, and neither that
 * nor the layer's input waits for the end of the way back. */
#include "compile/order.h"

#include <string.h>

typedef struct {
    const cj_graph *graph;
    const int32_t *from; /* [count] the order so far */
    int32_t *order;      /* [placed] the new one */
    int64_t count, placed;
    int32_t *root;            /* by value: the value in whose memory it lies */
    int32_t *uses;            /* by root: reads that are still to come */
    int32_t *waiting;         /* by node: inputs that are not there yet */
    int32_t *first, *readers; /* by node: first[n] to first[n+1] are the places of its readers */
    int32_t *ready;           /* nodes that could come next */
    int64_t ready_count;
    char *there; /* by node */
} eager;

static const cj__node *node_at(const eager *e, int32_t index)
{
    return &e->graph->nodes[index];
}

static int32_t input_of(const eager *e, const cj__node *node, int i)
{
    return cj__resolve(e->graph, node->inputs[i]);
}

static int32_t maker_of(const eager *e, int32_t value)
{
    return e->graph->values[value].node;
}

static bool has(const eager *e, int32_t node, unsigned flag)
{
    return cj__info(node_at(e, node))->flags & flag;
}

static double bytes_of(const eager *e, int32_t value)
{
    const cj__value *v = &e->graph->values[value];
    return (double)cj_shape_count(v->shape) * (double)cj_dtype_size(v->dtype);
}

/* --- what is known beforehand -------------------------------------------------------------------------- */

/* What a node makes lies in memory of its own, or in its input's. */
static void find_roots(eager *e)
{
    for (int64_t n = 0; n < e->count; n++) {
        const cj__node *node = node_at(e, e->from[n]);
        bool view = has(e, e->from[n], CJ__VIEW);
        for (int i = 0; i < node->outputs_count; i++)
            e->root[node->first_output + i] = view ? e->root[input_of(e, node, 0)] : node->first_output + i;
    }
}

/* Outputs, the guard and new values of variables are needed to the end: a use that never comes. */
static void count_uses(eager *e)
{
    const cj_graph *g = e->graph;
    for (int64_t n = 0; n < e->count; n++) {
        const cj__node *node = node_at(e, e->from[n]);
        if (has(e, e->from[n], CJ__VIEW)) continue;
        int each = has(e, e->from[n], CJ__EFFECT) ? 2 : 1;
        for (int i = 0; i < node->inputs_count; i++) e->uses[e->root[input_of(e, node, i)]] += each;
    }
    for (int64_t i = 0; i < g->output_count; i++) e->uses[e->root[cj__resolve(g, g->outputs[i].value)]]++;
    if (g->guard >= 0) e->uses[e->root[cj__resolve(g, g->guard)]]++;
}

static void list_readers(eager *e)
{
    for (int64_t n = 0; n < e->count; n++) {
        const cj__node *node = node_at(e, e->from[n]);
        for (int i = 0; i < node->inputs_count; i++) {
            int32_t maker = maker_of(e, input_of(e, node, i));
            if (has(e, maker, CJ__SOURCE)) continue;
            e->first[maker + 1]++;
            e->waiting[e->from[n]]++;
        }
    }
    for (int64_t i = 0; i < e->graph->node_count; i++) e->first[i + 1] += e->first[i];
    int32_t *next = e->order; /* not in use yet */
    memcpy(next, e->first, (size_t)e->graph->node_count * sizeof *next);
    for (int64_t n = 0; n < e->count; n++) {
        const cj__node *node = node_at(e, e->from[n]);
        for (int i = 0; i < node->inputs_count; i++) {
            int32_t maker = maker_of(e, input_of(e, node, i));
            if (!has(e, maker, CJ__SOURCE)) e->readers[next[maker]++] = e->from[n];
        }
    }
}

/* --- placing ------------------------------------------------------------------------------------------- */

static void make_ready(eager *e, int32_t node)
{
    if (!has(e, node, CJ__EFFECT | CJ__SOURCE)) e->ready[e->ready_count++] = node;
}

static void append(eager *e, int32_t node)
{
    e->there[node] = 1;
    e->order[e->placed++] = node;
}

static void place(eager *e, int32_t index)
{
    const cj__node *node = node_at(e, index);
    for (int i = 0; i < node->inputs_count; i++) {
        int32_t value = input_of(e, node, i), maker = maker_of(e, value);
        if (!e->there[maker]) append(e, maker); /* a source */
        if (!has(e, index, CJ__VIEW)) e->uses[e->root[value]]--;
    }
    append(e, index);
    for (int32_t r = e->first[index]; r < e->first[index + 1]; r++)
        if (--e->waiting[e->readers[r]] == 0) make_ready(e, e->readers[r]);
}

/* Bytes that nobody needs once the node has run; where others will read them too, its share in that. */
static double let_go(const eager *e, const cj__node *node)
{
    double bytes = 0;
    for (int i = 0; i < node->inputs_count; i++) {
        int32_t root = e->root[input_of(e, node, i)];
        if (!has(e, maker_of(e, root), CJ__SOURCE)) bytes += bytes_of(e, root) / e->uses[root];
    }
    return bytes;
}

static bool goes_first(const eager *e, int32_t index)
{
    const cj__node *node = node_at(e, index);
    double made = 0;
    if (has(e, index, CJ__VIEW)) return true;
    for (int i = 0; i < node->outputs_count; i++) made += bytes_of(e, node->first_output + i);
    return let_go(e, node) > made;
}

/* Everything that goes first now, in the order in which it became ready. */
static void place_eager(eager *e)
{
    for (int64_t i = 0; i < e->ready_count;) {
        int32_t node = e->ready[i];
        if (!e->there[node] && !goes_first(e, node)) {
            i++;
            continue;
        }
        memmove(e->ready + i, e->ready + i + 1, (size_t)(--e->ready_count - i) * sizeof *e->ready);
        if (e->there[node]) continue;
        place(e, node);
        i = 0;
    }
}

static void reorder(eager *e)
{
    find_roots(e);
    count_uses(e);
    list_readers(e);
    for (int64_t n = 0; n < e->count; n++) {
        if (e->there[e->from[n]]) continue;
        if (has(e, e->from[n], CJ__SOURCE))
            append(e, e->from[n]);
        else
            place(e, e->from[n]);
        place_eager(e);
    }
}

static int64_t count_inputs(const cj_graph *graph, const int32_t *order, int64_t count)
{
    int64_t inputs = 0;
    for (int64_t n = 0; n < count; n++) inputs += graph->nodes[order[n]].inputs_count;
    return inputs;
}

cj_status cj__order_eagerly(const cj_graph *graph, int32_t *order, int64_t count)
{
    size_t nodes = (size_t)graph->node_count + 2, values = (size_t)graph->value_count + 1;
    eager e = {.graph = graph,
               .from = order,
               .count = count,
               .order = cj__allocate(nodes * 4),
               .root = cj__allocate(values * 4),
               .uses = cj__allocate_zeroed(values * 4),
               .waiting = cj__allocate_zeroed(nodes * 4),
               .first = cj__allocate_zeroed(nodes * 4),
               .readers = cj__allocate((size_t)count_inputs(graph, order, count) * 4 + 4),
               .ready = cj__allocate(nodes * 4),
               .there = cj__allocate_zeroed(nodes)};
    bool ok = e.order && e.root && e.uses && e.waiting && e.first && e.readers && e.ready && e.there;
    if (ok) reorder(&e);
    if (ok) memcpy(order, e.order, (size_t)count * sizeof *order);
    cj__free(e.order), cj__free(e.root), cj__free(e.uses), cj__free(e.waiting);
    cj__free(e.first), cj__free(e.readers), cj__free(e.ready), cj__free(e.there);
    return ok ? CJ_OK : cj__out_of_memory(nodes * 24, "ordering a graph");
}

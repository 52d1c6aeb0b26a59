/* A program within a limit of memory: which values of the forward pass are computed again for the gradients
 * (recompute.c) rather than kept. First those that cost least for each byte, made of values that are kept
 * anyway; then stretches of the pass, from its beginning on, of which only what leaves them is kept (Chen et
 * al., "Training Deep Nets with Sublinear Memory Cost", 2016). Each choice is planned in full, so that what
 * is compared is what a run will take. */
#include "base/shape.h"
#include "compile/passes.h"
#include "compile/program.h"
#include "ops/ops.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    double cost_per_byte;
    int32_t node;
} candidate;

typedef struct {
    const cj_graph *graph;
    const cj__backend *backend;
    size_t limit;
    size_t (*run_bytes)(const cj_program *);
    int32_t *order;
    int64_t count, forward; /* nodes, and those of the forward pass: what is late comes after them */
    int64_t *last;       /* by node: place in the order of the last node of the forward pass that reads it */
    bool *late, *wanted; /* by node: made by gradients; read by them though made before */
    bool *again;         /* by node: the choice that is tried */
    candidate *cheap;    /* what is worth computing again by itself, the cheapest first */
    int64_t cheap_count;
    int32_t *stack;
    int64_t *ends;           /* of stretches: places in the order */
    double *kept, *crossing; /* by place: bytes wanted of what lies before it, bytes that cross it */
    cj_program *best;        /* the last that fits */
    size_t plain, least;     /* bytes of a run without computing again, and the fewest so far */
} search;

/* --- what is read, and what it costs ------------------------------------------------------------------- */

static const cj__node *node_at(const search *s, int32_t index)
{
    return &s->graph->nodes[index];
}

static int32_t maker(const search *s, int32_t value)
{
    return s->graph->values[value].node;
}

/* The node that makes what a node reads, beyond views. */
static int32_t source_of(const search *s, int32_t value)
{
    int32_t index = maker(s, value);
    while (cj__is_passing(node_at(s, index))) index = maker(s, node_at(s, index)->inputs[0]);
    return index;
}

static double bytes_of(const search *s, int32_t index)
{
    const cj__node *node = node_at(s, index);
    double bytes = 0;
    for (int i = 0; i < node->outputs_count; i++) {
        const cj__value *v = &s->graph->values[node->first_output + i];
        bytes += (double)cj_shape_count(v->shape) * (double)cj_dtype_size(v->dtype);
    }
    return bytes;
}

static bool is_loop(const cj__node *node)
{
    return node->op == CJ__OP_scan || node->op == CJ__OP_scan_saving;
}

/* Worth a stretch only: products, and what is made of products. */
static bool is_heavy(const cj__node *node)
{
    return cj__info(node)->flags & (CJ__PRODUCT | CJ__WHOLE) || is_loop(node) ||
           node->op == CJ__OP_attention || node->op == CJ__OP_sort ||
           node->op == CJ__OP_convolution_weight_gradient;
}

/* Elements gone through; a product counts a sixteenth of its operations. */
static double cost_of(const search *s, int32_t index)
{
    const cj__node *node = node_at(s, index);
    const cj__value *v = s->graph->values;
    double most = 0;
    for (int i = 0; i < node->inputs_count + node->outputs_count; i++) {
        int32_t value =
            i < node->inputs_count ? node->inputs[i] : node->first_output + i - node->inputs_count;
        double elements = (double)cj_shape_count(v[value].shape);
        if (elements > most) most = elements;
    }
    if (cj__info(node)->flags & CJ__PRODUCT)
        return most + cj__product_operations(node->op, node->attributes, v[node->inputs[0]].shape,
                                             v[node->inputs[1]].shape, v[node->first_output].shape) /
                          16;
    return is_heavy(node) ? 64 * most : most;
}

static void find_readers(search *s)
{
    cj__find_late(s->graph, s->order, s->count, s->late);
    while (s->forward < s->count && !s->late[s->order[s->forward]]) s->forward++;
    for (int64_t place = 0; place < s->count; place++) {
        const cj__node *node = node_at(s, s->order[place]);
        for (int i = 0; !cj__is_passing(node) && i < node->inputs_count; i++) {
            int32_t source = source_of(s, node->inputs[i]);
            if (s->late[s->order[place]])
                s->wanted[source] = !s->late[source];
            else
                s->last[source] = place;
        }
    }
}

static bool is_source(const cj__node *node)
{
    return cj__info(node)->flags & CJ__SOURCE;
}

/* --- cheap values -------------------------------------------------------------------------------------- */

/* Marks what a value is made of, down to what is kept anyway. False: it would need something else kept. */
static bool mark_back(search *s, int32_t index, bool *marked, double *cost)
{
    int64_t depth = 0;
    s->stack[depth++] = index;
    marked[index] = true;
    while (depth > 0) {
        const cj__node *node = node_at(s, s->stack[--depth]);
        *cost += cost_of(s, (int32_t)(node - s->graph->nodes));
        for (int i = 0; i < node->inputs_count; i++) {
            int32_t source = source_of(s, node->inputs[i]);
            if (is_source(node_at(s, source)) || s->wanted[source] || marked[source]) continue;
            if (is_heavy(node_at(s, source))) return false;
            marked[source] = true;
            s->stack[depth++] = source;
        }
    }
    return true;
}

static int compare_candidates(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    int by_cost = (x->cost_per_byte > y->cost_per_byte) - (x->cost_per_byte < y->cost_per_byte);
    return by_cost ? by_cost : (x->node > y->node) - (x->node < y->node);
}

static void find_cheap(search *s)
{
    for (int64_t i = 0; i < s->forward; i++) {
        int32_t index = s->order[i];
        const cj__node *node = node_at(s, index);
        double cost = 0;
        if (!s->wanted[index] || is_source(node) || is_heavy(node)) continue;
        memset(s->again, 0, (size_t)s->graph->node_count);
        if (mark_back(s, index, s->again, &cost))
            s->cheap[s->cheap_count++] = (candidate){cost / (bytes_of(s, index) + 1), index};
    }
    qsort(s->cheap, (size_t)s->cheap_count, sizeof *s->cheap, compare_candidates);
}

/* The cheapest so many are computed again, and what they are made of; what that costs. */
static double choose_cheap(search *s, int64_t count)
{
    double cost = 0;
    memset(s->again, 0, (size_t)s->graph->node_count);
    for (int64_t i = 0; i < count; i++) (void)mark_back(s, s->cheap[i].node, s->again, &cost);
    return cost;
}

/* --- stretches ----------------------------------------------------------------------------------------- */

static void measure_places(search *s)
{
    memset(s->crossing, 0, (size_t)(s->count + 1) * sizeof *s->crossing);
    double kept = 0, crossing = 0;
    for (int64_t i = 0; i < s->forward; i++) {
        int32_t index = s->order[i];
        const cj__node *node = node_at(s, index);
        bool counts = !s->late[index] && !is_source(node) && !cj__is_passing(node);
        if (counts && s->last[index] > i) {
            s->crossing[i] += bytes_of(s, index);
            s->crossing[s->last[index]] -= bytes_of(s, index);
        }
        if (counts && s->wanted[index]) kept += bytes_of(s, index);
        s->kept[i] = kept;
    }
    for (int64_t i = 0; i < s->forward; i++) s->crossing[i] = crossing += s->crossing[i];
}

/* Stretches of about the same bytes, each ended where least crosses. */
static void divide(search *s, int64_t stretches)
{
    double total = s->kept[s->forward - 1], share = total / (double)stretches;
    int64_t from = 0;
    for (int64_t e = 0; e < stretches; e++) {
        double low = share * ((double)e + 0.5), high = share * ((double)e + 1.5);
        int64_t best = -1;
        for (int64_t i = from; i < s->forward && s->kept[i] <= high; i++)
            if (s->kept[i] >= low && (best < 0 || s->crossing[i] < s->crossing[best])) best = i;
        s->ends[e] = best < 0 ? from : best;
        from = s->ends[e];
    }
}

/* The first stretches are computed again, but for what leaves them. Of the others, cheap values are. */
static double choose_stretches(search *s, int64_t count)
{
    double cost = 0;
    int64_t stretch = 0;
    choose_cheap(s, s->cheap_count);
    for (int64_t i = 0; i < s->forward; i++) {
        const cj__node *node = node_at(s, s->order[i]);
        while (stretch < count && i > s->ends[stretch]) stretch++;
        if (s->late[s->order[i]] || is_source(node) || cj__info(node)->flags & CJ__EFFECT || is_loop(node))
            continue;
        if (stretch < count) s->again[s->order[i]] = s->last[s->order[i]] <= s->ends[stretch];
        if (s->again[s->order[i]]) cost += cost_of(s, s->order[i]);
    }
    return cost;
}

/* --- trying -------------------------------------------------------------------------------------------- */

static int64_t count_repeated(const search *s)
{
    int64_t count = 0;
    for (int64_t i = 0; i < s->graph->node_count; i++) count += s->again[i];
    return count;
}

static cj_status plan(const search *s, bool plain, cj_program **program)
{
    cj_graph *repeated = NULL, *fused = NULL;
    *program = NULL;
    if (!plain) CJ__TRY(cj__recompute(s->graph, s->again, &repeated));
    cj_status status =
        cj__fuse(plain ? s->graph : repeated, CJ__FUSE_ALL | (plain ? 0 : CJ__FUSE_APART), &fused);
    if (status == CJ_OK) status = cj__plan(fused, s->backend, false, program);
    cj_graph_free(fused);
    cj_graph_free(repeated);
    return status;
}

/* Plans the choice; the program is kept where it fits. */
static cj_status try(search *s, bool plain, bool *fits)
{
    cj_program *program;
    CJ__TRY(plan(s, plain, &program));
    size_t bytes = s->run_bytes(program);
    *fits = bytes <= s->limit;
    if (plain) s->plain = s->least = bytes;
    if (bytes < s->least) s->least = bytes;
    cj_program *worse = program;
    if (*fits) {
        program->memory = s->limit;
        program->repeated = plain ? 0 : count_repeated(s);
        worse = s->best;
        s->best = program;
    }
    cj_program_free(worse);
    return CJ_OK;
}

/* The fewest of up to `most` that, chosen so, are enough; 0: not even all of them are. */
static cj_status fewest(search *s, double (*choose)(search *s, int64_t count), int64_t most, int64_t *count)
{
    bool fits;
    int64_t low = 0, high = most;
    *count = 0;
    choose(s, high);
    CJ__TRY(try(s, false, &fits));
    while (fits && high - low > 1) { /* low are not, high are */
        int64_t middle = low + (high - low) / 2;
        bool enough;
        choose(s, middle);
        CJ__TRY(try(s, false, &enough));
        if (enough)
            high = middle;
        else
            low = middle;
    }
    if (fits) *count = high;
    return CJ_OK;
}

static cj_status try_stretches(search *s)
{
    static const int64_t sizes[] = {2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64};
    int64_t best = 0, best_count = 0;
    double least = 0;
    bool fits;
    measure_places(s);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes && sizes[i] < s->count; i++) {
        int64_t count;
        divide(s, sizes[i]);
        /* The last stretch is needed at once: to compute it again would free nothing. */
        CJ__TRY(fewest(s, choose_stretches, sizes[i] - 1, &count));
        double cost = count ? choose_stretches(s, count) : 0;
        if (count == 0 || (best && cost >= least)) continue;
        best = sizes[i], best_count = count, least = cost;
    }
    if (!best) return CJ_OK;
    divide(s, best);
    choose_stretches(s, best_count);
    return try(s, false, &fits);
}

static cj_status too_little(const search *s)
{
    return cj__fail(
        CJ_UNSUPPORTED,
        "memory: %zu bytes are too few: a run takes %zu, and %zu at least when values are computed "
        "again for gradients; hint: a smaller batch takes less",
        s->limit, s->plain, s->least);
}

static cj_status find(search *s)
{
    bool fits;
    int64_t count;
    CJ__TRY(try(s, true, &fits));
    if (fits) return CJ_OK;
    find_readers(s);
    find_cheap(s);
    if (s->cheap_count > 0) CJ__TRY(fewest(s, choose_cheap, s->cheap_count, &count));
    if (!s->best && s->forward > 0) CJ__TRY(try_stretches(s));
    return s->best ? CJ_OK : too_little(s);
}

static cj_status begin(search *s)
{
    size_t nodes = (size_t)s->graph->node_count + 1;
    CJ__TRY(cj__order(s->graph, &s->order, &s->count));
    s->last = cj__allocate_zeroed(nodes * sizeof *s->last);
    s->late = cj__allocate_zeroed(nodes);
    s->wanted = cj__allocate_zeroed(nodes);
    s->again = cj__allocate_zeroed(nodes);
    s->cheap = cj__allocate(nodes * sizeof *s->cheap);
    s->stack = cj__allocate(nodes * sizeof *s->stack);
    s->ends = cj__allocate((nodes + 64) * sizeof *s->ends);
    s->kept = cj__allocate(nodes * sizeof *s->kept);
    s->crossing = cj__allocate(nodes * sizeof *s->crossing);
    bool ok = s->last && s->late && s->wanted && s->again && s->cheap && s->stack && s->ends && s->kept &&
              s->crossing;
    return ok ? CJ_OK : cj__out_of_memory(nodes * 64, "fitting a program into memory");
}

cj_status cj__within(const cj_graph *graph, const cj__backend *backend, size_t limit,
                     size_t (*run_bytes)(const cj_program *), cj_program **program)
{
    search s = {.graph = graph, .backend = backend, .limit = limit, .run_bytes = run_bytes};
    cj_status status = begin(&s);
    if (status == CJ_OK) status = find(&s);
    cj__free(s.order);
    cj__free(s.last);
    cj__free(s.late);
    cj__free(s.wanted);
    cj__free(s.again);
    cj__free(s.cheap);
    cj__free(s.stack);
    cj__free(s.ends);
    cj__free(s.kept);
    cj__free(s.crossing);
    if (status == CJ_OK)
        *program = s.best;
    else
        cj_program_free(s.best);
    return status;
}

/* Fusion: elementwise nodes of one shape that feed each other become one chain, so that intermediate values
 * stay in L1. A product that feeds a chain takes it along, to be applied to each block of the result while
 * that is in cache; sums and maxima of a chain's values are folded on the way. Groups become one unless a
 * path leads out of them and back in. */
#include "compile/fuse.h"

#include <string.h>

typedef cj__fusion fusion;

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

/* Puts groups on the stack that the members need and that may lead to `early`: nothing before it can. True:
 * one of them is `early`. */
static bool push_needs(fusion *f, int32_t group, int32_t early, int64_t *depth)
{
    bool found = false;
    for (int32_t member = group; member >= 0; member = f->next[member]) {
        const cj__node *node = &f->from->nodes[member];
        for (int i = 0; i < node->inputs_count; i++) {
            int32_t other = f->group[cj__maker(f, node->inputs[i])];
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
        int32_t mine = f->group[index], producer = cj__maker(f, node->inputs[i]), group = f->group[producer];
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

int32_t cj__product_in(const fusion *f, int32_t group)
{
    for (int32_t member = group; member >= 0; member = f->next[member])
        if (cj__is_product(&f->from->nodes[member])) return member;
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
        if (cj__is_product(&f->from->nodes[cj__maker(f, node->inputs[i])]) &&
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
    if (cj__product_in(f, group) >= 0 || updates(f, group) || is_for_reductions(f, group)) return;
    for (int32_t member = group; member >= 0; member = f->next[member]) {
        const cj__node *node = &from->nodes[member];
        for (int i = 0; i < node->inputs_count; i++) {
            int32_t producer = cj__maker(f, node->inputs[i]);
            const cj__value *value = &from->values[node->inputs[i]];
            if (cj__is_product(&from->nodes[producer]) && alone(f, producer) && value->dtype == CJ_F32 &&
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

bool cj__foldable(const fusion *f, const cj__node *node, cj__folding *folding)
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
bool cj__is_chain(const fusion *f, int32_t group)
{
    const cj__node *node = &f->from->nodes[group];
    cj__folding folding;
    return f->next[group] >= 0 || fusible(f->from, node) ||
           (cj__foldable(f, node, &folding) && folding.parts > 1);
}

/* A group's reductions all see the chain as the same rows and columns. */
static bool same_folding(const fusion *f, int32_t group, const cj__folding *wanted)
{
    cj__folding other;
    for (int32_t member = group; member >= 0; member = f->next[member])
        if (cj__foldable(f, &f->from->nodes[member], &other) &&
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
    if (!cj__foldable(f, node, &folding)) return;
    int32_t operand = node->inputs[0], group = f->group[cj__maker(f, operand)];
    if (!fusible(f->from, &f->from->nodes[cj__maker(f, operand)]) || cj__product_in(f, group) >= 0) {
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
            if (f->group[cj__maker(f, node->inputs[k])] != f->group[f->order[i]])
                f->used_outside[node->inputs[k]] = true;
    }
    for (int64_t i = 0; i < from->output_count; i++) f->used_outside[from->outputs[i].value] = true;
    if (from->guard >= 0) f->used_outside[from->guard] = true;
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

static void count_readers(fusion *f)
{
    for (int64_t i = 0; i < f->count; i++) {
        const cj__node *node = &f->from->nodes[f->order[i]];
        cj__folding folding;
        for (int k = 0; k < node->inputs_count; k++) f->readers[node->inputs[k]]++;
        if (cj__foldable(f, node, &folding)) f->folds[node->inputs[0]]++;
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
        status = cj__write_groups(&f);
    }
    fusion_end(&f);
    return cj__hand_over(status, f.to, to);
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

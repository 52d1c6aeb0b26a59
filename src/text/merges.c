/* The table of pairs, and two ways to merge by it: a short row is looked through each time, a long one has
 * its pairs in a heap, so that a hostile text costs no more than n log n. Both do the same. */
#include "text/merges.h"

#include <string.h>

/* --- the table ----------------------------------------------------------------------------------------- */

static uint64_t pair_of(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

static int64_t slot_of(const cj__merges *m, uint64_t pair)
{
    uint64_t hash = pair * 0x9e3779b97f4a7c15u;
    int64_t mask = m->slot_count - 1, slot = (int64_t)(hash >> 32) & mask;
    while (m->slots[slot].whole >= 0 && m->slots[slot].pair != pair) slot = (slot + 1) & mask;
    return slot;
}

static cj_status widen(cj__merges *m)
{
    cj__merges wide = {.count = m->count, .slot_count = m->slot_count ? 2 * m->slot_count : 64};
    size_t bytes = (size_t)wide.slot_count * sizeof *wide.slots;
    wide.slots = cj__allocate(bytes);
    if (!wide.slots) return cj__out_of_memory(bytes, "a table of merges");
    memset(wide.slots, 0xff, bytes);
    for (int64_t i = 0; i < m->slot_count; i++)
        if (m->slots[i].whole >= 0) wide.slots[slot_of(&wide, m->slots[i].pair)] = m->slots[i];
    cj__free(m->slots);
    *m = wide;
    return CJ_OK;
}

cj_status cj__merges_add(cj__merges *m, int32_t left, int32_t right, int32_t whole, float cost)
{
    if (2 * (m->count + 1) > m->slot_count) CJ__TRY(widen(m));
    uint64_t pair = pair_of(left, right);
    cj__merge *slot = &m->slots[slot_of(m, pair)];
    if (slot->whole >= 0 && slot->cost <= cost) return CJ_OK;
    m->count += slot->whole < 0;
    *slot = (cj__merge){pair, cost, whole};
    return CJ_OK;
}

const cj__merge *cj__merges_find(const cj__merges *m, int32_t left, int32_t right)
{
    if (!m->slot_count) return NULL;
    const cj__merge *slot = &m->slots[slot_of(m, pair_of(left, right))];
    return slot->whole >= 0 ? slot : NULL;
}

void cj__merges_free(cj__merges *m)
{
    cj__free(m->slots);
    *m = (cj__merges){0};
}

/* --- a short row --------------------------------------------------------------------------------------- */

enum { SHORT = 48 };

/* Pair i is of ids[i] and ids[i + 1]; merging one asks anew for two. */
static int64_t merge_short(const cj__merges *m, int32_t *ids, int64_t count)
{
    const cj__merge *pairs[SHORT];
    for (int64_t i = 0; i + 1 < count; i++) pairs[i] = cj__merges_find(m, ids[i], ids[i + 1]);
    for (;;) {
        int64_t best = -1;
        for (int64_t i = 0; i + 1 < count; i++)
            if (pairs[i] && (best < 0 || pairs[i]->cost < pairs[best]->cost)) best = i;
        if (best < 0) return count;
        ids[best] = pairs[best]->whole;
        count--;
        for (int64_t i = best + 1; i < count; i++) ids[i] = ids[i + 1];
        for (int64_t i = best + 1; i + 1 < count; i++) pairs[i] = pairs[i + 1];
        if (best > 0) pairs[best - 1] = cj__merges_find(m, ids[best - 1], ids[best]);
        if (best + 1 < count) pairs[best] = cj__merges_find(m, ids[best], ids[best + 1]);
    }
}

/* --- a long row ---------------------------------------------------------------------------------------- */

/* A pair that was there when it was put in the heap, which it still is while both tokens are the same. */
typedef struct {
    float cost;
    int32_t left, right, whole;
    int64_t place; /* of the left one */
} candidate;

typedef struct {
    const cj__merges *merges;
    int32_t *ids;            /* [count]; -1: merged into the one before */
    int64_t *before, *after; /* [count] places of neighbours, -1: none */
    int64_t count;
    candidate *heap; /* the best first */
    int64_t heap_count, heap_room;
} row;

static bool is_better(const candidate *a, const candidate *b)
{
    return a->cost < b->cost || (a->cost == b->cost && a->place < b->place);
}

static cj_status push(row *r, int64_t place)
{
    if (place < 0 || r->after[place] < 0) return CJ_OK;
    int32_t left = r->ids[place], right = r->ids[r->after[place]];
    const cj__merge *merge = cj__merges_find(r->merges, left, right);
    if (!merge) return CJ_OK;
    CJ__TRY(cj__grow(&r->heap, &r->heap_room, r->heap_count, sizeof *r->heap));
    candidate one = {merge->cost, left, right, merge->whole, place};
    int64_t at = r->heap_count++;
    for (; at > 0 && is_better(&one, &r->heap[(at - 1) / 2]); at = (at - 1) / 2)
        r->heap[at] = r->heap[(at - 1) / 2];
    r->heap[at] = one;
    return CJ_OK;
}

static candidate pop(row *r)
{
    candidate best = r->heap[0], last = r->heap[--r->heap_count];
    int64_t at = 0;
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= r->heap_count) break;
        if (child + 1 < r->heap_count && is_better(&r->heap[child + 1], &r->heap[child])) child++;
        if (!is_better(&r->heap[child], &last)) break;
        r->heap[at] = r->heap[child];
        at = child;
    }
    r->heap[at] = last;
    return best;
}

static bool still_there(const row *r, const candidate *c)
{
    return r->ids[c->place] == c->left && r->after[c->place] >= 0 && r->ids[r->after[c->place]] == c->right;
}

static cj_status merge(row *r, const candidate *c)
{
    int64_t gone = r->after[c->place], next = r->after[gone];
    r->ids[c->place] = c->whole;
    r->ids[gone] = -1;
    r->after[c->place] = next;
    if (next >= 0) r->before[next] = c->place;
    CJ__TRY(push(r, r->before[c->place]));
    return push(r, c->place);
}

static cj_status merge_row(row *r)
{
    for (int64_t i = 0; i < r->count; i++) {
        r->before[i] = i - 1;
        r->after[i] = i + 1 < r->count ? i + 1 : -1;
    }
    for (int64_t i = 0; i < r->count; i++) CJ__TRY(push(r, i));
    while (r->heap_count > 0) {
        candidate best = pop(r);
        if (still_there(r, &best)) CJ__TRY(merge(r, &best));
    }
    return CJ_OK;
}

static cj_status merge_long(const cj__merges *m, int32_t *ids, int64_t *count)
{
    size_t bytes = (size_t)*count * sizeof(int64_t);
    row r = {.merges = m, .ids = ids, .count = *count};
    r.before = cj__allocate(bytes);
    r.after = cj__allocate(bytes);
    cj_status status = r.before && r.after ? merge_row(&r) : cj__out_of_memory(2 * bytes, "a long text");
    cj__free(r.before);
    cj__free(r.after);
    cj__free(r.heap);
    *count = 0;
    for (int64_t i = 0; i < r.count; i++)
        if (ids[i] >= 0) ids[(*count)++] = ids[i];
    return status;
}

cj_status cj__merges_apply(const cj__merges *m, cj_tokens *tokens, int64_t first)
{
    int64_t count = tokens->count - first;
    cj_status status = CJ_OK;
    if (count < 2) return CJ_OK;
    if (count <= SHORT)
        count = merge_short(m, tokens->ids + first, count);
    else
        status = merge_long(m, tokens->ids + first, &count);
    tokens->count = first + count;
    return status;
}

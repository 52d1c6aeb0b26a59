/* Counting strings, and putting them in order. */
#include "text/counts.h"

#include <stdlib.h>
#include <string.h>

cj_status cj__counts_add(cj__counts *c, const char *bytes, size_t size, int64_t times)
{
    int32_t number;
    int64_t before = c->pieces.count;
    CJ__TRY(cj__grow(&c->times, &c->room, before, sizeof *c->times));
    CJ__TRY(cj__pieces_add(&c->pieces, bytes, size, &number));
    if (number == before) c->times[number] = 0;
    c->times[number] += times;
    return CJ_OK;
}

typedef struct {
    const cj__piece *piece;
    int64_t times, number;
} entry;

static int compare(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->times != y->times) return x->times < y->times ? 1 : -1;
    size_t size = x->piece->size < y->piece->size ? x->piece->size : y->piece->size;
    int order = memcmp(x->piece->bytes, y->piece->bytes, size);
    return order ? order : (x->piece->size > y->piece->size) - (x->piece->size < y->piece->size);
}

cj_status cj__counts_order(const cj__counts *c, int64_t least, int64_t **order, int64_t *count)
{
    size_t bytes = (size_t)c->pieces.count * sizeof(entry) + 1;
    entry *list = cj__allocate(bytes);
    *order = cj__allocate((size_t)c->pieces.count * sizeof **order + 1);
    *count = 0;
    if (!list || !*order) {
        cj__free(list);
        return cj__out_of_memory(bytes, "counts of words");
    }
    for (int64_t i = 0; i < c->pieces.count; i++)
        if (c->times[i] >= least) list[(*count)++] = (entry){&c->pieces.list[i], c->times[i], i};
    qsort(list, (size_t)*count, sizeof *list, compare);
    for (int64_t i = 0; i < *count; i++) (*order)[i] = list[i].number;
    cj__free(list);
    return CJ_OK;
}

void cj__counts_free(cj__counts *c)
{
    cj__pieces_free(&c->pieces);
    cj__free(c->times);
    *c = (cj__counts){0};
}

/* What drawing, definition and kernels of attention share: its sizes, where its operands stand, and which
 * keys a query sees. */
#ifndef CJ__ATTENTION_H
#define CJ__ATTENTION_H

#include "graph/op.h"

/* query: [N,T,H,D], key and value: [N,S,G,D]; head h of the queries reads head h / (H / G) of the keys */
typedef struct {
    int64_t examples, queries, keys, heads, key_heads, width;
} cj__attention_sizes;

/* Where the operands stand that not every attention has; -1: it has none. */
typedef struct {
    int bias, first, lengths, mask, counter;
} cj__attention_places;

/* Tensors in front of those: query, key, value; and in the gradient also log-sum-exp, delta, cotangent. */
enum { CJ__ATTENTION_TENSORS = 3, CJ__ATTENTION_GRADIENT_TENSORS = 6, CJ__ATTENTION_MORE = 5 /* at most */ };

static inline cj__attention_sizes cj__attention_sizes_of(cj_shape_t query, cj_shape_t key)
{
    return (cj__attention_sizes){query.dims[0], query.dims[1], key.dims[1],
                                 query.dims[2], key.dims[2],   query.dims[3]};
}

static inline cj__attention_places cj__attention_places_of(const cj__attention_attributes *a, int tensors)
{
    cj__attention_places p;
    p.bias = a->has & CJ__ATTENTION_BIAS ? tensors++ : -1;
    p.first = a->has & CJ__ATTENTION_FIRST ? tensors++ : -1;
    p.lengths = a->has & CJ__ATTENTION_LENGTHS ? tensors++ : -1;
    p.mask = a->has & CJ__ATTENTION_MASK ? tensors++ : -1;
    p.counter = a->rate > 0 ? tensors++ : -1;
    return p;
}

/* How many keys, from the first on, query i sees, where the queries begin at position `first` among the keys
 * and `length` of them count. */
static inline int64_t cj__attention_visible(const cj__attention_attributes *a, int64_t keys, int64_t first,
                                            int64_t length, int64_t i)
{
    int64_t visible = length < keys ? length : keys;
    if (a->causal && first + i + 1 < visible) visible = first + i + 1;
    return visible > 0 ? visible : 0;
}

/* The draw that decides whether probability j of a row is dropped is number row · stride + j of its stream,
 * rows counted over [N,H,T]. */
static inline int64_t cj__attention_draw_stride(int64_t keys)
{
    return (keys + 3) / 4 * 4;
}

#endif

/* Order along an axis, for every element type but f64: sorting, the first few in order, where the extreme is.
 * Elements are compared by integer keys in which NaN, both zeros and all signs stand where they belong; ties
 * go by index, so that the order is one and the result stable. */
#include "base/bf16.h"
#include "cpu/backend.h"

typedef struct {
    int64_t lines, length, inner; /* lines: those along the axis, all others counted */
    int64_t lines_a_task;
    int64_t axis, count;
    bool descending;
} order_data;

/* A float's bits as an integer that sorts alike: NaN above all, -0 as 0. */
static int64_t float_key(float x)
{
    int32_t bits;
    if (x != x) return INT64_MAX;
    if (x == 0) return 0;
    memcpy(&bits, &x, 4);
    return bits < 0 ? -(int64_t)(bits & INT32_MAX) : bits;
}

static int64_t key_of(cj_dtype dtype, const void *x, int64_t at)
{
    switch (dtype) {
    case CJ_F32:
        return float_key(((const float *)x)[at]);
    case CJ_BF16:
        return float_key(cj__bf16_to_float(((const uint16_t *)x)[at]));
    case CJ_I32:
        return ((const int32_t *)x)[at];
    case CJ_I64:
        return ((const int64_t *)x)[at];
    default:
        return ((const uint8_t *)x)[at];
    }
}

static const char *refuse(const cj__launch *launch)
{
    if (launch->op != CJ__OP_sort && launch->op != CJ__OP_argmax && launch->op != CJ__OP_argmin) return "";
    return launch->types[0].dtype == CJ_F64 ? "it orders no f64" : NULL;
}

enum { TASK_ELEMENTS = 4096 };

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    order_data *d = cj__arena_allocate(arena, sizeof *d);
    if (!d) return cj__out_of_memory(sizeof *d, "an ordering");
    cj_shape_t x = launch->types[0].shape;
    if (launch->op == CJ__OP_sort) {
        const cj__sort_attributes *a = launch->attributes;
        d->axis = a->axis;
        d->count = a->count;
        d->descending = a->descending != 0;
        launch->scratch_bytes = (size_t)d->count * (sizeof(int64_t) + sizeof(int32_t));
    } else {
        d->axis = ((const cj__axis_attributes *)launch->attributes)->axis;
    }
    d->length = x.dims[d->axis];
    d->inner = d->lines = 1;
    for (int64_t i = 0; i < x.rank; i++) d->lines *= i == d->axis ? 1 : x.dims[i];
    for (int64_t i = d->axis + 1; i < x.rank; i++) d->inner *= x.dims[i];
    d->lines_a_task = d->length ? TASK_ELEMENTS / d->length : TASK_ELEMENTS;
    if (d->lines_a_task < 1) d->lines_a_task = 1;
    launch->tasks = (d->lines + d->lines_a_task - 1) / d->lines_a_task;
    launch->data = d;
    return CJ_OK;
}

/* --- extremes ------------------------------------------------------------------------------------------ */

/* The largest, or with `smallest` the smallest; NaN, whose key no number has, before either. */
static int32_t first_extreme(const order_data *d, cj_dtype dtype, const void *x, int64_t start, bool smallest)
{
    bool is_float = dtype == CJ_F32 || dtype == CJ_BF16;
    int64_t best = key_of(dtype, x, start);
    int32_t place = 0;
    for (int64_t k = 1; k < d->length && !(is_float && best == INT64_MAX); k++) {
        int64_t key = key_of(dtype, x, start + k * d->inner);
        bool better = smallest ? key < best || (is_float && key == INT64_MAX) : key > best;
        if (!better) continue;
        best = key;
        place = (int32_t)k;
    }
    return place;
}

/* The same for f32 side by side, as in rows of logits. */
static int32_t first_extreme_f32(int64_t n, const float *x, bool smallest)
{
    float best = x[0];
    int32_t place = 0;
    for (int64_t k = 1; k < n && best == best; k++) {
        bool better = (smallest ? x[k] < best : x[k] > best) || x[k] != x[k];
        best = better ? x[k] : best;
        place = better ? (int32_t)k : place;
    }
    return place;
}

/* --- sorting ------------------------------------------------------------------------------------------- */

/* The `count` elements that come first, in a heap with the last of them on top (Williams, 1964). */
typedef struct {
    int64_t *keys;
    int32_t *places;
    int64_t count;
    bool descending;
} heap;

static bool after(const heap *h, int64_t key, int32_t place, int64_t other_key, int32_t other_place)
{
    if (key == other_key) return place > other_place;
    return (key > other_key) != h->descending;
}

/* Puts an element in place of the top of the first `size`, and the heap in order again. */
static void sift(heap *h, int64_t size, int64_t hole, int64_t key, int32_t place)
{
    for (int64_t child; (child = 2 * hole + 1) < size; hole = child) {
        if (child + 1 < size &&
            after(h, h->keys[child + 1], h->places[child + 1], h->keys[child], h->places[child]))
            child++;
        if (!after(h, h->keys[child], h->places[child], key, place)) break;
        h->keys[hole] = h->keys[child];
        h->places[hole] = h->places[child];
    }
    h->keys[hole] = key;
    h->places[hole] = place;
}

static void sort_line(const order_data *d, cj_dtype dtype, const void *x, int64_t start, heap *h)
{
    for (int64_t k = 0; k < h->count; k++) {
        h->keys[k] = key_of(dtype, x, start + k * d->inner);
        h->places[k] = (int32_t)k;
    }
    for (int64_t k = h->count / 2; k-- > 0;) sift(h, h->count, k, h->keys[k], h->places[k]);
    for (int64_t k = h->count; h->count && k < d->length; k++) {
        int64_t key = key_of(dtype, x, start + k * d->inner);
        if (after(h, h->keys[0], h->places[0], key, (int32_t)k)) sift(h, h->count, 0, key, (int32_t)k);
    }
    for (int64_t size = h->count - 1; size > 0; size--) {
        int64_t key = h->keys[size];
        int32_t place = h->places[size];
        h->keys[size] = h->keys[0];
        h->places[size] = h->places[0];
        sift(h, size, 0, key, place);
    }
}

static void run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    const order_data *d = launch->data;
    cj_dtype dtype = launch->types[0].dtype;
    size_t bytes = cj_dtype_size(dtype);
    const char *x = operands[0];
    heap h = {scratch, (int32_t *)((int64_t *)scratch + d->count), d->count, d->descending};
    int64_t to = (task + 1) * d->lines_a_task;
    for (int64_t line = task * d->lines_a_task; line < to && line < d->lines; line++) {
        int64_t outer = line / d->inner, inner = line % d->inner,
                start = outer * d->length * d->inner + inner;
        if (launch->op != CJ__OP_sort) {
            bool smallest = launch->op == CJ__OP_argmin, simple = dtype == CJ_F32 && d->inner == 1;
            ((int32_t *)operands[1])[line] =
                simple ? first_extreme_f32(d->length, (const float *)operands[0] + start, smallest)
                       : first_extreme(d, dtype, x, start, smallest);
            continue;
        }
        sort_line(d, dtype, x, start, &h);
        for (int64_t k = 0; k < d->count; k++) {
            int64_t out = (outer * d->count + k) * d->inner + inner;
            memcpy((char *)operands[1] + (size_t)out * bytes,
                   x + (size_t)(start + h.places[k] * d->inner) * bytes, bytes);
            ((int32_t *)operands[2])[out] = h.places[k];
        }
    }
}

const cj__kernel cj__order_kernel = {
    .name = "order", .op = -1, .refuse = refuse, .prepare = prepare, .run = run};

/* Pooling: the largest element or the sum of each window of [N,size…,C], channel by channel, and what flows
 * back. The places of the largest are found again rather than kept: a window is small, memory is far. */
#include "ops/ops.h"
#include "ops/window.h"

#include <math.h>
#include <string.h>

/* --- constructors -------------------------------------------------------------------------------------- */

/* The number of windows of a pooling that also counts one that begins inside and ends outside. A last window
 * that would see nothing but padding is left out, as PyTorch does. */
static void round_up(cj__window_attributes *a, int d, int64_t size)
{
    int64_t reach = a->dilation[d] * (a->kernel[d] - 1) + 1, room = size + a->before[d] + a->after[d] - reach;
    if (room < 0) return;
    int64_t windows = (room + a->stride[d] - 1) / a->stride[d] + 1;
    if ((windows - 1) * a->stride[d] >= size + a->before[d]) windows--;
    int64_t wanted = (windows - 1) * a->stride[d] + reach - size - a->before[d];
    if (wanted > a->after[d]) a->after[d] = wanted;
}

static cj__window_attributes pool_attributes(const cj_pool_options *o)
{
    cj_shape_t x = cj_value_shape(o->input);
    cj__window_attributes a = {.rank = x.rank - 2, .groups = 1};
    for (int d = 0; d < a.rank && d < CJ__SPATIAL; d++) {
        int64_t size = x.dims[1 + d];
        a.kernel[d] = cj__along(o->kernels, d, o->kernel, 2);
        a.stride[d] = cj__along(o->strides, d, o->stride, a.kernel[d]);
        a.dilation[d] = cj__along(o->dilations, d, o->dilation, 1);
        a.before[d] = a.after[d] = cj__along(o->pads, d, o->pad, 0);
        if (o->padding == CJ_SAME) cj__pad_same(&a, d, size);
        if (o->ceil && a.stride[d] > 0) round_up(&a, d, size);
    }
    return a;
}

void cj__pad_same(cj__window_attributes *a, int d, int64_t size)
{
    if (a->stride[d] < 1) return;
    int64_t windows = (size + a->stride[d] - 1) / a->stride[d];
    int64_t pad = (windows - 1) * a->stride[d] + a->dilation[d] * (a->kernel[d] - 1) + 1 - size;
    a->before[d] = pad > 0 ? pad / 2 : 0;
    a->after[d] = pad > 0 ? pad - pad / 2 : 0;
}

cj_value cj_max_pool(const cj_pool_options *o)
{
    cj__window_attributes a = pool_attributes(o);
    return cj__draw1(CJ__OP_max_pool, &a, o->input);
}

/* How many elements window i along an axis is divided by: those inside, or also explicit padding, but never
 * what rounding up added. */
static int64_t weight_along(const cj__window_attributes *a, int d, int64_t size, int64_t pad, bool inside,
                            int64_t i)
{
    int64_t start = i * a->stride[d] - a->before[d], count = 0;
    for (int64_t k = 0; k < a->kernel[d]; k++) {
        int64_t at = start + k * a->dilation[d];
        count += inside ? at >= 0 && at < size : at < size + pad;
    }
    return count;
}

/* 1 / elements of each window: [1,result…,1] */
static cj_value window_shares(const cj_pool_options *o, const cj__window_attributes *a, cj_shape_t y)
{
    cj_shape_t x = cj_value_shape(o->input), shape = {.rank = y.rank};
    cj_value shares = cj_constant(o->input.graph, cj_value_dtype(o->input), 1);
    for (int d = 0; d < y.rank; d++) shape.dims[d] = 1;
    for (int d = 0; d < a->rank; d++) {
        cj_shape_t along = shape;
        int64_t pad = cj__along(o->pads, d, o->pad, 0);
        bool inside = o->exclude_padding || o->padding == CJ_SAME;
        along.dims[1 + d] = y.dims[1 + d];
        float *counts = cj__allocate((size_t)y.dims[1 + d] * sizeof *counts);
        if (!counts) return cj__graph_error(o->input.graph, CJ_OUT_OF_MEMORY, "out of memory for pooling");
        for (int64_t i = 0; i < y.dims[1 + d]; i++)
            counts[i] = 1.0f / (float)weight_along(a, d, x.dims[1 + d], pad, inside, i);
        cj_tensor tensor = {counts, CJ_F32, along};
        shares = cj_mul(shares, cj_cast(cj_constant_tensor(o->input.graph, &tensor), cj_value_dtype(shares)));
        cj__free(counts);
    }
    return shares;
}

static bool counts_differ(const cj_pool_options *o, const cj__window_attributes *a)
{
    for (int d = 0; d < a->rank; d++) {
        int64_t pad = cj__along(o->pads, d, o->pad, 0);
        if (o->ceil || o->padding == CJ_SAME || (o->exclude_padding && pad > 0)) return true;
    }
    return false;
}

cj_value cj_average_pool(const cj_pool_options *o)
{
    cj__window_attributes a = pool_attributes(o);
    double elements = 1;
    cj_value sums = cj__draw1(CJ__OP_sum_pool, &a, o->input);
    if (!cj_value_ok(sums)) return sums;
    for (int d = 0; d < a.rank; d++) elements *= (double)a.kernel[d];
    return counts_differ(o, &a) ? cj_mul(sums, window_shares(o, &a, cj_value_shape(sums)))
                                : cj_scale(sums, 1 / elements);
}

/* sums^(1/p). A window of zeros takes another way round the root, whose slope there is infinite: its elements
 * have the gradient 0, as PyTorch gives them, not 0 · ∞. */
static cj_value root(cj_value sums, double p)
{
    cj_value zero = cj__full_like(sums, 0), some = cj_not_equal(sums, zero);
    cj_value safe = cj_select(some, sums, cj__full_like(sums, 1));
    cj_value power = p == 2 ? cj_sqrt(safe) : cj_pow(safe, cj__full_like(safe, 1 / p));
    return cj_select(some, power, zero);
}

/* (Σ |x|^p)^(1/p); p = 2 where none is given. */
cj_value cj_power_pool(const cj_pool_options *o)
{
    cj__window_attributes a = pool_attributes(o);
    double p = o->power ? o->power : 2;
    if (!cj_value_ok(o->input)) return cj__poison(o->input.graph);
    cj_value powers = p == 2 ? cj_square(o->input) : cj_pow(cj_abs(o->input), cj__full_like(o->input, p));
    return root(cj__draw1(CJ__OP_sum_pool, &a, powers), p);
}

static cj__window_attributes adaptive_attributes(cj_value x, cj_shape_t result)
{
    cj__window_attributes a = {.rank = cj_value_shape(x).rank - 2, .groups = 1, .adaptive = 1};
    for (int64_t d = 0; d < result.rank && d < CJ__SPATIAL; d++) a.size[d] = result.dims[d];
    return a;
}

cj_value cj_adaptive_max_pool(cj_value x, cj_shape_t result)
{
    cj__window_attributes a = adaptive_attributes(x, result);
    return cj__draw1(CJ__OP_max_pool, &a, x);
}

cj_value cj_adaptive_average_pool(cj_value x, cj_shape_t result)
{
    cj__window_attributes a = adaptive_attributes(x, result);
    cj_value sums = cj__draw1(CJ__OP_sum_pool, &a, x);
    if (!cj_value_ok(sums)) return sums;
    cj_shape_t size = cj_value_shape(x), shape = {.rank = size.rank};
    for (int64_t d = 0; d < size.rank; d++) shape.dims[d] = d > 0 && d < size.rank - 1 ? size.dims[d] : 1;
    cj_value ones = cj_broadcast(cj_constant(x.graph, cj_value_dtype(x), 1), shape);
    return cj_div(sums, cj__draw1(CJ__OP_sum_pool, &a, ones));
}

cj_value cj_global_average_pool(cj_value x)
{
    cj_axes_t axes = {.count = (int)cj_value_shape(x).rank - 2};
    if (!cj_value_ok(x)) return cj__poison(x.graph);
    if (axes.count < 1)
        return cj__graph_error(x.graph, CJ_SHAPE_ERROR, "global_average_pool needs [N,spatial…,C]");
    for (int d = 0; d < axes.count; d++) axes.axis[d] = 1 + d;
    return cj_mean(x, axes, CJ_DROP_AXES);
}

/* --- gradients ----------------------------------------------------------------------------------------- */

void cj__max_pool_vjp(cj__vjp *v)
{
    v->gradients[0] = cj__draw2(CJ__OP_max_pool_gradient, v->attributes, v->inputs[0], v->cotangents[0]);
}

void cj__max_pool_gradient_vjp(cj__vjp *v)
{
    if (v->wanted[1])
        v->gradients[1] = cj__draw2(CJ__OP_max_pool_pick, v->attributes, v->inputs[0], v->cotangents[0]);
}

void cj__max_pool_pick_vjp(cj__vjp *v)
{
    if (v->wanted[1])
        v->gradients[1] = cj__draw2(CJ__OP_max_pool_gradient, v->attributes, v->inputs[0], v->cotangents[0]);
}

static cj_value scatter_or_gather(cj__vjp *v, cj__op op)
{
    cj__window_attributes a = *(const cj__window_attributes *)v->attributes;
    cj_shape_t shape = cj_value_shape(v->inputs[0]);
    bool known = op == CJ__OP_sum_pool && !a.adaptive;
    for (int64_t d = 0; d < a.rank; d++) a.size[d] = known ? 0 : shape.dims[1 + d];
    return cj__draw1(op, &a, v->cotangents[0]);
}

void cj__sum_pool_vjp(cj__vjp *v)
{
    v->gradients[0] = scatter_or_gather(v, CJ__OP_sum_pool_gradient);
}

void cj__sum_pool_gradient_vjp(cj__vjp *v)
{
    v->gradients[0] = scatter_or_gather(v, CJ__OP_sum_pool);
}

/* --- definitions --------------------------------------------------------------------------------------- */

/* One window: where it stands, and what it makes of its elements. */
typedef struct {
    cj__window w;
    const double *x, *values; /* values: cotangents by window, or what is picked from */
    double *result;
    void (*each)(const void *definition, cj__window_range r[CJ__SPATIAL], int64_t base, int64_t window);
} pooling;

static int64_t element(const pooling *p, int64_t base, int64_t i, int64_t j, int64_t k)
{
    return base + ((i * p->w.size[1] + j) * p->w.size[2] + k) * p->w.in;
}

#define EACH_ELEMENT(r)                                                                                      \
    for (int64_t i = (r)[0].start; i < (r)[0].stop; i += (r)[0].step)                                        \
        for (int64_t j = (r)[1].start; j < (r)[1].stop; j += (r)[1].step)                                    \
            for (int64_t k = (r)[2].start; k < (r)[2].stop; k += (r)[2].step)

/* The first of the largest, or the last NaN, as PyTorch has it; -1 for a window of padding alone. */
static int64_t place_of_largest(const pooling *p, const cj__window_range r[CJ__SPATIAL], int64_t base)
{
    int64_t best = -1;
    EACH_ELEMENT(r)
    {
        int64_t at = element(p, base, i, j, k);
        if (best < 0 || p->x[at] > p->x[best] || isnan(p->x[at])) best = at;
    }
    return best;
}

static void take_largest(const void *definition, cj__window_range r[CJ__SPATIAL], int64_t base,
                         int64_t window)
{
    const pooling *p = definition;
    int64_t best = place_of_largest(p, r, base);
    p->result[window] = best < 0 ? -INFINITY : p->x[best];
}

static void spread_to_largest(const void *definition, cj__window_range r[CJ__SPATIAL], int64_t base,
                              int64_t window)
{
    const pooling *p = definition;
    int64_t best = place_of_largest(p, r, base);
    if (best >= 0) p->result[best] += p->values[window];
}

static void pick_at_largest(const void *definition, cj__window_range r[CJ__SPATIAL], int64_t base,
                            int64_t window)
{
    const pooling *p = definition;
    int64_t best = place_of_largest(p, r, base);
    p->result[window] = best < 0 ? 0 : p->values[best];
}

static void take_sum(const void *definition, cj__window_range r[CJ__SPATIAL], int64_t base, int64_t window)
{
    const pooling *p = definition;
    double sum = 0;
    EACH_ELEMENT(r) sum += p->x[element(p, base, i, j, k)];
    p->result[window] = sum;
}

static void spread_to_all(const void *definition, cj__window_range r[CJ__SPATIAL], int64_t base,
                          int64_t window)
{
    const pooling *p = definition;
    EACH_ELEMENT(r) p->result[element(p, base, i, j, k)] += p->values[window];
}

static void each_window(const pooling *p)
{
    const cj__window *w = &p->w;
    cj__window_range r[CJ__SPATIAL];
    int64_t places = w->result[0] * w->result[1] * w->result[2], window = 0;
    for (int64_t n = 0; n < w->batch; n++)
        for (int64_t at = 0; at < places; at++)
            for (int64_t c = 0; c < w->in; c++, window++) {
                int64_t base = n * w->size[0] * w->size[1] * w->size[2] * w->in + c;
                r[0] = cj__window_along(w, 0, at / (w->result[1] * w->result[2]));
                r[1] = cj__window_along(w, 1, at / w->result[2] % w->result[1]);
                r[2] = cj__window_along(w, 2, at % w->result[2]);
                p->each(p, r, base, window);
            }
}

static void clear(const cj__reference *r)
{
    for (int64_t i = 0, n = cj_shape_count(r->output_types[0].shape); i < n; i++) r->outputs[0][i] = 0;
}

void cj__max_pool_reference(const cj__reference *r)
{
    pooling p = {cj__window_of(r->attributes, r->input_types[0].shape, r->output_types[0].shape),
                 r->inputs[0], NULL, r->outputs[0], take_largest};
    each_window(&p);
}

void cj__max_pool_gradient_reference(const cj__reference *r)
{
    pooling p = {cj__window_of(r->attributes, r->input_types[0].shape, r->input_types[1].shape), r->inputs[0],
                 r->inputs[1], r->outputs[0], spread_to_largest};
    clear(r);
    each_window(&p);
}

void cj__max_pool_pick_reference(const cj__reference *r)
{
    pooling p = {cj__window_of(r->attributes, r->input_types[0].shape, r->output_types[0].shape),
                 r->inputs[0], r->inputs[1], r->outputs[0], pick_at_largest};
    each_window(&p);
}

void cj__sum_pool_reference(const cj__reference *r)
{
    pooling p = {cj__window_of(r->attributes, r->input_types[0].shape, r->output_types[0].shape),
                 r->inputs[0], NULL, r->outputs[0], take_sum};
    each_window(&p);
}

void cj__sum_pool_gradient_reference(const cj__reference *r)
{
    pooling p = {cj__window_of(r->attributes, r->output_types[0].shape, r->input_types[0].shape), NULL,
                 r->inputs[0], r->outputs[0], spread_to_all};
    clear(r);
    each_window(&p);
}

/* --- samples ------------------------------------------------------------------------------------------- */

static const struct {
    cj__window_attributes window;
    cj_shape_t x;
} cases[] = {
    {{.rank = 2, .kernel = {2, 2}, .stride = {2, 2}, .dilation = {1, 1}}, {4, {2, 6, 8, 5}}},
    {{.rank = 2, .kernel = {2, 2}, .stride = {2, 2}, .dilation = {1, 1}}, {4, {1, 7, 5, 32}}},
    {{.rank = 2, .kernel = {3, 3}, .stride = {2, 2}, .dilation = {1, 1}, .before = {1, 1}, .after = {1, 1}},
     {4, {2, 9, 8, 17}}},
    {{.rank = 2, .kernel = {3, 2}, .stride = {1, 3}, .dilation = {2, 1}, .before = {1, 0}, .after = {0, 2}},
     {4, {1, 8, 7, 3}}},
    {{.rank = 2, .kernel = {1, 1}, .stride = {1, 1}, .dilation = {1, 1}}, {4, {0, 3, 3, 4}}},
    {{.rank = 1, .kernel = {3}, .stride = {2}, .dilation = {1}, .before = {1}, .after = {1}},
     {3, {2, 11, 7}}},
    {{.rank = 3, .kernel = {2, 2, 2}, .stride = {1, 2, 2}, .dilation = {1, 1, 1}}, {5, {1, 3, 4, 5, 2}}},
    {{.rank = 1, .kernel = {1}, .stride = {1}, .dilation = {1}}, {3, {1, 1, 1}}},
    {{.rank = 2, .adaptive = 1, .size = {3, 2}}, {4, {2, 7, 5, 6}}},
    {{.rank = 2, .adaptive = 1, .size = {4, 4}}, {4, {1, 3, 8, 1}}},
};

typedef enum { X_ALONE, X_AND_WINDOWS, X_AND_LIKE, WINDOWS_ALONE } sample_form;

static void add_samples(cj__samples *samples, sample_form form)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cj__window_attributes a = cases[i].window;
        cj_shape_t x = cases[i].x, y = x;
        for (int d = 0; d < a.rank; d++)
            y.dims[1 + d] = a.adaptive ? a.size[d] : cj__window_count(&a, d, x.dims[1 + d]);
        for (int d = 0; form == WINDOWS_ALONE && d < a.rank; d++) a.size[d] = x.dims[1 + d];
        int count = form == X_AND_WINDOWS || form == X_AND_LIKE ? 2 : 1;
        CJ__SAMPLE(samples, .attributes = &a, .inputs_count = count,
                   .inputs = {{CJ_F32, form == WINDOWS_ALONE ? y : x, 0, 0},
                              {CJ_F32, form == X_AND_LIKE ? x : y, 0, 0}});
    }
}

void cj__max_pool_samples(cj__samples *samples)
{
    add_samples(samples, X_ALONE);
}

void cj__max_pool_gradient_samples(cj__samples *samples)
{
    add_samples(samples, X_AND_WINDOWS);
}

void cj__max_pool_pick_samples(cj__samples *samples)
{
    add_samples(samples, X_AND_LIKE);
}

void cj__sum_pool_samples(cj__samples *samples)
{
    add_samples(samples, X_ALONE);
}

void cj__sum_pool_gradient_samples(cj__samples *samples)
{
    add_samples(samples, WINDOWS_ALONE);
}

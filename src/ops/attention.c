/* Attention (Vaswani et al., 2017): softmax(scale · q kᵀ + bias) v for each head, and its gradient, both as
 * primitives, whose kernels (cpu/attention.c) never hold the scores of all queries at once. */
#include "ops/attention.h"
#include "ops/ops.h"

#include "base/random.h"

#include <math.h>

/* --- drawing ------------------------------------------------------------------------------------------- */

/* x again, as a value of its own: where autodiff begins inside a gradient, so that it does not run on into
 * what x was made of. */
static cj_value begin_at(cj_value x)
{
    return cj__draw1(CJ__OP_reshape, (&(cj__shape_attributes){cj_value_shape(x)}), x);
}

/* [N,T,H,D] → [N,H,T,D] */
static cj_value heads_first(cj_value x)
{
    return cj_transpose(x, (cj_axes_t){4, {0, 2, 1, 3}});
}

/* k: [N,S,G,D] → [N,H,S,D], each head as often as queries share it */
static cj_value shared(cj_value k, int64_t heads)
{
    cj_shape_t s = cj_value_shape(k);
    int64_t groups = s.dims[2], times = groups ? heads / groups : 1;
    k = cj_reshape(k, cj_shape(s.dims[0], s.dims[1], groups, 1, s.dims[3]));
    k = cj_broadcast(k, cj_shape(s.dims[0], s.dims[1], groups, times, s.dims[3]));
    return heads_first(cj_reshape(k, cj_shape(s.dims[0], s.dims[1], heads, s.dims[3])));
}

/* x: [N,T,H] → [N,H,T,1] */
static cj_value row_columns(cj_value x)
{
    cj_shape_t s = cj_value_shape(x);
    return heads_first(cj_reshape(x, cj_shape(s.dims[0], s.dims[1], s.dims[2], 1)));
}

/* One matrix of scores and its kin, for each example and head, spelled out in ops: [N,H,T,S]. */
typedef struct {
    const cj__attention_attributes *a;
    cj__attention_places at;
    cj__attention_sizes n;
    const cj_value *inputs;
    cj_value q, k, v, cotangent; /* [N,H,T,D] or [N,H,S,D] */
    cj_value p;                  /* probabilities */
    cj_value kept;               /* what dropout multiplies them by; none: 1 */
    cj_value ds;                 /* the gradient of the scores */
} spelled;

static cj_value both(cj_value seen, cj_value more)
{
    return seen.graph ? cj_logical_and(seen, more) : more;
}

/* bool, each axis of [N,H,T,S] or 1: which keys are seen; none: all of them */
static cj_value visible(const spelled *s)
{
    cj_graph *graph = s->q.graph;
    cj_value keys = cj_iota(graph, CJ_I32, s->n.keys), seen = cj__none();
    if (s->at.lengths >= 0)
        seen = cj_less(keys, cj_reshape(s->inputs[s->at.lengths], cj_shape(s->n.examples, 1, 1, 1)));
    if (s->at.mask >= 0) seen = both(seen, s->inputs[s->at.mask]);
    if (!s->a->causal) return seen;
    cj_value last = cj_reshape(cj_iota(graph, CJ_I32, s->n.queries), cj_shape(1, 1, s->n.queries, 1));
    if (s->at.first >= 0) {
        cj_value first = s->inputs[s->at.first];
        last = cj_add(last, cj_reshape(first, cj_shape(cj_shape_count(cj_value_shape(first)), 1, 1, 1)));
    }
    return both(seen, cj_less_equal(keys, last));
}

/* 0 where a draw says so, else 1 / (1 - rate): [N,H,T,S] */
static cj_value kept_by_dropout(const spelled *s)
{
    cj_shape_t drawn =
        cj_shape(s->n.examples, s->n.heads, s->n.queries, cj__attention_draw_stride(s->n.keys));
    cj__random_attributes random = {drawn, s->a->key};
    cj_value u = cj__draw1(CJ__OP_random_uniform, &random, s->inputs[s->at.counter]);
    u = cj_slice(u, 3, 0, s->n.keys, 1);
    cj_value kept = cj_less_equal(cj__full_like(u, s->a->rate), u);
    return cj_scale(cj_cast(kept, cj_value_dtype(s->q)), 1 / (1 - s->a->rate));
}

/* The keys that are not seen are hidden before the exponential, whose gradient could not be undone after it.
 */
static cj_value probabilities(const spelled *s, cj_value lse)
{
    cj_value scores = cj_scale(cj_matmul_transposed(s->q, s->k, false, true), s->a->scale);
    if (s->at.bias >= 0) scores = cj_add(scores, s->inputs[s->at.bias]);
    scores = cj_sub(scores, row_columns(lse));
    cj_value seen = visible(s);
    return cj_exp(seen.graph ? cj_select(seen, scores, cj_constant(s->q.graph, cj_value_dtype(s->q), -1e4))
                             : scores);
}

/* inputs: those of attention_gradient */
static spelled spell(const cj__attention_attributes *a, const cj_value *inputs)
{
    spelled s = {.a = a, .inputs = inputs};
    s.at = cj__attention_places_of(a, CJ__ATTENTION_GRADIENT_TENSORS);
    s.n = cj__attention_sizes_of(cj_value_shape(inputs[0]), cj_value_shape(inputs[1]));
    s.q = heads_first(inputs[0]);
    s.k = shared(inputs[1], s.n.heads);
    s.v = shared(inputs[2], s.n.heads);
    s.cotangent = heads_first(inputs[5]);
    s.p = probabilities(&s, inputs[3]);
    cj_value dp = cj_matmul_transposed(s.cotangent, s.v, false, true);
    if (s.at.counter >= 0) {
        s.kept = kept_by_dropout(&s);
        dp = cj_mul(dp, s.kept);
    }
    s.ds = cj_mul(s.p, cj_sub(dp, row_columns(inputs[4])));
    return s;
}

/* The gradient by a bias is as large as the bias times what it is shared by: it has no kernel of its own. */
static cj_value bias_gradient(const cj__attention_attributes *a, const cj_value *inputs)
{
    spelled s = spell(a, inputs);
    return cj__sum_to(s.ds, cj_value_shape(inputs[s.at.bias]));
}

/* With P the probabilities, f what dropout multiplies them by, g the cotangent: dv = (f P)ᵀ g,
 * dS = P (f g vᵀ - delta), where delta = Σ g · output of each row; dq = scale dS k, dk = scale dSᵀ q. The
 * row's log-sum-exp has dS = P, so its cotangent is taken from delta. */
void cj__attention_vjp(cj__vjp *v)
{
    const cj__attention_attributes *a = v->attributes;
    cj_value out = v->outputs[0], g = v->cotangents[0],
             inputs[CJ__ATTENTION_GRADIENT_TENSORS + CJ__ATTENTION_MORE];
    if (!g.graph) g = cj__full_like(out, 0);
    cj_value delta = cj_sum(cj_mul(out, g), (cj_axes_t){1, {3}}, CJ_DROP_AXES);
    if (v->cotangents[1].graph) delta = cj_sub(delta, v->cotangents[1]);
    cj_value tensors[] = {v->inputs[0], v->inputs[1], v->inputs[2], v->outputs[1], delta, g};
    int count = 0;
    for (; count < CJ__ATTENTION_GRADIENT_TENSORS; count++) inputs[count] = tensors[count];
    for (int i = CJ__ATTENTION_TENSORS; i < v->inputs_count; i++) inputs[count++] = v->inputs[i];
    cj_value first = cj__draw(v->graph, CJ__OP_attention_gradient, a, count, inputs);
    for (int i = 0; i < CJ__ATTENTION_TENSORS; i++) v->gradients[i] = cj__output_of(first, i);
    cj__attention_places at = cj__attention_places_of(a, CJ__ATTENTION_TENSORS);
    if (at.bias >= 0 && v->wanted[at.bias]) v->gradients[at.bias] = bias_gradient(a, inputs);
}

/* [N,H,S,D] → [N,S,G,D]: the sum over the heads that share one */
static cj_value summed_by_group(cj_value x, const cj__attention_sizes *n)
{
    int64_t times = n->key_heads ? n->heads / n->key_heads : 1;
    cj_shape_t grouped = cj_shape(n->examples, n->keys, n->key_heads, times, n->width);
    return cj_sum(cj_reshape(heads_first(x), grouped), (cj_axes_t){1, {3}}, CJ_DROP_AXES);
}

/* Σ gradients · cotangents, a scalar; none where nothing flows back */
static cj_value total_of(const cj_value *gradients, const cj_value *cotangents)
{
    cj_value total = cj__none();
    for (int i = 0; i < CJ__ATTENTION_TENSORS; i++) {
        if (!cotangents[i].graph) continue;
        cj_value part = cj__sum_all(cj_mul(gradients[i], cotangents[i]));
        total = total.graph ? cj_add(total, part) : part;
    }
    return total;
}

/* Rarely needed, so spelled out and differentiated as it stands there. */
void cj__attention_gradient_vjp(cj__vjp *v)
{
    const cj__attention_attributes *a = v->attributes;
    cj_value inputs[CJ__ATTENTION_GRADIENT_TENSORS + CJ__ATTENTION_MORE];
    int floats = CJ__ATTENTION_GRADIENT_TENSORS + (a->has & CJ__ATTENTION_BIAS ? 1 : 0);
    for (int i = 0; i < v->inputs_count; i++) inputs[i] = i < floats ? begin_at(v->inputs[i]) : v->inputs[i];
    spelled s = spell(a, inputs);
    cj_value weights = s.kept.graph ? cj_mul(s.p, s.kept) : s.p;
    cj_value dq = heads_first(cj_scale(cj_matmul(s.ds, s.k), a->scale));
    cj_value dk = summed_by_group(cj_scale(cj_matmul_transposed(s.ds, s.q, true, false), a->scale), &s.n);
    cj_value dv = summed_by_group(cj_matmul_transposed(weights, s.cotangent, true, false), &s.n);
    cj_value total = total_of((cj_value[]){dq, dk, dv}, v->cotangents);
    if (total.graph) cj_gradients(total, floats, inputs, v->gradients);
}

/* --- definition ---------------------------------------------------------------------------------------- */

typedef struct {
    const cj__attention_attributes *a;
    const cj__reference *r;
    cj__attention_places at;
    cj__attention_sizes n;
} defined;

static defined define(const cj__reference *r, int tensors)
{
    return (defined){r->attributes, r, cj__attention_places_of(r->attributes, tensors),
                     cj__attention_sizes_of(r->input_types[0].shape, r->input_types[1].shape)};
}

static int64_t query_at(const defined *d, int64_t n, int64_t h, int64_t i)
{
    return (n * d->n.queries + i) * d->n.heads + h;
}

static int64_t key_at(const defined *d, int64_t n, int64_t h, int64_t j)
{
    int64_t head = h / (d->n.heads / d->n.key_heads);
    return (n * d->n.keys + j) * d->n.key_heads + head;
}

/* Of row `row` of one operand with row `other` of another. */
static double dot(const defined *d, int x, int64_t row, int y, int64_t other)
{
    double sum = 0;
    for (int64_t c = 0; c < d->n.width; c++)
        sum += d->r->inputs[x][row * d->n.width + c] * d->r->inputs[y][other * d->n.width + c];
    return sum;
}

static int64_t seen_by(const defined *d, int64_t n, int64_t i)
{
    int64_t first = 0, length = d->n.keys;
    if (d->at.first >= 0)
        first = (int64_t)d->r->inputs[d->at.first][d->r->input_types[d->at.first].shape.rank ? n : 0];
    if (d->at.lengths >= 0) length = (int64_t)d->r->inputs[d->at.lengths][n];
    return cj__attention_visible(d->a, d->n.keys, first, length, i);
}

/* An element of the operand at `place`, of bias or mask. */
static double shared_at(const defined *d, int place, int64_t n, int64_t h, int64_t i, int64_t j)
{
    const int64_t at[] = {n, h, i, j};
    int64_t flat = 0;
    cj_shape_t shape = d->r->input_types[place].shape;
    for (int axis = 0; axis < 4; axis++)
        flat = flat * shape.dims[axis] + (shape.dims[axis] > 1 ? at[axis] : 0);
    return d->r->inputs[place][flat];
}

static double score(const defined *d, int64_t n, int64_t h, int64_t i, int64_t j)
{
    if (d->at.mask >= 0 && shared_at(d, d->at.mask, n, h, i, j) == 0) return -INFINITY;
    double bias = d->at.bias >= 0 ? shared_at(d, d->at.bias, n, h, i, j) : 0;
    return d->a->scale * dot(d, 0, query_at(d, n, h, i), 1, key_at(d, n, h, j)) + bias;
}

static double kept_at(const defined *d, int64_t n, int64_t h, int64_t i, int64_t j)
{
    if (d->at.counter < 0) return 1;
    int64_t row = (n * d->n.heads + h) * d->n.queries + i;
    uint64_t index = (uint64_t)(row * cj__attention_draw_stride(d->n.keys) + j);
    float u = cj__uniform(d->a->key, (uint64_t)d->r->inputs[d->at.counter][0], index);
    return u < (float)d->a->rate ? 0 : 1 / (1 - d->a->rate);
}

/* A row that sees nothing gives zeros, and 0 as its log-sum-exp. */
static void define_row(const defined *d, int64_t n, int64_t h, int64_t i)
{
    int64_t seen = seen_by(d, n, i), row = query_at(d, n, h, i);
    double top = -INFINITY, sum = 0, *out = d->r->outputs[0] + row * d->n.width;
    for (int64_t j = 0; j < seen; j++) {
        double s = score(d, n, h, i, j);
        top = s > top || s != s ? s : top;
    }
    if (top == -INFINITY) seen = 0;
    for (int64_t j = 0; j < seen; j++) sum += exp(score(d, n, h, i, j) - top);
    for (int64_t c = 0; c < d->n.width; c++) out[c] = 0;
    for (int64_t j = 0; j < seen; j++) {
        double p = exp(score(d, n, h, i, j) - top) / sum * kept_at(d, n, h, i, j);
        const double *v = d->r->inputs[2] + key_at(d, n, h, j) * d->n.width;
        for (int64_t c = 0; c < d->n.width; c++) out[c] += p * v[c];
    }
    d->r->outputs[1][row] = seen ? top + log(sum) : 0;
}

static void for_every_row(const defined *d, void (*row)(const defined *, int64_t, int64_t, int64_t))
{
    for (int64_t n = 0; n < d->n.examples; n++)
        for (int64_t h = 0; h < d->n.heads; h++)
            for (int64_t i = 0; i < d->n.queries; i++) row(d, n, h, i);
}

void cj__attention_reference(const cj__reference *r)
{
    defined d = define(r, CJ__ATTENTION_TENSORS);
    for_every_row(&d, define_row);
}

static void define_gradient_row(const defined *d, int64_t n, int64_t h, int64_t i)
{
    int64_t row = query_at(d, n, h, i), width = d->n.width;
    const double *q = d->r->inputs[0] + row * width, *g = d->r->inputs[5] + row * width;
    double *dq = d->r->outputs[0] + row * width;
    for (int64_t j = 0; j < seen_by(d, n, i); j++) {
        int64_t key = key_at(d, n, h, j);
        const double *k = d->r->inputs[1] + key * width;
        double *dk = d->r->outputs[1] + key * width, *dv = d->r->outputs[2] + key * width;
        double p = exp(score(d, n, h, i, j) - d->r->inputs[3][row]), kept = kept_at(d, n, h, i, j);
        double ds = p * (kept * dot(d, 5, row, 2, key) - d->r->inputs[4][row]) * d->a->scale;
        for (int64_t c = 0; c < width; c++) {
            dq[c] += ds * k[c];
            dk[c] += ds * q[c];
            dv[c] += p * kept * g[c];
        }
    }
}

void cj__attention_gradient_reference(const cj__reference *r)
{
    defined d = define(r, CJ__ATTENTION_GRADIENT_TENSORS);
    for (int i = 0; i < r->outputs_count; i++)
        for (int64_t k = 0; k < cj_shape_count(r->output_types[i].shape); k++) r->outputs[i][k] = 0;
    for_every_row(&d, define_gradient_row);
}

/* --- samples ------------------------------------------------------------------------------------------- */

typedef struct {
    cj__attention_sizes n;
    int64_t causal, has;
    double rate;
    cj_shape_t bias; /* each 1 or whole */
} sample;

/* Whole tiles and tails of them, one query against a cache, queries in mid-sequence, heads that share keys,
 * rows that see nothing. */
static const sample cases[] = {
    {{2, 5, 5, 2, 2, 3}, 1, 0, 0, {0}},
    {{2, 3, 7, 4, 2, 5}, 0, CJ__ATTENTION_LENGTHS, 0, {0}},
    {{1, 1, 9, 4, 2, 8}, 1, CJ__ATTENTION_FIRST, 0, {0}},
    {{2, 4, 6, 2, 1, 4},
     1,
     CJ__ATTENTION_BIAS | CJ__ATTENTION_FIRST | CJ__ATTENTION_LENGTHS,
     0,
     {4, {1, 2, 4, 6}}},
    {{2, 3, 5, 2, 2, 4}, 0, CJ__ATTENTION_BIAS, 0.3, {4, {2, 1, 1, 5}}},
    {{2, 5, 6, 2, 1, 4}, 1, CJ__ATTENTION_BIAS | CJ__ATTENTION_MASK, 0.3, {4, {1, 2, 5, 6}}},
    {{1, 37, 37, 1, 1, 17}, 1, 0, 0, {0}},
    {{1, 1, 1, 1, 1, 1}, 0, 0, 0, {0}},
    {{2, 0, 3, 1, 1, 2}, 0, 0, 0, {0}},
    {{1, 2, 0, 1, 1, 2}, 0, 0, 0, {0}},
};

static void add_sample(cj__samples *samples, const sample *s, bool gradient)
{
    cj_shape_t q = cj_shape(s->n.examples, s->n.queries, s->n.heads, s->n.width), rows = q;
    cj_shape_t k = cj_shape(s->n.examples, s->n.keys, s->n.key_heads, s->n.width);
    cj__attention_attributes a = {0.5, s->causal, s->has, s->rate, 12345};
    cj__sample out = {.attributes = &a,
                      .inputs = {{CJ_F32, q, -1, 1}, {CJ_F32, k, -1, 1}, {CJ_F32, k, 0, 0}}};
    rows.rank--;
    int n = CJ__ATTENTION_TENSORS;
    if (gradient) {
        out.inputs[n].dtype = CJ_F32, out.inputs[n].shape = rows, out.inputs[n].low = 1,
        out.inputs[n++].high = 2;
        out.inputs[n].dtype = CJ_F32, out.inputs[n++].shape = rows;
        out.inputs[n].dtype = CJ_F32, out.inputs[n++].shape = q;
    }
    if (s->has & CJ__ATTENTION_BIAS) out.inputs[n].dtype = CJ_F32, out.inputs[n++].shape = s->bias;
    for (int flag = CJ__ATTENTION_FIRST; flag <= CJ__ATTENTION_LENGTHS; flag *= 2)
        if (s->has & flag) {
            out.inputs[n].dtype = CJ_I32, out.inputs[n].shape = cj_shape(s->n.examples);
            out.inputs[n].low = 0, out.inputs[n++].high = (double)s->n.keys;
        }
    if (s->has & CJ__ATTENTION_MASK) {
        out.inputs[n].dtype = CJ_BOOL, out.inputs[n].shape = cj_shape(s->n.examples, 1, 1, s->n.keys);
        out.inputs[n].low = 0, out.inputs[n++].high = 2;
    }
    if (s->rate > 0) {
        out.inputs[n].dtype = CJ_I64, out.inputs[n].shape = cj_scalar_shape();
        out.inputs[n].low = 3, out.inputs[n++].high = 4;
    }
    out.inputs_count = n;
    cj__sample_add(samples, &out);
}

void cj__attention_samples(cj__samples *samples)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) add_sample(samples, &cases[i], false);
}

void cj__attention_gradient_samples(cj__samples *samples)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) add_sample(samples, &cases[i], true);
}

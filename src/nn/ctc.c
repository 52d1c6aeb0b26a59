/* Connectionist temporal classification: Graves et al., 2006. The chances of all ways to spread the labels
 * over the steps are added up by a scan, in logarithms; the gradient is the scan's. */
#define CJ_NO_LOCATIONS
#include "cajal/sequence.h"
#include "nn/check.h"
#include "ops/ops.h"

#include <math.h>

/* The logarithm of a chance of nothing: finite, so that differences of two are no NaN. */
#define NEVER (-1e30)

typedef struct {
    const cj_ctc_options *o;
    cj_graph *graph;
    int64_t rows, steps, classes, labels;
    int64_t places;  /* blank, label, blank, …: 2·labels + 1 */
    cj_value path;   /* i32 [N,places]: the class at each place */
    cj_value leaps;  /* bool [N,places]: it may follow the place before the last */
    cj_value counts; /* i32 [N]: labels of each row */
    cj_value sound;  /* bool [N]: each label is a class, and not the blank */
} ctc;

static cj_value whole(const ctc *c, double value)
{
    return cj_constant(c->graph, CJ_I32, value);
}

/* [N] between 0 and `most`; where there is none `most` */
static cj_value counts_of(const ctc *c, cj_value given, int64_t most)
{
    cj_value limit = whole(c, (double)most);
    if (!given.graph) return cj_broadcast(limit, cj_shape(c->rows));
    return cj_maximum(cj_minimum(cj_cast(given, CJ_I32), limit), whole(c, 0));
}

/* bool [N,size]: index i of a row is below its count. */
static cj_value below(const ctc *c, cj_value counts, int64_t size)
{
    cj_value index = cj_reshape(cj_iota(c->graph, CJ_I32, size), cj_shape(1, size));
    return cj_less(index, cj_reshape(counts, cj_shape(c->rows, 1)));
}

/* bool [N]: whether all of [N,size] hold. */
static cj_value all_of(cj_value x)
{
    cj_value wrong = cj_sum(cj_cast(cj_logical_not(x), CJ_I32), cj_axes(1), CJ_DROP_AXES);
    return cj_equal(wrong, cj_constant(x.graph, CJ_I32, 0));
}

/* Labels with blanks between, before and behind; what is beyond a row's count becomes blank too. */
static void draw_path(ctc *c)
{
    cj_value blank = whole(c, (double)c->o->blank), none = whole(c, 0);
    cj_value labels = cj_cast(c->o->labels, CJ_I32), given = below(c, c->counts, c->labels);
    cj_value fits =
        cj_logical_and(cj_less_equal(none, labels), cj_less(labels, whole(c, (double)c->classes)));
    cj_value good = cj_logical_and(fits, cj_not_equal(labels, blank));
    c->sound = all_of(cj_logical_or(good, cj_logical_not(given)));
    labels = cj_select(cj_logical_and(given, good), labels, blank);
    cj_value blanks = cj_broadcast(blank, cj_shape(c->rows, c->labels, 1));
    cj_value pairs[] = {blanks, cj_reshape(labels, cj_shape(c->rows, c->labels, 1))};
    cj_value parts[] = {cj_reshape(cj_concatenate(2, pairs, 2), cj_shape(c->rows, 2 * c->labels)),
                        cj_broadcast(blank, cj_shape(c->rows, 1))};
    c->path = cj_concatenate(2, parts, 1);
    cj_value before = cj_slice(cj_pad(c->path, 1, 2, 0, (double)c->o->blank), 1, 0, c->places, 1);
    c->leaps = cj_logical_and(cj_not_equal(c->path, blank), cj_not_equal(c->path, before));
}

/* log softmax of each step at the path's classes: [T,N,places] */
static cj_value emissions(const ctc *c)
{
    cj_value chances = cj_log_softmax(c->o->logits, -1);
    chances = cj_reshape(cj_transpose(chances, cj_axes(1, 0, 2)), cj_shape(c->steps, c->rows * c->classes));
    cj_value row = cj_reshape(cj_iota(c->graph, CJ_I32, c->rows), cj_shape(c->rows, 1));
    cj_value place = cj_add(cj_mul(row, whole(c, (double)c->classes)), c->path);
    return cj_gather(chances, place, 1);
}

/* What stood `by` places before, along the path. */
static cj_value shifted(const ctc *c, cj_value x, int64_t by)
{
    return cj_slice(cj_pad(x, 1, by, 0, NEVER), 1, 0, c->places, 1);
}

/* log(exp a + exp b + exp c), whatever they are */
static cj_value log_sum(cj_value a, cj_value b, cj_value c)
{
    cj_value top = cj_stop_gradient(cj_maximum(cj_maximum(a, b), c));
    cj_value sum = cj_add(cj_exp(cj_sub(a, top)), cj_add(cj_exp(cj_sub(b, top)), cj_exp(cj_sub(c, top))));
    return cj_add(top, cj_log(sum));
}

/* carry: [N,places], how likely it is to have come to each place; sequences: what this step says of them, and
 * whether it is within its row's length. */
static void step(cj_scan_step *s)
{
    const ctc *c = s->context;
    cj_value here = s->carries[0];
    cj_value leap = cj_select(c->leaps, shifted(c, here, 2), cj__full_like(here, NEVER));
    cj_value next = cj_add(log_sum(here, shifted(c, here, 1), leap), s->sequences[0]);
    s->carries[0] = cj_select(s->sequences[1], next, here);
}

/* [N]: the logarithm of how likely the labels are. A path ends at its last label or at the blank behind it.
 */
static cj_value likelihood(const ctc *c)
{
    cj_dtype dtype = cj_value_dtype(c->o->logits);
    cj_value start[] = {cj_broadcast(cj_constant(c->graph, dtype, 0), cj_shape(c->rows, 1)),
                        cj_broadcast(cj_constant(c->graph, dtype, NEVER), cj_shape(c->rows, c->places - 1))};
    cj_value lengths = counts_of(c, c->o->lengths, c->steps);
    cj_value within = cj_transpose(below(c, lengths, c->steps), cj_axes(1, 0));
    cj_scan_options o = {.size = sizeof o,
                         .body = step,
                         .context = (void *)c,
                         .carries = {cj_concatenate(2, start, 1)},
                         .sequences = {emissions(c), cj_reshape(within, cj_shape(c->steps, c->rows, 1))}};
    cj_value ends = cj_scan(&o).carries[0];
    cj_value place = cj_reshape(cj_iota(c->graph, CJ_I32, c->places), cj_shape(1, c->places));
    cj_value last = cj_reshape(cj_mul(c->counts, whole(c, 2)), cj_shape(c->rows, 1));
    cj_value at_end = cj_logical_or(cj_equal(place, last), cj_equal(cj_add_scalar(place, 1), last));
    return cj_logsumexp(cj_select(at_end, ends, cj__full_like(ends, NEVER)), cj_axes(1), CJ_DROP_AXES);
}

/* --- checks -------------------------------------------------------------------------------------------- */

#define REFUSE(...) return (void)cj__graph_error(graph, CJ_SHAPE_ERROR, "ctc at '" __VA_ARGS__), false

static bool check(const cj_ctc_options *o, cj_graph *graph)
{
    cj_scope scope = {graph, graph->scope};
    cj_shape_t x = cj_value_shape(o->logits), y = cj_value_shape(o->labels);
    if (!cj__given(scope, "ctc", "logits", o->logits) || !cj__given(scope, "ctc", "labels", o->labels))
        return false;
    if (x.rank != 3 || x.dims[2] < 1 || !cj__dtype_is_float(cj_value_dtype(o->logits)))
        REFUSE("%s' needs logits [N,T,C], floating point", graph->scope);
    if (y.rank != 2 || y.dims[0] != x.dims[0] || cj__dtype_is_float(cj_value_dtype(o->labels)))
        REFUSE("%s' needs labels [%lld,S], integers", graph->scope, (long long)x.dims[0]);
    if (o->blank < 0 || o->blank >= x.dims[2])
        REFUSE("%s': the blank is %lld, which is none of %lld classes", graph->scope, (long long)o->blank,
               (long long)x.dims[2]);
    return cj__lengths_fit(scope, "ctc", "lengths", o->lengths, x.dims[0]) &&
           cj__lengths_fit(scope, "ctc", "label_lengths", o->label_lengths, x.dims[0]);
}

cj_value cj_ctc(const cj_ctc_options *o)
{
    cj_graph *graph = o->logits.graph ? o->logits.graph : o->labels.graph;
    if (!graph || !check(o, graph)) return cj__poison(graph);
    cj_shape_t x = cj_value_shape(o->logits);
    ctc c = {.o = o, .graph = graph, .rows = x.dims[0], .steps = x.dims[1], .classes = x.dims[2]};
    c.labels = cj_value_shape(o->labels).dims[1];
    c.places = 2 * c.labels + 1;
    c.counts = counts_of(&c, o->label_lengths, c.labels);
    draw_path(&c);
    cj_value loss = cj_neg(likelihood(&c));
    cj_value possible = cj_less(loss, cj__full_like(loss, -NEVER / 10));
    loss = cj_select(possible, loss, cj__full_like(loss, o->zero_infinity ? 0 : (double)INFINITY));
    loss = cj_select(c.sound, loss, cj__full_like(loss, (double)NAN));
    cj_value counts = cj_cast(cj_maximum(c.counts, whole(&c, 1)), cj_value_dtype(loss));
    return cj_mean(cj_div(loss, counts), CJ_ALL_AXES, CJ_DROP_AXES);
}

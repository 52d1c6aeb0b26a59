/* Losses, and the one count that accuracy is made of. */
#define CJ_NO_LOCATIONS
#include "base/shape.h"
#include "cajal/nn.h"
#include "nn/check.h"
#include "ops/ops.h"

static cj_value mean_all(cj_value x)
{
    return cj_mean(x, CJ_ALL_AXES, CJ_DROP_AXES);
}

/* So that a summary says what became of the layer. */
static void note_folded(cj_value value)
{
    for (int64_t i = 0; i < value.graph->layer_count; i++) {
        cj__layer_note *note = &value.graph->layers[i];
        if (note->output == value.id)
            note->type =
                cj__node_of(value)->op == CJ__OP_softmax ? "softmax, in the loss" : "sigmoid, in the loss";
    }
}

cj_value cj_logits(cj_value value)
{
    if (!cj_value_ok(value)) return value;
    const cj__node *node = cj__node_of(value);
    int last = (int)cj_value_shape(value).rank - 1;
    bool softmax =
        node->op == CJ__OP_softmax && ((const cj__axis_attributes *)node->attributes)->axis == last;
    if (!softmax && node->op != CJ__OP_sigmoid) return value;
    note_folded(value);
    return cj__make_value(value.graph, node->inputs[0]);
}

/* --- cross-entropy ------------------------------------------------------------------------------------- */

#define REFUSE(o, ...)                                                                                       \
    return (void)cj__graph_error((o)->logits.graph, CJ_SHAPE_ERROR, "cross_entropy at '%s': " __VA_ARGS__),  \
           false

static int64_t classes_of(cj_value logits)
{
    cj_shape_t shape = cj_value_shape(logits);
    return shape.rank ? shape.dims[shape.rank - 1] : 0;
}

static bool weights_fit(const cj_cross_entropy_options *o)
{
    char found[CJ__SHAPE_TEXT];
    if (!o->class_weights.graph) return true;
    if (!cj_value_ok(o->class_weights)) return false;
    cj_shape_t shape = cj_value_shape(o->class_weights);
    if (!cj_shape_equal(shape, cj_shape(classes_of(o->logits))) ||
        !cj__dtype_is_float(cj_value_dtype(o->class_weights)))
        REFUSE(o, "class weights are %s %s, expected one floating-point number for each of %lld classes",
               o->logits.graph->scope, cj_dtype_name(cj_value_dtype(o->class_weights)),
               cj__shape_text(shape, found), (long long)classes_of(o->logits));
    return true;
}

static bool options_fit(const cj_cross_entropy_options *o)
{
    const char *scope = o->logits.graph->scope;
    cj_dtype dtype = cj_value_dtype(o->labels);
    if (!cj__dtype_is_float(dtype) && dtype != CJ_I32 && dtype != CJ_I64)
        REFUSE(o,
               "labels are %s, expected classes (i32, i64, u8) or distributions over them (floating point)",
               scope, cj_dtype_name(dtype));
    if (!(o->label_smoothing >= 0 && o->label_smoothing <= 1))
        REFUSE(o, "label_smoothing is %g, expected a share between 0 and 1", scope, o->label_smoothing);
    if (o->has_ignored_label && cj__dtype_is_float(dtype))
        REFUSE(o,
               "distributions over the classes have no ignored label; hint: weigh the rows of "
               "cj_soft_cross_entropy_rows yourself",
               scope);
    if (o->has_ignored_label && !cj__dtype_holds(dtype, (double)o->ignored_label))
        REFUSE(o, "no label is %lld, since labels are %s", scope, (long long)o->ignored_label,
               cj_dtype_name(dtype));
    return weights_fit(o);
}

/* 1 where the label counts, else 0. */
static cj_value counted(cj_value labels, cj_dtype dtype)
{
    return cj_cast(cj_greater(labels, cj__full_like(labels, -1)), dtype);
}

/* The ignored label becomes one that is none. */
static cj_value labels_that_count(const cj_cross_entropy_options *o)
{
    if (!o->has_ignored_label) return o->labels;
    cj_value ignored = cj_equal(o->labels, cj__full_like(o->labels, (double)o->ignored_label));
    return cj_select(ignored, cj__full_like(o->labels, -1), o->labels);
}

/* With smoothing s and class weights w a row is (1-s) w_y · -log p_y + s/C Σ_k w_k · -log p_k. */
static cj_value weighted_rows(const cj_cross_entropy_options *o, cj_value labels, cj_value counts,
                              cj_value weights)
{
    double smoothing = o->label_smoothing;
    if (!o->class_weights.graph || smoothing == 0)
        return cj_mul(cj__smoothed_cross_entropy_rows(o->logits, labels, smoothing), weights);
    cj_value chosen = cj_mul(cj_cross_entropy_rows(o->logits, labels), weights);
    cj_value spread = cj_broadcast(o->class_weights, cj_value_shape(o->logits));
    cj_value all = cj_mul(cj_soft_cross_entropy_rows(o->logits, spread), counts);
    return cj_add(cj_scale(chosen, 1 - smoothing), cj_scale(all, smoothing / (double)classes_of(o->logits)));
}

static cj_value against_labels(const cj_cross_entropy_options *o)
{
    cj_value labels = labels_that_count(o), counts = counted(labels, cj_value_dtype(o->logits));
    cj_value weights =
        o->class_weights.graph ? cj_mul(counts, cj_gather(o->class_weights, labels, 0)) : counts;
    cj_value sum = cj__sum_all(weighted_rows(o, labels, counts, weights)), total = cj__sum_all(weights);
    if (!cj_value_ok(total)) return total;
    /* A batch in which nothing counts has loss 0, not NaN. */
    return cj_div(sum, cj_maximum(total, cj__full_like(total, 1e-30)));
}

static cj_value against_distributions(const cj_cross_entropy_options *o)
{
    double classes = (double)classes_of(o->logits), smoothing = o->label_smoothing;
    cj_value targets = cj_cast(o->labels, cj_value_dtype(o->logits));
    if (smoothing != 0) targets = cj_add_scalar(cj_scale(targets, 1 - smoothing), smoothing / classes);
    if (o->class_weights.graph) targets = cj_mul(targets, o->class_weights);
    cj_value rows = cj_soft_cross_entropy_rows(o->logits, targets);
    if (!cj_value_ok(rows)) return rows;
    int64_t count = cj_shape_count(cj_value_shape(rows));
    return cj_scale(cj__sum_all(rows), 1 / (double)(count ? count : 1));
}

static cj_value widened(cj_value x, cj_dtype from, cj_dtype to)
{
    return cj_value_ok(x) && cj_value_dtype(x) == from ? cj_cast(x, to) : x;
}

cj_value cj_cross_entropy(const cj_cross_entropy_options *options)
{
    cj_cross_entropy_options o = *options;
    cj_graph *graph = o.logits.graph ? o.logits.graph : o.labels.graph;
    cj_scope scope = {graph, graph ? graph->scope : ""};
    if (!cj__given(scope, "cross_entropy", "logits", o.logits) ||
        !cj__given(scope, "cross_entropy", "labels", o.labels))
        return cj__poison(graph);
    if (cj__node_of(o.logits)->op == CJ__OP_softmax) o.logits = cj_logits(o.logits);
    o.logits = widened(o.logits, CJ_BF16, CJ_F32);
    o.labels = widened(o.labels, CJ_U8, CJ_I32);
    if (!options_fit(&o)) return cj__poison(o.logits.graph);
    if (o.class_weights.graph) o.class_weights = cj_cast(o.class_weights, cj_value_dtype(o.logits));
    return cj__dtype_is_float(cj_value_dtype(o.labels)) ? against_distributions(&o) : against_labels(&o);
}

/* --- the others ---------------------------------------------------------------------------------------- */

/* max(z,0) - z·t + log(1 + exp(-|z|)): no overflow for any z */
cj_value cj_binary_cross_entropy(cj_value logits, cj_value targets)
{
    if (cj_value_ok(logits) && cj__node_of(logits)->op == CJ__OP_sigmoid) logits = cj_logits(logits);
    cj_value soft = cj_log1p(cj_exp(cj_neg(cj_abs(logits))));
    return mean_all(cj_add(cj_sub(cj_relu(logits), cj_mul(logits, targets)), soft));
}

cj_value cj_mean_squared_error(cj_value predictions, cj_value targets)
{
    return mean_all(cj_square(cj_sub(predictions, targets)));
}

cj_value cj_mean_absolute_error(cj_value predictions, cj_value targets)
{
    return mean_all(cj_abs(cj_sub(predictions, targets)));
}

cj_value cj_huber(cj_value predictions, cj_value targets, double delta)
{
    cj_value away = cj_abs(cj_sub(predictions, targets));
    if (!cj_value_ok(away)) return away;
    cj_value limit = cj_constant(away.graph, cj_value_dtype(away), delta);
    cj_value near = cj_scale(cj_square(away), 0.5), far = cj_scale(cj_add_scalar(away, -0.5 * delta), delta);
    return mean_all(cj_select(cj_less(away, limit), near, far));
}

cj_value cj_correct_count(cj_value logits, cj_value labels)
{
    return cj__sum_all(cj_cast(cj_equal(cj_argmax(logits, -1), labels), CJ_F32));
}

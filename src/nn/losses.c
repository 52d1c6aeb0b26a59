/* Losses, and the one count that accuracy is made of. */
#define CJ_NO_LOCATIONS
#include "cajal/nn.h"
#include "ops/ops.h"

static cj_value mean_all(cj_value x)
{
    return cj_mean(x, CJ_ALL_AXES, CJ_DROP_AXES);
}

/* 1 where the label names a class, else 0. */
static cj_value counted(cj_value labels)
{
    if (!cj_value_ok(labels)) return labels;
    cj_value none = cj_constant(labels.graph, cj_value_dtype(labels), -1);
    return cj_cast(cj_greater(labels, none), CJ_F32);
}

/* -mean over the classes of log softmax: what smoothing adds. */
static cj_value smooth_rows(cj_value logits)
{
    cj_axes_t last = {1, {-1}};
    return cj_neg(cj_mean(cj_log_softmax(logits, -1), last, CJ_DROP_AXES));
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

cj_value cj_cross_entropy(const cj_cross_entropy_options *options)
{
    cj_cross_entropy_options copy = *options;
    const cj_cross_entropy_options *o = &copy;
    if (!cj_value_ok(o->logits)) return o->logits;
    if (cj__node_of(o->logits)->op == CJ__OP_softmax) copy.logits = cj_logits(o->logits);
    cj_value rows = cj_cross_entropy_rows(o->logits, o->labels), weights = counted(o->labels);
    if (o->label_smoothing != 0)
        rows = cj_add(cj_scale(rows, 1 - o->label_smoothing),
                      cj_scale(smooth_rows(o->logits), o->label_smoothing));
    if (o->class_weights.graph) weights = cj_mul(weights, cj_gather(o->class_weights, o->labels, 0));
    cj_value total = cj__sum_all(weights);
    if (!cj_value_ok(total)) return cj__poison(o->logits.graph);
    /* A batch in which nothing counts has loss 0, not NaN. */
    cj_value floor = cj_constant(total.graph, CJ_F32, 1e-30);
    return cj_div(cj__sum_all(cj_mul(rows, weights)), cj_maximum(total, floor));
}

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

/* Layers: each asks its scope for parameters and draws ops on them. */
#define CJ_NO_LOCATIONS
#include "cajal/nn.h"
#include "graph/graph.h"
#include "nn/check.h"
#include "nn/projection.h"
#include "ops/ops.h"

cj_value cj_dense(cj_scope scope, const cj_dense_options *o)
{
    if (!cj__given(scope, "dense", "input", o->input) || !cj__sized(scope, "dense", "units", o->units))
        return cj__poison(scope.graph);
    const char *outer = cj__enter(scope.graph, scope.path);
    cj_value weight =
        cj_parameter(scope, "weight", cj_shape(o->units, cj__channels_of(o->input)), o->weight_init);
    cj_value y = cj_matmul_transposed(o->input, weight, false, true);
    if (!o->no_bias) {
        cj_init bias_init = o->bias_init.kind == CJ_INIT_DEFAULT ? (cj_init){CJ_INIT_ZEROS, 0} : o->bias_init;
        y = cj_add(y, cj_parameter(scope, "bias", cj_shape(o->units), bias_init));
    }
    cj__enter(scope.graph, outer);
    return cj_note_layer(scope, "dense", y);
}

cj_value cj__dense(cj_scope scope, cj_value x, int64_t units, bool no_bias)
{
    cj_dense_options options = {.size = sizeof options, .input = x, .units = units, .no_bias = no_bias};
    return cj_dense(scope, &options);
}

/* A parameter, or `value` everywhere where there is none. */
static cj_value affine(cj_scope scope, const char *name, cj_value x, double value, bool none)
{
    cj_shape_t shape = cj_shape(cj__channels_of(x));
    if (none) return cj_broadcast(cj_constant(scope.graph, cj_value_dtype(x), value), shape);
    return cj_parameter(scope, name, shape, (cj_init){value == 0 ? CJ_INIT_ZEROS : CJ_INIT_ONES, 0});
}

cj_value cj_layer_norm(cj_scope scope, const cj_layer_norm_options *o)
{
    cj_value x = o->input;
    if (!cj__given(scope, "layer_norm", "input", x)) return cj__poison(scope.graph);
    const char *outer = cj__enter(scope.graph, scope.path);
    cj_value weight = affine(scope, "weight", x, 1, o->no_affine);
    cj_value bias = affine(scope, "bias", x, 0, o->no_affine || o->no_bias);
    cj_value y = cj__layer_norm(x, weight, bias, cj__epsilon(scope, "layer_norm", o->epsilon));
    cj__enter(scope.graph, outer);
    return cj_note_layer(scope, "layer_norm", y);
}

/* An index outside the table in the place of each that is padding. */
static cj_value without_padding(const cj_embedding_options *o)
{
    if (!o->has_padding) return o->input;
    cj_value padding = cj_constant(o->input.graph, cj_value_dtype(o->input), (double)o->padding);
    cj_value outside = cj_constant(o->input.graph, cj_value_dtype(o->input), -1);
    return cj_select(cj_equal(o->input, padding), outside, o->input);
}

cj_value cj_embedding(cj_scope scope, const cj_embedding_options *o)
{
    static const char name[] = "embedding";
    if (!cj__given(scope, name, "input", o->input) || !cj__sized(scope, name, "rows", o->count) ||
        !cj__sized(scope, name, "columns", o->width))
        return cj__poison(scope.graph);
    if (o->has_padding && (o->padding < 0 || o->padding >= o->count))
        return cj__graph_error(scope.graph, CJ_INVALID_ARGUMENT,
                               "embedding at '%s': padding is %lld, which is none of %lld rows", scope.path,
                               (long long)o->padding, (long long)o->count);
    if (cj_value_dtype(o->input) != CJ_I32 && cj_value_dtype(o->input) != CJ_I64)
        return cj__graph_error(scope.graph, CJ_SHAPE_ERROR,
                               "embedding at '%s': the rows are %s, expected i32 or i64", scope.path,
                               cj_dtype_name(cj_value_dtype(o->input)));
    const char *outer = cj__enter(scope.graph, scope.path);
    cj_init init = o->weight_init.kind == CJ_INIT_DEFAULT ? (cj_init){CJ_INIT_NORMAL, 1} : o->weight_init;
    cj_value weight = cj_parameter(scope, "weight", cj_shape(o->count, o->width), init);
    cj_value y = cj_gather(weight, without_padding(o), 0);
    cj__enter(scope.graph, outer);
    return cj_note_layer(scope, name, y);
}

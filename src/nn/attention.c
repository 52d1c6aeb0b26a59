/* Attention by its options, and multi-head attention: the projections around it. */
#define CJ_NO_LOCATIONS
#include "cajal/attention.h"
#include "cajal/nn.h"
#include "model/model.h"
#include "nn/check.h"
#include "nn/projection.h"
#include "ops/attention.h"
#include "ops/ops.h"

#include <math.h>

/* --- scaled dot products ------------------------------------------------------------------------------- */

/* A mask [N,S] is for all heads and queries. */
static cj_shape_t spread(cj_shape_t mask)
{
    return mask.rank == 2 ? cj_shape(mask.dims[0], 1, 1, mask.dims[1]) : mask;
}

static bool mask_fits(cj_scope scope, const cj_attention_options *o)
{
    char found[CJ__SHAPE_TEXT], wanted[CJ__SHAPE_TEXT];
    cj_shape_t q = cj_value_shape(o->query), k = cj_value_shape(o->key);
    cj_shape_t whole = cj_shape(q.dims[0], q.dims[2], q.dims[1], k.dims[1]);
    cj_shape_t mask = spread(cj_value_shape(o->mask));
    bool fits = mask.rank == 4 && cj_value_dtype(o->mask) == CJ_BOOL;
    for (int d = 0; d < 4; d++) fits = fits && (mask.dims[d] == 1 || mask.dims[d] == whole.dims[d]);
    if (fits || q.rank != 4 || k.rank != 4) return true;
    cj__graph_error(scope.graph, CJ_SHAPE_ERROR,
                    "attention at '%s': the mask is %s %s, expected bool [N,S], or each axis 1 or that of "
                    "[N,H,T,S], %s",
                    scope.path, cj_dtype_name(cj_value_dtype(o->mask)),
                    cj__shape_text(cj_value_shape(o->mask), found), cj__shape_text(whole, wanted));
    return false;
}

/* A mask alone as a bias, which kernels read as it lies: 0 where a key is seen, -∞ where not. */
static cj_value masked(cj_dtype dtype, cj_value mask)
{
    return cj_select(mask, cj_constant(mask.graph, dtype, 0), cj_constant(mask.graph, dtype, -INFINITY));
}

static bool operands_ok(cj_scope scope, const cj_attention_options *o)
{
    static const char name[] = "attention";
    static const char *const names[] = {"first", "lengths", "mask", "bias"};
    const cj_value more[] = {o->first, o->lengths, o->mask, o->bias};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        if (more[i].graph && !cj__given(scope, name, names[i], more[i])) return false;
    if (!isfinite(o->scale))
        return (void)cj__graph_error(scope.graph, CJ_INVALID_ARGUMENT,
                                     "attention at '%s': the scale is %g, expected a finite number",
                                     scope.path, o->scale),
               false;
    return cj__rate_fits(scope, name, o->dropout) && cj__given(scope, name, "query", o->query) &&
           cj__given(scope, name, "key", o->key) && cj__given(scope, name, "value", o->value) &&
           (!o->mask.graph || mask_fits(scope, o));
}

static cj_value draw_attention(cj_scope scope, const cj_attention_options *o)
{
    cj_shape_t shape = cj_value_shape(o->query);
    double width = shape.rank == 4 ? (double)shape.dims[3] : 1;
    cj__attention_attributes a = {.scale = o->scale == 0 ? 1 / sqrt(width) : o->scale, .causal = o->causal};
    cj_value inputs[CJ__ATTENTION_TENSORS + CJ__ATTENTION_MORE] = {o->query, o->key, o->value};
    cj_value bias = o->bias, mask = cj_reshape(o->mask, spread(cj_value_shape(o->mask)));
    if (mask.graph && !bias.graph) bias = masked(cj_value_dtype(o->query), mask), mask = cj__none();
    const cj_value more[] = {bias, o->first, o->lengths, mask};
    int count = CJ__ATTENTION_TENSORS;
    for (int i = 0; i < 4; i++) {
        if (!more[i].graph) continue;
        a.has |= 1 << i;
        inputs[count++] = more[i];
    }
    if (o->dropout != 0 && cj_graph_mode(scope.graph) == CJ_TRAINING) {
        a.rate = o->dropout;
        a.key = cj__draw_key(scope);
        inputs[count++] = cj__run_counter(scope.graph);
    }
    return cj__draw(scope.graph, CJ__OP_attention, &a, count, inputs);
}

cj_value cj_attention(cj_scope scope, const cj_attention_options *o)
{
    if (!operands_ok(scope, o)) return cj__poison(scope.graph);
    const char *outer = cj__enter(scope.graph, scope.path);
    cj_value y = draw_attention(scope, o);
    cj__enter(scope.graph, outer);
    return y;
}

/* --- many heads ---------------------------------------------------------------------------------------- */

typedef cj_multi_head_attention_options heads_options;

static int64_t kv_heads_of(const heads_options *o)
{
    return o->kv_heads ? o->kv_heads : o->heads;
}

static bool wrong_heads(cj_scope scope, const heads_options *o)
{
    cj_shape_t x = cj_value_shape(o->input);
    int64_t width = cj__channels_of(o->input);
    if (x.rank == 3 && o->heads >= 1 && kv_heads_of(o) >= 1 && width % o->heads == 0 &&
        o->heads % kv_heads_of(o) == 0 && (!o->context.graph || cj_value_shape(o->context).rank == 3) &&
        (!o->values.graph || cj_value_shape(o->values).rank == 3))
        return false;
    cj__graph_error(
        scope.graph, CJ_SHAPE_ERROR,
        "attention at '%s' of %lld heads and %lld of keys needs an input and a context of three "
        "dimensions, [N,T,width], a width that the heads divide, and heads that those of keys divide; "
        "the input has %lld dimensions and width %lld",
        scope.path, (long long)o->heads, (long long)kv_heads_of(o), (long long)x.rank, (long long)width);
    return true;
}

/* A part of "in_proj_bias", which is one for all three, added to y: [N,T,width] → [N,T,heads,width/heads] */
static cj_value biased_heads(cj_scope scope, cj_value y, int part, int64_t width, int64_t heads, bool no_bias)
{
    cj_shape_t shape = cj_value_shape(y);
    if (!no_bias) {
        cj_value bias = cj_parameter(scope, "in_proj_bias", cj_shape(3 * width), (cj_init){CJ_INIT_ZEROS, 0});
        y = cj_add(y, cj_slice(bias, 0, part * width, (part + 1) * width, 1));
    }
    return cj_reshape(y, cj_shape(shape.dims[0], shape.dims[1], heads, width / heads));
}

cj_value cj__project_part(cj_scope scope, cj_value x, int part, int64_t heads, bool no_bias)
{
    int64_t width = cj__channels_of(x);
    cj_value weight = cj_parameter(scope, "in_proj_weight", cj_shape(3 * width, width), (cj_init){0});
    cj_value own = cj_slice(weight, 0, part * width, (part + 1) * width, 1);
    return biased_heads(scope, cj_matmul_transposed(x, own, false, true), part, width, heads, no_bias);
}

/* from: [3] what queries, keys and values are made of */
static void project_jointly(cj_scope scope, const heads_options *o, const cj_value *from, cj_value *parts)
{
    for (int i = 0; i < 3; i++) parts[i] = cj__project_part(scope, from[i], i, o->heads, o->no_bias);
}

/* Weights by themselves, where widths differ, and one bias. */
static void project_widths(cj_scope scope, const heads_options *o, const cj_value *from, cj_value *parts)
{
    static const char *const names[] = {"q_proj_weight", "k_proj_weight", "v_proj_weight"};
    int64_t width = cj__channels_of(o->input);
    for (int i = 0; i < 3; i++) {
        cj_value weight =
            cj_parameter(scope, names[i], cj_shape(width, cj__channels_of(from[i])), (cj_init){0});
        cj_value y = cj_matmul_transposed(from[i], weight, false, true);
        parts[i] = biased_heads(scope, y, i, width, o->heads, o->no_bias);
    }
}

static void project_apart(cj_scope scope, const heads_options *o, const cj_value *from, cj_value *parts)
{
    static const char *const names[] = {"q_proj", "k_proj", "v_proj"};
    int64_t width = cj__channels_of(o->input) / o->heads;
    for (int i = 0; i < 3; i++) {
        cj_value x = from[i];
        cj_shape_t shape = cj_value_shape(x);
        int64_t heads = i ? kv_heads_of(o) : o->heads;
        cj_dense_options dense = {
            .size = sizeof dense, .input = x, .units = heads * width, .no_bias = o->no_bias};
        x = cj_dense(cj_at(scope, "%s", names[i]), &dense);
        parts[i] = cj_reshape(x, cj_shape(shape.dims[0], shape.dims[1], heads, width));
    }
}

/* Keys of a context begin at its own place 0. */
static void rotate(const heads_options *o, cj_value parts[3])
{
    for (int i = 0; o->rotation != CJ_NO_ROTATION && i < 2; i++) {
        cj_rotary_options rotary = {.size = sizeof rotary,
                                    .input = parts[i],
                                    .first = i && o->context.graph ? cj__none() : o->first,
                                    .theta = o->theta,
                                    .interleaved = o->rotation == CJ_ROTATE_PAIRS};
        parts[i] = cj_rotary(&rotary);
    }
}

static cj_value out_of_heads(cj_scope scope, const heads_options *o, cj_value y)
{
    cj_shape_t shape = cj_value_shape(o->input);
    cj_dense_options out = {
        .size = sizeof out, .input = cj_reshape(y, shape), .units = shape.dims[2], .no_bias = o->no_bias};
    return cj_dense(cj_at(scope, "out_proj"), &out);
}

static bool widths_agree(const cj_value *from)
{
    int64_t width = cj__channels_of(from[0]);
    return cj__channels_of(from[1]) == width && cj__channels_of(from[2]) == width;
}

static cj_value draw_heads(cj_scope scope, const heads_options *o)
{
    cj_value context = o->context.graph ? o->context : o->input, parts[3];
    const cj_value from[] = {o->input, context, o->values.graph ? o->values : context};
    bool apart = o->separate || kv_heads_of(o) != o->heads;
    bool alike = widths_agree(from);
    (apart ? project_apart : alike ? project_jointly : project_widths)(scope, o, from, parts);
    rotate(o, parts);
    cj_attention_options attention = {.size = sizeof attention,
                                      .query = parts[0],
                                      .key = parts[1],
                                      .value = parts[2],
                                      .causal = o->causal,
                                      .first = o->causal ? o->first : cj__none(),
                                      .lengths = o->lengths,
                                      .mask = o->mask,
                                      .bias = o->bias,
                                      .dropout = o->dropout};
    cj_value y = cj_attention(scope, &attention);
    return cj_value_ok(y) ? out_of_heads(scope, o, y) : y;
}

cj_value cj_multi_head_attention(cj_scope scope, const heads_options *o)
{
    bool bad = !cj__given(scope, "attention", "input", o->input) ||
               (o->context.graph && !cj__given(scope, "attention", "context", o->context)) ||
               (o->values.graph && !cj__given(scope, "attention", "values", o->values));
    if (bad || wrong_heads(scope, o)) return cj__poison(scope.graph);
    const char *outer = cj__enter(scope.graph, scope.path);
    cj_value y = draw_heads(scope, o);
    cj__enter(scope.graph, outer);
    return cj_value_ok(y) ? cj_note_layer(scope, "attention", y) : y;
}

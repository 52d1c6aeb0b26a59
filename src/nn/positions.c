/* Where things stand in a sequence: rotary, learned and sinusoidal positions, and ALiBi's bias. */
#define CJ_NO_LOCATIONS
#include "base/memory.h"
#include "cajal/attention.h"
#include "graph/graph.h"
#include "nn/check.h"
#include "ops/ops.h"

#include <math.h>

/* The places first, first + 1, … of x [N,T,…]: i32 [T], or [N,T] where each example has its own first. */
static cj_value places(cj_value x, cj_value first)
{
    cj_shape_t shape = cj_value_shape(x), given = cj_value_shape(first);
    cj_value t = cj_iota(x.graph, CJ_I32, shape.dims[1]);
    if (!first.graph) return t;
    if (cj_value_dtype(first) != CJ_I32 ||
        (given.rank != 0 && !cj_shape_equal(given, cj_shape(shape.dims[0])))) {
        char found[CJ__SHAPE_TEXT];
        return cj__graph_error(x.graph, CJ_SHAPE_ERROR,
                               "positions at '%s': first is %s %s, expected i32 [] or [%lld]", x.graph->scope,
                               cj_dtype_name(cj_value_dtype(first)), cj__shape_text(given, found),
                               (long long)shape.dims[0]);
    }
    if (given.rank == 1) first = cj_reshape(first, cj_shape(shape.dims[0], 1));
    return cj_add(t, first);
}

/* speeds: theta^(-2i/width), i < width / 2 */
static cj_value speeds(cj_graph *graph, double theta, int64_t width)
{
    int64_t half = width / 2;
    float *speed = cj__allocate((size_t)half * sizeof *speed + 1);
    if (!speed) return cj__graph_error(graph, CJ_OUT_OF_MEMORY, "out of memory for positions");
    for (int64_t i = 0; i < half; i++) speed[i] = (float)pow(theta, -2 * (double)i / (double)width);
    cj_value value = cj_constant_tensor(graph, &(cj_tensor){speed, CJ_F32, cj_shape(half)});
    cj__free(speed);
    return value;
}

/* Places times speeds: [1 or N,count,1 or not there,width / 2]. bf16 does not tell places beyond 256 apart,
 * so that f32 is the least; sines and cosines take x's type. */
static cj_value angles(cj_value x, cj_value first, double theta, int64_t width, bool by_head)
{
    cj_value t = places(x, first);
    if (!cj_value_ok(t)) return t;
    cj_shape_t shape = cj_value_shape(t), column = {.rank = 0};
    column.dims[column.rank++] = shape.rank == 2 ? shape.dims[0] : 1;
    column.dims[column.rank++] = shape.dims[shape.rank - 1];
    if (by_head) column.dims[column.rank++] = 1;
    column.dims[column.rank++] = 1;
    cj_value angle = cj_mul(cj_cast(cj_reshape(t, column), CJ_F32), speeds(x.graph, theta, width));
    return cj_value_dtype(x) == CJ_F64 ? cj_cast(angle, CJ_F64) : angle;
}

/* Sines would be cut to whole numbers. */
static bool is_float(cj_value x, const char *type)
{
    if (cj__dtype_is_float(cj_value_dtype(x))) return true;
    cj__graph_error(x.graph, CJ_SHAPE_ERROR, "%s positions need floating point, not %s; hint: cj_cast", type,
                    cj_dtype_name(cj_value_dtype(x)));
    return false;
}

/* --- rotary -------------------------------------------------------------------------------------------- */

/* Two numbers of each pair, [N,T,H,width/2] each, turned against each other; put side by side along `axis`.
 */
static cj_value turn(cj_value a, cj_value b, cj_value angle, int axis)
{
    cj_dtype dtype = cj_value_dtype(a);
    cj_value cosine = cj_cast(cj_cos(angle), dtype), sine = cj_cast(cj_sin(angle), dtype);
    cj_value turned[] = {cj_sub(cj_mul(a, cosine), cj_mul(b, sine)),
                         cj_add(cj_mul(b, cosine), cj_mul(a, sine))};
    if (axis < 0) return cj_concatenate(2, turned, -1);
    cj_shape_t pair = cj_value_shape(turned[0]);
    pair.dims[pair.rank++] = 1;
    for (int i = 0; i < 2; i++) turned[i] = cj_reshape(turned[i], pair);
    return cj_concatenate(2, turned, axis);
}

static cj_value turn_halves(cj_value x, cj_value angle)
{
    cj_value halves[2];
    cj_split(x, 2, -1, halves);
    return turn(halves[0], halves[1], angle, -1);
}

static cj_value turn_pairs(cj_value x, cj_value angle)
{
    cj_shape_t shape = cj_value_shape(x);
    int64_t width = shape.dims[3];
    cj_value even = cj_slice(x, 3, 0, width, 2), odd = cj_slice(x, 3, 1, width, 2);
    return cj_reshape(turn(even, odd, angle, 4), shape);
}

cj_value cj_rotary(const cj_rotary_options *o)
{
    cj_value x = o->input;
    if (!cj_value_ok(x) || (o->first.graph && !cj_value_ok(o->first))) return cj__poison(x.graph);
    cj_shape_t shape = cj_value_shape(x);
    int64_t all = cj__channels_of(x), width = o->width ? o->width : all;
    if (shape.rank != 4 || width < 2 || width % 2 || width > all)
        return cj__graph_error(
            x.graph, CJ_SHAPE_ERROR,
            "rotary positions need [N,T,heads,width] and an even number of a head's numbers to "
            "turn, not %lld of %lld in %lld dimensions",
            (long long)width, (long long)all, (long long)shape.rank);
    if (!is_float(x, "rotary")) return cj__poison(x.graph);
    if (!(o->theta >= 0 && isfinite(o->theta)))
        return cj__graph_error(x.graph, CJ_INVALID_ARGUMENT,
                               "rotary positions: theta is %g, expected a number above 0, or 0 for 10000",
                               o->theta);
    cj_value angle = angles(x, o->first, o->theta == 0 ? 10000 : o->theta, width, true);
    cj_value turned = width < all ? cj_slice(x, 3, 0, width, 1) : x;
    turned = (o->interleaved ? turn_pairs : turn_halves)(turned, angle);
    if (width == all) return turned;
    cj_value parts[] = {turned, cj_slice(x, 3, width, all, 1)};
    return cj_concatenate(2, parts, 3);
}

/* --- positions that are added -------------------------------------------------------------------------- */

static bool wrong_rank(cj_value x, const char *type)
{
    if (!cj_value_ok(x)) return true;
    if (cj_value_shape(x).rank == 3) return false;
    cj__graph_error(x.graph, CJ_SHAPE_ERROR, "%s positions need an input [N,T,width], not %lld dimensions",
                    type, (long long)cj_value_shape(x).rank);
    return true;
}

cj_value cj_learned_positions(cj_scope scope, const cj_positions_options *o)
{
    cj_value x = o->input;
    if (!cj__given(scope, "learned_positions", "input", x) || wrong_rank(x, "learned"))
        return cj__poison(scope.graph);
    cj_shape_t shape = cj_value_shape(x);
    if (o->count < shape.dims[1])
        return cj__graph_error(scope.graph, CJ_SHAPE_ERROR,
                               "positions at '%s': %lld places are more than the %lld known", scope.path,
                               (long long)shape.dims[1], (long long)o->count);
    cj_init init = o->weight_init.kind == CJ_INIT_DEFAULT ? (cj_init){CJ_INIT_NORMAL, 0.02} : o->weight_init;
    const char *outer = cj__enter(scope.graph, scope.path);
    cj_value weight = cj_parameter(scope, "weight", cj_shape(o->count, shape.dims[2]), init);
    cj_value y = cj_add(x, cj_gather(weight, places(x, o->first), 0));
    cj__enter(scope.graph, outer);
    return cj_note_layer(scope, "learned_positions", y);
}

cj_value cj_sinusoidal_positions(const cj_positions_options *o)
{
    cj_value x = o->input;
    if (wrong_rank(x, "sinusoidal") || !is_float(x, "sinusoidal")) return cj__poison(x.graph);
    cj_shape_t shape = cj_value_shape(x);
    int64_t width = shape.dims[2];
    if (width < 2 || width % 2)
        return cj__graph_error(x.graph, CJ_SHAPE_ERROR, "sinusoidal positions need an even width, not %lld",
                               (long long)width);
    cj_value angle = angles(x, o->first, 10000, width, false);
    cj_shape_t pair = cj_value_shape(angle);
    cj_shape_t whole = {.rank = pair.rank, .dims = {pair.dims[0], pair.dims[1], width}};
    pair.dims[pair.rank++] = 1;
    cj_value sides[] = {cj_reshape(cj_sin(angle), pair), cj_reshape(cj_cos(angle), pair)};
    cj_value y = cj_reshape(cj_concatenate(2, sides, 3), whole);
    return cj_add(x, cj_cast(y, cj_value_dtype(x)));
}

/* --- ALiBi --------------------------------------------------------------------------------------------- */

/* A geometric sequence from 2^(-8/n) on; where the heads are no power of two, those of the next power below,
 * and then every other one of twice as many. */
static double slope(int64_t head, int64_t heads)
{
    int64_t power = 1;
    while (power * 2 <= heads) power *= 2;
    if (head < power) return exp2(-8 * (double)(head + 1) / (double)power);
    return exp2(-8 * (double)(2 * (head - power) + 1) / (double)(2 * power));
}

cj_value cj_alibi(cj_graph *graph, int64_t heads, int64_t keys)
{
    if (heads < 1 || keys < 0 || heads > 1 << 20)
        return cj__graph_error(graph, CJ_INVALID_ARGUMENT,
                               "alibi of %lld heads and %lld keys: expected 1 to %d and 0 or more",
                               (long long)heads, (long long)keys, 1 << 20);
    float *slopes = cj__allocate((size_t)heads * sizeof *slopes);
    if (!slopes) return cj__graph_error(graph, CJ_OUT_OF_MEMORY, "out of memory for alibi");
    for (int64_t h = 0; h < heads; h++) slopes[h] = (float)slope(h, heads);
    cj_value by_head = cj_constant_tensor(graph, &(cj_tensor){slopes, CJ_F32, cj_shape(1, heads, 1, 1)});
    cj__free(slopes);
    return cj_mul(by_head, cj_cast(cj_iota(graph, CJ_I32, keys), CJ_F32));
}

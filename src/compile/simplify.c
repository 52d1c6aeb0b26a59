/* Lowering and simplification: one rebuilding walk, repeated while composites remain. */
#define CJ_NO_LOCATIONS
#include "base/bf16.h"
#include "cajal/ops.h"
#include "compile/passes.h"

#include <math.h>
#include <string.h>

typedef struct {
    const cj_graph *from;
    cj_graph *to;
    int32_t *map;     /* value of `from` → value of `to` */
    int32_t *buckets; /* hash table of nodes of `to`, for common subexpressions; node index + 1 */
    int64_t bucket_count;
    bool composites; /* some were lowered, so there may be more */
} rebuild;

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size)
{
    for (const unsigned char *p = data; size--; p++) hash = (hash ^ *p) * 1099511628211u;
    return hash;
}

static uint64_t hash_attributes(uint64_t hash, const cj__node *node)
{
    if (node->op != CJ__OP_literal)
        return hash_bytes(hash, node->attributes, cj__info(node)->attributes_size);
    const cj__literal_attributes *a = node->attributes;
    return hash_bytes(hash, a->data, cj__literal_bytes(a));
}

/* Tensors by their numbers: every layer draws the speeds of its rotary positions, say. */
static bool equal_attributes(const cj__node *a, const cj__node *b)
{
    if (a->op != CJ__OP_literal)
        return memcmp(a->attributes, b->attributes, cj__info(a)->attributes_size) == 0;
    const cj__literal_attributes *x = a->attributes, *y = b->attributes;
    return x->dtype == y->dtype && cj_shape_equal(x->shape, y->shape) &&
           memcmp(x->data, y->data, cj__literal_bytes(x)) == 0;
}

static bool equal_nodes(const cj__node *a, const cj__node *b)
{
    return a->op == b->op && a->inputs_count == b->inputs_count &&
           memcmp(a->inputs, b->inputs, (size_t)a->inputs_count * sizeof *a->inputs) == 0 &&
           equal_attributes(a, b);
}

/* Where the table has the number, from 1, of the node of `to` equal to this one, or a zero where it would
 * stand. */
static int32_t *bucket_of(rebuild *r, const cj__node *node)
{
    uint64_t hash =
        hash_bytes(14695981039346656037u + node->op, node->inputs, (size_t)node->inputs_count * 4);
    int64_t slot = (int64_t)(hash_attributes(hash, node) % (uint64_t)r->bucket_count);
    while (r->buckets[slot] && !equal_nodes(&r->to->nodes[r->buckets[slot] - 1], node))
        slot = (slot + 1) % r->bucket_count;
    return &r->buckets[slot];
}

static const cj__constant_attributes *constant_of(const cj_graph *graph, int32_t value)
{
    const cj__node *node = &graph->nodes[graph->values[value].node];
    return node->op == CJ__OP_constant ? node->attributes : NULL;
}

/* An elementwise node on constants alone is a constant: the definition computes it, rounded to its type. */
static bool fold_constant(rebuild *r, const cj__node *node, const cj__value *type, int32_t *result)
{
    double x[3] = {0};
    const cj__op_info *info = cj__info(node);
    if (!info->scalar || node->inputs_count < 1) return false;
    for (int i = 0; i < node->inputs_count; i++) {
        const cj__constant_attributes *constant = constant_of(r->to, node->inputs[i]);
        if (!constant) return false;
        x[i] = constant->value;
    }
    double value = info->scalar(x[0], x[1], x[2]);
    bool whole = !cj__dtype_is_float(type->dtype);
    if (whole && !(fabs(value) <= 0x1p53 && cj__dtype_holds(type->dtype, value))) return false;
    if (type->dtype == CJ_F32) value = (float)value;
    if (type->dtype == CJ_BF16) value = cj__bf16_to_float(cj__bf16_from_double(value));
    cj__constant_attributes folded = {type->dtype, value, type->shape};
    *result = cj__draw(r->to, CJ__OP_constant, &folded, 0, NULL).id;
    return true;
}

/* f32 to bf16 and back loses the same bits in one op, which can be part of a chain. */
static bool cast_there_and_back(rebuild *r, const cj__node *node, int32_t *result)
{
    const cj__value *narrow = &r->to->values[node->inputs[0]];
    const cj__node *inner = &r->to->nodes[narrow->node];
    if (narrow->dtype != CJ_BF16 || inner->op != CJ__OP_cast ||
        r->to->values[inner->inputs[0]].dtype != CJ_F32 ||
        ((const cj__cast_attributes *)node->attributes)->dtype != CJ_F32)
        return false;
    cj_value wide = cj__make_value(r->to, inner->inputs[0]);
    *result = cj__draw1(CJ__OP_round_bf16, NULL, wide).id;
    return true;
}

/* The same of one value however it is spread, as the cotangent of a sum is: its shape does not count. */
static const cj__constant_attributes *spread_constant_of(const cj_graph *graph, int32_t value)
{
    const cj__node *node = &graph->nodes[graph->values[value].node];
    while (node->op == CJ__OP_reshape || node->op == CJ__OP_broadcast)
        node = &graph->nodes[graph->values[node->inputs[0]].node];
    return node->op == CJ__OP_constant ? node->attributes : NULL;
}

/* Algebra that keeps every bit: x·1, x/1, x-0, --x, and ops that do nothing. */
static bool identity(rebuild *r, const cj__node *node, int32_t *result)
{
    const cj__constant_attributes *second =
        node->inputs_count > 1 ? spread_constant_of(r->to, node->inputs[1]) : NULL;
    const cj__constant_attributes *first =
        node->inputs_count > 1 ? spread_constant_of(r->to, node->inputs[0]) : NULL;
    *result = node->inputs_count ? node->inputs[0] : -1;
    switch (node->op) {
    case CJ__OP_stop_gradient:
        return true;
    case CJ__OP_cast:
        return cast_there_and_back(r, node, result);
    case CJ__OP_mul:
        if (first && first->value == 1) *result = node->inputs[1];
        return (first && first->value == 1) || (second && second->value == 1);
    case CJ__OP_div:
        return second && second->value == 1;
    case CJ__OP_sub:
        return second && second->value == 0;
    case CJ__OP_sum:
        return ((const cj__reduce_attributes *)node->attributes)->axes == 0;
    case CJ__OP_neg: {
        const cj__node *inner = &r->to->nodes[r->to->values[node->inputs[0]].node];
        if (inner->op == CJ__OP_neg) *result = inner->inputs[0];
        return inner->op == CJ__OP_neg;
    }
    default:
        return false;
    }
}

/* What stands for a node of a gradient is of the gradient. */
static void inherit(rebuild *r, int64_t first, const cj__node *node)
{
    for (int64_t i = first; i < r->to->node_count; i++) r->to->nodes[i].backward = node->backward;
}

static void lower(rebuild *r, const cj__node *node, const int32_t *inputs, int32_t *results)
{
    cj_value in[CJ__MOST_VALUES], out[CJ__MOST_VALUES];
    for (int i = 0; i < node->inputs_count; i++) in[i] = cj__make_value(r->to, inputs[i]);
    cj__lowering lowering = {r->to, node->attributes, node->inputs_count, node->outputs_count, in, out};
    r->to->scope = node->scope;
    int64_t first = r->to->node_count;
    cj__info(node)->lower(&lowering);
    cj__locate(r->to, first, node->file, node->line);
    inherit(r, first, node);
    r->to->scope = "";
    for (int i = 0; i < node->outputs_count; i++) results[i] = out[i].id;
    r->composites = true;
}

/* A composite whose f32 kernels do it in one; other types, which are for checking, are computed as spelled
 * out. */
static bool stays_whole(const rebuild *r, const cj__node *node)
{
    return cj__info(node)->flags & CJ__WHOLE && r->to->values[node->inputs[0]].dtype == CJ_F32;
}

/* Whether a node computes on bf16, which is a type to store in. */
static bool computes_on_bf16(const rebuild *r, const cj__node *node)
{
    if (cj__info(node)->flags & (CJ__ANY_TYPE | CJ__SOURCE | CJ__EFFECT)) return false;
    for (int i = 0; i < node->inputs_count; i++)
        if (r->to->values[node->inputs[i]].dtype == CJ_BF16) return true;
    return false;
}

/* The same op on f32, its results rounded to bf16. One more walk simplifies what is drawn here. */
static void widen(rebuild *r, const cj__node *node, const cj__value *types, int32_t *results)
{
    cj_value in[CJ__MOST_VALUES];
    int64_t first_drawn = r->to->node_count;
    for (int i = 0; i < node->inputs_count; i++) {
        in[i] = cj__make_value(r->to, node->inputs[i]);
        if (cj_value_dtype(in[i]) == CJ_BF16) in[i] = cj_cast(in[i], CJ_F32);
    }
    r->to->scope = node->scope;
    cj_value first = cj__draw(r->to, node->op, node->attributes, node->inputs_count, in);
    for (int i = 0; i < node->outputs_count; i++)
        results[i] = cj_cast(cj__output_of(first, i), types[i].dtype).id;
    inherit(r, first_drawn, node);
    r->to->scope = "";
    r->composites = true;
}

/* The first output of the node of `to` that equals this one, or of this one appended. Inputs and effects each
 * stay themselves. */
static int32_t share_or_append(rebuild *r, const cj__node *node, const cj__value *types)
{
    bool shareable = node->op != CJ__OP_input && !(cj__info(node)->flags & CJ__EFFECT);
    int32_t *bucket = shareable ? bucket_of(r, node) : NULL;
    if (bucket && *bucket) return r->to->nodes[*bucket - 1].first_output;
    int32_t first = cj__append(r->to, node, node->inputs, types);
    if (bucket && first >= 0 && r->to->node_count < r->bucket_count / 2) *bucket = (int32_t)r->to->node_count;
    return first;
}

static cj_status emit(rebuild *r, int32_t index)
{
    cj__node node = r->from->nodes[index];
    const cj__value *types = &r->from->values[node.first_output];
    int32_t inputs[CJ__MOST_VALUES], results[CJ__MOST_VALUES], *map = r->map;
    for (int i = 0; i < node.inputs_count; i++) inputs[i] = map[cj__resolve(r->from, node.inputs[i])];
    node.inputs = inputs;
    if (computes_on_bf16(r, &node)) {
        widen(r, &node, types, results);
    } else if (cj__info(&node)->flags & CJ__COMPOSITE && !stays_whole(r, &node)) {
        lower(r, &node, inputs, results);
    } else if (!(cj__info(&node)->flags & CJ__EFFECT) &&
               (identity(r, &node, results) || fold_constant(r, &node, types, results))) {
        /* `results` holds the value that stands for it */
    } else {
        int32_t first = share_or_append(r, &node, types);
        for (int i = 0; i < node.outputs_count; i++) results[i] = first + i;
    }
    CJ__TRY(cj_graph_status(r->to));
    for (int i = 0; i < node.outputs_count; i++) map[node.first_output + i] = results[i];
    return CJ_OK;
}

static int32_t result_of(void *context, int32_t value)
{
    const rebuild *r = context;
    return r->map[cj__resolve(r->from, value)];
}

static cj_status one_walk(rebuild *r)
{
    int32_t *order = NULL;
    int64_t count = 0;
    CJ__TRY(cj__copy_inputs(r->to, r->from, r->map));
    cj_status status = cj__order(r->from, &order, &count);
    for (int64_t i = 0; status == CJ_OK && i < count; i++)
        if (r->from->nodes[order[i]].op != CJ__OP_input) status = emit(r, order[i]);
    cj__free(order);
    CJ__TRY(status);
    return cj__copy_outputs(r->to, r->from, result_of, r);
}

static cj_status rebuild_once(const cj_graph *from, cj_graph **to, bool *composites)
{
    rebuild r = {.from = from, .bucket_count = from->node_count * 4 + 16};
    CJ__TRY(cj__graph_like(&r.to, from));
    r.map = cj__allocate((size_t)from->value_count * sizeof *r.map + 1);
    r.buckets = cj__allocate_zeroed((size_t)r.bucket_count * sizeof *r.buckets);
    cj_status status = r.map && r.buckets ? one_walk(&r) : cj__out_of_memory(0, "simplifying a graph");
    cj__free(r.map);
    cj__free(r.buckets);
    *composites = r.composites;
    return cj__hand_over(status, r.to, to);
}

cj_status cj__lower_and_simplify(const cj_graph *from, cj_graph **to)
{
    const cj_graph *source = from;
    bool composites = true;
    /* One walk past the last composite: what lowering drew is simplified too. */
    while (composites) {
        cj_graph *next = NULL;
        cj_status status = rebuild_once(source, &next, &composites);
        if (source != from) {
            if (status == CJ_OK) cj__adopt_bodies(next, (cj_graph *)source);
            cj_graph_free((cj_graph *)source);
        }
        CJ__TRY(status);
        source = next;
    }
    *to = (cj_graph *)source;
    return CJ_OK;
}

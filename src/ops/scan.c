/* Scan: a body drawn once and run for each step of a sequence. It is drawn into the graph around it, over
 * placeholders; what depends on them is then cut out into a graph of its own, and what does not is captured.
 * The gradient is a scan the other way, over the carries that each step found. */
#include "ops/ops.h"

#include <string.h>

/* --- copying nodes from graph to graph ----------------------------------------------------------------- */

typedef struct {
    cj_graph *to;
    const cj_graph *from;
    cj_graph *around; /* `from`, where values outside may be captured; NULL: everything is inside */
    int64_t first, end;
    char *inside;                     /* by node, from `first`: depends on what `map` began with */
    char *needed;                     /* and a result depends on it */
    int32_t *map;                     /* by value of `from`: value of `to`; -1: none yet */
    cj_value inputs[CJ__MOST_VALUES]; /* of the scan: carries, sequences, captures */
    int count;
} copying;

static cj_status copying_begin(copying *c)
{
    size_t nodes = (size_t)(c->end - c->first) + 1,
           values = ((size_t)c->from->value_count + 1) * sizeof *c->map;
    c->inside = cj__allocate_zeroed(nodes);
    c->needed = cj__allocate_zeroed(nodes);
    c->map = cj__allocate(values);
    if (!c->inside || !c->needed || !c->map) return cj__out_of_memory(values, "a scan");
    memset(c->map, -1, values);
    return CJ_OK;
}

static void copying_end(copying *c)
{
    cj__free(c->inside);
    cj__free(c->needed);
    cj__free(c->map);
}

static bool is_inside(const copying *c, int64_t node)
{
    return node >= c->first && node < c->end && c->inside[node - c->first];
}

static bool depends(const copying *c, const cj__node *node)
{
    for (int i = 0; i < node->inputs_count; i++) {
        int32_t value = cj__resolve(c->from, node->inputs[i]);
        if (c->map[value] >= 0 || is_inside(c, c->from->values[value].node)) return true;
    }
    return false;
}

/* Values may be replaced by later ones, so one walk in the order of drawing need not see everything. */
static void mark_inside(copying *c)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (int64_t n = c->first; n < c->end; n++) {
            const cj__node *node = &c->from->nodes[n];
            if (c->inside[n - c->first]) continue;
            if (!(c->around ? depends(c, node) : node->op != CJ__OP_input)) continue;
            c->inside[n - c->first] = 1;
            changed = true;
        }
    }
}

static void mark_needed(copying *c, int64_t count, const int32_t *results)
{
    for (int64_t i = 0; i < count; i++) {
        int32_t node = c->from->values[cj__resolve(c->from, results[i])].node;
        if (is_inside(c, node)) c->needed[node - c->first] = 1;
    }
    for (bool changed = true; changed;) {
        changed = false;
        for (int64_t n = c->end - 1; n >= c->first; n--) {
            if (!c->needed[n - c->first]) continue;
            for (int i = 0; i < c->from->nodes[n].inputs_count; i++) {
                int32_t value = cj__resolve(c->from, c->from->nodes[n].inputs[i]);
                int32_t maker = c->from->values[value].node;
                if (!is_inside(c, maker) || c->needed[maker - c->first]) continue;
                c->needed[maker - c->first] = 1;
                changed = true;
            }
        }
    }
}

static int32_t mapped(copying *c, int32_t id);

/* The copy of a value from outside: constants are copied, and what only spreads or renames a smaller value is
 * drawn again over it, so that no step reads (and no gradient sums) more than there is. Anything else becomes
 * one more input. */
static void capture(copying *c, int32_t value)
{
    const cj__value *outer = &c->from->values[value];
    const cj__node *node = &c->from->nodes[outer->node];
    if (node->op == CJ__OP_constant) {
        c->map[value] = cj__draw(c->to, CJ__OP_constant, node->attributes, 0, NULL).id;
        return;
    }
    if (node->op == CJ__OP_broadcast || node->op == CJ__OP_reshape) {
        int32_t smaller = mapped(c, node->inputs[0]);
        if (smaller >= 0) c->map[value] = cj__append(c->to, node, &smaller, outer);
        return;
    }
    if (c->count == CJ__MOST_VALUES) {
        cj__graph_error(c->to, CJ_UNSUPPORTED,
                        "the body uses more than %d values from outside; hint: concatenate some",
                        (int)CJ__MOST_VALUES);
        return;
    }
    c->inputs[c->count++] = cj__make_value(c->around, value);
    c->map[value] = cj_input(c->to, "capture", outer->dtype, outer->shape).id;
}

static int32_t mapped(copying *c, int32_t id)
{
    int32_t value = cj__resolve(c->from, id);
    if (c->map[value] < 0 && !is_inside(c, c->from->values[value].node)) capture(c, value);
    return c->map[value];
}

/* Copies a node whose inputs are all there; false: not yet. */
static bool copy_node(copying *c, int64_t n)
{
    const cj__node *node = &c->from->nodes[n];
    int32_t inputs[CJ__MOST_VALUES];
    for (int i = 0; i < node->inputs_count; i++)
        if ((inputs[i] = mapped(c, node->inputs[i])) < 0) return false;
    int32_t first = cj__append(c->to, node, inputs, &c->from->values[node->first_output]);
    for (int i = 0; i < node->outputs_count; i++) c->map[node->first_output + i] = first < 0 ? -1 : first + i;
    return first >= 0;
}

/* What is assigned once, whatever the step, may be drawn here: a random draw counts the runs. */
static cj_status no_assignments(const copying *c)
{
    for (int64_t n = c->first; n < c->end; n++)
        if (is_inside(c, n) && cj__info(&c->from->nodes[n])->flags & CJ__EFFECT)
            return cj__fail(
                CJ_INVALID_ARGUMENT,
                "an assignment cannot stand in the body; hint: make the variable's value a carry");
    return CJ_OK;
}

/* Copies what the results need of the nodes inside, and maps the results. */
static cj_status copy_needed(copying *c, int64_t count, const int32_t *results, cj_value *copies)
{
    mark_inside(c);
    CJ__TRY(no_assignments(c));
    mark_needed(c, count, results);
    for (bool left = true; left && c->to->status == CJ_OK;) {
        left = false;
        for (int64_t n = c->first; n < c->end; n++) {
            char *needed = &c->needed[n - c->first];
            if (*needed && copy_node(c, n)) *needed = 0;
            left = left || *needed;
        }
    }
    for (int64_t i = 0; i < count && c->to->status == CJ_OK; i++)
        copies[i] = cj__make_value(c->to, mapped(c, results[i]));
    return cj_graph_status(c->to);
}

static cj_status new_body(const cj_graph *graph, cj_graph **body)
{
    return cj__graph_like(body, graph);
}

/* --- drawing ------------------------------------------------------------------------------------------- */

static cj_value placeholder(cj_graph *graph, cj_dtype dtype, cj_shape_t shape)
{
    cj__placeholder_attributes attributes = {dtype, graph->node_count, shape};
    return cj__draw(graph, CJ__OP_placeholder, &attributes, 0, NULL);
}

/* Up to the last one that was given. */
static int count_of(const cj_value values[CJ_MAX_SCAN])
{
    int count = CJ_MAX_SCAN;
    while (count > 0 && !values[count - 1].graph) count--;
    return count;
}

static cj_scan_result nothing(void)
{
    return (cj_scan_result){0};
}

#define REFUSE(graph, ...) return (void)cj__graph_error(graph, CJ_SHAPE_ERROR, __VA_ARGS__), false

static bool check_given(cj_graph *graph, const cj_scan_options *o, cj__scan_attributes *a)
{
    const char *scope = graph->scope;
    if (graph->status != CJ_OK) return false;
    if (!o->body) REFUSE(graph, "scan at '%s': the body is missing", scope);
    a->length = o->length;
    for (int i = 0; i < a->carries + a->sequences; i++) {
        cj_value value = i < a->carries ? o->carries[i] : o->sequences[i - a->carries];
        if (!cj_value_ok(value) || value.graph != graph)
            REFUSE(graph, "scan at '%s': %s %d is missing, or of another graph", scope,
                   i < a->carries ? "carry" : "sequence", i < a->carries ? i : i - (int)a->carries);
        if (i < a->carries) continue;
        cj_shape_t shape = cj_value_shape(value);
        if (shape.rank < 1)
            REFUSE(graph, "scan at '%s': sequence %d has no axis 0", scope, i - (int)a->carries);
        if (a->length == 0 && i == a->carries) a->length = shape.dims[0];
        if (shape.dims[0] != a->length)
            REFUSE(graph, "scan at '%s': sequence %d has %lld steps, not %lld", scope, i - (int)a->carries,
                   (long long)shape.dims[0], (long long)a->length);
    }
    if (a->length < 0) REFUSE(graph, "scan at '%s': %lld steps", scope, (long long)a->length);
    return true;
}

/* The body's results: its carries, then its outputs. */
static bool check_results(cj_graph *graph, const cj__scan_attributes *a, const cj_value *before,
                          const cj_scan_step *step, cj_value *results)
{
    const char *scope = graph->scope;
    char was[CJ__SHAPE_TEXT], is[CJ__SHAPE_TEXT];
    if (graph->status != CJ_OK) return false;
    for (int i = 0; i < a->carries + a->outputs; i++) {
        cj_value value = results[i] = i < a->carries ? step->carries[i] : step->outputs[i - a->carries];
        if (!cj_value_ok(value) || value.graph != graph)
            REFUSE(graph, "scan at '%s': the body leaves %s %d without a value", scope,
                   i < a->carries ? "carry" : "output", i < a->carries ? i : i - (int)a->carries);
        if (i >= a->carries) continue;
        if (cj_value_dtype(value) != cj_value_dtype(before[i]) ||
            !cj_shape_equal(cj_value_shape(value), cj_value_shape(before[i])))
            REFUSE(graph, "scan at '%s': carry %d begins as %s %s and leaves the body as %s %s", scope, i,
                   cj_dtype_name(cj_value_dtype(before[i])), cj__shape_text(cj_value_shape(before[i]), was),
                   cj_dtype_name(cj_value_dtype(value)), cj__shape_text(cj_value_shape(value), is));
    }
    return true;
}

/* Draws the body over placeholders, which come back in the order of the scan's inputs. */
static void draw_body(cj_graph *graph, const cj_scan_options *o, const cj__scan_attributes *a,
                      cj_value *placeholders, cj_scan_step *step)
{
    *step = (cj_scan_step){.context = o->context};
    for (int i = 0; i < a->carries; i++)
        placeholders[i] = step->carries[i] =
            placeholder(graph, cj_value_dtype(o->carries[i]), cj_value_shape(o->carries[i]));
    for (int i = 0; i < a->sequences; i++) {
        cj_shape_t shape = cj_value_shape(o->sequences[i]), slice = {.rank = shape.rank - 1};
        for (int64_t d = 0; d < slice.rank; d++) slice.dims[d] = shape.dims[d + 1];
        placeholders[a->carries + i] = step->sequences[i] =
            placeholder(graph, cj_value_dtype(o->sequences[i]), slice);
    }
    o->body(step);
}

/* Cuts what the results need of the drawing since `first` out into a graph of its own. */
static cj_status cut_out(copying *c, const cj_value *placeholders, int64_t count, const cj_value *results)
{
    int32_t ids[2 * CJ_MAX_SCAN] = {0};
    cj_value copies[2 * CJ_MAX_SCAN];
    CJ__TRY(copying_begin(c));
    for (int i = 0; i < c->count; i++) {
        const cj__value *value = cj__value_of(placeholders[i]);
        c->map[placeholders[i].id] = cj_input(c->to, "step", value->dtype, value->shape).id;
    }
    for (int64_t i = 0; i < count; i++) ids[i] = results[i].id;
    CJ__TRY(copy_needed(c, count, ids, copies));
    for (int64_t i = 0; i < count; i++) cj_output(c->to, "result", copies[i]);
    return cj_graph_status(c->to);
}

/* Whether a carry neither is read nor becomes anything of the step: its update was drawn on values from
 * outside, as on those that the carries begin with. */
static bool is_idle(const copying *c, int carry, cj_value result)
{
    const cj_graph *body = c->to;
    int32_t before = body->inputs[carry].value;
    if (is_inside(c, cj__value_of(result)->node)) return false;
    for (int64_t n = 0; n < body->node_count; n++)
        for (int i = 0; i < body->nodes[n].inputs_count; i++)
            if (body->nodes[n].inputs[i] == before) return false;
    for (int64_t i = 0; i < body->output_count; i++)
        if (body->outputs[i].value == before) return false;
    return true;
}

static cj_status no_idle_carry(const copying *c, int64_t carries, const cj_value *results)
{
    for (int i = 0; i < carries; i++)
        if (is_idle(c, i, results[i]))
            return cj__fail(CJ_INVALID_ARGUMENT,
                            "the body neither reads carry %d nor makes its next value of what the step has; "
                            "hint: draw on the step's carries and sequences",
                            i);
    return CJ_OK;
}

/* What was drawn for the body stays behind as nodes that nobody needs; summaries still tell what they cost.
 */
static void note_repeats(const copying *c, int64_t length)
{
    for (int64_t n = c->first; n < c->end; n++) {
        int64_t *repeats = &c->around->nodes[n].repeats;
        if (is_inside(c, n) || *repeats) *repeats = (*repeats ? *repeats : 1) * length;
    }
}

static cj_scan_result draw_scan(cj_graph *graph, const cj_scan_options *o, cj__scan_attributes *a)
{
    cj_value placeholders[2 * CJ_MAX_SCAN], results[2 * CJ_MAX_SCAN];
    cj_scan_step step;
    copying c = {.from = graph,
                 .around = graph,
                 .first = graph->node_count,
                 .count = (int)(a->carries + a->sequences)};
    draw_body(graph, o, a, placeholders, &step);
    c.end = graph->node_count;
    a->outputs = count_of(step.outputs);
    if (!check_results(graph, a, o->carries, &step, results)) return nothing();
    for (int i = 0; i < c.count; i++)
        c.inputs[i] = i < a->carries ? o->carries[i] : o->sequences[i - a->carries];
    cj_status status = new_body(graph, &c.to);
    if (status == CJ_OK) cj__own_body(graph, c.to);
    if (status == CJ_OK) status = cut_out(&c, placeholders, a->carries + a->outputs, results);
    if (status == CJ_OK) status = no_idle_carry(&c, a->carries, results);
    if (status == CJ_OK) note_repeats(&c, a->length);
    copying_end(&c);
    if (status != CJ_OK) {
        cj__graph_error(graph, status, "scan at '%s': %.600s", graph->scope, cj_error_message());
        return nothing();
    }
    a->body = c.to;
    a->captures = c.count - a->carries - a->sequences;
    cj_value first = cj__draw(graph, CJ__OP_scan, a, c.count, c.inputs);
    cj_scan_result result = nothing();
    for (int i = 0; i < a->carries; i++) result.carries[i] = cj__output_of(first, i);
    for (int i = 0; i < a->outputs; i++) result.outputs[i] = cj__output_of(first, (int)a->carries + i);
    return result;
}

cj_scan_result cj_scan(const cj_scan_options *o)
{
    cj__scan_attributes a = {
        .carries = count_of(o->carries), .sequences = count_of(o->sequences), .reverse = o->reverse};
    cj_graph *graph = a.carries     ? o->carries[a.carries - 1].graph
                      : a.sequences ? o->sequences[a.sequences - 1].graph
                                    : NULL;
    cj_scan_result result = nothing();
    if (!graph) return result;
    if (check_given(graph, o, &a)) result = draw_scan(graph, o, &a);
    if (o->file) (void)cj_here(cj__poison(graph), o->file, o->line);
    return result;
}

void cj__scan_lower(cj__lowering *l)
{
    cj_value first = cj__draw(l->graph, CJ__OP_scan_saving, l->attributes, l->inputs_count, l->inputs);
    for (int i = 0; i < l->outputs_count; i++) l->outputs[i] = cj__output_of(first, i);
}

/* --- the way back -------------------------------------------------------------------------------------- */

/* The reverse scan of a saving one. Its carries: the cotangents of the carries, then a sum for each wanted
 * capture. Its sequences: the saved carries, the sequences, the cotangents of the outputs, and of the saved
 * carries. It captures what the body captured, and its outputs are the gradients of the wanted sequences. */
typedef struct {
    const cj__vjp *v;
    const cj__scan_attributes *a;
    cj_graph *body;
    cj__scan_attributes back;
    cj_value inputs[CJ__MOST_VALUES];  /* of the reverse scan, in the graph around it */
    cj_value leaves[CJ__MOST_VALUES];  /* of the forward body, inlined in the reverse one: its inputs */
    cj_value results[CJ__MOST_VALUES]; /* and its outputs */
    int count;
    bool overflow;
} returning;

static const cj__value *input_of(const returning *r, int64_t k)
{
    return &r->a->body->values[r->a->body->inputs[k].value];
}

static bool is_float(const cj__value *value)
{
    return cj__dtype_is_float(value->dtype);
}

/* One more input: `outer` around the scan, and what stands for it in the body. */
static cj_value enter(returning *r, cj_value outer, const cj__value *inner)
{
    if (r->count == CJ__MOST_VALUES) {
        r->overflow = true;
        return cj__poison(r->body);
    }
    r->inputs[r->count++] = outer;
    return cj_input(r->body, "step", inner->dtype, inner->shape);
}

static cj_value zeros(cj_graph *graph, const cj__value *like)
{
    return cj_broadcast(cj_constant(graph, like->dtype, 0), like->shape);
}

/* The forward body's nodes, copied over `leaves`. */
static cj_status inline_body(returning *r)
{
    const cj_graph *from = r->a->body;
    int32_t results[CJ__MOST_VALUES];
    copying c = {.from = from, .to = r->body, .end = from->node_count};
    cj_status status = copying_begin(&c);
    for (int64_t i = 0; status == CJ_OK && i < from->input_count; i++)
        c.map[from->inputs[i].value] = r->leaves[i].id;
    for (int64_t i = 0; i < from->output_count; i++) results[i] = from->outputs[i].value;
    if (status == CJ_OK) status = copy_needed(&c, from->output_count, results, r->results);
    copying_end(&c);
    return status;
}

/* Σ result·cotangent over all results, whose gradient is the vector-Jacobian product. */
static cj_value add_term(cj_value sum, cj_value result, cj_value cotangent)
{
    cj_value term = cj__sum_all(cj_mul(result, cotangent));
    return sum.graph ? cj_add(sum, cj_cast(term, cj_value_dtype(sum))) : term;
}

typedef struct {
    cj_value carries[CJ__MOST_VALUES], outputs[CJ__MOST_VALUES], saved[CJ__MOST_VALUES],
        sums[CJ__MOST_VALUES];
} arriving; /* in the reverse body: cotangents, and the sums so far; none where there is none */

/* Gives the reverse scan its inputs, in order. */
static void enter_all(returning *r, arriving *in)
{
    const cj__vjp *v = r->v;
    const cj__scan_attributes *a = r->a;
    cj_graph *graph = v->graph;
    int64_t sequences = a->carries, captures = sequences + a->sequences, saved = a->carries + a->outputs;
    for (int64_t i = 0; i < a->carries; i++) {
        if (!is_float(input_of(r, i))) continue;
        cj_value cotangent = cj_value_ok(v->cotangents[i]) ? v->cotangents[i] : zeros(graph, input_of(r, i));
        in->carries[i] = enter(r, cotangent, input_of(r, i));
    }
    for (int64_t k = 0; k < a->captures; k++)
        if (v->wanted[captures + k])
            in->sums[k] = enter(r, zeros(graph, input_of(r, captures + k)), input_of(r, captures + k));
    r->back.carries = r->count;
    for (int64_t i = 0; i < a->carries; i++) r->leaves[i] = enter(r, v->outputs[saved + i], input_of(r, i));
    for (int64_t i = sequences; i < captures; i++) r->leaves[i] = enter(r, v->inputs[i], input_of(r, i));
    for (int64_t i = 0; i < a->outputs; i++)
        if (cj_value_ok(v->cotangents[a->carries + i]))
            in->outputs[i] = enter(r, v->cotangents[a->carries + i],
                                   &a->body->values[a->body->outputs[a->carries + i].value]);
    for (int64_t i = 0; i < a->carries; i++)
        if (cj_value_ok(v->cotangents[saved + i]))
            in->saved[i] = enter(r, v->cotangents[saved + i], input_of(r, i));
    r->back.sequences = r->count - r->back.carries;
    for (int64_t k = 0; k < a->captures; k++)
        r->leaves[captures + k] = enter(r, v->inputs[captures + k], input_of(r, captures + k));
    r->back.captures = a->captures;
}

/* One step back: new cotangents of the carries, larger sums, and gradients of this step's slices. */
static void draw_back(returning *r, const arriving *in)
{
    const cj__scan_attributes *a = r->a;
    cj_value loss = cj__none(), gradients[CJ__MOST_VALUES], leaves[CJ__MOST_VALUES];
    int64_t captures = a->carries + a->sequences, wanted = 0, at = 0;
    for (int64_t i = 0; i < a->carries; i++)
        if (in->carries[i].graph) loss = add_term(loss, r->results[i], in->carries[i]);
    for (int64_t i = 0; i < a->outputs; i++)
        if (in->outputs[i].graph) loss = add_term(loss, r->results[a->carries + i], in->outputs[i]);
    for (int64_t i = 0; i < captures + a->captures; i++)
        if (i < a->carries ? in->carries[i].graph != NULL : r->v->wanted[i]) leaves[wanted++] = r->leaves[i];
    if (loss.graph) {
        cj_gradients(loss, (int)wanted, leaves, gradients);
    } else {
        for (int64_t i = 0; i < wanted; i++) gradients[i] = zeros(r->body, cj__value_of(leaves[i]));
    }
    cj_value slices[CJ__MOST_VALUES], sums[CJ__MOST_VALUES];
    int64_t slice_count = 0, sum_count = 0;
    for (int64_t i = 0; i < captures + a->captures; i++) {
        if (i < a->carries) {
            if (!in->carries[i].graph) continue;
            cj_value gradient = gradients[at++];
            cj_output(r->body, "carry", in->saved[i].graph ? cj_add(gradient, in->saved[i]) : gradient);
        } else if (r->v->wanted[i] && i < captures) {
            slices[slice_count++] = gradients[at++];
        } else if (r->v->wanted[i]) {
            sums[sum_count++] = cj_add(in->sums[i - captures], gradients[at++]);
        }
    }
    for (int64_t i = 0; i < sum_count; i++) cj_output(r->body, "sum", sums[i]);
    for (int64_t i = 0; i < slice_count; i++) cj_output(r->body, "slice", slices[i]);
    r->back.outputs = slice_count;
}

static cj_status make_back(returning *r)
{
    arriving in = {0};
    CJ__TRY(new_body(r->v->graph, &r->body));
    cj__own_body(r->v->graph, r->body);
    enter_all(r, &in);
    if (r->overflow)
        return cj__fail(CJ_UNSUPPORTED,
                        "its gradient would need more than %d values; hint: concatenate carries or captures",
                        (int)CJ__MOST_VALUES);
    CJ__TRY(cj_graph_status(r->body));
    CJ__TRY(inline_body(r));
    draw_back(r, &in);
    return cj_graph_status(r->body);
}

void cj__scan_saving_vjp(cj__vjp *v)
{
    const cj__scan_attributes *a = v->attributes;
    returning r = {.v = v, .a = a, .back = {.length = a->length, .reverse = !a->reverse}};
    cj_status status = make_back(&r);
    if (status != CJ_OK) {
        cj__graph_error(v->graph, status, "scan at '%s': %.600s", v->graph->scope, cj_error_message());
        return;
    }
    r.back.body = r.body;
    if (r.back.carries + r.back.outputs == 0) return;
    cj_value first = cj__draw(v->graph, CJ__OP_scan, &r.back, r.count, r.inputs);
    int64_t at = 0, slices = r.back.carries, captures = a->carries + a->sequences;
    for (int64_t i = 0; i < v->inputs_count; i++) {
        if (i < a->carries) {
            if (!is_float(input_of(&r, i))) continue;
            cj_value gradient = cj__output_of(first, (int)at++);
            if (v->wanted[i]) v->gradients[i] = gradient;
        } else if (v->wanted[i]) {
            v->gradients[i] = cj__output_of(first, (int)(i < captures ? slices++ : at++));
        }
    }
}

/* --- test samples -------------------------------------------------------------------------------------- */

/* c' = tanh(c·w) + x, y = c·x, in a body as cj_scan would cut it; all [width] but w: a scalar. */
static cj_graph *sample_body(cj_dtype dtype, int64_t width)
{
    cj_graph *body;
    if ((cj_graph_new)(&body, &(cj_graph_options){.size = sizeof(cj_graph_options)}) != CJ_OK) return NULL;
    cj_value c = cj_input(body, "c", dtype, cj_shape(width)), x = cj_input(body, "x", dtype, cj_shape(width));
    cj_value w = cj_input(body, "w", dtype, cj_scalar_shape());
    cj_output(body, "c", cj_add(cj_tanh(cj_mul(c, w)), x));
    cj_output(body, "y", cj_mul(c, x));
    return body;
}

static void scan_samples(cj__samples *samples)
{
    static const int64_t lengths[] = {5, 1, 0, 3, 1}, widths[] = {3, 3, 3, 37, 1};
    for (int form = 0; form < 10; form++) {
        int64_t width = widths[form >> 1];
        cj__scan_attributes a = {sample_body(CJ_F32, width), 1, 1, 1, 1, lengths[form >> 1], form & 1},
                            wide = a;
        wide.body = sample_body(CJ_F64, width);
        CJ__SAMPLE(samples, .attributes = &a, .wide_attributes = &wide, .inputs_count = 3,
                   .inputs = {{CJ_F32, cj_shape(width), 0, 0},
                              {CJ_F32, cj_shape(a.length, width), 0, 0},
                              {CJ_F32, cj_scalar_shape(), 0, 0}});
        cj_graph_free(a.body);
        cj_graph_free(wide.body);
    }
}

void cj__scan_samples(cj__samples *samples)
{
    scan_samples(samples);
}

void cj__scan_saving_samples(cj__samples *samples)
{
    scan_samples(samples);
}

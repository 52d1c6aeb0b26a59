/* Recurrent layers: what the input gives to all gates is one product for all steps, the rest an op of its own
 * (ops/recurrence.h). Layers and directions are so many of these. */
#define CJ_NO_LOCATIONS
#include "cajal/sequence.h"
#include "model/model.h"
#include "nn/check.h"
#include "nn/padding.h"
#include "ops/recurrence.h"

#include <math.h>
#include <stdio.h>

typedef struct {
    cj_scope scope;
    const cj_recurrent_options *o;
    cj__cell cell;
    const char *type; /* as summaries call it */
    int64_t layers, directions, rows;
    bool single; /* one step of a cell, whose parameters have no number */
} network;

/* --- checks -------------------------------------------------------------------------------------------- */

static cj_recurrent refused(const network *n)
{
    cj_value bad = cj__poison(n->scope.graph);
    return (cj_recurrent){bad, bad, bad, bad};
}

#define REFUSE(n, ...) return (void)cj__graph_error((n)->scope.graph, CJ_SHAPE_ERROR, __VA_ARGS__), false

static bool check_options(const network *n)
{
    const cj_recurrent_options *o = n->o;
    const char *path = n->scope.path;
    if (!cj__sized(n->scope, n->type, "units", o->units) ||
        !cj__sized(n->scope, n->type, "layers", n->layers) || !cj__rate_fits(n->scope, n->type, o->dropout))
        return false;
    if (o->cell.graph && n->cell != CJ__LSTM)
        REFUSE(n, "%s at '%s' was given a cell, which only an LSTM has", n->type, path);
    if (o->stateful && (o->hidden.graph || o->cell.graph || n->directions > 1 || n->single))
        REFUSE(
            n,
            "%s at '%s' carries its state from run to run, so it cannot be given one, nor be bidirectional, "
            "nor be a cell",
            n->type, path);
    if (o->relu && n->cell != CJ__RNN_RELU)
        REFUSE(n, "%s at '%s' has no ReLU; only cj_rnn may have it", n->type, path);
    if (n->single && (n->directions > 1 || o->layers > 1 || o->dropout > 0 || o->lengths.graph))
        REFUSE(n, "%s at '%s' is one step of one layer: it has no layers, directions, dropout or lengths",
               n->type, path);
    return true;
}

static bool check_input(const network *n)
{
    cj_shape_t x = cj_value_shape(n->o->input);
    if (x.rank != (n->single ? 2 : 3))
        REFUSE(n, "%s at '%s' has an input of %lld dimensions, but needs %s", n->type, n->scope.path,
               (long long)x.rank,
               n->single ? "[N,C]" : "[N,T,C]; hint: numbers of words become vectors by cj_embedding");
    return true;
}

static bool check_state(const network *n, cj_value state, const char *name)
{
    char wanted[CJ__SHAPE_TEXT], found[CJ__SHAPE_TEXT];
    cj_shape_t shape = n->single ? cj_shape(n->rows, n->o->units)
                                 : cj_shape(n->layers * n->directions, n->rows, n->o->units);
    if (!state.graph || !cj_value_ok(state) || cj_shape_equal(cj_value_shape(state), shape)) return true;
    REFUSE(n, "%s at '%s': %s is %s, but must be %s", n->type, n->scope.path, name,
           cj__shape_text(cj_value_shape(state), found), cj__shape_text(shape, wanted));
}

/* --- drawing ------------------------------------------------------------------------------------------- */

static cj_value parameter(const network *n, const char *name, int64_t layer, int64_t direction,
                          cj_shape_t shape)
{
    char whole[64];
    if (n->single)
        snprintf(whole, sizeof whole, "%s", name);
    else
        snprintf(whole, sizeof whole, "%s_l%lld%s", name, (long long)layer, direction ? "_reverse" : "");
    cj_init init = {CJ_INIT_UNIFORM, 1 / sqrt((double)n->o->units)};
    return cj_parameter(n->scope, whole, shape, init);
}

/* Layer `index` of a state [count,N,units]: [N,units]; zeros where there is none. */
static cj_value begin_with(const network *n, cj_value state, int64_t index)
{
    cj_shape_t shape = cj_shape(n->rows, n->o->units);
    if (!state.graph) return cj_broadcast(cj_constant(n->scope.graph, cj_value_dtype(n->o->input), 0), shape);
    return n->single ? state : cj_reshape(cj_slice(state, 0, index, index + 1, 1), shape);
}

/* Elements of a bias [G·units]. */
static cj_value units_from(cj_value x, int64_t from, int64_t to)
{
    return cj_slice(x, 0, from, to, 1);
}

/* A GRU's n has the recurrent bias within: it goes to the op, the others to the input's product. */
static void draw_biases(const network *n, int64_t layer, int64_t direction, cj__recurrence_operands *r)
{
    int64_t units = n->o->units;
    cj_shape_t shape = cj_shape(cj__cell_gates(n->cell) * units);
    if (n->o->no_bias) {
        cj_value none = cj_constant(n->scope.graph, cj_value_dtype(n->o->input), 0);
        if (n->cell == CJ__GRU) r->extra = cj_broadcast(none, cj_shape(units));
        return;
    }
    cj_value input = parameter(n, "bias_ih", layer, direction, shape);
    cj_value hidden = parameter(n, "bias_hh", layer, direction, shape);
    if (n->cell == CJ__GRU) {
        r->extra = units_from(hidden, 2 * units, 3 * units);
        cj_value none = cj__full_like(r->extra, 0);
        hidden = cj_concatenate(2, (cj_value[]){units_from(hidden, 0, 2 * units), none}, 0);
    }
    r->gates = cj_add(r->gates, cj_add(input, hidden));
}

/* Of a table's product, which inference keeps from run to run. */
enum { MOST_KEPT = 4 << 20 /* bytes */ };

/* Whether to multiply the whole table: where it has fewer rows than are taken, or where that is done once. */
static bool worth_multiplying(cj_value table, cj_value indices, cj_value weight)
{
    int64_t rows = cj_value_shape(table).dims[0], columns = cj_value_shape(weight).dims[0];
    if (rows < cj_shape_count(cj_value_shape(indices))) return true;
    bool once = table.graph->mode == CJ_INFERENCE && cj__variable_of(table) && cj__variable_of(weight);
    return once && rows * columns * (int64_t)cj_dtype_size(cj_value_dtype(table)) <= MOST_KEPT;
}

/* x·weightᵀ. Where x are rows of a table, an embedding's, the table is multiplied if that is less work, and
 * rows of the product are taken; the way back adds up by rows first. */
static cj_value project(cj_value x, cj_value weight)
{
    const cj__node *node = cj_value_ok(x) ? cj__node_of(x) : NULL;
    if (node && node->op == CJ__OP_gather && !x.graph->apart &&
        ((const cj__axis_attributes *)node->attributes)->axis == 0) {
        cj_value table = cj__make_value(x.graph, cj__resolve(x.graph, node->inputs[0]));
        cj_value indices = cj__make_value(x.graph, cj__resolve(x.graph, node->inputs[1]));
        if (cj_value_shape(table).rank == 2 && worth_multiplying(table, indices, weight))
            return cj_gather(cj_matmul_transposed(table, weight, false, true), indices, 0);
    }
    return cj_matmul_transposed(x, weight, false, true);
}

static cj__recurrence_results draw_direction(const network *n, cj_value x, int64_t layer, int64_t direction)
{
    int64_t index = layer * n->directions + direction, wide = cj__cell_gates(n->cell) * n->o->units;
    cj_value input = parameter(n, "weight_ih", layer, direction, cj_shape(wide, cj__channels_of(x)));
    cj__recurrence_operands r = {.cell = n->cell,
                                 .reverse = direction,
                                 .first = begin_with(n, n->o->hidden, index),
                                 .lengths = n->o->lengths};
    r.weight = parameter(n, "weight_hh", layer, direction, cj_shape(wide, n->o->units));
    r.gates = project(x, input);
    if (n->cell == CJ__LSTM) r.extra = begin_with(n, n->o->cell, index);
    draw_biases(n, layer, direction, &r);
    return cj__recurrence(&r);
}

/* Both directions, side by side along the last axis. */
static cj_value joined(const network *n, const cj_value *parts)
{
    return n->directions == 1 ? parts[0] : cj_concatenate(2, parts, -1);
}

/* States of layers and directions, [N,units] each, as one. */
static cj_value stacked(const network *n, cj_value so_far, cj_value state)
{
    cj_value one = cj_reshape(state, cj_shape(1, n->rows, n->o->units));
    return so_far.graph ? cj_concatenate(2, (cj_value[]){so_far, one}, 0) : one;
}

/* The input with zeros in padding, since the gradient of weight_ih multiplies its own zeros by what stands
 * there. Rows of a table are numbers, and stay the table's, for `project`. */
static cj_value clean_input(const network *n)
{
    cj_value x = n->o->input;
    bool rows = !n->o->lengths.graph || cj__node_of(x)->op == CJ__OP_gather;
    return rows ? x : cj__without_padding(x, n->o->lengths);
}

static cj_recurrent draw_layers(const network *n)
{
    cj_value x = clean_input(n), states[2], last[2];
    cj_recurrent result = {0};
    if (!cj_value_ok(x)) return refused(n);
    for (int64_t layer = 0; layer < n->layers && cj_value_ok(x); layer++) {
        if (layer > 0 && n->o->dropout > 0) x = cj_dropout(cj_at(n->scope, "dropout"), x, n->o->dropout);
        for (int64_t d = 0; d < n->directions; d++) {
            cj__recurrence_results r = draw_direction(n, x, layer, d);
            states[d] = r.states;
            last[d] = r.last;
            result.hidden = stacked(n, result.hidden, r.last);
            if (n->cell == CJ__LSTM) result.cell = stacked(n, result.cell, r.cell);
        }
        x = joined(n, states);
    }
    result.output = x;
    result.last = joined(n, last);
    return result;
}

/* A sequence of one step. */
static cj_recurrent draw_single(network *n)
{
    cj_shape_t x = cj_value_shape(n->o->input);
    cj_recurrent_options o = *n->o;
    n->o = &o;
    o.input = cj_reshape(o.input, cj_shape(x.dims[0], 1, x.dims[1]));
    cj_recurrent r = draw_layers(n);
    r.output = r.hidden = r.last;
    if (n->cell == CJ__LSTM) r.cell = cj_reshape(r.cell, cj_shape(x.dims[0], o.units));
    return r;
}

/* States [layers,N,units] that a variable keeps with N first; it takes what the run leaves. */
static cj_value carried(const network *n, const char *name, cj_value *variable)
{
    cj_shape_t shape = cj_shape(n->rows, n->layers, n->o->units);
    *variable = cj_state(n->scope, name, CJ_CARRIED, CJ_F32, shape, 0);
    return cj_transpose(*variable, cj_axes(1, 0, 2));
}

static cj_recurrent draw_stateful(network *n)
{
    cj_recurrent_options o = *n->o;
    cj_value hidden, cell;
    n->o = &o;
    o.hidden = carried(n, "hidden", &hidden);
    if (n->cell == CJ__LSTM) o.cell = carried(n, "cell", &cell);
    cj_recurrent r = draw_layers(n);
    cj_assign(hidden, cj_transpose(r.hidden, cj_axes(1, 0, 2)));
    if (n->cell == CJ__LSTM) cj_assign(cell, cj_transpose(r.cell, cj_axes(1, 0, 2)));
    return r;
}

static cj_recurrent draw(cj_scope scope, const cj_recurrent_options *o, cj__cell cell, const char *type,
                         bool single)
{
    network n = {scope, o, cell, type, o->layers ? o->layers : 1, o->bidirectional ? 2 : 1, 0, single};
    cj_recurrent result = refused(&n);
    const char *outer = cj__enter(scope.graph, scope.path);
    n.rows = cj_value_shape(o->input).rank ? cj_value_shape(o->input).dims[0] : 0;
    bool ok = cj__given(scope, type, "input", o->input) && check_options(&n) && check_input(&n) &&
              cj__lengths_fit(scope, type, "lengths", o->lengths, n.rows) &&
              check_state(&n, o->hidden, "hidden") && check_state(&n, o->cell, "cell");
    if (ok) result = single ? draw_single(&n) : o->stateful ? draw_stateful(&n) : draw_layers(&n);
    cj__enter(scope.graph, outer);
    if (o->file) (void)cj_here(result.output, o->file, o->line);
    result.output = cj_note_layer(scope, type, result.output);
    return result;
}

/* --- the layers ---------------------------------------------------------------------------------------- */

static cj__cell simple(const cj_recurrent_options *o)
{
    return o->relu ? CJ__RNN_RELU : CJ__RNN_TANH;
}

cj_recurrent cj_rnn(cj_scope scope, const cj_recurrent_options *o)
{
    return draw(scope, o, simple(o), "rnn", false);
}

cj_recurrent cj_lstm(cj_scope scope, const cj_recurrent_options *o)
{
    return draw(scope, o, CJ__LSTM, "lstm", false);
}

cj_recurrent cj_gru(cj_scope scope, const cj_recurrent_options *o)
{
    return draw(scope, o, CJ__GRU, "gru", false);
}

cj_recurrent cj_rnn_cell(cj_scope scope, const cj_recurrent_options *o)
{
    return draw(scope, o, simple(o), "rnn_cell", true);
}

cj_recurrent cj_lstm_cell(cj_scope scope, const cj_recurrent_options *o)
{
    return draw(scope, o, CJ__LSTM, "lstm_cell", true);
}

cj_recurrent cj_gru_cell(cj_scope scope, const cj_recurrent_options *o)
{
    return draw(scope, o, CJ__GRU, "gru_cell", true);
}

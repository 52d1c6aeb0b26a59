/* Recurrences: drawing, what they stand for as scans, and their gradients. The gradient by the weight is one
 * product over all steps, of what the way back leaves and the states that each step found. */
#include "ops/recurrence.h"

/* x: [N,T,…] ↔ [T,N,…] */
static cj_value by_step(cj_value x)
{
    return cj_transpose(x, cj_axes(1, 0, 2));
}

static cj_value zeros(cj_graph *graph, cj_dtype dtype, cj_shape_t shape)
{
    return cj_broadcast(cj_constant(graph, dtype, 0), shape);
}

/* Part i of [...,G·H]. */
static cj_value part(cj_value x, int64_t units, int i)
{
    return cj_slice(x, -1, i * units, (i + 1) * units, 1);
}

static cj_value joined(cj_value a, cj_value b, cj_value c)
{
    return cj_concatenate(3, (cj_value[]){a, b, c}, -1);
}

/* 1 - x */
static cj_value rest(cj_value x)
{
    return cj_add_scalar(cj_neg(x), 1);
}

/* dy·s(1 - s): back through a sigmoid that gave s; and through a tanh. */
static cj_value through_sigmoid(cj_value dy, cj_value s)
{
    return cj_mul(dy, cj_mul(s, rest(s)));
}

static cj_value through_tanh(cj_value dy, cj_value t)
{
    return cj_mul(dy, rest(cj_square(t)));
}

/* --- drawing ------------------------------------------------------------------------------------------- */

static cj_value fitting_lengths(const cj__recurrence_operands *o, int64_t rows, int64_t steps)
{
    cj_graph *graph = o->gates.graph;
    cj_value whole = cj_constant(graph, CJ_I32, (double)steps);
    if (!o->lengths.graph) return cj_broadcast(whole, cj_shape(rows));
    cj_value none = cj_constant(graph, CJ_I32, 0);
    return cj_maximum(cj_minimum(cj_cast(o->lengths, CJ_I32), whole), none);
}

cj__recurrence_results cj__recurrence(const cj__recurrence_operands *o)
{
    cj_shape_t shape = cj_value_shape(o->gates);
    cj__recurrence_attributes a = {o->cell, o->reverse, o->lengths.graph != NULL};
    cj_value lengths = fitting_lengths(o, shape.dims[0], shape.dims[1]);
    cj_value inputs[] = {o->gates, o->weight, o->first, lengths, o->extra};
    cj_value states = cj__draw(o->gates.graph, CJ__OP_recurrence, &a, o->extra.graph ? 5 : 4, inputs);
    cj__recurrence_results r = {.states = states, .last = cj__output_of(states, 1)};
    if (o->cell == CJ__LSTM) r.cell = cj__output_of(states, 2);
    return r;
}

/* --- spelled out --------------------------------------------------------------------------------------- */

typedef struct {
    cj__cell cell;
    int64_t units;
    cj_value weight, bias;
    bool varied;
} stepping;

/* Steps beyond a row's length change no carry, and give zeros. The last sequence says which are within. */
static void skip_padding(cj_scan_step *s, const stepping *c, const cj_scan_step *before)
{
    if (!c->varied) return;
    int last = 0;
    while (last + 1 < CJ_MAX_SCAN && s->sequences[last + 1].graph) last++;
    cj_value within = s->sequences[last];
    for (int i = 0; i < CJ_MAX_SCAN && s->carries[i].graph; i++)
        s->carries[i] = cj_select(within, s->carries[i], before->carries[i]);
    for (int i = 0; i < CJ_MAX_SCAN && s->outputs[i].graph; i++)
        s->outputs[i] = cj_select(within, s->outputs[i], cj__full_like(s->outputs[i], 0));
}

static void lstm_step(cj_scan_step *s, int64_t units, cj_value product)
{
    cj_value z = cj_add(s->sequences[0], product);
    cj_value i = cj_sigmoid(part(z, units, 0)), f = cj_sigmoid(part(z, units, 1));
    cj_value g = cj_tanh(part(z, units, 2)), o = cj_sigmoid(part(z, units, 3));
    cj_value cell = cj_add(cj_mul(f, s->carries[1]), cj_mul(i, g));
    s->carries[0] = s->outputs[0] = cj_mul(o, cj_tanh(cell));
    s->carries[1] = s->outputs[2] = cell;
    s->outputs[1] = cj_concatenate(4, (cj_value[]){i, f, g, o}, -1);
}

static void gru_step(cj_scan_step *s, int64_t units, cj_value product, cj_value bias)
{
    cj_value x = s->sequences[0], q = cj_add(part(product, units, 2), bias);
    cj_value r = cj_sigmoid(cj_add(part(x, units, 0), part(product, units, 0)));
    cj_value z = cj_sigmoid(cj_add(part(x, units, 1), part(product, units, 1)));
    cj_value n = cj_tanh(cj_add(part(x, units, 2), cj_mul(r, q)));
    s->carries[0] = s->outputs[0] = cj_add(cj_mul(rest(z), n), cj_mul(z, s->carries[0]));
    s->outputs[1] = joined(r, z, n);
    s->outputs[2] = q;
}

static void step(cj_scan_step *s)
{
    const stepping *c = s->context;
    cj_scan_step before = *s;
    cj_value product = cj_matmul_transposed(s->carries[0], c->weight, false, true);
    if (c->cell == CJ__LSTM) {
        lstm_step(s, c->units, product);
    } else if (c->cell == CJ__GRU) {
        gru_step(s, c->units, product, c->bias);
    } else {
        cj_value z = cj_add(s->sequences[0], product);
        s->carries[0] = s->outputs[0] = c->cell == CJ__RNN_TANH ? cj_tanh(z) : cj_relu(z);
    }
    skip_padding(s, c, &before);
}

/* bool [T,N,1]: step t of row n is within its length. */
static cj_value within_lengths(cj_value lengths, int64_t steps)
{
    int64_t rows = cj_value_shape(lengths).dims[0];
    cj_value t = cj_reshape(cj_iota(lengths.graph, CJ_I32, steps), cj_shape(steps, 1, 1));
    return cj_less(t, cj_reshape(lengths, cj_shape(1, rows, 1)));
}

static stepping stepping_of(const cj__recurrence_attributes *a, cj_value weight)
{
    return (stepping){.cell = (cj__cell)a->cell,
                      .units = cj_value_shape(weight).dims[1],
                      .weight = weight,
                      .varied = a->varied};
}

void cj__recurrence_saving_lower(cj__lowering *l)
{
    const cj__recurrence_attributes *a = l->attributes;
    cj_value gates = l->inputs[CJ__R_GATES];
    stepping c = stepping_of(a, l->inputs[CJ__R_WEIGHT]);
    cj_scan_options o = {.size = sizeof o,
                         .body = step,
                         .context = &c,
                         .carries = {l->inputs[CJ__R_FIRST]},
                         .sequences = {by_step(gates)},
                         .reverse = a->reverse};
    if (a->cell == CJ__LSTM) o.carries[1] = l->inputs[CJ__R_EXTRA];
    if (a->cell == CJ__GRU) c.bias = l->inputs[CJ__R_EXTRA];
    if (a->varied) o.sequences[1] = within_lengths(l->inputs[CJ__R_LENGTHS], cj_value_shape(gates).dims[1]);
    cj_scan_result r = cj_scan(&o);
    int at = 0;
    l->outputs[at++] = by_step(r.outputs[0]);
    l->outputs[at++] = r.carries[0];
    if (a->cell == CJ__LSTM) l->outputs[at++] = r.carries[1];
    for (int i = 1; at < l->outputs_count; i++) l->outputs[at++] = by_step(r.outputs[i]);
}

void cj__recurrence_lower(cj__lowering *l)
{
    cj_value first = cj__draw(l->graph, CJ__OP_recurrence_saving, l->attributes, l->inputs_count, l->inputs);
    for (int i = 0; i < l->outputs_count; i++) l->outputs[i] = cj__output_of(first, i);
}

/* --- the way back, spelled out ------------------------------------------------------------------------- */

/* sequences: dy, gates, cell, the cell before; carries: dh, dc */
static void lstm_step_back(cj_scan_step *s, const stepping *c)
{
    cj_value *x = s->sequences, dh = cj_add(s->carries[0], x[0]), tanh = cj_tanh(x[2]);
    cj_value i = part(x[1], c->units, 0), f = part(x[1], c->units, 1);
    cj_value g = part(x[1], c->units, 2), o = part(x[1], c->units, 3);
    cj_value dc = cj_add(s->carries[1], through_tanh(cj_mul(dh, o), tanh));
    cj_value d[] = {through_sigmoid(cj_mul(dc, g), i), through_sigmoid(cj_mul(dc, x[3]), f),
                    through_tanh(cj_mul(dc, i), g), through_sigmoid(cj_mul(dh, tanh), o)};
    s->outputs[0] = cj_concatenate(4, d, -1);
    s->carries[0] = cj_matmul(s->outputs[0], c->weight);
    s->carries[1] = cj_mul(dc, f);
}

/* sequences: dy, gates, q, the state before; carry: dh */
static void gru_step_back(cj_scan_step *s, const stepping *c)
{
    cj_value *x = s->sequences, dh = cj_add(s->carries[0], x[0]);
    cj_value r = part(x[1], c->units, 0), z = part(x[1], c->units, 1), n = part(x[1], c->units, 2);
    cj_value dn = through_tanh(cj_mul(dh, rest(z)), n);
    cj_value dz = through_sigmoid(cj_mul(dh, cj_sub(x[3], n)), z), dr = through_sigmoid(cj_mul(dn, x[2]), r);
    s->outputs[0] = joined(dr, dz, dn);
    s->outputs[1] = joined(dr, dz, cj_mul(dn, r));
    s->carries[0] = cj_add(cj_mul(dh, z), cj_matmul(s->outputs[1], c->weight));
}

/* sequences: dy, state; carry: dh */
static void rnn_step_back(cj_scan_step *s, const stepping *c)
{
    cj_value dh = cj_add(s->carries[0], s->sequences[0]), y = s->sequences[1], none = cj__full_like(y, 0);
    s->outputs[0] = c->cell == CJ__RNN_TANH ? through_tanh(dh, y) : cj_select(cj_less(none, y), dh, none);
    s->carries[0] = cj_matmul(s->outputs[0], c->weight);
}

static void step_back(cj_scan_step *s)
{
    const stepping *c = s->context;
    cj_scan_step before = *s;
    if (c->cell == CJ__LSTM)
        lstm_step_back(s, c);
    else if (c->cell == CJ__GRU)
        gru_step_back(s, c);
    else
        rnn_step_back(s, c);
    skip_padding(s, c, &before);
}

/* What each step found: states [N,T,H] one step later, `first` at a row's first. Beyond its length anything,
 * which meets gradients of zero. */
static cj_value before_each(const cj__recurrence_attributes *a, cj_value states, cj_value first,
                            cj_value lengths)
{
    cj_shape_t z = cj_value_shape(states);
    int64_t rows = z.dims[0], steps = z.dims[1];
    if (steps == 0) return states;
    first = cj_reshape(first, cj_shape(rows, 1, z.dims[2]));
    if (!a->reverse) return cj_concatenate(2, (cj_value[]){first, cj_slice(states, 1, 0, steps - 1, 1)}, 1);
    cj_value shifted = cj_concatenate(2, (cj_value[]){cj_slice(states, 1, 1, steps, 1), first}, 1);
    if (!a->varied) return shifted;
    cj_value after = cj_add_scalar(cj_iota(states.graph, CJ_I32, steps), 1);
    cj_value is_last =
        cj_equal(cj_reshape(after, cj_shape(1, steps, 1)), cj_reshape(lengths, cj_shape(rows, 1, 1)));
    return cj_select(is_last, cj_broadcast(first, z), shifted);
}

void cj__recurrence_gradient_lower(cj__lowering *l)
{
    const cj__recurrence_attributes *a = l->attributes;
    const cj_value *in = l->inputs, *saved = in + CJ__B_SAVED;
    stepping c = stepping_of(a, in[CJ__B_WEIGHT]);
    cj_scan_options o = {.size = sizeof o,
                         .body = step_back,
                         .context = &c,
                         .carries = {in[CJ__B_LAST]},
                         .sequences = {by_step(in[CJ__B_STATES]), by_step(saved[0])},
                         .reverse = !a->reverse};
    int count = 2;
    if (a->cell == CJ__LSTM) o.carries[1] = saved[3];
    if (c.cell == CJ__LSTM || c.cell == CJ__GRU) {
        o.sequences[count++] = by_step(saved[c.cell == CJ__LSTM ? 1 : 3]);
        o.sequences[count++] = by_step(before_each(a, saved[1], saved[2], in[CJ__B_LENGTHS]));
    }
    if (a->varied)
        o.sequences[count] = within_lengths(in[CJ__B_LENGTHS], cj_value_shape(in[CJ__B_STATES]).dims[1]);
    cj_scan_result r = cj_scan(&o);
    l->outputs[0] = by_step(r.outputs[0]);
    l->outputs[1] = r.carries[0];
    if (c.cell == CJ__LSTM) l->outputs[2] = r.carries[1];
    if (c.cell == CJ__GRU) l->outputs[2] = by_step(r.outputs[1]);
}

/* --- gradients ----------------------------------------------------------------------------------------- */

/* Where gradients of gradients ask for those of what was saved: through the scan. The operands are looked at
 * as if nothing led from one to another: by casts to what they are, since a scan looks through reshapes. */
static void gradients_of_steps(cj__vjp *v)
{
    cj_value leaves[5], outputs[5], wanted[5], gradients[5], sum = cj__none();
    int count = 0;
    for (int i = 0; i < v->inputs_count; i++) {
        cj__cast_attributes same = {cj_value_dtype(v->inputs[i])};
        leaves[i] = cj__draw1(CJ__OP_cast, &same, v->inputs[i]);
        if (v->wanted[i]) wanted[count++] = leaves[i];
    }
    cj__lowering l = {v->graph, v->attributes, v->inputs_count, v->outputs_count, leaves, outputs};
    cj__recurrence_saving_lower(&l);
    for (int i = 0; i < v->outputs_count; i++) {
        if (!cj_value_ok(v->cotangents[i])) continue;
        cj_value term = cj__sum_all(cj_mul(outputs[i], v->cotangents[i]));
        sum = sum.graph ? cj_add(sum, term) : term;
    }
    cj_gradients(sum, count, wanted, gradients);
    for (int i = v->inputs_count - 1; i >= 0; i--)
        if (v->wanted[i]) v->gradients[i] = gradients[--count];
}

static cj_value cotangent_of(const cj__vjp *v, int output)
{
    cj_value y = v->outputs[output], given = v->cotangents[output];
    return cj_value_ok(given) ? given : zeros(v->graph, cj_value_dtype(y), cj_value_shape(y));
}

/* The operands of `recurrence_gradient`; returns its first result. */
static cj_value draw_back(const cj__vjp *v, const cj__recurrence_attributes *a)
{
    const cj_value *y = v->outputs;
    cj_value in[8] = {v->inputs[CJ__R_WEIGHT], v->inputs[CJ__R_LENGTHS], cotangent_of(v, 0),
                      cotangent_of(v, 1), y[0]};
    if (a->cell == CJ__LSTM) {
        cj_value saved[] = {y[3], y[4], v->inputs[CJ__R_EXTRA], cotangent_of(v, 2)};
        for (int i = 0; i < 4; i++) in[CJ__B_SAVED + i] = saved[i];
    }
    if (a->cell == CJ__GRU) {
        cj_value saved[] = {y[2], y[0], v->inputs[CJ__R_FIRST], y[3]};
        for (int i = 0; i < 4; i++) in[CJ__B_SAVED + i] = saved[i];
    }
    bool saves = a->cell == CJ__LSTM || a->cell == CJ__GRU;
    return cj__draw(v->graph, CJ__OP_recurrence_gradient, a, saves ? 8 : 5, in);
}

void cj__recurrence_saving_vjp(cj__vjp *v)
{
    const cj__recurrence_attributes *a = v->attributes;
    for (int i = a->cell == CJ__LSTM ? 3 : 2; i < v->outputs_count; i++)
        if (cj_value_ok(v->cotangents[i])) {
            gradients_of_steps(v);
            return;
        }
    cj_value gates = draw_back(v, a), hidden = a->cell == CJ__GRU ? cj__output_of(gates, 2) : gates;
    cj_shape_t z = cj_value_shape(hidden);
    v->gradients[CJ__R_GATES] = gates;
    v->gradients[CJ__R_FIRST] = cj__output_of(gates, 1);
    if (a->cell == CJ__LSTM) v->gradients[CJ__R_EXTRA] = cj__output_of(gates, 2);
    if (a->cell == CJ__GRU && v->wanted[CJ__R_EXTRA])
        v->gradients[CJ__R_EXTRA] = cj_sum(part(hidden, z.dims[2] / 3, 2), cj_axes(0, 1), CJ_DROP_AXES);
    if (!v->wanted[CJ__R_WEIGHT]) return;
    int64_t rows = z.dims[0] * z.dims[1], units = cj_value_shape(v->outputs[0]).dims[2];
    cj_value found = before_each(a, v->outputs[0], v->inputs[CJ__R_FIRST], v->inputs[CJ__R_LENGTHS]);
    v->gradients[CJ__R_WEIGHT] = cj_matmul_transposed(cj_reshape(hidden, cj_shape(rows, z.dims[2])),
                                                      cj_reshape(found, cj_shape(rows, units)), true, false);
}

/* --- test samples -------------------------------------------------------------------------------------- */

static const struct {
    int64_t rows, steps, units, reverse, varied;
} sizes[] = {{3, 4, 3, 0, 0}, {3, 4, 3, 1, 1}, {1, 1, 1, 0, 0}, {7, 3, 5, 0, 1},
             {0, 2, 3, 0, 1}, {2, 0, 3, 1, 1}, {1, 1, 1, 1, 1}, {17, 2, 3, 1, 0}};

static void forward_samples(cj__samples *samples)
{
    for (int64_t k = 0; k < CJ__CELL_COUNT * (int64_t)(sizeof sizes / sizeof *sizes); k++) {
        int64_t cell = k % CJ__CELL_COUNT, s = k / CJ__CELL_COUNT, gates = cj__cell_gates(cell);
        int64_t rows = sizes[s].rows, steps = sizes[s].steps, units = sizes[s].units;
        cj__recurrence_attributes a = {cell, sizes[s].reverse, sizes[s].varied};
        double fewest = a.varied ? 0 : (double)steps;
        cj__sample sample = {.attributes = &a,
                             .inputs_count = cj__cell_gates(cell) > 1 ? 5 : 4,
                             .inputs = {{CJ_F32, cj_shape(rows, steps, gates * units), -1, 1},
                                        {CJ_F32, cj_shape(gates * units, units), -1, 1},
                                        {CJ_F32, cj_shape(rows, units), 0, 0},
                                        {CJ_I32, cj_shape(rows), fewest, (double)steps + 0.999},
                                        {CJ_F32, cj_shape(rows, units), 0, 0}}};
        if (cell == CJ__GRU) sample.inputs[4].shape = cj_shape(units);
        cj__sample_add(samples, &sample);
    }
}

void cj__recurrence_samples(cj__samples *samples)
{
    forward_samples(samples);
}

void cj__recurrence_saving_samples(cj__samples *samples)
{
    forward_samples(samples);
}

void cj__recurrence_gradient_samples(cj__samples *samples)
{
    for (int64_t k = 0; k < CJ__CELL_COUNT * (int64_t)(sizeof sizes / sizeof *sizes); k++) {
        int64_t cell = k % CJ__CELL_COUNT, s = k / CJ__CELL_COUNT, gates = cj__cell_gates(cell);
        int64_t rows = sizes[s].rows, steps = sizes[s].steps, units = sizes[s].units;
        cj__recurrence_attributes a = {cell, sizes[s].reverse, sizes[s].varied};
        double fewest = a.varied ? 0 : (double)steps;
        cj_shape_t states = cj_shape(rows, steps, units), state = cj_shape(rows, units);
        cj__sample sample = {.attributes = &a,
                             .inputs_count = gates > 1 ? 8 : 5,
                             .inputs = {{CJ_F32, cj_shape(gates * units, units), -1, 1},
                                        {CJ_I32, cj_shape(rows), fewest, (double)steps + 0.999},
                                        {CJ_F32, states, 0, 0},
                                        {CJ_F32, state, 0, 0},
                                        {CJ_F32, cj_shape(rows, steps, gates * units), -0.9, 0.9},
                                        {CJ_F32, states, 0, 0},
                                        {CJ_F32, state, 0, 0},
                                        {CJ_F32, cell == CJ__LSTM ? state : states, 0, 0}}};
        cj__sample_add(samples, &sample);
    }
}

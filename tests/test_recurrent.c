/* Recurrent layers against PyTorch's, from tests/fixtures/recurrent.py: outputs, states and all gradients;
 * and what the kernels promise for sizes that the samples of test_ops are too small for: values, padding, the
 * same bits for any number of threads.
 *
 * labels: threads */
#include "support.h"

#include "cajal/cajal.h"
#include "compile/program.h"
#include "cpu/isa.h"
#include "graph/graph.h"
#include "recurrence_check.h"

#include <math.h>

typedef cj_recurrent (*layer)(cj_scope scope, const cj_recurrent_options *options);

/* --- PyTorch's ----------------------------------------------------------------------------------------- */

static cj_tensor_file *values;
static cj_model *model;

static const struct {
    const char *name;
    layer draw;
    cj_recurrent_options o;
} cases[] = {{"rnn", cj_rnn, {.units = 6}},
             {"rnn_both", cj_rnn, {.units = 6, .layers = 2, .bidirectional = true}},
             {"lstm", cj_lstm, {.units = 6}},
             {"lstm_both", cj_lstm, {.units = 6, .layers = 2, .bidirectional = true}},
             {"gru", cj_gru, {.units = 6}},
             {"gru_both", cj_gru, {.units = 6, .layers = 2, .bidirectional = true}},
             {"relu", cj_rnn, {.units = 6, .layers = 2, .relu = true}},
             {"no_bias", cj_gru, {.units = 6, .no_bias = true}},
             {"rnn_cell", cj_rnn_cell, {.units = 6}},
             {"lstm_cell", cj_lstm_cell, {.units = 6}},
             {"gru_cell", cj_gru_cell, {.units = 6}}};

static int64_t find(const char *name, const char *what)
{
    char whole[96];
    snprintf(whole, sizeof whole, "%s.%s", name, what);
    return cj_tensor_file_find(values, whole);
}

enum { MOST = 24 };

/* A graph whose inputs are tensors of the fixture and whose results, put together to one output, are to equal
 * others. */
typedef struct {
    const char *name;
    cj_graph *graph;
    cj_run_options run;
    cj_value wanted[MOST]; /* gradients are asked for */
    cj_value results[MOST];
    const char *gradients[MOST], *outputs[MOST];
    int inputs, outputs_count, wanted_count;
    char names[MOST][64];
} comparison;

static cj_value input(comparison *c, const char *what)
{
    cj_tensor tensor;
    cj_value none = {0};
    int64_t index = find(c->name, what);
    if (index < 0) return none;
    expect_ok(cj_tensor_file_describe(values, index, &tensor));
    tensor.data = malloc(cj_tensor_bytes(&tensor) + 1);
    expect_ok(cj_tensor_file_read(values, index, tensor.data));
    c->run.inputs[c->inputs++] = tensor;
    return cj_input(c->graph, what, tensor.dtype, tensor.shape);
}

static void output(comparison *c, const char *what, cj_value value)
{
    assert_true(find(c->name, what) >= 0);
    c->results[c->outputs_count] = cj_reshape(value, cj_shape(-1));
    c->outputs[c->outputs_count++] = what;
}

static cj_value want(comparison *c, cj_value value, const char *gradient)
{
    if (!value.graph || find(c->name, gradient) < 0) return value;
    c->gradients[c->wanted_count] = gradient;
    c->wanted[c->wanted_count++] = value;
    return value;
}

/* The gradients of the parameters stand in the fixture as "d." and their names. */
static void want_parameters(comparison *c)
{
    for (int64_t i = 0; i < cj_model_count(model); i++) {
        const char *name = cj_model_variable(model, i).name;
        size_t length = strlen(c->name);
        if (strncmp(name, c->name, length) != 0 || name[length] != '.') continue;
        char *what = c->names[c->wanted_count];
        snprintf(what, sizeof c->names[0], "d.%s", name + length + 1);
        cj_scope scope = cj_at(cj_root(c->graph), "%s", c->name);
        cj_shape_t shape = cj_model_variable(model, i).tensor.shape;
        want(c, cj_parameter(scope, name + length + 1, shape, (cj_init){0}), what);
    }
}

/* Returns how many there were. */
static int64_t expect_equal(const comparison *c, const char *what, const float *found, double tolerance)
{
    cj_tensor tensor;
    expect_ok(cj_tensor_file_describe(values, find(c->name, what), &tensor));
    float *wanted = malloc(cj_tensor_bytes(&tensor) + 1);
    expect_ok(cj_tensor_file_read(values, find(c->name, what), wanted));
    for (int64_t i = 0; i < cj_shape_count(tensor.shape); i++)
        if (!(fabs((double)found[i] - (double)wanted[i]) <= tolerance * (1 + fabs((double)wanted[i]))))
            fail_msg("%s.%s[%lld] is %g, but PyTorch has %g", c->name, what, (long long)i, (double)found[i],
                     (double)wanted[i]);
    free(wanted);
    return cj_shape_count(tensor.shape);
}

static cj_value weighed(comparison *c, cj_value sum, cj_value value, const char *weights)
{
    cj_value w = value.graph ? input(c, weights) : (cj_value){0};
    if (!w.graph) return sum;
    cj_value term = cj_sum(cj_mul(value, w), CJ_ALL_AXES, CJ_DROP_AXES);
    return sum.graph ? cj_add(sum, term) : term;
}

static void draw_case(comparison *c, layer draw, cj_recurrent_options o)
{
    cj_value loss = {0}, gradients[MOST];
    o.size = sizeof o;
    o.input = want(c, input(c, "x"), "dx");
    o.lengths = input(c, "lengths");
    o.hidden = want(c, input(c, "h0"), "dh0");
    o.cell = want(c, input(c, "c0"), "dc0");
    cj_recurrent r = draw(cj_at(cj_root(c->graph), "%s", c->name), &o);
    if (!cj_value_ok(r.output)) fail_msg("%s: %d", c->name, cj_graph_status(c->graph));
    if (find(c->name, "y") >= 0) output(c, "y", r.output);
    output(c, "hidden", r.hidden);
    if (r.cell.graph) output(c, "cell", r.cell);
    loss = weighed(c, weighed(c, weighed(c, loss, r.output, "c"), r.hidden, "ch"), r.cell, "cc");
    if (!loss.graph) return;
    want_parameters(c);
    cj_gradients(loss, c->wanted_count, c->wanted, gradients);
    for (int i = 0; i < c->wanted_count; i++) output(c, c->gradients[i], gradients[i]);
}

static void test_equals_pytorch(void **state)
{
    (void)state;
    if (!values) skip_because("this build reads no safetensors");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        comparison c = {.name = cases[i].name, .run = {.size = sizeof c.run}};
        expect_ok(cj_graph_new(&c.graph, model, .mode = CJ_TRAINING));
        draw_case(&c, cases[i].draw, cases[i].o);
        cj_value all = cj_concatenate(c.outputs_count, c.results, 0);
        cj_output(c.graph, "all", all);
        expect_ok(cj_compile(&c.run.program, c.graph));
        float *found = malloc((size_t)cj_shape_count(cj_value_shape(all)) * sizeof *found), *next = found;
        c.run.outputs[0] = found;
        expect_ok((cj_program_run)(&c.run));
        for (int k = 0; k < c.outputs_count; k++) next += expect_equal(&c, c.outputs[k], next, 1e-5);
        cj_program_free(c.run.program);
        cj_graph_free(c.graph);
        free(found);
        for (int k = 0; k < c.inputs; k++) free(c.run.inputs[k].data);
    }
}

/* --- larger sizes against double precision ------------------------------------------------------------- */

static const struct {
    int64_t rows, steps, units;
} shapes[] = {{33, 3, 40}, {3, 4, 70}, {7, 2, 300}, {260, 2, 33}, {16, 3, 64}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static cj_test_recurrence size_of(int cell, int shape)
{
    return (cj_test_recurrence){.cell = (cj__cell)cell,
                                .rows = shapes[shape].rows,
                                .steps = shapes[shape].steps,
                                .units = shapes[shape].units,
                                .reverse = (cell + shape) % 2,
                                .varied = shape % 2 == 0};
}

static const cj_test_way f64 = {.dtype = CJ_F64}, f32 = {.dtype = CJ_F32};

static void expect_near(const cj_test_recurrence *z, const cj_test_answer *narrow, const cj_test_answer *wide)
{
    const float *found = narrow->values;
    const double *wanted = wide->values;
    int64_t count = wide->count;
    double largest = 0;
    for (int64_t i = 0; i < count; i++) largest = fmax(largest, fabs(wanted[i]));
    for (int64_t i = 0; i < count; i++)
        if (!(fabs((double)found[i] - wanted[i]) <= 2e-6 * (largest + fabs(wanted[i]))))
            fail_msg("cell %d, %lldx%lldx%lld, value %lld: %.9g, should be %.9g", z->cell, (long long)z->rows,
                     (long long)z->steps, (long long)z->units, (long long)i, (double)found[i], wanted[i]);
}

static void test_values(void **state)
{
    (void)state;
    for (int k = 0; k < CJ__CELL_COUNT * SHAPES; k++) {
        cj_test_recurrence z = size_of(k % CJ__CELL_COUNT, k / CJ__CELL_COUNT);
        cj_test_answer wanted = cj_test_recurrence_answer(&z, &f64);
        for (int isa = 0; isa < CJ__ISA_COUNT; isa++) {
            if (!cj__isa_available((cj__isa)isa)) continue;
            setenv("CAJAL_ISA", cj__isa_name((cj__isa)isa), 1);
            cj_test_answer found = cj_test_recurrence_answer(&z, &f32);
            expect_near(&z, &found, &wanted);
            free(found.values);
        }
        unsetenv("CAJAL_ISA");
        free(wanted.values);
    }
}

static void test_threads(void **state)
{
    (void)state;
    static const int counts[] = {2, 3, 7};
    for (int cell = 0; cell < CJ__CELL_COUNT; cell++) {
        cj_test_recurrence z = size_of(cell, 3);
        expect_ok(cj_set_threads(1));
        cj_test_answer one = cj_test_recurrence_answer(&z, &f32);
        for (int i = 0; i < 3; i++) {
            expect_ok(cj_set_threads(counts[i]));
            cj_test_answer more = cj_test_recurrence_answer(&z, &f32);
            assert_memory_equal(one.values, more.values, (size_t)one.count * sizeof(float));
            free(more.values);
        }
        free(one.values);
    }
    expect_ok(cj_set_threads(0));
}

/* --- sequences ----------------------------------------------------------------------------------------- */

enum { N = 6, T = 8, C = 3, H = 5 };

/* The layer's output over x, from zeros, in halves where `halves`: the second begins with what the first
 * left. */
static void run_layer(cj_model *m, layer draw, bool halves, const int32_t *lengths, const float *x, float *y)
{
    cj_graph *g;
    cj_program *program;
    expect_ok(cj_graph_new(&g, m, .mode = CJ_INFERENCE));
    cj_value in = cj_input(g, "x", CJ_F32, cj_shape(N, T, C)), parts[2];
    cj_value wanted = cj_input(g, "lengths", CJ_I32, cj_shape(N));
    cj_recurrent_options o = {.size = sizeof o, .units = H, .layers = 2, .dropout = 0.5};
    if (lengths) o.lengths = wanted;
    for (int i = 0; i < (halves ? 2 : 1); i++) {
        o.input = halves ? cj_slice(in, 1, i * T / 2, (i + 1) * T / 2, 1) : in;
        cj_recurrent r = draw(cj_at(cj_root(g), "layer"), &o);
        parts[i] = r.output;
        o.hidden = r.hidden;
        o.cell = r.cell;
    }
    cj_output(g, "y", halves ? cj_concatenate(2, parts, 1) : parts[0]);
    expect_ok(cj_compile(&program, g));
    static const int32_t none[N];
    expect_ok(cj_program_run(program,
                             .inputs = {{(void *)x, CJ_F32, cj_shape(N, T, C)},
                                        {(void *)(lengths ? lengths : none), CJ_I32, cj_shape(N)}},
                             .outputs = {y}));
    cj_program_free(program);
    cj_graph_free(g);
}

static void fill(float *x, int64_t count)
{
    for (int64_t i = 0; i < count; i++) x[i] = (float)sin((double)(i * i));
}

static void test_carried_state(void **state)
{
    (void)state;
    static const layer layers[] = {cj_rnn, cj_lstm, cj_gru};
    float x[N * T * C], whole[N * T * H], halves[N * T * H];
    fill(x, N * T * C);
    for (int i = 0; i < 3; i++) {
        cj_model *m;
        expect_ok(cj_model_new(&m, .seed = 1));
        run_layer(m, layers[i], false, NULL, x, whole);
        run_layer(m, layers[i], true, NULL, x, halves);
        assert_memory_equal(whole, halves, sizeof whole);
        cj_model_free(m);
    }
}

/* Lengths out of range count as the nearest; what lies beyond them changes nothing but is 0. */
static void test_lengths(void **state)
{
    (void)state;
    static const int32_t lengths[N] = {-3, 0, 5, 2, 8, 100};
    float x[N * T * C], whole[N * T * H], cut[N * T * H], changed[N * T * H];
    cj_model *m;
    expect_ok(cj_model_new(&m, .seed = 1));
    fill(x, N * T * C);
    run_layer(m, cj_gru, false, NULL, x, whole);
    run_layer(m, cj_gru, false, lengths, x, cut);
    for (int n = 0; n < N; n++)
        for (int t = lengths[n] < 0 ? 0 : lengths[n]; t < T; t++)
            for (int c = 0; c < C; c++) x[(n * T + t) * C + c] = 9;
    run_layer(m, cj_gru, false, lengths, x, changed);
    assert_memory_equal(cut, changed, sizeof cut);
    for (int i = 0; i < N * T * H; i++)
        assert_true(cut[i] == (i / H % T < lengths[i / H / T] ? whole[i] : 0));
    cj_model_free(m);
}

/* A packed weight is kept from run to run until the weight is written to. */
static cj_value rnn_state(cj_scope s, cj_value x, cj_value lengths)
{
    return cj_rnn(s, x, .units = H, .lengths = lengths).last;
}

static cj_value lstm_states(cj_scope s, cj_value x, cj_value lengths)
{
    return cj_lstm(s, x, .units = H, .layers = 2, .bidirectional = true, .lengths = lengths).output;
}

static cj_value gru_state(cj_scope s, cj_value x, cj_value lengths)
{
    return cj_gru(s, x, .units = H, .lengths = lengths).last;
}

static cj_value looked_at(cj_scope s, cj_value x, cj_value lengths)
{
    cj_value query = cj_mean(cj_gru(cj_at(s, "gru"), x, .units = H, .lengths = lengths).output,
                             (cj_axes_t){1, {1}}, CJ_DROP_AXES);
    return cj_additive_attention(s, query, x, .units = H, .lengths = lengths).context;
}

/* The weights after a step of training. */
static void train_with(cj_value (*draw)(cj_scope, cj_value, cj_value), const float *x, const int32_t *lengths,
                       cj_model **m)
{
    cj_graph *g;
    cj_program *program;
    expect_ok(cj_model_new(m, .seed = 1));
    expect_ok(cj_graph_new(&g, *m, .mode = CJ_TRAINING));
    cj_value in = cj_input(g, "x", CJ_F32, cj_shape(N, T, C)), l = cj_input(g, "l", CJ_I32, cj_shape(N));
    cj_value y = draw(cj_at(cj_root(g), "r"), in, l);
    cj_minimize(cj_mean(cj_square(y), CJ_ALL_AXES, CJ_DROP_AXES), cj_sgd(.learning_rate = 1));
    expect_ok(cj_compile(&program, g));
    expect_ok(cj_program_run(
        program, .inputs = {{(void *)x, CJ_F32, cj_shape(N, T, C)}, {(void *)lengths, CJ_I32, cj_shape(N)}}));
    cj_program_free(program);
    cj_graph_free(g);
}

/* Whatever stands in padding, no weight learns of it. */
static void test_nothing_of_padding(void **state)
{
    (void)state;
    static cj_value (*const draws[])(cj_scope, cj_value, cj_value) = {rnn_state, lstm_states, gru_state,
                                                                      looked_at};
    static const int32_t lengths[N] = {0, 1, 5, 2, T, 3};
    float clean[N * T * C], spoilt[N * T * C];
    fill(clean, N * T * C);
    for (int i = 0; i < N * T * C; i++) {
        bool padding = i / C % T >= lengths[i / C / T];
        spoilt[i] = padding ? NAN : clean[i];
        clean[i] = padding ? 0 : clean[i];
    }
    for (int k = 0; k < 4; k++) {
        cj_model *m[2];
        train_with(draws[k], clean, lengths, &m[0]);
        train_with(draws[k], spoilt, lengths, &m[1]);
        for (int64_t i = 0; i < cj_model_count(m[0]); i++) {
            cj_tensor a = cj_model_variable(m[0], i).tensor, b = cj_model_variable(m[1], i).tensor;
            if (memcmp(a.data, b.data, cj_tensor_bytes(&a)) != 0)
                fail_msg("%d: %s learned of padding", k, cj_model_variable(m[0], i).name);
        }
        cj_model_free(m[0]);
        cj_model_free(m[1]);
    }
}

static void test_new_weights(void **state)
{
    (void)state;
    float x[N * T * C], before[N * T * H], after[N * T * H], wanted[N * T * H];
    cj_model *m;
    cj_graph *g;
    cj_program *program;
    fill(x, N * T * C);
    expect_ok(cj_model_new(&m, .seed = 1));
    expect_ok(cj_graph_new(&g, m));
    cj_value in = cj_input(g, "x", CJ_F32, cj_shape(N, T, C));
    cj_output(g, "y", cj_lstm(cj_at(cj_root(g), "layer"), in, .units = H, .layers = 2).output);
    expect_ok(cj_compile(&program, g));
    for (int round = 0; round < 2; round++) {
        expect_ok(cj_program_run(program, .inputs = {{x, CJ_F32, cj_shape(N, T, C)}},
                                 .outputs = {round ? after : before}));
        float *weight = cj_model_find(m, "layer.weight_hh_l1").data;
        for (int i = 0; i < H && round == 0; i++) weight[i] += 1;
    }
    run_layer(m, cj_lstm, false, NULL, x, wanted);
    assert_memory_equal(after, wanted, sizeof wanted);
    assert_memory_not_equal(after, before, sizeof wanted);
    cj_program_free(program);
    cj_graph_free(g);
    cj_model_free(m);
}

/* How many recurrences of the program, forwards or back, write over what they read. */
static int written_over(const cj_program *program)
{
    int count = 0;
    for (int64_t s = 0; s < program->step_count; s++) {
        const cj__step *step = &program->steps[s];
        if (step->launch.op != CJ__OP_recurrence_saving && step->launch.op != CJ__OP_recurrence_gradient)
            continue;
        for (int i = 0; i < step->launch.inputs_count; i++)
            for (int o = 0; o < step->launch.outputs_count; o++) {
                const cj__buffer *in = &program->buffers[step->operands[i]];
                const cj__buffer *out = &program->buffers[step->operands[step->launch.inputs_count + o]];
                count += in->storage == CJ__SLAB && out->storage == CJ__SLAB && in->offset == out->offset;
            }
    }
    return count;
}

/* What the input gives to the gates is written over by the gates, and these by their gradients, unless they
 * are wanted: as outputs they are. */
static void test_in_place(void **state)
{
    (void)state;
    static const layer layers[] = {cj_rnn, cj_lstm, cj_gru};
    static const int32_t lengths[N] = {8, 0, 5, 2, 8, 1};
    float x[N * T * C], kept[N * T * 4 * H], found[2][N * T * C];
    fill(x, N * T * C);
    for (int k = 0; k < 6; k++) {
        bool keep = k % 2;
        cj_model *m;
        cj_graph *g;
        cj_program *program;
        expect_ok(cj_model_new(&m, .seed = 1));
        expect_ok(cj_graph_new(&g, m));
        cj_value in = cj_input(g, "x", CJ_F32, cj_shape(N, T, C)), by_input;
        cj_recurrent_options o = {.size = sizeof o, .units = H, .input = in};
        o.lengths = cj_input(g, "lengths", CJ_I32, cj_shape(N));
        cj_value y = layers[k / 2](cj_at(cj_root(g), "layer"), &o).output;
        cj_value z = cj__make_value(g, cj__node_of(y)->inputs[CJ__R_GATES]);
        cj_value total = cj_sum(cj_mul(y, y), cj_axes(0, 1, 2), CJ_DROP_AXES);
        cj_gradients(total, 1, &in, &by_input);
        cj_output(g, "by_input", by_input);
        if (keep) cj_output(g, "z", z);
        expect_ok(cj_compile(&program, g));
        assert_int_equal(written_over(program), keep ? 1 : 2);
        expect_ok(cj_program_run(
            program, .inputs = {{x, CJ_F32, cj_shape(N, T, C)}, {(void *)lengths, CJ_I32, cj_shape(N)}},
            .outputs = {found[keep], keep ? kept : NULL}));
        cj_program_free(program);
        cj_graph_free(g);
        cj_model_free(m);
        if (keep) assert_memory_equal(found[0], found[1], sizeof found[0]);
    }
}

/* Over an embedding the table is multiplied in place of the sequence: outputs and gradients must not tell.
 * The index -1 is outside, and so a vector of zeros. */
static void test_over_embedding(void **state)
{
    (void)state;
    static const char *const names[] = {"embedding.weight", "layer.weight_ih_l0", "layer.bias_ih_l0"};
    int32_t words[N * T];
    float found[2][N * T * H + 4 * C + 4 * H * C + 4 * H];
    for (int i = 0; i < N * T; i++) words[i] = i * i % 5 - 1;
    for (int plain = 0; plain < 2; plain++) {
        cj_model *m;
        cj_graph *g;
        cj_program *program;
        cj_value x[3], results[4];
        expect_ok(cj_model_new(&m, .seed = 1));
        expect_ok(cj_graph_new(&g, m));
        cj_value in = cj_input(g, "words", CJ_I32, cj_shape(N, T));
        cj_value vectors = cj_embedding(cj_at(cj_root(g), "embedding"), in, .count = 4, .width = C);
        if (plain) vectors = cj_scale(vectors, 1);
        cj_value y = cj_lstm(cj_at(cj_root(g), "layer"), vectors, .units = H).output;
        for (int i = 0; i < 3; i++)
            x[i] = cj_parameter(cj_root(g), names[i], cj_model_find(m, names[i]).shape, (cj_init){0});
        cj_gradients(cj_mul(y, cj_square(y)), 3, x, results);
        results[3] = y;
        for (int i = 0; i < 4; i++) results[i] = cj_reshape(results[i], cj_shape(-1));
        cj_output(g, "all", cj_concatenate(4, results, 0));
        expect_ok(cj_compile(&program, g));
        assert_int_equal(cj_shape_count(cj_program_output(program, 0).shape),
                         sizeof found[0] / sizeof(float));
        expect_ok(
            cj_program_run(program, .inputs = {{words, CJ_I32, cj_shape(N, T)}}, .outputs = {found[plain]}));
        cj_program_free(program);
        cj_graph_free(g);
        cj_model_free(m);
    }
    for (size_t i = 0; i < sizeof found[0] / sizeof(float); i++)
        assert_true(fabsf(found[0][i] - found[1][i]) <= 1e-6F * (1 + fabsf(found[1][i])));
}

/* --- refusals, memory ---------------------------------------------------------------------------------- */

static void refuse(layer draw, cj_recurrent_options o, cj_shape_t shape, const char *sentence)
{
    cj_model *m;
    cj_graph *g;
    cj_program *program;
    expect_ok(cj_model_new(&m, .seed = 1));
    expect_ok(cj_graph_new(&g, m));
    o.size = sizeof o;
    o.input = cj_input(g, "x", CJ_F32, shape);
    if (o.hidden.id) o.hidden = cj_input(g, "h", CJ_F32, cj_shape(o.hidden.id, 4));
    if (o.lengths.id)
        o.lengths = cj_input(g, "l", o.lengths.id > 1 ? CJ_I32 : CJ_F32, cj_shape(o.lengths.id));
    if (o.cell.id) o.cell = o.input;
    assert_false(cj_value_ok(draw(cj_at(cj_root(g), "r"), &o).output));
    assert_int_equal(cj_compile(&program, g), CJ_SHAPE_ERROR);
    expect_message(sentence);
    cj_graph_free(g);
    cj_model_free(m);
}

static void test_refusals(void **state)
{
    (void)state;
    cj_shape_t x = cj_shape(2, 3, 4);
    refuse(cj_lstm, (cj_recurrent_options){0}, x, "lstm at 'r' has 0 units");
    refuse(cj_lstm, (cj_recurrent_options){.units = 4}, cj_shape(2, 3), "needs [N,T,C]");
    refuse(cj_gru_cell, (cj_recurrent_options){.units = 4}, x, "needs [N,C]");
    refuse(cj_gru_cell, (cj_recurrent_options){.units = 4, .layers = 2}, cj_shape(2, 3),
           "one step of one layer");
    refuse(cj_gru, (cj_recurrent_options){.units = 4, .layers = -1}, x, "-1 layers");
    refuse(cj_gru, (cj_recurrent_options){.units = 4, .dropout = 1}, x, "a rate is from 0 up to 1");
    refuse(cj_gru, (cj_recurrent_options){.units = 4, .relu = true}, x, "only cj_rnn may have it");
    refuse(cj_gru, (cj_recurrent_options){.units = 4, .cell = {0, 1}}, x, "only an LSTM has");
    refuse(cj_gru, (cj_recurrent_options){.units = 4, .hidden = {0, 2}}, x,
           "hidden is [2,4], but must be [1,2,4]");
    refuse(cj_gru, (cj_recurrent_options){.units = 4, .lengths = {0, 3}}, x, "lengths must be 2 integers");
    refuse(cj_gru, (cj_recurrent_options){.units = 4, .lengths = {0, 1}}, x, "lengths must be 2 integers");
}

static cj_status draw_and_run(cj_model *m, cj_graph *g, cj_program **program)
{
    static float x[N * T * C];
    static const int32_t lengths[N] = {1, 8, 3};
    cj_value in = cj_input(g, "x", CJ_F32, cj_shape(N, T, C));
    cj_value l = cj_input(g, "lengths", CJ_I32, cj_shape(N));
    cj_scope s = cj_root(g);
    in = cj_lstm(cj_at(s, "a"), in, .units = H, .bidirectional = true, .lengths = l).output;
    in = cj_gru(cj_at(s, "b"), in, .units = H, .layers = 2, .dropout = 0.5).last;
    cj_minimize(cj_mean(cj_square(in), CJ_ALL_AXES, CJ_DROP_AXES), cj_sgd(.learning_rate = 0.1));
    cj_status status = cj_compile(program, g);
    if (status != CJ_OK) return status;
    (void)m;
    return cj_program_run(*program,
                          .inputs = {{x, CJ_F32, cj_shape(N, T, C)}, {(void *)lengths, CJ_I32, cj_shape(N)}});
}

static cj_status train_once(void *context)
{
    cj_model *m = NULL;
    cj_graph *g = NULL;
    cj_program *program = NULL;
    (void)context;
    cj_status status = cj_model_new(&m, .seed = 1);
    if (status == CJ_OK) status = cj_graph_new(&g, m, .mode = CJ_TRAINING);
    if (status == CJ_OK) status = draw_and_run(m, g, &program);
    cj_program_free(program);
    cj_graph_free(g);
    cj_model_free(m);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    cj_test_allocator_install();
    cj_test_every_allocation_fails(train_once, NULL);
    cj_test_allocator_remove();
}

static int begin(void **state)
{
    (void)state;
    if (cj_tensor_file_open(&values, CJ_TEST_FIXTURE("recurrent.safetensors")) != CJ_OK) return 0;
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_model_load(model, CJ_TEST_FIXTURE("recurrent-weights.safetensors")));
    return 0;
}

static int end(void **state)
{
    (void)state;
    cj_tensor_file_close(values);
    cj_model_free(model);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_equals_pytorch, begin, end),
                                       cmocka_unit_test(test_values),
                                       cmocka_unit_test(test_threads),
                                       cmocka_unit_test(test_carried_state),
                                       cmocka_unit_test(test_lengths),
                                       cmocka_unit_test(test_nothing_of_padding),
                                       cmocka_unit_test(test_new_weights),
                                       cmocka_unit_test(test_in_place),
                                       cmocka_unit_test(test_over_embedding),
                                       cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_allocations)};
    return cmocka_run_group_tests_name("recurrent", tests, NULL, NULL);
}

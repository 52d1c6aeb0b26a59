/* Scan: against the same recurrence drawn step by step, its gradients and theirs against finite differences,
 * for any number of threads, with every allocation failing, and what it refuses.
 *
 * labels: threads */
#include "support.h"

#include "base/random.h"
#include "cajal/model.h"
#include "cajal/nn.h"
#include "cajal/ops.h"
#include "cajal/program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* An LSTM's cell: h, c: [N,H], x: [N,I], weights: [I+H,4H], bias: [4H]. */
typedef struct {
    cj_value weights, bias;
} cell_parameters;

static void cell(cj_scan_step *s)
{
    const cell_parameters *p = s->context;
    cj_value joined[2] = {s->sequences[0], s->carries[0]};
    cj_value gates = cj_add(cj_matmul(cj_concatenate(2, joined, 1), p->weights), p->bias);
    int64_t h = cj_value_shape(s->carries[0]).dims[1];
    cj_value in = cj_sigmoid(cj_slice(gates, 1, 0, h, 1)),
             forget = cj_sigmoid(cj_slice(gates, 1, h, 2 * h, 1));
    cj_value out = cj_sigmoid(cj_slice(gates, 1, 2 * h, 3 * h, 1));
    cj_value new = cj_tanh(cj_slice(gates, 1, 3 * h, 4 * h, 1));
    s->carries[1] = cj_add(cj_mul(forget, s->carries[1]), cj_mul(in, new));
    s->carries[0] = cj_mul(out, cj_tanh(s->carries[1]));
    s->outputs[0] = s->carries[0];
    s->outputs[1] = cj_softmax(s->carries[1], 1);
}

/* The same, spelled out. */
static cj_scan_result unrolled(cj_scan_body body, void *context, cj_value h, cj_value c, cj_value x,
                               bool reverse)
{
    cj_scan_result result = {{h, c}, {{0}}};
    cj_shape_t shape = cj_value_shape(x);
    cj_value outputs[2][32];
    for (int64_t n = 0; n < shape.dims[0]; n++) {
        int64_t t = reverse ? shape.dims[0] - 1 - n : n;
        cj_value slice = cj_reshape(cj_slice(x, 0, t, t + 1, 1), cj_shape(shape.dims[1], shape.dims[2]));
        cj_scan_step step = {{result.carries[0], result.carries[1]}, {slice}, {{0}}, context};
        body(&step);
        for (int i = 0; i < 2; i++) {
            result.carries[i] = step.carries[i];
            cj_shape_t one = cj_value_shape(step.outputs[i]);
            outputs[i][t] = cj_reshape(step.outputs[i], cj_shape(1, one.dims[0], one.dims[1]));
        }
    }
    for (int i = 0; i < 2; i++) result.outputs[i] = cj_concatenate((int)shape.dims[0], outputs[i], 0);
    return result;
}

enum { H0, C0, X, W, B, INPUTS };

typedef struct {
    int64_t steps, batch, in, hidden;
    cj_dtype dtype;
    bool reverse, unroll;
} size;

static cj_shape_t shape_of(const size *z, int input)
{
    return input == X   ? cj_shape(z->steps, z->batch, z->in)
           : input == W ? cj_shape(z->in + z->hidden, 4 * z->hidden)
           : input == B ? cj_shape(4 * z->hidden)
                        : cj_shape(z->batch, z->hidden);
}

static double element(int input, int64_t k)
{
    return 0.5 * (double)cj__normal(3, (uint64_t)input, (uint64_t)k);
}

static cj_graph *new_graph(void)
{
    cj_graph *g;
    expect_ok(cj_graph_new(&g, NULL));
    return g;
}

/* A number that everything the scan returns has part in. */
static cj_value draw(cj_graph *g, const size *z, cj_value *x)
{
    for (int i = 0; i < INPUTS; i++) x[i] = cj_input(g, "input", z->dtype, shape_of(z, i));
    cell_parameters p = {x[W], cj_scale(x[B], 2)};
    cj_scan_result r = z->unroll ? unrolled(cell, &p, x[H0], x[C0], x[X], z->reverse)
                                 : cj_scan(cell, .context = &p, .carries = {x[H0], x[C0]},
                                           .sequences = {x[X]}, .reverse = z->reverse);
    cj_value parts[] = {r.carries[0], r.carries[1], r.outputs[0], r.outputs[1]}, sum = {0};
    for (int i = 0; i < 4; i++) {
        cj_shape_t flat = cj_shape(cj_shape_count(cj_value_shape(parts[i])));
        cj_value weights = cj_sin(cj_scale(cj_cast(cj_iota(g, CJ_I32, flat.dims[0]), z->dtype), 1 + i));
        cj_value part = cj_sum(cj_mul(cj_reshape(parts[i], flat), weights), CJ_ALL_AXES, CJ_DROP_AXES);
        sum = i ? cj_add(sum, part) : part;
    }
    return sum;
}

/* loss, then the gradient of each input; all of one type, held as doubles. */
typedef struct {
    double *values[1 + INPUTS];
    int64_t counts[1 + INPUTS];
} answers;

static void store(cj_dtype dtype, void *to, int64_t k, double x)
{
    if (dtype == CJ_F64)
        ((double *)to)[k] = x;
    else
        ((float *)to)[k] = (float)x;
}

static void run(cj_program *program, const size *z, answers *a, bool second)
{
    void *inputs[INPUTS], *outputs[1 + INPUTS];
    cj_run_options run = {.size = sizeof run, .program = program};
    for (int i = 0; i < INPUTS; i++) {
        int64_t n = cj_shape_count(shape_of(z, i));
        inputs[i] = malloc((size_t)n * 8);
        for (int64_t k = 0; k < n; k++) store(z->dtype, inputs[i], k, element(i, k));
        run.inputs[i] = (cj_tensor){inputs[i], z->dtype, shape_of(z, i)};
    }
    for (int i = 0; i <= INPUTS; i++) {
        a->counts[i] = i ? cj_shape_count(shape_of(z, i - 1)) : 1;
        run.outputs[i] = outputs[i] = calloc((size_t)a->counts[i], 8);
    }
    expect_ok((cj_program_run)(&run));
    uint64_t before = cj_memory().allocations;
    if (second) expect_ok((cj_program_run)(&run));
    assert_int_equal(cj_memory().allocations, before);
    for (int i = 0; i <= INPUTS; i++) {
        a->values[i] = malloc((size_t)a->counts[i] * 8);
        for (int64_t k = 0; k < a->counts[i]; k++)
            a->values[i][k] =
                z->dtype == CJ_F64 ? ((double *)outputs[i])[k] : (double)((float *)outputs[i])[k];
        free(outputs[i]);
    }
    for (int i = 0; i < INPUTS; i++) free(inputs[i]);
}

static answers answer(const size *z)
{
    cj_graph *g = new_graph();
    cj_program *program;
    cj_value x[INPUTS], gradients[INPUTS], loss = draw(g, z, x);
    answers a;
    cj_gradients(loss, INPUTS, x, gradients);
    cj_output(g, "loss", loss);
    for (int i = 0; i < INPUTS; i++) cj_output(g, "gradient", gradients[i]);
    expect_ok(cj_compile(&program, g));
    cj_graph_free(g);
    run(program, z, &a, true);
    cj_program_free(program);
    return a;
}

static void answers_free(answers *a)
{
    for (int i = 0; i <= INPUTS; i++) free(a->values[i]);
}

static void expect_near(const answers *a, const answers *b, double allowed)
{
    for (int i = 0; i <= INPUTS; i++)
        for (int64_t k = 0; k < a->counts[i]; k++)
            if (!(fabs(a->values[i][k] - b->values[i][k]) <= allowed * (1 + fabs(b->values[i][k]))))
                fail_msg("value %d, element %lld: %.17g and %.17g", i, (long long)k, a->values[i][k],
                         b->values[i][k]);
}

static void test_equals_unrolled(void **state)
{
    (void)state;
    for (int form = 0; form < 8; form++) {
        size z = {form & 4 ? 1 : 7, 3, 4, 5, form & 1 ? CJ_F64 : CJ_F32, form & 2, false};
        answers scanned = answer(&z);
        z.unroll = true;
        answers spelled = answer(&z);
        expect_near(&scanned, &spelled, z.dtype == CJ_F64 ? 1e-13 : 2e-6);
        answers_free(&scanned);
        answers_free(&spelled);
    }
}

/* Large enough that products and chains are shared out. */
static void test_threads(void **state)
{
    (void)state;
    size z = {5, 96, 64, 96, CJ_F32, false, false};
    expect_ok(cj_set_threads(1));
    answers one = answer(&z);
    static const int counts[] = {2, 3, 7};
    for (int i = 0; i < 3; i++) {
        expect_ok(cj_set_threads(counts[i]));
        answers many = answer(&z);
        expect_near(&many, &one, 0);
        answers_free(&many);
    }
    expect_ok(cj_set_threads(1));
    answers_free(&one);
}

/* Σ gradient·direction, and its gradient: against differences of the first. */
static void test_second_derivative(void **state)
{
    (void)state;
    size z = {4, 2, 3, 2, CJ_F64, false, false};
    double along[2], *hessian[INPUTS], numeric = 0, exact = 0;
    cj_graph *g = new_graph();
    cj_program *program;
    cj_value x[INPUTS], first[INPUTS], second[INPUTS], loss = draw(g, &z, x), dot = {0};
    cj_gradients(loss, INPUTS, x, first);
    for (int i = 0; i < INPUTS; i++) {
        cj_shape_t flat = cj_shape(cj_shape_count(shape_of(&z, i)));
        cj_value direction = cj_cos(cj_scale(cj_cast(cj_iota(g, CJ_I32, flat.dims[0]), CJ_F64), 1 + i));
        cj_value part = cj_sum(cj_mul(cj_reshape(first[i], flat), direction), CJ_ALL_AXES, CJ_DROP_AXES);
        dot = i ? cj_add(dot, part) : part;
    }
    cj_gradients(dot, INPUTS, x, second);
    cj_output(g, "dot", dot);
    for (int i = 0; i < INPUTS; i++) cj_output(g, "second", second[i]);
    expect_ok(cj_compile(&program, g));
    for (int i = 0; i < INPUTS; i++) hessian[i] = malloc((size_t)cj_shape_count(shape_of(&z, i)) * 8);
    for (int side = 0; side < 3; side++) {
        cj_run_options run = {.size = sizeof run, .program = program};
        double *inputs[INPUTS];
        for (int i = 0; i < INPUTS; i++) {
            int64_t n = cj_shape_count(shape_of(&z, i));
            inputs[i] = malloc((size_t)n * 8);
            for (int64_t k = 0; k < n; k++)
                inputs[i][k] = element(i, k) + (side == 0 ? 0 : side == 1 ? 1e-5 : -1e-5) * element(i + 9, k);
            run.inputs[i] = (cj_tensor){inputs[i], CJ_F64, shape_of(&z, i)};
            run.outputs[i + 1] = side ? NULL : hessian[i];
        }
        run.outputs[0] = side ? &along[side - 1] : NULL;
        expect_ok((cj_program_run)(&run));
        for (int i = 0; i < INPUTS; i++) free(inputs[i]);
    }
    numeric = (along[0] - along[1]) / 2e-5;
    for (int i = 0; i < INPUTS; i++) {
        for (int64_t k = 0; k < cj_shape_count(shape_of(&z, i)); k++)
            exact += hessian[i][k] * element(i + 9, k);
        free(hessian[i]);
    }
    if (!(fabs(numeric - exact) < 1e-7 * (1 + fabs(exact))))
        fail_msg("%.12g, should be %.12g", exact, numeric);
    cj_program_free(program);
    cj_graph_free(g);
}

/* --- small bodies -------------------------------------------------------------------------------------- */

static void fibonacci(cj_scan_step *s)
{
    cj_value a = s->carries[0], b = s->carries[1];
    s->carries[0] = b;
    s->carries[1] = cj_add(a, b);
    s->outputs[0] = a;
}

static void swap(cj_scan_step *s)
{
    cj_value a = s->carries[0];
    s->carries[0] = s->carries[1];
    s->carries[1] = a;
}

/* Each row's running product, by a scan within the scan. */
static void times(cj_scan_step *s)
{
    s->carries[0] = cj_mul(s->carries[0], s->sequences[0]);
    s->outputs[0] = s->carries[0];
}

static void rows(cj_scan_step *s)
{
    cj_value one = cj_constant(s->carries[0].graph, CJ_F64, 1);
    cj_scan_result r = cj_scan(times, .carries = {one}, .sequences = {s->sequences[0]});
    s->carries[0] = cj_add(cj_mul(s->carries[0], *(cj_value *)s->context), r.carries[0]);
    s->outputs[0] = r.outputs[0];
}

static void test_small_bodies(void **state)
{
    (void)state;
    int64_t numbers[10], first;
    float swapped[2];
    cj_graph *g = new_graph();
    cj_program *program;
    cj_scan_result r =
        cj_scan(fibonacci, .length = 10, .carries = {cj_constant(g, CJ_I64, 0), cj_constant(g, CJ_I64, 1)});
    cj_scan_result e =
        cj_scan(fibonacci, .length = 90, .carries = {cj_constant(g, CJ_I64, 0), cj_constant(g, CJ_I64, 1)});
    cj_scan_result w =
        cj_scan(swap, .length = 3, .carries = {cj_constant(g, CJ_F32, 5), cj_constant(g, CJ_F32, 7)});
    cj_output(g, "numbers", r.outputs[0]);
    cj_output(g, "ninetieth", e.carries[0]);
    cj_output(g, "a", w.carries[0]);
    cj_output(g, "b", w.carries[1]);
    expect_ok(cj_compile(&program, g));
    expect_ok(cj_program_run(program, .outputs = {numbers, &first, &swapped[0], &swapped[1]}));
    static const int64_t should[] = {0, 1, 1, 2, 3, 5, 8, 13, 21, 34};
    assert_memory_equal(numbers, should, sizeof should);
    assert_int_equal(first, 2880067194370816120);
    assert_true(swapped[0] == 7 && swapped[1] == 5);
    cj_program_free(program);
    cj_graph_free(g);
}

/* Dropout in a body is one draw for all steps, there and on the way back. */
static void dropped(cj_scan_step *s)
{
    const cj_scope *scope = s->context;
    s->carries[0] = cj_add(s->carries[0], cj_dropout(*scope, s->sequences[0], 0.5));
}

static void test_dropout_in_a_body(void **state)
{
    (void)state;
    enum { STEPS = 3, N = 64 };
    static float x[STEPS * N], y[N], gradient[STEPS * N];
    cj_model *model;
    cj_graph *g;
    cj_program *program;
    char *text;
    for (int i = 0; i < STEPS * N; i++) x[i] = (float)(i / N + 1);
    expect_ok(cj_model_new(&model, .seed = 5));
    expect_ok(cj_graph_new(&g, model, .mode = CJ_TRAINING));
    cj_scope scope = cj_at(cj_root(g), "cell");
    cj_value in = cj_input(g, "x", CJ_F32, cj_shape(STEPS, N)), d;
    cj_value zero = cj_broadcast(cj_constant(g, CJ_F32, 0), cj_shape(N));
    cj_scan_result r = cj_scan(dropped, .context = &scope, .carries = {zero}, .sequences = {in});
    cj_gradients(r.carries[0], 1, &in, &d);
    cj_output(g, "y", r.carries[0]);
    cj_output(g, "d", d);
    expect_ok(cj_graph_dump(g, CJ_DUMP_TEXT, &text));
    assert_non_null(strstr(text, "    body, 3 times: 1 carries, 1 sequences, 1 captures\n"));
    cj_text_free(text);
    expect_ok(cj_compile(&program, g));
    expect_ok(cj_program_run(program, .inputs = {{x, CJ_F32, cj_shape(STEPS, N)}}, .outputs = {y, gradient}));
    expect_ok(cj_program_text(program, &text));
    assert_non_null(strstr(text, "body, 3 times from the end, slab "));
    cj_text_free(text);
    int kept = 0;
    for (int i = 0; i < N; i++) {
        assert_true(y[i] == 0 || y[i] == 12);
        kept += y[i] == 12;
        for (int t = 0; t < STEPS; t++) assert_true(gradient[t * N + i] == (y[i] == 12 ? 2.0f : 0.0f));
    }
    assert_in_range(kept, 16, 48);
    cj_program_free(program);
    cj_graph_free(g);
    cj_model_free(model);
}

/* A bad step is replayed when the drawing has long gone: bodies and constants must have stayed. */
static void overflows(cj_scan_step *s)
{
    s->carries[0] = cj_exp(cj_mul(s->carries[0], *(cj_value *)s->context));
}

/* The drawing, and the constants it was given, are gone when this returns. */
static cj_status compile_overflow(cj_model **model, cj_program **program)
{
    cj_graph *g;
    float *constants = malloc(3 * sizeof *constants);
    for (int i = 0; i < 3; i++) constants[i] = 3;
    *program = NULL;
    cj_status status = cj_model_new(model, .seed = 5);
    if (status == CJ_OK) status = cj_graph_new(&g, *model, .mode = CJ_TRAINING);
    if (status == CJ_OK) {
        cj_value w = cj_parameter(cj_root(g), "w", cj_shape(3), (cj_init){CJ_INIT_CONSTANT, 2});
        cj_value c = cj_constant_tensor(g, &(cj_tensor){constants, CJ_F32, cj_shape(3)});
        cj_scan_result r = cj_scan(overflows, .context = &w, .carries = {c}, .length = 4);
        cj_minimize(cj_mean(r.carries[0], CJ_ALL_AXES, CJ_DROP_AXES), cj_sgd(.learning_rate = 0.1));
        status = cj_compile(program, g);
        cj_graph_free(g);
    }
    free(constants);
    return status;
}

static cj_status compile_only(void *context)
{
    (void)context;
    cj_model *model = NULL;
    cj_program *program;
    cj_status status = compile_overflow(&model, &program);
    cj_program_free(program);
    cj_model_free(model);
    return status;
}

static void test_bad_step(void **state)
{
    (void)state;
    cj_model *model;
    cj_program *program;
    expect_ok(compile_overflow(&model, &program));
    for (int i = 0; i < 2; i++) {
        expect_status(cj_program_run(program), CJ_NOT_FINITE);
        expect_message("The first that went wrong is scan_saving");
    }
    cj_program_free(program);
    cj_model_free(model);
    expect_ok(cj_set_threads(1));
    cj_test_every_allocation_fails(compile_only, NULL);
}

/* Without memory to find out, the step is still refused. */
static void test_bad_step_without_memory(void **state)
{
    (void)state;
    cj_model *model;
    cj_program *program;
    cj_test_allocator_install();
    expect_ok(compile_overflow(&model, &program));
    expect_status(cj_program_run(program), CJ_NOT_FINITE);
    uint64_t live = cj_test_allocator_counts().live_blocks, failures = 1;
    for (uint64_t n = 1; failures; n++) {
        cj_test_fail_allocation(n);
        expect_status(cj_program_run(program), CJ_NOT_FINITE);
        failures = cj_test_allocator_counts().failures;
        assert_int_equal(cj_test_allocator_counts().live_blocks, live);
    }
    cj_test_fail_allocation(0);
    expect_message("The first that went wrong is scan_saving");
    cj_program_free(program);
    cj_model_free(model);
    cj_test_allocator_remove();
}

static void assigns(cj_scan_step *s)
{
    cj_value *variable = s->context;
    cj_assign(*variable, s->carries[0]);
    s->carries[0] = cj_scale(s->carries[0], 2);
}

static void test_no_assignment_in_a_body(void **state)
{
    (void)state;
    cj_model *model;
    cj_graph *g;
    cj_program *program;
    expect_ok(cj_model_new(&model, .seed = 5));
    expect_ok(cj_graph_new(&g, model, .mode = CJ_TRAINING));
    cj_value v = cj_state(cj_root(g), "v", CJ_STATISTIC, CJ_F32, cj_shape(3), 1);
    cj_scan(assigns, .context = &v, .carries = {v}, .length = 2);
    expect_status(cj_compile(&program, g), CJ_INVALID_ARGUMENT);
    expect_message("an assignment cannot stand in the body; hint: make the variable's value a carry");
    cj_graph_free(g);
    cj_model_free(model);
}

static void test_scan_within_a_scan(void **state)
{
    (void)state;
    double data[] = {1, 2, 3, 4, 5, 6}, factor = 10, y, gradient[6], by_factor, curvature, stacked[6];
    cj_graph *g = new_graph();
    cj_program *program;
    cj_value x = cj_input(g, "x", CJ_F64, cj_shape(2, 3)), f = cj_input(g, "f", CJ_F64, cj_scalar_shape());
    cj_value of[2] = {x, f}, d[2], second;
    cj_scan_result r = cj_scan(rows, .context = &f, .carries = {cj_constant(g, CJ_F64, 1)}, .sequences = {x});
    cj_gradients(r.carries[0], 2, of, d);
    cj_gradients(d[1], 1, &f, &second);
    cj_output(g, "y", r.carries[0]);
    cj_output(g, "dx", d[0]);
    cj_output(g, "df", d[1]);
    cj_output(g, "d2f", second);
    cj_output(g, "stacked", r.outputs[0]);
    expect_ok(cj_compile(&program, g));
    expect_ok(cj_program_run(program,
                             .inputs = {{data, CJ_F64, cj_shape(2, 3)}, {&factor, CJ_F64, cj_scalar_shape()}},
                             .outputs = {&y, gradient, &by_factor, &curvature, stacked}));
    /* y = (f + 1·2·3) f + 4·5·6 */
    assert_true(y == 280 && by_factor == 26 && curvature == 2);
    static const double should[] = {60, 30, 20, 30, 24, 20}, products[] = {1, 2, 6, 4, 20, 120};
    for (int i = 0; i < 6; i++)
        assert_true(fabs(gradient[i] - should[i]) < 1e-12 && stacked[i] == products[i]);
    cj_program_free(program);
    cj_graph_free(g);
}

/* No step at all: the carries stay, and so does their gradient. */
static void test_no_steps(void **state)
{
    (void)state;
    double x = 3, y, d;
    cj_graph *g = new_graph();
    cj_program *program;
    cj_value c = cj_input(g, "c", CJ_F64, cj_scalar_shape()), s = cj_input(g, "s", CJ_F64, cj_shape(0)),
             gradient;
    cj_scan_result r = cj_scan(times, .carries = {c}, .sequences = {s});
    cj_gradients(r.carries[0], 1, &c, &gradient);
    cj_output(g, "y", r.carries[0]);
    cj_output(g, "d", gradient);
    cj_output(g, "none", r.outputs[0]);
    expect_ok(cj_compile(&program, g));
    expect_ok(cj_program_run(program,
                             .inputs = {{&x, CJ_F64, cj_scalar_shape()}, {NULL, CJ_F64, cj_shape(0)}},
                             .outputs = {&y, &d, NULL}));
    assert_true(y == 3 && d == 1);
    cj_program_free(program);
    cj_graph_free(g);
}

/* --- refusals ------------------------------------------------------------------------------------------ */

static void grows(cj_scan_step *s)
{
    s->carries[0] = cj_broadcast(s->carries[0], cj_shape(2, 3));
}

static void keeps(cj_scan_step *s)
{
    *(cj_value *)s->context = cj_exp(s->carries[0]);
    s->carries[0] = cj_scale(s->carries[0], 2);
}

static void leaves_out(cj_scan_step *s)
{
    s->carries[0] = (cj_value){0};
}

static void skips_an_output(cj_scan_step *s)
{
    s->outputs[1] = s->carries[0];
}

/* Not of the step's carry. */
static void adds_outside(cj_scan_step *s)
{
    const cj_value *x = s->context;
    s->carries[0] = cj_add(x[0], x[1]);
}

static void resets(cj_scan_step *s)
{
    s->outputs[0] = s->carries[0];
    s->carries[0] = *(cj_value *)s->context;
}

static void test_slips(void **state)
{
    (void)state;
    cj_program *program;
    cj_graph *g = new_graph();
    cj_value x = cj_input(g, "x", CJ_F32, cj_shape(3)), both[] = {x, x};
    cj_scan(skips_an_output, .carries = {x}, .length = 2);
    expect_status(cj_compile(&program, g), CJ_SHAPE_ERROR);
    expect_message("leaves output 0 without a value");
    cj_graph_free(g);

    g = new_graph();
    x = cj_input(g, "x", CJ_F32, cj_shape(3));
    cj_scan(times, .carries = {{0}, x}, .length = 2);
    expect_status(cj_compile(&program, g), CJ_SHAPE_ERROR);
    expect_message("carry 0 is missing");
    cj_graph_free(g);

    g = new_graph();
    both[0] = both[1] = x = cj_input(g, "x", CJ_F32, cj_shape(3));
    cj_scan(adds_outside, .context = both, .carries = {x}, .length = 2);
    expect_status(cj_compile(&program, g), CJ_INVALID_ARGUMENT);
    expect_message("the body neither reads carry 0 nor makes its next value of what the step has");
    cj_graph_free(g);

    g = new_graph(); /* but a carry may be read, and become what it was not */
    x = cj_input(g, "x", CJ_F32, cj_shape(3));
    cj_scan_result r = cj_scan(resets, .context = &x, .carries = {x}, .length = 2);
    cj_output(g, "y", r.outputs[0]);
    expect_ok(cj_compile(&program, g));
    cj_program_free(program);
    cj_graph_free(g);
}

enum { CAPTURED = 55 };

/* c' = c·x + Σ k·w_k, each w captured by itself */
static void captures(cj_scan_step *s)
{
    const cj_value *w = s->context;
    cj_value sum = cj_mul(s->carries[0], s->sequences[0]);
    for (int k = 0; k < CAPTURED; k++) sum = cj_add(sum, cj_scale(w[k], k));
    s->carries[0] = sum;
}

/* Of two steps by x = 2: the first one's parameters count thrice, with the second's. */
static void test_many_captures(void **state)
{
    (void)state;
    cj_program *program;
    cj_model *model;
    cj_graph *g;
    cj_value w[CAPTURED], gradients[CAPTURED];
    float c = 1, x[2] = {2, 2}, found[CAPTURED];
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_graph_new(&g, model));
    for (int k = 0; k < CAPTURED; k++)
        w[k] = cj_parameter(cj_at(cj_root(g), "w%d", k), "w", cj_scalar_shape(), (cj_init){CJ_INIT_ONES, 0});
    cj_value start = cj_input(g, "c", CJ_F32, cj_scalar_shape()),
             steps = cj_input(g, "x", CJ_F32, cj_shape(2));
    cj_scan_result r = cj_scan(captures, .context = w, .carries = {start}, .sequences = {steps});
    cj_gradients(r.carries[0], CAPTURED, w, gradients);
    for (int k = 0; k < CAPTURED; k++) gradients[k] = cj_reshape(gradients[k], cj_shape(1));
    cj_output(g, "d", cj_concatenate(CAPTURED, gradients, 0));
    expect_ok(cj_compile(&program, g));
    expect_ok(cj_program_run(program, .inputs = {{&c, CJ_F32, cj_scalar_shape()}, {x, CJ_F32, cj_shape(2)}},
                             .outputs = {found}));
    for (int k = 0; k < CAPTURED; k++) assert_true(found[k] == (float)(3 * k));
    cj_program_free(program);
    cj_graph_free(g);
    cj_model_free(model);
}

static void test_refusals(void **state)
{
    (void)state;
    cj_program *program;
    cj_graph *g = new_graph();
    cj_value x = cj_input(g, "x", CJ_F32, cj_shape(3)), inside, wrong;
    cj_scan(grows, .carries = {x}, .length = 2);
    int line = __LINE__ - 1;
    expect_status(cj_compile(&program, g), CJ_SHAPE_ERROR);
    expect_message("carry 0 begins as f32 [3] and leaves the body as f32 [2,3]");
    char place[64];
    snprintf(place, sizeof place, "test_scan.c:%d: ", line);
    expect_message(place);
    cj_graph_free(g);

    g = new_graph();
    x = cj_input(g, "x", CJ_F32, cj_shape(3));
    cj_scan_result r = cj_scan(keeps, .context = &inside, .carries = {x}, .length = 2);
    cj_output(g, "y", cj_add(r.carries[0], inside));
    expect_status(cj_compile(&program, g), CJ_INVALID_ARGUMENT);
    expect_message("is used outside the body");
    expect_message("test_scan.c:");
    cj_graph_free(g);

    g = new_graph();
    x = cj_input(g, "x", CJ_F32, cj_shape(3)), wrong = cj_input(g, "w", CJ_F32, cj_shape(4));
    cj_scan(times, .carries = {x}, .sequences = {x, wrong});
    expect_status(cj_compile(&program, g), CJ_SHAPE_ERROR);
    expect_message("sequence 1 has 4 steps, not 3");
    cj_graph_free(g);

    g = new_graph();
    x = cj_input(g, "x", CJ_F32, cj_shape(3));
    cj_scan(leaves_out, .carries = {x}, .length = 2);
    expect_status(cj_compile(&program, g), CJ_SHAPE_ERROR);
    expect_message("leaves carry 0 without a value");
    cj_graph_free(g);
}

static cj_status scenario(void *context)
{
    (void)context;
    cj_graph *g;
    cj_program *program = NULL;
    cj_status status = cj_graph_new(&g, NULL);
    if (status != CJ_OK) return status;
    double data[] = {1, 2, 3, 4, 5, 6}, factor = 10, gradient[6];
    cj_value x = cj_input(g, "x", CJ_F64, cj_shape(2, 3)), f = cj_input(g, "f", CJ_F64, cj_scalar_shape());
    cj_value of[2] = {x, f}, d[2];
    cj_scan_result r = cj_scan(rows, .context = &f, .carries = {cj_constant(g, CJ_F64, 1)}, .sequences = {x});
    cj_gradients(r.carries[0], 2, of, d);
    cj_output(g, "dx", d[0]);
    status = cj_compile(&program, g);
    cj_graph_free(g);
    if (status == CJ_OK)
        status = cj_program_run(
            program, .inputs = {{data, CJ_F64, cj_shape(2, 3)}, {&factor, CJ_F64, cj_scalar_shape()}},
            .outputs = {gradient});
    cj_program_free(program);
    return status;
}

static void test_every_allocation_fails(void **state)
{
    (void)state;
    expect_ok(cj_set_threads(1));
    cj_test_every_allocation_fails(scenario, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation_fails),
        cmocka_unit_test(test_equals_unrolled),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_second_derivative),
        cmocka_unit_test(test_small_bodies),
        cmocka_unit_test(test_scan_within_a_scan),
        cmocka_unit_test(test_dropout_in_a_body),
        cmocka_unit_test(test_bad_step),
        cmocka_unit_test(test_bad_step_without_memory),
        cmocka_unit_test(test_no_assignment_in_a_body),
        cmocka_unit_test(test_no_steps),
        cmocka_unit_test(test_slips),
        cmocka_unit_test(test_many_captures),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

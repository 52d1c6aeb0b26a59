/* Every row of ops.def on its samples: the f32 program on each instruction set against the definition in
 * double precision, gradients with random tangents and cotangents, and mutants of every vjp, which must be
 * noticed.
 *
 * labels: slow */
#include "support.h"

#include "base/random.h"
#include "base/shape.h"
#include "compile/grad.h"
#include "cpu/isa.h"
#define CJ_NO_LOCATIONS
#include "cajal/ops.h"
#include "cajal/program.h"
#include "graph/graph.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_INPUTS = 10 };

typedef struct {
    cj__op op;
    const cj__sample *sample;
    double *values[MOST_INPUTS]; /* inputs in double */
    double *cotangent;           /* of the output */
} trial;

static int64_t count_of(const cj__sample *s, int i)
{
    return cj_shape_count(s->inputs[i].shape);
}

static double drawn(const cj__sample *s, int i, uint64_t k)
{
    double low = s->inputs[i].low, high = s->inputs[i].high;
    if (low == 0 && high == 0) low = -2, high = 2;
    double x = low + (high - low) * cj__uniform(77, (uint64_t)i, k);
    bool whole = s->inputs[i].dtype != CJ_F32;
    return whole ? floor(x) : (double)(float)x;
}

static bool is_float(const cj__sample *s, int i)
{
    return s->inputs[i].dtype == CJ_F32;
}

static void trial_begin(trial *t, cj__op op, const cj__sample *sample)
{
    *t = (trial){.op = op, .sample = sample};
    for (int i = 0; i < sample->inputs_count; i++) {
        t->values[i] = malloc((size_t)count_of(sample, i) * sizeof(double) + 1);
        for (int64_t k = 0; k < count_of(sample, i); k++) t->values[i][k] = drawn(sample, i, (uint64_t)k);
    }
}

static void trial_end(trial *t)
{
    for (int i = 0; i < MOST_INPUTS; i++) free(t->values[i]);
    free(t->cotangent);
}

/* The input's memory in its own element type; floats are f32, or f64 where `wide`. */
static void *stored(const trial *t, int i, bool wide)
{
    int64_t n = count_of(t->sample, i);
    char *data = malloc((size_t)n * 8 + 1);
    for (int64_t k = 0; k < n; k++) {
        double x = t->values[i][k];
        switch (t->sample->inputs[i].dtype) {
        case CJ_F32:
            if (wide)
                ((double *)(void *)data)[k] = x;
            else
                ((float *)(void *)data)[k] = (float)x;
            break;
        case CJ_I32:
            ((int32_t *)(void *)data)[k] = (int32_t)x;
            break;
        case CJ_I64:
            ((int64_t *)(void *)data)[k] = (int64_t)x;
            break;
        default:
            data[k] = (char)(unsigned char)x;
            break;
        }
    }
    return data;
}

/* The op's output; of several, all in one row of floats. */
static cj_value draw_op(cj_graph *g, const trial *t, bool wide, cj_value *inputs)
{
    for (int i = 0; i < t->sample->inputs_count; i++) {
        cj_dtype dtype = is_float(t->sample, i) && wide ? CJ_F64 : t->sample->inputs[i].dtype;
        inputs[i] = (cj_input)(g, "x", dtype, t->sample->inputs[i].shape);
    }
    const void *attributes =
        wide && t->sample->wide_attributes ? t->sample->wide_attributes : t->sample->attributes;
    cj_value y = cj__draw(g, t->op, attributes, t->sample->inputs_count, inputs), parts[64];
    if (!cj_value_ok(y)) fail_msg("%s: %s", cj__ops[t->op].name, cj_error_message());
    int count = cj__node_of(y)->outputs_count;
    if (count == 1) return y;
    for (int i = 0; i < count; i++)
        parts[i] = cj_reshape(cj_cast(cj__output_of(y, i), wide ? CJ_F64 : CJ_F32), cj_shape(-1));
    return cj_concatenate(count, parts, 0);
}

static void run_with(cj_program *program, const trial *t, bool wide, void **outputs, int outputs_count,
                     const void *extra, cj_shape_t extra_shape)
{
    cj_run_options run = {.size = sizeof run, .program = program};
    int n = t->sample->inputs_count;
    for (int i = 0; i < n; i++) {
        cj_dtype dtype = is_float(t->sample, i) && wide ? CJ_F64 : t->sample->inputs[i].dtype;
        run.inputs[i] = (cj_tensor){stored(t, i, wide), dtype, t->sample->inputs[i].shape};
    }
    if (extra) run.inputs[n] = (cj_tensor){(void *)extra, CJ_F64, extra_shape};
    for (int i = 0; i < outputs_count; i++) run.outputs[i] = outputs[i];
    expect_ok((cj_program_run)(&run));
    for (int i = 0; i < n; i++) free(run.inputs[i].data);
}

/* The op's first output, widened to double. */
static double *evaluate(const trial *t, bool wide, int64_t *count)
{
    cj_graph *g;
    cj_program *program;
    cj_value inputs[MOST_INPUTS];
    expect_ok((cj_graph_new)(&g, &(cj_graph_options){.size = sizeof(cj_graph_options)}));
    cj_value y = draw_op(g, t, wide, inputs);
    if (cj__dtype_is_float(cj_value_dtype(y))) y = cj_cast(y, wide ? CJ_F64 : CJ_F32);
    cj_output(g, "y", y);
    expect_ok(cj_compile(&program, g));
    *count = cj_shape_count(cj_value_shape(y));
    double *result = malloc((size_t)*count * 8 + 1);
    char *raw = malloc((size_t)*count * 8 + 1);
    cj_dtype dtype = cj_value_dtype(y);
    run_with(program, t, wide, (void *[]){raw}, 1, NULL, cj_scalar_shape());
    for (int64_t k = 0; k < *count; k++)
        result[k] = dtype == CJ_F32   ? (double)((float *)(void *)raw)[k]
                    : dtype == CJ_F64 ? ((double *)(void *)raw)[k]
                    : dtype == CJ_I32 ? (double)((int32_t *)(void *)raw)[k]
                    : dtype == CJ_I64 ? (double)((int64_t *)(void *)raw)[k]
                                      : (double)(unsigned char)raw[k];
    free(raw);
    cj_program_free(program);
    cj_graph_free(g);
    return result;
}

static void check_values(const trial *t)
{
    int64_t count, wide_count;
    double *narrow = evaluate(t, false, &count), *wide = evaluate(t, true, &wide_count);
    assert_int_equal(count, wide_count);
    for (int64_t k = 0; k < count; k++) {
        double error = fabs(narrow[k] - wide[k]), allowed = 4e-6 * (1 + fabs(wide[k]));
        if (!(error <= allowed) && narrow[k] != wide[k])
            fail_msg("%s: element %lld is %.9g, should be %.9g", cj__ops[t->op].name, (long long)k, narrow[k],
                     wide[k]);
    }
    free(narrow);
    free(wide);
}

/* loss = Σ y·cotangent and its gradients by the program drawn by cj_gradients. */
typedef struct {
    cj_program *program;
    int wanted, of[MOST_INPUTS]; /* the float inputs */
    cj_shape_t shape;            /* of y */
} differentiated;

/* Σ y·cotangent, without the op under test: what damages it must not damage it twice. */
static cj_value weigh(cj__op op, cj_value y, cj_value cotangent)
{
    int64_t n = cj_shape_count(cj_value_shape(y));
    if (op != CJ__OP_sum && op != CJ__OP_mul) return cj_sum(cj_mul(y, cotangent), CJ_ALL_AXES, CJ_DROP_AXES);
    cj_value product = cj_matmul(cj_reshape(y, cj_shape(1, n)), cj_reshape(cotangent, cj_shape(n, 1)));
    return cj_reshape(product, cj_scalar_shape());
}

static bool differentiate(const trial *t, differentiated *d)
{
    cj_graph *g;
    cj_value inputs[MOST_INPUTS], x[MOST_INPUTS], gradients[MOST_INPUTS];
    expect_ok((cj_graph_new)(&g, &(cj_graph_options){.size = sizeof(cj_graph_options)}));
    *d = (differentiated){0};
    cj_value y = draw_op(g, t, true, inputs);
    d->shape = cj_value_shape(y);
    for (int i = 0; i < t->sample->inputs_count; i++)
        if (is_float(t->sample, i)) d->of[d->wanted] = i, x[d->wanted++] = inputs[i];
    if (d->wanted == 0 || cj_value_dtype(y) != CJ_F64) {
        cj_graph_free(g);
        return false;
    }
    cj_value cotangent = (cj_input)(g, "cotangent", CJ_F64, d->shape);
    cj_value loss = weigh(t->op, y, cotangent);
    cj_gradients(loss, d->wanted, x, gradients);
    cj_output(g, "loss", loss);
    for (int i = 0; i < d->wanted; i++) cj_output(g, "gradient", gradients[i]);
    expect_ok(cj_compile(&d->program, g));
    cj_graph_free(g);
    return true;
}

static double loss_at(const trial *t, const differentiated *d, double **gradients)
{
    double loss;
    void *outputs[MOST_INPUTS + 1] = {&loss};
    for (int i = 0; i < d->wanted; i++) outputs[i + 1] = gradients ? gradients[i] : NULL;
    run_with(d->program, t, true, outputs, d->wanted + 1, t->cotangent, d->shape);
    return loss;
}

static void move(trial *t, const differentiated *d, double **tangents, double by)
{
    for (int i = 0; i < d->wanted; i++)
        for (int64_t k = 0; k < count_of(t->sample, d->of[i]); k++)
            t->values[d->of[i]][k] += by * tangents[i][k];
}

/* |directional derivative by finite differences - gradient · tangent|, relative; negative: nothing to check.
 */
static double gradient_error(trial *t)
{
    differentiated d;
    if (!differentiate(t, &d)) return -1;
    double *tangents[MOST_INPUTS] = {0}, *gradients[MOST_INPUTS] = {0}, dot = 0, scale = 0;
    int64_t n = cj_shape_count(d.shape);
    free(t->cotangent);
    t->cotangent = malloc((size_t)n * 8 + 1);
    for (int64_t k = 0; k < n; k++) t->cotangent[k] = cj__normal(5, 1, (uint64_t)k);
    for (int i = 0; i < d.wanted; i++) {
        int64_t m = count_of(t->sample, d.of[i]);
        tangents[i] = malloc((size_t)m * 8 + 1);
        gradients[i] = malloc((size_t)m * 8 + 1);
        for (int64_t k = 0; k < m; k++) tangents[i][k] = cj__normal(6, (uint64_t)i, (uint64_t)k);
    }
    loss_at(t, &d, gradients);
    for (int i = 0; i < d.wanted; i++)
        for (int64_t k = 0; k < count_of(t->sample, d.of[i]); k++) {
            dot += gradients[i][k] * tangents[i][k];
            scale += fabs(gradients[i][k] * tangents[i][k]);
        }
    const double step = 1e-6;
    move(t, &d, tangents, step);
    double above = loss_at(t, &d, NULL);
    move(t, &d, tangents, -2 * step);
    double below = loss_at(t, &d, NULL);
    move(t, &d, tangents, step);
    for (int i = 0; i < d.wanted; i++) free(tangents[i]), free(gradients[i]);
    cj_program_free(d.program);
    double numeric = (above - below) / (2 * step);
    return fabs(numeric - dot) / (1e-3 + scale + fabs(numeric));
}

/* Gradients of gradients: dot = Σ (d loss/dx)·direction as a program, and its gradient, against its
 * differences. */
static cj_value draw_dot(cj_graph *g, const trial *t, cj_value *x, int *of, int *wanted)
{
    cj_value inputs[MOST_INPUTS], first[MOST_INPUTS], none = {0}, dot = none;
    cj_value y = draw_op(g, t, true, inputs);
    for (int i = 0; i < t->sample->inputs_count; i++)
        if (is_float(t->sample, i)) of[*wanted] = i, x[(*wanted)++] = inputs[i];
    if (*wanted == 0 || cj_value_dtype(y) != CJ_F64) return none;
    cj_shape_t flat = cj_shape(cj_shape_count(cj_value_shape(y)));
    cj_value weights = cj_cos(cj_cast(cj_iota(g, CJ_I64, flat.dims[0]), CJ_F64));
    cj_value loss = cj_sum(cj_mul(cj_reshape(y, flat), weights), CJ_ALL_AXES, CJ_DROP_AXES);
    cj_gradients(loss, *wanted, x, first);
    for (int i = 0; i < *wanted; i++) {
        flat = cj_shape(count_of(t->sample, of[i]));
        cj_value direction = cj_sin(cj_scale(cj_cast(cj_iota(g, CJ_I64, flat.dims[0]), CJ_F64), 1 + i));
        cj_value part = cj_sum(cj_mul(cj_reshape(first[i], flat), direction), CJ_ALL_AXES, CJ_DROP_AXES);
        dot = dot.graph ? cj_add(dot, part) : part;
    }
    return dot;
}

static void second_check(trial *t)
{
    cj_graph *g;
    differentiated d = {.shape = cj_scalar_shape()};
    cj_value x[MOST_INPUTS], second[MOST_INPUTS];
    if (t->op == CJ__OP_stop_gradient || t->op == CJ__OP_round_bf16) return;
    expect_ok((cj_graph_new)(&g, &(cj_graph_options){.size = sizeof(cj_graph_options)}));
    cj_value dot = draw_dot(g, t, x, d.of, &d.wanted);
    if (!dot.graph) {
        cj_graph_free(g);
        return;
    }
    cj_gradients(dot, d.wanted, x, second);
    cj_output(g, "dot", dot);
    for (int i = 0; i < d.wanted; i++) cj_output(g, "second", second[i]);
    expect_ok(cj_compile(&d.program, g));
    cj_graph_free(g);
    double *tangents[MOST_INPUTS], *gradients[MOST_INPUTS], exact = 0, scale = 0;
    for (int i = 0; i < d.wanted; i++) {
        int64_t n = count_of(t->sample, d.of[i]);
        tangents[i] = malloc((size_t)n * 8 + 1);
        gradients[i] = malloc((size_t)n * 8 + 1);
        for (int64_t k = 0; k < n; k++) tangents[i][k] = cj__normal(7, (uint64_t)i, (uint64_t)k);
    }
    loss_at(t, &d, gradients);
    for (int i = 0; i < d.wanted; i++)
        for (int64_t k = 0; k < count_of(t->sample, d.of[i]); k++) {
            exact += gradients[i][k] * tangents[i][k];
            scale += fabs(gradients[i][k] * tangents[i][k]);
        }
    const double step = 1e-6;
    move(t, &d, tangents, step);
    double above = loss_at(t, &d, NULL);
    move(t, &d, tangents, -2 * step);
    double below = loss_at(t, &d, NULL), numeric = (above - below) / (2 * step);
    for (int i = 0; i < d.wanted; i++) free(tangents[i]), free(gradients[i]);
    cj_program_free(d.program);
    double error = fabs(numeric - exact) / (1e-2 + scale + fabs(numeric));
    if (!(error < 1e-6))
        fail_msg("%s: second derivative %.12g, should be %.12g", cj__ops[t->op].name, exact, numeric);
}

/* --- walking the table --------------------------------------------------------------------------------- */

typedef struct {
    cj__op op;
    void (*check)(trial *t);
    double worst;
} sink;

static void on_sample(void *context, const cj__sample *sample)
{
    sink *s = context;
    trial t;
    trial_begin(&t, s->op, sample);
    s->check(&t);
    trial_end(&t);
}

static void for_every_op(void (*check)(trial *t))
{
    for (int op = 0; op < CJ__OP_COUNT; op++) {
        sink s = {.op = (cj__op)op, .check = check};
        if (cj__ops[op].samples) cj__ops[op].samples(&(cj__samples){on_sample, &s});
    }
}

static void values_check(trial *t)
{
    check_values(t);
}

static void test_values(void **state)
{
    (void)state;
    for (int isa = 0; isa < CJ__ISA_COUNT; isa++) {
        if (!cj__isa_available((cj__isa)isa)) continue;
        setenv("CAJAL_ISA", cj__isa_name((cj__isa)isa), 1);
        for_every_op(values_check);
    }
    unsetenv("CAJAL_ISA");
}

static void gradients_check(trial *t)
{
    /* The first differs from finite differences on purpose, the second jumps. */
    if (t->op == CJ__OP_stop_gradient || t->op == CJ__OP_round_bf16) return;
    double error = gradient_error(t);
    if (!(error < 1e-6)) fail_msg("%s: gradient error %.3g", cj__ops[t->op].name, error);
}

static void test_gradients(void **state)
{
    (void)state;
    for_every_op(gradients_check);
}

static void test_second_derivatives(void **state)
{
    (void)state;
    for_every_op(second_check);
}

static double worst_error;

static void worst_check(trial *t)
{
    double error = gradient_error(t);
    if (!(error <= worst_error)) worst_error = error;
}

/* The worst error that the op's samples show while one edge of its vjp is damaged; `*applied`: how often it
 * was, 0: there is no such edge. */
static double error_with(cj__mutation kind, int op, int input, int64_t *applied)
{
    sink s = {.op = (cj__op)op, .check = worst_check};
    cj__vjp_mutation = (struct cj__vjp_mutation){kind, op, input, 0};
    worst_error = -1;
    cj__ops[op].samples(&(cj__samples){on_sample, &s});
    *applied = cj__vjp_mutation.applied;
    cj__vjp_mutation.kind = CJ__MUTATE_NOTHING;
    return worst_error;
}

/* Damages each output edge of each vjp in turn and in every way: the op's samples must show an error. */
static void test_mutants(void **state)
{
    (void)state;
    static const char *const ways[] = {"", "scaled", "negated", "zeroed", "multiplied by its operand"};
    int mutants = 0, survivors = 0, ops = 0;
    for (int op = 0; op < CJ__OP_COUNT; op++) {
        int64_t applied = 0;
        int before = mutants;
        int inputs = cj__ops[op].inputs < 0 ? MOST_INPUTS : cj__ops[op].inputs;
        for (int input = 0; cj__ops[op].vjp && input < inputs; input++)
            for (int kind = CJ__MUTATE_SCALE; kind <= CJ__MUTATE_OPERAND; kind++) {
                double error = error_with((cj__mutation)kind, op, input, &applied);
                if (applied == 0) break;
                mutants++;
                if (!(error < 1e-6)) continue;
                survivors++;
                print_message("survivor: %s, the gradient of input %d %s\n", cj__ops[op].name, input,
                              ways[kind]);
            }
        ops += mutants > before;
        if (!cj__ops[op].vjp || mutants > before) continue;
        survivors++;
        print_message("survivor: %s, whose vjp has no edge to damage\n", cj__ops[op].name);
    }
    print_message("%d mutants of %d ops, %d survivors\n", mutants, ops, survivors);
    assert_true(mutants > 200);
    assert_int_equal(survivors, 0);
}

/* d²/dx² of Σ tanh(x)³ by drawing gradients of gradients, against finite differences of the first. */
static void test_second_derivative(void **state)
{
    (void)state;
    cj_graph *g;
    cj_program *program;
    expect_ok((cj_graph_new)(&g, &(cj_graph_options){.size = sizeof(cj_graph_options)}));
    cj_value x = (cj_input)(g, "x", CJ_F64, cj_shape(5)), first, second;
    cj_value t = cj_tanh(x);
    cj_gradients(cj_mul(t, cj_square(t)), 1, &x, &first);
    cj_gradients(first, 1, &x, &second);
    cj_output(g, "first", first);
    cj_output(g, "second", second);
    expect_ok(cj_compile(&program, g));
    double at[5] = {-1.2, -0.3, 0.1, 0.7, 1.5}, f[5], s[5], above[5], below[5];
    for (int side = 0; side < 3; side++) {
        double moved[5];
        for (int i = 0; i < 5; i++) moved[i] = at[i] + (side == 0 ? 0 : side == 1 ? 1e-5 : -1e-5);
        cj_run_options run = {
            .size = sizeof run, .program = program, .inputs = {{moved, CJ_F64, cj_shape(5)}}};
        run.outputs[0] = side == 0 ? f : side == 1 ? above : below;
        run.outputs[1] = side == 0 ? s : NULL;
        expect_ok((cj_program_run)(&run));
    }
    for (int i = 0; i < 5; i++) assert_true(fabs((above[i] - below[i]) / 2e-5 - s[i]) < 1e-7);
    cj_program_free(program);
    cj_graph_free(g);
}

static void test_errors_stick(void **state)
{
    (void)state;
    cj_graph *g;
    cj_program *program;
    expect_ok((cj_graph_new)(&g, &(cj_graph_options){.size = sizeof(cj_graph_options)}));
    cj_value a = (cj_input)(g, "a", CJ_F32, cj_shape(128, 784)),
             b = (cj_input)(g, "b", CJ_F32, cj_shape(700, 64));
    cj_value y = cj_here(cj_relu(cj_matmul(a, b)), "model.c", 7);
    assert_false(cj_value_ok(y));
    assert_int_equal(cj_compile(&program, g), CJ_SHAPE_ERROR);
    assert_null(program);
    assert_string_equal(cj_error_message(),
                        "model.c:7: matmul of f32 [128,784], f32 [700,64]: the inner dimensions 784 and 700 "
                        "differ; hint: cj_matmul_transposed swaps the last two");
    cj_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_second_derivatives),
        cmocka_unit_test(test_mutants),
        cmocka_unit_test(test_second_derivative),
        cmocka_unit_test(test_errors_stick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

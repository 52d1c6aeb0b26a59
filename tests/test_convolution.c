/* The kernels of convolution and of its gradients against the definition in double precision, norm by norm:
 * on every instruction set, on awkward windows and on those of residual networks; the same bits for any
 * number of threads, whatever lies in scratch, and with a chain carried along.
 *
 * labels: slow threads */
#include "support.h"

#include "base/random.h"
#include "compile/passes.h"
#include "compile/program.h"
#include "cpu/backend.h"
#include "cpu/isa.h"
#define CJ_NO_LOCATIONS
#include "cajal/cajal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    cj__window_attributes window;
    int64_t batch, in, out;    /* channels of all groups */
    int64_t size[CJ__SPATIAL]; /* of x */
} window_case;

#define WINDOW_1D(k, s, d, b, a, g)                                                                          \
    {                                                                                                        \
        .rank = 1, .kernel = {k}, .stride = {s}, .dilation = {d}, .before = {b}, .after = {a}, .groups = g   \
    }
#define WINDOW_2D(k0, k1, s0, s1, d0, d1, b0, b1, a0, a1, g)                                                 \
    {                                                                                                        \
        .rank = 2, .kernel = {k0, k1}, .stride = {s0, s1}, .dilation = {d0, d1}, .before = {b0, b1},         \
        .after = {a0, a1}, .groups = g                                                                       \
    }
/* Square windows. */
#define SQUARE(k, s, d, p, g) WINDOW_2D(k, k, s, s, d, d, p, p, p, p, g)

static const window_case awkward[] = {
    {SQUARE(3, 1, 1, 1, 1), 1, 1, 1, {1, 1}},
    {SQUARE(3, 1, 1, 1, 1), 0, 3, 4, {5, 5}},
    {SQUARE(1, 1, 1, 0, 1), 3, 17, 33, {5, 7}},
    {SQUARE(1, 2, 1, 0, 1), 2, 18, 34, {7, 9}},
    {SQUARE(1, 3, 1, 0, 1), 2, 5, 7, {7, 8}},
    {SQUARE(3, 1, 1, 1, 1), 2, 31, 37, {13, 11}},
    {SQUARE(3, 1, 1, 0, 1), 2, 19, 65, {17, 19}},
    {SQUARE(3, 2, 1, 1, 1), 3, 23, 17, {11, 13}},
    {SQUARE(3, 3, 1, 1, 1), 2, 7, 9, {14, 17}},
    {SQUARE(3, 3, 2, 2, 1), 2, 7, 9, {14, 17}}, /* taps of some phases only */
    {SQUARE(4, 2, 3, 4, 1), 2, 6, 5, {13, 12}},
    {SQUARE(2, 4, 1, 0, 1), 2, 6, 5, {14, 13}}, /* a stride beyond the window: some of x is not seen */
    {SQUARE(5, 1, 2, 4, 1), 1, 33, 16, {9, 10}},
    {SQUARE(7, 2, 1, 3, 1), 2, 3, 20, {29, 31}},
    {SQUARE(5, 1, 1, 2, 1), 2, 1, 6, {28, 28}},
    {SQUARE(3, 1, 1, 1, 1), 7, 40, 48, {2, 2}}, /* strips over images */
    {SQUARE(3, 1, 1, 1, 1), 70, 8, 20, {3, 1}},
    {SQUARE(3, 2, 1, 1, 1), 9, 64, 33, {4, 4}},
    {SQUARE(3, 1, 1, 1, 1), 6, 128, 48, {4, 4}},  /* pictures of a power of two */
    {SQUARE(3, 1, 1, 1, 1), 2, 512, 16, {9, 20}}, /* and pixels */
    {SQUARE(3, 2, 1, 1, 1), 2, 256, 16, {5, 33}},
    {SQUARE(3, 1, 1, 1, 4), 2, 8, 12, {5, 6}},
    {SQUARE(3, 2, 1, 1, 2), 5, 64, 70, {6, 9}},
    {SQUARE(3, 1, 1, 1, 2), 9, 66, 34, {3, 3}},
    {SQUARE(3, 1, 1, 1, 19), 2, 19, 19, {6, 7}},
    {SQUARE(3, 1, 1, 1, 40), 1, 40, 40, {17, 18}},
    {SQUARE(3, 2, 1, 1, 33), 2, 33, 66, {9, 8}},
    {SQUARE(5, 1, 2, 4, 7), 1, 7, 21, {9, 8}},
    {WINDOW_2D(5, 3, 2, 1, 1, 1, 2, 1, 2, 1, 8), 1, 8, 16, {8, 7}},
    {WINDOW_2D(3, 2, 2, 3, 1, 1, 0, 1, 2, 0, 1), 2, 4, 3, {8, 9}},
    {WINDOW_2D(3, 3, 1, 1, 1, 1, 5, 0, 0, 7, 1), 2, 9, 18, {6, 5}}, /* results that see padding alone */
    {WINDOW_2D(1, 9, 1, 1, 1, 1, 0, 4, 0, 4, 1), 2, 20, 24, {3, 40}},
    {WINDOW_2D(9, 1, 1, 1, 1, 1, 4, 0, 4, 0, 1), 2, 20, 24, {40, 3}},
    {WINDOW_2D(2, 2, 1, 1, 1, 900, 0, 450, 0, 450, 1), 2, 5, 6, {4, 3}}, /* a window far wider than x */
    {WINDOW_1D(4, 2, 2, 3, 1, 1), 2, 6, 10, {17}},
    {WINDOW_1D(3, 1, 1, 2, 0, 1), 2, 8, 24, {700}}, /* rows in parts; causal */
    {WINDOW_1D(16, 8, 1, 4, 4, 1), 1, 1, 32, {3001}},
    {{.rank = 3,
      .kernel = {2, 3, 3},
      .stride = {1, 2, 1},
      .dilation = {1, 1, 1},
      .before = {1, 1, 1},
      .after = {0, 1, 1},
      .groups = 1},
     2,
     3,
     17,
     {4, 6, 5}},
    {{.rank = 3,
      .kernel = {3, 3, 3},
      .stride = {2, 1, 2},
      .dilation = {2, 1, 1},
      .before = {2, 1, 1},
      .after = {2, 1, 1},
      .groups = 2},
     5,
     34,
     6,
     {5, 4, 3}},
    {{.rank = 3,
      .kernel = {3, 1, 3},
      .stride = {2, 1, 1},
      .dilation = {1, 1, 2},
      .before = {1, 0, 2},
      .after = {1, 0, 2},
      .groups = 11},
     2,
     11,
     22,
     {5, 4, 6}},
};

/* CIFAR's residual network, and the first layers of others. */
static const window_case networks[] = {
    {SQUARE(3, 1, 1, 1, 1), 2, 3, 64, {32, 32}},    {SQUARE(3, 1, 1, 1, 1), 2, 64, 64, {32, 32}},
    {SQUARE(3, 2, 1, 1, 1), 2, 64, 128, {32, 32}},  {SQUARE(1, 2, 1, 0, 1), 2, 64, 128, {32, 32}},
    {SQUARE(3, 1, 1, 1, 1), 2, 128, 128, {16, 16}}, {SQUARE(3, 2, 1, 1, 1), 2, 128, 256, {16, 16}},
    {SQUARE(3, 1, 1, 1, 1), 2, 256, 256, {8, 8}},   {SQUARE(3, 2, 1, 1, 1), 2, 256, 512, {8, 8}},
    {SQUARE(3, 1, 1, 1, 1), 2, 512, 512, {4, 4}},   {SQUARE(3, 1, 1, 0, 1), 2, 32, 64, {26, 26}},
    {SQUARE(3, 1, 1, 1, 96), 2, 96, 96, {28, 28}},
};

/* --- one op on one case -------------------------------------------------------------------------------- */

static const cj__op ops[] = {CJ__OP_convolution, CJ__OP_convolution_input_gradient,
                             CJ__OP_convolution_weight_gradient};

typedef struct {
    const window_case *of;
    cj__op op;
    cj__window_attributes attributes;
    cj_shape_t shape[3]; /* of both operands and of the result */
    float *operand[2];
    int64_t count;
} trial;

static void shapes_of(const window_case *c, cj_shape_t *x, cj_shape_t *weight, cj_shape_t *y)
{
    const cj__window_attributes *a = &c->window;
    *x = *y = *weight = (cj_shape_t){.rank = a->rank + 2};
    x->dims[0] = y->dims[0] = c->batch;
    for (int d = 0; d < a->rank; d++) {
        int64_t room = c->size[d] + a->before[d] + a->after[d] - a->dilation[d] * (a->kernel[d] - 1) - 1;
        x->dims[1 + d] = c->size[d];
        y->dims[1 + d] = room / a->stride[d] + 1;
        weight->dims[d] = a->kernel[d];
    }
    x->dims[a->rank + 1] = c->in;
    y->dims[a->rank + 1] = c->out;
    weight->dims[a->rank] = c->in / a->groups;
    weight->dims[a->rank + 1] = c->out;
}

static trial trial_new(const window_case *c, cj__op op)
{
    trial t = {.of = c, .op = op, .attributes = c->window};
    cj_shape_t x, weight, y;
    shapes_of(c, &x, &weight, &y);
    bool to_input = op == CJ__OP_convolution_input_gradient,
         to_weight = op == CJ__OP_convolution_weight_gradient;
    if (to_input) memcpy(t.attributes.size, c->size, sizeof c->size);
    t.shape[0] = to_input ? y : x;
    t.shape[1] = to_weight ? y : weight;
    t.shape[2] = to_input ? x : to_weight ? weight : y;
    t.count = cj_shape_count(t.shape[2]);
    for (int i = 0; i < 2; i++) {
        int64_t n = cj_shape_count(t.shape[i]);
        t.operand[i] = malloc((size_t)n * sizeof(float) + 1);
        for (int64_t k = 0; k < n; k++) t.operand[i][k] = cj__normal(5, (uint64_t)i, (uint64_t)k);
    }
    return t;
}

static void trial_free(trial *t)
{
    free(t->operand[0]);
    free(t->operand[1]);
}

static cj_program *compile(const trial *t)
{
    cj_graph *g;
    cj_program *program;
    expect_ok((cj_graph_new)(&g, &(cj_graph_options){.size = sizeof(cj_graph_options), .no_winograd = true}));
    cj_value inputs[2];
    for (int i = 0; i < 2; i++) inputs[i] = (cj_input)(g, "x", CJ_F32, t->shape[i]);
    cj_output(g, "y", cj__draw(g, t->op, &t->attributes, 2, inputs));
    expect_ok(cj_compile(&program, g));
    cj_graph_free(g);
    return program;
}

static void run(cj_program *program, const trial *t, float *result)
{
    cj_run_options o = {.size = sizeof o, .program = program, .outputs = {result}};
    for (int i = 0; i < 2; i++) o.inputs[i] = (cj_tensor){t->operand[i], CJ_F32, t->shape[i]};
    expect_ok((cj_program_run)(&o));
}

static float *evaluate(const trial *t, const char **kernel)
{
    float *result = malloc((size_t)t->count * sizeof(float) + 1);
    cj_program *program = compile(t);
    run(program, t, result);
    assert_in_range(program->step_count, 1, 2); /* a stage may stand before it */
    *kernel = program->steps[program->step_count - 1].kernel->name;
    cj_program_free(program);
    return result;
}

/* By the definition, which the op's row in the table demands. */
static double *define(const trial *t)
{
    double *in[2], *out = malloc((size_t)t->count * sizeof(double) + 1);
    cj__type types[3];
    for (int i = 0; i < 3; i++) types[i] = (cj__type){CJ_F64, t->shape[i]};
    for (int i = 0; i < 2; i++) {
        int64_t n = cj_shape_count(t->shape[i]);
        in[i] = malloc((size_t)n * sizeof(double) + 1);
        for (int64_t k = 0; k < n; k++) in[i][k] = t->operand[i][k];
    }
    cj__reference r = {&t->attributes, 2, 1, types, types + 2, (const double *const *)in, &out};
    cj__ops[t->op].reference(&r);
    free(in[0]);
    free(in[1]);
    return out;
}

/* --- values -------------------------------------------------------------------------------------------- */

static double error_of(const float *found, const double *wanted, int64_t count)
{
    double difference = 0, norm = 0;
    for (int64_t i = 0; i < count; i++) {
        double d = found[i] - wanted[i];
        difference += d * d;
        norm += wanted[i] * wanted[i];
    }
    return difference == 0 ? 0 : sqrt(difference / norm);
}

static const char *describe(const trial *t)
{
    static char text[160];
    const cj__window_attributes *w = &t->attributes;
    snprintf(text, sizeof text,
             "%s, batch %lld, %lld to %lld channels, %lldx%lldx%lld, kernel %lldx%lld stride %lld",
             cj__ops[t->op].name, (long long)t->of->batch, (long long)t->of->in, (long long)t->of->out,
             (long long)t->of->size[0], (long long)t->of->size[1], (long long)t->of->size[2],
             (long long)w->kernel[0], (long long)w->kernel[1], (long long)w->stride[0]);
    return text;
}

/* Every kernel of f32 but Winograd's keeps below this. */
enum { BOUND = 1000 /* 1e-9 */ };

static void check_values(const window_case *c)
{
    for (int i = 0; i < 3; i++) {
        trial t = trial_new(c, ops[i]);
        double *wanted = define(&t);
        for (int isa = 0; isa < CJ__ISA_COUNT; isa++) {
            const char *kernel;
            if (!cj__isa_available((cj__isa)isa)) continue;
            setenv("CAJAL_ISA", cj__isa_name((cj__isa)isa), 1);
            float *found = evaluate(&t, &kernel);
            double error = error_of(found, wanted, t.count);
            if (!(error < BOUND * 1e-9))
                fail_msg("%s by '%s' on %s: error %g", describe(&t), kernel, cj__isa_name((cj__isa)isa),
                         error);
            free(found);
        }
        unsetenv("CAJAL_ISA");
        free(wanted);
        trial_free(&t);
    }
}

static void test_awkward_windows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof awkward / sizeof *awkward; i++) check_values(&awkward[i]);
}

static void test_windows_of_networks(void **state)
{
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip_because("it takes minutes under the thread sanitizer, and the awkward windows are there");
#endif
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) check_values(&networks[i]);
}

/* The definition runs in double precision on one thread: no usual window should be left to it. */
static void test_kernels_are_used(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof awkward / sizeof *awkward; i++)
        for (int k = 0; k < 3; k++) {
            const window_case *c = &awkward[i];
            if (c->window.dilation[1] == 900 && ops[k] == CJ__OP_convolution_weight_gradient) continue;
            trial t = trial_new(c, ops[k]);
            cj_program *program = compile(&t);
            assert_true(strcmp(program->steps[program->step_count - 1].kernel->name, "reference") != 0);
            cj_program_free(program);
            trial_free(&t);
        }
}

/* --- bits ---------------------------------------------------------------------------------------------- */

static void check_bits(const trial *t)
{
    size_t bytes = (size_t)t->count * sizeof(float);
    float *first = malloc(bytes + 1), *again = malloc(bytes + 1);
    cj_program *program = compile(t);
    expect_ok(cj_set_threads(1));
    run(program, t, first);
    static const int threads[] = {1, 2, 3, 7};
    for (int i = 0; i < 4; i++) {
        expect_ok(cj_set_threads(threads[i]));
        run(program, t, again); /* makes scratch for them */
        memset(program->scratch, 0xff, program->scratch_bytes * (size_t)program->scratch_threads);
        memset(again, 0, bytes);
        run(program, t, again);
        if (memcmp(first, again, bytes) != 0)
            fail_msg("%s: other bits on %d threads", describe(t), threads[i]);
    }
    cj_program_free(program);
    free(first);
    free(again);
}

static void test_same_bits_on_any_threads(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof awkward / sizeof *awkward; i++)
        for (int k = 0; k < 3; k++) {
            trial t = trial_new(&awkward[i], ops[k]);
            check_bits(&t);
            trial_free(&t);
        }
    expect_ok(cj_set_threads(2));
}

/* --- with a chain -------------------------------------------------------------------------------------- */

/* relu(op(x, w) · scale + bias) + other, and the op's result by itself where `kept` */
static cj_graph *draw_chain(const trial *t, bool kept)
{
    cj_graph *g;
    expect_ok((cj_graph_new)(&g, &(cj_graph_options){.size = sizeof(cj_graph_options), .no_winograd = true}));
    cj_value inputs[2];
    for (int i = 0; i < 2; i++) inputs[i] = (cj_input)(g, "x", CJ_F32, t->shape[i]);
    cj_value scale = (cj_input)(g, "scale", CJ_F32, cj_shape(t->shape[2].dims[t->shape[2].rank - 1]));
    cj_value other = (cj_input)(g, "other", CJ_F32, t->shape[2]);
    cj_value made = cj__draw(g, t->op, &t->attributes, 2, inputs);
    cj_output(g, "y", cj_add(cj_relu(cj_add(cj_mul(made, scale), scale)), other));
    if (kept) cj_output(g, "made", made);
    return g;
}

static float *run_chain(const trial *t, const cj_graph *g, unsigned what, bool kept, int64_t *steps)
{
    cj_graph *simple, *fused;
    cj_program *program;
    expect_ok(cj__lower_and_simplify(g, &simple));
    expect_ok(cj__fuse(simple, what, &fused));
    expect_ok(cj__plan(fused, &cj__cpu_backend, false, &program));
    float *result = calloc((size_t)t->count * 2 + 1, sizeof(float)), scale[1024];
    for (int i = 0; i < 1024; i++) scale[i] = cj__normal(6, 0, (uint64_t)i);
    float *other = malloc((size_t)t->count * sizeof(float) + 1);
    for (int64_t i = 0; i < t->count; i++) other[i] = cj__normal(7, 0, (uint64_t)i);
    cj_run_options o = {.size = sizeof o, .program = program, .outputs = {result}};
    for (int i = 0; i < 2; i++) o.inputs[i] = (cj_tensor){t->operand[i], CJ_F32, t->shape[i]};
    o.inputs[2] = (cj_tensor){scale, CJ_F32, cj_shape(t->shape[2].dims[t->shape[2].rank - 1])};
    o.inputs[3] = (cj_tensor){other, CJ_F32, t->shape[2]};
    if (kept) o.outputs[1] = result + t->count;
    expect_ok((cj_program_run)(&o));
    *steps = program->step_count;
    free(other);
    cj_program_free(program);
    cj_graph_free(simple);
    cj_graph_free(fused);
    return result;
}

static void test_a_chain_changes_no_bit(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * 2 * sizeof awkward / sizeof *awkward; i++) {
        trial t = trial_new(&awkward[i / 4], ops[i / 2 % 2]);
        bool kept = i % 2;
        int64_t plain_steps, fused_steps;
        cj_graph *g = draw_chain(&t, kept);
        float *plain = run_chain(&t, g, CJ__FUSE_CHAINS, kept, &plain_steps);
        float *fused = run_chain(&t, g, CJ__FUSE_ALL, kept, &fused_steps);
        assert_int_equal(plain_steps, 2);
        assert_int_equal(fused_steps, 1);
        if (memcmp(plain, fused, (size_t)(t.count * (1 + kept)) * sizeof(float)) != 0)
            fail_msg("%s: other bits with a chain", describe(&t));
        cj_graph_free(g);
        free(plain);
        free(fused);
        trial_free(&t);
    }
}

/* --- a weight that lasts ------------------------------------------------------------------------------- */

/* The convolution as in inference: its weight is a parameter. */
static cj_program *compile_lasting(const trial *t, cj_model *model)
{
    cj_graph *g;
    cj_program *program;
    cj_graph_options o = {.size = sizeof o, .model = model, .no_winograd = true};
    expect_ok((cj_graph_new)(&g, &o));
    cj_value inputs[2] = {(cj_input)(g, "x", CJ_F32, t->shape[0])};
    inputs[1] = (cj_parameter)(cj_root(g), "w", t->shape[1], (cj_init){CJ_INIT_ZEROS, 0});
    cj_output(g, "y", cj__draw(g, t->op, &t->attributes, 2, inputs));
    expect_ok(cj_compile(&program, g));
    cj_graph_free(g);
    return program;
}

static void run_lasting(cj_program *program, const trial *t, float *result)
{
    cj_run_options o = {.size = sizeof o, .program = program, .outputs = {result}};
    o.inputs[0] = (cj_tensor){t->operand[0], CJ_F32, t->shape[0]};
    expect_ok((cj_program_run)(&o));
}

/* It is packed once, and again when it has changed: the bits are those of packing it in every task. */
static void check_lasting(const trial *t)
{
    cj_model *model;
    size_t bytes = (size_t)t->count * sizeof(float), weight = (size_t)cj_shape_count(t->shape[1]);
    float *wanted = malloc(bytes + 1), *found = malloc(bytes + 1);
    expect_ok((cj_model_new)(&(cj_model_options){.size = sizeof(cj_model_options), .model = &model}));
    cj_program *program = compile_lasting(t, model), *plain = compile(t);
    run(plain, t, wanted);
    run_lasting(program, t, found); /* zeros: it is packed once more */
    memcpy(cj_model_find(model, "w").data, t->operand[1], weight * sizeof(float));
    for (int i = 0; i < 2; i++) {
        memset(found, 0x7f, bytes);
        run_lasting(program, t, found);
        if (memcmp(found, wanted, bytes) != 0) fail_msg("%s: other bits when packed once", describe(t));
    }
    cj_program_free(plain);
    cj_program_free(program);
    cj_model_free(model);
    free(wanted);
    free(found);
}

static void test_a_lasting_weight_is_packed_once(void **state)
{
    (void)state;
    int kept = 0;
    for (size_t i = 0; i < sizeof awkward / sizeof *awkward; i++) {
        trial t = trial_new(&awkward[i], CJ__OP_convolution);
        check_lasting(&t);
        trial_free(&t);
    }
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        cj_model *model;
        trial t = trial_new(&networks[i], CJ__OP_convolution);
        expect_ok((cj_model_new)(&(cj_model_options){.size = sizeof(cj_model_options), .model = &model}));
        cj_program *program = compile_lasting(&t, model);
        kept += program->kept_count == 1;
        cj_program_free(program);
        cj_model_free(model);
        trial_free(&t);
    }
    assert_true(kept > 5);
}

/* --- the rest ------------------------------------------------------------------------------------------ */

/* 2 · 2·32·32 results · 9 taps · 64 · 64 channels, for all three */
static void test_operations_are_counted(void **state)
{
    (void)state;
    for (int k = 0; k < 3; k++) {
        trial t = trial_new(&networks[1], ops[k]);
        cj_program *program = compile(&t);
        assert_true(program->operations == 2.0 * 2 * 32 * 32 * 9 * 64 * 64);
        cj_program_free(program);
        trial_free(&t);
        t = trial_new(&networks[10], ops[k]);
        program = compile(&t);
        assert_true(program->operations == 2.0 * 2 * 28 * 28 * 9 * 96);
        cj_program_free(program);
        trial_free(&t);
    }
}

static cj_status compile_and_run(void *context)
{
    trial *t = context;
    cj_graph *g = NULL;
    cj_program *program = NULL;
    cj_status status =
        (cj_graph_new)(&g, &(cj_graph_options){.size = sizeof(cj_graph_options), .no_winograd = true});
    if (status != CJ_OK) return status;
    cj_value inputs[2];
    for (int i = 0; i < 2; i++) inputs[i] = (cj_input)(g, "x", CJ_F32, t->shape[i]);
    cj_output(g, "y", cj_relu(cj__draw(g, t->op, &t->attributes, 2, inputs)));
    status = cj_compile(&program, g);
    float *result = malloc((size_t)t->count * sizeof(float) + 1);
    cj_run_options o = {.size = sizeof o, .program = program, .outputs = {result}};
    for (int i = 0; i < 2; i++) o.inputs[i] = (cj_tensor){t->operand[i], CJ_F32, t->shape[i]};
    if (status == CJ_OK) status = (cj_program_run)(&o);
    cj_program_free(program);
    cj_graph_free(g);
    free(result);
    return status;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    cj_test_allocator_install();
    for (int k = 0; k < 3; k++) {
        trial t = trial_new(&awkward[7], ops[k]);
        cj_test_every_allocation_fails(compile_and_run, &t);
        trial_free(&t);
    }
    cj_test_allocator_remove();
}

int main(void)
{
    setenv("CAJAL_WINOGRAD", "0", 1); /* tests/test_winograd.c tests it */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_awkward_windows),
        cmocka_unit_test(test_windows_of_networks),
        cmocka_unit_test(test_kernels_are_used),
        cmocka_unit_test(test_same_bits_on_any_threads),
        cmocka_unit_test(test_a_chain_changes_no_bit),
        cmocka_unit_test(test_a_lasting_weight_is_packed_once),
        cmocka_unit_test(test_operations_are_counted),
    };
    return cmocka_run_group_tests_name("convolution", tests, NULL, NULL);
}

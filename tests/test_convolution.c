/* The kernels of convolution and of its gradients against the definition in double precision, norm by norm:
 * on every instruction set, on awkward windows and on those of residual networks; the same bits for any
 * number of threads, whatever lies in scratch, and with a chain carried along.
 *
 * labels: slow threads */
#include "support.h"
#include "convolution_check.h"

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

/* CIFAR's residual network, and the first layers of others. */
static const cj_test_window networks[] = {
    {CJ_SQUARE(3, 1, 1, 1, 1), 2, 3, 64, {32, 32}},    {CJ_SQUARE(3, 1, 1, 1, 1), 2, 64, 64, {32, 32}},
    {CJ_SQUARE(3, 2, 1, 1, 1), 2, 64, 128, {32, 32}},  {CJ_SQUARE(1, 2, 1, 0, 1), 2, 64, 128, {32, 32}},
    {CJ_SQUARE(3, 1, 1, 1, 1), 2, 128, 128, {16, 16}}, {CJ_SQUARE(3, 2, 1, 1, 1), 2, 128, 256, {16, 16}},
    {CJ_SQUARE(3, 1, 1, 1, 1), 2, 256, 256, {8, 8}},   {CJ_SQUARE(3, 2, 1, 1, 1), 2, 256, 512, {8, 8}},
    {CJ_SQUARE(3, 1, 1, 1, 1), 2, 512, 512, {4, 4}},   {CJ_SQUARE(3, 1, 1, 0, 1), 2, 32, 64, {26, 26}},
    {CJ_SQUARE(3, 1, 1, 1, 96), 2, 96, 96, {28, 28}},
};

/* --- one op on one case -------------------------------------------------------------------------------- */

static cj_program *compile(const cj_test_trial *t)
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

static void run(cj_program *program, const cj_test_trial *t, float *result)
{
    cj_run_options o = {.size = sizeof o, .program = program, .outputs = {result}};
    for (int i = 0; i < 2; i++) o.inputs[i] = (cj_tensor){t->operand[i], CJ_F32, t->shape[i]};
    expect_ok((cj_program_run)(&o));
}

static float *evaluate(const cj_test_trial *t, const char **kernel)
{
    float *result = malloc((size_t)t->count * sizeof(float) + 1);
    cj_program *program = compile(t);
    run(program, t, result);
    assert_in_range(program->step_count, 1, 2); /* a stage may stand before it */
    *kernel = program->steps[program->step_count - 1].kernel->name;
    cj_program_free(program);
    return result;
}

/* --- values -------------------------------------------------------------------------------------------- */

/* Every kernel of f32 but Winograd's keeps below this. */
enum { BOUND = 1000 /* 1e-9 */ };

static void check_values(const cj_test_window *c)
{
    for (int i = 0; i < 3; i++) {
        cj_test_trial t = cj_test_trial_new(c, cj_test_convolutions[i]);
        double *wanted = cj_test_trial_define(&t);
        for (int isa = 0; isa < CJ__ISA_COUNT; isa++) {
            const char *kernel;
            if (!cj__isa_available((cj__isa)isa)) continue;
            setenv("CAJAL_ISA", cj__isa_name((cj__isa)isa), 1);
            float *found = evaluate(&t, &kernel);
            double error = cj_test_trial_error(&t, found, wanted);
            if (!(error < BOUND * 1e-9))
                fail_msg("%s by '%s' on %s: error %g", cj_test_trial_text(&t), kernel,
                         cj__isa_name((cj__isa)isa), error);
            free(found);
        }
        unsetenv("CAJAL_ISA");
        free(wanted);
        cj_test_trial_free(&t);
    }
}

static void test_awkward_windows(void **state)
{
    (void)state;
    for (size_t i = 0; i < (size_t)cj_test_windows_count; i++) check_values(&cj_test_windows[i]);
}

static void test_windows_of_networks(void **state)
{
    (void)state;
#if defined(__SANITIZE_THREAD__) || (defined(CJ_TEST_EMULATED) && !defined(CJ_TEST_ALL))
    skip_because("it takes minutes here, and the awkward windows are there");
#endif
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) check_values(&networks[i]);
}

/* The definition runs in double precision on one thread: no usual window should be left to it. */
static void test_kernels_are_used(void **state)
{
    (void)state;
    for (size_t i = 0; i < (size_t)cj_test_windows_count; i++)
        for (int k = 0; k < 3; k++) {
            const cj_test_window *c = &cj_test_windows[i];
            if (c->window.dilation[1] == 900 && cj_test_convolutions[k] == CJ__OP_convolution_weight_gradient)
                continue;
            cj_test_trial t = cj_test_trial_new(c, cj_test_convolutions[k]);
            cj_program *program = compile(&t);
            assert_true(strcmp(program->steps[program->step_count - 1].kernel->name, "reference") != 0);
            cj_program_free(program);
            cj_test_trial_free(&t);
        }
}

/* --- bits ---------------------------------------------------------------------------------------------- */

static void check_bits(const cj_test_trial *t)
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
            fail_msg("%s: other bits on %d threads", cj_test_trial_text(t), threads[i]);
    }
    cj_program_free(program);
    free(first);
    free(again);
}

static void test_same_bits_on_any_threads(void **state)
{
    (void)state;
    for (size_t i = 0; i < (size_t)cj_test_windows_count; i++)
        for (int k = 0; k < 3; k++) {
            cj_test_trial t = cj_test_trial_new(&cj_test_windows[i], cj_test_convolutions[k]);
            check_bits(&t);
            cj_test_trial_free(&t);
        }
    expect_ok(cj_set_threads(2));
}

/* --- with a chain -------------------------------------------------------------------------------------- */

/* relu(op(x, w) · scale + bias) + other, and the op's result by itself where `kept` */
static cj_graph *draw_chain(const cj_test_trial *t, bool kept)
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

static float *run_chain(const cj_test_trial *t, const cj_graph *g, unsigned what, bool kept, int64_t *steps)
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
    for (size_t i = 0; i < 2 * 2 * (size_t)cj_test_windows_count; i++) {
        cj_test_trial t = cj_test_trial_new(&cj_test_windows[i / 4], cj_test_convolutions[i / 2 % 2]);
        bool kept = i % 2;
        int64_t plain_steps, fused_steps;
        cj_graph *g = draw_chain(&t, kept);
        float *plain = run_chain(&t, g, CJ__FUSE_CHAINS, kept, &plain_steps);
        float *fused = run_chain(&t, g, CJ__FUSE_ALL, kept, &fused_steps);
        assert_in_range(fused_steps, 1, 2); /* a stage may stand before it */
        assert_int_equal(fused_steps, plain_steps - 1);
        if (memcmp(plain, fused, (size_t)(t.count * (1 + kept)) * sizeof(float)) != 0)
            fail_msg("%s: other bits with a chain", cj_test_trial_text(&t));
        cj_graph_free(g);
        free(plain);
        free(fused);
        cj_test_trial_free(&t);
    }
}

/* --- a weight that lasts ------------------------------------------------------------------------------- */

/* The convolution as in inference: its weight is a parameter. */
static cj_program *compile_lasting(const cj_test_trial *t, cj_model *model)
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

static void run_lasting(cj_program *program, const cj_test_trial *t, float *result)
{
    cj_run_options o = {.size = sizeof o, .program = program, .outputs = {result}};
    o.inputs[0] = (cj_tensor){t->operand[0], CJ_F32, t->shape[0]};
    expect_ok((cj_program_run)(&o));
}

/* It is packed once, and again when it has changed: the bits are those of packing it in every task. */
static void check_lasting(const cj_test_trial *t)
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
        if (memcmp(found, wanted, bytes) != 0)
            fail_msg("%s: other bits when packed once", cj_test_trial_text(t));
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
    for (size_t i = 0; i < (size_t)cj_test_windows_count; i++) {
        cj_test_trial t = cj_test_trial_new(&cj_test_windows[i], CJ__OP_convolution);
        check_lasting(&t);
        cj_test_trial_free(&t);
    }
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        cj_model *model;
        cj_test_trial t = cj_test_trial_new(&networks[i], CJ__OP_convolution);
        expect_ok((cj_model_new)(&(cj_model_options){.size = sizeof(cj_model_options), .model = &model}));
        cj_program *program = compile_lasting(&t, model);
        kept += program->kept_count == 1;
        cj_program_free(program);
        cj_model_free(model);
        cj_test_trial_free(&t);
    }
    assert_true(kept > 5);
}

/* --- the rest ------------------------------------------------------------------------------------------ */

/* 2 · 2·32·32 results · 9 taps · 64 · 64 channels, for all three */
static void test_operations_are_counted(void **state)
{
    (void)state;
    for (int k = 0; k < 3; k++) {
        cj_test_trial t = cj_test_trial_new(&networks[1], cj_test_convolutions[k]);
        cj_program *program = compile(&t);
        assert_true(program->operations == 2.0 * 2 * 32 * 32 * 9 * 64 * 64);
        cj_program_free(program);
        cj_test_trial_free(&t);
        t = cj_test_trial_new(&networks[10], cj_test_convolutions[k]);
        program = compile(&t);
        assert_true(program->operations == 2.0 * 2 * 28 * 28 * 9 * 96);
        cj_program_free(program);
        cj_test_trial_free(&t);
    }
}

static cj_status compile_and_run(void *context)
{
    cj_test_trial *t = context;
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
        cj_test_trial t = cj_test_trial_new(&cj_test_windows[7], cj_test_convolutions[k]);
        cj_test_every_allocation_fails(compile_and_run, &t);
        cj_test_trial_free(&t);
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

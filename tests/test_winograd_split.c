/* Winograd's convolution by three parts of bf16, with kernels in plain C in the place of AMX: all three
 * convolutions against the definition in double precision, on awkward shapes and on those of networks, where
 * it is no less exact than in f32; what bf16 cannot hold; the same bits on any number of threads, and with a
 * chain.
 *
 * labels: threads */
#include "support.h"
#include "convolution_check.h"
#include "split_portable.h"

#include "compile/program.h"
#include "cpu/backend.h"
#include "cpu/winograd.h"
#define CJ_NO_LOCATIONS
#include "cajal/cajal.h"

#include <math.h>
#include <stdlib.h>

/* The kernels as they are, but for every shape they can do rather than those where they pay; the same in f32.
 */
static cj__kernel by_parts[5], f32[3];
static const cj__kernel *kernels[] = {&by_parts[0], &by_parts[1],      &by_parts[2],          &by_parts[3],
                                      &by_parts[4], &cj__chain_kernel, &cj__reference_kernel, NULL};
static const cj__kernel *f32_kernels[] = {&f32[0], &f32[1], &f32[2], &cj__reference_kernel, NULL};
static const cj__backend backend = {.name = "by parts", .kernels = kernels, .own = &cj__split_portable};
static const cj__backend f32_backend = {.name = "f32", .kernels = f32_kernels};
static const cj_graph_options options = {.size = sizeof options};

static int take_kernels(void **state)
{
    (void)state;
    const cj__kernel *const parts[] = {
        &cj__winograd_parts_kernel, &cj__winograd_parts_chain_kernel, &cj__winograd_parts_to_input_kernel,
        &cj__winograd_parts_to_input_chain_kernel, &cj__winograd_parts_to_weight_kernel};
    const cj__kernel *const floats[] = {&cj__winograd_kernel, &cj__winograd_to_input_kernel,
                                        &cj__winograd_to_weight_kernel};
    for (int i = 0; i < 5; i++) by_parts[i] = *parts[i], by_parts[i].refuse = parts[i]->cannot;
    for (int i = 0; i < 3; i++) f32[i] = *floats[i], f32[i].refuse = floats[i]->cannot;
    return 0;
}

#define SHAPE(batch, height, width, in, out, top, left, bottom, right)                                       \
    {                                                                                                        \
        CJ_WINDOW_2D(3, 3, 1, 1, 1, 1, top, left, bottom, right, 1), batch, in, out,                         \
        {                                                                                                    \
            height, width                                                                                    \
        }                                                                                                    \
    }

static const cj_test_window awkward[] = {
    SHAPE(1, 5, 7, 33, 17, 1, 1, 1, 1),  SHAPE(3, 13, 11, 17, 33, 0, 0, 0, 0),
    SHAPE(2, 9, 11, 64, 64, 1, 1, 1, 1), SHAPE(1, 6, 6, 17, 16, 0, 0, 0, 0),
    SHAPE(1, 1, 1, 1, 1, 1, 1, 1, 1),    SHAPE(3, 8, 9, 32, 40, 2, 2, 2, 2),
    SHAPE(1, 3, 5, 5, 3, 2, 0, 1, 2),    SHAPE(2, 7, 6, 48, 70, 0, 2, 2, 0),
    SHAPE(1, 3, 3, 2, 130, 0, 0, 0, 0),  SHAPE(3, 5, 6, 130, 1, 1, 1, 0, 1),
    SHAPE(0, 8, 8, 8, 8, 1, 1, 1, 1),    SHAPE(2, 21, 24, 33, 37, 1, 0, 1, 1),
};
enum { AWKWARD = sizeof awkward / sizeof *awkward };

static float *evaluate(const cj_test_trial *t, const cj__backend *with)
{
    cj_program *program;
    float *result = malloc((size_t)t->count * sizeof(float) + 1);
    expect_ok(cj_test_trial_compile(&program, t, &options, with));
    assert_ptr_not_equal(program->steps[program->step_count - 1].kernel, &cj__reference_kernel);
    expect_ok(cj_test_trial_run(program, t, result));
    cj_program_free(program);
    return result;
}

/* What it is to find is found by the test of threads, and the others take a minute. */
static void skip_with_thread_sanitizer(void)
{
#ifdef __SANITIZE_THREAD__
    skip_because("the test of threads is enough under the thread sanitizer");
#endif
}

/* --- values -------------------------------------------------------------------------------------------- */

static void test_awkward_shapes(void **state)
{
    (void)state;
    skip_with_thread_sanitizer();
    double worst = 0;
    for (int i = 0; i < 3 * AWKWARD; i++) {
        cj_test_trial t = cj_test_trial_new(&awkward[i / 3], cj_test_convolutions[i % 3]);
        double *wanted = cj_test_trial_define(&t);
        float *found = evaluate(&t, &backend);
        double error = cj_test_trial_error(&t, found, wanted);
        if (!(error < 2e-6)) fail_msg("%s: error %g", cj_test_trial_text(&t), error);
        worst = error > worst ? error : worst;
        free(found);
        free(wanted);
        cj_test_trial_free(&t);
    }
    print_message("awkward shapes: error up to %.2g\n", worst);
}

/* Real channels, several blocks of everything. Roundings differ from one instruction set to the next. */
static void test_as_exact_as_f32(void **state)
{
    (void)state;
    skip_with_thread_sanitizer();
    static const struct {
        cj_test_window window;
        double bound; /* relative rms of what is made of normal numbers */
    } real[] = {
        {SHAPE(4, 16, 16, 64, 64, 1, 1, 1, 1), 7e-7},
        {SHAPE(2, 12, 16, 128, 128, 1, 1, 1, 1), 9e-7},
        {SHAPE(4, 8, 8, 256, 96, 1, 1, 1, 1), 1.2e-6},
    };
    for (int i = 0; i < 9; i++) {
        cj_test_trial t = cj_test_trial_new(&real[i / 3].window, cj_test_convolutions[i % 3]);
        double *wanted = cj_test_trial_define(&t), error[2];
        for (int k = 0; k < 2; k++) {
            float *found = evaluate(&t, k ? &f32_backend : &backend);
            error[k] = cj_test_trial_error(&t, found, wanted);
            free(found);
        }
        print_message("%lld to %lld channels, %s: error %.2g, in f32 %.2g\n", (long long)t.of->in,
                      (long long)t.of->out, cj__ops[t.op].name, error[0], error[1]);
        if (!(error[0] < real[i / 3].bound)) fail_msg("the bound is %g", real[i / 3].bound);
        if (!(error[0] <= 1.2 * error[1])) fail_msg("in f32 it is less");
        free(wanted);
        cj_test_trial_free(&t);
    }
}

/* --- what bf16 cannot hold ----------------------------------------------------------------------------- */

/* The gradient by the weight transforms sums of whole tiles back: what is strange reaches all taps of its
 * channel, as in f32. */
static void check_channel(const cj_test_trial *t, const float *found, const double *wanted, int operand,
                          int64_t place)
{
    int64_t in = t->of->in, out = t->of->out, channel = place % (operand ? out : in);
    for (int64_t i = 0; i < t->count; i++) {
        bool touched = (operand ? i % out : i / out % in) == channel;
        if (!isfinite(wanted[i])) assert_false(isfinite(found[i]));
        if (!touched) assert_true(isfinite(found[i]));
    }
}

static void test_infinity_and_nan(void **state)
{
    (void)state;
    skip_with_thread_sanitizer();
    const cj_test_window windows[] = {SHAPE(3, 13, 11, 37, 70, 1, 1, 1, 1),
                                      SHAPE(3, 9, 11, 64, 33, 0, 0, 0, 0)};
    const float values[] = {INFINITY, -INFINITY, NAN}; /* the largest overflow in transforms, as in f32 */
    for (int i = 0; i < 2 * 3 * 2 * 3; i++) {
        cj_test_trial t = cj_test_trial_new(&windows[i / 18], cj_test_convolutions[i % 3]);
        int operand = i / 3 % 2;
        int64_t place = cj_shape_count(t.shape[operand]) / 3;
        t.operand[operand][place] = values[i / 6 % 3];
        double *wanted = cj_test_trial_define(&t);
        float *found = evaluate(&t, &backend);
        if (t.op == CJ__OP_convolution_weight_gradient)
            check_channel(&t, found, wanted, operand, place);
        else
            cj_test_trial_special(&t, found, wanted, operand, place);
        free(found);
        free(wanted);
        cj_test_trial_free(&t);
    }
}

static void test_small_numbers(void **state)
{
    (void)state;
    skip_with_thread_sanitizer();
    const cj_test_window window = SHAPE(3, 13, 11, 37, 70, 1, 1, 1, 1);
    static const int powers[][2] = {{-60, 0}, {-80, 0}, {-100, 0}, {0, -100}, {-45, -45}, {-50, -50}};
    for (int i = 0; i < 6 * 3; i++) {
        cj_test_trial t = cj_test_trial_new(&window, cj_test_convolutions[i % 3]);
        for (int operand = 0; operand < 2; operand++)
            for (int64_t k = 0; k < cj_shape_count(t.shape[operand]); k++)
                t.operand[operand][k] = ldexpf(t.operand[operand][k], powers[i / 3][operand]);
        double *wanted = cj_test_trial_define(&t);
        float *found = evaluate(&t, &backend);
        double error = cj_test_trial_error(&t, found, wanted);
        if (!(error < 2e-6))
            fail_msg("%s, operands of 2^%d and 2^%d: error %g", cj_test_trial_text(&t), powers[i / 3][0],
                     powers[i / 3][1], error);
        free(found);
        free(wanted);
        cj_test_trial_free(&t);
    }
}

/* --- bits ---------------------------------------------------------------------------------------------- */

static void test_same_bits_on_any_threads(void **state)
{
    (void)state;
    static const int threads[] = {2, 3, 7};
    for (int i = 0; i < 3 * AWKWARD; i++) {
        cj_test_trial t = cj_test_trial_new(&awkward[i / 3], cj_test_convolutions[i % 3]);
        cj_program *program;
        size_t bytes = (size_t)t.count * sizeof(float);
        float *first = malloc(bytes + 1), *again = malloc(bytes + 1);
        expect_ok(cj_test_trial_compile(&program, &t, &options, &backend));
        expect_ok(cj_set_threads(1));
        expect_ok(cj_test_trial_run(program, &t, first));
        for (int k = 0; k < 3; k++) {
            expect_ok(cj_set_threads(threads[k]));
            expect_ok(cj_test_trial_run(program, &t, again)); /* makes scratch for them */
            memset(program->scratch, 0xff, program->scratch_bytes * (size_t)program->scratch_threads);
            memset(again, 0, bytes);
            expect_ok(cj_test_trial_run(program, &t, again));
            if (memcmp(first, again, bytes) != 0)
                fail_msg("%s: other bits on %d threads", cj_test_trial_text(&t), threads[k]);
        }
        cj_program_free(program);
        free(first);
        free(again);
        cj_test_trial_free(&t);
    }
    expect_ok(cj_set_threads(2));
}

static void test_a_chain_changes_no_bit(void **state)
{
    (void)state;
    skip_with_thread_sanitizer();
    for (int i = 0; i < 2 * AWKWARD; i++) {
        cj_test_trial t = cj_test_trial_new(&awkward[i / 2], cj_test_convolutions[i % 2]);
        float *alone = evaluate(&t, &backend);
        cj_test_trial_chain(&t, &options, &backend, "by parts + chain", alone);
        free(alone);
        cj_test_trial_free(&t);
    }
}

static cj_status compile_and_run(void *context)
{
    const cj_test_trial *t = context;
    cj_program *program;
    float *result = malloc((size_t)t->count * sizeof(float) + 1);
    cj_status status = cj_test_trial_compile(&program, t, &options, &backend);
    if (status == CJ_OK) status = cj_test_trial_run(program, t, result);
    cj_program_free(program);
    free(result);
    return status;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    cj_test_allocator_install();
    for (int op = 0; op < 3; op++) {
        cj_test_trial t = cj_test_trial_new(&awkward[1], cj_test_convolutions[op]);
        cj_test_every_allocation_fails(compile_and_run, &t);
        cj_test_trial_free(&t);
    }
    cj_test_allocator_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_out_of_memory),          cmocka_unit_test(test_awkward_shapes),
        cmocka_unit_test(test_as_exact_as_f32),        cmocka_unit_test(test_infinity_and_nan),
        cmocka_unit_test(test_small_numbers),          cmocka_unit_test(test_same_bits_on_any_threads),
        cmocka_unit_test(test_a_chain_changes_no_bit),
    };
    return cmocka_run_group_tests_name("winograd by parts", tests, take_kernels, NULL);
}

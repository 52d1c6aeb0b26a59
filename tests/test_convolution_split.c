/* Convolution and its gradients by parts of bf16, with kernels in plain C in the place of AMX and vdpbf16ps:
 * against the definition in double precision, on awkward windows and on those of networks; what bf16 cannot
 * hold; the same bits in any order of tasks; which windows go by parts, and why others do not.
 *
 * labels: threads */
#include "support.h"
#include "convolution_check.h"
#include "split_portable.h"

#include "compile/program.h"
#include "cpu/backend.h"
#include "cpu/convolution.h"
#define CJ_NO_LOCATIONS
#include "cajal/cajal.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ‖found - wanted‖ / ‖wanted‖ that each keeps below. */
static const double bounds[] = {1e-6, 1e-5, 4e-3};

/* --- the kernels by themselves ------------------------------------------------------------------------- */

/* What multiplies, and by how many parts. */
typedef struct {
    const char *name;
    const cj__split_kernels *split;
    int parts;
} manner;

static const manner manners[] = {{"six products", &cj__split_portable, 3},
                                 {"three products", &cj__split_portable, 2},
                                 {"one product", &cj__split_portable, 1},
                                 {"one product of vectors", &cj__split_portable_vectors, 1}};
enum { MANNERS = sizeof manners / sizeof *manners };

enum { CONVOLUTIONS = 3 };

/* Buffers that end where their allocation does, and are full of NaN. */
static void *new_memory(size_t bytes)
{
    void *memory = aligned_alloc(64, bytes / 64 * 64 + 64);
    memset(memory, 0xff, bytes / 64 * 64 + 64);
    return memory;
}

/* Task after task, in order or the other way round, each with scratch full of NaN. */
#define RUN_TASKS(count, in_order, scratch, bytes, call_of_task)                                             \
    for (int64_t left_ = (count); left_ > 0; left_--) {                                                      \
        int64_t task = (in_order) ? (count)-left_ : left_ - 1;                                               \
        memset(scratch, 0xff, bytes);                                                                        \
        call_of_task;                                                                                        \
    }

static void run_to_weight(const cj_test_trial *t, const manner *m, bool in_order, float *result)
{
    cj__window w = cj__window_of(&t->attributes, t->shape[0], t->shape[1]);
    cj__to_weight_by_parts_plan plan;
    cj__to_weight_by_parts_plan_make(&plan, &w, m->parts, m->split, cj__isa_best());
    void *scratch = new_memory(plan.scratch_bytes);
    float *shares = new_memory((size_t)(plan.shares * plan.weights) * sizeof(float));
    cj__product_call call = {.a = t->operand[0], .b = t->operand[1], .c = shares};
    RUN_TASKS(plan.tasks, in_order, scratch, plan.scratch_bytes,
              cj__to_weight_by_parts_run(&plan, &call, task, scratch))
    if (plan.weights > 0)
        RUN_TASKS(cj__sum_shares_tasks(plan.weights), in_order, scratch, plan.scratch_bytes,
                  cj__sum_shares(plan.weights, plan.shares, shares, result, task))
    free(shares);
    free(scratch);
}

static void run_over_results(const cj_test_trial *t, const manner *m, bool in_order, float *result)
{
    bool backward = t->op == CJ__OP_convolution_input_gradient;
    cj__window w = cj__window_of(&t->attributes, t->shape[backward ? 2 : 0], t->shape[backward ? 0 : 2]);
    cj__by_parts_plan plan;
    cj__by_parts_plan_make(&plan, &w, backward, m->parts, m->split, cj__isa_best());
    void *packed = new_memory(plan.packed_bytes), *scratch = new_memory(plan.scratch_bytes);
    cj__product_call call = {.a = t->operand[0], .b = t->operand[1], .c = result, .workspace = packed};
    RUN_TASKS(cj__by_parts_pack_tasks(&plan), in_order, scratch, plan.scratch_bytes,
              cj__by_parts_pack(&plan, t->operand[1], packed, task))
    RUN_TASKS(plan.tasks, in_order, scratch, plan.scratch_bytes,
              cj__by_parts_run(&plan, &call, task, scratch))
    free(packed);
    free(scratch);
}

static float *run_by_parts(const cj_test_trial *t, const manner *m, bool in_order)
{
    float *result = new_memory((size_t)t->count * sizeof(float));
    cj__float_state caller = cj__float_enter();
    if (t->op == CJ__OP_convolution_weight_gradient)
        run_to_weight(t, m, in_order, result);
    else
        run_over_results(t, m, in_order, result);
    cj__float_leave(caller);
    return result;
}

/* In every manner; in one of them the other way round too. */
static void check_window(const cj_test_window *window, cj__op op, int turned, double worst[MANNERS])
{
    cj_test_trial t = cj_test_trial_new(window, op);
    double *wanted = cj_test_trial_define(&t);
    for (int i = 0; i < MANNERS; i++) {
        const manner *m = &manners[i];
        float *found = run_by_parts(&t, m, true), *again = i == turned ? run_by_parts(&t, m, false) : NULL;
        double error = cj_test_trial_error(&t, found, wanted);
        if (!(error < bounds[3 - m->parts]))
            fail_msg("%s by %s: error %g", cj_test_trial_text(&t), m->name, error);
        if (again && memcmp(found, again, (size_t)t.count * sizeof(float)) != 0)
            fail_msg("%s by %s: other bits in another order of tasks", cj_test_trial_text(&t), m->name);
        worst[i] = error > worst[i] ? error : worst[i];
        free(found);
        free(again);
    }
    free(wanted);
    cj_test_trial_free(&t);
}

/* One thread runs all of their tasks. */
static void skip_with_thread_sanitizer(void)
{
#ifdef __SANITIZE_THREAD__
    skip_because("it takes long under the thread sanitizer, and has one thread");
#endif
}

static void print_errors(const double worst[MANNERS])
{
    for (int i = 0; i < MANNERS; i++) print_message("%s: error up to %.2g\n", manners[i].name, worst[i]);
}

static void test_awkward_windows(void **state)
{
    (void)state;
    skip_with_thread_sanitizer();
    double worst[MANNERS] = {0};
    for (int i = 0; i < cj_test_windows_count; i++)
        for (int op = 0; op < CONVOLUTIONS; op++)
            check_window(&cj_test_windows[i], cj_test_convolutions[op], (i + op) % MANNERS, worst);
    print_errors(worst);
}

/* --- what bf16 cannot hold ----------------------------------------------------------------------------- */

static void check_special(const cj_test_window *window, cj__op op, float value, int operand)
{
    cj_test_trial t = cj_test_trial_new(window, op);
    int64_t place = cj_shape_count(t.shape[operand]) / 3;
    t.operand[operand][place] = value;
    double *wanted = cj_test_trial_define(&t);
    for (int m = 0; m < MANNERS; m++) {
        float *found = run_by_parts(&t, &manners[m], true);
        cj_test_trial_special(&t, found, wanted, operand, place);
        free(found);
    }
    free(wanted);
    cj_test_trial_free(&t);
}

/* With padding and several strips and tasks; with phases; with groups. */
static const cj_test_window some[] = {{CJ_SQUARE(3, 1, 1, 1, 1), 3, 45, 44, {7, 9}},
                                      {CJ_SQUARE(3, 2, 1, 1, 1), 2, 40, 50, {9, 8}},
                                      {CJ_SQUARE(3, 1, 1, 0, 2), 2, 96, 88, {8, 6}}};
enum { SOME = sizeof some / sizeof *some };

static void test_infinity_and_nan(void **state)
{
    (void)state;
    skip_with_thread_sanitizer();
    const float values[] = {INFINITY, -INFINITY, NAN, 3.4e38f};
    for (int i = 0; i < SOME * 4 * 2; i++)
        for (int op = 0; op < CONVOLUTIONS; op++)
            check_special(&some[i / 8], cj_test_convolutions[op], values[i / 2 % 4], i % 2);
}

/* Operands near the smallest normal number, or both small: what underflows may vanish, nothing else may. One
 * part of a number has no smaller parts to lose. */
static void test_small_numbers(void **state)
{
    (void)state;
    skip_with_thread_sanitizer();
    static const int powers[][2] = {{-60, 0}, {-80, 0}, {-108, 0}, {0, -108}, {-45, -45}, {-56, -52}};
    for (int i = 0; i < SOME * 6; i++)
        for (int op = 0; op < CONVOLUTIONS; op++) {
            cj_test_trial t = cj_test_trial_new(&some[i / 6], cj_test_convolutions[op]);
            for (int operand = 0; operand < 2; operand++)
                for (int64_t k = 0; k < cj_shape_count(t.shape[operand]); k++)
                    t.operand[operand][k] = ldexpf(t.operand[operand][k], powers[i % 6][operand]);
            double *wanted = cj_test_trial_define(&t);
            for (int m = 0; m < MANNERS; m++) {
                float *found = run_by_parts(&t, &manners[m], true);
                double error = cj_test_trial_error(&t, found, wanted);
                if (!(error < bounds[3 - manners[m].parts]))
                    fail_msg("%s by %s, operands of 2^%d and 2^%d: error %g", cj_test_trial_text(&t),
                             manners[m].name, powers[i % 6][0], powers[i % 6][1], error);
                free(found);
            }
            free(wanted);
            cj_test_trial_free(&t);
        }
}

/* --- whole programs ------------------------------------------------------------------------------------ */

typedef struct {
    cj_precision precision;
    bool no_winograd;
    const cj__split_kernels *split; /* NULL: as the processor has it */
} setting;

static cj__backend backend_of(const setting *how)
{
    cj__backend backend = cj__cpu_backend;
    backend.own = how->split;
    return backend;
}

static cj_graph_options options_of(const setting *how)
{
    return (cj_graph_options){
        .size = sizeof(cj_graph_options), .precision = how->precision, .no_winograd = how->no_winograd};
}

static cj_program *compile(const cj_test_trial *t, const setting *how)
{
    cj__backend backend = backend_of(how);
    cj_graph_options options = options_of(how);
    cj_program *program;
    expect_ok(cj_test_trial_compile(&program, t, &options, &backend));
    return program;
}

static float *run(cj_program *program, const cj_test_trial *t)
{
    float *result = malloc((size_t)t->count * sizeof(float) + 1);
    expect_ok(cj_test_trial_run(program, t, result));
    return result;
}

static const cj__step *step_of(const cj_program *program)
{
    return &program->steps[program->step_count - 1];
}

/* Which kernel a window has, and what `cajal plan` says of those that refused. */
static void expect_kernel(cj_test_window window, cj__op op, setting how, const char *kernel, const char *why)
{
    cj_test_trial t = cj_test_trial_new(&window, op);
    cj_program *program = compile(&t, &how);
    const cj__step *step = step_of(program);
    if (strcmp(step->kernel->name, kernel) != 0 || !strstr(step->refusals, why))
        fail_msg("%s: '%s' (%s), not '%s' (%s)", cj_test_trial_text(&t), step->kernel->name, step->refusals,
                 kernel, why);
    cj_program_free(program);
    cj_test_trial_free(&t);
}

static void test_rules(void **state)
{
    (void)state;
    const cj_test_window strided = {CJ_SQUARE(3, 2, 1, 1, 1), 4, 64, 64, {16, 16}};
    const cj_test_window tiles = {CJ_SQUARE(3, 1, 1, 1, 1), 4, 64, 64, {16, 16}};
    const cj_test_window few = {CJ_SQUARE(3, 1, 1, 1, 1), 8, 64, 64, {4, 4}};
    const cj_test_window colours = {CJ_SQUARE(3, 1, 1, 1, 1), 4, 3, 64, {16, 16}};
    const cj_test_window sixteen = {CJ_SQUARE(3, 2, 1, 1, 1), 4, 16, 32, {16, 16}};
    const cj_test_window pixel = {CJ_SQUARE(1, 1, 1, 0, 1), 4, 64, 64, {16, 16}};
    const cj_test_window small = {CJ_SQUARE(3, 2, 1, 1, 1), 1, 64, 64, {4, 4}};
    const cj__split_kernels *amx = &cj__split_portable, *vectors = &cj__split_portable_vectors;
    const cj__op forward = CJ__OP_convolution, back = CJ__OP_convolution_input_gradient;
    const char *parts = "convolution by parts", *f32 = "convolution f32";
    expect_kernel(strided, forward, (setting){CJ_HIGHEST, false, amx}, parts, "");
    expect_kernel(strided, back, (setting){CJ_HIGHEST, false, amx}, "gradient by the input by parts", "");
    expect_kernel(strided, CJ__OP_convolution_weight_gradient, (setting){CJ_HIGHEST, false, amx},
                  "gradient by the weight by parts", "");
    expect_kernel(tiles, CJ__OP_convolution_weight_gradient, (setting){CJ_HIGH, false, amx},
                  "gradient by the weight by parts", "");
    expect_kernel(colours, CJ__OP_convolution_weight_gradient, (setting){CJ_MEDIUM, false, amx},
                  "gradient by the weight f32", "too few channels were read");
    expect_kernel(few, forward, (setting){CJ_HIGHEST, false, amx}, parts, "winograd by parts: too few tiles");
    expect_kernel(tiles, forward, (setting){CJ_HIGHEST, false, amx}, "winograd by parts", "");
    expect_kernel(tiles, back, (setting){CJ_HIGHEST, false, amx}, "winograd to input by parts", "");
    expect_kernel(tiles, CJ__OP_convolution_weight_gradient, (setting){CJ_HIGHEST, false, amx},
                  "winograd to weight by parts", "");
    expect_kernel(tiles, forward, (setting){CJ_HIGHEST, true, amx}, parts, "the graph's options forbid it");
    expect_kernel(tiles, forward, (setting){CJ_HIGH, false, amx}, parts, "");
    expect_kernel(tiles, forward, (setting){CJ_MEDIUM, false, amx}, parts, "");
    expect_kernel(tiles, forward, (setting){CJ_MEDIUM, false, vectors}, "winograd", "winograd is faster");
    expect_kernel(strided, forward, (setting){CJ_MEDIUM, false, vectors}, parts, "");
    expect_kernel(strided, forward, (setting){CJ_HIGH, false, vectors}, f32,
                  "several products of bf16 are slower here");
    expect_kernel(colours, forward, (setting){CJ_MEDIUM, false, amx}, f32, "too few channels are read");
    expect_kernel(sixteen, forward, (setting){CJ_HIGHEST, false, amx}, f32, "too few channels are read");
    expect_kernel(sixteen, forward, (setting){CJ_HIGH, false, amx}, parts, "");
    expect_kernel(small, forward, (setting){CJ_HIGHEST, false, amx}, f32, "it is too small for bf16");
    expect_kernel(pixel, forward, (setting){CJ_HIGH, false, amx}, "convolution as matmul",
                  "it is a matrix product");
    setenv("CAJAL_ISA", "scalar", 1);
    expect_kernel(strided, forward, (setting){CJ_MEDIUM, false, NULL}, f32,
                  "bf16 is none here, or slower than f32");
    unsetenv("CAJAL_ISA");
}

/* One tap without a stride is a matrix product, which obeys precision itself. */
static void test_pixels_by_parts(void **state)
{
    (void)state;
    const cj_test_window pixel = {CJ_SQUARE(1, 1, 1, 0, 1), 4, 64, 48, {9, 8}};
    static const char *const names[] = {"portable 32x32, 6 products", "portable 32x32, 3 products",
                                        "portable 32x32"};
    for (int i = 0; i < 9; i++) {
        const setting how = {(cj_precision)(i / 3), false, &cj__split_portable};
        cj_test_trial t = cj_test_trial_new(&pixel, cj_test_convolutions[i % 3]);
        cj_program *program = compile(&t, &how);
        double *wanted = cj_test_trial_define(&t);
        float *found = run(program, &t);
        const cj__step *step = step_of(program);
        assert_string_equal(step->kernel->describe(&step->launch), names[i / 3]);
        assert_true(cj_test_trial_error(&t, found, wanted) < bounds[i / 3]);
        free(found);
        free(wanted);
        cj_program_free(program);
        cj_test_trial_free(&t);
    }
}

/* The step of a program is the kernel that was tested by itself, with any number of threads. */
static void test_same_bits_on_any_threads(void **state)
{
    (void)state;
    static const int threads[] = {1, 2, 3, 7};
    for (int i = 0; i < 4 * CONVOLUTIONS; i++) {
        const cj_test_window strided = {CJ_SQUARE(3, 2, 1, 1, 1), 4, 64, 64, {16, 16}};
        const setting how = {(cj_precision)(i % 4 % 3), true, manners[i % 4].split};
        const manner *m = &manners[i % 4];
        if (m->split == &cj__split_portable_vectors && how.precision != CJ_MEDIUM) continue;
        cj_test_trial t = cj_test_trial_new(&strided, cj_test_convolutions[i / 4]);
        cj_program *program = compile(&t, &how);
        float *alone = run_by_parts(&t, m, true);
        for (int k = 0; k < 4; k++) {
            expect_ok(cj_set_threads(threads[k]));
            float *found = run(program, &t);
            if (memcmp(found, alone, (size_t)t.count * sizeof(float)) != 0)
                fail_msg("%s by %s: other bits on %d threads", cj_test_trial_text(&t), m->name, threads[k]);
            free(found);
        }
        free(alone);
        cj_program_free(program);
        cj_test_trial_free(&t);
    }
    expect_ok(cj_set_threads(2));
}

static void test_a_chain_changes_no_bit(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * SOME; i++) {
        cj_test_window window = some[i / 2];
        window.batch = 8;
        const setting how = {CJ_HIGHEST, true, &cj__split_portable};
        cj_test_trial t = cj_test_trial_new(&window, cj_test_convolutions[i % 2]);
        float *alone = run_by_parts(&t, &manners[0], true);
        cj__backend backend = backend_of(&how);
        cj_graph_options options = options_of(&how);
        cj_test_trial_chain(&t, &options, &backend, "by parts + chain", alone);
        free(alone);
        cj_test_trial_free(&t);
    }
}

static cj_status compile_and_run(void *context)
{
    const cj_test_trial *t = context;
    const setting how = {CJ_HIGHEST, true, &cj__split_portable};
    cj__backend backend = backend_of(&how);
    cj_graph_options options = options_of(&how);
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
    const cj_test_window strided = {CJ_SQUARE(3, 2, 1, 1, 1), 2, 32, 32, {9, 9}};
    cj_test_allocator_install();
    for (int op = 0; op < CONVOLUTIONS; op++) {
        cj_test_trial t = cj_test_trial_new(&strided, cj_test_convolutions[op]);
        cj_test_every_allocation_fails(compile_and_run, &t);
        cj_test_trial_free(&t);
    }
    cj_test_allocator_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_awkward_windows),
        cmocka_unit_test(test_infinity_and_nan),
        cmocka_unit_test(test_small_numbers),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_pixels_by_parts),
        cmocka_unit_test(test_same_bits_on_any_threads),
        cmocka_unit_test(test_a_chain_changes_no_bit),
    };
    return cmocka_run_group_tests_name("convolution by parts", tests, NULL, NULL);
}

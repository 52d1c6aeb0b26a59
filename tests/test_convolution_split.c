/* Convolution and its gradients by parts of bf16, with kernels in plain C in the place of AMX and vdpbf16ps:
 * against the definition in double precision, on awkward windows and on those of networks; what bf16 cannot
 * hold; the same bits in any order of tasks; which windows go by parts, and why others do not.
 *
 * labels: threads */
#include "support.h"
#include "convolution_check.h"
#include "split_backend.h"
#include "split_portable.h"

#include "compile/passes.h"
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

static double bound_of(const manner *m)
{
    return bounds[3 - m->parts];
}

/* Buffers that end where their allocation does, and are full of NaN. */
static void *new_memory(size_t bytes)
{
    void *memory = aligned_alloc(64, bytes / 64 * 64 + 64);
    memset(memory, 0xff, bytes / 64 * 64 + 64);
    return memory;
}

/* The result, by tasks in order or the other way round. */
static float *run_by_parts(const cj_test_trial *t, const manner *m, bool in_order)
{
    bool backward = t->op == CJ__OP_convolution_input_gradient;
    cj__window w = cj__window_of(&t->attributes, t->shape[backward ? 2 : 0], t->shape[backward ? 0 : 2]);
    cj__by_parts_plan plan;
    cj__by_parts_plan_make(&plan, &w, backward, m->parts, m->split, cj__isa_best());
    float *result = new_memory((size_t)t->count * sizeof(float));
    void *packed = new_memory(plan.packed_bytes), *scratch = new_memory(plan.scratch_bytes);
    cj__product_call call = {.a = t->operand[0], .b = t->operand[1], .c = result, .workspace = packed};
    cj__float_state caller = cj__float_enter();
    int64_t count = cj__by_parts_pack_tasks(&plan);
    for (int64_t i = 0; i < count; i++)
        cj__by_parts_pack(&plan, t->operand[1], packed, in_order ? i : count - 1 - i);
    for (int64_t i = 0; i < plan.tasks; i++) {
        memset(scratch, 0xff, plan.scratch_bytes);
        cj__by_parts_run(&plan, &call, in_order ? i : plan.tasks - 1 - i, scratch);
    }
    cj__float_leave(caller);
    free(packed);
    free(scratch);
    return result;
}

static void check_window(const cj_test_window *window, cj__op op, const manner *m, double *worst)
{
    cj_test_trial t = cj_test_trial_new(window, op);
    double *wanted = cj_test_trial_define(&t);
    float *found = run_by_parts(&t, m, true), *again = run_by_parts(&t, m, false);
    double error = cj_test_trial_error(&t, found, wanted);
    if (!(error < bound_of(m))) fail_msg("%s by %s: error %g", cj_test_trial_text(&t), m->name, error);
    if (memcmp(found, again, (size_t)t.count * sizeof(float)) != 0)
        fail_msg("%s by %s: other bits in another order of tasks", cj_test_trial_text(&t), m->name);
    *worst = error > *worst ? error : *worst;
    free(found);
    free(again);
    free(wanted);
    cj_test_trial_free(&t);
}

static void test_awkward_windows(void **state)
{
    (void)state;
    for (int m = 0; m < MANNERS; m++) {
        double worst = 0;
        for (int i = 0; i < cj_test_windows_count; i++)
            for (int op = 0; op < 2; op++)
                check_window(&cj_test_windows[i], cj_test_convolutions[op], &manners[m], &worst);
        print_message("%s: error up to %.2g\n", manners[m].name, worst);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_awkward_windows),
    };
    return cmocka_run_group_tests_name("convolution by parts", tests, NULL, NULL);
}

/* The choice of an instruction set: names, CAJAL_ISA with its errors, and the floating-point state on the way
 * into and out of kernels. */
#include "support.h"

#include <float.h>
#include <fenv.h>

#include "cajal/program.h"
#include "cpu/isa.h"

static void test_names_are_accepted(void **state)
{
    (void)state;
    for (int i = 0; i < CJ__ISA_COUNT; i++) {
        cj__isa isa = (cj__isa)i, chosen;
        setenv("CAJAL_ISA", cj__isa_name(isa), 1);
        if (cj__isa_available(isa)) {
            expect_ok(cj__isa_choose(&chosen));
            assert_int_equal(chosen, isa);
        } else {
            expect_status(cj__isa_choose(&chosen), CJ_UNSUPPORTED);
            expect_message(cj__isa_name(isa));
            expect_message("does not have this instruction set");
        }
    }
    unsetenv("CAJAL_ISA");
}

static void test_the_public_names(void **state)
{
    (void)state;
    const char *name;
    int64_t count = 0;
    while (cj_instruction_set_at(count)) count++;
    assert_string_equal(cj_instruction_set_at(0), "scalar");
    assert_string_equal(cj_instruction_set_at(count - 1), cj__isa_name(cj__isa_best()));
    assert_null(cj_instruction_set_at(-1));
    unsetenv("CAJAL_ISA");
    expect_ok(cj_instruction_set(&name));
    assert_string_equal(name, cj__isa_name(cj__isa_best()));
    setenv("CAJAL_ISA", "scalar", 1);
    expect_ok(cj_instruction_set(&name));
    assert_string_equal(name, "scalar");
    setenv("CAJAL_ISA", "avx1024", 1);
    expect_status(cj_instruction_set(&name), CJ_INVALID_ARGUMENT);
    unsetenv("CAJAL_ISA");
}

static void test_unknown_name_is_an_error(void **state)
{
    (void)state;
    cj__isa chosen;
    setenv("CAJAL_ISA", "avx1024", 1);
    expect_status(cj__isa_choose(&chosen), CJ_INVALID_ARGUMENT);
    expect_message("CAJAL_ISA=avx1024: no instruction set has this name; choose one of scalar");
    unsetenv("CAJAL_ISA");
}

static void test_default_is_the_best(void **state)
{
    (void)state;
    cj__isa chosen;
    unsetenv("CAJAL_ISA");
    expect_ok(cj__isa_choose(&chosen));
    assert_int_equal(chosen, cj__isa_best());
    setenv("CAJAL_ISA", "", 1);
    expect_ok(cj__isa_choose(&chosen));
    assert_int_equal(chosen, cj__isa_best());
    unsetenv("CAJAL_ISA");
    for (int i = chosen + 1; i < CJ__ISA_COUNT; i++) assert_false(cj__isa_available((cj__isa)i));
}

/* Volatile on both sides: the compiler may move plain arithmetic across a change of the processor's state. */
static float half_of(float x)
{
    volatile float value = x, half = value * 0.5f;
    return half;
}

static void test_denormals_are_flushed_inside_only(void **state)
{
    (void)state;
#if defined(__x86_64__) || defined(__aarch64__)
    assert_true(half_of(FLT_MIN) > 0);
    cj__float_state caller = cj__float_enter();
    volatile float inside = half_of(FLT_MIN);
    cj__float_leave(caller);
    assert_true(inside == 0);
    assert_true(half_of(FLT_MIN) > 0);
#else
    skip_because("denormals cannot be flushed on this processor");
#endif
}

static void test_callers_rounding_and_flags_return(void **state)
{
    (void)state;
    fesetround(FE_UPWARD);
    feclearexcept(FE_ALL_EXCEPT);
    cj__float_state caller = cj__float_enter();
    int inside = fegetround();
    volatile float zero = 0, quotient = 1 / zero; /* raises a flag that must not leak */
    cj__float_leave(caller);
    int after = fegetround();
    fesetround(FE_TONEAREST);
    (void)quotient;
#if defined(__x86_64__)
    (void)inside; /* fegetround asks the x87 unit */
    assert_int_equal(fetestexcept(FE_DIVBYZERO), 0);
#elif defined(__aarch64__)
    assert_int_equal(inside, FE_TONEAREST);
#endif
    assert_int_equal(after, FE_UPWARD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_accepted),
        cmocka_unit_test(test_the_public_names),
        cmocka_unit_test(test_unknown_name_is_an_error),
        cmocka_unit_test(test_default_is_the_best),
        cmocka_unit_test(test_denormals_are_flushed_inside_only),
        cmocka_unit_test(test_callers_rounding_and_flags_return),
    };
    return cmocka_run_group_tests_name("isa", tests, NULL, NULL);
}

/* Attention by parts of bf16, whose kernels are emulated in plain C so that it can be seen on any processor:
 * at each precision against double precision, what bf16 cannot hold, and the same bits for any number of
 * threads.
 *
 * labels: threads */
#include "support.h"

#include "cajal/cajal.h"
#include "attention_check.h"
#include "split_portable.h"

#include <math.h>

/* Blocks of keys and of queries with tails, tiles cut by the diagonal and by lengths, rows that see nothing,
 * queries in mid-sequence, heads that share keys, a bias, dropout; widths and lengths that are prime. */
static const cj_test_attention cases[] = {
    {.n = 1, .t = 67, .s = 67, .h = 2, .g = 1, .d = 37, .causal = true},
    {.n = 1, .t = 261, .s = 300, .h = 1, .g = 1, .d = 33, .causal = true, .first = true},
    {.n = 2, .t = 31, .s = 293, .h = 2, .g = 2, .d = 40, .lengths = true},
    {.n = 2, .t = 43, .s = 300, .h = 2, .g = 1, .d = 64, .causal = true, .first = true, .lengths = true},
    {.n = 1, .t = 64, .s = 64, .h = 2, .g = 2, .d = 32, .bias = true, .dropout = 0.25},
};
enum { CASES = sizeof cases / sizeof *cases };

static const cj_test_way f64 = {.dtype = CJ_F64}, f32 = {.dtype = CJ_F32};

static double error_of(const cj_test_gradients *found, const cj_test_gradients *wanted, int result)
{
    double difference = 0, norm = 0;
    for (int64_t i = 0; i < wanted->count[result]; i++) {
        double w = ((const double *)wanted->data[result])[i];
        double d = (double)((const float *)found->data[result])[i] - w;
        difference += d * d;
        norm += w * w;
    }
    return difference == 0 ? 0 : sqrt(difference / norm);
}

static void check(const cj_test_attention *z, const cj_test_gradients *wanted, const cj_test_gradients *plain,
                  cj_test_way way)
{
    static const double bounds[] = {0, 2e-5, 8e-3};
    cj_test_gradients found = cj_test_attention_run(z, &way);
    const char *name = way.split->name[CJ_MEDIUM - way.precision];
    assert_string_equal(found.forwards, name);
    assert_string_equal(found.back, name);
    for (int i = 0; i < 4; i++) {
        double error = error_of(&found, wanted, i), of_f32 = error_of(plain, wanted, i);
        if (!(error <= fmax(bounds[way.precision], 1.05 * of_f32)))
            fail_msg("%s, %lldx%lldx%lld, result %d: error %g, of f32 %g", found.forwards, (long long)z->t,
                     (long long)z->s, (long long)z->d, i, error, of_f32);
    }
    cj_test_gradients_free(&found);
}

static void test_every_precision(void **state)
{
    (void)state;
    for (int i = 0; i < CASES; i++) {
        cj_test_gradients wanted = cj_test_attention_run(&cases[i], &f64);
        cj_test_gradients plain = cj_test_attention_run(&cases[i], &f32);
        for (int precision = 0; precision < 3; precision++)
            check(&cases[i], &wanted, &plain,
                  (cj_test_way){CJ_F32, (cj_precision)precision, &cj__split_portable});
        check(&cases[i], &wanted, &plain, (cj_test_way){CJ_F32, CJ_MEDIUM, &cj__split_portable_vectors});
        cj_test_gradients_free(&wanted);
        cj_test_gradients_free(&plain);
    }
}

/* As of the matrix product, a choice of shape, precision and kernels. */
static void test_choices(void **state)
{
    (void)state;
    static const struct {
        int64_t t, s, d;
        cj_precision precision;
        const cj__split_kernels *split;
        const char *forwards, *back;
    } chosen[] = {
        {32, 32, 32, CJ_HIGHEST, &cj__split_portable, "portable 32x32, 6 products",
         "portable 32x32, 6 products"},
        {32, 32, 31, CJ_HIGHEST, &cj__split_portable, "scalar 4x8", "scalar 4x8"},
        {12, 90, 32, CJ_MEDIUM, &cj__split_portable, "portable 32x32", "scalar 4x8, f32: too small for bf16"},
        {7, 90, 64, CJ_MEDIUM, &cj__split_portable, "scalar 4x8, f32: too small for bf16",
         "scalar 4x8, f32: too small for bf16"},
        {40, 40, 40, CJ_HIGH, &cj__split_portable_vectors,
         "scalar 4x8, f32: three products of bf16 are slower",
         "scalar 4x8, f32: three products of bf16 are slower"},
        {40, 40, 40, CJ_MEDIUM, NULL, "scalar 4x8, f32: it has no bf16", "scalar 4x8, f32: it has no bf16"},
    };
    setenv("CAJAL_ISA", "scalar", 1);
    for (size_t i = 0; i < sizeof chosen / sizeof *chosen; i++) {
        cj_test_attention z = {.n = 1, .t = chosen[i].t, .s = chosen[i].s, .h = 1, .g = 1, .d = chosen[i].d};
        cj_test_gradients r =
            cj_test_attention_run(&z, &(cj_test_way){CJ_F32, chosen[i].precision, chosen[i].split});
        assert_string_equal(r.forwards, chosen[i].forwards);
        assert_string_equal(r.back, chosen[i].back);
        cj_test_gradients_free(&r);
    }
    unsetenv("CAJAL_ISA");
}

static void test_threads(void **state)
{
    (void)state;
    static const int counts[] = {2, 3, 7};
    for (int i = 0; i < CASES; i++) {
        cj_test_way way = {CJ_F32, (cj_precision)(i % 3), &cj__split_portable};
        expect_ok(cj_set_threads(1));
        cj_test_gradients one = cj_test_attention_run(&cases[i], &way);
        for (int k = 0; k < 3; k++) {
            expect_ok(cj_set_threads(counts[k]));
            cj_test_gradients more = cj_test_attention_run(&cases[i], &way);
            for (int r = 0; r < 4; r++)
                assert_memory_equal(one.data[r], more.data[r], (size_t)one.count[r] * sizeof(float));
            cj_test_gradients_free(&more);
        }
        cj_test_gradients_free(&one);
    }
    expect_ok(cj_set_threads(0));
}

/* --- what bf16 cannot hold ----------------------------------------------------------------------------- */

/* No number where f32 has none and the other way round, and elsewhere about what f32 has. */
static void expect_alike(const cj_test_gradients *found, const cj_test_gradients *plain, double tolerance,
                         int index)
{
    for (int r = 0; r < 4; r++)
        for (int64_t k = 0; k < plain->count[r]; k++) {
            double f = (double)((const float *)found->data[r])[k],
                   p = (double)((const float *)plain->data[r])[k];
            if (isfinite(p) ? !(fabs(f - p) <= tolerance * (1 + fabs(p))) : isnan(p) ? !isnan(f) : f != p)
                fail_msg("%s, case %d: value %lld of result %d is %g, with f32 %g", found->forwards, index,
                         (long long)k, r, f, p);
        }
}

/* The gradient by keys is a difference of rounding errors times a query: any number, if that is huge. */
static void compare_with_f32(const cj_test_attention *z, cj_precision precision, int index)
{
    double tolerance = isfinite(z->odd) && z->odd > 1 ? INFINITY : 0.05;
    cj_test_gradients plain = cj_test_attention_run(z, &f32);
    cj_test_gradients found =
        cj_test_attention_run(z, &(cj_test_way){CJ_F32, precision, &cj__split_portable});
    expect_alike(&found, &plain, tolerance, index);
    cj_test_gradients_free(&plain);
    cj_test_gradients_free(&found);
}

/* In each operand; and scores that are beyond f32 of operands that are not. */
static void test_infinity_and_nan(void **state)
{
    (void)state;
    static const float odd[] = {INFINITY, NAN, 3.4e38f};
    for (int i = 0; i < 3 * 3 * 4; i++) {
        cj_test_attention z = {.n = 2, .t = 37, .s = 70, .h = 2, .g = 1, .d = 33, .lengths = true};
        z.odd = odd[i % 3];
        z.odd_operand = i / 9;
        compare_with_f32(&z, (cj_precision)(i / 3 % 3), i);
    }
    for (int precision = 0; precision < 3; precision++) {
        cj_test_attention z = {
            .n = 1, .t = 70, .s = 70, .h = 1, .g = 1, .d = 33, .causal = true, .power = {100, 40, 0, 0}};
        compare_with_f32(&z, (cj_precision)precision, 100 + precision);
    }
}

/* Small operands: three parts of bf16 would lose the last of them. Cotangents of 2^-49 are held, but not what
 * they make of the scores. */
static void test_small_numbers(void **state)
{
    (void)state;
    static const int powers[][4] = {
        {0, 0, 0, -49}, {0, 0, 0, -105}, {0, 0, -105, 0}, {-60, 60, 0, 0}, {60, -60, 0, 0}};
    for (size_t i = 0; i < sizeof powers / sizeof *powers; i++) {
        cj_test_attention z = {.n = 1, .t = 70, .s = 70, .h = 2, .g = 1, .d = 33, .causal = true};
        memcpy(z.power, powers[i], sizeof z.power);
        cj_test_gradients wanted = cj_test_attention_run(&z, &f64), plain = cj_test_attention_run(&z, &f32);
        check(&z, &wanted, &plain, (cj_test_way){CJ_F32, CJ_HIGHEST, &cj__split_portable});
        cj_test_gradients_free(&wanted);
        cj_test_gradients_free(&plain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_precision), cmocka_unit_test(test_choices),
        cmocka_unit_test(test_threads),         cmocka_unit_test(test_infinity_and_nan),
        cmocka_unit_test(test_small_numbers),
    };
    return cmocka_run_group_tests_name("attention_split", tests, NULL, NULL);
}

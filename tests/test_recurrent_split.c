/* Recurrences by parts of bf16, whose kernels are emulated in plain C so that it can be seen on any
 * processor: at each precision against double precision, what bf16 cannot hold, and the same bits for any
 * number of threads.
 *
 * labels: threads */
#include "support.h"

#include "cajal/cajal.h"
#include "recurrence_check.h"
#include "split_portable.h"

#include <math.h>

/* Rows that end within a strip and within a tile, units that end within a panel, several groups of them,
 * several blocks of k forwards and back. */
static const cj_test_recurrence cases[] = {
    {.cell = CJ__LSTM, .rows = 47, .steps = 3, .units = 40, .varied = true},
    {.cell = CJ__LSTM, .rows = 16, .steps = 2, .units = 101},
    {.cell = CJ__GRU, .rows = 257, .steps = 2, .units = 33, .reverse = true},
    {.cell = CJ__GRU, .rows = 31, .steps = 3, .units = 37, .reverse = true, .varied = true},
    {.cell = CJ__RNN_TANH, .rows = 31, .steps = 1, .units = 390},
    {.cell = CJ__RNN_RELU, .rows = 16, .steps = 3, .units = 64, .varied = true},
};
enum { CASES = sizeof cases / sizeof *cases };

static const cj_test_way f64 = {.dtype = CJ_F64}, f32 = {.dtype = CJ_F32};

/* ‖found - wanted‖ / ‖wanted‖ of one result that begins at value `from`. */
static double error_of(const cj_test_answer *found, const cj_test_answer *wanted, int result, int64_t from)
{
    double difference = 0, norm = 0;
    for (int64_t i = from; i < from + wanted->counts[result]; i++) {
        double w = ((const double *)wanted->values)[i], d = (double)((const float *)found->values)[i] - w;
        difference += d * d;
        norm += w * w;
    }
    return difference == 0 ? 0 : sqrt(difference / norm);
}

/* Of the relative error; 0: no larger than that of f32. A ReLU's gradient is that of other numbers where a
 * state near 0 falls on the other side. */
static double bound_of(cj_precision precision, cj__cell cell)
{
    static const double bounds[] = {0, 2e-5, 6e-3};
    return precision == CJ_MEDIUM && cell == CJ__RNN_RELU ? 0.1 : bounds[precision];
}

static void expect_within(const cj_test_recurrence *z, cj_precision precision, const cj_test_answer *found,
                          const cj_test_answer *wanted, const cj_test_answer *plain)
{
    int64_t from = 0;
    for (int i = 0; i < wanted->results; from += wanted->counts[i++]) {
        double error = error_of(found, wanted, i, from), of_f32 = 1.05 * error_of(plain, wanted, i, from);
        if (!(error <= fmax(bound_of(precision, z->cell), of_f32)))
            fail_msg("%s, %lldx%lldx%lld, result %d: error %g, of f32 %g", found->forwards,
                     (long long)z->rows, (long long)z->steps, (long long)z->units, i, error, of_f32 / 1.05);
    }
}

/* What `cajal plan` says ends so, both ways. */
static void expect_kernel(const cj_test_answer *answer, const char *name)
{
    const char *said[] = {answer->forwards, answer->back};
    for (int i = 0; i < 2; i++) {
        const char *comma = strstr(said[i], ", ");
        assert_non_null(comma);
        assert_string_equal(comma + 2, name);
    }
}

static void check(const cj_test_recurrence *z, const cj_test_answer *wanted, const cj_test_answer *plain,
                  cj_test_way way)
{
    cj_test_answer found = cj_test_recurrence_answer(z, &way);
    expect_kernel(&found, way.split->name[CJ_MEDIUM - way.precision]);
    expect_within(z, way.precision, &found, wanted, plain);
    free(found.values);
}

static void test_every_precision(void **state)
{
    (void)state;
    for (int i = 0; i < CASES; i++) {
        cj_test_answer wanted = cj_test_recurrence_answer(&cases[i], &f64);
        cj_test_answer plain = cj_test_recurrence_answer(&cases[i], &f32);
        for (int precision = 0; precision < 3; precision++)
            check(&cases[i], &wanted, &plain,
                  (cj_test_way){CJ_F32, (cj_precision)precision, &cj__split_portable});
        check(&cases[i], &wanted, &plain, (cj_test_way){CJ_F32, CJ_MEDIUM, &cj__split_portable_vectors});
        free(wanted.values);
        free(plain.values);
    }
}

/* As of the matrix product, a choice of shape, precision and kernels. */
static void test_choices(void **state)
{
    (void)state;
    static const struct {
        int64_t rows, units;
        cj_precision precision;
        const cj__split_kernels *split;
        const char *kernel;
    } chosen[] = {
        {8, 64, CJ_MEDIUM, &cj__split_portable, "portable 32x32"},
        {8, 64, CJ_HIGHEST, &cj__split_portable, "scalar 4x8"},
        {7, 64, CJ_MEDIUM, &cj__split_portable, "scalar 4x8, f32: too small for bf16"},
        {4, 64, CJ_MEDIUM, &cj__split_portable, "few rows, f32: too small for bf16"},
        {16, 64, CJ_HIGH, &cj__split_portable_vectors, "scalar 4x8, f32: three products of bf16 are slower"},
        {16, 15, CJ_HIGH, &cj__split_portable, "scalar 4x8, f32: too small for bf16"},
        {16, 64, CJ_MEDIUM, NULL, "scalar 4x8, f32: it has no bf16"},
        {16, 64, CJ_HIGHEST, NULL, "scalar 4x8"},
    };
    setenv("CAJAL_ISA", "scalar", 1);
    for (size_t i = 0; i < sizeof chosen / sizeof *chosen; i++) {
        cj_test_recurrence z = {
            .cell = CJ__LSTM, .rows = chosen[i].rows, .steps = 1, .units = chosen[i].units};
        cj_test_answer a =
            cj_test_recurrence_answer(&z, &(cj_test_way){CJ_F32, chosen[i].precision, chosen[i].split});
        expect_kernel(&a, chosen[i].kernel);
        free(a.values);
    }
    unsetenv("CAJAL_ISA");
}

static void expect_same_for_threads(const cj_test_recurrence *z, cj_precision precision)
{
    static const int counts[] = {2, 3, 7};
    cj_test_way way = {CJ_F32, precision, &cj__split_portable};
    expect_ok(cj_set_threads(1));
    cj_test_answer one = cj_test_recurrence_answer(z, &way);
    for (int i = 0; i < 3; i++) {
        expect_ok(cj_set_threads(counts[i]));
        cj_test_answer more = cj_test_recurrence_answer(z, &way);
        assert_memory_equal(one.values, more.values, (size_t)one.count * sizeof(float));
        free(more.values);
    }
    free(one.values);
    expect_ok(cj_set_threads(0));
}

/* Rows are cut by threads, so what bf16 cannot hold is made again row by row. */
static void test_threads(void **state)
{
    (void)state;
    for (int precision = 0; precision < 3; precision++) {
        expect_same_for_threads(&cases[precision], (cj_precision)precision);
        cj_test_recurrence odd = {.rows = 32, .steps = 3, .units = 50, .odd = 3.4e38f};
        odd.odd_operand = CJ__R_FIRST;
        odd.cell = precision ? CJ__LSTM : CJ__RNN_TANH;
        expect_same_for_threads(&odd, (cj_precision)precision);
    }
}

/* --- what bf16 cannot hold ----------------------------------------------------------------------------- */

/* Of states, the last state and the gradient by what the input gave: none where f32 has one and the other way
 * round, and elsewhere what f32 has, about. */
static void expect_alike(const cj_test_answer *found, const cj_test_answer *plain, double tolerance)
{
    int64_t from = 0;
    for (int i = 0; i < 4; from += plain->counts[i++])
        for (int64_t k = from; i != 2 && k < from + plain->counts[i]; k++) {
            double f = (double)((const float *)found->values)[k],
                   p = (double)((const float *)plain->values)[k];
            if (isfinite(p) ? !(fabs(f - p) <= tolerance * (1 + fabs(p))) : isnan(p) ? !isnan(f) : f != p)
                fail_msg("%s: value %lld of result %d is %g, with f32 %g", found->forwards,
                         (long long)(k - from), i, f, p);
        }
}

static void test_infinity_and_nan(void **state)
{
    (void)state;
    static const float odd[] = {INFINITY, -INFINITY, NAN, 3.4e38f};
    for (int i = 0; i < 24; i++) {
        cj_test_recurrence z = {.rows = 32, .steps = 3, .units = 50, .odd = odd[i % 4]};
        cj_test_way way = {CJ_F32, (cj_precision)(i / 4 % 3), &cj__split_portable};
        z.odd_operand = i < 12 ? CJ__R_FIRST : CJ__R_WEIGHT;
        z.cell = i % 2 ? CJ__LSTM : CJ__RNN_TANH;
        cj_test_answer plain = cj_test_recurrence_answer(&z, &f32),
                       found = cj_test_recurrence_answer(&z, &way);
        expect_alike(&found, &plain, 0.05);
        free(plain.values);
        free(found.values);
    }
}

/* Cotangents near the smallest normal number, as they vanish along a sequence: three parts of bf16 would lose
 * the last of them. */
static void test_small_numbers(void **state)
{
    (void)state;
    cj_test_recurrence z = {.cell = CJ__RNN_TANH, .rows = 31, .steps = 2, .units = 50, .power = -105};
    cj_test_answer wanted = cj_test_recurrence_answer(&z, &f64), plain = cj_test_recurrence_answer(&z, &f32);
    check(&z, &wanted, &plain, (cj_test_way){CJ_F32, CJ_HIGHEST, &cj__split_portable});
    free(wanted.values);
    free(plain.values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_precision), cmocka_unit_test(test_choices),
        cmocka_unit_test(test_threads),         cmocka_unit_test(test_infinity_and_nan),
        cmocka_unit_test(test_small_numbers),
    };
    return cmocka_run_group_tests_name("recurrent_split", tests, NULL, NULL);
}

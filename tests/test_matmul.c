/* The matrix product against a double-precision reference, norm by norm: every instruction set of this
 * processor, every precision, transpositions, awkward and tiny shapes, special values, and the promises on
 * tasks and epilogues. */
#include "support.h"

#include <float.h>
#include <math.h>

#include "cpu/matmul.h"
#include "matmul_check.h"

static const int64_t sizes[] = {0, 1, 2, 3, 5, 7, 13, 17, 31, 64, 65, 127};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* Relative error, norm over norm, that each precision must keep below; √k growth is within the slack. */
static double bound_of(cj_precision precision)
{
    static const double bounds[] = {1e-6, 2e-5, 6e-3};
    return bounds[precision];
}

/* Without products of bf16 all precisions are one. */
static int precisions_of(cj__isa isa)
{
    return isa >= CJ__ISA_AVX512BF16 ? 3 : 1;
}

static void check_shape(cj__isa isa, cj__matmul_shape shape)
{
    cj_test_product product;
    cj_test_product_new(&product, &shape, 1);
    cj_test_product_run(&product, isa, CJ_TEST_FORWARD);
    double error = cj_test_product_error(&product);
    if (error > bound_of(shape.precision))
        fail_msg("%s %lldx%lldx%lldx%lld %c%c precision %d: relative error %g", cj__isa_name(isa),
                 (long long)shape.batch, (long long)shape.m, (long long)shape.n, (long long)shape.k,
                 shape.transpose_a ? 'T' : 'N', shape.transpose_b ? 'T' : 'N', shape.precision, error);
    cj_test_product_free(&product);
}

static void check_shapes(cj__isa isa, cj_precision precision)
{
    for (int i = 0; i < SIZES * SIZES * SIZES; i++) {
        /* Every pair of (m,n), with k running through its list; every k with few and with many rows. */
        cj__matmul_shape shape = {.batch = 1 + i % 2,
                                  .m = sizes[i % SIZES],
                                  .n = sizes[i / SIZES % SIZES],
                                  .k = sizes[(i / SIZES / SIZES + i) % SIZES],
                                  .shared_b = i % 3 == 0,
                                  .precision = precision};
        shape.transpose_a = i % 4 / 2;
        shape.transpose_b = (i + i / 12) % 2;
        if (precision == CJ_HIGHEST || i % 3 == (int)precision) check_shape(isa, shape);
    }
}

static void test_awkward_shapes(void **state)
{
    (void)state;
    for (int isa = 0; isa < CJ__ISA_COUNT; isa++)
        for (int precision = 0; precision < precisions_of((cj__isa)isa); precision++)
            if (cj__isa_available((cj__isa)isa)) check_shapes((cj__isa)isa, (cj_precision)precision);
}

/* Several k blocks, row blocks and column blocks; strides that are powers of two; few rows, few columns. */
static const cj__matmul_shape large[] = {
    {.batch = 1, .m = 128, .n = 64, .k = 784},  {.batch = 1, .m = 300, .n = 530, .k = 700},
    {.batch = 1, .m = 256, .n = 256, .k = 512}, {.batch = 1, .m = 1100, .n = 40, .k = 33},
    {.batch = 1, .m = 1, .n = 784, .k = 1000},  {.batch = 1, .m = 4, .n = 777, .k = 513},
    {.batch = 1, .m = 999, .n = 1, .k = 511},   {.batch = 1, .m = 512, .n = 3, .k = 100},
    {.batch = 12, .m = 65, .n = 64, .k = 40},   {.batch = 5, .m = 3, .n = 70, .k = 300, .shared_b = true},
};

static void test_large_shapes(void **state)
{
    (void)state;
    for (int isa = 0; isa < CJ__ISA_COUNT; isa++)
        for (size_t i = 0; cj__isa_available((cj__isa)isa) && i < 12 * sizeof large / sizeof *large; i++) {
            cj__matmul_shape shape = large[i / 12];
            shape.transpose_a = i % 2;
            shape.transpose_b = i / 2 % 2;
            shape.precision = (cj_precision)(i % 12 / 4);
            if ((int)shape.precision < precisions_of((cj__isa)isa)) check_shape((cj__isa)isa, shape);
        }
}

/* Whatever order tasks run in, and whatever lies in scratch before: the same bits. */
static void test_order_of_tasks_changes_nothing(void **state)
{
    (void)state;
    for (int isa = 0; isa < CJ__ISA_COUNT; isa++)
        for (size_t i = 0; cj__isa_available((cj__isa)isa) && i < 4 * sizeof large / sizeof *large; i++) {
            cj__matmul_shape shape = large[i / 4];
            shape.transpose_a = i % 2;
            shape.transpose_b = i / 2 % 2;
            cj_test_product forward, backward;
            cj_test_product_new(&forward, &shape, 7);
            cj_test_product_new(&backward, &shape, 7);
            cj_test_product_run(&forward, (cj__isa)isa, CJ_TEST_FORWARD);
            cj_test_product_run(&backward, (cj__isa)isa, CJ_TEST_BACKWARD);
            assert_memory_equal(forward.c, backward.c, (size_t)forward.c_count * sizeof(float));
            cj_test_product_free(&forward);
            cj_test_product_free(&backward);
        }
}

/* One row of a product has the bits it would have among other rows: batches may be of any size. */
static void test_a_row_does_not_depend_on_its_neighbours(void **state)
{
    (void)state;
    for (int isa = 0; isa < CJ__ISA_COUNT; isa++) {
        if (!cj__isa_available((cj__isa)isa)) continue;
        cj__matmul_shape tall = {.batch = 1, .m = 128, .n = 70, .k = 300, .transpose_b = true}, half = tall;
        half.m = 50;
        cj_test_product whole, part;
        cj_test_product_new(&whole, &tall, 3);
        cj_test_product_new(&part, &half, 3); /* the same numbers, as far as they go */
        memcpy(part.b, whole.b, (size_t)part.b_count * sizeof(float));
        cj_test_product_run(&whole, (cj__isa)isa, CJ_TEST_FORWARD);
        cj_test_product_run(&part, (cj__isa)isa, CJ_TEST_FORWARD);
        assert_memory_equal(whole.c, part.c, (size_t)part.c_count * sizeof(float));
        cj_test_product_free(&whole);
        cj_test_product_free(&part);
    }
}

static void test_every_element_has_one_epilogue(void **state)
{
    (void)state;
    for (int isa = 0; isa < CJ__ISA_COUNT; isa++)
        for (size_t i = 0; cj__isa_available((cj__isa)isa) && i < 3 * sizeof large / sizeof *large; i++) {
            cj__matmul_shape shape = large[i / 3];
            shape.transpose_b = i % 2;
            shape.precision = (cj_precision)(i % 3);
            if (i < 3) shape.k = 0;
            cj_test_product plain, counted;
            cj_test_product_new(&plain, &shape, 5);
            cj_test_product_new(&counted, &shape, 5);
            cj_test_product_run(&plain, (cj__isa)isa, CJ_TEST_FORWARD);
            cj_test_product_run(&counted, (cj__isa)isa, CJ_TEST_COUNTING_EPILOGUE); /* c → 2c + index */
            for (int64_t e = 0; e < plain.c_count; e++)
                assert_true(counted.c[e] == plain.c[e] * 2 + (float)(e % 1021));
            cj_test_product_free(&plain);
            cj_test_product_free(&counted);
        }
}

/* One strange operand element reaches its row or column, and nothing else. */
static void check_special(cj__isa isa, cj__matmul_shape shape, float value)
{
    cj_test_product product;
    cj_test_product_new(&product, &shape, 9);
    int64_t row = shape.m / 2, p = shape.k / 3;
    product.a[shape.transpose_a ? p * shape.m + row : row * shape.k + p] = value;
    cj_test_product_run(&product, isa, CJ_TEST_FORWARD);
    cj_test_product_reference(&product);
    for (int64_t i = 0; i < product.c_count; i++) {
        double wanted = product.reference[i], found = product.c[i];
        if (isfinite(wanted) && fabs(wanted) > 0.9 * FLT_MAX) continue; /* overflow is f32's own affair */
        bool same = isnan(wanted) ? isnan(found) : isinf(wanted) ? found == wanted : isfinite(found);
        if (!same)
            fail_msg("%s %lldx%lldx%lld precision %d, %g at (%lld,%lld): element %lld is %g, not %g",
                     cj__isa_name(isa), (long long)shape.m, (long long)shape.n, (long long)shape.k,
                     shape.precision, (double)value, (long long)row, (long long)p, (long long)i, found,
                     wanted);
    }
    cj_test_product_free(&product);
}

static void test_infinity_and_nan(void **state)
{
    (void)state;
    const float values[] = {INFINITY, -INFINITY, NAN, 3.4e38f};
    for (int isa = 0; isa < CJ__ISA_COUNT; isa++)
        for (int i = 0; cj__isa_available((cj__isa)isa) && i < 3 * 4 * 4 * 3; i++) {
            static const cj__matmul_shape shapes[] = {{.batch = 1, .m = 2, .n = 40, .k = 70},
                                                      {.batch = 1, .m = 70, .n = 3, .k = 70},
                                                      {.batch = 1, .m = 70, .n = 50, .k = 300}};
            cj__matmul_shape shape = shapes[i % 3];
            shape.transpose_a = i / 3 % 2;
            shape.transpose_b = i / 6 % 2;
            shape.precision = (cj_precision)(i / 12 / 4 % 3);
            check_special((cj__isa)isa, shape, values[i / 12 % 4]);
        }
}

/* Operands near the smallest normal number: what underflows may vanish, nothing else may. */
static void test_small_numbers(void **state)
{
    (void)state;
    for (int isa = 0; isa < CJ__ISA_COUNT; isa++)
        for (int power = -60; power >= -100 && cj__isa_available((cj__isa)isa); power -= 20) {
            cj__matmul_shape shape = {.batch = 1, .m = 40, .n = 48, .k = 64, .transpose_b = true};
            cj_test_product product;
            cj_test_product_new(&product, &shape, 11);
            for (int64_t i = 0; i < product.a_count; i++) product.a[i] = ldexpf(product.a[i], power);
            cj_test_product_run(&product, (cj__isa)isa, CJ_TEST_FORWARD);
            assert_true(cj_test_product_error(&product) < 1e-6);
            cj_test_product_free(&product);
        }
}

static void test_large_work_is_shared(void **state)
{
    (void)state;
    cj__matmul_plan plan;
    cj__matmul_shape shape = {.batch = 1, .m = 128, .n = 64, .k = 784, .transpose_b = true};
    cj__matmul_plan_make(&plan, &shape, cj__isa_best());
    assert_true(plan.tasks >= 4);
    cj__matmul_shape tiny = {.batch = 1, .m = 16, .n = 10, .k = 16};
    cj__matmul_plan_make(&plan, &tiny, cj__isa_best());
    assert_int_equal(plan.tasks, 1);
    cj__matmul_shape vector = {.batch = 1, .m = 1, .n = 4096, .k = 4096, .transpose_b = true};
    cj__matmul_plan_make(&plan, &vector, cj__isa_best());
    assert_true(plan.tasks >= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_awkward_shapes),
        cmocka_unit_test(test_large_shapes),
        cmocka_unit_test(test_order_of_tasks_changes_nothing),
        cmocka_unit_test(test_a_row_does_not_depend_on_its_neighbours),
        cmocka_unit_test(test_every_element_has_one_epilogue),
        cmocka_unit_test(test_infinity_and_nan),
        cmocka_unit_test(test_small_numbers),
        cmocka_unit_test(test_large_work_is_shared),
    };
    return cmocka_run_group_tests_name("matmul", tests, NULL, NULL);
}

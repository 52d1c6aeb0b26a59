/* The matrix product against a double-precision reference, norm by norm: every instruction set of this
 * processor, every precision, transpositions, awkward and tiny shapes, special values, and the promises on
 * tasks and epilogues. */
#include "support.h"

#include <float.h>
#include <math.h>

#include "base/bf16.h"
#include "cpu/matmul_blocks.h"
#include "cpu/split.h"
#include "amx_emulated.h"
#include "matmul_check.h"
#include "split_portable.h"

static const int64_t sizes[] = {0, 1, 2, 3, 5, 7, 13, 17, 31, 64, 65, 127};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* Relative error, norm over norm, that each precision must keep below; √k growth is within the slack. */
static double bound_of(cj_precision precision)
{
    static const double bounds[] = {1e-6, 2e-5, 6e-3};
    return bounds[precision];
}

/* Without products of bf16 all precisions are one. */
static int precisions_of(const cj_test_processor *on)
{
    return on->split || on->isa >= CJ__ISA_AVX512BF16 ? 3 : 1;
}

/* Plain C in the place of vectors takes long, as emulated tiles do where each access to memory is watched:
 * some of the cases are enough, other processors have them all. */
static bool takes_long(const cj_test_processor *on)
{
#ifdef __SANITIZE_THREAD__
    if (strncmp(on->name, "emulated", 8) == 0) return true;
#endif
    return strncmp(on->name, "portable", 8) == 0;
}

static void check_shape(const cj_test_processor *on, cj__matmul_shape shape)
{
    cj_test_product product;
    cj_test_product_new(&product, &shape, 1);
    cj_test_product_run(&product, on, CJ_TEST_FORWARD);
    double error = cj_test_product_error(&product);
    if (error > bound_of(shape.precision))
        fail_msg("%s %lldx%lldx%lldx%lld %c%c precision %d: relative error %g", on->name,
                 (long long)shape.batch, (long long)shape.m, (long long)shape.n, (long long)shape.k,
                 shape.transpose_a ? 'T' : 'N', shape.transpose_b ? 'T' : 'N', shape.precision, error);
    cj_test_product_free(&product);
}

static void check_shapes(const cj_test_processor *on, cj_precision precision)
{
    for (int i = 0; i < SIZES * SIZES * SIZES; i += takes_long(on) ? 23 : 1) {
        /* Every pair of (m,n), with k running through its list; every k with few and with many rows. */
        cj__matmul_shape shape = {.batch = 1 + i % 2,
                                  .m = sizes[i % SIZES],
                                  .n = sizes[i / SIZES % SIZES],
                                  .k = sizes[(i / SIZES / SIZES + i) % SIZES],
                                  .shared_b = i % 3 == 0,
                                  .precision = precision};
        shape.transpose_a = i % 4 / 2;
        shape.transpose_b = (i + i / 12) % 2;
        if (precision == CJ_HIGHEST || i % 3 == (int)precision) check_shape(on, shape);
    }
}

static void test_awkward_shapes(void **state)
{
    (void)state;
    for (const cj_test_processor *on = cj_test_processors(); on->name; on++)
        for (int precision = 0; precision < precisions_of(on); precision++)
            check_shapes(on, (cj_precision)precision);
}

/* Several k blocks, row blocks and column blocks; strides that are powers of two; few rows, few columns. */
static const cj__matmul_shape large[] = {
    {.batch = 1, .m = 128, .n = 64, .k = 784},  {.batch = 1, .m = 300, .n = 530, .k = 700},
    {.batch = 1, .m = 256, .n = 256, .k = 512}, {.batch = 1, .m = 1100, .n = 40, .k = 33},
    {.batch = 1, .m = 1, .n = 784, .k = 1000},  {.batch = 1, .m = 4, .n = 777, .k = 513},
    {.batch = 1, .m = 999, .n = 1, .k = 511},   {.batch = 1, .m = 512, .n = 3, .k = 100},
    {.batch = 12, .m = 65, .n = 64, .k = 40},   {.batch = 5, .m = 3, .n = 70, .k = 300, .shared_b = true},
    {.batch = 2, .m = 75, .n = 70, .k = 1024},
};

enum { LARGE = 12 * sizeof large / sizeof *large };

/* The shape and pair of layouts and precision that case `i` is, if it is one on that processor. What is
 * emulated, by plain C or as a whole (tests/shell/neon.sh), takes each shape in one pair of layouts, plain C
 * at one precision besides. */
static bool large_case(int i, const cj_test_processor *on, cj__matmul_shape *shape)
{
    *shape = large[i / 12];
    shape->transpose_a = i % 2;
    shape->transpose_b = i / 2 % 2;
    shape->precision = (cj_precision)(i % 12 / 4);
    bool emulated = takes_long(on);
#ifdef CJ_TEST_EMULATED
    emulated = true;
#endif
    if (emulated && i % 4 != i / 12 % 4) return false;
    if (takes_long(on) && i % 12 / 4 != i / 12 % 3) return false;
    return (int)shape->precision < precisions_of(on);
}

static void test_large_shapes(void **state)
{
    (void)state;
    cj__matmul_shape shape;
    for (const cj_test_processor *on = cj_test_processors(); on->name; on++)
        for (int i = 0; i < LARGE; i++)
            if (large_case(i, on, &shape)) check_shape(on, shape);
}

/* Of few rows that is rounded, which a product is not that B was not packed for. */
static bool is_kept_in_bf16(const cj__matmul_shape *shape, const cj_test_processor *on)
{
    cj__matmul_plan plan;
    cj_test_plan(&plan, shape, on);
    bool few_rows = plan.kind == CJ__MATMUL_DOTS || plan.kind == CJ__MATMUL_SUMS;
    return few_rows && cj__matmul_pack_before(&plan, true) > 0;
}

/* Whatever order tasks run in, whatever lies in scratch before, and whoever packs B: the same bits. */
static void test_order_of_tasks_changes_nothing(void **state)
{
    (void)state;
    for (const cj_test_processor *on = cj_test_processors(); on->name; on++)
        for (int i = 0; i < LARGE; i++) {
            cj__matmul_shape shape;
            cj_test_product forward, backward;
            if (!large_case(i, on, &shape) || is_kept_in_bf16(&shape, on)) continue;
            cj_test_product_new(&forward, &shape, 7);
            cj_test_product_new(&backward, &shape, 7);
            cj_test_product_run(&forward, on, CJ_TEST_FORWARD);
            cj_test_product_run(&backward, on, CJ_TEST_BACKWARD);
            assert_memory_equal(forward.c, backward.c, (size_t)forward.c_count * sizeof(float));
            cj_test_product_free(&forward);
            cj_test_product_free(&backward);
        }
}

/* One row of a product has the bits it would have among other rows: batches may be of any size. */
static void test_a_row_does_not_depend_on_its_neighbours(void **state)
{
    (void)state;
    for (const cj_test_processor *on = cj_test_processors(); on->name; on++)
        for (int precision = 0; precision < precisions_of(on); precision++) {
            cj__matmul_shape tall = {.batch = 1,
                                     .m = 128,
                                     .n = 70,
                                     .k = 300,
                                     .transpose_b = true,
                                     .precision = (cj_precision)precision},
                             half = tall;
            half.m = 50;
            cj_test_product whole, part;
            cj_test_product_new(&whole, &tall, 3);
            cj_test_product_new(&part, &half, 3); /* the same numbers, as far as they go */
            memcpy(part.b, whole.b, (size_t)part.b_count * sizeof(float));
            cj_test_product_run(&whole, on, CJ_TEST_FORWARD);
            cj_test_product_run(&part, on, CJ_TEST_FORWARD);
            assert_memory_equal(whole.c, part.c, (size_t)part.c_count * sizeof(float));
            cj_test_product_free(&whole);
            cj_test_product_free(&part);
        }
}

static void test_every_element_has_one_epilogue(void **state)
{
    (void)state;
    for (const cj_test_processor *on = cj_test_processors(); on->name; on++)
        for (size_t i = 0; i < 3 * sizeof large / sizeof *large; i++) {
            cj__matmul_shape shape = large[i / 3];
            shape.transpose_b = i % 2;
            shape.precision = (cj_precision)(i % 3);
            if ((int)shape.precision >= precisions_of(on)) continue;
            if (takes_long(on) && i % 3 != i / 3 % 3) continue;
            if (i < 3) shape.k = 0;
            if (is_kept_in_bf16(&shape, on)) continue;
            cj_test_product plain, counted;
            cj_test_product_new(&plain, &shape, 5);
            cj_test_product_new(&counted, &shape, 5);
            cj_test_product_run(&plain, on, CJ_TEST_FORWARD);
            cj_test_product_run(&counted, on, CJ_TEST_COUNTING_EPILOGUE); /* c → 2c + index */
            for (int64_t e = 0; e < plain.c_count; e++)
                assert_true(counted.c[e] == plain.c[e] * 2 + (float)(e % 1021));
            cj_test_product_free(&plain);
            cj_test_product_free(&counted);
        }
}

/* One strange operand element reaches its row or column, and nothing else. */
static void check_special(const cj_test_processor *on, cj__matmul_shape shape, float value, bool in_b,
                          cj_test_manner manner)
{
    cj_test_product product;
    cj_test_product_new(&product, &shape, 9);
    int64_t row = shape.m / 2, column = shape.n / 2, p = shape.k / 3;
    if (!in_b) product.a[shape.transpose_a ? p * shape.m + row : row * shape.k + p] = value;
    if (in_b) product.b[shape.transpose_b ? column * shape.k + p : p * shape.n + column] = value;
    cj_test_product_run(&product, on, manner);
    cj_test_product_reference(&product);
    for (int64_t i = 0; i < product.c_count; i++) {
        double wanted = product.reference[i], found = product.c[i];
        if (isfinite(wanted) && fabs(wanted) > 0.9 * FLT_MAX) continue; /* overflow is f32's own affair */
        bool same = isnan(wanted) ? isnan(found) : isinf(wanted) ? found == wanted : isfinite(found);
        if (!same)
            fail_msg("%s %lldx%lldx%lld precision %d, %g in %c, k %lld: element %lld is %g, not %g", on->name,
                     (long long)shape.m, (long long)shape.n, (long long)shape.k, shape.precision,
                     (double)value, in_b ? 'B' : 'A', (long long)p, (long long)i, found, wanted);
    }
    cj_test_product_free(&product);
}

static void test_infinity_and_nan(void **state)
{
    (void)state;
    const float values[] = {INFINITY, -INFINITY, NAN, 3.4e38f};
    for (const cj_test_processor *on = cj_test_processors(); on->name; on++)
        for (int i = 0; i < 4 * 4 * 4 * 3; i++) {
            static const cj__matmul_shape shapes[] = {{.batch = 1, .m = 2, .n = 40, .k = 70},
                                                      {.batch = 1, .m = 40, .n = 33, .k = 1100},
                                                      {.batch = 1, .m = 70, .n = 3, .k = 70},
                                                      {.batch = 1, .m = 70, .n = 50, .k = 300}};
            cj__matmul_shape shape = shapes[i % 4];
            shape.transpose_a = i / 4 % 2;
            shape.transpose_b = i / 8 % 2;
            shape.precision = (cj_precision)(i / 16 / 4 % 3);
            if ((int)shape.precision >= precisions_of(on)) continue;
            bool odd = (i + i / 4 + i / 16 + i / 64) % 2;
            check_special(on, shape, values[i / 16 % 4], false, odd ? CJ_TEST_FORWARD : CJ_TEST_BACKWARD);
            check_special(on, shape, values[i / 16 % 4], true, odd ? CJ_TEST_BACKWARD : CJ_TEST_FORWARD);
        }
}

/* Operands near the smallest normal number, or both small: what underflows may vanish, nothing else may. */
static void test_small_numbers(void **state)
{
    (void)state;
    static const int powers[][2] = {{-60, 0}, {-80, 0}, {-108, 0}, {0, -108}, {-45, -45}, {-56, -52}};
    for (const cj_test_processor *on = cj_test_processors(); on->name; on++)
        for (size_t p = 0; p < sizeof powers / sizeof *powers; p++) {
            cj__matmul_shape shape = {.batch = 1, .m = 40, .n = 48, .k = 64, .transpose_b = true};
            cj_test_product product;
            cj_test_product_new(&product, &shape, 11);
            for (int64_t i = 0; i < product.a_count; i++) product.a[i] = ldexpf(product.a[i], powers[p][0]);
            for (int64_t i = 0; i < product.b_count; i++) product.b[i] = ldexpf(product.b[i], powers[p][1]);
            cj_test_product_run(&product, on, p % 2 ? CJ_TEST_BACKWARD : CJ_TEST_FORWARD);
            double error = cj_test_product_error(&product);
            if (!(error < 1e-6))
                fail_msg("%s, operands of 2^%d and 2^%d: error %g", on->name, powers[p][0], powers[p][1],
                         error);
            cj_test_product_free(&product);
        }
}

/* Operands that are bf16 in memory give the bits that the same numbers in f32 do; where one of them is f32
 * and has what bf16 cannot hold, too. False: the product is not made in bf16 here. */
static bool check_in_bf16(const cj_test_processor *on, cj__matmul_shape shape, float special)
{
    cj__matmul_plan plan;
    cj_test_product product;
    cj_test_plan(&plan, &shape, on);
    if (plan.kind != CJ__MATMUL_SPLIT || plan.parts != 1) return false;
    for (int operands = 1; operands <= 3; operands++)
        for (int manner = CJ_TEST_FORWARD; manner <= CJ_TEST_BACKWARD; manner++) {
            cj_test_product_new(&product, &shape, 5);
            for (int64_t i = 0; i < product.a_count; i++)
                product.a[i] = cj__bf16_to_float(cj__bf16_from_float(product.a[i]));
            for (int64_t i = 0; i < product.b_count; i++)
                product.b[i] = cj__bf16_to_float(cj__bf16_from_float(product.b[i]));
            if (operands == 1) product.b[product.b_count / 3] = special;
            if (operands == 2) product.a[product.a_count / 3] = special;
            cj_test_product_run(&product, on, (cj_test_manner)manner);
            float *wanted = product.c;
            product.c = malloc((size_t)product.c_count * sizeof *product.c);
            product.shape.bf16_a = operands & 1;
            product.shape.bf16_b = operands >> 1;
            cj_test_product_run(&product, on, (cj_test_manner)manner);
            if (memcmp(wanted, product.c, (size_t)product.c_count * sizeof *wanted) != 0)
                fail_msg("%s %lldx%lldx%lldx%lld %c%c, %d in bf16: other bits", on->name,
                         (long long)shape.batch, (long long)shape.m, (long long)shape.n, (long long)shape.k,
                         shape.transpose_a ? 'T' : 'N', shape.transpose_b ? 'T' : 'N', operands);
            free(wanted);
            cj_test_product_free(&product);
        }
    return true;
}

static void test_operands_in_bf16(void **state)
{
    (void)state;
    static const int64_t odd[] = {13, 17, 31, 32, 47, 64, 65, 127};
    for (const cj_test_processor *on = cj_test_processors(); on->name; on++) {
        int checked = 0;
        for (int i = 0; i < 8 * 8 * 4; i += takes_long(on) ? 5 : 1) {
            cj__matmul_shape shape = {.batch = 1 + i % 3 / 2,
                                      .m = odd[i % 8],
                                      .n = odd[i / 8 % 8],
                                      .k = odd[(i / 8 + 3 * i + i / 64) % 8] * (i % 5 ? 1 : 11),
                                      .transpose_a = i / 64 % 2,
                                      .transpose_b = i / 128,
                                      .shared_b = i % 2,
                                      .precision = CJ_MEDIUM};
            checked += check_in_bf16(on, shape, i % 7 ? 0.5f : 3.4e38f);
        }
        if (on->split || cj__split_kernels_of(NULL, on->isa)) assert_true(checked > 0);
    }
}

/* A row has the same bits among others as by itself. */
static void check_rows_apart(const cj_test_processor *on, const cj_test_product *some)
{
    cj_test_product one;
    cj__matmul_shape shape = some->shape, single = shape;
    single.m = 1;
    for (int64_t row = 0; row < shape.m; row++) {
        cj_test_product_new(&one, &single, 17);
        for (int64_t p = 0; p < shape.k; p++)
            one.a[p] = some->a[shape.transpose_a ? p * shape.m + row : row * shape.k + p];
        memcpy(one.b, some->b, (size_t)some->b_count * sizeof *some->b);
        cj_test_product_run(&one, on, CJ_TEST_BACKWARD);
        assert_memory_equal(one.c, some->c + row * shape.n, (size_t)shape.n * sizeof *one.c);
        cj_test_product_free(&one);
    }
}

/* What bf16 does not hold is read in f32, as it is where B is not packed. */
static void check_beyond_bf16(const cj_test_processor *on, const cj__matmul_shape *shape)
{
    cj_test_product plain, packed;
    cj_test_product_new(&plain, shape, 17);
    cj_test_product_new(&packed, shape, 17);
    plain.b[plain.b_count - 1] = packed.b[packed.b_count - 1] = 3.4e38f;
    cj_test_product_run(&plain, on, CJ_TEST_FORWARD);
    cj_test_product_run(&packed, on, CJ_TEST_BACKWARD);
    assert_memory_equal(plain.c, packed.c, (size_t)plain.c_count * sizeof *plain.c);
    cj_test_product_free(&plain);
    cj_test_product_free(&packed);
}

/* At `medium` a weight that lasts is kept in bf16 for few rows, on every instruction set. */
static void check_few_rows(const cj_test_processor *on, const cj__matmul_shape *shape)
{
    cj_test_product product;
    cj__matmul_plan plan;
    cj_test_plan(&plan, shape, on);
    assert_true(cj__matmul_pack_before(&plan, true) > 0);
    assert_non_null(strstr(cj__matmul_plan_name(&plan), " few rows, bf16"));
    cj_test_product_new(&product, shape, 17);
    cj_test_product_run(&product, on, CJ_TEST_BACKWARD);
    double error = cj_test_product_error(&product);
    if (!(error <= 4e-3))
        fail_msg("%s %lldx%lldx%lld %c%c: error %g", on->name, (long long)shape->m, (long long)shape->n,
                 (long long)shape->k, shape->transpose_a ? 'T' : 'N', shape->transpose_b ? 'T' : 'N', error);
    check_rows_apart(on, &product);
    cj_test_product_free(&product);
}

static void test_few_rows_of_a_weight_in_bf16(void **state)
{
    (void)state;
    static const int64_t sizes_of_b[][2] = {{601, 257}, {1024, 128}, {131, 1003}, {4001, 33}, {5, 30011}};
    for (const cj_test_processor *on = cj_test_processors(); on->name; on++)
        for (int i = 0; i < 5 * 4 * 4; i += takes_long(on) ? 7 : 1) {
            cj__matmul_shape shape = {.batch = 1,
                                      .m = 1 + i / 5 % 4,
                                      .n = sizes_of_b[i % 5][0],
                                      .k = sizes_of_b[i % 5][1],
                                      .transpose_a = i / 20 % 2,
                                      .transpose_b = i / 40,
                                      .precision = CJ_MEDIUM};
            check_few_rows(on, &shape);
            if (i % 3 == 0) check_beyond_bf16(on, &shape);
        }
}

static const cj_test_processor *find_processor(const char *name)
{
    for (const cj_test_processor *on = cj_test_processors(); on->name; on++)
        if (strcmp(on->name, name) == 0) return on;
    return NULL;
}

/* Six products of bf16 take the place of f32 at `highest`: they must not be less accurate, however long k is.
 */
static void test_six_products_are_as_exact_as_f32(void **state)
{
    (void)state;
    const cj_test_processor amx = cj_test_tiles_in_c(), f32 = {"f32", amx.isa, NULL};
    for (int64_t k = 16; k <= 4096; k = 3 * k + 5) {
        cj__matmul_shape shape = {.batch = 1, .m = 64, .n = 96, .k = k, .transpose_b = true};
        double error[2];
        for (int i = 0; i < 2; i++) {
            cj_test_product product;
            cj_test_product_new(&product, &shape, 21);
            cj_test_product_run(&product, i ? &amx : &f32, CJ_TEST_FORWARD);
            error[i] = cj_test_product_error(&product);
            cj_test_product_free(&product);
        }
        if (error[1] > error[0])
            fail_msg("k %lld: six products have error %g, f32 %g", (long long)k, error[1], error[0]);
    }
}

/* Each precision makes the products it is named for, and no more tiles than there are. */
static void check_tiles(const cj_test_processor *amx, unsigned long *products_made)
{
    static const struct {
        int64_t m, n, k;
        unsigned long tiles; /* 16×16 of C by 32 of k */
    } cases[] = {{64, 64, 64, 32}, {48, 80, 40, 30}, {33, 33, 33, 18}, {16, 1024, 1024, 2048}};
    for (int i = 0; i < 12; i++) {
        cj__matmul_shape shape = {.batch = 1, .m = cases[i % 4].m, .n = cases[i % 4].n, .k = cases[i % 4].k};
        static const unsigned long products[] = {6, 3, 1};
        cj_test_product product;
        shape.precision = (cj_precision)(i / 4);
        cj_test_product_new(&product, &shape, 2);
        *products_made = 0;
        cj_test_product_run(&product, amx, CJ_TEST_FORWARD);
        assert_int_equal(*products_made, cases[i % 4].tiles * products[shape.precision]);
        cj_test_product_free(&product);
    }
}

static void test_tiles_are_counted(void **state)
{
    (void)state;
    const cj_test_processor in_c = cj_test_tiles_in_c();
    check_tiles(&in_c, &cj_test_portable_products);
#ifdef CJ__HAVE_AVX512BF16
    const cj_test_processor *amx = find_processor("emulated amx");
    if (amx) check_tiles(amx, &cj_test_tile_products);
#endif
}

/* What other tests run everywhere in plain C is what the kernels of AMX do. */
static void test_plain_kernels_give_the_bits_of_amx(void **state)
{
    (void)state;
    const cj_test_processor portable = cj_test_tiles_in_c(), *amx = find_processor("emulated amx");
    if (!amx) skip_because("this processor lacks AVX512-BF16, which the emulation of AMX packs with");
    for (int i = 0; i < 24; i++) {
        cj__matmul_shape shape = large[i / 12];
        cj_test_product products[2];
        shape.transpose_a = i % 2;
        shape.transpose_b = i / 2 % 2;
        shape.precision = (cj_precision)(i % 12 / 4);
        for (int p = 0; p < 2; p++) {
            cj_test_product_new(&products[p], &shape, 13);
            cj_test_product_run(&products[p], p ? amx : &portable, CJ_TEST_FORWARD);
        }
        assert_memory_equal(products[0].c, products[1].c, (size_t)products[0].c_count * sizeof(float));
        for (int p = 0; p < 2; p++) cj_test_product_free(&products[p]);
    }
}

/* The plan's name says which kernel, and why it is f32 where less would have done. */
static void test_names_of_plans(void **state)
{
    (void)state;
    cj__matmul_plan plan;
    cj__matmul_shape shape = {.batch = 1, .m = 64, .n = 64, .k = 64, .precision = CJ_MEDIUM};
    cj__matmul_plan_make(&plan, &shape, CJ__ISA_SCALAR);
    assert_string_equal(cj__matmul_plan_name(&plan), "scalar 4x8, f32: it has no bf16");
    shape.precision = CJ_HIGHEST;
    cj__matmul_plan_make(&plan, &shape, CJ__ISA_SCALAR);
    assert_string_equal(cj__matmul_plan_name(&plan), "scalar 4x8");
    const cj_test_processor vectors = cj_test_vectors_in_c(), amx = cj_test_tiles_in_c();
    char f32[72];
    snprintf(f32, sizeof f32, "%s, f32: three products of bf16 are slower",
             cj__matmul_kernels_of(vectors.isa)->name);
    cj_test_plan(&plan, &shape, &amx);
    assert_string_equal(cj__matmul_plan_name(&plan), "portable 32x32, 6 products");
    shape.precision = CJ_HIGH;
    cj_test_plan(&plan, &shape, &amx);
    assert_string_equal(cj__matmul_plan_name(&plan), "portable 32x32, 3 products");
    cj_test_plan(&plan, &shape, &vectors);
    assert_string_equal(cj__matmul_plan_name(&plan), f32);
    shape.precision = CJ_MEDIUM;
    cj_test_plan(&plan, &shape, &vectors);
    assert_string_equal(cj__matmul_plan_name(&plan), "portable 14x32");
    shape.k = 8;
    cj_test_plan(&plan, &shape, &vectors);
    snprintf(f32, sizeof f32, "%s, f32: too small for bf16", cj__matmul_kernels_of(vectors.isa)->name);
    assert_string_equal(cj__matmul_plan_name(&plan), f32);
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
        cmocka_unit_test(test_operands_in_bf16),
        cmocka_unit_test(test_few_rows_of_a_weight_in_bf16),
        cmocka_unit_test(test_six_products_are_as_exact_as_f32),
        cmocka_unit_test(test_tiles_are_counted),
        cmocka_unit_test(test_plain_kernels_give_the_bits_of_amx),
        cmocka_unit_test(test_names_of_plans),
        cmocka_unit_test(test_large_work_is_shared),
    };
    return cmocka_run_group_tests_name("matmul", tests, NULL, NULL);
}

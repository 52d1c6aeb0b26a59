/* Views and splits: every row once, shares kept, labels kept in proportion, the order a function of the seed;
 * loaders over views; mistakes; every allocation failing in turn. */
#include "support.h"

#include "cajal/cajal.h"

#include <math.h>

enum { ROWS = 1000 };

/* x[i] = i; label 0 for three of four rows, else 1 to 5 in turn. */
static cj_dataset *some_dataset(void)
{
    static float x[ROWS];
    static int32_t y[ROWS];
    cj_dataset *d;
    for (int i = 0; i < ROWS; i++) x[i] = (float)i, y[i] = i % 4 ? 0 : 1 + i / 4 % 5;
    cj_tensor tx = {x, CJ_F32, cj_shape(ROWS, 1)}, ty = {y, CJ_I32, cj_shape(ROWS)};
    expect_ok(cj_dataset_from_tensors(&d, &tx, &ty));
    return d;
}

static int value(const cj_dataset *d, int64_t index)
{
    cj_tensor x;
    cj_dataset_row(d, index, &x, NULL);
    return (int)*(float *)x.data;
}

static int label(const cj_dataset *d, int64_t index)
{
    cj_tensor y;
    cj_dataset_row(d, index, NULL, &y);
    return *(int32_t *)y.data;
}

/* How many rows of each label there are. */
static void count_labels(const cj_dataset *d, int counts[6])
{
    for (int i = 0; i < 6; i++) counts[i] = 0;
    for (int64_t i = 0; i < cj_dataset_count(d); i++) counts[label(d, i)]++;
}

static void test_fixed(void **state)
{
    (void)state;
    cj_dataset *d = some_dataset(), *training, *validation, *test;
    cj_split_options o = {.size = sizeof o, .validation = 0.1};
    expect_ok(cj_dataset_split(d, &o, &training, &validation, &test));
    assert_int_equal(cj_dataset_count(training), 900);
    assert_int_equal(cj_dataset_count(validation), 100);
    assert_null(test);
    assert_int_equal(cj_dataset_count(test), 0);
    assert_int_equal(value(validation, 0), 900);
    assert_ptr_equal(cj_dataset_x(validation).data, (float *)cj_dataset_x(d).data + 900);
    assert_int_equal(cj_dataset_x(validation).shape.dims[0], 100);
    cj_dataset_free(training);
    cj_dataset_free(validation);
    /* What a fit has always done with an awkward share. */
    for (int percent = 1; percent < 100; percent++) {
        o.validation = percent / 100.0;
        expect_ok(cj_dataset_split(d, &o, &training, &validation, NULL));
        assert_int_equal(cj_dataset_count(training), (int64_t)((double)ROWS * (1 - o.validation) + 0.5));
        assert_int_equal(cj_dataset_count(training) + cj_dataset_count(validation), ROWS);
        cj_dataset_free(training);
        cj_dataset_free(validation);
    }
    o = (cj_split_options){.size = sizeof o, .validation = 0.2, .test = 0.3};
    expect_ok(cj_dataset_split(d, &o, &training, &validation, &test));
    assert_int_equal(value(training, 499), 499);
    assert_int_equal(value(validation, 0), 500);
    assert_int_equal(value(test, 0), 700);
    assert_int_equal(cj_dataset_count(test), 300);
    cj_dataset_free(training);
    cj_dataset_free(validation);
    cj_dataset_free(test);
    cj_dataset_free(d);
}

/* Splits twice by the same seed and once by another; fills `counts` of the first. */
static void check_drawn(cj_split_kind kind, int counts[3][6])
{
    cj_dataset *d = some_dataset(), *parts[3][3];
    int seen[ROWS] = {0}, same = 0;
    for (int run = 0; run < 3; run++) {
        cj_split_options o = {.size = sizeof o, .kind = kind, .validation = 0.15, .test = 0.25, .seed = 7};
        if (run == 2) o.seed = 8;
        expect_ok(cj_dataset_split(d, &o, &parts[run][0], &parts[run][1], &parts[run][2]));
    }
    for (int p = 0; p < 3; p++) {
        count_labels(parts[0][p], counts[p]);
        for (int64_t i = 0; i < cj_dataset_count(parts[0][p]); i++) {
            assert_int_equal(seen[value(parts[0][p], i)]++, 0);
            assert_int_equal(value(parts[0][p], i), value(parts[1][p], i));
            assert_true(i == 0 || value(parts[0][p], i) > value(parts[0][p], i - 1));
        }
    }
    assert_int_equal(cj_dataset_count(parts[0][0]), 600);
    assert_int_equal(cj_dataset_count(parts[0][1]), 150);
    assert_int_equal(cj_dataset_count(parts[0][2]), 250);
    for (int64_t i = 0; i < 150; i++)
        for (int64_t j = 0; j < 150; j++) same += value(parts[0][1], i) == value(parts[2][1], j);
    assert_in_range(same, 5, 60); /* 22 in the mean */
    for (int run = 0; run < 3; run++)
        for (int p = 0; p < 3; p++) cj_dataset_free(parts[run][p]);
    cj_dataset_free(d);
}

static void test_random(void **state)
{
    (void)state;
    int counts[3][6];
    check_drawn(CJ_SPLIT_RANDOM, counts);
    assert_in_range(counts[1][0], 90, 135); /* 112.5 in the mean */
}

static void test_stratified(void **state)
{
    (void)state;
    const double shares[3] = {0.6, 0.15, 0.25};
    int counts[3][6];
    check_drawn(CJ_SPLIT_STRATIFIED, counts);
    for (int p = 0; p < 3; p++)
        for (int c = 0; c < 6; c++) assert_true(fabs(counts[p][c] - shares[p] * (c ? 50 : 750)) <= 2);
    /* Targets of 0 and 1 as f32 are labels too; a vector a row is none. */
    float x[40] = {0}, y[40];
    for (int i = 0; i < 40; i++) y[i] = i < 8;
    cj_tensor tx = {x, CJ_F32, cj_shape(40, 1)}, ty = {y, CJ_F32, cj_shape(40)};
    cj_dataset *d, *training, *validation;
    cj_split_options o = {.size = sizeof o, .kind = CJ_SPLIT_STRATIFIED, .validation = 0.25, .seed = 3};
    expect_ok(cj_dataset_from_tensors(&d, &tx, &ty));
    expect_ok(cj_dataset_split(d, &o, &training, &validation, NULL));
    float ones = 0;
    for (int64_t i = 0; i < cj_dataset_count(validation); i++) {
        cj_tensor row;
        cj_dataset_row(validation, i, NULL, &row);
        ones += *(float *)row.data;
    }
    assert_int_equal(cj_dataset_count(validation), 10);
    assert_true(ones == 2);
    assert_int_equal(cj_dataset_classes(d), 0);
    cj_dataset_free(training);
    cj_dataset_free(validation);
    cj_dataset_free(d);
    ty.shape = cj_shape(20, 2), tx.shape = cj_shape(20, 2);
    expect_ok(cj_dataset_from_tensors(&d, &tx, &ty));
    expect_status(cj_dataset_split(d, &o, &training, &validation, NULL), CJ_UNSUPPORTED);
    expect_message("needs one label a row");
    cj_dataset_free(d);
}

static void test_ranges_and_mistakes(void **state)
{
    (void)state;
    cj_dataset *d = some_dataset(), *training, *validation, *test;
    cj_split_options o = {
        .size = sizeof o, .kind = CJ_SPLIT_RANGES, .ranges = {{100, 50}, {0, 100}, {150, 850}}};
    expect_ok(cj_dataset_split(d, &o, &training, &validation, &test));
    assert_int_equal(value(training, 0), 100);
    assert_int_equal(value(validation, 99), 99);
    assert_int_equal(value(test, 849), 999);
    cj_dataset_free(training);
    cj_dataset_free(validation);
    cj_dataset_free(test);
    o.ranges[1] = (cj_row_range){99, 2};
    expect_status(cj_dataset_split(d, &o, &training, &validation, &test), CJ_INVALID_ARGUMENT);
    expect_message("rows 100 to 149 and rows 99 to 100 overlap");
    assert_null(training);
    o.ranges[1] = (cj_row_range){INT64_MAX, 2};
    expect_status(cj_dataset_split(d, &o, &training, &validation, &test), CJ_INVALID_ARGUMENT);
    o.ranges[1] = (cj_row_range){2, -2};
    expect_status(cj_dataset_split(d, &o, &training, &validation, &test), CJ_INVALID_ARGUMENT);
    o = (cj_split_options){.size = sizeof o, .kind = CJ_SPLIT_RANGES};
    expect_status(cj_dataset_split(d, &o, &training, NULL, NULL), CJ_INVALID_ARGUMENT);
    expect_message("of 1000 rows none is left for training");
    const double wrong[] = {-0.1, 1, NAN, INFINITY};
    for (int i = 0; i < 4; i++) {
        o = (cj_split_options){.size = sizeof o, .validation = wrong[i]};
        expect_status(cj_dataset_split(d, &o, &training, NULL, NULL), CJ_INVALID_ARGUMENT);
        expect_message("shares from 0 up to 1");
    }
    expect_status(cj_dataset_range(&test, d, 990, 11), CJ_INVALID_ARGUMENT);
    expect_status(cj_dataset_select(&test, d, (int64_t[]){0, 1000}, 2), CJ_INVALID_ARGUMENT);
    expect_message("row 1000 was asked for; there are rows 0 to 999");
    cj_dataset_free(d);
}

static void test_views(void **state)
{
    (void)state;
    cj_dataset *d = some_dataset(), *list, *inner, *range, *copy;
    const int64_t rows[] = {8, 3, 3, 996, 40};
    expect_ok(cj_dataset_select(&list, d, rows, 5));
    expect_ok(cj_dataset_select(&inner, list, (int64_t[]){4, 1}, 2));
    expect_ok(cj_dataset_range(&range, list, 1, 3));
    for (int i = 0; i < 5; i++) assert_int_equal(value(list, i), rows[i]);
    assert_int_equal(value(inner, 0), 40);
    assert_int_equal(value(inner, 1), 3);
    assert_int_equal(value(range, 2), 996);
    assert_null(cj_dataset_x(list).data);
    assert_int_equal(cj_dataset_classes(d), 6);
    assert_int_equal(cj_dataset_classes(inner), 2);
    expect_ok(cj_dataset_copy(&copy, list));
    cj_dataset_free(inner);
    cj_dataset_free(range);
    cj_dataset_free(list);
    cj_dataset_free(d);
    for (int i = 0; i < 5; i++) assert_int_equal(value(copy, i), rows[i]);
    cj_dataset_free(copy);
}

/* A loader over the view of a fixed split and one over the same rows of the whole give the same batches. */
static void test_loader_over_view(void **state)
{
    (void)state;
    cj_dataset *d = some_dataset(), *parts[2];
    cj_split_options o = {.size = sizeof o, .validation = 0.33};
    expect_ok(cj_dataset_split(d, &o, &parts[0], &parts[1], NULL));
    for (int p = 0; p < 2; p++) {
        cj_loader *whole, *view;
        cj_batch a, b;
        expect_ok(cj_loader_new(&whole, d, .first = p ? 670 : 0, .count = p ? 330 : 670, .batch_size = 64,
                                .shuffle = true, .seed = 4));
        expect_ok(cj_loader_new(&view, parts[p], .batch_size = 64, .shuffle = true, .seed = 4));
        assert_int_equal(cj_loader_rows(whole), cj_loader_rows(view));
        for (int epoch = 0; epoch < 2; epoch++) {
            while (cj_loader_next(whole, &a)) {
                assert_true(cj_loader_next(view, &b));
                assert_int_equal(a.count, b.count);
                assert_memory_equal(a.x.data, b.x.data, cj_tensor_bytes(&a.x));
                assert_memory_equal(a.y.data, b.y.data, cj_tensor_bytes(&a.y));
            }
            assert_false(cj_loader_next(view, &b));
        }
        cj_loader_free(whole);
        cj_loader_free(view);
    }
    /* Over a list: the rows of the list and no others. */
    cj_dataset *list;
    cj_loader *loader;
    cj_batch batch;
    expect_ok(cj_dataset_select(&list, d, (int64_t[]){5, 9, 2}, 3));
    expect_ok(cj_loader_new(&loader, list, .first = 1, .batch_size = 2));
    assert_true(cj_loader_next(loader, &batch));
    assert_true(((float *)batch.x.data)[0] == 9 && ((float *)batch.x.data)[1] == 2);
    assert_false(cj_loader_next(loader, &batch));
    cj_loader_free(loader);
    cj_dataset_free(list);
    cj_dataset_free(parts[0]);
    cj_dataset_free(parts[1]);
    cj_dataset_free(d);
}

/* Split, a view of a part, a copy of that. */
static cj_status scenario(void *context)
{
    cj_split_options o = {.size = sizeof o, .kind = *(cj_split_kind *)context, .validation = .2, .test = .2};
    float x[20] = {0};
    int32_t y[20] = {0};
    cj_tensor tx = {x, CJ_F32, cj_shape(20, 1)}, ty = {y, CJ_I32, cj_shape(20)};
    cj_dataset *d = NULL, *parts[3] = {0}, *inner = NULL, *copy = NULL;
    cj_status status = cj_dataset_from_tensors(&d, &tx, &ty);
    if (status == CJ_OK) status = cj_dataset_split(d, &o, &parts[0], &parts[1], &parts[2]);
    if (status == CJ_OK) status = cj_dataset_range(&inner, parts[0], 1, 5);
    if (status == CJ_OK) status = cj_dataset_copy(&copy, inner);
    cj_dataset_free(copy);
    cj_dataset_free(inner);
    for (int i = 0; i < 3; i++) cj_dataset_free(parts[i]);
    cj_dataset_free(d);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    cj_split_kind kinds[] = {CJ_SPLIT_FIXED, CJ_SPLIT_RANDOM, CJ_SPLIT_STRATIFIED};
    for (int i = 0; i < 3; i++) cj_test_every_allocation_fails(scenario, &kinds[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixed),      cmocka_unit_test(test_random),
        cmocka_unit_test(test_stratified), cmocka_unit_test(test_ranges_and_mistakes),
        cmocka_unit_test(test_views),      cmocka_unit_test(test_loader_over_view),
        cmocka_unit_test(test_allocations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* CIFAR's binary files: planes interleaved, labels of both kinds, files cut short or of another set refused,
 * found by name; the real ones where they are. */
#include "support.h"

#include "cajal/cajal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { RECORD = 3073, ROWS = 3 };

static uint8_t file[2 * ROWS * (RECORD + 1)];

/* Records with `label_bytes` labels; pixel i of plane c of picture r is told by a formula. */
static uint8_t pixel(int64_t row, int64_t c, int64_t i)
{
    return (uint8_t)(row * 91 + c * 53 + i * 7 + i / 32);
}

static size_t fill(int64_t rows, int64_t label_bytes, int first_label)
{
    size_t size = (size_t)(label_bytes + RECORD - 1);
    for (int64_t r = 0; r < rows; r++) {
        uint8_t *record = file + (size_t)r * size;
        record[0] = 19;
        record[label_bytes - 1] = (uint8_t)(first_label + r);
        for (int64_t c = 0; c < 3; c++)
            for (int64_t i = 0; i < 1024; i++) record[label_bytes + c * 1024 + i] = pixel(r, c, i);
    }
    return (size_t)rows * size;
}

static cj_status read_one(const char *name, int64_t classes, cj_dataset **d)
{
    const char *path = cj_test_path(cj_test_folder, name);
    return cj_dataset_read_cifar(d, &path, 1, classes);
}

static void expect_rows(const cj_dataset *d, int64_t first, int64_t rows, int label)
{
    const uint8_t *x = cj_dataset_x(d).data;
    for (int64_t r = 0; r < rows; r++) {
        assert_int_equal(((const int32_t *)cj_dataset_y(d).data)[first + r], label + r);
        for (int64_t i = 0; i < 1024; i++)
            for (int64_t c = 0; c < 3; c++)
                assert_int_equal(x[((first + r) * 1024 + i) * 3 + c], pixel(r, c, i));
    }
}

static void test_both_kinds(void **state)
{
    (void)state;
    cj_dataset *d;
    cj_test_write_file(cj_test_path(cj_test_folder, "a.bin"), file, fill(ROWS, 1, 7));
    expect_ok(read_one("a.bin", 10, &d));
    cj_tensor x = cj_dataset_x(d);
    assert_true(cj_shape_equal(x.shape, cj_shape(ROWS, 32, 32, 3)) && x.dtype == CJ_U8);
    expect_rows(d, 0, ROWS, 7);
    cj_dataset_free(d);
    cj_test_write_file(cj_test_path(cj_test_folder, "b.bin"), file, fill(2, 1, 0));
    const char *both[] = {cj_test_path(cj_test_folder, "a.bin"), cj_test_path(cj_test_folder, "b.bin")};
    expect_ok(cj_dataset_read_cifar(&d, both, 2, 10));
    assert_int_equal(cj_dataset_count(d), ROWS + 2);
    expect_rows(d, 0, ROWS, 7);
    expect_rows(d, ROWS, 2, 0);
    cj_dataset_free(d);
    cj_test_write_file(cj_test_path(cj_test_folder, "c.bin"), file, fill(ROWS, 2, 97));
    expect_ok(read_one("c.bin", 100, &d));
    expect_rows(d, 0, ROWS, 97);
    cj_dataset_free(d);
}

static void test_damaged(void **state)
{
    (void)state;
    cj_dataset *d;
    size_t size = fill(ROWS, 1, 0);
    static const size_t cuts[] = {0, 1, RECORD - 1, RECORD + 1, 3 * RECORD - 1};
    for (int i = 0; i < 5; i++) {
        cj_test_write_file(cj_test_path(cj_test_folder, "cut.bin"), file, cuts[i]);
        expect_status(read_one("cut.bin", 10, &d), CJ_FORMAT_ERROR);
        expect_message("cut.bin: record ");
        assert_null(d);
    }
    expect_message("record 2: found 3072 bytes, expected 3073");
    file[2 * RECORD] = 10;
    cj_test_write_file(cj_test_path(cj_test_folder, "label.bin"), file, size);
    expect_status(read_one("label.bin", 10, &d), CJ_FORMAT_ERROR);
    expect_message("record 2: found the label 10, expected one below 10");
    expect_status(read_one("missing.bin", 10, &d), CJ_NOT_FOUND);
    expect_status(read_one("label.bin", 11, &d), CJ_INVALID_ARGUMENT);
    expect_status(cj_dataset_read_cifar(&d, NULL, 0, 10), CJ_INVALID_ARGUMENT);
}

/* The folder may be called as the set or as its archive unpacks. */
static void test_by_name(void **state)
{
    (void)state;
    cj_dataset *d;
    char *data = getenv("CAJAL_DATA") ? strdup(getenv("CAJAL_DATA")) : NULL;
    setenv("CAJAL_DATA", cj_test_folder, 1);
    mkdir(cj_test_path(cj_test_folder, "cifar-10-batches-bin"), 0700);
    mkdir(cj_test_path(cj_test_folder, "cifar-100"), 0700);
    for (int i = 1; i <= 5; i++) {
        char name[64];
        snprintf(name, sizeof name, "cifar-10-batches-bin/data_batch_%d.bin", i);
        expect_status(cj_dataset_open(&d, "cifar-10", false), CJ_NOT_FOUND);
        cj_test_write_file(cj_test_path(cj_test_folder, name), file, fill(1, 1, i));
    }
    expect_ok(cj_dataset_open(&d, "cifar-10", false));
    for (int i = 1; i <= 5; i++) expect_rows(d, i - 1, 1, i);
    cj_dataset_free(d);
    expect_ok(cj_dataset_open_sample(&d, "cifar-10", 2));
    assert_int_equal(cj_dataset_count(d), 2);
    cj_dataset_free(d);
    expect_status(cj_dataset_open(&d, "cifar-10", true), CJ_NOT_FOUND);
    expect_message("looked for cifar-10-batches-bin/test_batch.bin");
    cj_test_write_file(cj_test_path(cj_test_folder, "cifar-100/test.bin"), file, fill(2, 2, 50));
    expect_ok(cj_dataset_open(&d, "cifar-100", true));
    expect_rows(d, 0, 2, 50);
    cj_dataset_free(d);
    data ? setenv("CAJAL_DATA", data, 1) : unsetenv("CAJAL_DATA");
    free(data);
}

/* The mean of the red of the training pictures, as the literature gives it (0.4914), and 1000 of a class in
 * the test. */
static void test_real(void **state)
{
    (void)state;
    cj_dataset *d;
    if (!cj_test_data("cifar-10-batches-bin")) skip_because("CAJAL_DATA has no cifar-10-batches-bin");
    expect_ok(cj_dataset_open(&d, "cifar-10", false));
    assert_int_equal(cj_dataset_count(d), 50000);
    const uint8_t *x = cj_dataset_x(d).data;
    double sum = 0;
    for (int64_t i = 0; i < 50000 * 1024; i++) sum += x[3 * i];
    assert_true(sum / (50000.0 * 1024 * 255) > 0.49135 && sum / (50000.0 * 1024 * 255) < 0.49145);
    cj_dataset_free(d);
    expect_ok(cj_dataset_open(&d, "cifar-10", true));
    int counts[10] = {0};
    for (int64_t i = 0; i < cj_dataset_count(d); i++) counts[((const int32_t *)cj_dataset_y(d).data)[i]]++;
    for (int i = 0; i < 10; i++) assert_int_equal(counts[i], 1000);
    cj_dataset_free(d);
}

static cj_status scenario(void *context)
{
    (void)context;
    cj_dataset *d;
    cj_status status = read_one("many.bin", 10, &d);
    cj_dataset_free(d);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    cj_test_write_file(cj_test_path(cj_test_folder, "many.bin"), file, fill(ROWS, 1, 0));
    cj_test_allocator_install();
    cj_test_every_allocation_fails(scenario, NULL);
    cj_test_allocator_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_both_kinds), cmocka_unit_test(test_damaged),
                                       cmocka_unit_test(test_by_name), cmocka_unit_test(test_real),
                                       cmocka_unit_test(test_allocations)};
    return cmocka_run_group_tests(tests, cj_test_make_folder, cj_test_drop_folder);
}
